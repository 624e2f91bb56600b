"""From what a picture should look like to the gains of its lights: "this spot two stops darker, keep that one".

Every place of a picture is a sum over lights, so a wish about places is one about gains. The unknowns are gains in
stops, u, as lights are set in stops. The logarithm of a region's luminance Y has the derivative

    d log2 Y / d u_i = share of light i in Y,

so each step (Gauss-Newton) is a linear least-squares problem with bounds whose rows are the shares that the pixel
inspector shows. Of all gains that meet the wishes one wants the least change: rows `e * u_i` say so, so weakly that
they decide only what the wishes leave open. Reweighting them by 1 / (|u_i| + d) between the steps (Candes, Wakin, Boyd,
"Enhancing Sparsity by Reweighted l1 Minimization", 2008) makes that few lights that move much instead of all that move
a little. These rows also make the problem strictly convex, which is why `bounded_least_squares` can be thirty lines;
tests hold it against scipy's, which is not brought along for it (143 MB).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.scene.entities import Id

F64 = NDArray[np.float64]
MOST_STOPS, MOST_DEMANDS = 10.0, 200
MET_STOPS = 0.05  # a wish this near is met
_STEPS = 100
_LEAST_SHARE = 1e-3  # of a step that may be taken
_NEWTON_STEPS = 100
_EXACT = 1e-10
_CALM = 1e-4  # stops that nothing moves by any more
_LEAST = 3e-4  # weight of "no change" against a wish of weight 1
_REACH_STOPS = 2.0  # that one step may move a gain
_FEW = 0.05  # stops below which a change counts as none
_DARK = 1e-9  # of the brightest place: darker than this no gain helps

Kind = Literal["stops", "nits", "keep", "ratio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A wish about a place. `lights` (n,) are luminances in nits that each light brings there as the mix is now.

    "stops": brighter by `value` stops than `before`, what the place had when the wish was made (default: what it has).
    "nits": a luminance of `value`. "keep": what it has. "ratio": `value` times the luminance of `other`.
    """

    kind: Kind
    lights: F64
    value: float = 0.0
    other: F64 | None = None
    before: float | None = None
    weight: float = 1.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How near a wish came: `wanted` and `got` in nits, of a ratio the ratios; `off` in stops, + is too bright."""

    demand: Demand
    wanted: float
    got: float

    @property
    def off(self) -> float:
        if self.wanted <= 0 or self.got <= 0:
            return -math.inf if self.wanted > 0 else math.inf if self.got > 0 else 0.0
        return math.log2(self.got / self.wanted)

    @property
    def met(self) -> bool:
        return abs(self.off) <= MET_STOPS


@dataclass(frozen=True, slots=True)
class Solution:
    """Gains in stops, on top of the mix as it was, of the lights that move; and what they do."""

    stops: Mapping[Id, float]
    outcomes: tuple[Outcome, ...]
    names: tuple[str, ...] = field(default=())

    @property
    def met(self) -> bool:
        """Whether every wish is met."""
        return all(outcome.met for outcome in self.outcomes)

    @property
    def worst(self) -> Outcome | None:
        """The wish that is furthest from being met, when one is not."""
        missed = [outcome for outcome in self.outcomes if not outcome.met]
        return max(missed, key=lambda outcome: abs(outcome.off), default=None)


def solve(
    ids: Sequence[Id],
    demands: Sequence[Demand],
    *,
    locked: frozenset[Id] = frozenset(),
    bounds: tuple[float, float] = (-MOST_STOPS, MOST_STOPS),
    own_bounds: Mapping[Id, tuple[float, float]] | None = None,
    few: bool = True,
) -> Solution:
    """Gains for `ids`, the lights in the order of the demands' arrays, that come as near to the demands as they can.

    `locked` lights stay. `bounds` are the least and most stops of change of a light, `own_bounds` those of some. `few`
    prefers few lights that change to small changes of many. Raises `UsageError` for demands that make no sense: none
    but keeps, a place that no light reaches, bounds that exclude no change.
    """
    _check(ids, demands, bounds, own_bounds or {})
    low, high = np.full(len(ids), bounds[0]), np.full(len(ids), bounds[1])
    for row, id_ in enumerate(ids):
        low[row], high[row] = (own_bounds or {}).get(id_, (low[row], high[row]))
    touched = np.any([_reach(demand) for demand in demands], axis=0)
    free = np.flatnonzero(touched & np.array([id_ not in locked for id_ in ids]) & (high > low))
    stops = np.zeros(len(ids))
    if free.size:
        stops[free] = _descend(demands, free, low[free], high[free], few=few, n=len(ids))
    stops = _tidied(demands, stops)
    moved = {ids[row]: round(float(stops[row]), 4) for row in np.flatnonzero(np.abs(stops) >= 1e-3).tolist()}
    final = np.zeros(len(ids))
    for row, id_ in enumerate(ids):
        final[row] = moved.get(id_, 0.0)
    return Solution(moved, tuple(_outcome(demand, np.exp2(final)) for demand in demands))


def _check(
    ids: Sequence[Id],
    demands: Sequence[Demand],
    bounds: tuple[float, float],
    own: Mapping[Id, tuple[float, float]],
) -> None:
    if not any(demand.kind != "keep" for demand in demands):
        raise UsageError("there is nothing to solve: say what should be brighter, darker or in which ratio")
    if len(demands) > MOST_DEMANDS:
        raise UsageError(f"{len(demands)} demands are too many; {MOST_DEMANDS} are the most")
    for low, high in (bounds, *own.values()):
        if not -64.0 <= low <= 0.0 <= high <= 64.0:
            raise UsageError(f"bounds from {low:g} to {high:g} stops leave no light as it is; let them hold 0")
    for demand in demands:
        name = demand.name or "a demand"
        for lights in (demand.lights, demand.other):
            if lights is not None and (lights.shape != (len(ids),) or not np.isfinite(lights).all()):
                raise ValueError(f"{name} has lights of shape {lights.shape} for {len(ids)} lights, or no numbers")
        good = math.isfinite(demand.value) and math.isfinite(demand.weight) and demand.weight > 0
        if not good or (demand.kind in ("nits", "ratio") and demand.value <= 0) or abs(demand.value) > 1e12:
            raise UsageError(f"{name} asks for {demand.value:g}; give a number that light can have, with a weight")
        if demand.kind == "ratio" and demand.other is None:
            raise UsageError(f"{name} is a ratio to nothing; name what it is compared with")
        if demand.lights.sum() <= 0 or (demand.other is not None and demand.other.sum() <= 0):
            raise UsageError(f"no light reaches {name}, so no gain can change it; turn a light on it first")


def _reach(demand: Demand) -> NDArray[np.bool_]:
    """Lights that a demand feels."""
    lights = demand.lights if demand.other is None else np.maximum(demand.lights, demand.other)
    return np.asarray(lights > 1e-6 * lights.max())


def _descend(demands: Sequence[Demand], free: NDArray[np.intp], low: F64, high: F64, *, few: bool, n: int) -> F64:
    """The gains in stops of the free lights, step by step. A light that is dimmed loses its share, so that the next
    step thinks that it need not have been; only what makes things better is taken of a step."""
    u = np.zeros(len(free))
    weights = np.array([math.sqrt(demand.weight) for demand in demands])

    def look(u: F64) -> tuple[F64, F64]:
        stops = np.zeros(n)
        stops[free] = u
        rows, off = zip(*(_row(demand, np.exp2(stops)) for demand in demands), strict=True)
        return np.array(rows)[:, free] * weights[:, None], np.array(off) * weights

    shares, off = look(u)
    for _ in range(_STEPS):
        quiet = _LEAST * (1.0 / np.sqrt(np.abs(u) + _FEW) if few else np.ones(len(u)))
        least, most = np.maximum(low - u, -_REACH_STOPS), np.minimum(high - u, _REACH_STOPS)
        step = bounded_least_squares(shares, -off, quiet, -u, least, most)
        cost = float(off @ off + (quiet * u) @ (quiet * u))
        share = 1.0
        while True:
            trial = np.clip(u + share * step, low, high)
            shares, off = look(trial)
            if share < _LEAST_SHARE or float(off @ off + (quiet * trial) @ (quiet * trial)) < cost:
                break
            share /= 2
        moved = float(np.abs(trial - u).max())
        u = trial
        if moved < _CALM:
            break
    return np.asarray(u)


def bounded_least_squares(rows: F64, right: F64, ridge: F64, toward: F64, low: F64, high: F64) -> F64:
    """The x (n,) between `low` and `high` with the least |rows @ x - right|^2 + |ridge (x - toward)|^2.

    `rows` are (m, n), few against n; `ridge` is above 0. For multipliers y of `rows @ x - right` the best x is at hand,
    each for itself: clip(toward - rows.T @ y / ridge^2). So the dual is solved, which is concave, smooth and has m
    unknowns, by Newton's method with a line search (semismooth: Qi and Sun, "A Nonsmooth Version of Newton's Method",
    Math. Programming 58, 1993); y = rows @ x - right at the end.
    """
    damping = ridge**2

    def best(y: F64) -> F64:
        return np.asarray(np.clip(toward - (rows.T @ y) / damping, low, high))

    def dual(y: F64, x: F64) -> float:
        primal = 0.5 * float((damping * (x - toward) ** 2).sum())
        return primal + float(y @ (rows @ x - right)) - 0.5 * float(y @ y)

    y = np.zeros(len(right))
    x = best(y)
    for _ in range(_NEWTON_STEPS):
        slope = rows @ x - right - y
        if np.abs(slope).max(initial=0.0) <= _EXACT * max(float(np.abs(right).max()), 1.0):
            break
        free = (x > low) & (x < high)
        curve = np.eye(len(y)) + (rows[:, free] / damping[free]) @ rows[:, free].T
        way, share, now = np.linalg.solve(curve, slope), 1.0, dual(y, x)
        while share > 1e-12 and dual(y + share * way, best(y + share * way)) < now + 1e-4 * share * float(way @ slope):
            share /= 2
        y = y + share * way
        x = best(y)
    return x


def _row(demand: Demand, gains: F64) -> tuple[F64, float]:
    """The derivative (n,) of how far off a demand is, in stops per stop of each light, and how far off it is."""
    lights = demand.lights * gains
    floor = _DARK * float(demand.lights.max())
    light = max(float(lights.sum()), floor)
    if demand.kind == "ratio" and demand.other is not None:
        others = demand.other * gains
        other = max(float(others.sum()), _DARK * float(demand.other.max()))
        return lights / light - others / other, math.log2(light / (demand.value * other))
    return lights / light, math.log2(light / _target(demand))


def _target(demand: Demand) -> float:
    """Nits that a place should have."""
    if demand.kind == "nits":
        return demand.value
    before = demand.before if demand.before is not None else float(demand.lights.sum())
    return before * math.exp2(demand.value if demand.kind == "stops" else 0.0)


def _tidied(demands: Sequence[Demand], stops: F64) -> F64:
    """Without changes so small that leaving them out moves no demand by a hundredth of a stop."""
    small = np.flatnonzero((np.abs(stops) < _FEW) & (stops != 0))
    out = stops.copy()
    out[small] = 0.0
    for demand in demands:
        if abs(_row(demand, np.exp2(out))[1] - _row(demand, np.exp2(stops))[1]) > 0.01:
            return stops
    return out


def _outcome(demand: Demand, gains: F64) -> Outcome:
    got = float((demand.lights * gains).sum())
    if demand.kind == "ratio" and demand.other is not None:
        return Outcome(demand, demand.value, got / max(float((demand.other * gains).sum()), 1e-30))
    return Outcome(demand, _target(demand), got)
