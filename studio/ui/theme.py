"""How the window looks: a dark theme of neutral greys, one accent, icons of our own.

An artist judges colour beside these panels, so the greys have no hue, the accent is used for what is active or has
the focus and nowhere else, and nothing is brighter than it must be to be read. Sizes are given in points of the
interface scale, so the whole window grows by one preference, over and above the scale of the screen.

Tokens (`COLORS`, `size`) are the only place of values: the palette, the style sheet in `resources/theme/dark.qss` and
widgets that paint themselves all read them. Icons are SVGs of strokes on a 24 px grid in `resources/icons`, drawn in
the colour that their state asks for, at whatever size and pixel ratio they are shown.
"""

from __future__ import annotations

import re
from functools import cache

from PySide6.QtCore import QByteArray, QObject, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QIconEngine, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QStyleFactory

from studio.resources import resource

COLORS = {
    "window": "#2b2b2b",  # panels
    "chrome": "#232323",  # menu bar, tabs, title bars, status bar
    "well": "#1e1e1e",  # lists, text fields, the console
    "stripe": "#222222",  # every other row
    "row_hover": "#2a2a2a",
    "raised": "#3a3a3a",  # buttons
    "hover": "#454545",
    "pressed": "#1a1a1a",
    "line": "#171717",  # between panels
    "border": "#4a4a4a",  # around controls
    "text": "#d6d6d6",
    "strong": "#f2f2f2",
    "dim": "#9a9a9a",  # secondary text: 5.1 to 1 on a panel
    "disabled": "#6e6e6e",
    "accent": "#e3a64a",
    "accent_dim": "#8a6a38",
    "selection": "#574a35",
    "selection_text": "#fff6e6",
    "info": "#8fb3c9",
    "warning": "#e6b450",
    "error": "#e2786c",
    "good": "#93b97c",
}
_FONT_PT = 9.0
_TOKEN = re.compile(r"@([a-z_]+)|(\d+(?:\.\d+)?)u\b")

_scale = 1.0


class _Signals(QObject):
    changed = Signal()


@cache
def signals() -> _Signals:
    """`signals().changed` tells widgets that paint themselves that scale or colours changed."""
    return _Signals()


def color(name: str) -> QColor:
    """A token as a colour."""
    return QColor(COLORS[name])


def scale() -> float:
    """The interface scale that is applied."""
    return _scale


def size(units: float) -> int:
    """Logical pixels of a length that is given for an interface scale of 1."""
    return max(1, round(units * _scale)) if units else 0


def apply(app: QApplication, *, scale: float = 1.0) -> None:
    """Dress the application; again with another `scale` to resize what is on the screen."""
    global _scale
    _scale = scale
    if app.style().objectName() != "fusion":
        app.setStyle(QStyleFactory.create("Fusion"))
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPointSizeF(_FONT_PT * scale)
    app.setFont(font)
    app.setPalette(palette())
    app.setStyleSheet(style_sheet())
    signals().changed.emit()


def monospace() -> QFont:
    """The font of code and figures that stand in columns."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPointSizeF(_FONT_PT * _scale)
    return font


def palette() -> QPalette:
    """The theme as a palette, for what the style sheet does not reach."""
    out = QPalette()
    role = QPalette.ColorRole
    for which, name in (
        (role.Window, "window"),
        (role.WindowText, "text"),
        (role.Base, "well"),
        (role.AlternateBase, "window"),
        (role.Text, "text"),
        (role.PlaceholderText, "disabled"),
        (role.Button, "raised"),
        (role.ButtonText, "text"),
        (role.BrightText, "strong"),
        (role.ToolTipBase, "chrome"),
        (role.ToolTipText, "text"),
        (role.Highlight, "selection"),
        (role.HighlightedText, "selection_text"),
        (role.Link, "accent"),
        (role.LinkVisited, "accent_dim"),
        (role.Accent, "accent"),
        (role.Light, "hover"),
        (role.Midlight, "raised"),
        (role.Mid, "border"),
        (role.Dark, "line"),
        (role.Shadow, "line"),
    ):
        out.setColor(which, color(name))
    for which in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        out.setColor(QPalette.ColorGroup.Disabled, which, color("disabled"))
    return out


def style_sheet() -> str:
    """The style sheet, with `@token` replaced by its colour and `7u` by its length at this scale."""
    text = resource("theme", "dark.qss").read_text(encoding="utf-8")
    icons = resource("theme").as_posix()

    def value(found: re.Match[str]) -> str:
        if found[1] == "folder":
            return icons
        return COLORS[found[1]] if found[1] else f"{size(float(found[2]))}px"

    return _TOKEN.sub(value, text)


# --- icons -----------------------------------------------------------------------------------------------------------
class _Engine(QIconEngine):
    """Draws an SVG in the colour of its state. `tint` replaces the colour of the normal state."""

    def __init__(self, name: str, tint: str) -> None:
        super().__init__()
        self._name, self._tint = name, tint

    def clone(self) -> QIconEngine:
        copy = _Engine(self._name, self._tint)
        _alive.append(copy)
        return copy

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        if mode == QIcon.Mode.Disabled:
            wanted = "disabled"
        elif self._tint:
            wanted = self._tint
        elif state == QIcon.State.On:
            wanted = "accent"
        else:
            wanted = "strong" if mode in (QIcon.Mode.Active, QIcon.Mode.Selected) else "text"
        side = min(rect.width(), rect.height())
        square = QRectF(0, 0, side, side)
        square.moveCenter(QRectF(rect).center())
        _renderer(self._name, COLORS[wanted]).render(painter, square)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self.scaledPixmap(size, mode, state, 1.0)

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float) -> QPixmap:
        out = QPixmap(size * scale)
        if out.isNull():  # an item in a row that is folded away
            return out
        out.fill(Qt.GlobalColor.transparent)
        out.setDevicePixelRatio(scale)  # after it was filled, which may make another pixmap of it
        painter = QPainter(out)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return out


_alive: list[_Engine] = []  # Qt owns engines without telling Python, whose halves of them must not be collected


@cache
def _renderer(name: str, wanted: str) -> QSvgRenderer:
    text = resource("icons", f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", wanted)
    return QSvgRenderer(QByteArray(text.encode()))


@cache
def icon(name: str, tint: str = "") -> QIcon:
    """An icon of `resources/icons`; an empty one for "". `tint` names a token for its colour ("warning")."""
    if not name or not resource("icons", f"{name}.svg").is_file():
        return QIcon()
    engine = _Engine(name, tint)
    _alive.append(engine)
    return QIcon(engine)
