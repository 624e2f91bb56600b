"""Procedural shapes: the few forms from which every demo scene is built.

Almost everything made by hand is a sheet of points: turned on a lathe, drawn along a curve, or draped. So `sheet` is
the one constructor of smooth surfaces, with normals from the differences of its points, and the others only say
where the points go. Lengths in metres, y up, fronts counter-clockwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Triangles with normals: positions (v, 3), normals (v, 3), uv (v, 2), triangles (t, 3)."""

    positions: F64
    normals: F64
    uv: F64
    triangles: NDArray[np.int64]

    def moved(self, by: ArrayLike) -> Shape:
        return Shape(self.positions + np.asarray(by, np.float64), self.normals, self.uv, self.triangles)

    def turned(self, axis: str, degrees: float) -> Shape:
        """Rotated about the x, y or z axis through the origin, counter-clockwise seen from the axis' tip."""
        turn = rotation(axis, degrees).T
        return Shape(self.positions @ turn, self.normals @ turn, self.uv, self.triangles)

    def scaled(self, by: ArrayLike) -> Shape:
        """Scaled about the origin by one or three positive factors."""
        factor = np.broadcast_to(np.asarray(by, np.float64), 3)
        return Shape(self.positions * factor, _unit(self.normals / factor), self.uv, self.triangles)

    def flipped(self) -> Shape:
        return Shape(self.positions, -self.normals, self.uv, self.triangles[:, ::-1])


def rotation(axis: str, degrees: float) -> F64:
    """(3, 3) matrix of a rotation about a coordinate axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    out = np.eye(3)
    out[i, i] = out[j, j] = c
    out[i, j], out[j, i] = -s, s
    return out


def join(shapes: Sequence[Shape]) -> Shape:
    """One shape of several."""
    starts = np.cumsum([0, *(len(s.positions) for s in shapes[:-1])])
    return Shape(
        np.concatenate([s.positions for s in shapes]),
        np.concatenate([s.normals for s in shapes]),
        np.concatenate([s.uv for s in shapes]),
        np.concatenate([s.triangles + start for s, start in zip(shapes, starts, strict=True)]),
    )


def sheet(points: ArrayLike, *, closed: bool = False) -> Shape:
    """A smooth surface through a grid of points (rows, columns, 3); the front is where rows x columns points.

    `closed` means that the last column lies on the first. Triangles without area (at poles) are left out. Rows run
    along v and columns along u of the texture coordinates.
    """
    p = np.asarray(points, np.float64)
    rows, columns = p.shape[:2]
    down, along = np.gradient(p, axis=0), np.gradient(p, axis=1)
    if closed:
        along[:, 0] = along[:, -1] = (p[:, 1] - p[:, -2]) / 2
    normals = _pole_normals(_unit(np.cross(down, along)), p)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    triangles = np.concatenate(
        [np.stack([a, a + columns, a + columns + 1], 1), np.stack([a, a + columns + 1, a + 1], 1)]
    )
    flat = p.reshape(-1, 3)
    corners = flat[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return Shape(flat, normals.reshape(-1, 3), np.stack([u, v], -1).reshape(-1, 2), triangles[area > 1e-12])


def quad(centre: ArrayLike, u: ArrayLike, v: ArrayLike, *, tiles: float = 1.0) -> Shape:
    """A flat parallelogram of half sides u and v that faces u x v; `tiles` repeats its texture over each side."""
    c, a, b = (np.asarray(x, np.float64) for x in (centre, u, v))
    points = np.array([c - a - b, c + a - b, c + a + b, c - a + b])
    normal = _unit(np.cross(a, b))
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]]) * tiles
    return Shape(points, np.tile(normal, (4, 1)), uv, np.array([[0, 1, 2], [0, 2, 3]]))


def box(size: ArrayLike, centre: ArrayLike = (0.0, 0.0, 0.0)) -> Shape:
    """An axis-aligned box of full side lengths `size`."""
    half, c = np.asarray(size, np.float64) / 2, np.asarray(centre, np.float64)
    axes = np.diag(half)
    faces = [quad(c + s * axes[k], s * axes[(k + 1) % 3], axes[(k + 2) % 3]) for k in range(3) for s in (1, -1)]
    return join(faces)


def lathe(profile: ArrayLike, *, segments: int = 48, smooth: int = 0) -> Shape:
    """A body turned about y. `profile` is (k, 2) radius and height from bottom to top.

    A point given twice makes a hard edge. `smooth` rounds the profile that many times by Chaikin's corner cutting,
    ends kept.
    """
    line = np.asarray(profile, np.float64)
    for _ in range(smooth):
        quarter, three = 0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]
        inner = np.stack([quarter, three], 1).reshape(-1, 2)
        line = np.concatenate([line[:1], inner, line[-1:]])
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    radius, height = line[:, :1], line[:, 1:]
    ring = [radius * np.sin(angle), np.broadcast_to(height, (len(line), segments + 1)), radius * np.cos(angle)]
    return sheet(np.stack(ring, -1)[::-1], closed=True)


def sphere(radius: float, *, segments: int = 32) -> Shape:
    angle = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    return lathe(radius * np.stack([np.maximum(np.cos(angle), 0.0), np.sin(angle)], 1), segments=segments)


def torus(radius: float, tube_radius: float, *, segments: int = 96, sides: int = 16, flat: float = 1.0) -> Shape:
    """A ring about y; `flat` stretches its section along y, so that a ring becomes a band."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    profile = np.stack([radius + tube_radius * np.cos(angle), flat * tube_radius * np.sin(angle)], 1)
    return lathe(profile, segments=segments)


def tube(path: ArrayLike, radius: float, *, sides: int = 8) -> Shape:
    """A round tube along the points (k, 3) of a curve that is never straight up for its whole length."""
    p = np.asarray(path, np.float64)
    tangent = _unit(np.gradient(p, axis=0))
    across = _unit(np.cross(tangent, _least_axis(tangent)))
    up = np.cross(across, tangent)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    ring = p[:, None] + radius * (np.cos(angle) * across[:, None] + np.sin(angle) * up[:, None])
    return sheet(ring, closed=True)


def pierced_wall(
    width: float, below: float, above: float, thickness: float, *, radius: float, whole: bool = False
) -> Shape:
    """A wall in the xy plane with a round opening about the origin, its two faces and the opening's reveal.

    With `whole` the opening is a full circle; else it is a half circle above y = 0 on straight sides that reach
    `below` down, as in an arcade. The wall reaches `above` up.
    """
    if whole:
        corners = np.arctan2([above, above, -below, -below], [width / 2, -width / 2, -width / 2, width / 2])
        angle = np.sort(np.concatenate([np.linspace(0, 2 * np.pi, 73), corners % (2 * np.pi)]))
    else:
        corners = np.arctan2([above, above], [width / 2, -width / 2])
        angle = np.sort(np.concatenate([np.linspace(0, np.pi, 37), corners]))
    way = np.stack([np.cos(angle), np.sin(angle)], 1)
    with np.errstate(divide="ignore"):
        reach = np.minimum(width / 2 / np.abs(way[:, 0]), np.where(way[:, 1] > 0, above, below) / np.abs(way[:, 1]))
    hole, rim = radius * way, reach[:, None] * way
    if not whole:
        down = np.array([0.0, below])
        hole = np.concatenate([[hole[0] - down], hole, [hole[-1] - down]])
        rim = np.concatenate([[rim[0] - down], rim, [rim[-1] - down]])
    half = thickness / 2

    def strip(a: F64, b: F64, z_a: float, z_b: float) -> Shape:
        return sheet([np.c_[a, np.full(len(a), z_a)], np.c_[b, np.full(len(b), z_b)]])

    return join([strip(hole, rim, half, half), strip(rim, hole, -half, -half), strip(hole, hole, -half, half)])


def hanging(a: ArrayLike, b: ArrayLike, sag: float, *, points: int = 24) -> F64:
    """(points, 3) a cord from a to b that hangs `sag` metres below their middle, as a parabola."""
    t = np.linspace(0, 1, points)[:, None]
    line = (1 - t) * np.asarray(a, np.float64) + t * np.asarray(b, np.float64)
    line[:, 1] -= sag * (4 * t * (1 - t))[:, 0]
    return line


def drape(width: float, height: float, *, folds: float, depth: float, seed: int, columns: int = 96) -> Shape:
    """A cloth hung by its upper edge in the xy plane, its top at y = 0; folds deepen and wander towards the hem."""
    rng = np.random.default_rng(seed)
    t, s = np.meshgrid(np.linspace(0, 1, 48), np.linspace(0, 1, columns), indexing="ij")
    phase = rng.uniform(0, 2 * np.pi, 3)
    wander = 0.05 * np.sin(3 * np.pi * s + phase[0]) * t + 0.03 * np.sin(7 * np.pi * s + phase[1]) * t * t
    wave = np.sin(2 * np.pi * folds * (s + wander) + phase[2]) + 0.35 * np.sin(4.3 * np.pi * folds * s + phase[0])
    z = depth * (0.35 + 0.65 * t) * wave
    x = width * (s - 0.5) * (1 - 0.06 * t)
    return sheet(np.stack([x, -height * t, z], -1))


def _unit(v: F64) -> F64:
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.asarray(v / np.where(length > 0, length, 1.0))


def _least_axis(tangent: F64) -> F64:
    """The coordinate axis least along a whole curve, so that its frame never flips."""
    out = np.zeros(3)
    out[np.abs(tangent).max(axis=0).argmin()] = 1.0
    return out


def _pole_normals(normals: F64, points: F64) -> F64:
    """Normals (rows, columns, 3) with those of a row drawn together to one point replaced by their neighbours' mean."""
    for row, neighbour in ((0, 1), (-1, -2)):
        if np.ptp(points[row], axis=0).max() < 1e-9:
            normals[row] = _unit(normals[neighbour].mean(axis=0))
    return normals
