"""What lies under the pointer in the curve editor: handles, then keys, then curves. No Qt in it.

Distances are in pixels of the view, reckoned for all keys at once. Of keys that lie over one another the one of an
active line is meant, then the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import Curve
from studio.ui.curve_lines import Key
from studio.ui.curve_shapes import whole
from studio.ui.curve_state import CurveState
from studio.ui.curve_view import View

F64 = NDArray[np.float64]
MOST_HANDLES = 80  # picked keys whose handles are shown and can be pulled


@dataclass(frozen=True, slots=True)
class Hit:
    """Something under the pointer: a key (`index`), a handle of it (`side` "in" or "out"), or a curve (`index` -1)."""

    key: Key
    index: int = -1
    side: str = ""


def handles(state: CurveState, number: int, rows: NDArray[np.intp]) -> list[tuple[int, str, float, float]]:
    """Handles of keys of a line: index, side, and their ends as (frame, shown value). None of what is not Bezier; none
    that point out of the curve unless it goes on in a straight line."""
    curve, item = state.curves[number], state.lines[number].item
    if curve.interpolation != "bezier" or curve.in_tangents is None or curve.out_tangents is None or curve.rotation:
        return []
    gain, shift = state.gains()
    out = []
    last = len(curve.times) - 1
    for index in rows.tolist():
        for side, tangents, outside in (
            ("in", curve.in_tangents, index == 0),
            ("out", curve.out_tangents, index == last),
        ):
            if outside:
                continue
            dt, dv = tangents[index, item]
            frame, value = curve.times[index] + dt, curve.values[index, item] + dv
            out.append((index, side, float(frame), float(value * gain[number] + shift[number])))
    return out


def shown_handles(state: CurveState) -> list[tuple[Key, int, str, float, float]]:
    """Handles of the picked keys, when those are few."""
    if state.picked_count() > MOST_HANDLES:
        return []
    return [
        (key, *handle)
        for key, rows in state.picks.items()
        if state.shows(state.number[key])
        for handle in handles(state, state.number[key], rows)
    ]


def hit(state: CurveState, view: View, x: float, y: float, reach: float) -> Hit | None:
    """What is nearest to a pixel within `reach` pixels."""
    return handle_at(state, view, x, y, reach) or key_at(state, view, x, y, reach) or curve_at(state, view, x, y, reach)


def handle_at(state: CurveState, view: View, x: float, y: float, reach: float) -> Hit | None:
    """The handle under a pixel. One that lies on its key cannot be pulled."""
    best, found = reach, None
    for key, index, side, frame, value in shown_handles(state):
        way = float(np.hypot(view.x(frame) - x, view.y(value) - y))
        if way < best and state.may_edit(state.number[key]):
            best, found = way, Hit(key, index, side)
    return found


def key_at(state: CurveState, view: View, x: float, y: float, reach: float) -> Hit | None:
    """The key under a pixel."""
    gain, shift = state.gains()
    first, last = view.frame_at(x - reach), view.frame_at(x + reach)
    best: tuple[bool, float] = (True, reach)
    found = None
    for n, (line, curve) in enumerate(zip(state.lines, state.curves, strict=True)):
        a, b = np.searchsorted(curve.times, (first, last)).tolist()
        if a >= b or not state.may_edit(n):
            continue
        dx = view.xs(curve.times[a:b]) - x
        dy = view.ys(curve.values[a:b, line.item] * gain[n] + shift[n]) - y
        ways = np.hypot(dx, dy)
        nearest = int(ways.argmin())
        way = float(ways[nearest])
        rank = (bool(state.active) and line.key not in state.active, way)
        if way < reach and (found is None or rank < best):
            best, found = rank, Hit(line.key, a + nearest)
    return found


def curve_at(state: CurveState, view: View, x: float, y: float, reach: float) -> Hit | None:
    """The curve under a pixel."""
    gain, shift = state.gains()
    columns = np.linspace(view.frame_at(x - reach / 2), view.frame_at(x + reach / 2), 9)
    best, found = (True, reach), None
    for n, (line, curve) in enumerate(zip(state.lines, state.curves, strict=True)):
        if not state.shows(n):
            continue
        rows = view.ys(values_at(curve, line.item, columns) * gain[n] + shift[n])
        way = max(float(rows.min()) - y, y - float(rows.max()), 0.0)
        rank = (bool(state.active) and line.key not in state.active, way)
        if way < reach and (found is None or rank < best):
            best, found = rank, Hit(line.key)
    return found


def values_at(curve: Curve, item: int, frames: F64) -> F64:
    """Values of a component at rising frames, as it is drawn."""
    x, y = whole(curve, item, float(frames[0]), float(frames[-1]), steps=24)
    return np.interp(frames, x, y)


def keys_in(state: CurveState, view: View, box: tuple[float, float, float, float]) -> dict[Key, NDArray[np.intp]]:
    """Keys inside a rectangle of pixels (left, top, right, bottom)."""
    left, top, right, bottom = box
    first, last = view.frame_at(left), view.frame_at(right)
    lo, hi = view.value_at(bottom), view.value_at(top)
    gain, shift = state.gains()
    out = {}
    for n, (line, curve) in enumerate(zip(state.lines, state.curves, strict=True)):
        a, b = np.searchsorted(curve.times, (first, last)).tolist()
        if a >= b or not state.may_edit(n):
            continue
        values = curve.values[a:b, line.item] * gain[n] + shift[n]
        rows = np.flatnonzero((values >= lo) & (values <= hi)) + a
        if len(rows):
            out[line.key] = rows
    return out
