"""Moving keys in time and value.

A key that is moved onto another takes its place. Keys marked as breakdowns that are not moved themselves keep their
place between the keys around them. Whoever drags applies the whole way from where the drag began to the scene of that
moment, so that keys passed over on the way are still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.animation import BREAKDOWN, F64, Curve, kind_of_curve
from studio.scene.key_modes import NEAR, Index, Modes, Parts, Runs, curve_of, in_order, parts_of, taken
from studio.scene.key_rows import Picked, Rows, curve_named, each_picked, with_curves
from studio.scene.key_runs import cut, laid, refuse
from studio.scene.scene import Scene

# values (n, items), names of tracks, and for each row the number of its track -> new values
Revalue = Callable[[F64, Sequence[str], Index], F64]


def move_keys(
    scene: Scene,
    picked: Picked,
    *,
    frames: float = 0.0,
    value: float | Mapping[str, float] = 0.0,
    item: int = -1,
    whole: bool = False,
) -> tuple[Scene, Picked]:
    """Move keys by frames and by a value (of one item, or of all), with `whole` onto whole frames. A value may be
    another for each track; a track that is not among them keeps its values.

    Gives the pick of the moved keys in the new scene. Quaternions have no value that could be added to and move in
    time alone. Raises BadAsset for keys that are not there or numbers that are not finite.
    """
    _finite(frames, *(value.values() if isinstance(value, Mapping) else (value,)))

    def raised(values: F64, names: Sequence[str], which: Index) -> F64:
        by = np.array([value.get(name, 0.0) for name in names])[which, None] if isinstance(value, Mapping) else value
        return np.asarray(values + by)

    return _moved(scene, picked, lambda t: np.round(t + frames) if whole else t + frames, raised, item)


def scale_keys(
    scene: Scene,
    picked: Picked,
    *,
    about: float,
    times: float,
    about_value: float = 0.0,
    by: float = 1.0,
    item: int = -1,
) -> tuple[Scene, Picked]:
    """Scale keys in time about the frame `about` by `times`, and their values (of one item, or of all) about
    `about_value` by `by`; handles scale along. A negative `times` turns the keys round.

    Gives the pick of the scaled keys. Raises BadAsset for keys that are not there, a scale in time of 0, and numbers
    that are not finite.
    """
    _finite(about, times, about_value, by)
    if abs(times) < 1e-9:
        raise BadAsset("Keys cannot be scaled to no time at all; choose a factor other than 0.")
    return _moved(
        scene,
        picked,
        lambda t: about + (t - about) * times,
        lambda v, _, __: about_value + (v - about_value) * by,
        item,
        stretch=(times, by),
    )


def place_key(
    scene: Scene,
    track: str,
    index: int,
    *,
    frame: float | None = None,
    value: float | Sequence[float] | None = None,
    item: int = -1,
) -> tuple[Scene, int]:
    """Put a key at a frame, and its values (or its one item's) to numbers; None leaves either. Gives its new index.

    Raises BadAsset for a key or item that is not there, and for numbers that do not fit it.
    """
    ((_, curve, rows),) = each_picked(scene, {track: (index,)})
    at = int(rows[0])
    if value is not None:
        values = np.array(curve.values)
        row = np.asarray(value, np.float64).reshape(-1)
        if not -1 <= item < values.shape[1] or row.size not in ((values.shape[1],) if item < 0 else (1,)):
            raise BadAsset(f"{track} takes {values.shape[1]} numbers a key, not {row.size}.")
        values[at, slice(None) if item < 0 else slice(item, item + 1)] = row
        curve = curve_of({**parts_of(curve), "values": values}, curve, where=track)
        scene = with_curves(scene, {track: curve})
    if frame is None:
        return scene, at
    _finite(frame)
    scene, now = _moved(scene, {track: (at,)}, lambda t: np.full_like(t, frame), _as_they_are, -1)
    return scene, now[track][0]


def snap_keys(scene: Scene, picked: Picked) -> Scene:
    """Put keys onto whole frames; of several that come onto one the last stays."""
    return _moved(scene, picked, np.round, _as_they_are, -1)[0]


def shift_time(
    scene: Scene, frames: float, *, tracks: Iterable[str] | None = None, after: float | None = None
) -> Scene:
    """Move all keys, or those from the frame `after` on, by frames: time is put in, or with negative frames taken out,
    and keys in the time that is taken out go.

    Without `tracks` all of the scene moves: strips, markers and cuts too. A curve keeps at least its last key.
    """
    _finite(frames, 0.0 if after is None else after)
    start = -np.inf if after is None else after
    new = {}
    for name in scene.tracks if tracks is None else tracks:
        curve = curve_named(scene, name)
        later = curve.times >= start - NEAR
        gone = ~later & (curve.times >= start + frames - NEAR) if frames < 0 else np.zeros(len(later), np.bool_)
        if not later.any() and not gone.any():
            continue
        gone[-1] &= not gone.all()
        moved = np.where(later, curve.times + frames, curve.times)
        new[name] = curve_of(taken({**parts_of(curve), "times": moved}, ~gone), curve, where=name)
    scene = with_curves(scene, new)
    return scene if tracks is not None else _rest_shifted(scene, frames, start)


def _rest_shifted(scene: Scene, frames: float, start: float) -> Scene:
    """What else stands on the timeline, moved along; markers and cuts of the time that is taken out go."""

    def carried(marks: Iterable[Any]) -> tuple[Any, ...]:
        out = []
        for mark in marks:
            if mark.frame >= start - NEAR:
                out.append(msgspec.structs.replace(mark, frame=mark.frame + frames))
            elif not (frames < 0 and mark.frame >= start + frames):
                out.append(mark)
        return tuple(out)

    line = scene.timeline
    timeline = msgspec.structs.replace(line, markers=carried(line.markers), cuts=carried(line.cuts))
    strips = {
        id_: msgspec.structs.replace(strip, start=strip.start + frames) if strip.start >= start - NEAR else strip
        for id_, strip in scene.strips.items()
    }
    return replace(scene, timeline=timeline, strips=strips if strips else scene.strips)


# --- how -------------------------------------------------------------------------------------------------------------
def _finite(*numbers: float) -> None:
    if not np.isfinite(numbers).all():
        raise BadAsset("Keys can only be moved by finite numbers.")


def _as_they_are(values: F64, names: Sequence[str], which: Index) -> F64:
    return values


def _moved(
    scene: Scene,
    picked: Picked,
    retime: Callable[[F64], F64],
    revalue: Revalue,
    item: int,
    *,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> tuple[Scene, dict[str, tuple[int, ...]]]:
    kinds: dict[tuple[str, int, bool, bool], list[tuple[str, Curve, Rows]]] = {}
    now: dict[str, tuple[int, ...]] = {}
    for name, curve, rows in each_picked(scene, picked):
        if not -1 <= item < curve.values.shape[1]:
            raise BadAsset(f"{name} has {curve.values.shape[1]} numbers a key; there is no item {item}.")
        kinds.setdefault(kind_of_curve(curve), []).append((name, curve, rows))
        now[name] = ()
    curves: dict[str, Curve] = {}
    sound = True
    for group in kinds.values():
        made, places, well = _moved_together(group, retime, revalue, item, stretch)
        names = [name for name, _, _ in group]
        curves |= zip(names, made, strict=True)
        now |= zip(names, places, strict=True)
        sound = sound and well
    if not sound:
        for name in now:
            refuse(curves[name], where=name)
    return with_curves(scene, curves), now


def _moved_together(
    group: Sequence[tuple[str, Curve, Rows]],
    retime: Callable[[F64], F64],
    revalue: Revalue,
    item: int,
    stretch: tuple[float, float],
) -> tuple[list[Curve], list[tuple[int, ...]], bool]:
    """Curves of one kind with picked keys moved, the rows of those keys, and whether the curves are sound."""
    curves = [curve for _, curve, _ in group]
    parts, runs = laid(curves)
    run = runs.per_key()
    picks = [rows for _, _, rows in group]
    rows = np.concatenate(picks) + np.repeat(runs.starts, [len(pick) for pick in picks])
    items = slice(None) if item < 0 else slice(item, item + 1)
    if not curves[0].rotation:
        names = [name for name, _, _ in group]
        parts["values"][rows, items] = revalue(parts["values"][rows, items], names, run[rows])
    if stretch != (1.0, 1.0):
        _stretch(parts, rows, items, stretch, cubic=curves[0].interpolation == "cubic")
    old = parts["times"]
    times = old.copy()
    times[rows] = retime(times[rows])
    moved = np.logical_or.reduceat(times != old, runs.starts)
    if not moved.any():
        made, sound = cut(parts, runs, curves, same=[True] * len(curves))
        return made, [tuple(pick.tolist()) for pick in picks], sound
    chosen = np.zeros(len(times), np.bool_)
    chosen[rows] = True
    times = _with_breakdowns(parts["modes"], run, old, times, chosen)
    parts["times"] = np.where(moved[run], times, old)
    parts, place = _sorted(parts, run, chosen, moved)
    if place is None:
        made, sound = cut(parts, runs, curves, same=(~moved).tolist())
        return made, [tuple(pick.tolist()) for pick in picks], sound
    after = Runs.of(np.bincount(run[place >= 0], minlength=len(curves)), [(c.pre, c.post) for c in curves])
    made, sound = cut(parts, after, curves, same=(~moved).tolist())
    now = []
    for pick, start, begin in zip(picks, runs.starts.tolist(), after.starts.tolist(), strict=True):
        now.append(tuple(i - begin for i in place[pick + start].tolist() if i >= 0))
    return made, now, sound


def _sorted(
    parts: Parts, run: Index, chosen: NDArray[np.bool_], moved: NDArray[np.bool_]
) -> tuple[Parts, Index | None]:
    """The keys in their order, one at a time, and where each went; None where all stand in order as they are."""
    with np.errstate(invalid="ignore"):
        near = ~(np.diff(parts["times"]) >= NEAR) & (run[1:] == run[:-1])
    if not (near & moved[run[1:]]).any():
        return parts, None
    order, place = in_order(parts["times"], chosen, run, moved[run])
    return taken(parts, order), place


def _stretch(parts: Parts, rows: Rows, items: slice, stretch: tuple[float, float], *, cubic: bool) -> None:
    """Scale the tangents of keys along with their times and values."""
    if parts["in_tangents"] is None:
        return
    times, by = stretch
    into, out = np.array(parts["in_tangents"]), np.array(parts["out_tangents"])
    if cubic:  # slopes
        for tangents in (into, out):
            tangents[rows, items] *= by
            tangents[rows] /= times
    else:
        for tangents in (into, out):
            tangents[rows, :, 0] *= times
            tangents[rows, items, 1] *= by
    if times < 0:
        into[rows], out[rows] = out[rows].copy(), into[rows].copy()
    parts |= {"in_tangents": into, "out_tangents": out}


def _with_breakdowns(modes: Modes | None, run: Index, old: F64, times: F64, chosen: NDArray[np.bool_]) -> F64:
    """New times of all keys: breakdowns between moved keys of their curve keep their share of the way."""
    if modes is None:
        return times
    between = (modes & BREAKDOWN != 0) & ~chosen
    if not between.any():
        return times
    fixed = np.flatnonzero(~between)
    rows = np.flatnonzero(between)
    right = np.searchsorted(fixed, rows)
    inner = (right > 0) & (right < len(fixed))
    rows, right = rows[inner], right[inner]
    a, b = fixed[right - 1], fixed[right]
    inner = (run[a] == run[rows]) & (run[b] == run[rows])
    rows, a, b = rows[inner], a[inner], b[inner]
    share = (old[rows] - old[a]) / (old[b] - old[a])
    out = times.copy()
    still = (times[a] == old[a]) & (times[b] == old[b])
    out[rows] = np.where(still, times[rows], times[a] + share * (times[b] - times[a]))
    return out
