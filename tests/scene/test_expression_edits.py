"""Edits of expressions: controls by name, mirrors, poses, keys of single controls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene import expression_edits as edits
from studio.scene.arkit import ARKIT, INDEX
from studio.scene.document import Document
from studio.scene.entities import Figure, MeshObject
from studio.scene.expression_edits import Pose
from studio.scene.expression_poses import BUILT_IN
from studio.scene.scene import Scene


def made(**values: object) -> Scene:
    return Scene().add(
        Figure(id="f", name="Ada", **values),  # type: ignore[arg-type]  # fields by name
        MeshObject(id="m", parent="f"),
        MeshObject(id="n"),
    )


def face(scene: Scene) -> Figure:
    found = scene.entities["f"]
    assert isinstance(found, Figure)
    return found


def weight(scene: Scene, name: str) -> float:
    return edits.weights(face(scene))[name]


def test_what_hangs_below_a_figure_belongs_to_it() -> None:
    scene = made()
    assert [edits.figure_above(scene, id_) for id_ in ("f", "m", "n", "gone")] == ["f", "f", "", ""]
    assert edits.figures(scene) == ("f",)


def test_controls_are_set_by_name_and_kept_within_what_they_may() -> None:
    scene = edits.set_controls(made(), "f", {"jawOpen": 0.5, "tongueOut": 9.0, "noSuchControl": 1.0})
    assert weight(scene, "jawOpen") == 0.5
    assert weight(scene, "tongueOut") == edits.MOST
    assert len(face(scene).expression) == len(ARKIT)
    assert edits.active(face(scene)) == ("jawOpen", "tongueOut")


def test_setting_what_is_there_makes_no_new_scene() -> None:
    scene = made()
    assert edits.set_controls(scene, "f", {"jawOpen": 0.0}) is scene


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_control_takes_a_finite_number(value: float) -> None:
    with pytest.raises(BadAsset, match="finite"):
        edits.set_controls(made(), "f", {"jawOpen": value})


def test_what_is_no_figure_is_told() -> None:
    with pytest.raises(BadAsset, match='"m" is no figure'):
        edits.set_controls(made(), "m", {"jawOpen": 1.0})


def test_a_region_rests_and_the_whole_face_with_the_head() -> None:
    scene = edits.set_controls(made(head_turn=(1.0, 2.0, 3.0)), "f", {"jawOpen": 0.5, "browInnerUp": 0.4})
    some = edits.reset(scene, "f", edits.controls_in(face(scene), "jaw"))
    assert edits.active(face(some)) == ("browInnerUp",)
    assert face(some).head_turn == (1.0, 2.0, 3.0)
    none = edits.reset(scene, "f")
    assert edits.active(face(none)) == () and face(none).head_turn == (0.0, 0.0, 0.0)


# --- mirrors ---------------------------------------------------------------------------------------------------------
def test_a_swap_exchanges_halves_and_turns_the_head_the_other_way() -> None:
    scene = edits.set_controls(made(head_turn=(5.0, 10.0, -3.0)), "f", {"eyeBlinkLeft": 1.0, "jawLeft": 0.3})
    there = edits.mirror(scene, "f")
    assert weight(there, "eyeBlinkRight") == 1.0 and weight(there, "eyeBlinkLeft") == 0.0
    assert weight(there, "jawRight") == 0.3
    assert face(there).head_turn == (5.0, -10.0, 3.0)
    assert edits.mirror(there, "f").entities == scene.entities


def test_one_side_goes_to_both_and_the_jaw_stays() -> None:
    scene = edits.set_controls(made(), "f", {"mouthSmileLeft": 0.7, "browDownRight": 0.2, "jawLeft": 0.3})
    left = edits.mirror(scene, "f", "left")
    assert weight(left, "mouthSmileRight") == 0.7 and weight(left, "browDownRight") == 0.0
    assert weight(left, "jawLeft") == 0.3 and weight(left, "jawRight") == 0.0
    right = edits.mirror(scene, "f", "right", ["browDownLeft"])
    assert weight(right, "browDownLeft") == 0.2 and weight(right, "mouthSmileRight") == 0.0
    with pytest.raises(BadAsset, match="swap, left, right"):
        edits.mirror(scene, "f", "up")


@given(st.dictionaries(st.sampled_from(ARKIT), st.floats(0, 1)))
def test_two_swaps_are_none(weights: dict[str, float]) -> None:
    whole = dict.fromkeys(ARKIT, 0.0) | weights
    assert edits.mirrored_weights(edits.mirrored_weights(whole)) == whole


# --- poses -----------------------------------------------------------------------------------------------------------
def test_a_pose_is_gone_to_by_a_share_and_leaves_what_it_does_not_name() -> None:
    scene = edits.set_controls(made(), "f", {"jawOpen": 0.2, "browInnerUp": 0.6})
    pose = Pose(name="p", weights={"jawOpen": 0.6})
    half = edits.blend(scene, "f", pose, 0.5)
    assert weight(half, "jawOpen") == pytest.approx(0.4) and weight(half, "browInnerUp") == 0.6
    assert weight(edits.blend(scene, "f", pose, add=True), "jawOpen") == pytest.approx(0.8)


def test_a_whole_pose_lets_rest_what_it_does_not_name() -> None:
    scene = edits.set_controls(made(), "f", {"browInnerUp": 0.6})
    there = edits.blend(scene, "f", Pose(weights={"jawOpen": 0.6}, whole=True))
    assert edits.active(face(there)) == ("jawOpen",)


def test_a_drag_starts_from_where_it_began() -> None:
    scene, pose = made(), Pose(weights={"jawOpen": 1.0})
    began = face(scene)
    for share in (0.2, 0.5, 0.3):
        scene = edits.blend(scene, "f", pose, share, since=began)
    assert weight(scene, "jawOpen") == pytest.approx(0.3)


def test_a_mirrored_pose_is_of_the_other_side_with_its_head() -> None:
    pose = Pose(weights={"eyeBlinkLeft": 1.0}, head_turn=(0.0, 20.0, 0.0))
    there = edits.blend(made(), "f", pose, mirror=True)
    assert edits.active(face(there)) == ("eyeBlinkRight",)
    assert face(there).head_turn == (0.0, -20.0, 0.0)


def test_a_stored_pose_brings_the_face_back() -> None:
    scene = edits.set_controls(made(), "f", {"jawOpen": 0.2, "browInnerUp": 0.6})
    pose = edits.pose_of(face(scene), "mine")
    other = edits.set_controls(scene, "f", {"jawOpen": 0.9, "tongueOut": 1.0})
    assert edits.weights(face(edits.blend(other, "f", pose))) == edits.weights(face(scene))


def test_built_in_poses_name_controls_that_there_are_within_0_and_1() -> None:
    names = [pose.name for pose in BUILT_IN]
    assert len(names) == len(set(names)) and {"Neutral", "Smile", "Wink", "Kiss", "Speech A", "Speech M"} <= {*names}
    for pose in BUILT_IN:
        assert set(pose.weights) <= set(ARKIT), pose.name
        assert all(0.0 <= value <= 1.0 for value in pose.weights.values()), pose.name


def test_every_expression_is_another_face_and_speech_leaves_the_brows() -> None:
    rows = {pose.name: np.array([pose.weights.get(name, 0.0) for name in ARKIT]) for pose in BUILT_IN}
    names = list(rows)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            assert np.abs(rows[a] - rows[b]).max() > 0.1, (a, b)
    speech = [pose for pose in BUILT_IN if pose.name.startswith("Speech")]
    assert not any(name.startswith(("brow", "eye")) for pose in speech for name in pose.weights)


# --- keys ------------------------------------------------------------------------------------------------------------
def test_one_control_is_keyed_by_itself() -> None:
    scene = edits.key_controls(made(), "f", ["jawOpen"], 5.0)
    i = INDEX["jawOpen"]
    assert list(scene.tracks) == [f"f.expression[{i}]"]
    assert [edits.key_state(scene, "f", i, t) for t in (5.0, 6.0)] == ["key", "animated"]
    assert edits.key_state(scene, "f", 0, 5.0) == "none"
    assert edits.animated(scene, "f") == ("jawOpen",)
    assert edits.unkey_controls(scene, "f", ["jawOpen", "tongueOut"], 5.0).tracks == {}


def test_a_change_of_one_control_leaves_curves_of_others_in_peace() -> None:
    document = Document(edits.key_controls(made(), "f", ["jawOpen", "tongueOut"], 1.0))
    document.frame = 9.0
    with document.edit("Move") as edit:
        edit.apply(edits.set_controls, "f", {"jawOpen": 0.5, "browInnerUp": 0.25})
    scene = document.scene
    assert len(scene.tracks[f"f.expression[{INDEX['jawOpen']}]"].times) == 2
    assert len(scene.tracks[f"f.expression[{INDEX['tongueOut']}]"].times) == 1
    assert f"f.expression[{INDEX['browInnerUp']}]" not in scene.tracks
    assert weight(scene, "browInnerUp") == 0.25
    document.frame = 1.0
    assert edits.weights(face(document.posed))["jawOpen"] == 0.0


def test_autokey_gives_curves_to_the_controls_that_changed_alone() -> None:
    document = Document(made())
    document.autokey = True
    with document.edit("Move") as edit:
        edit.apply(edits.set_controls, "f", {"jawOpen": 0.5})
    assert list(document.scene.tracks) == [f"f.expression[{INDEX['jawOpen']}]"]


def test_a_curve_of_the_whole_expression_is_keyed_as_a_whole() -> None:
    from studio.scene import keying

    scene = edits.set_controls(made(), "f", {"jawOpen": 0.1})
    scene = keying.set_key(scene, "f", "expression", 1.0)
    document = Document(scene)
    document.frame = 5.0
    with document.edit("Move") as edit:
        edit.apply(edits.set_controls, "f", {"jawOpen": 0.8})
    assert list(document.scene.tracks) == ["f.expression"]
    assert len(document.scene.tracks["f.expression"].times) == 2
    assert edits.animated(document.scene, "f") == ARKIT
