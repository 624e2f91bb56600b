"""`studio app` as a process: it starts, takes pictures, runs scripts, says what is wrong, loses no work when killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from studio.assets.gltf.writer import save_gltf
from studio.scene.lights import Light
from studio.scene.project import save_project
from studio.scene.scene import Scene
from studio.ui.recovery import Recovery

TIMEOUT_S = 180


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "MYRIAD_CONFIG": str(tmp_path / "config"), "MYRIAD_DATA": str(tmp_path / "data")}


@pytest.fixture
def lamp(tmp_path: Path) -> Path:
    path = tmp_path / "lamp.glb"
    save_gltf(Scene().add(Light(id="lamp", name="Lamp", light="point")), path)
    return path


def app(*arguments: object, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "studio", "app", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_a_screenshot_shows_the_window_with_the_scene(
    qapp: Any, environment: dict[str, str], lamp: Path, tmp_path: Path
) -> None:
    done = app(lamp, "--screenshot", tmp_path / "s.png", "--size", "900x600", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    picture = QImage(str(tmp_path / "s.png"))
    assert (picture.width(), picture.height()) == (900, 600)
    assert len({picture.pixel(x, y) for x in range(0, 900, 9) for y in range(0, 600, 9)}) > 20


def test_a_screenshot_at_200_percent_has_twice_the_pixels(
    qapp: Any, environment: dict[str, str], lamp: Path, tmp_path: Path
) -> None:
    done = app(
        lamp,
        "--screenshot",
        tmp_path / "s.png",
        "--size",
        "700x450",
        environment={**environment, "QT_SCALE_FACTOR": "2"},
    )
    assert done.returncode == 0, done.stderr
    assert QImage(str(tmp_path / "s.png")).width() == 1400


def test_a_script_has_the_studio_in_it(qapp: Any, environment: dict[str, str], lamp: Path, tmp_path: Path) -> None:
    script = tmp_path / "more.py"
    script.write_text(
        "import json, pathlib\n"
        "studio.run('create.spot_light')\n"
        f"pathlib.Path({str(tmp_path / 'out.json')!r}).write_text(json.dumps(len(studio.scene.entities)))\n"
    )
    done = app(lamp, "--script", script, "--screenshot", tmp_path / "s.png", environment=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text()) == 2


def test_a_script_that_fails_is_a_sentence_with_its_line(
    qapp: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "bad.py"
    script.write_text("x = 1\nx / 0\n")
    done = app("--script", script, "--screenshot", tmp_path / "s.png", environment=environment)
    assert done.returncode == 10
    assert done.stderr == "studio: bad.py, line 2: ZeroDivisionError: division by zero\n"
    assert not (tmp_path / "s.png").exists()


@pytest.mark.parametrize("content", [b"", b"glTF", b"glTF\x02\0\0\0\xff\xff\xff\x7f"])
def test_a_broken_scene_is_a_sentence(qapp: Any, environment: dict[str, str], tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.glb"
    broken.write_bytes(content)
    done = app(broken, "--screenshot", tmp_path / "s.png", environment=environment)
    assert done.returncode == 10 and done.stderr.count("\n") == 1 and "broken.glb" in done.stderr


def test_without_a_display_there_is_a_sentence(environment: dict[str, str]) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("a display is always there on this platform")
    bare = {k: v for k, v in environment.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    none = app(environment=bare)
    assert none.returncode == 11 and "no display" in none.stderr and none.stderr.count("\n") == 1
    silent = app(environment={**bare, "DISPLAY": ":7654"})
    assert silent.returncode == 11 and ":7654" in silent.stderr and "Traceback" not in silent.stderr


def test_a_size_that_is_none_is_a_usage_error(environment: dict[str, str]) -> None:
    assert app("--size", "large", environment=environment).returncode == 2


# --- dying and coming back -------------------------------------------------------------------------------------------
@pytest.fixture
def killed(environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Starts the app with a script that edits and then waits, and kills it once a backup is written."""

    def run(scene: Path | None, root: Path, backups: str, qtbot: QtBot) -> None:
        config = Path(environment["MYRIAD_CONFIG"])
        config.mkdir(parents=True, exist_ok=True)
        (config / "preferences.json").write_text('{"autosave_minutes": 0.1}')
        script = tmp_path / "edit.py"
        script.write_text("studio.run('create.spot_light')\n")
        command = [sys.executable, "-m", "studio", "app", *([str(scene)] if scene else []), "--script", str(script)]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            qtbot.waitUntil(lambda: bool(list(root.glob(backups))), timeout=TIMEOUT_S * 1000)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()

    yield run


def test_work_without_a_project_comes_back_after_a_crash(
    application: Any, answers: list[Any], killed: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    sessions = tmp_path / "data" / "sessions"
    sessions.mkdir(parents=True)
    killed(None, sessions, "*/unsaved.studio/backups/scene.0001.json", qtbot)
    answers.append("Recover")
    recovery = Recovery(application)
    assert recovery.begin()
    assert len(application.studio.scene.entities) == 1
    assert application.studio.document.modified and application.studio.path is None
    qtbot.waitUntil(lambda: not application.bridge.busy)
    recovery.end()


def test_work_on_a_project_comes_back_after_a_crash(
    application: Any, answers: list[Any], killed: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    hall = tmp_path / "hall.studio"
    save_project(Scene().add(Light(id="lamp")), hall)
    killed(hall, hall, "backups/scene.0001.json", qtbot)
    answers.append("Recover")
    recovery = Recovery(application)
    assert recovery.begin()
    assert len(application.studio.scene.entities) == 2 and application.studio.path == hall
    application.studio.document.undo()
    assert len(application.studio.scene.entities) == 1
    qtbot.waitUntil(lambda: not application.bridge.busy)
    recovery.end()
    assert list(Recovery(application).left_behind()) == []


def test_a_session_that_ends_properly_leaves_nothing(application: Any, tmp_path: Path, qtbot: QtBot) -> None:
    recovery = application.recovery = Recovery(application)
    assert not recovery.begin()
    application.studio.run("create.point_light")
    recovery.save()
    qtbot.waitUntil(lambda: not application.bridge.busy)
    assert len(list(recovery.folder.glob("unsaved.studio/backups/*.json"))) == 1
    other = Recovery(application)
    assert list(other.left_behind()) == []  # the session still runs, its lock is held
    recovery.end()
    application.recovery = None
    assert not recovery.folder.exists()


def test_the_same_state_is_not_backed_up_twice(application: Any, qtbot: QtBot) -> None:
    recovery = Recovery(application)
    recovery.begin()
    application.studio.run("create.point_light")
    for _ in range(3):
        recovery.save()
        qtbot.waitUntil(lambda: not application.bridge.busy)
    assert len(list(recovery.folder.glob("unsaved.studio/backups/*.json"))) == 1
    recovery.end()
