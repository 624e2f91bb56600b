"""The log panel: what the studio told, the commands that were given, and the details of faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLineEdit, QPlainTextEdit, QToolButton, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.ui import theme
from studio.ui.i18n import say, tr
from studio.ui.panel import panel

if TYPE_CHECKING:
    from studio.ui.window import Window

_INKS = {"error": "error", "warning": "warning", "info": "text", "command": "dim"}


@panel("log", N_("Log"), "bottom", "log", default=False)
class LogPanel(QWidget):
    """The lines, newest last; a filter; a button that copies them."""

    def __init__(self, studio: Studio, desk: Window, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._log = desk.application.log
        self.filter = QLineEdit(self)
        self.filter.setObjectName("filter")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._fill)
        say(self.filter.setPlaceholderText, "Filter the log")
        say(self.filter.setAccessibleName, "Filter the log")
        self.lines = QPlainTextEdit(self)
        self.lines.setObjectName("console")
        self.lines.setReadOnly(True)
        self.lines.setTabChangesFocus(True)
        say(self.lines.setAccessibleName, "Log")
        copy = QToolButton(self)
        copy.setObjectName("copy")
        copy.setIcon(theme.icon("copy"))
        copy.clicked.connect(lambda: QApplication.clipboard().setText(self.lines.toPlainText()))
        say(copy.setToolTip, "Copy what is shown")
        say(copy.setAccessibleName, "Copy what is shown")
        row = QHBoxLayout()
        row.setContentsMargins(theme.size(6), theme.size(4), theme.size(6), theme.size(4))
        row.addWidget(self.filter, 1)
        row.addWidget(copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(row)
        layout.addWidget(self.lines, 1)
        self.setFocusProxy(self.filter)
        self._dress()
        theme.signals().changed.connect(self._dress)
        self._forget = self._log.watch(self._add)
        self._fill()

    def close_panel(self) -> None:
        """Let go of the log."""
        self._forget()

    def _dress(self) -> None:
        self.lines.setFont(theme.monospace())

    def _fill(self) -> None:
        self.lines.clear()
        self.lines.setPlaceholderText(tr("Nothing was told yet."))
        for line in self._log.lines:
            self._add(line)

    def _add(self, line: str) -> None:
        if self.filter.text().lower() not in line.lower():
            return
        cursor = QTextCursor(self.lines.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        form = QTextCharFormat()
        form.setForeground(theme.color(_INKS.get(line.split()[1] if len(line.split()) > 1 else "", "text")))
        cursor.insertText(line + "\n", form)
