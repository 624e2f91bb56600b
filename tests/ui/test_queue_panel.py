"""The queue's panel and the export's: they show what the queue and the scene say, and their buttons act."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.commands import export
from studio.commands.studio import Studio
from studio.render.queue import Queue
from studio.scene.entities import Camera
from studio.scene.lights import Light
from studio.scene.scene import Scene
from studio.ui.export_fields import TOKENS
from studio.ui.export_panel import ExportPanel
from studio.ui.queue_model import FrameModel, JobModel, duration
from studio.ui.queue_panel import QueuePanel
from tests.ui.desk import PlainDesk

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    scene = Scene(name="yard", camera="cam", frame_end=4.0).add(
        Camera(id="cam", name="Main"), Light(id="l", light="point", unit="cd")
    )
    made = Studio(scene=scene)
    made.run("export.set", name="output", value=str(tmp_path / "out" / "{scene}.####.exr"))
    return made


@pytest.fixture
def desk(studio: Studio) -> Iterator[Any]:
    made = PlainDesk(studio)
    yield made
    made.bridge.close()


@pytest.fixture
def queue_panel(studio: Studio, desk: Any, qtbot: QtBot) -> Iterator[Any]:
    for _ in range(3):
        studio.run("export.add", run=False)
    made = QueuePanel(studio, desk)
    qtbot.addWidget(made)
    made.resize(1000, 300)
    made.show()
    yield made
    made.close_panel()


@pytest.fixture
def export_panel(studio: Studio, desk: Any, qtbot: QtBot) -> Iterator[Any]:
    made = ExportPanel(studio, desk)
    qtbot.addWidget(made)
    made.resize(340, 900)
    made.show()
    yield made
    made.close_panel()


def press(button: Any) -> None:
    QTest.mouseClick(button, LEFT)


def states(panel: Any) -> list[str]:
    return [job.state for job in panel.jobs.jobs]


# --- the queue -------------------------------------------------------------------------------------------------------
def test_the_models_keep_the_rules_of_models(queue_panel: Any, qtmodeltester: Any) -> None:
    qtmodeltester.check(queue_panel.jobs)
    qtmodeltester.check(queue_panel.frames)
    qtmodeltester.check(JobModel())
    qtmodeltester.check(FrameModel())


def test_jobs_and_their_frames_are_shown(queue_panel: Any) -> None:
    assert states(queue_panel) == ["waiting"] * 3
    assert queue_panel.current is not None
    assert [frame.frame for frame in queue_panel.frames.frames] == [1, 2, 3, 4]
    assert queue_panel.run_button.isEnabled()


def test_buttons_act_on_what_is_selected(queue_panel: Any) -> None:
    table, jobs = queue_panel.table, queue_panel.jobs
    table.setCurrentIndex(jobs.index(1, 0))
    second = queue_panel.current.id
    assert queue_panel.pause_button.isEnabled() and not queue_panel.resume_button.isEnabled()
    press(queue_panel.pause_button)
    assert states(queue_panel) == ["waiting", "paused", "waiting"]
    assert queue_panel.resume_button.isEnabled() and not queue_panel.pause_button.isEnabled()
    press(queue_panel.up_button)
    assert jobs.jobs[0].id == second and queue_panel.current.id == second, "the selection goes with the job"
    press(queue_panel.cancel_button)
    assert states(queue_panel) == ["cancelled", "waiting", "waiting"]
    press(queue_panel.remove_button)
    assert states(queue_panel) == ["waiting", "waiting"]


def test_what_others_do_to_the_queue_is_seen(queue_panel: Any, qtbot: QtBot) -> None:
    other = Queue()
    other.cancel([queue_panel.jobs.jobs[0].id])
    qtbot.waitUntil(lambda: states(queue_panel)[0] == "cancelled")
    queue_panel.table.setCurrentIndex(queue_panel.jobs.index(0, 0))
    assert {frame.state for frame in queue_panel.frames.frames} == {"cancelled"}
    queue_panel.tabs.setCurrentIndex(1)
    assert "Cancelled" in queue_panel.log.toPlainText() and "Submitted: 4 frames" in queue_panel.log.toPlainText()


def test_a_job_that_has_nothing_yet_says_so_instead_of_an_empty_flipbook(queue_panel: Any, studio: Studio) -> None:
    press(queue_panel.show_button)
    assert "Nothing of yard is rendered yet" in studio.face.notices[-1][1]


def test_durations_are_short_and_whole() -> None:
    assert [duration(s) for s in (0.4, 65.0, 3723.0)] == ["0:00", "1:05", "1:02:03"]
    assert duration(None) == duration(float("nan")) == "–"


# --- the export ------------------------------------------------------------------------------------------------------
def test_every_token_is_explained() -> None:
    from studio.render.naming import FILE_TOKENS

    assert set(TOKENS) == set(FILE_TOKENS)


def test_names_and_obstacles_follow_the_settings(export_panel: Any, studio: Studio, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: "yard.0001.exr" in export_panel.names.text())
    assert "yard.0004.exr" in export_panel.names.text()
    assert export_panel.add_button.isEnabled()
    export_panel.output.setFocus()
    export_panel.output.clear()
    QTest.keyClicks(export_panel.output, "{nobody}.####.exr")
    QTest.keyClick(export_panel.output, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: any(f.severity == "error" for f in export_panel.findings))
    assert not export_panel.add_button.isEnabled()
    assert studio.document.undo()
    qtbot.waitUntil(lambda: export_panel.add_button.isEnabled())
    assert "yard.0001.exr" in export_panel.names.text()


def test_controls_show_and_set_what_the_scene_says(export_panel: Any, studio: Studio) -> None:
    def control(name: str) -> Any:
        found = export_panel.findChild(object, f"export-{name}")
        assert found is not None, name
        return found

    press(control("denoise"))
    assert export.export_of(studio.scene).denoise
    press(control("aov-depth"))
    assert export.export_of(studio.scene).aovs == ("depth",)
    press(control("this-frame"))
    assert export.export_of(studio.scene).frames == "1"
    studio.run("export.set", name="format", value="jpeg")
    assert control("format").currentData() == "jpeg"
    assert control("quality").isVisible() and not control("compression").isVisible()
    press(control("own-exposure"))
    assert export.export_of(studio.scene).exposure_ev == 0.0
    before = len(studio.document.history[0])
    control("samples").setFocus()
    control("samples").began.emit()
    for value in ("8", "16"):
        from studio.ui.expressions import understand

        control("samples").changed.emit(understand(value))
    control("samples").ended.emit(True)
    assert export.export_of(studio.scene).samples == 16
    assert len(studio.document.history[0]) == before + 1, "a drag is one step"


def test_a_burn_in_is_written_where_it_stands(export_panel: Any, studio: Studio) -> None:
    studio.run("export.set", name="format", value="png8")
    line = export_panel.findChild(object, "export-burn-in-4")
    line.setFocus()
    QTest.keyClicks(line, "{frame}")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert export.export_of(studio.scene).burn_ins == ("", "", "", "", "{frame}", "")


def test_the_disk_is_asked_beside_the_window(export_panel: Any, qtbot: QtBot) -> None:
    export_panel.look()
    assert export_panel._desk.bridge.busy or os.name == "nt"
    qtbot.waitUntil(lambda: not export_panel._desk.bridge.busy)
