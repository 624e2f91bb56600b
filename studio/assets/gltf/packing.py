"""The binary side of a glTF being written: buffer views and accessors, each array stored once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
COMPONENT = {"|i1": 5120, "|u1": 5121, "<i2": 5122, "<u2": 5123, "<u4": 5125, "<f4": 5126}
WIDTHS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
VERTICES, INDICES = 34962, 34963


class Packer:
    """Gathers the bytes of one buffer with the buffer views and accessors over it."""

    def __init__(self) -> None:
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.chunks: list[bytes] = []
        self.size = 0
        self._stored: dict[int, int] = {}
        self._alive: list[Array] = []  # keeps the ids of stored arrays from being used again

    def view(self, data: bytes, target: int | None = None) -> int:
        """Store bytes at a multiple of four; the index of their buffer view."""
        padding = -self.size % 4
        record: dict[str, Any] = {"buffer": 0, "byteOffset": self.size + padding, "byteLength": len(data)}
        if target is not None:
            record["target"] = target
        self.views.append(record)
        self.chunks += [b"\0" * padding, data]
        self.size += padding + len(data)
        return len(self.views) - 1

    def array(self, array: Array, target: int | None = None, *, bounds: bool = False) -> int:
        """Store (n,) or (n, components) numbers; the index of their accessor. The same array is stored once."""
        if id(array) in self._stored:
            return self._stored[id(array)]
        rows = array.reshape(len(array), -1)
        record = self._record(rows, bounds)
        record["bufferView"] = self.view(np.ascontiguousarray(rows).tobytes(), target)
        self.accessors.append(record)
        self._stored[id(array)] = len(self.accessors) - 1
        self._alive.append(array)
        return len(self.accessors) - 1

    def offsets(self, rows: Array, offsets: Array, count: int) -> int:
        """Store (k, 3) offsets of some of `count` vertices, sparse where that is smaller."""
        dense = np.zeros((count, 3), np.float32)
        dense[rows] = offsets
        if 16 * len(rows) >= 12 * count:
            return self.array(dense, VERTICES, bounds=True)
        record = self._record(dense, True)
        if len(rows):
            order = np.argsort(rows)
            record["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": self.view(rows[order].astype("<u4").tobytes()), "componentType": 5125},
                "values": {"bufferView": self.view(offsets[order].astype("<f4").tobytes())},
            }
        self.accessors.append(record)
        return len(self.accessors) - 1

    def _record(self, rows: Array, bounds: bool) -> dict[str, Any]:
        record: dict[str, Any] = {
            "componentType": COMPONENT[rows.dtype.newbyteorder("<").str],
            "count": len(rows),
            "type": WIDTHS[rows.shape[1]],
        }
        if bounds and len(rows):
            record["min"], record["max"] = rows.min(axis=0).tolist(), rows.max(axis=0).tolist()
        return record
