"""Adaptive sampling: rounds of samples, and which blocks of pixels go on after each.

Rounds end at 16, 32, 64, ... samples. A block of 8 x 8 pixels aligned to the whole image is judged by its own samples
at the end of a round, and one that is finished is never looked at again. So what goes on is a function of the film, and
whoever holds the whole film of a round decides the same: a session of one machine, or a farm that merges many parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.render.film import Crop, Film

FIRST_ROUND = 16  # samples; later rounds end at its doubles
BLOCK_PX = 8  # side of a block


def round_end(done: int, samples: int) -> int:
    """The sample at which the round ends that follows so many, of so many in all."""
    ends = FIRST_ROUND
    while ends <= done:
        ends *= 2
    return min(ends, samples)


def round_start(sample: int) -> int:
    """The first sample of the round in which a sample is."""
    start = 0
    while (end := round_end(start, sample + 1)) <= sample:
        start = end
    return start


def noisy_blocks(film: Film, error: float) -> NDArray[np.bool_]:
    """(rows, columns) of the aligned blocks that a film touches: which are not as good yet as is asked."""
    return film.error(BLOCK_PX) > error


def per_pixel(blocks: NDArray[np.bool_], crop: Crop) -> NDArray[np.bool_]:
    """A value of each aligned block that a crop touches -> of each pixel of the crop."""
    x0, y0, x1, y1 = crop
    rows = np.arange(y0, y1) // BLOCK_PX - y0 // BLOCK_PX
    columns = np.arange(x0, x1) // BLOCK_PX - x0 // BLOCK_PX
    return blocks[np.ix_(rows, columns)]
