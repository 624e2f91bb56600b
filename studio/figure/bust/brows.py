"""Eyebrows: hairs that lie on the brow, each with its own direction along the line, dense in the middle.

The direction is what makes a brow: at its inner end hairs stand up, along it they turn outwards, and the upper ones
lean down to meet the lower ones. Length and density fall off at the edges, so that it has no outline.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studio.figure.bust.pieces import F64, Piece, hairs, unit

_STEPS = 5
Onto = Callable[[F64], tuple[F64, F64]]  # points (n, 3) to points on the skin and the skin's normals there


def brows(
    line: F64, onto: Onto, *, side: float, density: float = 1.0, thickness: float = 1.0, seed: int = 0
) -> tuple[Piece, F64]:
    """The brow along its middle line (n, 3) from the inner end to the tail, and the hairs' feet (v, 3).

    `onto` lays points on the skin. `thickness` scales its height, `density` the number of hairs; `side` is 1 on the
    left and -1 on the right.
    """
    rng = np.random.default_rng([seed, 31])
    count = int(460 * density)
    t = rng.beta(1.15, 1.25, count)
    across = np.clip(rng.normal(0, 0.48, count), -1.15, 1.15)
    half = thickness * np.interp(t, (0.0, 0.08, 0.4, 0.7, 1.0), (0.0026, 0.0042, 0.0042, 0.0030, 0.0008))
    index = t * (len(line) - 1)
    middle = np.stack([np.interp(index, np.arange(len(line)), line[:, k]) for k in range(3)], 1)
    ahead = unit(np.stack([np.interp(index, np.arange(len(line)), np.gradient(line[:, k])) for k in range(3)], 1))
    feet, normal = onto(middle + np.array([0.0, 1.0, 0.0]) * (half * across)[:, None])
    upward = unit(np.array([0.0, 1.0, 0.0]) - normal[:, 1:2] * normal)
    outward = unit(ahead - np.sum(ahead * normal, 1, keepdims=True) * normal)
    rise = np.interp(t, (0.0, 0.12, 0.35, 0.7, 1.0), (1.5, 1.0, 0.55, 0.12, -0.05))
    rise = rise - np.clip(across, 0, 1) * np.interp(t, (0.0, 0.3, 1.0), (0.1, 0.65, 0.35)) + rng.normal(0, 0.12, count)
    way = unit(outward + upward * rise[:, None])
    later = unit(outward + upward * (0.45 * rise[:, None] - 0.08))
    length = np.interp(t, (0.0, 0.3, 0.7, 1.0), (0.0062, 0.0085, 0.0078, 0.0050)) * rng.uniform(0.65, 1.1, count)
    length = length * (1 - 0.35 * np.abs(across))
    s = np.linspace(0, 1, _STEPS)[None, :, None]
    steps = np.cumsum(unit(way[:, None] * (1 - s) + later[:, None] * s), axis=1) / _STEPS
    paths = feet[:, None] + (steps - steps[:, :1]) * length[:, None, None]
    laid, out = onto(paths.reshape(-1, 3))
    lift = 0.00012 + 0.00075 * np.sin(np.pi * np.linspace(0.0, 0.8, _STEPS))[None, :, None]
    paths = laid.reshape(paths.shape) + out.reshape(paths.shape) * lift * rng.uniform(0.5, 1.4, (count, 1, 1))
    widths = np.maximum(
        0.00016 * np.array([0.8, 1.0, 0.85, 0.55, 0.1])[None, :] * rng.uniform(0.75, 1.25, (count, 1)), 6e-6
    )
    sides = np.cross(out.reshape(paths.shape), unit(np.gradient(paths, axis=1))) * side
    return hairs(paths, widths, sides), np.repeat(feet, _STEPS * 3, axis=0)
