"""Burn-ins and slates: seen where they belong at any size, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio.errors import UsageError
from studio.render import burnin
from studio.render.burnin import (
    Stamp,
    check_texts,
    has_cjk,
    has_cjk_font,
    places,
    slate_card,
    slate_rows,
    stamp_of,
    text_mask,
    text_values,
)
from studio.render.export import ExportSettings
from studio.render.export_names import export_names
from studio.scene.animation import make_curve
from studio.scene.timeline import Marker, Timeline
from tests.render.stage import stage

GREY = 0.5


def picture(width, height, channels=3, dtype=np.float32):
    if np.dtype(dtype).kind == "u":
        return np.full((height, width, channels), np.iinfo(dtype).max // 2, dtype)
    return np.full((height, width, channels), GREY, dtype)


@pytest.mark.parametrize("height", [1080, 360, 36])
@pytest.mark.parametrize("corner", range(6))
def test_a_text_stands_at_its_place_and_leaves_the_rest_alone(height, corner):
    width = height * 16 // 9
    texts = tuple("0024" if i == corner else "" for i in range(6))
    before = picture(width, height)
    after = Stamp(texts).draw(before)
    changed = np.argwhere(np.abs(after - before).max(axis=-1) > 0)
    (y0, x0), (y1, x1) = changed.min(0), changed.max(0)
    assert (y1 < height / 2 or height < 100) if corner < 3 else (y0 > height / 2 or height < 100)
    middle = (x0 + x1) / 2 / width
    assert (middle < 0.45, abs(middle - 0.5) < 0.02, middle > 0.55)[corner % 3]
    assert np.all(before == GREY)  # a picture is not drawn on in place
    assert after.max() > 0.9 and after.min() < 0.3  # white letters over a darkened box


@pytest.mark.parametrize("height", [1080, 360])
def test_letters_are_large_enough_to_read(height):
    mask = text_mask("0024", burnin.size_px(height), 10_000)
    letters = np.flatnonzero((mask > 0.5).any(axis=1))
    assert letters[-1] - letters[0] + 1 >= max(8, 0.017 * height)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_whole_numbers_and_floats_get_the_same_letters(dtype):
    full = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1.0
    shown = Stamp(("{x}", "", "", "", "", "")).draw(picture(160, 90, dtype=dtype)).astype(np.float64) / full
    expected = Stamp(("{x}", "", "", "", "", "")).draw(picture(160, 90))
    assert np.abs(shown - expected).max() < 0.01


def test_a_transparent_picture_shows_its_texts():
    after = Stamp(("shot", "", "", "", "", "")).draw(np.zeros((90, 160, 4), np.float32))
    assert after[..., 3].max() == pytest.approx(1.0) and after[-1, -1, 3] == 0.0


def test_long_texts_get_smaller_and_then_an_ellipsis_and_never_meet():
    texts = ("a long text " * 9, "in the middle", "another long text " * 9, "", "", "")
    before = picture(640, 360)
    after = Stamp(texts).draw(before)
    columns = np.flatnonzero((np.abs(after - before).max(axis=-1) > 0).any(axis=0))
    assert np.sum(np.diff(columns) > 1) == 2  # three boxes with room between them
    assert columns[0] >= 4 and columns[-1] <= 640 - 5


def test_chinese_is_drawn_with_a_font_that_has_it():
    if not has_cjk_font():
        pytest.skip("no font with Chinese on this machine")
    one, other = text_mask("灯", 40, 1000), text_mask("光", 40, 1000)
    # without the glyphs both would be the same empty box
    assert one.shape != other.shape or np.abs(one - other).max() > 0.5
    assert has_cjk("灯光") and has_cjk("プレビュー") and has_cjk("조명") and not has_cjk("Licht, \u00e9clairage")


def test_a_machine_without_fonts_still_writes_latin(monkeypatch):
    monkeypatch.setattr(burnin, "_LATIN", ())
    monkeypatch.setattr(burnin, "_CJK", ())
    burnin._font.cache_clear()
    assert text_mask("0024", 20, 1000).max() > 0.9
    assert not burnin._found(())
    burnin._font.cache_clear()


def shot():
    scene = stage().replace("camera", f_stop=2.8, focus_distance_m=4.5)
    scene = replace(
        scene,
        notes="Warmer key.",
        timeline=Timeline(markers=(Marker(frame=1, name="door"), Marker(frame=2, name="turn"))),
        tracks={**scene.tracks, "camera.focal_length_mm": make_curve([1, 2], [[35.0], [50.0]])},
    )
    settings = ExportSettings(
        width=640, height=360, frames="1-2", artist="Lin", burn_ins=places({"bottom left": "{frame} {timecode}"})
    )
    return scene, settings, export_names(settings, scene)


def test_tokens_tell_of_the_camera_as_it_is_at_the_frame():
    scene, settings, names = shot()
    first, second = (text_values(scene, settings, names, frame) for frame in (1, 2))
    assert (first["focal"], second["focal"]) == ("35 mm", "50 mm")
    assert second["lens"] == "50 mm f/2.8" and second["focus"] == "4.5 m"
    assert (first["marker"], second["marker"]) == ("door", "turn")
    stamp = stamp_of(scene, settings, names, 2)
    assert stamp is not None and stamp.texts == ("", "", "", "0002 00:00:00:02", "", "")


def test_nobody_asked_for_burn_ins():
    scene, _, names = shot()
    assert stamp_of(scene, ExportSettings(), names, 1) is None


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (640, 360), (64, 36), (360, 640)])
def test_a_slate_says_what_follows_at_any_size(width, height):
    scene, settings, names = shot()
    settings = ExportSettings(**{f: getattr(settings, f) for f in ("frames", "artist")}, width=width, height=height)
    card = slate_card(scene, settings, names, 1)
    assert card.shape == (height, width, 3) and card.min() >= 0 and card.max() <= 1
    text = card[: height * 85 // 100]
    assert np.mean(text > 0.6) > 0.001  # there are letters
    rows = dict(slate_rows(scene, settings, names, 1))
    assert rows["Artist"] == "Lin" and rows["Frames"] == "1-2 at 24 fps" and rows["Notes"] == "Warmer key."


def test_a_text_without_sense_is_found_before_rendering():
    with pytest.raises(UsageError, match="frame"):
        check_texts(ExportSettings(burn_ins=("{fram}",)))
    check_texts(ExportSettings(burn_ins=("{frame:06} {timecode}",), slate_texts=("{notes}",)))
