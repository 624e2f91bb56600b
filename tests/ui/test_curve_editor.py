"""The curve editor by a real mouse: what is picked, moved, bent, scaled, isolated; each gesture one step of undo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.scene import keying
from studio.scene.animation import AUTO, BREAKDOWN, BROKEN, FREE, LINEAR, STEP
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.curve_editor import CurveEditor
from studio.ui.curve_list import ISOLATE, LOCK, SHOWN, CurveModel
from studio.ui.curve_state import CurveState
from tests.ui.desk import PlainDesk

NO, SHIFT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def studio() -> Studio:
    scene = Scene(frame_end=48.0).add(
        Light(id="key", name="Key light"), Light(id="rim", name="Rim light"), Light(id="still", name="Still")
    )
    for frame, value in ((1.0, 0.0), (20.0, 6.0), (40.0, -2.0)):
        scene = keying.set_key(scene, "key", "exposure", frame, value)
    for frame, place in ((1.0, (0.0, 1.0, 2.0)), (24.0, (3.0, 2.0, 2.5)), (48.0, (1.0, 5.0, 4.0))):
        scene = keying.set_key(scene, "key", "translation", frame, place)
    for frame, value in ((5.0, 100.0), (30.0, 900.0)):
        scene = keying.set_key(scene, "rim", "intensity", frame, value)
    return Studio(scene=scene)


@pytest.fixture
def editor(qtbot: QtBot, studio: Studio) -> Iterator[CurveEditor]:
    panel = CurveEditor(studio, PlainDesk(studio))  # type: ignore[arg-type]
    qtbot.addWidget(panel)
    panel.resize(1100, 380)
    panel.show()
    studio.select(["key"])
    panel.state.snap_frames = True
    yield panel
    panel.close_panel()


def at(editor: CurveEditor, track: str, index: int, item: int = 0) -> QPoint:
    """Where a key stands on the paper."""
    state, view = editor.state, editor.canvas.view
    n = state.number[(track, item)]
    gain, shift = state.gains()
    curve = state.curves[n]
    value = float(curve.values[index, item] * gain[n] + shift[n])
    return QPointF(view.x(float(curve.times[index])), view.y(value)).toPoint()


def drag(editor: CurveEditor, start: QPoint, way: QPoint, modifiers: Any = NO, *, release: bool = True) -> None:
    canvas = editor.canvas
    QTest.mousePress(canvas, LEFT, modifiers, start)
    for i in range(1, 6):
        move(editor, start + way * i / 5, modifiers)
    if release:
        QTest.mouseRelease(canvas, LEFT, modifiers, start + way)


def move(editor: CurveEditor, to: QPoint, modifiers: Any = NO) -> None:
    """A move of the mouse with modifiers, which QTest.mouseMove does not know."""
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtWidgets import QApplication

    canvas = editor.canvas
    where = QPointF(to)
    event = QMouseEvent(
        QEvent.Type.MouseMove, where, canvas.mapToGlobal(where), Qt.MouseButton.NoButton, LEFT, modifiers
    )
    QApplication.sendEvent(canvas, event)


def tops(editor: CurveEditor) -> list[str]:
    model = editor.model
    return [model.index(row, 0).data() for row in range(model.rowCount())]


# --- what is shown ---------------------------------------------------------------------------------------------------
def test_the_list_has_entity_field_and_component(editor: CurveEditor, shot: Callable[[Any, str], None]) -> None:
    model = editor.model
    assert tops(editor) == ["Key light"]
    fields = [model.index(row, 0, model.index(0, 0)) for row in range(model.rowCount(model.index(0, 0)))]
    assert [index.data() for index in fields] == ["Translation", "Exposure"]
    assert [model.index(row, 0, fields[0]).data() for row in range(model.rowCount(fields[0]))] == ["X", "Y", "Z"]
    shot(editor, "curves")


def test_what_is_selected_decides_unless_everything_is_shown(studio: Studio, editor: CurveEditor) -> None:
    studio.select(["rim"])
    assert tops(editor) == ["Rim light"]
    studio.select(["still"])
    assert tops(editor) == [] and not editor.state.lines
    studio.run("curves.everything")
    assert tops(editor) == ["Key light", "Rim light"]


def test_a_hidden_editor_catches_up_when_it_is_shown(studio: Studio, editor: CurveEditor) -> None:
    editor.hide()
    studio.select(["rim"])
    studio.picked = {"rim.intensity": (0,)}
    assert tops(editor) == ["Key light"]
    editor.show()
    assert tops(editor) == ["Rim light"] and editor.state.picks[("rim.intensity", 0)].tolist() == [0]


def test_the_filter_shows_matching_curves_only(qtbot: QtBot, editor: CurveEditor) -> None:
    qtbot.keyClicks(editor.search, "expo")
    model = editor.model
    assert [model.index(r, 0, model.index(0, 0)).data() for r in range(model.rowCount(model.index(0, 0)))] == [
        "Exposure"
    ]
    editor.search.clear()
    assert model.rowCount(model.index(0, 0)) == 2


def test_the_model_keeps_qts_rules(qtmodeltester: Any, studio: Studio) -> None:
    state = CurveState()
    state.follow(studio.scene, None, anew=True)
    model = CurveModel(studio, state)
    qtmodeltester.check(model)
    model.relist("rim")
    qtmodeltester.check(model)


def test_switches_of_the_list_hide_isolate_and_lock(editor: CurveEditor) -> None:
    model, state, tree = editor.model, editor.state, editor.list
    exposure = model.index(1, 0, model.index(0, 0))

    def press(index: Any) -> None:
        QTest.mouseClick(tree.viewport(), LEFT, NO, tree.visualRect(index).center())

    press(exposure.siblingAtColumn(SHOWN))
    assert not state.shows(state.number[("key.exposure", 0)])
    press(exposure.siblingAtColumn(SHOWN))
    press(exposure.siblingAtColumn(ISOLATE))
    assert state.shown().sum() == 1
    press(exposure.siblingAtColumn(ISOLATE))
    press(exposure.siblingAtColumn(LOCK))
    before = editor._studio.scene
    drag(editor, at(editor, "key.exposure", 1), QPoint(0, -40))
    assert editor._studio.scene is before and not state.picks
    assert state.shown().all()


def test_isolating_shows_the_curves_that_are_meant_and_ends(studio: Studio, editor: CurveEditor) -> None:
    QTest.mouseClick(editor.canvas, LEFT, NO, at(editor, "key.translation", 1, 1))
    studio.run("curves.isolate")
    assert [editor.state.lines[n].axis for n in np.flatnonzero(editor.state.shown())] == ["Y"]
    studio.run("curves.isolate")
    assert editor.state.shown().all()


def test_normalised_every_curve_fills_the_same_height(
    studio: Studio, editor: CurveEditor, shot: Callable[[Any, str], None]
) -> None:
    studio.run("curves.normalise")
    gain, shift = editor.state.gains()
    for n, (line, curve) in enumerate(zip(editor.state.lines, editor.state.curves, strict=True)):
        shown = curve.values[:, line.item] * gain[n] + shift[n]
        assert (shown.min(), shown.max()) == pytest.approx((0.0, 1.0))
    drag(editor, at(editor, "key.exposure", 1), QPoint(0, 60), SHIFT)  # a drag down by some share of the height
    share = 60 / editor.canvas.view.per_value
    assert studio.scene.tracks["key.exposure"].values[1, 0] == pytest.approx(6.0 - share * 8.0, abs=0.3)
    shot(editor, "curves-normalised")


# --- picking ---------------------------------------------------------------------------------------------------------
def test_a_marquee_picks_the_keys_in_it(editor: CurveEditor, studio: Studio, shot: Callable[[Any, str], None]) -> None:
    canvas = editor.canvas
    x = round(canvas.view.x(20.0))
    drag(editor, QPoint(x - 10, round(canvas.view.top) + 2), QPoint(20, 300), release=False)
    shot(editor, "curves-marquee")
    QTest.mouseRelease(canvas, LEFT, NO, QPoint(x + 10, round(canvas.view.top) + 302))
    assert {key: rows.tolist() for key, rows in editor.state.picks.items()} == {("key.exposure", 0): [1]}
    assert dict(studio.picked) == {"key.exposure": (1,)}


def test_keys_picked_elsewhere_are_picked_here(editor: CurveEditor, studio: Studio) -> None:
    studio.picked = {"key.translation": (0, 2)}
    assert {key: rows.tolist() for key, rows in editor.state.picks.items()} == {
        ("key.translation", item): [0, 2] for item in range(3)
    }


def test_a_click_on_a_curve_makes_it_active(editor: CurveEditor) -> None:
    view = editor.canvas.view
    from studio.scene.animation import evaluate

    y = float(evaluate(editor._studio.scene.tracks["key.exposure"], [30.0])[0, 0])
    QTest.mouseClick(editor.canvas, LEFT, NO, QPointF(view.x(30.0), view.y(y)).toPoint())
    assert editor.state.active == {("key.exposure", 0)}
    assert [i.data() for i in editor.list.selectionModel().selectedRows()] == ["Exposure"]
    QTest.mouseClick(editor.canvas, LEFT, NO, QPoint(round(view.x(44.0)), round(view.top) + 6))
    assert editor.state.active == set()


# --- moving ----------------------------------------------------------------------------------------------------------
def test_a_key_is_dragged_and_undone_in_one_step(studio: Studio, editor: CurveEditor) -> None:
    before = studio.scene.tracks["key.exposure"]
    view = editor.canvas.view
    drag(editor, at(editor, "key.exposure", 1), QPoint(round(view.per_frame * 5), -30))
    after = studio.scene.tracks["key.exposure"]
    assert after.times.tolist() == [1.0, 25.0, 40.0]
    assert after.values[1, 0] == pytest.approx(6.0 + 30 / view.per_value, abs=0.2)
    assert studio.document.history[0] == ("Move keys",)
    studio.run("edit.undo")
    assert studio.scene.tracks["key.exposure"] is before and not studio.document.undo_label


def test_shift_keeps_to_one_axis_and_ctrl_leaves_whole_frames(studio: Studio, editor: CurveEditor) -> None:
    view = editor.canvas.view
    drag(editor, at(editor, "key.exposure", 1), QPoint(round(view.per_frame * 2.4), 6), SHIFT)
    curve = studio.scene.tracks["key.exposure"]
    assert curve.times[1] == 22.0 and curve.values[1, 0] == 6.0
    studio.run("edit.undo")
    drag(editor, at(editor, "key.translation", 1, 0), QPoint(0, -25))
    moved = studio.scene.tracks["key.translation"].values[1]
    assert moved[0] > 3.0 and moved[1:].tolist() == [2.0, 2.5]


def test_escape_takes_a_drag_back(qtbot: QtBot, studio: Studio, editor: CurveEditor) -> None:
    before = studio.scene.tracks["key.exposure"]
    drag(editor, at(editor, "key.exposure", 1), QPoint(40, 40), release=False)
    assert studio.scene.tracks["key.exposure"] is not before
    qtbot.keyClick(editor.canvas, Qt.Key.Key_Escape)
    QTest.mouseRelease(editor.canvas, LEFT, NO, QPoint(0, 0))
    assert studio.scene.tracks["key.exposure"] is before and not studio.document.undo_label


def test_a_handle_is_pulled_and_undone_in_one_step(
    studio: Studio, editor: CurveEditor, shot: Callable[[Any, str], None]
) -> None:
    QTest.mouseClick(editor.canvas, LEFT, NO, at(editor, "key.exposure", 1))
    curve, view = studio.scene.tracks["key.exposure"], editor.canvas.view
    assert curve.out_tangents is not None
    dt, dv = curve.out_tangents[1, 0]
    end = QPointF(view.x(20.0 + dt), view.y(6.0 + dv)).toPoint()
    drag(editor, end, QPoint(10, -50))
    after = studio.scene.tracks["key.exposure"]
    assert after.out_tangents is not None and after.in_tangents is not None and after.modes is not None
    assert after.out_tangents[1, 0, 1] == pytest.approx(50 / view.per_value, rel=0.05)
    slope = after.out_tangents[1, 0, 1] / after.out_tangents[1, 0, 0]
    assert after.in_tangents[1, 0, 1] / after.in_tangents[1, 0, 0] == pytest.approx(slope)
    assert after.modes[1] == FREE
    shot(editor, "curves-handle")
    studio.run("edit.undo")
    assert studio.scene.tracks["key.exposure"] is curve


def test_handles_that_are_not_weighted_only_turn(studio: Studio, editor: CurveEditor) -> None:
    studio.run("curves.weighted", on=False)
    QTest.mouseClick(editor.canvas, LEFT, NO, at(editor, "key.exposure", 1))
    curve, view = studio.scene.tracks["key.exposure"], editor.canvas.view
    assert curve.out_tangents is not None
    dt, dv = curve.out_tangents[1, 0]
    drag(editor, QPointF(view.x(20.0 + dt), view.y(6.0 + dv)).toPoint(), QPoint(-30, -40))
    after = studio.scene.tracks["key.exposure"]
    assert after.out_tangents is not None
    assert after.out_tangents[1, 0, 0] == pytest.approx(dt) and after.out_tangents[1, 0, 1] > 0.5


def test_the_scale_box_stretches_what_is_picked(studio: Studio, editor: CurveEditor, shot: Any) -> None:
    studio.run("curves.scale_box", on=True)
    editor.canvas.pick({("key.exposure", 0): np.arange(3)})
    box = editor.canvas.scale_rect()
    assert box is not None
    shot(editor, "curves-scale-box")
    middle_right = QPointF(box.right(), box.center().y()).toPoint()
    drag(editor, middle_right, QPoint(-round(box.width() / 2), 0))
    times = studio.scene.tracks["key.exposure"].times
    assert times[-1] - times[0] == pytest.approx(19.5, abs=1.0)
    assert studio.document.history[0] == ("Scale keys",)


def test_the_present_frame_is_scrubbed_on_the_ruler(studio: Studio, editor: CurveEditor) -> None:
    view = editor.canvas.view
    drag(editor, QPoint(round(view.x(10.0)), 8), QPoint(round(view.x(30.0) - view.x(10.0)), 0))
    assert studio.frame == 30.0 and not studio.document.undo_label


def test_the_wheel_zooms_about_the_pointer_each_axis_alone_too(editor: CurveEditor) -> None:
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    def wheel(modifiers: Any) -> None:
        event = QWheelEvent(
            QPointF(400, 150), QPointF(400, 150), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, modifiers,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(editor.canvas, event)

    before = editor.canvas.view
    frame, value = before.frame_at(400), before.value_at(150)
    wheel(NO)
    after = editor.canvas.view
    assert after.per_frame > before.per_frame and after.per_value > before.per_value
    assert (after.frame_at(400), after.value_at(150)) == pytest.approx((frame, value))
    wheel(CTRL)
    assert editor.canvas.view.per_value == after.per_value and editor.canvas.view.per_frame > after.per_frame
    wheel(SHIFT)
    assert editor.canvas.view.per_value > after.per_value


# --- keys ------------------------------------------------------------------------------------------------------------
def test_a_double_click_on_a_curve_puts_a_key_there(studio: Studio, editor: CurveEditor) -> None:
    from studio.scene.animation import evaluate

    value = float(evaluate(studio.scene.tracks["key.exposure"], [30.0])[0, 0])
    view = editor.canvas.view
    QTest.mouseDClick(editor.canvas, LEFT, NO, QPointF(view.x(30.0), view.y(value)).toPoint())
    curve = studio.scene.tracks["key.exposure"]
    assert curve.times.tolist() == [1.0, 20.0, 30.0, 40.0] and curve.values[2, 0] == pytest.approx(value, abs=0.05)
    assert editor.state.picks[("key.exposure", 0)].tolist() == [2]


def test_keys_are_deleted_copied_and_pasted(studio: Studio, editor: CurveEditor) -> None:
    QTest.mouseClick(editor.canvas, LEFT, NO, at(editor, "key.exposure", 1))
    studio.run("curves.copy")
    studio.run("curves.delete")
    assert studio.scene.tracks["key.exposure"].times.tolist() == [1.0, 40.0]
    studio.frame = 10.0
    studio.run("curves.paste")
    assert studio.scene.tracks["key.exposure"].times.tolist() == [1.0, 10.0, 40.0]
    assert editor.state.picks[("key.exposure", 0)].tolist() == [1]


def test_modes_breaking_and_breakdowns_are_one_step_each(studio: Studio, editor: CurveEditor) -> None:
    QTest.mouseClick(editor.canvas, LEFT, NO, at(editor, "key.exposure", 1))

    def mode() -> int:
        modes = studio.scene.tracks["key.exposure"].modes
        assert modes is not None
        return int(modes[1])

    assert editor.mode_of_picks() == AUTO
    for name, wanted in (("linear", LINEAR), ("step", STEP), ("free", FREE), ("broken", BROKEN), ("unify", FREE)):
        studio.run(f"curves.{name}")
        assert mode() == wanted
    studio.run("curves.breakdown")
    assert mode() == FREE | BREAKDOWN
    studio.run("curves.breakdown")
    assert mode() == FREE
    assert len(studio.document.history[0]) == 7


def test_buttons_do_what_their_commands_do(qtbot: QtBot, studio: Studio, editor: CurveEditor) -> None:
    QTest.mouseClick(editor.canvas, LEFT, NO, at(editor, "key.exposure", 1))
    editor._tell()
    button = editor.findChild(QToolButton, "bar.curves.linear")
    assert isinstance(button, QToolButton)
    qtbot.mouseClick(button, LEFT)
    assert editor.mode_of_picks() == LINEAR and button.isChecked()


def test_frame_and_value_are_typed_for_all_picked_keys(qtbot: QtBot, studio: Studio, editor: CurveEditor) -> None:
    editor.canvas.pick({("key.exposure", 0): np.array([0, 1])})
    editor._tell()
    assert editor.value_field.mixed and editor.frame_field.mixed

    def enter(field: Any, text: str) -> None:
        field.start_typing()
        field.selectAll()
        qtbot.keyClicks(field, text)
        qtbot.keyClick(field, Qt.Key.Key_Return)

    enter(editor.value_field, "3.5")
    assert studio.scene.tracks["key.exposure"].values[:, 0].tolist() == [3.5, 3.5, -2.0]
    enter(editor.frame_field, "+=4")
    assert studio.scene.tracks["key.exposure"].times.tolist() == [5.0, 24.0, 40.0]
    assert studio.document.history[0] == ("Key value", "Key frame")


def test_a_buffer_curve_is_stored_and_swapped(studio: Studio, editor: CurveEditor, shot: Any) -> None:
    first = studio.scene.tracks["key.exposure"]
    studio.run("curves.store")
    drag(editor, at(editor, "key.exposure", 1), QPoint(0, -60), SHIFT)
    second = studio.scene.tracks["key.exposure"]
    shot(editor, "curves-buffer")
    studio.run("curves.swap")
    assert studio.scene.tracks["key.exposure"] is first
    studio.run("curves.swap")
    assert studio.scene.tracks["key.exposure"] is second


def test_a_thousand_curves_are_one_picture_and_a_drag_paints_its_own(
    studio: Studio, editor: CurveEditor, qtbot: QtBot, shot: Any
) -> None:
    scene = studio.scene
    random = np.random.default_rng(1)
    for n in range(60):
        scene = scene.add(Light(id=f"m{n}"))
        for frame in range(1, 49, 6):
            scene = keying.set_key(scene, f"m{n}", "translation", float(frame), random.normal(0, 3, 3).tolist())
    studio.document.load(scene)
    studio.run("curves.everything", on=True)
    qtbot.wait(200)
    assert len(editor.state.lines) == 185 and editor.state.painted() == []
    picture = editor.canvas._picture[1]
    assert picture is not None and not picture.isNull()
    shot(editor, "curves-many")
    editor.canvas.pick({("m3.translation", 1): np.array([2])})
    assert {editor.state.lines[n].track for n in editor.state.painted()} == {"m3.translation"}
    drag(editor, at(editor, "m3.translation", 2, 1), QPoint(0, -30))
    assert studio.document.undo_label == "Move keys"
    shot(editor, "curves-many-one")


# --- the commands on whole curves ------------------------------------------------------------------------------------
def test_extrapolation_baking_and_thinning_are_commands(studio: Studio, editor: CurveEditor) -> None:
    editor.canvas.pick({("key.exposure", 0): np.array([1])})
    studio.run("keys.post_loop")
    assert studio.scene.tracks["key.exposure"].post == "loop"
    assert studio.scene.tracks["key.translation"].post == "hold"
    studio.run("keys.bake", step=2.0)
    assert len(studio.scene.tracks["key.exposure"].times) >= 24
    studio.run("keys.thin", tolerance=0.05)
    assert len(studio.scene.tracks["key.exposure"].times) < 24


def test_rotations_become_angles_and_back(studio: Studio) -> None:
    with studio.document.edit("Key") as edit:
        edit.apply(keying.set_key, "key", "rotation", 1.0, (0.0, 0.0, 0.0))
        edit.apply(keying.set_key, "key", "rotation", 20.0, (0.0, 80.0, 0.0))
    studio.select(["key"])
    studio.run("keys.to_quaternion")
    assert studio.scene.tracks["key.rotation"].rotation
    studio.run("keys.to_euler")
    assert studio.scene.tracks["key.rotation"].euler


def test_removing_animation_leaves_what_is_seen(studio: Studio) -> None:
    studio.select(["key"])
    studio.frame = 20.0
    studio.run("keys.remove")
    assert not [t for t in studio.scene.tracks if t.startswith("key.")]
    light = studio.scene.get("key")
    assert isinstance(light, Light) and light.exposure == pytest.approx(6.0)
