"""What is written after a flag: sizes, crops and sample ranges. Each says in a sentence what it wants."""

from __future__ import annotations

import math
import re

from studio.errors import UsageError
from studio.render.film import Crop
from studio.render.settings import MOST_SAMPLES

LARGEST_SIDE = 1 << 16
MOST_PIXELS = (1 << 31) - 1


def size(text: str) -> tuple[int, int]:
    """Width and height of "1280x720"."""
    match = re.fullmatch(r"([0-9]{1,6})[x×]([0-9]{1,6})", text, re.ASCII)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if width < 1 or height < 1:
        raise UsageError(f"cannot read the size {text[:40]!r}; write width x height in pixels, like 1280x720")
    if max(width, height) > LARGEST_SIDE or width * height > MOST_PIXELS:
        raise UsageError(f"the size {text} is too large; at most {LARGEST_SIDE} pixels a side and 2147483647 in all")
    return width, height


def crop(text: str, width: int, height: int) -> Crop:
    """The crop "x0,y0,x1,y1" of an image, from the top left, end excluded."""
    match = re.fullmatch(r"([0-9]{1,6}),([0-9]{1,6}),([0-9]{1,6}),([0-9]{1,6})", text.replace(" ", ""), re.ASCII)
    if match is None:
        raise UsageError(f"cannot read the crop {text[:40]!r}; write x0,y0,x1,y1 in pixels from the top left")
    x0, y0, x1, y1 = (int(part) for part in match.groups())
    if not (x0 < x1 <= width and y0 < y1 <= height):
        raise UsageError(f"the crop {text} does not lie in an image of {width}x{height} with x0 < x1 and y0 < y1")
    return x0, y0, x1, y1


def sample_range(text: str, samples: int | None = None) -> tuple[int, int]:
    """The half-open range "A:B" of sample numbers, or "A+N" of N from A, which ends with `samples` at the latest: a
    farm's template cannot reckon, and the last slice of a frame may be shorter."""
    match = re.fullmatch(r"([0-9]{1,9})([:+])([0-9]{1,9})", text, re.ASCII)
    first, end = (int(match[1]), int(match[3])) if match else (0, 0)
    if match and match[2] == "+":
        end = first + end if samples is None else min(first + end, samples)
    if not first < end <= MOST_SAMPLES:
        raise UsageError(
            f"cannot read the sample range {text[:40]!r}; write A:B with A < B <= {MOST_SAMPLES}, like 0:64"
        )
    return first, end


def whole(text: str, what: str, low: int, high: int) -> int:
    """A whole number between bounds."""
    value = int(text) if re.fullmatch(r"-?[0-9]{1,12}", text, re.ASCII) else low - 1
    if not low <= value <= high:
        raise UsageError(f"{what} must be a whole number from {low} to {high}, not {text[:40]!r}")
    return value


def number(text: str, what: str, low: float, high: float) -> float:
    """A number between bounds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UsageError(f"{what} must be a number from {low:g} to {high:g}, not {text[:40]!r}")
    return value
