"""Turning a light or camera towards a point without tilting it.

Roll is kept against the world's up: a softbox that hung level stays level wherever it is aimed. Straight up and down
there is no level, so what starts near there turns the shortest way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.scene.transforms import look_at
from studio.viewport.navigation import rotation

F64 = NDArray[np.float64]
_STEEP = 0.9995  # of the direction's upright part: less than two degrees from straight up or down


def aimed(world: F64, target: ArrayLike) -> F64 | None:
    """A rigid matrix (3, 4) turned in place so that its -z looks at a point (3,); None when it stands there."""
    way = np.asarray(target, np.float64) - world[:, 3]
    length = float(np.linalg.norm(way))
    if not (np.isfinite(length) and length > 1e-9):
        return None
    way = way / length
    now = -world[:, 2]
    out = world.copy()
    if max(abs(now[1]), abs(way[1])) > _STEEP:
        out[:, :3] = shortest(now, way) @ world[:, :3]
        return out
    level = look_at(world[:, 3].tolist(), (world[:, 3] + now).tolist())
    tilt = float(np.arctan2(world[:, 1] @ level[:, 0], world[:, 1] @ level[:, 1]))
    turned = look_at(world[:, 3].tolist(), (world[:, 3] + way).tolist())
    out[:, :3] = rotation(-way, -tilt) @ turned[:, :3]
    return out


def shortest(a: F64, b: F64) -> F64:
    """(3, 3) the smallest rotation that takes a unit vector to another; about any square axis when they oppose."""
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-12:
        if a @ b > 0:
            return np.eye(3)
        axis = np.cross(a, (1.0, 0.0, 0.0) if abs(a[0]) < 0.9 else (0.0, 1.0, 0.0))
        return rotation(axis / np.linalg.norm(axis), np.pi)
    return rotation(axis / sine, float(np.arctan2(sine, a @ b)))
