"""Meshes, skins, morphs and images: immutable arrays with a content key.

Arrays are read-only numpy arrays. Two meshes with the same bytes have the same key, so instances, projects and
workers share them. Nothing here knows files or devices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True, eq=False)
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
    cache: dict[str, object] = field(default_factory=dict)
