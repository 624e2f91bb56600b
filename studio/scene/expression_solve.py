"""Which controls of a face move a point of it to where a hand wants it: a small bounded least-squares problem.

Many controls move the corner of a mouth. Asked for are weights that bring the point there, and among those that do the
ones that move the rest of the face least: a drag of the corner smiles rather than turns the whole jaw. With J the way
of the point by each control, t where it shall go, and G the Gram matrix of the motion of points all over the face,

    minimise |J d - t|^2 + stiffness * d' G d + ridge * |d|^2 + sum cost_i |d_i|    over    lo <= d <= hi,

which is strictly convex, so there is one answer. The last term is what keeps it to few controls (R. Tibshirani,
"Regression Shrinkage and Selection via the Lasso", J. Royal Statistical Society B 58, 1996): a control takes part only
if it goes the wanted way, and the more of the face it moves the better it must. It is found by an active-set method
(P. B. Stark and R. L. Parker, "Bounded-variable least-squares", Computational Statistics 10, 1995), ways up and down of
a control being two variables.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
STIFFNESS = 0.08  # how much the rest of the face counts against the point
FEWNESS = 0.06  # the least cosine to the wanted way for the control that moves least of the face
_RIDGE = 1e-4  # of the largest motion squared
_TURNS = 200


def following(
    way: F64, target: F64, lo: F64, hi: F64, gram: F64, *, stiffness: float = STIFFNESS, fewness: float = FEWNESS
) -> F64:
    """(n,) changes of n controls that bring a point to `target` (k,), metres from where it is.

    `way` (k, n) is the point's motion by each control, `gram` (n, n) the mean over other points of the products of
    theirs, square metres; `lo` <= 0 <= `hi` (n,) are how far each may go. Controls without motion stay at 0. With a
    `fewness` above 0 the point stays about that share short of its target.
    """
    count = way.shape[1]
    size = float((way * way).sum(axis=0).max(initial=0.0))
    if size <= 0.0:
        return np.zeros(count)
    down = np.flatnonzero(lo < 0.0)
    both = np.concatenate([np.arange(count), down])
    sign = np.concatenate([np.ones(count), -np.ones(len(down))])
    ways = way[:, both] * sign
    hessian = ways.T @ ways + stiffness * gram[np.ix_(both, both)] * np.outer(sign, sign)
    hessian += _RIDGE * size * np.eye(len(both))
    slope = ways.T @ target - fewness * float(np.linalg.norm(target)) * _costs(way, gram)[both]
    found = bounded(hessian, slope, np.zeros(len(both)), np.concatenate([hi, -lo[down]]))
    out = np.zeros(count)
    np.add.at(out, both, found * sign)
    return out


def _costs(way: F64, gram: F64) -> F64:
    """(n,) what it costs to use a control: its motion of the point, times the root of how much more of the face it
    moves for that than the control that moves least."""
    reach = np.linalg.norm(way, axis=0)
    wide = np.sqrt(np.maximum(np.diag(gram), 0.0)) / np.maximum(reach, 1e-30)
    usable = reach > 1e-9 * max(float(reach.max()), 1e-30)
    least = max(float(wide[usable].min()), 1e-9)
    return np.asarray(reach * np.sqrt(np.maximum(wide / least, 1.0)))


def bounded(hessian: F64, slope: F64, lo: F64, hi: F64) -> F64:
    """(n,) the minimum of x' H x / 2 - slope' x over lo <= x <= hi, for a positive definite H; 0 must be allowed."""
    count = len(slope)
    x = np.zeros(count)
    free = np.zeros(count, np.bool_)
    for _ in range(_TURNS):
        gradient = hessian @ x - slope
        inwards = np.where(x >= hi, gradient, np.where(x <= lo, -gradient, np.abs(gradient)))
        inwards = np.where((x > lo) & (x < hi), np.abs(gradient), inwards)
        wrong = np.where(free | (lo >= hi), -np.inf, inwards)
        worst = int(wrong.argmax()) if count else 0
        if not count or wrong[worst] <= 1e-12 * max(float(np.abs(slope).max()), 1e-300):
            break
        free[worst] = True
        x = _within(hessian, slope, lo, hi, x, free)
    return x


def _within(hessian: F64, slope: F64, lo: F64, hi: F64, x: F64, free: NDArray[np.bool_]) -> F64:
    """The minimum over the free ones; each that meets a bound on the way is held there and free no more."""
    while free.any():
        rows = np.flatnonzero(free)
        held = ~free
        wanted = x.copy()
        wanted[rows] = np.linalg.solve(hessian[np.ix_(rows, rows)], slope[rows] - hessian[np.ix_(rows, held)] @ x[held])
        step = wanted - x
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step > 0, (hi - x) / step, np.where(step < 0, (lo - x) / step, np.inf))
        room[held] = np.inf
        first = int(room.argmin())
        if room[first] >= 1.0:
            return wanted
        x = x + max(float(room[first]), 0.0) * step
        x[first] = hi[first] if step[first] > 0 else lo[first]
        free[first] = False
    return x
