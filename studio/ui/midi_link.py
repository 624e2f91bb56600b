"""The MIDI surface of a window: open for as long as the board or the MIDI panel is.

The device is looked for on a thread, every few seconds, and only when the preferences name one.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from studio.commands.board import board_of
from studio.commands.midi_hub import Hub, Ports
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.ui.panel import Desk

_CHECK_MS, _TICK_MS = 3000, 500


class MidiLink(QObject):
    """A hub with its timers. `changed`: its state, its map or what is being learned."""

    changed = Signal()

    def __init__(self, studio: Studio, desk: Desk, ports: Ports) -> None:
        super().__init__()
        self._studio, self._desk = studio, desk
        self.hub = Hub(studio, board_of(studio), ports, desk.bridge.post)
        self.hub.told = self.changed.emit
        self.hub.moved = self.look
        self.users = 0
        self._looking = False
        self._check = QTimer(self)
        self._check.setInterval(_CHECK_MS)
        self._check.timeout.connect(self.look)
        self._check.start()
        self._tick = QTimer(self)
        self._tick.setInterval(_TICK_MS)
        self._tick.timeout.connect(self.hub.tick)
        self._tick.start()

    def look(self) -> None:
        """Look for the device, or whether it is still there."""
        if self._looking or not self.hub.wanted:
            return
        self._looking = True
        self._desk.bridge.run(self.hub.look, then=self._seen, failed=self._failed)

    def _seen(self, there: tuple[list[str], list[str]]) -> None:
        self._looking = False
        if self.users:
            self.hub.seen(there)

    def _failed(self, fault: Exception) -> None:
        self._looking = False
        if isinstance(fault, StudioError):
            self.hub.failed(fault)
        else:
            self._desk.tell_fault(fault)

    def close(self) -> None:
        """Let go of the device."""
        self._check.stop()
        self._tick.stop()
        self.hub.close()


_links: weakref.WeakKeyDictionary[Studio, MidiLink] = weakref.WeakKeyDictionary()
make_ports: Callable[[], Ports]


def _own_ports() -> Ports:
    from studio.commands.midi_ports import MidoPorts

    return MidoPorts()


make_ports = _own_ports


def take(studio: Studio, desk: Desk) -> MidiLink:
    """The link of a studio, for a panel that needs it; `give_back` it when the panel closes."""
    link = _links.get(studio)
    if link is None:
        link = _links[studio] = MidiLink(studio, desk, make_ports())
    link.users += 1
    link.look()
    return link


def give_back(studio: Studio) -> None:
    """A panel closes; with the last one the device is let go."""
    link = _links.get(studio)
    if link is not None:
        link.users -= 1
        if not link.users:
            link.close()
            del _links[studio]
