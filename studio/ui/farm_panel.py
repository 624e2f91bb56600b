"""The farm panel: jobs of many machines, watched and lived with from one place.

What is shown is read from the stores of the jobs, again and again, by threads (`studio.farm.seen.watch`); nothing here
waits for one. What is wanted of a job goes through the commands `farm.*`, which leave it in the job's store for whoever
works there. Closing the panel, or the lid, stops nothing: what was missed is seen, and told, the next time.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QHideEvent, QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QToolButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.farm.seen import known
from studio.farm.seen.states import Detail, FrameState, JobState, StoreState
from studio.render.export import MOVIES
from studio.ui import bars, farm_jobs, theme
from studio.ui import farm_words as words
from studio.ui.farm_empty import EmptyPage
from studio.ui.farm_jobs import JOB, JobFilter, JobModel, Key, ProgressDelegate, ValueDelegate, key_of
from studio.ui.farm_ledger import LedgerPage
from studio.ui.farm_link import attempt, link_of
from studio.ui.farm_log import LogPage
from studio.ui.farm_nodes import WIDTHS, NodeModel
from studio.ui.farm_strip import FrameStrip
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel
from studio.ui.qt_events import claimed
from studio.ui.table_choice import chosen_in, current_in

_TICK_MS = 20_000  # after which ages are others
_NARROW, _SMALLEST_NAME = 760, 90
_SHOWS = ((N_("All jobs"), "all"), (N_("Going on"), "going"))
_STOPPABLE = ("waiting", "running", "alone", "draining")
_KEYS = (Qt.Key.Key_Space, Qt.Key.Key_Delete, Qt.Key.Key_Return, Qt.Key.Key_Enter)  # of the table, before shortcuts
_RESUMABLE = ("paused", "failed", "capped", "cancelled", "lost", "alone", "draining")


@panel("farm", N_("Farm"), "bottom", "farm", default=False)
class FarmPanel(QWidget):
    """See the module."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("farm")
        self._studio, self._desk = studio, desk
        self.link = link_of(studio, desk.bridge)
        self.jobs, self.nodes = JobModel(self._change), NodeModel()
        self.shown_jobs = JobFilter(self.jobs)
        self._detail: Detail | None = None
        self._followed: Key = ("", "")
        self._make()
        self.link.changed.connect(self._take)
        self._ages = QTimer(self)
        self._ages.setInterval(_TICK_MS)
        self._ages.timeout.connect(self.jobs.tick)
        self._ages.start()
        translated(self._relabel)
        theme.signals().changed.connect(self._dress)
        self._dress()
        self._show_jobs()

    def close_panel(self) -> None:
        """Look no more."""
        self._ages.stop()
        self.link.changed.disconnect(self._take)
        self.link.look(self, False)
        self.link.follow("", "")

    def showEvent(self, event: QShowEvent) -> None:
        """Somebody looks: stores are read often."""
        super().showEvent(event)
        self.link.look(self, True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks any more."""
        super().hideEvent(event)
        self.link.look(self, False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Side by side in a wide panel, one above the other in a high one."""
        super().resizeEvent(event)
        high = self.width() < theme.size(_NARROW) and self.height() > 0.8 * self.width()
        self.halves.setOrientation(Qt.Orientation.Vertical if high else Qt.Orientation.Horizontal)

    # --- building ----------------------------------------------------------------------------------------------------
    def _dress(self) -> None:
        """Signs grow with the interface."""
        side = QSize(theme.size(15), theme.size(15))
        for button in self.findChildren(QToolButton):
            button.setIconSize(side)
        for view in (self.table, self.node_table):
            view.setIconSize(side)

    def _make(self) -> None:
        self.stack = QStackedWidget()
        self.stack.setObjectName("farm-stack")
        self.empty = EmptyPage(self._send, self.add_store)
        self.stack.addWidget(self.empty)
        halves = self.halves = QSplitter(Qt.Orientation.Horizontal)
        halves.setObjectName("farm-halves")
        halves.setChildrenCollapsible(False)
        halves.addWidget(self._make_table())
        halves.addWidget(self._make_job())
        halves.setStretchFactor(0, 1)
        halves.setStretchFactor(1, 1)
        halves.setSizes([theme.size(700), theme.size(640)])
        self.stack.addWidget(halves)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._make_bar())
        layout.addWidget(self.stack, 1)

    def _make_bar(self) -> QHBoxLayout:
        top = bars.bar()
        self.send_button = bars.button("farm-send", "farm-send", N_("Send to farm…"), self._send, text=True)
        self.pause_button = bars.button("farm-pause", "pause", N_("Pause"), self.pause)
        self.resume_button = bars.button("farm-resume", "play", N_("Go on"), self.resume)
        self.cancel_button = bars.button("farm-cancel", "stop", N_("Cancel"), self.cancel)
        self.fetch_button = bars.button("farm-fetch", "fetch", N_("Fetch now"), self.fetch)
        self.flipbook_button = bars.button(
            "farm-flipbook", "flipbook", N_("Show in flipbook"), lambda: self.strip.show_flipbook()
        )
        self.folder_button = bars.button("farm-folder", "folder", N_("Open the folder"), self.open_folder)
        self.copy_button = bars.button("farm-copy", "copy", N_("Copy the command line"), self.copy_command)
        self.shows = bars.Menu("farm-shows", N_("Which jobs"), _SHOWS)
        self.shows.activated.connect(self._filter)
        self.filter = QLineEdit()
        self.filter.setObjectName("farm-filter")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMaximumWidth(theme.size(180))
        say(self.filter.setPlaceholderText, N_("Filter jobs"))
        say(self.filter.setAccessibleName, N_("Filter jobs"))
        self.filter.textChanged.connect(self._filter)
        self.state = QLabel()
        self.state.setObjectName("farm-state")
        self.state.setProperty("role", "dim")
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.stores_button = bars.button("farm-stores", "more", N_("Stores"), self._stores_menu)
        for widget in (self.send_button, _line(), self.pause_button, self.resume_button, self.cancel_button, _line()):
            top.addWidget(widget)
        for widget in (self.fetch_button, self.flipbook_button, self.folder_button, self.copy_button):
            top.addWidget(widget)
        top.addWidget(_line())
        top.addWidget(self.shows)
        top.addWidget(self.filter)
        top.addSpacing(theme.size(6))
        top.addWidget(self.state, 1)
        top.addWidget(self.stores_button)
        return top

    def _make_table(self) -> QWidget:
        self.table = QTreeView()
        self.table.setObjectName("farm-jobs")
        say(self.table.setAccessibleName, N_("Jobs of the farm"))
        self.table.setModel(self.shown_jobs)
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setAlternatingRowColors(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        edit = QAbstractItemView.EditTrigger
        self.table.setEditTriggers(edit.DoubleClicked | edit.EditKeyPressed)
        self._progress, self._values = ProgressDelegate(self.table), ValueDelegate(self.table)
        self.table.setItemDelegateForColumn(farm_jobs.PROGRESS, self._progress)
        for column in (farm_jobs.COST, farm_jobs.PRIORITY):
            self.table.setItemDelegateForColumn(column, self._values)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._menu)
        header = self.table.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(theme.size(40))
        self._widths = farm_jobs.widths()
        for column, width in enumerate(self._widths):
            self.table.setColumnWidth(column, width)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(farm_jobs.AGE, Qt.SortOrder.AscendingOrder)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._chosen())
        self.table.selectionModel().currentChanged.connect(lambda *_: self._chosen())
        self.table.installEventFilter(self)
        self.table.viewport().installEventFilter(self)
        return self.table

    def _make_job(self) -> QWidget:
        side = QWidget()
        side.setObjectName("farm-job")
        self.told = QLabel()
        self.told.setObjectName("farm-told")
        self.told.setWordWrap(True)
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.told_sign = QLabel()
        self._notice = QFrame()
        self._notice.setObjectName("farm-notice")
        row = QHBoxLayout(self._notice)
        row.setContentsMargins(theme.size(8), theme.size(4), theme.size(8), theme.size(4))
        row.addWidget(self.told_sign)
        row.addWidget(self.told, 1)
        self._notice.hide()
        self.tabs = QTabWidget()
        self.tabs.setObjectName("farm-tabs")
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.tabBar().setObjectName("farm-tab-bar")
        self.log, self.ledger = LogPage(self._desk.status), LedgerPage(self._studio, self._desk)
        self.strip = FrameStrip(self._studio, self._desk)
        self.strip.asked.connect(self._log_of_frame)
        for page in (self.strip, self._make_nodes(), self.log, self.ledger):
            self.tabs.addTab(page, "")
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.tabs, 1)
        column.addWidget(self._notice)
        return side

    def _make_nodes(self) -> QWidget:
        self.node_table = QTreeView()
        self.node_table.setObjectName("farm-nodes")
        say(self.node_table.setAccessibleName, N_("Nodes"))
        self.node_table.setModel(self.nodes)
        self.node_table.setRootIsDecorated(False)
        self.node_table.setUniformRowHeights(True)
        self.node_table.setAlternatingRowColors(True)
        self.node_table.setSortingEnabled(True)
        self.node_table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        for column, width in enumerate(WIDTHS):
            self.node_table.setColumnWidth(column, theme.size(width))
        self.node_table.doubleClicked.connect(self._log_of_node)
        return self.node_table

    def _relabel(self) -> None:
        for page, text in enumerate((N_("Frames"), N_("Nodes"), N_("Log"), N_("Ledger"))):
            self.tabs.setTabText(page, tr(text))
        self._tell()

    # --- what comes --------------------------------------------------------------------------------------------------
    def _take(self, state: StoreState | None) -> None:
        self._show_jobs()
        if state is not None and state.detail is not None and (state.place, state.detail.id) == self._followed:
            self._take_detail(state.detail)

    def _show_jobs(self) -> None:
        had = bool(self.jobs.jobs)
        self.jobs.take(self.link.jobs())
        if self.current is None and self.shown_jobs.rowCount():
            self.table.setCurrentIndex(self.shown_jobs.index(0, 0))
        if bool(self.jobs.jobs) != had or not had:
            self.stack.setCurrentIndex(1 if self.jobs.jobs else 0)
        self._tell()

    def _take_detail(self, detail: Detail) -> None:
        self._detail = detail
        self.strip.take(self.current, detail)
        self.nodes.take(detail.nodes)
        if detail.afresh:
            self.log.begin(detail.pieces)
        self.log.add(detail.events)
        self.ledger.take(self.current, detail)
        self._tell()

    # --- what is chosen ----------------------------------------------------------------------------------------------
    @property
    def current(self) -> JobState | None:
        """The job whose frames, nodes, log and books are shown."""
        found: JobState | None = current_in(self.table, JOB)
        return found

    @property
    def chosen(self) -> list[JobState]:
        """The selected jobs."""
        return chosen_in(self.table, JOB)

    def show_job(self, place: str, id_: str) -> None:
        """Choose a job."""
        for row in range(self.shown_jobs.rowCount()):
            index = self.shown_jobs.index(row, 0)
            if key_of(index.data(JOB)) == (place, id_):
                self.table.setCurrentIndex(index)

    def _chosen(self) -> None:
        job = self.current
        key = key_of(job) if job is not None else ("", "")
        if key != self._followed:
            self._followed, self._detail = key, None
            self.strip.take(job, None)
            self.nodes.take(())
            self.log.begin(())
            self.ledger.take(job, None)
            self.link.follow(*key)
        self._tell()

    def _filter(self) -> None:
        self.shown_jobs.want(self.filter.text(), going=self.shows.currentData() == "going")
        self._chosen()

    # --- saying how things stand -------------------------------------------------------------------------------------
    def _tell(self) -> None:
        jobs = self.chosen
        states = {words.state_of(job) for job in jobs}
        self.pause_button.setEnabled(bool(states & set(_STOPPABLE)))
        self.resume_button.setEnabled(bool(states & set(_RESUMABLE)))
        self.cancel_button.setEnabled(any(not job.over for job in jobs))
        one = len(jobs) == 1
        self.fetch_button.setEnabled(bool(jobs))
        for button in (self.flipbook_button, self.folder_button, self.copy_button):
            button.setEnabled(one)
        self._tell_state()
        self._tell_job()
        self.empty.tell(self.link.states)

    def _tell_state(self) -> None:
        faults = [state.fault for state in self.link.states.values() if state.fault]
        faults += [told for state in self.link.states.values() for told in state.unreadable]
        going = [job for job in self.jobs.jobs if words.state_of(job) == "running"]
        alone = [job for job in self.jobs.jobs if words.state_of(job) == "alone"]
        parts = []
        if going:
            nodes = sum(len(state.nodes) for state in self.link.states.values())
            parts.append(tr("{count} running", count=len(going)))
            if nodes:
                parts.append(tr("{count} nodes", count=nodes))
        if alone:
            parts.append(tr("{count} without nodes", count=len(alone)))
        self.state.setText(faults[0] if faults else " · ".join(parts))
        self.state.setToolTip("\n".join(faults))
        self.state.setStyleSheet(f"color: {theme.COLORS['warning']}" if faults else "")

    def _tell_job(self) -> None:
        job = self.current
        told = words.reason(job) if job is not None else ""
        if job is not None and not told and self._detail is not None:
            missing = [f"{frame.frame:g}" for frame in self._detail.frames if frame.mark == "missing"]
            if missing:
                told = tr("Moved or removed: frames {frames}. Fetch now writes them again.", frames=", ".join(missing))
        self.told.setText(told)
        self._notice.setVisible(bool(told))
        if job is not None and told:
            bad = bool(job.fault) or job.standing.state in ("failed", "lost")
            unwell = words.state_of(job) in ("alone", "capped") or told == job.lack
            kind = "error" if bad else "warning" if unwell else "info"
            self.told_sign.setPixmap(theme.icon(f"notice-{kind}", kind).pixmap(theme.size(14)))

    # --- doing -------------------------------------------------------------------------------------------------------
    def _send(self) -> None:
        self._desk.give("farm.submit")

    def _do(self, what: str, states: Sequence[str]) -> None:
        """Want something of those selected jobs that are in one of the states."""
        for job in self.chosen:
            if words.state_of(job) in states:
                self._studio.attempt(f"farm.{what}", job=job.id, place=_place(job))

    def pause(self) -> None:
        """Pause those selected jobs that can be."""
        self._do("pause", _STOPPABLE)

    def resume(self) -> None:
        """Go on with those selected jobs that rest."""
        self._do("resume", _RESUMABLE)

    def _change(self, job: JobState, what: str, value: int) -> None:
        """A priority or a cap was edited in the table."""
        if what == "cap":
            self._studio.attempt("farm.cap", job=job.id, place=_place(job), amount=value / words.MILLION)
        else:
            self._studio.attempt("farm.priority", job=job.id, place=_place(job), value=value)

    def cancel(self) -> None:
        """Cancel the selected jobs, after a question."""
        jobs = [job for job in self.chosen if not job.over]
        if not jobs:
            return
        question = (
            N_("Cancel {name}? What is rendered stays in the store.")
            if len(jobs) == 1
            else N_("Cancel {count} jobs? What is rendered stays in the store.")
        )
        answer = self._studio.face.ask(
            question, (N_("Cancel the job"), N_("Let it go on")), name=jobs[0].standing.name, count=len(jobs)
        )
        if answer == "Cancel the job":
            for job in jobs:
                self._studio.attempt("farm.cancel", job=job.id, place=_place(job))

    def fetch(self) -> None:
        """Bring the pictures of the selected jobs home now, and make the movie of those that want one; asks where, when
        this machine does not know."""
        for job in self.chosen:
            output: Path | None = None
            if not job.output:
                suggestion = f"~/Myriad/{job.standing.name or job.id}.####.exr"
                output = self._studio.face.ask_save(
                    N_("Where the pictures go"),
                    str(Path(suggestion).expanduser()),
                    (".exr", ".png", ".jpg", ".tif", *MOVIES),
                )
                if output is None:
                    continue
            attempt(self._studio, partial(self.link.fetch, job, output))

    def copy_command(self) -> None:
        """Put the command line that fetches the job on the clipboard."""
        job = self.current
        if job is not None:
            QApplication.clipboard().setText(command_line(job))
            self._desk.status(tr("The command line is on the clipboard."))

    def open_folder(self) -> None:
        """Show where the pictures are."""
        job = self.current
        if job is None:
            return
        if not job.output:
            self._studio.face.notify(words.reason(job), kind="warning")
            return
        self.strip.reveal(Path(job.output).parent)

    def _log_of_frame(self, frame: FrameState) -> None:
        self.log.frame.setText(f"{frame.frame:g}")
        self.tabs.setCurrentWidget(self.log)

    def _log_of_node(self, index: QModelIndex | QPersistentModelIndex) -> None:
        """A double click on a node shows its events."""
        if index.isValid():
            self.log.show_node(self.nodes.nodes[index.row()].id)
            self.tabs.setCurrentWidget(self.log)

    # --- menus and keys ----------------------------------------------------------------------------------------------
    def _fresh_menu(self, name: str) -> QMenu:
        menu = QMenu(self)
        menu.setObjectName(name)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def _entry(self, menu: QMenu, name: str, text: str, act: Callable[[], object], on: bool, icon: str = "") -> None:
        action = menu.addAction(theme.icon(icon), text if isinstance(text, bars.Given) else tr(text))
        action.setObjectName(f"{menu.objectName()}-{name}")
        action.setEnabled(on)
        action.triggered.connect(lambda _=False: act())

    def _menu(self, at: QPoint) -> None:
        index = self.table.indexAt(at)
        if not index.isValid():
            return
        menu = self._fresh_menu("farm-menu")
        for name, text, act, button, icon in (
            ("pause", N_("Pause"), self.pause, self.pause_button, "pause"),
            ("resume", N_("Go on"), self.resume, self.resume_button, "play"),
            ("cancel", N_("Cancel"), self.cancel, self.cancel_button, "stop"),
            ("fetch", N_("Fetch now"), self.fetch, self.fetch_button, "fetch"),
            ("flipbook", N_("Show in flipbook"), self.strip.show_flipbook, self.flipbook_button, "flipbook"),
            ("folder", N_("Open the folder"), self.open_folder, self.folder_button, "folder"),
            ("copy", N_("Copy the command line"), self.copy_command, self.copy_button, "copy"),
        ):
            self._entry(menu, name, text, act, button.isEnabled(), icon)
        job: JobState = index.data(JOB)
        menu.addSeparator()
        for column, name, text in (
            (farm_jobs.PRIORITY, "priority", N_("Change the priority")),
            (farm_jobs.COST, "cap", N_("Change the cap")),
        ):
            cell = index.siblingAtColumn(column)
            self._entry(menu, name, text, partial(self._edit, cell), not job.over)
        menu.popup(self.table.viewport().mapToGlobal(at))

    def _stores_menu(self) -> None:
        menu = self._fresh_menu("farm-stores-menu")
        self._entry(menu, "add", N_("Look at a store…"), self.add_store, True, "add")
        self._entry(menu, "bucket", N_("Look at a bucket…"), self.add_bucket, True, "add")
        own = known.own_store()
        for number, place in enumerate(place for place in self.link.watch.places if place != own):
            text = bars.Given(tr("Look no more at {place}", place=place))
            self._entry(menu, f"forget-{number}", text, partial(self._remove_store, place), True, "remove")
        menu.popup(self.stores_button.mapToGlobal(self.stores_button.rect().bottomLeft()))

    def _edit(self, cell: QModelIndex) -> None:
        self.table.setCurrentIndex(cell)
        self.table.edit(cell)

    def _remove_store(self, place: str) -> None:
        attempt(self._studio, lambda: self.link.remove(place))

    def add_store(self) -> None:
        """Look at a folder that others work at."""
        path = self._studio.face.ask_open(N_("The folder of the store"), ())
        if path is not None:
            attempt(self._studio, lambda: self.link.add(str(path.absolute())))

    def add_bucket(self) -> None:
        """Look at a bucket that others work at."""
        place = self._studio.face.ask_text(N_("The address of the bucket, like s3://bucket/studio")).strip()
        if place:
            attempt(self._studio, lambda: self.link.add(known.checked(place)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keys of the table: Space pauses or goes on, Delete cancels, Return shows. In a narrow one some columns go."""
        if watched is self.table.viewport() and event.type() == QEvent.Type.Resize:
            self._fit()
        if watched is self.table and claimed(event, lambda key: not key.modifiers() and key.key() in _KEYS):
            return True
        if watched is self.table and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return (not event.modifiers() and self._key(event.key())) or super().eventFilter(watched, event)
        return super().eventFilter(watched, event)

    def _fit(self) -> None:
        """Leave out what can be missed where there is no room for all columns; names have what the others leave."""
        header, room = self.table.header(), self.table.viewport().width()
        smallest = theme.size(_SMALLEST_NAME)
        needed = sum(header.sectionSize(c) for c in range(1, header.count()) if c not in farm_jobs.SPARE)
        for column in farm_jobs.SPARE:
            wide = self._widths[column]
            header.setSectionHidden(column, needed + wide > room - smallest)
            needed += 0 if header.isSectionHidden(column) else wide
        self.table.setColumnWidth(farm_jobs.NAME, max(room - needed, smallest))

    def _key(self, key: int) -> bool:
        match key:
            case Qt.Key.Key_Space:
                button = self.pause_button if self.pause_button.isEnabled() else self.resume_button
                button.click()
            case Qt.Key.Key_Delete:
                self.cancel()
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self.strip.show_flipbook()
            case _:
                return False
        return True


def command_line(job: JobState) -> str:
    """The command that fetches a job's pictures in a terminal."""
    line = ["studio", "farm", "fetch", job.id]
    if _place(job):
        line += ["--store", job.place]
    if job.output:
        line += ["-o", job.output]
    return shlex.join([*line, "--watch"])


def _place(job: JobState) -> str:
    """The store of a job as commands take it: "" for this machine's own."""
    return "" if job.place == known.own_store() else job.place


def _line() -> QFrame:
    """A line between groups of buttons."""
    line = QFrame()
    line.setFrameShape(QFrame.Shape.VLine)
    line.setFixedWidth(1)
    line.setStyleSheet(f"background: {theme.COLORS['border']}; border: none;")
    return line
