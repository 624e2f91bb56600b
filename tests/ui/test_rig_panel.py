"""The rig panel: states stored and recalled, a crossfade by hand, differences taken; and a story in the window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.rig_panel import RigPanel
from tests.ui.desk import PlainDesk


def stage() -> Scene:
    return Scene().add(
        Group(id="rig", name="Stage", rig=True),
        Group(id="back", name="Back lights", parent="rig"),
        Light(id="key", name="Key", parent="rig", use_temperature=True, temperature_k=5600.0),
        Light(id="rim", name="Rim", parent="back", light="spot", color=(0.2, 0.4, 1.0)),
    )


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[Any]:
    studio = Studio(scene=stage())
    desk: Any = PlainDesk(studio)
    made: Any = RigPanel(studio, desk)
    qtbot.addWidget(made)
    made.resize(420, 560)
    with qtbot.waitExposed(made):
        made.show()
    made.studio, made.desk = studio, desk
    yield made
    made.close_panel()
    desk.playback.close()
    desk.sound.close()
    desk.bridge.close()


def press(panel: Any, name: str) -> None:
    button = panel.findChild(QToolButton, name)
    assert button.isEnabled(), name
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def store(panel: Any, name: str) -> None:
    panel.studio.face.answers.append(name)
    press(panel, "rigs.store.button")


def night(studio: Studio) -> None:
    with studio.document.edit("Night") as edit:
        edit.replace("key", exposure=-6.0, temperature_k=3200.0)
        edit.replace("back", tint=(0.3, 0.5, 1.0), exposure=2.0)
        edit.replace("rim", muted=True)


def two_states(panel: Any) -> None:
    store(panel, "Day")
    night(panel.studio)
    store(panel, "Night")


def key(panel: Any) -> Light:
    found = panel.studio.posed.entities["key"]
    assert isinstance(found, Light)
    return found


def test_two_stored_states_are_what_is_faded_between(panel: Any) -> None:
    two_states(panel)
    assert panel.fader.states() == ("Day", "Night")
    assert (panel.a.currentText(), panel.b.currentText()) == ("Day", "Night")
    assert panel.model.rowCount() == 5 and panel.slider.isEnabled()


def test_a_state_is_recalled_by_a_double_click(panel: Any) -> None:
    two_states(panel)
    panel.states.setCurrentRow(0)
    panel.states.itemActivated.emit(panel.states.item(0))
    assert key(panel).exposure == 0.0 and not panel.studio.scene.entities["rim"].muted


def test_a_state_is_updated_renamed_and_deleted(panel: Any) -> None:
    two_states(panel)
    panel.states.setCurrentRow(1)
    with panel.studio.document.edit("Change") as edit:
        edit.replace("key", exposure=-1.0)
    press(panel, "rigs.update.button")
    assert panel.fader.state("b").values["key"]["exposure"] == -1.0
    panel.studio.face.answers.append("Dusk")
    press(panel, "rigs.rename_state.button")
    assert panel.fader.states() == ("Day", "Dusk")
    panel.states.setCurrentRow(0)
    press(panel, "rigs.delete_state.button")
    assert panel.fader.states() == ("Dusk",)
    panel.studio.document.undo()
    assert panel.fader.states() == ("Day", "Dusk")


def test_a_drag_of_the_crossfade_is_one_step(panel: Any, qtbot: QtBot) -> None:
    two_states(panel)
    steps = len(panel.studio.document.history[0])
    slider = panel.slider
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(5, middle.y()))
    for x in range(8, middle.x(), 10):
        QTest.mouseMove(slider, QPoint(x, middle.y()))
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=middle)
    assert 0.3 < panel.fader.share < 0.7
    assert key(panel).exposure == pytest.approx(-6.0 * panel.fader.share)
    assert len(panel.studio.document.history[0]) == steps + 1
    panel.studio.document.undo()
    assert key(panel).exposure == -6.0


def test_escape_takes_a_crossfade_back(panel: Any, qtbot: QtBot) -> None:
    two_states(panel)
    slider = panel.slider
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(5, slider.height() // 2))
    QTest.mouseMove(slider, QPoint(slider.width() // 2, slider.height() // 2))
    assert key(panel).exposure != -6.0
    qtbot.keyClick(slider, Qt.Key.Key_Escape)
    assert key(panel).exposure == -6.0 and panel.fader.share == 0.0
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(50, slider.height() // 2))
    assert key(panel).exposure == -6.0


def test_single_values_are_taken(panel: Any) -> None:
    two_states(panel)
    row = next(i for i, d in enumerate(panel.model.rows) if (d.id, d.field) == ("key", "temperature_k"))
    panel.table.selectRow(row)
    press(panel, "rigs.take_a")
    assert key(panel).temperature_k == 5600.0 and key(panel).exposure == -6.0
    panel.table.clearSelection()
    press(panel, "rigs.take_a")
    assert key(panel).exposure == 0.0, "with no rows selected all are taken"


def test_a_double_click_on_a_value_takes_it(panel: Any) -> None:
    two_states(panel)
    panel.table.doubleClicked.emit(panel.model.index(0, 0))
    row = next(i for i, d in enumerate(panel.model.rows) if (d.id, d.field) == ("key", "exposure"))
    assert key(panel).exposure == -6.0
    panel.table.doubleClicked.emit(panel.model.index(row, 2))
    assert key(panel).exposure == 0.0 and key(panel).temperature_k == 3200.0


def test_without_a_rig_the_panel_says_what_to_do(panel: Any) -> None:
    panel.studio.show_scene(Scene().add(Light(id="a")), None)
    assert panel._hint.isVisible() and "make a rig" in panel._hint.text()
    assert not panel.slider.isEnabled() and not panel.findChild(QToolButton, "rigs.store.button").isEnabled()
    panel.studio.select(["a"])
    panel.studio.face.answers.append("One")
    press(panel, "rigs.make")
    assert panel.rig_menu.currentText() == "One"


def test_what_a_crossfade_changes_is_keyed_where_autokey_is_on(panel: Any) -> None:
    two_states(panel)
    panel.studio.autokey = True
    panel.studio.frame = 10.0
    panel.fader.go(0.5)
    assert "key.exposure" in panel.studio.scene.tracks and key(panel).exposure == pytest.approx(-3.0)


def test_day_becomes_night(active_window: Any, qtbot: QtBot, shot: Any) -> None:
    """A rig's day and night are stored, compared in the table and mixed half way."""
    window = active_window
    studio = window.application.studio
    studio.show_scene(stage(), None)
    studio.run("create.plane")
    studio.run("rigs.store", name="Day")
    night(studio)
    studio.run("rigs.store", name="Night")
    panel = window.show_panel("rigs")
    panel.fader.choose_rig("rig")
    qtbot.waitUntil(lambda: panel.model.rowCount() == 5)
    panel.slider.setValue(400)
    assert studio.posed.entities["key"].exposure == pytest.approx(-2.4)
    panel.table.selectRow(1)
    window.application.settle()
    shot(window, "rigs")
