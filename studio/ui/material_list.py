"""The list of materials: a picture, a name and who wears it; searched, renamed in place, dragged out."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QRect,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QDrag, QFontMetrics, QImage, QKeySequence, QPainter, QPainterPath, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.commands.registry import N_
from studio.scene.entities import Id
from studio.ui import theme
from studio.ui.i18n import say
from studio.ui.material_model import ID_ROLE, LOST_ROLE, PICTURE_ROLE, USERS_ROLE, MaterialModel, used_text
from studio.ui.qt_events import claimed

_ROW, _PICTURE, _GAP = 40, 34, 6


class MaterialDelegate(QStyledItemDelegate):
    """Draws a row: the picture with round corners, the name, who wears it below."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Any) -> QSize:
        """All rows are as high."""
        return QSize(theme.size(140), theme.size(_ROW))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Any) -> None:
        """One row."""
        painter.save()
        box: QRect = option.rect
        state: QStyle.StateFlag = option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.fillRect(box, theme.color("selection"))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(box, theme.color("row_hover"))
        side, gap = theme.size(_PICTURE), theme.size(_GAP)
        frame = QRect(box.left() + gap, box.top() + (box.height() - side) // 2, side, side)
        draw_picture(painter, frame, index.data(PICTURE_ROLE))
        left = frame.right() + gap + 2
        words = QRect(left, box.top(), box.right() - left - gap, box.height())
        lost = bool(index.data(LOST_ROLE))
        if lost:
            mark = theme.size(14)
            at = QRect(box.right() - gap - mark, box.center().y() - mark // 2, mark, mark)
            theme.icon("notice-warning", "warning").paint(painter, at)
            words.setRight(at.left() - gap)
        font = option.font
        painter.setFont(font)
        metrics = QFontMetrics(font)
        users = int(index.data(USERS_ROLE) or 0)
        half = box.height() // 2
        name = metrics.elidedText(str(index.data()), Qt.TextElideMode.ElideRight, words.width())
        painter.setPen(theme.color("selection_text" if chosen else "text"))
        painter.drawText(
            words.adjusted(0, theme.size(3), 0, -half + theme.size(3)), Qt.AlignmentFlag.AlignVCenter, name
        )
        painter.setPen(theme.color("dim" if users or chosen else "disabled"))
        below = metrics.elidedText(used_text(users), Qt.TextElideMode.ElideRight, words.width())
        painter.drawText(
            words.adjusted(0, half - theme.size(3), 0, -theme.size(3)), Qt.AlignmentFlag.AlignVCenter, below
        )
        painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Any) -> QWidget:
        """A line for the name."""
        editor = super().createEditor(parent, option, index)
        editor.setObjectName("material-name-editor")
        say(editor.setAccessibleName, N_("Name"))
        return editor

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Any) -> None:
        """Beside the picture."""
        box: QRect = option.rect
        left = theme.size(_PICTURE + 2 * _GAP)
        height = editor.sizeHint().height()
        editor.setGeometry(box.left() + left, box.center().y() - height // 2, box.width() - left - 2, height)


def draw_picture(painter: QPainter, frame: QRect, image: QImage | None) -> None:
    """A small picture with round corners."""
    if image is None or image.isNull():
        return
    painter.save()
    painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
    path = QPainterPath()
    path.addRoundedRect(frame, theme.size(3), theme.size(3))
    painter.setClipPath(path)
    painter.drawImage(frame, image)
    painter.restore()


class MaterialList(QListView):
    """The view. `chose` tells that a hand selected other rows."""

    chose = Signal()

    def __init__(self, model: MaterialModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("material-list")
        say(self.setAccessibleName, N_("Materials"))
        self.materials = model
        self.filter = QSortFilterProxyModel(self)
        self.filter.setSourceModel(model)
        self.filter.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setModel(self.filter)
        self.setItemDelegate(MaterialDelegate(self))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._following = False
        self.selectionModel().selectionChanged.connect(self._changed)

    def _changed(self, *_: QItemSelection) -> None:
        if not self._following:
            self.chose.emit()

    @property
    def chosen(self) -> tuple[Id, ...]:
        """Selected materials, in the order of the list; the current one first."""
        rows = self.selectionModel().selectedRows()
        ids = [str(index.data(ID_ROLE)) for index in sorted(rows, key=QModelIndex.row)]
        current = self.currentIndex().data(ID_ROLE)
        return tuple(sorted(ids, key=lambda id_: id_ != current))

    def choose(self, ids: tuple[Id, ...]) -> None:
        """Select these rows, and tell nobody."""
        if set(ids) == set(self.chosen):
            return
        self._following = True
        try:
            selection = QItemSelection()
            found = [i for id_ in ids if (i := self.index_of(id_)).isValid()]
            for index in found:
                selection.select(index, index)
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().select(selection, flags.ClearAndSelect)
            if found:
                self.selectionModel().setCurrentIndex(found[0], flags.NoUpdate)
                self.scrollTo(found[0])
        finally:
            self._following = False

    def index_of(self, id_: Id) -> QModelIndex:
        """The view's index of a material; an invalid one when it is hidden or not there."""
        row = self.materials.row_of(id_)
        return self.filter.mapFromSource(self.materials.index(row)) if row >= 0 else QModelIndex()

    def search(self, text: str) -> None:
        """Show only names that hold a text; what is hidden stays chosen by the editor."""
        self._following = True
        try:
            self.filter.setFilterFixedString(text.strip())
        finally:
            self._following = False

    def event(self, event: QEvent) -> bool:
        """While the list has the keyboard, its own keys are its own."""
        own = (QKeySequence.StandardKey.SelectAll, QKeySequence.StandardKey.Copy, QKeySequence.StandardKey.Paste)
        keys = (Qt.Key.Key_Delete, Qt.Key.Key_F2)
        if claimed(event, lambda key: any(key.matches(each) for each in own) or key.key() in keys):
            return True
        return super().event(event)

    def startDrag(self, actions: Qt.DropAction) -> None:
        """Carry the material's picture under the pointer."""
        index = self.currentIndex()
        if not index.isValid():
            return
        drag = QDrag(self)
        drag.setMimeData(self.filter.mimeData([index]))
        side = theme.size(48)
        image: QImage = index.data(PICTURE_ROLE)
        picture = QPixmap(side, side)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        draw_picture(painter, picture.rect(), image)
        painter.end()
        drag.setPixmap(picture)
        drag.exec(Qt.DropAction.CopyAction)
