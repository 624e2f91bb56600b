"""The MIDI panel: which surface moves the board, and what each of its controls does."""

from __future__ import annotations

from functools import partial

import msgspec
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from studio.commands.midi import Wish
from studio.commands.midi_map import BUTTONS, FADERS, TAKES, Binding, MidiMap, controllers, mackie
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.ui import midi_link, theme
from studio.ui.bars import Given, Menu, bar, button, edited, labelled, number
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import Range
from studio.ui.panel import Desk, panel

_DOES = {
    "fader": N_("Fader"),
    "master": N_("Master fader"),
    "crossfade": N_("Crossfade of the rig"),
    "mute": N_("Mute"),
    "solo": N_("Solo"),
    "select": N_("Select"),
    "unmute_all": N_("Unmute all strips shown"),
    "clear_solo": N_("End all soloing"),
    "bank_down": N_("Bank down"),
    "bank_up": N_("Bank up"),
    "play": N_("Play"),
    "stop": N_("Stop"),
    "touch": N_("Touch"),
}
_TAKES = {
    "absolute": N_("A place"),
    "twos": N_("Ticks, two's complement"),
    "offset": N_("Ticks about 64"),
    "sign": N_("Ticks with a sign bit"),
}
_PRESETS = ((N_("Preset…"), ""), (N_("Mackie Control"), "mackie"), (N_("Faders on controllers 0 to 7"), "controllers"))
_STATES = {
    "off": N_("No surface"),
    "open": N_("Connected"),
    "missing": N_("Not there; it is taken up when it comes back"),
}
_COLUMNS = (N_("Control"), N_("Does"), N_("Sends"), N_("Pick-up"), N_("Feedback"))


@panel("midi", N_("MIDI surface"), "right", "midi", default=False)
class MidiPanel(QWidget):
    """The device and its bindings."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("midi")
        self._studio, self._desk = studio, desk
        self.link = midi_link.take(studio, desk)
        self.ports: tuple[list[str], list[str]] = ([], [])
        self._rows: tuple[Binding, ...] | None = None
        self._build()
        self.link.changed.connect(self.refresh)
        translated(self._relabel)
        self.look()

    def _build(self) -> None:
        self.input = Menu("midi.input", N_("Listen to"), ())
        self.output = Menu("midi.output", N_("Answer to"), ())
        self.input.activated.connect(lambda row: self._map(input=str(self.input.itemData(row))))
        self.output.activated.connect(lambda row: self._map(output=str(self.output.itemData(row))))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for text, menu in ((N_("Listen to"), self.input), (N_("Answer to"), self.output)):
            line = bar()
            labelled(line, text, menu).setMinimumWidth(theme.size(72))
            line.setStretch(1, 1)
            if menu is self.input:
                line.addWidget(button("midi.look", "reset", N_("Look for devices again"), self.look))
            layout.addLayout(line)
        self._state = QLabel()
        self._state.setProperty("role", "dim")
        self._state.setWordWrap(True)
        self._state.setContentsMargins(theme.size(8), theme.size(2), theme.size(8), theme.size(2))
        layout.addWidget(self._state)
        self.strips = number(self._studio, "midi.strips", N_("Strips of a bank"), Range(lo=1, hi=64, whole=True), 8)
        edited(self.strips, lambda value: self._map(strips=int(value)))
        self.preset = Menu("midi.preset", N_("Begin with the map of a known surface"), _PRESETS)
        self.preset.activated.connect(lambda row: self._take_preset(str(self.preset.itemData(row))))
        line = bar()
        labelled(line, N_("Strips of a bank"), self.strips)
        line.addStretch(1)
        line.addWidget(self.preset)
        layout.addLayout(line)
        self.learns = Menu(
            "midi.learn_what", N_("What to learn"), [(_DOES[d], d) for d in ("master", "crossfade", *BUTTONS)]
        )
        self._learn = button("midi.learn", "midi", N_("Learn"), self._toggle, text=True, checkable=True)
        say(self._learn.setToolTip, N_("Move the control that shall do this; those of strips are learned on the board"))
        self._remove = button("midi.remove", "delete", N_("Remove binding"), self._removed)
        line = bar()
        line.addWidget(self.learns, 1)
        line.addWidget(self._learn)
        line.addWidget(self._remove)
        layout.addLayout(line)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setObjectName("midi.bindings")
        say(self.table.setAccessibleName, N_("Bindings"))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(theme.size(24))
        header = self.table.horizontalHeader()
        for column, width in ((0, 96), (2, 116), (3, 62), (4, 70)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            self.table.setColumnWidth(column, theme.size(width))
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.table.itemSelectionChanged.connect(self._enable)
        layout.addWidget(self.table, 1)

    def close_panel(self) -> None:
        """Stop listening."""
        self.link.changed.disconnect(self.refresh)
        midi_link.give_back(self._studio)

    # --- following ---------------------------------------------------------------------------------------------------
    def look(self) -> None:
        """See which devices there are, on a thread."""
        self._desk.bridge.run(self.link.hub.look, then=self._found, failed=self._failed)
        self.link.look()

    def _found(self, ports: tuple[list[str], list[str]]) -> None:
        self.ports = ports
        self.refresh()

    def _failed(self, fault: Exception) -> None:
        self.ports = ([], [])
        self._state.setText(str(fault))

    def _relabel(self) -> None:
        self.table.setHorizontalHeaderLabels([tr(text) for text in _COLUMNS])
        self._rows = None
        self.refresh()

    def refresh(self) -> None:
        """Say what is true now."""
        map_, hub = self._studio.preferences.midi, self.link.hub
        for menu, names, chosen in ((self.input, self.ports[0], map_.input), (self.output, self.ports[1], map_.output)):
            more = [chosen] if chosen and chosen not in names else []
            menu.fill([(N_("None"), ""), *((Given(name), name) for name in (*names, *more))])
            menu.choose(chosen)
        self._state.setText(tr(_STATES[hub.state]))
        self.strips.set_value(map_.strips)
        self.preset.choose("")
        self._learn.setChecked(hub.surface.wish is not None)
        if map_.bindings != self._rows:
            self._rows = map_.bindings
            self._fill(map_)
        self._enable()

    def _fill(self, map_: MidiMap) -> None:
        self.table.setRowCount(len(map_.bindings))
        for row, binding in enumerate(map_.bindings):
            self.table.setItem(row, 0, QTableWidgetItem(str(binding.control)))
            self.table.setItem(row, 1, QTableWidgetItem(self._told(binding)))
            if binding.does in FADERS:
                takes = QComboBox()
                takes.setObjectName(f"midi.takes.{row}")
                takes.setAccessibleName(tr("How the control says its value"))
                for take in TAKES:
                    takes.addItem(tr(_TAKES[take]), take)
                takes.setCurrentIndex(takes.findData(binding.takes))
                takes.activated.connect(lambda at, b=binding, menu=takes: self._change(b, takes=menu.itemData(at)))
                self.table.setCellWidget(row, 2, takes)
                self._switch(row, 3, binding, "pickup", tr("Pick-up"))
            else:
                self.table.removeCellWidget(row, 2)
                self.table.removeCellWidget(row, 3)
            self._switch(row, 4, binding, "feedback", tr("Feedback"))

    def _switch(self, row: int, column: int, binding: Binding, name: str, label: str) -> None:
        box = QCheckBox()
        box.setObjectName(f"midi.{name}.{row}")
        box.setAccessibleName(label)
        box.setChecked(getattr(binding, name))
        box.clicked.connect(partial(self._switched, binding, name))
        self.table.setCellWidget(row, column, box)

    def _switched(self, binding: Binding, name: str, on: bool) -> None:
        self._change(binding, **{name: on})

    def _told(self, binding: Binding) -> str:
        text = tr(_DOES.get(binding.does, binding.does))
        if binding.id:
            entity = self._studio.scene.entities.get(binding.id)
            return f"{text}: {(entity.name or binding.id) if entity is not None else binding.id}"
        return f"{text} {binding.strip + 1}" if binding.strip >= 0 else text

    def _enable(self) -> None:
        self._remove.setEnabled(bool(self.table.selectionModel().selectedRows()))

    # --- doing -------------------------------------------------------------------------------------------------------
    def _map(self, **values: object) -> None:
        self._studio.prefer(midi=msgspec.structs.replace(self._studio.preferences.midi, **values))

    def _change(self, binding: Binding, **values: object) -> None:
        map_ = self._studio.preferences.midi
        new = tuple(msgspec.structs.replace(b, **values) if b == binding else b for b in map_.bindings)
        self._map(bindings=new)

    def _removed(self) -> None:
        rows = {index.row() for index in self.table.selectionModel().selectedRows()}
        held = self._studio.preferences.midi.bindings
        self._map(bindings=tuple(b for row, b in enumerate(held) if row not in rows))

    def _take_preset(self, name: str) -> None:
        if name:
            made = mackie() if name == "mackie" else controllers()
            self._map(bindings=made.bindings, strips=made.strips)
        self.preset.choose("")

    def _toggle(self) -> None:
        surface = self.link.hub.surface
        surface.wish = None if surface.wish is not None else Wish(str(self.learns.currentData()))
        self.refresh()
