"""The strips panel: the clips of the scene, to be laid, over the layers of strips. See `strip_view`."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from studio.commands import registry
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.ui import menus, theme
from studio.ui.bars import bar, button
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel
from studio.ui.strip_view import StripView

_COMMANDS = (
    ("time.split_strips", "split"),
    ("time.mute_strips", "hidden"),
    ("time.remove_strips", "delete"),
    ("time.make_clip", "key"),
    ("time.bake_strips", "bake"),
)


@panel("strips", N_("Strips"), "bottom", "strips", default=False)
class StripPanel(QWidget):
    """Clips on the timeline."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strips")
        self.place = "strips"
        self._studio, self._desk = studio, desk
        self.sheet = StripView(studio, desk, self)
        top: QHBoxLayout = bar()
        self.clips = QComboBox()
        self.clips.setObjectName("strips.clips")
        self.clips.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clips.setMinimumWidth(theme.size(160))
        say(self.clips.setAccessibleName, N_("Clip"))
        say(self.clips.setToolTip, N_("The clip that Add strip lays"))
        self._add = button("strips.add", "add", N_("Add strip here"), self.add, text=True)
        top.addWidget(self.clips)
        top.addWidget(self._add)
        top.addStretch(1)
        self._buttons = {}
        for id_, icon in _COMMANDS:
            made = button(f"strips.{id_}", icon, registry.find(id_).title, partial(desk.give, id_))
            self._buttons[id_] = made
            top.addWidget(made)
        top.addWidget(button("strips.fit", "fit", N_("Show the whole range"), self.sheet.fit))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.sheet, 1)
        self.setFocusProxy(self.sheet)
        self._forget = studio.watch(self._heard)
        translated(self.refresh)

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()
        self.sheet.close_panel()

    def add(self) -> None:
        """Lay the chosen clip at the present frame."""
        if self.clips.currentData():
            self._studio.attempt("time.add_strip", clip=self.clips.currentData())

    def _heard(self, update: Update) -> None:
        if update.change is not None or update.parts & {"picked", "path"}:
            self.refresh()

    def refresh(self) -> None:
        """Say what is true now."""
        rows = [(clip.name or id_, id_) for id_, clip in self._studio.scene.clips.items()]
        held = [(self.clips.itemText(r), self.clips.itemData(r)) for r in range(self.clips.count())]
        if rows != held:
            chosen = self.clips.currentData()
            self.clips.clear()
            for text, id_ in rows:
                self.clips.addItem(text, id_)
            self.clips.setCurrentIndex(max(self.clips.findData(chosen), 0))
        self.clips.setEnabled(bool(rows))
        self.clips.setPlaceholderText(tr("No clips"))
        self._add.setEnabled(bool(rows))
        keymap, commands = menus.keymap_of(self._studio), registry.load()
        for id_, made in self._buttons.items():
            made.setEnabled(self._studio.enabled(commands[id_]))
            made.setToolTip(menus.tip(commands[id_], keymap))
