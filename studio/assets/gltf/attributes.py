"""Vertex attributes of one primitive, from its accessors or from its Draco stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.assets.gltf.accessors import FULL, TYPES, Accessors
from studio.assets.gltf.compression import decode_draco
from studio.assets.gltf.container import Source
from studio.assets.gltf.records import DracoPrimitive, PrimitiveRecord
from studio.scene.geometry import F32, U32


class Attributes:
    """The columns of a primitive's vertices; `corners` are its vertex indices when a Draco stream holds them."""

    def __init__(self, source: Source, accessors: Accessors, primitive: PrimitiveRecord, place: str) -> None:
        self.source = source
        self.accessors = accessors
        self.names = primitive.attributes
        self.place = f"{place}.attributes"
        self.corners: U32 | None = None
        self._draco: dict[str, NDArray[Any]] = {}
        packed = source.extension(primitive.extensions, "KHR_draco_mesh_compression", DracoPrimitive, place)
        if "POSITION" not in self.names:
            raise source.bad(self.place, "has no POSITION; export it again")
        self.count = accessors.record(self.names["POSITION"], self.place).count
        if packed is not None:
            self._decode(primitive, packed, place)

    def _decode(self, primitive: PrimitiveRecord, packed: DracoPrimitive, place: str) -> None:
        at = f"{place}.extensions.KHR_draco_mesh_compression"
        corners = 3 * self.count
        if primitive.indices is not None:
            corners = self.accessors.record(primitive.indices, f"{place}.indices").count
        self.source.budget.spend(corners * 4 + self.count * 16 * len(packed.attributes), at)
        data, _ = self.accessors.view(packed.buffer_view, at)
        self.corners, self._draco = decode_draco(
            self.source, data, packed.attributes, vertices=self.count, corners=corners, place=at
        )
        self.count = len(self._draco.get("POSITION", ()))

    def floats(self, name: str, *types: str, normalized: bool = False) -> F32 | None:
        """(v, components) of an attribute, or None when the primitive lacks it.

        `normalized` asks for fractions even where the accessor forgot to say so, as colours and weights always are.
        """
        if name not in self.names:
            return None
        at = f"{self.place}.{name}"
        record = self.accessors.record(self.names[name], at)
        full = FULL.get(record.component_type) if record.normalized or normalized else None
        if name in self._draco:
            raw = self._draco[name]
            if types and raw.shape[1] not in {TYPES[kind][1] for kind in types}:
                raise self.source.bad(at, f"has {raw.shape[1]} components in its Draco stream")
            out = raw.astype(np.float32)
            out = out if raw.dtype.kind == "f" or full is None else out / np.float32(full)
        else:
            out = self.accessors.floats(self.names[name], at, *types)
            if full is not None and not record.normalized:
                out = out / np.float32(full)
        return self._same_count(out, at)

    def integers(self, name: str, *types: str) -> NDArray[Any]:
        """(v, components) of an attribute as stored."""
        at = f"{self.place}.{name}"
        raw = self._draco.get(name)
        if raw is None:
            raw = self.accessors.raw(self.names[name], at, *types)
        if raw.dtype.kind == "f" or raw.shape[1] != 4:
            raise self.source.bad(at, "is not four integers a vertex; export it again")
        return self._same_count(raw, at)

    def _same_count(self, array: NDArray[Any], at: str) -> NDArray[Any]:
        if len(array) != self.count:
            raise self.source.bad(at, f"has {len(array):,} values for {self.count:,} vertices; export it again")
        return array
