"""The sliders of a face as one painted list: only those on the screen are ever looked at.

| hand | does |
|---|---|
| drag in a slider | changes it by the way; Shift finely, Ctrl beyond 0 and 1, Alt one half alone |
| double click on a slider | back to rest |
| digits or Return | typed: `0.35`, `+=0.1` |
| wheel over the present slider | a twentieth a notch, with Shift a hundredth; elsewhere the list scrolls |
| arrows | up and down the list, left and right the value; Space the other half |
| Backspace | back to rest |
| a key mark | sets a key or removes it; of a region, of all of it |

A gesture is one step of the history and Escape takes it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtCore import Signal as QtSignal
from PySide6.QtGui import QContextMenuEvent, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QListView,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
    QWidget,
)

from studio.commands.expression_desk import ExpressionDesk, Gesture
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError, UsageError
from studio.scene import expression_edits as edits
from studio.scene.arkit import region
from studio.scene.entities import Figure
from studio.ui import key_dots, theme
from studio.ui.expression_menu import menu_of, told
from studio.ui.expression_model import ControlModel
from studio.ui.expression_paint import ROW, Look, Painter, Parts, parts_of
from studio.ui.expression_rows import Row, rows_of
from studio.ui.expressions import understand
from studio.ui.i18n import say, translated
from studio.ui.panel import Desk
from studio.ui.qt_events import claimed

Index = QModelIndex | QPersistentModelIndex
_WHEEL_S = 0.8  # turns of a wheel within this time are one gesture
_NOTCH = 0.05
_CLICK_PX = 2.0
_FINE = 0.1


class _Rows(QStyledItemDelegate):
    """Has the list paint its rows."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        view = self.parent()
        assert isinstance(view, ControlList)
        view.paint_row(painter, QRectF(option.rect), index.row())

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(theme.size(120), theme.size(ROW))


@dataclass(slots=True)
class _Drag:
    """Sliders in the hand: `way` so far in parts of the range, from the place `x` on."""

    gesture: Gesture
    starts: dict[str, float]
    per_px: float
    x: float
    way: float = 0.0
    moved: bool = False


class ControlList(QListView):
    """See the module."""

    regions_changed = QtSignal()  # a region was folded or opened

    def __init__(self, studio: Studio, desk: Desk, faces: ExpressionDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("expressions.controls")
        say(self.setAccessibleName, N_("Controls of the face"))
        self._studio, self._desk, self.faces = studio, desk, faces
        self.search = ""
        self.only_active = False
        self.closed: set[str] = set()
        self._shown: set[str] = set()  # with "only in use": what was in use since it was switched on
        self._drag: _Drag | None = None
        self._hot: tuple[int, str, str] = (-1, "", "")
        self._half = 0
        self._wheel: tuple[float, str, Gesture | None, dict[str, float], float] = (0.0, "", None, {}, 0.0)
        self._values: dict[str, float] = {}
        self._acting: dict[str, float] = {}
        self._known: tuple[object, ...] = ()
        self._brush = Painter(self.font())
        self.rows = ControlModel(faces, self)
        self.setModel(self.rows)
        self.setItemDelegate(_Rows(self))
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setMinimumHeight(theme.size(ROW * 3))
        self._field = QLineEdit(self.viewport())
        self._field.setObjectName("expressions.value")
        say(self._field.setAccessibleName, N_("Value of the control"))
        self._field.hide()
        self._field.returnPressed.connect(self._typed)
        self._field.editingFinished.connect(self._field.hide)
        theme.signals().changed.connect(self._rescaled)
        translated(self._relabel)

    # --- following ---------------------------------------------------------------------------------------------------
    def follow(self) -> None:
        """Show the face as it stands now."""
        self._known = ()
        figure = self.faces.figure
        if self.only_active and figure is not None:
            self._shown |= set(edits.active(figure)) | set(edits.animated(self._studio.scene, figure.id))
        self.relist()
        self.viewport().update()

    def relist(self) -> None:
        """Lay out the rows anew."""
        figure = self.faces.figure
        only = self._shown if self.only_active else None
        self.rows.set_rows(
            rows_of(figure.controls, search=self.search, only=only, closed=self.closed) if figure is not None else ()
        )

    def show_only_active(self, on: bool) -> None:
        """Show only what is in use; what a hand lets rest meanwhile stays until it is switched again."""
        self.only_active = on
        self._shown = set()
        self.follow()

    def _rescaled(self) -> None:
        self._brush = Painter(self.font())
        self.scheduleDelayedItemsLayout()

    def _relabel(self) -> None:
        self._brush = Painter(self.font())
        self.viewport().update()

    def _read(self) -> Figure | None:
        """The figure; its weights and what acts of them are looked up once for a picture."""
        figure = self.faces.figure
        now = (figure, self._studio.scene, self._studio.frame)
        if len(self._known) != len(now) or any(a is not b for a, b in zip(now, self._known, strict=True)):
            self._known = now
            self._values = edits.weights(figure) if figure is not None else {}
            self._acting = _acting(figure, self._studio)
        return figure

    # --- drawing -----------------------------------------------------------------------------------------------------
    def parts(self, row: int) -> Parts:
        """Where the parts of a row are, in the viewport."""
        return parts_of(self.rows.rows[row], QRectF(self.visualRect(self.rows.index(row))))

    def where(self, name: str) -> QRectF:
        """The slider of a control, scrolled to; an empty rectangle where it is not listed."""
        for number, row in enumerate(self.rows.rows):
            if not row.header and name in row.names:
                self.scrollTo(self.rows.index(number))
                return self.parts(number).bar(name)
        return QRectF()

    def paint_row(self, painter: QPainter, box: QRectF, number: int) -> None:
        """A row in its rectangle."""
        figure = self._read()
        if figure is None or number >= len(self.rows.rows):
            return
        row = self.rows.rows[number]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        current = self.current if number == self.currentIndex().row() else ""
        hot = self._hot[1:] if self._hot[0] == number else ("", "")
        self._brush.row(
            painter,
            row,
            parts_of(row, box),
            box,
            Look(
                values=self._values,
                acting=self._acting,
                keys=self._keys(figure, row),
                linked=self.faces.linked(row.names[0]) if row.pair and edits.is_sided(row.names[0]) else None,
                hot=(hot[0], hot[1]),
                current=current,
                focus=self.hasFocus(),
                autokey=self._studio.autokey,
                count=sum(1 for name in row.names if self._values.get(name)) if row.header else 0,
            ),
        )
        painter.restore()

    def _keys(self, figure: Figure, row: Row) -> dict[str, str]:
        """Key marks by control; under "" that of a region."""
        scene, frame = self._studio.scene, self._studio.frame
        if not scene.tracks:
            return {}
        index = {name: i for i, name in enumerate(figure.controls)}
        states = {name: edits.key_state(scene, figure.id, index[name], frame) for name in row.names}
        if row.header:
            found = set(states.values())
            return {"": found.pop() if len(found) == 1 else key_dots.MIXED}
        return states

    # --- the present control -----------------------------------------------------------------------------------------
    @property
    def current(self) -> str:
        """The control that keys act on, "" for none."""
        number = self.currentIndex().row()
        if not 0 <= number < len(self.rows.rows) or self.rows.rows[number].header:
            return ""
        names = self.rows.rows[number].names
        return names[min(self._half, len(names) - 1)]

    def _take(self, number: int, name: str) -> None:
        row = self.rows.rows[number]
        self._half = row.names.index(name) if name in row.names and not row.header else self._half
        self.setCurrentIndex(self.rows.index(number))

    # --- the hand ----------------------------------------------------------------------------------------------------
    def hit(self, at: QPointF) -> tuple[int, str, str]:
        """The number of the row under a point (-1: none), the kind of part and its control."""
        number = self.indexAt(at.toPoint()).row()
        if number < 0:
            return -1, "", ""
        return number, *self.parts(number).hit(at)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take a slider, set a key, link halves, fold a region."""
        number, kind, name = self.hit(event.position())
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() != Qt.MouseButton.LeftButton or number < 0:
            return
        row = self.rows.rows[number]
        self._field.hide()
        if kind == "bar":
            self._take(number, name)
            self._do(lambda: self._grab(number, name, event))
        elif kind == "dot":
            self.toggle_key(row, name)
        elif kind == "link":
            self.faces.link(name, on=not self.faces.linked(name))
        elif kind == "reset":
            self._reset(row.names)
        elif row.header:
            self.closed ^= {row.region}
            self.relist()
            self.regions_changed.emit()
        else:
            self._take(number, row.names[0])
        self.viewport().update()

    def _grab(self, number: int, name: str, event: QMouseEvent) -> None:
        names = self.faces.with_it([name], alone=bool(event.modifiers() & Qt.KeyboardModifier.AltModifier))
        gesture = self.faces.grab()
        starts = {n: v for n, v in edits.weights(gesture.figure).items() if n in names}
        width = max(self.parts(number).bar(name).width(), 1.0)
        self._drag = _Drag(gesture, starts, 1.0 / width, event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Sliders follow the hand."""
        drag = self._drag
        if drag is None:
            hot = self.hit(event.position())
            if hot != self._hot:
                self._hot = hot
                self.viewport().setCursor(
                    Qt.CursorShape.SizeHorCursor if hot[1] == "bar" else Qt.CursorShape.ArrowCursor
                )
                self.viewport().update()
            return
        x = event.position().x()
        fine = _FINE if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        drag.way += (x - drag.x) * drag.per_px * fine
        drag.x = x
        if drag.moved or abs(drag.way) > _CLICK_PX * drag.per_px * fine:
            drag.moved = True
            beyond = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            self._do(lambda: self._move(drag.gesture, drag.starts, drag.way, beyond=beyond))

    def _move(self, gesture: Gesture, starts: dict[str, float], way: float, *, beyond: bool = False) -> None:
        """Move controls from where they were, each within what it may have."""
        values = {}
        for name, start in starts.items():
            lo, hi = (edits.LEAST, edits.MOST) if beyond else (min(start, 0.0), max(start, 1.0))
            values[name] = round(min(max(start + way, lo), hi), 4)
        self.faces.put(gesture, values)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        drag, self._drag = self._drag, None
        if drag is not None and drag.moved:
            self._do(lambda: self.faces.let_go(drag.gesture))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A slider goes back to rest; elsewhere two clicks are two clicks."""
        number, kind, name = self.hit(event.position())
        if event.button() == Qt.MouseButton.LeftButton and kind == "bar":
            self._drag = None
            self._take(number, name)
            self._reset(self.faces.with_it([name], alone=bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)))
        else:
            self.mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Over the present slider it turns; elsewhere the list scrolls."""
        number, kind, name = self.hit(event.position())
        turn = event.angleDelta().y() or event.angleDelta().x()
        if kind == "bar" and name == self.current and number == self.currentIndex().row() and turn:
            fine = _FINE if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
            self._nudge(turn / 120.0 * _NOTCH * (fine if fine == 1.0 else 0.2))
            event.accept()
            return
        super().wheelEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer."""
        self._hot = (-1, "", "")
        self.viewport().update()

    def _nudge(self, by: float) -> None:
        """Move the present control a little; what follows soon is the same gesture."""
        name, now = self.current, time.monotonic()
        if not name:
            return
        last, before, gesture, starts, way = self._wheel
        if now - last > _WHEEL_S or before != name or gesture is None:
            gesture, way = self.faces.grab(), 0.0
            wanted = self.faces.with_it([name])
            starts = {n: v for n, v in edits.weights(gesture.figure).items() if n in wanted}
        way += by
        self._wheel = (now, name, gesture, starts, way)
        held, far, where = gesture, way, starts
        self._do(lambda: self._move(held, where, far))

    def _reset(self, names: Any) -> None:
        self._studio.attempt("expressions.reset", names=tuple(names))

    def toggle_key(self, row: Row, name: str) -> None:
        """Set keys of a control and what is linked to it, or of a region; remove them where all have one."""
        figure = self.faces.figure
        if figure is None:
            return
        names = tuple(self.faces.with_it([name])) if name else row.names
        scene, frame = self._studio.scene, self._studio.frame
        states = {edits.key_state(scene, figure.id, figure.controls.index(n), frame) for n in names}
        self._studio.attempt("expressions.unkey" if states == {"key"} else "expressions.key", names=names)

    def _do(self, call: Callable[[], object]) -> None:
        try:
            call()
        except StudioError as fault:
            self._desk.tell_fault(fault)

    # --- the keyboard ------------------------------------------------------------------------------------------------
    def event(self, event: QEvent) -> bool:
        """Keys of the list come before shortcuts of the same keys; tips are of what is under the pointer."""
        if claimed(event, lambda key: self._meaning(key) is not None):
            return True
        return super().event(event)

    def viewportEvent(self, event: QEvent) -> bool:
        """Tool tips of parts."""
        if event.type() == QEvent.Type.ToolTip:
            assert isinstance(event, QHelpEvent)
            text = self.told(QPointF(event.pos()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().viewportEvent(event)

    def _meaning(self, event: QKeyEvent) -> Callable[[], object] | None:
        """What a key does to the present control."""
        key, modifiers, name = event.key(), event.modifiers(), self.current
        if key == Qt.Key.Key_Escape and self._drag is not None:
            return self.give_up
        if not name or modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            return None
        fine = 0.2 if modifiers & Qt.KeyboardModifier.ShiftModifier else 1.0
        text = event.text()
        if text and (text.isdigit() or text in ".-+="):
            return lambda: self.start_typing(text)
        steps: dict[int, Callable[[], object]] = {
            Qt.Key.Key_Left: lambda: self._nudge(-_NOTCH * fine),
            Qt.Key.Key_Right: lambda: self._nudge(_NOTCH * fine),
            Qt.Key.Key_Space: self._other_half,
            Qt.Key.Key_Backspace: lambda: self._reset(self.faces.with_it([name])),
            Qt.Key.Key_Delete: lambda: self._reset(self.faces.with_it([name])),
            Qt.Key.Key_Return: self.start_typing,
            Qt.Key.Key_Enter: self.start_typing,
        }
        return steps.get(key)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """See the module."""
        act = self._meaning(event)
        if act is not None:
            act()
            self.viewport().update()
        else:
            super().keyPressEvent(event)

    def give_up(self) -> None:
        """Take back the gesture that goes on."""
        drag, self._drag = self._drag, None
        if drag is not None:
            self.faces.let_go(drag.gesture, keep=False)

    def _other_half(self) -> None:
        self._half = 1 - min(self._half, 1)

    # --- typing ------------------------------------------------------------------------------------------------------
    def start_typing(self, text: str = "") -> None:
        """Open the present control for typing."""
        name = self.current
        if not name:
            return
        self._read()
        self._field.setGeometry(self.where(name).toRect())
        self._field.setText(text or f"{self._values.get(name, 0.0):g}")
        if not text:
            self._field.selectAll()
        self._field.show()
        self._field.setFocus()

    def _typed(self) -> None:
        """What was typed, expressions included; relative ones change linked halves each from its own."""
        name = self.current
        try:
            entry = understand(self._field.text())
            gesture = self.faces.grab()
            values = edits.weights(gesture.figure)
            self.faces.put(gesture, {n: entry.new(values[n]) for n in self.faces.with_it([name])})
        except UsageError as fault:
            self._studio.face.notify(str(fault), kind="warning")
        except StudioError as fault:
            self._desk.tell_fault(fault)
        self.setFocus()

    # --- telling -----------------------------------------------------------------------------------------------------
    def told(self, at: QPointF) -> str:
        """What a tool tip says of a place."""
        number, kind, name = self.hit(at)
        if number < 0:
            return ""
        self._read()
        return told(self.faces, self.rows.rows[number], kind, name, self._values, self._acting)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with a control or a region."""
        number, _, name = self.hit(QPointF(event.pos()))
        if number >= 0:
            self.menu_of(self.rows.rows[number], name).popup(event.globalPos())

    def menu_of(self, row: Row, name: str) -> QMenu:
        """The menu of a row."""
        return menu_of(self, self._studio, self._desk, self.faces, row, (name,) if name else row.names)


def _acting(figure: Figure | None, studio: Studio) -> dict[str, float]:
    """What the rules of the figure make of its controls just now, by name."""
    if figure is None:
        return {}
    from studio.scene.figures import weights_of

    shapes = weights_of(figure, studio.frame, studio.scene.fps)
    return {name: value for name, value in shapes.items() if region(name) != "gaze"}  # eyes may turn by joints
