"""Random numbers: points stratified in every prefix, pure in pixel and index, and independent between pixels.

Taichi reads the annotations of a kernel, so this file does without `from __future__ import annotations`.
"""

from typing import Any

import numpy as np
import pytest
import taichi as ti
from scipy import stats

from studio.render.tracer import sampler

POINTS = 1024
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
u32_1d = ti.types.ndarray(dtype=ti.u32, ndim=1)


@ti.kernel
def draw(keys: u32_1d, first: ti.i32, n: ti.i32, pair: ti.i32, out: f32_2d):
    for i in range(keys.shape[0] * n):
        index = sampler.reverse_bits(ti.cast(first + i % n, ti.u32))
        p = sampler.sample_2d(keys[i // n], index, pair)
        out[i, 0] = p[0]
        out[i, 1] = p[1]


@ti.kernel
def pascals(numbers: u32_1d, out: u32_1d):
    for i in range(numbers.shape[0]):
        out[i] = sampler.reverse_bits(sampler.pascal(numbers[i]))


@ti.kernel
def seeds(xs: u32_1d, frame: ti.i32, seed: ti.i32, out: u32_1d):
    for i in range(xs.shape[0]):
        x = ti.cast(xs[i], ti.i32)
        out[i] = sampler.pixel_seed(x % 256, x // 256, frame, seed)


def points(keys: Any, first: int = 0, n: int = POINTS, pair: int = 0) -> np.ndarray:
    """(pixels, n, 2) points of pixels with these keys."""
    keys = np.asarray(keys, np.uint32)
    out = np.zeros((len(keys) * n, 2), np.float32)
    draw(keys, first, n, pair, out)
    return out.reshape(len(keys), n, 2)


@pytest.fixture(scope="module", autouse=True)
def _runtime(taichi_cpu):
    return taichi_cpu


def pixel_seeds(n: int, frame: int = 0, seed: int = 0) -> np.ndarray:
    out = np.zeros(n, np.uint32)
    seeds(np.arange(n, dtype=np.uint32), frame, seed, out)
    return out


def test_the_fast_second_dimension_is_that_of_sobol():
    numbers = np.concatenate([np.arange(5000), np.random.default_rng(1).integers(0, 1 << 32, 5000)]).astype(np.uint32)
    out = np.zeros_like(numbers)
    pascals(numbers, out)
    direct, direction = np.zeros_like(numbers), np.uint32(1 << 31)
    for bit in range(32):
        direct ^= np.where(numbers >> np.uint32(bit) & np.uint32(1), direction, np.uint32(0))
        direction ^= direction >> np.uint32(1)
    assert (out == direct).all()


@pytest.mark.parametrize("pair", [0, 5, 31])
def test_every_prefix_of_a_power_of_two_fills_every_elementary_interval_once(pair):
    for cloud in points(pixel_seeds(16), pair=pair):
        for k in range(11):
            some = cloud[: 1 << k]
            for rows in range(k + 1):
                cells = (some[:, 0] * (1 << rows)).astype(int) << (k - rows) | (some[:, 1] * (1 << (k - rows))).astype(
                    int
                )
                assert len(set(cells.tolist())) == 1 << k


def test_aligned_runs_beyond_the_first_are_stratified_too():
    for first in (256, 768, 4096 + 512):
        cloud = points(pixel_seeds(4), first, 256, 2)
        for rows in range(9):
            cells = (cloud[..., 0] * (1 << rows)).astype(int) << (8 - rows) | (
                cloud[..., 1] * (1 << (8 - rows))
            ).astype(int)
            assert all(len(set(c.tolist())) == 256 for c in cells)


def test_a_range_of_samples_is_the_same_numbers_as_that_part_of_the_whole():
    keys = pixel_seeds(8)
    whole = points(keys, 0, 128, 7)
    parts = [points(keys, a, b - a, 7) for a, b in ((0, 5), (5, 64), (64, 65), (65, 128))]
    assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()


def test_numbers_stay_below_one():
    cloud = points(pixel_seeds(4096), 0, 64)
    assert cloud.min() >= 0.0
    assert cloud.max() < 1.0


def test_pixels_pairs_frames_and_seeds_have_points_of_their_own():
    """Correlations between sequences spread as those of true Owen scrambles do: for 64 points their standard deviation
    is 0.157 and one in a thousand exceeds 0.50 (simulated with a random bit per node). Bounds leave 5 and 20 %."""
    rows = [
        points(pixel_seeds(100), n=64)[..., 0],
        points(pixel_seeds(100), n=64, pair=1)[..., 0],
        points(pixel_seeds(100, frame=1), n=64)[..., 0],
        points(pixel_seeds(100, seed=1), n=64)[..., 0],
        points(pixel_seeds(100), n=64)[..., 1],
    ]
    r = np.corrcoef(np.concatenate(rows))
    r = r[np.triu_indices(len(r), 1)]
    assert abs(r.std() - 0.157) < 0.05 * 0.157
    assert abs(r.mean()) < 0.002
    assert np.quantile(np.abs(r), 0.999) < 1.2 * 0.50
    assert len(np.unique(pixel_seeds(65536))) > 65500  # a few meet by birthday


def test_one_sample_a_pixel_is_uniform_over_pixels():
    """Chi-square over 16 x 16 cells of 65536 pixels, for four sample indices; significance 1e-3 over all."""
    for sample in (0, 1, 2, 1000):
        cloud = points(pixel_seeds(65536), sample, 1, 3)[:, 0]
        counts = np.histogram2d(cloud[:, 0], cloud[:, 1], bins=16, range=((0, 1), (0, 1)))[0]
        assert stats.chisquare(counts.ravel()).pvalue > 1e-3 / 4


def test_the_error_of_an_integral_falls_faster_than_by_chance():
    """Mean of a smooth function over 1024 points: random points would err by 8e-3 (one sigma), these by far less."""
    cloud = points(pixel_seeds(256)).astype(np.float64)
    value = np.cos(2.0 * cloud[..., 0]) * np.exp(cloud[..., 1])
    truth = np.sin(2.0) / 2.0 * (np.e - 1.0)
    error = value.mean(1) - truth
    assert np.sqrt((error**2).mean()) < 1e-3
    assert abs(error.mean()) < 4.0 * error.std() / 16.0  # and without bias: four sigma
