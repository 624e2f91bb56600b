"""The dope sheet: what it lists, and keys picked, dragged, stretched and deleted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.scene.animation import make_curve
from studio.scene.entities import Group
from studio.scene.scene import Scene
from studio.ui.dope_sheet import DopeSheet
from studio.ui.dope_sheet_model import DopeSheetModel, merged
from tests.ui.desk import PlainDesk
from tests.ui.test_timeline import drag


def scene(count: int = 2, keys: int = 4) -> Scene:
    """Groups with `keys` keys of translation and scale, every 10 frames."""
    out = Scene(frame_start=1.0, frame_end=50.0).add(*(Group(id=f"g{n}", name=f"Group {n}") for n in range(count)))
    times = 1.0 + 10.0 * np.arange(keys)
    tracks = {}
    for n in range(count):
        tracks[f"g{n}.translation"] = make_curve(times, np.outer(times, (1, 0, 0)), interpolation="bezier")
        tracks[f"g{n}.scale"] = make_curve(times, np.ones((keys, 3)))
    return replace(out, tracks=tracks)


# --- the model -------------------------------------------------------------------------------------------------------
def test_rows_are_everything_then_entities_with_their_curves() -> None:
    model = DopeSheetModel()
    model.follow(scene(), None)
    assert [row.kind for row in model.rows] == ["summary", "entity", "track", "track", "entity", "track", "track"]
    assert [row.label for row in model.rows][1:4] == ["Group 0", "Translation", "Scale"]
    model.refold("g0")
    model.follow(scene(), None)
    assert [row.kind for row in model.rows] == ["summary", "entity", "entity", "track", "track"]


def test_only_what_is_selected_or_named_is_listed() -> None:
    model = DopeSheetModel()
    model.follow(scene(), ["g1"])
    assert [row.id for row in model.rows if row.kind == "entity"] == ["g1"]
    model.follow(scene(), None, "scale")
    assert [row.label for row in model.rows if row.kind == "track"] == ["Scale", "Scale"]
    model.follow(scene(), None, "group 1")
    assert [row.label for row in model.rows if row.kind == "track"] == ["Translation", "Scale"]
    model.follow(scene(), None, "nothing")
    assert model.rows == ()


def test_a_frame_is_picked_where_all_its_keys_are() -> None:
    model = DopeSheetModel()
    model.follow(scene(), None)
    summary = model.rows[0]
    keys = model.keys_in([summary], 11.0, 11.0)
    assert len(keys) == 4 and all(rows == (1,) for rows in keys.values())
    assert model.picked_mask(summary, keys).tolist() == [False, True, False, False]
    keys.pop("g0.scale")
    assert not model.picked_mask(summary, keys).any()


def test_picks_are_merged_and_toggled() -> None:
    a, b = {"x": (1, 2)}, {"x": (2,), "y": (0,)}
    assert merged(a, b) == {"x": (1, 2), "y": (0,)}
    assert merged({"x": (1, 2), "y": (0,)}, b, toggle=True) == {"x": (1,)}


# --- the sheet -------------------------------------------------------------------------------------------------------
@pytest.fixture
def sheet(qtbot: QtBot) -> Iterator[Any]:
    studio = Studio(scene=scene())
    desk: Any = PlainDesk(studio)
    panel = DopeSheet(studio, desk)
    qtbot.addWidget(panel)
    panel.resize(900, 320)
    with qtbot.waitExposed(panel):
        panel.show()
    view: Any = panel.sheet
    view.studio, view.panel = studio, panel
    yield view
    panel.close_panel()
    desk.playback.close()
    desk.sound.close()
    desk.bridge.close()


def at(view: Any, row: int, frame: float) -> QPoint:
    return QPoint(round(view.x_of(frame)), round(view.row_top(row) + view.row_height / 2))


def times(view: Any, track: str = "g0.translation") -> list[float]:
    return [round(t, 3) for t in view.studio.scene.tracks[track].times.tolist()]


def test_a_click_picks_a_key_and_shift_adds(sheet: Any, shot: Any) -> None:
    QTest.mouseClick(sheet, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(sheet, 2, 11.0))
    assert sheet.studio.picked == {"g0.translation": (1,)}
    QTest.mouseClick(sheet, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, at(sheet, 3, 21.0))
    assert sheet.studio.picked == {"g0.translation": (1,), "g0.scale": (2,)}
    shot(sheet.panel, "dope-sheet")
    QTest.mouseClick(sheet, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(sheet, 2, 16.0))
    assert sheet.studio.picked == {}


def test_a_key_of_the_summary_is_the_keys_of_all(sheet: Any) -> None:
    QTest.mouseClick(sheet, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(sheet, 0, 1.0))
    assert sheet.studio.picked.keys() == sheet.studio.scene.tracks.keys()


def test_a_key_is_dragged_to_a_whole_frame_in_one_step(sheet: Any) -> None:
    steps = len(sheet.studio.document.history[0])
    drag(sheet, at(sheet, 2, 11.0), at(sheet, 2, 15.3))
    assert times(sheet) == [1.0, 15.0, 21.0, 31.0] and times(sheet, "g0.scale") == [1.0, 11.0, 21.0, 31.0]
    assert len(sheet.studio.document.history[0]) == steps + 1
    assert sheet.studio.picked == {"g0.translation": (1,)}
    sheet.studio.run("edit.undo")
    assert times(sheet) == [1.0, 11.0, 21.0, 31.0]


def test_a_key_dragged_past_others_does_not_take_them_along_or_away(sheet: Any) -> None:
    drag(sheet, at(sheet, 2, 11.0), at(sheet, 2, 26.0))
    assert times(sheet) == [1.0, 21.0, 26.0, 31.0]


def test_escape_takes_a_drag_back(sheet: Any) -> None:
    start = at(sheet, 2, 11.0)
    QTest.mousePress(sheet, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(sheet, start + QPoint(60, 0))
    assert times(sheet) != [1.0, 11.0, 21.0, 31.0]
    QTest.keyClick(sheet, Qt.Key.Key_Escape)
    QTest.mouseRelease(sheet, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    assert times(sheet) == [1.0, 11.0, 21.0, 31.0] and not sheet.studio.document.undo_label


def test_a_rectangle_picks_what_lies_in_it_and_moves_together(sheet: Any, shot: Any) -> None:
    drag(sheet, at(sheet, 2, 6.0) - QPoint(0, 6), at(sheet, 3, 26.0) + QPoint(0, 6))
    assert sheet.studio.picked == {"g0.translation": (1, 2), "g0.scale": (1, 2)}
    shot(sheet.panel, "dope-sheet-marquee")
    drag(sheet, at(sheet, 3, 21.0), at(sheet, 3, 24.0))
    assert times(sheet) == times(sheet, "g0.scale") == [1.0, 14.0, 24.0, 31.0]
    assert times(sheet, "g1.scale") == [1.0, 11.0, 21.0, 31.0]


def test_the_handle_of_picked_keys_stretches_them(sheet: Any, qtbot: QtBot) -> None:
    sheet.studio.picked = {"g0.translation": (1, 2)}
    sheet.repaint()
    grip = sheet._grips[1].center().toPoint()
    grip.setY(at(sheet, 5, 0).y())
    drag(sheet, grip, grip + QPoint(round(5 * sheet.scale.per_frame), 0))
    assert times(sheet) == [1.0, 11.0, 26.0, 31.0]


def test_keys_are_deleted_by_the_command_of_the_place(sheet: Any) -> None:
    from studio.commands.keymap import Keymap
    from studio.commands.registry import load
    from studio.ui.menus import place_of

    assert Keymap(load()).find("Delete", place_of(sheet))[0] == "time.delete_keys"
    sheet.studio.picked = {"g0.translation": (0, 3)}
    sheet.studio.run("time.delete_keys")
    assert times(sheet) == [11.0, 21.0]


def test_labels_fold_select_and_pick(sheet: Any) -> None:
    QTest.mouseClick(sheet, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(10, at(sheet, 1, 1).y()))
    assert [row.kind for row in sheet.model.rows] == ["summary", "entity", "entity", "track", "track"]
    QTest.mouseClick(sheet, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(90, at(sheet, 1, 1).y()))
    assert sheet.studio.selection == ("g0",) and sum(len(r) for r in sheet.studio.picked.values()) == 8


def test_the_ruler_scrubs(sheet: Any) -> None:
    drag(sheet, QPoint(round(sheet.x_of(3.0)), 8), QPoint(round(sheet.x_of(30.0)), 8))
    assert sheet.studio.frame == 30.0


def test_of_a_thousand_rows_only_those_that_are_seen_are_drawn(sheet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet.studio.document.load(scene(400, 100))
    sheet.follow()
    assert sheet.rows_count() == 1201
    drawn: list[int] = []
    paint = sheet.paint_row
    monkeypatch.setattr(sheet, "paint_row", lambda painter, row, *a: (drawn.append(row), paint(painter, row, *a)))
    sheet.repaint()
    assert 0 < len(set(drawn)) < 40
    assert len(sheet.model._times) < 60
    sheet.bar.setValue(sheet.bar.maximum())
    drawn.clear()
    sheet.repaint()
    assert max(drawn) == 1200
