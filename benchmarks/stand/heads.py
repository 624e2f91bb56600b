"""The ICT head under lights, as the measurements of skin see it: nine materials of our own, five set-ups of lights.

The head is the file of ../shared/assets (or MYRIAD_SHARED), in metres, its face towards +z.
"""

from __future__ import annotations

import functools
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from studio.assets.load import load_scene
from studio.scene.entities import Camera
from studio.scene.geometry import Image, make_image
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.transforms import decompose, look_at

SHARED = Path(os.environ.get("MYRIAD_SHARED", Path(__file__).resolve().parents[3] / "shared"))
HEAD = SHARED / "assets" / "ict_head" / "ict_head.glb"
FACE = (0.0, -0.005, 0.09)
REGION = "Face"  # the material whose pixels are the face

Point = tuple[float, float, float]


def skin(color: Point = (0.75, 0.5, 0.4), **more: Any) -> dict[str, Any]:
    """Fields of a material of skin: paths of Jensen et al. 2001, "Skin 1", two lobes, an index of 1.4."""
    return {
        "base_color": color,
        "subsurface_weight": 1.0,
        "subsurface_color": color,
        "subsurface_radius": 0.00127,
        "subsurface_radius_scale": (1.0, 0.65, 0.42),
        "specular_ior": 1.4,
        "specular_roughness": 0.4,
        "specular_second_weight": 0.15,
        "specular_second_scale": 1.73,
        **more,
    }


def _worn() -> dict[str, dict[str, Any]]:
    sclera = {"base_color": (0.8, 0.76, 0.72), "specular_roughness": 0.15}  # shells of a millimetre around irises
    iris = {"base_color": (0.15, 0.09, 0.05), "specular_roughness": 0.12}
    return {
        "Face": skin(),
        "BackHead": skin(),
        "GumsTongue": skin((0.6, 0.25, 0.22), specular_roughness=0.25),
        "Teeth": {"base_color": (0.8, 0.75, 0.62), "specular_roughness": 0.2},
        "ScleraLeft": sclera,
        "ScleraRight": sclera,
        "IrisLeft": iris,
        "IrisRight": iris,
        "EyeLashes": {"base_color": (0.03, 0.02, 0.02), "specular_roughness": 0.6},
    }


def _posed(eye: Point, at: Point) -> dict[str, Any]:
    """Translation and rotation of what stands at `eye` and looks at `at`."""
    place, turn, _, _ = decompose(look_at(eye, at))
    return {"translation": tuple(place.tolist()), "rotation": tuple(turn.tolist())}


def _aimed(key: str, kind: str, eye: Point, intensity: float, *, at: Point = FACE, **more: Any) -> Light:
    return Light(id=key, name=key, light=kind, intensity=intensity, **_posed(eye, at), **more)


def _three_point() -> list[Light]:
    return [
        _aimed("key", "rectangle", (0.7, 0.5, 0.9), 14.0, unit="nt", width_m=0.5, height_m=0.5),
        _aimed("fill", "rectangle", (-0.9, 0.1, 0.8), 3.0, unit="nt", width_m=0.7, height_m=0.7, color=(0.8, 0.9, 1.0)),
        _aimed("rim", "rectangle", (-0.5, 0.5, -0.8), 25.0, unit="nt", width_m=0.25, height_m=0.5),
    ]


def _hard() -> list[Light]:
    return [_aimed("sun", "spot", (1.1, 0.9, 1.4), 16.0, unit="cd", outer_cone_deg=25.0, inner_cone_deg=22.0)]


def _rim() -> list[Light]:
    return [
        _aimed("back", "spot", (0.75, 0.15, -0.9), 5.0, unit="cd", outer_cone_deg=25.0, inner_cone_deg=20.0),
        _aimed("front", "point", (-0.8, 0.3, 1.2), 2.0, unit="cd", radius_m=0.05),
    ]


def _sky() -> list[Light]:
    return [Light(id="sky", name="sky", light="dome", image=sky_image().key, unit="nt", intensity=1.0)]


def many(count: int) -> list[Light]:
    """So many small points of all colours around the head."""
    rng = np.random.default_rng(7)
    out = []
    for k in range(count):
        z, turn = rng.uniform(-0.7, 0.9), rng.uniform(0.0, 2.0 * math.pi)
        r, away = math.sqrt(1.0 - z * z), rng.uniform(0.6, 1.2)
        place = (away * r * math.sin(turn), away * z, away * r * math.cos(turn))
        color = tuple(0.4 + 0.6 * rng.random(3))
        out.append(
            Light(
                id=f"p{k}", name=f"p{k}", light="point", unit="cd", translation=place, color=color, radius_m=0.0,
                intensity=18.0 / count,
            )
        )  # fmt: skip
    return out


@functools.cache
def sky_image() -> Image:
    """A dusk: blue above, warm at one side, dark below, without a sun."""
    v, u = np.meshgrid((np.arange(64) + 0.5) / 64, (np.arange(128) + 0.5) / 128, indexing="ij")
    up = np.cos(v * np.pi)[..., None]
    warm = np.exp(-((u - 0.3) ** 2) / 0.01)[..., None] * np.exp(-((v - 0.42) ** 2) / 0.02)[..., None]
    sky = np.where(up > 0, 0.6 + 0.6 * up, 0.25 + 0.1 * up) * (0.55, 0.75, 1.0) + 8.0 * warm * (1.0, 0.6, 0.3)
    return make_image(sky.astype(np.float32), colour_space="linear", name="dusk")


RIGS = {"three points": _three_point, "hard": _hard, "sky": _sky, "rim": _rim, "many": lambda: many(40)}


def scene(rig: str | int) -> Scene:
    """The head under one of RIGS, or under so many points. Raises FileNotFoundError without the file."""
    if not HEAD.is_file():
        raise FileNotFoundError(f"{HEAD} is missing; set MYRIAD_SHARED to the folder of shared assets")
    made, _ = load_scene(HEAD)
    worn = _worn()
    materials = {m.id: Material(id=m.id, name=m.name, **worn[m.name]) for m in made.materials.values()}
    made = replace(made, materials=materials)
    side = 0.45 if rig == "rim" else 0.12
    posed = _posed((side, 0.02, 0.85), (0.0, -0.01, 0.03))
    camera = Camera(id="camera", name="camera", fit="vertical", sensor_height_mm=20.0, focal_length_mm=50.0, **posed)
    lights = many(rig) if isinstance(rig, int) else RIGS[rig]()
    images = [sky_image()] if rig == "sky" else []
    return replace(made.add(camera, *images, *lights), camera="camera")
