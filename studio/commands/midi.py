"""A MIDI surface and the board: what the device sends moves faders, what the scene does moves motors and lamps.

`Surface` gives controls meaning by a `MidiMap`; `midi_bytes` reads and writes messages, `midi_hub` keeps the device
open. None of them knows Qt or a MIDI library.

Three things keep a surface and a scene from fighting. A fader without a motor moves nothing until it has passed the
value that it is for (pick-up). What the device is known to show is not sent again, so an echo ends at once. And a
control is told nothing while a hand is on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from studio.commands.board import HIGHEST, LOWEST, MASTER, Board, Fader, new_token
from studio.commands.crossfader import crossfader_of
from studio.commands.midi_bytes import Decoder, Event, messages, ticks
from studio.commands.midi_map import FADERS, Binding, Control, MidiMap, sound
from studio.commands.studio import Studio
from studio.scene.entities import Id

GESTURE_S = 0.6  # without a message for this long, the next one begins another step of the history
HELD_S = 0.4  # a control that was moved is told nothing for this long
TICK = 0.1  # stops of an encoder's tick
_COARSE, _FINE = 2.0 / 127.0, 4.0 / 16383.0  # how near a fader must come to pick up


@dataclass(slots=True)
class _Hand:
    """What is known of a fader in a hand: where it was, whether it moves the value, its gesture."""

    id: Id = ""
    last: float | None = None
    caught: bool = False
    put: float = -1.0  # where it left the value
    fader: Fader | None = None
    ticks: float = 0.0
    token: str = ""
    heard: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be learned: the next control that is moved does this."""

    does: str
    strip: int = -1
    id: Id = ""


@dataclass(slots=True)
class Surface:
    """A device's controls on a board. `send` takes the bytes of a message; `clock` gives seconds."""

    studio: Studio
    board: Board
    map: MidiMap
    send: Callable[[Sequence[int]], None]
    clock: Callable[[], float] = time.monotonic
    learned: Callable[[Binding], None] = lambda binding: None
    wish: Wish | None = None
    _decoder: Decoder = field(default_factory=Decoder)
    _hands: dict[Control, _Hand] = field(default_factory=dict)
    _known: dict[Control, int] = field(default_factory=dict)
    _moved: dict[Control, float] = field(default_factory=dict)
    _touched: set[int] = field(default_factory=set)
    _taught: tuple[Control, Wish, float] | None = None
    _bound: dict[Control, Binding] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.use(self.map)

    def use(self, map_: MidiMap) -> None:
        """Work by another map from now on."""
        self.map = sound(map_)
        self._bound = {b.control: b for b in self.map.bindings}
        self._hands.clear()
        self.board.bank_size = self.map.strips

    # --- from the device ---------------------------------------------------------------------------------------------
    def receive(self, batch: Sequence[Sequence[int]]) -> None:
        """Act on messages. Of those that move one control to a place, only the last one of a run is acted on, so that
        a fader that is faster than the scene never lags behind."""
        events: list[Event] = []
        for data in batch:
            for event in self._decoder.feed(data):
                binding = self._bound.get(event.control)
                known = binding is not None and binding.does in FADERS and binding.takes == "absolute"
                if known and events and events[-1].control == event.control and not event.by:
                    events.pop()
                if binding is not None or self.wish is not None or self._taught is not None:
                    events.append(event)
        for event in events:
            if not self._learn(event):
                binding = self._bound.get(event.control)
                if binding is not None:
                    self._act(binding, event)
        self.refresh()

    def _learn(self, event: Event) -> bool:
        """Whether an event was taken to be learned. A coarse controller becomes a fine one when its fine half comes."""
        if self._taught is not None:
            control, wish, when = self._taught
            fine = event.control.kind == "cc14" and control == Control(
                "cc", event.control.channel, event.control.number
            )
            if self.clock() - when > HELD_S:
                self._taught = None
            elif fine and event.raw & 127 != event.raw >> 7:
                self._taught = None
                self._teach(event.control, wish)
                return True
            elif event.control == Control("cc", control.channel, control.number + 32):
                return True  # the fine half itself
        if self.wish is None:
            return False
        if event.control.kind == "cc14" or (event.raw == 0 and event.control.kind == "note"):
            return True  # a release; what is fine is learned from its coarse half
        wish, self.wish = self.wish, None
        self._teach(event.control, wish)
        coarse = event.control.kind == "cc" and event.control.number < 32
        self._taught = (event.control, wish, self.clock()) if coarse else None
        return True

    def _teach(self, control: Control, wish: Wish) -> None:
        self.learned(Binding(control=control, does=wish.does, strip=wish.strip, id=wish.id))

    def target(self, binding: Binding) -> Id:
        """The strip that a binding is for now, "" for none; "master" for the master."""
        if binding.does == "master":
            return MASTER
        return binding.id if binding.id else self.board.at(binding.strip)

    def _act(self, binding: Binding, event: Event) -> None:
        self._known[event.control] = event.raw
        self._moved[event.control] = self.clock()
        if binding.does == "touch":
            (self._touched.add if event.raw else self._touched.discard)(binding.strip)
        elif binding.does in FADERS:
            self._fade(binding, event)
        elif event.raw * 2 > event.control.most:
            self._press(binding)
        else:
            self._moved.pop(event.control, None)  # let go: its lamp says what is true now

    def _press(self, binding: Binding) -> None:
        board, studio, id_ = self.board, self.studio, self.target(binding)
        if binding.does in ("mute", "solo"):
            if id_:
                board.turn([id_], "muted" if binding.does == "mute" else "solo")
        elif binding.does == "select":
            if id_:
                chosen = studio.selection
                studio.select([i for i in chosen if i != id_] if id_ in chosen else [*chosen, id_])
        elif binding.does in ("bank_up", "bank_down"):
            board.bank += 1 if binding.does == "bank_up" else -1
        elif binding.does in ("play", "stop"):
            studio.playing = binding.does == "play"
        else:
            board.clear("muted" if binding.does == "unmute_all" else "solo")

    def place(self, binding: Binding) -> float | None:
        """Where a fader's value is, 0 to 1; None where it has none now."""
        if binding.does == "crossfade":
            return crossfader_of(self.studio).share
        id_ = self.target(binding)
        if not id_:
            return None
        return min(max((self.board.value(id_) - LOWEST) / (HIGHEST - LOWEST), 0.0), 1.0)

    def _fade(self, binding: Binding, event: Event) -> None:
        now, at = self.clock(), self.place(binding)
        id_ = "" if binding.does == "crossfade" else self.target(binding)
        if at is None:
            return
        hand = self._hands.setdefault(event.control, _Hand())
        if hand.id != id_:
            self._hands[event.control] = hand = _Hand(id=id_)
        if now - hand.heard > GESTURE_S:
            hand.fader, hand.ticks, hand.token = None, 0.0, new_token()
        hand.heard = now
        if event.by or binding.takes != "absolute":
            self._turn(hand, id_, event.by or ticks(event.raw, binding.takes))
            return
        value = event.raw / event.control.most
        if self._picks_up(hand, binding, value, at, event.control.most):
            self._put(hand, id_, value)
        hand.last = value

    def _picks_up(self, hand: _Hand, binding: Binding, value: float, at: float, most: int) -> bool:
        """Whether a fader moves its value: always with a motor, else once it has come to it."""
        if not binding.pickup:
            return True
        if hand.caught and abs(at - hand.put) > 1e-4:
            hand.caught = False  # moved from elsewhere meanwhile
        if not hand.caught:
            near = abs(value - at) <= (_COARSE if most == 127 else _FINE)
            passed = hand.last is not None and (hand.last - at) * (value - at) <= 0.0
            hand.caught = near or passed
        return hand.caught

    def _turn(self, hand: _Hand, id_: Id, by: int) -> None:
        if not id_:
            fader = crossfader_of(self.studio)
            fader.go(fader.share + by / 100.0, token=hand.token)
            return
        hand.fader = hand.fader or self.board.grab([id_])
        hand.ticks += by
        self.board.move(hand.fader, hand.ticks * TICK)

    def _put(self, hand: _Hand, id_: Id, value: float) -> None:
        hand.put = value
        if not id_:
            crossfader_of(self.studio).go(value, token=hand.token)
            return
        hand.fader = hand.fader or self.board.grab([id_])
        self.board.set_value(id_, LOWEST + (HIGHEST - LOWEST) * value, fader=hand.fader)

    # --- to the device -----------------------------------------------------------------------------------------------
    def wanted(self, binding: Binding) -> int | None:
        """The value that a control should show, None where it shows nothing."""
        most = binding.control.most
        if binding.does in FADERS:
            at = self.place(binding)
            return 0 if at is None else round(at * most)
        board, on = self.board, False
        if binding.does in ("mute", "solo", "select"):
            id_ = self.target(binding)
            entity = board.entity(id_) if id_ else None
            name = "muted" if binding.does == "mute" else "solo"
            on = id_ in self.studio.selection if binding.does == "select" else bool(getattr(entity, name, False))
        elif binding.does in ("unmute_all", "clear_solo"):
            on = board.any_on("muted" if binding.does == "unmute_all" else "solo")
        elif binding.does == "play":
            on = self.studio.playing
        elif binding.does == "touch" or binding.takes != "absolute":
            return None
        return most if on else 0

    def refresh(self, *, everything: bool = False) -> None:
        """Tell the device what it does not show yet, but for controls that are in a hand."""
        now = self.clock()
        for binding in self.map.bindings:
            control = binding.control
            if not binding.feedback or binding.does == "touch":
                continue
            held = binding.does in FADERS and (
                binding.strip in self._touched or now - self._moved.get(control, float("-inf")) < HELD_S
            )
            if held and not everything:
                continue
            raw = self.wanted(binding)
            if raw is not None and (everything or self._known.get(control) != raw):
                self._known[control] = raw
                for data in messages(control, raw):
                    self.send(data)
