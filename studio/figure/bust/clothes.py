"""A plain shirt: the skin of chest and shoulders, lifted by a few millimetres below a round neckline.

A bust that ends in bare shoulders looks like a shop's dummy. The shirt is cut from the skin's own triangles, so it
bends with the same joints and never lets the skin through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.figure.bust.pieces import F64, I64, unit, vertex_normals

_SLOPE = 0.50  # the neckline lies on a plane that rises to the back
_OPEN_Y, _OPEN_Z = -0.2035, -0.05
_AXIS_Z, _WIDE = -0.105, 0.078
_BAND = 0.014  # of ribbed cloth along the neckline, metres


@dataclass(frozen=True, slots=True, eq=False)
class Shirt:
    """Triangles (t, 3) on positions (v, 3) with normals, uv (v, 2) and weights (v, k) of the skin's joints; triangles
    from `body` on are cloth, before it the ribbed band."""

    positions: F64
    normals: F64
    uv: F64
    weights: F64
    triangles: I64
    body: int


def shirt(positions: F64, uv: F64, weights: F64, triangles: I64, welded: I64, *, lift: float = 0.0) -> Shirt:
    """A shirt over a skin: positions (v, 3), uv (v, 2), weights (v, k), triangles (t, 3); `welded` (v,) numbers
    vertices that share a place. `lift` raises the neckline, metres."""
    low = _field(positions, lift)[triangles].min(axis=1) < 0
    used, again = np.unique(triangles[low], return_inverse=True)
    table = np.concatenate([positions, uv, weights, vertex_normals_of(positions, triangles, welded)], 1)[used]
    faces = again.reshape(-1, 3)
    for _ in range(2):
        table, faces = _halved(table, faces)
    table, faces = _cut(table, faces, lift)
    used, again = np.unique(faces, return_inverse=True)
    table, faces = table[used], again.reshape(-1, 3)
    below = -_field(table[:, :3], lift)
    away = np.interp(
        below, (0.0, 0.0018, 0.006, _BAND - 0.001, _BAND, 0.05), (0.0006, 0.0030, 0.0036, 0.0034, 0.0022, 0.0034)
    )
    out = unit(table[:, -3:])
    places = table[:, :3] + out * away[:, None]
    _, same = np.unique(np.round(table[:, :3], 6), axis=0, return_inverse=True)
    normals = vertex_normals_of(places, faces, same.reshape(-1))
    band = below[faces].mean(axis=1) < _BAND
    order = np.argsort(~band, kind="stable")
    return Shirt(places, normals, table[:, 3:5], table[:, 5:-3], faces[order], int(band.sum()))


def vertex_normals_of(positions: F64, triangles: I64, welded: I64) -> F64:
    """(v, 3) normals that agree where vertices share a place."""
    places = np.zeros((int(welded.max()) + 1, 3))
    places[welded] = positions
    return vertex_normals(places, welded[triangles])[welded]


def _field(positions: F64, lift: float) -> F64:
    """Metres above the neckline (n,), roughly."""
    x, y, z = positions.T
    out = np.hypot(x, z - _AXIS_Z) - _WIDE  # where a shoulder lies in the plane, what tells is how far out it is
    return np.asarray((y - _OPEN_Y - lift + _SLOPE * (z - _OPEN_Z) - 0.8 * out) / 1.4)


def _halved(table: F64, faces: I64) -> tuple[F64, I64]:
    """Each triangle as four, at the middles of its edges, rounded by the normals in the last columns (T. Boubekeur and
    M. Alexa, "Phong Tessellation", SIGGRAPH Asia 2008)."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    pairs, of = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = of.reshape(3, -1) + len(table)
    a, b, c = faces.T
    new = np.concatenate([np.stack(f, 1) for f in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    middle = table[pairs].mean(axis=1)
    for end in (0, 1):
        normal = unit(table[pairs[:, end], -3:])
        off = np.sum((middle[:, :3] - table[pairs[:, end], :3]) * normal, axis=1, keepdims=True)
        middle[:, :3] -= 0.375 * off * normal
    return np.concatenate([table, middle]), new


def _cut(table: F64, faces: I64, lift: float) -> tuple[F64, I64]:
    """What lies below the neckline; triangles across it are cut."""
    f = _field(table[:, :3], lift)
    below = f[faces] < 0
    count = below.sum(axis=1)
    whole = faces[count == 3]
    made_rows: dict[tuple[int, int], int] = {}
    rows: list[F64] = []

    def between(i: int, j: int) -> int:
        key = (min(i, j), max(i, j))
        if key not in made_rows:
            t = f[key[0]] / (f[key[0]] - f[key[1]])
            made_rows[key] = len(table) + len(rows)
            rows.append(table[key[0]] * (1 - t) + table[key[1]] * t)
        return made_rows[key]

    new: list[tuple[int, int, int]] = []
    for face, inside in zip(faces[(count == 1) | (count == 2)], below[(count == 1) | (count == 2)], strict=True):
        lone = int(np.flatnonzero(inside)[0] if inside.sum() == 1 else np.flatnonzero(~inside)[0])
        a, b, c = (int(face[(lone + k) % 3]) for k in range(3))
        ab, ca = between(a, b), between(a, c)
        if inside.sum() == 1:
            new.append((a, ab, ca))
        else:
            new += [(ab, b, c), (ab, c, ca)]
    table = np.concatenate([table, np.array(rows)]) if rows else table
    return table, np.concatenate([whole, np.array(new, np.int64).reshape(-1, 3)])
