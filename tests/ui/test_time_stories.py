"""Stories of time in the whole window: a light is keyed, scrubbed, played by Space, made a clip and retimed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QToolButton
from pytestqt.qtbot import QtBot

from studio.assets.gltf.writer import save_gltf
from studio.assets.load import load_scene
from tests.ui.test_timeline import drag


@pytest.fixture
def moving(active_window: Any, qtbot: QtBot) -> Any:
    """A window over a floor and a lamp that was keyed by hand at frames 1 and 25."""
    studio = active_window.application.studio
    studio.run("create.plane")
    studio.run("create.point_light")
    studio.run("time.set_range", first=1, last=48)
    canvas = active_window.panel("viewport").canvas
    canvas.setFocus()
    qtbot.keyClick(canvas, Qt.Key.Key_I)
    timeline = active_window.panel("timeline").canvas
    ruler = timeline.lanes()["keys"].center().toPoint().y()
    places = [QPoint(round(timeline.scale.x(frame)), ruler) for frame in (1.0, 25.0)]
    drag(timeline, *places)
    assert studio.frame == 25.0
    with studio.document.edit("Move") as edit:
        edit.replace(studio.selection, translation=(2.0, 1.0, 0.0))
    return active_window


def test_a_light_is_keyed_and_scrubbed(moving: Any, qtbot: QtBot, shot: Any) -> None:
    studio = moving.application.studio
    (lamp,) = studio.selection
    assert studio.scene.tracks[f"{lamp}.translation"].times.tolist() == [1.0, 25.0]
    timeline = moving.panel("timeline").canvas
    at = QPoint(round(timeline.scale.x(13.0)), round(timeline.lanes()["keys"].center().y()))
    QTest.mouseClick(timeline, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    x = studio.posed.entities[lamp].translation[0]
    assert studio.frame == 13.0 and 0.5 < x < 1.5
    qtbot.waitUntil(lambda: moving.findChild(QLabel, "status.frame").text().endswith("13"))
    moving.application.settle()
    shot(moving, "keyed")


def test_space_plays_and_only_what_shows_the_frame_is_told(moving: Any, qtbot: QtBot, monkeypatch: Any) -> None:
    studio, canvas = moving.application.studio, moving.panel("viewport").canvas
    canvas.setFocus()
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: studio.playing)
    qtbot.wait(50)
    titles: list[int] = []
    monkeypatch.setattr(moving, "retitle", lambda: titles.append(1))
    view, seen = moving.views[0], {studio.frame}
    drawn, begun = view.frames, len(seen)
    studio.watch(lambda update: seen.add(studio.frame) if "frame" in update.parts else None)
    qtbot.waitUntil(lambda: len(seen) > begun + 3)
    assert titles == []
    assert view.frames - drawn >= len(seen) - begun - 1  # each was drawn before the next was asked for
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: not studio.playing)


def test_space_presses_the_button_that_has_the_focus(moving: Any, qtbot: QtBot) -> None:
    studio = moving.application.studio
    button = moving.findChild(QToolButton, "timeline.time.autokey")
    button.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert studio.autokey and not studio.playing


def test_keys_become_a_clip_that_is_moved_and_retimed(moving: Any, qtbot: QtBot, shot: Any) -> None:
    studio = moving.application.studio
    (lamp,) = studio.selection
    moving.show_panel("strips")
    qtbot.wait(50)
    studio.run("time.make_clip", name="slide")
    sheet = moving.panel("strips").sheet
    (strip,) = studio.scene.strips.values()
    middle = sheet.bar_of(strip).center().toPoint()
    drag(sheet, middle, middle + QPoint(round(10 * sheet.scale.per_frame), 0))
    (strip,) = studio.scene.strips.values()
    assert strip.start == 11.0
    right = sheet.bar_of(strip)
    end = QPoint(round(right.right()) - 1, round(right.center().y()))
    drag(sheet, end, end - QPoint(round(12 * sheet.scale.per_frame), 0), Qt.KeyboardModifier.AltModifier)
    (strip,) = studio.scene.strips.values()
    assert strip.speed == pytest.approx(2.0, rel=0.1)
    studio.frame = strip.end
    assert studio.posed.entities[lamp].translation == pytest.approx((2.0, 1.0, 0.0), abs=1e-6)
    shot(moving, "retimed")


def test_an_imported_clip_is_laid_and_retimed(moving: Any, qtbot: QtBot, shot: Any, tmp_path: Path) -> None:
    studio = moving.application.studio
    (lamp,) = studio.selection
    studio.run("time.make_clip", name="slide")
    with studio.document.edit("Second clip") as edit:
        slide = next(iter(edit.scene.clips.values()))
        edit.scene = replace(
            edit.scene, strips={}, clips={**edit.scene.clips, "b": replace(slide, id="b", name="glide")}
        )
    save_gltf(studio.scene, tmp_path / "walks.glb")
    studio.show_scene(load_scene(tmp_path / "walks.glb")[0], None)
    names = sorted(clip.name for clip in studio.scene.clips.values())
    assert names == ["glide", "slide"], "several animations come as clips"
    panel = moving.show_panel("strips")
    qtbot.wait(50)
    sheet = panel.sheet
    QTest.mouseClick(moving.findChild(QToolButton, "strips.add"), Qt.MouseButton.LeftButton)
    (strip,) = studio.scene.strips.values()
    clip_frames = strip.clip_out - strip.clip_in
    right = sheet.bar_of(strip)
    end = QPoint(round(right.right()) - 1, round(right.center().y()))
    drag(sheet, end, end - QPoint(round(clip_frames / 2 * sheet.scale.per_frame), 0), Qt.KeyboardModifier.AltModifier)
    (strip,) = studio.scene.strips.values()
    assert strip.speed == pytest.approx(2.0, rel=0.1)
    lamp = next(id_ for id_, entity in studio.scene.entities.items() if type(entity).__name__ == "Light")
    studio.frame = strip.end
    assert studio.posed.entities[lamp].translation == pytest.approx((2.0, 1.0, 0.0), abs=1e-3)
    shot(moving, "imported-clip")


def test_a_layout_from_before_there_was_a_timeline_still_loads(window: Any) -> None:
    window.holder("timeline").release()
    dock = window._docks.pop("timeline")
    window.docks.removeDockWidget(dock)
    dock.deleteLater()
    old = window.layout_text()
    assert "timeline" not in json.loads(old)["panels"]
    window.default_layout()
    assert window.is_open("timeline")
    assert window.take_layout(old)
    assert not window.is_open("timeline") and window.is_open("light_list")
    assert window.show_panel("timeline") is not None
