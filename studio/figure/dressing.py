"""Skin on skin and enamel on teeth: materials of a head by the names of its parts.

Files of heads say what a part is in the name of its material and hardly more. A material that bears such a name and no
picture becomes the studio's own of that kind in the colour that it had; one with pictures is somebody's work and stays.
An eyeball's outermost shell becomes a whole eye, iris and cornea drawn by the closure; the shells within are hidden.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from studio.figure.eye_maps import IRISES, eye_image
from studio.figure.from_names import part_of
from studio.scene.entities import Figure, Id, MeshObject
from studio.scene.geometry import make_image
from studio.scene.material_presets import preset, presets
from studio.scene.materials import Material, Texture
from studio.scene.scene import Scene

_GLOBE_M = 0.012  # for which the presets of eyes are made
_PRESETS = {
    "skin": "skin_light",
    "lips": "lips",
    "teeth": "teeth",
    "gums": "gums",
    "tongue": "tongue",
    "lashes": "lashes",
    "brows": "brows",
    "sclera": "sclera",
    "tear_line": "tear_line",
}
_COLOURED = ("skin", "lips")  # keep the colour that they had
_SIZE = 1024  # of the picture of an eye, pixels


def dressed(scene: Scene, figure: Id, report: list[str]) -> Scene:
    """The scene with materials of the figure by the names of its parts."""
    below = set(scene.descendants([figure]))
    record = scene.entities[figure]
    assert isinstance(record, Figure)
    scene = _with_eyes(scene, record, report)
    objects = [e for i in below if isinstance(e := scene.entities[i], MeshObject)]
    new: dict[Id, Material] = {}
    for id_ in dict.fromkeys(m for e in objects for m in e.materials):
        material = scene.materials.get(id_)
        if material is None or not _plain(material):
            continue
        kind = part_of(material.name or id_)
        if kind in _PRESETS:
            new[id_] = _as(material, _PRESETS[kind], keep=kind in _COLOURED)
    if new:
        scene = replace(scene, materials={**scene.materials, **new})
        report.append(f"Materials became what their names say: {', '.join(m.name or m.id for m in new.values())}.")
    return scene


def _with_eyes(scene: Scene, figure: Figure, report: list[str]) -> Scene:
    """The scene with the outermost shell of each eyeball as a whole eye, where its materials are plain."""
    eyes = []
    for joint in (figure.rig.left_eye, figure.rig.right_eye):
        shells = [e for e in scene.entities.values() if isinstance(e, MeshObject) and e.parent == joint and joint]
        worn = [scene.materials[m] for e in shells for m in e.materials if m in scene.materials]
        if shells and worn and all(map(_plain, worn)):
            eyes.append((sorted(shells, key=lambda e: -_radius(scene, e)), worn))
    if not eyes:
        return scene
    iris = _nearest_iris([m for _, worn in eyes for m in worn])
    image = make_image(eye_image(_SIZE, iris=iris), name=f"eye {iris}")
    radius = float(np.mean([_radius(scene, shells[0]) for shells, _ in eyes]))
    kind = preset(f"eye_{iris}").material
    texture = Texture(image=image.key)
    material = msgspec.structs.replace(
        kind,
        id=scene.free_id("eye"),
        eye_iris_radius=kind.eye_iris_radius * radius / _GLOBE_M,
        eye_iris_plane=kind.eye_iris_plane * radius / _GLOBE_M,
        textures={"base_color": texture, "subsurface_color": texture},
    )
    scene = scene.add(image, material)
    for shells, _ in eyes:
        parts = len(scene.meshes[shells[0].mesh].parts) - 1
        whole = {shells[0].id: msgspec.structs.replace(shells[0], materials=(material.id,) * parts)}
        inner = {e.id: msgspec.structs.replace(e, visible=False) for e in shells[1:]}
        scene = scene.put({**whole, **inner})
    report.append(f"The eyeballs became whole eyes with a {iris} iris; what was inside them is hidden.")
    return scene


def _radius(scene: Scene, shell: MeshObject) -> float:
    """That of most of an eyeball: the globe without the bulge of the cornea."""
    return float(np.median(np.linalg.norm(scene.meshes[shell.mesh].positions, axis=1)))


def _nearest_iris(worn: list[Material]) -> str:
    """The iris nearest to the colour of what is called one; brown where nothing is."""
    named = [m for m in worn if "iris" in (m.name or m.id).lower()]
    if not named:
        return "brown"
    colour = np.array(named[0].base_color)
    known = [name for name in IRISES if f"eye_{name}" in presets()]
    return min(known, key=lambda name: float(np.linalg.norm(np.array(IRISES[name].fibres) - colour)))


def _plain(material: Material) -> bool:
    """Whether a material is a colour and nothing that somebody has worked on."""
    return not material.textures and material.subsurface_weight == 0.0 and material.emission_luminance == 0.0


def _as(material: Material, id_: str, *, keep: bool) -> Material:
    kind = preset(id_).material
    values: dict[str, Any] = {"id": material.id, "name": material.name, "extra": material.extra}
    if keep:
        values |= {"base_color": material.base_color, "subsurface_color": material.base_color}
    return msgspec.structs.replace(kind, **values)
