"""Meshes, skins, morphs and images: immutable arrays with a content key.

Arrays are read-only numpy arrays. Two meshes with the same bytes have the same key, so instances, projects and
workers share them. Nothing here knows files or devices.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.errors import BadAsset

F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class Morph:
    """One morph target: sparse or dense offsets from the rest mesh, in metres."""

    name: str
    indices: U32  # (k,) vertices that move
    positions: F32  # (k, 3) offsets
    normals: F32 | None = None  # (k, 3) offsets
    tangents: F32 | None = None  # (k, 3) offsets


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Mesh:
    """An indexed triangle mesh in its object's space, in metres, counter-clockwise fronts.

    `parts` are consecutive runs of triangles that share a material slot: part p is triangles
    `parts[p] .. parts[p+1]` (first is 0, last is the number of triangles). Vertices are not shared between parts
    unless the source shared them. `tangents` are xyz and the bitangent's sign (MikkTSpace).
    """

    key: str
    positions: F32  # (v, 3)
    triangles: U32  # (t, 3)
    parts: tuple[int, ...]
    normals: F32 | None = None  # (v, 3), unit; None: faceted
    tangents: F32 | None = None  # (v, 4)
    uv0: F32 | None = None  # (v, 2); v runs down the image as in glTF
    uv1: F32 | None = None  # (v, 2)
    colors: F32 | None = None  # (v, 4) linear, multiplies the base colour
    joints: NDArray[np.uint16] | None = None  # (v, 4 * sets)
    weights: F32 | None = None  # (v, 4 * sets), rows sum to 1
    morphs: tuple[Morph, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Pixels of a texture: top row first, 1 to 4 channels, uint8, uint16 or float32, as stored in the file."""

    key: str
    pixels: NDArray[np.uint8] | NDArray[np.uint16] | F32  # (h, w, c)
    colour_space: str = "srgb"  # "srgb", "linear" (Rec.709 primaries) or "data"
    name: str = ""
    path: str = ""  # where it came from, "" when embedded


@dataclass(frozen=True, slots=True, eq=False)
class Deformed:
    """Vertices of a mesh after morphs and skin, at shutter open and, when they move, at shutter close."""

    mesh: Mesh
    positions: F32  # (v, 3)
    normals: F32 | None
    tangents: F32 | None = None
    positions_close: F32 | None = None  # (v, 3) or None when still
    cache: dict[str, object] = field(default_factory=dict)  # for consumers, under keys with their names in front

    def __reduce__(self) -> tuple[Any, ...]:
        """What goes to another process: all but the cache. (Slotted dataclasses of Python 3.11.2 lose __getstate__.)"""
        return Deformed, tuple({} if f.name == "cache" else getattr(self, f.name) for f in fields(self))


def content_key(*arrays: NDArray[Any] | None) -> str:
    """A key of 32 hexadecimal digits for the content of arrays: their types, shapes and bytes, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        if array is None:
            digest.update(b"none;")
            continue
        digest.update(f"{array.dtype.str}{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def mesh_key(mesh: Mesh) -> str:
    """The content key that `make_mesh` gives a mesh with these arrays."""
    arrays: list[NDArray[Any] | None] = [getattr(mesh, name) for name in MESH_ARRAYS]
    for morph in mesh.morphs:
        name = np.frombuffer(morph.name.encode(errors="surrogatepass"), np.uint8)
        arrays += [name, morph.indices, morph.positions, morph.normals, morph.tangents]
    return content_key(np.array(mesh.parts, np.int64), *arrays)


# Arrays of a mesh besides its morphs: name, type and columns (None: as many as there are).
_MESH_LAYOUT: dict[str, tuple[Any, int | None]] = {
    "positions": (np.float32, 3),
    "triangles": (np.uint32, 3),
    "normals": (np.float32, 3),
    "tangents": (np.float32, 4),
    "uv0": (np.float32, 2),
    "uv1": (np.float32, 2),
    "colors": (np.float32, 4),
    "joints": (np.uint16, None),
    "weights": (np.float32, None),
}
MESH_ARRAYS = tuple(_MESH_LAYOUT)


def make_mesh(
    positions: ArrayLike,
    triangles: ArrayLike,
    *,
    parts: Sequence[int] | None = None,
    normals: ArrayLike | None = None,
    tangents: ArrayLike | None = None,
    uv0: ArrayLike | None = None,
    uv1: ArrayLike | None = None,
    colors: ArrayLike | None = None,
    joints: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    morphs: Sequence[Morph] = (),
    where: str = "mesh",
) -> Mesh:
    """A mesh with its key, checked, of read-only contiguous arrays; `parts` is one run over all triangles by default.

    Raises BadAsset, naming `where`, for shapes that do not match, indices out of range, parts that do not cover the
    triangles, positions that are not finite or joints without weights. In the other arrays a number that is not
    finite becomes 0.
    """
    given = {
        "positions": positions,
        "triangles": triangles,
        "normals": normals,
        "tangents": tangents,
        "uv0": uv0,
        "uv1": uv1,
        "colors": colors,
        "joints": joints,
        "weights": weights,
    }
    arrays = {name: _checked(name, value, where) for name, value in given.items() if value is not None}
    vertices, count = len(arrays["positions"]), len(arrays["triangles"])
    for name, array in arrays.items():
        if name != "triangles" and len(array) != vertices:
            raise BadAsset(f"{where}: {len(array)} {name} for {vertices} vertices; they must be as many.")
    if not np.isfinite(arrays["positions"]).all():
        raise BadAsset(f"{where}: a position is not a finite number; repair or re-export the mesh.")
    if count and int(arrays["triangles"].max()) >= vertices:
        raise BadAsset(
            f"{where}: a triangle names vertex {arrays['triangles'].max()} of {vertices}; re-export the mesh."
        )
    runs = (0, count) if parts is None else tuple(int(p) for p in parts)
    if len(runs) < 2 or runs[0] != 0 or runs[-1] != count or any(a > b for a, b in itertools.pairwise(runs)):
        raise BadAsset(f"{where}: parts {runs[:8]} do not cover its {count} triangles in order.")
    if ("joints" in arrays) != ("weights" in arrays) or (
        "joints" in arrays and arrays["joints"].shape != arrays["weights"].shape
    ):
        raise BadAsset(f"{where}: joints and weights must come together and in the same shape.")
    checked = tuple(_checked_morph(morph, vertices, where) for morph in morphs)
    mesh = Mesh(key="", parts=runs, morphs=checked, **arrays)
    object.__setattr__(mesh, "key", mesh_key(mesh))
    return mesh


def make_image(
    pixels: NDArray[Any], *, colour_space: str = "srgb", name: str = "", path: str = "", where: str = "image"
) -> Image:
    """An image with its key, of read-only pixels (h, w) or (h, w, c). The key covers pixels and colour space.

    Raises BadAsset, naming `where`, for another shape or type, or an unknown colour space.
    """
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or not pixels.size:
        raise BadAsset(f"{where}: an image has rows, columns and 1 to 4 channels, not the shape {pixels.shape}.")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise BadAsset(f"{where}: pixels of type {pixels.dtype} are not supported; use 8 or 16 bit, or 32 bit float.")
    if colour_space not in ("srgb", "linear", "data"):
        raise BadAsset(f'{where}: the colour space "{colour_space}" is unknown; use srgb, linear or data.')
    frozen = _frozen(pixels)
    key = content_key(frozen, np.frombuffer(colour_space.encode(), np.uint8))
    return Image(key=key, pixels=frozen, colour_space=colour_space, name=name, path=path)


def _checked(name: str, value: ArrayLike, where: str) -> NDArray[Any]:
    dtype, width = _MESH_LAYOUT[name]
    array = np.asarray(value)
    if array.ndim != 2 or (array.shape[1] != width if width else array.shape[1] == 0 or array.shape[1] % 4):
        raise BadAsset(f"{where}: {name} must have {width or '4, 8, ...'} columns, not the shape {array.shape}.")
    if array.size and array.dtype.kind not in ("ui" if dtype in (np.uint32, np.uint16) else "uif"):
        raise BadAsset(f"{where}: {name} must be numbers of another type than {array.dtype}.")
    if dtype in (np.uint32, np.uint16) and array.size and (array.min() < 0 or array.max() > np.iinfo(dtype).max):
        raise BadAsset(f"{where}: {name} hold a number outside 0 to {np.iinfo(dtype).max}.")
    with np.errstate(over="ignore"):
        array = array.astype(dtype, copy=False)
    if name != "positions" and array.dtype.kind == "f" and not np.isfinite(array).all():
        array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    return _frozen(array)


def _checked_morph(morph: Morph, vertices: int, where: str) -> Morph:
    place = f'{where}: morph "{morph.name}"'
    indices = np.asarray(morph.indices)
    sound = indices.ndim == 1 and indices.dtype.kind in "ui"
    if not sound or (indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < vertices):
        raise BadAsset(f"{place} names vertices beyond the mesh's {vertices}.")
    offsets = []
    for offset in (morph.positions, morph.normals, morph.tangents):
        if offset is not None and (offset.shape != (len(indices), 3) or not np.isfinite(offset).all()):
            raise BadAsset(f"{place} must have three finite numbers for each of its {len(indices)} vertices.")
        offsets.append(None if offset is None else _frozen(offset.astype(np.float32, copy=False)))
    positions = offsets[0]
    assert positions is not None
    return Morph(morph.name, _frozen(indices.astype(np.uint32, copy=False)), positions, offsets[1], offsets[2])


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself when nobody can write it, else a read-only copy."""
    if array.flags.c_contiguous and not array.flags.writeable:
        return array
    out = np.array(array, order="C", copy=True)
    out.flags.writeable = False
    return out
