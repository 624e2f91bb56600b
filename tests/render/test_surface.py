"""The surface closure: energy, sampling, reciprocity, and agreement with Mitsuba.

All of it runs through one kernel, which takes rows of materials and rays, so that it is compiled once. Taichi reads the
annotations of a kernel, so this file does without `from __future__ import annotations`.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from studio.scene import lobe_energy
from studio.scene.materials import OFFSET, STRIDE, Material, pack

Array = NDArray[np.float64]
WHITE = (1.0, 1.0, 1.0)
ANGLES = (1.0, 0.8, 0.5, 0.25, 0.1)  # cosines of wo
BELOW = 4  # the lobe of light that goes below the surface: what becomes of it, `walk` knows
ROUGHNESS = (0.0, 0.1, 0.3, 0.5, 0.75, 1.0)

LAMBERT = Material(specular_weight=0.0, base_color=(0.2, 0.5, 0.8))
METAL = Material(base_metalness=1.0, base_color=WHITE)
GLASS = Material(transmission_weight=1.0)
PANE = Material(transmission_weight=1.0, geometry_thin_walled=True)
GLOSS = Material(base_color=WHITE)
TWO_LOBES = Material(base_color=WHITE, specular_second_weight=0.4, specular_second_scale=2.0)
FUZZ = Material(base_color=WHITE, fuzz_weight=1.0)
COAT = Material(base_color=WHITE, specular_weight=0.0, coat_weight=1.0)


def having(material: Material, **changes: Any) -> Material:
    return msgspec.structs.replace(material, **changes)


EVERYTHING = Material(
    base_color=(0.7, 0.4, 0.2),
    base_diffuse_roughness=0.6,
    base_metalness=0.3,
    specular_roughness=0.4,
    specular_roughness_anisotropy=0.5,
    transmission_weight=0.5,
    transmission_color=(0.9, 0.8, 0.6),
    coat_weight=0.7,
    coat_color=(0.9, 0.6, 0.5),
    coat_roughness=0.4,
    fuzz_weight=0.5,
    fuzz_color=(0.3, 0.5, 0.9),
    thin_film_weight=0.5,
)
MIXTURES = {
    "lambert": LAMBERT,
    "rough diffuse": Material(specular_weight=0.0, base_diffuse_roughness=1.0),
    "metal": having(METAL, specular_roughness=0.4),
    "anisotropic metal": having(METAL, specular_roughness=0.6, specular_roughness_anisotropy=0.7),
    "gloss": having(GLOSS, specular_roughness=0.4),
    "glass": having(GLASS, specular_roughness=0.4),
    "rough glass": having(GLASS, specular_roughness=0.8, specular_ior=1.8),
    "pane": having(PANE, specular_roughness=0.5),
    "coat": having(COAT, coat_roughness=0.4),
    "fuzz": having(FUZZ, specular_roughness=0.4),
    "film": Material(base_metalness=1.0, specular_roughness=0.4, thin_film_weight=1.0),
    "two lobes": having(TWO_LOBES, specular_roughness=0.3),
    "skin": having(TWO_LOBES, specular_roughness=0.4, subsurface_weight=0.8),
    "two lobes of everything": having(EVERYTHING, specular_second_weight=0.6, subsurface_weight=0.5),
    "everything": EVERYTHING,
}


class Hits(NamedTuple):
    """What the kernel answers for each ray: the value at the given direction, and a drawn one with its value."""

    value: Array  # f cos at wi, n x 3
    diffuse: Array
    pdf: Array
    drawn: Array  # n x 3
    lobe: NDArray[np.int64]
    drawn_value: Array
    drawn_pdf: Array
    albedo: Array

    def weight(self) -> Array:
        """f cos / pdf of the drawn directions, 0 where the draw failed."""
        ok = (self.lobe > 0) & (self.lobe != BELOW) & (self.drawn_pdf > 0)
        return np.where(ok[:, None], self.drawn_value / np.where(ok, self.drawn_pdf, 1.0)[:, None], 0.0)


Probe = Callable[..., Hits]


@pytest.fixture(scope="module")
def probe(taichi_cpu: ModuleType) -> Probe:
    """Run `load_surface`, `prepare`, `evaluate` and `sample` for many hits, in the one kernel of this file."""
    ti = taichi_cpu
    from studio.render.tracer import surface

    vec3 = ti.math.vec3

    @ti.kernel
    def kernel(
        materials: ti.types.ndarray(ti.f32, 2),
        tables: ti.types.ndarray(ti.f32, 1),
        rows: ti.types.ndarray(ti.i32, 1),
        rays: ti.types.ndarray(ti.f32, 2),  # wo, wi, u_lobe, u
        out: ti.types.ndarray(ti.f32, 2),
        inside: ti.i32,
        compensate: ti.f32,
        separable: ti.f32,
    ):
        for i in range(rows.shape[0]):
            s = surface.load_surface(materials, rows[i])
            s.inside = inside
            s.compensate = compensate
            s.separable = separable
            wo = vec3(rays[i, 0], rays[i, 1], rays[i, 2])
            s = surface.prepare(s, wo, tables)
            drawn, lobe = surface.sample(s, wo, rays[i, 6], ti.math.vec2(rays[i, 7], rays[i, 8]))
            for side in range(2):
                wi = vec3(rays[i, 3], rays[i, 4], rays[i, 5])
                if side == 1:
                    wi = drawn
                diffuse, specular, pdf = surface.evaluate(s, wo, wi, tables)
                for c in ti.static(range(3)):
                    out[i, side * 7 + c] = diffuse[c]
                    out[i, side * 7 + 3 + c] = specular[c]
                out[i, side * 7 + 6] = pdf
            guide = surface.albedo(s)
            for c in ti.static(range(3)):
                out[i, 14 + c] = drawn[c]
                out[i, 17 + c] = guide[c]
            out[i, 20] = ti.cast(lobe, ti.f32)

    tables = lobe_energy.build()

    def run(
        materials: list[Material] | NDArray[np.float32],
        wo: Array,
        wi: Array | None = None,
        u: Array | None = None,
        *,
        rows: NDArray[np.int64] | None = None,
        inside: bool = False,
        compensate: float = 1.0,
        separable: float = 0.0,
    ) -> Hits:
        table = pack(materials) if isinstance(materials, list) else materials
        count = max(len(a) for a in (wo, wi, u) if a is not None)
        rays = np.zeros((count, 9), np.float32)
        rays[:, 0:3] = wo
        rays[:, 3:6] = (0.0, 0.0, 1.0) if wi is None else wi
        rays[:, 6:9] = 0.5 if u is None else u
        index = np.zeros(count, np.int32) if rows is None else rows.astype(np.int32)
        out = np.empty((count, 21), np.float32)
        kernel(np.ascontiguousarray(table), tables, index, rays, out, int(inside), compensate, separable)
        o = out.astype(np.float64)
        return Hits(
            value=o[:, 0:3] + o[:, 3:6],
            diffuse=o[:, 0:3],
            pdf=o[:, 6],
            drawn=o[:, 14:17],
            lobe=o[:, 20].astype(np.int64),
            drawn_value=o[:, 7:10] + o[:, 10:13],
            drawn_pdf=o[:, 13],
            albedo=o[:, 17:20],
        )

    return run


def direction(mu: float, phi: float = 0.4) -> Array:
    s = np.sqrt(1.0 - mu * mu)
    return np.array([[s * np.cos(phi), s * np.sin(phi), mu]])


def lattice(count: int, dimensions: int = 3) -> Array:
    """Additive recurrence of Roberts: points spread evenly, the same in every run; below 1 in 32-bit floats too."""
    root = 2.0
    for _ in range(40):
        root = (1.0 + root) ** (1.0 / (dimensions + 1))
    k = np.arange(1, count + 1)[:, None]
    return np.minimum((0.5 + k * root ** -np.arange(1.0, dimensions + 1)) % 1.0, 1.0 - 1e-7)


def hemisphere(count: int, *, sphere: bool = False) -> Array:
    """Directions spread evenly over the upper half, or the whole, of the sphere."""
    u = lattice(count, 2)
    z = 2.0 * u[:, 0] - 1.0 if sphere else u[:, 0]
    s = np.sqrt(1.0 - z * z)
    return np.stack([s * np.cos(2 * np.pi * u[:, 1]), s * np.sin(2 * np.pi * u[:, 1]), z], axis=1)


def furnace(probe: Probe, materials: list[Material], *, count: int = 16384, **how: Any) -> NDArray[np.float64]:
    """Albedo by drawing, materials x angles x 3."""
    u = lattice(count)
    shape = len(materials), len(ANGLES)
    rows = np.repeat(np.arange(len(materials)), len(ANGLES) * count)
    wo = np.tile(np.repeat(np.concatenate([direction(mu) for mu in ANGLES]), count, axis=0), (len(materials), 1))
    hits = probe(materials, wo, u=np.tile(u, (len(materials) * len(ANGLES), 1)), rows=rows, **how)
    return hits.weight().reshape(*shape, count, 3).mean(axis=2)


def rough(material: Material, **changes: object) -> list[Material]:
    return [having(material, specular_roughness=r, **changes) for r in ROUGHNESS]


# --- energy ----------------------------------------------------------------------------------------------------------


def test_plain_diffuse_is_exactly_lambert(probe: Probe) -> None:
    wi = hemisphere(64)
    hits = probe([LAMBERT], direction(0.3), wi, compensate=1.0)
    expected = (np.float32(LAMBERT.base_color) * (wi[:, 2:3].astype(np.float32) / np.float32(np.pi))).astype(np.float64)
    np.testing.assert_allclose(hits.value, expected, rtol=3e-7)
    np.testing.assert_allclose(hits.pdf, wi[:, 2] / np.pi, rtol=1e-6)
    assert (hits.value == hits.diffuse).all()


@pytest.mark.parametrize(
    ("materials", "inside", "tolerance"),
    [
        pytest.param(rough(METAL), False, 0.005, id="metal"),
        pytest.param(rough(METAL, specular_roughness_anisotropy=0.5), False, 0.01, id="brushed metal"),
        pytest.param(rough(GLASS), False, 0.005, id="glass from outside"),
        pytest.param(rough(GLASS), True, 0.005, id="glass from inside"),
        pytest.param(rough(GLASS, specular_ior=2.4), True, 0.005, id="diamond from inside"),
        pytest.param(rough(PANE), False, 0.005, id="pane"),
        pytest.param(rough(GLOSS), False, 0.005, id="gloss over white"),
        pytest.param(rough(GLOSS, specular_ior=2.0), False, 0.005, id="dense gloss over white"),
        pytest.param(rough(TWO_LOBES), False, 0.005, id="two lobes over white"),
        pytest.param(rough(TWO_LOBES, specular_ior=2.0), False, 0.006, id="two dense lobes over white"),
        pytest.param([having(COAT, coat_roughness=r) for r in ROUGHNESS], False, 0.005, id="coat over white"),
        pytest.param([having(FUZZ, fuzz_roughness=r) for r in ROUGHNESS], False, 0.005, id="fuzz over white"),
        pytest.param(
            [having(LAMBERT, base_color=WHITE, base_diffuse_roughness=r) for r in ROUGHNESS], False, 0.003, id="diffuse"
        ),
    ],
)
def test_white_surfaces_return_all_light(
    probe: Probe, materials: list[Material], inside: bool, tolerance: float
) -> None:
    albedo = furnace(probe, materials, inside=inside)
    np.testing.assert_allclose(albedo, 1.0, atol=tolerance)


def test_no_surface_makes_light(probe: Probe) -> None:
    """Bare microfacets lose light and never gain it; rounding and the lattice leave 1e-3."""
    stretched = [m for a in (0.0, 0.5, 1.0) for m in rough(METAL, specular_roughness_anisotropy=a)]
    glasses = [m for a in (0.0, 0.5, 1.0) for m in rough(GLASS, specular_roughness_anisotropy=a)]
    filmed = rough(GLASS, thin_film_weight=1.0) + rough(METAL, thin_film_weight=1.0, base_color=(0.9, 0.6, 0.3))
    for materials in (stretched, glasses, filmed, rough(PANE)):
        for inside in (False, True):
            assert furnace(probe, materials, count=4096, compensate=0.0, inside=inside).max() < 1.0 + 1e-3


def test_random_mixtures_make_no_light(probe: Probe) -> None:
    """Any mixture of layers stays within the error of the albedo tables and of the film's estimate."""
    table = random_rows(300)
    u = lattice(2048)
    rows = np.repeat(np.arange(len(table)), len(u))
    for mu in ANGLES:
        hits = probe(table, direction(mu), u=np.tile(u, (len(table), 1)), rows=rows)
        albedo = hits.weight().reshape(len(table), len(u), 3).mean(axis=1)
        assert albedo.max() < 1.05


def random_rows(count: int) -> NDArray[np.float32]:
    """Materials with every parameter drawn from its whole range, half of them at one of its ends."""
    rng = np.random.default_rng(7)
    table = rng.random((count, STRIDE)).astype(np.float32)
    ends = rng.random(table.shape) < 0.5
    table[ends] = np.round(table[ends])
    for name, low, high in (
        ("specular_weight", 0.0, 2.0),
        ("specular_ior", 1.0, 3.0),
        ("coat_ior", 1.0, 3.0),
        ("thin_film_ior", 1.0, 3.0),
        ("thin_film_thickness", 0.0, 5.0),
        ("specular_second_scale", 0.1, 10.0),
    ):
        table[:, OFFSET[name]] = low + (high - low) * table[:, OFFSET[name]]
    table[:, OFFSET["thin_walled"]] = rng.random(count) < 0.3
    return table


# --- sampling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MIXTURES)
def test_draws_follow_their_density(probe: Probe, name: str) -> None:
    """Chi-square of a million draws against the integral of the density, cell by cell and over the failures.

    Significance 0.01 for the whole file, shared by all materials and directions (Sidak).
    """
    from scipy import stats

    cosines = (0.95, 0.6, 0.25)
    level = 1.0 - (1.0 - 0.01) ** (1.0 / (len(cosines) * 2 * len(MIXTURES)))
    rng = np.random.default_rng(2024)
    for mu in cosines:
        for inside in (False, True)[: 1 + (MIXTURES[name].transmission_weight > 0.0)]:
            observed, expected = cells(probe, MIXTURES[name], direction(mu), rng.random((1_000_000, 3)), inside=inside)
            statistic, freedom = pooled(observed, expected)
            assert stats.chi2.sf(statistic, freedom) > level, (mu, inside, statistic, freedom)


def cells(
    probe: Probe, material: Material, wo: Array, u: Array, *, inside: bool, polar: int = 100, turns: int = 80
) -> tuple[Array, Array]:
    """Draws in each cell of a sphere cut along cosine and azimuth, and the number the density predicts there."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    z = ((np.arange(polar)[:, None] + 0.5 * (nodes + 1.0)) / polar * 2.0 - 1.0).ravel()
    phi = ((np.arange(turns)[:, None] + 0.5 * (nodes + 1.0)) / turns * 2.0 * np.pi).ravel()
    s = np.sqrt(1.0 - z * z)[:, None]
    grid = np.stack(np.broadcast_arrays(s * np.cos(phi), s * np.sin(phi), z[:, None]), axis=-1).reshape(-1, 3)
    pdf = probe([material], wo, grid, inside=inside).pdf.reshape(polar, 6, turns, 6)
    expected = np.einsum("aibj,i,j->ab", pdf, weights, weights) * (4.0 * np.pi / (polar * turns) / 4.0)
    hits = probe([material], wo, u=np.minimum(u, 1.0 - 1e-7), inside=inside)
    drawn = hits.drawn[(hits.lobe > 0) & (hits.lobe != BELOW)]
    turn = (np.arctan2(drawn[:, 1], drawn[:, 0]) / (2.0 * np.pi)) % 1.0
    observed, _, _ = np.histogram2d(drawn[:, 2], turn, bins=(polar, turns), range=((-1.0, 1.0), (0.0, 1.0)))
    predicted = expected.ravel() * len(u)
    return np.append(observed.ravel(), len(u) - len(drawn)), np.append(predicted, len(u) - predicted.sum())


def pooled(observed: Array, expected: Array) -> tuple[float, int]:
    """Chi-square statistic and degrees of freedom, with the rarest cells pooled until five draws are expected."""
    order = np.argsort(expected)
    running = np.cumsum(np.maximum(expected[order], 0.0))
    first = int(np.searchsorted(running, 5.0)) + 1
    o = np.concatenate([[observed[order[:first]].sum()], observed[order[first:]]])
    e = np.concatenate([[expected[order[:first]].sum()], expected[order[first:]]])
    keep = e > 0.0
    return float(((o[keep] - e[keep]) ** 2 / e[keep]).sum()), int(keep.sum()) - 1


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_drawing_and_integrating_agree(probe: Probe, inside: bool) -> None:
    """The albedo by drawing is the albedo by summing over the sphere, and no density exceeds 1 in all."""
    materials = [m for m in MIXTURES.values() if m.transmission_weight > 0.0 or not inside]
    polar, turns = 700, 300
    theta = (np.arange(polar)[:, None] + 0.5) / polar * np.pi
    phi = (np.arange(turns) + 0.5) / turns * 2.0 * np.pi
    s = np.sin(theta)
    wi = np.stack(np.broadcast_arrays(s * np.cos(phi), s * np.sin(phi), np.cos(theta)), axis=-1).reshape(-1, 3)
    area = np.repeat(s.ravel() * np.pi / polar * 2.0 * np.pi / turns, turns)
    drawn = furnace(probe, materials, count=32768, inside=inside)
    for row, material in enumerate(materials):
        for column, mu in enumerate(ANGLES[:4]):
            hits = probe([material], direction(mu), wi, inside=inside)
            summed = area @ hits.value
            np.testing.assert_allclose(drawn[row, column], summed, atol=0.004, err_msg=f"{row} {mu}")
            assert area @ hits.pdf < 1.002


def test_lobes_are_named_by_where_they_go(probe: Probe) -> None:
    u = lattice(4096)
    for material, inside in ((EVERYTHING, False), (EVERYTHING, True), (GLASS, True)):
        hits = probe([material], direction(0.5), u=u, inside=inside)
        assert (hits.drawn[np.isin(hits.lobe, (1, 2)), 2] > 0).all()
        assert (hits.drawn[hits.lobe == 3, 2] < 0).all()
    assert set(probe([LAMBERT], direction(0.5), u=u).lobe) == {1}
    assert set(probe([having(METAL, specular_roughness=0.1)], direction(0.9), u=u).lobe) == {2}


def test_black_surfaces_draw_nothing(probe: Probe) -> None:
    hits = probe([having(LAMBERT, base_color=(0.0, 0.0, 0.0))], direction(0.5), u=lattice(64))
    assert (hits.lobe == 0).all()
    assert (hits.pdf == 0).all()


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_every_parameter_and_direction_gives_finite_values(probe: Probe, inside: bool) -> None:
    table = random_rows(20_000)
    table[::10] = 3.0 * table[::10] - 1.0  # what a texture with gain and bias may do
    rng = np.random.default_rng(11)
    count = 400_000
    z = rng.choice([1.0, 1e-8, 1e-6, 1e-4, 1e-2, 0.3], count) * rng.choice([1.0, 0.7], count)
    phi = rng.choice([0.0, 0.5 * np.pi, 1.0, 2.0], count)
    s = np.sqrt(1.0 - z * z)
    wo = np.stack([s * np.cos(phi), s * np.sin(phi), z], axis=1)
    wi = hemisphere(count, sphere=True)
    wi[::4] = wo[::4] * (-1.0, -1.0, 1.0)  # the mirror, straight on and straight back
    wi[1::4] = -wo[1::4]
    wi[2::16] = wo[2::16]
    u = rng.random((count, 3))
    u[::3] = rng.choice([0.0, 0.5, 1.0 - 2.0**-24], u[::3].shape)
    for compensate in (0.0, 1.0):
        rows = rng.integers(0, len(table), count)
        hits = probe(table, wo, wi, u, rows=rows, inside=inside, compensate=compensate)
        for part in (hits.value, hits.pdf, hits.drawn_value, hits.drawn_pdf, hits.drawn, hits.albedo):
            assert np.isfinite(part).all()
        assert hits.value.min() >= 0
        assert (hits.pdf >= 0).all()
        assert ((hits.albedo >= 0) & (hits.albedo <= 1)).all()
        good = hits.lobe > 0
        np.testing.assert_allclose(np.linalg.norm(hits.drawn[good], axis=1), 1.0, atol=1e-5)
        lost = good & (hits.drawn_pdf == 0)  # by rounding, at the rim of a lobe
        assert lost.mean() < 0.01
        assert (hits.drawn_value[lost] == 0).all()
        assert hits.weight().max() < 200


# --- the shape of the lobes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lambert", "rough diffuse", "metal", "anisotropic metal", "film"])
def test_reflection_is_reciprocal(probe: Probe, name: str) -> None:
    a, b = hemisphere(4000)[::2], hemisphere(4000)[1::2][::-1]
    there = probe([MIXTURES[name]], a, b, compensate=0.0).value / b[:, 2:3]
    back = probe([MIXTURES[name]], b, a, compensate=0.0).value / a[:, 2:3]
    np.testing.assert_allclose(there, back, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("film", [0.0, 1.0], ids=["bare", "film"])
def test_refraction_is_reciprocal_up_to_the_index_squared(probe: Probe, film: float) -> None:
    glass = having(GLASS, specular_roughness=0.6, specular_ior=1.5, thin_film_weight=film)
    outside, within = hemisphere(4000)[::2], -hemisphere(4000)[1::2][::-1]
    down = probe([glass], outside, within, compensate=0.0).value / -within[:, 2:3]
    up = probe([glass], -within, -outside, inside=True, compensate=0.0).value / outside[:, 2:3]
    assert (down > 0).mean() > 0.15
    np.testing.assert_allclose(down, up * 1.5**2, rtol=2e-3, atol=1e-5)


def test_glass_bends_light_by_snell(probe: Probe) -> None:
    glass = having(GLASS, specular_roughness=0.0, specular_ior=1.5)
    for inside, ratio in ((False, 1.5), (True, 1.0 / 1.5)):
        wo = direction(0.85)
        hits = probe([glass], wo, u=lattice(512), inside=inside)
        bent = hits.drawn[hits.lobe == 3]
        assert len(bent) > 400
        sines = np.linalg.norm(bent[:, :2], axis=1)
        np.testing.assert_allclose(np.median(sines) * ratio, np.sqrt(1.0 - 0.85**2), atol=2e-3)
    assert set(probe([glass], direction(0.5), u=lattice(512), inside=True).lobe) == {2}  # total reflection


def test_a_film_without_thickness_is_no_film(probe: Probe) -> None:
    wi = hemisphere(500)
    for inside in (False, True):
        bare = probe([having(GLASS, specular_roughness=0.5)], direction(0.6), wi, inside=inside)
        film = having(GLASS, specular_roughness=0.5, thin_film_weight=1.0, thin_film_thickness=0.0)
        filmed = probe([film], direction(0.6), wi, inside=inside)
        np.testing.assert_allclose(filmed.value, bare.value, rtol=2e-3, atol=2e-5)


def test_a_film_shows_the_colours_of_its_thickness(probe: Probe) -> None:
    """A quarter wave of matching index between air and glass reflects least at its own colour."""
    film = having(GLASS, specular_roughness=0.1, thin_film_weight=1.0, thin_film_ior=1.5**0.5)
    for thickness, channel in ((0.605, 0), (0.545, 1), (0.455, 2)):
        quarter = having(film, thin_film_thickness=thickness / 4.0 / 1.5**0.5)
        red_green_blue = probe([quarter], direction(1.0), direction(1.0)).value[0]
        bare = probe([having(film, thin_film_weight=0.0)], direction(1.0), direction(1.0)).value[0]
        assert np.argmin(red_green_blue) == channel
        assert red_green_blue[channel] < 0.15 * bare[channel]


def test_a_coat_tints_what_is_under_it_once_down_and_once_up(probe: Probe) -> None:
    tint = np.array((0.8, 0.5, 0.2))
    plain = having(COAT, coat_darkening=0.0, base_color=(0.5, 0.5, 0.5))
    up = direction(1.0)
    slightly = direction(0.9999)
    ratio = probe([having(plain, coat_color=tuple(tint))], up, slightly).diffuse / probe([plain], up, slightly).diffuse
    np.testing.assert_allclose(ratio[0], tint, rtol=1e-3)


def test_metal_is_tinted_at_82_degrees(probe: Probe) -> None:
    """At mu = 1/7 the reflectance is Schlick's times the tint (OpenPBR, "Metal")."""
    mu = 1.0 / 7.0
    base, tint = np.array((0.9, 0.6, 0.3)), np.array((0.9, 0.5, 0.7))
    metal = having(METAL, specular_roughness=0.05, base_color=tuple(base))
    wo, mirror = direction(mu), direction(mu) * (-1.0, -1.0, 1.0)
    white = probe([having(METAL, specular_roughness=0.05)], wo, mirror, compensate=1.0).value
    dark = probe([having(metal, specular_color=tuple(tint))], wo, mirror, compensate=1.0).value
    schlick = base + (1.0 - base) * (6.0 / 7.0) ** 5
    np.testing.assert_allclose((dark / white)[0], tint * schlick, rtol=0.02)


def test_stored_albedos_are_those_of_the_lobes() -> None:
    table = lobe_energy.build()
    assert table.shape == (lobe_energy.SIZE,)
    rows, columns = lobe_energy.ROUGHNESS, lobe_energy.COSINE
    mirror = table[: lobe_energy.DIELECTRIC].reshape(rows, columns)
    fuzz = table[lobe_energy.FUZZ : lobe_energy.STRETCHED].reshape(lobe_energy.COARSE, columns)
    gloss = table[lobe_energy.DIELECTRIC : lobe_energy.GLASS_IN].reshape(-1, rows, columns)
    for r, c in ((0, 31), (5, 10), (12, 20), (23, 4)):
        mu = (c / (columns - 1)) ** 2
        assert mirror[r, c] == pytest.approx(lobe_energy.mirror_albedo(r / (rows - 1), mu), abs=1e-4)
        soft = lobe_energy.MIN_FUZZ_ROUGHNESS
        r_fuzz = soft + (1.0 - soft) * r / (lobe_energy.COARSE - 1)
        assert fuzz[r, c] == pytest.approx(lobe_energy.fuzz_albedo(r_fuzz, mu), abs=1e-4)
        e = (7 / (lobe_energy.REFLECTIVITY - 1)) ** 2 * lobe_energy.MAX_E
        eta = np.array([(1.0 + e) / (1.0 - e)])
        reflected, _ = lobe_energy.dielectric_albedo(r / (rows - 1), mu, eta)
        assert gloss[7, r, c] == pytest.approx(reflected[0], abs=1e-4)


# --- Mitsuba ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mitsuba() -> ModuleType:
    mi = pytest.importorskip("mitsuba", reason="mitsuba is not installed (dev extra)")
    mi.set_variant("scalar_rgb")
    return mi


def mitsuba_values(mi: ModuleType, bsdf: Any, wo: Array, wi: Array) -> Array:
    """f cos of a Mitsuba BSDF in the local frame; what it calls wi is the direction of the eye."""
    context, hit = mi.BSDFContext(), mi.SurfaceInteraction3f()
    values = []
    for eye, light in zip(wo, wi, strict=True):
        hit.wi = [float(c) for c in eye]
        values.append(np.array(bsdf.eval(context, hit, [float(c) for c in light])))
    return np.array(values)


@pytest.mark.parametrize(("roughness", "anisotropy"), [(0.2, 0.0), (0.5, 0.0), (0.9, 0.0), (0.6, 0.7)])
def test_bare_metal_is_mitsubas_roughconductor(
    probe: Probe, mitsuba: ModuleType, roughness: float, anisotropy: float
) -> None:
    k = 1.0 - anisotropy
    along = roughness**2 * (2.0 / (1.0 + k * k)) ** 0.5
    theirs = mitsuba.load_dict(
        {
            "type": "roughconductor",
            "distribution": "ggx",
            "material": "none",
            "alpha_u": along,
            "alpha_v": k * along,
            "specular_reflectance": {"type": "rgb", "value": [0.9, 0.6, 0.3]},
        }
    )
    metal = having(
        METAL,
        base_color=(0.9, 0.6, 0.3),
        specular_roughness=roughness,
        specular_roughness_anisotropy=anisotropy,
    )
    wo, wi = hemisphere(400)[::2], hemisphere(400)[1::2][::-1]
    ours = probe([metal], wo, wi, compensate=0.0, separable=1.0).value
    np.testing.assert_allclose(ours, mitsuba_values(mitsuba, theirs, wo, wi), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("roughness", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_bare_glass_is_mitsubas_roughdielectric(
    probe: Probe, mitsuba: ModuleType, roughness: float, inside: bool
) -> None:
    """Mitsuba scales transmitted radiance by the index squared; this tracer carries radiance over that square."""
    theirs = mitsuba.load_dict(
        {"type": "roughdielectric", "distribution": "ggx", "alpha": roughness**2, "int_ior": 1.5, "ext_ior": 1.0}
    )
    glass = having(GLASS, specular_roughness=roughness, specular_ior=1.5)
    wo, wi = hemisphere(600)[::2], hemisphere(600, sphere=True)[1::2][::-1]
    ours = probe([glass], wo, wi, inside=inside, compensate=0.0, separable=1.0).value
    side = -1.0 if inside else 1.0
    expected = mitsuba_values(mitsuba, theirs, wo * side, wi * side)
    expected[wi[:, 2] < 0] *= (1.0 / 1.5 if inside else 1.5) ** 2
    np.testing.assert_allclose(ours, expected, rtol=5e-3, atol=1e-5)
