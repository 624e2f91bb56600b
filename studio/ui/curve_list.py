"""The list beside the curves: entities, their fields, and the components of those, each with its switches.

A switch of an entity or a field turns those of all lines below it. What is selected in the list is active on the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeView, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene.schema import fields
from studio.ui import theme
from studio.ui.curve_drawing import HUE_COLOURS
from studio.ui.curve_lines import Key, Line
from studio.ui.curve_state import CurveState
from studio.ui.i18n import say, tr

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
NAME, ISOLATE, SHOWN, LOCK = range(4)
_ICONS = {ISOLATE: ("solo", "solo"), SHOWN: ("visible", "hidden"), LOCK: ("locked", "unlocked")}
_LABELS = {ISOLATE: N_("Isolate curve"), SHOWN: N_("Show curve"), LOCK: N_("Lock curve")}
_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable


@dataclass(slots=True)
class _Node:
    text: str
    parent: int  # -1: none
    row: int
    lines: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    hue: int = -1


class CurveModel(QAbstractItemModel):
    """Lines of a state as a tree; only those that fit a text."""

    switched = Signal()  # what is hidden, locked or isolated is other

    def __init__(self, studio: Studio, state: CurveState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio, self._state = studio, state
        self._nodes: list[_Node] = []
        self._tops: list[int] = []
        self._text = ""
        self.relist()

    # --- building ----------------------------------------------------------------------------------------------------
    def relist(self, text: str | None = None) -> None:
        """Take the state's lines anew; `text` is what names must hold."""
        self._text = self._text if text is None else text.strip().lower()
        self.beginResetModel()
        self._nodes, self._tops = [], []
        known: dict[tuple[str, ...], int] = {}
        for number, line in enumerate(self._state.lines):
            names = self._names(line)
            if self._text and not any(self._text in name.lower() for name in names):
                continue
            above = -1
            for depth in range(len(names)):
                path = (line.id, line.field, line.axis)[: depth + 1]
                node = known.get(path, -1)
                if node < 0:
                    node = known[path] = self._add(names[depth], above)
                self._nodes[node].lines.append(number)
                above = node
            self._nodes[above].hue = line.hue
        self.endResetModel()

    def _add(self, text: str, parent: int) -> int:
        among = self._nodes[parent].children if parent >= 0 else self._tops
        self._nodes.append(_Node(text, parent, len(among)))
        among.append(len(self._nodes) - 1)
        return len(self._nodes) - 1

    def _names(self, line: Line) -> tuple[str, ...]:
        scene = self._studio.scene
        record = scene.entities.get(line.id) or scene.materials.get(line.id)
        name = (record.name or line.id) if record is not None else line.id
        info = fields(type(record)).get(line.field) if record is not None else None
        label = tr(info.label) if info is not None else line.field
        return (name, label, line.axis) if line.axis else (name, label)

    # --- Qt's questions ----------------------------------------------------------------------------------------------
    def _node(self, index: Index) -> _Node:
        return self._nodes[int(index.internalId())]

    def index(self, row: int, column: int, parent: Index = _ROOT) -> QModelIndex:
        """The index of a row below another."""
        among = self._node(parent).children if parent.isValid() else self._tops
        if not 0 <= row < len(among) or not 0 <= column < 4 or (parent.isValid() and parent.column() > 0):
            return QModelIndex()
        return self.createIndex(row, column, among[row])

    def parent(self, index: Index = _ROOT) -> QModelIndex:  # type: ignore[override]
        """What a row stands below."""
        above = self._node(index).parent if index.isValid() else -1
        return self.createIndex(self._nodes[above].row, 0, above) if above >= 0 else QModelIndex()

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many rows stand below."""
        if not parent.isValid():
            return len(self._tops)
        return len(self._node(parent).children) if parent.column() == 0 else 0

    def columnCount(self, parent: Index = _ROOT) -> int:
        """The name and three switches."""
        return 4

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Rows can be selected; switches are clicked."""
        return _FLAGS if index.isValid() else Qt.ItemFlag.NoItemFlags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names and switches."""
        if not index.isValid():
            return None
        node, column = self._node(index), index.column()
        if column == NAME:
            if role == Qt.ItemDataRole.DisplayRole:
                return node.text
            if role == Qt.ItemDataRole.DecorationRole and node.hue >= 0:
                return _swatch(HUE_COLOURS[node.hue])
            if role == Qt.ItemDataRole.ForegroundRole and not any(self._state.shows(n) for n in node.lines):
                return theme.color("disabled")
            return None
        on = self.is_on(node.lines, column)
        if role == Qt.ItemDataRole.DecorationRole:
            usual = on == (column == SHOWN)
            return theme.icon(_ICONS[column][0 if on else 1], "disabled" if usual else "accent")
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            label = tr(_LABELS[column])
            return label if role == Qt.ItemDataRole.ToolTipRole else f"{label}: {tr('On') if on else tr('Off')}"
        return None

    # --- switches ----------------------------------------------------------------------------------------------------
    def _set(self, column: int) -> set[Key]:
        state = self._state
        return {ISOLATE: state.isolated, SHOWN: state.hidden, LOCK: state.locked}[column]

    def is_on(self, lines: list[int], column: int) -> bool:
        """Whether a switch is on for all of these lines."""
        found = self._set(column)
        keys = [self._state.lines[n].key for n in lines]
        return all((key not in found) if column == SHOWN else (key in found) for key in keys)

    def switch(self, index: Index) -> None:
        """Turn a switch over, for every line below its row."""
        node, column = self._node(index), index.column()
        keys = {self._state.lines[n].key for n in node.lines}
        off = self.is_on(node.lines, column)
        found = self._set(column)
        if off == (column == SHOWN):
            found |= keys
        else:
            found -= keys
        self.tell_switches()
        self.switched.emit()

    def tell_switches(self) -> None:
        """Switches may be others."""
        if self._tops:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._tops) - 1, 3))

    # --- lines and rows ----------------------------------------------------------------------------------------------
    def keys_of(self, index: Index) -> set[Key]:
        """Lines below a row."""
        return {self._state.lines[n].key for n in self._node(index).lines} if index.isValid() else set()

    def rows_of(self, keys: set[Key]) -> list[QModelIndex]:
        """Rows of lines, each the deepest that is this line alone."""
        out = []
        for number, node in enumerate(self._nodes):
            if node.hue >= 0 and len(node.lines) == 1 and self._state.lines[node.lines[0]].key in keys:
                out.append(self.createIndex(node.row, 0, number))
        return out


def _swatch(colour: str) -> QPixmap:
    side = theme.size(10)
    out = QPixmap(side, side)
    out.fill(Qt.GlobalColor.transparent)
    painter = QPainter(out)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colour))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawRoundedRect(1, 1, side - 2, side - 2, 2, 2)
    painter.end()
    return out


class CurveList(QTreeView):
    """The tree; a press on a switch turns it, the selection makes lines active."""

    chosen = Signal()

    def __init__(self, model: CurveModel, state: CurveState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("curve-list")
        self._curves, self._state = model, state
        self._following = False
        self.setModel(model)
        self.setHeaderHidden(True)
        self.setUniformRowHeights(True)
        self.setExpandsOnDoubleClick(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        say(self.setAccessibleName, N_("Curves of the selection"))
        self.selectionModel().selectionChanged.connect(self._selected)
        model.modelReset.connect(self.opened)
        self.fit()
        self.opened()

    def fit(self) -> None:
        """Sizes at the interface's scale."""
        self.setIndentation(theme.size(12))
        self.setIconSize(QSize(theme.size(13), theme.size(13)))
        header = self.header()
        header.setMinimumSectionSize(theme.size(20))
        header.setStretchLastSection(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column in (ISOLATE, SHOWN, LOCK):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, theme.size(21))

    def opened(self) -> None:
        """Everything open, but for long lists, of which only the entities are shown."""
        if len(self._state.lines) <= 60:
            self.expandAll()
        self.follow()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Switches are turned on the press and select nothing."""
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid() and index.column() != NAME:
            self._curves.switch(index)
            return
        super().mousePressEvent(event)

    def _selected(self, now: QItemSelection, before: QItemSelection) -> None:
        if self._following:
            return
        self._state.active.clear()
        for index in self.selectionModel().selectedRows():
            self._state.active |= self._curves.keys_of(index)
        self.chosen.emit()

    def follow(self) -> None:
        """What is active becomes the selection, if it is not it already."""
        now: set[Key] = set()
        for index in self.selectionModel().selectedRows():
            now |= self._curves.keys_of(index)
        if now == self._state.active:
            return
        self._following = True
        try:
            selection = QItemSelection()
            rows = self._curves.rows_of(self._state.active)
            for index in rows:
                selection.select(index, index)
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)
            if len(rows) == 1:
                self.scrollTo(rows[0])
        finally:
            self._following = False
