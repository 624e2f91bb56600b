"""Colour: matrices, luminance and the display transform."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import UsageError
from studio.scene import color


def test_matrices_agree_with_the_configuration():
    for source, target in (("rec709", "acescg"), ("acescg", "rec709")):
        theirs = np.eye(3, dtype=np.float32)
        spaces = color.WORKING_SPACES
        color.config().getProcessor(spaces[source], spaces[target]).getDefaultCPUProcessor().applyRGB(theirs)
        np.testing.assert_allclose(color.matrix(source, target), theirs.T, atol=2e-6)


def test_white_stays_white_and_round_trips_hold():
    np.testing.assert_allclose(color.matrix("rec709", "acescg") @ np.ones(3), 1, atol=1e-6)
    rgb = np.random.default_rng(1).random((5, 7, 3)).astype(np.float32)
    back = color.convert(color.convert(rgb, "rec709", "acescg"), "acescg", "rec709")
    np.testing.assert_allclose(back, rgb, atol=2e-6)
    assert color.convert(rgb, "acescg", "acescg") is rgb


def test_luminance_weights_are_the_y_row_of_the_primaries():
    for space in ("rec709", "acescg"):
        weights = color.luminance_weights(space)
        assert sum(weights) == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose(weights, color.to_xyz(space)[1], atol=1e-4)
    assert color.luminance_weights("acescg") == pytest.approx((0.2722287, 0.6740818, 0.0536895), abs=1e-6)


def test_the_plain_view_is_the_srgb_curve():
    linear = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8, 1).repeat(3, axis=2)
    curve = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(color.display_transform(linear, view=color.PLAIN_VIEW), curve, atol=2e-5)


def test_exposure_is_stops():
    rgb = np.full((2, 3, 3), 0.1, np.float32)
    np.testing.assert_array_equal(
        color.display_transform(rgb, exposure_ev=2.0), color.display_transform(rgb * np.float32(4))
    )


def test_the_default_view_keeps_highlights_apart_where_the_plain_one_clips():
    rgb = np.stack([np.full((1, 1, 3), v, np.float32) for v in (1.0, 2.0, 4.0, 8.0)], axis=1)[:, :, 0]
    assert (np.diff(color.display_transform(rgb)[0, :, 1]) > 0).all()
    assert (color.display_transform(rgb, view=color.PLAIN_VIEW) == 1).all()


def test_bands_join_without_a_seam():
    rng = np.random.default_rng(2)
    rgb = rng.random((301, 997, 3)).astype(np.float32) * 4
    shown = color.display_transform(rgb)
    alone = np.concatenate([color.display_transform(rgb[y : y + 1]) for y in range(0, 301, 50)])
    np.testing.assert_array_equal(shown[::50], alone)


def test_values_that_are_no_numbers_and_absurd_exposures_are_shown():
    rgb = np.array([[[np.nan, 1, 1], [np.inf, np.inf, np.inf], [-np.inf, 0, 0], [3e38, 0, 0]]], np.float32)
    for ev in (0.0, 1e9, -1e9):
        shown = color.display_transform(rgb, exposure_ev=ev)
        assert np.isfinite(shown).all() and shown.min() >= 0 and shown.max() <= 1
    assert color.display_transform(np.zeros((0, 4, 3), np.float32)).shape == (0, 4, 3)


def test_the_input_is_left_alone_and_may_be_a_view():
    rgb = np.random.default_rng(3).random((4, 6, 4)).astype(np.float32)
    before = rgb.copy()
    rgb.flags.writeable = False
    shown = color.display_transform(rgb[..., :3])
    np.testing.assert_array_equal(rgb, before)
    np.testing.assert_array_equal(shown, color.display_transform(before[..., :3].copy()))


def test_working_spaces_show_the_same_colour():
    rgb = np.array([[[0.2, 0.5, 0.1]]], np.float32)
    wide = color.convert(rgb, "rec709", "acescg")
    np.testing.assert_allclose(color.display_transform(rgb), color.display_transform(wide, space="acescg"), atol=1e-4)


def test_views_are_found_by_part_of_their_name():
    assert color.views()[0] == color.DEFAULT_VIEW
    assert color.find_view("aces") == color.ACES_VIEW
    assert color.find_view("UN-TONE-MAPPED") == color.PLAIN_VIEW
    assert "sRGB - Display" in color.displays()


@pytest.mark.parametrize("name", ["", "filmic", "a"])
def test_unknown_views_are_refused_with_those_there_are(name):
    with pytest.raises(UsageError, match="Un-tone-mapped"):
        color.find_view(name)


def test_unknown_displays_and_spaces_are_refused():
    with pytest.raises(UsageError, match="sRGB - Display"):
        color.views("my television")
    with pytest.raises(UsageError, match="acescg"):
        color.luminance_weights("rec2020")
