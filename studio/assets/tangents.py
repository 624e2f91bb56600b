"""Tangents after MikkTSpace, so that normal maps baked elsewhere look here as they were baked.

A vectorised form of the algorithm of Morten Mikkelsen, "Simulation of Wrinkled Surfaces Revisited" (2008), with the
standard's default of no angular threshold: corners of welded vertices are grouped across edges between triangles
of the same texture orientation, and a group's tangent is the sum of its triangles' unit tangents, projected to the
plane of the vertex normal and weighted by the corner's angle. glTF's v runs down, so the bitangent
cross(normal, tangent) * w runs against v, as its normal maps are painted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import F32, U32

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
_TINY = 1.1754944e-38  # FLT_MIN, the standard's "not zero"


def mikktspace(positions: F32, normals: F32, uv: F32, triangles: U32) -> tuple[U32, U32, F32]:
    """Tangents of a mesh whose vertices may have to split where texture space is mirrored or torn.

    Takes (v, 3) positions and unit normals, (v, 2) texture coordinates, (t, 3) triangles. Returns the (w,) rows of
    the old vertices that the new ones come from, the (t, 3) triangles over the new ones, and (w, 4) tangents:
    unit xyz and the bitangent's sign.
    """
    welded = _weld(positions, normals, uv)[triangles.reshape(-1)]  # (3 t,) by corner
    p = positions.astype(np.float64)[triangles]
    t = uv.astype(np.float64)[triangles] * (1.0, -1.0)
    flat, preserving, undecided, along = _texture_space(p, t, welded.reshape(-1, 3))
    first, second = _neighbours(welded)
    preserving = _decide(preserving, undecided, first // 3, second // 3)
    joined = (preserving[first // 3] == preserving[second // 3]) & ~flat[first // 3] & ~flat[second // 3]
    group = _components(len(welded), *_shared_corners(first[joined], second[joined]))
    corner_normals = normals.astype(np.float64)[triangles].reshape(-1, 3)
    contribution = _contributions(p, along, corner_normals)
    contribution[np.repeat(undecided | flat, 3)] = 0.0
    total = np.stack([np.bincount(group, contribution[:, i], len(welded)).astype(np.float64) for i in range(3)], axis=1)
    sign = np.where(np.repeat(preserving, 3), 1.0, -1.0)
    group = _adopt(group, np.repeat(flat, 3), welded)
    tangent = _fallback(_unit(total[group]), corner_normals)
    return _reindex(triangles, group, tangent, sign[group])


def _weld(positions: F32, normals: F32, uv: F32) -> I64:
    """(v,) the same number for vertices that agree in position, normal and texture coordinates."""
    rows = np.ascontiguousarray(np.concatenate([positions, normals, uv], axis=1) + np.float32(0))
    keys = rows.view(np.dtype((np.void, rows.shape[1] * 4))).reshape(-1)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def _texture_space(p: F64, t: F64, welded: I64) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], F64]:
    """Of each triangle: whether it is flat (no area), keeps orientation, is undecided, and its unit tangent."""
    d1, d2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    t1, t2 = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    area = t1[:, 0] * t2[:, 1] - t1[:, 1] * t2[:, 0]
    preserving = area > 0
    along = t2[:, 1:] * d1 - t1[:, 1:] * d2
    along = _unit(np.asarray(np.where(preserving[:, None], along, -along), np.float64))
    a, b, c = welded.T
    flat = (a == b) | (b == c) | (a == c)
    undecided = (np.abs(area) <= _TINY) | ~along.any(axis=1)
    return flat, preserving, undecided, along


def _neighbours(welded: I64) -> tuple[I64, I64]:
    """Pairs of corners that start the same edge in opposite directions: corner c starts the edge to its successor."""
    corners = np.arange(len(welded))
    successor = np.where(corners % 3 == 2, corners - 2, corners + 1)
    start, end = welded, welded[successor]
    forward = start < end
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.lexsort((corners, ~forward, high, low))
    order = order[low[order] != high[order]]
    if not len(order):
        return order, order
    change = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    edge = np.concatenate([[0], np.cumsum(change)])
    count = edge[-1] + 1
    forwards = np.bincount(edge, forward[order], count).astype(np.int64)
    backwards = np.bincount(edge, ~forward[order], count).astype(np.int64)
    first_of_edge = np.searchsorted(edge, np.arange(count))
    pairs = np.minimum(forwards, backwards)
    which = np.repeat(np.arange(count), pairs)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    ahead = order[first_of_edge[which] + nth]
    back = order[first_of_edge[which] + forwards[which] + nth]
    return ahead, back


def _decide(preserving: NDArray[np.bool_], undecided: NDArray[np.bool_], a: I64, b: I64) -> NDArray[np.bool_]:
    """Triangles without texture area take the orientation of a neighbour that has one."""
    preserving, open_ = preserving.copy(), undecided.copy()
    for _ in range(4):
        for to, source in ((a, b), (b, a)):
            pick = open_[to] & ~open_[source]
            preserving[to[pick]] = preserving[source[pick]]
            open_[to[pick]] = False
        if not open_.any():
            break
    return preserving


def _shared_corners(first: I64, second: I64) -> tuple[I64, I64]:
    """The two pairs of corners that each pair of opposite edges brings together."""
    after_first = np.where(first % 3 == 2, first - 2, first + 1)
    after_second = np.where(second % 3 == 2, second - 2, second + 1)
    return np.concatenate([first, after_first]), np.concatenate([after_second, second])


def _components(count: int, a: I64, b: I64) -> I64:
    """(count,) the smallest member of each node's connected component, by hooking and pointer jumping."""
    label = np.arange(count)
    while len(a):
        low, high = np.minimum(label[a], label[b]), np.maximum(label[a], label[b])
        apart = low != high
        if not apart.any():
            break
        a, b = a[apart], b[apart]
        np.minimum.at(label, high[apart], low[apart])
        while True:
            jumped = label[label]
            if np.array_equal(jumped, label):
                break
            label = jumped
    return label


def _contributions(p: F64, along: F64, normals: F64) -> F64:
    """(3 t, 3) each corner's share: its triangle's tangent in the plane of the normal, times the corner's angle."""
    n = normals.reshape(-1, 3, 3)
    tangent = _unit(_project(np.repeat(along[:, None], 3, axis=1), n))
    back = _unit(_project(np.roll(p, 1, axis=1) - p, n))
    ahead = _unit(_project(np.roll(p, -1, axis=1) - p, n))
    angle = np.arccos(np.clip(np.einsum("tci,tci->tc", back, ahead), -1.0, 1.0))
    return np.asarray(tangent * angle[:, :, None]).reshape(-1, 3)


def _adopt(group: I64, flat: NDArray[np.bool_], welded: I64) -> I64:
    """Corners of triangles without area take the group of any other corner at their vertex."""
    if not flat.any() or flat.all():
        return group
    sound = np.flatnonzero(~flat)
    vertex, first = np.unique(welded[sound], return_index=True)
    at = np.searchsorted(vertex, welded[flat])
    at = np.minimum(at, len(vertex) - 1)
    found = vertex[at] == welded[flat]
    group = group.copy()
    group[np.flatnonzero(flat)[found]] = group[sound[first[at[found]]]]
    return group


def _fallback(tangents: F64, normals: F64) -> F64:
    """Where texture space gives no tangent, any unit vector in the plane of the normal."""
    none = ~tangents.any(axis=1)
    if none.any():
        n = normals[none]
        axis = np.asarray(np.where(np.abs(n[:, :1]) < 0.9, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), np.float64)
        tangents = tangents.copy()
        tangents[none] = _unit(_project(axis, n))
        still = ~tangents.any(axis=1)
        tangents[still] = (1.0, 0.0, 0.0)
    return tangents


def _reindex(triangles: U32, group: I64, tangents: F64, sign: F64) -> tuple[U32, U32, F32]:
    """Vertices split where their corners belong to several groups."""
    vertex = triangles.reshape(-1).astype(np.int64)
    _, first, inverse = np.unique(vertex * (len(group) + 1) + group, return_index=True, return_inverse=True)
    rows = vertex[first].astype(np.uint32)
    out = np.concatenate([tangents[first], sign[first, None]], axis=1).astype(np.float32)
    return rows, inverse.reshape(-1, 3).astype(np.uint32), out


def _project(v: F64, n: F64) -> F64:
    return np.asarray(v - n * np.einsum("...i,...i->...", n, v)[..., None])


def _unit(v: F64) -> F64:
    length = np.sqrt(np.einsum("...i,...i->...", v, v))[..., None]
    return np.asarray(np.where(length > _TINY, v / np.where(length > _TINY, length, 1.0), 0.0), np.float64)
