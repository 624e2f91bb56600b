"""Where shadow tiles lie in their one texture: blocks of equal tiles in bands, sizes in powers of two.

A light takes a block: one tile, or three by two for all sides of a cube, next to each other so that a shader needs one
corner and one size to find any of them. Blocks of one size and form stand in bands as high as they are; the bands cut
the texture's height by halves (a buddy system in one direction), and a band that is empty goes back to be merged. So
nothing is lost but the end of a band, and a block stays where it is until its light wants another size.

There is no limit on lights that could overflow: `shift_for` says by how many halvings all tiles must get coarser so
that everything has room, and 4,000 cubes of the smallest tiles fill a tenth of the largest texture.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SMALLEST, LARGEST = 16, 2048  # sides of tiles in texels
CUBE = (3, 2)  # tiles of a block side by side and above each other
SINGLE = (1, 1)


@dataclass(slots=True)
class _Band:
    """A row of blocks. `free` are the numbers of its empty slots."""

    top: int
    height: int
    side: int
    cube: bool
    free: list[int] = field(default_factory=list)
    slots: int = 0


def columns_of(cube: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Tiles that stand side by side in a light's block."""
    return np.where(cube, CUBE[0], SINGLE[0])


def shift_for(sides: NDArray[np.int64], cube: NDArray[np.bool_], width: int, height: int) -> int:
    """By how many halvings all of these tiles get coarser so that a texture of that size in texels holds them,
    or until all are the smallest."""
    shift, largest = 0, int(sides.max(initial=0))
    while largest >> shift > SMALLEST and height_of(np.maximum(sides >> shift, SMALLEST), cube, width) > height:
        shift += 1
    return shift


def height_of(sides: NDArray[np.int64], cube: NDArray[np.bool_], width: int) -> int:
    """Height of the bands that hold these tiles."""
    total = 0
    for value in np.unique(sides).tolist():
        for is_cube in (False, True):
            count = int(((sides == value) & (cube == is_cube)).sum())
            across, down = CUBE if is_cube else SINGLE
            per_band = width // (across * value)
            if count:
                total += -(-count // per_band) * down * value if per_band else width * width  # too wide at all
    return total


class Bands:
    """The places of blocks in a texture of so many texels; its height is a power of two."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._empty: dict[int, set[int]] = {height: {0}}  # tops of free bands by height
        self._bands: dict[int, _Band] = {}  # by top
        self._open: dict[tuple[int, bool], set[int]] = {}  # tops of bands with room, by kind
        self.used = 0  # texels

    def take(self, side: int, *, cube: bool) -> tuple[int, int] | None:
        """Left and top of a new block; None when there is no room."""
        key = (side, cube)
        tops = self._open.setdefault(key, set())
        if not tops:
            made = self._new_band(side, cube)
            if made is None:
                return None
            tops.add(made.top)
        top = min(tops)
        band = self._bands[top]
        slot = band.free.pop()
        if not band.free:
            tops.discard(top)
        across, down = CUBE if cube else SINGLE
        self.used += across * down * side * side
        return slot * across * side, top

    def give(self, left: int, top: int) -> None:
        """A block is needed no longer."""
        band = self._bands[top]
        across, down = CUBE if band.cube else SINGLE
        band.free.append(left // (across * band.side))
        self.used -= across * down * band.side * band.side
        tops = self._open.setdefault((band.side, band.cube), set())
        if len(band.free) < band.slots:
            tops.add(top)
            return
        tops.discard(top)
        del self._bands[top]
        self._merge(top, band.height)

    def _new_band(self, side: int, cube: bool) -> _Band | None:
        across, down = CUBE if cube else SINGLE
        height = side * down
        slots = self.width // (across * side)
        fitting = sorted(h for h, tops in self._empty.items() if h >= height and tops)
        if not slots or not fitting:
            return None
        size = fitting[0]
        top = min(self._empty[size])
        self._empty[size].discard(top)
        while size > height:
            size //= 2
            self._empty.setdefault(size, set()).add(top + size)
        band = _Band(top, height, side, cube, list(range(slots - 1, -1, -1)), slots)
        self._bands[top] = band
        return band

    def _merge(self, top: int, height: int) -> None:
        while height < self.height and (top ^ height) in self._empty.get(height, ()):
            self._empty[height].discard(top ^ height)
            top &= ~height
            height *= 2
        self._empty.setdefault(height, set()).add(top)


def kept_sides(wanted: NDArray[np.float64], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sides in powers of two for wished ones (n,), near the `before` ones (0: none) unless they are far from the wish.

    A side changes when the wish is more than 1.2 octaves above it or 0.7 below it; that is the hysteresis which keeps
    tiles from being drawn anew to and fro as a camera moves.
    """
    wish = np.log2(np.clip(wanted, SMALLEST, LARGEST))
    fresh = np.rint(wish)
    old = np.log2(np.maximum(before, 1))
    keep = (before > 0) & (wish < old + 1.2) & (wish > old - 1.2)
    return np.asarray(2 ** np.where(keep, old, fresh).astype(np.int64))
