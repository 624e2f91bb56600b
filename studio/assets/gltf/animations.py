"""Animations: glTF samplers become curves over frames.

A file's only animation is the scene's own motion. Of several each becomes a clip; viewers of the format play the first
and so does the scene, by a strip. Source: glTF 2.0 specification, section 3.11.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.container import Source
from studio.assets.gltf.records import AnimationRecord, Channel
from studio.scene.animation import F64, Curve, make_curve
from studio.scene.clips import Clip, Strip

FIELDS = {"translation": ("translation", 3), "rotation": ("rotation", 4), "scale": ("scale", 3)}
INTERPOLATIONS = {"LINEAR": "linear", "STEP": "step", "CUBICSPLINE": "cubic"}


class AnimationReader:
    """Reads the animations of one file. `morphed(node)` gives the entity and number of morphs of a node's mesh."""

    def __init__(
        self,
        source: Source,
        accessors: Accessors,
        *,
        fps: float,
        entity_of: Callable[[int], str],
        morphed: Callable[[int], tuple[str, int]],
    ) -> None:
        self.source = source
        self.accessors = accessors
        self.fps = fps
        self.entity_of = entity_of
        self.morphed = morphed

    def read(self) -> list[tuple[str, dict[str, Curve]]]:
        """Name and tracks of every animation of the file; without tracks where nothing of it is known."""
        return [
            (animation.name or f"animation {index}", self._read_one(animation, f"animations[{index}]"))
            for index, animation in enumerate(self.source.document.animations)
        ]

    def _read_one(self, animation: AnimationRecord, place: str) -> dict[str, Curve]:
        tracks: dict[str, Curve] = {}
        for number, channel in enumerate(animation.channels):
            at = f"{place}.channels[{number}]"
            target = self._target(channel, at)
            if target is None:
                continue
            track, width, rotation = target
            curve = self._curve(animation, channel, width, rotation, at)
            if curve is not None:
                tracks[track] = curve
        return tracks

    def _target(self, channel: Channel, at: str) -> tuple[str, int, bool] | None:
        """Track name, width of its values, and whether they are rotations."""
        node, path = channel.target.node, channel.target.path
        if path == "pointer":
            self.source.notes.dropped("Animations of properties (KHR_animation_pointer) are not read.")
            return None
        if node is None:
            return None
        self.source.follow(self.source.document.nodes, node, at, "node")
        if path in FIELDS:
            field, width = FIELDS[path]
            entity = self.entity_of(node)
            return (f"{entity}.{field}", width, path == "rotation") if entity else None
        if path != "weights":
            self.source.notes.dropped(f"{at} moves {path[:40]!r}, which is not known.")
            return None
        entity, width = self.morphed(node)
        return (f"{entity}.morph_weights", width, False) if entity and width else None

    def _curve(self, animation: AnimationRecord, channel: Channel, width: int, rotation: bool, at: str) -> Curve | None:
        sampler = self.source.follow(animation.samplers, channel.sampler, at, "sampler")
        kind = INTERPOLATIONS.get(sampler.interpolation)
        if kind is None:
            raise self.source.bad(at, f"has the unknown interpolation {sampler.interpolation[:20]!r}")
        seconds = self.accessors.floats(sampler.input, f"{at}.input", "SCALAR")[:, 0].astype(np.float64)
        values = self.accessors.floats(sampler.output, f"{at}.output").astype(np.float64).reshape(-1)
        keys, per_key = len(seconds), width * (3 if kind == "cubic" else 1)
        if keys == 0 or values.size != keys * per_key:
            raise self.source.bad(
                at,
                f"has {values.size:,} numbers for {keys:,} keys of {per_key}; the animation is broken, export it again",
            )
        self.source.budget.spend(values.nbytes + seconds.nbytes, at)
        rows = values.reshape(keys, -1, width)
        sound = np.isfinite(seconds) & np.isfinite(rows).all(axis=(1, 2))
        rising = np.zeros(keys, np.bool_)
        rising[sound] = _rising(seconds[sound])
        if not rising.all():
            self.source.notes.warn(
                f"{at}: {keys - int(rising.sum()):,} keys out of order or without a value were left out."
            )
            seconds, rows = seconds[rising], rows[rising]
        if not len(seconds):
            return None
        return self._make(seconds, rows, kind, rotation, at)

    def _make(self, seconds: F64, rows: F64, kind: str, rotation: bool, at: str) -> Curve:
        times = seconds * self.fps
        # float32 seconds miss whole frames by a hair; a key on a frame must sit on it
        nearest = np.round(times)
        snapped = np.where(np.abs(times - nearest) < 1e-4, nearest, times)
        if len(times) < 2 or (np.diff(snapped) > 0).all():
            times = snapped
        where = f"{self.source.name}: {at}"
        if kind != "cubic":
            return make_curve(times, rows[:, 0], interpolation=kind, rotation=rotation, where=where)
        # the file's tangents are slopes per second
        into, out = rows[:, 0] / self.fps, rows[:, 2] / self.fps
        return make_curve(
            times, rows[:, 1], interpolation=kind, in_tangents=into, out_tangents=out, rotation=rotation, where=where
        )


def _rising(seconds: F64) -> F64:
    """Which keys come after all keys before them."""
    highest = np.maximum.accumulate(seconds)
    return np.concatenate([[True], seconds[1:] > highest[:-1]]) if len(seconds) else np.zeros(0, np.bool_)


def clips_of(animations: list[tuple[str, dict[str, Curve]]]) -> dict[str, Clip]:
    """A clip of every animation that moves something."""
    clips = {}
    for index, (name, tracks) in enumerate(animations):
        if tracks:
            start = min(float(curve.times[0]) for curve in tracks.values())
            end = max(float(curve.times[-1]) for curve in tracks.values())
            clips[f"a{index}"] = Clip(id=f"a{index}", name=name, start=start, end=end, tracks=tracks)
    return clips


def first_strip(clips: dict[str, Clip]) -> dict[str, Strip]:
    """A strip that plays the first clip in its own time."""
    clip = next(iter(clips.values()))
    id_ = f"{clip.id}.strip"
    strip = Strip(
        id=id_, name=clip.name, clip=clip.id, start=clip.start, clip_in=clip.start, clip_out=clip.end, hold=True
    )
    return {id_: strip}
