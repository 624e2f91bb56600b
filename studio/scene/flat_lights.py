"""Lights of the flat scene: light entities that shine, then the emissive parts of instances.

Rows are packed only for lights whose record changed. What mute, solo and visibility silence has no row at all, so a
renderer never spends a sample on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from studio.scene import lights as packing
from studio.scene.entities import Entity, Id
from studio.scene.flat import SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS
from studio.scene.flat_objects import Moment, Objects
from studio.scene.flat_surfaces import Surfaces
from studio.scene.geometry import Image
from studio.scene.lights import CASTS_SHADOWS, KINDS, LIGHT, PORTAL, TWO_SIDED, Light
from studio.scene.materials import OFFSET
from studio.scene.transforms import F64, rigid
from studio.scene.tree import HIDDEN, MUTED, SOLO, Tree, listing

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class Lamps:
    """Light rows and what they were made of. `packed` has a row for every light entity, shining or not, without the
    masters of groups."""

    entities: list[Entity]
    images: frozenset[str]
    scene_images: Mapping[str, Image]
    image_row: object
    groups: tuple[str, ...]
    own_names: tuple[str, ...]
    tree_ids: list[Id]
    object_names: tuple[str, ...]
    emitters: list[int]  # objects that glow
    shaped: tuple[int, ...]  # which lights have a profile or a gobo
    packed: Rows
    open_world: F64
    close_world: F64
    rows: Rows
    portals: Rows
    names: tuple[str, ...]
    ids: tuple[str, ...]  # of the same entities as `names`
    warnings: tuple[str, ...]


def light_images(tree: Tree, images: Mapping[str, Image], previous: Lamps | None) -> frozenset[str]:
    """Keys of the images that lights use: those on them, and the profiles and gobos that the scene has."""
    if previous is not None and images is previous.scene_images and not _texts_differ(tree, previous)[2]:
        return previous.images
    listed = [tree.entities[i] for i in tree.lights.tolist()]
    shaping = {key for pair in map(_SHAPING_IMAGES, listed) for key in pair if key in images}
    return frozenset({e.image for e in listed} | shaping) - {""}


def light_rows(
    scene_images: Mapping[str, Image],
    moment: Moment,
    images: frozenset[str],
    surfaces: Surfaces,
    objects: Objects,
    previous: Lamps | None,
) -> Lamps:
    """The light section, made on top of `previous` as far as it still holds."""
    tree = moment.tree
    listed = [tree.entities[i] for i in tree.lights.tolist()]
    own_names, groups, shaped = _read_texts(tree, listed, previous)
    packed = _packed(tree, listed, groups, surfaces, previous)
    packed = _placed(packed, moment, previous)
    mesh_rows, emitters = _mesh_rows(objects, surfaces, len(own_names))
    sound = ~(moment.opened.broken | moment.closed.broken)[tree.lights]
    heard = _heard(tree) & sound
    mastered = _mastered(packed, tree)
    rows = np.concatenate([mastered[heard & (mastered["emission"] > 0).any(axis=1)], mesh_rows])
    rows.flags.writeable = False
    names, ids = _called(tree, objects, own_names, emitters, previous)
    return Lamps(
        entities=tree.entities,
        images=images,
        scene_images=scene_images,
        image_row=surfaces.image_row,
        groups=groups,
        own_names=own_names,
        tree_ids=tree.ids,
        object_names=objects.names,
        emitters=emitters,
        shaped=shaped,
        packed=packed,
        open_world=moment.opened.world,
        close_world=moment.closed.world,
        rows=rows,
        portals=_portals(packed, _unsilenced(tree) & sound),
        names=names,
        ids=ids,
        warnings=_warnings(listed, mastered, heard & (tree.gain[tree.lights] != 0).any(axis=1), shaped),
    )


def _read_texts(
    tree: Tree, listed: list[Entity], previous: Lamps | None
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """Names of the lights, the groups that they name, and which of them have a profile or a gobo."""
    renamed, regrouped, repictured = _texts_differ(tree, previous)
    if previous is None or renamed:
        own_names = tuple(e.name or e.id for e in listed)
    else:
        own_names = previous.own_names
    if previous is None or regrouped:
        groups = ("", *sorted(set(map(attrgetter("group"), listed)) - {""}))
    else:
        groups = previous.groups
    if previous is None or repictured:
        shaped = tuple(i for i, keys in enumerate(map(_SHAPING_IMAGES, listed)) if any(keys))
    else:
        shaped = previous.shaped
    return own_names, groups, shaped


def _called(
    tree: Tree, objects: Objects, own_names: tuple[str, ...], emitters: list[int], previous: Lamps | None
) -> tuple[tuple[str, ...], tuple[Id, ...]]:
    """Names and ids of all that shines: of every light entity, then of the objects that glow."""
    if (
        previous is not None
        and previous.tree_ids is tree.ids
        and previous.own_names is own_names
        and previous.object_names is objects.names
        and previous.emitters == emitters
    ):
        return previous.names, previous.ids
    names = own_names + tuple(objects.names[i] for i in emitters)
    return names, tuple(tree.ids[i] for i in (*tree.lights.tolist(), *tree.objects[emitters].tolist()))


_TEXTS = attrgetter("name", "group", "image", "ies", "gobo")
_SHAPING_IMAGES = attrgetter("ies", "gobo")


def _texts_differ(tree: Tree, previous: Lamps | None) -> tuple[bool, bool, bool]:
    """Whether the name, the group or an image of any light changed since the tree that `previous` was made of."""
    if previous is None or tree.changed is None:
        return True, True, True
    rows = tree.lights[_changed_lights(tree)].tolist()
    old = [_TEXTS(previous.entities[i]) for i in rows]
    new = [_TEXTS(tree.entities[i]) for i in rows]
    if old == new:
        return False, False, False
    name, group, *images = [any(a[k] != b[k] for a, b in zip(old, new, strict=True)) for k in range(5)]
    return name, group, any(images)


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
        rows = packing.pack(
            listed,  # type: ignore[arg-type]
            images=surfaces.image_row,
            groups=group_row,
            textures=surfaces.textures,
        )
        rows["entity"] = np.arange(len(rows))
        if previous is not None and tree.changed is not None:
            rows["open"], rows["close"] = previous.packed["open"], previous.packed["close"]
        return rows
    at = np.flatnonzero(_changed_lights(tree))
    if not len(at):
        return previous.packed
    out = previous.packed.copy()
    new = packing.pack(
        [listed[i] for i in at],  # type: ignore[misc]
        images=surfaces.image_row,
        groups=group_row,
        textures=surfaces.textures,
    )
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


def _unsilenced(tree: Tree) -> NDArray[np.bool_]:
    """Which light entities are neither hidden nor muted nor without a place."""
    return np.asarray((tree.bits[tree.lights] & (HIDDEN | MUTED) == 0) & ~tree.broken[tree.lights])


def _heard(tree: Tree) -> NDArray[np.bool_]:
    """Which light entities mute, solo, visibility and their transforms let shine."""
    out = _unsilenced(tree)
    return np.asarray(out & (tree.bits[tree.lights] & SOLO != 0) if tree.any_solo else out)


def _mastered(packed: Rows, tree: Tree) -> Rows:
    """With what the masters of the groups above leave of every light."""
    gain = tree.gain[tree.lights]
    if (gain == 1.0).all():
        return packed
    emission = packed["emission"].astype(np.float64) * gain
    out = packed.copy()
    usable = np.asarray((np.isfinite(emission) & (emission < packing.LARGEST)).all(axis=1))
    out["emission"] = np.where(usable[:, None], emission, 0.0)
    return out


def _portals(packed: Rows, open_: NDArray[np.bool_]) -> Rows:
    """Where the light of domes comes in: soloing a lamp closes no window."""
    at = np.flatnonzero((packed["kind"] == KINDS["portal"]) & (packed["size"] > 0).all(axis=1) & open_)
    rows = np.zeros(len(at), PORTAL)
    for name in ("size", "open", "close"):
        rows[name] = packed[name][at]
    rows.flags.writeable = False
    return rows


def _warnings(listed: list[Entity], packed: Rows, heard: NDArray[np.bool_], shaped: tuple[int, ...]) -> tuple[str, ...]:
    """Lights that were meant to shine and cannot, or not through what shapes them."""
    out = []
    dark = np.flatnonzero(heard & ~(packed["emission"] > 0).any(axis=1) & (packed["kind"] != KINDS["portal"])).tolist()
    failed = [e for e in (listed[i] for i in dark) if isinstance(e, Light) and e.intensity != 0 and max(e.color) > 0]
    if failed:
        out.append(f"Left out because they have no size or a strength that is not a usable number: {listing(failed)}.")
    bare = [listed[i] for i in shaped if _lacks_shape(listed[i], packed[i])]
    if bare:
        out.append(f"They shine without their IES profile or gobo, which is not in the scene: {listing(bare)}.")
    return tuple(out)


def _lacks_shape(light: Entity, row: np.void) -> bool:
    """Whether a light's profile or gobo means something to its kind and is not among the textures."""
    assert isinstance(light, Light)
    lacks_profile = light.ies and light.light in ("point", "spot") and row["profile"] < 0
    return bool(lacks_profile or (light.gobo and light.light == "spot" and row["gobo"] < 0))


# --- emissive meshes -------------------------------------------------------------------------------------------------
def _mesh_rows(objects: Objects, surfaces: Surfaces, first_name: int) -> tuple[Rows, list[int]]:
    """A row for every part of an instance whose material emits, and the objects (of `Objects.names`) whose they are."""
    instances = objects.instances
    instance, part = _emissive_parts(objects, surfaces)
    rows = np.zeros(len(instance), LIGHT)
    if not len(instance):
        return rows, []
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
    rows["profile"] = rows["gobo"] = -1
    rows["emission"] = surfaces.rows[material, start : start + 3]
    rows["gain"] = 1.0
    rows["open"], rows["close"] = instances["open"][instance], instances["close"][instance]
    return rows, emitters.tolist()


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
