"""What casts shadows: parts of meshes with every instance of each, and which of them each side of a light sees.

The list of draws of a view is not enough, for what a camera does not see may cast shadows, and what a lamp's map shows
must be chosen map by map. Here a chunk is one part of one mesh with one kind of opacity; one draw shows it in all maps
of an update at once, for every (instance, map) pair that was found by boxes against frusta. So an update costs as many
draws as there are chunks in it, whether one lamp moved or three hundred.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene.flat import CASTS_SHADOWS, FlatScene
from studio.scene.materials import OFFSET
from studio.viewport.drawlist import BLENDED, MASKED, OPAQUE, kinds_of
from studio.viewport.meshstore import MOVING_FORMAT, MOVING_NAMES, STILL_FORMAT, STILL_NAMES, MeshStore, corners

F64 = NDArray[np.float64]
PAIR_COLUMNS = 1024  # pairs side by side in their table


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Indices `first` .. of one part, and rows `start` .. `end` of the casters that draw it."""

    first: int
    count: int
    coverage: int  # OPAQUE, MASKED or BLENDED
    textured: bool
    start: int
    end: int


def boxes_of(flat: FlatScene, meshes: MeshStore) -> tuple[F64, F64]:
    """Centres and half extents (n, 3) of the instances' boxes in the world."""
    if not len(flat.instances):
        return np.zeros((0, 3)), np.zeros((0, 3))
    boxes = np.array([p.box for p in meshes.placed])[flat.instances["mesh"]]
    matrices = flat.instances["open"].astype(np.float64)
    places = np.einsum("nij,nkj->nki", matrices[:, :, :3], corners(boxes)) + matrices[:, None, :, 3]
    places = np.nan_to_num(places, nan=0.0, posinf=1e6, neginf=-1e6)
    low, high = places.min(axis=1), places.max(axis=1)
    return (low + high) / 2, (high - low) / 2


class Casters:
    """The casters of one scene on one device. `rows` (n, 4) are instance, material, part, object of each."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self.chunks: tuple[Chunk, ...] = ()
        self.rows: NDArray[np.uint32] = np.zeros((0, 4), np.uint32)
        self.triangles: NDArray[np.int64] = np.zeros(0, np.int64)  # of every row
        self._indices: moderngl.Buffer | None = None
        self._arrays: dict[int, moderngl.VertexArray] = {}
        self._arrays_of = -1

    @property
    def bytes(self) -> int:
        """Memory of the indices."""
        return self._indices.size if self._indices else 0

    def list(self, flat: FlatScene, meshes: MeshStore, record: Callable[[str, int], None]) -> None:
        """Take over which parts of which instances cast shadows."""
        casting = np.flatnonzero(flat.instances["flags"] & CASTS_SHADOWS)
        order = casting[np.argsort(flat.instances["mesh"][casting], kind="stable")]
        used, starts = np.unique(flat.instances["mesh"][order], return_index=True)
        kinds = np.stack(kinds_of(flat), axis=1)
        chunks: list[Chunk] = []
        rows: list[NDArray[np.uint32]] = [np.zeros((0, 4), np.uint32)]
        runs: list[NDArray[np.uint32]] = [np.zeros(0, np.uint32)]
        first = total = 0
        for mesh, group in zip(used.tolist(), np.split(order, starts[1:])):
            placed = meshes.placed[mesh]
            for part, (start, end) in enumerate(itertools.pairwise(placed.parts)):
                if start == end:
                    continue
                run = (placed.triangles[start:end] + np.uint32(placed.first)).reshape(-1)
                materials = flat.instance_materials[flat.instances["material_start"][group] + part]
                kind = kinds[materials]
                coverage = np.where(kind[:, 2] == MASKED, MASKED, np.where(kind[:, 2] == BLENDED, BLENDED, OPAQUE))
                if placed.see_through:
                    mode = flat.materials[materials, OFFSET["alpha_mode"]]
                    coverage = np.where(mode == 2, BLENDED, np.where(mode == 1, MASKED, coverage))
                part_of = np.full(len(group), part)
                mine = np.stack([group, materials, part_of, flat.instances["object"][group]], axis=1).astype(np.uint32)
                for value, textured in sorted(set(zip(coverage.tolist(), (kind[:, 1] > 0).tolist()))):
                    at = (coverage == value) & ((kind[:, 1] > 0) == textured)
                    count = int(at.sum())
                    chunks.append(Chunk(first, run.size, value, textured and value != OPAQUE, total, total + count))
                    rows.append(mine[at])
                    total += count
                runs.append(run)
                first += run.size
        self.chunks, self.rows = tuple(chunks), np.concatenate(rows)
        self.triangles = np.concatenate(
            [np.zeros(0, np.int64), *(np.full(c.end - c.start, c.count // 3, np.int64) for c in chunks)]
        )
        self._write(np.concatenate(runs), record)

    def _write(self, indices: NDArray[np.uint32], record: Callable[[str, int], None]) -> None:
        if self._indices is None or self._indices.size < indices.nbytes:
            self._drop_arrays()
            if self._indices is not None:
                self._indices.release()
            self._indices = self._context.buffer(reserve=max(int(indices.nbytes * 1.2), 64))
        if indices.nbytes:
            self._indices.write(indices.tobytes())
        record("caster indices", indices.nbytes)

    def array(self, program: moderngl.Program, meshes: MeshStore) -> moderngl.VertexArray:
        """The vertices of all casters for a program."""
        if self._arrays_of != meshes.generation:
            self._drop_arrays()
            self._arrays_of = meshes.generation
        found = self._arrays.get(program.glo)
        if found is None:
            assert meshes.moving is not None and meshes.still is not None and self._indices is not None
            content: list[Any] = []
            for buffer, layout, names in (
                (meshes.moving, MOVING_FORMAT, MOVING_NAMES),
                (meshes.still, STILL_FORMAT, STILL_NAMES),
            ):
                found_names = only(program, layout, names)
                if len(found_names) > 1:
                    content.append((buffer, *found_names))
            found = self._arrays[program.glo] = self._context.vertex_array(
                program, content, index_buffer=self._indices, index_element_size=4
            )
        return found

    def release(self) -> None:
        """Give everything back."""
        self._drop_arrays()
        if self._indices is not None:
            self._indices.release()
        self._indices = None
        self.chunks, self.rows = (), np.zeros((0, 4), np.uint32)

    def _drop_arrays(self) -> None:
        for array in self._arrays.values():
            array.release()
        self._arrays.clear()


_PADDING = {"3f": "12x", "4i2": "8x", "2f": "8x", "4f2": "8x", "1u4": "4x"}


def only(program: moderngl.Program, layout: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Buffer format and names of the attributes that a program reads, the others skipped over."""
    formats, kept = [], []
    for part, name in zip(layout.split(), names, strict=True):
        formats.append(part if name in program else _PADDING[part])
        if name in program:
            kept.append(name)
    return (" ".join(formats), *kept)


def identities(flat: FlatScene) -> list[tuple[Any, ...]]:
    """What a caster's shadow depends on, a tuple for every instance."""
    table = flat.instances
    columns = [OFFSET[n] for n in ("geometry_opacity", "alpha_mode", "alpha_cutoff")]
    alpha = [row.tobytes() if row[1] else b"" for row in flat.materials[:, columns]]
    rows = zip(
        table["mesh"].tolist(), table["flags"].tolist(), table["shadow_link"].tolist(), table["open"],
        table["material_start"].tolist(), strict=True,
    )  # fmt: skip
    out = []
    for mesh, flags, link, matrix, start in rows:
        deformed = flat.meshes[mesh]
        parts = flat.instance_materials[start : start + len(deformed.mesh.parts) - 1].tolist()
        out.append((id(deformed), flags, link, matrix.tobytes(), tuple(alpha[m] for m in parts)))
    return out
