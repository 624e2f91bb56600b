"""The expression panel, by a real mouse and keyboard. Each story leaves a picture where MYRIAD_SHOTS says."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from studio.scene import expression_edits as edits
from studio.scene.entities import Figure
from studio.ui.expression_panel import ExpressionPanel
from tests.face_scene import FACE, face_scene

NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(active_window: Any, qtbot: QtBot) -> ExpressionPanel:
    """The panel over a window with one figure."""
    active_window.application.studio.show_scene(face_scene(), None)
    made = active_window.show_panel("expressions")
    qtbot.waitUntil(lambda: made.isVisible() and made.list.isVisible())
    qtbot.wait(30)
    return made


def weight(panel: ExpressionPanel, name: str) -> float:
    figure = panel.faces.figure
    assert isinstance(figure, Figure)
    return edits.weights(figure)[name]


def middle(panel: ExpressionPanel, name: str) -> QPoint:
    return panel.list.where(name).center().toPoint()


def slide(panel: ExpressionPanel, name: str, by: int, modifiers: Qt.KeyboardModifier = NONE) -> None:
    """Drag a slider by pixels."""
    area, start = panel.list.viewport(), middle(panel, name)
    QTest.mouseMove(area, start)
    QTest.mousePress(area, LEFT, modifiers, start)
    for k in range(1, 5):
        move(area, start + QPoint(by * k // 4, 0), modifiers)
    QTest.mouseRelease(area, LEFT, modifiers, start + QPoint(by, 0))


def move(area: Any, at: QPoint, modifiers: Qt.KeyboardModifier) -> None:
    """A motion with modifiers, which QTest has none for."""
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtWidgets import QApplication

    where = QPointF(at)
    event = QMouseEvent(QEvent.Type.MouseMove, where, area.mapToGlobal(where), LEFT, LEFT, modifiers)
    QApplication.sendEvent(area, event)


def test_a_drag_moves_both_halves_as_one_step(panel: ExpressionPanel, shot: Any) -> None:
    document = panel.faces.studio.document
    before = len(document.history[0])
    width = panel.list.where("mouthSmileLeft").width()
    slide(panel, "mouthSmileLeft", round(width / 2))
    assert weight(panel, "mouthSmileLeft") == weight(panel, "mouthSmileRight") == pytest.approx(0.5, abs=0.03)
    assert len(document.history[0]) == before + 1
    slide(panel, "browInnerUp", 60)
    slide(panel, "jawOpen", 40)
    shot(panel.window(), "expressions")
    for _ in range(3):
        document.undo()
    assert edits.active(panel.faces.figure) == ()


def test_a_pose_is_clicked_dragged_along_and_taken_back(panel: ExpressionPanel, qtbot: QtBot, shot: Any) -> None:
    tiles, document = panel.shelf.list, panel.faces.studio.document
    names = [kept.pose.name for kept in tiles.poses.poses]
    smile = tiles.visualRect(tiles.poses.index(names.index("Smile"))).center()
    QTest.mouseClick(tiles.viewport(), LEFT, NONE, smile)
    whole = weight(panel, "mouthSmileLeft")
    assert whole == pytest.approx(0.62)
    document.undo()
    QTest.mousePress(tiles.viewport(), LEFT, NONE, smile)
    move(tiles.viewport(), smile + QPoint(20, 0), NONE)
    move(tiles.viewport(), smile + QPoint(54, 0), NONE)
    assert 0.0 < weight(panel, "mouthSmileLeft") < whole
    shot(panel.window(), "pose-drag")
    qtbot.keyClick(tiles, Qt.Key.Key_Escape)
    assert weight(panel, "mouthSmileLeft") == 0.0
    QTest.mouseRelease(tiles.viewport(), LEFT, NONE, smile)
    assert weight(panel, "mouthSmileLeft") == 0.0


def test_shift_is_fine_alt_moves_one_half_and_ctrl_goes_beyond(panel: ExpressionPanel) -> None:
    width = round(panel.list.where("mouthSmileLeft").width())
    slide(panel, "mouthSmileLeft", width // 2, Qt.KeyboardModifier.ShiftModifier)
    assert weight(panel, "mouthSmileLeft") == pytest.approx(0.05, abs=0.01)
    slide(panel, "mouthSmileLeft", width // 2, Qt.KeyboardModifier.AltModifier)
    assert weight(panel, "mouthSmileLeft") > 0.5 and weight(panel, "mouthSmileRight") < 0.06
    slide(panel, "browDownLeft", 3 * width)
    assert weight(panel, "browDownLeft") == 1.0
    slide(panel, "browDownLeft", width // 4, Qt.KeyboardModifier.ControlModifier)
    assert weight(panel, "browDownLeft") > 1.2


def test_a_slider_is_typed_stepped_and_let_rest(panel: ExpressionPanel, qtbot: QtBot) -> None:
    rows = panel.list
    QTest.mouseClick(rows.viewport(), LEFT, NONE, middle(panel, "jawOpen"))
    qtbot.keyClick(rows, Qt.Key.Key_Period)
    field = rows._field
    qtbot.keyClicks(field, "35")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert weight(panel, "jawOpen") == pytest.approx(0.35)
    qtbot.keyClick(rows, Qt.Key.Key_Right)
    qtbot.keyClick(rows, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert weight(panel, "jawOpen") == pytest.approx(0.41)
    QTest.mouseDClick(rows.viewport(), LEFT, NONE, middle(panel, "jawOpen"))
    assert weight(panel, "jawOpen") == 0.0


def test_escape_takes_a_drag_back(panel: ExpressionPanel, qtbot: QtBot) -> None:
    area, start = panel.list.viewport(), middle(panel, "jawOpen")
    steps = len(panel.faces.studio.document.history[0])
    QTest.mousePress(area, LEFT, NONE, start)
    move(area, start + QPoint(30, 0), NONE)
    assert weight(panel, "jawOpen") > 0.0
    qtbot.keyClick(panel.list, Qt.Key.Key_Escape)
    QTest.mouseRelease(area, LEFT, NONE, start)
    assert weight(panel, "jawOpen") == 0.0
    assert len(panel.faces.studio.document.history[0]) == steps


def test_a_link_parts_the_halves_and_eyes_look_apart(panel: ExpressionPanel) -> None:
    slide(panel, "eyeLookUpLeft", 20)
    assert weight(panel, "eyeLookUpRight") == 0.0
    row = next(i for i, r in enumerate(panel.list.rows.rows) if r.names == ("mouthSmileLeft", "mouthSmileRight"))
    panel.list.where("mouthSmileLeft")
    link = next(rect for kind, _, rect in panel.list.parts(row).spots if kind == "link")
    QTest.mouseClick(panel.list.viewport(), LEFT, NONE, link.center().toPoint())
    slide(panel, "mouthSmileRight", 20)
    assert weight(panel, "mouthSmileRight") > 0.0 and weight(panel, "mouthSmileLeft") == 0.0


def test_key_marks_set_and_remove_keys_of_a_control_and_of_a_region(panel: ExpressionPanel, shot: Any) -> None:
    studio, rows = panel.faces.studio, panel.list
    slide(panel, "jawOpen", 40)

    def press(number: int) -> None:
        dot = next(rect for kind, _, rect in rows.parts(number).spots if kind == "dot")
        QTest.mouseClick(rows.viewport(), LEFT, NONE, dot.center().toPoint())

    jaw = next(i for i, r in enumerate(rows.rows.rows) if r.names == ("jawOpen",))
    press(jaw)
    assert len(studio.scene.tracks) == 1
    studio.frame = 12.0
    slide(panel, "jawOpen", 30)
    assert len(next(iter(studio.scene.tracks.values())).times) == 2
    header = next(i for i, r in enumerate(rows.rows.rows) if r.header and r.region == "jaw")
    press(header)
    assert len(studio.scene.tracks) == 4
    shot(panel.window(), "expression-keys")
    press(header)
    assert len(studio.scene.tracks) == 1
    studio.frame = 1.0


@pytest.mark.parametrize("typed", ["smile", "mouthSmile", "微笑", "weixiao", "wx"])
def test_controls_are_found_in_both_languages_and_by_pinyin(panel: ExpressionPanel, typed: str) -> None:
    panel.search.setText(typed)
    shown = [row for row in panel.list.rows.rows if not row.header]
    assert ("mouthSmileLeft", "mouthSmileRight") in [row.names for row in shown]
    assert len(shown) < 8


def test_only_what_is_in_use_is_shown_and_regions_fold(panel: ExpressionPanel, qtbot: QtBot) -> None:
    slide(panel, "jawOpen", 30)
    panel.only.click()
    assert [row.names for row in panel.list.rows.rows if not row.header] == [("jawOpen",)]
    slide(panel, "jawOpen", -60)
    assert len(panel.list.rows.rows) == 2, "what is let rest meanwhile stays"
    panel.only.click()
    assert len(panel.list.rows.rows) > 30
    area = panel.list.viewport()
    QTest.mouseClick(area, LEFT, NONE, panel.list.parts(0).label.center().toPoint())
    assert panel.list.rows.rows[0].folded and panel.list.rows.rows[1].header


def test_the_gaze_is_dragged_and_verges(panel: ExpressionPanel, shot: Any) -> None:
    pad = panel.head.pad
    centre = pad.pad().center().toPoint()
    QTest.mousePress(pad, LEFT, NONE, centre)
    move(pad, centre + QPoint(15, -10), NONE)
    move(pad, centre + QPoint(30, -20), NONE)
    QTest.mouseRelease(pad, LEFT, NONE, centre + QPoint(30, -20))
    assert weight(panel, "eyeLookOutLeft") == weight(panel, "eyeLookInRight") > 0.4
    assert weight(panel, "eyeLookUpLeft") == weight(panel, "eyeLookUpRight") > 0.3
    slider = pad.slider()
    QTest.mousePress(pad, LEFT, NONE, slider.center().toPoint())
    move(pad, slider.center().toPoint() + QPoint(20, 0), NONE)
    QTest.mouseRelease(pad, LEFT, NONE, slider.center().toPoint())
    assert weight(panel, "eyeLookInRight") > weight(panel, "eyeLookOutLeft")
    shot(panel.window(), "gaze")
    QTest.mouseDClick(pad, LEFT, NONE, centre)
    assert weight(panel, "eyeLookUpLeft") == 0.0


def test_the_pose_menu_and_the_row_menu_do_what_they_say(panel: ExpressionPanel, answers: list[Any]) -> None:
    studio, tiles = panel.faces.studio, panel.shelf.list
    slide(panel, "jawOpen", 30)
    answers.append("Agape")
    studio.run("expressions.store_pose")
    kept = next(kept for kept in tiles.poses.poses if kept.own)
    assert kept.pose.name == "Agape"
    assert [a.text() for a in tiles.menu_of(kept).actions() if a.isEnabled()][:3] == [
        "Apply",
        "Apply mirrored",
        "Add on top",
    ]
    row = next(r for r in panel.list.rows.rows if r.names == ("jawOpen",))
    menu = panel.list.menu_of(row, "jawOpen")
    next(a for a in menu.actions() if a.text() == "Let it rest").trigger()
    assert weight(panel, "jawOpen") == 0.0
    tiles.apply(kept)
    assert weight(panel, "jawOpen") > 0.0


def test_rows_say_their_names_and_values_to_screen_readers(panel: ExpressionPanel) -> None:
    model = panel.list.rows
    said = [model.data(model.index(i), Qt.ItemDataRole.AccessibleTextRole) for i in range(model.rowCount())]
    assert "Smile, left: 0, Smile, right: 0" in said and "Mouth" in said and "Jaw open: 0" in said


def test_without_a_figure_the_panel_says_what_to_do(active_window: Any, qtbot: QtBot) -> None:
    panel = active_window.show_panel("expressions")
    qtbot.waitUntil(lambda: panel.isVisible())
    assert not panel.split.isVisible() and "No figure" in panel._hint.text()


def test_a_face_is_posed_in_the_viewport(active_window: Any, qtbot: QtBot, shot: Any) -> None:
    from studio.scene.transforms import look_at
    from studio.viewport.camera import ViewCamera
    from tests.ui.test_stories import drawn

    studio = active_window.application.studio
    studio.show_scene(face_scene(), None)
    view, canvas = active_window.views[0], active_window.panel("viewport").canvas
    view.camera = ViewCamera(world=look_at((0.0, 0.0, 0.5), (0.0, 0.0, 0.0)), pivot_m=0.5)
    tool = active_window.findChild(QWidget, "view.tool_face")
    assert tool is not None and tool.isVisible(), "there is a figure to pose"
    studio.run("view.tool_face")
    drawn(active_window, qtbot)
    x, y, _ = view.camera.project([[0.027, -0.035, 0.09]], *view.size)[0]
    start = QPoint(round(x / view.pixel_ratio), round(y / view.pixel_ratio))
    QTest.mouseMove(canvas, start)
    QTest.mousePress(canvas, LEFT, NONE, start)
    for k in range(1, 5):
        QTest.mouseMove(canvas, start + QPoint(2 * k, -3 * k))
    shot(active_window, "face-drag")
    QTest.mouseRelease(canvas, LEFT, NONE, start + QPoint(8, -12))
    figure = studio.scene.entities[FACE]
    assert isinstance(figure, Figure) and edits.weights(figure)["mouthSmileLeft"] > 0.1
    assert studio.document.history[0][-1] == "Pose face"
    studio.run("edit.undo")
    assert edits.active(studio.scene.entities[FACE]) == ()
    studio.run("view.tool_move")
