"""Keys as they are drawn on a sheet: the shape says how the curve passes, so colour is never the only sign.

Automatic a circle, linear a triangle, flat a lozenge that lies, stepped a square, free a diamond, broken a diamond with
a slit; a breakdown is small and hollow. Pictures of them are made once for a size and drawn thousands of times.
"""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPixmap, QPolygonF

from studio.scene.animation import AUTO, BREAKDOWN, BROKEN, FLAT, LINEAR, STEP
from studio.ui import theme
from studio.ui.timeline_paint import diamond


@lru_cache(maxsize=256)
def glyph(mode: int, picked: bool, half: int, ratio: float) -> QPixmap:
    """A key of a mode (with its breakdown bit) as a picture of 2 * half + 2 logical pixels; -1: of several kinds."""
    side = 2 * half + 2
    out = QPixmap(round(side * ratio), round(side * ratio))
    out.fill(Qt.GlobalColor.transparent)
    out.setDevicePixelRatio(ratio)
    painter = QPainter(out)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    ink = theme.color("accent" if picked else "text")
    middle, kind = side / 2.0, mode & ~BREAKDOWN if mode >= 0 else -1
    reach = half - 0.5
    if mode >= 0 and mode & BREAKDOWN:
        reach *= 0.72
        painter.setPen(QPen(ink, max(1.4, 0.3 * reach)))
        painter.setBrush(theme.color("well"))
    else:
        painter.setPen(QPen(theme.color("line"), 1))
        painter.setBrush(ink)
    if kind == AUTO:
        painter.drawEllipse(QPointF(middle, middle), reach * 0.86, reach * 0.86)
    elif kind == LINEAR:
        low, wide = middle + reach * 0.75, reach * 0.95
        tip = QPointF(middle, middle - reach * 0.95)
        painter.drawPolygon(QPolygonF([tip, QPointF(middle + wide, low), QPointF(middle - wide, low)]))
    elif kind == FLAT:
        wide, high = reach, reach * 0.5
        painter.drawRoundedRect(QRectF(middle - wide, middle - high, 2 * wide, 2 * high), high, high)
    elif kind == STEP:
        part = reach * 0.8
        painter.drawRect(QRectF(middle - part, middle - part, 2 * part, 2 * part))
    else:
        painter.drawPolygon(diamond(middle, middle, reach))
        if kind == BROKEN:
            painter.setPen(QPen(theme.color("well"), max(1.2, reach * 0.28)))
            painter.drawLine(QPointF(middle, middle - reach), QPointF(middle, middle + reach))
    painter.end()
    return out
