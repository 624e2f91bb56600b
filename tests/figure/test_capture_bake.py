"""Takes on figures: as keys, as clips, and live without the document hearing of it."""

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.figure.capture.frames import FaceFrame, frozen, make_take
from studio.figure.capture.recording import bake, reduced, resampled, trimmed
from studio.figure.capture.retarget import Profile, Smoothing
from studio.figure.capture.simulator import performance
from studio.figure.capture.wearing import Wearing, figures_in, wear
from studio.scene.animation import evaluate
from studio.scene.arkit import ARKIT, INDEX
from studio.scene.document import Document
from studio.scene.entities import Figure, Group
from studio.scene.keyed_edit import posed as posed_scene
from studio.scene.scene import Scene

RAW = Profile(smoothing=Smoothing(on=False))


def stage(**values):
    figure = Figure(id="ann", name="Ann", **values)
    other = Figure(id="bob", name="Bob", expression=(0.5,) * 52)
    return Scene(entities={e.id: e for e in (figure, other, Group(id="jaw", parent="ann"))}, fps=24.0)


def error(scene, take, *, start=1.0, figure="ann", profile=None):
    """The most by which the baked face and head differ from the take at the scene's frames."""
    weights, head = resampled(take, scene.fps, profile)
    worst = 0.0
    for row, frame in enumerate(start + np.arange(len(weights))):
        seen = posed_scene(scene, float(frame)).entities[figure]
        worst = max(worst, np.abs(np.array(seen.expression[:52]) - weights[row, :52]).max())
        worst = max(worst, np.abs(np.array(seen.head_turn) - head[row]).max() / 25)
    return worst


@pytest.mark.parametrize("tolerance", [0.001, 0.004, 0.02])
def test_a_baked_take_is_seen_within_the_tolerance(tolerance):
    take = performance(4.0, seed=1)
    scene = bake(stage(), "ann", take, start_frame=1.0, tolerance=tolerance)
    assert error(scene, take) <= tolerance + 1e-9
    assert scene.entities["bob"] is stage().entities["bob"] or scene.entities["bob"].expression == (0.5,) * 52


def test_the_tolerance_saves_keys():
    take = performance(6.0, seed=2)
    keys = [
        sum(len(c.times) for c in bake(stage(), "ann", take, start_frame=1.0, tolerance=t).tracks.values())
        for t in (0.0, 0.004, 0.02)
    ]
    assert keys[0] > 1.5 * keys[1] > 2.0 * keys[2] / 1.5


def test_what_never_moves_gets_no_key_and_the_figure_all_its_items():
    take = performance(1.0, noise=0.0)
    scene = bake(stage(), "ann", take, start_frame=1.0)
    moved = {name for name in scene.tracks if name.startswith("ann.expression")}
    assert f"ann.expression[{INDEX['tongueOut']}]" not in moved and f"ann.expression[{INDEX['jawOpen']}]" in moved
    assert len(scene.entities["ann"].expression) == 52


def test_a_value_that_stands_still_is_one_key_and_a_jump_is_drawn():
    frames = np.arange(50.0)
    assert len(reduced(frames, np.full((50, 1), 0.4), 0.01).times) == 1
    step = np.where(frames < 20, 0.0, 1.0)[:, None]
    curve = reduced(frames, step, 0.01)
    assert np.abs(evaluate(curve, frames) - step).max() <= 0.01 and len(curve.times) < 10
    line = reduced(frames, frames[:, None] / 50, 0.001)
    assert len(line.times) == 2


def test_baking_replaces_keys_within_its_time_and_keeps_the_others():
    first = make_take("a", [0.0, 1.0, 2.0], np.eye(52)[[17, 17, 17]] * 0.5)
    second = make_take("b", [0.0, 0.5], np.eye(52)[[23, 23]] * 0.7)
    scene = bake(stage(), "ann", first, start_frame=1.0, profile=RAW)
    scene = bake(scene, "ann", second, start_frame=10.0, profile=RAW)
    jaw, smile = (scene.tracks[f"ann.expression[{i}]"] for i in (17, 23))
    assert evaluate(jaw, [16.0])[0, 0] == 0.0  # the second take keeps the mouth shut
    assert evaluate(smile, [16.0])[0, 0] == pytest.approx(0.7)
    assert evaluate(jaw, [1.0])[0, 0] == pytest.approx(0.5)


def test_a_curve_of_the_whole_expression_gives_way_to_those_of_its_items():
    document = Document(stage(expression=(0.0,) * 52))
    with document.edit("key") as edit:
        from studio.scene.keying import set_key

        edit.apply(set_key, "ann", "expression", 1.0, (0.2,) * 52)
    take = performance(1.0)
    scene = bake(document.scene, "ann", take, start_frame=1.0)
    assert "ann.expression" not in scene.tracks and error(scene, take) < 0.21


def test_a_take_can_be_a_clip_with_a_strip():
    take = performance(2.0, seed=3)
    scene = bake(stage(), "ann", take, start_frame=5.0, as_clip=True)
    assert not scene.tracks and len(scene.clips) == len(scene.strips) == 1
    assert error(scene, take, start=5.0) <= 0.004 + 1e-9
    again = bake(scene, "ann", take, start_frame=100.0, as_clip=True)
    assert len(again.clips) == 2


def test_a_trimmed_take_begins_where_it_was_trimmed():
    take = trimmed(performance(4.0, seed=4), 1.0, 2.0)
    weights, head = resampled(take, 24.0)
    assert len(weights) == len(head) == 25
    whole = resampled(performance(4.0, seed=4), 24.0)[0]
    assert np.allclose(weights, whole[24:49], atol=1e-12)
    with pytest.raises(BadAsset, match="trimmed"):
        trimmed(take, 3.0, 2.0)


def test_faces_are_matched_by_names_not_places():
    controls = ("happy", "jawOpen", "mouthSmileLeft")
    take = make_take("a", [0.0], np.append(np.eye(52)[17], 0.3)[None], names=(*ARKIT, "happy"))
    scene = bake(stage(controls=controls), "ann", take, start_frame=3.0, profile=RAW)
    assert posed_scene(scene, 3.0).entities["ann"].expression == pytest.approx((0.3, 1.0, 0.0))
    with pytest.raises(BadAsset, match="none of the shapes"):
        bake(stage(controls=("x",)), "ann", make_take("a", [0.0], np.zeros((1, 52))), start_frame=1.0)


def test_what_cannot_be_baked_is_a_sentence():
    take = performance(0.5)
    for call in (
        lambda: bake(stage(), "jaw", take, start_frame=1.0),
        lambda: bake(stage(), "nobody", take, start_frame=1.0),
        lambda: bake(stage(), "ann", take, start_frame=1.0, tolerance=-1.0),
        lambda: bake(stage(), "ann", take, start_frame=float("nan")),
        lambda: resampled(take, 1e9),
    ):
        with pytest.raises(BadAsset):
            call()


def test_baking_in_an_edit_is_one_step_that_can_be_undone():
    document = Document(stage())
    before = document.scene
    take = performance(1.0, seed=5)
    with document.edit("Bake") as edit:
        edit.apply(bake, "ann", take, start_frame=1.0)
    assert error(document.scene, take) <= 0.004 + 1e-9
    document.undo()
    assert document.scene.tracks == before.tracks and document.scene.entities["ann"] == before.entities["ann"]


def frame(value, **extra):
    return FaceFrame(time=0.0, weights=frozen(np.full(52, value)), head_deg=(1.0, 2.0, 3.0), extra=extra)


def test_a_live_pose_lies_over_keys_and_leaves_the_scene_alone():
    take = performance(1.0, seed=6)
    scene = bake(stage(), "ann", take, start_frame=1.0)
    scene = bake(scene, "bob", take, start_frame=1.0)
    wearing = Wearing()
    assert wearing(scene) is scene
    wearing.poses["ann"] = frame(0.25)
    worn = wearing(scene)
    assert wearing(scene) is worn
    seen = posed_scene(worn, 10.0).entities
    assert seen["ann"].expression == (0.25,) * 52 and seen["ann"].head_turn == (1.0, 2.0, 3.0)
    assert seen["bob"] == posed_scene(scene, 10.0).entities["bob"]
    assert worn.entities["jaw"] is scene.entities["jaw"]
    wearing.poses["ann"] = frame(0.5)
    assert wearing(scene).tracks is worn.tracks
    wearing.poses.clear()
    assert wearing(scene) is scene


def test_a_live_pose_lies_over_strips_too():
    take = performance(1.0, seed=6)
    scene = bake(stage(), "ann", take, start_frame=1.0, as_clip=True)
    wearing = Wearing()
    wearing.poses |= {"ann": frame(0.25), "gone": frame(1.0)}
    assert posed_scene(wearing(scene), 10.0).entities["ann"].expression == (0.25,) * 52


def test_a_pose_can_stay():
    scene = wear(stage(controls=("jawOpen", "happy")), "ann", frame(0.3, happy=0.6))
    assert scene.entities["ann"].expression == (0.3, 0.6)
    assert scene.entities["ann"].head_turn == (1.0, 2.0, 3.0)
    assert figures_in(scene, ["jaw", "bob", "nobody"]) == ["ann", "bob"]
