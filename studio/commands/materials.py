"""Commands of the Materials menu: what a look developer does to one material or to many.

A command acts on the materials that it is given, else on those that are selected, else on those that the selected
objects wear. The editor (`studio.ui.material_editor`) names the ones of its own list.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import edits, material_edits, texturing
from studio.scene.entities import Id, MeshObject
from studio.scene.geometry import Image
from studio.scene.material_presets import preset, presets
from studio.scene.materials import Material
from studio.scene.scene import Scene

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".exr", ".hdr", ".tif", ".tiff", ".ktx2")
_MOST_FILES = 200_000  # that a search for lost images looks at


def chosen(studio: Studio, ids: Iterable[Id] = ()) -> tuple[Id, ...]:
    """The materials that a command acts on; `UsageError` when there are none."""
    found = material_edits.worn_by(studio.scene, tuple(ids) or studio.selection)
    if not found:
        raise UsageError("choose a material, or select an object that wears one")
    return found


def _objects(studio: Studio, ids: Iterable[Id] = ()) -> list[Id]:
    entities = studio.scene.entities
    return [id_ for id_ in (tuple(ids) or studio.selection) if isinstance(entities.get(id_), MeshObject)]


def _any(studio: Studio) -> bool:
    return bool(studio.scene.materials)


# --- making ----------------------------------------------------------------------------------------------------------
@command("materials.new", N_("New material"), menu="Materials", icon="material")
def new(studio: Studio, *, name: str = "material", assign: bool = False) -> Id:
    """Add a material, and put it on the selected objects if that is asked for."""
    return _add(studio, N_("New material"), material_edits.MaterialClip(Material(name=name or "material")), assign)


@command("materials.preset", N_("Material from a preset…"), menu="Materials")
def from_preset(studio: Studio, *, name: str = "", called: str = "", assign: bool = False) -> Id:
    """Add a material with the values of a preset: gold, glass, car paint, velvet and others."""
    titles = {entry.name: id_ for id_, entry in presets().items()}
    wanted = name or titles.get(studio.face.ask(N_("Which preset?"), tuple(titles)), "")
    if not wanted:
        return ""
    return _add(studio, N_("New material"), _preset_clip(wanted, called), assign)


def _preset_clip(name: str, called: str = "") -> material_edits.MaterialClip:
    """A preset with the picture that eyes are made with, to be pasted."""
    entry = preset(name)
    material = msgspec.structs.replace(entry.material, name=called or entry.name)
    if not entry.iris:
        return material_edits.MaterialClip(material)
    from studio.figure.eye_maps import eye_picture, painted

    picture = eye_picture(iris=entry.iris)
    return material_edits.MaterialClip(painted(material, picture), {picture.key: picture})


def _add(studio: Studio, label: str, made: material_edits.MaterialClip, assign: bool) -> Id:
    def add(scene: Scene) -> tuple[Scene, Id]:
        out, id_ = material_edits.paste_new(scene, made)
        return (edits.assign_material(out, _objects(studio), id_) if assign else out), id_

    id_: Id = studio.edit(label, add)
    return id_


@command("materials.apply_preset", N_("Apply a preset"))
def apply_preset(studio: Studio, *, name: str = "glass", ids: Sequence[Id] = ()) -> None:
    """Give materials all values of a preset; their names stay."""
    studio.edit(N_("Apply a preset"), material_edits.paste_onto, chosen(studio, ids), _preset_clip(name))


@command("materials.duplicate", N_("Duplicate material"), menu="Materials", when=_any)
def duplicate(studio: Studio, *, ids: Sequence[Id] = ()) -> tuple[Id, ...]:
    """Copies of materials, worn by nothing yet."""
    wanted = chosen(studio, ids)

    def copies(scene: Scene) -> tuple[Scene, tuple[Id, ...]]:
        made = []
        for id_ in wanted:
            scene, new_id = material_edits.paste_new(scene, material_edits.copy_material(scene, id_))
            made.append(new_id)
        return scene, tuple(made)

    made: tuple[Id, ...] = studio.edit(N_("Duplicate material"), copies)
    return made


@command("materials.delete", N_("Delete material"), menu="Materials", when=_any, icon="delete")
def delete(studio: Studio, *, ids: Sequence[Id] = ()) -> None:
    """Delete materials; what wore them wears the default one."""
    studio.edit(N_("Delete material"), edits.delete, chosen(studio, ids))


@command("materials.remove_unused", N_("Remove unused materials"), menu="Materials", when=_any)
def remove_unused(studio: Studio) -> None:
    """Delete every material that nothing wears, and the images that only such showed."""
    studio.edit(N_("Remove unused materials"), material_edits.remove_unused)


@command("materials.rename", N_("Rename material"), when=_any)
def rename(studio: Studio, *, name: str = "", ids: Sequence[Id] = ()) -> None:
    """Give a material another name."""
    wanted = chosen(studio, ids)[0]
    text = name or studio.face.ask_text(N_("Name"), studio.scene.get(wanted).name)
    if text:
        studio.edit(N_("Rename material"), edits.rename, wanted, text)


# --- wearing ---------------------------------------------------------------------------------------------------------
@command("materials.assign", N_("Assign to selection"), when=_any)
def assign(studio: Studio, *, material: Id = "", to: Sequence[Id] = (), part: int = -1) -> None:
    """Put a material on objects (default: the selected ones), on all of their parts or on one."""
    objects = _objects(studio, to)
    if not objects:
        raise UsageError("select an object to put the material on")
    studio.edit(N_("Assign material"), edits.assign_material, objects, material, part=part)


@command("materials.select_users", N_("Select what wears it"), menu="Materials", group=1, when=_any)
def select_users(studio: Studio, *, ids: Sequence[Id] = ()) -> None:
    """Select every object that wears one of the materials."""
    worn = material_edits.users(studio.scene)
    wanted = set(chosen(studio, ids))
    found = [o for id_, objects in worn.items() if id_ in wanted for o in objects]
    if not found:
        raise UsageError("nothing wears this material")
    studio.select(found)


# --- copies ----------------------------------------------------------------------------------------------------------
@command("materials.copy", N_("Copy material"), menu="Materials", group=2, when=_any)
def copy(studio: Studio, *, ids: Sequence[Id] = (), fields: Sequence[str] = ()) -> None:
    """Keep a material, or single parameters of it with their textures, for pasting."""
    studio.material_clip = material_edits.copy_material(studio.scene, chosen(studio, ids)[0], fields)


@command(
    "materials.paste",
    N_("Paste onto material"),
    menu="Materials",
    group=2,
    when=lambda s: s.material_clip is not None and _any(s),
)
def paste(studio: Studio, *, ids: Sequence[Id] = ()) -> None:
    """Give materials what was copied; their names stay."""
    if studio.material_clip is None:
        raise UsageError("copy a material first")
    studio.edit(N_("Paste onto material"), material_edits.paste_onto, chosen(studio, ids), studio.material_clip)


@command(
    "materials.paste_new",
    N_("Paste as new material"),
    menu="Materials",
    group=2,
    when=lambda s: s.material_clip is not None,
)
def paste_new(studio: Studio) -> Id:
    """Add the material that was copied, under a name of its own."""
    if studio.material_clip is None:
        raise UsageError("copy a material first")
    id_: Id = studio.edit(N_("Paste as new material"), material_edits.paste_new, studio.material_clip)
    return id_


# --- textures --------------------------------------------------------------------------------------------------------
@command("materials.texture", N_("Set a texture"), when=_any)
def texture(studio: Studio, *, slot: str = "base_color", path: str = "", ids: Sequence[Id] = ()) -> None:
    """Read an image file and bind it to a parameter of materials."""
    from studio.assets.images import read_image

    wanted = chosen(studio, ids)
    file = Path(path) if path else studio.face.ask_open(N_("Choose an image"), IMAGES)
    if file is not None:
        studio.edit(N_("Set a texture"), texturing.set_texture, wanted, slot, read_image(file))


@command("materials.clear_texture", N_("Remove a texture"), when=_any)
def clear_texture(studio: Studio, *, slot: str = "base_color", ids: Sequence[Id] = ()) -> None:
    """Take the texture off a parameter of materials."""
    studio.edit(N_("Remove a texture"), texturing.clear_texture, chosen(studio, ids), slot)


def _lost(studio: Studio) -> bool:
    return any(lost.path for lost in texturing.lost_textures(studio.scene))


@command("materials.relink", N_("Relink missing textures…"), menu="Materials", group=3, when=_lost)
def relink(studio: Studio, *, folder: str = "") -> int:
    """Look for the files of missing textures in a folder and below it; gives how many were found."""
    where = Path(folder) if folder else studio.face.ask_open(N_("Look for missing textures in"), ())
    if where is None:
        return 0
    wanted = tuple(lost.path for lost in texturing.lost_textures(studio.scene) if lost.path)
    return take_found(studio, *find_images(where, wanted))


def take_found(studio: Studio, found: dict[str, Image], faults: Sequence[str] = ()) -> int:
    """Relink lost textures with images that were found, and tell what could not be read; gives how many."""
    before = len(texturing.lost_textures(studio.scene))
    if found:
        studio.edit(N_("Relink textures"), texturing.relink, found)
    for sentence in faults:
        studio.face.notify(sentence, kind="warning")
    left = texturing.lost_textures(studio.scene)
    if left:
        names = ", ".join(sorted({texturing.file_name(lost.path) or lost.slot for lost in left})[:5])
        studio.face.notify(f"Still missing: {names}.", kind="warning")
    return before - len(left)


def find_images(folder: Path, wanted: Iterable[str]) -> tuple[dict[str, Image], tuple[str, ...]]:
    """Images by the lost path whose file's name they have, read from a folder and below; and sentences for files that
    were there and broken. For a thread: it touches nothing but files."""
    from studio.assets.images import read_image
    from studio.errors import StudioError

    names = {texturing.file_name(path).casefold(): path for path in wanted}
    found: dict[str, Image] = {}
    faults: list[str] = []
    seen = 0
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            seen += 1
            path = names.get(name.casefold())
            if path is None or path in found:
                continue
            try:
                found[path] = read_image(Path(root) / name)
            except StudioError as fault:
                faults.append(str(fault))
        if seen > _MOST_FILES or len(found) == len(names):
            break
    return found, tuple(faults)
