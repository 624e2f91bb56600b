"""The timeline itself: ruler, markers, keys of what is selected, cuts between cameras, the sound, and the playhead.

Lanes lie one over the other; those with nothing to show take no room. A drag anywhere scrubs, unless it begins on a
marker, an edge of a cut or an end of the preview range, which it moves. Frames are whole but with Ctrl held.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial

import msgspec
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import (
    QContextMenuEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.commands.time import key_frames, retimed
from studio.commands.time_marks import sound_changed
from studio.scene.entities import Camera
from studio.scene.timeline import Timeline, changed_cut, changed_marker
from studio.ui import theme
from studio.ui.docking import give_height
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk
from studio.ui.timeline_menus import Hit, TimelineMenus
from studio.ui.timeline_paint import TimelinePainter
from studio.ui.timeline_scale import Scale

_GRAB_PX = 5.0
_drags = itertools.count()


class TimelineCanvas(QWidget):
    """Draws, scrubs and drags; what it changes are the studio's frame and the scene's timeline."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("timeline-canvas")
        say(self.setAccessibleName, N_("Timeline"))
        self.place = "timeline"
        self._studio, self._desk = studio, desk
        self.scale = Scale()
        self._fitted: tuple[float, float] | None = None  # the range that was made to fill the width
        self._by_hand = False  # whether somebody zoomed or panned since
        self._shown: tuple[str, ...] = ()  # lanes
        self._playhead_x = 0.0  # where it was drawn last
        self._paint = TimelinePainter(self.fontMetrics())
        self._frames: tuple[object, object, list[float]] = (None, None, [])
        self._menus = TimelineMenus(studio, desk, self)
        self._move: Callable[[float, bool], object] | None = None  # the drag that goes on, given frames
        self._token = ""
        self._pan: QPointF | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._forget = studio.watch(self._heard)
        desk.sound.changed.connect(self._relaid)
        theme.signals().changed.connect(self._relaid)
        translated(self.update)
        self._relaid()

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    # --- where things are --------------------------------------------------------------------------------------------
    def sizeHint(self) -> QSize:
        return QSize(theme.size(600), theme.size(96))

    def lanes(self) -> dict[str, QRectF]:
        """The lanes that are there, from top to bottom."""
        timeline = self._studio.scene.timeline
        cameras = sum(isinstance(e, Camera) for e in self._studio.scene.entities.values())
        heights = {"ruler": 22.0, "markers": 17.0 if timeline.markers else 0.0, "keys": 15.0}
        heights["cuts"] = 19.0 if timeline.cuts or cameras > 1 else 0.0
        out, y = {}, 0.0
        for name, height in heights.items():
            if height:
                out[name] = QRectF(0.0, y, self.width(), theme.size(height))
                y += theme.size(height)
        if timeline.audio is not None:
            out["sound"] = QRectF(0.0, y, self.width(), max(self.height() - y, theme.size(36)))
        return out

    def key_frames(self) -> list[float]:
        """Frames with keys of what is selected; of everything when nothing is."""
        scene, selection = self._studio.scene, self._studio.selection
        if self._frames[0] is not scene.tracks or self._frames[1] != selection:
            self._frames = (scene.tracks, selection, key_frames(scene, selection))
        return self._frames[2]

    def hit(self, at: QPointF) -> Hit:
        """What lies at a place."""
        lanes, timeline, x = self.lanes(), self._studio.scene.timeline, at.x()
        lane = next((name for name, area in lanes.items() if area.contains(at)), "")
        reach = theme.size(_GRAB_PX)
        if lane == "ruler" and timeline.preview is not None and at.y() > lanes["ruler"].height() * 0.4:
            for end, frame in enumerate(timeline.preview):
                if abs(x - self.scale.x(frame + end)) <= reach:
                    return Hit("preview", end)
        if lane == "markers":
            found = [
                i for i, m in enumerate(timeline.markers) if self._paint.flag(self.scale, m, lanes[lane]).contains(at)
            ]
            if found:
                return Hit("marker", found[-1])
        if lane == "cuts":
            edges = [(abs(x - self.scale.x(c.frame)), i) for i, c in enumerate(timeline.cuts)]
            if edges and min(edges)[0] <= reach:
                return Hit("cut", min(edges)[1])
            frame = self.scale.frame(x)
            return Hit("camera", sum(c.frame <= frame for c in timeline.cuts) - 1)
        return Hit("sound") if lane == "sound" else Hit()

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if "path" in update.parts:
            self._fitted, self._by_hand = None, False
        if "frame" in update.parts:
            self._moved()
        scene = self._studio.scene
        if not self._by_hand and (scene.frame_start, scene.frame_end) != self._fitted:
            self._fitted = None  # a view that nobody chose follows the range
        if update.change is not None or update.parts & {"path", "preferences", "picked", "playing"}:
            self._relaid()

    def _moved(self) -> None:
        """Draw the playhead where it is now, and what it hid; all when another page is shown."""
        before = self.scale
        if self._studio.playing and self._move is None:
            self.scale = self.scale.showing(self._studio.frame)
        if self.scale is not before:
            self.update()
            return
        reach = self._paint.playhead_reach
        for x in (self._playhead_x, self.scale.x(self._studio.frame)):
            self.update(QRect(math.floor(x - reach), 0, math.ceil(2 * reach), self.height()))

    def _relaid(self) -> None:
        self._paint = TimelinePainter(self.fontMetrics())
        self.setMinimumHeight(theme.size(37))
        lanes = tuple(self.lanes())
        if set(lanes) - set(self._shown) and self.isVisible():  # a lane that is new is seen at once
            QTimer.singleShot(0, self, self._grow)
        self._shown = lanes
        if self._fitted is None and self.width() > theme.size(100):
            self.fit()
        self.update()

    def _grow(self) -> None:
        """Ask the window around for the height of all lanes."""
        missing = math.ceil(max(area.bottom() for area in self.lanes().values())) - self.height()
        if missing > 0:
            give_height(self, missing)

    def showEvent(self, event: QShowEvent) -> None:
        """A sound, cuts or markers that came before the panel was seen want their room too."""
        super().showEvent(event)
        QTimer.singleShot(0, self, self._grow)

    def fit(self) -> None:
        """Show the whole range."""
        scene = self._studio.scene
        self._fitted, self._by_hand = (scene.frame_start, scene.frame_end), False
        last = scene.frame_end if scene.frame_end > scene.frame_start else scene.frame_start + 100.0
        self.scale = self.scale.fitted(scene.frame_start, last + 1.0, edge=theme.size(24))
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The same frames fill the new width."""
        old = self.scale
        self.scale = Scale(old.left, old.per_frame, float(self.width()))
        if self._fitted is None or event.oldSize().width() <= 0:
            self._fitted = None
            self._relaid()
        else:
            self.scale = self.scale.zoomed(self.width() / max(event.oldSize().width(), 1), 0.0)

    # --- drawing -----------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """Lanes, then the playhead over them."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        scene, studio = self._studio.scene, self._studio
        self._playhead_x = self.scale.x(studio.frame)
        self._paint.draw(
            painter,
            QRectF(self.rect()),
            self.lanes(),
            self.scale,
            scene,
            frame=studio.frame,
            keys=self.key_frames(),
            timecode=studio.preferences.timecode,
            sound=self._desk.sound,
        )
        if self.hasFocus():
            painter.setPen(theme.color("accent_dim"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    # --- the hand ----------------------------------------------------------------------------------------------------
    def _frame_at(self, x: float, modifiers: Qt.KeyboardModifier) -> float:
        """The frame under a place: whole, of a key or marker near by with Shift, as it is with Ctrl."""
        frame = self.scale.frame(x)
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            return round(frame, 3)
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            marks = [*self.key_frames(), *(m.frame for m in self._studio.scene.timeline.markers)]
            if marks:
                near = min(marks, key=lambda f: abs(f - frame))
                if abs(near - frame) * self.scale.per_frame <= theme.size(12):
                    return near
        return float(round(frame))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to scrub, to drag or to pan."""
        at, button = event.position(), event.button()
        if button == Qt.MouseButton.MiddleButton:
            self._pan, self._by_hand = at, True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif button == Qt.MouseButton.LeftButton:
            hit = self.hit(at)
            alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
            self._token = f"timeline-{next(_drags)}"
            self._move = self._drag_of(hit, self.scale.frame(at.x()), alt=alt) or self._scrub
            if self._move == self._scrub:
                self._scrub(self._frame_at(at.x(), event.modifiers()), False)

    def _drag_of(self, hit: Hit, grabbed: float, *, alt: bool) -> Callable[[float, bool], object] | None:
        """The drag that a press on something begins; from the timeline as it was, so nothing passed over is lost."""
        base = self._studio.scene.timeline
        if hit.kind == "marker":
            marker = base.markers[hit.index]
            return partial(
                self._retime,
                N_("Move marker"),
                lambda f: changed_marker(base, hit.index, frame=f),
                grabbed,
                marker.frame,
            )
        if hit.kind == "cut":
            cut = base.cuts[hit.index]
            return partial(
                self._retime, N_("Move cut"), lambda f: changed_cut(base, hit.index, frame=f), grabbed, cut.frame
            )
        if hit.kind == "preview" and base.preview is not None:
            return partial(
                self._retime,
                N_("Set preview range"),
                lambda f: _with_end(base, hit.index, f),
                grabbed,
                base.preview[hit.index],
            )
        if hit.kind == "sound" and alt and base.audio is not None:
            start = base.audio.start
            return lambda frame, free: sound_changed(
                self._studio, N_("Move sound"), coalesce=self._token, start=_whole(start + frame - grabbed, free)
            )
        return None

    def _retime(
        self, label: str, change: Callable[[float], Timeline], grabbed: float, start: float, frame: float, free: bool
    ) -> None:
        to = _whole(start + frame - grabbed, free)
        retimed(self._studio, label, lambda _: change(to), coalesce=self._token)
        self._desk.status(tr("Frame {frame}", frame=f"{to:g}"))

    def _scrub(self, frame: float, free: bool) -> None:
        first = self._studio.frame
        self._studio.frame = frame
        if frame != first:
            self._desk.sound.scrub(frame)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began; else show what a press would do."""
        at, modifiers = event.position(), event.modifiers()
        if self._pan is not None:
            self.scale = self.scale.panned(at.x() - self._pan.x())
            self._pan = at
            self.update()
        elif self._move is not None:
            if self._move == self._scrub:
                self._scrub(self._frame_at(at.x(), modifiers), False)
            else:
                self._move(self.scale.frame(at.x()), bool(modifiers & Qt.KeyboardModifier.ControlModifier))
        else:
            grips = {"cut": Qt.CursorShape.SizeHorCursor, "preview": Qt.CursorShape.SizeHorCursor}
            grips["marker"] = Qt.CursorShape.PointingHandCursor
            self.setCursor(grips.get(self.hit(at).kind, Qt.CursorShape.ArrowCursor))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the drag."""
        if event.button() == Qt.MouseButton.MiddleButton:
            self._pan = None
            self.unsetCursor()
        elif event.button() == Qt.MouseButton.LeftButton:
            if self._move is not None:  # where it is let go counts, also when no move was told up to there
                self.mouseMoveEvent(event)
            self._move = None
            self._desk.status("")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Name a marker, choose a camera, or mark a frame."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._move = None
        hit = self.hit(event.position())
        if hit.kind == "marker":
            self._studio.attempt("time.rename_marker", index=hit.index)
        elif hit.kind in ("cut", "camera"):
            frame = self._frame_at(event.position().x(), event.modifiers())
            self._menus.offer_cameras(hit, frame, event.globalPosition().toPoint())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape takes a drag back."""
        if event.key() == Qt.Key.Key_Escape and self._move is not None:
            if self._move != self._scrub:
                self._studio.document.abandon(self._token)
            self._move = None
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer; pan with Shift or a wheel that goes sideways."""
        turn, self._by_hand = event.angleDelta(), True
        if (turn.x() and not turn.y()) or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.scale = self.scale.panned((turn.x() or turn.y()) * 0.5)
        else:
            self.scale = self.scale.zoomed(2.0 ** (turn.y() / 480.0), event.position().x())
        self.update()
        event.accept()

    # --- menus and tips ----------------------------------------------------------------------------------------------
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with what lies there."""
        at = QPointF(event.pos())
        self._menus.offer(self.hit(at), float(round(self.scale.frame(at.x()))), event.globalPos(), self.fit)

    def event(self, event: QEvent) -> bool:
        """A tip for what lies under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self._menus.tip(self.hit(QPointF(event.pos()))), self)
            return True
        return super().event(event)


def _whole(frame: float, free: bool) -> float:
    return round(frame, 3) if free else float(round(frame))


def _with_end(timeline: Timeline, end: int, frame: float) -> Timeline:
    """With another end of the preview range; it cannot pass the other one."""
    assert timeline.preview is not None
    first, last = timeline.preview
    preview = (min(frame, last), last) if end == 0 else (first, max(frame, first))
    return msgspec.structs.replace(timeline, preview=preview)
