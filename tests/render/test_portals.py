"""Portals: they move samples to the window, and nothing of the picture with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio.scene.flat import FlatScene
from studio.scene.lights import PORTAL, Light
from tests.render.light_stage import Stage, compiled, flat_scene, light, picture, placed
from tests.render.scenes import eye, flat_of, matte, quad, repeats, settings, smallest_p, thing

SIGNIFICANCE = 1e-3
TURNED = placed((0.3, 1.2, -0.4), (0.3, -0.8, 0.5), roll=0.4)
WINDOW = placed((0.0, 0.0, 2.0), (0.0, 0.0, -1.0))  # light comes in along -z
SKYLIGHT = placed((1.5, 3.0, 0.0), (-0.2, -1.0, 0.0), roll=0.3)
PLACES = {
    "before the window": (0.1, -0.2, 0.5),
    "close to it": (0.2, 0.1, 1.9),
    "far from it": (3.0, -2.0, -40.0),
    "in its plane": (0.2, 0.1, 2.0),
    "behind one": (0.0, 0.3, 2.5),
    "behind all": (1.5, 9.0, 9.0),
}


def portal(at, size=(1.2, 0.8), close=None):
    row = np.zeros(1, PORTAL)[0]
    row["size"], row["open"], row["close"] = size, at, at if close is None else close
    return row


def with_portals(flat: FlatScene, *rows: np.void) -> FlatScene:
    return replace(flat, portals=np.array(list(rows), PORTAL))


@pytest.fixture(scope="module")
def kernels(taichi_cpu):
    return compiled(taichi_cpu)


def dome(textured):
    flat = flat_scene([light("dome", at=TURNED, image=0 if textured else -1)], (), [picture(32, 16)])
    return with_portals(flat, portal(WINDOW), portal(SKYLIGHT, (0.5, 2.0)), portal(WINDOW, (0.0, 1.0)))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("textured", [False, True])
def test_what_is_sampled_and_what_is_met_have_one_density(kernels, textured, place):
    """And it is a density: over 400,000 directions it sums to 1 within 4.5 standard errors, and its samples fall into
    24 regions of the sphere as it says (chi-square, significance 1e-3)."""
    stage, p, rng = Stage(kernels, dome(textured)), np.array(PLACES[place]), np.random.default_rng(1)
    n = 100000
    wi, dist, emission, pdf, delta = stage.sample(0, p, rng.random((n, 3)))
    assert (pdf > 0).all() and not delta.any() and (dist > 1e29).all()
    assert np.allclose(np.linalg.norm(wi, axis=1), 1.0, atol=1e-4)
    told = stage.pdf(0, p, wi, np.full(n, 1e30))
    assert np.quantile(np.abs(told / pdf - 1.0), 0.998) < 2e-3
    _, seen = stage.meet(0, p, wi, 1e30)
    assert np.quantile(np.abs(seen - emission).max(1), 0.998) < 1e-2
    # strata that are finer around the portals: half of the directions aim at them
    aimed = np.random.default_rng(2).random((4 * n, 3)) * 2.0 - 1.0
    r = np.linalg.norm(aimed, axis=1)
    aimed = aimed[(r < 1.0) & (r > 0.05)]
    aimed /= np.linalg.norm(aimed, axis=1)[:, None]
    density = stage.pdf(0, p, aimed, np.full(len(aimed), 1e30))
    value = 4.0 * np.pi * density
    error = value.std() / np.sqrt(len(value))
    assert abs(value.mean() - 1.0) < 4.5 * error + 1e-3
    region = lambda d: (d[:, 0] > 0) * 1 + (d[:, 1] > 0) * 2 + np.digitize(d[:, 2], (-0.5, 0.5)) * 4  # noqa: E731
    counts = np.bincount(region(wi), minlength=12)
    share = np.bincount(region(aimed), value, 12) / len(value)
    noise = np.bincount(region(aimed), value**2, 12) / len(value) ** 2 * n**2
    off = (counts - n * share) ** 2 / (n * share + noise + 1e-9)
    assert off.sum() < 32.9  # chi-square of 12 degrees at 1e-3


@pytest.mark.parametrize("place", PLACES)
def test_a_dome_lights_as_much_with_portals_as_without(kernels, place):
    flat = dome(True)
    p, normal = np.array(PLACES[place]), np.array((0.3, 0.4, 0.866))
    found = []
    for scene in (flat, replace(flat, portals=flat.portals[:0])):
        wi, _, emission, pdf, _ = Stage(kernels, scene).sample(0, p, np.random.default_rng(3).random((400000, 3)))
        value = emission[:, 1] * np.maximum(wi @ normal, 0.0) / pdf
        found.append((value.mean(), value.std() / np.sqrt(len(value))))
    (one, e1), (other, e2) = found
    assert abs(one - other) < 4.5 * np.hypot(e1, e2)


def test_half_of_the_samples_pass_through_the_portals_that_are_seen(kernels):
    flat = with_portals(flat_scene([light("dome")]), portal(WINDOW, (0.4, 0.4)))
    stage, rng = Stage(kernels, flat), np.random.default_rng(4)
    for z, share in ((0.0, 0.5), (3.0, 0.0)):
        wi, _, _, _, _ = stage.sample(0, (0.0, 0.0, z), rng.random((20000, 3)))
        through = (wi[:, 2] > 0) & (np.abs(wi[:, :2]).max(1) * 2.0 < 0.2 * wi[:, 2])
        assert through.mean() == pytest.approx(share, abs=0.015)


def test_broken_portals_are_left_out(kernels):
    bad = np.full((3, 4), np.nan, np.float32)
    flat = with_portals(flat_scene([light("dome")]), portal(bad), portal(WINDOW, (np.inf, 1)), portal(0 * WINDOW))
    stage = Stage(kernels, flat)
    _, _, _, pdf, _ = stage.sample(0, (0, 0, 0), np.random.default_rng(1).random((100, 3)))
    assert np.allclose(pdf, 0.25 / np.pi)


def room(*, portals: bool) -> FlatScene:
    """A closed room of 4 x 3 x 4 m with one window of 0.8 x 0.6 m in its back wall and a sky outside."""
    grey = matte(0.6, double_sided=True)
    back = [
        quad((-1.2, 1.5, -2), (0.8, 0, 0), (0, 1.5, 0)),
        quad((1.2, 1.5, -2), (0.8, 0, 0), (0, 1.5, 0)),
        quad((0, 0.6, -2), (0.4, 0, 0), (0, 0.6, 0)),
        quad((0, 2.4, -2), (0.4, 0, 0), (0, 0.6, 0)),
    ]
    walls = [
        quad((0, 0, 0), (2, 0, 0), (0, 0, -2)),
        quad((0, 3, 0), (2, 0, 0), (0, 0, 2)),
        quad((-2, 1.5, 0), (0, 0, -2), (0, 1.5, 0)),
        quad((2, 1.5, 0), (0, 0, 2), (0, 1.5, 0)),
        quad((0, 1.5, 2), (2, 0, 0), (0, 1.5, 0)),
    ]
    camera = eye((0, 1.6, 1.8), (0.4, 0.4, 0), fov_y=50)
    flat = flat_of(
        [thing(m, grey) for m in (*back, *walls)], [Light(light="dome", unit="nt", intensity=5.0)], camera=camera
    )
    return with_portals(flat, portal(placed((0, 1.5, -2), (0, 0, 1)), (0.8, 0.6))) if portals else flat


def test_a_window_is_less_than_half_as_noisy_and_lets_as_much_in(tracer):
    """Variance over 16 renders of 16 x 12 pixels, and Welch's test of the means over blocks of 4 x 4 pixels."""
    s = settings(16, 12, 16, depth=3)
    plain, guided = (repeats(tracer, room(portals=on), s, 16) for on in (False, True))
    variance = [r.var(0, ddof=1).mean() for r in (plain, guided)]
    assert variance[0] > 2.0 * variance[1], variance
    cut = [r.reshape(16, 3, 4, 4, 4, 3).mean((2, 4)).reshape(16, -1) for r in (plain, guided)]
    assert smallest_p(*cut) > SIGNIFICANCE
