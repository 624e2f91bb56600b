"""The tree of a scene as columns: who hangs where, which transform, what is hidden, muted or soloed.

A `Tree` is made whole once and then *grown* from the one before: entities are compared by identity, only the rows
that changed are read again, and a column that did not change stays the same array. Everything downstream of it
(`flatten`) decides by `is` what must be made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, is_not
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Camera, Constraint, Entity, Group, Id, MeshObject
from studio.scene.lights import Light
from studio.scene.transforms import (
    F64,
    I32,
    Bool,
    inherit,
    inherit_product,
    local_matrices,
    on_cycles,
    parent_rows,
    sound,
    world_matrices,
)

# bits of a node, or-ed down the tree
HIDDEN, MUTED, SOLO = 1, 2, 4
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Columns over all entities, in the scene's order. `changed` are the rows whose record differs from the tree
    that this one was grown from, or None when it was made whole."""

    ids: list[Id]
    entities: list[Entity]
    row: dict[Id, int]
    objects: Rows  # rows of mesh objects
    lights: Rows
    cameras: Rows
    parents: I32
    local: F64  # (n, 3, 4)
    own_bits: NDArray[np.uint8]
    world: F64  # (n, 3, 4)
    bits: NDArray[np.uint8]
    own_gain: F64  # (n, 3) masters of groups: what they multiply light below them by; 1 for all else
    gain: F64  # (n, 3) the product down the tree
    broken: Bool  # on a cycle, or with a transform that cannot be used
    any_solo: bool
    orphans: tuple[int, ...]  # rows whose parent is not in the scene
    cyclic: Bool  # on a cycle of parents or below one
    changed: Rows | None

    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the tree, in sentences."""
        out = []
        if self.orphans:
            names = listing([self.entities[i] for i in self.orphans])
            out.append(f"Parent not in the scene, so placed at the top: {names}.")
        if self.cyclic.any():
            out.append(f"Left out because they hang below themselves: {self.names(self.cyclic)}.")
        unusable = self.broken & ~self.cyclic
        if unusable.any():
            # what draws nothing itself may well be degenerate: a joint scaled to nothing hides its part of a skin
            unusable &= [
                not isinstance(e, (Group, Constraint)) and not (isinstance(e, MeshObject) and e.skin)
                for e in self.entities
            ]
        if unusable.any():
            out.append(f"Left out because a transform is degenerate or not finite: {self.names(unusable)}.")
        return tuple(out)

    def names(self, mask: Bool) -> str:
        """Names of the rows of a mask, for a sentence."""
        return listing([self.entities[i] for i in np.flatnonzero(mask).tolist()])


def grow(entities: Mapping[Id, Entity], previous: Tree | None) -> Tree:
    """The tree of these entities, sharing with `previous` every column that is the same."""
    listed = list(entities.values())
    if previous is None or len(listed) != len(previous.entities) or list(entities) != previous.ids:
        return _whole(entities, listed)
    n = len(listed)
    changed = np.flatnonzero(np.fromiter(map(is_not, listed, previous.entities), np.bool_, n))
    old = [previous.entities[i] for i in changed.tolist()]
    new = [listed[i] for i in changed.tolist()]
    if any(type(a) is not type(b) or a.parent != b.parent for a, b in zip(old, new, strict=True)):
        return _whole(entities, listed)
    local = _patched(previous.local, changed, local_matrices(new))
    own_bits = _patched(previous.own_bits, changed, _bits(new))
    world, bits, broken = previous.world, previous.bits, previous.broken
    own_gain = _patched(previous.own_gain, changed, _gains(new))
    gain = previous.gain if own_gain is previous.own_gain else _mastered(own_gain, previous.parents)
    if own_bits is not previous.own_bits:
        bits = inherit(own_bits, previous.parents)
    if local is not previous.local:
        world = world_matrices(local, previous.parents)
        broken = previous.cyclic | ~sound(world)
    solo = bool((own_bits & SOLO).any()) if own_bits is not previous.own_bits else previous.any_solo
    return Tree(
        ids=previous.ids,
        entities=listed,
        row=previous.row,
        objects=previous.objects,
        lights=previous.lights,
        cameras=previous.cameras,
        parents=previous.parents,
        local=local,
        own_bits=own_bits,
        world=world,
        bits=bits,
        own_gain=own_gain,
        gain=gain,
        broken=broken,
        any_solo=solo,
        orphans=previous.orphans,
        cyclic=previous.cyclic,
        changed=changed,
    )


def _whole(entities: Mapping[Id, Entity], listed: list[Entity]) -> Tree:
    row = {id_: i for i, id_ in enumerate(entities)}
    parents, orphans = parent_rows(listed, row)
    cyclic = on_cycles(parents)
    parents = np.where(cyclic, -1, parents).astype(np.int32)
    local, own_bits = local_matrices(listed), _bits(listed)
    world = world_matrices(local, parents)
    broken = cyclic | ~sound(world)
    own_gain = _gains(listed)
    return Tree(
        ids=list(entities),
        entities=listed,
        row=row,
        objects=_rows_of(listed, MeshObject),
        lights=_rows_of(listed, Light),
        cameras=_rows_of(listed, Camera),
        parents=parents,
        local=local,
        own_bits=own_bits,
        world=world,
        bits=inherit(own_bits, parents),
        own_gain=own_gain,
        gain=_mastered(own_gain, parents),
        broken=broken,
        any_solo=bool((own_bits & SOLO).any()),
        orphans=tuple(orphans),
        cyclic=cyclic,
        changed=None,
    )


def _patched(column: Any, rows: Rows, values: Any) -> Any:
    """`column` with new values in some rows; the same object when they are, to the bit, what it holds."""
    if not len(rows) or column[rows].tobytes() == values.tobytes():
        return column
    out = column.copy()
    out[rows] = values
    return out


def _rows_of(listed: Sequence[Entity], kind: type[Entity]) -> Rows:
    types = list(map(type, listed))
    matching = {t for t in set(types) if issubclass(t, kind)}
    return np.flatnonzero(np.fromiter(map(matching.__contains__, types), np.bool_, len(types)))


def _bits(listed: Sequence[Entity]) -> NDArray[np.uint8]:
    n = len(listed)
    out = np.where(np.fromiter(map(attrgetter("visible"), listed), np.bool_, n), 0, HIDDEN).astype(np.uint8)
    types = list(map(type, listed))
    switched = {t for t in set(types) if issubclass(t, (Light, Group))}
    at = np.flatnonzero(np.fromiter(map(switched.__contains__, types), np.bool_, n))
    some = [listed[i] for i in at.tolist()]
    out[at] |= np.where(np.fromiter(map(attrgetter("muted"), some), np.bool_, len(some)), MUTED, 0).astype(np.uint8)
    out[at] |= np.where(np.fromiter(map(attrgetter("solo"), some), np.bool_, len(some)), SOLO, 0).astype(np.uint8)
    return out


def _gains(listed: Sequence[Entity]) -> F64:
    """(n, 3) masters of groups, 2**exposure times tint; what is not a number a light can shine with is NaN."""
    out = np.ones((len(listed), 3))
    types = list(map(type, listed))
    groups = {t for t in set(types) if issubclass(t, Group)}
    at = np.flatnonzero(np.fromiter(map(groups.__contains__, types), np.bool_, len(types)))
    if len(at):
        some = [listed[i] for i in at.tolist()]
        exposure = np.fromiter(map(attrgetter("exposure"), some), np.float64, len(some))
        with np.errstate(over="ignore", invalid="ignore"):
            out[at] = np.exp2(exposure)[:, None] * np.array(list(map(attrgetter("tint"), some)), np.float64)
    return out


def _mastered(own: F64, parents: I32) -> F64:
    return own if (own == 1.0).all() else inherit_product(own, parents)


def listing(entities: Sequence[Entity]) -> str:
    """Names for a sentence: at most five, then how many more."""
    names = [f'"{e.name or e.id}"' for e in entities[:5]]
    more = len(entities) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
