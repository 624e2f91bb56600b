"""The lamps built into the lantern hall, and the night around it: spots, windows, tubes, the moon and the sky."""

from __future__ import annotations

import numpy as np

from studio.assets.demo.dressing import Stage, aim
from studio.assets.demo.shapes import box, join
from studio.assets.demo.surfaces import clouds, night_sky, paint
from studio.scene.turns import Vec3, about

FOCUS: Vec3 = (0.0, 2.12, -1.6)  # the middle of the armillary sphere


def build_in(stage: Stage) -> None:
    """Place and light all of them."""
    _fixtures(stage)
    _subject_lights(stage)
    _windows(stage)
    _arcade(stage)
    _gate_glow(stage)
    _night(stage)


def _fixtures(stage: Stage) -> None:
    """A spot at the foot of each column, and discs in the floor around the pool."""
    stage.group("fixtures")
    for side in (-1, 1):
        for k in range(7):
            x, z = side * 2.95, 7.2 - 2.4 * k
            stage.lamp(
                "spot",
                "uplight",
                at=(x, 0.06, z),
                rotation=aim((x, 0.06, z), (side * 3.45, 3.4, z)),
                radius_m=0.0,
                intensity=34.0,
                unit="cd",
                inner_cone_deg=12.0,
                outer_cone_deg=34.0,
                temperature_k=2700.0,
                group="architecture",
            )
    for k in range(12):
        angle = 2 * np.pi * (k + 0.5) / 12
        at = (FOCUS[0] + 2.5 * np.sin(angle), 0.012, FOCUS[2] + 2.5 * np.cos(angle))
        stage.lamp(
            "disk",
            "floor light",
            at=at,
            rotation=aim(at, (at[0], 2.0, at[2])),
            radius_m=0.04,
            intensity=24.0,
            unit="lm",
            temperature_k=3200.0,
            group="architecture",
        )


def _subject_lights(stage: Stage) -> None:
    """Two warm keys from the front and two cool rims from behind the armillary sphere."""
    keys = (
        ((-3.0, 4.6, 1.9), 320.0, 3000.0),
        ((2.6, 4.7, 0.6), 200.0, 2800.0),
        ((-2.2, 4.4, -5.2), 420.0, 7500.0),
        ((2.4, 4.5, -5.0), 420.0, 7500.0),
    )
    for at, candela, kelvin in keys:
        stage.lamp(
            "spot",
            "subject spot",
            at=at,
            rotation=aim(at, FOCUS),
            radius_m=0.0,
            intensity=candela,
            unit="cd",
            inner_cone_deg=7.0,
            outer_cone_deg=14.0,
            temperature_k=kelvin,
            group="subject",
        )


def _windows(stage: Stage) -> None:
    """Latticed windows in the arcade, as if the night stood behind them."""
    stage.group("windows")
    bars = [box((0.05, 1.5, 0.035), (0, 0, z)) for z in (-0.35, -0.117, 0.117, 0.35)]
    frame = join([*bars, *(box((0.05, 0.035, 0.74), (0, y, 0)) for y in np.linspace(-0.74, 0.74, 6))])
    for side in (-1, 1):
        for k in range(9):
            at = (side * 5.57, 2.2, 8.6 - 1.85 * k)
            stage.place("window frame", frame, "iron", at=(side * 5.56, 2.2, at[2]))
            stage.lamp(
                "rectangle",
                "window",
                at=(side * 5.56, at[1], at[2]),
                rotation=aim(at, (0, 2.2, at[2])),
                width_m=0.6,
                height_m=1.35,
                intensity=7.0,
                unit="nt",
                color=(0.2, 0.55, 1.0),
                group="night",
            )


def _arcade(stage: Stage) -> None:
    """Teal tubes under the ceiling of the arcade, warm points in its depth."""
    for side in (-1, 1):
        for k in range(6):
            stage.lamp(
                "cylinder",
                "tube",
                at=(side * 4.1, 4.62, 7.6 - 2.6 * k),
                rotation=about((0, 1, 0), 90),
                radius_m=0.013,
                length_m=1.1,
                intensity=75.0,
                unit="lm",
                color=(0.1, 0.75, 0.7),
                group="night",
            )
        for k in range(4):
            stage.lamp(
                "point",
                "arcade fill",
                at=(side * 5.0, 3.4, 6.2 - 3.7 * k),
                radius_m=0.0,
                intensity=4.0,
                unit="cd",
                temperature_k=2100.0,
                group="architecture",
            )


def _gate_glow(stage: Stage) -> None:
    """A panel beyond the gate, out of sight, that draws blue edges on the brass."""
    at = (0.0, 5.5, -12.0)
    stage.lamp(
        "rectangle",
        "gate glow",
        at=at,
        rotation=aim(at, (0, 2.2, -1.6)),
        width_m=8.0,
        height_m=2.5,
        intensity=60.0,
        unit="nt",
        color=(0.16, 0.5, 1.0),
        seen_by_camera=False,
        group="night",
    )


def _night(stage: Stage) -> None:
    stage.group("night")
    moon = (-5.0, 9.0, -7.0)
    stage.lamp(
        "distant",
        "moon",
        rotation=aim(moon, (0, 0, 0)),
        intensity=2.2,
        unit="lx",
        color=(0.45, 0.65, 1.0),
        group="night",
    )
    maria = paint(clouds(256, 256, cells=3, octaves=5, seed=9), (0.35, 0.45, 0.55), (1.0, 1.0, 0.95))
    disc = (1.5, 4.6, -60.0)
    stage.lamp(
        "disk",
        "moon disc",
        at=disc,
        rotation=aim(disc, (0, 2, 0)),
        radius_m=5.2,
        intensity=11.0,
        unit="nt",
        image=stage.image("moon", maria, "srgb"),
        group="night",
    )
    sky = night_sky(512, zenith=(0.03, 0.08, 0.22), horizon=(0.3, 0.75, 1.2), ground=(0.01, 0.02, 0.03), seed=2)
    stage.lamp(
        "dome", "night sky", image=stage.image("night sky", sky, "linear"), intensity=4.0, unit="nt", group="night"
    )
