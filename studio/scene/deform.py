"""Deformation: a mesh after its morphs and its skin.

Linear blending over whole arrays: morph targets are added to the rest pose (sparsely, as they are stored), then every
vertex is moved by the weighted sum of its joints' matrices (glTF 2.0, section 3.7.3). A skinned mesh ends in world
space and its instance has no transform, because glTF ignores the node that a skin hangs on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import F32, Deformed, Mesh
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


def deform(mesh: Mesh, opened: Pose, closed: Pose) -> Deformed:
    """The mesh at shutter open, and at shutter close where that differs. The mesh and its skin must be sound."""
    positions, normals, tangents = _vertices(mesh, opened)
    close = None
    if not opened.same(closed):
        close = _vertices(mesh, closed)[0]
        if np.array_equal(close, positions):
            close = None
    return Deformed(mesh, positions, normals, tangents, close)


def _vertices(mesh: Mesh, pose: Pose) -> tuple[F32, F32 | None, F32 | None]:
    positions, normals, tangents = _morphed(mesh, pose.weights)
    if pose.joints is not None:
        assert mesh.joints is not None and mesh.weights is not None
        blend = _blended(mesh.joints, mesh.weights, pose.joints)
        positions = np.einsum("vij,vj->vi", blend[:, :, :3], positions) + blend[:, :, 3]
        if normals is not None:
            normals = np.einsum("vij,vj->vi", _cofactors(blend[:, :, :3]), normals)
        if tangents is not None:
            turned = np.einsum("vij,vj->vi", blend[:, :, :3], tangents[:, :3])
            tangents = np.concatenate([_unit(turned), tangents[:, 3:]], axis=1)
    return (
        _readonly(positions),
        None if normals is None else _readonly(_unit(normals)),
        None if tangents is None else _readonly(tangents),
    )


def _morphed(mesh: Mesh, weights: tuple[float, ...]) -> tuple[F32, F32 | None, F32 | None]:
    positions, normals, tangents = mesh.positions, mesh.normals, mesh.tangents
    live = [(morph, np.float32(w)) for morph, w in zip(mesh.morphs, weights, strict=False) if w and np.isfinite(w)]
    if not live:
        return positions, normals, tangents
    positions = positions.copy()
    normals = normals.copy() if normals is not None and any(m.normals is not None for m, _ in live) else normals
    tangents = tangents.copy() if tangents is not None and any(m.tangents is not None for m, _ in live) else tangents
    for morph, weight in live:
        positions[morph.indices] += morph.positions * weight
        if normals is not None and morph.normals is not None:
            normals[morph.indices] += morph.normals * weight
        if tangents is not None and morph.tangents is not None:
            tangents[morph.indices, :3] += morph.tangents * weight
    return positions, normals, tangents


def _blended(joints: NDArray[np.uint16], weights: F32, matrices: F64) -> F32:
    """(v, 3, 4) weighted sums of the joints' matrices. A vertex without weights follows its first joint."""
    flat = matrices.reshape(-1, 12).astype(np.float32)
    total = weights.sum(axis=1, keepdims=True)
    weights = np.where(total > 0, weights / np.where(total > 0, total, 1), 0).astype(np.float32)
    weights[total[:, 0] <= 0, 0] = 1
    last = np.uint16(len(flat) - 1)
    out = np.zeros((len(joints), 12), np.float32)
    for k in range(joints.shape[1]):
        out += flat[np.minimum(joints[:, k], last)] * weights[:, k, None]
    return out.reshape(-1, 3, 4)


def _cofactors(m: F32) -> F32:
    """(v, 3, 3) matrices that carry normals: the inverse transpose up to a positive or negative scale."""
    a, b, c = m[:, :, 0], m[:, :, 1], m[:, :, 2]
    return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=2)


def _unit(v: F32) -> F32:
    length = np.sqrt(np.einsum("ij,ij->i", v, v))[:, None]
    return np.asarray(v / np.where(length > 1e-20, length, 1), np.float32)


def _readonly(a: F32) -> F32:
    out = np.ascontiguousarray(a, np.float32)
    if out.flags.writeable:
        out.flags.writeable = False
    return out
