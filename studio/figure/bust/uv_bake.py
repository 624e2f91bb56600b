"""A mesh laid out in its texture: what each texel of a map stands for on the surface.

Maps are painted in the space of the head and not of the picture: a freckle needs to know where on the cheek it is, a
pore how large a texel is. So every texel is given its triangle and place in it, in whole arrays, and beyond the seams
a near texel's, so that filtering never mixes in the background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
_MOST_PIXELS = 1 << 22  # candidates tested at once


@dataclass(frozen=True, slots=True, eq=False)
class Baked:
    """Texels of a square map: `corners` (n, 3) the vertices of a texel's triangle and `shares` (n, 3) its barycentric
    coordinates, for the texels `covered` (size, size) in row order; `nearest` (size, size) is the row of a
    covered texel near to any."""

    size: int
    corners: NDArray[np.int32]
    shares: F32
    covered: NDArray[np.bool_]
    nearest: NDArray[np.int32]

    def at_texels(self, values: NDArray[np.floating]) -> F32:
        """(n, ...) values of vertices (v, ...) at the covered texels."""
        v = np.asarray(values, np.float32)
        shares = self.shares.reshape(*self.shares.shape, *([1] * (v.ndim - 1)))
        return np.asarray(sum(v[self.corners[:, k]] * shares[:, k] for k in range(3)), np.float32)

    def picture(self, texels: NDArray[np.floating]) -> F32:
        """(size, size, ...) a picture of values at covered texels (n, ...), grown over the seams."""
        return np.asarray(texels, np.float32)[self.nearest]


def bake(uv: NDArray[np.floating], triangles: NDArray[np.integer], size: int) -> Baked:
    """The texels of a map of `size` x `size` that triangles (t, 3) cover by their uv (v, 2), v down the image."""
    corner = np.asarray(uv, np.float64)[triangles] * size - 0.5  # (t, 3, 2) in texels, centres at whole numbers
    low = np.clip(np.ceil(corner.min(axis=1)).astype(np.int64), 0, size - 1)
    high = np.clip(np.floor(corner.max(axis=1)).astype(np.int64), -1, size - 1)
    extent = np.maximum(high - low + 1, 0)
    counts = extent[:, 0] * extent[:, 1]
    owner = np.full(size * size, -1, np.int32)
    place = np.zeros((size * size, 3), np.float32)
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        begun = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, begun + _MOST_PIXELS, side="right")), first + 1)
        _fill(owner, place, corner, low, extent, counts, first, last, size)
        first = last
    covered = (owner >= 0).reshape(size, size)
    rows = np.full(size * size, -1, np.int32)
    rows[owner >= 0] = np.arange(int(covered.sum()), dtype=np.int32)
    nearest = _grown(rows.reshape(size, size))
    seen = owner >= 0
    return Baked(size, np.asarray(triangles, np.int32)[owner[seen]], place[seen], covered, nearest)


def _grown(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Numbers (size, size) with those below 0 replaced by a near one: exactly the nearest for two steps, then by blocks
    of 2, 4, 8 and so on, as a pyramid of pictures is pulled up and pushed down."""
    out = rows.copy()
    for _ in range(2):
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            beside = np.roll(out, step, axis)
            out = np.where(out < 0, beside, out)
    size = len(out)
    if size % 2 or size < 2 or not (out < 0).any():
        return np.maximum(out, 0)
    coarse = _grown(out.reshape(size // 2, 2, size // 2, 2).max(axis=(1, 3)))
    return np.where(out < 0, coarse.repeat(2, axis=0).repeat(2, axis=1), out)


def _fill(
    owner: NDArray[np.int32],
    place: F32,
    corner: NDArray[np.float64],
    low: NDArray[np.int64],
    extent: NDArray[np.int64],
    counts: NDArray[np.int64],
    first: int,
    last: int,
    size: int,
) -> None:
    """Test the texels in the boxes of triangles first..last and give those inside to them."""
    which = np.repeat(np.arange(first, last), counts[first:last])
    starts = np.cumsum(counts[first:last]) - counts[first:last]
    offset = np.arange(len(which)) - np.repeat(starts, counts[first:last])
    x = low[which, 0] + offset % extent[which, 0]
    y = low[which, 1] + offset // extent[which, 0]
    a, b, c = (corner[which, k] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        second = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (y - a[:, 1]) * (c[:, 0] - a[:, 0])) / area
        third = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])) / area
    inside = (second >= -1e-6) & (third >= -1e-6) & (second + third <= 1 + 1e-6)
    at = y[inside] * size + x[inside]
    owner[at] = which[inside]
    s, t = second[inside], third[inside]
    place[at] = np.stack([1 - s - t, s, t], 1)


def metres_per_texel(baked: Baked, positions: NDArray[np.floating]) -> tuple[F32, F32]:
    """(size, size, 3) twice: how the surface moves from texel to texel along u and along v, in metres."""
    places = baked.picture(baked.at_texels(positions))
    along_u = np.gradient(places, axis=1)
    along_v = np.gradient(places, axis=0)
    longest = 12.0 * np.median(np.linalg.norm(along_u[baked.covered], axis=-1))
    for step in (along_u, along_v):  # a step across a seam is no step on the surface
        length = np.linalg.norm(step, axis=-1, keepdims=True)
        step *= np.where(length > longest, longest / np.maximum(length, 1e-12), 1.0)
    return along_u, along_v


def normal_map(height: F32, along_u: F32, along_v: F32) -> NDArray[np.uint8]:
    """(size, size, 3) 8-bit tangent-space normals of a height in metres (size, size); +x along u, +y up the image
    (against v), as glTF has it."""
    step_u = np.maximum(np.linalg.norm(along_u, axis=-1), 1e-7)
    step_v = np.maximum(np.linalg.norm(along_v, axis=-1), 1e-7)
    slope_u = np.clip(np.gradient(height, axis=1) / step_u, -1.5, 1.5)
    slope_v = np.clip(np.gradient(height, axis=0) / step_v, -1.5, 1.5)
    length = np.sqrt(slope_u**2 + slope_v**2 + 1)
    normal = np.stack([-slope_u / length, slope_v / length, 1 / length], -1)
    return np.asarray(np.round(127.5 * normal + 127.5), np.uint8)
