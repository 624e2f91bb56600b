"""glTF meshes: primitives become parts, modes triangles, targets morphs; what is broken is mended or refused."""

from __future__ import annotations

from pathlib import Path

import DracoPy
import numpy as np
import pytest

from studio.assets.load import load_scene
from studio.errors import BadAsset
from studio.scene.entities import MeshObject
from studio.scene.geometry import Mesh
from studio.scene.scene import Scene
from tests.assets.gltf_maker import QUAD, QUAD_INDICES, QUAD_UV, TRIANGLE, Maker


def only_mesh(scene: Scene) -> Mesh:
    (mesh,) = scene.meshes.values()
    return mesh


def test_a_plain_triangle_is_faceted_and_keeps_its_winding(tmp_path: Path) -> None:
    m = Maker()
    m.node(name="tri", mesh=m.mesh())
    scene, report = load_scene(m.save(tmp_path))
    mesh = only_mesh(scene)
    assert mesh.triangles.tolist() == [[0, 1, 2]] and mesh.parts == (0, 1)
    assert mesh.normals is None and not mesh.positions.flags.writeable
    assert report.read["triangle"] == 1 and not report.warnings
    assert scene.entities["n0"].name == "tri"


@pytest.mark.parametrize(
    ("mode", "indices", "triangles"),
    [
        (4, [0, 1, 2, 0, 2, 3], [[0, 1, 2], [0, 2, 3]]),
        (5, [0, 1, 3, 2], [[0, 1, 3], [1, 2, 3]]),
        (5, [0, 1, 1, 2, 3], [[1, 2, 3]]),
        (6, [0, 1, 2, 3], [[1, 2, 0], [2, 3, 0]]),
        (4, [0, 1, 2, 3], [[0, 1, 2]]),
    ],
)
def test_lists_strips_and_fans_are_triangles(
    tmp_path: Path, mode: int, indices: list[int], triangles: list[list[int]]
) -> None:
    m = Maker()
    m.node(mesh=m.mesh(QUAD, indices, mode=mode))
    assert only_mesh(load_scene(m.save(tmp_path))[0]).triangles.tolist() == triangles


@pytest.mark.parametrize("mode", [0, 1, 2, 3, 77])
def test_points_and_lines_are_skipped_and_said(tmp_path: Path, mode: int) -> None:
    m = Maker()
    m.node(mesh=m.mesh(mode=mode))
    scene, report = load_scene(m.save(tmp_path))
    assert not scene.meshes and any("not drawn" in line for line in report.dropped)


def test_primitives_are_parts_that_share_the_vertices_they_shared(tmp_path: Path) -> None:
    m = Maker()
    position = m.array(QUAD)
    for _ in range(2):
        m.add("materials", {})
    shared = [
        {"attributes": {"POSITION": position}, "indices": m.array([0, 1, 2], "u4"), "material": 1},
        {"attributes": {"POSITION": position}, "indices": m.array([0, 2, 3], "u4"), "material": 0},
        {"attributes": {"POSITION": m.array(TRIANGLE)}},
    ]
    m.node(mesh=m.add("meshes", {"primitives": shared}))
    scene, _ = load_scene(m.save(tmp_path))
    mesh = only_mesh(scene)
    assert len(mesh.positions) == 7 and mesh.parts == (0, 1, 2, 3)
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6]]
    entity = scene.entities["n0"]
    assert isinstance(entity, MeshObject) and entity.materials == ("m1", "m0", "")


def test_a_part_without_normals_beside_one_with_becomes_faceted(tmp_path: Path) -> None:
    m = Maker()
    folded = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    parts = [
        {"attributes": {"POSITION": m.array(TRIANGLE), "NORMAL": m.array([[0, 0, 1]] * 3)}},
        {"attributes": {"POSITION": m.array(folded)}, "indices": m.array([0, 1, 2, 0, 3, 1], "u1")},
    ]
    m.node(mesh=m.add("meshes", {"primitives": parts}))
    mesh = only_mesh(load_scene(m.save(tmp_path))[0])
    assert mesh.normals is not None and len(mesh.positions) == 3 + 6
    assert mesh.normals[3:].tolist() == [[0, 0, 1]] * 3 + [[0, 1, 0]] * 3


def test_meshes_of_the_same_bytes_are_one(tmp_path: Path) -> None:
    m = Maker()
    for _ in range(3):
        m.node(mesh=m.mesh(QUAD, QUAD_INDICES))
    scene, _ = load_scene(m.save(tmp_path))
    assert len(scene.meshes) == 1 and len(scene.entities) == 3


@pytest.mark.parametrize(("dtype", "columns"), [("u1", 3), ("u1", 4), ("u2", 4), ("f4", 3)])
def test_vertex_colours_come_as_linear_rgba(tmp_path: Path, dtype: str, columns: int) -> None:
    m = Maker()
    full = {"u1": 255, "u2": 65535, "f4": 1}[dtype]
    values = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]])[:, :columns] * full
    m.node(mesh=m.mesh(attributes={"COLOR_0": m.array(values, dtype, normalized=dtype != "f4")}))
    mesh = only_mesh(load_scene(m.save(tmp_path))[0])
    assert mesh.colors is not None
    assert mesh.colors.tolist() == [[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]]


def test_two_texture_sets_are_kept_and_a_third_is_said(tmp_path: Path) -> None:
    m = Maker()
    sets = {f"TEXCOORD_{i}": m.array(np.full((3, 2), i)) for i in range(3)}
    m.node(mesh=m.mesh(attributes=sets))
    scene, report = load_scene(m.save(tmp_path))
    mesh = only_mesh(scene)
    assert mesh.uv0 is not None and mesh.uv1 is not None and mesh.uv1[0, 0] == 1
    assert any("second set" in line for line in report.dropped)


def test_morph_targets_keep_names_and_only_what_moves(tmp_path: Path) -> None:
    m = Maker()
    sparse = {
        "count": 2,
        "indices": {"bufferView": m.view(np.array([1, 3], "<u2").tobytes()), "componentType": 5123},
        "values": {"bufferView": m.view(np.array([[0, 0, 1], [0, 0, 2]], "<f4").tobytes())},
    }
    smile = m.add("accessors", {"componentType": 5126, "count": 4, "type": "VEC3", "sparse": sparse})
    frown = m.array([[0, 0, 0], [0, 0, 0], [0, 0, 3], [0, 0, 0]])
    normal = m.array([[0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    mesh = m.mesh(QUAD, QUAD_INDICES, targets=[{"POSITION": smile}, {"POSITION": frown, "NORMAL": normal}])
    m.doc["meshes"][mesh].update(extras={"targetNames": ["smile"]}, weights=[0.25, 0.5])
    m.node(mesh=mesh)
    m.node(mesh=mesh, weights=[1])
    scene, _ = load_scene(m.save(tmp_path))
    first, second = only_mesh(scene).morphs
    assert (first.name, second.name) == ("smile", "morph 1")
    assert first.indices.tolist() == [1, 3] and first.positions.tolist() == [[0, 0, 1], [0, 0, 2]]
    assert second.indices.tolist() == [0, 2] and second.positions.tolist() == [[0, 0, 0], [0, 0, 3]]
    assert second.normals is not None and second.normals.tolist() == [[0, 1, 0], [0, 0, 0]]
    weights = [entity.morph_weights for entity in scene.entities.values() if isinstance(entity, MeshObject)]
    assert weights == [(0.25, 0.5), (1.0, 0.0)]


def test_influences_are_normalised_and_a_vertex_without_any_follows_its_first_joint(tmp_path: Path) -> None:
    m = Maker()
    attributes = {
        "JOINTS_0": m.array([[1, 2, 0, 0]] * 3, "u2"),
        "WEIGHTS_0": m.array([[1, 3, 0, 0], [0, 0, 0, 0], [0.5, 0.5, 0, 0]]),
    }
    m.node(mesh=m.mesh(attributes=attributes))
    mesh = only_mesh(load_scene(m.save(tmp_path))[0])
    assert mesh.joints is not None and mesh.weights is not None
    assert mesh.weights.tolist() == [[0.25, 0.75, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0, 0]]
    assert mesh.joints.tolist() == [[1, 2, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0]]


def test_two_sets_of_influences_stand_side_by_side(tmp_path: Path) -> None:
    m = Maker()
    attributes = {f"JOINTS_{i}": m.array([[4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]] * 3, "u1") for i in range(2)}
    attributes |= {f"WEIGHTS_{i}": m.array([[32, 32, 32, 32]] * 3, "u1", normalized=True) for i in range(2)}
    m.node(mesh=m.mesh(attributes=attributes))
    mesh = only_mesh(load_scene(m.save(tmp_path))[0])
    assert mesh.joints is not None and mesh.joints[0].tolist() == list(range(8))
    assert mesh.weights is not None and mesh.weights[0].tolist() == pytest.approx([0.125] * 8)


def test_triangles_with_a_position_that_is_no_number_are_dropped_and_said(tmp_path: Path) -> None:
    m = Maker()
    m.node(mesh=m.mesh([*QUAD, [np.nan, 0, 0]], [0, 1, 2, 0, 2, 4, 0, 2, 3]))
    scene, report = load_scene(m.save(tmp_path))
    mesh = only_mesh(scene)
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3]] and np.isfinite(mesh.positions).all()
    assert any("1 triangles" in line for line in report.warnings)


@pytest.mark.parametrize(
    ("primitive", "told"),
    [
        ({"indices": 1}, "names vertex 3 of 3"),
        ({"attributes": {"NORMAL": 0}}, "has no POSITION"),
        ({"attributes": {"POSITION": 0, "NORMAL": 2}}, "has 2 values for 3 vertices"),
        ({"targets": [{"POSITION": 2}]}, "has 2 offsets for 3 vertices"),
        ({"indices": 0}, "where SCALAR belongs"),
        ({"material": 4}, "names material 4"),
    ],
)
def test_a_broken_primitive_is_one_sentence(tmp_path: Path, primitive: dict[str, object], told: str) -> None:
    m = Maker()
    record = {"attributes": {"POSITION": m.array(TRIANGLE)}, **primitive}
    m.array([0, 1, 3], "u2")
    m.array([[0, 0, 1]] * 2)
    m.node(mesh=m.add("meshes", {"primitives": [record]}))
    with pytest.raises(BadAsset, match=told):
        load_scene(m.save(tmp_path))


def draco_maker(count: int = 4) -> Maker:
    m = Maker()
    joints = np.array([[0, 1, 0, 0]] * 4, np.uint16)
    faces = np.array(QUAD_INDICES, np.uint32).reshape(-1, 3)
    options = {"quantization_bits": 16, "tex_coord": np.array(QUAD_UV, np.float64), "preserve_order": True}
    packed = DracoPy.encode(np.array(QUAD, np.float32), faces, generic_attributes={9: joints}, **options)
    ids = {a["attribute_type"]: a["unique_id"] for a in DracoPy.decode(packed).attributes}
    names = {"POSITION": ids[0], "TEXCOORD_0": ids[3], "JOINTS_0": 9}
    claims = {
        "POSITION": m.add("accessors", {"componentType": 5126, "count": count, "type": "VEC3"}),
        "TEXCOORD_0": m.add("accessors", {"componentType": 5126, "count": count, "type": "VEC2"}),
        "JOINTS_0": m.add("accessors", {"componentType": 5123, "count": count, "type": "VEC4"}),
        "WEIGHTS_0": m.array([[0.5, 0.5, 0, 0]] * 4),
    }
    draco = {"KHR_draco_mesh_compression": {"bufferView": m.view(packed), "attributes": names}}
    indices = m.add("accessors", {"componentType": 5125, "count": 6, "type": "SCALAR"})
    m.node(mesh=m.add("meshes", {"primitives": [{"attributes": claims, "indices": indices, "extensions": draco}]}))
    m.doc["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    return m


def test_draco_meshes_are_decompressed_with_all_their_attributes(tmp_path: Path) -> None:
    mesh = only_mesh(load_scene(draco_maker().save(tmp_path))[0])
    assert np.allclose(mesh.positions, QUAD, atol=1e-4) and len(mesh.triangles) == 2
    assert mesh.uv0 is not None and np.allclose(mesh.uv0, QUAD_UV, atol=1e-3)
    assert mesh.joints is not None and mesh.joints.tolist() == [[0, 1, 0, 0]] * 4


def test_a_draco_stream_larger_than_its_accessors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadAsset, match="more than its accessors"):
        load_scene(draco_maker(count=3).save(tmp_path))
