"""From the controls of a figure to the weights of its shapes: the rules by which parts of a face go together.

A face is driven by numbers that know nothing of each other: a capture may say that an eye is wide and shut at once, or
that closed lips are closed further. Here they are brought into agreement, always in the same order: what the artist or
the performance says, idle life, the rules of imported characters, where the eyes look, lids and lips, and last the
shapes that follow others. All of it is arithmetic on names; joints and meshes are `studio.scene.figures`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from studio.scene.entities import Corrective, Figure, FigureRig, Wrinkle
from studio.scene.figure_binds import ruled
from studio.scene.idle_life import Life

SIDES = ("Left", "Right")
LEAST, MOST = -1.0, 2.0  # of a weight
MOST_CORRECTIVES = 4096
_LID_PER_LOOK = 0.4  # of a blink, for eyes that look down on a head without shapes for it
_STRAINED = 1.3  # how far beyond weight 1 an expression may turn the eyes
_GAZES = ("eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown")


@dataclass(frozen=True, slots=True)
class Gaze:
    """Where one eye looks, in degrees from straight ahead: to the figure's left, and down."""

    left_deg: float = 0.0
    down_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Face:
    """A face at a moment. `controls` are the weights of controls in agreement, which joints and wrinkles follow;
    `shapes` those of morphs, where correctives are added; `gaze` is that of the left and of the right eye."""

    controls: Mapping[str, float]
    shapes: Mapping[str, float]
    gaze: tuple[Gaze, Gaze]


def said(figure: Figure, life: Life) -> dict[str, float]:
    """What drives the figure's controls: its expression, idle life and the rules of its rig. What is not a number is
    0; a name that stands twice counts once."""
    out: dict[str, float] = {}
    expression = figure.expression
    for i, name in enumerate(figure.controls):
        weight = expression[i] if i < len(expression) else 0.0
        out.setdefault(name, min(max(weight, LEAST), MOST) if math.isfinite(weight) else 0.0)
    if life.blink > 0.0:
        for side in SIDES:
            name = f"eyeBlink{side}"
            out[name] = max(out.get(name, 0.0), life.blink)
    rig = figure.rig
    return ruled(out, rig) if rig.overrides or rig.binary else out


def gaze_of(controls: Mapping[str, float], rig: FigureRig, life: Life) -> tuple[Gaze, Gaze]:
    """Where the eyes look by the weights of eyeLook shapes, and by idle life, within what the rig allows."""
    looks = []
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        inward, outward, up, down = (controls.get(name + side, 0.0) for name in _GAZES)
        to_in, to_out, to_up, to_down = _reach(rig)
        left, lower = sign * (outward * to_out - inward * to_in), down * to_down - up * to_up
        looks.append(within(Gaze(left + life.left_deg, lower + life.down_deg), rig, side, by=_STRAINED))
    return looks[0], looks[1]


def within(gaze: Gaze, rig: FigureRig, side: str, *, by: float = 1.0) -> Gaze:
    """The gaze, stopped where the eye can turn no further."""
    inward, outward, up, down = _reach(rig)
    to_left, to_right = (outward, inward) if side == "Left" else (inward, outward)
    return Gaze(min(max(gaze.left_deg, -to_right * by), to_left * by), min(max(gaze.down_deg, -up * by), down * by))


def _reach(rig: FigureRig) -> tuple[float, float, float, float]:
    """Degrees in, out, up and down at weight 1; what is no angle that an eye can turn by is a usual one."""
    usual = (32.0, 38.0, 28.0, 30.0)
    given: tuple[float, ...] = rig.gaze_deg
    given = given if len(given) == 4 else usual
    a, b, c, d = (x if 0.0 < x <= 90.0 else y for x, y in zip(given, usual, strict=True))
    return a, b, c, d


def looking(controls: Mapping[str, float], gaze: tuple[Gaze, Gaze], rig: FigureRig) -> dict[str, float]:
    """Controls with the weights of eyeLook shapes that mean a gaze; those that the figure lacks are not made up."""
    out = dict(controls)
    inward, outward, up, down = _reach(rig)
    for side, sign, eye in zip(SIDES, (1.0, -1.0), gaze, strict=True):
        away = sign * eye.left_deg
        lower = eye.down_deg
        values = (max(-away, 0.0) / inward, max(away, 0.0) / outward, max(-lower, 0.0) / up, max(lower, 0.0) / down)
        for name, value in zip(_GAZES, values, strict=True):
            if name + side in out:
                out[name + side] = value
    return out


def agreeing(controls: Mapping[str, float]) -> dict[str, float]:
    """Controls after the rules of lids and lips: a shut eye neither squints nor is wide, and lips close no further than
    the jaw has opened them."""
    out = dict(controls)
    for side in SIDES:
        blink = out.get(f"eyeBlink{side}", 0.0)
        if blink > 0.0:
            left = max(1.0 - blink, 0.0)
            for name in (f"eyeSquint{side}", f"eyeWide{side}"):
                if out.get(name, 0.0) > 0.0:
                    out[name] *= left
    if "mouthClose" in out and out["mouthClose"] > 0.0:
        out["mouthClose"] = min(out["mouthClose"], max(out.get("jawOpen", 0.0), 0.0))
    return out


def shaped(
    controls: Mapping[str, float], gaze: tuple[Gaze, Gaze], figure: Figure, shapes: Collection[str] | None = None
) -> dict[str, float]:
    """Weights of morphs by those of controls: lids that follow the gaze, and shapes that follow others.

    Where joints turn the eyes, the eyeLook shapes move lids alone and are theirs by `lids_follow`. `shapes` are the
    names of the morphs that there are (None: one for each control): lids without a shape for looking down close a
    little instead.
    """
    out = dict(controls)
    rig, follow = figure.rig, min(max(figure.lids_follow, 0.0), 1.0) if math.isfinite(figure.lids_follow) else 1.0
    there = out if shapes is None else shapes
    for side, eye, joint in zip(SIDES, gaze, (rig.left_eye, rig.right_eye), strict=True):
        blink = out.get(f"eyeBlink{side}", 0.0)
        open_ = min(max(1.0 - blink, 0.0), 1.0)
        if joint:
            for name in _GAZES:
                if name + side in out:
                    out[name + side] *= follow * open_
        if f"eyeLookDown{side}" not in there and eye.down_deg > 0.0:
            lowered = _LID_PER_LOOK * follow * eye.down_deg / _reach(rig)[3]
            out[f"eyeBlink{side}"] = blink + open_ * lowered
    for corrective in rig.correctives[:MOST_CORRECTIVES]:
        if weight := _followed(corrective, out):
            out[corrective.shape] = out.get(corrective.shape, 0.0) + weight
    return out


def _followed(corrective: Corrective, weights: Mapping[str, float]) -> float:
    """The weight of a shape that follows others. Drivers count from 0 to 1; one that is not there is 0."""
    drivers = corrective.drivers
    if not drivers:
        return 0.0
    if corrective.peak != 0.0:
        weight, peak = weights.get(drivers[0], 0.0), corrective.peak
        if not 0.0 < peak < 1.0 or not 0.0 < weight < 1.0:
            return 0.0
        return weight / peak if weight <= peak else (1.0 - weight) / (1.0 - peak)
    out = 1.0
    for name in drivers:
        weight = min(max(weights.get(name, 0.0), 0.0), 1.0)
        if weight == 0.0:
            return 0.0
        out = min(out, weight) if corrective.how == "least" else out * weight
    return out


def wrinkled(wrinkle: Wrinkle, weights: Mapping[str, float]) -> float:
    """How far a wrinkle map shows: the sum of its controls' weights times their gains, within 0 and 1."""
    total = 0.0
    for name, gain in zip(wrinkle.controls, wrinkle.gains, strict=False):
        if math.isfinite(gain):
            total += gain * weights.get(name, 0.0)
    return min(max(total, 0.0), 1.0)
