"""What shapes a lamp's light by direction: IES profiles, gobos, barn doors and grids, as columns of the packed form.

A renderer multiplies a light's emission by functions of the direction in which light leaves the lamp; what they need
is a handful of numbers a light, worked out here once. Their meaning stands at `studio.scene.lights.LIGHT`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import Image
from studio.scene.photometry import F64

# A profile is a float32 image of one channel: row i is the angle i * 180 / (PROFILE_ROWS - 1) degrees away from the
# light's axis (-z), column j the angle j * 360 / columns around it, from +x towards +y; its peak is 1. Between them it
# is linear, around the axis it repeats.
PROFILE_ROWS, PROFILE_COLUMNS = 181, 180

_DOORS = ("barn_left_deg", "barn_right_deg", "barn_bottom_deg", "barn_top_deg")
SHAPING = ("spread_deg", "gobo_scale", "gobo_rotation_deg", *_DOORS, "barn_softness_deg")
_WIDE_OPEN = 1e6  # tangent of a door at 90 degrees
_SHARPEST = 1e-5  # tangent over which the hardest door fades
_CONE_STEPS = 513


def is_profile(image: Image) -> bool:
    """Whether an image is an IES profile as renderers read it."""
    return image.pixels.shape == (PROFILE_ROWS, PROFILE_COLUMNS, 1) and image.pixels.dtype == np.float32


def profile_rows(keys: Sequence[str], images: Mapping[str, int], textures: Sequence[Image]) -> NDArray[np.int32]:
    """(n,) rows of `textures` of the profiles that `keys` name; -1 where there is none, or no profile."""
    rows = {key: images.get(key, -1) for key in set(keys)}
    if textures:
        rows = {key: row if row >= 0 and is_profile(textures[row]) else -1 for key, row in rows.items()}
    return np.array([rows[key] if key else -1 for key in keys], np.int32).reshape(-1)


def solid_angles(
    profile: NDArray[np.int32], textures: Sequence[Image], cos_inner: F64, cos_outer: F64, cone: NDArray[np.bool_]
) -> F64:
    """(n,) steradians of lamps with profiles (NaN: without one), weighted by the profile and, where `cone`, by a spot's
    falloff: lumens are candela in the profile's brightest direction times this."""
    out = np.full(len(profile), np.nan)
    if not textures:
        return out
    for row in np.unique(profile[profile >= 0]).tolist():
        at = np.flatnonzero(profile == row)
        around = textures[row].pixels[:, :, 0].mean(axis=1, dtype=np.float64)
        outer = np.where(cone[at], cos_outer[at], -1.0)
        inner = np.where(cone[at], cos_inner[at], -1.0)
        angle = np.linspace(0.0, 1.0, _CONE_STEPS) * np.arccos(outer)[:, None]
        cosine = np.cos(angle)
        falloff = np.where(
            cone[at][:, None], np.clip((cosine - outer[:, None]) / np.maximum(inner - outer, 1e-9)[:, None], 0, 1), 1.0
        )
        steps = np.linspace(0.0, np.pi, PROFILE_ROWS)
        weight = np.interp(angle.ravel(), steps, around).reshape(angle.shape) * falloff**2 * np.sin(angle)
        out[at] = 2 * np.pi * np.trapezoid(weight, angle, axis=1)
    return out


def half_spread(spread_deg: F64) -> F64:
    """Half angles in radians of grids; pi / 2 is none."""
    return np.asarray(np.radians(np.clip(np.nan_to_num(spread_deg, nan=180.0), 1.0, 180.0)) / 2)


def spread_column(half_angle: F64) -> F64:
    """The column `spread`: 1 / tan of the grids' half angles, 0 without one."""
    return np.asarray(np.where(half_angle < np.pi / 2 - 1e-9, 1 / np.tan(half_angle), 0.0))


def gobo_turns(number: Mapping[str, F64], cos_outer: F64) -> F64:
    """(n, 4) matrices from a direction's tangents to a gobo's image, which spans the square around the cone."""
    tangent = np.sqrt(np.maximum(1 - cos_outer**2, 0.0)) / np.maximum(cos_outer, 1e-6)
    size = np.maximum(np.nan_to_num(number["gobo_scale"], nan=1.0, posinf=1e6), 1e-3)
    half = 0.5 / (tangent * size)
    turn = np.radians(np.nan_to_num(number["gobo_rotation_deg"], nan=0.0, posinf=0.0, neginf=0.0))
    c, s = half * np.cos(turn), half * np.sin(turn)
    return np.stack([c, s, -s, c], axis=1)


def door_columns(number: Mapping[str, F64]) -> tuple[F64, F64]:
    """(n, 4) tangents left, right, bottom, top of barn doors and (n,) how wide their edges fade; all 0: no doors."""
    angle = np.stack([np.nan_to_num(number[name], nan=90.0) for name in _DOORS], axis=1)
    doors = np.asarray((angle < 90.0).any(axis=1))
    tangent = np.tan(np.radians(np.clip(angle, -80.0, 89.9999)))
    tangent = np.where(angle >= 90.0, _WIDE_OPEN, np.where(tangent == 0.0, 1e-6, tangent))  # a row of 0 means no doors
    soft = np.tan(np.radians(np.clip(np.nan_to_num(number["barn_softness_deg"], nan=0.0), 0.0, 45.0)))
    return np.where(doors[:, None], tangent, 0.0), np.where(doors, np.maximum(soft, _SHARPEST), 0.0)
