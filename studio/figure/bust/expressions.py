"""The 52 shapes of a face, and the correctives between them, as offsets of a wrapped net at rest.

Each shape asks the muscles again: skin goes where their fields carry it, lid rings follow the lids' new curves over
the globe and the cornea beneath, lips keep their seal. Offsets are straight lines while lids travel on arcs and jaws
on circles, so blinks have in-betweens, and pairs of shapes that act on one lid or on the lips have a corrective.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust import muscles
from studio.figure.bust.form import Form
from studio.figure.bust.layout import EYE, Layout
from studio.figure.bust.lids import FIRST, OPEN, LidPose, lid_rings
from studio.figure.bust.primitives import smooth_step
from studio.figure.bust.regions import Flesh
from studio.figure.bust.wrap import Wrapped, between_rings
from studio.scene.arkit import ARKIT, mirrored
from studio.scene.entities import Corrective

F64 = NDArray[np.float64]
GAZE_DEG = {"In": 32.0, "Out": 38.0, "Up": 28.0, "Down": 30.0}

# What the lids of an eye do under the shapes that act on them.
_LIDS: Mapping[str, Mapping[str, float]] = {
    "eyeBlink": {"shut": 1.0},
    "eyeLookDown": {"raise_upper": -0.52, "raise_lower": -0.12, "gaze_up_deg": -GAZE_DEG["Down"]},
    "eyeLookUp": {"raise_upper": 0.20, "raise_lower": 0.10, "gaze_up_deg": GAZE_DEG["Up"]},
    "eyeLookIn": {"gaze_out_deg": -GAZE_DEG["In"]},
    "eyeLookOut": {"gaze_out_deg": GAZE_DEG["Out"]},
    "eyeSquint": {"raise_upper": -0.20, "raise_lower": 0.24},
    "eyeWide": {"raise_upper": 0.22, "raise_lower": -0.05},
    "cheekSquint": {"raise_lower": 0.12},
}
_SIDED = {
    "eyeSquint": "squint",
    "browDown": "brow_down",
    "browOuterUp": "brow_outer_up",
    "cheekSquint": "cheek_squint",
    "noseSneer": "sneer",
    "mouthSmile": "smile",
    "mouthFrown": "frown",
    "mouthDimple": "dimple",
    "mouthStretch": "stretch",
    "mouthPress": "press",
    "mouthLowerDown": "lower_down",
    "mouthUpperUp": "upper_up",
}
_WHOLE = {
    "jawForward": "jaw_forward",
    "jawLeft": "jaw_left",
    "jawOpen": "jaw_open",
    "mouthClose": "mouth_close",
    "mouthFunnel": "funnel",
    "mouthPucker": "pucker",
    "mouthLeft": "mouth_left",
    "mouthRollLower": "roll_lower",
    "mouthRollUpper": "roll_upper",
    "mouthShrugLower": "shrug_lower",
    "mouthShrugUpper": "shrug_upper",
    "tongueOut": "tongue_out",
}
_PAIRED = {"browInnerUp": "brow_inner_up", "cheekPuff": "cheek_puff"}
_INBETWEENS = {"eyeBlink": (1 / 3, 2 / 3), "eyeLookDown": (0.5,)}
_LID_PAIRS = (
    *(("eyeBlink", other) for other in ("eyeLookDown", "eyeLookUp", "eyeLookIn", "eyeLookOut", "eyeSquint", "eyeWide")),
    *(("eyeLookDown", other) for other in ("eyeSquint", "eyeWide", "eyeLookIn", "eyeLookOut")),
    ("eyeBlink", "cheekSquint"),
    ("eyeSquint", "cheekSquint"),
    *(("eyeLookUp", other) for other in ("eyeWide", "eyeSquint", "eyeLookIn", "eyeLookOut")),
    ("eyeSquint", "eyeWide"),
)
SEAL = "jawOpen_mouthClose"


def _between(name: str, side: str, peak: float) -> str:
    return f"{name}{side}_{round(100 * peak)}"


def _correctives() -> tuple[Corrective, ...]:
    found = [Corrective(shape=SEAL, drivers=("jawOpen", "mouthClose"), how="least")]
    found.append(Corrective(shape="jawOpen_mouthPucker", drivers=("jawOpen", "mouthPucker")))
    for side in ("Left", "Right"):
        found.append(Corrective(shape=f"jawOpen_mouthSmile{side}", drivers=("jawOpen", f"mouthSmile{side}")))
        for name, peaks in _INBETWEENS.items():
            for peak in peaks:
                drivers = (name + side,)
                found.append(Corrective(shape=_between(name, side, peak), drivers=drivers, peak=peak))
        for first, second in _LID_PAIRS:
            found.append(Corrective(shape=f"{first}{side}_{second}{side}", drivers=(first + side, second + side)))
    return tuple(found)


CORRECTIVES: tuple[Corrective, ...] = _correctives()


def shapes(wrapped: Wrapped, form: Form, flesh: Flesh) -> dict[str, F64]:
    """Offsets (n, 3), centimetres, of ARKit's shapes in their order and then of the correctives'."""
    eye = _Eye(wrapped, form)
    lefts: dict[str, F64] = {}
    for name, field in _SIDED.items():
        lefts[name] = eye.spare(muscles.on_left(flesh, form, field))
    for name in _LIDS:
        lefts[name] = eye.moved(_LIDS[name]) + lefts.get(name, 0.0)
    found = {}
    for name in ARKIT:
        stem = name.removesuffix("Left").removesuffix("Right")
        if stem in lefts:
            found[name] = lefts[stem] if name.endswith("Left") else _other_side(wrapped.layout, lefts[stem])
        elif name in _PAIRED:
            left = eye.spare(muscles.on_left(flesh, form, _PAIRED[name]))
            found[name] = left + _other_side(wrapped.layout, left)
        elif name in _WHOLE:
            found[name] = muscles.whole(flesh, form, _WHOLE[name])
        else:
            found[name] = _other_side(wrapped.layout, muscles.whole(flesh, form, _WHOLE[mirrored(name)]))
    return found | _corrected(wrapped, form, flesh, eye, found)


def _other_side(layout: Layout, offsets: F64) -> F64:
    return np.asarray(offsets[layout.mirror] * np.array([-1.0, 1.0, 1.0]))


def _corrected(wrapped: Wrapped, form: Form, flesh: Flesh, eye: _Eye, found: Mapping[str, F64]) -> dict[str, F64]:
    """Offsets of the correctives: what is missing when their drivers act together."""
    other = partial(_other_side, wrapped.layout)
    extra = {SEAL: muscles.sealed_jaw(flesh, form)}
    extra["jawOpen_mouthPucker"] = -0.55 * muscles.drawn_corners(flesh, form)
    smile = muscles.smile_on_open_jaw(flesh, form)
    extra["jawOpen_mouthSmileLeft"], extra["jawOpen_mouthSmileRight"] = smile, other(smile)
    for name, peaks in _INBETWEENS.items():
        for peak in peaks:
            part = eye.moved({key: value * peak for key, value in _LIDS[name].items()})
            bend = part - peak * eye.moved(_LIDS[name])
            extra[_between(name, "Left", peak)], extra[_between(name, "Right", peak)] = bend, other(bend)
    for first, second in _LID_PAIRS:
        both = eye.moved(_joined(first, second))
        bend = both - eye.moved(_LIDS[first]) - eye.moved(_LIDS[second])
        extra[f"{first}Left_{second}Left"], extra[f"{first}Right_{second}Right"] = bend, other(bend)
    return {corrective.shape: extra[corrective.shape] for corrective in CORRECTIVES}


def _joined(first: str, second: str) -> dict[str, float]:
    keys = {*_LIDS[first], *_LIDS[second]}
    return {key: _LIDS[first].get(key, 0.0) + _LIDS[second].get(key, 0.0) for key in keys}


class _Eye:
    """The left eye's rings of a net, which follow the lids and not the muscles around them."""

    def __init__(self, wrapped: Wrapped, form: Form) -> None:
        layout = wrapped.layout
        self.form = form
        self.count = layout.count
        self.rings = np.nonzero((layout.feature == EYE) & (layout.ring >= FIRST - 1e-9) & (layout.side > 0))[0]
        self.number = layout.ring[self.rings]
        self.steps, inverse = np.unique(np.round(layout.along[self.rings], 6), return_inverse=True)
        self.inverse = inverse.reshape(-1)
        self.rest = self._at(OPEN)
        every = (layout.feature == EYE) & (layout.ring >= 0.0)
        self.follow = np.ones(layout.count)  # of the skin around: how far it goes with the muscles
        self.follow[every] = 1.0 - 0.92 * smooth_step(1.2, 4.2, layout.ring[every])
        self.follow[every & (layout.ring > 4.5)] = 0.0

    def _at(self, pose: LidPose) -> F64:
        return between_rings(lid_rings(self.form, self.steps, pose)[:, self.inverse], self.number)

    def moved(self, pose: Mapping[str, float]) -> F64:
        """Offsets (n, 3) of the net when the left lids take a pose."""
        found = np.zeros((self.count, 3))
        found[self.rings] = self._at(LidPose(**pose)) - self.rest
        return found

    def spare(self, offsets: F64) -> F64:
        """Offsets by muscles around the eye, held back towards the lids' margins."""
        return offsets * self.follow[:, None]
