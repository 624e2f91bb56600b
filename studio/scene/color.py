"""Colour: the working space, its luminance, and the one display transform of viewport, render view and PNG export.

The scene is linear Rec.709 by default and ACEScg on request. What a screen shows comes from one OCIO configuration,
named by its literal because `ocio://default` means another one in every release, and because OpenImageIO carries an
OCIO of its own that knows no newer one. The default view is ACES 2.0 SDR: three hundred lamps in one frame leave the
range of a screen, and it rolls highlights off with their hue instead of clipping them. "Un-tone-mapped" shows values
up to 1 as they are. Transforms run on float32 in bands over threads, since OCIO lets go of the interpreter lock.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError

CONFIG = "ocio://cg-config-v4.0.0_aces-v2.0_ocio-v2.5"
REC709, ACESCG = "rec709", "acescg"
WORKING_SPACES = {REC709: "Linear Rec.709 (sRGB)", ACESCG: "ACEScg"}  # ours -> the configuration's
DISPLAY = "sRGB - Display"
ACES_VIEW = "ACES 2.0 - SDR 100 nits (Rec.709)"
PLAIN_VIEW = "Un-tone-mapped"
DEFAULT_VIEW = ACES_VIEW

# red, green, blue and white as CIE 1931 x, y: ITU-R BT.709-6 and AMPAS S-2014-004 (AP1, ACES white)
CHROMATICITIES: dict[str, tuple[float, ...]] = {
    REC709: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    ACESCG: (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767),
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_BAND_PIXELS = 1 << 16


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1.0 - x - y) / y])


@cache
def to_xyz(space: str) -> NDArray[np.float64]:
    """Matrix (3, 3) from a linear working space to CIE XYZ under its own white, white at Y = 1 (SMPTE RP 177)."""
    c = CHROMATICITIES[working_space(space)]
    primaries = np.stack([_xyz(c[0], c[1]), _xyz(c[2], c[3]), _xyz(c[4], c[5])], axis=1)
    return np.asarray(primaries * np.linalg.solve(primaries, _xyz(c[6], c[7])), np.float64)


@cache
def matrix(source: str, target: str) -> NDArray[np.float64]:
    """Matrix (3, 3) between working spaces, `target = matrix @ source`, white adapted by Bradford's method."""
    cones_from, cones_to = (_BRADFORD @ _xyz(*CHROMATICITIES[working_space(s)][6:]) for s in (source, target))
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(cones_to / cones_from) @ _BRADFORD
    return np.asarray(np.linalg.inv(to_xyz(target)) @ adapt @ to_xyz(source), np.float64)


def convert(rgb: NDArray[np.float32], source: str, target: str) -> NDArray[np.float32]:
    """Colours (..., 3) from one working space to another."""
    if source == target:
        return rgb
    return rgb @ matrix(source, target).T.astype(np.float32)


def luminance_weights(space: str = REC709) -> tuple[float, float, float]:
    """Weights of R, G and B in the luminance of a working space."""
    if working_space(space) == REC709:
        return (0.2126, 0.7152, 0.0722)  # as the recommendation rounds them, and everybody with it
    r, g, b = (float(w) for w in to_xyz(space)[1])
    return r, g, b


def working_space(name: str) -> str:
    """The working space of a name, "rec709" or "acescg"; raises `UsageError` for another."""
    if name.lower() not in WORKING_SPACES:
        raise UsageError(f"there is no working space {name!r}; choose from {', '.join(WORKING_SPACES)}")
    return name.lower()


@cache
def config() -> Any:
    """The OCIO configuration, loaded once (5 ms)."""
    import PyOpenColorIO

    return PyOpenColorIO.Config.CreateFromFile(CONFIG)


def displays() -> tuple[str, ...]:
    """Names of the displays."""
    return tuple(config().getDisplays())


def views(display: str = DISPLAY) -> tuple[str, ...]:
    """Names of the views of a display, the default first; raises `UsageError` for an unknown display."""
    if display not in displays():
        raise UsageError(f"there is no display {display!r}; choose from {', '.join(displays())}")
    return tuple(config().getViews(display))


def find_view(name: str, display: str = DISPLAY) -> str:
    """The view meant by a name or an unambiguous part of it, whatever its case: "aces" is the ACES 2.0 SDR view."""
    names = views(display)
    exact = [view for view in names if view.lower() == name.lower()]
    part = [view for view in names if name and name.lower() in view.lower()]
    found = exact or part
    if len(found) != 1:
        raise UsageError(f"{display} has no view {name!r}; choose from {', '.join(names)}")
    return found[0]


@cache
def _processor(view: str, display: str, space: str) -> Any:
    import PyOpenColorIO

    forward = PyOpenColorIO.TransformDirection.TRANSFORM_DIR_FORWARD
    return config().getProcessor(WORKING_SPACES[space], display, view, forward).getDefaultCPUProcessor()


def processor(view: str, display: str = DISPLAY, space: str = REC709) -> Any:
    """OCIO's CPU processor from a working space to a view by its full name; made once, safe in threads."""
    return _processor(view, display, working_space(space))


def display_transform(
    rgb: NDArray[np.float32],
    *,
    view: str = DEFAULT_VIEW,
    exposure_ev: float = 0.0,
    display: str = DISPLAY,
    space: str = REC709,
) -> NDArray[np.float32]:
    """Display values in 0..1, encoded for `display`, of scene-linear `rgb` (h, w, 3) in nits, as a new array.

    `exposure_ev` are stops: values are multiplied by 2**exposure_ev first, so a value that is 1 after exposure is what
    the view calls diffuse white. Values that are not numbers become black. Raises `UsageError` for unknown names.
    """
    processor = _processor(find_view(view, display), display, working_space(space))
    gain = np.float32(2.0 ** min(max(exposure_ev, -100.0), 100.0))
    out = np.empty(rgb.shape, np.float32)
    rows = max(1, _BAND_PIXELS // max(rgb.shape[1], 1))

    def apply(top: int) -> None:
        band = out[top : top + rows]
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(rgb[top : top + rows], gain, out=band)
        np.nan_to_num(band, copy=False, nan=0.0, posinf=65504.0, neginf=0.0)
        if band.size:
            processor.applyRGB(band)
        np.clip(band, 0.0, 1.0, out=band)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(pool.map(apply, range(0, rgb.shape[0], rows)))
    return out
