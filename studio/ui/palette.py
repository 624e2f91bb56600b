"""The command palette: type a part of a command's name, give it by Enter.

It searches titles in the shown language and in English, menus and ids, so that "mute", "静音" and "lights.mute" all
find. What does not apply now stands there too, greyed, with what is missing. It is a widget over the window and no
popup window, since input methods fail in those on some platforms.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QApplication,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from studio.commands import registry
from studio.commands.registry import Command, always
from studio.commands.studio import Studio
from studio.ui import menus, theme
from studio.ui.i18n import tr

Index = QModelIndex | QPersistentModelIndex
COMMAND = int(Qt.ItemDataRole.UserRole)
KEYS, WHERE, WHY = COMMAND + 1, COMMAND + 2, COMMAND + 3
_ROWS = 12


def score(typed: str, text: str) -> float:
    """How well a text answers what was typed; 0 for not at all.

    All characters must occur in their order. Those that begin a word or follow each other count more, an earlier and
    a shorter match more than a later and a longer one.
    """
    typed, text = typed.lower().replace(" ", ""), text.lower()
    if not typed:
        return 1.0
    total, at, before = 0.0, 0, -2
    for character in typed:
        found = _next(text, character, at, before)
        if found < 0:
            return 0.0
        starts = found == 0 or not text[found - 1].isalnum()
        total += 3.0 if found == before + 1 else 2.5 if starts else 1.0
        before, at = found, found + 1
    whole = 4.0 if typed in text.replace(" ", "") else 0.0
    return total / len(typed) + whole - 0.01 * len(text)


def _next(text: str, character: str, at: int, before: int) -> int:
    """Where a character is taken: right after the last one, else at the start of a word, else anywhere."""
    if at < len(text) and text[at] == character and before == at - 1:
        return at
    place = at
    while (place := text.find(character, place)) >= 0:
        if place == 0 or not text[place - 1].isalnum():
            return place
        place += 1
    return text.find(character, at)


def matching(commands: Iterable[Command], typed: str, studio: Studio) -> list[Command]:
    """Commands that answer what was typed, the best first; those that apply before those that do not."""
    rated = []
    for order, command in enumerate(commands):
        texts = (tr(command.title), command.title, f"{_where(command)} {tr(command.title)}", command.id)
        best = max(score(typed, text) - 0.3 * i for i, text in enumerate(texts))
        if best > 0:
            rated.append((not studio.enabled(command) if typed else False, -best if typed else 0.0, order, command))
    return [command for *_, command in sorted(rated, key=lambda row: row[:3])]


def _where(command: Command) -> str:
    return " › ".join(tr(part) for part in command.menu.split("/") if part)


def why_not(command: Command) -> str:
    """What is missing for a command that does not apply now."""
    from studio.commands.view import has_viewport
    from studio.scene.entities import Camera, Group, MeshObject
    from studio.scene.lights import Light

    if command.when is has_viewport:
        return tr("open a viewport first")
    kinds = getattr(command.when, "kinds", None)
    if kinds is None:
        return "" if command.when is always else tr("does not apply now")
    names = {Light: tr("a light"), Camera: tr("a camera"), Group: tr("a group"), MeshObject: tr("an object")}
    wanted = [names[kind] for kind in kinds if kind in names]
    return tr("select {what} first", what=tr(" or ").join(wanted) if wanted else tr("something"))


class PaletteModel(QAbstractListModel):
    """The commands that answer what was typed."""

    def __init__(self, studio: Studio, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self.commands: list[Command] = []
        self.search("")

    def search(self, typed: str) -> None:
        """Show what answers this."""
        self.beginResetModel()
        self.commands = matching(registry.load().values(), typed, self._studio)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        return 0 if parent.isValid() else len(self.commands)

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not 0 <= index.row() < len(self.commands):
            return Qt.ItemFlag.NoItemFlags
        enabled = self._studio.enabled(self.commands[index.row()])
        return Qt.ItemFlag.ItemIsSelectable | (Qt.ItemFlag.ItemIsEnabled if enabled else Qt.ItemFlag.NoItemFlags)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not 0 <= index.row() < len(self.commands):
            return None
        command = self.commands[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return tr(command.title).rstrip("…")
        if role == Qt.ItemDataRole.DecorationRole:
            return theme.icon(command.icon)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tr(command.help)
        if role == COMMAND:
            return command.id
        if role == KEYS:
            return menus.keys_text(menus.keymap_of(self._studio), command.id)
        if role == WHERE:
            return _where(command)
        if role == WHY:
            return "" if self._studio.enabled(command) else why_not(command)
        return None


class _Row(QStyledItemDelegate):
    """A row: icon, title, where it stands or why it does not apply, keys at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, theme.size(26))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        enabled = bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
        area: QRect = option.rect
        if chosen:
            painter.fillRect(area, theme.color("selection"))
        pad, side = theme.size(10), theme.size(16)
        icon = index.data(Qt.ItemDataRole.DecorationRole)
        if icon is not None and not icon.isNull():
            place = QRect(area.left() + pad, area.center().y() - side // 2, side, side)
            icon.paint(painter, place, mode=icon.Mode.Normal if enabled else icon.Mode.Disabled)
        metrics = painter.fontMetrics()
        keys = str(index.data(KEYS))
        text = area.adjusted(2 * pad + side, 0, -pad, 0)
        painter.setPen(theme.color("dim" if enabled else "disabled"))
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, keys)
        title = str(index.data(Qt.ItemDataRole.DisplayRole))
        painter.setPen(theme.color("selection_text" if chosen and enabled else "text" if enabled else "disabled"))
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, title)
        room = text.adjusted(metrics.horizontalAdvance(title) + pad, 0, -metrics.horizontalAdvance(keys) - pad, 0)
        painter.setPen(theme.color("disabled"))
        said = str(index.data(WHY) or index.data(WHERE))
        painter.drawText(
            room, Qt.AlignmentFlag.AlignVCenter, metrics.elidedText(said, Qt.TextElideMode.ElideRight, room.width())
        )
        painter.restore()


class Palette(QWidget):
    """The palette over a window. It goes when a command was given, on Esc, and when the focus leaves it."""

    def __init__(self, studio: Studio, window: Any) -> None:
        super().__init__(window)
        self._window = window
        self._before = QApplication.focusWidget()
        self.setObjectName("palette")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName(tr("Find command"))
        self.model = PaletteModel(studio, self)
        self.typed = QLineEdit(self)
        self.typed.setObjectName("typed")
        self.typed.setPlaceholderText(tr("Find a command"))
        self.typed.setAccessibleName(tr("Find a command"))
        self.typed.textChanged.connect(self._search)
        self.typed.installEventFilter(self)
        self.list = QListView(self)
        self.list.setObjectName("commands")
        self.list.setAccessibleName(tr("Commands"))
        self.list.setModel(self.model)
        self.list.setItemDelegate(_Row(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.clicked.connect(self._give)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, theme.size(4))
        layout.setSpacing(theme.size(4))
        layout.addWidget(self.typed)
        layout.addWidget(self.list)
        width = min(theme.size(580), window.width() - theme.size(40))
        self.setGeometry(
            (window.width() - width) // 2,
            theme.size(80),
            width,
            self.typed.sizeHint().height() + theme.size(26 * _ROWS + 10),
        )
        self.list.setCurrentIndex(self.model.index(0, 0))
        menus.application().focusChanged.connect(self._focus_changed)

    def _search(self, typed: str) -> None:
        self.model.search(typed)
        self.list.setCurrentIndex(self.model.index(0, 0))

    def _give(self, index: Index) -> None:
        if not index.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        id_ = str(index.data(COMMAND))
        self.close()
        if self._before is not None:
            self._before.setFocus()
        self._window.give(id_)

    def _focus_changed(self, old: QWidget | None, new: QWidget | None) -> None:
        if new is not None and new is not self and not self.isAncestorOf(new):
            self.close()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        row, last = self.list.currentIndex().row(), self.model.rowCount() - 1
        steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: _ROWS, Qt.Key.Key_PageUp: -_ROWS}
        if event.key() in steps:
            self.list.setCurrentIndex(self.model.index(min(max(row + steps[Qt.Key(event.key())], 0), last), 0))
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._give(self.list.currentIndex())
            return True
        if event.key() == Qt.Key.Key_Escape:
            self.close()
            if self._before is not None:
                self._before.setFocus()
            return True
        return super().eventFilter(watched, event)


def show(studio: Studio, window: Any) -> Palette:
    """Open the palette over a window; the one that is open, if it is."""
    found = window.findChild(Palette)
    palette = found if isinstance(found, Palette) else Palette(studio, window)
    palette.show()
    palette.raise_()
    palette.typed.setFocus()
    return palette
