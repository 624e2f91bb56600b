"""What the dope sheet and the strips share: rows with labels at the left, a ruler that scrubs above them, zoom and pan,
and the line of the present frame. Only the rows that are seen are ever looked at."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QScrollBar, QWidget

from studio.commands.studio import Studio, Update
from studio.ui import theme
from studio.ui.i18n import translated
from studio.ui.panel import Desk
from studio.ui.timeline_paint import draw_outside, draw_playhead, draw_ruler
from studio.ui.timeline_scale import Scale, told

CLICK_PX = 3.0
_drags = itertools.count()


def whole(frame: float, modifiers: Qt.KeyboardModifier) -> float:
    """A frame that a hand chose: whole but with Ctrl."""
    return round(frame, 3) if modifiers & Qt.KeyboardModifier.ControlModifier else float(round(frame))


class SheetCanvas(QWidget):
    """A sheet; one that is told by `rows_count`, `paint_row` and `press` what is on it."""

    row_units, label_units = 21.0, 190.0

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.place = "timeline"
        self._studio, self._desk = studio, desk
        self.scale = Scale()
        self._fitted = False
        self.drag: Callable[[QPointF, Qt.KeyboardModifier], object] | None = None
        self.dropped: Callable[[], object] | None = None  # what the end of the drag does
        self.token = ""
        self._pan: QPointF | None = None
        self._label_width = theme.size(self.label_units)
        self.bar = QScrollBar(Qt.Orientation.Vertical, self)
        self.bar.valueChanged.connect(lambda value: self.update())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._forget = studio.watch(self._heard)
        theme.signals().changed.connect(self._resized)
        translated(self.update)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    # --- for the kinds of sheet --------------------------------------------------------------------------------------
    def rows_count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def paint_row(self, painter: QPainter, row: int, label: QRectF, area: QRectF) -> None:
        """Draw a row: its label, and what is on it."""
        raise NotImplementedError

    def paint_over(self, painter: QPainter, area: QRectF) -> None:
        """Draw what lies over all rows."""

    def press(self, at: QPointF, row: int, event: QMouseEvent) -> None:
        """The left button went down on a row (-1: below them), not in the ruler; may set `drag`."""

    def changed(self, update: Update) -> None:
        """Something of the studio but the frame changed."""

    def tip_cursor(self, at: QPointF) -> Qt.CursorShape:
        """The pointer's shape over a place."""
        return Qt.CursorShape.ArrowCursor

    def whole_range(self) -> tuple[float, float]:
        """What "show all" shows."""
        scene = self._studio.scene
        return scene.frame_start, max(scene.frame_end, scene.frame_start + 1.0)

    # --- where things are --------------------------------------------------------------------------------------------
    def sizeHint(self) -> QSize:
        return QSize(theme.size(600), theme.size(200))

    @property
    def row_height(self) -> int:
        """Of one row, in logical pixels."""
        return theme.size(self.row_units)

    @property
    def ruler(self) -> QRectF:
        """Where the ruler stands."""
        return QRectF(self._label_width, 0.0, self.sheet_width, theme.size(22))

    @property
    def sheet_width(self) -> float:
        """Pixels along which frames go."""
        return max(self.width() - self._label_width - self.bar.width(), 1.0)

    def x_of(self, frame: float) -> float:
        """Where a frame stands in the widget."""
        return self._label_width + self.scale.x(frame)

    def frame_at(self, x: float) -> float:
        """The frame at a place of the widget."""
        return self.scale.frame(x - self._label_width)

    def row_top(self, row: int) -> float:
        """Where a row begins; rows scroll."""
        return self.ruler.bottom() + row * self.row_height - self.bar.value()

    def row_at(self, y: float) -> int:
        """The row at a height, -1 for none."""
        row = int((y - self.ruler.bottom() + self.bar.value()) // self.row_height)
        return row if y >= self.ruler.bottom() and 0 <= row < self.rows_count() else -1

    def seen_rows(self) -> Iterator[int]:
        """Rows that are on the screen."""
        first = max(int(self.bar.value() // self.row_height), 0)
        room = self.height() - self.ruler.bottom()
        yield from range(first, min(self.rows_count(), int((self.bar.value() + room) // self.row_height) + 1))

    def in_labels(self, at: QPointF) -> bool:
        """Whether a place lies in the column of labels."""
        return at.x() < self._label_width

    def fit(self) -> None:
        """Show all frames of interest."""
        self.scale = Scale(0.0, 1.0, self.sheet_width).fitted(*self.whole_range(), edge=theme.size(24))
        self.update()

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if "path" in update.parts:
            self._fitted = False
        if update.change is None and update.parts == {"frame"}:
            if self._studio.playing:
                self.scale = self.scale.showing(self._studio.frame)
            self.update()
            return
        self.changed(update)
        self.relaid()

    def relaid(self) -> None:
        """Follow the number of rows."""
        room = self.height() - int(self.ruler.bottom())
        self.bar.setRange(0, max(self.rows_count() * self.row_height - room, 0))
        self.bar.setPageStep(max(room, 1))
        self.bar.setSingleStep(self.row_height)
        if not self._fitted and self.width() > self._label_width + 50:
            self._fitted = True
            self.fit()
        self.update()

    def _resized(self) -> None:
        self._label_width = min(theme.size(self.label_units), max(self.width() // 3, 40))
        width = theme.size(10)
        top = int(self.ruler.bottom())
        self.bar.setGeometry(self.width() - width, top, width, max(self.height() - top, 0))
        self.scale = Scale(self.scale.left, self.scale.per_frame, self.sheet_width)
        self.relaid()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As much more is seen as there is more room."""
        self._resized()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """Rows that are seen, the ruler, the present frame."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics, scene = QFontMetricsF(self.font()), self._studio.scene
        code, ruler = self._studio.preferences.timecode, self.ruler
        sheet = QRectF(self._label_width, ruler.bottom(), self.sheet_width, self.height() - ruler.bottom())
        painter.fillRect(self.rect(), theme.color("well"))
        painter.save()
        painter.translate(sheet.left(), 0.0)
        draw_outside(
            painter,
            QRectF(0.0, sheet.top(), sheet.width(), sheet.height()),
            self.scale,
            scene.frame_start,
            scene.frame_end,
        )
        painter.restore()
        for row in self.seen_rows():
            top = self.row_top(row)
            label = QRectF(0.0, top, self._label_width, self.row_height)
            area = QRectF(sheet.left(), top, sheet.width(), self.row_height)
            self.paint_row(painter, row, label, area)
        painter.save()
        painter.setClipRect(sheet)
        self.paint_over(painter, sheet)
        painter.restore()
        painter.fillRect(QRectF(0.0, 0.0, self.width(), ruler.height()), theme.color("chrome"))
        painter.save()
        painter.setClipRect(QRectF(sheet.left(), 0.0, sheet.width(), self.height()))
        painter.translate(sheet.left(), 0.0)
        along = QRectF(0.0, 0.0, sheet.width(), ruler.height())
        draw_ruler(painter, along, self.scale, metrics, fps=scene.fps, timecode=code)
        text = told(self._studio.frame, scene.fps, as_timecode=code)
        whole_area = QRectF(0.0, 0.0, sheet.width(), self.height())
        draw_playhead(painter, whole_area, along, self.scale, metrics, frame=self._studio.frame, text=text)
        painter.restore()
        painter.setPen(QPen(theme.color("line"), 1))
        painter.drawLine(QPointF(sheet.left() - 0.5, 0.0), QPointF(sheet.left() - 0.5, float(self.height())))
        if self.hasFocus():
            painter.setPen(theme.color("accent_dim"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    # --- the hand ----------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Scrub in the ruler, pan with the middle button; the rest is the sheet's."""
        at = event.position()
        if event.button() == Qt.MouseButton.MiddleButton:
            self._pan = at
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.button() == Qt.MouseButton.LeftButton:
            self.token = f"sheet-{next(_drags)}"
            if at.y() < self.ruler.bottom() and not self.in_labels(at):
                self.drag = self._scrub
                self._scrub(at, event.modifiers())
            else:
                self.press(at, self.row_at(at.y()), event)
            self.update()

    def _scrub(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        frame = whole(self.frame_at(at.x()), modifiers)
        if frame != self._studio.frame:
            self._studio.frame = frame
            self._desk.sound.scrub(frame)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began."""
        at = event.position()
        if self._pan is not None:
            self.scale = self.scale.panned(at.x() - self._pan.x())
            self.bar.setValue(round(self.bar.value() - (at.y() - self._pan.y())))
            self._pan = at
            self.update()
        elif self.drag is not None:
            self.drag(at, event.modifiers())
        else:
            self.setCursor(self.tip_cursor(at))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the drag."""
        if event.button() == Qt.MouseButton.MiddleButton:
            self._pan = None
            self.unsetCursor()
        elif event.button() == Qt.MouseButton.LeftButton:
            if self.drag is not None:  # where it is let go counts, also when no move was told up to there
                self.drag(event.position(), event.modifiers())
            self._end()

    def _end(self) -> None:
        dropped, self.drag, self.dropped = self.dropped, None, None
        if dropped is not None:
            dropped()
        self._desk.status("")
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape takes a drag back."""
        if event.key() == Qt.Key.Key_Escape and self.drag is not None:
            self._studio.document.abandon(self.token)
            self.dropped = None
            self._end()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll the rows; zoom with Ctrl or over the ruler, pan with Shift."""
        turn, modifiers, at = event.angleDelta(), event.modifiers(), event.position()
        if (turn.x() and not turn.y()) or modifiers & Qt.KeyboardModifier.ShiftModifier:
            self.scale = self.scale.panned((turn.x() or turn.y()) * 0.5)
        elif modifiers & Qt.KeyboardModifier.ControlModifier or at.y() < self.ruler.bottom() or not self.bar.maximum():
            self.scale = self.scale.zoomed(2.0 ** (turn.y() / 480.0), at.x() - self._label_width)
        else:
            self.bar.setValue(self.bar.value() - round(turn.y() / 120.0 * 3 * self.row_height))
        self.update()
        event.accept()
