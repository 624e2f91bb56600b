"""Turns of heads and eyes between how devices write them and how `Figure.head_turn` does.

A turn here is `Ry(yaw) Rx(pitch) Rz(roll)` of a head facing +z, as `studio.scene.figures` turns neck and head. Unreal
composes its angles likewise; others (SceneKit turns by roll, then yaw, then pitch) pass through a rotation.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from studio.scene.turns import UNTURNED, Quat, Vec3, product

F64 = NDArray[np.float64]


def composed(angles_deg: Vec3, order: str) -> Quat:
    """The rotation of angles about x, y, z that are applied in the order of their letters."""
    out = UNTURNED
    for letter in order:
        axis = "xyz".index(letter)
        half = math.radians(angles_deg[axis]) / 2.0
        turn = [0.0, 0.0, 0.0, math.cos(half)]
        turn[axis] = math.sin(half)
        out = product((turn[0], turn[1], turn[2], turn[3]), out)
    return out


def taken_apart(rotation: Quat, order: str) -> Vec3:
    """The angles of `composed`, for the orders "zxy" and "zyx"."""
    x, y, z, w = rotation
    length = math.sqrt(x * x + y * y + z * z + w * w) or 1.0
    x, y, z, w = x / length, y / length, z / length, w / length
    deg = math.degrees
    if order == "zxy":  # R = Ry Rx Rz
        pitch = math.asin(min(max(2.0 * (w * x - y * z), -1.0), 1.0))
        yaw = math.atan2(2.0 * (x * z + w * y), 1.0 - 2.0 * (x * x + y * y))
        roll = math.atan2(2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z))
        return deg(pitch), deg(yaw), deg(roll)
    if order != "zyx":
        raise ValueError(order)
    yaw = math.asin(min(max(2.0 * (w * y + x * z), -1.0), 1.0))  # R = Rx Ry Rz
    pitch = math.atan2(2.0 * (w * x - y * z), 1.0 - 2.0 * (x * x + y * y))
    roll = math.atan2(2.0 * (w * z - x * y), 1.0 - 2.0 * (y * y + z * z))
    return deg(pitch), deg(yaw), deg(roll)


def turn_of(rotation: Quat) -> Vec3:
    """Pitch, yaw and roll as `Figure.head_turn` has them."""
    return taken_apart(rotation, "zxy")


def rotation_of(turn_deg: Vec3) -> Quat:
    """The rotation of such angles."""
    return composed(turn_deg, "zxy")


def relative(turns_deg: F64, neutral_deg: Vec3) -> F64:
    """Turns (k, 3) of a head seen from its neutral pose: what turns that one into each."""
    if not any(neutral_deg):
        return turns_deg
    nx, ny, nz, nw = rotation_of(neutral_deg)
    (sx, sy, sz), (cx, cy, cz) = np.sin(np.radians(turns_deg) / 2.0).T, np.cos(np.radians(turns_deg) / 2.0).T
    x, y = sx * cy * cz + cx * sy * sz, cx * sy * cz - sx * cy * sz
    z, w = cx * cy * sz - sx * sy * cz, cx * cy * cz + sx * sy * sz
    x, y, z, w = (  # the conjugate of the neutral one times each
        nw * x - nx * w - ny * z + nz * y,
        nw * y + nx * z - ny * w - nz * x,
        nw * z - nx * y + ny * x - nz * w,
        nw * w + nx * x + ny * y + nz * z,
    )
    pitch = np.arcsin(np.clip(2.0 * (w * x - y * z), -1.0, 1.0))
    yaw = np.arctan2(2.0 * (x * z + w * y), 1.0 - 2.0 * (x * x + y * y))
    roll = np.arctan2(2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z))
    out: F64 = np.degrees(np.stack([pitch, yaw, roll], axis=1))
    return out
