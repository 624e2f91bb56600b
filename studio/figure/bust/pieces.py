"""Pieces: the small meshes of which a bust is put together, before they are meshes of a scene.

Teeth, lids' wet rims, lashes and strands of hair are all sheets of points: a section swept along a line. `sheet` makes
one, `join` and `mirrored` put many together, and `ride` makes a piece follow another mesh through its morphs: a lash
goes where the lid goes. Lengths in metres, x to the figure's left, y up, z to the front, fronts counter-clockwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.scene.geometry import Mesh, Morph, make_mesh

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
_REACH = 0.02  # metres within which a triangle holds a foot
_STILL = 2e-6  # metres; what moves less in a morph does not move


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Triangles (t, 3) on positions (v, 3) with unit normals (v, 3) and uv (v, 2), v down the image; `morphs` are
    offsets (v, 3) by the names of controls."""

    positions: F64
    triangles: I64
    normals: F64
    uv: F64
    morphs: Mapping[str, F64] = field(default_factory=dict)
    tangents: F64 | None = None  # (v, 4), for what shines along its strands

    def moved(self, by: ArrayLike) -> Piece:
        return replace(self, positions=self.positions + np.asarray(by, np.float64))

    def mesh(self, name: str) -> Mesh:
        """The mesh of a scene, with sparse morphs."""
        morphs = []
        for control, offsets in self.morphs.items():
            moving = np.flatnonzero(np.abs(offsets).max(axis=1, initial=0.0) > _STILL)
            if len(moving):
                offset = offsets[moving].astype(np.float32)
                morphs.append(Morph(control, moving.astype(np.uint32), offset))
        return make_mesh(
            self.positions,
            self.triangles,
            normals=self.normals,
            tangents=self.tangents,
            uv0=self.uv,
            morphs=morphs,
            where=f"bust {name}",
        )


def unit(v: F64) -> F64:
    """Vectors (..., 3) at length 1; those without length stay."""
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.asarray(v / np.where(length > 1e-12, length, 1.0))


def vertex_normals(positions: F64, triangles: I64) -> F64:
    """(v, 3) unit normals: the sum of the triangles' areas as vectors (G. Thürmer's angle weights are not needed on
    even grids)."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)
    out = np.zeros_like(positions)
    for axis in range(3):
        for k in range(3):
            out[:, axis] += np.bincount(triangles[:, k], area[:, axis], len(positions))
    return unit(out)


def sheet(points: ArrayLike, *, closed: bool = False, flip: bool = False) -> Piece:
    """A smooth surface through a grid of points (rows, columns, 3); its front is where rows x columns points.

    `closed`: the last column lies on the first, and the normals agree there. Rows run along v and columns along u.
    Triangles without area, at poles, are left out.
    """
    p = np.asarray(points, np.float64)
    rows, columns = p.shape[:2]
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    triangles = np.concatenate(
        [np.stack([a, a + columns, a + columns + 1], 1), np.stack([a, a + columns + 1, a + 1], 1)]
    )
    if flip:
        triangles = triangles[:, ::-1]
    flat = p.reshape(-1, 3)
    corner = flat[triangles]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    triangles = triangles[area > 1e-13]
    return Piece(flat, triangles, _joined_normals(flat, triangles), np.stack([u, v], -1).reshape(-1, 2))


def _joined_normals(positions: F64, triangles: I64) -> F64:
    """Vertex normals that agree where vertices lie on each other: at seams and poles."""
    _, same = np.unique(np.round(positions * 1e7).astype(np.int64), axis=0, return_inverse=True)
    same = same.reshape(-1)
    normals = vertex_normals(positions, triangles)
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)
    total = np.zeros((int(same.max()) + 1, 3))
    for axis in range(3):
        for k in range(3):
            total[:, axis] += np.bincount(same[triangles[:, k]], area[:, axis], len(total))
    summed = unit(total)[same]
    return np.where(np.linalg.norm(summed, axis=1, keepdims=True) > 0.5, summed, normals)


def join(pieces: Sequence[Piece]) -> Piece:
    """One piece of several; a morph that some of them lack leaves those still."""
    counts = [len(p.positions) for p in pieces]
    starts = np.cumsum([0, *counts[:-1]])
    names = dict.fromkeys(name for p in pieces for name in p.morphs)
    morphs = {
        name: np.concatenate([p.morphs.get(name, np.zeros((n, 3))) for p, n in zip(pieces, counts, strict=True)])
        for name in names
    }
    return Piece(
        np.concatenate([p.positions for p in pieces]),
        np.concatenate([p.triangles + start for p, start in zip(pieces, starts, strict=True)]),
        np.concatenate([p.normals for p in pieces]),
        np.concatenate([p.uv for p in pieces]),
        morphs,
        _joined_tangents(pieces),
    )


def _joined_tangents(pieces: Sequence[Piece]) -> F64 | None:
    found = [p.tangents for p in pieces if p.tangents is not None]
    return np.concatenate(found) if len(found) == len(pieces) else None


def mirrored(piece: Piece) -> Piece:
    """The same piece on the other side of the face, where x is -x; its morphs keep their names."""
    flip = np.array([-1.0, 1.0, 1.0])
    return Piece(
        piece.positions * flip,
        piece.triangles[:, ::-1],
        piece.normals * flip,
        piece.uv,
        {name: offsets * flip for name, offsets in piece.morphs.items()},
        None if piece.tangents is None else piece.tangents * [-1.0, 1.0, 1.0, -1.0],
    )


def hairs(paths: F64, widths: F64, sides: F64, *, flat: bool = False) -> Piece:
    """Tapered strands along paths (n, k, 3), `widths` (n, k) metres wide; `sides` (n, k, 3) unit vectors say which way
    a strand is broad.

    `flat` ones are ribbons of two rows of vertices, normal to `sides`; others have three faces, for what is seen from
    all around. The uv runs across a strand by u and from foot to tip by v; the tangents lie across the strands, so an
    anisotropic gloss spreads that way.
    """
    n, k = widths.shape
    ahead = unit(np.gradient(paths, axis=1))
    across = unit(sides - np.sum(sides * ahead, -1, keepdims=True) * ahead)
    out = np.cross(across, ahead)
    turns: tuple[tuple[float, float], ...]
    if flat:
        turns = ((-0.5, 0.0), (0.5, 0.0))
    else:
        turns = tuple((0.5 * float(np.cos(a)), 0.5 * float(np.sin(a))) for a in np.radians((210.0, 330.0, 90.0)))
    ring = np.stack([paths + widths[..., None] * (c * across + s * out) for c, s in turns], 2)  # (n, k, m, 3)
    m = len(turns)
    normal = np.stack([out + 0 * across if flat else c * across + s * out for c, s in turns], 2)
    v = np.broadcast_to(np.linspace(0, 1, k)[None, :, None], (n, k, m))
    u = np.broadcast_to(np.linspace(0, 1, m)[None, None, :], (n, k, m))
    first = (np.arange(n)[:, None] * k + np.arange(k - 1)[None, :])[..., None] * m
    here = first + np.arange(m if not flat else 1)
    there = first + (np.arange(m if not flat else 1) + 1) % m
    quads = np.stack([here, there, there + m, here, there + m, here + m], -1).reshape(-1, 3)
    tangent = np.concatenate([np.repeat(across[:, :, None], m, 2), np.ones((n, k, m, 1))], -1)
    return Piece(
        ring.reshape(-1, 3),
        quads,
        unit(normal).reshape(-1, 3),
        np.stack([u, v], -1).reshape(-1, 2),
        {},
        tangent.reshape(-1, 4),
    )


def along(curve: F64, count: int, *, power: float = 1.0) -> F64:
    """(count, 3) points at even lengths of a polyline (k, 3), or crowded to its start by a `power` above 1."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    wanted = np.linspace(0, 1, count) ** power * length[-1]
    return np.stack([np.interp(wanted, length, curve[:, k]) for k in range(3)], 1)


def at_lengths(curve: F64, wanted: F64) -> F64:
    """(k, 3) points at lengths in metres along a polyline; beyond its ends it goes on straight."""
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    out = np.stack([np.interp(wanted, length, curve[:, k]) for k in range(3)], 1)
    first, last = unit(curve[1] - curve[0]), unit(curve[-1] - curve[-2])
    out += np.minimum(wanted, 0.0)[:, None] * first + np.maximum(wanted - length[-1], 0.0)[:, None] * last
    return np.asarray(out)


def nearest(points: F64, among: F64) -> I64:
    """(n,) for each of points (n, 3) the number of the nearest `among` (m, 3), by looking at all."""
    out = np.empty(len(points), np.int64)
    square = np.sum(among * among, axis=1)
    for first in range(0, len(points), 1024):
        run = slice(first, first + 1024)
        out[run] = (square - 2 * points[run] @ among.T).argmin(axis=1)
    return out


def from_line(points: NDArray[np.floating], line: F64) -> tuple[F64, F64]:
    """Distances (n,) of points (n, 3) from a line (m, 3) and the share of its length at which they are nearest."""
    away = np.full(len(points), 1e3)
    share = np.zeros(len(points))
    for k in range(len(line) - 1):
        a, along_it = line[k], line[k + 1] - line[k]
        t = np.clip((points - a) @ along_it / max(float(along_it @ along_it), 1e-12), 0, 1)
        d = np.linalg.norm(points - a - t[:, None] * along_it, axis=1)
        nearer = d < away
        away = np.where(nearer, d, away)
        share = np.where(nearer, (k + t) / (len(line) - 1), share)
    return away, share


def smoothed(points: F64, count: int) -> F64:
    """(count, k) points of a smooth curve through points (n, k): a Catmull-Rom spline (E. Catmull, R. Rom, 1974)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    at = np.linspace(0, len(points) - 1, count)
    i = np.clip(at.astype(np.intp), 0, len(points) - 2)
    t = (at - i)[:, None]
    a, b, c, d = (padded[i + k] for k in range(4))
    return np.asarray(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))


def ride(piece: Piece, roots: F64, positions: F64, triangles: I64, morphs: Mapping[str, F64]) -> Piece:
    """The piece with the morphs of a mesh that it sits on.

    `roots` (v, 3) says for each vertex of the piece where it is held: a strand is held by its foot. Each is bound to
    the nearest triangle's frame, so it turns with the surface; `morphs` are the mesh's offsets (n, 3) by name.
    """
    feet, back = np.unique(np.round(roots, 7), axis=0, return_inverse=True)
    back = back.reshape(-1)
    middles = positions[triangles].mean(axis=1)
    around = np.flatnonzero(((middles > feet.min(0) - _REACH) & (middles < feet.max(0) + _REACH)).all(axis=1))
    held = triangles[around[nearest(feet, middles[around])]]
    rest = _frames(positions[held])
    local = np.einsum("vji,vj->vi", rest[back], piece.positions - positions[held].mean(axis=1)[back])
    out = {}
    for name, offsets in morphs.items():
        if not np.abs(offsets[held]).max(initial=0.0) > _STILL:
            continue
        shifted = (positions + offsets)[held]
        now = np.einsum("vij,vj->vi", _frames(shifted)[back], local) + shifted.mean(axis=1)[back]
        out[name] = now - piece.positions
    return replace(piece, morphs={**piece.morphs, **out})


def _frames(corners: F64) -> F64:
    """(n, 3, 3) rotations of triangles (n, 3, 3): columns are an edge, what stands on it in the plane, the normal."""
    x = unit(corners[:, 1] - corners[:, 0])
    z = unit(np.cross(x, corners[:, 2] - corners[:, 0]))
    return np.stack([x, np.cross(z, x), z], -1)
