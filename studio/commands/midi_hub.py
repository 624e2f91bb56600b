"""The device of a surface: opened, heard, and taken up again when it was gone.

Ports come from whoever makes the hub (`studio.commands.midi_ports`, a test). The thread on which a device is heard only
keeps its bytes and has `post` call `drain` on the studio's own thread, once for whatever waits.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from studio.commands.board import Board
from studio.commands.midi import Surface
from studio.commands.midi_map import Binding
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError

GONE = N_("The MIDI surface {name} is gone; it is taken up again when it comes back.")
BACK = N_("The MIDI surface {name} is back.")


class Port(Protocol):
    """An open port."""

    def send(self, data: Sequence[int]) -> None:
        """Send a message; `StudioError` when the device is gone."""

    def close(self) -> None:
        """Close it."""


class Ports(Protocol):
    """The MIDI ports of a machine. `StudioError` in a sentence for what cannot be."""

    def inputs(self) -> list[str]:
        """Names of what can be listened to."""

    def outputs(self) -> list[str]:
        """Names of what can be sent to."""

    def open_input(self, name: str, heard: Callable[[Sequence[int]], None]) -> Port:
        """Listen; `heard` is called on a thread of its own."""

    def open_output(self, name: str) -> Port:
        """Open for sending."""


_NUMBERS = re.compile(r"\s+\d+:\d+$|^\d+\s*-\s*")


def same_device(name: str, other: str) -> bool:
    """Whether two names are of one device: systems number ports anew when a device is plugged in again."""
    return _NUMBERS.sub("", name).strip() == _NUMBERS.sub("", other).strip()


class Hub:
    """Keeps the surface of the preferences open while somebody wants it, and takes it up again when it was gone.

    `post` has a call made on the studio's thread. `check` looks after the device; whoever made the hub calls it every
    few seconds. `state` is "off", "open" or "missing".
    """

    def __init__(
        self,
        studio: Studio,
        board: Board,
        ports: Ports,
        post: Callable[[Callable[[], object]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._studio, self._ports, self._post = studio, ports, post
        self.state = "off"
        self._input: Port | None = None
        self._output: Port | None = None
        self._used = studio.preferences.midi
        self._waiting: deque[tuple[int, ...]] = deque(maxlen=4096)
        self._guard = threading.Lock()
        self.surface = Surface(studio, board, studio.preferences.midi, self._send, clock=clock, learned=self._learned)
        self.told: Callable[[], None] = lambda: None  # the state or the map changed
        self.moved: Callable[[], None] = self.check  # another device is wanted
        self._forgets = [board.watch(lambda what: self._refresh()), studio.watch(self._heard)]

    def close(self) -> None:
        """Let go of the device and of the studio."""
        for forget in self._forgets:
            forget()
        self._shut()
        self.state = "off"

    def _shut(self) -> None:
        for port in (self._input, self._output):
            if port is not None:
                port.close()
        self._input = self._output = None
        with self._guard:
            self._waiting.clear()

    def _heard(self, update: object) -> None:
        parts: frozenset[str] = getattr(update, "parts", frozenset())
        if "preferences" in parts and self._studio.preferences.midi is not self._used:
            before, new = self._used, self._studio.preferences.midi
            self._used = new
            self.surface.use(new)
            if (before.input, before.output) != (new.input, new.output):
                self._shut()
                self.state = "off"
                self.moved()
            self.told()
        if parts & {"playing"} or getattr(update, "change", None) is not None:
            self._refresh()

    def _learned(self, binding: Binding) -> None:
        before = self.surface.map
        new = before.bound(binding)
        for old in before.bindings:  # the way its control works stays when it is learned again
            if old.control == binding.control and old.does == binding.does:
                kept = msgspec.structs.replace(binding, takes=old.takes, pickup=old.pickup, feedback=old.feedback)
                new = before.bound(kept)
        self._studio.prefer(midi=new)

    # --- the device --------------------------------------------------------------------------------------------------
    def look(self) -> tuple[list[str], list[str]]:
        """The inputs and outputs that there are; from any thread."""
        return self._ports.inputs(), self._ports.outputs()

    def check(self) -> None:
        """Look, and act on it, here and now."""
        if self.wanted:
            try:
                self.seen(self.look())
            except StudioError as fault:
                self.failed(fault)

    @property
    def wanted(self) -> bool:
        """Whether the preferences name a device."""
        map_ = self._studio.preferences.midi
        return bool(map_.input or map_.output)

    def seen(self, there: tuple[list[str], list[str]]) -> None:
        """Open the device, or see whether it is still there, among what `look` found."""
        if not self.wanted:
            return
        map_ = self._studio.preferences.midi
        input_, output = _found(map_.input, there[0]), _found(map_.output, there[1])
        if input_ is None or output is None:
            if self.state != "missing":
                self._lost()
        elif self.state != "open":
            try:
                self._open(input_, output)
            except StudioError as fault:
                self.failed(fault)

    def failed(self, fault: StudioError) -> None:
        """The system could not be asked, or the device not be opened: said once, and tried again."""
        self._shut()
        if self.state != "missing":
            self.state = "missing"
            self._studio.face.notify(str(fault), kind="warning")
            self.told()

    def _lost(self) -> None:
        """Say it once."""
        self._shut()
        self.state = "missing"
        name = self._studio.preferences.midi.input or self._studio.preferences.midi.output
        self._studio.face.notify(GONE, kind="warning", name=name)
        self.told()

    def _open(self, input_: str, output: str) -> None:
        back = self.state == "missing"
        if output:
            self._output = self._ports.open_output(output)
        if input_:
            self._input = self._ports.open_input(input_, self._hear)
        self.state = "open"
        if back:
            self._studio.face.notify(BACK, name=input_ or output)
        self._refresh(everything=True)
        self.told()

    def _hear(self, data: Sequence[int]) -> None:
        """On the device's own thread: keep the message, and have the studio's thread look soon."""
        with self._guard:
            first = not self._waiting
            self._waiting.append(tuple(data))
        if first:
            self._post(self.drain)

    def drain(self) -> None:
        """Act on what was heard."""
        with self._guard:
            batch = list(self._waiting)
            self._waiting.clear()
        if batch and self.state == "open":
            try:
                self.surface.receive(batch)
            except StudioError as fault:
                self._studio.face.notify(str(fault), kind="error")

    def _refresh(self, *, everything: bool = False) -> None:
        if self.state == "open" and self._output is not None:
            self.surface.refresh(everything=everything)

    def tick(self) -> None:
        """Now and then: motors follow that stood still for a hand."""
        self._refresh()

    def _send(self, data: Sequence[int]) -> None:
        if self._output is not None:
            try:
                self._output.send(data)
            except StudioError:
                self._lost()


def _found(name: str, there: Sequence[str]) -> str | None:
    """The port of a name, "" for no name, None when it is not there."""
    if not name or name in there:
        return name
    return next((other for other in there if same_device(name, other)), None)
