"""Twenty-four rooms: a floor plan of 300 lamps, nearly all behind walls from wherever the camera stands.

Twelve or thirteen lamps light each room and a doorway or two lets a little of them into the next, so a renderer that
picks lamps without knowing what hides them wastes almost every shadow ray. Each room has a colour of its own; the
camera looks through two doorways of a room at once.
"""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np

from studio.assets.demo.dressing import Stage, aim
from studio.assets.demo.props import paper_lantern, vase
from studio.assets.demo.shapes import Shape, box, join, quad, sphere
from studio.scene.scene import Scene
from studio.scene.turns import about

COLUMNS, ROWS = 6, 4
SIZE, HEIGHT, WALL = 4.0, 2.8, 0.16
DOOR_WIDTH, DOOR_HEIGHT = 1.1, 2.15
FRAMES = 24

# the catalogue from which every room is lit
Fixture = dict[str, Any]
PANEL: Fixture = {"width_m": 0.6, "height_m": 0.3, "intensity": 260.0, "unit": "lm"}
DOWNLIGHT: Fixture = {"radius_m": 0.08, "intensity": 140.0, "unit": "lm", "temperature_k": 3000.0}
SCONCE: Fixture = {"radius_m": 0.02, "length_m": 0.4, "intensity": 90.0, "unit": "lm"}
ACCENT: Fixture = {
    "radius_m": 0.0,
    "intensity": 150.0,
    "unit": "cd",
    "inner_cone_deg": 10.0,
    "outer_cone_deg": 24.0,
    "temperature_k": 3400.0,
}
FLOOR_LAMP: Fixture = {"radius_m": 0.0, "intensity": 6.0, "unit": "cd", "temperature_k": 2200.0}
BULB: Fixture = {"radius_m": 0.03, "unit": "lm", "temperature_k": 3200.0}


def build() -> Scene:
    """The floor plan: x across 6 columns, -z up 4 rows, rooms of 4 by 4 metres."""
    stage = Stage("rooms")
    stage.material("plaster", base_color=(0.78, 0.76, 0.72), specular_roughness=0.7, base_diffuse_roughness=0.4)
    stage.material("oak", base_color=(0.3, 0.17, 0.08), specular_roughness=0.35)
    stage.material("steel", base_color=(0.7, 0.7, 0.72), base_metalness=1.0, specular_roughness=0.25)
    stage.material("glaze", base_color=(0.75, 0.73, 0.68), coat_weight=1.0, coat_roughness=0.05)
    stage.material("linen", base_color=(0.55, 0.5, 0.42), fuzz_weight=0.8, fuzz_color=(0.9, 0.85, 0.75))
    stage.material("paper", base_color=(0.8, 0.75, 0.65), emission_luminance=420.0, emission_color=(1.0, 0.62, 0.3))
    _walls(stage)
    rng = np.random.default_rng(24)
    for row in range(ROWS):
        for column in range(COLUMNS):
            _room(stage, column, row, rng)
    eye, target = (11.6, 1.6, -0.4), (8.7, 1.1, -4.6)
    camera = stage.camera("camera", eye=eye, target=target, focal_length_mm=22.0, exposure_ev=-5.2)
    path = np.array([eye, (11.1, 1.5, -1.3)])
    stage.animate(camera, "translation", (1, FRAMES), path)
    stage.animate(camera, "rotation", (1, FRAMES), [aim(at, target) for at in path], rotation=True)
    return stage.scene(camera=camera, frames=FRAMES)


def _doorway() -> Shape:
    """A wall of one room's width along x with a door a little off its middle, standing on the origin."""
    side = (SIZE - DOOR_WIDTH) / 2
    return join(
        [
            box((side, HEIGHT, WALL), (-(DOOR_WIDTH + side) / 2, HEIGHT / 2, 0)),
            box((side, HEIGHT, WALL), ((DOOR_WIDTH + side) / 2, HEIGHT / 2, 0)),
            box((DOOR_WIDTH, HEIGHT - DOOR_HEIGHT, WALL), (0, (HEIGHT + DOOR_HEIGHT) / 2, 0)),
        ]
    )


def _walls(stage: Stage) -> None:
    stage.group("walls")
    width, depth = COLUMNS * SIZE, ROWS * SIZE
    middle = (width / 2, 0.0, -depth / 2)
    stage.place("floor", quad(middle, (0, 0, depth / 2), (width / 2, 0, 0)), "oak")
    stage.place("ceiling", quad((middle[0], HEIGHT, middle[2]), (width / 2, 0, 0), (0, 0, depth / 2)), "plaster")
    door, blind = _doorway(), box((SIZE, HEIGHT, WALL), (0, HEIGHT / 2, 0))
    quarter = about((0, 1, 0), 90)
    for row in range(ROWS + 1):
        for column in range(COLUMNS):
            outer = row in (0, ROWS)
            stage.place("wall", blind if outer else door, "plaster", at=((column + 0.5) * SIZE, 0, -row * SIZE))
    for column in range(COLUMNS + 1):
        for row in range(ROWS):
            closed = column in (0, COLUMNS) or (row + column) % 2
            at = (column * SIZE, 0, -(row + 0.5) * SIZE)
            stage.place("wall", blind if closed else door, "plaster", at=at, rotation=quarter)


def _room(stage: Stage, column: int, row: int, rng: np.random.Generator) -> None:
    """Furniture and lamps of one room; every second room has one bulb more."""
    stage.group("room")
    middle = ((column + 0.5) * SIZE, -(row + 0.5) * SIZE)
    side = -1 if (column + row) % 2 else 1
    _furnish(stage, *middle, side=side)
    tint = colorsys.hsv_to_rgb((0.08 + 0.618 * (row * COLUMNS + column)) % 1.0, 0.45, 1.0)
    _light(stage, *middle, side=side, tint=tint)
    for _ in range(4 + (column + row) % 2):
        at = (middle[0] + rng.uniform(-1.7, 1.7), rng.uniform(1.9, 2.6), middle[1] + rng.uniform(-1.7, 1.7))
        stage.lamp("sphere", "bulb", at=at, intensity=float(rng.lognormal(3.6, 0.6)), color=tint, **BULB)


def _furnish(stage: Stage, x: float, z: float, *, side: int) -> None:
    """A table with a vase and a bowl, a pouf, and the room's paper lantern, which is a lamp too."""
    legs = [box((0.05, 0.7, 0.05), (a, 0.35, b)) for a in (-0.4, 0.4) for b in (-0.25, 0.25)]
    stage.place("table", join([box((0.9, 0.05, 0.6), (0, 0.72, 0)), *legs]), "oak", at=(x + 1.2 * side, 0, z + 1.3))
    stage.place("vase", vase(0.42), "glaze", at=(x + 1.2 * side, 0.745, z + 1.3))
    stage.place("pouf", sphere(0.3, segments=40).scaled((1, 0.7, 1)), "linen", at=(x - 1.2 * side, 0.21, z - 0.9))
    stage.place("bowl", sphere(0.11, segments=40), "steel", at=(x + 1.0 * side, 0.855, z + 1.15))
    stage.place("lantern", paper_lantern(), "paper", at=(x - 1.1 * side, 2.3, z + 1.0), scale=(0.16, 0.16, 0.16))


def _light(stage: Stage, x: float, z: float, *, side: int, tint: tuple[float, float, float]) -> None:
    """The seven fixed lamps of a room."""
    down, upright = about((1, 0, 0), -90), about((0, 0, 1), 90)
    ceiling = HEIGHT - 0.01
    stage.lamp("rectangle", "panel", at=(x, ceiling, z - 0.6), rotation=down, color=tint, **PANEL)
    stage.lamp("disk", "downlight", at=(x, ceiling, z + 1.0), rotation=down, **DOWNLIGHT)
    stage.lamp("point", "floor lamp", at=(x - 1.5 * side, 0.5, z + 1.6), **FLOOR_LAMP)
    for k in (-1, 1):
        stage.lamp("cylinder", "sconce", at=(x + 1.86 * k, 1.7, z - 1.3 * side), rotation=upright, color=tint, **SCONCE)
        at = (x + 0.9 * k, ceiling, z - 1.2)
        stage.lamp("spot", "accent", at=at, rotation=aim(at, (x + 1.3 * k, 0.6, z - 1.7)), **ACCENT)
