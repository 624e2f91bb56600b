"""Textures: what the device reads is the bilinear image in linear light, for every format, wrap and filter."""

from __future__ import annotations

import numpy as np
import pytest

from studio.render.tracer.textures import pack_textures, srgb_to_linear
from studio.scene.geometry import Image
from studio.scene.materials import SLOT_STRIDE
from tests.render.light_stage import compiled

WRAPS = ("repeat", "mirror", "clamp")


@pytest.fixture(scope="module")
def read(taichi_cpu):
    """read(images, slots, which, uv0, uv1) -> (n, 4), by `slot_value`."""
    kernel = compiled(taichi_cpu).read_slot

    def ask(images, slots, which, uv0, uv1=None):
        uv1 = uv0 if uv1 is None else uv1
        q = np.column_stack((np.broadcast_to(which, len(uv0)), uv0, uv1)).astype(np.float32)
        out = np.zeros((len(q), 4), np.float32)
        kernel(*pack_textures(tuple(images)), np.atleast_2d(slots).astype(np.float32), q, out)
        return out

    return ask


def slot(image, *, uv=0, channel=4, wrap_u=0, wrap_v=0, smooth=1, gain=1.0, bias=0.0, matrix=(1, 0, 0, 0, 1, 0)):
    row = np.zeros(SLOT_STRIDE, np.float32)
    row[:10] = (0, image, uv, channel, wrap_u, wrap_v, smooth, 1, gain, bias)
    row[10:] = matrix
    return row


def wrapped(i, n, wrap):
    if wrap == 0:
        return i % n
    if wrap == 1:
        i = i % (2 * n)
        return np.where(i >= n, 2 * n - 1 - i, i)
    return np.clip(i, 0, n - 1)


def expected(linear, uv, wrap_u, wrap_v, *, smooth):
    """Bilinear or nearest lookup with numpy; `linear` is (h, w, 4)."""
    h, w = linear.shape[:2]
    x, y = uv[:, 0].astype(np.float64) * w - 0.5 * smooth, uv[:, 1].astype(np.float64) * h - 0.5 * smooth
    if wrap_u == 2:
        x = np.clip(uv[:, 0].astype(np.float64), 0, 1) * w - 0.5 * smooth
    if wrap_v == 2:
        y = np.clip(uv[:, 1].astype(np.float64), 0, 1) * h - 0.5 * smooth
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - i)[:, None] * smooth, (y - j)[:, None] * smooth
    tap = lambda di, dj: linear[wrapped(j + dj, h, wrap_v), wrapped(i + di, w, wrap_u)]  # noqa: E731
    return (tap(0, 0) * (1 - fx) + tap(1, 0) * fx) * (1 - fy) + (tap(0, 1) * (1 - fx) + tap(1, 1) * fx) * fy


def images():
    """Every stored type, channel count and colour space, with its linear RGBA as the answer."""
    rng = np.random.default_rng(8)
    out = []
    for dtype in (np.uint8, np.uint16, np.float32):
        for channels in (1, 2, 3, 4):
            for space in ("srgb", "linear", "data"):
                raw = rng.random((5, 7, channels), np.float32)
                peak = 1.0 if dtype == np.float32 else float(np.iinfo(dtype).max)
                pixels = raw * np.float32(3.0) if dtype == np.float32 else np.round(raw * peak).astype(dtype)
                value = pixels.astype(np.float32) / np.float32(peak)
                rgba = np.ones((5, 7, 4), np.float32)
                rgba[..., :3] = value[..., :1] if channels <= 2 else value[..., :3]
                if channels in (2, 4):
                    rgba[..., 3] = value[..., -1]
                if space == "srgb":
                    rgba[..., :3] = srgb_to_linear(rgba[..., :3])
                out.append((Image(str(len(out)), pixels, space), rgba))
    return out


def test_every_format_reads_as_bilinear_linear_light(read):
    cases = images()
    uv = np.random.default_rng(1).uniform(-3, 3, (400, 2)).astype(np.float32)
    slots = np.array([slot(k) for k in range(len(cases))])
    for k, (image, linear) in enumerate(cases):
        got = read([i for i, _ in cases], slots, k, uv)
        tolerance = 2e-5 if image.pixels.dtype == np.uint8 else 4e-3  # halves keep eleven bits
        assert np.abs(got - expected(linear, uv, 0, 0, smooth=1)).max() < tolerance, (image.pixels.dtype, k)


@pytest.mark.parametrize("smooth", [0, 1])
@pytest.mark.parametrize("wrap_u", range(3), ids=WRAPS)
@pytest.mark.parametrize("wrap_v", range(3), ids=WRAPS)
def test_wraps_and_filters_are_those_of_the_sampler(read, wrap_u, wrap_v, smooth):
    image, linear = images()[10]
    uv = np.random.default_rng(2).uniform(-2.5, 2.5, (2000, 2)).astype(np.float32)
    edge = np.abs(uv * (7, 5) - np.round(uv * (7, 5))).min(1) < 1e-3  # nearest flips there by rounding
    got = read([image], slot(0, wrap_u=wrap_u, wrap_v=wrap_v, smooth=smooth), 0, uv)
    difference = np.abs(got - expected(linear, uv, wrap_u, wrap_v, smooth=smooth)).max(1)
    assert difference[~edge].max() < 5e-5


def test_a_missing_image_is_magenta_and_a_missing_number_changes_nothing(read):
    uv = np.full((1, 2), 0.3, np.float32)
    assert read([], slot(-1, gain=3.0), 0, uv).tolist() == [[1, 0, 1, 1]]
    assert read([], slot(-1, channel=1, gain=3.0), 0, uv).tolist() == [[1, 1, 1, 1]]


def test_slots_choose_channel_gain_bias_and_coordinates(read):
    image, linear = images()[11]
    rng = np.random.default_rng(3)
    uv0, uv1 = rng.random((2, 300, 2)).astype(np.float32)
    matrix = (0.5, -0.3, 0.1, 0.2, 0.7, -0.4)
    mapped = uv1 @ np.array(((0.5, 0.2), (-0.3, 0.7)), np.float32) + np.array((0.1, -0.4), np.float32)
    value = expected(linear, mapped, 0, 0, smooth=1)
    for channel in range(4):
        got = read([image], slot(0, uv=1, channel=channel, gain=2.0, bias=-0.25, matrix=matrix), 0, uv0, uv1)
        assert np.allclose(got, np.repeat(value[:, channel : channel + 1], 4, 1) * 2 - 0.25, atol=1e-4)
    got = read([image], slot(0, uv=1, gain=2.0, bias=-0.25, matrix=matrix), 0, uv0, uv1)
    assert np.allclose(got[:, :3], value[:, :3] * 2 - 0.25, atol=1e-4)
    assert np.allclose(got[:, 3], value[:, 3], atol=1e-4)


def test_a_sun_beyond_half_floats_keeps_its_strength(read):
    pixels = np.array([[[5e6, 1.0, 7e-3]]], np.float32)
    got = read([Image("sun", pixels, "linear")], slot(0), 0, np.full((1, 2), 0.5, np.float32))
    assert np.allclose(got[0, :3], pixels[0, 0], rtol=2e-3)


def test_small_halves_survive(read):
    pixels = np.array([[[3e-5, 1e-6, 6e-8]]], np.float32)
    got = read([Image("dark", pixels, "linear")], slot(0), 0, np.full((1, 2), 0.5, np.float32))
    assert np.allclose(got[0, :3], pixels[0, 0].astype(np.float16), rtol=1e-6)


def test_broken_coordinates_read_some_texel(read):
    image, _ = images()[0]
    uv = np.array([(np.nan, 0.5), (np.inf, -np.inf), (1e30, 0.1), (-1e7, 1e9)], np.float32)
    for wrap in range(3):
        assert np.isfinite(read([image], slot(0, wrap_u=wrap, wrap_v=wrap), 0, uv)).all()


def test_broken_texels_are_black(read):
    pixels = np.array([[[np.nan, np.inf, -np.inf]]], np.float32)
    got = read([Image("bad", pixels, "linear")], slot(0), 0, np.full((1, 2), 0.5, np.float32))
    assert np.isfinite(got).all() and got[0, 0] == 0 and got[0, 2] == 0
