"""The tiles of all sources of shadows in one texture: how large each should be, where it lies, which are drawn.

A source's tiles are as large as what its light matters for is on the screens of the views that look at the scene. Where
few lights take little room they are twice as fine, once more so from lights that see all of the scene under a small
angle, and where memory is short all are halved (`coarser`), so that no
light is left out. A source that wants another size gets another block; when nothing fits any more, all are placed anew.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.viewport import shadow_atlas
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.shadow_drawing import Places
from studio.viewport.shadow_maps import CUBE, Sources
from studio.viewport.shadow_sizes import small_in, wished

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

FIRST_HEIGHT = 256  # of the atlas in texels
_SPARE = 1.15  # how much higher the atlas is made than it must be, for tiles that grow
_ARRAYS = ("side", "corner", "wanted", "kept", "drawn")


class Tiles:
    """The tiles of the sources of one scene. `most_side` bounds the texture, a power of two."""

    def __init__(self, device: Device, most_side: int) -> None:
        self._device, self._most_side = device, most_side
        self.coarser = 0  # times that all tiles are halved because memory is short
        self.starts = 0  # counts how often all were placed anew
        self._finer = 2  # how often sides are doubled at most, as there is room
        self._texture: moderngl.Texture | None = None
        self._buffer: moderngl.Framebuffer | None = None
        self._bands = shadow_atlas.Bands(most_side, FIRST_HEIGHT)
        self._wishes: WeakKeyDictionary[Any, F64] = WeakKeyDictionary()
        self._forget(0)

    def _forget(self, count: int) -> None:
        """State of so many sources, nothing of it drawn."""
        self.side = np.zeros(count, np.int64)  # of the tiles as they are, 0: no block yet
        self.corner = np.zeros((count, 2), np.int64)
        self.wanted = np.zeros(count, np.int64)
        self.kept = np.zeros(count, np.int64)  # wanted before all were made coarser
        self.drawn = np.zeros((count, 6), np.bool_)

    @property
    def bytes(self) -> int:
        """Memory on the card."""
        return self._texture.width * self._texture.height * 4 if self._texture else 0

    @property
    def places(self) -> Places:
        """Where they lie, for drawing."""
        assert self._buffer is not None
        return Places(self._buffer, self.side, self.corner)

    def keep(self, count: int, kept: NDArray[np.bool_], at: Ints) -> None:
        """There are `count` other sources now; those that are `kept` have what row `at` (count,) had."""
        gone = np.ones(len(self.side), np.bool_)
        gone[at[kept]] = False
        for i in np.flatnonzero(gone & (self.side > 0)).tolist():
            self._bands.give(*self.corner[i].tolist())
        before = {name: getattr(self, name) for name in _ARRAYS}
        self._forget(count)
        for name, values in before.items():
            getattr(self, name)[kept] = values[at[kept]]
        self._wishes.clear()

    def want(
        self, sources: Sources, view: Any, camera: ViewCamera, size: tuple[int, int], bounds: tuple[F64, F64]
    ) -> None:
        """Find the sides that this view of `size` pixels and the others on the scene wish for."""
        self._wishes[view] = wished(sources, camera, *size, bounds)
        wish = np.max([w for w in self._wishes.values() if len(w) == sources.count], axis=0)
        self.kept = shadow_atlas.kept_sides(wish, self.kept)
        casts, cube = sources.casts, sources.form == CUBE
        kept = np.where(casts, self.kept, shadow_atlas.SMALLEST)
        shift = shadow_atlas.shift_for(kept[casts], cube[casts], self._most_side, self._most_side)
        if shift < self.coarser:  # finer again only when there is room to spare
            roomy = shadow_atlas.shift_for(kept[casts], cube[casts], self._most_side, int(self._most_side * 0.9))
            shift = max(shift, min(roomy, self.coarser))
        self.coarser = shift
        sides = np.maximum(kept >> shift, shadow_atlas.SMALLEST)
        if not shift:  # few lights have finer shadows for as long as they take little room
            twice = 2 * kept
            choices = [
                sides,
                *(np.minimum(s, shadow_atlas.LARGEST) for s in (twice, twice << small_in(sources, bounds))),
            ]
            for finer in (2, 1, 0):
                room = self._most_side // (4 if self._finer >= finer else 5)
                if not finer or shadow_atlas.height_of(choices[finer][casts], cube[casts], self._most_side) <= room:
                    break
            self._finer, sides = finer, choices[finer]
        self.wanted = np.where(casts, sides, 0)
        needed, height = shadow_atlas.height_of(sides[casts], cube[casts], self._most_side), self._bands.height
        while height < min(needed * _SPARE, self._most_side):
            height *= 2
        if height > self._bands.height or self._texture is None:
            self._start_over(sources, min(height, self._most_side))

    def place(self, sources: Sources, some: Ints) -> bool:
        """Give these sources the blocks that they want. False when that took to place all sources anew, and then some
        may be left without a block."""
        if all(self._place(sources, i) for i in some.tolist()):
            return True
        self._start_over(sources, self._bands.height)
        return False

    def _place(self, sources: Sources, i: int) -> bool:
        if self.side[i] == self.wanted[i]:
            return True
        if self.side[i]:
            self._bands.give(*self.corner[i].tolist())
            self.side[i] = 0
        self.drawn[i] = False
        found = self._bands.take(int(self.wanted[i]), cube=bool(sources.form[i] == CUBE))
        if found is None:
            return False
        self.side[i], self.corner[i] = self.wanted[i], found
        return True

    def _start_over(self, sources: Sources, height: int) -> None:
        """An atlas of that height with room for everything, all of it to be drawn. One that cannot hold even the
        smallest tiles of all lights grows beyond what it was given, up to what the card can make."""
        order = np.argsort(-self.wanted, kind="stable")
        casting = [i for i in order.tolist() if sources.casts[i]]
        while True:
            self._bands = shadow_atlas.Bands(self._most_side, height)
            self.side[:] = 0
            if all(self._place(sources, i) for i in casting):
                break
            if self.wanted.max() > shadow_atlas.SMALLEST:
                self.coarser += 1
                self.wanted = np.where(self.wanted, np.maximum(self.wanted >> 1, shadow_atlas.SMALLEST), 0)
            elif 2 * height <= self._device.limits.texture_side:
                height *= 2
            else:
                break
        self.drawn[:] = False
        self.starts += 1
        if self._texture is None or self._texture.height != height:
            self._drop()
            self._texture = self._device.context.depth_texture((self._most_side, height))
            self._texture.compare_func = ""
            self._texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
            self._buffer = self._device.context.framebuffer([], self._texture)

    def use(self, unit: int) -> None:
        """Bind the texture."""
        if self._texture is not None:
            self._texture.use(unit)

    def release(self) -> None:
        """Give everything back; what comes then begins anew."""
        self._drop()
        self._bands = shadow_atlas.Bands(self._most_side, FIRST_HEIGHT)
        self._wishes.clear()
        self._forget(0)

    def _drop(self) -> None:
        if self._texture is not None and self._buffer is not None:
            self._buffer.release()
            self._texture.release()
        self._texture = self._buffer = None
