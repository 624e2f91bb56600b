"""What mute, solo and the masters of groups leave of the light of emissive objects.

Emission belongs to materials, which objects share. So an object whose light is dimmed wears a twin of its material
with as much less emission; `dim` says which object needs which factor, and which twins are worn at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id
from studio.scene.tree import MUTED, SOLO, Tree

FULL, SILENT = 0, 1  # the first two factors
Factor = tuple[float, float, float]
_FIXED: tuple[Factor, ...] = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Dimming:
    """Factors on emission, which of them each mesh object of the tree has, and which materials are worn with those
    that masters make. Every emissive material is taken to be worn silenced when anything is."""

    factors: tuple[Factor, ...]
    of_object: NDArray[np.int32]
    worn: frozenset[tuple[Id, int]]
    silences: bool

    def same_twins(self, other: Dimming) -> bool:
        """Whether both need the same twins of materials."""
        return self.factors == other.factors and self.worn == other.worn and self.silences == other.silences


def dim(tree: Tree) -> Dimming:
    """How mesh objects of a tree are dimmed."""
    bits, gain = tree.bits[tree.objects], tree.gain[tree.objects]
    of_object = np.zeros(len(tree.objects), np.int32)
    silent = (bits & MUTED != 0) | (tree.any_solo & (bits & SOLO == 0))
    mastered = (gain != 1.0).any(axis=1) & ~silent
    factors, worn = _FIXED, frozenset[tuple[Id, int]]()
    if mastered.any():
        usable = (gain < 1e30).all(axis=1)  # False for NaN
        silent |= mastered & ~(usable & (gain != 0.0).any(axis=1))
        at = np.flatnonzero(mastered & ~silent)
        made, which = np.unique(gain[at], axis=0, return_inverse=True)
        factors = (*_FIXED, *((r, g, b) for r, g, b in made.tolist()))
        of_object[at] = len(_FIXED) + which.reshape(-1)
        wearing = map(attrgetter("materials"), (tree.entities[row] for row in tree.objects[at].tolist()))
        worn = frozenset((id_, k) for ids, k in set(zip(wearing, of_object[at].tolist(), strict=True)) for id_ in ids)
    of_object[silent] = SILENT
    return Dimming(factors, of_object, worn, bool(silent.any()))
