"""Light and shadow linking of the flat scene: which objects a light shines on and which block it, as sets of bits.

Lights say what they are linked to ("all", "only" some, all "except" some); renderers ask the other way round, at a
surface. So objects that all lights treat alike share a set, a row of bits over the rows of lights, and an instance
names its set. Scenes without linking have one set and pay nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from studio.scene.entities import Id, MeshObject
from studio.scene.flat import all_linked
from studio.scene.flat_lights import Lamps
from studio.scene.flat_objects import Objects
from studio.scene.lights import SHADOW_LINKED
from studio.scene.transforms import inherit
from studio.scene.tree import Tree, listing

Bool = NDArray[np.bool_]
Bits = NDArray[np.uint32]
Wish = tuple[str, tuple[Id, ...]]  # a mode and the ids it speaks of
Authored = tuple[dict[int, Wish], dict[int, Wish]]  # by light of the tree, of those that do not mean all

_WISHES = (attrgetter("light_link_mode", "light_links"), attrgetter("shadow_link_mode", "shadow_links"))


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Which objects an authored link means, by object of the tree; holds while the tree's shape does."""

    row: dict[Id, int]
    parents: NDArray[np.int32]
    objects: NDArray[np.intp]
    known: Mapping[tuple[Id, ...], Bool]


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """Sets of objects that one kind of linking treats apart. `of_instance` are rows of `links`, `lacking` the rows of
    lights that some instance is not linked to."""

    wishes: tuple[tuple[int, Wish], ...]  # row of lights and what it wishes, of those that do not mean all
    lights: int
    members: Members
    rows: NDArray[np.intp]  # the tree's rows of the instances
    links: Bits
    of_instance: NDArray[np.uint32]
    lacking: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """The linking of a scene, and its instances and lights with what linking writes into them."""

    authored: Authored
    members: Members
    light: Sets
    shadow: Sets
    plain_instances: NDArray[np.void]
    plain_lights: NDArray[np.void]
    instances: NDArray[np.void]
    lights: NDArray[np.void]
    warnings: tuple[str, ...]


def link_up(tree: Tree, lamps: Lamps, objects: Objects, previous: Links | None) -> Links:
    """The sets of all lights that shine; parts of `previous` where they hold."""
    authored = _authored(tree, previous)
    members = _members(tree, {ids for wishes in authored for _, ids in wishes.values()}, previous)
    light, shadow = (
        _sets(wishes, members, lamps, objects, getattr(previous, name) if previous else None)
        for wishes, name in zip(authored, ("light", "shadow"), strict=True)
    )
    return Links(
        authored=authored,
        members=members,
        light=light,
        shadow=shadow,
        plain_instances=objects.instances,
        plain_lights=lamps.rows,
        instances=_marked_instances(objects.instances, light, shadow, previous),
        lights=_marked_lights(lamps.rows, shadow),
        warnings=_warnings(tree, authored),
    )


def _authored(tree: Tree, previous: Links | None) -> Authored:
    """What lights wish for; only those of changed records are asked again."""
    if previous is None or tree.changed is None or previous.members.row is not tree.row:
        at = np.arange(len(tree.lights))
        old: Authored = ({}, {})
    else:
        at = np.flatnonzero(np.isin(tree.lights, tree.changed, assume_unique=True))
        old = previous.authored
    numbers = at.tolist()
    asked = [tree.entities[row] for row in tree.lights[at].tolist()]
    out = []
    for wish, known in zip(_WISHES, old, strict=True):
        new = {i: w for i, w in zip(numbers, map(wish, asked), strict=True) if w[0] != "all"}
        same = all(known.get(i) == new.get(i) for i in (known.keys() & set(numbers)) | new.keys())
        out.append(known if same else {**{i: w for i, w in known.items() if i not in set(numbers)}, **new})
    return out[0], out[1]


def _members(tree: Tree, wanted: set[tuple[Id, ...]], previous: Links | None) -> Members:
    """What the ids mean in this tree: a mesh object is itself, anything else is what hangs below it."""
    known: Mapping[tuple[Id, ...], Bool] = {}
    old = previous.members if previous else None
    if old and old.row is tree.row and old.parents is tree.parents and old.objects is tree.objects:
        if wanted <= old.known.keys():
            return old
        known = {ids: old.known[ids] for ids in wanted & old.known.keys()}
    new = list(wanted - known.keys())
    own = np.zeros((len(tree.entities), len(new)), np.bool_)
    below = np.zeros_like(own)
    for column, ids in enumerate(new):
        for row in (tree.row[i] for i in ids if i in tree.row):
            (own if isinstance(tree.entities[row], MeshObject) else below)[row, column] = True
    meant = (own | inherit(below.view(np.uint8), tree.parents).view(np.bool_))[tree.objects] if new else own
    return Members(
        tree.row,
        tree.parents,
        tree.objects,
        {**known, **{ids: np.ascontiguousarray(meant[:, column]) for column, ids in enumerate(new)}},
    )


def _sets(wishes: dict[int, Wish], members: Members, lamps: Lamps, objects: Objects, previous: Sets | None) -> Sets:
    entities = enumerate(lamps.rows["entity"].tolist()) if wishes else ()
    asked = tuple((row, wishes[entity]) for row, entity in entities if entity in wishes)
    count = len(lamps.rows)
    if (
        previous is not None
        and previous.rows is objects.rows
        and previous.lights == count
        and previous.wishes == asked
        and (not asked or previous.members is members)
    ):
        return previous
    none = np.zeros(len(objects.rows), np.uint32)
    if not asked or not len(none):
        return Sets(asked, count, members, objects.rows, _read_only(all_linked(count)), none, np.zeros(0, np.intp))
    chosen = objects.instances["object"]
    linked = np.stack([members.known[ids][chosen] ^ (mode == "except") for _, (mode, ids) in asked], axis=1)
    packed = np.packbits(linked, axis=1)
    as_words = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1])))[:, 0]
    _, first, of_instance = np.unique(as_words, return_index=True, return_inverse=True)
    apart = linked[first]  # (sets, linked lights)
    whole = apart.all(axis=1)
    number = np.where(whole, 0, np.cumsum(~whole)).astype(np.uint32)
    links = np.repeat(all_linked(count), 1 + int((~whole).sum()), axis=0)
    for column, (row, _) in enumerate(asked):
        links[number[~apart[:, column]], row // 32] &= np.uint32(0xFFFFFFFF ^ (1 << row % 32))
    lacking = np.array([row for row, _ in asked], np.intp)[~linked.all(axis=0)]
    return Sets(asked, count, members, objects.rows, _read_only(links), number[of_instance.reshape(-1)], lacking)


def _read_only(links: Bits) -> Bits:
    links.flags.writeable = False
    return links


def _marked_instances(plain: NDArray[np.void], light: Sets, shadow: Sets, previous: Links | None) -> NDArray[np.void]:
    if not (light.of_instance.any() or shadow.of_instance.any()):
        return plain
    if previous and previous.plain_instances is plain and previous.light is light and previous.shadow is shadow:
        return previous.instances
    out = plain.copy()
    out["link"], out["shadow_link"] = light.of_instance, shadow.of_instance
    out.flags.writeable = False
    return out


def _marked_lights(plain: NDArray[np.void], shadow: Sets) -> NDArray[np.void]:
    if not len(shadow.lacking):
        return plain
    out = plain.copy()
    out["flags"][shadow.lacking] |= np.uint32(SHADOW_LINKED)
    out.flags.writeable = False
    return out


def _warnings(tree: Tree, authored: Authored) -> tuple[str, ...]:
    wishes = [(i, ids) for kind in authored for i, (_, ids) in kind.items()]
    lost = sorted({i for i, ids in wishes if not all(id_ in tree.row for id_ in ids)})
    if not lost:
        return ()
    lights = [tree.entities[row] for row in tree.lights[lost].tolist()]
    return (f"Links to objects that are not in the scene were passed over, of lights: {listing(lights)}.",)
