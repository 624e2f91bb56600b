"""The linking panel and the commands of linking: marks are edits of links, from both sides."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import linking
from studio.scene.entities import Group, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.link_model import LinkModel, is_object
from studio.ui.link_panel import LinkPanel
from tests.ui.desk import PlainDesk

ON, OFF, HALF = Qt.CheckState.Checked, Qt.CheckState.Unchecked, Qt.CheckState.PartiallyChecked


@pytest.fixture
def studio():
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    return Studio(
        scene=Scene().add(
            mesh,
            Group(id="rig", name="Rig"),
            Light(id="key", name="Key", parent="rig"),
            Light(id="rim", name="Rim", parent="rig"),
            Light(id="sky", name="Sky", light="dome", unit="nt"),
            Light(id="window", name="Window", light="portal"),
            Group(id="set", name="Set"),
            MeshObject(id="chair", name="Chair", mesh=mesh.key, parent="set"),
            MeshObject(id="table", name="Table", mesh=mesh.key, parent="set"),
            MeshObject(id="floor", name="Floor", mesh=mesh.key),
        )
    )


@pytest.fixture
def links(qtbot, studio):
    panel = LinkPanel(studio, PlainDesk(studio))
    qtbot.addWidget(panel)
    panel.resize(420, 500)
    panel.show()
    yield panel
    panel.close_panel()


def mark(side, id_):
    return side.model.data(side.model.index_of(id_), Qt.ItemDataRole.CheckStateRole)


def press(side, id_):
    return side.model.setData(side.model.index_of(id_), None, Qt.ItemDataRole.CheckStateRole)


def test_the_model_keeps_qts_rules(qtmodeltester, studio):
    model = LinkModel(is_object)
    model.show_scene(studio.scene)
    qtmodeltester.check(model)
    model.show_marks({"chair": ON, "table": OFF, "floor": ON})
    qtmodeltester.check(model)
    model.show_scene(studio.scene, "table")
    assert model.rowCount() == 1 and not model.index_of("chair").isValid()
    qtmodeltester.check(model)


def test_marks_show_what_a_light_lights_and_a_press_is_one_step(studio, links):
    assert mark(links.objects, "chair") is None  # nothing is chosen
    studio.select(["key"])
    assert [mark(links.objects, id_) for id_ in ("chair", "set", "floor")] == [ON, ON, ON]
    steps = len(studio.document.history[0])
    assert press(links.objects, "chair")
    assert [mark(links.objects, id_) for id_ in ("chair", "set", "floor")] == [OFF, HALF, ON]
    assert linking.linked(studio.scene, "key") == {"table", "floor"}
    assert len(studio.document.history[0]) == steps + 1
    assert "2 of 3" in links._told.text() and "Key" in links._told.text()
    studio.run("edit.undo")
    assert mark(links.objects, "chair") == ON


def test_lights_that_differ_show_half_marks(studio, links):
    studio.select(["key"])
    press(links.objects, "floor")
    studio.select(["key", "rim"])
    assert (mark(links.objects, "floor"), mark(links.objects, "chair")) == (HALF, ON)
    press(links.objects, "floor")
    assert mark(links.objects, "floor") == ON
    assert linking.linked(studio.scene, "key") == linking.linked(studio.scene, "rim") == {"chair", "table", "floor"}


def test_a_group_that_is_marked_is_named(studio, links):
    studio.select(["key"])
    press(links.objects, "set")
    key = studio.scene.entities["key"]
    assert (key.light_link_mode, key.light_links) == ("except", ("set",))
    assert mark(links.objects, "set") == OFF


def test_from_objects_lights_are_marked(studio, links):
    links.show_side(False)
    studio.select(["floor"])
    assert [mark(links.lights, id_) for id_ in ("key", "rig", "sky")] == [ON, ON, ON]
    assert not links.lights.model.index_of("window").isValid()  # a portal lights nothing itself
    press(links.lights, "rig")
    assert linking.lights_of(studio.scene, "floor") == ("sky",)
    assert [mark(links.lights, id_) for id_ in ("key", "rig", "sky")] == [OFF, OFF, ON]
    assert "1 of 3" in links._told.text()


def test_shadow_links_are_apart_from_light_links(studio, links):
    links.show_shadows(True)
    studio.select(["key"])
    press(links.objects, "floor")
    assert linking.linked(studio.scene, "key", shadows=True) == {"chair", "table"}
    assert linking.linked(studio.scene, "key") == {"chair", "table", "floor"}
    links.show_shadows(False)
    assert mark(links.objects, "floor") == ON


def test_all_none_and_selecting_what_is_marked(studio, links):
    studio.select(["key", "rim"])
    links._all(False)
    assert linking.linked(studio.scene, "key") == frozenset() == linking.linked(studio.scene, "rim")
    links._all(True)
    assert studio.scene.entities["key"].light_link_mode == "all"
    press(links.objects, "floor")
    links.select_marked()
    assert studio.selection == ("chair", "table")


def test_choosing_on_the_left_selects_and_a_group_means_its_lights(studio, links):
    tree = links.lights.tree
    tree.setCurrentIndex(links.lights.model.index_of("rig"))
    assert set(studio.selection) == {"key", "rim"}
    links.lights.search.setText("sky")
    assert links.lights.model.rowCount() == 1 and set(studio.selection) == {"key", "rim"}


def test_commands_link_what_is_selected_together(studio):
    studio.select(["key", "chair"])
    studio.run("links.break")
    assert linking.linked(studio.scene, "key") == {"table", "floor"}
    studio.run("links.make")
    assert linking.linked(studio.scene, "key") == {"table", "floor", "chair"}
    studio.run("links.only")
    assert linking.linked(studio.scene, "key") == {"chair"}
    studio.run("links.break_shadows")
    assert linking.linked(studio.scene, "key", shadows=True) == {"table", "floor"}
    studio.run("links.select_lights")
    assert studio.selection == ("key", "rim", "sky")
    studio.run("links.clear")
    studio.run("links.clear_shadows")
    assert linking.linked(studio.scene, "key", shadows=True) == {"table", "floor", "chair"}
    studio.select(["key"])
    studio.run("links.select_objects")
    assert set(studio.selection) == {"chair", "table", "floor"}
    with pytest.raises(UsageError):
        studio.run("links.make")
