"""Loading by path: what is broken, missing, hostile or foreign is one sentence; what is real loads whole."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from studio.assets.load import load_scene
from studio.errors import BadAsset, Unsupported
from studio.scene.entities import MeshObject
from studio.scene.lights import Light
from tests.assets.gltf_maker import Maker, glb

SHARED = Path(os.environ.get("MYRIAD_SHARED", Path(__file__).parents[3] / "shared"))


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def test_the_hall_of_mesh_lamps_loads(tmp_path: Path) -> None:
    scene, report = load_scene(shared("bench/hall300.glb"))
    assert report.read["triangle"] == 62_316 and len(scene.meshes) == 342 and scene.camera
    lamps = [m for m in scene.materials.values() if m.emission_luminance > 0]
    assert len(lamps) == 300 and not report.warnings
    assert scene.materials["m0"].specular_weight == 0


def test_the_hall_of_point_lights_loads() -> None:
    scene, _ = load_scene(shared("bench/hall300p.glb"))
    lights = [e for e in scene.entities.values() if isinstance(e, Light)]
    assert len(lights) == 300 and {light.unit for light in lights} == {"cd"}
    assert lights[0].intensity == 1.089669458554711 and lights[0].color == (1.0, 0.25, 0.8166533823272302)


def test_the_real_head_loads_with_all_its_expressions() -> None:
    scene, _ = load_scene(shared("assets/ict_head/ict_head.glb"))
    (mesh,) = scene.meshes.values()
    (head,) = scene.entities.values()
    assert isinstance(head, MeshObject) and len(head.materials) == 9 and len(mesh.parts) == 10
    assert 27_000 < len(mesh.positions) < 29_000 and len(mesh.morphs) == 55
    names = {morph.name: morph for morph in mesh.morphs}
    assert {"jawOpen", "eyeBlinkLeft", "mouthSmileRight"} <= names.keys()
    opened = names["jawOpen"]
    assert 0.005 < np.linalg.norm(opened.positions, axis=1).max() < 0.1  # metres


@pytest.mark.parametrize("name", ["Overridden", "Overrides"])
def test_vrm_files_load_as_the_gltf_they_are_below_a_figure(name: str) -> None:
    scene, report = load_scene(shared(f"assets/vrm/VRMC_vrm_expressions_isBinary_{name}.vrm"))
    assert len(scene.entities) == 28 and len(scene.images) == 3
    assert scene.materials["m0"].textures["base_color"].scale == (0.125, 0.125)
    assert any("VRM 1.0 character" in line for line in report.mapped) and not report.dropped


def test_an_extension_that_is_required_and_not_read_is_refused_by_name(tmp_path: Path) -> None:
    m = Maker()
    m.doc["extensionsRequired"] = ["KHR_xmp_json_ld", "KHR_materials_ior"]
    with pytest.raises(Unsupported, match="requires KHR_xmp_json_ld, which"):
        load_scene(m.save(tmp_path))


def test_the_report_reads_as_sentences(tmp_path: Path) -> None:
    m = Maker()
    m.node(mesh=m.mesh())
    m.doc["extensionsUsed"] = ["ACME_sound"]
    sentences = load_scene(m.save(tmp_path))[1].sentences()
    assert sentences == ["Read 1 node, 1 mesh, 1 triangle.", "The extension ACME_sound is not read."]


def test_foreign_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    for name in ("scene.usd", "scene.usdz", "scene.fbx"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(Unsupported):
            load_scene(tmp_path / name)
    for name in ("gone.glb", "gone.obj", "gone"):
        with pytest.raises(BadAsset, match="there is no file"):
            load_scene(tmp_path / name)
    (tmp_path / "folder.glb").mkdir()
    with pytest.raises(BadAsset):
        load_scene(tmp_path / "folder.glb")


SOUND = json.dumps({"asset": {"version": "2.0"}}).encode()
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "blank": (b"   \n", "empty"),
    "no json": (b"hello", "not sound JSON"),
    "a list": (b"[]", "expected `object`"),
    "deep": (b'{"asset":{"version":"2.0"},"extras":' + b"[" * 10**5 + b"]" * 10**5 + b"}", "too deeply"),
    "twice": (b'{"asset":{"version":"2.0"},"nodes":[],"nodes":[{}]}', "'nodes' twice"),
    "cut": (SOUND[:-3], "not sound JSON"),
    "no asset": (b"{}", "asset"),
    "version 1": (b'{"asset":{"version":"1.0"}}', "glTF '1.0'"),
    "wrong type": (b'{"asset":{"version":"2.0"},"nodes":{}}', "nodes: expected `array`"),
    "nan": (b'{"asset":{"version":"2.0"},"nodes":[{"translation":[NaN,0,0]}]}', "not sound JSON"),
    "overflow": (b'{"asset":{"version":"2.0"},"nodes":[{"translation":[1e999,0,0]}]}', "translation"),
    "crowd": (b'{"asset":{"version":"2.0"},"nodes":[' + b"{}," * 400_000 + b"{}]}", "400,001 nodes"),
    "objects": (b'{"asset":{"version":"2.0"},"extras":[' + b"{}," * 2_000_000 + b"{}]}", "more than"),
    "glb header": (b"glTF\2\0\0\0", "truncated"),
    "glb version": (struct.pack("<4sII", b"glTF", 1, 20) + bytes(8), "GLB version 1"),
    "glb length": (struct.pack("<4sII", b"glTF", 2, 1000) + bytes(20), "truncated"),
    "glb chunk": (struct.pack("<4sIII4s", b"glTF", 2, 20, 1000, b"JSON"), "runs past the end"),
    "glb no json": (struct.pack("<4sIII4s", b"glTF", 2, 20, 0, b"BIN\0"), "no JSON chunk"),
    "no chunk": (
        glb(
            b'{"asset":{"version":"2.0"},"buffers":[{"byteLength":4}],"bufferViews":[{"buffer":0,"byteLength":4}],'
            b'"images":[{"bufferView":0}],"textures":[{"source":0}],"materials":[{"normalTexture":{"index":0}}]}'
        ),
        "has no data",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_one_sentence(tmp_path: Path, name: str) -> None:
    data, told = HOSTILE[name]
    path = tmp_path / "scene.gltf"
    path.write_bytes(data)
    with pytest.raises((BadAsset, Unsupported), match=told) as caught:
        load_scene(path)
    assert str(caught.value).startswith("scene.gltf: ") and "\n" not in str(caught.value)


def test_one_buffer_named_ten_thousand_times_is_refused(tmp_path: Path) -> None:
    m = Maker()
    view = m.view(bytes(1 << 20))
    for i in range(10_000):
        m.add(
            "accessors",
            {"bufferView": view, "byteOffset": 4 * i, "componentType": 5126, "count": 80_000, "type": "VEC3"},
        )
        m.node(mesh=m.add("meshes", {"primitives": [{"attributes": {"POSITION": i}}]}))
    with pytest.raises(BadAsset, match="justify"):
        load_scene(m.save(tmp_path))


def test_instances_without_bytes_behind_them_are_refused(tmp_path: Path) -> None:
    m = Maker()
    rows = m.add("accessors", {"componentType": 5126, "count": 10_000_000, "type": "VEC3"})
    m.node(mesh=m.mesh(), extensions={"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": rows}}})
    with pytest.raises(BadAsset, match="justify"):
        load_scene(m.save(tmp_path))
