"""The scene as the tracer holds it: flat arrays built from a FlatScene, then copied to the device once.

Objects that stand still and are not shared are baked into one world-space triangle soup under one hierarchy; shared,
moving, deforming or partly hidden ones keep their own hierarchy and are reached through an instance row. Instance 0 is
the baked soup itself (identity). Everything is ndarrays: their sizes are not part of a kernel's code, so no scene ever
compiles anything.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from studio.render.tracer import bvh, traverse
from studio.scene import flatten as flat_scene
from studio.scene.flatten import FlatScene
from studio.scene.geometry import Deformed
from studio.scene.materials import OFFSET, SLOT_STRIDE, SLOTS

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

BAKE_COPIES = 65536  # shared meshes are baked too while all their copies stay below this many triangles


@dataclass(slots=True)
class HostScene:
    """Arrays ready for the device; columns are named in `traverse`."""

    nodes: F32  # (m, 8, 4)
    root: int
    triangles: F32
    indices: I32
    vertices: F32
    instances: F32
    parts: I32
    materials: F32
    slots: F32
    lo: F32
    hi: F32
    part_start: I32 = field(default_factory=lambda: np.zeros(0, np.int32))  # first parts row of each FlatScene instance
    first_vertex: I32 = field(default_factory=lambda: np.zeros(0, np.int32))  # of each FlatScene instance


@dataclass(slots=True)
class _Piece:
    """Triangles of one mesh, already in the space they are traced in."""

    positions: F32
    close: F32 | None
    triangles: NDArray[np.uint32]
    normals: F32 | None
    tangents: F32 | None
    mesh: Deformed
    first_part: int
    flip: bool


def _matrix4(rows: F32) -> NDArray[np.float64]:
    m = np.eye(4)
    m[:3] = rows
    return m


def _bake(piece: Deformed, matrix: F32, first_part: int) -> _Piece:
    m = matrix.astype(np.float64)
    a = m[:, :3]
    identity = np.array_equal(m, np.eye(4)[:3])
    positions = piece.positions if identity else (piece.positions @ a.T + m[:, 3]).astype(np.float32)
    normals, tangents = piece.normals, piece.tangents
    det = float(np.linalg.det(a))
    if not identity and normals is not None:
        n = normals @ np.linalg.inv(a)
        normals = (n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-20)).astype(np.float32)
    if not identity and tangents is not None:
        t = tangents[:, :3] @ a.T
        t /= np.maximum(np.linalg.norm(t, axis=1, keepdims=True), 1e-20)
        tangents = np.concatenate([t, tangents[:, 3:]], 1).astype(np.float32)
    return _Piece(positions, None, piece.mesh.triangles, normals, tangents, piece, first_part, det < 0)


class _Soup:
    """Collects vertices and triangles of all hierarchies, with one global numbering."""

    def __init__(self, wide: bool) -> None:
        self.stride = traverse.VERTEX_STRIDE_WIDE if wide else traverse.VERTEX_STRIDE
        self.vertices: list[F32] = []
        self.count = 0
        self.nodes: list[F32] = []
        self.node_count = 0
        self.triangles: list[F32] = []
        self.indices: list[I32] = []
        self.triangle_count = 0

    def _add_vertices(self, p: _Piece) -> int:
        n = len(p.positions)
        rows = np.zeros((n, self.stride), np.float32)
        mesh = p.mesh.mesh
        if p.normals is not None:
            rows[:, 0:3] = p.normals
        if mesh.uv0 is not None:
            rows[:, 3:5] = mesh.uv0
        rows[:, 5:7] = mesh.uv1 if mesh.uv1 is not None else rows[:, 3:5]
        if self.stride == traverse.VERTEX_STRIDE_WIDE:
            if p.tangents is not None:
                rows[:, 7:11] = p.tangents
            rows[:, 11:15] = mesh.colors if mesh.colors is not None else 1.0
        self.vertices.append(rows)
        self.count += n
        return self.count - n

    def add(self, pieces: list[_Piece], marks: I32) -> tuple[int, int, F32, F32]:
        """One hierarchy over `pieces`; returns its root node, the shift to close vertices, and its bounds.

        `marks` are the bits that triangles of each part carry beside the part's number.
        """
        first_vertex = self.count
        index, codes = [np.zeros((0, 4), np.int32)], [np.zeros(0, np.int32)]
        for p in pieces:
            base = self._add_vertices(p)
            t = p.triangles.astype(np.int32) + base
            if p.flip:
                t = t[:, [0, 2, 1]]
            starts = np.asarray(p.mesh.mesh.parts, np.int64)
            part = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
            local = (np.arange(len(t)) - starts[part]).astype(np.int32)
            code = part + np.int32(p.first_part)
            code |= marks[code]
            index.append(np.concatenate([t, local[:, None]], 1))
            codes.append(code)
        idx, code = _joined(index), _joined(codes)
        keys = [_joined([p.positions for p in pieces] or [np.zeros((0, 3), np.float32)])]
        moving = any(p.close is not None for p in pieces)
        if moving:
            keys.append(_joined([p.close if p.close is not None else p.positions for p in pieces]))
        del index, codes
        tree = bvh.build(_boxes(keys, idx, first_vertex))  # held by nobody else: the builder lets go of it early
        nodes, order, lo, hi = bvh.widen(tree), tree.order, tree.lo, tree.hi
        del tree
        refs = nodes[:, bvh.WIDE_REFS].view(np.int32)
        leaf = refs < 0
        refs[leaf] = ~((((~refs[leaf]) >> 3) + self.triangle_count) << 3 | (~refs[leaf] & 7))
        refs[~leaf] += self.node_count
        root = self.node_count
        self.nodes.append(nodes)
        self.node_count += len(nodes)
        n = len(idx)
        idx, code = idx[order], code[order]
        for points in keys:
            rows = np.empty((n, traverse.TRIANGLE_STRIDE), np.float32)
            for a in range(0, n, _STEP):
                rows[a : a + _STEP, :9] = points[idx[a : a + _STEP, :3] - first_vertex].reshape(-1, 9)
            rows[:, 9] = code.view(np.float32)
            self.triangles.append(rows)
            self.indices.append(idx)
        self.triangle_count += n * len(keys)
        return root, (n if moving else 0), lo, hi


_STEP = 1 << 16  # triangles handled at once where a copy of all corners would weigh more than the result


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Concatenated, without a copy when there is nothing to join."""
    some = [a for a in arrays if len(a)]
    return some[0] if len(some) == 1 else np.concatenate(some or arrays)


def _boxes(keys: list[F32], idx: I32, first_vertex: int) -> F32:
    """Bounds (n, 6) of triangles over their positions at shutter open and, if given, close."""
    boxes = np.empty((len(idx), 6), np.float32)
    for a in range(0, len(idx), _STEP):
        t = idx[a : a + _STEP, :3] - first_vertex
        corners = np.concatenate([points[t] for points in keys], 1)
        boxes[a : a + _STEP, :3] = corners.min(1)
        boxes[a : a + _STEP, 3:] = corners.max(1)
    return boxes


def _alpha_materials(flat: FlatScene) -> NDArray[np.bool_]:
    m = flat.materials
    mode = m[:, OFFSET["alpha_mode"]]
    partial = m[:, OFFSET["geometry_opacity"]] < 1.0
    for k in range(len(m)):
        s, n = int(m[k, OFFSET["slot_start"]]), int(m[k, OFFSET["slot_count"]])
        if n and (flat.slots[s : s + n, 0] == SLOTS["geometry_opacity"]).any():
            partial[k] = True
    return np.asarray((mode > 0) & partial)


def build_host_scene(flat: FlatScene, mesh_light_of: I32) -> HostScene:
    """Arrays of `flat`; `mesh_light_of` gives the light of each entry of `flat.instance_materials` (or -1)."""
    inst = flat.instances
    uses = np.bincount(inst["mesh"], minlength=max(len(flat.meshes), 1)) if len(inst) else np.zeros(1, int)
    wide = any(m.tangents is not None or m.mesh.colors is not None for m in flat.meshes)
    soup = _Soup(wide)
    parts, part_start, marks = host_parts(flat, mesh_light_of)
    eyes = eye_instances(flat)
    hidden_bits = flat_scene.SEEN_BY_CAMERA | flat_scene.SEEN_IN_REFLECTIONS | flat_scene.CASTS_SHADOWS
    baked: list[_Piece] = []
    kept: list[int] = []
    first_vertex, baked_vertices = np.zeros(len(inst), np.int32), 0
    for i, row in enumerate(inst):
        mesh = flat.meshes[row["mesh"]]
        still = mesh.positions_close is None and not (row["flags"] & flat_scene.MOVES)
        seen = (row["flags"] & hidden_bits) == hidden_bits
        copies = int(uses[row["mesh"]])
        if still and seen and not eyes[i] and (copies == 1 or copies * len(mesh.mesh.triangles) <= BAKE_COPIES):
            baked.append(_bake(mesh, row["open"], int(part_start[i])))
            first_vertex[i] = baked_vertices
            baked_vertices += len(mesh.positions)
        else:
            kept.append(i)
    rows = np.zeros((1 + len(kept), traverse.INSTANCE_STRIDE), np.float32)
    rows[0, :12] = rows[0, 12:24] = rows[0, 24:36] = np.eye(4, dtype=np.float32)[:3].ravel()
    root, _, lo, hi = soup.add(baked, marks)
    rows[0, traverse.ROOT : traverse.ROOT + 1].view(np.int32)[0] = root
    boxes = _add_instances(flat, kept, part_start, marks, soup, rows, first_vertex)
    root, top, lo, hi = _top_level(boxes, root, lo, hi, bool(baked), soup.node_count)
    if top is not None:
        soup.nodes.append(top)
    return HostScene(
        nodes=_joined(soup.nodes).reshape(-1, bvh.WIDE_FLOATS // 4, 4),
        root=root,
        triangles=_rows(soup.triangles, traverse.TRIANGLE_STRIDE, np.float32),
        indices=_rows(soup.indices, traverse.INDEX_STRIDE, np.int32),
        vertices=_rows(soup.vertices, soup.stride, np.float32),
        instances=rows,
        parts=parts,
        materials=np.ascontiguousarray(flat.materials, np.float32),
        slots=host_slots(flat),
        lo=lo,
        hi=hi,
        part_start=part_start,
        first_vertex=first_vertex,
    )


def eye_instances(flat: FlatScene) -> NDArray[np.bool_]:
    """(n,) which instances wear an eye: they keep their object space, in which an eye is defined."""
    inst, eyes = flat.instances, flat.materials[:, OFFSET["eye_iris_radius"]] > 0.0
    if not eyes.any():
        return np.zeros(len(inst), bool)
    parts = np.array([len(mesh.mesh.parts) - 1 for mesh in flat.meshes], np.int64)[inst["mesh"]]
    worn = np.concatenate([[0], np.cumsum(eyes[flat.instance_materials])])
    first = inst["material_start"].astype(np.int64)
    return np.asarray(worn[first + parts] > worn[first])


def host_slots(flat: FlatScene) -> F32:
    """Texture slots as the device reads them."""
    return _rows([flat.slots], SLOT_STRIDE, np.float32)


def host_parts(flat: FlatScene, mesh_light_of: I32) -> tuple[I32, I32, I32]:
    """Parts table, first row of each instance, and ALPHA_BIT and LINK_BIT of each part that rays may pass."""
    parts, part_start = _parts(flat, mesh_light_of)
    colored = (parts[:, traverse.PART_VERTEX_FLAGS] & traverse.HAS_COLORS) > 0
    modes = flat.materials[parts[:, 0], OFFSET["alpha_mode"]] > 0
    alpha = _alpha_materials(flat)[parts[:, 0]] | (colored & modes)
    marks = np.where(alpha, traverse.ALPHA_BIT, 0) | np.where(parts[:, traverse.PART_SHADOW] > 0, traverse.LINK_BIT, 0)
    return parts, part_start, marks.astype(np.int32)


def _rows(arrays, width: int, dtype) -> np.ndarray:
    """Concatenated, and never empty: a device array has at least one row."""
    out = _joined(arrays) if arrays else np.zeros((0, width), dtype)
    return out if len(out) else np.zeros((1, width), dtype)


def _parts(flat: FlatScene, mesh_light_of: I32) -> tuple[I32, I32]:
    """Parts table, one row per part of each instance, and the first row of each instance.

    Instances may share runs of `flat.instance_materials`, but each is a lamp of its own: a ray that meets one has to
    ask for the density of that one.
    """
    lamps = np.flatnonzero(flat.lights["instance"] >= 0)
    light_of = {(int(flat.lights[i]["instance"]), int(flat.lights[i]["part"])): int(i) for i in lamps}
    rows, start, at = [], [], 0
    for i, row in enumerate(flat.instances):
        mesh = flat.meshes[row["mesh"]]
        n = len(mesh.mesh.parts) - 1
        k = slice(int(row["material_start"]), int(row["material_start"]) + n)
        part = np.zeros((n, traverse.PART_STRIDE), np.int32)
        part[:, traverse.PART_MATERIAL] = flat.instance_materials[k]
        part[:, traverse.PART_OBJECT] = row["object"]
        part[:, traverse.PART_LINK] = min(int(row["link"]), len(flat.light_links) - 1)
        part[:, traverse.PART_SHADOW] = min(int(row["shadow_link"]), len(flat.shadow_links) - 1)
        own = np.array([light_of.get((i, p), -1) for p in range(n)], np.int32)
        part[:, traverse.PART_LIGHT] = np.where(mesh_light_of[k] >= 0, own, -1)
        part[:, traverse.PART_VERTEX_FLAGS] = (
            (traverse.HAS_NORMALS if mesh.normals is not None else 0)
            | (traverse.HAS_TANGENTS if mesh.tangents is not None else 0)
            | (traverse.HAS_COLORS if mesh.mesh.colors is not None else 0)
        )
        rows.append(part)
        start.append(at)
        at += n
    return _rows(rows, traverse.PART_STRIDE, np.int32), np.asarray(start, np.int32)


def _add_instances(flat, kept, part_start, marks: I32, soup: _Soup, rows: F32, first_vertex: I32) -> list[F32]:
    """Hierarchies, rows and first vertices of the instances in `kept`; returns their world boxes."""
    made: dict[tuple[int, bytes], tuple[int, tuple[int, int, F32, F32]]] = {}
    boxes = []
    for k, i in enumerate(kept, 1):
        row = flat.instances[i]
        mesh = flat.meshes[row["mesh"]]
        first = int(part_start[i])
        count = len(mesh.mesh.parts) - 1
        key = (int(row["mesh"]), marks[first : first + count].tobytes())
        if key not in made:
            piece = _Piece(
                mesh.positions, mesh.positions_close, mesh.mesh.triangles, mesh.normals, mesh.tangents, mesh, 0, False
            )
            made[key] = soup.count, soup.add([piece], marks[first : first + count])
        first_vertex[i], (root, shift, lo, hi) = made[key]
        f = int(row["flags"])
        moving = bool(f & flat_scene.MOVES)
        flags = (
            (traverse.MOVING if moving else 0)
            | (0 if f & flat_scene.SEEN_BY_CAMERA else traverse.HIDDEN_CAMERA)
            | (0 if f & flat_scene.SEEN_IN_REFLECTIONS else traverse.HIDDEN_REFLECTION)
            | (0 if f & flat_scene.CASTS_SHADOWS else traverse.HIDDEN_SHADOW)
        )
        rows[k, traverse.INV : traverse.INV + 12] = np.linalg.inv(_matrix4(row["open"]))[:3].ravel()
        rows[k, traverse.OPEN : traverse.OPEN + 12] = row["open"].ravel()
        rows[k, traverse.CLOSE : traverse.CLOSE + 12] = (row["close"] if moving else row["open"]).ravel()
        bits = rows[k].view(np.int32)
        bits[traverse.ROOT], bits[traverse.PARTS] = root, first
        bits[traverse.FLAGS], bits[traverse.SHIFT] = flags, shift
        corners = np.array([[(lo, hi)[a >> j & 1][j] for j in range(3)] for a in range(8)])
        world = np.concatenate(
            [corners @ m[:, :3].T + m[:, 3] for m in (row["open"], row["close" if moving else "open"])]
        )
        pad = 1e-5 * np.abs(world).max(0)
        boxes.append(np.concatenate([world.min(0) - pad, world.max(0) + pad]).astype(np.float32))
    return boxes


def _top_level(boxes, baked_root: int, lo, hi, has_baked: bool, node_count: int):
    """Root reference, nodes of the top level (None when the baked soup is the whole scene), and bounds."""
    if not boxes:
        return baked_root, None, lo, hi
    all_boxes = np.stack([*([np.concatenate([lo, hi])] if has_baked else []), *boxes]).astype(np.float32)
    tree = bvh.build(all_boxes, leaf_max=1)
    nodes = bvh.widen(tree)
    refs = nodes[:, bvh.WIDE_REFS].view(np.int32)
    leaf = refs < 0
    item = tree.order[np.where(leaf, (~refs) >> 3, 0)] + (0 if has_baked else 1)
    new = np.where(item == 0, baked_root, ~(traverse.INSTANCE_BIT | item))
    refs[:] = np.where(leaf, new, refs + node_count)
    return node_count, nodes, tree.lo, tree.hi


_DTYPES = {"f4": ti.f32, "i4": ti.i32, "u4": ti.u32, "i8": ti.i64}


class Device:
    """Device copies of host arrays, replaced one by one when their section changes."""

    def __init__(self) -> None:
        self._arrays: dict[str, object] = {}

    def put(self, name: str, host: np.ndarray) -> None:
        """Copy `host`; one of shape (n, k, 4) becomes n * k vectors of four."""
        dtype = _DTYPES[host.dtype.str[1:]]
        vectors = host.ndim == 3
        if vectors:
            host = host.reshape(-1, host.shape[2])
        shape = host.shape[:1] if vectors else host.shape
        old = self._arrays.get(name)
        if old is None or tuple(old.shape) != shape:  # type: ignore[attr-defined]
            old = ti.Vector.ndarray(host.shape[1], dtype, shape) if vectors else ti.ndarray(dtype, shape)
            self._arrays[name] = old
        old.from_numpy(np.ascontiguousarray(host))  # type: ignore[attr-defined]

    def __getattr__(self, name: str):
        try:
            return self._arrays[name]
        except KeyError:
            raise AttributeError(name) from None

    def bytes(self) -> int:
        return sum(4 * math.prod((*a.shape, *a.element_shape)) for a in self._arrays.values())  # type: ignore[attr-defined]
