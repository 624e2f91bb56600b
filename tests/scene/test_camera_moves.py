"""Camera moves, bookmarks, cuts and lenses: ordinary keys and groups that do what their names say."""

from dataclasses import replace

import numpy as np
import pytest

from studio.errors import BadAsset, UsageError
from studio.scene import camera_moves, lenses, motion
from studio.scene.animation import make_curve
from studio.scene.entities import Camera, Constraint, Group, Path
from studio.scene.euler import to_quaternion
from studio.scene.flat_camera import active_camera
from studio.scene.flatten import flatten
from studio.scene.keyed_edit import posed
from studio.scene.paths import circle_points
from studio.scene.scene import Scene
from studio.scene.timeline import Bookmark, Cut, Timeline
from tests.scene.rigs import scene_of


def stage(**more: object) -> Scene:
    camera = Camera(id="c", name="Cam", translation=(0.0, 1.0, 4.0), focus_distance_m=4.0)
    return scene_of(camera, camera="c", frame_end=24.0, **more)


def eye(scene: Scene, frame: float, id_: str = "c") -> np.ndarray:
    return posed(scene, frame).world_matrix(id_)


# --- cuts ------------------------------------------------------------------------------------------------------------
def test_the_picture_follows_the_cuts():
    scene = stage().add(Camera(id="d", name="Wide", translation=(9.0, 0.0, 0.0)))
    scene = replace(scene, timeline=Timeline(cuts=(Cut(frame=10.0, camera="d"), Cut(frame=20.0, camera="c"))))
    names = [flatten(scene, frame).camera.name for frame in (1.0, 9.9, 10.0, 19.0, 20.0)]
    assert names == ["Cam", "Cam", "Wide", "Wide", "Cam"]
    assert flatten(scene, 12.0, camera="Cam").camera.name == "Cam", "asked for, it is that one"


def test_a_cut_to_a_camera_that_is_gone_leaves_the_scene_s_own():
    scene = replace(stage(), timeline=Timeline(cuts=(Cut(frame=1.0, camera="gone"),)))
    assert active_camera(scene, 5.0) == "c" and flatten(scene, 5.0).camera.name == "Cam"
    assert active_camera(replace(scene, camera=""), 5.0) == ""


# --- turntable -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("moving", [False, True])
def test_a_turntable_closes_and_goes_at_an_even_speed(moving):
    scene = stage()
    if moving:
        scene = replace(scene, tracks={"c.focal_length_mm": make_curve([1.0, 24.0], [35.0, 50.0])})
    out, group = camera_moves.turntable(scene, "c", (0.0, 1.0, 0.0), 1.0, 24.0)
    at = np.array([eye(out, frame)[:, 3] for frame in range(1, 26)])
    assert at[0] == pytest.approx((0.0, 1.0, 4.0), abs=1e-9) and at[24] == pytest.approx(at[0], abs=1e-9)
    assert np.linalg.norm(at - (0.0, 1.0, 0.0), axis=1) == pytest.approx(np.full(25, 4.0))
    steps = np.linalg.norm(np.diff(at, axis=0), axis=1)
    assert steps == pytest.approx(np.full(24, 8.0 * np.sin(np.pi / 24)))
    assert -eye(out, 13.0)[:, 2] == pytest.approx((0.0, 0.0, 1.0), abs=1e-9), "half way it looks back"
    assert eye(out, 31.0)[:, 3] == pytest.approx(at[6], abs=1e-9), "outside the range it goes on"
    assert f"{group}.rotation" in out.tracks


def test_a_turntable_of_a_camera_with_its_own_moves_keeps_them():
    scene = replace(stage(), tracks={"c.translation": make_curve([1.0, 24.0], [(0.0, 1.0, 4.0), (0.0, 2.0, 4.0)])})
    out, _ = camera_moves.turntable(scene, "c", (1.0, 0.0, 0.0), 1.0, 24.0)
    assert out.tracks["c.translation"] is scene.tracks["c.translation"]
    assert eye(out, 1.0)[:, 3] == pytest.approx((0.0, 1.0, 4.0))
    assert eye(out, 13.0)[:, 3] == pytest.approx((2.0, 1.0 + 12 / 23, -4.0))


# --- dollies ---------------------------------------------------------------------------------------------------------
def test_a_dolly_goes_along_the_line_of_sight_below_any_parent():
    scene = scene_of(
        Group(id="g", rotation=to_quaternion((0, 90, 0)), scale=(2.0, 2.0, 2.0)),
        Camera(id="c", parent="g", rotation=to_quaternion((10, 0, 0)), translation=(1.0, 0.0, 0.0)),
    )
    start = scene.world_matrix("c")
    out = camera_moves.dolly(scene, "c", 3.0, 1.0, 10.0)
    ahead = -start[:, 2] / np.linalg.norm(start[:, 2])
    assert eye(out, 10.0)[:, 3] - start[:, 3] == pytest.approx(3.0 * ahead)


def test_pushing_in_keeps_the_focus_on_the_same_point_all_the_way():
    out = camera_moves.dolly(stage(), "c", 3.0, 1.0, 24.0, focus=True)
    for frame in (1.0, 7.5, 13.0, 24.0):
        now = posed(out, frame)
        assert now.entities["c"].focus_distance_m == pytest.approx(now.world_matrix("c")[2, 3])


def test_a_dolly_zoom_keeps_the_size_of_what_is_in_focus():
    out = camera_moves.dolly(stage(), "c", -6.0, 1.0, 24.0, zoom=True)
    for frame in (1.0, 5.0, 12.5, 24.0):
        camera = posed(out, frame).entities["c"]
        assert camera.focal_length_mm / camera.focus_distance_m == pytest.approx(50.0 / 4.0)
    assert posed(out, 24.0).entities["c"].focus_distance_m == pytest.approx(10.0)


def test_a_dolly_through_what_is_in_focus_is_refused():
    with pytest.raises(BadAsset, match="goes through"):
        camera_moves.dolly(stage(), "c", 4.0, 1.0, 24.0, zoom=True)


# --- bookmarks -------------------------------------------------------------------------------------------------------
A = Bookmark(name="a", translation=(1.0, 2.0, 3.0), rotation=to_quaternion((0, 30, 0)), focal_length_mm=24.0)
B = Bookmark(name="b", translation=(5.0, 2.0, 3.0), rotation=to_quaternion((0, -30, 0)), focal_length_mm=85.0)


def test_a_bookmark_brings_a_camera_back_whatever_it_hangs_below():
    scene = stage().add(
        Group(id="g", translation=(3.0, 1.0, 0.0), rotation=to_quaternion((20, 40, 0)), scale=(2, 2, 2))
    )
    mark = camera_moves.bookmark_of(scene, "c", "here")
    away = scene.reparent(["c"], "g").replace("c", translation=(9.0, 9.0, 9.0), focal_length_mm=20.0)
    back = camera_moves.recalled(away, "c", mark)
    assert back.world_matrix("c")[:, 3] == pytest.approx((0.0, 1.0, 4.0))
    assert back.entities["c"].focal_length_mm == 50.0
    again = camera_moves.bookmark_of(back, "c", "here")
    assert again.rotation == pytest.approx(mark.rotation, abs=1e-9)


def test_bookmarks_are_kept_renamed_and_removed_by_name():
    scene = camera_moves.with_bookmark(camera_moves.with_bookmark(stage(), A), B)
    assert [b.name for b in scene.timeline.bookmarks] == ["a", "b"]
    assert camera_moves.with_bookmark(scene, A).timeline.bookmarks == scene.timeline.bookmarks
    renamed = camera_moves.renamed_bookmark(scene, "a", "start")
    assert [b.name for b in renamed.timeline.bookmarks] == ["start", "b"]
    for bad in ("b", " "):
        with pytest.raises(BadAsset, match="name of its own"):
            camera_moves.renamed_bookmark(scene, "a", bad)
    assert [b.name for b in camera_moves.without_bookmark(scene, "a").timeline.bookmarks] == ["b"]
    with pytest.raises(BadAsset, match='no bookmark "x"'):
        camera_moves.without_bookmark(scene, "x")


def test_a_track_runs_from_one_bookmark_to_the_other():
    out, path = camera_moves.track(stage(), "c", A, B, 1.0, 24.0)
    for mark, frame in ((A, 1.0), (B, 24.0)):
        now = posed(out, frame)
        assert now.world_matrix("c") == pytest.approx(camera_moves.world_of(mark), abs=1e-9)
        assert now.entities["c"].focal_length_mm == pytest.approx(mark.focal_length_mm)
    assert isinstance(out.entities[path], Path)


# --- motion and baking -----------------------------------------------------------------------------------------------
def rider() -> Scene:
    scene = stage().add(
        Path(id="p", points=circle_points(8, 3.0), closed=True),
        Group(id="t", translation=(0.0, 2.0, 0.0)),
        Group(id="other"),
        Constraint(id="f", parent="c", constraint="follow_path", target="p"),
        Constraint(id="l", parent="c", constraint="look_at", target="t"),
    )
    return replace(scene, tracks={
        "f.progress": make_curve([1.0, 25.0], [0.0, 1.0]), "other.translation": make_curve([1.0], [(1.0, 0.0, 0.0)]),
    })  # fmt: skip


def test_motion_is_what_the_scene_shows_at_every_frame():
    scene, frames = rider(), [1.0, 4.5, 12.0]
    found = motion.motion_of(scene, ["c", "gone"], frames)
    assert found.ids == ("c",)
    for k, frame in enumerate(frames):
        assert found.world[k, 0] == pytest.approx(eye(scene, frame), abs=1e-12)
    assert found.keys[0] == pytest.approx((1.0, 25.0))


def test_a_moving_part_holds_only_what_a_place_depends_on():
    part = motion.moving_part(rider(), ["c"])
    assert set(part.entities) == {"c", "p", "t", "f", "l"} and set(part.tracks) == {"f.progress"}


def test_baked_constraints_are_keys_that_show_the_same():
    scene = rider()
    frames = np.arange(1.0, 25.0)
    out = motion.baked(scene, ["c"], frames.tolist())
    assert not any(isinstance(e, Constraint) for e in out.entities.values()) and "f.progress" not in out.tracks
    for frame in (1.0, 8.0, 24.0):
        assert eye(out, frame) == pytest.approx(eye(scene, frame), abs=1e-9)
    between = eye(out, 8.5)[:, 3], eye(scene, 8.5)[:, 3]
    assert np.linalg.norm(between[0] - between[1]) < 0.05


# --- sensors and lenses ----------------------------------------------------------------------------------------------
def test_sensors_are_found_by_name_and_have_sane_sizes():
    assert lenses.sensor("imax 15/70").width_mm == 70.41
    with pytest.raises(UsageError, match="Super 35"):
        lenses.sensor("super 36")
    names = [s.name for s in lenses.SENSORS]
    assert len(set(names)) == len(names)
    for one in lenses.SENSORS:
        assert 4.0 < one.height_mm < one.width_mm < 71.0 and one.source
        assert lenses.sensor_of(one.width_mm, one.height_mm)


def test_another_sensor_can_keep_the_view():
    scene = lenses.with_sensor(stage(), ("c",), lenses.sensor("Super 35, 4-perf"), keep_view=True)
    camera = scene.entities["c"]
    assert camera.sensor_width_mm / camera.focal_length_mm == pytest.approx(36.0 / 50.0)


def test_a_lens_is_the_nearest_of_its_set_and_no_faster_than_it_is():
    cooke = lenses.lens_set("cooke s4/i")
    scene = lenses.with_lens(stage(), ("c",), cooke, 33.0)
    assert scene.entities["c"].focal_length_mm == 32.0 and scene.entities["c"].f_stop == 2.0
    stopped = lenses.with_lens(stage().replace("c", f_stop=5.6), ("c",), cooke, 300.0)
    assert stopped.entities["c"].f_stop == 5.6 and cooke.stops[300.0] == 2.8
