"""The sheet of keys: drawn, picked, moved, stretched.

A click picks a key, Shift adds, a drag from an empty place picks all in a rectangle; picked keys are dragged in time,
onto whole frames but with Ctrl, and stretched by the handles beside them. A press on a label picks a row. What is
picked is `Studio.picked`, so commands and other panels act on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QContextMenuEvent, QFont, QFontMetricsF, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.scene import keying
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.dope_sheet_model import DopeSheetModel, Picks, Row, merged
from studio.ui.i18n import say, tr
from studio.ui.key_glyphs import glyph
from studio.ui.panel import Desk
from studio.ui.sheet_canvas import CLICK_PX, SheetCanvas, whole
from studio.ui.timeline_paint import faded

_HALF = 5.0  # of a key
_DENSE = 6.0  # keys nearer than this many pixels are ticks
_GRIP = 7.0


class DopeSheetView(SheetCanvas):
    """Shows the rows of a `DopeSheetModel`."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        self.model = DopeSheetModel()
        self.only_selected, self.text = False, ""
        super().__init__(studio, desk, parent)
        self.setObjectName("dope-sheet-view")
        say(self.setAccessibleName, N_("Dope sheet"))
        self._marquee: QRectF | None = None
        self._moving = ""  # the token of the drag that has moved keys
        self._grips: tuple[QRectF, QRectF] | None = None
        self.follow()

    # --- rows --------------------------------------------------------------------------------------------------------
    def follow(self) -> None:
        """List what there is to list."""
        ids = self._studio.selection if self.only_selected else None
        self.model.follow(self._studio.scene, ids, self.text)
        self.relaid()

    def changed(self, update: Update) -> None:
        """Other keys, names or selection."""
        change = update.change
        if change is None or change.selected or change.touches or "path" in update.parts:
            self.model.follow(self._studio.scene, self._studio.selection if self.only_selected else None, self.text)

    def rows_count(self) -> int:
        """Rows of the model."""
        return len(self.model.rows)

    def whole_range(self) -> tuple[float, float]:
        """The scene's range and all keys."""
        first, last = super().whole_range()
        if self.model.rows:
            frames = self.model.times(self.model.rows[0]).frames
            if len(frames):
                first, last = min(first, float(frames[0])), max(last, float(frames[-1]))
        return first, last

    # --- drawing -----------------------------------------------------------------------------------------------------
    def paint_row(self, painter: QPainter, row: int, label: QRectF, area: QRectF) -> None:
        """The label, then keys."""
        entry = self.model.rows[row]
        if entry.kind != "track":
            painter.fillRect(label, theme.color("window"))
            painter.fillRect(area, faded("raised", 90 if entry.kind == "entity" else 130))
        elif row % 2:
            painter.fillRect(area, theme.color("stripe"))
        self._paint_label(painter, entry, label)
        painter.setPen(QPen(theme.color("line"), 1))
        painter.drawLine(QLineF(label.left(), area.bottom() - 0.5, area.right(), area.bottom() - 0.5))
        painter.save()
        painter.setClipRect(area)
        self._paint_keys(painter, entry, area)
        painter.restore()

    def _paint_label(self, painter: QPainter, entry: Row, label: QRectF) -> None:
        edge, side = theme.size(6), theme.size(12)
        selected = entry.kind == "entity" and entry.id in self._studio.selection
        if selected:
            painter.fillRect(label, theme.color("selection"))
        left = label.left() + edge
        if entry.kind == "entity":
            box = QRectF(left, label.center().y() - side / 2, side, side).toRect()
            theme.icon("fold-closed" if entry.id in self.model.closed else "fold-open").paint(painter, box)
        left += side + theme.size(4) + (theme.size(12) if entry.kind == "track" else 0)
        font = QFont(self.font())
        font.setBold(entry.kind != "track")
        painter.setFont(font)
        names = {"summary": "dim", "entity": "strong", "track": "text"}
        painter.setPen(theme.color("selection_text" if selected else names[entry.kind]))
        text = entry.label if entry.kind == "entity" else tr(entry.label)
        text = f"{text} {entry.item}".rstrip()
        room = QRectF(left, label.top(), label.right() - left - theme.size(4), label.height())
        shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        painter.setFont(self.font())

    def _paint_keys(self, painter: QPainter, entry: Row, area: QRectF) -> None:
        times = self.model.times(entry)
        half = theme.size(_HALF)
        reach = half / self.scale.per_frame
        a, b = np.searchsorted(times.frames, (self.scale.left - reach, self.scale.right + reach)).tolist()
        if a == b:
            return
        x = area.left() + (times.frames[a:b] - self.scale.left) * self.scale.per_frame
        mask = self.model.picked_mask(entry, self._studio.picked)[a:b]
        middle = area.center().y()
        if entry.kind == "track" and b - a > 1:
            painter.setPen(QPen(theme.color("raised"), theme.size(2)))
            painter.drawLine(QLineF(float(x[0]), middle, float(x[-1]), middle))
        if len(x) > 1 and float(np.diff(x).min()) < theme.size(_DENSE):
            for on in (False, True):
                painter.setPen(QPen(theme.color("accent" if on else "text"), 1))
                columns = np.unique(np.round(x[mask == on])) + 0.5
                top, bottom = middle - half, middle + half
                painter.drawLines([QLineF(c, top, c, bottom) for c in columns.tolist()])
            return
        modes = times.modes[a:b].tolist() if times.modes is not None else [-1] * (b - a)
        ratio = self.devicePixelRatioF()
        for place, mode, on in zip(x.tolist(), modes, mask.tolist(), strict=True):
            painter.drawPixmap(QPointF(place - half - 1, middle - half - 1), glyph(mode, on, half, ratio))

    def paint_over(self, painter: QPainter, area: QRectF) -> None:
        """The handles of the picked keys, and the rectangle that is being drawn."""
        self._grips = None
        span = self.model.span(self._studio.picked)
        if span is not None and self._marquee is None:
            out, width = theme.size(_HALF + 4), theme.size(3)
            left, right = self.x_of(span[0]) - out, self.x_of(span[1]) + out
            box = QRectF(left, area.top() + 1, right - left, area.height() - 2)
            painter.fillRect(box, faded("accent", 16))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent_dim"))
            for x in (left, right):
                painter.drawRoundedRect(QRectF(x - width / 2, box.top(), width, box.height()), 1.5, 1.5)
            grip = theme.size(_GRIP)
            self._grips = tuple(QRectF(x - grip / 2, box.top(), grip, box.height()) for x in (left, right))  # type: ignore[assignment]
        if self._marquee is not None:
            painter.setPen(QPen(theme.color("accent"), 1, Qt.PenStyle.DashLine))
            painter.setBrush(faded("accent", 24))
            painter.drawRect(self._marquee)
        if not self.model.rows:
            painter.setPen(theme.color("dim"))
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self._nothing())

    def _nothing(self) -> str:
        if self._studio.scene.tracks:
            return tr("No keys here. Select something that moves, or clear the filter.")
        return tr("Nothing moves yet. Set a key with I, or turn autokey on.")

    # --- hits --------------------------------------------------------------------------------------------------------
    def key_at(self, at: QPointF, row: int) -> Picks:
        """The keys under a place: those of the nearest time of the row."""
        if row < 0 or self.in_labels(at):
            return {}
        entry = self.model.rows[row]
        frames = self.model.times(entry).frames
        if not len(frames):
            return {}
        near = int(np.argmin(np.abs(frames - self.frame_at(at.x()))))
        frame = float(frames[near])
        if abs(self.x_of(frame) - at.x()) > theme.size(_HALF + 2):
            return {}
        return self.model.keys_in([entry], frame, frame)

    def grip_at(self, at: QPointF) -> int:
        """The handle under a place: 0 the left, 1 the right, -1 none."""
        if self._grips is None or self.in_labels(at):
            return -1
        return next((i for i, grip in enumerate(self._grips) if grip.contains(at)), -1)

    def tip_cursor(self, at: QPointF) -> Qt.CursorShape:
        """The handles stretch."""
        if self.grip_at(at) >= 0:
            return Qt.CursorShape.SizeHorCursor
        if self.key_at(at, self.row_at(at.y())):
            return Qt.CursorShape.PointingHandCursor
        return Qt.CursorShape.ArrowCursor

    # --- the hand ----------------------------------------------------------------------------------------------------
    def press(self, at: QPointF, row: int, event: QMouseEvent) -> None:
        """Pick, and begin to drag what is picked."""
        studio, adds = self._studio, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if self.in_labels(at):
            self._press_label(at, row, adds=adds)
            return
        keys, grip = self.key_at(at, row), self.grip_at(at)
        if keys and not all(set(rows) <= set(studio.picked.get(t, ())) for t, rows in keys.items()):
            studio.picked = merged(studio.picked, keys) if adds else keys
        elif keys and adds:
            studio.picked = merged(studio.picked, keys, toggle=True)
            return
        if keys:
            track, rows = next(iter(keys.items()))
            grabbed = float(studio.scene.tracks[track].times[rows[0]])
            self.drag = partial(self._slide, at, grabbed, studio.scene, dict(studio.picked))
            if not adds:
                self.dropped = partial(self._clicked, keys)
        elif grip >= 0 and (span := self.model.span(studio.picked)) is not None:
            self.drag = partial(self._stretch, grip, span, studio.scene, dict(studio.picked))
        else:
            before = dict(studio.picked) if adds else {}
            self.drag = partial(self._draw_marquee, at, before)
            self.dropped = partial(self._drop_marquee, None if adds else {})

    def _press_label(self, at: QPointF, row: int, *, adds: bool) -> None:
        if row < 0:
            return
        entry = self.model.rows[row]
        if entry.kind == "entity" and at.x() < theme.size(20):
            self.model.refold(entry.id)
            self.follow()
            return
        keys = self.model.keys_in([entry], -np.inf, np.inf)
        if entry.kind == "entity" and entry.id in {*self._studio.scene.entities, *self._studio.scene.materials}:
            self._studio.select([*self._studio.selection, entry.id] if adds else [entry.id])
        self._studio.picked = merged(self._studio.picked, keys, toggle=True) if adds else keys

    def _clicked(self, keys: Picks) -> None:
        """A press on one of several picked keys that was no drag picks it alone."""
        if set(keys) != set(self._studio.picked) or any(keys[t] != self._studio.picked[t] for t in keys):
            self._studio.picked = keys

    def _slide(
        self, begun: QPointF, grabbed: float, scene: Scene, picked: Picks, at: QPointF, modifiers: Qt.KeyboardModifier
    ) -> None:
        if self._moving != self.token:
            if abs(at.x() - begun.x()) < CLICK_PX:
                return
            self._moving, self.dropped = self.token, None
        to = whole(grabbed + (at.x() - begun.x()) / self.scale.per_frame, modifiers)
        self._desk.status(tr("Keys moved by {frames} frames", frames=f"{to - grabbed:+g}"))
        self._keyed(N_("Move keys"), scene, lambda: keying.move_keys(scene, picked, frames=to - grabbed))

    def _stretch(
        self,
        grip: int,
        span: tuple[float, float],
        scene: Scene,
        picked: Picks,
        at: QPointF,
        modifiers: Qt.KeyboardModifier,
    ) -> None:
        first, last = span
        out = theme.size(_HALF + 4) * (1 if grip else -1)
        to = whole(self.frame_at(at.x() - out), modifiers)
        about, end = (first, last) if grip else (last, first)
        times = (to - about) / (end - about)
        if abs(times) < 1e-3:
            return
        self._desk.status(tr("Keys scaled by {factor}", factor=f"{times:.3g}"))
        self._keyed(N_("Scale keys"), scene, lambda: keying.scale_keys(scene, picked, about=about, times=times))

    def _keyed(self, label: str, scene: Scene, operation: Callable[[], tuple[Scene, object]]) -> None:
        """Show what an operation makes of the keys as they were when the drag began; all of it is one step."""
        studio = self._studio
        try:
            out, picked = operation()
            with studio.document.edit(label, coalesce=self.token) as edit:
                edit.scene = replace(edit.scene, tracks=out.tracks)
        except StudioError as fault:
            self._desk.status(str(fault))
            return
        assert isinstance(picked, dict)
        studio.picked = picked

    def _draw_marquee(self, begun: QPointF, before: Picks, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        if self._marquee is None and (at - begun).manhattanLength() < CLICK_PX:
            return
        self._marquee = QRectF(begun, at).normalized()
        box = self._marquee
        rows = [
            entry
            for n, entry in enumerate(self.model.rows)
            if self.row_top(n) + self.row_height > box.top()
            and self.row_top(n) < box.bottom()
            and (entry.kind == "track" or box.height() < self.row_height or entry.id in self.model.closed)
        ]
        keys = self.model.keys_in(rows, self.frame_at(box.left()), self.frame_at(box.right()))
        self._studio.picked = merged(before, keys)
        self.update()

    def _drop_marquee(self, clicked: Picks | None) -> None:
        if self._marquee is None and clicked is not None:
            self._studio.picked = clicked
        self._marquee = None

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with keys; a key that is not picked yet is picked."""
        at = QPointF(event.pos())
        keys = self.key_at(at, self.row_at(at.y()))
        if keys and not all(t in self._studio.picked for t in keys):
            self._studio.picked = keys
        self._desk.context_menu("keys", self).popup(event.globalPos())
