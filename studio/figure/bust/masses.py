"""The head's masses: skull, face, nose, lips, neck and shoulders as welded solids, in centimetres.

The order is a sculptor's: the big volumes first, with fillets as wide as a thumb, then features with narrower ones.
Each solid is evaluated only where it can reach, which halves the cost of a face. The left half stands for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust import curves
from studio.figure.bust.form import Form
from studio.figure.bust.primitives import (
    Axes,
    Point,
    capsule,
    ellipsoid,
    smooth_max,
    smooth_min,
    smooth_step,
    sphere,
    tube,
)

if TYPE_CHECKING:
    from studio.figure.bust.shape import Pose

F64 = NDArray[np.float64]
__all__ = ["Form", "head", "skin"]


class _Clay:
    """Points of the left half and their distance so far; solids are added and carved where they can reach."""

    def __init__(self, points: F64) -> None:
        self.at: Axes = (np.abs(points[:, 0]), points[:, 1], points[:, 2])
        self.distance = np.full(len(points), 1e3)

    def weld(self, solid: Callable[[Axes], F64], centre: Point, reach: float, fillet: float) -> None:
        """Add a solid that lies within `reach` of a centre."""
        self._apply(solid, centre, reach + fillet, lambda old, new: smooth_min(old, new, fillet))

    def carve(self, solid: Callable[[Axes], F64], centre: Point, reach: float, fillet: float) -> None:
        """Take a solid away that lies within `reach` of a centre."""
        self._apply(solid, centre, reach + fillet, lambda old, new: smooth_max(old, -new, fillet))

    def push(self, amount: Callable[[Axes], F64], centre: Point, reach: float) -> None:
        """Raise the surface by an amount of centimetres, where it is positive, and lower it where negative."""
        self._apply(amount, centre, reach, lambda old, new: old - new)

    def _apply(
        self, solid: Callable[[Axes], F64], centre: Point, reach: float, join: Callable[[F64, F64], F64]
    ) -> None:
        x, y, z = self.at
        near = (np.abs(x - centre[0]) < reach) & (np.abs(y - centre[1]) < reach) & (np.abs(z - centre[2]) < reach)
        count = int(near.sum())
        if count == 0:
            return
        if count > 0.7 * len(x):
            self.distance = join(self.distance, solid(self.at))
            return
        where = np.nonzero(near)[0]
        self.distance[where] = join(self.distance[where], solid((x[where], y[where], z[where])))


def skin(points: F64, form: Form) -> F64:
    """Distance (n,) of the closed skin: lids as bulges without an opening, lips sealed, no nostrils, no ears."""
    clay = _Clay(points)
    _skull(clay, form)
    _jaw(clay, form)
    _neck(clay, form)
    _cheeks(clay, form)
    _sockets(clay, form)
    _nose(clay, form)
    _mouth(clay, form)
    _ageing(clay, form)
    return clay.distance


def head(points: F64, form: Form, *, openings: bool, pose: Pose) -> F64:
    """Distance (n,) of the skin with its ears and, with `openings`, with the eyes and nostrils cut."""
    clay = _Clay(points)
    clay.distance = skin(points, form)
    if openings:
        _ear(clay, form)
        _nostril(clay, form)
        _eye_opening(clay, form, pose.left.blink, pose.right.blink, points[:, 0] >= 0.0)
    return clay.distance


def _skull(clay: _Clay, form: Form) -> None:
    i = form.identity
    slope = 0.5 * i.forehead_slope
    clay.distance = ellipsoid(clay.at, form.skull, form.skull_radii)
    wide = 0.5 * i.skull_width
    clay.weld(
        lambda at: ellipsoid(at, (0, 4.3, -3.55 - slope), (5.95 + wide, 5.2, 4.95 + 0.25 * i.forehead_bulge)),
        (0, 4.3, -3.5),
        7.5,
        3.0,
    )
    clay.weld(lambda at: ellipsoid(at, (0, -3.2, -5.0), (5.7, 6.9, 5.8)), (0, -3.0, -5.0), 7.5, 3.0)
    hollow = 0.25 + 0.2 * i.temple_hollow + 0.15 * max(i.age, 0)
    clay.push(lambda at: -hollow * _bump(at, (6.0, 2.6, -2.9), (1.6, 2.0, 2.0)), (6.0, 2.6, -2.9), 6.0)


def _jaw(clay: _Clay, form: Form) -> None:
    i = form.identity
    chin_y, chin_z = form.chin
    mid = form.down(-7.3)
    clay.weld(lambda at: ellipsoid(at, (0, mid, -3.1), (4.15 + 0.25 * i.jaw_width, 3.6, 4.3)), (0, mid, -3.1), 4.8, 2.6)
    gx, gy, gz = form.gonion
    strength = 0.85 + 0.18 * i.jaw_strength
    front = (1.35 + 0.35 * i.chin_width, chin_y + 0.95, chin_z - 1.9)
    clay.weld(
        lambda at: capsule(at, (gx - 0.1, gy, gz), front, strength, 0.85), (3.2, 0.5 * (gy + front[1]), -3.5), 6.5, 2.4
    )
    clay.weld(lambda at: capsule(at, (gx, gy, gz), (5.25, -1.5, -6.6), strength, 0.8), (5.2, -4.0, -6.6), 4.8, 3.0)
    wide = 1.75 + 0.4 * i.chin_width
    clay.weld(
        lambda at: ellipsoid(at, (0, chin_y + 1.25, chin_z - 1.2), (wide, 1.25, 1.15)),
        (0, chin_y + 1.25, chin_z - 1.2),
        3.0,
        1.8,
    )
    full = 0.35 * i.under_chin + 0.25 * i.weight + 0.2 * max(i.age, 0)
    if full:
        clay.push(lambda at: full * _bump(at, (0, chin_y + 0.2, -3.0), (2.6, 1.4, 2.2)), (0, chin_y, -3.0), 6.0)
    if i.chin_cleft > 0:
        cleft = 0.12 * i.chin_cleft
        clay.push(
            lambda at: -cleft * _bump(at, (0, chin_y + 1.2, chin_z), (0.22, 0.6, 0.8)), (0, chin_y + 1.2, chin_z), 2
        )


def _cheeks(clay: _Clay, form: Form) -> None:
    i = form.identity
    cx, cy, cz = form.cheekbone
    strong = 0.2 * i.cheekbone_strength
    clay.weld(lambda at: ellipsoid(at, (cx, cy, cz), (1.75 + strong, 1.2 + strong, 1.5)), (cx, cy, cz), 2.6, 3.0)
    arch = ((cx + 0.2, cy + 0.1, cz - 0.3), (5.85, -1.2, -5.6))
    clay.weld(lambda at: capsule(at, *arch, 0.6, 0.4), (5.0, -1.7, -3.3), 3.6, 3.0)
    full = 0.30 * i.cheek_fullness + 0.30 * i.weight - 0.15 * max(i.age, 0) + 0.35 * max(-i.age, 0)
    low = form.down(-5.1)
    pad = (2.2 + 0.3 * full, 2.2, 1.7 + 0.4 * full)
    clay.weld(lambda at: ellipsoid(at, (2.9, low, -0.1), pad), (2.9, low, -0.1), 3.0, 2.6)
    side = (4.9, low - 0.1, -2.6)
    clay.push(lambda at: (full + 0.02) * _bump(at, side, (1.7, 1.9, 2.4)), side, 6.5)


def _sockets(clay: _Clay, form: Form) -> None:
    """Brow ridge, the hollow under it, and the lids as a bulge over the globe."""
    i = form.identity
    ex, ey, ez = form.eye
    ridge = 0.10 * i.brow_ridge
    lift = 0.2 * i.brow_height
    path = [(0.6, 1.70 + lift, 0.72), (2.9, 2.10 + lift, 0.50), (4.9, 1.55 + lift, -1.15)]
    clay.weld(lambda at: tube(at, path, [0.80 + ridge, 0.78 + ridge, 0.62]), (2.6, 1.8, 0.0), 3.6, 2.5)
    clay.carve(lambda at: ellipsoid(at, (ex, -0.05, 2.05), (1.85, 1.15, 1.5)), (ex, -0.05, 1.9), 2.0, 1.6)
    clay.carve(lambda at: ellipsoid(at, (1.62, 0.05, 1.80), (0.45, 0.8, 0.72)), (1.6, 0.05, 1.7), 1.0, 1.2)
    bulge = form.globe + 0.17
    clay.weld(lambda at: _lid_mound(at, form, bulge), (ex, ey, ez), 2.0, 0.6)
    clay.push(lambda at: _lid_folds(at, form), (ex, ey, ez + 1.0), 2.6)


def _lid_mound(at: Axes, form: Form, bulge: float) -> F64:
    x, y, z = (p - c for p, c in zip(at, form.eye, strict=True))
    flat = np.where(y > 0, 1.0, 1.06)
    return np.sqrt((x * 0.92) ** 2 + (y * flat) ** 2 + z * z) - bulge


def _lid_folds(at: Axes, form: Form) -> F64:
    """The crease above the upper lid, the skin that hangs over it, and the soft fold of the lower one."""
    i = form.identity
    x, y = at[0] - form.eye[0], at[1] - form.eye[1]
    t = np.clip(2.0 * (x - form.inner_corner[0]) / (form.outer_corner[0] - form.inner_corner[0]) - 1.0, -1.0, 1.0)
    ends = smooth_step(1.95, 1.25, np.abs(x))
    above = y - curves.lid_crease(form, t)[1]
    fold = -0.13 * np.exp(-((above / 0.10) ** 2)) + (0.10 + 0.12 * i.lid_hood) * np.exp(-(((above - 0.26) / 0.22) ** 2))
    under = y - curves.lid_margin(form, t, upper=False)[1]
    old = max(i.age, 0.0)
    lower = -(0.03 + 0.05 * old) * np.exp(-(((under + 0.36) / 0.10) ** 2))
    bag = (0.03 + 0.06 * i.lower_lid + 0.10 * old) * np.exp(-(((under + 0.75) / 0.28) ** 2))
    return (fold + lower + bag) * ends * smooth_step(0.0, 0.5, at[2] - form.eye[2])


def _nose(clay: _Clay, form: Form) -> None:
    i = form.identity
    root_y, root_z = form.nose_root
    tip_y, tip_z = form.nose_tip
    base_y, base_z = form.nose_base
    broad = 0.58 + 0.10 * i.nose_bridge_width
    middle = (0.5 * (root_y + tip_y) + 0.15, 0.5 * (root_z + tip_z) - 0.52 + 0.16 * i.nose_hump)
    centre = (0.0, -1.8, 2.0)
    tip = 0.64 + 0.12 * i.nose_tip_size

    def solid(at: Axes) -> F64:
        bridge = tube(
            at,
            [(0, root_y + 0.9, root_z - 0.45), (0, middle[0], middle[1] - broad), (0, tip_y + 0.35, tip_z - 0.95)],
            [broad, broad, broad * 1.12],
        )
        nose = smooth_min(bridge, ellipsoid(at, (0, tip_y, tip_z - tip), (tip * 1.08, tip, tip)), 0.9)
        nose = smooth_min(nose, sphere(at, (0.33, tip_y - 0.02, tip_z - 0.62), 0.46), 0.35)
        flare = 0.08 * i.nostril_flare
        wing = ellipsoid(at, (form.wing - 0.60, base_y + 0.42, base_z + 0.20), (0.58 + flare, 0.58, 0.86))
        nose = smooth_min(nose, wing, 0.42)
        floor = ellipsoid(at, (0.42, base_y + 0.50, 0.5 * (base_z + tip_z) - 0.15), (0.66, 0.56, 0.92))
        nose = smooth_min(nose, floor, 0.5)
        column = capsule(at, (0, tip_y - 0.42, tip_z - 0.85), (0, base_y + 0.06, base_z - 0.1), 0.34, 0.36)
        return smooth_min(nose, column, 0.4)

    clay.weld(solid, centre, 3.6, 1.0)
    x, y, z = form.wing + 0.12, base_y + 0.38, base_z - 0.45
    clay.push(lambda at: -0.13 * _bump(at, (x, y, z), (0.24, 0.6, 0.7)), (x, y, z), 2.5)
    groove = (form.wing - 0.50, base_y + 1.02, base_z + 0.75)
    clay.push(lambda at: -0.04 * _bump(at, groove, (0.36, 0.26, 0.7)), groove, 2.0)


def _mouth(clay: _Clay, form: Form) -> None:
    i = form.identity
    mouth_y, mouth_z = form.mouth
    half = form.mouth_half
    base_y, base_z = form.nose_base
    clay.weld(
        lambda at: ellipsoid(at, (0, mouth_y - 0.15, mouth_z - 2.1), (2.95, 2.35, 1.85)),
        (0, mouth_y, mouth_z - 2),
        3.2,
        1.8,
    )
    clay.weld(lambda at: _lips(at, form), (0, mouth_y, mouth_z - 1.0), half + 0.7, 0.36)
    deep = 0.13 + 0.06 * i.philtrum
    top, low = base_y - 0.25, mouth_y + form.lips[0]
    clay.push(
        lambda at: -deep * _bump(at, (0, 0.5 * (top + low), base_z + 0.4), (0.30, 0.62, 0.9)), (0, low, base_z), 3.0
    )
    fold_y = mouth_y - form.lips[1] - 0.62
    clay.push(lambda at: -0.16 * _bump(at, (0, fold_y, mouth_z - 0.5), (1.5, 0.42, 1.2)), (0, fold_y, mouth_z), 4.0)
    corner = (half + 0.25, mouth_y - 0.12, mouth_z - 1.3)
    clay.push(lambda at: 0.12 * _bump(at, (corner[0] + 0.35, corner[1], corner[2]), (0.5, 0.9, 0.9)), corner, 3.0)
    clay.push(lambda at: -0.10 * _bump(at, corner, (0.32, 0.28, 0.7)), corner, 2.0)


def _lips(at: Axes, form: Form) -> F64:
    """Two rolls along the mouth, each as high as its red and full where it is; they meet in a narrow groove."""
    x, y, z = at
    t = np.clip(x / form.mouth_half, 0.0, 1.0)
    past = np.maximum(x - form.mouth_half * 0.97, 0.0)
    _, top, line, low = curves.lip_edges(form, t)
    arc = curves.lip_arc(form, x)
    upper_half, lower_half = 0.5 * (top - line), 0.5 * (line - low)
    upper = np.sqrt(past**2 + (y - line - upper_half) ** 2 + ((z - arc + 0.10) * 0.9) ** 2) - upper_half * 1.04 - 0.02
    lower = np.sqrt(past**2 + (y - line + lower_half) ** 2 + ((z - arc + 0.16) * 0.9) ** 2) - lower_half * 1.04 - 0.02
    return smooth_min(upper, lower, 0.10) * 0.85


def _ageing(clay: _Clay, form: Form) -> None:
    """The fold from the nose to the corner of the mouth, deeper with the years; marionette lines and jowls with age."""
    i = form.identity
    old = max(i.age, 0.0)
    deep = 0.035 + 0.05 * i.nasolabial + 0.16 * old
    half, mouth_y = form.mouth_half, form.mouth[0]
    start = (form.wing + 0.25, form.nose_base[0] + 0.5, form.nose_base[1] - 0.7)
    end = (half + 0.75, mouth_y - 0.1, form.mouth[1] - 1.5)
    if deep > 0:
        clay.push(lambda at: _furrow(at, start, end, 0.26, deep), start, 5.0)
    if old > 0:
        jowl = (4.1, form.down(-8.7), -1.3)
        clay.push(lambda at: 0.45 * old * _bump(at, jowl, (1.2, 1.0, 1.4)), jowl, 4.5)
        tear = (form.eye[0] - 0.6, -1.5, 1.0)
        clay.push(lambda at: -0.16 * old * _bump(at, tear, (1.0, 0.3, 1.0)), tear, 3.0)


def _furrow(at: Axes, start: Point, end: Point, width: float, deep: float) -> F64:
    """A groove along a line with a softer ridge on its outer side."""
    away = capsule(at, start, end, 0.0, 0.0)
    ridge = capsule(at, (start[0] + 0.55, start[1], start[2]), (end[0] + 0.5, end[1] + 0.25, end[2]), 0.0, 0.0)
    return deep * (0.8 * np.exp(-((ridge / (2.2 * width)) ** 2)) - np.exp(-((away / width) ** 2)))


def _neck(clay: _Clay, form: Form) -> None:
    i = form.identity
    wide = 1.0 + 0.10 * i.neck_width + 0.06 * i.weight
    drop = 0.9 - 1.2 * i.neck_length
    base = (0, -18.5 + drop, -10.4)
    clay.weld(lambda at: capsule(at, (0, -5.0, -9.0), base, 4.3 * wide, 4.7 * wide), (0, -12, -10), 14, 3.0)
    throat = ((0, -10.5, -6.8), (0, -18.5 + drop, -8.6), 2.3 * wide, 2.6 * wide)
    clay.weld(lambda at: capsule(at, *throat), (0, -14.5, -7.5), 8, 2.5)
    cord = 0.56 + 0.16 * i.neck_muscle
    path = [(5.0, -4.6, -9.2), (3.9 * wide, -11.5, -7.9), (1.05, -18.9 + drop, -5.5)]
    clay.weld(lambda at: tube(at, path, [0.6, cord + 0.16, 0.42]), (3.2, -12, -7.5), 9.5, 1.9)
    big = 0.15 + 0.25 * i.larynx
    clay.weld(lambda at: ellipsoid(at, (0, -13.6, -5.35), (0.75, 1.3, 0.5 + 0.5 * big)), (0, -13.6, -5.2), 2.0, 1.8)
    _shoulders(clay, form, drop)


def _shoulders(clay: _Clay, form: Form, drop: float) -> None:
    i = form.identity
    span = 15.8 + 1.6 * i.shoulder_width
    slope = drop - 0.9 * i.shoulder_slope
    trapezius = [(1.8, -8.5, -11.2), (5.6, -17.6 + drop, -12.0), (span - 1.5, -21.9 + slope, -11.4)]
    clay.weld(lambda at: tube(at, trapezius, [1.9, 2.1, 2.0]), (8, -15.5, -12), 12, 4.0)
    clay.weld(lambda at: ellipsoid(at, (0, -26.3 + drop, -10.2), (14.2, 7.4, 6.1)), (0, -26, -10), 17, 3.6)
    tip = (span, -25.6 + slope, -10.6)
    clay.weld(lambda at: ellipsoid(at, tip, (4.5, 5.2, 4.6)), tip, 6.5, 4.0)
    collarbone = [(1.4, -20.0 + drop, -5.7), (5.5, -20.2 + drop, -5.9), (span - 3.0, -20.9 + slope, -8.9)]
    clay.weld(lambda at: tube(at, collarbone, [0.30, 0.20, 0.34]), (7.5, -20.2, -6.5), 8.5, 3.0)
    notch = (0, -19.5 + drop, -5.2)
    clay.push(lambda at: -0.22 * _bump(at, notch, (0.8, 0.9, 1.4)), notch, 4.5)


def _bump(at: Axes, centre: Point, width: Point) -> F64:
    """A soft bell: 1 at its centre, 1/e a width away."""
    x, y, z = ((p - c) / w for p, c, w in zip(at, centre, width, strict=True))
    return np.asarray(np.exp(-(x * x + y * y + z * z)))


def _ear(clay: _Clay, form: Form) -> None:
    """A plain ear for what asks the distance of the whole head; the mesh's own is modelled in `ears`."""
    cx, cy, cz = form.ear
    high = form.ear_height
    tilt_cos, tilt_sin = np.cos(0.22), np.sin(0.22)
    out = 0.32 + 0.12 * form.identity.ear_angle

    def solid(at: Axes) -> F64:
        y, z = at[1] - cy, at[2] - cz
        up, back = y * tilt_cos - z * tilt_sin, -(z * tilt_cos + y * tilt_sin)
        side = at[0] - cx - 0.2 - out * np.clip(back, -2.0, 2.0)
        shell = ellipsoid((side, up, back), (0, 0, 0), (0.55, high, 1.7))
        return smooth_max(shell, -ellipsoid((side, up, back), (0.6, 0.3, 0.0), (0.55, high * 0.8, 1.25)), 0.3)

    clay.weld(solid, (cx + 0.5, cy, cz), 3.8, 0.5)


def _nostril(clay: _Clay, form: Form) -> None:
    tip_z = form.nose_tip[1]
    base_y, base_z = form.nose_base
    centre = (0.40 * form.wing, base_y - 0.12, 0.5 * (base_z + tip_z) - 0.30)
    clay.carve(lambda at: ellipsoid(at, centre, (0.30, 0.42, 0.55)), centre, 0.8, 0.2)


def _eye_opening(clay: _Clay, form: Form, left: float, right: float, on_left: NDArray[np.bool_]) -> None:
    """Cut between the lids' margins and around the globe."""
    x, y, z = (p - c for p, c in zip(clay.at, form.eye, strict=True))
    near = np.nonzero((np.abs(x) < 2.2) & (np.abs(y) < 1.6) & (z > -1.6) & (z < 2.4))[0]
    if not len(near):
        return
    x, y, z = x[near], y[near], z[near]
    inner, outer = form.inner_corner[0], form.outer_corner[0]
    t = np.clip(2.0 * (x - inner) / (outer - inner) - 1.0, -1.0, 1.0)
    blink = np.where(on_left[near], left, right)
    top_open, low_open = (curves.lid_margin(form, t, upper=upper)[1] for upper in (True, False))
    top_shut, low_shut = (curves.lid_margin(form, t, upper=upper, blink=1.0)[1] for upper in (True, False))
    above = y - (top_open + (top_shut - top_open) * blink)
    below = (low_open + (low_shut - low_open) * blink) - y
    slot = np.maximum(np.maximum(above, below) * 0.85, np.maximum(inner - x, x - outer))
    slot = np.maximum(slot, -(z - 0.1))
    ball = np.sqrt(x * x + y * y + z * z) - form.globe - 0.015
    clay.distance[near] = smooth_max(clay.distance[near], -np.minimum(slot, ball), 0.05)
