"""Keys: operations on the curves of a scene, pure functions like those of `studio.scene.edits`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from studio.errors import BadAsset
from studio.scene.animation import Curve, evaluate, make_curve
from studio.scene.entities import Id
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.scene.schema import fields


def set_key(scene: Scene, id_: Id, field: str, frame: float, value: float | Sequence[float] | None = None) -> Scene:
    """Set a key of a field at a frame: the value given, or the field's present one. Makes the track when needed.

    A track with tangents gets flat ones at the new key.
    """
    record = scene.get(id_)
    info = fields(type(record)).get(field)
    if info is None or not info.animatable:
        raise BadAsset(f'"{field}" of "{id_}" cannot be animated.')
    new = np.atleast_1d(np.asarray(getattr(record, field) if value is None else value, np.float64))
    name = f"{id_}.{field}"
    curve = scene.tracks.get(name)
    if curve is None:
        fresh = make_curve([frame], new[None], rotation=field == "rotation", where=name)
        return replace(scene, tracks={**scene.tracks, name: fresh})
    if new.shape != curve.values.shape[1:]:
        raise BadAsset(f"{name} takes {curve.values.shape[1]} numbers a key, not {new.size}.")
    at = int(np.searchsorted(curve.times, frame))
    there = at < len(curve.times) and curve.times[at] == frame

    def with_row(rows: Any, row: Any) -> Any:
        if rows is None:
            return None
        out = np.array(rows) if there else np.insert(rows, at, row, axis=0)
        out[at] = row
        return out

    flat = 0.0
    return _with_curve(
        scene,
        name,
        curve,
        times=curve.times if there else np.insert(curve.times, at, frame),
        values=with_row(curve.values, new),
        in_tangents=with_row(curve.in_tangents, flat),
        out_tangents=with_row(curve.out_tangents, flat),
    )


def remove_key(scene: Scene, id_: Id, field: str, frame: float) -> Scene:
    """Remove the key at a frame; with the last one the track goes and the field keeps that value."""
    name = f"{id_}.{field}"
    curve = scene.tracks.get(name)
    if curve is None or frame not in curve.times:
        raise BadAsset(f"{name} has no key at frame {frame:g}.")
    keep = curve.times != frame
    if not keep.any():
        return remove_track(scene, name, frame)
    rest = {
        part: None if getattr(curve, part) is None else getattr(curve, part)[keep]
        for part in ("times", "values", "in_tangents", "out_tangents")
    }
    return _with_curve(scene, name, curve, **rest)


def remove_track(scene: Scene, name: str, frame: float) -> Scene:
    """Remove a track; its field keeps the value that it has at `frame`."""
    target, field, item = split_track(name)
    value: Any = tuple(evaluate(scene.tracks[name], frame)[0].tolist())
    record = scene.get(target)
    info = fields(type(record))[field]
    if item >= 0:
        value = tuple(value[0] if i == item else v for i, v in enumerate(getattr(record, field)))
    elif info.shape != "vector":
        value = value[0] >= 0.5 if info.shape == "bool" else round(value[0]) if info.shape == "int" else value[0]
    out = replace(scene, tracks={k: v for k, v in scene.tracks.items() if k != name})
    return out.replace(target, **{field: value})


def _with_curve(scene: Scene, name: str, curve: Curve, **parts: Any) -> Scene:
    new = make_curve(
        parts.pop("times"),
        parts.pop("values"),
        interpolation=curve.interpolation,
        pre=curve.pre,
        post=curve.post,
        rotation=curve.rotation,
        where=name,
        **parts,
    )
    return replace(scene, tracks={**scene.tracks, name: new})
