"""What is dragged over a viewport: shown while it hovers, taken when it is let go.

Each kind of thing that can be dropped (assets of the library, materials of the editor, ...) registers a `Taker` under
its media type. The viewport finds out what lies under the cursor, the taker says what would happen there as a `Ghost`,
and the canvas draws that over its picture. A drag that no taker knows is left to the window, which takes files.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QMimeData, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QDragEnterEvent, QDragMoveEvent, QDropEvent, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from studio.commands.studio import Studio
from studio.scene.entities import Id
from studio.scene.insert import upright
from studio.ui import theme
from studio.viewport.tools.rays import Eye

if TYPE_CHECKING:
    from studio.ui.view import View

F64 = NDArray[np.float64]
_RING = 40  # corners of the marker's circle
_RING_PX = 26.0  # its radius on the screen, where nothing larger is known
_EDGES = ((0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), (0, 4), (1, 5), (2, 6), (3, 7))
_LEVEL = 0.999998  # cosine of a tenth of a degree


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """Where something is dropped: the object and the part of its mesh that is hit ("" and -1 for none), a point of
    the world (on the ground where nothing is hit) and the direction away from the surface there."""

    id: Id
    part: int
    position: F64
    normal: F64


@dataclass(frozen=True, slots=True)
class Ghost:
    """What is shown while something hovers: a line of text, and a box (lowest and highest corner, metres, about the
    foot) that would stand there, or None for a mark on the surface. `place` is false for what goes nowhere special.
    `outline` is what would be changed by it, and is outlined."""

    text: str
    box: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None
    place: bool = True
    outline: Id = ""


@dataclass(frozen=True, slots=True)
class Taker:
    """How things of a media type are taken: what would happen (None: nothing can be done there), and doing it."""

    hover: Callable[[Studio, QMimeData, Spot], Ghost | None]
    drop: Callable[[Studio, QMimeData, Spot], object]


_TAKERS: dict[str, Taker] = {}
_HOMES = ("library_drops", "material_drop")  # modules that register takers, imported when the first drag comes


def register(mime: str, taker: Taker) -> None:
    """Have things of a media type taken by viewports."""
    _TAKERS[mime] = taker


def taker_of(mime: QMimeData) -> Taker | None:
    """Who takes what is dragged."""
    for home in _HOMES:
        importlib.import_module(f"studio.ui.{home}")
    return next((taker for name, taker in _TAKERS.items() if mime.hasFormat(name)), None)


@dataclass(slots=True)
class ViewportDrops:
    """The drops of one canvas."""

    canvas: QWidget
    view: View
    _ghost: Ghost | None = None
    _spot: Spot | None = None
    _at: QPointF = field(default_factory=QPointF)

    # --- events: each says whether it was for us --------------------------------------------------------------------
    def enter(self, event: QDragEnterEvent) -> bool:
        """A drag comes over the canvas."""
        if taker_of(event.mimeData()) is None:
            event.ignore()  # the window may take it
            return False
        event.acceptProposedAction()
        return True

    def move(self, event: QDragMoveEvent) -> None:
        """A drag moves over the canvas."""
        taker = taker_of(event.mimeData())
        self._at = event.position()
        self._spot = self.spot(self._at)
        self._ghost = taker.hover(self.view.studio, event.mimeData(), self._spot) if taker is not None else None
        if self._ghost is not None:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
        else:
            event.ignore()
        self._outline(self._ghost.outline if self._ghost is not None else "")
        self.canvas.update()

    def leave(self) -> None:
        """The drag is gone."""
        self._ghost = self._spot = None
        self._outline("")
        self.canvas.update()

    def _outline(self, id_: Id) -> None:
        if self.view.tools.selecting.hovered != id_:
            self.view.tools.selecting.hovered = id_
            self.view.redraw()

    def drop(self, event: QDropEvent) -> Callable[[], object] | None:
        """Something is let go; gives what is to be done then."""
        taker, spot = taker_of(event.mimeData()), self.spot(event.position())
        self.leave()
        if taker is None:
            event.ignore()
            return None
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        mime = QMimeData()  # the drag's own is gone when the event is over
        for name in event.mimeData().formats():
            mime.setData(name, event.mimeData().data(name))
        return lambda: taker.drop(self.view.studio, mime, spot)

    def spot(self, at: QPointF) -> Spot:
        """What lies under a point of the canvas, in its logical pixels."""
        x, y = at.x() * self.view.pixel_ratio, at.y() * self.view.pixel_ratio
        hit = self.view.pick(x, y)
        up = np.array([0.0, 1.0, 0.0])
        if hit is not None:
            normal = hit.normal if float(hit.normal @ hit.normal) > 0.25 else up
            if float(normal @ up) > _LEVEL * float(np.linalg.norm(normal)):
                normal = up  # the buffer that tells normals rounds them; a floor is level
            return Spot(hit.id, hit.part, hit.position, normal)
        eye = Eye(self.view.camera, *self.view.size)
        ground = eye.on_plane(x, y, np.zeros(3), up)
        if ground is None:  # above the horizon: as far away as what is looked at
            origin, direction = eye.ray(x, y)
            ground = origin + direction * self.view.camera.pivot_m
        return Spot("", -1, ground, up)

    # --- the ghost ---------------------------------------------------------------------------------------------------
    def paint(self, painter: QPainter) -> None:
        """Draw what would happen over the picture, in logical pixels."""
        ghost, spot = self._ghost, self._spot
        if ghost is None or spot is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        accent = theme.color("accent")
        if ghost.place:
            self._mark(painter, spot, accent, ring=ghost.box is None)
            if ghost.box is not None:
                self._box(painter, spot, ghost.box, accent)
        self._label(painter, ghost.text)

    def _pixels(self, points: F64) -> list[QPointF | None]:
        eye, ratio = Eye(self.view.camera, *self.view.size), self.view.pixel_ratio
        near = 0.0 if self.view.camera.orthographic else 1e-6
        found = eye.pixels(points).tolist()
        return [QPointF(x / ratio, y / ratio) if ahead > near else None for x, y, ahead in found]

    def _mark(self, painter: QPainter, spot: Spot, ink: QColor, *, ring: bool) -> None:
        """A circle on the surface, and a stroke along its normal."""
        metres = self.view.camera.metres_per_pixel(spot.position, *self.view.size) * self.view.pixel_ratio
        radius = metres * theme.size(_RING_PX)
        turn = upright(spot.normal.tolist())
        angles = np.linspace(0.0, 2 * np.pi, _RING, endpoint=False)
        circle = np.stack([np.cos(angles), np.zeros(_RING), np.sin(angles)], axis=1) * radius * (1.0 if ring else 0.35)
        corners = self._pixels(circle @ turn.T + spot.position)
        ends = self._pixels(np.stack([spot.position, spot.position + spot.normal * radius]))
        painter.setBrush(QColor(ink.red(), ink.green(), ink.blue(), 40))
        if all(corner is not None for corner in corners):
            polygon = QPolygonF([corner for corner in corners if corner is not None])
            for pen in (QPen(QColor(0, 0, 0, 140), 3.5), QPen(ink, 1.6)):
                painter.setPen(pen)
                painter.drawPolygon(polygon)
                painter.setBrush(Qt.BrushStyle.NoBrush)
        if ends[0] is not None and ends[1] is not None:
            self._strokes(painter, [QLineF(ends[0], ends[1])], ink)

    def _box(self, painter: QPainter, spot: Spot, box: Any, ink: QColor) -> None:
        low, high = (np.asarray(corner, np.float64) for corner in box)
        corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
        points = self._pixels(corners @ upright(spot.normal.tolist()).T + spot.position)
        lines = [QLineF(a, b) for i, j in _EDGES if (a := points[i]) is not None and (b := points[j]) is not None]
        self._strokes(painter, lines, ink)

    @staticmethod
    def _strokes(painter: QPainter, lines: list[QLineF], ink: QColor) -> None:
        for pen in (QPen(QColor(0, 0, 0, 140), 3.5), QPen(ink, 1.6)):
            painter.setPen(pen)
            painter.drawLines(lines)

    def _label(self, painter: QPainter, text: str) -> None:
        metrics = painter.fontMetrics()
        pad, away = theme.size(5), theme.size(16)
        width = metrics.horizontalAdvance(text) + 2 * pad
        left = min(self._at.x() + away, max(0.0, self.canvas.width() - width - 2.0))
        plate = QRectF(left, self._at.y() - away - metrics.height(), width, metrics.height() + pad)
        plate.moveTop(max(2.0, plate.top()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(20, 20, 20, 200))
        painter.drawRoundedRect(plate, 3, 3)
        painter.setPen(theme.color("strong"))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
