"""The tree below the light table: which cells are selected, what an edit of one means, what outlives a new layout.

Cells are selected like those of a spreadsheet; a press on a name selects the whole row. What is typed goes to every
selected cell of the column; where cells of columns alike are selected one by one, to those too (not for whole rows, of
which one means a field). What is typed for a light goes to lights and objects, what is typed for a group to groups: a
master and what is below it would else be changed twice by one word.

Names stay where they are when columns are scrolled: their column is drawn over the others, and whoever asks for the
cell at a place is told so. The model is reset whenever rows come, go or move: the selected cells, the current one, what
is folded and how far is scrolled are kept here by their entities, and found again.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QModelIndex, QPersistentModelIndex, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QLabel, QTreeView, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene.entities import Id
from studio.ui import theme
from studio.ui.i18n import say, tr
from studio.ui.light_cells_editors import LightDelegate
from studio.ui.light_cells_paint import INDENT
from studio.ui.light_model import LightModel
from studio.ui.light_table_columns import SWITCHES, column
from studio.ui.light_table_rows import GROUP, Row

Index = QModelIndex | QPersistentModelIndex
_FLAGS = QItemSelectionModel.SelectionFlag
_WHOLE: set[str] = set()  # stands for all columns of a row, those of another set too


class CellTree(QTreeView):
    """Rows, columns and the selected cells of the light table; see the module."""

    def __init__(self, studio: Studio, model: LightModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("light-table")
        self.studio, self.lights = studio, model
        self.cells: dict[int, set[int]] = {}  # selected: numbers of columns by number of row
        self.widths: dict[str, int] = {}  # as a person has set them, in units of the interface
        self.following = False
        self.folded: set[Id] = set()  # groups that somebody closed
        self.by_rows = False
        self._pinned = QLabel(self.header())  # the heading of names, over the others
        self._pinned.setObjectName("light-pinned")
        self._pinned.setContentsMargins(theme.size(6), 0, 0, 0)
        self._pinned.setStyleSheet("background: {chrome}; color: {dim};".format(**theme.COLORS))
        self._kept: tuple[int, int, tuple[Id, str], dict[Id, set[str]]] = (0, 0, ("", ""), {})
        model.targets = self.targets
        model.modelAboutToBeReset.connect(self._keep)
        self.setModel(model)
        model.modelReset.connect(self.restore)
        self.delegate = LightDelegate(studio, model, self)
        self.setItemDelegate(self.delegate)
        self._set_up()
        self.selectionModel().selectionChanged.connect(self._gather)
        self.expanded.connect(lambda index: self.folded.discard(model.row_at(index).id))
        self.collapsed.connect(lambda index: self.folded.add(model.row_at(index).id))

    def _set_up(self) -> None:
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setUniformRowHeights(True)
        self.setExpandsOnDoubleClick(False)
        self.setAllColumnsShowFocus(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)  # cells under the pointer show where their key dots are
        header = self.header()
        header.setObjectName("light-header")
        say(header.setAccessibleName, N_("Columns of the light table"))
        header.setSectionsClickable(True)
        header.setSectionsMovable(True)
        header.setStretchLastSection(False)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.lights.sort(-1)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.sectionResized.connect(self._resized)

    def fit(self) -> None:
        """Heights and widths at the interface's scale."""
        self.setIndentation(theme.size(INDENT))
        header = self.header()
        header.setMinimumSectionSize(theme.size(24))
        header.blockSignals(True)
        for number, name in enumerate(self.lights.columns):
            header.resizeSection(number, self._width(name))
        header.blockSignals(False)
        self.doItemsLayout()
        self._pin()
        self.viewport().update()

    def _width(self, name: str) -> int:
        units = self.widths.get(name)
        if units is not None or name in SWITCHES:
            return theme.size(units if units is not None else column(name).width)
        label = self.header().fontMetrics().horizontalAdvance(tr(column(name).label)) + theme.size(22)
        return max(theme.size(column(name).width), label if name != "name" else 0)

    def _resized(self, number: int, old: int, new: int) -> None:
        if 0 <= number < len(self.lights.columns):
            self.widths[self.lights.columns[number]] = round(new / theme.scale())
        self._pin()

    # --- names stay --------------------------------------------------------------------------------------------------
    @property
    def pinned(self) -> int:
        """How wide names stand over other columns; 0 while nothing is scrolled below them."""
        return self.header().sectionSize(0) if self.header().offset() > 0 else 0

    def _pin(self) -> None:
        self._pinned.setText(tr(column("name").label))
        self._pinned.setGeometry(0, 0, self.header().sectionSize(0), self.header().height() - 1)
        self._pinned.setVisible(self.pinned > 0)

    def scrollContentsBy(self, right: int, down: int) -> None:
        """What is pinned does not move with the rest."""
        super().scrollContentsBy(right, down)
        if right:
            self._pin()
            self.viewport().update()

    def indexAt(self, at: QPoint) -> QModelIndex:
        """The cell at a place of the viewport."""
        if 0 <= at.x() < self.pinned:
            return super().indexAt(QPoint(at.x() - self.header().offset(), at.y()))
        return super().indexAt(at)

    def scrollTo(
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        """Bring a cell into view, from below the names too; a name needs no scrolling sideways."""
        bar = self.horizontalScrollBar()
        before = bar.value()
        super().scrollTo(index, hint)
        if index.column() == 0:
            bar.setValue(before)
        elif (hidden := self.pinned - self.visualRect(index).left()) > 0:
            bar.setValue(bar.value() - hidden)

    # --- what is where -----------------------------------------------------------------------------------------------
    def visible_rows(self) -> list[Row]:
        """Rows in the order in which they stand, those of folded groups left out."""
        out: list[Row] = []

        def below(row: Row) -> None:
            for each in row.shown:
                out.append(each)
                if each.shown and each.id not in self.folded:
                    below(each)

        below(self.lights.rows.root)
        return out

    def visible_columns(self) -> list[str]:
        """Columns from left to right."""
        header = self.header()
        return [self.lights.columns[header.logicalIndex(place)] for place in range(header.count())]

    def row_below(self, at: QPoint) -> Row | None:
        """The row at a height of the viewport, the nearest beyond its ends."""
        y = min(max(at.y(), 0), self.viewport().height() - 1)
        index = self.indexAt(QPoint(max(self.name_x(), 0) + 2, y))
        return self.lights.row_at(index) if index.isValid() else None

    def name_x(self) -> int:
        """Where the column of names begins."""
        return 0 if self.pinned else self.columnViewportPosition(0)

    def column_below(self, at: QPoint) -> str:
        """The column at a place of the viewport, "" for none."""
        number = 0 if 0 <= at.x() < self.pinned else self.columnAt(at.x())
        return self.lights.columns[number] if 0 <= number < len(self.lights.columns) else ""

    def cell_at(self, at: QPoint) -> tuple[Row, str] | None:
        """The cell at a place of the viewport."""
        index = self.indexAt(at)
        if not index.isValid():
            return None
        return self.lights.row_at(index), self.lights.columns[index.column()]

    # --- selection ---------------------------------------------------------------------------------------------------
    def _gather(self, *_: object) -> None:
        """Note which cells are selected, from the ranges: asking for every index would be slow. A range over cells of
        lights passes over the groups between them."""
        cells: dict[int, set[int]] = {}
        selection = self.selectionModel().selection()
        for part in (selection.at(n) for n in range(selection.count())):
            above = self.lights.row_at(part.parent())
            numbers = range(part.left(), part.right() + 1)
            for row in above.shown[part.top() : part.bottom() + 1]:
                cells.setdefault(row.number, set()).update(numbers)
        whole, kinds = len(self.lights.columns), self.lights.rows.by_number
        if any(len(chosen) < whole and kinds[number].kind != GROUP for number, chosen in cells.items()):
            cells = {n: c for n, c in cells.items() if len(c) == whole or kinds[n].kind != GROUP}
        self.cells = cells
        self.viewport().update()

    def rows_of_cells(self) -> list[Row]:
        """Rows with selected cells, in the order in which they stand."""
        return [row for row in self.lights.rows.walk() if row.number in self.cells]

    def select_rows(self, ids: set[Id]) -> None:
        """Select whole rows, and nothing else."""
        selection = QItemSelection()
        last = len(self.lights.columns) - 1
        for above in (self.lights.rows.root, *self.lights.rows.walk()):
            places = [row.place for row in above.shown if row.id in ids]
            for first, final in _runs(places):
                a, b = above.shown[first], above.shown[final]
                selection.select(self.lights.index_of(a), self.lights.createIndex(final, last, b.number))
        self.selectionModel().select(selection, _FLAGS.ClearAndSelect)

    def selectionCommand(self, index: Index, event: QEvent | None = None) -> QItemSelectionModel.SelectionFlag:
        """A name stands for its row."""
        command = super().selectionCommand(index, event)
        if isinstance(event, QKeyEvent):
            self.by_rows = index.isValid() and index.column() == 0
        return command | _FLAGS.Rows if self.by_rows else command

    def targets(self, row: Row, name: str) -> dict[str, list[Row]]:
        """Which cells an edit of one means, by column: see the module."""
        if name not in self.lights.columns:
            return {name: [row]}
        number, cells = self.lights.columns.index(name), self.cells
        if number not in cells.get(row.number, ()):
            return {name: [row]}
        out: dict[str, list[Row]] = {name: []}
        whole, mine = len(self.lights.columns), column(name)
        for each in self.lights.rows.walk():
            chosen = cells.get(each.number)
            if not chosen or (each.kind == GROUP) != (row.kind == GROUP):
                continue
            if number in chosen:
                out[name].append(each)
            if len(chosen) < whole:
                for other in chosen:
                    if other != number and column(self.lights.columns[other]).alike(mine):
                        out.setdefault(self.lights.columns[other], []).append(each)
        return out

    def _mark_sorted(self) -> None:
        """Put the sign of sorting where its column stands now."""
        name, falling = self.lights.sorted_by or ("", False)
        number = self.lights.columns.index(name) if name in self.lights.columns else -1
        order = Qt.SortOrder.DescendingOrder if falling else Qt.SortOrder.AscendingOrder
        self.header().setSortIndicator(number, order)

    # --- laid out anew -----------------------------------------------------------------------------------------------
    def _keep(self) -> None:
        """Remember what a reset of the model forgets."""
        self.following = True
        current = self.currentIndex()
        at = (self.lights.row_at(current).id, self.lights.columns[current.column()]) if current.isValid() else ("", "")
        names = self.lights.columns
        numbers = self.lights.rows.by_number
        cells = {
            numbers[n].id: {names[c] for c in chosen} if len(chosen) < len(names) else _WHOLE
            for n, chosen in self.cells.items()
            if n in numbers
        }
        self._kept = (self.verticalScrollBar().value(), self.horizontalScrollBar().value(), at, cells)

    def restore(self) -> None:
        """Open what was open, select what was selected, scroll to where it was."""
        self.following = True
        down, right, (id_, name), cells = self._kept
        for row in self.lights.rows.walk():
            if row.shown and row.id not in self.folded:
                self.setExpanded(self.lights.index_of(row), True)
        self.fit()
        self._mark_sorted()
        selection = QItemSelection()
        for each, names in cells.items():
            for cell in self.lights.columns if names is _WHOLE else names:
                index = self.lights.cell_index(each, cell)
                if index.isValid():
                    selection.select(index, index)
        self.selectionModel().select(selection, _FLAGS.ClearAndSelect)
        current = self.lights.cell_index(id_, name)
        if current.isValid():
            self.selectionModel().setCurrentIndex(current, _FLAGS.NoUpdate)
        self._gather()
        self.verticalScrollBar().setValue(down)
        self.horizontalScrollBar().setValue(right)
        self.following = False

    def dataChanged(self, first: Index, last: Index, roles: Any = ()) -> None:
        """Rows stay as high as they are, so all there is to do is to draw: Qt would look for each of them first."""
        if self.state() == QAbstractItemView.State.EditingState:
            super().dataChanged(first, last, roles)
        else:
            self.viewport().update()


def _runs(places: list[int]) -> list[tuple[int, int]]:
    """Consecutive places as first and last, so that 300 selected rows are one range."""
    out: list[tuple[int, int]] = []
    for at in places:
        if out and out[-1][1] == at - 1:
            out[-1] = (out[-1][0], at)
        else:
            out.append((at, at))
    return out
