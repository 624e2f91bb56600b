"""The place tool: a light stands where its highlight, its light or a shadow has to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.scene.entities import MeshObject
from studio.scene.lights import Light
from studio.viewport.tools.events import CTRL, SHIFT, KeyEvent, PointerEvent, WheelEvent
from studio.viewport.tools.light_placing import highlight_place, shadow_place
from studio.viewport.tools.settings import Placing, ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from tests.viewport.viewers import FakeHit, FakeViewer, camera_at

EYE = (0.0, 3.0, 6.0)


def tools_of(placing: Placing, *lights: Light, selected: int = 1) -> tuple[ViewportTools, FakeViewer]:
    viewer = FakeViewer(MeshObject(id="floor"), *lights, camera=camera_at(EYE))
    viewer.document.select([light.id for light in lights[-selected:]] if selected else [])
    tools = ViewportTools(viewer, ToolSettings())
    tools.place(placing)
    return tools, viewer


def lamp(id_: str, at: tuple[float, float, float], kind: str = "spot", **values: Any) -> Light:
    unit = {"distant": "lx", "rectangle": "nt", "dome": "nt"}.get(kind, "cd")
    return Light(id=id_, name=id_, light=kind, unit=unit, translation=at, **values)


def surface(viewer: FakeViewer, at: Any, normal: Any = (0.0, 1.0, 0.0)) -> None:
    viewer.surface = FakeHit("floor", np.array(at, float), np.array(normal, float))


def drag(tools: ViewportTools, viewer: FakeViewer, start: Any, end: Any, *, release: bool = True) -> None:
    surface(viewer, start)
    assert tools.pointer(PointerEvent("press", 400.0, 300.0, "left"))
    surface(viewer, end)
    tools.pointer(PointerEvent("move", 420.0, 310.0))
    if release:
        tools.pointer(PointerEvent("release", 420.0, 310.0, "left"))


def matrix(viewer: FakeViewer, id_: str) -> np.ndarray:
    return np.asarray(viewer.document.scene.world_matrix(id_))


def towards(viewer: FakeViewer, id_: str, target: Any) -> float:
    """Cosine between a light's axis and the way to a point."""
    m = matrix(viewer, id_)
    way = np.array(target, float) - m[:, 3]
    return float(-m[:, 2] @ way / np.linalg.norm(way))


def test_a_highlight_lies_where_the_view_is_mirrored_into_the_light() -> None:
    tools, viewer = tools_of("highlight", lamp("l", (0.0, 5.0, 0.0)))
    drag(tools, viewer, (0.0, 0.0, 0.0), (0.5, 0.0, 0.5))
    at, place = np.array([0.5, 0.0, 0.5]), matrix(viewer, "l")[:, 3]
    to_eye, to_light = np.array(EYE) - at, place - at
    half = to_eye / np.linalg.norm(to_eye) + to_light / np.linalg.norm(to_light)
    assert np.allclose(half / np.linalg.norm(half), (0.0, 1.0, 0.0), atol=1e-9)
    assert np.linalg.norm(to_light) == pytest.approx(5.0)
    assert towards(viewer, "l", at) == pytest.approx(1.0)
    assert viewer.steps == 1


def test_a_surface_seen_from_behind_mirrors_on_the_side_that_is_seen() -> None:
    place = highlight_place(np.zeros(3), np.array([0.0, -1.0, 0.0]), np.array([0.0, -1.0, 0.0]), 2.0)
    assert np.allclose(place, (0.0, 2.0, 0.0))


def test_illumination_comes_straight_down_on_the_surface() -> None:
    tools, viewer = tools_of("illumination", lamp("l", (0.0, 4.0, 0.0), "rectangle"))
    drag(tools, viewer, (0.0, 0.0, 0.0), (1.0, 0.0, -1.0))
    assert np.allclose(matrix(viewer, "l")[:, 3], (1.0, 4.0, -1.0))
    assert towards(viewer, "l", (1.0, 0.0, -1.0)) == pytest.approx(1.0)


def test_the_pivots_shadow_falls_under_the_pointer() -> None:
    tools, viewer = tools_of("shadow", lamp("l", (0.0, 5.0, 0.0)))
    surface(viewer, (0.0, 2.0, 0.0))
    assert tools.pointer(PointerEvent("press", 400.0, 300.0, "left"))  # the first click is the pivot
    tools.pointer(PointerEvent("release", 400.0, 300.0, "left"))
    assert viewer.steps == 0
    drag(tools, viewer, (0.5, 0.0, 0.0), (1.0, 0.0, 1.0))
    place, pivot, shadow = matrix(viewer, "l")[:, 3], np.array([0.0, 2.0, 0.0]), np.array([1.0, 0.0, 1.0])
    assert np.linalg.norm(place - pivot) == pytest.approx(3.0)
    assert np.allclose(np.cross(place - pivot, pivot - shadow), 0.0, atol=1e-9)
    assert float((place - pivot) @ (pivot - shadow)) > 0


def test_a_shadow_of_a_point_on_itself_has_no_answer() -> None:
    assert shadow_place(np.ones(3), np.ones(3), 2.0) is None


def test_shift_sets_another_pivot() -> None:
    tools, viewer = tools_of("shadow", lamp("l", (0.0, 5.0, 0.0)))
    for at in ((0.0, 2.0, 0.0), (0.0, 1.0, 0.0)):
        surface(viewer, at)
        tools.pointer(PointerEvent("press", 400.0, 300.0, "left", SHIFT))
        tools.pointer(PointerEvent("release", 400.0, 300.0, "left", SHIFT))
    assert tools.placing.pivot is not None
    assert np.allclose(tools.placing.pivot, (0.0, 1.0, 0.0))


def test_an_orbit_keeps_distance_and_target() -> None:
    tools, viewer = tools_of("orbit", lamp("l", (0.0, 3.0, 3.0)))
    surface(viewer, (0.0, 0.0, 0.0))
    tools.pointer(PointerEvent("press", 400.0, 300.0, "left"))
    tools.pointer(PointerEvent("move", 500.0, 280.0))
    tools.pointer(PointerEvent("release", 500.0, 280.0, "left"))
    place = matrix(viewer, "l")[:, 3]
    assert np.linalg.norm(place) == pytest.approx(np.hypot(3.0, 3.0))
    assert not np.allclose(place, (0.0, 3.0, 3.0), atol=0.1)
    assert towards(viewer, "l", (0.0, 0.0, 0.0)) == pytest.approx(1.0)


def test_other_selected_lights_go_along_as_if_bolted_to_the_last() -> None:
    tools, viewer = tools_of("highlight", lamp("a", (1.0, 5.0, 0.0)), lamp("b", (0.0, 5.0, 0.0)), selected=2)
    apart = float(np.linalg.norm(matrix(viewer, "a")[:, 3] - matrix(viewer, "b")[:, 3]))
    relative = np.linalg.inv(matrix(viewer, "b")[:, :3]) @ (matrix(viewer, "a")[:, 3] - matrix(viewer, "b")[:, 3])
    drag(tools, viewer, (0.0, 0.0, 0.0), (2.0, 0.0, 1.0))
    after = np.linalg.inv(matrix(viewer, "b")[:, :3]) @ (matrix(viewer, "a")[:, 3] - matrix(viewer, "b")[:, 3])
    assert np.allclose(after, relative, atol=1e-9)
    assert np.linalg.norm(after) == pytest.approx(apart)


def test_a_distant_light_is_only_turned() -> None:
    tools, viewer = tools_of("highlight", lamp("sun", (7.0, 8.0, 9.0), "distant"))
    drag(tools, viewer, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    assert np.allclose(matrix(viewer, "sun")[:, 3], (7.0, 8.0, 9.0))
    view = np.array([0.0, 0.0, 1.0]) - np.array(EYE)
    view /= np.linalg.norm(view)
    shines = -matrix(viewer, "sun")[:, 2]
    assert np.allclose(shines, -(view - 2 * view[1] * np.array([0.0, 1.0, 0.0])), atol=1e-6)


def test_the_wheel_changes_distance_and_with_shift_exposure_in_the_same_step() -> None:
    tools, viewer = tools_of("illumination", lamp("l", (0.0, 4.0, 0.0)))
    drag(tools, viewer, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), release=False)
    tools.wheel(WheelEvent(420.0, 310.0, dy=-1.0))
    tools.wheel(WheelEvent(420.0, 310.0, dy=3.0, modifiers=SHIFT))
    tools.pointer(PointerEvent("release", 420.0, 310.0, "left"))
    assert matrix(viewer, "l")[1, 3] == pytest.approx(4.4)
    light = viewer.document.scene.entities["l"]
    assert isinstance(light, Light)
    assert light.exposure == pytest.approx(0.5)
    assert viewer.steps == 1


def test_escape_leaves_no_step() -> None:
    tools, viewer = tools_of("highlight", lamp("l", (0.0, 5.0, 0.0)))
    before = viewer.document.scene
    drag(tools, viewer, (0.0, 0.0, 0.0), (0.5, 0.0, 0.5), release=False)
    assert viewer.document.scene is not before
    tools.key(KeyEvent("press", "escape"))
    assert viewer.steps == 0
    assert np.allclose(matrix(viewer, "l")[:, 3], (0.0, 5.0, 0.0))


def test_hovering_names_the_light_that_dominates_and_a_click_takes_it() -> None:
    tools, viewer = tools_of("highlight", lamp("a", (1.0, 5.0, 0.0)), lamp("b", (0.0, 5.0, 0.0)), selected=0)
    viewer.brightest = ("a", 0.62)
    surface(viewer, (0.0, 0.0, 0.0))
    tools.pointer(PointerEvent("hover", 400.0, 300.0))
    assert tools.hovered == "a"
    assert any(label.text == "a  62%" for d in tools.placing.draw() for label in d.labels)
    tools.pointer(PointerEvent("press", 400.0, 300.0, "left"))
    tools.pointer(PointerEvent("release", 400.0, 300.0, "left"))
    assert viewer.document.selection == ("a",)
    viewer.brightest = ("b", 0.9)
    tools.pointer(PointerEvent("press", 400.0, 300.0, "left", CTRL))
    assert viewer.document.selection == ("b",)


def test_a_locked_light_is_said_to_be_locked() -> None:
    tools, viewer = tools_of("highlight", lamp("l", (0.0, 5.0, 0.0), locked=True))
    surface(viewer, (0.0, 0.0, 0.0))
    assert tools.pointer(PointerEvent("press", 400.0, 300.0, "left"))
    assert viewer.said[-1] == '"l" is locked'
    assert viewer.steps == 0
