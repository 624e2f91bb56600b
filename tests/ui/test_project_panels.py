"""Notes, versions and missing files in the window; two windows on one project; a project cut in half."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.scene import project
from studio.scene.lights import Light
from studio.scene.project_lock import LOCK
from studio.scene.scene import Scene
from tests.conftest import ROOT
from tests.scene.test_project_lock import HOLD


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    project.save_project(Scene().add(Light(id="lamp", name="Lamp")), tmp_path / "hall.studio")
    return tmp_path / "hall.studio"


def opened(window: Any, path: Path, qtbot: QtBot) -> Any:
    application = window.application
    application.open(path)
    qtbot.waitUntil(lambda: application.studio.path == path and not application.busy)
    return application.studio


# --- notes -----------------------------------------------------------------------------------------------------------
def test_notes_are_typed_saved_and_undone_in_one_step(active_window: Any, hall: Path, qtbot: QtBot, shot: Any) -> None:
    studio = opened(active_window, hall, qtbot)
    page = active_window.show_panel("notes").page
    QTest.mouseClick(page.viewport(), Qt.MouseButton.LeftButton)
    qtbot.keyClicks(page, "Dim the practicals in shot 40.")
    assert studio.scene.notes == "Dim the practicals in shot 40."
    assert len(studio.document.history[0]) == 1 and studio.document.undo_label == "Write notes"
    studio.run("create.point_light")
    page.insertPlainText(" 已商定。")
    assert len(studio.document.history[0]) == 3
    shot(active_window, "notes")
    studio.run("file.save")
    assert project.load_project(hall).notes == studio.scene.notes
    for _ in range(3):
        studio.run("edit.undo")
    assert page.toPlainText() == studio.scene.notes == ""


# --- versions --------------------------------------------------------------------------------------------------------
def test_versions_are_listed_compared_and_opened(active_window: Any, hall: Path, qtbot: QtBot, shot: Any) -> None:
    studio = opened(active_window, hall, qtbot)
    panel = active_window.show_panel("versions")
    QTest.mouseClick(panel.keep, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.list.topLevelItemCount() == 1)
    studio.run("create.spot_light")
    studio.run("create.point_light")
    row = panel.list.visualItemRect(panel.list.topLevelItem(0)).center()
    QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=row)
    qtbot.waitUntil(lambda: "It lacks: 2 lights." in panel.told.text())
    shot(active_window, "versions")
    QTest.mouseClick(panel.open, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: set(studio.scene.entities) == {"lamp"})
    assert studio.document.undo_label == "Open version"
    studio.run("edit.undo")
    assert len(studio.scene.entities) == 3


def test_a_damaged_version_is_a_sentence_in_the_list(active_window: Any, hall: Path, qtbot: QtBot) -> None:
    kept = project.save_version(Scene(), hall)
    kept.write_bytes(b"{")
    opened(active_window, hall, qtbot)
    panel = active_window.show_panel("versions")
    qtbot.waitUntil(lambda: panel.list.topLevelItemCount() == 1)
    panel.list.setCurrentItem(panel.list.topLevelItem(0))
    qtbot.waitUntil(lambda: "scene.0001.json" in panel.told.text())
    assert not panel.open.isEnabled()


# --- missing files ---------------------------------------------------------------------------------------------------
def test_a_texture_that_was_removed_is_listed_and_relinked(
    active_window: Any, tmp_path: Path, qtbot: QtBot, answers: list[Any], shot: Any
) -> None:
    from PIL import Image

    from studio.assets.images import read_image

    (tmp_path / "textures").mkdir()
    Image.new("RGB", (8, 4), (10, 20, 30)).save(tmp_path / "textures" / "wood.png")
    image = read_image(tmp_path / "textures" / "wood.png")
    studio = active_window.application.studio
    dome = Light(id="dome", light="dome", unit="nt", image=image.key)
    studio.show_scene(Scene().add(image, dome), None)
    shutil.move(tmp_path / "textures", tmp_path / "moved")
    panel = active_window.show_panel("missing")
    qtbot.waitUntil(lambda: panel.list.topLevelItemCount() == 1)
    assert panel.list.topLevelItem(0).text(0) == "wood.png"
    shot(active_window, "missing")
    answers.append(tmp_path / "moved")
    QTest.mouseClick(panel.look, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.list.topLevelItemCount() == 0)
    assert studio.scene.images[image.key].path == str(tmp_path / "moved" / "wood.png")
    studio.run("edit.undo")
    qtbot.waitUntil(lambda: panel.list.topLevelItemCount() == 1)


# --- two windows on one project --------------------------------------------------------------------------------------
def test_a_project_that_another_process_has_open_is_asked_about(
    active_window: Any, hall: Path, qtbot: QtBot, answers: list[Any]
) -> None:
    command = [sys.executable, "-c", HOLD, str(hall)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    application = active_window.application
    answers.append("Open a copy")
    application.open(hall)
    qtbot.waitUntil(lambda: "lamp" in application.studio.scene.entities)
    assert application.studio.path is None and not answers
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    application.open(hall)  # nobody is asked: the lock is of a process that is gone
    qtbot.waitUntil(lambda: application.studio.path == hall)
    assert application.studio.lock is not None and application.studio.lock.held


def test_saving_over_what_somebody_else_saved_is_asked_about(
    active_window: Any, hall: Path, qtbot: QtBot, answers: list[Any]
) -> None:
    studio = opened(active_window, hall, qtbot)
    project.save_project(Scene().add(Light(id="theirs")), hall)
    studio.run("create.point_light")
    answers.append("Save as a version")
    active_window.application.give("file.save")
    assert not answers and "theirs" in project.load_project(hall).entities
    assert "point" in project.load_project(project.versions(hall)[0]).entities


def test_a_project_cut_in_half_offers_its_newest_whole_state_in_the_window(
    active_window: Any, hall: Path, qtbot: QtBot, answers: list[Any], shot: Any
) -> None:
    project.save_version(Scene().add(Light(id="kept")), hall)
    text = (hall / "scene.json").read_bytes()
    (hall / "scene.json").write_bytes(text[: len(text) // 2])
    answers.append("Open that state")
    studio = opened(active_window, hall, qtbot)
    qtbot.waitUntil(lambda: "kept" in studio.scene.entities)
    assert studio.document.modified


def test_a_newer_project_is_refused_in_one_sentence(active_window: Any, hall: Path, qtbot: QtBot) -> None:
    text = (hall / "scene.json").read_text().replace('"version": 1', '"version": 99')
    (hall / "scene.json").write_text(text)
    application = active_window.application
    before = application.studio.scene
    application.open(hall)
    qtbot.waitUntil(lambda: bool(application.notices.kept))
    assert "newer studio" in application.notices.kept[-1].sentence
    assert application.studio.scene is before and application.studio.path is None


def test_leaving_the_window_lets_the_project_go(application: Any, hall: Path, qtbot: QtBot) -> None:
    window = application.new_window()
    opened(window, hall, qtbot)
    assert (hall / LOCK).exists()
    application.studio.close()
    assert not (hall / LOCK).exists()
