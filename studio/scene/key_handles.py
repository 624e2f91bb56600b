"""Tangents of keys: their modes, their handles, and what a curve does outside its keys.

Handles are offsets from their key, (frames, value). Any length will do (they are "weighted") as long as it stays within
the segment; a longer one is shortened along its direction. Of LINEAR keys both handles point where they point, so a
handle of theirs that is pulled leaves the other alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from studio.errors import BadAsset
from studio.scene.animation import BREAKDOWN, BROKEN, F64, FREE, LINEAR, OUTSIDE, STEP, Curve
from studio.scene.key_modes import aligned, curve_of, kind_of, offsets, parts_of, thirds
from studio.scene.key_rows import Picked, Rows, bezier, changed, curve_named, each_picked, with_curves
from studio.scene.scene import Scene


def set_modes(scene: Scene, picked: Picked, mode: int) -> Scene:
    """Give keys another tangent mode; their handles follow, those that become FREE come into one line.

    Curves that are not Bezier become so, see `to_bezier`. Raises BadAsset for an unknown mode.
    """
    if mode not in range(STEP + 1):
        raise BadAsset(f"There is no tangent mode {mode}; there are 0 to {STEP}.")
    from studio.scene.key_conversions import to_bezier

    def change(name: str, curve: Curve, rows: Rows) -> Curve:
        parts = bezier(name, curve)
        modes = parts["modes"].copy()
        modes[rows] = (modes[rows] & BREAKDOWN) | mode
        parts |= {"modes": modes}
        if mode == FREE:
            into, out = np.array(parts["in_tangents"]), np.array(parts["out_tangents"])
            into[rows], out[rows] = aligned(into[rows], out[rows])
            parts |= {"in_tangents": into, "out_tangents": out}
        return curve_of(parts, curve, where=name)

    names = [name for name, curve, _ in each_picked(scene, picked) if curve.interpolation != "bezier"]
    return changed(to_bezier(scene, names), picked, change)


def set_breakdown(scene: Scene, picked: Picked, on: bool = True) -> Scene:
    """Make keys breakdowns, which keep their place between their neighbours when those are moved, or plain keys."""

    def change(name: str, curve: Curve, rows: Rows) -> Curve:
        parts = bezier(name, curve)
        modes = parts["modes"].copy()
        modes[rows] = kind_of(modes[rows]) | (BREAKDOWN if on else 0)
        return curve_of({**parts, "modes": modes}, curve, where=name)

    return changed(scene, picked, change)


def break_handles(scene: Scene, picked: Picked, broken: bool = True) -> Scene:
    """Let the two handles of keys go their own ways, or bring them into one line again."""
    return set_modes(scene, picked, BROKEN if broken else FREE)


def set_handle(scene: Scene, track: str, index: int, item: int, side: str, offset: tuple[float, float]) -> Scene:
    """Put a handle of a key's item `item` ("in" before, "out" after the key) to `offset` (frames, value).

    The key becomes FREE and the other handle comes into line with this one, its frames as long as they were; that of
    a BROKEN or LINEAR key stays, and the key is BROKEN. A handle points away from its key and ends in its segment.
    Raises BadAsset for a key, item or side that is not there and numbers that are not finite.
    """
    curve = curve_named(scene, track)
    parts = bezier(track, curve)
    k, dim = curve.values.shape
    if not (0 <= index < k and 0 <= item < dim and side in ("in", "out") and np.isfinite(offset).all()):
        raise BadAsset(f'{track} has no handle "{side}" of key {index}, item {item}, or it cannot go to {offset}.')
    before, after = (3.0 * third[index] for third in thirds(curve.times))
    if side == "in":
        first = index == 0
        dx, dy = _reaching(-offset[0], -offset[1], np.inf if first else before)
        moved, other, at = ("in_tangents", "out_tangents", (-dx, -dy))
    else:
        dx, dy = _reaching(offset[0], offset[1], np.inf if index == k - 1 else after)
        moved, other, at = ("out_tangents", "in_tangents", (dx, dy))
    handles, others = np.array(parts[moved]), np.array(parts[other])
    handles[index, item] = at
    kind = int(kind_of(parts["modes"])[index])
    modes = parts["modes"].copy()
    if kind in (BROKEN, LINEAR):
        modes[index] = (modes[index] & BREAKDOWN) | BROKEN
    else:
        modes[index] = (modes[index] & BREAKDOWN) | FREE
        reach = others[index, item, 0]
        others[index, item, 1] = reach * at[1] / at[0] if abs(at[0]) > 1e-12 else others[index, item, 1]
    parts |= {moved: handles, other: others, "modes": modes}
    return with_curves(scene, {track: curve_of(parts, curve, where=track)})


def _reaching(dx: float, dy: float, room: float) -> tuple[float, float]:
    """A handle that points forward, brought back along its direction to at most `room` frames."""
    if dx <= 0.0:
        return 0.0, dy
    return (dx, dy) if dx <= room else (room, dy * room / dx)


def unweight(scene: Scene, picked: Picked) -> Scene:
    """Give FREE and BROKEN handles a third of their segment as their length, and keep their slopes."""

    def change(name: str, curve: Curve, rows: Rows) -> Curve:
        parts = bezier(name, curve)
        before, after = thirds(curve.times)
        for part, lengths in (("in_tangents", -before), ("out_tangents", after)):
            handles = np.array(parts[part])
            handles[rows] = offsets(lengths[rows], _slopes(handles[rows]))
            parts |= {part: handles}
        return curve_of(parts, curve, where=name)

    return changed(scene, picked, change)


def _slopes(handles: F64) -> F64:
    upright = np.abs(handles[..., 0]) < 1e-12
    return np.asarray(np.where(upright, 0.0, handles[..., 1] / np.where(upright, 1.0, handles[..., 0])))


def set_outside(scene: Scene, tracks: Iterable[str], *, pre: str | None = None, post: str | None = None) -> Scene:
    """Say what curves do before their first and after their last key, one of `OUTSIDE`; None leaves it.

    Raises BadAsset for a track that is not there or an unknown rule.
    """
    for rule in (pre, post):
        if rule is not None and rule not in OUTSIDE:
            raise BadAsset(f'A curve cannot go on by "{rule}"; it can by {", ".join(OUTSIDE)}.')
    new = {}
    for name in tracks:
        curve = curve_named(scene, name)
        new[name] = curve_of(parts_of(curve), curve, where=name, pre=pre or curve.pre, post=post or curve.post)
    return with_curves(scene, new)
