"""Paths: the smooth curve through a path's points, walked by length.

Things move along a path at the speed that their progress has, not at the speed that its points happen to be spaced, so
a curve is measured first: the length of every piece by Gauss and Legendre's rule, and back from a length to a place by
Newton's steps, and halving, within one piece. Measuring is done once for the same points; walking is array work for
any number of places at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.scene.entities import Path
from studio.scene.transforms import look_at

F64 = NDArray[np.float64]

_PIECES = 16  # a segment is measured in, so that a piece is nearly straight and the rule exact to ten digits
_MOST_PIECES = 1 << 16  # of a whole path; one of very many points is smooth enough in fewer
_STEPS = 24  # at most, to find a place; three are enough where the way does not turn back
_CHUNK = 4096  # segments measured together
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
_AT = (_NODES + 1.0) / 2.0
_SHARE = _WEIGHTS / 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Spline:
    """A measured curve. Segment i is the cubic `cubics[i]` (4, 3): c0 + c1 u + c2 u^2 + c3 u^3 for u from 0 to 1.

    `reached` (pieces + 1,) is the length up to the start of every piece, equally many of them in each segment. A curve
    of one point has no segments and length 0.
    """

    points: F64  # (k, 3), no two neighbours equal
    closed: bool
    cubics: F64  # (segments, 4, 3)
    reached: F64

    @property
    def length(self) -> float:
        """Metres from its start to its end."""
        return float(self.reached[-1])

    def at(self, progress: ArrayLike) -> F64:
        """Places (n, 3) at fractions (n,) of the length; a closed curve goes round, an open one ends at 0 and 1."""
        p = np.atleast_1d(np.asarray(progress, np.float64))
        if not len(self.cubics):
            return np.broadcast_to(self.points[0], (len(p), 3)).copy()
        segment, u = self._walked(p)
        return _value(self.cubics[segment], u)

    def tangents(self, progress: ArrayLike) -> F64:
        """Unit directions (n, 3) of travel; -z for a curve that is one point."""
        p = np.atleast_1d(np.asarray(progress, np.float64))
        if not len(self.cubics):
            return np.broadcast_to((0.0, 0.0, -1.0), (len(p), 3)).copy()
        segment, u = self._walked(p)
        way = _slope(self.cubics[segment], u)
        size = np.linalg.norm(way, axis=1, keepdims=True)
        chord = self.cubics[segment, 1:].sum(axis=1)
        way = np.where(size > 1e-12 * (1.0 + np.linalg.norm(chord, axis=1, keepdims=True)), way, chord)
        return np.asarray(way / np.linalg.norm(way, axis=1, keepdims=True))

    def progress_of(self, point: int) -> float:
        """The fraction of the length at one of its `points`."""
        pieces = (len(self.reached) - 1) // max(len(self.cubics), 1)
        return float(self.reached[min(point * pieces, len(self.reached) - 1)]) / self.length if self.length else 0.0

    def nearest(self, place: ArrayLike, *, steps: int = 512) -> float:
        """The fraction of the length that is nearest to a place (3,), of so many looked at."""
        at = np.linspace(0.0, 1.0, steps, endpoint=not self.closed)
        away = self.at(at) - np.asarray(place, np.float64)
        return float(at[np.argmin(np.einsum("ij,ij->i", away, away))])

    def stretched(self, linear: F64) -> Spline:
        """The curve carried by a matrix (3, 3), which may stretch it unevenly, measured anew."""
        return _measured(self.points @ linear.T, self.closed, self.cubics @ linear.T)

    def drawn(self, per_segment: int = 24) -> F64:
        """Points (n, 3) to draw it by, the last of a closed curve being its first."""
        if not len(self.cubics):
            return self.points[:1]
        per_segment = max(1, min(per_segment, _MOST_PIECES // len(self.cubics)))
        u = np.tile(np.arange(per_segment) / per_segment, len(self.cubics))
        out = _value(np.repeat(self.cubics, per_segment, axis=0), u)
        end = self.cubics[-1].sum(axis=0)
        return np.concatenate([out, end[None]])

    def _walked(self, progress: F64) -> tuple[NDArray[np.intp], F64]:
        """Segment and parameter (n,) of fractions of the length."""
        p = np.nan_to_num(progress, nan=0.0, posinf=1.0, neginf=0.0)
        p = p - np.floor(p) if self.closed else np.clip(p, 0.0, 1.0)
        wanted = p * self.length
        pieces = (len(self.reached) - 1) // len(self.cubics)
        piece = np.clip(np.searchsorted(self.reached, wanted, side="right") - 1, 0, len(self.reached) - 2)
        segment, first = piece // pieces, (piece % pieces) / pieces
        cubic = self.cubics[segment]
        rest, whole = wanted - self.reached[piece], self.reached[piece + 1] - self.reached[piece]
        step = np.where(whole > 0, rest / np.where(whole > 0, whole, 1.0), 0.0) / pieces
        low, high = np.zeros_like(step), np.full_like(step, 1.0 / pieces)
        for _ in range(_STEPS):
            off = _lengths(cubic, first, step) - rest
            if (np.abs(off) <= 1e-13 * self.length).all():
                break
            low, high = np.where(off < 0, step, low), np.where(off > 0, step, high)
            speed = np.linalg.norm(_slope(cubic, first + step), axis=1)
            # where the way turns back on itself the speed is 0, and only halving gets nearer
            newton = step - off / np.where(speed > 1e-15, speed, np.inf)
            better = np.where((newton > low) & (newton < high), newton, (low + high) / 2)
            step = np.where(np.abs(off) <= 1e-13 * self.length, step, better)
        return segment, first + step


def _value(cubic: F64, u: F64) -> F64:
    u = u[:, None]
    return np.asarray(((cubic[:, 3] * u + cubic[:, 2]) * u + cubic[:, 1]) * u + cubic[:, 0])


def _slope(cubic: F64, u: F64) -> F64:
    u = u[:, None]
    return np.asarray((3.0 * cubic[:, 3] * u + 2.0 * cubic[:, 2]) * u + cubic[:, 1])


def _lengths(cubic: F64, first: F64, step: F64) -> F64:
    """(n,) lengths of cubics (n, 4, 3) from the parameter `first` over `step`, by Gauss and Legendre's rule."""
    u = (first[:, None] + _AT * step[:, None])[:, :, None]
    slope = (3.0 * cubic[:, None, 3] * u + 2.0 * cubic[:, None, 2]) * u + cubic[:, None, 1]
    return np.asarray(np.linalg.norm(slope, axis=2) @ _SHARE * step)


def make_spline(points: ArrayLike, *, closed: bool = False) -> Spline | None:
    """The measured curve through points (k, 3); None where there is no point or one that is not finite.

    Neighbours that are equal count once. It is the centripetal Catmull-Rom spline (E. Catmull and R. Rom, 1974; with
    the knots of P. J. Barry and R. N. Goldman, SIGGRAPH 1988), which neither loops nor cusps between its points
    (C. Yuksel et al., 2011). An open curve starts and ends in the direction of its first and last point's neighbour.
    """
    at = np.asarray(points, np.float64).reshape(-1, 3)
    if not len(at) or not np.isfinite(at).all() or np.abs(at).max() > 1e12:
        return None
    gaps = np.linalg.norm(np.diff(at, axis=0), axis=1)
    least = 1e-12 * (1.0 + float(np.abs(at).max()))
    at = at[np.concatenate([[True], gaps > least])]
    if closed and len(at) > 1 and float(np.linalg.norm(at[-1] - at[0])) <= least:
        at = at[:-1]
    closed = closed and len(at) > 2
    if len(at) < 2:
        return Spline(at[:1], False, np.zeros((0, 4, 3)), np.zeros(1))
    return _measured(at, closed, _cubics(at, closed))


def _cubics(at: F64, closed: bool) -> F64:
    """(segments, 4, 3) of the centripetal spline: the slopes of Barry and Goldman's pyramid at the points."""
    if closed:
        before, start, end, after = (np.roll(at, shift, axis=0) for shift in (1, 0, -1, -2))
    else:
        whole = np.concatenate([2.0 * at[:1] - at[1:2], at, 2.0 * at[-1:] - at[-2:-1]])
        before, start, end, after = whole[:-3], whole[1:-2], whole[2:-1], whole[3:]
    a, b, c = (
        np.sqrt(np.linalg.norm(q - p, axis=1))[:, None] for p, q in ((before, start), (start, end), (end, after))
    )
    first = (start - before) / a - (end - before) / (a + b) + (end - start) / b
    last = (end - start) / b - (after - start) / (b + c) + (after - end) / c
    m0, m1, way = first * b, last * b, end - start
    return np.stack([start, m0, 3.0 * way - 2.0 * m0 - m1, m0 + m1 - 2.0 * way], axis=1)


def _measured(points: F64, closed: bool, cubics: F64) -> Spline:
    n = len(cubics)
    if not n:
        return Spline(points, closed, cubics, np.zeros(1))
    pieces = max(1, min(_PIECES, _MOST_PIECES // n))
    first = np.arange(pieces) / pieces
    lengths = [
        _lengths(np.repeat(part, pieces, axis=0), np.tile(first, len(part)), np.full(len(part) * pieces, 1.0 / pieces))
        for part in np.split(cubics, range(_CHUNK, n, _CHUNK))
    ]
    return Spline(points, closed, cubics, np.concatenate([[0.0], np.cumsum(np.concatenate(lengths))]))


def spline_of(path: Path) -> Spline | None:
    """The measured curve of a path in its own space, kept for as long as its points are the same; None when it has no
    usable point."""
    return _kept(path.points, path.closed)


@lru_cache(maxsize=256)
def _kept(points: tuple[float, ...], closed: bool) -> Spline | None:
    return make_spline(np.array(points[: len(points) // 3 * 3], np.float64), closed=closed)


def upright(tangent: F64) -> F64:
    """(3, 3) axes, as columns, of what goes along a unit direction: -z ahead, y up as far as it can."""
    return look_at((0.0, 0.0, 0.0), tangent.tolist())[:, :3]


def circle_points(count: int, radius_m: float) -> tuple[float, ...]:
    """Points of a closed path that is a circle about the origin in the ground's plane, against the clock from above."""
    t = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    ring = radius_m * np.stack([np.cos(t), np.zeros(count), -np.sin(t)], axis=1)
    return tuple(ring.reshape(-1).tolist())
