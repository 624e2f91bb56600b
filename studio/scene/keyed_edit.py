"""Editing what moves: an edit acts on the scene as it stands at a frame, and its changes become keys.

An artist drags a lamp that a curve drives: the drag starts where the lamp is seen, not where its field says, and what
it leaves behind is a key at that frame. So the document opens every edit on the `posed` scene and `settled` turns what
came of it back: fields that the edit left alone are what they were before, changed ones are stored, or keyed where a
curve drives them (with `autokey`, wherever a curve could).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from studio.errors import BadAsset
from studio.scene.constraints import carried, constrained, released
from studio.scene.entities import Id
from studio.scene.keying import set_key
from studio.scene.pose import Posing, posing_of, split_track
from studio.scene.scene import Scene
from studio.scene.schema import fields

_NOT_AUTOMATIC = ("solo", "muted", "visible", "locked")  # switches of the desk: keyed by hand, never in passing


def posed(scene: Scene, frame: float, posing: Posing | None = None) -> Scene:
    """The scene with every driven field at its value of the frame; the scene itself where nothing is driven."""
    entities, materials = (posing or posing_of(scene)).at(scene, frame)
    entities = constrained(entities)[0]
    if entities is scene.entities and materials is scene.materials:
        return scene
    return replace(scene, entities=entities, materials=materials)


def settled(
    before: Scene, shown: Scene, after: Scene, frame: float, *, autokey: bool = False, posing: Posing | None = None
) -> Scene:
    """The scene that an edit leaves, made from `after`, which it made of `shown`, the posed `before`.

    What strips are mixed over is keyed, or stored, so that it is seen with them as the edit left it. Raises BadAsset
    where they leave nothing of what is below. `posing` is that of `before`, where it is at hand.
    """
    if shown is before and not (autokey or before.tracks):
        return after
    if (entities := carried(shown.entities, after.entities)) is not after.entities:
        after = replace(after, entities=entities)
    # fields whose curve or constraint went: they keep what the edit gave them
    freed: dict[Id, set[str]] = released(before.entities, after.entities)
    for track in before.tracks.keys() - after.tracks.keys() if before.tracks is not after.tracks else ():
        target, field, _ = split_track(track)
        freed.setdefault(target, set()).add(field)
    settling = _Settling(before, after, frame, autokey, (posing or posing_of(before)) if before.strips else None)
    sections: dict[str, Any] = {}
    for name in ("entities", "materials"):
        mine, seen, new = getattr(before, name), getattr(shown, name), getattr(after, name)
        if new is not seen:
            sections[name] = {
                id_: record
                if record is mine.get(id_)
                else settling.record(mine.get(id_), seen.get(id_), record, freed.get(id_, set()))
                for id_, record in new.items()
            }
        else:
            sections[name] = mine
    out = replace(after, **sections)
    for id_, field, value in settling.keys:
        out = set_key(out, id_, field, frame, value)
    return out


class _Settling:
    """One edit's records on their way back; what is to be keyed of them goes to `keys`."""

    def __init__(self, before: Scene, after: Scene, frame: float, autokey: bool, posing: Posing | None) -> None:
        self.before, self.after, self.frame, self.autokey = before, after, frame, autokey
        self.posing = posing
        self.keys: list[tuple[Id, str, Any]] = []

    def record(self, old: Any, shown: Any, new: Any, freed: set[str]) -> Any:
        """A record as it is to be stored."""
        if old is None or shown is None or type(new) is not type(old):
            return new
        if new is shown and not freed:
            return old
        values: dict[str, Any] = {name: getattr(new, name) for name in freed if name in new.__struct_fields__}
        kind: type[msgspec.Struct] = type(new)
        for name in _differing(shown, new):
            value = getattr(new, name)
            field = fields(kind).get(name)
            if field is not None and field.animatable and name not in freed:
                value = self._beneath(new, name, value)
                if field.shape == "vector" and not field.width and f"{new.id}.{name}" not in self.before.tracks:
                    values[name] = self._items(old, shown, new, name, value)
                    continue
                if _driven(self.before, new, name):
                    self.keys.append((new.id, name, value))
                    if f"{new.id}.{name}" not in self.before.tracks:
                        values[name] = self._undriven_items(old, name, value)
                    continue
                if self.autokey and name not in _NOT_AUTOMATIC and not _driven(self.after, new, name):
                    self.keys.append((new.id, name, value))
            values[name] = value
        return msgspec.structs.replace(old, **values) if values else old

    def _beneath(self, record: Any, name: str, value: Any) -> Any:
        """What a field must be below its strips so that `value` is seen."""
        if self.posing is None or not self.posing.mixed_over(record.id, name):
            return value
        below = self.posing.beneath(self.before, self.frame, record.id, name, value)
        if below is None:
            said = record.name or record.id
            raise BadAsset(f'Strips alone move "{said}" at frame {self.frame:g}; mute or bake them to change it there.')
        return below

    def _items(self, old: Any, shown: Any, new: Any, name: str, value: Any) -> Any:
        """A vector of any number of items (the controls of a face): those that changed are keyed where curves of their
        own drive them, or by themselves; the others are left in peace. Gives what is to be stored."""
        if f"{new.id}.{name}" in self.after.tracks:
            return value
        was, now = getattr(shown, name), getattr(new, name)
        value = (*value, *now[len(value) :])  # strips know no more items than they move
        for i, number in enumerate(value):
            own = f"{new.id}.{name}[{i}]"
            changed = now[i] != (was[i] if i < len(was) else 0.0)
            if changed and (own in self.before.tracks or (self.autokey and own not in self.after.tracks)):
                self.keys.append((new.id, f"{name}[{i}]", number))
        return self._undriven_items(old, name, value)

    def _undriven_items(self, old: Any, name: str, value: Any) -> Any:
        """A vector with the new numbers of those items that have no curves."""
        was = getattr(old, name)
        has = [f"{old.id}.{name}[{i}]" in self.before.tracks for i in range(len(value))]
        return tuple(was[i] if driven and i < len(was) else value[i] for i, driven in enumerate(has))


def _differing(shown: Any, new: Any) -> Iterator[str]:
    for name in new.__struct_fields__:
        a, b = getattr(shown, name), getattr(new, name)
        if a is not b and a != b:
            yield name


def _driven(scene: Scene, record: Any, field: str) -> bool:
    """Whether a curve of the scene drives a field of a record, or an item of it."""
    name = f"{record.id}.{field}"
    if name in scene.tracks:
        return True
    value = getattr(record, field)
    return isinstance(value, tuple) and any(f"{name}[{i}]" in scene.tracks for i in range(len(value)))
