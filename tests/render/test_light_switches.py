"""What a light or an object may be told to leave out: reflections, shadows, gains; and lights before other lights.

A light is found in two ways, by sampling it and by meeting it. Whatever is switched off has to be off, and what is left
has to be whole, in both together.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import BLACK, aimed, eye, floor, lamp, quad, thing
from tests.render.test_integrator import FLOOR, SLANT, agrees, seen

LARGE = {"light": "rectangle", "unit": "nt", "intensity": 1.0, "width_m": 2.0, "height_m": 2.0, "seen_by_camera": False}
ABOVE = aimed((0, 0.6, 0), (0, 0, 0))


def large(**more: Any) -> Light:
    return Light(**{**LARGE, **ABOVE, **more})


def test_a_light_that_reflections_do_not_show_still_lights_a_matte_floor(tracer):
    lit = seen(tracer, [FLOOR], [large()])
    hidden = seen(tracer, [FLOOR], [large(seen_in_reflections=False)])
    assert agrees(hidden, lit[0], 2e-3)


def test_a_lamp_whose_object_reflections_do_not_show_still_lights_a_matte_floor(tracer):
    sheet_ = quad((0.1, 0.5, 0.1), (0.5, 0, 0), (0, 0, 0.5))
    lit = seen(tracer, [FLOOR, thing(sheet_, lamp(1.0))], camera=SLANT)
    hidden = seen(tracer, [FLOOR, thing(sheet_, lamp(1.0), visible_reflection=False)], camera=SLANT)
    assert agrees(hidden, lit[0], 2e-3)


@pytest.mark.parametrize("gain", [0.0, 0.5, 2.0])
def test_gains_scale_the_light_that_they_name(tracer, gain):
    lit = seen(tracer, [FLOOR], [large()])
    assert agrees(seen(tracer, [FLOOR], [large(diffuse_gain=gain)]), gain * lit[0], 2e-3)
    assert agrees(seen(tracer, [FLOOR], [large(specular_gain=gain)]), lit[0], 2e-3)
    shiny = thing(floor(3.0), Material(base_metalness=1.0, base_color=(1, 1, 1), specular_roughness=0.5))
    mirror = seen(tracer, [shiny], [large()])
    assert agrees(seen(tracer, [shiny], [large(specular_gain=gain)]), gain * mirror[0], 2e-3)


def test_a_light_without_shadows_passes_through_everything(tracer):
    screen = thing(quad((0, 0.3, 0), (2, 0, 0), (0, 0, 2)), BLACK, visible_camera=False)
    lit = seen(tracer, [FLOOR], [large(casts_shadows=False)])
    assert (seen(tracer, [FLOOR, screen], [large()])[0] == 0.0).all()
    assert agrees(seen(tracer, [FLOOR, screen], [large(casts_shadows=False)]), lit[0], 2e-3)


def test_an_object_that_casts_no_shadow_keeps_no_light_away(tracer):
    screen = thing(quad((0, 0.3, 0), (2, 0, 0), (0, 0, 2)), BLACK, visible_camera=False, visible_shadow=False)
    lit = seen(tracer, [FLOOR], [large()])
    assert agrees(seen(tracer, [FLOOR, screen], [large()]), lit[0], 2e-3)


def test_an_object_that_reflections_do_not_show_still_casts_its_shadow(tracer):
    screen = thing(quad((0, 0.3, 0), (2, 0, 0), (0, 0, 2)), BLACK, visible_camera=False, visible_reflection=False)
    assert (seen(tracer, [FLOOR, screen], [large()])[0] == 0.0).all()


def test_lights_hide_each_other_alike_however_they_are_found(tracer):
    """A lamp before a lamp, and before the sky: either they hide what is behind them or they do not, never partly."""
    near, far = large(**aimed((0, 0.3, 0), (0, 0, 0))), large()
    sky = Light(light="dome", unit="nt", intensity=1.0)
    alone = {n: seen(tracer, [FLOOR], lights)[0] for n, lights in (("near", [near]), ("far", [far]), ("sky", [sky]))}
    both = seen(tracer, [FLOOR], [near, far])
    blocks = agrees(both, alone["near"], 2e-3)
    assert blocks or agrees(both, alone["near"] + alone["far"], 2e-3)
    under_sky = seen(tracer, [FLOOR], [near, sky])
    truth = alone["sky"] if blocks else alone["sky"] + alone["near"]  # equal radiance: hidden sky is replaced
    assert agrees(under_sky, truth, 2e-3)


def test_a_mirror_shows_lights_of_every_shape(tracer):
    """Radiance 2 of each lamp times the mirror's colour, in the middle of its reflection."""
    mirror = thing(floor(20.0), Material(base_metalness=1.0, base_color=(0.8, 0.8, 0.8), specular_roughness=0.0))
    camera = eye((0.0, 3.0, 3.0), (0.0, 0.0, 0.0), fov_y=1.0)
    at = {"translation": (0.0, 3.0, -3.0)}
    facing = aimed((0.0, 3.0, -3.0), (0.0, 0.0, 0.0))
    for light in (
        Light(light="sphere", unit="nt", intensity=2.0, radius_m=0.5, **at),
        Light(light="cylinder", unit="nt", intensity=2.0, radius_m=0.5, length_m=3.0, **at),
        Light(light="rectangle", unit="nt", intensity=2.0, width_m=1.0, height_m=1.0, **facing),
        Light(light="disk", unit="nt", intensity=2.0, radius_m=0.5, **facing),
        Light(light="dome", unit="nt", intensity=2.0),
        Light(light="distant", unit="lx", intensity=2.0 * np.pi * np.sin(np.radians(5)) ** 2, angle_deg=10.0, **facing),
    ):
        mean, _ = seen(tracer, [mirror], [light], camera=camera, spp=16, n=2)
        assert mean == pytest.approx(1.6, rel=0.05), light.light
        hidden, _ = seen(
            tracer, [mirror], [msgspec.structs.replace(light, seen_in_reflections=False)], camera=camera, spp=16, n=2
        )
        assert (hidden < 0.01).all(), light.light
