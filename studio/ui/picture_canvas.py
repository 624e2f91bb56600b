"""A picture that is looked at closely: zoomed, panned, wiped against another, probed, and marked.

The canvas shows `QImage`s and knows nothing of renders. Positions that it tells are picture pixels from the top left.

| hand | does |
|---|---|
| wheel | zoom to the cursor |
| middle drag, or Space and drag | pan |
| click | `clicked`: pick what is there |
| Shift and drag | `marked`: a region |
| Alt and drag | `measured`: an area for statistics |
| drag on the wipe line | move the wipe |
"""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from studio.ui import theme

Rect = tuple[int, int, int, int]  # x0, y0, x1, y1, end excluded
_CLICK_PX = 4
_HANDLE_PX = 6
_ZOOMS = (1 / 64, 64.0)


class PictureCanvas(QWidget):
    """See the module."""

    hovered = Signal(int, int)  # -1, -1: beside the picture
    clicked = Signal(int, int)
    marked = Signal(object)  # Rect
    measured = Signal(object)  # Rect
    wiped = Signal(float)
    zoomed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("picture-canvas")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_InputMethodEnabled, False)
        self.setMinimumSize(1, 1)
        self._picture: QImage | None = None
        self._other: QImage | None = None
        self._wipe: float | None = None  # share of the width that shows the first picture
        self._zoom = 1.0  # device pixels of the screen for a pixel of the picture
        self._middle = QPointF(0.5, 0.5)  # the picture's point in the middle of the canvas, as shares
        self._fits = True
        self._drag = ""
        self._from = QPointF()
        self._middle_from = QPointF()
        self._box: QRectF | None = None
        self._space = False
        self.region: Rect | None = None
        self.area: Rect | None = None
        self.message = ""

    def sizeHint(self) -> QSize:
        """A comfortable size."""
        return QSize(theme.size(480), theme.size(300))

    # --- what is shown -----------------------------------------------------------------------------------------------
    @property
    def picture(self) -> QImage | None:
        """The picture shown."""
        return self._picture

    def show_picture(self, picture: QImage | None) -> None:
        """Show a picture; zoom and place stay, unless its size differs and it fitted."""
        self._picture = picture
        self.update()

    def compare(self, other: QImage | None, *, wipe: float | None = None) -> None:
        """Show another picture right of the wipe line (0..1 of the width); None ends it."""
        self._other, self._wipe = other, wipe if other is not None else None
        self.update()

    def show_region(self, region: Rect | None) -> None:
        """Frame the region that is rendered."""
        self.region = region
        self.update()

    def show_area(self, area: Rect | None) -> None:
        """Frame the area that is measured."""
        self.area = area
        self.update()

    def say(self, message: str) -> None:
        """A sentence in the middle, "" for none."""
        if message != self.message:
            self.message = message
            self.update()

    # --- zoom and place ----------------------------------------------------------------------------------------------
    @property
    def zoom(self) -> float:
        """Device pixels of the screen for a pixel of the picture."""
        return self._fitting() if self._fits else self._zoom

    def fit(self) -> None:
        """Show the whole picture, and go on doing so when the panel's size changes."""
        self._fits = True
        self._middle = QPointF(0.5, 0.5)
        self._told()

    def set_zoom(self, zoom: float, at: QPointF | None = None) -> None:
        """Zoom so that the picture's point at a position of the canvas (default: its middle) stays there."""
        if self._picture is None:
            return
        held = at if at is not None else QPointF(self.width() / 2, self.height() / 2)
        before = self._share_at(held)
        self._zoom = min(max(zoom, _ZOOMS[0]), _ZOOMS[1])
        self._fits = False
        after = self._share_at(held)
        self._middle += before - after
        self._told()

    def _told(self) -> None:
        self.zoomed.emit(self.zoom)
        self.update()

    def _fitting(self) -> float:
        if self._picture is None or self._picture.isNull():
            return 1.0
        ratio = self.devicePixelRatioF()
        return max(
            min(self.width() * ratio / self._picture.width(), self.height() * ratio / self._picture.height()), _ZOOMS[0]
        )

    def _scale(self) -> float:
        """Logical pixels of the canvas for a pixel of the picture."""
        return self.zoom / self.devicePixelRatioF()

    def _frame(self) -> QRectF:
        """Where the picture lies on the canvas."""
        if self._picture is None:
            return QRectF()
        width, height = self._picture.width() * self._scale(), self._picture.height() * self._scale()
        return QRectF(
            self.width() / 2 - self._middle.x() * width, self.height() / 2 - self._middle.y() * height, width, height
        )

    def _share_at(self, at: QPointF) -> QPointF:
        frame = self._frame()
        return QPointF(
            (at.x() - frame.x()) / max(frame.width(), 1e-9), (at.y() - frame.y()) / max(frame.height(), 1e-9)
        )

    def pixel_at(self, at: QPointF) -> tuple[int, int] | None:
        """The picture's pixel at a position of the canvas, None beside it."""
        if self._picture is None:
            return None
        share = self._share_at(at)
        x, y = math.floor(share.x() * self._picture.width()), math.floor(share.y() * self._picture.height())
        return (x, y) if 0 <= x < self._picture.width() and 0 <= y < self._picture.height() else None

    def position_of(self, x: float, y: float) -> QPointF:
        """The canvas position of a picture position."""
        frame, scale = self._frame(), self._scale()
        return QPointF(frame.x() + x * scale, frame.y() + y * scale)

    def _rect_of(self, box: QRectF) -> Rect | None:
        """Pixels of the picture that a box on the canvas touches."""
        if self._picture is None:
            return None
        a, b = self._share_at(box.topLeft()), self._share_at(box.bottomRight())
        width, height = self._picture.width(), self._picture.height()
        x0, y0 = max(math.floor(a.x() * width), 0), max(math.floor(a.y() * height), 0)
        x1, y1 = min(math.ceil(b.x() * width), width), min(math.ceil(b.y() * height), height)
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    # --- hands -------------------------------------------------------------------------------------------------------
    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom to the cursor."""
        if event.angleDelta().y():
            self.set_zoom(self.zoom * math.exp2(event.angleDelta().y() / 240.0), event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        """Pinching zooms too."""
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.set_zoom(self.zoom * (1.0 + event.value()), event.position())
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space pans, F fits, 1 shows pixels one to one, Escape ends a drag."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = True
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif event.key() == Qt.Key.Key_F and not event.modifiers():
            self.fit()
        elif event.key() == Qt.Key.Key_1 and not event.modifiers():
            self.set_zoom(1.0)
        elif event.key() == Qt.Key.Key_Escape and self._drag:
            self._drag, self._box = "", None
            self.update()
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Space pans no more."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self.unsetCursor()
        else:
            super().keyReleaseEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a pan, a mark, a measure, a wipe or a click."""
        left = event.button() == Qt.MouseButton.LeftButton
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        self._from, self._middle_from = event.position(), QPointF(self._middle)
        if event.button() == Qt.MouseButton.MiddleButton or (left and self._space):
            self._drag = "pan"
        elif left and shift:
            self._drag = "mark"
        elif left and alt:
            self._drag = "measure"
        elif left and self._on_wipe(event.position()):
            self._drag = "wipe"
        elif left:
            self._drag = "click"
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with a drag, or tell what is under the cursor."""
        at = event.position()
        if self._drag == "pan":
            frame = self._frame()
            way = at - self._from
            self._fits, self._zoom = False, self.zoom
            self._middle = self._middle_from - QPointF(
                way.x() / max(frame.width(), 1e-9), way.y() / max(frame.height(), 1e-9)
            )
            self.update()
        elif self._drag in ("mark", "measure"):
            self._box = QRectF(self._from, at).normalized()
            self.update()
        elif self._drag == "wipe":
            self._wipe = min(max(self._share_at(at).x(), 0.0), 1.0)
            self.wiped.emit(self._wipe)
            self.update()
        elif not self._drag:
            self.setCursor(
                Qt.CursorShape.SplitHCursor
                if self._on_wipe(at)
                else Qt.CursorShape.OpenHandCursor
                if self._space
                else Qt.CursorShape.CrossCursor
            )
        self.hovered.emit(*(self.pixel_at(at) or (-1, -1)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag."""
        drag, box = self._drag, self._box
        self._drag, self._box = "", None
        moved = (event.position() - self._from).manhattanLength() > _CLICK_PX
        if drag == "click" and not moved:
            pixel = self.pixel_at(event.position())
            if pixel is not None:
                self.clicked.emit(*pixel)
        elif drag in ("mark", "measure") and box is not None and moved:
            rect = self._rect_of(box)
            if rect is not None:
                (self.marked if drag == "mark" else self.measured).emit(rect)
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """With the middle button: fit."""
        if event.button() == Qt.MouseButton.MiddleButton:
            self.fit()
        else:
            super().mouseDoubleClickEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the cursor."""
        self.hovered.emit(-1, -1)
        super().leaveEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What fits goes on fitting."""
        super().resizeEvent(event)
        if self._fits:
            self.zoomed.emit(self.zoom)

    def _on_wipe(self, at: QPointF) -> bool:
        if self._wipe is None:
            return False
        frame = self._frame()
        return abs(at.x() - (frame.x() + self._wipe * frame.width())) <= _HANDLE_PX and frame.contains(at)

    # --- looks -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, the other one, and the marks."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("well"))
        frame = self._frame()
        if self._picture is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.zoom < 1.0)
            if self._other is not None and self._wipe is not None:
                self._paint_wiped(painter, frame)
            else:
                painter.drawImage(frame, self._picture)
            self._paint_rect(painter, self.region, theme.color("accent"))
            self._paint_rect(painter, self.area, theme.color("info"))
        if self._box is not None:
            painter.setPen(QPen(theme.color("strong"), 1, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self._box)
        if self.message:
            self._paint_message(painter)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent_dim"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _paint_wiped(self, painter: QPainter, frame: QRectF) -> None:
        assert self._picture is not None and self._other is not None and self._wipe is not None
        at = frame.x() + self._wipe * frame.width()
        painter.save()
        painter.setClipRect(QRectF(frame.x(), frame.y(), at - frame.x(), frame.height()))
        painter.drawImage(frame, self._picture)
        painter.setClipRect(QRectF(at, frame.y(), frame.right() - at, frame.height()))
        painter.drawImage(frame, self._other)
        painter.restore()
        painter.setPen(QPen(QColor(0, 0, 0, 140), 3))
        painter.drawLine(QPointF(at, frame.top()), QPointF(at, frame.bottom()))
        painter.setPen(QPen(theme.color("strong"), 1))
        painter.drawLine(QPointF(at, frame.top()), QPointF(at, frame.bottom()))

    def _paint_rect(self, painter: QPainter, rect: Rect | None, colour: QColor) -> None:
        if rect is None:
            return
        box = QRectF(self.position_of(rect[0], rect[1]), self.position_of(rect[2], rect[3]))
        painter.setPen(QPen(colour, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box)

    def _paint_message(self, painter: QPainter) -> None:
        margin = theme.size(10)
        room = self.rect().adjusted(margin * 2, margin * 2, -margin * 2, -margin * 2)
        flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
        box: QRect = painter.boundingRect(room, flags, self.message)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 170))
        painter.drawRoundedRect(box.adjusted(-margin, -margin // 2, margin, margin // 2), 4, 4)
        painter.setPen(theme.color("strong"))
        painter.drawText(room, flags, self.message)
