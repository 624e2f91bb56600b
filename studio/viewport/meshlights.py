"""Emissive meshes as lights of the viewport: a handful of patches for each, whatever its number of triangles.

A lamp of a few triangles is drawn with all of them, exactly. A larger one is cut into at most MOST patches: flat parts
become rectangles of the same area, and what is round a blob, a ball whose size is the area that the part shows to the
side from which it is looked at. That area is kept as a quadratic function of the direction, fitted by least squares,
so that a closed lamp of any shape has the right intensity to every side at any distance beyond its own size. Left out:
what a lamp hides of itself, and the pattern of an emission's image within a patch (its mean colour is kept).

A patch is 16 numbers, the four texels that `shaders/lights.glsl` reads:

    polygon   centre 3, corners 1 | half axis 3, sides 1 | half axis 3, phase 1 | tint 3, 0
    blob      centre 3, 0         | linear 3, constant 1 | xx - zz, yy - zz, xy, xz | tint 3, yz
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import FlatScene
from studio.scene.geometry import Deformed, Image
from studio.scene.light_pixels import linear_pixels
from studio.scene.lights import TWO_SIDED
from studio.scene.materials import OFFSET, SLOTS
from studio.scene.photometry import LUMINANCE

F64 = NDArray[np.float64]

FEW = 8  # triangles that are drawn as they are
MOST = 16  # patches of a larger lamp
PATCH = 16  # numbers of a patch
_FLAT, _FILLED, _LONG = 0.97, 0.8, 1.9
_SQUARE = np.sqrt(0.5)  # half axes of a square's corners, which lie at odd multiples of 45 degrees
_LARGEST_M = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class _Triangles:
    """Corners (n, 3, 3), area vectors (n, 3) and tints (n, 3) of a lamp."""

    corners: F64
    areas: F64
    tints: F64
    sides: int

    def of(self, which: NDArray[np.bool_]) -> _Triangles:
        return _Triangles(self.corners[which], self.areas[which], self.tints[which], self.sides)


def mesh_patches(flat: FlatScene, row: int) -> F64:
    """(k, PATCH) patches in the world of mesh light `row` of `flat.lights`; none where it does not shine."""
    light = flat.lights[row]
    instance, part = flat.instances[light["instance"]], int(light["part"])
    material = int(flat.instance_materials[instance["material_start"] + part])
    surface = flat.materials[material]
    deformed = flat.meshes[instance["mesh"]]
    matrix = np.nan_to_num(light["open"].astype(np.float64)).clip(-_LARGEST_M, _LARGEST_M)
    sides = 2 if light["flags"] & TWO_SIDED else 1
    first, count = int(surface[OFFSET["slot_start"]]), int(surface[OFFSET["slot_count"]])
    slots = flat.slots[first : first + count]
    glow = slots[slots[:, 0] == SLOTS["emission_color"]]
    stretch = _similar(matrix)
    # a lamp that is only turned, moved and scaled is worked out once for all of its copies
    turn = np.eye(3, 4) if stretch else matrix
    key = f"viewport.patches {part} {sides} {glow.tobytes().hex()} {turn.tobytes().hex()}"
    images = tuple(flat.textures[int(i)].key for i in glow[:, 1] if i >= 0)
    kept = deformed.cache.get(key)
    if not (isinstance(kept, tuple) and kept[0] == images):
        kept = deformed.cache[key] = (images, patches_of(_triangles(flat, deformed, part, sides, glow, turn)))
    found = kept[1]
    assert isinstance(found, np.ndarray)
    out = turned(found, matrix, stretch) if stretch else found.copy()
    out[:, 12:15] *= _opacity(surface)
    return out


def patches_of(lamp: _Triangles) -> F64:
    """(k, PATCH) patches of triangles, in their own space."""
    shines = (np.linalg.norm(lamp.areas, axis=1) > 1e-14) & (lamp.tints.max(axis=1) > 0.0)
    lamp = lamp.of(shines)
    if not len(lamp.areas):
        return np.zeros((0, PATCH))
    if len(lamp.areas) <= FEW:
        return np.array([_triangle(lamp, i) for i in range(len(lamp.areas))])
    leaves: list[F64] = []
    _split(lamp, int(np.log2(MOST)), leaves)
    return np.array(leaves)


def turned(patches: F64, matrix: F64, stretch: float) -> F64:
    """Patches moved by a matrix (3, 4) that turns and scales by `stretch`."""
    out = patches.copy()
    linear, turn = matrix[:, :3], matrix[:, :3] / stretch
    out[:, :3] = patches[:, :3] @ linear.T + matrix[:, 3]
    polygon = patches[:, 3] > 0
    for start in (4, 8):
        out[polygon, start : start + 3] = patches[polygon, start : start + 3] @ linear.T
    blob = ~polygon
    if blob.any():
        area = stretch * stretch
        out[blob, 4:7] = patches[blob, 4:7] @ turn.T * area
        out[blob, 7] *= area
        xx, yy, xy, xz = patches[blob, 8:12].T
        yz = patches[blob, 15]
        q = np.stack([xx, xy / 2, xz / 2, xy / 2, yy, yz / 2, xz / 2, yz / 2, -xx - yy], axis=-1).reshape(-1, 3, 3)
        q = area * turn @ q @ turn.T
        out[blob, 8:12] = np.stack([q[:, 0, 0], q[:, 1, 1], 2 * q[:, 0, 1], 2 * q[:, 0, 2]], axis=1)
        out[blob, 15] = 2 * q[:, 1, 2]
    return out


def _similar(matrix: F64) -> float:
    """By how much a matrix scales when it else only turns and moves; 0 for any other."""
    linear = matrix[:, :3]
    scale = float(np.cbrt(max(np.linalg.det(linear), 0.0)))
    even = scale > 1e-9 and np.allclose(linear @ linear.T, scale * scale * np.eye(3), rtol=0.0, atol=1e-4 * scale**2)
    return scale if even else 0.0


def _opacity(surface: NDArray[np.float32]) -> float:
    """The share of a surface that is there, as the tracer has it."""
    opacity, mode = float(surface[OFFSET["geometry_opacity"]]), surface[OFFSET["alpha_mode"]]
    if mode == 1.0:
        return float(opacity >= surface[OFFSET["alpha_cutoff"]])
    return min(max(opacity, 0.0), 1.0) if mode == 2.0 else 1.0


def _triangles(
    flat: FlatScene, deformed: Deformed, part: int, sides: int, glow: NDArray[np.float32], matrix: F64
) -> _Triangles:
    mesh = deformed.mesh
    index = mesh.triangles[mesh.parts[part] : mesh.parts[part + 1]].astype(np.int64)
    if np.linalg.det(matrix[:, :3]) < 0.0:
        index = index[:, (0, 2, 1)]  # a mirrored instance keeps its outside outside
    safe = np.nan_to_num(deformed.positions, nan=0.0, posinf=0.0, neginf=0.0).clip(-_LARGEST_M, _LARGEST_M)
    corners = safe.astype(np.float64)[index] @ matrix[:, :3].T + matrix[:, 3]
    areas = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    tints = np.ones((len(index), 3))
    for slot in glow:
        uv = mesh.uv1 if slot[2] > 0.5 else mesh.uv0
        tints *= _texture_means(flat.textures, slot, None if uv is None else uv[index].astype(np.float64), len(index))
    return _Triangles(corners, areas, tints, sides)


def _texture_means(textures: tuple[Image, ...], slot: NDArray[np.float32], uv: F64 | None, count: int) -> F64:
    """(n, 3) mean of an emission's image over each triangle, from points all over it."""
    if slot[1] < 0:
        return np.tile([1.0, 0.0, 1.0], (count, 1))  # missing images are magenta
    light = linear_pixels(textures[int(slot[1])]).astype(np.float64)
    h, w = light.shape[:2]
    matrix = slot[10:16].reshape(2, 3).astype(np.float64)
    m = int(np.clip(np.sqrt(8192 / max(count, 1)), 3, 64))
    x, y = (k.ravel() for k in np.meshgrid((np.arange(m) + 0.5) / m, (np.arange(m) + 0.5) / m))
    over = x + y > 1.0
    x, y = np.where(over, 1.0 - x, x), np.where(over, 1.0 - y, y)
    uv = np.zeros((count, 3, 2)) if uv is None else uv
    at = np.einsum("kc,ncd->nkd", np.stack((1.0 - x - y, x, y), axis=1), uv) @ matrix[:, :2].T + matrix[:, 2]
    at = np.nan_to_num(at).clip(-1e6, 1e6)
    u, v = np.floor(at[..., 0] * w).astype(np.int64) % w, np.floor(at[..., 1] * h).astype(np.int64) % h
    channel = int(slot[3])
    texels = light[v, u] if channel > 2 else light[v, u][..., channel : channel + 1]
    return np.asarray(np.maximum(texels.mean(axis=1) * slot[8] + slot[9], 0.0) * np.ones(3))


# --- patches ---------------------------------------------------------------------------------------------------------
def _triangle(lamp: _Triangles, i: int) -> F64:
    """A triangle as the image of a regular one: its corners are centre + a cos + b sin at 0, 120 and 240 degrees."""
    corners = lamp.corners[i]
    centre = corners.mean(axis=0)
    b = (corners[1] - corners[2]) / np.sqrt(3.0)
    return _polygon(centre, corners[0] - centre, b, corners=3, phase=0.0, sides=lamp.sides, tint=lamp.tints[i])


def _polygon(centre: F64, a: F64, b: F64, *, corners: int, phase: float, sides: int, tint: F64) -> F64:
    return np.concatenate([centre, [corners], a, [sides], b, [phase], tint, [0.0]])


def _split(lamp: _Triangles, depth: int, leaves: list[F64]) -> None:
    """Cut a lamp into patches that are flat and filled, or round."""
    size = np.linalg.norm(lamp.areas, axis=1)
    middles = lamp.corners.mean(axis=1)
    centre = (middles * size[:, None]).sum(axis=0) / size.sum()
    points = lamp.corners.reshape(-1, 3) - centre
    flat = np.linalg.norm(lamp.areas.sum(axis=0)) / size.sum()
    extents, axes = _box(points, lamp.areas.sum(axis=0) if flat > _FLAT else None)
    if flat > _FLAT:
        ends = points @ axes.T
        box = np.prod(np.ptp(ends, axis=0)[:2])
        if depth == 0 or size.sum() > _FILLED * box:
            middle = centre + 0.5 * (ends.min(axis=0) + ends.max(axis=0)) @ axes
            leaves.append(_rectangle(lamp, size, middle, axes, ends))
            return
    if depth == 0 or len(size) == 1 or (flat <= _FLAT and extents[0] < _LONG * extents[1]):
        leaves.append(_blob(lamp, size))
        return
    along = middles @ axes[0]
    right = along > np.median(along)
    if right.all() or not right.any():
        leaves.append(_blob(lamp, size))
        return
    _split(lamp.of(right), depth - 1, leaves)
    _split(lamp.of(~right), depth - 1, leaves)


def _box(points: F64, normal: F64 | None) -> tuple[F64, F64]:
    """Extents, longest first, and axes (3, 3) as rows of a box around points; of a flat part the last is its normal."""
    if normal is None:
        _, axes = np.linalg.eigh(points.T @ points)
        axes = axes.T[::-1]
    else:
        n = normal / np.linalg.norm(normal)
        within = points - np.outer(points @ n, n)
        _, axes = np.linalg.eigh(within.T @ within)
        x = axes.T[2] - n * (axes.T[2] @ n)
        x /= max(float(np.linalg.norm(x)), 1e-30)
        # the eigenvectors of an even square are arbitrary; its own longest edge is not
        edges = np.roll(within.reshape(-1, 3, 3), -1, axis=1).reshape(-1, 3) - within
        lengths = np.linalg.norm(edges, axis=1)
        best = edges[int(np.argsort(lengths)[len(lengths) // 2])]
        candidate = best / max(float(np.linalg.norm(best)), 1e-30)
        if _covered(within, candidate, n) < _covered(within, x, n):
            x = candidate
        axes = np.stack([x, np.cross(n, x), n])
    return np.ptp(points @ axes.T, axis=0), np.asarray(axes)


def _covered(points: F64, x: F64, n: F64) -> float:
    """Area of the box along `x` in the plane of normal `n`."""
    return float(np.ptp(points @ x) * np.ptp(points @ np.cross(n, x)))


def _rectangle(lamp: _Triangles, size: F64, centre: F64, axes: F64, ends: F64) -> F64:
    """A flat part as a rectangle of its area."""
    width, height = np.ptp(ends, axis=0)[:2]
    keep = np.sqrt(size.sum() / max(width * height, 1e-30))
    tint = (lamp.tints * size[:, None]).sum(axis=0) / size.sum()
    a, b = axes[0] * width * keep * _SQUARE, axes[1] * height * keep * _SQUARE
    return _polygon(centre, a, b, corners=4, phase=np.pi / 4, sides=lamp.sides, tint=tint)


def _blob(lamp: _Triangles, size: F64) -> F64:
    """A round part as what it shows to every side."""
    tint = (lamp.tints * size[:, None]).sum(axis=0) / size.sum()
    share = (lamp.tints @ LUMINANCE) / max(float(tint @ LUMINANCE), 1e-30)
    weight = share * size
    centre = (lamp.corners.mean(axis=1) * weight[:, None]).sum(axis=0) / weight.sum()
    directions, solve = _fit()
    facing = (lamp.areas * share[:, None]) @ directions.T
    shown = (np.abs(facing) if lamp.sides == 2 else np.maximum(facing, 0.0)).sum(axis=0)
    constant, x, y, z, xx, yy, xy, xz, yz = solve @ shown
    return np.concatenate([centre, [0.0, x, y, z, constant, xx, yy, xy, xz], tint, [yz]])


@functools.cache
def _fit() -> tuple[F64, F64]:
    """Directions (m, 3) and the matrix (9, m) that gives the least-squares coefficients of a function on them."""
    m = 128
    k = np.arange(m)
    z = 1.0 - (2.0 * k + 1.0) / m
    turn = 2.0 * np.pi * ((k * 0.5 * (np.sqrt(5.0) - 1.0)) % 1.0)
    r = np.sqrt(1.0 - z * z)
    d = np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)
    x, y, z = d.T
    basis = np.stack([np.ones(m), x, y, z, x * x - z * z, y * y - z * z, x * y, x * z, y * z], axis=1)
    return d, np.asarray(np.linalg.pinv(basis))
