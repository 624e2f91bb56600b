"""Operations on scenes: pure functions of a scene; the document makes them undoable.

Each takes a scene and ids and returns a new scene. Mixed selections are the normal case: an operation acts on what it
has a meaning for (mute on lights and groups) and passes over the rest. What cannot be done raises BadAsset with a
sentence and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from studio.errors import BadAsset
from studio.scene import linking
from studio.scene.animation import Curve
from studio.scene.entities import Camera, Constraint, Entity, Figure, Group, Id, MeshObject, renamed_group
from studio.scene.figure_rigs import renamed_figure, without_figures
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.photometry import units_of
from studio.scene.pose import split_track
from studio.scene.scene import Scene, free_id, placed
from studio.scene.schema import Field, fields
from studio.scene.transforms import inverse, look_at, multiply, sound

Vec3 = tuple[float, float, float]


# --- flags -----------------------------------------------------------------------------------------------------------
def mute(scene: Scene, ids: Iterable[Id], *, on: bool = True) -> Scene:
    """Mute or unmute lights and groups; a muted light emits nothing in any view and is drawn grey."""
    return scene.replace_each(ids, muted=on)


def solo(scene: Scene, ids: Iterable[Id], *, on: bool = True) -> Scene:
    """Solo lights and groups; while any is soloed, every light that is not is silent."""
    return scene.replace_each(ids, solo=on)


def clear_solo(scene: Scene) -> Scene:
    """End all soloing."""
    return scene.replace_each([id_ for id_, e in scene.entities.items() if getattr(e, "solo", False)], solo=False)


def show(scene: Scene, ids: Iterable[Id], *, on: bool = True) -> Scene:
    """Show or hide entities and all below them, in every view and render."""
    return scene.replace_each(_entities(scene, ids), visible=on)


def lock(scene: Scene, ids: Iterable[Id], *, on: bool = True) -> Scene:
    """Keep entities from being picked and moved in the viewport."""
    return scene.replace_each(_entities(scene, ids), locked=on)


def rename(scene: Scene, id_: Id, name: str) -> Scene:
    """Give an entity or material another name; its id stays."""
    if not name.strip():
        raise BadAsset("A name cannot be empty.")
    return scene.replace(id_, name=name)


def set_field(scene: Scene, ids: Iterable[Id], field: str, value: Any) -> Scene:
    """Set one field of everything that has it; BadAsset when nothing has."""
    ids = list(ids)
    if ids and not any(field in fields(type(scene.get(id_))) for id_ in ids):
        raise BadAsset(f'Nothing that is selected has the field "{field}".')
    return scene.replace_each(ids, **{field: value})


def offset_field(scene: Scene, ids: Iterable[Id], field: str, *, add: float = 0.0, times: float = 1.0) -> Scene:
    """Change a number of many entities relative to each one's own, kept within the field's limits."""
    return change_numbers(scene, _entities(scene, ids), field, lambda old: old * times + add)


def change_numbers(
    scene: Scene,
    ids: Iterable[Id],
    field: str,
    change: Callable[[float], float],
    *,
    item: int = -1,
    since: Scene | None = None,
) -> Scene:
    """Give a number of every entity and material that has the field a new value, made from each one's own.

    `item` is the component of a vector, -1 for all of them. What would leave the field's limits stops at them. With
    `since` the old values are those of that earlier scene, so that a drag adds up to where it is and not to how it
    got there. Raises what `change` raises.
    """
    entities: dict[Id, Entity] = {}
    materials: dict[Id, Material] = {}
    for id_ in ids:
        record = scene.get(id_)
        info = fields(type(record)).get(field)
        if info is None or info.shape not in ("float", "int", "vector"):
            continue
        old = getattr((since or scene).get(id_), field)
        if info.shape == "vector":
            parts = range(len(old)) if item < 0 else (item,)
            value: Any = tuple(_limited(info, change(v)) if i in parts else v for i, v in enumerate(old))
        else:
            value = _limited(info, change(old))
        new = msgspec.structs.replace(record, **{field: value})
        if isinstance(new, Material):
            materials[id_] = new
        else:
            entities[id_] = new
    out = scene.put(entities)
    return replace(out, materials={**out.materials, **materials}) if materials else out


def _limited(info: Field, value: float) -> float:
    """A number within the limits of its field, whole where the field is."""
    value = max(value, info.spec.lo) if info.spec.lo is not None else value
    value = min(value, info.spec.hi) if info.spec.hi is not None else value
    return round(value) if info.shape == "int" else float(value)


# --- the tree --------------------------------------------------------------------------------------------------------
def group(scene: Scene, ids: Iterable[Id], name: str = "group") -> tuple[Scene, Id]:
    """Put entities into a new group where the first of them hangs; they stay where they are. Gives the group's id."""
    tops = _topmost(scene, ids)
    if not tops:
        raise BadAsset("Select something to group first.")
    parent = scene.entities[tops[0]].parent
    id_ = scene.free_id(name)
    return scene.add(Group(id=id_, name=name, parent=parent)).reparent(tops, id_), id_


def ungroup(scene: Scene, ids: Iterable[Id]) -> Scene:
    """Dissolve groups: what hangs in them moves up and stays where it is, and lights stay linked to it."""
    for id_ in _entities(scene, ids):
        if isinstance(scene.entities[id_], Group):
            scene = linking.with_members(scene, id_)
            scene = scene.reparent(scene.children(id_), scene.entities[id_].parent).remove([id_])
    return scene


def reparent(scene: Scene, ids: Iterable[Id], parent: Id, *, keep_world: bool = True) -> Scene:
    """Hang entities below another, see `Scene.reparent`."""
    return scene.reparent(ids, parent, keep_world=keep_world)


def reorder(scene: Scene, ids: Iterable[Id], before: Id = "") -> Scene:
    """Move entities in front of `before` in the outliner's order, or to the end."""
    moved = {id_: scene.entities[id_] for id_ in _entities(scene, ids) if id_ != before}
    out: dict[Id, Entity] = {}
    for id_, entity in scene.entities.items():
        if id_ == before:
            out.update(moved)
        if id_ not in moved:
            out[id_] = entity
    return replace(scene, entities={**out, **moved})


def delete(scene: Scene, ids: Iterable[Id]) -> Scene:
    """Remove entities with everything below them and their animation; materials are taken off what wears them."""
    ids = list(ids)
    materials = set(ids) & scene.materials.keys()
    if materials:
        bare = {
            id_: msgspec.structs.replace(e, materials=tuple("" if m in materials else m for m in e.materials))
            for id_, e in scene.entities.items()
            if isinstance(e, MeshObject) and materials.intersection(e.materials)
        }
        scene = scene.put(bare)
    left = scene.remove(ids)
    gone = scene.entities.keys() - left.entities.keys()
    left = left.put(without_figures(left.entities, gone | materials))
    return linking.without_links(left, gone)


def duplicate(scene: Scene, ids: Iterable[Id], *, offset: Vec3 = (0.0, 0.0, 0.0)) -> tuple[Scene, tuple[Id, ...]]:
    """Copies of entities with everything below them and their animation; geometry and materials are shared.

    Joints inside the copied part are copied along, lights in it are linked to the copies in it, and other lights treat
    a copy as what it is a copy of. Gives the ids of the topmost copies.
    """
    tops = _topmost(scene, ids)
    copied = scene.descendants(tops)
    taken = scene.entities.keys() | scene.materials.keys()
    names: dict[Id, Id] = {}
    for id_ in copied:
        names[id_] = free_id(_stem(id_), lambda wish: wish in taken)
        taken.add(names[id_])
    new: dict[Id, Entity] = {}
    for id_ in copied:
        entity = scene.entities[id_]
        values: dict[str, Any] = {"id": names[id_], "parent": names.get(entity.parent, entity.parent)}
        if isinstance(entity, MeshObject):
            values["joints"] = tuple(names.get(joint, joint) for joint in entity.joints)
        elif isinstance(entity, Constraint):
            values["target"] = names.get(entity.target, entity.target)
        elif isinstance(entity, Light) and (entity.light_links or entity.shadow_links):
            values.update(linking.renamed_links(entity, names))
        elif isinstance(entity, Group):
            values.update(renamed_group(entity, names))
        elif isinstance(entity, Figure):
            values.update(renamed_figure(entity, names))
        if id_ in tops:
            values["translation"] = tuple(a + b for a, b in zip(entity.translation, offset, strict=True))
        new[names[id_]] = msgspec.structs.replace(entity, **values)
    out = linking.with_copies(replace(scene, entities={**scene.entities, **new}), names)
    if tracks := _copied(scene.tracks, names):
        out = replace(out, tracks={**scene.tracks, **tracks})
    more = {id_: tracks for id_, clip in scene.clips.items() if (tracks := _copied(clip.tracks, names))}
    if more:  # copies move along with what they are copies of
        clips = {id_: replace(scene.clips[id_], tracks={**scene.clips[id_].tracks, **t}) for id_, t in more.items()}
        out = replace(out, clips={**scene.clips, **clips})
    return out, tuple(names[id_] for id_ in tops)


def _copied(tracks: Mapping[str, Curve], names: Mapping[Id, Id]) -> dict[str, Curve]:
    """Those tracks that drive one of `names`, under its new name."""
    targets = {track: split_track(track)[0] for track in tracks}
    return {names[target] + track[len(target) :]: tracks[track] for track, target in targets.items() if target in names}


# --- transforms ------------------------------------------------------------------------------------------------------
def translate(scene: Scene, ids: Iterable[Id], by: Vec3) -> Scene:
    """Move entities by metres along the world's axes."""
    matrix = np.eye(3, 4)
    matrix[:, 3] = by
    return transform(scene, ids, matrix)


def transform(scene: Scene, ids: Iterable[Id], matrix: ArrayLike) -> Scene:
    """Apply a world-space (3, 4) matrix to entities; what hangs below a moved one moves with it once."""
    by = np.asarray(matrix, np.float64)
    if by.shape != (3, 4) or not sound(by[None])[0]:
        raise BadAsset("A transform must be 3 rows of 4 finite numbers that do not flatten what they move.")
    tops = _topmost(scene, ids)
    if not tops:
        return scene
    worlds = scene.world_matrices()
    entities = [scene.entities[id_] for id_ in tops]
    above = np.stack([worlds.get(e.parent, np.eye(3, 4)) for e in entities])
    if not sound(above).all():
        raise BadAsset("What hangs below a degenerate transform cannot be moved in the world.")
    local = multiply(inverse(above), multiply(np.broadcast_to(by, above.shape), np.stack([worlds[i] for i in tops])))
    if np.array_equal(by[:, :3], np.eye(3)):  # a pure move must not disturb the other fields by rounding
        moved = {
            id_: msgspec.structs.replace(e, translation=tuple(m[:, 3].tolist()))
            for id_, e, m in zip(tops, entities, local, strict=True)
        }
        return scene.put(moved)
    return scene.put({id_: placed(e, m) for id_, e, m in zip(tops, entities, local, strict=True)})


def aim(scene: Scene, ids: Iterable[Id], target: Vec3) -> Scene:
    """Turn lights and cameras (anything that looks along -z) towards a point of the world."""
    for id_ in _entities(scene, ids):
        entity = scene.entities[id_]
        at = scene.world_matrix(id_)[:, 3]
        if np.linalg.norm(at - np.asarray(target)) < 1e-9:
            continue
        above = scene.world_matrix(entity.parent)[None]
        if not sound(above)[0]:
            raise BadAsset(f'"{entity.name or id_}" hangs below a degenerate transform and cannot be aimed.')
        world = look_at(at.tolist(), target)
        turned = placed(entity, multiply(inverse(above), world[None])[0])
        scene = scene.put({id_: msgspec.structs.replace(turned, translation=entity.translation, scale=entity.scale)})
    return scene


# --- lights, cameras and materials -----------------------------------------------------------------------------------
def set_light_kind(scene: Scene, ids: Iterable[Id], kind: str) -> Scene:
    """Turn lights into another kind; a unit that the new kind does not know becomes its natural one."""
    units = units_of(kind)
    if not units:
        raise BadAsset(f'There is no kind of light called "{kind}".')
    new: dict[Id, Entity] = {}
    for id_ in _entities(scene, ids):
        entity = scene.entities[id_]
        if isinstance(entity, Light):
            unit = entity.unit if entity.unit in units else units[0]
            new[id_] = msgspec.structs.replace(entity, light=kind, unit=unit)
    return scene.put(new)


def assign_material(scene: Scene, ids: Iterable[Id], material: Id, *, part: int = -1) -> Scene:
    """Put a material on all parts of objects, or on one part."""
    if material and material not in scene.materials:
        raise BadAsset(f'There is no material "{material}" in the scene.')
    new: dict[Id, Entity] = {}
    for id_ in _entities(scene, ids):
        entity = scene.entities[id_]
        if isinstance(entity, MeshObject):
            mesh = scene.meshes.get(entity.mesh)
            parts = len(mesh.parts) - 1 if mesh is not None else max(len(entity.materials), 1)
            worn = [*entity.materials, *[""] * parts][:parts]
            worn = [material if part in (-1, i) else m for i, m in enumerate(worn)]
            new[id_] = msgspec.structs.replace(entity, materials=tuple(worn))
    return scene.put(new)


def duplicate_material(scene: Scene, id_: Id) -> tuple[Scene, Id]:
    """A copy of a material under a new id, which it gives."""
    material = scene.get(id_)
    if not isinstance(material, Material):
        raise BadAsset(f'"{id_}" is not a material.')
    new = scene.free_id(_stem(id_))
    return scene.add(msgspec.structs.replace(material, id=new)), new


def set_camera(scene: Scene, id_: Id) -> Scene:
    """Make a camera the active one; "" lets the studio frame the scene."""
    if id_ and not isinstance(scene.entities.get(id_), Camera):
        raise BadAsset(f'"{id_}" is not a camera of the scene.')
    return replace(scene, camera=id_)


# --- ids -------------------------------------------------------------------------------------------------------------
def _entities(scene: Scene, ids: Iterable[Id]) -> list[Id]:
    """The entities among `ids`, each once; BadAsset for an id that is not in the scene."""
    return [id_ for id_ in dict.fromkeys(ids) if scene.get(id_) is scene.entities.get(id_)]


def _topmost(scene: Scene, ids: Iterable[Id]) -> list[Id]:
    """Those entities that do not hang below another of them."""
    chosen = _entities(scene, ids)
    wanted, entities = set(chosen), scene.entities

    def covered(id_: Id) -> bool:
        above, steps = entities[id_].parent, 0
        while above in entities and steps <= len(entities):
            if above in wanted:
                return True
            above, steps = entities[above].parent, steps + 1
        return False

    return [id_ for id_ in chosen if not covered(id_)]


def _stem(id_: Id) -> str:
    """An id without the number that `free_id` added."""
    head, dot, tail = id_.rpartition(".")
    return head if dot and head and tail.isdigit() else id_
