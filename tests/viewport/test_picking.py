"""Picking: what is under a pixel, in a rectangle, and behind one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from studio.scene.flatten import flatten
from studio.scene.materials import Material
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from tests.viewport.stages import RAW, matte, scene_of, sheet, thing

SIZE = 100


@pytest.fixture
def view(device: Device) -> Iterator[tuple[Renderer, Target, ViewCamera]]:
    """Three walls behind one another at the left, one of two parts at the right; 2 metres are 100 pixels."""
    wall, small, two = sheet(0.8, 0.8), sheet(0.4, 0.4), sheet(0.6, 0.6, parts=2)
    scene = scene_of(
        wall,
        small,
        two,
        matte(),
        Material(id="glass", transmission_weight=1.0),
        Material(id="veil", geometry_opacity=0.3),
        thing("back", wall, translation=(-0.5, 0.0, -0.02)),
        thing("middle", wall, "glass", translation=(-0.5, 0.0, -0.01)),
        thing("front", small, "veil", translation=(-0.5, 0.0, 0.0)),
        thing("right", two, translation=(0.5, 0.0, 0.0)),
    )
    renderer, target = Renderer(device), Target(device, SIZE, SIZE)
    flat = flatten(scene, 1.0)
    renderer.sync(flat)
    yield renderer, target, ViewCamera.of(flat.camera)
    target.release()
    renderer.release()


def test_a_pixel_knows_entity_instance_part_place_and_normal(view: tuple[Renderer, Target, ViewCamera]) -> None:
    renderer, target, camera = view
    hit = renderer.pick(target, camera, RAW, 70.5, 45.5)
    assert hit is not None and hit.id == "right" and hit.part == 1
    assert hit.position == pytest.approx([(70.5 - 50) / 50, (50 - 45.5) / 50, 0.0], abs=1e-4)
    assert hit.normal == pytest.approx([0.0, 0.0, 1.0], abs=1e-5)
    flat = renderer.scene.flat
    assert flat is not None and flat.object_names[flat.instances["object"][hit.instance]] == "right"
    other = renderer.pick(target, camera, RAW, 85, 60)
    assert other is not None and other.part == 0


def test_glass_and_veils_can_be_picked(view: tuple[Renderer, Target, ViewCamera]) -> None:
    renderer, target, camera = view
    front, ring = renderer.pick(target, camera, RAW, 25, 50), renderer.pick(target, camera, RAW, 10, 50)
    assert front is not None and front.id == "front"
    assert ring is not None and ring.id == "middle"


@pytest.mark.parametrize(("x", "y"), [(50, 5), (-1, 50), (50, -1), (SIZE, 50), (50, SIZE), (1e9, 0.0)])
def test_the_background_and_what_lies_outside_are_nothing(
    view: tuple[Renderer, Target, ViewCamera], x: float, y: float
) -> None:
    renderer, target, camera = view
    assert renderer.pick(target, camera, RAW, x, y) is None
    assert renderer.pick_all(target, camera, RAW, x, y) == []


def test_what_lies_behind_comes_in_order(view: tuple[Renderer, Target, ViewCamera]) -> None:
    renderer, target, camera = view
    assert renderer.pick_all(target, camera, RAW, 25, 50) == ["front", "middle", "back"]
    assert renderer.pick_all(target, camera, RAW, 8, 50) == ["middle", "back"]
    # and nothing stays hidden by the search
    hit = renderer.pick(target, camera, RAW, 25, 50)
    assert hit is not None and hit.id == "front"


def test_a_marquee_takes_what_shows_in_it(view: tuple[Renderer, Target, ViewCamera]) -> None:
    renderer, target, camera = view
    assert renderer.pick_rectangle(target, camera, RAW, 0, 0, SIZE, SIZE) == {"front", "middle", "right"}
    assert renderer.pick_rectangle(target, camera, RAW, 95, 90, 60, 40) == {"right"}
    assert renderer.pick_rectangle(target, camera, RAW, 45, 0, 55, 20) == frozenset()
    assert renderer.pick_rectangle(target, camera, RAW, -50, -50, -10, -10) == frozenset()


def test_isolated_views_pick_what_they_show(view: tuple[Renderer, Target, ViewCamera]) -> None:
    renderer, target, camera = view
    look = replace(RAW, isolated=frozenset({"back"}))
    assert renderer.pick_all(target, camera, look, 25, 50) == ["back"]


def test_every_pixel_of_a_region_is_where_the_camera_says(view: tuple[Renderer, Target, ViewCamera]) -> None:
    renderer, target, camera = view
    region = renderer._picker.draw(renderer._looked(target, camera, RAW), 60, 30, 90, 70)
    ys, xs = np.nonzero(region.ids[..., 0])
    places = region.positions[ys, xs].astype(np.float64) + camera.eye
    seen = camera.project(places, SIZE, SIZE)
    assert seen[:, 0] == pytest.approx(xs + 60.5, abs=0.01) and seen[:, 1] == pytest.approx(ys + 30.5, abs=0.01)
