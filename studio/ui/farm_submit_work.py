"""Errands: work that takes seconds or minutes, on a thread of its own, with news on the way and an end that can be
asked for. Values come back by the window's bridge; an errand whose asker is gone is heard by nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from studio.commands.studio import Studio
from studio.ui.bridge import Bridge

T = TypeVar("T")
_LEAVE_S = 20.0  # for a thread to come to its end when the studio is left


class Errand(Generic[T]):
    """One piece of work. `work` is given the errand: it asks `stopped` and tells `news`, of which the window hears the
    newest; `then` gets what it gives, `failed` what it raises."""

    def __init__(
        self,
        bridge: Bridge,
        work: Callable[[Errand[T]], T],
        *,
        then: Callable[[T], object],
        failed: Callable[[Exception], object],
        heard: Callable[[object], object] = lambda news: None,
    ) -> None:
        self._bridge, self._work = bridge, work
        self._then, self._failed, self._heard = then, failed, heard
        self._stop = threading.Event()
        self._alone = False
        self._lock = threading.Lock()
        self._news: list[object] = []
        self.thread = threading.Thread(target=self._run, name="studio-farm-errand", daemon=True)

    def stop(self, *, quietly: bool = False) -> None:
        """Ask for its end; `quietly`: nobody wants to hear of it any more."""
        self._alone = self._alone or quietly
        self._stop.set()

    def stopped(self) -> str:
        """Why it is to end; "" while it is not."""
        return "stopped" if self._stop.is_set() else ""

    def tell(self, news: object) -> None:
        """Tell how far it is, from its thread. What the window has not heard yet is replaced."""
        with self._lock:
            waiting = bool(self._news)
            self._news[:] = [news]
        if not waiting:
            self._bridge.post(self._pass_on)

    def _pass_on(self) -> None:
        with self._lock:
            news, self._news = self._news, []
        if news and not self._alone:
            self._heard(news[0])

    def _run(self) -> None:
        try:
            found = self._work(self)
        except Exception as fault:  # handed to the window's thread, which tells it
            caught = fault
            self._bridge.post(lambda: self._end(lambda: self._failed(caught)))
        else:
            self._bridge.post(lambda: self._end(lambda: self._then(found)))

    def _end(self, tell: Callable[[], object]) -> None:
        if not self._alone:
            tell()


class Errands:
    """The errands of a studio; they end with it."""

    def __init__(self, studio: Studio) -> None:
        self._running: list[Errand[object]] = []
        studio.at_end(self.close)

    def begin(self, errand: Errand[T]) -> Errand[T]:
        """Start an errand."""
        self._running = [each for each in self._running if each.thread.is_alive()]
        self._running.append(errand)  # type: ignore[arg-type]  # only its end is asked of it
        errand.thread.start()
        return errand

    def close(self) -> None:
        """Ask all of them to end, and wait for it."""
        for errand in self._running:
            errand.stop(quietly=True)
        for errand in self._running:
            errand.thread.join(_LEAVE_S)


def errands_of(studio: Studio) -> Errands:
    """The studio's errands."""
    return studio.own(Errands, studio)
