"""An eyeball as a mesh: a globe with the bulge of the cornea, made for the eye closure of both renderers.

Its object space is the closure's: the centre of rotation at 0, looking along +z, +y up, metres. The globe is a sphere
of 12 mm, the cornea a steeper one of 7.8 mm that meets it in the limbus, a circle of 5.85 mm; their seam is filled as
the sulcus of a real eye is. Rings stand dense over the cornea, whose normals bend all that is seen of the iris, and
most of all around the limbus. The texture coordinates are the closure's planar map, so that the picture of
`studio.figure.eye_maps` lies right in other programs too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

RADIUS_M = 0.012
LIMBUS_M = 0.00585
CORNEA_M = 0.0078
_SULCUS = 0.1  # how far, as a share of the globe's radius, the two spheres run into each other


@dataclass(frozen=True, slots=True, eq=False)
class Eyeball:
    """A closed mesh, its triangles counter-clockwise seen from outside."""

    positions: F32  # (v, 3)
    normals: F32  # (v, 3)
    uv: F32  # (v, 2), v running down
    triangles: NDArray[np.uint32]  # (t, 3)
    apex_m: float  # of the cornea, along +z


def eyeball_mesh(
    *,
    radius_m: float = RADIUS_M,
    limbus_m: float = LIMBUS_M,
    cornea_m: float = CORNEA_M,
    segments: int = 64,
    rings: int = 56,
) -> Eyeball:
    """An eyeball of `rings` circles of `segments` vertices and two poles.

    `radius_m` is the globe's, `limbus_m` that of the circle in which the cornea, a sphere of `cornea_m`, meets it.
    ValueError where the three radii make no eye.
    """
    if not 0.0 < limbus_m <= cornea_m <= radius_m:
        raise ValueError("an eye wants limbus_m <= cornea_m <= radius_m, all above 0")
    if segments < 3 or rings < 4:
        raise ValueError("an eyeball has at least 3 segments and 4 rings")
    rim = math.atan2(limbus_m, math.sqrt(radius_m**2 - limbus_m**2))
    angles = _angles(rim, rings)
    centre = math.sqrt(radius_m**2 - limbus_m**2) - math.sqrt(cornea_m**2 - limbus_m**2)
    reach, slope = _profile(angles, radius_m, cornea_m, centre)
    around = np.linspace(0.0, 2.0 * np.pi, segments, endpoint=False)
    round_ = np.stack([np.cos(around), np.sin(around)], axis=-1)
    across, along = reach * np.sin(angles), reach * np.cos(angles)
    positions = np.empty((rings, segments, 3))
    positions[..., :2] = across[:, None, None] * round_
    positions[..., 2] = along[:, None]
    normals = np.empty((rings, segments, 3))
    normals[..., :2] = slope[:, 0, None, None] * round_
    normals[..., 2] = slope[:, 1, None]
    apex = centre + cornea_m
    places = np.concatenate([[[0.0, 0.0, apex]], positions.reshape(-1, 3), [[0.0, 0.0, -radius_m]]])
    bent = np.concatenate([[[0.0, 0.0, 1.0]], normals.reshape(-1, 3), [[0.0, 0.0, -1.0]]])
    flat = np.clip(places[:, :2] / (4.0 * limbus_m) * (1.0, -1.0) + 0.5, 0.0, 1.0)
    return Eyeball(
        positions=places.astype(np.float32),
        normals=bent.astype(np.float32),
        uv=flat.astype(np.float32),
        triangles=_triangles(segments, rings),
        apex_m=apex,
    )


def _angles(rim: float, rings: int) -> F64:
    """(rings,) angles from the axis, spaced as a density asks that is highest at the limbus and low behind it."""
    at = np.linspace(0.0, np.pi, 2049)
    density = 0.35 + 1.4 * (at < rim) + 3.0 * np.exp(-(((at - rim) / (0.25 * rim)) ** 2))
    total = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    share = np.arange(1, rings + 1) / (rings + 1)
    return np.asarray(np.interp(share * total[-1], total, at))


def _profile(angles: F64, radius: float, cornea: float, centre: float) -> tuple[F64, F64]:
    """How far the surface is from 0 at angles from the axis, and its normals (across, along).

    The surface is where the smooth minimum (I. Quilez) of the distances to both spheres is 0; it is found by halving.
    """
    soft = _SULCUS * radius

    def distance(across: F64, along: F64) -> F64:
        globe = np.hypot(across, along) - radius
        front = np.hypot(across, along - centre) - cornea
        near = np.maximum(soft - np.abs(globe - front), 0.0) / soft
        return np.asarray(np.minimum(globe, front) - near * near * soft * 0.25)

    low, high = np.full(len(angles), 0.5 * radius), np.full(len(angles), 2.0 * radius)
    for _ in range(50):
        middle = 0.5 * (low + high)
        outside = distance(middle * np.sin(angles), middle * np.cos(angles)) > 0.0
        low, high = np.where(outside, low, middle), np.where(outside, middle, high)
    across, along = low * np.sin(angles), low * np.cos(angles)
    step = 1e-6 * radius
    gradient = np.stack(
        [
            distance(across + step, along) - distance(across - step, along),
            distance(across, along + step) - distance(across, along - step),
        ],
        axis=-1,
    )
    return low, np.asarray(gradient / np.linalg.norm(gradient, axis=-1, keepdims=True))


def _triangles(segments: int, rings: int) -> NDArray[np.uint32]:
    """Fans around both poles and strips between the rings."""
    here = np.arange(segments)
    beside = (here + 1) % segments
    first = 1 + segments * np.arange(rings)
    last = 1 + segments * rings
    front = np.stack([np.zeros(segments, int), first[0] + here, first[0] + beside], axis=-1)
    back = np.stack([np.full(segments, last), first[-1] + beside, first[-1] + here], axis=-1)
    a = first[:-1, None] + here
    b = first[:-1, None] + beside
    c, d = a + segments, b + segments
    strips = np.stack([np.stack([a, c, d], -1), np.stack([a, d, b], -1)], axis=2).reshape(-1, 3)
    return np.concatenate([front, strips, back]).astype(np.uint32)
