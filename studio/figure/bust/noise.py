"""Noise for skin: soft variation in space, and cells for pores.

Soft noise is taken at points of space, so it knows no seams; cells are a tile laid over the surface.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
CELLS, TILE = 40, 640
_PRIMES = (np.uint32(73856093), np.uint32(19349663), np.uint32(83492791))


def soft(points: NDArray[np.floating], cell_m: float, seed: int, *, octaves: int = 1) -> F32:
    """(n,) smooth noise from -1 to 1, about 0, at points (n, 3) in metres: value noise on a lattice of `cell_m` with
    Perlin's quintic fade ("Improving Noise", 2002); each further octave is half as large and half as strong."""
    total = np.zeros(len(points), np.float32)
    for octave in range(octaves):
        total += np.float32(0.5**octave) * _lattice(points, cell_m * 0.5**octave, seed + 101 * octave)
    return total / np.float32(2.0 - 0.5 ** (octaves - 1))


def _lattice(points: NDArray[np.floating], cell_m: float, seed: int) -> F32:
    at = np.asarray(points, np.float32) / np.float32(cell_m) + np.float32(1000.0)
    whole = np.floor(at)
    part = at - whole
    fade = part**3 * (part * (part * 6 - 15) + 10)
    base = whole.astype(np.uint32)
    out = np.zeros(len(at), np.float32)
    for corner in range(8):
        weight = np.ones(len(at), np.float32)
        code = np.full(len(at), np.uint32((seed * 2654435761) & 0xFFFFFFFF), np.uint32)
        for axis in range(3):
            bit = corner >> axis & 1
            weight *= fade[:, axis] if bit else 1 - fade[:, axis]
            code ^= (base[:, axis] + np.uint32(bit)) * _PRIMES[axis]
        out += weight * _hashed(code)
    return out


def _hashed(code: NDArray[np.uint32]) -> F32:
    """Numbers from -1 to 1 of 32-bit codes, by the finaliser of MurmurHash3 (A. Appleby)."""
    code = (code ^ (code >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    code = (code ^ (code >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    code ^= code >> np.uint32(16)
    return np.asarray(code.astype(np.float32) * np.float32(2.0 / 4294967295.0) - 1, np.float32)


@lru_cache(maxsize=16)
def cell_tile(seed: int) -> F32:
    """(3, size, size) cellular noise that tiles (S. Worley, SIGGRAPH 1996), `CELLS` cells to a side: the distances to
    the nearest and the second nearest point in cells, and the nearest one's own number from 0 to 1. Rows of cells are
    bent, and cells drawn out along them, as lines of tension draw out pores."""
    step = CELLS / TILE
    y, x = np.meshgrid(*([np.arange(TILE, dtype=np.float32) * np.float32(step)] * 2), indexing="ij")
    turn = np.float32(2 * np.pi / CELLS)
    u = x + 0.9 * np.sin(2 * turn * y) + 0.5 * np.sin(3 * turn * x + 1.0)
    v = (y + 1.1 * np.sin(turn * x + 2.0) + 0.5 * np.sin(3 * turn * y)).astype(np.float32)
    base_u, base_v = np.floor(u), np.floor(v)
    first, second = np.full(u.shape, 9.0, np.float32), np.full(u.shape, 9.0, np.float32)
    number = np.zeros(u.shape, np.float32)
    for step_u in (-1, 0, 1):
        for step_v in (-1, 0, 1):
            cu, cv = base_u + step_u, base_v + step_v
            code = (cu % CELLS).astype(np.uint32) * _PRIMES[0] ^ (cv % CELLS).astype(np.uint32) * _PRIMES[1]
            code ^= np.uint32((seed * 2654435761) & 0xFFFFFFFF)
            du = (cu + 0.5 + 0.45 * _hashed(code) - u) * 0.8
            dv = cv + 0.5 + 0.45 * _hashed(code + np.uint32(977)) - v
            away = np.sqrt(du * du + dv * dv).astype(np.float32)
            nearer = away < first
            second = np.where(nearer, first, np.minimum(second, away))
            number = np.where(nearer, 0.5 + 0.5 * _hashed(code + np.uint32(3571)), number)
            first = np.where(nearer, away, first)
    return np.stack([first, second, number])


def laid(tile: F32, flat: F32, cell_m: float) -> tuple[F32, F32, F32]:
    """A tile of `cell_tile` at coordinates (n, 2) in metres, in cells of a size."""
    at = np.floor(flat * np.float32(TILE / CELLS / cell_m)).astype(np.int64) % TILE
    found = tile.reshape(3, -1)[:, at[:, 1] * TILE + at[:, 0]]
    return found[0], found[1], found[2]
