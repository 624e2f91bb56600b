"""Directional albedos of the surface lobes: what a lobe reflects in all, seen from one angle.

The surface closures (`render/tracer/surface.py`, `viewport/shaders/surface.glsl`) need these numbers to layer one lobe
over another without making or losing light and to give back the light that single-scattering microfacets lose. They
stand here because both renderers read them: a surface has the same energy in the viewport and in the final frame. They
are integrals without a closed form, so they are computed once by quadrature (`python -m studio.scene.lobe_energy`,
about half a minute), stored beside this module as 16-bit fractions, and read by `build()` in a millisecond. The tests
compare the stored numbers with fresh quadrature.

All tables are uniform grids over coordinates in [0, 1], the cosine fastest, and are read by multilinear interpolation:

- roughness r, with GGX alpha = r^2;
- cosine: sqrt(mu), which spends its nodes at grazing angles;
- anisotropy, and the azimuth of the view as the cosine of its angle to the tangent;
- reflectivity: sqrt(e / MAX_E) with e = |eta - 1| / (eta + 1), so e^2 is the reflectance at normal incidence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_ALPHA = 1e-3  # below this a lobe is a mirror to the eye, and 32-bit floats no longer sample and evaluate it alike
MIN_FUZZ_ROUGHNESS = 0.07  # below it the fuzz would reflect more than it receives at grazing angles
FUZZ_SMITH = (  # a, b, c, d, e of Estevez and Kulla 2017, table 1, at roughness 0 and 1
    (25.3245, 3.32435, 0.16801, -1.27393, -4.85967),
    (21.5473, 3.82987, 0.19823, -1.97760, -4.32054),
)
MAX_E = 0.9  # an index of refraction of 19
ROUGHNESS = 24  # nodes of a roughness axis
COSINE = 32
REFLECTIVITY = 16
COARSE = 24  # nodes of roughness and cosine in the tables of glass, and of roughness in that of fuzz
STRETCH = 8  # nodes of anisotropy
AZIMUTH = 6
STRETCHED_ROUGHNESS = 12
STRETCHED_COSINE = 16

# offsets into the flat array, in floats
MIRROR = 0  # [roughness, cosine]: GGX whose Fresnel factor is 1
DIELECTRIC = MIRROR + ROUGHNESS * COSINE  # [reflectivity, roughness, cosine]: GGX reflection, eta >= 1
GLASS_IN = DIELECTRIC + REFLECTIVITY * ROUGHNESS * COSINE  # [reflectivity, roughness, cosine]: reflection + refraction
GLASS_OUT = GLASS_IN + REFLECTIVITY * COARSE * COARSE  # the same from the dense side
FUZZ = GLASS_OUT + REFLECTIVITY * COARSE * COARSE  # [fuzz roughness from MIN_FUZZ_ROUGHNESS to 1, cosine]
STRETCHED = FUZZ + COARSE * COSINE  # [anisotropy, azimuth, roughness, cosine]: as MIRROR
SIZE = STRETCHED + STRETCH * AZIMUTH * STRETCHED_ROUGHNESS * STRETCHED_COSINE

STORED = Path(__file__).with_suffix(".npy")


def build() -> NDArray[np.float32]:
    """The tables as one flat float32 array of SIZE numbers in [0, 1]."""
    table: NDArray[np.float32] = np.load(STORED).astype(np.float32) / np.float32(65535.0)
    return table


def compute() -> NDArray[np.uint16]:
    """Integrate every table anew; SIZE numbers, 65535 standing for 1."""
    fine = _axis(ROUGHNESS), _axis(COSINE) ** 2
    coarse = _axis(COARSE), _axis(COARSE) ** 2
    dense = _axis(REFLECTIVITY) ** 2 * MAX_E
    eta = (1.0 + dense) / (1.0 - dense)
    parts = (
        np.array([[mirror_albedo(r, mu) for mu in fine[1]] for r in fine[0]]),
        np.moveaxis(np.array([[dielectric_albedo(r, mu, eta)[0] for mu in fine[1]] for r in fine[0]]), 2, 0),
        np.moveaxis(np.array([[sum(dielectric_albedo(r, mu, eta)) for mu in coarse[1]] for r in coarse[0]]), 2, 0),
        np.moveaxis(np.array([[sum(dielectric_albedo(r, mu, 1 / eta)) for mu in coarse[1]] for r in coarse[0]]), 2, 0),
        np.array([[fuzz_albedo(r, mu) for mu in fine[1]] for r in np.linspace(MIN_FUZZ_ROUGHNESS, 1.0, COARSE)]),
    )
    stretched = (
        mirror_albedo(r, mu, anisotropy=a, phi=float(np.arccos(x)), count=6765)
        for a in _axis(STRETCH)
        for x in _axis(AZIMUTH)
        for r in _axis(STRETCHED_ROUGHNESS)
        for mu in _axis(STRETCHED_COSINE) ** 2
    )
    table = np.concatenate([np.asarray(part).ravel() for part in (*parts, np.array(list(stretched)))])
    return np.asarray(np.rint(np.clip(table, 0.0, 1.0) * 65535.0), np.uint16)


def mirror_albedo(
    roughness: float, mu: float, *, anisotropy: float = 0.0, phi: float = 0.0, count: int = 28657
) -> float:
    """Albedo of GGX with a Fresnel factor of 1 and height-correlated Smith shadowing, seen at cosine `mu`."""
    alpha, wo, h = _visible_normals(roughness, mu, count, anisotropy=anisotropy, phi=phi)
    wi = 2.0 * (h @ wo)[:, None] * h - wo
    return float(_shadowing(alpha, wo, wi, side=1).mean())


def dielectric_albedo(roughness: float, mu: float, eta: Array, *, count: int = 6765) -> tuple[Array, Array]:
    """Reflected and refracted fraction of a rough interface, for each ratio of indices in `eta`."""
    alpha, wo, h = _visible_normals(roughness, mu, count)
    oh = (h @ wo)[:, None]
    reflectance = fresnel(oh[:, 0], eta[:, None])
    reflected = reflectance * _shadowing(alpha, wo, 2.0 * oh * h - wo, side=1)
    bend = oh / eta - np.sqrt(np.maximum(1.0 - (1.0 - oh * oh) / (eta * eta), 0.0))  # normals x indices
    down = bend.T[..., None] * h - wo / eta[:, None, None]
    refracted = (1.0 - reflectance) * _shadowing(alpha, wo, down, side=-1)
    return reflected.mean(axis=1), refracted.mean(axis=1)


def fuzz_albedo(roughness: float, mu: float, *, count: int = 75025) -> float:
    """Albedo of the fuzz lobe of colour 1 (see the closures), seen at cosine `mu`."""
    r = max(roughness, MIN_FUZZ_ROUGHNESS)
    mu = max(mu, 1e-4)
    mi, turn = _lattice(count)
    across = np.sqrt(1.0 - mi * mi) * np.sqrt(1.0 - mu * mu)
    along = mi * mu + across * np.cos(2.0 * np.pi * turn)
    sin2 = np.maximum(1.0 - (mi + mu) ** 2 / np.maximum(2.0 + 2.0 * along, 1e-12), 0.0)
    density = (2.0 + 1.0 / r) / (2.0 * np.pi) * sin2 ** (0.5 / r)
    shadowing = 1.0 / (1.0 + fuzz_smith(r, mi) + fuzz_smith(r, np.asarray(mu)))
    return float((density * shadowing).mean() * 2.0 * np.pi / (4.0 * mu))


def fuzz_smith(roughness: float, mu: Array) -> Array:
    """Smith's Lambda of the fuzz distribution: the fit of Estevez and Kulla 2017, equations 3 and 4."""
    k = (1.0 - roughness) ** 2
    a, b, c, d, e = (k * soft + (1.0 - k) * hard for soft, hard in zip(*FUZZ_SMITH, strict=True))

    def curve(x: Array) -> Array:
        return np.asarray(a / (1.0 + b * x**c) + d * x + e)

    low, high = np.minimum(mu, 0.5), np.maximum(mu, 0.5)
    return np.where(mu < 0.5, np.exp(curve(low)), np.exp(2.0 * curve(np.asarray(0.5)) - curve(1.0 - high)))


def fresnel(mu: Array, eta: Array) -> Array:
    """Unpolarised reflectance of a dielectric interface; `eta` is the far index over the near one."""
    g2 = eta * eta - 1.0 + mu * mu
    g = np.sqrt(np.maximum(g2, 0.0))
    a = (g - mu) / (g + mu)
    b = (mu * (g + mu) - 1.0) / (mu * (g - mu) + 1.0)
    return np.where(g2 > 0.0, 0.5 * a * a * (1.0 + b * b), 1.0)


def _axis(nodes: int) -> Array:
    return np.linspace(0.0, 1.0, nodes)


def _lattice(count: int) -> tuple[Array, Array]:
    """A rank-1 lattice in the unit square; `count` is a Fibonacci number."""
    golden = 0.5 * (np.sqrt(5.0) - 1.0)
    k = np.arange(count)
    return (k + 0.5) / count, (k * golden) % 1.0


def _visible_normals(
    roughness: float, mu: float, count: int, *, anisotropy: float = 0.0, phi: float = 0.0
) -> tuple[Array, Array, Array]:
    """Alpha along x, y and z, the view, and normals of GGX as it sees them (Dupuy and Benyoub 2023)."""
    k = 1.0 - anisotropy
    along = roughness * roughness * np.sqrt(2.0 / (1.0 + k * k))
    alpha = np.array([max(along, MIN_ALPHA), max(k * along, MIN_ALPHA), 1.0])
    mu = max(mu, 1e-5)
    wo = np.array([np.sqrt(1.0 - mu * mu) * np.cos(phi), np.sqrt(1.0 - mu * mu) * np.sin(phi), mu])
    stretched = wo * alpha
    stretched /= np.linalg.norm(stretched)
    u, v = _lattice(count)
    z = (1.0 - u) * (1.0 + stretched[2]) - stretched[2]
    radius = np.sqrt(np.clip(1.0 - z * z, 0.0, 1.0))
    cap = np.stack([radius * np.cos(2 * np.pi * v), radius * np.sin(2 * np.pi * v), z], axis=1) + stretched
    h = cap * alpha
    return alpha, wo, h / np.linalg.norm(h, axis=1, keepdims=True)


def _shadowing(alpha: Array, wo: Array, wi: Array, *, side: int) -> Array:
    """G2 / G1(wo) of height-correlated Smith, 0 for directions on the wrong side."""
    out, into = _smith(alpha, wo), _smith(alpha, wi)
    return np.where(wi[..., 2] * side > 0.0, (1.0 + out) / (1.0 + out + into), 0.0)


def _smith(alpha: Array, w: Array) -> Array:
    slope2 = ((w * alpha)[..., :2] ** 2).sum(axis=-1) / np.maximum(w[..., 2] ** 2, 1e-12)
    return np.asarray(0.5 * (np.sqrt(1.0 + slope2) - 1.0))


if __name__ == "__main__":
    np.save(STORED, compute())
