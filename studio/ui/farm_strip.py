"""The strip of a job's frames, and the way from it: into the flipbook, to the folder, to the log.

What the flipbook plays are the pictures that are here, and previews of the frames that are not; its reel grows while
one looks at it. Of a job that became a movie it plays that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QListView, QMenu

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.farm.seen.states import Detail, FrameState, JobState
from studio.render import reel
from studio.ui import theme
from studio.ui.farm_frames import FRAME, FrameDelegate, FrameModel
from studio.ui.farm_jobs import Key, key_of
from studio.ui.flipbook import Flipbook
from studio.ui.i18n import say, tr
from studio.ui.panel import Desk

Index = QModelIndex | QPersistentModelIndex


class FrameStrip(QListView):
    """See the module. `asked` comes with a frame whose events somebody wants to see."""

    asked = Signal(object)

    def __init__(self, studio: Studio, desk: Desk) -> None:
        super().__init__()
        self._studio, self._desk = studio, desk
        self.frames = FrameModel()
        self._job: JobState | None = None
        self._detail: Detail | None = None
        self._reel_of: Key = ("", "")
        self._cells = FrameDelegate(self)
        self.setObjectName("farm-frames")
        say(self.setAccessibleName, N_("Frames of the job"))
        self.setModel(self.frames)
        self.setItemDelegate(self._cells)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setSpacing(theme.size(2))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.clicked.connect(self.show_frame)
        self.doubleClicked.connect(self.reveal_frame)

    def take(self, job: JobState | None, detail: Detail | None) -> None:
        """Show the frames of a job."""
        before, self._job, self._detail = self._detail, job, detail
        key = key_of(job) if job is not None else ("", "")
        self.frames.take(key, detail.frames if detail is not None else ())
        if detail is not None and key == self._reel_of and (before is None or before.frames != detail.frames):
            self._feed(detail, fresh=False)

    # --- the flipbook ------------------------------------------------------------------------------------------------
    def show_flipbook(self) -> None:
        """Play what there is of the job; it grows while more comes."""
        if self._job is not None and self._detail is not None:
            self._reel_of = key_of(self._job)
            self._feed(self._detail, fresh=True)

    def show_frame(self, index: Index) -> None:
        """Show a frame, or what there is of it, in the flipbook."""
        frame = index.data(FRAME)
        if self._job is None or frame is None or self._detail is None:
            return
        if frame.mark != "here" and frame.preview is None:
            self._desk.status(tr("Nothing of frame {frame} is here yet.", frame=f"{frame.frame:g}"))
            return
        self._reel_of = key_of(self._job)
        self._feed(self._detail, fresh=True, at=frame)

    def _feed(self, detail: Detail, *, fresh: bool, at: FrameState | None = None) -> None:
        if self._job is not None and self._job.movie == "here":
            self._play(Path(self._job.output), detail, fresh=fresh, at=at)
            return
        files: dict[int, Path] = {}
        for frame in detail.frames:
            whole = frame.mark == "here" and frame.path is not None and frame.path.suffix.lower() in reel.STILLS
            path = frame.path if whole else frame.preview
            if path is not None:
                files[round(frame.frame)] = path
        name = self._job.standing.name if self._job is not None else detail.id
        if not files:
            if fresh:
                self._studio.face.notify(tr("Nothing of {name} is rendered yet.", name=name), kind="warning")
            return
        book = self._desk.show_panel("flipbook") if fresh else self._desk.panel("flipbook")
        if not isinstance(book, Flipbook):
            return
        shown = reel.reel_of(name, files, fps=self._studio.scene.fps)
        if fresh:
            book.show_reel(shown, frame=round(at.frame) if at is not None else None)
        else:
            book.grow(shown)

    def _play(self, movie: Path, detail: Detail, *, fresh: bool, at: FrameState | None) -> None:
        """Play a movie, from a frame of the job on: those before its first are a slate's."""
        book = self._desk.show_panel("flipbook") if fresh else self._desk.panel("flipbook")
        if not isinstance(book, Flipbook):
            return
        before = [frame.frame for frame in detail.frames].index(at.frame) if at is not None else -1

        def show(found: reel.Reel) -> None:
            first = len(found.frames) - len(detail.frames) + 1
            book.show_reel(found, frame=first + before if before >= 0 else None)

        self._desk.bridge.run(lambda: reel.open_reel(movie), then=show, failed=self._desk.tell_fault)

    # --- files -------------------------------------------------------------------------------------------------------
    def reveal_frame(self, index: Index) -> None:
        """Show the folder of a frame's file."""
        frame = index.data(FRAME)
        if frame is not None and frame.path is not None:
            self.reveal(frame.path.parent)

    def reveal(self, folder: Path) -> None:
        """Show a folder; one that is not there yet is told."""
        if folder.is_dir():
            self._studio.face.reveal(folder)
        else:
            self._studio.face.notify(tr("{folder} is not there yet.", folder=str(folder)), kind="warning")

    # --- the hand ----------------------------------------------------------------------------------------------------
    def _menu(self, at: QPoint) -> None:
        index = self.indexAt(at)
        frame: FrameState | None = index.data(FRAME) if index.isValid() else None
        if frame is None:
            return
        menu = QMenu(self)
        menu.setObjectName("farm-frame-menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        acts: tuple[tuple[str, str, Callable[[], object], bool], ...] = (
            ("flipbook", N_("Show in flipbook"), lambda: self.show_frame(index), frame.preview is not None),
            ("folder", N_("Open the folder"), lambda: self.reveal_frame(index), frame.path is not None),
            ("copy", N_("Copy the path"), lambda: _copy(frame), frame.mark == "here"),
            ("log", N_("Its events in the log"), lambda: self.asked.emit(frame), True),
        )
        for icon, text, act, on in acts:
            action = menu.addAction(theme.icon(icon), tr(text))
            action.setObjectName(f"farm-frame-menu-{icon}")
            action.setEnabled(on)
            action.triggered.connect(lambda _=False, act=act: act())
        menu.popup(self.viewport().mapToGlobal(at))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return and Space show the frame."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if event.key() in keys and not event.modifiers():
            self.show_frame(self.currentIndex())
        else:
            super().keyPressEvent(event)


def _copy(frame: FrameState) -> None:
    QApplication.clipboard().setText(str(frame.path))
