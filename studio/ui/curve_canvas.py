"""The paper of the curve editor: a widget that draws lines and turns what a hand does into gestures.

Three things are drawn over each other. The backdrop (`curve_backdrop`) is one picture of all lines that are not meant
now; it is kept as long as the view, the lines and what is hidden are the same. The lines that are meant are painted
anew each time, as they are few. Grid, rulers and marks cost next to nothing. While things move the backdrop is made
with hard edges; when they rest for a moment it is made again smoothly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene.animation import Curve
from studio.ui import curve_drawing, theme
from studio.ui.curve_backdrop import Backdrop
from studio.ui.curve_drags import Drag, Marquee, MoveKeys, Pan, PullHandle, ScaleKeys, Scrub, Zoom, grip_at, grips
from studio.ui.curve_lines import Key
from studio.ui.curve_picking import Hit, hit, keys_in
from studio.ui.curve_state import CurveState
from studio.ui.curve_view import View
from studio.ui.i18n import say, tr

_RULER_LEFT, _RULER_TOP = 54, 20
_REACH_PX = 6
_REST_MS = 90  # without a move, until the backdrop is drawn smoothly
_NOTCH = 1.18  # what a step of the wheel enlarges by
_SHIFT, _CTRL, _ALT = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
)
_LEFT, _MIDDLE, _RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton


class CurveCanvas(QWidget):
    """See the module. `picked` tells that keys were picked, `activated` that lines were chosen, `inserting` asks for a
    key on a line at a frame."""

    picked = Signal()
    activated = Signal()
    inserting = Signal(object, float)  # Key, frame

    def __init__(self, studio: Studio, state: CurveState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("curve-canvas")
        self.studio, self.state = studio, state
        self.view = View()
        self.unit = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(theme.size(160), theme.size(80))
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        say(self.setAccessibleName, N_("Curves"))
        self._drag: Drag | None = None
        self._backdrop = Backdrop()
        self._stale: dict[int, tuple[Curve, int]] = {}
        self._hues: list[int] = []
        self._picture: tuple[Any, QImage | None] = (None, None)
        self._fine = True
        self._version = 0
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._rested)
        self._refining = QTimer(self)
        self._refining.setInterval(0)
        self._refining.timeout.connect(self._refine)

    # --- lines -------------------------------------------------------------------------------------------------------
    def lines_replaced(self) -> None:
        """The state has other lines."""
        self._stale.clear()
        self._hues = [line.hue for line in self.state.lines]
        self._backdrop.set_lines(self._lines(), self._hues)
        self._version += 1
        self.update()

    def lines_changed(self, numbers: Sequence[int]) -> None:
        """The curves of some lines are others. The backdrop learns it when it is next to draw one of them."""
        for n in numbers:
            self._stale[n] = (self.state.curves[n], self.state.lines[n].item)
        if numbers:
            self.update()

    def _lines(self) -> list[tuple[Curve, int]]:
        return [(curve, line.item) for curve, line in zip(self.state.curves, self.state.lines, strict=True)]

    # --- looking -----------------------------------------------------------------------------------------------------
    def look(self, view: View) -> None:
        """Show another part; the view's scales are kept within reason."""
        if view != self.view:
            self.view = view
            self._moving()
            self.update()

    def _moving(self) -> None:
        self._fine = False
        self._refining.stop()
        self._rest.start()

    def _rested(self) -> None:
        self._fine = True
        self._refining.start()
        self.update()

    def _refine(self) -> None:
        """Make the fine table, a slice at a time, as long as nothing else is to do."""
        if not self._backdrop.refine(self.view, self.devicePixelRatioF()):
            self._refining.stop()
            self._version += 1
            self.update()

    def frame_lines(self, numbers: Sequence[int]) -> None:
        """Show lines whole."""
        found = self.state.extent(numbers)
        if found is not None:
            self.look(self.view.fitted(*found))

    def frame_picked(self) -> bool:
        """Show the picked keys; False when there are none."""
        frames, values, _ = self.state.picked_points()
        if not len(frames):
            return False
        self.look(
            self.view.fitted((float(frames.min()), float(frames.max())), (float(values.min()), float(values.max())))
        )
        return True

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The scales stay, more or less is shown."""
        super().resizeEvent(event)
        left, top = theme.size(_RULER_LEFT), theme.size(_RULER_TOP)
        fresh = self.view.width <= 100.0
        self.view = self.view.resized(left, top, self.width() - left, self.height() - top)
        if fresh:
            self.frame_lines(range(len(self.state.lines)))
        self._moving()

    # --- choosing ----------------------------------------------------------------------------------------------------
    def pick(self, picks: Mapping[Key, NDArray[np.intp]]) -> None:
        """Pick keys and nothing else."""
        self.state.pick(picks)
        self.picks_changed()

    def picks_changed(self) -> None:
        """The state has other picks."""
        self.picked.emit()
        self.update()

    def pick_all(self) -> None:
        """Pick every key of the lines that are meant."""
        lines = self._active_numbers() if self.state.active else self.state.targets()
        self.pick({self.state.lines[n].key: np.arange(len(self.state.curves[n].times)) for n in lines})

    def _active_numbers(self) -> list[int]:
        state = self.state
        return [n for n in range(len(state.lines)) if state.lines[n].key in state.active and state.may_edit(n)]

    def scale_rect(self) -> QRectF | None:
        """The box around the picked keys, when it is wanted and there are two or more."""
        if not self.state.scale_box:
            return None
        frames, values, _ = self.state.picked_points()
        if len(frames) < 2:
            return None
        x, y = self.view.xs(frames), self.view.ys(values)
        room = theme.size(10)
        box = QRectF(QPointF(float(x.min()), float(y.min())), QPointF(float(x.max()), float(y.max())))
        return box.adjusted(-room, -room, room, room)

    # --- hands -------------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a gesture."""
        if self._drag is not None:
            return
        at, modifiers = event.position(), event.modifiers()
        self._drag = self._gesture(event.button(), at, modifiers)
        if self._drag is None:
            super().mousePressEvent(event)
            return
        self.setCursor(self._drag.cursor)
        if isinstance(self._drag, Scrub):
            self._drag.move(at, modifiers)

    def _gesture(self, button: Qt.MouseButton, at: QPointF, modifiers: Qt.KeyboardModifier) -> Drag | None:
        if button == _MIDDLE or (button == _LEFT and modifiers & _ALT and not modifiers & _CTRL):
            return Pan(self, at)
        if button == _RIGHT and modifiers & _ALT:
            return Zoom(self, at)
        if button != _LEFT:
            return None
        if at.y() < self.view.top or self._on_frame(at, modifiers):
            return Scrub(self, at)
        box = self.scale_rect()
        if box is not None and (grip := grip_at(box, at)) >= 0:
            return ScaleKeys(self, at, box, grip)
        found = hit(self.state, self.view, at.x(), at.y(), theme.size(_REACH_PX))
        if found is None:
            return Marquee(self, at, modifiers)
        if found.side:
            return PullHandle(self, at, found)
        if found.index >= 0:
            return self._on_key(found, at, modifiers)
        self._choose_line(found.key, modifiers)
        return Marquee(self, at, modifiers | _SHIFT)

    def _on_frame(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> bool:
        """Whether the present frame's line is pressed, and nothing that stands on it."""
        near = abs(self.view.x(self.studio.frame) - at.x()) <= theme.size(3)
        return near and not modifiers and hit(self.state, self.view, at.x(), at.y(), theme.size(_REACH_PX)) is None

    def _on_key(self, found: Hit, at: QPointF, modifiers: Qt.KeyboardModifier) -> Drag | None:
        chosen = self.state.picks.get(found.key, np.empty(0, np.intp))
        one = {found.key: np.array([found.index], np.intp)}
        if modifiers & _CTRL:
            self.state.pick_more(one, toggle=True)
            self.picks_changed()
            return None
        if modifiers & _SHIFT and found.index not in chosen:
            self.state.pick_more(one)
            self.picks_changed()
        elif found.index not in chosen:
            self.pick(one)
        return MoveKeys(self, at, found)

    def _choose_line(self, key: Key, modifiers: Qt.KeyboardModifier) -> None:
        """A curve was clicked: it is active; with Shift it too, with Ctrl it or no more."""
        active = self.state.active
        if modifiers & _CTRL:
            active.symmetric_difference_update({key})
        elif modifiers & _SHIFT:
            active.add(key)
        else:
            active.clear()
            active.add(key)
            self.state.pick({})
            self.picked.emit()
        self.activated.emit()
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with the gesture, or show what could be grasped."""
        if self._drag is not None:
            self._drag.move(event.position(), event.modifiers())
        elif len(self.state.lines) <= 200 or self.state.picks:
            self._hint(event.position())

    def _hint(self, at: QPointF) -> None:
        box = self.scale_rect()
        if at.y() < self.view.top:
            self.setCursor(Qt.CursorShape.SplitHCursor)
        elif box is not None and grip_at(box, at) >= 0:
            self.setCursor(Qt.CursorShape.SizeAllCursor)
        else:
            found = hit(self.state, self.view, at.x(), at.y(), theme.size(_REACH_PX))
            grasped = found is not None and found.index >= 0
            self.setCursor(Qt.CursorShape.PointingHandCursor if grasped else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the gesture."""
        drag, self._drag = self._drag, None
        if drag is None:
            super().mouseReleaseEvent(event)
            return
        drag.end()
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A key on the curve under the pointer."""
        if event.button() != _LEFT:
            super().mouseDoubleClickEvent(event)
            return
        at = event.position()
        found = hit(self.state, self.view, at.x(), at.y(), theme.size(_REACH_PX))
        if found is not None and found.index < 0:
            frame = self.view.frame_at(at.x())
            whole = self.state.snap_frames != bool(event.modifiers() & _CTRL)
            self.inserting.emit(found.key, float(round(frame)) if whole else frame)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer: both axes, values alone with Shift, frames alone with Ctrl."""
        notches = (event.angleDelta().y() or event.angleDelta().x()) / 120.0
        if notches:
            by = _NOTCH**notches
            modifiers = event.modifiers()
            at = event.position()
            by_x = 1.0 if modifiers & _SHIFT or at.x() < self.view.left else by
            by_y = 1.0 if modifiers & _CTRL or at.y() < self.view.top else by
            self.look(self.view.zoomed(by_x, by_y, x=max(at.x(), self.view.left), y=max(at.y(), self.view.top)))
        event.accept()

    def event(self, event: QEvent) -> bool:
        """Pinching zooms too. While a gesture lasts, Escape is its own."""
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            by = math.exp(event.value())
            self.look(self.view.zoomed(by, by, x=event.position().x(), y=event.position().y()))
            return True
        if event.type() == QEvent.Type.ShortcutOverride and self._drag is not None:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape takes a gesture back, or drops the picked keys; other keys are the keymap's."""
        if event.key() != Qt.Key.Key_Escape:
            super().keyPressEvent(event)
        elif self._drag is not None:
            drag, self._drag = self._drag, None
            drag.cancel()
            self.setCursor(Qt.CursorShape.ArrowCursor)
            self.update()
        else:
            self.pick({})

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The focus's frame goes."""
        super().focusOutEvent(event)
        self.update()

    # --- looks -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """See the module."""
        painter = QPainter(self)
        view, state = self.view, self.state
        curve_drawing.paint_grid(painter, view, frames=(self.studio.scene.frame_start, self.studio.scene.frame_end))
        plot = QRectF(view.left, view.top, view.width, view.height)
        painter.save()
        painter.setClipRect(plot)
        painted = state.painted()
        self._paint_backdrop(painter, painted)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state.stored:
            curve_drawing.paint_stored(painter, view, state, painted)
        curve_drawing.paint_lines(painter, view, state, painted)
        curve_drawing.paint_keys(painter, view, state, painted)
        box = self.scale_rect()
        if box is not None:
            curve_drawing.paint_scale_box(painter, box, grips(box))
        if self._drag is not None:
            self._drag.paint(painter)
        painter.restore()
        curve_drawing.paint_rulers(painter, view, frame=self.studio.frame, unit=self.unit)
        if not state.lines:
            self._paint_nothing(painter, plot)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent_dim"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _paint_backdrop(self, painter: QPainter, painted: Sequence[int]) -> None:
        state = self.state
        shown = state.shown()
        shown[list(painted)] = False
        if not shown.any():
            return
        stale = [n for n in self._stale if shown[n]]
        if stale:
            self._backdrop.change(stale, [self._stale.pop(n) for n in stale])
            self._version += 1
        ratio = self.devicePixelRatioF()
        meant = not painted
        normal = state.held_gains if state.held_gains is not None else state.gains()
        plain = not state.normalised
        known = (self.view, shown.tobytes(), self._fine, ratio, self._version, meant, None if plain else id(normal[0]))
        if known != self._picture[0]:
            alpha = 0.85 if meant else 0.35
            colours = [_argb(curve_drawing.hue(n, alpha)) for n in range(len(curve_drawing.HUE_COLOURS))]
            pixels = self._backdrop.picture(
                self.view,
                shown,
                colours,
                scale=None if plain else normal[0],
                offset=None if plain else normal[1],
                ratio=ratio,
                fine=self._fine,
                key_colour=0xFFDADADA if meant else 0,
            )
            self._picture = (known, _image(pixels, ratio))
        if self._picture[1] is not None:
            painter.drawImage(QPointF(self.view.left, self.view.top), self._picture[1])

    def _paint_nothing(self, painter: QPainter, plot: QRectF) -> None:
        painter.setPen(theme.color("dim"))
        text = tr("Nothing that is selected is animated. Set a key by the diamond beside a field in the inspector.")
        flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
        margin = theme.size(20)
        painter.drawText(plot.adjusted(margin, margin, -margin, -margin), flags, text)

    def keys_in_view(self) -> dict[Key, NDArray[np.intp]]:
        """Every key in the plot that can be picked."""
        view = self.view
        return keys_in(self.state, view, (view.left, view.top, view.left + view.width, view.top + view.height))


def _argb(colour: QColor) -> int:
    return int(colour.rgba())


def _image(pixels: NDArray[np.uint32] | None, ratio: float) -> QImage | None:
    if pixels is None:
        return None
    height, width = pixels.shape
    shared = QImage(pixels.data, width, height, width * 4, QImage.Format.Format_ARGB32_Premultiplied)
    out = shared.copy()  # the pixels are numpy's and go when this ends
    out.setDevicePixelRatio(ratio)
    return out
