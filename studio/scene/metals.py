"""Colours of bare metals, computed from measured optical constants.

An OpenPBR metal has two colours: `base_color`, what it reflects straight on, and `specular_color`, a tint of what
Schlick's curve gives at 82 degrees, by which the dip of real metals before grazing angles is matched (Kutz, Hasan and
Edmondson, "Novel aspects of the Adobe Standard Material", 2021). Both follow from the complex index n + ik by Fresnel's
equations at each wavelength, weighted by the CIE 1931 observer under D65.

Sources of n and k: P. B. Johnson and R. W. Christy, Phys. Rev. B 6, 4370 (1972) for gold, silver and copper, and Phys.
Rev. B 9, 5056 (1974) for chromium, iron and titanium; A. D. Rakic, Appl. Opt. 34, 4755 (1995) for aluminium. The
observer is the fit of Wyman, Sloan and Shirley, JCGT 2(2), 2013; D65 is CIE 15:2018, table 1, every 20 nm.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from studio.scene.color import REC709, to_xyz

F64 = NDArray[np.float64]
Color = tuple[float, float, float]

# wavelengths in micrometres, then n and k of each metal
_JOHNSON = (
    *(0.3815, 0.3974, 0.4133, 0.4305, 0.4509, 0.4714, 0.4959, 0.5209),
    *(0.5486, 0.5821, 0.6168, 0.6595, 0.7045, 0.7560),
)
_RAKIC = (0.36466, 0.41328, 0.44280, 0.47687, 0.51660, 0.56357, 0.61993, 0.65225, 0.68881, 0.72932, 0.77491)
_MEASURED: dict[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    "gold": (
        _JOHNSON,
        (1.46, 1.47, 1.46, 1.45, 1.38, 1.31, 1.04, 0.62, 0.43, 0.29, 0.21, 0.14, 0.13, 0.14),
        (1.933, 1.952, 1.958, 1.948, 1.914, 1.849, 1.833, 2.081, 2.455, 2.863, 3.272, 3.697, 4.103, 4.542),
    ),
    "silver": (
        _JOHNSON,
        (0.05, 0.05, 0.05, 0.04, 0.04, 0.05, 0.05, 0.05, 0.06, 0.05, 0.06, 0.05, 0.04, 0.03),
        (1.864, 2.070, 2.275, 2.462, 2.657, 2.869, 3.093, 3.324, 3.586, 3.858, 4.152, 4.483, 4.838, 5.242),
    ),
    "copper": (
        _JOHNSON,
        (1.33, 1.32, 1.28, 1.25, 1.24, 1.25, 1.22, 1.18, 1.02, 0.70, 0.30, 0.22, 0.21, 0.24),
        (2.045, 2.116, 2.207, 2.305, 2.397, 2.483, 2.564, 2.608, 2.577, 2.704, 3.205, 3.747, 4.205, 4.665),
    ),
    "chromium": (
        _JOHNSON,
        (1.92, 2.00, 2.08, 2.19, 2.33, 2.51, 2.75, 2.94, 3.18, 3.22, 3.17, 3.09, 3.05, 3.08),
        (2.74, 2.83, 2.93, 3.04, 3.14, 3.24, 3.30, 3.33, 3.33, 3.30, 3.30, 3.34, 3.39, 3.42),
    ),
    "iron": (
        _JOHNSON,
        (2.12, 2.24, 2.35, 2.48, 2.59, 2.67, 2.74, 2.86, 2.95, 2.94, 2.88, 2.92, 2.86, 2.87),
        (2.50, 2.58, 2.65, 2.71, 2.77, 2.82, 2.88, 2.91, 2.93, 2.99, 3.05, 3.10, 3.19, 3.28),
    ),
    "titanium": (
        _JOHNSON,
        (1.99, 2.08, 2.14, 2.21, 2.27, 2.32, 2.36, 2.44, 2.54, 2.60, 2.67, 2.76, 2.86, 3.00),
        (2.93, 2.95, 2.98, 3.01, 3.04, 3.10, 3.19, 3.30, 3.43, 3.58, 3.72, 3.84, 3.96, 4.01),
    ),
    "aluminium": (
        _RAKIC,
        (0.39877, 0.52135, 0.60790, 0.72780, 0.87340, 1.0728, 1.3660, 1.5724, 1.8301, 2.1606, 2.6154),
        (4.3957, 5.0008, 5.3676, 5.7781, 6.2418, 6.7839, 7.4052, 7.7354, 8.0601, 8.3565, 8.4914),
    ),
}
METALS = tuple(_MEASURED)
# relative power of D65 from 380 to 760 nm, every 20 nm
_D65 = (
    *(49.98, 82.75, 93.43, 104.86, 117.81, 115.92, 109.35, 104.79, 104.41, 100.0),
    *(95.79, 90.01, 87.70, 83.70, 80.21, 78.28, 71.61, 61.60, 75.09, 46.42),
)
_EDGE = 1.0 / 7.0  # cosine of 81.8 degrees, where OpenPBR's edge tint acts


@cache
def metal_colors(metal: str) -> tuple[Color, Color]:
    """`base_color` and `specular_color` of one of `METALS`: linear Rec.709, clipped to 0..1.

    Gold and copper lie a little outside of Rec.709; what is negative or above 1 there is lost.
    """
    wavelengths = np.arange(380.0, 761.0, 5.0)
    where, n, k = (np.array(column) for column in _MEASURED[metal])
    nm = 1000.0 * where
    index = np.interp(wavelengths, nm, n), np.interp(wavelengths, nm, k)
    straight, edge = (_seen(wavelengths, _fresnel(mu, *index)) for mu in (1.0, _EDGE))
    base = np.clip(straight, 0.0, 1.0)
    tint = np.clip(edge / (base + (1.0 - base) * (1.0 - _EDGE) ** 5), 0.0, 1.0)
    return _color(base), _color(tint)


def _fresnel(mu: float, n: F64, k: F64) -> F64:
    """Reflectance of a conductor in air for unpolarised light at cosine `mu` (Born and Wolf, section 14.2)."""
    mu2 = mu * mu
    sin2 = 1.0 - mu2
    t = n * n - k * k - sin2
    ab = np.sqrt(t * t + 4.0 * n * n * k * k)
    a = np.sqrt(0.5 * (ab + t))
    s = (ab + mu2 - 2.0 * mu * a) / (ab + mu2 + 2.0 * mu * a)
    p = s * (mu2 * ab + sin2 * sin2 - 2.0 * mu * sin2 * a) / (mu2 * ab + sin2 * sin2 + 2.0 * mu * sin2 * a)
    return np.asarray(0.5 * (s + p))


def _seen(nm: F64, reflectance: F64) -> F64:
    """Linear Rec.709 of a reflectance under D65; a perfect white is (1, 1, 1)."""
    light = np.interp(nm, np.arange(380.0, 761.0, 20.0), _D65)
    observer = np.stack([_x(nm), _y(nm), _z(nm)]) * light
    to_rgb = np.linalg.inv(to_xyz(REC709))
    rgb, white = (to_rgb @ (observer @ spectrum) for spectrum in (reflectance, np.ones_like(nm)))
    return np.asarray(rgb / white)


def _bell(nm: F64, centre: float, left: float, right: float) -> F64:
    return np.asarray(np.exp(-0.5 * ((nm - centre) * np.where(nm < centre, left, right)) ** 2))


def _x(nm: F64) -> F64:
    first = 0.362 * _bell(nm, 442.0, 0.0624, 0.0374)
    return first + 1.056 * _bell(nm, 599.8, 0.0264, 0.0323) - 0.065 * _bell(nm, 501.1, 0.0490, 0.0382)


def _y(nm: F64) -> F64:
    return 0.821 * _bell(nm, 568.8, 0.0213, 0.0247) + 0.286 * _bell(nm, 530.9, 0.0613, 0.0322)


def _z(nm: F64) -> F64:
    return 1.217 * _bell(nm, 437.0, 0.0845, 0.0278) + 0.681 * _bell(nm, 459.0, 0.0385, 0.0725)


def _color(rgb: F64) -> Color:
    r, g, b = (round(float(v), 4) for v in rgb)
    return r, g, b
