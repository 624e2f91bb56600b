"""A thousand curves as one picture, made anew for every frame of a pan or a zoom. No Qt in it.

A painter's stroke costs by its length, so a thousand curves of a hundred keys take it three frames or more. Here the
cost is that of the plot's columns: the values of all lines stand in a table over evenly spaced frames, so the rows of
all lines in all columns are one gather, and the pixels that they cross in a column are a sum: one more from the row
where a line enters the column, one less where it leaves it, added up down the column. What is above zero is covered.

There are two tables. The coarse one holds all keys and is always there; a finer one around the view is made a slice at
a time when nothing else is to do (`refine`), and only then curves are as smooth as the screen shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import Curve
from studio.ui.curve_lines import HUES
from studio.ui.curve_shapes import polylines, steps_for, whole
from studio.ui.curve_view import View

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
Pixels = NDArray[np.uint32]

_COARSE = 2048  # samples of the coarse table
_COARSE_STEPS = 8  # pieces of a segment there
_FEW_KEYS = 24  # of a line
_SLICE = 64  # lines that one step of `refine` fills in
_AWAY = 1e7  # a row far below every plot
_KEY_ROOM_PX = 5  # between keys of a line, for dots to be drawn
_HEAVY = 700_000  # places (columns times lines) above which a column is two pixels wide while things move
_DASH = 3  # pixels, of lines outside of their keys


@dataclass(slots=True)
class _Table:
    """Values (samples, lines) over frames `first + step * i`; `filled` lines are true."""

    first: float
    step: float
    values: F32
    filled: int

    @property
    def last(self) -> float:
        return self.first + self.step * (len(self.values) - 1)


class Backdrop:
    """Tables of lines and the picture made of them. `set_lines` first."""

    def __init__(self) -> None:
        self.lines: list[tuple[Curve, int]] = []
        self._order: NDArray[np.intp] = np.empty(0, np.intp)  # columns of the tables: lines sorted by hue
        self._column: NDArray[np.intp] = np.empty(0, np.intp)
        self._groups: list[slice] = []
        self._first = self._last = np.empty(0)
        self._coarse: _Table | None = None
        self._fine: _Table | None = None
        self._keys: tuple[F64, F64, NDArray[np.intp]] | None = None  # frames, values, lines of all keys

    def set_lines(self, lines: Sequence[tuple[Curve, int]], hues: Sequence[int]) -> None:
        """Take other lines: components (curve, item) and the numbers of their colours."""
        self.lines = list(lines)
        hue = np.asarray(hues, np.intp)
        self._order = np.argsort(hue, kind="stable")
        self._column = np.empty(len(hue), np.intp)
        self._column[self._order] = np.arange(len(hue))
        ends = np.searchsorted(hue[self._order], np.arange(HUES + 1))
        self._groups = [slice(int(ends[n]), int(ends[n + 1])) for n in range(HUES)]
        self._first = np.array([c.times[0] for c, _ in self.lines])[self._order] if self.lines else np.empty(0)
        self._last = np.array([c.times[-1] for c, _ in self.lines])[self._order] if self.lines else np.empty(0)
        self._coarse = self._fine = self._keys = None
        if self.lines:
            begin, end = float(self._first.min()), float(self._last.max())
            room = max((end - begin) / 2, 10.0)
            self._coarse = self._empty(begin - room, end + room, _COARSE)
            self._fill(self._coarse, range(len(self.lines)), _COARSE_STEPS)

    def change(self, numbers: Iterable[int], lines: Sequence[tuple[Curve, int]]) -> None:
        """Some lines are others now."""
        numbers = list(numbers)
        self._keys = None
        for number, line in zip(numbers, lines, strict=True):
            self.lines[number] = line
            column = self._column[number]
            self._first[column], self._last[column] = line[0].times[0], line[0].times[-1]
        begin, end = float(self._first.min()), float(self._last.max())
        if self._coarse is None or begin < self._coarse.first or end > self._coarse.last:
            room = max((end - begin) / 2, 10.0)
            self._coarse = self._empty(begin - room, end + room, _COARSE)
            numbers = list(range(len(self.lines)))
        self._fill(self._coarse, numbers, _COARSE_STEPS)
        fine = self._fine
        if fine is None:
            return
        if len(numbers) > _SLICE:
            self._fine = None
        else:
            self._fill(fine, [n for n in numbers if self._column[n] < fine.filled], self._steps(fine))

    def _empty(self, first: float, last: float, samples: int) -> _Table:
        values = np.zeros((samples, len(self.lines)), np.float32)
        return _Table(first, (last - first) / (samples - 1), values, 0)

    def _steps(self, table: _Table) -> int:
        keys = sum(len(c.times) for c, _ in self.lines[:: max(len(self.lines) // 64, 1)]) / min(len(self.lines), 64)
        span = max(float(self._last.max() - self._first.min()), 1e-9)
        return steps_for(keys * (table.last - table.first) / span, len(table.values))

    def _fill(self, table: _Table, numbers: Iterable[int], steps: int) -> None:
        """Sample lines; those of few keys have longer segments, which need more pieces."""
        numbers = list(numbers)
        few = [n for n in numbers if len(self.lines[n][0].times) <= _FEW_KEYS]
        if few and len(few) < len(numbers):
            self._fill(table, few, steps)
            self._fill(table, [n for n in numbers if len(self.lines[n][0].times) > _FEW_KEYS], steps)
            return
        steps = max(steps, _FEW_KEYS * 2) if few else steps
        grid = table.first + table.step * np.arange(len(table.values))
        reach = polylines([self.lines[n] for n in numbers], table.first, table.last, steps=steps)
        rows = np.empty((len(numbers), len(grid)), np.float32)
        for row, number in enumerate(numbers):
            curve, item = self.lines[number]
            x, y = reach.line(row)
            outside = table.first < curve.times[0] or table.last > curve.times[-1]
            if len(x) < 2 or (outside and (curve.pre, curve.post) != ("hold", "hold")):
                x, y = whole(curve, item, table.first, table.last, steps=steps)
            rows[row] = np.interp(grid, x, y)
        table.values[:, self._column[numbers]] = rows.T

    # --- finer -------------------------------------------------------------------------------------------------------
    def refine(self, view: View, ratio: float) -> bool:
        """One more slice of a table that is as fine as the view; whether there is more to do. True too when the table
        has just become ready: the picture will be another."""
        if not self.lines or self._enough(self._coarse, view, ratio):
            return False
        fine = self._fine
        if fine is None or not self._enough(fine, view, ratio):
            reach = view.width / view.per_frame
            samples = int(view.width * ratio * 2) + 2
            fine = self._fine = self._empty(view.frame - reach / 2, view.frame + reach * 1.5, samples)
        if fine.filled >= len(self.lines):
            return False
        columns = range(fine.filled, min(fine.filled + _SLICE, len(self.lines)))
        self._fill(fine, self._order[list(columns)].tolist(), self._steps(fine))
        fine.filled = columns.stop
        return True

    @staticmethod
    def _enough(table: _Table | None, view: View, ratio: float) -> bool:
        """Whether a table holds the view at the screen's resolution, or nearly."""
        if table is None:
            return False
        inside = table.first <= view.frame and view.last_frame <= table.last
        return inside and table.step * view.per_frame * ratio <= 1.5

    def _best(self, view: View) -> _Table | None:
        fine = self._fine
        if fine is not None and fine.filled >= len(self.lines):
            inside = fine.first <= view.frame and view.last_frame <= fine.last
            if inside and (self._coarse is None or fine.step < self._coarse.step):
                return fine
        return self._coarse

    # --- the picture -------------------------------------------------------------------------------------------------
    def picture(
        self,
        view: View,
        shown: NDArray[np.bool_],
        colours: Sequence[int],
        *,
        scale: F64 | None = None,
        offset: F64 | None = None,
        ratio: float = 1.0,
        fine: bool = True,
        key_colour: int = 0,
    ) -> Pixels | None:
        """The plot as pixels (h, w) of premultiplied ARGB: the lines that are `shown`, in the colours of their hues.

        A line is drawn at `value * scale + offset`; `ratio` is pixels of the screen per pixel of the view. Not `fine`,
        edges are hard and columns of many lines two pixels wide, which is hardly seen while things move. Keys are
        dots of `key_colour` (0: none) where there is room for them. None when nothing is shown.
        """
        table = self._best(view)
        width, height = max(round(view.width * ratio), 1), max(round(view.height * ratio), 1)
        if table is None or not shown.any():
            return None
        over = 2 if fine else 1
        wide = 1 if fine or width * len(self.lines) < _HEAVY else 2  # pixels of a column
        full, width = width, max((width + wide - 1) // wide, 1)
        rows = self._rows(table, view, shown, scale, offset, ratio * over, width)
        upper, lower = _crossed(rows, height * over, over)
        self._dash(upper, lower, view, width)
        codes = np.zeros((width, height), np.uint8)
        place = 1
        base = over + 1
        tall = height * over + 1
        start = (np.arange(width, dtype=np.intp) * tall)[:, None]
        upper += start
        lower += start
        for group in self._groups:
            if group.stop > group.start and shown[self._order[group]].any():
                covered = _covered(upper[:, group], lower[:, group], width, tall)
                if over == 2:
                    codes += (covered[:, ::2].astype(np.uint8) + covered[:, 1::2]) * np.uint8(place)
                else:
                    codes += covered.astype(np.uint8) * np.uint8(place)
            place *= base
        if wide > 1:
            codes = np.repeat(codes, wide, axis=0)[:full]
        pixels = np.ascontiguousarray(_mixed(colours, base)[codes.T])
        if key_colour:
            self._dot_keys(pixels, view, shown, scale, offset, ratio, key_colour)
        return pixels

    def _dot_keys(
        self,
        pixels: Pixels,
        view: View,
        shown: NDArray[np.bool_],
        scale: F64 | None,
        offset: F64 | None,
        ratio: float,
        colour: int,
    ) -> None:
        """A dot for every key, as long as dots of one line do not touch."""
        if self._keys is None:
            counts = [len(c.times) for c, _ in self.lines]
            self._keys = (
                np.concatenate([c.times for c, _ in self.lines]),
                np.concatenate([c.values[:, i] for c, i in self.lines]),
                np.repeat(np.arange(len(self.lines)), counts),
            )
        frames, values, lines = self._keys
        span = float(self._last.max() - self._first.min())
        if span * view.per_frame < _KEY_ROOM_PX * len(frames) / len(self.lines):
            return
        if scale is not None and offset is not None:
            values = values * scale[lines] + offset[lines]
        x = ((frames - view.frame) * (view.per_frame * ratio)).astype(np.intp)
        y = ((view.top_value - values) * (view.per_value * ratio)).astype(np.intp)
        size = max(round(2 * ratio), 2)
        height, width = pixels.shape
        inside = shown[lines] & (x >= 1) & (x < width - size) & (y >= 1) & (y < height - size)
        at = y[inside] * width + x[inside]
        flat = pixels.reshape(-1)
        for dy in range(size):
            for dx in range(size):
                flat[at + ((dy - size // 2) * width + dx - size // 2)] = colour

    def _rows(
        self,
        table: _Table,
        view: View,
        shown: NDArray[np.bool_],
        scale: F64 | None,
        offset: F64 | None,
        ratio: float,
        width: int,
    ) -> F32:
        """Pixel rows (width + 1, lines), downwards from the plot's top, at the edges of the columns."""
        frames = view.frame + np.arange(width + 1) * (view.width / view.per_frame / width)
        at = np.clip((frames - table.first) / table.step, 0.0, len(table.values) - 1.001)
        index = at.astype(np.intp)
        share = (at - index).astype(np.float32)[:, None]
        rows = table.values[index]
        rows += (table.values[index + 1] - rows) * share
        gain = np.full(len(self.lines), -view.per_value * ratio)
        shift = np.full(len(self.lines), view.top_value * view.per_value * ratio)
        if scale is not None and offset is not None:
            shift += gain * offset
            gain *= scale
        gain[~shown], shift[~shown] = 0.0, _AWAY
        rows *= gain[self._order].astype(np.float32)
        rows += shift[self._order].astype(np.float32)
        return np.asarray(rows)

    def _dash(self, upper: NDArray[np.intp], lower: NDArray[np.intp], view: View, width: int) -> None:
        """Lines outside of their keys are dashed."""
        if view.frame >= self._first.max(initial=-np.inf) and view.last_frame <= self._last.min(initial=np.inf):
            return
        gaps = np.flatnonzero((np.arange(width) // _DASH) % 2)
        frames = (view.frame + (gaps + 0.5) * (view.width / view.per_frame / width))[:, None]
        outside = (frames < self._first[None]) | (frames > self._last[None])
        lower[gaps] = np.where(outside, upper[gaps], lower[gaps])


def _crossed(rows: F32, height: int, thick: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first row of each column that a line covers and the first that it does not any more, (width, lines)."""
    upper = np.minimum(rows[:-1], rows[1:])
    lower = np.maximum(rows[:-1], rows[1:])
    np.clip(upper, 0, height, out=upper)
    np.clip(lower, -thick, height, out=lower)
    first = upper.astype(np.intp)
    past = lower.astype(np.intp)
    past += thick
    np.clip(past, 0, height, out=past)
    return first, past


def _covered(upper: NDArray[np.intp], lower: NDArray[np.intp], width: int, tall: int) -> NDArray[np.bool_]:
    """Which of (width, tall - 1) pixels some line crosses."""
    change = np.bincount(upper.ravel(), minlength=width * tall)
    change -= np.bincount(lower.ravel(), minlength=width * tall)
    inside = np.cumsum(change.reshape(width, tall), axis=1, dtype=np.int32)
    return np.asarray(inside[:, : tall - 1] > 0)


def _mixed(colours: Sequence[int], levels: int) -> Pixels:
    """The colour of every combination of coverages, one digit a hue; hues lie over one another in their order."""
    codes = np.arange(levels ** len(colours))
    out = np.zeros((len(codes), 4))
    for place, colour in enumerate(colours):
        channels = np.array([(colour >> shift) & 0xFF for shift in (16, 8, 0)]) / 255.0
        alpha = (colour >> 24) / 255.0 * ((codes // levels**place) % levels) / (levels - 1)
        out[:, :3] = out[:, :3] * (1 - alpha)[:, None] + channels * alpha[:, None]
        out[:, 3] = out[:, 3] * (1 - alpha) + alpha
    whole_ = np.round(out * 255).astype(np.uint32)
    return np.asarray((whole_[:, 3] << 24) | (whole_[:, 0] << 16) | (whole_[:, 1] << 8) | whole_[:, 2], np.uint32)
