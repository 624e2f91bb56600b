"""The application: one studio, its windows, and what they share.

It is the one place that stands between the commands and Qt: commands are given through it, faults end in it, windows
follow the studio through it. A fault whose cause is known is a sentence in a notice; one that nobody foresaw is a
sentence too, with the details in the log, and the work goes on.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QEventLoop, QTimer
from PySide6.QtWidgets import QApplication, QMenu

from studio.commands import registry
from studio.commands.preferences import Preferences
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.ui import i18n, menus, theme
from studio.ui.audio_track import AudioTrack
from studio.ui.bridge import Bridge
from studio.ui.cycles import CycleCollector
from studio.ui.dialogs import project_folder
from studio.ui.face import WindowFace
from studio.ui.farm_link import link_of
from studio.ui.i18n import tr
from studio.ui.log import Log
from studio.ui.notices import Notices
from studio.ui.playback import Playback
from studio.ui.stage import Stage

if TYPE_CHECKING:
    from studio.assets.report import LoadReport
    from studio.ui.performance_clock import PerformanceClock
    from studio.ui.recovery import Recovery
    from studio.ui.view import View
    from studio.ui.window import Window


class Application:
    """Everything that is open. Belongs to the thread of Qt."""

    def __init__(self, qt: QApplication, preferences: Preferences) -> None:
        registry.load()
        from studio.ui import commands as _commands  # registers the window's own, after the studio's

        del _commands
        self.qt = qt
        theme.apply(qt, scale=preferences.interface_scale)
        i18n.set_language(preferences.language)
        self._cycles = CycleCollector()
        self.bridge = Bridge()
        self.notices = Notices()
        self.log = Log()
        self.notices.added.connect(lambda notice: self.log.told(notice.sentence, notice.kind))
        self.stage = Stage()
        self.stage.prefer(preferences)
        self.face = WindowFace(self)
        self.studio = Studio(preferences=preferences, face=self.face)
        self.windows: list[Window] = []
        self.opened = ""  # name of the file that a scene without a project came from
        self.arriving = ""  # name of the file whose scene is being taken now
        self.reports: list[tuple[str, LoadReport]] = []
        self.recovery: Recovery | None = None
        self.performance: PerformanceClock | None = None  # while, or since, somebody performed
        self._used: Window | None = None
        self._views: list[View] = []  # the one used last stands last
        self._loading = 0
        self._pending: Update | None = None
        self._when_loaded: list[Callable[[], object]] = []
        self._when_shown: list[Callable[[], object]] = []
        self._quitting = self._telling = False
        self.sound = AudioTrack(self.studio, self.bridge)
        self.playback = Playback(self.studio, waits=self._undrawn, sound=self.sound)
        self.farm = link_of(self.studio, self.bridge)
        self.studio.watch(self._updated)

    # --- windows -----------------------------------------------------------------------------------------------------
    @property
    def window(self) -> Window | None:
        """The window that was used last."""
        return self._used if self._used in self.windows else (self.windows[-1] if self.windows else None)

    def new_window(self, *, show: bool = True, layout: str = "") -> Window:
        """Open a window. The first takes the layout of the last time, or the one of this name."""
        from studio.ui.window import Window

        first = not self.windows
        window = Window(self, main=first)
        self.windows.append(window)
        preferences = self.studio.preferences
        if layout:
            window.take_layout(preferences.layouts.get(layout, ""))
        elif first and preferences.window:
            window.take_geometry(preferences.window)
        else:
            window.default_layout()
        if show:
            window.show()
        return window

    def window_used(self, window: Window) -> None:
        """A window became the active one."""
        self._used = window

    def may_close(self, window: Window) -> bool:
        """Whether a window may close: the last one takes the scene with it."""
        from studio.commands.file import may_leave

        if self._quitting or len(self.windows) > 1 or not self.studio.preferences.confirm_quit:
            return True
        leave = [False]
        self.guarded(lambda: leave.__setitem__(0, may_leave(self.studio)))
        return leave[0]

    def window_closes(self, window: Window) -> None:
        """A window is about to go."""
        if window.main or len(self.windows) == 1:
            self.studio.prefer(window=window.geometry_text())
        if window in self.windows:
            self.windows.remove(window)
        if not self.windows:
            self.qt.quit()

    def quit(self) -> None:
        """Close every window, without asking."""
        self._quitting = True
        for window in tuple(self.windows):
            window.close()
        self.qt.quit()

    # --- viewports ---------------------------------------------------------------------------------------------------
    @property
    def viewport(self) -> View | None:
        """The viewport that was used last."""
        return self._views[-1] if self._views else None

    def use_viewport(self, view: View) -> None:
        """Make a viewport the one that commands act on."""
        if self._views and self._views[-1] is view:
            return
        if view in self._views:
            self._views.remove(view)
        self._views.append(view)

    def forget_viewport(self, view: View) -> None:
        """A viewport is about to go."""
        if view in self._views:
            self._views.remove(view)

    def _undrawn(self) -> bool:
        """Whether a viewport that is seen has not drawn yet what is true now."""
        return any(view.moved and view.seen() for view in self._views)

    # --- commands and faults -----------------------------------------------------------------------------------------
    def give(self, id_: str) -> None:
        """Give a command from the interface."""
        command = registry.load().get(id_)
        if command is not None and self.studio.enabled(command):
            last = self.studio.calls[-1] if self.studio.calls else None
            self.guarded(lambda: self.studio.attempt(id_))
            if self.studio.calls and self.studio.calls[-1] is not last:
                self.log.told(self.studio.calls[-1].as_python(), "command")
            self._follow(Update())

    def guarded(self, call: Callable[[], object]) -> None:
        """Do something for whoever sits before the window; a fault becomes a notice."""
        try:
            call()
        except Exception as fault:  # told and, if nobody foresaw it, kept in the log; the work goes on
            self.tell_fault(fault)

    def tell_fault(self, fault: BaseException) -> None:
        """Tell a fault: as its sentence, or as one that nobody foresaw."""
        if isinstance(fault, StudioError):
            self.face.notify(str(fault), kind="error")
        else:
            self.unforeseen(fault)

    def unforeseen(self, fault: BaseException) -> None:
        """The one place that a fault without a sentence of its own ends in."""
        self.log.error("".join(traceback.format_exception(fault)))
        if self._telling:  # telling it failed; the log has both
            return
        self._telling = True
        sentence = tr("Something unforeseen went wrong ({what}); your scene is kept.", what=type(fault).__name__)
        try:
            self.notices.add(f"{sentence} {tr('The log has the details.')}", kind="error")
        finally:
            self._telling = False

    def excepthook(self, kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
        """What Python calls for an exception that left a slot or an event."""
        if issubclass(kind, KeyboardInterrupt):
            self.quit()
        else:
            self.tell_fault(fault)

    # --- following the studio ----------------------------------------------------------------------------------------
    def _updated(self, update: Update) -> None:
        if "preferences" in update.parts:
            self._prefer(self.studio.preferences)
        if "path" in update.parts:
            self.opened = self.arriving
        if "capture" in update.parts and self.performance is None:
            from studio.ui.performance_clock import clock_of

            self.performance = clock_of(self.studio, self.bridge)
        if update.change is not None or update.parts != {"performance"}:  # sixty a second, of which no menu tells
            self._follow(update)

    def _follow(self, update: Update) -> None:
        """Have the windows say what is true, once for many changes."""
        if self._pending is None:
            QTimer.singleShot(0, self.qt, self._tell_windows)
        if self._pending is None or update.change is not None or update.parts != {"frame"}:
            self._pending = update  # a frame that moved says no more than what is told already

    def _tell_windows(self) -> None:
        update, self._pending = self._pending, None
        if update is not None:
            for window in tuple(self.windows):
                window.updated(update)

    def _prefer(self, preferences: Preferences) -> None:
        """Preferences act at once."""
        self.stage.prefer(preferences)
        i18n.set_language(preferences.language)
        if preferences.interface_scale != theme.scale():
            theme.apply(self.qt, scale=preferences.interface_scale)
        for shortcuts in menus.Shortcuts.all_alive():
            shortcuts.refresh()
        if self.recovery is not None:
            self.recovery.prefer(preferences)

    # --- files -------------------------------------------------------------------------------------------------------
    def open(self, path: Path) -> None:
        """Open a scene or a project, as the command does."""
        self.guarded(lambda: self.studio.attempt("file.open", path=str(path)))

    def take_files(self, files: list[Path]) -> None:
        """Files were dropped: a project is opened, everything else is brought into the open scene."""
        from studio.scene.project import is_project

        for file in files:
            if is_project(file):
                self.open(project_folder(file))
            else:
                self.guarded(lambda file=file: self.studio.attempt("file.import", path=str(file)))  # type: ignore[misc]

    def loading(self, change: int, name: str = "") -> None:
        """Something began (+1) or ended (-1) to be read."""
        self._loading += change
        for window in self.windows:
            window.busy(self._loading > 0, tr("Reading {name}…", name=name) if name else "")

        if self._loading == 0:
            calls, self._when_loaded = self._when_loaded, []
            for call in calls:
                QTimer.singleShot(0, self.qt, lambda call=call: self.guarded(call))

    def when_loaded(self, call: Callable[[], object]) -> None:
        """Do something once no file is being read any more, or now."""
        if self.busy:
            self._when_loaded.append(call)
        else:
            self.guarded(call)

    def when_shown(self, call: Callable[[], object]) -> None:
        """Do something once the first viewport has been drawn and the window waits for a hand."""
        self._when_shown.append(call)

    def viewport_drawn(self) -> None:
        """A viewport was drawn."""
        if self.performance is not None:
            self.performance.drawn()
        calls, self._when_shown = self._when_shown, []
        for call in calls:
            QTimer.singleShot(0, self.qt, call)

    @property
    def busy(self) -> bool:
        """Whether a file is being read."""
        return self._loading > 0

    def show_report(self, title: str, report: LoadReport) -> None:
        """Keep what an import told, and say it in a line."""
        self.reports.append((title, report))
        remarks = len(report.mapped) + len(report.dropped) + len(report.warnings)
        text = f"{title}: {report.sentences()[0]}"
        if remarks:
            text += " " + tr("{count} remarks in the import report.", count=remarks)
        self.notices.add(text, kind="warning" if report.warnings or report.dropped else "info")
        self.studio.tell("reports")

    # --- menus -------------------------------------------------------------------------------------------------------
    def extras(self, menu: str, window: Window) -> Callable[[QMenu], None] | None:
        """What a menu holds besides commands."""
        from studio.ui import extra_menus

        return extra_menus.of(menu, self, window)

    # --- waiting and leaving -----------------------------------------------------------------------------------------
    def settle(self) -> None:
        """Let everything that is under way come to its end: files read, windows painted, views averaged out."""
        while self.busy or self.bridge.busy:
            self.qt.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 50)
        self.qt.processEvents()
        for view in self._views:
            view.settle()
            view.on_redraw()
        self.qt.processEvents()

    def close(self) -> None:
        """Give everything back. No window is open any more."""
        for window in tuple(self.windows):
            self._quitting = True
            window.close()
        if self.recovery is not None:
            self.recovery.end()
        if self.performance is not None:
            self.performance.close()
        self.playback.close()
        self.sound.close()
        self.farm.close()
        self.bridge.close()
        self.studio.close()
        self.qt.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)  # widgets go before the GL device does
        self.stage.release()
        self._cycles.close()
        sys.excepthook = sys.__excepthook__
