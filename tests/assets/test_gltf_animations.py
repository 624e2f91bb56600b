"""glTF animations become curves over frames."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from studio.assets.load import load_scene
from studio.errors import BadAsset
from studio.scene.animation import Curve, evaluate
from studio.scene.keyed_edit import posed
from studio.scene.scene import Scene
from tests.assets.gltf_maker import Maker

HALF = math.sqrt(0.5)


def animated(path: str, values: object, interpolation: str = "LINEAR", times: object = (0.0, 0.5, 1.0)) -> Maker:
    m = Maker()
    mesh = m.mesh(targets=[{"POSITION": m.array([[0, 0, 1]] * 3)}, {"POSITION": m.array([[0, 1, 0]] * 3)}])
    m.node(mesh=mesh)
    sampler = {"input": m.array(times), "output": m.array(values), "interpolation": interpolation}
    channel = {"sampler": 0, "target": {"node": 0, "path": path}}
    m.add("animations", {"samplers": [sampler], "channels": [channel]})
    return m


def only_curve(scene: Scene) -> tuple[str, Curve]:
    ((name, curve),) = scene.tracks.items()
    return name, curve


def test_seconds_become_frames_and_whole_frames_are_hit(tmp_path: Path) -> None:
    times = np.array([0, 1, 7, 24], np.float32) / 24
    scene, _ = load_scene(animated("translation", np.arange(12).reshape(4, 3), times=times).save(tmp_path))
    name, curve = only_curve(scene)
    assert name == "n0.translation" and curve.times.tolist() == [0, 1, 7, 24]
    assert (scene.fps, scene.frame_start, scene.frame_end) == (24, 0, 24)
    assert evaluate(curve, [4.0])[0].tolist() == pytest.approx([4.5, 5.5, 6.5])


def test_rotations_move_on_the_sphere(tmp_path: Path) -> None:
    values = [[0, 0, 0, 1], [0, HALF, 0, HALF], [0, 1, 0, 0]]
    name, curve = only_curve(load_scene(animated("rotation", values).save(tmp_path))[0])
    assert name == "n0.rotation" and curve.rotation and curve.interpolation == "linear"
    assert evaluate(curve, [6.0])[0] == pytest.approx([0, math.sin(math.pi / 8), 0, math.cos(math.pi / 8)], abs=1e-6)


def test_steps_hold(tmp_path: Path) -> None:
    curve = only_curve(load_scene(animated("scale", np.arange(9).reshape(3, 3), "STEP").save(tmp_path))[0])[1]
    assert evaluate(curve, [11.9])[0].tolist() == [0, 1, 2]


def test_cubic_splines_follow_the_formula_of_the_format(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    data = rng.normal(size=(3, 3, 3)).astype(np.float32)  # key, (in, value, out), component
    m = animated("translation", data.reshape(9, 3), "CUBICSPLINE")
    curve = only_curve(load_scene(m.save(tmp_path))[0])[1]
    t, span = 0.25, 0.5
    wanted = (
        (2 * t**3 - 3 * t**2 + 1) * data[1, 1]
        + span * (t**3 - 2 * t**2 + t) * data[1, 2]
        + (-2 * t**3 + 3 * t**2) * data[2, 1]
        + span * (t**3 - t**2) * data[2, 0]
    )
    assert evaluate(curve, [(0.5 + t * span) * 24])[0] == pytest.approx(wanted, abs=1e-5)


def test_weights_have_a_column_for_each_morph(tmp_path: Path) -> None:
    name, curve = only_curve(load_scene(animated("weights", np.arange(6)).save(tmp_path))[0])
    assert name == "n0.morph_weights" and curve.values.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_normalised_rotations_are_fractions(tmp_path: Path) -> None:
    m = animated("rotation", np.zeros((3, 4)))
    m.doc["animations"][0]["samplers"][0]["output"] = m.array([[0, 0, 0, 32767]] * 3, "i2", normalized=True)
    assert only_curve(load_scene(m.save(tmp_path))[0])[1].values.tolist() == [[0, 0, 0, 1]] * 3


def test_several_animations_become_clips_of_which_the_first_plays(tmp_path: Path) -> None:
    m = animated("translation", np.arange(9).reshape(3, 3))
    m.doc["animations"][0]["name"] = "walk"
    m.doc["animations"].append({**m.doc["animations"][0], "name": "run"})
    scene, report = load_scene(m.save(tmp_path))
    assert not scene.tracks and [clip.name for clip in scene.clips.values()] == ["walk", "run"]
    (strip,) = scene.strips.values()
    assert scene.clips[strip.clip].name == "walk" and (strip.start, strip.end) == (0, 24)
    assert (scene.frame_start, scene.frame_end) == (0, 24)
    assert posed(scene, 6.0).entities["n0"].translation == pytest.approx((1.5, 2.5, 3.5))
    assert posed(scene, 90.0).entities["n0"].translation == (6, 7, 8)
    assert any("'walk', 'run'" in line for line in report.mapped)


def test_property_pointers_and_unknown_paths_are_said(tmp_path: Path) -> None:
    m = animated("pointer", np.zeros((3, 3)))
    m.doc["animations"].append(animated("colour", np.zeros((3, 3))).doc["animations"][0])
    scene, report = load_scene(m.save(tmp_path))
    assert not scene.tracks and len(report.dropped) == 2


def test_keys_out_of_order_or_without_a_number_are_left_out(tmp_path: Path) -> None:
    values = [[0, 0, 0], [1, 0, 0], [np.nan, 0, 0], [3, 0, 0]]
    m = animated("translation", values, times=[0.0, 0.5, 0.75, 0.25])
    scene, report = load_scene(m.save(tmp_path))
    assert only_curve(scene)[1].times.tolist() == [0, 12] and any("left out" in line for line in report.warnings)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"output": 1}, "numbers for"),
        ({"interpolation": "SMOOTH"}, "unknown interpolation"),
        ({"input": 99}, "names accessor 99"),
    ],
)
def test_a_broken_sampler_is_one_sentence(tmp_path: Path, change: dict[str, object], told: str) -> None:
    m = animated("weights", np.zeros(6))
    m.doc["animations"][0]["samplers"][0].update(change)
    with pytest.raises(BadAsset, match=told):
        load_scene(m.save(tmp_path))
