"""glTF materials as OpenPBR: the rows of the table in docs/gltf.md."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from studio.assets.gltf.materials import anisotropy_to_openpbr
from studio.assets.load import load_scene
from studio.errors import BadAsset, Unsupported, UsageError
from studio.scene.entities import MeshObject
from studio.scene.materials import Material
from studio.scene.scene import Scene
from tests.assets.gltf_maker import Maker


def loaded(record: dict[str, Any], folder: Path, maker: Maker | None = None) -> tuple[Material, Scene]:
    m = maker or Maker()
    m.material(record)
    scene = load_scene(m.save(folder))[0]
    return scene.materials[f"m{len(m.doc['materials']) - 1}"], scene


def extended(name: str, folder: Path, maker: Maker | None = None, **extension: Any) -> Material:
    plain = {"pbrMetallicRoughness": {"metallicFactor": 0}}
    return loaded({**plain, "extensions": {f"KHR_materials_{name}": extension}}, folder, maker)[0]


def test_metallic_roughness_is_the_base(tmp_path: Path) -> None:
    pbr = {"baseColorFactor": [0.1, 0.2, 0.3, 0.4], "metallicFactor": 0.5, "roughnessFactor": 0.6}
    m, _ = loaded({"name": "clay", "pbrMetallicRoughness": pbr, "alphaMode": "BLEND", "doubleSided": True}, tmp_path)
    assert m.name == "clay" and m.base_color == (0.1, 0.2, 0.3)
    assert (m.base_metalness, m.specular_roughness, m.geometry_opacity) == (0.5, 0.6, 0.4)
    assert m.alpha_mode == "blend" and m.double_sided and m.specular_ior == 1.5 and m.specular_weight == 1


def test_the_defaults_of_the_format_hold(tmp_path: Path) -> None:
    m, _ = loaded({}, tmp_path)
    assert m.base_color == (1, 1, 1) and m.base_metalness == 1 and m.specular_roughness == 1
    assert m.alpha_mode == "opaque" and not m.double_sided and m.emission_luminance == 0


def test_opaque_materials_ignore_their_alpha_and_masked_ones_have_a_cutoff(tmp_path: Path) -> None:
    pbr = {"baseColorFactor": [1, 1, 1, 0.25]}
    assert loaded({"pbrMetallicRoughness": pbr}, tmp_path)[0].geometry_opacity == 1
    mask, _ = loaded({"pbrMetallicRoughness": pbr, "alphaMode": "MASK", "alphaCutoff": 0.7}, tmp_path)
    assert (mask.alpha_mode, mask.alpha_cutoff, mask.geometry_opacity) == ("mask", 0.7, 0.25)


def test_textures_carry_their_channels_samplers_and_transforms(tmp_path: Path) -> None:
    m = Maker()
    sampler = m.add("samplers", {"wrapS": 33071, "wrapT": 33648, "magFilter": 9728})
    color = m.texture([[[255, 0, 0, 128]]], sampler=sampler)
    rough = m.texture([[[0, 128, 255]]])
    transform = {"offset": [0.5, 0.25], "rotation": math.pi / 2, "scale": [2, 4], "texCoord": 1}
    info = {"index": color, "texCoord": 0, "extensions": {"KHR_texture_transform": transform}}
    pbr = {"baseColorTexture": info, "metallicRoughnessTexture": {"index": rough, "texCoord": 1}}
    record = {
        "pbrMetallicRoughness": pbr,
        "alphaMode": "BLEND",
        "normalTexture": {"index": rough, "scale": 0.5},
        "emissiveTexture": {"index": color},
        "emissiveFactor": [1, 1, 1],
        "occlusionTexture": {"index": rough},
    }
    material, scene = loaded(record, tmp_path, m)
    t = material.textures
    assert set(t) == {
        *("base_color", "base_metalness", "specular_roughness", "geometry_normal", "geometry_opacity"),
        "emission_color",
    }
    base = t["base_color"]
    assert (base.channel, base.uv, base.offset, base.scale) == ("rgb", 1, (0.5, 0.25), (2, 4))
    assert base.rotation_deg == pytest.approx(90) and (base.wrap_u, base.wrap_v, base.filter) == (
        *("clamp", "mirror"),
        "nearest",
    )
    assert t["geometry_opacity"].channel == "a" and t["geometry_opacity"].image == base.image
    assert (t["specular_roughness"].channel, t["base_metalness"].channel, t["base_metalness"].uv) == ("g", "b", 1)
    assert t["specular_roughness"].filter == "linear" and material.normal_scale == 0.5
    assert scene.images[base.image].colour_space == "srgb"
    assert scene.images[t["geometry_normal"].image].colour_space == "data"
    assert scene.images[base.image].pixels.tolist() == [[[255, 0, 0, 128]]]


def test_an_image_without_alpha_gives_no_opacity_texture(tmp_path: Path) -> None:
    m = Maker()
    pbr = {"baseColorTexture": {"index": m.texture([[[255, 0, 0]]])}}
    assert set(loaded({"pbrMetallicRoughness": pbr, "alphaMode": "MASK"}, tmp_path, m)[0].textures) == {"base_color"}


def test_emission_is_in_nits(tmp_path: Path) -> None:
    record = {
        "emissiveFactor": [0.5, 0.25, 0],
        "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 80}},
    }
    m, _ = loaded(record, tmp_path)
    assert m.emission_luminance == 40 and m.emission_color == (1, 0.5, 0)


def test_ior(tmp_path: Path) -> None:
    assert extended("ior", tmp_path, ior=1.33).specular_ior == 1.33
    assert extended("ior", tmp_path, ior=0).specular_ior == 100


def test_specular_zero_is_a_plain_diffuse_surface(tmp_path: Path) -> None:
    assert extended("specular", tmp_path, specularFactor=0).specular_weight == 0


def test_specular_colours_beyond_one_go_to_the_weight(tmp_path: Path) -> None:
    m = extended("specular", tmp_path, specularFactor=0.5, specularColorFactor=[2, 1, 0])
    assert m.specular_weight == 1 and m.specular_color == (1, 0.5, 0)


def test_metals_keep_their_reflectance_whatever_specular_says(tmp_path: Path) -> None:
    extension = {"KHR_materials_specular": {"specularFactor": 0, "specularColorFactor": [0, 0, 0]}}
    m, _ = loaded({"pbrMetallicRoughness": {"metallicFactor": 1}, "extensions": extension}, tmp_path)
    assert m.specular_weight == 1 and m.specular_color == (1, 1, 1)


def test_transmission_without_volume_is_thin_and_tinted_by_the_base(tmp_path: Path) -> None:
    record = {
        "pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.6, 0.7, 1]},
        "extensions": {"KHR_materials_transmission": {"transmissionFactor": 0.9}},
    }
    m, _ = loaded(record, tmp_path)
    assert m.transmission_weight == 0.9 and m.geometry_thin_walled and m.transmission_color == (0.5, 0.6, 0.7)


def test_volume_is_absorption_over_a_distance(tmp_path: Path) -> None:
    volume = {"thicknessFactor": 1, "attenuationDistance": 2, "attenuationColor": [1, 0.5, 0.25]}
    extensions = {"KHR_materials_transmission": {"transmissionFactor": 1}, "KHR_materials_volume": volume}
    m, _ = loaded({"extensions": extensions}, tmp_path)
    assert not m.geometry_thin_walled and m.transmission_depth == 2 and m.transmission_color == (1, 0.5, 0.25)


def test_clearcoat(tmp_path: Path) -> None:
    maker = Maker()
    t = {"index": maker.texture([[[128, 128, 255]]])}
    m = extended(
        "clearcoat", tmp_path, maker, clearcoatFactor=0.8, clearcoatRoughnessFactor=0.2, clearcoatNormalTexture=t
    )
    assert (m.coat_weight, m.coat_roughness, m.coat_ior, m.coat_darkening) == (0.8, 0.2, 1.5, 0)
    assert set(m.textures) == {"geometry_coat_normal"}


def test_sheen_is_fuzz(tmp_path: Path) -> None:
    m = extended("sheen", tmp_path, sheenColorFactor=[0.4, 0.2, 0.1], sheenRoughnessFactor=0.7)
    assert m.fuzz_weight == 0.4 and m.fuzz_color == (1, 0.5, 0.25) and m.fuzz_roughness == 0.7


@pytest.mark.parametrize(("roughness", "strength"), [(0.5, 0.8), (0.3, 0.2), (1.0, 0.5), (0.0, 0.6), (0.2, 1.0)])
def test_anisotropy_keeps_both_microfacet_widths(roughness: float, strength: float) -> None:
    r, a = anisotropy_to_openpbr(roughness, strength)
    along = r * r * math.sqrt(2 / (1 + (1 - a) ** 2))
    alpha = roughness * roughness
    assert along == pytest.approx(alpha + (1 - alpha) * strength**2)
    assert (1 - a) * along == pytest.approx(alpha)


def test_anisotropy_rotates(tmp_path: Path) -> None:
    turned = {"KHR_materials_anisotropy": {"anisotropyStrength": 0.5, "anisotropyRotation": math.pi / 4}}
    m, _ = loaded({"pbrMetallicRoughness": {"roughnessFactor": 0.5}, "extensions": turned}, tmp_path)
    assert m.specular_rotation_deg == pytest.approx(45) and m.specular_roughness_anisotropy > 0


def test_iridescence_is_a_thin_film_in_micrometres(tmp_path: Path) -> None:
    maker = Maker()
    texture = {"index": maker.texture([[[0, 128, 0]]])}
    m = extended(
        "iridescence",
        tmp_path,
        maker,
        iridescenceFactor=0.6,
        iridescenceIor=1.8,
        iridescenceThicknessMinimum=100,
        iridescenceThicknessMaximum=400,
        iridescenceThicknessTexture=texture,
    )
    assert (m.thin_film_weight, m.thin_film_ior, m.thin_film_thickness) == (0.6, 1.8, 0.4)
    t = m.textures["thin_film_thickness"]
    assert m.thin_film_thickness * (t.bias + t.gain * 0.5) == pytest.approx(0.25) and t.channel == "g"


@pytest.mark.parametrize("dispersion", [0.1, 1.0, 2.0])
def test_dispersion_is_twenty_over_the_abbe_number(tmp_path: Path, dispersion: float) -> None:
    m = extended("dispersion", tmp_path, dispersion=dispersion)
    abbe = m.transmission_dispersion_abbe_number / m.transmission_dispersion_scale
    assert abbe == pytest.approx(20 / dispersion)


def test_unlit(tmp_path: Path) -> None:
    assert extended("unlit", tmp_path).unlit


def test_values_out_of_range_move_to_the_limit_and_are_said(tmp_path: Path) -> None:
    m = Maker()
    m.material({"pbrMetallicRoughness": {"roughnessFactor": 7, "metallicFactor": -1}})
    scene, report = load_scene(m.save(tmp_path))
    assert scene.materials["m0"].specular_roughness == 1 and scene.materials["m0"].base_metalness == 0
    assert sum("out of range" in line for line in report.warnings) == 2


def test_variants_are_chosen_by_name(tmp_path: Path) -> None:
    m = Maker()
    m.add("materials", {"name": "blue"})
    m.material({"name": "red"})
    m.extension("KHR_materials_variants", {"variants": [{"name": "day"}, {"name": "night"}]})
    mapping = {"mappings": [{"material": 0, "variants": [1]}]}
    m.doc["meshes"][0]["primitives"][0]["extensions"] = {"KHR_materials_variants": mapping}
    path = m.save(tmp_path)

    def material(variant: str) -> str:
        scene = load_scene(path, variant=variant)[0]
        (entity,) = (e for e in scene.entities.values() if isinstance(e, MeshObject))
        return scene.materials[entity.materials[0]].name

    assert (material(""), material("day"), material("night")) == ("red", "red", "blue")
    with pytest.raises(UsageError, match="'day', 'night'"):
        load_scene(path, variant="dusk")


def test_a_missing_texture_is_magenta_and_said_or_refused_when_strict(tmp_path: Path) -> None:
    m = Maker()
    m.add("textures", {"source": m.add("images", {"uri": "gone.png"})})
    m.material({"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}})
    path = m.save(tmp_path)
    scene, report = load_scene(path)
    assert scene.materials["m0"].textures["base_color"].image == ""
    assert any("gone.png" in line and "magenta" in line for line in report.warnings)
    with pytest.raises(BadAsset, match=r"gone\.png"):
        load_scene(path, strict=True)


def test_external_and_webp_images_are_read(tmp_path: Path) -> None:
    m = Maker()
    PIL.Image.new("RGB", (2, 1), (1, 2, 3)).save(tmp_path / "a b.png")
    out = io.BytesIO()
    PIL.Image.new("RGB", (3, 1), (9, 8, 7)).save(out, "WEBP", lossless=True)
    webp = m.add("images", {"bufferView": m.view(out.getvalue()), "mimeType": "image/webp"})
    m.add("textures", {"source": m.add("images", {"uri": "a%20b.png", "name": "wood"})})
    m.add("textures", {"extensions": {"EXT_texture_webp": {"source": webp}}})
    record = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}, "emissiveTexture": {"index": 1}}
    material, scene = loaded(record, tmp_path, m)
    wood = scene.images[material.textures["base_color"].image]
    assert (wood.name, wood.path) == ("wood", str(tmp_path / "a b.png")) and wood.pixels.shape == (1, 2, 3)
    assert scene.images[material.textures["emission_color"].image].pixels[0, 0].tolist() == [9, 8, 7]


def test_one_image_as_colour_and_as_data_is_two_images(tmp_path: Path) -> None:
    m = Maker()
    t = {"index": m.texture()}
    material, scene = loaded({"emissiveTexture": t, "normalTexture": t}, tmp_path, m)
    spaces = {slot: scene.images[texture.image].colour_space for slot, texture in material.textures.items()}
    assert spaces == {"emission_color": "srgb", "geometry_normal": "data"}


def test_basis_textures_fall_back_to_their_plain_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opengl_basisu", None)
    m = Maker()
    ktx = b"\xabKTX 20\xbb\r\n\x1a\n" + np.array([0, 1, 4, 4], "<u4").tobytes() + bytes(80)
    basis = m.add("images", {"bufferView": m.view(ktx), "mimeType": "image/ktx2"})
    m.texture(extensions={"KHR_texture_basisu": {"source": basis}})
    record = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    material, scene = loaded(record, tmp_path, m)
    assert scene.images[material.textures["base_color"].image].pixels.tolist() == [[[255, 0, 0]]]
    del m.doc["textures"][0]["source"]
    with pytest.raises(Unsupported, match=r"myriad-studio\[codecs\]"):
        load_scene(m.save(tmp_path))


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"alphaMode": "GLOW"}, "alphaMode"),
        ({"normalTexture": {"index": 5}}, "names texture 5"),
        ({"pbrMetallicRoughness": {"baseColorFactor": [1, 2]}}, "baseColorFactor"),
        ({"extensions": {"KHR_materials_ior": {"ior": "high"}}}, "KHR_materials_ior.ior"),
        ({"extensions": {"KHR_materials_ior": 3}}, "KHR_materials_ior"),
    ],
)
def test_a_broken_material_is_one_sentence(tmp_path: Path, record: dict[str, Any], told: str) -> None:
    with pytest.raises(BadAsset, match=told):
        loaded(record, tmp_path)
