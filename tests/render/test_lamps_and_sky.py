"""Light is linear: a lamp and what shines behind it together bring the sum of each alone.

Lamps that are shapes are light and no matter, for scattered rays as for shadow rays, so light groups can be mixed after
the render. Only the eye takes a lamp for a thing, which covers what is behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import Thing, aimed, ball, eye, film_of, flat_of, floor, matte, repeats, settings, thing
from tests.render.test_integrator import GREY, agrees, seen

SIGNIFICANCE = 1e-3  # of every comparison, Bonferroni corrected over channels
RENDERS = 16

AT = (0.6, 0.9, 0.5)  # of the unit ball's neighbourhood: the lamp covers a tenth of the sky
OFF = {"unit": "nt", "seen_by_camera": False}
LAMPS = {
    "rectangle": Light(light="rectangle", intensity=2.0, width_m=1.2, height_m=0.8, **aimed(AT, (0, 0, 0)), **OFF),
    "two-sided": Light(
        light="rectangle", intensity=2.0, width_m=1.2, height_m=0.8, two_sided=True, **aimed(AT, (2, 3, 2)), **OFF
    ),
    "disk": Light(light="disk", intensity=2.0, radius_m=0.6, **aimed(AT, (0, 0, 0)), **OFF),
    "sphere": Light(light="sphere", intensity=2.0, radius_m=0.4, translation=AT, **OFF),
    "cylinder": Light(light="cylinder", intensity=2.0, radius_m=0.25, length_m=1.2, translation=AT, **OFF),
}  # fmt: skip
SKY = Light(light="dome", unit="nt", intensity=1.0, color=(0.5, 0.8, 1.0))
WHITE = Light(light="dome", unit="nt", intensity=1.0)
GLOSSY = Material(base_metalness=1.0, base_color=(0.9, 0.9, 0.9), specular_roughness=0.35)
ONTO = eye((0.4, 1.6, 2.2), (0.0, 0.0, 0.0), fov_y=13.0)


def pictures(tracer: Any, things: Sequence[Thing], lights: Sequence[Light], *, depth: int, seed: int = 0) -> Any:
    """Mean colours (renders, 3) of independent pictures of 12 x 12 pixels."""
    flat = flat_of(things, lights, camera=ONTO)
    return repeats(tracer, flat, settings(12, 12, 64, depth=depth, seed=seed), RENDERS).mean((1, 2))


def adds_up(tracer: Any, things: Sequence[Thing], lights: Sequence[Light], *, depth: int = 2) -> None:
    """A t test of all together less each alone, and whether it could have seen a quarter of a percent."""
    together = pictures(tracer, things, lights, depth=depth)
    alone = sum(pictures(tracer, things, [one], depth=depth, seed=7 * k + 5) for k, one in enumerate(lights))
    off = together - alone
    error = off.std(0, ddof=1) / RENDERS**0.5
    assert (error < 2.5e-3 * together.mean(0)).all()
    assert (stats.ttest_1samp(off, 0.0).pvalue > SIGNIFICANCE / 3).all(), off.mean(0) / together.mean(0)


@pytest.mark.parametrize("surface", ["grey", "metal"])
@pytest.mark.parametrize("kind", list(LAMPS))
def test_a_lamp_before_the_sky_takes_nothing_from_it(tracer, kind, surface):
    adds_up(tracer, [thing(ball(0.4, smooth=True), GREY if surface == "grey" else GLOSSY)], [LAMPS[kind], SKY])


def test_lamps_in_a_row_and_a_sky_add_up(tracer):
    """Four shapes one behind the other, of unequal strength, over two surfaces that light each other."""
    rows = [
        Light(light="disk", intensity=0.5, radius_m=0.5, **aimed((0.4, 0.6, 0.4), (0, 0, 0)), **OFF),
        Light(light="sphere", intensity=8.0, radius_m=0.2, translation=(0.8, 1.2, 0.8), **OFF),
        Light(light="rectangle", intensity=3.0, width_m=2.0, height_m=2.0, **aimed((1.2, 1.8, 1.2), (0, 0, 0)), **OFF),
        Light(light="cylinder", intensity=2.0, radius_m=0.4, length_m=2.0, translation=(1.8, 2.7, 1.8), **OFF),
    ]
    things = [thing(ball(0.4, smooth=True), GLOSSY), thing(floor(2.0, y=-0.4), GREY)]
    adds_up(tracer, things, [*rows, SKY], depth=4)


def test_lamps_behind_a_lamp_show_their_sum_in_a_mirror(tracer):
    """Radiances 3, 40 and the sky's 1 in one line: what is drawn at random has the right mean."""
    mirror = thing(floor(20.0), Material(base_metalness=1.0, base_color=(1, 1, 1), specular_roughness=0.0))
    camera = eye((0.0, 3.0, 3.0), (0.0, 0.0, 0.0), fov_y=1.0)
    near = Light(light="rectangle", intensity=3.0, **aimed((0.0, 3.0, -3.0), (0, 0, 0)), **OFF)
    far = Light(light="disk", intensity=40.0, radius_m=2.0, **aimed((0.0, 6.0, -6.0), (0, 0, 0)), **OFF)
    assert agrees(seen(tracer, [mirror], [near, far, WHITE], camera=camera), 44.0, 3e-3)


def test_the_camera_sees_the_lamp_and_nothing_behind_it(tracer):
    """The nearest alone, opaque, before a brighter lamp and a sky."""
    near = Light(light="rectangle", unit="nt", intensity=3.0, width_m=9.0, height_m=9.0, **aimed((0, 0, 0), (0, 0, 5)))
    far = Light(light="sphere", unit="nt", intensity=40.0, radius_m=3.0, translation=(0, 0, -5))
    wall = thing(floor(9.0, y=-1.0), matte(0.5))
    flat = flat_of([wall], [near, far, SKY], camera=eye((0, 0, 3), (0, 0, 0), fov_y=20.0))
    film = film_of(tracer, flat, settings(8, 8, 4))
    assert film.rgb("") == pytest.approx(3.0, rel=1e-5)
    assert (film.value("A") == 1.0).all()


def test_a_furnace_with_a_lamp_inside_has_its_own_light_and_the_lamps(tracer):
    """A unit ball that emits and reflects one half is 1 everywhere; a ball of light of radius r in its middle gives
    the wall an irradiance of pi L r^2, and after all bounces a radiance of L r^2 more."""
    walls = matte(0.5, emission_luminance=0.5, double_sided=True)
    room = thing(ball(1.0, rings=64, segments=128), walls)
    lamp = Light(light="sphere", intensity=6.0, radius_m=0.3, **OFF)
    camera = eye((0.1, 0.0, 0.5), (0.5, 0.2, -1.0), fov_y=90)
    assert agrees(seen(tracer, [room], [lamp], camera=camera, depth=40), 1.0 + 6.0 * 0.09, 2e-3)


def test_a_white_ball_vanishes_in_a_white_world_behind_a_lamp_that_is_nearly_out(tracer):
    """The lamp is no shade either."""
    white = thing(ball(0.4, smooth=True), matte(1.0))
    dim = Light(light="rectangle", intensity=1e-6, width_m=1.2, height_m=0.8, **aimed(AT, (0, 0, 0)), **OFF)
    assert agrees(seen(tracer, [white], [dim, WHITE], camera=ONTO, depth=8), 1.0, 2e-3)


@pytest.mark.parametrize("medium", ["absorbs", "scatters ahead"])
def test_a_lamp_inside_a_medium_and_the_sky_behind_it(tracer, medium):
    """A ball of air that absorbs by Beer's law, or that scatters all light straight on, which changes nothing."""
    through = {"transmission_weight": 1.0, "specular_ior": 1.0, "specular_roughness": 0.0, "transmission_depth": 1.0}
    if medium == "absorbs":
        body = Material(transmission_color=(0.5, 0.25, 1.0), **through)
        clear = np.array((0.5, 0.25, 1.0))
    else:
        body = Material(transmission_scatter=(2.0, 2.0, 2.0), transmission_scatter_anisotropy=1.0, **through)
        clear = np.ones(3)
    lamp = Light(light="disk", intensity=3.0, radius_m=0.3, **aimed((0, 0, 0), (0, 0, 5)), **OFF)
    camera = eye((0, 0, 5), (0, 0, 0), fov_y=0.5)
    things = [thing(ball(1.0, rings=64, segments=128, smooth=True), body)]
    got = seen(tracer, things, [lamp, WHITE], camera=camera, depth=40)
    assert agrees(got, 3.0 * clear**1.0 + clear**2.0, 5e-3)
