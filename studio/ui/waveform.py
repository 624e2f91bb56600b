"""The picture of a sound: the least and the greatest sample of every column of pixels.

They are read from a pyramid of minima and maxima that is made once for a sound, so an hour is drawn as fast as a
second, and no peak is lost however far one zooms out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QPolygonF

from studio.scene.timeline import Audio
from studio.ui.audio import Sound, sample_of

F32 = NDArray[np.float32]
_BLOCK, _STEP = 64, 4


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """`levels[i]` holds (k, 2) least and greatest of blocks of 64 * 4**i samples, -1 to 1."""

    count: int  # samples
    levels: tuple[F32, ...]

    @classmethod
    def of(cls, sound: Sound) -> Peaks:
        """The pyramid of a sound; both channels together."""
        rows = sound.samples
        starts = np.arange(0, len(rows), _BLOCK)
        least = np.minimum.reduceat(rows.min(axis=1), starts)
        most = np.maximum.reduceat(rows.max(axis=1), starts)
        level = np.stack((least, most), axis=1).astype(np.float32) / 32768.0
        levels = [level]
        while len(level) > _STEP:
            starts = np.arange(0, len(level), _STEP)
            level = np.stack(
                (np.minimum.reduceat(level[:, 0], starts), np.maximum.reduceat(level[:, 1], starts)), axis=1
            )
            levels.append(level)
        return cls(len(rows), tuple(levels))

    def columns(self, edges: NDArray[np.float64]) -> F32:
        """Least and greatest (n, 2) between (n + 1,) rising places in samples; zeros outside of the sound."""
        n = len(edges) - 1
        out = np.zeros((max(n, 0), 2), np.float32)
        if n <= 0 or self.count == 0:
            return out
        each = (edges[-1] - edges[0]) / n
        rung = 0
        while rung + 1 < len(self.levels) and _BLOCK * _STEP ** (rung + 1) <= each / 8.0:
            rung += 1
        level, block = self.levels[rung], _BLOCK * _STEP**rung
        first = np.floor(edges[:-1] / block).astype(np.int64)
        last = np.maximum(np.ceil(edges[1:] / block).astype(np.int64), first + 1)
        heard = (edges[1:] > 0) & (edges[:-1] < self.count)
        a, b = np.clip(first, 0, len(level) - 1), np.clip(last, 1, len(level))
        b = np.maximum(b, a + 1)
        pairs = np.stack((a, np.minimum(b, len(level))), axis=1).ravel()
        padded = np.concatenate((level, level[-1:]))
        out[:, 0] = np.minimum.reduceat(padded[:, 0], pairs)[::2]
        out[:, 1] = np.maximum.reduceat(padded[:, 1], pairs)[::2]
        out[~heard] = 0.0
        return out


class WaveformPainter:
    """Draws peaks along a scale of frames, and keeps the picture as long as it would be the same."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._image = QImage()

    def paint(
        self,
        painter: QPainter,
        area: QRectF,
        peaks: Peaks,
        audio: Audio,
        *,
        fps: float,
        left: float,
        per_frame: float,
        ink: QColor,
    ) -> None:
        """`left` is the frame at the left edge of the area, `per_frame` logical pixels of a frame."""
        ratio = painter.device().devicePixelRatioF()
        width, height = round(area.width() * ratio), round(area.height() * ratio)
        if width <= 0 or height <= 0:
            return
        key = (id(peaks), audio.start, audio.trim_s, audio.gain_db, fps, left, per_frame, width, height, ink.rgba())
        if key != self._key:
            self._key = key
            self._image = self._drawn(peaks, audio, fps, left, per_frame * ratio, width, height, ink)
            self._image.setDevicePixelRatio(ratio)
        painter.drawImage(area.topLeft(), self._image)

    @staticmethod
    def _drawn(
        peaks: Peaks, audio: Audio, fps: float, left: float, per_frame: float, width: int, height: int, ink: QColor
    ) -> QImage:
        image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(0)
        start, step = sample_of(audio, left, fps), sample_of(audio, left + 1.0, fps) - sample_of(audio, left, fps)
        edges = start + np.arange(width + 1, dtype=np.float64) * (step / per_frame)
        loud = 10.0 ** (audio.gain_db / 20.0)
        columns = np.clip(peaks.columns(edges) * loud, -1.0, 1.0)
        middle, half = height / 2.0, height / 2.0 - 0.5
        top, bottom = middle - columns[:, 1] * half, middle - columns[:, 0] * half
        thin = bottom - top < 1.0
        bottom[thin] = top[thin] + 1.0
        heard = (edges[1:] > 0) & (edges[:-1] < peaks.count)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(ink)
        painter.setPen(ink)
        for run in np.split(np.arange(width), np.flatnonzero(np.diff(heard.astype(np.int8))) + 1):
            if len(run) and heard[run[0]]:
                upper = [QPointF(float(x) + 0.5, float(top[x])) for x in run]
                lower = [QPointF(float(x) + 0.5, float(bottom[x])) for x in reversed(run)]
                painter.drawPolygon(QPolygonF(upper + lower))
        painter.end()
        return image
