"""The rows of the light table: lights and objects that glow, below the groups and rigs that hold them.

Rows keep their number as long as their entity is there, so the views' indexes outlive sorting and filtering. A row
holds the record that it shows and a cache of its cells; only rows whose record, or whose state (silent, because a group
above is muted or others are soloed), is another than before are made anew. No Qt here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.scene.entities import Entity, Group, Id, MeshObject
from studio.scene.light_filter import STRENGTH, Filter
from studio.scene.lights import Light
from studio.scene.scene import Scene

LIGHT, OBJECT, GROUP = "light", "object", "group"
Vec3 = tuple[float, float, float]
State = tuple[bool, bool, bool, float, Vec3]  # hidden, muted, soloed, stops and tint of all that is above
_WHITE = (1.0, 1.0, 1.0)
_HANGING = frozenset((STRENGTH, "light_links", "shadow_links"))  # cells that more than their own field says


def lamps(scene: Scene) -> dict[Id, tuple[Id, ...]]:
    """What lights a scene, in its order: lights, and objects with the materials by which they emit.

    A material whose emission is black for now counts, so that a row does not go while its colour is being dragged.
    """
    glowing = {id_ for id_, material in scene.materials.items() if material.emission_luminance > 0.0}
    found: dict[Id, tuple[Id, ...]] = {}
    for id_, entity in scene.entities.items():
        if isinstance(entity, Light):
            found[id_] = ()
        elif glowing and isinstance(entity, MeshObject) and not glowing.isdisjoint(entity.materials):
            found[id_] = tuple(dict.fromkeys(m for m in entity.materials if m in glowing))
    return found


@dataclass(slots=True, eq=False)
class Row:
    """One row; `number` names it for Qt. `emitters` are the materials by which an object glows."""

    number: int
    id: Id
    kind: str
    record: Any = None
    emitters: tuple[Id, ...] = ()
    above: Row | None = None
    below: list[Row] = field(default_factory=list)  # in the scene's order
    shown: list[Row] = field(default_factory=list)  # as sorted and filtered
    place: int = 0  # among what is shown
    depth: int = 0
    lamps: int = 0  # how many lamps hang below
    cells: dict[str, Any] = field(default_factory=dict)
    # what comes from above, the row's own included
    hidden: bool = False
    muted: bool = False
    solo: bool = False
    counts: bool = True  # whether it shines as things are
    stops: float = 0.0
    tint: Vec3 = _WHITE

    @property
    def name(self) -> str:
        """What it is called."""
        return self.record.name or self.id


class Rows:
    """All rows of a scene. `build` takes a scene, `refresh` the records that changed since."""

    def __init__(self) -> None:
        self.root = Row(0, "", GROUP)
        self.by_number: dict[int, Row] = {0: self.root}
        self.by_id: dict[Id, Row] = {}
        self.lamps: list[Row] = []
        self.flat = False  # lamps alone, without what holds them
        self.any_solo = False
        self._scene = Scene()
        self._numbers: dict[Id, int] = {}
        self._switched: tuple[Id, ...] = ()  # lights and groups that are no rows but may be soloed
        self._shape: tuple[Any, ...] = ()
        self._moved = False

    # --- structure ---------------------------------------------------------------------------------------------------
    @property
    def shape(self) -> tuple[Any, ...]:
        """`shape_of` the scene that was built."""
        return self._shape

    def shape_of(self, scene: Scene) -> tuple[Any, ...]:
        """What must be the same for the rows to stay: who is listed, below what."""
        found = lamps(scene)
        entities = scene.entities
        above: dict[Id, tuple[Id, ...]] = {}
        for id_ in found:
            parent = entities[id_].parent
            if parent not in above:
                above[parent] = _lineage(entities, parent, found)
        holders = {id_: above[entities[id_].parent] for id_ in found}
        return self.flat, found, holders, _in_order(scene, found, holders)

    def build(self, scene: Scene) -> bool:
        """Take a scene; whether the rows are other ones than before."""
        shape = self.shape_of(scene)
        if shape == self._shape:
            self._scene = scene
            return False
        self._shape, self._scene = shape, scene
        found = shape[1]
        old = self.by_id
        self.root.below = []
        self.by_number, self.by_id, self.lamps = {0: self.root}, {}, []
        for id_ in found if self.flat else shape[3]:
            kind = GROUP if id_ not in found else LIGHT if isinstance(scene.entities[id_], Light) else OBJECT
            row = old.get(id_)
            if row is None or row.kind != kind:
                row = Row(self._numbers.setdefault(id_, len(self._numbers) + 1), id_, kind)
            row.below, row.record, row.emitters = [], scene.entities[id_], found.get(id_, ())
            row.cells.clear()
            self.by_number[row.number] = self.by_id[id_] = row
            if id_ in found:
                self.lamps.append(row)
        for id_, row in self.by_id.items():
            held = "" if self.flat else self._holder(id_)
            row.above = self.by_id.get(held, self.root)
            row.above.below.append(row)
        others = (id_ for id_, e in scene.entities.items() if isinstance(e, Group) and id_ not in self.by_id)
        self._switched = tuple(others)
        self._count(self.root, 0)
        self._settle()
        return True

    def _holder(self, id_: Id) -> Id:
        """The nearest row above an entity, "" for the top."""
        entities, seen = self._scene.entities, {id_}
        at = entities[id_].parent
        while at in entities and at not in seen:
            if at in self.by_id:
                return at
            seen.add(at)
            at = entities[at].parent
        return ""

    def _count(self, row: Row, depth: int) -> int:
        row.depth = depth
        own = row.kind != GROUP
        row.lamps = own + sum(self._count(each, depth + 1) for each in row.below)
        return row.lamps

    # --- values ------------------------------------------------------------------------------------------------------
    def refresh(self, scene: Scene, ids: Iterable[Id]) -> set[Row]:
        """Take the records of these ids anew; gives the rows that must be drawn again."""
        before, self._scene = self._scene, scene
        changed: set[Row] = set()
        entities, settle = scene.entities, False
        materials: set[Id] = set()
        for id_ in ids:
            row = self.by_id.get(id_)
            if row is None:
                if id_ in scene.materials:
                    materials.add(id_)
                settle = settle or _switches(entities.get(id_)) != _switches(before.entities.get(id_))
                continue
            new = entities[id_]
            if new is not row.record:
                settle = settle or row.kind == GROUP or _switches(new) != _switches(row.record)
                row.cells = _still_true(row, new)
                row.record = new
            elif row.kind == OBJECT:  # what it shows may be its material's
                row.cells.clear()
            changed.add(row)
        if materials:
            for row in self.lamps:
                if not materials.isdisjoint(row.emitters):
                    row.cells.clear()
                    changed.add(row)
        if settle:
            changed |= self._settle()
        return changed

    def emits(self, row: Row, name: str) -> Any:
        """A field of the material by which an object glows."""
        return getattr(self._scene.materials[row.emitters[0]], name)

    @property
    def scene(self) -> Scene:
        """The scene that the rows show."""
        return self._scene

    def _settle(self) -> set[Row]:
        """Find anew what comes from above; gives the rows for which that is other than it was."""
        entities = self._scene.entities
        changed: set[Row] = set()
        soloed = any(getattr(row.record, "solo", False) for row in self.by_id.values())
        self.any_solo = soloed or any(getattr(entities.get(id_), "solo", False) for id_ in self._switched)
        above: dict[Id, State] = {"": (False, False, False, 0.0, _WHITE)}
        for row in self.by_id.values():
            state = self._state(row.id, above)
            hidden, muted, solo, stops, tint = state
            counts = not (hidden or muted) and (solo or not self.any_solo)
            if row.kind == GROUP and not (hidden or muted or counts):  # it counts while something in it is soloed
                counts = _any_solo_below(row)
            now = (hidden, muted, solo, stops, tint, counts)
            if now != (row.hidden, row.muted, row.solo, row.stops, row.tint, row.counts):
                row.hidden, row.muted, row.solo, row.stops, row.tint, row.counts = now
                row.cells.clear()
                changed.add(row)
        return changed

    def _state(self, id_: Id, known: dict[Id, State]) -> State:
        """Hidden, muted, soloed, and the masters of an entity with all that is above it; each entity is asked once."""
        entities, chain = self._scene.entities, []
        at = id_
        while at not in known and at in entities and at not in chain:
            chain.append(at)
            at = entities[at].parent
        state = known.get(at, known[""])
        for each in reversed(chain):
            state = known[each] = _joined(state, entities[each])
        return state

    # --- order -------------------------------------------------------------------------------------------------------
    def arrange(
        self,
        wanted: Filter | None,
        key: Callable[[Row], Any] | None,
        *,
        descending: bool,
        value: Callable[[Row, str], Any],
    ) -> bool:
        """Filter and sort what is below every row; whether anything stands elsewhere than before."""
        self._moved = False
        self._arrange(self.root, wanted or None, key, descending, value, [])
        return self._moved

    def _arrange(
        self,
        row: Row,
        wanted: Filter | None,
        key: Callable[[Row], Any] | None,
        descending: bool,
        value: Callable[[Row, str], Any],
        names: list[str],
    ) -> bool:
        """Arrange what is below a row; whether the row is to be seen."""
        named = [*names, row.name.lower()] if row.number else names
        shown = [
            each
            for each in row.below
            if (not each.below and (wanted is None or _passes(each, wanted, value, named)))
            or (each.below and self._arrange(each, wanted, key, descending, value, named))
        ]
        if key is not None:
            shown.sort(key=key, reverse=descending)
        if shown != row.shown:
            row.shown = shown
            self._moved = True
        for place, each in enumerate(shown):
            each.place = place
        if not row.number or wanted is None:
            return True
        return bool(shown) or _passes(row, wanted, value, names)

    def walk(self, row: Row | None = None) -> Iterator[Row]:
        """Rows that are shown, in their order from the top."""
        for each in (row or self.root).shown:
            yield each
            if each.shown:
                yield from self.walk(each)


def _passes(row: Row, wanted: Filter, value: Callable[[Row, str], Any], above: list[str]) -> bool:
    return wanted.matches(lambda name: value(row, name), [*above, row.name.lower()])


def _still_true(row: Row, new: Any) -> dict[str, Any]:
    """Cells that an edit of a light leaves as they are: those of fields that it left alone, where nothing changed on
    which others hang (the kind says which fields mean something)."""
    old, kept = row.record, row.cells
    if row.kind != LIGHT or not kept or new.light != old.light or new.use_temperature is not old.use_temperature:
        return {}
    return {n: held for n, held in kept.items() if n not in _HANGING and getattr(new, n) is getattr(old, n)}


def _switches(record: Entity | None) -> tuple[bool, bool, bool, Id]:
    """What of an entity what hangs below it inherits."""
    if record is None:
        return True, False, False, ""
    return record.visible, getattr(record, "muted", False), getattr(record, "solo", False), record.parent


def _any_solo_below(row: Row) -> bool:
    return any(getattr(each.record, "solo", False) or _any_solo_below(each) for each in row.below)


def _joined(above: State, entity: Entity) -> State:
    """The state below an entity, from the one above it."""
    hidden, muted, solo, stops, tint = above
    if isinstance(entity, Group):
        stops += entity.exposure
        tint = (tint[0] * entity.tint[0], tint[1] * entity.tint[1], tint[2] * entity.tint[2])
    own = _switches(entity)
    return hidden or not own[0], muted or own[1], solo or own[2], stops, tint


def _lineage(entities: Mapping[Id, Entity], id_: Id, found: Mapping[Id, Any]) -> tuple[Id, ...]:
    """Groups and lamps from an entity upwards, which become rows; those on a cycle once."""
    out: list[Id] = []
    seen: set[Id] = set()
    while id_ in entities and id_ not in seen:
        seen.add(id_)
        if isinstance(entities[id_], Group) or id_ in found:
            out.append(id_)
        id_ = entities[id_].parent
    return tuple(out)


def _in_order(scene: Scene, found: Mapping[Id, Any], above: Mapping[Id, tuple[Id, ...]]) -> list[Id]:
    """Lamps and what holds them, in the scene's order."""
    wanted = set(found).union(*above.values())
    return [id_ for id_ in scene.entities if id_ in wanted]
