"""Meshes: the primitives of one glTF mesh become the parts of one `Mesh`.

Primitives that use the same accessors share their vertices, as exporters mean it. What one primitive has and another
lacks is filled in by `studio.assets.assembly`. Source: glTF 2.0 specification, section 3.7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from studio.assets.assembly import Block, Column, drop_unsound, join, mend
from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.attributes import Attributes
from studio.assets.gltf.container import Source
from studio.assets.gltf.records import MeshRecord, PrimitiveRecord
from studio.scene.geometry import F32, U32, Mesh, Morph

TRIANGLES, STRIP, FAN = 4, 5, 6
MODES = {0: "points", 1: "lines", 2: "line loops", 3: "line strips"}
INFLUENCE_SETS = 8


@dataclass(frozen=True, slots=True)
class MeshRead:
    """A mesh of the file: the geometry, the glTF material of each part, and the default morph weights."""

    mesh: Mesh
    materials: tuple[int | None, ...]
    weights: tuple[float, ...]


class MeshReader:
    """Reads the meshes of one file.

    `material_of` picks a primitive's material (variants), `tangent_uv` says which texture set a material's normal map
    is on, or None.
    """

    def __init__(
        self,
        source: Source,
        accessors: Accessors,
        *,
        material_of: Callable[[PrimitiveRecord, str], int | None],
        tangent_uv: Callable[[int | None], int | None],
    ) -> None:
        self.source = source
        self.accessors = accessors
        self.material_of = material_of
        self.tangent_uv = tangent_uv
        self._read: dict[int, MeshRead | None] = {}
        self._made: dict[object, Mesh | None] = {}

    def read(self, index: int, place: str) -> MeshRead | None:
        """The mesh an index names, or None when it has no triangles."""
        if index not in self._read:
            record = self.source.follow(self.source.document.meshes, index, place, "mesh")
            self._read[index] = self._read_mesh(record, f"meshes[{index}]")
        return self._read[index]

    def _read_mesh(self, record: MeshRecord, place: str) -> MeshRead | None:
        chosen: list[tuple[PrimitiveRecord, str]] = []
        for number, primitive in enumerate(record.primitives):
            if primitive.mode in (TRIANGLES, STRIP, FAN):
                chosen.append((primitive, f"{place}.primitives[{number}]"))
            else:
                what = MODES.get(primitive.mode, f"primitives of the unknown mode {primitive.mode}")
                self.source.notes.dropped(f"{place} holds {what}, which are not drawn.")
        materials = tuple(self.material_of(*each) for each in chosen)
        tangent_uvs = tuple(self.tangent_uv(material) for material in materials)
        names = self._target_names(record, max((len(p.targets) for p, _ in chosen), default=0))
        # meshes that differ only in their materials name the same accessors: they are one geometry
        key = (tuple(_recipe(p) for p, _ in chosen), tangent_uvs, names)
        if key not in self._made:
            self._made[key] = self._build(chosen, tangent_uvs, names, place)
        mesh = self._made[key]
        if mesh is None:
            self.source.notes.dropped(f"{place} has no triangles.")
            return None
        weights = tuple(record.weights[: len(mesh.morphs)])
        return MeshRead(mesh, materials, weights + (0.0,) * (len(mesh.morphs) - len(weights)))

    def _target_names(self, record: MeshRecord, count: int) -> tuple[str, ...]:
        """Names of morph targets, from extras.targetNames where there are any."""
        found = msgspec.json.decode(bytes(record.extras)) if count else None
        names = found.get("targetNames") if isinstance(found, dict) else None
        names = names if isinstance(names, list) else []
        given = [name if isinstance(name, str) and name else f"morph {i}" for i, name in enumerate(names[:count])]
        return tuple(given + [f"morph {i}" for i in range(len(given), count)])

    def _build(
        self,
        chosen: list[tuple[PrimitiveRecord, str]],
        tangent_uvs: tuple[int | None, ...],
        names: tuple[str, ...],
        place: str,
    ) -> Mesh | None:
        blocks: dict[object, Block] = {}
        for part, (primitive, at) in enumerate(chosen):
            attributes = Attributes(self.source, self.accessors, primitive, at)
            key: object = part if attributes.corners is not None else _recipe(primitive)[:2]
            block = blocks.get(key)
            if block is None:
                block = blocks[key] = self._block(primitive, attributes, at)
            block.parts[part] = self._triangles(primitive, attributes.corners, len(block.positions), at)
            if block.tangent_uv is None:
                block.tangent_uv = tangent_uvs[part]
        for block in blocks.values():
            lost = drop_unsound(block)
            if lost:
                self.source.notes.warn(f"{place}: {lost:,} triangles with a position that is no number were dropped.")
        if not any(len(triangles) for block in blocks.values() for triangles in block.parts.values()):
            return None
        return join(list(blocks.values()), len(chosen), morph_names=names, budget=self.source.budget, place=place)

    def _block(self, primitive: PrimitiveRecord, attributes: Attributes, place: str) -> Block:
        """The vertices of a primitive."""
        positions = attributes.floats("POSITION", "VEC3")
        assert positions is not None
        found: dict[str, Column | None] = {
            "normals": attributes.floats("NORMAL", "VEC3"),
            "tangents": attributes.floats("TANGENT", "VEC4"),
            "uv0": attributes.floats("TEXCOORD_0", "VEC2"),
            "uv1": attributes.floats("TEXCOORD_1", "VEC2"),
            "colors": attributes.floats("COLOR_0", "VEC3", "VEC4", normalized=True),
        }
        if "TEXCOORD_2" in primitive.attributes:
            self.source.notes.dropped("Texture coordinates beyond the second set are not read.")
        colors = found["colors"]
        if colors is not None and colors.shape[1] == 3:
            found["colors"] = np.concatenate([colors, np.ones((len(colors), 1), np.float32)], axis=1)
        block = Block(positions, {name: column for name, column in found.items() if column is not None})
        self._add_influences(block, primitive, attributes)
        block.morphs = [
            self._morph(target, len(positions), f"{place}.targets[{i}]") for i, target in enumerate(primitive.targets)
        ]
        mend(block)
        return block

    def _add_influences(self, block: Block, primitive: PrimitiveRecord, attributes: Attributes) -> None:
        """Joints and weights of all sets side by side; rows sum to 1, a vertex without any follows its first joint."""
        sets = 0
        while sets < INFLUENCE_SETS and {f"JOINTS_{sets}", f"WEIGHTS_{sets}"} <= primitive.attributes.keys():
            sets += 1
        if not sets:
            return
        joints = np.concatenate([attributes.integers(f"JOINTS_{i}", "VEC4") for i in range(sets)], axis=1)
        columns = [attributes.floats(f"WEIGHTS_{i}", "VEC4", normalized=True) for i in range(sets)]
        weights = np.concatenate([column for column in columns if column is not None], axis=1)
        weights = np.maximum(np.nan_to_num(weights, nan=0.0, posinf=0.0, neginf=0.0), np.float32(0))
        total = weights.sum(axis=1, keepdims=True)
        none = (total <= 0) | ~np.isfinite(total)
        total = np.where(np.abs(total - 1) < 1e-6, np.float32(1), total)  # sums that are 1 stay so to the last bit
        weights = np.where(none, np.eye(1, weights.shape[1]), weights / np.where(none, 1, total))
        block.columns["joints"] = np.where(weights > 0, joints, 0).astype(np.uint16)
        block.columns["weights"] = weights.astype(np.float32)

    def _morph(self, target: dict[str, int], count: int, place: str) -> Morph:
        """One target; rows that nothing moves are left out."""
        columns: dict[str, tuple[U32, F32]] = {}
        for name in ("POSITION", "NORMAL", "TANGENT"):
            if name in target:
                rows, offsets = self.accessors.offsets(target[name], f"{place}.{name}", count)
                moves = np.isfinite(offsets).all(axis=1) & offsets.any(axis=1)
                columns[name] = (rows, offsets) if moves.all() else (rows[moves], offsets[moves])
                self.source.budget.spend(len(columns[name][0]) * 16, place)
        if len(columns) == 1 and "POSITION" in columns:
            return Morph("", *columns["POSITION"])
        rows = np.zeros(0, np.uint32)
        for other, _ in columns.values():
            rows = np.union1d(rows, other).astype(np.uint32)
        spread = {name: _spread(rows, *column) for name, column in columns.items()}
        positions = spread.get("POSITION", np.zeros((len(rows), 3), np.float32))
        return Morph("", rows, positions, spread.get("NORMAL"), spread.get("TANGENT"))

    def _triangles(self, primitive: PrimitiveRecord, corners: U32 | None, count: int, place: str) -> U32:
        """(t, 3) of a primitive, its indices checked."""
        if corners is not None:
            pass
        elif primitive.indices is None:
            corners = np.arange(count, dtype=np.uint32)
        else:
            corners = self.accessors.indices(primitive.indices, f"{place}.indices")
        if corners.size and int(corners.max()) >= count:
            raise self.source.bad(
                f"{place}.indices", f"names vertex {int(corners.max()):,} of {count:,}; export it again"
            )
        triangles = as_triangles(corners, primitive.mode)
        self.source.budget.spend(triangles.nbytes, place)
        return triangles


def as_triangles(corners: U32, mode: int) -> U32:
    """(t, 3) of a list, strip or fan of corners; a strip's and a fan's triangles without area are left out."""
    count = len(corners)
    if mode == TRIANGLES:
        return corners[: count // 3 * 3].reshape(-1, 3)
    first = np.arange(max(count - 2, 0))
    if mode == STRIP:
        odd = first % 2
        rows = np.stack([first, first + 1 + odd, first + 2 - odd], axis=1)
    else:
        rows = np.stack([first + 1, first + 2, np.zeros_like(first)], axis=1)
    triangles = corners[rows].reshape(-1, 3)
    a, b, c = triangles.T
    return np.asarray(triangles[(a != b) & (b != c) & (a != c)])


def _recipe(primitive: PrimitiveRecord) -> tuple[object, ...]:
    """What a primitive is made of: attributes, targets, indices, mode, compression."""
    packed = primitive.extensions.get("KHR_draco_mesh_compression")
    return (
        tuple(sorted(primitive.attributes.items())),
        tuple(tuple(sorted(target.items())) for target in primitive.targets),
        primitive.indices,
        primitive.mode,
        None if packed is None else bytes(packed),
    )


def _spread(rows: U32, own: U32, offsets: F32) -> F32:
    """Offsets of some rows as offsets of all `rows`, zero elsewhere."""
    out = np.zeros((len(rows), 3), np.float32)
    out[np.searchsorted(rows, own)] = offsets
    return out
