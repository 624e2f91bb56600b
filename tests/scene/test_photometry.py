"""Photometry: lumens, candela, nits and lux mean what they say, for every kind of light."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene.lights import CASTS_SHADOWS, KINDS, SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS, TWO_SIDED, Light, pack
from studio.scene.photometry import LUMINANCE, blackbody, units_of
from studio.scene.schema import validate


def row(**fields):
    return pack([Light(id="l", **fields)], images={"hdri": 3}, groups={"": 0, "keys": 1})[0]


def emission(**fields):
    return float(row(**fields)["emission"][0])


def test_a_point_of_4_pi_lumens_is_one_candela():
    assert emission(light="point", unit="lm", intensity=4 * np.pi, radius_m=0.0) == pytest.approx(1.0)


def test_a_point_with_a_radius_is_a_sphere_of_the_same_intensity():
    sphere = row(light="point", unit="cd", intensity=7.0, radius_m=0.25)
    assert sphere["kind"] == KINDS["sphere"]
    assert sphere["size"][0] == np.float32(0.25)
    assert sphere["emission"][0] * np.pi * 0.25**2 == pytest.approx(7.0)


def test_the_lumens_of_a_spot_are_its_intensity_integrated_over_the_cone():
    spot = row(light="spot", unit="lm", intensity=500.0, inner_cone_deg=20.0, outer_cone_deg=35.0)
    inner, outer = spot["cone"].astype(np.float64)
    c = np.linspace(outer, 1.0, 200_001)
    falloff = np.clip((c - outer) / (inner - outer), 0, 1) ** 2
    flux = float(spot["emission"][0]) * 2 * np.pi * float(np.trapezoid(falloff, c))
    assert flux == pytest.approx(500.0, rel=1e-5)


def test_an_inner_cone_wider_than_the_outer_still_falls_from_one_to_nothing():
    inner, outer = row(light="spot", inner_cone_deg=60.0, outer_cone_deg=30.0)["cone"]
    assert 1.0 >= inner > outer


@pytest.mark.parametrize(
    ("kind", "area", "seen"),
    [
        ("rectangle", 6.0, 6.0),
        ("disk", np.pi * 0.25, np.pi * 0.25),
        ("sphere", 4 * np.pi * 0.25, np.pi * 0.25),
        ("cylinder", 2 * np.pi * 0.5 * 4.0, 2 * 0.5 * 4.0),
    ],
)
def test_area_lights_convert_lumens_and_candela_to_nits(kind, area, seen):
    size = {"width_m": 2.0, "height_m": 3.0, "radius_m": 0.5, "length_m": 4.0}
    assert emission(light=kind, unit="nt", intensity=9.0, **size) == pytest.approx(9.0)
    assert emission(light=kind, unit="lm", intensity=np.pi * area, **size) == pytest.approx(1.0)
    assert emission(light=kind, unit="cd", intensity=seen, **size) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["rectangle", "disk"])
def test_the_lumens_of_a_two_sided_light_are_shared_by_its_sides(kind):
    one = emission(light=kind, unit="lm", intensity=100.0)
    assert emission(light=kind, unit="lm", intensity=100.0, two_sided=True) == pytest.approx(one / 2)
    assert emission(light=kind, unit="nt", intensity=100.0, two_sided=True) == pytest.approx(100.0)
    assert row(light=kind, unit="nt", two_sided=True)["flags"] & TWO_SIDED


def test_a_spheres_two_sides_are_none():
    assert not row(light="sphere", unit="nt", two_sided=True)["flags"] & TWO_SIDED


def test_distant_is_lux_and_dome_is_nits():
    sun = row(light="distant", unit="lx", intensity=1e5, angle_deg=0.53)
    assert sun["emission"][0] == pytest.approx(1e5)
    assert sun["size"][0] == pytest.approx(np.radians(0.53))
    assert row(light="dome", unit="nt", intensity=2.0, image="hdri")["image"] == 3


def test_exposure_is_in_stops():
    assert emission(light="dome", unit="nt", intensity=3.0, exposure=2.0) == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("kind", "unit"),
    [("point", "lx"), ("distant", "W"), ("rectangle", "lx"), ("distant", "cd"), ("dome", "lm"), ("mesh", "nt")],
)
def test_units_that_do_not_fit_the_kind_are_refused_by_name(kind, unit):
    light = Light(id="l", name="Practical", light=kind, unit=unit)
    for check in (lambda: pack([light], images={}, groups={}), lambda: validate(light)):
        with pytest.raises(BadAsset, match="Practical"):
            check()


def test_every_kind_has_a_natural_unit():
    assert {kind: units_of(kind)[0] for kind in KINDS if kind != "mesh"} == {
        "point": "cd",
        "spot": "cd",
        "rectangle": "nt",
        "disk": "nt",
        "sphere": "nt",
        "cylinder": "nt",
        "distant": "lx",
        "dome": "nt",
        "portal": "nt",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"light": "disk", "unit": "lm", "radius_m": 0.0},
        {"light": "rectangle", "unit": "cd", "width_m": 0.0},
        {"light": "point", "exposure": 1e9},
        {"light": "point", "intensity": float("nan")},
        {"light": "point", "intensity": 0.0},
        {"light": "point", "color": (float("inf"), 0.0, 0.0)},
    ],
)
def test_what_cannot_shine_has_no_emission_and_no_nan(fields):
    assert not row(**fields)["emission"].any()


def test_switches_become_flags_and_gains_stay():
    light = row(casts_shadows=False, seen_by_camera=False, diffuse_gain=0.5, specular_gain=2.0, group="keys")
    assert not light["flags"] & (CASTS_SHADOWS | SEEN_BY_CAMERA)
    assert light["flags"] & SEEN_IN_REFLECTIONS
    assert light["gain"].tolist() == [0.5, 2.0]
    assert light["group"] == 1


def kim_locus(t):
    """x, y of the Planckian locus between 1667 K and 25000 K (Kim et al., US patent 7024034, 2002)."""
    near = t < 4000
    x = np.where(
        near,
        -0.2661239e9 / t**3 - 0.2343589e6 / t**2 + 0.8776956e3 / t + 0.179910,
        -3.0258469e9 / t**3 + 2.1070379e6 / t**2 + 0.2226347e3 / t + 0.240390,
    )
    y = np.select(
        [t < 2222, near],
        [
            -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683,
            -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867,
        ],
        3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483,
    )
    return x, y


def test_black_bodies_have_luminance_one_and_lie_on_the_planckian_locus():
    t = np.linspace(2300.0, 25000.0, 300)
    rgb = blackbody(t)
    np.testing.assert_allclose(rgb @ LUMINANCE, 1.0, atol=1e-3)
    xyz = rgb @ np.linalg.inv([[3.2404542, -1.5371385, -0.4985314], [-0.969266, 1.8760108, 0.041556],
                               [0.0556434, -0.2040259, 1.0572252]]).T  # fmt: skip
    x, y = kim_locus(t)
    np.testing.assert_allclose(xyz[:, 0] / xyz.sum(axis=1), x, atol=0.004)
    np.testing.assert_allclose(xyz[:, 1] / xyz.sum(axis=1), y, atol=0.004)


def test_temperature_tints_but_does_not_brighten():
    white = row(light="dome", unit="nt", intensity=10.0)["emission"]
    warm = row(light="dome", unit="nt", intensity=10.0, use_temperature=True, temperature_k=2700.0)["emission"]
    assert warm @ LUMINANCE == pytest.approx(float(white @ LUMINANCE), rel=1e-3)
    assert warm[0] > warm[1] > warm[2] > 0


def test_temperatures_beyond_the_range_are_its_ends():
    np.testing.assert_array_equal(blackbody(np.array([10.0, 1e9])), blackbody(np.array([1000.0, 40000.0])))
