"""Nodes: the tree of a glTF scene becomes entities.

A node with one thing on it (a mesh, a camera, a light) becomes that thing; a node with several becomes a group with
the things below it. Any affine matrix is kept exactly as translation, rotation, shear and scale. Ids are "n<index>".
Sources: glTF 2.0 specification, section 3.5; KHR_lights_punctual; EXT_mesh_gpu_instancing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.gltf import records as r
from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.container import Source, decode
from studio.assets.gltf.materials import kept_record
from studio.assets.gltf.meshes import MeshReader
from studio.assets.limits import clamped
from studio.scene.entities import Camera, Entity, Group, MeshObject
from studio.scene.geometry import Mesh
from studio.scene.lights import IMAGE_FIELDS, Light
from studio.scene.rigs import check_states

SENSOR_HEIGHT_MM = 24.0
DEEPEST = 4_096
FARTHEST = 1e12
ENTITY_BYTES = 1_500

# what an entity is and links to, which extras never say
FIXED_FIELDS = ("kind", "id", "parent", "name", "mesh", "materials", "skin", "joints", "extra")

# the transform fields of an entity
Placed = dict[str, Any]


class NodeReader:
    """Reads the chosen scene's tree; `entities`, `meshes`, `skins` gather what it holds."""

    def __init__(
        self,
        source: Source,
        accessors: Accessors,
        meshes: MeshReader,
        *,
        image_of: Callable[[int, str], str] | None = None,
    ) -> None:
        self.source = source
        self.accessors = accessors
        self.mesh_reader = meshes
        self.image_of = image_of
        self.entities: dict[str, Entity] = {}
        self.meshes: dict[str, Mesh] = {}
        self.skins: dict[str, NDArray[np.float32]] = {}
        self.morphed: dict[int, tuple[str, int]] = {}
        self.cameras: list[str] = []
        self._lights = source.extension(source.document.extensions, "KHR_lights_punctual", r.LightList, "the file")
        self._joints: dict[int, tuple[str, ...]] = {}
        self._shared: dict[int, tuple[tuple[str, ...], int]] = {}

    def read(self) -> dict[str, Entity]:
        """Entities of the file's default scene, parents before children."""
        order = self._order()
        present = {node for node, _ in order}
        for node, parent in order:
            self.source.budget.spend(ENTITY_BYTES, f"nodes[{node}]")
            self._read_node(node, parent, present)
        return self.entities

    def roots(self) -> list[int]:
        """The root nodes of the default scene; every node without a parent where the file has no scene."""
        document = self.source.document
        if document.scenes:
            chosen = document.scene or 0
            record = self.source.follow(document.scenes, chosen, "scene", "scene")
            if len(document.scenes) > 1:
                self.source.notes.dropped(f"The file has {len(document.scenes)} scenes; scene {chosen} was read.")
            return list(record.nodes)
        children = {child for node in document.nodes for child in node.children}
        return [index for index in range(len(document.nodes)) if index not in children]

    def _order(self) -> list[tuple[int, int]]:
        """(node, parent) of the tree, depth first in the file's order. A cycle or a second parent is a fault."""
        nodes = self.source.document.nodes
        seen: set[int] = set()
        order: list[tuple[int, int]] = []
        waiting = [(root, -1, 1, "scene") for root in reversed(self.roots())]
        while waiting:
            node, parent, depth, place = waiting.pop()
            record = self.source.follow(nodes, node, place, "node")
            if node in seen:
                raise self.source.bad(f"nodes[{node}]", "is reached twice; the tree has a cycle or a node two parents")
            if depth > DEEPEST:
                raise self.source.bad(f"nodes[{node}]", f"lies more than {DEEPEST:,} levels deep; flatten the tree")
            seen.add(node)
            order.append((node, parent))
            waiting += [(child, node, depth + 1, f"nodes[{node}].children") for child in reversed(record.children)]
        if len(seen) < len(nodes):
            self.source.notes.dropped(f"{len(nodes) - len(seen):,} nodes outside the scene were left out.")
        return order

    def _read_node(self, node: int, parent: int, present: set[int]) -> None:
        record, place = self.source.document.nodes[node], f"nodes[{node}]"
        placed: Placed = {
            "id": f"n{node}",
            "name": record.name or self._name_of_thing(record) or f"node {node}",
            "parent": "" if parent < 0 else f"n{parent}",
            **self._transform(record, place),
        }
        things = [
            thing
            for thing in (
                self._mesh(node, record, present, place),
                self._camera(record, place),
                self._light(record, place),
            )
            if thing is not None
        ]
        instances = self._instances(record, place)
        if len(things) == 1 and instances is None:
            kind, fields = things[0]
            self._add(kind(**placed, **fields), record, place)
            return
        self._add(Group(**placed), record, place)
        for number, (kind, fields) in enumerate(things):
            name = f"{placed['name']} {kind.__name__.lower()}"
            below: Placed = {"id": f"n{node}.{number}", "name": name, "parent": f"n{node}"}
            if kind is MeshObject and instances is not None:
                self._add_instances(below, fields, instances, place)
            else:
                self._add(kind(**below, **fields), None, place)

    def _name_of_thing(self, record: r.NodeRecord) -> str:
        """The name of the mesh or camera on a node that has none itself."""
        document = self.source.document
        for index, things in ((record.mesh, document.meshes), (record.camera, document.cameras)):
            if index is not None and index < len(things) and things[index].name:
                return things[index].name
        return ""

    def _add(self, entity: Entity, record: r.NodeRecord | None, place: str) -> None:
        if record is not None:
            kept = kept_record(record.extras, "myriad_node", dict[str, object], self.source.name, place)
            if kept is not None:
                entity = self._with_kept(entity, kept, place)
        entity, moved = clamped(entity)
        for field in moved:
            self.source.notes.warn(f"{place}: {field.replace('_', ' ')} was out of range and moved to its limit.")
        self.entities[entity.id] = entity
        if isinstance(entity, Camera):
            self.cameras.append(entity.id)

    def _with_kept(self, entity: Entity, kept: dict[str, object], place: str) -> Entity:
        """Fields that glTF cannot say, kept by our writer; the kind and links of an entity are never taken from it."""
        values = msgspec.to_builtins(entity)
        if kept.get("kind") == "light" and isinstance(entity, Group):
            values["kind"] = "light"
        values.update({name: value for name, value in kept.items() if name not in FIXED_FIELDS})
        for name in IMAGE_FIELDS:
            image = kept.get(name)
            if isinstance(image, str):
                found = image[6:].isdecimal() and image.startswith("image:") and self.image_of is not None
                values[name] = self.image_of(int(image[6:][:9]), place) if found and self.image_of else ""
        kept_entity = _as_entity(values, self.source.name, f"{place}.extras.myriad_node")
        if isinstance(kept_entity, Group):
            check_states(kept_entity, f"{self.source.name}: {place}")
        return kept_entity

    def _transform(self, record: r.NodeRecord, place: str) -> Placed:
        if record.matrix is not None:
            matrix = np.array(record.matrix, np.float64).reshape(4, 4).T
            return self._decomposed(matrix, place)
        out: Placed = {}
        if record.translation is not None:
            out["translation"] = record.translation
        if record.rotation is not None:
            out["rotation"] = self._unit_quaternion(record.rotation, place)
        if record.scale is not None:
            out["scale"] = record.scale
        for name, values in out.items():
            if max(map(abs, values)) > FARTHEST:
                raise self.source.bad(f"{place}.{name}", "is beyond any scene; export it again")
        return out

    def _unit_quaternion(self, q: r.Vec4, place: str) -> r.Vec4:
        length = math.sqrt(sum(c * c for c in q)) if max(map(abs, q)) < 1e100 else math.inf
        if not 1e-12 < length < 1e12:
            self.source.notes.warn(f"{place}: a rotation that is no quaternion was left out.")
            return (0.0, 0.0, 0.0, 1.0)
        if abs(length - 1.0) < 1e-6:
            return q
        return (q[0] / length, q[1] / length, q[2] / length, q[3] / length)

    def _decomposed(self, matrix: NDArray[np.float64], place: str) -> Placed:
        if not np.allclose(matrix[3], (0.0, 0.0, 0.0, 1.0), atol=1e-6):
            self.source.notes.warn(f"{place}: the last row of the matrix is not 0, 0, 0, 1 and was taken as that.")
        if np.abs(matrix[:3]).max() > FARTHEST:
            raise self.source.bad(f"{place}.matrix", "is beyond any scene; export it again")
        return {"translation": tuple(matrix[:3, 3].tolist()), **decompose(matrix[:3, :3])}

    def _camera(self, record: r.NodeRecord, place: str) -> tuple[type[Entity], Placed] | None:
        if record.camera is None:
            return None
        at = f"cameras[{record.camera}]"
        camera = self.source.follow(self.source.document.cameras, record.camera, f"{place}.camera", "camera")
        if camera.type == "perspective" and camera.perspective is not None:
            lens = camera.perspective
            if not 0.0 < lens.yfov < math.pi:
                raise self.source.bad(f"{at}.perspective.yfov", f"is {lens.yfov:g}; it must lie between 0 and pi")
            aspect = lens.aspect_ratio if lens.aspect_ratio and 0.01 < lens.aspect_ratio < 100 else 16 / 9
            fields: Placed = {
                "focal_length_mm": 0.5 * SENSOR_HEIGHT_MM / math.tan(0.5 * lens.yfov),
                "sensor_height_mm": SENSOR_HEIGHT_MM,
                "sensor_width_mm": SENSOR_HEIGHT_MM * aspect,
                "near_m": lens.znear,
            }
            far = lens.zfar
        elif camera.type == "orthographic" and camera.orthographic is not None:
            if camera.orthographic.ymag == 0.0:
                raise self.source.bad(f"{at}.orthographic.ymag", "is 0; it must be half the height seen")
            fields = {
                "projection": "orthographic",
                "ortho_height_m": 2.0 * abs(camera.orthographic.ymag),
                "near_m": camera.orthographic.znear,
            }
            far = camera.orthographic.zfar
        else:
            raise self.source.bad(at, f"is of the unknown type {camera.type[:20]!r} or lacks its lens")
        if far is not None:
            fields["far_m"] = far
        return Camera, {**fields, "fit": "vertical"}

    def _light(self, record: r.NodeRecord, place: str) -> tuple[type[Entity], Placed] | None:
        named = self.source.extension(record.extensions, "KHR_lights_punctual", r.LightIndex, place)
        if named is None:
            return None
        lights = [] if self._lights is None else self._lights.lights
        light = self.source.follow(lights, named.light, f"{place}.extensions.KHR_lights_punctual", "light")
        if light.range is not None:
            self.source.notes.mapped("Ranges of lights were left out: light falls off with the square of distance.")
        fields: Placed = {"intensity": light.intensity, "color": light.color, "radius_m": 0.0}
        if light.type == "directional":
            return Light, {**fields, "light": "distant", "unit": "lx", "angle_deg": 0.0}
        if light.type == "spot":
            cone = light.spot or r.Spot()
            fields["inner_cone_deg"] = math.degrees(cone.inner_cone_angle)
            fields["outer_cone_deg"] = math.degrees(cone.outer_cone_angle)
        elif light.type != "point":
            raise self.source.bad(
                f"extensions.KHR_lights_punctual.lights[{named.light}].type",
                f"is {light.type[:20]!r}, which is no light",
            )
        return Light, {**fields, "light": light.type, "unit": "cd"}

    def _mesh(
        self, node: int, record: r.NodeRecord, present: set[int], place: str
    ) -> tuple[type[Entity], Placed] | None:
        if record.mesh is None:
            return None
        read = self.mesh_reader.read(record.mesh, f"{place}.mesh")
        if read is None:
            return None
        mesh = read.mesh
        self.meshes[mesh.key] = mesh
        if record.mesh not in self._shared:
            # what all nodes of a mesh share is made once, however many they are
            ids = tuple("" if material is None else f"m{material}" for material in read.materials)
            self._shared[record.mesh] = ids, -1 if mesh.joints is None else int(mesh.joints.max(initial=0))
        materials, highest_joint = self._shared[record.mesh]
        weights = read.weights
        if record.weights is not None and mesh.morphs:
            self.source.budget.spend(8 * len(mesh.morphs), place)
            own = tuple(record.weights[: len(mesh.morphs)])
            weights = own + (0.0,) * (len(mesh.morphs) - len(own))
        fields: Placed = {"mesh": mesh.key, "materials": materials, "morph_weights": weights}
        if record.skin is not None and mesh.joints is not None:
            fields.update(self._skin(record.skin, highest_joint, present, f"{place}.skin"))
        others = {"KHR_lights_punctual", "EXT_mesh_gpu_instancing"} & record.extensions.keys()
        alone = record.camera is None and not others
        self.morphed[node] = (f"n{node}" if alone else f"n{node}.0", len(mesh.morphs))
        return MeshObject, fields

    def _skin(self, index: int, highest: int, present: set[int], place: str) -> Placed:
        """Skin and joints of a mesh object; a skin whose joints are not in the scene is left out."""
        if index not in self._joints:
            self._joints[index] = self._read_skin(index, present, place)
        joints = self._joints[index]
        if not joints:
            return {}
        if highest >= len(joints):
            raise self.source.bad(
                f"skins[{index}]", f"has {len(joints):,} joints, but its mesh names joint {highest:,}"
            )
        return {"skin": f"s{index}", "joints": joints}

    def _read_skin(self, index: int, present: set[int], place: str) -> tuple[str, ...]:
        """The joints of a skin as entity ids, its inverse bind matrices stored; none when they are not in the scene."""
        record = self.source.follow(self.source.document.skins, index, place, "skin")
        at = f"skins[{index}]"
        for joint in record.joints:
            self.source.follow(self.source.document.nodes, joint, f"{at}.joints", "node")
        if not present.issuperset(record.joints) or not record.joints:
            self.source.notes.warn(f"{at} names joints outside the scene; its meshes are shown unskinned.")
            return ()
        self.source.budget.spend(200 * len(record.joints), at)
        self.skins[f"s{index}"] = self._inverse_binds(record, at)
        return tuple(f"n{joint}" for joint in record.joints)

    def _inverse_binds(self, record: r.SkinRecord, place: str) -> NDArray[np.float32]:
        count = len(record.joints)
        out = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
        if record.inverse_bind_matrices is not None:
            at = f"{place}.inverseBindMatrices"
            stored = self.accessors.floats(record.inverse_bind_matrices, at, "MAT4")
            if len(stored) < count:
                raise self.source.bad(at, f"has {len(stored):,} matrices for {count:,} joints; export it again")
            matrices = stored[:count].reshape(count, 4, 4).transpose(0, 2, 1)
            sound = np.isfinite(matrices).all(axis=(1, 2))
            if not sound.all():
                self.source.notes.warn(f"{at}: {count - int(sound.sum())} matrices with no numbers became identities.")
            out[sound] = matrices[sound]
        out.flags.writeable = False
        return out

    def _instances(self, record: r.NodeRecord, place: str) -> dict[str, list[Any]] | None:
        """The transforms of EXT_mesh_gpu_instancing, as lists of tuples by field."""
        extension = self.source.extension(record.extensions, "EXT_mesh_gpu_instancing", r.GpuInstancing, place)
        if extension is None or record.mesh is None:
            return None
        place = f"{place}.extensions.EXT_mesh_gpu_instancing"
        kinds = {"TRANSLATION": "VEC3", "ROTATION": "VEC4", "SCALE": "VEC3"}
        columns = {
            name.lower(): self.accessors.floats(extension.attributes[name], f"{place}.{name}", kind)
            for name, kind in kinds.items()
            if name in extension.attributes
        }
        counts = {len(column) for column in columns.values()}
        if len(counts) > 1:
            raise self.source.bad(place, "has attributes of different lengths; export it again")
        self.source.budget.spend(sum(counts) * ENTITY_BYTES, place)
        sound = np.ones(sum(counts), np.bool_)
        for column in columns.values():
            sound &= (np.abs(column) < FARTHEST).all(axis=1)
        if "rotation" in columns:
            length = np.linalg.norm(columns["rotation"].astype(np.float64), axis=1)
            sound &= length > 1e-12
            columns["rotation"] = (columns["rotation"] / np.where(sound, length, 1)[:, None]).astype(np.float32)
        lost = int((~sound).sum())
        if lost:
            self.source.notes.warn(f"{place}: {lost:,} instances without a sound transform were dropped.")
        return {name: list(map(tuple, column[sound].tolist())) for name, column in columns.items()}

    def _add_instances(self, below: Placed, fields: Placed, instances: dict[str, list[Any]], place: str) -> None:
        names, parent, stem = list(instances), below["parent"], below["id"]
        shown = self.entities[parent].name
        for number, values in enumerate(zip(*instances.values(), strict=True)):
            key = f"{stem}.{number}"
            placed = dict(zip(names, values, strict=True))
            self.entities[key] = MeshObject(id=key, name=f"{shown} {number}", parent=parent, **placed, **fields)


_KINDS: dict[object, type[Entity]] = {"group": Group, "mesh": MeshObject, "camera": Camera, "light": Light}


def _as_entity(values: dict[str, object], name: str, place: str) -> Entity:
    """An entity out of plain values, its kind by its tag."""
    return decode(msgspec.json.encode(values), _KINDS[values["kind"]], name, place)


def decompose(matrix: NDArray[np.float64]) -> Placed:
    """Rotation (unit quaternion x, y, z, w), shear and scale whose product is a (3, 3) matrix.

    QR of the matrix: the rotation is Q, shear times scale is the upper triangle. A mirror goes to the scale's x.
    """
    q, upper = np.linalg.qr(matrix)
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    q, upper = q * signs, upper * signs[:, None]
    if np.linalg.det(q) < 0:
        q, upper = q * (-1.0, 1.0, 1.0), upper * np.array((-1.0, 1.0, 1.0))[:, None]
    scale = np.diag(upper)
    safe = np.where(np.abs(scale) > 1e-30, scale, 1.0)
    shear = np.array([upper[0, 1] / safe[1], upper[0, 2] / safe[2], upper[1, 2] / safe[2]])
    # rounding of the factorisation is no shear
    shear[np.abs(shear) < 1e-12] = 0.0
    return {
        "rotation": tuple(_quaternion(q).tolist()),
        "shear": tuple((shear + 0.0).tolist()),
        "scale": tuple((scale + 0.0).tolist()),
    }


def _quaternion(m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternion x, y, z, w of a (3, 3) rotation: the eigenvector that Bar-Itzhack (2000) shows to be nearest."""
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], 0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    q = np.linalg.eigh(k, UPLO="L")[1][:, -1]
    return np.asarray(-q if q[3] < 0 else q)
