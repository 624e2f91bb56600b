"""What each muscle does to the flesh, as fields of displacement over the head at rest, in centimetres.

A field is written for the left half, its x pointing outwards, at full strength. It says where a landmark goes and how
far around it the skin follows, and adds the bulge that flesh makes beside the fold it is pushed into, so that volume
is kept to the eye. The lids are not here: they follow their curves over the globe (`lids`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust import curves
from studio.figure.bust.form import Form
from studio.figure.bust.landmarks import JAW_ANGLE_DEG, JAW_FORWARD, JAW_GLIDE, JAW_SIDE
from studio.figure.bust.primitives import Point, capsule, smooth_step
from studio.figure.bust.regions import Flesh, bell, flesh_of, sided
from studio.figure.bust.shape import Identity, Pose, Side

F64 = NDArray[np.float64]
Field = Callable[[Flesh, Form], F64]


def _go(weight: F64, way: Point) -> F64:
    return np.asarray(weight[:, None] * np.array(way))


def _corner(form: Form) -> tuple[float, float, float]:
    half = form.mouth_half
    return half, form.mouth[0] - 0.1, float(curves.lip_arc(form, np.array([half]))[0])


def _pulled(flesh: Flesh, form: Form, way: Point, width: Point) -> F64:
    """The corner of the mouth goes a way, and the lips and the skin around follow."""
    reach = bell(flesh.half, _corner(form), width) * smooth_step(0.0, 1.0, flesh.across) * flesh.depth
    return _go(reach, way)


def _fold(flesh: Flesh, start: Point, end: Point, width: float, deep: float, out: Point) -> F64:
    """A groove along a line and the bulge of flesh on its outer side, both along the direction `out`."""
    x, y, z = flesh.half.T
    away = capsule((x, y, z), start, end, 0.0, 0.0)
    beside = np.add(start, (1.5 * width, 0.35 * width, 0.0)), np.add(end, (1.5 * width, 0.8 * width, 0.0))
    bulge = capsule((x, y, z), beside[0], beside[1], 0.0, 0.0)
    amount = 0.9 * np.exp(-((bulge / (1.5 * width)) ** 2)) - np.exp(-((away / width) ** 2))
    return _go(deep * amount * flesh.depth * (1.0 - flesh.lip), out)


def smile(flesh: Flesh, form: Form) -> F64:
    """Zygomaticus: the corner goes up, out and back; the cheek rises beside the fold from the nose."""
    x, y, z = _corner(form)
    found = _pulled(flesh, form, (0.66, 0.60, -0.55), (1.8, 1.35, 2.4))
    cheek_x, cheek_y, _ = form.cheekbone
    found += _go(bell(flesh.half, (cheek_x - 0.5, cheek_y - 0.75, 0.6), (1.5, 1.15, 1.8)), (0.10, 0.34, 0.26))
    start = (form.wing + 0.30, form.nose_base[0] + 0.45, 1.55)
    found += _fold(flesh, start, (x + 0.95, y + 0.35, z - 0.1), 0.34, 0.13, (0.55, 0.15, 0.8))
    wing = (form.wing, form.nose_base[0] + 0.4, form.nose_base[1])
    found += _go(bell(flesh.half, wing, (0.6, 0.7, 0.9)), (0.10, 0.05, -0.02))
    flat = flesh.around * flesh.depth * smooth_step(-0.6, 0.8, flesh.half[:, 0])
    return found + _go(flat, (0.0, 0.0, -0.07))


def frown(flesh: Flesh, form: Form) -> F64:
    """Depressor of the corner: down, with the fold below it, and the chin bunching a little."""
    x, y, z = _corner(form)
    found = _pulled(flesh, form, (0.06, -0.60, -0.10), (1.55, 1.2, 2.2))
    found += _fold(flesh, (x + 0.1, y - 0.3, z), (x + 0.2, y - 1.6, z - 0.5), 0.30, 0.09, (0.4, 0.0, 0.9))
    chin = (0.9, form.chin[0] + 1.6, form.chin[1])
    return found + _go(bell(flesh.half, chin, (1.2, 0.8, 1.4)), (0.0, 0.14, 0.08))


def dimple(flesh: Flesh, form: Form) -> F64:
    """Buccinator: the corner is drawn back against the teeth and dents the cheek."""
    x, y, z = _corner(form)
    found = _pulled(flesh, form, (0.46, 0.10, -0.50), (1.5, 1.1, 2.2))
    dent = bell(flesh.half, (x + 0.55, y, z - 0.45), (0.40, 0.55, 0.9))
    ring = bell(flesh.half, (x + 1.15, y, z - 1.0), (0.7, 0.9, 1.2))
    return found + _go((0.20 * ring - 0.24 * dent) * (1.0 - flesh.lip) * flesh.depth, (0.6, 0.0, 0.75))


def stretch(flesh: Flesh, form: Form) -> F64:
    """Risorius and platysma: the corner goes out and down, cords stand out in the neck."""
    found = _pulled(flesh, form, (0.70, -0.26, -0.52), (1.9, 1.5, 2.4))
    return found + _go(bell(flesh.half, (3.2, -13.0, -6.0), (0.9, 3.6, 2.0)), (0.10, 0.10, 0.16))


def press(flesh: Flesh, form: Form) -> F64:
    """The lips press together: the red grows narrow and the skin beside it swells."""
    line = curves.lip_edges(form, np.clip(flesh.half[:, 0] / form.mouth_half, 0.0, 1.0))[2]
    side = smooth_step(-0.9, 0.9, flesh.half[:, 0]) * flesh.around * flesh.depth
    found = np.zeros_like(flesh.at)
    found[:, 1] = -0.30 * np.clip(flesh.half[:, 1] - line, -1.0, 1.0) * side
    found[:, 2] = -0.16 * side
    swell = bell(flesh.half, (1.6, form.mouth[0] - 1.35, 1.6), (1.1, 0.5, 1.4))
    swell += bell(flesh.half, (1.6, form.mouth[0] + 1.15, 1.8), (1.1, 0.45, 1.4))
    return found + _go(swell * (1.0 - flesh.lip), (0.0, 0.0, 0.07))


def lower_down(flesh: Flesh, form: Form) -> F64:
    """Depressor of the lower lip: one half of it goes down and out and shows the teeth."""
    x, y, _ = flesh.half.T
    below = np.maximum(form.mouth[0] - form.lips[1] - y, 0.0)
    weight = (1.0 - flesh.upper) * np.exp(-(((x - 1.05) / 1.25) ** 2) - (below / 0.95) ** 2) * (1.0 - flesh.across**4)
    return _go(weight * flesh.depth * smooth_step(-2.0, 0.0, flesh.half[:, 2]), (0.10, -0.62, -0.02))


def upper_up(flesh: Flesh, form: Form) -> F64:
    """Levator of the upper lip: one half of it rises and shows the teeth, the fold beside the nose deepens."""
    x, y, _ = flesh.half.T
    above = np.maximum(y - form.mouth[0] - form.lips[0], 0.0)
    weight = flesh.upper * np.exp(-(((x - 1.05) / 1.25) ** 2) - (above / 1.0) ** 2) * (1.0 - flesh.across**4)
    found = _go(weight * flesh.depth * smooth_step(-2.0, 0.0, flesh.half[:, 2]), (0.06, 0.52, 0.06))
    wing = (form.wing, form.nose_base[0] + 0.5, form.nose_base[1])
    found += _go(bell(flesh.half, wing, (0.9, 0.9, 1.2)), (0.05, 0.14, 0.02))
    start = (form.wing + 0.25, form.nose_base[0] + 0.6, 1.5)
    return found + _fold(flesh, start, (form.wing + 1.0, form.mouth[0] + 1.0, 1.2), 0.3, 0.07, (0.5, 0.1, 0.85))


def sneer(flesh: Flesh, form: Form) -> F64:
    """Levator of lip and nose: the wing rises, the side of the nose wrinkles."""
    base_y, base_z = form.nose_base
    found = _go(bell(flesh.half, (form.wing, base_y + 0.6, base_z + 0.2), (0.9, 1.0, 1.4)), (0.14, 0.48, 0.04))
    lip = flesh.upper * flesh.depth * bell(flesh.half, (1.25, form.mouth[0] + 0.8, 2.2), (1.2, 0.9, 2.0))
    found += _go(lip * (1.0 - flesh.across**4), (0.02, 0.40, 0.08))
    found += _go(bell(flesh.half, (1.0, -1.3, 1.9), (0.5, 0.75, 0.9)), (0.02, 0.20, 0.18))
    found += _go(bell(flesh.half, (0.9, 1.7, 1.6), (0.8, 0.7, 1.2)), (-0.05, -0.16, 0.04))
    start = (form.wing + 0.25, base_y + 0.9, 1.5)
    return found + _fold(flesh, start, (form.wing + 0.85, form.mouth[0] + 1.1, 1.2), 0.3, 0.10, (0.5, 0.1, 0.85))


def cheek_squint(flesh: Flesh, form: Form) -> F64:
    """The outer ring of the eye's muscle: the cheek rises under the eye."""
    x, y, _ = form.cheekbone
    found = _go(bell(flesh.half, (x - 0.5, y + 0.1, 0.7), (1.6, 0.95, 1.7)), (0.04, 0.40, 0.24))
    return found + _go(bell(flesh.half, (form.eye[0] + 0.1, -1.0, 0.9), (1.4, 0.35, 1.2)), (0.0, 0.16, 0.05))


def cheek_puff(flesh: Flesh, form: Form) -> F64:
    """Air behind the cheeks and the lips: all swells away from the middle of the mouth."""
    centre = np.array([0.0, form.mouth[0] + 0.2, -2.4])
    way = flesh.half - centre
    way /= np.linalg.norm(way, axis=1)[:, None]
    cheek = bell(flesh.half, (4.1, form.mouth[0] + 0.5, -0.6), (1.75, 1.9, 2.6))
    lip = bell(flesh.half, (1.2, form.mouth[0], 2.2), (1.8, 1.5, 1.5)) * (1.0 - 0.5 * flesh.roll)
    return np.asarray((1.10 * cheek + 0.26 * lip)[:, None] * way * flesh.depth[:, None])


def brow_down(flesh: Flesh, form: Form) -> F64:
    """Corrugator and depressor: the brow goes down and in and bunches over the nose."""
    y = form.brow[1]
    found = _go(bell(flesh.half, (2.5, y + 0.45, 1.2), (1.9, 1.0, 2.0)), (-0.13, -0.46, 0.08))
    found += _go(bell(flesh.half, (0.95, y + 0.05, 1.7), (0.7, 0.8, 1.2)), (-0.10, -0.16, 0.13))
    return found + _go(bell(flesh.half, (0.35, y + 0.3, 2.0), (0.22, 0.8, 1.2)), (0.0, 0.0, -0.07))


def brow_inner_up(flesh: Flesh, form: Form) -> F64:
    """Frontalis, inner: the inner end of the brow rises and the forehead gathers above it."""
    y = form.brow[1]
    found = _go(bell(flesh.half, (1.35, y + 0.6, 1.3), (1.45, 1.35, 1.8)), (0.02, 0.66, 0.0))
    return found + _furrows(flesh, 1.1, y + 1.9, 1.7)


def brow_outer_up(flesh: Flesh, form: Form) -> F64:
    """Frontalis, outer: the arch of the brow rises."""
    y = form.brow[2]
    found = _go(bell(flesh.half, (4.05, y - 0.1, 0.2), (1.6, 1.25, 2.0)), (0.03, 0.62, -0.06))
    return found + _furrows(flesh, 3.8, y + 1.1, 1.5)


def _furrows(flesh: Flesh, x: float, y: float, wide: float) -> F64:
    waves = np.sin((flesh.half[:, 1] - y) * (2.0 * np.pi / 0.85))
    return _go(0.045 * waves * bell(flesh.half, (x, y + 0.5, 1.0), (wide, 0.95, 2.5)), (0.15, 0.0, 1.0))


def squint(flesh: Flesh, form: Form) -> F64:
    """The inner ring of the eye's muscle: skin gathers at the outer corner and under the lid."""
    x = form.eye[0]
    found = _go(bell(flesh.half, (x + 2.1, -0.1, -0.6), (0.9, 0.9, 1.2)), (-0.10, 0.02, 0.05))
    return found + _go(bell(flesh.half, (x, -1.15, 0.9), (1.5, 0.42, 1.2)), (0.0, 0.12, 0.10))


def funnel(flesh: Flesh, form: Form) -> F64:
    """The lips part and stand out as a funnel."""
    x = flesh.half[:, 0]
    around = bell(flesh.half, (0.0, form.mouth[0], 2.0), (2.9, 1.75, 3.0)) * flesh.depth
    middle = np.maximum(1.0 - flesh.across**2, 0.0)
    found = np.zeros_like(flesh.at)
    found[:, 0] = -0.36 * x * around
    part = np.where(flesh.upper > 0.5, 0.46, -0.52) * np.abs(2.0 * flesh.upper - 1.0)
    found[:, 1] = part * around * middle
    found[:, 2] = (0.56 * bell(flesh.half, (0.0, form.mouth[0], 2.0), (2.3, 1.5, 3.0)) + 0.12 * flesh.lip) * flesh.depth
    return found


def pucker(flesh: Flesh, form: Form) -> F64:
    """The lips gather to a kiss: corners come in, the red stands out and grows high."""
    x, y, _ = flesh.half.T
    around = bell(flesh.half, (0.0, form.mouth[0], 1.8), (3.3, 1.8, 3.2)) * flesh.depth
    line = curves.lip_edges(form, np.clip(x / form.mouth_half, 0.0, 1.0))[2]
    found = np.zeros_like(flesh.at)
    found[:, 0] = -0.44 * x * around
    found[:, 1] = 0.16 * (y - line) * flesh.lip * flesh.depth
    found[:, 2] = 0.66 * bell(flesh.half, (0.0, form.mouth[0], 2.0), (2.1, 1.45, 3.0)) * flesh.depth
    hollow = bell(flesh.half, (3.9, form.mouth[0], -0.4), (1.3, 1.5, 2.0))
    return found + _go(hollow * (1.0 - flesh.lip) * flesh.depth, (-0.12, 0.0, -0.10))


def roll_lower(flesh: Flesh, form: Form) -> F64:
    """The lower lip rolls in over its teeth."""
    return _rolled(flesh, form, 1.0 - flesh.upper, form.mouth[0] - form.lips[1] - 0.35)


def roll_upper(flesh: Flesh, form: Form) -> F64:
    """The upper lip rolls in over its teeth."""
    return _rolled(flesh, form, flesh.upper, form.mouth[0] + form.lips[0] + 0.3)


def _rolled(flesh: Flesh, form: Form, which: F64, beside_y: float) -> F64:
    line = curves.lip_edges(form, np.clip(flesh.half[:, 0] / form.mouth_half, 0.0, 1.0))[2]
    lip = flesh.around * which * flesh.depth * (1.0 - 0.85 * flesh.across**6)
    found = np.zeros_like(flesh.at)
    found[:, 1] = 0.42 * np.clip(line - flesh.half[:, 1], -0.9, 0.9) * lip
    found[:, 2] = -(0.20 + 0.22 * flesh.roll + 0.14 * flesh.lip) * lip
    beside = bell(flesh.half, (0.0, beside_y, 1.9), (2.2, 0.55, 1.6)) * which * flesh.depth
    found[:, 2] -= 0.10 * beside * (1.0 - flesh.lip)
    return found


def shrug_lower(flesh: Flesh, form: Form) -> F64:
    """Mentalis: the chin bunches and lifts the lower lip, which pushes the upper before it."""
    y = form.mouth[0]
    below = bell(flesh.half, (0.0, y - 0.7, 2.0), (2.3, 1.05, 2.6)) * (1.0 - flesh.upper)
    above = bell(flesh.half, (0.0, y - 0.1, 2.0), (2.3, 0.75, 2.6)) * flesh.upper
    found = _go((below + above) * flesh.depth * (1.0 - 0.75 * flesh.across**3), (0.0, 0.34, 0.14))
    return found + _go(bell(flesh.half, (0.0, form.chin[0] + 1.5, form.chin[1]), (1.5, 1.0, 1.6)), (0.0, 0.30, 0.14))


def shrug_upper(flesh: Flesh, form: Form) -> F64:
    """The middle of the upper lip rises towards the nose and stands out."""
    above = np.maximum(flesh.half[:, 1] - form.mouth[0] - form.lips[0], 0.0)
    weight = flesh.upper * flesh.depth * np.exp(-((flesh.half[:, 0] / 1.8) ** 2) - (above / 0.8) ** 2)
    return _go(weight * (1.0 - flesh.across**4) * smooth_step(-2.0, 0.0, flesh.half[:, 2]), (0.0, 0.26, 0.16))


def mouth_left(flesh: Flesh, form: Form) -> F64:
    """Both lips slide to the left around the teeth."""
    around = bell(flesh.at, (0.5, form.mouth[0], 1.6), (3.1, 1.9, 3.2)) * flesh.depth
    return _turned(flesh.at, around * np.radians(16.0), 1, (0.0, 0.0, -1.6))


def jaw_open(flesh: Flesh, form: Form, *, share: float = 1.0) -> F64:
    """The jaw turns about its joint and glides forward; the corners of the mouth are drawn in."""
    found = _turned(flesh.at, share * flesh.jaw * np.radians(JAW_ANGLE_DEG), 0, form.jaw_pivot)
    found += _go(share * flesh.jaw, np.multiply(JAW_GLIDE, 100.0))
    drawn = bell(flesh.half, _corner(form), (1.1, 1.3, 2.0)) * smooth_step(0.0, 1.0, flesh.across) * flesh.depth
    inwards = np.where(flesh.at[:, 0] >= 0.0, -0.34, 0.34) * share * drawn
    found[:, 0] += inwards
    hollow = bell(flesh.half, (4.7, form.mouth[0] - 0.3, -1.8), (1.3, 1.8, 2.2)) * share
    found[:, 0] += np.where(flesh.at[:, 0] >= 0.0, -0.28, 0.28) * hollow
    return found


def jaw_forward(flesh: Flesh, form: Form) -> F64:
    """The jaw slides forward."""
    return _go(flesh.jaw, np.multiply(JAW_FORWARD, 100.0))


def jaw_left(flesh: Flesh, form: Form) -> F64:
    """The jaw slides to the left."""
    return _go(flesh.jaw, np.multiply(JAW_SIDE, 100.0))


def mouth_close(flesh: Flesh, form: Form) -> F64:
    """The lips lightly pressed; what closes them over an open jaw is a corrective."""
    return 0.5 * press(flesh, form)


def sealed_jaw(flesh: Flesh, form: Form) -> F64:
    """What brings the lips together over a jaw that is wholly open: each goes a part of the way, the chin stays."""
    opened = jaw_open(flesh, form)
    x, y, _ = flesh.half.T
    y_middle = form.mouth[0]
    near = np.exp(-((x / (form.mouth_half + 0.7)) ** 4)) * smooth_step(-1.5, 0.5, flesh.half[:, 2])
    near = np.maximum(near, smooth_step(0.0, 0.4, np.maximum(flesh.lip, flesh.roll)))
    below = np.exp(-((np.maximum(y_middle - form.lips[1] - y, 0.0) / 1.15) ** 2))
    above = np.exp(-((np.maximum(y - y_middle - form.lips[0], 0.0) / 0.9) ** 2))
    line = Flesh(
        at=flesh.at, half=flesh.half, upper=np.full_like(x, 0.5), lip=flesh.lip, roll=flesh.roll,
        around=flesh.around, depth=flesh.depth, jaw=np.full_like(x, 0.36), across=flesh.across,
    )  # fmt: skip
    target = jaw_open(line, form)
    hold = near * (flesh.upper * above + (1.0 - flesh.upper) * below)
    return np.asarray((target - opened) * hold[:, None])


def tongue_out(flesh: Flesh, form: Form) -> F64:
    """The mouth's share of a tongue put out: the jaw and the lips part for it."""
    found = jaw_open(flesh, form, share=0.32)
    lips = 0.35 * (lower_down(flesh, form) + upper_up(flesh, form) * 0.5)
    lips[:, 0] *= smooth_step(0.0, 0.8, flesh.half[:, 0])
    return found + _both(flesh, lips)


def _turned(at: F64, angle: F64, axis: int, centre: Point) -> F64:
    """Displacements (n, 3) of a turn about an axis (0 x, 1 y) through a centre, by angles (n,) in radians."""
    first, second = ((1, 2), (2, 0))[axis]
    a, b = at[:, first] - centre[first], at[:, second] - centre[second]
    cosine, sine = np.cos(angle), np.sin(angle)
    found = np.zeros_like(at)
    found[:, first] = a * cosine - b * sine - a
    found[:, second] = a * sine + b * cosine - b
    return found


SIDED: Mapping[str, Field] = {
    "squint": squint,
    "brow_down": brow_down,
    "brow_outer_up": brow_outer_up,
    "brow_inner_up": brow_inner_up,
    "cheek_squint": cheek_squint,
    "cheek_puff": cheek_puff,
    "sneer": sneer,
    "smile": smile,
    "frown": frown,
    "dimple": dimple,
    "stretch": stretch,
    "press": press,
    "lower_down": lower_down,
    "upper_up": upper_up,
}
WHOLE: Mapping[str, Field] = {
    "jaw_open": jaw_open,
    "jaw_forward": jaw_forward,
    "jaw_left": jaw_left,
    "mouth_close": mouth_close,
    "mouth_left": mouth_left,
    "funnel": funnel,
    "pucker": pucker,
    "roll_lower": roll_lower,
    "roll_upper": roll_upper,
    "shrug_lower": shrug_lower,
    "shrug_upper": shrug_upper,
    "tongue_out": tongue_out,
}
_MIRROR = np.array([-1.0, 1.0, 1.0])


def whole(flesh: Flesh, form: Form, name: str) -> F64:
    """What a muscle of both halves does to points (n, 3)."""
    return _both(flesh, WHOLE[name](flesh, form)) if name in _HALVED else WHOLE[name](flesh, form)


_HALVED = {"mouth_close", "funnel", "pucker", "roll_lower", "roll_upper", "shrug_lower", "shrug_upper"}


def _both(flesh: Flesh, found: F64) -> F64:
    """A field that was worked out in the left half, on both."""
    return np.where(flesh.at[:, :1] < 0.0, found * _MIRROR, found)


def on_left(flesh: Flesh, form: Form, name: str) -> F64:
    """What a muscle of the left side does."""
    return SIDED[name](sided(flesh), form)


def displaced(flesh: Flesh, mirrored: Flesh, form: Form, pose: Pose) -> F64:
    """What a pose does to points, but for the lids; `mirrored` is the flesh of the mirrored points."""
    total = np.zeros_like(flesh.at)
    for name in WHOLE:
        amount = getattr(pose, name)
        if amount:
            total += amount * whole(flesh, form, name)
    for name in SIDED:
        left, right = getattr(pose.left, name), getattr(pose.right, name)
        if left:
            total += left * on_left(flesh, form, name)
        if right:
            total += right * on_left(mirrored, form, name) * _MIRROR
    least = min(pose.jaw_open, pose.mouth_close)
    if least > 0.0:
        total += least * sealed_jaw(flesh, form)
    return total


def relaxed(points: F64, identity: Identity, pose: Pose) -> F64:
    """Points in metres carried back from a pose to where their flesh is at rest."""
    if pose == Pose(left=Side(blink=pose.left.blink), right=Side(blink=pose.right.blink)):
        return points
    form = Form.of(identity)
    posed, rest = points * 100.0, points * 100.0
    for _ in range(6):
        flesh = flesh_of(rest, form)
        rest = posed - displaced(flesh, flesh_of(rest * _MIRROR, form), form, pose)
    return rest * 0.01


def drawn_corners(flesh: Flesh, form: Form) -> F64:
    """How far the corners of the mouth go sideways under a pucker: on an open jaw the lips have less to gather."""
    found = whole(flesh, form, "pucker")
    found[:, 1] = 0.0
    return np.asarray(found * np.array([1.0, 0.0, 0.35]))


def smile_on_open_jaw(flesh: Flesh, form: Form) -> F64:
    """A smile over an open jaw: the left corner goes wider and the lower lip is stretched against the teeth."""
    beyond = sided(flesh)
    found = _pulled(beyond, form, (0.30, 0.10, -0.12), (1.5, 1.4, 2.4))
    lower = (1.0 - flesh.upper) * flesh.lip * flesh.depth * smooth_step(-0.8, 0.8, flesh.at[:, 0])
    return found + _go(lower * (1.0 - flesh.across**4), (0.0, 0.10, -0.08))
