"""Poses on figures: one that stays, and those of a live performance, which the document never hears of.

A performance makes sixty scenes a second. They are made for whoever draws and are forgotten; what curves and strips
say of a performing figure's face and head does not count meanwhile. Only what else moves is kept, in the very same
mappings, so that whoever draws sees that nothing but one figure differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from studio.errors import BadAsset
from studio.figure.capture.frames import FaceFrame
from studio.scene.animation import Curve
from studio.scene.arkit import ARKIT
from studio.scene.clips import Clip
from studio.scene.entities import Figure, Id
from studio.scene.pose import split_track
from studio.scene.scene import Scene

FIELDS = ("expression", "head_turn")


def figure_of(scene: Scene, id_: Id) -> Figure:
    """The figure of an id; BadAsset when there is none."""
    figure = scene.entities.get(id_)
    if not isinstance(figure, Figure):
        raise BadAsset(f'"{id_}" is no figure; select the figure that is to act.')
    return figure


def figures_in(scene: Scene, ids: Iterable[Id]) -> list[Id]:
    """The figures among these entities, and those that these hang below."""
    out: dict[Id, None] = {}
    for id_ in ids:
        seen: set[Id] = set()
        while id_ not in seen and (entity := scene.entities.get(id_)) is not None:
            if isinstance(entity, Figure):
                out[id_] = None
                break
            seen.add(id_)
            id_ = entity.parent
    return list(out)


def worn(figure: Figure, frame: FaceFrame) -> Figure:
    """A figure in the pose of a frame: shapes by their names, and the head."""
    weights: Mapping[str, float] = {**dict(zip(ARKIT, frame.weights.tolist(), strict=True)), **frame.extra}
    expression = tuple([weights.get(name, 0.0) for name in figure.controls])
    return msgspec.structs.replace(figure, expression=expression, head_turn=frame.head_deg)


def wear(scene: Scene, figure_id: Id, frame: FaceFrame) -> Scene:
    """The scene with a figure in the pose of a frame; BadAsset when there is no such figure."""
    new = worn(figure_of(scene, figure_id), frame)
    return scene.replace(figure_id, expression=new.expression, head_turn=new.head_turn)


class Wearing:
    """Lays poses over a scene: `poses` are frames by the ids of the figures that perform."""

    def __init__(self) -> None:
        self.poses: dict[Id, FaceFrame] = {}
        self._free: tuple[object, object, frozenset[Id], Mapping[str, Curve], Mapping[Id, Clip]] | None = None
        self._made: tuple[Scene, dict[Id, FaceFrame], Scene] | None = None

    def __call__(self, scene: Scene) -> Scene:
        """The scene with its performing figures in their poses; the same object for the same of both."""
        if self._made is not None and self._made[0] is scene and self._made[1] == self.poses:
            return self._made[2]
        found = {id_: e for id_ in self.poses if isinstance(e := scene.entities.get(id_), Figure)}
        out = scene
        if found:
            tracks, clips = self._without(scene, frozenset(found))
            posed = {id_: worn(figure, self.poses[id_]) for id_, figure in found.items()}
            out = replace(scene, entities={**scene.entities, **posed}, tracks=tracks, clips=clips)
        self._made = (scene, dict(self.poses), out)
        return out

    def _without(self, scene: Scene, ids: frozenset[Id]) -> tuple[Mapping[str, Curve], Mapping[Id, Clip]]:
        """Tracks and clips without those of performing faces; the same mappings as long as they stay the same."""
        free = self._free
        if free is not None and free[0] is scene.tracks and free[1] is scene.clips and free[2] == ids:
            return free[3], free[4]
        tracks, clips = _others(scene.tracks, ids), scene.clips
        changed = {id_: replace(clip, tracks=t) for id_, clip in clips.items()
                   if (t := _others(clip.tracks, ids)) is not clip.tracks}  # fmt: skip
        clips = {**clips, **changed} if changed else clips
        self._free = (scene.tracks, scene.clips, ids, tracks, clips)
        return tracks, clips


def _others(tracks: Mapping[str, Curve], ids: frozenset[Id]) -> Mapping[str, Curve]:
    def driven(name: str) -> bool:
        target, field, _ = split_track(name)
        return target in ids and field in FIELDS

    kept = {name: curve for name, curve in tracks.items() if not driven(name)}
    return tracks if len(kept) == len(tracks) else kept
