"""Lights as the passes sort them: plain points, which are many and cheap, other lights of a place, and the unbounded.

A plain point light (no gain of its own, seen in reflections, not shaped by direction) needs a position and a colour,
which fit one texel: three floats, and three mantissas of nine bits under a common exponent of five, the form of
RGB9_E5. The loop over hundreds of them then reads 16 bytes a light. The row number of any other light stands in the
same table, behind the points. Whether a light casts shadows, and of which colour, does not matter to the sorting: who
asks for its visibility does so by its place here.
"""

from __future__ import annotations

import colorsys
import functools
import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.scene.geometry import Deformed
from studio.scene.lights import KINDS, SEEN_IN_REFLECTIONS, TWO_SIDED
from studio.viewport.lightgrid import BITS, reach, words_of
from studio.viewport.lighting import shaped_lights
from studio.viewport.meshstore import MeshStore

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]
LAMPS_PER_LINE = 512  # of the table, as lamps.glsl has it
_MANTISSA, _EXPONENTS = 9, 32


def _none() -> Rows:
    return np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Lamps:
    """Rows of FlatScene.lights by how they are drawn; `centres` (n, 3) and `radii` (n,) bound what `points` and then
    `local` reach. `scale` is the power of two that the points' packed colours are multiples of."""

    points: Rows = field(default_factory=_none)
    local: Rows = field(default_factory=_none)
    infinite: Rows = field(default_factory=_none)
    centres: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    radii: F64 = field(default_factory=lambda: np.zeros(0))
    scale: float = 1.0
    strengths: F64 = field(default_factory=lambda: np.zeros(0))  # (n,) candela to the brightest side, as `centres`

    @property
    def rows(self) -> Rows:
        """Rows of FlatScene.lights in the order of the table of lamps."""
        return np.concatenate([self.points, self.local, self.infinite])

    @property
    def count(self) -> int:
        """All lights."""
        return len(self.points) + len(self.local) + len(self.infinite)


def sort_lamps(flat: FlatScene, meshes: MeshStore, bounds: tuple[F64, F64]) -> Lamps:
    """The lights of a flat scene, sorted. `bounds` are the corners of what they light."""
    kind = flat.lights["kind"]
    infinite = (kind == KINDS["distant"]) | (kind == KINDS["dome"])
    plain = (kind == KINDS["point"]) & (flat.lights["gain"] == 1.0).all(axis=1) & ~shaped_lights(flat.lights)
    plain &= flat.lights["flags"] & SEEN_IN_REFLECTIONS != 0
    plain &= (flat.lights["shadow_color"] == 0.0).all(axis=1)
    points, local = np.flatnonzero(plain), np.flatnonzero(~plain & ~infinite)
    rows = np.concatenate([points, local])
    lights = flat.lights[rows]
    centres, strengths, sizes = _spheres(flat, lights, meshes)
    radii = reach(centres, strengths, bounds) + sizes
    peak = float(flat.lights["emission"][points].max(initial=0.0))
    scale = float(2.0 ** (np.ceil(np.log2(peak)) - _EXPONENTS + 1 - _MANTISSA)) if peak > 0 else 1.0
    return Lamps(points, local, np.flatnonzero(infinite), centres, radii, scale, strengths)


def _spheres(flat: FlatScene, lights: NDArray[np.void], meshes: MeshStore) -> tuple[F64, F64, F64]:
    """Centre, greatest intensity in candela (radiance times area) and radius of every light of a place."""
    kind = lights["kind"]
    centres = lights["open"][:, :, 3].astype(np.float64)
    a, b = lights["size"].astype(np.float64).T
    strengths = lights["emission"].max(axis=1).astype(np.float64)
    shapes = {
        "rectangle": (a * b, np.hypot(a, b) / 2),
        "disk": (np.pi * a**2, a),
        "sphere": (np.pi * a**2, a),
        "cylinder": (2 * a * b, np.hypot(a, b / 2)),
    }
    area, size = np.ones(len(lights)), np.zeros(len(lights))
    for name, (seen, extent) in shapes.items():
        at = kind == KINDS[name]
        area[at], size[at] = seen[at], extent[at]
    for i in np.flatnonzero(kind == KINDS["mesh"]).tolist():
        row = lights[i]
        placed = meshes.placed[flat.instances["mesh"][row["instance"]]]
        matrix = row["open"].astype(np.float64)
        stretch = float(np.linalg.norm(matrix[:, :3], 2))
        start, end = placed.parts[row["part"]], placed.parts[row["part"] + 1]
        area[i] = part_area(placed.deformed, int(start), int(end)) * stretch**2
        size[i] = stretch * float(np.linalg.norm(placed.box[1] - placed.box[0])) / 2
        centres[i] = matrix[:, :3] @ placed.box.mean(axis=0) + matrix[:, 3]
    both = (lights["flags"] & TWO_SIDED) != 0
    return centres, strengths * area * np.where(both & (kind == KINDS["mesh"]), 2.0, 1.0), size


def part_area(deformed: Deformed, start: int, end: int) -> float:
    """Area in square metres of the object's own space of the triangles start..end of a deformed mesh, kept with it."""
    key = f"viewport.area {start} {end}"
    found = deformed.cache.get(key)
    if found is None:
        corner = deformed.positions[deformed.mesh.triangles[start:end]].astype(np.float64)
        normals = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        found = deformed.cache[key] = float(np.linalg.norm(normals, axis=1).sum() / 2)
    assert isinstance(found, float)
    return found


def lamp_rows(flat: FlatScene, lamps: Lamps) -> NDArray[np.uint32]:
    """(n, 4) words of the table of lamps: position and packed colour of points, then the rows of all other lights."""
    out = np.zeros((lamps.count, 4), np.uint32)
    count = len(lamps.points)
    lights = flat.lights[lamps.points]
    out[:count, :3] = np.ascontiguousarray(lights["open"][:, :, 3]).view(np.uint32)
    out[:count, 3] = packed_colour(lights["emission"].astype(np.float64), lamps.scale)
    out[count:, 0] = np.concatenate([lamps.local, lamps.infinite])
    return out


def link_words(flat: FlatScene, lamps: Lamps) -> NDArray[np.uint32]:
    """(sets, words) of FlatScene.light_links in the order of lamps: points, other lights of a place and lights without
    bounds each begin at a word of their own, as in the light grid."""
    sets = flat.light_links
    bits = np.unpackbits(np.ascontiguousarray(sets, "<u4").view(np.uint8), axis=1, bitorder="little")
    if len(sets) == 1:  # all shine on everything, however short the row
        bits = np.ones((1, len(flat.lights)), np.uint8)
    words = []
    for rows in (lamps.points, lamps.local, lamps.infinite):
        padded = np.zeros((len(sets), words_of(len(rows)) * BITS), np.uint8)
        padded[:, : len(rows)] = bits[:, rows]
        words.append(np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32))
    return np.concatenate(words, axis=1)


def light_id(flat: FlatScene, row: int) -> Id:
    """The entity behind a row of FlatScene.lights; the number of the row where a scene does not say."""
    entity = int(flat.lights["entity"][row])
    return flat.light_ids[entity] if 0 <= entity < len(flat.light_ids) else str(row)


@functools.lru_cache(maxsize=65536)
def key_colour(entity: Id) -> tuple[float, float, float]:
    """The display-referred colour that stands for a light where lights are told apart; it follows from its id alone."""
    number = int.from_bytes(hashlib.blake2b(entity.encode(), digest_size=4).digest(), "little")
    saturation, value = 0.55 + 0.4 * (number >> 16 & 255) / 255.0, 0.75 + 0.25 * (number >> 24) / 255.0
    return colorsys.hsv_to_rgb((number & 0xFFFF) / 65536.0, saturation, value)


def lamp_keys(flat: FlatScene, lamps: Lamps) -> NDArray[np.uint32]:
    """(n,) colours of lamps, eight bits a channel, red in the lowest."""
    entity = flat.lights["entity"].tolist()
    known = len(flat.light_ids)
    colors = [
        key_colour(flat.light_ids[entity[row]] if 0 <= entity[row] < known else str(row)) for row in lamps.rows.tolist()
    ]
    bytes_ = np.rint(np.array(colors).reshape(-1, 3) * 255.0).astype(np.uint32)
    return np.asarray(bytes_ @ np.array([1, 1 << 8, 1 << 16], np.uint32), np.uint32)


def packed_colour(rgb: F64, scale: float) -> NDArray[np.uint32]:
    """(n,) words of colours (n, 3): rgb = scale * 2^exponent * mantissa. Off by 0.1 % of the strongest at most."""
    scale = max(scale, 1e-300)  # lights dimmer than any number of the screen have no scale of their own
    peak = np.maximum(rgb.max(axis=1), 1e-300) / scale
    exponent = np.clip(np.ceil(np.log2(peak / (2**_MANTISSA - 0.5))), 0, _EXPONENTS - 1)
    mantissa = np.rint(np.clip(rgb / (scale * 2.0**exponent)[:, None], 0, 2**_MANTISSA - 1)).astype(np.uint32)
    r, g, b = mantissa.T
    return np.asarray(r | g << 9 | b << 18 | exponent.astype(np.uint32) << 27, np.uint32)
