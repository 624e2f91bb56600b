"""Islands of a mesh: what hangs together, and meshes cut out of others.

A head comes as one mesh more often than not: skin, teeth, tongue and eyeballs in one. What shares no vertex with the
rest is an island; vertices that stand in the same place are one, because seams of textures part them in files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import F32, Mesh, Morph, make_mesh

F64 = NDArray[np.float64]
Index = NDArray[np.intp]
Bool = NDArray[np.bool_]


def welded(positions: F32) -> Index:
    """(v,) number of the place that each vertex stands in."""
    bits = (positions + np.float32(0.0)).view(np.uint32).astype(np.uint64)
    keys = bits @ np.array([0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7], np.uint64)
    return np.asarray(np.unique(keys, return_inverse=True)[1].reshape(-1), np.intp)


def islands(mesh: Mesh) -> Index:
    """(v,) number of the island of each vertex, from 0; a vertex without triangles is one of its own."""
    place = welded(mesh.positions)
    corners = place[mesh.triangles.astype(np.intp)]
    label = np.arange(int(place.max(initial=-1)) + 1)
    while True:  # every place takes the least label around it, and then that label's own: log(n) rounds and a few
        least = label[corners].min(axis=1)
        new = label.copy()
        for k in range(3):
            np.minimum.at(new, corners[:, k], least)
        new = new[new]
        if np.array_equal(new, label):
            return np.asarray(np.unique(label, return_inverse=True)[1].reshape(-1)[place], np.intp)
        label = new


def edges_of(mesh: Mesh, place: Index) -> Index:
    """(e, 2) edges between places, each once."""
    corners = place[mesh.triangles.astype(np.intp)]
    both = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1)
    return np.asarray(np.unique(both[both[:, 0] != both[:, 1]], axis=0), np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A mesh of some triangles of another: the parts of that one that are left, and the vertices."""

    mesh: Mesh
    parts: tuple[int, ...]
    vertices: Index
    morphs: tuple[int, ...]  # numbers of those morphs that move anything of it


def cut(mesh: Mesh, triangles: Bool, *, to: F64 | None = None, where: str = "mesh") -> Cut:
    """The mesh of those triangles (t,), its vertices carried by a sound matrix `to` (3, 4)."""
    kept = mesh.triangles[triangles].astype(np.intp)
    vertices, corners = np.unique(kept, return_inverse=True)
    starts = np.concatenate([[0], np.cumsum(triangles)])[list(mesh.parts)]
    parts = [p for p in range(len(mesh.parts) - 1) if starts[p + 1] > starts[p]]
    arrays: dict[str, Any] = {}
    for name in ("normals", "tangents", "uv0", "uv1", "colors", "joints", "weights"):
        if getattr(mesh, name) is not None:
            arrays[name] = getattr(mesh, name)[vertices]
    positions: Any = mesh.positions[vertices]
    linear = np.eye(3)
    if to is not None:
        linear = to[:, :3]
        positions = positions.astype(np.float64) @ linear.T + to[:, 3]
        if mesh.normals is not None:
            arrays["normals"] = _unit(arrays["normals"] @ np.linalg.inv(linear))
        if mesh.tangents is not None:
            turned = _unit(arrays["tangents"][:, :3] @ linear.T)
            arrays["tangents"] = np.concatenate([turned, arrays["tangents"][:, 3:]], axis=1)
    order = corners.reshape(-1, 3)
    if np.linalg.det(linear) < 0:
        order = order[:, ::-1]
    row = np.full(len(mesh.positions), -1, np.intp)
    row[vertices] = np.arange(len(vertices))
    morphs = [(i, _part(m, row, linear)) for i, m in enumerate(mesh.morphs)]
    morphs = [(i, m) for i, m in morphs if m is not None]
    made = make_mesh(
        positions,
        order,
        parts=[*(int(starts[p]) for p in parts), len(kept)] if parts else None,
        morphs=[m for _, m in morphs if m is not None],
        where=where,
        **arrays,
    )
    return Cut(made, tuple(parts), np.asarray(vertices, np.intp), tuple(i for i, _ in morphs))


def _part(morph: Morph, row: Index, linear: F64) -> Morph | None:
    """A morph of the vertices that are kept; None where it moves none of them."""
    at = row[morph.indices.astype(np.intp)]
    kept = at >= 0
    kept &= np.any(morph.positions != 0, axis=1)
    if not kept.any():
        return None
    order = np.flatnonzero(kept)[np.argsort(at[kept], kind="stable")]
    normals = None if morph.normals is None else morph.normals[order] @ np.linalg.inv(linear)
    tangents = None if morph.tangents is None else morph.tangents[order] @ linear.T
    return Morph(
        morph.name,
        at[order].astype(np.uint32),
        (morph.positions[order] @ linear.T).astype(np.float32),
        None if normals is None else normals.astype(np.float32),
        None if tangents is None else tangents.astype(np.float32),
    )


def _unit(v: F64) -> F64:
    length = np.linalg.norm(v, axis=1, keepdims=True)
    return np.asarray(v / np.where(length > 1e-20, length, 1.0))
