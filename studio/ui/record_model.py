"""Records as the rows of a table, told anew as a whole again and again. Rows come, go and change one by one, so that
selections stay and only what changed is drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from studio.ui.i18n import tr, translated

Index = QModelIndex | QPersistentModelIndex
RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_NOWHERE = QModelIndex()


class RecordModel(QAbstractTableModel):
    """Records that `key` tells apart, under headings (English), of which those in `right` stand over numbers and those
    in `help` explain themselves. What a cell says is the subclass's."""

    def __init__(
        self,
        columns: Sequence[str],
        key: Callable[[Any], object],
        *,
        right: Collection[int] = (),
        help: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__()
        self.records: list[Any] = []
        self._columns, self._key, self._right, self._help = columns, key, right, help or {}
        translated(self.relabel)

    def relabel(self) -> None:
        """Say the headings and cells again."""
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(self._columns) - 1)
        if self.records:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.records) - 1, len(self._columns) - 1))

    def take(self, records: Sequence[Any]) -> None:
        """Show these records; new ones stand below the others."""
        wanted = {self._key(record): record for record in records}
        gone = [row for row, record in enumerate(self.records) if self._key(record) not in wanted]
        for first, last in reversed(_runs(gone)):
            self.beginRemoveRows(QModelIndex(), first, last)
            del self.records[first : last + 1]
            self.endRemoveRows()
        changed = []
        for row, old in enumerate(self.records):
            new = wanted.pop(self._key(old))
            if new != old:
                self.records[row] = new
                changed.append(row)
        for first, last in _runs(changed):
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(self._columns) - 1))
        if wanted:
            first = len(self.records)
            self.beginInsertRows(QModelIndex(), first, first + len(wanted) - 1)
            self.records.extend(wanted.values())
            self.endInsertRows()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Records."""
        return 0 if parent.isValid() else len(self.records)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """What is shown of a record."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Headings."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return tr(self._columns[section])
        if role == Qt.ItemDataRole.ToolTipRole and section in self._help:
            return tr(self._help[section])
        if role == Qt.ItemDataRole.TextAlignmentRole and section in self._right:
            return RIGHT
        return None


def _runs(rows: Sequence[int]) -> list[tuple[int, int]]:
    """Rows that follow one another, as first and last."""
    out: list[tuple[int, int]] = []
    for row in rows:
        if out and row == out[-1][1] + 1:
            out[-1] = (out[-1][0], row)
        else:
            out.append((row, row))
    return out
