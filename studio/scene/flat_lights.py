"""Lights of the flat scene: light entities that shine, then the emissive parts of instances.

Rows are packed only for lights whose record changed. What mute, solo and visibility silence has no row at all, so a
renderer never spends a sample on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from studio.scene import lights as packing
from studio.scene.entities import Entity
from studio.scene.flat import SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS
from studio.scene.flat_objects import Moment, Objects
from studio.scene.flat_surfaces import Surfaces
from studio.scene.lights import CASTS_SHADOWS, KINDS, LIGHT, TWO_SIDED, Light
from studio.scene.materials import OFFSET
from studio.scene.transforms import F64, rigid
from studio.scene.tree import HIDDEN, MUTED, SOLO, Tree, listing

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class Lamps:
    """Light rows and what they were made of. `packed` has a row for every light entity, shining or not."""

    entities: list[Entity]
    images: frozenset[str]
    image_row: object
    groups: tuple[str, ...]
    own_names: tuple[str, ...]
    packed: Rows
    open_world: F64
    close_world: F64
    rows: Rows
    names: tuple[str, ...]
    warnings: tuple[str, ...]


def light_images(tree: Tree, previous: Lamps | None) -> frozenset[str]:
    """Keys of the images that lights use."""
    if previous is not None and not _texts_differ(tree, previous)[2]:
        return previous.images
    return frozenset(tree.entities[i].image for i in tree.lights.tolist()) - {""}


def light_rows(
    moment: Moment, images: frozenset[str], surfaces: Surfaces, objects: Objects, previous: Lamps | None
) -> Lamps:
    """The light section, made on top of `previous` as far as it still holds."""
    tree = moment.tree
    listed = [tree.entities[i] for i in tree.lights.tolist()]
    renamed, regrouped, _ = _texts_differ(tree, previous)
    if previous is None or renamed:
        own_names = tuple(e.name or e.id for e in listed)
    else:
        own_names = previous.own_names
    if previous is None or regrouped:
        groups = ("", *sorted({e.group for e in listed} - {""}))
    else:
        groups = previous.groups
    packed = _packed(tree, listed, groups, surfaces, previous)
    packed = _placed(packed, moment, previous)
    mesh_rows, mesh_names = _mesh_rows(objects, surfaces, len(own_names))
    heard = _heard(tree) & ~(moment.opened.broken | moment.closed.broken)[tree.lights]
    rows = np.concatenate([packed[heard & (packed["emission"] > 0).any(axis=1)], mesh_rows])
    rows.flags.writeable = False
    return Lamps(
        entities=tree.entities,
        images=images,
        image_row=surfaces.image_row,
        groups=groups,
        own_names=own_names,
        packed=packed,
        open_world=moment.opened.world,
        close_world=moment.closed.world,
        rows=rows,
        names=own_names + mesh_names,
        warnings=_warnings(listed, packed, heard),
    )


_TEXTS = attrgetter("name", "group", "image")


def _texts_differ(tree: Tree, previous: Lamps | None) -> tuple[bool, bool, bool]:
    """Whether the name, the group or the image of any light changed since the tree that `previous` was made of."""
    if previous is None or tree.changed is None:
        return True, True, True
    rows = tree.lights[_changed_lights(tree)].tolist()
    old = [_TEXTS(previous.entities[i]) for i in rows]
    new = [_TEXTS(tree.entities[i]) for i in rows]
    if old == new:
        return False, False, False
    differ = [any(a[k] != b[k] for a, b in zip(old, new, strict=True)) for k in range(3)]
    return differ[0], differ[1], differ[2]


def _changed_lights(tree: Tree) -> NDArray[np.bool_]:
    """Which of the lights are other records than in the tree before."""
    changed = np.zeros(len(tree.entities), np.bool_)
    changed[tree.changed] = True
    return np.asarray(changed[tree.lights])


def _packed(
    tree: Tree, listed: list[Entity], groups: tuple[str, ...], surfaces: Surfaces, previous: Lamps | None
) -> Rows:
    """A row for every light entity; only those of changed records are made anew."""
    group_row = {name: i for i, name in enumerate(groups)}
    if (
        previous is None
        or tree.changed is None
        or groups != previous.groups
        or surfaces.image_row != previous.image_row
    ):
        rows = packing.pack(listed, images=surfaces.image_row, groups=group_row)  # type: ignore[arg-type]
        rows["entity"] = np.arange(len(rows))
        if previous is not None and tree.changed is not None:
            rows["open"], rows["close"] = previous.packed["open"], previous.packed["close"]
        return rows
    at = np.flatnonzero(_changed_lights(tree))
    if not len(at):
        return previous.packed
    out = previous.packed.copy()
    new = packing.pack([listed[i] for i in at], images=surfaces.image_row, groups=group_row)  # type: ignore[misc]
    new["entity"], new["open"], new["close"] = at, out["open"][at], out["close"][at]
    out[at] = new
    return out


def _placed(packed: Rows, moment: Moment, previous: Lamps | None) -> Rows:
    """With every light where the trees have it."""
    opened, closed = moment.opened.world, moment.closed.world
    if previous is not None and previous.open_world is opened and previous.close_world is closed:
        return packed
    if previous is not None and packed is previous.packed:
        packed = packed.copy()
    packed["open"] = _stands(moment.opened)
    packed["close"] = packed["open"] if closed is opened else _stands(moment.closed)
    return packed


def _stands(tree: Tree) -> F64:
    """Rigid matrices of the lights; the identity for those whose own cannot be used."""
    matrices = tree.world[tree.lights]
    return rigid(np.where(tree.broken[tree.lights][:, None, None], np.eye(3, 4), matrices))


def _heard(tree: Tree) -> NDArray[np.bool_]:
    """Which light entities mute, solo, visibility and their transforms let shine."""
    bits = tree.bits[tree.lights]
    out = (bits & (HIDDEN | MUTED) == 0) & ~tree.broken[tree.lights]
    return np.asarray(out & (bits & SOLO != 0) if tree.any_solo else out)


def _warnings(listed: list[Entity], packed: Rows, heard: NDArray[np.bool_]) -> tuple[str, ...]:
    """Lights that were meant to shine and cannot."""
    dark = np.flatnonzero(heard & ~(packed["emission"] > 0).any(axis=1)).tolist()
    failed = [e for e in (listed[i] for i in dark) if isinstance(e, Light) and e.intensity != 0 and max(e.color) > 0]
    if not failed:
        return ()
    return (f"Left out because they have no size or a strength that is not a usable number: {listing(failed)}.",)


# --- emissive meshes -------------------------------------------------------------------------------------------------
def _mesh_rows(objects: Objects, surfaces: Surfaces, first_name: int) -> tuple[Rows, tuple[str, ...]]:
    """A row for every part of an instance whose material emits, and the names that they add."""
    instances = objects.instances
    instance, part = _emissive_parts(objects, surfaces)
    rows = np.zeros(len(instance), LIGHT)
    if not len(instance):
        return rows, ()
    material = objects.materials[instances["material_start"][instance] + part]
    flags = instances["flags"][instance] & np.uint32(SEEN_BY_CAMERA | SEEN_IN_REFLECTIONS)
    sided = surfaces.rows[material, OFFSET["double_sided"]] > 0
    start = OFFSET["emission"]
    emitters, name = np.unique(instances["object"][instance], return_inverse=True)
    rows["kind"] = KINDS["mesh"]
    rows["flags"] = flags | CASTS_SHADOWS | np.where(sided, np.uint32(TWO_SIDED), np.uint32(0))
    rows["image"] = surfaces.emission_image[material]
    rows["instance"], rows["part"] = instance, part
    rows["entity"] = first_name + name
    rows["link"] = 0xFFFFFFFF
    rows["emission"] = surfaces.rows[material, start : start + 3]
    rows["gain"] = 1.0
    rows["open"], rows["close"] = instances["open"][instance], instances["close"][instance]
    return rows, tuple(objects.names[i] for i in emitters.tolist())


def _emissive_parts(objects: Objects, surfaces: Surfaces) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Instance and part of everything emissive, without a loop over instances: most share their run of materials."""
    none = np.zeros(0, np.intp)
    lit = surfaces.emits[objects.materials] if len(objects.materials) else none.astype(np.bool_)
    if not lit.any():
        return none, none
    starts = objects.instances["material_start"].astype(np.intp)
    # runs of materials lie end to end, so a run ends where the next one starts
    edges = np.append(np.unique(starts), len(objects.materials))
    run = np.searchsorted(edges, starts)
    before = np.concatenate([[0], np.cumsum(lit)])
    count = before[edges[1:]] - before[edges[:-1]]
    per_instance = count[run]
    instance = np.repeat(np.arange(len(starts)), per_instance)
    first = np.cumsum(per_instance) - per_instance
    nth = np.arange(len(instance)) - first[instance]
    slot = np.flatnonzero(lit)[before[starts[instance]] + nth]
    return instance, slot - starts[instance]
