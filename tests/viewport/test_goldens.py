"""Pictures of the viewport as they were when somebody looked at them.

`MYRIAD_GOLDENS=write pytest tests/viewport/test_goldens.py` draws them anew; look at them before they are committed.
They are drawn by a software rasteriser under OpenGL 4.1. Another driver may round an edge differently, so what is held
is the mean and the share of pixels that differ at all, not every pixel.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.scene.entities import Entity
from studio.scene.geometry import Image, Mesh, make_image
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene
from studio.viewport.device import Device
from studio.viewport.view import Look, Mode
from tests.viewport.stages import RAW, ball, drawn, lamp, looking, matte, room, scene_of, sheet, thing

FOLDER = Path(__file__).parent / "goldens"
WRITE = os.environ.get("MYRIAD_GOLDENS", "") == "write"
SIZE = (192, 128)


def surfaces() -> Scene:
    """Balls of all kinds of surfaces in front of a chequered wall, under one lamp of each local kind."""
    round_, wall = ball(0.42), sheet(8.0, 4.0)
    tiles = np.indices((8, 16)).sum(axis=0) % 2 * 120 + 80
    image = make_image(np.repeat(tiles[..., None], 3, axis=2).astype(np.uint8), name="tiles")
    rng = np.random.default_rng(2)
    normals = np.rint((np.array([0.0, 0.0, 1.0]) + rng.normal(0, 0.25, (16, 32, 3))) * 127 + 128).clip(0, 255)
    bumps = make_image(normals.astype(np.uint8), colour_space="data", name="bumps")
    kinds = [
        matte("m0", (0.7, 0.3, 0.2)),
        Material(id="m1", base_color=(0.2, 0.4, 0.7), specular_roughness=0.2),
        Material(id="m2", base_color=(0.95, 0.75, 0.4), base_metalness=1.0, specular_roughness=0.35),
        Material(id="m3", base_color=(0.6, 0.05, 0.05), coat_weight=1.0, specular_roughness=0.6),
        Material(id="m4", base_color=(0.3, 0.3, 0.3), fuzz_weight=1.0, fuzz_color=(0.5, 0.7, 1.0)),
        Material(id="m5", transmission_weight=1.0, specular_roughness=0.05, transmission_color=(0.8, 1.0, 0.9)),
        Material(id="m6", base_color=(0.8, 0.8, 0.8), textures={"geometry_normal": Texture(image=bumps.key)}),
        Material(id="m7", base_color=(0.2, 0.8, 0.3), geometry_opacity=0.4),
    ]
    records: list[Entity | Material | Mesh | Image] = [
        round_,
        wall,
        image,
        bumps,
        matte("wall", (1.0, 1.0, 1.0), textures={"base_color": Texture(image=image.key)}),
        thing("wall object", wall, "wall", translation=(0.0, 0.0, -1.0)),
        *kinds,
        *(thing(f"b{i}", round_, f"m{i}", translation=((i % 4 - 1.5), 0.5 - i // 4, 0.0)) for i in range(8)),
        lamp("point", (-2.0, 1.5, 2.5), 12.0),
        Light(id="spot", light="spot", unit="cd", intensity=40.0, outer_cone_deg=20.0, translation=(0.0, 0.0, 4.5)),
        Light(id="soft", light="rectangle", unit="nt", intensity=6.0, translation=(1.5, 1.8, 1.2),
              rotation=(-0.38268343, 0.0, 0.0, 0.92387953)),
    ]  # fmt: skip
    return scene_of(*records)


def near() -> object:
    """A view of the surfaces."""
    return looking((0.0, 0.2, 6.0), (0.0, 0.0, 0.0), half_width=0.4)


def over() -> object:
    """A view of the room."""
    return looking((0.0, 2.2, 5.0), (0.0, -0.4, 0.0), half_width=0.5)


CASES: dict[str, tuple[Callable[[], Scene], Callable[[], object], Look, dict[str, object]]] = {
    "surfaces": (surfaces, near, Look(background=(0.05, 0.05, 0.06)), {}),
    "surfaces-clay-occluded": (surfaces, near, Look(mode=Mode.CLAY, ambient_occlusion=True), {}),
    "room-lit": (lambda: room(300), over, Look(), {"selected": frozenset({"gold ball"}), "hovered": "matte ball"}),
    "room-wires": (lambda: room(300), over, Look(), {"wires": True}),
    "room-wireframe": (lambda: room(300), over, Look(mode=Mode.WIREFRAME), {}),
    "room-normals": (lambda: room(300), over, Look(mode=Mode.NORMALS), {}),
    "room-complexity": (lambda: room(300), over, Look(mode=Mode.COMPLEXITY), {}),
    "room-exposure": (lambda: room(300), over, Look(mode=Mode.EXPOSURE), {}),
    "room-still-bloom": (lambda: room(40), over, replace(RAW, bloom=True, exposure_ev=1.0), {"samples": 8}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_picture_is_what_it_was(device: Device, name: str) -> None:
    from PIL import Image

    make, view, look, more = CASES[name]
    picture, _ = drawn(device, make(), look, size=SIZE, camera=view(), **more)  # type: ignore[arg-type]
    path = FOLDER / f"{name}.png"
    if WRITE:
        FOLDER.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path, optimize=True)
        pytest.skip(f"{path.name} was written; look at it")
    assert path.is_file(), f"{path} is missing; draw it with MYRIAD_GOLDENS=write"
    golden = np.asarray(Image.open(path).convert("RGB")).astype(np.int64)
    assert golden.shape == picture.shape
    off = np.abs(picture.astype(np.int64) - golden).max(axis=2)
    assert off.mean() < 1.0 and (off > 12).mean() < 0.01
