"""Parts of scenes that are kept in the library: a material with its textures, a rig of lights.

A part is one file of JSON, so it can be tagged, moved, mailed and compared like any other: the text of a scene that
holds nothing but the part, and the arrays that the text names. It is read with the same checks as a project.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from studio.assets.files import read_file
from studio.assets.library_kinds import MATERIAL, MATERIAL_SUFFIX, RIG, RIG_SUFFIX
from studio.errors import BadAsset, CannotWrite
from studio.scene.entities import Entity, Group, Id, MeshObject, renamed_states
from studio.scene.lights import IMAGE_FIELDS, Light
from studio.scene.scene import Scene
from studio.scene.scene_file import asset_name, read_scene, write_scene

FORMAT = "myriad-studio part"
VERSION = 1
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    version: int
    kind: str
    scene: msgspec.Raw
    assets: dict[str, bytes] = {}


def material_part(scene: Scene, id_: Id) -> Scene:
    """A scene that holds one material of another and the images that it uses."""
    material = scene.materials.get(id_)
    if material is None:
        raise BadAsset(f'There is no material "{id_}" in the scene; select one to keep it.')
    used = {texture.image for texture in material.textures.values()}
    images = {key: image for key, image in scene.images.items() if key in used}
    return Scene(name=material.name or id_, materials={id_: material}, images=images)


def rig_part(scene: Scene, ids: Iterable[Id], name: str) -> Scene:
    """A scene that holds the lights among `ids` and below them, where they stand in the world about their middle on
    the ground, with the groups between them and the images that they throw."""
    chosen = scene.descendants(ids)
    lights = [id_ for id_ in chosen if isinstance(scene.entities[id_], Light)]
    if not lights:
        raise BadAsset("A rig is made of lights; select some, or groups that hold some.")
    kept = {id_ for id_ in chosen if not isinstance(scene.entities[id_], MeshObject)}
    needed = set(lights)
    for id_ in lights:  # groups and empties above a light, as far as they were chosen
        above = scene.entities[id_].parent
        while above in kept and above not in needed:
            needed.add(above)
            above = scene.entities[above].parent
    tops = [id_ for id_ in chosen if id_ in needed and scene.entities[id_].parent not in needed]
    flat = scene.reparent(tops, "")
    middle = _middle(flat, lights)
    entities = {}
    for id_ in chosen:
        if id_ in needed:
            entity = flat.entities[id_]
            if id_ in tops:
                x, y, z = entity.translation
                entity = msgspec.structs.replace(entity, translation=(x - middle[0], y - middle[1], z - middle[2]))
            entities[id_] = entity
    entities = {id_: _on_its_own(entity, entities) for id_, entity in entities.items()}
    used = _thrown(entities.values())
    images = {key: image for key, image in scene.images.items() if key in used}
    return Scene(name=name, entities=entities, images=images)


def _on_its_own(entity: Entity, kept: Mapping[Id, Entity]) -> Entity:
    """An entity without what it says of entities that do not come along: links to objects, values in states, the path
    or object that a rule scatters lamps on. Its lamps are lights like any others then."""
    if isinstance(entity, Group):
        values: dict[str, Any] = {}
        if entity.states:
            values["states"] = renamed_states(entity.states, {id_: id_ for id_ in kept})
        if entity.scatter != "none" and not (entity.template in kept and entity.scatter in ("grid", "ring")):
            values.update(scatter="none", template="", source="", made=())
        return msgspec.structs.replace(entity, **values) if values else entity
    if isinstance(entity, Light):  # links are to objects, and none comes along
        free = {"light_links": (), "light_link_mode": "all", "shadow_links": (), "shadow_link_mode": "all"}
        return msgspec.structs.replace(entity, **free)
    return entity


def _thrown(entities: Iterable[Entity]) -> set[str]:
    """Keys of the images that lights throw or are shaped by, in the states of their rigs too."""
    used: set[object] = set()
    for entity in entities:
        if isinstance(entity, Light):
            used.update(getattr(entity, name) for name in IMAGE_FIELDS)
        elif isinstance(entity, Group):
            for state in entity.states:
                used.update(values.get(name, "") for values in state.values.values() for name in IMAGE_FIELDS)
    return {key for key in used if isinstance(key, str) and key}


def _middle(scene: Scene, lights: list[Id]) -> tuple[float, float, float]:
    """The middle of lights that stand somewhere, on the ground."""
    placed = [id_ for id_ in lights if getattr(scene.entities[id_], "light", "") not in ("dome", "distant")]
    if not placed:
        return 0.0, 0.0, 0.0
    worlds = scene.world_matrices()
    at = [worlds[id_][:, 3] for id_ in placed]
    x = (min(p[0] for p in at) + max(p[0] for p in at)) / 2
    z = (min(p[2] for p in at) + max(p[2] for p in at)) / 2
    return float(x), 0.0, float(z)


def save_part(part: Scene, folder: Path, kind: str) -> Path:
    """Write a part into a folder under a name of its own that is free; gives its path. CannotWrite, BadAsset."""
    assets: dict[str, bytes] = {}

    def store(data: bytes, suffix: str) -> str:
        name = asset_name(data, suffix)
        assets[name] = data
        return name

    plain = replace(part, images={key: replace(image, path="") for key, image in part.images.items()})
    text = write_scene(plain, store)
    record = _Part(format=FORMAT, version=VERSION, kind=kind, scene=msgspec.Raw(text.strip()), assets=assets)
    data = msgspec.json.encode(record)
    suffix = MATERIAL_SUFFIX if kind == MATERIAL else RIG_SUFFIX
    stem = _FORBIDDEN.sub("_", part.name).strip(" .")[:80] or kind
    target, number = folder / f"{stem}{suffix}", 1
    passing = folder / f".{stem[:40]}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while target.exists():
            number += 1
            target = folder / f"{stem} {number}{suffix}"
        passing.write_bytes(data)
        os.replace(passing, target)
    except OSError as fault:
        passing.unlink(missing_ok=True)
        raise CannotWrite(f"{target} could not be written ({fault.strerror or fault}); make room for it.") from fault
    return target


def load_part(path: Path) -> Scene:
    """The scene of a part. BadAsset, in a sentence, for anything else."""
    data = read_file(path, path.name)
    try:
        part = msgspec.json.decode(data, type=_Part)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        why = str(fault).rstrip(".")
        raise BadAsset(f"{path.name} is no material or rig of the library ({why}); keep it again.") from None
    if part.format != FORMAT or part.kind not in (MATERIAL, RIG):
        raise BadAsset(f"{path.name} is no material or rig of the library; keep it again.")
    if part.version > VERSION:
        raise BadAsset(f"{path.name} was kept by a newer studio (version {part.version}); update the studio to use it.")

    def fetch(name: str) -> bytes:
        found = part.assets.get(name)
        if found is None or asset_name(found, name.rpartition(".")[2]) != name:
            raise BadAsset(f"{path.name} is damaged: {name} is not whole; keep the part again.")
        return found

    scene = read_scene(bytes(part.scene), fetch, where=path.name)
    if part.kind == MATERIAL and len(scene.materials) != 1:
        raise BadAsset(f"{path.name} holds {len(scene.materials)} materials and not one; keep it again.")
    return scene
