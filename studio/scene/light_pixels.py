"""Images as light: texels as linear numbers that can be added up, for whoever sums a picture and does not just look it
up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import Image

BRIGHTEST = 1e10  # infinite texels become this


def linear_pixels(image: Image, lines: slice = slice(None)) -> NDArray[np.float32]:
    """(h, w, 3) linear light of an image, or of some lines of it; broken and negative texels are black.

    The sRGB transfer function is undone as IEC 61966-2-1 has it.
    """
    pixels = image.pixels[lines]
    values = pixels.astype(np.float32)
    if pixels.dtype != np.float32:
        values /= np.float32(255.0 if pixels.dtype == np.uint8 else 65535.0)
    values = values[..., :3] if values.shape[2] >= 3 else np.repeat(values[..., :1], 3, axis=2)
    if not np.isfinite(values.sum(dtype=np.float64)):
        values = np.nan_to_num(values, nan=0.0, posinf=BRIGHTEST, neginf=0.0)
    values = values.clip(0.0, BRIGHTEST)
    if image.colour_space == "srgb":
        values = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return np.asarray(values, np.float32)
