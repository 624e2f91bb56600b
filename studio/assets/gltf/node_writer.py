"""Entities as glTF nodes, the inverse of `studio.assets.gltf.nodes`.

Point, spot and distant lights become KHR_lights_punctual with the intensity they end up with. What a node cannot say
(area lights, a dome, a lens, mute and visibility) is found by reading the node back, and kept in its extras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.material_writer import Json, TextureTable, document_source, same
from studio.assets.gltf.meshes import MeshRead, MeshReader
from studio.assets.gltf.nodes import FIXED_FIELDS, NodeReader
from studio.assets.gltf.packing import INDICES, VERTICES, Packer
from studio.scene.constraints import lineage
from studio.scene.entities import Camera, Entity, Group, MeshObject, renamed_group
from studio.scene.geometry import Mesh
from studio.scene.lights import IMAGE_FIELDS, LARGEST, Light, pack
from studio.scene.linking import masters
from studio.scene.scene import Scene
from studio.scene.transforms import local_matrices

TRANSFORM = ("translation", "rotation", "scale", "shear")
PUNCTUAL = {"point": "point", "spot": "spot", "distant": "directional"}


class NodeWriter:
    """Writes the tree, meshes, skins, cameras and lights of a scene."""

    def __init__(self, scene: Scene, packer: Packer, table: TextureTable) -> None:
        self.scene, self.packer, self.table = scene, packer, table
        self.row = {key: row for row, key in enumerate(scene.entities)}
        self.material_row = {key: row for row, key in enumerate(scene.materials)}
        self.nodes: list[Json] = []
        self.meshes: list[Json] = []
        self.cameras: list[Json] = []
        self.lights: list[Json] = []
        self.skins: list[Json] = []
        self._reads: list[MeshRead] = []
        self._meshes: dict[tuple[str, tuple[str, ...]], int] = {}
        self._primitives: dict[str, list[Json]] = {}
        self._skins: dict[tuple[str, tuple[str, ...]], int] = {}

    def write(self) -> list[int]:
        """Fill the tables; the root nodes."""
        self.nodes = [self._node(entity) for entity in self.scene.entities.values()]
        roots = []
        for row, entity in enumerate(self.scene.entities.values()):
            if entity.parent in self.row:
                self.nodes[self.row[entity.parent]].setdefault("children", []).append(row)
            else:
                roots.append(row)
        self._keep_the_rest(roots)
        return roots

    def _node(self, entity: Entity) -> Json:
        node: Json = {"name": entity.name, **_transform(entity)}
        if isinstance(entity, MeshObject):
            self._add_mesh(entity, node)
        elif isinstance(entity, Camera):
            self.cameras.append(_camera(entity))
            node["camera"] = len(self.cameras) - 1
        elif isinstance(entity, Light) and entity.light in PUNCTUAL:
            self.lights.append(_light(self.scene, entity))
            node["extensions"] = {"KHR_lights_punctual": {"light": len(self.lights) - 1}}
        return node

    def _add_mesh(self, entity: MeshObject, node: Json) -> None:
        mesh = self.scene.meshes.get(entity.mesh)
        if mesh is None or not len(mesh.triangles):
            return
        key = (mesh.key, entity.materials)
        if key not in self._meshes:
            self._meshes[key] = len(self.meshes)
            self.meshes.append(self._mesh(mesh, entity))
        node["mesh"] = self._meshes[key]
        if any(entity.morph_weights) and len(entity.morph_weights) == len(mesh.morphs):
            node["weights"] = list(entity.morph_weights)
        if entity.skin in self.scene.skins and all(joint in self.row for joint in entity.joints):
            node["skin"] = self._skin(entity)

    def _mesh(self, mesh: Mesh, entity: MeshObject) -> Json:
        if mesh.key not in self._primitives:
            self._primitives[mesh.key] = self._primitive_list(mesh)
        primitives: list[Json] = []
        rows: list[int | None] = []
        for primitive in self._primitives[mesh.key]:
            part = primitive["part"]
            row = self.material_row.get(entity.materials[part]) if part < len(entity.materials) else None
            rows.append(row)
            record = {name: value for name, value in primitive.items() if name != "part"}
            primitives.append(record if row is None else {**record, "material": row})
        self._reads.append(MeshRead(mesh, tuple(rows), (0.0,) * len(mesh.morphs)))
        out: Json = {"name": entity.name, "primitives": primitives}
        if mesh.morphs:
            out["weights"] = [0.0] * len(mesh.morphs)
            out["extras"] = {"targetNames": [morph.name for morph in mesh.morphs]}
        return out

    def _primitive_list(self, mesh: Mesh) -> list[Json]:
        attributes = {"POSITION": self.packer.array(mesh.positions, VERTICES, bounds=True)}
        columns = {
            "NORMAL": mesh.normals,
            "TANGENT": mesh.tangents,
            "TEXCOORD_0": mesh.uv0,
            "TEXCOORD_1": mesh.uv1,
            "COLOR_0": mesh.colors,
        }
        for name, column in columns.items():
            if column is not None:
                attributes[name] = self.packer.array(column, VERTICES)
        if mesh.joints is not None and mesh.weights is not None:
            for number in range(mesh.joints.shape[1] // 4):
                four = slice(4 * number, 4 * number + 4)
                attributes[f"JOINTS_{number}"] = self.packer.array(mesh.joints[:, four].copy(), VERTICES)
                attributes[f"WEIGHTS_{number}"] = self.packer.array(mesh.weights[:, four].copy(), VERTICES)
        targets = [self._target(mesh, number) for number in range(len(mesh.morphs))]
        out: list[Json] = []
        for part, (start, end) in enumerate(zip(mesh.parts, mesh.parts[1:], strict=False)):
            if end > start:
                indices = self.packer.array(mesh.triangles[start:end].reshape(-1), INDICES)
                record: Json = {"part": part, "attributes": attributes, "indices": indices}
                out.append({**record, "targets": targets} if targets else record)
        return out

    def _target(self, mesh: Mesh, number: int) -> Json:
        morph, count = mesh.morphs[number], len(mesh.positions)
        out = {"POSITION": self.packer.offsets(morph.indices, morph.positions, count)}
        if morph.normals is not None:
            out["NORMAL"] = self.packer.offsets(morph.indices, morph.normals, count)
        if morph.tangents is not None:
            out["TANGENT"] = self.packer.offsets(morph.indices, morph.tangents, count)
        return out

    def _skin(self, entity: MeshObject) -> int:
        key = (entity.skin, entity.joints)
        if key not in self._skins:
            self._skins[key] = len(self.skins)
            columns = np.ascontiguousarray(self.scene.skins[entity.skin].transpose(0, 2, 1)).reshape(-1, 16)
            joints = [self.row[joint] for joint in entity.joints]
            self.skins.append({"joints": joints, "inverseBindMatrices": self.packer.array(columns.astype("<f4"))})
        return self._skins[key]

    def _keep_the_rest(self, roots: Sequence[int]) -> None:
        """Read the nodes back; what differs goes to their extras."""
        document: Json = {
            "asset": {"version": "2.0"},
            "scenes": [{"nodes": list(roots)}],
            # skins are links, which are never kept
            "nodes": [{k: v for k, v in node.items() if k != "skin"} for node in self.nodes],
            "cameras": self.cameras,
            "meshes": [{"primitives": []}] * len(self.meshes),
            "extensions": {"KHR_lights_punctual": {"lights": self.lights}},
        }
        source = document_source(document)
        reader = NodeReader(source, Accessors(source), _KnownMeshes(self._reads))
        got = reader.read()
        for row, entity in enumerate(self.scene.entities.values()):
            kept = self._difference(entity, got[f"n{row}"])
            if kept:
                self.nodes[row]["extras"] = {"myriad_node": kept}

    def _difference(self, wanted: Entity, got: Entity) -> Json:
        if type(wanted) is not type(got) and not isinstance(wanted, Light):
            return {}
        kept: Json = {}
        for field in msgspec.structs.fields(type(wanted)):
            name = field.name
            if name in FIXED_FIELDS or name in TRANSFORM:
                continue
            value = getattr(wanted, name)
            if not same(value, getattr(got, name, field.default)):
                kept[name] = value
        if isinstance(wanted, Light):
            for name in IMAGE_FIELDS:
                if name in kept:
                    index = self.table.image(getattr(wanted, name))
                    kept[name] = "" if index is None else f"image:{index}"
            for name in ("light_links", "shadow_links"):
                if name in kept:  # a reader calls the entity of a node by its number
                    kept[name] = [f"n{self.row[id_]}" for id_ in getattr(wanted, name) if id_ in self.row]
            if not isinstance(got, Light):
                kept["kind"] = "light"
        if isinstance(wanted, Group):
            kept.update({name: value for name, value in self._renamed(wanted).items() if name in kept})
        return kept

    def _renamed(self, group: Group) -> Json:
        """What a group says of other entities, as a reader calls them. A rule whose path or object a node cannot be is
        left out: its lamps are lights like any others then."""
        source = self.scene.entities.get(group.source)
        if group.scatter not in ("none", "grid", "ring") and not isinstance(source, (MeshObject, Group)):
            group = msgspec.structs.replace(group, scatter="none", template="", source="", made=())
        names = {id_: f"n{row}" for id_, row in self.row.items()}
        gone = {"scatter": group.scatter, "template": "", "source": "", "made": ()}
        return {**gone, **renamed_group(group, names)}


class _KnownMeshes(MeshReader):
    """Meshes of a file being written, which are at hand already."""

    def __init__(self, reads: list[MeshRead]) -> None:
        self.reads = reads

    def read(self, index: int, place: str) -> MeshRead | None:
        """The written mesh at an index."""
        return self.reads[index]


def _transform(entity: Entity) -> Json:
    if any(entity.shear):
        matrix: NDArray[np.float64] = np.eye(4)
        matrix[:3] = local_matrices([entity])[0]
        return {"matrix": matrix.T.reshape(-1).tolist()}
    defaults = {"translation": (0.0, 0.0, 0.0), "rotation": (0.0, 0.0, 0.0, 1.0), "scale": (1.0, 1.0, 1.0)}
    return {name: getattr(entity, name) for name, value in defaults.items() if getattr(entity, name) != value}


def _camera(camera: Camera) -> Json:
    if camera.projection == "orthographic":
        half = 0.5 * camera.ortho_height_m
        if camera.fit != "vertical":
            half *= camera.sensor_height_mm / camera.sensor_width_mm
        aspect = camera.sensor_width_mm / camera.sensor_height_mm
        lens: Json = {"xmag": half * aspect, "ymag": half, "znear": camera.near_m, "zfar": camera.far_m}
        return {"type": "orthographic", "orthographic": lens}
    lens = {
        "yfov": 2.0 * math.atan(0.5 * camera.sensor_height_mm / camera.focal_length_mm),
        "aspectRatio": camera.sensor_width_mm / camera.sensor_height_mm,
        "znear": max(camera.near_m, 1e-6),
        "zfar": camera.far_m,
    }
    return {"type": "perspective", "perspective": lens}


def _light(scene: Scene, light: Light) -> Json:
    """KHR_lights_punctual, as the light ends up: unit, exposure, temperature, mute and masters of groups resolved."""
    stops, tint, masters_above = masters(scene, light.id)
    silent = any(getattr(scene.entities[id_], "muted", False) for id_ in lineage(scene.entities, light.id))
    plain = msgspec.structs.replace(light, radius_m=0.0, color=tuple(light.color))
    with np.errstate(over="ignore", invalid="ignore"):
        emission = pack([plain], images={}, groups={})["emission"][0] * (np.exp2(stops) * np.array(tint))
    emission = emission if (emission < LARGEST).all() else np.zeros(3)
    resolved = light.exposure != 0.0 or light.use_temperature or masters_above
    simple = light.unit in ("cd", "lx") and not resolved
    strongest = float(emission.max(initial=0.0))
    color = list(light.color) if simple else (emission / strongest if strongest > 0 else np.ones(3)).tolist()
    intensity = light.intensity if simple else strongest
    out: Json = {"type": PUNCTUAL[light.light], "color": color, "intensity": 0.0 if silent else intensity}
    if light.light == "spot":
        inner, outer = math.radians(light.inner_cone_deg), math.radians(light.outer_cone_deg)
        out["spot"] = {"innerConeAngle": inner, "outerConeAngle": outer}
    if light.name:
        out["name"] = light.name
    return out
