"""The gaze pad: where both eyes look, as one point that is dragged, and how far they turn towards each other.

The pad is seen as one stands before the figure: a point at the right has it look to the right of the picture, which is
its own left. Below it a slider is the vergence: at rest both eyes look as far away as can be. Each eye is drawn as a
dot, so eyes that were set apart by their sliders are seen apart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from studio.commands.expression_desk import ExpressionDesk, Gesture
from studio.commands.registry import N_
from studio.errors import StudioError
from studio.scene import expression_edits as edits
from studio.ui import theme
from studio.ui.i18n import say, tr
from studio.ui.panel import Desk
from studio.ui.qt_events import claimed

SIDE, SLIDER = 104, 18
_FINE = 0.1
_WHEEL_S = 0.8
_NOTCH, _STEP = 0.05, 0.05


@dataclass(frozen=True, slots=True)
class Gaze:
    """Where the eyes look: `x` to the right of the picture and `y` up, -1 to 1 of what eyes can, and the `vergence` by
    which each is turned to the nose."""

    x: float = 0.0
    y: float = 0.0
    vergence: float = 0.0

    @staticmethod
    def of(weights: Mapping[str, float]) -> Gaze:
        """The gaze that controls give."""

        def w(name: str) -> float:
            return weights.get(name, 0.0)

        left = w("eyeLookOutLeft") - w("eyeLookInLeft")  # to the right of the picture is the figure's left
        right = w("eyeLookInRight") - w("eyeLookOutRight")
        up = (w("eyeLookUpLeft") + w("eyeLookUpRight") - w("eyeLookDownLeft") - w("eyeLookDownRight")) / 2
        return Gaze((left + right) / 2, up, (right - left) / 2)

    def weights(self) -> dict[str, float]:
        """The controls that give this gaze."""
        out = {}
        for side, way in (("Left", self.x - self.vergence), ("Right", -self.x - self.vergence)):
            out[f"eyeLookOut{side}"] = _weight(way)
            out[f"eyeLookIn{side}"] = _weight(-way)
            out[f"eyeLookUp{side}"] = _weight(self.y)
            out[f"eyeLookDown{side}"] = _weight(-self.y)
        return out


def _weight(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)


@dataclass(slots=True)
class _Drag:
    gesture: Gesture
    start: Gaze
    part: str  # "pad" or "vergence"
    at: QPointF
    way: QPointF
    moved: bool = False


class GazePad(QWidget):
    """See the module."""

    def __init__(self, desk: Desk, faces: ExpressionDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("expressions.gaze")
        say(self.setAccessibleName, N_("Gaze"))
        self._desk, self.faces = desk, faces
        self._drag: _Drag | None = None
        self._hot = ""
        self._wheel: tuple[float, Gesture | None, Gaze] = (0.0, None, Gaze())
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.signals().changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        """A square with the slider below it."""
        return QSize(theme.size(SIDE), theme.size(SIDE + SLIDER))

    # --- where things are --------------------------------------------------------------------------------------------
    def pad(self) -> QRectF:
        """The square."""
        side = float(min(self.width(), self.height() - theme.size(SLIDER)))
        return QRectF(0.5, 0.5, side - 1, side - 1)

    def slider(self) -> QRectF:
        """The vergence."""
        pad = self.pad()
        return QRectF(pad.left(), pad.bottom() + theme.size(4), pad.width(), theme.size(SLIDER - 5))

    def _reach(self) -> float:
        return self.pad().width() / 2 - theme.size(9)

    def place(self, gaze: Gaze) -> QPointF:
        """Where a gaze lies on the square."""
        centre, reach = self.pad().center(), self._reach()
        return QPointF(centre.x() + gaze.x * reach, centre.y() - gaze.y * reach)

    def gaze(self) -> Gaze:
        """Where the figure's eyes look by their controls."""
        figure = self.faces.figure
        return Gaze.of(edits.weights(figure)) if figure is not None else Gaze()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """The square, the eyes, the point between them, the vergence."""
        p = QPainter(self)
        p.setRenderHint(QPainter.RenderHint.Antialiasing)
        pad, gaze = self.pad(), self.gaze()
        edge = "accent" if self.hasFocus() else "border" if self._hot == "pad" else "line"
        p.setPen(QPen(theme.color(edge), 1))
        p.setBrush(theme.color("well"))
        p.drawRoundedRect(pad, theme.size(3), theme.size(3))
        self._grid(p, pad)
        if self.isEnabled():
            self._eyes(p, gaze)
            at = self.place(gaze)
            p.setPen(QPen(theme.color("accent"), 1.6 * theme.scale()))
            p.setBrush(Qt.BrushStyle.NoBrush)
            p.drawEllipse(at, 6.0 * theme.scale(), 6.0 * theme.scale())
        self._vergence(p, gaze)
        p.end()

    def _grid(self, p: QPainter, pad: QRectF) -> None:
        centre, reach = pad.center(), self._reach()
        p.setPen(QPen(theme.color("raised"), 1))
        p.setBrush(Qt.BrushStyle.NoBrush)
        p.drawLine(QPointF(pad.left() + 4, centre.y()), QPointF(pad.right() - 4, centre.y()))
        p.drawLine(QPointF(centre.x(), pad.top() + 4), QPointF(centre.x(), pad.bottom() - 4))
        for share in (0.5, 1.0):
            p.drawEllipse(centre, reach * share, reach * share)

    def _eyes(self, p: QPainter, gaze: Gaze) -> None:
        """A dot for each eye: the figure's left is at the right of the picture."""
        figure = self.faces.figure
        weights = edits.weights(figure) if figure is not None else {}
        p.setPen(Qt.PenStyle.NoPen)
        for side, ink in (("Left", "text"), ("Right", "dim")):
            sign = 1.0 if side == "Left" else -1.0
            x = sign * (weights.get(f"eyeLookOut{side}", 0.0) - weights.get(f"eyeLookIn{side}", 0.0))
            y = weights.get(f"eyeLookUp{side}", 0.0) - weights.get(f"eyeLookDown{side}", 0.0)
            p.setBrush(theme.color(ink))
            p.drawEllipse(self.place(Gaze(x, y)), 2.6 * theme.scale(), 2.6 * theme.scale())

    def _vergence(self, p: QPainter, gaze: Gaze) -> None:
        box = self.slider()
        p.setPen(QPen(theme.color("border" if self._hot == "vergence" else "line"), 1))
        p.setBrush(theme.color("well"))
        p.drawRoundedRect(box, theme.size(2), theme.size(2))
        inner = box.adjusted(1.5, 1.5, -1.5, -1.5)
        share = min(max(gaze.vergence, 0.0), 1.0)
        if share > 0.0:
            p.fillRect(
                QRectF(inner.left(), inner.top(), inner.width() * share, inner.height()), theme.color("accent_dim")
            )
        font = p.font()
        font.setPointSizeF(font.pointSizeF() * 0.82)
        p.setFont(font)
        p.setPen(theme.color("text" if share > 0.1 else "dim"))
        p.drawText(inner.adjusted(theme.size(4), 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, tr("Vergence"))
        p.setPen(theme.color("strong" if gaze.vergence else "disabled"))
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        p.drawText(inner.adjusted(0, 0, -theme.size(4), 0), flags, f"{gaze.vergence:.2f}")

    # --- the hand ----------------------------------------------------------------------------------------------------
    def _part(self, at: QPointF) -> str:
        return "vergence" if self.slider().contains(at) else "pad" if self.pad().contains(at) else ""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """The point jumps to the pointer and follows it; the vergence follows the way of the hand."""
        part = self._part(event.position())
        if event.button() != Qt.MouseButton.LeftButton or not part or self.faces.figure is None:
            return
        at, gaze = event.position(), self.gaze()
        near = (at - self.place(gaze)).manhattanLength() < 14 * theme.scale()
        self._drag = _Drag(self.faces.grab(), gaze, part, at, QPointF())
        if part == "pad" and not near:
            self._drag.way = at - self.place(gaze)
            self._drag.moved = True
            self._write(self._drag)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the hand; Shift finely, Ctrl along one axis."""
        drag = self._drag
        if drag is None:
            hot = self._part(event.position())
            if hot != self._hot:
                self._hot = hot
                self.update()
            return
        fine = _FINE if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        drag.way += (event.position() - drag.at) * fine
        drag.at = event.position()
        if drag.moved or drag.way.manhattanLength() > 1:
            drag.moved = True
            self._write(drag, straight=bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier))

    def _write(self, drag: _Drag, *, straight: bool = False) -> None:
        start, reach = drag.start, max(self._reach(), 1.0)
        if drag.part == "vergence":
            far = drag.way.x() / max(self.slider().width(), 1.0)
            gaze = Gaze(start.x, start.y, _weight(start.vergence + far))
        else:
            dx, dy = drag.way.x() / reach, -drag.way.y() / reach
            if straight:
                dx, dy = (dx, 0.0) if abs(dx) > abs(dy) else (0.0, dy)
            gaze = Gaze(_within(start.x + dx), _within(start.y + dy), start.vergence)
        self._put(drag.gesture, gaze)

    def _put(self, gesture: Gesture, gaze: Gaze) -> None:
        try:
            self.faces.put(gesture, gaze.weights())
        except StudioError as fault:
            self._desk.tell_fault(fault)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        drag, self._drag = self._drag, None
        if drag is not None and drag.moved:
            self.faces.let_go(drag.gesture)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Look straight ahead, or let the eyes stand parallel."""
        part, gaze = self._part(event.position()), self.gaze()
        self._drag = None
        if part and self.faces.figure is not None:
            gesture = self.faces.grab()
            self._put(gesture, Gaze(gaze.x, gaze.y) if part == "vergence" else Gaze(vergence=gaze.vergence))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The vergence."""
        if event.angleDelta().y() and self.faces.figure is not None:
            self._nudge(Gaze(vergence=event.angleDelta().y() / 120.0 * _NOTCH))
        event.accept()

    def _nudge(self, by: Gaze) -> None:
        now = time.monotonic()
        last, gesture, _ = self._wheel
        if now - last > _WHEEL_S or gesture is None:
            gesture = self.faces.grab()
        gaze = self.gaze()
        to = Gaze(_within(gaze.x + by.x), _within(gaze.y + by.y), _weight(gaze.vergence + by.vergence))
        self._wheel = (now, gesture, to)
        self._put(gesture, to)

    def _claims(self, event: QKeyEvent) -> bool:
        return event.key() in _ARROWS or (event.key() == Qt.Key.Key_Escape and self._drag is not None)

    def event(self, event: QEvent) -> bool:
        """Arrows come before shortcuts; a tip says what the pad does."""
        if claimed(
            event, lambda key: key.key() in _ARROWS or (key.key() == Qt.Key.Key_Escape and self._drag is not None)
        ):
            return True
        if event.type() == QEvent.Type.ToolTip:
            assert isinstance(event, QHelpEvent)
            told = {
                "pad": tr("Where both eyes look; double click: straight ahead. Shift finely, Ctrl along one axis."),
                "vergence": tr("How far both eyes turn to the nose, as for something near; the wheel turns it too."),
            }
            QToolTip.showText(event.globalPos(), told.get(self._part(QPointF(event.pos())), ""), self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move the gaze, Escape takes a drag back."""
        if event.key() == Qt.Key.Key_Escape and self._drag is not None:
            drag, self._drag = self._drag, None
            self.faces.let_go(drag.gesture, keep=False)
        elif event.key() in _ARROWS and self.faces.figure is not None:
            x, y = _ARROWS[event.key()]
            fine = 0.2 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
            self._nudge(Gaze(x * _STEP * fine, y * _STEP * fine))
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer."""
        self._hot = ""
        self.update()


_ARROWS: dict[int, tuple[float, float]] = {
    Qt.Key.Key_Left: (-1.0, 0.0),
    Qt.Key.Key_Right: (1.0, 0.0),
    Qt.Key.Key_Up: (0.0, 1.0),
    Qt.Key.Key_Down: (0.0, -1.0),
}


def _within(value: float) -> float:
    return min(max(value, -1.0), 1.0)
