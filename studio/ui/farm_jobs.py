"""The jobs of all stores as a table that is sorted, filtered, and edited where it stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QRect, QSize, QSortFilterProxyModel, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.commands.registry import N_
from studio.farm.seen.states import JobState
from studio.ui import farm_words as words
from studio.ui import theme
from studio.ui.i18n import tr
from studio.ui.record_model import RIGHT, Index, RecordModel

COLUMNS = (
    N_("Job"),
    N_("State"),
    N_("Progress"),
    N_("Time left"),
    N_("Cost and cap"),
    N_("Priority"),
    N_("Engine"),
    N_("Age"),
)
NAME, STATE, PROGRESS, LEFT, COST, PRIORITY, ENGINE, AGE = range(len(COLUMNS))
_NUMBERS = (LEFT, COST, PRIORITY, AGE)
SPARE = (AGE, ENGINE)  # columns that go first where there is no room
_WIDTHS = (144, 92, 118, 64, 96, 54, 56, 58)
JOB = Qt.ItemDataRole.UserRole
SORT = Qt.ItemDataRole.UserRole + 1
_MOST = 1e9  # of a cap
Key = tuple[str, str]  # store and job
_RANKS = {
    "failed": 0,
    "lost": 0,
    "capped": 1,
    "alone": 2,
    "running": 3,
    "draining": 4,
    "making": 4,
    "waiting": 5,
    "paused": 6,
}


def widths() -> list[int]:
    """How wide the columns are at first."""
    return [theme.size(width) for width in _WIDTHS]


def key_of(job: JobState) -> Key:
    """What tells a job from all others."""
    return job.place, job.id


class JobModel(RecordModel):
    """Jobs as they were told."""

    def __init__(self, change: Callable[[JobState, str, int], None] | None = None) -> None:
        super().__init__(COLUMNS, key_of, right=_NUMBERS)
        self._change = change or (lambda job, what, value: None)

    @property
    def jobs(self) -> list[JobState]:
        """The jobs that are shown."""
        return self.records

    def tick(self) -> None:
        """A while has passed: ages are others."""
        if self.jobs:
            self.dataChanged.emit(self.index(0, AGE), self.index(len(self.jobs) - 1, AGE))

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Priority and cap of a job that is not over can be edited."""
        flags = super().flags(index)
        if index.isValid() and index.column() in (COST, PRIORITY) and not self.jobs[index.row()].over:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, signs, what to sort by, and the job itself."""
        if not index.isValid() or index.row() >= len(self.jobs):
            return None
        job, column = self.jobs[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(job, column)
        if role == JOB:
            return job
        if role == SORT:
            return _order(job, column)
        if role == Qt.ItemDataRole.EditRole and column == PRIORITY:
            return job.standing.priority
        if role == Qt.ItemDataRole.EditRole and column == COST:
            return job.cap_micros / words.MILLION
        if role == Qt.ItemDataRole.DecorationRole and column == STATE:
            return words.state_icon(words.state_of(job))
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _NUMBERS:
            return RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(job, column)
        if role == Qt.ItemDataRole.ForegroundRole and job.standing.state == "cancelled":
            return theme.color("dim")
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Want another priority or cap; what is shown changes when the job's store says so."""
        if role != Qt.ItemDataRole.EditRole or not index.isValid():
            return False
        job = self.jobs[index.row()]
        if index.column() == PRIORITY and int(value) != job.standing.priority:
            self._change(job, "priority", int(value))
        elif index.column() == COST and round(float(value) * words.MILLION) != job.cap_micros:
            self._change(job, "cap", round(float(value) * words.MILLION))
        else:
            return False
        return True


def _text(job: JobState, column: int) -> str:
    stands = job.standing
    match column:
        case 0:
            return stands.name or stands.id
        case 1:
            return words.state_text(words.state_of(job))
        case 2:
            if job.movie == "making":
                return f"{job.encoded} / {stands.frames}"
            return f"{_percent(job)} · {stands.frames_done} / {stands.frames}"
        case 3:
            return words.left(job)
        case 4:
            return words.cost(job)
        case 5:
            return str(stands.priority)
        case 6:
            return job.engine or tr("farm")
        case _:
            return words.age(time.time() - stands.submitted_at) if stands.submitted_at else ""


def _percent(job: JobState) -> str:
    """Whole percents; 100 only when all of it is there."""
    return f"{min(int(job.share * 100), 99 if job.standing.done < job.standing.total else 100)} %"


def _order(job: JobState, column: int) -> Any:
    """What a column is sorted by."""
    match column:
        case 1:
            return _RANKS.get(words.state_of(job), 9)
        case 2:
            return job.share
        case 3:
            return job.left_s if job.left_s is not None else -1.0
        case 4:
            return float(job.spent_micros if job.spent_micros is not None else job.cap_micros)
        case 5:
            return job.standing.priority
        case 7:
            return -job.standing.submitted_at
        case _:
            return _text(job, column).lower()


def _tip(job: JobState, column: int) -> str:
    stands = job.standing
    if column == PROGRESS:
        return tr(
            "{done} of {total} samples, {frames} of {all} frames",
            done=f"{stands.done:,}",
            total=f"{stands.total:,}",
            frames=stands.frames_done,
            all=stands.frames,
        )
    if column in (COST, PRIORITY) and not job.over:
        return tr("Double click, or F2, to change it")
    lines = [stands.id, job.place, words.reason(job), job.output]
    return "\n".join(line for line in lines if line)


class JobFilter(QSortFilterProxyModel):
    """Jobs whose name, store, owner or engine holds a text, in the order of a column."""

    def __init__(self, model: JobModel) -> None:
        super().__init__()
        self._wanted, self._going = "", False
        self.setSourceModel(model)
        self.setSortRole(SORT)

    def want(self, text: str, *, going: bool) -> None:
        """Show these alone; with `going` those that are not over."""
        if (text.lower(), going) != (self._wanted, self._going):
            self.beginFilterChange()
            self._wanted, self._going = text.lower(), going
            self.endFilterChange()

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        """Whether a job is shown."""
        source = self.sourceModel()
        job: JobState = source.data(source.index(row, 0), JOB)
        if self._going and job.over and job.movie != "making":
            return False
        held = " ".join((job.standing.name, job.id, job.place, job.owner, job.engine, _text(job, STATE))).lower()
        return all(part in held for part in self._wanted.split())

    def lessThan(self, left: Index, right: Index) -> bool:
        """By the column's own order, then by age, so that equal ones do not dance."""
        a, b = left.data(SORT), right.data(SORT)
        if a == b:
            one, two = left.data(JOB), right.data(JOB)
            return bool((one.standing.submitted_at, one.id) < (two.standing.submitted_at, two.id))
        return bool(a < b)


class ProgressDelegate(QStyledItemDelegate):
    """Samples as a bar with its text, whole frames as a brighter line below it; of a movie that is made its frames."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """The cell without its text, the bars, the text on them."""
        job: JobState | None = index.data(JOB)
        if job is None:
            super().paint(painter, option, index)
            return
        rect: QRect = option.rect
        if option.state & option.state.__class__.State_Selected:
            painter.fillRect(rect, theme.color("selection"))
        bar = rect.adjusted(theme.size(4), 0, -theme.size(4), 0)
        bar.setHeight(theme.size(14))
        bar.moveTop(rect.center().y() - bar.height() // 2)
        painter.fillRect(bar, theme.color("pressed"))
        over = job.standing.state in ("cancelled", "failed")
        share, frames = job.share, job.standing.frames_done / max(job.standing.frames, 1)
        if job.movie == "making":
            share = frames = min(job.encoded / max(job.standing.frames, 1), 0.99)
        fill = "raised" if over or share >= 1.0 else "accent_dim"
        painter.fillRect(QRect(bar.x(), bar.y(), round(bar.width() * share), bar.height()), theme.color(fill))
        line = QRect(bar.x(), bar.bottom() - theme.size(2) + 1, round(bar.width() * frames), theme.size(2))
        painter.fillRect(line, theme.color("good" if share >= 1.0 else "accent" if not over else "dim"))
        painter.setPen(theme.color("text"))
        room = bar.adjusted(theme.size(5), 0, -theme.size(3), -theme.size(1))
        text = option.fontMetrics.elidedText(index.data(), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """As high as other rows."""
        return QSize(theme.size(120), theme.size(22))


class ValueDelegate(QStyledItemDelegate):
    """Edits a priority or a cap in its cell."""

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """A field of numbers."""
        if index.column() == PRIORITY:
            whole = QSpinBox(parent)
            whole.setRange(0, 100)
            whole.setObjectName("farm-priority")
            whole.setAccessibleName(tr("Priority"))
            return whole
        amount = QDoubleSpinBox(parent)
        amount.setRange(0.0, _MOST)
        job: JobState = index.data(JOB)  # to the millionth where it has them: a look is to change nothing
        amount.setDecimals(6 if job.cap_micros % 10_000 else 2)
        amount.setGroupSeparatorShown(True)
        amount.setSpecialValueText(tr("No cap"))
        amount.setObjectName("farm-cap")
        amount.setAccessibleName(tr("Cap"))
        return amount

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """What is now."""
        value = index.data(Qt.ItemDataRole.EditRole)
        if isinstance(editor, QSpinBox):
            editor.setValue(int(value))
        elif isinstance(editor, QDoubleSpinBox):
            editor.setValue(float(value))

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """What is wanted."""
        if isinstance(editor, (QSpinBox, QDoubleSpinBox)):
            editor.interpretText()
            model.setData(index, editor.value(), Qt.ItemDataRole.EditRole)

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        """As wide as it needs, at the cell's right edge."""
        rect = QRect(option.rect)
        wide = max(rect.width(), editor.sizeHint().width())
        rect.setLeft(rect.right() - wide + 1)
        editor.setGeometry(rect)
