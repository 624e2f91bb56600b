"""Commands of the Select menu."""

from __future__ import annotations

from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.scene.entities import Camera, Entity, MeshObject
from studio.scene.lights import Light

anything = selected()


def _open(entity: Entity) -> bool:
    return not entity.locked


@command("select.all", N_("Select all"), menu="Select", keys="Ctrl+A")
def all_(studio: Studio) -> None:
    """Select everything that is not locked."""
    studio.select(id_ for id_, e in studio.scene.entities.items() if _open(e))


@command("select.none", N_("Select nothing"), menu="Select", keys="Ctrl+Shift+A", when=anything)
def none(studio: Studio) -> None:
    """Deselect everything."""
    studio.select(())


@command("select.invert", N_("Invert selection"), menu="Select", keys="Ctrl+Alt+I")
def invert(studio: Studio) -> None:
    """Select what is not selected, and nothing else."""
    now = set(studio.selection)
    studio.select(id_ for id_, e in studio.scene.entities.items() if id_ not in now and _open(e))


@command("select.lights", N_("Select lights"), menu="Select", group=1, keys="Shift+L")
def lights(studio: Studio, *, kind: str = "") -> None:
    """Select all lights, or those of a kind."""
    studio.select(
        id_
        for id_, e in studio.scene.entities.items()
        if isinstance(e, Light) and _open(e) and (not kind or e.light == kind)
    )


@command("select.meshes", N_("Select objects"), menu="Select", group=1)
def meshes(studio: Studio) -> None:
    """Select all mesh objects."""
    studio.select(id_ for id_, e in studio.scene.entities.items() if isinstance(e, MeshObject) and _open(e))


@command("select.cameras", N_("Select cameras"), menu="Select", group=1)
def cameras(studio: Studio) -> None:
    """Select all cameras."""
    studio.select(id_ for id_, e in studio.scene.entities.items() if isinstance(e, Camera) and _open(e))


@command(
    "select.similar", N_("Select similar"), menu="Select", group=2, keys="Shift+G", place="viewport", when=anything
)
def similar(studio: Studio) -> None:
    """Select what is of the same kind: lights of the same kind, objects of the same mesh, groups, cameras."""
    scene = studio.scene

    def kind(entity: Entity) -> tuple[object, ...]:
        if isinstance(entity, Light):
            return (Light, entity.light)
        return (MeshObject, entity.mesh) if isinstance(entity, MeshObject) else (type(entity),)

    wanted = {kind(scene.entities[id_]) for id_ in studio.selection if id_ in scene.entities}
    studio.select(id_ for id_, e in scene.entities.items() if kind(e) in wanted and _open(e))


@command("select.children", N_("Select children"), menu="Select", group=2, keys="Shift+Down", when=anything)
def children(studio: Studio) -> None:
    """Select everything below what is selected."""
    now = set(studio.selection)
    studio.select(id_ for id_ in studio.scene.descendants(studio.selection) if id_ not in now)


@command("select.parent", N_("Select parent"), menu="Select", group=2, keys="Shift+Up", when=anything)
def parent(studio: Studio) -> None:
    """Select what the selected entities hang below."""
    entities = studio.scene.entities
    studio.select(entities[id_].parent for id_ in studio.selection if id_ in entities and entities[id_].parent)
