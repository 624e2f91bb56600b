"""Drawing shadow maps: tables of maps and of pairs go up, then one draw for each chunk of casters fills all tiles."""

from __future__ import annotations

from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import FlatScene
from studio.scene.lights import KINDS
from studio.viewport.device import Device
from studio.viewport.drawlist import BLENDED, MASKED, OPAQUE
from studio.viewport.gpuscene import FREE_UNIT, GpuScene, set_uniform
from studio.viewport.shadow_casters import PAIR_COLUMNS, Casters, boxes_of
from studio.viewport.shadow_maps import Maps, in_sight

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

MAPS_UNIT, PAIRS_UNIT = FREE_UNIT + 3, FREE_UNIT + 4
MAP_COLUMNS = 128
_CLIP_DISTANCE = 0x3000


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where tiles lie: the atlas, and the side and the corner (n, 2) of the block of every source."""

    buffer: moderngl.Framebuffer
    side: Ints
    corner: Ints


class MapDrawer:
    """Draws the casters of one scene into tiles of an atlas."""

    def __init__(self, device: Device, scene: GpuScene) -> None:
        self._device, self._scene, self._context = device, scene, device.context
        self.casters = Casters(self._context)
        self.boxes: tuple[F64, F64] = (np.zeros((0, 3)), np.zeros((0, 3)))  # of instances: centres, half extents
        self.hidden: NDArray[np.bool_] = np.zeros(0, np.bool_)  # instances that cast no shadows for now
        self._textures: dict[str, moderngl.Texture] = {}

    @property
    def bytes(self) -> int:
        """Memory of tables and indices."""
        return sum(t.width * t.height * 16 for t in self._textures.values()) + self.casters.bytes

    def list(self, flat: FlatScene) -> None:
        """Take over the casters of a flat scene."""
        self.casters.list(flat, self._scene.meshes, self._scene.record)
        self.boxes = boxes_of(flat, self._scene.meshes)

    def release(self) -> None:
        """Give everything back."""
        self.casters.release()
        for texture in self._textures.values():
            texture.release()
        self._textures.clear()

    def draw(self, flat: FlatScene, maps: Maps, places: Places, row: Ints, *, chance: int) -> tuple[int, Ints]:
        """Draw maps; returns triangles, and which sources see casters that block a share of light only. `row` are the
        rows of FlatScene.lights of all sources, `chance` varies which part of what blends blocks."""
        rows = self.casters.rows
        self._table("maps", _map_rows(maps, places), MAP_COLUMNS * 4, "f4").use(MAPS_UNIT)
        seen = in_sight(maps, *self.boxes)[:, rows[:, 0].astype(np.int64)] & self._blocks(flat, maps, row)
        drawn, which = np.nonzero(seen.T)
        pairs = np.stack([rows[drawn, 0], rows[drawn, 1], which.astype(np.uint32), rows[drawn, 3]], axis=1)
        self._table("pairs", pairs.astype(np.uint32), PAIR_COLUMNS, "u4").use(PAIRS_UNIT)
        self._scene.use()
        context = self._context
        places.buffer.use()
        places.buffer.viewport = (0, 0, *places.buffer.size)
        context.enable_only(moderngl.DEPTH_TEST)
        context.depth_func = "1"
        tall = places.buffer.width / places.buffer.height
        clear = self._device.program("shadow_clear")
        set_uniform(clear, "maps_table", MAPS_UNIT)
        set_uniform(clear, "tall", tall)
        self._device.screen(clear).render(moderngl.TRIANGLES, vertices=6, instances=len(maps.near))
        context.depth_func = "<"
        for k in range(4):
            context.enable_direct(_CLIP_DISTANCE + k)
        doubtful = [np.zeros(0, np.int64)]
        ends = np.searchsorted(drawn, [c.start for c in self.casters.chunks] + [c.end for c in self.casters.chunks])
        for chunk, first, end in zip(self.casters.chunks, ends, ends[len(self.casters.chunks) :]):
            if end > first:
                if chunk.coverage == BLENDED:
                    doubtful.append(maps.source[which[first:end]])
                program = self._program(chunk.coverage, chunk.textured, chance)
                set_uniform(program, "tall", tall)
                program["first_pair"].value = int(first)  # type: ignore[union-attr]
                array = self.casters.array(program, self._scene.meshes)
                array.render(moderngl.TRIANGLES, vertices=chunk.count, first=chunk.first, instances=int(end - first))
        for k in range(4):
            context.disable_direct(_CLIP_DISTANCE + k)
        return int(self.casters.triangles[drawn].sum()), np.unique(np.concatenate(doubtful))

    def _program(self, coverage: int, textured: bool, chance: int) -> moderngl.Program:
        if coverage == OPAQUE:
            program = self._device.program("shadow_solid")
        else:
            cut = 1 if coverage == MASKED else 3
            program = self._device.program("shadow_cut", COVERAGE=cut, SURFACE_FAMILY=0, TEXTURED=int(textured))
        self._scene.wire(program)
        set_uniform(program, "maps_table", MAPS_UNIT)
        set_uniform(program, "pairs_table", PAIRS_UNIT)
        set_uniform(program, "chance", float(max(chance, 0)))
        return program

    def _blocks(self, flat: FlatScene, maps: Maps, row: Ints) -> NDArray[np.bool_]:
        """(m, casters) whether a caster may block the light of a map: not a lamp its own, nor what is hidden or not
        linked."""
        rows = self.casters.rows
        lights = flat.lights[row[maps.source]]
        own = (lights["kind"] == KINDS["mesh"])[:, None] & (lights["instance"][:, None] == rows[None, :, 0])
        own &= lights["part"][:, None] == rows[None, :, 2]
        out = ~own
        if self.hidden.any():
            out &= ~self.hidden[rows[:, 0].astype(np.int64)]
        if len(flat.shadow_links) > 1:
            light = row[maps.source]
            links = (flat.shadow_links[:, light // 32] >> (light % 32).astype(np.uint32)) & 1  # (sets, m)
            out &= links[flat.instances["shadow_link"][rows[:, 0].astype(np.int64)]].T > 0
        return np.asarray(out)

    def _table(self, name: str, words: NDArray[np.uint32], columns: int, dtype: str) -> moderngl.Texture:
        """Words (n, 4 k) in a texture so many texels wide."""
        texels = words.size // 4
        lines = max(1, -(-texels // columns))
        found = self._textures.get(name)
        if found is None or found.height < lines:
            if found is not None:
                found.release()
            found = self._textures[name] = self._context.texture((columns, max(lines, 16)), 4, dtype=dtype)
            found.filter = (moderngl.NEAREST, moderngl.NEAREST)
        padded = np.zeros((lines * columns, 4), np.uint32)
        padded[:texels] = words.reshape(-1, 4)
        found.write(padded.tobytes(), viewport=(0, 0, columns, lines))
        return found


def _map_rows(maps: Maps, places: Places) -> NDArray[np.uint32]:
    """(m, 16) numbers of maps, as words."""
    side = places.side[maps.source]
    at = places.corner[maps.source] + np.stack([maps.side // 2, maps.side % 2], axis=1) * side[:, None]
    size = np.array(places.buffer.size)
    half = side[:, None] / size
    out = np.zeros((len(side), 4, 4), np.float32)
    out[:, 0, :3], out[:, 0, 3] = maps.origin, maps.near
    out[:, 1:, :3] = maps.axes
    out[:, 1:3, 3] = at * (2.0 / size) + half - 1.0
    out[:, 3, 3] = np.where(maps.parallel, -half[:, 0], half[:, 0])
    return out.reshape(-1, 16).view(np.uint32)
