"""The net of a head: which vertices there are, how quads join them, and where they lie on the texture.

It is drawn by hand as a sheet that wraps the head from the front, with rows from crown to chest and columns from the
middle of the face to the back, and holes where the features are. Every hole is filled by rings: around the eyes for
the lids, around the mouth for the lips and on into its bag, around the nostrils, and out and in again for the ears.
The sheet is the texture's layout too, so texture coordinates cannot overlap; the crown is an island of its own. Only
the left half is drawn, the right is its mirror image, so mirrored vertices are known. No identity changes any of it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

COLUMNS, ROWS = 25, 40
CAP = (6, 13)  # quads of the crown's half: across, and from front to back
SKIN, EYE, MOUTH, EAR, NOSTRIL, CROWN = range(6)


@dataclass(frozen=True, slots=True)
class Hole:
    """A rectangle of the sheet that is filled by rings; `fill` closes the last ring with quads."""

    feature: int
    columns: tuple[int, int]
    rows: tuple[int, int]
    rings: int
    fill: bool
    shrink: tuple[float, ...]  # size on the sheet after each ring

    @property
    def steps(self) -> int:
        """Vertices of a ring of the half: the mouth's is open, its ends lie in the middle of the face."""
        width, height = self.columns[1] - self.columns[0], self.rows[1] - self.rows[0]
        return 2 * width + height + 1 if self.columns[0] == 0 else 2 * (width + height)

    def boundary(self) -> list[tuple[int, int]]:
        """Column and row of the rectangle's corners in order, clockwise from the top left (the middle, if open)."""
        (left, right), (top, bottom) = self.columns, self.rows
        path = [(c, top) for c in range(left, right)] + [(right, r) for r in range(top, bottom)]
        path += [(c, bottom) for c in range(right, left, -1)]
        return [*path, (left, bottom)] if left == 0 else path + [(left, r) for r in range(bottom, top, -1)]


HOLES: tuple[Hole, ...] = (
    Hole(EYE, (5, 13), (6, 10), 8, False, (0.86, 0.72, 0.60, 0.49, 0.38, 0.32, 0.24, 0.14)),
    Hole(MOUTH, (0, 5), (19, 23), 12, True, (0.90, 0.81, 0.74, 0.64, 0.55, 0.47, 0.40, 0.34, 0.28, 0.22, 0.16, 0.10)),
    Hole(EAR, (16, 20), (7, 13), 10, True, (0.93, 0.83, 0.71, 0.64, 0.57, 0.50, 0.42, 0.34, 0.25, 0.16)),
    Hole(NOSTRIL, (1, 3), (16, 18), 3, True, (0.70, 0.45, 0.22)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The net. Vertices know their place on the sheet: a feature's have a step along its ring and the ring's number.

    Refined nets have fractions of both; `nan` stands where a vertex has none. Texture corners are their own list, for
    vertices on seams have several.
    """

    quads: I64  # (q, 4) vertices, counter-clockwise from outside
    uv_quads: I64  # (q, 4) texture corners
    uvs: F64  # (m, 2); v runs down as in glTF
    sheet: F64  # (n, 2) column and row, both nan inside holes and crown
    feature: NDArray[np.int8]  # (n,)
    along: F64  # (n,) step along the ring
    ring: F64  # (n,)
    mirror: I64  # (n,) the vertex on the other side; itself in the middle
    side: NDArray[np.int8]  # (n,) 1 left, -1 right, 0 middle
    cap: F64  # (n, 2) place on the crown, nan elsewhere

    @property
    def count(self) -> int:
        """How many vertices there are."""
        return len(self.mirror)


class _Half:
    """The left half as it is drawn: vertices by name, quads of names, texture corners."""

    def __init__(self) -> None:
        self.index: dict[object, int] = {}
        self.rows: list[tuple[int, float, float, float, float, float, float, bool]] = []
        self.uv: list[tuple[float, float]] = []
        self.quads: list[list[int]] = []
        self.uv_quads: list[list[int]] = []
        self.uv_index: dict[object, int] = {}

    def vertex(
        self,
        name: object,
        *,
        feature: int = SKIN,
        sheet: tuple[float, float] = (np.nan, np.nan),
        ring: tuple[float, float] = (np.nan, np.nan),
        cap: tuple[float, float] = (np.nan, np.nan),
        middle: bool = False,
    ) -> int:
        if name not in self.index:
            self.index[name] = len(self.rows)
            self.rows.append((feature, *sheet, *ring, *cap, middle))
        return self.index[name]

    def corner(self, name: object, uv: tuple[float, float]) -> int:
        if name not in self.uv_index:
            self.uv_index[name] = len(self.uv)
            self.uv.append(uv)
        return self.uv_index[name]

    def quad(self, names: list[object], corners: list[object] | None = None) -> None:
        self.quads.append([self.index[name] for name in names])
        self.uv_quads.append([self.uv_index[name] for name in corners or names])


# Widths of the sheet's columns and heights of its rows on the texture: the face has the lion's share.
_WIDTHS = np.array([1.3] * 5 + [1.55] * 8 + [1.2] * 3 + [1.6] * 4 + [0.9] * 5)
_HEIGHTS = np.array(
    [0.8] * 4 + [0.9] * 2 + [2.0] * 4 + [0.9] * 4 + [0.95] * 5 + [2.3] * 4 + [0.9] * 3 + [0.55] * 4 + [0.45] * 10
)
_TOP = 0.15  # of the texture above the sheet, for the crown


def _sheet_uv(column: float, row: float) -> tuple[float, float]:
    across = np.concatenate([[0.0], np.cumsum(_WIDTHS)]) / _WIDTHS.sum()
    down = np.concatenate([[0.0], np.cumsum(_HEIGHTS)]) / _HEIGHTS.sum()
    u = float(np.interp(column, np.arange(COLUMNS + 1), across))
    v = float(np.interp(row, np.arange(ROWS + 1), down))
    return 0.5 + 0.497 * u, _TOP + (0.997 - _TOP) * v


@lru_cache(maxsize=1)
def cage() -> Layout:
    """The net as drawn, about 3,000 quads."""
    half = _Half()
    _draw_sheet(half)
    for hole in HOLES:
        _draw_hole(half, hole)
    _draw_crown(half)
    return _mirrored(half)


def _draw_sheet(half: _Half) -> None:
    skipped = {
        (c, r) for hole in HOLES for c in range(*hole.columns) for r in range(*hole.rows)
    }  # cells under the holes
    edge = {place: (hole, n) for hole in HOLES for n, place in enumerate(hole.boundary())}
    for r in range(ROWS):
        for c in range(COLUMNS):
            if (c, r) in skipped:
                continue
            names: list[object] = []
            for place in ((c, r), (c, r + 1), (c + 1, r + 1), (c + 1, r)):
                feature, ring = SKIN, (np.nan, np.nan)
                if place in edge:
                    hole, n = edge[place]
                    feature, ring = hole.feature, (float(n), 0.0)
                middle = place[0] in (0, COLUMNS)
                half.vertex(place, feature=feature, sheet=place, ring=ring, middle=middle)
                half.corner(place, _sheet_uv(*place))
                names.append(place)
            half.quad(names)


def _draw_hole(half: _Half, hole: Hole) -> None:
    open_ring = hole.columns[0] == 0
    path = hole.boundary()
    outer = np.array([_sheet_uv(*place) for place in path])
    corners = np.array([_sheet_uv(c, r) for c in hole.columns for r in hole.rows])
    centre = np.array([0.5 if open_ring else corners[:, 0].mean(), corners[:, 1].mean()])
    names: list[list[object]] = [list(path)]
    for number, size in enumerate(hole.shrink, 1):
        ring: list[object] = [(hole.feature, number, n) for n in range(hole.steps)]
        for n, name in enumerate(ring):
            middle = open_ring and n in (0, hole.steps - 1)
            half.vertex(name, feature=hole.feature, ring=(float(n), float(number)), middle=middle)
            u, v = centre + (outer[n] - centre) * size
            half.corner(name, (float(u), float(v)))
        names.append(ring)
    turns = hole.steps - 1 if open_ring else hole.steps
    for outside, inside in itertools.pairwise(names):
        for n in range(turns):
            m = (n + 1) % hole.steps
            half.quad([outside[n], inside[n], inside[m], outside[m]])
    if hole.fill:
        _fill(half, hole, names[-1], centre, hole.shrink[-1])


def _fill(half: _Half, hole: Hole, last: list[object], centre: F64, size: float) -> None:
    """Quads inside the last ring, as the sheet would have had them."""
    (left, right), (top, bottom) = hole.columns, hole.rows
    names = dict(zip(hole.boundary(), last, strict=True))
    for r in range(top, bottom + 1):
        for c in range(left, right + 1):
            if (c, r) in names:
                continue
            name = (hole.feature, "fill", c, r)
            half.vertex(name, feature=hole.feature, middle=c == 0)
            u, v = centre + (np.array(_sheet_uv(c, r)) - centre) * size
            half.corner(name, (float(u), float(v)))
            names[(c, r)] = name
    for r in range(top, bottom):
        for c in range(left, right):
            half.quad([names[(c, r)], names[(c, r + 1)], names[(c + 1, r + 1)], names[(c + 1, r)]])


def _draw_crown(half: _Half) -> None:
    across, deep = CAP
    rim = [(i, 0) for i in range(across)] + [(across, j) for j in range(deep)]
    rim += [(i, deep) for i in range(across, -1, -1)]
    names: dict[tuple[int, int], object] = {place: (column, 0) for column, place in enumerate(rim)}
    for j in range(deep + 1):
        for i in range(across + 1):
            name = names.setdefault((i, j), ("crown", i, j))
            if (i, j) not in rim:
                half.vertex(name, feature=CROWN, cap=(i / across, j / deep), middle=i == 0)
            half.corner(("crown", i, j), (0.5 + 0.2 * i / across, (_TOP - 0.006) * (1.0 - j / deep) + 0.003))
    for j in range(deep):
        for i in range(across):
            places = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            half.quad([names[p] for p in places], [("crown", *p) for p in places])


def _mirrored(half: _Half) -> Layout:
    """Both halves: vertices of the middle are shared, texture corners only where they lie in the sheet's middle."""
    rows = np.array([row[:-1] for row in half.rows])
    middle = np.array([row[-1] for row in half.rows])
    count = len(rows)
    other = np.arange(count)
    other[~middle] = count + np.arange(int((~middle).sum()))
    uv = np.array(half.uv)
    uv_middle = np.abs(uv[:, 0] - 0.5) < 1e-9
    uv_other = np.arange(len(uv))
    uv_other[~uv_middle] = len(uv) + np.arange(int((~uv_middle).sum()))
    quads, uv_quads = np.array(half.quads), np.array(half.uv_quads)
    mirror = np.concatenate([other, np.nonzero(~middle)[0]])
    every = np.concatenate([rows, rows[~middle]])
    return Layout(
        quads=np.concatenate([quads, other[quads][:, ::-1]]),
        uv_quads=np.concatenate([uv_quads, uv_other[uv_quads][:, ::-1]]),
        uvs=np.concatenate([uv, uv[~uv_middle] * [-1.0, 1.0] + [1.0, 0.0]]),
        sheet=every[:, 1:3],
        feature=every[:, 0].astype(np.int8),
        along=every[:, 3],
        ring=every[:, 4],
        mirror=mirror,
        side=np.concatenate([np.where(middle, 0, 1), np.full(int((~middle).sum()), -1)]).astype(np.int8),
        cap=every[:, 5:7],
    )
