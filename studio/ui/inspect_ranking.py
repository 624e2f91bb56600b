"""The lights of a place of the picture as a table: their share, what they bring in nits, and how far below all."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from studio.commands.registry import N_
from studio.render.lightmix_session import Ranked
from studio.ui import theme
from studio.ui.i18n import say, tr
from studio.ui.mixer_list import paint_share
from studio.ui.number_edit import shown

Index = QModelIndex | QPersistentModelIndex
_COLUMNS = (N_("Light"), N_("Share"), N_("Nits"), N_("Stops below"))
_NAME, _SHARE, _NITS, _STOPS = range(4)
_ROOT = QModelIndex()


class RankModel(QAbstractTableModel):
    """Lights of a place, the brightest first."""

    def __init__(self) -> None:
        super().__init__()
        self.ranks: list[Ranked] = []

    def show(self, ranks: list[Ranked]) -> None:
        """Take a ranking."""
        same = [r.channel for r in ranks] == [r.channel for r in self.ranks]
        if not same:
            self.beginResetModel()
        self.ranks = ranks
        if not same:
            self.endResetModel()
        elif ranks:
            self.dataChanged.emit(self.index(0, 0), self.index(len(ranks) - 1, _STOPS))

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many lights reach the place."""
        return 0 if parent.isValid() else len(self.ranks)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """Four."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, side: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What the columns are."""
        if side == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(_COLUMNS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole and section in (_NITS, _STOPS):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names and numbers."""
        if not index.isValid():
            return None
        rank, column = self.ranks[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return {
                _NAME: rank.channel.name,
                _SHARE: f"{100 * rank.share:.1f} %",
                _NITS: shown(rank.nits),
                _STOPS: f"{rank.stops:+.1f}",
            }[column]
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (_NITS, _STOPS):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole and column == _NAME:
            return rank.channel.name
        return None


class _ShareDelegate(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        if index.column() != _SHARE:
            super().paint(painter, option, index)
            return
        self.initStyleOption(option, index)
        text, option.text = option.text, ""
        option.widget.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        model = index.model()
        assert isinstance(model, RankModel)
        painter.save()
        paint_share(painter, QRectF(option.rect), model.ranks[index.row()].share, text)
        painter.restore()


class RankList(QTableView):
    """The ranking. `hovered` tells the light under the pointer, "" for none."""

    hovered = Signal(str)

    def __init__(self, model: RankModel) -> None:
        super().__init__()
        self.ranking = model
        self.setObjectName("inspect-ranking")
        say(self.setAccessibleName, N_("Lights of this place"))
        self.setModel(model)
        self.setItemDelegate(_ShareDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.verticalHeader().hide()
        self.horizontalHeader().setHighlightSections(False)
        self.entered.connect(lambda index: self.hovered.emit(model.ranks[index.row()].channel.id))
        theme.signals().changed.connect(self.fit)
        self.fit()

    def fit(self) -> None:
        """Sizes at the interface's scale."""
        self.verticalHeader().setDefaultSectionSize(theme.size(20))
        header = self.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in ((_SHARE, 100), (_NITS, 64), (_STOPS, 92)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, theme.size(width))

    def leaveEvent(self, event: QEvent) -> None:
        """No light is under the pointer."""
        self.hovered.emit("")
        super().leaveEvent(event)

    def picked(self) -> list[Ranked]:
        """The selected lights."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self.ranking.ranks[row] for row in rows if row < len(self.ranking.ranks)]
