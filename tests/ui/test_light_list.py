"""The light table: lights below their groups, edits of all that is selected, its filter and its columns."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLineEdit

from studio.commands.studio import Studio
from studio.scene import keying
from studio.scene.entities import Group, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.ui.light_list import LightList, dot_box
from studio.ui.light_model import COLUMNS, KEY_ROLE, SWITCHES, LightModel
from studio.ui.light_table_rows import GROUP
from tests.ui.desk import PlainDesk


@pytest.fixture
def studio():
    return Studio(
        scene=Scene().add(
            Group(id="rig"),
            *(Light(id=f"l{i}", name=f"Lamp {i}", intensity=100.0 * (5 - i), parent="rig") for i in range(5)),
        )
    )


@pytest.fixture
def lights(qtbot, studio):
    panel = LightList(studio, PlainDesk(studio))
    qtbot.addWidget(panel)
    panel.resize(900, 300)
    panel.show()
    yield panel
    panel.close_panel()


def _cell(panel, row, name):
    """The cell of the n-th lamp that is shown."""
    shown = [each for each in panel.model.rows.walk() if each.kind != GROUP]
    return panel.model.index_of(shown[row], name)


def _selected(panel):
    """The numbers of the lamps with selected cells, in the order of the scene."""
    return {panel.model.ids.index(row.id) for row in panel.table.rows_of_cells() if row.kind != GROUP}


def test_the_model_keeps_qts_rules(qtmodeltester, studio):
    model = LightModel(studio)
    studio.document.subscribe(model.heard)
    qtmodeltester.check(model)
    studio.run("create.light", kind="spot")
    assert len(model.ids) == 6
    qtmodeltester.check(model)


def test_an_edit_of_a_cell_is_one_of_all_selected_rows(studio, lights):
    studio.select(["l1", "l2"])
    cell = _cell(lights, 1, "exposure")
    lights.model.setData(cell, "1.5")
    assert [studio.scene.entities[f"l{i}"].exposure for i in range(4)] == [0.0, 1.5, 1.5, 0.0]
    lights.model.setData(_cell(lights, 1, "intensity"), "*=2")
    assert [studio.scene.entities[f"l{i}"].intensity for i in (1, 2)] == [800.0, 600.0]
    lights.model.setData(_cell(lights, 0, "exposure"), "3")  # not among the selected
    assert studio.scene.entities["l0"].exposure == 3.0 and studio.scene.entities["l1"].exposure == 1.5


def test_what_is_no_number_is_told_and_changes_nothing(studio, lights):
    before = studio.scene
    assert not lights.model.setData(_cell(lights, 0, "exposure"), "bright")
    assert studio.scene is before and studio.face.notices[-1][0] == "error"


def test_a_press_on_a_switch_mutes_all_selected_rows(studio, lights):
    studio.select(["l0", "l3"])
    at = lights.table.visualRect(_cell(lights, 0, "muted")).center()
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert [studio.scene.entities[f"l{i}"].muted for i in range(5)] == [True, False, False, True, False]
    assert "2" in lights._count.text()


def test_typing_a_temperature_switches_it_on(studio, lights):
    lights.model.setData(_cell(lights, 0, "temperature_k"), "3200 K")
    light = studio.scene.entities["l0"]
    assert light.temperature_k == 3200.0 and light.use_temperature


def test_selection_goes_both_ways(studio, lights):
    studio.select(["l2", "l3"])
    assert _selected(lights) == {2, 3}
    at = lights.table.visualRect(_cell(lights, 4, "name")).center()
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert studio.selection == ("l4",)


def test_sorting_and_filtering_keep_the_selection(studio, lights):
    studio.select(["l0"])
    lights.table.sortByColumn(COLUMNS.index("intensity"), Qt.SortOrder.AscendingOrder)
    assert _cell(lights, 0, "name").data() == "Lamp 4"
    assert _selected(lights) == {0}
    lights.search.setText("Lamp 3")
    assert sum(row.kind != GROUP for row in lights.model.rows.walk()) == 1 and studio.selection == ("l0",)
    lights.search.clear()
    assert _selected(lights) == {0}


def test_cells_are_edited_by_hand(qtbot, studio, lights):
    index = _cell(lights, 1, "intensity")
    lights.table.setCurrentIndex(index)
    lights.table.edit(index)
    editor = lights.table.findChild(QLineEdit, "cell-intensity")
    editor.selectAll()
    qtbot.keyClicks(editor, "50")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: studio.scene.entities["l1"].intensity == 50.0)


def test_the_kind_is_chosen_from_a_menu(qtbot, studio, lights):
    index = _cell(lights, 2, "light")
    lights.table.setCurrentIndex(index)
    lights.table.edit(index)
    menu = lights.table.findChild(QComboBox, "cell-light")
    menu.setCurrentIndex(menu.findData("spot"))
    menu.activated.emit(menu.currentIndex())
    assert studio.scene.entities["l2"].light == "spot"


def test_an_edit_of_300_lights_repaints_one_range(qtbot, studio):
    studio.show_scene(Scene().add(*(Light(id=f"l{i}") for i in range(300))), None)
    model = LightModel(studio)
    studio.document.subscribe(model.heard)
    studio.select([f"l{i}" for i in range(300)])
    told = []
    model.dataChanged.connect(lambda first, last, roles: told.append((first.row(), last.row())))
    studio.run("edit.set", field="exposure", value=1.0)
    assert told == [(0, 299)]


def test_lights_that_come_and_go_are_followed(studio, lights):
    studio.run("create.light")
    assert len(lights.model.ids) == 6
    studio.run("edit.undo")
    assert len(lights.model.ids) == 5
    studio.select(["rig"])
    studio.run("edit.delete")
    assert len(lights.model.ids) == 0


@pytest.fixture
def glowing(studio):
    """Two objects that glow by one material, one by another, one that does not, beside the five lights."""
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    studio.show_scene(
        studio.scene.add(
            mesh,
            Material(id="tube", emission_luminance=900.0, emission_color=(1.0, 0.5, 0.25)),
            Material(id="sign", emission_luminance=30.0),
            Material(id="wall"),
            MeshObject(id="m0", name="Tube 0", mesh=mesh.key, materials=("tube",)),
            MeshObject(id="m1", name="Tube 1", mesh=mesh.key, materials=("tube",)),
            MeshObject(id="m2", name="Sign", mesh=mesh.key, materials=("wall", "sign")),
            MeshObject(id="m3", name="Wall", mesh=mesh.key, materials=("wall",)),
        ),
        None,
    )
    return studio


def _luminance(studio, id_):
    return studio.scene.materials[id_].emission_luminance


def test_objects_that_glow_are_rows_with_what_their_materials_emit(glowing, lights):
    assert lights.model.ids == [*(f"l{i}" for i in range(5)), "m0", "m1", "m2"]
    shown = {name: _cell(lights, 7, name).data() for name in COLUMNS}
    assert (shown["name"], shown["light"], shown["intensity"], shown["unit"]) == ("Sign", "Mesh", "30", "nt")
    assert _cell(lights, 5, "color").data(Qt.ItemDataRole.EditRole) == (1.0, 0.5, 0.25)
    for name in (*SWITCHES, "exposure", "temperature_k", "group"):
        cell = _cell(lights, 5, name)
        assert not shown[name] and cell.data(Qt.ItemDataRole.DecorationRole) is None
        assert not cell.flags() & Qt.ItemFlag.ItemIsEditable
        assert not lights.model.setData(cell, "1")


def test_a_model_with_objects_keeps_qts_rules(qtmodeltester, glowing):
    model = LightModel(glowing)
    glowing.document.subscribe(model.heard)
    qtmodeltester.check(model)
    glowing.run("select.all")
    glowing.run("edit.delete")
    assert len(model.ids) == 0
    qtmodeltester.check(model)


def test_emission_is_edited_for_all_selected_rows_in_one_step(glowing, lights):
    glowing.select(["l0", "m0", "m2"])
    steps = len(glowing.document.history[0])
    assert lights.model.setData(_cell(lights, 7, "intensity"), "*= 2")
    assert (_luminance(glowing, "tube"), _luminance(glowing, "sign")) == (1800.0, 60.0)
    assert glowing.scene.entities["l0"].intensity == 1000.0 and _luminance(glowing, "wall") == 0.0
    assert _cell(lights, 6, "intensity").data() == "1800"  # it wears the same material
    assert lights.model.setData(_cell(lights, 7, "color"), (0.0, 0.0, 1.0))
    assert glowing.scene.materials["tube"].emission_color == (0.0, 0.0, 1.0) == glowing.scene.entities["l0"].color
    assert len(glowing.document.history[0]) == steps + 2
    glowing.run("edit.undo")
    glowing.run("edit.undo")
    assert (_luminance(glowing, "tube"), _luminance(glowing, "sign")) == (900.0, 30.0)


def test_a_switch_of_a_light_passes_over_selected_objects(glowing, lights):
    glowing.select(["l0", "m0"])
    at = lights.table.visualRect(_cell(lights, 0, "muted")).center()
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert glowing.scene.entities["l0"].muted
    at = lights.table.visualRect(_cell(lights, 5, "muted")).center()
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert glowing.selection == ("m0",)  # there is nothing to switch, so the press selects


def test_rows_of_objects_follow_their_materials(glowing, lights):
    told = []
    lights.model.dataChanged.connect(lambda first, last, roles: told.append((first.row(), last.row())))
    glowing.select(["tube"])
    glowing.run("edit.set", field="emission_luminance", value=5.0)
    assert told == [(1, 2)]  # beside the group of the lights
    glowing.run("edit.set", field="emission_color", value=(0.0, 0.0, 0.0))
    assert len(lights.model.ids) == 8  # black for now, as in the middle of a drag
    glowing.run("edit.set", field="emission_luminance", value=0.0)
    assert lights.model.ids[5:] == ["m2"]
    glowing.run("edit.undo")
    assert lights.model.ids[5:] == ["m0", "m1", "m2"]
    assert "8" in lights._count.text()


def test_an_object_is_renamed_and_its_emission_typed_by_hand(qtbot, glowing, lights):
    for name, typed in (("name", "Neon"), ("intensity", "50 nt")):
        index = _cell(lights, 5, name)
        lights.table.setCurrentIndex(index)
        lights.table.edit(index)
        editor = lights.table.findChild(QLineEdit, f"cell-{name}")
        editor.selectAll()
        qtbot.keyClicks(editor, typed)
        qtbot.keyClick(editor, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda name=name: len(glowing.document.history[0]) == ("name", "intensity").index(name) + 1)
    assert _luminance(glowing, "tube") == 50.0
    assert glowing.scene.entities["m0"].name == "Neon"


def _press_dot(panel, row, name):
    at = dot_box(panel.table.visualRect(_cell(panel, row, name))).center()
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_a_press_on_the_dot_of_a_cell_keys_all_selected_rows(studio, lights, shot):
    studio.select(["l1", "l2"])
    _press_dot(lights, 1, "exposure")
    assert set(studio.scene.tracks) == {"l1.exposure", "l2.exposure"} and studio.selection == ("l1", "l2")
    assert [_cell(lights, row, "exposure").data(KEY_ROLE) for row in range(3)] == ["none", "key", "key"]
    assert _cell(lights, 0, "name").data(KEY_ROLE) is None
    shot(lights, "lights-dots")
    _press_dot(lights, 2, "exposure")
    assert not studio.scene.tracks


def test_cells_show_the_values_of_the_frame_and_edits_become_keys(studio, lights):
    with studio.document.edit("Key") as edit:
        edit.apply(keying.set_key, "l0", "exposure", 0.0, 0.0)
        edit.apply(keying.set_key, "l0", "exposure", 20.0, 8.0)
    told = []
    lights.model.dataChanged.connect(lambda first, last, roles: told.append((first.row(), last.row())))
    studio.frame = 20.0
    assert told == [(0, 0)] and _cell(lights, 0, "exposure").data() == "8 stops"
    studio.frame = 10.0
    assert _cell(lights, 0, "exposure").data(KEY_ROLE) == "animated"
    lights.model.setData(_cell(lights, 0, "exposure"), "+=1")
    assert studio.scene.tracks["l0.exposure"].values[:, 0] == pytest.approx([0.0, 5.0, 8.0])
