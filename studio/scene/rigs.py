"""Rigs: groups of lights that are lit as one instrument, with the looks that are kept of them.

A look is a `RigState`: the values of every light and group below the rig, of the rig itself too, as far as they differ
from the defaults; `fields` names what it speaks of, so a field that a later studio adds is left alone by an old look.
Solo is a switch of the desk and linking is between a light and what it shines on: neither is part of a look. Where
things stand is, if asked for.

`mix_states` is a crossfade as an eye wants it: strengths go in stops, colours in light, temperatures in mired. What
cannot lie between two values (a switch, a kind, a picture) turns over while its light is dark: a light that one side
mutes fades to black before it is muted, and one that changes what it is dips to black on the way.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from studio.errors import BadAsset
from studio.scene import edits
from studio.scene.animation import slerp
from studio.scene.constraints import lineage
from studio.scene.entities import Entity, Group, Id, RigState, Stored
from studio.scene.lights import Light
from studio.scene.photometry import blackbody
from studio.scene.scene import Scene
from studio.scene.schema import check, check_together, fields

Values = Mapping[str, Stored]
TRANSFORMS = ("translation", "rotation", "scale")
_NO_LOOK = ("solo", "group", "light_links", "light_link_mode", "shadow_links", "shadow_link_mode")
_MASTERS = ("exposure", "tint", "muted", "visible")
_WHAT_IT_IS = ("light", "unit", "normalize", "image", "ies", "gobo", "two_sided")  # changes of these dip to black
_GEOMETRIC = ("intensity", "gobo_scale")  # mixed by factors where both are above 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that two states do not share; None: that state does not speak of the entity."""

    id: Id
    field: str
    a: Stored | None
    b: Stored | None


@functools.cache
def look_fields(kind: type[Entity]) -> tuple[str, ...]:
    """The fields of a kind that a look keeps, without transforms; none for what is neither light nor group."""
    if issubclass(kind, Group):
        return _MASTERS
    if not issubclass(kind, Light):
        return ()
    known = fields(kind)
    shines = [name for name in known if name not in fields(Entity) and name not in _NO_LOOK]
    return ("visible", *shines)


# --- making ----------------------------------------------------------------------------------------------------------
def make_rig(scene: Scene, ids: Iterable[Id], name: str = "rig") -> tuple[Scene, Id]:
    """A rig of lights and groups, and its id: a new group around them, or, of one group alone, that group itself.

    Raises BadAsset when nothing of it is a light.
    """
    chosen = [id_ for id_ in dict.fromkeys(ids) if id_ in scene.entities]
    if not any(isinstance(scene.entities[id_], Light) for id_ in scene.descendants(chosen)):
        raise BadAsset("A rig is made of lights; select some, or groups that hold some.")
    if len(chosen) == 1 and isinstance(scene.entities[chosen[0]], Group):
        return scene.replace(chosen, rig=True), chosen[0]
    scene, id_ = edits.group(scene, chosen, name)
    return scene.replace(id_, rig=True), id_


def rigs(scene: Scene) -> tuple[Id, ...]:
    """Every rig of a scene, in its order."""
    return tuple(id_ for id_, e in scene.entities.items() if isinstance(e, Group) and e.rig)


def rig_above(scene: Scene, id_: Id) -> Id:
    """The rig that an entity is or hangs in, the nearest one; "" for none."""
    above = ((i, scene.entities[i]) for i in lineage(scene.entities, id_))
    return next((i for i, entity in above if isinstance(entity, Group) and entity.rig), "")


def members(scene: Scene, rig: Id) -> tuple[Id, ...]:
    """The rig and every light and group below it, in the scene's order. BadAsset when it is no group."""
    if not isinstance(scene.entities.get(rig), Group):
        raise BadAsset(f'"{rig}" is no rig of the scene; make one of some lights first.')
    return tuple(id_ for id_ in scene.descendants([rig]) if isinstance(scene.entities[id_], (Light, Group)))


# --- states ----------------------------------------------------------------------------------------------------------
def rig_state(scene: Scene, rig: Id, name: str = "", *, transforms: bool = False) -> RigState:
    """How a rig stands. With `transforms` where its lights and groups stand in it too (not the rig's own place)."""
    more = TRANSFORMS if transforms else ()
    values: dict[Id, dict[str, Stored]] = {}
    for id_ in members(scene, rig):
        entity = scene.entities[id_]
        known = fields(type(entity))
        names = (*look_fields(type(entity)), *(more if id_ != rig else ()))
        values[id_] = {n: v for n in names if (v := getattr(entity, n)) != known[n].default}
    spoken = dict.fromkeys((*look_fields(Light), *look_fields(Group), *more))
    groups = tuple(id_ for id_ in values if isinstance(scene.entities[id_], Group))
    return RigState(name=name, fields=tuple(spoken), values=values, groups=groups)


def apply_state(scene: Scene, rig: Id, state: RigState) -> Scene:
    """The scene with a rig as a state has it. What came to the rig since it was stored stays as it is, what went is
    passed over. Raises BadAsset for a value that its field does not allow."""
    new: dict[Id, Entity] = {}
    for id_ in members(scene, rig):
        if id_ in state.values:
            entity = scene.entities[id_]
            values = full_values(entity, state, moves=id_ != rig)
            changed = {n: v for n, v in values.items() if v != getattr(entity, n)}
            if changed:
                new[id_] = _with(entity, changed)
    return scene.put(new)


def full_values(entity: Entity, state: RigState, *, moves: bool = True) -> dict[str, Any]:
    """What a state says of an entity that it speaks of, defaults included."""
    defaults = _defaults(type(entity), state.fields, moves)
    return {**defaults, **{n: v for n, v in state.values.get(entity.id, {}).items() if n in defaults}}


@functools.lru_cache(maxsize=64)
def _defaults(kind: type[Entity], names: tuple[str, ...], moves: bool) -> Mapping[str, Any]:
    """The defaults of those of some fields that a state may set on a kind."""
    able = (*look_fields(kind), *(TRANSFORMS if moves else ()))
    return {name: fields(kind)[name].default for name in names if name in able}


def apply_values(scene: Scene, values: Mapping[Id, Mapping[str, Any]]) -> Scene:
    """The scene with single values set; ids that are gone and fields that an entity lacks are passed over."""
    new: dict[Id, Entity] = {}
    for id_, mine in values.items():
        entity = scene.entities.get(id_)
        if entity is not None:
            new[id_] = _with(entity, {n: v for n, v in mine.items() if n in fields(type(entity))})
    return scene.put(new)


def _with(entity: Entity, values: Mapping[str, Any]) -> Entity:
    kind = type(entity)
    where = f'{kind.__name__} "{entity.name or entity.id}"'
    new = msgspec.structs.replace(entity, **{n: check(kind, n, v, where=where) for n, v in values.items()})
    check_together(new, values)
    return new


def find_state(scene: Scene, rig: Id, name: str) -> RigState:
    """A stored state by its name; BadAsset with what there is when there is none."""
    members(scene, rig)
    group = scene.entities[rig]
    assert isinstance(group, Group)
    for state in group.states:
        if state.name == name:
            return state
    there = ", ".join(f'"{s.name}"' for s in group.states) or "none is stored"
    raise BadAsset(f'The rig "{group.name or rig}" has no state "{name}" ({there}).')


def store_state(scene: Scene, rig: Id, state: RigState) -> Scene:
    """Keep a state with its rig, in the place of one of the same name if there is one. BadAsset for no name."""
    name = state.name.strip()
    if not name:
        raise BadAsset("A state needs a name to be found by.")
    state = msgspec.structs.replace(state, name=name)
    members(scene, rig)
    group = scene.entities[rig]
    assert isinstance(group, Group)
    kept = [state if s.name == name else s for s in group.states]
    kept += [] if any(s.name == name for s in group.states) else [state]
    return scene.put({rig: msgspec.structs.replace(group, states=tuple(kept))})


def rename_state(scene: Scene, rig: Id, name: str, new: str) -> Scene:
    """Call a state something else; BadAsset when that is empty or taken."""
    state, new = find_state(scene, rig, name), new.strip()
    group = scene.entities[rig]
    assert isinstance(group, Group)
    if not new or any(s.name == new for s in group.states if s is not state):
        raise BadAsset(f'A state needs a name of its own; "{new}" is empty or taken.')
    renamed = msgspec.structs.replace(state, name=new)
    states = tuple(renamed if s is state else s for s in group.states)
    return scene.put({rig: msgspec.structs.replace(group, states=states)})


def delete_state(scene: Scene, rig: Id, name: str) -> Scene:
    """Forget a state."""
    state = find_state(scene, rig, name)
    group = scene.entities[rig]
    assert isinstance(group, Group)
    return scene.put({rig: msgspec.structs.replace(group, states=tuple(s for s in group.states if s is not state))})


def free_name(scene: Scene, rig: Id) -> str:
    """The first of A, B, C, …, then 27, 28, … that no state of a rig has."""
    group = scene.entities.get(rig)
    taken = {s.name for s in group.states} if isinstance(group, Group) else set()
    letters = [chr(ord("A") + i) for i in range(26)]
    return next(name for name in (*letters, *map(str, range(27, 28 + len(taken)))) if name not in taken)


# --- two states ------------------------------------------------------------------------------------------------------
def difference(a: RigState, b: RigState) -> tuple[Difference, ...]:
    """Every value that two states do not share, in the order of their entities and fields; an entity of which one of
    them does not speak is one row of the field ""."""
    both = _shared(a, b)
    rows: list[Difference] = []
    for id_ in dict.fromkeys((*a.values, *b.values)):
        if id_ not in a.values or id_ not in b.values:
            rows.append(Difference(id_, "", True if id_ in a.values else None, True if id_ in b.values else None))
            continue
        mine, other = a.values[id_], b.values[id_]
        for name in both:
            if (name in mine or name in other) and mine.get(name) != other.get(name):
                default = _default(name)
                rows.append(Difference(id_, name, mine.get(name, default), other.get(name, default)))
    return tuple(rows)


def _shared(a: RigState, b: RigState) -> tuple[str, ...]:
    """The fields that two states speak of and this studio knows; a newer one may have written others."""
    known = {*look_fields(Light), *look_fields(Group), *TRANSFORMS}
    return tuple(name for name in a.fields if name in b.fields and name in known)


def check_states(group: Group, where: str) -> None:
    """Raise BadAsset, naming `where`, for a state with a value that its field does not allow. Fields that this studio
    does not know are passed over."""
    for state in group.states:
        place = f'{where}, state "{state.name}" of "{group.id}"'
        for id_, values in state.values.items():
            kind: type[Entity] = Group if id_ in state.groups else Light
            for name, value in values.items():
                if name in fields(kind):
                    check(kind, name, value, where=place)


def _default(name: str) -> Any:
    """The default of a field; those that lights and groups share have the same."""
    return fields(Group if name == "tint" else Light)[name].default


def mix_states(a: RigState, b: RigState, t: float, *, name: str = "") -> RigState:
    """The state between two: `a` at t = 0, `b` at 1; t is kept within. See the module for what lies between.

    An entity of which only one speaks stands as that one has it.
    """
    if not math.isfinite(t):
        raise BadAsset("A crossfade is a number from 0 to 1.")
    t = min(max(t, 0.0), 1.0)
    if t in (0.0, 1.0):
        end, rest = (b, a) if t else (a, b)
        more = {id_: dict(v) for id_, v in rest.values.items() if id_ not in end.values}
        groups = tuple(dict.fromkeys((*a.groups, *b.groups)))
        return msgspec.structs.replace(end, name=name, values={**end.values, **more}, groups=groups)
    both = _shared(a, b)
    values: dict[Id, dict[str, Stored]] = {}
    for id_ in dict.fromkeys((*a.values, *b.values)):
        mine, other = a.values.get(id_), b.values.get(id_)
        if mine is None or other is None or mine == other:
            values[id_] = dict(mine or other or {})
        else:
            values[id_] = _mixed(mine, other, t, both, group=id_ in a.groups)
    groups = tuple(dict.fromkeys((*a.groups, *b.groups)))
    return RigState(name=name, fields=both, values=values, groups=groups)


def _mixed(a: Values, b: Values, t: float, names: tuple[str, ...], *, group: bool) -> dict[str, Stored]:
    """The values of one entity between two states, on top of the defaults."""
    on_a, on_b = _shines(a), _shines(b)
    if on_a != on_b:  # the one that shines fades; what it is otherwise does not matter in the dark
        lit = a if on_a else b
        return _dimmed({n: v for n, v in lit.items() if n in names}, 1.0 - t if on_a else t, group=group)
    share = 1.0
    if any(a.get(n, _default(n)) != b.get(n, _default(n)) for n in _WHAT_IT_IS if n in names):
        share = abs(1.0 - 2.0 * t)  # it is another light on the other side
        near = a if t < 0.5 else b
        its = {n: near.get(n, _default(n)) for n in (*_WHAT_IT_IS, "intensity") if n in names}
        a, b = {**a, **its}, {**b, **its}
    a, b = _same_white(a, b)
    spoken = [n for n in names if n in a or n in b]
    out = {n: _between(n, a.get(n, _default(n)), b.get(n, _default(n)), t) for n in spoken}
    return _dimmed(out, share, group=group) if share < 1.0 else out


def _shines(values: Values) -> bool:
    return not values.get("muted", False) and bool(values.get("visible", True))


def _dimmed(values: dict[str, Any], share: float, *, group: bool) -> dict[str, Stored]:
    """Values with their light at a share: by the intensity of a light, by the tint of a group."""
    if group:
        return {**values, "tint": tuple(c * share for c in values.get("tint", (1.0, 1.0, 1.0)))}
    return {**values, "intensity": values.get("intensity", _default("intensity")) * share}


def _same_white(a: Values, b: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both with a temperature or both without: where only one is white by temperature, its colour says it."""
    first, second = dict(a), dict(b)
    if bool(a.get("use_temperature", False)) != bool(b.get("use_temperature", False)):
        for side in (first, second):
            if side.pop("use_temperature", False):
                white = blackbody(np.array([float(side.get("temperature_k", _default("temperature_k")))]))[0]
                color = np.asarray(side.get("color", _default("color")), np.float64) * white
                side["color"] = tuple(color.tolist())
    return first, second


def _between(name: str, a: Any, b: Any, t: float) -> Any:
    if a == b:
        return a
    if isinstance(a, (bool, str)) or isinstance(b, (bool, str)):
        return a if t < 0.5 else b
    if name == "rotation":
        return tuple(slerp(np.asarray(a)[None], np.asarray(b)[None], np.array([t]))[0].tolist())
    if isinstance(a, tuple):
        return tuple(x + (y - x) * t for x, y in zip(a, b, strict=True)) if len(a) == len(b) else (a if t < 0.5 else b)
    if name == "temperature_k" and a > 0 and b > 0:
        return 1.0 / ((1.0 - t) / a + t / b)
    if name in _GEOMETRIC and a > 0 and b > 0:
        return float(a ** (1.0 - t) * b**t)
    return a + (b - a) * t
