"""Partial renders: a film on disk with all that says what it may be merged with, and the merge that refuses the rest.

A partial (`.part`) is what a tile, a range of samples or a checkpoint leaves behind. Because a film is integer sums,
merging is exact: the same render split in any way, merged in any order, has the same bits. That holds only between
partials of one scene, one build of the renderer, one backend and one class of device, so the merge names the first
field in which two files differ, every overlap and every gap.

The file: 8 bytes magic, the length of a JSON header as u32, the header, then for every array of the film one byte
(0 stored, 1 deflated), its length as u64 and its bytes, and at the end a BLAKE2b-256 of everything before it. Numbers
are little-endian; a deflated array is cut in blocks whose bytes are transposed, so that the quiet high bytes of the
sums lie together. No pickle and no offsets, nothing that a reader could follow out of the file; what an array may
occupy in memory is weighed against its bytes in the file before it is allocated.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, UsageError
from studio.render.film import MATTE_SLOTS, Array, Crop, Film, Layout
from studio.render.output import replacing
from studio.render.settings import RenderSettings, shared_settings

MAGIC = b"MYRDPRT1"
_DIGEST_BYTES = 32
_LONGEST_HEADER = 4 << 20
_BEGINNING = len(MAGIC) + 4  # and the length of the header
_BLOCK = 1 << 22
# deflate can pack a thousandfold; a reader allocates no more than this for an array, and the writer stores it instead
_MOST_RATIO, _FREE_BYTES = 20, 32 << 20
_FREE_MERGE_BYTES = 1 << 30
_LARGEST_SIDE = 1 << 17

Range = tuple[int, int]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a partial is of. The fields of `IDENTITY` must agree between partials that are merged.

    `ranges` are the half-open global sample ranges in the file. `region` and `total` say what the whole render is to
    cover, so that a missing tile at the edge is noticed; without them it is what the partials at hand enclose.
    """

    scene: str  # content hash
    build: str  # version and source digest of the renderer
    backend: str  # cpu, cuda, vulkan, metal
    device: str  # class of device, within which results are bit-identical
    frame: float
    settings: str  # `settings_digest`
    ranges: tuple[Range, ...]
    region: Crop | None = None
    total: Range | None = None
    adaptive: bool = False  # pixels may have stopped before the end of `ranges`
    complete: bool = True  # every pixel has every sample of `ranges`, unless adaptive; False after a merge with gaps
    blocks: str = ""  # which were chosen by the whole picture (`studio.farm.rounds`), of an adaptive part that has all
    state: dict[str, Any] = msgspec.field(default_factory=dict)  # what a session needs to resume


IDENTITY = {
    "scene": "scene",
    "build": "renderer build",
    "backend": "backend",
    "device": "device class",
    "frame": "frame",
    "settings": "render settings",
    "adaptive": "use of adaptive sampling",
}


class _Contents(msgspec.Struct, frozen=True, kw_only=True):
    header: Header
    layout: Layout
    slots: int = MATTE_SLOTS  # matte slots in the file; the rest are empty in every pixel


def settings_digest(settings: RenderSettings) -> str:
    """Digest of the settings that every partial of a render shares: all but the part that each one covers."""
    return hashlib.blake2b(msgspec.json.encode(shared_settings(settings)), digest_size=16).hexdigest()


# writing


def write_partial(path: str | Path, film: Film, header: Header) -> None:
    """Write a partial, whole or not at all. Raises `CannotWrite`; a film that is not what `header` says, ValueError."""
    with replacing(path) as temporary, open(temporary, "w+b") as file:
        _write(file, film, header)
        file.flush()
        os.fsync(file.fileno())


def packed_partial(film: Film, header: Header) -> bytes:
    """The bytes of a partial, for a farm's store, which is no file. ValueError for a film that is not what `header`
    says."""
    file = io.BytesIO()
    _write(file, film, header)
    return file.getvalue()


def _write(file: IO[bytes], film: Film, header: Header) -> None:
    film.settle()
    if fault := _fault(film, header):
        raise ValueError(fault)
    used = np.flatnonzero(np.asarray((film.matte_counts > 0).any(axis=(0, 1, 2))))
    slots = int(used.max(initial=0)) + 1
    contents = msgspec.json.encode(_Contents(header=header, layout=film.layout, slots=slots))
    file.write(MAGIC + struct.pack("<I", len(contents)) + contents)
    for name, array in film.buffers().items():
        _write_array(file, array[..., :slots] if name in _SLOTTED else array, array.nbytes)
    file.seek(0)
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    while block := file.read(_BLOCK):
        digest.update(block)
    file.write(digest.digest())


_SLOTTED = ("matte_ids", "matte_counts")


def _write_array(file: IO[bytes], array: Array, in_memory: int) -> None:
    start = file.tell()
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    file.write(struct.pack("<BQ", 1, 0))
    packed = sum(file.write(chunk) for chunk in _deflate(little))
    if in_memory > _MOST_RATIO * packed + _FREE_BYTES:
        file.seek(start)
        file.truncate()
        file.write(struct.pack("<BQ", 0, little.nbytes))
        file.write(little.data)
        return
    file.seek(start)
    file.write(struct.pack("<BQ", 1, packed))
    file.seek(0, os.SEEK_END)


def _deflate(array: Array) -> Iterator[bytes]:
    # noise has no words to find again, only runs of zeros: half the time for a hundredth more bytes
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    flat = array.reshape(-1).view(np.uint8)
    for at in range(0, flat.size, _BLOCK):
        block = flat[at : at + _BLOCK].reshape(-1, array.itemsize)
        yield packer.compress(np.ascontiguousarray(block.T).data)
    yield packer.flush()


# reading


def read_partial(path: str | Path) -> tuple[Film, Header]:
    """The film and header of a partial; a file that is not one, or is damaged, raises `BadAsset` with a sentence."""
    path = Path(path)
    with _opened(path) as file:
        contents, hashed = _read_contents(file, path)
        layout, size = contents.layout, os.fstat(file.fileno()).st_size
        arrays: dict[str, Array] = {}
        for name, (dtype, shape) in layout.shapes().items():
            arrays[name] = _read_array(file, path, name, dtype, shape, contents.slots, hashed, size)
        digest = file.read(_DIGEST_BYTES)
        if len(digest) < _DIGEST_BYTES or file.read(1):
            raise BadAsset(f"{path} does not end where its contents do; render it again")
        if digest != hashed.digest():
            raise BadAsset(f"{path} is damaged: its checksum does not fit its contents; render it again")
    film = Film.over(arrays, layout)
    if fault := _fault(film, contents.header):
        raise BadAsset(f"{path} is inconsistent: {fault}; render it again")
    film.settle()
    return film, contents.header


def read_header(path: str | Path) -> tuple[Header, Layout]:
    """What a partial says it is, without its sums (and without the check of their checksum)."""
    with _opened(Path(path)) as file:
        contents, _ = _read_contents(file, Path(path))
    return contents.header, contents.layout


def header_in(read: Callable[[int, int], bytes], size: int, where: str) -> Header:
    """What a partial of so many bytes says it is, of which `read` gives those from one place to another: of one that is
    no file here. Raises BadAsset, naming `where` it is."""
    start = read(0, _BEGINNING) if size > _BEGINNING else b""
    if not start.startswith(MAGIC):
        raise BadAsset(f"{where} is not a partial render of this version of Myriad")
    return _contents_in(read(_BEGINNING, _BEGINNING + _length_in(start, size - _BEGINNING, where)), where).header


def _opened(path: Path) -> IO[bytes]:
    try:
        if not path.is_file():
            raise BadAsset(f"there is no partial render {path}")
        return open(path, "rb")
    except OSError as error:
        raise BadAsset(f"cannot read the partial render {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise BadAsset(f"there is no partial render {str(path)!r}") from error


class _Hash:
    """The digest of what has been read so far."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self.digest = self._hash.digest

    def read(self, file: IO[bytes], count: int, path: Path) -> bytes:
        data = file.read(count)
        if len(data) < count:
            raise BadAsset(f"{path} is cut short; render it again")
        self._hash.update(data)
        return data


def _length_in(start: bytes, most: int, where: Path | str) -> int:
    """How long the header is, by the beginning of a partial."""
    (length,) = struct.unpack("<8xI", start)
    if length > min(_LONGEST_HEADER, most):
        raise BadAsset(f"{where} is damaged: its header claims {length} bytes; render it again")
    return int(length)


def _contents_in(data: bytes, where: Path | str) -> _Contents:
    """What a header says. It may be hostile."""
    try:
        contents = msgspec.json.decode(data, type=_Contents)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAsset(f"{where} is damaged: its header cannot be read ({error}); render it again") from error
    if fault := _header_fault(contents):
        raise BadAsset(f"{where} is damaged: its header has {fault}; render it again")
    return contents


def _read_contents(file: IO[bytes], path: Path) -> tuple[_Contents, _Hash]:
    hashed, size = _Hash(), os.fstat(file.fileno()).st_size
    if file.read(len(MAGIC)) != MAGIC:
        raise BadAsset(f"{path} is not a partial render of this version of Myriad")
    file.seek(0)
    length = _length_in(hashed.read(file, _BEGINNING, path), size, path)
    contents = _contents_in(hashed.read(file, length, path), path)
    claimed = contents.layout.nbytes
    if claimed > _MOST_RATIO * size + len(contents.layout.shapes()) * _FREE_BYTES:
        raise BadAsset(f"{path} is damaged: it claims {claimed} bytes of pixels in a file of {size}; render it again")
    return contents, hashed


def _header_fault(contents: _Contents) -> str:
    """What is wrong with a header that may be hostile, or nothing."""
    layout, header = contents.layout, contents.header
    regions = [(layout.crop, "crop")] + ([(header.region, "region")] if header.region else [])
    ranges = header.ranges + ((header.total,) if header.total else ())
    names = [c.name for c in layout.channels]
    exponents = [layout.exponent] + [c.exponent for c in layout.channels]
    if not (0 < layout.width <= _LARGEST_SIDE and 0 < layout.height <= _LARGEST_SIDE):
        return f"a size of {layout.width} x {layout.height}"
    for (x0, y0, x1, y1), what in regions:
        if not (0 <= x0 < x1 <= layout.width and 0 <= y0 < y1 <= layout.height):
            return f"a {what} outside of its image"
    if any(not 0 <= a < b <= 1 << 31 for a, b in ranges) or any(
        b > a for (_, b), (a, _) in zip(header.ranges, header.ranges[1:], strict=False)
    ):
        return "sample ranges that are empty or out of order"
    if len(set(names)) < len(names) or not {"R", "G", "B", "A"} <= set(names) or len(names) > 1 << 14:
        return "channels that are missing or double"
    if any(not -128 <= e <= 128 for e in exponents):
        return "fixed-point exponents out of range"
    if not 1 <= contents.slots <= MATTE_SLOTS or len(layout.minima) > 16 or len(layout.mattes) > 16:
        return "more layers than a film can have"
    return ""


def _read_array(
    file: IO[bytes],
    path: Path,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    slots: int,
    hashed: _Hash,
    size: int,
) -> Array:
    mode, length = struct.unpack("<BQ", hashed.read(file, 9, path))
    stored_shape = (*shape[:-1], slots) if name in _SLOTTED else shape
    raw = dtype.itemsize * math.prod(stored_shape)
    in_memory = dtype.itemsize * math.prod(shape)
    if mode > 1 or length > size or (mode == 0 and length != raw):
        raise BadAsset(f"{path} is damaged: {name} has an impossible length; render it again")
    if in_memory > _MOST_RATIO * length + _FREE_BYTES:
        raise BadAsset(f"{path} is damaged: {name} claims {in_memory} bytes from {length}; render it again")
    flat = np.empty(raw, np.uint8)
    if mode == 0:
        for at in range(0, raw, _BLOCK):
            chunk = hashed.read(file, min(_BLOCK, raw - at), path)
            flat[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
    else:
        try:
            _inflate(file, path, length, dtype.itemsize, flat, hashed)
        except zlib.error as error:
            raise BadAsset(f"{path} is damaged: {name} cannot be unpacked; render it again") from error
    array = flat.view(dtype.newbyteorder("<")).reshape(stored_shape).astype(dtype, copy=False)
    if stored_shape == shape:
        return array
    whole = np.zeros(shape, dtype)
    whole[..., :slots] = array
    return whole


def _inflate(file: IO[bytes], path: Path, length: int, itemsize: int, out: NDArray[np.uint8], hashed: _Hash) -> None:
    """Unpack `length` bytes of the file over `out`, exactly, block by block."""
    unpacker, pending, left = zlib.decompressobj(), b"", length
    for at in range(0, out.size, _BLOCK):
        want = min(_BLOCK, out.size - at)
        block = bytearray()
        while len(block) < want:
            if not pending and left:
                pending = hashed.read(file, min(_BLOCK, left), path)
                left -= len(pending)
            got = unpacker.decompress(pending, want - len(block))
            if not got and not left and not unpacker.unconsumed_tail:
                raise BadAsset(f"{path} is damaged: an array ends too early; render it again")
            if unpacker.eof and len(block) + len(got) < want:
                raise BadAsset(f"{path} is damaged: an array ends too early; render it again")
            block += got
            pending = unpacker.unconsumed_tail
        planes = np.frombuffer(block, np.uint8).reshape(itemsize, -1)
        out[at : at + want].reshape(-1, itemsize)[...] = planes.T
    # the checksum of the stream itself may still be to come, but no more data
    rest = pending + (hashed.read(file, left, path) if left else b"")
    if unpacker.decompress(rest, 1) or not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise BadAsset(f"{path} is damaged: an array does not end where it should; render it again")


def _fault(film: Film, header: Header) -> str:
    """How a film contradicts its header, or nothing."""
    samples = sum(b - a for a, b in header.ranges)
    exact = header.complete and not header.adaptive
    if film.counts.min() < (samples if exact else 0) or film.counts.max() > samples:
        held = f"{film.counts.min()} to {film.counts.max()}"
        return f"its header promises {samples} samples a pixel and its pixels hold {held}"
    if (film.half_counts < 0).any() or (film.half_counts > film.counts).any():
        return "its half buffer holds more samples than there are"
    if np.isnan(film.minima).any():
        return "its depth holds values that are not numbers"
    if (film.matte_lost < 0).any() or ((film.matte_ids == 0) != (film.matte_counts == 0)).any():
        return "its mattes hold ids without samples"
    return ""


# merging


def merge_partials(paths: Sequence[str | Path], *, allow_gaps: bool = False) -> tuple[Film, Header]:
    """One film of all partials, whatever their order: the same bits as one render of it all.

    The film covers `Header.region` (default: what the partials enclose) with the samples of `Header.total`. Raises
    `UsageError` for partials of different renders, overlaps and, unless `allow_gaps`, gaps; `BadAsset` for a file that
    cannot be read. After a merge with gaps the header's `complete` is False.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise UsageError("there are no partial renders to merge")
    parts = [(path, *read_header(path)) for path in files]
    for part in parts[1:]:
        _check_same(parts[0], part)
    crops = [layout.crop for _, _, layout in parts]
    region = _hull(crops + [h.region for _, h, _ in parts if h.region])
    ranges = [r for _, header, _ in parts for r in header.ranges]
    bounds = ranges + [h.total for _, h, _ in parts if h.total]
    total = min(a for a, _ in bounds), max(b for _, b in bounds)
    gap = _check_cover(parts, region, total)
    if gap and not allow_gaps:
        raise UsageError(f"cannot merge: {gap}; render the missing part, or allow gaps to merge what there is")
    first_header, first_layout = parts[0][1:]
    merged = msgspec.structs.replace(first_layout, crop=region)
    if gap and merged.nbytes > _MOST_RATIO * sum(path.stat().st_size for path in files) + _FREE_MERGE_BYTES:
        raise UsageError(f"the partial renders hold too little of the image to merge with gaps: {gap}")
    film = Film.of(merged)
    for path in files:
        read_partial(path)[0].merge_into(film)
    gap = gap or _short(film, 1 if first_header.adaptive else total[1] - total[0])
    if gap and not allow_gaps:
        raise UsageError(f"cannot merge: {gap}; go on with the render by --resume, or allow gaps")
    complete = not gap and all(header.complete for _, header, _ in parts)
    return film, msgspec.structs.replace(
        first_header,
        ranges=_union(ranges) if not complete else (total,),
        region=region,
        total=total,
        complete=complete,
        state=first_header.state if len(parts) == 1 else {},
    )


def _short(film: Film, samples: int) -> str:
    """Which lines lack samples that their files seem to hold, or nothing: a render with light layers that was cut short
    has all samples of its upper lines and none of the others."""
    lines = np.flatnonzero((film.counts < samples).any(axis=1)) + film.crop[1]
    return f"pixels of lines {lines[0]} to {lines[-1]} lack samples" if len(lines) else ""


_Part = tuple[Path, Header, Layout]


def _check_same(one: _Part, other: _Part) -> None:
    (path, header, layout), (other_path, other_header, other_layout) = one, other
    pairs: list[tuple[str, Any, Any]] = []
    for field, what in IDENTITY.items():
        pairs.append((what, getattr(header, field), getattr(other_header, field)))
    pairs.append(("size", f"{layout.width}x{layout.height}", f"{other_layout.width}x{other_layout.height}"))
    for field in ("channels", "exponent", "minima", "mattes", "luminance"):
        pairs.append((field, getattr(layout, field), getattr(other_layout, field)))
    for what, a, b in pairs:
        if a != b:
            said = f" ({a} and {b})" if isinstance(a, str | float | bool | int) else ""
            raise UsageError(f"{path} and {other_path} differ in the {what}{said} and cannot be merged")


def _hull(crops: Sequence[Crop]) -> Crop:
    x0, y0, x1, y1 = zip(*crops, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _union(ranges: Sequence[Range]) -> tuple[Range, ...]:
    joined: list[Range] = []
    for a, b in sorted(ranges):
        if joined and a <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(b, joined[-1][1])
        else:
            joined.append((a, b))
    return tuple(joined)


def _check_cover(parts: Sequence[_Part], region: Crop, total: Range) -> str:
    """The first gap as a sentence, or nothing. Raises `UsageError` for an overlap.

    The edges of all crops cut the region into cells that each partial covers wholly or not at all.
    """
    xs = sorted({region[0], region[2], *(x for _, _, lay in parts for x in lay.crop[::2])})
    ys = sorted({region[1], region[3], *(y for _, _, lay in parts for y in lay.crop[1::2])})
    column, row = ({edge: i for i, edge in enumerate(edges)} for edges in (xs, ys))
    cells: dict[tuple[int, int], list[tuple[Range, _Part]]] = {}
    for part in parts:
        x0, y0, x1, y1 = part[2].crop
        for j in range(row[y0], row[y1]):
            for i in range(column[x0], column[x1]):
                cells.setdefault((j, i), []).extend((r, part) for r in part[1].ranges)
    gap = ""
    for j in range(len(ys) - 1):
        for i in range(len(xs) - 1):
            where = f"pixels {xs[i]},{ys[j]} to {xs[i + 1]},{ys[j + 1]}"
            missing = _check_cell(cells.get((j, i), []), where, total)
            gap = gap or missing
    return gap


def _check_cell(covers: list[tuple[Range, _Part]], where: str, total: Range) -> str:
    at, missing = total[0], ""
    previous: _Part | None = None
    for (a, b), part in sorted(covers, key=lambda cover: cover[0]):
        if previous is not None and a < at:
            raise UsageError(f"{previous[0]} and {part[0]} both hold sample {a} of {where}; leave one of them out")
        if previous is not None and previous is not part and part[1].adaptive and not part[1].blocks:
            raise UsageError(f"{previous[0]} and {part[0]} share {where}, but adaptive samples cannot be split")
        if a > at and not missing:
            missing = f"samples {at}:{a} of {where} are in none of the files"
        at, previous = b, part
    if at < total[1] and not missing:
        missing = f"samples {at}:{total[1]} of {where} are in none of the files"
    return missing
