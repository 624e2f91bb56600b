"""One-Euro filters for all channels of a face at once, and the whole way from raw frames to a pose.

The filter is that of G. Casiez, N. Roussel and D. Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy
Input in Interactive Systems", CHI 2012: an exponential smoothing whose cutoff rises with the speed of the signal, so a
face at rest does not tremble and one that moves is not late. Every step knows its own length, so frames may come at
any times; live and afterwards the same steps are taken, so a take looks as it did while it was recorded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.figure.capture.frames import Take
from studio.figure.capture.retarget import Chain, Profile, Smoothing
from studio.scene.arkit import ARKIT, region

F64 = NDArray[np.float64]


class OneEuro:
    """Filters of n channels. `min_hz` is the cutoff at rest, `beta` what a unit of speed adds to it, each a number or
    (n,); `speed_hz` is the cutoff of the speed itself."""

    def __init__(self, min_hz: F64 | float, beta: F64 | float, *, speed_hz: float = 1.0) -> None:
        self._min, self._beta, self._speed_hz = min_hz, beta, speed_hz
        self._time: float | None = None
        self._value: F64 = np.empty(0)
        self._speed: F64 = np.empty(0)

    def reset(self) -> None:
        """Begin anew with the next value."""
        self._time = None

    def step(self, time: float, x: F64) -> F64:
        """The smoothed value (n,) after one of a time in seconds. A time that is not later than the last gives what
        that one gave."""
        if self._time is None:
            self._time, self._value, self._speed = time, x.copy(), np.zeros_like(x)
            return self._value
        te = time - self._time
        if te <= 0.0:
            return self._value
        share = _share(self._speed_hz, te)
        self._speed = self._speed + share * ((x - self._value) / te - self._speed)
        cutoff = self._min + self._beta * np.abs(self._speed)
        self._value = self._value + (x - self._value) / (1.0 + 1.0 / (math.tau * cutoff * te))
        self._time = time
        return self._value

    def run(self, times: F64, rows: F64) -> F64:
        """Smoothed rows (k, n) of rows at times (k,); the filter begins anew."""
        self.reset()
        out = np.empty_like(rows)
        for i, time in enumerate(times.tolist()):
            out[i] = self.step(time, rows[i])
        return out


def _share(cutoff: float, te: float) -> float:
    return 1.0 / (1.0 + 1.0 / (math.tau * cutoff * te))


def filters_of(smoothing: Smoothing, names: Sequence[str]) -> tuple[OneEuro, OneEuro]:
    """The filters of a face's weights, and of head and eyes (12,)."""
    cutoff = {"jaw": smoothing.quick_hz, "gaze": smoothing.gaze_hz}
    hz = [smoothing.quick_hz if n.startswith("eyeBlink") else cutoff.get(region(n), smoothing.face_hz) for n in names]
    face = OneEuro(np.array(hz), smoothing.face_beta, speed_hz=smoothing.speed_hz)
    turn_hz = np.repeat((smoothing.head_hz, smoothing.gaze_hz), 6)
    turn_beta = np.array([smoothing.head_beta] * 3 + [100.0 * smoothing.head_beta] * 3 + [smoothing.head_beta] * 6)
    return face, OneEuro(turn_hz, turn_beta, speed_hz=smoothing.speed_hz)


class Pipeline:
    """Raw frames to poses, one after the other or a whole take at once, by a profile."""

    def __init__(self, profile: Profile, names: Sequence[str] = ARKIT) -> None:
        self.chain = Chain(profile, names)
        self.names = self.chain.names
        self._face, self._turns = filters_of(profile.smoothing, self.names)
        self._on = profile.smoothing.on

    def reset(self) -> None:
        """Begin anew: the next frame has none before it."""
        self._face.reset()
        self._turns.reset()

    def step(self, time: float, weights: F64, head: F64, eyes: F64) -> tuple[F64, F64, F64]:
        """The pose of one frame: weights (n,), head (6,) and eyes (6,)."""
        w, h, e = self.chain.before(weights[None], head[None], eyes[None])
        if self._on:
            w = self._face.step(time, w[0])[None]
            turned = self._turns.step(time, np.concatenate([h[0], e[0]]))
            h, e = turned[None, :6], turned[None, 6:]
        return self.chain.after(w)[0], h[0].copy(), e[0].copy()

    def run(self, times: F64, weights: F64, head: F64, eyes: F64) -> tuple[F64, F64, F64]:
        """The poses of frames at times (k,): weights (k, n), head (k, 6) and eyes (k, 6)."""
        self.reset()
        w, h, e = self.chain.before(weights, head, eyes)
        if self._on:
            w = self._face.run(times, w)
            turned = self._turns.run(times, np.concatenate([h, e], axis=1))
            h, e = turned[:, :6], turned[:, 6:]
        return self.chain.after(w), h, e


def posed(take: Take, profile: Profile | None = None) -> tuple[F64, F64, F64]:
    """What a take makes a face do, all of it: weights (k, n), head (k, 6) and eyes (k, 6), by a profile, its own, or
    the plain one."""
    chosen = profile or take.profile or Profile()
    return Pipeline(chosen, take.names).run(take.times, take.weights, take.head, take.eyes)
