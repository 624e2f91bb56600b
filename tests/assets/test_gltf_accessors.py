"""glTF accessors: every component type, layout and buffer gives the numbers that were meant."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from studio.assets.gltf.accessors import Accessors
from studio.assets.gltf.container import open_gltf
from studio.assets.load import load_scene
from studio.assets.report import Notes
from studio.errors import BadAsset, Unsupported
from studio.scene.geometry import Mesh
from tests.assets.gltf_maker import QUAD, TRIANGLE, Maker


def accessors_of(maker: Maker, folder: Path) -> Accessors:
    return Accessors(open_gltf(maker.save(folder), Notes()))


def only_mesh(path: Path) -> Mesh:
    scene, _ = load_scene(path)
    (mesh,) = scene.meshes.values()
    return mesh


@pytest.mark.parametrize(
    ("dtype", "stored", "meant"),
    [
        ("i1", [-128, -127, 127], [-1.0, -1.0, 1.0]),
        ("u1", [0, 51, 255], [0.0, 0.2, 1.0]),
        ("i2", [-32768, 0, 32767], [-1.0, 0.0, 1.0]),
        ("u2", [0, 13107, 65535], [0.0, 0.2, 1.0]),
    ],
)
def test_normalised_integers_are_fractions(tmp_path: Path, dtype: str, stored: list[int], meant: list[float]) -> None:
    m = Maker()
    index = m.array(stored, dtype, normalized=True)
    assert accessors_of(m, tmp_path).floats(index, "here")[:, 0].tolist() == pytest.approx(meant, abs=1e-7)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "u4", "f4"])
def test_plain_components_keep_their_values(tmp_path: Path, dtype: str) -> None:
    m = Maker()
    index = m.array([[1, 2, 3], [100, 101, 102]], dtype)
    assert accessors_of(m, tmp_path).floats(index, "here", "VEC3").tolist() == [[1, 2, 3], [100, 101, 102]]


def test_interleaved_attributes_are_taken_apart(tmp_path: Path) -> None:
    m = Maker()
    rows = np.zeros(3, np.dtype([("p", "<f4", 3), ("n", "<i1", 3), ("pad", "u1")]))
    rows["p"], rows["n"] = TRIANGLE, (0, 0, 127)
    view = m.view(rows.tobytes(), byteStride=16)
    position = m.add("accessors", {"bufferView": view, "componentType": 5126, "count": 3, "type": "VEC3"})
    normal = {"bufferView": view, "byteOffset": 12, "componentType": 5120, "normalized": True, "count": 3}
    m.node(mesh=m.add("meshes", {"primitives": [{"attributes": {"POSITION": position, "NORMAL": 1}}]}))
    m.add("accessors", {**normal, "type": "VEC3"})
    mesh = only_mesh(m.save(tmp_path))
    assert mesh.positions.tolist() == TRIANGLE
    assert mesh.normals is not None and mesh.normals.tolist() == [[0, 0, 1]] * 3


def test_sparse_values_replace_the_dense_ones(tmp_path: Path) -> None:
    m = Maker()
    sparse = {
        "count": 1,
        "indices": {"bufferView": m.view(b"\x02"), "componentType": 5121},
        "values": {"bufferView": m.view(np.array([7, 8, 9], "<f4").tobytes())},
    }
    dense = m.array(TRIANGLE, sparse=sparse)
    empty = m.add("accessors", {"componentType": 5126, "count": 3, "type": "VEC3", "sparse": sparse})
    read = accessors_of(m, tmp_path)
    assert read.floats(dense, "here").tolist() == [[0, 0, 0], [1, 0, 0], [7, 8, 9]]
    assert read.floats(empty, "here").tolist() == [[0, 0, 0], [0, 0, 0], [7, 8, 9]]


def test_columns_of_small_matrices_start_at_multiples_of_four_bytes(tmp_path: Path) -> None:
    m = Maker()
    data = bytes([1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0])
    index = m.add("accessors", {"bufferView": m.view(data), "componentType": 5121, "count": 1, "type": "MAT3"})
    assert accessors_of(m, tmp_path).raw(index, "here", "MAT3").tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9]]


def test_quantised_meshes_are_read(tmp_path: Path) -> None:
    m = Maker()
    attributes = {
        "POSITION": m.array(np.array(QUAD) * 100, "i2"),
        "NORMAL": m.array([[0, 0, 127]] * 4, "i1", normalized=True),
        "TEXCOORD_0": m.array([[0, 65535], [65535, 65535], [65535, 0], [0, 0]], "u2", normalized=True),
    }
    m.node(mesh=m.add("meshes", {"primitives": [{"attributes": attributes, "indices": m.array([0, 1, 2], "u1")}]}))
    m.doc["extensionsRequired"] = ["KHR_mesh_quantization"]
    mesh = only_mesh(m.save(tmp_path))
    assert mesh.positions.tolist() == (np.array(QUAD) * 100.0).tolist()
    assert mesh.uv0 is not None and mesh.uv0.tolist() == [[0, 1], [1, 1], [1, 0], [0, 0]]


def test_buffers_in_a_glb_in_a_data_uri_and_in_a_file_are_the_same(tmp_path: Path) -> None:
    m = Maker()
    m.node(mesh=m.mesh(TRIANGLE, [0, 1, 2]))
    keys = {
        only_mesh(m.save(tmp_path)).key,
        only_mesh(m.save_gltf(tmp_path)).key,
        only_mesh(m.save_gltf(tmp_path, "embedded.gltf", embed=True)).key,
    }
    assert len(keys) == 1


def test_pygltflib_sees_the_same_numbers(tmp_path: Path) -> None:
    pygltflib = pytest.importorskip("pygltflib")
    m = Maker()
    rng = np.random.default_rng(1)
    m.node(mesh=m.mesh(rng.random((30, 3)), rng.integers(0, 30, 60)))
    path = m.save(tmp_path)
    document = pygltflib.GLTF2().load(str(path))
    accessor = document.accessors[document.meshes[0].primitives[0].attributes.POSITION]
    view = document.bufferViews[accessor.bufferView]
    blob = document.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    assert np.array_equal(only_mesh(path).positions, np.frombuffer(blob, "<f4").reshape(-1, 3))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"count": 4}, "needs 48 bytes of a buffer view of 36"),
        ({"byteOffset": 8}, "needs 44 bytes"),
        ({"count": 10**9}, "needs"),
        ({"componentType": 5130}, "unknown component type 5130"),
        ({"type": "VEC5"}, "unknown type"),
        ({"type": "VEC2"}, "where VEC3 belongs"),
        ({"bufferView": 9}, "names buffer view 9"),
        ({"bufferView": None, "count": 10**9}, "justify"),
    ],
)
def test_a_wrong_accessor_is_one_sentence(tmp_path: Path, change: dict[str, object], told: str) -> None:
    m = Maker()
    m.node(mesh=m.mesh())
    m.doc["accessors"][0].update(change)
    with pytest.raises(BadAsset, match=told):
        load_scene(m.save(tmp_path))


@pytest.mark.parametrize(
    "uri",
    [
        "../a.bin",
        "/etc/passwd",
        "%2e%2e/a.bin",
        "a/../../b",
        "file:///a",
        "C:\\a.bin",
        "C:/a",
        "..%5Ca",
        "http://a/b",
        "",
    ],
)
def test_a_buffer_outside_the_folder_is_refused(tmp_path: Path, uri: str) -> None:
    m = Maker()
    m.node(mesh=m.mesh())
    doc = {**m.doc, "buffers": [{"byteLength": len(m.data), "uri": uri}]}
    path = tmp_path / "scene.gltf"
    path.write_text(json.dumps(doc))
    with pytest.raises(BadAsset, match="folder"):
        load_scene(path)


def test_a_data_uri_may_be_percent_encoded(tmp_path: Path) -> None:
    m = Maker()
    m.node(mesh=m.mesh())
    text = base64.b64encode(m.data).decode().replace("A", "%41")
    doc = {**m.doc, "buffers": [{"byteLength": len(m.data), "uri": f"data:application/octet-stream;base64,{text}"}]}
    (tmp_path / "scene.gltf").write_text(json.dumps(doc))
    assert only_mesh(tmp_path / "scene.gltf").positions.tolist() == TRIANGLE


def meshopt_file(folder: Path) -> Path:
    meshoptimizer = pytest.importorskip("meshoptimizer", reason="the extra [codecs] is not installed")
    m = Maker()
    packed = meshoptimizer.encode_vertex_buffer(np.array(TRIANGLE, np.float32), 3, 12)
    raw = m.view(bytes(packed))
    view = {"buffer": 1, "byteLength": 36, "extensions": {}}
    view["extensions"] = {
        "EXT_meshopt_compression": {
            "buffer": 0,
            "byteOffset": m.doc["bufferViews"][raw]["byteOffset"],
            "byteLength": len(packed),
            "byteStride": 12,
            "count": 3,
            "mode": "ATTRIBUTES",
        }
    }
    m.doc["buffers"] = [{"byteLength": 36}]
    position = {"bufferView": m.add("bufferViews", view), "componentType": 5126, "count": 3, "type": "VEC3"}
    m.node(mesh=m.add("meshes", {"primitives": [{"attributes": {"POSITION": m.add("accessors", position)}}]}))
    m.doc["extensionsRequired"] = ["EXT_meshopt_compression"]
    return m.save(folder)


def test_meshopt_views_are_decompressed(tmp_path: Path) -> None:
    assert only_mesh(meshopt_file(tmp_path)).positions.tolist() == TRIANGLE


def test_meshopt_without_its_package_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    m = Maker()
    m.node(mesh=m.mesh())
    packed = {"buffer": 0, "byteLength": 36, "byteStride": 12, "count": 3, "mode": "ATTRIBUTES"}
    m.doc["bufferViews"][0]["extensions"] = {"EXT_meshopt_compression": packed}
    monkeypatch.setitem(__import__("sys").modules, "meshoptimizer", None)
    with pytest.raises(Unsupported, match=r"myriad-studio\[codecs\]"):
        load_scene(m.save(tmp_path))
