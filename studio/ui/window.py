"""A window: panels docked around viewports, a menu bar, a tool bar, a status bar. Several may stand over one studio.

It is the desk of the panels in it (`studio.ui.panel.Desk`) and follows the studio; where panels stand is `docking`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QMenu, QProgressBar, QSizePolicy, QToolBar, QWidget

from studio.commands import registry
from studio.scene.entities import MeshObject
from studio.scene.timecode import timecode
from studio.ui import menus, theme
from studio.ui import panel as panel_table
from studio.ui.docking import DockingWindow, kind_of
from studio.ui.farm_indicator import FarmIndicator
from studio.ui.i18n import say, tr, translated
from studio.ui.light_model import lamps
from studio.ui.menus import CommandAction, CommandMenu
from studio.ui.notices import NoticeStack

if TYPE_CHECKING:
    from studio.assets.report import LoadReport
    from studio.commands.studio import Update
    from studio.ui.application import Application
    from studio.ui.audio_track import AudioTrack
    from studio.ui.bridge import Bridge
    from studio.ui.panel import Desk
    from studio.ui.playback import Playback
    from studio.ui.stage import Stage
    from studio.ui.view import View

BAR = (
    "file.new",
    "file.open",
    "file.import",
    "file.save",
    "",
    "edit.undo",
    "edit.redo",
    "",
    "create.point_light",
    "create.spot_light",
    "create.rectangle_light",
    "create.distant_light",
    "create.dome_light",
    "create.camera",
    "",
    "lights.mute",
    "lights.solo",
)


class Window(DockingWindow):
    """One window; the desk of the panels in it."""

    def __init__(self, application: Application, *, main: bool = True) -> None:
        panel_table.load()  # panels bring commands of their own
        super().__init__(application, main=main)
        self.setObjectName("window" if main else "window.second")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAcceptDrops(True)
        self._actions: list[CommandAction] = []
        self._make_menus()
        self._make_bar()
        self._make_status()
        self.shortcuts = menus.Shortcuts(application.studio, application.give, self)
        self.notices = NoticeStack(application.notices, self)
        translated(self.retitle)
        theme.signals().changed.connect(self._rescale)
        self._rescale()

    # --- building ----------------------------------------------------------------------------------------------------
    def _make_menus(self) -> None:
        bar = self.menuBar()
        bar.setObjectName("menubar")
        self._menus: list[CommandMenu] = []
        for name in menus.top_menus():
            menu = CommandMenu(
                name, self.application.studio, self.application.give, bar, self.application.extras(name, self)
            )
            self._menus.append(menu)
            bar.addMenu(menu)
        translated(self._title_menus)

    def _title_menus(self) -> None:
        taken: set[str] = set()
        for menu in self._menus:
            menu.setTitle(menus.with_mnemonic(menu.path, taken))

    def _make_bar(self) -> None:
        bar = self._bar = QToolBar(self)
        bar.setObjectName("toolbar")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        commands = registry.load()
        for id_ in BAR:
            if not id_:
                bar.addSeparator()
            elif id_ in commands:
                action = CommandAction(commands[id_], self.application.give, self)
                self._actions.append(action)
                bar.addAction(action)
                button = bar.widgetForAction(action)
                button.setObjectName(f"bar.{id_}")
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.addToolBar(bar)
        say(bar.setWindowTitle, "Tool bar")

    def _make_status(self) -> None:
        bar = self.statusBar()
        bar.setObjectName("statusbar")
        bar.setSizeGripEnabled(False)
        self._status = {name: QLabel(bar) for name in ("hint", "selected", "counts", "frame")}
        for name, label in self._status.items():
            label.setObjectName(f"status.{name}")
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setContentsMargins(theme.size(6), 0, theme.size(6), 0)
        self._status["hint"].setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._busy = QProgressBar(bar)
        self._busy.setObjectName("status.busy")
        self._busy.setRange(0, 0)
        self._busy.setTextVisible(False)
        self._busy.hide()
        bar.addWidget(self._status["hint"], 1)
        bar.addPermanentWidget(self._busy)
        self.farm = FarmIndicator(self.application.farm, lambda: self.show_panel("farm"), bar)
        bar.addPermanentWidget(self.farm)
        for name in ("selected", "counts", "frame"):
            bar.addPermanentWidget(self._status[name])

    def _rescale(self) -> None:
        self._bar.setIconSize(QSize(theme.size(18), theme.size(18)))
        self._busy.setFixedSize(theme.size(80), theme.size(10))

    @property
    def desk(self) -> Desk:
        """The window as its panels see it."""
        return self

    # --- Desk --------------------------------------------------------------------------------------------------------
    @property
    def bridge(self) -> Bridge:
        """Threads."""
        return self.application.bridge

    @property
    def stage(self) -> Stage:
        """The GL device, the renderer, the tools' settings."""
        return self.application.stage

    @property
    def playback(self) -> Playback:
        """What moves the frame while the studio plays."""
        return self.application.playback

    @property
    def sound(self) -> AudioTrack:
        """The sound of the scene."""
        return self.application.sound

    def give(self, id_: str) -> None:
        """Give a command from the interface."""
        self.application.give(id_)

    def use_viewport(self, view: View) -> None:
        """Make a viewport the one that commands act on."""
        self.application.use_viewport(view)

    def forget_viewport(self, view: View) -> None:
        """A viewport is about to go."""
        self.application.forget_viewport(view)

    def tell_fault(self, fault: Exception) -> None:
        """Tell a fault that has nowhere to be raised to."""
        self.application.tell_fault(fault)

    def viewport_drawn(self) -> None:
        """A viewport was drawn."""
        self.application.viewport_drawn()

    def viewport(self) -> View | None:
        """The viewport that was used last."""
        return self.application.viewport

    def context_menu(self, place: str, parent: QWidget) -> QMenu:
        """A menu of the commands that apply in a place."""
        return menus.context_menu(place, self.application.studio, self.application.give, parent)

    def reports(self) -> Sequence[tuple[str, LoadReport]]:
        """What imports of this session told, the oldest first."""
        return tuple(self.application.reports)

    def status(self, text: str) -> None:
        """A line in the status bar."""
        self._status["hint"].setText(text)

    # --- following ---------------------------------------------------------------------------------------------------
    def updated(self, update: Update) -> None:
        """Something changed; called once for all changes of a turn of the event loop."""
        if only_frame(update):
            self._tell_frame()
        else:
            self.retitle()

    def retitle(self) -> None:
        """Say what is true now in the title, on the bars and in the status bar."""
        studio = self.application.studio
        name = studio.path.stem if studio.path else self.application.opened or tr("Untitled")
        self.setWindowTitle(f"{name}[*] – Myriad")
        self.setWindowModified(studio.document.modified)
        menus.refresh_all(self._actions, studio)
        chosen = studio.selection
        self._status["selected"].setText(_selected(studio.scene.get(chosen[0]).name, len(chosen)) if chosen else "")
        entities = studio.scene.entities.values()
        objects = sum(isinstance(e, MeshObject) for e in entities)
        self._status["counts"].setText(
            tr("Lights: {lights}, objects: {objects}", lights=len(lamps(studio.scene)), objects=objects)
        )
        self._tell_frame()
        for id_ in self._docks:
            refresh = getattr(self.holder(id_).content, "refresh", None)
            if refresh is not None and kind_of(id_) == "viewport":
                refresh()

    def _tell_frame(self) -> None:
        studio = self.application.studio
        told = timecode(studio.frame, studio.scene.fps) if studio.preferences.timecode else f"{studio.frame:g}"
        self._status["frame"].setText(tr("Frame {frame}", frame=told))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.views and self.focusWidget() is None:
            QTimer.singleShot(0, self, self._focus_viewport)

    def _focus_viewport(self) -> None:
        content = self.panel("viewport")
        if content is not None and content.isVisible():
            content.setFocus(Qt.FocusReason.OtherFocusReason)

    def busy(self, on: bool, what: str = "") -> None:
        """Show that something is under way."""
        self._busy.setVisible(on)
        self.status(what if on else "")

    # --- files dropped -----------------------------------------------------------------------------------------------
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        files = dropped(event)
        if files:
            event.acceptProposedAction()
            self.application.take_files(files)

    # --- closing -----------------------------------------------------------------------------------------------------
    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.application.may_close(self):
            event.ignore()
            return
        self.application.window_closes(self)
        self._remove_all()
        self.docks.deleteLater()
        event.accept()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.ActivationChange and self.isActiveWindow():
            self.application.window_used(self)
        super().changeEvent(event)


def only_frame(update: Update) -> bool:
    """Whether nothing but the frame moved, as it does many times a second while the studio plays."""
    return update.change is None and update.parts == {"frame"}


def _selected(name: str, count: int) -> str:
    return name if count == 1 else tr("{count} selected", count=count)


def dropped(event: QDragEnterEvent | QDropEvent) -> list[Path]:
    """The files of a drop."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
