"""Photometry: what an artist's number and unit mean in light.

Every light ends as one of three quantities, in linear Rec.709 whose luminance is photometric: intensity in cd (point,
spot), radiance in nits (surfaces and dome), illuminance at normal incidence in lx (distant). `PER_UNIT` holds the
factor of each kind and unit that make sense together; any other pair is refused, because a guess would light a shot
wrongly by orders of magnitude.

| unit | point | spot | rectangle, disk | sphere | cylinder | distant | dome, portal |
|---|---|---|---|---|---|---|---|
| cd | intensity | intensity on the axis | on the axis: / area | / (pi r^2) | broadside: / (2 r l) | | |
| lm | / (4 pi) | / solid angle of the smooth cone | / (pi area) | same | same | | |
| W | lm of 683 a watt | same | same | same | same | | |
| nt | | | radiance | radiance | radiance | | radiance |
| lx | | | | | | illuminance | |

The lumens of a two-sided rectangle or disk leave by both sides, so each side has half the nits. A cylinder is a tube
without caps. A spot's cone is that of KHR_lights_punctual: full inside the inner half angle, none outside the outer,
between them t^2 with t linear in the cosine. Its solid angle, weighted by that falloff, is
2 pi ((1 - cos inner) + (cos inner - cos outer) / 3).

Lumens are what leaves the lamp with its IES profile and its grid: candela are those of the profile's brightest
direction and lumens are divided by the integral of profile times cone; a grid of half angle h, which lets
1 - tan a / tan h pass at the angle a, leaves pi (sin^2 h - (h - sin h cos h) / tan h) in the place of pi. Barn doors
and gobos take lumens away. `normalize` divides nits by the area, so that the power stays when the size changes.

A watt is radiant and counts 683 lumens whatever the colour: the photometric equivalent of light of 540 THz, by which
the SI defines the candela (BIPM, "The International System of Units", 9th edition, 2019, 2.3.1), which exporters of
KHR_lights_punctual use for white too (Blender's glTF exporter, "Standard" light units).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
# columns width, height, radius, length, sides, steradians (of point and spot, weighted by what shapes them), through
# (of flat areas: lumens per nit and square metre)
Shape = Mapping[str, F64]
LUMENS_PER_WATT = 683.0

_PI = np.pi
# linear Rec.709 (D65) from CIE 1931 XYZ, ITU-R BT.709-6
_REC709_FROM_XYZ = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
LUMINANCE = np.array([0.2126729, 0.7151522, 0.0721750])


def cone_solid_angle(cos_inner: F64, cos_outer: F64) -> F64:
    """Steradians of a spot's cone weighted by its falloff: lumens are candela on the axis times this."""
    return np.asarray(2 * _PI * ((1 - cos_inner) + (cos_inner - cos_outer) / 3))


def grid_share(half_angle: F64) -> F64:
    """Lumens per nit and square metre that a grid of half angle (radians) leaves: the integral of
    (1 - tan a / tan h) cos a over the cone of half angle h; pi without a grid."""
    h = np.asarray(half_angle, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = (h - np.sin(h) * np.cos(h)) / np.tan(h)
    return np.asarray(np.where(h < _PI / 2, _PI * (np.sin(h) ** 2 - cut), _PI))


def surface_area(kind: str, shape: Shape) -> F64:
    """Square metres of one side of an area light."""
    if kind == "rectangle":
        return np.asarray(shape["width"] * shape["height"])
    if kind == "disk":
        return np.asarray(_PI * shape["radius"] ** 2)
    if kind == "sphere":
        return np.asarray(4 * _PI * shape["radius"] ** 2)
    return np.asarray(2 * _PI * shape["radius"] * shape["length"])


def _seen_area(kind: str, shape: Shape) -> F64:
    """Square metres of an area light as seen along its brightest direction."""
    if kind == "sphere":
        return np.asarray(_PI * shape["radius"] ** 2)
    if kind == "cylinder":
        return np.asarray(2 * shape["radius"] * shape["length"])
    return surface_area(kind, shape)


def _one(shape: Shape) -> F64:
    return np.ones_like(shape["radius"])


def _flux_units(kind: str, per_lumen: Callable[[Shape], F64]) -> dict[tuple[str, str], Callable[[Shape], F64]]:
    return {(kind, "lm"): per_lumen, (kind, "W"): lambda shape: LUMENS_PER_WATT * per_lumen(shape)}


def _area_units(kind: str) -> dict[tuple[str, str], Callable[[Shape], F64]]:
    flat = kind in ("rectangle", "disk")

    def from_candela(shape: Shape) -> F64:
        return np.asarray(1 / _seen_area(kind, shape))

    def from_lumens(shape: Shape) -> F64:
        lumens_per_nit = shape["through"] * shape["sides"] if flat else _PI
        return np.asarray(1 / (lumens_per_nit * surface_area(kind, shape)))

    return {(kind, "nt"): _one, **_flux_units(kind, from_lumens), (kind, "cd"): from_candela}


PER_UNIT: dict[tuple[str, str], Callable[[Shape], F64]] = {
    ("point", "cd"): _one,
    **_flux_units("point", lambda shape: 1 / shape["steradians"]),
    ("spot", "cd"): _one,
    **_flux_units("spot", lambda shape: 1 / shape["steradians"]),
    **_area_units("rectangle"),
    **_area_units("disk"),
    **_area_units("sphere"),
    **_area_units("cylinder"),
    ("distant", "lx"): _one,
    ("dome", "nt"): _one,
    ("portal", "nt"): _one,
}


def units_of(kind: str) -> tuple[str, ...]:
    """Units that a light of this kind accepts, the natural one first; empty for an unknown kind."""
    return tuple(unit for k, unit in PER_UNIT if k == kind)


def blackbody(temperature_k: F64) -> F64:
    """(n, 3) linear Rec.709 colours of luminance 1 of black bodies at (n,) kelvin, 1000 to 40000 (clamped).

    Planck's law weighed with the analytic CIE 1931 matching functions of Wyman, Sloan and Shirley, "Simple Analytic
    Approximations to the CIE XYZ Color Matching Functions" (JCGT 2013), so that it holds below the 1667 K where the
    cubic fits of Kim et al. end; tabulated over reciprocal temperature, on which the locus is smooth. What lies
    outside Rec.709 (the blue of a candle) is cut to 0.
    """
    mired, table = _locus()
    at = 1e6 / np.clip(np.asarray(temperature_k, np.float64), 1000.0, 40000.0)
    return np.stack([np.interp(at, mired, table[:, c]) for c in range(3)], axis=-1)


@functools.cache
def _locus() -> tuple[F64, F64]:
    mired = np.linspace(25.0, 1000.0, 1024)
    nm = np.arange(360.0, 831.0, 1.0)
    spectrum = 1 / (nm**5 * np.expm1(1.438776877e7 / (nm * (1e6 / mired)[:, None])))
    spectrum /= spectrum.max(axis=1, keepdims=True)
    rgb = spectrum @ _matching_functions(nm) @ _REC709_FROM_XYZ.T
    rgb = np.maximum(rgb, 0.0)
    return mired, rgb / (rgb @ LUMINANCE)[:, None]


def _matching_functions(nm: F64) -> F64:
    """(k, 3) x, y, z bar at wavelengths (k,) in nm; the multi-lobe fit of the paper named in `blackbody`."""

    def lobe(peak: float, below: float, above: float) -> F64:
        return np.asarray(np.exp(-0.5 * ((nm - peak) / np.where(nm < peak, below, above)) ** 2))

    x = 1.056 * lobe(599.8, 37.9, 31.0) + 0.362 * lobe(442.0, 16.0, 26.7) - 0.065 * lobe(501.1, 20.4, 26.2)
    y = 0.821 * lobe(568.8, 46.9, 40.5) + 0.286 * lobe(530.9, 16.3, 31.1)
    z = 1.217 * lobe(437.0, 11.8, 36.0) + 0.681 * lobe(459.0, 26.0, 13.8)
    return np.stack([x, y, z], axis=1)
