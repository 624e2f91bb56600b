"""The light list: every lamp of `studio.ui.light_model` a row, edited for all selected rows at once."""

from __future__ import annotations

import itertools
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    QSortFilterProxyModel,
    Qt,
    QTimer,
)
from PySide6.QtGui import QBrush, QKeyEvent, QKeySequence, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.lights import Light
from studio.scene.photometry import units_of
from studio.scene.schema import Touches, fields
from studio.ui import theme
from studio.ui.color_edit import Color, ColorEdit
from studio.ui.i18n import say, tr, translated
from studio.ui.key_dots import NONE, paint_dot
from studio.ui.light_model import COLUMNS, KEY_ROLE, SORT_ROLE, SWITCHES, Index, LightModel
from studio.ui.panel import Desk, panel

_WIDTHS = {
    "muted": 28,
    "solo": 28,
    "name": 150,
    "light": 84,
    "intensity": 88,
    "unit": 48,
    "exposure": 100,
    "color": 64,
    "temperature_k": 108,
    "group": 96,
}
_DOT = 16  # width of a key dot's place
_PLAYING_MS = 100  # between refreshes while the timeline plays
_drags = itertools.count()


def dot_box(cell: QRect) -> QRectF:
    """Where the key dot of a cell stands: at its left."""
    return QRectF(cell.left(), cell.top(), theme.size(_DOT), cell.height())


class LightDelegate(QStyledItemDelegate):
    """Editors of cells: texts that understand expressions, menus for kind and unit, a picker for colours."""

    def __init__(self, studio: Studio, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio = studio

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """A colour is painted by `paint`, in selected rows as in others."""
        super().initStyleOption(option, index)
        option.backgroundBrush = QBrush()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """A cell; its colour is seen on a selected row too."""
        super().paint(painter, option, index)
        colour = index.data(Qt.ItemDataRole.BackgroundRole)
        state = index.data(KEY_ROLE)
        if colour is not None:
            edge = theme.size(2)
            room = theme.size(_DOT) if state is not None else edge
            painter.fillRect(option.rect.adjusted(room, edge, -edge, -edge), colour)
        if state is not None:
            hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
            if state != NONE or hovered or self._studio.autokey:
                paint_dot(painter, dot_box(option.rect), state, autokey=self._studio.autokey, hovered=hovered)

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """The editor of a column."""
        name = COLUMNS[index.column()]
        editor: QWidget
        if name in ("light", "unit"):
            menu = editor = QComboBox(parent)
            kind = index.model().index(index.row(), COLUMNS.index("light")).data(Qt.ItemDataRole.EditRole)
            for choice in fields(Light)["light"].spec.choices if name == "light" else units_of(kind):
                menu.addItem(tr(choice.capitalize()) if name == "light" else choice, choice)
            menu.activated.connect(lambda: self._done(menu))
        elif name == "color":
            editor = self._swatch(parent, index)
        else:
            editor = QLineEdit(parent)
        editor.setObjectName(f"cell-{name}")
        editor.setAccessibleName(tr(fields(Light)[name].label))
        return editor

    def _done(self, editor: QWidget) -> None:
        self.commitData.emit(editor)
        self.closeEditor.emit(editor)

    def _swatch(self, parent: QWidget, index: Index) -> ColorEdit:
        """A picker whose drag is one step of the history."""
        swatch = ColorEdit(limit=None, parent=parent)
        table = self.parent()
        assert isinstance(table, LightTable)
        lights = table.lights
        id_ = lights.ids[table.filter.mapToSource(index).row()]
        token = ""

        def began() -> None:
            nonlocal token
            token = f"lights-color-{next(_drags)}"

        def changed(color: Color) -> None:
            swatch.set_color(color)
            lights.set_field(id_, "color", color, coalesce=token)

        def ended(kept: bool) -> None:
            if not kept:
                self._studio.document.abandon(token)

        swatch.began.connect(began)
        swatch.changed.connect(changed)
        swatch.ended.connect(ended)
        return swatch

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Show the value in the editor."""
        value = index.data(Qt.ItemDataRole.EditRole)
        if isinstance(editor, QComboBox):
            editor.setCurrentIndex(editor.findData(value))
        elif isinstance(editor, ColorEdit):
            editor.set_color(value)
        elif isinstance(editor, QLineEdit) and not editor.isModified():
            editor.setText(value if isinstance(value, str) else repr(value))
            editor.selectAll()

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Give what was entered to the model."""
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentData())
        elif isinstance(editor, QLineEdit) and editor.isModified():
            model.setData(index, editor.text())


class LightTable(QTableView):
    """The table; a press on a switch turns it."""

    def __init__(self, studio: Studio, model: LightModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("light-table")
        self.lights = model
        self.filter = QSortFilterProxyModel(self)
        self.filter.setSourceModel(model)
        self.filter.setSortRole(SORT_ROLE)
        self.filter.setFilterKeyColumn(-1)
        self.filter.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setModel(self.filter)
        self.setItemDelegate(LightDelegate(studio, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSortingEnabled(True)
        self.filter.sort(-1)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.horizontalHeader().setSortIndicatorClearable(True)
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)  # cells under the pointer show where their key dots are
        self.fit()

    def fit(self) -> None:
        """Heights and widths at the interface's scale."""
        self.verticalHeader().setDefaultSectionSize(theme.size(22))
        self.verticalHeader().setMinimumSectionSize(theme.size(18))
        for column, name in enumerate(COLUMNS):
            self.setColumnWidth(column, theme.size(_WIDTHS[name]))
        self.horizontalHeader().setStretchLastSection(True)

    def row_at(self, index: QModelIndex) -> int:
        """The model's row of an index of the view."""
        return self.filter.mapToSource(index).row()

    def event(self, event: QEvent) -> bool:
        """While the table has the keyboard, "select all" means the rows that it lists and nothing else."""
        if event.type() == QEvent.Type.ShortcutOverride:
            assert isinstance(event, QKeyEvent)
            if event.matches(QKeySequence.StandardKey.SelectAll):
                event.accept()
                return True
        return super().event(event)

    def mousePressEvent(self, event: Any) -> None:
        """Switches are turned on the press and select nothing."""
        index = self.indexAt(event.position().toPoint())
        if (
            event.button() == Qt.MouseButton.LeftButton
            and index.isValid()
            and COLUMNS[index.column()] in SWITCHES
            and not event.modifiers()
            and self.lights.toggle(self.row_at(index), COLUMNS[index.column()])
        ):
            return
        if event.button() == Qt.MouseButton.LeftButton and index.isValid() and self._on_dot(index, event.position()):
            self.lights.toggle_key(self.row_at(index), COLUMNS[index.column()])
            return
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """A second press on a dot is a press; elsewhere it edits."""
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and self._on_dot(index, event.position()):
            self.mousePressEvent(event)
        else:
            super().mouseDoubleClickEvent(event)

    def _on_dot(self, index: QModelIndex, at: QPointF) -> bool:
        return index.data(KEY_ROLE) is not None and dot_box(self.visualRect(index)).contains(at)


@panel("light_list", N_("Lights"), "bottom", "lights")
class LightList(QWidget):
    """The table with its search field and a count."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("light-list")
        self._studio, self._desk = studio, desk
        self.model = LightModel(studio, self)
        self.table = LightTable(studio, self.model)
        say(self.table.setAccessibleName, N_("Lights"))
        self.search = QLineEdit()
        self.search.setObjectName("light-search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Filter lights"))
        say(self.search.setAccessibleName, N_("Filter lights"))
        self._count = QLabel()
        self._count.setProperty("role", "dim")
        bar = QHBoxLayout()
        bar.setContentsMargins(theme.size(6), theme.size(4), theme.size(6), theme.size(4))
        bar.addWidget(self.search, 1)
        bar.addSpacing(theme.size(8))
        bar.addWidget(self._count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.table, 1)
        self._following = False
        self._behind = QTimer(self)
        self._behind.setSingleShot(True)
        self._behind.setInterval(_PLAYING_MS)
        self._behind.timeout.connect(self._follow_frame)
        self.search.textChanged.connect(self._search)
        self.table.selectionModel().selectionChanged.connect(self._selected)
        self.table.customContextMenuRequested.connect(self._menu)
        theme.signals().changed.connect(self.table.fit)
        self._forget = studio.watch(self._heard)
        translated(self._relabel)
        self._follow()

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def _relabel(self) -> None:
        self.model.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(COLUMNS) - 1)
        self._tell_count()

    def _tell_count(self) -> None:
        total = self.model.rowCount()
        chosen = sum(1 for id_ in self._studio.selection if self.model.row_of(id_) >= 0)
        silent = sum(1 for row in range(total) if self.model.value(row, "muted"))
        parts = [tr("1 light") if total == 1 else tr("{count} lights", count=total)]
        if chosen:
            parts.append(tr("{count} selected", count=chosen))
        if silent:
            parts.append(tr("{count} muted", count=silent))
        self._count.setText("  ·  ".join(parts))

    def _heard(self, update: Update) -> None:
        if "frame" in update.parts and not self._studio.playing:
            self._follow_frame()
        elif "frame" in update.parts and not self._behind.isActive():
            self._behind.start()
        if "autokey" in update.parts:
            self.table.viewport().update()
        if update.change is None:
            return
        self._following = True
        try:
            self.model.heard(update.change)
        finally:
            self._following = False
        if update.change.selected or update.change.touches & (Touches.HIERARCHY | Touches.MATERIAL):
            self._follow()
        self._tell_count()

    def _follow_frame(self) -> None:
        """Show the values of the present frame."""
        self._behind.stop()
        self._following = True
        try:
            self.model.follow_frame()
        finally:
            self._following = False

    def _search(self, text: str) -> None:
        self._following = True
        try:
            self.table.filter.setFilterFixedString(text.strip())
        finally:
            self._following = False
        self._follow()

    def _selected(self, chosen: QItemSelection, dropped: QItemSelection) -> None:
        if self._following:
            return
        rows = sorted(self.table.row_at(index) for index in self.table.selectionModel().selectedRows())
        self._studio.select([self.model.ids[row] for row in rows])

    def _follow(self) -> None:
        """The document's selection becomes the table's."""
        wanted = {row for id_ in self._studio.selection if (row := self.model.row_of(id_)) >= 0}
        selected = {self.table.row_at(index) for index in self.table.selectionModel().selectedRows()}
        if wanted == selected:
            return
        self._following = True
        try:
            selection = QItemSelection()
            for first, last in _runs(sorted(self._shown_rows(wanted))):
                selection.select(self.table.filter.index(first, 0), self.table.filter.index(last, len(COLUMNS) - 1))
            flags = QItemSelectionModel.SelectionFlag
            self.table.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)
            if len(wanted) == 1 and not selection.isEmpty():
                self.table.scrollTo(selection.indexes()[0])
        finally:
            self._following = False

    def _shown_rows(self, rows: set[int]) -> list[int]:
        mapped = (self.table.filter.mapFromSource(self.model.index(row, 0)) for row in rows)
        return [index.row() for index in mapped if index.isValid()]

    def _menu(self, at: QPoint) -> None:
        self._desk.context_menu("lights", self.table).popup(self.table.viewport().mapToGlobal(at))


def _runs(rows: list[int]) -> list[tuple[int, int]]:
    """Consecutive rows as first and last, so that 300 selected rows are one range."""
    out: list[tuple[int, int]] = []
    for row in rows:
        if out and out[-1][1] == row - 1:
            out[-1] = (out[-1][0], row)
        else:
            out.append((row, row))
    return out
