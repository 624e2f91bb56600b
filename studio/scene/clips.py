"""Clips and strips: recorded motion, and where on the timeline it plays.

A clip is a set of curves with a time of its own, as a file's animation comes in. A strip plays a clip, or a part of it,
on the scene's timeline: slower, looped, faded in and out, on top of the fields' own curves and of the strips below it.
A strip changes nothing of its clip, so one walk may play in ten places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import msgspec

from studio.errors import BadAsset
from studio.scene.animation import Curve
from studio.scene.entities import Id
from studio.scene.schema import Spec, check, fields

MIXES = ("replace", "add")
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Curves under "<id>.<field>" like `Scene.tracks`, in frames of the clip's own time from `start` to `end`."""

    id: Id
    name: str = "clip"
    start: float = 0.0
    end: float = 1.0
    tracks: Mapping[str, Curve] = field(default_factory=dict)


class Strip(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A clip on the timeline, from frame `start` for `loops` runs through [`clip_in`, `clip_out`] at `speed`.

    `blend_in` and `blend_out` are frames over which it fades in and out at its ends, `weight` scales all of it.
    Strips on a higher `layer` act after lower ones, of a layer those that begin later. `mix` "replace" goes from what
    is below to the clip by the weight; "add" adds the clip's difference from its first frame. Strips of one layer that
    overlap fade into each other before they fade to what is below. `hold` keeps the last pose after the strip's end.
    """

    SORT: ClassVar[str] = "mix"

    id: Id = ""
    name: Annotated[str, Spec(label="Name", animatable=False)] = ""
    clip: Id = ""
    layer: Annotated[int, Spec(label="Layer", lo=0, animatable=False)] = 0
    start: Annotated[float, Spec(label="Start", unit="frames", animatable=False)] = 1.0
    clip_in: Annotated[float, Spec(label="Clip in", unit="frames", animatable=False)] = 0.0
    clip_out: Annotated[float, Spec(label="Clip out", unit="frames", animatable=False)] = 1.0
    speed: Annotated[float, Spec(label="Speed", lo=0.01, hi=100.0, animatable=False)] = 1.0
    loops: Annotated[float, Spec(label="Loops", lo=0.01, animatable=False)] = 1.0
    blend_in: Annotated[float, Spec(label="Blend in", unit="frames", lo=0.0, animatable=False)] = 0.0
    blend_out: Annotated[float, Spec(label="Blend out", unit="frames", lo=0.0, animatable=False)] = 0.0
    weight: Annotated[float, Spec(label="Weight", lo=0.0, hi=1.0, animatable=False)] = 1.0
    mix: Annotated[str, Spec(label="Mix", choices=MIXES, animatable=False)] = "replace"
    muted: Annotated[bool, Spec(label="Mute", animatable=False)] = False
    hold: Annotated[bool, Spec(label="Hold the last pose", animatable=False)] = False

    @property
    def frames(self) -> float:
        """How many frames of the timeline it takes."""
        return (self.clip_out - self.clip_in) / self.speed * self.loops

    @property
    def end(self) -> float:
        """The frame at which it ends."""
        return self.start + self.frames

    def time_at(self, frame: float) -> float | None:
        """The clip's time that it shows at a frame of the timeline; None where it does not act.

        At its last frame it shows the end of its last run; at the seam of two runs the beginning of the second.
        """
        if self.muted or self.weight <= 0.0 or frame < self.start or not math.isfinite(frame):
            return None
        over = frame >= self.end - _ROUNDING
        if frame > self.end + _ROUNDING and not self.hold:
            return None
        length = self.clip_out - self.clip_in
        if length <= 0.0:
            return self.clip_in
        passed = self.loops * length if over else (frame - self.start) * self.speed
        run = math.floor(passed / length + _ROUNDING)
        phase = max(passed - run * length, 0.0)
        if over and run > 0 and phase <= _ROUNDING * passed:
            phase = length
        return self.clip_in + phase

    def weight_at(self, frame: float) -> float:
        """How much it counts at a frame at which it acts, 0 to 1. A pose that is held does not fade out."""
        weight = self.weight
        if self.blend_in > 0.0:
            weight *= min(max((frame - self.start) / self.blend_in, 0.0), 1.0)
        if self.blend_out > 0.0 and not self.hold:
            weight *= min(max((self.end - frame) / self.blend_out, 0.0), 1.0)
        return weight


def check_strip(strip: Strip) -> Strip:
    """The strip, whole numbers made floats where they must be; BadAsset with a sentence for a value that cannot be."""
    where = f'Strip "{strip.name or strip.id}"'
    values = {name: check(Strip, name, getattr(strip, name), where=where) for name in fields(Strip)}
    for name in ("clip", "id"):
        if not isinstance(getattr(strip, name), str) or not getattr(strip, name):
            raise BadAsset(f"{where} has no {name}.")
    if values["clip_out"] < values["clip_in"]:
        raise BadAsset(f"{where} ends in its clip at {strip.clip_out:g}, before it begins at {strip.clip_in:g}.")
    if values["mix"] not in MIXES:
        raise BadAsset(f'{where} cannot be mixed in by "{strip.mix}"; it can by {" or ".join(MIXES)}.')
    if not math.isfinite(strip.end):
        raise BadAsset(f"{where} would never end; give it fewer loops or more speed.")
    return msgspec.structs.replace(strip, **values)
