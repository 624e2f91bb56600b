"""The stories of an artist, told with a real mouse and keyboard. Each leaves a picture where MYRIAD_SHOTS says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QHeaderView, QLabel, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from studio.scene.entities import Camera, MeshObject
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui import i18n
from studio.ui.light_model import COLUMNS
from studio.ui.number_edit import NumberEdit
from studio.viewport.camera import ViewCamera
from tests.conftest import ROOT
from tests.ui.test_files import drop


@pytest.fixture
def stage(active_window: Any, qtbot: QtBot) -> Any:
    """A window over a floor, a ball and two lamps, seen by a viewport that is drawn."""
    studio = active_window.application.studio
    studio.run("create.plane")
    studio.run("create.sphere")
    studio.run("create.point_light")
    studio.run("create.spot_light")
    studio.run("select.none")
    view = active_window.views[0]
    view.camera = ViewCamera()
    drawn(active_window, qtbot)
    return active_window


def drawn(window: Any, qtbot: QtBot) -> None:
    """Wait until every viewport has drawn what is true now."""
    views = window.views
    before = [view.frames for view in views]
    for view in views:
        view.redraw()
    qtbot.waitUntil(lambda: all(v.frames > b for v, b in zip(views, before, strict=True)), timeout=60000)
    qtbot.wait(20)  # what was laid out anew is painted


def at(window: Any, id_: str) -> QPoint:
    """Where an entity stands on the canvas, in logical pixels."""
    from studio.scene.placement import placement

    view = window.views[0]
    centre = placement(view.flat).world_of(id_)[:, 3]
    x, y, _ = view.camera.project(centre[None], *view.size)[0]
    return QPoint(round(x / view.pixel_ratio), round(y / view.pixel_ratio))


def of_kind(window: Any, kind: type) -> list[str]:
    return [id_ for id_, e in window.application.studio.scene.entities.items() if isinstance(e, kind)]


def click(window: Any, point: QPoint, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    canvas = window.panel("viewport").canvas
    QTest.mouseMove(canvas, point)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, modifiers, point)


def drag(window: Any, start: QPoint, end: QPoint, *, steps: int = 8) -> None:
    canvas = window.panel("viewport").canvas
    QTest.mouseMove(canvas, start)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    for i in range(1, steps + 1):
        QTest.mouseMove(canvas, start + (end - start) * i / steps)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)


def test_a_light_is_selected_by_a_click_on_its_icon(stage: Any, shot: Any) -> None:
    lamp = of_kind(stage, Light)[0]
    click(stage, at(stage, lamp))
    assert stage.application.studio.selection == (lamp,)
    shot(stage, "click")


def test_everything_in_a_rectangle_is_selected(stage: Any, shot: Any) -> None:
    canvas = stage.panel("viewport").canvas
    drag(stage, QPoint(3, 3), QPoint(canvas.width() - 3, canvas.height() - 3))
    assert set(of_kind(stage, Light)) <= set(stage.application.studio.selection)
    assert set(of_kind(stage, MeshObject)) & set(stage.application.studio.selection)
    shot(stage, "marquee")


def test_a_light_is_grabbed_moved_typed_and_undone(stage: Any, qtbot: QtBot, shot: Any) -> None:
    studio, canvas = stage.application.studio, stage.panel("viewport").canvas
    lamp = of_kind(stage, Light)[0]
    studio.select([lamp])
    canvas.setFocus()
    QTest.mouseMove(canvas, at(stage, lamp))
    before, steps = studio.scene.entities[lamp].translation, len(studio.document.history[0])
    qtbot.keyClick(canvas, Qt.Key.Key_G)
    qtbot.keyClick(canvas, Qt.Key.Key_X)
    qtbot.keyClick(canvas, Qt.Key.Key_2)
    shot(stage, "grab")
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    after = studio.scene.entities[lamp].translation
    assert np.allclose(np.subtract(after, before), (2.0, 0.0, 0.0), atol=1e-6)
    assert len(studio.document.history[0]) == steps + 1
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert studio.scene.entities[lamp].translation == before


def test_the_view_is_orbited_with_the_middle_button_and_the_scene_stays(stage: Any) -> None:
    canvas, view = stage.panel("viewport").canvas, stage.views[0]
    before, scene = view.camera.world.copy(), stage.application.studio.scene
    middle = canvas.rect().center()
    QTest.mousePress(canvas, Qt.MouseButton.MiddleButton, Qt.KeyboardModifier.NoModifier, middle)
    QTest.mouseMove(canvas, middle + QPoint(60, 20))
    QTest.mouseRelease(canvas, Qt.MouseButton.MiddleButton, Qt.KeyboardModifier.NoModifier, middle + QPoint(60, 20))
    assert not np.allclose(view.camera.world, before)
    assert stage.application.studio.scene is scene


def test_two_viewports_show_two_sides(stage: Any, qtbot: QtBot, shot: Any) -> None:
    stage.application.give("window.new_viewport")
    qtbot.waitUntil(lambda: len(stage.views) == 2 and all(v.frames for v in stage.views), timeout=30000)
    stage.application.give("view.top")
    stage.application.give("view.mode_normals")
    first, second = stage.views
    assert not np.allclose(first.camera.world, second.camera.world)
    drawn(stage, qtbot)
    shot(stage, "two-viewports")


def test_what_a_right_click_offers_acts_on_what_is_selected(stage: Any, qtbot: QtBot) -> None:
    studio, canvas = stage.application.studio, stage.panel("viewport").canvas
    lamp = of_kind(stage, Light)[0]
    studio.select([lamp])
    menu = stage.context_menu("viewport", canvas)
    action = next(a for a in menu.actions() if a.objectName() == "lights.mute")
    action.trigger()
    assert studio.scene.entities[lamp].muted
    menu.deleteLater()


def test_a_hall_is_dropped_and_seen_through_its_camera(
    active_window: Any, shared: Path, qtbot: QtBot, shot: Any
) -> None:
    window, studio = active_window, active_window.application.studio
    drop(window, shared / "bench" / "cornell.glb")
    qtbot.waitUntil(lambda: bool(of_kind(window, MeshObject)), timeout=60000)
    studio.select(of_kind(window, Camera)[:1])
    window.panel("viewport").canvas.setFocus()
    window.application.give("view.through_selected")
    assert window.views[0].tools.through == of_kind(window, Camera)[0]
    drawn(window, qtbot)
    shot(window, "cornell")


def test_300_lights_are_selected_and_their_exposure_is_typed_once(active_window: Any, qtbot: QtBot, shot: Any) -> None:
    window, studio = active_window, active_window.application.studio
    lamps = [
        Light(id=f"l{i}", name=f"Lamp {i}", intensity=2.0, translation=(i % 20 - 9.5, 1.0, i // 20 - 7.0))
        for i in range(300)
    ]
    window.resize(1100, 680)
    studio.show_scene(Scene().add(*lamps), None)
    studio.run("create.plane")
    window.views[0].camera = ViewCamera()
    table, exposure = window.panel("light_list").table, COLUMNS.index("exposure")
    cell = table.visualRect(table.lights.index(0, COLUMNS.index("name"))).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    qtbot.keyClick(table, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert len(studio.selection) == 300  # all that the table lists, and not the floor
    number = window.panel("inspector").findChild(NumberEdit, "field-exposure")
    steps = len(studio.document.history[0])
    QTest.mouseClick(number, Qt.MouseButton.LeftButton)
    qtbot.keyClicks(number, "1.5")
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert {studio.scene.entities[lamp.id].exposure for lamp in lamps} == {1.5}
    assert len(studio.document.history[0]) == steps + 1
    assert {table.lights.index(row, exposure).data() for row in range(300)} == {"1.5 stops"}
    drawn(window, qtbot)
    shot(window, "300-lights")
    window.panel("viewport").canvas.setFocus()
    qtbot.keyClick(window.panel("viewport").canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert {studio.scene.entities[lamp.id].exposure for lamp in lamps} == {0.0}
    assert {table.lights.index(row, exposure).data() for row in range(300)} == {"0 stops"}


def _said(window: Any) -> set[str]:
    """Every text that can be read in a window: labels, buttons, fields, tabs, headers, menus and tool tips."""
    texts: set[str] = set()
    for widget in window.findChildren(QWidget):
        if isinstance(widget, (QLabel, QAbstractButton)) and widget.isVisibleTo(window):
            texts |= {widget.text(), widget.toolTip(), widget.accessibleName()}
        elif isinstance(widget, QComboBox) and widget.isVisibleTo(window):
            texts |= {widget.currentText(), widget.toolTip(), widget.accessibleName()}
        elif isinstance(widget, QLineEdit):
            texts |= {widget.placeholderText(), widget.toolTip()}
        elif isinstance(widget, QHeaderView) and widget.model() is not None:
            model, ways = widget.model(), widget.orientation()
            texts |= {str(model.headerData(i, ways) or "") for i in range(widget.count())}
    texts |= {action.text().replace("&", "") for action in window.findChildren(QAction)}
    return texts


def test_every_open_panel_changes_its_language_and_back(stage: Any, qtbot: QtBot, shot: Any) -> None:
    studio = stage.application.studio
    studio.select(of_kind(stage, Light)[:1])
    stage.application.give("window.new_viewport")
    for id_ in ("render_view", "console", "history", "log", "import_report", "inspector", "light_list", "viewport"):
        stage.show_panel(id_)
    chinese = {english: told for english, told in i18n.catalogue("zh_CN").items() if told != english}
    drawn(stage, qtbot)
    before = _said(stage)
    assert len(before & chinese.keys()) > 40
    studio.prefer(language="zh_CN")
    drawn(stage, qtbot)
    shot(stage, "every-panel-chinese")
    assert _said(stage) & chinese.keys() - set(chinese.values()) == set()
    studio.prefer(language="en")
    drawn(stage, qtbot)
    assert _said(stage) & set(chinese.values()) - before == set()
    stage.default_layout()
    qtbot.waitUntil(lambda: len(stage.views) == 1)
    studio.prefer(language="zh_CN")  # the second viewport is gone, and nobody speaks to it any more
    assert stage.add_dock("viewport").windowTitle() == "视口"
    studio.prefer(language="en")


AT_200_PERCENT = """
from pathlib import Path
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from studio.scene.placement import placement

application = studio.face.application
studio.run("create.sphere")
studio.run("create.point_light")
lamp = studio.selection[0]
studio.run("edit.set", field="translation", value=(1.5, 2.0, 0.5))
studio.run("select.none")
application.settle()
window = application.window
view, canvas = window.views[0], window.panel("viewport").canvas
centre = placement(view.flat).world_of(lamp)[:, 3]
x, y, _ = view.camera.project(centre[None], *view.size)[0]
point = QPoint(round(x / 2), round(y / 2))
QTest.mouseMove(canvas, point)
QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)
Path("told.txt").write_text(f"{view.pixel_ratio} {studio.selection == (lamp,)}")
"""


@pytest.mark.slow
def test_at_200_percent_a_click_hits_what_is_drawn_there(qapp: Any, tmp_path: Path) -> None:
    (tmp_path / "story.py").write_text(AT_200_PERCENT)
    picture = Path(os.environ.get("MYRIAD_SHOTS", tmp_path)).resolve() / "200-percent.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "studio", "app", "--script", "story.py", "--screenshot", str(picture)]
    done = subprocess.run(
        [*command, "--size", "900x560"],
        env={**os.environ, "QT_SCALE_FACTOR": "2", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "told.txt").read_text() == "2.0 True"
    assert QImage(str(picture)).width() == 1800


def test_scene_units_do_not_depend_on_the_pixel_ratio() -> None:
    from studio.ui.qt_events import device_size

    assert device_size(101, 51, 1.5) == (152, 77)  # 151.5 and 76.5 are rounded as Qt rounds them
    assert device_size(100, 50, 1.25) == (125, 63)
    assert device_size(0, 0, 2.0) == (1, 1)
    assert isinstance(Scene(), Scene)
