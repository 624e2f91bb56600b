"""What the inspector shows of a selection: fields in sections, shared or mixed. No Qt in it.

A selection of several kinds is the normal case: each kind gets its own section, named with how many there are, and
every field stands for all of them. Fields that mean nothing for any of them (the width of a point light) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from studio.commands.registry import N_
from studio.scene.entities import Camera, Constraint, Entity, Figure, Group, Id, MeshObject, Path
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.photometry import units_of
from studio.scene.scene import Scene
from studio.scene.schema import Field, fields

TITLES = {
    Entity: N_("Place"),
    Group: N_("Group"),
    MeshObject: N_("Object"),
    Camera: N_("Camera"),
    Path: N_("Path"),
    Constraint: N_("Constraint"),
    Figure: N_("Figure"),
    Light: N_("Light"),
    Material: N_("Material"),
}
_IN_PLACE = ("name", "visible", "locked", "translation", "rotation", "scale", "shear")
_ELSEWHERE = ("parent",)  # the outliner's
_ONE_VALUE = ("light_links", "shadow_links")  # ids that are shown together, not one by one
_WITHOUT_PLACE = ("name", "visible", "locked")  # what a constraint has of these: its own transform means nothing


@dataclass(frozen=True, slots=True)
class Shared:
    """One field of everything that has it. `value` is the first one's; `mixed` tells where others differ, one entry
    for each component of a vector and one for anything else."""

    field: Field
    ids: tuple[Id, ...]
    value: Any
    mixed: tuple[bool, ...]
    default: Any
    choices: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether everything has the value that a new one would have."""
        return not any(self.mixed) and self.value == self.default


@dataclass(frozen=True, slots=True)
class Section:
    """Fields of one kind. `count` is how many are shown together, `name` that of the only one."""

    kind: type[msgspec.Struct]
    title: str
    count: int
    name: str
    fields: tuple[Shared, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """What decides which widgets are needed; values are not among it."""
        return (self.kind, self.title, tuple((s.field.name, len(s.mixed), s.choices) for s in self.fields))


def sections(scene: Scene, ids: Sequence[Id]) -> tuple[Section, ...]:
    """The sections of a selection; materials of selected objects follow the entities."""
    chosen = [scene.get(id_) for id_ in ids]
    out = []
    entities = [e for e in chosen if isinstance(e, Entity)]
    if entities:
        placed = [e for e in entities if not isinstance(e, Constraint)]
        out.append(_section(scene, Entity, placed or entities, _IN_PLACE if placed else _WITHOUT_PLACE))
    for kind in (Light, Camera, MeshObject, Group, Path, Constraint, Figure):
        found = [e for e in entities if type(e) is kind]
        if found:
            names = tuple(n for n in fields(kind) if n not in _IN_PLACE and n not in _ELSEWHERE)
            out.append(_section(scene, kind, found, names))
    materials = [m for m in chosen if isinstance(m, Material)] or list(_worn(scene, entities))
    if materials:
        out.append(_section(scene, Material, materials, tuple(fields(Material))))
    return tuple(section for section in out if section.fields)


def _worn(scene: Scene, entities: Sequence[Entity]) -> Iterator[Material]:
    """Materials of objects, each once."""
    keys = dict.fromkeys(m for e in entities if isinstance(e, MeshObject) for m in e.materials)
    return (scene.materials[key] for key in keys if key in scene.materials)


def _section(scene: Scene, kind: type[msgspec.Struct], records: Sequence[Any], names: Sequence[str]) -> Section:
    known = fields(kind)
    shown = [known[name] for name in names if name in known and not _is_plumbing(known[name])]
    rows = []
    for field in shown:
        bearing = [r for r in records if field.means_something(r)] if field.spec.only else list(records)
        if bearing and not (field.name == "shear" and all(r.shear == field.default for r in bearing)):
            rows.append(_shared(field, bearing))
    first = records[0]
    name = (first.name or first.id) if len(records) == 1 else ""
    return Section(kind, TITLES[kind], len(records), name, tuple(rows))


def _is_plumbing(field: Field) -> bool:
    """Fields that no hand types: skins, joints, the key of a mesh, the points of a path (they are dragged), the turn
    that a constraint keeps, and the controls of a figure, which have a panel of their own."""
    return field.name in ("skin", "joints", "mesh", "points", "offset_rotation", "controls", "expression")


def _shared(field: Field, records: Sequence[Any]) -> Shared:
    values = list(map(attrgetter(field.name), records))
    first = values[0]
    if field.shape in ("vector", "ids") and field.name not in _ONE_VALUE:
        width = len(first)
        same_width = all(len(v) == width for v in values)
        mixed = tuple(not same_width or any(v[i] != first[i] for v in values) for i in range(width))
    else:
        mixed = (any(v != first for v in values),)
    choices = field.spec.choices
    if field.name == "unit":
        kinds = {r.light for r in records}
        common = [u for u in units_of(next(iter(kinds))) if all(u in units_of(k) for k in kinds)]
        choices = tuple(common)
    return Shared(field, tuple(r.id for r in records), first, mixed, field.default, choices)
