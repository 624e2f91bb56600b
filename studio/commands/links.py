"""Commands of light and shadow linking: which lights light which objects, and which objects block which lights.

Lights and objects are selected together, as in the programs that lighters know: the lights among the selection are
linked to the objects and groups among it. What links mean is `studio.scene.linking`'s.
"""

from __future__ import annotations

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import linking
from studio.scene.entities import Group, Id, MeshObject
from studio.scene.lights import Light

_MENU = "Lights/Linking"


def lights_in(studio: Studio) -> list[Id]:
    """Selected lights that can be linked; portals shine not themselves."""
    entities = studio.scene.entities
    found = ((id_, entities.get(id_)) for id_ in studio.selection)
    return [id_ for id_, e in found if isinstance(e, Light) and e.light != "portal"]


def objects_in(studio: Studio) -> list[Id]:
    """Selected objects, and groups with objects in them."""
    scene = studio.scene
    found: list[Id] = []
    tree: linking.Tree | None = None
    for id_ in studio.selection:
        entity = scene.entities.get(id_)
        if isinstance(entity, Group):
            tree = tree or linking.Tree(scene)
            if tree.meant([id_]):
                found.append(id_)
        elif isinstance(entity, MeshObject):
            found.append(id_)
    return found


def _some_lights(studio: Studio) -> bool:
    return bool(lights_in(studio))


def _some_objects(studio: Studio) -> bool:
    return bool(objects_in(studio))


def _both(studio: Studio) -> bool:
    return _some_lights(studio) and _some_objects(studio)


@command("links.make", N_("Link lights to objects"), menu=_MENU, when=_both)
def make(studio: Studio, *, shadows: bool = False) -> None:
    """Let the selected lights light the selected objects; what else they light stays as it is."""
    _link(studio, on=True, shadows=shadows)


@command("links.break", N_("Unlink lights from objects"), menu=_MENU, when=_both)
def break_(studio: Studio, *, shadows: bool = False) -> None:
    """Keep the light of the selected lights from the selected objects."""
    _link(studio, on=False, shadows=shadows)


@command("links.only", N_("Link lights to these objects only"), menu=_MENU, when=_both)
def only(studio: Studio, *, shadows: bool = False) -> None:
    """Let the selected lights light the selected objects and nothing else."""
    lights, objects = lights_in(studio), objects_in(studio)
    studio.edit(N_("Link lights to these objects only"), linking.link_only, lights, objects, shadows=shadows)


@command("links.clear", N_("Link lights to everything"), menu=_MENU, when=_some_lights)
def clear(studio: Studio, *, shadows: bool = False) -> None:
    """Let the selected lights light everything again."""
    studio.edit(N_("Link lights to everything"), linking.clear_links, lights_in(studio), shadows=shadows)


@command("links.make_shadows", N_("Let objects block lights"), menu=_MENU, group=1, when=_both)
def make_shadows(studio: Studio) -> None:
    """Let the selected objects cast shadows in the light of the selected lights."""
    _link(studio, on=True, shadows=True)


@command("links.break_shadows", N_("Keep objects from blocking lights"), menu=_MENU, group=1, when=_both)
def break_shadows(studio: Studio) -> None:
    """Keep the selected objects from casting shadows in the light of the selected lights."""
    _link(studio, on=False, shadows=True)


@command("links.clear_shadows", N_("Let everything block lights"), menu=_MENU, group=1, when=_some_lights)
def clear_shadows(studio: Studio) -> None:
    """Let everything cast shadows in the light of the selected lights again."""
    studio.edit(N_("Let everything block lights"), linking.clear_links, lights_in(studio), shadows=True)


@command("links.select_objects", N_("Select objects that are lit"), menu=_MENU, group=2, when=_some_lights)
def select_objects(studio: Studio, *, shadows: bool = False) -> None:
    """Select the objects that any of the selected lights lights, or with `shadows` those that block it."""
    tree = linking.Tree(studio.scene)
    lights = [studio.scene.entities[id_] for id_ in lights_in(studio)]
    found = {id_ for light in lights if isinstance(light, Light) for id_ in tree.linked(light, shadows=shadows)}
    studio.select(id_ for id_ in studio.scene.entities if id_ in found)


@command("links.select_lights", N_("Select lights that light it"), menu=_MENU, group=2, when=_some_objects)
def select_lights(studio: Studio, *, shadows: bool = False) -> None:
    """Select the lights that light any of the selected objects, or with `shadows` those that they block."""
    tree = linking.Tree(studio.scene)
    wanted = tree.meant(objects_in(studio))
    lights = (e for e in studio.scene.entities.values() if isinstance(e, Light) and e.light != "portal")
    studio.select(light.id for light in lights if wanted & tree.linked(light, shadows=shadows))


def _link(studio: Studio, *, on: bool, shadows: bool) -> None:
    lights, objects = lights_in(studio), objects_in(studio)
    if not lights or not objects:
        raise UsageError("select lights together with the objects that they are to be linked to")
    words = (N_("Let objects block lights"), N_("Keep objects from blocking lights")) if shadows else (
        N_("Link lights to objects"), N_("Unlink lights from objects")
    )  # fmt: skip
    studio.edit(words[0 if on else 1], linking.link, lights, objects, on=on, shadows=shadows)
