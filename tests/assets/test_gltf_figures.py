"""Figures in glTF: what they do is written as keys, and looks the same in the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from studio.assets.gltf.writer import save_gltf
from studio.assets.load import load_scene
from studio.figure.rigging import rigged
from studio.scene.animation import make_curve
from studio.scene.arkit import INDEX
from studio.scene.entities import Figure
from tests.figure.test_rigging import cloud, farthest, made_head


def test_a_performance_is_written_as_keys_that_move_everything_alike(tmp_path: Path) -> None:
    made = rigged(made_head(), ["top"], dress=False)
    scene = made.scene.replace(made.figure, idle=1.0, head_turn=(5.0, 10.0, 0.0))
    curve = make_curve([1.0, 9.0], [0.0, 1.0])
    track = f"{made.figure}.expression[{INDEX['jawOpen']}]"
    scene = replace(scene, tracks={track: curve}, frame_start=1.0, frame_end=9.0)
    report = save_gltf(scene, tmp_path / "head.glb")
    assert any("figures do is written as keys" in said for said in report.sentences())
    back, _ = load_scene(tmp_path / "head.glb")
    assert not any(isinstance(e, Figure) for e in back.entities.values())
    for frame in (1.0, 4.0, 9.0):
        assert farthest(cloud(scene, frame), cloud(back, frame)) < 1e-6


def test_a_still_expression_is_written_as_it_stands(tmp_path: Path) -> None:
    made = rigged(made_head(), ["top"], dress=False)
    expression = tuple(0.7 if i == INDEX["jawOpen"] else 0.0 for i in range(52))
    scene = made.scene.replace(made.figure, expression=expression)
    save_gltf(scene, tmp_path / "head.glb")
    back, _ = load_scene(tmp_path / "head.glb")
    assert not back.tracks and farthest(cloud(scene), cloud(back)) < 1e-6
