"""Cells of the light table: typed, copied, pasted, filled, scrubbed; groups, order, filter, columns and origins."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMenu, QPushButton

from studio.commands.preferences import Preferences
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import keying
from studio.scene.entities import Group, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui import i18n
from studio.ui.light_cells import cell, strength
from studio.ui.light_cells_clip import copy_cells, paste_cells
from studio.ui.light_cells_edit import color_of, from_text, relative, to_text
from studio.ui.light_list import LightList
from studio.ui.light_model import LightModel
from studio.ui.light_table_columns import ALL, ESSENTIALS, HEAD, column, every, sets
from studio.ui.light_table_rows import GROUP
from studio.ui.light_table_why import WhyPopup, origin_of
from tests.ui.desk import PlainDesk

FLAGS = QItemSelectionModel.SelectionFlag
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def studio():
    return Studio(
        scene=Scene(frame_end=50.0).add(
            Group(id="rig", name="Key rig", rig=True),
            Light(id="a", name="Key", light="spot", intensity=800.0, parent="rig"),
            Light(id="b", name="Bounce", light="rectangle", unit="lm", intensity=400.0, parent="rig"),
            Group(id="all", name="Practicals"),
            Group(id="string", name="String", parent="all"),
            *(Light(id=f"s{i}", name=f"Bulb {i}", intensity=10.0 + i, parent="string") for i in range(4)),
            Light(id="sun", name="Sun", light="distant", unit="lx", intensity=20000.0),
            Group(id="empty", name="Empty"),
        )
    )


@pytest.fixture
def lights(qtbot, studio):
    panel = LightList(studio, PlainDesk(studio))
    qtbot.addWidget(panel)
    panel.resize(1200, 500)
    panel.show()
    panel.table.setFocus()
    yield panel
    panel.close_panel()


def choose(panel, *cells):
    """Select cells (id, column), the first the current one."""
    selection = QItemSelection()
    for id_, name in cells:
        index = panel.model.cell_index(id_, name)
        assert index.isValid(), (id_, name)
        selection.select(index, index)
    panel.table.selectionModel().select(selection, FLAGS.ClearAndSelect)
    panel.table.selectionModel().setCurrentIndex(panel.model.cell_index(*cells[0]), FLAGS.NoUpdate)


def middle(panel, id_, name):
    return panel.table.visualRect(panel.model.cell_index(id_, name)).center()


def drag(panel, start, end, *, button=Qt.MouseButton.LeftButton, modifiers=NONE, release=True):
    """Press, move in steps, let go."""
    viewport = panel.table.viewport()

    def send(kind, at, pressed, buttons):
        event = QMouseEvent(kind, QPointF(at), viewport.mapToGlobal(QPointF(at)), pressed, buttons, modifiers)
        QApplication.sendEvent(viewport, event)

    none = Qt.MouseButton.NoButton
    send(QEvent.Type.MouseButtonPress, start, button, button)
    for step in range(1, 6):
        send(QEvent.Type.MouseMove, start + (end - start) * step / 5, none, button)
    if release:
        send(QEvent.Type.MouseButtonRelease, end, button, none)


def values(studio, field, *ids):
    return [getattr(studio.scene.entities[id_], field) for id_ in ids]


def steps(studio):
    return len(studio.document.history[0])


# --- rows ------------------------------------------------------------------------------------------------------------
def test_lights_hang_below_the_groups_that_hold_them(lights):
    shown = [(row.name, row.depth) for row in lights.model.rows.walk()]
    assert shown[:4] == [("Key rig", 1), ("Key", 2), ("Bounce", 2), ("Practicals", 1)]
    assert ("String", 2) in shown and ("Bulb 0", 3) in shown and ("Sun", 1) in shown
    assert "Empty" not in dict(shown)  # a group without lights is no row
    assert lights.model.row_of("all").lamps == 4


def test_the_tree_keeps_qts_rules_whatever_happens_to_it(qtmodeltester, studio):
    model = LightModel(studio)
    studio.document.subscribe(model.heard)
    qtmodeltester.check(model)
    studio.run("select.lights")
    studio.run("edit.group")
    model.sort(0)
    qtmodeltester.check(model)
    model.set_columns(every())
    model.set_flat(True)
    qtmodeltester.check(model)
    studio.run("edit.undo")
    model.set_flat(False)
    qtmodeltester.check(model)


def test_lists_of_lamps_alone_have_no_groups(lights):
    lights.groups.setChecked(False)
    assert {row.kind for row in lights.model.rows.walk()} == {"light"}
    lights.groups.setChecked(True)
    assert sum(row.kind == GROUP for row in lights.model.rows.walk()) == 3


def test_a_folded_group_stays_folded_when_rows_come_and_go(studio, lights):
    table = lights.table
    table.collapse(lights.model.cell_index("string", "name"))
    assert "s0" not in [row.id for row in table.visible_rows()]
    studio.run("create.point_light")
    assert "s0" not in [row.id for row in table.visible_rows()]
    assert not table.isExpanded(lights.model.cell_index("string", "name"))
    assert table.isExpanded(lights.model.cell_index("rig", "name"))


# --- groups, mute and solo -------------------------------------------------------------------------------------------
def test_a_muted_group_silences_what_is_below_and_the_cells_say_so(studio, lights):
    model = lights.model
    assert model.toggle(model.row_of("rig"), "muted")
    assert studio.scene.entities["rig"].muted and not studio.scene.entities["a"].muted
    below = cell(model.rows, model.row_of("a"), "muted")
    assert below.inherited and not below.value
    assert cell(model.rows, model.row_of("a"), "intensity").ink == "disabled"
    assert cell(model.rows, model.row_of("sun"), "intensity").ink == ""
    assert "2" in lights._count.text()
    studio.run("edit.undo")
    assert cell(model.rows, model.row_of("a"), "intensity").ink == ""


def test_solo_of_a_group_dims_everything_else(studio, lights):
    model = lights.model
    model.toggle(model.row_of("string"), "solo")
    counting = {row.id for row in model.rows.walk() if row.counts}
    assert counting == {"all", "string", "s0", "s1", "s2", "s3"}
    assert cell(model.rows, model.row_of("s1"), "solo").inherited
    assert "solo" in [step.kind for step in _origin(lights, "s1", "intensity")]
    assert _origin(lights, "sun", "intensity")[-1].kind == "others"


def test_a_solo_in_a_group_without_lights_counts_as_it_does_in_the_picture(studio, lights):
    studio.edit("Solo", lambda scene: scene.replace("empty", solo=True))
    assert not lights.model.row_of("sun").counts
    assert not studio.flat.lights["emission"].any()


def test_masters_of_groups_are_cells_and_part_of_the_strength(studio, lights):
    model = lights.model
    model.enter(model.row_of("rig"), "exposure", "1")
    assert studio.scene.entities["rig"].exposure == 1.0
    studio.prefer(light_column_set="Groups and AOVs")
    assert model.cell(model.row_of("a"), "strength").text == "1600"
    model.enter(model.row_of("rig"), "color", (0.5, 0.5, 0.5))
    assert studio.scene.entities["rig"].tint == (0.5, 0.5, 0.5)
    assert model.cell(model.row_of("a"), "strength").text == "800"
    model.toggle(model.row_of("rig"), "muted")
    assert model.cell(model.row_of("a"), "strength").text == "0"


def test_strength_is_what_the_picture_is_lit_with(studio, lights):
    model = lights.model
    studio.edit("Set", lambda scene: scene.replace("s1", radius_m=0.0))  # else it is a sphere, in nits
    for name, value in (("exposure", 1.5), ("tint", (0.2, 0.9, 0.4))):
        studio.edit("Set", lambda scene, n=name, v=value: scene.replace("all", **{n: v}))
    row = list(studio.flat.light_names).index("Bulb 1")
    packed = studio.flat.lights[studio.flat.lights["entity"] == row]
    weights = (0.2126729, 0.7151522, 0.0721750)
    bright = float((packed["emission"][0] * weights).sum())
    assert strength(model.rows, model.row_of("s1")) == pytest.approx(bright, rel=1e-5)


# --- typing ----------------------------------------------------------------------------------------------------------
def test_what_is_typed_goes_to_every_selected_cell_of_the_column_in_one_step(qtbot, studio, lights):
    choose(lights, ("s0", "intensity"), ("s1", "intensity"), ("s3", "intensity"))
    before, told = steps(studio), []
    studio.document.subscribe(told.append)
    qtbot.keyClick(lights.table, "5")
    editor = lights.table.findChild(QLineEdit, "cell-intensity")
    qtbot.keyClicks(editor, "0")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: steps(studio) == before + 1)
    assert values(studio, "intensity", "s0", "s1", "s2", "s3") == [50.0, 50.0, 12.0, 50.0]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("*1.5", 15.0), ("+0.5", 10.5), ("-=1", 9.0), ("/4", 2.5), ("+10%", 11.0), ("2**3", 8.0), ("*=2", 20.0)],
)
def test_relative_edits_start_from_each_ones_own(studio, lights, typed, expected):
    choose(lights, ("s0", "intensity"), ("s1", "intensity"))
    lights.model.enter(lights.model.row_of("s0"), "intensity", typed)
    first, second = values(studio, "intensity", "s0", "s1")
    assert first == pytest.approx(expected)
    assert second == pytest.approx(8.0 if typed == "2**3" else second) and second != 11.0


def test_a_leading_minus_is_a_negative_number(studio, lights):
    lights.model.enter(lights.model.row_of("s0"), "exposure", "-2")
    assert values(studio, "exposure", "s0") == [-2.0]


def test_cells_of_columns_alike_are_typed_together_but_whole_rows_are_not(studio, lights):
    studio.prefer(light_column_set="Shape")
    choose(lights, ("b", "width_m"), ("b", "height_m"), ("b", "normalize"))
    before = steps(studio)
    lights.model.enter(lights.model.row_of("b"), "width_m", "20 cm")
    assert values(studio, "width_m", "b") == values(studio, "height_m", "b") == [pytest.approx(0.2)]
    assert not studio.scene.entities["b"].normalize and steps(studio) == before + 1
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, NONE, middle(lights, "b", "name"))
    lights.model.enter(lights.model.row_of("b"), "width_m", "3")
    assert values(studio, "width_m", "b") == [3.0] and values(studio, "height_m", "b") == [pytest.approx(0.2)]


def test_an_intensity_may_be_typed_with_its_unit(studio, lights):
    choose(lights, ("a", "intensity"), ("s0", "intensity"))
    lights.model.enter(lights.model.row_of("a"), "intensity", "900 lm")
    assert values(studio, "unit", "a", "s0") == ["lm", "lm"] and values(studio, "intensity", "a", "s0") == [
        900.0,
        900.0,
    ]
    before = studio.scene
    assert not lights.model.enter(lights.model.row_of("sun"), "intensity", "5 nt")
    assert studio.scene is before and "lx" in studio.face.notices[-1][1]


def test_cells_without_a_meaning_are_empty_and_take_nothing(studio, lights):
    studio.prefer(light_column_set="Shape")
    sun = lights.model.row_of("sun")
    assert lights.model.cell(sun, "width_m").value is None
    before = studio.scene
    assert not lights.model.enter(sun, "width_m", "3")
    choose(lights, ("b", "width_m"), ("sun", "width_m"))
    assert lights.model.enter(lights.model.row_of("b"), "width_m", "3")
    assert values(studio, "width_m", "b", "sun") == [3.0, 1.0] and studio.scene is not before


def test_names_of_several_are_numbered(studio, lights):
    choose(lights, ("s0", "name"), ("s2", "name"))
    lights.model.enter(lights.model.row_of("s0"), "name", "Lantern")
    assert values(studio, "name", "s0", "s1", "s2") == ["Lantern 1", "Bulb 1", "Lantern 2"]


def test_space_and_enter_turn_switches_of_all_selected_cells(qtbot, studio, lights):
    choose(lights, ("s0", "muted"), ("s1", "muted"))
    before = steps(studio)
    qtbot.keyClick(lights.table, Qt.Key.Key_Space)
    assert values(studio, "muted", "s0", "s1", "s2", "all") == [True, True, False, False]
    qtbot.keyClick(lights.table, Qt.Key.Key_Return)
    assert values(studio, "muted", "s0", "s1", "all") == [False, False, False] and steps(studio) == before + 2


def test_what_is_typed_for_lights_passes_over_groups_and_the_other_way_round(studio, lights):
    choose(lights, *((id_, "exposure") for id_ in ("a", "b", "all", "string", "s0")))
    assert set(studio.selection) == {"a", "b", "s0"}  # a range over lights is one of lights
    lights.model.enter(lights.model.row_of("a"), "exposure", "+1")
    assert values(studio, "exposure", "a", "s0", "all", "string") == [1.0, 1.0, 0.0, 0.0]
    lights.table.selectAll()
    assert {"rig", "all", "string"} < set(studio.selection)
    lights.model.enter(lights.model.row_of("string"), "exposure", "-1")
    assert values(studio, "exposure", "rig", "all", "string", "s0", "s1") == [-1.0, -1.0, -1.0, 1.0, 0.0]


# --- the clipboard ---------------------------------------------------------------------------------------------------
def test_one_copied_cell_fills_all_that_are_selected(qtbot, studio, lights):
    choose(lights, ("a", "intensity"))
    qtbot.keyClick(lights.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "800"
    choose(lights, ("s0", "intensity"), ("s2", "intensity"), ("sun", "exposure"))
    before = steps(studio)
    qtbot.keyClick(lights.table, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert values(studio, "intensity", "s0", "s1", "s2") == [800.0, 11.0, 800.0]
    assert steps(studio) == before + 1


def test_a_block_is_copied_as_spreadsheets_read_it_and_comes_back(studio, lights):
    choose(lights, *((id_, name) for id_ in ("s0", "s1") for name in ("intensity", "unit", "exposure", "color")))
    copy_cells(lights.table)
    text = QGuiApplication.clipboard().text()
    assert text == "10\tcd\t0\t1, 1, 1\n11\tcd\t0\t1, 1, 1"
    QGuiApplication.clipboard().setText("500\tlm\t-1\t#ff0000\n600\tcd\t2\t0.5")
    choose(lights, ("s2", "intensity"))
    before = steps(studio)
    paste_cells(lights.table)
    assert values(studio, "intensity", "s2", "s3") == [500.0, 600.0]
    assert values(studio, "unit", "s2", "s3") == ["lm", "cd"] and values(studio, "exposure", "s2", "s3") == [-1.0, 2.0]
    assert values(studio, "color", "s2", "s3") == [(1.0, 0.0, 0.0), (0.5, 0.5, 0.5)] and steps(studio) == before + 1


def test_a_line_is_pasted_into_every_selected_row(studio, lights):
    QGuiApplication.clipboard().setText("50\t \t3")
    choose(lights, *((id_, name) for id_ in ("s0", "s3") for name in ("intensity", "unit", "exposure")))
    paste_cells(lights.table)
    assert values(studio, "intensity", "s0", "s3") == [50.0, 50.0] and values(studio, "unit", "s0") == ["cd"]
    assert values(studio, "exposure", "s0", "s3") == [3.0, 3.0]


def test_what_cannot_be_pasted_is_told_and_the_rest_is_pasted(studio, lights):
    QGuiApplication.clipboard().setText("bright\n77")
    choose(lights, ("s0", "intensity"), ("s1", "intensity"))
    paste_cells(lights.table)
    assert values(studio, "intensity", "s0", "s1") == [10.0, 77.0]
    assert studio.face.notices[-1][0] == "warning"
    before = studio.scene
    QGuiApplication.clipboard().setText("nonsense")
    paste_cells(lights.table)
    assert studio.scene is before and studio.face.notices[-1][0] == "error"


_TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"))


@given(st.lists(st.lists(_TEXTS, min_size=2, max_size=4), min_size=1, max_size=4))
def test_any_cells_survive_the_clipboard(grid):
    width = len(grid[0])
    grid = [(line + [""] * width)[:width] for line in grid]
    if not any(any(line) for line in grid[-1:]):
        grid[-1][0] = "x"
    assert from_text(to_text(grid)) == grid


@given(st.text())
def test_no_text_is_too_strange_to_be_pasted(text):
    assert from_text(text) and all(from_text(text))
    with contextlib.suppress(UsageError):
        color_of(text.strip())


def test_colours_are_understood_in_several_ways():
    assert color_of("#ffffff") == (1.0, 1.0, 1.0) and color_of("#f00") == (1.0, 0.0, 0.0)
    assert color_of("0.1, 0.2; 0.3") == (0.1, 0.2, 0.3) and color_of("0.5") == (0.5, 0.5, 0.5)
    assert color_of("2700 K")[0] > color_of("2700 K")[2]
    assert color_of("*0.5")(0.8) == 0.4
    assert [relative(text) for text in ("*2", "+ 1", "-1", "*=2", "+=1", "/ 3", "3")] == [
        "*=2",
        "+=1",
        "-1",
        "*=2",
        "+=1",
        "/=3",
        "3",
    ]


# --- drags -----------------------------------------------------------------------------------------------------------
def test_a_value_is_dragged_over_cells_by_the_handle_and_by_alt(studio, lights):
    choose(lights, ("a", "exposure"))
    lights.model.enter(lights.model.row_of("s0"), "exposure", "2")
    before = steps(studio)
    start, end = middle(lights, "s0", "exposure"), middle(lights, "s2", "exposure")
    drag(lights, start, end, modifiers=Qt.KeyboardModifier.AltModifier)
    assert values(studio, "exposure", "s0", "s1", "s2", "s3") == [2.0, 2.0, 2.0, 0.0] and steps(studio) == before + 1
    choose(lights, ("s3", "intensity"))
    handle = lights.table._handle()
    assert handle.isValid()
    drag(lights, handle.center(), middle(lights, "sun", "intensity"))
    assert values(studio, "intensity", "sun", "s3") == [13.0, 13.0]


def test_the_middle_button_scrubs_all_selected_numbers_in_one_step(studio, lights):
    choose(lights, ("s0", "exposure"), ("s1", "exposure"), ("sun", "exposure"))
    lights.model.enter(lights.model.row_of("sun"), "exposure", "1")
    studio.edit("Set", lambda scene: scene.replace("sun", exposure=3.0))
    before = steps(studio)
    at = middle(lights, "s0", "exposure")
    drag(lights, at, at + QPoint(40, 0), button=Qt.MouseButton.MiddleButton)
    first, second, sun = values(studio, "exposure", "s0", "s1", "sun")
    assert first == second and first > 1.0 and sun == pytest.approx(first + 2.0) and steps(studio) == before + 1


def test_escape_takes_a_scrub_back(qtbot, studio, lights):
    before, scene = steps(studio), studio.scene
    at = middle(lights, "s0", "intensity")
    drag(lights, at, at + QPoint(60, 0), button=Qt.MouseButton.MiddleButton, release=False)
    assert values(studio, "intensity", "s0") == [pytest.approx(20.0)]
    qtbot.keyClick(lights.table, Qt.Key.Key_Escape)
    assert steps(studio) == before and studio.scene.entities["s0"] == scene.entities["s0"]


def test_switches_are_painted_by_a_drag_in_one_step(studio, lights):
    before = steps(studio)
    drag(lights, middle(lights, "s0", "muted"), middle(lights, "s3", "muted"))
    assert values(studio, "muted", "s0", "s1", "s2", "s3") == [True] * 4 and steps(studio) == before + 1
    drag(lights, middle(lights, "s3", "muted"), middle(lights, "s2", "muted"))
    assert values(studio, "muted", "s0", "s1", "s2", "s3") == [True, True, False, False]


# --- selection -------------------------------------------------------------------------------------------------------
def test_rows_of_selected_cells_are_the_selection_and_a_name_means_its_row(studio, lights):
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, pos=middle(lights, "s1", "intensity"))
    assert studio.selection == ("s1",)
    assert lights.table.cells == {lights.model.row_of("s1").number: {lights.model.columns.index("intensity")}}
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, NONE, middle(lights, "s2", "name"))
    assert len(lights.table.cells[lights.model.row_of("s2").number]) == len(lights.model.columns)
    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, pos=middle(lights, "s0", "exposure"))
    QTest.mouseClick(lights.table.viewport(), Qt.MouseButton.LeftButton, shift, middle(lights, "s3", "exposure"))
    assert set(studio.selection) == {"s0", "s1", "s2", "s3"}
    assert {frozenset(c) for c in lights.table.cells.values()} == {frozenset({lights.model.columns.index("exposure")})}


def test_cells_stay_selected_while_their_lights_are_edited_and_sorted(studio, lights):
    choose(lights, ("s0", "intensity"), ("s1", "intensity"))
    lights.table.sortByColumn(lights.model.columns.index("intensity"), Qt.SortOrder.DescendingOrder)
    assert [row.id for row in lights.table.rows_of_cells()] == ["s1", "s0"]
    lights.model.enter(lights.model.row_of("s0"), "intensity", "*3")
    assert {row.id for row in lights.table.rows_of_cells()} == {"s0", "s1"}
    assert studio.selection and set(studio.selection) == {"s0", "s1"}


def test_whole_rows_stay_whole_in_another_set_of_columns(studio, lights):
    studio.select(["s1", "s2"])
    studio.prefer(light_column_set="Shadow")
    assert all(len(chosen) == len(lights.model.columns) for chosen in lights.table.cells.values())
    assert len(lights.table.cells) == 2 and set(studio.selection) == {"s1", "s2"}


# --- order and filter ------------------------------------------------------------------------------------------------
def _shown(lights):
    return [row.id for row in lights.model.rows.walk() if row.kind != GROUP]


def test_sorting_is_within_groups_and_follows_edits(lights):
    lights.table.sortByColumn(lights.model.columns.index("intensity"), Qt.SortOrder.DescendingOrder)
    assert _shown(lights)[:1] == ["sun"] or _shown(lights).index("s3") < _shown(lights).index("s0")
    lights.model.enter(lights.model.row_of("s0"), "intensity", "99")
    assert _shown(lights).index("s0") < _shown(lights).index("s3")
    lights.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    assert _shown(lights) == ["a", "b", "s0", "s1", "s2", "s3", "sun"]


def test_names_are_sorted_by_their_numbers(studio, lights):
    studio.edit("Rename", lambda scene: scene.replace("s0", name="Bulb 10"))
    lights.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert [id_ for id_ in _shown(lights) if id_[0] == "s" and id_ != "sun"] == ["s1", "s2", "s3", "s0"]


def test_a_filter_keeps_what_holds_a_match_and_follows_edits(studio, lights):
    lights.search.setText("intensity>100 kind=spot")
    assert [row.id for row in lights.model.rows.walk()] == ["rig", "a"]
    assert "1 shown" in lights._count.text()
    lights.search.setText("practicals")
    assert _shown(lights) == ["s0", "s1", "s2", "s3"]
    lights.search.setText("muted")
    assert _shown(lights) == []
    studio.edit("Mute", lambda scene: scene.replace("rig", muted=True))
    assert _shown(lights) == ["a", "b"]
    lights.search.setText("-muted intensity<12")
    assert _shown(lights) == ["s0", "s1"]


def test_a_filter_that_is_not_understood_tells_so_and_hides_nothing(lights):
    lights.search.setText("intensty>100")
    assert lights._fault.isVisible() and "intensity" in lights._fault.text()
    assert len(_shown(lights)) == 7 and lights.search.toolTip() == lights._fault.text()
    lights.search.clear()
    assert not lights._fault.isVisible()


def test_rows_stay_while_a_scrub_changes_what_they_are_filtered_by(studio, lights):
    lights.search.setText("intensity<12")
    at = middle(lights, "s1", "intensity")
    drag(lights, at, at + QPoint(60, 0), button=Qt.MouseButton.MiddleButton, release=False)
    assert values(studio, "intensity", "s1") == [pytest.approx(22.0)] and "s1" in _shown(lights)
    lights.table._drag.end()
    lights.table._drag = None
    assert _shown(lights) == ["s0"]


# --- columns ---------------------------------------------------------------------------------------------------------
def test_every_set_begins_with_the_head_and_has_real_columns():
    own = sets(Preferences())
    assert next(iter(own)) == ESSENTIALS and list(own)[-1] == ALL
    for names in own.values():
        assert names[: len(HEAD)] == HEAD and len(set(names)) == len(names) and set(names) <= set(every())
    listed = {name for set_name, names in own.items() if set_name != ALL for name in names}
    assert {"ies", "gobo", "spread_deg", "light_links", "shadow_color", "barn_left_deg", "strength"} <= listed
    assert all(column(name).label for name in every())


def test_sets_of_columns_are_chosen_changed_kept_and_put_back(studio, lights):
    studio.prefer(light_column_set="Shadow")
    assert "shadow_color" in lights.model.columns and lights.columns.text() == "Shadow"
    lights.show_column("diffuse_gain", True)
    assert "diffuse_gain" in lights.model.columns and "Shadow" in studio.preferences.light_columns
    lights.show_column("radius_m", False)
    assert "radius_m" not in lights.model.columns
    lights._drop_set()
    assert "radius_m" in lights.model.columns and "Shadow" not in studio.preferences.light_columns
    studio.face.answers.append("Own")
    lights._keep_set()
    assert lights.set_name == "Own" and studio.preferences.light_columns["Own"] == lights.model.columns
    studio.prefer(light_columns={"Mine": ("name", "gone", "exposure", "exposure")}, light_column_set="Mine")
    assert lights.model.columns == ("name", "muted", "solo", "exposure")
    lights._drop_set()
    assert lights.set_name == ESSENTIALS


def test_a_dragged_column_stays_where_it_was_put(studio, lights):
    header = lights.table.header()
    names = list(lights.model.columns)
    header.moveSection(names.index("exposure"), names.index("intensity"))
    assert lights.model.columns.index("exposure") == names.index("intensity")
    assert lights.table.visible_columns() == list(lights.model.columns)
    assert studio.preferences.light_columns[ESSENTIALS] == lights.model.columns


# --- origins ---------------------------------------------------------------------------------------------------------
def _origin(lights, id_, name):
    return origin_of(lights._studio, lights.model.row_of(id_), name).steps


def test_why_a_value_is_so_is_told_and_leads_there(qtbot, studio, lights):
    studio.edit("Master", lambda scene: scene.replace("rig", exposure=1.5, muted=True))
    popup = lights.explain(lights.model.row_of("a"), "exposure")
    words = " ".join(label.text() for label in popup.findChildren(QLabel))
    assert "Key rig" in words and "+1.5 stops" in words and "Default" in words
    button = popup.findChildren(QPushButton)[0]
    button.click()
    assert studio.selection == ("rig",)


def test_tool_tips_tell_where_a_value_comes_from(studio, lights):
    studio.edit("Key", keying.set_key, "a", "exposure", 0.0, 2.0)
    assert "Animated" in lights.table._tip(middle(lights, "a", "exposure"))
    assert "Set here: 800" in lights.table._tip(middle(lights, "a", "intensity"))
    assert "Not used" in lights.table._tip(middle(lights, "a", "temperature_k"))
    assert lights.table._tip(middle(lights, "rig", "intensity")) == ""


# --- menus and words -------------------------------------------------------------------------------------------------
def test_menus_do_what_they_say(qtbot, studio, lights, monkeypatch):
    choose(lights, ("a", "intensity"))
    made = []
    monkeypatch.setattr(QMenu, "popup", lambda menu, *_: made.append(menu))
    lights._menu(middle(lights, "a", "intensity"))
    actions = {action.objectName(): action for action in made[-1].actions()}
    actions["light-copy-cells"].trigger()
    assert QGuiApplication.clipboard().text() == "800"
    choose(lights, ("b", "intensity"))
    actions["light-paste-cells"].trigger()
    assert values(studio, "intensity", "b") == [800.0]
    actions["light-why"].trigger()
    assert lights.findChild(WhyPopup) is not None
    lights.findChild(WhyPopup).close()
    lights._columns_menu(QPoint(5, 5))
    actions = {action.objectName(): action for action in made[-1].actions()}
    actions["light-column-radius_m"].trigger()
    assert "radius_m" in lights.model.columns
    lights._columns_menu(QPoint(5, 5))  # now there is something to put back
    next(action for action in made[-1].actions() if action.objectName() == "light-drop-set").trigger()
    assert "radius_m" not in lights.model.columns
    menu = lights.columns.menu()
    lights._fill_sets(menu)
    next(action for action in menu.actions() if action.objectName() == "light-set-Shaping").trigger()
    assert "gobo" in lights.model.columns and lights.set_name == "Shaping"


def test_the_sign_of_a_group_folds_it(studio, lights):
    table, index = lights.table, lights.model.cell_index("rig", "name")
    box = table.visualRect(index)
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, NONE, QPoint(6, box.center().y()))
    assert not table.isExpanded(index)
    assert "a" not in [row.id for row in table.visible_rows()]


def test_the_keyboard_walks_over_cells_and_folds_groups(qtbot, studio, lights):
    choose(lights, ("s0", "intensity"))
    qtbot.keyClick(lights.table, Qt.Key.Key_Right)
    assert lights.model.columns[lights.table.currentIndex().column()] == "unit"
    qtbot.keyClick(lights.table, Qt.Key.Key_Down)
    assert lights.model.row_at(lights.table.currentIndex()).id == "s1" and studio.selection == ("s1",)
    choose(lights, ("rig", "name"))
    qtbot.keyClick(lights.table, Qt.Key.Key_Left)
    assert not lights.table.isExpanded(lights.model.cell_index("rig", "name"))


def test_the_table_speaks_the_language_of_the_window(studio, lights):
    i18n.set_language("zh_CN")
    names = [lights.model.headerData(n, Qt.Orientation.Horizontal) for n in range(len(lights.model.columns))]
    assert "强度" in names
    assert lights.model.cell(lights.model.row_of("a"), "light").text == "聚光"
    lights.search.setText("强度>500 类型=spot")
    assert _shown(lights) == ["a"] and not lights._fault.isVisible()


def test_links_are_shown_by_name_and_lead_to_their_panel(studio, lights):
    studio.edit("Link", lambda scene: scene.replace("a", light_link_mode="only", light_links=("rig", "all", "string")))
    studio.prefer(light_column_set="Linking")
    assert lights.model.cell(lights.model.row_of("a"), "light_links").text == "Key rig, Practicals +1"
    assert lights.model.cell(lights.model.row_of("b"), "light_links").text == ""
    asked = []
    lights.table.asked.connect(lambda row, name: asked.append((row.id, name)))
    lights.table.open(lights.model.cell_index("a", "light_links"))
    assert asked == [("a", "light_links")] and studio.selection == ("a",)


def test_key_dots_of_groups_key_their_masters(studio, lights):
    lights.model.toggle_key(lights.model.row_of("rig"), "exposure")
    assert set(studio.scene.tracks) == {"rig.exposure"}
    assert lights.model.key_state(lights.model.row_of("rig"), "exposure") == "key"


def test_what_hangs_below_a_hidden_object_is_silent(studio, lights):
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    studio.edit("Add", lambda scene: scene.add(mesh, MeshObject(id="lamp", mesh=mesh.key)).reparent(["sun"], "lamp"))
    assert lights.model.row_of("sun").counts
    studio.edit("Hide", lambda scene: scene.replace("lamp", visible=False))
    assert not lights.model.row_of("sun").counts
    assert lights.model.cell(lights.model.row_of("sun"), "intensity").ink == "disabled"
    studio.run("edit.undo")
    assert lights.model.row_of("sun").counts


def test_the_sign_of_sorting_goes_with_its_column(studio, lights):
    header = lights.table.header()
    lights.table.sortByColumn(lights.model.columns.index("exposure"), Qt.SortOrder.DescendingOrder)
    studio.prefer(light_column_set="Groups and AOVs")
    assert lights.model.columns[header.sortIndicatorSection()] == "exposure"
    studio.prefer(light_column_set="Shadow")
    assert header.sortIndicatorSection() == -1 and lights.model.sorted_by is None


def test_names_stay_when_columns_are_scrolled(studio, lights, shot):
    studio.prefer(light_column_set="All")
    table, bar = lights.table, lights.table.horizontalScrollBar()
    QApplication.processEvents()
    bar.setValue(600)
    assert table.pinned == table.header().sectionSize(0) and table._pinned.isVisible()
    y = table.visualRect(lights.model.cell_index("s1", "exposure")).center().y()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, NONE, QPoint(120, y))
    assert studio.selection == ("s1",) and bar.value() == 600  # it was the name, and nothing is scrolled back
    assert len(table.cells[lights.model.row_of("s1").number]) == len(lights.model.columns)
    sign = QPoint(6, table.visualRect(lights.model.cell_index("rig", "exposure")).center().y())
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, NONE, sign)
    assert "a" not in [row.id for row in table.visible_rows()]
    table.scrollTo(lights.model.cell_index("s2", "muted"))
    assert table.visualRect(lights.model.cell_index("s2", "muted")).left() >= table.pinned
    shot(lights, "table-pinned")
