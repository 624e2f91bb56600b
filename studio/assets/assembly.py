"""Putting a mesh together: from the loose vertices of an importer to one `Mesh`.

Importers fill `Block`s, runs of vertices with the same columns, and `join` makes the mesh: missing normals become
faceted, missing columns neutral, tangents are computed where a normal map needs them, what is not a number is mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.assets.budget import Budget
from studio.assets.tangents import mikktspace
from studio.scene.geometry import F32, U32, Mesh, Morph, make_mesh

Column = NDArray[Any]
# the neutral value of each column of a vertex
NEUTRAL: dict[str, tuple[float, ...]] = {
    "normals": (0.0, 0.0, 1.0),
    "tangents": (1.0, 0.0, 0.0, 1.0),
    "uv0": (0.0, 0.0),
    "uv1": (0.0, 0.0),
    "colors": (1.0, 1.0, 1.0, 1.0),
    "joints": (0.0,),
    "weights": (1.0, 0.0),
}

# what computing the tangents of a corner of a triangle takes for a moment
TANGENT_BYTES = 260


@dataclass(slots=True)
class Block:
    """Vertices under construction: (v, 3) positions, columns named as in `Mesh`, triangles (t, 3) by part."""

    positions: F32
    columns: dict[str, Column] = field(default_factory=dict)
    morphs: list[Morph] = field(default_factory=list)
    parts: dict[int, U32] = field(default_factory=dict)
    tangent_uv: int | None = None  # texture set that a normal map needs tangents for


def mend(block: Block) -> None:
    """Replace numbers that are none: columns become neutral, weights a full first influence, normals unit."""
    for name, column in block.columns.items():
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            bad = ~np.isfinite(column).all(axis=1)
            column = column.copy()
            column[bad] = _neutral(name, column.shape[1])
            block.columns[name] = column
    if "normals" in block.columns:
        block.columns["normals"] = unit(block.columns["normals"].astype(np.float32, copy=False))
    if "tangents" in block.columns:
        tangents = block.columns["tangents"].astype(np.float32)
        tangents[:, :3] = unit(tangents[:, :3])
        tangents[:, 3] = np.where(tangents[:, 3] < 0, -1.0, 1.0)
        block.columns["tangents"] = tangents


def drop_unsound(block: Block) -> int:
    """Drop triangles with a position that is no number, and how many that were; the positions become the origin."""
    sound: NDArray[np.bool_] = np.asarray(np.isfinite(block.positions).all(axis=1))
    if sound.all():
        return 0
    lost = 0
    for part, triangles in block.parts.items():
        keep = sound[triangles].all(axis=1)
        lost += len(triangles) - int(keep.sum())
        block.parts[part] = triangles[keep]
    block.positions = np.where(sound[:, None], block.positions, np.float32(0))
    return lost


def face_normals(positions: NDArray[np.floating], triangles: NDArray[np.integer]) -> F32:
    """(t, 3) unit normals of triangles; the z axis where a triangle has no area."""
    a, b, c = (positions[triangles[:, i]].astype(np.float64) for i in range(3))
    return unit(np.cross(b - a, c - a))


def unit(vectors: NDArray[np.floating]) -> F32:
    """(n, 3) unit vectors; the z axis for one without length."""
    wide = vectors.astype(np.float64, copy=False)
    length = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    sound = (length > 1e-30) & np.isfinite(length)
    length = np.where(np.abs(length - 1.0) < 1e-6, 1.0, length)  # a unit vector stays the same to the last bit
    return np.where(sound, wide / np.where(sound, length, 1.0), (0.0, 0.0, 1.0)).astype(np.float32)


def take(block: Block, rows: NDArray[np.integer]) -> Block:
    """A block whose vertices are the rows of another's; its triangles are left for the caller."""
    return Block(
        positions=block.positions[rows],
        columns={name: column[rows] for name, column in block.columns.items()},
        morphs=[_take_morph(morph, rows, len(block.positions)) for morph in block.morphs],
        tangent_uv=block.tangent_uv,
    )


def _take_morph(morph: Morph, rows: NDArray[np.integer], count: int) -> Morph:
    where = np.full(count, -1, np.int64)
    where[morph.indices] = np.arange(len(morph.indices))
    at = where[rows]
    moves = np.flatnonzero(at >= 0)
    at = at[moves]
    return Morph(
        name=morph.name,
        indices=moves.astype(np.uint32),
        positions=morph.positions[at],
        normals=None if morph.normals is None else morph.normals[at],
        tangents=None if morph.tangents is None else morph.tangents[at],
    )


def facet(block: Block) -> Block:
    """The block with every triangle's own vertices and normal."""
    triangles = np.concatenate(list(block.parts.values())) if block.parts else np.zeros((0, 3), np.uint32)
    out = take(block, triangles.reshape(-1))
    out.columns["normals"] = np.repeat(face_normals(block.positions, triangles), 3, axis=0)
    _renumber(out, block, np.arange(triangles.size, dtype=np.uint32).reshape(-1, 3))
    return out


def add_tangents(block: Block) -> Block:
    """The block with MikkTSpace tangents over its `tangent_uv`, or itself when it has no such texture coordinates."""
    if block.tangent_uv is None or "tangents" in block.columns or f"uv{block.tangent_uv}" not in block.columns:
        return block
    if "normals" not in block.columns:
        block = facet(block)
    triangles = np.concatenate(list(block.parts.values()))
    uv = block.columns[f"uv{block.tangent_uv}"].astype(np.float32, copy=False)
    normals = block.columns["normals"].astype(np.float32, copy=False)
    rows, split, tangents = mikktspace(block.positions, normals, uv, triangles)
    out = take(block, rows)
    out.columns["tangents"] = tangents
    _renumber(out, block, split)
    return out


def _renumber(out: Block, block: Block, triangles: U32) -> None:
    ends = np.cumsum([len(part) for part in block.parts.values()])[:-1]
    out.parts = dict(zip(block.parts, np.split(triangles, ends), strict=True))


def join(blocks: Sequence[Block], parts: int, *, morph_names: Sequence[str] = (), budget: Budget, place: str) -> Mesh:
    """One mesh of blocks whose triangles are numbered by part, 0 to `parts` - 1."""
    for block in blocks:
        if block.tangent_uv is not None and "tangents" not in block.columns:
            budget.spend(0, place, transient=sum(part.size for part in block.parts.values()) * TANGENT_BYTES)
    blocks = [add_tangents(block) for block in blocks]
    if any("normals" in block.columns for block in blocks):
        blocks = [block if "normals" in block.columns else facet(block) for block in blocks]
    starts = [0]
    runs: list[U32] = [np.zeros((0, 3), np.uint32)] * parts
    for block in blocks:
        for part, triangles in block.parts.items():
            runs[part] = triangles + np.uint32(starts[-1]) if starts[-1] else triangles
        starts.append(starts[-1] + len(block.positions))
    names = [name for name in NEUTRAL if any(name in block.columns for block in blocks)]
    widths = {name: max(b.columns[name].shape[1] for b in blocks if name in b.columns) for name in names}
    size = starts[-1] * 4 * (3 + sum(widths.values()))
    budget.spend(size, place, transient=size)
    columns = {name: _joined([_column(block, name, widths[name]) for block in blocks]) for name in names}
    if "joints" in columns:
        columns["joints"] = columns["joints"].astype(np.uint16, copy=False)
    morphs = tuple(_join_morph(blocks, starts, number, name) for number, name in enumerate(morph_names))
    return make_mesh(
        _owned(_joined([block.positions for block in blocks])),
        _owned(_joined(runs)),
        parts=np.cumsum([0] + [len(run) for run in runs]).tolist(),
        morphs=morphs,
        where=place,
        **{name: _owned(column) for name, column in columns.items()},
    )


def _column(block: Block, name: str, width: int) -> Column:
    column = block.columns.get(name)
    if column is None:
        return np.tile(np.array(_neutral(name, width), np.float32), (len(block.positions), 1))
    if column.shape[1] < width:
        return np.concatenate([column, np.zeros((len(column), width - column.shape[1]), column.dtype)], axis=1)
    return column


def _neutral(name: str, width: int) -> tuple[float, ...]:
    value = NEUTRAL[name]
    return (value + (value[-1],) * width)[:width]


def _joined(arrays: Sequence[Column]) -> Column:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _join_morph(blocks: Sequence[Block], starts: Sequence[int], number: int, name: str) -> Morph:
    """One target of the joined mesh out of each block's."""
    having = [(b.morphs[number], s) for b, s in zip(blocks, starts, strict=False) if number < len(b.morphs)]
    moving = [(morph, start) for morph, start in having if len(morph.indices)]
    if not moving:
        return Morph(name, np.zeros(0, np.uint32), np.zeros((0, 3), np.float32))
    if len(moving) == 1 and not moving[0][1]:
        return replace(moving[0][0], name=name)
    columns: dict[str, F32 | None] = {}
    for column in ("normals", "tangents"):
        found = [getattr(morph, column) for morph, _ in moving]
        columns[column] = (
            None
            if all(values is None for values in found)
            else np.concatenate(
                [_or_zero(values, len(m.indices)) for values, (m, _) in zip(found, moving, strict=True)]
            )
        )
    return Morph(
        name=name,
        indices=np.concatenate([morph.indices + np.uint32(start) for morph, start in moving]),
        positions=np.concatenate([morph.positions for morph, _ in moving]),
        normals=columns["normals"],
        tangents=columns["tangents"],
    )


def _or_zero(values: F32 | None, count: int) -> F32:
    return np.zeros((count, 3), np.float32) if values is None else values


def _owned(array: Column) -> Column:
    """The array marked as finished, so that the mesh keeps it without another copy."""
    if array.base is None:
        array.flags.writeable = False
    return array
