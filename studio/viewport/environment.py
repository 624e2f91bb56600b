"""Domes in the viewport: a picture of the sky as blurred maps that a shader reads in a few fetches.

A picture comes in as longitude and latitude and goes out as a tile: radiance on an octahedral map, half its size again
and again down to 4 x 4, and the irradiance over pi. Energy is never made or lost: every texel of the picture is poured
whole into the map, weighed by its solid angle, so the mean radiance of every level is that of the picture and a sun
that fills one texel keeps its lux. How the shader reads a tile stands in `shaders/ibl.glsl`.

A sun is too small and too bright to be drawn by a few samples of a lobe. Up to SUNS places that stand out far above
the mean are cut from the picture and become lights of their own, round caps of the sky with the same flux and solid
angle, which the shader treats as it does any light with a size.

Directions are in the dome's own frame: y up, -z in the middle of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import Image
from studio.scene.light_pixels import linear_pixels
from studio.scene.photometry import LUMINANCE

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

IRRADIANCE = 32  # side of the irradiance's map
SMALLEST = 4  # side of the last level
LARGEST = 512  # side of the first level at most: a texel is a quarter to half a degree
_DIFFUSE_SIDE = 64  # of the level that irradiance is summed from
SUNS = 8
_STANDS_OUT = 6.0  # times the mean luminance: what is brighter may be cut out as a sun
_SUN_RADIUS = 0.12  # radians around the brightest place that belong to one sun
_WORTH = 0.003  # of the picture's light: a fainter sun stays in the picture


@dataclass(frozen=True, slots=True, eq=False)
class DomeTile:
    """The maps of a picture in one array (height, width, 4) float32, and the side of its first level.

    `suns` (k, 7) are cut out of the maps: direction, sine of half the angle, radiance. `mean` is the radiance over the
    sphere per unit of the light's emission, suns included.
    """

    pixels: F32
    size: int
    mean: tuple[float, float, float]
    suns: F64


def dome_tile(image: Image) -> DomeTile:
    """The tile of a dome's picture; less than a second for one of 4096 x 2048."""
    sky, suns = without_suns(_of_even_texels(linear_pixels(image)))
    size = int(np.clip(2 ** np.floor(np.log2(sky.shape[0] / 1.5)), 64, LARGEST))
    levels, weights = [_poured(sky, size)], [solid_angles(size)]
    while levels[-1].shape[0] > SMALLEST:
        level, weight = _halved(levels[-1], weights[-1])
        levels.append(level)
        weights.append(weight)
    side = [level.shape[0] for level in levels]
    height, width = tile_shape(size)
    pixels = np.zeros((height, width, 4), np.float32)
    _place(pixels, 0, 0, levels[0])
    top = 0
    for level in levels[1:]:
        _place(pixels, top, size + 2, level)
        top += level.shape[0] + 2
    middle = side.index(_DIFFUSE_SIDE)
    _place(pixels, top, size + 2, irradiance(levels[middle], weights[middle]))
    mean = (levels[-1] * weights[-1][..., None]).sum(axis=(0, 1)) / (4.0 * np.pi)
    mean += (suns[:, 4:] * suns[:, 3:4] ** 2).sum(axis=0) / 4.0
    return DomeTile(pixels, size, (float(mean[0]), float(mean[1]), float(mean[2])), suns)


def tile_shape(size: int) -> tuple[int, int]:
    """Height and width of a tile whose first level has that side: the larger of the two columns, with borders."""
    levels = int(np.log2(size // SMALLEST))
    column = size - SMALLEST + 2 * levels + IRRADIANCE + 2
    return max(size + 2, column), size + 2 + max(size // 2, IRRADIANCE) + 2


# --- octahedral maps -------------------------------------------------------------------------------------------------
def octahedral(d: F64) -> tuple[F64, F64]:
    """Places in 0..1 of unit directions (..., 3) (Cigolle et al. 2014), as the shader has them."""
    p = d / np.abs(d).sum(axis=-1, keepdims=True)
    x, y = p[..., 0], p[..., 1]
    fold = p[..., 2] < 0.0
    fx = (1.0 - np.abs(y)) * np.where(x >= 0.0, 1.0, -1.0)
    fy = (1.0 - np.abs(x)) * np.where(y >= 0.0, 1.0, -1.0)
    return np.where(fold, fx, x) * 0.5 + 0.5, np.where(fold, fy, y) * 0.5 + 0.5


def directions(size: int) -> F64:
    """(size, size, 3) unit directions of the middles of a map's texels."""
    line = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    x, y = np.meshgrid(line, line)
    z = 1.0 - np.abs(x) - np.abs(y)
    fx = np.where(z < 0.0, (1.0 - np.abs(y)) * np.where(x >= 0.0, 1.0, -1.0), x)
    fy = np.where(z < 0.0, (1.0 - np.abs(x)) * np.where(y >= 0.0, 1.0, -1.0), y)
    d = np.stack([fx, fy, z], axis=-1)
    return np.asarray(d / np.linalg.norm(d, axis=-1, keepdims=True))


def solid_angles(size: int) -> F64:
    """(size, size) steradians of a map's texels, which sum to 4 pi."""
    out = np.abs(directions(size)).sum(axis=-1) ** 3
    return np.asarray(out * (4.0 * np.pi / out.sum()))


# --- steps -----------------------------------------------------------------------------------------------------------
def _of_even_texels(sky: F32) -> F32:
    """A picture neither much larger nor much smaller than a map needs: averaged down, or read bilinearly."""
    h, w = sky.shape[:2]
    shrink_y, shrink_x = max(1, round(h / (2 * LARGEST))), max(1, round(w / (4 * LARGEST)))
    if shrink_x > 1 or shrink_y > 1:
        pad = ((0, -h % shrink_y), (0, -w % shrink_x), (0, 0))
        padded = np.pad(sky, pad, "edge") if h % shrink_y or w % shrink_x else sky
        parts = [padded[i::shrink_y, j::shrink_x] for i in range(shrink_y) for j in range(shrink_x)]
        sky = sum(parts[1:], parts[0]) * np.float32(1.0 / len(parts))
        h, w = sky.shape[:2]
    grow_y, grow_x = max(1, -(-192 // h)), max(1, -(-384 // w))
    return _grown(sky, grow_y, grow_x) if grow_x > 1 or grow_y > 1 else sky


def _grown(sky: F32, times_y: int, times_x: int) -> F32:
    """Bilinear between the texels' middles, as the tracer reads it: around in longitude, clamped at the poles."""
    h, w = sky.shape[:2]
    y, x = (np.arange(h * times_y) + 0.5) / times_y - 0.5, (np.arange(w * times_x) + 0.5) / times_x - 0.5
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    fy, fx = (y - y0)[:, None, None], (x - x0)[None, :, None]
    rows = sky[np.clip(y0, 0, h - 1)] * (1 - fy) + sky[np.clip(y0 + 1, 0, h - 1)] * fy
    return np.asarray(rows[:, x0 % w] * (1 - fx) + rows[:, (x0 + 1) % w] * fx, np.float32)


def _lat_long(h: int, w: int) -> tuple[F64, F64]:
    """Directions (h, w, 3) and solid angles (h,) of the texels of a picture of longitude and latitude."""
    theta, phi = np.pi * (np.arange(h) + 0.5) / h, 2.0 * np.pi * ((np.arange(w) + 0.5) / w - 0.5)
    sine = np.sin(theta)[:, None]
    d = np.stack(np.broadcast_arrays(sine * np.sin(phi), np.cos(theta)[:, None], -sine * np.cos(phi)), axis=-1)
    edges = np.cos(np.pi * np.arange(h + 1) / h)
    return d, (edges[:-1] - edges[1:]) * (2.0 * np.pi / w)


def without_suns(sky: F32) -> tuple[F32, F64]:
    """A picture with its suns cut down to the level where they stand out, and the suns (k, 7)."""
    h, w = sky.shape[:2]
    d, angle = _lat_long(h, w)
    luminance = sky @ LUMINANCE.astype(np.float32)
    light = luminance.astype(np.float64) * angle[:, None]
    level = np.inf
    for _ in range(4):  # the mean of what is no sun
        level = _STANDS_OUT * float((np.minimum(luminance, level).sum(axis=1) * angle).sum()) / (4.0 * np.pi)
    rows, columns = np.nonzero(luminance > level)
    suns: list[F64] = []
    if not level > 0.0 or not len(rows):
        return sky, np.zeros((0, 7))
    sky = sky.copy()
    around, solid = d[rows, columns], angle[rows]
    colors, bright = sky[rows, columns].astype(np.float64), luminance[rows, columns].astype(np.float64)
    excess = (bright - level) * solid
    while len(suns) < SUNS and excess.max() > 0.0:
        centre = around[int(np.argmax(excess / solid))]
        for _ in range(2):
            mine = (around @ centre > np.cos(_SUN_RADIUS)) & (excess > 0.0)
            middle = (around[mine] * excess[mine, None]).sum(axis=0)
            centre = middle / np.linalg.norm(middle)
        flux = float(excess[mine].sum())
        if flux < _WORTH * float(light.sum()):
            break
        # the solid angle of an even disk with this flux and this sum of squares
        size = flux**2 / float((excess[mine] ** 2 / solid[mine]).sum())
        sine2 = min(size / np.pi, 0.25)
        cut = 1.0 - level / bright[mine]
        radiance = (colors[mine] * (cut * solid[mine])[:, None]).sum(axis=0) / (np.pi * sine2)
        suns.append(np.concatenate([centre, [np.sqrt(sine2)], radiance]))
        sky[rows[mine], columns[mine]] *= (1.0 - cut)[:, None].astype(np.float32)
        excess[mine] = 0.0
    return sky, np.array(suns).reshape(-1, 7)


def _poured(sky: F32, size: int) -> F64:
    """Radiance (size, size, 3) of a map into which every texel of the picture pours its light."""
    h, w = sky.shape[:2]
    d, angles = _lat_long(h, w)
    angle = np.repeat(angles, w)
    u, v = octahedral(d.reshape(-1, 3))
    # the border of a map repeats what lies across its fold, so what pours over an edge stays at it
    x, y = np.clip(u * size - 0.5, 0.0, size - 1.0), np.clip(v * size - 0.5, 0.0, size - 1.0)
    x0, y0 = np.minimum(x.astype(np.int64), size - 2), np.minimum(y.astype(np.int64), size - 2)
    fx, fy = x - x0, y - y0
    light = sky.reshape(-1, 3)
    sums, filled = np.zeros((size * size, 3)), np.zeros(size * size)
    for dy, wy in ((0, 1.0 - fy), (1, fy)):
        for dx, wx in ((0, 1.0 - fx), (1, fx)):
            at, weight = (y0 + dy) * size + x0 + dx, angle * wx * wy
            filled += np.bincount(at, weight, size * size)
            for c in range(3):
                sums[:, c] += np.bincount(at, weight * light[:, c], size * size)
    out = (sums / np.maximum(filled, 1e-30)[:, None]).reshape(size, size, 3)
    # texels that took more or less than their solid angle; the mean is put right at the end
    own = solid_angles(size)[..., None]
    right, has = (light * angle[:, None]).sum(axis=0), (out * own).sum(axis=(0, 1))
    return np.asarray(out * np.where(has > 0.0, right / np.maximum(has, 1e-300), 1.0))


def _halved(level: F64, weight: F64) -> tuple[F64, F64]:
    """A map of half the side. Every texel is a smooth mean of 4 x 4, weighed by their solid angles, so that a sun does
    not jump from texel to texel as the levels go down; the mean over the sphere stays what it was."""
    n = weight.shape[0] // 2
    wide = _padded(np.concatenate([level * weight[..., None], weight[..., None]], axis=-1))
    taps = np.array([1.0, 3.0, 3.0, 1.0]) / 8.0
    rows = sum(t * wide[k : k + 2 * n : 2] for k, t in enumerate(taps))
    both = sum(t * np.asarray(rows)[:, k : k + 2 * n : 2] for k, t in enumerate(taps))
    light = np.asarray(both)[..., :3] / np.asarray(both)[..., 3:]
    sums = weight.reshape(n, 2, n, 2).sum(axis=(1, 3))
    right, has = ((a * b[..., None]).sum(axis=(0, 1)) for a, b in ((level, weight), (light, sums)))
    return np.asarray(light * np.where(has > 0.0, right / np.maximum(has, 1e-300), 1.0)), sums


def _padded(level: F64) -> F64:
    """A map with a border of one texel: across an edge it goes on at the mirrored place of the same edge."""
    n = level.shape[0]
    out = np.zeros((n + 2, n + 2, level.shape[2]))
    out[1:-1, 1:-1] = level
    out[0, 1:-1], out[-1, 1:-1] = out[1, -2:0:-1], out[-2, -2:0:-1]
    out[1:-1, 0], out[1:-1, -1] = out[-2:0:-1, 1], out[-2:0:-1, -2]
    out[0, 0], out[0, -1], out[-1, 0], out[-1, -1] = out[-2, -2], out[-2, 1], out[1, -2], out[1, 1]
    return out


def irradiance(level: F64, weight: F64) -> F64:
    """(IRRADIANCE, IRRADIANCE, 3): irradiance over pi for every normal of a map, from a level of radiance.

    Scaled per normal so that a white sky gives exactly 1.
    """
    normals = directions(IRRADIANCE).reshape(-1, 3)
    cosine = np.maximum(normals @ directions(level.shape[0]).reshape(-1, 3).T, 0.0) * weight.reshape(-1)
    out = cosine @ level.reshape(-1, 3) / cosine.sum(axis=1, keepdims=True)
    return np.asarray(out.reshape(IRRADIANCE, IRRADIANCE, 3))


def _place(pixels: F32, top: int, left: int, level: F64) -> None:
    """Put a map with its border in."""
    n = level.shape[0]
    pixels[top : top + n + 2, left : left + n + 2, :3] = _padded(level)
    pixels[top : top + n + 2, left : left + n + 2, 3] = 1.0
