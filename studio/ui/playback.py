"""Playback: who moves the frame while the studio plays.

A `Clock` says which frame a moment shows, from the time that has gone by, so a slow machine drops frames and stays in
time; told to show every frame it never runs ahead of the rate and drops none. It is a value with injected time: the
sound's thread asks the same clock which part of the sound belongs to a moment, and tests ask it without waiting.

`Playback` is the one place that asks it in the running window. It looks when the next frame is due, and moves
`Studio.frame` only when what is on the screen has drawn the last one, so frames are dropped and never queue up.
While a sound plays its device tells the time: eyes forgive a dropped frame, ears no gap.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from studio.commands.studio import Studio, Update

if TYPE_CHECKING:
    from studio.ui.audio_track import AudioTrack

_RATE_S = 2.0  # the true rate is that of so many seconds
_WAIT_S = 1.0  # longest wait for a picture; a window that is covered draws none
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Clock:
    """From `frame` at the time `begun_s` on, over the frames `first` to `last`, each shown for a whole frame's time."""

    begun_s: float
    frame: float
    first: float
    last: float
    fps: float
    mode: str = "loop"

    @property
    def _span(self) -> float:
        return max(self.last - self.first, 0.0)

    def _way(self, now: float) -> float:
        """Frames since `first`, unfolded."""
        return max(now - self.begun_s, 0.0) * self.fps + (min(max(self.frame, self.first), self.last) - self.first)

    def position(self, now: float) -> float:
        """Where in the range it stands, parts of frames included; a loop is a frame longer than its last frame."""
        way = self._way(now)
        if self.mode == "loop":
            way = math.fmod(way + _TINY, self._span + 1.0) - _TINY
        elif self.mode == "pingpong" and self._span > 0.0:
            way = math.fmod(way + _TINY, 2.0 * self._span) - _TINY
            way = way if way <= self._span + _TINY else 2.0 * self._span - way
        return self.first + min(max(way, 0.0), self._span + (1.0 - _TINY))

    def shown(self, now: float) -> float:
        """The frame to show: as many whole frames from the first one as have begun."""
        way = self._way(now)
        whole = math.floor(way + _TINY)
        steps = math.floor(self._span + _TINY)
        if self.mode == "loop":
            whole %= steps + 1
        elif self.mode == "pingpong" and steps:
            whole %= 2 * steps
            whole = whole if whole <= steps else 2 * steps - whole
        return self.first + min(whole, steps)

    def forward(self, now: float) -> bool:
        """Whether it runs forward then; sound is heard only forward."""
        if self.mode != "pingpong" or self._span <= 0.0:
            return True
        return math.fmod(self._way(now), 2.0 * self._span) < self._span

    def number(self, now: float) -> int:
        """How many frames have begun since the start."""
        return math.floor(self._way(now) + _TINY)

    def due_s(self, now: float) -> float:
        """When the next frame begins."""
        at_start = self._way(self.begun_s)
        return self.begun_s + (self.number(now) + 1 - at_start) / self.fps

    def ended(self, now: float) -> bool:
        """Whether the last frame has been shown for its whole time, in the mode "once"."""
        return self.mode == "once" and self._way(now) >= self._span + 1.0 - _TINY


class Player:
    """Shows frames by a clock: `tick` gives the frame to show or None. Counts what was shown and what was dropped."""

    def __init__(self, clock: Clock, *, every: bool = False) -> None:
        self.clock, self.every = clock, every
        self.dropped = 0
        self.ended = False
        self._number = clock.number(clock.begun_s)
        self._shown: deque[float] = deque([clock.begun_s])

    def tick(self, now: float) -> float | None:
        """The frame to show at this time, None when the present one stays; sets `ended` when there is no next."""
        if self.clock.ended(now) and not self.every:
            self.ended = True
            return self.clock.last if self.clock.number(now) > self._number else None
        number = self.clock.number(now)
        if number <= self._number:
            return None
        if self.every:
            if number > self._number + 1:  # time waits for the frame
                late = (number - self._number - 1) / self.clock.fps
                self.clock = replace(self.clock, begun_s=self.clock.begun_s + late)
            if self.clock.ended(now):
                self.ended = True
                return None
        else:
            self.dropped += number - self._number - 1
        self._number = self.clock.number(now)
        self._shown.append(now)
        while len(self._shown) > 2 and now - self._shown[0] > _RATE_S:
            self._shown.popleft()
        return self.clock.shown(now)

    def rate(self) -> float:
        """Frames a second that were really shown lately; 0 before there are two."""
        if len(self._shown) < 2 or self._shown[-1] <= self._shown[0]:
            return 0.0
        return (len(self._shown) - 1) / (self._shown[-1] - self._shown[0])


def played_range(studio: Studio) -> tuple[float, float]:
    """First and last frame of playback: the preview range where there is one, else the scene's."""
    scene = studio.scene
    first, last = scene.timeline.preview or (scene.frame_start, scene.frame_end)
    return first, max(first, last)


class Playback(QObject):
    """Moves a studio's frame while it plays. `told` is emitted when rate or dropped frames changed."""

    told = Signal()

    def __init__(
        self,
        studio: Studio,
        *,
        waits: Callable[[], bool] = lambda: False,
        sound: AudioTrack | None = None,
        now: Callable[[], float] = time.perf_counter,
        parent: QObject | None = None,
    ) -> None:
        """`waits` says whether something on the screen has not drawn the present frame yet."""
        super().__init__(parent)
        self._studio, self._waits, self._sound, self._now = studio, waits, sound, now
        self._player: Player | None = None
        self._moving = False
        self._asked_s = 0.0
        self._timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._forget = studio.watch(self._heard)

    def close(self) -> None:
        """Stop, and listen no more."""
        self._forget()
        self._stop()

    @property
    def player(self) -> Player | None:
        """What plays now."""
        return self._player

    def _time(self) -> float:
        heard = self._sound.seconds() if self._sound is not None else None
        return self._now() if heard is None else heard

    def _heard(self, update: Update) -> None:
        if "playing" in update.parts:
            if self._studio.playing:
                self._begin(wrap=True)
            else:
                self._stop()
        elif self._player is not None:
            moved = "frame" in update.parts and not self._moving  # by somebody else: play on from there
            change = update.change
            other = change is not None and (
                change.before.fps != change.after.fps
                or change.before.timeline is not change.after.timeline
                or (change.before.frame_start, change.before.frame_end)
                != (change.after.frame_start, change.after.frame_end)
            )
            if "path" in update.parts:
                self._studio.playing = False
            elif moved or other or ("preferences" in update.parts and self._differs()):
                self._begin()

    def _differs(self) -> bool:
        preferences, player = self._studio.preferences, self._player
        return player is not None and (
            (player.clock.mode, player.every) != (preferences.playback_loop, preferences.play_every_frame)
            or (self._sound is not None and self._sound.stale())
        )

    def _begin(self, *, wrap: bool = False) -> None:
        """Play from the present frame; what was counted of a playback that goes on is kept."""
        studio, preferences = self._studio, self._studio.preferences
        first, last = played_range(studio)
        frame = studio.frame
        if not first <= frame <= last or (wrap and preferences.playback_loop == "once" and frame >= last):
            frame = first
        clock = Clock(0.0, frame, first, last, max(studio.scene.fps, 1e-3), preferences.playback_loop)
        if self._sound is not None:
            self._sound.begin(clock, heard=not preferences.play_every_frame)
        clock = replace(clock, begun_s=self._time())
        if self._sound is not None:
            self._sound.follow(clock)
        dropped = self._player.dropped if self._player is not None else 0
        self._player = Player(clock, every=preferences.play_every_frame)
        self._player.dropped = dropped
        self._show(clock.shown(clock.begun_s))
        self._wait()
        self.told.emit()

    def _stop(self) -> None:
        self._timer.stop()
        if self._sound is not None:
            self._sound.stop()
        self._player = None
        self.told.emit()

    def _show(self, frame: float) -> None:
        self._moving = True
        try:
            self._studio.frame = frame
        finally:
            self._moving = False
        self._asked_s = self._now()

    def tick(self) -> None:
        """Show the frame that is due, if what is on the screen has drawn the last one."""
        player = self._player
        if player is None:
            return
        if self._waits() and self._now() - self._asked_s < _WAIT_S:
            self._timer.start(2)
            return
        frame = player.tick(self._time())
        if frame is not None:
            self._show(frame)
            self.told.emit()
        if player.ended:
            self._studio.playing = False
        elif self._player is player:
            self._wait()

    def _wait(self) -> None:
        if self._player is not None:
            now = self._time()
            self._timer.start(max(1, math.ceil((self._player.clock.due_s(now) - now) * 1000.0)))
