"""The board: strips with faders for lights, groups and rigs, as the window and MIDI surfaces act on them.

A fader is the exposure of a light or the master exposure of a group, in stops. That of an object that emits says how
far its materials are from where they were when the board first saw them; it has no mute and no solo, and objects that
share a material move together. What the board lists is chosen by
`show`; surfaces with fewer faders than there are strips see a `bank` of them at a time. All edits act on the scene as
it is seen at the present frame and settle as keys where curves drive what they change.

The master moves the topmost strips of the list together, each from its own place: a light whose group is listed too
moves with the group and not twice. It stands at the median of how far they are from where they were when the board
first saw them, so undo moves it back. A list of one rig's parts has that rig's own master instead.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from studio.commands.board_levels import lumens, summed
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.commands.watching import Desk
from studio.scene import edits
from studio.scene.document import Change
from studio.scene.entities import Entity, Group, Id, MeshObject
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.rigs import rigs
from studio.scene.scene import Scene
from studio.scene.schema import Touches

LOWEST, HIGHEST = -10.0, 6.0  # stops, the range of a fader; values beyond it stay what they are
SELECTED, GROUPS, ALL = "selected", "groups", "all"
BANK = 8  # strips of a bank, until a surface says how many it has
MASTER = "master"
_DARKEST = 2.0**-30
_tokens = itertools.count()


class Fader(msgspec.Struct, frozen=True):
    """Stops at the beginning of a gesture, by the ids of lights, groups and materials; what follows is relative."""

    starts: Mapping[Id, float]
    token: str


def new_token() -> str:
    """A token by which the edits of one gesture become one step of the history."""
    return f"board-{next(_tokens)}"


def emitters(scene: Scene) -> dict[Id, tuple[Id, ...]]:
    """Objects that emit, with the materials by which they do."""
    glowing = {id_ for id_, m in scene.materials.items() if m.emission_luminance > 0.0}
    if not glowing:
        return {}
    return {
        id_: tuple(dict.fromkeys(m for m in e.materials if m in glowing))
        for id_, e in scene.entities.items()
        if isinstance(e, MeshObject) and not glowing.isdisjoint(e.materials)
    }


def _shines(entity: Entity | None) -> bool:
    return isinstance(entity, Light) and entity.light != "portal"


def listed(scene: Scene, show: str, selection: Iterable[Id] = ()) -> list[Id]:
    """The strips of a choice: "selected", "groups" (and rigs) that have lamps below them, "all" lamps, or the parts of
    the group or rig whose id it is. In the order of the outliner. Lamps are lights and objects that emit."""
    entities, glowing = scene.entities, emitters(scene)

    def lamp(id_: Id) -> bool:
        return id_ in glowing or _shines(entities[id_])

    if show == SELECTED:
        chosen = set(selection)
        return [id_ for id_ in entities if id_ in chosen and (lamp(id_) or isinstance(entities[id_], Group))]
    if show == ALL:
        return [id_ for id_ in entities if lamp(id_)]
    if isinstance(entities.get(show), Group):
        below = [id_ for id_ in scene.descendants([show]) if id_ != show]
        return [id_ for id_ in below if lamp(id_) or isinstance(entities[id_], Group)]
    used: set[Id] = set()
    for id_ in entities:
        above = entities[id_].parent if lamp(id_) else ""
        while above in entities and above not in used:
            used.add(above)
            above = entities[above].parent
    return [id_ for id_ in entities if id_ in used and isinstance(entities[id_], Group)]


def _topmost(scene: Scene, ids: Iterable[Id]) -> list[Id]:
    """Those that hang below no other of them, at any distance."""
    chosen, entities = list(ids), scene.entities
    wanted, out = set(chosen), []
    for id_ in chosen:
        above, steps = entities[id_].parent, 0
        while above in entities and above not in wanted and steps <= len(entities):
            above, steps = entities[above].parent, steps + 1
        if above not in wanted:
            out.append(id_)
    return out


def _relists(change: Change) -> bool:
    """Whether other strips may be listed after a change; what a fader does cannot."""
    if change.selected or change.source != "edit" or change.touches == Touches.NOTHING:
        return True
    return bool(change.touches & (Touches.HIERARCHY | Touches.MATERIAL))


class Board(Desk[str]):
    """The board of a studio, see the module. `changed` is told what it shows anew: "strips", "values" or "bank"."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._show, self._filter = GROUPS, ""
        self.bank_size = BANK
        self._bank = 0
        self._originals: dict[Id, float] = {}
        self._nits: dict[Id, float] = {}  # of materials, when they were first seen
        self._emitters: dict[Id, tuple[Id, ...]] = {}
        self._ids: tuple[Id, ...] = ()
        self._levels: tuple[object, dict[Id, float]] = (None, {})
        self._topmost: list[Id] = []
        self._known: dict[str, float] = {}  # what was worked out of the scene as it stands
        self._relist()
        if not self._ids:  # without groups, lights are what there is to see
            self.show = ALL
        studio.watch(self._heard)

    # --- what is listed ----------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        change = update.change
        if "path" in update.parts:
            self._originals.clear()
            self._nits.clear()
            if self._show not in (SELECTED, GROUPS, ALL):
                self._show = GROUPS
            self._relist()
            self._show = self._show if self._ids or self._show != GROUPS else ALL
        if change is not None or update.parts & {"path", "frame"}:
            before = self._ids
            self._known.clear()
            if change is not None and _relists(change):
                self._relist()
            self.tell("strips" if self._ids != before else "values")

    def _relist(self) -> None:
        scene = self.studio.posed
        if self._show not in (SELECTED, GROUPS, ALL) and self._show not in scene.entities:
            self._show = GROUPS
        words = self._filter.casefold().split()
        found = listed(scene, self._show, self.studio.selection)
        if words:
            found = [id_ for id_ in found if all(w in self._said(scene.entities[id_]) for w in words)]
        self._ids = tuple(found)
        self._topmost = _topmost(scene, found)
        self._known.clear()
        self._emitters = emitters(scene)
        for id_ in found:
            self._originals.setdefault(id_, float(getattr(scene.entities[id_], "exposure", 0.0)))
        for materials in self._emitters.values():
            for id_ in materials:
                self._nits.setdefault(id_, scene.materials[id_].emission_luminance)
        self._bank = min(self._bank, max(self.banks - 1, 0))

    @staticmethod
    def _said(entity: Entity) -> str:
        more = f"{entity.light} {entity.group}" if isinstance(entity, Light) else str(entity.__struct_config__.tag)
        rig = " rig" if isinstance(entity, Group) and entity.rig else ""
        return f"{entity.name or entity.id} {more}{rig}".casefold()

    @property
    def ids(self) -> tuple[Id, ...]:
        """The strips from left to right."""
        return self._ids

    @property
    def show(self) -> str:
        """What is listed: see `listed`."""
        return self._show

    @show.setter
    def show(self, show: str) -> None:
        self._show, self._bank = show, 0
        self._relist()
        self.tell("strips")

    @property
    def filter(self) -> str:
        """Words that the name, kind or light group of what is listed must have, all of them."""
        return self._filter

    @filter.setter
    def filter(self, text: str) -> None:
        if text != self._filter:
            self._filter = text
            self._relist()
            self.tell("strips")

    # --- banks -------------------------------------------------------------------------------------------------------
    @property
    def banks(self) -> int:
        """How many banks the strips are."""
        return -(-len(self._ids) // self.bank_size)

    @property
    def bank(self) -> int:
        """The bank that surfaces act on, from 0."""
        return self._bank

    @bank.setter
    def bank(self, bank: int) -> None:
        bank = min(max(bank, 0), max(self.banks - 1, 0))
        if bank != self._bank:
            self._bank = bank
            self.tell("bank")

    def at(self, place: int) -> Id:
        """The strip at a place of the bank, "" for none."""
        row = self._bank * self.bank_size + place
        return self._ids[row] if 0 <= place < self.bank_size and row < len(self._ids) else ""

    # --- values ------------------------------------------------------------------------------------------------------
    def entity(self, id_: Id) -> Light | Group | MeshObject | None:
        """The light, group or object of a strip as it stands at the frame, None for one that is gone."""
        found = self.studio.posed.entities.get(id_)
        return found if isinstance(found, (Light, Group, MeshObject)) else None

    def materials(self, id_: Id) -> tuple[Id, ...]:
        """The materials by which an object emits, none for what is none."""
        return self._emitters.get(id_, ())

    def value(self, id_: Id) -> float:
        """Where a fader stands, in stops; "master" is the master's."""
        if id_ == MASTER:
            return self._master()
        entity = self.entity(id_)
        if isinstance(entity, (Light, Group)):
            return entity.exposure
        return self._way(self.materials(id_)[0]) if self.materials(id_) else 0.0

    def _way(self, material: Id) -> float:
        """How far a material is from where it was first seen, in stops."""
        first = self._nits.get(material, 1.0)
        now = self.studio.posed.materials[material].emission_luminance
        return math.log2(max(now / first, _DARKEST)) if first > 0.0 else 0.0

    def original(self, id_: Id) -> float:
        """Where a fader stood when the board first saw it in this scene."""
        return 0.0 if id_ == MASTER else self._originals.get(id_, 0.0)

    @property
    def own_rig(self) -> Id:
        """The group or rig whose master the master is, "" where it moves the topmost strips."""
        return self._show if self._show not in (SELECTED, GROUPS, ALL) else ""

    def topmost(self) -> list[Id]:
        """The strips that hang below no other one."""
        return self._topmost

    def _master(self) -> float:
        if self.own_rig:
            return self.value(self.own_rig)
        if MASTER not in self._known:
            self._known[MASTER] = self._middle(self._starts(self._topmost))
        return self._known[MASTER]

    def levels(self) -> dict[Id, float]:
        """Lumens that every strip and lamp gives at the frame, groups with all below them."""
        flat = self.studio.flat
        if self._levels[0] is not flat:
            parents = {id_: e.parent for id_, e in self.studio.scene.entities.items()}
            self._levels = (flat, summed(lumens(flat), parents))
        return self._levels[1]

    # --- moving ------------------------------------------------------------------------------------------------------
    def grab(self, ids: Iterable[Id]) -> Fader:
        """Begin a gesture on some strips; the master stands for those that it moves."""
        wanted: dict[Id, None] = {}
        for id_ in ids:
            if id_ == MASTER:
                wanted.update(dict.fromkeys([self.own_rig] if self.own_rig else self.topmost()))
            else:
                wanted[id_] = None
        return Fader(self._starts(wanted), new_token())

    def _starts(self, ids: Iterable[Id]) -> dict[Id, float]:
        """Where the lights, groups and materials behind some strips stand."""
        starts: dict[Id, float] = {}
        for id_ in ids:
            if self.materials(id_):
                starts.update({m: self._way(m) for m in self.materials(id_)})
            elif self.entity(id_) is not None:
                starts[id_] = self.value(id_)
        return starts

    def _middle(self, starts: Mapping[Id, float]) -> float:
        """The median of how far they are from where they were first seen."""
        return statistics.median(v - self.original(id_) for id_, v in starts.items()) if starts else 0.0

    def move(self, fader: Fader, by: float) -> None:
        """Move what was grabbed by stops from where it was then; all of it keeps its differences."""
        self.put(fader, {id_: start + by for id_, start in fader.starts.items()})

    def put(self, fader: Fader, values: Mapping[Id, float]) -> None:
        """Move what was grabbed to values of their own."""
        with self.studio.document.edit(N_("Move faders"), coalesce=fader.token) as edit:
            scene = edit.scene
            records: dict[Id, Entity] = {}
            materials: dict[Id, Material] = {}
            for id_, value in values.items():
                if id_ in scene.materials:
                    nits = self._nits.get(id_, 1.0) * 2.0**value
                    materials[id_] = msgspec.structs.replace(scene.materials[id_], emission_luminance=nits)
                elif id_ in scene.entities:
                    records[id_] = msgspec.structs.replace(scene.entities[id_], exposure=round(value, 6))
            scene = scene.put(records)
            edit.scene = replace(scene, materials={**scene.materials, **materials}) if materials else scene

    def set_value(self, id_: Id, value: float, *, fader: Fader | None = None) -> None:
        """Move one fader, or the master, to a value."""
        held = fader or self.grab([id_])
        if id_ != MASTER or self.own_rig:
            self.put(held, dict.fromkeys(held.starts, value))
            return
        self.move(held, value - self._middle(held.starts))

    def reset(self, ids: Iterable[Id]) -> None:
        """Put faders to 0; those that all stand there go to where they were when the board first saw them."""
        ids = list(ids)
        held = self.grab(ids)
        back = all(abs(v) < 1e-6 for v in held.starts.values()) or (MASTER in ids and not self.own_rig)
        self.put(held, {id_: self.original(id_) if back else 0.0 for id_ in held.starts})

    def let_go(self, fader: Fader, *, keep: bool = True) -> None:
        """End a gesture; without `keep` it never was."""
        if not keep:
            self.studio.document.abandon(fader.token)

    # --- switches ----------------------------------------------------------------------------------------------------
    def turn(self, ids: Iterable[Id], name: str, on: bool | None = None) -> None:
        """Turn the switch "muted" or "solo" of strips: all to `on`, by default to what the first one is not."""
        ids = [id_ for id_ in ids if isinstance(self.entity(id_), (Light, Group))]
        if ids:
            wanted = not getattr(self.entity(ids[0]), name) if on is None else on
            label, operation = (N_("Mute"), edits.mute) if name == "muted" else (N_("Solo"), edits.solo)
            self.studio.edit(label, operation, ids, on=wanted)

    def clear(self, name: str) -> None:
        """Turn a switch of all strips off ("muted"), or of everything ("solo")."""
        scene = self.studio.posed
        on = [i for i in (self._ids if name == "muted" else scene.entities) if getattr(scene.entities[i], name, False)]
        if on:
            self.turn(on, name, on=False)

    def any_on(self, name: str) -> bool:
        """Whether a switch is on anywhere that `clear` would turn off."""
        if name not in self._known:
            scene = self.studio.posed
            among = self._ids if name == "muted" else scene.entities
            self._known[name] = any(getattr(scene.entities[i], name, False) for i in among)
        return bool(self._known[name])

    def rigs(self) -> tuple[Id, ...]:
        """The rigs whose parts can be listed."""
        return rigs(self.studio.scene)


def board_of(studio: Studio) -> Board:
    """The board of a studio: one, whoever shows it."""
    return studio.own(Board, studio)
