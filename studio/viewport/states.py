"""What a view does with each object: hides it, outlines it. A byte an object, in a texture that the vertices read.

Hiding so costs nothing to set up: isolating one object of ten thousand writes ten thousand bytes and touches neither
the list of draws nor the scene.
"""

from __future__ import annotations

from collections.abc import Iterable

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.scene.placement import Placement, placement

HIDDEN, SELECTED, HOVERED = 1, 2, 4
_PER_LINE = 1024


class ObjectStates:
    """The texture, and what was last written to it."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._texture: moderngl.Texture | None = None
        self._written: NDArray[np.uint8] | None = None
        self._known: tuple[FlatScene | None, tuple[frozenset[Id], frozenset[Id], Id]] = (
            None,
            (frozenset(), frozenset(), ""),
        )
        self.bits = np.zeros(0, np.uint8)

    def show(
        self, flat: FlatScene, *, isolated: frozenset[Id], selected: frozenset[Id], hovered: Id
    ) -> NDArray[np.uint8]:
        """Write the states of a view; returns them, one byte for each of FlatScene.object_names."""
        asked = (isolated, selected, hovered)
        known_flat, known = self._known
        if known_flat is not flat or known != asked:
            self.bits = object_bits(flat, *asked)
            self._known = (flat, asked)
        self.write(self.bits)
        return self.bits

    def write(self, bits: NDArray[np.uint8]) -> None:
        """Put other states in place, for a pass that hides more; `show` puts the view's own back."""
        if self._written is not None and self._texture is not None and np.array_equal(self._written, bits):
            return
        lines = max(1, -(-len(bits) // _PER_LINE))
        if self._texture is None or self._texture.height < lines:
            if self._texture is not None:
                self._texture.release()
            self._texture = self._context.texture((_PER_LINE, lines), 1, dtype="u1")
            self._texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        padded = np.zeros(lines * _PER_LINE, np.uint8)
        padded[: len(bits)] = bits
        self._texture.write(padded.tobytes(), viewport=(0, 0, _PER_LINE, lines), alignment=1)
        self._written = bits.copy()

    def use(self, unit: int) -> None:
        """Bind the texture."""
        if self._texture is None:
            self.write(np.zeros(0, np.uint8))
        assert self._texture is not None
        self._texture.use(unit)

    def release(self) -> None:
        """Give the texture back."""
        if self._texture is not None:
            self._texture.release()
        self._texture = self._written = None
        self._known = (None, self._known[1])


def object_bits(flat: FlatScene, isolated: frozenset[Id], selected: frozenset[Id], hovered: Id) -> NDArray[np.uint8]:
    """(n,) states of the objects of FlatScene.object_names; what hangs below a selected or isolated entity counts."""
    out = np.zeros(len(flat.object_names), np.uint8)
    if flat.cache is None or not (isolated or selected or hovered):
        return out
    places = placement(flat)
    if isolated:
        out[~below(places, isolated)] |= HIDDEN
    if selected:
        out[below(places, selected)] |= SELECTED
    if hovered:
        out[below(places, [hovered])] |= HOVERED
    return out


def below(places: Placement, ids: Iterable[Id]) -> NDArray[np.bool_]:
    """Which objects are one of these entities or hang below one."""
    wanted = set(ids)
    decided: dict[Id, bool] = {"": False}
    out = np.zeros(len(places.object_rows), np.bool_)
    for i, row in enumerate(places.object_rows.tolist()):
        chain: list[Id] = []
        at = places.ids[row]
        while at not in decided:
            chain.append(at)
            if at in wanted:
                decided[at] = True
                break
            decided[at] = False  # a circle of parents ends here
            parent = places.entities[places.row[at]].parent if at in places.row else ""
            if parent not in decided:
                at = parent
                continue
            decided[at] = decided[parent]
            break
        answer = decided[chain[-1]] if chain else decided[at]
        for entity in chain:
            decided[entity] = answer
        out[i] = decided[places.ids[row]]
    return out
