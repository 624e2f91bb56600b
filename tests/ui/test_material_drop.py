"""Materials dropped on objects: in the viewport, on one part of several, and on the outliner's rows."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QDragLeaveEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.scene.entities import MeshObject
from studio.scene.geometry import make_mesh
from studio.viewport.camera import ViewCamera
from tests.ui.drags import drop, hover, material
from tests.ui.test_stories import at, drawn


@pytest.fixture
def stage(window: Any, qtbot: QtBot) -> Any:
    studio = window.application.studio
    studio.run("create.sphere")
    studio.run("create.cube")
    studio.run("create.point_light")
    with studio.document.edit("place") as edit:
        edit.replace("cube", translation=(2.0, 0.0, 0.0))
    studio.run("materials.preset", name="gold")
    studio.run("materials.preset", name="velvet")
    studio.run("select.none")
    window.views[0].camera = ViewCamera()
    window.views[0].tools.frame_all()
    drawn(window, qtbot)
    return window


def worn(window: Any, id_: str) -> tuple[str, ...]:
    entity = window.application.studio.scene.entities[id_]
    assert isinstance(entity, MeshObject)
    return entity.materials


def place(window: Any, id_: str) -> QPoint:
    """A point well within a body that stands on its origin."""
    return at(window, id_) - QPoint(0, 12)


def test_a_material_is_dropped_on_the_object_under_the_pointer(stage: Any, shot: Any) -> None:
    canvas = stage.panel("viewport").canvas
    assert hover(canvas, material("gold"), place(stage, "sphere"))
    assert stage.views[0].tools.selecting.hovered == "sphere"
    shot(stage, "material-hover")
    assert drop(canvas, material("gold"), place(stage, "sphere"))
    assert worn(stage, "sphere") == ("gold",) and worn(stage, "cube") != ("gold",)
    assert stage.views[0].tools.selecting.hovered == ""
    assert stage.application.studio.document.undo_label == "Assign material"


def test_nothing_is_dressed_beside_objects_or_when_locked(stage: Any, qtbot: QtBot) -> None:
    canvas, studio = stage.panel("viewport").canvas, stage.application.studio
    before = studio.scene
    assert not drop(canvas, material("gold"), QPoint(3, 3))
    assert not hover(canvas, material("no such material"), place(stage, "sphere"))
    assert studio.scene is before
    studio.select(["sphere"])
    studio.run("edit.lock")
    drawn(stage, qtbot)
    assert not hover(canvas, material("gold"), place(stage, "sphere"))


def test_a_drag_that_leaves_outlines_nothing(stage: Any) -> None:
    canvas = stage.panel("viewport").canvas
    hover(canvas, material("gold"), place(stage, "cube"))
    QApplication.sendEvent(canvas, QDragLeaveEvent())
    assert stage.views[0].tools.selecting.hovered == ""


def test_an_object_of_two_parts_is_dressed_on_one(stage: Any, qtbot: QtBot) -> None:
    studio = stage.application.studio
    wall = make_mesh(
        [[-2, 0, 0], [0, 0, 0], [0, 2, 0], [-2, 2, 0], [2, 0, 0], [2, 2, 0]],
        [[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]],
        parts=(0, 2, 4),
    )
    with studio.document.edit("wall") as edit:
        edit.apply(lambda scene: scene.remove(["sphere", "cube"]).add(wall, MeshObject(id="wall", mesh=wall.key)))
    view = stage.views[0]
    studio.run("view.front")
    view.tools.frame_all()
    drawn(stage, qtbot)
    canvas = stage.panel("viewport").canvas
    x, y, _ = view.camera.project([[1.0, 1.0, 0.0]], *view.size)[0]
    right = QPoint(round(x / view.pixel_ratio), round(y / view.pixel_ratio))
    assert drop(canvas, material("velvet"), right)
    assert worn(stage, "wall") == ("", "velvet")


def test_a_material_is_dropped_on_a_row_of_the_outliner(stage: Any, shot: Any) -> None:
    tree = stage.panel("outliner").tree
    row = tree.visualRect(tree.index_of("cube")).center()
    lamp = tree.visualRect(tree.index_of("point")).center()
    assert not hover(tree.viewport(), material("velvet"), lamp)
    assert hover(tree.viewport(), material("velvet"), row)
    assert stage.panel("outliner").material_drop._frame.isVisible()
    assert drop(tree.viewport(), material("velvet"), row)
    assert worn(stage, "cube") == ("velvet",)
    assert not stage.panel("outliner").material_drop._frame.isVisible()
