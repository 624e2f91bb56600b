"""OpenEXR files by OpenEXR's own library: parts of planar channels, half or float, with their headers.

OpenImageIO writes EXRs too, and reads them here. It is not used for writing because its writer copies the pixels twice
more on the way to the same library: for twelve half-float layers of 1080p it takes 1.3 times the processor time of this
one with ZIP and DWAA and twice with PIZ, at any number of threads and whether it is given floats or halves
(`benchmarks/exr.py` has both). Colours become halves here, a part a thread, while nothing else waits for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST_HALF, _INFINITE_HALF = 65504.0, 0x7C00
Value = str | int | float | Sequence[float]


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A part of a file: its name, channels (h, w, len(channels)), which of them are floats, and its header."""

    name: str
    channels: tuple[str, ...]
    pixels: NDArray[np.float32]
    floats: frozenset[str]
    compression: str
    header: Mapping[str, Value]


def write_sections(
    path: Path, sections: Sequence[Section], *, crop: tuple[int, int, int, int], size: tuple[int, int], dwa_level: float
) -> None:
    """Write a file. `crop` is x0, y0, x1, y1 of the pixels in an image of `size`, end excluded.

    Raises RuntimeError, with OpenEXR's words, when the disk does not take it.
    """
    import OpenEXR

    if OpenEXR.global_thread_count() == 0:
        OpenEXR.set_global_thread_count(os.cpu_count() or 1)
    threads = OpenEXR.global_thread_count()
    with ThreadPoolExecutor(threads) as pool:
        planes = list(pool.map(_planes, sections))
    box = {
        "dataWindow": _box(crop[0], crop[1], crop[2] - 1, crop[3] - 1),
        "displayWindow": _box(0, 0, size[0] - 1, size[1] - 1),
        "type": OpenEXR.scanlineimage,
    }
    parts = []
    for section, channels in zip(sections, planes, strict=True):
        header: dict[str, Any] = {name: _attribute(value) for name, value in section.header.items()} | box
        header["compression"] = getattr(OpenEXR, _NAMES[section.compression])
        if section.compression.startswith("dwa"):
            header["dwaCompressionLevel"] = float(dwa_level)
        parts.append(OpenEXR.Part(header, channels, section.name))
    OpenEXR.File(parts).write(str(path))


_NAMES = {name: f"{'NO' if name == 'none' else name.upper()}_COMPRESSION" for name in (
    "none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab"
)}  # fmt: skip


def _planes(section: Section) -> dict[str, NDArray[Any]]:
    """The channels, each of them contiguous. A lamp seen directly may outshine what a half float holds; its layer then
    keeps its energy as floats."""
    floats = section.floats
    if not floats:  # all at once is faster than one by one
        with np.errstate(over="ignore", invalid="ignore"):
            planes = np.ascontiguousarray(np.moveaxis(section.pixels.astype(np.float16), -1, 0))
        if not planes.size or (planes.view(np.uint16) & 0x7FFF).max() < _INFINITE_HALF:
            return dict(zip(section.channels, planes, strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        floats |= _too_bright(section)
        return {
            name: np.ascontiguousarray(section.pixels[..., i], np.float32 if name in floats else np.float16)
            for i, name in enumerate(section.channels)
        }


def _too_bright(section: Section) -> frozenset[str]:
    """The channels of layers that half floats do not hold."""
    bright = {
        name.rpartition(".")[0]
        for i, name in enumerate(section.channels)
        if name not in section.floats and np.any(np.abs(section.pixels[..., i]) > _LARGEST_HALF)
    }
    return frozenset(name for name in section.channels if name.rpartition(".")[0] in bright)


def _box(x0: int, y0: int, x1: int, y1: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.array([x0, y0], np.int32), np.array([x1, y1], np.int32)


def _attribute(value: Value) -> Any:
    """A value as OpenEXR wants it: 16 numbers are a matrix (row vectors), 8 the chromaticities."""
    if isinstance(value, str | int | float):
        return value
    if len(value) == 16:
        return np.array(value, np.float32).reshape(4, 4)
    return tuple(float(v) for v in value) if len(value) == 8 else [float(v) for v in value]
