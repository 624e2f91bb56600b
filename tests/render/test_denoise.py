"""Denoising: closer to the truth, still over a sequence, true to what needs no cleaning."""

from __future__ import annotations

import numpy as np
import pytest

from studio.render.denoise import Denoiser, measured_scale
from studio.render.film import REC709_LUMINANCE, Film, plan_layout
from studio.render.output import picture

H, W = 90, 160
LEVEL = 200.0  # nits; far from the 1 that the network likes


@pytest.fixture(scope="module")
def denoiser():
    with Denoiser(W, H) as made:
        yield made


def guides() -> tuple[np.ndarray, np.ndarray]:
    """A chequered albedo and normals that turn over the picture."""
    y, x = np.mgrid[0:H, 0:W]
    albedo = np.where((x // 16 + y // 16) % 2, 0.8, 0.2)[..., None].repeat(3, 2).astype(np.float32)
    angle = x / W * 2 - 1
    normal = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], -1).astype(np.float32)
    return albedo, normal


def truth() -> np.ndarray:
    albedo, normal = guides()
    return albedo * normal[..., 2:] * np.array([1.0, 0.9, 0.7], np.float32) * LEVEL


def noisy(clean: np.ndarray, seed: int, strength: float = 1.0) -> np.ndarray:
    """The picture under noise of relative deviation sqrt(strength), with the mean kept, each pixel on its own."""
    grain = np.random.default_rng(seed).gamma(1 / strength, strength, (*clean.shape[:2], 1))
    return (clean * grain).astype(np.float32)


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a.astype(np.float64) - b) ** 2)))


def test_the_error_falls_tenfold_and_the_level_is_kept(denoiser):
    clean = truth()
    rough = noisy(clean, 1)
    out = denoiser.denoise(rough, *guides(), input_scale=1 / LEVEL)
    assert out.dtype == np.float32 and out.shape == (H, W, 3)
    assert rmse(out, clean) < 0.1 * rmse(rough, clean)
    assert out.mean() == pytest.approx(clean.mean(), rel=0.02)


def test_noise_in_the_guides_does_not_print_through(denoiser):
    albedo, normal = guides()
    rng = np.random.default_rng(4)
    rough_albedo = np.clip(albedo + rng.normal(0, 0.1, albedo.shape), 0, 1).astype(np.float32)
    rough_normal = (normal + rng.normal(0, 0.1, normal.shape)).astype(np.float32)
    rough = noisy(truth(), 1)
    out = denoiser.denoise(rough, rough_albedo, rough_normal, input_scale=1 / LEVEL)
    assert rmse(out, truth()) < 0.1 * rmse(rough, truth())


@pytest.mark.parametrize("level", [0.01, 1.0, 300.0])
def test_a_constant_picture_stays_constant_to_its_corners(denoiser, level):
    flat = np.full((H, W, 3), level, np.float32)
    normal = np.broadcast_to(np.array([0, 0, 1], np.float32), flat.shape)
    out = denoiser.denoise(flat, np.full_like(flat, 0.5), normal, input_scale=0.3 / level)
    np.testing.assert_allclose(out, flat, rtol=0.01)


def test_black_stays_black(denoiser):
    zero = np.zeros((H, W, 3), np.float32)
    assert np.abs(denoiser.denoise(zero, zero, zero, input_scale=1.0)).max() < 1e-3


def test_one_scale_over_a_sequence_gives_no_pumping(denoiser):
    """Frames of one still scene while a bright thing enters: what does not change must not breathe."""
    albedo, normal = guides()
    levels = []
    for frame in range(6):
        clean = truth()
        clean[:, : 12 * frame] *= 6
        out = denoiser.denoise(noisy(clean, 100 + frame, 0.3), albedo, normal, input_scale=1 / LEVEL)
        levels.append(out[:, 96:].mean() / clean[:, 96:].mean())
    assert np.ptp(levels) < 0.02


def test_the_scale_is_the_one_given_and_not_the_pictures_own(denoiser):
    """Brightening picture and scale together changes nothing; with the scale held, the network sees the change."""
    albedo, normal = guides()
    rough = noisy(truth(), 2)
    base = denoiser.denoise(rough, albedo, normal, input_scale=1 / LEVEL)
    both = denoiser.denoise(rough * 64, albedo, normal, input_scale=1 / (64 * LEVEL))
    held = denoiser.denoise(rough * 64, albedo, normal, input_scale=1 / LEVEL)
    np.testing.assert_allclose(both, base * 64, rtol=1e-3)
    assert np.abs(held / (base * 64) - 1).max() > 0.01


def test_the_same_input_gives_the_same_bits(denoiser):
    rough = noisy(truth(), 3)
    first = denoiser.denoise(rough, *guides(), input_scale=1 / LEVEL)
    denoiser.denoise(truth() * 2, *guides(), input_scale=1.0)
    assert denoiser.denoise(rough, *guides(), input_scale=1 / LEVEL).tobytes() == first.tobytes()


def test_inputs_are_left_alone_and_pixels_that_are_no_numbers_do_not_spread(denoiser):
    rough, (albedo, normal) = noisy(truth(), 5), guides()
    rough[10, 10], rough[20, 20, 0], albedo[30, 30] = np.nan, np.inf, np.nan
    before = rough.copy()
    out = denoiser.denoise(rough, albedo, normal, input_scale=1 / LEVEL)
    np.testing.assert_array_equal(rough, before)
    assert np.isfinite(out).all()


def test_another_size_is_refused(denoiser):
    small = np.zeros((8, 8, 3), np.float32)
    with pytest.raises(ValueError, match="shape"):
        denoiser.denoise(small, small, small, input_scale=1.0)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 33)])
def test_tiny_pictures_are_denoised(size):
    with Denoiser(*size, threads=1) as small:
        flat = np.full((size[1], size[0], 3), 0.5, np.float32)
        np.testing.assert_allclose(small.denoise(flat, flat, flat, input_scale=1.0), flat, rtol=0.02)


def test_the_measured_scale_brings_a_picture_to_grey():
    picture_of = np.full((4, 4, 3), 50.0, np.float32)
    assert measured_scale(picture_of, REC709_LUMINANCE) == pytest.approx(0.18 / 50, rel=1e-5)
    assert measured_scale(np.zeros((4, 4, 3), np.float32), REC709_LUMINANCE) == 1.0
    picture_of[0, 0] = np.nan
    assert np.isfinite(measured_scale(picture_of, REC709_LUMINANCE))


def test_a_film_is_denoised_beauty_and_light_groups(denoiser):
    groups = ("", "key")
    film = Film.of(plan_layout(W, H, aovs=("albedo", "normal", "lights"), light_groups=groups, exponent=20))
    film.counts.fill(1)
    albedo, normal = guides()
    values = {"albedo": albedo, "N": normal, "light_ungrouped": noisy(truth() / 4, 8), "light_key": noisy(truth(), 9)}
    values[""] = values["light_ungrouped"] + values["light_key"]
    for prefix, value in values.items():
        for index, name in enumerate(film.names(prefix)[:3]):
            at = [c.name for c in film.channels].index(name)
            film.sums[..., at] = np.rint(value[..., index] * 2.0 ** film.channels[at].exponent)
    clean = denoiser.denoise_film(film, input_scale=1 / LEVEL)
    assert set(clean) == {"", "light_ungrouped", "light_key"}
    assert rmse(clean[""], truth() * 1.25) < 0.2 * rmse(film.rgb(""), truth() * 1.25)
    assert rmse(clean["light_key"], truth()) < 0.2 * rmse(film.rgb("light_key"), truth())
    parts = {part.name: part for part in picture(film, denoised=clean).parts}
    np.testing.assert_array_equal(parts["light_key"].pixels, clean["light_key"])
