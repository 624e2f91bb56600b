"""Linearly transformed cosines: the shape of a glossy highlight under a light that has a size.

A clamped cosine, sheared and stretched by a matrix, is all but a GGX lobe, and its integral over a polygon has a closed
form because that of the cosine has one (Heitz, Dupuy, Hill and Neubelt, "Real-time polygonal-light shading with
linearly transformed cosines", SIGGRAPH 2016). Ours differ from the paper's in one thing: the matrix has no lower row,

    M = [[a, 0, -b], [0, c, 0], [0, 0, 1]],   density(w) = cos(M^-1 w) |det M^-1| / |M^-1 w|^3 / pi,

so it maps the horizon to the horizon. The lobe ends where the surface does, no light leaks in from below, and one clip
of the light's polygon serves the diffuse and all glossy lobes. x is the view's direction along the surface.

The table was fitted by `scripts/make_viewport_tables.py` to the lobe of `studio/render/tracer/surface.py`. Its grid is
roughness sqrt(alpha) by sqrt(1 - mu), and its three numbers are a mu^2 / alpha, c / alpha and b mu: quantities that
stay bounded and change slowly. What the lobe reflects in all comes from `studio.scene.lobe_energy`.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

from studio.scene.lobe_energy import MIN_ALPHA

SIZE = 32  # nodes of an axis
MIN_MU = 0.02  # the lobe seen at a lower angle is taken as seen at this one

F64 = NDArray[np.float64]


def table() -> NDArray[np.float32]:
    """(SIZE, SIZE, 3): by roughness, then by angle."""
    with resources.as_file(resources.files("studio.viewport") / "data" / "ltc.npy") as path:
        stored: NDArray[np.float32] = np.load(path)
    return stored


def node_alpha(i: int) -> float:
    """GGX alpha of a row of the table."""
    return max((i / (SIZE - 1)) ** 2, MIN_ALPHA)


def node_mu(j: int) -> float:
    """Cosine of the view of a column of the table."""
    return max(1.0 - (j / (SIZE - 1)) ** 2, MIN_MU)


def lookup(stored: NDArray[np.float32], alpha: float, mu: float) -> tuple[float, float, float]:
    """a, b, c of the matrix for a lobe, by bilinear interpolation, as the shader does it."""
    mu = max(mu, MIN_MU)
    x = float(np.clip(np.sqrt(alpha), 0.0, 1.0)) * (SIZE - 1)
    y = float(np.sqrt(np.clip(1.0 - mu, 0.0, 1.0))) * (SIZE - 1)
    i, j = min(int(x), SIZE - 2), min(int(y), SIZE - 2)
    fx, fy = x - i, y - j
    cell = stored[i : i + 2, j : j + 2].astype(float)
    p, q, r = np.einsum("i,j,ijk->k", [1 - fx, fx], [1 - fy, fy], cell)
    return float(p * alpha / mu**2), float(r / mu), float(q * alpha)


def density(matrix: tuple[float, float, float], wi: F64) -> F64:
    """(n,) density per solid angle of the lobe towards unit directions (n, 3) above the surface."""
    a, b, c = matrix
    x, y, z = (wi[..., 0] + b * wi[..., 2]) / a, wi[..., 1] / c, wi[..., 2]
    length2 = x * x + y * y + z * z
    return np.asarray(np.maximum(z, 0.0) / (np.pi * a * c * length2**2))


def ggx(alpha: float, mu: float, wi: F64) -> F64:
    """(n,) value of the GGX lobe with a Fresnel factor of 1, times the cosine, towards (n, 3); seen from +x at `mu`."""
    wo = np.array([np.sqrt(1.0 - mu * mu), 0.0, mu])
    h = wi + wo
    h /= np.linalg.norm(h, axis=-1, keepdims=True)
    q = ((h[..., :2] / alpha) ** 2).sum(axis=-1) + h[..., 2] ** 2
    z = np.maximum(wi[..., 2], 0.0)
    out, into = (np.sqrt(alpha**2 * (1.0 - w * w) + w * w) for w in (mu, z))
    shadowing = z / np.maximum(0.5 * (out * z + into * mu), 1e-30)
    return np.asarray(np.where(wi[..., 2] > 0.0, 0.25 * shadowing / (np.pi * alpha**2 * q * q), 0.0))
