"""Pictures of poses: a figure's part of a scene, and the process that draws it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from studio.assets.pose_stage import face_box, figure_part, part_key, pose_key, pose_stage, posed
from studio.assets.pose_worker import SIDE_PX, Answer, Request
from studio.errors import BadAsset, Unsupported
from studio.scene import expression_edits as edits
from studio.scene.entities import Figure
from studio.scene.expression_edits import Pose
from studio.scene.expression_poses import BUILT_IN
from studio.scene.lights import Light
from studio.scene.project import save_project
from tests.conftest import ROOT
from tests.face_scene import FACE, HEAD, RADIUS, face_scene


def test_a_figure_s_part_is_itself_alone_at_rest_and_unturned() -> None:
    scene = face_scene(translation=(3.0, 0.0, 0.0), head_turn=(0.0, 40.0, 0.0), idle=1.0)
    scene = edits.set_controls(scene, FACE, {"jawOpen": 1.0}).add(Light(id="lamp"))
    part = figure_part(replace(scene, camera="elsewhere"), FACE)
    assert set(part.entities) == {FACE, HEAD}
    figure = part.entities[FACE]
    assert isinstance(figure, Figure)
    assert (figure.translation, figure.head_turn, figure.idle, edits.active(figure)) == ((0, 0, 0), (0, 0, 0), 0.0, ())


def test_the_key_of_a_figure_forgets_its_expression_and_knows_its_looks() -> None:
    scene = face_scene()
    smiling = edits.set_controls(scene, FACE, {"mouthSmileLeft": 1.0})
    assert part_key(smiling, FACE) == part_key(scene, FACE)
    assert part_key(scene.replace(HEAD, scale=(1.0, 1.2, 1.0)), FACE) != part_key(scene, FACE)
    a, b = Pose(name="a", weights={"jawOpen": 0.5}), Pose(name="b", weights={"jawOpen": 0.5})
    assert pose_key(a) == pose_key(b) != pose_key(Pose(name="a", weights={"jawOpen": 0.6}))


def test_the_stage_looks_at_what_the_controls_move() -> None:
    part = figure_part(face_scene(), FACE)
    box = face_box(part)
    assert box is not None
    assert box[0][2] > 0.0, "the back of the head is no face"
    assert box[1][0] < RADIUS and box[0][0] > -RADIUS
    stage = pose_stage(part)
    assert stage.camera == "thumbnail.camera"
    figure = posed(stage, Pose(weights={"jawOpen": 0.5})).entities[FACE]
    assert isinstance(figure, Figure) and edits.active(figure) == ("jawOpen",)


def test_a_figure_without_a_mesh_says_so() -> None:
    scene = face_scene().remove([HEAD])
    with pytest.raises(BadAsset, match="no mesh"):
        pose_stage(figure_part(scene, FACE))


def test_the_process_draws_poses_that_differ(tmp_path: Path) -> None:
    from PIL import Image

    from studio.viewport.device import Device

    try:
        Device.offscreen().release()
    except Unsupported as fault:
        pytest.skip(str(fault))
    project = tmp_path / "figure.studio"
    save_project(figure_part(face_scene(), FACE), project)
    wanted = [pose for pose in BUILT_IN if pose.name in ("Neutral", "Laugh")]
    requests = [Request(key=p.name, pose=p, target=str(tmp_path / f"{p.name}.png")) for p in wanted]
    lines = [str(project).encode(), *map(msgspec.json.encode, requests)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "studio.assets.pose_worker"],
        input=b"\n".join(lines) + b"\n",
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    answers = [msgspec.json.decode(line, type=Answer) for line in done.stdout.splitlines()]
    assert [a.sentence for a in answers] == ["", ""], done.stderr[-500:]
    first, second = (np.asarray(Image.open(r.target)).astype(int) for r in requests)
    assert first.shape == (SIDE_PX, SIDE_PX, 3)
    assert first.max() > 60, "there is light"
    assert np.abs(first - second).max() > 30


def test_a_project_that_is_gone_is_one_answer_with_a_sentence(tmp_path: Path) -> None:
    request = Request(key="k", pose=Pose(), target=str(tmp_path / "k.png"))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "studio.assets.pose_worker"],
        input=str(tmp_path / "none.studio").encode() + b"\n" + msgspec.json.encode(request) + b"\n",
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 1
    assert msgspec.json.decode(done.stdout, type=Answer).sentence
