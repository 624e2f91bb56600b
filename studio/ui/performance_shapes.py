"""The table of shapes: how each comes, how the figure wears it, and by what it is taken over.

There is a row for each of the 52. Its name stands on a meter of what comes (the thin line) and what the figure wears of
it (the bar); then follow gain, deadzone and curve, and the shape that it drives. What is typed counts for all rows that
are selected, `*=1.2` and `+=0.1` included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from PySide6.QtCore import QAbstractItemModel, QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from studio.commands.registry import N_
from studio.figure.capture.retarget import Channel, Profile, Remap
from studio.scene.arkit import ARKIT
from studio.ui import theme
from studio.ui.expression_rows import rows_of, spoken
from studio.ui.expressions import understand
from studio.ui.i18n import say, tr
from studio.ui.number_edit import shown

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
COLUMNS = (N_("Shape"), N_("Gain"), N_("Dead"), N_("Curve"), "→")
_TIPS = (
    N_("Thin line: what comes. Bar: what the figure wears of it"),
    N_("What it is multiplied by"),
    N_("Deadzone: what is smaller is left out"),
    N_("Exponent: above 1 small movements become smaller"),
    N_("The shape that it drives; double click to choose another"),
)
_FIELDS = {1: "gain", 2: "deadzone", 3: "curve"}
_REST = {"gain": 1.0, "deadzone": 0.0, "curve": 1.0}
_METER, _DRIVES = 0, 4
_ROW = 21


class ChannelModel(QAbstractTableModel):
    """The shapes with their settings. `change` puts another profile in force."""

    def __init__(self, parent: QWidget, change: Callable[[Callable[[Profile], Profile]], None]) -> None:
        super().__init__(parent)
        self.names: tuple[str, ...] = ARKIT
        self.profile: Profile | None = None
        self.raw: dict[str, float] = {}
        self.worn: dict[str, float] = {}
        self._change = change
        self.search("")

    def search(self, text: str) -> None:
        """Show the shapes that are searched for."""
        found = tuple(name for row in rows_of(ARKIT, search=text) if not row.header for name in row.names)
        if found != self.names:
            self.beginResetModel()
            self.names = found
            self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.names)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(COLUMNS[section])
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return tr(_TIPS[section])
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        editable = index.column() != _METER and self.profile is not None
        return flags | Qt.ItemFlag.ItemIsEditable if editable else flags

    def value(self, name: str, field: str) -> float:
        """A setting of a shape."""
        channel = self.profile.channels.get(name) if self.profile is not None else None
        return float(getattr(channel or Channel(), field))

    def target(self, name: str) -> str:
        """The shape that a shape drives."""
        remaps = self.profile.remaps if self.profile is not None else ()
        return next((remap.target for remap in remaps if remap.source == name), name)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        name, column = self.names[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole, Qt.ItemDataRole.AccessibleTextRole):
            if column == _METER:
                target = self.target(name)
                return spoken(name) if target == name else f"{spoken(name)} → {spoken(target)}"
            if column == _DRIVES:
                target = self.target(name)
                if role == Qt.ItemDataRole.AccessibleTextRole:
                    return tr("drives {shape}", shape=spoken(target))
                return target if role == Qt.ItemDataRole.EditRole else "→"
            return shown(self.value(name, _FIELDS[column]))
        if role == Qt.ItemDataRole.ForegroundRole:
            if column in _FIELDS:
                same = self.value(name, _FIELDS[column]) == _REST[_FIELDS[column]]
                return theme.color("dim" if same else "accent")
            driven = self.target(name) != name
            return theme.color("accent" if driven else "disabled" if column == _DRIVES else "text")
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _FIELDS:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return name
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        view = self.parent()
        assert isinstance(view, ChannelTable)
        rows = {found.row() for found in view.selectionModel().selectedIndexes() if found.column() == index.column()}
        names = [self.names[row] for row in sorted(rows | {index.row()})]
        if index.column() == _DRIVES:
            self._change(lambda profile: _driven(profile, names, str(value)))
        else:
            self._change(lambda profile: self._set(profile, names, _FIELDS[index.column()], str(value)))
        return True

    def _set(self, profile: Profile, names: list[str], field: str, text: str) -> Profile:
        entry = understand(text)
        channels = dict(profile.channels)
        for name in names:
            channel = channels.get(name) or Channel()
            channel = msgspec.structs.replace(channel, **{field: entry.new(float(getattr(channel, field)))})
            channels.pop(name, None)
            if channel != Channel():
                channels[name] = channel
        return msgspec.structs.replace(profile, channels=channels)


def _driven(profile: Profile, names: list[str], target: str) -> Profile:
    """A profile with shapes that drive another one. One that is driven by itself needs no remap."""
    kept = tuple(remap for remap in profile.remaps if remap.source not in names)
    new = tuple(Remap(source=name, target=target) for name in names if name != target)
    return msgspec.structs.replace(profile, remaps=(*kept, *new))


class _Cells(QStyledItemDelegate):
    """Paints meters, and offers shapes as a list."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        if index.column() != _METER:
            super().paint(painter, option, index)
            return
        model = index.model()
        assert isinstance(model, ChannelModel)
        name = model.names[index.row()]
        rect = QRectF(option.rect).adjusted(theme.size(4), 1.5, -theme.size(2), -1.5)
        painter.fillRect(rect, theme.color("window"))
        worn = min(max(model.worn.get(name, 0.0), 0.0), 1.0)
        raw = min(max(model.raw.get(name, 0.0), 0.0), 1.0)
        painter.fillRect(QRectF(rect.left(), rect.top(), rect.width() * worn, rect.height()), theme.color("accent_dim"))
        if raw > 0.004 or worn > 0.004:
            x = rect.left() + (rect.width() - 2) * raw
            painter.fillRect(QRectF(x, rect.top(), 2, rect.height()), theme.color("info"))
        text = rect.adjusted(theme.size(5), 0, -theme.size(3), 0)
        driven = model.target(name) != name
        painter.setPen(theme.color("accent" if driven and worn < 0.3 else "strong" if worn > 0.02 else "text"))
        told = painter.fontMetrics().elidedText(index.data(), Qt.TextElideMode.ElideMiddle, int(text.width()))
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, told)

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        if index.column() != _DRIVES:
            made = QLineEdit(parent)
            made.setObjectName("performance.channel_value")
            made.setAccessibleName(tr("Value of the shape"))
            return made
        menu = QComboBox(parent)
        menu.setMinimumWidth(theme.size(150))
        menu.setObjectName("performance.channel_drives")
        menu.setAccessibleName(tr("Shape that it drives"))
        model = index.model()
        assert isinstance(model, ChannelModel)
        own = model.names[index.row()]
        menu.addItem(tr("Itself"), own)
        for name in ARKIT:
            if name != own:
                menu.addItem(spoken(name), name)
        return menu

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        if isinstance(editor, QComboBox):
            editor.setCurrentIndex(editor.findData(index.data(Qt.ItemDataRole.EditRole)))
        else:
            super().setEditorData(editor, index)

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentData())
        elif isinstance(editor, QLineEdit) and editor.isModified():
            model.setData(index, editor.text())


class ChannelTable(QTableView):
    """The table."""

    def __init__(self, change: Callable[[Callable[[Profile], Profile]], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("performance.channels")
        say(self.setAccessibleName, N_("Shapes as they come and as they are worn"))
        self.channels = ChannelModel(self, change)
        self.setModel(self.channels)
        self.setItemDelegate(_Cells(self))
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.AnyKeyPressed
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.size(_ROW))
        header = self.horizontalHeader()
        header.setMinimumSectionSize(theme.size(24))
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column, width in ((1, 38), (2, 42), (3, 48), (_DRIVES, 24)):
            self.setColumnWidth(column, theme.size(width))
        header.setSectionResizeMode(_METER, QHeaderView.ResizeMode.Stretch)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)

    def show_values(self, raw: dict[str, float], worn: dict[str, float]) -> None:
        """Show what comes and what is worn of it just now."""
        if raw != self.channels.raw or worn != self.channels.worn:
            self.channels.raw, self.channels.worn = raw, worn
            x, width = self.columnViewportPosition(_METER), self.columnWidth(_METER)
            self.viewport().update(x, 0, width, self.viewport().height())
