"""Looking closely at pictures: probes, areas, false colours, and one picture against another.

Pure functions on float images (h, w, n) as the live view and the snapshots hold them: scene-linear nits, top row first.
Rectangles are x0, y0, x1, y1 in pixels from the top left, end excluded. Values that are no numbers, infinite or
negative are told apart and never hidden: they are what one looks for with a probe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.render.film import Crop
from studio.scene import color

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
MIDDLE_GREY = 0.18
NAN_COLOUR, INFINITE_COLOUR, NEGATIVE_COLOUR = (1.0, 0.0, 1.0), (0.0, 1.0, 1.0), (0.0, 0.25, 1.0)
# colours of one stop each, from 6 below to 6 above middle grey; black and white beyond. The viewport's are the same
ZONES: tuple[tuple[float, float, float], ...] = (
    (0.10, 0.04, 0.20),
    (0.16, 0.08, 0.45),
    (0.10, 0.20, 0.70),
    (0.05, 0.40, 0.78),
    (0.05, 0.58, 0.66),
    (0.10, 0.62, 0.38),
    (0.50, 0.50, 0.50),
    (0.45, 0.72, 0.18),
    (0.80, 0.80, 0.12),
    (0.96, 0.66, 0.10),
    (0.95, 0.42, 0.10),
    (0.88, 0.16, 0.12),
    (0.98, 0.55, 0.65),
)


# --- values ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Probe:
    """A pixel: what it holds, and what the screen shows of it (None where only the value is known)."""

    x: int
    y: int
    raw: tuple[float, ...]  # scene-linear, nits for colours
    luminance: float  # nits; of a layer of one channel its value
    stops: float  # from middle grey after exposure; -inf for black, nan where there is none
    shown: tuple[int, int, int] | None


def probe(image: F32, x: int, y: int, *, shown: U8 | None = None, exposure_ev: float = 0.0) -> Probe | None:
    """The pixel at x, y of a layer (h, w, n), None outside of it. `shown`: the bytes on the screen (h, w, 3 or 4)."""
    h, w = image.shape[:2]
    if not (0 <= x < w and 0 <= y < h):
        return None
    raw = image[y, x]
    light = float(luminance(raw[None, None])[0, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        stops = float(np.log2(np.float64(light) / MIDDLE_GREY) + exposure_ev)
    r, g, b = (int(v) for v in shown[y, x, :3]) if shown is not None else (0, 0, 0)
    return Probe(x, y, tuple(float(v) for v in raw), light, stops, None if shown is None else (r, g, b))


@dataclass(frozen=True, slots=True)
class AreaStatistics:
    """An area, by channel. Mean, minimum, maximum and deviation are of the finite values; nan where there are none."""

    area: Crop
    pixels: int
    mean: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]
    deviation: tuple[float, ...]
    luminance: float  # mean of the pixels that are finite
    nans: int  # pixels with such a value in any channel
    infinities: int
    negatives: int


def area_statistics(image: F32, area: Crop | None = None) -> AreaStatistics:
    """Statistics of a rectangle of a layer (default: all). Raises `UsageError` when none of it lies in the picture."""
    h, w = image.shape[:2]
    x0, y0, x1, y1 = area or (0, 0, w, h)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, w), min(y1, h)
    if x0 >= x1 or y0 >= y1:
        raise UsageError(f"the area {area} does not touch the picture of {w}x{h} pixels; drag over the picture")
    part = image[y0:y1, x0:x1].reshape(-1, image.shape[2]).astype(np.float64)
    finite = np.isfinite(part)
    channels = [column[known] for column, known in zip(part.T, finite.T, strict=True)]
    light = luminance(image[y0:y1, x0:x1]).astype(np.float64)
    light = light[np.isfinite(light)]
    return AreaStatistics(
        area=(x0, y0, x1, y1),
        pixels=len(part),
        mean=tuple(float(c.mean()) if len(c) else np.nan for c in channels),
        least=tuple(float(c.min()) if len(c) else np.nan for c in channels),
        most=tuple(float(c.max()) if len(c) else np.nan for c in channels),
        deviation=tuple(float(c.std()) if len(c) else np.nan for c in channels),
        luminance=float(light.mean()) if light.size else np.nan,
        nans=int(np.isnan(part).any(axis=1).sum()),
        infinities=int(np.isinf(part).any(axis=1).sum()),
        negatives=int((part < 0).any(axis=1).sum()),
    )


def luminance(image: F32, space: str = color.REC709) -> F32:
    """Luminance (h, w) of colours; the first channel of layers that have no three."""
    if image.shape[-1] < 3:
        return image[..., 0]
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(image[..., :3] @ np.array(color.luminance_weights(space), np.float32), np.float32)


# --- false colours ---------------------------------------------------------------------------------------------------
def false_colour(image: F32, *, exposure_ev: float = 0.0, space: str = color.REC709) -> F32:
    """Display colours (h, w, 3): a colour for every stop around middle grey, magenta for NaN, cyan for infinite and
    blue for negative values."""
    light = luminance(image, space).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        stops = np.log2(np.maximum(light, 1e-10) / MIDDLE_GREY) + exposure_ev
    table = np.array([(0.0, 0.0, 0.0), *ZONES, (1.0, 1.0, 1.0)], np.float32)
    half = len(ZONES) // 2
    known = np.nan_to_num(stops, nan=0.0, posinf=99.0, neginf=-99.0)
    out = table[np.clip(np.floor(known + half + 1.5), 0, len(table) - 1).astype(np.intp)]
    return _marked(out, image)


def legend(exposure_ev: float = 0.0) -> tuple[tuple[tuple[float, float, float], float], ...]:
    """The zones of `false_colour` for a scale beside the picture: colour, and the nits in the middle of its stop."""
    half = len(ZONES) // 2
    return tuple((zone, MIDDLE_GREY * 2.0 ** (k - half - exposure_ev)) for k, zone in enumerate(ZONES))


def _marked(out: F32, image: F32) -> F32:
    """Colours with those for what is no proper value."""
    values = image[..., :3]
    for wrong, colour in (
        ((values < 0).any(-1), NEGATIVE_COLOUR),
        (np.isinf(values).any(-1), INFINITE_COLOUR),
        (np.isnan(values).any(-1), NAN_COLOUR),
    ):
        out[wrong] = colour
    return out


def solo(image: F32, channel: int) -> F32:
    """One channel of a layer as a grey picture (h, w, 3); `UsageError` for one that it does not have."""
    if not 0 <= channel < image.shape[-1]:
        raise UsageError(f"the layer has {image.shape[-1]} channels, so there is no number {channel + 1}")
    return np.repeat(image[..., channel : channel + 1], 3, axis=-1)


# --- one picture against another -------------------------------------------------------------------------------------
def wipe(a: NDArray[np.generic], b: NDArray[np.generic], at: float, *, across: bool = True) -> NDArray[np.generic]:
    """`a` left of (or above, unless `across`) the place `at`, 0 to 1, and `b` beyond it. Of the same size and kind."""
    _same_size(a, b)
    out = b.copy()
    edge = round(min(max(at, 0.0), 1.0) * (a.shape[1] if across else a.shape[0]))
    if across:
        out[:, :edge] = a[:, :edge]
    else:
        out[:edge] = a[:edge]
    return out


def difference(a: F32, b: F32, *, kind: str = "absolute", gain: float = 1.0) -> F32:
    """b against a, (h, w, channels of both), times `gain`.

    "absolute" |b - a|, "signed" middle grey plus b - a, "relative" |b - a| / (|a| + |b|), from 0 to 1.
    Where only one of them is finite the result is infinite; where neither is, zero.
    """
    _same_size(a, b)
    n = min(a.shape[2], b.shape[2], 3)
    one, other = a[..., :n].astype(np.float32), b[..., :n].astype(np.float32)
    sound_a, sound_b = np.isfinite(one), np.isfinite(other)
    one, other = np.where(sound_a, one, 0.0), np.where(sound_b, other, 0.0)
    if kind == "absolute":
        out = np.abs(other - one)
    elif kind == "signed":
        out = MIDDLE_GREY / max(gain, 1e-30) + (other - one)
    elif kind == "relative":
        out = np.abs(other - one) / np.maximum(np.abs(one) + np.abs(other), 1e-20)
    else:
        raise UsageError(f"there is no difference {kind!r}; choose absolute, signed or relative")
    return np.where(sound_a != sound_b, np.inf, out * np.float32(gain)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How two pictures differ, over the pixels that are finite in both."""

    mean: float  # of |b - a|, nits
    most: float
    root_mean_square: float
    relative: float  # mean of |b - a| over the mean of a
    differing: int  # pixels that are not the same bits


def likeness(a: F32, b: F32) -> Likeness:
    """Numbers for `difference`."""
    _same_size(a, b)
    n = min(a.shape[2], b.shape[2], 3)
    one, other = a[..., :n].astype(np.float64), b[..., :n].astype(np.float64)
    same = ((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=-1)
    sound = np.isfinite(one).all(axis=-1) & np.isfinite(other).all(axis=-1)
    gap = np.abs(other - one)[sound]
    if not gap.size:
        return Likeness(0.0, 0.0, 0.0, 0.0, int((~same).sum()))
    level = float(np.abs(one[sound]).mean())
    mean = float(gap.mean())
    rms = float(np.sqrt((gap**2).mean()))
    return Likeness(mean, float(gap.max()), rms, mean / level if level > 0 else 0.0, int((~same).sum()))


def _same_size(a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
    if a.shape[:2] != b.shape[:2]:
        sizes = f"{a.shape[1]}x{a.shape[0]} and {b.shape[1]}x{b.shape[0]}"
        raise UsageError(f"pictures of {sizes} pixels cannot be compared; render both at one size")
