"""The rig: a concert stage under 300 spots on twelve trusses, in four gels, panning and chasing.

All the light comes in narrow cones from far above, so at any point of the stage most lamps give nothing and a few give
everything. Seven dancers of lacquer, metal and velvet stand on a floor polished black.
"""

from __future__ import annotations

import numpy as np

from studio.assets.demo.dressing import Stage, aim
from studio.assets.demo.shapes import Shape, box, drape, join, lathe, quad, sphere, tube
from studio.scene.scene import Scene

TRUSSES, SPOTS, FRAMES = 12, 25, 48
GELS = ((1.0, 0.32, 0.1), (0.16, 0.35, 1.0), (1.0, 0.1, 0.45), (0.95, 0.9, 0.8))


def build() -> Scene:
    """The stage faces +z; the camera stands where the third row would."""
    stage = Stage("rig")
    stage.material(
        "lacquer floor", base_color=(0.015, 0.015, 0.018), specular_roughness=0.09, coat_weight=1.0, coat_roughness=0.02
    )
    stage.material("cyclorama", base_color=(0.7, 0.7, 0.72), specular_weight=0.2, base_diffuse_roughness=0.6)
    stage.material("truss", base_color=(0.55, 0.55, 0.57), base_metalness=1.0, specular_roughness=0.35)
    stage.material("can", base_color=(0.02, 0.02, 0.02), specular_roughness=0.4)
    stage.material("velvet", base_color=(0.05, 0.005, 0.02), fuzz_weight=1.0, fuzz_color=(0.6, 0.1, 0.25))
    stage.material("white lacquer", base_color=(0.8, 0.78, 0.74), coat_weight=1.0, coat_roughness=0.03)
    stage.material("chrome", base_color=(0.9, 0.9, 0.92), base_metalness=1.0, specular_roughness=0.06)
    stage.material("gold", base_color=(1.0, 0.72, 0.3), base_metalness=1.0, specular_roughness=0.2)
    _set(stage)
    _rig(stage)
    camera = stage.camera(
        "camera",
        eye=(1.3, 1.5, 10.2),
        target=(0.0, 2.6, -2.0),
        focal_length_mm=35.0,
        f_stop=2.8,
        focus_distance_m=10.8,
        exposure_ev=-5.4,
    )
    return stage.scene(camera=camera, frames=FRAMES)


def _dancer() -> Shape:
    """A figure as a turner would make it: skirt, waist, shoulders, neck and head."""
    profile = [
        (0.34, 0),
        (0.34, 0),
        (0.33, 0.03),
        (0.22, 0.4),
        (0.14, 0.85),
        (0.105, 1.0),
        (0.13, 1.15),
        (0.17, 1.32),
        (0.13, 1.42),
        (0.05, 1.47),
        (0.045, 1.54),
    ]
    return join(
        [lathe(profile, segments=64, smooth=2), sphere(0.105, segments=48).scaled((0.9, 1.15, 1.0)).moved((0, 1.64, 0))]
    )


def _set(stage: Stage) -> None:
    stage.group("set")
    stage.place("floor", quad((0, 0, 0), (0, 0, 12), (12, 0, 0)), "lacquer floor")
    stage.place("cyclorama", quad((0, 4.0, -6.0), (10, 0, 0), (0, 4.0, 0)), "cyclorama")
    for side in (-1, 1):
        for k in range(3):
            cloth = drape(2.2, 7.5, folds=7, depth=0.13, seed=50 + k + 3 * side)
            stage.place("leg", cloth, "velvet", at=(side * (6.2 + 0.3 * k), 7.6, -4.2 + 3.0 * k))
    for k in range(3):
        stage.place("step", box((7.0 - 1.6 * k, 0.24, 2.6 - 0.7 * k), (0, 0.12 + 0.24 * k, -2.6)), "lacquer floor")
    looks = ("white lacquer", "gold", "chrome", "velvet")
    for k, (x, y, z) in enumerate(
        (
            (0, 0.72, -2.6),
            (-1.6, 0.48, -2.5),
            (1.6, 0.48, -2.5),
            (-3.2, 0, -0.6),
            (3.2, 0, -0.6),
            (-1.3, 0, 1.0),
            (1.5, 0, 1.2),
        )
    ):
        stage.place("dancer", _dancer(), looks[k % 4], at=(x, y, z))


def _truss(half: float) -> Shape:
    """A triangular truss along x: three chords and their lacing."""
    corners = np.array([[0.0, 0.15], [-0.13, -0.08], [0.13, -0.08]])
    bays = int(half * 4)
    xs = np.linspace(-half, half, bays + 1)
    chords = [tube([(-half, y, z), (0, y + 0.001, z), (half, y, z)], 0.022, sides=8) for z, y in corners]
    lacing = []
    for (z0, y0), (z1, y1) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        for a, b, flip in zip(xs[:-1], xs[1:], np.arange(bays) % 2, strict=True):
            start, end = ((a, y0, z0), (b, y1, z1)) if flip else ((a, y1, z1), (b, y0, z0))
            lacing.append(tube([start, end], 0.01, sides=5))
    return join([*chords, *lacing])


def _rig(stage: Stage) -> None:
    """Twelve trusses of 25 spots: each truss one gel; the aim of each lamp pans across the stage and comes back."""
    rng = np.random.default_rng(300)
    truss = _truss(6.0)
    can = lathe(
        [(0.0, 0.24), (0.07, 0.22), (0.09, 0.1), (0.095, -0.02), (0.095, -0.02), (0.08, -0.02), (0.08, 0.05)],
        segments=24,
    ).turned("x", 90)
    keys = np.linspace(1, FRAMES + 1, 13)
    for row in range(TRUSSES):
        stage.group("truss")
        z, y = 5.0 - 0.95 * row, 7.3 + 0.25 * (row % 2)
        stage.place("truss", truss, "truss", at=(0, y + 0.3, z))
        gel = GELS[row % len(GELS)]
        for x in np.linspace(-5.6, 5.6, SPOTS):
            at = (float(x), y, z)
            if row >= TRUSSES - 3:  # the last three trusses wash the cyclorama
                goal = np.array([0.9 * x, rng.uniform(1.0, 6.0), -6.0])
            else:
                goal = np.array([0.5 * x + rng.normal(0, 0.8), 0.9, -1.2 + rng.normal(0, 1.4)])
            swing, phase = rng.uniform(0.3, 1.3), rng.uniform(0, 2 * np.pi)
            goals = goal + np.outer(np.sin(2 * np.pi * (keys - 1) / FRAMES + phase), (swing, 0, 0.4 * swing))
            poses = [aim(at, target) for target in goals]
            body = stage.place("can", can, "can", at=at, rotation=poses[0])
            half = rng.uniform(5.0, 11.0)
            spot = stage.lamp(
                "spot",
                "spot",
                at=at,
                rotation=poses[0],
                radius_m=0.0,
                intensity=float(rng.lognormal(8.0, 0.5)),
                unit="cd",
                color=gel,
                inner_cone_deg=0.75 * half,
                outer_cone_deg=half,
                group=f"gel {row % len(GELS) + 1}",
            )
            for moving in (body, spot):
                stage.animate(moving, "rotation", keys, poses, rotation=True, post="loop")
