"""The scene at a moment: entities and materials with their animated fields set from curves and strips.

Only what a curve or a strip drives is made anew, and only when its values are others than the last time; every other
record stays the same object, which is how `flatten` sees that it did not change.

All driven fields together are one row of numbers, the pose, each with its own place in it. Curves are evaluated in
groups and written to their places, strips are mixed in place by place, and in the end each record that differs takes
its numbers out: no step but the last costs Python time for every curve.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from studio.scene.animation import F64, Curve, Tracks, kind_of_curve, quaternion_power, quaternion_product
from studio.scene.clips import Clip, Strip
from studio.scene.entities import Entity, Id
from studio.scene.materials import Material
from studio.scene.mixing import Index, Player, Sampler, in_order, mix
from studio.scene.scene import Scene
from studio.scene.schema import Field, fields


@dataclass(slots=True, eq=False)
class _Slot:
    """A driven field: where its numbers stand in the pose."""

    target: Id
    field: Field
    width: int = 0
    whole: bool = False  # a curve drives all of it
    start: int = 0

    @property
    def variable(self) -> bool:
        return self.field.shape == "vector" and not self.field.width


@dataclass(frozen=True, slots=True, eq=False)
class _Driven:
    """One driven record: its places in the pose, and its fields as (name, shape, start, end) among them."""

    target: Id
    fields: tuple[tuple[str, str, int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Last:
    """What was made the last time, and of what."""

    entities: Mapping[Id, Entity]
    materials: Mapping[Id, Material]
    pose: F64
    posed_entities: Mapping[Id, Entity]
    posed_materials: Mapping[Id, Material]


class Posing:
    """The tracks and strips of a scene, resolved to the records and fields that they drive.

    Made once for one set of tracks, strips and kinds; `warnings` names the tracks that drive nothing.
    """

    __slots__ = (
        "__weakref__", "_base", "_clips", "_driven", "_held", "_kinds", "_last", "_players", "_sampler", "_size",
        "_slots", "_starts", "_strips", "_targets", "source", "warnings",
    )  # fmt: skip

    def __init__(self, scene: Scene) -> None:
        self.source: Mapping[str, Curve] = scene.tracks
        self._clips: Mapping[Id, Clip] = scene.clips
        self._strips: Mapping[Id, Strip] = scene.strips
        self._kinds: dict[Id, type | None] = {}
        self._slots: dict[tuple[Id, str], _Slot] = {}
        strips = [s for s in in_order(list(scene.strips.values())) if s.clip in scene.clips and not s.muted]
        sources = [scene.tracks, *(scene.clips[id_].tracks for id_ in dict.fromkeys(s.clip for s in strips))]
        lost = [name for tracks in sources for name in self._bind(scene, tracks)]
        self._lay_out(scene)
        self._sampler = self._sampled(scene.tracks)
        samplers = {id_: self._sampled(scene.clips[id_].tracks) for id_ in {s.clip for s in strips}}
        self._players = [Player(s, samplers[s.clip], *self._places(scene.clips[s.clip])) for s in strips]
        self._base: tuple[tuple[Any, ...], F64] | None = None
        self._last: _Last | None = None
        self._held: tuple[Any, Any] = (scene.entities, scene.materials)
        self.warnings: tuple[str, ...] = ()
        if lost:
            shown = ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
            self.warnings = (f"Animation without a field that it fits was left out: {shown}.",)

    # --- making ------------------------------------------------------------------------------------------------------
    def _bind(self, scene: Scene, tracks: Mapping[str, Curve]) -> list[str]:
        """Make slots for what tracks drive; gives the names of those that drive nothing."""
        lost = []
        for name, curve in tracks.items():
            target, field_name, item = split_track(name)
            record: msgspec.Struct | None = scene.entities.get(target) or scene.materials.get(target)
            self._kinds[target] = type(record) if record is not None else None
            field = fields(type(record)).get(field_name) if record is not None else None
            if field is None or not field.animatable or not fits(field, item, curve):
                lost.append(name)
                continue
            slot = self._slots.setdefault((target, field_name), _Slot(target, field))
            slot.whole |= item < 0 and tracks is self.source
            wide = 4 if curve.euler else curve.values.shape[1]
            slot.width = max(slot.width, item + 1 if item >= 0 else wide)
        return lost

    def _lay_out(self, scene: Scene) -> None:
        """Give every slot its place, those of one record side by side."""
        by_target: dict[Id, list[_Slot]] = {}
        for slot in self._slots.values():
            by_target.setdefault(slot.target, []).append(slot)
        at = 0
        self._driven: list[_Driven] = []
        starts = []
        for target, slots in by_target.items():
            starts.append(at)
            named = []
            for slot in slots:
                if slot.field.width:
                    slot.width = slot.field.width
                elif not slot.whole:
                    slot.width = max(slot.width, len(getattr(scene.get(target), slot.field.name)))
                slot.start = at
                at += slot.width
                named.append((slot.field.name, slot.field.shape, slot.start, at))
            self._driven.append(_Driven(target, tuple(named)))
        self._size = at
        self._starts: Index = np.array(starts, np.intp)
        self._targets = list(by_target)

    def _sampled(self, tracks: Mapping[str, Curve]) -> Sampler:
        """The curves of those tracks that drive something, with their places."""
        whole: dict[str, Curve] = {}
        items: dict[str, Curve] = {}
        places: dict[str, Index] = {}
        for name, curve in tracks.items():
            target, field_name, item = split_track(name)
            slot = self._slots.get((target, field_name))
            if slot is None or not fits(slot.field, item, curve):
                continue
            (items if item >= 0 else whole)[name] = curve
            width = 1 if item >= 0 else 4 if curve.euler else curve.values.shape[1]
            places[name] = slot.start + max(item, 0) + np.arange(width)
        return Sampler(Tracks(whole), Tracks(items), places)

    def _places(self, clip: Clip) -> tuple[Index, Index]:
        """The places of the pose that a clip drives: by numbers (n,), and of rotations (m, 4)."""
        plain: list[int] = []
        turns: list[int] = []
        for name, curve in clip.tracks.items():
            target, field_name, item = split_track(name)
            slot = self._slots.get((target, field_name))
            if slot is None or not fits(slot.field, item, curve):
                continue
            if item >= 0:
                plain.append(slot.start + item)
            elif is_rotation(slot.field):
                turns += range(slot.start, slot.start + 4)
            else:
                plain += range(slot.start, slot.start + curve.values.shape[1])
        return np.array(sorted(set(plain)), np.intp), np.array(turns, np.intp).reshape(-1, 4)

    # --- asking ------------------------------------------------------------------------------------------------------
    def holds(self, scene: Scene) -> bool:
        """Whether this is still a scene's posing: the same tracks, clips and strips, and the same kinds of records
        under their ids."""
        if scene.tracks is not self.source or scene.strips is not self._strips:
            return False
        if scene.clips is not self._clips and scene.strips:
            return False
        if scene.entities is self._held[0] and scene.materials is self._held[1]:
            return True
        return self._fits(scene)

    def _fits(self, scene: Scene) -> bool:
        """Whether the records under the ids are of the kinds that they were."""
        for target, kind in self._kinds.items():
            record = scene.entities.get(target) or scene.materials.get(target)
            if (type(record) if record is not None else None) is not kind:
                return False
        for slot in self._slots.values():
            if slot.variable and not slot.whole and len(getattr(scene.get(slot.target), slot.field.name)) > slot.width:
                return False
        self._held = (scene.entities, scene.materials)
        return True

    def following(self, scene: Scene) -> Posing | None:
        """The posing of a scene in which curves have other keys and nothing else; None where more differs."""
        if scene.strips is not self._strips or (scene.clips is not self._clips and scene.strips):
            return None
        if list(scene.tracks) != list(self.source):
            return None
        for old, new in zip(self.source.values(), scene.tracks.values(), strict=True):
            if old is not new and kind_of_curve(old) != kind_of_curve(new):
                return None
        twin = copy(self)
        if not twin._fits(scene):
            return None
        twin.source = scene.tracks
        twin._sampler = self._sampler.with_curves(scene.tracks)
        return twin

    def at(self, scene: Scene, frame: float) -> tuple[Mapping[Id, Entity], Mapping[Id, Material]]:
        """Entities and materials of `scene` at a frame. The scene's own mappings where nothing is animated."""
        if not self._driven:
            return scene.entities, scene.materials
        pose = self._pose(scene, frame)
        last = self._last
        if last is None or last.pose.shape != pose.shape:
            stale: Iterable[int] = range(len(self._driven))
            last = None
        else:
            # to the bit, so that what is not a number stays what it was
            differs = np.logical_or.reduceat(pose.view(np.int64) != last.pose.view(np.int64), self._starts)
            stale = np.flatnonzero(differs).tolist()
            if last.entities is scene.entities and last.materials is scene.materials:
                if not stale:
                    return last.posed_entities, last.posed_materials
            else:
                stale = self._also_changed(scene, last, differs)
        made = self._made(scene, pose, stale, last)
        self._last = _Last(scene.entities, scene.materials, pose, *made)
        return made

    def _pose(self, scene: Scene, frame: float) -> F64:
        pose = self._resting(scene)
        # a curve may leave all numbers behind; what it drives is then left out, and named, by those who draw it
        with np.errstate(over="ignore", invalid="ignore"):
            self._sampler.write(pose, frame)
            return mix(pose, self._players, frame)[0] if self._players else pose

    def _resting(self, scene: Scene) -> F64:
        """A pose with the records' own values where no curve writes."""
        slots = [slot for slot in self._slots.values() if not slot.whole]
        if not slots:
            return np.zeros(self._size)
        records = tuple(scene.get(slot.target) for slot in slots)
        held = self._base
        if held is None or any(a is not b for a, b in zip(held[0], records, strict=True)):
            pose = np.zeros(self._size)
            for slot, record in zip(slots, records, strict=True):
                value = np.atleast_1d(np.asarray(getattr(record, slot.field.name), np.float64))[: slot.width]
                pose[slot.start : slot.start + len(value)] = value
            held = self._base = (records, pose)
        return held[1].copy()

    def _also_changed(self, scene: Scene, last: _Last, differs: Any) -> list[int]:
        """Rows of records whose pose differs, or which are other records than the last time."""
        return [
            row
            for row, target in enumerate(self._targets)
            if differs[row]
            or scene.entities.get(target) is not last.entities.get(target)
            or scene.materials.get(target) is not last.materials.get(target)
        ]

    def _made(
        self, scene: Scene, pose: F64, stale: Iterable[int], last: _Last | None
    ) -> tuple[Mapping[Id, Entity], Mapping[Id, Material]]:
        """Both sections with the stale records made of the pose, the others as the last time."""
        numbers = pose.tolist()
        new: dict[Id, Any] = {self._targets[row]: None for row in stale}
        if last is None:
            known: dict[Id, Any] = {}
        elif last.entities is scene.entities and last.materials is scene.materials:
            entities, materials = dict(last.posed_entities), dict(last.posed_materials)
            return self._filled(scene, entities, materials, numbers, stale)
        else:
            known = {
                target: last.posed_entities.get(target) or last.posed_materials.get(target)
                for target in self._targets
                if target not in new
            }
        entities, materials = dict(scene.entities), dict(scene.materials)
        for target, record in known.items():
            if target in entities:
                entities[target] = record
            elif target in materials:
                materials[target] = record
        return self._filled(scene, entities, materials, numbers, stale)

    def _filled(
        self,
        scene: Scene,
        entities: dict[Id, Entity],
        materials: dict[Id, Material],
        numbers: list[float],
        stale: Iterable[int],
    ) -> tuple[Mapping[Id, Entity], Mapping[Id, Material]]:
        for row in stale:
            driven = self._driven[row]
            target = driven.target
            if (entity := scene.entities.get(target)) is not None:
                entities[target] = _filled(entity, driven.fields, numbers)
            elif (material := scene.materials.get(target)) is not None:
                materials[target] = _filled(material, driven.fields, numbers)
        mine = any(driven.target in scene.materials for driven in self._driven)
        return entities, materials if mine else scene.materials

    # --- back --------------------------------------------------------------------------------------------------------
    def mixed_over(self, target: Id, field: str) -> bool:
        """Whether a strip, at whatever frame, drives a field."""
        slot = self._slots.get((target, field))
        if slot is None:
            return False
        inside = range(slot.start, slot.start + slot.width)
        return any(
            np.isin(inside, player.plain).any() or np.isin(inside, player.turns).any() for player in self._players
        )

    def beneath(self, scene: Scene, frame: float, target: Id, field: str, value: Any) -> Any:
        """What a field must be without its strips so that with them it is `value` at a frame; None where the strips
        there leave nothing of it."""
        slot = self._slots[(target, field)]
        pose = self._resting(scene)
        self._sampler.write(pose, frame)
        mixed, left = mix(pose, self._players, frame)
        place = slice(slot.start, slot.start + slot.width)
        below, above, share = pose[place], mixed[place], left[place]
        if share.min() < 1e-6:
            return None
        wanted = np.atleast_1d(np.asarray(value, np.float64))[: slot.width]
        if is_rotation(slot.field):
            turn = quaternion_product(above[None] * (-1.0, -1.0, -1.0, 1.0), wanted[None])
            return tuple(quaternion_product(below[None], quaternion_power(turn, 1.0 / share[:1]))[0].tolist())
        numbers = below[: len(wanted)] + (wanted - above[: len(wanted)]) / share[: len(wanted)]
        return _value(slot.field.shape, numbers.tolist())


_latest: weakref.ref[Posing] | None = None  # that of the scene at work, of which several ask


def posing_of(scene: Scene, before: Posing | None = None) -> Posing:
    """The posing of a scene: `before` or the last that was asked for where they hold, made on top of them where only
    keys differ, else a new one."""
    global _latest
    latest = _latest() if _latest is not None else None
    known = [posing for posing in (before, latest) if posing is not None]
    found = next((posing for posing in known if posing.holds(scene)), None)
    if found is None:
        found = next((twin for posing in known if (twin := posing.following(scene)) is not None), None) or Posing(scene)
    _latest = weakref.ref(found)
    return found


def split_track(name: str) -> tuple[str, str, int]:
    """Id, field and item (-1: the whole field) of a track's name "<id>.<field>" or "<id>.<field>[i]"."""
    target, _, field = name.rpartition(".")
    if field.endswith("]") and "[" in field:
        field, _, index = field[:-1].partition("[")
        return target, field, int(index) if index.isascii() and index.isdigit() else -2
    return target, field, -1


def is_rotation(field: Field) -> bool:
    """Whether a field is a unit quaternion, which curves may drive by angles too."""
    return field.shape == "vector" and field.width == 4 and field.name.endswith("rotation")


def fits(field: Field, item: int, curve: Curve) -> bool:
    """Whether a curve can drive a field, or one item of it (-1: the whole)."""
    width = curve.values.shape[1]
    if curve.euler:
        return item == -1 and is_rotation(field)
    if item >= 0:
        return field.shape == "vector" and width == 1 and item < (field.width or MOST_ITEMS)
    return item == -1 and (width == field.width or (field.shape == "vector" and not field.width))


MOST_ITEMS = 65536  # of a vector of any width: a track's name alone must not make a long one


def _filled(record: Any, driven: tuple[tuple[str, str, int, int], ...], numbers: list[float]) -> Any:
    new: dict[str, Any] = {}
    for name, shape, start, end in driven:
        new[name] = numbers[start] if shape == "float" else _value(shape, numbers[start:end])
    return msgspec.structs.replace(record, **new)


def _value(shape: str, numbers: list[float]) -> Any:
    """A field's value of its numbers."""
    if shape == "vector":
        return tuple(numbers)
    if shape == "bool":
        return numbers[0] >= 0.5
    if shape == "int":
        return round(numbers[0]) if abs(numbers[0]) < 2.0**53 else 0
    return numbers[0]
