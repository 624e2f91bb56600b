"""Palette, keymap editor, preferences, history, console, log: each does what it says."""

from __future__ import annotations

from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from studio.commands import registry
from studio.commands.preferences import load_preferences
from studio.scene.document import Document
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui import keymap_editor, palette, preferences
from studio.ui.history import HistoryModel


# --- palette ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "id_"),
    [
        ("mute", "lights.mute"),
        ("sv as", "file.save_as"),
        ("lights.solo", "lights.solo"),
        ("frsel", "view.frame_selected"),
    ],
)
def test_the_palette_finds_by_parts_of_a_name(window: Any, typed: str, id_: str) -> None:
    window.application.studio.show_scene(Scene().add(Light(id="a")), None)
    window.application.studio.select(["a"])
    found = palette.matching(registry.load().values(), typed, window.application.studio)
    assert id_ in [command.id for command in found[:3]]


def test_the_palette_finds_in_both_languages(window: Any) -> None:
    studio = window.application.studio
    studio.prefer(language="zh_CN")
    for typed in ("撤销", "undo"):
        found = palette.matching(registry.load().values(), typed, studio)
        assert "edit.undo" in [command.id for command in found[:3]]
    studio.prefer(language="en")


def test_every_command_stands_in_the_palette_and_what_does_not_apply_says_why(window: Any) -> None:
    model = palette.PaletteModel(window.application.studio)
    assert {command.id for command in model.commands} == set(registry.load())
    rows = {model.commands[i].id: model.index(i, 0) for i in range(model.rowCount())}
    mute = rows["lights.mute"]
    assert not mute.flags() & Qt.ItemFlag.ItemIsEnabled
    assert mute.data(palette.WHY)
    assert rows["file.new"].data(palette.KEYS) == "Ctrl+N"


def test_giving_a_command_by_the_palette(active_window: Any, qtbot: QtBot, shot: Any) -> None:
    window, studio = active_window, active_window.application.studio
    window.application.give("window.palette")
    box = window.findChild(palette.Palette)
    qtbot.waitUntil(box.typed.hasFocus)
    qtbot.keyClicks(box.typed, "point light")
    shot(window, "palette")
    qtbot.keyClick(box.typed, Qt.Key.Key_Return)
    assert len(studio.scene.entities) == 1
    qtbot.waitUntil(lambda: window.findChild(palette.Palette) is None)


def test_the_palette_s_model_is_sound(window: Any, qtmodeltester: ModelTester) -> None:
    model = palette.PaletteModel(window.application.studio)
    qtmodeltester.check(model)
    model.search("light")
    qtmodeltester.check(model)


# --- keymap ----------------------------------------------------------------------------------------------------------
def test_a_shortcut_that_is_set_works_and_is_kept(active_window: Any, qtbot: QtBot, shot: Any) -> None:
    window, studio = active_window, active_window.application.studio
    editor = keymap_editor.show(studio, window)
    editor.choose("create.point_light")
    editor.edit.setKeySequence(QKeySequence("Ctrl+Alt+J"))
    editor.replace()
    shot(editor, "keymap")
    editor.close()
    assert load_preferences().keys["create.point_light"] == ("Ctrl+Alt+J",)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyClick(window, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    assert len(studio.scene.entities) == 1


def test_a_conflict_is_named(window: Any, qtbot: QtBot) -> None:
    studio = window.application.studio
    editor = keymap_editor.show(studio, window)
    editor.choose("file.open")
    editor.edit.setKeySequence(QKeySequence("Ctrl+S"))
    assert "Save" in editor.message.text()
    editor.replace()
    assert "Conflict" in editor.message.text()
    editor.default()
    assert editor.message.text() == "No conflicts."
    editor.close()


def test_the_default_keys_have_no_conflicts(window: Any) -> None:
    from studio.commands.keymap import Keymap

    assert Keymap(registry.load()).conflicts() == ()


def test_the_keymap_s_model_is_sound(window: Any, qtmodeltester: ModelTester) -> None:
    qtmodeltester.check(keymap_editor.KeymapModel(window.application.studio))


# --- preferences -----------------------------------------------------------------------------------------------------
def test_a_preference_acts_at_once_and_is_kept(window: Any, qtbot: QtBot, shot: Any) -> None:
    studio = window.application.studio
    dialog = preferences.show(studio, window)
    shot(dialog, "preferences")
    combo = dialog.findChild(QComboBox, "navigation")
    combo.setCurrentIndex(combo.findData("maya"))
    combo.activated.emit(combo.currentIndex())
    assert window.stage.tools.preset == "maya"
    dialog.findChild(QCheckBox, "confirm_quit").setChecked(False)
    dialog.findChild(QDoubleSpinBox, "snap_rotate_deg").setValue(5.0)
    assert window.stage.tools.snapping.rotate_deg == 5.0
    kept = load_preferences()
    assert (kept.navigation, kept.confirm_quit, kept.snap_rotate_deg) == ("maya", False, 5.0)
    dialog.close()


def test_the_interface_scale_resizes_what_is_on_the_screen(window: Any, qtbot: QtBot) -> None:
    studio = window.application.studio
    before = window.fontMetrics().height()
    studio.prefer(interface_scale=2.0)
    assert window.fontMetrics().height() > 1.5 * before
    studio.prefer(interface_scale=1.0)
    assert window.fontMetrics().height() == before


def test_a_language_chosen_after_the_preferences_were_closed_is_no_fault(window: Any, qtbot: QtBot) -> None:
    studio = window.application.studio
    shown = preferences.show(studio, window)
    shown.close()
    qtbot.waitUntil(lambda: not shiboken6.isValid(shown))
    studio.prefer(language="zh_CN")
    studio.prefer(language="en")


def test_every_preference_has_an_editor(window: Any) -> None:
    from PySide6.QtWidgets import QWidget

    from studio.commands.preferences import Preferences
    from studio.scene.schema import fields

    dialog = preferences.show(window.application.studio, window)
    assert [name for name in fields(Preferences) if dialog.findChild(QWidget, name) is None] == []
    dialog.close()


# --- history ---------------------------------------------------------------------------------------------------------
def edited() -> Document:
    document = Document(Scene().add(Light(id="a")))
    for i in range(3):
        with document.edit(f"Step {i + 1}") as edit:
            edit.replace("a", intensity=float(i + 1))
    return document


def test_going_to_a_step_undoes_or_redoes_to_it(qapp: Any) -> None:
    document = edited()
    model = HistoryModel(document)
    model.go(1)
    assert document.scene.entities["a"].intensity == 1.0
    assert document.history == (("Step 1",), ("Step 2", "Step 3"))
    model.go(3)
    assert document.scene.entities["a"].intensity == 3.0
    model.go(0)
    assert document.scene.entities["a"].intensity == 100.0


def test_the_history_s_model_is_sound(qapp: Any, qtmodeltester: ModelTester) -> None:
    document = edited()
    model = HistoryModel(document)
    document.undo()
    model.refresh()
    qtmodeltester.check(model)


def test_the_history_panel_follows(window: Any, qtbot: QtBot) -> None:
    history = window.show_panel("history")
    window.application.studio.run("create.point_light")
    qtbot.waitUntil(lambda: history.model.rowCount() == 2 and history.list.currentIndex().row() == 1)
    history.model.go(0)
    assert window.application.studio.scene.entities == {}


# --- console and log -------------------------------------------------------------------------------------------------
def test_the_console_runs_python_with_the_studio_in_it(window: Any) -> None:
    console = window.show_panel("console")
    console.run('studio.run("create.point_light")')
    console.run("len(studio.scene.entities)")
    assert console.output.toPlainText().rstrip().endswith("1")
    console.run("1/0")
    assert "ZeroDivisionError" in console.output.toPlainText()
    console.run("exit()")
    assert window.isVisible()


def test_the_console_completes_and_recalls(window: Any, qtbot: QtBot) -> None:
    console = window.show_panel("console")
    console.run("answer = 42")
    console.input.setFocus()
    qtbot.waitUntil(console.input.hasFocus)
    console.input.setText("studio.docu")
    qtbot.keyClick(console.input, Qt.Key.Key_Tab)
    assert console.input.text() == "studio.document"
    console.input.clear()
    qtbot.keyClick(console.input, Qt.Key.Key_Up)
    assert console.input.text() == "answer = 42"


def test_the_last_commands_can_be_copied_as_python(window: Any, qapp: Any) -> None:
    window.application.give("create.point_light")
    window.application.give("edit.copy_as_python")
    assert qapp.clipboard().text() == 'studio.run("create.point_light")\n'


def test_what_was_told_stands_in_the_log(window: Any) -> None:
    log = window.show_panel("log")
    window.application.face.notify("The lamp is out.", kind="warning")
    window.application.give("create.point_light")
    text = log.lines.toPlainText()
    assert "The lamp is out." in text and "create.point_light" in text
    log.filter.setText("lamp")
    assert "create.point_light" not in log.lines.toPlainText()


def test_a_fault_that_nobody_foresaw_is_a_sentence_and_the_work_goes_on(window: Any) -> None:
    def fails() -> None:
        raise RuntimeError("secret detail")

    application = window.application
    application.guarded(fails)
    notice = application.notices.kept[-1]
    assert notice.kind == "error" and "secret" not in notice.sentence
    assert "secret detail" in application.log.path.read_text()
    application.give("create.point_light")
    assert len(application.studio.scene.entities) == 1
