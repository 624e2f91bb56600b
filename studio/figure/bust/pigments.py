"""The colour of skin from what colours it: melanin in the epidermis over blood in the dermis.

Two numbers say nearly all of a skin's colour, and they vary over a face for different reasons: melanin with descent,
sun and freckles, blood with where vessels lie near the surface. So maps are painted in those two and turned to colour
here, spectrally: light passes the epidermis twice (Beer and Lambert) and is scattered back by the dermis as by a
semi-infinite medium (H. W. Jensen et al., "A Practical Model for Subsurface Light Transport", SIGGRAPH 2001, eq. 6 and
its total diffuse reflectance). Absorption of eumelanin, pheomelanin and bare skin and the scattering of the dermis are
those of C. Donner and H. W. Jensen, "A Spectral BSSRDF for Shading Human Skin", EGSR 2006; of haemoglobin those that
S. Prahl compiled (omlc.org, "Optical Absorption of Hemoglobin"). The observer is the CIE's of 1931 by the fit of
C. Wyman, P.-P. Sloan and P. Shirley, JCGT 2(2), 2013, the light is D65.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]
_WAVES = np.arange(400.0, 701.0, 10.0)  # nm
# Molar extinction of oxygenated and of other haemoglobin at _WAVES, 1 / (cm M)
_OXY = np.array(
    (
        *(266232, 466840, 480360, 246072, 102580, 62816, 44480, 33209, 26629, 23684, 20933),
        *(20035, 24202, 39957, 53236, 43016, 32613, 44496, 50104, 14401, 3200),
        *(1506, 942, 610, 442, 368, 320, 294, 278, 276, 290),
    ),
    np.float64,
)
_DEOXY = np.array(
    (
        *(223296, 303956, 407560, 528600, 413280, 103292, 23389, 16156, 14550, 16684, 20862),
        *(25774, 31590, 39036, 46592, 53412, 53788, 45072, 37020, 28324, 14677),
        *(9444, 6510, 5149, 4345, 3750, 3227, 2795, 2408, 2052, 1794),
    ),
    np.float64,
)
_D65 = np.array(
    (
        *(82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86, 115.92, 108.81, 109.35),
        *(107.80, 104.79, 107.69, 104.41, 104.05, 100.0, 96.33, 95.79, 88.69, 90.01),
        *(89.60, 87.70, 83.29, 83.70, 80.03, 80.21, 82.28, 78.28, 69.72, 71.61),
    )
)
_XYZ_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_EPIDERMIS_CM = 0.0085  # twice through about 40 um of pigmented layer, slantwise
_EUMELANIN_SHARE = 0.85
# pigment lies in clumps: the depths of paths are spread as a gamma distribution of this shape
_EVENNESS = 0.8
_TABLE = 64
MOST_MELANIN, MOST_BLOOD = 1.2, 0.12


def skin_color(melanin: ArrayLike, blood: ArrayLike) -> NDArray[np.float32]:
    """(..., 3) linear Rec.709 albedo of skin.

    `melanin` is the dose of melanosomes in the epidermis, about 0.02 for pale to 0.9 for very dark skin (their share by
    volume, were they spread evenly; lying in clumps they colour less), and `blood` the share of blood in the dermis,
    about 0.01 at rest to 0.1 in lips. Both are clipped to the table's range.
    """
    table = _table()
    a = np.sqrt(np.clip(np.asarray(melanin, np.float32) / MOST_MELANIN, 0, 1)) * (_TABLE - 1.001)
    b = np.sqrt(np.clip(np.asarray(blood, np.float32) / MOST_BLOOD, 0, 1)) * (_TABLE - 1.001)
    i, j = a.astype(np.int32), b.astype(np.int32)
    s, t = (a - i)[..., None], (b - j)[..., None]
    row = i * _TABLE + j
    low = table[row] * (1 - t) + table[row + 1] * t
    high = table[row + _TABLE] * (1 - t) + table[row + _TABLE + 1] * t
    return np.asarray(low * (1 - s) + high * s, np.float32)


@cache
def _table() -> NDArray[np.float32]:
    """(_TABLE * _TABLE, 3) colours over the square roots of melanin (rows) and blood (columns)."""
    steps = np.linspace(0, 1, _TABLE) ** 2
    melanin, blood = np.meshgrid(steps * MOST_MELANIN, steps * MOST_BLOOD, indexing="ij")
    spectra = _reflectance(melanin[..., None], blood[..., None])
    return np.asarray(_seen(spectra).reshape(-1, 3), np.float32)


def _reflectance(melanin: F64, blood: F64, oxygen: float = 0.75) -> F64:
    """(..., waves) share of light that comes back from skin."""
    bare = 0.244 + 85.3 * np.exp(-(_WAVES - 154.0) / 66.2)  # 1 / cm
    eumelanin, pheomelanin = 6.6e11 * _WAVES**-3.33, 2.9e15 * _WAVES**-4.75
    pigment = _EUMELANIN_SHARE * eumelanin + (1 - _EUMELANIN_SHARE) * pheomelanin
    epidermis = melanin * pigment + (1 - melanin) * bare
    haemoglobin = np.log(10.0) * (oxygen * _OXY + (1 - oxygen) * _DEOXY) * 150.0 / 64500.0
    dermis = blood * haemoglobin + (1 - blood) * bare
    scatter = 147.4 * _WAVES**-0.22 + 2.2e12 * _WAVES**-4.0
    albedo = scatter / (scatter + dermis)
    root = np.sqrt(3 * (1 - albedo))
    inside = 2.4  # A of Jensen's boundary for an index of 1.4
    back = 0.5 * albedo * (1 + np.exp(-4.0 / 3.0 * inside * root)) * np.exp(-root)
    depth = 2 * epidermis * _EPIDERMIS_CM
    return np.asarray((1 + depth / _EVENNESS) ** -_EVENNESS * back)


def _seen(spectra: F64) -> F64:
    """(..., 3) linear Rec.709 colours of reflectances (..., waves) under D65."""

    def lobe(mean: float, low: float, high: float) -> F64:
        width = np.where(mean > _WAVES, low, high)
        return np.asarray(np.exp(-0.5 * ((_WAVES - mean) * width) ** 2))

    x = 1.056 * lobe(599.8, 0.0264, 0.0323) + 0.362 * lobe(442.0, 0.0624, 0.0374) - 0.065 * lobe(501.1, 0.0490, 0.0382)
    y = 0.821 * lobe(568.8, 0.0213, 0.0247) + 0.286 * lobe(530.9, 0.0613, 0.0322)
    z = 1.217 * lobe(437.0, 0.0845, 0.0278) + 0.681 * lobe(459.0, 0.0385, 0.0725)
    weights = np.stack([x, y, z], 1) * _D65[:, None]
    white = weights.sum(axis=0)
    target = np.array([0.95047, 1.0, 1.08883])
    xyz = spectra @ (weights / white * target)
    return np.asarray(np.clip(xyz @ _XYZ_TO_RGB.T, 0.003, 1.0))
