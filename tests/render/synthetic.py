"""A renderer of noise for tests: every sample is a pure function of pixel and sample index, as in the real tracer."""

from __future__ import annotations

import numpy as np

from studio.render.film import AOVS, Film, Layout, in_half, plan_layout

EXPONENT = 26


def layout(width: int = 20, height: int = 13, *, aovs: tuple[str, ...] = AOVS, crop=None) -> Layout:
    return plan_layout(width, height, aovs=aovs, light_groups=("", "key"), exponent=EXPONENT, crop=crop)


def noise(of: Layout, sample: int, salt: int) -> np.ndarray:
    """Uniform numbers (h, w) of the crop that depend on the absolute pixel, the sample and the salt."""
    x0, y0, x1, y1 = of.crop
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.uint64)
    h = x * np.uint64(0x9E3779B97F4A7C15) + y * np.uint64(0xC2B2AE3D27D4EB4F)
    h += np.uint64((sample * 0x165667B19E3779F9 + salt * 0x27D4EB2F165667C5) % (1 << 64))
    for shift in (30, 27, 31):
        h = (h ^ h >> np.uint64(shift)) * np.uint64(0xBF58476D1CE4E5B9)
    return (h >> np.uint64(11)).astype(np.float64) / (1 << 53)


def expose(film: Film, first: int, end: int, *, ids: int = 5) -> Film:
    """Add the samples [first, end) to a film; `ids` is how many matte ids there are."""
    of = film.layout
    for sample in range(first, end):
        one = Film.of(of)
        one.counts.fill(1)
        for index, channel in enumerate(of.channels):
            value = np.exp(3 * noise(of, sample, index)) - 1
            one.sums[..., index] = np.rint(value * 2.0**channel.exponent).astype(np.int64)
        rgb = one.sums[..., :3]
        luminance = rgb @ np.array(of.luminance) * 2.0**-of.exponent
        one.squares[...] = np.rint(luminance**2 * 2.0**of.square_exponent).astype(np.int64)
        if in_half(sample):
            one.halves[...] = rgb
            one.half_counts.fill(1)
        one.minima[...] = (1 + noise(of, sample, 99)).astype(np.float32)[..., None]
        for k in range(len(of.mattes)):
            one.matte_ids[k, ..., 0] = 1 + (noise(of, sample, 200 + k) * ids).astype(np.uint32) * 7919
            one.matte_counts[k, ..., 0] = 1
        one.merge_into(film)
    return film


def rendered(of: Layout, first: int, end: int, *, ids: int = 5) -> Film:
    return expose(Film.of(of), first, end, ids=ids)


def same(one: Film, other: Film) -> bool:
    """Whether two films hold the same bits."""
    return one.layout == other.layout and all(
        a.tobytes() == b.tobytes() for a, b in zip(one.buffers().values(), other.buffers().values(), strict=True)
    )
