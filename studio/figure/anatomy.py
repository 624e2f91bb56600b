"""Where things are in a head that nobody has measured: eyeballs, the jaw's hinge, how a neck bends.

Read from geometry alone: eyeballs are islands like spheres, two of them, one on each side; the jaw is what the shape
that opens it moves as one rigid body, the lower teeth, and its hinge is the axis of that motion. All points are in the
figure's space: metres, y up, +z forward, the figure's left at +x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Index = NDArray[np.intp]
_ROUND = 0.06  # deviation from a sphere, as a share of its radius
_EYE_M = (0.005, 0.03)  # radii of eyeballs, of a small child to a caricature
_RIGID = 0.04  # deviation from a rigid motion, as a share of it


@dataclass(frozen=True, slots=True)
class Ball:
    """A sphere that an island is like."""

    island: int
    centre: tuple[float, float, float]
    radius: float
    reach: float  # distance of its farthest vertex from the centre


def balls(points: F64, island: Index) -> list[Ball]:
    """Islands (numbers of them per point) that are nearly whole spheres of the size of an eyeball."""
    out = []
    order = np.argsort(island, kind="stable")
    bounds = np.searchsorted(island[order], np.arange(int(island.max(initial=-1)) + 2))
    for number, (a, b) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        own = points[order[a:b]]
        if len(own) < 24:
            continue
        size = np.ptp(own, axis=0)
        if size.max() > 2.6 * _EYE_M[1] or size.min() < 1.2 * _EYE_M[0] or size.max() > 1.6 * size.min():
            continue
        found = _sphere(own)
        if found is not None:
            centre, radius = found
            reach = float(np.linalg.norm(own - centre, axis=1).max())
            if size.min() > 1.3 * radius:
                out.append(Ball(number, (float(centre[0]), float(centre[1]), float(centre[2])), radius, reach))
    return out


def _sphere(points: F64) -> tuple[F64, float] | None:
    """Centre and radius of the sphere that most of the points stand on, the bulge of a cornea left out; None where
    they stand on none."""
    kept = points
    for _ in range(4):
        middle = kept.mean(axis=0)
        local = kept - middle
        rows = np.concatenate([2.0 * local, np.ones((len(local), 1))], axis=1)
        found = np.linalg.lstsq(rows, np.einsum("ij,ij->i", local, local), rcond=None)[0]
        square = found[3] + found[:3] @ found[:3]
        if not square > 0.0:
            return None
        centre, radius = middle + found[:3], math.sqrt(square)
        off = np.abs(np.linalg.norm(points - centre, axis=1) - radius)
        closer = points[off <= max(2.0 * float(np.median(off)), 1e-6)]
        if len(closer) < max(24, len(points) // 2):
            break
        kept = closer
    off = np.abs(np.linalg.norm(points - centre, axis=1) - radius)
    fits = _EYE_M[0] <= radius <= _EYE_M[1] and float(np.median(off)) <= _ROUND * radius
    return (centre, radius) if fits and float(off.max()) < 0.45 * radius else None


def pair_of_eyes(found: list[Ball], named: set[int]) -> tuple[list[Ball], list[Ball]]:
    """The balls of the left and of the right eye, the outermost first; empty lists where there is no pair.

    `named` are islands whose names say that they are eyes; where there are any, no others are taken.
    """
    some = [ball for ball in found if ball.island in named] or found
    left = sorted((b for b in some if b.centre[0] > 0), key=lambda b: -b.radius)
    right = sorted((b for b in some if b.centre[0] < 0), key=lambda b: -b.radius)
    best: tuple[float, Ball, Ball] | None = None
    for a in left:
        for b in right:
            off = math.dist(a.centre, (-b.centre[0], b.centre[1], b.centre[2])) + abs(a.radius - b.radius)
            if off < 0.5 * a.radius and a.centre[0] > 0.8 * a.radius:
                score = off - a.radius  # of pairs that match, the greatest: the ball around the iris's
                if best is None or score < best[0]:
                    best = (score, a, b)
    if best is None:
        return [], []
    sides = []
    for eye in best[1:]:
        inner = [b for b in found if b is not eye and math.dist(b.centre, eye.centre) + b.radius < 1.15 * eye.radius]
        sides.append([eye, *sorted(inner, key=lambda b: -b.radius)])
    return sides[0], sides[1]


# --- the jaw ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Swing:
    """A rigid motion: a turn about an axis through a pivot, and a shift; `off` is how far what moves is from it."""

    axis: tuple[float, float, float]
    angle_deg: float
    pivot: tuple[float, float, float]
    shift: tuple[float, float, float]
    off: float

    def matrix(self, weight: float = 1.0) -> F64:
        """(3, 4) the motion at a weight: the turn and the shift in proportion."""
        turn = about(self.axis, self.angle_deg * weight)
        pivot = np.array(self.pivot)
        return np.concatenate([turn, (pivot - turn @ pivot + weight * np.array(self.shift))[:, None]], axis=1)


def about(axis: tuple[float, float, float], degrees: float) -> F64:
    """(3, 3) turn about a unit axis (O. Rodrigues, 1840)."""
    x, y, z = axis
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = math.radians(degrees)
    return np.asarray(np.eye(3) + math.sin(angle) * k + (1.0 - math.cos(angle)) * (k @ k))


def jaw_swing(points: F64, offsets: F64, island: Index, middle_x: float) -> Swing | None:
    """The rigid motion of the islands that the opening of the jaw moves as bodies; by the chin where there are none.

    None where nothing moves, or where nothing turns by more than 3 degrees. The pivot is the point of the axis in the
    middle of the face.
    """
    far = np.linalg.norm(offsets, axis=1)
    most = float(far.max(initial=0.0))
    if most < 1e-3:
        return None
    bodies = _bodies(points, offsets, island, most)
    if bodies.any():
        return _swing(points[bodies], offsets[bodies], middle_x)
    chin = far > 0.85 * most
    return _swing(points[chin], offsets[chin], middle_x) if int(chin.sum()) >= 12 else None


def _bodies(points: F64, offsets: F64, island: Index, most: float) -> NDArray[np.bool_]:
    """Points of islands that move rigidly, and all of them well."""
    out = np.zeros(len(points), np.bool_)
    order = np.argsort(island, kind="stable")
    bounds = np.searchsorted(island[order], np.arange(int(island.max(initial=-1)) + 2))
    for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        rows = order[a:b]
        if len(rows) < 12 or np.linalg.norm(offsets[rows], axis=1).min() < 0.3 * most:
            continue
        turn, shift = rigid_motion(points[rows], points[rows] + offsets[rows])
        off = np.linalg.norm(points[rows] @ turn.T + shift - points[rows] - offsets[rows], axis=1).max()
        out[rows] = off < _RIGID * most
    return out


def rigid_motion(points: F64, moved: F64) -> tuple[F64, F64]:
    """Turn (3, 3) and shift (3,) that bring points nearest to where they moved (W. Kabsch, 1976)."""
    a, b = points.mean(axis=0), moved.mean(axis=0)
    u, _, v = np.linalg.svd((points - a).T @ (moved - b))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(v.T @ u.T)) or 1.0])
    turn = v.T @ flip @ u.T
    return turn, b - turn @ a


def _swing(points: F64, offsets: F64, middle_x: float) -> Swing | None:
    turn, shift = rigid_motion(points, points + offsets)
    skew = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine, cosine = float(np.linalg.norm(skew)) / 2.0, (float(np.trace(turn)) - 1.0) / 2.0
    angle = math.degrees(math.atan2(sine, cosine))
    if not 3.0 < angle < 90.0:
        return None
    axis = skew / (2.0 * sine)
    if abs(axis[0]) > 0.999:  # a face is the same on both sides, to within how well it was modelled
        axis = np.array([math.copysign(1.0, axis[0]), 0.0, 0.0])
    if axis[0] < 0.0:
        axis, angle = -axis, -angle
    turn = about((float(axis[0]), float(axis[1]), float(axis[2])), angle)
    shift = (points + offsets).mean(axis=0) - turn @ points.mean(axis=0)
    along = axis * (axis @ shift)
    pivot = np.linalg.lstsq(np.eye(3) - turn, shift - along, rcond=None)[0]
    if abs(axis[0]) > 0.3:
        pivot = pivot + axis * ((middle_x - pivot[0]) / axis[0])
    off = np.linalg.norm(points @ turn.T + shift - points - offsets, axis=1).max()
    x, y, z = axis.tolist()
    a, b, c = pivot.tolist()
    d, e, f = np.where(np.abs(along) < 1e-5, 0.0, along).tolist()
    return Swing((x, y, z), angle, (a, b, c), (d, e, f), float(off))


# --- the neck --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Neck:
    """How a neck bends: `low` and `high` are heights along the slanted line of a throat, below and above which nothing
    and everything follows the head; the pivots of neck and head."""

    low: float
    high: float
    neck: tuple[float, float, float]
    head: tuple[float, float, float]
    bends: bool  # whether the mesh goes down to where it bends

    def share(self, points: F64) -> F64:
        """(n,) 0 where nothing follows the head to 1 where all does."""
        t = np.clip((slanted(points) - self.low) / (self.high - self.low), 0.0, 1.0)
        return np.asarray(t * t * (3.0 - 2.0 * t))


def slanted(points: F64) -> F64:
    """Heights along the line that leaves a chin above and the nape below."""
    return np.asarray(points[:, 1] + 0.5 * points[:, 2])


def neck_of(points: F64, skin_follows_jaw: NDArray[np.bool_], eyes: F64, hinge: F64 | None) -> Neck:
    """The neck of a head by its eyes (middle, and their distance as a fourth number), the jaw's hinge where it is
    known, and which points are of the jaw."""
    size = float(eyes[3])
    pivot = hinge if hinge is not None else eyes[:3] + size * np.array([0.0, -0.66, -1.0])
    if skin_follows_jaw.any():
        high = float(np.percentile(slanted(points[skin_follows_jaw]), 1.0)) - 0.05 * size
    else:
        high = float(eyes[1] + 0.5 * eyes[2]) - 1.9 * size
    low = high - 1.1 * size
    bends = float(slanted(points).min()) < high - 0.3 * size
    ring = np.abs(slanted(points) - (low + 0.2 * size)) < 0.15 * size
    near = ring & (np.abs(points[:, 0] - eyes[0]) < 1.2 * size)
    base = points[near].mean(axis=0) if near.any() else pivot + size * np.array([0.0, -1.6, -0.6])
    middle = float(eyes[0])
    head = (middle, float(pivot[1] - 0.3 * size), float(pivot[2] - 0.2 * size))
    return Neck(low, high, (middle, float(base[1]), float(base[2])), head, bends)
