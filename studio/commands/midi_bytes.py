"""MIDI messages as bytes: what of them moves a control, and what shows a control's value on a device.

Values of 7 bits (controllers, notes) and of 14 (pairs of controllers, pitch bends, NRPN) come out alike, as a control
and a number up to the largest that it sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio.commands.midi_map import Control

_NULL = (127, 127)  # no parameter is chosen


@dataclass(frozen=True, slots=True)
class Event:
    """A control that was moved to `raw` of its largest value; `by` are ticks where the message itself is relative."""

    control: Control
    raw: int
    by: int = 0


class Decoder:
    """Bytes to events. Source: MIDI 1.0 Detailed Specification 4.2.1; fine controllers are 32 above coarse ones, NRPN
    are chosen by controllers 99 and 98 and set by 6 and 38, or stepped by 96 and 97."""

    def __init__(self) -> None:
        self._coarse: dict[tuple[int, int], int] = {}
        self._has_fine: set[tuple[int, int]] = set()
        self._parameter: dict[int, tuple[int, int]] = {}
        self._data: dict[int, int] = {}
        self._data_fine: set[int] = set()

    def feed(self, data: Sequence[int]) -> list[Event]:
        """The events of one message; none for what is no control."""
        if len(data) < 3 or any(not 0 <= byte < 128 for byte in data[1:3]):
            return []
        status, channel, number, value = data[0] & 0xF0, data[0] & 0x0F, data[1], data[2]
        if status == 0x90:
            return [Event(Control("note", channel, number), value)]
        if status == 0x80:
            return [Event(Control("note", channel, number), 0)]
        if status == 0xE0:
            return [Event(Control("pitch", channel), number | value << 7)]
        return self._controller(channel, number, value) if status == 0xB0 else []

    def _controller(self, channel: int, number: int, value: int) -> list[Event]:
        plain = Event(Control("cc", channel, number), value)
        if number in (98, 99):
            msb, lsb = self._parameter.get(channel, _NULL)
            self._parameter[channel] = (value, lsb) if number == 99 else (msb, value)
            return []
        if number in (100, 101):  # a registered parameter follows, which is none of ours
            self._parameter[channel] = _NULL
            return []
        if number in (6, 38, 96, 97) and self._parameter.get(channel, _NULL) != _NULL:
            return [*self._parameter_set(channel, number, value), plain]
        key = (channel, number & 31)
        if number < 32:
            self._coarse[key] = value
            fine = [] if key in self._has_fine else [Event(Control("cc14", channel, number), value << 7 | value)]
            return [plain, *fine]
        if number < 64 and key in self._coarse:
            self._has_fine.add(key)
            return [Event(Control("cc14", channel, number - 32), self._coarse[key] << 7 | value), plain]
        return [plain]

    def _parameter_set(self, channel: int, number: int, value: int) -> list[Event]:
        msb, lsb = self._parameter[channel]
        control = Control("nrpn", channel, msb << 7 | lsb)
        if number in (96, 97):
            return [Event(control, 0, by=1 if number == 96 else -1)]
        if number == 38:
            self._data_fine.add(channel)
            return [Event(control, self._data.get(channel, 0) << 7 | value)]
        self._data[channel] = value
        return [] if channel in self._data_fine else [Event(control, value << 7 | value)]


def ticks(raw: int, takes: str) -> int:
    """The ticks of an encoder's value of 7 bits: "twos" complement, "offset" from 64, or a "sign" bit."""
    if takes == "offset":
        return raw - 64
    if takes == "sign":
        return raw & 63 if raw < 64 else -(raw & 63)
    return raw if raw < 64 else raw - 128


def messages(control: Control, raw: int) -> list[tuple[int, int, int]]:
    """What tells a device that a control is at a value."""
    channel, high, low = control.channel, raw >> 7, raw & 127
    if control.kind == "note":
        return [(0x90 | channel, control.number, raw)]
    if control.kind == "pitch":
        return [(0xE0 | channel, low, high)]
    cc = 0xB0 | channel
    if control.kind == "cc14":
        return [(cc, control.number, high), (cc, control.number + 32, low)]
    if control.kind == "nrpn":
        chosen = [(cc, 99, control.number >> 7), (cc, 98, control.number & 127)]
        return [*chosen, (cc, 6, high), (cc, 38, low)]
    return [(cc, control.number, raw)]
