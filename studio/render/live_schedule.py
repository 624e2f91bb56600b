"""Which pixels the live view renders next: first a coarse grid, then finer ones, then whole samples.

Nothing is rendered only for show: every pixel of the coarse grid gets the sample with which a final render begins, and
finer grids add the pixels between, until each has one. From then on the pixels with the fewest samples come first, so
a region that was rendered alone waits until the rest of the picture has as many. Within a grid pixels come in a random
order that is always the same, hence a picture that is shown half-way is even all over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.render.film import Crop, Layout
from studio.render.live_share import Range, length, sample_at

COARSEST_PX = 32
FIRST_PICTURE = 4096  # samples of the coarsest grid, at most, unless COARSEST_PX forbids
_ORDER_SEED = 0x0DE5


@dataclass(frozen=True, slots=True, eq=False)
class Wave:
    """Samples `first` to `first + count` of `pixels` (y * width + x, ascending)."""

    pixels: NDArray[np.int32]
    first: int
    count: int


class Schedule:
    """The samples that every pixel of a film has, and what comes next."""

    def __init__(
        self,
        layout: Layout,
        samples: int,
        *,
        first_sample: int = 0,
        region: Crop | None = None,
        own: tuple[Range, ...] = (),
    ) -> None:
        """`own` are the samples to render, in that order; by default `samples` of them from the first."""
        x0, y0, x1, y1 = layout.crop
        self._layout = layout
        self._shape = (y1 - y0, x1 - x0)
        self._first = first_sample
        self.own = own or ((first_sample, first_sample + samples),)
        self.done = np.zeros(self._shape, np.int32)
        self.begin_again(region)

    def begin_again(self, region: Crop | None) -> None:
        """Render only the pixels of `region` (in the whole image; None: all) from now on; samples are kept."""
        x0, y0, x1, y1 = self._layout.crop
        left, top, right, bottom = region or self._layout.crop
        self._window = (
            slice(min(max(top, y0), y1) - y0, max(min(bottom, y1), y0) - y0),
            slice(min(max(left, x0), x1) - x0, max(min(right, x1), x0) - x0),
        )
        self._queue: list[tuple[int, NDArray[np.int64]]] = []  # grid step and places within the crop
        self._at = 0

    @property
    def samples(self) -> int:
        """How many samples every pixel is to have."""
        return length(self.own)

    @samples.setter
    def samples(self, samples: int) -> None:
        self.own = ((self._first, self._first + samples),)

    def steer(self, samples: int, own: tuple[Range, ...]) -> bool:
        """Render others, or more or fewer; whether that is a change. The beginning, as far as it is done, is kept."""
        before = self.own
        self.own = own or ((self._first, self._first + samples),)
        return self.own != before

    @property
    def active(self) -> NDArray[np.int32]:
        """Samples of the pixels at work."""
        return self.done[self._window]

    @property
    def step(self) -> int:
        """Distance of the samples that every part of the region has; 0 before the first pass is through."""
        active = self.active
        if not active.size:
            return 1
        step = _coarsest(active.size)
        found = 0
        while step >= 1:
            rows, columns = np.ogrid[self._window[0], self._window[1]]
            grid = (rows % step == 0) & (columns % step == 0)
            if (active[grid] == 0).any():
                break
            found, step = step, step // 2
        return found

    @property
    def complete(self) -> bool:
        """Whether every pixel at work has all its samples."""
        return not self.active.size or int(self.active.min()) >= self.samples

    def next(self, capacity: int) -> Wave | None:
        """Up to `capacity` samples to render now, None when all are done. What is asked for counts as done."""
        if self._at and self._at >= len(self._queue[0][1]):
            self._queue.pop(0)
            self._at = 0
        if not self._queue and not self._plan():
            return None
        places = self._queue[0][1]
        part = np.sort(places[self._at : self._at + max(capacity, 1)])
        have = int(self.done.flat[part[0]])
        count = 1
        first, even = sample_at(self.own, have)
        if have and self._at == 0 and len(part) == len(places):  # the device takes several samples of all of them
            count = max(1, min(capacity // len(part), even, have))
        self._at += len(part)
        self.done.flat[part] += count
        x0, y0 = self._layout.crop[:2]
        y, x = np.divmod(part, self._shape[1])
        pixels = ((y + y0) * self._layout.width + x + x0).astype(np.int32)
        return Wave(pixels, first, count)

    def _plan(self) -> bool:
        """Queue the pixels at work that have the fewest samples; False when they have all of them."""
        if self.complete:
            return False
        fewest = int(self.active.min())
        mask = np.zeros(self._shape, np.bool_)
        mask[self._window] = self.active == fewest
        places = np.random.default_rng(_ORDER_SEED + fewest).permutation(np.flatnonzero(mask))
        if fewest:
            self._queue = [(1, places)]
            return True
        y, x = np.divmod(places, self._shape[1])
        step, left = _coarsest(self.active.size), np.ones(len(places), np.bool_)
        while step >= 1:
            grid = left & (y % step == 0) & (x % step == 0)
            if grid.any():
                self._queue.append((step, places[grid]))
            left &= ~grid
            step //= 2
        return True


def _coarsest(pixels: int) -> int:
    """Step of the coarsest grid over so many pixels."""
    step = 8
    while step < COARSEST_PX and pixels // step**2 > FIRST_PICTURE:
        step *= 2
    while step > 1 and pixels // step**2 < 64:
        step //= 2
    return step
