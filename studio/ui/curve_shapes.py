"""Curves as polylines, many at once: what the curve editor draws. No Qt in it.

Evaluation at given frames has to solve for the parameter of a Bezier segment; drawing has not, for any points along
the curve will do. So every visible segment of every line becomes a Bezier (a glTF spline or a straight line is one),
and all of them are walked in equal steps of the parameter by one expression. Outside of its keys a curve is walked as
its rule says, by moving, turning over and stringing together what was found inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import STEP, Curve, evaluate

F64 = NDArray[np.float64]
Index = NDArray[np.intp]
_MOST_CYCLES = 400  # repeats of a curve that are drawn on one side


@dataclass(frozen=True, slots=True)
class Polylines:
    """Polylines end to end: frames `x` and values `y` (n,); line i has the points `starts[i]` to `starts[i + 1]`."""

    x: F64
    y: F64
    starts: Index

    def line(self, number: int) -> tuple[F64, F64]:
        """Points of one line."""
        part = slice(self.starts[number], self.starts[number + 1])
        return self.x[part], self.y[part]


def polylines(curves: Sequence[tuple[Curve, int]], first: float, last: float, *, steps: int) -> Polylines:
    """Components (curve, item) between their keys, where those lie from `first` to `last`: the segments that reach
    into the range, each in `steps` pieces. A curve of one key, or outside of the range, has one point or none."""
    parts = [_segments(curve, item, first, last) for curve, item in curves]
    counts = np.array([len(p[0]) for p in parts], np.intp)
    starts = np.concatenate([[0], np.cumsum(counts * steps + (counts > 0))]).astype(np.intp)
    if not counts.sum():
        return Polylines(np.empty(0), np.empty(0), starts)
    t0, t1, v0, v1, x1, y1, x2, y2, held = (np.concatenate(column) for column in zip(*parts, strict=True))
    s = (np.arange(steps) / steps)[None, :]
    r = 1 - s
    a, b, c, d = r * r * r, 3 * r * r * s, 3 * r * s * s, s * s * s
    x = t0[:, None] * a + x1[:, None] * b + x2[:, None] * c + t1[:, None] * d
    y = v0[:, None] * a + y1[:, None] * b + y2[:, None] * c + v1[:, None] * d
    rows = np.flatnonzero(held)
    if len(rows):  # a held value goes straight to the next key and jumps there
        y[rows] = v0[rows, None]
        x[rows, -1] = t1[rows] if steps > 1 else t0[rows]
    out_x, out_y = np.empty(starts[-1]), np.empty(starts[-1])
    ends = starts[1:][counts > 0] - 1
    inner = np.ones(starts[-1], np.bool_)
    inner[ends] = False
    out_x[inner], out_y[inner] = x.ravel(), y.ravel()
    final = np.cumsum(counts)[counts > 0] - 1
    out_x[ends], out_y[ends] = t1[final], v1[final]
    return Polylines(out_x, out_y, starts)


def _segments(curve: Curve, item: int, first: float, last: float) -> tuple[NDArray[Any], ...]:
    """Ends and handles of the segments of a component that reach into a range: nine arrays of one length."""
    times, values = curve.times, curve.values[:, item]
    a = max(int(np.searchsorted(times, first, side="right")) - 1, 0)
    b = min(int(np.searchsorted(times, last, side="left")) + 1, len(times))
    if b - a < 2:
        none = np.empty(0)
        return (none,) * 9
    if curve.rotation and curve.interpolation != "step":  # on the sphere a component has no polynomial of its own
        inner = times[a : b - 1, None] + np.diff(times[a:b])[:, None] * (np.arange(8) / 8)
        times = np.append(inner.ravel(), times[b - 1])
        values = evaluate(curve, times)[:, item]
        return _straight(times, values)
    t, v = times[a:b], values[a:b]
    if curve.interpolation == "linear":
        return _straight(t, v)
    span = t[1:] - t[:-1]
    held = np.zeros(len(span), np.bool_)
    if curve.interpolation == "step" or curve.in_tangents is None or curve.out_tangents is None:
        return (t[:-1], t[1:], v[:-1], v[1:], t[:-1], v[:-1], t[1:], v[1:], ~held)
    out, into = curve.out_tangents[a : b - 1, item], curve.in_tangents[a + 1 : b, item]
    if curve.interpolation == "cubic":
        third = span / 3
        y1, y2 = v[:-1] + out * third, v[1:] - into * third
        return (t[:-1], t[1:], v[:-1], v[1:], t[:-1] + third, y1, t[1:] - third, y2, held)
    if curve.modes is not None:
        held = (curve.modes[a : b - 1] & 0x7F) == STEP
    reach, back = out[:, 0] / span, -into[:, 0] / span  # a longer handle is shortened and keeps its direction
    x1 = t[:-1] + np.minimum(np.maximum(out[:, 0], 0.0), span)  # for few numbers np.clip takes ten times as long
    x2 = t[1:] + np.minimum(np.maximum(into[:, 0], -span), 0.0)
    y1 = v[:-1] + out[:, 1] / np.maximum(reach, 1.0)
    y2 = v[1:] + into[:, 1] / np.maximum(back, 1.0)
    return (t[:-1], t[1:], v[:-1], v[1:], x1, y1, x2, y2, held)


def _straight(t: F64, v: F64) -> tuple[NDArray[Any], ...]:
    third, rise = np.diff(t) / 3, np.diff(v) / 3
    none = np.zeros(len(third), np.bool_)
    return (t[:-1], t[1:], v[:-1], v[1:], t[:-1] + third, v[:-1] + rise, t[1:] - third, v[1:] - rise, none)


# --- outside of the keys ---------------------------------------------------------------------------------------------
def before_keys(curve: Curve, item: int, first: float, *, steps: int) -> tuple[F64, F64]:
    """Points of a component from `first` to its first key, by the rule `curve.pre`; empty when there is none."""
    return _outside(curve, item, first, float(curve.times[0]), curve.pre, steps)


def after_keys(curve: Curve, item: int, last: float, *, steps: int) -> tuple[F64, F64]:
    """Points of a component from its last key to `last`, by the rule `curve.post`; empty when there is none."""
    return _outside(curve, item, float(curve.times[-1]), last, curve.post, steps)


def _outside(curve: Curve, item: int, lo: float, hi: float, rule: str, steps: int) -> tuple[F64, F64]:
    if hi <= lo:
        return np.empty(0), np.empty(0)
    begin, end = float(curve.times[0]), float(curve.times[-1])
    span = end - begin
    if rule == "hold":
        return np.array([lo, hi]), np.repeat(curve.values[0 if hi <= begin else -1, item], 2)
    if rule == "linear" or span <= 0 or (curve.rotation and rule == "offset"):
        x = np.array([lo, hi])
        if rule == "linear" and curve.rotation:
            x = np.linspace(lo, hi, 65)
        return x, evaluate(curve, x)[:, item]
    px, py = polylines([(curve, item)], begin, end, steps=steps).line(0)
    first, last = int(np.floor((lo - begin) / span)), int(np.ceil((hi - begin) / span)) - 1
    cycles = np.arange(first, last + 1)
    cycles = cycles[np.argsort(np.abs(cycles), kind="stable")[:_MOST_CYCLES]]
    rise = float(curve.values[-1, item] - curve.values[0, item]) if rule == "offset" else 0.0
    xs, ys = [], []
    for cycle in sorted(cycles.tolist()):
        back = rule == "pingpong" and cycle % 2 == 1
        xs.append((begin + end - px[::-1] if back else px) + cycle * span)
        ys.append((py[::-1] if back else py) + cycle * rise)
    x, y = np.concatenate(xs), np.concatenate(ys)
    inside = (x >= lo) & (x <= hi)
    x_ends = np.array([lo, hi])
    y_ends = np.interp(x_ends, x, y)
    return (
        np.concatenate([x_ends[:1], x[inside], x_ends[1:]]),
        np.concatenate([y_ends[:1], y[inside], y_ends[1:]]),
    )


def whole(curve: Curve, item: int, first: float, last: float, *, steps: int) -> tuple[F64, F64]:
    """Points of a component over a range, outside of its keys too."""
    parts = [
        before_keys(curve, item, first, steps=steps),
        polylines([(curve, item)], first, last, steps=steps).line(0),
        after_keys(curve, item, last, steps=steps),
    ]
    if len(curve.times) == 1:
        parts[1] = (curve.times, curve.values[:, item])
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def steps_for(curve_times_per_view: float, width: float) -> int:
    """Into how many pieces segments are cut so that pieces are some pixels long."""
    return int(min(max(width / max(curve_times_per_view, 1.0) / 3.0, 3.0), 96.0))
