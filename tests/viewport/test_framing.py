"""Framing: what is framed is in view, whatever it is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from studio.scene.entities import Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.viewport.camera import ViewCamera
from studio.viewport.framing import bounds_of, clipped, frame
from studio.viewport.gate import ACTION_SAFE, gate_drawing, gate_of
from studio.viewport.navigation import orthographic, view_preset
from tests.viewport.viewers import camera_at

SIZE = (800, 600)


def corners(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.array(list(itertools.product(*np.stack([low, high]).T)))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("size", [(800, 600), (300, 900)])
@pytest.mark.parametrize(
    ("low", "high"),
    [((-1, -1, -1), (1, 1, 1)), ((-100, 0, -3), (50, 2, 3)), ((5, 5, 5), (5, 5, 5)), ((-1e7, -1e7, 0), (1e7, 1e7, 1))],
)
def test_everything_framed_is_in_the_view(
    low: tuple[float, ...], high: tuple[float, ...], size: tuple[int, int], flat: bool
) -> None:
    camera = camera_at((3.0, 4.0, 5.0), shift=(0.3, -0.2))
    camera = orthographic(camera) if flat else camera
    bounds = np.array(low, float), np.array(high, float)
    seen = frame(bounds, camera, *size)
    at = seen.project(corners(*bounds), *size)
    assert (at[:, 2] > 0).all()
    assert (at[:, :2] >= -1e-6).all() and (at[:, :2] <= np.array(size) + 1e-6).all()
    assert np.allclose(seen.pivot, (bounds[0] + bounds[1]) / 2, rtol=1e-6, atol=1e-3)
    if low != high:  # and it fills it
        spread = np.ptp(at[:, :2], axis=0) / size
        assert spread.max() > 0.55


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bounds_that_are_no_numbers_leave_the_view_as_it_is(bad: float) -> None:
    camera = camera_at((3.0, 4.0, 5.0))
    assert frame((np.zeros(3), np.full(3, bad)), camera, *SIZE) is camera
    assert frame((np.ones(3), np.zeros(3)), camera, *SIZE) is camera
    assert np.isfinite(clipped(camera, (np.zeros(3), np.full(3, bad))).far_m)


def test_clipping_planes_hold_the_scene_and_the_near_one_stays_before_what_is_close() -> None:
    bounds = np.full(3, -10.0), np.full(3, 10.0)
    inside = clipped(camera_at((0.0, 0.0, 5.0)), bounds)
    outside = clipped(camera_at((0.0, 0.0, 500.0)), bounds)
    assert 0 < inside.near_m < 0.5 and inside.far_m > 15
    assert outside.near_m < 490 and outside.far_m > 510


def test_a_flat_view_steps_back_until_all_lies_ahead_and_shows_the_same() -> None:
    camera = view_preset(camera_at((0.0, 0.0, 2.0)), "front")
    bounds = np.full(3, -50.0), np.full(3, 50.0)
    seen = clipped(camera, bounds)
    points = corners(*bounds)
    assert (seen.project(points, *SIZE)[:, 2] > 0).all()
    assert np.allclose(seen.project(points, *SIZE)[:, :2], camera.project(points, *SIZE)[:, :2])
    assert np.allclose(seen.pivot, camera.pivot)
    again = clipped(seen, bounds)
    assert np.allclose(again.world, seen.world)


def cube(key: str = "cube") -> tuple[object, MeshObject]:
    points = corners(-np.ones(3), np.ones(3)).astype(np.float32)
    faces = np.array([(0, 1, 2), (1, 3, 2), (4, 6, 5), (5, 6, 7)], np.int32)
    mesh = make_mesh(points, faces)
    return mesh, MeshObject(id=key, mesh=mesh.key)


def test_bounds_follow_parents_and_count_lights_with_their_size() -> None:
    mesh, box = cube()
    import msgspec

    scene = Scene().add(
        mesh,
        Group(id="g", translation=(10.0, 0.0, 0.0), scale=(2.0, 1.0, 1.0)),
        msgspec.structs.replace(box, parent="g"),
        Light(id="ball", light="sphere", unit="nt", radius_m=0.5, translation=(0.0, 9.0, 0.0)),
        Light(id="sun", light="distant", unit="lx", translation=(0.0, 500.0, 0.0)),
    )
    flat = flatten(scene, 1.0)
    low, high = bounds_of(flat, ["g"]) or (None, None)
    assert np.allclose(low, (8, -1, -1)) and np.allclose(high, (12, 1, 1))
    low, high = bounds_of(flat, ["ball"]) or (None, None)
    assert np.allclose(low, (-0.5, 8.5, -0.5)) and np.allclose(high, (0.5, 9.5, 0.5))
    low, high = bounds_of(flat) or (None, None)
    assert high is not None and high[1] == pytest.approx(9.5)  # a sun is nowhere
    assert bounds_of(flat, ["sun"]) is not None
    assert bounds_of(flat, ["nothing"]) is None


def test_the_gate_has_its_aspect_and_lies_in_the_middle() -> None:
    for aspect in (0.5, 1.0, 16 / 9, 4.0):
        gate = gate_of(aspect, 900, 500)
        assert gate.width / gate.height == pytest.approx(aspect)
        assert gate.x0 + gate.x1 == pytest.approx(900) and gate.y0 + gate.y1 == pytest.approx(500)
        assert gate.x0 > 0 and gate.y0 > 0
    assert np.isfinite(gate_of(np.nan, 900, 500).width)


def test_safe_frames_are_parts_of_the_gate() -> None:
    drawing = gate_drawing(16 / 9, 900, 500, safe_frames=True)
    gate = gate_of(16 / 9, 900, 500)
    xs = np.unique(np.round(drawing.lines["a"][:, 0], 3))
    assert round(gate.inner(ACTION_SAFE).x0, 3) in xs
    assert len(drawing.corners) == 4 * 6


def test_a_view_without_anything_can_be_framed() -> None:
    flat = flatten(Scene(), 1.0)
    assert bounds_of(flat) is None
    assert isinstance(clipped(camera_at((1.0, 1.0, 1.0)), None), ViewCamera)
