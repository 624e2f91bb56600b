"""Deformation: a mesh after its morphs and its skin.

Linear blending over whole arrays: morph targets are added to the rest pose (`studio.scene.morphing`), then every vertex
is moved by the weighted sum of its joints' matrices (glTF 2.0, section 3.7.3). A skinned mesh ends in world space and
its instance has no transform, because glTF ignores the node that a skin hangs on. Where morphs do not say how normals
move, normals follow the surface that the vertices make in the end (`studio.scene.smooth_normals`).

A figure is deformed at every frame that is scrubbed over. What does not depend on the pose, which joints a vertex
follows and how much, is made once (`Binding`) and handed from one `Deformed` to the next; the sums run over columns of
all vertices, one number of the matrices at a time, which is how numpy is fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import F32, Deformed, Mesh
from studio.scene.morphing import morphed, shapes_of
from studio.scene.smooth_normals import Columns, Smooth, turned
from studio.scene.transforms import F64


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """What deforms a mesh at one moment: morph weights, and joint matrices (j, 3, 4) rest to world or None."""

    weights: tuple[float, ...] = ()
    joints: F64 | None = None

    def same(self, other: Pose) -> bool:
        """Whether both give the same vertices."""
        if self.weights != other.weights or (self.joints is None) != (other.joints is None):
            return False
        return self.joints is None or other.joints is None or np.array_equal(self.joints, other.joints)


def fault(mesh: Mesh) -> str:
    """Why a mesh cannot be rendered, as the end of a sentence; empty when it can."""
    count = len(mesh.positions)
    if not len(mesh.triangles):
        return "has no triangles"
    if not np.isfinite(mesh.positions).all():
        return "has positions that are not finite"
    if int(mesh.triangles.max()) >= count:
        return f"has triangles that name vertices beyond its {count}"
    if mesh.parts[0] != 0 or mesh.parts[-1] != len(mesh.triangles) or list(mesh.parts) != sorted(mesh.parts):
        return "has parts that do not cover its triangles"
    for morph in mesh.morphs:
        if len(morph.indices) and int(morph.indices.max()) >= count:
            return f'has a morph "{morph.name}" that names vertices beyond its {count}'
    return ""


def skin_fault(mesh: Mesh, joints: int) -> str:
    """Why a mesh cannot be bound to this many joints; empty when it can."""
    if mesh.joints is None or mesh.weights is None or mesh.joints.shape != mesh.weights.shape:
        return "has a skin but no joints and weights on its vertices"
    if mesh.joints.size and int(mesh.joints[mesh.weights > 0].max(initial=0)) >= joints:
        return f"is bound to joints beyond the {joints} of its skin"
    return ""


_BINDING = "scene.binding"


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """Which joints move the vertices: per influence, the rows of the joints (v,) and their weights (v, 1)."""

    joints: tuple[NDArray[np.intp], ...]
    weights: tuple[F32, ...]


def _bound(mesh: Mesh) -> Binding:
    """The binding of a mesh. A vertex without weights follows its first joint; a joint that is named with no weight
    need not exist, so joints are clipped to those that do where they are used."""
    assert mesh.joints is not None and mesh.weights is not None
    total = mesh.weights.sum(axis=1, keepdims=True)
    weights = np.where(total > 0, mesh.weights / np.where(total > 0, total, 1), 0).astype(np.float32)
    weights[total[:, 0] <= 0, 0] = 1
    influences = [k for k in range(weights.shape[1]) if weights[:, k].any()] or [0]
    joints = mesh.joints.astype(np.intp)
    return Binding(
        tuple(np.ascontiguousarray(joints[:, k]) for k in influences),
        tuple(np.ascontiguousarray(weights[:, k, None]) for k in influences),
    )


def deform(mesh: Mesh, opened: Pose, closed: Pose, *, earlier: Deformed | None = None) -> Deformed:
    """The mesh at shutter open, and at shutter close where that differs. The mesh and its skin must be sound.

    What `earlier`, the mesh with the same skin in another pose, knows of the binding is not made again.
    """
    binding: Binding | None = None
    if opened.joints is not None or closed.joints is not None:
        known = earlier.cache.get(_BINDING) if earlier is not None and earlier.mesh is mesh else None
        binding = known if isinstance(known, Binding) else _bound(mesh)
    positions, normals, tangents = _vertices(mesh, opened, binding)
    close = None
    if not opened.same(closed):
        close = _vertices(mesh, closed, binding)[0]
        if np.array_equal(close, positions):
            close = None
    cache: dict[str, object] = {} if binding is None else {_BINDING: binding}
    return Deformed(mesh, positions, normals, tangents, close, cache=cache)


def _vertices(mesh: Mesh, pose: Pose, binding: Binding | None) -> tuple[F32, F32 | None, F32 | None]:
    positions, normals, tangents = morphed(mesh, pose.weights)
    skinned = pose.joints is not None and binding is not None
    smooth = shapes_of(mesh).smooth if mesh.morphs and (skinned or positions is not mesh.positions) else None
    before = smooth.rest if smooth is not None else None
    if pose.joints is not None and binding is not None:
        columns = _blended(binding, pose.joints)
        positions = _moved(columns, positions)
        if normals is not None:
            cofactors = _cofactors(columns)
            normals = _turned(cofactors, normals)
            if smooth is not None:
                rest = np.stack(smooth.rest, axis=1)
                x, y, z = _unit(_turned([c[smooth.vertices] for c in cofactors], rest)).T
                before = (x, y, z)
        if tangents is not None:
            directions = _turned([columns[i] for i in (0, 1, 2, 4, 5, 6, 8, 9, 10)], tangents)
            tangents = np.concatenate([_unit(directions), tangents[:, 3:]], axis=1)
    if smooth is not None and before is not None and normals is not None:
        normals, tangents = _followed(smooth, positions, before, normals, tangents)
    return (
        _readonly(positions),
        None if normals is None else _readonly(_unit(normals)),
        None if tangents is None else _readonly(tangents),
    )


def _followed(
    smooth: Smooth, positions: F32, before: Columns, normals: F32, tangents: F32 | None
) -> tuple[F32, F32 | None]:
    """Normals and tangents turned as the surface that the positions make has turned from where they stand."""
    rows = smooth.vertices
    some = [normals[rows]] if tangents is None else [normals[rows], tangents[rows, :3]]
    new = turned(smooth, positions, before, some)
    normals = normals.copy()
    normals[rows] = new[0]
    if tangents is not None:
        tangents = tangents.copy()
        tangents[rows, :3] = new[1]
    return normals, tangents


def _blended(binding: Binding, matrices: F64) -> F32:
    """(12, v) weighted sums of the joints' matrices, a column for each of their numbers."""
    flat = matrices.reshape(-1, 12).astype(np.float32)
    joints, weights = binding.joints, binding.weights
    out: F32 = np.take(flat, joints[0], axis=0, mode="clip")
    out *= weights[0]
    part = np.empty_like(out)
    for k in range(1, len(joints)):
        np.take(flat, joints[k], axis=0, out=part, mode="clip")
        part *= weights[k]
        out += part
    return np.ascontiguousarray(out.T)


def _moved(columns: F32, points: F32) -> F32:
    """Points (v, 3) by matrices given as columns (12, v)."""
    x, y, z = np.ascontiguousarray(points.T)
    out = np.empty((len(points), 3), np.float32)
    for i in range(3):
        row = columns[4 * i] * x
        row += columns[4 * i + 1] * y
        row += columns[4 * i + 2] * z
        row += columns[4 * i + 3]
        out[:, i] = row
    return out


def _turned(columns: Sequence[F32], directions: F32) -> F32:
    """Directions (v, 3 or more, of which three count) by matrices given as nine columns (v,), row by row."""
    x, y, z = np.ascontiguousarray(directions[:, :3].T)
    out = np.empty((len(directions), 3), np.float32)
    for i in range(3):
        row = columns[3 * i] * x
        row += columns[3 * i + 1] * y
        row += columns[3 * i + 2] * z
        out[:, i] = row
    return out


def _cofactors(m: F32) -> list[F32]:
    """Nine columns of the matrices that carry normals: the inverse transpose up to a positive or negative scale."""
    rows = (0, 4, 8)
    out = []
    for i in range(3):
        a, b = rows[(i + 1) % 3], rows[(i + 2) % 3]
        for k in range(3):
            p, q = (k + 1) % 3, (k + 2) % 3
            out.append(m[a + p] * m[b + q] - m[a + q] * m[b + p])
    return out


def _unit(v: F32) -> F32:
    length = np.sqrt(np.einsum("ij,ij->i", v, v))[:, None]
    return np.asarray(v / np.where(length > 1e-20, length, 1), np.float32)


def _readonly(a: F32) -> F32:
    out = np.ascontiguousarray(a, np.float32)
    if out.flags.writeable:
        out.flags.writeable = False
    return out
