"""The polar diagram of a luminaire's measured light, as its data sheet shows it: candela by the angle from its axis, in
the first plane and in the one opposite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.assets.ies import read_profile

_PAPER, _GRID, _CURVE, _FILL = (34, 34, 36), (74, 74, 76), (227, 166, 74), (92, 72, 42)
_OVERSAMPLED = 3


def diagram(path: Path, side: int) -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
    """The diagram (side, side, 3) with down at the bottom, and the brightest direction's candela."""
    from PIL import Image, ImageDraw

    profile = read_profile(path)
    shares = profile.image.pixels[:, :, 0]
    angles = np.linspace(0.0, 180.0, len(shares)).tolist()
    size = side * _OVERSAMPLED
    middle, reach = size / 2, size * 0.44
    picture = Image.new("RGB", (size, size), _PAPER)
    draw = ImageDraw.Draw(picture)
    for ring in (0.25, 0.5, 0.75, 1.0):
        r = reach * ring
        draw.ellipse((middle - r, middle - r, middle + r, middle + r), outline=_GRID, width=_OVERSAMPLED)
    for degrees in range(0, 180, 30):
        x, y = reach * math.sin(math.radians(degrees)), reach * math.cos(math.radians(degrees))
        draw.line((middle - x, middle - y, middle + x, middle + y), fill=_GRID, width=_OVERSAMPLED)
    right = [_point(a, c, middle, reach, 1.0) for a, c in zip(angles, shares[:, 0].tolist(), strict=True)]
    opposite = shares[:, shares.shape[1] // 2].tolist()
    left = [_point(a, c, middle, reach, -1.0) for a, c in zip(angles, opposite, strict=True)]
    outline = [(middle, middle), *right, *reversed(left), (middle, middle)]
    draw.polygon(outline, fill=_FILL)
    draw.line(outline, fill=_CURVE, width=2 * _OVERSAMPLED)
    small = picture.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, np.uint8), {"candela": profile.peak_cd}


def _point(degrees: float, share: float, middle: float, reach: float, side: float) -> tuple[float, float]:
    angle = math.radians(degrees)
    return middle + side * reach * share * math.sin(angle), middle + reach * share * math.cos(angle)
