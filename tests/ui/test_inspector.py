"""The inspector: one light or three hundred, each edit one step of the history."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QToolButton

from studio.commands.studio import Studio
from studio.scene import keying
from studio.scene.entities import Camera, Constraint, MeshObject, Path
from studio.scene.geometry import Morph, make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.ui.inspector import Inspector
from studio.ui.key_dots import KeyDot, fill_menu
from studio.ui.number_edit import MIXED, NumberEdit
from tests.ui.desk import PlainDesk


@pytest.fixture
def studio():
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    return Studio(
        scene=Scene().add(
            *(Light(id=f"l{i}", name=f"lamp {i}", exposure=float(i)) for i in range(4)),
            Light(id="spot", light="spot"),
            Camera(id="cam"),
            Material(id="red", name="red"),
            mesh,
            MeshObject(id="body", mesh=mesh.key, materials=("red",)),
        )
    )


@pytest.fixture
def inspector(qtbot, studio):
    panel = Inspector(studio, PlainDesk(studio))
    qtbot.addWidget(panel)
    panel.resize(320, 700)
    panel.show()
    yield panel
    panel.close_panel()


def _number(panel, name) -> NumberEdit:
    return panel.findChild(NumberEdit, f"field-{name}")


def _type(qtbot, edit, text):
    edit.start_typing()
    edit.selectAll()
    qtbot.keyClicks(edit, text)
    qtbot.keyClick(edit, Qt.Key.Key_Return)


def test_nothing_selected_says_so(inspector):
    assert inspector._nothing.isVisible() and not inspector._area.isVisible()


def test_typing_sets_every_selected_light_in_one_step(qtbot, studio, inspector):
    studio.select(["l0", "l1", "l2"])
    assert _number(inspector, "exposure").text() == MIXED
    _type(qtbot, _number(inspector, "exposure"), "2.5")
    assert [studio.scene.entities[f"l{i}"].exposure for i in range(4)] == [2.5, 2.5, 2.5, 3.0]
    studio.run("edit.undo")
    assert [studio.scene.entities[f"l{i}"].exposure for i in range(4)] == [0.0, 1.0, 2.0, 3.0]
    assert not studio.document.undo_label


def test_a_relative_entry_keeps_the_differences(qtbot, studio, inspector):
    studio.select(["l0", "l1"])
    _type(qtbot, _number(inspector, "exposure"), "+=1")
    assert [studio.scene.entities[f"l{i}"].exposure for i in range(2)] == [1.0, 2.0]


def test_a_drag_is_one_step_and_escape_takes_it_back(studio, inspector):
    studio.select(["l0", "l1"])
    edit = _number(inspector, "exposure")
    before = studio.scene
    QTest.mousePress(edit, Qt.MouseButton.LeftButton, pos=QPoint(20, 8))
    for x in (30, 60, 90):
        QTest.mouseMove(edit, QPoint(x, 8))
    assert studio.scene is not before
    QTest.keyClick(edit, Qt.Key.Key_Escape)
    QTest.mouseRelease(edit, Qt.MouseButton.LeftButton, pos=QPoint(90, 8))
    assert studio.scene.entities == before.entities and not studio.document.undo_label
    QTest.mousePress(edit, Qt.MouseButton.LeftButton, pos=QPoint(20, 8))
    for x in (30, 60, 90):
        QTest.mouseMove(edit, QPoint(x, 8))
    QTest.mouseRelease(edit, Qt.MouseButton.LeftButton, pos=QPoint(90, 8))
    studio.run("edit.undo")
    assert studio.scene.entities == before.entities and not studio.document.undo_label


def test_widgets_are_kept_while_the_selection_needs_the_same(studio, inspector):
    studio.select(["l0"])
    kept = _number(inspector, "intensity")
    studio.select(["l1"])
    studio.run("edit.set", field="intensity", value=7.0)
    assert _number(inspector, "intensity") is kept and kept.value == 7.0


def test_another_kind_of_light_brings_its_fields(studio, inspector):
    studio.select(["l0"])
    assert _number(inspector, "outer_cone_deg") is None
    studio.run("lights.kind", to="spot")
    assert _number(inspector, "outer_cone_deg") is not None


def test_the_kind_menu_takes_care_of_the_unit(studio, inspector):
    studio.select(["l0"])
    menu = inspector.findChild(QComboBox, "field-light")
    menu.setCurrentIndex(menu.findData("dome"))
    menu.activated.emit(menu.currentIndex())
    light = studio.scene.entities["l0"]
    assert (light.light, light.unit) == ("dome", "nt")


def test_a_switch_of_many_that_differ_turns_all_on_first(qtbot, studio, inspector):
    studio.select(["l0"])
    studio.run("lights.mute")
    studio.select(["l0", "l1"])
    switch = inspector.findChild(QCheckBox, "field-muted")
    assert switch.checkState() == Qt.CheckState.PartiallyChecked
    qtbot.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(8, switch.height() // 2))
    assert studio.scene.entities["l0"].muted and studio.scene.entities["l1"].muted
    qtbot.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(8, switch.height() // 2))
    assert not studio.scene.entities["l0"].muted and not studio.scene.entities["l1"].muted


def test_rotations_are_typed_as_angles_and_shown_as_typed(qtbot, studio, inspector):
    studio.select(["cam"])
    edits = [inspector.findChild(NumberEdit, f"field-rotation-{axis}") for axis in "xyz"]
    for edit, angle in zip(edits, ("-30", "120", "5"), strict=True):
        _type(qtbot, edit, angle)
    assert [edit.value for edit in edits] == pytest.approx([-30.0, 120.0, 5.0], abs=1e-3)


def test_a_name_that_was_typed_is_kept_and_an_empty_one_refused(qtbot, studio, inspector):
    studio.select(["l0"])
    name = inspector.findChild(QLineEdit, "field-name")
    name.setFocus()
    name.selectAll()
    qtbot.keyClicks(name, "Key")
    qtbot.keyClick(name, Qt.Key.Key_Return)
    assert studio.scene.entities["l0"].name == "Key"
    name.selectAll()
    qtbot.keyClick(name, Qt.Key.Key_Delete)
    qtbot.keyClick(name, Qt.Key.Key_Return)
    assert studio.scene.entities["l0"].name == "Key"
    assert studio.face.notices[-1][0] == "error"


def test_reset_brings_the_default_back_and_shows_only_where_it_differs(qtbot, studio, inspector):
    studio.select(["l2"])
    reset = inspector.findChild(QToolButton, "reset-exposure")
    assert reset.isVisible() and not inspector.findChild(QToolButton, "reset-diffuse_gain").isVisible()
    qtbot.mouseClick(reset, Qt.MouseButton.LeftButton)
    assert studio.scene.entities["l2"].exposure == 0.0 and not reset.isVisible()


def test_materials_of_an_object_are_edited_with_it(qtbot, studio, inspector):
    studio.select(["body"])
    _type(qtbot, _number(inspector, "specular_roughness"), "0.75")
    assert studio.scene.materials["red"].specular_roughness == 0.75
    menu = inspector.findChild(QComboBox, "field-materials-0")
    menu.activated.emit(0)
    assert studio.scene.entities["body"].materials == ("",)


def test_morphs_have_a_row_each_with_their_names(qtbot, studio, inspector):
    import numpy as np

    rows, delta = np.arange(3, dtype=np.uint32), np.zeros((3, 3), np.float32)
    morphs = tuple(Morph(f"shape{i}", rows, delta) for i in range(6))
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], morphs=morphs)
    with studio.document.edit("Add") as edit:
        edit.scene = edit.scene.add(mesh, MeshObject(id="head", mesh=mesh.key, morph_weights=(0.0,) * 6))
    studio.select(["head"])
    smile = inspector.findChild(NumberEdit, "field-morph_weights-shape3")
    _type(qtbot, smile, "0.5")
    assert studio.scene.entities["head"].morph_weights == (0.0, 0.0, 0.0, 0.5, 0.0, 0.0)


def test_the_search_shows_only_matching_rows(inspector, studio):
    studio.select(["l0"])
    inspector.search.setText("expo")
    rows = [row for box in inspector._boxes for row in box.rows if row.isVisible()]
    assert [row.shared.field.name for row in rows] == ["exposure"]
    inspector.search.clear()
    assert sum(row.isVisible() for box in inspector._boxes for row in box.rows) > 10


def test_every_editor_has_a_name_for_screen_readers(studio, inspector):
    studio.select(["l0", "spot", "cam", "body"])
    for kind in (NumberEdit, QCheckBox, QComboBox, QLineEdit):
        for widget in inspector.findChildren(kind):
            if widget.isVisible() and not widget.objectName().startswith("qt_"):
                assert widget.objectName() and widget.accessibleName(), widget


def test_a_hidden_inspector_catches_up_when_it_is_shown(studio, inspector):
    studio.select(["l0"])
    inspector.hide()
    studio.run("edit.set", field="intensity", value=3.0)
    assert _number(inspector, "intensity").value != 3.0
    inspector.show()
    assert _number(inspector, "intensity").value == 3.0


# --- what moves ------------------------------------------------------------------------------------------------------
def _dot(panel, name) -> KeyDot:
    return panel.findChild(KeyDot, f"key-{name}")


def test_a_press_on_a_dot_sets_a_key_and_another_removes_it(qtbot, studio, inspector, shot):
    studio.select(["l1"])
    dot = _dot(inspector, "exposure")
    assert dot.state == "none"
    qtbot.mouseClick(dot, Qt.MouseButton.LeftButton)
    assert studio.scene.tracks["l1.exposure"].values.tolist() == [[1.0]] and dot.state == "key"
    studio.frame = 10.0
    assert dot.state == "animated"
    shot(inspector, "inspector-dots")
    studio.frame = studio.scene.frame_start
    assert dot.state == "key"
    qtbot.mouseClick(dot, Qt.MouseButton.LeftButton)
    assert "l1.exposure" not in studio.scene.tracks and dot.state == "none"
    assert studio.document.history[0] == ("Set key", "Delete key")


def test_values_are_those_of_the_frame_and_edits_become_keys(qtbot, studio, inspector):
    with studio.document.edit("Key") as edit:
        edit.apply(keying.set_key, "l0", "exposure", 0.0, 0.0)
        edit.apply(keying.set_key, "l0", "exposure", 20.0, 8.0)
    studio.select(["l0"])
    kept = _number(inspector, "exposure")
    studio.frame = 20.0
    assert _number(inspector, "exposure") is kept and kept.value == 8.0
    studio.frame = 10.0
    assert kept.value == pytest.approx(4.0) and _dot(inspector, "exposure").state == "animated"
    _type(qtbot, kept, "2")
    assert studio.scene.tracks["l0.exposure"].times.tolist() == [0.0, 10.0, 20.0]
    assert _dot(inspector, "exposure").state == "key"
    studio.frame = 20.0
    edit = kept
    QTest.mousePress(edit, Qt.MouseButton.LeftButton, pos=QPoint(20, 8))
    for x in (30, 40, 50):
        QTest.mouseMove(edit, QPoint(x, 8))
    QTest.mouseRelease(edit, Qt.MouseButton.LeftButton, pos=QPoint(50, 8))
    assert studio.scene.tracks["l0.exposure"].values[-1, 0] > 8.0
    studio.run("edit.undo")
    assert studio.scene.tracks["l0.exposure"].values[-1, 0] == 8.0


def test_dots_of_several_say_where_they_differ(qtbot, studio, inspector):
    studio.select(["l0"])
    studio.run("keys.field", field="exposure")
    studio.select(["l0", "l1"])
    dot = _dot(inspector, "exposure")
    assert dot.state == "mixed"
    qtbot.mouseClick(dot, Qt.MouseButton.LeftButton)
    assert dot.state == "key" and "l1.exposure" in studio.scene.tracks
    qtbot.mouseClick(dot, Qt.MouseButton.LeftButton)
    assert dot.state == "none" and not studio.scene.tracks


def test_angles_of_a_curve_keep_their_turns(studio, inspector):
    with studio.document.edit("Key") as edit:
        edit.apply(keying.set_key, "cam", "rotation", 0.0, (0.0, 0.0, 0.0))
        edit.apply(keying.set_key, "cam", "rotation", 20.0, (0.0, 720.0, 0.0))
    studio.select(["cam"])
    studio.frame = 20.0
    assert inspector.findChild(NumberEdit, "field-rotation-y").value == pytest.approx(720.0)


def test_while_playing_values_follow_some_times_a_second(qtbot, studio):
    inspector = Inspector(studio, object())  # a desk without a playback, which would move the frame
    qtbot.addWidget(inspector)
    inspector.resize(320, 700)
    inspector.show()
    with studio.document.edit("Key") as edit:
        edit.apply(keying.set_key, "l0", "exposure", 0.0, 0.0)
        edit.apply(keying.set_key, "l0", "exposure", 20.0, 8.0)
    studio.select(["l0"])
    number = _number(inspector, "exposure")
    studio.playing = True
    before = number.value
    studio.frame = 20.0
    assert number.value == before  # not at once
    qtbot.waitUntil(lambda: number.value == 8.0)
    studio.frame = 0.0
    studio.playing = False
    assert number.value == 0.0
    inspector.close_panel()


def test_the_menu_of_a_dot_goes_to_keys_and_copies_values(qtbot, studio, inspector):
    from PySide6.QtGui import QGuiApplication
    from PySide6.QtWidgets import QMenu

    with studio.document.edit("Key") as edit:
        for frame, value in ((0.0, 1.0), (12.0, 2.5)):
            edit.apply(keying.set_key, "l0", "exposure", frame, value)
    studio.select(["l0"])
    studio.frame = 5.0
    menu = QMenu(inspector)
    fill_menu(menu, studio, PlainDesk(studio), ("l0",), "exposure")
    actions = {action.text(): action for action in menu.actions()}
    assert not actions["Delete key"].isEnabled() and actions["Set key"].isEnabled()
    actions["Next key"].trigger()
    assert studio.frame == 12.0
    actions["Copy value"].trigger()
    assert QGuiApplication.clipboard().text() == "2.5"
    actions["Remove animation"].trigger()
    assert not studio.scene.tracks and studio.scene.get("l0").exposure == 2.5


def test_ctrl_k_keys_the_field_that_has_the_keyboard(qtbot, studio, inspector, monkeypatch):
    from studio.ui import inspector as module

    studio.select(["l0"])
    monkeypatch.setattr(module.QApplication, "focusWidget", lambda: _number(inspector, "exposure"))
    studio.run("keys.focused")
    assert "l0.exposure" in studio.scene.tracks


def test_nothing_is_cut_off_in_a_narrow_panel_with_a_scroll_bar(qtbot, studio, inspector):
    studio.select(["l0", "spot", "cam", "body"])
    inspector.resize(inspector.minimumSizeHint().width(), 300)
    qtbot.wait(20)
    room = inspector._area.viewport().width()
    assert inspector._area.verticalScrollBar().isVisible()
    assert inspector._content.minimumSizeHint().width() <= room
    assert inspector._content.width() <= room


def test_units_are_words_of_the_language(studio, inspector):
    from studio.ui import i18n

    studio.select(["spot"])
    assert _number(inspector, "exposure").text() == "0 stops"
    assert _number(inspector, "outer_cone_deg").text() == "45°"
    i18n.set_language("zh_CN")
    assert _number(inspector, "exposure").text() == "0 档"


def test_the_target_of_a_constraint_is_chosen_by_name(inspector, studio, qtbot):
    with studio.document.edit("Constrain") as edit:
        edit.scene = edit.scene.add(
            Constraint(id="look", parent="cam"),
            Constraint(id="follow", parent="cam", constraint="follow_path"),
            Path(id="rail", name="Rail"),
        )

    def offered():
        menu = inspector.findChild(QComboBox, "field-target")
        return menu, [menu.itemData(row) for row in range(menu.count())]

    studio.select(["look"])
    menu, ids = offered()
    assert ids == ["", "l0", "l1", "l2", "l3", "spot", "body", "rail"], "not itself, its owner or other rules"
    menu.setCurrentIndex(ids.index("body"))
    menu.activated.emit(menu.currentIndex())
    assert studio.scene.entities["look"].target == "body"
    studio.select(["follow"])
    qtbot.waitUntil(lambda: offered()[1] == ["", "rail"])  # a path is what is followed
