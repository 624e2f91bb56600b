"""What shaders read of shadows: a record for every source, behind the lamps in the table of lights.

A plain point's record is one texel (where its tiles lie, their side, its near plane), any other source's RECORD texels:

    origin, near  |  axis x, place  |  axis y, side  |  axis z, colour of shadow and form

`shaders/shadows.glsl` reads them. A source whose maps are not drawn yet has a record that finds nothing in the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import FlatScene
from studio.scene.lights import KINDS
from studio.viewport.shadow_maps import Sources

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

RECORD = 4  # texels of the record of a light that is no plain point
_LIT = np.array([0, np.float32(1.0).view(np.uint32), np.float32(1e30).view(np.uint32), 0], np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What the maps of sources hold, a row each: from where they were drawn, along which axes, in which tiles."""

    shown: NDArray[np.bool_]  # whether there is anything in them
    side: Ints
    corner: Ints
    origin: F64
    axes: F64
    near: F64


def first_record(points: int) -> int:
    """Texel of the first record behind those of so many plain points."""
    return -(-points // RECORD) * RECORD


def record_of(points: int, source: int) -> int:
    """Texel of the record of a source that is no plain point, when there are so many of them."""
    return first_record(points) + RECORD * (source - points)


def records(flat: FlatScene, sources: Sources, points: int, lamps: int, held: Held) -> NDArray[np.uint32]:
    """(texels, 4) words: the records of `points` plain points, padded to fours, then those of all others. `lamps` is
    how many sources are lamps; behind them come suns and draws of the sky."""
    texels = np.tile(_LIT, (record_of(points, sources.count), 1))
    place = (held.corner[:, 0] | held.corner[:, 1] << 16).astype(np.uint32)
    size, near = (a.astype(np.float32).view(np.uint32) for a in (held.side, held.near))
    plain = np.stack([place, size, near, np.zeros_like(near)], axis=1)[:points]
    texels[:points][held.shown[:points]] = plain[held.shown[:points]]
    record = np.zeros((sources.count - points, RECORD, 4), np.float32)
    record[:, 0, 3], record[:, 2, 3] = 1e30, 1.0
    record[:, 1, 0] = record[:, 2, 1] = record[:, 3, 2] = 1.0
    words = record.view(np.uint32)
    rest = np.flatnonzero(held.shown[points:]) + points
    at = rest - points
    record[at, 0, :3], record[at, 1:, :3] = held.origin[rest], held.axes[rest]
    words[at, 0, 3], words[at, 1, 3], words[at, 2, 3] = near[rest], place[rest], size[rest]
    colour = np.rint(np.clip(flat.lights["shadow_color"][sources.row[rest]], 0.0, 1.0) * 1023.0)
    r, g, b = colour.astype(np.uint32).T
    words[at, 3, 3] = r | g << 10 | b << 20 | sources.form[rest].astype(np.uint32) << 30
    for i in np.flatnonzero(flat.lights["kind"][sources.row[points:lamps]] == KINDS["dome"]).tolist():
        suns = [k for k, key in enumerate(sources.keys) if key[:2] == ("sun", int(sources.row[points + i]))]
        words[i, 2, 0] = record_of(points, suns[0]) if suns else 0  # where its suns' records begin
    texels[first_record(points) :] = words.reshape(-1, 4)
    return texels
