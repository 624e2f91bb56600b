"""Takes as files: `NAME.take`, a zip of `take.json` and an array (.npy) for each kind of number.

Nothing is lost: arrays are kept as 32-bit floats only where that is exactly what they are. A file from elsewhere is
believed in nothing: sizes are bounded before anything is unpacked, arrays must have the shapes that `take.json` calls
for, and whatever is wrong ends in one sentence.
"""

from __future__ import annotations

import ast
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.figure.capture.frames import F64, Take, frozen, make_take
from studio.figure.capture.retarget import Profile, checked, write_whole

SUFFIX = ".take"
_VERSION = 1
_MOST_FILE = 1 << 30
_MOST_FRAMES = 4_000_000
_MOST_RATIO = 200  # deflated arrays of a face never shrink that far; what does is no take
_MOST_PARTS = 64
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, RuntimeError, struct.error,
           NotImplementedError, OverflowError, MemoryError, RecursionError, SyntaxError, IndexError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TakeInfo:
    """What a take's file says of it, without its frames."""

    name: str
    frames: int
    seconds: float
    fps: float
    start: str
    subject: str
    source: str
    shapes: int
    trim: tuple[float, float] | None
    profile: str


class _Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `take.json` says."""

    version: int
    frames: int
    name: str = ""
    names: tuple[str, ...] = ()
    bones: tuple[str, ...] = ()
    fps: float = 60.0
    start: str = ""
    subject: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    trim: tuple[float, float] | None = None
    profile: Profile | None = None


def save_take(take: Take, path: Path | str) -> None:
    """Write a take, whole or not at all. CannotWrite in a sentence when the disk does not let us."""
    write_whole(Path(path), take_bytes(take))


def take_bytes(take: Take) -> bytes:
    """A take's file. The same take gives the same bytes."""
    head = _Head(
        version=_VERSION, frames=len(take.times), name=take.name, names=take.names, bones=tuple(take.bones),
        fps=take.fps, start=take.start, subject=take.subject, source=take.source, notes=take.notes, trim=take.trim,
        profile=take.profile,
    )  # fmt: skip
    arrays = {"times": take.times, "weights": take.weights, "head": take.head, "eyes": take.eyes}
    arrays |= {f"bone{i}": rows for i, rows in enumerate(take.bones.values())}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        _put(file, "take.json", msgspec.json.format(msgspec.json.encode(head), indent=1))
        for name, array in arrays.items():
            _put(file, f"{name}.npy", _npy(array))
    return out.getvalue()


def _put(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    file.writestr(entry, data)


def _npy(a: F64) -> bytes:
    single = a.astype("<f4")
    whole = single if np.array_equal(single.astype("<f8"), a) else a.astype("<f8")
    out = io.BytesIO()
    np.lib.format.write_array(out, whole, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def load_take(path: Path | str) -> Take:
    """A take from its file; BadAsset in a sentence for a file that is none, is truncated or claims what cannot be."""
    return parse_take(_bytes(Path(path)), where=str(path))


def take_info(path: Path | str) -> TakeInfo:
    """What a take is, of its file; BadAsset as `load_take`. Only what is needed for it is unpacked."""
    data, where = _bytes(Path(path)), str(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            head, sizes = _opened(file, len(data), where)
            times = _array(_read(file, sizes["times.npy"]), (head.frames,), "times")
    except _BROKEN as fault:
        raise _none(where, fault) from None
    return TakeInfo(
        name=head.name, frames=head.frames, seconds=float(times[-1] - times[0]), fps=head.fps, start=head.start,
        subject=head.subject, source=head.source, shapes=len(head.names), trim=head.trim,
        profile=head.profile.name if head.profile is not None else "",
    )  # fmt: skip


def _bytes(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise BadAsset(f"There is no take {str(file)[-200:]!r}; check the path.")
        if file.stat().st_size > _MOST_FILE:
            raise BadAsset(f"{file} is larger than a take may be (1 GiB); trim it where it was recorded.")
        return file.read_bytes()
    except (OSError, ValueError) as fault:
        raise BadAsset(f"{str(file)[-200:]!r} cannot be read ({getattr(fault, 'strerror', None) or fault}).") from None


def parse_take(data: bytes, *, where: str) -> Take:
    """A take of its file's bytes; BadAsset that opens with `where`."""
    try:
        return _parsed(data, where)
    except _BROKEN as fault:
        raise _none(where, fault) from None


def _none(where: str, fault: Exception) -> BadAsset:
    what = str(fault)[:100] or type(fault).__name__
    return BadAsset(f"{where} is no whole take ({what}); copy it once more from its source.")


def _opened(file: zipfile.ZipFile, size: int, where: str) -> tuple[_Head, dict[str, zipfile.ZipInfo]]:
    """What a file says of itself, and its parts by name."""
    sizes = {entry.filename: entry for entry in file.infolist()}
    if len(sizes) > _MOST_PARTS or len(sizes) != len(file.infolist()):
        raise BadAsset(f"{where} holds parts that are none of a take.")
    if sum(entry.file_size for entry in sizes.values()) > min(_MOST_RATIO * size + 65536, 4 * _MOST_FILE):
        raise BadAsset(f"{where} claims to hold more than its size can; it is no take.")
    try:
        head = msgspec.json.decode(_read(file, sizes["take.json"]), type=_Head)
    except msgspec.DecodeError as fault:
        raise BadAsset(f"{where} does not say what it holds ({str(fault)[:100]}); record it again.") from None
    if head.version != _VERSION:
        raise BadAsset(f"{where} is a take of version {head.version}; this studio reads version {_VERSION}.")
    if not 0 < head.frames <= _MOST_FRAMES or len(head.bones) > _MOST_PARTS:
        raise BadAsset(f"{where} claims {head.frames} frames; a take has 1 to {_MOST_FRAMES}.")
    return head, sizes


def _parsed(data: bytes, where: str) -> Take:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        head, sizes = _opened(file, len(data), where)
        k = head.frames
        shapes = {"times": (k,), "weights": (k, len(head.names)), "head": (k, 6), "eyes": (k, 6)}
        shapes |= {f"bone{i}": (k, 4) for i in range(len(head.bones))}
        arrays = {name: _array(_read(file, sizes[f"{name}.npy"]), shape, name) for name, shape in shapes.items()}
    if head.profile is not None:
        checked(head.profile, where)
    return make_take(
        head.name, arrays["times"], arrays["weights"], names=head.names, head=arrays["head"], eyes=arrays["eyes"],
        bones={bone: arrays[f"bone{i}"] for i, bone in enumerate(head.bones)}, fps=head.fps, start=head.start,
        subject=head.subject, source=head.source, notes=head.notes, trim=head.trim, profile=head.profile,
    )  # fmt: skip


def _read(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """What an entry holds, never more than it claims."""
    with file.open(entry) as part:
        data = part.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise ValueError(f"{entry.filename[:40]} is not as long as it says")
    return data


def _array(data: bytes, shape: tuple[int, ...], name: str) -> F64:
    """An array (NumPy's format, version 1.0) of the shape that it must have."""
    if data[:8] != b"\x93NUMPY\x01\x00" or len(data) < 10:
        raise ValueError(f"{name} is no array")
    (length,) = struct.unpack_from("<H", data, 8)
    if length > 4096:
        raise ValueError(f"{name} has too long a header")
    header: Any = ast.literal_eval(data[10 : 10 + length].decode("latin-1").strip())
    kinds = {"<f4": np.float32, "<f8": np.float64}
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"{name} has no header")
    kind = kinds.get(header["descr"]) if isinstance(header["descr"], str) else None
    if kind is None or header["fortran_order"] is not False or header["shape"] != shape:
        raise ValueError(f"{name} is not of the shape {shape}")
    body = data[10 + length :]
    if len(body) != int(np.prod(shape)) * np.dtype(kind).itemsize:
        raise ValueError(f"{name} is cut short")
    rows: NDArray[Any] = np.frombuffer(body, np.dtype(kind).newbyteorder("<")).reshape(shape)
    with np.errstate(invalid="ignore"):
        return frozen(rows)
