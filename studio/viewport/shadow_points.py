"""Points of lamps with a size, from which their shadows are drawn one after the other while a view rests.

A lamp that is looked at from far away shows a disk, a rectangle, a tube's shadow; the points are spread so that what
is seen of them from any side fills that picture evenly. For a ball that is a density of 1 / sqrt(1 - r^2) inside it,
and for a tube the same in two dimensions: the inverse Abel transforms of an even disk and of an even stripe.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import FlatScene
from studio.scene.lights import KINDS
from studio.viewport.shadow_maps import SLAB, Sources, slab

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

_ANGLES = np.linspace(0.0, np.pi / 2, 257)
_BALL = (_ANGLES - np.sin(_ANGLES) * np.cos(_ANGLES)) * 2.0 / np.pi
_STEPS = 1.0 / 1.1673039782614187 ** np.arange(1, 6)  # of the R5 sequence (Roberts 2018)


def draws(turn: int, count: int) -> F64:
    """(count, 5) numbers in 0..1 for sample `turn`, every lamp with a shift of its own."""
    shift = np.random.default_rng(7).random((count, 5))
    return np.asarray((shift + (turn + 1) * _STEPS) % 1.0)


def posed(flat: FlatScene, sources: Sources, chosen: Ints, turn: int, bounds: tuple[F64, F64]) -> Sources:
    """The sources with those of `chosen` where point `turn` of them is; -1: from their middles, as they are."""
    if turn < 0:
        return sources
    centre, axes, near = sources.centre.copy(), sources.axes.copy(), sources.near.copy()
    u = draws(turn, sources.count)
    for i in chosen.tolist():
        if sources.form[i] == SLAB:
            x, y, z = _turned(sources.axes[i], float(sources.angle[i]), u[i])
            centre[i], axes[i], near[i] = slab(x, y, z, bounds)
        else:
            centre[i] = _point(flat, sources, i, u[i])
    return replace(sources, centre=centre, axes=axes, near=near)


def _turned(axes: F64, angle: float, u: F64) -> tuple[F64, F64, F64]:
    """Unit axes of parallel rays from a point of a round light of the sky, `angle` radians across."""
    x, y, z = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    cosine = 1.0 - u[0] * (1.0 - np.cos(0.5 * angle))
    sine, turn = np.sqrt(max(1.0 - cosine * cosine, 0.0)), 2.0 * np.pi * u[1]
    z = x * sine * np.cos(turn) + y * sine * np.sin(turn) + z * cosine
    x = x - z * (x @ z)
    x /= np.linalg.norm(x)
    return x, np.cross(z, x), z


def _point(flat: FlatScene, sources: Sources, i: int, u: F64) -> F64:
    light = flat.lights[sources.row[i]]
    frame, middle = light["open"][:, :3].astype(np.float64), light["open"][:, 3].astype(np.float64)
    kind, (a, b) = int(light["kind"]), light["size"].astype(np.float64)
    turn = 2.0 * np.pi * u[1]
    if kind == KINDS["rectangle"]:
        return np.asarray(middle + frame[:, 0] * (u[0] - 0.5) * a + frame[:, 1] * (u[1] - 0.5) * b)
    if kind == KINDS["disk"]:
        r = a * np.sqrt(u[0])
        return np.asarray(middle + frame[:, 0] * r * np.cos(turn) + frame[:, 1] * r * np.sin(turn))
    if kind == KINDS["sphere"]:
        r, z = a * np.sin(np.interp(u[0], _BALL, _ANGLES)), 2.0 * u[2] - 1.0
        flat_ = np.sqrt(1.0 - z * z)
        return np.asarray(middle + r * np.array([flat_ * np.cos(turn), flat_ * np.sin(turn), z]))
    if kind == KINDS["cylinder"]:
        r = a * np.sqrt(1.0 - (1.0 - u[0]) ** 2)
        along = frame[:, 0] * (u[2] - 0.5) * b
        return np.asarray(middle + along + frame[:, 1] * r * np.cos(turn) + frame[:, 2] * r * np.sin(turn))
    if kind == KINDS["mesh"]:
        return _mesh_point(flat, light, u)
    return np.asarray(sources.centre[i])


def _mesh_point(flat: FlatScene, light: np.void, u: F64) -> F64:
    """A point on the triangles of an emissive part, even by area."""
    deformed = flat.meshes[flat.instances["mesh"][light["instance"]]]
    mesh, part = deformed.mesh, int(light["part"])
    triangles = mesh.triangles[mesh.parts[part] : mesh.parts[part + 1]]
    key = f"viewport.areas {part}"
    sums = deformed.cache.get(key)
    if sums is None:
        corner = deformed.positions[triangles].astype(np.float64)
        normals = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        sums = deformed.cache[key] = np.cumsum(np.linalg.norm(normals, axis=1))
    assert isinstance(sums, np.ndarray)
    at = min(int(np.searchsorted(sums, u[0] * sums[-1])), len(sums) - 1)
    corner = deformed.positions[triangles[at]].astype(np.float64)
    root = np.sqrt(u[1])
    place = corner[0] * (1.0 - root) + corner[1] * root * (1.0 - u[2]) + corner[2] * root * u[2]
    matrix = light["open"].astype(np.float64)
    return np.asarray(matrix[:, :3] @ place + matrix[:, 3])
