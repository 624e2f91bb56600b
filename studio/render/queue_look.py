"""Thumbnails of frames as they come: what a film holds, small, through the view, in a JPEG beside the queue."""

from __future__ import annotations

import math
import os
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import CannotWrite
from studio.render.denoise import measured_scale
from studio.render.film import REC709_LUMINANCE, Film
from studio.scene import color

WIDTH_PX = 256


def small_beauty(film: Film, width: int = WIDTH_PX) -> NDArray[np.float32]:
    """The mean radiance (h, w, 3) of blocks of pixels, so that a noisy start is seen as what it will be."""
    height, across = film.counts.shape
    k = max(1, round(across / width))
    rows, columns = max(height // k, 1), max(across // k, 1)
    tall, wide = min(rows * k, height), min(columns * k, across)
    sums = film.sums[:tall, :wide, :3].reshape(rows, tall // rows, columns, wide // columns, 3)
    counts = film.counts[:tall, :wide].reshape(rows, tall // rows, columns, wide // columns)
    total = sums.sum(axis=(1, 3), dtype=np.float64) * math.ldexp(1.0, -film.exponent)
    return np.asarray(total / np.maximum(counts.sum(axis=(1, 3)), 1)[..., None], np.float32)


def scale_of_picture(path: Path) -> float:
    """The measured scale of the beauty of an EXR; 1 where there is none to read."""
    import OpenImageIO

    pixels = OpenImageIO.ImageBuf(str(path)).get_pixels(OpenImageIO.FLOAT)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] < 3:
        return 1.0
    return measured_scale(np.asarray(pixels[..., :3], np.float32), REC709_LUMINANCE)


def write_thumbnail(film: Film, path: Path, *, view: str, display: str, exposure_ev: float | None) -> None:
    """Write a film's thumbnail; `exposure_ev` None is measured. Raises `CannotWrite`."""
    from PIL import Image

    rgb = small_beauty(film)
    if exposure_ev is None:
        exposure_ev = math.log2(measured_scale(rgb, film.layout.luminance))
    pixels = color.display_transform(rgb, view=view, display=display, exposure_ev=exposure_ev)
    encoded = BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(encoded, "JPEG", quality=85)
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(encoded.getvalue())
        os.replace(temporary, path)
    except OSError as fault:
        raise CannotWrite(f"cannot write {path}: {(fault.strerror or str(fault)).lower()}; make room") from fault
