"""The light that brings most to a pixel, where the sky is blocked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look
from tests.viewport.shadow_stage import BOX, Drawn, stage
from tests.viewport.stages import lamp, thing

LOOK = Look(background=(0.0, 0.0, 0.0))
SKY = Light(id="sky", light="dome", unit="nt", intensity=3.0)
SIZE = (120, 80)
PIXELS = [(x, y) for x in range(10, 120, 20) for y in range(30, 80, 12)]


@pytest.fixture
def drawn(device: Device) -> Iterator[Drawn]:
    made = Drawn(device, SIZE)
    yield made
    made.release()


def asked(renderer: Renderer, target: Target, camera: ViewCamera, pixels: list[tuple[int, int]]) -> list[object]:
    return [renderer.dominant(target, camera, LOOK, *pixel) for pixel in pixels]


@pytest.mark.parametrize("samples", [0, 1, 3])
def test_shares_lie_between_nothing_and_all_where_the_sky_is_partly_blocked(drawn: Drawn, samples: int) -> None:
    """Whatever directions of the sky a view at rest drew last: beside the box more of them may be blocked than not."""
    flat = flatten(stage(SKY, lamp("l", (1.2, 1.8, 1.0), 60.0)), 1.0)
    drawn.nits(flat, LOOK, samples=samples)
    camera = ViewCamera.of(flat.camera)
    found = [drawn.renderer.dominant(drawn.target, camera, LOOK, *pixel) for pixel in PIXELS]
    assert all(f is not None and f[0] in ("sky", "l") and 0.0 < f[1] <= 1.0 for f in found)
    assert {f[0] for f in found if f} == {"sky", "l"}
    again = [drawn.renderer.dominant(drawn.target, camera, LOOK, *pixel) for pixel in PIXELS]
    assert again == found


@pytest.mark.parametrize("gloss", [0.0, 1.0])
def test_a_sky_that_does_not_arrive_is_not_the_strongest(drawn: Drawn, gloss: float) -> None:
    """In a closed box under a bright sky a faint lamp brings all light there is."""
    sky = Light(id="sky", light="dome", unit="nt", intensity=500.0)
    walls = Material(id="walls", base_color=(0.5, 0.5, 0.5), specular_weight=0.0, double_sided=True)
    scene = stage(sky, lamp("l", (0.0, 1.5, 4.0), 0.1))
    surface = Material(id="grey", base_color=(0.5, 0.5, 0.5), specular_weight=gloss, specular_roughness=0.3)
    scene = replace(scene, materials={**scene.materials, "grey": surface})
    closed = scene.add(walls, thing("room", BOX, "walls", scale=(14.0, 14.0, 14.0)))
    flat = flatten(closed, 1.0)
    drawn.nits(flat, LOOK)
    found = drawn.renderer.dominant(drawn.target, ViewCamera.of(flat.camera), LOOK, 60, 70)
    assert found == ("l", pytest.approx(1.0))
    free = flatten(scene, 1.0)
    drawn.nits(free, LOOK, samples=2)
    found = drawn.renderer.dominant(drawn.target, ViewCamera.of(free.camera), LOOK, 60, 70)
    assert found is not None and found[0] == "sky" and found[1] == pytest.approx(1.0, abs=0.01)


def test_asking_does_not_disturb_a_view(drawn: Drawn) -> None:
    flat = flatten(stage(SKY, lamp("l", (1.2, 1.8, 1.0), 60.0)), 1.0)
    before = drawn.nits(flat, LOOK)
    drawn.renderer.dominant(drawn.target, ViewCamera.of(flat.camera), LOOK, 60, 70)
    assert (drawn.nits(flat, LOOK) == before).all()


def test_a_dome_without_shadows_arrives_everywhere(drawn: Drawn) -> None:
    free = Light(id="sky", light="dome", unit="nt", intensity=3.0, casts_shadows=False)
    flat = flatten(stage(free, lamp("l", (1.2, 1.8, 1.0), 1e-3)), 1.0)
    drawn.nits(flat, LOOK)
    camera = ViewCamera.of(flat.camera)
    assert all(f == ("sky", pytest.approx(1.0, abs=0.01)) for f in asked(drawn.renderer, drawn.target, camera, PIXELS))
