"""Operations on scenes: pure, complete, and refused in a sentence when they make no sense."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene import edits, keying
from studio.scene.animation import evaluate, make_curve
from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.lights import Light
from studio.scene.scene import Scene
from tests.scene.rigs import scene_of, studio_scene


def same_worlds(before, after, ids):
    a, b = before.world_matrices(), after.world_matrices()
    for id_ in ids:
        np.testing.assert_allclose(a[id_], b[id_], atol=1e-9)


def turned():
    """A tree whose every node turns, scales and shears."""
    return scene_of(
        Group(id="a", translation=(1.0, 2.0, 3.0), rotation=(0.1, 0.5, -0.2, 0.8), scale=(2.0, 1.0, 0.5)),
        Group(id="b", parent="a", rotation=(0.3, 0.1, 0.2, 0.9), scale=(1.0, -3.0, 1.0)),
        Light(id="lamp", parent="b", translation=(0.0, 1.0, 0.0), shear=(0.2, 0.0, 0.1)),
        Group(id="other", translation=(-4.0, 0.0, 1.0), rotation=(0.0, 0.7, 0.0, 0.7)),
    )


def test_edits_leave_the_scene_that_they_are_given_alone():
    scene = studio_scene()
    before = dict(scene.entities)
    edits.delete(edits.mute(scene, ["key"]), ["rig"])
    assert dict(scene.entities) == before


def test_mute_acts_on_what_can_be_muted():
    scene = edits.mute(studio_scene(), ["key", "rig", "floor", "wood"])
    assert scene.entities["key"].muted
    assert scene.entities["rig"].muted
    assert scene.entities["floor"] is not None
    assert not edits.mute(scene, ["key"], on=False).entities["key"].muted


def test_solo_can_be_cleared_at_once():
    scene = edits.solo(studio_scene(), ["key", "rim"])
    assert not any(getattr(e, "solo", False) for e in edits.clear_solo(scene).entities.values())


def test_unknown_ids_and_fields_are_refused():
    scene = studio_scene()
    with pytest.raises(BadAsset, match="nobody"):
        edits.mute(scene, ["nobody"])
    with pytest.raises(BadAsset, match="intensity"):
        edits.set_field(scene, ["floor"], "intensity", 3.0)
    with pytest.raises(BadAsset, match="no field"):
        scene.replace("floor", intensity=3.0)
    with pytest.raises(BadAsset, match="empty"):
        edits.rename(scene, "floor", " ")


def test_a_field_of_many_changes_each_by_its_own():
    scene = studio_scene().replace("key", intensity=10.0).replace("fill", intensity=20.0)
    scene = edits.offset_field(scene, ["key", "fill", "floor"], "intensity", times=0.5, add=-6.0)
    assert scene.entities["key"].intensity == 0.0  # kept within its limits
    assert scene.entities["fill"].intensity == 4.0


def test_grouping_and_ungrouping_keep_everything_where_it_is():
    scene = turned()
    grouped, id_ = edits.group(scene, ["b", "lamp", "other"], "Set")
    assert grouped.entities["b"].parent == id_
    assert grouped.entities["lamp"].parent == "b"
    assert grouped.entities[id_].parent == "a"
    same_worlds(scene, grouped, scene.entities)
    loose = edits.ungroup(grouped, [id_])
    assert id_ not in loose.entities
    same_worlds(scene, loose, scene.entities)


def test_reparenting_keeps_the_place_in_the_world():
    scene = turned()
    moved = edits.reparent(scene, ["lamp"], "other")
    assert moved.entities["lamp"].parent == "other"
    same_worlds(scene, moved, scene.entities)
    same_worlds(scene, edits.reparent(moved, ["lamp"], ""), scene.entities)


def test_nothing_can_hang_below_itself():
    with pytest.raises(BadAsset, match="below itself"):
        turned().reparent(["a"], "b")
    with pytest.raises(BadAsset, match="nowhere"):
        turned().reparent(["a"], "nowhere")


def test_nothing_keeps_its_place_below_a_flattened_parent():
    scene = turned().replace("other", scale=(0.0, 1.0, 1.0))
    with pytest.raises(BadAsset, match="degenerate"):
        scene.reparent(["lamp"], "other")
    assert scene.reparent(["lamp"], "other", keep_world=False).entities["lamp"].parent == "other"


def test_deleting_takes_what_hangs_below_with_its_animation():
    scene = replace(
        studio_scene(), tracks={"key.intensity": make_curve([0], [1]), "rim.intensity": make_curve([0], [1])}
    )
    scene = edits.delete(scene, ["rig", "camera"])
    assert not scene.entities.keys() & {"rig", "key", "fill", "camera"}
    assert set(scene.tracks) == {"rim.intensity"}
    assert scene.camera == ""


def test_deleting_a_material_takes_it_off_what_wears_it():
    scene = edits.delete(studio_scene(), ["wood"])
    assert scene.entities["floor"].materials == ("", "glow")
    assert "wood" not in scene.materials


def test_duplicates_share_geometry_and_have_ids_animation_and_joints_of_their_own():
    scene = scene_of(
        Group(id="man"),
        Group(id="hip", parent="man"),
        MeshObject(id="body", parent="man", mesh="m", joints=("hip", "prop")),
        Group(id="prop"),
        tracks={"hip.scale": make_curve([0], [[1, 1, 1]])},
    )
    copied, (top,) = edits.duplicate(scene, ["man", "hip"], offset=(1.0, 0.0, 0.0))
    assert top == "man.2"
    assert copied.entities["man.2"].translation == (1.0, 0.0, 0.0)
    assert copied.entities["body.2"].parent == "man.2"
    assert copied.entities["body.2"].joints == ("hip.2", "prop")
    assert copied.entities["body.2"].mesh == "m"
    assert "hip.2.scale" in copied.tracks
    again, (third,) = edits.duplicate(copied, ["man.2"])
    assert third == "man.3"
    assert len(again.entities) == 10


def test_reordering_moves_in_front_of_or_to_the_end():
    scene = scene_of(*(Group(id=i) for i in "abcd"))
    assert list(edits.reorder(scene, ["d", "c"], "a").entities) == ["d", "c", "a", "b"]
    assert list(edits.reorder(scene, ["a"]).entities) == ["b", "c", "d", "a"]
    assert list(edits.reorder(scene, ["a"], "a").entities) == ["a", "b", "c", "d"]


def test_moves_are_in_the_world_and_only_once():
    scene = turned()
    moved = edits.translate(scene, ["a", "lamp"], (0.0, 5.0, 0.0))
    for id_ in ("a", "b", "lamp"):
        np.testing.assert_allclose(moved.world_matrix(id_)[:, 3] - scene.world_matrix(id_)[:, 3], [0, 5, 0], atol=1e-9)
    below = edits.translate(scene, ["lamp"], (0.0, 5.0, 0.0))
    np.testing.assert_allclose(
        below.world_matrix("lamp")[:, 3] - scene.world_matrix("lamp")[:, 3], [0, 5, 0], atol=1e-9
    )
    assert below.entities["lamp"].rotation == scene.entities["lamp"].rotation


def test_a_flattening_transform_is_refused():
    with pytest.raises(BadAsset):
        edits.transform(turned(), ["a"], np.diag([1.0, 0.0, 1.0, 1.0])[:3])


@given(st.tuples(*[st.floats(-20, 20)] * 3))
def test_aiming_points_lights_at_the_target_whatever_is_above_them(target):
    scene = scene_of(
        Group(id="g", rotation=(0.1, 0.5, -0.2, 0.8), scale=(2.0, 2.0, 2.0)),
        Light(id="l", parent="g", translation=(1.0, 0.0, 0.0)),
    )
    at = scene.world_matrix("l")[:, 3]
    if np.linalg.norm(np.array(target) - at) < 0.1:
        return
    m = edits.aim(scene, ["l"], target).world_matrix("l")
    np.testing.assert_allclose(m[:, 3], at, atol=1e-9)
    np.testing.assert_allclose(-m[:, 2] / 2, (target - at) / np.linalg.norm(target - at), atol=1e-6)


def test_a_light_of_another_kind_gets_a_unit_that_fits():
    scene = edits.set_light_kind(studio_scene(), ["key", "fill", "floor"], "distant")
    assert scene.entities["key"].unit == scene.entities["fill"].unit == "lx"
    kept = edits.set_light_kind(studio_scene(), ["rim"], "rectangle")
    assert kept.entities["rim"].unit == "lm"
    with pytest.raises(BadAsset):
        edits.set_light_kind(scene, ["key"], "laser")


def test_materials_go_on_all_parts_or_one():
    scene = studio_scene()
    assert edits.assign_material(scene, ["floor"], "glow").entities["floor"].materials == ("glow", "glow")
    assert edits.assign_material(scene, ["floor"], "glow", part=0).entities["floor"].materials == ("glow", "glow")
    assert edits.assign_material(scene, ["floor"], "", part=1).entities["floor"].materials == ("wood", "")
    copied, new = edits.duplicate_material(scene, "wood")
    assert copied.materials[new].textures == scene.materials["wood"].textures


def test_only_a_camera_can_be_the_camera():
    assert edits.set_camera(studio_scene(), "").camera == ""
    with pytest.raises(BadAsset):
        edits.set_camera(studio_scene(), "floor")


def test_keys_are_set_replaced_and_removed():
    scene = scene_of(Light(id="l", intensity=5.0))
    scene = keying.set_key(scene, "l", "intensity", 1.0)
    scene = keying.set_key(scene, "l", "intensity", 11.0, 15.0)
    scene = keying.set_key(scene, "l", "intensity", 6.0, 0.0)
    assert evaluate(scene.tracks["l.intensity"], [1, 6, 11])[:, 0].tolist() == [5, 0, 15]
    scene = keying.set_key(scene, "l", "intensity", 6.0, 7.0)
    assert scene.tracks["l.intensity"].values[:, 0].tolist() == [5, 7, 15]
    for frame in (6.0, 1.0, 11.0):
        scene = keying.remove_key(scene, "l", "intensity", frame)
    assert not scene.tracks
    assert scene.entities["l"].intensity == 15.0
    with pytest.raises(BadAsset):
        keying.set_key(scene, "l", "unit", 1.0)


def test_keys_of_rotations_are_angles():
    scene = keying.set_key(scene_of(Camera(id="c")), "c", "rotation", 1.0)
    assert scene.tracks["c.rotation"].euler


def test_ids_stay_unique():
    scene = scene_of(Group(id="a"))
    with pytest.raises(BadAsset, match="taken"):
        scene.add(Group(id="a"))
    with pytest.raises(BadAsset):
        scene.add(Group())
    assert scene.free_id("a") == "a.2"
    assert Scene().free_id("") == "entity"


def test_numbers_change_from_each_ones_own_within_the_limits():
    scene = Scene().add(Light(id="a", exposure=1.0), Light(id="b", outer_cone_deg=80.0), Group(id="g"))
    scene = edits.change_numbers(scene, ["a", "b", "g"], "outer_cone_deg", lambda old: old + 20.0)
    assert (scene.entities["a"].outer_cone_deg, scene.entities["b"].outer_cone_deg) == (65.0, 90.0)
    scene = edits.change_numbers(scene, ["a", "g"], "translation", lambda old: old + 2.0, item=1)
    assert scene.entities["a"].translation == scene.entities["g"].translation == (0.0, 2.0, 0.0)
    assert scene.entities["b"].translation == (0.0, 0.0, 0.0)


def test_a_drag_adds_up_to_where_it_is_and_not_to_how_it_got_there():
    start = scene = Scene().add(Light(id="a", outer_cone_deg=80.0))
    for offset in (5.0, 50.0, 1.0):  # through the limit and back
        scene = edits.change_numbers(scene, ["a"], "outer_cone_deg", lambda old, by=offset: old + by, since=start)
    assert scene.entities["a"].outer_cone_deg == 81.0
