"""The net is laid on the head: feature-relative places first, then shrink-wrapped.

Vertices of the sheet are cast from outside towards the head's axis at heights and angles that follow the features;
rings of lids, lips, nostrils and ears lie where their curves say. Free vertices then alternate between moving to the
middle of their neighbours and returning to the surface along the distance's gradient, until the net is even. Finer
nets take the smooth rule, and then are pinned and projected again, so subdivision adds form rather than losing it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust import ears, lids, lips
from studio.figure.bust.form import Form
from studio.figure.bust.landmarks import slope
from studio.figure.bust.layout import CROWN, EAR, EYE, MOUTH, NOSTRIL, ROWS, SKIN, Layout, cage
from studio.figure.bust.masses import skin
from studio.figure.bust.nostrils import nose_guess, nostril_rings
from studio.figure.bust.subdivide import edges_of, refined

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
_ROUNDS = 30
_RINGS: dict[int, tuple[int, Callable[[Form, F64], F64]]] = {
    EYE: (lids.FIRST, lids.lid_rings),
    MOUTH: (lips.FIRST, lips.lip_rings),
    EAR: (ears.FIRST, ears.ear_rings),
    NOSTRIL: (0, nostril_rings),
}

# Heights of the rows in the middle of the face, at its side and at the back, and the angles of columns 5 and 13.
_FRONT = np.array(
    (
        *(
            8.3,
            6.9,
            5.5,
            4.2,
            3.05,
            2.2,
            1.5,
            0.8,
            0.0,
            -0.75,
            -1.45,
            -1.95,
            -2.45,
            -2.95,
            -3.45,
            -3.8,
            -4.0,
            -4.2,
            -4.4,
        ),
        *(-5.0, -5.7, -6.45, -7.3, -8.05, -8.8, -9.6, -10.3, -11.0, -11.6, -12.0, -12.7, -14.0, -15.3, -16.6, -17.9),
        *(-19.2, -20.6, -22.1, -23.7, -25.3, -27.0),
    )
)
_SIDE = np.array(
    (
        *(8.3, 7.1, 5.9, 4.8, 3.8, 2.9, 2.5, 1.9, 0.8, -0.45, -1.75, -3.1, -4.4, -5.5, -5.9, -6.2, -6.5, -6.95, -7.4),
        *(-7.8, -8.2, -8.7, -9.2, -9.8, -10.4, -11.0, -11.6, -12.1, -12.6, -13.1, -13.6, -14.5, -15.6, -16.7, -17.6),
        *(-18.4, -19.2, -20.2, -21.8, -24.2, -27.0),
    )
)
_NEAR = np.array(
    [10.0, 10, 10, 9.5, 9, 8.5, 8, 8, 8, 8, 8, 8.5, 9.5, 10.5, 11, 11.5, 12, 12, 12.5]
    + [22.0, 25, 26, 25, 23, 21, 20]
    + [18.0] * 8
    + [20, 22, 24, 26, 27, 28, 28]
)
_FAR = np.array(
    [44.0] * 4
    + [42, 41]
    + [40.0] * 5
    + [42, 43, 44, 45, 46, 47, 48, 49]
    + [52.0] * 7
    + [54.0] * 8
    + [57, 60, 63, 65, 66, 66, 66]
)
_HINGE = np.array([75.0] * 34 + [77, 79, 81, 82, 83, 83, 83])  # the angle of column 16
_BEHIND = np.array([120.0] * 34 + [116, 112, 109, 107, 106, 106, 106])  # of column 20
# Rows where the net leaves the chin and where it reaches the neck.
_CHIN, _NECK = 25, 30


def _keyed(sheet: F64, table: F64) -> F64:
    """A table of rows at fractional rows."""
    return np.asarray(np.interp(sheet[:, 1], np.arange(ROWS + 1), table))


def cast(form: Form, sheet: F64) -> F64:
    """First places (n, 3) of vertices of the sheet, on the skin: cast horizontally towards the head's axis."""
    column, row = sheet[:, 0], sheet[:, 1]
    front = np.array([form.down(y) if y < 0 else y for y in _FRONT])
    front[:4] += (form.hairline - 6.5) * np.array([0.5, 1.0, 0.6, 0.3])
    front[4:6] += form.brow[1] - 1.72
    angle = np.empty(len(sheet))
    keys = np.stack([_keyed(sheet, table) for table in (_NEAR, _FAR, _HINGE, _BEHIND)], 1)
    _beside_features(form, row, keys)
    stops = np.array([0.0, 5.0, 13.0, 16.0, 20.0, 25.0])
    for n in range(len(sheet)):
        angle[n] = np.interp(column[n], stops, [0.0, *keys[n], 180.0])
    to_side = np.interp(column, [0.0, 5.0, 13.0, 16.0], [0.0, 0.08, 0.45, 1.0])
    y = _keyed(sheet, front) * (1.0 - to_side) + _keyed(sheet, _SIDE) * to_side
    axis_z = np.interp(y, [-21.0, -13.0, -10.5, 0.0], [-10.4, -9.6, -7.8, -7.3])
    axis_z = np.where(row <= _CHIN + 1, np.maximum(axis_z, -7.8), axis_z)
    turn = np.radians(angle)
    way = np.stack([np.sin(turn), np.zeros_like(turn), np.cos(turn)], 1)
    start = np.stack([np.zeros_like(y), y, axis_z], 1)
    return _cast_rays(form, start, way)


def _beside_features(form: Form, row: F64, keys: F64) -> None:
    """Move the columns beside the eyes and the mouth to where those are: columns 0 and 1 of `keys` (n, 4), degrees."""
    eyes = (row >= 6) & (row <= 10)
    inner, outer = form.eye[0] + form.inner_corner[0] - 0.62, form.eye[0] + form.outer_corner[0] + 0.62
    keys[eyes, 0] = np.degrees(np.arcsin(max(inner, 0.6) / 8.3))
    keys[eyes, 1] = np.degrees(np.arctan2(outer, 6.1))
    mouth = (row >= 19) & (row <= 23)
    keys[mouth, 0] *= form.mouth_half / 2.42


def _cast_rays(form: Form, start: F64, way: F64, far: float = 24.0) -> F64:
    """Surface points (n, 3) seen from outside along `way`; short steps, for distances far off miss what they cull."""
    reach = np.full(len(start), far)
    for _ in range(70):
        step = skin(start + way * reach[:, None], form)
        reach = np.maximum(reach - np.clip(0.9 * step, -1.0, 1.0), 0.05)
        if float(np.abs(step).max()) < 1e-3:
            break
    return np.asarray(start + way * reach[:, None])


def _under_chin(placed: F64, sheet: F64) -> F64:
    """Rows between the chin and the neck, which no horizontal ray tells: arched from one to the other."""
    grid = {(int(c), int(r)): n for n, (c, r) in enumerate(sheet) if not np.isnan(c)}
    found = placed.copy()
    for (c, r), n in grid.items():
        if _CHIN < r < _NECK and c <= 16:
            share = (r - _CHIN) / (_NECK - _CHIN)
            straight = placed[grid[(c, _CHIN)]] * (1.0 - share) + placed[grid[(c, _NECK)]] * share
            weight = np.clip((17.0 - c) / 6.0, 0.0, 1.0)
            arched = straight - np.array([0.0, 0.9 * np.sin(np.pi * min(share * 1.3, 1.0)), 0.0])
            found[n] = arched * weight + placed[n] * (1.0 - weight)
    return found


def _crown(form: Form, cap: F64) -> F64:
    """The crown's vertices on the skull: a disc's worth of directions, as squares go to discs."""
    x, z = cap[:, 0], 1.0 - 2.0 * cap[:, 1]
    dx, dz = x * np.sqrt(1.0 - 0.5 * z * z), z * np.sqrt(1.0 - 0.5 * x * x)
    reach = np.minimum(np.hypot(dx, dz), 0.999)
    tilt = np.radians(62.0) * reach
    heading = np.stack([dx, dz], 1) / np.maximum(np.hypot(dx, dz), 1e-9)[:, None]
    way = np.stack([heading[:, 0] * np.sin(tilt), np.cos(tilt), heading[:, 1] * np.sin(tilt)], 1)
    return _cast_rays(form, np.broadcast_to(np.array([0.0, 4.0, -7.4]), (len(cap), 3)), way)


@dataclass(frozen=True, slots=True, eq=False)
class Wrapped:
    """A net on a head: centimetres, both halves, exactly mirrored."""

    layout: Layout
    positions: F64  # (n, 3)


def pinned(layout: Layout) -> NDArray[np.bool_]:
    """Which vertices (n,) have their place on a feature's ring."""
    found = np.zeros(layout.count, bool)
    for feature, (first, _) in _RINGS.items():
        found |= (layout.feature == feature) & (layout.ring >= first - 1e-9)
    return found


def on_skin(layout: Layout) -> NDArray[np.bool_]:
    """Which vertices (n,) are free to slide on the skin; the others are pinned or fill a hole's end."""
    inside = (layout.feature != SKIN) & (layout.feature != CROWN) & np.isnan(layout.ring)
    return np.asarray(~inside & ~pinned(layout))


def ring_places(layout: Layout, form: Form) -> tuple[I64, F64]:
    """The pinned vertices and their places; between rings a smooth curve through their neighbours."""
    where, places = [], []
    fixed = pinned(layout)
    for feature, (_, rings) in _RINGS.items():
        mine = np.nonzero(fixed & (layout.feature == feature))[0]
        steps, inverse = np.unique(np.round(layout.along[mine], 6), return_inverse=True)
        at = rings(form, steps)[:, inverse.reshape(-1)]
        place = between_rings(at, layout.ring[mine])
        place[:, 0] *= np.where(layout.side[mine] < 0, -1.0, 1.0)
        where.append(mine)
        places.append(place)
    return np.concatenate(where), np.concatenate(places)


def between_rings(rings: F64, number: F64) -> F64:
    """Points at fractional ring numbers (n,) of rings (r, n, 3): Catmull-Rom with tamed tangents."""
    low = np.minimum(np.floor(number + 1e-9).astype(int), len(rings) - 2)
    share = (number - low)[:, None]
    n = np.arange(len(number))
    b, c = rings[low, n], rings[low + 1, n]
    a, d = rings[np.maximum(low - 1, 0), n], rings[np.minimum(low + 2, len(rings) - 1), n]
    a, d = np.where(np.isnan(a), b, a), np.where(np.isnan(d), c, d)
    b = np.where(np.isnan(b), c, b)
    into, out = _tangent(a, b, c), _tangent(b, c, d)
    s2, s3 = share * share, share**3
    return np.asarray(
        (2 * s3 - 3 * s2 + 1) * b + (s3 - 2 * s2 + share) * into + (3 * s2 - 2 * s3) * c + (s3 - s2) * out
    )


def _tangent(before: F64, here: F64, after: F64) -> F64:
    """The curve's direction at a ring, no longer than the shorter step beside it allows without overshooting."""
    mean = 0.5 * (after - before)
    shorter = np.minimum(np.linalg.norm(here - before, axis=1), np.linalg.norm(after - here, axis=1))
    shorter = np.where(shorter > 0.0, shorter, np.linalg.norm(after - before, axis=1))
    length = np.maximum(np.linalg.norm(mean, axis=1), 1e-12)
    return np.asarray(mean * np.minimum(1.0, 1.3 * shorter / length)[:, None])


def mirrored(layout: Layout, positions: F64) -> F64:
    """Positions made the mirror image of themselves, exactly."""
    other = positions[layout.mirror] * np.array([-1.0, 1.0, 1.0])
    return np.asarray(0.5 * (positions + other))


def project(form: Form, points: F64, *, steps: int = 2) -> F64:
    """Points moved onto the skin along the distance's gradient."""
    found = points
    for _ in range(steps):
        found = found - np.clip(skin(found, form), -0.6, 0.6)[:, None] * slope(form, found)
    return found


class _Neighbours:
    """Means over the vertices that share an edge."""

    def __init__(self, layout: Layout) -> None:
        edges, _, _, _ = edges_of(layout.quads)
        self.starts = np.concatenate([edges[:, 0], edges[:, 1]])
        self.ends = np.concatenate([edges[:, 1], edges[:, 0]])
        self.count = np.bincount(self.starts, minlength=layout.count)[:, None]

    def mean(self, positions: F64) -> F64:
        columns = [
            np.bincount(self.starts, weights=positions[self.ends, axis], minlength=len(positions)) for axis in range(3)
        ]
        return np.stack(columns, 1) / self.count


def _slack(layout: Layout) -> F64:
    """How far relaxing may move a vertex: less on the nose, whose columns are drawn where its forms are."""
    column, row = layout.sheet[:, 0], layout.sheet[:, 1]
    nose = (column <= 5) & (row >= 11) & (row <= 18)
    slack = np.where(nose, 0.04, np.where(row >= ROWS, 0.0, 0.6))
    around = layout.ring == 0.0
    slack[around & (layout.feature == EAR)] = 0.05
    slack[around & (layout.feature == MOUTH)] = 0.12
    return slack[:, None]


def wrap_cage(form: Form) -> Wrapped:
    """The coarse net on a head."""
    layout = cage()
    positions = _first(layout, form)
    free, neighbours, slack = on_skin(layout), _Neighbours(layout), _slack(layout)
    where, places = ring_places(layout, form)
    positions[where] = places
    inside = ~free & ~pinned(layout)
    skin_points = np.nonzero(free & (layout.side >= 0))[0]
    for _ in range(_ROUNDS):
        even = neighbours.mean(positions)
        positions[free] += (slack * (even - positions))[free]
        positions[inside] = even[inside]
        positions[skin_points] = project(form, positions[skin_points], steps=1)
        positions = _reflected(layout, positions)
    return Wrapped(layout, mirrored(layout, positions))


def _first(layout: Layout, form: Form) -> F64:
    placed = np.zeros((layout.count, 3))
    placed[:, 1:] = form.mouth[0], -3.0  # what fills holes begins somewhere inside
    on_sheet = ~np.isnan(layout.sheet[:, 0]) & (layout.side >= 0)
    sheet = layout.sheet[on_sheet]
    places = _under_chin(cast(form, sheet), sheet)
    placed[on_sheet] = nose_guess(form, sheet, places)
    on_cap = ~np.isnan(layout.cap[:, 0]) & (layout.side >= 0)
    placed[on_cap] = _crown(form, layout.cap[on_cap])
    placed = _reflected(layout, placed)
    return _free_rings(layout, placed, form)


def _free_rings(layout: Layout, placed: F64, form: Form) -> F64:
    """Rings that are neither on the sheet nor pinned begin between the two."""
    where, places = ring_places(layout, form)
    known = {int(n): p for n, p in zip(where, places, strict=True)}
    key = {}
    for n in range(layout.count):
        if not np.isnan(layout.ring[n]):
            key[(int(layout.feature[n]), int(layout.side[n]), layout.along[n], layout.ring[n])] = n
    for (feature, side, step, ring), n in key.items():
        if ring == 1 and n not in known:
            outside = key.get((feature, side, step, 0.0))
            inside = key[(feature, side, step, 2.0)]
            placed[n] = 0.5 * (placed[outside] + known[inside]) if outside is not None else known[inside]
    return placed


def _reflected(layout: Layout, positions: F64) -> F64:
    """The right half from the left."""
    found = positions.copy()
    right = layout.side < 0
    found[right] = positions[layout.mirror[right]] * np.array([-1.0, 1.0, 1.0])
    found[layout.side == 0, 0] = 0.0
    return found


def wrap(form: Form, detail: int) -> Wrapped:
    """The net on a head, its quads split `detail` times."""
    wrapped = wrap_cage(form)
    for _ in range(detail):
        wrapped = _finer(form, wrapped)
    return wrapped


def _finer(form: Form, wrapped: Wrapped) -> Wrapped:
    layout, rule = refined(wrapped.layout)
    positions = _reflected(layout, rule.smooth(wrapped.positions))
    where, places = ring_places(layout, form)
    positions[where] = places
    free = on_skin(layout)
    half = np.nonzero(free & (layout.side >= 0))[0]
    neighbours = _Neighbours(layout)
    for pull in (0.4, 0.3, 0.15, 0.0):
        positions[free] += pull * (neighbours.mean(positions) - positions)[free]
        positions[half] = project(form, positions[half], steps=1)
        positions = _reflected(layout, positions)
    return Wrapped(layout, mirrored(layout, positions))
