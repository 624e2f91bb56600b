"""The list of the mixer's strips: faders that are dragged, colours, switches and shares.

| hand | does |
|---|---|
| drag in the gain | changes it by the way; Shift finely, Ctrl in thirds of a stop; of all selected strips at once |
| double click, or digits, on a gain | typed: `-1.5`, `+=0.5` |
| press on a switch | turns it, of all selected strips |
| press on a colour | opens the picker |
| M, S, L | mute, solo, keep from the solver |
| + and - | a third of a stop |
| Backspace | neutral |
"""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QPoint,
    QRect,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from studio.commands.registry import N_
from studio.errors import UsageError
from studio.scene.entities import Id
from studio.ui import theme
from studio.ui.color_edit import Color, ColorEdit, seen
from studio.ui.expressions import understand
from studio.ui.i18n import say
from studio.ui.mixer_model import COLOUR, GAIN, ICONS, LOCK, MUTE, NAME, SHARE, SOLO, Index, MixModel, Row, tokens
from studio.ui.qt_events import claimed

REACH_STOPS = 6.0  # from the middle of a fader to its ends
_WIDTHS = {MUTE: 23, SOLO: 23, LOCK: 23, GAIN: 122, COLOUR: 54, SHARE: 84}
_INDENT = 12
_THIRD = 1.0 / 3.0


class StripDelegate(QStyledItemDelegate):
    """Paints faders, swatches, switches and shares."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """A cell."""
        self.initStyleOption(option, index)
        table = self.parent()
        assert isinstance(table, MixList)
        row, column = table.strips.rows[index.row()], index.column()
        text, option.text = option.text, ""
        style = option.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        if index.row() == table.hovered_row:
            painter.fillRect(option.rect, QColor(255, 255, 255, 18))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if column == NAME:
            self._name(painter, option.rect, row, text, dim=table.silent(row))
        elif column in ICONS:
            on = table.strips.is_on(row, column)
            side = theme.size(14)
            box = QRect(0, 0, side, side)
            box.moveCenter(option.rect.center())
            theme.icon(ICONS[column], "accent" if on else "disabled").paint(painter, box)
        elif column == GAIN:
            self._fader(painter, QRectF(option.rect), table.strips.session.mix.of(row.id).gain, text)
        elif column == COLOUR:
            edge = theme.size(4)
            painter.setPen(theme.color("border"))
            painter.setBrush(seen(table.strips.session.mix.of(row.id).color))
            painter.drawRoundedRect(QRectF(option.rect).adjusted(edge, edge, -edge, -edge), 2, 2)
        else:
            paint_share(painter, QRectF(option.rect), table.strips.share(row), text)
        painter.restore()

    def _name(self, painter: QPainter, rect: QRect, row: Row, text: str, *, dim: bool) -> None:
        left = rect.left() + theme.size(6 + _INDENT * row.depth)
        if row.group:
            side = theme.size(12)
            box = QRect(left - theme.size(2), rect.center().y() - side // 2, side, side)
            theme.icon("fold-closed" if row.folded else "fold-open", "dim").paint(painter, box)
            left += side
            font = painter.font()
            font.setBold(True)
            painter.setFont(font)
        elif row.depth:
            left += theme.size(_INDENT)
        room = rect.adjusted(left - rect.left(), 0, -theme.size(4), 0)
        painter.setPen(theme.color("disabled" if dim else "strong" if row.group else "text"))
        elided = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, elided)

    def _fader(self, painter: QPainter, rect: QRectF, gain: float, text: str) -> None:
        track, room = fader_track(rect), theme.size(40)
        middle = track.center().x()
        at = middle + max(min(gain / REACH_STOPS, 1.0), -1.0) * track.width() / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("line"))
        painter.drawRoundedRect(track.adjusted(0, track.height() / 2 - 2, 0, -track.height() / 2 + 2), 2, 2)
        painter.setBrush(theme.color("accent_dim"))
        painter.drawRect(QRectF(min(at, middle), track.center().y() - 2, abs(at - middle), 4))
        painter.setBrush(theme.color("dim"))
        painter.drawRect(QRectF(middle - 0.5, track.center().y() - 4, 1, 8))
        painter.setBrush(theme.color("accent" if gain else "text"))
        painter.drawRoundedRect(QRectF(at - 3, track.center().y() - 6, 6, 12), 2, 2)
        painter.setPen(theme.color("strong" if gain else "dim"))
        where = QRectF(rect.right() - room, rect.top(), room - theme.size(4), rect.height())
        painter.drawText(where, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """A line for a gain, a picker for a colour."""
        table = self.parent()
        assert isinstance(table, MixList)
        editor: QWidget
        if index.column() == COLOUR:
            editor = table.swatch(parent, table.strips.rows[index.row()])
        else:
            editor = QLineEdit(parent)
        editor.setObjectName("mixer-cell")
        say(editor.setAccessibleName, N_("Gain") if index.column() == GAIN else N_("Colour"))
        return editor

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Show the value."""
        value = index.data(Qt.ItemDataRole.EditRole)
        if isinstance(editor, ColorEdit):
            editor.set_color(value)
        elif isinstance(editor, QLineEdit) and not editor.isModified():
            editor.setText(f"{value:g}")
            editor.selectAll()

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Take what was typed."""
        table = self.parent()
        assert isinstance(table, MixList)
        if isinstance(editor, QLineEdit) and editor.isModified():
            table.type_gain(table.strips.rows[index.row()], editor.text())


def fader_track(rect: QRectF) -> QRectF:
    """Where a fader runs in its cell."""
    return rect.adjusted(theme.size(6), 0, -theme.size(44), 0)


def paint_share(painter: QPainter, rect: QRectF, share: float, text: str) -> None:
    """A share as a bar with its number. The bar grows by the root, so that small shares are seen."""
    room = theme.size(48)
    bar = rect.adjusted(theme.size(4), rect.height() / 2 - theme.size(3), -room, -(rect.height() / 2 - theme.size(3)))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color("line"))
    painter.drawRect(bar)
    painter.setBrush(theme.color("info"))
    painter.drawRect(QRectF(bar.left(), bar.top(), bar.width() * max(min(share, 1.0), 0.0) ** 0.5, bar.height()))
    painter.setPen(theme.color("text"))
    where = QRectF(rect.right() - room, rect.top(), room - theme.size(4), rect.height())
    painter.drawText(where, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)


class MixList(QTableView):
    """See the module. `chosen` tells strips that were selected by hand, `refused` a sentence."""

    chosen = Signal(object)  # tuple[Id, ...]
    refused = Signal(str)

    def __init__(self, model: MixModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("mixer-list")
        say(self.setAccessibleName, N_("Strips of the mixer"))
        self.strips = model
        self.hovered_row = -1
        self._following = False
        self._drag: tuple[QPoint, tuple[Row, ...], dict[Id, float], str] | None = None
        self.setModel(model)
        self.setItemDelegate(StripDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.setSortingEnabled(True)
        self.horizontalHeader().setSortIndicatorClearable(True)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.horizontalHeader().setHighlightSections(False)
        self.verticalHeader().hide()
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.selectionModel().selectionChanged.connect(self._selected)
        model.modelAboutToBeReset.connect(self._remember)
        model.modelReset.connect(self._recall)
        self._kept: set[Id] = set()
        theme.signals().changed.connect(self.fit)
        self.fit()

    def fit(self) -> None:
        """Sizes at the interface's scale."""
        self.verticalHeader().setDefaultSectionSize(theme.size(22))
        self.verticalHeader().setMinimumSectionSize(theme.size(18))
        header = self.horizontalHeader()
        header.setMinimumSectionSize(theme.size(20))
        header.setStretchLastSection(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in _WIDTHS.items():
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, theme.size(width))

    def silent(self, row: Row) -> bool:
        """Whether a strip brings nothing to the picture now."""
        return self.strips.share(row) == 0.0

    # --- selection ---------------------------------------------------------------------------------------------------
    def selected_rows(self) -> list[Row]:
        """The selected strips, from top to bottom."""
        found = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self.strips.rows[n] for n in found if n < len(self.strips.rows)]

    def _selected(self, now: QItemSelection, before: QItemSelection) -> None:
        if not self._following:
            self.chosen.emit(tuple(row.id for row in self.selected_rows()))

    def select(self, ids: set[Id]) -> None:
        """Show these strips as selected, without telling anybody."""
        if {row.id for row in self.selected_rows()} == ids & {row.id for row in self.strips.rows}:
            return
        self._following = True
        try:
            selection = QItemSelection()
            found = [n for n, row in enumerate(self.strips.rows) if row.id in ids]
            for n in found:
                selection.select(self.strips.index(n, 0), self.strips.index(n, SHARE))
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)
            if len(found) == 1:
                self.scrollTo(self.strips.index(found[0], 0))
        finally:
            self._following = False

    def _remember(self) -> None:
        self._kept = {row.id for row in self.selected_rows()}

    def _recall(self) -> None:
        self.select(self._kept)

    def hover(self, id_: Id) -> None:
        """Highlight the row of a strip; "" for none."""
        row = self.strips.row_of(id_) if id_ else -1
        if row != self.hovered_row:
            self.hovered_row = row
            self.viewport().update()

    def _meant(self, row: Row) -> tuple[Row, ...]:
        """The selected strips where the one under the hand is among them, else it alone."""
        chosen = self.selected_rows()
        return tuple(chosen) if any(each.id == row.id for each in chosen) else (row,)

    # --- the mouse ---------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Switches turn on the press, faders begin to move, groups fold."""
        index = self.indexAt(event.position().toPoint())
        if event.button() != Qt.MouseButton.LeftButton or not index.isValid():
            super().mousePressEvent(event)
            return
        row, column = self.strips.rows[index.row()], index.column()
        if column in ICONS:
            self.strips.switch(self._meant(row), column, on=not self.strips.is_on(row, column))
        elif column == GAIN and not event.modifiers() & Qt.KeyboardModifier.AltModifier:
            rows = self._meant(row)
            held = {each.id: self.strips.session.mix.of(each.id).gain for each in rows}
            self._drag = (event.position().toPoint(), rows, held, f"mix-gain-{next(tokens)}")
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        elif column == COLOUR:
            self.edit(index)
        elif column == NAME and row.group and self._on_fold(index, row, event.position().toPoint()):
            self.strips.fold(row)
        else:
            super().mousePressEvent(event)

    def _on_fold(self, index: Index, row: Row, at: QPoint) -> bool:
        left = self.visualRect(index).left() + theme.size(4 + _INDENT * row.depth)
        return left <= at.x() <= left + theme.size(14)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """A fader follows the hand."""
        if self._drag is None:
            super().mouseMoveEvent(event)
            return
        start, rows, held, token = self._drag
        way = event.position().x() - start.x()
        width = fader_track(QRectF(0, 0, self.columnWidth(GAIN), 20)).width()
        stops = way / max(width, 1) * 2 * REACH_STOPS
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            stops *= 0.1
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            stops = round(stops / _THIRD) * _THIRD
        self._gains({row.id: held[row.id] + stops for row in rows}, token)

    def _gains(self, gains: dict[Id, float], token: str) -> None:
        mix = self.strips.session.mix
        for id_, gain in gains.items():
            mix = mix.change((id_,), gain=0.0 if abs(gain) < 0.005 else round(gain, 3))
        self.strips.session.set_mix(mix, coalesce=token)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The hand let go."""
        if self._drag is not None:
            self._drag = None
        else:
            super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A gain is typed; on a name its group folds."""
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and index.column() == GAIN:
            self._drag = None
            self.edit(index)
        elif index.isValid() and index.column() == NAME and self.strips.rows[index.row()].group:
            self.strips.fold(self.strips.rows[index.row()])
        elif index.isValid() and index.column() in ICONS:
            self.mousePressEvent(event)
        else:
            super().mouseDoubleClickEvent(event)

    # --- keys and editors --------------------------------------------------------------------------------------------
    def event(self, event: QEvent) -> bool:
        """Keys of the strips are no shortcuts of the window meanwhile."""
        if claimed(event, lambda key: not key.modifiers() and key.text().lower() in ("m", "s", "l", "+", "-")):
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """See the module."""
        rows, key = self.selected_rows(), event.text().lower()
        if not rows or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().keyPressEvent(event)
        elif key in ("m", "s", "l"):
            column = {"m": MUTE, "s": SOLO, "l": LOCK}[key]
            self.strips.switch(rows, column, on=not all(self.strips.is_on(row, column) for row in rows))
        elif key in ("+", "-"):
            by = _THIRD if key == "+" else -_THIRD
            self._gains({row.id: self.strips.session.mix.of(row.id).gain + by for row in rows}, "")
        elif event.key() == Qt.Key.Key_Backspace:
            self.strips.reset(rows)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F2):
            self.edit(self.strips.index(self.currentIndex().row(), GAIN))
        else:
            super().keyPressEvent(event)

    def type_gain(self, row: Row, text: str) -> None:
        """Take a typed gain, for all selected strips when the row is one of them."""
        try:
            entry = understand(text, unit="stops")
            mix = self.strips.session.mix
            gains = {each.id: entry.new(mix.of(each.id).gain) for each in self._meant(row)}
        except UsageError as fault:
            self.refused.emit(str(fault))
            return
        self._gains(gains, "")

    def swatch(self, parent: QWidget, row: Row) -> ColorEdit:
        """A picker whose drag is one step back."""
        swatch, rows, session = ColorEdit(limit=None, parent=parent), self._meant(row), self.strips.session
        token, before = "", session.mix

        def began() -> None:
            nonlocal token, before
            token, before = f"mix-color-{next(tokens)}", session.mix

        def changed(color: Color) -> None:
            swatch.set_color(color)
            session.set_mix(session.mix.change([each.id for each in rows], color=color), coalesce=token)

        def ended(kept: bool) -> None:
            if not kept:
                session.set_mix(before, coalesce=token)

        swatch.began.connect(began)
        swatch.changed.connect(changed)
        swatch.ended.connect(ended)
        return swatch
