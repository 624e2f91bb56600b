"""A colour: a swatch that opens a picker.

Colours of the scene are linear Rec.709 and may be brighter than 1. The picker works on what the eye sees: hue and
saturation of the sRGB-encoded colour in a square, value beside it, with numbers for the linear components and a hex
code for the encoded ones. Like a number (`studio.ui.number_edit`) it tells `began`, `changed` and `ended`.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QAbstractButton, QFormLayout, QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.ui import theme
from studio.ui.expressions import Entry
from studio.ui.i18n import say
from studio.ui.number_edit import NumberEdit, Range

Color = tuple[float, float, float]


def encoded(linear: float) -> float:
    """IEC 61966-2-1: the sRGB value in 0..1 of a linear one, clipped."""
    x = min(max(linear, 0.0), 1.0)
    return 12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055


def decoded(value: float) -> float:
    """The linear value of an sRGB one in 0..1."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def seen(color: Color) -> QColor:
    """The colour of a swatch; what is brighter than 1 is scaled to it, so that its hue shows."""
    peak = max(*color, 1.0)
    return QColor.fromRgbF(*(encoded(c / peak) for c in color))


class ColorEdit(QAbstractButton):
    """A swatch of a linear colour; pressing it opens the picker."""

    began = Signal()
    changed = Signal(object)  # Color
    ended = Signal(bool)

    def __init__(self, *, limit: float | None = 1.0, parent: QWidget | None = None) -> None:
        """`limit` is the largest component allowed, None for any."""
        super().__init__(parent)
        self.limit = limit
        self.color: Color = (1.0, 1.0, 1.0)
        self.mixed = False
        self._picker: ColorPicker | None = None
        self.setMinimumSize(theme.size(46), theme.size(18))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(self.open)

    def set_color(self, color: Color, *, mixed: bool = False) -> None:
        """Show a colour."""
        self.color, self.mixed = color, mixed
        if self._picker is not None and self._picker.isVisible():
            self._picker.follow(color)
        self.update()

    def open(self) -> None:
        """Show the picker beside the swatch."""
        if self._picker is None:
            self._picker = ColorPicker(self)
        self._picker.follow(self.color)
        at = self.mapToGlobal(self.rect().bottomLeft())
        room = self.screen().availableGeometry()
        hint = self._picker.sizeHint()
        at.setX(max(room.left(), min(at.x(), room.right() - hint.width())))
        if at.y() + hint.height() > room.bottom():
            at.setY(self.mapToGlobal(self.rect().topLeft()).y() - hint.height())
        self._picker.move(at)
        self._picker.show()

    def picked(self, color: Color) -> None:
        """One whole change from outside of a drag."""
        self.began.emit()
        self.changed.emit(color)
        self.ended.emit(True)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The swatch; striped where several differ."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setBrush(seen(self.color))
        painter.setPen(QPen(theme.color("accent" if self.hasFocus() else "border"), 1))
        painter.drawRoundedRect(box, 2, 2)
        if self.mixed:
            painter.setBrush(QColor(0, 0, 0, 110))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawPolygon([box.topRight(), box.bottomRight(), box.bottomLeft()])
        if max(self.color) > 1.0:
            painter.setPen(QColor(0, 0, 0))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"×{max(self.color):.3g}")
        painter.end()


class ColorPicker(QFrame):
    """The popup: hue and saturation, value, numbers and hex."""

    def __init__(self, swatch: ColorEdit) -> None:
        super().__init__(swatch, Qt.WindowType.Popup)
        self.setObjectName("color-picker")
        self._swatch = swatch
        self._following = False
        self._square = _Square(self)
        self._value = _ValueBar(self)
        self._numbers = [NumberEdit(Range(lo=0.0, hi=swatch.limit, soft_lo=0.0, soft_hi=1.0)) for _ in range(3)]
        self._hex = QLineEdit()
        self._build()
        for area in (self._square, self._value):
            area.began.connect(swatch.began)
            area.ended.connect(swatch.ended)
            area.moved.connect(self._from_eye)
        for part, number in enumerate(self._numbers):
            number.began.connect(swatch.began)
            number.ended.connect(swatch.ended)
            number.changed.connect(lambda entry, part=part: self._from_number(part, entry))
        self._hex.editingFinished.connect(self._from_hex)

    def _build(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self._square)
        row.addWidget(self._value)
        form = QFormLayout()
        for label, number in zip((N_("Red"), N_("Green"), N_("Blue")), self._numbers, strict=True):
            form.addRow(label, number)
            say(form.labelForField(number).setText, label)  # type: ignore[attr-defined]
            say(number.setAccessibleName, label)
            number.setObjectName(f"color-{label.lower()}")
        form.addRow("sRGB", self._hex)
        self._hex.setObjectName("color-hex")
        say(self._hex.setAccessibleName, N_("Hex code"))
        outer = QVBoxLayout(self)
        outer.addLayout(row)
        outer.addLayout(form)
        say(self._square.setAccessibleName, N_("Hue and saturation"))
        say(self._value.setAccessibleName, N_("Value"))

    def follow(self, color: Color) -> None:
        """Show a colour without telling anybody."""
        self._following = True
        peak = max(*color, 1.0)
        hue, saturation, value = hsv((encoded(color[0] / peak), encoded(color[1] / peak), encoded(color[2] / peak)))
        if saturation < 1e-6:
            hue = self._square.hue
        self._square.show_at(hue, saturation)
        self._value.show_at(hue, saturation, value, peak)
        for number, part in zip(self._numbers, color, strict=True):
            number.set_value(part)
        if not self._hex.hasFocus():
            self._hex.setText(seen(color).name())
        self._following = False

    def _from_eye(self) -> None:
        if self._following:
            return
        h, s, v, peak = self._square.hue, self._square.saturation, self._value.value, self._value.peak
        r, g, b = (decoded(c) * peak for c in rgb((h, s, v)))
        self._swatch.changed.emit((r, g, b))

    def _from_number(self, part: int, entry: Entry) -> None:
        new = list(self._swatch.color)
        value = max(entry.new(self._numbers[part].value), 0.0)
        new[part] = value if self._swatch.limit is None else min(value, self._swatch.limit)
        self._swatch.changed.emit((new[0], new[1], new[2]))

    def _from_hex(self) -> None:
        text = self._hex.text().strip()
        found = QColor(text if text.startswith("#") else f"#{text}")
        if found.isValid() and found.name() != seen(self._swatch.color).name():
            r, g, b = (decoded(c) for c in (found.redF(), found.greenF(), found.blueF()))
            self._swatch.picked((r, g, b))
        self._hex.setText(seen(self._swatch.color).name())


class _Area(QWidget):
    """Something that a press and a drag set."""

    began = Signal()
    moved = Signal()
    ended = Signal(bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.began.emit()
            self._to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._to(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.ended.emit(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: (-0.01, 0.0),
            Qt.Key.Key_Right: (0.01, 0.0),
            Qt.Key.Key_Up: (0.0, 0.01),
            Qt.Key.Key_Down: (0.0, -0.01),
        }
        step = steps.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        self.began.emit()
        self._by(*step)
        self.ended.emit(True)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def _to(self, at: QPointF) -> None:
        raise NotImplementedError

    def _by(self, x: float, y: float) -> None:
        raise NotImplementedError


class _Square(_Area):
    """Hue across, saturation upwards."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.hue = 0.0
        self.saturation = 0.0
        self.setFixedSize(theme.size(180), theme.size(140))

    def show_at(self, hue: float, saturation: float) -> None:
        self.hue, self.saturation = hue, saturation
        self.update()

    def _to(self, at: QPointF) -> None:
        self._set(at.x() / max(self.width() - 1, 1), 1.0 - at.y() / max(self.height() - 1, 1))

    def _by(self, x: float, y: float) -> None:
        self._set(self.hue + x, self.saturation + y)

    def _set(self, hue: float, saturation: float) -> None:
        self.show_at(min(max(hue, 0.0), 1.0), min(max(saturation, 0.0), 1.0))
        self.moved.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        across = QLinearGradient(0, 0, self.width(), 0)
        for k in range(7):
            across.setColorAt(k / 6, QColor.fromHsvF((k / 6) % 1.0, 1.0, 1.0))
        painter.fillRect(self.rect(), across)
        down = QLinearGradient(0, 0, 0, self.height())
        down.setColorAt(0, QColor(255, 255, 255, 0))
        down.setColorAt(1, QColor(255, 255, 255, 255))
        painter.fillRect(self.rect(), down)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        at = QPointF(self.hue * (self.width() - 1), (1 - self.saturation) * (self.height() - 1))
        painter.setPen(QPen(QColor(0, 0, 0), 3))
        painter.drawEllipse(at, 5, 5)
        painter.setPen(QPen(QColor(255, 255, 255), 1.5))
        painter.drawEllipse(at, 5, 5)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()


class _ValueBar(_Area):
    """Value, upwards."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.value = 1.0
        self.peak = 1.0
        self._hue = self._saturation = 0.0
        self.setFixedSize(theme.size(20), theme.size(140))

    def show_at(self, hue: float, saturation: float, value: float, peak: float) -> None:
        self._hue, self._saturation, self.value, self.peak = hue, saturation, value, peak
        self.update()

    def _to(self, at: QPointF) -> None:
        self._set(1.0 - at.y() / max(self.height() - 1, 1))

    def _by(self, x: float, y: float) -> None:
        self._set(self.value + y)

    def _set(self, value: float) -> None:
        self.value = min(max(value, 0.0), 1.0)
        self.update()
        self.moved.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        down = QLinearGradient(0, 0, 0, self.height())
        down.setColorAt(0, QColor.fromRgbF(*rgb((self._hue, self._saturation, 1.0))))
        down.setColorAt(1, QColor(0, 0, 0))
        painter.fillRect(self.rect(), down)
        y = (1 - self.value) * (self.height() - 1)
        painter.setPen(QPen(QColor(0, 0, 0), 3))
        painter.drawLine(QPointF(0, y), QPointF(self.width(), y))
        painter.setPen(QPen(QColor(255, 255, 255), 1))
        painter.drawLine(QPointF(0, y), QPointF(self.width(), y))
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()


def hsv(color: Color) -> Color:
    """Hue, saturation and value, all 0..1, of a colour in 0..1."""
    top, low = max(color), min(color)
    chroma = top - low
    if chroma <= 0:
        return (0.0, 0.0, top)
    r, g, b = color
    if top == r:
        sixth = ((g - b) / chroma) % 6
    elif top == g:
        sixth = (b - r) / chroma + 2
    else:
        sixth = (r - g) / chroma + 4
    return (sixth / 6, chroma / top, top)


def rgb(color: Color) -> Color:
    """The colour of hue, saturation and value, all 0..1."""
    h, s, v = color

    def part(n: float) -> float:
        k = math.fmod(n + h * 6, 6.0)
        return v - v * s * max(0.0, min(k, 4 - k, 1.0))

    return (part(5), part(3), part(1))
