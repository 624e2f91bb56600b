"""Eyelashes: thin tapered hairs on the outer edges of the lids, in little clumps, that ride on the lids.

Upper lashes are long and curl up, lower ones short and straight; both fan outwards to the corners, are shortest at the
inner corner, and meet at their tips in twos and threes, as they do when they are a little wet.
"""

from __future__ import annotations

import numpy as np

from studio.figure.bust.pieces import F64, Piece, at_lengths, hairs, unit

_STEPS = 7


def lashes(lid: F64, eye: F64, *, upper: bool, side: float, length: float = 1.0, seed: int = 0) -> tuple[Piece, F64]:
    """The lashes of one lid and their feet (v, 3), by which they are held.

    `lid` (n, 3) is the outer edge of the lid's margin from the inner to the outer corner, `eye` the eye's centre,
    `side` 1 on the left and -1 on the right, `length` a factor.
    """
    rng = np.random.default_rng([seed, 21 if upper else 22])  # both eyes alike: a face's lashes are no noise
    count = 112 if upper else 64
    t = np.clip((np.arange(count) + rng.uniform(-0.35, 0.35, count)) / (count - 1), 0.0, 1.0)
    t = 0.10 + 0.885 * t if upper else 0.22 + 0.74 * t
    whole = np.linalg.norm(np.diff(lid, axis=0), axis=1).sum()
    feet = at_lengths(lid, t * whole)
    out = unit(feet - eye)
    ahead = unit(at_lengths(lid, (t + 0.01) * whole) - feet)  # to the outer corner
    up = np.array([0.0, 1.0, 0.0]) * (1.0 if upper else -1.0)
    feet = feet + out * rng.uniform(-0.25, 0.15, count)[:, None] * 1e-3
    grown = np.interp(
        t, (0.0, 0.15, 0.55, 0.9, 1.0), (0.35, 0.6, 0.95, 1.0, 0.7) if upper else (0.5, 0.7, 0.9, 1.0, 0.8)
    )
    reach = (0.0088 if upper else 0.0048) * length * grown * rng.uniform(0.72, 1.08, count)
    fan = np.interp(t, (0.0, 0.3, 0.6, 1.0), (-0.42, -0.12, 0.18, 0.85))[:, None] + rng.normal(0, 0.07, count)[:, None]
    start = unit(out + 0.35 * fan * ahead + up * (-0.12 if upper else 0.25))
    end = unit(0.42 * out + 0.9 * fan * ahead + up * (1.25 if upper else 0.75))
    s = np.linspace(0, 1, _STEPS)[None, :, None]
    curl = s**1.2
    way = np.cumsum(unit(start[:, None] * (1 - curl) + end[:, None] * curl), axis=1) / _STEPS
    paths = feet[:, None] + (way - way[:, :1]) * reach[:, None, None]
    clump = np.round(t * count / 2.6 + rng.uniform(-0.4, 0.4, count)).astype(int)
    for group in np.unique(clump):
        members = clump == group
        middle = paths[members].mean(axis=0, keepdims=True)
        paths[members] += (middle - paths[members]) * 0.62 * s**2
    widths = (0.00021 if upper else 0.00012) * np.linspace(1.0, 0.0, _STEPS)[None, :] ** 0.7
    widths = np.maximum(np.broadcast_to(widths, paths.shape[:2]) * rng.uniform(0.8, 1.2, (count, 1)), 4e-6)
    piece = hairs(paths, widths, np.broadcast_to((ahead * side)[:, None], paths.shape))
    return piece, np.repeat(feet, _STEPS * 3, axis=0)
