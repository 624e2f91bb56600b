"""What happened to a job, a row an event: filtered by frame, node, kind and text, and followed while it grows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QTreeView, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.farm.model import Event
from studio.ui import bars, theme
from studio.ui import farm_words as words
from studio.ui.i18n import say, tr, translated

COLUMNS = (N_("Time"), N_("What"), N_("Frame"), N_("Samples"), N_("Node"), N_("Said"))
TIME, WHAT, FRAME, SAMPLES, NODE, SAID = range(len(COLUMNS))
EVENT = Qt.ItemDataRole.UserRole
_WIDTHS = (74, 128, 54, 64, 104)
_BATCH = 2_000  # rows that are shown at once
_SPAN = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:-\s*(-?\d+(?:\.\d+)?)\s*)?")
_FRAME = re.compile(r"f(m?\d+(?:_\d+)?)")
_NOWHERE = QModelIndex()
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown. `frames` None: of any, and those of no frame."""

    kind: str = ""
    node: str = ""
    frames: tuple[float, float] | None = None
    text: str = ""


def frame_span(text: str) -> tuple[float, float] | None:
    """ "12" or "10-20" as frames; None for anything else."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    first = float(match[1])
    return first, float(match[2]) if match[2] is not None else first


def frame_of(piece: str) -> float | None:
    """The frame of a piece by its name, as "f24-x0-y0-x640-y360"."""
    match = _FRAME.match(piece)
    return float(match[1].replace("m", "-").replace("_", ".")) if match is not None else None


class EventModel(QAbstractTableModel):
    """Events in the order in which they happened, the newest last. They are only ever added; a filter looks through
    those that there are once, and through new ones as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.pieces: tuple[str, ...] = ()
        self.nodes: dict[str, None] = {}  # that were heard of, in order
        self.wanted = Wanted()
        self._found: list[int] = []  # rows of `events` that the filter lets through
        self._shown = 0  # of these
        translated(self.relabel)

    def relabel(self) -> None:
        """Say everything again."""
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(COLUMNS) - 1)
        if self._shown:
            self.dataChanged.emit(self.index(0, 0), self.index(self._shown - 1, len(COLUMNS) - 1))

    # --- taking ------------------------------------------------------------------------------------------------------
    def begin(self, pieces: Sequence[str]) -> None:
        """Another job."""
        self.beginResetModel()
        self.events, self.pieces, self.nodes = [], tuple(pieces), {}
        self._found, self._shown = [], 0
        self.endResetModel()

    def add(self, events: Sequence[Event]) -> None:
        """More of the job."""
        first = len(self.events)
        self.events.extend(events)
        self.nodes.update((event.node, None) for event in events if event.node)
        whole = self._shown == len(self._found)
        self._found += [row for row in range(first, len(self.events)) if self._fits(self.events[row])]
        if whole:
            self._grow(len(self._found) - self._shown if first else _BATCH)

    def want(self, wanted: Wanted) -> None:
        """Show other events."""
        if wanted != self.wanted:
            self.beginResetModel()
            self.wanted = wanted
            self._found = [row for row, event in enumerate(self.events) if self._fits(event)]
            self._shown = min(len(self._found), _BATCH)
            self.endResetModel()

    @property
    def found(self) -> int:
        """How many events the filter lets through."""
        return len(self._found)

    def canFetchMore(self, parent: Index) -> bool:
        """Whether there are events that are not shown yet."""
        return not parent.isValid() and self._shown < len(self._found)

    def fetchMore(self, parent: Index) -> None:
        """Show some more of them."""
        if not parent.isValid():
            self._grow(_BATCH)

    def _grow(self, by: int) -> None:
        more = min(by, len(self._found) - self._shown)
        if more > 0:
            self.beginInsertRows(QModelIndex(), self._shown, self._shown + more - 1)
            self._shown += more
            self.endInsertRows()

    def _fits(self, event: Event) -> bool:
        wanted = self.wanted
        if wanted.kind and not words.in_kind(event, wanted.kind):
            return False
        if wanted.node and event.node != wanted.node:
            return False
        if wanted.frames is not None:
            frame = frame_of(self._piece(event))
            if frame is None or not wanted.frames[0] <= frame <= wanted.frames[1]:
                return False
        if wanted.text:
            held = " ".join((words.event_text(event), event.node, self._piece(event), words.event_detail(event)))
            return all(part in held.lower() for part in wanted.text.lower().split())
        return True

    def _piece(self, event: Event) -> str:
        return self.pieces[event.piece] if 0 <= event.piece < len(self.pieces) else ""

    # --- showing -----------------------------------------------------------------------------------------------------
    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Events that are shown."""
        return 0 if parent.isValid() else self._shown

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """What is shown of an event."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Headings."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return tr(COLUMNS[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts; faults in their colour and with their sign."""
        if not index.isValid() or index.row() >= self._shown:
            return None
        event, column = self.events[self._found[index.row()]], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(event, column)
        if role == EVENT:
            return event
        if role == Qt.ItemDataRole.ForegroundRole:
            if words.is_fault(event):
                return theme.color("error" if column in (WHAT, SAID) else "text")
            return theme.color("dim") if column in (TIME, SAMPLES) else None
        if role == Qt.ItemDataRole.ToolTipRole and column == SAID:
            return words.event_detail(event)
        return None

    def text(self, event: Event, column: int) -> str:
        """What a column says of an event."""
        match column:
            case 0:
                return words.clock(event.at)
            case 1:
                return words.event_text(event)
            case 2:
                piece = self._piece(event)
                frame = frame_of(piece)
                crop = piece.partition("-")[2]
                return "" if frame is None else f"{frame:g}" + (f"  {crop}" if crop else "")
            case 3:
                return f"{event.range[0]}–{event.range[1]}" if event.range else ""
            case 4:
                return event.node
            case _:
                return words.event_detail(event)

    def lines(self) -> str:
        """All events that the filter lets through, as text."""
        found = (self.events[row] for row in self._found)
        rows = ([self.text(event, column) for column in range(len(COLUMNS))] for event in found)
        return "\n".join("  ".join(part for part in row if part) for row in rows)


class LogPage(QWidget):
    """The log with its filters. It follows the newest event as long as it is scrolled to the end."""

    def __init__(self, told: Callable[[str], object]) -> None:
        super().__init__()
        self.setObjectName("farm-log-page")
        self.model = EventModel()
        self._told = told
        self.kind = bars.Menu("farm-log-kind", N_("Kind of event"), words.KINDS)
        self.node = bars.Menu("farm-log-node", N_("Node"), ((N_("All nodes"), ""),))
        self.node.setSizeAdjustPolicy(bars.Menu.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.node.setMinimumContentsLength(10)
        self.frame = _line("farm-log-frame", N_("Frames, like 12 or 10-20"), N_("Frame"))
        self.frame.setFixedWidth(theme.size(64))
        self.search = _line("farm-log-search", N_("Search the log"), N_("Search the log"))
        self.count = QLabel()
        self.count.setObjectName("farm-log-count")
        self.count.setProperty("role", "dim")
        copy = bars.button("farm-log-copy", "copy", N_("Copy what is shown"), self._copy)
        top = bars.bar()
        for widget in (self.kind, self.node, self.frame):
            top.addWidget(widget)
        top.addWidget(self.search, 1)
        top.addWidget(self.count)
        top.addWidget(copy)
        self.view = QTreeView()
        self.view.setObjectName("farm-log")
        say(self.view.setAccessibleName, N_("Log of the job"))
        self.view.setModel(self.model)
        self.view.setRootIsDecorated(False)
        self.view.setUniformRowHeights(True)
        self.view.setAlternatingRowColors(True)
        for column, width in enumerate(_WIDTHS):
            self.view.setColumnWidth(column, theme.size(width))
        self.kind.activated.connect(self._filter)
        self.node.activated.connect(self._filter)
        self.frame.textChanged.connect(self._filter)
        self.search.textChanged.connect(self._filter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.view, 1)
        translated(self._count)

    def begin(self, pieces: Sequence[str]) -> None:
        """Another job; the filters stay but the node's."""
        self.model.begin(pieces)
        self._offer()
        self.node.choose("")
        self._filter()

    def add(self, events: Sequence[Event]) -> None:
        """More of the job."""
        if not events:
            return
        bar = self.view.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 2
        before = len(self.model.nodes)
        self.model.add(events)
        if len(self.model.nodes) != before:
            self._offer(self.model.wanted.node)
        self._count()
        if at_end and not self.model.canFetchMore(QModelIndex()):
            self.view.scrollToBottom()

    def show_node(self, node: str) -> None:
        """Show the events of one node, also where there are none."""
        self._offer(node)
        self.node.choose(node)
        self._filter()

    def _offer(self, node: str = "") -> None:
        """Offer the nodes that were heard of, and this one."""
        names = dict.fromkeys((*self.model.nodes, *([node] if node else ())))
        self.node.fill([(N_("All nodes"), ""), *((bars.Given(name), name) for name in names)])

    def _filter(self) -> None:
        text = self.frame.text()
        span = frame_span(text)
        wrong = bool(text.strip()) and span is None
        if bool(self.frame.property("wrong")) != wrong:
            self.frame.setProperty("wrong", wrong)
            self.frame.style().unpolish(self.frame)
            self.frame.style().polish(self.frame)
        self.frame.setToolTip(tr("Frames are a number or two, like 12 or 10-20") if wrong else tr("Frame"))
        self.model.want(
            Wanted(
                kind=str(self.kind.currentData() or ""),
                node=str(self.node.currentData() or ""),
                frames=(float("inf"), float("-inf")) if wrong else span,
                text=self.search.text().strip(),
            )
        )
        self._count()

    def _count(self) -> None:
        found, there = self.model.found, len(self.model.events)
        if not there:
            self.count.setText(tr("Nothing has happened yet."))
        elif found == there:
            self.count.setText(tr("{count} events", count=f"{there:,}"))
        else:
            self.count.setText(tr("{found} of {count} events", found=f"{found:,}", count=f"{there:,}"))

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.model.lines())
        self._told(tr("{count} lines of the log are on the clipboard.", count=self.model.found))


def _line(name: str, label: str, placeholder: str) -> QLineEdit:
    made = QLineEdit()
    made.setObjectName(name)
    made.setClearButtonEnabled(name.endswith("search"))
    say(made.setAccessibleName, label)
    say(made.setPlaceholderText, placeholder)
    return made
