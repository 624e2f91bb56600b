"""A number that can be dragged, typed or stepped.

Dragging sideways scrubs (Shift finely, Ctrl coarsely, from where the drag began); a click or the keyboard's focus
opens it for typing, expressions included (`studio.ui.expressions`); Up and Down step. A line below the number shows
where it lies in its range. Several values that differ show as a dash: scrubbing and `+=` change each from its own.

The widget does not know what it edits. It tells `began`, any number of `changed`, then `ended`; every `changed` holds
a function from the value at the beginning to the new one, so whoever listens applies it to as many as it likes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

from studio.errors import UsageError
from studio.ui import theme
from studio.ui.expressions import Entry, understand

_CLICK_PX = 3  # a press that moves less is a click
_TRAVEL_PX = 200  # a scrub over this many pixels runs through a range
MIXED = "—"


@dataclass(frozen=True, slots=True)
class Range:
    """Limits and scale of a number. `soft` ends are those of scrubbing and of the line; `whole` rounds."""

    lo: float | None = None
    hi: float | None = None
    soft_lo: float | None = None
    soft_hi: float | None = None
    whole: bool = False

    def ends(self) -> tuple[float, float] | None:
        """Both soft ends, or None when the number is open to a side."""
        lo = self.soft_lo if self.soft_lo is not None else self.lo
        hi = self.soft_hi if self.soft_hi is not None else self.hi
        return (lo, hi) if lo is not None and hi is not None and hi > lo else None

    @property
    def multiplies(self) -> bool:
        """Whether scrubbing goes by factors: what starts at 0 and has no small range, like an intensity."""
        ends = self.ends()
        return self.lo == 0.0 and (ends is None or ends[1] > 100.0)


def shown(value: float, *, whole: bool = False) -> str:
    """A number as it stands in a field: as few digits as tell it apart at a glance."""
    if whole:
        return str(round(value))
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        return f"{value:.4g}"
    digits = max(0, 4 - max(0, math.floor(math.log10(size)) + 1))
    text = f"{value:.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class NumberEdit(QLineEdit):
    """See the module. `unit` is shown behind the number and understood in what is typed."""

    began = Signal()
    changed = Signal(object)  # Entry
    ended = Signal(bool)  # False: taken back
    refused = Signal(str)  # a sentence

    def __init__(self, range_: Range | None = None, unit: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.range = range_ or Range()
        self.unit = unit
        self._spoken = unit  # how the unit is written
        self.strip: list[QColor] | None = None  # colours along the range, for temperatures
        self._value = 0.0
        self._mixed = False
        self._press: QPoint | None = None
        self._scrubbing = False
        self._typing = False
        self.setMinimumWidth(theme.size(32))
        self.setReadOnly(True)
        self.setCursor(Qt.CursorShape.SizeHorCursor)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)  # the row has one
        self.returnPressed.connect(self._commit)
        self._show()

    # --- value -------------------------------------------------------------------------------------------------------
    @property
    def value(self) -> float:
        """The number shown; the first one's where they differ."""
        return self._value

    @property
    def mixed(self) -> bool:
        """Whether several that differ are shown."""
        return self._mixed

    def set_value(self, value: float, *, mixed: bool = False) -> None:
        """Show a number. What is being typed stays."""
        if (value, mixed) != (self._value, self._mixed):
            self._value, self._mixed = value, mixed
        if not self._typing:
            self._show()

    def say_unit(self, spoken: str) -> None:
        """Write the unit like this, in whichever language; it is typed as before."""
        self._spoken = spoken
        if not self._typing:
            self._show()

    def _show(self) -> None:
        number = MIXED if self._mixed else shown(self._value, whole=self.range.whole)
        unit = self._spoken or self.unit
        text = number if self._mixed or not unit else f"{number}{unit}" if unit == "°" else f"{number} {unit}"
        if text != self.text():
            self.setText(text)
            self.setCursorPosition(0)
        self.update()

    # --- typing ------------------------------------------------------------------------------------------------------
    def start_typing(self) -> None:
        """Open the field for typing, everything selected."""
        if self._typing or not self.isEnabled():
            return
        self._typing = True
        self.setReadOnly(False)
        self.setCursor(Qt.CursorShape.IBeamCursor)
        self.setText("" if self._mixed else repr(round(self._value, 6) if not self.range.whole else round(self._value)))
        self.selectAll()

    def _stop_typing(self) -> None:
        self._typing = False
        self.setReadOnly(True)
        self.setCursor(Qt.CursorShape.SizeHorCursor)
        self._show()

    def _commit(self) -> None:
        if not self._typing:
            self.start_typing()
            return
        text = self.text()
        self._stop_typing()
        if not text.strip() or (not self._mixed and text.strip() == repr(round(self._value, 6))):
            return
        try:
            entry = understand(text, unit=self.unit)
            entry.new(self._value)
        except UsageError as fault:
            self.refused.emit(str(fault))
            return
        self.began.emit()
        self.changed.emit(entry)
        self.ended.emit(True)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The keyboard's focus opens the field."""
        super().focusInEvent(event)
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self.start_typing()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving takes what was typed, unless the window itself lost the focus."""
        super().focusOutEvent(event)
        if self._typing and event.reason() not in (
            Qt.FocusReason.ActiveWindowFocusReason,
            Qt.FocusReason.PopupFocusReason,
        ):
            self._commit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape gives up, Up and Down step, a digit begins typing."""
        key = event.key()
        if key == Qt.Key.Key_Escape and (self._scrubbing or self._typing):
            self._give_up()
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and not self._scrubbing:
            self._step(1 if key == Qt.Key.Key_Up else -1, event.modifiers())
        elif not self._typing and event.text() and event.text() in "0123456789.-+*/(=":
            self.start_typing()
            self.clear()
            super().keyPressEvent(event)
        else:
            super().keyPressEvent(event)

    def _give_up(self) -> None:
        if self._scrubbing:
            self._scrubbing = False
            self._press = None
            self.ended.emit(False)
        else:
            self._stop_typing()

    def _step(self, direction: int, modifiers: Qt.KeyboardModifier) -> None:
        """One step up or down."""
        if self._typing:
            self._commit()
        by = direction * pace(modifiers)
        self.began.emit()
        self.changed.emit(self._moved(by * 10))
        self.ended.emit(True)
        if self.hasFocus():
            self.start_typing()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Only with Ctrl: a wheel that scrolls a panel must not change what it passes over."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and event.angleDelta().y():
            self._step(1 if event.angleDelta().y() > 0 else -1, Qt.KeyboardModifier.NoModifier)
            event.accept()
        else:
            event.ignore()

    # --- scrubbing ---------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A press may become a click or a scrub."""
        if self._typing or event.button() != Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        self._press = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Scrub by the way from the press."""
        if self._press is None:
            super().mouseMoveEvent(event)
            return
        way = event.position().toPoint().x() - self._press.x()
        if not self._scrubbing:
            if abs(way) < _CLICK_PX:
                return
            self._scrubbing = True
            self.began.emit()
        self.changed.emit(self._moved(way * pace(event.modifiers())))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the scrub, or open the field after a click."""
        if self._press is None:
            super().mouseReleaseEvent(event)
            return
        self._press = None
        if self._scrubbing:
            self._scrubbing = False
            self.ended.emit(True)
        else:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self.start_typing()

    def _moved(self, pixels: float) -> Entry:
        """The change that a way in pixels makes."""
        return scrubbed(self.range, pixels, self._value)

    # --- looks -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """The field, and a line that shows where the number lies."""
        super().paintEvent(event)
        ends = self.range.ends()
        if ends is None or self._typing:
            return
        painter = QPainter(self)
        line = QRectF(self.rect()).adjusted(1, 0, -1, -1)
        line.setTop(line.bottom() - theme.size(2))
        if self.strip:
            width = line.width() / len(self.strip)
            for number, colour in enumerate(self.strip):
                painter.fillRect(QRectF(line.left() + number * width, line.top(), width + 1, line.height()), colour)
        if not self._mixed and self.isEnabled():
            share = min(max((self._value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)
            if self.strip:
                mark = QRectF(line.left() + share * (line.width() - 3), line.top() - 2, 3, line.height() + 2)
                painter.fillRect(mark, theme.color("strong"))
            else:
                line.setWidth(line.width() * share)
                painter.fillRect(line, theme.color("accent_dim"))
        painter.end()


def scrubbed(range_: Range, pixels: float, value: float) -> Entry:
    """The change of a number that a way in pixels makes; `value` is the one that the hand is on."""
    if range_.multiplies:
        factor = math.exp2(pixels / 60.0)  # a stop is 60 pixels
        start = 1.0 if value == 0 else 0.0
        return Entry(lambda old: (old + (start if old == 0 and pixels > 0 else 0.0)) * factor, relative=True)
    ends = range_.ends()
    per_pixel = (ends[1] - ends[0]) / _TRAVEL_PX if ends else 0.01
    if range_.whole:
        per_pixel = max(per_pixel, 0.05)
    by = pixels * per_pixel
    lo, hi = range_.lo, range_.hi

    def move(old: float) -> float:
        new = old + by
        new = max(new, lo) if lo is not None else new
        return min(new, hi) if hi is not None else new

    return Entry(move, relative=True)


def pace(modifiers: Qt.KeyboardModifier) -> float:
    """How fast a scrub goes: finely with Shift, coarsely with Ctrl."""
    if modifiers & Qt.KeyboardModifier.ShiftModifier:
        return 0.1
    return 10.0 if modifiers & Qt.KeyboardModifier.ControlModifier else 1.0


def is_typing() -> bool:
    """Whether a text or number field has the keyboard, so that letters are letters."""
    focus = QApplication.focusWidget()
    return isinstance(focus, QLineEdit) and not focus.isReadOnly()
