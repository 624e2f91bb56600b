"""The strips of the board, painted in one widget: only those on the screen are ever looked at.

A fader moves by the way of the hand from where it is, with Shift a tenth of it. What is selected moves together and
keeps its differences; Ctrl takes a strip along that is not selected, Alt moves one alone. A gesture is one step of the
history and Escape takes it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QLineEdit, QScrollBar, QToolTip, QWidget

from studio.commands.board import MASTER, Board, Fader
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError, UsageError
from studio.scene.entities import Group, Id
from studio.ui import theme
from studio.ui.board_looks import master_look, strip_look, told
from studio.ui.board_paint import (
    MASTER_STRIP,
    STRIP,
    Look,
    Painter,
    Parts,
    parts_of,
    said,
)
from studio.ui.expressions import understand
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk
from studio.ui.qt_events import claimed

_WHEEL_S = 0.8  # turns of a wheel within this time are one gesture
_NOTCH = 1.0 / 3.0  # stops of a wheel's notch or of an arrow key


@dataclass(slots=True)
class _Drag:
    """A fader in the hand: `way` in stops so far, from the place `y` on."""

    fader: Fader
    y: float
    way: float = 0.0
    moved: bool = False


class BoardCanvas(QWidget):
    """Strips from left to right, the master at the right of them all."""

    learned = Signal(str, str)  # while learning, a control was pointed at: strip's id ("master") and part
    opened = Signal(str)  # a group is to be shown by its parts

    def __init__(self, studio: Studio, desk: Desk, board: Board, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("board-canvas")
        self.place = "lights"
        self._studio, self._desk, self.board = studio, desk, board
        self.learning = False
        self.armed: tuple[Id, str] = ("", "")
        self.badges: Callable[[Id], tuple[tuple[str, str], ...]] = lambda id_: ()
        self.banked = False  # whether the bank is marked
        self._current: Id = ""
        self._anchor: Id = ""
        self._drag: _Drag | None = None
        self._wheel: tuple[float, tuple[Id, ...], Fader | None, float] = (0.0, (), None, 0.0)
        self._top = 0.0  # lumens of a full meter
        self._brush = Painter(self.font())
        self.bar = QScrollBar(Qt.Orientation.Horizontal, self)
        self.bar.valueChanged.connect(lambda value: self.update())
        self._field = QLineEdit(self)
        self._field.setObjectName("board.value")
        say(self._field.setAccessibleName, N_("Value in stops"))
        self._field.hide()
        self._field.returnPressed.connect(self._typed)
        self._field.editingFinished.connect(self._field.hide)
        self._typing: Id = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumHeight(theme.size(84))
        say(self.setAccessibleName, N_("Light board"))
        self._forget = (board.watch(self._heard), studio.watch(self._updated))
        theme.signals().changed.connect(self._resized)
        translated(self.update)

    def close_panel(self) -> None:
        """Stop listening."""
        for forget in self._forget:
            forget()

    def sizeHint(self) -> QSize:
        return QSize(theme.size(900), theme.size(300))

    # --- following ---------------------------------------------------------------------------------------------------
    def _heard(self, what: str) -> None:
        if what == "strips":
            self._top = 0.0
            if self._current not in (*self.board.ids, MASTER):
                self._current = ""
            self.relaid()
        if what == "bank" and self.banked:
            self.show_row(self.board.bank * self.board.bank_size)
        self.update()

    def _updated(self, update: Update) -> None:
        if update.change is not None and update.change.selected:
            self.update()

    def _resized(self) -> None:
        """The interface has another scale."""
        self._brush = Painter(self.font())
        self.relaid()

    def relaid(self) -> None:
        """Follow the number of strips and the size."""
        room = self._room()
        self.bar.setRange(0, max(len(self.board.ids) * theme.size(STRIP) - room, 0))
        self.bar.setPageStep(max(room, 1))
        self.bar.setSingleStep(theme.size(STRIP))
        self.bar.setVisible(self.bar.maximum() > 0)
        height = theme.size(10)
        self.bar.setGeometry(0, self.height() - height, room, height)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More or fewer strips are seen."""
        self._field.hide()
        self._brush = Painter(self.font())
        self.relaid()

    # --- where things are --------------------------------------------------------------------------------------------
    def _room(self) -> int:
        return max(self.width() - theme.size(MASTER_STRIP) - theme.size(4), 0)

    def _bottom(self) -> float:
        return float(self.height() - (theme.size(11) if self.bar.maximum() > 0 else 0))

    def parts(self, id_: Id) -> Parts | None:
        """Where a strip and its parts are, on the screen or not; None for one that is not listed."""
        if id_ == MASTER:
            width = theme.size(MASTER_STRIP)
            return parts_of(QRectF(self.width() - width, 0.0, width, self._bottom()))
        if id_ not in self.board.ids:
            return None
        return self._at(self.board.ids.index(id_))

    def _at(self, row: int) -> Parts:
        width = theme.size(STRIP)
        return parts_of(QRectF(row * width - self.bar.value(), 0.0, width, self._bottom()))

    def hit(self, at: QPointF) -> tuple[Id, str]:
        """The strip under a point, and which part of it; "" for none."""
        if at.x() >= self.width() - theme.size(MASTER_STRIP):
            found = self.parts(MASTER)
            assert found is not None
            return MASTER, found.hit(at)
        row = int((at.x() + self.bar.value()) // theme.size(STRIP))
        if at.x() >= self._room() or not 0 <= row < len(self.board.ids) or at.y() > self._bottom():
            return "", ""
        return self.board.ids[row], self._at(row).hit(at)

    def show_row(self, row: int) -> None:
        """Scroll so that a strip is seen."""
        width = theme.size(STRIP)
        left, right = row * width, (row + 1) * width - self._room()
        if self.bar.value() > left:
            self.bar.setValue(left)
        elif self.bar.value() < right:
            self.bar.setValue(right)

    # --- drawing -----------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """Strips that are seen, then the master."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), theme.color("well"))
        levels = self.board.levels()
        strongest = max((levels.get(id_, 0.0) for id_ in self.board.ids), default=0.0)
        self._top = max(self._top, strongest)  # held, so that meters do not rise when the strongest falls
        brush, ids, width = self._brush, self.board.ids, theme.size(STRIP)
        brush.begin(painter)
        chosen = set(self._studio.selection)
        first = self.bar.value() // width
        last = min(len(ids), (self.bar.value() + self._room()) // width + 1)
        painter.save()
        painter.setClipRect(QRectF(0.0, 0.0, self._room(), self._bottom()))
        for row in range(first, last):
            brush.strip(self._at(row), self._look(ids[row], row, levels, ids[row] in chosen))
        painter.restore()
        if not ids:
            self._say_nothing(painter)
        master = self.parts(MASTER)
        assert master is not None
        brush.strip(master, self._look(MASTER, -1, levels, False))
        painter.end()

    def _say_nothing(self, painter: QPainter) -> None:
        painter.setPen(theme.color("dim"))
        text = tr("Nothing fits the filter.") if self.board.filter else tr("Nothing here has a fader.")
        painter.drawText(QRectF(0.0, 0.0, self._room(), self._bottom()), Qt.AlignmentFlag.AlignCenter, text)

    def _look(self, id_: Id, row: int, levels: dict[Id, float], chosen: bool) -> Look:
        board, master = self.board, id_ == MASTER
        about = master_look(board, levels, self._top) if master else strip_look(board, id_, levels, self._top)
        size = board.bank_size
        return replace(
            about,
            chosen=chosen,
            current=id_ == self._current and self.hasFocus(),
            in_bank=self.banked and not master and board.bank * size <= row < (board.bank + 1) * size,
            badges=self.badges(id_) if self.learning else (),
            armed=self.armed[1] if self.armed[0] == id_ else "",
            learning=self.learning,
        )

    # --- the hand ----------------------------------------------------------------------------------------------------
    def gang(self, id_: Id, modifiers: Qt.KeyboardModifier) -> list[Id]:
        """What moves with a strip: the selected strips when it is one of them, or with Ctrl; with Alt it alone."""
        chosen = set(self._studio.selection)
        alone = id_ == MASTER or modifiers & Qt.KeyboardModifier.AltModifier
        with_it = id_ in chosen or bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        if alone or not with_it:
            return [id_]
        return [id_, *(i for i in self.board.ids if i in chosen and i != id_)]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take a fader, turn a switch, select."""
        id_, part = self.hit(event.position())
        if event.button() != Qt.MouseButton.LeftButton or not id_:
            if event.button() == Qt.MouseButton.LeftButton and not self.learning:
                self._studio.select(())
            return
        self._set_current(id_)
        modifiers = event.modifiers()
        if self.learning:
            if part in ("fader", "mute", "solo", "name") and not (id_ == MASTER and part == "name"):
                self.learned.emit(id_, part)
            return
        if part in ("mute", "solo"):
            self.switch(id_, "muted" if part == "mute" else "solo", modifiers)
        elif part == "fader":
            self._drag = _Drag(self.board.grab(self.gang(id_, modifiers)), event.position().y())
        elif part == "value":
            self._drag = None
        elif id_ != MASTER:
            self._choose(id_, modifiers)
        self.update()

    def _choose(self, id_: Id, modifiers: Qt.KeyboardModifier) -> None:
        chosen, ids = list(self._studio.selection), self.board.ids
        if modifiers & Qt.KeyboardModifier.ShiftModifier and self._anchor in ids:
            a, b = sorted((ids.index(self._anchor), ids.index(id_)))
            self._studio.select(ids[a : b + 1])
            return
        self._anchor = id_
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            self._studio.select([i for i in chosen if i != id_] if id_ in chosen else [*chosen, id_])
        else:
            self._studio.select([id_])

    def switch(self, id_: Id, name: str, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Turn a strip's switch, with its gang; the master's turns it off wherever it is on."""
        if id_ == MASTER:
            self._do(lambda: self.board.clear(name))
        else:
            self._do(lambda: self.board.turn(self.gang(id_, modifiers), name))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move what was taken."""
        drag = self._drag
        if drag is None:
            return
        y = event.position().y()
        found = self.parts(MASTER)
        assert found is not None
        pace = 0.1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        drag.way += (drag.y - y) / max(found.per_stop, 0.1) * pace
        drag.y = y
        if abs(drag.way) > 1e-9 or drag.moved:
            drag.moved = True
            self._do(lambda: self.board.move(drag.fader, round(drag.way, 2)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._drag = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """On a fader: to 0, or from there to where it was at first; on a value: type; on a group's name: its parts."""
        id_, part = self.hit(event.position())
        if event.button() != Qt.MouseButton.LeftButton or not id_ or self.learning:
            return
        if part == "fader":
            self._drag = None
            self._do(lambda: self.board.reset(self.gang(id_, event.modifiers())))
        elif part == "value":
            self.start_typing(id_)
        elif part in ("mute", "solo"):
            self.mousePressEvent(event)
        elif isinstance(self.board.entity(id_), Group):
            self.opened.emit(id_)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Over a fader it moves, a third of a stop a notch or with Shift a thirtieth; elsewhere strips scroll."""
        id_, part = self.hit(event.position())
        turn = event.angleDelta()
        if part in ("fader", "value") and turn.y() and not self.learning:
            fine = 0.1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
            self._nudge(id_, turn.y() / 120.0 * _NOTCH * fine, event.modifiers() & ~Qt.KeyboardModifier.AltModifier)
        else:
            self.bar.setValue(self.bar.value() - round((turn.x() or turn.y()) / 120.0 * theme.size(STRIP) * 2))
        event.accept()

    def _nudge(self, id_: Id, by: float, modifiers: Qt.KeyboardModifier) -> None:
        """Move a little; what follows soon is the same gesture."""
        now, ids = time.monotonic(), tuple(self.gang(id_, modifiers))
        last, before, fader, way = self._wheel
        if now - last > _WHEEL_S or before != ids or fader is None:
            fader, way = self.board.grab(ids), 0.0
        way += by
        self._wheel = (now, ids, fader, way)
        held, far = fader, way
        self._do(lambda: self.board.move(held, far))

    def _do(self, call: Callable[[], object]) -> None:
        try:
            call()
        except StudioError as fault:
            self._desk.tell_fault(fault)

    # --- the keyboard ------------------------------------------------------------------------------------------------
    def event(self, event: QEvent) -> bool:
        """Keys of the strips come before shortcuts of the same keys; tool tips are of what is under the pointer."""
        if claimed(event, lambda key: self._meaning(key) is not None):
            return True
        if event.type() == QEvent.Type.ToolTip:
            assert isinstance(event, QHelpEvent)
            self._tip(event)
            return True
        return super().event(event)

    def _meaning(self, event: QKeyEvent) -> Callable[[], object] | None:
        """What a key does to the present strip."""
        id_, modifiers, key = self._current, event.modifiers(), event.key()
        if key == Qt.Key.Key_Escape and (self._drag is not None or self.learning):
            return self.give_up
        if modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            return None
        fine = 0.1 if modifiers & Qt.KeyboardModifier.ShiftModifier else 1.0
        steps: dict[int, Callable[[], object]] = {
            Qt.Key.Key_Left: lambda: self._step(-1),
            Qt.Key.Key_Right: lambda: self._step(1),
        }
        if id_:
            plain = Qt.KeyboardModifier.NoModifier
            steps |= {
                Qt.Key.Key_Up: lambda: self._nudge(id_, _NOTCH * fine, plain),
                Qt.Key.Key_Down: lambda: self._nudge(id_, -_NOTCH * fine, plain),
                Qt.Key.Key_Home: lambda: self._do(lambda: self.board.reset(self.gang(id_, plain))),
                Qt.Key.Key_M: lambda: self.switch(id_, "muted"),
                Qt.Key.Key_S: lambda: self.switch(id_, "solo"),
                Qt.Key.Key_Return: lambda: self.start_typing(id_),
                Qt.Key.Key_Space: lambda: self._choose(id_, plain) if id_ != MASTER else None,
            }
        return steps.get(key)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go along the strips and move faders, M and S switch, Home resets, Return types."""
        act = self._meaning(event)
        if act is not None:
            act()
            self.update()
        else:
            super().keyPressEvent(event)

    def give_up(self) -> None:
        """Take back the gesture that goes on."""
        if self._drag is not None:
            fader, self._drag = self._drag.fader, None
            self.board.let_go(fader, keep=False)
        else:
            self.learned.emit("", "")

    def _step(self, by: int) -> None:
        ids = (*self.board.ids, MASTER)
        row = ids.index(self._current) + by if self._current in ids else 0
        row = min(max(row, 0), len(ids) - 1)
        self._set_current(ids[row])
        if row < len(self.board.ids):
            self.show_row(row)

    def _set_current(self, id_: Id) -> None:
        self._current = id_
        entity = self.board.entity(id_)
        name = tr("Master") if entity is None else (entity.name or id_)
        self.setAccessibleDescription(f"{name}: {said(self.board.value(id_))}")

    # --- typing ------------------------------------------------------------------------------------------------------
    def start_typing(self, id_: Id) -> None:
        """Open the value of a strip for typing."""
        found = self.parts(id_)
        if found is not None:
            self._typing = id_
            self._field.setGeometry(found.value.toRect())
            self._field.setText(repr(round(self.board.value(id_), 4)))
            self._field.selectAll()
            self._field.show()
            self._field.setFocus()

    def _typed(self) -> None:
        """What was typed, expressions included; relative ones change every strip of the gang from its own."""
        id_, plain = self._typing, Qt.KeyboardModifier.NoModifier
        try:
            entry = understand(self._field.text(), unit="stops")
            if id_ == MASTER:
                self.board.set_value(MASTER, entry.new(self.board.value(MASTER)))
            else:
                held = self.board.grab(self.gang(id_, plain))
                self.board.put(held, {i: entry.new(v) for i, v in held.starts.items()})
        except UsageError as fault:
            self._studio.face.notify(str(fault), kind="warning")
        except StudioError as fault:
            self._desk.tell_fault(fault)
        self.setFocus()

    # --- telling -----------------------------------------------------------------------------------------------------
    def _tip(self, event: QHelpEvent) -> None:
        id_, part = self.hit(QPointF(event.pos()))
        text = told(self.board, id_, part) if id_ else ""
        if text:
            QToolTip.showText(event.globalPos(), text, self)
        else:
            QToolTip.hideText()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with lights."""
        id_, _ = self.hit(QPointF(event.pos()))
        if id_ and id_ != MASTER and id_ not in self._studio.selection:
            self._studio.select([id_])
        self._desk.context_menu("lights", self).popup(event.globalPos())
