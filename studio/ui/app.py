"""Starting the window: in which order, with what, and how it ends.

Whether there is a display is looked at before Qt aborts over it. What Qt itself says goes to the log; what it calls
fatal, such as a display that does not answer, becomes a sentence and exit code 11.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMessageLogContext, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from studio.commands.preferences import load_preferences
from studio.errors import BadAsset, CannotWrite, StudioError, Unsupported
from studio.ui import gl
from studio.ui.application import Application

_SCREENLESS = ("offscreen", "minimal", "vnc", "linuxfb", "eglfs")


Say = Callable[[str, bool], None]  # what Qt said, and whether it complained

_early: list[str] = []  # complaints of Qt before there was a log


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for. `size` is of the window, in logical pixels."""

    scene: str = ""
    script: str = ""
    screenshot: str = ""
    size: tuple[int, int] | None = None
    layout: str = ""


def check_display() -> None:
    """`Unsupported`, in a sentence, when there is no display to open a window on."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM", "").split(":")[0] in _SCREENLESS:
        return
    if os.environ.get("WAYLAND_DISPLAY"):
        return
    if not os.environ.get("DISPLAY"):
        raise Unsupported(
            "there is no display to open a window on; start the studio in a desktop session or by xvfb-run"
        )


def start(options: Options) -> tuple[QApplication, Application]:
    """Qt's application and ours, with nothing shown yet."""
    check_display()
    gl.prepare()
    said: list[Say] = []
    qInstallMessageHandler(lambda kind, context, text: _qt_said(kind, context, text, said))
    QApplication.setApplicationName("Myriad")
    QApplication.setApplicationDisplayName("")
    QApplication.setDesktopFileName("myriad-studio")
    qt = QApplication([sys.argv[0]])
    qt.setQuitOnLastWindowClosed(False)
    application = Application(qt, load_preferences())
    said.append(lambda text, bad: application.log.error(text) if bad else application.log.info(text))
    for text in _early:
        said[-1](f"Qt: {text}", True)
    sys.excepthook = application.excepthook
    return qt, application


def _qt_said(kind: QtMsgType, context: QMessageLogContext, text: str, said: list[Say]) -> None:
    line = " ".join(text.split())
    bad = kind in (QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg)
    if kind == QtMsgType.QtFatalMsg:  # Qt aborts when this returns
        reason = _early[0] if _early and not said else line
        sys.stderr.write(f"studio: the window cannot be shown: {reason}; check the display (DISPLAY)\n")
        sys.stderr.flush()
        os._exit(Unsupported.code)
    if said:
        said[-1](f"Qt: {line}", bad)
    elif bad:
        _early.append(line)


def run(options: Options) -> int:
    """Open the studio and stay until it is left; gives the exit code."""
    if options.script and not Path(options.script).is_file():
        raise BadAsset(f"{options.script}: there is no such script; check the path.")
    qt, application = start(options)
    try:
        if options.screenshot:
            return _screenshot(application, options)
        return _interactive(qt, application, options)
    finally:
        application.close()
        qInstallMessageHandler(None)


def _interactive(qt: QApplication, application: Application, options: Options) -> int:
    from studio.commands.farm import tell_left
    from studio.ui.recovery import Recovery

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C in the shell must not wait for an event of the window
    window = application.new_window(layout=options.layout)
    if options.size:
        window.resize(*options.size)
    application.recovery = Recovery(application)
    recovered = application.recovery.begin()
    if options.scene and not recovered:
        application.open(Path(options.scene))
    if options.script:
        application.when_loaded(lambda: run_script(application, Path(options.script)))
    tell_ready = os.environ.get("MYRIAD_READY")
    if tell_ready:
        application.when_shown(lambda: Path(tell_ready).touch())
    with contextlib.ExitStack() as stay:
        QTimer.singleShot(_SETTLED_MS, lambda: _tell_queue(application, stay))
        QTimer.singleShot(_SETTLED_MS, lambda: application.guarded(lambda: tell_left(application.studio)))
        return int(qt.exec())


_SETTLED_MS = 3000  # after the start, whose time belongs to the artist


def _tell_queue(application: Application, stay: contextlib.ExitStack) -> None:
    """Let the queue's runner know, for as long as the window is there, that an artist works at this machine too."""
    from studio.commands.export import queue_of_machine
    from studio.render.queue_run import at_work

    try:
        stay.enter_context(at_work(queue_of_machine()))
    except StudioError as fault:
        application.studio.face.notify(str(fault), kind="warning")


def _screenshot(application: Application, options: Options) -> int:
    """Show the scene in a window, wait until it is drawn and still, and write what the window shows."""
    window = application.new_window(layout=options.layout or _DEFAULT)
    window.resize(*(options.size or (1440, 900)))
    window.default_layout()
    if options.scene:
        _read(application, Path(options.scene))
    if options.script:
        run_script(application, Path(options.script))
    application.settle()
    if not window.grab().save(options.screenshot):
        raise CannotWrite(f"{options.screenshot} could not be written; check the folder and that it ends in .png.")
    return 0


_DEFAULT = "\0"  # no layout has this name


def _read(application: Application, path: Path) -> None:
    """Take a scene here and now; whoever asked for a picture of it wants its faults, not a window without it."""
    from studio.assets.load import load_scene
    from studio.scene.project import is_project

    scene, _ = load_scene(path)
    application.arriving = path.stem
    application.studio.show_scene(scene, path if is_project(path) else None)
    application.arriving = ""


def run_script(application: Application, path: Path) -> None:
    """Run a Python file with the studio in it as `studio`. Its faults are `BadAsset`, naming the line."""
    source = path.read_text(encoding="utf-8")
    try:
        exec(
            compile(source, str(path), "exec"),
            {"__name__": "__main__", "__file__": str(path), "studio": application.studio},
        )
    except StudioError:
        raise
    except Exception as fault:
        line = _line_of(fault, path)
        raise BadAsset(f"{path.name}, line {line}: {type(fault).__name__}: {fault}") from fault


def _line_of(fault: Exception, path: Path) -> int:
    if isinstance(fault, SyntaxError):
        return fault.lineno or 0
    line, trace = 0, fault.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
