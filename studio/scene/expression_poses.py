"""Poses that every studio has: expressions and the shapes of speech, of the 52 shapes of `studio.scene.arkit`.

A pose of the face says nothing of the gaze unless it means it, and one of speech moves the mouth and the jaw alone, so
that a word can be laid over a smile. The recipes follow what faces do by the action units of the Facial Action Coding
System (P. Ekman, W. Friesen, J. Hager: FACS, 2002; the units of each emotion are those of EMFACS): joy is 6 + 12,
sadness 1 + 4 + 15, anger 4 + 5 + 7 + 23, surprise 1 + 2 + 5 + 26, disgust 9 + 15 + 16, fear 1 + 2 + 4 + 5 + 20 + 26.
"""

from __future__ import annotations

from collections.abc import Mapping

from studio.scene.arkit import ARKIT
from studio.scene.expression_edits import Pose

_MOUTH = tuple(name for name in ARKIT if name.startswith(("jaw", "mouth", "tongue")) or name == "cheekPuff")
_FACE = tuple(name for name in ARKIT if not name.startswith("eyeLook"))

_SMILE = {"mouthSmile": 0.62, "mouthDimple": 0.18, "cheekSquint": 0.35, "eyeSquint": 0.22, "mouthUpperUp": 0.06}
_LAUGH = {
    "mouthSmile": 0.9,
    "cheekSquint": 0.85,
    "eyeSquint": 0.6,
    "eyeBlink": 0.18,
    "mouthUpperUp": 0.38,
    "jawOpen": 0.34,
    "mouthLowerDown": 0.3,
    "noseSneer": 0.16,
    "browOuterUp": 0.12,
    "mouthStretch": 0.1,
}
_SAD = {
    "browInnerUp": 0.8,
    "browDown": 0.12,
    "mouthFrown": 0.62,
    "mouthShrugLower": 0.42,
    "eyeSquint": 0.14,
    "eyeBlink": 0.16,
    "mouthRollLower": 0.12,
    "mouthPress": 0.14,
}
_ANGRY = {
    "browDown": 0.92,
    "eyeSquint": 0.42,
    "eyeWide": 0.3,
    "noseSneer": 0.42,
    "mouthPress": 0.58,
    "mouthFrown": 0.26,
    "mouthShrugUpper": 0.2,
    "jawForward": 0.14,
    "mouthRollUpper": 0.12,
    "cheekSquint": 0.22,
}
_SURPRISED = {
    "browInnerUp": 0.9,
    "browOuterUp": 0.85,
    "eyeWide": 0.72,
    "jawOpen": 0.46,
    "mouthFunnel": 0.24,
    "mouthStretch": 0.04,
}
_DISGUST = {
    "noseSneer": 0.85,
    "browDown": 0.5,
    "cheekSquint": 0.48,
    "eyeSquint": 0.42,
    "mouthUpperUp": 0.55,
    "mouthFrown": 0.32,
    "mouthLowerDown": 0.16,
    "mouthShrugLower": 0.22,
    "jawOpen": 0.06,
}
_FEAR = {
    "browInnerUp": 0.85,
    "browOuterUp": 0.42,
    "browDown": 0.24,
    "eyeWide": 0.82,
    "mouthStretch": 0.62,
    "mouthLowerDown": 0.26,
    "jawOpen": 0.2,
    "mouthFrown": 0.22,
}
_WINK = {
    "eyeBlinkLeft": 1.0,
    "eyeSquintLeft": 0.6,
    "cheekSquintLeft": 0.72,
    "browDownLeft": 0.28,
    "mouthSmileLeft": 0.55,
    "mouthSmileRight": 0.28,
    "mouthDimpleLeft": 0.3,
    "browOuterUpRight": 0.26,
    "noseSneerLeft": 0.12,
    "eyeSquintRight": 0.1,
}
_KISS = {"mouthPucker": 0.92, "mouthFunnel": 0.12, "mouthRollLower": 0.06, "cheekPuff": 0.04, "eyeSquint": 0.08}
_SMIRK = {
    "mouthSmileRight": 0.6,
    "mouthDimpleRight": 0.42,
    "cheekSquintRight": 0.28,
    "mouthPressLeft": 0.2,
    "mouthRight": 0.14,
    "browOuterUpRight": 0.34,
    "browDownLeft": 0.16,
    "eyeSquintRight": 0.18,
    "eyeSquintLeft": 0.22,
}
_SLEEPY = {"eyeBlink": 0.58, "browInnerUp": 0.12, "browOuterUp": 0.16, "mouthShrugLower": 0.1, "jawOpen": 0.05}
_THINKING = {
    "browDownLeft": 0.42,
    "browOuterUpRight": 0.3,
    "browInnerUp": 0.16,
    "mouthPucker": 0.26,
    "mouthLeft": 0.34,
    "mouthPress": 0.22,
    "eyeSquint": 0.2,
}
_EYES_SHUT = {"eyeBlink": 1.0}

# Of a language's sounds those that look different: what the mouth shows, not what the tongue does behind it.
_SPEECH: Mapping[str, Mapping[str, float]] = {
    "A": {"jawOpen": 0.52, "mouthLowerDown": 0.28, "mouthUpperUp": 0.14, "mouthStretch": 0.06},
    "I": {"jawOpen": 0.1, "mouthSmile": 0.3, "mouthStretch": 0.32, "mouthLowerDown": 0.28, "mouthUpperUp": 0.2},
    "U": {"jawOpen": 0.1, "mouthPucker": 0.72, "mouthFunnel": 0.34},
    "E": {"jawOpen": 0.26, "mouthStretch": 0.28, "mouthSmile": 0.14, "mouthLowerDown": 0.28, "mouthUpperUp": 0.18},
    "O": {"jawOpen": 0.36, "mouthFunnel": 0.62, "mouthPucker": 0.3},
    "M": {
        "mouthPress": 0.32,
        "mouthRollLower": 0.3,
        "mouthRollUpper": 0.26,
        "mouthShrugUpper": 0.08,
        "jawOpen": 0.02,
        "mouthClose": 0.03,
    },
    "F": {
        "jawOpen": 0.08,
        "mouthRollLower": 0.46,
        "mouthUpperUp": 0.22,
        "mouthShrugLower": 0.12,
        "mouthFunnel": 0.06,
    },
    "S": {"jawOpen": 0.05, "mouthStretch": 0.18, "mouthLowerDown": 0.3, "mouthUpperUp": 0.24, "mouthSmile": 0.1},
    "L": {"jawOpen": 0.24, "mouthLowerDown": 0.2, "mouthUpperUp": 0.14, "tongueOut": 0.12, "mouthStretch": 0.08},
}


def _both(recipe: Mapping[str, float], over: tuple[str, ...]) -> dict[str, float]:
    """Weights of a recipe in which a name without a side means both; controls of `over` that it has not are 0."""
    out = dict.fromkeys(over, 0.0)
    for name, value in recipe.items():
        for found in (name,) if name in ARKIT else (f"{name}Left", f"{name}Right"):
            out[found] = value
    return out


def _face(name: str, recipe: Mapping[str, float]) -> Pose:
    return Pose(name=name, weights=_both(recipe, _FACE))


BUILT_IN: tuple[Pose, ...] = (
    Pose(name="Neutral", whole=True),
    _face("Smile", _SMILE),
    _face("Laugh", _LAUGH),
    _face("Smirk", _SMIRK),
    _face("Sad", _SAD),
    _face("Angry", _ANGRY),
    _face("Surprised", _SURPRISED),
    _face("Disgust", _DISGUST),
    _face("Fear", _FEAR),
    _face("Thinking", _THINKING),
    _face("Sleepy", _SLEEPY),
    _face("Wink", _WINK),
    _face("Kiss", _KISS),
    Pose(name="Eyes shut", weights=_both(_EYES_SHUT, ())),
    *(Pose(name=f"Speech {sound}", weights=_both(recipe, _MOUTH)) for sound, recipe in _SPEECH.items()),
)
