"""Meshes on the graphics card: all of them in two vertex buffers, deformed ones rewritten in place.

What a pose changes (position, normal, tangent) and what it does not (texture coordinates, colours, part) lie in
buffers of their own, so that a head of 25,000 vertices costs 0.7 MB a frame and no more. A vertex belongs to one part
and carries its row in the table of parts; where the file shares a vertex between parts, or has no normals and so wants
facets, the vertex is repeated here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.scene.geometry import Deformed, Mesh

MOVING = np.dtype([("position", "<f4", 3), ("normal", "<i2", 4), ("tangent", "<i2", 4)])
STILL = np.dtype([("uv0", "<f4", 2), ("uv1", "<f4", 2), ("color", "<f2", 4), ("part", "<u4")])
MOVING_FORMAT, MOVING_NAMES = "3f 4i2 4i2", ("in_position", "in_normal", "in_tangent")
STILL_FORMAT, STILL_NAMES = "2f 2f 4f2 1u4", ("in_uv0", "in_uv1", "in_color", "in_part")
_CORNERS = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)], np.float64)
_HALF_MAX = 65504.0


@dataclass(slots=True, eq=False)
class Placed:
    """A mesh in the buffers: its vertices start at `first`, its parts at row `first_part` of the table of parts.

    `source` gives the mesh's own vertex of each vertex here, None where they are the same; `triangles` (t, 3) count
    from 0. `box` (2, 3) are the lowest and highest corner.
    """

    deformed: Deformed
    first: int
    count: int
    first_part: int
    source: NDArray[np.intp] | None
    triangles: NDArray[np.uint32]
    box: NDArray[np.float64]
    see_through: bool  # a vertex colour has an alpha below 1

    @property
    def parts(self) -> tuple[int, ...]:
        """Runs of triangles, as in the mesh."""
        return self.deformed.mesh.parts


class MeshStore:
    """The vertex buffers. `placed[i]` is row i of FlatScene.meshes."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self.placed: list[Placed] = []
        self.part_rows = 0
        self._vertices = 0
        self._wasted = 0
        self._capacity = 0
        self.moving: moderngl.Buffer | None = None
        self.still: moderngl.Buffer | None = None
        self.generation = 0  # counts replacements of the buffers, which end the life of vertex arrays

    @property
    def bytes(self) -> int:
        """Memory of the vertex buffers."""
        return self._capacity * (MOVING.itemsize + STILL.itemsize)

    def sync(self, meshes: Sequence[Deformed], record: Callable[[str, int], None]) -> bool:
        """Hold these meshes; True when rows, parts or triangles are others than before, not only where vertices are.

        `record(what, bytes)` hears of every upload.
        """
        by_deformed = {id(p.deformed): p for p in self.placed}
        spare: dict[int, list[Placed]] = {}
        wanted = {id(d) for d in meshes}
        for p in self.placed:
            if id(p.deformed) not in wanted:
                spare.setdefault(id(p.deformed.mesh), []).append(p)
        placed: list[Placed | None] = []
        fresh: list[int] = []
        used: set[int] = set()
        for i, deformed in enumerate(meshes):
            found = by_deformed.get(id(deformed))
            if found is not None and id(found) in used:  # the same mesh listed twice
                found = None
            if found is None and (others := spare.get(id(deformed.mesh))):
                found = others.pop()
                found.deformed = deformed
                self._write_moving(found, record)
            if found is None:
                fresh.append(i)
            else:
                used.add(id(found))
            placed.append(found)
        same = not fresh and [id(p) for p in placed] == [id(p) for p in self.placed]
        self._wasted += sum(p.count for p in self.placed if id(p) not in used)
        if fresh:
            self._add(placed, fresh, meshes, record)
        self.placed = [p for p in placed if p is not None]
        if self._wasted > max(self._vertices // 2, 65536):
            self._pack(record)
            return True
        return not same

    def release(self) -> None:
        """Give the buffers back."""
        for buffer in (self.moving, self.still):
            if buffer is not None:
                buffer.release()
        self.moving = self.still = None
        self.placed.clear()
        self._capacity = self._vertices = self._wasted = self.part_rows = 0

    def _add(
        self,
        placed: list[Placed | None],
        fresh: list[int],
        meshes: Sequence[Deformed],
        record: Callable[[str, int], None],
    ) -> None:
        new = []
        for i in fresh:
            source, triangles = split(meshes[i].mesh)
            count = len(meshes[i].mesh.positions) if source is None else len(source)
            colors = meshes[i].mesh.colors
            see_through = colors is not None and bool((colors[:, 3] < 1.0).any())
            box = box_of(meshes[i])
            entry = Placed(meshes[i], self._vertices, count, self.part_rows, source, triangles, box, see_through)
            self._vertices += count
            self.part_rows += len(meshes[i].mesh.parts) - 1
            placed[i] = entry
            new.append(entry)
        self._reserve(self._vertices)
        for entry in new:
            self._write_moving(entry, record)
            self._write_still(entry, record)

    def _reserve(self, vertices: int) -> None:
        if vertices <= self._capacity and self.moving is not None:
            return
        old = self._capacity
        self._capacity = max(vertices, int(old * 1.5), 1024)
        for name, dtype in (("moving", MOVING), ("still", STILL)):
            buffer = self._context.buffer(reserve=self._capacity * dtype.itemsize, dynamic=name == "moving")
            before = getattr(self, name)
            if before is not None:
                self._context.copy_buffer(buffer, before, old * dtype.itemsize)
                before.release()
            setattr(self, name, buffer)
        self.generation += 1

    def _pack(self, record: Callable[[str, int], None]) -> None:
        """Write everything anew without the holes."""
        kept, self.placed = self.placed, []
        meshes = [p.deformed for p in kept]
        for buffer in (self.moving, self.still):
            assert buffer is not None
            buffer.release()
        self.moving = self.still = None
        self._capacity = self._vertices = self._wasted = self.part_rows = 0
        placed: list[Placed | None] = [None] * len(meshes)
        self._add(placed, list(range(len(meshes))), meshes, record)
        self.placed = [p for p in placed if p is not None]

    def _write_moving(self, entry: Placed, record: Callable[[str, int], None]) -> None:
        assert self.moving is not None
        rows = moving_vertices(entry.deformed, entry.source, entry.triangles)
        if len(rows):
            self.moving.write(rows.tobytes(), offset=entry.first * MOVING.itemsize)
        entry.box = box_of(entry.deformed)
        record("mesh", rows.nbytes)

    def _write_still(self, entry: Placed, record: Callable[[str, int], None]) -> None:
        assert self.still is not None
        rows = still_vertices(entry.deformed.mesh, entry.source, entry.triangles, entry.first_part)
        if len(rows):
            self.still.write(rows.tobytes(), offset=entry.first * STILL.itemsize)
        record("mesh layout", rows.nbytes)


# --- vertices --------------------------------------------------------------------------------------------------------
def split(mesh: Mesh) -> tuple[NDArray[np.intp] | None, NDArray[np.uint32]]:
    """Which of the mesh's vertices each vertex here repeats (None: all once, in order), and the triangles of those.

    A mesh without normals gets three vertices a triangle; one with several parts gets a vertex per part that uses it.
    """
    if mesh.normals is None:
        count = len(mesh.triangles)
        return mesh.triangles.reshape(-1).astype(np.intp), np.arange(count * 3, dtype=np.uint32).reshape(-1, 3)
    if len(mesh.parts) <= 2:
        return None, mesh.triangles
    sources, pieces, first = [], [], 0
    for start, end in itertools.pairwise(mesh.parts):
        used, index = np.unique(mesh.triangles[start:end], return_inverse=True)
        sources.append(used.astype(np.intp))
        pieces.append((index.reshape(-1, 3) + first).astype(np.uint32))
        first += len(used)
    return np.concatenate(sources), np.concatenate(pieces)


def _taken(values: NDArray[Any], source: NDArray[np.intp] | None) -> NDArray[Any]:
    return values if source is None else values[source]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-30), np.float32)


def moving_vertices(
    deformed: Deformed, source: NDArray[np.intp] | None, triangles: NDArray[np.uint32]
) -> NDArray[np.void]:
    """Rows of MOVING. The normal's fourth number is 0 where the normal is nothing; the tangent's is its hand, or 0."""
    positions = _taken(deformed.positions, source)
    out = np.zeros(len(positions), MOVING)
    out["position"] = positions
    if deformed.normals is not None:
        normals = _unit(_taken(deformed.normals, source))
    else:
        corner = positions[triangles.reshape(-1)].reshape(-1, 3, 3)
        face = _unit(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]))
        normals = np.zeros_like(positions)
        normals[triangles.reshape(-1)] = np.repeat(face, 3, axis=0)
    out["normal"][:, :3] = np.rint(normals * 32767.0)
    if deformed.tangents is not None:
        tangents = _taken(deformed.tangents, source)
        out["tangent"][:, :3] = np.rint(_unit(tangents[:, :3]) * 32767.0)
        out["tangent"][:, 3] = np.where(tangents[:, 3] < 0, -32767, 32767)
    return out


def still_vertices(
    mesh: Mesh, source: NDArray[np.intp] | None, triangles: NDArray[np.uint32], first_part: int
) -> NDArray[np.void]:
    """Rows of STILL. Vertices that no triangle uses belong to the first part."""
    count = len(mesh.positions) if source is None else len(source)
    out = np.zeros(count, STILL)
    for name in ("uv0", "uv1"):
        values = getattr(mesh, name)
        if values is not None:
            out[name] = _taken(values, source)
    out["color"] = 1.0 if mesh.colors is None else np.clip(_taken(mesh.colors, source), -_HALF_MAX, _HALF_MAX)
    out["part"] = first_part
    for part, (start, end) in enumerate(itertools.pairwise(mesh.parts)):
        out["part"][triangles[start:end].reshape(-1)] = first_part + part
    return out


def box_of(deformed: Deformed) -> NDArray[np.float64]:
    """(2, 3) lowest and highest corner of a mesh; zeros for an empty one."""
    p = deformed.positions
    if not len(p):
        return np.zeros((2, 3))
    return np.stack([p.min(axis=0), p.max(axis=0)]).astype(np.float64)


def corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 8, 3) corners of boxes (n, 2, 3)."""
    low, high = boxes[:, None, 0], boxes[:, None, 1]
    return np.asarray(low + (high - low) * _CORNERS)
