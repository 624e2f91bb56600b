"""How fine shadows are: a light that sees the whole scene under a small angle needs more texels for the same grain."""

from __future__ import annotations

import pytest

from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.shadow_sizes import small_in
from tests.viewport.stages import ball, lamp, matte, scene_of, thing


@pytest.mark.parametrize(
    ("light", "small"),
    [
        (lamp("l", (0.0, 0.0, 1.0)), 0),
        (lamp("l", (0.0, 0.0, 9.0)), 1),
        (Light(id="l", light="spot", translation=(0.0, 0.0, 3.5), outer_cone_deg=15.0, radius_m=0.0), 0),
        (Light(id="l", light="spot", translation=(0.0, 0.0, 30.0), outer_cone_deg=15.0, radius_m=0.0), 1),
        (Light(id="l", light="distant", unit="lx", translation=(0.0, 0.0, 90.0)), 0),
    ],
)
def test_lights_far_from_all_things_see_them_small(device: Device, light: Light, small: int) -> None:
    """A ball of half a metre; a cone of 15 degrees is a quarter as wide as a cube's side."""
    round_ = ball(0.5)
    renderer = Renderer(device)
    try:
        renderer.sync(flatten(scene_of(round_, matte(), light, thing("ball", round_)), 1.0))
        sources = renderer.shadows.sources
        assert sources is not None
        assert small_in(sources, renderer.scene.bounds).tolist() == [small]
    finally:
        renderer.release()
