"""From layers to bytes."""

import numpy as np
import pytest

from studio.ui.developing import CHANNELS, Developing, develop, differing

GREY = np.full((4, 6, 4), 0.18, np.float32)


def test_exposure_brightens_and_gamma_lifts():
    plain = develop(GREY, "beauty", Developing(), exact=True)
    assert (develop(GREY, "beauty", Developing(exposure_ev=1.0), exact=True) > plain)[..., :3].all()
    assert (develop(GREY, "beauty", Developing(gamma=2.0), exact=True) > plain)[..., :3].all()
    assert (develop(GREY, "beauty", Developing(), camera_ev=1.0, exact=True) > plain)[..., :3].all()


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_of_every_kind_of_layer_develops(channel):
    rng = np.random.default_rng(1)
    for layer, n in (
        ("beauty", 4),
        ("normal", 3),
        ("depth", 1),
        ("uv", 2),
        ("albedo", 3),
        ("samples", 1),
        ("position", 3),
    ):
        pixels = rng.normal(size=(5, 7, n)).astype(np.float32)
        pixels[0, 0] = np.nan
        pixels[1, 1] = np.inf
        shown = develop(pixels, layer, Developing(channel=channel))
        assert shown.shape == (5, 7, 4) and shown.dtype == np.uint8


def test_a_single_channel_is_grey():
    picture = GREY.copy()
    picture[..., 0] = 1.0
    shown = develop(picture, "beauty", Developing(channel="R"), exact=True)
    assert np.ptp(shown[..., :3].astype(int), axis=-1).max() <= 1 and shown[0, 0, 0] > 150


def test_normals_are_shown_as_colours_whatever_the_exposure():
    up = np.zeros((2, 2, 3), np.float32)
    up[..., 1] = 1.0
    shown = develop(up, "normal", Developing(exposure_ev=5.0))
    assert shown[0, 0].tolist() == [128, 255, 128, 255]


def test_equal_pictures_do_not_differ_and_shadows_count_like_lights():
    assert not differing(GREY, GREY, Developing())[..., :3].any()
    dim, bright = GREY * 1e-3, GREY * 1e3
    a = differing(dim, dim * 2, Developing())
    b = differing(bright, bright * 2, Developing())
    assert np.array_equal(a, b) and a[..., 0].min() > 60
