"""A drawn face for a pose: a few lines that follow its weights, for as long as there is no picture of the figure.

Seen as one stands before the figure, so its left is at the right. It is drawn from the same controls as the head, so a
pose that a person keeps has a face at once, also on a machine that cannot draw the figure.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen

from studio.ui import theme


def paint_face(painter: QPainter, box: QRectF, weights: Mapping[str, float]) -> None:
    """A face in a square."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(box.center())
    unit = min(box.width(), box.height()) / 2.0
    painter.scale(unit, unit)
    _Face(painter, weights).paint()
    painter.restore()


class _Face:
    """Lines of one face; y runs down, the head reaches from -0.85 to 0.9."""

    def __init__(self, painter: QPainter, weights: Mapping[str, float]) -> None:
        self.p, self._weights = painter, weights

    def w(self, name: str, side: str = "") -> float:
        return min(max(self._weights.get(name + side, 0.0), -0.5), 1.3)

    def mean(self, name: str) -> float:
        return (self.w(name, "Left") + self.w(name, "Right")) / 2

    def paint(self) -> None:
        drop = 0.16 * self.w("jawOpen")
        outline = QPainterPath(QPointF(0.0, -0.85))
        outline.cubicTo(0.66, -0.85, 0.72, 0.1, 0.52, 0.45 + drop)
        outline.cubicTo(0.36, 0.78 + drop, 0.2, 0.88 + drop, 0.0, 0.88 + drop)
        outline.cubicTo(-0.2, 0.88 + drop, -0.36, 0.78 + drop, -0.52, 0.45 + drop)
        outline.cubicTo(-0.72, 0.1, -0.66, -0.85, 0.0, -0.85)
        self.p.setPen(QPen(theme.color("border"), 0.035))
        self.p.setBrush(theme.color("raised"))
        self.p.drawPath(outline)
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            self._brow(side, sign)
            self._eye(side, sign)
        self._nose()
        self._mouth(drop)

    def _ink(self, width: float = 0.055, name: str = "text") -> None:
        pen = QPen(theme.color(name), width)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        self.p.setPen(pen)
        self.p.setBrush(Qt.BrushStyle.NoBrush)

    def _brow(self, side: str, sign: float) -> None:
        down = 0.1 * self.w("browDown", side)
        inner = -0.36 + down * 1.25 - 0.13 * self.w("browInnerUp")
        outer = -0.34 + down * 0.5 - 0.12 * self.w("browOuterUp", side)
        self._ink(0.07)
        path = QPainterPath(QPointF(sign * 0.13, inner))
        middle = min(inner, outer) - 0.07 + 0.05 * self.w("browDown", side)
        path.quadTo(sign * 0.28, middle, sign * 0.46, outer)
        self.p.drawPath(path)

    def _eye(self, side: str, sign: float) -> None:
        x, y = sign * 0.29, -0.13
        shut = min(max(self.w("eyeBlink", side), 0.0), 1.0)
        wide = 0.1 + 0.035 * self.w("eyeWide", side)
        upper = wide * (1.0 - shut) - 0.02 * self.w("eyeSquint", side)
        lower = 0.075 * (1.0 - shut) - 0.055 * self.w("eyeSquint", side) * (1.0 - shut)
        self._ink(0.045)
        if upper + lower < 0.03:
            path = QPainterPath(QPointF(x - 0.14, y + 0.02))
            path.quadTo(x, y + 0.09 - 0.1 * self.w("cheekSquint", side), x + 0.14, y + 0.02)
            self.p.drawPath(path)
            return
        lids = QPainterPath(QPointF(x - 0.15, y))
        lids.quadTo(x, y - 2 * upper, x + 0.15, y)
        lids.quadTo(x, y + 2 * lower, x - 0.15, y)
        self.p.fillPath(lids, theme.color("strong"))
        outwards = self.w("eyeLookOut", side) - self.w("eyeLookIn", side)
        up = self.w("eyeLookUp", side) - self.w("eyeLookDown", side)
        self.p.save()
        self.p.setClipPath(lids)
        self.p.setPen(Qt.PenStyle.NoPen)
        self.p.setBrush(theme.color("line"))
        self.p.drawEllipse(QPointF(x + sign * 0.07 * outwards, y - 0.01 - 0.06 * up), 0.065, 0.065)
        self.p.restore()
        self._ink(0.045)
        self.p.drawPath(lids)

    def _nose(self) -> None:
        wrinkle = 0.05 * self.mean("noseSneer")
        self._ink(0.04, "dim")
        path = QPainterPath(QPointF(-0.09, 0.17 - wrinkle))
        path.quadTo(0.0, 0.25 - wrinkle, 0.09, 0.17 - wrinkle)
        self.p.drawPath(path)

    def _mouth(self, drop: float) -> None:
        round_ = max(self.w("mouthPucker"), 0.75 * self.w("mouthFunnel"))
        aside = 0.12 * (self.w("mouthLeft") - self.w("mouthRight")) + 0.1 * (self.w("jawLeft") - self.w("jawRight"))
        corners = []
        for side, sign in (("Right", -1.0), ("Left", 1.0)):
            out = 0.24 + 0.09 * self.w("mouthSmile", side) + 0.08 * self.w("mouthStretch", side) - 0.14 * round_
            high = 0.11 * self.w("mouthSmile", side) - 0.12 * self.w("mouthFrown", side)
            corners.append(QPointF(aside + sign * out, 0.5 - high + 0.35 * drop))
        left, right = corners
        open_ = 0.95 * drop + 0.05 * self.mean("mouthLowerDown") + 0.05 * self.mean("mouthUpperUp")
        open_ += 0.035 * self.w("mouthFunnel") - 0.3 * self.w("mouthClose") * drop
        sag = 0.06 * self.mean("mouthSmile") - 0.1 * self.mean("mouthFrown") - 0.06 * self.w("mouthShrugLower")
        top = 0.5 + sag * 0.6 - 0.1 * self.mean("mouthUpperUp")
        bottom = 0.5 + sag * 1.5 + 2.0 * open_
        if open_ < 0.025:
            if round_ > 0.4:
                self._ink(0.06)
                self.p.drawEllipse(QPointF(aside, 0.5), 0.075, 0.06)
                return
            self._ink(0.05 - 0.02 * self.mean("mouthPress"))
            path = QPainterPath(left)
            path.quadTo(aside, 0.5 + 2.2 * sag, right.x(), right.y())
            self.p.drawPath(path)
            return
        lips = QPainterPath(left)
        lips.quadTo(aside, 2 * top - 0.5, right.x(), right.y())
        lips.quadTo(aside, bottom + open_, left.x(), left.y())
        self._ink(0.05)
        self.p.setBrush(theme.color("line"))
        self.p.drawPath(lips)
        if self.w("tongueOut") > 0.05:
            self.p.setPen(Qt.PenStyle.NoPen)
            self.p.setBrush(theme.color("error"))
            self.p.drawEllipse(QPointF(aside, bottom * 0.5 + 0.28), 0.1, 0.1 * min(self.w("tongueOut") + 0.3, 1.0))
