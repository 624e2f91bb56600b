"""Materials and textures of the flat scene.

Material 0 is the default one, worn by parts without a material. Only images that a material or a light uses become
textures. When mute or solo silences emissive meshes, every emissive material gets a dark twin at the end of the
table for them to wear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.scene import materials as packing
from studio.scene.geometry import Image
from studio.scene.materials import DEFAULT, Material
from studio.scene.scene import Scene


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """Packed materials. `row` gives a material's row by id, `dark` the twin without emission of an emissive row,
    `emits` and `emission_image` are per row."""

    source: Mapping[str, Material]
    images: Mapping[str, Image]
    light_images: frozenset[str]
    silenced: bool
    row: Mapping[str, int]
    dark: Mapping[int, int]
    rows: NDArray[np.float32]
    slots: NDArray[np.float32]
    names: tuple[str, ...]
    textures: tuple[Image, ...]
    image_row: Mapping[str, int]
    emits: NDArray[np.bool_]
    emission_image: NDArray[np.int32]
    warnings: tuple[str, ...]


def pack_surfaces(
    scene: Scene,
    materials: Mapping[str, Material],
    light_images: frozenset[str],
    silenced: bool,
    previous: Surfaces | None,
) -> Surfaces:
    """Materials, slots and textures; `previous` itself when nothing they are made of changed."""
    if previous is not None and (
        _same(materials, previous.source)
        and scene.images is previous.images
        and light_images == previous.light_images
        and (silenced == previous.silenced or not previous.emits.any())
    ):
        return previous
    listed = [DEFAULT, *materials.values()]
    names = ["default", *(m.name or id_ for id_, m in materials.items())]
    used = {t.image for m in listed for t in m.textures.values()} | light_images
    textures = tuple(image for key, image in scene.images.items() if key in used)
    image_row = {key: i for i, key in enumerate(key for key in scene.images if key in used)}
    dark: dict[int, int] = {}
    if silenced:
        for i, material in enumerate(list(listed)):
            if material.emission_luminance > 0 and max(material.emission_color) > 0:
                dark[i] = len(listed)
                listed.append(msgspec.structs.replace(material, emission_luminance=0.0))
                names.append(names[i])
    slots = packing.pack_slots(
        listed, image_row, lambda key: scene.images[key].colour_space if key in image_row else "srgb"
    )
    rows = packing.pack(listed, slots)
    missing = sorted(used - image_row.keys() - {""})
    unbound = {m.name or m.id for m in listed for t in m.textures.values() if not t.image}
    warnings = []
    if missing or unbound:
        shown = ", ".join([*missing, *(f'of material "{name}"' for name in sorted(unbound))][:5])
        warnings.append(f"Images that are not in the scene are drawn magenta: {shown}.")
    for array in (rows, slots):
        array.flags.writeable = False
    return Surfaces(
        source=materials,
        images=scene.images,
        light_images=light_images,
        silenced=silenced,
        row={"": 0, **{id_: i + 1 for i, id_ in enumerate(materials)}},
        dark=dark,
        rows=rows,
        slots=slots,
        names=tuple(names),
        textures=textures,
        image_row=image_row,
        emits=packing.emissive(rows),
        emission_image=_emission_images(rows, slots),
        warnings=tuple(warnings),
    )


def _same(new: Mapping[str, Material], old: Mapping[str, Material]) -> bool:
    if new is old:
        return True
    if len(new) != len(old) or list(new) != list(old):
        return False
    return all(a is b for a, b in zip(new.values(), old.values(), strict=True))


def _emission_images(rows: NDArray[np.float32], slots: NDArray[np.float32]) -> NDArray[np.int32]:
    """(m,) texture of each material's emission colour, -1: none."""
    out = np.full(len(rows), -1, np.int32)
    starts = rows[:, packing.OFFSET["slot_start"]].astype(np.intp)
    counts = rows[:, packing.OFFSET["slot_count"]].astype(np.intp)
    owner = np.repeat(np.arange(len(rows)), counts)
    at = np.concatenate([np.arange(s, s + c) for s, c in zip(starts, counts, strict=True)]).astype(np.intp)
    emission = slots[at, 0] == packing.SLOTS["emission_color"]
    out[owner[emission]] = slots[at[emission], 1]
    return out
