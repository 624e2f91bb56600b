"""Why a value is so: every cause is told, in the order in which they act."""

from __future__ import annotations

import pytest

from studio.errors import BadAsset
from studio.scene import keying
from studio.scene.entities import Constraint, Group
from studio.scene.lights import Light
from studio.scene.origins import origin
from studio.scene.scene import Scene
from studio.scene.strips import add_strip, change_strip, clip_from_tracks


def stage(**group):
    return Scene(frame_end=100.0).add(
        Group(id="rig", name="Key rig", **group),
        Group(id="inner", name="Inner", parent="rig"),
        Light(id="key", name="Key", parent="inner", intensity=800.0),
        Light(id="rim", name="Rim"),
    )


def kinds(scene, id_, field, frame=1.0):
    return [step.kind for step in origin(scene, id_, field, frame).steps]


def test_what_nobody_set_is_the_default():
    found = origin(stage(), "rim", "intensity", 1.0)
    assert [step.kind for step in found.steps] == ["default"] and found.value == 100.0 == found.last.value


def test_what_was_set_stands_above_the_default():
    found = origin(stage(), "key", "intensity", 1.0)
    assert [(step.kind, step.value) for step in found.steps] == [("default", 100.0), ("set", 800.0)]


def test_a_curve_says_whether_it_has_a_key_there():
    scene = keying.set_key(stage(), "key", "exposure", 1.0, 2.0)
    scene = keying.set_key(scene, "key", "exposure", 11.0, 4.0)
    at_key, between = origin(scene, "key", "exposure", 1.0), origin(scene, "key", "exposure", 6.0)
    assert (at_key.last.kind, at_key.last.value, at_key.last.id) == ("key", 2.0, "key.exposure")
    assert between.last.kind == "curve" and between.value == pytest.approx(between.last.value) != 2.0


def test_a_strip_is_told_where_it_plays_and_not_elsewhere():
    scene = keying.set_key(keying.set_key(stage(), "key", "exposure", 1.0, 2.0), "key", "exposure", 11.0, 4.0)
    scene, clip = clip_from_tracks(scene, ["key.exposure"], "flicker")
    if not scene.strips:
        scene, _ = add_strip(scene, clip, start=1.0)
    strip = next(iter(scene.strips))
    scene = change_strip(scene, strip, hold=False)
    assert (origin(scene, "key", "exposure", 6.0).last.kind, origin(scene, "key", "exposure", 6.0).last.id) == (
        "strip",
        strip,
    )
    assert "strip" not in kinds(scene, "key", "exposure", 90.0)


def test_masters_above_a_light_are_told_with_their_groups():
    found = origin(stage(exposure=1.5, tint=(1.0, 0.5, 0.5)), "key", "intensity", 1.0)
    assert [(s.kind, s.value, s.id) for s in found.steps[2:]] == [
        ("master", 1.5, "rig"),
        ("master", (1.0, 0.5, 0.5), "rig"),
    ]
    assert kinds(stage(exposure=1.5), "key", "radius_m") == ["default"]
    assert kinds(stage(exposure=1.5), "rim", "intensity") == ["default"]


def test_a_light_below_a_muted_group_says_which():
    found = origin(stage(muted=True), "key", "muted", 1.0)
    assert (found.value, found.last.kind, found.last.id, found.last.name) == (False, "muted", "rig", "Key rig")


def test_a_light_beside_soloed_ones_says_so():
    scene = stage().replace("rim", solo=True)
    assert origin(scene, "key", "intensity", 1.0).last.kind == "others"
    assert origin(scene, "key", "solo", 1.0).last.name == "Rim"
    assert kinds(scene, "rim", "solo") == ["default", "set"]
    below = stage(solo=True)
    assert origin(below, "key", "solo", 1.0).last.id == "rig"


def test_a_hidden_group_hides_what_is_below():
    scene = stage().replace("inner", visible=False)
    assert origin(scene, "key", "visible", 1.0).last.id == "inner"
    assert origin(scene, "key", "exposure", 1.0).last.kind == "hidden"


def test_what_means_nothing_for_a_kind_and_what_is_not_used_is_told():
    assert origin(stage(), "key", "width_m", 1.0).last.kind == "meaningless"
    assert origin(stage(), "key", "temperature_k", 1.0).last.kind == "unused"
    assert origin(stage(), "key", "light_links", 1.0).last.kind == "linked"


def test_a_constraint_is_a_cause_of_where_a_light_is():
    scene = stage().add(Constraint(id="aim", name="Aim", parent="key", target="rim"))
    assert (origin(scene, "key", "rotation", 1.0).last.kind, origin(scene, "key", "rotation", 1.0).last.id) == (
        "constraint",
        "aim",
    )


def test_what_is_not_there_is_refused_in_a_sentence():
    with pytest.raises(BadAsset, match="gone"):
        origin(stage(), "gone", "intensity", 1.0)
    with pytest.raises(BadAsset, match="no field"):
        origin(stage(), "key", "flavour", 1.0)
