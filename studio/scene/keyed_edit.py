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

from studio.scene.entities import Id
from studio.scene.keying import set_key
from studio.scene.pose import Posing, split_track
from studio.scene.scene import Scene
from studio.scene.schema import fields

_NOT_AUTOMATIC = ("solo", "muted", "visible", "locked")  # switches of the desk: keyed by hand, never in passing


def posed(scene: Scene, frame: float, posing: Posing | None = None) -> Scene:
    """The scene with every driven field at its value of the frame; the scene itself where nothing is driven."""
    entities, materials = (posing or Posing(scene)).at(scene, frame)
    if entities is scene.entities and materials is scene.materials:
        return scene
    return replace(scene, entities=entities, materials=materials)


def settled(before: Scene, shown: Scene, after: Scene, frame: float, *, autokey: bool = False) -> Scene:
    """The scene that an edit leaves, made from `after`, which it made of `shown`, the posed `before`."""
    if shown is before and not (autokey or before.tracks):
        return after
    keys: list[tuple[Id, str, Any]] = []
    freed: dict[Id, set[str]] = {}  # fields whose curve went: they keep what the edit gave them
    for track in before.tracks.keys() - after.tracks.keys() if before.tracks is not after.tracks else ():
        target, field, _ = split_track(track)
        freed.setdefault(target, set()).add(field)
    sections: dict[str, Any] = {}
    for name in ("entities", "materials"):
        mine, seen, new = getattr(before, name), getattr(shown, name), getattr(after, name)
        if new is not seen:
            sections[name] = {
                id_: record
                if record is mine.get(id_)
                else _settled(before, after, mine.get(id_), seen.get(id_), record, freed.get(id_, set()), autokey, keys)
                for id_, record in new.items()
            }
        else:
            sections[name] = mine
    out = replace(after, **sections)
    for id_, field, value in keys:
        out = set_key(out, id_, field, frame, value)
    return out


def _settled(
    before: Scene,
    after: Scene,
    old: Any,
    shown: Any,
    new: Any,
    freed: set[str],
    autokey: bool,
    keys: list[tuple[Id, str, Any]],
) -> Any:
    """A record as it is to be stored; what is to be keyed of it goes to `keys`."""
    if old is None or shown is None or type(new) is not type(old):
        return new
    if new is shown:
        return old
    values: dict[str, Any] = {name: getattr(new, name) for name in freed if name in new.__struct_fields__}
    for name in _differing(shown, new):
        value = getattr(new, name)
        kind: type[msgspec.Struct] = type(new)
        field = fields(kind).get(name)
        if field is not None and field.animatable and name not in freed:
            if _driven(before, new, name):
                keys.append((new.id, name, value))
                continue
            if autokey and name not in _NOT_AUTOMATIC and not _driven(after, new, name):
                keys.append((new.id, name, value))
        values[name] = value
    return msgspec.structs.replace(old, **values) if values else old


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
