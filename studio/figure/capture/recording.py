"""From frames to takes, and from takes to curves of a figure.

Baking plays a take through its filters, looks at it at each frame of the scene, and keeps as few keys as draw that
within a tolerance: Bezier keys with the slopes of the performance, so that the curve editor has something to hold. The
take itself is not touched; it can be baked anew with other choices as long as it is kept.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.figure.capture.frames import F64, FaceFrame, Take, checked_trim, take_of
from studio.figure.capture.live_link_csv import read_csv
from studio.figure.capture.retarget import Profile
from studio.figure.capture.smoothing import posed
from studio.figure.capture.take_files import SUFFIX, load_take
from studio.figure.capture.wearing import figure_of
from studio.scene import strips
from studio.scene.animation import FREE, Curve, make_curve
from studio.scene.clips import Clip
from studio.scene.entities import Figure, Id
from studio.scene.key_conversions import as_bezier
from studio.scene.key_modes import appended, auto_slopes, curve_of, offsets, parts_of, taken, thirds
from studio.scene.scene import Scene, free_id

TOLERANCE = 0.004  # of a weight
_HEAD = 25.0  # degrees of the head that count as much as a weight of 1
_MOST_FRAMES = 1_000_000
_MOST_RECORDED = 1_000_000  # frames: more than four hours
KINDS = (SUFFIX, ".csv")


class Recorder:
    """Gathers raw frames until it is asked for the take. `add` may be a listener of `LiveFace`."""

    def __init__(self, name: str, *, source: str = "", profile: Profile | None = None) -> None:
        self.name, self._source, self._profile = name, source, profile
        self._frames: list[FaceFrame] = []
        self.full = False

    def add(self, frame: FaceFrame) -> None:
        """Keep a frame."""
        if len(self._frames) < _MOST_RECORDED:
            self._frames.append(frame)
        else:
            self.full = True

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def seconds(self) -> float:
        """How much is recorded."""
        return self._frames[-1].time - self._frames[0].time if self._frames else 0.0

    def take(self) -> Take:
        """The take, with the profile that was in force. BadAsset when nothing was heard."""
        return take_of(self._frames, name=self.name, source=self._source, profile=self._profile)


def load_performance(path: Path | str) -> Take:
    """A take of a file: one of ours, or a recording of Live Link Face. BadAsset in a sentence for another kind."""
    suffix = Path(path).suffix.lower()
    if suffix == SUFFIX:
        return load_take(path)
    if suffix == ".csv":
        return read_csv(path)
    raise BadAsset(f"{str(path)[-200:]!r} is no performance; choose a {' or '.join(KINDS)} file.")


def trimmed(take: Take, first: float, last: float) -> Take:
    """The take from one second to another; all frames stay in it. BadAsset when nothing would be left."""
    return replace(take, trim=checked_trim((first, last), take.seconds, f'The take "{take.name[:60]}"'))


def resampled(take: Take, fps: float, profile: Profile | None = None) -> tuple[F64, F64]:
    """What a trimmed take does at each frame of `fps`: weights (k, n) and turns of the head (k, 3)."""
    if not (math.isfinite(fps) and fps > 0.0):
        raise BadAsset(f"A take cannot be played at {fps:g} frames a second.")
    weights, head, _ = posed(take, profile)
    first, last = take.inside
    count = math.floor((last - first) * fps + 1e-6) + 1
    if count > _MOST_FRAMES:
        raise BadAsset(f'The take "{take.name[:60]}" has more than a million frames at {fps:g} a second; trim it.')
    at = first + np.arange(count) / fps
    rows = np.concatenate([weights, head[:, :3]], axis=1)
    after = np.clip(np.searchsorted(take.times, at, side="right"), 1, max(len(take.times) - 1, 1))
    if len(take.times) == 1:
        mixed = np.repeat(rows, count, axis=0)
    else:
        before = after - 1
        span = np.maximum(take.times[after] - take.times[before], 1e-12)
        share = np.clip((at - take.times[before]) / span, 0.0, 1.0)[:, None]
        mixed = rows[before] + (rows[after] - rows[before]) * share
    n = weights.shape[1]
    return mixed[:, :n], mixed[:, n:]


def reduced(frames: F64, values: F64, tolerance: float, *, where: str = "curve") -> Curve:
    """A Bezier curve of few keys that draw rows of values (k, dim) at frames (k,) within a tolerance.

    From the ends on, the worst frame of every gap that errs becomes a key. Handles are a third of their segment, with
    which it is the Hermite cubic of the values' slopes: those that never overshoot, or plain differences, whichever
    need fewer keys.
    """
    k = len(frames)
    if k == 1 or float(np.ptp(values, axis=0).max()) <= tolerance:
        mean = 0.5 * (values.min(axis=0) + values.max(axis=0))
        return make_curve(frames[:1], mean[None], interpolation="bezier", modes=[FREE], where=where)
    tried = [(slopes, _keys(frames, values, slopes, tolerance))
             for slopes in (auto_slopes(frames, values), np.gradient(values, frames, axis=0))]  # fmt: skip
    slopes, rows = min(tried, key=lambda found: len(found[1]))
    before, after = thirds(frames[rows])
    return make_curve(
        frames[rows], values[rows], interpolation="bezier", in_tangents=offsets(-before, slopes[rows]),
        out_tangents=offsets(after, slopes[rows]), modes=np.full(len(rows), FREE, np.uint8), where=where,
    )  # fmt: skip


def _keys(frames: F64, values: F64, slopes: F64, tolerance: float) -> NDArray[np.intp]:
    """The rows that must be keys."""
    keep = np.zeros(len(frames), np.bool_)
    keep[[0, -1]] = True
    every = np.arange(len(frames))
    while True:
        rows = np.flatnonzero(keep)
        gap = np.clip(np.searchsorted(rows, every, side="right") - 1, 0, len(rows) - 2)
        error = np.abs(_hermite(frames, values, slopes, rows[gap], rows[gap + 1]) - values).max(axis=1)
        error[rows] = 0.0
        if not (error > tolerance).any():
            return rows
        order = np.lexsort((error, gap))  # the last of each gap is its worst
        worst = order[np.append(np.diff(gap[order]) > 0, True)]
        keep[worst[error[worst] > tolerance]] = True


def _hermite(t: F64, v: F64, slopes: F64, a: NDArray[np.intp], b: NDArray[np.intp]) -> F64:
    """Cubics between the rows `a` and `b` at each of the times."""
    h = (t[b] - t[a])[:, None]
    u = (t - t[a])[:, None] / h
    u2, u3 = u * u, u * u * u
    out: F64 = (2 * u3 - 3 * u2 + 1) * v[a] + h * (u3 - 2 * u2 + u) * slopes[a]
    out += (3 * u2 - 2 * u3) * v[b] + h * (u3 - u2) * slopes[b]
    return out


def bake(
    scene: Scene,
    figure_id: Id,
    take: Take,
    *,
    start_frame: float,
    as_clip: bool = False,
    tolerance: float = TOLERANCE,
    profile: Profile | None = None,
) -> Scene:
    """Put a take on a figure from a frame on: as keys of its shapes and its head, or as a clip with a strip.

    As keys it takes the place of those within its time; keys before and after it stay. Shapes that never move get no
    key. Turns of the head are kept within 25 times the tolerance, in degrees. `profile` counts instead of the take's.
    Raises BadAsset for a figure that is not there, shapes that it does not have, or a tolerance below 0.
    """
    figure = figure_of(scene, figure_id)
    if not (math.isfinite(tolerance) and tolerance >= 0.0 and math.isfinite(start_frame)):
        raise BadAsset(f"A take is baked to a tolerance of at least 0, not {tolerance:g}.")
    weights, head = resampled(take, scene.fps, profile)
    frames = np.arange(len(weights), dtype=np.float64) + (0.0 if as_clip else start_frame)
    driven = frozenset[str]() if as_clip else frozenset(scene.tracks)
    curves = _curves(figure, take.names, frames, weights, head, tolerance, driven)
    if not curves:
        raise BadAsset(f'"{figure.name or figure_id}" has none of the shapes of the take "{take.name[:60]}".')
    wide = figure.expression + (0.0,) * (len(figure.controls) - len(figure.expression))
    out = scene.replace(figure_id, expression=wide)
    if as_clip:
        id_ = free_id(take.name or "take", out.clips.__contains__)
        clip = Clip(id=id_, name=take.name or "take", start=0.0, end=float(frames[-1]), tracks=curves)
        out = replace(out, clips={**out.clips, id_: clip})
        layer = 1 + max((s.layer for s in out.strips.values()), default=-1)
        out, _ = strips.add_strip(out, id_, start=start_frame, layer=layer)
        return out
    last = float(frames[-1])
    tracks = {name: _within(out.tracks.get(name), curve, start_frame, last) for name, curve in curves.items()}
    kept = {name: curve for name, curve in out.tracks.items() if name != f"{figure_id}.expression"}
    return replace(out, tracks={**kept, **tracks})


def _curves(
    figure: Figure,
    names: tuple[str, ...],
    frames: F64,
    weights: F64,
    head: F64,
    tolerance: float,
    driven: frozenset[str],
) -> dict[str, Curve]:
    """A curve for every control that the take moves, or that has one already, and for the head likewise."""
    column = {name: i for i, name in enumerate(names)}
    found = [(i, column[name]) for i, name in enumerate(figure.controls) if name in column]
    out: dict[str, Curve] = {}
    for item, at in found:
        values, name = weights[:, at : at + 1], f"{figure.id}.expression[{item}]"
        if name in driven or float(np.abs(values).max()) > tolerance:
            out[name] = reduced(frames, values, tolerance, where=name)
    name = f"{figure.id}.head_turn"
    if name in driven or float(np.abs(head).max()) > _HEAD * tolerance:
        out[name] = reduced(frames, head, _HEAD * tolerance, where=name)
    return out


def _within(old: Curve | None, new: Curve, first: float, last: float) -> Curve:
    """A curve with its keys from one frame to another replaced by those of a new one."""
    if old is None or old.rotation or old.values.shape[1] != new.values.shape[1]:
        return new
    old = as_bezier(old, where="track")
    outside = (old.times < first - 1e-4) | (old.times > last + 1e-4)
    if not outside.any():
        return new
    both = appended(taken(parts_of(old), outside), parts_of(new))
    return curve_of(taken(both, np.argsort(both["times"], kind="stable")), old, where="track")
