"""The editors that open in cells of the light table: a line for texts and numbers, menus, a picker for colours."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt, QTimer
from PySide6.QtWidgets import QComboBox, QCompleter, QLineEdit, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene.photometry import units_of
from studio.ui import theme
from studio.ui.color_edit import Color, ColorEdit
from studio.ui.i18n import tr
from studio.ui.light_cells import copied
from studio.ui.light_cells_paint import ICON
from studio.ui.light_model import LightModel
from studio.ui.light_table_columns import column
from studio.ui.light_table_rows import Row

Index = QModelIndex | QPersistentModelIndex
_drags = itertools.count()
ROW = 22  # height of a row, in units of the interface
_IMAGES = ("image", "ies", "gobo")
_MODES = {"all": N_("All"), "only": N_("Only"), "except": N_("Except")}
_TIP = N_("A number, or a change of each: *1.2, +0.5, -=1, +10%. Enter gives it to all selected cells of the column.")


class LightDelegate(QStyledItemDelegate):
    """Makes editors and hands what they hold to the model. `by_hand` says that a menu may open by itself."""

    def __init__(self, studio: Studio, model: LightModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio, self._lights = studio, model
        self.by_hand = False
        self.line: QLineEdit | None = None  # that was opened last

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """All rows are as high; nothing is asked of the cell."""
        return QSize(theme.size(40), theme.size(ROW))

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """The editor of a cell."""
        row, name = self._lights.row_at(index), self._lights.columns[index.column()]
        kind = column(name).shape
        editor: QWidget
        self.line = None
        if kind == "choice" or name in _IMAGES:
            editor = self._menu(parent, row, name)
        elif kind == "colour":
            editor = self._swatch(parent, row, name)
        else:
            line = editor = self.line = QLineEdit(parent)
            if kind in ("float", "int"):
                line.setAlignment(Qt.AlignmentFlag.AlignRight)
                line.setToolTip(tr(_TIP))
            elif name == "group":
                known = sorted({getattr(e, "group", "") for e in self._studio.scene.entities.values()} - {""})
                line.setCompleter(QCompleter(known, line))
        editor.setObjectName(f"cell-{name}")
        editor.setAccessibleName(tr(column(name).label))
        return editor

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        """A name is edited beside its icon."""
        box: QRect = option.rect
        if self._lights.columns[index.column()] == "name":
            box = box.adjusted(theme.size(ICON + 6), 0, 0, 0)
        editor.setGeometry(box)

    def _menu(self, parent: QWidget, row: Row, name: str) -> QComboBox:
        menu = QComboBox(parent)
        for data, text in self._choices(row, name):
            menu.addItem(text, data)
        menu.activated.connect(lambda: self._done(menu))
        if self.by_hand:
            QTimer.singleShot(0, menu, menu.showPopup)
        return menu

    def _choices(self, row: Row, name: str) -> list[tuple[str, str]]:
        if name == "unit":
            return [(unit, unit) for unit in units_of(row.record.light)]
        if name in _IMAGES:
            images = self._studio.scene.images.items()
            return [("", tr("None")), *((key, image.name or key) for key, image in images)]
        field = column(name).field
        choices = field.spec.choices if field is not None else ()
        return [(choice, tr(_MODES.get(choice, choice.capitalize()))) for choice in choices]

    def _done(self, editor: QWidget) -> None:
        self.commitData.emit(editor)
        self.closeEditor.emit(editor)

    def _swatch(self, parent: QWidget, row: Row, name: str) -> ColorEdit:
        """A picker whose drag is one step of the history."""
        limit = 1.0 if name == "shadow_color" else None
        swatch = ColorEdit(limit=limit, parent=parent)
        lights, token = self._lights, ""

        def began() -> None:
            nonlocal token
            token = f"lights-{name}-{next(_drags)}"
            lights.hold_order(True)

        def changed(color: Color) -> None:
            swatch.set_color(color)
            lights.enter(row, name, color, coalesce=token)

        def ended(kept: bool) -> None:
            if not kept:
                self._studio.document.abandon(token)
            lights.hold_order(False)

        swatch.began.connect(began)
        swatch.changed.connect(changed)
        swatch.ended.connect(ended)
        if self.by_hand:
            QTimer.singleShot(0, swatch, swatch.open)
        return swatch

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Show the value in the editor."""
        row, name = self._lights.row_at(index), self._lights.columns[index.column()]
        held = self._lights.value(row, name)
        if isinstance(editor, QComboBox):
            editor.setCurrentIndex(editor.findData(held))
        elif isinstance(editor, ColorEdit):
            editor.set_color(held)
        elif isinstance(editor, QLineEdit) and not editor.isModified():
            editor.setText(copied(self._lights.rows, row, name))
            editor.selectAll()

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Give what was entered to the model."""
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentData())
        elif isinstance(editor, QLineEdit) and editor.isModified():
            model.setData(index, editor.text())
