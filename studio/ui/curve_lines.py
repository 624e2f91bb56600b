"""Lines of the curve editor: each component of each track that drives what is chosen. No Qt in it.

A track of a vector is one curve with several components whose keys stand at the same frames; the editor draws, picks
and edits each component as a line of its own. A line is named by its track and item; what it shows is looked up in the
scene, so an edit leaves the lines as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import Curve
from studio.scene.entities import Figure, Id, MeshObject
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.scene.schema import fields

Key = tuple[str, int]  # of a line: track, item
Picks = Mapping[Key, NDArray[np.intp]]  # chosen keys: indices by line, rising
_AXES = ("X", "Y", "Z", "W")
_COLOURS = ("R", "G", "B")
HUES = 4  # red, green, blue as axes are everywhere; the fourth for everything else


@dataclass(frozen=True, slots=True)
class Line:
    """One component of a track. `item` counts in the curve; `axis` is what the component is called, "" for the only
    one; `hue` the number of its colour."""

    track: str
    item: int
    id: Id
    field: str
    axis: str
    hue: int

    @property
    def key(self) -> Key:
        """What names it."""
        return (self.track, self.item)


def lines_of(scene: Scene, ids: Iterable[Id] | None) -> tuple[Line, ...]:
    """Lines of entities and materials in their order, fields in the order of their declaration; materials follow the
    objects that wear them. None: of everything that is animated."""
    wanted = tuple(dict.fromkeys(_with_worn(scene, ids))) if ids is not None else None
    by_id: dict[Id, list[tuple[int, int, str, str, Curve]]] = {}
    for track, curve in scene.tracks.items():
        target, field, item = split_track(track)
        if wanted is not None and target not in wanted:
            continue
        record = scene.entities.get(target) or scene.materials.get(target)
        known = list(fields(type(record))) if record is not None else []
        place = known.index(field) if field in known else len(known)
        by_id.setdefault(target, []).append((place, item, field, track, curve))
    out: list[Line] = []
    for target in wanted if wanted is not None else _in_order(scene, by_id):
        for _, item, field, track, curve in sorted(by_id.get(target, ()), key=lambda row: row[:4]):
            out += _components(scene, target, field, item, track, curve)
    return tuple(out)


def _with_worn(scene: Scene, ids: Iterable[Id]) -> Iterable[Id]:
    for id_ in ids:
        yield id_
        entity = scene.entities.get(id_)
        if isinstance(entity, MeshObject):
            yield from (m for m in entity.materials if m)


def _in_order(scene: Scene, found: Mapping[Id, object]) -> list[Id]:
    known = [id_ for section in (scene.entities, scene.materials) for id_ in section if id_ in found]
    return [*known, *(id_ for id_ in found if id_ not in scene.entities and id_ not in scene.materials)]


def _components(scene: Scene, id_: Id, field: str, item: int, track: str, curve: Curve) -> list[Line]:
    width = curve.values.shape[1]
    if item >= 0:
        return [Line(track, 0, id_, field, _axis(scene, id_, field, item, item + 1), item % HUES)]
    if width == 1:
        return [Line(track, 0, id_, field, "", HUES - 1)]
    return [Line(track, i, id_, field, _axis(scene, id_, field, i, width), min(i, HUES - 1)) for i in range(width)]


def _axis(scene: Scene, id_: Id, field: str, item: int, width: int) -> str:
    record = scene.entities.get(id_) or scene.materials.get(id_)
    info = fields(type(record)).get(field) if record is not None else None
    if info is not None and info.spec.colour and item < len(_COLOURS):
        return _COLOURS[item]
    if field == "morph_weights" and isinstance(record, MeshObject):
        mesh = scene.meshes.get(record.mesh)
        if mesh is not None and item < len(mesh.morphs):
            return mesh.morphs[item].name
    if field == "expression" and isinstance(record, Figure) and item < len(record.controls):
        return record.controls[item]
    return _AXES[item] if width <= len(_AXES) and item < len(_AXES) else str(item + 1)


# --- chosen keys -----------------------------------------------------------------------------------------------------
def tracks_of_picks(picks: Picks) -> dict[str, list[int]]:
    """Indices by track, of every component together, as the operations of `studio.scene.keying` take them."""
    out: dict[str, set[int]] = {}
    for (track, _), indices in picks.items():
        out.setdefault(track, set()).update(indices.tolist())
    return {track: sorted(indices) for track, indices in out.items()}


def by_item(picks: Picks) -> dict[int, dict[str, list[int]]]:
    """Indices by component and track: what a change of values acts on."""
    out: dict[int, dict[str, list[int]]] = {}
    for (track, item), indices in picks.items():
        out.setdefault(item, {})[track] = indices.tolist()
    return out


def kept(picks: Picks, before: Mapping[str, Curve], after: Mapping[str, Curve]) -> dict[Key, NDArray[np.intp]]:
    """The chosen keys after the tracks changed: the same indices where the number of keys is the same, else those that
    still stand at their frames."""
    out: dict[Key, NDArray[np.intp]] = {}
    for (track, item), indices in picks.items():
        old, new = before.get(track), after.get(track)
        if new is None or item >= new.values.shape[1]:
            continue
        if old is not None and old is not new and len(old.times) != len(new.times):
            inside = indices[indices < len(old.times)]
            indices = np.flatnonzero(np.isin(new.times, old.times[inside]))
        indices = indices[indices < len(new.times)]
        if len(indices):
            out[(track, item)] = indices
    return out


def with_tracks(keys: Iterable[Key], picked: Mapping[str, Sequence[int]]) -> dict[Key, NDArray[np.intp]]:
    """Chosen keys of lines, from indices by track as an operation gives them back."""
    return {
        (track, item): np.array(sorted(picked[track]), np.intp) for track, item in keys if len(picked.get(track, ()))
    }
