"""Manipulators of lights and cameras: the shape under the hand becomes the field, and all alike follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.scene.entities import Camera, Group
from studio.scene.lights import Light
from studio.scene.transforms import look_at, rigid
from studio.viewport.navigation import rotation
from studio.viewport.snapping import Snapping
from studio.viewport.tools.aiming import aimed, shortest
from studio.viewport.tools.events import CTRL, NONE, KeyEvent, PointerEvent
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from tests.viewport.viewers import FakeHit, FakeViewer, camera_at

DOWN = (-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))


def tools_of(*entities: Any, **values: Any) -> tuple[ViewportTools, FakeViewer]:
    viewer = FakeViewer(*entities, camera=camera_at((1.5, 2.0, 6.0)))
    viewer.document.select([entities[-1].id])
    return ViewportTools(viewer, ToolSettings(mode="select", **values)), viewer


def pixel_of(tools: ViewportTools, name: str) -> np.ndarray:
    grip = next(grip for grip in tools.handles.grips() if grip.name == name)
    return Eyes(tools).pixel(grip.at)


class Eyes:
    def __init__(self, tools: ViewportTools) -> None:
        self.viewer = tools.viewer

    def pixel(self, point: Any) -> np.ndarray:
        return self.viewer.camera.project(np.asarray(point, float)[None], *self.viewer.size)[0, :2]


def pull(
    tools: ViewportTools, name: str, by: Any, modifiers: frozenset[str] = NONE, *, release: bool = True
) -> np.ndarray:
    start = pixel_of(tools, name)
    end = start + by
    tools.pointer(PointerEvent("hover", *start.tolist()))
    assert tools.pointer(PointerEvent("press", *start.tolist(), "left"))
    assert tools.handles.busy
    tools.pointer(PointerEvent("move", *(start + np.asarray(by) / 2).tolist(), "", modifiers))
    tools.pointer(PointerEvent("move", *end.tolist(), "", modifiers))
    if release:
        tools.pointer(PointerEvent("release", *end.tolist(), "left"))
    return np.asarray(end)


def light(kind: str, id_: str = "l", **values: Any) -> Light:
    unit = {"point": "cd", "spot": "cd", "distant": "lx", "dome": "nt"}.get(kind, "nt")
    return Light(id=id_, name=id_, light=kind, unit=unit, **values)


@pytest.mark.parametrize(
    ("kind", "grip", "field"),
    [
        ("spot", "outer", "outer_cone_deg"),
        ("spot", "inner", "inner_cone_deg"),
        ("rectangle", "width+", "width_m"),
        ("rectangle", "width-", "width_m"),
        ("rectangle", "height+", "height_m"),
        ("disk", "radius", "radius_m"),
        ("sphere", "radius", "radius_m"),
        ("point", "radius", "radius_m"),
        ("cylinder", "length+", "length_m"),
        ("cylinder", "radius", "radius_m"),
    ],
)
def test_a_handle_stays_under_the_pointer_that_pulls_it_and_changes_its_field_alone(
    kind: str, grip: str, field: str
) -> None:
    one = light(kind, inner_cone_deg=20.0, outer_cone_deg=30.0, radius_m=0.6, rotation=(0.0, 0.3, 0.0, 0.954))
    tools, viewer = tools_of(one)
    middle = viewer.pixel((0, 0, 0))
    outwards = pixel_of(tools, grip) - middle
    outwards = outwards / np.linalg.norm(outwards) * 25.0
    axis = np.array([outwards[0], outwards[1]])
    pull(tools, grip, axis)
    after = viewer.document.scene.entities["l"]
    changed = [n for n in one.__struct_fields__ if getattr(after, n) != getattr(one, n)]
    assert changed == [field]
    if grip != "inner" and kind != "spot":
        assert getattr(after, field) > getattr(one, field)
    assert viewer.steps == 1
    # along its own way the handle is where the pointer let go
    away = pixel_of(tools, grip) - middle
    assert away @ outwards / 25.0 == pytest.approx(np.linalg.norm(pixel_of(tools, grip) - middle), rel=0.2)
    viewer.document.undo()
    assert viewer.document.scene.entities["l"] is one


def test_a_width_pulled_by_half_a_metre_grows_by_a_metre() -> None:
    tools, viewer = tools_of(light("rectangle", width_m=1.5))
    start, there = viewer.pixel((0.75, 0, 0)), viewer.pixel((1.25, 0, 0))
    pull(tools, "width+", there - start)
    assert viewer.document.scene.entities["l"].width_m == pytest.approx(2.5)


def test_the_outer_cone_takes_the_inner_one_along_when_it_gets_narrower() -> None:
    tools, viewer = tools_of(light("spot", inner_cone_deg=40.0, outer_cone_deg=50.0, rotation=DOWN))
    start = pixel_of(tools, "outer")
    tools.pointer(PointerEvent("press", *start.tolist(), "left"))
    for key in ("2", "5", "enter"):
        tools.key(KeyEvent("press", key, key))
    after = viewer.document.scene.entities["l"]
    assert (after.outer_cone_deg, after.inner_cone_deg) == (25.0, 25.0)
    start = pixel_of(tools, "inner")
    tools.pointer(PointerEvent("release", *start.tolist(), "left"))
    tools.pointer(PointerEvent("press", *start.tolist(), "left"))
    for key in ("8", "0", "enter"):
        tools.key(KeyEvent("press", key, key))
    assert viewer.document.scene.entities["l"].inner_cone_deg == 25.0


@pytest.mark.parametrize("eye", [(0.0, 5.0, 0.0), (0.0, -5.0, 0.0)])
def test_a_cone_seen_along_its_axis_can_still_be_opened(eye: Any) -> None:
    tools, viewer = tools_of(light("spot", outer_cone_deg=30.0, rotation=DOWN))
    viewer.camera = camera_at(eye)
    start = pixel_of(tools, "outer")
    way = start - viewer.pixel((0, 0, 0))
    pull(tools, "outer", way * 0.3)
    assert viewer.document.scene.entities["l"].outer_cone_deg > 31.0


def test_all_selected_of_a_kind_follow_in_proportion_and_others_stay() -> None:
    tools, viewer = tools_of(
        light("sphere", "small", radius_m=0.2, translation=(2.0, 0, 0)),
        light("disk", "other", radius_m=0.3, translation=(-2.0, 0, 0)),
        light("sphere", "l", radius_m=0.6),
    )
    viewer.document.select(["small", "other", "l"])
    pull(tools, "radius", (30.0, 30.0))
    after = viewer.document.scene.entities
    factor = after["l"].radius_m / 0.6
    assert factor > 1.05
    assert after["small"].radius_m == pytest.approx(0.2 * factor)
    assert after["other"].radius_m == 0.3
    assert viewer.steps == 1


def test_the_exposure_of_all_selected_goes_by_the_same_stops() -> None:
    tools, viewer = tools_of(light("disk", "d", exposure=2.0, translation=(2.0, 0, 0)), light("point", "l"))
    viewer.document.select(["d", "l"])
    pull(tools, "strength", (90.0, 0.0))
    after = viewer.document.scene.entities
    assert after["l"].exposure == pytest.approx(1.0) and after["d"].exposure == pytest.approx(3.0)
    pull(tools, "strength", (47.0, 0.0), CTRL)
    assert after["l"].exposure * 3 == pytest.approx(round(after["l"].exposure * 3))


def test_a_locked_light_among_them_is_left_alone() -> None:
    tools, viewer = tools_of(light("point", "k", locked=True), light("point", "l"))
    viewer.document.select(["k", "l"])
    pull(tools, "strength", (90.0, 0.0))
    assert viewer.document.scene.entities["k"].exposure == 0.0


@pytest.mark.parametrize("how", ["escape", "right"])
def test_a_pull_can_be_taken_back_without_a_trace(how: str) -> None:
    tools, viewer = tools_of(light("rectangle"))
    before = viewer.document.scene.entities["l"]
    end = pull(tools, "width+", (40.0, 0.0), release=False)
    assert viewer.document.scene.entities["l"] is not before
    if how == "escape":
        tools.key(KeyEvent("press", "escape"))
    else:
        tools.pointer(PointerEvent("press", *end.tolist(), "right"))
        tools.pointer(PointerEvent("release", *end.tolist(), "right"))
    tools.pointer(PointerEvent("release", *end.tolist(), "left"))
    assert viewer.document.scene.entities["l"] is before and viewer.steps == 0


def test_sizes_never_become_nothing_and_angles_stay_in_their_limits() -> None:
    tools, viewer = tools_of(light("rectangle"))
    pull(tools, "width+", (-2000.0, 0.0))
    assert viewer.document.scene.entities["l"].width_m > 0
    tools, viewer = tools_of(light("spot", rotation=DOWN))
    for by in ((900.0, -900.0), (-900.0, 900.0)):
        pull(tools, "outer", by)
        assert 0 < viewer.document.scene.entities["l"].outer_cone_deg <= 90.0


# --- aim -------------------------------------------------------------------------------------------------------------
def test_an_aim_turns_the_light_to_the_surface_under_the_pointer_and_nothing_else() -> None:
    p = Group(id="p", scale=(1.0, 2.0, 0.5), rotation=(0.0, 0.6, 0.0, 0.8))
    one = light("spot", parent="p", translation=(0.4, 0.5, 0.0), rotation=DOWN)
    tools, viewer = tools_of(p, one)
    target = np.array([1.0, -0.7, 0.8])
    viewer.surface = FakeHit("floor", target)
    pull(tools, "aim", (10.0, 10.0))
    world = rigid(viewer.document.scene.world_matrix("l")[None])[0]
    way = target - world[:, 3]
    assert np.allclose(-world[:, 2], way / np.linalg.norm(way), atol=1e-9)
    after = viewer.document.scene.entities["l"]
    assert (after.translation, after.scale, after.shear) == (one.translation, one.scale, one.shear)
    assert viewer.steps == 1


def test_without_a_surface_the_light_looks_at_the_pointer() -> None:
    tools, viewer = tools_of(light("rectangle"))
    end = pull(tools, "aim", (50.0, -30.0))
    world = viewer.document.scene.world_matrix("l")
    t = 2.0  # some point of its axis is under the pointer: the axis is a line that goes through that pixel
    a, b = viewer.pixel(world[:, 3] - world[:, 2] * 0.1), viewer.pixel(world[:, 3] - world[:, 2] * t)
    way, off = b - a, end - a
    assert abs(way[0] * off[1] - way[1] * off[0]) / np.linalg.norm(way) < 1e-6


def test_every_selected_light_is_aimed_at_the_target() -> None:
    tools, viewer = tools_of(light("spot", "m", translation=(2.0, 1.0, 0.0)), light("spot"))
    viewer.document.select(["m", "l"])
    target = np.array([0.5, -3.0, 0.2])
    viewer.surface = FakeHit("floor", target)
    pull(tools, "aim", (10.0, 10.0))
    for id_ in ("m", "l"):
        world = viewer.document.scene.world_matrix(id_)
        way = target - world[:, 3]
        assert np.allclose(-world[:, 2], way / np.linalg.norm(way))


@pytest.mark.parametrize("tilt", [0.0, 0.7, -2.0])
def test_aiming_keeps_the_roll(tilt: float) -> None:
    start = look_at((0.0, 2.0, 0.0), (1.0, 1.0, 3.0))
    start[:, :3] = rotation(start[:, 2], tilt) @ start[:, :3]
    level = look_at((0.0, 2.0, 0.0), (-4.0, 1.5, 0.3))
    out = aimed(start, (-4.0, 1.5, 0.3))
    assert out is not None
    want = rotation(level[:, 2], tilt) @ level[:, :3]
    assert np.allclose(out[:, :3], want)


def test_aiming_straight_down_and_at_oneself_is_harmless() -> None:
    start = look_at((0.0, 2.0, 0.0), (1.0, 1.0, 3.0))
    down = aimed(start, (0.0, 0.0, 0.0))
    assert down is not None and np.allclose(-down[:, 2], (0, -1, 0))
    assert np.allclose(down[:, :3] @ down[:, :3].T, np.eye(3))
    assert aimed(start, (0.0, 2.0, 0.0)) is None
    assert aimed(start, (np.nan, 2.0, 0.0)) is None
    assert np.allclose(shortest(np.array([1.0, 0, 0]), np.array([-1.0, 0, 0])) @ (1.0, 0, 0), (-1, 0, 0))


# --- cameras and when handles show -----------------------------------------------------------------------------------
def test_a_camera_s_focus_and_lens_are_pulled() -> None:
    tools, viewer = tools_of(Camera(id="l", focus_distance_m=2.0, rotation=(0.0, 0.5, 0.0, 0.866)))
    world = viewer.document.scene.world_matrix("l")
    start, there = (viewer.pixel(world[:, 3] - world[:, 2] * d) for d in (2.0, 2.6))
    pull(tools, "focus", there - start)
    assert viewer.document.scene.entities["l"].focus_distance_m == pytest.approx(2.6)
    grip = next(grip for grip in tools.handles.grips() if grip.name == "focal")
    pull(tools, "focal", viewer.pixel(grip.at + world[:, 0] * 0.1) - viewer.pixel(grip.at))
    assert viewer.document.scene.entities["l"].focal_length_mm < 50.0


def test_handles_show_for_what_can_be_changed_alone() -> None:
    for values in ({"locked": True}, {"visible": False}):
        tools, _ = tools_of(light("spot", **values))
        assert tools.handles.grips() == []
    tools, _ = tools_of(light("spot"), light_handles=False)
    assert tools.handles.grips() == []
    tools, _ = tools_of(light("spot"), Group(id="g"))
    assert tools.handles.grips() == []
    tools, _ = tools_of(light("spot", scale=(0.0, 1.0, 1.0)))
    assert tools.handles.grips() == []


def test_values_snap_to_round_numbers() -> None:
    tools, viewer = tools_of(light("rectangle"), snapping=Snapping(on=True))
    pull(tools, "width+", (33.0, 0.0))
    width = viewer.document.scene.entities["l"].width_m
    assert width != 1.0 and width * 10 == pytest.approx(round(width * 10))
