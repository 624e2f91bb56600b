"""MIDI ports of this machine, by mido over RtMidi: an extra of the studio; what is missing is said in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from studio.commands.midi_hub import Port
from studio.errors import Unsupported


def backend() -> Any:
    """mido's face of RtMidi. Unsupported where one of them is not installed, or the system has no MIDI."""
    try:
        import mido
        import rtmidi
    except ImportError:
        raise Unsupported("MIDI needs the packages mido and python-rtmidi; install myriad-studio[midi].") from None
    del rtmidi
    return mido.Backend(load=True)  # MIDO_BACKEND may name another way, such as JACK


def _faults() -> tuple[type[Exception], ...]:
    import rtmidi

    return (rtmidi.RtMidiError, OSError, ValueError)


class MidoPort:
    """A port of mido's that speaks bytes."""

    def __init__(self, port: Any, name: str) -> None:
        self._port, self._name = port, name

    def send(self, data: Sequence[int]) -> None:
        """Send a message."""
        import mido

        try:
            self._port.send(mido.Message.from_bytes(list(data)))
        except _faults() as fault:
            raise Unsupported(f"The MIDI port {self._name} does not take anything any more ({fault}).") from None

    def close(self) -> None:
        """Close it."""
        self._port.close()


class MidoPorts:
    """See `studio.commands.midi_hub.Ports`. `virtual`: make ports of our own for others to connect to, where the system
    can, instead of opening those of devices."""

    def __init__(self, *, virtual: bool = False) -> None:
        self._virtual = virtual

    def inputs(self) -> list[str]:
        """Names of what can be listened to."""
        return self._names("get_input_names")

    def outputs(self) -> list[str]:
        """Names of what can be sent to."""
        return self._names("get_output_names")

    def _names(self, getter: str) -> list[str]:
        found = backend()
        try:
            return list(dict.fromkeys(getattr(found, getter)()))
        except _faults() as fault:
            raise Unsupported(f"This system's MIDI cannot be asked for its devices ({fault}).") from None

    def open_input(self, name: str, heard: Callable[[Sequence[int]], None]) -> Port:
        """Listen; `heard` is called on RtMidi's thread."""
        found = backend()
        try:
            port = found.open_input(name, virtual=self._virtual, callback=lambda message: heard(message.bytes()))
        except _faults() as fault:
            raise Unsupported(
                f"The MIDI port {name} cannot be opened ({fault}); is another program using it?"
            ) from None
        return MidoPort(port, name)

    def open_output(self, name: str) -> Port:
        """Open for sending."""
        found = backend()
        try:
            port = found.open_output(name, virtual=self._virtual)
        except _faults() as fault:
            raise Unsupported(
                f"The MIDI port {name} cannot be opened ({fault}); is another program using it?"
            ) from None
        return MidoPort(port, name)
