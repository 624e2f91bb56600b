"""Accessors: typed arrays out of the bytes of a glTF file.

Every reader asks here and gets plain numpy arrays: floats already normalised, indices as uint32. Bounds are checked
against the buffer view before an array is made, so a wrong count or offset is a sentence, never a read elsewhere.
Source: glTF 2.0 specification, section 3.6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.assets.gltf.compression import decode_meshopt
from studio.assets.gltf.container import Bytes, Source
from studio.assets.gltf.records import AccessorRecord, MeshoptView, Sparse

F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]
Stored = NDArray[Any]

COMPONENTS: dict[int, np.dtype[Any]] = {
    5120: np.dtype("<i1"),
    5121: np.dtype("<u1"),
    5122: np.dtype("<i2"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
}
# columns, rows
TYPES = {
    "SCALAR": (1, 1),
    "VEC2": (1, 2),
    "VEC3": (1, 3),
    "VEC4": (1, 4),
    "MAT2": (2, 2),
    "MAT3": (3, 3),
    "MAT4": (4, 4),
}
# largest value of a normalised component
FULL = {5120: 127.0, 5121: 255.0, 5122: 32767.0, 5123: 65535.0}


class Accessors:
    """Reads the accessors of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._views: dict[int, tuple[Bytes, int | None]] = {}

    def record(self, index: int, place: str) -> AccessorRecord:
        """The accessor's record, its index checked."""
        return self.source.follow(self.source.document.accessors, index, place, "accessor")

    def raw(self, index: int, place: str, *types: str) -> Stored:
        """(count, components) as stored, sparse values applied; `types` are the accessor types that make sense."""
        record = self.record(index, place)
        self._check(record, index, place, types)
        at = f"accessors[{index}]"
        if record.buffer_view is None:
            dtype = COMPONENTS[record.component_type]
            columns, rows = TYPES[record.type]
            self._fits(record.count * columns * rows * dtype.itemsize, at)
            data = np.zeros((record.count, columns * rows), dtype)
        else:
            data = self._elements(record, record.count, record.buffer_view, record.byte_offset, at)
        if record.sparse is not None:
            rows_at, values = self._sparse(record, record.sparse, at)
            data = data.copy()
            data[rows_at] = values
        return data

    def floats(self, index: int, place: str, *types: str) -> F32:
        """(count, components) float32, integers normalised where the accessor says so."""
        record = self.record(index, place)
        return self._to_float(record, self.raw(index, place, *types))

    def indices(self, index: int, place: str) -> U32:
        """(count,) uint32 vertex indices."""
        data = self.raw(index, place, "SCALAR")
        if data.dtype.kind != "u":
            raise self.source.bad(place, f"has indices of component type {self.record(index, place).component_type}")
        return data[:, 0].astype(np.uint32)

    def offsets(self, index: int, place: str, count: int) -> tuple[U32, F32]:
        """A morph target's rows that may move and their (k, 3) offsets; a purely sparse one is never made dense."""
        record = self.record(index, place)
        self._check(record, index, place, ("VEC3",))
        if record.count != count:
            raise self.source.bad(place, f"has {record.count:,} offsets for {count:,} vertices; export it again")
        if record.buffer_view is None and record.sparse is not None:
            rows, values = self._sparse(record, record.sparse, f"accessors[{index}]")
            return rows, self._to_float(record, values)
        if record.buffer_view is None:
            return np.zeros(0, np.uint32), np.zeros((0, 3), np.float32)
        return np.arange(count, dtype=np.uint32), self.floats(index, place, "VEC3")

    def view(self, index: int, place: str) -> tuple[Bytes, int | None]:
        """The bytes of a buffer view and its stride, decompressed when EXT_meshopt_compression says so."""
        if index not in self._views:
            self._views[index] = self._open_view(index, place)
        return self._views[index]

    def _open_view(self, index: int, place: str) -> tuple[Bytes, int | None]:
        source = self.source
        record = source.follow(source.document.buffer_views, index, place, "buffer view")
        at = f"bufferViews[{index}]"
        packed = source.extension(record.extensions, "EXT_meshopt_compression", MeshoptView, at)
        if packed is not None:
            source.budget.spend(packed.count * packed.byte_stride, at)
            compressed = self._slice(packed.buffer, packed.byte_offset, packed.byte_length, at)
            return decode_meshopt(source, packed, compressed, at), packed.byte_stride
        return self._slice(record.buffer, record.byte_offset, record.byte_length, at), record.byte_stride

    def _slice(self, buffer: int, offset: int, length: int, at: str) -> Bytes:
        data = self.source.buffer(buffer, at)
        if offset + length > len(data):
            raise self.source.bad(at, f"ends at byte {offset + length:,} of a buffer of {len(data):,}; export it again")
        return data[offset : offset + length]

    def _check(self, record: AccessorRecord, index: int, place: str, types: tuple[str, ...]) -> None:
        if record.component_type not in COMPONENTS:
            raise self.source.bad(f"accessors[{index}]", f"has the unknown component type {record.component_type}")
        if record.type not in TYPES:
            raise self.source.bad(f"accessors[{index}]", f"has the unknown type {record.type[:20]!r}")
        if types and record.type not in types:
            raise self.source.bad(place, f"is {record.type}, where {' or '.join(types)} belongs; export it again")

    def _fits(self, count: int, at: str) -> None:
        """Refuse an array that the rest of the budget does not hold, without keeping it spent: it is transient."""
        self.source.budget.spend(0, at, transient=count)

    def _elements(self, record: AccessorRecord, count: int, view: int, offset: int, at: str) -> Stored:
        """(count, components) of a buffer view, without a copy where the layout allows."""
        data, stride = self.view(view, at)
        dtype = COMPONENTS[record.component_type]
        columns, rows = TYPES[record.type]
        # columns of a matrix start at multiples of four bytes
        column = rows * dtype.itemsize if columns == 1 else (rows * dtype.itemsize + 3) // 4 * 4
        size = column * columns
        stride = size if stride is None or count < 2 else stride
        if stride < size:
            raise self.source.bad(at, f"has elements of {size} bytes at a stride of {stride}; export it again")
        if count and offset + (count - 1) * stride + size > len(data):
            end = offset + (count - 1) * stride + size
            raise self.source.bad(at, f"needs {end:,} bytes of a buffer view of {len(data):,}; export it again")
        if not count:
            return np.zeros((0, columns * rows), dtype)
        strides = (stride, column, dtype.itemsize)
        array = np.ndarray((count, columns, rows), dtype, data, offset, strides)
        return array.reshape(count, columns * rows) if columns > 1 else array[:, 0]

    def _sparse(self, record: AccessorRecord, sparse: Sparse, at: str) -> tuple[U32, Stored]:
        where = AccessorRecord(component_type=sparse.indices.component_type, count=sparse.count, type="SCALAR")
        if sparse.indices.component_type not in (5121, 5123, 5125):
            raise self.source.bad(f"{at}.sparse.indices", "has a component type that is no unsigned integer")
        if sparse.count > record.count:
            raise self.source.bad(f"{at}.sparse", f"replaces {sparse.count:,} of {record.count:,} elements")
        place = f"{at}.sparse.indices"
        rows = self._elements(where, sparse.count, sparse.indices.buffer_view, sparse.indices.byte_offset, place)[:, 0]
        rows = rows.astype(np.uint32)
        if rows.size and int(rows.max()) >= record.count:
            raise self.source.bad(place, f"names element {int(rows.max()):,} of {record.count:,}; export it again")
        if rows.size > 1 and not bool((rows[1:] > rows[:-1]).all()):
            raise self.source.bad(place, "does not rise strictly; export it again")
        place = f"{at}.sparse.values"
        return rows, self._elements(record, sparse.count, sparse.values.buffer_view, sparse.values.byte_offset, place)

    def _to_float(self, record: AccessorRecord, data: Stored) -> F32:
        self._fits(data.size * 4, "an accessor")
        out = data.astype(np.float32)
        full = FULL.get(record.component_type) if record.normalized else None
        if full is not None:
            out /= np.float32(full)
            np.maximum(out, np.float32(-1.0), out=out)
        return out
