"""Frames along a line of pixels: zoom, pan, and where the marks of a ruler stand. A value; widgets keep one and change
it for another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from studio.scene.timecode import base_of, timecode

MOST_PER_FRAME, LEAST_PER_FRAME = 400.0, 1e-4  # logical pixels
_FRAME_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Scale:
    """The frame at the left edge, logical pixels of a frame, and how many pixels there are."""

    left: float = 0.0
    per_frame: float = 8.0
    width: float = 100.0

    def x(self, frame: float) -> float:
        """Where a frame stands."""
        return (frame - self.left) * self.per_frame

    def frame(self, x: float) -> float:
        """The frame at a place, parts of frames included."""
        return self.left + x / self.per_frame

    @property
    def right(self) -> float:
        """The frame at the right edge."""
        return self.left + self.width / self.per_frame

    def zoomed(self, factor: float, x: float) -> Scale:
        """So many times as large; what stands at `x` stays there."""
        per_frame = min(max(self.per_frame * factor, LEAST_PER_FRAME), MOST_PER_FRAME)
        return replace(self, per_frame=per_frame, left=self.frame(x) - x / per_frame)

    def panned(self, pixels: float) -> Scale:
        """Moved along, so that what stands at x stands at x + pixels."""
        return replace(self, left=self.left - pixels / self.per_frame)

    def fitted(self, first: float, last: float, *, edge: float = 24.0) -> Scale:
        """With these frames, and so many pixels beside them, filling the width."""
        room = max(self.width - 2.0 * edge, 1.0)
        per_frame = min(max(room / max(last - first, 1.0), LEAST_PER_FRAME), MOST_PER_FRAME)
        return replace(self, per_frame=per_frame, left=first - edge / per_frame)

    def showing(self, frame: float) -> Scale:
        """Turned to the page that a frame stands on, where it stands outside."""
        span = self.width / self.per_frame
        if self.left <= frame <= self.right:
            return self
        return replace(self, left=frame - 0.1 * span if frame > self.right else frame - 0.9 * span)

    def steps(self, label: float, *, fps: float = 0.0) -> tuple[int, int]:
        """Frames between labelled marks, `label` pixels apart at least, and between the small ones. With `fps`, whole
        seconds are preferred."""
        least = label / self.per_frame
        major = next(s for s in _steps(base_of(fps) if fps else 0) if s >= least)
        for parts in (10, 5, 4, 3, 2):
            if major % parts == 0 and major // parts * self.per_frame >= 5.0:
                return major, major // parts
        return major, major

    def marks(self, step: int) -> range:
        """Frames with a mark, from the left edge to the right one."""
        first = math.floor(self.left / step) * step
        return range(first, math.ceil(self.right) + step, step)


def _steps(base: int) -> Iterator[int]:
    """Steps of a ruler, rising; in whole seconds once they are longer than one."""
    if not base:
        power = 1
        while True:
            yield from (s * power for s in _FRAME_STEPS)
            power *= 10
    yield from (s for s in (1, 2, 5, 6, 10, 12, 15) if base % s == 0 and s < base)
    seconds = 1
    while True:
        yield from (s * seconds * base for s in (1, 2, 5, 10, 15, 30))
        seconds *= 60


def told(frame: float, fps: float, *, as_timecode: bool) -> str:
    """A frame as it is written: timecode, or a number with at most two decimals."""
    if as_timecode:
        return timecode(frame, fps)
    return f"{frame:.2f}".rstrip("0").rstrip(".")
