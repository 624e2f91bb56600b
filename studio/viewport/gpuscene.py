"""The flat scene on the graphics card: tables, meshes, textures, and the list of what to draw.

`sync` uploads a section when it is not the same object as last time, and says what it uploaded; nothing is compared
but identities. Rows of lights, materials, slots and instances lie in data textures (`layouts`), whole sections at a
time: 300 lights are 53 KB, which costs less than keeping books of what changed in them.

What is drawn: parts of meshes that occur once are joined into one draw for all of a kind, since every vertex knows its
part and a table gives the part's instance and material; meshes that occur often are instanced. A kind is how much of
the surface model a part needs and whether it is opaque, so the cheap majority of surfaces never pays for coats.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import INSTANCE, SEEN_BY_CAMERA, FlatScene
from studio.scene.lights import KINDS, LIGHT
from studio.scene.materials import SLOT_STRIDE, STRIDE
from studio.viewport import layouts
from studio.viewport.device import Device
from studio.viewport.drawlist import THROUGH, Batch, Listing, features_of, kinds_of
from studio.viewport.environment import SUNS
from studio.viewport.lamps import LAMPS_PER_LINE, Lamps, lamp_keys, lamp_rows, link_words, sort_lamps
from studio.viewport.lighting import SAMPLERS, Lighting
from studio.viewport.meshstore import (
    MOVING_FORMAT,
    MOVING_NAMES,
    STILL_FORMAT,
    STILL_NAMES,
    MeshStore,
    corners,
)
from studio.viewport.shadow_sky import DRAWS
from studio.viewport.texturestore import ARRAYS, TextureStore

F64 = NDArray[np.float64]

# texture units of the scene; those from FREE_UNIT on are for what a pass brings along
UNITS = {
    "instances_table": 0,
    "draws_table": 1,
    "objects_table": 2,  # these three are read by vertex shaders alone
    "materials_table": 3,
    "slots_table": 4,
    "lights_table": 5,
    "masks_table": 6,
}
FIRST_ARRAY = 7
LIGHTING_UNIT = FIRST_ARRAY + ARRAYS
FREE_UNIT = LIGHTING_UNIT + len(SAMPLERS)


_SECTIONS = (
    *("meshes", "instances", "instance_materials", "materials", "slots", "textures"),
    *("lights", "light_ids", "light_links"),
)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one `sync` uploaded. `uploads` lists every write: what it was and how many bytes."""

    sections: frozenset[str] = frozenset()
    meshes: int = 0
    textures: int = 0
    bytes: int = 0
    seconds: float = 0.0
    uploads: tuple[tuple[str, int], ...] = ()


class _Table:
    """A data texture of words, replaced when it must grow."""

    def __init__(self, context: moderngl.Context, texels: int, dtype: str = "u4") -> None:
        self._context, self._texels, self._dtype = context, texels, dtype
        self.texture: moderngl.Texture | None = None

    def write(self, words: NDArray[np.uint32]) -> int:
        """Put rows (n, 4 * texels) in; returns the bytes written."""
        size = layouts.size_of(len(words), self._texels)
        if self.texture is None or self.texture.height < size[1]:
            if self.texture is not None:
                self.texture.release()
            size = (size[0], max(size[1], 1 if self.texture is None else int(self.texture.height * 1.5)))
            self.texture = self._context.texture(size, 4, dtype=self._dtype)
            self.texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        lines = max(1, -(-len(words) // layouts.PER_LINE))
        padded = np.zeros((lines * layouts.PER_LINE, self._texels * 4), np.uint32)
        padded[: len(words)] = words
        self.texture.write(padded.tobytes(), viewport=(0, 0, self._texels * layouts.PER_LINE, lines))
        return padded.nbytes

    @property
    def bytes(self) -> int:
        return self.texture.width * self.texture.height * 16 if self.texture else 0


class GpuScene:
    """One scene on one device. Several views may draw it."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.context = device.context
        self._uploads: list[tuple[str, int]] = []
        self.flat: FlatScene | None = None
        self.meshes = MeshStore(self.context)
        self.textures = TextureStore(self.context, device.limits.array_layers)
        self.lighting = Lighting(self.context, self.record)
        words = layouts.texels_of
        self._tables = {
            "instances_table": _Table(self.context, words(INSTANCE.itemsize // 4)),
            "draws_table": _Table(self.context, 1),
            "materials_table": _Table(self.context, words(STRIDE), "f4"),
            "slots_table": _Table(self.context, words(SLOT_STRIDE + layouts.PLACE_WORDS), "f4"),
            "lights_table": _Table(self.context, words(LIGHT.itemsize // 4)),
        }
        self._indices: moderngl.Buffer | None = None
        self._arrays: dict[int, moderngl.VertexArray] = {}
        self._arrays_of = -1
        self.lamps = Lamps()
        self.lamps_line = 1  # line of the first lamp in the table of lights
        self.lamp_words = (1, 0)  # line of their keys, and which word from there on is the first of links
        self.shadow_line = 2  # line of the first record of shadows
        self.light_puts = 0  # counts writes of the table of lights, which leave the records of shadows empty
        self.linked = False  # whether some lights do not shine on some objects
        self.batches: tuple[Batch, ...] = ()
        self.bounds: tuple[F64, F64] = (np.full(3, -0.5), np.full(3, 0.5))
        self.triangles = 0
        self.changes = 0  # counts syncs that changed anything

    # --- what is there ------------------------------------------------------------------------------------------------
    @property
    def bytes(self) -> int:
        """Memory that the scene takes on the card."""
        indices = self._indices.size if self._indices else 0
        tables = sum(table.bytes for table in self._tables.values())
        return self.meshes.bytes + self.textures.bytes + self.lighting.bytes + tables + indices

    def sync(self, flat: FlatScene) -> SyncReport:
        """Upload what is not the same object as last time. Raises OutOfDeviceMemory."""
        begun = time.perf_counter()
        self._uploads = []
        before = self.flat
        new = {name for name in _SECTIONS if before is None or getattr(flat, name) is not getattr(before, name)}
        self.flat = flat
        remade = "meshes" in new and self.meshes.sync(flat.meshes, self.record)
        if "textures" in new:
            self.textures.sync(flat.textures, self.record)
        if new & {"slots", "textures"}:
            self._put("slots_table", np.concatenate([flat.slots, self._slot_places(flat)], axis=1))
        if "materials" in new:
            self._put("materials_table", flat.materials)
        if "instances" in new:
            self._put("instances_table", flat.instances)
        if remade or self._draws_differ(flat, before, new):
            self._list_draws(flat)
        if new & {"meshes", "instances"}:
            self._bound(flat)
        if new & {"lights", "light_ids", "light_links", "meshes", "instances"}:
            self._put_lights(flat)
        self.lighting.sync(flat)
        if new:
            self.changes += 1
        meshes = sum(what == "mesh" for what, _ in self._uploads)
        return SyncReport(
            sections=frozenset(new),
            meshes=meshes,
            textures=sum(what == "texture" for what, _ in self._uploads),
            bytes=sum(size for _, size in self._uploads),
            seconds=time.perf_counter() - begun,
            uploads=tuple(self._uploads),
        )

    def release(self) -> None:
        """Give everything back."""
        self._drop_arrays()
        self.meshes.release()
        self.textures.release()
        self.lighting.release()
        for table in self._tables.values():
            if table.texture is not None:
                table.texture.release()
                table.texture = None
        if self._indices is not None:
            self._indices.release()
        self._indices = None
        self.flat = None
        self.batches = ()

    # --- drawing ------------------------------------------------------------------------------------------------------
    def use(self) -> None:
        """Bind tables and texture arrays to their units."""
        for name, table in self._tables.items():
            if table.texture is not None:
                table.texture.use(UNITS[name])
        self.textures.use(FIRST_ARRAY)
        self.lighting.use(LIGHTING_UNIT)

    def wire(self, program: moderngl.Program) -> None:
        """Tell a program where the scene's tables are bound."""
        for name, unit in UNITS.items():
            set_uniform(program, name, unit)
        for i in range(ARRAYS):
            set_uniform(program, f"images_{i}", FIRST_ARRAY + i)
        self.lighting.wire(program, LIGHTING_UNIT)

    def draw(self, program: moderngl.Program, batches: Iterable[Batch]) -> None:
        """Draw batches with a program that stands on mesh.vert."""
        array = self._array(program)
        base: Any = program.get("draw_base", None)
        thickest: Any = program.get("thickest", None)
        for batch in batches:
            if base is not None:
                base.value = batch.base
            if thickest is not None:
                thickest.value = batch.thickest
            array.render(moderngl.TRIANGLES, vertices=batch.count, first=batch.first, instances=batch.instances)

    def _array(self, program: moderngl.Program) -> moderngl.VertexArray:
        if self._arrays_of != self.meshes.generation:
            self._drop_arrays()
            self._arrays_of = self.meshes.generation
        found = self._arrays.get(program.glo)
        if found is None:
            assert self.meshes.moving is not None and self.meshes.still is not None and self._indices is not None
            content = [
                (self.meshes.moving, *_only(program, MOVING_FORMAT, MOVING_NAMES)),
                (self.meshes.still, *_only(program, STILL_FORMAT, STILL_NAMES)),
            ]
            found = self._arrays[program.glo] = self.context.vertex_array(
                program, [c for c in content if len(c) > 2], index_buffer=self._indices, index_element_size=4
            )
        return found

    def _drop_arrays(self) -> None:
        for array in self._arrays.values():
            array.release()
        self._arrays.clear()

    # --- uploads ------------------------------------------------------------------------------------------------------
    def record(self, what: str, size: int) -> None:
        """Note an upload for the report of this sync."""
        self._uploads.append((what, size))

    def _put(self, name: str, rows: NDArray[Any]) -> None:
        self.record(name, self._tables[name].write(layouts.as_words(rows)))

    def _slot_places(self, flat: FlatScene) -> NDArray[np.float32]:
        """Where the image of every slot lies; array -1 for a missing one."""
        missing = np.zeros((1, layouts.PLACE_WORDS), np.float32)
        missing[0, 0] = -1.0
        table = np.concatenate([self.textures.places, missing])
        image = flat.slots[:, 1].astype(np.intp)
        return np.asarray(table[np.where((image >= 0) & (image < len(table) - 1), image, len(table) - 1)])

    def _draws_differ(self, flat: FlatScene, before: FlatScene | None, new: set[str]) -> bool:
        """Whether what is drawn, not where, is other than before."""
        if before is None or "instance_materials" in new:
            return True
        if "instances" in new:
            a, b = flat.instances, before.instances
            if len(a) != len(b) or any((a[n] != b[n]).any() for n in ("mesh", "material_start", "object")):
                return True
            if ((a["flags"] ^ b["flags"]) & SEEN_BY_CAMERA).any() or self._sorted_by_depth():
                return True
        if new & {"materials", "slots"}:
            if len(flat.materials) != len(before.materials):
                return True
            if (features_of(flat) != features_of(before)).any():
                return True
            return any((x != y).any() for x, y in zip(kinds_of(flat), kinds_of(before)))
        return False

    def _sorted_by_depth(self) -> bool:
        """Whether anything is drawn by depth, whose order depends on where instances are."""
        return any(b.coverage >= THROUGH for b in self.batches)

    def _list_draws(self, flat: FlatScene) -> None:
        listing = Listing(flat, self.meshes)
        rows, indices, self.batches = listing.draws()
        self.triangles = listing.triangles
        self._put("draws_table", rows)
        if self._indices is None or self._indices.size < indices.nbytes:
            self._drop_arrays()
            if self._indices is not None:
                self._indices.release()
            self._indices = self.context.buffer(reserve=max(int(indices.nbytes * 1.2), 64))
        if indices.nbytes:
            self._indices.write(indices.tobytes())
        self.record("indices", indices.nbytes)

    def _bound(self, flat: FlatScene) -> None:
        """Corners of everything in the world."""
        if not len(flat.instances):
            self.bounds = (np.full(3, -0.5), np.full(3, 0.5))
            return
        boxes = np.array([p.box for p in self.meshes.placed])[flat.instances["mesh"]]
        matrices = flat.instances["open"].astype(np.float64)
        places = np.einsum("nij,nkj->nki", matrices[:, :, :3], corners(boxes)) + matrices[:, None, :, 3]
        self.bounds = (places.min(axis=(0, 1)), places.max(axis=(0, 1)))

    def _put_lights(self, flat: FlatScene) -> None:
        """The rows of lights, and behind them in the same texture the lamps as passes sort them."""
        self.lamps = sort_lamps(flat, self.meshes, self.bounds)
        lights, texels = layouts.as_words(flat.lights), layouts.texels_of(LIGHT.itemsize // 4)
        lines = max(1, -(-len(lights) // layouts.PER_LINE))
        words = np.zeros((lines * layouts.PER_LINE, texels * 4), np.uint32)
        words[: len(lights)] = lights
        self.lamps_line = lines
        width = texels * layouts.PER_LINE
        lamps = _in_lines(lamp_rows(flat, self.lamps), width)
        self.linked = len(flat.light_links) > 1
        self.lamp_words = (lines + len(lamps), self.lamps.count)
        alone = [lamp_keys(flat, self.lamps), *link_words(flat, self.lamps)]
        single = _in_lines(_first_word(np.concatenate(alone)), width)
        self.shadow_line = lines + len(lamps) + len(single)
        self.light_puts += 1
        points = len(self.lamps.points)
        domes = int((flat.lights["kind"] == KINDS["dome"]).sum())
        others = self.lamps.count - points + (DRAWS + SUNS * domes if domes else 0)
        room = np.zeros((shadow_lines(points, others), *lamps.shape[1:]), np.uint32)
        behind = np.concatenate([lamps, single, room]).reshape(-1, texels * 4)
        self._put("lights_table", np.concatenate([words, behind]))

    def write_shadows(self, texels: NDArray[np.uint32]) -> None:
        """Put the records of shadows (n, 4) where `_put_lights` left room for them."""
        table = self._tables["lights_table"].texture
        assert table is not None
        lines = -(-len(texels) // LAMPS_PER_LINE)
        padded = np.zeros((lines * LAMPS_PER_LINE, 4), np.uint32)
        padded[: len(texels)] = texels
        table.write(padded.tobytes(), viewport=(0, self.shadow_line, LAMPS_PER_LINE, lines))
        self.record("shadow records", padded.nbytes)


def _first_word(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """(n, 4) rows whose first words these are."""
    out = np.zeros((words.size, 4), np.uint32)
    out[:, 0] = words.ravel()
    return out


def shadow_lines(points: int, others: int) -> int:
    """Lines of the table of lights for the records of shadows: one texel a plain point, then four a light."""
    return max(1, -(-(4 * -(-points // 4) + 4 * others) // LAMPS_PER_LINE))


def _in_lines(rows: NDArray[np.uint32], width: int) -> NDArray[np.uint32]:
    """(lines, width, 4) texels: LAMPS_PER_LINE rows of four words at the start of each line."""
    out = np.zeros((max(1, -(-len(rows) // LAMPS_PER_LINE)), width, 4), np.uint32)
    padded = np.zeros((len(out) * LAMPS_PER_LINE, 4), np.uint32)
    padded[: len(rows)] = rows
    out[:, :LAMPS_PER_LINE] = padded.reshape(len(out), LAMPS_PER_LINE, 4)
    return out


def set_uniform(program: moderngl.Program, name: str, value: Any) -> None:
    """Set a uniform that the compiler may have found to be unused."""
    found: Any = program.get(name, None)
    if found is not None:
        found.value = value


def _only(program: moderngl.Program, layout: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Buffer format and names of the attributes that a program reads, the others skipped over."""
    formats, kept = [], []
    for part, name in zip(layout.split(), names, strict=True):
        if name in program:
            formats.append(part)
            kept.append(name)
        else:
            formats.append(_PADDING[part])
    return (" ".join(formats), *kept)


_PADDING = {"3f": "12x", "4i2": "8x", "2f": "8x", "4f2": "8x", "1u4": "4x"}
