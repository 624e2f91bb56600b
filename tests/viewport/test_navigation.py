"""Navigation: what keeps its pixel keeps it, whatever the camera; no gesture loses the view; three hands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.viewport import navigation as nav
from studio.viewport.camera import ViewCamera
from studio.viewport.navigation import Navigator, ViewHistory
from studio.viewport.tools.events import ALT, CTRL, NONE, SHIFT, KeyEvent, PointerEvent, WheelEvent
from tests.viewport.viewers import camera_at

SIZE = (800, 600)
coordinates = st.floats(-50, 50)
angles = st.floats(-3, 3)


@st.composite
def cameras(draw: st.DrawFn) -> ViewCamera:
    eye = np.array([draw(coordinates) for _ in range(3)])
    target = eye + np.array([draw(st.floats(0.5, 9)), draw(st.floats(-9, 9)), draw(st.floats(-9, 9))])
    camera = camera_at(eye.tolist(), target.tolist(), half_width=draw(st.floats(0.05, 2.0)))
    if draw(st.booleans()):
        camera = nav.roll(camera, draw(angles))
    return nav.orthographic(camera) if draw(st.booleans()) else camera


def pixel(camera: ViewCamera, point: np.ndarray) -> np.ndarray:
    return camera.project(np.asarray(point)[None], *SIZE)[0]


@settings(deadline=None)
@given(cameras(), angles, angles)
def test_orbiting_keeps_the_pivot_where_it_is_seen(camera: ViewCamera, yaw: float, pitch: float) -> None:
    turned = nav.orbit(camera, yaw, pitch)
    assert np.allclose(pixel(turned, camera.pivot), pixel(camera, camera.pivot), atol=1e-5)
    assert np.allclose(turned.pivot, camera.pivot, atol=1e-8)


@settings(deadline=None)
@given(cameras(), angles, angles, coordinates, coordinates)
def test_orbiting_about_any_point_keeps_its_pixel(
    camera: ViewCamera, yaw: float, pitch: float, x: float, y: float
) -> None:
    point = camera.eye + camera.forward * 7 + camera.world[:, 0] * x * 0.05 + camera.world[:, 1] * y * 0.05
    turned = nav.orbit(camera, yaw, pitch, about=point)
    assert np.allclose(pixel(turned, point), pixel(camera, point), atol=1e-5)


@settings(deadline=None)
@given(cameras(), st.floats(0, 800), st.floats(0, 600), st.floats(0.3, 60), st.floats(0.2, 4))
def test_zooming_keeps_the_point_under_the_cursor(
    camera: ViewCamera, x: float, y: float, depth: float, factor: float
) -> None:
    origin, direction = camera.ray(x, y, *SIZE)
    point = origin + direction * depth
    nearer = nav.zoom_to(camera, point, factor)
    assert np.allclose(pixel(nearer, point)[:2], (x, y), atol=1e-4)


@settings(deadline=None)
@given(cameras(), st.floats(-200, 200), st.floats(-200, 200))
def test_panning_takes_what_is_at_the_pivot_along_with_the_pointer(camera: ViewCamera, dx: float, dy: float) -> None:
    moved = nav.pan(camera, dx, dy, *SIZE)
    assert np.allclose(pixel(moved, camera.pivot)[:2], np.add(pixel(camera, camera.pivot)[:2], (dx, dy)), atol=1e-5)


@settings(deadline=None)
@given(cameras())
def test_changing_the_projection_keeps_the_size_at_the_pivot(camera: ViewCamera) -> None:
    side = camera.pivot + camera.world[:, 0] * 0.1
    other = nav.toggle_orthographic(camera)
    assert other.orthographic != camera.orthographic
    for point in (camera.pivot, side):
        assert np.allclose(pixel(other, point)[:2], pixel(camera, point)[:2], atol=1e-4)


@pytest.mark.parametrize("name", nav.VIEWS)
def test_a_preset_looks_along_its_axis_upright_at_the_same_pivot(name: str) -> None:
    camera = camera_at((3.0, 4.0, 5.0), (1.0, 0.5, 0.0))
    seen = nav.view_preset(camera, name)
    assert seen.orthographic
    assert np.allclose(seen.forward, -np.array(nav.VIEWS[name][0]))
    assert np.allclose(seen.pivot, camera.pivot)
    assert np.allclose(seen.world[:, :3] @ seen.world[:, :3].T, np.eye(3))


@pytest.mark.parametrize("name", ["front", "top"])
def test_the_opposite_view_sees_the_pivot_from_behind(name: str) -> None:
    front = nav.view_preset(camera_at((3.0, 4.0, 5.0)), name)
    back = nav.view_preset(front, "opposite")
    assert np.allclose(back.forward, -front.forward)
    assert np.allclose(back.pivot, front.pivot)


def test_an_upright_camera_does_not_tip_over_the_poles() -> None:
    camera = camera_at((0.0, 0.0, 5.0))
    for _ in range(20):
        camera = nav.orbit(camera, 0.1, -0.4)
    assert camera.forward[1] == pytest.approx(-1.0, abs=1e-9)
    assert camera.world[1, 1] >= -1e-9


@pytest.mark.parametrize("factor", [float("nan"), 0.0, -1.0, float("inf")])
def test_a_zoom_that_is_no_number_changes_nothing(factor: float) -> None:
    camera = camera_at((3.0, 4.0, 5.0))
    assert nav.zoom_to(camera, (0.0, 0.0, 0.0), factor) is camera


def test_no_gesture_gives_a_camera_that_is_not_finite() -> None:
    camera = camera_at((3.0, 4.0, 5.0))
    assert nav.zoom_to(camera, (np.nan, 0, 0), 0.5) is camera
    assert nav.orbit(camera, np.nan, 0.0) is camera
    assert nav.pan(camera, np.inf, 0.0, *SIZE) is camera
    assert nav.fly(camera, (0, 0, 1), np.nan) is camera
    for _ in range(400):
        camera = nav.dolly(camera, 0.5)
    assert camera.pivot_m == nav.NEAREST_M
    for _ in range(400):
        camera = nav.dolly(camera, 2.0)
    assert np.isfinite(camera.world).all() and camera.pivot_m <= nav.REMOTEST_M


def test_a_thousand_gestures_leave_the_camera_square() -> None:
    camera = camera_at((3.0, 4.0, 5.0))
    for i in range(1000):
        camera = nav.orbit(camera, 0.37, 0.2 * (-1) ** i)
    assert np.abs(camera.world[:, :3].T @ camera.world[:, :3] - np.eye(3)).max() < 1e-12


def test_views_are_taken_back_and_done_again() -> None:
    a, b, c = (camera_at((float(i), 0.0, 5.0)) for i in range(3))
    history = ViewHistory()
    history.push(a)
    history.push(b)
    assert history.undo(c) is b
    assert history.undo(b) is a
    assert history.undo(a) is None
    assert history.redo(a) is b
    history.push(b)
    assert history.redo(b) is None


def press(button: str, modifiers: frozenset[str] = NONE) -> PointerEvent:
    return PointerEvent("press", 100.0, 100.0, button, modifiers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("preset", "button", "modifiers", "action"),
    [
        ("blender", "middle", NONE, "orbit"),
        ("blender", "middle", SHIFT, "pan"),
        ("blender", "middle", CTRL, "dolly"),
        ("blender", "left", ALT, "orbit"),
        ("blender", "left", NONE, None),
        ("maya", "left", ALT, "orbit"),
        ("maya", "middle", ALT, "pan"),
        ("maya", "right", ALT, "dolly"),
        ("maya", "middle", NONE, None),
        ("houdini", "left", ALT, "orbit"),
        ("houdini", "right", NONE, "fly"),
    ],
)
def test_each_hand_finds_its_buttons(preset: str, button: str, modifiers: frozenset[str], action: str | None) -> None:
    assert Navigator(preset).begin(press(button, modifiers), camera_at((0.0, 0.0, 5.0))) == action  # type: ignore[arg-type]


def test_houdini_navigates_while_the_space_bar_is_down() -> None:
    hand = Navigator("houdini")
    assert hand.key(KeyEvent("press", "space"))
    assert hand.begin(press("left"), camera_at((0.0, 0.0, 5.0))) == "orbit"
    hand.end()
    assert hand.begin(press("left"), camera_at((0.0, 0.0, 5.0))) is None


def test_a_press_without_motion_moves_nothing() -> None:
    camera, hand = camera_at((0.0, 0.0, 5.0)), Navigator()
    hand.begin(press("right"), camera)
    assert hand.drag(PointerEvent("move", 101.0, 101.0), camera, SIZE, 1.0) is camera
    assert not hand.moved


def test_flying_goes_where_one_looks_and_faster_with_shift() -> None:
    camera, hand = camera_at((0.0, 1.0, 5.0), (0.0, 1.0, 0.0)), Navigator()
    hand.begin(press("right"), camera)
    hand.key(KeyEvent("press", "w"))
    slow = hand.tick(0.1, camera)
    hand.key(KeyEvent("press", "shift", modifiers=SHIFT))
    fast = hand.tick(0.1, camera)
    assert slow.eye[2] < camera.eye[2] and np.allclose(slow.eye[:2], camera.eye[:2])
    assert camera.eye[2] - fast.eye[2] > 3 * (camera.eye[2] - slow.eye[2])
    hand.key(KeyEvent("release", "w"))
    assert hand.tick(0.1, camera) is camera


def test_the_wheel_sets_the_speed_while_flying_and_zooms_otherwise() -> None:
    camera, hand = camera_at((0.0, 0.0, 5.0)), Navigator()
    assert hand.wheel(WheelEvent(1, 1, dy=1.0), camera, None).pivot_m < camera.pivot_m
    hand.begin(press("right"), camera)
    assert hand.wheel(WheelEvent(1, 1, dy=2.0), camera, None) is camera
    assert hand.speed > 1.5


def test_dragging_is_the_same_on_a_screen_of_twice_the_pixels() -> None:
    camera = camera_at((0.0, 0.0, 5.0))
    ends = []
    for ratio in (1.0, 2.0):
        hand = Navigator()
        hand.begin(PointerEvent("press", 0.0, 0.0, "middle"), camera)
        ends.append(hand.drag(PointerEvent("move", 50.0 * ratio, 20.0 * ratio), camera, SIZE, ratio))
    assert np.allclose(ends[0].world, ends[1].world)
