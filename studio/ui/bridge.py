"""The way back into the window: work runs on threads, and only values come back, posted to the window's thread.

    bridge.run(lambda: load_scene(path), then=show, failed=tell)

A thread never touches a widget, the document or the GL device. What it finds it returns, and `then` is called with it
by the window's own event loop. `post` is the one door for threads that the bridge did not start (the live render, a
watcher); it may be called from any thread at any time, also after the window closed, when it does nothing. A program
that ends closes that door first: a thread that emits a signal while the interpreter ends would take it down.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

T = TypeVar("T")
_THREADS = 2  # decoding a file is one core's work; the render has the others


class Bridge(QObject):
    """Posts calls to the thread that it was made on, and runs work beside it."""

    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = False
        self._pool: ThreadPoolExecutor | None = None
        self._running = 0  # works whose end was not told yet
        self._guard = threading.Lock()
        self._posted.connect(self._call, Qt.ConnectionType.QueuedConnection)
        _bridges.add(self)

    def post(self, call: Callable[[], object]) -> None:
        """Have the window's thread call this soon. From any thread; after `close` nothing happens."""
        with self._guard:
            if not self._closed:
                self._posted.emit(call)

    @Slot(object)
    def _call(self, call: Callable[[], object]) -> None:
        if not self._closed:
            call()

    def run(
        self,
        work: Callable[[], T],
        *,
        then: Callable[[T], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Run `work` on a thread and call `then` with its result on this one, or `failed` with what it raised.

        Without `failed` the exception is raised on this thread, where the application's own net catches it.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="studio-window")

        def job() -> None:
            try:
                result = work()
            except Exception as fault:  # handed to the window's thread, which tells it
                caught = fault
                self.post(lambda: self._end(lambda: _fail(caught, failed)))
            else:
                self.post(lambda: self._end(lambda: then(result)))

        self._running += 1
        self._pool.submit(job)

    def _end(self, tell: Callable[[], object]) -> None:
        self._running -= 1
        tell()

    @property
    def busy(self) -> bool:
        """Whether work is under way, or its end was not told yet."""
        return self._running > 0

    def silence(self) -> None:
        """Post nothing any more."""
        with self._guard:
            self._closed = True

    def close(self) -> None:
        """Wait for what runs, drop what waits, and post nothing any more."""
        self.silence()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _fail(fault: Exception, failed: Callable[[Exception], object] | None) -> None:
    if failed is None:
        raise fault
    failed(fault)


_bridges: weakref.WeakSet[Bridge] = weakref.WeakSet()


@atexit.register
def _silence_all() -> None:
    for bridge in tuple(_bridges):
        bridge.silence()
