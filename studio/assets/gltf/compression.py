"""Compressed geometry: EXT_meshopt_compression (whole buffer views) and KHR_draco_mesh_compression (primitives).

Both are decoded by their makers' libraries. meshoptimizer has no wheels, so it is an extra; a file that needs it
where it is not installed is told apart from a broken one. What a stream claims to hold is held against what the file
claims before the decoder may allocate.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.assets.gltf.container import Bytes, Source
from studio.assets.gltf.records import MeshoptView
from studio.errors import Unsupported

U32 = NDArray[np.uint32]


def decode_meshopt(source: Source, view: MeshoptView, data: Bytes, place: str) -> Bytes:
    """The bytes of a meshopt view: `count` elements of `byte_stride` bytes."""
    stride, count = view.byte_stride, view.count
    if view.mode == "ATTRIBUTES":
        sound = stride % 4 == 0 and 0 < stride <= 256
    else:
        sound = view.mode in ("TRIANGLES", "INDICES") and stride in (2, 4)
    if not sound or (view.mode == "TRIANGLES" and count % 3):
        raise source.bad(place, f"has an unknown meshopt mode {view.mode[:20]!r} with stride {stride}")
    # the densest stream spends two bits on 16 vertices of a byte column, half a byte on a triangle
    if count * (stride if view.mode == "ATTRIBUTES" else 1) > 2048 * (len(data) + 64):
        raise source.bad(place, f"claims {count:,} elements in {len(data):,} bytes; export it again")
    if not count:
        return np.zeros(0, np.uint8)
    meshopt = _meshoptimizer(source)
    try:
        if view.mode == "ATTRIBUTES":
            out = meshopt.decode_vertex_buffer(count, stride, data, np.dtype(("u1", (stride,))))
            return _filtered(source, meshopt, out.reshape(-1), view, place)
        decoder = meshopt.decode_index_buffer if view.mode == "TRIANGLES" else meshopt.decode_index_sequence
        indices: U32 = decoder(count, 4, data)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise source.bad(place, f"cannot be decompressed ({error})") from error
    return indices.astype("<u2" if stride == 2 else "<u4").view(np.uint8)


def _filtered(source: Source, meshopt: ModuleType, data: Bytes, view: MeshoptView, place: str) -> Bytes:
    if view.filter == "NONE":
        return data
    strides = {"OCTAHEDRAL": (4, 8), "QUATERNION": (8,), "EXPONENTIAL": tuple(range(4, 260, 4))}
    if view.byte_stride not in strides.get(view.filter, ()):
        raise source.bad(place, f"has an unknown meshopt filter {view.filter[:20]!r} for stride {view.byte_stride}")
    short = {"OCTAHEDRAL": "oct", "QUATERNION": "quat", "EXPONENTIAL": "exp"}[view.filter]
    out: Bytes = getattr(meshopt, f"decode_filter_{short}")(data, view.count, view.byte_stride)
    return out


def _meshoptimizer(source: Source) -> ModuleType:
    try:
        return importlib.import_module("meshoptimizer")
    except ImportError as error:
        raise Unsupported(
            f"{source.name}: is compressed with EXT_meshopt_compression; install the extra "
            "myriad-studio[codecs], or export without it."
        ) from error


def decode_draco(
    source: Source, data: Bytes, attributes: dict[str, int], *, vertices: int, corners: int, place: str
) -> tuple[U32, dict[str, NDArray[Any]]]:
    """Triangle indices (3 t,) and the attributes by name as the decoder stores them, of a Draco stream.

    `vertices` and `corners` are what the accessors claim; a stream that claims more is refused before it is decoded.
    """
    _check_draco(source, data, vertices, corners, place)
    import DracoPy

    try:
        mesh = DracoPy.decode(data.tobytes())
        stored = {a["unique_id"]: a["data"] for a in mesh.attributes}
        faces = getattr(mesh, "faces", None)
    except Exception as error:  # the binding raises several kinds, all of which mean a broken stream
        raise source.bad(place, f"holds a broken Draco stream ({error})") from error
    if faces is None:
        raise source.bad(place, "holds a Draco point cloud where a mesh belongs")
    found: dict[str, NDArray[Any]] = {}
    for name, unique in attributes.items():
        if unique not in stored:
            raise source.bad(place, f"names Draco attribute {unique} for {name[:30]}, which the stream lacks")
        column = np.asarray(stored[unique])
        found[name] = column.reshape(len(column), -1)
    counts = {len(column) for column in found.values()}
    if len(counts) > 1 or (counts and counts.pop() > vertices) or np.size(faces) > corners:
        raise source.bad(place, "holds another number of vertices in Draco than its accessors say; export it again")
    return np.asarray(faces, np.uint32).reshape(-1), found


def _check_draco(source: Source, data: Bytes, vertices: int, corners: int, place: str) -> None:
    """Hold the header's counts against the accessors'. Source: Draco bitstream specification 2.2, sections 4, 6, 8."""
    head = data[:64].tobytes()
    if len(head) < 12 or head[:5] != b"DRACO" or head[7] != 1:
        raise source.bad(place, "holds no Draco mesh; export it again")
    if (head[5], head[6]) != (2, 2):
        raise source.bad(place, f"holds a Draco stream of version {head[5]}.{head[6]}, where glTF asks for 2.2")
    metadata = bool((head[9] | head[10] << 8) & 0x8000)
    edgebreaker = head[8] == 1
    if metadata:
        return  # the counts follow metadata of any length; the decoder checks them against the stream
    # edgebreaker: traversal kind, then vertices, faces; sequential: faces, points
    numbers = list(itertools.islice(_varints(head[12 if edgebreaker else 11 :]), 2))
    if len(numbers) < 2:
        raise source.bad(place, "holds a truncated Draco stream")
    claimed = (numbers[1], numbers[0]) if edgebreaker else (numbers[0], numbers[1])
    if claimed[0] * 3 > corners or claimed[1] > vertices:
        raise source.bad(
            place,
            f"holds a Draco mesh of {claimed[0]:,} triangles and {claimed[1]:,} vertices, more than its accessors",
        )


def _varints(data: bytes) -> Iterator[int]:
    """LEB128 numbers."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0
