"""The board panel: strips with faders for what is chosen above them. See `board_canvas`; MIDI is `midi_panel`'s."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from studio.commands.board import ALL, GROUPS, MASTER, SELECTED, board_of
from studio.commands.midi import Wish
from studio.commands.midi_map import Binding
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene.entities import Id
from studio.ui import midi_link, theme
from studio.ui.bars import Given, Menu, bar, button
from studio.ui.board_canvas import BoardCanvas
from studio.ui.docking import give_height
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel

_HEIGHT = 300  # that all of a strip is seen well in
_SHOWS = ((N_("Groups and rigs"), GROUPS), (N_("All lights"), ALL), (N_("Selected"), SELECTED))
_PARTS = {"fader": "fader", "mute": "mute", "solo": "solo", "select": "name"}  # what a binding does -> part of a strip
_MASTER_PARTS = {"master": "fader", "unmute_all": "mute", "clear_solo": "solo"}


@panel("board", N_("Light board"), "bottom", "board", default=False)
class BoardPanel(QWidget):
    """Faders of lights, groups and rigs, with a master."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("board")
        self.place = "lights"
        self._studio, self._desk = studio, desk
        self._shown = False
        self.board = board_of(studio)
        self.link = midi_link.take(studio, desk)
        self.canvas = BoardCanvas(studio, desk, self.board, self)
        self.canvas.badges = self._badges
        self.canvas.learned.connect(self._pointed)
        self.canvas.opened.connect(self._open)
        self._build()
        self.setFocusProxy(self.canvas)
        self._forget = (studio.watch(self._heard), self.board.watch(lambda what: self.refresh()))
        self.link.changed.connect(self.refresh)
        translated(self.refresh)

    def _build(self) -> None:
        self.show_menu = Menu("board.show", N_("Strips to show"), _SHOWS)
        self.show_menu.activated.connect(lambda row: self._show(self.show_menu.itemData(row)))
        self.search = QLineEdit()
        self.search.setObjectName("board.filter")
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(theme.size(220))
        say(self.search.setPlaceholderText, N_("Filter strips"))
        say(self.search.setAccessibleName, N_("Filter strips"))
        self.search.textChanged.connect(self._filter)
        self._count = QLabel()
        self._count.setProperty("role", "dim")
        self._down = button("board.bank_down", "previous-frame", N_("Bank down"), lambda: self._bank(-1))
        self._up = button("board.bank_up", "next-frame", N_("Bank up"), lambda: self._bank(1))
        self._where = QLabel()
        self._where.setProperty("role", "dim")
        self._learn = button("board.learn", "midi", N_("Learn"), self._toggle_learning, text=True, checkable=True)
        say(
            self._learn.setToolTip,
            N_("Learn MIDI: click a fader, a switch or a name, then move what shall move it; Escape ends it"),
        )
        top = bar()
        top.addWidget(self.show_menu)
        top.addWidget(self.search, 1)
        top.addWidget(self._count)
        top.addStretch(1)
        for widget in (self._down, self._where, self._up, self._learn):
            top.addWidget(widget)
        top.addWidget(button("board.midi", "settings", N_("MIDI surface…"), lambda: self._desk.show_panel("midi")))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.canvas, 1)

    def showEvent(self, event: QShowEvent) -> None:
        """Opened by hand where there is little room, it takes some more; a layout that was stored is left alone."""
        super().showEvent(event)
        if not self._shown and self.window().isVisible():
            QTimer.singleShot(0, self, self._make_room)
        self._shown = True

    def _make_room(self) -> None:
        missing = theme.size(_HEIGHT) - self.height()
        if missing > 0:
            give_height(self, missing)

    def close_panel(self) -> None:
        """Stop listening, and let the surface go when nobody else needs it."""
        for forget in self._forget:
            forget()
        self.link.changed.disconnect(self.refresh)
        self.link.hub.surface.wish = None
        self.canvas.close_panel()
        midi_link.give_back(self._studio)

    # --- what is shown -----------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if update.change is not None or update.parts & {"path"}:
            self.refresh()

    def refresh(self) -> None:
        """Say what is true now."""
        board, link = self.board, self.link
        entities = self._studio.scene.entities
        rigs = [(Given(tr("Rig: {name}", name=entities[id_].name or id_)), id_) for id_ in board.rigs()]
        if board.own_rig and board.own_rig in entities and board.own_rig not in board.rigs():
            own = tr("Group: {name}", name=entities[board.own_rig].name or board.own_rig)
            rigs.append((Given(own), board.own_rig))
        self.show_menu.fill((*_SHOWS, *rigs))
        self.show_menu.choose(board.show)
        count = len(board.ids)
        self._count.setText(tr("1 strip") if count == 1 else tr("{count} strips", count=count))
        self.canvas.banked = link.hub.state == "open" or self.canvas.learning
        several = board.banks > 1
        self._where.setText(tr("Bank {number} of {count}", number=board.bank + 1, count=board.banks) if several else "")
        for widget in (self._down, self._up, self._where):
            widget.setVisible(self.canvas.banked and several)
        self._learn.setChecked(self.canvas.learning)
        self._learn.setIcon(theme.icon("midi", "good" if link.hub.state == "open" else ""))
        wish = link.hub.surface.wish
        if self.canvas.learning and wish is None and self.canvas.armed[0]:
            self.canvas.armed = ("", "")
            self._desk.status(tr("Learned. Click the next control, or press Escape."))
        self.canvas.update()

    def _show(self, show: object) -> None:
        self.board.show = str(show)

    def _open(self, id_: Id) -> None:
        self.board.show = id_

    def _filter(self, text: str) -> None:
        self.board.filter = text

    def _bank(self, by: int) -> None:
        self.board.bank += by

    # --- learning ----------------------------------------------------------------------------------------------------
    def _toggle_learning(self) -> None:
        self.learn(on=not self.canvas.learning)

    def learn(self, *, on: bool) -> None:
        """Begin or end learning."""
        self.canvas.learning, self.canvas.armed = on, ("", "")
        self.link.hub.surface.wish = None
        if on:
            self.canvas.setFocus(Qt.FocusReason.OtherFocusReason)
            hint = (
                tr("Click a fader, a switch or a name, then move what shall move it.")
                if self.link.hub.state == "open"
                else tr("No MIDI surface is open; choose one by the button beside.")
            )
            self._desk.status(hint)
        else:
            self._desk.status("")
        self.refresh()

    def _pointed(self, id_: Id, part: str) -> None:
        """A control was pointed at while learning; "" ends it. Strips of the bank are learned by their place, others
        for good."""
        if not id_:
            self.learn(on=False)
            return
        board = self.board
        if id_ == MASTER:
            does = next(d for d, p in _MASTER_PARTS.items() if p == part)
            wish = Wish(does)
        else:
            does = next(d for d, p in _PARTS.items() if p == part)
            row = board.ids.index(id_) - board.bank * board.bank_size
            wish = Wish(does, strip=row) if 0 <= row < board.bank_size else Wish(does, id=id_)
        self.link.hub.surface.wish = wish
        self.canvas.armed = (id_, part)
        self._desk.status(tr("Now move the fader, knob or button of the surface."))
        self.refresh()

    def _badges(self, id_: Id) -> tuple[tuple[str, str], ...]:
        """What moves the parts of a strip."""
        found = []
        for binding in self.link.hub.surface.map.bindings:
            if self._is_of(binding, id_):
                parts = _MASTER_PARTS if id_ == MASTER else _PARTS
                found.append((parts[binding.does], str(binding.control)))
        return tuple(found)

    def _is_of(self, binding: Binding, id_: Id) -> bool:
        if id_ == MASTER:
            return binding.does in _MASTER_PARTS
        if binding.does not in _PARTS:
            return False
        return binding.id == id_ if binding.id else self.board.at(binding.strip) == id_
