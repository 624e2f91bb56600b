"""Materials: the packed rows and slots that both renderers read."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from studio.scene.materials import (
    DEFAULT,
    OFFSET,
    SLOT_STRIDE,
    SLOTS,
    STRIDE,
    Material,
    Texture,
    emissive,
    pack,
    pack_slots,
)


def packed(**fields):
    return pack([Material(id="m", **fields)])[0]


def slot(**fields):
    material = Material(id="m", textures={"base_color": Texture(image="wood", **fields)})
    return pack_slots([material], {"wood": 4}, lambda key: "srgb")[0]


def test_every_parameter_lies_at_its_offset():
    material = Material(
        specular_roughness=0.25, coat_color=(0.1, 0.2, 0.3), specular_rotation_deg=90.0, double_sided=True
    )
    row = pack([DEFAULT, material])[1]
    assert row.shape == (STRIDE,)
    assert row[OFFSET["specular_roughness"]] == 0.25
    np.testing.assert_allclose(row[OFFSET["coat_color"] :][:3], [0.1, 0.2, 0.3], rtol=1e-6)
    assert row[OFFSET["specular_rotation"]] == pytest.approx(np.pi / 2)
    assert row[OFFSET["double_sided"]] == 1


def test_base_colour_is_multiplied_by_its_weight_and_emission_by_its_luminance():
    row = packed(base_weight=0.5, base_color=(1.0, 0.5, 0.0), emission_luminance=100.0, emission_color=(1.0, 0.5, 0.0))
    assert row[OFFSET["base_color"] :][:3].tolist() == [0.5, 0.25, 0.0]
    assert row[OFFSET["emission"] :][:3].tolist() == [100.0, 50.0, 0.0]


def test_alpha_modes_have_their_codes():
    assert [packed(alpha_mode=m)[OFFSET["alpha_mode"]] for m in ("opaque", "mask", "blend")] == [0, 1, 2]


def test_numbers_that_are_not_finite_become_the_defaults():
    row = packed(
        specular_roughness=float("nan"), emission_luminance=float("inf"), base_color=(float("nan"), 0.5, 1e300)
    )
    assert np.isfinite(row).all()
    assert row[OFFSET["specular_roughness"]] == np.float32(0.3)
    np.testing.assert_allclose(row[OFFSET["base_color"] :][:3], [0.8, 0.5, 0.8], rtol=1e-6)


def test_only_materials_with_emission_emit():
    rows = pack(
        [DEFAULT, Material(emission_luminance=1.0), Material(emission_luminance=1.0, emission_color=(0.0, 0.0, 0.0))]
    )
    assert emissive(rows).tolist() == [False, True, False]


def test_slots_of_materials_lie_together_where_their_rows_say():
    a = Material(id="a", textures={"geometry_normal": Texture(image="n"), "base_color": Texture(image="c")})
    b = Material(id="b", textures={"nonsense": Texture(image="c")})
    c = Material(id="c", textures={"bump": Texture(image="gone")})
    materials = [a, b, c]
    slots = pack_slots(materials, {"n": 0, "c": 1}, lambda key: "srgb")
    rows = pack(materials, slots)
    assert slots.shape == (3, SLOT_STRIDE)
    assert rows[:, OFFSET["slot_start"]].tolist() == [0, 2, 2]
    assert rows[:, OFFSET["slot_count"]].tolist() == [2, 0, 1]
    assert slots[:, 0].tolist() == [SLOTS["base_color"], SLOTS["geometry_normal"], SLOTS["bump"]]
    assert slots[:, 1].tolist() == [1, 0, -1]


def test_only_colours_are_read_in_a_colour_space():
    material = Material(
        textures={n: Texture(image="i") for n in ("base_color", "specular_roughness", "geometry_normal")}
    )
    spaces = pack_slots([material], {"i": 0}, lambda key: "srgb")[:, 7]
    assert spaces.tolist() == [1, 0, 0]


def test_a_slot_says_channel_wrap_filter_gain_and_bias():
    s = slot(channel="b", wrap_u="mirror", wrap_v="clamp", filter="nearest", uv=1, gain=2.0, bias=-1.0)
    assert s[:10].tolist() == [SLOTS["base_color"], 4, 1, 2, 1, 2, 0, 1, 2.0, -1.0]


def test_uv_transforms_are_scale_then_turn_then_offset():
    m = slot(offset=(0.5, 0.25), rotation_deg=90.0, scale=(2.0, 3.0))[10:].reshape(2, 3)
    # u = 1 is scaled to 2, and turned counter-clockwise (v runs down) it points up the image
    np.testing.assert_allclose(m @ [1, 0, 1], [0.5, 0.25 - 2.0], atol=1e-6)
    np.testing.assert_allclose(m @ [0, 1, 1], [0.5 + 3.0, 0.25], atol=1e-6)


def test_no_materials_make_no_rows():
    assert pack([]).shape == (0, STRIDE)
    assert pack_slots([], {}, lambda key: "srgb").shape == (0, SLOT_STRIDE)


def test_every_textured_parameter_has_a_slot_that_is_one_of_its_own():
    assert len(set(SLOTS.values())) == len(SLOTS)
    named = {f.name for f in msgspec.structs.fields(Material)}
    assert {n for n in SLOTS if n not in named} == {
        "geometry_normal",
        "geometry_coat_normal",
        "bump",
        "specular_rotation",
        *(f"wrinkle_{number}_{what}" for number in (1, 2, 3) for what in ("normal", "color")),
    }
