"""Rotations as an artist types them: three angles in degrees, turned about x, then y, then z of the parent.

Quaternions are x, y, z, w as in `Entity.rotation`. At a pitch of +-90 degrees x and z turn about one axis; x is then
kept at 0, or near the angles that were shown before, if those are given.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Quat = tuple[float, float, float, float]
Angles = tuple[float, float, float]


def to_quaternion(angles_deg: Angles) -> Quat:
    """The unit quaternion of angles about x, y and z."""
    (cx, sx), (cy, sy), (cz, sz) = ((math.cos(h), math.sin(h)) for h in (math.radians(a) / 2 for a in angles_deg))
    return (
        sx * cy * cz - cx * sy * sz,
        cx * sy * cz + sx * cy * sz,
        cx * cy * sz - sx * sy * cz,
        cx * cy * cz + sx * sy * sz,
    )


def to_quaternions(angles_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """The unit quaternions (n, 4) of rows of angles (n, 3), as `to_quaternion` has each."""
    half = np.radians(angles_deg) / 2
    (sx, sy, sz), (cx, cy, cz) = np.sin(half).T, np.cos(half).T
    return np.stack(
        [
            sx * cy * cz - cx * sy * sz,
            cx * sy * cz + sx * cy * sz,
            cx * cy * sz - sx * sy * cz,
            cx * cy * cz + sx * sy * sz,
        ],
        axis=1,
    )


def to_angles(rotation: Quat, near: Angles | None = None) -> Angles:
    """Angles of a quaternion (of any length but 0); among equal ones those nearest to `near`."""
    x, y, z, w = rotation
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if not length > 0.0:
        return (0.0, 0.0, 0.0)
    x, y, z, w = x / length, y / length, z / length, w / length
    sine = 2 * (w * y - x * z)
    if abs(sine) > 1 - 1e-12:
        first = math.radians(near[0]) if near is not None else 0.0
        sign = math.copysign(1.0, sine)
        turn = 2 * math.atan2(z, w) if abs(w) + abs(z) > 1e-9 else -2 * sign * math.atan2(x, y)
        found = (first, sign * math.pi / 2, turn + sign * first)
    else:
        found = (
            math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)),
            math.asin(sine),
            math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)),
        )
    angles = (math.degrees(found[0]), math.degrees(found[1]), math.degrees(found[2]))
    return angles if near is None else _nearest(angles, near)


def _nearest(angles: Angles, near: Angles) -> Angles:
    """The spelling of a rotation closest to another: each angle by whole turns, or the other way round."""
    other = (angles[0] + 180.0, 180.0 - angles[1], angles[2] + 180.0)

    def wound(candidate: Angles) -> Angles:
        a, b, c = (v + 360.0 * round((n - v) / 360.0) for v, n in zip(candidate, near, strict=True))
        return (a, b, c)

    return min((wound(angles), wound(other)), key=lambda c: sum(abs(a - b) for a, b in zip(c, near, strict=True)))
