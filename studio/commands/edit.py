"""Commands of the Edit menu: history, copies, the tree, and fields of what is selected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import edits
from studio.scene.entities import Entity, Group, Id, MeshObject
from studio.scene.insert import insert
from studio.scene.scene import Scene
from studio.scene.schema import fields

anything = selected()


def chosen(studio: Studio) -> tuple[Id, ...]:
    """The selected entities, those that are locked left out."""
    entities = studio.scene.entities
    return tuple(id_ for id_ in studio.selection if id_ in entities and not entities[id_].locked)


@command(
    "edit.undo",
    N_("Undo"),
    menu="Edit",
    keys="Ctrl+Z",
    icon="undo",
    when=lambda s: bool(s.document.undo_label),
)
def undo(studio: Studio) -> None:
    """Take back the last step."""
    studio.document.undo()


@command(
    "edit.redo",
    N_("Redo"),
    menu="Edit",
    keys=("Ctrl+Shift+Z", "Ctrl+Y"),
    icon="redo",
    when=lambda s: bool(s.document.redo_label),
)
def redo(studio: Studio) -> None:
    """Do the last undone step again."""
    studio.document.redo()


@command("edit.cut", N_("Cut"), menu="Edit", group=1, keys="Ctrl+X", when=anything)
def cut(studio: Studio) -> None:
    """Copy what is selected, and delete it."""
    copy(studio)
    delete(studio)


@command("edit.copy", N_("Copy"), menu="Edit", group=1, keys="Ctrl+C", when=anything)
def copy(studio: Studio) -> None:
    """Keep what is selected, with everything below it, for pasting."""
    studio.clipboard = _part(studio.scene, studio.selection)


@command("edit.paste", N_("Paste"), menu="Edit", group=1, keys="Ctrl+V", when=lambda s: s.clipboard is not None)
def paste(studio: Studio) -> None:
    """Put copies of what was copied into the scene."""
    if studio.clipboard is None:
        raise UsageError("copy something first")
    with studio.document.edit(N_("Paste")) as edit:
        edit.selection = edit.apply(insert, studio.clipboard)


def _part(scene: Scene, ids: tuple[Id, ...]) -> Scene:
    """A scene of these entities, all below them, and what they wear; placed as they stand in the world."""
    kept = set(scene.descendants(ids))
    tops = [id_ for id_ in scene.entities if id_ in kept and scene.entities[id_].parent not in kept]
    if tops:
        scene = scene.reparent(tops, "")
    entities: dict[Id, Entity] = {id_: e for id_, e in scene.entities.items() if id_ in kept}
    worn = {m for e in entities.values() if isinstance(e, MeshObject) for m in e.materials}
    worn |= set(ids) & scene.materials.keys()
    tracks = {name: curve for name, curve in scene.tracks.items() if name.rpartition(".")[0] in kept | worn}
    return replace(
        scene,
        entities=entities,
        materials={id_: m for id_, m in scene.materials.items() if id_ in worn},
        tracks=tracks,
        camera="",
    )


@command("edit.duplicate", N_("Duplicate"), menu="Edit", group=1, keys=("Ctrl+D", "Shift+D"), when=anything)
def duplicate(studio: Studio) -> None:
    """Copies of what is selected, in the same place."""
    with studio.document.edit(N_("Duplicate")) as edit:
        edit.selection = edit.apply(edits.duplicate, [i for i in studio.selection if i in studio.scene.entities])


@command("edit.delete", N_("Delete"), menu="Edit", group=1, keys=("Delete", "X"), place="viewport", when=anything)
def delete(studio: Studio) -> None:
    """Delete what is selected with everything below it; what is locked stays."""
    materials = tuple(id_ for id_ in studio.selection if id_ in studio.scene.materials)
    ids = (*chosen(studio), *materials)
    if not ids:
        raise UsageError("what is selected is locked; unlock it to delete it")
    studio.edit(N_("Delete"), edits.delete, ids)


@command("edit.delete_anywhere", N_("Delete selection"), keys="Delete", place="outliner", when=anything)
def delete_anywhere(studio: Studio) -> None:
    """Delete what is selected with everything below it; what is locked stays."""
    delete(studio)


@command("edit.rename", N_("Rename…"), menu="Edit", group=2, keys="F2", when=anything)
def rename(studio: Studio, *, name: str = "") -> None:
    """Give what is selected another name; several get numbers."""
    ids = studio.selection
    new = name or studio.face.ask_text(N_("Name"), studio.scene.get(ids[0]).name)
    if not new:
        return
    with studio.document.edit(N_("Rename")) as edit:
        for number, id_ in enumerate(ids, 1):
            edit.apply(edits.rename, id_, new if len(ids) == 1 else f"{new} {number}")


@command("edit.group", N_("Group"), menu="Edit", group=2, keys="Ctrl+G", when=anything)
def group(studio: Studio, *, name: str = "group") -> None:
    """Put what is selected into a new group; it stays where it is."""
    with studio.document.edit(N_("Group")) as edit:
        edit.selection = (edit.apply(edits.group, chosen(studio), name),)


@command("edit.ungroup", N_("Ungroup"), menu="Edit", group=2, keys="Ctrl+Shift+G", when=selected(Group))
def ungroup(studio: Studio) -> None:
    """Dissolve the selected groups; what hangs in them stays where it is."""
    inside = [child for id_ in studio.selection for child in studio.scene.children(id_)]
    with studio.document.edit(N_("Ungroup")) as edit:
        edit.apply(edits.ungroup, chosen(studio))
        edit.selection = inside


@command("edit.parent", N_("Parent to last selected"), menu="Edit", group=2, keys="Ctrl+P", when=anything)
def parent(studio: Studio, *, to: Id = "") -> None:
    """Hang what is selected below the entity that was selected last; everything stays where it is."""
    ids = chosen(studio)
    target = to or (ids[-1] if len(ids) > 1 else "")
    if not target:
        raise UsageError("select what to hang, then what to hang it below")
    studio.edit(N_("Parent"), edits.reparent, [id_ for id_ in ids if id_ != target], target)


@command("edit.unparent", N_("Unparent"), menu="Edit", group=2, keys="Alt+P", when=anything)
def unparent(studio: Studio) -> None:
    """Hang what is selected at the top of the scene; it stays where it is."""
    studio.edit(N_("Unparent"), edits.reparent, chosen(studio), "")


@command("edit.hide", N_("Hide"), menu="Edit", group=3, keys="H", place="viewport", when=anything, icon="hidden")
def hide(studio: Studio) -> None:
    """Hide what is selected, in every view and render."""
    studio.edit(N_("Hide"), edits.show, [i for i in studio.selection if i in studio.scene.entities], on=False)


@command("edit.show_all", N_("Show all"), menu="Edit", group=3, keys="Alt+H", place="viewport", icon="visible")
def show_all(studio: Studio) -> None:
    """Show everything that is hidden."""
    studio.edit(N_("Show all"), edits.show, list(studio.scene.entities))


@command("edit.lock", N_("Lock"), menu="Edit", group=3, when=anything, icon="locked")
def lock(studio: Studio, *, on: bool = True) -> None:
    """Keep what is selected from being picked, moved and deleted."""
    studio.edit(N_("Lock"), edits.lock, [i for i in studio.selection if i in studio.scene.entities], on=on)


@command("edit.unlock_all", N_("Unlock all"), menu="Edit", group=3)
def unlock_all(studio: Studio) -> None:
    """Unlock everything."""
    studio.edit(N_("Unlock all"), edits.lock, list(studio.scene.entities), on=False)


@command("edit.set", N_("Set a field"), when=anything)
def set_(studio: Studio, *, field: str = "", value: Any = None) -> None:
    """Set one field of everything selected that has it; for scripts."""
    if not field:
        raise UsageError('name the field: studio.run("edit.set", field="intensity", value=100.0)')
    studio.edit(N_("Set a field"), edits.set_field, studio.selection, field, value)


@command("edit.offset", N_("Offset a field"), when=anything)
def offset(studio: Studio, *, field: str = "", add: float = 0.0, times: float = 1.0) -> None:
    """Change a number of everything selected relative to each one's own; for scripts."""
    if not field:
        raise UsageError('name the field: studio.run("edit.offset", field="exposure", add=1.0)')
    studio.edit(N_("Offset a field"), edits.offset_field, studio.selection, field, add=add, times=times)


@command(
    "edit.reset_transform", N_("Reset transform"), menu="Edit", group=4, keys="Alt+G", place="viewport", when=anything
)
def reset_transform(studio: Studio) -> None:
    """Put what is selected where its parent is, unturned and unscaled."""
    names = ("translation", "rotation", "scale", "shear")
    known = fields(Entity)
    with studio.document.edit(N_("Reset transform")) as edit:
        edit.replace(chosen(studio), **{name: known[name].default for name in names})
