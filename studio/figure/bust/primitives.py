"""Signed distances of the few solids a head is built from, and the smooth unions that weld them.

Points come as three arrays x, y, z, so that a solid costs a handful of array operations. Distances of ellipsoids are
first-order (Quilez, "ellipsoid - SDF"): exact at the surface, which is where they are used. Smooth minima are the
quadratic ones of the same author: they touch nothing where the two distances differ by more than `k`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Axes = tuple[F64, F64, F64]
Point = Sequence[float] | NDArray[np.float64]


def smooth_min(a: F64, b: F64, k: float) -> F64:
    """The union of two distances with a fillet that is `k` wide."""
    overlap = np.maximum(k - np.abs(a - b), 0.0)
    return np.minimum(a, b) - overlap * overlap * (0.25 / k)


def smooth_max(a: F64, b: F64, k: float) -> F64:
    """The intersection of two distances with a rounding that is `k` wide."""
    overlap = np.maximum(k - np.abs(a - b), 0.0)
    return np.maximum(a, b) + overlap * overlap * (0.25 / k)


def smooth_step(low: float, high: float, value: F64) -> F64:
    """0 below `low`, 1 above `high` and a smooth cubic between; `low` may be the greater one."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def ellipsoid(at: Axes, centre: Point, radii: Point) -> F64:
    """Distance of an ellipsoid with axes along the coordinates."""
    x, y, z = ((p - c) / r for p, c, r in zip(at, centre, radii, strict=True))
    scale = np.sqrt(x * x + y * y + z * z)
    slope = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)
    return np.asarray(scale * (scale - 1.0) / np.maximum(slope, 1e-9))


def sphere(at: Axes, centre: Point, radius: float) -> F64:
    """Distance of a ball."""
    x, y, z = (p - c for p, c in zip(at, centre, strict=True))
    return np.asarray(np.sqrt(x * x + y * y + z * z) - radius)


def capsule(at: Axes, start: Point, end: Point, start_radius: float, end_radius: float) -> F64:
    """Distance of a rod whose radius runs from one to the other."""
    along = np.subtract(end, start)
    x, y, z = (p - c for p, c in zip(at, start, strict=True))
    share = np.clip((x * along[0] + y * along[1] + z * along[2]) / float(along @ along), 0.0, 1.0)
    x, y, z = x - along[0] * share, y - along[1] * share, z - along[2] * share
    return np.asarray(np.sqrt(x * x + y * y + z * z) - (start_radius + (end_radius - start_radius) * share))


def tube(at: Axes, path: Sequence[Point], radii: Sequence[float]) -> F64:
    """Distance of a bent rod: the union of capsules along a polyline."""
    found = capsule(at, path[0], path[1], radii[0], radii[1])
    for n in range(1, len(path) - 1):
        found = np.minimum(found, capsule(at, path[n], path[n + 1], radii[n], radii[n + 1]))
    return found
