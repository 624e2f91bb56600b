"""What the lighting shaders read beside the scene's own tables: lobes, the pictures of lights, patches, domes.

Three textures, made of sections of the flat scene and again only when those are other objects: `lobe_table` (albedos
and cosine matrices, constant), `lighting_table` (eight texels for every row of FlatScene.lights, then the patches of
mesh lights, the suns of domes and the records of what shapes a light) and `dome_atlas` (a tile for every picture of a
dome, and one for every profile, gobo and picture of a flat light). `shaders/lights.glsl`, `ibl.glsl` and
`shaping.glsl` read them.

    2 i       mean colour of its picture 3, first patch 1 (of a shaped light its record, see `shaping_records`)
              | patches 1, has a dome's picture 1, is shaped by direction 1, has the picture of a flat light 1
              | domes: left, top and side of the tile 3, 0. Others: left, top, width, height of the profile's tile
              | domes: mean radiance 3, 0. Others: left, top, width, height of the tile of the gobo or picture
    2 i + 1   the light as it looks from afar, in the form of a blob (`meshlights`), with its reach in place of corners
              and its radiance in place of the tint. A reach of SPOT: axis 3, 0 | cosine of the outer angle, 1 over the
              difference of both, 0, 0. A reach of NEVER: it has no such form. Where it is shaped by direction the
              reach is SHAPED_SPOT, or SHAPED less the reach.

Seen from afar most of hundreds of lights are points with a size to each side; what that saves is said in `lights.glsl`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene import lobe_energy
from studio.scene.flat import FlatScene
from studio.scene.geometry import Image
from studio.scene.light_pixels import linear_pixels
from studio.scene.light_shaping import is_profile
from studio.scene.lights import KINDS, SEEN_IN_REFLECTIONS, TWO_SIDED
from studio.viewport import ltc
from studio.viewport.environment import DomeTile, dome_tile
from studio.viewport.meshlights import PATCH, mesh_patches

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SAMPLERS = ("lobe_table", "lighting_table", "dome_atlas")  # one texture unit each, in this order
LOBE_COLUMNS = 256
PER_LINE = 128  # rows of the lighting table side by side, four texels each
SPOT, SHAPED_SPOT, NEVER, SHAPED = -1.0, -1.5, -2.0, -4.0
_MOST_TEXELS = 1 << 24  # of all profiles, gobos and pictures of flat lights together
_PROFILE, _PICTURE = 8, 12  # where their tiles stand in a row
_FLAT = (KINDS["rectangle"], KINDS["disk"])
_SHAPES = tuple(KINDS[name] for name in ("rectangle", "disk", "sphere", "cylinder"))
_GEOMETRY = ("meshes", "instance_materials", "materials", "slots", "textures")


def lobe_rows() -> F32:
    """(lines, LOBE_COLUMNS) numbers of the lobe table: albedos, then the three sheets of cosine matrices."""
    numbers = np.concatenate([lobe_energy.build(), np.moveaxis(ltc.table(), 2, 0).ravel()])
    out = np.zeros(-(-numbers.size // LOBE_COLUMNS) * LOBE_COLUMNS, np.float32)
    out[: numbers.size] = numbers
    return out.reshape(-1, LOBE_COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class FlatTile:
    """A profile or a picture as it is: (height, width, 4) float32 of linear light."""

    pixels: F32


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """Tiles by what they are of: where each lies, and all their texels. Domes go by the key of their picture, other
    tiles by the key and their largest side."""

    places: dict[Hashable, tuple[int, int]]
    tiles: dict[Hashable, DomeTile | FlatTile]
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
        self._shaped = self._pictured = False
        self._patches: list[F64] = []  # of every row of lights
        self._means: dict[tuple[str, int], F64] = {}

    @property
    def shaped(self) -> bool:
        """Whether any light is shaped by direction, so that programs need SHAPED."""
        return self._shaped

    @property
    def pictured(self) -> bool:
        """Whether any light has a picture, which a view at rest reads: then programs need SHAPED too."""
        return self._pictured

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
        self._shaped, self._pictured = bool(shaped_lights(flat.lights).any()), bool(_flat_tiles_of(flat))
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
        shaped = shaped_lights(flat.lights)
        for i, record in zip(np.flatnonzero(shaped).tolist(), shaping_records(flat.lights[shaped]), strict=True):
            patches[i] = record[None]
        for i in _domes_of(flat):
            image = flat.textures[flat.lights["image"][i]]
            tile = self._atlas.tiles[image.key]
            assert isinstance(tile, DomeTile)
            out[i, 5] = 1.0
            out[i, 8:11] = *self._atlas.places[image.key], tile.size
            out[i, 12:15] = tile.mean
            patches[i] = sun_patches(tile)
        out[shaped, 6] = 1.0
        largest = _largest_side(flat)
        for i, first, image in _flat_tiles_of(flat):
            height, width = self._atlas.tiles[image.key, largest].pixels.shape[:2]
            out[i, first : first + 4] = *self._atlas.places[image.key, largest], width, height
            out[i, 7] = flat.lights["image"][i] >= 0
        numbers = np.array([len(p) for p in patches], np.int64).reshape(-1)
        out[:, 3] = 2 * count + np.cumsum(numbers) - numbers
        out[:, 4] = numbers
        both = np.stack([out, from_afar(flat.lights, out[:, :3], patches, shaped)], axis=1).reshape(-1, PATCH)
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

    def dome(self, image: Image) -> DomeTile | None:
        """The tile of a dome's picture, None when it is not one of the scene's."""
        found = self._atlas.tiles.get(image.key)
        return found if isinstance(found, DomeTile) else None

    def _sync_domes(self, flat: FlatScene) -> None:
        made: dict[Hashable, Callable[[], DomeTile | FlatTile]] = {}
        for image in (flat.textures[flat.lights["image"][i]] for i in _domes_of(flat)):
            made[image.key] = functools.partial(dome_tile, image)
        largest = _largest_side(flat)
        for _, _, image in _flat_tiles_of(flat):
            made[image.key, largest] = functools.partial(flat_tile, image, largest)
        if made.keys() == self._atlas.tiles.keys():
            return
        tiles = {key: self._atlas.tiles.get(key) or make() for key, make in made.items()}
        self._atlas = arranged(tiles, self._context.info["GL_MAX_TEXTURE_SIZE"])
        width, height = self._atlas.size
        self._domes.release()
        self._domes = self._context.texture((width, height), 4, dtype="f4")
        self._domes.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self._domes.repeat_x = self._domes.repeat_y = False
        for key, tile in tiles.items():
            h, w = tile.pixels.shape[:2]
            self._domes.write(tile.pixels.tobytes(), viewport=(*self._atlas.places[key], w, h))
            self._record("dome" if isinstance(tile, DomeTile) else "light picture", tile.pixels.nbytes)


def arranged(tiles: Mapping[Hashable, DomeTile | FlatTile], largest: int) -> Atlas:
    """Tiles in columns about as high as all of them are wide, the widest first; a column is as wide as its widest."""
    if not tiles:
        return Atlas({}, {}, (1, 1))
    shapes = {key: tile.pixels.shape[:2] for key, tile in tiles.items()}
    area, tallest = sum(h * w for h, w in shapes.values()), max(h for h, _ in shapes.values())
    height = min(largest, max(tallest, int(np.sqrt(area))))
    places: dict[Hashable, tuple[int, int]] = {}
    left = top = bottom = right = 0
    for key in sorted(shapes, key=lambda k: -shapes[k][1]):
        h, w = shapes[key]
        if top + h > height:
            left, top = right, 0
        places[key] = (left, top)
        top += h
        bottom, right = max(bottom, top), max(right, left + w)
    return Atlas(places, dict(tiles), (right, bottom))


def flat_tile(image: Image, largest: int) -> FlatTile:
    """A picture as a tile; one with more texels to a side than `largest` comes as means of blocks, a profile as it is,
    in one column where it is even around the axis."""
    pixels = linear_pixels(image)
    h, w = pixels.shape[:2]
    step = 1 if is_profile(image) else -(-max(h, w) // largest)
    if is_profile(image) and (pixels == pixels[:, :1]).all():
        pixels = pixels[:, :1]
    if step > 1:
        pixels = np.stack([_block_means(pixels[..., c], step) for c in range(3)], axis=-1)
    out = np.ones((*pixels.shape[:2], 4), np.float32)
    out[..., :3] = pixels
    return FlatTile(out)


def _block_means(values: F32, step: int) -> F32:
    """Means of blocks of step x step, those at the far edges of what is left."""
    h, w = values.shape
    rows, columns = np.arange(0, h, step), np.arange(0, w, step)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    return np.asarray(sums / np.outer(np.diff(np.append(rows, h)), np.diff(np.append(columns, w))), np.float32)


def shaped_lights(lights: NDArray[np.void]) -> NDArray[np.bool_]:
    """(n,) which lights are shaped by direction beyond the cone of a spot."""
    doors = (lights["barn"] != 0.0).any(axis=1)
    return np.asarray((lights["profile"] >= 0) | (lights["gobo"] >= 0) | doors | (lights["spread"] > 0.0))


def shaping_records(lights: NDArray[np.void]) -> F64:
    """(n, PATCH) what shapes lights: x axis 3, softness of doors | y axis 3, spread | doors 4 | turn of the gobo 4.

    Softness is -1 less itself where there is a gobo, spread likewise where there is a profile.
    """
    out = np.zeros((len(lights), PATCH))
    out[:, :3], out[:, 4:7] = lights["open"][:, :, 0], lights["open"][:, :, 1]
    out[:, 3] = np.where(lights["gobo"] >= 0, -1.0 - lights["barn_soft"], lights["barn_soft"])
    out[:, 7] = np.where(lights["profile"] >= 0, -1.0 - lights["spread"], lights["spread"])
    out[:, 8:12], out[:, 12:16] = lights["barn"], lights["gobo_turn"]
    return out


def from_afar(lights: NDArray[np.void], means: F64, patches: list[F64], shaped: NDArray[np.bool_]) -> F64:
    """(n, PATCH) rows of lights as they look from afar. `means` (n, 3) are the mean colours of their pictures, `shaped`
    (n,) those that shade by direction.

    What a light shows to a direction d is its area times max(0, d . n) for one side of a flat one and constant for a
    ball; that of a mesh stands in its blob. Points and spots have gains; a point with gains is a spot without an edge.
    Tubes, lights of two sides and others with gains have no such form.
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
    spots = shaped & spot
    sized = shaped & (out[:, 3] >= 0.0)
    out[spots, 3], out[sized, 3] = SHAPED_SPOT, SHAPED - out[sized, 3]
    gain = lights["gain"].astype(np.float64)
    gain[lights["flags"] & SEEN_IN_REFLECTIONS == 0, 1] = 0.0
    plain = (gain == 1.0).all(axis=1)
    edgeless = point & ~plain & ~shaped
    out[edgeless, 3], out[edgeless, 8], out[edgeless, 9] = SPOT, -2.0, 1.0
    narrow = spot | edgeless
    out[narrow, 10:12] = gain[narrow]
    out[~plain & ~narrow, 3] = NEVER
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


def _flat_tiles_of(flat: FlatScene) -> list[tuple[int, int, Image]]:
    """Profiles, gobos and pictures of flat lights: row of the light, where its tile stands in the table, the image."""
    lights = flat.lights
    pictured = np.where(np.isin(lights["kind"], _FLAT), lights["image"], -1)
    columns = ((lights["profile"], _PROFILE), (lights["gobo"], _PICTURE), (pictured, _PICTURE))
    return [
        (i, first, flat.textures[image[i]]) for image, first in columns for i in np.flatnonzero(image >= 0).tolist()
    ]


def _largest_side(flat: FlatScene) -> int:
    """Texels to a side that every profile, gobo and picture may have so that all of them have room."""
    count = len({image.key for _, _, image in _flat_tiles_of(flat)})
    return max(int(np.sqrt(_MOST_TEXELS / max(count, 4))), 64)
