"""Small pictures of frames that are not done: what there is of a frame, shown as it will look, and a strip of all.

They are for looking at while a farm works. Nothing is denoised and nothing is exact: a frame is averaged down to a few
hundred pixels, which hides most of its noise, and pixels that nobody has begun stay grey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import CannotWrite
from studio.render.denoise import measured_scale
from studio.render.film import Film
from studio.render.finish import Look
from studio.render.output import replacing, view_pixels, write_shown

LARGEST_PX = 480  # the longer side of a preview
STRIP_PX = 160  # of a frame in a strip, its width
MOST_COLUMNS = 12
_GREY = 0.18  # of what is not there yet, on the display


def preview(
    film: Film, look: Look, *, exposure_ev: float | None = None, largest: int = LARGEST_PX
) -> NDArray[np.uint8]:
    """A film as a small picture (h, w, 3). `exposure_ev` None measures it."""
    beauty = film.beauty()
    there = (film.counts > 0).astype(np.float32)
    step = max(math.ceil(max(there.shape) / largest), 1)
    weight = _averaged(there[..., None], step)
    summed = _averaged(np.nan_to_num(beauty) * there[..., None], step)
    small = np.asarray(summed / np.maximum(weight, 1e-6), np.float32)
    if exposure_ev is None:
        exposure_ev = math.log2(max(measured_scale(small[..., :3], film.layout.luminance), 1e-12))
    shown = view_pixels(small, view=look.view, display=look.display, exposure_ev=exposure_ev)
    shown = np.where(weight > 0, shown, _GREY)
    return np.rint(np.clip(shown, 0.0, 1.0) * 255).astype(np.uint8)


def _averaged(pixels: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Means of squares of `step` pixels; those at the right and lower edge are of what there is."""
    height, width, channels = pixels.shape
    rows, columns = -(-height // step), -(-width // step)
    padded = np.pad(pixels, ((0, rows * step - height), (0, columns * step - width), (0, 0)), mode="edge")
    blocks = padded.reshape(rows, step, columns, step, channels)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def write_preview(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write a small picture, .jpg or .png, whole or not at all."""
    write_shown(np.asarray(pixels / np.float32(255), np.float32), path, quality=88)


def strip(paths: Sequence[Path], output: Path, *, width: int = STRIP_PX) -> None:
    """Previews beside one another, in lines of twelve, as one picture. One that cannot be read stays grey.

    Raises CannotWrite, also when there is nothing to show.
    """
    from PIL import Image

    if not paths:
        raise CannotWrite("there are no frames to make a strip of yet; wait for the first")
    shown = [_opened(path) for path in paths]
    ratio = next((image.height / image.width for image in shown if image is not None), 9 / 16)
    height = max(round(width * ratio), 1)
    columns = min(len(paths), MOST_COLUMNS)
    sheet = Image.new("RGB", (columns * width, -(-len(paths) // columns) * height), (46, 46, 46))
    for i, image in enumerate(shown):
        if image is not None:
            sheet.paste(image.resize((width, height)), (i % columns * width, i // columns * height))
    with replacing(output) as temporary:
        sheet.save(temporary)


def _opened(path: Path) -> Any:
    """A picture of Pillow's; None for a file that is none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError):
        return None
