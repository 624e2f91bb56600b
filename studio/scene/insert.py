"""Bringing one scene into another: what an import into the open scene is.

Ids of what comes in are kept where they are free and renamed everywhere (parents, joints, materials, tracks) where
they are not, so importing a file twice gives two independent copies that share geometry and images by content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from studio.scene.entities import Entity, Group, Id, MeshObject
from studio.scene.pose import split_track
from studio.scene.scene import Scene, free_id


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
    out = replace(
        scene,
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


def _renamed(entity: Entity, names: Mapping[Id, Id], skins: Mapping[str, str], top: Id) -> Entity:
    new: dict[str, Any] = {"id": names[entity.id], "parent": names.get(entity.parent, top)}
    if isinstance(entity, MeshObject):
        new["materials"] = tuple(names.get(material, material) for material in entity.materials)
        new["joints"] = tuple(names.get(joint, joint) for joint in entity.joints)
        new["skin"] = skins.get(entity.skin, entity.skin)
    return msgspec.structs.replace(entity, **new)


def _track(track: str, names: Mapping[Id, Id]) -> str:
    """The track of the same field under its target's new id."""
    target = split_track(track)[0]
    return names.get(target, target) + track[len(target) :]
