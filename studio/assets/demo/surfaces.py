"""Procedural images: noise, tiles and skies for the demo's materials and domes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

F32 = NDArray[np.float32]


def clouds(height: int, width: int, *, cells: int, octaves: int, seed: int) -> F32:
    """(height, width) smooth noise that tiles, from 0 to 1: octaves of value noise with the quintic fade of Perlin
    ("Improving Noise", 2002)."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for octave in range(octaves):
        n = cells << octave
        grid = rng.random((n, n))
        y, x = np.arange(height) * n / height, np.arange(width) * n / width
        total += 0.5**octave * _fade_between(grid, y, x)
    total -= total.min()
    return np.asarray(total / total.max(), np.float32)


def _fade_between(grid: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(grid)
    i, j = y.astype(int), x.astype(int)
    s, t = y - i, x - j
    s, t = s**3 * (s * (6 * s - 15) + 10), t**3 * (t * (6 * t - 15) + 10)
    top = grid[i % n][:, j % n] * (1 - t) + grid[i % n][:, (j + 1) % n] * t
    low = grid[(i + 1) % n][:, j % n] * (1 - t) + grid[(i + 1) % n][:, (j + 1) % n] * t
    return np.asarray(top * (1 - s[:, None]) + low * s[:, None])


def flagstones(size: int, *, rows: int, seed: int, joint: float = 0.03) -> tuple[F32, F32]:
    """A square of laid stone that tiles: the tone of each texel (size, size) from 0 to 1, and how much it is stone
    and not joint (size, size)."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.arange(size) / size * rows, np.arange(size) / size * rows / 1.5, indexing="ij")
    row = y.astype(int)
    x = (x + 0.5 * (row % 2)) % (rows / 1.5)
    column = x.astype(int)
    edge = np.minimum(np.minimum(y - row, row + 1 - y), 1.5 * np.minimum(x - column, column + 1 - x))
    stone = np.clip((edge - joint / 2) / joint, 0, 1)
    tone = rng.random((rows, rows + 2))[row, column]
    grain = clouds(size, size, cells=8, octaves=5, seed=seed + 1)
    return (0.6 * tone + 0.4 * grain).astype(np.float32), stone.astype(np.float32)


def paint(value: F32, low: ArrayLike, high: ArrayLike) -> NDArray[np.uint8]:
    """(h, w, 3) 8-bit sRGB of linear colours from `low` where the value is 0 to `high` where it is 1."""
    a, b = np.asarray(low, np.float32), np.asarray(high, np.float32)
    linear = a + (b - a) * value[..., None]
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(255 * encoded), np.uint8)


def mask(value: F32) -> NDArray[np.uint8]:
    """(h, w, 1) 8-bit data of values from 0 to 1."""
    return np.asarray(np.round(255 * np.clip(value, 0, 1))[..., None], np.uint8)


def night_sky(width: int, *, zenith: ArrayLike, horizon: ArrayLike, ground: ArrayLike, seed: int) -> F32:
    """(width / 2, width, 3) a latitude-longitude sky of relative radiance: a gradient, thin cloud and no sun."""
    height = width // 2
    up = np.cos(np.pi * (np.arange(height) + 0.5) / height)[:, None, None]
    blend = np.clip(up, 0, 1) ** 0.45
    sky = (1 - blend) * np.asarray(horizon) + blend * np.asarray(zenith)
    veil = clouds(height, width, cells=3, octaves=5, seed=seed)[..., None]
    sky = sky * (0.7 + 0.6 * veil)
    return np.where(up > 0, sky, np.broadcast_to(np.asarray(ground), sky.shape)).astype(np.float32)


def add_sun(sky: F32, *, azimuth_deg: float, elevation_deg: float, angle_deg: float, radiance: ArrayLike) -> F32:
    """A copy of a latitude-longitude image with a disc of even radiance in it. Azimuth 0 is the middle column,
    which a dome shows along its -z, and turns towards +x."""
    height, width = sky.shape[:2]
    up = np.pi / 2 - np.pi * (np.arange(height) + 0.5) / height
    round_ = 2 * np.pi * ((np.arange(width) + 0.5) / width - 0.5)
    sun_up, sun_round = np.radians(elevation_deg), np.radians(azimuth_deg)
    cosine = np.sin(up)[:, None] * np.sin(sun_up) + np.cos(up)[:, None] * np.cos(sun_up) * np.cos(round_ - sun_round)
    return np.where((cosine > np.cos(np.radians(angle_deg) / 2))[..., None], np.asarray(radiance), sky).astype(
        np.float32
    )
