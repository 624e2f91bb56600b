"""What the lighting shaders read beside the scene's own tables: lobes, the pictures of lights, patches, domes.

Three textures, made of sections of the flat scene and again only when those are other objects: `lobe_table` (albedos
and cosine matrices, constant), `lighting_table` (four texels for every row of FlatScene.lights, then the patches of
mesh lights and the suns of domes) and `dome_atlas` (a tile for every picture of a dome). `shaders/lights.glsl` and
`ibl.glsl` read them.

    2 i       mean colour of its picture 3, first patch 1 | patches 1, has a dome's picture 1, 0, 0
              | left, top and side of its tile 3, 0 | mean radiance of the dome 3, 0
    2 i + 1   the light as it looks from afar, in the form of a blob (`meshlights`), with its reach in place of corners
              and its radiance in place of the tint. A reach of SPOT: axis 3, 0 | cosine of the outer angle, 1 over the
              difference of both, 0, 0. A reach of NEVER: it has no such form.

Seen from afar most of hundreds of lights are points with a size to each side; what that saves is said in `lights.glsl`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene import lobe_energy
from studio.scene.flat import FlatScene
from studio.scene.geometry import Image
from studio.scene.lights import KINDS, SEEN_IN_REFLECTIONS, TWO_SIDED
from studio.viewport import ltc
from studio.viewport.environment import DomeTile, dome_tile, linear_pixels
from studio.viewport.meshlights import PATCH, mesh_patches

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SAMPLERS = ("lobe_table", "lighting_table", "dome_atlas")  # one texture unit each, in this order
LOBE_COLUMNS = 256
PER_LINE = 128  # rows of the lighting table side by side, four texels each
SPOT, NEVER = -1.0, -2.0
_SHAPES = tuple(KINDS[name] for name in ("rectangle", "disk", "sphere", "cylinder"))
_GEOMETRY = ("meshes", "instance_materials", "materials", "slots", "textures")


def lobe_rows() -> F32:
    """(lines, LOBE_COLUMNS) numbers of the lobe table: albedos, then the three sheets of cosine matrices."""
    numbers = np.concatenate([lobe_energy.build(), np.moveaxis(ltc.table(), 2, 0).ravel()])
    out = np.zeros(-(-numbers.size // LOBE_COLUMNS) * LOBE_COLUMNS, np.float32)
    out[: numbers.size] = numbers
    return out.reshape(-1, LOBE_COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """Tiles of domes by the key of their picture: where each lies, and all their texels."""

    places: dict[str, tuple[int, int]]
    tiles: dict[str, DomeTile]
    size: tuple[int, int]  # width and height in texels


class Lighting:
    """The lighting tables of one scene on one device. `record` is told what is uploaded, and how many bytes."""

    def __init__(self, context: moderngl.Context, record: Callable[[str, int], None] | None = None) -> None:
        self._context = context
        self._record = record or (lambda what, size: None)
        rows = lobe_rows()
        self._lobes = context.texture(rows.shape[::-1], 1, rows.tobytes(), dtype="f4")
        self._lobes.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self._table = self._new_table(1)
        self._domes = context.texture((1, 1), 4, np.zeros(4, np.float32).tobytes(), dtype="f4")
        self._atlas = Atlas({}, {}, (1, 1))
        self._flat: FlatScene | None = None
        self._patches: list[F64] = []  # of every row of lights
        self._means: dict[tuple[str, int], F64] = {}

    @property
    def bytes(self) -> int:
        """Memory that the tables take on the card."""
        textures = (self._lobes, self._table, self._domes)
        return sum(t.width * t.height * t.components * 4 for t in textures)

    def sync(self, flat: FlatScene) -> None:
        """Upload what the scene's lights made other than it was."""
        before = self._flat
        surfaces = before is None or any(getattr(flat, n) is not getattr(before, n) for n in _GEOMETRY)
        self._flat = flat
        if not surfaces and before is not None and flat.lights is before.lights:
            return  # a mesh light's place stands in its row, so instances do not matter
        self._patches = self._patched(flat, before)
        self._sync_domes(flat)
        rows = self.rows(flat)
        lines = -(-max(len(rows), 1) // PER_LINE)
        if self._table.height < lines:
            self._table.release()
            self._table = self._new_table(max(lines, int(self._table.height * 1.5)))
        padded = np.zeros((lines * PER_LINE, PATCH), np.float32)
        padded[: len(rows)] = rows
        self._table.write(padded.tobytes(), viewport=(0, 0, PER_LINE * 4, lines))
        self._record("lighting_table", padded.nbytes)

    def rows(self, flat: FlatScene) -> F32:
        """(2 lights + patches, PATCH) rows of the lighting table."""
        count = len(flat.lights)
        out = np.zeros((count, PATCH))
        out[:, :3] = 1.0
        out[:, 12:15] = 1.0
        for i in np.flatnonzero((flat.lights["image"] >= 0) & np.isin(flat.lights["kind"], _SHAPES)).tolist():
            out[i, :3] = self._mean(flat.textures[flat.lights["image"][i]], int(flat.lights["kind"][i]))
        patches = list(self._patches)
        for i in _domes_of(flat):
            image = flat.textures[flat.lights["image"][i]]
            tile = self._atlas.tiles[image.key]
            out[i, 5] = 1.0
            out[i, 8:11] = *self._atlas.places[image.key], tile.size
            out[i, 12:15] = tile.mean
            patches[i] = sun_patches(tile)
        numbers = np.array([len(p) for p in patches], np.int64).reshape(-1)
        out[:, 3] = 2 * count + np.cumsum(numbers) - numbers
        out[:, 4] = numbers
        both = np.stack([out, from_afar(flat.lights, out[:, :3], patches)], axis=1).reshape(-1, PATCH)
        return np.concatenate([both, *patches]).astype(np.float32)

    def use(self, first_unit: int) -> None:
        """Bind the textures to SAMPLERS' units from `first_unit` on."""
        for k, texture in enumerate((self._lobes, self._table, self._domes)):
            texture.use(first_unit + k)

    def wire(self, program: moderngl.Program, first_unit: int) -> None:
        """Tell a program where the textures are bound."""
        for k, name in enumerate(SAMPLERS):
            sampler: Any = program.get(name, None)
            if sampler is not None:
                sampler.value = first_unit + k

    def release(self) -> None:
        """Give the textures back."""
        for texture in (self._lobes, self._table, self._domes):
            texture.release()

    # --- pieces -------------------------------------------------------------------------------------------------------
    def _new_table(self, lines: int) -> moderngl.Texture:
        table = self._context.texture((PER_LINE * 4, lines), 4, dtype="f4")
        table.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return table

    def _patched(self, flat: FlatScene, before: FlatScene | None) -> list[F64]:
        """Patches of every light; those of lamps that did not change are kept."""
        none = np.zeros((0, PATCH))
        kept = np.zeros(len(flat.lights), np.bool_)
        alike = before is not None and all(getattr(flat, n) is getattr(before, n) for n in _GEOMETRY)
        if alike and before is not None and len(before.lights) == len(flat.lights):
            names = ("kind", "flags", "instance", "part")
            kept = np.logical_and.reduce([flat.lights[n] == before.lights[n] for n in names])
            kept &= (flat.lights["open"] == before.lights["open"]).all(axis=(1, 2))
        mesh = (flat.lights["kind"] == KINDS["mesh"]) & (flat.lights["instance"] >= 0)
        return [
            self._patches[i] if kept[i] else mesh_patches(flat, i) if mesh[i] else none for i in range(len(flat.lights))
        ]

    def _mean(self, image: Image, kind: int) -> F64:
        """Mean colour of an area light's picture over what shines."""
        found = self._means.get((image.key, kind))
        if found is None:
            found = self._means[image.key, kind] = picture_mean(image, kind)
        return found

    def _sync_domes(self, flat: FlatScene) -> None:
        images = {image.key: image for image in (flat.textures[flat.lights["image"][i]] for i in _domes_of(flat))}
        if images.keys() == self._atlas.tiles.keys():
            return
        tiles = {key: self._atlas.tiles.get(key) or dome_tile(image) for key, image in images.items()}
        self._atlas = arranged(tiles, self._context.info["GL_MAX_TEXTURE_SIZE"])
        width, height = self._atlas.size
        self._domes.release()
        self._domes = self._context.texture((width, height), 4, dtype="f4")
        self._domes.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self._domes.repeat_x = self._domes.repeat_y = False
        for key, tile in tiles.items():
            h, w = tile.pixels.shape[:2]
            self._domes.write(tile.pixels.tobytes(), viewport=(*self._atlas.places[key], w, h))
            self._record("dome", tile.pixels.nbytes)


def arranged(tiles: dict[str, DomeTile], largest: int) -> Atlas:
    """Tiles in columns, each as wide as the widest."""
    if not tiles:
        return Atlas({}, {}, (1, 1))
    width = max(tile.pixels.shape[1] for tile in tiles.values())
    places, column, top, bottom = {}, 0, 0, 0
    for key, tile in tiles.items():
        height = tile.pixels.shape[0]
        if top + height > largest:
            column, top = column + 1, 0
        places[key] = (column * width, top)
        top += height
        bottom = max(bottom, top)
    return Atlas(places, tiles, ((column + 1) * width, bottom))


def from_afar(lights: NDArray[np.void], means: F64, patches: list[F64]) -> F64:
    """(n, PATCH) rows of lights as they look from afar. `means` (n, 3) are the mean colours of their pictures.

    What a light shows to a direction d is its area times max(0, d . n) for one side of a flat one and constant for a
    ball; that of a mesh stands in its blob. Tubes, lights of two sides and lights with gains have no such form.
    """
    out = np.zeros((len(lights), PATCH))
    kind, (a, b) = lights["kind"], lights["size"].astype(np.float64).T
    axis = -lights["open"][:, :, 2].astype(np.float64)
    out[:, :3], out[:, 3] = lights["open"][:, :, 3], NEVER
    for name, area, reach in (("rectangle", a * b, 0.5 * np.hypot(a, b)), ("disk", np.pi * a * a, a)):
        at = (kind == KINDS[name]) & (lights["flags"] & TWO_SIDED == 0)
        out[at, 3] = reach[at]
        out[at, 4:7] = axis[at] * area[at, None]
    ball, point, spot = (kind == KINDS[name] for name in ("sphere", "point", "spot"))
    out[ball, 3], out[ball, 7] = a[ball], np.pi * a[ball] ** 2
    out[point, 3], out[point, 7] = 0.0, 1.0
    out[spot, 3], out[spot, 4:7] = SPOT, axis[spot]
    inner, outer = lights["cone"].astype(np.float64).T
    out[spot, 8], out[spot, 9] = outer[spot], 1.0 / np.maximum(inner - outer, 1e-6)[spot]
    out[:, 12:15] = lights["emission"] * means
    single = np.array([len(p) == 1 and p[0, 3] == 0.0 for p in patches], np.bool_)
    for i in np.flatnonzero((kind == KINDS["mesh"]) & single).tolist():
        blob = patches[i][0]
        out[i] = blob
        out[i, 12:15] *= lights["emission"][i]
        out[i, 3] = np.sqrt(max(float(blob[7]), 0.0) / np.pi)
    plain = (lights["gain"] == 1.0).all(axis=1) & (lights["flags"] & SEEN_IN_REFLECTIONS != 0)
    out[~plain, 3] = NEVER
    return out


def sun_patches(tile: DomeTile) -> F64:
    """(k, PATCH) rows of a dome's suns, in its own frame: direction 3, -1 | 0, 0, 0, sine | zeros | radiance 3, 0."""
    out = np.zeros((len(tile.suns), PATCH))
    out[:, :3], out[:, 3] = tile.suns[:, :3], -1.0
    out[:, 7], out[:, 12:15] = tile.suns[:, 3], tile.suns[:, 4:]
    return out


def picture_mean(image: Image, kind: int) -> F64:
    """(3,) mean of a picture over a light of a kind: a disk shows what its circle cuts out, a sphere all longitudes."""
    light = linear_pixels(image).astype(np.float64)
    h, w = light.shape[:2]
    weight = np.ones((h, w))
    if kind == KINDS["disk"]:
        y, x = np.meshgrid((np.arange(h) + 0.5) / h * 2 - 1, (np.arange(w) + 0.5) / w * 2 - 1, indexing="ij")
        weight = (x * x + y * y <= 1.0) + 1e-9
    elif kind == KINDS["sphere"]:
        weight = np.repeat(np.sin(np.pi * (np.arange(h) + 0.5) / h)[:, None], w, axis=1)
    return np.asarray((light * weight[..., None]).sum(axis=(0, 1)) / weight.sum())


def _domes_of(flat: FlatScene) -> list[int]:
    """Rows of the domes that have a picture."""
    rows: list[int] = np.flatnonzero((flat.lights["kind"] == KINDS["dome"]) & (flat.lights["image"] >= 0)).tolist()
    return rows
