"""Menus, tool bars and shortcuts, all made from the table of commands.

A menu is filled when it opens, so what it says of a command (its words, its keys, whether it applies, whether it is on)
is true at that moment, and a command that was registered later is there too. Shortcuts are not the actions': one
`Shortcuts` owns one Qt shortcut for each chord in use and looks the command up by the place that has the focus, so the
same key may frame in a viewport and find in a list, and a chord never becomes ambiguous. Text fields keep the keys
that they use, as everywhere in Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QMenu,
    QTabBar,
    QWidget,
)
from shiboken6 import isValid

from studio.commands import registry
from studio.commands.keymap import Keymap
from studio.commands.registry import Command
from studio.ui import theme
from studio.ui.i18n import language, tr

if TYPE_CHECKING:
    from studio.commands.studio import Studio

TOP = (
    "File",
    "Edit",
    "Select",
    "Create",
    "Lights",
    "Materials",
    "Figure",
    "Camera",
    "View",
    "Time",
    "Library",
    "Render",
    "Window",
    "Help",
)
# What a right click offers in a place, in this order; "" is a separator, "Create" a whole menu.
CONTEXT: dict[str, tuple[str, ...]] = {
    "viewport": (
        "view.frame_selected",
        "view.isolate",
        "view.through_selected",
        "",
        "edit.rename",
        "edit.duplicate",
        "edit.group",
        "edit.hide",
        "edit.lock",
        "edit.delete",
        "",
        "lights.mute",
        "lights.solo",
        "lights.aim",
        "lights.kind",
        "",
        "select.similar",
        "select.children",
        "",
        "Create",
        "edit.paste",
        "edit.show_all",
    ),
    "outliner": (
        "view.frame_selected",
        "",
        "edit.rename",
        "edit.duplicate",
        "edit.cut",
        "edit.copy",
        "edit.paste",
        "edit.group",
        "edit.ungroup",
        "edit.unparent",
        "edit.hide",
        "edit.lock",
        "edit.delete_anywhere",
        "",
        "select.children",
        "select.parent",
        "",
        "lights.mute",
        "lights.solo",
        "view.active_camera",
        "",
        "Create",
    ),
    "keys": (
        "time.copy_keys",
        "time.paste_keys",
        "time.duplicate_keys",
        "time.delete_keys",
        "",
        "Time/Keys/Interpolation",
        "time.snap_keys",
        "time.shift_keys",
        "time.scale_keys",
        "",
        "time.preview",
    ),
    "strips": (
        "time.split_strips",
        "time.mute_strips",
        "time.hold_strips",
        "time.additive_strips",
        "time.remove_strips",
        "",
        "time.add_strip",
        "time.bake_strips",
        "time.remove_clips",
    ),
    "sound": (
        "time.import_sound",
        "time.mute_sound",
        "time.sound_start",
        "time.sound_gain",
        "time.remove_sound",
        "",
        "time.scrub_sound",
    ),
    "lights": (
        "view.frame_selected",
        "",
        "lights.mute",
        "lights.solo",
        "lights.clear_solo",
        "lights.unmute_all",
        "",
        "lights.brighter",
        "lights.darker",
        "lights.aim",
        "lights.kind",
        "",
        "edit.rename",
        "edit.duplicate",
        "edit.group",
        "edit.delete_anywhere",
        "",
        "select.similar",
        "select.lights",
    ),
}

Give = Callable[[str], object]


def keys_text(keymap: Keymap, id_: str) -> str:
    """A command's first shortcut as this platform writes it, "" for none."""
    keys = keymap.keys(id_)
    return QKeySequence(keys[0]).toString(QKeySequence.SequenceFormat.NativeText) if keys else ""


def tip(command: Command, keymap: Keymap) -> str:
    """What hovering over a command's button says."""
    keys = keys_text(keymap, command.id)
    title = tr(command.title).rstrip("…") + (f"  ({keys})" if keys else "")
    return f"{title}\n{tr(command.help)}" if command.help else title


class CommandAction(QAction):
    """A command in a menu or on a bar."""

    def __init__(self, command: Command, give: Give, parent: QObject) -> None:
        super().__init__(parent)
        self.command = command
        self.setObjectName(command.id)
        self.setCheckable(command.checked is not None)
        if command.icon:
            self.setIcon(theme.icon(command.icon))
        self.triggered.connect(lambda: give(command.id))

    def refresh(self, studio: Studio, keymap: Keymap, *, in_menu: bool = True) -> None:
        """Say what is true of the command now."""
        keys = keys_text(keymap, self.command.id)
        title = tr(self.command.title).replace("&", "&&")
        self.setText(f"{title}\t{keys}" if keys and in_menu else title)
        self.setToolTip(tip(self.command, keymap))
        self.setStatusTip(tr(self.command.help))
        self.setEnabled(studio.enabled(self.command))
        if self.command.checked is not None:
            self.setChecked(bool(self.command.checked(studio)))


class CommandMenu(QMenu):
    """The commands of a menu path like "View/Mode", filled whenever it opens. `extra` may add to the end."""

    def __init__(
        self, path: str, studio: Studio, give: Give, parent: QWidget, extra: Callable[[QMenu], None] | None = None
    ) -> None:
        super().__init__(parent)
        self.path, self._studio, self._give, self._extra = path, studio, give, extra
        self.setObjectName(f"menu.{path.replace('/', '.').replace(' ', '_').lower()}")
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """Put in what belongs there now."""
        self.clear()
        keymap = keymap_of(self._studio)
        last: int | None = None
        placed: set[str] = set()
        for command in registry.load().values():
            inside, below = command.menu == self.path, command.menu.startswith(self.path + "/")
            if not inside and not below:
                continue
            if last is not None and command.group != last and inside:
                self.addSeparator()
            if inside:
                last = command.group
                action = CommandAction(command, self._give, self)
                action.refresh(self._studio, keymap)
                self.addAction(action)
                continue
            path = "/".join(command.menu.split("/")[: self.path.count("/") + 2])
            if path not in placed:
                placed.add(path)
                submenu = CommandMenu(path, self._studio, self._give, self)
                submenu.setTitle(tr(path.rpartition("/")[2]))
                self.addMenu(submenu)
        if self._extra is not None:
            self._extra(self)


_keymaps: dict[int, tuple[object, int, Keymap]] = {}


def keymap_of(studio: Studio) -> Keymap:
    """The keymap of a studio's preferences; made anew when they or the commands change."""
    own, commands = studio.preferences.keys, registry.load()
    found = _keymaps.get(0)
    if found is None or found[0] is not own or found[1] != len(commands):
        found = _keymaps[0] = (own, len(commands), Keymap(commands, own))
    return found[2]


def top_menus() -> list[str]:
    """The menus of the bar, in their order."""
    wanted = {command.menu.split("/")[0] for command in registry.load().values() if command.menu}
    return [*(name for name in TOP if name in wanted), *sorted(wanted - set(TOP))]


def with_mnemonic(title: str, taken: set[str]) -> str:
    """A title with its Alt key marked: a letter of the English one, in brackets where the script has no letters."""
    letter = next((c for c in title if c.isalpha() and c.upper() not in taken), "")
    taken.add(letter.upper())
    shown = tr(title)
    if language() == "en" and letter:
        at = shown.index(letter)
        return f"{shown[:at]}&{shown[at:]}"
    return f"{shown}(&{letter.upper()})" if letter else shown


def context_menu(place: str, studio: Studio, give: Give, parent: QWidget) -> QMenu:
    """What a right click offers in a place: the commands of `CONTEXT` that apply now."""
    menu = QMenu(parent)
    menu.setObjectName(f"context.{place}")
    menu.setToolTipsVisible(True)
    keymap, commands = keymap_of(studio), registry.load()
    for id_ in CONTEXT.get(place, ()):
        if not id_:
            menu.addSeparator()
        elif id_ in commands:
            if studio.enabled(commands[id_]):
                action = CommandAction(commands[id_], give, menu)
                action.refresh(studio, keymap)
                menu.addAction(action)
        else:
            submenu = CommandMenu(id_, studio, give, menu)
            submenu.setTitle(tr(id_.rpartition("/")[2]))
            menu.addMenu(submenu)
    menu.aboutToHide.connect(menu.deleteLater)
    return menu


def place_of(widget: QWidget | None) -> str:
    """The place that a widget stands in, by the `place` attribute of it or of what holds it."""
    while widget is not None:
        place = getattr(widget, "place", None)
        if isinstance(place, str):
            return place
        widget = widget.parentWidget()
    return ""


_WALKED = frozenset(("Up", "Down", "Left", "Right", "Home", "End", "Space"))
_KEPT: tuple[tuple[type[QWidget], frozenset[str]], ...] = (
    (QAbstractItemView, _WALKED),
    (QAbstractButton, frozenset(("Space",))),
    (QComboBox, _WALKED),
    (QAbstractSlider, _WALKED),
    (QAbstractSpinBox, _WALKED),
    (QTabBar, _WALKED),
    (QLineEdit, _WALKED),
)


def kept_keys(widget: QWidget | None) -> frozenset[str]:
    """Keys that a control needs itself: Space presses a button, arrows walk a list. A command has them elsewhere."""
    return next((keys for kind, keys in _KEPT if isinstance(widget, kind)), frozenset())


_shortcuts: list[Shortcuts] = []


class Shortcuts(QObject):
    """One Qt shortcut for each chord that any command has, sent on to the command of the place with the focus."""

    def __init__(self, studio: Studio, give: Give, parent: QWidget) -> None:
        super().__init__(parent)
        self._studio, self._give, self._owner = studio, give, parent
        self._made: dict[str, QShortcut] = {}
        self._keymap: Keymap | None = None
        self._place = ""
        self._kept: frozenset[str] = frozenset()
        _shortcuts.append(self)
        application().focusChanged.connect(self._focus_changed)
        self.refresh()

    @property
    def alive(self) -> bool:
        """Whether the window that they work in is still there."""
        return isValid(self)

    @staticmethod
    def all_alive() -> list[Shortcuts]:
        """Those of every window that is there."""
        _shortcuts[:] = [s for s in _shortcuts if s.alive]
        return list(_shortcuts)

    def refresh(self) -> None:
        """Follow the keymap."""
        keymap = keymap_of(self._studio)
        if keymap is self._keymap:
            return
        self._keymap = keymap
        wanted = {chord for id_ in registry.load() for chord in keymap.keys(id_)}
        for chord in set(self._made) - wanted:
            self._made.pop(chord).deleteLater()
        for chord in sorted(wanted - set(self._made)):
            shortcut = QShortcut(QKeySequence(chord), self._owner)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.setObjectName(f"shortcut.{chord}")
            shortcut.activated.connect(lambda chord=chord: self.give(chord))
            self._made[chord] = shortcut
        self._enable()

    def _focus_changed(self, old: QWidget | None, new: QWidget | None) -> None:
        place, kept = place_of(new), kept_keys(new)
        if (place, kept) != (self._place, self._kept):
            self._place, self._kept = place, kept
            self._enable()

    def _enable(self) -> None:
        """A chord that means nothing here is left to the widget that has the focus."""
        for chord, shortcut in self._made.items():
            found = self._keymap.find(chord, self._place) if self._keymap else ()
            shortcut.setEnabled(bool(found) and chord not in self._kept)

    def give(self, chord: str) -> None:
        """Give the first command that a chord means here and that applies."""
        commands = registry.load()
        found = self._keymap.find(chord, self._place) if self._keymap else ()
        for id_ in found:
            if self._studio.enabled(commands[id_]):
                self._give(id_)
                return


def application() -> QApplication:
    """The application; there is one whenever a widget is."""
    found: Any = QApplication.instance()
    if not isinstance(found, QApplication):
        raise RuntimeError("there is no application yet")
    return found


def refresh_all(actions: Iterable[CommandAction], studio: Studio) -> None:
    """Say of actions on bars what is true now."""
    keymap = keymap_of(studio)
    for action in actions:
        action.refresh(studio, keymap, in_menu=False)
