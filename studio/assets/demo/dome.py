"""The light dome: a head in a sphere of 300 LEDs, every one of which can be dimmed by itself.

The capture stages of the trade photograph an actor under such a dome. Here the lamps make a soft key that walks once
round the head in 24 frames, while a low level of all the others keeps the shadows open.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.assets.demo.dressing import Stage, aim
from studio.assets.demo.shapes import Shape, join, lathe, sheet, sphere, torus
from studio.scene.scene import Scene

LAMPS, RADIUS, FRAMES = 300, 2.0, 24
HEAD = (0.0, 0.02, 0.0)


def build() -> Scene:
    """The head at the origin, the dome about it, the camera before a gap in it."""
    stage = Stage("dome")
    stage.material(
        "skin",
        base_color=(0.58, 0.36, 0.27),
        specular_roughness=0.42,
        fuzz_weight=0.25,
        fuzz_roughness=0.6,
        base_diffuse_roughness=0.3,
    )
    stage.material("sclera", base_color=(0.75, 0.72, 0.7), coat_weight=1.0, coat_roughness=0.02)
    stage.material("iris", base_color=(0.1, 0.05, 0.02), coat_weight=1.0, coat_roughness=0.02)
    stage.material("cloth", base_color=(0.03, 0.035, 0.05), fuzz_weight=1.0, fuzz_color=(0.4, 0.45, 0.6))
    stage.material("frame", base_color=(0.04, 0.04, 0.04), specular_roughness=0.4)
    stage.group("subject")
    stage.place("head", _head(), "skin", at=HEAD)
    shell = join([torus(0.021, 0.006, segments=48), sphere(0.02, segments=32).scaled((1.0, 0.35, 1.0))])
    for side in (-1, 1):
        ear = shell.scaled((0.7, 1.0, 1.0)).turned("z", 90).turned("y", 12 * side)
        stage.place("ear", ear.turned("x", -90), "skin", at=(side * 0.077, 0.03, -0.012))
    for side in (-1, 1):
        eye = (side * 0.0315, 0.038, 0.0648)
        stage.place("eye", sphere(0.0125, segments=48), "sclera", at=eye)
        stage.place("iris", sphere(0.0065, segments=48), "iris", at=(*eye[:2], eye[2] + 0.0072))
    bust = lathe(
        [(0.19, -0.42), (0.19, -0.42), (0.2, -0.3), (0.16, -0.2), (0.075, -0.15), (0.06, -0.1), (0.055, -0.02)],
        segments=96,
        smooth=2,
    )
    stage.place("bust", bust.scaled((1.0, 1.0, 0.72)), "cloth", at=(0, -0.01, -0.02))
    _lamps(stage)
    camera = stage.camera(
        "camera",
        eye=(0.16, 0.06, 1.55),
        target=(0.0, -0.015, 0.0),
        focal_length_mm=100.0,
        f_stop=2.8,
        focus_distance_m=1.48,
        exposure_ev=-7.4,
    )
    return stage.scene(camera=camera, frames=FRAMES)


def _head() -> Shape:
    """A stylised head in metres, face along +z: an ellipsoid pushed in and out by smooth bumps around directions."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, 181), np.linspace(0, 2 * np.pi, 241), indexing="ij")
    way = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1)
    points = way * (0.074, 0.118, 0.094)
    jaw = np.clip(-way[..., 1], 0, 1)[..., None]
    points *= 1 - jaw**1.5 * np.array([0.2, 0.06, 0.1])
    points[..., 2] += 0.012 * jaw[..., 0]
    for toward, push, width, height in _FEATURES:
        for mirror in {1.0, -1.0} if toward[0] else {1.0}:
            points += (
                _bump(points, np.array(toward) * (mirror, 1, 1), width, height)[..., None]
                * np.array(push)
                * (mirror, 1, 1)
            )
    return sheet(points, closed=True)


# where (metres), push (metres), width and height of the bump (metres)
_FEATURES: tuple[tuple[tuple[float, float, float], tuple[float, float, float], float, float], ...] = (
    ((0.0, 0.012, 0.094), (0.0, 0.0, 0.01), 0.009, 0.022),  # bridge of the nose
    ((0.0, -0.022, 0.094), (0.0, 0.0, 0.021), 0.011, 0.014),  # tip
    ((0.014, -0.027, 0.09), (0.002, 0.0, 0.008), 0.007, 0.008),  # wings
    ((0.031, 0.02, 0.086), (0.0, 0.0, -0.011), 0.016, 0.012),  # eye sockets
    ((0.028, 0.041, 0.086), (0.0, 0.0, 0.006), 0.02, 0.009),  # brow
    ((0.042, -0.012, 0.07), (0.004, 0.0, 0.007), 0.018, 0.016),  # cheek bones
    ((0.0, -0.053, 0.088), (0.0, 0.0, 0.008), 0.02, 0.0065),  # upper lip
    ((0.0, -0.068, 0.084), (0.0, 0.0, 0.008), 0.017, 0.007),  # lower lip
    ((0.0, -0.06, 0.09), (0.0, 0.0, -0.004), 0.022, 0.0028),  # between them
    ((0.0, -0.098, 0.07), (0.0, -0.002, 0.014), 0.02, 0.016),  # chin
    ((0.045, -0.075, 0.03), (0.006, 0.0, 0.0), 0.02, 0.02),  # corners of the jaw
)


def _bump(points: NDArray[np.float64], at: NDArray[np.float64], width: float, height: float) -> NDArray[np.float64]:
    offset = (points - at) / (width, height, 0.045)
    return np.asarray(np.exp(-(offset**2).sum(-1)))


def _lamps(stage: Stage) -> None:
    """300 discs on a Fibonacci sphere (Swinbank and Purser 2006) and the hoops that carry them."""
    stage.group("dome")
    k = np.arange(LAMPS) + 0.5
    height, around = 1 - 2 * k / LAMPS, np.pi * (1 + np.sqrt(5)) * k
    ring = np.sqrt(1 - height**2)
    places = np.stack([ring * np.sin(around), height, ring * np.cos(around)], 1) * RADIUS
    housing = lathe(
        [(0.0, -0.05), (0.045, -0.05), (0.045, -0.05), (0.05, 0.0), (0.05, 0.0), (0.036, 0.0)], segments=20
    ).turned("x", -90)
    keys = np.linspace(1, FRAMES + 1, 13)
    sun = 2 * np.pi * (keys - 1) / FRAMES + 0.7
    toward = np.stack([np.sin(sun), np.full_like(sun, 0.45), np.cos(sun)], 1) / np.hypot(1, 0.45)
    for place in places:
        at, rotation = (float(place[0]), float(place[1]), float(place[2])), aim(place, (0, 0, 0))
        stage.place("housing", housing, "frame", at=at, rotation=rotation)
        lamp = stage.lamp(
            "disk", "led", at=at, rotation=rotation, radius_m=0.035, intensity=60.0, unit="lm", temperature_k=5600.0
        )
        stage.animate(lamp, "intensity", keys, 12.0 + 420.0 * np.maximum(toward @ place / RADIUS, 0) ** 6, post="loop")
    hoops = [torus(RADIUS + 0.06, 0.012, sides=8).turned("x", 90).turned("y", angle) for angle in (0, 45, 90, 135)]
    stage.place("hoops", join(hoops), "frame")
