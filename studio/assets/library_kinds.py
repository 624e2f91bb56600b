"""What the library takes for an asset: which files, of which kind, and which it passes over.

A kind is told by a file's name, but for pictures in floating point, whose header is looked at: one that is twice as
wide as high is an environment. Only the header is read, by hand, so that a folder of gigabytes is listed at once.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODEL, HDRI, IMAGE, MATERIAL, RIG, IES, PROJECT = "model", "hdri", "image", "material", "rig", "ies", "project"
KINDS = (MODEL, HDRI, IMAGE, MATERIAL, RIG, IES, PROJECT)
MATERIAL_SUFFIX, RIG_SUFFIX = ".material.json", ".rig.json"
PROJECT_SUFFIX = ".studio"

_SUFFIXES = {
    **dict.fromkeys((".glb", ".gltf", ".vrm", ".obj", ".usd", ".usda", ".usdc", ".usdz"), MODEL),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".ktx2", ".hdr", ".exr"), IMAGE),
    ".ies": IES,
}
_PASSING = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".swp", ".bak", "~")
_DEEPEST = 32  # folders below a watched one
_HEAD = 1 << 16  # bytes of a picture in which its size must stand
_WHOLE = 64 << 20  # bytes up to which all of a file is hashed
_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """An asset on disk. `path` is absolute; size and time are those of the file that tells its content."""

    path: str
    kind: str
    size: int
    mtime_ns: int


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name is hidden or only there for a moment."""
    return name.startswith((".", "~$")) or name.lower().endswith(_PASSING)


def kind_of(path: str) -> str:
    """The kind that a file's name tells, "" for none; a floating point picture is an image until it was looked at."""
    low = path.lower()
    if low.endswith(MATERIAL_SUFFIX):
        return MATERIAL
    if low.endswith(RIG_SUFFIX):
        return RIG
    return _SUFFIXES.get(os.path.splitext(low)[1], "")


def name_of(path: str) -> str:
    """What an asset is called: its file's name without what tells its kind."""
    name = os.path.basename(path.rstrip(os.sep))
    for suffix in (MATERIAL_SUFFIX, RIG_SUFFIX):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return os.path.splitext(name)[0]


def look_at(path: str, root: str) -> Found | None:
    """The asset at a path inside a watched folder, or None. Links that lead out of the folder are not followed."""
    try:
        if os.path.islink(path) and not _inside(os.path.realpath(path), root):
            return None
        told = os.stat(path)
        if stat.S_ISDIR(told.st_mode):
            if not path.lower().endswith(PROJECT_SUFFIX):
                return None
            told = os.stat(os.path.join(path, "scene.json"))
            return Found(path, PROJECT, told.st_size, told.st_mtime_ns) if stat.S_ISREG(told.st_mode) else None
    except (OSError, ValueError):
        return None
    kind = kind_of(path) if stat.S_ISREG(told.st_mode) else ""
    return Found(path, kind, told.st_size, told.st_mtime_ns) if kind else None


def walk(folder: str, root: str = "") -> Iterator[Found]:
    """Every asset in a folder and below, in the order of names. A project is one asset; nothing in it is listed."""
    root = root or os.path.realpath(folder)
    open_: list[tuple[str, int]] = [(folder, 0)]
    while open_:
        place, depth = open_.pop()
        try:
            with os.scandir(place) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:  # gone or forbidden meanwhile
            continue
        below = []
        for entry in entries:
            if is_passed_over(entry.name):
                continue
            found = look_at(entry.path, root)
            if found is not None:
                yield found
            elif depth < _DEEPEST and entry.is_dir(follow_symlinks=False):
                below.append((entry.path, depth + 1))
        open_ += reversed(below)


def owner(path: str, root: str) -> str:
    """The path that an event is about: the project that a file lies in, "" for what is passed over."""
    relative = os.path.relpath(path, root)
    if relative == os.curdir:
        return root
    place = root
    for part in Path(relative).parts:
        if part == os.pardir or is_passed_over(part):
            return ""
        place = os.path.join(place, part)
        if part.lower().endswith(PROJECT_SUFFIX):
            return place
    return place


def sharpened(found: Found) -> Found:
    """The kind of a floating point picture as its header tells it."""
    if found.kind != IMAGE or not found.path.lower().endswith((".hdr", ".exr")):
        return found
    size = picture_size(found.path)
    if size is None or size[1] == 0 or abs(size[0] / size[1] - 2.0) > 0.02:
        return found
    return Found(found.path, HDRI, found.size, found.mtime_ns)


def content_hash(found: Found) -> str:
    """32 hexadecimal digits of what an asset holds, "" when it cannot be read. Of files above 64 MB: their size and
    five blocks of 4 MB, evenly spread."""
    path = os.path.join(found.path, "scene.json") if found.kind == PROJECT else found.path
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= _WHOLE:
                while block := file.read(_BLOCK):
                    digest.update(block)
            else:
                digest.update(f"{size};".encode())
                for i in range(5):
                    file.seek((size - _BLOCK) * i // 4)
                    digest.update(file.read(_BLOCK))
    except (OSError, ValueError):
        return ""
    return digest.hexdigest()


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


# --- headers of floating point pictures ------------------------------------------------------------------------------
def picture_size(path: str) -> tuple[int, int] | None:
    """Width and height of an .hdr or .exr file by its header, None when it has none."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return None
    if head[:4] == b"\x76\x2f\x31\x01":
        return _exr_size(head)
    return _hdr_size(head) if head[:2] == b"#?" else None


def _hdr_size(head: bytes) -> tuple[int, int] | None:
    """Source: G. Ward, the Radiance picture format; the line after the blank one is `-Y height +X width`."""
    lines = head[:8192].split(b"\n\n", 1)
    words = lines[1].split(b"\n", 1)[0].split() if len(lines) == 2 else []
    if len(words) != 4 or not words[1].isdigit() or not words[3].isdigit():
        return None
    first, second = int(words[1]), int(words[3])
    return (second, first) if words[0][1:] == b"Y" else (first, second)


def _exr_size(head: bytes) -> tuple[int, int] | None:
    """Source: OpenEXR file layout; attributes are name, type, size, value; the data window is a box of four ints."""
    at = 8
    while at < len(head) and head[at]:
        name_end = head.find(b"\0", at)
        type_end = head.find(b"\0", name_end + 1)
        if name_end < 0 or type_end < 0 or type_end + 5 > len(head):
            return None
        size = struct.unpack_from("<i", head, type_end + 1)[0]
        value = type_end + 5
        if head[at:name_end] == b"dataWindow" and size == 16 and value + 16 <= len(head):
            x0, y0, x1, y1 = struct.unpack_from("<4i", head, value)
            return x1 - x0 + 1, y1 - y0 + 1
        if size < 0:
            return None
        at = value + size
    return None
