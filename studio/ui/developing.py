"""From the numbers of a render's layer to the bytes on the screen. No Qt in it, so that it runs on any thread.

Layers of light go through exposure, the OCIO view and gamma. Data is shown as itself, brought into what a screen can
show: normals as colours, depth and samples as grey up to their largest value, positions by metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.render import compare
from studio.render.live_display import to_display

F32 = NDArray[np.float32]
CHANNELS = ("RGB", "R", "G", "B", "A", "L")  # L: luminance
COMPARISONS = ("off", "wipe", "difference", "other")
_DATA = (
    "alpha",
    "depth",
    "position",
    "normal",
    "albedo",
    "uv",
    "motion",
    "samples",
    "crypto_object",
    "crypto_material",
)


@dataclass(frozen=True, slots=True)
class Developing:
    """How a layer is shown. `exposure_ev` is on top of the camera's; `channel` is one of `CHANNELS`."""

    view: str = ""
    display: str = ""
    exposure_ev: float = 0.0
    gamma: float = 1.0
    channel: str = "RGB"
    false_colour: bool = False


def is_data(layer: str) -> bool:
    """Whether a layer holds numbers and not light."""
    return layer in _DATA


def develop(
    pixels: F32, layer: str, how: Developing, *, camera_ev: float = 0.0, exact: bool = False
) -> NDArray[np.uint8]:
    """RGBX bytes (h, w, 4) of a layer's pixels (h, w, n). `exact` takes the view itself, for a picture that stays."""
    ev = how.exposure_ev + camera_ev
    if how.channel == "A":
        alpha = pixels[..., 3:4] if pixels.shape[-1] > 3 else np.ones((*pixels.shape[:2], 1), np.float32)
        return to_display(alpha, raw=True, gamma=how.gamma)
    if how.false_colour and not is_data(layer):
        return to_display(compare.false_colour(pixels, exposure_ev=ev), raw=True)
    shown = pixels
    if how.channel == "L":
        shown = compare.luminance(pixels)[..., None]
    elif how.channel != "RGB" and pixels.shape[-1] >= 3:
        shown = compare.solo(pixels, CHANNELS.index(how.channel) - 1)
    if is_data(layer):
        return to_display(_screened(shown, layer), raw=True, gamma=how.gamma)
    return to_display(shown, exposure_ev=ev, gamma=how.gamma, view=how.view, display=how.display, exact=exact)


def _screened(pixels: F32, layer: str) -> F32:
    """Data as values from 0 to 1."""
    pixels = np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)
    if layer == "normal":
        return np.asarray(pixels * 0.5 + 0.5, np.float32)
    if layer == "position":
        return np.asarray(pixels - np.floor(pixels), np.float32)
    if layer == "motion":
        return np.asarray(pixels / 40.0 + 0.5, np.float32)
    if layer in ("depth", "samples"):
        known = pixels[np.isfinite(pixels) & (pixels < 1e9)]
        return np.asarray(pixels / max(float(known.max(initial=0.0)), 1e-9), np.float32)
    if layer == "albedo":
        linear = np.clip(pixels, 0.0, 1.0)
        return np.asarray(
            np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055), np.float32
        )
    return pixels


def differing(a: F32, b: F32, how: Developing) -> NDArray[np.uint8]:
    """RGBX bytes of where two pictures differ: |b - a| relative to both, so that shadows count like lights."""
    return to_display(compare.difference(a, b, kind="relative"), raw=True, gamma=how.gamma)
