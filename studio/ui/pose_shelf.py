"""The shelf of poses: pictures of the figure in each, that are clicked, dragged along and kept.

| hand | does |
|---|---|
| click | gives the face the pose |
| drag to the right | goes towards it by the way of the hand, a tile's width and a half is all of it |
| Alt | puts it on top of what is there |
| Ctrl | left and right exchanged |
| Return | as a click, on the present pose |
| F2, Delete | rename and delete, of poses that you keep |

A drag is one step of the history and Escape takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListView,
    QMenu,
    QSlider,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.commands.expression_desk import ExpressionDesk, Gesture
from studio.commands.pose_library import Kept
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene.expression_edits import Pose
from studio.ui import menus, theme
from studio.ui.bars import bar, button
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk
from studio.ui.pose_face import paint_face
from studio.ui.pose_pictures import PosePictures
from studio.ui.qt_events import claimed

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_SIDE, _NAME = 58, 17  # of the smallest tiles; they grow to fill a line
_GAP = 6
_WHOLE = 1.5  # widths of a tile that a hand goes for all of a pose
_CLICK_PX = 4.0
_MOST = 1.5  # of a pose


def shown_name(kept: Kept) -> str:
    """A pose's name; those of the studio's own in the present language."""
    return kept.pose.name if kept.own else tr(kept.pose.name)


class PoseModel(QAbstractListModel):
    """The poses that are shown."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.poses: tuple[Kept, ...] = ()

    def set_poses(self, poses: Sequence[Kept]) -> None:
        """Show other poses."""
        if tuple(poses) != self.poses:
            self.beginResetModel()
            self.poses = tuple(poses)
            self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.poses)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        kept = self.poses[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return shown_name(kept)
        if role == Qt.ItemDataRole.ToolTipRole:
            hint = tr("Click to apply, drag to the right to blend; Alt adds, Ctrl mirrors.")
            return f"{shown_name(kept)}\n{hint}"
        return None


class _Tiles(QStyledItemDelegate):
    """Paints a pose: its picture, or a drawn face, with its name below."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        view = self.parent()
        assert isinstance(view, PoseList)
        kept = view.poses.poses[index.row()]
        state: QStyle.StateFlag = option.state
        rect: QRect = option.rect
        current = index.row() == view.currentIndex().row() and view.hasFocus()
        side = view.side
        picture = QRectF(0, 0, side, side)
        picture.moveCenter(QPointF(rect.center().x() + 0.5, rect.top() + theme.size(2) + side / 2))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        pixmap = view.pictures.picture(kept.pose)
        if pixmap is not None:
            painter.drawPixmap(picture.toRect(), pixmap)
        else:
            painter.fillRect(picture, theme.color("window"))
            paint_face(painter, picture.adjusted(3, 3, -3, -3), kept.pose.weights)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("accent" if current else "dim" if hovered else "line"), 1))
        painter.drawRect(picture.adjusted(0.5, 0.5, -0.5, -0.5))
        if view.share_of(index.row()) is not None:
            self._share(painter, picture, view.share_of(index.row()) or 0.0)
        name = QRectF(rect.left(), picture.bottom() + 1, rect.width(), theme.size(_NAME))
        painter.setPen(theme.color("strong" if hovered or current else "text" if kept.own else "dim"))
        text = painter.fontMetrics().elidedText(shown_name(kept), Qt.TextElideMode.ElideRight, rect.width() - 4)
        painter.drawText(name, Qt.AlignmentFlag.AlignCenter, text)
        painter.restore()

    def _share(self, painter: QPainter, picture: QRectF, share: float) -> None:
        """How far a drag has gone."""
        height = theme.size(16)
        band = QRectF(picture.left(), picture.bottom() - height, picture.width(), height)
        painter.fillRect(band, theme.color("line"))
        width = band.width() * min(max(share, 0.0), 1.0)
        painter.fillRect(QRectF(band.left(), band.top(), width, band.height()), theme.color("accent_dim"))
        painter.setPen(theme.color("strong"))
        painter.drawText(band, Qt.AlignmentFlag.AlignCenter, f"{share * 100:.0f} %")

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        view = self.parent()
        assert isinstance(view, PoseList)
        return QSize(view.side + theme.size(_GAP), view.side + theme.size(_NAME + 5))


@dataclass(slots=True)
class _Drag:
    gesture: Gesture
    row: int
    pose: Pose
    at: QPointF
    share: float = 0.0
    moved: bool = False


class PoseList(QListView):
    """The tiles."""

    def __init__(
        self, studio: Studio, desk: Desk, faces: ExpressionDesk, pictures: PosePictures, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("expressions.poses")
        say(self.setAccessibleName, N_("Poses"))
        self._studio, self._desk, self._faces, self.pictures = studio, desk, faces, pictures
        self.strength = 1.0
        self.side = theme.size(_SIDE)  # of a picture
        self._drag: _Drag | None = None
        self.poses = PoseModel(self)
        self.setModel(self.poses)
        self.setItemDelegate(_Tiles(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMouseTracking(True)
        self.setMinimumHeight(theme.size(_SIDE + _NAME + 10))
        pictures.came.connect(self.viewport().update)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tiles fill the lines."""
        room = event.size().width() - 2
        smallest = theme.size(_SIDE + _GAP)
        self.side = room // max(room // smallest, 1) - theme.size(_GAP)
        super().resizeEvent(event)
        self.scheduleDelayedItemsLayout()

    def share_of(self, row: int) -> float | None:
        """How far a tile's pose is being blended in, None when it is not in hand."""
        drag = self._drag
        return drag.share if drag is not None and drag.moved and drag.row == row else None

    # --- the hand ----------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take a pose."""
        index = self.indexAt(event.position().toPoint())
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() != Qt.MouseButton.LeftButton or not index.isValid() or self._faces.figure is None:
            return
        self.setCurrentIndex(index)
        pose = self.poses.poses[index.row()].pose
        self._drag = _Drag(self._faces.grab(N_("Apply pose")), index.row(), pose, event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Blend towards it by the way of the hand."""
        drag = self._drag
        if drag is None:
            super().mouseMoveEvent(event)
            return
        way = event.position().x() - drag.at.x()
        if drag.moved or abs(way) > _CLICK_PX:
            drag.moved = True
            drag.share = min(max(way / (_WHOLE * self.side), 0.0), _MOST)
            self._blend(drag, drag.share, event.modifiers())
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click applies it, the end of a drag keeps what is blended."""
        drag, self._drag = self._drag, None
        if drag is None:
            return
        if not drag.moved:
            self._blend(drag, self.strength, event.modifiers())
        self._faces.let_go(drag.gesture)
        self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Two clicks are two clicks."""
        self.mousePressEvent(event)

    def _blend(self, drag: _Drag, share: float, modifiers: Qt.KeyboardModifier) -> None:
        add = bool(modifiers & Qt.KeyboardModifier.AltModifier)
        mirror = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        try:
            self._faces.blend(drag.gesture, drag.pose, share, add=add, mirror=mirror)
        except StudioError as fault:
            self._desk.tell_fault(fault)

    # --- the keyboard ------------------------------------------------------------------------------------------------
    def _claims(self, event: QKeyEvent) -> bool:
        return event.key() in _KEYS or (event.key() == Qt.Key.Key_Escape and self._drag is not None)

    def event(self, event: QEvent) -> bool:
        """Keys of the shelf come before shortcuts of the same keys."""
        if claimed(
            event, lambda key: key.key() in _KEYS or (key.key() == Qt.Key.Key_Escape and self._drag is not None)
        ):
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """See the module."""
        kept = self.kept
        if event.key() == Qt.Key.Key_Escape and self._drag is not None:
            drag, self._drag = self._drag, None
            self._faces.let_go(drag.gesture, keep=False)
            self.viewport().update()
        elif kept is not None and event.key() in _KEYS:
            name = kept.pose.name
            if event.key() == Qt.Key.Key_F2:
                self._studio.attempt("expressions.rename_pose", name=name)
            elif event.key() == Qt.Key.Key_Delete:
                self._studio.attempt("expressions.delete_pose", name=name)
            else:
                self.apply(kept)
        else:
            super().keyPressEvent(event)

    @property
    def kept(self) -> Kept | None:
        """The present pose."""
        row = self.currentIndex().row()
        return self.poses.poses[row] if 0 <= row < len(self.poses.poses) else None

    def apply(self, kept: Kept, *, add: bool = False, mirrored: bool = False) -> None:
        """Give the face a pose, by the strength that is set."""
        self._studio.attempt("expressions.pose", name=kept.pose.name, share=self.strength, add=add, mirrored=mirrored)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with a pose."""
        index = self.indexAt(event.pos())
        if index.isValid():
            self.setCurrentIndex(index)
            self.menu_of(self.poses.poses[index.row()]).popup(event.globalPos())

    def menu_of(self, kept: Kept) -> QMenu:
        """The menu of a pose."""
        menu = QMenu(self)
        menu.setObjectName("expressions.pose-menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        name = kept.pose.name
        menu.addAction(tr("Apply"), lambda: self.apply(kept))
        menu.addAction(tr("Apply mirrored"), lambda: self.apply(kept, mirrored=True))
        menu.addAction(tr("Add on top"), lambda: self.apply(kept, add=True))
        menu.addSeparator()
        for text, id_, arguments in (
            (N_("Update to how the face looks"), "expressions.store_pose", {"name": name}),
            (N_("Rename pose…"), "expressions.rename_pose", {"name": name}),
            (N_("Delete pose…"), "expressions.delete_pose", {"name": name}),
        ):
            action = menu.addAction(tr(text), partial(self._studio.attempt, id_, **arguments))
            action.setEnabled(kept.own)
        menu.addSeparator()
        menu.addAction(tr("Export this pose…"), lambda: self._studio.attempt("expressions.export_poses", names=(name,)))
        return menu


_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F2, Qt.Key.Key_Delete)


class PoseShelf(QWidget):
    """The tiles with their bar."""

    def __init__(self, studio: Studio, desk: Desk, faces: ExpressionDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("expressions.shelf")
        self._studio, self._desk, self._faces = studio, desk, faces
        self.pictures = PosePictures(studio, desk.bridge, faces, self)
        self.list = PoseList(studio, desk, faces, self.pictures)
        title = QLabel()
        title.setProperty("role", "title")
        say(title.setText, N_("Poses"))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("expressions.strength")
        self.slider.setRange(0, 150)
        self.slider.setValue(100)
        self.slider.setMinimumWidth(theme.size(50))
        say(self.slider.setAccessibleName, N_("Strength of poses"))
        say(self.slider.setToolTip, N_("How much of a pose a click applies"))
        self.slider.valueChanged.connect(self._strong)
        self._share = QLabel()
        self._share.setProperty("role", "dim")
        self._share.setMinimumWidth(theme.size(38))
        store = button("expressions.store_pose.button", "state-store", N_("Store pose…"), self._store)
        more = button("expressions.pose_more", "more", N_("More"))
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more.setMenu(menus.CommandMenu("Figure/Poses", studio, desk.give, more))
        top: QHBoxLayout = bar()
        top.addWidget(title)
        top.addWidget(self.slider, 1)
        top.addWidget(self._share)
        top.addWidget(store)
        top.addWidget(more)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.list, 1)
        self._strong(100)
        self._told: set[str] = set()
        translated(self.refresh)

    def close_panel(self) -> None:
        """Draw nothing any more."""
        self.pictures.close()

    def refresh(self) -> None:
        """Show the poses that there are."""
        library = self._faces.library
        self.list.poses.set_poses(library.poses)
        for sentence in library.sentences:
            if sentence not in self._told:
                self._told.add(sentence)
                self._studio.face.notify(sentence, kind="warning")
        self._want()

    def follow(self) -> None:
        """The figure may be another, or look otherwise."""
        if self.isVisible():
            self.pictures.follow()

    def _want(self) -> None:
        if self.isVisible():
            self.pictures.want([kept.pose for kept in self.list.poses.poses])

    def showEvent(self, event: Any) -> None:
        """Pictures are drawn for who looks."""
        super().showEvent(event)
        self._want()

    def _strong(self, value: int) -> None:
        self.list.strength = value / 100.0
        self._share.setText(f"{value} %")

    def _store(self) -> None:
        self._desk.give("expressions.store_pose")
