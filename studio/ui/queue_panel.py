"""The queue panel: what this machine renders in the background, and what became of it.

The queue is a file that other programs change too (the runner, the command line), so the panel asks it for its
revision a few times a second and reads only when that moved. Nothing here renders; closing the window stops nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QListView,
    QMenu,
    QPlainTextEdit,
    QSplitter,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTabWidget,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from studio.commands import export
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.render import reel
from studio.render.queue import FrameState, JobState
from studio.ui import bars, theme
from studio.ui.flipbook import Flipbook
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel
from studio.ui.queue_model import JOB, PROGRESS, SHARE, FrameModel, JobModel, state_text
from studio.ui.table_choice import chosen_in, current_in

POLL_MS = 400


@panel("queue", N_("Queue"), "bottom", "queue", default=False)
class QueuePanel(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("queue")
        self._studio, self._desk = studio, desk
        self.jobs, self.frames = JobModel(), FrameModel()
        self._revision = -1
        self._told_fault = ""
        self._reel_of: int | None = None  # the job that the flipbook shows
        self._states: dict[int, str] = {}
        self._make()
        self._forget = studio.watch(self._heard)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self.poll)
        translated(self._relabel)
        self.poll()
        self._timer.start()

    def close_panel(self) -> None:
        """Stop asking."""
        self._forget()
        self._timer.stop()

    # --- building ----------------------------------------------------------------------------------------------------
    def _make(self) -> None:
        top = bars.bar()
        self.run_button = bars.button("queue-run", "play", N_("Start"), self._run, text=True)
        self.pause_button = bars.button("queue-pause", "pause", N_("Pause"), lambda: self._do("queue.pause"))
        self.resume_button = bars.button("queue-resume", "play", N_("Go on"), lambda: self._do("queue.resume"))
        self.up_button = bars.button("queue-up", "up", N_("Render earlier"), lambda: self._move(-1))
        self.down_button = bars.button("queue-down", "down", N_("Render later"), lambda: self._move(1))
        self.retry_button = bars.button("queue-retry", "reset", N_("Again"), lambda: self._do("queue.retry"))
        self.cancel_button = bars.button("queue-cancel", "stop", N_("Cancel"), lambda: self._do("queue.cancel"))
        self.remove_button = bars.button("queue-remove", "delete", N_("Remove"), lambda: self._do("queue.remove"))
        self.show_button = bars.button("queue-flipbook", "flipbook", N_("Show in flipbook"), self.show_flipbook)
        self.folder_button = bars.button("queue-folder", "folder", N_("Open the folder"), self.open_folder)
        self.state = QLabel()
        self.state.setObjectName("queue-state")
        self.state.setProperty("role", "dim")
        for widget in (self.run_button, self.pause_button, self.resume_button, self.up_button, self.down_button):
            top.addWidget(widget)
        for widget in (self.retry_button, self.cancel_button, self.remove_button):
            top.addWidget(widget)
        top.addStretch(1)
        top.addWidget(self.state)
        for widget in (self.show_button, self.folder_button):
            top.addWidget(widget)

        self.table = QTreeView()
        self.table.setObjectName("queue-jobs")
        say(self.table.setAccessibleName, N_("Jobs"))
        self.table.setModel(self.jobs)
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setAlternatingRowColors(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setItemDelegateForColumn(PROGRESS, ShareDelegate(self.table))
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._menu)
        header = self.table.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column, width in enumerate((150, 110, 90, 110, 70, 70)):
            self.table.setColumnWidth(column, theme.size(width))
        header.setStretchLastSection(True)
        self.table.selectionModel().selectionChanged.connect(lambda: self._chosen())

        self.strip = QListView()
        self.strip.setObjectName("queue-frames")
        say(self.strip.setAccessibleName, N_("Frames of the job"))
        self.strip.setModel(self.frames)
        self.strip.setViewMode(QListView.ViewMode.IconMode)
        self.strip.setResizeMode(QListView.ResizeMode.Adjust)
        self.strip.setMovement(QListView.Movement.Static)
        self.strip.setUniformItemSizes(True)
        self.strip.setIconSize(QSize(theme.size(96), theme.size(54)))
        self.strip.setGridSize(QSize(theme.size(112), theme.size(80)))
        self.strip.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.strip.activated.connect(self._show_frame)
        self.log = QPlainTextEdit()
        self.log.setObjectName("queue-log")
        self.log.setReadOnly(True)
        self.log.setFont(theme.monospace())
        self.log.setMaximumBlockCount(5000)
        say(self.log.setAccessibleName, N_("Log of the job"))
        self.tabs = QTabWidget()
        self.tabs.setObjectName("queue-tabs")
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.addTab(self.strip, "")
        self.tabs.addTab(self.log, "")
        self.tabs.currentChanged.connect(lambda _: self._read_job())
        halves = QSplitter(Qt.Orientation.Horizontal)
        halves.setObjectName("queue-halves")
        halves.addWidget(self.table)
        halves.addWidget(self.tabs)
        halves.setSizes([600, 500])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(halves, 1)

    def _relabel(self) -> None:
        self.tabs.setTabText(0, tr("Frames"))
        self.tabs.setTabText(1, tr("Log"))
        self._tell()

    # --- following the queue -----------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if "queue" in update.parts:
            self.poll()

    def poll(self) -> None:
        """Read the queue if it changed. A queue that cannot be read is told once."""
        try:
            queue = export.queue_of_machine()
            revision = queue.revision()
            if revision == self._revision:
                return
            self._revision = revision
            self._take(queue.jobs())
            self._read_job()
            self._told_fault = ""
        except StudioError as fault:
            if str(fault) != self._told_fault:
                self._told_fault = str(fault)
                self._studio.face.notify(str(fault), kind="error")

    def _take(self, jobs: tuple[JobState, ...]) -> None:
        chosen = self.current
        self.jobs.take(jobs)
        for job in jobs:
            before = self._states.get(job.id)
            if before is not None and before != job.state:
                self._announce(job)
        self._states = {job.id: job.state for job in jobs}
        if chosen is None and jobs:
            self.table.setCurrentIndex(self.jobs.index(len(jobs) - 1, 0))
        self._tell()

    def _announce(self, job: JobState) -> None:
        """Say what became of a job while the artist was elsewhere."""
        if job.state == "done":
            self._studio.face.notify(tr("{name} is rendered: {count} frames.", name=job.name, count=job.done))
        elif job.state == "failed":
            self._studio.face.notify(job.message or tr("{name} failed.", name=job.name), kind="error")
        elif job.state == "paused" and job.message:
            self._studio.face.notify(job.message, kind="warning")

    @property
    def current(self) -> JobState | None:
        """The job whose frames are shown."""
        found: JobState | None = current_in(self.table, JOB)
        return found

    @property
    def chosen(self) -> list[JobState]:
        """The selected jobs."""
        return chosen_in(self.table, JOB)

    def _chosen(self) -> None:
        self._read_job()
        self._tell()

    def _read_job(self) -> None:
        """Show frames, or the log, of the current job."""
        job = self.current
        try:
            queue = export.queue_of_machine()
            frames = queue.frames(job.id) if job is not None else ()
            wanted = job is not None and self.tabs.currentWidget() is self.log
            lines = queue.log(job.id) if job is not None and wanted else ()
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
            return
        self.frames.take(frames)
        if self.tabs.currentWidget() is self.log:
            text = "\n".join(f"{time.strftime('%H:%M:%S', time.localtime(line.time))}  {line.text}" for line in lines)
            if text != self.log.toPlainText():
                bar = self.log.verticalScrollBar()
                at_end = bar.value() >= bar.maximum() - 4
                self.log.setPlainText(text)
                bar.setValue(bar.maximum() if at_end else bar.value())
        if job is not None and job.id == self._reel_of:
            self._feed(job, frames)

    def _tell(self) -> None:
        jobs = self.chosen
        states = {job.state for job in jobs}
        going = states & set(export.GOING_ON)
        self.pause_button.setEnabled(bool(going))
        self.resume_button.setEnabled("paused" in states)
        self.cancel_button.setEnabled(bool(going or "paused" in states))
        self.retry_button.setEnabled(bool(states & {"failed", "cancelled"}) or any(j.failed for j in jobs))
        self.remove_button.setEnabled(bool(jobs) and all(export.over(job) for job in jobs))
        for button in (self.up_button, self.down_button, self.folder_button, self.show_button):
            button.setEnabled(len(jobs) == 1)
        waiting = sum(job.state in export.GOING_ON for job in self.jobs.jobs)
        rendering = next((job for job in self.jobs.jobs if job.state in ("rendering", "encoding")), None)
        self.run_button.setEnabled(waiting > 0)
        if rendering is not None:
            self.state.setText(f"{rendering.name}: {state_text(rendering.state)} {rendering.done} / {rendering.total}")
        else:
            self.state.setText(tr("{count} jobs wait.", count=waiting) if waiting else tr("Nothing waits."))

    # --- doing -------------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        self._studio.attempt("queue.run")

    def _do(self, command: str) -> None:
        ids = tuple(job.id for job in self.chosen)
        if ids:
            self._studio.attempt(command, jobs=ids)

    def _move(self, by: int) -> None:
        job = self.current
        if job is not None:
            place = [j.id for j in self.jobs.jobs].index(job.id) + by
            if 0 <= place < len(self.jobs.jobs):
                self._studio.attempt("queue.move", job=job.id, position=place)

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setObjectName("queue-menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        acts: tuple[tuple[str, str, Callable[[], object]], ...] = (
            ("pause", N_("Pause"), lambda: self._do("queue.pause")),
            ("resume", N_("Go on"), lambda: self._do("queue.resume")),
            ("retry", N_("Again"), lambda: self._do("queue.retry")),
            ("cancel", N_("Cancel"), lambda: self._do("queue.cancel")),
            ("remove", N_("Remove"), lambda: self._do("queue.remove")),
            ("flipbook", N_("Show in flipbook"), self.show_flipbook),
            ("folder", N_("Open the folder"), self.open_folder),
        )
        buttons = {b.objectName().removeprefix("queue-"): b for b in self.findChildren(type(self.run_button))}
        for name, text, act in acts:
            action = menu.addAction(tr(text))
            action.setObjectName(f"queue-menu-{name}")
            action.setEnabled(buttons[name].isEnabled())
            action.triggered.connect(lambda _=False, a=act: a())
        menu.popup(self.table.viewport().mapToGlobal(at))

    def open_folder(self) -> None:
        """Show where the files are."""
        job = self.current
        if job is not None:
            folder = Path(job.output).parent
            if not folder.is_dir():
                self._studio.face.notify(tr("{folder} is not there yet.", folder=str(folder)), kind="warning")
                return
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    # --- the flipbook ------------------------------------------------------------------------------------------------
    def show_flipbook(self) -> None:
        """Play what is rendered of the job; it grows while more comes."""
        job = self.current
        if job is None:
            return
        self._reel_of = job.id
        self._feed(job, self.frames.frames, fresh=True)

    def _show_frame(self, index: QModelIndex | QPersistentModelIndex) -> None:
        frame = index.data(JOB)
        job = self.current
        if job is None or frame is None:
            return
        self._reel_of = job.id
        self._feed(job, self.frames.frames, fresh=True, at=frame.frame)

    def _feed(
        self, job: JobState, frames: tuple[FrameState, ...], *, fresh: bool = False, at: int | None = None
    ) -> None:
        files = {f.frame: Path(f.path) for f in frames if f.state in ("done", "skipped")}
        files = {n: p for n, p in files.items() if p.suffix.lower() in reel.STILLS and p.is_file()}
        movie = Path(job.output)
        if not files and fresh and movie.suffix.lower() in reel.MOVIES and movie.is_file():
            book = self._desk.show_panel("flipbook")
            if isinstance(book, Flipbook):
                book.open(movie)
            return
        if not files:
            if fresh:
                self._studio.face.notify(tr("Nothing of {name} is rendered yet.", name=job.name), kind="warning")
            return
        book = self._desk.show_panel("flipbook") if fresh else self._desk.panel("flipbook")
        if not isinstance(book, Flipbook):
            return
        shown = reel.reel_of(job.name, files, fps=self._studio.scene.fps)
        if fresh:
            book.show_reel(shown, frame=at)
        elif book.reel is None or book.reel.frames != shown.frames:
            book.grow(shown)


class ShareDelegate(QStyledItemDelegate):
    """Progress as a bar with its percentage."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """The cell as usual without its text, the bar, and the text on it."""
        share = index.data(SHARE)
        if share is None:
            super().paint(painter, option, index)
            return
        rect: QRect = option.rect
        self.initStyleOption(option, index)
        chosen = bool(option.state & option.state.__class__.State_Selected)
        if chosen:
            painter.fillRect(rect, theme.color("selection"))
        bar = rect.adjusted(theme.size(4), rect.height() // 2 - theme.size(5), -theme.size(4), 0)
        bar.setHeight(theme.size(10))
        painter.fillRect(bar, theme.color("well"))
        painter.fillRect(QRect(bar.x(), bar.y(), round(bar.width() * share), bar.height()), theme.color("accent_dim"))
        painter.setPen(theme.color("text"))
        painter.drawText(bar, Qt.AlignmentFlag.AlignCenter, f"{share:.0%}")
