"""How large a light's shadow tiles should be: as large as what it matters for is on the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.viewport.camera import ViewCamera
from studio.viewport.shadow_maps import CONE, SLAB, Sources

F64 = NDArray[np.float64]

_FINE = {0: 0.5, 1: 1.0, 2: 3.0}  # texels of a tile's side per pixel of the light's side on the screen, by form
_MATTERS = 0.02  # share of typical light at which a light's reach on the screen ends
_SPREAD = 1.2207440846057594759 ** -np.arange(1.0, 4.0)  # steps of the R3 sequence (Roberts 2018)


def wished(sources: Sources, camera: ViewCamera, width: int, height: int, bounds: tuple[F64, F64]) -> F64:
    """(n,) sides of tiles, from how much of the picture lies where each light matters."""
    eye = sources.centre @ camera.view_matrix()[:3, :3].T + camera.view_matrix()[:3, 3]
    depth = -eye[:, 2]
    hx, _ = camera.half_extents(width, height)
    radius = _reach(sources, bounds)
    with np.errstate(invalid="ignore"):
        clear = depth > radius * 1.05
        scale = 1.0 / hx if camera.orthographic else 1.0 / (hx * np.where(clear, np.sqrt(depth**2 - radius**2), 1.0))
    extent = radius * scale  # half the picture's width is 1
    x, y = eye[:, 0] * scale, eye[:, 1] * scale
    tall = height / width
    shown_x = np.clip(np.minimum(x + extent, 1.0) - np.maximum(x - extent, -1.0), 0.0, 2.0)
    shown_y = np.clip(np.minimum(y + extent, tall) - np.maximum(y - extent, -tall), 0.0, 2.0 * tall)
    area = shown_x * shown_y * (0.5 * width) ** 2
    behind = np.linalg.norm(eye, axis=1) > radius * 1.05
    area = np.where(clear, area, np.where(behind & (not camera.orthographic), 0.1 * width * height, width * height))
    area = np.where(np.isfinite(radius), area, width * height)
    fine = np.array([_FINE[int(f)] for f in sources.form])
    fine[sources.sky] = 1.0
    return np.asarray(np.sqrt(np.maximum(area, 1.0)) * fine)


def small_in(sources: Sources, bounds: tuple[F64, F64]) -> NDArray[np.int64]:
    """(n,) 1 where everything within `bounds` fills less than half of the width of a source's map, else 0: texels are
    twice as large on it as they are where it fills the map."""
    low, high = bounds
    away = np.linalg.norm(sources.centre - (low + high) / 2, axis=1)
    width = np.where(sources.form == CONE, 1.0 / np.maximum(np.linalg.norm(sources.axes[:, 0], axis=1), 1e-9), 1.0)
    half = float(np.linalg.norm(high - low)) / 2
    return np.asarray(((away * width > 2.0 * half) & (sources.form != SLAB)).astype(np.int64))


def _reach(sources: Sources, bounds: tuple[F64, F64]) -> F64:
    """(n,) metres to where a light brings _MATTERS of the light that is typical within `bounds`."""
    placed = sources.strength > 0.0
    out = np.full(sources.count, np.inf)
    if not placed.any():
        return out
    low, high = bounds
    probes = low + (high - low) * ((0.5 + np.arange(1, 65)[:, None] * _SPREAD) % 1.0)
    squared = ((probes[:, None] - sources.centre[None, placed]) ** 2).sum(axis=2)
    typical = float(np.median((sources.strength[placed] / np.maximum(squared, 1e-6)).sum(axis=1)))
    out[placed] = np.sqrt(sources.strength[placed] / max(_MATTERS * typical, 1e-30))
    return out
