"""The scenes to measure on, as flat scenes: the four shared reference scenes, and neutral forms of the demo's own.

A lead over other renderers that holds on one scene alone is none, so there are four more: many rooms with the lamps
behind walls, a stage under narrow spots, a head in a dome of lamps, a terrace between a sun and small bulbs. Renderers
disagree on how plastic looks and how soft a spot's edge is, so `neutral` leaves what they agree on: Lambert and GGX
metal, lamps made of triangles, hard spots, a pinhole camera. Nothing of the geometry or of the light's places and
powers changes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.stand import heads
from studio.assets import demo
from studio.assets.demo.dressing import Stage
from studio.assets.demo.shapes import Shape, box, join, lathe, quad, sphere
from studio.scene.entities import Camera, Entity, MeshObject
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.geometry import Mesh, make_mesh
from studio.scene.lights import KINDS, Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.transforms import decompose

ROOT = Path(__file__).resolve().parents[2]
REFERENCED = ("cornell", "veach_mis", "hall300", "hall300p")
OWN = ("rooms", "rig", "dome", "practicals")
TEXTURED = 0.45  # stands in for a base colour that comes from a texture
SMOOTHEST = 0.15  # roughness of the smoothest metal: caustics of a mirror would be all that is measured
CLOSER = {"dome": 2.2}  # longer lenses, so that most of the picture is of something
PITCH = 8  # sides of a disk or cylinder, half the segments of a sphere, that stands in for a lamp


def shared() -> Path:
    """The folder of the reference scenes (MYRIAD_SHARED names another place than beside the checkout)."""
    return Path(os.environ.get("MYRIAD_SHARED", ROOT.parent / "shared")) / "bench"


def available() -> tuple[str, ...]:
    """Names of the scenes that can be measured here."""
    return tuple(n for n in REFERENCED if (shared() / f"{n}.glb").is_file()) + OWN


def flat(name: str) -> FlatScene:
    """A scene of `available()`, "hall:N" or "hall:N:point" for a hall of N lamps, or "head:RIG" for the head with skin
    under a set-up of lights, as renderers read it."""
    from studio.assets.load import load_scene

    if name in REFERENCED:
        return flatten(load_scene(shared() / f"{name}.glb")[0], 1.0)
    if name.startswith("hall:"):
        _, count, *kind = name.split(":")
        return flatten(hall(int(count), points=kind == ["point"]), 1.0)
    if name.startswith("head:"):
        return flatten(heads.scene(name.partition(":")[2]), 1.0)
    scene = neutral(demo.build(name))
    focal = scene.entities[scene.camera].focal_length_mm * CLOSER.get(name, 1.0)  # type: ignore[attr-defined]
    return flatten(scene.replace(scene.camera, focal_length_mm=focal), 1.0)


# --- neutral forms ---------------------------------------------------------------------------------------------------
def neutral(scene: Scene) -> Scene:
    """The first frame of a scene with what all renderers understand in the same way, lamps of triangles included."""
    flat = flatten(scene, 1.0)
    entities: dict[str, Entity] = {i: e for i, e in scene.entities.items() if not isinstance(e, (Light, Camera))}
    materials = {id_: _plain_material(m) for id_, m in scene.materials.items()}
    meshes: dict[str, Mesh] = dict(scene.meshes)
    for i, row in enumerate(flat.lights):
        if row["kind"] == KINDS["mesh"]:
            continue
        entity: Entity | None = _plain_light(row, f"lamp {i}", flat)
        if entity is None:
            lamp = _lamp_mesh(row)
            colour = row["emission"].astype(float)
            strength = float(colour.max())
            material = Material(
                id=f"lamp {i}",
                name=f"lamp {i}",
                base_color=(0.0, 0.0, 0.0),
                specular_weight=0.0,
                emission_luminance=strength,
                emission_color=_three(colour / strength),
            )
            materials[material.id] = material
            meshes[lamp.key] = lamp
            entity = MeshObject(
                id=f"lamp {i}", name=f"lamp {i}", mesh=lamp.key, materials=(material.id,), **_pose(row["open"])
            )
        entities[entity.id] = entity
    camera = scene.entities[scene.camera]
    assert isinstance(camera, Camera)
    entities[camera.id] = msgspec.structs.replace(camera, f_stop=0.0, shutter_open=0.0, shutter_close=0.0)
    return replace(scene, entities=entities, materials=materials, meshes=meshes, tracks={})


def _three(values: object) -> tuple[float, float, float]:
    x, y, z = np.asarray(values, np.float64).tolist()
    return (x, y, z)


def _pose(matrix: np.ndarray) -> dict[str, Any]:
    translation, rotation, _, _ = decompose(matrix.astype(np.float64))
    return {"translation": tuple(translation.tolist()), "rotation": tuple(rotation.tolist())}


def _plain_material(material: Material) -> Material:
    """Lambert, or GGX metal that is not too smooth."""
    textured = "base_color" in material.textures
    metal = material.base_metalness > 0.5
    weight = material.base_weight * (TEXTURED if textured else 1.0)
    return Material(
        id=material.id,
        name=material.name,
        base_color=_three(weight * np.array(material.base_color)),
        base_metalness=1.0 if metal else 0.0,
        specular_weight=1.0 if metal else 0.0,
        specular_roughness=max(material.specular_roughness, SMOOTHEST),
        emission_luminance=material.emission_luminance,
        emission_color=material.emission_color,
    )


def _plain_light(row: np.void, name: str, flat: FlatScene) -> Light | None:
    """The same light where all renderers have it (spots with a hard edge, a sun without a disc), else None."""
    kind = next(k for k, code in KINDS.items() if code == row["kind"])
    units = {"point": "cd", "spot": "cd", "distant": "lx", "dome": "nt"}
    if kind not in units:
        return None
    strength = float(row["emission"].max())
    angle = float(np.degrees(np.arccos(row["cone"][1])))
    return Light(
        id=name,
        name=name,
        light=kind,
        unit=units[kind],
        intensity=strength,
        color=_three(row["emission"] / strength),
        radius_m=0.0,
        angle_deg=0.0,
        inner_cone_deg=angle if kind == "spot" else 0.0,
        outer_cone_deg=angle if kind == "spot" else 45.0,
        image=flat.textures[row["image"]].key if row["image"] >= 0 else "",
        **_pose(row["open"]),
    )


def _lamp_mesh(row: np.void) -> Mesh:
    """An area light as triangles without normals; rectangles and disks face -z, cylinders lie along x."""
    kind = next(k for k, code in KINDS.items() if code == row["kind"])
    a, b = (float(x) for x in row["size"])
    if kind == "rectangle":
        shape = quad((0, 0, 0), (-a / 2, 0, 0), (0, b / 2, 0))
    elif kind == "sphere":
        shape = sphere(a, segments=PITCH)
    elif kind == "cylinder":
        shape = lathe([(a, -b / 2), (a, b / 2)], segments=PITCH).turned("z", 90)
    else:
        shape = lathe([(a, 0.0), (0.0, 0.0)], segments=2 * PITCH).turned("x", -90)
    return make_mesh(shape.positions, shape.triangles, where=kind)


# --- a hall of any number of lamps -----------------------------------------------------------------------------------
def hall(lamps: int, *, points: bool = False) -> Scene:
    """A columned hall with so many lamps of uneven power, faceted balls or points of the same intensity.

    The first lamps of a larger hall are the same.
    """
    stage = Stage(f"hall of {lamps}")
    for name, colour in {"floor": (0.3, 0.18, 0.1), "plaster": (0.75, 0.72, 0.68), "stone": (0.6, 0.57, 0.5)}.items():
        stage.material(name, base_color=colour, specular_weight=0.0)
    stage.material("metal", base_color=(0.8, 0.6, 0.4), base_metalness=1.0, specular_roughness=0.4)
    stage.place("floor", quad((0, 0, 0), (0, 0, 15), (7, 0, 0)), "floor")
    stage.place("ceiling", quad((0, 5, 0), (7, 0, 0), (0, 0, 15)), "plaster")
    for side, u in ((-1, (0, 2.5, 0)), (1, (0, 0, 15))):
        v = (0, 0, 15) if side < 0 else (0, 2.5, 0)
        stage.place("wall", quad((7 * side, 2.5, 0), u, v), "plaster")
    stage.place("end", quad((0, 2.5, -15), (7, 0, 0), (0, 2.5, 0)), "plaster")
    stage.place("end", quad((0, 2.5, 15), (0, 2.5, 0), (7, 0, 0)), "plaster")
    columns = [box((0.5, 5, 0.5), (x, 2.5, z)) for x in (-4.0, 4.0) for z in np.linspace(-13, 11, 11)]
    stage.place("columns", join(columns), "stone")
    rng = np.random.default_rng(11)
    for k in range(10):
        radius = float(rng.uniform(0.25, 0.6))
        at = (float(rng.uniform(-3, 3)), radius, float(rng.uniform(-11, 9)))
        stage.place("ball", sphere(radius, segments=64), "metal" if k % 3 == 0 else "stone", at=at)
    for k in range(lamps):
        rng = np.random.default_rng((11, k))
        radius, power = float(rng.uniform(0.02, 0.07)), float(rng.lognormal(0.0, 0.8))
        at = (float(rng.uniform(-6.5, 6.5)), float(rng.uniform(0.8, 4.7)), float(rng.uniform(-14, 14)))
        colour = _three(0.25 + 0.75 * rng.random(3))
        if points:
            stage.lamp("point", "lamp", at=at, intensity=0.55 * power, unit="cd", color=colour, radius_m=0.0)
            continue
        stage.material(
            f"glow {k}",
            base_color=(0.0, 0.0, 0.0),
            specular_weight=0.0,
            emission_luminance=0.55 * power / (np.pi * radius**2),
            emission_color=colour,
        )
        stage.place("lamp", _faceted(sphere(radius, segments=PITCH)), f"glow {k}", at=at)
    eye, target = (0.0, 1.9, 13.5), (0.0, 1.5, 0.0)
    camera = stage.camera("camera", eye=eye, target=target, focal_length_mm=22.0)
    return stage.scene(camera=camera)


def _faceted(shape: Shape) -> Shape:
    """Every triangle with corners and a normal of its own."""
    p = shape.positions[shape.triangles]
    n = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    corners = np.arange(3 * len(p)).reshape(-1, 3)
    uv = shape.uv[shape.triangles].reshape(-1, 2)
    return Shape(p.reshape(-1, 3), np.repeat(n, 3, axis=0), uv, corners)
