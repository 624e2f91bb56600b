"""The Virtual Motion Capture protocol: OSC messages over UDP, from trackers, VTuber software and game engines.

`/VMC/Ext/Blend/Val name value` gathers weights until `/VMC/Ext/Blend/Apply` makes a frame of them;
`/VMC/Ext/Bone/Pos name px py pz qx qy qz qw` turns bones (Unity's human ones), of which neck, head and eyes act on a
figure; `/VMC/Ext/T` is the sender's clock, which counts as long as it comes with every frame. Names are Apple's where
the sender tracks a whole face, else those of VRM 0 or VRM 1, which stand for a few of Apple's shapes each. What a
sender says under Apple's names is never overruled by what it says under VRM's. Everything else is ignored, as the
protocol asks.

Unity's space is left-handed with +z forward, so a person's left is -x there: x changes its sign, and of a rotation
y and z.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from studio.figure.capture import osc
from studio.figure.capture.frames import COUNT, MOST_WEIGHT, FaceFrame, Quat, Vec3, frozen
from studio.figure.capture.malformed import Malformed
from studio.figure.capture.turns import rotation_of, turn_of
from studio.scene.arkit import ARKIT, INDEX
from studio.scene.turns import product

PORT = 39539
_MOST_NAMES = 256
_MOST_BONES = 64
_GAZE_DEG = (32.0, 38.0, 28.0, 30.0)  # eyeLookIn, Out, Up, Down at weight 1, as a figure's rig has it
_ARKIT = {name.lower(): i for name, i in INDEX.items()}

# What an expression of VRM means in Apple's shapes: enough to read it, not what an artist would sculpt.
_SMILE = {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5}
_CALM = {"mouthSmileLeft": 0.4, "mouthSmileRight": 0.4, "eyeSquintLeft": 0.3, "eyeSquintRight": 0.3}
_ANGRY = {"browDownLeft": 0.9, "browDownRight": 0.9, "noseSneerLeft": 0.4, "noseSneerRight": 0.4,
          "mouthFrownLeft": 0.4, "mouthFrownRight": 0.4, "mouthPressLeft": 0.3, "mouthPressRight": 0.3}  # fmt: skip
_SAD = {"browInnerUp": 0.9, "mouthFrownLeft": 0.7, "mouthFrownRight": 0.7, "mouthShrugLower": 0.3}
_SURPRISED = {"browInnerUp": 0.8, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8, "eyeWideLeft": 0.7,
              "eyeWideRight": 0.7, "jawOpen": 0.3}  # fmt: skip
_AA = {"jawOpen": 0.6, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2}
_IH = {
    "jawOpen": 0.15,
    "mouthStretchLeft": 0.5,
    "mouthStretchRight": 0.5,
    "mouthSmileLeft": 0.2,
    "mouthSmileRight": 0.2,
}
_OU = {"jawOpen": 0.15, "mouthPucker": 0.7, "mouthFunnel": 0.2}
_EE = {"jawOpen": 0.25, "mouthStretchLeft": 0.4, "mouthStretchRight": 0.4, "mouthUpperUpLeft": 0.2,
       "mouthUpperUpRight": 0.2}  # fmt: skip
_OH = {"jawOpen": 0.4, "mouthFunnel": 0.6, "mouthPucker": 0.2}
_LEFT, _RIGHT = {"eyeBlinkLeft": 1.0}, {"eyeBlinkRight": 1.0}
MEANINGS: Mapping[str, tuple[str, Mapping[str, float]]] = {  # in small letters -> VRM 1's name, shapes
    **dict.fromkeys(("joy", "happy"), ("happy", _SMILE)),
    "angry": ("angry", _ANGRY),
    **dict.fromkeys(("sorrow", "sad"), ("sad", _SAD)),
    **dict.fromkeys(("fun", "relaxed"), ("relaxed", _CALM)),
    "surprised": ("surprised", _SURPRISED),
    "neutral": ("neutral", {}),
    **dict.fromkeys(("a", "aa"), ("aa", _AA)),
    **dict.fromkeys(("i", "ih"), ("ih", _IH)),
    **dict.fromkeys(("u", "ou"), ("ou", _OU)),
    **dict.fromkeys(("e", "ee"), ("ee", _EE)),
    **dict.fromkeys(("o", "oh"), ("oh", _OH)),
    "blink": ("blink", {**_LEFT, **_RIGHT}),
    **dict.fromkeys(("blink_l", "blinkleft"), ("blinkLeft", _LEFT)),
    **dict.fromkeys(("blink_r", "blinkright"), ("blinkRight", _RIGHT)),
    "lookup": ("lookUp", {"eyeLookUpLeft": 1.0, "eyeLookUpRight": 1.0}),
    "lookdown": ("lookDown", {"eyeLookDownLeft": 1.0, "eyeLookDownRight": 1.0}),
    "lookleft": ("lookLeft", {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}),
    "lookright": ("lookRight", {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0}),
}
_GAZE = frozenset(n for n in ARKIT if n.startswith("eyeLook"))


class VmcStream:
    """What one sender says: its weights and bones stay until it says others."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}  # as named, in small letters
        self._names: dict[str, str] = {}
        self._pending: dict[str, float] = {}
        self._bones: dict[str, Quat] = {}
        self._place: Vec3 = (0.0, 0.0, 0.0)
        self._clock: float | None = None
        self._clocked = True  # every frame so far came with a time of its own
        self._applies = False

    def feed(self, data: bytes, time: float) -> list[FaceFrame]:
        """Frames that a datagram brings: one at each Apply; of a sender that only turns bones, one a datagram."""
        out = []
        turned = False
        for address, arguments in osc.parse(data):
            if address == "/VMC/Ext/Blend/Val":
                self._value(arguments)
            elif address == "/VMC/Ext/Blend/Apply":
                self._applies = True
                self._told.update(self._pending)
                self._pending.clear()
                out.append(self._frame(time))
            elif address == "/VMC/Ext/Bone/Pos":
                turned = self._bone(arguments) or turned
            elif address == "/VMC/Ext/T":
                (self._clock,) = _floats(arguments, 1)
        if turned and not self._applies:
            out.append(self._frame(time))
        return out

    def _value(self, arguments: tuple[osc.Argument, ...]) -> None:
        if len(arguments) < 2 or not isinstance(arguments[0], str):
            raise Malformed("wrong arguments")
        (value,) = _floats(arguments[1:], 1)
        name = arguments[0]
        if abs(value) > MOST_WEIGHT or not name or len(name) > 64 or not name.isprintable():
            raise Malformed("impossible values")
        key = name.lower()
        if key not in self._names and len(self._names) >= _MOST_NAMES:
            raise Malformed("too many names")
        self._names.setdefault(key, name)
        self._pending[key] = value

    def _bone(self, arguments: tuple[osc.Argument, ...]) -> bool:
        if len(arguments) < 8 or not isinstance(arguments[0], str):
            raise Malformed("wrong arguments")
        px, py, pz, x, y, z, w = _floats(arguments[1:], 7)
        length = math.sqrt(x * x + y * y + z * z + w * w)
        name = arguments[0][:64].lower()
        if not 0.5 < length < 2.0 or max(abs(px), abs(py), abs(pz)) > 1e4:
            raise Malformed("impossible values")
        if name not in self._bones and len(self._bones) >= _MOST_BONES:
            raise Malformed("too many names")
        self._bones[name] = (x / length, -y / length, -z / length, w / length)
        if name == "head":
            self._place = (-px, py, pz)
        return name in ("head", "neck")

    def _frame(self, time: float) -> FaceFrame:
        clock, self._clock = self._clock, None
        self._clocked = self._clocked and clock is not None
        weights, extra = np.zeros(COUNT), dict[str, float]()
        own: set[str] = set()
        for key, value in self._told.items():
            if key in _ARKIT:
                weights[_ARKIT[key]] = value
                own.add(ARKIT[_ARKIT[key]])
        for key, value in self._told.items():
            if key in MEANINGS:
                name, shapes = MEANINGS[key]
                extra[name] = value
                for shape, share in shapes.items():
                    if shape not in own:
                        weights[INDEX[shape]] += share * value
            elif key not in _ARKIT:
                extra[self._names[key]] = value
        rest: Quat = (0.0, 0.0, 0.0, 1.0)
        eyes = [turn_of(self._bones.get(f"{side}eye", rest)) for side in ("left", "right")]
        looks = own & _GAZE or any(key.startswith("look") for key in self._told)
        if not looks and ("lefteye" in self._bones or "righteye" in self._bones):
            _look(weights, eyes[0], eyes[1])
        return FaceFrame(
            time=time,
            weights=frozen(np.clip(weights, -MOST_WEIGHT, MOST_WEIGHT)),
            source_s=clock if self._clocked else None,
            extra=extra,
            head_deg=turn_of(product(self._bones.get("neck", rest), self._bones.get("head", rest))),
            head_m=self._place,
            left_eye_deg=eyes[0],
            right_eye_deg=eyes[1],
            bones=dict(self._bones),
        )


def _floats(arguments: tuple[osc.Argument, ...], count: int) -> list[float]:
    out = [float(a) for a in arguments[:count] if isinstance(a, int | float)]
    if len(out) < count:
        raise Malformed("wrong arguments")
    if not all(map(math.isfinite, out)):
        raise Malformed("impossible values")
    return out


def _look(weights: np.ndarray, left: Vec3, right: Vec3) -> None:
    """Weights of the gaze of two eyes' turns: to its left is out for the left eye and in for the right one."""
    inward, outward, up, down = _GAZE_DEG
    for side, (pitch, yaw, _), out in (("Left", left, 1.0), ("Right", right, -1.0)):
        across = yaw * out
        weights[INDEX[f"eyeLookOut{side}"]] = min(max(across / outward, 0.0), 1.0)
        weights[INDEX[f"eyeLookIn{side}"]] = min(max(-across / inward, 0.0), 1.0)
        weights[INDEX[f"eyeLookDown{side}"]] = min(max(pitch / down, 0.0), 1.0)
        weights[INDEX[f"eyeLookUp{side}"]] = min(max(-pitch / up, 0.0), 1.0)


def build(frame: FaceFrame, *, time: float | None = None) -> bytes:
    """A bundle as a performer sends it: its clock, neck, head and eyes, Apple's shapes and others, and Apply."""
    clock = frame.source_s if time is None else time
    parts = [osc.build("/VMC/Ext/OK", 1)]
    parts.append(osc.build("/VMC/Ext/T", float(frame.time if clock is None else clock)))
    for bone, turn in (("Head", frame.head_deg), ("LeftEye", frame.left_eye_deg), ("RightEye", frame.right_eye_deg)):
        x, y, z, w = rotation_of(turn)
        place = (-frame.head_m[0], frame.head_m[1], frame.head_m[2]) if bone == "Head" else (0.0, 0.0, 0.0)
        parts.append(osc.build("/VMC/Ext/Bone/Pos", bone, *map(float, place), x, -y, -z, w))
    for name, value in (*zip(ARKIT, frame.weights.tolist(), strict=True), *frame.extra.items()):
        parts.append(osc.build("/VMC/Ext/Blend/Val", name, float(value)))
    parts.append(osc.build("/VMC/Ext/Blend/Apply"))
    return osc.bundle(parts)
