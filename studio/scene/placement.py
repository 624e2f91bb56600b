"""Where things stand: what an editor of scenes needs to know of a flat scene beyond what a renderer reads.

A renderer sees rows; an artist points at entities. `Placement` maps the one to the other and gives every entity's
world matrix at the flat scene's frame, drawn or not, from what `flatten` already worked out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Entity, Id
from studio.scene.flat import FlatScene
from studio.scene.transforms import F64, Bool
from studio.scene.tree import HIDDEN, MUTED, SOLO, Tree


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Entities of a flat scene, by row: `ids[i]`, `entities[i]` (with animation applied), `world[i]` (3, 4)."""

    ids: Sequence[Id]
    entities: Sequence[Entity]
    row: Mapping[Id, int]
    world: F64
    hidden: Bool  # by its own switch or one above it
    silent: Bool  # muted, or not soloed while something is
    broken: Bool  # its transform cannot be used
    object_rows: NDArray[np.intp]  # rows of mesh objects; FlatScene.object_names[k] is that of row object_rows[k]
    light_rows: NDArray[np.intp]  # rows of light entities, in the order of FlatScene.light_names
    camera_rows: NDArray[np.intp]
    parents: NDArray[np.int32]  # row of every entity's parent, -1 at the top
    lights: NDArray[np.void]  # LIGHT rows of all light entities, in the order of light_rows, shining or not

    def object_id(self, index: int) -> Id:
        """The entity of an index into FlatScene.object_names, "" for none."""
        return self.ids[self.object_rows[index]] if 0 <= index < len(self.object_rows) else ""

    def world_of(self, entity: Id) -> F64:
        """World matrix (3, 4) of an entity, the identity for one that is not there."""
        row = self.row.get(entity)
        return np.eye(4)[:3] if row is None else self.world[row]


def placement(flat: FlatScene) -> Placement:
    """Where the entities of a flat scene stand. Only for flat scenes fresh from `flatten` (a sent one has no cache)."""
    tree: Tree = flat.cache.tree
    return Placement(
        ids=tree.ids,
        entities=tree.entities,
        row=tree.row,
        world=tree.world,
        hidden=tree.bits & HIDDEN != 0,
        silent=(tree.bits & MUTED != 0) | (tree.any_solo & (tree.bits & SOLO == 0)),
        broken=tree.broken,
        object_rows=tree.objects,
        light_rows=tree.lights,
        camera_rows=tree.cameras,
        parents=tree.parents,
        lights=flat.cache.lamps.packed,
    )


def light_ids(flat: FlatScene) -> list[Id]:
    """The entity behind every row of `flat.lights`: a light, or the mesh object whose material emits."""
    places = placement(flat)
    own = len(places.light_rows)
    out: list[Id] = []
    for row in flat.lights:
        if row["instance"] >= 0:
            out.append(places.object_id(int(flat.instances[row["instance"]]["object"])))
        else:
            entity = int(row["entity"])
            out.append(places.ids[places.light_rows[entity]] if entity < own else "")
    return out
