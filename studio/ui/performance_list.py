"""The takes that are kept, newest first: a name, how long, the device's timecode, where from, and how it moves."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtCore import Signal as QtSignal
from PySide6.QtGui import QContextMenuEvent, QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.figure.capture.frames import F64
from studio.figure.capture.hub import Kept
from studio.figure.capture.playback import activity
from studio.figure.capture.sources import TITLES
from studio.figure.capture.take_files import load_take
from studio.ui import theme
from studio.ui.bridge import Bridge
from studio.ui.i18n import say, tr
from studio.ui.performance_strip import BINS, clock, paint_activity
from studio.ui.qt_events import claimed

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROW, _PICTURE = 42, 84
_COMMANDS = {
    Qt.Key.Key_F2: "capture.rename_take",
    Qt.Key.Key_Delete: "capture.delete_take",
    Qt.Key.Key_Return: "capture.play_take",
}
_KEPT = 400  # pictures


class Activities:
    """Pictures of takes, made one after the other on a thread and kept as long as their files stay the same."""

    def __init__(self, bridge: Bridge, came: Any) -> None:
        self._bridge, self._came = bridge, came
        self._known: dict[tuple[Path, int], F64 | None] = {}
        self._asked: set[tuple[Path, int]] = set()

    def of(self, path: Path) -> F64 | None:
        """What a take does at a glance; None until it is known, then `came` is called."""
        try:
            key = (path, path.stat().st_mtime_ns)
        except OSError:
            return None  # it goes from the list in a moment
        if key not in self._known and key not in self._asked:
            self._asked.add(key)

            def made(found: F64 | None) -> None:
                self._asked.discard(key)
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[key] = found
                self._came()

            self._bridge.run(lambda: _activity(path), then=made)
        return self._known.get(key)


def _activity(path: Path) -> F64 | None:
    try:
        return activity(load_take(path), BINS)
    except StudioError:
        return None  # the list tells the fault


class TakeModel(QAbstractListModel):
    """The takes."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.takes: list[Kept] = []

    def follow(self, takes: list[Kept]) -> bool:
        """Show other takes; whether they are others."""
        if takes == self.takes:
            return False
        self.beginResetModel()
        self.takes = takes
        self.endResetModel()
        return True

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.takes)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        take = self.takes[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{take.path.stem}, {told(take)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return take.fault or f"{told(take)}\n{take.path}"
        return None


def told(take: Kept) -> str:
    """A take's length, timecode and source in a line."""
    info = take.info
    if info is None:
        return take.fault
    timecode, _, _ = info.start.partition(".")
    parts = [clock(info.seconds), timecode, tr(TITLES.get(info.source, info.source)), info.subject]
    if info.trim is not None:
        parts[0] = f"{clock(info.trim[1] - info.trim[0])}/{parts[0]}"
    return " · ".join(part for part in parts if part)


class _Rows(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        view = self.parent()
        assert isinstance(view, TakeList)
        state: QStyle.StateFlag = option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        ground = "selection" if chosen else "row_hover" if hovered else ""
        view.paint_row(painter, QRectF(option.rect), view.takes.takes[index.row()], ground)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(theme.size(160), theme.size(_ROW))


class TakeList(QListView):
    """The list. F2 renames, Delete deletes, Return plays."""

    chosen = QtSignal()

    def __init__(self, studio: Studio, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("performance.takes")
        say(self.setAccessibleName, N_("Takes"))
        self._studio = studio
        self.takes = TakeModel(self)
        self.pictures = Activities(bridge, self._came)
        self.setModel(self.takes)
        self.setItemDelegate(_Rows(self))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(theme.size(_ROW * 2))
        self.selectionModel().currentChanged.connect(lambda *_: self.chosen.emit())

    def _came(self) -> None:
        self.viewport().update()
        self.chosen.emit()

    @property
    def take(self) -> Kept | None:
        """The present take."""
        row = self.currentIndex().row()
        return self.takes.takes[row] if 0 <= row < len(self.takes.takes) else None

    def follow(self, takes: list[Kept]) -> None:
        """Show the takes that there are; a new one is chosen, else the chosen one stays."""
        before = self.take
        known = {take.path for take in self.takes.takes}
        if not self.takes.follow(takes):
            return
        paths = [take.path for take in takes]
        fresh = next((path for path in paths if path not in known), None) if known or before is None else None
        wanted = fresh or (before.path if before is not None else None)
        row = paths.index(wanted) if wanted in paths else 0 if paths else -1
        self.setCurrentIndex(self.takes.index(row))
        self.chosen.emit()

    def paint_row(self, p: QPainter, rect: QRectF, take: Kept, ground: str) -> None:
        """One take."""
        p.save()
        p.setRenderHint(QPainter.RenderHint.Antialiasing)
        if ground:
            p.fillRect(rect, theme.color(ground))
        wide = min(theme.size(_PICTURE), rect.width() * 0.3)
        picture = QRectF(rect.right() - wide - theme.size(8), rect.top() + 5, wide, rect.height() - 10)
        found = self.pictures.of(take.path) if take.info is not None else None
        if found is not None:
            paint_activity(p, picture, found)
        text = QRectF(rect.left() + theme.size(10), rect.top() + theme.size(4), 0, rect.height() - theme.size(8))
        text.setRight(picture.left() - theme.size(8) if take.info is not None else rect.right() - theme.size(8))
        half = text.height() / 2
        bold, small = QFont(self.font()), QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        small.setPointSizeF(self.font().pointSizeF() * 0.9)
        for font, ink, line, top in (
            (bold, "strong", take.path.stem, text.top()),
            (small, "error" if take.fault else "dim", told(take), text.top() + half),
        ):
            p.setFont(font)
            p.setPen(theme.color(ink))
            line = p.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, int(text.width()))
            p.drawText(QRectF(text.left(), top, text.width(), half), Qt.AlignmentFlag.AlignVCenter, line)
        p.restore()

    # --- the hand ----------------------------------------------------------------------------------------------------
    def event(self, event: QEvent) -> bool:
        """The list's own keys are no shortcuts of the window while it has the focus."""
        if claimed(event, lambda key: key.key() in _COMMANDS):
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """See above."""
        take = self.take
        command = _COMMANDS.get(Qt.Key(event.key()))
        if take is not None and command is not None:
            self._studio.attempt(command, path=str(take.path))
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with a take."""
        index = self.indexAt(event.pos())
        if index.isValid():
            self.setCurrentIndex(index)
            take = self.takes.takes[index.row()]
            menu = QMenu(self)
            menu.setObjectName("performance.take-menu")
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            fill_menu(menu, self._studio, take)
            menu.popup(event.globalPos())


def fill_menu(menu: QMenu, studio: Studio, take: Kept | None) -> None:
    """What can be done with a take, and with takes at all."""
    if take is not None:
        path = str(take.path)
        for text, command in (
            (N_("Play on the figure"), "capture.play_take"),
            (N_("Rename take…"), "capture.rename_take"),
            (N_("Export take…"), "capture.export_take"),
            (N_("Delete take…"), "capture.delete_take"),
        ):
            action = menu.addAction(tr(text), partial(studio.attempt, command, path=path))
            action.setEnabled(not take.fault or command == "capture.delete_take")
        menu.addSeparator()
    menu.addAction(tr("Import take…"), lambda: studio.attempt("capture.import_take"))
