"""Materials and textures of the flat scene.

Material 0 is the default one, worn by parts without a material. Only images that a material or a light uses become
textures. When mute, solo or the masters of groups dim emissive meshes, the materials they wear get twins with as much
less emission at the end of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.scene import materials as packing
from studio.scene.flat_masters import SILENT, Dimming
from studio.scene.geometry import Image
from studio.scene.materials import DEFAULT, Material
from studio.scene.scene import Scene


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """Packed materials. `row` gives a material's row by id, `twins` the row of an emissive row's twin by the number of
    the factor on its emission, `emits` and `emission_image` are per row."""

    source: Mapping[str, Material]
    images: Mapping[str, Image]
    light_images: frozenset[str]
    dimming: Dimming
    row: Mapping[str, int]
    twins: Mapping[tuple[int, int], int]
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
    dimming: Dimming,
    previous: Surfaces | None,
) -> Surfaces:
    """Materials, slots and textures; `previous` itself when nothing they are made of changed."""
    if previous is not None and (
        _same(materials, previous.source)
        and scene.images is previous.images
        and light_images == previous.light_images
        and (dimming.same_twins(previous.dimming) or not previous.emits.any())
    ):
        return previous
    listed = [DEFAULT, *materials.values()]
    names = ["default", *(m.name or id_ for id_, m in materials.items())]
    used = {t.image for m in listed for t in m.textures.values()} | light_images
    textures = tuple(image for key, image in scene.images.items() if key in used)
    image_row = {key: i for i, key in enumerate(key for key in scene.images if key in used)}
    row = {"": 0, **{id_: i + 1 for i, id_ in enumerate(materials)}}
    twins = _add_twins(listed, names, row, dimming)
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
        dimming=dimming,
        row=row,
        twins=twins,
        rows=rows,
        slots=slots,
        names=tuple(names),
        textures=textures,
        image_row=image_row,
        emits=packing.emissive(rows),
        emission_image=_emission_images(rows, slots),
        warnings=tuple(warnings),
    )


def _add_twins(
    listed: list[Material], names: list[str], row: Mapping[str, int], dimming: Dimming
) -> dict[tuple[int, int], int]:
    """Put the dimmed twins that are worn at the end of the materials; gives their rows."""
    glows = [m.emission_luminance > 0 and max(m.emission_color) > 0 for m in listed]
    wanted = {(row[id_], k) for id_, k in dimming.worn if id_ in row and glows[row[id_]]}
    if dimming.silences:
        wanted |= {(i, SILENT) for i, glow in enumerate(glows) if glow}
    twins: dict[tuple[int, int], int] = {}
    for i, k in sorted(wanted, key=lambda pair: (pair[1], pair[0])):
        color = tuple(c * f for c, f in zip(listed[i].emission_color, dimming.factors[k], strict=True))
        twins[i, k] = len(listed)
        listed.append(msgspec.structs.replace(listed[i], emission_color=color))
        names.append(names[i])
    return twins


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
