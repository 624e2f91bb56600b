"""Gizmo and key transforms: the hand's way into the scene, and back out of it without a trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.viewport.navigation import orthographic, rotation, view_preset
from studio.viewport.snapping import Snapping, grid_spacing, rounded
from studio.viewport.tools.events import CTRL, NONE, SHIFT, KeyEvent, PointerEvent
from studio.viewport.tools.gizmo import AXES, LENGTH_PX, PLANES, Gizmo
from studio.viewport.tools.numeric import NumericEntry
from studio.viewport.tools.rays import Eye, angle_between, hull, inside
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from tests.viewport.viewers import FakeViewer, camera_at

AWAY = (0.6, 0.0, 0.0, 0.8)


def tools_of(*entities: Any, select: tuple[str, ...] = ("a",), **values: Any) -> ViewportTools:
    viewer = FakeViewer(*entities)
    viewer.document.select(select)
    return ViewportTools(viewer, ToolSettings(light_handles=False, **values))  # type: ignore[arg-type]


def send(tools: ViewportTools, kind: str, at: Any, button: str = "", modifiers: frozenset[str] = NONE) -> bool:
    return tools.pointer(PointerEvent(kind, float(at[0]), float(at[1]), button, modifiers))  # type: ignore[arg-type]


def drag(tools: ViewportTools, start: Any, end: Any, modifiers: frozenset[str] = NONE, *, release: bool = True) -> None:
    send(tools, "hover", start)
    assert send(tools, "press", start, "left")
    for t in (0.3, 0.7, 1.0):
        send(tools, "move", np.asarray(start) + (np.asarray(end) - np.asarray(start)) * t, modifiers=modifiers)
    if release:
        send(tools, "release", end, "left", modifiers)


def type_in(tools: ViewportTools, text: str) -> None:
    for key in text.split():
        assert tools.key(KeyEvent("press", key, key if len(key) == 1 else ""))


def handle_pixel(tools: ViewportTools, handle: str) -> np.ndarray:
    """A pixel at which that handle of the gizmo is under the pointer."""
    gizmo = tools.transform.gizmo()
    assert gizmo is not None
    if handle == "free":
        points = gizmo.origin[None]
    elif handle in PLANES:
        points = gizmo._outline(handle).mean(axis=0)[None]  # type: ignore[arg-type]
    elif gizmo.kind == "rotate":
        ring, front = gizmo._ring(handle)  # type: ignore[arg-type]
        points = ring[front][::5]
    else:
        a, b = gizmo._shaft(handle)  # type: ignore[arg-type]
        points = a + (b - a) * np.linspace(0.6, 0.95, 8)[:, None]
    for pixel in gizmo.eye.pixels(points)[:, :2]:
        if gizmo.under(*pixel.tolist()) == handle:
            return np.asarray(pixel)
    raise AssertionError(f"{handle} cannot be grabbed")


def origin(tools: ViewportTools, id_: str = "a") -> np.ndarray:
    return tools.viewer.document.scene.world_matrix(id_)[:, 3]


# --- where a drag lands ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("end", [(420.0, 200.0), (100.0, 500.0), (700.0, 90.0)])
def test_dragging_the_middle_brings_the_object_under_the_pointer(end: tuple[float, float], flat: bool) -> None:
    tools = tools_of(
        Group(id="p", scale=(2.0, 1.0, 0.5), rotation=AWAY), Group(id="a", parent="p", translation=(0.3, 1, 0))
    )
    if flat:
        tools.viewer.camera = orthographic(tools.viewer.camera)
    start = tools.viewer.pixel(origin(tools))  # type: ignore[attr-defined]
    drag(tools, start, end)
    assert np.allclose(tools.viewer.pixel(origin(tools)), end, atol=1e-6)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("space", "axis"),
    [(s, a) for s in ("world", "local", "parent", "view") for a in AXES if (s, a) != ("view", "z")],  # it is a point
)
def test_an_arrow_moves_along_its_axis_and_under_the_pointer(space: str, axis: str) -> None:
    p = Group(id="p", rotation=(0.0, 0.38, 0.0, 0.92))
    tools = tools_of(p, Group(id="a", parent="p", rotation=AWAY), space=space)
    gizmo = tools.transform.gizmo()
    assert gizmo is not None
    index = AXES.index(axis)
    direction = gizmo.axes[:, index]
    before, start = origin(tools), handle_pixel(tools, axis)
    a, b = gizmo.eye.pixel(before), gizmo.eye.pixel(before + direction * gizmo.length)
    drag(tools, start, start + (b - a) * 0.8)
    offset = origin(tools) - before
    assert np.linalg.norm(np.cross(offset, direction)) < 1e-9
    assert offset @ direction > 0.1
    matrices = {
        "world": np.eye(3),
        "local": tools.viewer.document.scene.world_matrix("a")[:, :3],
        "parent": tools.viewer.document.scene.world_matrix("p")[:, :3],
        "view": tools.viewer.camera.world[:, :3],
    }
    assert np.allclose(direction, matrices[space][:, index] / np.linalg.norm(matrices[space][:, index]))


@pytest.mark.parametrize("handle", PLANES)
def test_a_plane_handle_stays_in_its_plane_and_follows_the_pointer(handle: str) -> None:
    tools = tools_of(Group(id="a"))
    before, start = origin(tools), handle_pixel(tools, handle)
    eye = Eye(tools.viewer.camera, *tools.viewer.size)
    end = start + np.array([60.0, -35.0])
    normal = np.eye(3)[PLANES.index(handle)]
    grabbed, there = (eye.on_plane(*p.tolist(), before, normal) for p in (start, end))
    drag(tools, start, end)
    assert grabbed is not None and there is not None
    assert np.allclose(origin(tools) - before, there - grabbed)


@pytest.mark.parametrize("axis", AXES)
def test_a_ring_turns_about_its_axis_by_the_angle_dragged(axis: str) -> None:
    tools = tools_of(Group(id="a"), mode="rotate")
    start = handle_pixel(tools, axis)
    eye = Eye(tools.viewer.camera, *tools.viewer.size)
    about = np.eye(3)[AXES.index(axis)]
    gizmo = tools.transform.gizmo()
    assert gizmo is not None
    first = eye.on_plane(*start.tolist(), np.zeros(3), about)
    assert first is not None
    end = eye.pixel(rotation(about, 0.6) @ first)
    drag(tools, start, end)
    assert np.allclose(tools.viewer.document.scene.world_matrix("a")[:, :3], rotation(about, 0.6), atol=1e-6)


def test_a_turn_goes_through_more_than_one_round() -> None:
    tools = tools_of(Group(id="a"))
    centre = tools.viewer.pixel(origin(tools))  # type: ignore[attr-defined]
    send(tools, "hover", np.add(centre, (100, 0)))
    assert tools.begin("rotate")
    for degrees in range(0, 451, 30):
        angle = np.radians(degrees)
        send(tools, "hover", centre + 100 * np.array([np.cos(angle), np.sin(angle)]))
    assert abs(np.degrees(float(tools.transform.gesture._value))) == pytest.approx(450.0)  # type: ignore[union-attr, arg-type]


def test_scaling_by_key_is_by_the_distance_from_the_middle() -> None:
    tools = tools_of(Group(id="a"))
    centre = tools.viewer.pixel(origin(tools))  # type: ignore[attr-defined]
    send(tools, "hover", np.add(centre, (50, 0)))
    assert tools.begin("scale")
    send(tools, "hover", np.add(centre, (0, 100)))
    send(tools, "press", np.add(centre, (0, 100)), "left")
    assert tools.viewer.document.scene.entities["a"].scale == pytest.approx((2.0, 2.0, 2.0))
    assert not tools.claims_keys


# --- one drag, one undo, no trace ------------------------------------------------------------------------------------
pixels = st.tuples(st.floats(0, 800), st.floats(0, 600))
EVERYTHING = (
    Group(id="p", translation=(1.0, 0.0, 0.0), rotation=AWAY, scale=(1.0, 2.0, 0.5)),
    Group(id="a", parent="p", translation=(0.3, 0.2, 0.1), rotation=(0.1, 0.2, 0.3, 0.9)),
    Light(id="b", light="rectangle", unit="nt", translation=(-1.0, 1.0, 0.0)),
    Group(id="c", parent="a"),
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["move", "rotate", "scale"]),
    st.lists(pixels, min_size=1, max_size=6),
    st.lists(st.sampled_from(["x", "y", "z", "1", ".", "5", "-", "backspace", "tab"]), max_size=5),
    st.sampled_from(["escape", "right", "enter", "left"]),
    st.sampled_from(["world", "local", "parent", "view"]),
    st.sampled_from(["median", "bounds", "active", "individual"]),
)
def test_any_gesture_is_one_step_or_none_and_undo_brings_back_the_very_records(
    kind: Any, path: list[Any], keys: list[str], end: str, space: Any, pivot: Any
) -> None:
    tools = tools_of(*EVERYTHING, select=("a", "b", "c"), space=space, pivot=pivot)
    document = tools.viewer.document
    before = document.scene
    send(tools, "hover", (300, 300))
    assert tools.begin(kind)
    for i, at in enumerate(path):
        send(tools, "hover", at, modifiers=SHIFT if i % 3 == 2 else NONE)
        if i < len(keys):
            tools.key(KeyEvent("press", keys[i], keys[i]))
    assert np.isfinite(np.stack(list(document.scene.world_matrices().values()))).all()
    if end in ("escape", "enter"):
        tools.key(KeyEvent("press", end))
    else:
        send(tools, "press", path[-1], end)
        send(tools, "release", path[-1], end)
    assert not tools.claims_keys
    steps = tools.viewer.steps  # type: ignore[attr-defined]
    assert steps == 0 if end in ("escape", "right") else steps <= 1
    if steps:
        document.undo()
    assert document.scene.entities.keys() == before.entities.keys()
    assert all(document.scene.entities[id_] is before.entities[id_] for id_ in before.entities)
    assert document.scene.entities["c"] is before.entities["c"]


@pytest.mark.parametrize("how", ["escape", "right", "focus"])
def test_a_cancelled_drag_leaves_the_scene_the_history_and_what_could_be_redone(how: str) -> None:
    tools = tools_of(Group(id="a"))
    document = tools.viewer.document
    with document.edit("Rename") as edit:
        edit.replace("a", name="other")
    document.undo()
    before = document.scene
    start = handle_pixel(tools, "x")
    drag(tools, start, np.add(start, (80, 10)), release=False)
    assert document.scene is not before and tools.viewer.steps == 1  # type: ignore[attr-defined]
    if how == "escape":
        tools.key(KeyEvent("press", "escape"))
    elif how == "right":
        send(tools, "press", start, "right")
    else:
        tools.focus_out()
    assert document.scene.entities["a"] is before.entities["a"]
    assert tools.viewer.steps == 0 and document.redo_label == "Rename"  # type: ignore[attr-defined]
    send(tools, "move", np.add(start, (200, 0)))  # the button is still down, and means nothing any more
    send(tools, "release", np.add(start, (200, 0)), "left")
    assert document.scene.entities["a"] is before.entities["a"]
    assert not document.modified


def test_a_drag_is_one_step_and_ends_with_the_button() -> None:
    tools = tools_of(Group(id="a"))
    for _ in range(2):
        start = handle_pixel(tools, "x")
        drag(tools, start, np.add(start, (40, 5)))
    assert tools.viewer.steps == 2  # type: ignore[attr-defined]
    assert tools.viewer.document.undo_label == "Move"


def test_a_drag_back_to_the_start_leaves_no_step() -> None:
    tools = tools_of(Group(id="a"))
    start = handle_pixel(tools, "x")
    drag(tools, start, np.add(start, (80, 10)), release=False)
    send(tools, "move", start)
    send(tools, "release", start, "left")
    assert tools.viewer.steps == 0  # type: ignore[attr-defined]


def test_an_edit_in_between_does_not_keep_a_drag_from_being_cancelled() -> None:
    tools = tools_of(Group(id="a"), Group(id="b"))
    document = tools.viewer.document
    before = document.scene.entities["a"]
    start = handle_pixel(tools, "x")
    drag(tools, start, np.add(start, (80, 10)), release=False)
    with document.edit("Rename") as edit:
        edit.replace("b", name="other")
    tools.cancel()
    assert document.scene.entities["a"] is before
    assert document.scene.entities["b"].name == "other"


def test_locked_things_stay_and_it_is_said() -> None:
    tools = tools_of(Group(id="a", name="Ann", locked=True))
    assert tools.transform.gizmo() is None
    assert not tools.begin("move")
    assert "Ann" in tools.viewer.said[-1]  # type: ignore[attr-defined]


# --- pivots ----------------------------------------------------------------------------------------------------------
TWO = (Group(id="a", translation=(-1.0, 0.0, 0.0)), Group(id="b", translation=(1.0, 0.0, 0.0)))


def turned_by_key(pivot: Any) -> ViewportTools:
    tools = tools_of(*TWO, select=("a", "b"), pivot=pivot)
    assert tools.begin("rotate")
    type_in(tools, "y 9 0 enter")
    return tools


def test_a_common_pivot_carries_everything_around_it() -> None:
    tools = turned_by_key("median")
    assert np.allclose(origin(tools, "a"), (0, 0, 1)) and np.allclose(origin(tools, "b"), (0, 0, -1))


def test_the_active_one_stays_when_it_is_the_pivot() -> None:
    tools = turned_by_key("active")
    assert np.allclose(origin(tools, "b"), (1, 0, 0)) and np.allclose(origin(tools, "a"), (1, 0, 2))


def test_individual_pivots_turn_each_in_its_place() -> None:
    tools = turned_by_key("individual")
    assert tools.viewer.document.scene.entities["a"].translation == (-1.0, 0.0, 0.0)
    assert np.allclose(tools.viewer.document.scene.world_matrix("a")[:, :3], rotation((0, 1, 0), np.pi / 2))


def test_individual_local_moves_go_along_each_ones_own_axes() -> None:
    quarter = (0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5))
    tools = tools_of(
        Group(id="a", rotation=quarter), Group(id="b"), select=("a", "b"), pivot="individual", space="local"
    )
    assert tools.begin("move")
    type_in(tools, "x 2 enter")
    assert np.allclose(origin(tools, "a"), (0, 0, -2)) and np.allclose(origin(tools, "b"), (2, 0, 0))


# --- numbers, locks, snapping ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "keys", "moved"),
    [
        ("move", "x 2 . 5 enter", (2.5, 0, 0)),
        ("move", "y 2 - enter", (0, -2, 0)),
        ("move", "1 tab 2 tab 3 enter", (1, 2, 3)),
        ("move", "z 1 2 backspace enter", (0, 0, 1)),
        ("move", "num7 enter", (7, 0, 0)),
        ("move", ", 5 enter", (0.5, 0, 0)),
    ],
)
def test_typed_numbers_move_exactly(kind: Any, keys: str, moved: Any) -> None:
    tools = tools_of(Group(id="a", translation=(1.0, 1.0, 1.0)))
    assert tools.begin(kind)
    type_in(tools, keys)
    assert np.allclose(origin(tools), np.add(moved, 1.0))
    assert tools.viewer.steps == 1  # type: ignore[attr-defined]


def test_a_locked_plane_takes_two_numbers() -> None:
    tools = tools_of(Group(id="a"))
    assert tools.begin("move")
    tools.key(KeyEvent("press", "y", "Y", SHIFT))
    type_in(tools, "1 tab 2 enter")
    assert np.allclose(origin(tools), (1, 0, 2))


def test_an_axis_key_again_means_its_own_axis_and_then_none() -> None:
    tools = tools_of(Group(id="a", rotation=(0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))))
    assert tools.begin("move")
    type_in(tools, "x x 3")
    assert np.allclose(origin(tools), (0, 3, 0))
    type_in(tools, "x")
    assert tools.transform.gesture is not None and tools.transform.gesture.lock == "free"
    type_in(tools, "enter")


def test_typing_takes_over_from_the_pointer_until_it_is_taken_back() -> None:
    tools = tools_of(Group(id="a"))
    centre = tools.viewer.pixel(origin(tools))  # type: ignore[attr-defined]
    send(tools, "hover", centre)
    assert tools.begin("move")
    type_in(tools, "x 4")
    send(tools, "hover", np.add(centre, (50, 0)))
    assert np.allclose(origin(tools), (4, 0, 0))
    type_in(tools, "backspace")
    send(tools, "hover", np.add(centre, (50, 0)))
    assert 0 < origin(tools)[0] < 3
    type_in(tools, "enter")


def test_a_typed_turn_is_in_degrees_about_the_locked_axis() -> None:
    tools = tools_of(Group(id="a"))
    assert tools.begin("rotate")
    type_in(tools, "z - 4 5 enter")
    assert np.allclose(
        tools.viewer.document.scene.world_matrix("a")[:, :3], rotation((0, 0, 1), np.radians(-45)), atol=1e-12
    )


def test_a_typed_factor_of_nothing_does_not_flatten() -> None:
    tools = tools_of(Group(id="a"))
    assert tools.begin("scale")
    type_in(tools, "0 enter")
    assert min(tools.viewer.document.scene.entities["a"].scale) > 0


def test_ctrl_snaps_and_unsnaps() -> None:
    tools = tools_of(Group(id="a"), snapping=Snapping(move_m=0.5))
    start = handle_pixel(tools, "x")
    drag(tools, start, np.add(start, (97, 3)), CTRL)
    x = float(origin(tools)[0])
    assert x != 0 and x % 0.5 == pytest.approx(0.0)
    tools.settings.snapping = Snapping(on=True, move_m=0.5)
    start = handle_pixel(tools, "x")
    drag(tools, start, np.add(start, (61, 3)), CTRL)
    assert origin(tools)[0] % 0.5 != pytest.approx(0.0)


def test_snapping_to_the_grid_rounds_where_it_arrives() -> None:
    snapping = Snapping(on=True, kind="grid", move_m=0.5)
    tools = tools_of(Group(id="a", translation=(0.13, 0.27, 0.0)), snapping=snapping)
    start = handle_pixel(tools, "x")
    drag(tools, start, np.add(start, (97, 3)))
    assert origin(tools)[0] % 0.5 == pytest.approx(0.0, abs=1e-9)
    assert origin(tools)[1] == 0.27


def test_turns_snap_to_steps() -> None:
    tools = tools_of(Group(id="a"), mode="rotate", snapping=Snapping(on=True, rotate_deg=15.0))
    start = handle_pixel(tools, "y")
    drag(tools, start, np.add(start, (40, 8)))
    matrix = tools.viewer.document.scene.world_matrix("a")[:, :3]
    angle = np.degrees(np.arctan2(matrix[0, 2], matrix[0, 0]))
    assert angle != 0 and angle / 15 == pytest.approx(round(angle / 15))


def test_shift_makes_the_pointer_ten_times_finer() -> None:
    ends = []
    for modifiers in (NONE, SHIFT):
        tools = tools_of(Group(id="a"))
        start = handle_pixel(tools, "x")
        drag(tools, start, np.add(start, (40, 0)), modifiers)
        ends.append(float(origin(tools)[0]))
    assert ends[1] == pytest.approx(ends[0] / 10, rel=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rounding_leaves_alone_what_is_no_number(value: float) -> None:
    assert rounded(1.234, value) == 1.234
    assert rounded(1.234, 0.0) == 1.234
    assert grid_spacing(value) == 1.0


def test_the_grid_s_cell_is_a_power_of_ten_that_can_be_seen() -> None:
    for metres in (1e-5, 0.003, 0.02, 4.0):
        cell = grid_spacing(metres)
        assert 23.9 < cell / metres < 240.1
        assert np.log10(cell) == pytest.approx(round(np.log10(cell)))


def test_numbers_that_are_not_numbers_yet_are_nothing() -> None:
    entry = NumericEntry()
    for key in (".", "-"):
        entry.key(KeyEvent("press", key, key))
    assert entry.values() == [-0.0, 0.0, 0.0]
    assert not entry.key(KeyEvent("press", "5", "5", CTRL))


# --- awkward views ---------------------------------------------------------------------------------------------------
def test_an_arrow_that_points_at_the_eye_cannot_be_grabbed_and_does_no_harm() -> None:
    tools = tools_of(Group(id="a"))
    tools.viewer.camera = view_preset(tools.viewer.camera, "front")
    gizmo = tools.transform.gizmo()
    assert gizmo is not None and gizmo.strength("z") == 0.0 and gizmo.strength("x") == 1.0
    assert gizmo.under(*gizmo.eye.pixel(gizmo.origin + gizmo.axes[:, 2] * gizmo.length).tolist()) != "z"
    send(tools, "hover", (400, 300))
    assert tools.begin("move")
    type_in(tools, "z")
    send(tools, "hover", (400, 250))  # up is away
    assert origin(tools)[2] < -0.1 and np.allclose(origin(tools)[:2], 0)
    tools.cancel()


@pytest.mark.parametrize("eye", [(0.0, 5.0, 0.0), (0.0, -5.0, 1e-9), (1e6, 1e6, 1e6), (1e-3, 1e-3, 1e-3)])
def test_gizmos_are_drawn_and_probed_from_anywhere(eye: tuple[float, float, float]) -> None:
    tools = tools_of(Group(id="a"))
    tools.viewer.camera = camera_at(eye)
    for mode in ("move", "rotate", "scale"):
        tools.settings.mode = mode  # type: ignore[assignment]
        batch = tools.overlay()
        for drawing in batch.top:
            assert np.isfinite(drawing.lines["a"]).all() and np.isfinite(drawing.corners["at"]).all()
        tools.pointer(PointerEvent("hover", 400.0, 300.0))


def test_a_gizmo_keeps_its_size_on_the_screen() -> None:
    for away in (0.5, 5.0, 500.0):
        eye = Eye(camera_at((0.0, 0.0, away)), 800, 600)
        gizmo = Gizmo("move", np.zeros(3), np.eye(3), eye, 2.0)
        span = eye.pixel(np.array([gizmo.length, 0.0, 0.0])) - eye.pixel(np.zeros(3))
        assert span[0] == pytest.approx(LENGTH_PX * 2.0)


def test_what_is_behind_the_eye_has_no_gizmo() -> None:
    tools = tools_of(Group(id="a", translation=(0.0, 0.0, 30.0)))
    assert tools.transform.draw() == ()


def test_a_horizon_does_not_throw_things_away() -> None:
    tools = tools_of(Group(id="a"))
    tools.viewer.camera = camera_at((0.0, 0.3, 9.0), (0.0, 0.3, 0.0))
    send(tools, "hover", (400, 300))
    assert tools.begin("move")
    tools.key(KeyEvent("press", "y", "Y", SHIFT))  # in the floor, seen almost edge-on
    for y in (310, 300, 290, 100, 0):
        send(tools, "hover", (420, y))
        assert np.linalg.norm(origin(tools)) < 1e5
    tools.cancel()


# --- the plane's geometry --------------------------------------------------------------------------------------------
def test_hulls_and_insides() -> None:
    points = np.array([(0, 0), (4, 0), (4, 3), (0, 3), (2, 1), (1, 2)], float)
    outline = hull(points)
    assert len(outline) == 4
    assert inside((1, 1), outline) and not inside((5, 1), outline)
    assert len(hull(np.full((5, 2), np.nan))) == 0
    assert angle_between((1, 0), (0, 2)) == pytest.approx(np.pi / 2)
    assert angle_between((0, 0), (0, 2)) == 0.0
