"""The outliner: tree, selection, switches, names, drag to reparent."""

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QTest

from studio.commands.studio import Studio
from studio.scene.entities import Camera, Group
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.outliner import Outliner
from studio.ui.outliner_model import LOCKED, NAME, VISIBLE, OutlinerModel
from tests.ui.desk import PlainDesk


@pytest.fixture
def studio():
    return Studio(
        scene=Scene(camera="cam").add(
            Group(id="rig", name="Rig", translation=(0.0, 2.0, 0.0)),
            Light(id="key", name="Key", parent="rig"),
            Light(id="fill", name="Fill", parent="rig"),
            Group(id="set", name="Set"),
            Camera(id="cam", name="Camera"),
        )
    )


@pytest.fixture
def outliner(qtbot, studio):
    panel = Outliner(studio, PlainDesk(studio))
    qtbot.addWidget(panel)
    panel.resize(260, 400)
    panel.show()
    panel.tree.expandAll()
    yield panel
    panel.close_panel()


def _tree(model, parent=QModelIndex()):
    return {
        model.index(row, NAME, parent).data(): _tree(model, model.index(row, NAME, parent))
        for row in range(model.rowCount(parent))
    }


def _drag(model, ids, target, row=-1):
    data = model.mimeData([model.index_of(id_) for id_ in ids])
    return model.dropMimeData(data, Qt.DropAction.MoveAction, row, 0, model.index_of(target))


def test_the_model_keeps_qts_rules(qtmodeltester, studio):
    model = OutlinerModel(studio)
    studio.document.subscribe(model.heard)
    qtmodeltester.check(model)
    studio.run("create.light", kind="spot")
    studio.run("edit.group")
    qtmodeltester.check(model)


def test_the_tree_is_the_scenes(outliner):
    assert _tree(outliner.model) == {"Rig": {"Key": {}, "Fill": {}}, "Set": {}, "Camera": {}}


def test_selection_goes_both_ways_and_what_was_clicked_last_is_last(qtbot, studio, outliner):
    tree = outliner.tree
    studio.select(["fill"])
    assert [tree.id_at(i) for i in tree.selectionModel().selectedRows()] == ["fill"]
    for id_, modifier in (("key", Qt.KeyboardModifier.NoModifier), ("rig", Qt.KeyboardModifier.ControlModifier)):
        at = tree.visualRect(tree.index_of(id_)).center()
        QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, modifier, at)
    assert studio.selection == ("key", "rig")


def test_a_press_on_the_eye_hides_all_that_is_selected_and_selects_nothing(studio, outliner):
    studio.select(["key", "fill"])
    tree = outliner.tree
    at = tree.visualRect(tree.index_of("key").siblingAtColumn(VISIBLE)).center()
    QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert not studio.scene.entities["key"].visible and not studio.scene.entities["fill"].visible
    assert studio.selection == ("key", "fill")
    studio.run("edit.undo")
    assert studio.scene.entities["key"].visible and studio.scene.entities["fill"].visible


def test_the_lock_locks(studio, outliner):
    tree = outliner.tree
    at = tree.visualRect(tree.index_of("set").siblingAtColumn(LOCKED)).center()
    QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert studio.scene.entities["set"].locked


def test_names_are_edited_in_place(studio, outliner):
    index = outliner.model.index_of("key")
    assert outliner.model.setData(index, "  Sun ")
    assert studio.scene.entities["key"].name == "Sun" and index.data() == "Sun"
    assert not outliner.model.setData(index, "")
    assert studio.scene.entities["key"].name == "Sun" and studio.face.notices[-1][0] == "error"


def test_dropping_reparents_where_things_stand_in_one_step(studio, outliner):
    before = studio.scene.world_matrix("key")
    _drag(outliner.model, ["key", "fill"], "set")
    assert _tree(outliner.model) == {"Rig": {}, "Set": {"Key": {}, "Fill": {}}, "Camera": {}}
    assert (studio.scene.world_matrix("key") == before).all()
    studio.run("edit.undo")
    assert _tree(outliner.model) == {"Rig": {"Key": {}, "Fill": {}}, "Set": {}, "Camera": {}}


def test_dropping_between_rows_orders_siblings(studio, outliner):
    _drag(outliner.model, ["fill"], "rig", row=0)
    assert studio.scene.children("rig") == ("fill", "key")
    _drag(outliner.model, ["cam"], "", row=0)
    assert list(_tree(outliner.model)) == ["Camera", "Rig", "Set"]


def test_nothing_can_be_dropped_below_itself(studio, outliner):
    before = studio.scene
    _drag(outliner.model, ["rig"], "key")
    _drag(outliner.model, ["rig"], "rig")
    assert studio.scene is before


def test_what_is_dragged_with_its_parent_stays_below_it(studio, outliner):
    _drag(outliner.model, ["rig", "key"], "set")
    assert studio.scene.entities["key"].parent == "rig" and studio.scene.entities["rig"].parent == "set"


def test_opened_rows_stay_open_when_the_tree_changes(studio, outliner):
    studio.run("create.light", kind="spot")
    assert outliner.tree.isExpanded(outliner.tree.index_of("rig"))
    assert _tree(outliner.model)["Rig"] == {"Key": {}, "Fill": {}}


def test_the_search_keeps_parents_of_what_it_finds_and_the_selection(studio, outliner):
    studio.select(["cam"])
    outliner.search.setText("fil")
    assert _tree(outliner.tree.filter) == {"Rig": {"Fill": {}}}
    assert studio.selection == ("cam",)
    outliner.search.clear()
    assert len(_tree(outliner.tree.filter)) == 3


def test_an_edit_of_a_value_lays_nothing_out(qtbot, studio, outliner):
    with qtbot.assertNotEmitted(outliner.model.layoutChanged), qtbot.assertNotEmitted(outliner.model.dataChanged):
        studio.select(["key"])
        studio.run("edit.set", field="intensity", value=3.0)
    with qtbot.waitSignal(outliner.model.dataChanged):
        studio.run("lights.mute")


def test_a_right_click_selects_what_is_under_it_and_asks_for_the_menu(studio, outliner):
    tree = outliner.tree
    tree.customContextMenuRequested.emit(tree.visualRect(tree.index_of("fill")).center())
    assert studio.selection == ("fill",) and outliner._desk.menus == ["outliner"]


def test_opening_another_scene_shows_it(studio, outliner):
    studio.show_scene(Scene().add(Light(id="only", name="Only")), None)
    assert _tree(outliner.model) == {"Only": {}}


def test_paths_constraints_and_figures_have_icons_of_their_own() -> None:
    from studio.resources import resource
    from studio.scene.entities import Constraint, Figure, Path
    from studio.ui.outliner_model import icon_of

    names = {icon_of(Path(id="p")), icon_of(Constraint(id="c")), icon_of(Figure(id="f"))}
    assert names == {"path", "constraint", "figure"}
    assert all(resource(f"icons/{name}.svg").is_file() for name in names)


def test_the_eye_shows_what_is_seen_at_the_frame(studio, qtbot):
    from studio.scene import keying
    from studio.ui.outliner_model import VISIBLE, OutlinerModel

    id_ = next(iter(studio.scene.entities))
    with studio.document.edit("Key") as edit:
        edit.apply(keying.set_key, id_, "visible", 1.0, 1.0)
        edit.apply(keying.set_key, id_, "visible", 10.0, 0.0)
    model = OutlinerModel(studio)
    told = []
    for studio.frame in (1.0, 12.0):
        told.append(model.data(model.index_of(id_, VISIBLE), Qt.ItemDataRole.ToolTipRole))
    assert model.moves and told == ["Visible", "Hidden"]
