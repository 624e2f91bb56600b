"""The material editor: its list, its fields, many at once, copies, and who wears what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QLabel, QLineEdit, QToolButton
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.scene.entities import MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.ui.material_editor import MaterialEditor
from studio.ui.material_menus import material_menu
from studio.ui.material_model import MIME, MaterialModel, dragged
from studio.ui.number_edit import NumberEdit
from tests.ui.desk import PlainDesk


@pytest.fixture
def studio() -> Studio:
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], [[0, 1, 2], [1, 3, 2]], parts=(0, 1, 2))
    return Studio(
        scene=Scene().add(
            Material(id="red", name="Red", base_color=(0.8, 0.1, 0.1)),
            Material(id="blue", name="Blue", base_color=(0.1, 0.1, 0.8), specular_roughness=0.6),
            Material(id="spare", name="Spare"),
            mesh,
            MeshObject(id="a", name="A", mesh=mesh.key, materials=("red", "blue")),
            MeshObject(id="b", name="B", mesh=mesh.key, materials=("red", "red")),
        )
    )


@pytest.fixture
def editor(qtbot: QtBot, studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[MaterialEditor]:
    """The editor without a renderer: that is `test_material_preview`'s."""
    monkeypatch.setenv("MYRIAD_CACHE", str(tmp_path))
    monkeypatch.setattr("studio.ui.material_preview.MaterialPreview.wake", lambda self, on: None)
    desk = PlainDesk(studio)
    panel = MaterialEditor(studio, desk)
    qtbot.addWidget(panel)
    panel.resize(340, 900)
    panel.show()
    yield panel
    panel.close_panel()
    desk.bridge.close()


def number(editor: MaterialEditor, name: str) -> NumberEdit:
    found = editor.fields.findChild(NumberEdit, f"field-{name}")
    assert isinstance(found, NumberEdit)
    return found


def type_in(qtbot: QtBot, edit: NumberEdit, text: str) -> None:
    edit.start_typing()
    edit.selectAll()
    qtbot.keyClicks(edit, text)
    qtbot.keyClick(edit, Qt.Key.Key_Return)


def press(qtbot: QtBot, editor: MaterialEditor, name: str) -> None:
    qtbot.mouseClick(editor.findChild(QToolButton, name), Qt.MouseButton.LeftButton)


def test_the_model_keeps_qts_rules(editor: MaterialEditor, studio: Studio, qtmodeltester: object) -> None:
    model = MaterialModel(studio, editor.swatches)
    studio.document.subscribe(model.heard)
    qtmodeltester.check(model)  # type: ignore[attr-defined]
    studio.run("materials.new", name="more")
    studio.run("materials.delete", ids=("red",))
    studio.document.undo()
    qtmodeltester.check(model)  # type: ignore[attr-defined]


def test_the_list_says_who_wears_what(editor: MaterialEditor, studio: Studio) -> None:
    assert [len(editor.model.users_of(id_)) for id_ in ("red", "blue", "spare")] == [2, 1, 0]
    studio.select(["b"])
    studio.run("materials.assign", material="spare")
    assert [len(editor.model.users_of(id_)) for id_ in ("red", "blue", "spare")] == [1, 1, 1]


def test_selecting_an_object_chooses_what_it_wears(editor: MaterialEditor, studio: Studio) -> None:
    studio.select(["a"])
    assert set(editor.materials) == {"red", "blue"}
    assert set(editor.list.chosen) == {"red", "blue"}


def test_a_parameter_is_set_on_every_chosen_material_in_one_step(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot
) -> None:
    editor.choose(("red", "blue"))
    roughness = number(editor, "specular_roughness")
    assert roughness.mixed
    type_in(qtbot, roughness, "*=0.5")
    scene = studio.scene
    assert [scene.materials[i].specular_roughness for i in ("red", "blue")] == [pytest.approx(0.15), pytest.approx(0.3)]
    assert len(studio.document.history[0]) == 1
    studio.document.undo()
    assert number(editor, "specular_roughness").mixed


def test_choosing_in_the_list_leaves_the_selected_object_selected(editor: MaterialEditor, studio: Studio) -> None:
    studio.select(["a"])
    editor.list.setCurrentIndex(editor.list.index_of("spare"))
    assert editor.materials == ("spare",)
    assert studio.selection == ("a",)


def test_assign_puts_the_material_in_hand_on_what_is_selected(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot
) -> None:
    studio.select(["a"])
    editor.choose(("spare",))
    press(qtbot, editor, "material-assign")
    assert studio.scene.entities["a"].materials == ("spare", "spare")  # type: ignore[union-attr]


def test_a_press_on_used_by_selects_what_wears_it(editor: MaterialEditor, studio: Studio, qtbot: QtBot) -> None:
    editor.choose(("red",))
    press(qtbot, editor, "material-users")
    assert studio.selection == ("a", "b")
    assert editor.materials == ("red",)


def test_new_duplicate_and_delete_follow_to_what_they_made(
    editor: MaterialEditor, studio: Studio, qtbot: QtBot
) -> None:
    press(qtbot, editor, "material-new")
    assert len(editor.materials) == 1 and editor.materials[0] not in ("red", "blue", "spare")
    editor.choose(("red", "blue"))
    press(qtbot, editor, "material-duplicate")
    copies = editor.materials
    assert len(copies) == 2
    assert [studio.scene.materials[i].base_color for i in copies] == [(0.8, 0.1, 0.1), (0.1, 0.1, 0.8)]
    assert len({m.name for m in studio.scene.materials.values()}) == len(studio.scene.materials)
    press(qtbot, editor, "material-delete")
    assert not set(copies) & set(studio.scene.materials)
    assert editor.materials and editor.materials[0] in studio.scene.materials


def test_a_material_is_renamed_by_its_name_field(editor: MaterialEditor, studio: Studio, qtbot: QtBot) -> None:
    editor.choose(("red",))
    name = editor.findChild(QLineEdit, "material-name")
    name.setFocus()
    name.selectAll()
    qtbot.keyClicks(name, "Lacquer")
    qtbot.keyClick(name, Qt.Key.Key_Return)
    assert studio.scene.materials["red"].name == "Lacquer"


def test_a_material_that_is_copied_is_pasted_onto_others(editor: MaterialEditor, studio: Studio) -> None:
    editor.choose(("blue",))
    editor.copy()
    editor.choose(("spare",))
    editor.paste()
    spare = studio.scene.materials["spare"]
    assert (spare.base_color, spare.specular_roughness, spare.name) == ((0.1, 0.1, 0.8), 0.6, "Spare")
    editor.paste_new()
    assert studio.scene.materials[editor.materials[0]].name == "Blue 2"


def test_one_parameter_is_copied_alone(editor: MaterialEditor, studio: Studio) -> None:
    studio.run("materials.copy", ids=("blue",), fields=("specular_roughness",))
    editor.choose(("red", "spare"))
    editor.paste()
    assert studio.scene.materials["red"].base_color == (0.8, 0.1, 0.1)
    assert {studio.scene.materials[i].specular_roughness for i in ("red", "spare")} == {0.6}


def test_only_what_was_changed_is_shown(editor: MaterialEditor, qtbot: QtBot) -> None:
    editor.choose(("blue",))
    press(qtbot, editor, "material-changed")
    shown = {row.shared.field.name for box in editor.fields.boxes for row in box.rows if row.isVisible()}
    assert shown == {"base_color", "specular_roughness"}
    press(qtbot, editor, "material-changed")
    assert number(editor, "base_weight").isVisible()


def test_a_parameter_is_found_by_its_name(editor: MaterialEditor, qtbot: QtBot) -> None:
    editor.choose(("blue",))
    qtbot.keyClicks(editor.findChild(QLineEdit, "material-find"), "thin")
    shown = {row.shared.field.name for box in editor.fields.boxes for row in box.rows if row.isVisible()}
    assert shown == {
        "thin_film_weight",
        "thin_film_thickness",
        "thin_film_ior",
        "geometry_thin_walled",
    }
    assert editor.fields.findChild(QCheckBox, "field-geometry_thin_walled").isVisible()


def test_a_preset_is_made_and_applied(editor: MaterialEditor, studio: Studio) -> None:
    editor.from_preset("gold")
    (made,) = editor.materials
    assert studio.scene.materials[made].base_metalness == 1.0
    editor.choose(("red",))
    editor.apply_preset("glass")
    assert studio.scene.materials["red"].transmission_weight == 1.0
    assert studio.scene.materials["red"].name == "Red"


def test_a_material_is_dragged_out_with_its_id(editor: MaterialEditor) -> None:
    data = editor.model.mimeData([editor.model.index(1)])
    assert data.hasFormat(MIME) and dragged(data) == "blue"


def test_an_empty_scene_says_what_to_do(editor: MaterialEditor, studio: Studio) -> None:
    studio.show_scene(Scene(), None)
    assert editor.materials == ()
    assert any(label.isVisible() and "preset" in label.text() for label in editor.findChildren(QLabel))


def test_a_value_on_a_curve_is_shown_as_it_is_at_the_frame(editor: MaterialEditor, studio: Studio) -> None:
    from studio.scene.keying import set_key

    with studio.document.edit("keys") as edit:
        edit.apply(set_key, "red", "specular_roughness", 1.0, 0.1)
        edit.apply(set_key, "red", "specular_roughness", 11.0, 0.9)
    editor.choose(("red",))
    studio.frame = 11.0
    assert number(editor, "specular_roughness").value == pytest.approx(0.9)


def test_the_menu_of_presets_makes_what_is_chosen(editor: MaterialEditor, studio: Studio) -> None:
    menu = editor.findChild(QToolButton, "material-presets").menu()
    menu.aboutToShow.emit()
    glass = next(a.menu() for a in menu.actions() if a.menu().objectName() == "preset-menu-glass")
    next(a for a in glass.actions() if a.text() == "Diamond").trigger()
    (made,) = editor.materials
    assert (studio.scene.materials[made].name, studio.scene.materials[made].specular_ior) == ("Diamond", 2.418)


def test_a_right_click_offers_what_can_be_done_and_does_it(editor: MaterialEditor, studio: Studio) -> None:
    editor.choose(("spare",))
    menu = material_menu(editor)
    offered = {a.text(): a for a in menu.actions()}
    assert not offered["Select what wears it"].isEnabled() and not offered["Paste onto material"].isEnabled()
    offered["Remove unused materials"].trigger()
    assert "spare" not in studio.scene.materials and studio.document.undo_label == "Remove unused materials"
    menu.close()
