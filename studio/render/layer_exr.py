"""The OpenEXR files of light layers: hundreds of parts, written strip by strip as a render finishes them.

OpenEXR's own writer, and OpenImageIO's on top of it, want a part whole before the next, so a frame of 300 layers would
have to wait in memory (3.7 GB of half floats at 1080p) or be stored, compressed, and compressed again. The format does
not ask for that: a multi-part file is its headers, a table of offsets for each part, and compressed chunks of 16 lines
in any order between the parts. This module writes these chunks as they come and the tables at the end, and reads one
part of such a file without a look at the others. Both sides keep to parts of scan lines whose channels are B, G and R,
all half or all float, compressed by ZIP or not at all; other programs read what is written here as any OpenEXR file.

The layout, the order of bytes and ZIP's predictor are those of "OpenEXR File Layout" (openexr.com). Reading trusts
nothing: counts are weighed against the size of the file before anything is allocated, and a chunk gives no more bytes
than its lines have.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.render.film import Crop
from studio.render.layer_plan import LINES

MAGIC, VERSION = 20000630, 2
_LONG_NAMES, _MULTI_PART = 0x400, 0x1000
_ZIP, _NONE = 3, 0
_HALF, _FLOAT = 1, 2
_LEVEL = 1  # of deflate, by runs: black and noise have no longer strings, and that is 1.6 times as fast, and shorter
_LONGEST_HEADER = 64 << 20
_MOST_PARTS = 1 << 16
_LARGEST_SIDE = 1 << 17

Attribute = str | int | float | Sequence[float]
Pixels = NDArray[Any]  # (lines, 3, width) float16 or float32: blue, green and red of each line


@dataclass(frozen=True, slots=True)
class PartHead:
    """A part: its name, whether its channels are floats, and what else its header says."""

    name: str
    floats: bool
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype("<f4") if self.floats else np.dtype("<f2")


# --- headers ---------------------------------------------------------------------------------------------------------
def chunks_of(crop: Crop) -> int:
    """Chunks of a part."""
    return -(-(crop[3] - crop[1]) // LINES)


def head_bytes(parts: Sequence[PartHead], size: tuple[int, int], crop: Crop) -> bytes:
    """Everything before the tables of offsets. `crop` is the data window, end excluded, in an image of `size`."""
    long = any(len(name.encode()) > 31 for p in parts for name in (p.name, *p.attributes))
    out = [struct.pack("<II", MAGIC, VERSION | _MULTI_PART | (_LONG_NAMES if long else 0))]
    for part in parts:
        x0, y0, x1, y1 = crop
        fixed = {
            "channels": ("chlist", _channels(_FLOAT if part.floats else _HALF)),
            "compression": ("compression", bytes([_ZIP])),
            "dataWindow": ("box2i", struct.pack("<4i", x0, y0, x1 - 1, y1 - 1)),
            "displayWindow": ("box2i", struct.pack("<4i", 0, 0, size[0] - 1, size[1] - 1)),
            "lineOrder": ("lineOrder", b"\0"),
            "pixelAspectRatio": ("float", struct.pack("<f", 1.0)),
            "screenWindowCenter": ("v2f", struct.pack("<2f", 0.0, 0.0)),
            "screenWindowWidth": ("float", struct.pack("<f", 1.0)),
            "name": ("string", part.name.encode()),
            "type": ("string", b"scanlineimage"),
            "chunkCount": ("int", struct.pack("<i", chunks_of(crop))),
        }
        for name, (kind_name, value) in (fixed | {k: _packed(v) for k, v in part.attributes.items()}).items():
            out.append(name.encode() + b"\0" + kind_name.encode() + b"\0" + struct.pack("<i", len(value)) + value)
        out.append(b"\0")
    return b"".join([*out, b"\0"])


def _packed(value: Attribute) -> tuple[str, bytes]:
    if isinstance(value, str):
        return "string", value.encode()
    if isinstance(value, int):
        return "int", struct.pack("<i", value)
    if isinstance(value, float):
        return "float", struct.pack("<f", value)
    if len(value) == 8:
        return "chromaticities", struct.pack("<8f", *value)
    if len(value) == 16:
        return "m44f", struct.pack("<16f", *value)
    return "floatvector", struct.pack(f"<{len(value)}f", *value)


# --- chunks ----------------------------------------------------------------------------------------------------------
def packed_lines(lines: Pixels) -> bytes:
    """At most 16 lines (n, 3, width), compressed as ZIP does, or as they are where that is no shorter."""
    raw = np.ascontiguousarray(lines, lines.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)
    shuffled = np.concatenate([raw[0::2], raw[1::2]])
    deltas = np.empty_like(shuffled)
    deltas[:1] = shuffled[:1]
    np.subtract(shuffled[1:], shuffled[:-1], out=deltas[1:])
    deltas[1:] += np.uint8(128)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    packed = packer.compress(deltas.data) + packer.flush()
    return packed if len(packed) < raw.size else raw.tobytes()


def unpacked_lines(data: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Pixels:
    """The inverse; ValueError for data that does not hold exactly these lines."""
    size = shape[0] * shape[1] * shape[2] * dtype.itemsize
    if len(data) == size:
        return np.frombuffer(data, dtype).reshape(shape)
    unpacker = zlib.decompressobj()
    try:
        deltas = np.frombuffer(unpacker.decompress(data, size), np.uint8)
        more = b"" if unpacker.eof else unpacker.decompress(unpacker.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if deltas.size != size or more or not unpacker.eof:
        raise ValueError("it holds another number of pixels")
    turned = deltas - np.uint8(128)
    turned[:1] = deltas[:1]
    shuffled = np.cumsum(turned, dtype=np.uint8)
    raw = np.empty(size, np.uint8)
    half = (size + 1) // 2
    raw[0::2], raw[1::2] = shuffled[:half], shuffled[half:]
    return raw.view(dtype).reshape(shape)


def is_black(lines: Pixels) -> bool:
    """Whether all of some lines is zero; as whole numbers, which is ten times as fast as with half floats."""
    return not lines.view(np.uint32 if lines.itemsize == 4 else np.uint16).any()


class PartsWriter:
    """A file at work: headers, room for the tables, and chunks in the order in which they come.

    Every part gets its lines from top to bottom. OSErrors of the disk pass.
    """

    def __init__(self, file: IO[bytes], parts: Sequence[PartHead], size: tuple[int, int], crop: Crop) -> None:
        self.file, self.parts, self.crop = file, tuple(parts), crop
        head = head_bytes(parts, size, crop)
        self._tables = len(head)
        self.offsets = np.zeros((len(parts), chunks_of(crop)), "<u8")
        self.first = self._tables + self.offsets.nbytes  # where the chunks begin
        self._black: dict[tuple[int, int], bytes] = {}
        file.write(head)
        file.write(self.offsets.tobytes())

    def write(self, part: int, y: int, lines: Pixels) -> None:
        """Lines `y` and below of a part; `y` begins a chunk."""
        self.write_packed(part, y, self.pack(lines))

    def pack(self, lines: Pixels) -> list[bytes]:
        """The chunks of some lines, in any thread; black ones, which are most of 300, are made once."""
        found = []
        for at in range(0, len(lines), LINES):
            some = lines[at : at + LINES]
            if not is_black(some):
                found.append(packed_lines(some))
                continue
            key = some.size, some.itemsize
            if key not in self._black:
                self._black[key] = packed_lines(some)
            found.append(self._black[key])
        return found

    def write_packed(self, part: int, y: int, chunks: Sequence[bytes]) -> None:
        """What `pack` made of lines `y` and below."""
        first = (y - self.crop[1]) // LINES
        for k, chunk in enumerate(chunks):
            self.offsets[part, first + k] = self.file.tell()
            self.file.write(struct.pack("<iii", part, y + k * LINES, len(chunk)))
            self.file.write(chunk)

    def finish(self) -> None:
        """Write the tables; every chunk is there."""
        if (self.offsets == 0).any():
            raise ValueError("a part lacks some of its lines")
        self.file.flush()
        self.file.seek(self._tables)
        self.file.write(self.offsets.tobytes())
        self.file.flush()


# --- reading ---------------------------------------------------------------------------------------------------------
class PartsReader:
    """The parts of a file, each read on its own; from several threads at once if wished.

    Raises `BadAsset` with a sentence for what is no such file, or a damaged one.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, threading.Lock()
        try:
            if not path.is_file():
                raise BadAsset(f"there are no light layers {path}; render them with light layers on")
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise BadAsset(f"cannot read the light layers {path}: {error.strerror}") from error
        except ValueError as error:  # a NUL in the name
            raise BadAsset(f"there are no light layers {str(path)!r}") from error
        try:
            self._read_head()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _bad(self, what: str) -> BadAsset:
        return BadAsset(f"{self.path} is damaged: {what}; render it again")

    def _read_head(self) -> None:
        self.nbytes = self._file.seek(0, 2)
        head = self._at(0, min(self.nbytes, _LONGEST_HEADER))
        if len(head) < 8 or struct.unpack_from("<I", head)[0] != MAGIC:
            raise BadAsset(f"{self.path} is not an OpenEXR file of light layers; choose a NAME.lights.exr")
        if struct.unpack_from("<I", head, 4)[0] & ~_LONG_NAMES != VERSION | _MULTI_PART:
            raise BadAsset(f"{self.path} is an OpenEXR file without light layers; choose a NAME.lights.exr")
        heads, at = [], 8
        while head[at : at + 1] != b"\0":
            attributes, at = self._attributes(head, at)
            heads.append(attributes)
            if len(heads) > _MOST_PARTS:
                raise self._bad("it has too many parts")
        if not heads:
            raise self._bad("it has no parts")
        self.size, self.crop = self._windows(heads[0])
        self.parts = tuple(self._part(entries) for entries in heads)
        count = len(self.parts) * chunks_of(self.crop)
        table = self._at(at + 1, count * 8) if count * 8 <= self.nbytes else b""
        if len(table) < count * 8:
            raise self._bad("it is cut short")
        self.offsets = np.frombuffer(table, "<u8").reshape(len(self.parts), -1)

    def _attributes(self, head: bytes, at: int) -> tuple[dict[str, tuple[str, bytes]], int]:
        """The attributes of the header at a place, and where the next one begins."""
        found: dict[str, tuple[str, bytes]] = {}
        while head[at : at + 1] != b"\0":
            name, at = self._text(head, at)
            kind, at = self._text(head, at)
            if at + 4 > len(head):
                raise self._bad("its header is cut short")
            (length,) = struct.unpack_from("<i", head, at)
            at += 4
            if not 0 <= length <= len(head) - at:
                raise self._bad("its header is cut short")
            found[name] = kind, head[at : at + length]
            at += length
        return found, at + 1

    def _text(self, head: bytes, at: int) -> tuple[str, int]:
        end = head.find(b"\0", at, at + 256)
        if end < 0:
            raise self._bad("its header is cut short")
        return head[at:end].decode(errors="replace"), end + 1

    def _windows(self, entries: Mapping[str, tuple[str, bytes]]) -> tuple[tuple[int, int], Crop]:
        data, shown = (entries.get(name, ("", b""))[1] for name in ("dataWindow", "displayWindow"))
        if len(data) != 16 or len(shown) != 16:
            raise self._bad("it does not say its size")
        x0, y0, x1, y1 = struct.unpack("<4i", data)
        left, top, right, bottom = struct.unpack("<4i", shown)
        width, height = right - left + 1, bottom - top + 1
        if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
            raise self._bad(f"it claims a size of {width} x {height}")
        if not (0 <= x0 <= x1 < width and 0 <= y0 <= y1 < height):
            raise self._bad("its pixels lie outside of its picture")
        return (width, height), (x0, y0, x1 + 1, y1 + 1)

    def _part(self, entries: Mapping[str, tuple[str, bytes]]) -> PartHead:
        name = entries.get("name", ("", b""))[1].decode(errors="replace")
        if self._windows(entries) != (self.size, self.crop):
            raise self._bad(f"its part {name!r} is of another size")
        kind = _KINDS.get(entries.get("channels", ("", b""))[1])
        if entries.get("type", ("", b""))[1] != b"scanlineimage" or kind is None:
            raise BadAsset(f"{self.path} has a part {name!r} that is no light layer; choose a NAME.lights.exr")
        if entries.get("compression", ("", b""))[1] not in (bytes([_ZIP]), bytes([_NONE])):
            raise BadAsset(f"{self.path} was compressed anew by another program; use the file as it was rendered")
        return PartHead(name, kind == _FLOAT, dict(_plain(entries)))

    def chunk(self, part: int, index: int) -> Pixels:
        """Lines (n, 3, width) of a part: blue, green and red. Raises `BadAsset`."""
        x0, y0, x1, y1 = self.crop
        y = y0 + index * LINES
        lines, head = min(LINES, y1 - y), self.parts[part]
        size = lines * 3 * (x1 - x0) * head.dtype.itemsize
        offset = int(self.offsets[part, index])
        data = self._at(offset, 12) if offset <= self.nbytes - 12 else b""
        if len(data) < 12:
            raise self._bad(f"lines of {head.name!r} are missing")
        found, line, length = struct.unpack("<iii", data)
        if found != part or line != y or not 0 < length <= size:
            raise self._bad(f"lines of {head.name!r} are not where they should be")
        data = self._at(offset + 12, length)
        if len(data) < length:
            raise self._bad("it is cut short")
        try:
            return unpacked_lines(data, (lines, 3, x1 - x0), head.dtype)
        except ValueError as error:
            raise self._bad(f"lines of {head.name!r} cannot be read ({error})") from error

    def _at(self, offset: int, count: int) -> bytes:
        """Bytes of the file, fewer at its end."""
        try:
            with self._lock:
                self._file.seek(offset)
                return self._file.read(count)
        except (OSError, ValueError) as error:
            raise BadAsset(f"cannot read the light layers {self.path}: {error}") from error


def _channels(kind: int) -> bytes:
    """The channel list of a part."""
    return b"".join(name + b"\0" + struct.pack("<iB3xii", kind, 0, 1, 1) for name in (b"B", b"G", b"R")) + b"\0"


_KINDS = {_channels(kind): kind for kind in (_HALF, _FLOAT)}


def _plain(entries: Mapping[str, tuple[str, bytes]]) -> Iterator[tuple[str, Attribute]]:
    """The attributes that are texts or single numbers."""
    for name, (kind, value) in entries.items():
        if kind == "string":
            yield name, value.decode(errors="replace")
        elif kind in ("int", "float") and len(value) == 4:
            yield name, struct.unpack("<i" if kind == "int" else "<f", value)[0]
