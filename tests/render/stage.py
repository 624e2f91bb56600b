"""A small scene made by code that the tests of the session and of the command line render: a floor, a wall, a box that
moves from frame to frame, two lamps in groups and a glowing panel."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from studio.render.film import Film
from studio.render.settings import RenderSettings
from studio.scene.animation import make_curve
from studio.scene.entities import Camera, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene

WIDTH, HEIGHT = 64, 40


def stage(**values) -> Scene:
    """Two frames of it: 1 and 2."""
    floor = make_mesh([[-4, 0, -4], [4, 0, -4], [4, 0, 4], [-4, 0, 4]], [[0, 2, 1], [0, 3, 2]])
    wall = make_mesh([[-4, 0, -2], [4, 0, -2], [4, 4, -2], [-4, 4, -2]], [[0, 1, 2], [0, 2, 3]])
    corners = [[x, y, z] for x in (-0.4, 0.4) for y in (0.0, 0.8) for z in (-0.4, 0.4)]
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    box = make_mesh(corners, [t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))])
    scene = Scene(
        name="stage",
        camera="camera",
        frame_start=1.0,
        frame_end=2.0,
        tracks={"box.translation": make_curve([1, 2], [[-0.6, 0, 0], [0.6, 0, 0]])},
        **values,
    )
    return scene.add(
        floor,
        wall,
        box,
        Material(id="grey", base_color=(0.6, 0.6, 0.6)),
        Material(id="red", base_color=(0.7, 0.1, 0.1), specular_roughness=0.2),
        Material(id="glow", emission_luminance=4.0),
        MeshObject(id="floor", mesh=floor.key, materials=("grey",)),
        MeshObject(id="wall", mesh=wall.key, materials=("grey",)),
        MeshObject(id="box", mesh=box.key, materials=("red",)),
        MeshObject(id="panel", mesh=box.key, materials=("glow",), translation=(1.5, 1.2, -1.2)),
        Light(id="key", translation=(1.5, 2.5, 1.5), intensity=40.0, group="keys"),
        Light(id="fill", translation=(-2.0, 1.5, 1.0), intensity=10.0),
        Camera(id="camera", name="Main", translation=(0.0, 1.0, 4.5), focal_length_mm=35.0),
    )


def settings(**changes) -> RenderSettings:
    return RenderSettings(**{"width": WIDTH, "height": HEIGHT, "samples": 8, "depth": 4, **changes})


def same_bits(one: Film, other: Film) -> bool:
    """Whether two films hold the same sums to the last bit."""
    pairs = zip(one.buffers().values(), other.buffers().values(), strict=True)
    return one.layout == other.layout and all(np.array_equal(a, b) for a, b in pairs)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
