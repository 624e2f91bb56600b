"""Lights from a sky: a place of the picture becomes a light of its direction, colour and strength."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene.flatten import flatten
from studio.scene.geometry import Image
from studio.scene.lights import KINDS, Light
from studio.scene.photometry import LUMINANCE
from studio.scene.scene import Scene
from studio.scene.sky_lights import direction_of, patch_of, place_of, sky_lights, spawn, turn

H, W = 64, 128


def sky(*, rotation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)) -> Scene:
    """A dim blue sky with an orange square at u 0.7, v 0.3."""
    pixels = np.zeros((H, W, 3), np.float32)
    pixels[:] = (0.1, 0.2, 0.4)
    pixels[int(0.2 * H) : int(0.4 * H), int(0.6 * W) : int(0.8 * W)] = (40.0, 20.0, 5.0)
    image = Image(key="sky", pixels=pixels, colour_space="linear")
    return (
        Scene()
        .add(image)
        .add(Light(id="d", name="Evening", light="dome", unit="nt", intensity=2.0, image="sky", rotation=rotation))
    )


@pytest.mark.parametrize(("u", "v"), [(0.5, 0.5), (0.1, 0.2), (0.93, 0.8), (0.25, 0.5)])
def test_places_and_directions_are_each_others_inverse(u: float, v: float) -> None:
    assert np.allclose(place_of(direction_of(u, v)), (u, v))


def test_the_middle_of_the_picture_looks_along_minus_z_and_its_top_up() -> None:
    assert np.allclose(direction_of(0.5, 0.5), (0.0, 0.0, -1.0))
    assert np.allclose(direction_of(0.3, 0.0), (0.0, 1.0, 0.0))


def test_a_patch_has_the_light_of_its_texels() -> None:
    patch = patch_of(sky(), "d", 0.7, 0.3, radius_deg=4.0)
    assert np.allclose(patch.radiance, (80.0, 40.0, 10.0))
    expected = float(LUMINANCE @ np.array([80.0, 40.0, 10.0])) * np.pi * np.sin(np.radians(4.0)) ** 2
    assert patch.illuminance_lx == pytest.approx(expected)


def test_a_patch_smaller_than_a_texel_is_that_texel() -> None:
    assert np.allclose(patch_of(sky(), "d", 0.7, 0.3, radius_deg=0.1).radiance, (80.0, 40.0, 10.0))


def test_the_new_light_shines_from_the_place_with_the_patchs_colour_and_lux() -> None:
    scene, id_ = spawn(sky(), "d", 0.7, 0.3, radius_deg=4.0)
    row = next(r for r in flatten(scene, 1.0).lights if r["kind"] == KINDS["distant"])
    patch = patch_of(scene, "d", 0.7, 0.3, radius_deg=4.0)
    assert LUMINANCE @ row["emission"] == pytest.approx(patch.illuminance_lx, rel=1e-5)
    assert np.allclose(row["emission"] / row["emission"].max(), (1.0, 0.5, 0.125), rtol=1e-5)
    assert np.allclose(row["open"][:, 2], direction_of(0.7, 0.3), atol=1e-6)
    assert scene.entities[id_].parent == "d"
    assert [(i, tuple(np.round(place, 6))) for i, place in sky_lights(scene, "d")] == [(id_, (0.7, 0.3))]


def test_it_turns_with_its_dome() -> None:
    quarter = (0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5))
    scene, _ = spawn(sky(rotation=quarter), "d", 0.5, 0.5)
    row = next(r for r in flatten(scene, 1.0).lights if r["kind"] == KINDS["distant"])
    assert np.allclose(row["open"][:, 2], (-1.0, 0.0, 0.0), atol=1e-6)


def test_it_moves_to_another_place() -> None:
    scene, id_ = spawn(sky(), "d", 0.7, 0.3)
    assert np.allclose(sky_lights(turn(scene, id_, 0.2, 0.6), "d")[0][1], (0.2, 0.6))


def test_a_black_place_gives_a_sentence() -> None:
    scene = Scene().add(Image(key="k", pixels=np.zeros((4, 8, 3), np.float32), colour_space="linear"))
    scene = scene.add(Light(id="d", light="dome", unit="nt", image="k"))
    with pytest.raises(BadAsset, match="black"):
        spawn(scene, "d", 0.5, 0.5)


def test_what_is_no_dome_gives_a_sentence() -> None:
    scene = Scene().add(Light(id="p"))
    with pytest.raises(BadAsset, match="not a dome"):
        spawn(scene, "p", 0.5, 0.5)
    with pytest.raises(BadAsset, match="below a dome"):
        turn(scene, "p", 0.5, 0.5)


def test_a_dome_without_a_picture_gives_white_light() -> None:
    scene, id_ = spawn(Scene().add(Light(id="d", light="dome", unit="nt", intensity=3.0)), "d", 0.4, 0.2)
    light = scene.entities[id_]
    assert isinstance(light, Light)
    assert light.color == (1.0, 1.0, 1.0)
