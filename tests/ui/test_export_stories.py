"""Stories of an export: asked for in the window, rendered in the background, watched in the queue and the flipbook.

The runner is the real one, a process of its own that outlives the window. Each story leaves a picture where
MYRIAD_SHOTS says.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.assets.demo.shapes import quad, sphere
from studio.commands.export import queue_of_machine
from studio.render import queue_run
from studio.render.queue import Queue
from studio.scene import keying
from studio.scene.entities import Camera, MeshObject
from studio.scene.geometry import make_mesh
from studio.scene.lights import Light
from studio.scene.project import save_project
from studio.scene.scene import Scene
from tests.ui.conftest import SHOT_SIZE

pytestmark = pytest.mark.slow
WAIT_MS = 240_000
LEFT = Qt.MouseButton.LeftButton


def scene_of_five() -> Scene:
    """A lamp that rises over a ball for five frames."""
    ball, floor = sphere(1.0), quad((0.0, -1.0, 0.0), (0.0, 0.0, 12.0), (12.0, 0.0, 0.0))
    meshes = [make_mesh(s.positions, s.triangles, normals=s.normals, uv0=s.uv) for s in (ball, floor)]
    made = Scene(name="yard", camera="cam", frame_end=5.0).add(
        *meshes,
        MeshObject(id="ball", name="Ball", mesh=meshes[0].key),
        MeshObject(id="floor", name="Floor", mesh=meshes[1].key),
        Light(id="key", name="Key", light="sphere", unit="lm", intensity=6000.0, translation=(2.0, 2.5, 2.0)),
        Camera(id="cam", name="Main", translation=(0.0, 0.5, 7.0), focal_length_mm=35.0, exposure_ev=-6.0),
    )
    made = keying.set_key(made, "key", "translation", 1.0, (2.0, 0.5, 2.0))
    return keying.set_key(made, "key", "translation", 5.0, (2.0, 3.0, 2.0))


@pytest.fixture
def runner_ends(own_folders: None, qtbot: QtBot) -> Iterator[None]:
    """No runner outlives its test."""
    yield
    queue = Queue()
    queue.cancel([job.id for job in queue.jobs()])
    qtbot.waitUntil(lambda: not queue.runner_works(), timeout=WAIT_MS)
    for process in queue_run._started:  # the runner's own, or one that found another at work
        process.wait(WAIT_MS / 1000)


@pytest.fixture
def window(application: Any, window_manager: str, runner_ends: None, qtbot: QtBot) -> Any:
    application.studio.show_scene(scene_of_five(), None)
    made = application.new_window()
    made.resize(*SHOT_SIZE)
    qtbot.waitUntil(made.isActiveWindow, timeout=15000)
    return made


def asked(studio: Any, output: Path, **values: Any) -> None:
    wanted = {"output": str(output), "width": 64, "height": 36, "samples": 8, "device": "cpu", **values}
    for name, value in wanted.items():
        studio.run("export.set", name=name, value=value)


def state(number: int = -1) -> str:
    jobs = queue_of_machine().jobs()
    return jobs[number].state if jobs else ""


def sums(folder: Path, kind: str = "*.exr") -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob(kind))}


def test_five_frames_are_exported_watched_and_played(window: Any, qtbot: QtBot, tmp_path: Path, shot: Any) -> None:
    studio = window.application.studio
    asked(studio, tmp_path / "exr" / "{scene}.####.exr")
    export = window.show_panel("export")
    qtbot.waitUntil(lambda: "yard.0005.exr" in export.names.text())
    shot(window, "export-panel")
    QTest.mouseClick(export.add_button, LEFT)
    queue = window.panel("queue")
    assert queue is not None, "the queue comes forward"
    qtbot.waitUntil(lambda: queue.jobs.jobs[-1].state == "done", timeout=WAIT_MS)
    qtbot.waitUntil(lambda: all(frame.state == "done" for frame in queue.frames.frames))
    qtbot.waitUntil(lambda: all(frame.thumbnail for frame in queue.frames.frames), timeout=WAIT_MS)
    shot(window, "queue-done")
    QTest.mouseClick(queue.show_button, LEFT)
    book = window.panel("flipbook")
    qtbot.waitUntil(lambda: len(book.cache.numbers) == 5)
    book.canvas.setFocus()
    QTest.keyClick(book.canvas, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: book.frame == 5)
    QTest.keyClick(book.canvas, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: book.playing and book.frame in (2, 3, 4))
    QTest.keyClick(book.canvas, Qt.Key.Key_Space)
    assert not book.playing and not studio.playing, "the keys are the flipbook's while it has the focus"
    shot(window, "flipbook")
    # a second reader
    import OpenEXR

    means = []
    for number in range(1, 6):
        with OpenEXR.File(str(tmp_path / "exr" / f"yard.{number:04d}.exr"), separate_channels=True) as file:
            means.append(float(np.mean(file.channels()["G"].pixels)))
            assert file.channels()["G"].pixels.shape == (36, 64)
    assert len(set(means)) == 5, "the lamp moves"

    pytest.importorskip("av", reason="the extra [video] is not installed")
    asked(studio, tmp_path / "movie" / "{scene}.mp4", format="h264", burn_ins=["{frame}", "", "", "", "", ""])
    QTest.mouseClick(export.add_button, LEFT)
    qtbot.waitUntil(lambda: len(queue.jobs.jobs) == 2 and queue.jobs.jobs[-1].state == "done", timeout=WAIT_MS)
    queue.table.setCurrentIndex(queue.jobs.index(1, 0))
    QTest.mouseClick(queue.show_button, LEFT)
    qtbot.waitUntil(lambda: book.reel is not None and book.reel.name == "yard.mp4")
    assert book.reel.frames == (1, 2, 3, 4, 5) and book.reel.fps == 24


def test_the_queue_goes_on_when_the_window_is_closed(window: Any, qtbot: QtBot, tmp_path: Path) -> None:
    studio = window.application.studio
    asked(studio, tmp_path / "exr" / "{scene}.####.exr", samples=64)
    studio.run("export.add")
    qtbot.waitUntil(lambda: state() == "rendering", timeout=WAIT_MS)
    window.application.close()
    qtbot.waitUntil(lambda: state() == "done", timeout=WAIT_MS)
    assert len(list((tmp_path / "exr").glob("*.exr"))) == 5


class _App:
    """The app as a process, over a project and with a script."""

    def __init__(self, project: Path, script: str) -> None:
        file = project.with_name("script.py")
        file.write_text(script)
        command = [sys.executable, "-m", "studio", "app", str(project), "--script", str(file)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


def _exporting(output: Path) -> str:
    options = {"output": str(output / "{scene}.####.exr"), "width": 64, "height": 36, "samples": 2000, "device": "cpu"}
    lines = [f"studio.run('export.set', name={name!r}, value={value!r})" for name, value in options.items()]
    return "\n".join([*lines, "studio.run('export.add')"])


def test_killing_the_app_and_the_runner_in_the_middle_costs_nothing(
    runner_ends: None, qtbot: QtBot, tmp_path: Path
) -> None:
    project, queue = tmp_path / "yard.studio", Queue()
    save_project(scene_of_five(), project)
    app = _App(project, _exporting(tmp_path / "straight"))
    qtbot.waitUntil(lambda: state() == "done", timeout=WAIT_MS)
    app.kill()
    app = _App(project, _exporting(tmp_path / "killed"))
    qtbot.waitUntil(lambda: _part_way(queue), timeout=WAIT_MS)
    app.kill()
    kill_with_children(_runner_pid())
    qtbot.waitUntil(lambda: not queue.runner_works(), timeout=WAIT_MS)
    assert not all(frame.state == "done" for frame in queue.frames(queue.jobs()[-1].id))
    app = _App(project, "studio.run('queue.run')")
    qtbot.waitUntil(lambda: state() == "done", timeout=WAIT_MS)
    app.kill()
    straight, killed = sums(tmp_path / "straight"), sums(tmp_path / "killed")
    assert len(straight) == 5 and straight == killed


def _part_way(queue: Queue) -> bool:
    jobs = queue.jobs()
    frames = queue.frames(jobs[-1].id) if jobs else ()
    return len(jobs) == 2 and any(f.state == "done" for f in frames) and any(f.state == "rendering" for f in frames)


def _runner_pid() -> int:
    """The process that works at the queue of this test, found by its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                mine = os.environ["MYRIAD_DATA"].encode() in (entry / "environ").read_bytes()
            except OSError:
                continue
            if mine and b"queue" in words and b"run" in words:
                found.append(int(entry.name))
    assert len(found) == 1, found
    return found[0]


def kill_with_children(pid: int) -> None:
    """End a process and its children at once, as a power cut would."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(word) for word in children.read_text().split()] if children.exists() else []
    for one in (pid, *below):
        os.kill(one, signal.SIGKILL)
