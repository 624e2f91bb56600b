"""Operations on materials as things of their own: who wears them, copies of them and of single parameters.

Pure functions of a scene, like those of `studio.scene.edits`, which has assignment, deletion and duplication.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from studio.errors import BadAsset
from studio.scene.entities import Id, MeshObject
from studio.scene.geometry import Image
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.scene.schema import check, fields
from studio.scene.texturing import slot_of, without_unused

_OWN = ("id", "name", "extra")  # of one material, and never pasted onto another


@dataclass(frozen=True, slots=True, eq=False)
class MaterialClip:
    """A material that was copied, with its images. `names` are the fields that were meant; none: all of it."""

    material: Material
    images: Mapping[str, Image] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def users(scene: Scene) -> dict[Id, tuple[Id, ...]]:
    """The objects that wear each material, in the scene's order; every material is there, unused ones with none."""
    out: dict[Id, list[Id]] = {id_: [] for id_ in scene.materials}
    for id_, entity in scene.entities.items():
        if isinstance(entity, MeshObject):
            for material in dict.fromkeys(entity.materials):
                if material in out:
                    out[material].append(id_)
    return {id_: tuple(found) for id_, found in out.items()}


def unused(scene: Scene) -> tuple[Id, ...]:
    """Materials that nothing wears."""
    return tuple(id_ for id_, worn in users(scene).items() if not worn)


def remove_unused(scene: Scene) -> Scene:
    """The scene without materials that nothing wears, their animation, and images that only they showed."""
    gone = unused(scene)
    images = [t.image for id_ in gone for t in scene.materials[id_].textures.values()]
    return without_unused(scene.remove(gone), images) if gone else scene


def add_material(scene: Scene, material: Material) -> tuple[Scene, Id]:
    """The scene with a material more, under a free id made of its name and with a name of its own; gives the id."""
    taken = {m.name for m in scene.materials.values()}
    name, number = material.name or "material", 1
    while name in taken:
        number += 1
        name = f"{material.name} {number}"
    id_ = scene.free_id((material.name or "material").lower().replace(" ", "_").replace(".", "_"))
    return scene.add(msgspec.structs.replace(material, id=id_, name=name)), id_


def worn_by(scene: Scene, ids: Iterable[Id]) -> tuple[Id, ...]:
    """The materials among `ids` and those that objects among them wear, each once."""
    out: dict[Id, None] = {}
    for id_ in ids:
        if id_ in scene.materials:
            out[id_] = None
        entity = scene.entities.get(id_)
        if isinstance(entity, MeshObject):
            out.update(dict.fromkeys(m for m in entity.materials if m in scene.materials))
    return tuple(out)


# --- copies ----------------------------------------------------------------------------------------------------------
def copy_material(scene: Scene, id_: Id, names: Iterable[str] = ()) -> MaterialClip:
    """A material as it is, or the fields of these names with their textures, to be pasted."""
    material = scene.materials.get(id_)
    if material is None:
        raise BadAsset(f'"{id_}" is not a material.')
    shown = {t.image for t in material.textures.values()}
    return MaterialClip(material, {k: image for k, image in scene.images.items() if k in shown}, tuple(names))


def paste_new(scene: Scene, clip: MaterialClip) -> tuple[Scene, Id]:
    """The copied material as one more of the scene; gives its id."""
    return add_material(scene.add(*clip.images.values()) if clip.images else scene, clip.material)


def paste_onto(scene: Scene, ids: Iterable[Id], clip: MaterialClip) -> Scene:
    """Give materials the copied fields and their textures; names and ids stay."""
    source = clip.material
    names = clip.names or tuple(n for n in source.__struct_fields__ if n not in (*_OWN, "textures"))
    values = {name: check(Material, name, getattr(source, name)) for name in names}
    slots = {slot_of(name) for name in names if slot_of(name)}
    new: dict[Id, Material] = {}
    dropped = set()
    for id_ in dict.fromkeys(ids):
        material = scene.get(id_)
        if not isinstance(material, Material):
            continue
        if clip.names:
            textures = {s: t for s, t in material.textures.items() if s not in slots}
            textures |= {s: t for s, t in source.textures.items() if s in slots}
        else:
            textures = dict(source.textures)
        dropped |= {t.image for t in material.textures.values()}
        new[id_] = msgspec.structs.replace(material, **values, textures=textures)
    needed = {t.image for m in new.values() for t in m.textures.values()}
    images = [image for key, image in clip.images.items() if key in needed]
    scene = scene.add(*images) if images else scene
    return without_unused(replace(scene, materials={**scene.materials, **new}), dropped)


def reset(scene: Scene, ids: Iterable[Id], names: Iterable[str] = ()) -> Scene:
    """Give fields of materials (all of them, when none is named) their defaults; textures stay."""
    known = fields(Material)
    chosen = [n for n in (names or known) if n != "name"]
    return scene.replace(list(ids), **{name: known[name].default for name in chosen})
