"""The history panel: every step by its name. Clicking one goes there; what was undone stays until something new."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, QTimer
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QListView, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.document import Document
from studio.ui import theme
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel

Index = QModelIndex | QPersistentModelIndex


class HistoryModel(QAbstractListModel):
    """Row 0 is the scene as it was opened, row n the state after the n-th step."""

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._done: tuple[str, ...] = ()
        self._undone: tuple[str, ...] = ()
        self.refresh()

    def refresh(self) -> None:
        """Follow the document."""
        done, undone = self._document.history
        if (done, undone) == (self._done, self._undone):
            return
        self.beginResetModel()
        self._done, self._undone = done, undone
        self.endResetModel()

    @property
    def current(self) -> int:
        """The row of the present state."""
        return len(self._done)

    def go(self, row: int) -> None:
        """Undo or redo until the state of a row is the present one."""
        while row < len(self._document.history[0]) and self._document.undo():
            pass
        while row > len(self._document.history[0]) and self._document.redo():
            pass

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        return 0 if parent.isValid() else len(self._done) + len(self._undone) + 1

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = index.row()
        if not 0 <= row < self.rowCount():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return tr((N_("As opened"), *self._done, *self._undone)[row])
        if role == Qt.ItemDataRole.ForegroundRole:
            return theme.color("disabled" if row > self.current else "text")
        if role == Qt.ItemDataRole.FontRole and row == self.current:
            font = QFont()
            font.setBold(True)
            return font
        return None


@panel("history", N_("History"), "right", "history", default=False)
class History(QWidget):
    """The list of steps."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._studio = studio
        self.model = HistoryModel(studio.document, self)
        self.list = QListView(self)
        self.list.setObjectName("steps")
        self.list.setModel(self.model)
        self.list.setUniformItemSizes(True)
        self.list.clicked.connect(lambda index: self.model.go(index.row()))
        self.list.activated.connect(lambda index: self.model.go(index.row()))
        say(self.list.setAccessibleName, "Steps that were taken")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        self.setFocusProxy(self.list)
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._refresh)
        self._forget = studio.watch(self._updated)
        translated(self._refresh)

    def close_panel(self) -> None:
        """Let go of the studio."""
        self._forget()

    def _updated(self, update: Update) -> None:
        if update.change is not None and not self._soon.isActive():
            self._soon.start()

    def _refresh(self) -> None:
        self.model.refresh()
        self.list.setCurrentIndex(self.model.index(self.model.current, 0))
        self.list.viewport().update()
