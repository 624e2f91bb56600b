"""What a key of a field holds: numbers as its curve keeps them, made of a field's value and back.

A rotation is a quaternion in its field and three angles, or a quaternion, in its curve; a switch is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from studio.errors import BadAsset
from studio.scene.animation import AUTO, F64, STEP, Curve, evaluate, make_curve
from studio.scene.entities import Id
from studio.scene.euler import to_angles, to_quaternion, to_quaternions
from studio.scene.key_modes import curve_of, parts_of
from studio.scene.pose import fits, is_rotation, split_track
from studio.scene.scene import Scene
from studio.scene.schema import Field, fields


def target_of(scene: Scene, name: str) -> tuple[Any, Field, int] | None:
    """The record, field and item (-1: all) that a track drives; None when it drives nothing."""
    target, field_name, item = split_track(name)
    record: msgspec.Struct | None = scene.entities.get(target) or scene.materials.get(target)
    field = fields(type(record)).get(field_name) if record is not None else None
    return None if field is None or not field.animatable else (record, field, item)


def keyable(scene: Scene, id_: Id, name: str) -> tuple[Any, Field, int]:
    """The record, field and item (-1: all) of "<field>" or "<field>[i]"; BadAsset when no curve can drive it."""
    scene.get(id_)
    found = target_of(scene, f"{id_}.{name}")
    if found is None or found[2] < -1:
        raise BadAsset(f'"{name}" of "{id_}" cannot be animated.')
    record, field, item = found
    if item >= 0 and (field.shape != "vector" or item >= width_of(record, field)):
        raise BadAsset(f'"{id_}" has no "{name}" that could be animated.')
    return found


def width_of(record: Any, field: Field) -> int:
    """How many numbers a field's value has, a rotation three angles."""
    if is_rotation(field):
        return 3
    return field.width or len(getattr(record, field.name))


def numbers(field: Field, value: Any, curve: Curve | None, frame: float) -> F64:
    """A field's value as a key of its curve, or of a new one: angles near those of the curve, a quaternion on the
    side of the one before. A rotation may be given as a quaternion or as three angles in degrees."""
    new = np.atleast_1d(np.asarray(value, np.float64))
    if not is_rotation(field) or new.shape not in ((3,), (4,)):
        return new
    if curve is not None and not curve.euler and curve.values.shape[1] == 4:
        q = new if len(new) == 4 else np.array(to_quaternion(_three(new)))
        near = evaluate(curve, frame)[0]
        return -q if float(q @ near) < 0.0 else q
    if len(new) == 3:
        return new
    x, y, z, w = new.tolist()
    before = _three(evaluate(curve, frame)[0]) if curve is not None and curve.euler else (0.0, 0.0, 0.0)
    return np.array(to_angles((x, y, z, w), near=before))


def _three(row: F64) -> tuple[float, float, float]:
    x, y, z = row.tolist()
    return (x, y, z)


def first_curve(field: Field, frame: float, row: F64, *, where: str, item: int = -1, mode: int = AUTO) -> Curve:
    """A new curve of one key for a field, or for one item of it. Switches and whole numbers hold between keys.

    Raises BadAsset when the key has not as many numbers as the field.
    """
    mode = STEP if mode == AUTO and field.shape in ("bool", "int") else mode
    euler = is_rotation(field) and item < 0
    fresh = make_curve([frame], row[None], interpolation="bezier", euler=euler, modes=[mode], where=where)
    if not fits(field, item, fresh):
        raise BadAsset(f"{where} takes {1 if item >= 0 else field.width} numbers a key, not {row.size}.")
    return curve_of(parts_of(fresh), fresh, where=where)


def value_at(scene: Scene, name: str, frame: float) -> Any:
    """The value that a track gives its field at a frame, as the field keeps it; None when it drives nothing."""
    found = target_of(scene, name)
    if found is None:
        return None
    record, field, item = found
    curve = scene.tracks[name]
    row = evaluate(curve, frame)
    value = tuple((to_quaternions(row) if curve.euler else row)[0].tolist())
    if item >= 0:
        return tuple(value[0] if i == item else v for i, v in enumerate(getattr(record, field.name)))
    if field.shape == "vector":
        return value
    return value[0] >= 0.5 if field.shape == "bool" else round(value[0]) if field.shape == "int" else value[0]


def item_tracks(scene: Scene, id_: Id, record: Any, field: Field) -> Sequence[int]:
    """Items of a vector field that have tracks of their own, where no track drives the whole."""
    name = f"{id_}.{field.name}"
    if field.shape != "vector" or name in scene.tracks:
        return ()
    return [i for i in range(len(getattr(record, field.name))) if f"{name}[{i}]" in scene.tracks]
