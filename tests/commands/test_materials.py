"""Commands of the Materials menu, given as a script gives them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from studio.assets.load import load_scene
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.scene.entities import MeshObject
from studio.scene.texturing import lost_textures


@pytest.fixture
def studio() -> Studio:
    made = Studio()
    made.run("create.sphere")
    return made


def test_a_preset_is_put_on_what_is_selected(studio: Studio) -> None:
    made = studio.run("materials.preset", name="chrome", called="Bumper", assign=True)
    worn = studio.scene.entities["sphere"]
    assert isinstance(worn, MeshObject) and worn.materials == (made,)
    assert studio.scene.materials[str(made)].name == "Bumper"
    studio.run("materials.apply_preset", name="rubber")
    assert studio.scene.materials[str(made)].base_metalness == 0.0


def test_an_eye_s_preset_brings_its_picture_and_takes_it_along(studio: Studio) -> None:
    made = str(studio.run("materials.preset", name="eye_blue", assign=True))
    material = studio.scene.materials[made]
    assert material.eye_iris_radius > 0.0
    assert {t.image for t in material.textures.values()} == set(studio.scene.images)
    assert set(material.textures) == {"base_color", "subsurface_color"}
    studio.run("materials.apply_preset", name="eye_brown", ids=(made,))
    (key,) = studio.scene.images
    assert studio.scene.materials[made].textures["base_color"].image == key
    assert studio.scene.images[key].name == "eye brown"
    studio.run("materials.apply_preset", name="gold", ids=(made,))
    assert not studio.scene.images and studio.scene.materials[made].eye_iris_radius == 0.0
    studio.document.undo()
    assert set(studio.scene.images) == {key}


def test_a_texture_is_read_and_taken_off(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    made = str(studio.run("materials.new", assign=True))
    studio.run("materials.texture", slot="specular_roughness", path=str(path))
    assert "specular_roughness" in studio.scene.materials[made].textures
    studio.run("materials.clear_texture", slot="specular_roughness")
    assert not studio.scene.materials[made].textures
    path.write_bytes(b"")
    with pytest.raises(BadAsset, match=r"a\.png"):
        studio.run("materials.texture", slot="base_color", path=str(path))


def test_a_command_without_a_material_says_what_to_do(studio: Studio) -> None:
    studio.run("materials.new")
    with pytest.raises(UsageError, match="choose a material"):
        studio.run("materials.copy")
    studio.run("select.none")
    with pytest.raises(UsageError, match="select an object"):
        studio.run("materials.assign", material="material")


def test_an_import_without_its_texture_is_relinked_from_a_folder(studio: Studio, tmp_path: Path) -> None:
    gltf = {
        "asset": {"version": "2.0"},
        "images": [{"uri": "maps/oak.png"}],
        "textures": [{"source": 0}],
        "materials": [{"name": "oak", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
    }
    file = tmp_path / "table.gltf"
    file.write_text(json.dumps(gltf))
    scene, report = load_scene(file)
    assert "magenta" in " ".join(report.warnings)
    (lost,) = lost_textures(scene)
    assert Path(lost.path).name == "oak.png"
    studio.show_scene(scene, None)
    elsewhere = tmp_path / "disk" / "wood"
    elsewhere.mkdir(parents=True)
    PIL.Image.fromarray(np.full((4, 4, 3), 90, np.uint8)).save(elsewhere / "oak.png")
    assert studio.run("materials.relink", folder=str(tmp_path / "disk")) == 1
    assert not lost_textures(studio.scene)
    (image,) = studio.scene.images.values()
    assert image.path == str(elsewhere / "oak.png")
