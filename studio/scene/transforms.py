"""Transforms: from fields of entities to world matrices, for the whole tree at once.

Ten thousand nodes must resolve in a few milliseconds, so nothing here walks the tree node by node. A chain of
parents is folded by pointer doubling: in each round every node takes in what its ancestor has gathered so far and
then points twice as far up. That is log2(depth) array operations, needs no sorting by depth, and a node that still
has an ancestor after log2(n) rounds sits on a cycle.

A transform is a (3, 4) float64 matrix, object to parent or to world, acting on columns: p' = M[:, :3] p + M[:, 3].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Entity

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
Bool = NDArray[np.bool_]

# Beyond this a float32 cannot hold a position and its square; no set is that large.
FARTHEST_M = 1e12
# An axis scaled below this is a flattened one: its inverse has no digits left.
SHORTEST_AXIS = 1e-9


def columns(rows: Iterable[Sequence[float]], count: int, width: int) -> F64:
    """Tuples of numbers as a (count, width) array; several times faster than np.array on many small tuples."""
    return np.fromiter(chain.from_iterable(rows), np.float64, count * width).reshape(count, width)


def local_matrices(entities: Sequence[Entity]) -> F64:
    """(n, 3, 4) matrices translate * rotate * shear * scale of entities' own fields."""
    n = len(entities)
    return compose(
        columns(map(attrgetter("translation"), entities), n, 3),
        columns(map(attrgetter("rotation"), entities), n, 4),
        columns(map(attrgetter("scale"), entities), n, 3),
        columns(map(attrgetter("shear"), entities), n, 3),
    )


def compose(translation: F64, rotation: F64, scale: F64, shear: F64) -> F64:
    """Matrices (n, 3, 4) from translations (n, 3), quaternions (n, 4), scales (n, 3), shears (n, 3).

    Quaternions x, y, z, w need not be unit; one of length zero or with a number that is not finite makes a matrix
    of NaN, which `sound` tells apart.
    """
    out = np.empty((len(translation), 3, 4))
    linear = rotation_matrices(rotation)
    if shear.any():
        xy, xz, yz = shear.T
        x, y, z = linear[:, :, 0], linear[:, :, 1], linear[:, :, 2]
        linear = np.stack([x, y + x * xy[:, None], z + x * xz[:, None] + y * yz[:, None]], axis=2)
    with np.errstate(invalid="ignore", over="ignore"):
        out[:, :, :3] = linear * scale[:, None, :]
    out[:, :, 3] = translation
    return out


def rotation_matrices(quaternion: F64) -> F64:
    """(n, 3, 3) rotations of quaternions (n, 4) x, y, z, w, normalised first; a zero quaternion gives NaN."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        largest = np.abs(quaternion).max(axis=1, keepdims=True, initial=0.0)
        scaled = quaternion / largest
        unit = scaled / np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
    x, y, z, w = unit.T
    out = np.empty((len(quaternion), 3, 3))
    out[:, 0, 0] = 1 - 2 * (y * y + z * z)
    out[:, 0, 1] = 2 * (x * y - z * w)
    out[:, 0, 2] = 2 * (x * z + y * w)
    out[:, 1, 0] = 2 * (x * y + z * w)
    out[:, 1, 1] = 1 - 2 * (x * x + z * z)
    out[:, 1, 2] = 2 * (y * z - x * w)
    out[:, 2, 0] = 2 * (x * z - y * w)
    out[:, 2, 1] = 2 * (y * z + x * w)
    out[:, 2, 2] = 1 - 2 * (x * x + y * y)
    return out


def multiply(a: F64, b: F64) -> F64:
    """a * b of (n, 3, 4) affine matrices."""
    out: F64 = np.matmul(a[:, :, :3], b)
    out[:, :, 3] += a[:, :, 3]
    return out


def inverse(m: F64) -> F64:
    """Inverses (n, 3, 4) of affine matrices (n, 3, 4), which must be `sound`."""
    linear = np.linalg.inv(m[:, :, :3])
    return np.concatenate([linear, -linear @ m[:, :, 3:]], axis=2)


def parent_rows(entities: Sequence[Entity], row: Mapping[str, int]) -> tuple[I32, list[int]]:
    """(n,) row of each entity's parent (-1: none) and the rows whose parent does not exist, taken as roots."""
    get = row.get
    parents = np.array([get(e.parent, -1) if e.parent else -2 for e in entities], np.int32).reshape(-1)
    dangling = np.flatnonzero(parents == -1).tolist()
    parents[parents == -2] = -1
    return parents, dangling


def on_cycles(parents: I32) -> Bool:
    """(n,) True for nodes on a cycle of parents or below one."""
    ancestor = parents.copy()
    for _ in range(max(1, len(parents)).bit_length() + 1):
        live = np.flatnonzero(ancestor >= 0)
        if not len(live):
            break
        ancestor[live] = ancestor[ancestor[live]]
    return ancestor >= 0


def world_matrices(local: F64, parents: I32) -> F64:
    """(n, 3, 4) node-to-world matrices. `parents` must have no cycles."""
    world, ancestor = local.copy(), parents.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        while True:
            live = np.flatnonzero(ancestor >= 0)
            if not len(live):
                return world
            up = ancestor[live]
            world[live] = multiply(world[up], world[live])
            ancestor[live] = ancestor[up]


def inherit(bits: NDArray[np.uint8], parents: I32) -> NDArray[np.uint8]:
    """(n,) bits of every node or-ed with those of all its ancestors. `parents` must have no cycles."""
    out, ancestor = bits.copy(), parents.copy()
    while True:
        live = np.flatnonzero(ancestor >= 0)
        if not len(live):
            return out
        up = ancestor[live]
        out[live] |= out[up]
        ancestor[live] = ancestor[up]


def inherit_product(values: F64, parents: I32) -> F64:
    """(n, k) values of every node times those of all its ancestors. `parents` must have no cycles."""
    out, ancestor = values.copy(), parents.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        while True:
            live = np.flatnonzero(ancestor >= 0)
            if not len(live):
                return out
            up = ancestor[live]
            out[live] *= out[up]
            ancestor[live] = ancestor[up]


def sound(matrices: F64) -> Bool:
    """(n,) True where a matrix is finite, within `FARTHEST_M` and can be inverted in single precision."""
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(matrices).max(axis=(1, 2), initial=0.0) < FARTHEST_M  # False for NaN
        a, b, c = matrices[:, :, 0], matrices[:, :, 1], matrices[:, :, 2]
        volume = np.abs(np.einsum("ij,ij->i", np.cross(a, b), c))
        squares = np.stack([np.einsum("ij,ij->i", axis, axis) for axis in (a, b, c)])
        lengths = np.sqrt(squares.prod(axis=0))
        return np.asarray(near & (squares.min(axis=0) > SHORTEST_AXIS**2) & (volume > 1e-7 * lengths))


def rigid(matrices: F64) -> F64:
    """Matrices (n, 3, 4) with scale and shear taken out: the z axis is kept, then y as near as can be; never mirrored.

    Lights and cameras look along -z, so z is the axis that must not move.
    """
    z = units(matrices[:, :, 2])
    y = matrices[:, :, 1]
    y = units(y - z * np.einsum("ij,ij->i", z, y)[:, None])
    return np.stack([np.cross(y, z), y, z, matrices[:, :, 3]], axis=2)


def decompose(m: F64) -> tuple[F64, F64, F64, F64]:
    """Translation (3,), quaternion (4,), scale (3,) and shear (3,) whose `compose` is the matrix m (3, 4).

    A mirrored matrix gets a negative x scale. The matrix must be `sound`.
    """
    q, upper = np.linalg.qr(m[:, :3])
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    q, upper = q * signs, upper * signs[:, None]
    if np.linalg.det(q) < 0:
        q, upper = q * (-1.0, 1.0, 1.0), upper * np.array([[-1.0], [1.0], [1.0]])
    scale = np.diag(upper).copy()
    shear = np.array([upper[0, 1] / scale[1], upper[0, 2] / scale[2], upper[1, 2] / scale[2]])
    return m[:, 3].copy(), quaternions(q[None])[0], scale, np.where(np.abs(shear) < 1e-14, 0.0, shear)


def quaternions(r: F64) -> F64:
    """Unit quaternions (n, 4) x, y, z, w, with w >= 0, of rotations (n, 3, 3), by the largest component of each
    (S. Shepperd, 1978)."""
    trace = np.einsum("nii->n", r)
    squares = 1.0 + np.concatenate([2.0 * np.einsum("nii->ni", r) - trace[:, None], trace[:, None]], axis=1)
    xy, xz, yz = r[:, 0, 1] + r[:, 1, 0], r[:, 0, 2] + r[:, 2, 0], r[:, 1, 2] + r[:, 2, 1]
    wx, wy, wz = r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]
    sx, sy, sz, sw = squares.T
    rows = np.array([(sx, xy, xz, wx), (xy, sy, yz, wy), (xz, yz, sz, wz), (wx, wy, wz, sw)])
    q = rows[squares.argmax(axis=1), :, np.arange(len(r))]
    return np.asarray(units(q) * np.where(q[:, 3:] < 0, -1.0, 1.0))


def look_at(eye: Sequence[float], target: Sequence[float], up: Sequence[float] = (0.0, 1.0, 0.0)) -> F64:
    """(3, 4) camera-to-world at `eye` looking at `target` along -z."""
    z = np.asarray(eye, np.float64) - np.asarray(target, np.float64)
    z = z / np.linalg.norm(z)
    x = np.cross(np.asarray(up, np.float64), z)
    if np.linalg.norm(x) < 1e-9:  # looking straight up or down
        x = np.cross((0.0, 0.0, 1.0), z)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z, np.asarray(eye, np.float64)], axis=1)


def units(v: F64) -> F64:
    """Rows (n, 3 or 4) of unit length; NaN for rows without one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(v / np.sqrt(np.einsum("ij,ij->i", v, v))[:, None])
