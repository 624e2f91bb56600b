"""Scatter: one rule that makes hundreds of lamps, and goes on making them when the rule is edited.

A group with a `scatter` fills itself with copies of its template, a light below it that is hidden and shines in its
copies alone: on a grid, around a ring, along a path, over a surface or at the instances of an object, varied by a seed.
The copies are ordinary lights: they can be picked, keyed, linked, muted one by one. The document calls `scattered` at
the end of every edit, which makes the lamps anew wherever the rule, its template or its source changed. A lamp that was
edited by hand keeps what was edited, one that was deleted stays away: what the rule would have made before is compared
with what is there, and the difference is put on what it makes now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from studio.errors import BadAsset
from studio.scene.constraints import lineage
from studio.scene.entities import SCATTERS, Entity, Group, Id, MeshObject, Path
from studio.scene.geometry import Mesh
from studio.scene.lights import Light
from studio.scene.scatter_places import fits, frames_at, places, random_numbers
from studio.scene.scene import Scene
from studio.scene.transforms import F64, quaternions, rotation_matrices


# --- the rule --------------------------------------------------------------------------------------------------------
def lamps(scene: Scene, group: Group) -> dict[int, Light]:
    """What a rule makes, by number: copies of the template without ids. Empty without a template.

    Raises BadAsset for a rule of too many lights.
    """
    template = scene.entities.get(group.template)
    if group.scatter == "none" or not isinstance(template, Light):
        return {}
    frames = places(scene, group)
    n = len(frames)
    numbers = np.arange(n)
    there = random_numbers(group.seed + 7919, numbers, 1)[:, 0] >= group.missing
    vary = 2.0 * random_numbers(group.seed + 104729, numbers, 8) - 1.0
    frames[:, :, 3] += np.einsum("nij,nj->ni", frames[:, :, :3], vary[:, :3] * np.asarray(group.jitter_m))
    turned = _turned(frames, group, template, vary[:, 5:8])
    rotation = quaternions(turned[:, :, :3])
    out = {}
    for i in np.flatnonzero(there).tolist():
        values: dict[str, Any] = {
            "id": "",
            "name": f"{template.name or template.id} {i + 1}",
            "parent": group.id,
            "visible": True,
            "translation": tuple(frames[i, :, 3].tolist()),
            "rotation": tuple(rotation[i].tolist()),
            "exposure": template.exposure + float(vary[i, 3]) * group.exposure_jitter,
        }
        if group.temperature_jitter_k:
            kelvin = template.temperature_k + float(vary[i, 4]) * group.temperature_jitter_k
            values["temperature_k"] = float(np.clip(kelvin, 1000.0, 40000.0))
            values["use_temperature"] = True
        out[i] = msgspec.structs.replace(template, **values)
    return out


def _turned(frames: F64, group: Group, template: Light, vary: F64) -> F64:
    """(n, 3, 4) with the axes of the lamps: -z is where they shine."""
    own = rotation_matrices(np.array([template.rotation], np.float64))[0]
    axes = frames[:, :, :3]
    if group.facing == "template":
        axes = np.broadcast_to(own, axes.shape) if group.scatter in ("grid", "ring") else axes @ own
    elif group.facing != "along" or group.scatter == "grid":
        # out and in are along the ring's spokes, else along what the lamp stands on
        away = axes[:, :, 2] if group.scatter == "ring" else axes[:, :, 1]
        back = -away if group.facing == "out" else away
        axes = frames_at(np.zeros_like(away), up=_square_to(back), back=back)[:, :, :3]
    elif group.scatter == "ring":  # along the ring
        axes = np.stack([-axes[:, :, 2], axes[:, :, 1], axes[:, :, 0]], axis=2)
    axes = axes @ _small_turns(np.radians(group.turn_jitter_deg) * vary)
    return np.concatenate([axes, frames[:, :, 3:]], axis=2)


def _square_to(back: F64) -> F64:
    """Directions (n, 3) as near to +y as being square to `back` allows."""
    up = np.array([0.0, 1.0, 0.0]) - back * back[:, 1:2]
    steep = np.linalg.norm(up, axis=1) < 1e-6
    up[steep] = np.cross(back[steep], (1.0, 0.0, 0.0))
    return np.asarray(up / np.linalg.norm(up, axis=1, keepdims=True))


def _small_turns(vectors: F64) -> F64:
    """(n, 3, 3) rotations by vectors (n, 3): their length is the angle (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=1)
    axis = vectors / np.maximum(angle, 1e-30)[:, None]
    k = np.zeros((len(vectors), 3, 3))
    k[:, 0, 1], k[:, 0, 2], k[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    k[:, 1, 0], k[:, 2, 0], k[:, 2, 1] = axis[:, 2], -axis[:, 1], axis[:, 0]
    sine, lean = np.sin(angle)[:, None, None], (1.0 - np.cos(angle))[:, None, None]
    return np.asarray(np.eye(3) + sine * k + lean * (k @ k))


# --- keeping it up ---------------------------------------------------------------------------------------------------
def has_rules(scene: Scene) -> bool:
    """Whether any group scatters lights."""
    return any(isinstance(e, Group) and e.scatter != "none" for e in scene.entities.values())


def scattered(before: Scene, after: Scene) -> Scene:
    """`after` with the lamps of every rule that an edit of `before` changed made anew.

    Raises BadAsset for a rule of too many lights.
    """
    if before.entities is after.entities and before.meshes is after.meshes:
        return after
    rules = [e for e in after.entities.values() if isinstance(e, Group) and e.scatter != "none"]
    ended = [
        e
        for e in before.entities.values()
        if isinstance(e, Group) and e.scatter != "none" and _ended(after.entities.get(e.id))
    ]
    for group in ended:
        now = after.entities.get(group.id)
        if isinstance(now, Group) and now.made:  # without a rule its lamps are lights like any others
            after = after.put({group.id: msgspec.structs.replace(now, made=())})
    for group in rules:
        if any(before.entities.get(i) is not after.entities.get(i) for i in _relevant(after, group)) or (
            before.meshes is not after.meshes and _mesh_of(before, group) is not _mesh_of(after, group)
        ):
            after = _remade(before, after, group)
    return after


def _ended(now: Entity | None) -> bool:
    return isinstance(now, Group) and now.scatter == "none"


def _relevant(scene: Scene, group: Group) -> set[Id]:
    """Entities that the lamps of a rule depend on."""
    out = {group.id, group.template}
    if group.scatter in ("curve", "surface", "instances"):
        out |= set(_chain(scene, group.source)) | set(_chain(scene, group.id))
    if group.scatter == "instances" and group.source in scene.entities:
        source = scene.entities[group.source]
        carriers: Iterable[Id] = scene.descendants([group.source])
        if isinstance(source, MeshObject):
            carriers = [i for i, e in scene.entities.items() if isinstance(e, MeshObject) and e.mesh == source.mesh]
        for id_ in carriers:
            out |= set(_chain(scene, id_))
    return out


def _chain(scene: Scene, id_: Id) -> tuple[Id, ...]:
    """An entity, whether it is still there or not, and all above it."""
    return (id_, *lineage(scene.entities, id_)[1:])


def _mesh_of(scene: Scene, group: Group) -> Mesh | None:
    source = scene.entities.get(group.source)
    return scene.meshes.get(source.mesh) if isinstance(source, MeshObject) else None


def _remade(before: Scene, after: Scene, group: Group) -> Scene:
    """The lamps of one rule, as it makes them now, with what was edited by hand."""
    old = before.entities.get(group.id)
    with np.errstate(over="ignore", invalid="ignore"):  # a place beyond all numbers is refused when the edit is checked
        was = lamps(before, old) if isinstance(old, Group) and old.scatter != "none" and fits(old) else {}
        now = lamps(after, group)
    made = list(group.made)
    numbers = max([*now, *was, len(made) - 1], default=-1) + 1
    made += [""] * (numbers - len(made))
    put: dict[Id, Entity] = {}
    gone: list[Id] = []
    taken = set(after.entities)
    stem = f"{group.id}-lamp"
    for i in range(numbers):
        id_ = made[i]
        there = after.entities.get(id_) if id_ else None
        if i not in now:
            if isinstance(there, Light):
                gone.append(id_)
            made[i] = ""
            continue
        if not isinstance(there, Light):
            if i in was or (old is None and i < len(group.made)):  # it was made, and somebody deleted it: here, or
                # in the group that this one is a copy of
                made[i] = ""
                continue
            made[i] = id_ = _free(f"{stem}-{i + 1}", taken)
            put[id_] = msgspec.structs.replace(now[i], id=id_)
            continue
        if i in was:  # a copy of a group brings its lamps along as they are
            put[id_] = _merged(there, was[i], now[i])
    while made and not made[-1] and len(made) - 1 not in was:
        made.pop()
    kept = {id_: e for id_, e in put.items() if after.entities.get(id_) != e}
    if gone:
        after = after.remove(gone)
    if kept:
        after = after.put(kept)
    if tuple(made) != group.made:
        after = after.put({group.id: msgspec.structs.replace(group, made=tuple(made))})
    return after


def _free(wish: str, taken: set[Id]) -> Id:
    out, n = wish, 1
    while out in taken:
        n += 1
        out = f"{wish}-{n}"
    taken.add(out)
    return out


def _merged(there: Light, was: Light, now: Light) -> Light:
    """What the rule makes now, with the fields in which the lamp differs from what it made before."""
    values: dict[str, Any] = {"id": there.id}
    for name in there.__struct_fields__:
        if name == "id":
            continue
        value = getattr(there, name)
        if value != getattr(was, name):
            values[name] = value
    return msgspec.structs.replace(now, **values)


# --- operations ------------------------------------------------------------------------------------------------------
def make(scene: Scene, light: Id, rule: str, /, *, source: Id = "", **values: Any) -> tuple[Scene, Id]:
    """Turn a light into the template of a new scatter group that stands where it stood; the group's id.

    `values` are fields of the group. The lamps appear when the edit is done. Raises BadAsset for what is no light, an
    unknown rule, and a source that the rule cannot use.
    """
    entity = scene.entities.get(light)
    if not isinstance(entity, Light):
        raise BadAsset(f'"{light}" is not a light; scatter one.')
    if rule not in SCATTERS[1:]:
        raise BadAsset(f'There is no rule "{rule}"; there are {", ".join(SCATTERS[1:])}.')
    _check_source(scene, rule, source)
    name = f"{entity.name or light} {rule}"
    id_ = scene.free_id(name)
    still = rule in ("curve", "surface", "instances")
    group = Group(
        id=id_,
        name=id_,
        parent=entity.parent,
        translation=(0.0, 0.0, 0.0) if still else entity.translation,
        scatter=rule,
        template=light,
        source=source,
        facing="template",
    )
    group = msgspec.structs.replace(group, **values)
    template = msgspec.structs.replace(entity, parent=id_, visible=False, translation=(0.0, 0.0, 0.0))
    return scene.add(group).put({light: template}), id_


def _check_source(scene: Scene, rule: str, source: Id) -> None:
    found = scene.entities.get(source)
    if rule == "curve" and not isinstance(found, Path):
        raise BadAsset("Select a path beside the light, to make lights along it.")
    if rule == "surface" and not isinstance(found, MeshObject):
        raise BadAsset("Select an object beside the light, to make lights on its surface.")
    if rule == "instances" and not isinstance(found, (MeshObject, Group)):
        raise BadAsset("Select an object or a group beside the light, to make a light at each instance.")
    if rule == "surface" and isinstance(found, MeshObject) and found.mesh not in scene.meshes:
        raise BadAsset(f'The mesh of "{found.name or found.id}" is missing.')


def release(scene: Scene, groups: Iterable[Id]) -> Scene:
    """End the rules of groups: their lamps stay as lights like any others, their templates go."""
    for id_ in groups:
        group = scene.entities.get(id_)
        if isinstance(group, Group) and group.scatter != "none":
            template = group.template
            scene = scene.put({id_: msgspec.structs.replace(group, scatter="none", template="", source="", made=())})
            if template in scene.entities:
                scene = scene.remove([template])
    return scene
