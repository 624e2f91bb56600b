"""Whether a film is a render at all, and whether two films are of the same samples: by their numbers alone.

Within one class of device the same samples have the same bits. Across classes paths may part in the last digit, and the
means of blocks are compared instead, in units of the error that the trusted film shows; what the suspect says of its
own error counts for nothing. `studio.farm.trust.inspector` decides what is compared with what.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset
from studio.render.film import SAMPLE_BITS, Film

BLOCK = 16  # pixels wide
Z_FORGED = 5.0  # of the whole, or of two blocks: 6e-7 for normal errors
Z_BLOCK = 8.0  # of one block alone: fireflies give errors longer tails than normal ones
Z_STRANGE = 8.0  # between slices, where fireflies are of one and not of the other
_TOLERANCE = 1e-3  # of a mean: what devices differ by without any noise
_TOO_BRIGHT = "has samples brighter than any sample can be"


class Forged(BadAsset):
    """A partial that is not the render that it says it is."""


# --- one film by itself ----------------------------------------------------------------------------------------------
def check_plausible(film: Film) -> None:
    """Raise Forged for sums that no samples of a renderer add up to."""
    counts = film.counts.astype(np.float64)
    square = film.squares.astype(np.float64) * math.ldexp(1.0, -film.square_exponent) / np.maximum(counts, 1)
    luminance = film.luminance()
    quantum = math.ldexp(1.0, -film.square_exponent)
    faults = (
        (np.isnan(film.minima).any(), "has distances that are no numbers"),
        ((film.minima < 0).any(), "has distances behind the camera"),
        (
            (np.abs(film.sums.astype(np.float64)).max(axis=-1, initial=0.0) > counts * 2.0**SAMPLE_BITS).any(),
            _TOO_BRIGHT,
        ),
        ((film.squares < 0).any(), "has squares below 0"),
        ((luminance**2 > square * (1.0 + _TOLERANCE) + 4.0 * quantum).any(), "has less spread than none"),
        ((film.half_counts < 0).any() or (film.half_counts > film.counts).any(), "has halves larger than the whole"),
    )
    for wrong, what in faults:
        if wrong:
            raise Forged(f"the partial {what}; it was damaged or made up")


def content_of(film: Film) -> str:
    """A name of a film's samples, whatever its header says; "" where two ranges may well have the same, as in pictures
    without noise."""
    if np.count_nonzero(film.variance()) < 0.05 * max(int(np.count_nonzero(film.counts)), 1):
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for array in (film.sums, film.squares, film.halves):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


# --- two films of the same -------------------------------------------------------------------------------------------
def check_same(claimed: Film, trusted: Film, *, same_class: bool) -> None:
    """Raise Forged unless a film agrees with a trusted render of some of its pixels and all of its samples: to the bit
    within a class of device, else in the means of its blocks."""
    part = claimed.cut(trusted.crop)
    if same_class:
        for name, array in part.buffers().items():
            if not np.array_equal(array, trusted.buffers()[name]):
                raise Forged(f"the partial has other {name} than the same samples rendered again; it was made up")
        return
    worst = strangeness(block_z(part, trusted))
    if not worst <= 1.0:
        errors = worst * Z_FORGED
        raise Forged(f"the partial is {errors:.0f} standard errors off the same samples rendered again; it was made up")


def strangeness(z: NDArray[np.float64]) -> float:
    """How far differences of blocks and of the whole, as of `block_z`, are beyond what a sound film has: 1 is the
    limit."""
    *blocks, whole = np.abs(z).max(axis=1)
    highest = sorted(blocks)[-2:]
    second = highest[0] if len(highest) == 2 else 0.0
    return float(max(highest[-1] / Z_BLOCK, second / Z_FORGED, (whole if second else 0.0) / Z_FORGED))


def block_z(film: Film, trusted: Film) -> NDArray[np.float64]:
    """Differences of block means, and of the whole, in standard errors by the trusted film; (blocks + 1, 3).

    The error of a block is that of the difference of its two half buffers, whose pixels are independent; where there
    are no two halves, the spread of its pixels stands for it, which is more.
    """
    ratio = float(trusted.counts.mean()) / max(float(film.counts.mean()), 1.0)
    ours, theirs = film.rgb("").astype(np.float64), trusted.rgb("").astype(np.float64)
    live = trusted.counts > 0  # pixels of other blocks have no samples, in both
    halved = bool(((trusted.half_counts > 0) & (trusted.half_counts < trusted.counts))[live].all())
    if halved:
        # of a pixel: Var(mean) = E[(a - b)^2] / 4 for two halves of one size
        noise = (trusted.half(0).astype(np.float64) - trusted.half(1)) ** 2 / 4.0
    else:
        noise = np.zeros_like(theirs)
    rows = []
    for block in _blocks(ours.shape[0], ours.shape[1]):
        n = ours[block].shape[0] * ours[block].shape[1]
        variance = noise[block].sum(axis=(0, 1)) / n**2 if halved else theirs[block].var(axis=(0, 1)) / n
        mean = theirs[block].mean(axis=(0, 1))
        floor = _TOLERANCE * (np.abs(mean) + np.abs(theirs).mean()) + math.ldexp(1.0, -trusted.exponent)
        rows.append((ours[block].mean(axis=(0, 1)) - mean) / np.sqrt(variance * (1.0 + ratio) + floor**2))
    return np.array(rows)


def _blocks(height: int, width: int) -> list[tuple[slice, slice]]:
    """Blocks of an image, and all of it."""
    return [
        *((slice(y, y + BLOCK), slice(x, x + BLOCK)) for y in range(0, height, BLOCK) for x in range(0, width, BLOCK)),
        (slice(0, height), slice(0, width)),
    ]


def contradicted(film: Film, others: Film) -> bool:
    """Whether other slices of the same picture speak against a film: a reason to check it, not to refuse it."""
    both = (film.counts > 0) & (others.counts > 0)
    if not both.any():
        return False
    z = np.abs(block_z(film.only(both), others.only(both)))
    return bool(z[-1].max() > Z_STRANGE or np.mean(z.max(axis=1) > Z_STRANGE) > 0.1)
