"""A take as a picture: what mouth and face do over its time, for lists, and as a strip to trim and to scrub.

| hand | does |
|---|---|
| drag on the strip | looks at that moment on the figure |
| drag a handle at either end | trims; what is outside stays in the file and is drawn dim |
| double click | all of the take again |
| left, right | a thirtieth of a second; with Shift a second |
| Space | plays or stops |
| I, O | begins or ends where the take stands |
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtCore import Signal as QtSignal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.commands.registry import N_
from studio.figure.capture.frames import F64
from studio.ui import theme
from studio.ui.i18n import say
from studio.ui.qt_events import claimed

BINS = 240
_HEIGHT = 74
_RULER = 15
_GRIP = 7
_STEP_S, _LEAP_S = 1.0 / 30.0, 1.0
_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Space, Qt.Key.Key_I, Qt.Key.Key_O)
_LEAST_S = 0.05  # that a trim leaves
_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)


def clock(seconds: float, *, digits: int = 2) -> str:
    """A time of a take: minutes, seconds and hundredths."""
    whole = max(seconds, 0.0)
    rest = f"{whole % 60:0{3 + digits if digits else 2}.{digits}f}"
    return f"{int(whole // 60)}:{rest}"


def paint_activity(p: QPainter, rect: QRectF, activity: F64, *, dim: bool = False) -> None:
    """The face above and the mouth below a middle line, as areas."""
    middle = rect.top() + rect.height() * 0.5
    p.setPen(Qt.PenStyle.NoPen)
    for row, way, name in ((1, -1.0, "dim"), (0, 1.0, "accent")):
        ink = QColor(theme.color(name))
        ink.setAlphaF((0.32 if dim else 0.85) * (0.8 if row else 1.0))
        values = activity[row].tolist()
        step = rect.width() / max(len(values) - 1, 1)
        points = [QPointF(rect.left(), middle)]
        points += [QPointF(rect.left() + i * step, middle + way * (0.6 + v * (rect.height() * 0.5 - 1.0)))
                   for i, v in enumerate(values)]  # fmt: skip
        points.append(QPointF(rect.right(), middle))
        p.setBrush(ink)
        p.drawPolygon(QPolygonF(points))


class TakeStrip(QWidget):
    """See the module. `seeked` tells a moment while it is scrubbed, `trimmed` both ends when a hand lets go."""

    seeked = QtSignal(float)
    trimmed = QtSignal(float, float)
    toggled = QtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("performance.strip")
        say(self.setAccessibleName, N_("Take: scrub and trim"))
        say(self.setToolTip, N_("Drag to look at a moment, drag the ends to trim; double click for all of it"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.seconds = 0.0
        self.inside = (0.0, 0.0)
        self.at: float | None = None
        self._activity: F64 | None = None
        self._grip = ""
        self._hot = ""

    def sizeHint(self) -> QSize:
        """A low strip."""
        return QSize(theme.size(200), theme.size(_HEIGHT))

    def show_take(self, seconds: float, inside: tuple[float, float], activity: F64 | None) -> None:
        """Show another take, or none (0 seconds)."""
        self.seconds, self._activity = seconds, activity
        if not self._grip:
            self.inside = inside
        self.setEnabled(seconds > 0.0)
        self.update()

    def show_at(self, at: float | None) -> None:
        """Show where the take stands."""
        if at != self.at:
            self.at = at
            self.update()

    # --- where -------------------------------------------------------------------------------------------------------
    def area(self) -> QRectF:
        """Where the take is drawn."""
        edge = theme.size(_GRIP) + 1
        return QRectF(self.rect()).adjusted(edge, theme.size(_RULER), -edge, -theme.size(3))

    def x_of(self, seconds: float) -> float:
        """The place of a moment."""
        area = self.area()
        return area.left() + area.width() * seconds / max(self.seconds, 1e-9)

    def _time(self, x: float) -> float:
        area = self.area()
        return min(max((x - area.left()) / max(area.width(), 1.0), 0.0), 1.0) * self.seconds

    def _grip_at(self, at: QPointF) -> str:
        reach = theme.size(_GRIP)
        first, last = self.x_of(self.inside[0]), self.x_of(self.inside[1])
        if first - reach - 2 <= at.x() <= first + 2:
            return "first"
        if last - 2 <= at.x() <= last + reach + 2:
            return "last"
        return "at"

    # --- the hand ----------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take an end, or the moment."""
        if event.button() == Qt.MouseButton.LeftButton and self.seconds > 0.0:
            self._grip = self._grip_at(event.position())
            self._drag(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag what was taken."""
        if self._grip:
            self._drag(event.position().x())
            return
        hot = self._grip_at(event.position()) if self.seconds > 0.0 else ""
        if hot != self._hot:
            self._hot = hot
            ends = hot in ("first", "last")
            self.setCursor(Qt.CursorShape.SizeHorCursor if ends else Qt.CursorShape.ArrowCursor)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Keep the ends."""
        grip, self._grip = self._grip, ""
        if grip in ("first", "last"):
            self.trimmed.emit(*self.inside)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """All of it."""
        if self.seconds > 0.0:
            self._grip = ""
            self._trim(0.0, self.seconds)

    def _drag(self, x: float) -> None:
        time, (first, last) = self._time(x), self.inside
        if self._grip == "first":
            self.inside = (min(time, last - _LEAST_S), last) if last > _LEAST_S else self.inside
            time = self.inside[0]
        elif self._grip == "last":
            self.inside = (first, max(time, first + _LEAST_S))
            time = self.inside[1]
        self.seeked.emit(time)
        self.update()

    def _trim(self, first: float, last: float) -> None:
        if last - first >= _LEAST_S or (first, last) == (0.0, self.seconds):
            self.inside = (first, last)
            self.update()
            self.trimmed.emit(first, last)

    def event(self, event: QEvent) -> bool:
        """The strip's own keys are no shortcuts of the window while it has the focus."""
        if claimed(event, lambda key: key.key() in _KEYS):
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """See the module."""
        step = _LEAP_S if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _STEP_S
        at = self.inside[0] if self.at is None else self.at
        if self.seconds <= 0.0:
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            way = step if event.key() == Qt.Key.Key_Right else -step
            self.seeked.emit(min(max(at + way, 0.0), self.seconds))
        elif event.key() == Qt.Key.Key_Space:
            self.toggled.emit()
        elif event.key() == Qt.Key.Key_I:
            self._trim(at, self.inside[1])
        elif event.key() == Qt.Key.Key_O:
            self._trim(self.inside[0], at)
        else:
            super().keyPressEvent(event)

    # --- the picture -------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """The areas, dim outside of the trim; a ruler, the handles, and where it stands."""
        p = QPainter(self)
        p.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.area()
        p.fillRect(self.rect(), theme.color("well"))
        if self.seconds <= 0.0:
            return
        self._ruler(p, area)
        first, last = self.x_of(self.inside[0]), self.x_of(self.inside[1])
        kept = QRectF(first, area.top(), last - first, area.height())
        p.fillRect(kept, theme.color("raised"))
        if self._activity is not None:
            paint_activity(p, area, self._activity, dim=True)
            p.save()
            p.setClipRect(kept)
            paint_activity(p, area, self._activity)
            p.restore()
        for name, x, way in (("first", first, -1.0), ("last", last, 1.0)):
            self._handle(p, area, x, way, hot=name in (self._hot, self._grip))
        if self.at is not None:
            x = self.x_of(self.at)
            p.setPen(QPen(theme.color("strong"), 1.4))
            p.drawLine(QPointF(x, area.top() - theme.size(4)), QPointF(x, area.bottom()))
            p.setPen(Qt.PenStyle.NoPen)
            p.setBrush(theme.color("strong"))
            side = theme.size(4)
            top = area.top() - theme.size(5)
            p.drawPolygon(QPolygonF([QPointF(x - side, top), QPointF(x + side, top), QPointF(x, top + side + 1)]))
        if self.hasFocus():
            p.setBrush(Qt.BrushStyle.NoBrush)
            p.setPen(QPen(theme.color("accent_dim"), 1))
            p.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))

    def _handle(self, p: QPainter, area: QRectF, x: float, way: float, *, hot: bool) -> None:
        wide = theme.size(_GRIP)
        box = QRectF(x - wide if way < 0 else x, area.top(), wide, area.height())
        p.setPen(Qt.PenStyle.NoPen)
        p.setBrush(theme.color("accent" if hot else "accent_dim"))
        p.drawRoundedRect(box, 2, 2)
        p.setPen(QPen(theme.color("line"), 1.2))
        half = theme.size(5)
        p.drawLine(box.center() - QPointF(0, half), box.center() + QPointF(0, half))

    def _ruler(self, p: QPainter, area: QRectF) -> None:
        font = p.font()
        font.setPointSizeF(font.pointSizeF() * 0.82)
        p.setFont(font)
        least = theme.size(46) * self.seconds / max(area.width(), 1.0)
        step = next((s for s in _STEPS if s >= least), _STEPS[-1])
        for i in range(int(self.seconds / step) + 1):
            x = self.x_of(i * step)
            p.setPen(theme.color("border"))
            p.drawLine(QPointF(x, area.top() - theme.size(3)), QPointF(x, area.top()))
            p.setPen(theme.color("dim"))
            box = QRectF(x + 2, 0, theme.size(60), area.top() - 2)
            if box.left() + theme.size(26) < self.width():
                p.drawText(box, Qt.AlignmentFlag.AlignVCenter, clock(i * step, digits=1 if step < 1 else 0))
