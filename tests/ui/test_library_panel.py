"""The library's panel by a real mouse: found, dragged into the viewport, tagged, and quick with thousands of assets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from studio.scene.entities import MeshObject
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.ui.library_model import mime_of
from studio.viewport.camera import ViewCamera
from tests.assets.made import write_hdr, write_model


@pytest.fixture
def shelf_folder(tmp_path: Path) -> Path:
    """A small library on disk: models, an environment, a texture, and one file that is broken."""
    folder = tmp_path / "assets"
    (folder / "木头 wood").mkdir(parents=True)
    write_model(folder / "Crate.glb", size=0.5)
    write_model(folder / "木头 wood" / "木箱.glb", size=0.3)
    write_hdr(folder / "Evening sky.hdr")
    from PIL import Image

    Image.fromarray((np.indices((64, 64)).sum(axis=0) % 16 * 16).astype(np.uint8)).save(folder / "Stripes.png")
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


@pytest.fixture
def library_panel(active_window: Any, shelf_folder: Path, qtbot: QtBot) -> Any:
    studio = active_window.application.studio
    studio.run("create.plane")
    studio.run("edit.set", field="translation", value=(0.0, 0.0, 0.0))
    studio.run("select.none")
    active_window.views[0].camera = ViewCamera()
    panel = active_window.show_panel("library")
    studio.run("library.add_folder", path=str(shelf_folder))
    qtbot.waitUntil(lambda: len(panel.model.assets) == 5)
    return panel


# --- finding ---------------------------------------------------------------------------------------------------------
def names(panel: Any) -> set[str]:
    return {asset.name for asset in panel.model.assets}


def pictured(panel: Any) -> bool:
    """Whether every thumbnail is there, or told to be broken."""
    shelf = panel.shelf
    return all(shelf.pixmap(asset) is not None or shelf.broken(asset) for asset in panel.model.assets)


def test_assets_get_their_thumbnails_and_a_broken_file_says_why(
    library_panel: Any, active_window: Any, qtbot: QtBot, shot: Any
) -> None:
    qtbot.waitUntil(lambda: pictured(library_panel), timeout=120_000)
    torn = next(asset for asset in library_panel.model.assets if asset.name == "torn")
    assert "torn.png" in library_panel.shelf.broken(torn)
    index = library_panel.model.index_of(torn.id)
    assert "torn.png: " in index.data(Qt.ItemDataRole.ToolTipRole)
    shot(active_window, "library")
    QTest.mouseClick(library_panel.rows, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pictured(library_panel), timeout=120_000)
    shot(active_window, "library-list")


@pytest.mark.parametrize("typed", ["muxiang", "箱", "kind:model wood"])
def test_typing_finds_in_english_and_pinyin(library_panel: Any, qtbot: QtBot, typed: str) -> None:
    QTest.mouseClick(library_panel.search, Qt.MouseButton.LeftButton)
    library_panel.search.insert(typed)  # as an input method commits it
    qtbot.waitUntil(lambda: names(library_panel) == {"木箱"})
    library_panel.search.clear()
    qtbot.waitUntil(lambda: len(names(library_panel)) == 5)


def test_an_entry_of_the_tree_narrows_what_is_shown(library_panel: Any, qtbot: QtBot) -> None:
    tree = library_panel.tree
    wanted = {("kind", "hdri"): {"Evening sky"}, ("kind", "model"): {"Crate", "木箱"}}
    for place, found in wanted.items():
        item = next(item for item in library_panel._items() if item.data(0, Qt.ItemDataRole.UserRole) == place)
        tree.scrollToItem(item)
        QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=tree.visualItemRect(item).center())
        assert names(library_panel) == found


# --- saying ----------------------------------------------------------------------------------------------------------
def choose(panel: Any, name: str) -> Any:
    """Click the tile of an asset; gives the asset."""
    asset = next(asset for asset in panel.model.assets if asset.name == name)
    index = panel.model.index_of(asset.id)
    panel.grid.scrollTo(index)
    QTest.mouseClick(panel.grid.viewport(), Qt.MouseButton.LeftButton, pos=panel.grid.visualRect(index).center())
    return asset


def test_tags_stars_notes_and_liking_are_given_below_the_grid(library_panel: Any, qtbot: QtBot, shot: Any) -> None:
    panel = library_panel
    crate = choose(panel, "Crate")
    qtbot.waitUntil(lambda: panel.tags.isVisible())
    QTest.mouseClick(panel.tags, Qt.MouseButton.LeftButton)
    qtbot.keyClicks(panel.tags, "set dressing, ")
    panel.tags.insert("木")  # as an input method commits it
    qtbot.keyClick(panel.tags, Qt.Key.Key_Return)
    QTest.mouseClick(panel.note, Qt.MouseButton.LeftButton)
    qtbot.keyClicks(panel.note, "hero prop")
    qtbot.keyClick(panel.note, Qt.Key.Key_Return)
    QTest.mouseClick(panel.favourite, Qt.MouseButton.LeftButton)
    said = panel._library.get(crate.id)
    assert (said.tags, said.note, said.favourite) == (("set dressing", "木"), "hero prop", True)
    panel.search.setText("tag:mu fav")
    qtbot.waitUntil(lambda: names(panel) == {"Crate"})


# --- into the scene --------------------------------------------------------------------------------------------------
def carry(panel: Any, name: str, canvas: QWidget, at: QPoint, *, drop: bool = True) -> QDragMoveEvent:
    """Drag an asset over a canvas, and let it go there unless told otherwise; gives the last move."""
    asset = choose(panel, name)
    data = mime_of([asset])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(QPointF(at), copy, data, left, none)
    QApplication.sendEvent(canvas, entering)
    assert entering.isAccepted()
    moving = QDragMoveEvent(QPointF(at), copy, data, left, none)
    QApplication.sendEvent(canvas, moving)
    if drop:
        QApplication.sendEvent(canvas, QDropEvent(QPointF(at), copy, data, left, none))
    return moving


def of_name(studio: Any, name: str) -> list[str]:
    return [id_ for id_, entity in studio.scene.entities.items() if entity.name == name]


def on_canvas(window: Any, point: tuple[float, float, float]) -> QPoint:
    view = window.views[0]
    x, y, _ = view.camera.project(np.array([point]), *view.size)[0]
    return QPoint(round(x / view.pixel_ratio), round(y / view.pixel_ratio))


@pytest.fixture
def stage(library_panel: Any, active_window: Any, qtbot: QtBot) -> Any:
    """The window, its viewport drawn."""
    view = active_window.views[0]
    drawn = view.frames
    view.redraw()
    qtbot.waitUntil(lambda: view.frames > drawn)
    return active_window


def test_a_model_is_dropped_on_the_floor_and_stands_on_it(
    stage: Any, library_panel: Any, qtbot: QtBot, shot: Any
) -> None:
    studio, canvas = stage.application.studio, stage.panel("viewport").canvas
    qtbot.waitUntil(lambda: pictured(library_panel), timeout=120_000)
    qtbot.waitUntil(lambda: not library_panel._library.busy)
    at = on_canvas(stage, (0.4, 0.0, 0.3))
    assert carry(library_panel, "Crate", canvas, at, drop=False).isAccepted()
    assert canvas.drops._ghost.box is not None
    shot(stage, "library-ghost")
    steps = len(studio.document.history[0])
    carry(library_panel, "Crate", canvas, at)
    qtbot.waitUntil(lambda: bool(of_name(studio, "Crate")))
    (group,) = of_name(studio, "Crate")
    assert np.allclose(studio.scene.world_matrix(group)[:, 3], (0.4, 0.0, 0.3), atol=0.05)
    assert studio.selection == (group,) and len(studio.document.history[0]) == steps + 1
    assert canvas.drops._ghost is None
    qtbot.waitUntil(lambda: stage.views[0].converged or stage.views[0].frames > 3)
    shot(stage, "library-dropped")
    studio.run("edit.undo")
    assert not of_name(studio, "Crate")


def test_a_model_leans_on_the_side_of_another(stage: Any, library_panel: Any, qtbot: QtBot) -> None:
    studio, canvas, view = stage.application.studio, stage.panel("viewport").canvas, stage.views[0]
    studio.run("create.cube")
    studio.run("edit.set", field="translation", value=(0.0, 0.5, 0.0))
    studio.run("select.none")
    positions = studio.scene.meshes[studio.scene.entities["cube"].mesh].positions.astype(float)
    lift = np.array([0.0, 0.5, 0.0])
    low, high = positions.min(axis=0) + lift, positions.max(axis=0) + lift
    side = np.array([np.sign(view.camera.eye[0]), 0.0, 0.0])
    middle = (low + high) / 2 + side * (high - low) / 2
    hit = view.pick(*view.camera.project(middle[None], *view.size)[0][:2])
    assert hit is not None and hit.id == "cube"
    carry(library_panel, "木箱", canvas, on_canvas(stage, tuple(middle)))
    qtbot.waitUntil(lambda: bool(of_name(studio, "木箱")))
    world = studio.scene.world_matrix(of_name(studio, "木箱")[0])
    assert np.allclose(world[:, 1], hit.normal, atol=1e-4)


def test_where_nothing_is_hit_the_ground_is(stage: Any, library_panel: Any, qtbot: QtBot) -> None:
    studio, canvas = stage.application.studio, stage.panel("viewport").canvas
    studio.show_scene(Scene(), None)
    stage.views[0].camera = ViewCamera()
    carry(library_panel, "Crate", canvas, on_canvas(stage, (1.0, 0.0, -1.0)))
    qtbot.waitUntil(lambda: bool(of_name(studio, "Crate")))
    place = studio.scene.world_matrix(of_name(studio, "Crate")[0])[:, 3]
    assert np.allclose(place, (1.0, 0.0, -1.0), atol=0.05)


def test_an_environment_lights_the_scene_and_a_second_one_replaces_it(
    stage: Any, library_panel: Any, qtbot: QtBot, shot: Any
) -> None:
    studio, canvas = stage.application.studio, stage.panel("viewport").canvas

    def domes() -> list[Light]:
        return [e for e in studio.scene.entities.values() if isinstance(e, Light) and e.light == "dome"]

    carry(library_panel, "Evening sky", canvas, canvas.rect().center())
    qtbot.waitUntil(lambda: len(domes()) == 1 and bool(domes()[0].image))
    first = domes()[0].image
    write_hdr(Path(library_panel._library.folders[0].path) / "Noon.hdr", width=128)
    qtbot.waitUntil(lambda: "Noon" in names(library_panel))
    carry(library_panel, "Noon", canvas, canvas.rect().center())
    qtbot.waitUntil(lambda: domes()[0].image != first)
    assert len(domes()) == 1
    view = stage.views[0]
    frames = view.frames
    qtbot.waitUntil(lambda: view.frames > frames + 2 or view.converged)
    shot(stage, "library-environment")


def test_a_material_that_was_kept_is_put_on_what_it_is_dropped_on(stage: Any, library_panel: Any, qtbot: QtBot) -> None:
    studio, canvas = stage.application.studio, stage.panel("viewport").canvas
    studio.document.load(studio.scene.add(Material(id="gold", name="Gold", base_metalness=1.0)))
    studio.select(["gold"])
    studio.run("library.keep_material")
    qtbot.waitUntil(lambda: "Gold" in names(library_panel))
    studio.run("select.none")
    nowhere = carry(library_panel, "Gold", canvas, QPoint(canvas.width() // 2, 2), drop=False)
    assert not nowhere.isAccepted()
    carry(library_panel, "Gold", canvas, on_canvas(stage, (0.0, 0.0, 0.0)))
    plane = next(id_ for id_, e in studio.scene.entities.items() if isinstance(e, MeshObject))
    qtbot.waitUntil(lambda: studio.scene.entities[plane].materials == ("gold",))
    assert list(studio.scene.materials).count("gold") == 1


def test_a_texture_becomes_the_base_colour_of_what_it_is_dropped_on(
    stage: Any, library_panel: Any, qtbot: QtBot
) -> None:
    studio, canvas = stage.application.studio, stage.panel("viewport").canvas
    carry(library_panel, "Stripes", canvas, on_canvas(stage, (0.0, 0.0, 0.0)))
    qtbot.waitUntil(lambda: any("base_color" in m.textures for m in studio.scene.materials.values()))


def test_a_rig_that_was_kept_comes_back_where_it_is_dropped(stage: Any, library_panel: Any, qtbot: QtBot) -> None:
    studio, canvas = stage.application.studio, stage.panel("viewport").canvas
    studio.run("create.point_light")
    studio.run("edit.set", field="translation", value=(5.0, 2.0, 5.0))
    studio.run("library.keep_rig", name="Key light")
    qtbot.waitUntil(lambda: "Key light" in names(library_panel))
    carry(library_panel, "Key light", canvas, on_canvas(stage, (0.5, 0.0, 0.5)))
    qtbot.waitUntil(lambda: bool(of_name(studio, "Key light")))
    below = studio.scene.descendants(of_name(studio, "Key light"))
    (lamp,) = [id_ for id_ in below if isinstance(studio.scene.entities[id_], Light)]
    assert np.allclose(studio.scene.world_matrix(lamp)[:, 3], (0.5, 2.0, 0.5), atol=0.05)


def test_a_double_click_replaces_nothing_and_replacing_does(stage: Any, library_panel: Any, qtbot: QtBot) -> None:
    studio = stage.application.studio
    studio.run("create.cube")
    studio.run("edit.set", field="translation", value=(2.0, 0.5, -1.0))
    foot = float(studio.scene.meshes[studio.scene.entities["cube"].mesh].positions[:, 1].min())
    crate = choose(library_panel, "Crate")
    studio.run("library.add", asset=crate.id, replacing=True)
    qtbot.waitUntil(lambda: bool(of_name(studio, "Crate")))
    assert "cube" not in studio.scene.entities
    place = studio.scene.world_matrix(of_name(studio, "Crate")[0])[:, 3]
    assert np.allclose(place, (2.0, 0.5 + foot, -1.0), atol=1e-5)


def test_a_real_mouse_drags_a_model_into_the_viewport(stage: Any, library_panel: Any, qtbot: QtBot) -> None:
    """Press, move and release as the display has them; the drag's own loop is fed by a timer meanwhile."""
    studio, canvas, grid = stage.application.studio, stage.panel("viewport").canvas, library_panel.grid
    asset = choose(library_panel, "Crate")
    start = grid.visualRect(library_panel.model.index_of(asset.id)).center()
    end = stage.mapFromGlobal(canvas.mapToGlobal(on_canvas(stage, (0.3, 0.0, 0.2))))
    handle = stage.windowHandle()
    steps = [end - QPoint(30, 0), end - QPoint(10, 0), end, end]

    def go_on() -> None:
        if steps:
            QTest.mouseMove(handle, steps.pop(0))
            QTimer.singleShot(60, go_on)
        else:
            QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)

    QTimer.singleShot(100, go_on)
    QTest.mousePress(grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(grid.viewport(), start + QPoint(30, 4))
    QTest.mouseMove(grid.viewport(), start + QPoint(60, -10))
    qtbot.waitUntil(lambda: bool(of_name(studio, "Crate")), timeout=30_000)


# --- many ------------------------------------------------------------------------------------------------------------
def test_five_thousand_assets_are_scrolled_and_only_what_is_seen_is_asked_for(
    library_panel: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    panel = library_panel
    many = tmp_path / "many"
    many.mkdir()
    for i in range(5000):
        (many / f"prop {i:04d}.glb").write_bytes(b"%d" % i)
    panel.shelf.maker.close()  # they hold nothing that could be drawn
    panel._library.add_folder(many)
    qtbot.waitUntil(lambda: len(panel.model.assets) == 5005, timeout=120_000)
    assert len(panel.grid.seen()) < 200
    bar = panel.grid.verticalScrollBar()
    for share in (0.25, 0.5, 1.0):
        bar.setValue(round(bar.maximum() * share))
        seen = panel.grid.seen()
        first = panel.grid.indexAt(QPoint(20, 20)).row()
        assert first in seen
    assert seen.stop == 5005


def test_a_folder_that_is_dropped_on_the_panel_is_added(library_panel: Any, tmp_path: Path, qtbot: QtBot) -> None:
    from PySide6.QtCore import QMimeData, QUrl

    (tmp_path / "more").mkdir()
    write_model(tmp_path / "more" / "Stool.glb")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "more"))])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(QPointF(50, 50), copy, data, left, none)
    QApplication.sendEvent(library_panel, entering)
    assert entering.isAccepted()
    QApplication.sendEvent(library_panel, QDropEvent(QPointF(50, 50), copy, data, left, none))
    qtbot.waitUntil(lambda: "Stool" in names(library_panel))


def test_the_panel_speaks_chinese(library_panel: Any, active_window: Any, qtbot: QtBot, shot: Any) -> None:
    active_window.application.studio.prefer(language="zh_CN")
    assert library_panel.count.text() == "5 个资产"
    choose(library_panel, "木箱")
    shot(active_window, "library-chinese")
    active_window.application.studio.prefer(language="en")
