"""The random walk below surfaces against Mitsuba's volumetric path tracer, on a slab and a sphere.

Mitsuba's bodies have no boundary (`null`) and a meter of irradiance on their surface, so light goes in spread like a
cosine, as ours does; under even light from one half of space, or from all of it, what comes out does not depend on how
it is spread there, so the reading over pi is what ours shows. Both give independent estimates, and Welch's t test
compares their means: significance 1e-3 for the file, Sidak corrected over bodies and channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from studio.scene.geometry import make_image
from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import Thing, ball, box, eye, flat_of, picture, settings, thing

COLOR = (0.9, 0.6, 0.2)
FREE = 0.5  # metres
HALF, THICK = 4.0, 1.0
RENDERS = 8
Estimates = np.ndarray[Any, np.dtype[np.float64]]


class Body(NamedTuple):
    """A body, what is lit (1 the half of space above, -1 that below, 0 all), where the meter is, and the medium."""

    shape: str
    lit: int
    g: float = 0.0
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


BODIES = {
    "slab, reflected": Body("slab", 1),
    "slab, passed": Body("slab", -1),
    "slab that scatters forward": Body("slab", -1, g=0.6),
    "sphere": Body("sphere", 0),
    "sphere, paths of three lengths": Body("sphere", 0, scale=(1.0, 0.5, 0.25)),
}


def albedo(color: Any, g: float) -> Estimates:
    """OpenPBR's inversion, on its own."""
    a = np.asarray(color, np.float64)
    s = 4.09712 + 4.20863 * a - np.sqrt(9.59217 + 41.6808 * a + 17.7126 * a**2)
    return (1 - s**2) / (1 - g * s**2)


def sky(lit: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = np.ones((64, 128, 3), np.float32)
    if lit > 0:
        rows[32:] = 0.0
    elif lit < 0:
        rows[:32] = 0.0
    return rows


@pytest.fixture(scope="module")
def mi() -> Any:
    module = pytest.importorskip("mitsuba", reason="mitsuba is not installed")
    module.set_variant("scalar_rgb")
    return module


def by_mitsuba(mi: Any, body: Body) -> Estimates:
    """Independent readings (n, 3) over pi."""
    up = mi.ScalarTransform4f
    extinction = 1.0 / (FREE * np.array(body.scale))
    medium = {
        "type": "homogeneous",
        "sigma_t": {"type": "rgb", "value": (extinction / extinction.max()).tolist()},
        "scale": float(extinction.max()),
        "albedo": {"type": "rgb", "value": albedo(COLOR, body.g).tolist()},
        "phase": {"type": "hg", "g": body.g} if body.g else {"type": "isotropic"},
    }
    if body.shape == "slab":
        shape = {"type": "cube", "to_world": up().scale([HALF, THICK / 2, HALF])}
        place = up().translate([0, THICK / 2 + 1e-4, 0]).rotate([1, 0, 0], 90).scale(0.1)
        plate = {"type": "rectangle", "to_world": place}
    else:
        shape, plate = {"type": "sphere"}, {"type": "sphere", "radius": 1.0001, "flip_normals": True}
    grain = {"type": "hdrfilm", "width": 12, "height": 12, "rfilter": {"type": "box"}, "pixel_format": "rgb"}
    meter = {"type": "irradiancemeter", "film": grain, "sampler": {"type": "independent", "sample_count": 1024}}
    scene = mi.load_dict(
        {
            "type": "scene",
            "integrator": {"type": "volpathmis", "max_depth": 2000, "rr_depth": 200},
            "body": {**shape, "bsdf": {"type": "null"}, "interior": medium},
            "plate": {**plate, "bsdf": {"type": "null"}, "sensor": meter},
            "sky": {"type": "envmap", "bitmap": mi.Bitmap(sky(body.lit)), "to_world": up().rotate([0, 1, 0], 0)},
        }
    )
    return np.asarray(mi.render(scene, seed=7), np.float64).reshape(-1, 3) / np.pi


def by_us(tracer: Any, body: Body) -> Estimates:
    """Independent means (n, 3) of pictures of the body."""
    material = Material(
        specular_weight=0.0,
        subsurface_weight=1.0,
        subsurface_color=COLOR,
        subsurface_radius=FREE,
        subsurface_radius_scale=body.scale,
        subsurface_scatter_anisotropy=body.g,
    )
    image = make_image(sky(body.lit), colour_space="linear")
    dome = Light(light="dome", unit="nt", intensity=1.0, image=image.key)
    shape: Thing = thing(
        box((HALF, THICK / 2, HALF)) if body.shape == "slab" else ball(1.0, rings=96, segments=192), material
    )
    flat = flat_of([shape], [dome], images=[image], camera=eye((0, 9, 0.001), (0, 0, 0), fov_y=0.5))
    asked = settings(16, 16, 256, depth=2)
    first = picture(tracer, flat, asked)
    rest = [tracer.mean_image(settings(16, 16, 256, depth=2, seed=101 * k)) for k in range(1, RENDERS)]
    return np.stack([first, *rest]).astype(np.float64).mean((1, 2))


@pytest.mark.parametrize("name", BODIES)
def test_light_comes_out_as_mitsuba_has_it(
    tracer: Any, mi: Any, name: str, record_property: Callable[..., None]
) -> None:
    ours, theirs = by_us(tracer, BODIES[name]), by_mitsuba(mi, BODIES[name])
    record_property("means", (ours.mean(0).tolist(), theirs.mean(0).tolist()))
    p = stats.ttest_ind(ours, theirs, equal_var=False).pvalue
    level = 1.0 - (1.0 - 1e-3) ** (1.0 / (3 * len(BODIES)))
    close = np.abs(ours.mean(0) / theirs.mean(0) - 1.0) < 1e-3  # what facets and the horizon's blur may leave
    assert ((p > level) | close).all(), (ours.mean(0), theirs.mean(0), p)
