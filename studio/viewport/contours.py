"""Contours of meshes: the lines in which a shape ends, as seen from somewhere.

An edge is part of the contour where one of its triangles faces the eye and the other does not, or where it has one
triangle only. Which triangles meet at which edge is worked out once for a mesh; vertices that stand in one place are
one vertex for that, since seams of texture coordinates are no ends of a shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import Deformed

F64 = NDArray[np.float64]
_EDGES = "viewport.contour_edges"
MOST_TRIANGLES = 60_000  # of a mesh whose contour is drawn; a larger one is drawn as its box


def contour(mesh: Deformed, world: F64, eye: F64, *, forward: F64 | None = None) -> tuple[F64, F64]:
    """Ends (n, 3) and (n, 3), in the world, of the contour of a mesh at a matrix (3, 4), seen from `eye` (3,), or
    along `forward` (3,) by a parallel view."""
    ends, faces = _edges(mesh)
    if not len(ends):
        return np.zeros((0, 3)), np.zeros((0, 3))
    at = mesh.positions.astype(np.float64) @ world[:, :3].T + world[:, 3]
    a, b, c = (at[mesh.mesh.triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    towards = np.broadcast_to(-forward, a.shape) if forward is not None else eye - a
    facing = np.einsum("ij,ij->i", normal, towards) > 0
    shown = (faces[:, 1] < 0) | (facing[faces[:, 0]] != facing[faces[:, 1]])
    return at[ends[shown, 0]], at[ends[shown, 1]]


def _edges(mesh: Deformed) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Vertices (e, 2) of every edge, and its triangles (e, 2), the second -1 where it has one only."""
    kept: Any = mesh.cache.get(_EDGES)
    if kept is None:
        kept = mesh.cache[_EDGES] = _edges_of(mesh.positions, mesh.mesh.triangles)
    ends, faces = kept
    return ends, faces


def _edges_of(positions: NDArray[np.float32], triangles: NDArray[np.uint32]) -> tuple[Any, Any]:
    if not len(triangles):
        return np.zeros((0, 2), np.intp), np.zeros((0, 2), np.intp)
    at = positions.astype(np.float64)
    cells = np.rint(at / (max(float(np.ptp(at, axis=0).max()), 1e-30) * 1e-6)).astype(np.int64)
    _, first, welded = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    corner = welded.reshape(-1)[triangles].astype(np.int64)
    # a triangle with two corners in one place (at the pole of a ball) is none
    solid = (corner[:, 0] != corner[:, 1]) & (corner[:, 1] != corner[:, 2]) & (corner[:, 2] != corner[:, 0])
    corner, numbers = corner[solid], np.flatnonzero(solid)
    if not len(corner):
        return np.zeros((0, 2), np.intp), np.zeros((0, 2), np.intp)
    pairs = np.concatenate([corner[:, [0, 1]], corner[:, [1, 2]], corner[:, [2, 0]]])
    face = np.tile(numbers, 3)
    pairs.sort(axis=1)
    key = pairs[:, 0] * (int(pairs.max(initial=0)) + 1) + pairs[:, 1]
    order = np.argsort(key, kind="stable")
    _, start, count = np.unique(key[order], return_index=True, return_counts=True)
    one = face[order[start]]
    other = np.where(count > 1, face[order[np.minimum(start + 1, len(order) - 1)]], -1)
    return first[pairs[order[start]]].astype(np.intp), np.stack([one, other], axis=1).astype(np.intp)
