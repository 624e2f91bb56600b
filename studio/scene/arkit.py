"""The names of a face: Apple's 52 blend shapes, where on the face they act, and which mirror each other.

They are the common tongue of face capture and of heads: the order is that of Apple's ARBlendShapeLocation as Live Link
Face sends it. Left and right are the figure's own.
"""

from __future__ import annotations

from collections.abc import Mapping

ARKIT: tuple[str, ...] = (
    *("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft"),
    *("eyeSquintLeft", "eyeWideLeft"),
    *("eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight"),
    *("eyeSquintRight", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight"),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
INDEX: Mapping[str, int] = {name: i for i, name in enumerate(ARKIT)}

REGIONS: tuple[str, ...] = ("brows", "eyes", "gaze", "nose", "cheeks", "jaw", "mouth", "tongue", "other")


def region(name: str) -> str:
    """The region of `REGIONS` that a shape acts on, by its name; "other" for a name that tells nothing."""
    if name.startswith("eyeLook"):
        return "gaze"
    for start, found in (
        *(("brow", "brows"), ("eye", "eyes"), ("nose", "nose"), ("cheek", "cheeks"), ("jaw", "jaw")),
        *(("mouth", "mouth"), ("tongue", "tongue")),
    ):
        if name.startswith(start):
            return found
    return "other"


def mirrored(name: str) -> str:
    """The name of the shape on the other side of the face; the name itself for a shape in the middle."""
    for here, there in (("Left", "Right"), ("Right", "Left"), ("_L", "_R"), ("_R", "_L")):
        if name.endswith(here):
            return name.removesuffix(here) + there
    return name
