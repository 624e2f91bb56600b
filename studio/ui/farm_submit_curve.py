"""How long a job takes by the number of nodes: the likely time as a line, nine of ten cases as the band above it. Both
axes are of powers, as what matters is how many times faster; the number that was asked about has a mark."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.commands.registry import N_
from studio.farm.money.quote import Span
from studio.ui import theme
from studio.ui.farm_submit_rows import PREFIX
from studio.ui.i18n import say, tr

Point = tuple[int, Span]
_HIGH = 96
_UNITS = ((90.0, 1.0, N_("{count} s")), (5400.0, 60.0, N_("{count} min")), (129_600.0, 3600.0, N_("{count} h")))
_TICKS = (1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600, 365 * 24 * 3600)


def time_text(seconds: float) -> str:
    """A time to plan by: seconds, minutes, hours or days, as few digits as tell it."""
    for limit, unit, text in _UNITS:
        if seconds < limit and (seconds != 3600.0 or unit == 3600.0):
            return tr(text, count=_few(seconds / unit))
    return tr("{count} days", count=_few(seconds / 86_400))


def _few(number: float) -> str:
    """Two digits, or all before the point."""
    return f"{number:.0f}" if number >= 9.95 or number == round(number) else f"{number:.1f}".removesuffix(".0")


class WallCurve(QWidget):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName(f"{PREFIX}-curve")
        say(self.setAccessibleName, N_("Time by the number of nodes"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.points: list[Point] = []
        self.mark: Point | None = None
        self._over: Point | None = None

    def take(self, points: Sequence[Point], mark: Point | None) -> None:
        """Show a curve and the number that was asked about."""
        self.points, self.mark, self._over = list(points), mark, None
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """A strip."""
        return QSize(theme.size(200), theme.size(_HIGH))

    # --- where things are --------------------------------------------------------------------------------------------
    def _area(self) -> QRectF:
        metrics = self.fontMetrics()
        wide = max(
            (metrics.horizontalAdvance(time_text(tick)) for tick in self._ticks()),
            default=metrics.horizontalAdvance("0"),
        )
        left, below = wide + theme.size(6), metrics.height() + theme.size(3)
        return QRectF(self.rect()).adjusted(left, theme.size(4), -theme.size(6), -below)

    def _ends(self) -> tuple[float, float]:
        """The shortest and the longest time shown."""
        times = [span.p50 for _, span in self.points] + [span.p90 for _, span in self.points]
        return max(min(times), 1e-3) * 0.8, max(max(times), 1e-2) * 1.25

    def _ticks(self) -> list[float]:
        if not self.points:
            return []
        low, high = self._ends()
        found = [float(tick) for tick in _TICKS if low <= tick <= high]
        return found or [math.sqrt(low * high)]

    def _at(self, nodes: int, seconds: float, area: QRectF) -> QPointF:
        first, last = math.log(self.points[0][0]), math.log(max(self.points[-1][0], self.points[0][0] + 1))
        low, high = (math.log(end) for end in self._ends())
        across = (math.log(max(nodes, 1)) - first) / (last - first)
        up = (math.log(max(seconds, 1e-3)) - low) / (high - low)
        return QPointF(area.left() + area.width() * min(max(across, 0.0), 1.0), area.bottom() - area.height() * up)

    # --- drawing -----------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self._area()
        painter.fillRect(area, theme.color("well"))
        if len(self.points) < 2:
            return
        self._grid(painter, area)
        likely = [self._at(nodes, span.p50, area) for nodes, span in self.points]
        most = [self._at(nodes, span.p90, area) for nodes, span in self.points]
        band = QColor(theme.color("accent_dim"))
        band.setAlphaF(0.45)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(band)
        painter.drawPolygon(QPolygonF([*likely, *reversed(most)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("accent"), theme.size(2), Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawPolyline(QPolygonF(likely))
        shown = self._over or self.mark
        if shown is not None:
            self._point(painter, area, shown)

    def _grid(self, painter: QPainter, area: QRectF) -> None:
        metrics = painter.fontMetrics()
        line, text = QPen(theme.color("raised"), 1), theme.color("dim")
        last = math.inf
        for tick in self._ticks():
            y = self._at(self.points[0][0], tick, area).y()
            painter.setPen(line)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            if last - y >= metrics.height():
                painter.setPen(text)
                place = QRectF(0, y - metrics.height() / 2, area.left() - theme.size(4), metrics.height())
                painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, time_text(tick))
                last = y
        free = -math.inf
        for nodes, _ in self.points:
            x = self._at(nodes, 1.0, area).x()
            wide = metrics.horizontalAdvance(str(nodes))
            left = min(max(x - wide / 2, area.left()), self.width() - wide - 1.0)
            if left > free:
                painter.setPen(text)
                painter.drawText(QPointF(left, area.bottom() + metrics.ascent() + theme.size(2)), str(nodes))
                free = left + wide + theme.size(8)

    def _point(self, painter: QPainter, area: QRectF, shown: Point) -> None:
        nodes, span = shown
        at = self._at(nodes, span.p50, area)
        painter.setPen(QPen(theme.color("border"), 1))
        painter.drawLine(QPointF(at.x(), area.top()), QPointF(at.x(), area.bottom()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("strong"))
        painter.drawEllipse(at, theme.size(3), theme.size(3))
        painter.setPen(theme.color("strong"))
        likely, most = time_text(span.p50), time_text(span.p90)
        text = tr("{nodes} nodes: {likely} to {most}", nodes=nodes, likely=likely, most=most)
        room = area.adjusted(theme.size(4), theme.size(3), -theme.size(5), 0)
        painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, text)

    # --- looking -----------------------------------------------------------------------------------------------------
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The point nearest to the hand."""
        if self.points:
            area = self._area()
            self._over = min(
                self.points, key=lambda point: abs(self._at(point[0], 1.0, area).x() - event.position().x())
            )
            self.update()

    def leaveEvent(self, event: object) -> None:
        """The number that was asked about again."""
        self._over = None
        self.update()
