"""VRM files become figures: expressions, rules, bones and terms."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.assets.load import load_scene
from studio.errors import StudioError
from studio.scene.arkit import ARKIT
from studio.scene.entities import Figure, MeshObject
from studio.scene.geometry import Mesh
from studio.scene.scene import Scene
from tests.assets.gltf_maker import Maker
from tests.assets.mutations import damaged_json

RAISE, LOWER, PUSH = ([[0, s, 0]] * 3 for s in (1.0, -1.0, 0.5))


def character(extension: str, record: dict[str, Any]) -> Maker:
    """A head bone above a mesh of three targets."""
    m = Maker()
    targets = [{"POSITION": m.array(rows)} for rows in (RAISE, LOWER, PUSH)]
    mesh = m.mesh(targets=targets)
    m.add("materials", {"name": "face"})
    m.node(name="head", children=[1])
    m.node(name="face", mesh=mesh, root=False)
    m.extension(extension, record)
    return m


def new(**more: Any) -> dict[str, Any]:
    binds = [{"node": 1, "index": 0, "weight": 1.0}, {"node": 1, "index": 2, "weight": 0.5}]
    return {
        "specVersion": "1.0",
        "meta": {"name": "Ada", "authors": ["one", "two"], "licenseUrl": "https://example.org/terms"},
        "humanoid": {"humanBones": {"head": {"node": 0}, "hips": {"node": 77}}},
        "expressions": {
            "preset": {
                "happy": {"morphTargetBinds": binds, "overrideBlink": "blend", "isBinary": True},
                "blink": {"morphTargetBinds": [{"node": 1, "index": 1, "weight": 1.0}]},
            },
            "custom": {"smirk": {"morphTargetBinds": [{"node": 9, "index": 0, "weight": 1.0}]}},
        },
        **more,
    }


def read(maker: Maker, folder: Path) -> tuple[Scene, Figure, Mesh]:
    scene, _ = load_scene(maker.save(folder, "ada.vrm"))
    (figure,) = (e for e in scene.entities.values() if isinstance(e, Figure))
    (face,) = (e for e in scene.entities.values() if isinstance(e, MeshObject))
    return scene, figure, scene.meshes[face.mesh]


def offset(mesh: Mesh, name: str) -> float:
    (morph,) = (m for m in mesh.morphs if m.name == name)
    assert (morph.indices == np.arange(3)).all() and not morph.positions[:, (0, 2)].any()
    return float(morph.positions[0, 1])


def test_an_expression_is_one_morph_that_sums_its_targets(tmp_path: Path) -> None:
    _, figure, mesh = read(character("VRMC_vrm", new()), tmp_path)
    assert figure.controls == (*ARKIT, "smirk", "happy", "blink")
    assert offset(mesh, "happy") == pytest.approx(1.25) and offset(mesh, "blink") == pytest.approx(-1.0)
    assert len(mesh.morphs) >= 5, "the file's own targets stay"


def test_a_captured_face_moves_a_character_without_apple_s_shapes(tmp_path: Path) -> None:
    _, _, mesh = read(character("VRMC_vrm", new()), tmp_path)
    assert offset(mesh, "eyeBlinkLeft") == offset(mesh, "eyeBlinkRight") == pytest.approx(-0.5)
    assert offset(mesh, "mouthSmileLeft") == pytest.approx(0.625)


def test_a_character_with_apple_s_shapes_keeps_them_alone(tmp_path: Path) -> None:
    record = new()
    record["expressions"]["custom"] = {"jawOpen": {"morphTargetBinds": [{"node": 1, "index": 0, "weight": 1.0}]}}
    _, figure, mesh = read(character("VRMC_vrm", record), tmp_path)
    assert "mouthSmileLeft" not in {m.name for m in mesh.morphs}
    assert offset(mesh, "jawOpen") == 1.0 and figure.controls.count("jawOpen") == 1


def test_rules_bones_and_terms_come_along(tmp_path: Path) -> None:
    scene, figure, _ = read(character("VRMC_vrm", new()), tmp_path)
    assert figure.rig.binary == ("happy",)
    (rule,) = figure.rig.overrides
    assert (rule.control, rule.how) == ("happy", "blend") and "blink" in rule.suppresses
    assert figure.rig.bones == {"head": "n0"} and figure.rig.head == "n0", "a bone that is not there is left out"
    assert scene.entities["n0"].parent == figure.id and figure.name == "Ada"
    assert "Author: one, two" in scene.notes and "https://example.org/terms" in scene.notes


def test_colours_and_textures_become_binds(tmp_path: Path) -> None:
    record = new()
    record["expressions"]["preset"]["blink"] = {
        "materialColorBinds": [
            {"material": 0, "type": "color", "targetValue": [1, 0.5, 0, 1]},
            {"material": 0, "type": "rimColor", "targetValue": [1, 0.5, 0, 1]},
        ],
        "textureTransformBinds": [{"material": 0, "offset": [0.5, 0]}, {"material": 4, "offset": [0.5, 0]}],
    }
    maker = character("VRMC_vrm", record)
    _, figure, _ = read(maker, tmp_path)
    color, moved = figure.rig.materials
    assert (color.field, color.color) == ("base_color", (1.0, 0.5, 0.0))
    assert (moved.offset, moved.scale) == ((0.5, 0.0), (1.0, 1.0))
    report = load_scene(tmp_path / "ada.vrm")[1]
    assert any("rimColor" in sentence for sentence in report.dropped)


def test_the_older_format_is_read_with_its_percent_and_turned_round(tmp_path: Path) -> None:
    record = {
        "meta": {"title": "Ada", "author": "one"},
        "humanoid": {"humanBones": [{"bone": "head", "node": 0}]},
        "blendShapeMaster": {
            "blendShapeGroups": [
                {"name": "Joy", "presetName": "joy", "binds": [{"mesh": 0, "index": 0, "weight": 40}]},
                {"name": "Mine", "presetName": "unknown", "binds": [{"mesh": 0, "index": 1, "weight": 100}]},
            ]
        },
    }
    _, figure, mesh = read(character("VRM", record), tmp_path)
    assert figure.controls[52:] == ("happy", "Mine") and offset(mesh, "happy") == pytest.approx(0.4)
    assert offset(mesh, "Mine") == -1.0 and figure.rotation == (0.0, 1.0, 0.0, 0.0)


def test_real_files_are_read(shared: Path) -> None:
    names = sorted((shared / "assets" / "vrm").glob("*.vrm"))
    if not names:
        pytest.skip(f"no VRM files in {shared}")
    for path in names:
        scene, report = load_scene(path)
        (figure,) = (e for e in scene.entities.values() if isinstance(e, Figure))
        assert figure.controls[52:] == ("happy", "blink") and len(figure.rig.bones) == 22
        assert len(figure.rig.binary) == 1 and len(figure.rig.overrides) == 1 and len(figure.rig.materials) == 4
        assert not any("VRMC_vrm" in sentence for sentence in report.sentences())


def test_broken_characters_load_or_end_in_one_sentence(tmp_path: Path) -> None:
    rng = random.Random(6)
    maker = character("VRMC_vrm", new())
    plain = copy.deepcopy(maker.doc["extensions"]["VRMC_vrm"])
    refused = 0
    for _ in range(300):
        maker.doc["extensions"]["VRMC_vrm"] = damaged_json(plain, rng)
        try:
            json.dumps(maker.doc)
            load_scene(maker.save(tmp_path, "ada.vrm"))
        except StudioError as fault:
            refused += 1
            assert str(fault).count("\n") == 0 and str(fault).startswith("ada.vrm")
    assert refused
