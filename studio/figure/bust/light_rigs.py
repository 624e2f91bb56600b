"""A portrait studio for a bust: a backdrop, a camera with a portrait lens, and five ways of lighting a face.

Each way is a rig, a group of lamps that is switched as one, and only one is on: a face is judged by going through
them. Lamps stand about the face as a photographer sets them, in degrees around it from the camera and above the eyes,
and are as large as the softboxes that give such light. Strengths are in nits and meet the camera's exposure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.pieces import Piece, sheet
from studio.scene.entities import Camera, Entity, Figure, Group, MeshObject
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene, placed
from studio.scene.transforms import look_at

Color = tuple[float, float, float]
WARM: Color = (1.0, 0.86, 0.70)
NEUTRAL: Color = (1.0, 0.97, 0.93)
DAY: Color = (0.86, 0.93, 1.0)
BLUE: Color = (0.45, 0.65, 1.0)


@dataclass(frozen=True, slots=True)
class Lamp:
    """A softbox: degrees around the face from the camera (positive to the camera's right) and above the eyes, metres
    away, width and height in metres, nits, colour; `aim` metres off the face."""

    name: str
    around: float
    above: float
    away: float
    size: tuple[float, float]
    nits: float
    color: Color = NEUTRAL
    aim: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spread_deg: float = 180.0


@dataclass(frozen=True, slots=True)
class Rig:
    """A way of lighting: its lamps, the light from everywhere, and the light on the backdrop (nits)."""

    name: str
    lamps: tuple[Lamp, ...]
    dome: float = 0.0
    dome_color: Color = (1.0, 1.0, 1.0)
    backdrop: float = 1.0
    backdrop_color: Color = (1.0, 1.0, 1.0)


RIGS: tuple[Rig, ...] = (
    Rig(
        "three point",
        (
            Lamp("key", -42, 34, 1.15, (0.55, 0.55), 15.5, NEUTRAL),
            Lamp("fill", 48, 8, 1.5, (0.9, 0.9), 2.2, DAY),
            Lamp("rim", 146, 30, 1.1, (0.25, 0.8), 22.0, NEUTRAL),
            Lamp("kicker", -150, 12, 1.2, (0.2, 0.7), 7.0, DAY),
        ),
        dome=0.05,
        backdrop=9.0,
        backdrop_color=(0.80, 0.90, 1.0),
    ),
    Rig(
        "rembrandt",
        (
            Lamp("key", 52, 44, 1.2, (0.38, 0.38), 46.0, WARM),
            Lamp("fill", -60, 0, 1.6, (0.9, 0.9), 0.95, WARM),
            Lamp("hair", -155, 48, 1.2, (0.3, 0.3), 14.0, WARM),
        ),
        dome=0.015,
        dome_color=(1.0, 0.8, 0.6),
        backdrop=1.6,
        backdrop_color=(1.0, 0.72, 0.45),
    ),
    Rig(
        "beauty",
        (
            Lamp("key", 0, 40, 1.0, (0.62, 0.45), 16.0, NEUTRAL),
            Lamp("reflector", 0, -42, 0.85, (0.7, 0.35), 2.4, NEUTRAL),
            Lamp("left rim", -128, 14, 1.15, (0.25, 0.9), 8.0, DAY),
            Lamp("right rim", 128, 14, 1.15, (0.25, 0.9), 8.0, DAY),
        ),
        dome=0.10,
        backdrop=34.0,
        backdrop_color=(1.0, 0.94, 0.90),
    ),
    Rig(
        "noir",
        (
            Lamp("key", -72, 20, 1.1, (0.18, 0.5), 70.0, WARM, spread_deg=70.0),
            Lamp("rim", 138, 26, 1.0, (0.14, 0.9), 55.0, BLUE, spread_deg=70.0),
            Lamp("fill", 30, 5, 1.6, (0.8, 0.8), 0.7, BLUE),
        ),
        backdrop=2.6,
        backdrop_color=BLUE,
    ),
    Rig(
        "window",
        (
            Lamp("window", -66, 14, 1.15, (1.0, 1.3), 7.2, DAY),
            Lamp("wall", 70, 6, 1.5, (1.4, 1.6), 0.6, WARM),
        ),
        dome=0.16,
        dome_color=(1.0, 0.97, 0.94),
        backdrop=4.0,
        backdrop_color=(0.95, 0.98, 1.0),
    ),
)
_FACE = (0.0, -0.030, -0.02)
_BACKDROP_Z = -1.35


def build_stage(scene: Scene, *, rig: str = "three point") -> Scene:
    """The scene with a backdrop, a portrait camera of 85 mm and the five rigs about a bust at the origin; `rig` is on.

    The figures of the scene look into the camera.
    """
    camera = Camera(
        id="portrait",
        name="portrait",
        focal_length_mm=85.0,
        sensor_width_mm=28.8,
        sensor_height_mm=36.0,
        fit="vertical",
        focus_distance_m=0.93,
        exposure_ev=0.65,
    )
    eye = np.array([0.0, -0.018, 0.95])
    drop = _backdrop().mesh("backdrop")
    paper = Material(
        id="backdrop paper",
        name="backdrop paper",
        base_color=(0.24, 0.235, 0.23),
        specular_weight=0.25,
        specular_roughness=0.8,
    )
    out = scene.add(
        paper,
        drop,
        _aimed(camera, eye, np.array([0.0, -0.028, 0.0])),
        MeshObject(id="backdrop", name="backdrop", mesh=drop.key, materials=(paper.id,)),
    )
    for made in RIGS:
        out = _lit(out, made, on=made.name == rig)
    figures = [id_ for id_, entity in out.entities.items() if isinstance(entity, Figure)]
    if figures:
        out = out.replace(figures, look_at="portrait")
    return out if out.camera else _seen(out)


def _aimed(entity: Camera | Light, at: NDArray[np.float64], target: NDArray[np.float64]) -> Entity:
    """An entity at a place, looking at another."""
    return placed(entity, look_at(at.tolist(), target.tolist()))


def _seen(scene: Scene) -> Scene:
    from dataclasses import replace

    return replace(scene, camera="portrait")


def _lit(scene: Scene, rig: Rig, *, on: bool) -> Scene:
    group = Group(id=rig.name, name=rig.name, rig=True, muted=not on)
    lamps = [_lamp(rig, lamp) for lamp in rig.lamps]
    wash = Light(
        id=f"{rig.name} backdrop",
        name="backdrop",
        parent=rig.name,
        light="disk",
        unit="nt",
        radius_m=0.16,
        spread_deg=120.0,
        intensity=rig.backdrop,
        color=rig.backdrop_color,
        seen_by_camera=False,
        seen_in_reflections=False,
    )
    lamps.append(_aimed(wash, np.array([0.0, -0.62, -0.75]), np.array([0.0, 0.05, _BACKDROP_Z])))
    out = scene.add(group, *lamps)
    if rig.dome > 0:
        sky = Light(
            id=f"{rig.name} sky",
            name="sky",
            parent=rig.name,
            light="dome",
            unit="nt",
            intensity=rig.dome,
            color=rig.dome_color,
            seen_by_camera=False,
        )
        out = out.add(sky)
    return out


def _lamp(rig: Rig, lamp: Lamp) -> Entity:
    turn, lift = np.radians(lamp.around), np.radians(lamp.above)
    way = np.array([np.sin(turn) * np.cos(lift), np.sin(lift), np.cos(turn) * np.cos(lift)])
    face = np.array(_FACE) + np.array(lamp.aim)
    light = Light(
        id=f"{rig.name} {lamp.name}",
        name=lamp.name,
        parent=rig.name,
        light="rectangle",
        unit="nt",
        width_m=lamp.size[0],
        height_m=lamp.size[1],
        intensity=lamp.nits,
        color=lamp.color,
        spread_deg=lamp.spread_deg,
        seen_by_camera=False,
    )
    return _aimed(light, face + way * lamp.away, face)


def _backdrop() -> Piece:
    """A sheet of paper that hangs behind the bust and sweeps forward under it."""
    t = np.linspace(0, 1, 28)
    y = np.where(t < 0.6, 1.6 - t / 0.6 * 2.2, -0.6 - 0.25 * np.sin((t - 0.6) / 0.4 * np.pi / 2))
    z = np.where(t < 0.6, _BACKDROP_Z, _BACKDROP_Z + 0.9 * (1 - np.cos((t - 0.6) / 0.4 * np.pi / 2)))
    x = np.linspace(-2.2, 2.2, 9)
    grid = np.stack(np.broadcast_arrays(x[None, :], y[:, None], z[:, None]), -1)
    return sheet(grid)
