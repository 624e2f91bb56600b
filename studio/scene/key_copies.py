"""Keys on the clipboard: copied with times of their own, pasted anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from studio.errors import BadAsset
from studio.scene.animation import Curve
from studio.scene.key_conversions import as_kind
from studio.scene.key_modes import NEAR, appended, curve_of, joined, parts_of, taken
from studio.scene.key_rows import Picked, each_picked
from studio.scene.key_values import target_of
from studio.scene.pose import fits
from studio.scene.scene import Scene

HOW = ("merge", "replace", "insert")


@dataclass(frozen=True, slots=True, eq=False)
class KeyClip:
    """Copied keys by the tracks that they came from; frame 0 is the first key of all, `length` the frames to the
    last."""

    tracks: Mapping[str, Curve] = field(default_factory=dict)
    length: float = 0.0


def copy_keys(scene: Scene, picked: Picked) -> KeyClip:
    """The picked keys, for `paste_keys`. Raises BadAsset for keys that are not there."""
    found = list(each_picked(scene, picked))
    if not found:
        return KeyClip()
    first = min(float(curve.times[rows[0]]) for _, curve, rows in found)
    last = max(float(curve.times[rows[-1]]) for _, curve, rows in found)
    tracks = {}
    for name, curve, rows in found:
        parts = taken(parts_of(curve), rows)
        times = parts["times"] - first
        tracks[name] = curve_of({**parts, "times": times}, curve, where=name, pre="hold", post="hold")
    return KeyClip(tracks, last - first)


def paste_keys(
    scene: Scene, clip: KeyClip, frame: float, *, onto: Mapping[str, str] | None = None, how: str = "merge"
) -> tuple[Scene, Picked]:
    """Put copied keys into the scene, their first at `frame`, and give the pick of them.

    `onto` names other tracks for those that the keys came from; tracks that it leaves out are not pasted. A key that
    meets another takes its place; with "replace" all keys between the first and the last pasted one go, with "insert"
    those from `frame` on first move behind them. Keys become of the kind of the curve that they come into, and curves
    that are missing are made. What drives nothing in the scene is passed over; BadAsset when nothing is left.
    """
    if how not in HOW or not np.isfinite(frame):
        raise BadAsset(f'Keys are pasted at a finite frame by {", ".join(HOW)}, not at {frame} by "{how}".')
    names = {name: name for name in clip.tracks} if onto is None else onto
    new: dict[str, Curve] = {}
    picked: dict[str, tuple[int, ...]] = {}
    for source, name in names.items():
        copied, found = clip.tracks.get(source), target_of(scene, name)
        if copied is None or found is None:
            continue
        there = scene.tracks.get(name)
        if there is None and not fits(found[1], found[2], copied):
            continue
        new[name], picked[name] = _pasted(copied, there, frame, clip.length, how, name)
    if clip.tracks and not new:
        raise BadAsset("None of the copied keys fits what is selected; select what has the same fields.")
    return replace(scene, tracks={**scene.tracks, **new}) if new else scene, picked


def _pasted(
    copied: Curve, there: Curve | None, frame: float, length: float, how: str, name: str
) -> tuple[Curve, tuple[int, ...]]:
    if there is None:
        parts = parts_of(copied)
        return curve_of({**parts, "times": parts["times"] + frame}, copied, where=name), tuple(range(len(copied.times)))
    copied = as_kind(copied, there, where=name)
    mine, theirs = parts_of(there), parts_of(copied)
    theirs = {**theirs, "times": theirs["times"] + frame}
    if how == "replace":
        gone = (mine["times"] > frame - NEAR) & (mine["times"] < frame + length + NEAR)
        mine = taken(mine, ~gone)
    elif how == "insert":  # a frame more than the keys take, so that the last of them and the first moved one part
        later = mine["times"] > frame - NEAR
        mine = {**mine, "times": np.where(later, mine["times"] + length + 1.0, mine["times"])}
    count = len(mine["times"])
    both = appended(mine, theirs)
    winning = np.arange(len(both["times"])) >= count
    both, place = joined(both, both["times"], winning)
    return curve_of(both, there, where=name), tuple(int(i) for i in place[count:] if i >= 0)
