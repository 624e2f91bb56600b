"""Handles that make themselves: what each mode of a Bezier key says of its tangents.

Handles are always stored as they are drawn, so evaluation asks no mode but STEP. The modes say how they are made
again when a key or its neighbour moves: AUTO passes through the key without overshooting its neighbours (the weighted
harmonic mean of F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput. 5, 1984) and is level at extremes and ends,
LINEAR points at the neighbours, FLAT is level. Made handles are a third of their segment long, with which a Bezier
segment is the Hermite cubic of its slopes.

Whoever drags moves keys of many curves, so handles are made of all of them in one pass: keys stand end to end, and
`Runs` says where a curve ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.animation import BREAKDOWN, BROKEN, F64, FLAT, FREE, LINEAR, STEP, Curve, make_curve

Index = NDArray[np.intp]
Modes = NDArray[np.uint8]
Parts = dict[str, Any]  # the arrays of a curve's keys, by the names in PARTS; None for what its kind does not have
PARTS = ("times", "values", "in_tangents", "out_tangents", "modes")
NEAR = 1e-4  # frames; keys closer than this are one key, as importers snap to whole frames by it
_WRAPPING = ("loop", "offset")


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Curves whose keys stand end to end: each has `counts` keys (one or more) from the row `starts` to the row
    `lasts`. `outside` are their rules (pre, post), empty where all hold."""

    counts: Index
    starts: Index
    lasts: Index
    outside: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, counts: Sequence[int] | Index, outside: Sequence[tuple[str, str]] = ()) -> Runs:
        """Runs of these lengths."""
        lengths = np.asarray(counts, np.intp)
        ends = np.cumsum(lengths)
        return cls(lengths, ends - lengths, ends - 1, tuple(outside) if set(outside) - {("hold", "hold")} else ())

    @property
    def going_on(self) -> bool:
        """Whether some curve does something else than hold before or after its keys."""
        return bool(self.outside)

    def per_key(self) -> Index:
        """The number of its curve for each key."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def kind_of(modes: Modes) -> Modes:
    """Modes without their breakdown bit."""
    return modes & np.uint8(0xFF ^ BREAKDOWN)


def modes_of(curve: Curve) -> Modes:
    """The modes of a curve's keys; of a curve that has none, FREE where both handles lie in one line, else BROKEN."""
    if curve.modes is not None:
        return curve.modes
    if curve.in_tangents is None or curve.out_tangents is None or curve.interpolation != "bezier":
        return np.full(len(curve.times), LINEAR if curve.interpolation != "step" else STEP, np.uint8)
    into, out = curve.in_tangents, curve.out_tangents
    cross = into[..., 0] * out[..., 1] - into[..., 1] * out[..., 0]
    scale = np.linalg.norm(into, axis=2) * np.linalg.norm(out, axis=2)
    straight = (np.abs(cross) <= 1e-9 * scale).all(axis=1)
    return np.where(straight, FREE, BROKEN).astype(np.uint8)


def parts_of(curve: Curve) -> Parts:
    """The arrays of a curve's keys, with everything that its kind can have."""
    parts: Parts = {"times": curve.times, "values": curve.values}
    tangents = curve.interpolation in ("cubic", "bezier")
    shape = curve.values.shape if curve.interpolation == "cubic" else (*curve.values.shape, 2)
    for name in ("in_tangents", "out_tangents"):
        given = getattr(curve, name)
        parts[name] = None if not tangents else np.zeros(shape) if given is None else given
    parts["modes"] = modes_of(curve) if curve.interpolation == "bezier" else None
    return parts


def taken(parts: Parts, rows: Any) -> Parts:
    """The keys of these rows (indices or a mask)."""
    return {name: None if part is None else part[rows] for name, part in parts.items()}


def appended(parts: Parts, more: Parts) -> Parts:
    """Both sets of keys, one after the other, not sorted."""
    return {
        name: None if part is None or more[name] is None else np.concatenate([part, more[name]])
        for name, part in parts.items()
    }


def curve_of(parts: Parts, like: Curve, *, where: str, **changes: Any) -> Curve:
    """A checked curve of sorted keys of the kind of `like`, with `changes` (pre, post, euler ...), its handles made.

    Raises BadAsset, naming `where`, as `make_curve` does.
    """
    values: dict[str, Any] = {
        name: getattr(like, name) for name in ("interpolation", "pre", "post", "rotation", "euler")
    } | changes
    if values["interpolation"] == "bezier" and parts["modes"] is not None and len(parts["times"]):
        into, out = made_handles(
            parts["times"], parts["values"], parts["modes"], parts["in_tangents"], parts["out_tangents"],
            runs=Runs.of((len(parts["times"]),), ((values["pre"], values["post"]),)),
        )  # fmt: skip
        parts = {**parts, "in_tangents": into, "out_tangents": out}
    return make_curve(
        parts["times"],
        parts["values"],
        in_tangents=parts["in_tangents"],
        out_tangents=parts["out_tangents"],
        modes=parts["modes"],
        where=where,
        **values,
    )


def joined(parts: Parts, times: F64, winning: NDArray[np.bool_]) -> tuple[Parts, Index]:
    """Keys put at new `times`, sorted, and where each old key went (-1: another took its place).

    Of keys at one time the `winning` ones stay, of several of those the one that was last.
    """
    chosen, place = in_order(times, winning, np.zeros(len(times), np.intp), np.ones(len(times), np.bool_))
    return taken({**parts, "times": times}, chosen), place


def in_order(times: F64, winning: NDArray[np.bool_], run: Index, meeting: NDArray[np.bool_]) -> tuple[Index, Index]:
    """The keys that stay, in their order, and where each key went (-1: another took its place), as `joined` has it.

    `run` (rising) says of which curve a key is; only keys of one curve meet, and of those only `meeting` ones.
    """
    order = np.lexsort((winning, times, run))  # stable: at one time, winning ones last
    sorted_times, won, runs = times[order], winning[order], run[order]
    with np.errstate(invalid="ignore"):
        near = (np.diff(sorted_times) < NEAR) & (np.diff(runs) == 0) & meeting[order[1:]]
    keep = np.ones(len(order), np.bool_)
    last = before = -1
    for i in (np.flatnonzero(near) + 1).tolist():
        last = last if before == i - 1 else i - 1  # the one before that stays; it is the next neighbour, if that is far
        before = i
        if sorted_times[i] - sorted_times[last] < NEAR:
            loser = i if won[last] and not won[i] else last
            keep[loser] = False
            last = last if loser == i else i
        else:
            last = i
    chosen = order[keep]
    place = np.full(len(times), -1, np.intp)
    place[chosen] = np.arange(len(chosen))
    return chosen, place


def thirds(times: F64) -> tuple[F64, F64]:
    """A third of the segment before and after each key (k,); outside the ends it is that of the inside."""
    return _either_side(np.diff(times) / 3.0, Runs.of((len(times),)), alone=1.0)


def _either_side(segments: F64, runs: Runs, *, alone: float) -> tuple[F64, F64]:
    """What stands in `segments` (n - 1, ...) before and after each of n keys: before a first key what stands after it,
    after a last one what stands before it. Keys that are alone have `alone`."""
    before = np.empty((len(segments) + 1, *segments.shape[1:]))
    after = np.empty_like(before)
    before[1:] = segments
    after[:-1] = segments
    several = runs.counts > 1
    firsts, lasts, single = runs.starts[several], runs.lasts[several], runs.starts[~several]
    before[firsts] = segments[firsts]
    after[lasts] = segments[lasts - 1]
    before[single] = after[single] = alone
    return before, after


def auto_slopes(times: F64, values: F64, modes: Modes | None = None, *, pre: str = "hold", post: str = "hold") -> F64:
    """Slopes (k, dim) through the keys that never overshoot. Level at extremes, after a STEP key and at the ends;
    where a curve goes on in a straight line or repeats itself, its ends go on as smoothly."""
    if len(times) < 2:
        return np.zeros_like(values)
    runs = Runs.of((len(times),), ((pre, post),))
    with np.errstate(over="ignore", invalid="ignore"):
        return _auto_slopes(*_steepness(times, values, runs), values, modes, runs)


def _steepness(times: F64, values: F64, runs: Runs) -> tuple[F64, F64]:
    """Lengths (n - 1,) and slopes (n - 1, dim) of the segments between keys; from one curve to the next 1 and 0."""
    h = np.diff(times)
    h[runs.lasts[:-1]] = 1.0
    d = np.diff(values, axis=0) / h[:, None]
    d[runs.lasts[:-1]] = 0.0
    return h, d


def _auto_slopes(h: F64, d: F64, values: F64, modes: Modes | None, runs: Runs) -> F64:
    """`auto_slopes` of curves end to end, from the lengths and slopes of their segments."""
    slopes = np.zeros_like(values)
    if len(values) < 2:
        return slopes
    if modes is not None and (held := kind_of(modes[:-1]) == STEP).any():
        d = np.where(held[:, None], 0.0, d)
    slopes[1:-1] = _between(h[:-1, None], h[1:, None], d[:-1], d[1:])  # 0 at the ends, as no slope leads from there
    if not runs.going_on:
        return slopes
    several = runs.counts > 1
    firsts, lasts = runs.starts, runs.lasts
    pre, post = np.array(runs.outside).T
    closed = (post == "offset") | (pre == "offset") | (values[firsts] == values[lasts]).all(axis=1)
    again = several & closed & (np.isin(pre, _WRAPPING) | np.isin(post, _WRAPPING))
    a, b = firsts[again], lasts[again]
    slopes[a] = slopes[b] = _between(h[b - 1, None], h[a, None], d[b - 1], d[a])
    a, b = firsts[several & (pre == "linear")], lasts[several & (post == "linear")]
    slopes[a], slopes[b] = d[a], d[b - 1]
    return slopes


def _between(h0: F64, h1: F64, d0: F64, d1: F64) -> F64:
    """The slope at a key between segments of lengths `h0`, `h1` and slopes `d0`, `d1`; 0 where it is an extreme."""
    rising = d0 * d1 > 0
    a, b = np.where(rising, d0, 1.0), np.where(rising, d1, 1.0)
    mean = 3.0 * (h0 + h1) / ((2.0 * h1 + h0) / a + (h1 + 2.0 * h0) / b)
    return np.where(rising, mean, 0.0)


def made_handles(
    times: F64, values: F64, modes: Modes, into: F64 | None, out: F64 | None, *, runs: Runs
) -> tuple[F64, F64]:
    """The handles (n, dim, 2), before and after, of keys by their modes; those of FREE and BROKEN keys as given, which
    may be None where there are none of those."""
    kind = kind_of(modes)
    kept = free_hand(modes)
    if into is not None and out is not None and kept.all():
        return into, out
    with np.errstate(over="ignore", invalid="ignore"):
        h, d = _steepness(times, values, runs)
        before, after = _either_side(h / 3.0, runs, alone=1.0)
        slope_in = slope_out = _auto_slopes(h, d, values, modes, runs)
        if (straight := kind == LINEAR).any():
            straight_in, straight_out = _either_side(d, runs, alone=0.0)
            slope_in = np.where(straight[:, None], straight_in, slope_in)
            slope_out = np.where(straight[:, None], straight_out, slope_out)
        if (level := kind == FLAT).any():
            slope_in = np.where(level[:, None], 0.0, slope_in)
            slope_out = np.where(level[:, None], 0.0, slope_out)
        made_in, made_out = offsets(-before, slope_in), offsets(after, slope_out)
    if into is not None and out is not None and kept.any():
        keep = kept[:, None, None]
        return np.where(keep, into, made_in), np.where(keep, out, made_out)
    return made_in, made_out


def free_hand(modes: Modes) -> NDArray[np.bool_]:
    """Which keys have handles that are as they were drawn, and not made."""
    kind = kind_of(modes)
    return np.asarray((kind == FREE) | (kind == BROKEN))


def offsets(lengths: F64, slopes: F64) -> F64:
    """Handles (k, dim, 2) that reach `lengths` (k,) frames along `slopes` (k, dim)."""
    out = np.empty((*slopes.shape, 2))
    out[..., 0] = lengths[:, None]
    np.multiply(lengths[:, None], slopes, out=out[..., 1])
    return out


def aligned(into: F64, out: F64) -> tuple[F64, F64]:
    """Both handles (..., 2) in one line, the mean of their directions, each as many frames long as before."""
    slopes = []
    for handle in (into, out):
        upright = np.abs(handle[..., 0]) < 1e-12
        slopes.append(np.where(upright, 0.0, handle[..., 1] / np.where(upright, 1.0, handle[..., 0])))
    angle = (np.arctan(slopes[0]) + np.arctan(slopes[1])) / 2.0
    slope = np.where(slopes[0] == slopes[1], slopes[0], np.tan(angle))
    return tuple(np.stack([h[..., 0], h[..., 0] * slope], axis=-1) for h in (into, out))  # type: ignore[return-value]
