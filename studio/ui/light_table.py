"""The light table: a tree of rows whose cells are typed, copied, filled and scrubbed.

The document's selection is the rows of the selected cells, and a selection from elsewhere selects whole rows; which
cells an edit means is `studio.ui.light_table_tree`'s. Switches are turned by a press and painted by a drag, the middle
button scrubs numbers, the handle of the current cell (or Alt and a drag) fills its value over others, a press on the
dot of a cell keys it. Rows are drawn by `studio.ui.light_cells_paint`.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    Signal,
)
from PySide6.QtGui import QHelpEvent, QKeyEvent, QKeySequence, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractItemView, QStyleOptionViewItem, QToolTip, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene.entities import Id
from studio.ui import theme
from studio.ui.i18n import tr
from studio.ui.key_dots import NONE, paint_dot, state_of
from studio.ui.light_cells import place
from studio.ui.light_cells_clip import copy_cells, paste_cells
from studio.ui.light_cells_editors import ROW
from studio.ui.light_cells_paint import DOT, INDENT, Look, RowPainter, Span, spans_of
from studio.ui.light_model import LightModel
from studio.ui.light_table_columns import SWITCHES, column
from studio.ui.light_table_drags import Drag, Fill, Paint, Scrub
from studio.ui.light_table_rows import GROUP, Row
from studio.ui.light_table_tree import CellTree
from studio.ui.qt_events import claimed

Index = QModelIndex | QPersistentModelIndex
_FLAGS = QItemSelectionModel.SelectionFlag
_HANDLE = 7
_NUMBERS = "0123456789.-+*/(="
_FILL_TIP = N_("Drag over cells to give them this value (Alt and drag does it from any cell)")


def dot_box(cell: QRect) -> QRect:
    """Where the key dot of a cell stands: at its left."""
    return QRect(cell.left(), cell.top(), theme.size(DOT), cell.height())


class LightTable(CellTree):
    """See the module. `asked` tells that a cell was opened that has its editor elsewhere."""

    asked = Signal(object, str)  # Row, column

    def __init__(self, studio: Studio, model: LightModel, parent: QWidget | None = None) -> None:
        super().__init__(studio, model, parent)
        self.painter = RowPainter()
        self._chosen: frozenset[Id] = frozenset()
        self._chosen_of: tuple[Id, ...] = ()
        self._spans: list[Span] = []
        self._hovered: tuple[int, int] = (0, -1)
        self._drag: Drag | None = None
        self.restore()

    def fit(self) -> None:
        """Heights, widths and texts at the interface's scale."""
        self.painter.renew(self.font())
        super().fit()

    # --- drawing -----------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows, then the marks over them."""
        header, columns = self.header(), self.lights.columns
        self.painter.ratio = self.devicePixelRatioF()
        sections = [
            (n, columns[n], header.sectionViewportPosition(n), header.sectionSize(n))
            for n in range(min(header.count(), len(columns)))
        ]
        self._spans = spans_of(sections, self.viewport().width(), self.pinned)
        if self.studio.selection is not self._chosen_of:
            self._chosen_of = self.studio.selection
            self._chosen = frozenset(self._chosen_of)
        super().paintEvent(event)
        painter = QPainter(self.viewport())
        self._draw_marks(painter)
        painter.end()

    def drawRow(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """A row with all its cells."""
        row, model, draw = self.lights.row_at(index), self.lights, self.painter
        box: QRect = option.rect
        y, height = box.y(), box.height()
        chosen: frozenset[int] | set[int] = self.cells.get(row.number, frozenset())
        look = Look(
            row.id in self._chosen,
            row.number == self._hovered[0],
            bool((y + self.verticalScrollBar().value()) // max(height, 1) & 1),
            row.id not in self.folded,
            chosen,
            len(chosen) == len(model.columns),
        )
        draw.ground(painter, box, row, look)
        rows, moving = model.rows, bool(model.rows.scene.tracks) or self.studio.autokey
        for span in self._spans:
            inside = QRect(span.x, y, span.width, height)
            held = row.cells.get(span.name) or model.cell(row, span.name)
            if span.number == 0:
                if self.pinned:
                    draw.ground(painter, inside, row, look)
                draw.name(painter, inside, row, held, look, chosen=0 in chosen, flat=rows.flat)
                continue
            draw.cell(painter, inside, row, span.name, held, look, span.number in chosen)
            hovered = look.hovered and self._hovered[1] == span.number
            if (moving or hovered) and column(span.name).keyed:
                self._draw_dot(painter, inside, row, span.name, hovered)

    def _draw_dot(self, painter: QPainter, box: QRect, row: Row, name: str, hovered: bool) -> None:
        target = place(row, name)
        if target is None:
            return
        state = state_of(self.lights.rows.scene, *target, self.studio.frame)
        if state != NONE or hovered or self.studio.autokey:
            paint_dot(painter, dot_box(box).toRectF(), state, autokey=self.studio.autokey, hovered=hovered)

    def _draw_marks(self, painter: QPainter) -> None:
        """The current cell with its handle, and what a drag will fill."""
        painter.setClipRect(self.viewport().rect().adjusted(self.pinned, 0, 0, 0))
        if isinstance(self._drag, Fill):
            painter.setPen(QPen(theme.color("accent"), 1, Qt.PenStyle.DashLine))
            for name in self._drag.columns:
                boxes = [self.visualRect(self.lights.index_of(row, name)) for row in self._drag.rows]
                painter.drawRect(boxes[0].united(boxes[-1]).adjusted(0, 0, -1, -1))
            return
        current = self.currentIndex()
        if not current.isValid() or current.column() == 0 or not self.hasFocus():
            return
        painter.setPen(QPen(theme.color("accent"), 1))
        painter.drawRect(self.visualRect(current).adjusted(0, 0, -1, -1))
        handle = self._handle()
        if handle.isValid():
            painter.fillRect(handle, theme.color("accent"))

    def _handle(self) -> QRect:
        """The little square at the corner of the current cell; an invalid one where there is nothing to fill from."""
        current = self.currentIndex()
        if not current.isValid() or current.column() == 0:
            return QRect()
        name = self.lights.columns[current.column()]
        if place(self.lights.row_at(current), name) is None or name in SWITCHES:
            return QRect()
        box, side = self.visualRect(current), theme.size(_HANDLE)
        if box.right() < self.pinned:
            return QRect()
        return QRect(box.right() - side + 1, box.bottom() - side + 1, side, side)

    # --- the mouse ---------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a drag, turn a switch, press a key dot, or select."""
        at = event.position().toPoint()
        index = self.indexAt(at)
        cell = self.cell_at(at)
        self.by_rows = cell is None or index.column() == 0
        if cell is not None and self._begin(event, index, *cell):
            event.accept()
            return
        if event.button() != Qt.MouseButton.MiddleButton:
            super().mousePressEvent(event)

    def _begin(self, event: QMouseEvent, index: QModelIndex, row: Row, name: str) -> bool:
        """What a press on a cell begins besides selecting; False for nothing."""
        at, plain = event.position().toPoint(), not event.modifiers()
        shape, field = column(name).shape, column(name).field
        filled = place(row, name) is not None
        if event.button() == Qt.MouseButton.MiddleButton:
            if filled and shape in ("float", "int") and field is not None:
                self._drag = Scrub(self, row, name, field, at)
            return filled
        if self.pinned and index.column() == 0 and row.shown and self._on_sign(at, row):
            self.setExpanded(index, not self.isExpanded(index))  # Qt looks for the sign where names were
            return True
        if event.button() != Qt.MouseButton.LeftButton or not filled or index.column() == 0:
            return False
        if event.modifiers() == Qt.KeyboardModifier.AltModifier:
            self.selectionModel().setCurrentIndex(index, _FLAGS.ClearAndSelect)
            self._drag = Fill(self, row, name)
        elif plain and self._handle().contains(at):
            current = self.currentIndex()
            self._drag = Fill(self, self.lights.row_at(current), self.lights.columns[current.column()])
        elif plain and shape == "bool":
            self._drag = Paint(self, row, name)
        elif plain and column(name).keyed and dot_box(self.visualRect(index)).contains(at):
            self.lights.toggle_key(row, name)
        else:
            return False
        return True

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with a drag; else follow the pointer."""
        at = event.position().toPoint()
        if self._drag is not None:
            self._roll(at)
            self._drag.move(at, event.modifiers())
            return
        index = self.indexAt(at)
        hovered = (int(index.internalId()), index.column()) if index.isValid() else (0, -1)
        if hovered != self._hovered:
            self._hovered = hovered
            self.viewport().update()
        if not event.buttons():
            over = self._handle().contains(at)
            self.viewport().setCursor(Qt.CursorShape.CrossCursor if over else Qt.CursorShape.ArrowCursor)
        super().mouseMoveEvent(event)

    def _roll(self, at: QPoint) -> None:
        """Scroll while a drag over cells is above or below what is seen."""
        beyond = -1 if at.y() < 0 else 1 if at.y() > self.viewport().height() else 0
        if beyond and not isinstance(self._drag, Scrub):
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() + beyond * theme.size(ROW))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag."""
        if self._drag is not None:
            drag, self._drag = self._drag, None
            drag.end()
            return
        super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A second press on a switch or a dot is a press; on the sign of a group it folds; elsewhere it edits."""
        at = event.position().toPoint()
        cell = self.cell_at(at)
        if cell is None:
            return
        row, name = cell
        if column(name).shape == "bool" or (column(name).keyed and self._on_dot(at)):
            self.mousePressEvent(event)
        elif name == "name" and row.kind == GROUP and self._on_sign(at, row):
            super().mousePressEvent(event)
        elif event.button() == Qt.MouseButton.LeftButton:
            self.open(self.indexAt(at))

    def _on_sign(self, at: QPoint, row: Row) -> bool:
        """Whether a place is on, or before, the sign that folds a group."""
        return at.x() < self.name_x() + row.depth * theme.size(INDENT)

    def _on_dot(self, at: QPoint) -> bool:
        return dot_box(self.visualRect(self.indexAt(at))).contains(at)

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer is elsewhere."""
        self._hovered = (0, -1)
        self.viewport().update()
        super().leaveEvent(event)

    def open(self, index: QModelIndex) -> None:
        """Edit a cell by hand: menus and pickers open by themselves."""
        name = self.lights.columns[index.column()] if index.isValid() else ""
        if name and column(name).shape == "ids":
            self.asked.emit(self.lights.row_at(index), name)
        elif name:
            self.delegate.by_hand = True
            self.edit(index)
            self.delegate.by_hand = False

    # --- the keyboard ------------------------------------------------------------------------------------------------
    def event(self, event: QEvent) -> bool:
        """While the table has the keyboard, cells are copied and pasted, "select all" means the rows that it lists,
        and digits are typed into cells."""
        return claimed(event, self._claims) or super().event(event)

    def _claims(self, event: QKeyEvent) -> bool:
        standard = QKeySequence.StandardKey
        mine = any(event.matches(key) for key in (standard.SelectAll, standard.Copy, standard.Paste))
        return mine or self._types(event) or (event.key() == Qt.Key.Key_Escape and self._drag is not None)

    def _types(self, event: QKeyEvent) -> bool:
        """Whether a key begins typing into the current cell."""
        current, text = self.currentIndex(), event.text()
        held = event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier)
        if not current.isValid() or current.column() == 0 or held or not text or not text.isprintable() or text == " ":
            return False
        if not self.lights.flags(current) & Qt.ItemFlag.ItemIsEditable:
            return False
        shape = column(self.lights.columns[current.column()]).shape
        return text in _NUMBERS if shape in ("float", "int") else shape == "str"

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter edits, Space and Enter turn switches, Escape takes a drag back, digits begin typing."""
        current = self.currentIndex()
        if self.state() == QAbstractItemView.State.EditingState:  # what an editor had no use for
            super().keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Escape and self._drag is not None:
            drag, self._drag = self._drag, None
            drag.cancel()
        elif event.matches(QKeySequence.StandardKey.Copy):
            copy_cells(self)
        elif event.matches(QKeySequence.StandardKey.Paste):
            paste_cells(self)
        elif current.isValid() and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._press(current, event.key() == Qt.Key.Key_Space)
        elif self._types(event):
            self._type(current, event.text())
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right) and current.isValid():
            self._sideways(event, current)
        else:
            super().keyPressEvent(event)

    def _type(self, current: QModelIndex, text: str) -> None:
        """Open the editor of a cell with what was typed in place of its value."""
        self.edit(current)
        if self.delegate.line is not None:
            self.delegate.line.selectAll()
            self.delegate.line.insert(text)

    def _press(self, current: QModelIndex, space: bool) -> None:
        row, name = self.lights.row_at(current), self.lights.columns[current.column()]
        if column(name).shape == "bool":
            self.lights.toggle(row, name)
        elif space and current.column() == 0:
            self.setExpanded(current, not self.isExpanded(current))
        elif not space:
            self.open(current)

    def _sideways(self, event: QKeyEvent, current: QModelIndex) -> None:
        """Left and Right fold and open in the tree's column, and walk over the cells elsewhere."""
        right = event.key() == Qt.Key.Key_Right
        if current.column() == 0 and self.model().hasChildren(current) and self.isExpanded(current) is not right:
            self.setExpanded(current, right)
            return
        header = self.header()
        place_ = header.visualIndex(current.column()) + (1 if right else -1)
        if 0 <= place_ < header.count():
            there = current.siblingAtColumn(header.logicalIndex(place_))
            self.by_rows = False
            self.setCurrentIndex(there)

    # --- telling -----------------------------------------------------------------------------------------------------
    def viewportEvent(self, event: QEvent) -> bool:
        """What a cell is, when the pointer rests on it."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self._tip(event.pos()), self.viewport())
            return True
        return super().viewportEvent(event)

    def _tip(self, at: QPoint) -> str:
        from studio.ui.light_table_why import told

        cell = self.cell_at(at)
        if self._handle().contains(at):
            return tr(_FILL_TIP)
        return told(self.studio, *cell) if cell is not None else ""

    def scroll_to(self, id_: Id) -> None:
        """Bring the row of an entity into view."""
        index = self.lights.cell_index(id_, "name")
        if index.isValid():
            self.scrollTo(index)

    def focusInEvent(self, event: Any) -> None:
        """The current cell is marked while the table has the keyboard."""
        super().focusInEvent(event)
        self.viewport().update()
