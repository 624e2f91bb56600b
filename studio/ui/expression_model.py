"""The rows of the expression panel for a view of Qt's, which is how screen readers hear of them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QWidget

from studio.commands.expression_desk import ExpressionDesk
from studio.scene import expression_edits as edits
from studio.ui.expression_paint import said
from studio.ui.expression_rows import Row, spoken

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class ControlModel(QAbstractListModel):
    """The rows, for the view and for screen readers."""

    def __init__(self, faces: ExpressionDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._faces = faces
        self.rows: tuple[Row, ...] = ()

    def set_rows(self, rows: tuple[Row, ...]) -> None:
        """Show other rows."""
        if rows != self.rows:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            figure = self._faces.figure
            if row.header or figure is None:
                return row.label
            values = edits.weights(figure)
            return ", ".join(f"{spoken(name)}: {said(values.get(name, 0.0))}" for name in row.names)
        return None
