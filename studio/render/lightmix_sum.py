"""The sum of a frame's layers, kept while one light after another is changed.

Changing one light of 300 adds the difference of its layer once; the other 299 are not touched. A group moves as one:
its part of the sum is kept beside, and scaled. What cannot be had so (a solo, a preset) is added up from the nearest
state that is at hand: the one before, black, or the present one.

Sums in float32 drift when a layer is added and taken away again. `Mixer.drift` bounds the error, relative to the
brightest that a pixel has been, and `rebuild` starts from black; the window does that at rest when the bound passes
`DRIFT`. Files are never made of such sums (`studio.render.lightmix_full`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from studio.render.lightmix_store import F32, Store

DRIFT = 1e-4
PARTS = 16  # groups whose part of the sum is kept
_BAND_ROWS = 16  # of the picture that are worked on at once: they stay in the processor's memory
_EPSILON = 2.0**-24  # of a rounding in float32


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="mix")


@dataclass(slots=True, eq=False)
class _Part:
    """What lights that move together bring: the sum of `base` times their layers. Each has `ratio * base` now.

    A light that is changed alone changes `base` at once and `pixels`, which hold the sum of `held`, when they are next
    needed or at rest.
    """

    rows: NDArray[np.intp]
    base: NDArray[np.float32]  # (k, 3)
    pixels: F32
    ratio: NDArray[np.float32]  # (3,)
    held: NDArray[np.float32]  # (k, 3)

    @property
    def behind(self) -> NDArray[np.intp]:
        """Which of `rows` the pixels do not follow yet."""
        return np.flatnonzero((self.base != self.held).any(axis=1))

    def fit(self, new: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """The ratio that makes the factors of these lights what they are in `new`; None where there is none."""
        wanted, whole = new[self.rows], self.base.sum(axis=0, dtype=np.float64)
        ratio = np.divide(wanted.sum(axis=0, dtype=np.float64), whole, out=np.zeros(3), where=whole > 0)
        fits = np.allclose(wanted, ratio * self.base, rtol=1e-5, atol=0.0)
        return ratio.astype(np.float32) if fits else None


@dataclass(slots=True, eq=False)
class _State:
    factors: NDArray[np.float32]
    sum: F32
    parts: list[_Part] = field(default_factory=list)
    drift: float = 0.0


class Mixer:
    """The sum of the layers of a `Store`, each times its factor. Belongs to one thread at a time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._now = self._black()
        self._before: _State | None = None
        self._moving: tuple[int, F32] | None = None

    def _black(self) -> _State:
        return _State(np.zeros((len(self.store), 3), np.float32), np.zeros((*self.store.shape, 3), np.float32))

    @property
    def sum(self) -> F32:
        """(h, w, 3) in nits; the next `update` changes it in place."""
        return self._now.sum

    @property
    def drift(self) -> float:
        """A bound of what rounding has done since the last `rebuild`, relative to the brightest a pixel has been."""
        return self._now.drift

    def update(self, wanted: NDArray[np.float32]) -> F32:
        """Bring the sum to factors (n, 3); the sum."""
        state = self._now
        changed = _differing(wanted, state.factors)
        if not changed.size:
            return state.sum
        lit = int(wanted.any(axis=1).sum())
        part = self._part_for(state, changed, wanted)
        direct = 1 + len(part.behind) if part is not None else len(changed)
        back = len(_differing(wanted, self._before.factors)) if self._before is not None else len(wanted) + 1
        if direct > 2 and back < min(direct, lit) and self._before is not None:
            self._now, self._before = self._before, state
            return self.update(wanted)
        if lit < direct:
            self._before = state
            self._now = self._black()
            self._add(self._now.sum, np.flatnonzero(wanted.any(axis=1)), wanted)
        else:
            self._step(state, changed, wanted)
        self._now.factors = wanted.copy()
        return self._now.sum

    def rebuild(self) -> F32:
        """Add everything up from black, without the roundings of what was done since."""
        state = self._now
        state.sum = np.zeros_like(state.sum)
        self._add(state.sum, np.flatnonzero(state.factors.any(axis=1)), state.factors)
        state.parts.clear()
        state.drift = 0.0
        return state.sum

    def warm(self, rows: Sequence[int]) -> bool:
        """Keep the part of lights that will be moved together, so that already the first step is quick; of up to
        `PARTS` such sets. Whether there was anything to do."""
        state, at = self._now, np.array(sorted(rows), np.intp)
        kept = next((part for part in state.parts if np.array_equal(part.rows, at)), None)
        if kept is not None and not len(kept.behind):
            return False
        if kept is not None:
            self._freshen(kept)
        elif len(at) > 2:
            self._keep(state, at, state.factors)
        return len(at) > 2

    # --- steps -------------------------------------------------------------------------------------------------------
    def _part_for(self, state: _State, changed: NDArray[np.intp], wanted: NDArray[np.float32]) -> _Part | None:
        for part in state.parts:
            inside = np.isin(changed, part.rows, assume_unique=True).all()
            if inside and len(part.behind) < len(changed) and part.fit(wanted) is not None:
                return part
        return None

    def _step(self, state: _State, changed: NDArray[np.intp], wanted: NDArray[np.float32]) -> None:
        part = self._part_for(state, changed, wanted)
        if part is None and len(changed) > 2:
            base = state.factors if state.factors[changed].any() else wanted
            trial = _Part(changed, base[changed], state.sum, np.ones(3, np.float32), base[changed])
            now = trial.fit(state.factors)
            if now is not None and trial.fit(wanted) is not None:  # they move as one, and will again
                part = self._keep(state, changed, base)
                part.ratio = now
        by = np.zeros(3, np.float32)
        if part is not None:
            self._freshen(part)
            ratio = _given(part.fit(wanted))
            by = ratio - part.ratio
            _add_scaled(state.sum, part.pixels, by)
        elif len(changed) == 1:
            row = int(changed[0])
            _add_scaled(state.sum, self._layer(row), wanted[row] - state.factors[row])
        else:
            self._add(state.sum, changed, wanted - state.factors)
        for other in list(state.parts):
            if not self._follow(other, changed, wanted, part, by):
                state.parts.remove(other)
        peak = float(max(wanted[changed].max(initial=0.0), state.factors[changed].max(initial=0.0), 1.0))
        state.drift += 2.0 * _EPSILON * peak

    def _follow(
        self,
        part: _Part,
        changed: NDArray[np.intp],
        wanted: NDArray[np.float32],
        used: _Part | None,
        by: NDArray[np.float32],
    ) -> bool:
        """Keep a part true after lights changed; False when it cannot be had cheaply."""
        inside = np.isin(part.rows, changed, assume_unique=True)
        if not inside.any():
            return True
        ratio = part.fit(wanted)
        if ratio is not None:
            part.ratio = ratio
            return True
        if not (part.ratio > 0).all():
            return False
        own = (wanted[part.rows] / part.ratio).astype(np.float32)
        if used is not None and np.isin(used.rows, part.rows, assume_unique=True).all():
            _add_scaled(part.pixels, used.pixels, by / part.ratio)
            moved = np.isin(part.rows, used.rows, assume_unique=True)
            true = (part.held == part.base) | ~moved[:, None]
            part.held = np.where(moved[:, None], np.where(true, own, part.held + own - part.base), part.held)
        part.base = own
        return True

    def _freshen(self, part: _Part) -> None:
        """Bring the pixels of a part to what its lights are."""
        behind = part.behind
        if not len(behind):
            return
        delta = np.zeros((len(self.store), 3), np.float32)
        if len(behind) * 2 > len(part.rows):
            part.pixels[...] = 0.0
            behind, part.held = np.arange(len(part.rows)), np.zeros_like(part.held)
        delta[part.rows] = part.base - part.held
        self._add(part.pixels, part.rows[behind], delta)
        part.held = part.base.copy()

    def _keep(self, state: _State, rows: NDArray[np.intp], base: NDArray[np.float32]) -> _Part:
        pixels = np.zeros_like(state.sum)
        self._add(pixels, rows, base)
        made = _Part(rows, base[rows].copy(), pixels, np.ones(3, np.float32), base[rows].copy())
        state.parts.insert(0, made)
        del state.parts[PARTS:]
        return made

    def _layer(self, row: int) -> F32:
        """A layer as float32, kept for the next step: a fader that moves will move on."""
        if self._moving is None or self._moving[0] != row:
            self._moving = (row, self.store.layer(row))
        return self._moving[1]

    def _add(self, target: F32, rows: NDArray[np.intp], times: NDArray[np.float32]) -> None:
        """`target` += the layers of `rows`, each by its row of `times` (n, 3), over threads."""

        def some(top: int, bottom: int) -> None:
            scratch = np.empty((_BAND_ROWS, *target.shape[1:]), np.float32)
            for first in range(top, bottom, _BAND_ROWS):
                last = min(first + _BAND_ROWS, bottom)
                for row in rows.tolist():
                    self.store.add_to(target, row, times[row], top=first, bottom=last, scratch=scratch)

        _over_threads(target.shape[0], some)


def _over_threads(height: int, act: Callable[[int, int], None]) -> None:
    """Do something for all rows of a picture, in as many pieces as there are cores: a piece is soon done, and handing
    it over takes its time too."""
    edges = np.linspace(0, height, (os.cpu_count() or 1) + 1).astype(int).tolist()
    list(_pool().map(act, edges[:-1], edges[1:]))


def _given(ratio: NDArray[np.float32] | None) -> NDArray[np.float32]:
    assert ratio is not None
    return ratio


def _differing(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.flatnonzero((a != b).any(axis=1))


def _add_scaled(target: F32, pixels: F32, by: NDArray[np.float32]) -> None:
    """target += by * pixels, over threads."""
    row = np.ascontiguousarray(np.broadcast_to(by.astype(np.float32), target.shape[1:]))

    def some(top: int, bottom: int) -> None:
        for first in range(top, bottom, _BAND_ROWS):
            last = min(first + _BAND_ROWS, bottom)
            target[first:last] += pixels[first:last] * row

    _over_threads(target.shape[0], some)
