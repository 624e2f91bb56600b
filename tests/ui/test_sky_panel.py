"""The sky panel by a real mouse: a click takes a light out of the picture, a drag moves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.scene.geometry import Image
from studio.scene.lights import Light
from studio.scene.sky_lights import place_of, sky_lights
from studio.ui.panel import Desk
from studio.ui.sky_panel import SkyPanel
from tests.ui.desk import PlainDesk

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
def sky_panel(studio: Studio, qtbot: QtBot) -> Iterator[SkyPanel]:
    pixels = np.full((32, 64, 3), 0.2, np.float32)
    pixels[8:12, 40:44] = (30.0, 20.0, 10.0)
    with studio.document.edit("sky") as edit:
        edit.scene = edit.scene.add(
            Image(key="sky", pixels=pixels, colour_space="linear"),
            Light(id="d", name="Dusk", light="dome", unit="nt", intensity=1.0, image="sky"),
        )
    desk = PlainDesk(studio)
    panel = SkyPanel(studio, cast(Desk, desk))
    qtbot.addWidget(panel)
    panel.resize(600, 360)
    with qtbot.waitExposed(panel):
        panel.show()
    qtbot.waitUntil(lambda: not panel.picture._image.isNull())
    yield panel
    panel.close_panel()
    desk.bridge.close()


def at(panel: SkyPanel, u: float, v: float) -> QPoint:
    return panel.picture.spot((u, v)).toPoint()


def test_a_click_makes_a_light_of_what_is_there(sky_panel: SkyPanel, studio: Studio) -> None:
    QTest.mouseClick(sky_panel.picture, LEFT, pos=at(sky_panel, 42 / 64, 10 / 32))
    ((id_, place),) = sky_lights(studio.scene, "d")
    assert np.allclose(place, (42 / 64, 10 / 32), atol=0.01)
    light = studio.scene.entities[id_]
    assert isinstance(light, Light)
    assert light.color[0] > light.color[1] > light.color[2]
    assert studio.selection == (id_,)
    assert [dot for dot, _ in sky_panel.picture.dots] == [id_]
    studio.document.undo()
    assert sky_panel.picture.dots == ()


def test_a_dot_is_dragged_in_one_step(sky_panel: SkyPanel, studio: Studio) -> None:
    QTest.mouseClick(sky_panel.picture, LEFT, pos=at(sky_panel, 0.66, 0.3))
    id_ = studio.selection[0]
    QTest.mousePress(sky_panel.picture, LEFT, pos=at(sky_panel, 0.66, 0.3))
    for u in (0.6, 0.5, 0.4):
        QTest.mouseMove(sky_panel.picture, at(sky_panel, u, 0.4))
    QTest.mouseRelease(sky_panel.picture, LEFT, pos=at(sky_panel, 0.4, 0.4))
    assert np.allclose(sky_lights(studio.scene, "d")[0][1], (0.4, 0.4), atol=0.01)
    studio.document.undo()
    assert np.allclose(sky_lights(studio.scene, "d")[0][1], (0.66, 0.3), atol=0.01)
    assert id_ in studio.scene.entities


def test_the_pointer_tells_nits_and_lux(sky_panel: SkyPanel, qtbot: QtBot) -> None:
    def told() -> bool:
        for u in (41 / 64, 42 / 64):  # a window manager may still be moving the window
            QTest.mouseMove(sky_panel.picture, at(sky_panel, u, 10 / 32))
        return "nt" in sky_panel.told.text() and "lx" in sky_panel.told.text()

    qtbot.waitUntil(told)


def test_without_a_dome_the_panel_says_so(sky_panel: SkyPanel, studio: Studio) -> None:
    studio.document.undo()
    assert "dome" in sky_panel.name.text()
    assert not sky_panel.picture.isEnabled()


def test_the_shown_place_is_where_the_light_shines_from() -> None:
    assert np.allclose(place_of(np.array([0.0, 0.0, -1.0])), (0.5, 0.5))
