"""Strips by hand: moved, trimmed, faded, looped, sped up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.scene.animation import make_curve
from studio.scene.clips import Clip, Strip
from studio.scene.entities import Group
from studio.scene.scene import Scene
from studio.ui.strip_panel import StripPanel
from tests.ui.desk import PlainDesk
from tests.ui.test_timeline import drag


@pytest.fixture
def view(qtbot: QtBot) -> Iterator[Any]:
    times = np.array([0.0, 40.0])
    curve = make_curve(times, np.outer(times, (1, 0, 0)))
    clip = Clip(id="walk", name="walk", start=0.0, end=40.0, tracks={"g.translation": curve})
    scene = Scene(frame_start=1.0, frame_end=120.0).add(Group(id="g", name="Walker"))
    strip = Strip(id="s", name="walk", clip="walk", start=20.0, clip_in=0.0, clip_out=40.0)
    studio = Studio(scene=replace(scene, clips={"walk": clip}, strips={"s": strip}))
    desk: Any = PlainDesk(studio)
    panel = StripPanel(studio, desk)
    qtbot.addWidget(panel)
    panel.resize(900, 240)
    with qtbot.waitExposed(panel):
        panel.show()
    made: Any = panel.sheet
    made.studio, made.panel = studio, panel
    yield made
    panel.close_panel()
    desk.playback.close()
    desk.sound.close()
    desk.bridge.close()


def strip(view: Any) -> Strip:
    found: Strip = view.studio.scene.strips["s"]
    return found


def spot(view: Any, part: str) -> QPoint:
    """A place on a part of the strip, looked for as a hand would."""
    box = view.bar_of(strip(view))
    for y in np.arange(box.top() + 2, box.bottom(), 1.0):
        for x in np.arange(box.left() - 2, box.right() + 3, 1.0):
            if view.hit(QPointF(x, y)).part == part:
                inside = QPointF(x + 1, y + 1)
                return (inside if view.hit(inside).part == part else QPointF(x, y)).toPoint()
    raise AssertionError(f"no {part} to be grabbed")


def pull(view: Any, part: str, frames: float, rows: int = 0, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
    start = spot(view, part)
    drag(view, start, start + QPoint(round(frames * view.scale.per_frame), rows * view.row_height), modifiers)


def test_a_strip_is_moved_along_and_up_in_one_step(view: Any, shot: Any) -> None:
    pull(view, "body", 15, rows=-1)
    assert (strip(view).start, strip(view).layer) == (35.0, 1)
    assert view.studio.chosen_strips == ("s",) and len(view.studio.document.history[0]) == 1
    shot(view.panel, "strips")
    pull(view, "body", 0, rows=3)
    assert strip(view).layer == 0


def test_ends_are_trimmed_and_what_plays_stays_where_it_was(view: Any) -> None:
    view.studio.frame = 40.0
    seen = view.studio.posed.entities["g"].translation
    pull(view, "start", 10)
    assert (strip(view).start, strip(view).clip_in) == (30.0, 10.0)
    pull(view, "end", -10)
    assert (strip(view).end, strip(view).clip_out) == (50.0, 30.0)
    assert view.studio.posed.entities["g"].translation == pytest.approx(seen)


def test_corners_fade(view: Any, shot: Any) -> None:
    pull(view, "in", 8)
    pull(view, "out", -12)
    assert 6 <= strip(view).blend_in <= 10 and 10 <= strip(view).blend_out <= 14
    assert strip(view).blend_in % 1 == 0 and strip(view).frames == 40.0
    shot(view.panel, "strips-faded")
    pull(view, "in", 90)
    assert strip(view).blend_in + strip(view).blend_out <= strip(view).frames


def test_the_grip_loops_and_alt_changes_the_speed(view: Any) -> None:
    pull(view, "loop", 42)
    assert strip(view).loops == 2.0 and strip(view).end == 100.0
    pull(view, "end", -40, modifiers=Qt.KeyboardModifier.AltModifier)
    assert strip(view).end == pytest.approx(60.0) and strip(view).speed == pytest.approx(2.0)
    assert strip(view).loops == 2.0


def test_escape_takes_a_drag_back_and_nothing_can_be_trimmed_away(view: Any) -> None:
    start = spot(view, "body")
    QTest.mousePress(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(view, start + QPoint(80, 0))
    assert strip(view).start != 20.0
    QTest.keyClick(view, Qt.Key.Key_Escape)
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    assert strip(view).start == 20.0
    pull(view, "end", -80)
    assert strip(view).frames > 0


def test_a_clip_is_laid_by_the_button_and_split_where_the_frame_is(view: Any) -> None:
    view.studio.frame = 70.0
    QTest.mouseClick(view.panel.findChild(QToolButton, "strips.add"), Qt.MouseButton.LeftButton)
    assert [s.start for s in view.studio.scene.strips.values()] == [20.0, 70.0]
    view.studio.frame = 90.0
    QTest.mouseClick(view.panel.findChild(QToolButton, "strips.time.split_strips"), Qt.MouseButton.LeftButton)
    assert len(view.studio.scene.strips) == 3
    QTest.mouseClick(view.panel.findChild(QToolButton, "strips.time.mute_strips"), Qt.MouseButton.LeftButton)
    assert sum(s.muted for s in view.studio.scene.strips.values()) == 1
