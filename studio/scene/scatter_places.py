"""Where the lamps of a scatter rule stand: on a grid, around a ring, along a path, over a surface or at the instances
of an object. What becomes of these places is the concern of `studio.scene.scatter`.

Random numbers are hashed from the seed and the lamp's number, so that one more lamp leaves all others where they are.
Points on a surface are Mitchell's best candidates (D. Mitchell, "Spectrally optimal sampling for distribution ray
tracing", SIGGRAPH 1991), so that lamps keep their distance from each other.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.entities import MOST_LAMPS, Entity, Group, MeshObject, Path
from studio.scene.geometry import Mesh
from studio.scene.paths import spline_of
from studio.scene.scene import Scene
from studio.scene.transforms import F64, inverse, multiply, sound

_CANDIDATES = 8
_EYE = np.eye(3, 4)
U64 = NDArray[np.uint64]


def places(scene: Scene, group: Group) -> F64:
    """(n, 3, 4) rigid frames of the lamps in the group's space: where they stand, with the columns right, up and
    backward. Up is away from what carries them (the path, the surface, the object, the ring's plane); -z of a frame on
    a path goes along it. Empty where the source is not there or of another kind.

    Raises BadAsset for a rule of too many lights.
    """
    if not fits(group):
        raise BadAsset(f'"{group.name or group.id}" would make more than {MOST_LAMPS:,} lights; lower its counts.')
    if group.scatter == "grid":
        return _grid(group)
    if group.scatter == "ring":
        return _ring(group)
    source = scene.entities.get(group.source)
    if source is None:
        return np.zeros((0, 3, 4))
    if group.scatter == "curve":
        return _along(scene, group, source)
    if group.scatter == "surface":
        return _over(scene, group, source)
    return _instances(scene, group, source)


def fits(group: Group) -> bool:
    """Whether a rule makes no more lights than there may be."""
    wanted = (group.columns, group.layers, group.rows) if group.scatter == "grid" else (group.count,)
    return min(wanted) >= 0 and math.prod(wanted) <= MOST_LAMPS


def _grid(group: Group) -> F64:
    counts = (group.columns, group.layers, group.rows)
    axes = [(np.arange(n) - (n - 1) / 2.0) * step for n, step in zip(counts, group.spacing, strict=True)]
    y, z, x = np.meshgrid(axes[1], axes[2], axes[0], indexing="ij")
    at = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
    return _standing(at)


def _ring(group: Group) -> F64:
    turn = 2.0 * np.pi * np.arange(group.count) / max(group.count, 1)
    out = np.stack([np.sin(turn), np.zeros_like(turn), np.cos(turn)], axis=1)  # away from the middle
    return frames_at(out * group.ring_m, up=np.broadcast_to((0.0, 1.0, 0.0), out.shape), back=out)


def _along(scene: Scene, group: Group, source: Entity) -> F64:
    spline = spline_of(source) if isinstance(source, Path) else None
    between = _between(scene, group, source)
    if spline is None or between is None or not group.count:
        return np.zeros((0, 3, 4))
    shown = spline.stretched(between[:, :3])
    n = group.count
    progress = np.arange(n) / n if shown.closed else np.arange(n) / max(n - 1, 1)
    at, along = shown.at(progress) + between[:, 3], shown.tangents(progress)
    up = np.array([0.0, 1.0, 0.0]) - along * along[:, 1:2]
    steep = np.linalg.norm(up, axis=1) < 1e-6
    up[steep] = np.cross(along[steep], (1.0, 0.0, 0.0))
    frames = frames_at(at, up=up, back=-along)
    frames[:, :, 3] += frames[:, :, 1] * group.lift_m
    return frames


def _over(scene: Scene, group: Group, source: Entity) -> F64:
    mesh = scene.meshes.get(source.mesh) if isinstance(source, MeshObject) else None
    between = _between(scene, group, source)
    if mesh is None or between is None or not group.count:
        return np.zeros((0, 3, 4))
    at, normal = _spread(mesh, between, group.count, group.seed)
    frames = frames_at(at, up=normal)
    frames[:, :, 3] += normal * group.lift_m
    return frames


def _instances(scene: Scene, group: Group, source: Entity) -> F64:
    """One at the top of each object below the source, or of each that has the source's mesh."""
    if isinstance(source, MeshObject):
        carriers = [e for e in scene.entities.values() if isinstance(e, MeshObject) and e.mesh == source.mesh]
    else:
        below = scene.descendants([source.id])
        carriers = [e for e in (scene.entities[i] for i in below) if isinstance(e, MeshObject)]
    found = []
    for carrier in carriers[:MOST_LAMPS]:
        mesh, between = scene.meshes.get(carrier.mesh), _between(scene, group, carrier)
        if mesh is None or between is None or not len(mesh.positions):
            continue
        low, high = mesh.positions.min(axis=0), mesh.positions.max(axis=0)
        top = np.array([(low[0] + high[0]) / 2, high[1], (low[2] + high[2]) / 2], np.float64)
        up, back = between[:, 1], between[:, 2]
        found.append((between[:, :3] @ top + between[:, 3], up, back))
    if not found:
        return np.zeros((0, 3, 4))
    at, up, back = (np.array(column) for column in zip(*found, strict=True))
    frames = frames_at(at, up=up, back=back)
    frames[:, :, 3] += frames[:, :, 1] * group.lift_m
    return frames


def _between(scene: Scene, group: Group, source: Entity) -> F64 | None:
    """(3, 4) matrix from the source's space to the group's; None where one of them is degenerate."""
    mine, theirs = scene.world_matrix(group.id)[None], scene.world_matrix(source.id)[None]
    if not (sound(mine)[0] and sound(theirs)[0]):
        return None
    return np.asarray(multiply(inverse(mine), theirs)[0])


def _standing(at: F64) -> F64:
    out = np.broadcast_to(_EYE, (len(at), 3, 4)).copy()
    out[:, :, 3] = at
    return out


def frames_at(at: F64, *, up: F64, back: F64 | None = None) -> F64:
    """Frames (n, 3, 4) at places with a y axis, and a z axis as near to `back` as that allows."""
    y = up / np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-30)
    wish = np.broadcast_to((0.0, 0.0, 1.0), y.shape) if back is None else back
    z = wish - y * np.einsum("ij,ij->i", wish, y)[:, None]
    flat = np.linalg.norm(z, axis=1) < 1e-6
    z[flat] = np.cross(np.broadcast_to((1.0, 0.0, 0.0), y.shape)[flat], y[flat])
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-30)
    return np.stack([np.cross(y, z), y, z, at], axis=2)


def _spread(mesh: Mesh, between: F64, count: int, seed: int) -> tuple[F64, F64]:
    """Places (n, 3) over a surface in the group's space, apart from each other, and its normals there."""
    corners = mesh.positions.astype(np.float64)[mesh.triangles] @ between[:, :3].T + between[:, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if np.linalg.det(between[:, :3]) < 0:
        normals = -normals
    area = np.linalg.norm(normals, axis=1)
    area = np.where(np.isfinite(area), area, 0.0)
    if not area.sum() > 0:
        return np.zeros((0, 3)), np.zeros((0, 3))
    share = np.cumsum(area) / area.sum()
    u = random_numbers(seed, np.arange(count * _CANDIDATES), 3)
    which = np.minimum(np.searchsorted(share, u[:, 0], side="right"), len(share) - 1)
    root = np.sqrt(u[:, 1])
    weights = np.stack([1.0 - root, root * (1.0 - u[:, 2]), root * u[:, 2]], axis=1)
    at = np.einsum("nk,nkc->nc", weights, corners[which]).reshape(count, _CANDIDATES, 3)
    chosen = np.zeros(count, np.intp)
    out = np.zeros((count, 3))
    for i in range(count):
        if i:
            away = ((at[i][:, None] - out[None, :i]) ** 2).sum(axis=2).min(axis=1)
            chosen[i] = int(np.argmax(away))
        out[i] = at[i, chosen[i]]
    picked = which.reshape(count, _CANDIDATES)[np.arange(count), chosen]
    return out, normals[picked] / area[picked, None]


def random_numbers(seed: int, numbers: NDArray[np.intp], width: int) -> F64:
    """(n, width) uniform numbers of 0..1, a pure function of the seed and each number (Murmur3's last steps)."""
    keys: U64 = (numbers[:, None] * width + np.arange(width)).astype(np.uint64)
    with np.errstate(over="ignore"):
        h: U64 = keys * np.uint64(0x9E3779B97F4A7C15) + np.uint64((seed * 0xD1B54A32D192ED03 + 1) % (1 << 64))
        for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            h = (h ^ (h >> np.uint64(33))) * np.uint64(multiplier)
        h = h ^ (h >> np.uint64(33))
    return np.asarray((h >> np.uint64(11)).astype(np.float64) * 2.0**-53)
