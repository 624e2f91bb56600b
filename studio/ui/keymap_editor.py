"""The keymap editor: every command with its shortcuts, to change, add, take away or give back; conflicts are named."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from studio.commands import registry
from studio.commands.keymap import Keymap
from studio.commands.registry import N_, Command
from studio.commands.studio import Studio, Update
from studio.ui import theme
from studio.ui.i18n import say, tr
from studio.ui.menus import keymap_of

Index = QModelIndex | QPersistentModelIndex
_COLUMNS = (N_("Command"), N_("Place"), N_("Shortcuts"))


def native(keys: tuple[str, ...]) -> str:
    """Shortcuts as this platform writes them."""
    return ",  ".join(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in keys)


class KeymapModel(QAbstractTableModel):
    """A row for each command."""

    def __init__(self, studio: Studio, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self.commands: list[Command] = list(registry.load().values())

    @property
    def keymap(self) -> Keymap:
        """The keymap as it is now."""
        return keymap_of(self._studio)

    def refresh(self) -> None:
        """Follow the preferences."""
        self.dataChanged.emit(self.index(0, 0), self.index(len(self.commands) - 1, len(_COLUMNS) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        return 0 if parent.isValid() else len(self.commands)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(_COLUMNS[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or not 0 <= index.row() < len(self.commands):
            return None
        command = self.commands[index.row()]
        keys = self.keymap.keys(command.id)
        if role == Qt.ItemDataRole.DisplayRole:
            return (tr(command.title).rstrip("…"), tr(command.place) if command.place else "", native(keys))[
                index.column()
            ]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{tr(command.help)}\n{command.id}"
        if role == Qt.ItemDataRole.ForegroundRole:
            if index.column() == 2 and any(command.id in c.commands for c in self.keymap.conflicts()):
                return theme.color("warning")
            if index.column() == 2 and command.id in self._studio.preferences.keys:
                return theme.color("accent")
            return theme.color("dim" if index.column() == 1 else "text")
        return None


class KeymapEditor(QDialog):
    """The table, a search, and what can be done with the row that is chosen."""

    def __init__(self, studio: Studio, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("keymap")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        say(self.setWindowTitle, "Keyboard shortcuts")
        self._studio = studio
        self.model = KeymapModel(studio, self)
        self._shown = QSortFilterProxyModel(self)
        self._shown.setSourceModel(self.model)
        self._shown.setFilterKeyColumn(-1)
        self._shown.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.search = QLineEdit(self)
        self.search.setObjectName("search")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._shown.setFilterFixedString)
        say(self.search.setPlaceholderText, "Find a command or a key")
        say(self.search.setAccessibleName, "Find a command or a key")
        self._make_table()
        self.message = QLabel(self)
        self.message.setObjectName("message")
        self.message.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setSpacing(theme.size(8))
        layout.addWidget(self.search)
        layout.addWidget(self.table, 1)
        layout.addLayout(self._make_row())
        layout.addWidget(self.message)
        self.resize(theme.size(640), theme.size(600))
        self._forget = studio.watch(self._updated)
        self.destroyed.connect(self._forget)
        self._choose()

    def _make_table(self) -> None:
        self.table = QTableView(self)
        self.table.setObjectName("commands")
        self.table.setModel(self._shown)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.setAlternatingRowColors(True)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(theme.size(22))
        self.table.setTabKeyNavigation(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        say(self.table.setAccessibleName, "Commands and their shortcuts")
        self.table.selectionModel().currentRowChanged.connect(lambda *_: self._choose())

    def _make_row(self) -> QHBoxLayout:
        self.edit = QKeySequenceEdit(self)
        self.edit.setObjectName("shortcut")
        self.edit.setMaximumSequenceLength(1)
        self.edit.keySequenceChanged.connect(lambda *_: self._tell())
        say(self.edit.setAccessibleName, "New shortcut")
        row = QHBoxLayout()
        row.setSpacing(theme.size(6))
        row.addWidget(self.edit, 1)
        self.buttons: dict[str, QPushButton] = {}
        for name, text, act in (
            ("replace", N_("Set"), self.replace),
            ("add", N_("Add"), self.add),
            ("clear", N_("None"), self.clear),
            ("default", N_("Default"), self.default),
            ("all", N_("All to default"), self.all_default),
        ):
            button = self.buttons[name] = QPushButton(self)
            button.setObjectName(name)
            button.setAutoDefault(False)
            button.clicked.connect(act)
            say(button.setText, text)
            say(button.setAccessibleName, text)
            row.addWidget(button)
        return row

    # --- the row that is chosen --------------------------------------------------------------------------------------
    @property
    def chosen(self) -> Command | None:
        """The command of the row that is chosen."""
        index = self._shown.mapToSource(self.table.currentIndex())
        return self.model.commands[index.row()] if index.isValid() else None

    def choose(self, id_: str) -> None:
        """Choose the row of a command."""
        row = next(i for i, c in enumerate(self.model.commands) if c.id == id_)
        self.table.setCurrentIndex(self._shown.mapFromSource(self.model.index(row, 0)))

    def _choose(self) -> None:
        self.edit.clear()
        self._tell()

    @property
    def typed(self) -> str:
        """The shortcut in the field, "" for none."""
        return self.edit.keySequence().toString(QKeySequence.SequenceFormat.PortableText)

    def replace(self) -> None:
        """Give the command this shortcut alone."""
        if self.chosen and self.typed:
            self._own(self.chosen.id, (self.typed,))

    def add(self) -> None:
        """Give the command this shortcut too."""
        if self.chosen and self.typed:
            self._own(self.chosen.id, (*self.model.keymap.keys(self.chosen.id), self.typed))

    def clear(self) -> None:
        """Take all shortcuts from the command."""
        if self.chosen:
            self._own(self.chosen.id, ())

    def default(self) -> None:
        """Give the command its own shortcuts back."""
        if self.chosen:
            kept = {k: v for k, v in self._studio.preferences.keys.items() if k != self.chosen.id}
            self.edit.clear()
            self._studio.prefer(keys=kept)

    def all_default(self) -> None:
        """Give every command its own shortcuts back."""
        self._studio.prefer(keys={})

    def _own(self, id_: str, keys: tuple[str, ...]) -> None:
        self.edit.clear()
        self._studio.prefer(keys={**self._studio.preferences.keys, id_: keys})

    # --- telling -----------------------------------------------------------------------------------------------------
    def _updated(self, update: Update) -> None:
        if "preferences" in update.parts:
            self.model.refresh()
            self._tell()

    def _tell(self) -> None:
        command, typed = self.chosen, self.typed
        for name in ("replace", "add"):
            self.buttons[name].setEnabled(bool(command and typed))
        for name in ("clear", "default"):
            self.buttons[name].setEnabled(command is not None)
        commands = registry.load()
        lines = []
        if command and typed:
            others = [i for i in self.model.keymap.find(typed, command.place) if i != command.id]
            if others:
                names = ", ".join(tr(commands[i].title) for i in others)
                lines.append(tr("{keys} is taken by {names}.", keys=native((typed,)), names=names))
        for conflict in self.model.keymap.conflicts():
            names = ", ".join(tr(commands[i].title) for i in conflict.commands)
            lines.append(
                tr("Conflict: {keys} is asked for by {names}.", keys=native((conflict.shortcut,)), names=names)
            )
        self.message.setText("\n".join(lines) or tr("No conflicts."))
        self.message.setStyleSheet(f"color: {theme.COLORS['warning' if lines else 'dim']}")


def show(studio: Studio, parent: QWidget) -> KeymapEditor:
    """Open the editor, or bring it forward."""
    found = parent.findChild(KeymapEditor)
    editor = found if isinstance(found, KeymapEditor) else KeymapEditor(studio, parent)
    editor.show()
    editor.raise_()
    editor.activateWindow()
    return editor
