"""What an edit changed, as text: entities, materials and tracks that differ from a scene which somebody has already.

A light that is dimmed is one line of JSON, so whoever follows a scene elsewhere is told that line and keeps the rest,
with its geometry as it lies in memory. What brings new arrays (meshes, images, skins, clips) or a new order is not told
this way: the scene is then sent anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec

from studio.errors import BadAsset
from studio.scene import schema
from studio.scene.animation import Curve
from studio.scene.document import ABSENT, difference
from studio.scene.scene import Scene
from studio.scene.scene_file import TrackEntry, curve_of, decoded, faults

LONGEST = 1 << 20  # characters of a change; beyond it the scene is better sent anew
_TOLD = ("entities", "materials", "tracks")
_GO = ("meshes", "images", "skins")  # what is not used any more may stay with whoever has it
T = TypeVar("T")


class SceneChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What differs from a scene: JSON arrays of what there is now, and the keys of what there is not any more."""

    entities: str = "[]"
    materials: str = "[]"
    tracks: str = "[]"
    removed: dict[str, list[str]] = {}  # by section
    camera: str | None = None  # the active one, where it is another
    name: str = ""  # of the scene, where it is another

    @property
    def size(self) -> int:
        """Characters of it."""
        keys = sum(len(key) for keys in self.removed.values() for key in keys)
        return len(self.entities) + len(self.materials) + len(self.tracks) + keys


def changes(before: Scene, after: Scene) -> SceneChanges | None:
    """What makes `after` of `before`; None when that cannot be told so.

    Records that are the same object in both are not looked at. Raises BadAsset for a number that JSON cannot hold.
    """
    patch = difference(before, after)
    sections = {name: found for name, found in patch.sections.items() if not _goes(name, found)}
    values = patch.values.keys() - {"camera", "name", "notes", "frame_start", "frame_end"}
    if sections.keys() - {*_TOLD} or values:
        return None
    for name in patch.orders.keys() & {*_TOLD}:
        old, new = patch.orders[name]
        had, has = set(old), set(new)
        if [*(key for key in old if key in has), *(key for key in new if key not in had)] != [*new]:
            return None
    texts = {}
    for name in _TOLD:
        now = [(key, pair[1]) for key, pair in sections.get(name, {}).items() if pair[1] is not ABSENT]
        lines = (_track(key, found) if name == "tracks" else schema.encode(found) for key, found in now)
        texts[name] = "[" + ",".join(line.decode() for line in lines) + "]"
    removed = {name: [k for k, p in found.items() if p[1] is ABSENT] for name, found in sections.items()}
    told = SceneChanges(
        **texts,
        removed={name: keys for name, keys in removed.items() if keys},
        camera=after.camera if "camera" in patch.values else None,
        name=after.name if "name" in patch.values else "",
    )
    return told if told.size <= LONGEST else None


def changed(scene: Scene, told: SceneChanges, *, where: str) -> Scene:
    """The scene with changes that came as text. Raises BadAsset, naming `where`, for what does not fit it."""
    if told.size > LONGEST or told.removed.keys() - {*_TOLD}:
        raise BadAsset(f"{where} changes its scene by more than an edit does; send the scene anew.")
    entities = {e.id: e for e in schema.decode_entities(told.entities.encode(), where=f"{where}, entities")}
    materials = {m.id: m for m in schema.decode_materials(told.materials.encode(), where=f"{where}, materials")}
    entries = decoded(told.tracks.encode(), list[TrackEntry], f"{where}, tracks")
    if any(entry.keys for entry in entries):
        raise BadAsset(f"{where} has a track whose keys lie elsewhere; send the scene anew.")
    tracks = {entry.track: curve_of(entry, where=where) for entry in entries}
    out = replace(
        scene,
        entities=_section(scene.entities, entities, told.removed.get("entities", ())),
        materials=_section(scene.materials, materials, told.removed.get("materials", ())),
        tracks=_section(scene.tracks, tracks, told.removed.get("tracks", ())),
        camera=scene.camera if told.camera is None else told.camera,
        name=told.name or scene.name,
    )
    for fault in faults(out):
        raise BadAsset(f"{where}: {fault}; send the scene anew.")
    return out


def _goes(name: str, found: Mapping[str, tuple[object, object]]) -> bool:
    """Whether a difference shows in no picture."""
    return name == "extra" or (name in _GO and all(now is ABSENT for _, now in found.values()))


def _section(old: Mapping[str, T], new: Mapping[str, T], removed: Sequence[str]) -> Mapping[str, T]:
    """The old records with the new ones in their places, or at the end."""
    gone = set(removed)
    if not new and not gone:
        return old
    return {key: value for key, value in {**old, **new}.items() if key not in gone}


def _track(name: str, curve: Curve) -> bytes:
    """A track's line, with all its keys."""
    parts = ("times", "values", "in_tangents", "out_tangents", "modes")
    keys = {part: array.tolist() for part in parts if (array := getattr(curve, part)) is not None}
    entry = TrackEntry(
        track=name,
        interpolation=curve.interpolation,
        pre=curve.pre,
        post=curve.post,
        rotation=curve.rotation,
        euler=curve.euler,
        **keys,
    )
    return schema.encode(entry)
