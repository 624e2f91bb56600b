"""Commands of the library: watching folders, bringing assets into the scene, keeping parts of the scene.

Assets are named by their number in the library, or by the path of their file, which is what a script that shall run
elsewhere too should say. Files are read by `face.work`, so the window goes on meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from studio.commands.light_files import MASKED, PROFILED, give_profile, lights_of_kinds, with_gobo
from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import edits, texturing
from studio.scene.entities import Group, Id, MeshObject, Vec3
from studio.scene.geometry import Image
from studio.scene.insert import insert_at
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.assets.library_index import Asset

_UP: Vec3 = (0.0, 1.0, 0.0)
_PICTURED = ("dome", "rectangle", "disk")  # lights that throw a picture


# --- folders ---------------------------------------------------------------------------------------------------------
@command("library.add_folder", N_("Add folder to the library…"), menu="Library", icon="folder")
def add_folder(studio: Studio, *, path: str = "", polling: bool | None = None) -> None:
    """Watch a folder: everything in it that can be used is found in the library from now on."""
    where = Path(path) if path else studio.face.ask_open(N_("Folder of assets"), ())
    if where is not None:
        studio.library.add_folder(where, polling=polling)
        studio.tell("library")


@command("library.remove_folder", N_("Remove folder from the library…"), menu="Library")
def remove_folder(studio: Studio, *, path: str = "") -> None:
    """Watch a folder no more. Its files stay; tags come back when the folder does."""
    folders = tuple(folder.path for folder in studio.library.folders)
    if not folders:
        raise UsageError("the library has no folders yet; add one")
    chosen = path or studio.face.ask(N_("Which folder?"), folders)
    if chosen:
        studio.library.remove_folder(os.path.realpath(chosen))
        studio.tell("library")


@command("library.rescan", N_("Rescan the library"), menu="Library")
def rescan(studio: Studio, *, path: str = "") -> None:
    """Look at every folder of the library again, or at one."""
    studio.library.rescan(path)


# --- keeping ---------------------------------------------------------------------------------------------------------
@command(
    "library.keep_rig", N_("Keep lights as a rig…"), menu="Library", group=1, when=selected(Light, Group), icon="lights"
)
def keep_rig(studio: Studio, *, name: str = "") -> None:
    """Keep the selected lights, and those in the selected groups, in the library as one rig."""
    first = studio.scene.get(studio.selection[0]).name if studio.selection else ""
    called = name or studio.face.ask_text(N_("Name of the rig"), first or "rig")
    if called:
        path = studio.library.keep_rig(studio.posed, studio.selection, called)
        studio.face.notify(N_("Kept in the library: {name}"), name=path.name)
        studio.tell("library")


def _keepable(studio: Studio) -> list[Id]:
    """The selected materials, and those that the selected objects wear."""
    out: dict[Id, None] = {}
    for id_ in studio.selection:
        record = studio.scene.get(id_)
        if isinstance(record, Material):
            out[id_] = None
        elif isinstance(record, MeshObject):
            out.update(dict.fromkeys(filter(None, record.materials)))
    return list(out)


@command(
    "library.keep_material",
    N_("Keep material in the library"),
    menu="Library",
    group=1,
    when=lambda s: bool(_keepable(s)),
    icon="material",
)
def keep_material(studio: Studio, *, materials: Sequence[Id] = ()) -> None:
    """Keep materials with their textures in the library: those named, else those selected or worn by what is."""
    wanted = list(materials) or _keepable(studio)
    if not wanted:
        raise UsageError("select a material, or an object that wears one")
    for id_ in wanted:
        path = studio.library.keep_material(studio.posed, id_)
        studio.face.notify(N_("Kept in the library: {name}"), name=path.name)
    studio.tell("library")


# --- saying something of assets --------------------------------------------------------------------------------------
@command("library.tag", N_("Tag assets"))
def tag(studio: Studio, *, assets: Sequence[int] = (), add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """Give assets of the library tags, and take others away."""
    studio.library.tag(assets, add=add, remove=remove)
    studio.tell("library")


@command("library.favourite", N_("Make assets favourites"))
def favourite(studio: Studio, *, assets: Sequence[int] = (), on: bool = True) -> None:
    """Make assets of the library favourites, or not any more."""
    studio.library.set_favourite(assets, on)
    studio.tell("library")


@command("library.rate", N_("Rate assets"))
def rate(studio: Studio, *, assets: Sequence[int] = (), stars: int = 0) -> None:
    """Give assets of the library 0 to 5 stars."""
    studio.library.rate(assets, stars)
    studio.tell("library")


# --- bringing into the scene -----------------------------------------------------------------------------------------
@command("library.add", N_("Add asset to the scene"))
def add(
    studio: Studio,
    *,
    asset: int | str = 0,
    at: Vec3 | None = None,
    up: Vec3 = _UP,
    onto: Id = "",
    part: int = -1,
    replacing: bool = False,
) -> None:
    """Use an asset, by its number or its file's path: a model or rig is placed at a point of the world (where the
    viewport looks, when none is given), an HDRI becomes the dome light's picture, a material or texture is put on the
    object `onto` (its `part`) or on what is selected, a picture on area lights or before spots, an IES profile on
    point and spot lights. `replacing` puts a model in the place of what is selected."""
    found = asset_of(studio, asset)
    {
        "model": _add_model,
        "rig": _add_rig,
        "hdri": _add_hdri,
        "material": _add_material,
        "image": _add_image,
        "ies": _add_ies,
        "project": _add_model,
    }.get(found.kind, _refuse)(studio, found, _Place(at, up, onto, part, replacing))


class _Place(msgspec.Struct, frozen=True):
    at: Vec3 | None
    up: Vec3
    onto: Id
    part: int
    replacing: bool


def asset_of(studio: Studio, asset: int | str) -> Asset:
    """The asset of a number or of a file's path; UsageError for none."""
    if isinstance(asset, str) and not asset.isdecimal():
        found = studio.library.index.at(os.path.realpath(asset))
        if found is None or found.missing:
            raise UsageError(f"{asset} is not in the library; add its folder")
        return found
    return studio.library.get(asset)


def _refuse(studio: Studio, asset: Asset, place: _Place) -> None:
    raise UsageError(f"{asset.name}: nothing in a scene is made of a file of this kind")


def _looked_at(studio: Studio) -> Vec3:
    """Where something goes that was not placed: on the ground below where the viewport looks."""
    viewer = studio.face.viewport()
    if viewer is None:
        return (0.0, 0.0, 0.0)
    x, _, z = viewer.camera.pivot.tolist()
    return (x, 0.0, z)


def _add_model(studio: Studio, asset: Asset, place: _Place) -> None:
    from studio.assets.load import load_scene
    from studio.assets.thumbnail_scenes import bounds_of

    def show(found: tuple[Scene, Vec3]) -> None:
        other, foot = found
        with studio.document.edit(N_("Add from the library")) as edit:
            at, gone = place.at or _looked_at(studio), []
            if place.replacing and place.at is None:
                gone = [id_ for id_ in studio.selection if id_ in edit.scene.entities]
                if gone:
                    at = _standing(edit.scene, gone)
            tops = edit.apply(insert_at, other, name=asset.name, at=at, up=place.up, foot=foot)
            if gone:
                edit.apply(edits.delete, gone)
            edit.selection = tops
        studio.library.used(asset.id)

    def read() -> tuple[Scene, Vec3]:
        other, _ = load_scene(asset.path)
        bounds = bounds_of(other)
        if bounds is None:
            return other, (0.0, 0.0, 0.0)
        (x0, y0, z0), (x1, _, z1) = (part.tolist() for part in bounds)
        return replace(other, camera=""), ((x0 + x1) / 2, y0, (z0 + z1) / 2)

    studio.face.work(read, show, doing=asset.name)


def _standing(scene: Scene, ids: Iterable[Id]) -> Vec3:
    """Where the first of some entities stands: the middle of its foot, its origin when it has no meshes."""
    from studio.assets.thumbnail_scenes import bounds_of

    first = next(iter(ids))
    below = set(scene.descendants([first]))
    alone = replace(scene, entities={k: e for k, e in scene.entities.items() if k in below or _above(scene, first, k)})
    bounds = bounds_of(alone)
    if bounds is None:
        x, y, z = scene.world_matrix(first)[:, 3].tolist()
        return (x, y, z)
    (x0, y0, z0), (x1, _, z1) = (part.tolist() for part in bounds)
    return ((x0 + x1) / 2, y0, (z0 + z1) / 2)


def _above(scene: Scene, id_: Id, other: Id) -> bool:
    """Whether `other` is what an entity hangs below, at any distance, and no mesh."""
    above, steps = scene.entities[id_].parent, 0
    while above in scene.entities and steps <= len(scene.entities):
        if above == other:
            return not isinstance(scene.entities[other], MeshObject)
        above, steps = scene.entities[above].parent, steps + 1
    return False


def _add_rig(studio: Studio, asset: Asset, place: _Place) -> None:
    from studio.assets.library_parts import load_part

    def show(part: Scene) -> None:
        with studio.document.edit(N_("Add from the library")) as edit:
            edit.selection = edit.apply(insert_at, part, name=asset.name, at=place.at or _looked_at(studio))
        studio.library.used(asset.id)

    studio.face.work(lambda: load_part(Path(asset.path)), show, doing=asset.name)


def _add_hdri(studio: Studio, asset: Asset, place: _Place) -> None:
    from studio.assets.images import read_image

    def show(image: Image) -> None:
        with studio.document.edit(N_("Environment from the library")) as edit:
            edit.selection = edit.apply(with_environment, image, asset.name, studio.selection)
        studio.library.used(asset.id)

    studio.face.work(lambda: read_image(asset.path), show, doing=asset.name)


def with_environment(
    scene: Scene, image: Image, name: str, selection: Iterable[Id] = ()
) -> tuple[Scene, tuple[Id, ...]]:
    """The scene lit by a picture all around: the selected dome lights throw it, else the first one there is, else a
    new one. Gives the lights' ids."""
    scene = scene.add(image)
    domes = [id_ for id_, e in scene.entities.items() if isinstance(e, Light) and e.light == "dome"]
    chosen = [id_ for id_ in selection if id_ in domes] or domes[:1]
    if chosen:
        return scene.replace(chosen, image=image.key), tuple(chosen)
    id_ = scene.free_id("dome")
    return scene.add(Light(id=id_, name=name, light="dome", intensity=1.0, unit="nt", image=image.key)), (id_,)


def _objects(studio: Studio, place: _Place) -> list[Id]:
    wanted = [place.onto] if place.onto else list(studio.selection)
    found = [id_ for id_ in wanted if isinstance(studio.scene.entities.get(id_), MeshObject)]
    if not found:
        raise UsageError("drop it on an object, or select one first")
    return found


def _add_material(studio: Studio, asset: Asset, place: _Place) -> None:
    from studio.assets.library_parts import load_part

    objects = _objects(studio, place)

    def show(part: Scene) -> None:
        with studio.document.edit(N_("Material from the library")) as edit:
            id_ = edit.apply(with_material, part)
            edit.apply(edits.assign_material, objects, id_, part=place.part)
            edit.selection = tuple(objects)
        studio.library.used(asset.id)

    studio.face.work(lambda: load_part(Path(asset.path)), show, doing=asset.name)


def with_material(scene: Scene, part: Scene) -> tuple[Scene, Id]:
    """The scene with the material of a part in it, and its id: that of an equal one, if it is there already."""
    material = next(iter(part.materials.values()))
    scene = scene.add(*part.images.values())
    for id_, there in scene.materials.items():
        if msgspec.structs.replace(there, id=material.id) == material:
            return scene, id_
    id_ = scene.free_id(material.id)
    return scene.add(msgspec.structs.replace(material, id=id_)), id_


def _add_image(studio: Studio, asset: Asset, place: _Place) -> None:
    from studio.assets.images import read_image

    wanted = [place.onto] if place.onto else list(studio.selection)
    entities = studio.scene.entities
    lights = [id_ for id_ in wanted if isinstance(e := entities.get(id_), Light) and e.light in _PICTURED]
    spots = [id_ for id_ in wanted if isinstance(e := entities.get(id_), Light) and e.light in MASKED]
    objects = [] if lights or spots else _objects(studio, place)

    def show(image: Image) -> None:
        with studio.document.edit(N_("Texture from the library")) as edit:
            if lights or spots:
                edit.scene = with_gobo(edit.scene.add(image).replace(lights, image=image.key), spots, image)
            else:
                edit.apply(with_base_texture, objects, place.part, image, asset.name)
        studio.library.used(asset.id)

    studio.face.work(lambda: read_image(asset.path), show, doing=asset.name)


def _add_ies(studio: Studio, asset: Asset, place: _Place) -> None:
    lights = lights_of_kinds(studio, PROFILED, [place.onto] if place.onto else ())
    if not lights:
        raise UsageError("drop it on a point or spot light, or select one first")
    give_profile(studio, Path(asset.path), lights)
    studio.library.used(asset.id)


def with_base_texture(scene: Scene, objects: Iterable[Id], part: int, image: Image, name: str) -> Scene:
    """The scene with a picture as the base colour of what objects wear on a part (-1: on all); what wears nothing
    gets a material of the picture's name."""
    for id_ in objects:
        entity = scene.entities[id_]
        assert isinstance(entity, MeshObject)
        mesh = scene.meshes.get(entity.mesh)
        count = len(mesh.parts) - 1 if mesh is not None else max(len(entity.materials), 1)
        for index in range(count) if part < 0 else (part,):
            worn = entity.materials[index] if index < len(entity.materials) else ""
            if not worn:
                worn = scene.free_id(name)
                scene = scene.add(Material(id=worn, name=name))
                scene = edits.assign_material(scene, [id_], worn, part=index)
                entity = scene.entities[id_]
                assert isinstance(entity, MeshObject)
            scene = texturing.set_texture(scene, [worn], "base_color", image)
    return scene
