"""Turns as quaternions x, y, z, w, one at a time: for a handful of joints plain numbers are faster than arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable

Quat = tuple[float, float, float, float]
Vec3 = tuple[float, float, float]
UNTURNED: Quat = (0.0, 0.0, 0.0, 1.0)


def about(axis: Vec3, degrees: float) -> Quat:
    """A turn about an axis, which need not be of unit length; none about no axis."""
    length = math.hypot(*axis)
    if not degrees or not 0.0 < length < math.inf:
        return UNTURNED
    half = math.radians(math.fmod(degrees, 720.0)) / 2.0
    s = math.sin(half) / length
    return axis[0] * s, axis[1] * s, axis[2] * s, math.cos(half)


def product(a: Quat, b: Quat) -> Quat:
    """The turn b and after it the turn a."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def conjugate(q: Quat) -> Quat:
    return -q[0], -q[1], -q[2], q[3]


def unit(q: Iterable[float]) -> Quat:
    """A quaternion of unit length; none where there is no telling, so that what is broken stays broken elsewhere."""
    x, y, z, w = q
    length = math.hypot(x, y, z, w)
    if not (math.isfinite(length) and length > 0.0):
        return UNTURNED
    if abs(length - 1.0) < 1e-12:
        return x, y, z, w
    return x / length, y / length, z / length, w / length


def rotated(q: Quat, v: Vec3) -> Vec3:
    x, y, z, _ = product(product(q, (*v, 0.0)), conjugate(q))
    return x, y, z
