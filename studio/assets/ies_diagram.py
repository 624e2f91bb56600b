"""The polar diagram of a luminaire's measured light, as its data sheet shows it.

Reads as much of an IES file as the diagram needs: candela by vertical angle in the first plane and in the one
opposite. Source: ANSI/IES LM-63-19.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.assets.files import read_file
from studio.errors import BadAsset

_MOST_ANGLES = 100_000
_PAPER, _GRID, _CURVE, _FILL = (34, 34, 36), (74, 74, 76), (227, 166, 74), (92, 72, 42)
_OVERSAMPLED = 3


def read_candela(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Vertical angles (v,) and horizontal ones (h,) in degrees, and candela (h, v). BadAsset for anything else."""
    text = read_file(path, path.name).decode("latin-1")
    head, tilt, rest = text.partition("TILT=")
    if not head.startswith("IES") or not tilt:
        raise BadAsset(f"{path.name} is no IES file; it must begin with IESNA and say TILT=.")
    how, _, body = rest.partition("\n")
    try:
        numbers = np.array(body.replace(",", " ").split(), np.float64)
    except ValueError:
        raise BadAsset(f"{path.name}: what stands behind TILT= are not all numbers; export it again.") from None
    at = 0
    if how.strip().upper() == "INCLUDE":
        at = 2 + 2 * int(numbers[1]) if len(numbers) > 1 and 0 <= numbers[1] < _MOST_ANGLES else len(numbers)
    if len(numbers) < at + 13 or not np.isfinite(numbers).all():
        raise BadAsset(f"{path.name} ends before its measurements; export it again.")
    multiplier, down, around = numbers[at + 2], numbers[at + 3], numbers[at + 4]
    if not (1 <= down < _MOST_ANGLES and 1 <= around < _MOST_ANGLES):
        raise BadAsset(f"{path.name} claims {down:g} by {around:g} angles; export it again.")
    v, h = int(down), int(around)
    start = at + 13
    if len(numbers) < start + v + h + v * h:
        raise BadAsset(f"{path.name} claims {v * h:,} measurements and holds fewer; export it again.")
    vertical, horizontal = numbers[start : start + v], numbers[start + v : start + v + h]
    candela = numbers[start + v + h : start + v + h + v * h].reshape(h, v) * multiplier * numbers[at + 10]
    return vertical, horizontal, np.maximum(candela, 0.0)


def diagram(path: Path, side: int) -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
    """The diagram (side, side, 3) with down at the bottom, and the brightest direction's candela."""
    from PIL import Image, ImageDraw

    vertical, horizontal, candela = read_candela(path)
    peak = float(candela.max())
    opposite = int(np.argmin(np.abs(horizontal - 180.0))) if horizontal[-1] >= 180.0 else 0
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
    if peak > 0:
        right = [_point(a, c / peak, middle, reach, 1.0) for a, c in zip(vertical, candela[0], strict=True)]
        left = [_point(a, c / peak, middle, reach, -1.0) for a, c in zip(vertical, candela[opposite], strict=True)]
        outline = [(middle, middle), *right, *reversed(left), (middle, middle)]
        draw.polygon(outline, fill=_FILL)
        draw.line(outline, fill=_CURVE, width=2 * _OVERSAMPLED)
    small = picture.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, np.uint8), {"candela": peak}


def _point(degrees: float, share: float, middle: float, reach: float, side: float) -> tuple[float, float]:
    angle = math.radians(degrees)
    return middle + side * reach * share * math.sin(angle), middle + reach * share * math.cos(angle)
