"""Stories with curves in a whole window: a light is keyed by its dots, its curve is bent, the picture follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.scene import keying
from studio.scene.entities import Camera, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.ui import i18n, theme
from studio.ui.curve_editor import CurveEditor
from studio.ui.inspector import FieldLabel, Inspector
from studio.ui.key_dots import KeyDot, show_curves
from tests.ui.test_curve_editor import at, drag

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def moving() -> Scene:
    """A lit floor, two lamps of which one has curves."""
    floor = make_mesh([[-4, 0, -4], [4, 0, -4], [4, 0, 4], [-4, 0, 4]], [[0, 2, 1], [0, 3, 2]], normals=[[0, 1, 0]] * 4)
    scene = Scene(name="shot", frame_end=60.0).add(
        Material(id="grey", name="Grey"),
        floor,
        MeshObject(id="floor", name="Floor", mesh=floor.key, materials=("grey",)),
        Light(id="key", name="Key light", translation=(1.0, 3.0, 1.0), intensity=800.0),
        Light(id="rim", name="Rim light", translation=(-2.0, 2.0, -1.0), intensity=300.0),
        Camera(id="cam", name="Camera", translation=(0.0, 3.0, 9.0)),
    )
    for frame, place in ((1.0, (1.0, 3.0, 1.0)), (30.0, (-2.0, 4.0, 0.0)), (60.0, (2.0, 2.0, 1.5))):
        scene = keying.set_key(scene, "key", "translation", frame, place)
    for frame, value in ((1.0, 0.0), (20.0, 1.5), (45.0, -0.5)):
        scene = keying.set_key(scene, "key", "exposure", frame, value)
    return scene


def test_a_field_is_keyed_by_its_dot_and_its_curve_is_bent(
    window: Any, qtbot: QtBot, moving: Scene, shot: Callable[[Any, str], None]
) -> None:
    studio = window.application.studio
    studio.document.load(moving)
    studio.select(["rim"])
    QApplication.processEvents()
    inspector = window.panel("inspector")
    assert isinstance(inspector, Inspector)
    dot = inspector.findChild(KeyDot, "key-exposure")
    assert isinstance(dot, KeyDot)
    for frame, value in ((1.0, 0.0), (24.0, 2.0), (48.0, 0.5)):
        studio.frame = frame
        studio.run("edit.set", field="exposure", value=value)
        if dot.state != "key":
            qtbot.mouseClick(dot, LEFT)
    assert studio.scene.tracks["rim.exposure"].values[:, 0].tolist() == [0.0, 2.0, 0.5]
    show_curves(studio, window, ("rim",), "exposure")
    editor = window.panel("curve_editor")
    assert isinstance(editor, CurveEditor) and editor.state.active == {("rim.exposure", 0)}
    qtbot.waitUntil(lambda: editor.canvas.view.width > 200)
    studio.run("curves.frame_all")
    studio.frame = 24.0
    steps = len(studio.document.history[0])
    before = studio.flat.lights
    drag(editor, at(editor, "rim.exposure", 1), QPointF(0, -20).toPoint())
    assert studio.flat.lights is not before  # what is drawn has changed with it
    assert studio.posed.get("rim").exposure > 2.0
    assert len(studio.document.history[0]) == steps + 1
    qtbot.wait(150)
    shot(window, "curve-story")
    studio.run("edit.undo")
    assert studio.posed.get("rim").exposure == pytest.approx(2.0)
    studio.autokey = True
    window.show_panel("light_list")
    qtbot.wait(100)
    shot(window, "curve-story-lights")
    studio.autokey = False


def test_keys_of_the_place_work_on_the_paper(active_window: Any, qtbot: QtBot, moving: Scene) -> None:
    studio = active_window.application.studio
    studio.document.load(moving)
    studio.select(["key"])
    editor = active_window.show_panel("curve_editor")
    assert isinstance(editor, CurveEditor)
    qtbot.waitUntil(lambda: editor.canvas.view.width > 200)
    editor.canvas.setFocus()
    studio.run("curves.frame_all")
    QTest.mouseClick(editor.canvas, LEFT, Qt.KeyboardModifier.NoModifier, at(editor, "key.exposure", 1))
    qtbot.keyClick(editor.canvas, Qt.Key.Key_2)
    assert editor.mode_of_picks() == 3
    qtbot.keyClick(editor.canvas, Qt.Key.Key_Delete)
    assert studio.scene.tracks["key.exposure"].times.tolist() == [1.0, 45.0]
    assert "key" in studio.scene.entities
    qtbot.keyClick(editor.canvas, Qt.Key.Key_N)
    assert editor.state.normalised


@pytest.mark.parametrize("scale", [1.0, 1.25, 1.5, 2.0])
def test_inspector_and_curves_fit_at_every_scale(
    window: Any, qtbot: QtBot, moving: Scene, shot: Callable[[Any, str], None], scale: float
) -> None:
    studio = window.application.studio
    window.resize(1920, 1080)
    try:
        studio.prefer(interface_scale=scale)
        window.default_layout()
        studio.document.load(moving)
        studio.select(["key", "floor"])
        window.show_panel("curve_editor")
        qtbot.wait(600)
        inspector = window.panel("inspector")
        area = inspector._area
        bar = area.horizontalScrollBar()
        assert inspector._content.width() <= area.viewport().width() or bar.isVisible(), "cut off"
        labels = [w for w in inspector.findChildren(FieldLabel) if w.isVisible()]
        assert labels and all(w.width() >= theme.size(52) for w in labels)
        shot(window, f"curve-scale-{round(scale * 100)}")
        i18n.set_language("zh_CN")
        qtbot.wait(50)
        shot(window, f"curve-scale-{round(scale * 100)}-zh")
    finally:
        i18n.set_language("en")
        studio.prefer(interface_scale=1.0)


def test_a_track_of_the_scene_that_is_gone_takes_its_picks_along(window: Any, qtbot: QtBot, moving: Scene) -> None:
    studio = window.application.studio
    studio.document.load(moving)
    studio.select(["key"])
    editor = window.show_panel("curve_editor")
    qtbot.waitUntil(editor.isVisible)
    editor.canvas.pick({("key.exposure", 0): np.array([0, 1])})
    studio.run("keys.remove_field", field="exposure")
    assert ("key.exposure", 0) not in editor.state.picks and not studio.picked
    studio.run("edit.undo")
    assert ("key.exposure", 0) in editor.state.number
