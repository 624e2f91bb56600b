"""Arrays in files: numpy's own .npz and .npy, read as if by an enemy.

`numpy.load` allocates what a header claims. Here every claim (members, types, shapes) is checked against the bytes
that are really there before anything is made of them, compression is not accepted, and objects are never read.
Whatever else a file says is a BadAsset.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset

_TYPES = frozenset({"|u1", "<u2", "<u4", "<i4", "<i8", "<f4", "<f8"})
# what zipfile raises for archives that are not whole, encrypted or of a later kind
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, struct.error)
_HEADER = re.compile(
    r"\{'descr': '([|<][uif][1248])', 'fortran_order': False, 'shape': \(((?:\d{1,12}(?:, ?|(?=\))))*)\), ?\}\s*"
)


def pack_npy(array: NDArray[Any]) -> bytes:
    """The bytes of an .npy file of one array."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def pack_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an .npz file: not compressed and without dates, so the same for the same arrays."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), pack_npy(array))
    return stream.getvalue()


def unpack_npy(data: bytes, *, where: str) -> NDArray[Any]:
    """The read-only array of an .npy file's bytes; it shares their memory. Raises BadAsset naming `where`."""
    if len(data) < 10 or data[:8] != b"\x93NUMPY\x01\x00":
        raise _broken(where, "holds no array of the kind that a project stores")
    start = 10 + int.from_bytes(data[8:10], "little")
    match = _HEADER.fullmatch(data[10:start].decode("latin-1"))
    if match is None or match[1] not in _TYPES:
        raise _broken(where, "holds an array of another type")
    kind = np.dtype(match[1])
    shape = tuple(int(side) for side in match[2].replace(" ", "").split(",") if side)
    size = kind.itemsize
    for side in shape:
        size *= side
    if size != len(data) - start or len(shape) > 8:
        raise _broken(where, f"claims {size} bytes of numbers and holds {len(data) - start}")
    try:
        return np.frombuffer(data, kind, offset=start).reshape(shape)
    except ValueError:  # no bytes, but a side longer than numpy allows
        raise _broken(where, "has a shape that cannot be") from None


def unpack_npz(data: bytes, *, where: str) -> dict[str, NDArray[Any]]:
    """The read-only arrays of an .npz file's bytes by name. Raises BadAsset naming `where`."""
    out = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(data):
                    raise _broken(where, "is compressed or claims more than it holds")
                out[info.filename.removesuffix(".npy")] = unpack_npy(archive.read(info), where=where)
    except _DAMAGE as fault:
        raise _broken(where, f"is damaged ({str(fault) or type(fault).__name__})") from None
    return out


def _broken(where: str, why: str) -> BadAsset:
    return BadAsset(f"{where} {why}; restore it from a backup or relink it.")
