"""The library's grid and list: tiles that are painted here, in one pass, from pixmaps that are ready.

A tile is a picture with a name below it; a row has the picture, the name and what is known of the asset side by side.
"""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QDrag, QFontMetrics, QPainter, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.assets.library_index import Asset
from studio.commands.registry import N_
from studio.ui import theme
from studio.ui.i18n import say, tr
from studio.ui.library_model import ASSET, KIND_TITLES, LibraryModel, ThumbnailShelf, kind_icon, size_text, stars

SMALLEST, LARGEST, USUAL = 48, 256, 80  # sides of pictures, in units of the interface
_ROW = 34
_SETTLE_MS = 25  # after scrolling, before thumbnails of what is seen are asked for
_AHEAD = 1.0  # screens below and above what is seen


class TileDelegate(QStyledItemDelegate):
    """Paints tiles and rows."""

    def __init__(self, shelf: ThumbnailShelf, parent: QWidget) -> None:
        super().__init__(parent)
        self._shelf = shelf
        self.side = USUAL
        self.rows = False
        self._elided: dict[tuple[str, int], str] = {}
        theme.signals().changed.connect(self._elided.clear)

    def cell(self) -> QSize:
        """Logical pixels of a tile or row."""
        if self.rows:
            return QSize(theme.size(240), theme.size(_ROW))
        side = theme.size(self.side)
        return QSize(side + theme.size(10), side + theme.size(26))

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return self.cell()

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        asset = index.data(ASSET)
        if not isinstance(asset, Asset):
            return
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        if chosen or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("selection" if chosen else "row_hover"))
            painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 3, 3)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(theme.color("accent_dim"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect.adjusted(1, 1, -2, -2), 3, 3)
        if self.rows:
            self._row(painter, rect, asset, chosen)
        else:
            self._tile(painter, rect, asset, chosen)

    def _tile(self, painter: QPainter, rect: QRect, asset: Asset, chosen: bool) -> None:
        side, pad = theme.size(self.side), theme.size(5)
        box = QRect(rect.left() + (rect.width() - side) // 2, rect.top() + pad, side, side)
        self._picture(painter, box, asset)
        if asset.favourite:
            sign = theme.size(14)
            theme.icon("favourite-on", "accent").paint(
                painter, QRect(box.right() - sign - 2, box.top() + 3, sign, sign)
            )
        metrics = painter.fontMetrics()
        painter.setPen(theme.color("selection_text" if chosen else "text"))
        line = QRect(rect.left() + pad, box.bottom() + 2, rect.width() - 2 * pad, rect.bottom() - box.bottom() - 2)
        text = self._shortened(asset.name, line.width(), metrics)
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextSingleLine, text)

    def _row(self, painter: QPainter, rect: QRect, asset: Asset, chosen: bool) -> None:
        pad = theme.size(4)
        side = rect.height() - 2 * 2
        self._picture(painter, QRect(rect.left() + pad, rect.top() + 2, side, side), asset)
        metrics = painter.fontMetrics()
        left = rect.left() + side + 3 * pad
        name = QRect(left, rect.top(), max(40, int((rect.right() - left) * 0.46)), rect.height())
        ink, dim = theme.color("selection_text" if chosen else "text"), theme.color("dim")
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextSingleLine
        if asset.favourite:
            sign = theme.size(13)
            theme.icon("favourite-on", "accent").paint(
                painter, QRect(name.left(), name.center().y() - sign // 2, sign, sign)
            )
            name.setLeft(name.left() + sign + pad)
        painter.setPen(ink)
        painter.drawText(name, align, self._shortened(asset.name, name.width(), metrics))
        rest = QRect(name.right() + pad, rect.top(), rect.right() - name.right() - 2 * pad, rect.height())
        told = [tr(KIND_TITLES[asset.kind]), size_text(asset.size), stars(asset.rating), " · ".join(asset.tags)]
        painter.setPen(ink if chosen else dim)
        text = "   ".join(filter(None, told))
        painter.drawText(rest, align, self._shortened(text, rest.width(), metrics))

    def _picture(self, painter: QPainter, box: QRect, asset: Asset) -> None:
        pixmap = self._shelf.pixmap(asset)
        if pixmap is None:
            broken = self._shelf.broken(asset)
            painter.fillRect(box, theme.color("stripe"))
            side = min(box.width(), theme.size(40)) * 2 // 3
            where = QRect(0, 0, side, side)
            where.moveCenter(box.center())
            icon = theme.icon("broken", "warning") if broken else kind_icon(asset.kind, "disabled")
            icon.paint(painter, where)
            return
        size = pixmap.deviceIndependentSize().toSize()
        if size.width() > box.width() or size.height() > box.height() or max(size.width(), size.height()) < box.width():
            size.scale(box.size(), Qt.AspectRatioMode.KeepAspectRatio)
        where = QRect(QPoint(0, 0), size)
        where.moveCenter(box.center())
        painter.drawPixmap(where, pixmap)

    def _shortened(self, text: str, width: int, metrics: QFontMetrics) -> str:
        key = (text, width)
        found = self._elided.get(key)
        if found is None:
            if len(self._elided) > 20_000:
                self._elided.clear()
            found = self._elided[key] = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, width)
        return found


class LibraryGrid(QListView):
    """Tiles of assets, to be scrolled, selected and dragged away."""

    used = Signal(object)  # an asset that was double-clicked

    def __init__(self, model: LibraryModel, shelf: ThumbnailShelf, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("library-grid")
        say(self.setAccessibleName, N_("Assets"))
        self._assets, self._shelf = model, shelf
        self.tiles = TileDelegate(shelf, self)
        self.setModel(model)
        self.setItemDelegate(self.tiles)
        self.setUniformItemSizes(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setDragEnabled(True)
        self.setMouseTracking(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self.ask)
        self.verticalScrollBar().valueChanged.connect(lambda: self._settle.start())
        model.modelReset.connect(lambda: self._settle.start())
        self.doubleClicked.connect(lambda index: self.used.emit(model.asset(index)))
        theme.signals().changed.connect(self.fit)
        self.show_as(rows=False)

    def show_as(self, *, rows: bool) -> None:
        """Show rows, or tiles."""
        self.tiles.rows = rows
        self.setViewMode(QListView.ViewMode.ListMode if rows else QListView.ViewMode.IconMode)
        self.setWrapping(not rows)
        self.setMovement(QListView.Movement.Static)
        self.setDragEnabled(True)
        self.setFlow(QListView.Flow.TopToBottom if rows else QListView.Flow.LeftToRight)
        self.setSpacing(0)
        self.fit()

    def set_side(self, side: int) -> None:
        """Show pictures of another size."""
        self.tiles.side = min(max(side, SMALLEST), LARGEST)
        self.fit()

    def fit(self) -> None:
        """Take the size of the tiles, and have thumbnails in it."""
        cell = self.tiles.cell()
        self.setGridSize(QSize() if self.tiles.rows else cell)
        side = theme.size(_ROW) - 4 if self.tiles.rows else theme.size(self.tiles.side)
        self._shelf.resize(round(side * self.devicePixelRatioF()))
        self.scheduleDelayedItemsLayout()
        self._settle.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._settle.start()

    # --- thumbnails --------------------------------------------------------------------------------------------------
    def seen(self) -> range:
        """Rows that are on the screen."""
        count = len(self._assets.assets)
        area = self.viewport().rect()
        cell = self.tiles.cell()
        if not count or not area.isValid():
            return range(0)
        per_line = 1 if self.tiles.rows else max(1, (area.width() - 1) // cell.width())
        first = self.verticalScrollBar().value() // cell.height() * per_line
        lines = area.height() // cell.height() + 2
        return range(min(first, count), min(count, first + lines * per_line))

    def ask(self) -> None:
        """Ask for the thumbnails of what is seen, then for those around it."""
        assets, seen = self._assets.assets, self.seen()
        around = int(len(seen) * _AHEAD)
        below = range(seen.stop, min(len(assets), seen.stop + around))
        above = range(max(0, seen.start - around), seen.start)
        self._shelf.show([assets[row] for rows in (seen, below, reversed(above)) for row in rows])

    # --- dragging ----------------------------------------------------------------------------------------------------
    def chosen(self) -> list[Asset]:
        """The selected assets, in the order of the grid."""
        rows = sorted(index.row() for index in self.selectedIndexes())
        return [self._assets.assets[row] for row in rows if row < len(self._assets.assets)]

    def startDrag(self, actions: Qt.DropAction) -> None:
        indexes = sorted(self.selectedIndexes(), key=QModelIndex.row)
        if not indexes:
            return
        drag = QDrag(self)
        drag.setMimeData(self._assets.mimeData(indexes))
        first = self._assets.asset(indexes[0])
        pixmap = self._shelf.pixmap(first) if first is not None else None
        if pixmap is not None:
            drag.setPixmap(_faded(pixmap, theme.size(72)))
            drag.setHotSpot(QPoint(-theme.size(14), -theme.size(14)))
        drag.exec(Qt.DropAction.CopyAction)


def _faded(pixmap: QPixmap, side: int) -> QPixmap:
    """A small, half transparent copy, that lets what is below it be seen."""
    small = pixmap.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
    out = QPixmap(small.size())
    out.fill(Qt.GlobalColor.transparent)
    painter = QPainter(out)
    painter.setOpacity(0.7)
    painter.drawPixmap(0, 0, small)
    painter.end()
    return out
