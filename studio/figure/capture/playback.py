"""A take as something that can be looked at: filtered once, then asked for any moment of it, forwards or backwards.

Filters run from the first frame on, so a moment in the middle looks as it did when it was reached by playing; that is
why all of a take is filtered before any of it is shown. `activity` is the take at a glance, for lists and trim strips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studio.figure.capture.frames import COUNT, F64, FaceFrame, Take, frozen
from studio.figure.capture.retarget import Profile
from studio.figure.capture.smoothing import posed
from studio.scene.arkit import ARKIT


@dataclass(frozen=True, slots=True, eq=False)
class PosedTake:
    """A take with its filtered `rows` (k, n + 6): weights, then the head's angles and place. `posed_take` makes one."""

    take: Take
    rows: F64

    def at(self, seconds: float, *, time: float = 0.0) -> FaceFrame:
        """The pose at a moment of the take, at most as far as it goes; `time` is that of the frame."""
        times, n = self.take.times, len(self.take.names)
        t = min(max(float(seconds), 0.0), self.take.seconds)
        after = int(np.clip(np.searchsorted(times, t, side="right"), 1, max(len(times) - 1, 1)))
        if len(times) == 1:
            row, before = self.rows[0], 0
        else:
            before = after - 1
            span = max(float(times[after] - times[before]), 1e-12)
            share = min(max((t - float(times[before])) / span, 0.0), 1.0)
            row = self.rows[before] + (self.rows[after] - self.rows[before]) * share
        head = row[n:].tolist()
        return replace(
            self.take.frame(before, time=time),
            weights=frozen(row[:COUNT]),
            extra=dict(zip(self.take.names[COUNT:], row[COUNT:n].tolist(), strict=True)),
            head_deg=(head[0], head[1], head[2]),
            head_m=(head[3], head[4], head[5]),
        )


def posed_take(take: Take, profile: Profile | None = None) -> PosedTake:
    """A take filtered and retargeted by a profile, by its own, or by the plain one."""
    weights, head, _ = posed(take, profile)
    return PosedTake(take, np.concatenate([weights, head], axis=1))


_MOUTH = np.array([name.startswith(("jaw", "mouth", "tongue")) for name in ARKIT])
_GLANCES = np.array([name.startswith("eyeLook") for name in ARKIT])


def activity(take: Take, bins: int = 120) -> F64:
    """How much the mouth and the rest of a face do, (2, bins) from 0 to 1 each, in equal parts of a take.

    Glances are left out: they never rest. Each is the mean of the four strongest shapes, the most of its part.
    """
    weights = np.clip(np.abs(take.weights[:, :COUNT]), 0.0, 1.0)
    out = np.zeros((2, bins))
    at = np.clip((take.times / max(take.seconds, 1e-9) * bins).astype(np.intp), 0, bins - 1)
    for i, chosen in enumerate((_MOUTH, ~_MOUTH & ~_GLANCES)):
        strongest = np.partition(weights[:, chosen], -4, axis=1)[:, -4:].mean(axis=1)
        np.maximum.at(out[i], at, strongest)
        heard = np.bincount(at, minlength=bins) > 0
        out[i] = np.interp(np.arange(bins), np.flatnonzero(heard), out[i][heard])
    return out
