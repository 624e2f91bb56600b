"""Operations on paths: points come, go and stay where they are."""

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene import path_edits
from studio.scene.entities import Group, Path
from studio.scene.paths import spline_of
from tests.scene.rigs import scene_of

THREE = (0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 2.0)


def test_a_new_path_goes_through_points_of_the_world():
    scene, id_ = path_edits.add_path(scene_of(), "way", [(1, 1, 1), (3, 1, 1)])
    path = scene.entities[id_]
    assert path.translation == (2.0, 1.0, 1.0) and path.points == (-1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def test_points_are_added_on_and_between():
    scene = scene_of(Path(id="p", points=THREE))
    assert path_edits.append_point(scene, "p").entities["p"].points[-3:] == (2.0, 0.0, 4.0)
    before = spline_of(scene.entities["p"])
    more = path_edits.insert_point(scene, "p", 1)
    points = path_edits.points_of(more, "p")
    half = (before.progress_of(1) + before.progress_of(2)) / 2
    assert len(points) == 4 and points[2] == pytest.approx(before.at(half)[0])
    with pytest.raises(BadAsset, match="nothing between"):
        path_edits.insert_point(scene, "p", 2)
    closed = path_edits.insert_point(scene.replace("p", closed=True), "p", 2)
    assert len(path_edits.points_of(closed, "p")) == 4


def test_a_point_can_be_inserted_among_equal_ones():
    scene = scene_of(Path(id="p", points=(0.0, 0.0, 0.0) * 3))
    assert path_edits.points_of(path_edits.insert_point(scene, "p", 0), "p") == pytest.approx(np.zeros((4, 3)))


def test_a_path_keeps_two_points():
    scene = path_edits.remove_point(scene_of(Path(id="p", points=THREE)), "p", 0)
    assert scene.entities["p"].points == THREE[3:]
    with pytest.raises(BadAsset, match="two points"):
        path_edits.remove_point(scene, "p", 0)
    with pytest.raises(BadAsset, match="no point 7"):
        path_edits.remove_point(scene_of(Path(id="p", points=THREE)), "p", 6)
    with pytest.raises(BadAsset, match="not a path"):
        path_edits.points_of(scene_of(Group(id="g")), "g")
