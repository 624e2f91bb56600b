"""The scalp as hair needs it: how far out the head lies in any direction, and how far from the hairline a place is.

Hair is grown as thousands of curves that must neither sink into the head nor float; asking the head's distance at each
of their points would cost seconds. So the head is measured once, as a radius over directions from the skull's middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.figure.bust.landmarks import Anatomy
from studio.figure.bust.pieces import F64, unit
from studio.figure.bust.shape import Identity, distance

_ROWS, _COLUMNS = 72, 144
_FARTHEST = 0.19


@dataclass(frozen=True, slots=True, eq=False)
class Scalp:
    """Radii of the head (rows, columns) over the angle from the top and around, from the `centre`, metres; `line`
    (columns,) is the angle from the top at which the hairline lies."""

    centre: F64
    radii: F64
    line: F64

    @staticmethod
    def of(identity: Identity, anatomy: Anatomy) -> Scalp:
        """The scalp of a head, without its ears."""
        centre = anatomy.skull_centre
        polar = np.linspace(0, np.pi, _ROWS)[:, None]
        around = np.linspace(-np.pi, np.pi, _COLUMNS)[None, :]
        way = _direction(*np.broadcast_arrays(polar, around)).reshape(-1, 3)
        reach = np.full(len(way), _FARTHEST)
        for _ in range(24):
            reach -= 0.9 * distance(centre + way * reach[:, None], identity, openings=False)
            reach = np.clip(reach, 0.02, _FARTHEST)
        polar_line, around_line = _angles(anatomy.hairline - centre)
        order = np.argsort(around_line)
        steps = np.linspace(-np.pi, np.pi, _COLUMNS)
        line = np.interp(steps, around_line[order], polar_line[order], period=2 * np.pi)
        return Scalp(centre, reach.reshape(_ROWS, _COLUMNS), line)

    def radius(self, points: F64) -> F64:
        """(n,) how far the skin lies from the centre in the direction of points (n, 3)."""
        polar, around = _angles(points - self.centre)
        row = polar / np.pi * (_ROWS - 1)
        column = (around + np.pi) / (2 * np.pi) * (_COLUMNS - 1)
        i = np.clip(row.astype(np.intp), 0, _ROWS - 2)
        j = np.clip(column.astype(np.intp), 0, _COLUMNS - 2)
        s, t = row - i, column - j
        r = self.radii
        top = r[i, j] * (1 - t) + r[i, j + 1] * t
        return np.asarray(top * (1 - s) + (r[i + 1, j] * (1 - t) + r[i + 1, j + 1] * t) * s)

    def onto(self, points: F64, lift: F64 | float = 0.0) -> F64:
        """Points (n, 3) moved along their rays to a height above the skin."""
        ray = points - self.centre
        wanted = self.radius(points) + lift
        return np.asarray(self.centre + unit(ray) * np.reshape(wanted, (-1, 1)))

    def normals(self, points: F64) -> F64:
        """(n, 3) unit normals of the head at the rays through points."""
        ray = unit(points - self.centre)
        side = unit(np.cross(ray, np.where(np.abs(ray[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])))
        other = np.cross(ray, side)
        step = 0.004
        at = [self.onto(points + sign * step * way) for way in (side, other) for sign in (1.0, -1.0)]
        return unit(np.cross(at[0] - at[1], at[2] - at[3]))

    def inside(self, points: F64) -> F64:
        """(n,) metres from the hairline at the rays through points, positive where hair grows."""
        polar, around = _angles(points - self.centre)
        line = np.interp(around, np.linspace(-np.pi, np.pi, _COLUMNS), self.line)
        return np.asarray((line - polar) * self.radius(points))

    def roots(self, count: int, rng: np.random.Generator, *, spread: float = 0.0022) -> F64:
        """(about count, 3) places on the scalp where hair grows, even over its area, ragged at the hairline by
        `spread` metres."""
        golden = np.pi * (3 - np.sqrt(5))
        reach = float(self.line.max()) + 0.1
        tries = int(count * 1.75)
        k = np.arange(tries) + 0.5
        polar = np.arccos(1 - k / tries * (1 - np.cos(reach)))
        around = (k * golden + rng.normal(0, 0.25, tries) + np.pi) % (2 * np.pi) - np.pi
        polar = np.clip(polar + rng.normal(0, 0.35 / np.sqrt(tries), tries), 0.001, np.pi)
        points = self.onto(self.centre + _direction(polar, around))
        keep = self.inside(points) > rng.exponential(spread, tries) - 0.6 * spread
        return points[keep]


def _direction(polar: F64, around: F64) -> F64:
    """Unit vectors of an angle from the top and one around it, 0 at the front and positive to the left."""
    return np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1)


def _angles(rays: F64) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flat = np.hypot(rays[:, 0], rays[:, 2])
    return np.arctan2(flat, rays[:, 1]), np.arctan2(rays[:, 0], rays[:, 2])
