"""Whole curves made into others: another kind, more keys or fewer, angles unwound.

A conversion keeps the values at the keys. Between them it keeps what the new kind can say: a linear or cubic curve
becomes the very same Bezier curve, while quaternions that become angles turn a little differently between keys that
are far apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.scene.animation import AUTO, BROKEN, F64, FREE, LINEAR, STEP, Curve, evaluate, make_curve
from studio.scene.euler import to_angles, to_quaternions
from studio.scene.key_modes import (
    NEAR,
    Parts,
    appended,
    auto_slopes,
    curve_of,
    kind_of,
    modes_of,
    offsets,
    parts_of,
    taken,
    thirds,
)
from studio.scene.key_rows import curve_named, with_curves
from studio.scene.scene import Scene

MOST_BAKED = 1_000_000  # keys of one curve


def _each(scene: Scene, tracks: Iterable[str], change: Callable[[str, Curve], Curve]) -> Scene:
    new = {}
    for name in tracks:
        curve = curve_named(scene, name)
        made = change(name, curve)
        if made is not curve:
            new[name] = made
    return with_curves(scene, new)


# --- kinds -----------------------------------------------------------------------------------------------------------
def to_bezier(scene: Scene, tracks: Iterable[str]) -> Scene:
    """Make curves Bezier: steps hold, straight segments get LINEAR keys, cubic ones the handles that draw the same.

    Quaternions stay quaternions, see `to_euler`. Raises BadAsset for a track that is not there.
    """
    return _each(scene, tracks, lambda name, curve: as_bezier(curve, where=name))


def as_bezier(curve: Curve, *, where: str) -> Curve:
    """One curve as `to_bezier` makes it; itself when it is Bezier already."""
    if curve.interpolation == "bezier":
        return curve
    times, values = curve.times, continuous(curve.values) if curve.rotation else curve.values
    modes = np.full(len(times), STEP if curve.interpolation == "step" else LINEAR, np.uint8)
    into = out = np.zeros((*values.shape, 2))
    if curve.interpolation == "cubic":
        parts = parts_of(curve)
        if curve.rotation:  # tangents turn with the sign of their quaternion
            sign = np.where((values * curve.values).sum(axis=1) < 0, -1.0, 1.0)[:, None]
            parts |= {name: parts[name] * sign for name in ("in_tangents", "out_tangents")}
        before, after = thirds(times)
        into, out = offsets(-before, parts["in_tangents"]), offsets(after, parts["out_tangents"])
        smooth = np.all(np.isclose(parts["in_tangents"], parts["out_tangents"], rtol=1e-9, atol=1e-12), axis=1)
        modes = np.where(smooth, FREE, BROKEN).astype(np.uint8)
    parts = {"times": times, "values": values, "in_tangents": into, "out_tangents": out, "modes": modes}
    return curve_of(parts, curve, where=where, interpolation="bezier")


def to_euler(scene: Scene, track: str) -> Scene:
    """Make a curve of quaternions one of angles, each key's nearest to those of the key before.

    A linear curve gets LINEAR keys, steps hold, others get AUTO handles. Raises BadAsset when it is no rotation.
    """
    curve = curve_named(scene, track)
    if curve.euler:
        return scene
    if not curve.rotation:
        raise BadAsset(f"{track} is no rotation and has no angles.")
    return with_curves(scene, {track: as_euler(curve, where=track)})


def as_euler(curve: Curve, *, where: str) -> Curve:
    """One curve of quaternions as `to_euler` makes it."""
    angles = angles_of(curve.values)
    modes = np.full(len(angles), {"linear": LINEAR, "step": STEP}.get(curve.interpolation, AUTO), np.uint8)
    if curve.interpolation == "bezier":
        given = modes_of(curve)
        breakdown = given ^ kind_of(given)
        kept = np.isin(kind_of(given), (LINEAR, STEP))
        modes = np.where(kept, kind_of(given), AUTO).astype(np.uint8) | breakdown
    none = np.zeros((*angles.shape, 2))
    parts = {"times": curve.times, "values": angles, "in_tangents": none, "out_tangents": none, "modes": modes}
    return curve_of(parts, curve, where=where, interpolation="bezier", rotation=False, euler=True)


def to_quaternion(scene: Scene, track: str) -> Scene:
    """Make a curve of angles one of quaternions: linear, turning the short way, where all keys are LINEAR, else Bezier
    with AUTO handles; whole turns between two keys are lost. Raises BadAsset when it is no rotation."""
    curve = curve_named(scene, track)
    if curve.rotation:
        return scene
    if not curve.euler:
        raise BadAsset(f"{track} is no rotation and has no quaternions.")
    return with_curves(scene, {track: as_quaternion(curve, where=track)})


def as_quaternion(curve: Curve, *, where: str) -> Curve:
    """One curve of angles as `to_quaternion` makes it."""
    values = continuous(to_quaternions(curve.values))
    modes = modes_of(curve)
    kind = kind_of(modes)
    all_linear = bool(np.all(kind == LINEAR))
    if curve.interpolation in ("linear", "step") or all_linear:
        way = "step" if curve.interpolation == "step" else "linear"
        return make_curve(
            curve.times, values, interpolation=way, rotation=True, pre=curve.pre, post=curve.post, where=where
        )
    modes = (modes ^ kind) | np.where(np.isin(kind, (LINEAR, STEP)), kind, AUTO).astype(np.uint8)
    none = np.zeros((*values.shape, 2))
    parts = {"times": curve.times, "values": values, "in_tangents": none, "out_tangents": none, "modes": modes}
    return curve_of(parts, curve, where=where, interpolation="bezier", rotation=True, euler=False)


def as_kind(curve: Curve, other: Curve, *, where: str) -> Curve:
    """The keys of `curve` as a curve of the kind of `other` has them, for pasting.

    Raises BadAsset when their values are of other numbers.
    """
    if curve.rotation and other.euler:
        curve = as_euler(curve, where=where)
    elif curve.euler and other.rotation:
        curve = as_quaternion(curve, where=where)
    if curve.values.shape[1] != other.values.shape[1]:
        raise BadAsset(f"{where} takes {other.values.shape[1]} numbers a key, not {curve.values.shape[1]}.")
    if curve.interpolation == other.interpolation:
        return curve
    if other.interpolation == "bezier":
        return as_bezier(curve, where=where)
    if other.interpolation in ("linear", "step"):
        return make_curve(
            curve.times, curve.values, interpolation=other.interpolation, rotation=other.rotation, euler=other.euler
        )
    into = out = np.zeros_like(curve.values)
    if curve.interpolation == "bezier":
        into, out = (_slopes(part) for part in (curve.in_tangents, curve.out_tangents))
    return make_curve(
        curve.times,
        curve.values,
        interpolation="cubic",
        in_tangents=into,
        out_tangents=out,
        rotation=other.rotation,
        euler=other.euler,
        where=where,
    )


def _slopes(handles: Any) -> F64:
    upright = np.abs(handles[..., 0]) < 1e-12
    return np.asarray(np.where(upright, 0.0, handles[..., 1] / np.where(upright, 1.0, handles[..., 0])))


# --- rotations -------------------------------------------------------------------------------------------------------
def continuous(quaternions: F64) -> F64:
    """Quaternions (k, 4), each on the side of the one before, so that components go the short way."""
    dots = np.einsum("ij,ij->i", quaternions[1:], quaternions[:-1])
    sign = np.cumprod(np.concatenate([[1.0], np.where(dots < 0, -1.0, 1.0)]))
    return np.asarray(quaternions * sign[:, None])


def angles_of(quaternions: F64) -> F64:
    """Angles (k, 3) in degrees of quaternions (k, 4), each nearest to the one before."""
    near = (0.0, 0.0, 0.0)
    out = []
    for x, y, z, w in quaternions.tolist():
        near = to_angles((x, y, z, w), near=near)
        out.append(near)
    return np.array(out).reshape(-1, 3)


def euler_filter(scene: Scene, tracks: Iterable[str]) -> Scene:
    """Spell the rotations of keys so that each is nearest to the one before: no turns of 360 degrees between keys, no
    flips. Curves that are not of angles are passed over."""
    return _each(scene, tracks, lambda name, curve: _filtered(curve, name) if curve.euler else curve)


def _filtered(curve: Curve, where: str) -> Curve:
    angles = curve.values.copy()
    for i in range(1, len(angles)):
        x, y, z = angles[i]
        spellings = np.array([[x, y, z], [x + 180.0, 180.0 - y, z + 180.0]])
        spellings += 360.0 * np.round((angles[i - 1] - spellings) / 360.0)
        angles[i] = spellings[np.abs(spellings - angles[i - 1]).sum(axis=1).argmin()]
    if np.array_equal(angles, curve.values):
        return curve
    parts = parts_of(curve)
    flipped = np.abs(np.remainder(angles[:, 1] - curve.values[:, 1] + 180.0, 360.0) - 180.0) > 1e-9
    if parts["in_tangents"] is not None and flipped.any():  # y runs the other way
        for name in ("in_tangents", "out_tangents"):
            tangents = np.array(parts[name])
            tangents[(flipped, 1, 1) if curve.interpolation == "bezier" else (flipped, 1)] *= -1.0
            parts[name] = tangents
    return curve_of({**parts, "values": angles}, curve, where=where)


# --- more keys and fewer ---------------------------------------------------------------------------------------------
def bake(scene: Scene, tracks: Iterable[str], first: float, last: float, step: float = 1.0) -> Scene:
    """Put a key at `first` and every `step` frames up to `last`, with the values that curves have there; keys in
    between go, those outside stay. Keys of Bezier curves get AUTO handles.

    Raises BadAsset for an empty range, a step that is not positive, or more keys than a million.
    """
    if not (np.isfinite([first, last, step]).all() and step > 0 and last >= first):
        raise BadAsset(f"Keys are baked over a range with a step above 0, not from {first:g} to {last:g} by {step:g}.")
    if (last - first) / step > MOST_BAKED:
        raise BadAsset(f"Baking would make more than {MOST_BAKED:,} keys; choose a larger step.")
    times: F64 = first + step * np.arange(int(np.floor((last - first) / step + 1e-9)) + 1, dtype=np.float64)

    def change(name: str, curve: Curve) -> Curve:
        values = evaluate(curve, times)
        values = continuous(values) if curve.rotation and curve.interpolation != "linear" else values
        parts = parts_of(curve)
        outside = (curve.times < first - NEAR) | (curve.times > last + NEAR)
        fresh = _fresh(parts, times, values)
        both = appended(taken(parts, outside), fresh)
        order = np.argsort(both["times"], kind="stable")
        return curve_of(taken(both, order), curve, where=name)

    return _each(scene, tracks, change)


def _fresh(like: Parts, times: F64, values: F64) -> Parts:
    """Keys with handles that make themselves; cubic ones with smooth tangents."""
    none = np.zeros((*values.shape, 2))
    slopes = auto_slopes(times, values) if like["modes"] is None else none
    return {
        "times": times,
        "values": values,
        "in_tangents": None if like["in_tangents"] is None else slopes,
        "out_tangents": None if like["out_tangents"] is None else slopes,
        "modes": None if like["modes"] is None else np.full(len(times), AUTO, np.uint8),
    }


def thin(scene: Scene, tracks: Iterable[str], tolerance: float) -> Scene:
    """Leave out keys as long as no value, at any key or between, moves by more than `tolerance` (degrees of angles,
    components of quaternions). Keys that are left in a Bezier curve keep their slopes, as FREE or BROKEN ones.

    Raises BadAsset for a tolerance that is not a finite number of at least 0.
    """
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise BadAsset(f"Keys are thinned to a tolerance of at least 0, not {tolerance:g}.")
    return _each(scene, tracks, lambda name, curve: _thinned(curve, tolerance, name))


_BETWEEN = 4  # places of a segment at which a thinned curve is compared


def _thinned(curve: Curve, tolerance: float, where: str) -> Curve:
    """The curve with as few keys as it takes: from the ends on, every gap that errs gets its worst key back."""
    k = len(curve.times)
    if k < 3 or curve.interpolation == "step":
        return curve
    inner = curve.times[:-1, None] + np.diff(curve.times)[:, None] * (np.arange(_BETWEEN) / _BETWEEN)
    at = np.append(inner.reshape(-1), curve.times[-1])
    segment = np.append(np.repeat(np.arange(k - 1), _BETWEEN), k - 1)
    wanted = evaluate(curve, at)
    keep = np.zeros(k, np.bool_)
    keep[[0, -1]] = True
    if curve.interpolation == "bezier":  # what holds, and what it holds up to, stays
        steps = np.flatnonzero(kind_of(modes_of(curve)) == STEP)
        keep[steps] = keep[np.minimum(steps + 1, k - 1)] = True
    while not keep.all():
        rows = np.flatnonzero(keep)
        trial = _kept(curve, rows, where)
        error = np.abs(evaluate(trial, at) - wanted).max(axis=1)
        over = error > tolerance
        if not over.any():
            return trial
        gap = np.minimum(np.searchsorted(rows, segment, side="right") - 1, len(rows) - 2)
        added = False
        for s in np.unique(gap[over]).tolist():
            a, b = int(rows[s]), int(rows[s + 1])
            inside = np.flatnonzero(gap == s)
            if b - a > 1:
                worst = at[inside[error[inside].argmax()]]
                keep[a + 1 + int(np.abs(curve.times[a + 1 : b] - worst).argmin())] = added = True
        if not added:  # weighted handles draw what a third cannot
            return curve
    return curve


def _kept(curve: Curve, rows: NDArray[np.intp], where: str) -> Curve:
    """The curve of some of its keys. Bezier handles keep their slopes and are a third of their new segment long."""
    parts = taken(parts_of(curve), rows)
    if curve.interpolation == "bezier":
        before, after = thirds(parts["times"])
        into, out = _slopes(parts["in_tangents"]), _slopes(parts["out_tangents"])
        smooth = np.all(np.isclose(into, out, rtol=1e-9, atol=1e-12), axis=1)
        held = kind_of(parts["modes"]) == STEP
        modes = np.where(held, parts["modes"], np.where(smooth, FREE, BROKEN)).astype(np.uint8)
        parts |= {"in_tangents": offsets(-before, into), "out_tangents": offsets(after, out), "modes": modes}
    return curve_of(parts, curve, where=where)
