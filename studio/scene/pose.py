"""The scene at a moment: entities and materials with their animated fields set from curves.

Only what a curve drives is made anew; every other record stays the same object, which is how `flatten` sees that it
did not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from studio.scene.animation import F64, Curve, Tracks
from studio.scene.entities import Entity, Id
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.schema import Field, fields

Setter = Callable[[F64], Any]


class Posing:
    """The tracks of a scene, resolved to the records and fields that they drive.

    Made once for one set of tracks and kinds; `warnings` names the tracks that drive nothing.
    """

    __slots__ = ("_drivers", "_kinds", "_tracks", "source", "warnings")

    def __init__(self, scene: Scene) -> None:
        self.source: Mapping[str, Curve] = scene.tracks
        self._tracks = Tracks(scene.tracks)
        self._drivers: dict[Id, list[tuple[str, int, Field, int]]] = {}
        self._kinds: dict[Id, type | None] = {}
        lost = []
        for row, name in enumerate(self._tracks.names):
            target, field_name, item = split_track(name)
            record: msgspec.Struct | None = scene.entities.get(target) or scene.materials.get(target)
            self._kinds[target] = type(record) if record is not None else None
            field = fields(type(record)).get(field_name) if record is not None else None
            if field is None or not field.animatable or not _fits(field, item, scene.tracks[name]):
                lost.append(name)
            else:
                self._drivers.setdefault(target, []).append((field_name, item, field, row))
        self.warnings: tuple[str, ...] = ()
        if lost:
            shown = ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
            self.warnings = (f"Animation without a field that it fits was left out: {shown}.",)

    def holds(self, scene: Scene) -> bool:
        """Whether this is still a scene's posing: the same tracks, and the same kinds of records under their ids."""
        if scene.tracks is not self.source:
            return False
        for target, kind in self._kinds.items():
            record = scene.entities.get(target) or scene.materials.get(target)
            if (type(record) if record is not None else None) is not kind:
                return False
        return True

    def at(self, scene: Scene, frame: float) -> tuple[Mapping[Id, Entity], Mapping[Id, Material]]:
        """Entities and materials of `scene` at a frame. The scene's own mappings where nothing is animated."""
        if not self._drivers:
            return scene.entities, scene.materials
        values = self._tracks.at(frame)
        entities: dict[Id, Entity] | None = None
        materials: dict[Id, Material] | None = None
        for target, drivers in self._drivers.items():
            if (entity := scene.entities.get(target)) is not None:
                entities = dict(scene.entities) if entities is None else entities
                entities[target] = _driven(entity, drivers, values)
            elif (material := scene.materials.get(target)) is not None:
                materials = dict(scene.materials) if materials is None else materials
                materials[target] = _driven(material, drivers, values)
        return entities or scene.entities, materials or scene.materials


def split_track(name: str) -> tuple[str, str, int]:
    """Id, field and item (-1: the whole field) of a track's name "<id>.<field>" or "<id>.<field>[i]"."""
    target, _, field = name.rpartition(".")
    if field.endswith("]") and "[" in field:
        field, _, index = field[:-1].partition("[")
        return target, field, int(index) if index.isascii() and index.isdigit() else -2
    return target, field, -1


def _fits(field: Field, item: int, curve: Curve) -> bool:
    width = curve.values.shape[1]
    if item >= 0:
        return field.shape == "vector" and width == 1 and (not field.width or item < field.width)
    return item == -1 and (width == field.width or (field.shape == "vector" and not field.width))


def _driven(record: Any, drivers: list[tuple[str, int, Field, int]], values: list[F64]) -> Any:
    new: dict[str, Any] = {}
    for name, item, field, row in drivers:
        value = values[row]
        if item >= 0:
            whole = list(new.get(name, getattr(record, name)))
            whole += [0.0] * (item + 1 - len(whole))
            whole[item] = float(value[0])
            new[name] = tuple(whole)
        elif field.shape == "vector":
            new[name] = tuple(value.tolist())
        elif field.shape == "bool":
            new[name] = bool(value[0] >= 0.5)
        else:
            new[name] = round(float(value[0])) if field.shape == "int" else float(value[0])
    return msgspec.structs.replace(record, **new)
