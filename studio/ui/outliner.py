"""The outliner: the tree of the scene, with search, switches, drag to reparent, and the selection."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QModelIndex, QPoint, QSortFilterProxyModel, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLineEdit, QTreeView, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.entities import Id
from studio.scene.schema import Touches
from studio.ui import theme
from studio.ui.i18n import say, translated
from studio.ui.material_drop import OutlinerDrop
from studio.ui.outliner_model import LOCKED, NAME, VISIBLE, OutlinerModel
from studio.ui.panel import Desk, panel


class OutlinerTree(QTreeView):
    """The tree; a press on a switch turns it and selects nothing."""

    def __init__(self, studio: Studio, model: OutlinerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("outliner-tree")
        self._studio = studio
        self._source = model
        self.filter = QSortFilterProxyModel(self)
        self.filter.setSourceModel(model)
        self.filter.setRecursiveFilteringEnabled(True)
        self.filter.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setModel(self.filter)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDropIndicatorShown(True)
        self.setUniformRowHeights(True)
        self.setAutoExpandDelay(500)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column in (VISIBLE, LOCKED):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, theme.size(26))
        header.setMinimumSectionSize(theme.size(20))

    def id_at(self, index: QModelIndex) -> Id:
        """The entity of an index of the view."""
        return self._source.id_of(self.filter.mapToSource(index))

    def index_of(self, id_: Id) -> QModelIndex:
        """The view's index of an entity."""
        return self.filter.mapFromSource(self._source.index_of(id_))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Switches are turned on the press."""
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid() and index.column() in (VISIBLE, LOCKED):
            self._source.toggle(self.filter.mapToSource(index), self._studio.selection)
            event.accept()
            return
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A second press on a switch turns it back."""
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and index.column() in (VISIBLE, LOCKED):
            self.mousePressEvent(event)
            return
        super().mouseDoubleClickEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space turns visibility of what is selected; everything else is the tree's."""
        index = self.currentIndex()
        if event.key() == Qt.Key.Key_Space and index.isValid():
            row = index.siblingAtColumn(VISIBLE)
            self._source.toggle(self.filter.mapToSource(row), self._studio.selection)
            return
        super().keyPressEvent(event)


@panel("outliner", N_("Outliner"), "left", "outliner")
class Outliner(QWidget):
    """The tree and its search field."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("outliner")
        self._studio, self._desk = studio, desk
        self.model = OutlinerModel(studio, self)
        self.tree = OutlinerTree(studio, self.model)
        say(self.tree.setAccessibleName, N_("Outliner"))
        self.material_drop = OutlinerDrop(studio, self.tree)
        self.search = QLineEdit()
        self.search.setObjectName("outliner-search")
        self.search.setClearButtonEnabled(True)
        say(self.search.setPlaceholderText, N_("Search"))
        say(self.search.setAccessibleName, N_("Search"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        bar = QVBoxLayout()
        bar.setContentsMargins(theme.size(6), theme.size(6), theme.size(6), theme.size(4))
        bar.addWidget(self.search)
        layout.addLayout(bar)
        layout.addWidget(self.tree, 1)
        self._following = False
        self.search.textChanged.connect(self._search)
        self.tree.selectionModel().selectionChanged.connect(self._selected)
        self.tree.customContextMenuRequested.connect(self._menu)
        self._forget = studio.watch(self._heard)
        self._follow()
        translated(self._relabel)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def _relabel(self) -> None:
        self.model.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, 2)

    def _heard(self, update: Update) -> None:
        if "frame" in update.parts and self.model.moves:
            self.tree.viewport().update()
        if update.change is None:
            return
        self._following = True
        try:
            self.model.heard(update.change)
        finally:
            self._following = False
        if update.change.selected or update.change.touches & Touches.HIERARCHY:
            self._follow()

    def _search(self, text: str) -> None:
        self._following = True  # what is hidden stays selected
        try:
            self.tree.filter.setFilterFixedString(text.strip())
        finally:
            self._following = False
        if text.strip():
            self.tree.expandAll()
        self._follow()

    # --- selection ---------------------------------------------------------------------------------------------------
    def _selected(self, chosen: QItemSelection, dropped: QItemSelection) -> None:
        """The tree's selection becomes the document's; what the search hides stays selected."""
        if self._following:
            return
        shown = [self.tree.id_at(index) for index in self.tree.selectionModel().selectedRows()]
        current = self.tree.id_at(self.tree.currentIndex())
        if current in shown:  # what was clicked last is the active one
            shown = [*(id_ for id_ in shown if id_ != current), current]
        self._studio.select(shown)

    def _follow(self) -> None:
        """The document's selection becomes the tree's."""
        wanted = [id_ for id_ in self._studio.selection if id_ in self._studio.scene.entities]
        shown = {self.tree.id_at(index) for index in self.tree.selectionModel().selectedRows()}
        if set(wanted) == shown:
            return
        self._following = True
        try:
            selection = QItemSelection()
            indexes = [index for id_ in wanted if (index := self.tree.index_of(id_)).isValid()]
            for index in indexes:
                selection.select(index, index.siblingAtColumn(LOCKED))
            flags = QItemSelectionModel.SelectionFlag
            self.tree.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)
            if indexes:
                self.tree.selectionModel().setCurrentIndex(indexes[-1], flags.NoUpdate)
                self.tree.scrollTo(indexes[-1])
        finally:
            self._following = False

    def _menu(self, at: QPoint) -> None:
        index = self.tree.indexAt(at)
        if index.isValid() and self.tree.id_at(index) not in self._studio.selection:
            self._studio.select([self.tree.id_at(index)])
        self._desk.context_menu("outliner", self.tree).popup(self.tree.viewport().mapToGlobal(at))

    def changeEvent(self, event: QEvent) -> None:
        """Column widths follow the interface's scale."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and hasattr(self, "tree"):
            for column in (VISIBLE, LOCKED):
                self.tree.header().resizeSection(column, theme.size(26))
