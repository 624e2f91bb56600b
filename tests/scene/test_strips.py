"""Clips and strips: how they are mixed over curves, cut, made of keys and made keys again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene import edits, keying, strips
from studio.scene.animation import evaluate, make_curve
from studio.scene.clips import Clip, Strip
from studio.scene.document import Document
from studio.scene.entities import Camera, Group
from studio.scene.euler import to_quaternion
from studio.scene.flatten import flatten
from studio.scene.insert import insert
from studio.scene.keyed_edit import posed
from studio.scene.lights import Light
from studio.scene.pose import Posing
from studio.scene.scene import Scene
from tests.scene.rigs import scene_of

TURN = to_quaternion((0.0, 90.0, 0.0))


def walk(name: str = "walk", *, by: float = 10.0) -> Clip:
    """A clip of 10 frames in which the group goes `by` along x and turns by 90 degrees."""
    return Clip(
        id=name,
        name=name,
        start=0.0,
        end=10.0,
        tracks={
            "g.translation": make_curve([0, 10], [[0, 0, 0], [by, 0, 0]]),
            "g.rotation": make_curve([0, 10], [[0, 0, 0, 1], TURN], rotation=True),
        },
    )


def stage(*more: Strip, clips: tuple[Clip, ...] = (walk(),), **values: object) -> Scene:
    """A group at (1, 2, 3), a lamp, and a strip of the walk from frame 1 with these fields."""
    strip = Strip(id="s", clip="walk", clip_out=10.0, **values)
    scene = scene_of(Group(id="g", translation=(1.0, 2.0, 3.0)), Light(id="l"))
    return replace(
        scene, clips={clip.id: clip for clip in clips}, strips={s.id: s for s in (strip, *more)}, frame_end=50.0
    )


def x(scene: Scene, *frames: float) -> list[float]:
    return [posed(scene, frame).entities["g"].translation[0] for frame in frames]


# --- time ------------------------------------------------------------------------------------------------------------
def test_a_strip_drives_fields_over_its_frames_and_nothing_outside():
    assert x(stage(), 0.9, 1, 6, 11, 11.1) == pytest.approx([1, 0, 5, 10, 1])
    assert posed(stage(), 6.0).entities["g"].rotation == pytest.approx(to_quaternion((0.0, 45.0, 0.0)))
    assert posed(stage(), 6.0).entities["l"] is stage().entities["l"] or posed(stage(), 6.0).entities["l"] == Light(
        id="l"
    )


def test_strips_run_faster_again_and_hold():
    assert x(stage(speed=2.0), 1, 3.5, 6, 6.1) == pytest.approx([0, 5, 10, 1])
    assert x(stage(loops=2.5), 6, 11, 16, 21, 25.9, 26, 26.1) == pytest.approx([5, 0, 5, 0, 4.9, 5, 1])
    assert x(stage(loops=2.0), 20.9, 21.0) == pytest.approx([9.9, 10])
    assert x(stage(hold=True), 30) == [10]
    assert x(stage(clip_in=5.0), 1, 6, 6.1) == pytest.approx([5, 10, 1])
    assert x(stage(muted=True), 6) == [1] and x(stage(weight=0.0), 6) == [1]


def test_strips_fade_in_and_out_by_their_weight():
    faded = stage(blend_in=4.0, blend_out=2.0)
    assert x(faded, 1, 3, 5, 10, 11) == pytest.approx([1, 0.5 + 1, 4, 0.5 + 4.5, 1])
    assert x(stage(weight=0.25), 6) == pytest.approx([0.75 * 1 + 0.25 * 5])


@given(st.floats(-5, 60), st.floats(0.1, 4), st.floats(0.1, 4))
def test_the_time_of_a_clip_stays_in_its_part(frame, speed, loops):
    strip = Strip(id="s", clip="c", start=1.0, clip_in=2.0, clip_out=9.0, speed=speed, loops=loops)
    time = strip.time_at(frame)
    assert (time is not None) == (strip.start <= frame <= strip.end + 1e-9)
    assert time is None or 2.0 <= time <= 9.0 + 1e-9
    assert 0.0 <= strip.weight_at(frame) <= 1.0


# --- mixing ----------------------------------------------------------------------------------------------------------
def test_strips_act_on_top_of_curves_and_upper_layers_on_top_of_lower_ones():
    curve = make_curve([0, 100], [[50.0, 0, 0], [50.0, 9, 9]])
    scene = replace(stage(weight=0.5), tracks={"g.translation": curve})
    assert x(scene, 0, 6) == pytest.approx([50, 27.5])
    still = Clip(id="still", tracks={"g.translation": make_curve([0], [[-8.0, 0, 0]])}, end=0.0)
    upper = Strip(id="u", clip="still", layer=1, start=2.0, clip_out=0.0, hold=True, weight=0.5)
    scene = stage(upper, clips=(walk(), still))
    assert x(scene, 1.5, 6) == pytest.approx([0.5, (5 - 8) / 2])
    assert x(replace(scene, strips=dict(reversed(scene.strips.items()))), 6) == pytest.approx([(5 - 8) / 2])


def test_what_is_added_is_the_difference_from_the_first_frame():
    scene = stage(mix="add", clip_in=2.0, weight=0.5)
    assert x(scene, 1, 6) == pytest.approx([1, 1 + 0.5 * 5])
    scene = scene.replace("g", rotation=to_quaternion((0.0, 30.0, 0.0)))
    assert posed(scene, 6.0).entities["g"].rotation == pytest.approx(to_quaternion((0.0, 30.0 + 22.5, 0.0)))


@given(st.floats(1, 25), st.floats(0.5, 8))
def test_strips_that_fade_into_each_other_hide_what_is_below(frame, overlap):
    """Two equal still clips cross-fading are the clip, at every frame of both."""
    still = Clip(id="walk", tracks={"g.translation": make_curve([0], [[7.0, 7, 7]])}, end=12.0)
    second = Strip(id="t", clip="walk", start=13.0 - overlap, clip_out=12.0, blend_in=overlap)
    scene = stage(second, clips=(still,), blend_out=overlap)
    first = scene.strips["s"]
    scene = replace(scene, strips={"s": replace_strip(first, clip_out=12.0), "t": second})
    assert x(scene, min(frame, second.end)) == pytest.approx([7.0])


def replace_strip(strip: Strip, **values: object) -> Strip:
    return Strip(**{name: getattr(strip, name) for name in strip.__struct_fields__} | values)


@given(st.floats(1, 11), st.floats(0, 1))
def test_a_blend_of_equal_clips_is_the_clip(frame, a):
    scene = stage(Strip(id="t", clip="walk", clip_out=10.0, weight=a), weight=1.0)
    other = stage(Strip(id="t", clip="walk", clip_out=10.0, weight=a, layer=1), weight=1.0)
    alone = posed(stage(), frame).entities["g"]
    for mixed in (scene, other):
        entity = posed(mixed, frame).entities["g"]
        assert entity.translation == pytest.approx(alone.translation, abs=1e-9)
        assert abs(np.dot(entity.rotation, alone.rotation)) == pytest.approx(1.0)


def test_rotations_are_mixed_on_the_sphere_whatever_their_curves_are_made_of():
    scene = keying.set_key(stage(weight=0.5), "g", "rotation", 1.0, (0.0, -90.0, 0.0))
    assert posed(scene, 11.0).entities["g"].rotation == pytest.approx((0.0, 0.0, 0.0, 1.0), abs=1e-12)


def test_single_items_are_driven_alone():
    clip = Clip(id="walk", tracks={"g.translation[1]": make_curve([0, 10], [0.0, 10.0])}, end=10.0)
    assert posed(stage(clips=(clip,)), 6.0).entities["g"].translation == pytest.approx((1.0, 5.0, 3.0))


# --- identity --------------------------------------------------------------------------------------------------------
def test_only_what_moves_is_made_anew_and_only_when_it_moves():
    scene = keying.set_key(stage(), "l", "intensity", 1.0, 5.0)
    posing = Posing(scene)
    first, _ = posing.at(scene, 2.0)
    second, _ = posing.at(scene, 3.0)
    assert second["l"] is first["l"] and second["g"] is not first["g"]
    assert posing.at(scene, 3.0)[0] is second
    renamed = scene.replace("l", name="key")
    assert posing.holds(renamed)
    assert posing.at(renamed, 3.0)[0]["l"].name == "key" and posing.at(renamed, 3.0)[0]["g"] is second["g"]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: strips.change_strip(s, "s", weight=0.5),
        lambda s: replace(s, clips={"walk": walk(by=3.0)}),
        lambda s: keying.set_key(s, "l", "intensity", 1.0, 5.0),
        lambda s: s.remove(["g"]),
    ],
)
def test_a_posing_holds_no_longer_when_what_moves_changes(change):
    scene = stage()
    assert not Posing(scene).holds(change(scene))


def test_flatten_reads_strips():
    scene = stage()
    scene = scene.replace("l", parent="g")
    a, b = (flatten(scene, frame).lights["open"][0, 0, 3] for frame in (1.0, 6.0))
    assert b - a == pytest.approx(5.0)


def test_animation_without_its_field_is_named():
    clip = Clip(id="walk", tracks={"ghost.translation": make_curve([0], [[0.0, 0, 0]])})
    assert any("ghost.translation" in said for said in Posing(stage(clips=(clip,))).warnings)


# --- editing what strips move ----------------------------------------------------------------------------------------
def document(scene: Scene, frame: float) -> Document:
    made = Document(scene)
    made.frame = frame
    return made


def test_an_edit_below_a_strip_that_lets_something_through_is_seen_as_it_was_made():
    for values in ({"weight": 0.5}, {"mix": "add"}):
        made = document(stage(**values), 6.0)
        with made.edit("Move") as edit:
            edit.apply(edits.translate, ["g"], (4.0, 0.0, 0.0))
        assert made.posed.entities["g"].translation[0] == pytest.approx(x(stage(**values), 6.0)[0] + 4.0)
        assert not made.scene.tracks
    scene = keying.set_key(stage(weight=0.5), "g", "rotation", 1.0, (0.0, 0.0, 0.0))
    made = document(scene, 6.0)
    wanted = to_quaternion((0.0, 40.0, 0.0))
    with made.edit("Turn") as edit:
        edit.replace("g", rotation=wanted)
    assert made.posed.entities["g"].rotation == pytest.approx(wanted, abs=1e-6)
    assert len(made.scene.tracks["g.rotation"].times) == 2


def test_an_edit_that_would_not_be_seen_is_refused():
    made = document(stage(), 6.0)
    before = made.scene
    with pytest.raises(BadAsset, match="mute or bake"), made.edit("Move") as edit:
        edit.apply(edits.translate, ["g"], (4.0, 0.0, 0.0))
    assert made.scene is before
    with made.edit("Rename") as edit:
        edit.replace("g", name="hero")
    assert made.scene.entities["g"].translation == (1.0, 2.0, 3.0)


def test_an_edit_of_items_with_curves_keeps_the_others_as_fields():
    scene = keying.set_key(scene_of(Group(id="g")), "g", "translation[1]", 1.0, 5.0)
    made = document(scene, 1.0)
    with made.edit("Move") as edit:
        edit.replace("g", translation=(3.0, 4.0, 0.0))
    assert made.scene.entities["g"].translation == (3.0, 0.0, 0.0)
    assert made.posed.entities["g"].translation == (3.0, 4.0, 0.0)


def test_the_document_refuses_strips_that_cannot_be():
    made = Document(stage())
    for wrong in ({"speed": 0.0}, {"clip_out": -1.0}, {"weight": float("nan")}, {"mix": "shout"}, {"loops": 1e308}):
        bad = replace_strip(made.scene.strips["s"], **wrong)
        with pytest.raises(BadAsset), made.edit("Break") as edit:
            edit.scene = replace(edit.scene, strips={"s": bad})
    with pytest.raises(BadAsset), made.edit("Break") as edit:
        edit.scene = replace(edit.scene, strips={"other": made.scene.strips["s"]})


def test_a_change_of_a_strip_names_what_it_moves():
    made = Document(stage())
    told = []
    made.subscribe(told.append)
    with made.edit("Fade") as edit:
        edit.apply(strips.change_strip, "s", weight=0.5)
    with made.edit("Remove") as edit:
        edit.apply(strips.remove_clips, ["walk"])
    assert [change.ids for change in told] == [{"g"}, {"g"}]
    assert made.undo() and made.undo() and x(made.scene, 6) == [5.0]


def test_strips_blur_in_motion():
    scene = stage().add(Camera(id="c", shutter_close=1.0)).replace("l", parent="g")
    flat = flatten(replace(scene, camera="c"), 3.0)
    assert flat.lights["close"][0, 0, 3] - flat.lights["open"][0, 0, 3] == pytest.approx(1.0)


# --- operations ------------------------------------------------------------------------------------------------------
def test_strips_are_added_changed_and_removed():
    scene, id_ = strips.add_strip(replace(stage(), strips={}), "walk", start=20.0, layer=2)
    assert (scene.strips[id_].start, scene.strips[id_].end, scene.strips[id_].layer) == (20.0, 30.0, 2)
    scene, second = strips.add_strip(scene, "walk", start=40.0)
    assert second != id_
    scene = strips.change_strip(scene, id_, speed=2.0, name="run")
    assert scene.strips[id_].end == 25.0
    assert list(strips.remove_strips(scene, [id_]).strips) == [second]
    assert not strips.remove_clips(scene, ["walk"]).strips
    for wrong in (
        lambda: strips.add_strip(scene, "fly", start=1.0),
        lambda: strips.change_strip(scene, id_, clip="fly"),
        lambda: strips.change_strip(scene, id_, id="x"),
        lambda: strips.change_strip(scene, id_, tempo=1.0),
        lambda: strips.change_strip(scene, id_, speed=-1.0),
        lambda: strips.remove_strips(scene, ["nobody"]),
        lambda: strips.remove_clips(scene, ["nobody"]),
        lambda: strips.trim_strip(scene, id_, start=99.0),
        lambda: strips.split_strip(scene, id_, 20.0),
        lambda: strips.clip_from_tracks(scene, [], "none"),
        lambda: strips.bake_strips(scene, step=0.0),
    ):
        with pytest.raises(BadAsset):
            wrong()


def test_a_trimmed_strip_plays_the_same_where_it_is_left():
    scene = strips.trim_strip(stage(), "s", start=3.0, end=8.0)
    assert x(scene, 2.9, 3, 6, 8, 8.1) == pytest.approx([1, 2, 5, 7, 1])
    wide = strips.trim_strip(scene, "s", start=-20.0, end=90.0)
    assert (wide.strips["s"].clip_in, wide.strips["s"].clip_out) == (0.0, 10.0)
    looped = strips.trim_strip(stage(loops=3.0), "s", start=12.0, end=26.0)
    assert x(looped, 10.9, 11, 16, 26, 26.1) == pytest.approx([1, 0, 5, 5, 1])


@given(st.floats(1.2, 10.8), st.floats(1, 11))
def test_a_strip_cut_in_two_plays_what_it_played(cut, frame):
    scene, second = strips.split_strip(stage(), "s", cut)
    assert set(scene.strips) == {"s", second}
    assert x(scene, frame) == pytest.approx(x(stage(), frame))


def test_a_strip_of_several_runs_is_cut_at_a_seam():
    scene, second = strips.split_strip(stage(loops=3.0), "s", 13.0)
    assert scene.strips["s"].end == 11.0 and scene.strips[second].loops == 2.0


def test_keys_become_a_clip_and_a_clip_becomes_keys():
    keyed = keying.set_key(replace(stage(), strips={}, clips={}), "g", "translation", 5.0, (0.0, 0.0, 0.0))
    keyed = keying.set_key(keyed, "g", "translation", 25.0, (8.0, 0.0, 0.0))
    keyed = keying.set_key(keyed, "g", "rotation", 25.0, (0.0, 30.0, 0.0))
    scene, clip = strips.clip_from_tracks(keyed, list(keyed.tracks), "go")
    assert not scene.tracks and scene.clips[clip].end == 20.0
    for frame in (0.0, 5.0, 11.0, 25.0, 40.0):
        a, b = posed(keyed, frame).entities["g"], posed(scene, frame).entities["g"]
        assert a.translation == pytest.approx(b.translation) and a.rotation == pytest.approx(b.rotation)
    baked = strips.bake_strips(scene)
    assert not baked.strips and set(baked.tracks) == {"g.translation", "g.rotation"}
    assert baked.tracks["g.rotation"].euler
    np.testing.assert_allclose(
        evaluate(baked.tracks["g.translation"], range(5, 26)), evaluate(keyed.tracks["g.translation"], range(5, 26)),
        atol=1e-9,
    )  # fmt: skip


def test_baking_inside_an_edit_reads_what_is_stored():
    made = document(stage(weight=0.5), 6.0)
    seen = x(made.scene, *range(1, 12))
    with made.edit("Bake") as edit:
        edit.apply(strips.bake_strips, stored=made.scene)
    assert not made.scene.strips and x(made.scene, *range(1, 12)) == pytest.approx(seen)


# --- with their entities ---------------------------------------------------------------------------------------------
def test_what_is_removed_is_gone_from_clips_and_empty_clips_with_it():
    assert not stage().remove(["g"]).clips and not stage().remove(["g"]).strips
    both = replace(walk(), tracks={**walk().tracks, "l.intensity": make_curve([0], [1.0])})
    left = stage(clips=(both,)).remove(["g"])
    assert list(left.clips["walk"].tracks) == ["l.intensity"] and left.strips


def test_copies_move_like_what_they_are_copies_of():
    scene, (copy,) = edits.duplicate(stage(), ["g"])
    entities = posed(scene, 6.0).entities
    assert entities[copy].translation == pytest.approx(entities["g"].translation)


def test_what_is_brought_in_brings_its_motion():
    scene, (top,) = insert(stage(), stage(), name="again")
    assert len(scene.clips) == 2 and len(scene.strips) == 2
    (new,) = [e for e in scene.children(top) if isinstance(scene.entities[e], Group)]
    moved = posed(scene, 6.0).entities
    assert moved[new].translation == pytest.approx((5.0, 0.0, 0.0)) == moved["g"].translation
    only = replace(stage(), entities={"l": Light(id="l")})
    assert len(insert(stage(), only, name="lamp")[0].clips) == 1
