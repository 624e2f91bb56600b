"""Where the curve editor looks: a rectangle of frames and values laid on pixels, and the ticks of its rulers.

A value, like everything else here: panning and zooming make another `View`, so a drag works from the one that it began
with, and what was drawn for one is good for as long as the view is equal. No Qt in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_CLOSEST, _FARTHEST = 1e-9, 1e9  # pixels per frame and per unit of value stay in between
_MARGIN = 0.08  # of the plot, left free on each side when everything is fitted


@dataclass(frozen=True, slots=True)
class View:
    """`left`, `top`, `width`, `height`: the plot in pixels. `frame` stands at its left edge, `value` at its bottom."""

    left: float = 0.0
    top: float = 0.0
    width: float = 100.0
    height: float = 100.0
    frame: float = 0.0
    value: float = 0.0
    per_frame: float = 10.0  # pixels
    per_value: float = 10.0

    # --- mapping -----------------------------------------------------------------------------------------------------
    def x(self, frame: float) -> float:
        """The pixel column of a frame."""
        return self.left + (frame - self.frame) * self.per_frame

    def y(self, value: float) -> float:
        """The pixel row of a value."""
        return self.top + self.height - (value - self.value) * self.per_value

    def xs(self, frames: F64) -> F64:
        """Pixel columns of frames."""
        return np.asarray(self.left + (frames - self.frame) * self.per_frame)

    def ys(self, values: F64) -> F64:
        """Pixel rows of values."""
        return np.asarray(self.top + self.height - (values - self.value) * self.per_value)

    def frame_at(self, x: float) -> float:
        """The frame below a pixel column."""
        return self.frame + (x - self.left) / self.per_frame

    def value_at(self, y: float) -> float:
        """The value at a pixel row."""
        return self.value + (self.top + self.height - y) / self.per_value

    @property
    def last_frame(self) -> float:
        """The frame at the right edge."""
        return self.frame_at(self.left + self.width)

    @property
    def top_value(self) -> float:
        """The value at the upper edge."""
        return self.value_at(self.top)

    def holds(self, x: float, y: float) -> bool:
        """Whether a pixel lies in the plot."""
        return self.left <= x <= self.left + self.width and self.top <= y <= self.top + self.height

    # --- moving ------------------------------------------------------------------------------------------------------
    def panned(self, dx: float, dy: float) -> View:
        """The view after its contents moved by pixels."""
        return replace(self, frame=self.frame - dx / self.per_frame, value=self.value + dy / self.per_value)

    def zoomed(self, by_x: float, by_y: float, *, x: float, y: float) -> View:
        """The view enlarged about a pixel, which keeps what it shows."""
        frame, value = self.frame_at(x), self.value_at(y)
        per_frame = min(max(self.per_frame * by_x, _CLOSEST), _FARTHEST)
        per_value = min(max(self.per_value * by_y, _CLOSEST), _FARTHEST)
        return replace(
            self,
            per_frame=per_frame,
            per_value=per_value,
            frame=frame - (x - self.left) / per_frame,
            value=value - (self.top + self.height - y) / per_value,
        )

    def resized(self, left: float, top: float, width: float, height: float) -> View:
        """The view in another plot; the same scales, the same upper left corner."""
        new = replace(self, left=left, top=top, width=max(width, 1.0), height=max(height, 1.0))
        return replace(new, value=self.top_value - new.height / self.per_value)

    def fitted(self, frames: tuple[float, float], values: tuple[float, float]) -> View:
        """The view that shows these frames and values, with a margin around them."""
        first, last = frames if frames[1] - frames[0] > 1e-6 else (frames[0] - 5.0, frames[0] + 5.0)
        lo, hi = values
        if hi - lo <= max(abs(hi), abs(lo), 1.0) * 1e-9:
            room = max(abs(lo) * 0.5, 0.5)
            lo, hi = lo - room, hi + room
        per_frame = self.width * (1 - 2 * _MARGIN) / (last - first)
        per_value = self.height * (1 - 2 * _MARGIN) / (hi - lo)
        return replace(
            self,
            per_frame=per_frame,
            per_value=per_value,
            frame=(first + last) / 2 - self.width / 2 / per_frame,
            value=(lo + hi) / 2 - self.height / 2 / per_value,
        )


def tick_step(per_unit: float, least_px: float, *, whole: bool = False) -> float:
    """The distance of ticks that stand at least `least_px` apart: 1, 2 or 5 times a power of ten."""
    wanted = least_px / per_unit
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= wanted * (1 - 1e-9))
    return max(step, 1.0) if whole else step


def ticks(first: float, last: float, step: float) -> list[float]:
    """Multiples of `step` in a range; at most a thousand."""
    begin, end = math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9)
    return [n * step for n in range(begin, min(end, begin + 1000) + 1)]


def tick_text(value: float, step: float) -> str:
    """A tick's number with as many digits as tell it from the next one."""
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or step < 1e-6:
        return f"{value:.6g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{digits}f}"
