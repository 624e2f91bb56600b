"""A studio's performance in hand: which device is meant, counting in, a take that plays on a figure, the rehearsal.

The hub of capture knows devices and takes; this knows what a person does with them just now, and no window. Whoever
draws calls `tick` sixty times a second as long as `busy` says so, and not at all otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.commands.capture import hub_of, perform
from studio.commands.studio import Studio, Update
from studio.commands.watching import Desk
from studio.scene.entities import Id

if TYPE_CHECKING:
    from studio.figure.capture.hub import CaptureHub
    from studio.figure.capture.playback import PosedTake
    from studio.figure.capture.rehearsal import Rehearsal

_ACTING = ("live", "held", "easing")
_LINGER_S = 0.5  # that is ticked on after a packet, so that what it did to the counters is seen


@dataclass(slots=True)
class Counting:
    """A countdown: the command that is given at its end, by then."""

    command: str
    arguments: dict[str, object]
    ends: float


@dataclass(slots=True)
class Playing:
    """A take on a figure: at `at` seconds, running since `since` on the hub's clock, or standing (None)."""

    path: Path
    posed: PosedTake
    figure: Id
    at: float
    since: float | None = None


class PerformanceDesk(Desk[str]):
    """See the module. A studio has one: `performance_of(studio)`. It tells "hub", "count" or "take" when one of
    them is another."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.hub: CaptureHub = hub_of(studio)
        self.counting: Counting | None = None
        self.playing: Playing | None = None
        self._chosen = ""
        self._rehearsal: Rehearsal | None = None
        self._rehearsed = ""
        self._heard = float("-inf")
        self._packets = 0
        self.hub.watch(self._changed)
        studio.watch(self._updated)

    def _changed(self) -> None:
        if self._rehearsal is not None and self._rehearsed not in self.hub.listening:
            rehearsal, self._rehearsal, self._rehearsed = self._rehearsal, None, ""
            rehearsal.close()
        if self.counting is not None and not self.hub.listening:
            self.counting = None
        self.tell("hub")

    def _updated(self, update: Update) -> None:
        if self.playing is not None and (
            "path" in update.parts or self.playing.figure not in self.studio.scene.entities
        ):
            self.put_away()
        if "path" in update.parts:
            self.tell("hub")

    # --- devices -----------------------------------------------------------------------------------------------------
    @property
    def device(self) -> str:
        """The key of the device that is meant, "" while none is open."""
        there = self.hub.listening
        return self._chosen if self._chosen in there else next(reversed(there), "")

    def choose(self, key: str) -> None:
        """Mean another device."""
        if key in self.hub.listening and key != self._chosen:
            self._chosen = key
            self.tell("hub")

    @property
    def rehearsing(self) -> str:
        """The key of the device that the demo performance speaks to, "" while there is none."""
        return self._rehearsed

    def rehearse(self, figure: Id = "") -> str:
        """Open a port on loopback and have an actor made by code send to it; gives the device's key."""
        from studio.figure.capture.rehearsal import Rehearsal
        from studio.figure.capture.sources import LIVE_LINK, LOOPBACK, Source

        if not self._rehearsed:
            key = self.hub.open(Source(kind=LIVE_LINK, host=LOOPBACK, port=0), figure=figure)
            self._rehearsal = Rehearsal(self.hub.listening[key].receiver.address[1])
            self._rehearsed = self._chosen = key
            self.hub.tell()
        return self._rehearsed

    # --- counting in -------------------------------------------------------------------------------------------------
    def count_in(self, seconds: float, command: str, **arguments: object) -> None:
        """Give a command in so many seconds; at once for none."""
        if seconds <= 0.0:
            self.studio.attempt(command, **arguments)
            return
        self.counting = Counting(command, arguments, self.hub.clock() + seconds)
        self.tell("count")

    def cancel(self) -> None:
        """Count no more."""
        if self.counting is not None:
            self.counting = None
            self.tell("count")

    # --- takes on a figure -------------------------------------------------------------------------------------------
    def show(self, path: Path, posed: PosedTake, figure: Id, at: float | None = None) -> None:
        """Put a take on a figure, standing at a moment, by default where its trim begins."""
        if self.playing is not None:
            self.put_away()
        self.playing = Playing(path, posed, figure, posed.take.inside[0] if at is None else at)
        self._pose()
        self.tell("take")

    def play(self, *, on: bool = True) -> None:
        """Have the take run, from its beginning when it stands at its end, or stand."""
        playing = self.playing
        if playing is None or (playing.since is not None) == on:
            return
        first, last = playing.posed.take.inside
        if on and playing.at >= last - 1e-3:
            playing.at = first
        playing.since = self.hub.clock() - playing.at if on else None
        self.tell("take")

    def seek(self, at: float) -> None:
        """Go to a moment of the take."""
        playing = self.playing
        if playing is not None:
            playing.at = min(max(at, 0.0), playing.posed.take.seconds)
            playing.since = None if playing.since is None else self.hub.clock() - playing.at
            self._pose()
            self.tell("take")

    def put_away(self) -> None:
        """Let the figure go: the scene says again what it does."""
        playing, self.playing = self.playing, None
        if playing is not None:
            self.hub.wearing.poses.pop(playing.figure, None)
            perform(self.studio)
            self.tell("take")

    def _pose(self) -> None:
        playing = self.playing
        assert playing is not None
        wearing = self.hub.wearing
        wearing.poses[playing.figure] = playing.posed.at(playing.at, time=self.hub.clock())
        if self.studio.performance is wearing:
            self.studio.tell("performance")
        else:
            self.studio.performance = wearing

    # --- time --------------------------------------------------------------------------------------------------------
    @property
    def busy(self) -> bool:
        """Whether anything moves by itself: a face acts, a recording or a countdown runs, a take plays."""
        if self.counting is not None or self.hub.recording:
            return True
        if self.playing is not None and self.playing.since is not None:
            return True
        return any(status.state in _ACTING for status in self.hub.statuses()) or (
            self.hub.clock() - self._heard < _LINGER_S
        )

    def tick(self) -> bool:
        """Let time pass; whether a device moved a figure."""
        now = self.hub.clock()
        packets = sum(found.receiver.counters.packets for found in self.hub.listening.values())
        if packets != self._packets:
            self._packets, self._heard = packets, now
        moved = perform(self.studio)
        playing = self.playing
        if playing is not None and playing.since is not None:
            last = playing.posed.take.inside[1]
            playing.at = min(now - playing.since, last)
            if playing.at >= last:
                playing.since = None
            self.tell("take")
        if playing is not None:
            self._pose_if_other(playing)
        counting = self.counting
        if counting is not None and now >= counting.ends:
            self.counting = None
            self.tell("count")
            self.studio.attempt(counting.command, **counting.arguments)
        return moved

    def _pose_if_other(self, playing: Playing) -> None:
        """A take that is looked at comes before a device that moves the same figure."""
        worn = self.hub.wearing.poses.get(playing.figure)
        wanted = playing.posed.at(playing.at)
        if worn is None or worn.head_deg != wanted.head_deg or (worn.weights != wanted.weights).any():
            self._pose()


def performance_of(studio: Studio) -> PerformanceDesk:
    """The performance desk of a studio."""
    return studio.own(PerformanceDesk, studio)
