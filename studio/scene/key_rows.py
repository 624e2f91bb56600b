"""Picks of keys, and curves with keys put in and taken out: what every operation on keys is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.animation import AUTO, F64, Curve
from studio.scene.key_modes import NEAR, PARTS, Parts, auto_slopes, curve_of, parts_of, taken
from studio.scene.scene import Scene

Picked = Mapping[str, Sequence[int]]  # track -> indices of its keys
Rows = NDArray[np.intp]


def curve_named(scene: Scene, name: str) -> Curve:
    """The curve of a track; BadAsset when there is none."""
    curve = scene.tracks.get(name)
    if curve is None:
        raise BadAsset(f'There is no animation "{name}" in the scene "{scene.name}".')
    return curve


def each_picked(scene: Scene, picked: Picked) -> Iterator[tuple[str, Curve, Rows]]:
    """The curves of a pick that is not empty, with the rising indices of their keys.

    Raises BadAsset for a track or a key that is not there.
    """
    for name, indices in picked.items():
        rows = np.array(sorted(set(indices)), np.intp)
        curve = curve_named(scene, name)
        if not len(rows):
            continue
        if rows[0] < 0 or rows[-1] >= len(curve.times):
            raise BadAsset(
                f"{name} has {len(curve.times)} keys; there is no key {int(rows[-1] if rows[0] >= 0 else rows[0])}."
            )
        yield name, curve, rows


def with_curves(scene: Scene, curves: Mapping[str, Curve]) -> Scene:
    """The scene with other curves in the place of those of the same names."""
    return replace(scene, tracks={**scene.tracks, **curves}) if curves else scene


def changed(scene: Scene, picked: Picked, change: Callable[[str, Curve, Rows], Curve]) -> Scene:
    """The scene with every picked curve as `change(name, curve, rows)` gives it."""
    return with_curves(scene, {name: change(name, curve, rows) for name, curve, rows in each_picked(scene, picked)})


def bezier(name: str, curve: Curve) -> Parts:
    """The keys of a Bezier curve; BadAsset, saying how to get one, for another kind."""
    if curve.interpolation != "bezier":
        raise BadAsset(f"{name} is {curve.interpolation} and has no handles; make its curve Bezier first.")
    return parts_of(curve)


def with_key(curve: Curve, frame: float, row: F64, *, mode: int = AUTO, where: str) -> Curve:
    """The curve with a key of these values at a frame, in its own kind. A key that is there keeps mode and handles."""
    parts = parts_of(curve)
    nearest = int(np.abs(curve.times - frame).argmin())
    if abs(float(curve.times[nearest]) - frame) < NEAR:
        values = np.array(curve.values)
        values[nearest] = row
        return curve_of({**parts, "values": values}, curve, where=where)
    at = int(np.searchsorted(curve.times, frame))
    new: dict[str, Any] = {"times": frame, "values": row, "in_tangents": 0.0, "out_tangents": 0.0, "modes": mode}
    parts = {name: None if parts[name] is None else np.insert(parts[name], at, new[name], axis=0) for name in PARTS}
    if curve.interpolation == "cubic":
        slopes = auto_slopes(parts["times"], parts["values"])
        parts["in_tangents"][at] = parts["out_tangents"][at] = slopes[at]
    return curve_of(parts, curve, where=where)


def without_keys(curve: Curve, rows: Rows, *, where: str) -> Curve:
    """The curve without these keys, of which some must be left."""
    keep = np.ones(len(curve.times), np.bool_)
    keep[rows] = False
    return curve_of(taken(parts_of(curve), keep), curve, where=where)
