"""The console panel: Python with the open studio in it as `studio`. Up and Down recall, Tab completes."""

from __future__ import annotations

import code
import contextlib
import io
import rlcompleter
import sys
import traceback
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QKeyEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPlainTextEdit, QToolButton, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.ui import theme
from studio.ui.i18n import say, tr
from studio.ui.panel import Desk, panel

_LINES = 5000
_COMPLETIONS = 40


class _Interpreter(code.InteractiveConsole):
    """Tells faults itself: the application's net is for those that nobody is looking at."""

    def showtraceback(self) -> None:
        kind, fault, trace = sys.exc_info()
        self.write("".join(traceback.format_exception(kind, fault, trace.tb_next if trace else None)))

    def showsyntaxerror(self, filename: str | None = None, **_: Any) -> None:
        kind, fault, _trace = sys.exc_info()
        self.write("".join(traceback.format_exception_only(kind, fault)))


@panel("console", N_("Console"), "bottom", "console", default=False)
class Console(QWidget):
    """An interpreter: what was said above, the line to type below."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._studio, self._desk = studio, desk
        self._names: dict[str, Any] = {"studio": studio, "__name__": "__console__"}
        self._interpreter = _Interpreter(self._names)
        self._typed: list[str] = []
        self._recalled = 0
        self.output = QPlainTextEdit(self)
        self.output.setObjectName("console")
        self.output.setReadOnly(True)
        self.output.setMaximumBlockCount(_LINES)
        self.output.setTabChangesFocus(True)
        self.input = QLineEdit(self)
        self.input.setObjectName("input")
        self.input.returnPressed.connect(self._enter)
        self.input.installEventFilter(self)
        self._prompt = QLabel(">>>", self)
        self._prompt.setObjectName("prompt")
        copy = QToolButton(self)
        copy.setObjectName("copy")
        copy.setIcon(theme.icon("copy"))
        copy.clicked.connect(lambda: desk.give("edit.copy_as_python"))
        say(copy.setToolTip, "Copy the last commands as Python")
        say(copy.setAccessibleName, "Copy the last commands as Python")
        say(self.output.setAccessibleName, "Output of the console")
        say(self.input.setAccessibleName, "Line of Python")
        self.input.setPlaceholderText('studio.run("create.point_light")')
        row = QHBoxLayout()
        row.setContentsMargins(theme.size(6), theme.size(4), theme.size(6), theme.size(4))
        row.addWidget(self._prompt)
        row.addWidget(self.input, 1)
        row.addWidget(copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.output, 1)
        layout.addLayout(row)
        self.setFocusProxy(self.input)
        self._dress()
        theme.signals().changed.connect(self._dress)
        self._say(tr("Python, with the open studio as `studio`.") + "\n", "dim")

    def _dress(self) -> None:
        for widget in (self.output, self.input, self._prompt):
            widget.setFont(theme.monospace())

    # --- running -----------------------------------------------------------------------------------------------------
    def _enter(self) -> None:
        self.run(self.input.text())
        self.input.clear()

    def run(self, line: str) -> None:
        """Run a line as if it had been typed."""
        self._say(f"{self._prompt.text()} {line}\n", "dim")
        if line.strip():
            self._typed.append(line)
        self._recalled = len(self._typed)
        said, complained = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
            try:
                more = self._interpreter.push(line)
            except SystemExit:  # exit() at a console leaves the line, not the studio
                more = False
        self._prompt.setText("..." if more else ">>>")
        self._say(said.getvalue(), "text")
        self._say(complained.getvalue(), "error")

    def _say(self, text: str, ink: str) -> None:
        if not text:
            return
        cursor = self.output.textCursor()
        cursor.movePosition(QTextCursor.MoveOperation.End)
        form = QTextCharFormat()
        form.setForeground(QColor(theme.COLORS[ink]))
        cursor.insertText(text, form)
        self.output.setTextCursor(cursor)
        self.output.ensureCursorVisible()

    # --- keys --------------------------------------------------------------------------------------------------------
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.input and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
                self._recall(-1 if event.key() == Qt.Key.Key_Up else 1)
                return True
            if event.key() == Qt.Key.Key_Tab and self.input.text().strip():
                self._complete()
                return True
        return super().eventFilter(watched, event)

    def _recall(self, step: int) -> None:
        self._recalled = min(max(self._recalled + step, 0), len(self._typed))
        self.input.setText(self._typed[self._recalled] if self._recalled < len(self._typed) else "")

    def _complete(self) -> None:
        before = self.input.text()[: self.input.cursorPosition()]
        start = max((before.rfind(c) for c in " ([{,=+-*/\"'"), default=-1) + 1
        word = before[start:]
        completer = rlcompleter.Completer(self._names)
        found = [m for i in range(_COMPLETIONS) if word and (m := completer.complete(word, i))]
        if not found:
            return
        common = found[0]
        for other in found[1:]:
            while not other.startswith(common):
                common = common[:-1]
        self.input.setText(before[:start] + common + self.input.text()[len(before) :])
        self.input.setCursorPosition(start + len(common))
        if len(found) > 1:
            self._say("  ".join(found) + "\n", "dim")
