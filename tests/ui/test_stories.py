"""The stories of an artist, told with a real mouse and keyboard. Each leaves a picture where MYRIAD_SHOTS says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.scene.entities import Camera, MeshObject
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.viewport.camera import ViewCamera
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
    qtbot.waitUntil(lambda: all(v.frames > b for v, b in zip(views, before, strict=True)), timeout=30000)


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


def test_scene_units_do_not_depend_on_the_pixel_ratio() -> None:
    from studio.ui.qt_events import device_size

    assert device_size(101, 51, 1.5) == (152, 77)  # 151.5 and 76.5 are rounded as Qt rounds them
    assert device_size(100, 50, 1.25) == (125, 63)
    assert device_size(0, 0, 2.0) == (1, 1)
    assert isinstance(Scene(), Scene)
