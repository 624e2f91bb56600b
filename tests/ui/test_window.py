"""The window: it opens, docks, floats, closes, and says what is true of the studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from studio.commands import registry
from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene


def lit_scene() -> Scene:
    return Scene().add(Light(id="key", name="Key"), Light(id="fill", name="Fill"), Group(id="rig", name="Rig"))


def test_the_default_layout_opens_its_panels(window: Any) -> None:
    assert all(window.is_open(name) for name in ("viewport", "outliner", "inspector", "light_list"))
    assert not window.is_open("console")


def test_a_panel_that_is_not_shown_is_not_built(window: Any) -> None:
    window.add_dock("console")
    assert window.panel("console") is None
    assert window.show_panel("console") is not None


def test_the_title_names_the_scene_and_marks_what_is_not_saved(window: Any, qtbot: QtBot, tmp_path: Path) -> None:
    studio = window.application.studio
    assert "Untitled" in window.windowTitle() and not window.isWindowModified()
    studio.run("create.point_light")
    qtbot.waitUntil(window.isWindowModified)
    studio.run("file.save_as", path=str(tmp_path / "hall.studio"))
    qtbot.waitUntil(lambda: "hall" in window.windowTitle() and not window.isWindowModified())


def test_the_status_bar_counts_what_is_there(window: Any, qtbot: QtBot) -> None:
    window.application.studio.show_scene(lit_scene(), None)
    counts = window.findChild(QLabel, "status.counts")
    qtbot.waitUntil(lambda: counts.text() == "Lights: 2, objects: 0")
    window.application.studio.select(["key"])
    chosen = window.findChild(QLabel, "status.selected")
    qtbot.waitUntil(lambda: chosen.text() == "Key")
    window.application.studio.select(["key", "fill"])
    qtbot.waitUntil(lambda: chosen.text() == "2 selected")


def test_objects_that_glow_are_lights_to_the_status_bar(window: Any, qtbot: QtBot) -> None:
    scene = lit_scene().add(Material(id="glow", emission_luminance=10.0), MeshObject(id="tube", materials=("glow",)))
    window.application.studio.show_scene(scene, None)
    counts = window.findChild(QLabel, "status.counts")
    qtbot.waitUntil(lambda: counts.text() == "Lights: 3, objects: 1")


def test_the_gate_of_a_viewport_has_the_shape_of_the_render(window: Any, qtbot: QtBot) -> None:
    studio, view = window.application.studio, window.views[0]
    assert view.aspect == 640 / 360
    studio.show_scene(lit_scene().add(Camera(id="cam")), None)
    view.tools.look_through("cam")
    seen = view.camera.half_extents(*view.size)
    render = window.show_panel("render_view")
    render.choose_size(300, 400)
    assert view.aspect == 0.75 and studio.render_size == (300, 400)
    assert view.camera.half_extents(*view.size)[1] > seen[1]  # the same width in a tall gate
    another = window.application.new_window().show_panel("render_view")
    assert (another.live.settings.width, another.live.settings.height) == (300, 400)
    assert another.size_menu.currentData() == (300, 400)


def test_every_command_of_a_menu_stands_in_the_menu_bar(window: Any) -> None:
    found: set[str] = set()

    def walk(menu: Any) -> None:
        menu.aboutToShow.emit()
        for action in menu.actions():
            if action.menu() is not None:
                walk(action.menu())
            elif action.objectName():
                found.add(action.objectName())

    for action in window.menuBar().actions():
        walk(action.menu())
    wanted = {command.id for command in registry.load().values() if command.menu}
    assert wanted - found == set()


def test_a_layout_comes_back_under_its_name(window: Any, qtbot: QtBot) -> None:
    window.show_panel("console")
    window.close_panel("inspector")
    window.application.studio.run("window.save_layout", name="mine")
    window.default_layout()
    assert window.is_open("inspector") and not window.is_open("console")
    window.application.studio.run("window.layout", name="mine")
    assert window.is_open("console") and not window.is_open("inspector")


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"panels": 3, "state": "x"}', '{"panels": ["viewport"], "state": "!!"}']
)
def test_a_layout_that_means_nothing_gives_the_default(window: Any, text: str) -> None:
    window.take_layout(text)
    assert window.is_open("viewport")


def test_a_second_window_stands_over_the_same_studio(window: Any, qtbot: QtBot) -> None:
    application = window.application
    second = application.new_window()
    with qtbot.waitExposed(second):
        pass  # shown above
    assert second.is_open("viewport") and not second.is_open("outliner")
    application.studio.show_scene(lit_scene(), None)
    qtbot.waitUntil(lambda: "Lights: 2" in second.findChild(QLabel, "status.counts").text())
    second.close()
    assert application.windows == [window]


def test_undocking_and_redocking_a_viewport_keeps_its_picture(active_window: Any, qtbot: QtBot) -> None:
    window = active_window
    view = window.views[0]
    dock = window.add_dock("viewport")

    def drawn_again(act: Callable[[], object]) -> None:
        before = view.frames
        act()
        view.redraw()
        qtbot.waitUntil(lambda: view.frames > before, timeout=20000)

    for _ in range(2):
        drawn_again(dock.setFloating)
        assert dock.isFloating()
        drawn_again(lambda: window.docks.addDockWidget(window.places["right"], dock))
        assert not dock.isFloating()
    assert window.views == [view]
    picture = window.panel("viewport").canvas.grab().toImage()
    assert len({picture.pixel(x, 40) for x in range(0, picture.width(), 16)}) > 1 or picture.pixel(5, 5) != 0


def test_a_still_frame_counts_on_what_the_motion_before_it_took(window: Any) -> None:
    from studio.viewport.view import Quality

    view = window.views[0]
    view._rested = False
    view._pixel_s = {Quality.MOVING: 1.0, Quality.STILL: 1e-9}  # a heavy scene came in the place of an empty one
    assert view._affordable(Quality.STILL) == view._affordable(Quality.MOVING) < 1.0


def test_closing_a_viewport_gives_its_view_back_and_opening_makes_a_new_one(window: Any, qtbot: QtBot) -> None:
    first = window.views[0]
    window.close_panel("viewport")
    assert window.views == [] and window.application.viewport is None
    window.show_panel("viewport")
    assert window.views != [] and window.views[0] is not first


def test_several_viewports_have_their_own_camera_and_look(window: Any, qtbot: QtBot) -> None:
    from dataclasses import replace

    from studio.viewport.view import Mode

    window.application.give("window.new_viewport")
    first, second = window.views
    second.look = replace(second.look, mode=Mode.NORMALS)
    assert first.look.mode is Mode.LIT
    assert window.application.viewport is second
    window.use_viewport(first)
    window.application.give("view.mode_clay")
    assert (first.look.mode, second.look.mode) == (Mode.CLAY, Mode.NORMALS)


def test_a_layout_remembers_how_its_viewports_look(window: Any, qtbot: QtBot) -> None:
    from studio.viewport.view import Mode

    window.application.give("view.mode_clay")
    text = window.layout_text()
    window.default_layout()
    qtbot.waitUntil(lambda: bool(window.views))
    assert window.views[0].look.mode is Mode.LIT
    window.take_layout(text)
    qtbot.waitUntil(lambda: bool(window.views))
    assert window.views[0].look.mode is Mode.CLAY


def test_closing_the_last_window_asks_about_what_is_not_saved(window: Any, answers: list[Any], qtbot: QtBot) -> None:
    window.application.studio.run("create.point_light")
    answers.append("Cancel")
    assert not window.close()
    answers.append("Discard")
    assert window.close()
    assert window.application.windows == []


def test_keys_of_a_viewport_work_only_while_it_has_the_focus(active_window: Any, qtbot: QtBot) -> None:
    window, studio = active_window, active_window.application.studio
    studio.show_scene(lit_scene(), None)
    studio.select(["key"])
    canvas = window.panel("viewport").canvas
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    qtbot.keyClick(canvas, Qt.Key.Key_M)
    assert studio.scene.entities["key"].muted
    outliner = window.panel("outliner")
    outliner.setFocus()
    qtbot.waitUntil(lambda: not canvas.hasFocus())
    qtbot.keyClick(window.focusWidget(), Qt.Key.Key_M)
    assert studio.scene.entities["key"].muted


def test_a_text_field_keeps_its_keys(active_window: Any, qtbot: QtBot) -> None:
    window, studio = active_window, active_window.application.studio
    studio.show_scene(lit_scene(), None)
    console = window.show_panel("console")
    console.input.setFocus()
    qtbot.waitUntil(console.input.hasFocus)
    qtbot.keyClicks(console.input, "xgm")
    qtbot.keyClick(console.input, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert console.input.selectedText() == "xgm"
    assert studio.selection == ()
    qtbot.keyClick(console.input, Qt.Key.Key_Delete)
    assert len(studio.scene.entities) == 3


def test_a_chord_that_works_everywhere_works_in_a_floating_panel(active_window: Any, qtbot: QtBot) -> None:
    window, studio = active_window, active_window.application.studio
    studio.run("create.point_light")
    dock = window.add_dock("viewport")
    dock.setFloating()
    canvas = window.panel("viewport").canvas
    canvas.window().activateWindow()
    qtbot.waitUntil(canvas.window().isActiveWindow, timeout=15000)
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert studio.scene.entities == {}
