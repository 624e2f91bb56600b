"""Stories of placing and making lights in a whole window: by what they do on a surface, out of a sky, by a rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton
from pytestqt.qtbot import QtBot

from studio.scene import edits
from studio.scene.entities import Group, MeshObject
from studio.scene.geometry import Image
from studio.scene.lights import Light
from studio.scene.placement import placement
from studio.scene.sky_lights import sky_lights
from studio.ui.number_edit import NumberEdit
from studio.ui.sky_panel import SkyPanel
from studio.viewport.camera import ViewCamera
from tests.ui.test_stories import click, drag, drawn, of_kind

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def set_(active_window: Any, qtbot: QtBot) -> Any:
    """A small window over a floor and a ball with a strong warm lamp to the left and a weak cold one to the right."""
    active_window.resize(1100, 720)  # the picture is drawn by the processor: no larger than it must be
    studio = active_window.application.studio
    studio.run("create.plane")
    studio.run("create.sphere")
    floor, ball = of_kind(active_window, MeshObject)
    studio.edit("floor", edits.set_field, [floor], "translation", (0.0, 0.0, 0.0))
    studio.edit("ball", edits.set_field, [ball], "translation", (0.0, 0.5, 0.0))
    lamps = (
        Light(id="warm", name="Warm", intensity=60.0, color=(1.0, 0.6, 0.3), translation=(-2.5, 1.6, 0.0)),
        Light(id="cold", name="Cold", intensity=60.0, color=(0.4, 0.6, 1.0), translation=(2.5, 1.6, 0.0)),
    )
    with studio.document.edit("lamps") as edit:
        edit.scene = edit.scene.add(*lamps)
        edit.selection = ()
    active_window.views[0].camera = ViewCamera()
    drawn(active_window, qtbot)
    return active_window


def place_on(window: Any, at: tuple[float, float, float]) -> QPoint:
    """Where a point of the world is on the canvas, in logical pixels."""
    view = window.views[0]
    x, y, _ = view.camera.project(np.array([at]), *view.size)[0]
    return QPoint(round(x / view.pixel_ratio), round(y / view.pixel_ratio))


def stand(window: Any, id_: str) -> np.ndarray:
    return np.asarray(placement(window.views[0].flat).world_of(id_)[:, 3])


def test_a_highlight_is_dragged_over_the_floor_in_one_step(set_: Any, qtbot: QtBot, shot: Any) -> None:
    studio, view = set_.application.studio, set_.views[0]
    studio.select(["warm"])
    set_.application.give("lights.place_highlight")
    tool = set_.panel("viewport").findChild(QToolButton, "view.tool_place")
    qtbot.waitUntil(tool.isChecked)
    steps = len(studio.document.history[0])
    start, end = np.array([0.4, 0.0, 1.6]), np.array([1.0, 0.0, 2.0])
    drag(set_, place_on(set_, start), place_on(set_, end), steps=4)
    drawn(set_, qtbot)
    shot(set_, "place-highlight")
    eye, lamp = np.asarray(view.camera.world[:, 3]), stand(set_, "warm")
    mirrored = (end - eye) * (1.0, -1.0, 1.0)  # the floor turns the ray of sight around
    way = lamp - end
    cosine = way @ mirrored / np.linalg.norm(way) / np.linalg.norm(mirrored)
    assert cosine > 0.9995
    assert len(studio.document.history[0]) == steps + 1
    studio.run("edit.undo")
    assert studio.scene.entities["warm"].translation == (-2.5, 1.6, 0.0)


def test_the_light_that_dominates_is_named_under_the_pointer_and_taken_with_a_click(
    set_: Any, qtbot: QtBot, shot: Any
) -> None:
    studio, view, canvas = set_.application.studio, set_.views[0], set_.panel("viewport").canvas
    set_.application.give("lights.place_illumination")
    named = []
    for side in (-1.0, 1.0):
        QTest.mouseMove(canvas, place_on(set_, (2.5 * side, 0.0, 0.3)))
        qtbot.waitUntil(lambda: view.tools.placing.named is not None)
        drawn(set_, qtbot)
        named.append(view.tools.placing.named[0])
        assert any(label.text.startswith(studio.scene.entities[named[-1]].name) for label in view.batch.labels)
    shot(set_, "place-dominant")
    assert named == ["warm", "cold"]
    click(set_, place_on(set_, (2.5, 0.0, 0.3)))
    assert studio.selection == ("cold",)


def test_a_light_is_taken_out_of_the_sky_and_turned_there(set_: Any, qtbot: QtBot, shot: Any) -> None:
    studio = set_.application.studio
    pixels = np.full((64, 128, 3), 0.05, np.float32)
    pixels[:30] = np.linspace((0.1, 0.2, 0.6), (0.9, 0.6, 0.4), 30)[:, None]
    pixels[16:19, 84:87] = (60.0, 45.0, 25.0)
    with studio.document.edit("sky") as edit:
        dome = Light(id="dome", name="Evening sky", light="dome", unit="nt", image="sky", intensity=0.4)
        edit.scene = edit.scene.add(Image(key="sky", pixels=pixels, colour_space="linear"), dome)
    panel = set_.show_panel("sky")
    assert isinstance(panel, SkyPanel)
    qtbot.waitUntil(lambda: not panel.picture._image.isNull())
    assert "Click the sky" in panel.told.text()

    def told() -> bool:  # the panel may still be taking its place
        QTest.mouseMove(panel.picture, panel.picture.spot((85.5 / 128, 17.5 / 64)).toPoint())
        return "lx" in panel.told.text()

    qtbot.waitUntil(told)
    spot = panel.picture.spot((85.5 / 128, 17.5 / 64)).toPoint()
    QTest.mouseClick(panel.picture, LEFT, pos=spot)
    ((id_, _),) = sky_lights(studio.scene, "dome")
    assert studio.selection == (id_,) and studio.scene.entities[id_].intensity > 0.1
    steps = len(studio.document.history[0])
    QTest.mousePress(panel.picture, LEFT, Qt.KeyboardModifier.NoModifier, spot)
    for step in (QPoint(-10, 4), QPoint(-20, 8)):
        QTest.mouseMove(panel.picture, spot + step)
    QTest.mouseRelease(panel.picture, LEFT, Qt.KeyboardModifier.NoModifier, spot + QPoint(-20, 8))
    ((_, place),) = sky_lights(studio.scene, "dome")
    assert place[0] < 85.5 / 128 - 0.01 and len(studio.document.history[0]) == steps + 1
    drawn(set_, qtbot)
    shot(set_, "sky")
    studio.prefer(language="zh_CN")
    QApplication.processEvents()
    shot(set_, "sky-chinese")


def test_300_lamps_are_scattered_on_a_surface_and_their_rule_is_typed_anew(set_: Any, qtbot: QtBot, shot: Any) -> None:
    studio = set_.application.studio
    floor = of_kind(set_, MeshObject)[0]
    studio.select([floor, "warm"])
    id_ = studio.run("lights.scatter_surface")
    assert studio.selection == (id_,)
    number = set_.panel("inspector").findChild(NumberEdit, "field-count")
    assert number is not None and number.isVisibleTo(set_.panel("inspector"))
    for field, text in (("count", "300"), ("lift_m", "0.4"), ("exposure_jitter", "1.5")):
        number = set_.panel("inspector").findChild(NumberEdit, f"field-{field}")
        steps = len(studio.document.history[0])
        QTest.mouseClick(number, LEFT)
        qtbot.keyClicks(number, text)
        qtbot.keyClick(number, Qt.Key.Key_Return)
        assert len(studio.document.history[0]) == steps + 1
    group = studio.scene.entities[id_]
    assert isinstance(group, Group) and group.count == 300
    lamps = [studio.scene.entities[each] for each in group.made]
    assert len(lamps) == 300 and len({lamp.exposure for lamp in lamps}) == 300
    heights = {round(float(studio.scene.world_matrix(lamp.id)[1, 3]), 4) for lamp in lamps}
    assert heights == {0.4}
    drawn(set_, qtbot)
    shot(set_, "scatter")
    studio.run("edit.undo")
    assert {studio.scene.entities[each].exposure for each in group.made} == {0.0}
