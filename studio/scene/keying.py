"""Keys: operations on the curves of a scene, pure functions like those of `studio.scene.edits`.

Here keys are set, asked for and removed. Moving, scaling and pasting keys stand in `key_moves` and `key_copies`, their
tangents in `key_handles`, whole curves (baking, thinning, other kinds) in `key_conversions`; all can be had from here.
A pick of keys is a mapping of a track's name to indices of its keys, rising by time.

A key set into an imported curve is one of the curve's own kind. New curves are Bezier with AUTO handles, those of
rotations three angles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from studio.errors import BadAsset
from studio.scene.animation import AUTO, BREAKDOWN, BROKEN, F64, FLAT, FREE, LINEAR, STEP, Curve
from studio.scene.entities import Id
from studio.scene.euler import to_angles
from studio.scene.key_conversions import bake, euler_filter, thin, to_bezier, to_euler, to_quaternion
from studio.scene.key_copies import KeyClip, copy_keys, paste_keys
from studio.scene.key_handles import break_handles, set_breakdown, set_handle, set_modes, set_outside, unweight
from studio.scene.key_modes import NEAR
from studio.scene.key_moves import move_keys, place_key, scale_keys, shift_time, snap_keys
from studio.scene.key_rows import Picked, curve_named, each_picked, with_curves, with_key, without_keys
from studio.scene.key_values import first_curve, item_tracks, keyable, numbers, target_of, value_at
from studio.scene.pose import is_rotation, split_track
from studio.scene.scene import Scene
from studio.scene.schema import Field

__all__ = [
    "AUTO",
    "BREAKDOWN",
    "BROKEN",
    "FLAT",
    "FREE",
    "LINEAR",
    "STEP",
    "KeyClip",
    "Picked",
    "bake",
    "break_handles",
    "copy_keys",
    "euler_filter",
    "key_fields",
    "keyed",
    "move_keys",
    "paste_keys",
    "place_key",
    "remove_key",
    "remove_keys",
    "remove_track",
    "scale_keys",
    "set_breakdown",
    "set_handle",
    "set_key",
    "set_modes",
    "set_outside",
    "shift_time",
    "snap_keys",
    "thin",
    "to_bezier",
    "to_euler",
    "to_quaternion",
    "tracks_of",
    "unweight",
]


# --- setting ---------------------------------------------------------------------------------------------------------
def set_key(
    scene: Scene, id_: Id, field: str, frame: float, value: float | Sequence[float] | None = None, *, mode: int = AUTO
) -> Scene:
    """Set a key of a field ("<field>", or "<field>[i]" for one item) at a frame: to the value given, or the field's
    present one. Makes the curve when needed.

    A rotation is given as a quaternion or as three angles in degrees, an item of it as an angle. A vector whose items
    have curves of their own is keyed in those. A key that is there keeps its tangents' mode; a new one of a Bezier
    curve gets `mode`, but switches and whole numbers hold (STEP) where it is AUTO. Raises BadAsset for a field that
    cannot be animated and for a value that is not made of as many numbers as the curve.
    """
    record, info, item = keyable(scene, id_, field)
    whole = f"{id_}.{info.name}"
    if item >= 0 and (whole in scene.tracks or is_rotation(info)):
        row = _whole_row(scene, whole, record, info, frame)
        row[item] = row[item] if value is None else float(np.atleast_1d(np.asarray(value, np.float64))[0])
        return _keyed_in(scene, whole, info, frame, row, -1, mode)
    given = getattr(record, info.name) if value is None else value
    if item >= 0:
        row = np.atleast_1d(np.asarray(given, np.float64))
        row = row[item : item + 1] if value is None or row.size > 1 else row
        return _keyed_in(scene, f"{whole}[{item}]", info, frame, row, item, mode)
    items = item_tracks(scene, id_, record, info)
    if items:
        row = np.atleast_1d(np.asarray(given, np.float64))
        for i in items:
            if i < len(row):
                scene = _keyed_in(scene, f"{whole}[{i}]", info, frame, row[i : i + 1], i, mode)
        return scene
    return _keyed_in(scene, whole, info, frame, numbers(info, given, scene.tracks.get(whole), frame), -1, mode)


def _whole_row(scene: Scene, name: str, record: Any, field: Field, frame: float) -> F64:
    """The key of a whole field as it stands, angles of a rotation."""
    curve = scene.tracks.get(name)
    row = numbers(field, getattr(record, field.name), curve, frame)
    if curve is not None and is_rotation(field) and not curve.euler:
        x, y, z, w = row.tolist()
        return np.array(to_angles((x, y, z, w), near=(0.0, 0.0, 0.0)))
    return np.array(row)


def _keyed_in(scene: Scene, name: str, field: Field, frame: float, row: F64, item: int, mode: int) -> Scene:
    curve = scene.tracks.get(name)
    if curve is None:
        fresh = first_curve(field, frame, row, where=name, item=item, mode=mode)
        return replace(scene, tracks={**scene.tracks, name: fresh})
    if curve.rotation and len(row) == 3:
        row = numbers(field, row, curve, frame)
    if row.shape != curve.values.shape[1:]:
        raise BadAsset(f"{name} takes {curve.values.shape[1]} numbers a key, not {row.size}.")
    mode = STEP if mode == AUTO and field.shape in ("bool", "int") else mode
    return with_curves(scene, {name: with_key(curve, frame, row, mode=mode, where=name)})


def key_fields(scene: Scene, ids: Iterable[Id], names: Iterable[str], frame: float) -> Scene:
    """Key those fields that each record has at their present values; `scene` is as it is seen at the frame, as in
    an edit scope. Raises BadAsset for an id that is not in the scene."""
    wanted = list(names)
    for id_ in dict.fromkeys(ids):
        scene.get(id_)
        for name in wanted:
            found = target_of(scene, f"{id_}.{name}")
            if found is not None and found[1].means_something(found[0]):
                scene = set_key(scene, id_, name, frame)
    return scene


# --- asking ----------------------------------------------------------------------------------------------------------
def keyed(scene: Scene, id_: Id, field: str, frame: float) -> str:
    """Of a field ("<field>" or "<field>[i]") at a frame: "" where no curve drives it, "animated" where one does, "key"
    where it has a key there."""
    curves = [scene.tracks[name] for name in _driving(scene, id_, field)]
    if not curves:
        return ""
    return "key" if any(_at(curve, frame) >= 0 for curve in curves) else "animated"


def _driving(scene: Scene, id_: Id, field: str) -> list[str]:
    """The tracks of a field: its own, that of the whole for an item, or those of its items."""
    name = f"{id_}.{field}"
    if name in scene.tracks:
        return [name]
    plain, _, item = field.partition("[")
    if item:
        return [f"{id_}.{plain}"] if f"{id_}.{plain}" in scene.tracks else []
    record: Any = scene.entities.get(id_) or scene.materials.get(id_)
    value = getattr(record, field, None)
    if not isinstance(value, tuple):
        return []
    return [f"{name}[{i}]" for i in range(len(value)) if f"{name}[{i}]" in scene.tracks]


def _at(curve: Curve, frame: float) -> int:
    """The index of the key at a frame, -1 for none."""
    nearest = int(np.abs(curve.times - frame).argmin())
    return nearest if abs(float(curve.times[nearest]) - frame) < NEAR else -1


def tracks_of(scene: Scene, ids: Iterable[Id]) -> tuple[str, ...]:
    """Names of all tracks that drive something of these ids, in the order of the scene's tracks."""
    wanted = set(ids)
    return tuple(name for name in scene.tracks if split_track(name)[0] in wanted)


# --- removing --------------------------------------------------------------------------------------------------------
def remove_key(scene: Scene, id_: Id, field: str, frame: float) -> Scene:
    """Remove the key of a field at a frame; with the last one the curve goes and the field keeps that value.

    Raises BadAsset when there is no key.
    """
    picked = {name: at for name in _driving(scene, id_, field) if (at := _at(scene.tracks[name], frame)) >= 0}
    if not picked:
        raise BadAsset(f"{id_}.{field} has no key at frame {frame:g}.")
    return remove_keys(scene, {name: (at,) for name, at in picked.items()})


def remove_keys(scene: Scene, picked: Picked) -> Scene:
    """Remove keys. With its last key a curve goes, and the field keeps the value of the first of those removed."""
    curves: dict[str, Curve] = {}
    emptied: list[tuple[str, float]] = []
    for name, curve, rows in each_picked(scene, picked):
        if len(rows) == len(curve.times):
            emptied.append((name, float(curve.times[rows[0]])))
        else:
            curves[name] = without_keys(curve, rows, where=name)
    scene = with_curves(scene, curves)
    for name, frame in emptied:
        scene = remove_track(scene, name, frame)
    return scene


def remove_track(scene: Scene, name: str, frame: float) -> Scene:
    """Remove a track; its field keeps the value that it has at `frame`. Raises BadAsset when there is none."""
    curve_named(scene, name)
    value = value_at(scene, name, frame)
    out = replace(scene, tracks={k: v for k, v in scene.tracks.items() if k != name})
    target, field, _ = split_track(name)
    return out if value is None else out.replace(target, **{field: value})
