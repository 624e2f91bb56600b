"""Camera and constraint commands: each is one step, and leaves what its name says."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from studio.commands.face import Headless
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.scene.entities import Camera, Constraint, Group, Path
from studio.scene.flat_camera import active_camera
from studio.scene.keyed_edit import posed
from studio.scene.scene import Scene
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from tests.viewport.viewers import FakeViewer, camera_at


class Seen(FakeViewer):
    """A viewport that commands find, over the studio's own document."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(camera=camera_at((0.0, 2.0, 8.0)))
        self.document = studio.document
        self.tools = ViewportTools(self, ToolSettings())  # type: ignore[arg-type]


@pytest.fixture
def studio() -> Studio:
    scene = Scene(frame_end=24.0, camera="c").add(
        Camera(id="c", translation=(0.0, 0.0, 4.0), focus_distance_m=4.0),
        Camera(id="d", translation=(4.0, 0.0, 0.0)),
        Group(id="g", translation=(1.0, 0.0, 0.0)),
        Path(id="p", points=(0.0, 0.0, 0.0, 10.0, 0.0, 0.0)),
    )
    return Studio(face=Headless(), scene=scene)


def seen(studio: Studio) -> Seen:
    viewer = Seen(studio)
    studio.face.viewer = viewer  # type: ignore[attr-defined]
    return viewer


def world(studio: Studio, id_: str, frame: float) -> np.ndarray:
    return posed(studio.scene, frame).world_matrix(id_)


# --- bookmarks -------------------------------------------------------------------------------------------------------
def test_a_bookmark_of_the_view_brings_the_view_back(studio: Studio):
    viewer = seen(studio)
    before = viewer.camera
    studio.run("cameras.bookmark", name="wide")
    viewer.tools.nudge("left")
    studio.run("cameras.recall", name="wide")
    assert viewer.camera.world == pytest.approx(before.world) and viewer.camera.half_width == before.half_width
    studio.run("cameras.rename_bookmark", name="wide", to="far")
    studio.face.answers = deque(["far"])  # type: ignore[attr-defined]
    studio.run("cameras.remove_bookmark")
    assert not studio.scene.timeline.bookmarks
    for _ in range(3):
        studio.run("edit.undo")
    assert not studio.document.undo_label


def test_a_selected_camera_goes_to_a_bookmark(studio: Studio):
    studio.run("cameras.bookmark", name="start")
    studio.select(["d"])
    studio.run("cameras.recall", name="start")
    assert world(studio, "d", 1.0) == pytest.approx(world(studio, "c", 1.0))
    with pytest.raises(BadAsset, match="no bookmark"):
        studio.run("cameras.recall", name="nowhere")


# --- cuts ------------------------------------------------------------------------------------------------------------
def test_cuts_are_made_and_removed_at_the_current_frame(studio: Studio):
    studio.select(["d"])
    studio.frame = 10.0
    studio.run("cameras.cut")
    assert active_camera(studio.scene, 9.0) == "c" and active_camera(studio.scene, 10.0) == "d"
    assert studio.flat.camera.name == "d"
    studio.frame = 15.0
    studio.run("cameras.remove_cut")
    assert not studio.scene.timeline.cuts
    with pytest.raises(UsageError, match="does not apply"):
        studio.run("cameras.remove_cut")


def test_the_view_goes_through_the_cameras_in_turn_and_follows_cuts(studio: Studio):
    viewer = seen(studio)
    studio.run("cameras.next")
    assert viewer.tools.through == "d"
    studio.run("cameras.next")
    assert viewer.tools.through == "c"
    studio.run("cameras.previous")
    assert viewer.tools.through == "d"
    studio.frame = 5.0
    studio.run("cameras.cut")
    viewer.tools.look_through("")
    studio.frame = 1.0
    studio.run("view.through_camera")
    assert viewer.tools.through == "c"
    studio.frame = 6.0
    viewer.tools.refresh()
    assert viewer.tools.through == "d"


# --- sensors and lenses ----------------------------------------------------------------------------------------------
def test_sensors_and_lenses_are_chosen_by_name(studio: Studio):
    studio.select(["c", "d"])
    studio.run("cameras.sensor", name="ARRI ALEXA 35, open gate")
    assert {e.sensor_width_mm for e in studio.scene.entities.values() if isinstance(e, Camera)} == {27.99}
    studio.face.answers = deque(["Cooke S4/i", "75 mm  T2"])  # type: ignore[attr-defined]
    studio.run("cameras.lens")
    camera = studio.scene.entities["d"]
    assert isinstance(camera, Camera) and camera.focal_length_mm == 75.0 and camera.f_stop == 2.0
    with pytest.raises(UsageError, match="no sensor"):
        studio.run("cameras.sensor", name="Kodak")


# --- moves -----------------------------------------------------------------------------------------------------------
def test_a_turntable_goes_round_the_selection_and_is_one_step(studio: Studio):
    studio.select(["g", "c"])
    group = studio.run("cameras.turntable")
    away = world(studio, "c", 1.0)[:, 3] - (1.0, 0.0, 0.0)
    assert world(studio, "c", 13.0)[:, 3] == pytest.approx((1.0, 0.0, 0.0) - away * (1, -1, 1))
    assert world(studio, "c", 25.0) == pytest.approx(world(studio, "c", 1.0))
    assert studio.selection == (group,)
    studio.run("edit.undo")
    assert not studio.scene.tracks and group not in studio.scene.entities


def test_a_turntable_without_a_camera_makes_one_that_holds_everything():
    studio = Studio(face=Headless(), scene=Scene().add(Group(id="g", translation=(1.0, 2.0, 3.0))))
    studio.select(["g"])
    studio.run("cameras.turntable", frames=48)
    made = next(id_ for id_, e in studio.scene.entities.items() if isinstance(e, Camera))
    assert studio.scene.camera == made and studio.scene.frame_end == 48.0
    for frame in (1.0, 20.0):
        matrix = world(studio, made, frame)
        way = np.array((1.0, 2.0, 3.0)) - matrix[:, 3]
        assert -matrix[:, 2] == pytest.approx(way / np.linalg.norm(way))


@pytest.mark.parametrize("name", ["dolly", "push_in", "dolly_zoom"])
def test_dollies_move_the_camera_over_the_range(studio: Studio, name: str):
    studio.run(f"cameras.{name}", metres=2.0)
    assert world(studio, "c", 1.0)[2, 3] == pytest.approx(4.0)
    assert world(studio, "c", 24.0)[2, 3] == pytest.approx(2.0)
    at_end = posed(studio.scene, 24.0).entities["c"]
    assert isinstance(at_end, Camera)
    assert at_end.focus_distance_m == (4.0 if name == "dolly" else pytest.approx(2.0))
    assert at_end.focal_length_mm == (pytest.approx(25.0) if name == "dolly_zoom" else 50.0)
    assert studio.scene.entities["c"].translation == (0.0, 0.0, 4.0), "the field beside the curve is left alone"


def test_a_camera_is_sent_from_one_bookmark_to_another(studio: Studio):
    studio.run("cameras.bookmark", name="a")
    studio.select(["d"])
    studio.run("cameras.bookmark", name="b")
    studio.select(["c"])
    path = studio.run("cameras.track", start="a", end="b")
    assert isinstance(studio.scene.entities[str(path)], Path)
    assert world(studio, "c", 24.0)[:, 3] == pytest.approx((4.0, 0.0, 0.0))


def test_a_typed_distance_that_is_no_number_is_refused(studio: Studio):
    studio.face.answers = deque(["far"])  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="no number"):
        studio.run("cameras.dolly")


# --- constraints -----------------------------------------------------------------------------------------------------
def test_constraints_go_from_what_is_selected_to_the_last_of_it(studio: Studio):
    studio.select(["c", "d", "g"])
    made = studio.run("constraints.look_at")
    assert [studio.scene.entities[i].parent for i in made] == ["c", "d"]  # type: ignore[attr-defined]
    for id_ in ("c", "d"):
        matrix = world(studio, id_, 1.0)
        way = np.array((1.0, 0.0, 0.0)) - matrix[:, 3]
        assert -matrix[:, 2] == pytest.approx(way / np.linalg.norm(way))
    studio.select(["c"])
    with pytest.raises(UsageError, match="select what to constrain"):
        studio.run("constraints.look_at")


def test_following_a_path_goes_from_end_to_end(studio: Studio):
    studio.select(["g", "p"])
    studio.run("constraints.follow_path")
    assert world(studio, "g", 1.0)[:, 3] == pytest.approx((0.0, 0.0, 0.0))
    assert world(studio, "g", 24.0)[:, 3] == pytest.approx((10.0, 0.0, 0.0))
    studio.select(["g", "c"])
    with pytest.raises(UsageError, match="then the path"):
        studio.run("constraints.follow_path")


def test_parenting_with_an_offset_moves_nothing_now_and_with_the_target_later(studio: Studio):
    studio.select(["g", "c"])
    studio.run("constraints.parent")
    assert world(studio, "g", 1.0)[:, 3] == pytest.approx((1.0, 0.0, 0.0))
    studio.document.select(["c"])
    with studio.document.edit("Move") as edit:
        edit.replace("c", translation=(0.0, 3.0, 4.0))
    assert world(studio, "g", 1.0)[:, 3] == pytest.approx((1.0, 3.0, 0.0))


def test_removed_constraints_leave_everything_where_it_is(studio: Studio):
    studio.select(["g", "p"])
    studio.run("constraints.follow_path")
    studio.frame = 24.0
    studio.select(["g"])
    studio.run("constraints.remove")
    assert studio.scene.entities["g"].translation == pytest.approx((10.0, 0.0, 0.0))
    assert not any(isinstance(e, Constraint) for e in studio.scene.entities.values()) and not studio.scene.tracks


@pytest.mark.parametrize("frame", [1.0, 13.0])
def test_baked_constraints_are_keys(studio: Studio, frame: float):
    studio.select(["g", "p"])
    (rule,) = studio.run("constraints.follow_path", turn=False)  # type: ignore[misc]
    expected = {f: world(studio, "g", f) for f in (1.0, 7.0, 24.0)}
    studio.frame = frame
    studio.select([rule])
    studio.run("constraints.bake")
    assert set(studio.scene.tracks) == {"g.translation"} and rule not in studio.scene.entities
    for f, matrix in expected.items():
        assert world(studio, "g", f) == pytest.approx(matrix)
    studio.run("edit.undo")
    assert rule in studio.scene.entities and f"{rule}.progress" in studio.scene.tracks


def test_baking_what_stands_still_writes_its_place(studio: Studio):
    studio.select(["c", "g"])
    studio.run("constraints.look_at")
    before = world(studio, "c", 1.0)
    studio.select(["c"])
    studio.run("constraints.bake", step=4.0)
    assert not studio.scene.tracks and studio.scene.world_matrix("c") == pytest.approx(before)


# --- paths -----------------------------------------------------------------------------------------------------------
def test_paths_are_made_of_lines_circles_and_what_is_selected(studio: Studio):
    made = str(studio.run("create.path_line", length_m=2.0))
    line = studio.scene.entities[made]
    assert isinstance(line, Path) and len(line.points) == 6
    studio.select(["g"])
    circle = str(studio.run("create.path_circle", radius_m=3.0))
    ring = studio.scene.entities[circle]
    assert isinstance(ring, Path) and ring.closed and ring.translation == pytest.approx((1.0, 0.0, 0.0))
    studio.select(["c", "g", "d"])
    laid = str(studio.run("create.path_selection"))
    through = studio.scene.entities[laid]
    at = studio.scene.world_matrix(through.id)
    assert isinstance(through, Path)
    points = np.reshape(through.points, (-1, 3)) @ at[:, :3].T + at[:, 3]
    assert points == pytest.approx(np.array([(0, 0, 4), (1, 0, 0), (4, 0, 0)]))


def test_points_are_added_inserted_and_removed(studio: Studio):
    viewer = seen(studio)
    studio.select(["p"])
    studio.run("paths.add_point", at=(10.0, 0.0, 5.0))
    studio.run("paths.insert_point")
    path = studio.scene.entities["p"]
    assert isinstance(path, Path) and len(path.points) == 12
    viewer.tools.points._chosen = ("p", 0)
    studio.run("paths.remove_point")
    path = studio.scene.entities["p"]
    assert isinstance(path, Path) and len(path.points) == 9 and path.points[0] == 10.0
    studio.run("paths.close")
    assert studio.scene.entities["p"].closed is True  # type: ignore[attr-defined]


def test_ghosts_are_set_by_two_numbers(studio: Studio):
    viewer = seen(studio)
    studio.run("view.set_ghosts", count=5, step=2.0)
    assert (viewer.tools.settings.ghost_count, viewer.tools.settings.ghost_step) == (5, 2.0)
    studio.face.answers = deque(["2, 8", "many"])  # type: ignore[attr-defined]
    studio.run("view.set_ghosts")
    assert (viewer.tools.settings.ghost_count, viewer.tools.settings.ghost_step) == (2, 8.0)
    with pytest.raises(UsageError, match="two numbers"):
        studio.run("view.set_ghosts")
