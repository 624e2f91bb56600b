"""Glass that disperses: a path keeps one colour from the first dispersive surface on, whatever it has met before."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from studio.scene.geometry import Image, make_image
from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import aimed, ball, eye, flat_of, quad, repeats, settings, thing

FLINT = Material(
    transmission_weight=1.0,
    specular_ior=1.6,
    specular_roughness=0.0,
    transmission_dispersion_scale=1.0,
    transmission_dispersion_abbe_number=2.5,
)
MIRROR = Material(base_metalness=1.0, base_color=(1.0, 1.0, 1.0), specular_roughness=0.0)
BALL = thing(ball(0.5, rings=48, segments=96, smooth=True), FLINT)
RENDERS = 12


def half_sky() -> Image:
    """White above, dark below: its horizon is what glass draws its colours from."""
    pixels = np.full((64, 128, 3), 0.02, np.float32)
    pixels[:32] = 1.0
    return make_image(pixels, colour_space="linear")


def looks(tracer: Any, things: Any, lights: Any, camera: Any) -> Any:
    """Mean colours (renders, bands, 3) of four horizontal bands of the picture of the ball."""
    sky = half_sky()
    dome = Light(light="dome", unit="nt", intensity=1.0, image=sky.key)
    flat = flat_of(things, [dome, *lights], camera=camera, images=[sky])
    r = repeats(tracer, flat, settings(16, 16, 256, depth=10), RENDERS)
    return r.reshape(RENDERS, 4, 4, 16, 3).mean((2, 3))


def alike(one: Any, other: Any) -> bool:
    """Welch's t test of all bands and channels at 1e-4, Bonferroni corrected."""
    p = stats.ttest_ind(one, other, axis=0, equal_var=False).pvalue
    return bool(p.min() > 1e-4 / p.size)


STRAIGHT = eye((0.0, 0.0, 4.0), (0.0, 0.0, 0.0), fov_y=14.0)


def test_glass_has_its_colours_in_a_mirror_as_well(tracer):
    """A lit surface before the glass used to mark the path as having a colour already, which made the glass grey."""
    direct = looks(tracer, [BALL], [], STRAIGHT)
    mean = direct.mean(0)
    assert np.abs(mean[:, 0] - mean[:, 2]).max() > 0.05 * mean.max()  # there are colours to lose
    # by an upright mirror before it the eye looks along -x and sees along -z, from as far away as before
    turned = thing(quad((0.0, 0.0, 3.0), (0.3, 0.0, 0.3), (0.0, 0.4, 0.0)), MIRROR)
    camera = eye((1.0, 0.0, 3.0), (0.0, 0.0, 3.0), fov_y=14.0)
    assert alike(direct, looks(tracer, [BALL, turned], [], camera))


def test_a_lamp_that_reflections_do_not_show_leaves_clear_glass_as_it_is(tracer):
    """Its switch used to unmark the path, and every further surface of the glass trebled the light."""
    hidden = Light(
        light="rectangle", unit="nt", intensity=10.0, seen_in_reflections=False, seen_by_camera=False,
        **aimed((1.5, 1.5, 1.5), (0.0, 0.0, 0.0)),
    )  # fmt: skip
    assert alike(looks(tracer, [BALL], [], STRAIGHT), looks(tracer, [BALL], [hidden], STRAIGHT))
