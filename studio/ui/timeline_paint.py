"""How the timeline is drawn. Given all it draws, it asks nothing of the studio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from studio.scene.scene import Scene
from studio.scene.timeline import Marker
from studio.ui import theme
from studio.ui.i18n import tr
from studio.ui.timeline_scale import Scale, told
from studio.ui.waveform import WaveformPainter

if TYPE_CHECKING:
    from studio.ui.audio_track import AudioTrack

MARKER_COLORS = {"yellow": "warning", "red": "error", "green": "good", "blue": "info", "grey": "dim"}


def diamond(x: float, y: float, half: float) -> QPolygonF:
    """The shape of a key."""
    return QPolygonF([QPointF(x, y - half), QPointF(x + half, y), QPointF(x, y + half), QPointF(x - half, y)])


def faded(name: str, alpha: int) -> QColor:
    """A colour of the theme that lets through what lies below."""
    out = theme.color(name)
    out.setAlpha(alpha)
    return out


def draw_outside(painter: QPainter, area: QRectF, scale: Scale, first: float, last: float) -> None:
    """Darken what lies outside of the range."""
    shade = QColor(0, 0, 0, 70)
    left, right = scale.x(first), scale.x(last + 1.0)
    if left > area.left():
        painter.fillRect(QRectF(area.left(), area.top(), min(left, area.right()) - area.left(), area.height()), shade)
    if right < area.right():
        start = max(right, area.left())
        painter.fillRect(QRectF(start, area.top(), area.right() - start, area.height()), shade)


def draw_ruler(
    painter: QPainter, area: QRectF, scale: Scale, metrics: QFontMetricsF, *, fps: float, timecode: bool
) -> None:
    """Marks with numbers."""
    painter.fillRect(area, theme.color("chrome"))
    widest = "00:00:00:00" if timecode else f"{max(abs(scale.left), abs(scale.right)):.0f}0"
    major, minor = scale.steps(metrics.horizontalAdvance(widest) + theme.size(14), fps=fps if timecode else 0.0)
    small: list[QLineF] = []
    large: list[QLineF] = []
    for frame in scale.marks(minor):
        x = round(scale.x(frame)) + 0.5
        named = frame % major == 0
        top = area.bottom() - (theme.size(7) if named else theme.size(3.5))
        (large if named else small).append(QLineF(x, top, x, area.bottom()))
    painter.setRenderHint(
        QPainter.RenderHint.Antialiasing, False
    )  # upright lines on pixels: sharp, and ten times faster
    painter.setPen(QPen(theme.color("border"), 1))
    painter.drawLines(small)
    painter.setPen(QPen(theme.color("disabled"), 1))
    painter.drawLines(large)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(theme.color("dim"))
    base = area.top() + (area.height() - theme.size(6) + metrics.ascent() - metrics.descent()) / 2.0
    for frame in scale.marks(major):
        text = told(frame, fps, as_timecode=timecode)
        painter.drawText(QPointF(scale.x(frame) - metrics.horizontalAdvance(text) / 2.0, base), text)
    painter.setPen(QPen(theme.color("line"), 1))
    painter.drawLine(QLineF(area.left(), area.bottom() - 0.5, area.right(), area.bottom() - 0.5))


def draw_playhead(
    painter: QPainter, area: QRectF, head: QRectF, scale: Scale, metrics: QFontMetricsF, *, frame: float, text: str
) -> None:
    """The line of the present frame, with its number on the ruler."""
    x = scale.x(frame)
    width = metrics.horizontalAdvance(text) + theme.size(10)
    if not area.left() - width <= x <= area.right() + width:
        return
    accent = theme.color("accent")
    painter.setPen(QPen(accent, max(1.0, theme.scale())))
    painter.drawLine(QLineF(x, head.bottom(), x, area.bottom()))
    tag = QRectF(x - width / 2.0, head.top() + theme.size(2), width, head.height() - theme.size(6))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(accent)
    painter.drawRoundedRect(tag, theme.size(3), theme.size(3))
    nib = theme.size(4)
    painter.drawPolygon(
        QPolygonF(
            [QPointF(x - nib, tag.bottom() - 0.5), QPointF(x + nib, tag.bottom() - 0.5), QPointF(x, head.bottom())]
        )
    )
    painter.setPen(theme.color("line"))
    painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, text)


class TimelinePainter:
    """Draws the lanes of the timeline."""

    def __init__(self, metrics: object) -> None:
        self._wave = WaveformPainter()
        self._metrics = QFontMetricsF(metrics)  # type: ignore[call-overload]
        self.playhead_reach = self._metrics.horizontalAdvance("00:00:00:00") / 2.0 + theme.size(8)

    def flag(self, scale: Scale, marker: Marker, lane: QRectF) -> QRectF:
        """Where a marker is drawn and grabbed."""
        width = self._metrics.horizontalAdvance(marker.name) + theme.size(10) if marker.name else theme.size(10)
        x = scale.x(marker.frame)
        return QRectF(x - theme.size(1), lane.top() + 1.0, max(width, theme.size(12)), lane.height() - 2.0)

    def draw(
        self,
        painter: QPainter,
        area: QRectF,
        lanes: dict[str, QRectF],
        scale: Scale,
        scene: Scene,
        *,
        frame: float,
        keys: Sequence[float],
        timecode: bool,
        sound: AudioTrack,
    ) -> None:
        """Everything, the playhead last."""
        painter.fillRect(area, theme.color("well"))
        draw_ruler(painter, lanes["ruler"], scale, self._metrics, fps=scene.fps, timecode=timecode)
        self._lines(painter, area, lanes, scale, scene.fps, timecode=timecode)
        if "sound" in lanes:
            self._sound(painter, lanes["sound"], scale, scene, sound)
        if "cuts" in lanes:
            self._cuts(painter, lanes["cuts"], scale, scene)
        draw_outside(painter, area, scale, scene.frame_start, scene.frame_end)
        self._keys(painter, lanes["keys"], scale, keys)
        if "markers" in lanes:
            self._markers(painter, lanes["markers"], area, scale, scene)
        if scene.timeline.preview is not None:
            self._preview(painter, lanes["ruler"], scale, scene.timeline.preview)
        text = told(frame, scene.fps, as_timecode=timecode)
        draw_playhead(painter, area, lanes["ruler"], scale, self._metrics, frame=frame, text=text)

    def _lines(
        self, painter: QPainter, area: QRectF, lanes: dict[str, QRectF], scale: Scale, fps: float, *, timecode: bool
    ) -> None:
        """Faint lines under the numbers, and between lanes."""
        widest = "00:00:00:00" if timecode else f"{max(abs(scale.left), abs(scale.right)):.0f}0"
        major, _ = scale.steps(self._metrics.horizontalAdvance(widest) + theme.size(14), fps=fps if timecode else 0.0)
        painter.setPen(QPen(theme.color("row_hover"), 1))
        top = lanes["ruler"].bottom()
        painter.drawLines(
            [QLineF(x, top, x, area.bottom()) for f in scale.marks(major) if (x := round(scale.x(f)) + 0.5)]
        )
        painter.setPen(QPen(theme.color("line"), 1))
        painter.drawLines([QLineF(0, a.bottom() - 0.5, area.right(), a.bottom() - 0.5) for a in lanes.values()])

    def _keys(self, painter: QPainter, lane: QRectF, scale: Scale, keys: Sequence[float]) -> None:
        if not len(keys):
            return
        x = scale.x(0.0) + np.asarray(keys) * scale.per_frame
        x = x[(x > -10.0) & (x < scale.width + 10.0)]
        half, middle = theme.size(4), lane.center().y()
        if len(x) > 1 and np.diff(x).min() < half * 1.5:  # too close for diamonds
            painter.setPen(QPen(theme.color("text"), max(1.0, theme.scale())))
            ticks = np.unique(np.round(x)) + 0.5
            painter.drawLines(
                [QLineF(c, lane.top() + half * 0.7, c, lane.bottom() - half * 0.7) for c in ticks.tolist()]
            )
            return
        painter.setPen(QPen(theme.color("line"), 1))
        painter.setBrush(theme.color("text"))
        for centre in x.tolist():
            painter.drawPolygon(diamond(centre, middle, half))

    def _markers(self, painter: QPainter, lane: QRectF, area: QRectF, scale: Scale, scene: Scene) -> None:
        for marker in scene.timeline.markers:
            flag = self.flag(scale, marker, lane)
            if flag.right() < 0 or flag.left() > area.right():
                continue
            ink = theme.color(MARKER_COLORS.get(marker.color, "warning"))
            x = scale.x(marker.frame)
            painter.setPen(QPen(faded(MARKER_COLORS.get(marker.color, "warning"), 90), 1))
            painter.drawLine(QLineF(x, flag.bottom(), x, area.bottom()))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ink)
            notch = theme.size(4)
            right, middle = flag.right(), flag.center().y()
            shape = [flag.topLeft(), QPointF(right - notch, flag.top()), QPointF(right, middle)]
            painter.drawPolygon(QPolygonF([*shape, QPointF(right - notch, flag.bottom()), flag.bottomLeft()]))
            painter.setPen(theme.color("line"))
            inner = flag.adjusted(theme.size(4), 0, 0, 0)
            painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, marker.name)

    def _cuts(self, painter: QPainter, lane: QRectF, scale: Scale, scene: Scene) -> None:
        """From cut to cut the camera's name on a bar; before the first the scene's own camera, paler."""
        cuts = scene.timeline.cuts
        edges = [(scale.left, scene.camera, False), *((c.frame, c.camera, True) for c in cuts)]
        for number, (start, camera, cut) in enumerate(edges):
            end = edges[number + 1][0] if number + 1 < len(edges) else scale.right + 1.0
            left, right = max(scale.x(start), -2.0), min(scale.x(end), lane.right() + 2.0)
            if right <= left:
                continue
            bar = QRectF(left, lane.top() + 1.5, right - left, lane.height() - 3.0)
            painter.fillRect(bar, theme.color(("raised", "hover")[number % 2] if cut else "window"))
            if cut:
                painter.fillRect(QRectF(scale.x(start), bar.top(), theme.size(2), bar.height()), theme.color("text"))
            found = scene.entities.get(camera)
            text = (
                (found.name or camera) if found is not None else (tr("Camera is gone") if camera else tr("No camera"))
            )
            painter.setPen(theme.color("text" if cut else "dim"))
            room = bar.adjusted(theme.size(6), 0, -theme.size(4), 0)
            text = self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width())
            if len(text) > 1:
                painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    def _sound(self, painter: QPainter, lane: QRectF, scale: Scale, scene: Scene, sound: AudioTrack) -> None:
        audio = scene.timeline.audio
        if audio is None:
            return
        middle = lane.center().y()
        painter.setPen(QPen(theme.color("raised"), 1))
        painter.drawLine(QLineF(lane.left(), middle, lane.right(), middle))
        if sound.peaks is not None:
            ink = faded("disabled" if audio.muted else "info", 165)
            inner = lane.adjusted(0, 2, 0, -2)
            self._wave.paint(
                painter, inner, sound.peaks, audio, fps=scene.fps, left=scale.left, per_frame=scale.per_frame, ink=ink
            )
        name = audio.path.replace("\\", "/").rpartition("/")[2]
        text = sound.fault or (f"{name}  ({tr('muted')})" if audio.muted else name)
        if sound.peaks is None and not sound.fault:
            text = tr("Reading {name}…", name=name)
        painter.setPen(theme.color("warning" if sound.fault else "dim"))
        x = max(scale.x(audio.start), 0.0) + theme.size(6)
        plate = QRectF(x, lane.top() + theme.size(1), lane.right() - x - theme.size(6), self._metrics.height())
        text = self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, plate.width())
        if text:
            back = QRectF(plate.left() - 3, plate.top(), self._metrics.horizontalAdvance(text) + 6, plate.height())
            painter.fillRect(back, faded("well", 190))
            painter.drawText(plate, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    @staticmethod
    def _preview(painter: QPainter, lane: QRectF, scale: Scale, preview: tuple[float, float]) -> None:
        left, right = scale.x(preview[0]), scale.x(preview[1] + 1.0)
        height, grip = theme.size(3), theme.size(6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("accent_dim"))
        painter.drawRect(QRectF(left, lane.bottom() - height, right - left, height))
        painter.setBrush(theme.color("accent"))
        top, bottom = lane.bottom() - theme.size(9), lane.bottom()
        painter.drawPolygon(QPolygonF([QPointF(left, top), QPointF(left + grip, bottom), QPointF(left, bottom)]))
        painter.drawPolygon(QPolygonF([QPointF(right, top), QPointF(right - grip, bottom), QPointF(right, bottom)]))
