"""The little stage on which a figure shows poses: its own head, close, under the lights of every other thumbnail.

Only what belongs to the figure stands there, unanimated and looking ahead, with textures made small, so that what a
renderer of thumbnails is sent is small too. The picture holds what the face's controls move.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.thumbnail_scenes import bounds_of, lit
from studio.errors import BadAsset
from studio.scene.entities import Entity, Figure, Id, MeshObject
from studio.scene.expression_edits import Pose, blend, figure_named
from studio.scene.flatten import flatten
from studio.scene.geometry import Image, Mesh, content_key, make_image
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.schema import encode

F64 = NDArray[np.float64]
STAGE = 1  # of pictures kept on disk: another stage makes other pictures
_AZIMUTH_DEG, _ELEVATION_DEG = 14.0, 2.0
_TEXELS = 512  # longest side of textures
_MOVES = 0.35  # of the widest motion of a morph, from which on a vertex belongs to the face
_ROOM = -0.13  # around the face, of its size: pictures are small, and the ends of a face tell little


def figure_part(scene: Scene, id_: Id) -> Scene:
    """The part of a scene that a figure is made of, at rest, at the origin and looking ahead."""
    figure = figure_named(scene, id_)
    kept: dict[Id, Entity] = {i: scene.entities[i] for i in scene.descendants([id_]) if i in scene.entities}
    kept[id_] = msgspec.structs.replace(
        figure,
        parent="",
        translation=(0.0, 0.0, 0.0),
        rotation=(0.0, 0.0, 0.0, 1.0),
        expression=(),
        head_turn=(0.0, 0.0, 0.0),
        look_at="",
        idle=0.0,
        visible=True,
    )
    objects = [e for e in kept.values() if isinstance(e, MeshObject)]
    worn = {m for e in objects for m in e.materials if m in scene.materials}
    materials, images = _small({m: scene.materials[m] for m in worn}, scene)
    return Scene(
        name="pose",
        entities=kept,
        materials=materials,
        images=images,
        meshes={e.mesh: scene.meshes[e.mesh] for e in objects if e.mesh in scene.meshes},
        skins={e.skin: scene.skins[e.skin] for e in objects if e.skin in scene.skins},
    )


def _small(materials: dict[Id, Material], scene: Scene) -> tuple[dict[Id, Material], dict[str, Image]]:
    """Materials with their textures' pictures made small."""
    made: dict[str, Image] = {}
    for material in materials.values():
        for texture in material.textures.values():
            image = scene.images.get(texture.image)
            if image is not None and texture.image not in made:
                step = max(1, -(-max(image.pixels.shape[:2]) // _TEXELS))
                made[texture.image] = (
                    image
                    if step == 1
                    else make_image(image.pixels[::step, ::step], colour_space=image.colour_space, name=image.name)
                )
    out = {}
    for id_, material in materials.items():
        textures = {
            slot: msgspec.structs.replace(texture, image=made[texture.image].key)
            for slot, texture in material.textures.items()
            if texture.image in made
        }
        out[id_] = msgspec.structs.replace(material, textures=textures)
    return out, {image.key: image for image in made.values()}


def part_key(scene: Scene, id_: Id) -> str:
    """A key for how a figure looks, whatever its expression: that of its pictures on disk."""
    part = figure_part(scene, id_)
    records = [*part.entities.values(), *part.materials.values()]
    text = b"\n".join([str(STAGE).encode(), *map(encode, records)])
    return content_key(np.frombuffer(text, np.uint8))


def pose_key(pose: Pose) -> str:
    """A key for what a pose does to a face; its name does nothing."""
    told = encode(msgspec.structs.replace(pose, name="", weights=dict(sorted(pose.weights.items()))))
    return content_key(np.frombuffer(told, np.uint8))


def pose_stage(part: Scene) -> Scene:
    """A figure's part of a scene with lights, and a camera on its face. BadAsset when there is nothing to see."""
    found = face_box(part) or bounds_of(part)
    if found is None:
        raise BadAsset("The figure has no mesh that could be shown.")
    low, high = found
    room = _ROOM * (high - low)
    low, high = low - room, high + room
    low[2] = high[2] - 0.3 * (high[2] - low[2])  # its front, as far as the camera is concerned
    return lit(part, low, high, azimuth_deg=_AZIMUTH_DEG, elevation_deg=_ELEVATION_DEG)


def posed(stage: Scene, pose: Pose) -> Scene:
    """The stage with its figure in a pose."""
    figure = next(id_ for id_, e in stage.entities.items() if isinstance(e, Figure))
    return blend(stage, figure, pose)


def face_box(part: Scene) -> tuple[F64, F64] | None:
    """Lowest and highest corner (3,) of what the controls of a figure move, in the world; None where none moves."""
    flat = flatten(part, part.frame_start)
    known = {name for e in part.entities.values() if isinstance(e, Figure) for name in e.controls}
    points = []
    for row in flat.instances:
        deformed = flat.meshes[int(row["mesh"])]
        moved = _moved(deformed.mesh, known)
        if moved.any():
            matrix = row["open"].astype(np.float64)
            points.append(deformed.positions[moved].astype(np.float64) @ matrix[:, :3].T + matrix[:, 3])
    if not points:
        return None
    every = np.concatenate(points)
    every = every[np.isfinite(every).all(axis=1)]
    return (every.min(axis=0), every.max(axis=0)) if len(every) else None


def _moved(mesh: Mesh, known: set[str]) -> NDArray[np.bool_]:
    """Which vertices (v,) a control moves by much of what it moves."""
    out = np.zeros(len(mesh.positions), np.bool_)
    for morph in mesh.morphs:
        if morph.name in known and len(morph.indices):
            way = np.linalg.norm(morph.positions, axis=1)
            out[morph.indices[way > _MOVES * max(float(way.max()), 1e-9)]] = True
    return out


def framed(stage: Scene) -> Scene:
    """The stage as it is drawn: nothing but its own camera is looked through."""
    return replace(stage, camera="thumbnail.camera")
