"""Operations on textures: images bound to the parameters of materials, and images that went missing.

Pure functions of a scene, like those of `studio.scene.edits`. A material binds at most one `Texture` to each slot of
`materials.SLOTS`. An image is the scene's and shared by all that name its key; its colour space is part of what it is,
so reading it as another makes another image. A texture whose key the scene does not hold is drawn magenta in both
renderers until it is relinked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import msgspec

from studio.errors import BadAsset
from studio.scene.entities import Group, Id
from studio.scene.geometry import Image, make_image
from studio.scene.lights import IMAGE_FIELDS, Light
from studio.scene.materials import SLOTS, Material, Texture
from studio.scene.scene import Scene

COLOUR_SPACES = ("srgb", "linear", "data")
CHANNELS = ("rgb", "r", "g", "b", "a")
WRAPS = ("repeat", "mirror", "clamp")
FILTERS = ("linear", "nearest")
_WRINKLES = tuple(f"wrinkle_{number}" for number in (1, 2, 3))
_NORMALS = ("geometry_normal", "geometry_coat_normal", *(f"{name}_normal" for name in _WRINKLES))
# the field that a slot's texel acts on, where its name is another
_FIELDS = {
    "specular_rotation": "specular_rotation_deg",
    "geometry_normal": "normal_scale",
    "geometry_coat_normal": "",
    "bump": "bump_scale",
    **{f"{name}_{what}": name for name in _WRINKLES for what in ("normal", "color")},
}
_IMAGES_OF = attrgetter(*IMAGE_FIELDS)
_GLOW_NITS, _BUMP_M = 100.0, 0.005  # what a texture of emission or height begins with where there was none


@dataclass(frozen=True, slots=True)
class Lost:
    """A texture without its image: the material, the slot, and the file that it was looked for in ("" unknown)."""

    material: Id
    slot: str
    path: str


def field_of(slot: str) -> str:
    """The field of a material that a slot's texel multiplies or, for normals and heights, that is their strength."""
    return _FIELDS.get(slot, slot)


def slot_of(field: str) -> str:
    """The slot that acts on a field, "" for none; of two, the normal map's."""
    return next((slot for slot in SLOTS if field_of(slot) == field), "")


def is_colour(slot: str) -> bool:
    """Whether a slot takes a colour; all others read their image as data, whatever it says."""
    return slot.endswith("_color")


def natural_channel(slot: str, image: Image) -> str:
    """The channel that a slot wants of an image: colours and normals all three, opacity the alpha if there is one."""
    if is_colour(slot) or slot in _NORMALS:
        return "rgb"
    if slot == "geometry_opacity" and image.pixels.shape[2] in (2, 4):
        return "a"
    return "r"


# --- binding ---------------------------------------------------------------------------------------------------------
def set_texture(scene: Scene, ids: Iterable[Id], slot: str, image: Image | str) -> Scene:
    """Bind an image (or the key of one in the scene) to a slot of materials.

    A slot that has a texture keeps its placement and only shows another image. In a slot that had none the parameter
    becomes 1 (white), so that the image is seen as it is; a glow that was dark gets 100 nits, a height 5 mm, wrinkles
    that were smooth show in full. Images that were replaced and that nobody shows any more leave the scene.
    """
    _check_slot(slot)
    found = scene.images.get(image) if isinstance(image, str) else image
    if found is None:
        raise BadAsset(f'There is no image "{image}" in the scene.')
    if not is_colour(slot):
        found = read_as(found, "data")
    scene = scene.add(found)
    new: dict[Id, Material] = {}
    replaced = set()
    for material in _materials(scene, ids):
        old = material.textures.get(slot)
        if old is None:
            texture = Texture(image=found.key, channel=natural_channel(slot, found))
            material = msgspec.structs.replace(material, **_neutral(material, slot))
        else:
            texture = msgspec.structs.replace(old, image=found.key, path="")
            replaced.add(old.image)
        new[material.id] = msgspec.structs.replace(material, textures={**material.textures, slot: texture})
    return without_unused(_put(scene, new), replaced)


def change_texture(scene: Scene, ids: Iterable[Id], slot: str, **values: Any) -> Scene:
    """Set fields of the textures that materials have in a slot; materials without one stay."""
    _check_slot(slot)
    for name, value in values.items():
        _check_value(slot, name, value)
    new = {}
    for material in _materials(scene, ids):
        old = material.textures.get(slot)
        if old is not None:
            texture = msgspec.structs.replace(old, **values)
            new[material.id] = msgspec.structs.replace(material, textures={**material.textures, slot: texture})
    return _put(scene, new)


def change_texture_numbers(
    scene: Scene,
    ids: Iterable[Id],
    slot: str,
    name: str,
    change: Callable[[float], float],
    *,
    item: int = -1,
    since: Scene | None = None,
) -> Scene:
    """Give a number of every texture in a slot a new value made from its own, as `edits.change_numbers` does."""
    for material in _materials(scene, ids):
        before = (since or scene).materials.get(material.id, material).textures.get(slot)
        if before is None or slot not in material.textures:
            continue
        old = getattr(before, name)
        if isinstance(old, tuple):
            value: Any = tuple(float(change(v)) if item in (-1, i) else v for i, v in enumerate(old))
        else:
            value = float(change(old))
        scene = change_texture(scene, [material.id], slot, **{name: value})
    return scene


def clear_texture(scene: Scene, ids: Iterable[Id], slot: str) -> Scene:
    """Take the texture out of a slot; the parameter stays as it is."""
    _check_slot(slot)
    new, gone = {}, set()
    for material in _materials(scene, ids):
        if slot in material.textures:
            gone.add(material.textures[slot].image)
            left = {name: texture for name, texture in material.textures.items() if name != slot}
            new[material.id] = msgspec.structs.replace(material, textures=left)
    return without_unused(_put(scene, new), gone)


def set_colour_space(scene: Scene, ids: Iterable[Id], slot: str, space: str) -> Scene:
    """Read the images of a slot as another colour space; what else shows them keeps its own reading."""
    new, old = {}, set()
    for material in _materials(scene, ids):
        texture = material.textures.get(slot)
        image = scene.images.get(texture.image) if texture is not None else None
        if texture is None or image is None or image.colour_space == space:
            continue
        other = read_as(image, space)
        scene = scene.add(other)
        old.add(image.key)
        bound = msgspec.structs.replace(texture, image=other.key)
        new[material.id] = msgspec.structs.replace(material, textures={**material.textures, slot: bound})
    return without_unused(_put(scene, new), old)


def read_as(image: Image, space: str) -> Image:
    """The same pixels in another colour space. BadAsset for an unknown one."""
    if image.colour_space == space:
        return image
    return make_image(image.pixels, colour_space=space, name=image.name, path=image.path)


# --- missing images --------------------------------------------------------------------------------------------------
def lost_textures(scene: Scene) -> tuple[Lost, ...]:
    """Every texture whose image the scene does not hold."""
    return tuple(
        Lost(id_, slot, texture.path)
        for id_, material in scene.materials.items()
        for slot, texture in material.textures.items()
        if texture.image not in scene.images
    )


def relink(scene: Scene, images: Mapping[str, Image]) -> Scene:
    """Give lost textures their images back. `images` are by the path that was looked for, or by its file's name."""
    by_name = {file_name(path): image for path, image in images.items()}
    for lost in lost_textures(scene):
        image = images.get(lost.path) or by_name.get(file_name(lost.path)) if lost.path else None
        if image is not None:
            scene = set_texture(scene, [lost.material], lost.slot, image)
    return scene


def replace_image(scene: Scene, key: str, image: Image) -> Scene:
    """Show another image wherever materials and lights show this one; each reads it as it read the old one."""
    old = scene.images.get(key)
    found = read_as(image, old.colour_space) if old is not None and image.pixels.dtype == old.pixels.dtype else image
    if found.key == key:  # the same pixels from another file
        return replace(scene, images={**scene.images, key: found})
    scene = scene.add(found)
    new = {}
    for id_, material in scene.materials.items():
        if any(texture.image == key for texture in material.textures.values()):
            textures = {
                slot: msgspec.structs.replace(t, image=found.key, path="") if t.image == key else t
                for slot, t in material.textures.items()
            }
            new[id_] = msgspec.structs.replace(material, textures=textures)
    worn = {
        id_: msgspec.structs.replace(
            entity, **{name: found.key for name in IMAGE_FIELDS if getattr(entity, name) == key}
        )
        for id_, entity in scene.entities.items()
        if isinstance(entity, Light) and key in _IMAGES_OF(entity)
    }
    return without_unused(_put(scene.put(worn), new), [key])


def without_unused(scene: Scene, keys: Iterable[str]) -> Scene:
    """The scene without those of these images that nothing shows."""
    gone = {key for key in keys if key in scene.images}
    if gone:
        gone -= {t.image for m in scene.materials.values() for t in m.textures.values()}
        gone -= {key for e in scene.entities.values() if isinstance(e, Light) for key in _IMAGES_OF(e)}
        states = (state for e in scene.entities.values() if isinstance(e, Group) for state in e.states)
        gone -= {v for s in states for values in s.values.values() for v in values.values() if isinstance(v, str)}
    return replace(scene, images={k: v for k, v in scene.images.items() if k not in gone}) if gone else scene


def file_name(path: str) -> str:
    """The last part of a path of any system."""
    return path.replace("\\", "/").rpartition("/")[2]


# --- inside ----------------------------------------------------------------------------------------------------------
def _materials(scene: Scene, ids: Iterable[Id]) -> list[Material]:
    found = [scene.get(id_) for id_ in dict.fromkeys(ids)]
    return [material for material in found if isinstance(material, Material)]


def _put(scene: Scene, new: Mapping[Id, Material]) -> Scene:
    return replace(scene, materials={**scene.materials, **new}) if new else scene


def _neutral(material: Material, slot: str) -> dict[str, Any]:
    """Fields that must change for a first texture to be seen as it is."""
    if slot == "bump":
        return {} if material.bump_scale else {"bump_scale": _BUMP_M}
    if field_of(slot) in _WRINKLES:
        return {} if getattr(material, field_of(slot)) else {field_of(slot): 1.0}
    if slot in (*_NORMALS, "specular_rotation", "thin_film_thickness"):
        return {}
    out: dict[str, Any] = {slot: (1.0, 1.0, 1.0) if is_colour(slot) else 1.0}
    if slot == "emission_color" and material.emission_luminance == 0.0:
        out["emission_luminance"] = _GLOW_NITS
    return out


def _check_slot(slot: str) -> None:
    if slot not in SLOTS:
        raise BadAsset(f'No parameter "{slot}" takes a texture; {", ".join(SLOTS)} do.')


def _check_value(slot: str, name: str, value: Any) -> None:
    choices = {"channel": CHANNELS, "wrap_u": WRAPS, "wrap_v": WRAPS, "filter": FILTERS, "uv": (0, 1)}.get(name)
    if choices is not None and value not in choices:
        raise BadAsset(f"{slot}: {name} must be one of {', '.join(map(str, choices))}, not {value!r:.40}.")
    if name not in Texture.__struct_fields__:
        raise BadAsset(f'A texture has no "{name}".')
    if choices is None and name not in ("image", "path"):
        items = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(v, (int, float)) and abs(v) < 1e30 for v in items):
            raise BadAsset(f"{slot}: {name} must be a finite number, not {value!r:.40}.")
