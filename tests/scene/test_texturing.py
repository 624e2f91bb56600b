"""Textures of materials: binding, placing, colour spaces, and images that went missing."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene import texturing
from studio.scene.document import Document
from studio.scene.geometry import Image, make_image
from studio.scene.lights import Light
from studio.scene.materials import SLOTS, Material, Texture
from studio.scene.scene import Scene


def image(value: int = 128, *, channels: int = 3, name: str = "tile", path: str = "") -> Image:
    return make_image(np.full((4, 4, channels), value, np.uint8), name=name, path=path)


@pytest.fixture
def scene() -> Scene:
    return Scene().add(Material(id="a", name="A"), Material(id="b", name="B", specular_roughness=0.7))


def test_an_image_is_bound_and_seen_as_it_is(scene: Scene) -> None:
    out = texturing.set_texture(scene, ["a", "b"], "base_color", image())
    assert {m.textures["base_color"].image for m in out.materials.values()} == set(out.images)
    assert out.materials["a"].base_color == (1.0, 1.0, 1.0)
    assert out.materials["a"].textures["base_color"].channel == "rgb"


def test_data_is_read_as_data_and_a_strength_set_later_stays(scene: Scene) -> None:
    out = texturing.set_texture(scene, ["a", "b"], "specular_roughness", image())
    assert [out.materials[i].specular_roughness for i in ("a", "b")] == [1.0, 1.0]
    later = texturing.set_texture(out.replace("a", specular_roughness=0.4), ["a"], "specular_roughness", image(9))
    assert later.materials["a"].specular_roughness == 0.4
    (key,) = out.images
    assert out.images[key].colour_space == "data" and out.materials["a"].textures["specular_roughness"].channel == "r"


def test_a_dark_glow_and_a_flat_height_become_visible(scene: Scene) -> None:
    out = texturing.set_texture(scene, ["a"], "emission_color", image())
    out = texturing.set_texture(out, ["a"], "bump", image(60))
    assert out.materials["a"].emission_luminance > 0 and out.materials["a"].bump_scale > 0


@pytest.mark.parametrize("slot", SLOTS)
def test_every_slot_takes_an_image_and_gives_it_back(scene: Scene, slot: str) -> None:
    out = texturing.set_texture(scene, ["a"], slot, image(channels=4))
    assert slot in out.materials["a"].textures
    back = texturing.clear_texture(out, ["a"], slot)
    assert not back.materials["a"].textures and not back.images


def test_another_image_keeps_the_placement(scene: Scene) -> None:
    out = texturing.set_texture(scene, ["a"], "base_color", image())
    out = texturing.change_texture(out, ["a"], "base_color", scale=(3.0, 2.0), wrap_u="mirror")
    out = texturing.set_texture(out, ["a"], "base_color", image(10))
    texture = out.materials["a"].textures["base_color"]
    assert (texture.scale, texture.wrap_u) == ((3.0, 2.0), "mirror")
    assert list(out.images) == [texture.image]


def test_numbers_are_changed_from_each_ones_own(scene: Scene) -> None:
    out = texturing.set_texture(scene, ["a", "b"], "base_color", image())
    out = texturing.change_texture(out, ["b"], "base_color", offset=(0.5, 0.0))
    out = texturing.change_texture_numbers(out, ["a", "b"], "base_color", "offset", lambda v: v + 0.25, item=0)
    assert [out.materials[i].textures["base_color"].offset for i in ("a", "b")] == [(0.25, 0.0), (0.75, 0.0)]


def test_a_colour_space_is_one_material_s_reading(scene: Scene) -> None:
    out = texturing.set_texture(scene, ["a", "b"], "base_color", image())
    out = texturing.set_colour_space(out, ["a"], "base_color", "linear")
    spaces = [out.images[out.materials[i].textures["base_color"].image].colour_space for i in ("a", "b")]
    assert spaces == ["linear", "srgb"]
    out = texturing.set_colour_space(out, ["b"], "base_color", "linear")
    assert len(out.images) == 1


def test_what_makes_no_sense_is_refused_in_a_sentence(scene: Scene) -> None:
    out = texturing.set_texture(scene, ["a"], "base_color", image())
    for call in (
        lambda: texturing.set_texture(out, ["a"], "colour", image()),
        lambda: texturing.set_texture(out, ["a"], "base_color", "no such key"),
        lambda: texturing.change_texture(out, ["a"], "base_color", wrap_u="sideways"),
        lambda: texturing.change_texture(out, ["a"], "base_color", gain=float("nan")),
        lambda: texturing.set_colour_space(out, ["a"], "base_color", "cmyk"),
    ):
        with pytest.raises(BadAsset):
            call()


def test_lost_textures_are_found_by_path_and_by_name(scene: Scene) -> None:
    lost = Material(id="c", textures={"base_color": Texture(image="", path="/old/disk/wood.png")})
    scene = scene.add(lost)
    assert [(found.material, found.slot) for found in texturing.lost_textures(scene)] == [("c", "base_color")]
    out = texturing.relink(scene, {"/new/place/wood.png": image(name="wood")})
    assert not texturing.lost_textures(out)
    assert out.materials["c"].textures["base_color"].path == ""
    assert texturing.relink(scene, {"/new/stone.png": image()}) is scene


def test_a_replaced_image_is_replaced_wherever_it_is_shown(scene: Scene) -> None:
    out = texturing.set_texture(scene, ["a", "b"], "base_color", image())
    (key,) = out.images
    out = out.add(Light(id="panel", light="rectangle", unit="nt", image=key))
    out = texturing.replace_image(out, key, image(30, path="/there/tile.png"))
    (new,) = out.images
    assert new != key and out.entities["panel"].image == new  # type: ignore[union-attr]
    assert {m.textures["base_color"].image for m in out.materials.values()} == {new}
    same = texturing.replace_image(out, new, image(30, path="/elsewhere/tile.png"))
    assert same.images[new].path == "/elsewhere/tile.png" and same.materials is out.materials


def test_binding_is_one_step_that_undo_takes_back(scene: Scene) -> None:
    document = Document(scene)
    with document.edit("texture") as edit:
        edit.apply(texturing.set_texture, ["a"], "base_color", image())
    assert document.scene.images
    document.undo()
    assert not document.scene.images and document.scene.materials["a"] == scene.materials["a"]
