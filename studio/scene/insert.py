"""Bringing one scene into another: what an import into the open scene is.

Ids of what comes in are kept where they are free and renamed everywhere (parents, joints, materials, tracks) where
they are not, so importing a file twice gives two independent copies that share geometry and images by content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.scene.clips import Clip, Strip
from studio.scene.entities import Constraint, Entity, Figure, Group, Id, MeshObject, Vec3, renamed_group
from studio.scene.figure_rigs import renamed_figure
from studio.scene.lights import Light
from studio.scene.linking import renamed_links
from studio.scene.pose import split_track
from studio.scene.scene import Scene, free_id, placed


def insert(scene: Scene, other: Scene, *, name: str = "", parent: Id = "") -> tuple[Scene, tuple[Id, ...]]:
    """`scene` with everything of `other` in it, and the ids of what came in at the top.

    With a `name` it all hangs in a new group of that name below `parent`, else directly below `parent`. Time range and
    active camera stay those of `scene`, unless it had no entities before.
    """
    taken = set(scene.entities) | set(scene.materials)
    names: dict[Id, Id] = {}
    top = parent
    if name:
        top = free_id(name, taken.__contains__)
        taken.add(top)
    for id_ in (*other.entities, *other.materials):
        names[id_] = free_id(id_, taken.__contains__)
        taken.add(names[id_])
    skins = {key: free_id(key, scene.skins.__contains__) for key in other.skins}
    group: dict[Id, Entity] = {top: Group(id=top, name=name, parent=parent)} if name else {}
    entities = {names[id_]: _renamed(entity, names, skins, top) for id_, entity in other.entities.items()}
    materials = {names[id_]: msgspec.structs.replace(m, id=names[id_]) for id_, m in other.materials.items()}
    clips, strips = _motion(scene, other, names)
    out = replace(
        scene,
        clips=clips,
        strips=strips,
        entities={**scene.entities, **group, **entities},
        materials={**scene.materials, **materials},
        meshes={**other.meshes, **scene.meshes},
        images={**other.images, **scene.images},
        skins={**scene.skins, **{skins[key]: value for key, value in other.skins.items()}},
        tracks={**scene.tracks, **{_track(track, names): curve for track, curve in other.tracks.items()}},
    )
    if not scene.entities:
        out = replace(
            out,
            camera=names.get(other.camera, ""),
            fps=other.fps,
            frame_start=other.frame_start,
            frame_end=other.frame_end,
        )
    tops = tuple(names[id_] for id_, entity in other.entities.items() if entity.parent not in other.entities)
    return out, (top,) if name else tops


def insert_at(
    scene: Scene, other: Scene, *, name: str, at: Vec3, up: Vec3 = (0.0, 1.0, 0.0), foot: Vec3 = (0.0, 0.0, 0.0)
) -> tuple[Scene, tuple[Id, ...]]:
    """Like `insert`, in a group that brings the point `foot` of `other` to `at` and its y axis along `up`."""
    scene, tops = insert(scene, other, name=name or "asset")
    turn = upright(up)
    world = np.concatenate([turn, (np.asarray(at, np.float64) - turn @ np.asarray(foot, np.float64))[:, None]], axis=1)
    return scene.put({tops[0]: placed(scene.entities[tops[0]], world)}), tops


def upright(up: Vec3) -> NDArray[np.float64]:
    """(3, 3) the shortest turn of the y axis to a direction; none for a direction that is none."""
    y = np.asarray(up, np.float64)
    length = float(np.linalg.norm(y))
    if not (np.isfinite(length) and length > 1e-9):
        return np.eye(3)
    y = y / length
    axis = np.cross((0.0, 1.0, 0.0), y)
    sine, cosine = float(np.linalg.norm(axis)), float(y[1])
    if sine < 1e-7:
        return np.eye(3) if cosine > 0 else np.diag([1.0, -1.0, -1.0])
    kx, ky, kz = axis / sine
    k = np.array([[0.0, -kz, ky], [kz, 0.0, -kx], [-ky, kx, 0.0]])
    return np.asarray(np.eye(3) + sine * k + (1.0 - cosine) * (k @ k))  # O. Rodrigues, 1840


def _renamed(entity: Entity, names: Mapping[Id, Id], skins: Mapping[str, str], top: Id) -> Entity:
    new: dict[str, Any] = {"id": names[entity.id], "parent": names.get(entity.parent, top)}
    if isinstance(entity, MeshObject):
        new["materials"] = tuple(names.get(material, material) for material in entity.materials)
        new["joints"] = tuple(names.get(joint, joint) for joint in entity.joints)
        new["skin"] = skins.get(entity.skin, entity.skin)
    elif isinstance(entity, Constraint):
        new["target"] = names.get(entity.target, entity.target)
    elif isinstance(entity, Light) and (entity.light_links or entity.shadow_links):
        new.update(renamed_links(entity, names))
    elif isinstance(entity, Group):
        new.update(renamed_group(entity, names))
    elif isinstance(entity, Figure):
        new.update(renamed_figure(entity, names))
    return msgspec.structs.replace(entity, **new)


def _track(track: str, names: Mapping[Id, Id]) -> str:
    """The track of the same field under its target's new id."""
    target = split_track(track)[0]
    return names.get(target, target) + track[len(target) :]


def _motion(scene: Scene, other: Scene, names: Mapping[Id, Id]) -> tuple[Mapping[Id, Clip], Mapping[Id, Strip]]:
    """Clips and strips of both, those that come in under ids that are free and with what moves what came in."""
    if not other.clips:
        return scene.clips, scene.strips
    clips, strips = dict(scene.clips), dict(scene.strips)
    renamed: dict[Id, Id] = {}
    for id_, clip in other.clips.items():
        tracks = {_track(track, names): curve for track, curve in clip.tracks.items() if split_track(track)[0] in names}
        if not tracks:
            continue
        renamed[id_] = free_id(id_, clips.__contains__)
        clips[renamed[id_]] = replace(clip, id=renamed[id_], tracks=tracks)
    for id_, strip in other.strips.items():
        if strip.clip in renamed:
            new = free_id(id_, strips.__contains__)
            strips[new] = msgspec.structs.replace(strip, id=new, clip=renamed[strip.clip])
    return clips, strips
