"""The lantern hall: a wet courtyard at night, an armillary sphere of brass before a moon gate, and 300 lamps.

The picture is warm against cool. Paper lanterns, strings of bulbs and candles pull the eye down the arcade; behind the
round gate and above the walls the night is blue, and that blue draws the edge of the brass. The sphere stands in the
circle of the gate, in focus; lanterns near the lens melt into discs. The camera moves in slowly, low above the water.
"""

from __future__ import annotations

import numpy as np

from studio.assets.demo.dressing import Stage, aim
from studio.assets.demo.hall_fixtures import FOCUS
from studio.assets.demo.hall_lamps import hang_lamps
from studio.assets.demo.hall_materials import make_materials
from studio.assets.demo.props import armillary, column, plinth, vase
from studio.assets.demo.shapes import Shape, box, drape, lathe, pierced_wall, quad, sheet, tube
from studio.scene.scene import Scene

FRAMES = 48
BAYS = tuple(8.4 - 2.4 * k for k in range(7))  # z of the arcade's bays, from the camera to the gate
GATE_Z = -7.6


def build() -> Scene:
    """The hall, 48 frames at 24 frames a second."""
    stage = Stage("hall")
    make_materials(stage)
    _architecture(stage)
    _subject(stage)
    _cloth_and_clay(stage)
    hang_lamps(stage)
    return stage.scene(camera=_camera(stage), frames=FRAMES)


def _architecture(stage: Stage) -> None:
    stage.group("architecture")
    floor = quad((0, 0, 1), (0, 0, 12), (7, 0, 0), tiles=7.0)
    stage.place("floor", floor, "flagstone")
    bay = pierced_wall(2.4, 0.55, 1.75, 0.42, radius=0.92).turned("y", 90)
    post = column(2.75, 0.17)
    for side in (-1, 1):
        for z in BAYS:
            stage.place("arch", bay, "limestone", at=(side * 3.5, 3.3, z))
            stage.place("column", post, "limestone", at=(side * 3.5, 0, z - 1.2))
        stage.place("column", post, "limestone", at=(side * 3.5, 0, BAYS[0] + 1.2))
        stage.place("cornice", box((0.7, 0.16, 17.2), (side * 3.5, 5.12, 1.2)), "limestone")
        stage.place("arcade ceiling", box((2.2, 0.12, 17.2), (side * 4.8, 4.75, 1.2)), "plaster")
        wall = quad((side * 5.6, 2.4, 1.2), (0, 0, -side * 8.6), (0, 2.4, 0), tiles=3.0)
        stage.place("arcade wall", wall, "plaster")
    gate = pierced_wall(12.0, 2.35, 3.4, 0.5, radius=2.05, whole=True)
    stage.place("moon gate", gate, "plaster", at=(0, 2.35, GATE_Z))
    angle = np.linspace(0, 2 * np.pi, 97)
    circle = np.stack([2.1 * np.cos(angle), 2.1 * np.sin(angle), np.zeros(97)], 1)
    for k, (z, low, high) in enumerate(((-16.0, 0.2, 1.5), (-26.0, 1.0, 3.4), (-44.0, 2.0, 6.5))):
        stage.place("ridge", _ridge(60.0, low, high, seed=40 + k), f"ridge {k + 1}", at=(0, 0, z))
    stage.place("gate moulding", tube(circle, 0.11, sides=16), "limestone", at=(0, 2.35, GATE_Z + 0.25))


def _ridge(width: float, low: float, high: float, *, seed: int) -> Shape:
    """The outline of a hill as an upright sheet, from the ground to between `low` and `high`."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-width / 2, width / 2, 400)
    waves = sum(0.5**k * np.sin(2 * np.pi * 2**k * (x / width * 1.7 + rng.random())) for k in range(6))
    top = low + (high - low) * (0.5 + 0.28 * waves)
    return sheet([np.stack([x, top, 0 * x], 1), np.stack([x, 0 * x - 1.0, 0 * x], 1)])


def _ripples(radius: float) -> Shape:
    """A still pool with the rings of a few drops in it."""
    r, a = np.linspace(1e-4, radius, 160)[:, None], np.linspace(0, 2 * np.pi, 241)[None]
    x, z = r * np.sin(a), r * np.cos(a)
    y = np.zeros_like(x)
    for cx, cz, wave in ((0.9, 1.3, 0.11), (-1.3, 0.6, 0.09), (0.2, 1.9, 0.07), (1.6, -0.4, 0.1)):
        d = np.hypot(x - cx, z - cz)
        y += 0.0028 * np.sin(2 * np.pi * d / wave) * np.exp(-1.8 * d)
    return sheet(np.stack([x, y, z], -1), closed=True)


def _subject(stage: Stage) -> None:
    stage.group("subject")
    x, _, z = FOCUS
    rim = [
        (2.2, 0),
        (2.2, 0),
        (2.2, 0.08),
        (2.25, 0.1),
        (2.25, 0.14),
        (2.22, 0.16),
        (1.98, 0.16),
        (1.95, 0.14),
        (1.95, 0),
    ]
    stage.place("pool rim", lathe(rim, segments=128), "limestone", at=(x, 0, z))
    stage.place("pool", _ripples(1.96), "water", at=(x, 0.11, z))
    stage.place("plinth", plinth(1.06, 0.42), "limestone", at=(x, 0, z))
    foot = lathe([(0.3, 0), (0.3, 0), (0.3, 0.03), (0.12, 0.07), (0.05, 0.16), (0.07, 0.2), (0.04, 0.26)], smooth=2)
    stage.place("stand", foot, "brass", at=(x, 1.06, z))
    armillary(stage, FOCUS, 0.82, metal="brass", ball="glass", frames=FRAMES)


def _cloth_and_clay(stage: Stage) -> None:
    stage.group("cloth and clay")
    for k, (side, z) in enumerate(((-1, 1.2), (1, 1.2), (-1, -3.6), (1, -3.6))):
        cloth = drape(1.5, 2.9, folds=6.5, depth=0.07, seed=20 + k).turned("y", -90 * side)
        stage.place("velvet", cloth, "velvet", at=(side * 3.1, 4.9, z - 1.2))
    clay = (
        (-2.5, 2.7, 0.62, "celadon"),
        (-2.95, 2.2, 0.4, "oxblood"),
        (-2.2, 3.2, 0.28, "raku"),
        (2.5, 2.0, 0.9, "raku"),
        (2.9, 2.75, 0.5, "celadon"),
        (2.15, 2.75, 0.3, "oxblood"),
        (-2.7, -3.4, 0.95, "oxblood"),
        (2.7, -3.6, 0.8, "celadon"),
    )
    for x, z, height, glaze in clay:
        stage.place("vase", vase(height, belly=0.34 + 0.06 * np.sin(9 * x)), glaze, at=(x, 0, z))


def _camera(stage: Stage) -> str:
    """A slow dolly towards the sphere, easing in and out, that keeps it in focus."""
    eyes = np.array([[-1.05, 1.12, 7.9], [-0.3, 1.28, 6.4]])
    target = (0.0, 1.85, -1.6)
    camera = stage.camera(
        "camera",
        eye=(-1.05, 1.12, 7.9),
        target=target,
        focal_length_mm=34.0,
        f_stop=1.4,
        blades=7,
        exposure_ev=-3.1,
        shutter_close=0.5,
    )
    t = np.linspace(0, 1, 13)
    ease = (t * t * (3 - 2 * t))[:, None]
    path = (1 - ease) * eyes[0] + ease * eyes[1]
    frames = 1 + (FRAMES - 1) * t
    stage.animate(camera, "translation", frames, path)
    stage.animate(camera, "rotation", frames, [aim(eye, target) for eye in path.tolist()], rotation=True)
    stage.animate(camera, "focus_distance_m", frames, np.linalg.norm(path - FOCUS, axis=1) - 0.5)
    return camera
