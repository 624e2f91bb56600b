"""Domes: no light is made or lost on the way from a picture to its maps and suns."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.scene.geometry import Image, make_image
from studio.viewport import environment as env


def picture(h: int = 64, w: int = 128, *, sun: float = 0.0) -> Image:
    rng = np.random.default_rng(7)
    pixels = rng.random((h, w, 3), np.float32) ** 2
    if sun:
        pixels[h // 4 : h // 4 + 2, w // 3 : w // 3 + 3] = (sun, 0.8 * sun, 0.6 * sun)
    return make_image(pixels, colour_space="linear")


def weights(h: int, w: int) -> NDArray[np.float64]:
    edges = np.cos(np.pi * np.arange(h + 1) / h)
    return np.repeat((edges[:-1] - edges[1:])[:, None] / (2.0 * w), w, axis=1)


def level(tile: env.DomeTile, k: int) -> NDArray[np.float32]:
    """Level k of a tile, without its border."""
    side = tile.size >> k
    top = sum((tile.size >> j) + 2 for j in range(1, k))
    left = 0 if k == 0 else tile.size + 2
    return tile.pixels[top + 1 : top + 1 + side, left + 1 : left + 1 + side, :3]


def test_an_octahedral_map_and_back() -> None:
    u, v = env.octahedral(env.directions(16))
    assert np.allclose(u * 16 - 0.5, np.arange(16)[None, :])
    assert np.allclose(v * 16 - 0.5, np.arange(16)[:, None])
    assert env.solid_angles(64).sum() == pytest.approx(4.0 * np.pi)


@pytest.mark.parametrize("sun", [0.0, 5e4])
@pytest.mark.parametrize("shape", [(256, 512), (192, 400), (700, 1400)])
def test_every_level_has_the_mean_of_the_picture(shape: tuple[int, int], sun: float) -> None:
    image = picture(*shape, sun=sun)
    tile = env.dome_tile(image)
    mean = (image.pixels * weights(*shape)[..., None]).sum(axis=(0, 1))
    assert tile.mean == pytest.approx(mean, rel=2e-3)
    suns = (tile.suns[:, 4:] * tile.suns[:, 3:4] ** 2).sum(axis=0) / 4.0
    k = 0
    while tile.size >> k >= env.SMALLEST:
        solid = env.solid_angles(tile.size >> k)[..., None]
        found = (level(tile, k) * solid).sum(axis=(0, 1)) / (4.0 * np.pi) + suns
        assert found == pytest.approx(mean, rel=4e-3)
        k += 1


def test_a_small_picture_is_read_between_its_texels() -> None:
    tile = env.dome_tile(make_image(np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 4, 3), colour_space="linear"))
    assert np.isfinite(tile.pixels).all()
    first = level(tile, 0)
    assert np.abs(np.diff(first, axis=0)).max() < 0.1


def test_a_sun_becomes_a_light_of_the_same_flux_and_place() -> None:
    h, w = 256, 512
    pixels = np.full((h, w, 3), 0.2, np.float32)
    pixels[60:63, 300:304] = (9e4, 8e4, 7e4)
    tile = env.dome_tile(make_image(pixels, colour_space="linear"))
    assert len(tile.suns) == 1
    direction, sine, radiance = tile.suns[0, :3], tile.suns[0, 3], tile.suns[0, 4:]
    theta, phi = np.pi * 61.5 / h, 2.0 * np.pi * (302.0 / w - 0.5)
    there = np.array([np.sin(theta) * np.sin(phi), np.cos(theta), -np.sin(theta) * np.cos(phi)])
    assert direction @ there > np.cos(0.005)
    flux = (pixels * weights(h, w)[..., None])[60:63, 300:304].sum(axis=(0, 1)) * 4.0 * np.pi
    assert radiance * np.pi * sine**2 == pytest.approx(flux, rel=1e-3)
    assert level(tile, 0).max() < 2.0


def test_irradiance_is_that_of_the_picture() -> None:
    image = picture(sun=300.0)
    h, w = image.pixels.shape[:2]
    sky, suns = env.without_suns(np.asarray(image.pixels, np.float32))
    tile = env.dome_tile(image)
    size = env.IRRADIANCE
    top = sum((tile.size >> j) + 2 for j in range(1, int(np.log2(tile.size // env.SMALLEST)) + 1))
    left = tile.size + 2
    found = tile.pixels[top + 1 : top + 1 + size, left + 1 : left + 1 + size, :3]
    theta, phi = np.pi * (np.arange(h) + 0.5)[:, None] / h, 2.0 * np.pi * ((np.arange(w) + 0.5)[None] / w - 0.5)
    d = np.stack(np.broadcast_arrays(np.sin(theta) * np.sin(phi), np.cos(theta), -np.sin(theta) * np.cos(phi)), axis=-1)
    for normal, value in zip(env.directions(size).reshape(-1, 3)[::97], found.reshape(-1, 3)[::97], strict=True):
        cosine = np.maximum(d @ normal, 0.0) * weights(h, w) * 4.0
        expected = (sky * cosine[..., None]).sum(axis=(0, 1))
        assert value == pytest.approx(expected, rel=0.03)
    assert len(suns)


def test_borders_go_on_across_the_folds() -> None:
    """A map of a smooth function is smooth over its border too."""
    d = env.directions(32)
    smooth = np.stack([d[..., 0], d[..., 1], d[..., 2]], axis=-1)
    wide = env._padded(smooth)
    assert np.abs(np.diff(wide[:, :1], axis=0)).max() < 0.2
    assert np.abs(wide[0] - wide[1]).max() < 0.2
    assert np.abs(wide[:, -1] - wide[:, -2]).max() < 0.2


def test_broken_texels_are_dark() -> None:
    pixels = np.ones((32, 64, 3), np.float32)
    pixels[3, 4], pixels[5, 6], pixels[7, 8] = np.nan, -3.0, np.inf
    assert np.isfinite(env.dome_tile(Image("k", pixels, "linear")).pixels).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 8, 1), (3, 2, 4)])
def test_any_size_and_any_channels(shape: tuple[int, int, int]) -> None:
    tile = env.dome_tile(make_image(np.full(shape, 128, np.uint8), colour_space="data"))
    assert tile.pixels.shape[:2] == env.tile_shape(tile.size)
    assert tile.mean == pytest.approx((128 / 255,) * 3, rel=1e-3)
