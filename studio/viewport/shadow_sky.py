"""The light of domes that does not arrive, found by a few parallel maps a sample while a view rests.

A dome is lit analytically, as if nothing stood in its light. Of that a view at rest takes away what is blocked: every
sample draws DRAWS directions by how bright the domes are there, one map of parallel rays each, and where a map finds
something in the way the light of its direction over its density is subtracted. The mean over samples is the direct
light of the dome, and where nothing is in the way there is no noise at all. The same number of draws whatever the
domes hold; where there are several, each draw is of one of them, so that a surface leaves out what does not shine on
it. Suns that were cut from a picture (`environment.without_suns`) are sources of their own instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import FlatScene
from studio.scene.lights import CASTS_SHADOWS, KINDS
from studio.scene.photometry import LUMINANCE
from studio.viewport.environment import DomeTile, directions, octahedral, solid_angles

F64 = NDArray[np.float64]

DRAWS = 4  # directions of one sample
_SIDE = 64  # of the octahedral map that directions are drawn from
_EVEN = 0.25  # share of the draws that goes evenly to all sides


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """All domes that cast shadows: the radiance of each (domes, texels, 3) in the world, and how draws are spread."""

    rows: NDArray[np.int64]  # (domes,) of the lights of the scene
    radiance: F64
    shares: F64  # (domes, texels): which dome a draw is of, summed up over the domes
    density: F64  # (texels,) per steradian
    sums: F64  # (texels,) of the shares of draws


def sky_of(flat: FlatScene, tile: dict[int, DomeTile]) -> Sky | None:
    """The sky of a scene; `tile` are the pictures of domes by their row. None where no dome casts shadows."""
    rows = np.flatnonzero((flat.lights["kind"] == KINDS["dome"]) & (flat.lights["flags"] & CASTS_SHADOWS != 0))
    if not len(rows):
        return None
    d = directions(_SIDE)
    radiance = np.zeros((len(rows), _SIDE * _SIDE, 3))
    for k, row in enumerate(rows.tolist()):
        light = flat.lights[row]
        shown = np.ones((_SIDE, _SIDE, 3))
        if row in tile:
            size = tile[row].size
            level = tile[row].pixels[1 : size + 1, 1 : size + 1, :3].astype(np.float64)
            level = level.reshape(_SIDE, size // _SIDE, _SIDE, size // _SIDE, 3).mean(axis=(1, 3))
            u, v = octahedral(d @ light["open"][:, :3].astype(np.float64))
            at = [np.clip((x * _SIDE).astype(np.int64), 0, _SIDE - 1) for x in (v, u)]
            shown = level[at[0], at[1]]
        radiance[k] = (light["emission"].astype(np.float64) * float(light["gain"][0]) * shown).reshape(-1, 3)
    solid = solid_angles(_SIDE).reshape(-1)
    bright = radiance @ LUMINANCE
    weight = bright.sum(axis=0) * solid
    if weight.sum() <= 0.0:
        return None
    share = (1.0 - _EVEN) * weight / weight.sum() + _EVEN * solid / solid.sum()
    bright = np.where(bright.sum(axis=0) > 0.0, bright, 1.0)
    shares = np.cumsum(bright / bright.sum(axis=0), axis=0)
    return Sky(rows, radiance, shares, share / solid, np.cumsum(share / share.sum()))


def draws_of(sky: Sky, turn: int) -> tuple[F64, F64, NDArray[np.int64]]:
    """Directions (DRAWS, 3) towards the sky of sample `turn`, their radiance over density and number, and the row of
    the dome that each is of."""
    k = turn * DRAWS + np.arange(DRAWS)
    u = (0.5 + k * 0.6180339887498949) % 1.0
    texel = np.minimum(np.searchsorted(sky.sums, u), len(sky.sums) - 1)
    # anywhere in the texel
    x = (texel % _SIDE + (0.5 + k * 0.7548776662466927) % 1.0) / _SIDE * 2.0 - 1.0
    y = (texel // _SIDE + (0.5 + k * 0.5698402909980532) % 1.0) / _SIDE * 2.0 - 1.0
    z = 1.0 - np.abs(x) - np.abs(y)
    fold = z < 0.0
    fx = np.where(fold, (1.0 - np.abs(y)) * np.where(x >= 0.0, 1.0, -1.0), x)
    fy = np.where(fold, (1.0 - np.abs(x)) * np.where(y >= 0.0, 1.0, -1.0), y)
    d = np.stack([fx, fy, z], axis=1)
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    shares = sky.shares[:, texel]
    dome = np.minimum((shares <= (0.5 + k * 0.8191725133961645) % 1.0).sum(axis=0), len(sky.rows) - 1)
    chance = np.diff(shares, axis=0, prepend=0.0)[dome, np.arange(DRAWS)]
    return d, sky.radiance[dome, texel] / (sky.density[texel] * chance * DRAWS)[:, None], sky.rows[dome]


def frame_along(z: F64) -> tuple[F64, F64, F64]:
    """Unit axes whose third is z."""
    x = np.cross(z, [1.0, 0.0, 0.0] if abs(z[0]) < 0.7 else [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    return x, np.cross(z, x), z
