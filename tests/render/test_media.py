"""Light inside transmissive objects: absorption along the way, scattering that loses nothing, directions as asked.

Taichi reads the annotations of a kernel, so this file does without `from __future__ import annotations`.
"""

from typing import Any

import numpy as np
import pytest
import taichi as ti

from studio.render.tracer import medium
from studio.scene.lights import Light
from studio.scene.materials import Material
from tests.render.scenes import ball, box, eye, flat_of, lamp, matte, quad, repeats, settings, thing

f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
vec2 = ti.math.vec2
vec3 = ti.math.vec3
BACKDROP = thing(quad((0, 0, -3), (5, 0, 0), (0, 5, 0)), matte(1.0, unlit=True))
THROUGH = eye((0, 0, 5), (0, 0, 0), fov_y=1.0)
COLOR = np.array((0.9, 0.5, 0.1))


@ti.kernel
def turns(d: vec3, g: ti.f32, u: f32_2d, out: f32_2d):
    for i in range(u.shape[0]):
        w = medium.henyey_greenstein(d, g, vec2(u[i, 0], u[i, 1]))
        for c in ti.static(range(3)):
            out[i, c] = w[c]


@pytest.fixture(scope="module", autouse=True)
def _runtime(taichi_cpu):
    return taichi_cpu


def filled(*, ior: float = 1.0, depth: float = 1.0, color: Any = COLOR, **more: Any) -> Material:
    """A clear body with a medium inside; with an index of 1 its surface does nothing."""
    return Material(
        transmission_weight=1.0, specular_roughness=0.0, specular_ior=ior, transmission_color=tuple(color),
        transmission_depth=depth, **more,
    )  # fmt: skip


def seen(
    tracer: Any, things: Any, lights: Any = (), *, camera: Any = THROUGH, n: int = 6, spp: int = 32, depth: int = 24
) -> Any:
    r = repeats(tracer, flat_of(things, lights, camera=camera), settings(8, 8, spp, depth=depth), n).mean((1, 2))
    return r.mean(0), r.std(0, ddof=1) / n**0.5


@pytest.mark.parametrize("thickness", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("depth", [0.5, 2.0])
def test_a_slab_absorbs_by_beer_and_lambert(tracer, thickness, depth):
    slab = thing(box((1, 1, thickness / 2)), filled(depth=depth))
    mean, _ = seen(tracer, [BACKDROP, slab], spp=4)
    assert mean == pytest.approx(COLOR ** (thickness / depth), rel=2e-3, abs=1e-6)


def test_a_glass_slab_reflects_at_both_faces_and_absorbs_between(tracer):
    """Normal incidence: (1 - R)^2 t / (1 - R^2 t^2), and the light reflected back to the dark is lost."""
    slab = thing(box((30, 30, 0.5)), filled(ior=1.5))
    mean, error = seen(tracer, [BACKDROP, slab], spp=256)
    r = 0.04
    truth = (1 - r) ** 2 * COLOR / (1 - r**2 * COLOR**2)
    assert (np.abs(mean - truth) < 4.5 * error + 3e-3 * truth).all()


def test_no_depth_means_no_absorption_along_the_way(tracer):
    """OpenPBR: at depth 0 the colour tints the surface instead, once on the way in and out."""
    thin, thick = (
        seen(tracer, [BACKDROP, thing(box((1, 1, half)), filled(depth=0.0))], spp=4)[0] for half in (0.05, 0.5)
    )
    assert thin == pytest.approx(thick, rel=1e-3)


def test_thin_walls_hold_no_medium(tracer):
    sheet = thing(quad((0, 0, 0), (1, 0, 0), (0, 1, 0)), filled(geometry_thin_walled=True))
    near, _ = seen(tracer, [BACKDROP, sheet], spp=4)
    far, _ = seen(tracer, [thing(quad((0, 0, -300), (50, 0, 0), (0, 50, 0)), matte(1.0, unlit=True)), sheet], spp=4)
    assert near == pytest.approx(far, rel=1e-3)
    assert (near > 0.05).all()


def test_one_medium_after_another_multiplies(tracer):
    things = [BACKDROP] + [thing(box((1, 1, 0.1), (0, 0, z)), filled()) for z in (-1.0, 0.0, 1.0)]
    mean, _ = seen(tracer, things, spp=4)
    assert mean == pytest.approx(COLOR**0.6, rel=2e-3)


@pytest.mark.parametrize("anisotropy", [-0.5, 0.0, 0.8])
@pytest.mark.parametrize("density", [0.3, 2.0])
def test_scattering_without_absorption_loses_nothing(tracer, anisotropy, density):
    """In a white world a body that only scatters cannot be seen."""
    color = np.exp(-0.9 * density) * np.ones(3)
    fog = filled(
        color=color, depth=1.0 / density, transmission_scatter=(0.9 * density,) * 3,
        transmission_scatter_anisotropy=anisotropy,
    )  # fmt: skip
    mean, error = seen(
        tracer, [thing(ball(1.0), fog)], [Light(light="dome", unit="nt", intensity=1.0)], spp=64, depth=200,
        camera=eye((0, 0, 5), (0, 0, 0), fov_y=15),
    )  # fmt: skip
    assert (np.abs(mean - 1.0) < 4.5 * error + 3e-3).all()


def test_coloured_scattering_is_weighed_without_bias(tracer):
    """Every channel alone has an albedo of one although their densities differ tenfold."""
    scatter = np.array((0.1, 0.4, 1.0))
    fog = filled(color=np.exp(-scatter), depth=0.5, transmission_scatter=tuple(scatter))
    mean, error = seen(
        tracer, [thing(ball(1.0), fog)], [Light(light="dome", unit="nt", intensity=1.0)], spp=128, depth=200,
        camera=eye((0, 0, 5), (0, 0, 0), fov_y=15),
    )  # fmt: skip
    assert (np.abs(mean - 1.0) < 4.5 * error + 3e-3).all()


def test_scattering_dims_what_lies_behind_by_the_whole_extinction(tracer):
    """Against black all around, the backdrop's own light arrives unscattered as exp(-sigma t) or forward of it."""
    fog = filled(color=np.exp(-np.ones(3)), depth=1.0, transmission_scatter=(0.5, 0.5, 0.5))
    small = thing(quad((0, 0, -40), (0.5, 0, 0), (0, 0.5, 0)), matte(1.0, unlit=True))
    mean, error = seen(tracer, [small, thing(box((1, 1, 0.5)), fog)], spp=256)
    assert (np.abs(mean - np.exp(-1.0)) < 4.5 * error + 2e-3).all()


@pytest.mark.parametrize("g", [-0.9, -0.3, 0.0, 0.0005, 0.3, 0.7, 0.95])
def test_scattered_directions_have_the_mean_cosine_of_the_phase_function(g):
    """Henyey and Greenstein: mean cosine g, mean of the second Legendre polynomial g^2; five sigma."""
    u = np.random.default_rng(1).random((100000, 2)).astype(np.float32)
    for d in ((0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (0.6, -0.64, 0.48)):
        out = np.zeros((100000, 3), np.float32)
        turns(vec3(*d), g, u, out)
        assert np.linalg.norm(out, axis=1) == pytest.approx(1.0, abs=1e-5)
        c = out.astype(np.float64) @ d
        p2 = 1.5 * c * c - 0.5
        assert abs(c.mean() - g) < 5 * c.std() / 100000**0.5 + 1e-3
        assert abs(p2.mean() - g * g) < 5 * p2.std() / 100000**0.5 + 1e-3
        side = np.cross(d, (0.3, 0.5, 0.8))
        assert abs((out @ side).mean()) < 5 * (out @ side).std() / 100000**0.5 + 1e-4


def test_a_lamp_inside_a_medium_is_dimmed_on_its_way_to_what_it_lights(tracer):
    """The same sheet as a lamp, which is sampled, and unlit, which only scattered rays find: one answer."""
    medium = thing(box((2, 2, 2)), filled(color=(0.6, 0.6, 0.6), depth=1.0))
    plate = thing(quad((0, -1, 0), (1, 0, 0), (0, 0, -1)), matte(0.8))
    sheet = quad((0, 1, 0), (0.7, 0, 0), (0, 0, 0.7))
    camera = eye((0, 0.5, 6), (0, -1, 0), fov_y=4.0)
    unlit = seen(tracer, [medium, plate, thing(sheet, matte(1.0, unlit=True))], camera=camera, spp=512, depth=6)
    lit = seen(tracer, [medium, plate, thing(sheet, lamp(1.0, double_sided=True))], camera=camera, spp=512, depth=6)
    assert (unlit[0] > 1e-3).all()
    assert (np.abs(unlit[0] - lit[0]) < 4.5 * np.hypot(unlit[1], lit[1])).all()


def test_a_medium_without_end_is_dark_and_finite(tracer):
    """A single sheet: rays enter and never leave."""
    sheet = thing(quad((0, 0, 0), (1, 0, 0), (0, 1, 0)), filled())
    mean, _ = seen(tracer, [sheet], [Light(light="dome", unit="nt", intensity=1.0)])
    assert np.isfinite(mean).all() and (mean < 1e-6).all()
