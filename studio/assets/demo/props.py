"""Props: the things that stand, hang and shine on the demo's sets."""

from __future__ import annotations

import numpy as np

from studio.assets.demo.dressing import Stage
from studio.assets.demo.shapes import Shape, box, join, lathe, sphere, torus, tube
from studio.scene.turns import Vec3, about, product


def paper_lantern(*, ribs: int = 9) -> Shape:
    """A ribbed paper lantern of unit radius, open at both ends, hung by its top at the origin."""
    t = np.linspace(0, 1, 4 * ribs + 1)
    body = np.sin(np.pi * (0.14 + 0.72 * t)) ** 0.7
    pinch = 1 - 0.05 * (0.5 + 0.5 * np.cos(2 * np.pi * ribs * t)) ** 4
    return lathe(np.stack([body * pinch, -2.1 + 2.1 * t], 1), segments=28)


def vase(height: float, *, belly: float = 0.36, neck: float = 0.13) -> Shape:
    """A thrown vase with a shoulder, a neck and a lip, hollow, standing on the origin."""
    outer = [
        (0, 0),
        (0.2, 0),
        (0.2, 0),
        (belly * 0.8, 0.22),
        (belly, 0.52),
        (belly * 0.72, 0.74),
        (neck, 0.86),
        (neck * 1.05, 0.94),
        (neck * 1.7, 1.0),
    ]
    inner = [(neck * 1.6, 0.995), (neck * 0.85, 0.93), (neck * 0.85, 0.86), (belly * 0.6, 0.72), (0, 0.6)]
    return lathe(height * np.array(outer + inner), segments=64, smooth=2)


def candle(height: float) -> Shape:
    """A wax candle with a melted hollow at its top, standing on the origin."""
    profile = [
        (0, 0),
        (0.032, 0),
        (0.032, 0),
        (0.03, height),
        (0.026, height),
        (0.012, height - 0.012),
        (0, height - 0.014),
    ]
    return lathe(profile, segments=20)


def column(height: float, radius: float) -> Shape:
    """A round column with a square foot and head, standing on the origin."""
    r = radius
    shaft = [
        (1.35 * r, 0.18),
        (1.35 * r, 0.18),
        (1.3 * r, 0.26),
        (1.1 * r, 0.3),
        (r, 0.42),
        (1.02 * r, 0.45 * height),
        (0.86 * r, height - 0.42),
        (0.95 * r, height - 0.38),
        (0.95 * r, height - 0.38),
        (0.9 * r, height - 0.33),
        (1.3 * r, height - 0.16),
        (1.3 * r, height - 0.16),
    ]
    foot, head = box((3.0 * r, 0.18, 3.0 * r), (0, 0.09, 0)), box((2.9 * r, 0.16, 2.9 * r), (0, height - 0.08, 0))
    return join([foot, lathe(shaft, segments=40), head])


def plinth(height: float, radius: float) -> Shape:
    """A turned stone plinth with a moulded foot and cap, standing on the origin."""
    r, h = radius, height
    profile = [
        (1.25 * r, 0),
        (1.25 * r, 0),
        (1.25 * r, 0.1 * h),
        (1.25 * r, 0.1 * h),
        (1.05 * r, 0.2 * h),
        (0.92 * r, 0.24 * h),
        (0.86 * r, 0.82 * h),
        (0.95 * r, 0.88 * h),
        (1.1 * r, 0.9 * h),
        (1.1 * r, 0.9 * h),
        (1.1 * r, h),
        (1.1 * r, h),
        (0, h),
    ]
    return lathe(profile, segments=64)


def armillary(stage: Stage, at: Vec3, radius: float, *, metal: str, ball: str, frames: int) -> None:
    """An armillary sphere: nested bands about a ball of glass, swinging slowly about the pole.

    Each band swings once to and fro over the frames, the inner ones further, so that the sequence loops and the bands
    always show their circles to +z.
    """
    keys = np.linspace(1, frames + 1, 25)
    swing = np.sin(np.linspace(0, 2 * np.pi, 25))
    for k, lean in enumerate((8, 28, -52, 74)):
        size = radius * (1 - 0.115 * k)
        band = join(
            [
                torus(size, 0.022 * radius, flat=3.2 if k % 2 == 0 else 1.6),
                torus(size + 0.03 * radius, 0.012 * radius),
                *(sphere(0.05 * radius, segments=20).moved((s * size, 0, 0)) for s in (-1, 1)),
            ]
        )
        leaning = about((1, 0, 0.4 * k), lean)
        poses = [product(about((0, 1, 0), float(a)), leaning) for a in 12 * (-1) ** k * (1 + k) * swing]
        ring = stage.place("ring", band.turned("x", 90), metal, at=at, rotation=poses[0])
        stage.animate(ring, "rotation", keys, poses, rotation=True, post="loop")
    axis = np.array([[0, -1.25, 0.0], [0.001, 0, 0.0], [0, 1.25, 0.0]]) * radius
    stage.place("axis", tube(axis, 0.014 * radius, sides=16).turned("z", -23.4), metal, at=at)
    stage.place("globe", sphere(0.42 * radius, segments=96), ball, at=at)
    for end in (-1.25, 1.25):
        tip = np.array([np.sin(np.radians(23.4)), np.cos(np.radians(23.4)), 0.0]) * end * radius + at
        stage.place("finial", sphere(0.055 * radius), metal, at=(tip[0], tip[1], tip[2]))
