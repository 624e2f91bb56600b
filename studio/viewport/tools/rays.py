"""From a pixel to the world and back: what dragging is made of.

Every function gives None rather than a wild number where the question has no good answer: a plane seen edge-on, an
axis that runs into the eye, a point behind the camera. A gesture then keeps the last value that was good.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.viewport.camera import ViewCamera

F64 = NDArray[np.float64]
_FARTHEST = 1e4  # times the distance of what is dragged: beyond is the horizon


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """A camera with the size of its picture in device pixels."""

    camera: ViewCamera
    width: float
    height: float

    def pixels(self, points: ArrayLike) -> F64:
        """(n, 3) pixel positions of points (n, 3), y down, and how far ahead they are in metres."""
        return self.camera.project(np.asarray(points, np.float64).reshape(-1, 3), self.width, self.height)

    def pixel(self, point: ArrayLike) -> F64:
        """(2,) where one point is; NaN for one behind a perspective camera."""
        x, y, ahead = self.pixels(point)[0].tolist()
        return np.array([x, y]) if ahead > 0 or self.camera.orthographic else np.full(2, np.nan)

    def ray(self, x: float, y: float) -> tuple[F64, F64]:
        """Origin and unit direction through a pixel."""
        return self.camera.ray(x, y, self.width, self.height)

    def metres(self, point: F64) -> float:
        """How long a device pixel is at a point."""
        return self.camera.metres_per_pixel(point, self.width, self.height)

    def towards(self, point: F64) -> F64:
        """(3,) unit direction from a point to the eye."""
        way = self.camera.eye - point
        length = float(np.linalg.norm(way))
        if self.camera.orthographic or not length > 1e-12:
            return -self.camera.forward
        return way / length

    def on_plane(self, x: float, y: float, point: F64, normal: F64, *, grazing: float = 0.02) -> F64 | None:
        """Where the ray through a pixel meets a plane; None when it is seen at less than `grazing` (the sine)."""
        origin, direction = self.ray(x, y)
        slope = float(direction @ normal)
        if not abs(slope) > grazing:
            return None
        t = float((point - origin) @ normal) / slope
        reach = float(np.linalg.norm(point - origin))
        if not abs(t) < _FARTHEST * (reach + self.camera.pivot_m) or (t <= 0 and not self.camera.orthographic):
            return None
        return origin + direction * t

    def on_axis(self, x: float, y: float, point: F64, axis: F64, *, grazing: float = 0.04) -> float | None:
        """Metres along a unit axis through `point` of what is nearest to a pixel; None when it runs into the eye.

        It is found on the plane through the axis that faces the eye most.
        """
        towards = self.towards(point)
        side = np.cross(axis, towards)
        length = float(np.linalg.norm(side))
        if not length > grazing:
            return None
        hit = self.on_plane(x, y, point, np.cross(side / length, axis))
        return None if hit is None else float((hit - point) @ axis)


def angle_between(a: ArrayLike, b: ArrayLike) -> float:
    """Radians from a plane vector (2,) to another, in -pi..pi, from x to y positive; 0 for a zero vector."""
    ax, ay = np.asarray(a, np.float64).tolist()
    bx, by = np.asarray(b, np.float64).tolist()
    return float(np.arctan2(ax * by - ay * bx, ax * bx + ay * by))


def wrapped(angle: float) -> float:
    """The angle in -pi..pi that is the same direction."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def segment_distance(at: ArrayLike, a: F64, b: F64) -> F64:
    """(n,) pixels from a position (2,) to segments a (n, 2) to b (n, 2); NaN ends give infinity."""
    p = np.asarray(at, np.float64)
    along, off = b - a, p - a
    with np.errstate(invalid="ignore"):
        length = np.maximum(np.einsum("ij,ij->i", along, along), 1e-12)
        t = np.clip(np.einsum("ij,ij->i", off, along) / length, 0.0, 1.0)
        out = np.linalg.norm(off - along * t[:, None], axis=1)
    return np.where(np.isfinite(out), out, np.inf)


def inside(at: ArrayLike, outline: F64) -> bool:
    """Whether a position (2,) lies in a convex outline (n, 2), whichever way it winds."""
    p = np.asarray(at, np.float64)
    edge = np.roll(outline, -1, axis=0) - outline
    off = p - outline
    cross = edge[:, 0] * off[:, 1] - edge[:, 1] * off[:, 0]
    return bool((cross >= 0).all() or (cross <= 0).all())


def hull(points: F64) -> F64:
    """(m, 2) convex hull of positions (n, 2), counter-clockwise (A. Andrew, 1979)."""
    order = sorted(map(tuple, points[np.isfinite(points).all(axis=1)].tolist()))
    if len(order) < 3:
        return np.array(order).reshape(-1, 2)

    def chain(listed: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
        out: list[tuple[float, ...]] = []
        for p in listed:
            while len(out) > 1 and (
                (out[-1][0] - out[-2][0]) * (p[1] - out[-2][1]) <= (out[-1][1] - out[-2][1]) * (p[0] - out[-2][0])
            ):
                out.pop()
            out.append(p)
        return out[:-1]

    return np.array(chain(order) + chain(order[::-1]))
