"""How a row of the light table is drawn: all of its cells in one go.

A view that asks its model and a delegate for every cell asks Python some ten times each; for a screen full of cells
that alone is longer than a frame. So the table draws whole rows from the cells that rows keep. Texts are laid out once
(`QStaticText`), icons are drawn once for each colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap, QStaticText

from studio.ui import theme
from studio.ui.color_edit import seen
from studio.ui.light_cells import OFF, Cell
from studio.ui.light_table_columns import SWITCHES, column
from studio.ui.light_table_rows import GROUP, LIGHT, OBJECT, Row

_MOST_TEXTS = 20000
_WHITE = (1.0, 1.0, 1.0)
INDENT, ICON, PAD, DOT = 14, 15, 7, 14


@dataclass(frozen=True, slots=True)
class Span:
    """A column on the screen: its number and name, where it begins and how wide it is."""

    number: int
    name: str
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a row looks like besides its values: in the document's selection, under the pointer, every other one,
    opened, and which of its cells (numbers of columns) are selected, if not all of them (`whole`)."""

    chosen: bool = False
    hovered: bool = False
    odd: bool = False
    open: bool = True
    cells: frozenset[int] | set[int] = frozenset()
    whole: bool = False


@cache
def _pixmap(name: str, tint: str, side: int, ratio: float) -> QPixmap:
    return theme.icon(name, tint).pixmap(QSize(side, side), ratio)


class RowPainter:
    """Draws rows. `renew` after the font, the scale or the screen changed."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, int, bool], tuple[QStaticText, float]] = {}
        self.ratio = 1.0
        self.renew(QFont())

    def renew(self, font: QFont) -> None:
        """Take a font and the present scale of the interface."""
        self._texts.clear()
        self._font = QFont(font)
        self._metrics = QFontMetricsF(self._font)
        self._rise = self._metrics.height()
        self._inks = {name: theme.color(name or "text") for name in ("", "dim", OFF, "strong", "selection_text")}
        self._unit_ink = theme.color("disabled")
        self._chosen = theme.color("selection")
        self._faint = QColor(self._chosen)
        self._faint.setAlpha(105)
        self._grounds = [theme.color("well"), theme.color("stripe")]
        self._group = theme.color("window")
        self._hover = theme.color("row_hover")
        self._edge = theme.color("border")
        self._pad, self._icon, self._indent = theme.size(PAD), theme.size(ICON), theme.size(INDENT)
        self._dot = theme.size(DOT)

    # --- rows --------------------------------------------------------------------------------------------------------
    def ground(self, painter: QPainter, box: QRect, row: Row, look: Look) -> None:
        """What is behind the cells of a row."""
        if look.whole:
            painter.fillRect(box, self._chosen)
            return
        colour = self._group if row.kind == GROUP else self._grounds[look.odd]
        painter.fillRect(box, self._hover if look.hovered and row.kind != GROUP else colour)
        if look.chosen:
            painter.fillRect(box, self._faint)

    def cell(self, painter: QPainter, box: QRect, row: Row, name: str, held: Cell, look: Look, chosen: bool) -> None:
        """One cell without its key dot."""
        if chosen and not look.whole:
            painter.fillRect(box, self._chosen)
        if held.value is None and not held.text:
            return
        if name in SWITCHES:
            self._switch(painter, box, name, held)
            return
        shape = column(name).shape
        if shape == "colour":
            self._swatch(painter, box, row, held)
        elif shape == "bool":
            self._tick(painter, box, name, held)
        elif shape in ("float", "int", "strength"):
            self._number(painter, box, held, chosen)
        else:
            room = box.width() - 2 * self._pad
            self._text(painter, box.x() + self._pad, box, held.text, room, self._ink(held.ink, chosen))

    def name(
        self, painter: QPainter, box: QRect, row: Row, held: Cell, look: Look, *, chosen: bool, flat: bool
    ) -> None:
        """The cell of the name: its place in the tree, what it is, what it is called, how many it holds."""
        if chosen and not look.whole:
            painter.fillRect(box, self._chosen)
        x = box.x() + (0 if flat else (row.depth - 1) * self._indent)
        side = self._icon
        y = box.y() + (box.height() - side) // 2
        if not flat:
            if row.below:
                arrow = theme.size(10)
                mark = _pixmap("fold-open" if look.open else "fold-closed", "dim", arrow, self.ratio)
                painter.drawPixmap(x + (self._indent - arrow + 2) // 2, box.y() + (box.height() - arrow) // 2, mark)
            x += self._indent
        x += theme.size(4)
        tint = OFF if not row.counts else "accent" if row.kind == GROUP and row.record.rig else "dim"
        painter.drawPixmap(x, y, _pixmap(icon_of(row), tint, side, self.ratio))
        x += side + theme.size(6)
        ink = "strong" if row.kind == GROUP and row.counts else held.ink
        room = box.right() - x - self._pad
        count = self._laid(held.unit, room)[1] + self._pad if held.unit else 0.0
        width = self._text(painter, x, box, held.text, room - count, self._ink(ink, chosen))
        if held.unit:
            self._text(painter, x + width + self._pad, box, held.unit, room, self._unit_ink)

    # --- kinds of cells ----------------------------------------------------------------------------------------------
    def _ink(self, ink: str, chosen: bool) -> QColor:
        return self._inks["selection_text"] if chosen and ink in ("", "strong") else self._inks[ink]

    def _switch(self, painter: QPainter, box: QRect, name: str, held: Cell) -> None:
        tint = "accent" if held.value else "accent_dim" if held.inherited else "border"
        self._centred(painter, box, "mute" if name == "muted" else "solo", tint)

    def _tick(self, painter: QPainter, box: QRect, name: str, held: Cell) -> None:
        if name == "visible":
            self._centred(painter, box, "visible" if held.value else "hidden", "dim" if held.value else OFF)
        elif held.value:
            self._centred(painter, box, "check", OFF if held.ink else "text")
        else:
            dash = QRectF(0, 0, theme.size(7), max(1.0, theme.scale()))
            dash.moveCenter(QRectF(box).center())
            painter.fillRect(dash, self._edge)

    def _centred(self, painter: QPainter, box: QRect, icon: str, tint: str) -> None:
        side = min(self._icon, box.width() - 2)
        at = box.x() + (box.width() - side) // 2, box.y() + (box.height() - side) // 2
        painter.drawPixmap(*at, _pixmap(icon, tint, side, self.ratio))

    def _swatch(self, painter: QPainter, box: QRect, row: Row, held: Cell) -> None:
        inside = QRectF(box).adjusted(self._dot, theme.size(4), -self._pad, -theme.size(4))
        if inside.width() < 2:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        idle = row.kind == GROUP and held.value == _WHITE
        painter.setPen(QPen(self._edge, 1.0))
        painter.setBrush(Qt.BrushStyle.NoBrush if idle else seen(held.value))
        if held.ink == OFF and not idle:
            painter.setOpacity(0.4)
        painter.drawRoundedRect(inside.adjusted(0.5, 0.5, -0.5, -0.5), 2, 2)
        painter.setOpacity(1.0)
        peak = max(held.value)
        if peak > 1.0:
            painter.setPen(QColor(0, 0, 0))
            painter.drawText(inside, Qt.AlignmentFlag.AlignCenter, f"×{peak:.3g}")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _number(self, painter: QPainter, box: QRect, held: Cell, chosen: bool) -> None:
        right = box.right() - self._pad
        if held.unit:
            laid, width = self._laid(held.unit, box.width())
            right -= int(width)
            self._draw(painter, right, box, laid, self._unit_ink)
            right -= 0 if held.unit == "°" else theme.size(4)
        laid, width = self._laid(held.text, max(right - box.x() - self._dot, 0))
        self._draw(painter, right - width, box, laid, self._ink(held.ink, chosen))

    # --- texts -------------------------------------------------------------------------------------------------------
    def _text(self, painter: QPainter, x: float, box: QRect, text: str, room: float, ink: QColor) -> float:
        laid, width = self._laid(text, room)
        self._draw(painter, x, box, laid, ink)
        return width

    def _draw(self, painter: QPainter, x: float, box: QRect, laid: QStaticText, ink: QColor) -> None:
        painter.setPen(ink)
        painter.drawStaticText(QPointF(x, box.y() + (box.height() - self._rise) / 2), laid)

    def _laid(self, text: str, room: float) -> tuple[QStaticText, float]:
        """A text laid out, shortened where there is no room for it, and its width."""
        found = self._texts.get((text, 0, False))
        if found is None:
            found = self._lay(text, text, 0)
        if found[1] <= room:
            return found
        narrow = int(room)
        short = self._texts.get((text, narrow, True))
        if short is None:
            elided = self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, narrow)
            short = self._lay(text, elided, narrow, shortened=True)
        return short

    def _lay(self, text: str, shown: str, room: int, *, shortened: bool = False) -> tuple[QStaticText, float]:
        if len(self._texts) > _MOST_TEXTS:
            self._texts.clear()
        made = QStaticText(shown)
        made.setTextFormat(Qt.TextFormat.PlainText)
        made.setPerformanceHint(QStaticText.PerformanceHint.AggressiveCaching)
        made.prepare(font=self._font)
        out = self._texts[(text, room, shortened)] = (made, self._metrics.horizontalAdvance(shown))
        return out


def icon_of(row: Row) -> str:
    """The icon of a row."""
    if row.kind == LIGHT:
        return f"light-{row.record.light}"
    return "light-mesh" if row.kind == OBJECT else "rigs" if row.record.rig else "group"


def spans_of(sections: Sequence[tuple[int, str, int, int]], width: int, pinned: int) -> list[Span]:
    """The columns that can be seen, the names last, which stand over the others when these are scrolled below them."""
    names = [Span(n, name, 0 if pinned else x, w) for n, name, x, w in sections if n == 0]
    return [
        *(Span(n, name, x, w) for n, name, x, w in sections if n and pinned < x + w and x < width and w > 0),
        *names,
    ]
