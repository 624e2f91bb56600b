"""Which shadow maps are drawn anew: those that something changed for, the edited light first, all in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from studio.errors import OutOfDeviceMemory
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.targets import Target
from studio.viewport.view import Quality
from tests.viewport.shadow_stage import Drawn, around_x, stage
from tests.viewport.stages import RAW, lamp, room


@pytest.fixture
def drawn(device: Device) -> Iterator[Drawn]:
    """A renderer with a small target."""
    made = Drawn(device, (64, 48))
    yield made
    made.release()


def three() -> Scene:
    """A point light over the stage, one far to its left, and a spot that looks away from everything that moves."""
    return stage(
        lamp("near", (1.2, 1.8, 1.0), 40.0),
        lamp("aside", (-3.5, -0.5, 0.0), 4.0),
        Light(id="spot", light="spot", translation=(3.0, 1.0, -3.0), rotation=around_x(-90), intensity=10,
              outer_cone_deg=20, radius_m=0.0),
    )  # fmt: skip


def maps(drawn: Drawn) -> set[tuple[object, int]]:
    """Names of lights and sides of what the last update drew."""
    return {(key[0], side) for key, side in drawn.renderer.shadows.last.maps}


def test_every_map_is_drawn_once(drawn: Drawn) -> None:
    drawn.nits(three())
    assert maps(drawn) == {(name, side) for name in ("near", "aside") for side in range(6)} | {("spot", 0)}
    assert drawn.statistics.shadowed == (3, 3)
    drawn.nits(three())
    assert drawn.renderer.shadows.last.maps == ()


def test_a_light_that_moved_is_drawn_alone(drawn: Drawn) -> None:
    scene = three()
    drawn.nits(scene)
    drawn.nits(scene.replace("near", translation=(1.0, 1.9, 1.0)))
    assert maps(drawn) == {("near", side) for side in range(6)}


def test_a_light_whose_strength_changed_keeps_its_maps(drawn: Drawn) -> None:
    scene = three()
    drawn.nits(scene)
    drawn.nits(scene.replace("near", exposure=0.2))
    assert maps(drawn) == set()


def test_a_caster_that_moved_draws_the_maps_that_see_it(drawn: Drawn) -> None:
    scene = three()
    drawn.nits(scene)
    drawn.nits(scene.replace("ball", translation=(0.95, -0.6, 0.4)))
    sides = maps(drawn)
    assert ("near", 2) in sides and ("aside", 1) in sides  # it lies below the one and to the right of the other
    assert not {("near", 3), ("aside", 0), ("spot", 0)} & sides
    assert drawn.statistics.shadowed == (3, 3)


def test_a_caster_that_came_or_went_draws_the_maps_that_see_it(drawn: Drawn) -> None:
    scene = three()
    drawn.nits(scene)
    drawn.nits(scene.remove(["ball"]))
    gone = maps(drawn)
    assert ("near", 2) in gone and ("near", 3) not in gone
    drawn.nits(scene)
    assert maps(drawn) == gone


def test_lights_keep_their_maps_when_others_come_and_go(drawn: Drawn) -> None:
    scene = three()
    drawn.nits(scene)
    drawn.nits(scene.add(lamp("new", (2.0, 2.0, 2.0), 5.0)))
    assert {name for name, _ in maps(drawn)} == {"new"}
    drawn.nits(scene.remove(["aside"]))
    assert maps(drawn) == set()


def test_with_little_time_the_edited_light_comes_first_and_the_rest_follow(drawn: Drawn) -> None:
    scene = room(40)
    flat = flatten(scene, 1.0)
    drawn.nits(flat)
    moved = flat.lights.copy()
    moved["open"][:, 1, 3] += 0.05
    shadows = drawn.renderer.shadows
    drawn.renderer.sync(replace(flat, lights=moved))  # all of them
    edited = moved.copy()
    edited["open"][17, 1, 3] += 0.05
    last = replace(flat, lights=edited)
    drawn.renderer.sync(last)
    camera = ViewCamera.of(flat.camera)
    first = drawn.renderer.draw(drawn.target, camera, RAW, shadow_seconds=0.0)
    assert {key[0] for key, _ in shadows.last.maps} == {"lamp 17"} and first.shadowed == (1, 40)
    assert not drawn.renderer.still_done(drawn.target)
    for _ in range(39):
        said = drawn.renderer.draw(drawn.target, camera, RAW, shadow_seconds=0.0)
    assert said.shadowed == (40, 40)


def test_short_memory_makes_all_coarser_and_says_so(device: Device) -> None:
    made = Drawn(device, (160, 120), most_side=1024)
    try:
        made.nits(room(300))
        assert made.statistics.shadowed == (300, 300) and made.statistics.shadows_coarser > 0
        made.nits(room(2))
        assert made.statistics.shadowed == (2, 2) and made.statistics.shadows_coarser == 0
    finally:
        made.release()


@pytest.mark.parametrize("count", [1000, 4000])
def test_thousands_of_lights_are_all_shadowed(device: Device, count: int) -> None:
    made = Drawn(device, (16, 12), most_side=4096)
    try:
        made.nits(room(count))
        assert made.statistics.shadowed == (count, count)
    finally:
        made.release()


def test_a_view_without_shadows_comes_to_rest_without_them(drawn: Drawn) -> None:
    flat = flatten(three(), 1.0)
    drawn.renderer.sync(flat)
    for _ in range(3):
        drawn.renderer.draw(
            drawn.target,
            ViewCamera.of(flat.camera),
            replace(RAW, shadows=False),
            quality=Quality.STILL,
            samples=2,
        )
    assert drawn.renderer.still_done(drawn.target, samples=2)
    assert drawn.renderer.shadows.last.maps == ()


def test_lights_may_all_go_and_come_again(drawn: Drawn) -> None:
    for count in (0, 23, 0, 5, 0, 1):
        drawn.nits(room(count))
        assert drawn.statistics.shadowed == (count, count)
    fresh = drawn.nits(room(5))
    drawn.nits(room(0))
    assert drawn.nits(room(5)) == pytest.approx(fresh)


def test_after_a_fault_shadows_begin_anew(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = drawn.nits(room(4))
    with monkeypatch.context() as patch:
        patch.setattr("studio.viewport.shadows.sources_of", _fails)
        with pytest.raises(OutOfDeviceMemory):
            drawn.nits(room(7))
    drawn.renderer.draw(drawn.target, ViewCamera.of(flatten(room(7), 1.0).camera), RAW)  # without shadows, but it draws
    assert drawn.renderer.shadows.counts == (0, 0)
    assert drawn.nits(room(4)) == pytest.approx(wanted)
    assert drawn.statistics.shadowed == (4, 4)


def _fails(*_: object) -> None:
    raise OutOfDeviceMemory("no room")


def test_what_a_view_isolates_alone_casts_shadows(drawn: Drawn) -> None:
    scene = three()
    whole = drawn.nits(scene)
    alone = replace(RAW, isolated=frozenset({"floor", "ball"}))
    shown = drawn.nits(scene, alone)
    assert ("spot", 0) not in maps(drawn)
    assert shown == pytest.approx(drawn.nits(scene.remove(["box"])), abs=1e-6)
    assert drawn.nits(scene) == pytest.approx(whole)


def test_views_that_isolate_different_things_both_come_to_rest(drawn: Drawn, device: Device) -> None:
    flat = flatten(three(), 1.0)
    drawn.renderer.sync(flat)
    other, looks = Target(device, 64, 48), (RAW, replace(RAW, isolated=frozenset({"floor", "ball"})))
    for _ in range(5):
        for target, look in zip((drawn.target, other), looks):
            drawn.renderer.draw(target, ViewCamera.of(flat.camera), look, quality=Quality.STILL, samples=4)
    assert drawn.renderer.still_done(drawn.target, samples=4) and drawn.renderer.still_done(other, samples=4)
    other.release()
