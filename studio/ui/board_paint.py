"""How a strip of the board looks and where its parts are: one function of a rectangle for both.

From top to bottom: the colour of the light, its icon and name, the value in stops, the fader with its scale and the
meter beside it, mute and solo. The meter shows the lumens that the strip gives, in stops below a top that all strips
share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap

from studio.commands.board import HIGHEST, LOWEST
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.photometry import blackbody
from studio.ui import theme
from studio.ui.color_edit import seen

STRIP, MASTER_STRIP = 70, 92  # widths at an interface scale of 1
METER_STOPS = 14.0  # that a meter spans
_MARKS = (6, 4, 2, 0, -2, -4, -6, -8, -10)
_CAP = 18.0
_LOW = 170  # strips that are lower are laid out for it


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of a strip are."""

    whole: QRectF
    colour: QRectF
    name: QRectF
    value: QRectF
    fader: QRectF  # where the hand takes it
    track: QLineF
    meter: QRectF
    mute: QRectF
    solo: QRectF

    def hit(self, at: QPointF) -> str:
        """The part under a point: "mute", "solo", "value", "fader", "name" or "" for the strip itself."""
        for name in ("mute", "solo", "value", "fader", "name"):
            if getattr(self, name).contains(at):
                return name
        return ""

    def y_of(self, stops: float) -> float:
        """The height of a value on the track; values beyond it are at its ends."""
        share = (min(max(stops, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
        return self.track.y2() + (self.track.y1() - self.track.y2()) * share

    @property
    def per_stop(self) -> float:
        """Pixels of a stop."""
        return (self.track.y2() - self.track.y1()) / (HIGHEST - LOWEST)


@dataclass(frozen=True, slots=True)
class Look:
    """What a strip shows."""

    name: str
    icon: str
    colour: QColor
    value: float
    original: float
    level: float  # 0 to 1 of the meter
    muted: bool
    solo: bool
    silent: bool = False  # gives nothing though it is not muted
    chosen: bool = False
    current: bool = False
    in_bank: bool = False
    master: bool = False
    switches: bool = True  # it can be muted and soloed
    badges: tuple[tuple[str, str], ...] = ()  # part -> what of a surface moves it, while learning
    armed: str = ""  # the part that waits for a surface
    learning: bool = False


def parts_of(box: QRectF) -> Parts:
    """The parts of a strip in a rectangle; where that is low, the name has one line and the switches stand beside the
    value."""
    edge, row = theme.size(4), theme.size(20)
    low = box.height() < theme.size(_LOW)
    inner = box.adjusted(edge, 0, -edge, 0)
    colour = QRectF(inner.left(), box.top() + theme.size(3), inner.width(), theme.size(4))
    name = QRectF(inner.left(), colour.bottom() + theme.size(3), inner.width(), theme.size(16 if low else 32))
    bottom = box.bottom() - theme.size(4 if low else 6)
    if low:
        side = theme.size(17)
        mute = QRectF(inner.left(), bottom - row, side, row)
        solo = QRectF(inner.right() - side, bottom - row, side, row)
        value = QRectF(mute.right() + 1, bottom - row, inner.width() - 2 * side - 2, row)
        top = name.bottom()
    else:
        half = (inner.width() - theme.size(3)) / 2
        mute = QRectF(inner.left(), bottom - row, half, row)
        solo = QRectF(inner.right() - half, bottom - row, half, row)
        value = QRectF(inner.left(), name.bottom() + theme.size(2), inner.width(), row)
        top = value.bottom()
    fader = QRectF(inner.left(), top + 2, inner.width(), max(mute.top() - top - 4, 1.0))
    cap = theme.size(_CAP) / 2
    x = inner.left() + inner.width() * 0.56
    track = QLineF(x, fader.top() + cap + 2, x, max(fader.bottom() - cap - 2, fader.top() + cap + 3))
    meter = QRectF(inner.right() - theme.size(8), track.y1(), theme.size(7), track.y2() - track.y1())
    if low:
        meter.adjust(0, -cap, 0, cap)
    return Parts(box, colour, name, value, fader, track, meter, mute, solo)


def colour_of(entity: Light | Group | Material) -> QColor:
    """The colour that a light or material shines in, or that a group tints with, at full strength."""
    if isinstance(entity, Group):
        return _full(entity.tint)
    if isinstance(entity, Material):
        return _full(entity.emission_color)
    color = entity.color
    if entity.use_temperature:
        white = blackbody(np.array([entity.temperature_k]))[0].tolist()
        color = (color[0] * white[0], color[1] * white[1], color[2] * white[2])
    return _full(color)


def _full(color: tuple[float, ...]) -> QColor:
    peak = max(color)
    if not (peak > 0.0 and math.isfinite(peak)):
        return theme.color("line")
    return seen((color[0] / peak, color[1] / peak, color[2] / peak))


def said(stops: float) -> str:
    """A value in stops as a fader says it."""
    text = f"{stops:+.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("+0", "-0") else text


def level_of(lumens: float, top: float) -> float:
    """The share of a meter that is lit, for lumens under a top."""
    if not (lumens > 0.0 and top > 0.0):
        return 0.0
    return min(max(1.0 + math.log2(lumens / top) / METER_STOPS, 0.0), 1.0)


class Painter:
    """Paints strips; fonts, inks and what all faders have alike are made once for all of them."""

    def __init__(self, font: QFont) -> None:
        self.on: QPainter
        self.font = font
        self.small = QFont(font)
        self.small.setPointSizeF(font.pointSizeF() * 0.82)
        self.metrics = QFontMetricsF(font)
        self.inks = {name: theme.color(name) for name in theme.COLORS}
        self._scales: dict[tuple[float, float], QPixmap] = {}
        self._round = float(theme.size(3))

    def begin(self, painter: QPainter) -> None:
        """What is painted from now on goes here."""
        self.on = painter

    def strip(self, parts: Parts, look: Look) -> None:
        """A strip in its rectangle."""
        p, ink = self.on, self.inks
        ground = "selection" if look.chosen else "raised" if look.master else "window"
        p.fillRect(parts.whole.adjusted(0, 0, -1, 0), ink[ground])
        p.fillRect(parts.colour, ink["line"] if look.muted and not look.master else look.colour)
        self._name(parts, look)
        self._value(parts, look)
        self._fader(parts, look)
        self._meter(parts, look)
        if look.switches:
            self._switch(parts.mute, "M", look.muted, ink["error"])
            self._switch(parts.solo, "S", look.solo, ink["accent"])
        if look.in_bank:
            p.fillRect(QRectF(parts.whole.left(), parts.whole.bottom() - 2, parts.whole.width() - 1, 2), ink["info"])
        if look.current:
            p.setPen(QPen(ink["accent"], 1))
            p.setBrush(Qt.BrushStyle.NoBrush)
            p.drawRect(parts.whole.adjusted(0.5, 0.5, -1.5, -0.5))
        if look.learning:
            self._learning(parts, look)

    def _name(self, parts: Parts, look: Look) -> None:
        p, side = self.on, theme.size(14)
        faint = (look.muted or look.silent) and not look.master
        top = QRect(round(parts.name.left()), round(parts.name.top()), side, side)
        theme.icon(look.icon, "disabled" if faint else "").paint(p, top)
        p.setFont(self.font)
        p.setPen(self.inks["disabled" if faint else "strong" if look.chosen or look.master else "text"])
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        line = max(parts.name.height() / 2, float(side)) if parts.name.height() > 1.5 * side else parts.name.height()
        first = QRectF(parts.name.left() + side + theme.size(3), parts.name.top(), 0.0, line)
        first.setRight(parts.name.right())
        second = parts.name.adjusted(0, line, 0, 0)
        if second.height() < line / 2:
            p.drawText(first, flags, self.metrics.elidedText(look.name, Qt.TextElideMode.ElideMiddle, first.width()))
            return
        one, two = _broken(look.name, self.metrics, first.width(), second.width())
        p.drawText(first, flags, one)
        if two:
            p.drawText(second, flags, two)

    def _value(self, parts: Parts, look: Look) -> None:
        p, box = self.on, parts.value.adjusted(0.5, 0.5, -0.5, -0.5)
        p.setPen(QPen(self.inks["border"], 1))
        p.setBrush(self.inks["well"])
        p.drawRoundedRect(box, self._round, self._round)
        p.setPen(self.inks["disabled" if look.muted and not look.master else "text"])
        p.drawText(box, Qt.AlignmentFlag.AlignCenter, said(look.value))

    def _fader(self, parts: Parts, look: Look) -> None:
        p, ink, x = self.on, self.inks, parts.track.x1()
        p.drawPixmap(parts.fader.topLeft(), self._scale(parts))
        y = parts.y_of(look.original)
        p.fillRect(QRectF(x + theme.size(4), y - 1, theme.size(4), 2), ink["info"])  # where it was at first
        y, half = parts.y_of(look.value), theme.size(_CAP) / 2
        cap = QRectF(x - theme.size(11), y - half, theme.size(22), half * 2)
        beyond = not LOWEST <= look.value <= HIGHEST
        faint = look.muted and not look.master
        p.setPen(QPen(ink["warning" if beyond else "line"], 1))
        p.setBrush(ink["border" if faint else "hover"])
        p.drawRoundedRect(cap.adjusted(0.5, 0.5, -0.5, -0.5), self._round, self._round)
        p.fillRect(QRectF(cap.left() + 2, y - 1, cap.width() - 4, 2), ink["disabled" if faint else "strong"])

    def _scale(self, parts: Parts) -> QPixmap:
        """The track with its scale and the empty meter, drawn once for all faders of a size."""
        key = (parts.fader.width(), parts.fader.height())
        if key not in self._scales:
            ratio = self.on.device().devicePixelRatioF()
            made = QPixmap((parts.fader.size() * ratio).toSize())
            made.setDevicePixelRatio(ratio)
            made.fill(Qt.GlobalColor.transparent)
            painter = QPainter(made)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.translate(-parts.fader.topLeft())
            self._draw_scale(painter, parts)
            painter.end()
            self._scales[key] = made
        return self._scales[key]

    def _draw_scale(self, p: QPainter, parts: Parts) -> None:
        ink, x = self.inks, parts.track.x1()
        p.setPen(QPen(ink["line"], theme.size(3)))
        p.drawLine(parts.track)
        p.setFont(self.small)
        fine = parts.per_stop * 2 >= self.metrics.height() * 0.8
        for stops in _MARKS if fine else (6, 0, -10):
            y = parts.y_of(stops)
            p.setPen(QPen(ink["dim" if stops == 0 else "border"], 1))
            p.drawLine(QLineF(x - theme.size(9), y, x - theme.size(5), y))
            p.setPen(ink["dim" if stops == 0 else "disabled"])
            room = QRectF(parts.fader.left(), y - 8, x - theme.size(11) - parts.fader.left(), 16)
            p.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{abs(stops)}")
        p.fillRect(parts.meter, ink["well"])

    def _meter(self, parts: Parts, look: Look) -> None:
        box = parts.meter
        if look.level > 0.0:
            lit, step = box.height() * look.level, box.height() / METER_STOPS
            whole = int(lit / step)
            cells = [QRectF(box.left(), box.bottom() - (i + 1) * step + 1, box.width(), step - 1) for i in range(whole)]
            rest = lit - whole * step
            if rest > 1.0:
                cells.append(QRectF(box.left(), box.bottom() - whole * step - rest + 1, box.width(), rest - 1))
            self.on.setPen(Qt.PenStyle.NoPen)
            self.on.setBrush(self.inks["good"])
            self.on.drawRects(cells)

    def _switch(self, box: QRectF, letter: str, on: bool, lit: QColor) -> None:
        p = self.on
        p.setPen(QPen(self.inks["border"] if not on else lit, 1))
        p.setBrush(lit if on else self.inks["raised"])
        p.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), self._round, self._round)
        p.setPen(self.inks["line" if on else "dim"])
        p.drawText(box, Qt.AlignmentFlag.AlignCenter, letter)

    def _learning(self, parts: Parts, look: Look) -> None:
        """What can be learned is framed, what is known says by what, what waits is filled."""
        p, known = self.on, dict(look.badges)
        p.setFont(self.small)
        for part in ("fader", "mute", "solo", "name"):
            if (look.master and part == "name") or (part in ("mute", "solo") and not look.switches):
                continue
            box = getattr(parts, part).adjusted(0.5, 0.5, -0.5, -0.5)
            fill = QColor(self.inks["accent"] if part == look.armed else self.inks["info"])
            fill.setAlpha(120 if part == look.armed else 60 if part in known else 18)
            p.setPen(QPen(self.inks["accent" if part == look.armed else "info"], 1))
            p.setBrush(fill)
            p.drawRoundedRect(box, self._round, self._round)
            if part in known:
                p.setPen(self.inks["strong"])
                top = QRectF(box.left(), box.top(), box.width(), min(box.height(), theme.size(18)))
                p.fillRect(top, self.inks["chrome"])
                p.drawText(top, Qt.AlignmentFlag.AlignCenter, known[part])
        p.setFont(self.font)


def _broken(text: str, metrics: QFontMetricsF, first: float, second: float) -> tuple[str, str]:
    """A name on two lines: broken where words end if that fits, the rest elided."""
    if metrics.horizontalAdvance(text) <= first:
        return text, ""
    cut = len(text)
    while cut > 1 and metrics.horizontalAdvance(text[:cut]) > first:
        cut -= 1
    words = max(text.rfind(" ", 0, cut + 1), text.rfind("_", 0, cut) + 1, text.rfind("-", 0, cut) + 1)
    cut = words if words > cut // 3 else cut
    return text[:cut].rstrip(), metrics.elidedText(text[cut:].lstrip(), Qt.TextElideMode.ElideMiddle, second)
