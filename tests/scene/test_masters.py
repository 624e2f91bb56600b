"""Masters of groups multiply the light of all that hangs below, lamps and glowing objects alike."""

from __future__ import annotations

import numpy as np
import pytest

from studio.scene.animation import make_curve
from studio.scene.entities import Group, MeshObject
from studio.scene.flatten import flatten
from studio.scene.lights import KINDS, Light
from studio.scene.materials import OFFSET, Material
from tests.scene.rigs import scene_of, square


def stage(**master):
    mesh = square()
    return scene_of(
        mesh,
        Group(id="rig", **master),
        Group(id="bank", parent="rig"),
        Light(id="lamp", parent="bank", light="sphere", unit="nt", intensity=8.0),
        Light(id="other", light="sphere", unit="nt", intensity=8.0),
        MeshObject(id="tube", parent="bank", mesh=mesh.key, materials=("glow", "wood")),
        MeshObject(id="sign", mesh=mesh.key, materials=("glow", "wood")),
        Material(id="glow", emission_luminance=50.0),
        Material(id="wood"),
    )


def brightness(flat):
    """Emission of every light by its name."""
    return {flat.light_names[row["entity"]]: row["emission"].tolist() for row in flat.lights}


def test_a_master_multiplies_lamps_and_glowing_objects_below_it():
    lit = brightness(flatten(stage(exposure=1.0, tint=(1.0, 0.5, 0.0)), 1.0))
    assert lit["lamp"] == [16.0, 8.0, 0.0]
    assert lit["tube"] == [100.0, 50.0, 0.0]
    assert lit["other"] == [8.0] * 3 and lit["sign"] == [50.0] * 3


def test_masters_multiply_down_the_tree():
    scene = stage(exposure=1.0).replace("bank", exposure=-3.0)
    assert brightness(flatten(scene, 1.0))["lamp"] == [2.0] * 3
    assert brightness(flatten(scene, 1.0))["tube"] == [12.5] * 3


def test_objects_alike_share_one_twin_of_their_material():
    plain, dimmed = flatten(stage(), 1.0), flatten(stage(exposure=1.0), 1.0)
    assert len(dimmed.materials) == len(plain.materials) + 1
    assert dimmed.material_names[-1] == "material"
    at = OFFSET["emission"]
    np.testing.assert_array_equal(dimmed.materials[-1, at : at + 3], 100.0)
    np.testing.assert_array_equal(dimmed.materials[: len(plain.materials)], plain.materials)
    many = stage(exposure=1.0)
    for i in range(20):
        many = many.add(MeshObject(id=f"t{i}", parent="bank", mesh=next(iter(many.meshes)), materials=("glow", "")))
    assert len(flatten(many, 1.0).materials) == len(dimmed.materials)


def test_a_master_of_nothing_puts_all_out_without_a_word():
    flat = flatten(stage(tint=(0.0, 0.0, 0.0)), 1.0)
    assert set(brightness(flat)) == {"other", "sign"}
    assert not [w for w in flat.warnings if "Left out" in w]


@pytest.mark.parametrize("master", [{"exposure": 5000.0}, {"exposure": float("nan")}, {"tint": (float("inf"),) * 3}])
def test_a_master_that_is_no_usable_number_is_told_and_leaves_no_nan(master):
    flat = flatten(stage(**master), 1.0)
    assert set(brightness(flat)) == {"other", "sign"}
    assert any("usable number" in w for w in flat.warnings)
    assert np.isfinite(flat.lights["emission"]).all() and np.isfinite(flat.materials).all()


def test_solo_silences_what_a_master_dims():
    flat = flatten(stage(exposure=1.0).replace("other", solo=True), 1.0)
    assert set(brightness(flat)) == {"other"}


def test_a_fader_that_moves_rewrites_lights_and_materials_and_nothing_else():
    scene = stage(exposure=1.0)
    flat = flatten(scene, 1.0)
    after = flatten(scene.replace("rig", exposure=2.0), 1.0, previous=flat)
    assert brightness(after)["tube"] == [200.0] * 3
    for name in ("instances", "instance_materials", "material_names", "meshes", "light_names", "light_links"):
        assert getattr(after, name) is getattr(flat, name), name


def test_a_keyed_master_moves_with_time():
    scene = stage()
    from dataclasses import replace

    scene = replace(scene, tracks={"rig.exposure": make_curve([1, 3], [0.0, 2.0])})
    flat = flatten(scene, 1.0)
    for frame, stops in ((1.0, 0.0), (3.0, 2.0)):
        flat = flatten(scene, frame, previous=flat)
        assert brightness(flat)["lamp"] == [8.0 * 2**stops] * 3
        assert brightness(flat)["tube"] == [50.0 * 2**stops] * 3


def test_mesh_rows_of_dimmed_objects_stay_mesh_lights():
    flat = flatten(stage(exposure=1.0), 1.0)
    assert sorted(flat.lights["kind"].tolist()) == [KINDS["sphere"]] * 2 + [KINDS["mesh"]] * 2
