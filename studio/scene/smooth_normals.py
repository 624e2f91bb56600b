"""Normals of a mesh whose vertices have moved, where nobody said how its normals move.

Heads come with morphs that have no offsets of normals, and a lid that shuts turns by more than any sum of offsets could
follow. So the normals are made anew from the triangles: once per mesh it is worked out which vertices are one point of
one smooth surface (same place and same normal at rest; a seam of the texture parts them, a crease keeps them apart) and
which triangles meet there; per pose only sums remain. What is found is how the geometry's own normal has turned since
rest, and the mesh's normals and tangents are turned likewise: at rest they are to the bit what the file says, and
normals that were bent on purpose stay bent.

Triangles count by their area or by their angle at the point, whichever comes closer to the normals at rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import F32, Mesh

Index = NDArray[np.intp]
Columns = tuple[F32, F32, F32]
_ALIKE = 0.995  # cosine of normals at rest of one smooth surface
_SLOTS = 24  # triangles in a point that are added slot by slot; a fan of thousands is added as a crowd
_ROUNDS = 8  # smooth surfaces that may meet in one place


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """Which triangles meet in each of `groups` points, which are in the order of how many do: the k-th triangle of the
    first len(slots[k]) of them, with its factor (None: 1). Where more meet than there are slots, `crowd` has the points
    and triangles of all the others, with their factors."""

    groups: int
    slots: tuple[Index, ...]
    factors: tuple[F32, ...] | None
    crowd: tuple[Index, Index, F32 | None]

    def sums(self, face: F32) -> F32:
        """(groups,) the sum over the triangles that meet there of one number of each triangle."""
        total = np.zeros(self.groups, np.float32)
        for k, slot in enumerate(self.slots):
            part = face[slot]
            if self.factors is not None:
                part *= self.factors[k]
            total[: len(slot)] += part
        points, others, factor = self.crowd
        if len(points):
            more = face[others] if factor is None else face[others] * factor
            total += np.bincount(points, more, self.groups).astype(np.float32)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """How the normals of a mesh follow its vertices."""

    vertices: Index  # (n,) vertices whose normals can turn
    group: Index  # (n,) their points
    corners: tuple[Index, Index, Index]  # (t,) vertices of the triangles that count
    meeting: Meeting
    rest: Columns  # (n,) the geometry's own unit normals at rest, by column


def smoothing(mesh: Mesh, moving: NDArray[np.bool_]) -> Smooth | None:
    """How the normals of a sound mesh follow; `moving` (v,) tells vertices that can move. None where none can turn."""
    if mesh.normals is None or not moving.any():
        return None
    group = _groups(mesh.positions, mesh.normals)
    triangles = mesh.triangles.astype(np.intp)
    turning = np.zeros(int(group.max()) + 1, np.bool_)  # points with a triangle that can move
    turning[group[triangles[moving[triangles].any(axis=1)]]] = True
    vertices = np.flatnonzero(turning[group])
    triangles = triangles[turning[group[triangles]].any(axis=1)]
    if not len(triangles):
        return None
    meeting, place = _meeting(group[triangles], turning, _weighting(mesh, triangles, group))
    corners = (triangles[:, 0].copy(), triangles[:, 1].copy(), triangles[:, 2].copy())
    at, normals = place[group[vertices]], mesh.normals[vertices]
    with np.errstate(over="ignore", invalid="ignore"):
        rest = _geometric(mesh.positions, corners, meeting, at)
        none = ~(rest[0] ** 2 + rest[1] ** 2 + rest[2] ** 2 > 0.5)  # no area meets there: the mesh's will do
    for column, own in zip(rest, normals.T, strict=True):
        column[none] = own[none]
    return Smooth(vertices=vertices, group=at, corners=corners, meeting=meeting, rest=rest)


def turned(smooth: Smooth, positions: F32, before: Columns, directions: Sequence[F32]) -> tuple[F32, ...]:
    """Directions (n, 3) of `smooth.vertices`, turned as the geometry's unit normals have from what they were `before`
    (three columns (n,), `smooth.rest` for a mesh that no skin has turned) to where its vertices (v, 3) are now."""
    ax, ay, az = before
    with np.errstate(over="ignore", invalid="ignore"):
        bx, by, bz = _geometric(positions, smooth.corners, smooth.meeting, smooth.group)
        cosine = ax * bx + ay * by + az * bz
        kx, ky, kz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        # nothing of the surface left to see, turned to its back or out of this world: it stays
        lost = ~((cosine > -0.999) & (bx * bx + by * by + bz * bz > 0.5))
    for column in (kx, ky, kz):
        column[lost] = 0.0
    cosine[lost] = 1.0
    share = np.float32(1.0) / (np.float32(1.0) + cosine)
    return tuple(_rotated(kx, ky, kz, share, v) for v in directions)


def _rotated(kx: F32, ky: F32, kz: F32, share: F32, v: F32) -> F32:
    """Directions turned by the shortest turn whose axis times sine is k: v + k x v + k x (k x v) / (1 + cosine)."""
    x, y, z = np.ascontiguousarray(v.T)
    px, py, pz = ky * z - kz * y, kz * x - kx * z, kx * y - ky * x
    out = np.empty(v.shape, np.float32)
    out[:, 0] = x + px + (ky * pz - kz * py) * share
    out[:, 1] = y + py + (kz * px - kx * pz) * share
    out[:, 2] = z + pz + (kx * py - ky * px) * share
    return out


def _geometric(positions: F32, corners: tuple[Index, Index, Index], meeting: Meeting, group: Index) -> Columns:
    """Unit normals of the geometry, by column, at the points `group` (n,); 0 where no triangle has any area."""
    x, y, z = np.ascontiguousarray(positions.T)
    a, b, c = corners
    ax, ay, az = x[a], y[a], z[a]
    ux, uy, uz = x[b] - ax, y[b] - ay, z[b] - az
    vx, vy, vz = x[c] - ax, y[c] - ay, z[c] - az
    gx, gy, gz = map(meeting.sums, (uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx))
    length = np.sqrt(gx * gx + gy * gy + gz * gz)
    some = length > 1e-20
    scale = np.divide(np.float32(1.0), length, out=np.zeros_like(length), where=some)
    return (gx * scale)[group], (gy * scale)[group], (gz * scale)[group]


# --- once per mesh ---------------------------------------------------------------------------------------------------
def _meeting(owners: Index, turning: NDArray[np.bool_], factors: NDArray[np.float64] | None) -> tuple[Meeting, Index]:
    """How triangles, whose corners are at the points `owners` (t, 3), meet in those that are `turning`; and the new
    number of each point."""
    face, owner = np.arange(owners.size) // 3, owners.reshape(-1)
    kept = turning[owner]
    face, owner = face[kept], owner[kept]
    order = np.argsort(-np.bincount(owner, minlength=len(turning)), kind="stable")
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    sorting = np.argsort(place[owner], kind="stable")
    face, owner = face[sorting], place[owner[sorting]]
    factor = None if factors is None else factors.reshape(-1)[kept][sorting].astype(np.float32)
    groups = int(owner.max()) + 1
    turn = np.arange(len(owner)) - np.searchsorted(owner, np.arange(groups))[owner]
    most = min(int(turn.max()) + 1, _SLOTS)
    rows = [np.flatnonzero(turn == k) for k in range(most)]
    others = np.flatnonzero(turn >= most)
    return Meeting(
        groups=groups,
        slots=tuple(face[row] for row in rows),
        factors=None if factor is None else tuple(factor[row] for row in rows),
        crowd=(owner[others], face[others], None if factor is None else factor[others]),
    ), place


def _groups(positions: F32, normals: F32) -> Index:
    """(v,) numbers of the smooth points that vertices belong to."""
    bits = (positions + np.float32(0.0)).view(np.uint32).astype(np.uint64)  # + 0, so that -0 is 0
    keys = bits @ np.array([0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7], np.uint64)
    place = np.unique(keys, return_inverse=True)[1].reshape(-1)
    out = np.full(len(positions), -1, np.intp)
    left, made = np.arange(len(positions)), 0
    for _ in range(_ROUNDS):
        where, first, mine = np.unique(place[left], return_index=True, return_inverse=True)
        leaders = normals[left[first]]
        joins = np.einsum("ij,ij->i", normals[left], leaders[mine]) > _ALIKE
        joins[first] = True
        out[left[joins]] = made + mine[joins]
        made += len(where)
        left = left[~joins]
        if not len(left):
            break
    out[left] = made + np.arange(len(left))
    return np.asarray(np.unique(out, return_inverse=True)[1].reshape(-1), np.intp)


def _weighting(mesh: Mesh, triangles: Index, group: Index) -> NDArray[np.float64] | None:
    """(t, 3) factors of the triangles' area normals at their corners: angle by area, or None for 1, by which of them
    comes closer to the mesh's normals."""
    assert mesh.normals is not None
    points = mesh.positions[triangles].astype(np.float64)
    normal = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    area = np.linalg.norm(normal, axis=1)
    angles = np.empty(triangles.shape)
    for k in range(3):
        u, v = points[:, (k + 1) % 3] - points[:, k], points[:, (k + 2) % 3] - points[:, k]
        angles[:, k] = np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), np.einsum("ij,ij->i", u, v))
    by_angle = np.where(area[:, None] > 1e-20, angles / np.where(area > 1e-20, area, 1.0)[:, None], 0.0)
    errors = []
    for factor in (np.ones_like(by_angle), by_angle):
        total = np.zeros((int(group.max()) + 1, 3))
        for k in range(3):
            for i in range(3):
                total[:, i] += np.bincount(group[triangles[:, k]], normal[:, i] * factor[:, k], len(total))
        length = np.linalg.norm(total, axis=1, keepdims=True)
        total /= np.where(length > 1e-30, length, 1.0)
        corner = triangles.reshape(-1)
        cosines = np.einsum("ij,ij->i", total[group[corner]], mesh.normals[corner])
        errors.append(float(np.median(np.arccos(np.clip(cosines, -1.0, 1.0)))))
    return None if errors[0] <= errors[1] else by_angle
