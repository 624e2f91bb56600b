"""What controls of a face, its regions and built-in poses are called: English, which is the key of its translation.

A control that has a left and a right is named once; its halves are told apart by `half_label`. Controls that are not
among Apple's 52 shapes are called by their own names, written apart.
"""

from __future__ import annotations

import re

from studio.commands.registry import N_
from studio.scene.arkit import ARKIT, mirrored
from studio.scene.expression_edits import is_side

REGION_LABELS = {
    "brows": N_("Brows"),
    "eyes": N_("Eyelids"),
    "gaze": N_("Gaze"),
    "nose": N_("Nose"),
    "cheeks": N_("Cheeks"),
    "jaw": N_("Jaw"),
    "mouth": N_("Mouth"),
    "tongue": N_("Tongue"),
    "other": N_("Other"),
}
_BASES = {
    "browDown": N_("Brow down"),
    "browInnerUp": N_("Inner brows up"),
    "browOuterUp": N_("Outer brow up"),
    "eyeBlink": N_("Blink"),
    "eyeSquint": N_("Squint"),
    "eyeWide": N_("Wide open"),
    "eyeLookDown": N_("Look down"),
    "eyeLookIn": N_("Look inwards"),
    "eyeLookOut": N_("Look outwards"),
    "eyeLookUp": N_("Look up"),
    "noseSneer": N_("Sneer"),
    "cheekPuff": N_("Puff cheeks"),
    "cheekSquint": N_("Raise cheek"),
    "jawForward": N_("Jaw forward"),
    "jaw": N_("Jaw sideways"),
    "jawOpen": N_("Jaw open"),
    "mouthClose": N_("Lips together"),
    "mouthFunnel": N_("Funnel"),
    "mouthPucker": N_("Pucker"),
    "mouth": N_("Mouth sideways"),
    "mouthSmile": N_("Smile"),
    "mouthFrown": N_("Mouth corner down"),
    "mouthDimple": N_("Dimple"),
    "mouthStretch": N_("Stretch lips"),
    "mouthRollLower": N_("Lower lip in"),
    "mouthRollUpper": N_("Upper lip in"),
    "mouthShrugLower": N_("Chin up"),
    "mouthShrugUpper": N_("Upper lip pushed up"),
    "mouthPress": N_("Press lips"),
    "mouthLowerDown": N_("Lower lip down"),
    "mouthUpperUp": N_("Upper lip up"),
    "tongueOut": N_("Tongue out"),
}
POSE_NAMES = (
    *(N_("Neutral"), N_("Laugh"), N_("Smirk"), N_("Sad"), N_("Angry"), N_("Surprised"), N_("Disgust"), N_("Fear")),
    *(N_("Thinking"), N_("Sleepy"), N_("Wink"), N_("Kiss"), N_("Eyes shut"), N_("Speech A"), N_("Speech I")),
    *(N_("Speech U"), N_("Speech E"), N_("Speech O"), N_("Speech M"), N_("Speech F"), N_("Speech S"), N_("Speech L")),
)  # with "Smile", which is a control too
LEFT, RIGHT = N_("{control}, left"), N_("{control}, right")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ENDS = ("Left", "Right", "_L", "_R")


def base_of(name: str) -> str:
    """The name of a control without its side."""
    if mirrored(name) == name:
        return name
    return next((name.removesuffix(end) for end in _ENDS if name.endswith(end)), name)


def base_label(name: str) -> str:
    """What both halves of a control are called together."""
    base = base_of(name)
    if name in ARKIT:
        return _BASES[base]
    return " ".join(_WORDS.findall(base)).capitalize() or name


def half_label(name: str) -> str:
    """The text in which `{control}` is to be replaced by the translated `base_label`; "" for what has no halves."""
    if mirrored(name) == name:
        return ""
    return LEFT if is_side(name, "left") else RIGHT
