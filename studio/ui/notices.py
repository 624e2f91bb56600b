"""Notices: what the studio tells without asking for an answer. Shown over the window for a while, kept in a list."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.ui import theme
from studio.ui.i18n import tr

KINDS = ("info", "warning", "error")
_SHOWN_S = {"info": 5.0, "warning": 10.0, "error": 20.0}
_KEPT = 500
_STACKED = 4


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence. `at` is the time of day in seconds since the epoch."""

    sentence: str
    kind: str
    at: float


class Notices(QObject):
    """The list. `added` is emitted with each `Notice`."""

    added = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.kept: deque[Notice] = deque(maxlen=_KEPT)

    def add(self, sentence: str, *, kind: str = "info") -> None:
        """Tell something."""
        notice = Notice(sentence, kind if kind in KINDS else "info", time.time())
        self.kept.append(notice)
        self.added.emit(notice)


class NoticeStack(QWidget):
    """Shows the last notices in the lower right corner of a window, above everything and in nobody's way."""

    def __init__(self, notices: Notices, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("notices")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.size(6))
        self._window = window
        notices.added.connect(self.show_notice)
        window.installEventFilter(self)
        self.hide()

    def show_notice(self, notice: Notice) -> None:
        """Put a notice on the stack; the oldest makes room."""
        if not self._window.isVisible():
            return
        shown = self.findChildren(_Notice, options=Qt.FindChildOption.FindDirectChildrenOnly)
        for old in shown[: max(0, len(shown) - _STACKED + 1)]:
            self._drop(old)
        entry = _Notice(notice, self)
        entry.closed.connect(lambda: self._drop(entry))
        self._column.addWidget(entry)
        self.show()
        self.raise_()
        self._place()

    def _drop(self, entry: QWidget) -> None:
        self._column.removeWidget(entry)
        entry.hide()
        entry.setParent(None)
        entry.deleteLater()
        if self._column.count() == 0:
            self.hide()
        else:
            self._place()

    def _place(self) -> None:
        margin = theme.size(14)
        self.setFixedWidth(min(theme.size(400), max(1, self._window.width() - 2 * margin)))
        entries = self.findChildren(_Notice, options=Qt.FindChildOption.FindDirectChildrenOnly)
        heights = [max(e.heightForWidth(self.width()), e.minimumSizeHint().height()) for e in entries]
        self.setFixedHeight(max(1, sum(heights) + self._column.spacing() * (len(heights) - 1)))
        corner = QPoint(
            self._window.width() - self.width() - margin, self._window.height() - self.height() - 3 * margin
        )
        self.move(corner)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._window and event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False


class _Notice(QWidget):
    """One notice: a sign, the sentence, a cross. Stays while the pointer is over it."""

    closed = Signal()

    def __init__(self, notice: Notice, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.setProperty("kind", notice.kind)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(notice.sentence)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.size(10), theme.size(8), theme.size(6), theme.size(8))
        row.setSpacing(theme.size(8))
        sign = QLabel(self)
        sign.setPixmap(theme.icon(f"notice-{notice.kind}", notice.kind).pixmap(theme.size(16)))
        text = QLabel(notice.sentence, self)
        text.setObjectName("sentence")
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        cross = QToolButton(self)
        cross.setObjectName("dismiss")
        cross.setIcon(theme.icon("close"))
        cross.setAccessibleName(tr("Dismiss"))
        cross.setToolTip(tr("Dismiss"))
        cross.clicked.connect(self.closed)
        row.addWidget(sign)
        row.addWidget(text, 1)
        row.addWidget(cross)
        self._timer = QTimer(self, singleShot=True, interval=int(_SHOWN_S[notice.kind] * 1000))
        self._timer.timeout.connect(self.closed)
        self._timer.start()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Enter:
            self._timer.stop()
        elif event.type() == QEvent.Type.Leave:
            self._timer.start()
        return super().event(event)
