"""What a glTF file's animations are in the scene, and what our writer's extras add to them.

A glTF animation holds steps, straight lines and cubic splines of a node's transform and morph weights. Everything else
that moves stands in the extras record "myriad_scene" of our writer: curves of other fields and kinds, which animation
was the scene's own motion and which were clips, and the strips that played them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from studio.assets.gltf.animations import clips_of, first_strip
from studio.assets.gltf.container import Source
from studio.errors import BadAsset
from studio.scene.animation import Curve, make_curve
from studio.scene.clips import Clip, Strip, check_strip
from studio.scene.entities import Entity
from studio.scene.materials import Material

Animations = list[tuple[str, dict[str, Curve]]]


class KeptTrack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A curve that a glTF animation cannot hold; `target` is "node:<index>" or "material:<index>"."""

    target: str
    field: str
    times: list[float]
    values: list[list[float]]
    interpolation: str = "linear"
    in_tangents: list[Any] | None = None
    out_tangents: list[Any] | None = None
    pre: str = "hold"
    post: str = "hold"
    rotation: bool = False
    euler: bool = False
    modes: list[int] | None = None


class KeptClip(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A clip: its animation in the file (-1: none) and the curves that this cannot hold."""

    id: str
    name: str = "clip"
    start: float = 0.0
    end: float = 1.0
    animation: int = -1
    tracks: list[KeptTrack] = []


class KeptScene(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The extras record "myriad_scene" of our writer: what a glTF file cannot say about a whole scene."""

    name: str = ""
    fps: float = 24.0
    frame_start: float | None = None
    frame_end: float | None = None
    camera: int = -1  # node of the active camera
    tracks: list[KeptTrack] = []
    clips: list[KeptClip] = []
    strips: list[Strip] = []


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """All that moves in a scene."""

    tracks: dict[str, Curve]
    clips: dict[str, Clip]
    strips: dict[str, Strip]


def read_motion(
    animations: Animations,
    kept: KeptScene,
    source: Source,
    entities: Mapping[str, Entity],
    materials: Sequence[Material],
) -> Motion:
    """The motion of a file's animations: our writer's as the extras say, else one as tracks and several as clips.

    Raises BadAsset for curves and strips in the extras that cannot be.
    """
    owners: dict[str, tuple[str, object]] = {f"node:{key[1:]}": (key, entity) for key, entity in entities.items()}
    owners |= {f"material:{material.id[1:]}": (material.id, material) for material in materials}
    kept_tracks = _curves(kept.tracks, owners, source, "tracks")
    if kept.clips:
        return _as_written(animations, kept, kept_tracks, owners, source)
    clips = clips_of(animations)
    if len(clips) < 2:
        tracks = next(iter(clips.values())).tracks if clips else {}
        return Motion({**tracks, **kept_tracks}, {}, {})
    names = ", ".join(repr(clip.name[:40]) for clip in list(clips.values())[:20]) + (", ..." if len(clips) > 20 else "")
    first = next(iter(clips.values())).name
    source.notes.mapped(f"The file has {len(clips)} animations, each now a clip: {names}; {first[:40]!r} plays.")
    return Motion(kept_tracks, clips, first_strip(clips))


def _as_written(
    animations: Animations,
    kept: KeptScene,
    kept_tracks: dict[str, Curve],
    owners: Mapping[str, tuple[str, object]],
    source: Source,
) -> Motion:
    """The motion that our writer wrote: its clips by the extras, any other animation as the scene's own tracks."""
    clips: dict[str, Clip] = {}
    used = set()
    for number, record in enumerate(kept.clips):
        where = f"{source.name}: scene.extras.myriad_scene.clips[{number}]"
        if not record.id or record.id in clips or not np.isfinite([record.start, record.end]).all():
            raise BadAsset(f"{where} has no id of its own or no finite frames; save the scene again.")
        tracks: dict[str, Curve] = {}
        if 0 <= record.animation < len(animations):
            used.add(record.animation)
            tracks |= animations[record.animation][1]
        tracks |= _curves(record.tracks, owners, source, f"clips[{number}].tracks")
        clips[record.id] = Clip(id=record.id, name=record.name, start=record.start, end=record.end, tracks=tracks)
    strips = {}
    for strip in kept.strips:
        if strip.clip in clips and strip.id not in strips:
            try:
                strips[strip.id] = check_strip(strip)
            except BadAsset as fault:
                raise BadAsset(f"{source.name}: {fault}") from None
    own: dict[str, Curve] = {}
    for index, (_, found) in enumerate(animations):
        own |= found if index not in used else {}
    return Motion({**own, **kept_tracks}, clips, strips)


def _curves(
    tracks: list[KeptTrack], owners: Mapping[str, tuple[str, object]], source: Source, place: str
) -> dict[str, Curve]:
    """Curves of the extras whose targets and fields exist."""
    out = {}
    for number, track in enumerate(tracks):
        id_, owner = owners.get(track.target, ("", None))
        if owner is None or not hasattr(owner, track.field.partition("[")[0]):
            continue
        where = f"{source.name}: scene.extras.myriad_scene.{place}[{number}]"
        names = ("interpolation", "in_tangents", "out_tangents", "pre", "post", "rotation", "euler", "modes")
        values = {name: getattr(track, name) for name in names}
        try:
            out[f"{id_}.{track.field}"] = make_curve(track.times, track.values, where=where, **values)
        except (ValueError, TypeError, OverflowError) as error:
            raise BadAsset(f"{where} is no curve ({error}); save the scene again.") from error
    return out
