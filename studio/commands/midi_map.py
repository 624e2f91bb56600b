"""What of a MIDI surface does what: records that the preferences keep as readable JSON.

A binding names a control as the device sends it and what it does. `strip` is a place in the bank that the board shows
to surfaces, `id` a light or group that stays whatever the bank is; a binding has one of them, or neither where there
is only one of what it moves (the master, the transport).
"""

from __future__ import annotations

import msgspec

from studio.errors import UsageError
from studio.scene.entities import Id

KINDS = ("cc", "cc14", "note", "pitch", "nrpn")
TAKES = ("absolute", "twos", "offset", "sign")  # how a control says its value; all but the first are turns by ticks
FADERS = ("fader", "master", "crossfade")
SWITCHES = ("mute", "solo", "select")
BUTTONS = ("unmute_all", "clear_solo", "bank_down", "bank_up", "play", "stop")
DOES = (*FADERS, *SWITCHES, *BUTTONS, "touch")  # "touch": a hand is on a motor fader, which must not be moved


class Control(msgspec.Struct, frozen=True, order=True):
    """A control of a device: channel 0 to 15, number of the controller, note or parameter (pitch bends have none)."""

    kind: str
    channel: int = 0
    number: int = 0

    def __str__(self) -> str:
        names = {"cc": "CC", "cc14": "CC 14", "note": "Note", "pitch": "Pitch", "nrpn": "NRPN"}
        number = "" if self.kind == "pitch" else f" {self.number}"
        return f"{names.get(self.kind, self.kind)}{number} · {self.channel + 1}"

    @property
    def most(self) -> int:
        """The largest value that it sends."""
        return 127 if self.kind in ("cc", "note") else 16383


class Binding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A control and what it does. `pickup`: a fader moves nothing until it has come to where the value is, so that
    nothing jumps; off for motor faders. `feedback`: the device is told the value."""

    control: Control
    does: str
    strip: int = -1
    id: Id = ""
    takes: str = "absolute"
    pickup: bool = True
    feedback: bool = True

    @property
    def target(self) -> tuple[str, int, Id]:
        """What it does, and to what."""
        return self.does, self.strip, self.id


class MidiMap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A surface: the ports of the device ("" for none), how many strips it has, and its bindings."""

    input: str = ""
    output: str = ""
    strips: int = 8
    bindings: tuple[Binding, ...] = ()

    def of(self, control: Control) -> Binding | None:
        """What a control is bound to."""
        return next((b for b in self.bindings if b.control == control), None)

    def bound(self, new: Binding) -> MidiMap:
        """With a binding in the place of those of the same control or the same target."""
        kept = [b for b in self.bindings if b.control != new.control and b.target != new.target]
        return msgspec.structs.replace(self, bindings=(*kept, checked(new)))

    def without(self, control: Control) -> MidiMap:
        """With a control bound to nothing."""
        return msgspec.structs.replace(self, bindings=tuple(b for b in self.bindings if b.control != control))


def checked(binding: Binding) -> Binding:
    """The binding; UsageError in a sentence for one that cannot be."""
    control = binding.control
    if control.kind not in KINDS or not 0 <= control.channel < 16 or not 0 <= control.number <= 16383:
        raise UsageError(
            f"there is no MIDI control like {control.kind!r} {control.number} on channel {control.channel}"
        )
    if binding.does not in DOES or binding.takes not in TAKES:
        raise UsageError(f"a MIDI control cannot do {binding.does!r} by {binding.takes!r}")
    return binding


def sound(map_: MidiMap) -> MidiMap:
    """A map without what cannot be: preferences may have been edited by hand."""
    kept = []
    for binding in map_.bindings:
        try:
            kept.append(checked(binding))
        except UsageError:
            continue
    strips = min(max(map_.strips, 1), 64)
    return msgspec.structs.replace(map_, bindings=tuple(kept), strips=strips)


# --- surfaces that are known -----------------------------------------------------------------------------------------
def mackie() -> MidiMap:
    """A surface that speaks Mackie Control: eight motor faders that feel touch, and a ninth as the master."""
    out = []
    for i in range(8):
        out += [
            Binding(control=Control("pitch", i), does="fader", strip=i, pickup=False),
            Binding(control=Control("note", 0, 104 + i), does="touch", strip=i, feedback=False),
            Binding(control=Control("note", 0, 16 + i), does="mute", strip=i),
            Binding(control=Control("note", 0, 8 + i), does="solo", strip=i),
            Binding(control=Control("note", 0, 24 + i), does="select", strip=i),
        ]
    out.append(Binding(control=Control("pitch", 8), does="master", pickup=False))
    plain = {"bank_down": 46, "bank_up": 47, "stop": 93, "play": 94}
    out += [Binding(control=Control("note", 0, note), does=does) for does, note in plain.items()]
    return MidiMap(bindings=tuple(out))


def controllers(first: int = 0) -> MidiMap:
    """Eight faders on controllers from `first` on, mute on those 48 above and solo on those 32 above, as many small
    surfaces have it; play and stop on controllers 41 and 42."""
    out = []
    for i in range(8):
        out += [
            Binding(control=Control("cc", 0, first + i), does="fader", strip=i),
            Binding(control=Control("cc", 0, first + 32 + i), does="solo", strip=i),
            Binding(control=Control("cc", 0, first + 48 + i), does="mute", strip=i),
        ]
    out.append(Binding(control=Control("cc", 0, 41), does="play"))
    out.append(Binding(control=Control("cc", 0, 42), does="stop"))
    return MidiMap(bindings=tuple(out))
