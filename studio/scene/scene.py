"""The Scene value: entities, materials, geometry, images and animation, immutable.

An edit makes a new Scene that shares everything it did not touch. Nothing here knows documents, undo or files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.animation import Curve
from studio.scene.clips import Clip, Strip
from studio.scene.entities import Entity, Id
from studio.scene.geometry import Image, Mesh
from studio.scene.materials import Material
from studio.scene.schema import check
from studio.scene.timeline import Timeline
from studio.scene.transforms import (
    F64,
    decompose,
    inverse,
    local_matrices,
    multiply,
    on_cycles,
    parent_rows,
    sound,
    world_matrices,
)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A scene. Mappings are read as immutable; the order of `entities` is the order of siblings in the outliner."""

    name: str = "scene"
    entities: Mapping[Id, Entity] = field(default_factory=dict)
    materials: Mapping[Id, Material] = field(default_factory=dict)
    meshes: Mapping[str, Mesh] = field(default_factory=dict)  # by content key
    images: Mapping[str, Image] = field(default_factory=dict)  # by content key
    skins: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # (joints, 4, 4) inverse bind matrices
    tracks: Mapping[str, Curve] = field(default_factory=dict)  # "<id>.<field>" or "<id>.<field>[i]"
    clips: Mapping[Id, Clip] = field(default_factory=dict)
    strips: Mapping[Id, Strip] = field(default_factory=dict)
    camera: Id = ""  # the active camera; "" lets the studio frame the scene
    fps: float = 24.0
    frame_start: float = 1.0
    frame_end: float = 1.0
    timeline: Timeline = field(default_factory=Timeline)
    notes: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)

    # --- reading -----------------------------------------------------------------------------------------------------
    def get(self, id_: Id) -> Entity | Material:
        """The entity or material of this id; BadAsset when there is none."""
        found: Entity | Material | None = self.entities.get(id_) or self.materials.get(id_)
        if found is None:
            raise BadAsset(f'There is nothing with the id "{id_}" in the scene "{self.name}".')
        return found

    def children(self, parent: Id = "") -> tuple[Id, ...]:
        """Ids directly below `parent` ("" is the top), in their order."""
        return tuple(id_ for id_, entity in self.entities.items() if entity.parent == parent)

    def descendants(self, ids: Iterable[Id]) -> tuple[Id, ...]:
        """`ids` and everything below them, each once, in the scene's order."""
        below: dict[Id, list[Id]] = {}
        for id_, entity in self.entities.items():
            below.setdefault(entity.parent, []).append(id_)
        found, open_ = set(), [id_ for id_ in ids if id_ in self.entities]
        while open_:
            id_ = open_.pop()
            if id_ not in found:
                found.add(id_)
                open_ += below.get(id_, ())
        return tuple(id_ for id_ in self.entities if id_ in found)

    def world_matrices(self) -> dict[Id, F64]:
        """(3, 4) matrices to the world of all entities as their fields stand, without animation."""
        listed = list(self.entities.values())
        parents = parent_rows(listed, {id_: i for i, id_ in enumerate(self.entities)})[0]
        parents = np.where(on_cycles(parents), -1, parents).astype(np.int32)
        return dict(zip(self.entities, world_matrices(local_matrices(listed), parents), strict=True))

    def world_matrix(self, id_: Id) -> F64:
        """(3, 4) matrix of one entity to the world, without animation; the identity for ""."""
        chain: list[Entity] = []
        while id_ and id_ in self.entities and len(chain) <= len(self.entities):
            chain.append(self.entities[id_])
            id_ = chain[-1].parent
        out = np.eye(3, 4)[None]
        for entity in chain:
            out = multiply(local_matrices([entity]), out)
        return np.asarray(out[0])

    def free_id(self, wish: str) -> Id:
        """`wish`, or `wish` with the lowest number from 2 that no entity or material has."""
        return free_id(wish, lambda id_: id_ in self.entities or id_ in self.materials)

    # --- fields ------------------------------------------------------------------------------------------------------
    def put(self, records: Mapping[Id, Entity]) -> Scene:
        """The scene with these entities in the place of those with the same ids."""
        return replace(self, entities={**self.entities, **records}) if records else self

    def replace(self, ids: Id | Iterable[Id], **values: Any) -> Scene:
        """Set fields of entities or materials to the same values.

        Raises BadAsset for an id that is not in the scene, a field that a record does not have, or a value that the
        field does not allow.
        """
        return self._replaced([ids] if isinstance(ids, str) else list(ids), values, strict=True)

    def replace_each(self, ids: Iterable[Id], **values: Any) -> Scene:
        """Set fields of those entities or materials that have them: a mixed selection is the normal case.

        Raises BadAsset for an id that is not in the scene or a value that a field does not allow.
        """
        return self._replaced(list(ids), values, strict=False)

    def _replaced(self, ids: list[Id], values: dict[str, Any], *, strict: bool) -> Scene:
        entities: dict[Id, Entity] = {}
        materials: dict[Id, Material] = {}
        checked: dict[type[msgspec.Struct], dict[str, Any]] = {}
        for id_ in ids:
            record = self.get(id_)
            kind = type(record)
            new = checked.get(kind)
            if new is None:
                known = {name: v for name, v in values.items() if strict or name in kind.__struct_fields__}
                new = {name: check(kind, name, v, where=f'{kind.__name__} "{id_}"') for name, v in known.items()}
                checked[kind] = new
            if not new:
                continue
            if isinstance(record, Material):
                materials[id_] = msgspec.structs.replace(record, **new)
            else:
                entities[id_] = msgspec.structs.replace(record, **new)
        out = self.put(entities)
        return replace(out, materials={**out.materials, **materials}) if materials else out

    # --- contents ----------------------------------------------------------------------------------------------------
    def add(self, *records: Entity | Material | Mesh | Image) -> Scene:
        """The scene with new entities, materials, meshes and images, at the end of their kind.

        Raises BadAsset for an entity or material without an id or with one that is taken. A mesh or image that is
        already there is the same by its key.
        """
        entities, materials = dict(self.entities), dict(self.materials)
        meshes, images = dict(self.meshes), dict(self.images)
        for record in records:
            if isinstance(record, Mesh):
                meshes.setdefault(record.key, record)
            elif isinstance(record, Image):
                images.setdefault(record.key, record)
            elif not record.id or record.id in entities or record.id in materials:
                raise BadAsset(f'"{record.name}" needs an id of its own; "{record.id}" is empty or taken.')
            elif isinstance(record, Material):
                materials[record.id] = record
            else:
                entities[record.id] = record
        given = {type(record) for record in records}
        return replace(
            self,
            entities=entities if given - {Material, Mesh, Image} else self.entities,
            materials=materials if Material in given else self.materials,
            meshes=meshes if Mesh in given else self.meshes,
            images=images if Image in given else self.images,
        )

    def remove(self, ids: Iterable[Id]) -> Scene:
        """The scene without these entities, everything below them, and their animation; materials by id likewise."""
        wanted = set(ids)
        gone = set(self.descendants(wanted)) | (wanted & self.materials.keys())
        out = self
        if gone & self.entities.keys():
            out = replace(out, entities={k: v for k, v in self.entities.items() if k not in gone})
        if gone & self.materials.keys():
            out = replace(out, materials={k: v for k, v in self.materials.items() if k not in gone})
        if any(name.rpartition(".")[0] in gone for name in self.tracks):
            out = replace(out, tracks={k: v for k, v in self.tracks.items() if k.rpartition(".")[0] not in gone})
        out = out._without_motion(gone) if self.clips else out
        return replace(out, camera="") if self.camera in gone else out

    def _without_motion(self, gone: set[Id]) -> Scene:
        """The scene with clips that move none of what is gone; a clip that moved nothing else goes with its strips."""
        clips: dict[Id, Clip] = {}
        for id_, clip in self.clips.items():
            left = {k: v for k, v in clip.tracks.items() if k.rpartition(".")[0] not in gone}
            if len(left) == len(clip.tracks):
                clips[id_] = clip
            elif left:
                clips[id_] = replace(clip, tracks=left)
        if all(clips.get(id_) is clip for id_, clip in self.clips.items()):
            return self
        strips = {k: v for k, v in self.strips.items() if v.clip in clips or v.clip not in self.clips}
        return replace(self, clips=clips, strips=strips)

    def reparent(self, ids: Iterable[Id], parent: Id, *, keep_world: bool = True) -> Scene:
        """Hang entities below `parent` ("": the top); they stay where they are in the world unless told otherwise.

        Raises BadAsset when `parent` does not exist or hangs below one of them, or, to keep their place, when its
        transform cannot be inverted.
        """
        moved = [id_ for id_ in dict.fromkeys(ids) if self.get(id_) is self.entities.get(id_)]
        if parent and parent not in self.entities:
            raise BadAsset(f'There is no parent "{parent}" in the scene "{self.name}".')
        if parent in self.descendants(moved):
            raise BadAsset(f'"{self.entities[parent].name or parent}" cannot hang below itself; choose another parent.')
        new = {id_: msgspec.structs.replace(self.entities[id_], parent=parent) for id_ in moved}
        if keep_world and moved:
            worlds, above = self.world_matrices(), self.world_matrix(parent)
            if not sound(above[None])[0]:
                raise BadAsset(f'"{parent}" has a degenerate transform; nothing can keep its place below it.')
            down = inverse(above[None])
            for id_ in moved:
                new[id_] = placed(new[id_], multiply(down, worlds[id_][None])[0])
        return self.put(new)


def placed(entity: Entity, local: F64) -> Entity:
    """The entity with the fields that make its local matrix (3, 4); BadAsset when that is degenerate."""
    if not sound(local[None])[0]:
        raise BadAsset(f'"{entity.name or entity.id}" would get a degenerate transform; scale it away from zero.')
    translation, rotation, scale, shear = (tuple(part.tolist()) for part in decompose(local))
    return msgspec.structs.replace(entity, translation=translation, rotation=rotation, scale=scale, shear=shear)


def free_id(wish: str, taken: Callable[[str], bool]) -> Id:
    """`wish`, or `wish` with the lowest number from 2 for which `taken` is false."""
    out, n = wish or "entity", 1
    while taken(out):
        n += 1
        out = f"{wish or 'entity'}.{n}"
    return out
