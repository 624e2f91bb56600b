"""Presets and metals: every value is one that a material may have, and metals are those of the books."""

from __future__ import annotations

import pytest

from studio.errors import UsageError
from studio.scene import material_edits
from studio.scene.entities import MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.material_presets import KINDS, preset, presets
from studio.scene.materials import Material, pack
from studio.scene.metals import METALS, metal_colors
from studio.scene.scene import Scene
from studio.scene.schema import validate


def test_every_preset_is_a_sound_material() -> None:
    assert len(presets()) > 30
    for entry in presets().values():
        validate(entry.material)
        assert entry.kind in KINDS and entry.material.name == entry.name
    assert len(pack([entry.material for entry in presets().values()])) == len(presets())
    assert len({entry.name for entry in presets().values()}) == len(presets())


def test_every_kind_has_presets() -> None:
    assert {entry.kind for entry in presets().values()} == set(KINDS)


@pytest.mark.parametrize(
    ("metal", "expected"),
    [  # reflectance at normal incidence, linear Rec.709, as published for rendering (Hoffman, SIGGRAPH 2010 course)
        ("gold", (1.022, 0.782, 0.344)),
        ("silver", (0.972, 0.960, 0.915)),
        ("copper", (0.955, 0.638, 0.538)),
        ("aluminium", (0.913, 0.922, 0.924)),
        ("chromium", (0.549, 0.556, 0.554)),
        ("titanium", (0.542, 0.497, 0.449)),
        ("iron", (0.562, 0.565, 0.578)),
    ],
)
def test_metals_reflect_as_published(metal: str, expected: tuple[float, float, float]) -> None:
    """Other measurements than ours, hence within 0.1."""
    base, edge = metal_colors(metal)
    assert base == pytest.approx(tuple(min(v, 1.0) for v in expected), abs=0.1)
    assert all(0.6 < v <= 1.0 for v in edge)
    assert metal in METALS


def test_an_unknown_preset_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="gold"):
        preset("unobtainium")


def test_unused_materials_go_and_worn_ones_stay() -> None:
    mesh = make_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    scene = Scene().add(
        mesh, Material(id="worn"), Material(id="spare"), MeshObject(id="o", mesh=mesh.key, materials=("worn",))
    )
    assert material_edits.unused(scene) == ("spare",)
    assert list(material_edits.remove_unused(scene).materials) == ["worn"]


def test_a_pasted_material_gets_a_name_and_an_id_of_its_own() -> None:
    scene = Scene().add(Material(id="gold", name="Gold"))
    scene, new = material_edits.paste_new(scene, material_edits.copy_material(scene, "gold"))
    assert new != "gold" and scene.materials[new].name == "Gold 2"
