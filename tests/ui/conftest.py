"""What tests of the window share: a display with a window manager, one application of Qt, and a studio in it.

The window is tested as it is used: on an X server (Xvfb, started by pytest-xvfb) with OpenGL held at 4.1, under a
window manager where there is one, with preferences and data in a folder of the test. Any warning of Qt fails a test.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["MESA_GL_VERSION_OVERRIDE"] = "4.1"
os.environ["MESA_GLSL_VERSION_OVERRIDE"] = "410"

if sys.platform.startswith("linux") and not shutil.which("Xvfb") and not os.environ.get("DISPLAY"):
    pytest.skip("needs a display: install xvfb, or run in a desktop session", allow_module_level=True)

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from studio.commands.preferences import Preferences
from studio.ui import gl

gl.prepare()  # before there is an application
for _waiting in (QtBot.waitUntil, QtBot.waitSignal, QtBot.waitSignals, QtBot.waitExposed, QtBot.waitActive):
    _waiting.__kwdefaults__["timeout"] = (
        60_000  # two windows at once on a slow machine; nothing waits longer than it must
    )
SHOT_SIZE = (1440, 900)


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    return ["studio"]


@pytest.fixture(scope="session")
def window_manager(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """openbox, for as long as the tests run; skips where it is not installed.

    A window that is shown while the manager starts is sometimes never mapped, so it says when it has started.
    """
    if not shutil.which("openbox"):
        pytest.skip("needs a window manager: install openbox")
    started = tmp_path_factory.mktemp("openbox") / "started"
    process = subprocess.Popen(
        ["openbox", "--sm-disable", "--startup", shlex.join(["touch", str(started)])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while not started.exists():
        assert process.poll() is None, "the window manager did not start"
        assert time.monotonic() < until, "the window manager takes over a minute to start"
        time.sleep(0.01)
    yield "openbox"
    process.terminate()
    process.wait(10)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Preferences and data of the test alone."""
    monkeypatch.setenv("MYRIAD_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def english(qapp: QApplication) -> Iterator[None]:
    """English at the usual scale, before and after: both are of the process, whichever window chose others."""
    _english(qapp)
    yield
    _english(qapp)


def _english(qapp: QApplication) -> None:
    from studio.ui import i18n, theme

    i18n.set_language("en")
    if theme.scale() != 1.0:
        theme.apply(qapp, scale=1.0)


@pytest.fixture(autouse=True)
def no_runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue's runner is a process that outlives the window: only tests that see to its end (`runner_ends`) start
    it."""
    if "runner_ends" not in request.fixturenames:
        from studio.render import queue_run

        monkeypatch.setattr(queue_run, "ensure_runner", lambda path=None: None)


@pytest.fixture
def application(qapp: QApplication, qtbot: QtBot) -> Iterator[Any]:
    """A studio with no window yet; everything of it is gone afterwards, its threads included."""
    from studio.ui.application import Application

    made = Application(qapp, Preferences(language="en"))
    yield made
    made.close()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    left = [w for w in QApplication.topLevelWidgets() if w.isVisible()]
    assert left == [], f"windows are left open: {left}"
    threads = [t.name for t in threading.enumerate() if t.name.startswith("studio-window")]
    assert threads == [], "threads of the bridge are left"


@pytest.fixture
def window(application: Any, qtbot: QtBot) -> Any:
    """A window with the default layout, shown and drawn."""
    made = application.new_window()
    made.resize(*SHOT_SIZE)
    with qtbot.waitExposed(made):
        pass  # shown above
    qtbot.waitUntil(lambda: bool(made.views) and made.views[0].size != (1, 1))
    return made


@pytest.fixture
def active_window(window_manager: str, window: Any, qtbot: QtBot) -> Any:
    """The window, active under a window manager, so that it gets keys."""

    def active() -> bool:
        if not window.isActiveWindow():  # a manager may pass over a request that comes too soon after the window
            window.raise_()
            window.activateWindow()
        return bool(window.isActiveWindow())

    qtbot.waitUntil(active)
    return window


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the dialogs will answer, in their order; a question that nobody foresaw fails the test."""
    from studio.ui import dialogs

    given: list[Any] = []

    def answer(*asked: Any, **_: Any) -> Any:
        assert given, f"an unexpected question: {asked[1:]}"
        return given.pop(0)

    for name in ("ask", "ask_choice", "ask_open", "ask_save", "ask_text"):
        monkeypatch.setattr(dialogs, name, answer)
    return given


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[[QWidget, str], None]:
    """Keep a picture of a window, to be looked at: in MYRIAD_SHOTS, when that is set."""

    def keep(widget: QWidget, name: str) -> None:
        folder = os.environ.get("MYRIAD_SHOTS")
        picture = widget.grab()
        assert not picture.isNull()
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            picture.save(str(Path(folder) / f"{name}.png"))

    return keep
