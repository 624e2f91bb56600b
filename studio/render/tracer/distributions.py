"""Cumulative distributions: made with numpy on the host, searched on the device.

A distribution of n entries that exceeds its block size is made of blocks: first one entry per block, then the entries
of each block on their own scale. So the million triangles of a lamp keep their digits in single precision, and a dome
is the same thing with rows of texels for blocks.
"""

import numpy as np
import taichi as ti
import taichi.math as tm
from numpy.typing import NDArray


def outer_count(n: int, block: int) -> int:
    """Entries that stand before the blocks; none when one block holds everything."""
    return 0 if n <= block else -(-n // block)


def block_cdfs(weights: NDArray[np.float64], block: int) -> NDArray[np.float32]:
    """Cumulative distributions of blocks, one per row of `weights` (r, n) >= 0: (r, outer_count + n) floats.

    A row whose sum is 0 is all zeros. Entries with weight 0 have mass 0; others are kept above what rounding would
    swallow.
    """
    r, n = weights.shape
    outer = -(-n // block)
    mean = weights.sum(1, keepdims=True) / np.maximum((weights > 0.0).sum(1, keepdims=True), 1)
    kept = np.where(weights > 0.0, np.maximum(weights, 1e-4 * mean), 0.0)
    padded = np.zeros((r, outer * block))
    padded[:, :n] = kept
    inner = np.cumsum(padded.reshape(r, outer, block), axis=2)
    sums = inner[:, :, -1]
    inner = inner / np.where(sums > 0.0, sums, 1.0)[:, :, None]
    total = np.cumsum(sums, axis=1)
    total = total / np.where(total[:, -1:] > 0.0, total[:, -1:], 1.0)
    parts = (total, inner.reshape(r, -1)[:, :n]) if outer_count(n, block) else (inner.reshape(r, -1)[:, :n],)
    return np.concatenate(parts, axis=1).astype(np.float32)


@ti.func
def first_above(table: ti.template(), start: ti.i32, n: ti.i32, u: ti.f32) -> ti.i32:
    """Index of the first of `n` rising entries that exceeds `u`; an entry of zero mass is never returned."""
    lo, hi = 0, n - 1
    while lo < hi:
        mid = (lo + hi) >> 1
        if table[start + mid] > u:
            hi = mid
        else:
            lo = mid + 1
    return lo


@ti.func
def step_at(table: ti.template(), start: ti.i32, i: ti.i32) -> tm.vec2:
    """Mass below entry `i` of a CDF and the mass of the entry."""
    below = table[start + ti.max(i - 1, 0)]
    if i == 0:
        below = 0.0
    return tm.vec2(below, table[start + i] - below)


@ti.func
def blocks_of(n: ti.i32, block: ti.i32) -> ti.i32:
    """`outer_count` on the device."""
    return 0 if n <= block else (n + block - 1) // block


@ti.func
def pick_entry(table: ti.template(), start: ti.i32, n: ti.i32, block: ti.i32, u: ti.f32) -> ti.i32:
    """The entry that `u` in [0, 1) falls on."""
    outer_n, outer, left = blocks_of(n, block), 0, u
    if outer_n > 0:
        outer = first_above(table, start, outer_n, left)
        step = step_at(table, start, outer)
        left = ti.min((left - step.x) / ti.max(step.y, 1e-30), 0.99999994)
    first = outer * block
    return first + first_above(table, start + outer_n + first, ti.min(block, n - first), left)


@ti.func
def mass_at(table: ti.template(), start: ti.i32, n: ti.i32, block: ti.i32, i: ti.i32) -> ti.f32:
    """Probability of entry `i`."""
    outer_n, outer = blocks_of(n, block), i // block
    mass = 1.0
    if outer_n > 0:
        mass = step_at(table, start, outer).y
    return mass * step_at(table, start + outer_n + outer * block, i - outer * block).y
