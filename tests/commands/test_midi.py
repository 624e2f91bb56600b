"""MIDI surfaces: values of 7 and 14 bits, pick-up, encoders, motors, learning, devices that come and go."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.commands.board import HIGHEST, LOWEST, Board
from studio.commands.crossfader import crossfader_of
from studio.commands.midi import Surface, Wish
from studio.commands.midi_bytes import Decoder, Event, messages, ticks
from studio.commands.midi_hub import Hub, same_device
from studio.commands.midi_map import Binding, Control, MidiMap, controllers, mackie, sound
from studio.commands.preferences import Preferences, load_preferences
from studio.commands.studio import Studio
from studio.errors import Unsupported
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.scene import Scene


class FakePort:
    def __init__(self, ports: FakePorts) -> None:
        self.ports, self.closed = ports, False

    def send(self, data: Sequence[int]) -> None:
        if self.ports.broken:
            raise Unsupported("gone")
        self.ports.sent.append(tuple(data))

    def close(self) -> None:
        self.closed = True


class FakePorts:
    """A machine with one device called "desk"; `plays` is its hand."""

    def __init__(self) -> None:
        self.names = ["desk"]
        self.sent: list[tuple[int, ...]] = []
        self.broken = False
        self.opened: list[str] = []
        self._heard: Callable[[Sequence[int]], None] | None = None

    def inputs(self) -> list[str]:
        if self.broken:
            raise Unsupported("This system's MIDI cannot be asked.")
        return list(self.names)

    outputs = inputs

    def open_input(self, name: str, heard: Callable[[Sequence[int]], None]) -> Any:
        self._heard = heard
        self.opened.append(name)
        return FakePort(self)

    def open_output(self, name: str) -> Any:
        return FakePort(self)

    def plays(self, *batch: Sequence[int]) -> None:
        assert self._heard is not None
        for data in batch:
            self._heard(data)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def studio() -> Studio:
    scene = Scene().add(*(Light(id=f"l{i}", name=f"Lamp {i}") for i in range(20)))
    return Studio(scene=scene)


class Rack:
    """A surface on a board, with what it sent."""

    def __init__(self, studio: Studio, *bindings: Binding, strips: int = 8) -> None:
        self.studio, self.clock, self.sent = studio, Clock(), list[tuple[int, ...]]()
        self.board = Board(studio)
        self.board.show = "all"
        self.learned: list[Binding] = []
        self.surface = Surface(
            studio,
            self.board,
            MidiMap(bindings=bindings, strips=strips),
            lambda data: self.sent.append(tuple(data)),
            self.clock,
            self.learned.append,
        )

    def play(self, *batch: Sequence[int], after: float = 1.0) -> None:
        self.clock.now += after
        self.surface.receive(batch)

    def stops(self, id_: str) -> float:
        return float(self.studio.posed.entities[id_].exposure)  # type: ignore[attr-defined]


def stops_at(raw: int, most: int = 127) -> float:
    return LOWEST + (HIGHEST - LOWEST) * raw / most


FADER = Binding(control=Control("cc", 0, 7), does="fader", strip=0, pickup=False)


# --- decoding --------------------------------------------------------------------------------------------------------
def test_notes_bends_and_controllers_are_told_apart() -> None:
    feed = Decoder().feed
    assert feed([0x92, 60, 100]) == [Event(Control("note", 2, 60), 100)]
    assert feed([0x82, 60, 0]) == [Event(Control("note", 2, 60), 0)]
    assert feed([0xE1, 0x7F, 0x7F]) == [Event(Control("pitch", 1), 16383)]
    assert feed([0xB0, 70, 5]) == [Event(Control("cc", 0, 70), 5)]


def test_fine_controllers_have_14_bits() -> None:
    feed = Decoder().feed
    assert Event(Control("cc14", 0, 7), 64 << 7 | 64) in feed([0xB0, 7, 64]), "coarse alone spans the whole range"
    assert feed([0xB0, 39, 3])[0] == Event(Control("cc14", 0, 7), 64 << 7 | 3)
    assert [e.control.kind for e in feed([0xB0, 7, 65])] == ["cc"], "from now on the fine half is waited for"
    assert feed([0xB0, 39, 0])[0] == Event(Control("cc14", 0, 7), 65 << 7)


def test_parameters_are_chosen_and_set() -> None:
    decoder = Decoder()
    out: list[Event] = []
    for data in messages(Control("nrpn", 3, 1000), 12345):
        out += decoder.feed(data)
    assert [e for e in out if e.control.kind == "nrpn"][-1] == Event(Control("nrpn", 3, 1000), 12345)
    assert decoder.feed([0xB3, 96, 1])[0] == Event(Control("nrpn", 3, 1000), 0, by=1)
    decoder.feed([0xB3, 101, 0])
    assert decoder.feed([0xB3, 6, 1])[0].control.kind == "cc", "a registered parameter ends it"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(-5, 300), max_size=5), max_size=40))
def test_no_bytes_break_the_decoder(stream: list[list[int]]) -> None:
    decoder = Decoder()
    for data in stream:
        for event in decoder.feed(data):
            assert 0 <= event.raw <= event.control.most


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["cc14", "pitch", "nrpn", "cc", "note"]), st.integers(0, 15), st.integers(0, 16383))
def test_what_is_sent_is_read_back(kind: str, channel: int, raw: int) -> None:
    control = Control(kind, channel, 0 if kind == "pitch" else 20)
    decoder, out = Decoder(), []
    for data in messages(control, min(raw, control.most)):
        out += decoder.feed(data)
    assert [e for e in out if e.control == control][-1].raw == min(raw, control.most)


def test_encoders_tick_in_three_dialects() -> None:
    assert [ticks(r, "twos") for r in (1, 5, 127, 120)] == [1, 5, -1, -8]
    assert [ticks(r, "offset") for r in (65, 64, 60)] == [1, 0, -4]
    assert [ticks(r, "sign") for r in (1, 65, 70)] == [1, -1, -6]


# --- moving ----------------------------------------------------------------------------------------------------------
def test_a_fader_spans_the_range_and_a_sweep_is_one_step(studio: Studio) -> None:
    rack = Rack(studio, FADER)
    rack.play([0xB0, 7, 0])
    assert rack.stops("l0") == LOWEST
    for raw in range(0, 128, 8):
        rack.play([0xB0, 7, raw], after=0.01)
    rack.play([0xB0, 7, 127], after=0.01)
    assert rack.stops("l0") == HIGHEST and len(studio.document.history[0]) == 1
    rack.play([0xB0, 7, 64], after=2.0)
    assert len(studio.document.history[0]) == 2


def test_a_burst_moves_once_to_its_last_place(studio: Studio) -> None:
    rack, changes = Rack(studio, FADER), []
    studio.watch(lambda update: changes.append(update.change))
    rack.play(*([0xB0, 7, raw] for raw in range(100)))
    assert len(changes) == 1 and rack.stops("l0") == pytest.approx(stops_at(99), abs=1e-5)


def test_a_fader_without_a_motor_picks_the_value_up(studio: Studio) -> None:
    rack = Rack(studio, msgspec.structs.replace(FADER, pickup=True))  # the value is 0 stops: at 79.4 of 127
    rack.play([0xB0, 7, 20])
    rack.play([0xB0, 7, 60], after=0.01)
    assert rack.stops("l0") == 0.0, "nothing jumps"
    rack.play([0xB0, 7, 90], after=0.01)
    assert rack.stops("l0") == pytest.approx(stops_at(90), abs=1e-5), "it passed the value"
    with studio.document.edit("Elsewhere") as edit:
        edit.replace("l0", exposure=-8.0)
    rack.play([0xB0, 7, 91], after=0.01)
    assert rack.stops("l0") == -8.0, "and lets go when the value went elsewhere"


def test_another_bank_is_picked_up_anew(studio: Studio) -> None:
    up = Binding(control=Control("note", 0, 47), does="bank_up")
    rack = Rack(studio, msgspec.structs.replace(FADER, pickup=True), up)
    rack.play([0xB0, 7, 79])
    rack.play([0xB0, 7, 100], after=0.01)
    rack.play([0x90, 47, 127], [0x90, 47, 0])
    rack.play([0xB0, 7, 101])
    assert rack.board.bank == 1 and rack.stops("l8") == 0.0 and rack.stops("l0") != 0.0


def test_pitch_bends_have_14_bits(studio: Studio) -> None:
    rack = Rack(studio, Binding(control=Control("pitch", 2), does="fader", strip=2, pickup=False))
    rack.play([0xE2, 0x7F, 0x3F])
    assert rack.stops("l2") == pytest.approx(stops_at(8191, 16383), abs=1e-5)


def test_an_encoder_moves_by_tenths_of_a_stop(studio: Studio) -> None:
    rack = Rack(studio, msgspec.structs.replace(FADER, takes="twos"))
    rack.play([0xB0, 7, 1], [0xB0, 7, 1], [0xB0, 7, 3])
    rack.play([0xB0, 7, 127], after=0.01)
    assert rack.stops("l0") == pytest.approx(0.4) and len(studio.document.history[0]) == 1


def test_switches_turn_on_the_press(studio: Studio) -> None:
    mute = Binding(control=Control("note", 0, 16), does="mute", strip=0)
    fixed = Binding(control=Control("cc", 0, 50), does="solo", id="l19")
    select = Binding(control=Control("note", 0, 24), does="select", strip=3)
    play = Binding(control=Control("note", 0, 94), does="play")
    rack = Rack(studio, mute, fixed, select, play)
    rack.play([0x90, 16, 127], [0x90, 16, 0], [0xB0, 50, 127], [0x90, 24, 127], [0x90, 94, 100])
    entities: Any = studio.scene.entities
    assert entities["l0"].muted and entities["l19"].solo and studio.selection == ("l3",) and studio.playing
    rack.play([0x90, 16, 127])
    entities = studio.scene.entities
    assert not entities["l0"].muted


def test_a_fader_of_an_empty_place_does_nothing(studio: Studio) -> None:
    rack = Rack(studio, msgspec.structs.replace(FADER, strip=7))
    rack.board.bank = 2
    rack.play([0xB0, 7, 10])
    assert studio.document.history == ((), ())


def test_the_crossfader_fades_a_rig() -> None:
    studio = Studio(scene=Scene().add(Group(id="rig", rig=True), Light(id="l", parent="rig", exposure=-4.0)))
    studio.run("rigs.store", name="A")
    with studio.document.edit("Brighter") as edit:
        edit.replace("l", exposure=4.0)
    studio.run("rigs.store", name="B")
    crossfader_of(studio).choose_rig("rig")
    rack = Rack(studio, Binding(control=Control("pitch", 8), does="crossfade", pickup=False))
    steps = len(studio.document.history[0])
    for raw in (20, 64, 96):
        rack.play([0xE8, 0, raw], after=0.05)
    assert rack.stops("l") == pytest.approx(-4.0 + 8.0 * (96 << 7) / 16383)
    assert len(studio.document.history[0]) == steps + 1


# --- answering -------------------------------------------------------------------------------------------------------
def test_motors_and_lamps_follow_the_scene_and_say_nothing_twice(studio: Studio) -> None:
    motor = Binding(control=Control("pitch", 0), does="fader", strip=0, pickup=False)
    lamp = Binding(control=Control("note", 0, 16), does="mute", strip=0)
    rack = Rack(studio, motor, lamp)
    rack.surface.refresh()
    assert (0x90, 16, 0) in rack.sent and len(rack.sent) == 2
    rack.sent.clear()
    rack.surface.refresh()
    assert rack.sent == []
    with studio.document.edit("Move") as edit:
        edit.replace("l0", exposure=HIGHEST, muted=True)
    rack.surface.refresh()
    assert rack.sent == [(0xE0, 0x7F, 0x7F), (0x90, 16, 127)]


def test_what_the_hand_does_is_not_sent_back_to_it(studio: Studio) -> None:
    motor = Binding(control=Control("pitch", 0), does="fader", strip=0, pickup=False)
    rack = Rack(studio, motor)
    rack.surface.refresh()
    rack.sent.clear()
    for raw in range(0, 16384, 997):
        rack.play([0xE0, raw & 127, raw >> 7], after=0.02)
    rack.clock.now += 10.0
    rack.surface.refresh()
    assert rack.sent == [], "every value comes back as the one that was heard: no loop"


def test_a_touched_fader_is_not_moved_until_it_is_let_go(studio: Studio) -> None:
    rack = Rack(studio, *mackie().bindings)
    rack.surface.refresh()
    rack.sent.clear()
    rack.play([0x90, 104, 127])
    with studio.document.edit("Move") as edit:
        edit.replace("l0", exposure=3.0)
    rack.clock.now += 5.0
    rack.surface.refresh()
    assert [m for m in rack.sent if m[0] == 0xE0] == []
    rack.play([0x90, 104, 0])
    assert len([m for m in rack.sent if m[0] == 0xE0]) == 1


# --- learning --------------------------------------------------------------------------------------------------------
def test_the_next_control_is_learned(studio: Studio) -> None:
    rack = Rack(studio)
    rack.surface.wish = Wish("mute", strip=4)
    rack.play([0xF8], [0x80, 20, 0], [0x90, 20, 90])
    assert rack.learned == [Binding(control=Control("note", 0, 20), does="mute", strip=4)]
    assert rack.surface.wish is None and studio.document.history == ((), ())


def test_a_fine_controller_is_learned_as_one(studio: Studio) -> None:
    rack = Rack(studio)
    rack.surface.wish = Wish("master")
    rack.play([0xB0, 7, 64], [0xB0, 39, 3])
    assert [b.control for b in rack.learned] == [Control("cc", 0, 7), Control("cc14", 0, 7)]


def test_a_parameter_is_learned_as_one(studio: Studio) -> None:
    rack = Rack(studio)
    rack.surface.wish = Wish("master")
    rack.play(*messages(Control("nrpn", 0, 300), 5000))
    assert rack.learned[-1].control == Control("nrpn", 0, 300)


def test_a_control_has_one_meaning_and_a_meaning_one_control() -> None:
    map_ = MidiMap().bound(FADER).bound(msgspec.structs.replace(FADER, does="master", strip=-1))
    assert [b.does for b in map_.bindings] == ["master"]
    moved = msgspec.structs.replace(map_.bindings[0], control=Control("pitch", 8))
    assert [b.control for b in map_.bound(moved).bindings] == [Control("pitch", 8)]


# --- preferences -----------------------------------------------------------------------------------------------------
def test_the_map_is_kept_as_readable_json(studio: Studio) -> None:
    studio.prefer(midi=msgspec.structs.replace(mackie(), input="X-Touch"))
    kept = load_preferences()
    assert kept.midi == studio.preferences.midi and kept.midi.input == "X-Touch"
    text = msgspec.json.encode(FADER).decode()
    assert text == '{"control":{"kind":"cc","channel":0,"number":7},"does":"fader","strip":0,"pickup":false}'


def test_a_map_that_was_broken_by_hand_loses_only_what_is_broken() -> None:
    bad = Binding(control=Control("gong", 99, -1), does="explode")
    assert sound(MidiMap(bindings=(bad, FADER), strips=0)) == MidiMap(bindings=(FADER,), strips=1)
    assert Preferences().midi == MidiMap() and len(controllers().bindings) == 26


# --- devices ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def hub(studio: Studio) -> Any:
    posted: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
    ports = FakePorts()
    studio.prefer(midi=MidiMap(input="desk", output="desk", bindings=(FADER,)))
    board = Board(studio)
    board.show = "all"
    made: Any = Hub(studio, board, ports, posted.put)
    made.ports, made.studio = ports, studio

    def settle() -> int:
        count = 0
        while not posted.empty():
            posted.get()()
            count += 1
        return count

    made.settle = settle
    return made


def test_a_device_is_opened_told_everything_and_heard(hub: Any) -> None:
    hub.check()
    assert hub.state == "open" and hub.ports.sent == [(0xB0, 7, 79)]
    hub.ports.plays([0xB0, 7, 10], [0xB0, 7, 127])
    assert hub.settle() == 1, "one call for whatever waits"
    assert hub.studio.posed.entities["l0"].exposure == HIGHEST


def test_a_device_that_goes_is_told_once_and_taken_up_again(hub: Any) -> None:
    hub.check()
    hub.ports.names = []
    for _ in range(3):
        hub.check()
    assert hub.state == "missing"
    assert [text for _, text in hub.studio.face.notices] == [
        "The MIDI surface desk is gone; it is taken up again when it comes back."
    ]
    hub.ports.names = ["desk 28:0"]
    hub.check()
    assert hub.state == "open" and hub.ports.opened == ["desk", "desk 28:0"]
    assert hub.studio.face.notices[-1] == ("info", "The MIDI surface desk 28:0 is back.")


def test_a_port_that_breaks_while_sending_is_a_device_that_goes(hub: Any) -> None:
    hub.check()
    hub.ports.broken = True
    with hub.studio.document.edit("Move") as edit:
        edit.replace("l0", exposure=2.0)
    assert hub.state == "missing" and len(hub.studio.face.notices) == 1
    hub.check()
    assert len(hub.studio.face.notices) == 1
    hub.ports.broken = False
    hub.check()
    assert hub.state == "open"


def test_after_the_end_nothing_is_heard(hub: Any) -> None:
    hub.check()
    hub.ports.plays([0xB0, 7, 10])
    hub.close()
    hub.settle()
    assert hub.studio.posed.entities["l0"].exposure == 0.0


def test_names_of_one_device_may_be_numbered_anew() -> None:
    assert same_device("nano:nano MIDI 1 24:0", "nano:nano MIDI 1 28:0")
    assert not same_device("nano:nano MIDI 1 24:0", "nano:nano MIDI 2 24:0")


def test_a_virtual_port_moves_a_fader(studio: Studio) -> None:
    """Through RtMidi and the system: a port of our own is opened by the hub as a device would be."""
    pytest.importorskip("mido", reason="the extra myriad-studio[midi] is not installed")
    pytest.importorskip("rtmidi", reason="the extra myriad-studio[midi] is not installed")
    from studio.commands.midi_ports import MidoPorts

    try:
        device = MidoPorts(virtual=True).open_output("myriad test desk")
    except Unsupported as fault:
        pytest.skip(f"this system has no MIDI to make a virtual port with: {fault}")
    ports = MidoPorts()
    (name,) = [n for n in ports.inputs() if "myriad test desk" in n]
    studio.prefer(midi=MidiMap(input=name, bindings=(FADER,)))
    posted: queue.Queue[Callable[[], object]] = queue.Queue()
    board = Board(studio)
    board.show = "all"
    hub = Hub(studio, board, ports, posted.put)
    hub.check()
    assert hub.state == "open"
    device.send([0xB0, 7, 127])
    posted.get(timeout=20)()
    hub.close()
    device.close()
    assert studio.posed.entities["l0"].exposure == HIGHEST  # type: ignore[attr-defined]
