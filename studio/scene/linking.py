"""Light and shadow linking, asked and edited from both sides: which objects a light lights, which lights light it.

A light says it with a mode and ids: "all" objects, "only" those named, or all "except" those named. A group named
means every object below it, those put there later too. The edits here choose the mode: what is broken out of "all"
becomes an exception, what is added to "only" is named, and a group of which one object is taken out is replaced by
what else is in it. Renderers read the same links as sets of bits (`studio.scene.flat_links`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from studio.errors import BadAsset
from studio.scene.constraints import lineage
from studio.scene.entities import Entity, Group, Id, MeshObject, Vec3
from studio.scene.lights import Light
from studio.scene.scene import Scene

_MODE = {"light_links": "light_link_mode", "shadow_links": "shadow_link_mode"}
_FIELDS = tuple(_MODE)
Wish = tuple[str, tuple[Id, ...]]  # a mode and the ids it speaks of


# --- asking ----------------------------------------------------------------------------------------------------------
def linked(scene: Scene, light_id: Id, *, shadows: bool = False) -> frozenset[Id]:
    """Mesh objects that a light lights, or with `shadows` those that block it. BadAsset for what is no light."""
    return Tree(scene).linked(_light(scene, light_id), shadows=shadows)


def lights_of(scene: Scene, object_id: Id, *, shadows: bool = False) -> tuple[Id, ...]:
    """Lights that light an object, or with `shadows` those that it blocks, in the scene's order.

    Of a group: the lights that light everything in it. Portals light nothing and are left out.
    """
    scene.get(object_id)
    tree = Tree(scene)
    wanted = tree.meant([object_id])
    lights = (e for e in scene.entities.values() if isinstance(e, Light) and e.light != "portal")
    return tuple(light.id for light in lights if wanted <= tree.linked(light, shadows=shadows))


def masters(scene: Scene, light_id: Id) -> tuple[float, Vec3, tuple[Id, ...]]:
    """Stops and tint that the groups above a light (or an object that glows) put on it together, and those groups
    that put anything, the nearest first."""
    scene.get(light_id)
    stops, tint, chain = 0.0, (1.0, 1.0, 1.0), []
    for above in map(scene.entities.__getitem__, lineage(scene.entities, light_id)[1:]):
        if isinstance(above, Group) and (above.exposure != 0.0 or above.tint != (1.0, 1.0, 1.0)):
            stops += above.exposure
            tint = (tint[0] * above.tint[0], tint[1] * above.tint[1], tint[2] * above.tint[2])
            chain.append(above.id)
    return stops, tint, tuple(chain)


# --- editing ---------------------------------------------------------------------------------------------------------
def link(scene: Scene, lights: Iterable[Id], objects: Iterable[Id], *, on: bool = True, shadows: bool = False) -> Scene:
    """Make every one of `lights` light every one of `objects` (groups: all below), or with `on` False none of them.

    With `shadows` it is about who blocks whom. What is so already stays as it was said. Raises BadAsset for ids that
    are not in the scene, and for anything among `lights` that is none.
    """
    tree = Tree(scene)
    named = _named(scene, objects)
    return _edited(scene, lights, shadows, lambda mode, ids: _linked(tree, mode, ids, named, on))


def link_only(scene: Scene, lights: Iterable[Id], objects: Iterable[Id], *, shadows: bool = False) -> Scene:
    """Make lights light these objects (groups: all below) and nothing else; none at all lights nothing."""
    named = _named(scene, objects)
    return _edited(scene, lights, shadows, lambda mode, ids: ("only", named))


def name_links(scene: Scene, lights: Iterable[Id], objects: Iterable[Id], *, shadows: bool = False) -> Scene:
    """Make lights speak of these objects in the mode that they are in; those that mean all mean only these then."""
    named = _named(scene, objects)
    return _edited(scene, lights, shadows, lambda mode, ids: ("only" if mode == "all" else mode, named))


def clear_links(scene: Scene, lights: Iterable[Id], *, shadows: bool = False) -> Scene:
    """Make lights light everything again."""
    return _edited(scene, lights, shadows, lambda mode, ids: ("all", ()))


# --- when objects come and go ----------------------------------------------------------------------------------------
def renamed_links(light: Light, names: Mapping[Id, Id]) -> dict[str, tuple[Id, ...]]:
    """Links of a light under the new ids of what it is linked to."""
    return {field: tuple(names.get(id_, id_) for id_ in getattr(light, field)) for field in _FIELDS}


def with_copies(scene: Scene, names: Mapping[Id, Id]) -> Scene:
    """Links of lights that neither were copied nor are copies (`names`: new ids by old) name the copies of what they
    name."""
    apart = {*names, *names.values()}

    def named(ids: tuple[Id, ...]) -> tuple[Id, ...]:
        return tuple(dict.fromkeys((*ids, *(names[id_] for id_ in ids if id_ in names))))

    return _relinked(scene, lambda light: light.id not in apart, named)


def without_links(scene: Scene, gone: AbstractSet[Id]) -> Scene:
    """Links of all lights without ids that are gone; a light that lit all but those lights all."""
    return _relinked(scene, lambda light: True, lambda ids: tuple(id_ for id_ in ids if id_ not in gone))


def with_members(scene: Scene, group: Id) -> Scene:
    """Links of all lights with what hangs in a group in its place, which is about to be dissolved."""
    lights = (e for e in scene.entities.values() if isinstance(e, Light))
    if not any(group in light.light_links or group in light.shadow_links for light in lights):
        return scene
    tree = Tree(scene)
    inside = tuple(id_ for id_ in tree.below(group) if tree.meant((id_,)))

    def named(ids: tuple[Id, ...]) -> tuple[Id, ...]:
        return tuple(dict.fromkeys(new for id_ in ids for new in (inside if id_ == group else (id_,))))

    return _relinked(scene, lambda light: True, named)


def _relinked(
    scene: Scene, wanted: Callable[[Light], bool], named: Callable[[tuple[Id, ...]], tuple[Id, ...]]
) -> Scene:
    new: dict[Id, Entity] = {}
    for id_, light in scene.entities.items():
        if isinstance(light, Light) and (light.light_links or light.shadow_links) and wanted(light):
            values: dict[str, Any] = {}
            for field in _FIELDS:
                old = getattr(light, field)
                ids = named(old)
                if ids != old:
                    values[field] = ids
                    if not ids and getattr(light, _MODE[field]) == "except":
                        values[_MODE[field]] = "all"
            if values:
                new[id_] = msgspec.structs.replace(light, **values)
    return scene.put(new)


class Tree:
    """Which mesh objects ids mean. Made once for many questions about the same scene."""

    def __init__(self, scene: Scene) -> None:
        self.entities = scene.entities
        self.children: dict[Id, list[Id]] = {}
        for id_, entity in scene.entities.items():
            self.children.setdefault(entity.parent, []).append(id_)
        self.objects = frozenset(id_ for id_, e in scene.entities.items() if isinstance(e, MeshObject))
        self._known: dict[tuple[Id, ...], frozenset[Id]] = {}

    def meant(self, ids: Iterable[Id]) -> frozenset[Id]:
        """The mesh objects among ids and in the groups among them; ids that are not in the scene mean nothing."""
        key = tuple(ids)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = frozenset(self._found(key))
        return found

    def linked(self, light: Light, *, shadows: bool = False) -> frozenset[Id]:
        """Mesh objects that a light lights, or with `shadows` those that block it."""
        mode, ids = links(light, shadows=shadows)
        if mode == "only":
            return self.meant(ids)
        return self.objects - self.meant(ids) if mode == "except" else self.objects

    def without(self, ids: Iterable[Id], gone: frozenset[Id]) -> tuple[Id, ...]:
        """Ids that mean what `ids` do but for the objects `gone`, with groups kept where they can be."""
        return tuple(dict.fromkeys(self._without(ids, gone, ())))

    def _without(self, ids: Iterable[Id], gone: frozenset[Id], above: tuple[Id, ...]) -> list[Id]:
        out: list[Id] = []
        for id_ in ids:
            mine = self.meant((id_,))
            if not mine & gone:
                out.append(id_)
            elif not mine <= gone and id_ not in above:
                inside = [child for child in self.below(id_) if self.meant((child,))]
                out += self._without(inside, gone, (*above, id_))
        return out

    def below(self, group: Id) -> list[Id]:
        """What hangs below a group, such that each means no more than itself: objects, and groups as wholes."""
        out, seen, open_ = [], {group}, list(reversed(self.children.get(group, ())))
        while open_:
            id_ = open_.pop()
            if id_ not in seen:
                seen.add(id_)
                out.append(id_)
                if id_ in self.objects:
                    open_ += reversed(self.children.get(id_, ()))
        return out

    def _found(self, ids: Iterable[Id]) -> set[Id]:
        found, seen, open_ = set(), set(), []
        for id_ in ids:
            if id_ in self.objects:
                found.add(id_)
            elif id_ in self.entities:
                open_.append(id_)
        while open_:
            id_ = open_.pop()
            if id_ not in seen:
                seen.add(id_)
                open_ += self.children.get(id_, ())
        return found | (seen & self.objects)


def links(light: Light, *, shadows: bool = False) -> Wish:
    """A light's mode and the ids it speaks of."""
    return (light.shadow_link_mode, light.shadow_links) if shadows else (light.light_link_mode, light.light_links)


def _linked(tree: Tree, mode: str, ids: tuple[Id, ...], named: tuple[Id, ...], on: bool) -> Wish:
    """A mode and ids by which `named` are linked, or are not, and all else is as it was."""
    if mode not in ("only", "except"):
        return ("all", ()) if on or not named else ("except", named)
    if on == (mode == "only"):
        covered = tree.meant(ids)
        new = (id_ for id_ in named if not tree.meant((id_,)) or not tree.meant((id_,)) <= covered)
        return mode, tuple(dict.fromkeys((*ids, *new)))
    left = tuple(id_ for id_ in tree.without(ids, tree.meant(named)) if id_ not in named)
    return (mode, left) if left or mode == "only" else ("all", ())


def _edited(scene: Scene, lights: Iterable[Id], shadows: bool, edit: Callable[[str, tuple[Id, ...]], Wish]) -> Scene:
    kind = "shadow" if shadows else "light"
    new: dict[Id, Entity] = {}
    for id_ in dict.fromkeys(lights):
        light = _light(scene, id_)
        mode, ids = edit(*links(light, shadows=shadows))
        if (mode, ids) != links(light, shadows=shadows):
            new[id_] = msgspec.structs.replace(light, **{f"{kind}_link_mode": mode, f"{kind}_links": ids})
    return scene.put(new)


def _light(scene: Scene, id_: Id) -> Light:
    found = scene.get(id_)
    if not isinstance(found, Light):
        raise BadAsset(f'"{found.name or id_}" is no light; only lights are linked to objects.')
    return found


def _named(scene: Scene, objects: Iterable[Id]) -> tuple[Id, ...]:
    """The ids, each once; BadAsset for one that is not there."""
    named = tuple(dict.fromkeys(objects))
    for id_ in named:
        if not isinstance(scene.get(id_), Entity):
            raise BadAsset(f'"{id_}" is a material; lights are linked to objects and groups.')
    return named
