"""How the curve editor looks: grid, rulers, lines, keys, handles, marks.

Points reach Qt as one block of memory, never one by one. Lines are drawn softly and keys as squares; what is picked is
light and larger, so that it is told apart by size as well as by colour. Breakdowns are round and hollow. Outside of its
keys a line is dashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPen, QPolygonF
from shiboken6 import VoidPtr

from studio.scene.animation import BREAKDOWN, Curve
from studio.ui import theme
from studio.ui.curve_picking import shown_handles
from studio.ui.curve_shapes import after_keys, before_keys, polylines, steps_for, whole
from studio.ui.curve_state import CurveState
from studio.ui.curve_view import View, tick_step, tick_text, ticks

F64 = NDArray[np.float64]
# red, green and blue of equal weight on the grey of a well, and a neutral one for what is no axis
HUE_COLOURS = ("#d9695c", "#7fb563", "#6a97dc", "#c9b07a")
_DIM = 0.42  # how much of a colour is left of lines that are not meant
_FRAME_PX, _VALUE_PX = 72.0, 30.0  # between ticks, at an interface scale of 1
_FEW = 24  # lines
_TALLEST = 1e6  # pixels; farther points are brought in, as painters count in whole numbers


def hue(number: int, alpha: float = 1.0) -> QColor:
    """The colour of lines of a number."""
    out = QColor(HUE_COLOURS[number])
    out.setAlphaF(alpha)
    return out


def polygon(x: F64, y: F64) -> QPolygonF:
    """Points as Qt has them."""
    out = QPolygonF()
    out.resize(len(x))
    if len(x):
        block: Any = VoidPtr(out.data(), len(x) * 16, True)  # type: ignore[arg-type, call-arg]  # the stubs know one form
        memory = np.frombuffer(block, np.float64).reshape(-1, 2)
        memory[:, 0] = x
        np.clip(y, -_TALLEST, _TALLEST, out=memory[:, 1])
    return out


# --- grid and rulers -------------------------------------------------------------------------------------------------
def paint_grid(painter: QPainter, view: View, *, frames: tuple[float, float]) -> None:
    """Lines of frames and values, and what lies outside of the scene's frames a little darker."""
    left, top, width, height = view.left, view.top, view.width, view.height
    painter.fillRect(QRectF(left, top, width, height), theme.color("well"))
    shade = QColor(0, 0, 0, 56)
    begin = min(max(view.x(frames[0]), left), left + width)
    end = min(max(view.x(frames[1]), left), left + width)
    painter.fillRect(QRectF(left, top, begin - left, height), shade)
    painter.fillRect(QRectF(end, top, left + width - end, height), shade)
    fine, strong, axis = QColor("#252525"), QColor("#2c2c2c"), QColor("#454545")
    step, rise = steps_of(view)
    vertical = [view.x(f) for f in ticks(view.frame, view.last_frame, step)]
    horizontal = [view.y(v) for v in ticks(view.value, view.top_value, rise)]
    halves = [view.y(v) for v in ticks(view.value, view.top_value, rise / 2)]
    painter.setPen(QPen(fine, 1))
    painter.drawLines([QLineF(left, _crisp(y), left + width, _crisp(y)) for y in halves])
    painter.setPen(QPen(strong, 1))
    painter.drawLines([QLineF(_crisp(x), top, _crisp(x), top + height) for x in vertical])
    painter.drawLines([QLineF(left, _crisp(y), left + width, _crisp(y)) for y in horizontal])
    zero = view.y(0.0)
    if top <= zero <= top + height:
        painter.setPen(QPen(axis, 1))
        painter.drawLine(QLineF(left, _crisp(zero), left + width, _crisp(zero)))


def steps_of(view: View) -> tuple[float, float]:
    """Distances of the ticks of frames and values."""
    return (
        tick_step(view.per_frame, theme.size(_FRAME_PX), whole=view.per_frame < theme.size(_FRAME_PX) * 2),
        tick_step(view.per_value, theme.size(_VALUE_PX)),
    )


def _crisp(at: float) -> float:
    return float(np.floor(at)) + 0.5


def paint_rulers(painter: QPainter, view: View, *, frame: float, unit: str) -> None:
    """Numbers of frames above the plot and of values beside it, and the present frame."""
    step, rise = steps_of(view)
    right, bottom = view.left + view.width, view.top + view.height
    painter.fillRect(QRectF(0, 0, right, view.top), theme.color("chrome"))
    painter.fillRect(QRectF(0, view.top, view.left, view.height), theme.color("chrome"))
    painter.setPen(theme.color("dim"))
    metrics = QFontMetrics(painter.font())
    centre = int(Qt.AlignmentFlag.AlignCenter)
    painter.save()
    painter.setClipRect(QRectF(view.left, 0, view.width, view.top))
    for f in ticks(view.frame - step, view.last_frame + step, step):
        painter.drawText(QRectF(view.x(f) - 60, 0, 120, view.top), centre, tick_text(f, step))
    painter.restore()
    painter.save()
    painter.setClipRect(QRectF(0, view.top, view.left, view.height))
    beside = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    half = metrics.height() / 2
    for v in ticks(view.value, view.top_value, rise):
        painter.drawText(QRectF(0, view.y(v) - half, view.left - theme.size(5), half * 2), beside, tick_text(v, rise))
    painter.restore()
    if unit:
        painter.drawText(QRectF(0, 0, view.left - theme.size(5), view.top), beside, unit)
    painter.setPen(QPen(theme.color("line"), 1))
    painter.drawLine(QLineF(view.left - 0.5, view.top, view.left - 0.5, bottom))
    painter.drawLine(QLineF(0, view.top - 0.5, right, view.top - 0.5))
    paint_frame(painter, view, frame)


def paint_frame(painter: QPainter, view: View, frame: float) -> None:
    """The line of the present frame, with its number above."""
    x = _crisp(view.x(frame))
    if not view.left - 1 <= x <= view.left + view.width + 1:
        return
    painter.setPen(QPen(theme.color("accent"), 1))
    painter.drawLine(QLineF(x, view.top, x, view.top + view.height))
    text = f"{frame:.4g}" if frame != round(frame) else f"{frame:.0f}"
    room = QFontMetrics(painter.font()).horizontalAdvance(text) + theme.size(10)
    tag = QRectF(x - room / 2, 2, room, view.top - 4)
    tag.moveLeft(min(max(tag.left(), view.left), view.left + view.width - room))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color("accent"))
    painter.drawRoundedRect(tag, 3, 3)
    painter.setPen(theme.color("line"))
    painter.drawText(tag, int(Qt.AlignmentFlag.AlignCenter), text)


# --- lines -----------------------------------------------------------------------------------------------------------
def paint_lines(painter: QPainter, view: View, state: CurveState, numbers: Sequence[int]) -> None:
    """Lines by number, those that are active last and stronger; dashed outside of their keys."""
    if not numbers:
        return
    chosen = state.active | state.picks.keys()
    ordered = sorted(numbers, key=lambda n: state.lines[n].key in chosen)
    curves = [(state.curves[n], state.lines[n].item) for n in ordered]
    reach = view.width / view.per_frame
    keys = max((_within(c, view.frame, view.last_frame) for c, _ in curves), default=1)
    steps = steps_for(max(keys, 1), view.width * min(1.0, _span(curves) / max(reach, 1e-9)))
    found = polylines(curves, view.frame, view.last_frame, steps=steps)
    gain, shift = state.gains()
    counts = np.diff(found.starts)
    xs = view.xs(found.x)
    ys = view.ys(found.y * np.repeat(gain[ordered], counts) + np.repeat(shift[ordered], counts))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    few = len(numbers) <= _FEW  # strokes that are wide or dashed take a painter ten times as long
    for place, n in enumerate(ordered):
        line, curve = state.lines[n], curves[place][0]
        meant = not chosen or line.key in chosen
        colour = hue(line.hue, 1.0 if meant else _DIM)
        if line.key in state.locked:
            colour = QColor(theme.color("disabled"))
        painter.setPen(QPen(colour, 1.8 if few and line.key in chosen else 1.2 if few else 1.0))
        part = slice(found.starts[place], found.starts[place + 1])
        painter.drawPolyline(polygon(xs[part], ys[part]))
        if not few and curve.pre == curve.post == "hold":
            continue
        colour.setAlphaF(colour.alphaF() * (0.75 if few else 0.35))
        painter.setPen(QPen(colour, 1.0, Qt.PenStyle.DashLine if few else Qt.PenStyle.SolidLine))
        for x, y in (
            before_keys(curve, line.item, view.frame, steps=24),
            after_keys(curve, line.item, view.last_frame, steps=24),
        ):
            if len(x):
                painter.drawPolyline(polygon(view.xs(x), view.ys(y * gain[n] + shift[n])))
    if not few:
        _paint_holds(painter, view, state, ordered)


def _paint_holds(painter: QPainter, view: View, state: CurveState, numbers: Sequence[int]) -> None:
    """What many lines hold before and after their keys, at one go."""
    gain, shift = state.gains()
    colour = QColor(theme.color("dim"))
    colour.setAlphaF(0.3)
    painter.setPen(QPen(colour, 1.0))
    held = []
    right = view.left + view.width
    for n in numbers:
        curve, item = state.curves[n], state.lines[n].item
        if curve.pre == curve.post == "hold":
            for row, edge in ((0, view.left), (-1, right)):
                x = min(max(view.x(float(curve.times[row])), view.left), right)
                y = view.y(float(curve.values[row, item] * gain[n] + shift[n]))
                held.append(QLineF(x, y, edge, y))
    painter.drawLines(held)


def _within(curve: Curve, first: float, last: float) -> int:
    a, b = np.searchsorted(curve.times, (first, last)).tolist()
    return int(b - a + 1)


def _span(curves: Sequence[tuple[Curve, int]]) -> float:
    return max(float(c.times[-1] - c.times[0]) for c, _ in curves)


def paint_stored(painter: QPainter, view: View, state: CurveState, numbers: Sequence[int]) -> None:
    """Buffer curves, as ghosts behind the present ones."""
    gain, shift = state.gains()
    colour = QColor(theme.color("dim"))
    colour.setAlphaF(0.6)
    painter.setPen(QPen(colour, 1.0, Qt.PenStyle.DotLine))
    for n in numbers:
        line = state.lines[n]
        stored = state.stored.get(line.track)
        if stored is None or stored is state.curves[n] or line.item >= stored.values.shape[1]:
            continue
        x, y = whole(stored, line.item, view.frame, view.last_frame, steps=16)
        painter.drawPolyline(polygon(view.xs(x), view.ys(y * gain[n] + shift[n])))


# --- keys ------------------------------------------------------------------------------------------------------------
def paint_keys(painter: QPainter, view: View, state: CurveState, numbers: Sequence[int]) -> None:
    """Keys of lines, then handles and the picked keys of all lines."""
    gain, shift = state.gains()
    chosen = state.active | state.picks.keys()
    plain: dict[tuple[int, bool], list[F64]] = {}
    breakdowns: list[F64] = []
    for n in numbers:
        curve, line = state.curves[n], state.lines[n]
        a, b = np.searchsorted(curve.times, (view.frame, view.last_frame)).tolist()
        if a >= b:
            continue
        points = np.stack(
            [view.xs(curve.times[a:b]), view.ys(curve.values[a:b, line.item] * gain[n] + shift[n])], axis=1
        )
        if curve.modes is not None and (passing := (curve.modes[a:b] & BREAKDOWN) > 0).any():
            breakdowns.append(points[passing])
            points = points[~passing]
        plain.setdefault((line.hue, not chosen or line.key in chosen), []).append(points)
    for (number, meant), parts in sorted(plain.items(), key=lambda entry: entry[0][1]):
        _squares(painter, np.concatenate(parts), hue(number, 1.0 if meant else _DIM), 5.0)
    if breakdowns:
        points = np.concatenate(breakdowns)
        _dots(painter, points, theme.color("good"), 6.5)
        _dots(painter, points, theme.color("well"), 3.0)
    _paint_handles(painter, view, state)
    frames, values, _ = state.picked_points()
    if len(frames):
        points = np.stack([view.xs(frames), view.ys(values)], axis=1)
        _squares(painter, points, theme.color("line"), 9.0)
        _squares(painter, points, theme.color("strong"), 7.0)


def _paint_handles(painter: QPainter, view: View, state: CurveState) -> None:
    """Handles of the picked keys."""
    found = shown_handles(state)
    if not found:
        return
    gain, shift = state.gains()
    sticks, ends = [], []
    for key, index, _, frame, value in found:
        n = state.number[key]
        curve = state.curves[n]
        at = QPointF(view.x(float(curve.times[index])), view.y(float(curve.values[index, key[1]] * gain[n] + shift[n])))
        end = QPointF(view.x(frame), view.y(value))
        sticks.append(QLineF(at, end))
        ends.append((end.x(), end.y()))
    painter.setPen(QPen(theme.color("accent"), 1.0))
    painter.drawLines(sticks)
    _dots(painter, np.array(ends), theme.color("accent"), 7.0)


def _squares(painter: QPainter, points: F64, colour: QColor, size: float) -> None:
    _points(painter, points, colour, size, Qt.PenCapStyle.SquareCap)


def _dots(painter: QPainter, points: F64, colour: QColor, size: float) -> None:
    _points(painter, points, colour, size, Qt.PenCapStyle.RoundCap)


def _points(painter: QPainter, points: F64, colour: QColor, size: float, cap: Qt.PenCapStyle) -> None:
    painter.setPen(QPen(colour, size * theme.scale(), Qt.PenStyle.SolidLine, cap))
    painter.drawPoints(polygon(points[:, 0], points[:, 1]))


# --- marks -----------------------------------------------------------------------------------------------------------
def paint_marquee(painter: QPainter, box: QRectF) -> None:
    """The rectangle of a selection that is being drawn."""
    fill = QColor(theme.color("accent"))
    fill.setAlpha(28)
    painter.setPen(QPen(theme.color("accent"), 1, Qt.PenStyle.DashLine))
    painter.setBrush(fill)
    painter.drawRect(box)


def paint_scale_box(painter: QPainter, box: QRectF, grips: Sequence[QPointF]) -> None:
    """The frame by which picked keys are scaled."""
    painter.setPen(QPen(theme.color("info"), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(box)
    side = theme.size(7)
    painter.setBrush(theme.color("info"))
    painter.setPen(QPen(theme.color("line"), 1))
    for grip in grips:
        painter.drawRect(QRectF(grip.x() - side / 2, grip.y() - side / 2, side, side))
