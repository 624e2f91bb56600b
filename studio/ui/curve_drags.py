"""What a hand does with the mouse in the curve editor, one class a gesture.

A gesture knows where it began: the view, the scene, the keys that were picked. Each move makes the whole way anew from
there, so passing over other keys does no harm, and ends in the same place however it got there. A gesture that edits
is one step of the history; `cancel` takes it back.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter

from studio.commands.registry import N_
from studio.errors import StudioError
from studio.scene import keying
from studio.scene.scene import Scene
from studio.ui import curve_drawing, theme
from studio.ui.curve_lines import Key, by_item, tracks_of_picks
from studio.ui.curve_picking import Hit, keys_in

if TYPE_CHECKING:
    from studio.ui.curve_canvas import CurveCanvas

_tokens = itertools.count()
_SHIFT, _CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
_CLICK_PX = 3.0
_ZOOM_PX = 120.0  # of a drag that doubles the scale
Rows = NDArray[np.intp]


class Drag:
    """A gesture; `move` is called with the pointer's place and the modifiers, then `end` or `cancel` once."""

    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self, canvas: CurveCanvas, at: QPointF) -> None:
        self.canvas, self.start, self.at = canvas, at, at
        self.view = canvas.view

    @property
    def moved(self) -> bool:
        """Whether the pointer is farther than a click from where it was pressed."""
        return (self.at - self.start).manhattanLength() > _CLICK_PX

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """The pointer is here now."""
        self.at = at

    def end(self) -> None:
        """The button is up."""

    def cancel(self) -> None:
        """Escape was pressed."""

    def paint(self, painter: QPainter) -> None:
        """What the gesture shows of itself."""


# --- looking ---------------------------------------------------------------------------------------------------------
class Pan(Drag):
    """Move the paper."""

    cursor = Qt.CursorShape.ClosedHandCursor

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.at = at
        way = at - self.start
        self.canvas.look(self.view.panned(way.x(), way.y()))

    def cancel(self) -> None:
        self.canvas.look(self.view)


class Zoom(Drag):
    """Stretch both axes, each by its own way."""

    cursor = Qt.CursorShape.SizeAllCursor

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.at = at
        way = at - self.start
        by_x, by_y = math.exp2(way.x() / _ZOOM_PX), math.exp2(-way.y() / _ZOOM_PX)
        if modifiers & _SHIFT:
            by_x, by_y = (by_x, 1.0) if abs(way.x()) > abs(way.y()) else (1.0, by_y)
        self.canvas.look(self.view.zoomed(by_x, by_y, x=self.start.x(), y=self.start.y()))

    def cancel(self) -> None:
        self.canvas.look(self.view)


class Scrub(Drag):
    """Move the present frame."""

    cursor = Qt.CursorShape.SplitHCursor

    def __init__(self, canvas: CurveCanvas, at: QPointF) -> None:
        super().__init__(canvas, at)
        self._before = canvas.studio.frame

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.at = at
        frame = self.view.frame_at(at.x())
        self.canvas.studio.frame = round(frame, 3) if modifiers & _CTRL else float(round(frame))

    def cancel(self) -> None:
        self.canvas.studio.frame = self._before


# --- choosing --------------------------------------------------------------------------------------------------------
class Marquee(Drag):
    """Pick keys in a rectangle; with Shift more of them, with Ctrl fewer or more. A click without a way drops all."""

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, canvas: CurveCanvas, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        super().__init__(canvas, at)
        self._more, self._toggle = bool(modifiers & (_SHIFT | _CTRL)), bool(modifiers & _CTRL)

    @property
    def box(self) -> QRectF:
        return QRectF(self.start, self.at).normalized()

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        super().move(at, modifiers)
        self.canvas.update()

    def end(self) -> None:
        if self.moved:
            box = self.box
            found = keys_in(self.canvas.state, self.view, (box.left(), box.top(), box.right(), box.bottom()))
            if self._more:
                self.canvas.state.pick_more(found, toggle=self._toggle)
                self.canvas.picks_changed()
            else:
                self.canvas.pick(found)
        elif not self._more:
            self.canvas.state.active.clear()
            self.canvas.pick({})
        self.canvas.update()

    def cancel(self) -> None:
        self.canvas.update()

    def paint(self, painter: QPainter) -> None:
        if self.moved:
            curve_drawing.paint_marquee(painter, self.box)


# --- editing ---------------------------------------------------------------------------------------------------------
Made = tuple[Scene, dict[Key, Rows]]


class EditDrag(Drag):
    """A gesture that edits keys. `make` gives the scene and the picks for where the pointer is."""

    label = N_("Move keys")

    def __init__(self, canvas: CurveCanvas, at: QPointF) -> None:
        super().__init__(canvas, at)
        self.scene = canvas.studio.scene
        self.picks = dict(canvas.state.picks)
        self.token = f"curves-{next(_tokens)}"
        self.gains = canvas.state.gains()
        self._edited = False

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.at = at
        if not self._edited and not self.moved:
            return
        self._edited = True
        self.canvas.state.held_gains = self.gains
        try:
            made, picks = self.make(modifiers)
            with self.canvas.studio.document.edit(self.label, coalesce=self.token) as edit:
                edit.scene = replace(edit.scene, tracks=made.tracks)
        except StudioError as fault:
            self.canvas.studio.face.notify(str(fault), kind="error")
            return
        self.canvas.state.pick(picks)
        self.canvas.picks_changed()

    def make(self, modifiers: Qt.KeyboardModifier) -> Made:
        """The scene and the picked keys."""
        raise NotImplementedError

    def end(self) -> None:
        self.canvas.state.held_gains = None
        self.canvas.update()

    def cancel(self) -> None:
        self.canvas.state.held_gains = None
        if self._edited:
            self.canvas.studio.document.abandon(self.token)
        self.canvas.pick(self.picks)


class MoveKeys(EditDrag):
    """Move the picked keys; Shift along one axis only, Ctrl without, or with, snapping."""

    cursor = Qt.CursorShape.SizeAllCursor

    def __init__(self, canvas: CurveCanvas, at: QPointF, grabbed: Hit) -> None:
        super().__init__(canvas, at)
        state = canvas.state
        n = state.number[grabbed.key]
        curve = state.curves[n]
        self._frame = float(curve.times[grabbed.index])
        self._value = float(curve.values[grabbed.index, grabbed.key[1]] * self.gains[0][n] + self.gains[1][n])

    def make(self, modifiers: Qt.KeyboardModifier) -> Made:
        way = self.at - self.start
        frames, value = way.x() / self.view.per_frame, -way.y() / self.view.per_value
        if modifiers & _SHIFT:
            frames, value = (frames, 0.0) if abs(way.x()) >= abs(way.y()) else (0.0, value)
        state, other = self.canvas.state, bool(modifiers & _CTRL)
        if state.snap_frames != other and frames:
            frames = round(self._frame + frames) - self._frame
        if state.snap_values != other and value:
            step = curve_drawing.steps_of(self.view)[1] / 5
            value = round((self._value + value) / step) * step - self._value
        return moved(self.canvas, self.scene, self.picks, frames, value)


def moved(canvas: CurveCanvas, scene: Scene, picks: dict[Key, Rows], frames: float, value: float) -> Made:
    """Keys moved by frames and by a value as it is shown."""
    gain = canvas.state.gains()[0]
    if value and frames:  # tracks of one number go both ways at once
        single = {key: rows for key, rows in picks.items() if canvas.state.curve(key).values.shape[1] == 1}
        if single and not canvas.state.normalised:
            rest = {key: rows for key, rows in picks.items() if key not in single}
            scene, now = carried(scene, single, lambda s, p: keying.move_keys(s, p, frames=frames, value=value))
            if rest:
                scene, others = moved(canvas, scene, rest, frames, value)
                now |= others
            return scene, now
    if value:
        for item, picked in by_item(picks).items():
            by = {track: value / float(gain[canvas.state.number[(track, item)]]) for track in picked}
            scene, _ = keying.move_keys(scene, picked, value=by if canvas.state.normalised else value, item=item)
    if not frames:
        return scene, picks
    return carried(scene, picks, lambda s, picked: keying.move_keys(s, picked, frames=frames))


def carried(
    scene: Scene, picks: dict[Key, Rows], operation: Callable[[Scene, keying.Picked], tuple[Scene, keying.Picked]]
) -> Made:
    """An operation in time on whole keys, and the picks of components after it."""
    together = tracks_of_picks(picks)
    scene, now = operation(scene, together)
    out = {}
    for (track, item), rows in picks.items():
        before, after = together[track], list(now.get(track, ()))
        if len(before) == len(after):
            place = dict(zip(before, after, strict=True))
            out[(track, item)] = np.unique([place[row] for row in rows.tolist()]).astype(np.intp)
        else:  # some met and are one now
            out[(track, item)] = np.array(sorted(after), np.intp)
    return scene, out


class PullHandle(EditDrag):
    """Pull a handle; Shift keeps it level. Where handles are not weighted they only turn."""

    label = N_("Pull handle")
    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, canvas: CurveCanvas, at: QPointF, grabbed: Hit) -> None:
        super().__init__(canvas, at)
        self._hit = grabbed
        state = canvas.state
        self._number = state.number[grabbed.key]
        curve, item = state.curves[self._number], grabbed.key[1]
        tangents = curve.in_tangents if grabbed.side == "in" else curve.out_tangents
        assert tangents is not None
        self._from = (float(tangents[grabbed.index, item, 0]), float(tangents[grabbed.index, item, 1]))

    def make(self, modifiers: Qt.KeyboardModifier) -> Made:
        way = self.at - self.start
        gain = float(self.gains[0][self._number])
        dt = self._from[0] + way.x() / self.view.per_frame
        dv = self._from[1] - way.y() / self.view.per_value / gain
        if modifiers & _SHIFT:
            dv = 0.0
        if not self.canvas.state.weighted and abs(self._from[0]) > 1e-9:
            toward = math.copysign(max(abs(dt), 1e-3), self._from[0])
            dt, dv = self._from[0], dv * self._from[0] / toward
        track, item = self._hit.key
        return keying.set_handle(self.scene, track, self._hit.index, item, self._hit.side, (dt, dv)), self.picks


_GRIPS = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (1.0, 1.0), (0.5, 1.0), (0.0, 1.0), (0.0, 0.5))


def grips(box: QRectF) -> list[QPointF]:
    """Corners and middles of a scale box, by number."""
    return [QPointF(box.left() + u * box.width(), box.top() + v * box.height()) for u, v in _GRIPS]


class ScaleKeys(EditDrag):
    """Scale the picked keys by a grip of their box, about the opposite side; with Ctrl about the middle."""

    label = N_("Scale keys")
    cursor = Qt.CursorShape.SizeAllCursor

    def __init__(self, canvas: CurveCanvas, at: QPointF, box: QRectF, grip: int) -> None:
        super().__init__(canvas, at)
        self._box, (self._u, self._v) = box, _GRIPS[grip]

    def make(self, modifiers: Qt.KeyboardModifier) -> Made:
        middle = bool(modifiers & _CTRL)
        times, about = 1.0, 0.0
        if self._u != 0.5 and self._box.width() > 1:
            about_x = self._box.center().x() if middle else self._box.left() + (1 - self._u) * self._box.width()
            times, about = _ratio(about_x, self.start.x(), self.at.x()), self.view.frame_at(about_x)
        by, about_value = 1.0, 0.0
        if self._v != 0.5 and self._box.height() > 1:
            about_y = self._box.center().y() if middle else self._box.top() + (1 - self._v) * self._box.height()
            by, about_value = _ratio(about_y, self.start.y(), self.at.y()), self.view.value_at(about_y)
        if modifiers & _SHIFT and self._u != 0.5 and self._v != 0.5:
            times = by = max(times, by, key=lambda f: abs(f - 1))
        return scaled(self.canvas, self.scene, self.picks, (about, times), (about_value, by))


def _ratio(about: float, start: float, now: float) -> float:
    if abs(start - about) < 1.0:
        return 1.0
    found = (now - about) / (start - about)
    return found if abs(found) > 1e-3 else math.copysign(1e-3, found)


def scaled(
    canvas: CurveCanvas,
    scene: Scene,
    picks: dict[Key, Rows],
    time: tuple[float, float],
    height: tuple[float, float],
) -> Made:
    """Keys scaled in time and in value as it is shown; each pair: about what, by how much."""
    (about, times), (about_value, by) = time, height
    if by != 1.0:
        gain, shift = canvas.state.gains()
        for (track, item), rows in picks.items():
            n = canvas.state.number[(track, item)]
            own = (about_value - float(shift[n])) / float(gain[n])
            scene, _ = keying.scale_keys(
                scene, {track: rows.tolist()}, about=0.0, times=1.0, about_value=own, by=by, item=item
            )
    if times == 1.0:
        return scene, picks
    return carried(scene, picks, lambda s, picked: keying.scale_keys(s, picked, about=about, times=times))


def grip_at(box: QRectF, at: QPointF) -> int:
    """The number of the grip under the pointer, -1 for none."""
    reach = theme.size(6)
    for number, grip in enumerate(grips(box)):
        if (grip - at).manhattanLength() <= reach * 1.5:
            return number
    return -1
