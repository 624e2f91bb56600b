"""How a row of the expression panel looks and where its parts are: one function of a rectangle for both.

A pair is a label, the left half's key mark and slider, a link, the right half's slider and key mark. A slider is a
well that fills, with its number in it, so that two of them and what belongs to them fit a narrow panel.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap

from studio.ui import theme
from studio.ui.expression_rows import Row
from studio.ui.key_dots import NONE, paint_dot

ROW = 22  # units of height
_DOT, _LINK, _EDGE = 15, 17, 6


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of a row are: (kind, name of the control or "", rectangle)."""

    label: QRectF
    spots: tuple[tuple[str, str, QRectF], ...]

    def hit(self, at: QPointF) -> tuple[str, str]:
        """The kind of part under a point ("bar", "dot", "link", "reset", "label") and its control."""
        for kind, name, rect in self.spots:
            if rect.contains(at):
                return kind, name
        return "label", ""

    def bar(self, name: str) -> QRectF:
        """The slider of a control."""
        return next(rect for kind, owner, rect in self.spots if kind == "bar" and owner == name)


def parts_of(row: Row, box: QRectF) -> Parts:
    """The parts of a row in a rectangle."""
    dot, link, edge = theme.size(_DOT), theme.size(_LINK), theme.size(_EDGE)
    if row.header:
        right = box.right() - theme.size(2)
        mark = QRectF(right - dot, box.top(), dot, box.height())
        reset = QRectF(mark.left() - link, box.top(), link, box.height())
        label = QRectF(box.left() + edge, box.top(), max(reset.left() - box.left() - edge, 1.0), box.height())
        return Parts(label, (("dot", "", mark), ("reset", "", reset)))
    wide = min(max(box.width() * 0.36, theme.size(72)), theme.size(132))
    label = QRectF(box.left() + edge, box.top(), wide - edge, box.height())
    left = QRectF(box.left() + wide, box.top(), dot, box.height())
    right_dot = QRectF(box.right() - theme.size(2) - dot, box.top(), dot, box.height())
    inset = theme.size(2)
    if not row.pair:
        bar = QRectF(left.right(), box.top() + inset, right_dot.left() - left.right(), box.height() - 2 * inset)
        return Parts(label, (("dot", row.names[0], left), ("bar", row.names[0], bar)))
    room = max((right_dot.left() - left.right() - link) / 2, 8.0)
    one = QRectF(left.right(), box.top() + inset, room, box.height() - 2 * inset)
    chain = QRectF(one.right(), box.top(), link, box.height())
    other = QRectF(chain.right(), box.top() + inset, room, box.height() - 2 * inset)
    return Parts(
        label,
        (
            ("dot", row.names[0], left),
            ("bar", row.names[0], one),
            ("link", row.names[0], chain),
            ("bar", row.names[1], other),
            ("dot", row.names[1], right_dot),
        ),
    )


@dataclass(frozen=True, slots=True)
class Look:
    """What a row shows, by the names of its controls."""

    values: dict[str, float]
    acting: dict[str, float]  # what blinks, glances and correctives make of them
    keys: dict[str, str]
    linked: bool | None  # None: nothing to link
    hot: tuple[str, str] = ("", "")  # part under the pointer and its control
    current: str = ""  # the control that keys act on
    focus: bool = False
    autokey: bool = False
    count: int = 0  # of a region: controls that are not at rest


def said(value: float) -> str:
    """A weight as a slider says it."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Painter:
    """Paints rows; fonts and inks are made once for all."""

    def __init__(self, font: QFont) -> None:
        self.font = font
        self.small = QFont(font)
        self.small.setPointSizeF(font.pointSizeF() * 0.86)
        self.bold = QFont(font)
        self.bold.setWeight(QFont.Weight.DemiBold)
        self.metrics = QFontMetricsF(font)
        self.inks = {name: theme.color(name) for name in theme.COLORS}
        self._round = float(theme.size(2))
        self._icons: dict[tuple[str, str, int, float], QPixmap] = {}

    def row(self, p: QPainter, row: Row, parts: Parts, box: QRectF, look: Look) -> None:
        """A row in its rectangle."""
        if row.header:
            self._header(p, row, parts, box, look)
            return
        on = any(look.values[name] for name in row.names)
        p.setFont(self.font)
        p.setPen(self.inks["strong" if on else "text" if look.hot[0] or look.current in row.names else "dim"])
        text = self.metrics.elidedText(row.label, Qt.TextElideMode.ElideRight, parts.label.width() - 2)
        p.drawText(parts.label, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        for kind, name, rect in parts.spots:
            if kind == "bar":
                self._bar(p, rect, name, look, letter=("L" if name == row.names[0] else "R") if row.pair else "")
            elif kind == "dot":
                paint_dot(p, rect, look.keys.get(name, NONE), autokey=look.autokey, hovered=look.hot == ("dot", name))
            elif kind == "link" and look.linked is not None:
                tint = "accent" if look.linked else "text" if look.hot[0] == "link" else "border"
                self._icon(p, "link-pair", tint, rect.center(), 12)

    def _header(self, p: QPainter, row: Row, parts: Parts, box: QRectF, look: Look) -> None:
        p.fillRect(box.adjusted(0, 1, 0, 0), self.inks["raised" if look.hot[0] == "label" else "chrome"])
        side = theme.size(11)
        fold = QPointF(parts.label.left() - theme.size(2) + side / 2, box.center().y())
        self._icon(p, "fold-closed" if row.folded else "fold-open", "dim", fold, 11)
        p.setFont(self.bold)
        p.setPen(self.inks["strong"])
        room = parts.label.adjusted(side + theme.size(3), 0, 0, 0)
        p.drawText(room, Qt.AlignmentFlag.AlignVCenter, row.label)
        if look.count:
            p.setFont(self.small)
            p.setPen(self.inks["accent"])
            p.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, str(look.count))
        for kind, _, rect in parts.spots:
            if kind == "dot":
                paint_dot(p, rect, look.keys.get("", NONE), autokey=look.autokey, hovered=look.hot[0] == "dot")
            elif look.count:
                self._icon(p, "reset", "strong" if look.hot[0] == "reset" else "dim", rect.center(), 11)

    def _icon(self, p: QPainter, name: str, tint: str, centre: QPointF, units: int) -> None:
        """A small icon, rendered once for all rows."""
        side, ratio = theme.size(units), p.device().devicePixelRatioF()
        key = (name, tint, side, ratio)
        if key not in self._icons:
            self._icons[key] = theme.icon(name, tint).pixmap(QSize(side, side), ratio)
        p.drawPixmap(QPointF(round(centre.x() - side / 2), round(centre.y() - side / 2)), self._icons[key])

    def _bar(self, p: QPainter, rect: QRectF, name: str, look: Look, *, letter: str) -> None:
        value, ink = look.values[name], self.inks
        hot, current = look.hot == ("bar", name), look.current == name
        box = rect.adjusted(0.5, 0.5, -0.5, -0.5)
        p.setPen(QPen(ink["accent" if current and look.focus else "border" if hot or current else "line"], 1))
        p.setBrush(ink["raised" if hot else "window"])
        p.drawRoundedRect(box, self._round, self._round)
        inner = box.adjusted(1, 1, -1, -1)
        beyond = not 0.0 <= value <= 1.0
        share = min(abs(value), 1.0)
        if share > 0.0:
            fill = QColor(ink["warning" if beyond else "accent_dim"])
            if hot:
                fill = fill.lighter(118)
            width = inner.width() * share
            left = inner.left() if value >= 0 else inner.right() - width
            p.fillRect(QRectF(left, inner.top(), width, inner.height()), fill)
            p.fillRect(QRectF(left + width - 2 if value >= 0 else left, inner.top(), 2, inner.height()), ink["accent"])
        acting = look.acting.get(name, value)
        if abs(acting - value) > 0.004:  # what is seen of it just now
            x = inner.left() + inner.width() * min(max(acting, 0.0), 1.0)
            p.fillRect(QRectF(x - 1, inner.top(), 2, inner.height()), ink["info"])
        p.setFont(self.small)
        if letter and rect.width() > theme.size(44):
            p.setPen(ink["text" if share > 0.18 else "disabled"])
            p.drawText(inner.adjusted(theme.size(4), 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, letter)
        p.setPen(ink["line" if beyond else "strong" if value else "disabled"])
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        p.drawText(inner.adjusted(0, 0, -theme.size(4), 0), flags, said(value))
