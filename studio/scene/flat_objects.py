"""Meshes and instances of the flat scene.

Objects that share a mesh and its materials share everything but their matrices. An object with a skin or a morph at
work has a `Deformed` of its own, which is kept while its pose stays. What an object *is* (mesh, materials, flags) and
where it stands are kept apart, so that moving ten thousand objects rewrites their matrices and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from studio.scene.deform import Pose, deform, fault, skin_fault
from studio.scene.entities import Entity, Id, MeshObject
from studio.scene.flat import CASTS_SHADOWS, INSTANCE, MOVES, SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS
from studio.scene.flat_masters import Dimming
from studio.scene.flat_surfaces import Surfaces
from studio.scene.geometry import Deformed, Mesh
from studio.scene.scene import Scene
from studio.scene.transforms import F64, FARTHEST_M, multiply
from studio.scene.tree import HIDDEN, Tree, listing

_EYE = np.eye(3, 4)
_UNFIT = "scene.unfit"
Rows = NDArray[np.intp]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Placed objects. Masks are per mesh object of the tree; `rows` are the tree's rows of the instances."""

    entities: list[Entity]
    mesh_source: Mapping[str, Mesh]
    skin_source: Mapping[str, NDArray[np.float32]]
    material_row: Mapping[str, int]
    twins: Mapping[tuple[int, int], int]
    bendable: tuple[int, ...]  # objects with a skin or morphs, at work or not
    bent: tuple[bool, ...]  # which of them are
    left_out: Bool
    dimmed: NDArray[np.int32]  # number of the factor on emission
    still: Mapping[str, Deformed]  # meshes at rest, by key
    moved: Mapping[Id, tuple[Pose, Pose, Deformed]]  # deformed ones, by object
    rows: Rows
    deforming: tuple[tuple[int, int, bool], ...]  # row of `meshes`, row of the tree, skinned
    open_world: F64
    close_world: F64
    meshes: tuple[Deformed, ...]
    instances: NDArray[np.void]
    materials: NDArray[np.int32]
    names: tuple[str, ...]
    warnings: tuple[str, ...]
    pose_warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The tree at the frame and at both ends of the shutter."""

    tree: Tree
    opened: Tree
    closed: Tree


def place_objects(
    scene: Scene, moment: Moment, surfaces: Surfaces, dimming: Dimming, previous: Objects | None
) -> Objects:
    """Meshes, instances and their materials, made on top of `previous` as far as it still holds."""
    tree = moment.tree
    kept = previous if previous is not None and _same_kind(previous, scene, tree, surfaces) else None
    bendable = kept.bendable if kept else _bendable(scene, tree)
    bent = tuple(_bends(scene, moment, int(tree.objects[i])) for i in bendable)
    left_out = _left_out(moment, bendable)
    dimmed = dimming.of_object if surfaces.twins else np.zeros(len(tree.objects), np.int32)
    if (
        kept is None
        or bent != kept.bent
        or not np.array_equal(left_out, kept.left_out)
        or not np.array_equal(dimmed, kept.dimmed)
    ):
        casting = _Casting(scene, tree, surfaces, previous)
        kept = casting.cast(bendable, bent, left_out, dimmed)
    kept = _posed(kept, scene, moment)
    if kept.open_world is not moment.opened.world or kept.close_world is not moment.closed.world:
        kept = _placed(kept, moment)
    unfit = [moment.tree.entities[row] for mesh, row, _ in kept.deforming if _UNFIT in kept.meshes[mesh].cache]
    said = (f"Left at rest because the pose is beyond all numbers: {listing(unfit)}.",) if unfit else ()
    if said != kept.pose_warnings:
        kept = replace(kept, pose_warnings=said)
    return kept if kept.entities is tree.entities else replace(kept, entities=tree.entities)


# --- what objects are ------------------------------------------------------------------------------------------------
_KIND = attrgetter(
    "mesh", "materials", "skin", "joints", "visible_camera", "visible_shadow", "visible_reflection", "name"
)


def _same_kind(previous: Objects, scene: Scene, tree: Tree, surfaces: Surfaces) -> bool:
    """Whether every object is what it was, wherever it stands and however it bends."""
    if tree.changed is None or not (
        scene.meshes is previous.mesh_source
        and scene.skins is previous.skin_source
        and (surfaces.row is previous.material_row or surfaces.row == previous.material_row)
        and surfaces.twins == previous.twins
    ):
        return False
    for i in tree.changed.tolist():
        new = tree.entities[i]
        if isinstance(new, MeshObject) and _KIND(new) != _KIND(previous.entities[i]):
            return False
    return True


def _bendable(scene: Scene, tree: Tree) -> tuple[int, ...]:
    morphing = {key for key, mesh in scene.meshes.items() if mesh.morphs}
    entities = tree.entities
    return tuple(
        i for i, row in enumerate(tree.objects.tolist()) if entities[row].skin or entities[row].mesh in morphing
    )


def _bends(scene: Scene, moment: Moment, row: int) -> bool:
    entity = moment.tree.entities[row]
    assert isinstance(entity, MeshObject)
    mesh = scene.meshes.get(entity.mesh)
    if mesh is None or entity.skin:
        return mesh is not None
    return any(_weights(tree, row, mesh) for tree in (moment.opened, moment.closed))


def _weights(tree: Tree, row: int, mesh: Mesh) -> tuple[float, ...]:
    """Morph weights of an object, () when all are 0."""
    weights: tuple[float, ...] = tree.entities[row].morph_weights[: len(mesh.morphs)]  # type: ignore[attr-defined]
    return weights if any(weights) else ()


def _left_out(moment: Moment, bendable: tuple[int, ...]) -> Bool:
    """Objects that are hidden, or have no usable transform. A skinned object has none of its own."""
    tree, objects = moment.tree, moment.tree.objects
    out = tree.broken[objects] | moment.opened.broken[objects] | moment.closed.broken[objects]
    for i in bendable:
        entity = tree.entities[objects[i]]
        if isinstance(entity, MeshObject) and entity.skin:
            joints = [tree.row[j] for j in entity.joints if j in tree.row]
            out[i] = not all(np.isfinite(t.world[joints]).all() for t in (tree, moment.opened, moment.closed))
    return np.asarray(out | (tree.bits[objects] & HIDDEN != 0))


class _Casting:
    """Makes meshes, instances and their materials from nothing."""

    def __init__(self, scene: Scene, tree: Tree, surfaces: Surfaces, previous: Objects | None) -> None:
        self.scene, self.tree, self.surfaces = scene, tree, surfaces
        self.earlier = previous
        self.meshes: list[Deformed] = []
        self.still: dict[str, Deformed] = {}
        self.materials: list[int] = []
        self.deforming: list[tuple[int, int, bool]] = []
        self._rest_row: dict[str, int] = {}
        self._start: dict[tuple[str, tuple[Id, ...], int], int] = {}
        self._fault: dict[str, str] = {}
        self._refused: list[Entity] = []
        self._reasons: dict[str, str] = {}
        self._lost: set[str] = set()

    def cast(
        self, bendable: tuple[int, ...], bent: tuple[bool, ...], left_out: Bool, dimmed: NDArray[np.int32]
    ) -> Objects:
        tree = self.tree
        bending = {i for i, b in zip(bendable, bent, strict=True) if b}
        listed = [tree.entities[row] for row in tree.objects.tolist()]
        factors: list[int] = dimmed.tolist()
        chosen, pairs = [], []
        shared: dict[tuple[str, tuple[Id, ...], int], tuple[int, int] | None] = {}
        for i in np.flatnonzero(~left_out).tolist():
            entity = listed[i]
            key = (entity.mesh, entity.materials, factors[i])
            if i in bending:
                pair = self._row_and_start(entity, key[2], int(tree.objects[i]))
            elif key in shared:
                pair = shared[key]
            else:
                pair = shared[key] = self._row_and_start(entity, key[2], -1)
            if pair is None:
                self._refused.append(entity)
            else:
                chosen.append(i)
                pairs.append(pair)
        instances = np.zeros(len(pairs), INSTANCE)
        instances["mesh"], instances["material_start"] = np.array(pairs, np.int32).reshape(-1, 2).T
        instances["object"] = chosen
        instances["flags"] = _flags([listed[i] for i in chosen])
        materials = np.array(self.materials, np.int32)
        materials.flags.writeable = False
        return Objects(
            entities=tree.entities,
            mesh_source=self.scene.meshes,
            skin_source=self.scene.skins,
            material_row=self.surfaces.row,
            twins=self.surfaces.twins,
            bendable=bendable,
            bent=bent,
            left_out=left_out,
            dimmed=dimmed,
            still=self.still,
            moved=self.earlier.moved if self.earlier else {},
            rows=tree.objects[chosen],
            deforming=tuple(self.deforming),
            open_world=_EYE,  # not placed yet
            close_world=_EYE,
            meshes=tuple(self.meshes),
            instances=instances,
            materials=materials,
            names=tuple(e.name or e.id for e in listed),
            warnings=self._warnings(),
        )

    def _row_and_start(self, entity: Entity, factor: int, bent_row: int) -> tuple[int, int] | None:
        """Rows of an object's mesh and of its first material; None, with the reason kept, when it cannot be drawn."""
        assert isinstance(entity, MeshObject)
        why = self._fault.get(entity.mesh)
        if why is None:
            mesh = self.scene.meshes.get(entity.mesh)
            earlier = self.earlier.still.get(entity.mesh) if self.earlier else None
            known = earlier is not None and earlier.mesh is mesh
            why = "" if known else "has no mesh" if mesh is None else fault(mesh)
            self._fault[entity.mesh] = why
        if not why and bent_row >= 0 and entity.skin:
            why = self._skin_fault(entity)
        if why:
            self._reasons[entity.id] = why
            return None
        mesh_row = self._bent_row(entity, bent_row) if bent_row >= 0 else self._still_row(entity.mesh)
        return mesh_row, self._material_start(entity, factor)

    def _skin_fault(self, entity: MeshObject) -> str:
        matrices = self.scene.skins.get(entity.skin)
        if matrices is None or matrices.shape != (len(entity.joints), 4, 4) or not np.isfinite(matrices).all():
            return "has a skin that is missing or does not match its joints"
        if not all(joint in self.tree.row for joint in entity.joints):
            return "has a joint that is not in the scene"
        return skin_fault(self.scene.meshes[entity.mesh], len(entity.joints))

    def _still_row(self, key: str) -> int:
        row = self._rest_row.get(key)
        if row is None:
            row = self._rest_row[key] = len(self.meshes)
            mesh = self.scene.meshes[key]
            earlier = self.earlier.still.get(key) if self.earlier else None
            if earlier is None or earlier.mesh is not mesh:
                earlier = Deformed(mesh, mesh.positions, mesh.normals, mesh.tangents)
            self.still[key] = earlier
            self.meshes.append(earlier)
        return row

    def _bent_row(self, entity: MeshObject, row: int) -> int:
        mesh = self.scene.meshes[entity.mesh]
        self.deforming.append((len(self.meshes), row, bool(entity.skin)))
        self.meshes.append(Deformed(mesh, mesh.positions, mesh.normals, mesh.tangents))  # `_posed` puts in its own
        return len(self.meshes) - 1

    def _material_start(self, entity: MeshObject, factor: int) -> int:
        key = (entity.mesh, entity.materials, factor)
        start = self._start.get(key)
        if start is None:
            start = self._start[key] = len(self.materials)
            parts = len(self.scene.meshes[entity.mesh].parts) - 1
            worn = (*entity.materials, *("",) * parts)[:parts]
            self._lost.update(id_ for id_ in worn if id_ not in self.surfaces.row)
            rows = [self.surfaces.row.get(id_, 0) for id_ in worn]
            self.materials += [self.surfaces.twins.get((row, factor), row) for row in rows]
        return start

    def _warnings(self) -> tuple[str, ...]:
        by_reason: dict[str, list[Entity]] = {}
        for entity in self._refused:
            assert isinstance(entity, MeshObject)
            by_reason.setdefault(self._fault[entity.mesh] or self._reasons[entity.id], []).append(entity)
        out = [f"Left out because it {why}: {listing(entities)}." for why, entities in by_reason.items()]
        if self._lost:
            lost = ", ".join(f'"{id_}"' for id_ in sorted(self._lost)[:5])
            out.append(f"Materials that are not in the scene were replaced by the default one: {lost}.")
        return tuple(out)


def _flags(entities: list[Entity]) -> NDArray[np.uint32]:
    seen = np.array(list(map(attrgetter("visible_camera", "visible_reflection", "visible_shadow"), entities)), np.bool_)
    bits = np.array([SEEN_BY_CAMERA, SEEN_IN_REFLECTIONS, CASTS_SHADOWS], np.uint32)
    return np.asarray(seen.reshape(-1, 3).astype(np.uint32) @ bits, np.uint32)


# --- how they bend and where they stand ------------------------------------------------------------------------------
def _posed(objects: Objects, scene: Scene, moment: Moment) -> Objects:
    """With every deforming object's mesh in its present pose."""
    meshes, moved = list(objects.meshes), {}
    for mesh_row, row, _ in objects.deforming:
        entity = moment.tree.entities[row]
        assert isinstance(entity, MeshObject)
        mesh = scene.meshes[entity.mesh]
        opened, closed = (_pose(scene, tree, row, mesh) for tree in (moment.opened, moment.closed))
        found = objects.moved.get(entity.id)
        if found is None or found[2].mesh is not mesh or not (opened.same(found[0]) and closed.same(found[1])):
            found = (opened, closed, _fit(deform(mesh, opened, closed, earlier=found[2] if found else None)))
        moved[entity.id] = found
        meshes[mesh_row] = found[2]
    if all(a is b for a, b in zip(meshes, objects.meshes, strict=True)) and len(moved) == len(objects.moved):
        return objects
    return replace(objects, meshes=tuple(meshes), moved=moved, open_world=_EYE)


def _fit(deformed: Deformed) -> Deformed:
    """The deformed mesh, or the mesh at rest where the pose throws a vertex out of the world."""
    ends = (deformed.positions, deformed.positions_close)
    if all(p is None or bool((np.abs(p) < FARTHEST_M).all()) for p in ends):
        return deformed
    mesh = deformed.mesh
    return Deformed(mesh, mesh.positions, mesh.normals, mesh.tangents, cache={_UNFIT: True})


def _pose(scene: Scene, tree: Tree, row: int, mesh: Mesh) -> Pose:
    entity = tree.entities[row]
    assert isinstance(entity, MeshObject)
    if not entity.skin:
        return Pose(_weights(tree, row, mesh))
    joints = tree.world[[tree.row[joint] for joint in entity.joints]]
    return Pose(_weights(tree, row, mesh), multiply(joints, scene.skins[entity.skin][:, :3, :].astype(np.float64)))


def _placed(objects: Objects, moment: Moment) -> Objects:
    """With the instances where the trees have them."""
    instances = objects.instances.copy()
    open_world, close_world = moment.opened.world[objects.rows], moment.closed.world[objects.rows]
    bent = np.zeros(len(instances), np.bool_)
    for mesh_row, row, skinned in objects.deforming:
        at = np.flatnonzero(objects.rows == row)
        bent[at] = objects.meshes[mesh_row].positions_close is not None
        if skinned:
            open_world[at] = close_world[at] = _EYE
    instances["open"], instances["close"] = open_world, close_world
    moves = bent | (instances["open"] != instances["close"]).any(axis=(1, 2))
    instances["flags"] = np.where(moves, instances["flags"] | MOVES, instances["flags"] & ~np.uint32(MOVES))
    instances.flags.writeable = False
    return replace(objects, instances=instances, open_world=moment.opened.world, close_world=moment.closed.world)


def bounds(objects: Objects) -> tuple[F64, F64]:
    """Lowest and highest corner (3,) of all instances in the world, at shutter open; the unit cube when empty."""
    if not len(objects.instances):
        return np.full(3, -0.5), np.full(3, 0.5)
    boxes = np.array([_box(deformed) for deformed in objects.meshes])[objects.instances["mesh"]]
    centre, half = (boxes[:, 0] + boxes[:, 1]) / 2, (boxes[:, 1] - boxes[:, 0]) / 2
    matrices = objects.instances["open"].astype(np.float64)
    centre = np.einsum("nij,nj->ni", matrices[:, :, :3], centre) + matrices[:, :, 3]
    half = np.einsum("nij,nj->ni", np.abs(matrices[:, :, :3]), half)
    return np.asarray((centre - half).min(axis=0)), np.asarray((centre + half).max(axis=0))


def _box(deformed: Deformed) -> F64:
    box = deformed.cache.get("scene.box")
    if box is None:
        p = deformed.positions
        box = deformed.cache["scene.box"] = np.stack([p.min(axis=0), p.max(axis=0)]).astype(np.float64)
    assert isinstance(box, np.ndarray)
    return box
