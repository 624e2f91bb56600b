"""The queue as tables: jobs, and the frames of one of them. Both are filled from what the queue tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QIcon, QPixmap

from studio.commands.registry import N_
from studio.render.queue import FrameState, JobState
from studio.ui import theme
from studio.ui.i18n import tr, translated

JOB_COLUMNS = (N_("Job"), N_("State"), N_("Frames"), N_("Progress"), N_("Elapsed"), N_("Left"), N_("Files"))
NAME, STATE, FRAMES, PROGRESS, ELAPSED, LEFT, FILES = range(len(JOB_COLUMNS))
JOB = Qt.ItemDataRole.UserRole
SHARE = Qt.ItemDataRole.UserRole + 1
STATES = {
    "waiting": N_("Waiting"),
    "rendering": N_("Rendering"),
    "encoding": N_("Making the movie"),
    "paused": N_("Paused"),
    "done": N_("Done"),
    "skipped": N_("Skipped"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}
_ICONS = {
    "waiting": ("pause", "dim"),
    "rendering": ("play", "accent"),
    "encoding": ("play", "accent"),
    "paused": ("pause", "warning"),
    "done": ("check", "good"),
    "skipped": ("check", "dim"),
    "failed": ("notice-error", "error"),
    "cancelled": ("close", "dim"),
}
_NOWHERE = QModelIndex()
Index = QModelIndex | QPersistentModelIndex


def state_text(state: str) -> str:
    """A state in the present language."""
    return tr(STATES.get(state, state))


def state_icon(state: str) -> QIcon:
    """The sign of a state; its colour is not all that tells it."""
    name, tint = _ICONS.get(state, ("pause", "dim"))
    return theme.icon(name, tint)


def duration(seconds: float | None) -> str:
    """Hours, minutes and seconds, as short as they tell."""
    if seconds is None or seconds != seconds or seconds < 0:
        return "–"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


class JobModel(QAbstractTableModel):
    """Jobs in the order in which they are rendered."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: tuple[JobState, ...] = ()
        translated(self.relabel)

    def relabel(self) -> None:
        """Say the headings again."""
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(JOB_COLUMNS) - 1)
        self._touched(0, len(self.jobs))

    def _touched(self, first: int, end: int) -> None:
        if end > first:
            self.dataChanged.emit(self.index(first, 0), self.index(end - 1, len(JOB_COLUMNS) - 1))

    def take(self, jobs: Sequence[JobState]) -> None:
        """Show these jobs; rows move as little as can be, so that selections stay."""
        new = tuple(jobs)
        if [j.id for j in new] == [j.id for j in self.jobs]:
            for row, (old, job) in enumerate(zip(self.jobs, new, strict=True)):
                if old != job:
                    self.jobs = (*self.jobs[:row], job, *self.jobs[row + 1 :])
                    self._touched(row, row + 1)
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        ids = [self.jobs[i.row()].id if i.row() < len(self.jobs) else -1 for i in before]
        self.jobs = new
        rows = {job.id: row for row, job in enumerate(new)}
        after = [
            self.index(rows[id_], i.column()) if id_ in rows else QModelIndex()
            for i, id_ in zip(before, ids, strict=True)
        ]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Jobs."""
        return 0 if parent.isValid() else len(self.jobs)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """What is shown of a job."""
        return 0 if parent.isValid() else len(JOB_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Headings."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return tr(JOB_COLUMNS[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, signs, and the share that is over for the progress column."""
        if not index.isValid() or index.row() >= len(self.jobs):
            return None
        job, column = self.jobs[index.row()], index.column()
        if role == JOB:
            return job
        if role == SHARE and column == PROGRESS:
            return job.progress
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(job, column)
        if role == Qt.ItemDataRole.DecorationRole and column == STATE:
            return state_icon(job.state)
        if role == Qt.ItemDataRole.ToolTipRole:
            return job.message or str(job.output)
        if role == Qt.ItemDataRole.ForegroundRole and column != STATE and job.state in ("cancelled",):
            return theme.color("dim")
        return None

    def _text(self, job: JobState, column: int) -> str:
        if column == FRAMES:
            failed = f" ({tr('{count} failed', count=job.failed)})" if job.failed else ""
            return f"{job.done} / {job.total}{failed}"
        texts = {
            NAME: job.name,
            STATE: state_text(job.state),
            PROGRESS: f"{job.progress:.0%}",
            ELAPSED: duration(job.elapsed_s),
            LEFT: duration(job.eta_s) if job.state in ("waiting", "rendering") else "",
            FILES: str(job.output),
        }
        return texts[column]


class FrameModel(QAbstractListModel):
    """Frames of a job with the pictures that came of them."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: tuple[FrameState, ...] = ()
        self._pictures: dict[tuple[str, float], QIcon] = {}
        translated(self.relabel)

    def relabel(self) -> None:
        """Say the states again."""
        if self.frames:
            self.dataChanged.emit(self.index(0), self.index(len(self.frames) - 1))

    def take(self, frames: Sequence[FrameState]) -> None:
        """Show these frames."""
        new = tuple(frames)
        if [f.frame for f in new] == [f.frame for f in self.frames]:
            for row, (old, frame) in enumerate(zip(self.frames, new, strict=True)):
                if old != frame:
                    self.frames = (*self.frames[:row], frame, *self.frames[row + 1 :])
                    self.dataChanged.emit(self.index(row), self.index(row))
            return
        self.beginResetModel()
        self.frames = new
        self._pictures.clear()
        self.endResetModel()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Frames."""
        return 0 if parent.isValid() else len(self.frames)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The number and state, the thumbnail, and what went wrong."""
        if not index.isValid() or index.row() >= len(self.frames):
            return None
        frame = self.frames[index.row()]
        if role == JOB:
            return frame
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(frame)
        if role == Qt.ItemDataRole.DecorationRole:
            return self._picture(frame)
        if role == Qt.ItemDataRole.ToolTipRole:
            lines = [tr("Frame {frame}", frame=frame.frame), state_text(frame.state), frame.message]
            return "\n".join(line for line in lines if line)
        return None

    def _text(self, frame: FrameState) -> str:
        if frame.state == "rendering" and frame.of:
            return f"{frame.frame}  {min(frame.samples / frame.of, 1.0):.0%}"
        if frame.state == "done":
            return f"{frame.frame}  {duration(frame.seconds)}"
        return f"{frame.frame}  {state_text(frame.state)}"

    def _picture(self, frame: FrameState) -> QIcon:
        if not frame.thumbnail:
            return state_icon(frame.state)
        try:
            key = (str(frame.thumbnail), frame.samples)
            found = self._pictures.get(key)
            if found is None:
                picture = QPixmap(str(frame.thumbnail))
                found = QIcon(picture) if not picture.isNull() else state_icon(frame.state)
                self._pictures = {k: v for k, v in self._pictures.items() if k[0] != key[0]} | {key: found}
        except OSError:
            return state_icon(frame.state)
        return found
