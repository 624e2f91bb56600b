"""Animation curves on any field of an entity or material.

A track is a `Curve` stored in `Scene.tracks` under "<id>.<field>" (or "<id>.<field>[i]" for one item of a tuple).
Times are frames at the scene's fps, values rows of `dim` floats. Rotations are quaternions and interpolate on the
sphere when `interpolation` is linear; step, cubic and Bezier rotations are interpolated by component and normalised,
as glTF 2.0 (appendix C) has it.

A character has hundreds of curves and all are wanted at one time, so evaluation works on rows: `evaluate` takes one
curve at many times, `Tracks` many curves at one time, and both gather the segment of every row and give it to the
same arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.errors import BadAsset

F64 = NDArray[np.float64]
Index = NDArray[np.intp]

INTERPOLATIONS = ("step", "linear", "cubic", "bezier")
OUTSIDE = ("hold", "linear", "loop", "pingpong", "offset")
# Modes of the keys of a Bezier curve. FREE handles lie in one line, BROKEN ones need not; AUTO handles are made from
# the neighbours without overshooting, LINEAR ones point at them, FLAT ones are level; after a STEP key its value holds
# until the next. BREAKDOWN is a bit on top: a key that keeps its place between its neighbours when they are moved.
FREE, BROKEN, AUTO, LINEAR, FLAT, STEP = range(6)
BREAKDOWN = 0x80
_MODES = [mode | bit for mode in range(STEP + 1) for bit in (0, BREAKDOWN)]
_IS_MODE = np.isin(np.arange(256), _MODES)
_HOLD, _LINEAR, _LOOP, _PINGPONG, _OFFSET = range(5)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Keys of one field. `interpolation` is "step", "linear", "cubic" (glTF's cubic spline: tangents are slopes per
    frame) or "bezier" (tangents are handle offsets (frames, value)). `pre` and `post` say what happens outside:
    "hold", "linear", "loop", "pingpong", "offset" (loop that accumulates)."""

    times: F64  # (k,), strictly rising, frames
    values: F64  # (k, dim)
    interpolation: str = "linear"
    in_tangents: F64 | None = None  # cubic: (k, dim); bezier: (k, dim, 2)
    out_tangents: F64 | None = None
    pre: str = "hold"
    post: str = "hold"
    rotation: bool = False  # values are unit quaternions x, y, z, w
    euler: bool = False  # values are angles as in studio.scene.euler, degrees, of a rotation
    modes: NDArray[np.uint8] | None = None  # (k,) of a "bezier" curve: what each key's tangents are made by, see FREE


def make_curve(
    times: ArrayLike,
    values: ArrayLike,
    *,
    interpolation: str = "linear",
    in_tangents: ArrayLike | None = None,
    out_tangents: ArrayLike | None = None,
    pre: str = "hold",
    post: str = "hold",
    rotation: bool = False,
    euler: bool = False,
    modes: ArrayLike | None = None,
    where: str = "curve",
) -> Curve:
    """A checked curve of read-only arrays. Values may be (k,) for one float a key; `where` names it in errors.

    Raises BadAsset when shapes do not match, times do not rise strictly or a number is not finite.
    """
    t, v = _frozen(times), _frozen(values)
    v = v[:, None] if v.ndim == 1 else v
    if t.ndim != 1 or not len(t) or v.ndim != 2 or len(v) != len(t) or not v.shape[1]:
        raise BadAsset(f"{where}: an animation needs as many values as key times; got {v.shape} for {t.shape}.")
    if not (np.isfinite(t).all() and np.isfinite(v).all() and (np.diff(t) > 0).all()):
        raise BadAsset(f"{where}: key times must rise strictly and every number must be finite.")
    if interpolation not in INTERPOLATIONS or pre not in OUTSIDE or post not in OUTSIDE:
        raise BadAsset(f'{where}: unknown interpolation "{interpolation}" or extrapolation "{pre}", "{post}".')
    if rotation and v.shape[1] != 4:
        raise BadAsset(f"{where}: a rotation has four numbers a key (x, y, z, w), not {v.shape[1]}.")
    if euler and (rotation or v.shape[1] != 3):
        raise BadAsset(f"{where}: a rotation by angles has three numbers a key (about x, y, z), not {v.shape[1]}.")
    wanted = {"cubic": v.shape, "bezier": (*v.shape, 2)}.get(interpolation)
    if wanted is None:
        return Curve(t, v, interpolation, None, None, pre, post, rotation, euler)
    tangents = [_frozen(np.zeros(wanted) if a is None else a) for a in (in_tangents, out_tangents)]
    for a in tangents:
        if a.shape != wanted or not np.isfinite(a).all():
            raise BadAsset(f"{where}: {interpolation} tangents must be finite and of shape {wanted}, not {a.shape}.")
    return Curve(t, v, interpolation, tangents[0], tangents[1], pre, post, rotation, euler, _modes(modes, t, where))


def _modes(given: ArrayLike | None, times: F64, where: str) -> NDArray[np.uint8] | None:
    if given is None:
        return None
    modes = np.asarray(given)
    known = _IS_MODE[modes] if modes.dtype == np.uint8 else np.isin(modes, _MODES)
    if modes.shape != times.shape or not known.all():
        raise BadAsset(f"{where}: each key has one of the tangent modes 0 to {STEP}, with or without {BREAKDOWN}.")
    out = modes.astype(np.uint8)
    out.flags.writeable = False
    return out


def _frozen(a: ArrayLike) -> F64:
    if isinstance(a, np.ndarray) and a.dtype == np.float64 and a.base is None and not a.flags.writeable:
        return a
    out = np.array(a, np.float64)
    out.flags.writeable = False
    return out


def evaluate(curve: Curve, frames: ArrayLike) -> F64:
    """Values (n, dim) of one curve at (n,) frames."""
    at = np.atleast_1d(np.asarray(frames, np.float64))
    n = len(at)
    group = _Group([curve])
    zero = np.zeros(n, np.intp)
    local, cycles, outside = _local_times(group, zero, at)
    key = np.searchsorted(curve.times, local, side="right") - 1
    return _finish(group, zero, key, local, cycles, outside)


class Tracks:
    """Many curves, made ready to be evaluated together. `names` are the keys of the mapping it was made of."""

    __slots__ = ("_groups", "_rows", "curves", "names")

    def __init__(self, curves: Mapping[str, Curve]) -> None:
        self.curves = curves
        self.names: tuple[str, ...] = tuple(curves)
        kinds: dict[tuple[str, int, bool, bool], list[int]] = {}
        listed = list(curves.values())
        for i, curve in enumerate(listed):
            kinds.setdefault(kind_of_curve(curve), []).append(i)
        self._rows = list(kinds.values())
        self._groups = [_Group([listed[i] for i in rows]) for rows in self._rows]

    def with_curves(self, curves: Mapping[str, Curve]) -> Tracks:
        """The same tracks with other curves of the same kinds; only groups in which one differs are made anew."""
        out = Tracks.__new__(Tracks)
        out.names, out._rows = self.names, self._rows
        out.curves = {name: curves[name] for name in self.names}
        old, new = list(self.curves.values()), list(out.curves.values())
        out._groups = [
            group if all(old[i] is new[i] for i in rows) else _Group([new[i] for i in rows])
            for rows, group in zip(self._rows, self._groups, strict=True)
        ]
        return out

    @property
    def groups(self) -> list[list[int]]:
        """Rows of `names` that are evaluated together, group by group."""
        return self._rows

    def at(self, frame: float) -> list[F64]:
        """The value (dim,) of every curve at one frame, in the order of `names`."""
        out: list[F64] = [np.empty(0)] * len(self.names)
        for rows, values in zip(self._rows, self.grouped(frame), strict=True):
            for row, value in zip(rows, values, strict=True):
                out[row] = value
        return out

    def grouped(self, frame: float) -> list[F64]:
        """The values (rows, dim) of all curves at one frame, group by group."""
        out = []
        for group in self._groups:
            every = group.every
            local, cycles, outside = _local_times(group, every, np.full(len(every), float(frame)))
            passed = group.times <= np.repeat(local, group.counts)
            key = np.add.reduceat(passed, group.starts) - 1
            out.append(_finish(group, every, key, local, cycles, outside))
        return out


def kind_of_curve(curve: Curve) -> tuple[str, int, bool, bool]:
    """What curves must have in common to be evaluated together."""
    return curve.interpolation, curve.values.shape[1], curve.rotation, curve.euler


class _Group:
    """Curves of one interpolation and width, their keys laid end to end."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        self.interpolation = curves[0].interpolation
        self.rotation = curves[0].rotation
        self.euler = curves[0].euler
        self.times = np.concatenate([c.times for c in curves])
        self.values = np.concatenate([c.values for c in curves])
        self.in_tangents: F64 | None = None
        self.out_tangents: F64 | None = None
        if self.interpolation in ("cubic", "bezier"):
            self.in_tangents = np.concatenate([_tangents(c, c.in_tangents) for c in curves])
            self.out_tangents = np.concatenate([_tangents(c, c.out_tangents) for c in curves])
        self.held: NDArray[np.bool_] | None = None  # keys whose value holds until the next
        if any(c.modes is not None for c in curves):
            held = [np.zeros(len(c.times), np.uint8) if c.modes is None else c.modes for c in curves]
            steps = (np.concatenate(held) & np.uint8(0xFF ^ BREAKDOWN)) == STEP
            self.held = steps if steps.any() else None
        self.counts = np.array([len(c.times) for c in curves])
        self.starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        self.every = np.arange(len(curves))
        self.first = self.times[self.starts]
        self.last = self.times[self.starts + self.counts - 1]
        self.pre = np.array([OUTSIDE.index(c.pre) for c in curves])
        self.post = np.array([OUTSIDE.index(c.post) for c in curves])


def _tangents(curve: Curve, given: F64 | None) -> F64:
    if given is not None:
        return given
    return np.zeros(curve.values.shape if curve.interpolation == "cubic" else (*curve.values.shape, 2))


def _local_times(group: _Group, curve: Index, at: F64) -> tuple[F64, F64, Index]:
    """Times brought into each curve's range, the cycles passed (for "offset") and the rule in force (_HOLD inside)."""
    first, last = group.first[curve], group.last[curve]
    span = last - first
    rule = np.where(at < first, group.pre[curve], np.where(at > last, group.post[curve], _HOLD))
    rule = np.where(span > 0, rule, _HOLD)
    safe = np.where(span > 0, span, 1.0)
    cycles = np.floor((at - first) / safe)
    phase = at - first - cycles * safe
    back = (rule == _PINGPONG) & (np.mod(cycles, 2.0) == 1.0)
    repeated = first + np.where(back, span - phase, phase)
    local = np.where(rule >= _LOOP, repeated, np.clip(at, first, last))
    cycles = np.where(rule == _OFFSET, cycles, np.where(rule == _LINEAR, at - local, 0.0))
    return np.clip(local, first, last), cycles, rule


def _finish(group: _Group, curve: Index, key: Index, local: F64, beyond: F64, rule: Index) -> F64:
    """Values of rows: inside by interpolation, then carried on outside."""
    start, count = group.starts[curve], group.counts[curve]
    a = start + np.clip(key, 0, np.maximum(count - 2, 0))
    b = np.minimum(a + 1, start + count - 1)
    out = _inside(group, a, b, local)
    rows = np.flatnonzero(rule == _LINEAR)
    if len(rows):
        out[rows] = _carried_on(group, out[rows], a[rows], b[rows], beyond[rows])
    rows = np.flatnonzero((rule == _OFFSET) & (beyond != 0))
    if len(rows):
        first, last = group.values[start[rows]], group.values[(start + count - 1)[rows]]
        if group.rotation:
            turn = quaternion_product(last, first * (-1.0, -1.0, -1.0, 1.0))
            out[rows] = quaternion_product(quaternion_power(turn, beyond[rows]), out[rows])
        else:
            out[rows] += (last - first) * beyond[rows, None]
    return out


def _inside(group: _Group, a: Index, b: Index, t: F64) -> F64:
    """Values between the keys `a` and `b` of each row at times `t`."""
    t0, t1 = group.times[a], group.times[b]
    v0, v1 = group.values[a], group.values[b]
    span = np.where(t1 > t0, t1 - t0, 1.0)
    u = (np.clip((t - t0) / span, 0.0, 1.0))[:, None]
    if group.interpolation == "step":
        return np.where(t[:, None] >= t1[:, None], v1, v0)
    if group.interpolation == "linear":
        return slerp(v0, v1, u[:, 0]) if group.rotation else v0 + (v1 - v0) * u
    assert group.in_tangents is not None and group.out_tangents is not None
    out_tangent, in_tangent = group.out_tangents[a], group.in_tangents[b]
    if group.interpolation == "cubic":  # glTF 2.0, appendix C.5
        u2, u3 = u * u, u * u * u
        value = (2 * u3 - 3 * u2 + 1) * v0 + span[:, None] * (u3 - 2 * u2 + u) * out_tangent
        value += (3 * u2 - 2 * u3) * v1 + span[:, None] * (u3 - u2) * in_tangent
    else:
        value = _bezier(u, span[:, None], v0, v1, out_tangent, in_tangent)
        if group.held is not None:
            value = np.where((group.held[a] & (t < t1))[:, None], v0, value)
    return _normalised(value) if group.rotation else np.asarray(value)


def _bezier(u: F64, span: F64, v0: F64, v1: F64, out_handle: F64, in_handle: F64) -> F64:
    """Values of cubic Bezier segments at the fraction `u` (n, 1) of their time.

    Handles are kept within their segment's time, so that time always runs forward: one that is longer is shortened
    and keeps its direction. The parameter is found by Newton's steps that fall back to halving.
    """
    reach, back = out_handle[..., 0] / span, -in_handle[..., 0] / span
    x1, x2 = np.clip(reach, 0.0, 1.0), 1.0 - np.clip(back, 0.0, 1.0)
    y1 = v0 + out_handle[..., 1] / np.maximum(reach, 1.0)
    y2 = v1 + in_handle[..., 1] / np.maximum(back, 1.0)
    low, high = np.zeros_like(x1), np.ones_like(x1)
    s = np.broadcast_to(u, x1.shape).copy()
    for _ in range(48):
        r = 1 - s
        error = 3 * r * r * s * x1 + 3 * r * s * s * x2 + s * s * s - u
        if np.abs(error).max(initial=0.0) < 1e-14:
            break
        low, high = np.where(error < 0, s, low), np.where(error < 0, high, s)
        slope = 3 * r * r * x1 + 6 * r * s * (x2 - x1) + 3 * s * s * (1 - x2)
        step = s - error / np.where(slope > 1e-12, slope, np.inf)
        s = np.where((step > low) & (step < high), step, (low + high) / 2)
    r = 1 - s
    return np.asarray(r * r * r * v0 + 3 * r * r * s * y1 + 3 * r * s * s * y2 + s * s * s * v1)


def _carried_on(group: _Group, value: F64, a: Index, b: Index, beyond: F64) -> F64:
    """Values `beyond` frames outside, along the slope of the curve's end. A rotation goes on turning."""
    t0, t1 = group.times[a], group.times[b]
    v0, v1 = group.values[a], group.values[b]
    span = (t1 - t0)[:, None]
    after = (beyond > 0)[:, None]
    if group.rotation:
        turn = quaternion_product(v1, v0 * (-1.0, -1.0, -1.0, 1.0))
        return quaternion_product(quaternion_power(turn, beyond / span[:, 0]), value)
    if group.interpolation == "step":
        return value
    slope = (v1 - v0) / span
    if group.interpolation == "cubic":
        assert group.in_tangents is not None and group.out_tangents is not None
        slope = np.where(after, group.in_tangents[b], group.out_tangents[a])
    if group.interpolation == "bezier":
        assert group.in_tangents is not None and group.out_tangents is not None
        handle = np.where(after[..., None], group.in_tangents[b], group.out_tangents[a])
        flat = np.abs(handle[..., 0]) > 1e-12
        slope = np.where(flat, handle[..., 1] / np.where(flat, handle[..., 0], 1.0), slope)
        if group.held is not None:  # what holds goes on holding
            slope = np.where(group.held[a][:, None], 0.0, slope)
    return np.asarray(value + slope * beyond[:, None])


# --- quaternions, rows of x, y, z, w ---------------------------------------------------------------------------------
def slerp(a: F64, b: F64, u: F64) -> F64:
    """Rotations (n, 4) the fraction `u` (n,) of the short way from `a` to `b` (K. Shoemake, SIGGRAPH 1985)."""
    a, b = _normalised(a), _normalised(b)
    cosine = np.einsum("ij,ij->i", a, b)
    b = np.where(cosine[:, None] < 0, -b, b)
    # the angle by its sine and cosine: arccos alone loses half the digits of small angles
    angle = 2 * np.arctan2(np.linalg.norm(b - a, axis=1), np.linalg.norm(b + a, axis=1))
    sine = np.sin(angle)
    near = sine < 1e-9
    safe = np.where(near, 1.0, sine)
    wa = np.where(near, 1 - u, np.sin((1 - u) * angle) / safe)
    wb = np.where(near, u, np.sin(u * angle) / safe)
    return _normalised(a * wa[:, None] + b * wb[:, None])


def quaternion_power(q: F64, exponent: F64) -> F64:
    """Rotations (n, 4) that turn `exponent` (n,) times as far, about the short way's axis."""
    q = _normalised(q)
    q = np.where(q[:, 3:] < 0, -q, q)
    length = np.linalg.norm(q[:, :3], axis=1)
    half = np.arctan2(length, q[:, 3]) * exponent
    axis = q[:, :3] / np.where(length > 1e-15, length, 1.0)[:, None]
    return np.concatenate([axis * np.sin(half)[:, None], np.cos(half)[:, None]], axis=1)


def quaternion_product(a: F64, b: F64) -> F64:
    """Rotations (n, 4) that turn by `b` first and then by `a`."""
    ax, ay, az, aw = a.T
    bx, by, bz, bw = b.T
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        axis=1,
    )


def _normalised(q: F64) -> F64:
    length = np.linalg.norm(q, axis=1, keepdims=True)
    return np.where(length > 1e-15, q / np.where(length > 1e-15, length, 1.0), (0.0, 0.0, 0.0, 1.0))
