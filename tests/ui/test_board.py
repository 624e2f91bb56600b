"""The board in the hand: faders, gangs, switches, typing, scrolling, learning; and a story in the whole window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from studio.commands.board import MASTER
from studio.commands.midi_map import Control, MidiMap
from studio.commands.studio import Studio
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui import midi_link
from studio.ui.board_looks import told
from studio.ui.board_panel import BoardPanel
from studio.ui.midi_panel import MidiPanel
from tests.commands.test_midi import FakePorts
from tests.ui.desk import PlainDesk

NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


def lamps(count: int = 6) -> Scene:
    scene = Scene().add(Group(id="stage", name="Stage", rig=True), Group(id="house", name="House lights"))
    for i in range(count):
        parent = "stage" if i % 2 else "house"
        scene = scene.add(Light(id=f"l{i}", name=f"Lamp {i}", parent=parent, translation=(i * 1.0, 2.0, 0.0)))
    return scene


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> FakePorts:
    made = FakePorts()
    monkeypatch.setattr(midi_link, "make_ports", lambda: made)
    return made


@pytest.fixture
def panel(qtbot: QtBot, ports: FakePorts) -> Iterator[Any]:
    studio = Studio(scene=lamps())
    desk: Any = PlainDesk(studio)
    made: Any = BoardPanel(studio, desk)
    qtbot.addWidget(made)
    made.resize(1000, 340)
    with qtbot.waitExposed(made):
        made.show()
    made.studio, made.desk, made.ports = studio, desk, ports
    made.board.show = "all"
    yield made
    made.close_panel()
    desk.playback.close()
    desk.sound.close()
    desk.bridge.close()


def exposure(panel: Any, id_: str) -> float:
    return float(panel.studio.posed.entities[id_].exposure)


def spot(panel: Any, id_: str, part: str) -> QPoint:
    parts = panel.canvas.parts(id_)
    point: QPoint = getattr(parts, part).center().toPoint()
    return point


def drag(panel: Any, id_: str, stops: float, modifiers: Qt.KeyboardModifier = NONE, *, let_go: bool = True) -> None:
    canvas, start = panel.canvas, spot(panel, id_, "fader")
    way = round(stops * panel.canvas.parts(MASTER).per_stop)
    QTest.mousePress(canvas, LEFT, modifiers, start)
    for i in range(1, 5):
        QTest.mouseMove(canvas, start - QPoint(0, round(way * i / 4)))
    if let_go:
        QTest.mouseRelease(canvas, LEFT, modifiers, start - QPoint(0, way))


# --- faders ----------------------------------------------------------------------------------------------------------
def test_a_drag_of_a_fader_is_one_step_of_the_history(panel: Any) -> None:
    drag(panel, "l2", 3.0)
    assert exposure(panel, "l2") == pytest.approx(3.0, abs=0.1)
    assert panel.studio.document.history[0] == ("Move faders",)
    panel.studio.document.undo()
    assert exposure(panel, "l2") == 0.0


def test_escape_takes_a_drag_back(panel: Any, qtbot: QtBot) -> None:
    drag(panel, "l2", 3.0, let_go=False)
    assert exposure(panel, "l2") > 2.0
    qtbot.keyClick(panel.canvas, Qt.Key.Key_Escape)
    assert exposure(panel, "l2") == 0.0 and panel.studio.document.history == ((), ())


def test_selected_strips_move_together_and_keep_their_differences(panel: Any) -> None:
    with panel.studio.document.edit("Set") as edit:
        edit.replace("l1", exposure=-2.0)
    panel.studio.select(["l1", "l3"])
    drag(panel, "l3", 2.0)
    assert exposure(panel, "l3") - exposure(panel, "l1") == pytest.approx(2.0)
    assert exposure(panel, "l3") == pytest.approx(2.0, abs=0.1) and exposure(panel, "l2") == 0.0


def test_control_takes_another_strip_along_and_alt_moves_one_alone(panel: Any) -> None:
    panel.studio.select(["l1", "l3"])
    drag(panel, "l5", 1.0, Qt.KeyboardModifier.ControlModifier)
    assert exposure(panel, "l1") == exposure(panel, "l5") == pytest.approx(1.0, abs=0.1)
    drag(panel, "l1", 1.0, Qt.KeyboardModifier.AltModifier)
    assert exposure(panel, "l1") == pytest.approx(2.0, abs=0.2) and exposure(panel, "l3") < 1.2


def test_a_double_click_puts_a_fader_to_nought_and_then_to_its_original(panel: Any) -> None:
    with panel.studio.document.edit("Set") as edit:
        edit.replace("l0", exposure=1.5)
    panel.studio.document.load(panel.studio.scene)
    panel.studio.tell("path")
    for expected in (0.0, 1.5, 0.0):
        QTest.mouseDClick(panel.canvas, LEFT, NONE, spot(panel, "l0", "fader"))
        assert exposure(panel, "l0") == expected


def test_the_master_moves_all_and_a_drag_back_leaves_all_as_it_was(panel: Any) -> None:
    with panel.studio.document.edit("Set") as edit:
        edit.replace("l1", exposure=-3.0)
    before = panel.board.value(MASTER)
    drag(panel, MASTER, -2.0)
    values = [exposure(panel, f"l{i}") for i in range(6)]
    assert values[0] == pytest.approx(-2.0, abs=0.1) and values[1] - values[0] == pytest.approx(-3.0)
    assert panel.board.value(MASTER) == pytest.approx(before - 2.0, abs=0.1)
    panel.studio.document.undo()
    assert panel.board.value(MASTER) == before


# --- switches, names and values --------------------------------------------------------------------------------------
def test_switches_turn_for_the_gang_and_the_master_ends_them(panel: Any) -> None:
    panel.studio.select(["l1", "l2"])
    QTest.mouseClick(panel.canvas, LEFT, NONE, spot(panel, "l2", "mute"))
    QTest.mouseClick(panel.canvas, LEFT, NONE, spot(panel, "l4", "solo"))
    entities = panel.studio.scene.entities
    assert [entities[f"l{i}"].muted for i in range(4)] == [False, True, True, False]
    assert entities["l4"].solo and not entities["l1"].solo
    for part in ("mute", "solo"):
        QTest.mouseClick(panel.canvas, LEFT, NONE, spot(panel, MASTER, part))
    assert not any(e.muted or e.solo for e in panel.studio.scene.entities.values())


def test_names_select_like_a_list(panel: Any) -> None:
    QTest.mouseClick(panel.canvas, LEFT, NONE, spot(panel, panel.board.ids[1], "name"))
    QTest.mouseClick(panel.canvas, LEFT, Qt.KeyboardModifier.ShiftModifier, spot(panel, panel.board.ids[3], "name"))
    assert panel.studio.selection == panel.board.ids[1:4]
    QTest.mouseClick(panel.canvas, LEFT, Qt.KeyboardModifier.ControlModifier, spot(panel, panel.board.ids[2], "name"))
    assert panel.studio.selection == (panel.board.ids[1], panel.board.ids[3])


def test_a_value_is_typed_with_arithmetic(panel: Any, qtbot: QtBot) -> None:
    QTest.mouseDClick(panel.canvas, LEFT, NONE, spot(panel, "l0", "value"))
    field = panel.findChild(QLineEdit, "board.value")
    assert field.isVisible()
    field.clear()
    qtbot.keyClicks(field, "1/2")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert exposure(panel, "l0") == 0.5 and not field.isVisible()
    panel.canvas.start_typing("l0")
    field.setText("bright")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert panel.studio.face.notices[-1][0] == "warning" and exposure(panel, "l0") == 0.5


def test_everything_can_be_done_by_the_keyboard(panel: Any, qtbot: QtBot) -> None:
    canvas = panel.canvas
    canvas.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_M, Qt.Key.Key_Space):
        qtbot.keyClick(canvas, key)
    id_ = panel.board.ids[1]
    entity = panel.studio.scene.entities[id_]
    assert entity.exposure == pytest.approx(2 / 3, abs=1e-5) and entity.muted and panel.studio.selection == (id_,)
    assert panel.studio.document.history[0] == ("Move faders", "Mute"), "steps that follow soon are one"
    qtbot.keyClick(canvas, Qt.Key.Key_Home)
    assert exposure(panel, id_) == 0.0
    assert "Lamp" in canvas.accessibleDescription()


# --- many ------------------------------------------------------------------------------------------------------------
def test_only_strips_on_the_screen_are_painted(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.ui import board_paint

    panel.studio.show_scene(lamps(300), None)
    panel.board.show = "all"
    painted: list[str] = []
    original = board_paint.Painter.strip

    def strip(self: Any, parts: Any, look: Any) -> None:
        painted.append(look.name)
        original(self, parts, look)

    monkeypatch.setattr(board_paint.Painter, "strip", strip)
    panel.canvas.bar.setValue(panel.canvas.bar.maximum())
    panel.canvas.grab()
    assert len(painted) < 20 and "Lamp 299" in painted and "Master" in painted


def test_meters_show_what_shines_and_nothing_for_what_does_not(panel: Any) -> None:
    panel.studio.edit("Mute", lambda scene: scene.replace("l0", muted=True))
    panel.studio.edit("Dim", lambda scene: scene.replace("l1", exposure=-4.0))
    levels = panel.board.levels()
    assert "l0" not in levels
    assert levels["l2"] == pytest.approx(4 * 3.14159265 * 100.0, rel=1e-4), "100 cd all around"
    assert levels["l1"] == pytest.approx(levels["l2"] / 16)
    assert levels["stage"] == pytest.approx(levels["l1"] + levels["l3"] + levels["l5"])
    assert "%" in told(panel.board, "l2", "name")


# --- a surface -------------------------------------------------------------------------------------------------------
def test_a_fader_is_learned_by_pointing_and_moving(panel: Any, qtbot: QtBot) -> None:
    panel.studio.prefer(midi=MidiMap(input="desk", output="desk"))
    qtbot.waitUntil(lambda: panel.link.hub.state == "open")
    panel.learn(on=True)
    QTest.mouseClick(panel.canvas, LEFT, NONE, spot(panel, "l2", "fader"))
    assert panel.canvas.armed == ("l2", "fader")
    panel.ports.plays([0xB0, 70, 10])
    qtbot.waitUntil(lambda: bool(panel.studio.preferences.midi.bindings))
    (binding,) = panel.studio.preferences.midi.bindings
    assert binding.control == Control("cc", 0, 70) and panel.board.at(binding.strip) == "l2"
    assert panel.canvas.badges("l2") == (("fader", "CC 70 · 1"),)
    qtbot.keyClick(panel.canvas, Qt.Key.Key_Escape)
    assert not panel.canvas.learning
    panel.ports.plays([0xB0, 70, 79], [0xB0, 70, 80])  # past where the fader is, then on
    qtbot.waitUntil(lambda: exposure(panel, "l2") != 0.0)
    assert exposure(panel, "l2") == pytest.approx(-10 + 16 * 80 / 127, abs=1e-3)


def test_the_midi_panel_lists_devices_and_keeps_what_is_chosen(panel: Any, qtbot: QtBot, ports: FakePorts) -> None:
    made = MidiPanel(panel.studio, panel.desk)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.input.findData("desk") >= 0)
    made.input.setCurrentIndex(made.input.findData("desk"))
    made.input.activated.emit(made.input.currentIndex())
    made._take_preset("mackie")
    qtbot.waitUntil(lambda: panel.link.hub.state == "open")
    assert made.table.rowCount() == 45
    made.table.selectRow(0)
    made._removed()
    assert len(panel.studio.preferences.midi.bindings) == 44
    made.close_panel()
    assert panel.link.hub.state == "open", "the board still needs it"


@pytest.mark.parametrize("height", [140, 180, 240, 340])
def test_parts_of_a_strip_stand_apart_at_any_height(panel: Any, height: int) -> None:
    panel.resize(1000, height)
    parts = panel.canvas.parts("l2")
    boxes = [parts.colour, parts.name, parts.value, parts.fader, parts.mute, parts.solo]
    for i, box in enumerate(boxes):
        assert parts.whole.contains(box) and box.height() > 3
        assert not any(box.intersects(other) for other in boxes[i + 1 :])
    QTest.mouseClick(panel.canvas, LEFT, NONE, spot(panel, "l2", "mute"))
    assert panel.studio.scene.entities["l2"].muted
    panel.canvas.grab()


# --- a story ---------------------------------------------------------------------------------------------------------
def test_a_show_is_lit_on_the_board(active_window: Any, qtbot: QtBot, shot: Any, ports: FakePorts) -> None:
    """Lamps in two groups, one made a rig; the house dimmed, one lamp soloed; the parts of the rig shown."""
    window = active_window
    studio = window.application.studio
    scene = lamps(24).replace([f"l{i}" for i in range(0, 24, 3)], use_temperature=True, temperature_k=2700.0)
    scene = scene.replace([f"l{i}" for i in range(1, 24, 4)], color=(0.1, 0.3, 1.0), light="spot")
    studio.show_scene(scene, None)
    studio.run("create.plane")
    studio.prefer(midi=MidiMap(input="desk", output="desk"))
    panel = window.show_panel("board")
    window.resize(1440, 900)
    panel.board.show = "all"
    panel.studio = studio
    qtbot.waitUntil(lambda: panel.canvas.width() > 400 and panel.height() > 200)
    drag(panel, "l1", 4.0)
    drag(panel, "l2", -3.0)
    QTest.mouseClick(panel.canvas, LEFT, NONE, spot(panel, panel.board.ids[5], "mute"))
    studio.select(panel.board.ids[1:3])
    window.application.settle()
    shot(window, "board")
    panel.board.show = "groups"
    drag(panel, "house", -2.0)
    assert studio.scene.entities["house"].exposure == pytest.approx(-2.0, abs=0.3)
    panel.board.show = "stage"
    assert "l0" not in panel.board.ids and panel.board.own_rig == "stage"
    drag(panel, MASTER, 1.0)
    assert studio.scene.entities["stage"].exposure == pytest.approx(1.0, abs=0.3)
    panel.learn(on=True)
    QTest.mouseClick(panel.canvas, LEFT, NONE, spot(panel, panel.board.ids[2], "fader"))
    qtbot.waitUntil(lambda: panel.link.hub.state == "open")
    ports.plays([0xE2, 0, 64])
    qtbot.waitUntil(lambda: bool(studio.preferences.midi.bindings))
    window.application.settle()
    shot(window, "board-learning")
