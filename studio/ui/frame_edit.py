"""A field for a frame: a number or, where the artist prefers that, timecode. Either is understood in both."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from studio.errors import UsageError
from studio.scene.timecode import frame_of
from studio.ui import theme
from studio.ui.timeline_scale import told


class FrameEdit(QLineEdit):
    """`entered` tells a frame that was typed or stepped to, `refused` a sentence about what was no frame."""

    entered = Signal(float)
    refused = Signal(str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._frame: float | None = None
        self._fps, self._timecode = 24.0, False
        self.returnPressed.connect(self._commit)
        theme.signals().changed.connect(self._fit)
        self._fit()

    def show_frame(self, frame: float | None, fps: float, *, timecode: bool) -> None:
        """Show a frame, None for none. What is being typed stays."""
        wide = timecode != self._timecode
        self._frame, self._fps, self._timecode = frame, fps, timecode
        if wide:
            self._fit()
        if not (self.hasFocus() and self.isModified()):
            self._write()

    def _write(self) -> None:
        text = "" if self._frame is None else told(self._frame, self._fps, as_timecode=self._timecode)
        if text != self.text():
            self.setText(text)

    def _fit(self) -> None:
        widest = "00:00:00:00" if self._timecode else "00000"
        self.setFixedWidth(self.fontMetrics().horizontalAdvance(widest) + theme.size(16))

    def _commit(self) -> None:
        text, self_said = self.text().strip(), self.isModified()
        self.setModified(False)
        if not self_said or not text:
            self._write()
            return
        try:
            frame = frame_of(text, self._fps)
        except UsageError as fault:
            self._write()
            self.refused.emit(str(fault))
            return
        self._frame = frame
        self._write()
        self.selectAll()
        self.entered.emit(frame)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The whole number is there to be typed over."""
        super().focusInEvent(event)
        self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving takes what was typed."""
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.ActiveWindowFocusReason:
            self._commit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down step by a frame, with Shift by ten; Escape gives up."""
        key = event.key()
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self._frame is not None:
            self._commit()
            by = 10.0 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
            self.entered.emit(self._frame + (by if key == Qt.Key.Key_Up else -by))
            self.selectAll()
        elif key == Qt.Key.Key_Escape:
            self.setModified(False)
            self._write()
            self.selectAll()
        else:
            super().keyPressEvent(event)
