"""glTF nodes: the tree, exact transforms, cameras, lights, skins and instances."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from studio.assets.gltf.nodes import decompose
from studio.assets.load import load_scene
from studio.errors import BadAsset
from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.scene.transforms import local_matrices
from tests.assets.gltf_maker import Maker


def loaded(maker: Maker, folder: Path) -> Scene:
    return load_scene(maker.save(folder))[0]


def test_the_tree_keeps_parents_names_and_order(tmp_path: Path) -> None:
    m = Maker()
    top = m.node(name="top")
    m.node(name="second")
    m.node(root=False, name="b")
    m.node(root=False, name="a")
    m.doc["nodes"][top]["children"] = [3, 2]
    scene = loaded(m, tmp_path)
    assert [e.name for e in scene.entities.values()] == ["top", "a", "b", "second"]
    assert [e.parent for e in scene.entities.values()] == ["", "n0", "n0", ""]


def test_translation_rotation_and_scale_are_taken_as_they_are(tmp_path: Path) -> None:
    m = Maker()
    half = math.sqrt(0.5)
    m.node(translation=[1, 2, 3], rotation=[0, half, 0, half], scale=[1, -2, 0.5])
    entity = loaded(m, tmp_path).entities["n0"]
    assert entity.translation == (1, 2, 3) and entity.scale == (1, -2, 0.5)
    assert entity.rotation == (0, half, 0, half)


@pytest.mark.parametrize("seed", range(8))
def test_any_affine_matrix_is_kept_exactly(tmp_path: Path, seed: int) -> None:
    matrix = np.eye(4)
    matrix[:3] = np.random.default_rng(seed).normal(size=(3, 4))
    m = Maker()
    m.node(matrix=matrix.T.reshape(-1).tolist())
    entity = loaded(m, tmp_path).entities["n0"]
    assert np.allclose(local_matrices([entity])[0], matrix[:3], atol=1e-12)


@pytest.mark.parametrize(
    "scale", [(-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1), (2, 3, 4), (0, 1, 1), (0, 0, 0), (1, 0, 2)]
)
def test_mirrors_and_flat_matrices_decompose_without_shear(scale: tuple[float, ...]) -> None:
    parts = decompose(np.diag(scale).astype(float))
    assert parts["shear"] == (0, 0, 0)
    assert np.linalg.norm(parts["rotation"]) == pytest.approx(1)


def test_a_quaternion_that_is_not_unit_is_normalised(tmp_path: Path) -> None:
    m = Maker()
    m.node(rotation=[0, 0, 3, 4])
    m.node(rotation=[0, 0, 0, 0])
    scene, report = load_scene(m.save(tmp_path))
    assert scene.entities["n0"].rotation == pytest.approx((0, 0, 0.6, 0.8))
    assert scene.entities["n1"].rotation == (0, 0, 0, 1)
    assert any("no quaternion" in line for line in report.warnings)


def test_a_perspective_camera_keeps_its_vertical_angle(tmp_path: Path) -> None:
    m = Maker()
    lens = {"yfov": 2 * math.atan(0.5), "aspectRatio": 2.0, "znear": 0.1, "zfar": 50}
    m.node(name="eye", camera=m.add("cameras", {"type": "perspective", "perspective": lens}), translation=[0, 0, 5])
    scene = loaded(m, tmp_path)
    camera = scene.entities["n0"]
    assert isinstance(camera, Camera) and scene.camera == "n0"
    assert camera.fit == "vertical" and camera.sensor_height_mm == 24 and camera.sensor_width_mm == 48
    assert camera.focal_length_mm == pytest.approx(24.0)
    assert (camera.near_m, camera.far_m) == (0.1, 50)


def test_an_orthographic_camera_keeps_its_height(tmp_path: Path) -> None:
    m = Maker()
    lens = {"xmag": 4, "ymag": 3, "znear": 0, "zfar": 50}
    m.node(camera=m.add("cameras", {"type": "orthographic", "orthographic": lens}))
    camera = loaded(m, tmp_path).entities["n0"]
    assert isinstance(camera, Camera)
    assert camera.projection == "orthographic" and camera.fit == "vertical" and camera.ortho_height_m == 6


def test_the_first_camera_of_the_tree_is_active(tmp_path: Path) -> None:
    m = Maker()
    lens = {"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}}
    m.node(root=False, camera=m.add("cameras", lens))
    m.node(camera=m.add("cameras", lens))
    m.node(children=[0])
    assert loaded(m, tmp_path).camera == "n1"


def test_punctual_lights_keep_their_photometry(tmp_path: Path) -> None:
    m = Maker()
    lights = [
        {"type": "point", "intensity": 40, "color": [1, 0.5, 0.25], "range": 3, "name": "lamp"},
        {"type": "spot", "intensity": 90, "spot": {"innerConeAngle": 0.1, "outerConeAngle": 0.5}},
        {"type": "spot", "spot": {}},
        {"type": "directional", "intensity": 1000},
    ]
    m.extension("KHR_lights_punctual", {"lights": lights})
    for light in range(4):
        m.node(extensions={"KHR_lights_punctual": {"light": light}})
    scene, report = load_scene(m.save(tmp_path))
    point, spot, plain, sun = (e for e in scene.entities.values() if isinstance(e, Light))
    assert (point.light, point.unit, point.intensity, point.color) == ("point", "cd", 40, (1, 0.5, 0.25))
    assert point.radius_m == 0 and spot.light == "spot" and spot.unit == "cd"
    assert spot.inner_cone_deg == pytest.approx(math.degrees(0.1))
    assert spot.outer_cone_deg == pytest.approx(math.degrees(0.5))
    assert plain.outer_cone_deg == pytest.approx(45) and plain.intensity == 1
    assert (sun.light, sun.unit, sun.intensity, sun.angle_deg) == ("distant", "lx", 1000, 0)
    assert any("Ranges of lights" in line for line in report.mapped) and report.read["light"] == 4


def test_a_node_with_a_mesh_a_camera_and_a_light_becomes_a_group_of_them(tmp_path: Path) -> None:
    m = Maker()
    m.extension("KHR_lights_punctual", {"lights": [{"type": "point"}]})
    camera = m.add("cameras", {"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}})
    m.node(name="all", mesh=m.mesh(), camera=camera, extensions={"KHR_lights_punctual": {"light": 0}}, scale=[2, 2, 2])
    entities = list(loaded(m, tmp_path).entities.values())
    assert [type(e) for e in entities] == [Group, MeshObject, Camera, Light]
    assert [e.parent for e in entities] == ["", "n0", "n0", "n0"]
    assert entities[0].scale == (2, 2, 2) and entities[1].scale == (1, 1, 1)


def skinned(joints: int = 2) -> Maker:
    m = Maker()
    attributes = {"JOINTS_0": m.array([[0, joints - 1, 0, 0]] * 3, "u1"), "WEIGHTS_0": m.array([[0.5, 0.5, 0, 0]] * 3)}
    bind = np.tile(np.eye(4), (2, 1, 1))
    bind[1, :3, 3] = 1, 2, 3
    matrices = m.array(bind.transpose(0, 2, 1).reshape(2, 16))
    m.node(name="hip", children=[1])
    m.node(name="knee", root=False)
    m.add("skins", {"joints": [1, 0], "inverseBindMatrices": matrices})
    m.node(mesh=m.mesh(attributes=attributes), skin=0)
    return m


def test_skins_name_their_joints_and_keep_their_bind_matrices(tmp_path: Path) -> None:
    scene = loaded(skinned(), tmp_path)
    entity = scene.entities["n2"]
    assert isinstance(entity, MeshObject) and entity.joints == ("n1", "n0")
    binds = scene.skins[entity.skin]
    assert (
        binds.shape == (2, 4, 4) and binds[1, :3, 3].tolist() == [1, 2, 3] and binds[0].tolist() == np.eye(4).tolist()
    )


def test_a_mesh_that_names_a_joint_the_skin_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadAsset, match="names joint 2"):
        loaded(skinned(joints=3), tmp_path)


def test_joints_outside_the_scene_leave_the_mesh_unskinned(tmp_path: Path) -> None:
    m = skinned()
    m.doc["scenes"][0]["nodes"] = [2]
    scene, report = load_scene(m.save(tmp_path))
    entity = scene.entities["n2"]
    assert isinstance(entity, MeshObject) and entity.joints == () and entity.skin == ""
    assert any("unskinned" in line for line in report.warnings)


def test_thousands_of_gpu_instances_share_one_mesh(tmp_path: Path) -> None:
    m = Maker()
    count = 5000
    rows = {
        "TRANSLATION": m.array(np.arange(count * 3).reshape(count, 3)),
        "ROTATION": m.array(np.tile([0, 0, 32767, 32767], (count, 1)), "i2", normalized=True),
        "_ID": m.array(np.arange(count), "u2"),
    }
    extension = {"EXT_mesh_gpu_instancing": {"attributes": rows}}
    m.node(name="crowd", mesh=m.mesh(), extensions=extension, translation=[0, 1, 0])
    m.doc["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    scene = loaded(m, tmp_path)
    people = [e for e in scene.entities.values() if isinstance(e, MeshObject)]
    assert len(people) == count and len(scene.meshes) == 1 and {p.parent for p in people} == {"n0"}
    assert people[-1].translation == (14997, 14998, 14999)
    assert people[0].rotation == pytest.approx((0, 0, math.sqrt(0.5), math.sqrt(0.5)))


def test_only_the_default_scene_is_read_and_the_rest_is_said(tmp_path: Path) -> None:
    m = Maker()
    m.node(name="in")
    m.node(name="out", root=False)
    m.doc["scenes"].append({"nodes": [1]})
    scene, report = load_scene(m.save(tmp_path))
    assert [e.name for e in scene.entities.values()] == ["in"]
    assert any("2 scenes" in line for line in report.dropped) and any(
        "1 nodes outside" in line for line in report.dropped
    )


def test_without_scenes_all_root_nodes_are_read(tmp_path: Path) -> None:
    m = Maker()
    m.node(children=[1])
    m.node()
    del m.doc["scenes"], m.doc["scene"]
    assert list(loaded(m, tmp_path).entities) == ["n0", "n1"]


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([{"children": [0]}], "reached twice"),
        ([{"children": [1]}, {"children": [0]}], "reached twice"),
        ([{"children": [1, 1]}, {}], "reached twice"),
        ([{"children": [7]}], "names node 7"),
        ([{"mesh": 3}], "names mesh 3"),
        ([{"camera": 3}], "names camera 3"),
        ([{"matrix": [1, 2]}], "nodes.0..matrix"),
        ([{"translation": [1e30, 0, 0]}], "beyond any scene"),
        ([{"translation": [1, "2", 3]}], "nodes.0..translation"),
        ([{"extensions": {"KHR_lights_punctual": {"light": 0}}}], "names light 0"),
        ([{"children": [i + 1]} for i in range(5000)] + [{}], "levels deep"),
    ],
)
def test_a_broken_tree_is_one_sentence(tmp_path: Path, nodes: list[dict[str, object]], told: str) -> None:
    m = Maker()
    m.doc.update(nodes=nodes, scenes=[{"nodes": [0]}])
    with pytest.raises(BadAsset, match=told):
        loaded(m, tmp_path)


@pytest.mark.parametrize(
    "camera",
    [
        {"type": "perspective", "perspective": {"yfov": 0, "znear": 1}},
        {"type": "perspective", "perspective": {"yfov": 4, "znear": 1}},
        {"type": "perspective"},
        {"type": "fisheye"},
        {"type": "orthographic", "orthographic": {"xmag": 1, "ymag": 0, "znear": 0, "zfar": 1}},
    ],
)
def test_a_broken_camera_is_one_sentence(tmp_path: Path, camera: dict[str, object]) -> None:
    m = Maker()
    m.node(camera=m.add("cameras", camera))
    with pytest.raises(BadAsset, match=r"cameras\[0\]"):
        loaded(m, tmp_path)
