"""The timeline under a real mouse: scrubbing, markers, cuts, ranges, zoom; and its bar."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.commands.time import retimed
from studio.scene.scene import Scene
from studio.scene.timeline import Cut, with_cut
from studio.ui.timeline import Timeline
from studio.ui.timeline_scale import Scale
from tests.ui.desk import PlainDesk


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[Timeline]:
    studio = Studio(scene=Scene(frame_start=1.0, frame_end=100.0))
    for _ in range(2):
        studio.run("create.camera")
    studio.run("time.add_marker", frame=20.0, name="one")
    studio.run("time.add_marker", frame=40.0, name="two")
    first, second = studio.scene.entities
    retimed(
        studio, "cuts", lambda t: with_cut(with_cut(t, Cut(frame=1.0, camera=first)), Cut(frame=50.0, camera=second))
    )
    desk: Any = PlainDesk(studio)
    made = Timeline(studio, desk)
    made.studio, made.desk = studio, desk  # type: ignore[attr-defined]
    qtbot.addWidget(made)
    made.resize(1000, 200)
    with qtbot.waitExposed(made):
        made.show()
    yield made
    made.close_panel()
    desk.playback.close()
    desk.sound.close()
    desk.bridge.close()


def place(panel: Timeline, frame: float, lane: str = "keys") -> QPoint:
    area = panel.canvas.lanes()[lane]
    return QPoint(round(panel.canvas.scale.x(frame)), round(area.center().y()))


def drag(widget: QWidget, start: QPoint, end: QPoint, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.mouseMove(widget, start)
    QTest.mousePress(widget, Qt.MouseButton.LeftButton, modifiers, start)
    for i in range(1, 7):
        QTest.mouseMove(widget, start + (end - start) * i / 6)
        QApplication.processEvents()
    QTest.mouseRelease(widget, Qt.MouseButton.LeftButton, modifiers, end)


def test_a_drag_scrubs_through_whole_frames(panel: Any, shot: Any) -> None:
    seen: list[float] = []
    panel.studio.watch(lambda update: seen.append(panel.studio.frame) if "frame" in update.parts else None)
    drag(panel.canvas, place(panel, 10.0), place(panel, 70.0))
    assert panel.studio.frame == 70.0 and seen[0] == 10.0 and len(set(seen)) > 3
    assert all(frame == round(frame) for frame in seen)
    assert not panel.studio.document.undo_label.startswith("Move")
    shot(panel, "timeline")


def test_ctrl_scrubs_between_frames(panel: Any) -> None:
    at = QPoint(round(panel.canvas.scale.x(30.5)), 30 + int(panel.canvas.lanes()["keys"].top()) - 20)
    QTest.mouseClick(panel.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, at)
    assert panel.studio.frame == pytest.approx(30.5, abs=0.1) and panel.studio.frame % 1


def test_a_marker_is_dragged_over_another_in_one_step_and_escape_takes_it_back(panel: Any) -> None:
    studio, steps = panel.studio, len(panel.studio.document.history[0])
    drag(panel.canvas, place(panel, 20.3, "markers"), place(panel, 60.3, "markers"))
    assert [(m.frame, m.name) for m in studio.scene.timeline.markers] == [(40.0, "two"), (60.0, "one")]
    assert len(studio.document.history[0]) == steps + 1
    studio.run("edit.undo")
    start = place(panel, 20.3, "markers")
    QTest.mousePress(panel.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(panel.canvas, start + QPoint(90, 0))
    QApplication.processEvents()
    assert studio.scene.timeline.markers[0].frame != 20.0
    QTest.keyClick(panel.canvas, Qt.Key.Key_Escape)
    QTest.mouseRelease(panel.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    assert studio.scene.timeline.markers[0].frame == 20.0


def test_an_edge_between_cameras_is_dragged(panel: Any) -> None:
    drag(panel.canvas, place(panel, 50.0, "cuts"), place(panel, 62.0, "cuts"))
    assert [cut.frame for cut in panel.studio.scene.timeline.cuts] == [1.0, 62.0]


def test_an_end_of_the_preview_range_is_dragged_and_cannot_pass_the_other(panel: Any) -> None:
    panel.studio.run("time.preview", first=10.0, last=30.0)
    low = QPoint(round(panel.canvas.scale.x(10.0)), round(panel.canvas.lanes()["ruler"].bottom()) - 3)
    drag(panel.canvas, low, QPoint(round(panel.canvas.scale.x(25.0)), low.y()))
    assert panel.studio.scene.timeline.preview == (25.0, 30.0)
    low = QPoint(round(panel.canvas.scale.x(25.0)), low.y())
    drag(panel.canvas, low, QPoint(round(panel.canvas.scale.x(80.0)), low.y()))
    assert panel.studio.scene.timeline.preview == (30.0, 30.0)


def test_the_wheel_zooms_about_the_pointer_and_the_middle_button_pans(panel: Any) -> None:
    canvas = panel.canvas
    at = place(panel, 60.0)
    before, frame = canvas.scale, canvas.scale.frame(at.x())
    wheel = QWheelEvent(
        QPointF(at), canvas.mapToGlobal(QPointF(at)), QPoint(), QPoint(0, 240), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(canvas, wheel)
    assert canvas.scale.per_frame > before.per_frame and canvas.scale.frame(at.x()) == pytest.approx(frame)
    left = canvas.scale.left
    QTest.mousePress(canvas, Qt.MouseButton.MiddleButton, Qt.KeyboardModifier.NoModifier, at)
    QTest.mouseMove(canvas, at - QPoint(100, 0))
    QTest.mouseRelease(canvas, Qt.MouseButton.MiddleButton, Qt.KeyboardModifier.NoModifier, at)
    assert canvas.scale.left > left


def test_fields_take_numbers_and_timecode(panel: Any, qtbot: QtBot) -> None:
    from studio.ui.frame_edit import FrameEdit

    field, last = (panel.findChild(FrameEdit, f"timeline.{name}") for name in ("frame", "last"))
    for text, frame in (("33", 33.0), ("00:00:02:00", 48.0)):
        field.setFocus()
        field.selectAll()
        qtbot.keyClicks(field, text)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert panel.studio.frame == frame
    last.setFocus()
    last.selectAll()
    qtbot.keyClicks(last, "72")
    qtbot.keyClick(last, Qt.Key.Key_Return)
    assert panel.studio.scene.frame_end == 72.0
    panel.studio.run("time.timecode", on=True)
    assert field.text() == "00:00:02:00"


def test_the_bar_gives_commands_and_shows_what_is_on(panel: Any) -> None:
    button = panel.findChild(QToolButton, "timeline.time.autokey")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert panel.studio.autokey and button.isChecked()
    QTest.mouseClick(panel.findChild(QToolButton, "timeline.time.next"), Qt.MouseButton.LeftButton)
    assert panel.studio.frame == 2.0


def crossing(bar: QWidget) -> list[str]:
    """Children that lie over each other or over the edge."""
    children = bar.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
    order = sorted((w for w in children if w.isVisible()), key=lambda w: w.x())
    over = [b.objectName() for a, b in itertools.pairwise(order) if a.geometry().right() >= b.x()]
    return over + [w.objectName() for w in order if w.geometry().right() > bar.width()]


def test_where_there_is_little_room_the_bar_keeps_what_matters(panel: Any, qtbot: QtBot, shot: Any) -> None:
    for width in (1400, 700, 420):
        panel.resize(width, 200)
        qtbot.waitUntil(lambda width=width: panel.bar.width() == width)
        play, frame = (panel.findChild(QWidget, f"timeline.{name}") for name in ("time.play", "frame"))
        assert play.isVisible() and frame.isVisible()
        qtbot.waitUntil(lambda: not crossing(panel.bar), timeout=3000)
        shot(panel, f"timeline-{width}")


def test_a_scale_keeps_what_stands_under_the_pointer() -> None:
    scale = Scale(5.0, 8.0, 900.0)
    for factor in (0.1, 3.0):
        assert scale.zoomed(factor, 333.0).frame(333.0) == pytest.approx(scale.frame(333.0))
    assert scale.showing(50.0) is scale and scale.showing(500.0).left <= 500.0 <= scale.showing(500.0).right


@pytest.mark.parametrize("per_frame", [0.0005, 0.02, 0.5, 3.0, 20.0, 300.0])
@pytest.mark.parametrize("fps", [0.0, 24.0, 29.97])
def test_marks_never_crowd(per_frame: float, fps: float) -> None:
    scale = Scale(-100.0, per_frame, 900.0)
    major, minor = scale.steps(60.0, fps=fps)
    assert major * per_frame >= 60.0 and major % minor == 0 and (minor == major or minor * per_frame >= 5.0)
    assert len(scale.marks(minor)) < 400


def test_a_right_click_offers_what_can_be_done_there(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from PySide6.QtWidgets import QMenu

    offered: list[QMenu] = []
    monkeypatch.setattr(QMenu, "popup", lambda menu, *_: offered.append(menu))
    menus = panel.canvas._menus
    for lane, frame, wanted in (
        ("markers", 20.3, "Delete marker"),
        ("cuts", 50.0, "camera"),
        ("keys", 70.0, "Add marker"),
    ):
        hit = panel.canvas.hit(QPointF(place(panel, frame, lane)))
        menus.offer(hit, frame, QPoint(), panel.canvas.fit)
        assert wanted in [action.text() for action in offered[-1].actions()]
        assert lane == "keys" or menus.tip(hit)
    cut = next(action for action in offered[1].actions() if action.text() == "camera")
    cut.trigger()
    assert {cut.camera for cut in panel.studio.scene.timeline.cuts} == {next(iter(panel.studio.scene.entities))}
    for menu in offered:
        menu.deleteLater()
