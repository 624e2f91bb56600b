"""The toolset: who gets an event, looking through cameras, isolating and hiding, keys of the three hands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.scene.transforms import rigid
from studio.viewport.tools.events import ALT, CTRL, NONE, KeyEvent, PointerEvent, WheelEvent
from studio.viewport.tools.keys import KEYS
from studio.viewport.tools.settings import PRESETS, ToolSettings
from studio.viewport.tools.standpoint import same
from studio.viewport.tools.toolset import ViewportTools
from tests.viewport.viewers import FakeHit, FakeViewer


def tools_of(*entities: Any, **values: Any) -> tuple[ViewportTools, FakeViewer]:
    viewer = FakeViewer(*entities)
    tools = ViewportTools(viewer, ToolSettings(**values))
    tools.refresh()
    return tools, viewer


def drag(tools: ViewportTools, button: Any, modifiers: frozenset[str] = NONE, by: Any = (80.0, 30.0)) -> None:
    tools.pointer(PointerEvent("press", 300.0, 300.0, button, modifiers))
    for t in (0.2, 0.6, 1.0):
        tools.pointer(PointerEvent("move", 300.0 + by[0] * t, 300.0 + by[1] * t, "", modifiers))
    tools.pointer(PointerEvent("release", 300.0 + by[0], 300.0 + by[1], button, modifiers))


# --- who gets an event -----------------------------------------------------------------------------------------------
def test_navigation_touches_neither_scene_nor_selection() -> None:
    tools, viewer = tools_of(Group(id="a"))
    viewer.document.select(["a"])
    scene, camera = viewer.document.scene, viewer.camera
    drag(tools, "middle")
    tools.wheel(WheelEvent(10.0, 10.0, dy=2.0))
    assert viewer.document.scene is scene and viewer.document.selection == ("a",)
    assert not same(viewer.camera, camera)


def test_orbiting_turns_about_what_is_selected() -> None:
    tools, viewer = tools_of(Group(id="a", translation=(2.0, 1.0, 0.0)))
    viewer.document.select(["a"])
    before = viewer.pixel((2.0, 1.0, 0.0))
    drag(tools, "middle")
    assert np.allclose(viewer.pixel((2.0, 1.0, 0.0)), before, atol=1e-6)
    tools.settings.orbit_selection = False
    pivot = viewer.camera.pivot
    drag(tools, "middle")
    assert np.allclose(viewer.camera.pivot, pivot)


def test_the_wheel_keeps_the_surface_under_the_cursor_and_a_run_of_it_is_one_view() -> None:
    tools, viewer = tools_of(Group(id="a"))
    point = np.array([0.5, 0.2, -0.3])
    x, y = viewer.pixel(point).tolist()
    viewer.surface = FakeHit("a", point)
    camera = viewer.camera
    for i in range(5):
        tools.wheel(WheelEvent(x, y, dy=1.0, time_s=i * 0.1))
    assert np.allclose(viewer.pixel(point), (x, y), atol=1e-6)
    assert tools.undo_view()
    assert np.allclose(viewer.camera.world, camera.world)
    assert not tools.undo_view()
    assert tools.redo_view() and not np.allclose(viewer.camera.world, camera.world)


def test_a_right_click_is_left_to_a_menu_and_a_right_drag_is_a_flight() -> None:
    tools, viewer = tools_of(Group(id="a"))
    camera = viewer.camera
    tools.pointer(PointerEvent("press", 50.0, 50.0, "right"))
    assert tools.wants_ticks
    assert tools.pointer(PointerEvent("release", 50.0, 50.0, "right")) is False
    assert viewer.camera is camera and not tools.undo_view()
    tools.pointer(PointerEvent("press", 50.0, 50.0, "right"))
    tools.key(KeyEvent("press", "w"))
    assert tools.tick(0.05)
    tools.key(KeyEvent("release", "w"))
    assert tools.pointer(PointerEvent("release", 50.0, 50.0, "right")) is True
    assert not tools.wants_ticks and not np.allclose(viewer.camera.eye, camera.eye)
    assert tools.undo_view() and np.allclose(viewer.camera.world, camera.world)


def test_keys_of_a_flight_are_no_shortcuts() -> None:
    tools, viewer = tools_of(Group(id="a"), preset="maya")
    viewer.document.select(["a"])
    tools.pointer(PointerEvent("press", 50.0, 50.0, "right"))
    assert tools.claims_keys
    tools.key(KeyEvent("press", "e"))
    assert tools.settings.mode == "move"
    tools.pointer(PointerEvent("release", 50.0, 50.0, "right"))
    tools.key(KeyEvent("press", "e"))
    assert tools.settings.mode == "rotate"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_key_of_every_hand_calls_something_that_is_there(preset: Any) -> None:
    for (key, modifiers), (method, _) in KEYS[preset].items():
        tools, viewer = tools_of(Camera(id="cam"), MeshObject(id="a"), preset=preset)
        viewer.document.select(["a"])
        assert callable(getattr(tools, method))
        held = modifiers - {"space"}
        if "space" in modifiers:
            tools.key(KeyEvent("press", "space"))
        assert tools.key(KeyEvent("press", key, "", frozenset(held))), key
        assert np.isfinite(viewer.camera.world).all()


def test_a_key_nobody_wants_is_left_to_others() -> None:
    tools, _ = tools_of(Group(id="a"))
    assert not tools.key(KeyEvent("press", "f5"))
    assert not tools.key(KeyEvent("press", "g", "g", CTRL))
    assert not tools.claims_keys


def test_g_follows_the_bare_pointer_until_a_click() -> None:
    tools, viewer = tools_of(Group(id="a"), preset="blender", light_handles=False)
    viewer.document.select(["a"])
    x, y = viewer.pixel((0, 0, 0)).tolist()
    tools.pointer(PointerEvent("hover", x, y))
    assert tools.key(KeyEvent("press", "g", "g"))
    tools.pointer(PointerEvent("hover", x + 60, y - 40))
    assert np.allclose(viewer.pixel(viewer.document.scene.entities["a"].translation), (x + 60, y - 40))
    tools.pointer(PointerEvent("press", x + 60, y - 40, "left"))
    tools.pointer(PointerEvent("release", x + 60, y - 40, "left"))
    assert viewer.steps == 1 and viewer.document.selection == ("a",) and not tools.claims_keys


def test_nothing_selected_begins_nothing_and_says_so() -> None:
    tools, viewer = tools_of(Group(id="a"))
    assert tools.key(KeyEvent("press", "g", "g"))
    assert not tools.claims_keys and viewer.said[-1]


# --- framing and presets ---------------------------------------------------------------------------------------------
def test_framing_brings_the_selection_to_the_middle() -> None:
    tools, viewer = tools_of(Group(id="a", translation=(40.0, 3.0, -9.0)), Light(id="l"))
    viewer.document.select(["a"])
    tools.frame_selected()
    assert np.allclose(viewer.pixel((40.0, 3.0, -9.0)), (400, 300))
    tools.frame_all()
    assert np.allclose(viewer.pixel((0, 0, 0)), (400, 300), atol=1.0)
    assert tools.undo_view() and np.allclose(viewer.pixel((40.0, 3.0, -9.0)), (400, 300))


def test_orbiting_out_of_a_preset_view_gives_perspective_back() -> None:
    tools, viewer = tools_of(Group(id="a"))
    half = viewer.camera.half_width
    tools.view("front")
    assert viewer.camera.orthographic
    drag(tools, "middle")
    assert not viewer.camera.orthographic and viewer.camera.half_width == pytest.approx(half)
    tools.toggle_orthographic()
    drag(tools, "middle")
    assert viewer.camera.orthographic  # what was asked for stays


def test_commands_on_an_empty_scene_do_nothing_bad() -> None:
    tools, viewer = tools_of()
    for call in (tools.frame_all, tools.frame_selected, tools.isolate, tools.hide_selected, tools.unhide_all,
                 tools.hide_unselected, tools.select_all, tools.toggle_through, tools.toggle_orthographic):  # fmt: skip
        call()
    tools.view("top")
    tools.overlay()
    assert np.isfinite(viewer.camera.world).all() and viewer.steps == 0


# --- looking through -------------------------------------------------------------------------------------------------
SHOT = Camera(id="cam", parent="p", translation=(0.0, 1.0, 6.0), focal_length_mm=35.0)
PARENT = Group(id="p", translation=(1.0, 0.0, 0.0), scale=(2.0, 1.0, 0.5))


def test_a_camera_is_seen_through_with_its_whole_gate_in_view() -> None:
    tools, viewer = tools_of(PARENT, SHOT)
    tools.look_through("cam")
    assert tools.through == "cam"
    world = viewer.document.scene.world_matrix("cam")
    assert np.allclose(viewer.camera.world, rigid(world[None])[0])
    # the edge of the sensor is at the edge of the gate
    from studio.viewport.gate import gate_of

    gate = gate_of(viewer.aspect, *viewer.size)
    edge = viewer.camera.eye + viewer.camera.forward + viewer.camera.world[:, 0] * (36.0 / 35.0 / 2)
    assert viewer.pixel(edge)[0] == pytest.approx(gate.x1)


def test_the_view_follows_the_camera_that_it_looks_through() -> None:
    tools, viewer = tools_of(PARENT, SHOT)
    tools.look_through("cam")
    with viewer.document.edit("Move") as edit:
        edit.replace("cam", translation=(3.0, 3.0, 3.0))
    tools.refresh()
    assert np.allclose(viewer.camera.eye, viewer.document.scene.world_matrix("cam")[:, 3])
    with viewer.document.edit("Delete") as edit:
        edit.scene = edit.scene.remove(["cam"])
    tools.refresh()
    assert tools.through == ""


def test_navigating_without_the_lock_leaves_the_camera_alone() -> None:
    tools, viewer = tools_of(PARENT, SHOT)
    own, scene = viewer.camera, viewer.document.scene
    tools.look_through("cam")
    drag(tools, "middle")
    assert tools.through == "" and viewer.document.scene is scene
    assert tools.undo_view() and np.allclose(viewer.camera.world, own.world)


@pytest.mark.parametrize("id_", ["cam", "key"])
def test_with_the_lock_one_gesture_moves_what_is_looked_through_as_one_step(id_: str) -> None:
    tools, viewer = tools_of(PARENT, SHOT, Light(id="key", light="spot", parent="p", translation=(2.0, 3.0, 4.0)))
    own, before = viewer.camera, viewer.document.scene.entities[id_]
    tools.look_through(id_)
    tools.lock_camera = True
    drag(tools, "middle")
    assert tools.through == id_ and viewer.steps == 1
    moved = viewer.document.scene.world_matrix(id_)
    assert np.allclose(rigid(moved[None])[0], viewer.camera.world, atol=1e-9)
    after = viewer.document.scene.entities[id_]
    assert (after.scale, after.shear) == (before.scale, before.shear)
    drag(tools, "middle", frozenset({"shift"}))
    assert viewer.steps == 2
    viewer.document.undo()
    viewer.document.undo()
    assert viewer.document.scene.entities[id_] is before
    tools.look_through("")
    assert np.allclose(viewer.camera.world, own.world)


def test_zooming_a_locked_flat_camera_changes_what_it_holds() -> None:
    tools, viewer = tools_of(Camera(id="cam", projection="orthographic", ortho_height_m=4.0, translation=(0, 0, 9)))
    tools.look_through("cam")
    tools.lock_camera = True
    tools.wheel(WheelEvent(400.0, 300.0, dy=3.0))
    assert 1.0 < viewer.document.scene.entities["cam"].ortho_height_m < 4.0
    assert viewer.steps == 1


def test_a_locked_camera_of_the_scene_is_not_moved_by_navigation() -> None:
    tools, viewer = tools_of(Camera(id="cam", locked=True))
    before = viewer.document.scene
    tools.look_through("cam")
    tools.lock_camera = True
    drag(tools, "middle")
    assert viewer.document.scene is before and tools.through == ""


@pytest.mark.parametrize("kind", ["spot", "rectangle", "distant", "point"])
def test_lights_can_be_looked_through(kind: str) -> None:
    unit = {"rectangle": "nt", "distant": "lx"}.get(kind, "cd")
    tools, viewer = tools_of(Light(id="l", light=kind, unit=unit, translation=(1.0, 2.0, 3.0)))
    tools.look_through("l")
    assert tools.through == "l" and np.allclose(viewer.camera.eye, (1.0, 2.0, 3.0))
    assert "l" not in tools.overlay().icon_ids  # it does not stand in its own view


def test_what_cannot_be_looked_through_is_not() -> None:
    tools, viewer = tools_of(Camera(id="flat", scale=(0.0, 1.0, 1.0)), Camera(id="lens", focal_length_mm=50.0))
    camera = viewer.camera
    tools.look_through("flat")
    assert tools.through == "" and viewer.camera is camera
    tools.look_through("nobody")
    assert tools.through == ""


def test_the_number_pad_s_zero_goes_there_and_back() -> None:
    tools, viewer = tools_of(SHOT, PARENT)
    own = viewer.camera
    tools.key(KeyEvent("press", "num0"))
    assert tools.through == "cam"
    tools.key(KeyEvent("press", "num0"))
    assert tools.through == "" and same(viewer.camera, own)


# --- isolating and hiding --------------------------------------------------------------------------------------------
def test_isolating_is_of_the_view_and_hiding_is_of_the_scene() -> None:
    tools, viewer = tools_of(Group(id="g"), Light(id="a", parent="g"), Light(id="b"))
    viewer.document.select(["g"])
    tools.isolate()
    assert viewer.look.isolated == {"g"} and viewer.steps == 0
    assert list(tools.overlay().icon_ids) == ["a"]
    tools.isolate()
    assert viewer.look.isolated == frozenset()
    tools.hide_selected()
    assert viewer.steps == 1 and list(tools.overlay().icon_ids) == ["b"]
    tools.unhide_all()
    assert viewer.steps == 2 and viewer.document.selection == ("g",)
    assert set(tools.overlay().icon_ids) == {"a", "b"}


def test_hiding_the_rest_keeps_what_is_selected_and_all_above_it() -> None:
    tools, viewer = tools_of(Group(id="g"), Light(id="a", parent="g"), Light(id="b", parent="g"), MeshObject(id="c"))
    viewer.document.select(["a"])
    tools.hide_unselected()
    entities = viewer.document.scene.entities
    assert [id_ for id_ in entities if not entities[id_].visible] == ["b", "c"]


def test_selecting_all_leaves_out_what_is_hidden_or_locked() -> None:
    tools, viewer = tools_of(
        Group(id="g", locked=True),
        Light(id="a", parent="g"),
        Light(id="b"),
        MeshObject(id="c"),
        Light(id="d", visible=False),
    )
    tools.select_all()
    assert viewer.document.selection == ("b", "c")
    viewer.document.select(["b"])
    tools.select_inverse()
    assert viewer.document.selection == ("c",)
    tools.key(KeyEvent("press", "a", "a", ALT))
    assert viewer.document.selection == ()


def test_another_scene_ends_isolation_looking_through_and_does_not_break_a_gesture() -> None:
    tools, viewer = tools_of(Camera(id="cam"), Light(id="a"))
    viewer.document.select(["a"])
    tools.isolate()
    tools.look_through("cam")
    assert tools.begin("move")
    viewer.document.load(Scene().add(Light(id="other", translation=(0.0, 0.0, -5.0))))
    tools.refresh()
    tools.pointer(PointerEvent("hover", 10.0, 10.0))
    tools.cancel()
    assert tools.through == "" and viewer.look.isolated == frozenset() and viewer.steps == 0
    assert list(tools.overlay().icon_ids) == ["other"]
