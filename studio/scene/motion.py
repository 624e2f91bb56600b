"""Motion over time: where entities stand at many frames, without flattening a scene for each.

A path drawn behind a moving camera needs its place at hundreds of frames and nothing of the other ten thousand
entities. So a scene is first cut down to what that place depends on: the entity, all above it, the constraints of
these, what they read and all above that, and the curves of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import Curve, make_curve
from studio.scene.constraints import owners_of
from studio.scene.entities import Constraint, Entity, Id
from studio.scene.keyed_edit import posed
from studio.scene.pose import Posing, split_track
from studio.scene.scene import Scene
from studio.scene.transforms import local_matrices, on_cycles, parent_rows, world_matrices

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Where `ids` stand at `frames` (n,): world matrices (n, ids, 3, 4), the present fields of each at each frame, and
    for every id the frames that it has keys at."""

    ids: tuple[Id, ...]
    frames: F64
    world: F64
    entities: tuple[tuple[Entity, ...], ...]  # by frame, in the order of ids
    keys: tuple[F64, ...]


def moving_part(scene: Scene, ids: Iterable[Id]) -> Scene:
    """The scene cut down to what the places of `ids` depend on."""
    rules = owners_of(scene.entities)
    wanted: set[Id] = set()
    open_ = [id_ for id_ in ids if id_ in scene.entities]
    while open_:
        id_ = open_.pop()
        entity = scene.entities.get(id_)
        if entity is None or id_ in wanted:
            continue
        wanted.add(id_)
        open_.append(entity.parent)
        open_ += [rule.id for rule in rules.get(id_, ())]
        if isinstance(entity, Constraint):
            open_.append(entity.target)
    return replace(
        scene,
        entities={id_: e for id_, e in scene.entities.items() if id_ in wanted},
        materials={},
        tracks={name: curve for name, curve in scene.tracks.items() if split_track(name)[0] in wanted},
    )


def moves(part: Scene) -> bool:
    """Whether anything may move in a part that `moving_part` cut out."""
    return bool(part.tracks or part.strips)


def motion_of(scene: Scene, ids: Sequence[Id], frames: Sequence[float] | F64) -> Motion:
    """Where entities stand at frames; ids that are not in the scene are left out."""
    known = tuple(id_ for id_ in dict.fromkeys(ids) if id_ in scene.entities)
    part = moving_part(scene, known)
    at = np.asarray(frames, np.float64).reshape(-1)
    listed = list(part.entities.values())
    parents = parent_rows(listed, {id_: i for i, id_ in enumerate(part.entities)})[0]
    parents = np.where(on_cycles(parents), -1, parents).astype(np.int32)
    order = {id_: i for i, id_ in enumerate(part.entities)}
    rows = [order[id_] for id_ in known]
    posing = Posing(part)
    worlds = np.empty((len(at), len(known), 3, 4))
    fields = []
    for k, frame in enumerate(at.tolist()):
        shown = list(posed(part, frame, posing).entities.values())
        worlds[k] = world_matrices(local_matrices(shown), parents)[rows]
        fields.append(tuple(shown[row] for row in rows))
    return Motion(known, at, worlds, tuple(fields), tuple(key_frames(part, id_) for id_ in known))


def key_frames(scene: Scene, id_: Id) -> F64:
    """Frames at which an entity or a constraint of it has keys, rising."""
    own = {id_, *(rule.id for rule in owners_of(scene.entities).get(id_, ()))}
    times = [curve.times for name, curve in scene.tracks.items() if split_track(name)[0] in own]
    return np.unique(np.concatenate(times)) if times else np.zeros(0)


def baked(scene: Scene, ids: Sequence[Id], frames: Sequence[float]) -> Scene:
    """Constraints of entities turned into keys at frames, and removed. Between the keys the way is straight."""
    rules = owners_of(scene.entities)
    owners = [id_ for id_ in dict.fromkeys(ids) if id_ in rules]
    found = motion_of(scene, owners, frames)
    tracks = {
        k: v for k, v in scene.tracks.items() if not k.startswith(tuple(f"{i}.{f}" for i in owners for f in _PLACE))
    }
    for column, id_ in enumerate(found.ids):
        shown = [row[column] for row in found.entities]
        for field in _PLACE:
            values = np.array([getattr(entity, field) for entity in shown])
            if field == "rotation":
                values = _same_side(values)
            if np.ptp(values, axis=0).max(initial=0.0) <= 1e-12:
                scene = scene.replace(id_, **{field: tuple(values[0].tolist())})
                continue
            name = f"{id_}.{field}"
            tracks[name] = make_curve(found.frames, values, rotation=field == "rotation", where=name)
    gone = [rule.id for id_ in owners for rule in rules[id_]]
    return replace(scene, tracks=tracks).remove(gone)


_PLACE = ("translation", "rotation")


def with_tracks(scene: Scene, tracks: Mapping[str, Curve]) -> Scene:
    """The scene with other curves."""
    return replace(scene, tracks=dict(tracks))


def _same_side(quaternions: F64) -> F64:
    """Quaternions (n, 4) with signs such that neighbours turn into each other the short way."""
    turns = np.einsum("ij,ij->i", quaternions[1:], quaternions[:-1]) < 0
    signs = np.cumprod(np.concatenate([[1.0], np.where(turns, -1.0, 1.0)]))
    return quaternions * signs[:, None]
