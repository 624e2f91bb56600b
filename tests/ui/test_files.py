"""Files dropped on the window: what is good comes in, what is broken leaves the open scene as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.assets.gltf.writer import save_gltf
from studio.scene.lights import Light
from studio.scene.project import save_project
from studio.scene.scene import Scene


def drop(window: Any, *files: Path) -> None:
    """Drag files over a window and let go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    entering = QDragEnterEvent(
        QPointF(300, 300),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(window, entering)
    assert entering.isAccepted()
    dropping = QDropEvent(
        QPointF(300, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(window, dropping)


@pytest.fixture
def lamp(tmp_path: Path) -> Path:
    path = tmp_path / "lamp.glb"
    save_gltf(Scene().add(Light(id="lamp", name="Lamp", light="point")), path)
    return path


def test_a_scene_that_is_dropped_comes_into_the_open_scene(window: Any, lamp: Path, qtbot: QtBot) -> None:
    studio = window.application.studio
    studio.run("create.spot_light")
    drop(window, lamp)
    qtbot.waitUntil(lambda: any(e.name == "Lamp" for e in studio.scene.entities.values()), timeout=20000)
    assert len([e for e in studio.scene.entities.values() if isinstance(e, Light)]) == 2
    assert studio.document.undo_label == "Import"
    assert window.application.reports[-1][0] == "lamp.glb"


def test_a_project_that_is_dropped_is_opened(window: Any, tmp_path: Path, qtbot: QtBot) -> None:
    hall = tmp_path / "hall.studio"
    save_project(Scene().add(Light(id="lamp")), hall)
    drop(window, hall)
    qtbot.waitUntil(lambda: window.application.studio.path == hall, timeout=20000)
    assert not window.application.studio.document.modified


BROKEN = {
    "empty.glb": b"",
    "short.glb": b"glTF\x02\x00\x00\x00",
    "lying.glb": b"glTF\x02\x00\x00\x00\xff\xff\xff\x7f",
    "notes.txt": b"not a scene",
    "text.gltf": b"{]",
    "bad.obj": b"f 1 2 99999\n",
    "bad.png": b"\x89PNG\r\n\x1a\nbroken",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_sentence_and_the_open_scene_is_untouched(
    window: Any, tmp_path: Path, qtbot: QtBot, name: str
) -> None:
    studio = window.application.studio
    studio.run("create.spot_light")
    before = studio.scene
    file = tmp_path / name
    file.write_bytes(BROKEN[name])
    drop(window, file)
    notices = window.application.notices.kept
    qtbot.waitUntil(lambda: bool(notices), timeout=20000)
    assert notices[-1].kind == "error" and name in notices[-1].sentence and "\n" not in notices[-1].sentence
    assert "unforeseen" not in notices[-1].sentence
    assert studio.scene is before


def test_a_file_that_is_opened_is_among_the_recent_ones(window: Any, lamp: Path, qtbot: QtBot) -> None:
    application = window.application
    application.open(lamp)
    qtbot.waitUntil(lambda: bool(application.studio.preferences.recent), timeout=20000)
    qtbot.waitUntil(lambda: "lamp" in window.windowTitle())
    menu = window.menuBar().actions()[0].menu()
    menu.aboutToShow.emit()
    recent = next(a.menu() for a in menu.actions() if a.menu() and a.menu().objectName() == "menu.recent")
    assert lamp.name in recent.actions()[0].text()


def test_opening_asks_about_what_is_not_saved(window: Any, lamp: Path, answers: list[Any], qtbot: QtBot) -> None:
    studio = window.application.studio
    studio.run("create.spot_light")
    answers.append("Cancel")
    window.application.open(lamp)
    assert not window.application.busy and len(studio.scene.entities) == 1
