"""Operations on strips and clips: pure functions of a scene. How strips act stands in `studio.scene.mixing`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from studio.errors import BadAsset
from studio.scene.animation import AUTO, F64, STEP, Curve, make_curve
from studio.scene.clips import Clip, Strip, check_strip
from studio.scene.entities import Id
from studio.scene.key_conversions import MOST_BAKED, angles_of, continuous
from studio.scene.key_modes import curve_of, parts_of
from studio.scene.key_rows import curve_named
from studio.scene.key_values import target_of, value_at
from studio.scene.pose import Posing, is_rotation, split_track
from studio.scene.scene import Scene, free_id


def strip_of(scene: Scene, id_: Id) -> Strip:
    """The strip of this id; BadAsset when there is none."""
    strip = scene.strips.get(id_)
    if strip is None:
        raise BadAsset(f'There is no strip "{id_}" in the scene "{scene.name}".')
    return strip


def add_strip(scene: Scene, clip: Id, *, start: float, layer: int = 0) -> tuple[Scene, Id]:
    """Play a clip, all of it, from the frame `start` on. Gives the strip's id; BadAsset when there is no such clip."""
    source = scene.clips.get(clip)
    if source is None:
        raise BadAsset(f'There is no clip "{clip}" in the scene "{scene.name}".')
    id_ = free_id(f"{clip}.strip", scene.strips.__contains__)
    strip = Strip(
        id=id_, name=source.name, clip=clip, layer=layer, start=start, clip_in=source.start, clip_out=source.end
    )
    return _put(scene, strip), id_


def change_strip(scene: Scene, id_: Id, **values: Any) -> Scene:
    """Set fields of a strip. Raises BadAsset for a strip, clip or field that is not there or a value that cannot be."""
    strip = strip_of(scene, id_)
    unknown = values.keys() - set(Strip.__struct_fields__) | values.keys() & {"id"}
    if unknown:
        raise BadAsset(f'A strip has no field "{min(unknown)}" that could be set.')
    if "clip" in values and values["clip"] not in scene.clips:
        raise BadAsset(f'There is no clip "{values["clip"]}" in the scene "{scene.name}".')
    return _put(scene, msgspec.structs.replace(strip, **values))


def _put(scene: Scene, *strips: Strip) -> Scene:
    return replace(scene, strips={**scene.strips, **{strip.id: check_strip(strip) for strip in strips}})


def remove_strips(scene: Scene, ids: Iterable[Id]) -> Scene:
    """Remove strips; their clips stay. Raises BadAsset for one that is not there."""
    gone = {strip_of(scene, id_).id for id_ in ids}
    return replace(scene, strips={k: v for k, v in scene.strips.items() if k not in gone}) if gone else scene


def trim_strip(scene: Scene, id_: Id, *, start: float | None = None, end: float | None = None) -> Scene:
    """Let a strip begin or end at another frame of the timeline; what plays in between stays where it is.

    A strip of one run is trimmed within its clip, further than the clip reaches it is not; one of several runs that is
    trimmed at its start begins with a later run, at its end it has fewer or more. Raises BadAsset when nothing would
    be left.
    """
    strip = strip_of(scene, id_)
    if start is not None:
        strip = _begun_later(strip, scene.clips.get(strip.clip), start)
    if end is not None:
        strip = _ended_earlier(strip, scene.clips.get(strip.clip), end)
    return _put(scene, strip)


def _begun_later(strip: Strip, clip: Clip | None, start: float) -> Strip:
    length = strip.clip_out - strip.clip_in
    moved = (start - strip.start) * strip.speed
    if strip.loops > 1.0 and length > 0.0:  # whole runs go, or come, so that the clip stays in step
        runs = math.floor(moved / length + 0.5)
        runs = min(runs, math.ceil(strip.loops) - 1)
        return msgspec.structs.replace(
            strip, start=strip.start + runs * length / strip.speed, loops=max(strip.loops - runs, 0.01)
        )
    clip_in = strip.clip_in + moved
    if clip is not None:
        clip_in = max(clip_in, min(clip.start, strip.clip_in))
    if clip_in >= strip.clip_out:
        raise BadAsset(f'Nothing of "{strip.name or strip.id}" would be left; trim less of it or remove it.')
    return msgspec.structs.replace(strip, start=strip.start + (clip_in - strip.clip_in) / strip.speed, clip_in=clip_in)


def _ended_earlier(strip: Strip, clip: Clip | None, end: float) -> Strip:
    length = strip.clip_out - strip.clip_in
    played = (end - strip.start) * strip.speed
    if played <= 0.0:
        raise BadAsset(f'Nothing of "{strip.name or strip.id}" would be left; trim less of it or remove it.')
    if strip.loops != 1.0 and length > 0.0:
        return msgspec.structs.replace(strip, loops=max(played / length, 0.01))
    clip_out = strip.clip_in + played
    if clip is not None:
        clip_out = min(clip_out, max(clip.end, strip.clip_out))
    return msgspec.structs.replace(strip, clip_out=clip_out)


def split_strip(scene: Scene, id_: Id, frame: float) -> tuple[Scene, Id]:
    """Cut a strip in two at a frame; together they play what it played. Gives the id of the second.

    Of a strip of several runs the cut is moved to the nearest seam between two. Raises BadAsset when the frame is not
    inside, or there is no such seam.
    """
    strip = strip_of(scene, id_)
    length = strip.clip_out - strip.clip_in
    if not strip.start < frame < strip.end:
        raise BadAsset(f'"{strip.name or id_}" can be cut between frames {strip.start:g} and {strip.end:g}.')
    new = free_id(id_, scene.strips.__contains__)
    at = strip.clip_in + (frame - strip.start) * strip.speed
    if strip.loops > 1.0:
        runs = min(max(round((at - strip.clip_in) / length), 1), math.ceil(strip.loops) - 1)
        frame = strip.start + runs * length / strip.speed
        first = {"loops": float(runs)}
        second: dict[str, Any] = {"loops": max(strip.loops - runs, 0.01)}
    elif strip.loops < 1.0:  # a part of one run: the same as its clip being shorter
        first = {"loops": 1.0, "clip_out": at}
        second = {"loops": 1.0, "clip_in": at, "clip_out": strip.clip_in + length * strip.loops}
    else:
        first, second = {"clip_out": at}, {"clip_in": at}
    one = msgspec.structs.replace(strip, **first, blend_out=0.0, hold=False)
    two = msgspec.structs.replace(strip, **second, id=new, start=frame, blend_in=0.0)
    return _put(scene, one, two), new


# --- clips and keys --------------------------------------------------------------------------------------------------
def clip_from_tracks(scene: Scene, tracks: Iterable[str], name: str) -> tuple[Scene, Id]:
    """Make a clip of tracks, with a strip that plays it where the keys were: what is seen stays the same, but for
    curves that repeat outside their keys. The fields themselves get the values of the first keys.

    Gives the clip's id. Raises BadAsset for a track that is not there, or for none.
    """
    chosen = {track: curve_named(scene, track) for track in tracks}
    if not chosen:
        raise BadAsset("Choose the keys that the clip is to be made of first.")
    first = min(float(curve.times[0]) for curve in chosen.values())
    last = max(float(curve.times[-1]) for curve in chosen.values())
    id_ = free_id(name or "clip", scene.clips.__contains__)
    moved = {}
    for track, curve in chosen.items():
        parts = parts_of(curve)
        moved[track] = curve_of({**parts, "times": parts["times"] - first}, curve, where=track)
    clip = Clip(id=id_, name=name or "clip", start=0.0, end=last - first, tracks=moved)
    out = replace(
        scene,
        clips={**scene.clips, id_: clip},
        tracks={track: curve for track, curve in scene.tracks.items() if track not in chosen},
    )
    for track, curve in chosen.items():
        value = value_at(replace(out, tracks=chosen), track, float(curve.times[0]))
        if value is not None:
            target, field, _ = split_track(track)
            out = out.replace(target, **{field: value})
    out, strip = add_strip(out, id_, start=first)
    return change_strip(out, strip, hold=True), id_


def remove_clips(scene: Scene, ids: Iterable[Id]) -> Scene:
    """Remove clips and the strips that play them. Raises BadAsset for one that is not there."""
    gone = set(ids)
    for id_ in gone - scene.clips.keys():
        raise BadAsset(f'There is no clip "{id_}" in the scene "{scene.name}".')
    return replace(
        scene,
        clips={k: v for k, v in scene.clips.items() if k not in gone},
        strips={k: v for k, v in scene.strips.items() if v.clip not in gone},
    )


def bake_strips(
    scene: Scene, *, ids: Iterable[Id] | None = None, step: float = 1.0, stored: Scene | None = None
) -> Scene:
    """Turn strips (all, or these) back into keys: every `step` frames over their time, what they drive gets a key of
    what is seen, and the strips go. Clips stay.

    `scene` says what fields are below the strips; in an edit scope, where it is as it is seen at one frame, give the
    document's own scene as `stored` for that. Raises BadAsset for a strip that is not there, a step that is not
    positive, or more frames than a million.
    """
    strips = [strip_of(scene, id_) for id_ in (scene.strips if ids is None else ids)]
    strips = [strip for strip in strips if strip.clip in scene.clips]
    if not strips:
        return remove_strips(scene, ids) if ids is not None else scene
    first, last = min(s.start for s in strips), max(s.end for s in strips)
    if not (np.isfinite(step) and step > 0 and (last - first) / step <= MOST_BAKED):
        raise BadAsset("Strips are baked with a step above 0, over less than a million frames.")
    count = int(np.floor((last - first) / step + 1e-9)) + 1
    frames = first + step * np.arange(count, dtype=np.float64)
    frames = frames if frames[-1] >= last - 1e-9 else np.append(frames, last)
    fields = _driven_fields(scene, strips)
    resting = scene if stored is None else replace(scene, entities=stored.entities, materials=stored.materials)
    posing = Posing(resting)
    rows: dict[str, list[Any]] = {name: [] for name in fields}
    for frame in frames.tolist():
        entities, materials = posing.at(resting, frame)
        for name in fields:
            target, field, _ = split_track(name)
            record: Any = entities.get(target) or materials.get(target)
            rows[name].append(getattr(record, field))
    tracks = {name: _baked(scene, name, frames, np.array(values, np.float64)) for name, values in rows.items()}
    gone = [t for t in scene.tracks if _whole(t) in tracks and t not in tracks]  # curves of single items
    kept = {name: curve for name, curve in scene.tracks.items() if name not in gone}
    return remove_strips(replace(scene, tracks={**kept, **tracks}), [strip.id for strip in strips])


def _whole(track: str) -> str:
    target, field, _ = split_track(track)
    return f"{target}.{field}"


def _driven_fields(scene: Scene, strips: Iterable[Strip]) -> list[str]:
    """Tracks of the whole fields that the clips of strips drive."""
    found = (_whole(track) for strip in strips for track in scene.clips[strip.clip].tracks if target_of(scene, track))
    return list(dict.fromkeys(found))


def _baked(scene: Scene, name: str, frames: F64, values: F64) -> Curve:
    """A curve of values at frames: Bezier with AUTO handles, of rotations angles; in the kind of a curve that is
    there, where that is one of quaternions. What an old curve says before and after stays."""
    found = target_of(scene, name)
    assert found is not None
    field, there = found[1], scene.tracks.get(name)
    values = values.reshape(len(frames), -1)
    outside: dict[str, Any] = {"pre": there.pre if there else "hold", "post": there.post if there else "hold"}
    if is_rotation(field) and there is not None and there.rotation:
        return make_curve(frames, continuous(values), interpolation="linear", rotation=True, where=name, **outside)
    if is_rotation(field):
        values = angles_of(values)
    mode = STEP if field.shape in ("bool", "int") else AUTO
    none = np.zeros((*values.shape, 2))
    parts: Mapping[str, Any] = {
        "times": frames, "values": values, "in_tangents": none, "out_tangents": none,
        "modes": np.full(len(frames), mode, np.uint8),
    }  # fmt: skip
    like = make_curve([0.0], values[:1], interpolation="bezier", euler=is_rotation(field), where=name)
    return curve_of(dict(parts), like, where=name, **outside)
