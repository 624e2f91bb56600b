"""Polygons to triangles: fans for convex ones, ear clipping for the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.assets.report import Notes

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
F64 = NDArray[np.float64]
# Clipping ears costs up to the cube of the corners: so many points may be looked at for one file, some seconds' worth.
# Polygons beyond that are fanned.
EAR_TESTS = 3_000_000


class Triangulator:
    """Triangulates the polygons of one file, over its (v, 3) positions."""

    def __init__(self, positions: NDArray[np.float32], notes: Notes, name: str) -> None:
        self.positions = positions
        self.notes = notes
        self.name = name
        self.tests_left = EAR_TESTS

    def __call__(self, rows: I32, counts: I64) -> I32:
        """(t, 3, 3) corners of triangles, in the order of the polygons.

        `rows` are (corners, 3) vertex (from 1), texture and normal numbers, `counts` the corners of each polygon.
        Polygons of fewer than three corners give nothing.
        """
        starts = np.cumsum(counts) - counts
        made: list[I32] = []
        owner: list[I64] = []
        for size in np.unique(counts[counts >= 3]).tolist():
            which = np.flatnonzero(counts == size)
            polygons = rows[starts[which, None] + np.arange(size)]
            made.append(self._triangles(polygons))
            owner.append(np.repeat(which, size - 2))
        if not made:
            return np.zeros((0, 3, 3), np.int32)
        order = np.argsort(np.concatenate(owner), kind="stable")
        return np.asarray(np.concatenate(made)[order])

    def _triangles(self, polygons: I32) -> I32:
        """(n * (size - 2), 3, 3) of (n, size, 3) polygons."""
        count, size = polygons.shape[:2]
        fan = np.stack([np.zeros(size - 2, np.int64), np.arange(1, size - 1), np.arange(2, size)], axis=1)
        corners = np.broadcast_to(fan, (count, size - 2, 3)).copy()
        if size > 3:
            points = self.positions[polygons[:, :, 0] - 1].astype(np.float64)
            concave = np.flatnonzero(~_convex(points))
            if size == 4:
                # cut a concave quad across its reflex corner
                corners[concave] = _quad_cut(points[concave])
            else:
                for at in concave.tolist():
                    corners[at] = self._clip(points[at], fan)
        return np.asarray(polygons[np.arange(count)[:, None, None], corners]).reshape(-1, 3, 3)

    def _clip(self, points: F64, fan: I64) -> I64:
        clipper = _EarClipper(_flat(points), self.tests_left)
        triangles = clipper.triangles()
        self.tests_left = clipper.tests_left
        if triangles is None:
            self.notes.warn(f"{self.name}: concave polygons of very many corners were cut as fans.")
            return fan
        return triangles


class _EarClipper:
    """Triangulates one simple polygon of (n, 2) points, counter-clockwise.

    Cuts off a corner whose triangle holds no other point, again and again (Meisters, "Polygons have ears", 1975). A
    polygon that crosses itself has no such corner at times; then any corner is cut.
    """

    def __init__(self, points: F64, tests_left: int) -> None:
        self.points: list[tuple[float, float]] = [(x, y) for x, y in points.tolist()]
        self.tests_left = tests_left

    def triangles(self) -> I64 | None:
        """(n - 2, 3) corner numbers, or None when the tests ran out."""
        left = list(range(len(self.points)))
        out = []
        start = 0
        while len(left) > 3:
            order = (at % len(left) for at in range(start, start + len(left)))
            cut = next((at for at in order if self._is_ear(left, at)), 0)
            if self.tests_left <= 0:
                return None
            out.append((left[cut - 1], left[cut], left[(cut + 1) % len(left)]))
            del left[cut]
            start = cut
        out.append((left[0], left[1], left[2]))
        return np.array(out, np.int64)

    def _is_ear(self, left: list[int], at: int) -> bool:
        first, second, third = left[at - 1], left[at], left[(at + 1) % len(left)]
        (ax, ay), (bx, by), (cx, cy) = self.points[first], self.points[second], self.points[third]
        self.tests_left -= 1
        if (bx - ax) * (cy - by) - (by - ay) * (cx - bx) <= 0.0:
            return False
        corners = (self.points[first], self.points[second], self.points[third])
        for other in left:
            x, y = self.points[other]
            self.tests_left -= 1
            if (
                (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0.0
                and (cx - bx) * (y - by) - (cy - by) * (x - bx) >= 0.0
                and (ax - cx) * (y - cy) - (ay - cy) * (x - cx) >= 0.0
                and (x, y) not in corners
            ):
                return False
        return True


def _normals(points: F64) -> F64:
    """(n, 3) area vectors of (n, size, 3) polygons. Source: Newell's method."""
    return np.asarray(np.cross(points - points[:, :1], np.roll(points, -1, axis=1) - points[:, :1]).sum(axis=1))


def _convex(points: F64) -> NDArray[np.bool_]:
    """(n,) whether every corner of a polygon turns the way the polygon does."""
    ahead = np.roll(points, -1, axis=1) - points
    turns = np.cross(np.roll(ahead, 1, axis=1), ahead)
    return np.asarray((np.einsum("nci,ni->nc", turns, _normals(points)) >= 0).all(axis=1))


def _quad_cut(points: F64) -> I64:
    """(n, 2, 3) of concave quads, the diagonal through the reflex corner."""
    ahead = np.roll(points, -1, axis=1) - points
    turns = np.einsum("nci,ni->nc", np.cross(np.roll(ahead, 1, axis=1), ahead), _normals(points))
    across = np.argmin(turns, axis=1) % 2 == 1
    return np.where(across[:, None, None], [[0, 1, 3], [1, 2, 3]], [[0, 1, 2], [0, 2, 3]])


def _flat(points: F64) -> F64:
    """(n, 2) of a polygon's (n, 3) points along the axis it faces most, counter-clockwise."""
    normal = _normals(points[None])[0]
    axis = int(np.argmax(np.abs(normal)))
    flat = np.delete(points, axis, axis=1)
    flip = (normal[axis] < 0) ^ (axis == 1)
    return flat * (1.0, -1.0) if flip else flat
