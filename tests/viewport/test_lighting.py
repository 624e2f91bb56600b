"""The lighting tables: what is uploaded when, and what is not worked out again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from studio.scene.flat import FlatScene
from studio.scene.geometry import make_image
from studio.scene.lights import KINDS
from studio.viewport import lighting as module
from studio.viewport.device import Device
from studio.viewport.lighting import Lighting, arranged, picture_mean
from tests.render.light_stage import ball, flat_scene, light, mesh_instance, placed


def stage() -> FlatScene:
    sky = make_image(np.random.default_rng(1).random((64, 128, 3), np.float32), colour_space="linear")
    at = [placed((k, 0.0, 0.0)) for k in range(3)]
    rows = [
        light("point"),
        light("dome", image=0),
        *(light("mesh", at=a, instance=k) for k, a in enumerate(at)),
        light("rectangle", size=(1, 1), image=0),
    ]
    return flat_scene(rows, [mesh_instance(ball(), a) for a in at], textures=[sky])


def moved(flat: FlatScene, row: int) -> FlatScene:
    lights = flat.lights.copy()
    lights["open"][row, 0, 3] += 1.0
    return dataclasses.replace(flat, lights=lights)


def test_the_same_sections_upload_nothing(device: Device) -> None:
    seen: list[str] = []
    tables = Lighting(device.context, lambda what, size: seen.append(what))
    flat = stage()
    tables.sync(flat)
    assert seen == ["dome", "light picture", "lighting_table"]
    seen.clear()
    tables.sync(flat)
    tables.sync(dataclasses.replace(flat, frame=2.0))
    assert not seen
    tables.release()


def test_moving_a_light_keeps_domes_and_the_patches_of_other_lamps(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    tables = Lighting(device.context, lambda what, size: seen.append(what))
    flat = stage()
    tables.sync(flat)
    seen.clear()
    asked: list[int] = []
    patches = module.mesh_patches
    monkeypatch.setattr(module, "mesh_patches", lambda f, row: asked.append(row) or patches(f, row))
    tables.sync(moved(flat, 0))
    assert (seen, asked) == (["lighting_table"], [])
    tables.sync(moved(flat, 3))
    assert asked == [3]
    tables.release()


def test_a_light_that_goes_away_takes_its_dome_along(device: Device) -> None:
    tables = Lighting(device.context)
    flat = stage()
    tables.sync(flat)
    before = tables.bytes
    tables.sync(dataclasses.replace(flat, lights=flat.lights[[0]]))
    assert tables.bytes < before / 2
    tables.sync(dataclasses.replace(flat, lights=flat.lights[:0]))
    tables.release()


def test_rows_grow_with_any_number_of_lights(device: Device) -> None:
    tables = Lighting(device.context)
    flat = flat_scene([light("point")] * 1000)
    tables.sync(flat)
    assert tables.rows(flat).shape == (2000, 16)
    tables.release()


def test_tiles_of_domes_stand_in_columns() -> None:
    tile = module.dome_tile(make_image(np.ones((8, 16, 3), np.float32), colour_space="linear"))
    height, width = tile.pixels.shape[:2]
    atlas = arranged(dict.fromkeys("abcdef", tile), 2 * height + 5)
    columns = [(k * width, j * height) for k in range(3) for j in range(2)]
    assert list(atlas.places.values()) == columns
    assert atlas.size == (3 * width, 2 * height)
    assert arranged(dict.fromkeys("ab", tile), height).size == (2 * width, height)


def test_a_picture_counts_by_what_shines() -> None:
    """A disk shows what its circle cuts out, a ball the poles little."""
    pixels = np.zeros((64, 64, 3), np.float32)
    pixels[:4, :4] = 1.0
    image = make_image(pixels, colour_space="linear")
    assert picture_mean(image, KINDS["rectangle"])[0] == pytest.approx(1 / 256)
    assert picture_mean(image, KINDS["disk"])[0] < 1e-6
    assert picture_mean(image, KINDS["sphere"])[0] < 1 / 512
