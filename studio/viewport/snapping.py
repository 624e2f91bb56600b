"""Snapping: moves, turns and sizes that land on round numbers.

"increment" rounds how far something went; "grid" rounds where it arrives along the axes that it moves on. Ctrl turns
whatever is set into its opposite while it is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Snapping:
    """`on` without Ctrl; steps for moving (0: the cell of the grid that is seen), turning and scaling."""

    on: bool = False
    kind: Literal["increment", "grid"] = "increment"
    move_m: float = 0.0
    rotate_deg: float = 15.0
    scale: float = 0.1

    def active(self, ctrl: bool) -> bool:
        """Whether to snap now, with Ctrl held or not."""
        return self.on != ctrl


def rounded(value: float, step: float) -> float:
    """The multiple of `step` nearest to a value; the value itself for a step that is not a positive number."""
    if not (np.isfinite(step) and step > 0 and np.isfinite(value)):
        return value
    return float(np.round(value / step) * step)


def snapped_move(offset: F64, start: F64, axes: F64, free: tuple[bool, bool, bool], step: float, *, grid: bool) -> F64:
    """A displacement (3,) in the world with its parts along `axes` (columns of a (3, 3)) rounded where `free`.

    With `grid` it is the arrival `start + offset`, measured from the world's origin, that gets rounded.
    """
    along = axes.T @ offset
    begin = axes.T @ start if grid else np.zeros(3)
    for i in range(3):
        if free[i]:
            along[i] = rounded(begin[i] + along[i], step) - begin[i]
    return np.asarray(axes @ along)


def grid_spacing(metres_per_pixel: float, *, pixels: float = 24.0) -> float:
    """Cell of the visible grid: the power of ten of metres that is at least `pixels` wide."""
    if not np.isfinite(metres_per_pixel) or metres_per_pixel <= 0:
        return 1.0
    power = float(np.clip(np.log10(metres_per_pixel * pixels), -9.0, 9.0))
    return float(10.0 ** np.ceil(power - 1e-9))
