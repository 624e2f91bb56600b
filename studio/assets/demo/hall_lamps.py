"""The 300 lamps of the lantern hall: those that hang and burn here, those built in and the night in `hall_fixtures`.

| lamps | kind | where |
|---|---|---|
| 44 | mesh emitters | paper lanterns over the court |
| 160 | spheres | eight garlands of bulbs from wall to wall |
| 24 | spheres | candles on the rim of the pool, flickering |
| 18 | spots | one at the foot of each column, four on the subject |
| 13 | disks | set in the floor around the pool; the moon's disc beyond the gate |
| 19 | rectangles | windows in the arcade, cool, and a panel behind the gate that draws the edges |
| 12 | cylinders | tubes under the cornice, teal |
| 8 | points | the depth of the arcade |
| 2 | distant, dome | the moon, the night sky |
"""

from __future__ import annotations

import numpy as np

from studio.assets.demo.dressing import Stage
from studio.assets.demo.hall_fixtures import FOCUS, build_in
from studio.assets.demo.props import candle, paper_lantern
from studio.assets.demo.shapes import hanging, join, lathe, tube
from studio.scene.turns import about

LOOP = 48  # frames after which every flicker and sway repeats


def hang_lamps(stage: Stage) -> None:
    """Hang and light all of them."""
    _lanterns(stage)
    _garlands(stage)
    _candles(stage)
    build_in(stage)


def _lanterns(stage: Stage) -> None:
    """Two rows that thin out towards the gate, and four loose ones before the lens."""
    stage.group("lanterns")
    rng = np.random.default_rng(8)
    paper, papers = paper_lantern(), ("paper amber", "paper cream", "paper vermilion")
    caps = join([lathe([(0, 0), (0.5, 0), (0.5, 0.05), (0, 0.06)]).moved((0, y, 0)) for y in (-0.04, -2.12)])
    places = [
        (side * rng.uniform(1.3, 2.9), rng.uniform(3.3, 4.9), z) for side in (-1, 1) for z in np.linspace(6.2, -6.8, 20)
    ]
    places += [(-1.75, 2.75, 5.4), (1.95, 2.95, 4.6), (2.6, 2.45, 5.7), (-2.7, 2.35, 4.3)]
    for k, (x, y, z) in enumerate(places):
        radius = rng.uniform(0.13, 0.24)
        kind = papers[int(rng.choice(3, p=(0.5, 0.3, 0.2)))]
        lean = about((0.3, 0, 1), 4.0), about((0.3, 0, 1), -4.0)
        start = -(k % 12)
        for name, shape, material in (("lantern", paper, kind), ("lantern cap", caps, "iron")):
            hung = stage.place(name, shape, material, at=(x, y, z), scale=(radius, radius, radius))
            keys = (start, start + LOOP / 2, start + LOOP)
            stage.animate(hung, "rotation", keys, (lean[0], lean[1], lean[0]), rotation=True, post="loop")
        drop = tube([(x, y, z), (x + 0.004, 0.5 * y + 2.55, z), (x, 5.1, z)], 0.006, sides=5)
        wire = tube([(-3.5, 5.2, z), (x, 5.1, z), (3.5, 5.2, z)], 0.005, sides=5)
        stage.place("cord", join([drop, wire]), "cord")


def _garlands(stage: Stage) -> None:
    """Bulbs on cords that cross the court; a slow wave of dimming runs down each."""
    stage.group("garlands")
    rng = np.random.default_rng(21)
    socket = lathe([(0, 0.024), (0.014, 0.024), (0.014, 0.024), (0.014, 0.06), (0, 0.07)], segments=12)
    for k, z in enumerate(np.linspace(6.6, -6.6, 8)):
        slant = 1.0 * (-1) ** k
        path = hanging((-3.3, 4.75, z - slant), (3.3, 4.75, z + slant), 0.75 + 0.2 * rng.random(), points=41)
        stage.place("cord", tube(path, 0.007, sides=5), "cord")
        for n, (x, y, bulb_z) in enumerate(path[1:-1:2]):
            stage.place("socket", socket, "iron", at=(x, y - 0.07, bulb_z))
            bulb = stage.lamp(
                "sphere",
                "bulb",
                at=(x, y - 0.075, bulb_z),
                radius_m=0.024,
                intensity=26.0,
                unit="lm",
                temperature_k=float(rng.normal(2350, 120)),
                group="garlands",
            )
            phase = 12 * k + 2 * n
            keys = np.linspace(0, LOOP, 9)
            level = 18.0 + 10.0 * np.cos(2 * np.pi * (keys - phase) / LOOP)
            stage.animate(bulb, "intensity", keys, level, post="loop")


def _candles(stage: Stage) -> None:
    """Candles in clusters on the rim of the pool; each flickers by its own seeded curve."""
    stage.group("candles")
    rng = np.random.default_rng(33)
    for k in range(24):
        angle = np.radians(-118 + 236 * k / 23 + rng.uniform(-3, 3))
        radius, height = 2.1 + rng.uniform(-0.05, 0.05), float(rng.uniform(0.06, 0.2))
        x, z = FOCUS[0] + radius * np.sin(angle), FOCUS[2] + radius * np.cos(angle)
        stage.place("candle", candle(height), "wax", at=(x, 0.16, z))
        flame = stage.lamp(
            "sphere",
            "flame",
            at=(x, 0.16 + height + 0.012, z),
            radius_m=0.009,
            intensity=13.0,
            unit="lm",
            temperature_k=1850.0,
            group="candles",
        )
        keys = np.arange(0, LOOP + 1, 2)
        level = 13.0 * np.clip(rng.normal(1.0, 0.16, len(keys)), 0.55, 1.4)
        level[-1] = level[0]
        stage.animate(flame, "intensity", keys, level, post="loop")
