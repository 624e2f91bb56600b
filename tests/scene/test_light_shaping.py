"""What shapes a light: columns of the packed form mean what the layout says of them, and lumens stay lumens."""

from __future__ import annotations

import numpy as np
import pytest

from studio.scene.geometry import make_image
from studio.scene.light_shaping import PROFILE_COLUMNS, PROFILE_ROWS
from studio.scene.lights import KINDS, SHADOW_LINKED, Light, pack
from studio.scene.photometry import grid_share, units_of
from studio.scene.schema import fields

DOWN = np.radians(np.linspace(0.0, 180.0, PROFILE_ROWS))


def profile_of(shape):
    """A profile image of a function of the angle from the axis."""
    values = np.array([shape(a) for a in DOWN], np.float32)
    return make_image(np.repeat(values[:, None] / values.max(), PROFILE_COLUMNS, axis=1), colour_space="data")


LOBE = profile_of(lambda a: max(np.cos(a), 0.0) ** 2)


def row(*, image=LOBE, **fields):
    light = Light(id="l", **fields)
    return pack([light], images={image.key: 0, "gobo": 3}, groups={}, textures=(image,))[0]


def emission(**fields):
    return float(row(**fields)["emission"][0])


# --- units -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["point", "spot", "rectangle", "disk", "sphere", "cylinder"])
def test_a_watt_is_683_lumens(kind):
    watts = emission(light=kind, unit="W", intensity=2.0)
    assert watts == pytest.approx(emission(light=kind, unit="lm", intensity=2.0 * 683.0), rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "area"),
    [("rectangle", 6.0), ("disk", np.pi / 4), ("sphere", np.pi), ("cylinder", 2 * np.pi * 0.5 * 4.0)],
)
def test_normalising_divides_nits_by_the_area(kind, area):
    size = {"width_m": 2.0, "height_m": 3.0, "radius_m": 0.5, "length_m": 4.0}
    assert emission(light=kind, unit="nt", intensity=9.0, normalize=True, **size) == pytest.approx(9.0 / area)
    lumens = emission(light=kind, unit="lm", intensity=9.0, **size)
    assert emission(light=kind, unit="lm", intensity=9.0, normalize=True, **size) == pytest.approx(lumens)


# --- grids -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("spread", [10.0, 60.0, 120.0, 179.0, 180.0])
def test_lumens_leave_through_the_grid(spread):
    panel = row(light="rectangle", unit="lm", intensity=1000.0, spread_deg=spread, width_m=0.5, height_m=0.5)
    a = np.linspace(0.0, np.pi / 2 - 1e-9, 400_001)
    through = np.maximum(0.0, 1.0 - float(panel["spread"]) * np.tan(a)) * np.cos(a) * np.sin(a)
    flux = float(panel["emission"][0]) * 0.25 * 2 * np.pi * float(np.trapezoid(through, a))
    assert flux == pytest.approx(1000.0, rel=1e-4)


def test_no_grid_takes_nothing_and_leaves_nits_alone():
    assert float(grid_share(np.array(np.pi / 2))) == pytest.approx(np.pi)
    assert row(light="disk", unit="nt")["spread"] == 0
    assert emission(light="disk", unit="nt", intensity=5.0, spread_deg=30.0) == pytest.approx(5.0)
    assert row(light="sphere", unit="nt", spread_deg=30.0)["spread"] == 0


# --- profiles --------------------------------------------------------------------------------------------------------
def test_lumens_of_a_profile_are_its_integral():
    assert emission(light="point", radius_m=0.0, unit="lm", intensity=2 * np.pi / 3, ies=LOBE.key) == pytest.approx(
        1.0, rel=1e-3
    )
    assert emission(light="point", radius_m=0.0, unit="cd", intensity=7.0, ies=LOBE.key) == pytest.approx(7.0)


def test_a_spots_lumens_are_those_of_profile_times_cone():
    spot = row(light="spot", unit="lm", intensity=500.0, inner_cone_deg=20.0, outer_cone_deg=35.0, ies=LOBE.key)
    inner, outer = spot["cone"].astype(np.float64)
    c = np.linspace(outer, 1.0, 200_001)
    weight = np.clip((c - outer) / (inner - outer), 0, 1) ** 2 * c**2
    flux = float(spot["emission"][0]) * 2 * np.pi * float(np.trapezoid(weight, c))
    assert flux == pytest.approx(500.0, rel=1e-3)


def test_a_point_with_a_radius_keeps_its_profile_as_a_sphere():
    ball = row(light="point", unit="cd", radius_m=0.2, ies=LOBE.key)
    assert ball["kind"] == KINDS["sphere"] and ball["profile"] == 0
    assert row(light="sphere", unit="nt", ies=LOBE.key)["profile"] == -1


def test_a_picture_is_no_profile():
    picture = make_image(np.zeros((4, 4, 3), np.uint8))
    assert row(light="point", ies=picture.key, image=picture)["profile"] == -1


# --- gobos -----------------------------------------------------------------------------------------------------------
def gobo_at(spot, x, y):
    a, b, c, d = spot["gobo_turn"]
    return 0.5 + a * x + b * y, 0.5 - (c * x + d * y)


def test_a_gobo_spans_the_square_around_the_cone():
    spot = row(light="spot", gobo="gobo", outer_cone_deg=30.0)
    edge = np.tan(np.radians(30.0))
    assert spot["gobo"] == 3
    assert gobo_at(spot, edge, edge) == pytest.approx((1.0, 0.0), abs=1e-6)
    assert gobo_at(spot, -edge, 0.0) == pytest.approx((0.0, 0.5), abs=1e-6)
    twice = row(light="spot", gobo="gobo", outer_cone_deg=30.0, gobo_scale=2.0)
    assert gobo_at(twice, edge, 0.0) == pytest.approx((0.75, 0.5))


def test_a_gobo_turns_counter_clockwise_as_the_lamp_sees_it():
    spot = row(light="spot", gobo="gobo", outer_cone_deg=45.0, gobo_rotation_deg=90.0)
    assert gobo_at(spot, 0.0, 1.0) == pytest.approx((1.0, 0.5), abs=1e-6)  # the image's right side is up now
    assert row(light="point", gobo="gobo")["gobo"] == -1


# --- barn doors ------------------------------------------------------------------------------------------------------
def test_open_doors_are_none():
    assert not row(light="spot")["barn"].any()
    assert row(light="spot")["barn_soft"] == 0


def test_doors_are_tangents_left_right_bottom_top():
    spot = row(light="spot", barn_left_deg=45.0, barn_top_deg=-30.0, barn_softness_deg=10.0)
    left, right, bottom, top = spot["barn"]
    assert left == pytest.approx(1.0)
    assert right == bottom == pytest.approx(1e6)
    assert top == pytest.approx(-np.tan(np.radians(30.0)))
    assert spot["barn_soft"] == pytest.approx(np.tan(np.radians(10.0)))


def test_doors_shut_on_the_axis_are_not_taken_for_none():
    shut = dict.fromkeys(("barn_left_deg", "barn_right_deg", "barn_top_deg", "barn_bottom_deg"), 0.0)
    spot = row(light="spot", barn_softness_deg=0.0, **shut)
    assert spot["barn"].all() and abs(spot["barn"]).max() < 1e-5
    assert spot["barn_soft"] > 0


def test_only_lamps_that_can_wear_doors_have_them():
    assert row(light="disk", unit="nt", barn_left_deg=10.0)["barn"].any()
    assert not row(light="point", barn_left_deg=10.0)["barn"].any()


# --- the rest --------------------------------------------------------------------------------------------------------
def test_shadow_colour_is_kept_between_nothing_and_all():
    assert row(shadow_color=(0.25, 2.0, -1.0))["shadow_color"].tolist() == [0.25, 1.0, 0.0]
    assert not row()["shadow_color"].any()
    assert not row()["flags"] & SHADOW_LINKED


def test_a_portal_has_a_size_and_no_light():
    portal = row(light="portal", unit="nt", intensity=5.0, width_m=2.0, height_m=3.0)
    assert portal["kind"] == KINDS["portal"]
    assert portal["size"].tolist() == [2.0, 3.0]
    assert not portal["emission"].any()


def test_numbers_that_are_none_leave_no_nan():
    nan = float("nan")
    for kind in ("spot", "rectangle"):
        wild = row(
            light=kind, unit="W", gobo="gobo", gobo_scale=nan, gobo_rotation_deg=nan, barn_left_deg=nan,
            barn_softness_deg=nan, spread_deg=nan, shadow_color=(nan, nan, nan),
        )  # fmt: skip
        for name in ("emission", "gobo_turn", "barn", "barn_soft", "spread", "shadow_color"):
            assert np.isfinite(wild[name]).all(), name


def test_many_lights_are_packed_as_one_by_one():
    lights = [
        Light(
            id=str(i),
            light=("spot", "point", "rectangle", "disk", "portal")[i % 5],
            unit=("lm", "W", "lm", "W", "nt")[i % 5],
            radius_m=0.1 * (i % 3),
            ies=LOBE.key if i % 2 else "",
            spread_deg=180.0 - i,
            barn_left_deg=90.0 - i,
            normalize=bool(i % 3),
        )
        for i in range(60)
    ]
    together = pack(lights, images={LOBE.key: 0}, groups={}, textures=(LOBE,))
    for light, packed in zip(lights, together, strict=True):
        alone = pack([light], images={LOBE.key: 0}, groups={}, textures=(LOBE,))[0]
        assert alone.tobytes() == packed.tobytes()


def test_an_image_is_for_the_kinds_that_offer_it():
    kinds = [kind for kind in fields(Light)["light"].spec.choices if kind != "portal"]
    rows = pack(
        [Light(light=kind, unit=units_of(kind)[0], image="sky") for kind in kinds], images={"sky": 0}, groups={}
    )
    offered = fields(Light)["image"].spec.only
    assert [kind for kind, row in zip(kinds, rows, strict=True) if row["image"] >= 0] == [
        k for k in kinds if k in offered
    ]
