"""What has a performance go on: a timer that runs only while somebody acts, and how late the picture is.

Asleep, nothing of it runs; the thread that hears a packet posts one call, and the timer ticks until all is at rest
again. A studio has one clock for all of its windows, made when a device is opened first or a panel asks for it.

Late is measured from the arrival of a packet to the end of the viewport's first draw of it, with what is waited on
purpose for uneven frames. What the screen itself adds cannot be seen from here.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Signal

from studio.commands.performance_desk import performance_of
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.ui.bridge import Bridge

_TICK_MS = 16
_MEASURED = 120  # frames
_UNSEEN_S = 2.0  # after which nobody draws: the window is hidden


class PerformanceClock(QObject):
    """See the module. `ticked` comes with every tick."""

    ticked = Signal()

    def __init__(self, studio: Studio, bridge: Bridge) -> None:
        super().__init__()
        self._studio, self._bridge = studio, bridge
        self.desk = performance_of(studio)
        self._asleep = True
        self._closed = False
        self._newest: dict[str, float] = {}  # when the newest frame of a device came that a tick has seen
        self._undrawn: tuple[float, float] | None = None  # when a frame came that is not drawn yet, and its wait
        self._late: deque[float] = deque(maxlen=_MEASURED)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self.desk.hub.stirred = self._stirred
        self._forget = self.desk.watch(lambda what: self.wake())
        self.wake()

    @property
    def running(self) -> bool:
        """Whether the timer runs."""
        return self._timer.isActive()

    def late_ms(self) -> tuple[float, float] | None:
        """The median and the 95th percentile of the last packets' way to the picture; None before there was one."""
        if not self._late:
            return None
        half, most = np.percentile(np.array(self._late) * 1e3, (50.0, 95.0)).tolist()
        return half, most

    def wake(self) -> None:
        """Tick from now on, until all is at rest."""
        if not self._closed and not self._timer.isActive():
            self._asleep = False
            self._timer.start()

    def _stirred(self) -> None:
        """A packet came, on the thread that heard it."""
        if self._asleep:
            self._asleep = False
            self._bridge.post(self.wake)

    def _tick(self) -> None:
        hub = self.desk.hub
        moved = self.desk.tick()
        for key, found in hub.listening.items():
            newest = found.face.raw[-1].time if found.face.raw else None
            if newest is not None and newest != self._newest.get(key):
                self._newest[key] = newest
                if moved and found.figure and self._undrawn is None:
                    self._undrawn = (newest, found.face.delay_s)
        if self._undrawn is not None and hub.clock() - self._undrawn[0] > _UNSEEN_S:
            self._undrawn = None
        self.ticked.emit()
        if not self.desk.busy:
            self._timer.stop()
            self._undrawn = None
            self._asleep = True
            if any(found.receiver.waiting for found in hub.listening.values()):
                self.wake()  # a frame came between the tick and falling asleep

    def drawn(self) -> None:
        """A viewport was drawn."""
        if self._undrawn is not None:
            (came, wait), self._undrawn = self._undrawn, None
            self._late.append(self.desk.hub.clock() - came + wait)

    def close(self) -> None:
        """Close all devices; what is being recorded is kept."""
        if self._closed:
            return
        self._closed = True
        self._timer.stop()
        self._forget()
        self.desk.hub.stirred = None
        try:
            self.desk.hub.close()
        except StudioError as fault:  # the disk is full: the window goes all the same, and the log tells
            self._studio.face.notify(str(fault), kind="error")


def clock_of(studio: Studio, bridge: Bridge) -> PerformanceClock:
    """The performance clock of a studio."""
    return studio.own(PerformanceClock, studio, bridge)
