"""Cosine matrices and polygons: the fit against the lobe, the shader's integrals against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.viewport import ltc
from studio.viewport.device import Device
from tests.render.light_stage import flat_scene
from tests.viewport.probe import Probe

F64 = NDArray[np.float64]


def sphere_points(count: int) -> F64:
    """Even directions of the upper half."""
    k = np.arange(count)
    z = (k + 0.5) / count
    turn = 2.0 * np.pi * ((k * 0.5 * (np.sqrt(5.0) - 1.0)) % 1.0)
    r = np.sqrt(1.0 - z * z)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)


pytestmark = pytest.mark.usefixtures("device")


@pytest.fixture(scope="module")
def probe(one_device: Device) -> Probe:
    made = Probe(one_device, flat_scene([]))
    yield made  # type: ignore[misc]
    made.release()


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("mu", [1.0, 0.8, 0.4, 0.15])
def test_the_transformed_cosine_integrates_to_one(alpha: float, mu: float) -> None:
    d = sphere_points(400_000)
    total = ltc.density(ltc.lookup(ltc.table(), alpha, mu), d).mean() * 2.0 * np.pi
    assert total == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize(
    ("alpha", "mu", "most"),
    [(0.05, 0.99, 0.02), (0.05, 0.7, 0.04), (0.2, 0.9, 0.06), (0.2, 0.5, 0.12), (0.5, 0.9, 0.06), (0.5, 0.3, 0.1),
     (0.9, 0.7, 0.04), (0.9, 0.2, 0.07)],
)  # fmt: skip
def test_the_fit_is_near_the_lobe(alpha: float, mu: float, most: float) -> None:
    """Half the integral of the difference of the two normalised lobes: the light that lands elsewhere."""
    d = sphere_points(600_000)
    lobe = ltc.ggx(alpha, mu, d)
    lobe /= lobe.mean() * 2.0 * np.pi
    fit = ltc.density(ltc.lookup(ltc.table(), alpha, mu), d)
    assert 0.5 * np.abs(fit - lobe).mean() * 2.0 * np.pi < most


def test_the_table_changes_slowly() -> None:
    stored = ltc.table()
    assert stored.shape == (ltc.SIZE, ltc.SIZE, 3)
    assert np.isfinite(stored).all()
    seen = stored[1:, :-4]  # but for the most grazing views
    assert np.abs(np.diff(seen, axis=1)).max() < 0.25
    assert np.abs(np.diff(seen, axis=0)).max() < 0.25


SHAPE = """
    Surface s = no_surface();
    s.metalness = 1.0; s.roughness = ask(0).x;
    float mu = ask(0).y;
    Closure c = prepare(s, vec3(sqrt(1.0 - mu * mu), 0.0, mu));
    vec3 q = ask(1).xyz, a = ask(2).xyz, b = ask(3).xyz;
    Shape h = flat_shape(q, a, b, int(ask(0).z), 0.25 * PI, 1.0, 1.0);
    Walk w = walk_shape(c, h, true);
    answer = vec4(w.cosine.z * 0.5, w.base.z / (2.0 * PI), 0.0, 0.0);
"""


def shapes(count: int, corners: int) -> F64:
    """Questions of random quadrilaterals, above, through and near the horizon."""
    rng = np.random.default_rng(5)
    out = np.zeros((count, 4, 4))
    out[:, 0, 0] = rng.uniform(0.3, 1.0, count)
    out[:, 0, 1] = rng.uniform(0.3, 1.0, count)
    out[:, 0, 2] = corners
    out[:, 1, :3] = rng.normal(size=(count, 3)) + np.array([0.0, 0.0, 0.6])
    out[:, 2, :3] = rng.normal(size=(count, 3))
    out[:, 3, :3] = rng.normal(size=(count, 3))
    return out


@pytest.mark.parametrize("corners", [3, 4, 9])
def test_the_walk_around_a_polygon_is_its_integral(probe: Probe, corners: int) -> None:
    """Irradiance and share of the lobe against half a million even directions, clipped by the horizon."""
    asked = shapes(40, corners)
    answers = probe.ask(SHAPE, asked)
    d = sphere_points(500_000)
    turn = np.pi / 4 + 2.0 * np.pi * np.arange(corners) / corners
    stored = ltc.table()
    seen = 0
    for (head, q, a, b), answer in zip(asked, answers, strict=True):
        points = q[:3] + np.cos(turn)[:, None] * a[:3] + np.sin(turn)[:, None] * b[:3]
        edges = np.cross(points, np.roll(points, -1, axis=0))
        side = np.sign(np.cross(a[:3], b[:3]) @ q[:3])
        inside = ((d @ edges.T) * side > 0.0).all(axis=1)
        lux = float((d[:, 2] * inside).mean() * 2.0 * np.pi)
        alpha = max(head[0] ** 2, 1e-3)
        lobe = ltc.density(ltc.lookup(stored, float(alpha), float(head[1])), d)
        share = float((lobe * inside).mean() * 2.0 * np.pi)
        seen += lux > 0.05
        assert answer[0] == pytest.approx(lux, abs=4e-3)
        assert answer[1] == pytest.approx(share, abs=4e-3)
    assert seen > 15


def test_the_shaders_layout_is_that_of_the_tables(probe: Probe) -> None:
    from studio.scene import lobe_energy
    from studio.viewport.lighting import LOBE_COLUMNS

    body = """
        int k = int(ask(0).x);
        answer = vec4(k == 0 ? LOBE_DIELECTRIC : k == 1 ? LOBE_GLASS_IN : k == 2 ? LOBE_GLASS_OUT : k == 3 ? LOBE_FUZZ
            : k == 4 ? LOBE_STRETCHED : k == 5 ? LTC_START : k == 6 ? LTC_SIZE : LOBE_COLUMNS);
    """
    asked = np.zeros((8, 1, 4))
    asked[:, 0, 0] = np.arange(8)
    expected = [
        lobe_energy.DIELECTRIC, lobe_energy.GLASS_IN, lobe_energy.GLASS_OUT, lobe_energy.FUZZ, lobe_energy.STRETCHED,
        lobe_energy.SIZE, ltc.SIZE, LOBE_COLUMNS,
    ]  # fmt: skip
    assert probe.ask(body, asked)[:, 0].tolist() == expected


def test_the_shader_reads_matrices_as_numpy_does(probe: Probe) -> None:
    rng = np.random.default_rng(2)
    asked = np.zeros((64, 1, 4))
    asked[:, 0, 0], asked[:, 0, 1] = rng.uniform(1e-3, 1.0, 64), rng.uniform(0.02, 1.0, 64)
    answers = probe.ask("answer = vec4(ltc_isotropic(ask(0).x, max(ask(0).y, LTC_MIN_MU)), 0.0);", asked)
    stored = ltc.table()
    expected = [ltc.lookup(stored, float(a), float(m)) for a, m in asked[:, 0, :2]]
    assert answers[:, :3] == pytest.approx(np.array(expected), rel=2e-3)
