"""Practicals: a terrace above the sea at the hour when the sun is nearly down and 300 small lamps are already lit.

One picture of the sky with a sun in it outshines any bulb, yet where the parapet and the parasols throw their shade
the bulbs are all there is. A renderer has to be fair to both.
"""

from __future__ import annotations

import numpy as np

from studio.assets.demo.dressing import Stage, aim
from studio.assets.demo.props import candle, paper_lantern, vase
from studio.assets.demo.shapes import Shape, box, hanging, join, lathe, quad, sheet, tube
from studio.assets.demo.surfaces import add_sun, clouds, flagstones, night_sky, paint
from studio.scene.scene import Scene
from studio.scene.turns import about

FRAMES = 24


def build() -> Scene:
    """The terrace; the sea lies along -z, the house along +x."""
    stage = Stage("practicals")
    tone, stone = flagstones(1024, rows=8, seed=6)
    flags = paint(tone * stone, (0.12, 0.1, 0.08), (0.5, 0.42, 0.34))
    stage.material(
        "terrace",
        base_color=(1, 1, 1),
        specular_roughness=0.5,
        textures={"base_color": stage.texture("terrace", flags, "srgb")},
    )
    wash = paint(clouds(512, 512, cells=4, octaves=6, seed=15), (0.5, 0.4, 0.3), (0.72, 0.62, 0.5))
    stage.material(
        "limewash",
        base_color=(1, 1, 1),
        specular_roughness=0.7,
        textures={"base_color": stage.texture("wash", wash, "srgb")},
    )
    stage.material("wood", base_color=(0.2, 0.1, 0.05), specular_roughness=0.3)
    stage.material("canvas", base_color=(0.75, 0.68, 0.55), fuzz_weight=0.5, specular_weight=0.3)
    stage.material("iron", base_color=(0.25, 0.25, 0.27), base_metalness=1.0, specular_roughness=0.4)
    stage.material("glaze", base_color=(0.04, 0.14, 0.3), coat_weight=1.0, coat_roughness=0.03)
    stage.material("wax", base_color=(0.8, 0.72, 0.55))
    stage.material("sea", base_color=(0.004, 0.02, 0.03), specular_roughness=0.06, specular_ior=1.33)
    stage.material("paper", base_color=(0.8, 0.75, 0.65), emission_luminance=300.0, emission_color=(1.0, 0.55, 0.2))
    _terrace(stage)
    _tables(stage)
    _lamps(stage)
    sky = night_sky(1024, zenith=(18, 34, 80), horizon=(180, 95, 55), ground=(6, 8, 12), seed=4)
    sky = add_sun(sky, azimuth_deg=-38.0, elevation_deg=9.0, angle_deg=1.2, radiance=(2.2e6, 1.1e6, 4.0e5))
    stage.lamp("dome", "sky", image=stage.image("evening", sky, "linear"), intensity=1.0, unit="nt", group="sky")
    camera = stage.camera(
        "camera",
        eye=(-2.6, 1.7, 6.6),
        target=(0.9, 1.5, -3.0),
        focal_length_mm=30.0,
        f_stop=4.0,
        focus_distance_m=6.5,
        exposure_ev=-7.6,
    )
    path = np.array([(-2.6, 1.7, 6.6), (-1.9, 1.7, 5.6)])
    stage.animate(camera, "translation", (1, FRAMES), path)
    return stage.scene(camera=camera, frames=FRAMES)


def _terrace(stage: Stage) -> None:
    stage.group("terrace")
    stage.place("floor", quad((0, 0, 0), (0, 0, 8), (5, 0, 0), tiles=4.0), "terrace")
    x, z = np.meshgrid(np.linspace(-400, 400, 161), np.linspace(-600, -8.5, 200))
    swell = 0.12 * np.sin(0.9 * z + 0.3 * np.sin(0.2 * x)) + 0.07 * np.sin(0.7 * x + 1.7 * z) - 6.0
    stage.place("sea", sheet(np.stack([x, swell, z], -1)), "sea")
    stage.place("house", box((0.4, 6.0, 16.0), (5.2, 3.0, 0)), "limewash")
    for k in range(5):
        stage.place("shutter", box((0.08, 2.1, 1.1), (4.97, 1.45, 5.4 - 2.8 * k)), "wood")
    balusters = [
        lathe([(0.06, 0), (0.09, 0.2), (0.05, 0.45), (0.07, 0.7)], segments=16, smooth=2).moved((bx, 0, -7.8))
        for bx in np.arange(-4.8, 4.9, 0.32)
    ]
    stage.place("parapet", join([*balusters, box((10.0, 0.12, 0.34), (0, 0.76, -7.8))]), "limewash")
    for px in (-4.6, 4.6):
        for pz in (-7.4, -2.4, 2.6, 7.6):
            stage.place("post", tube([(px, 0, pz), (px + 0.002, 1.8, pz), (px, 3.7, pz)], 0.05, sides=12), "iron")


def _parasol() -> Shape:
    """A round canvas of eight panels that sag between their ribs, its top at the origin."""
    r, a = np.linspace(0.02, 1, 24)[:, None], np.linspace(0, 2 * np.pi, 129)[None]
    sag = 0.12 * r * np.abs(np.sin(4 * a))
    return sheet(np.stack([1.5 * r * np.sin(a), -0.5 * r**1.3 + sag * r - 0.02, 1.5 * r * np.cos(a)], -1), closed=True)


def _tables(stage: Stage) -> None:
    """Twelve tables with four candles each and, on every other, a parasol."""
    stage.group("tables")
    rng = np.random.default_rng(12)
    table = lathe(
        [
            (0.24, 0),
            (0.24, 0),
            (0.22, 0.03),
            (0.04, 0.06),
            (0.04, 0.68),
            (0.42, 0.71),
            (0.42, 0.71),
            (0.42, 0.74),
            (0.42, 0.74),
            (0, 0.74),
        ]
    )
    stool = lathe([(0.2, 0), (0.14, 0.2), (0.15, 0.42), (0.2, 0.45), (0.2, 0.45), (0, 0.46)], segments=32)
    for k in range(12):
        x, z = -3.0 + 3.0 * (k % 3) + rng.uniform(-0.3, 0.3), 4.6 - 3.4 * (k // 3) + rng.uniform(-0.4, 0.4)
        stage.place("table", table, "wood", at=(x, 0, z))
        for angle in rng.uniform(0, 2 * np.pi, 3):
            stage.place("stool", stool, "wood", at=(x + 0.75 * np.sin(angle), 0, z + 0.75 * np.cos(angle)))
        if k % 2:
            stage.place("parasol", _parasol(), "canvas", at=(x, 2.75, z))
            stage.place("parasol pole", tube([(x, 0.7, z), (x + 0.002, 1.6, z), (x, 2.75, z)], 0.025, sides=10), "wood")
        stage.place("vase", vase(0.28), "glaze", at=(x + 0.05, 0.74, z))
        for n in range(4):
            at = (x + 0.26 * np.sin(1.57 * n + k), 0.74, z + 0.26 * np.cos(1.57 * n + k))
            height = float(rng.uniform(0.05, 0.12))
            stage.place("candle", candle(height), "wax", at=at)
            flame = (at[0], at[1] + height + 0.012, at[2])
            stage.lamp(
                "sphere",
                "flame",
                at=flame,
                radius_m=0.009,
                intensity=13.0,
                unit="lm",
                temperature_k=1850.0,
                group="candles",
            )


def _lamps(stage: Stage) -> None:
    """Beside the 48 flames: 180 bulbs on nine cords, 40 lanterns, 20 tubes under the eaves and 12 spots on the wall."""
    stage.group("lamps")
    for z in np.linspace(-7.4, 7.6, 9):
        path = hanging((-4.6, 3.6, z), (4.6, 3.6, z), 0.5, points=41)
        stage.place("cord", tube(path, 0.006, sides=5), "iron")
        for x, y, bulb_z in path[1::2]:
            stage.lamp(
                "sphere",
                "bulb",
                at=(x, y - 0.05, bulb_z),
                radius_m=0.025,
                intensity=60.0,
                unit="lm",
                temperature_k=2400.0,
                group="bulbs",
            )
    for k in range(40):
        side, z = (-1 if k % 2 else 1), -7.0 + 0.72 * (k // 2)
        stage.place("lantern", paper_lantern(), "paper", at=(side * 4.3, 2.9, z), scale=(0.13, 0.13, 0.13))
    for k in range(20):
        at = (4.9, 4.4, -7.2 + 0.75 * k)
        stage.lamp(
            "cylinder",
            "eaves tube",
            at=at,
            rotation=about((0, 1, 0), 90),
            radius_m=0.012,
            length_m=0.5,
            intensity=120.0,
            unit="lm",
            color=(1.0, 0.35, 0.2),
            group="house",
        )
    for k in range(12):
        at = (4.4, 0.08, -6.8 + 1.25 * k)
        stage.lamp(
            "spot",
            "wall washer",
            at=at,
            rotation=aim(at, (5.0, 3.0, at[2])),
            radius_m=0.0,
            intensity=160.0,
            unit="cd",
            inner_cone_deg=14.0,
            outer_cone_deg=38.0,
            temperature_k=2700.0,
            group="house",
        )
