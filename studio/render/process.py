"""The worker as an operating system's process: started, listened to and ended.

It is a program of its own (`python -m studio.render.worker`) and not a `multiprocessing` child, which would run the
user's script a second time to find its main module and would pass its messages by pickle.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable

import msgspec

from studio.render.protocol import Channel, Command, Event
from studio.render.spawn import take

_LAST_S = 10.0  # that a worker without a pipe may take to end


class WorkerGone(Exception):
    """The worker's end of the pipe closed."""


class WorkerProcess:
    """A running worker, and a thread that collects what it says."""

    def __init__(self, *, heard: Callable[[Event | None], None] | None = None) -> None:
        """`heard` takes what the worker says, from a thread, instead of the queue `events`; None is its end."""
        spawned = take()
        self.process, self.log = spawned.process, spawned.log
        assert self.process.stdin is not None and self.process.stdout is not None
        self.commands = Channel(self.process.stdin, Command)
        self.answers = Channel(self.process.stdout, Event)
        self.events: queue.Queue[Event | None] = queue.Queue()
        self._heard = heard or self.events.put
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                event = self.answers.receive()
            except (OSError, ValueError, msgspec.DecodeError):
                event = None
            self._heard(event)
            if event is None:
                return

    def send(self, command: Command) -> None:
        try:
            self.commands.send(command)
        except (OSError, ValueError) as error:
            raise WorkerGone from error

    def last_words(self) -> str:
        """How the process ended, with the last line that it printed."""
        try:
            self.process.wait(_LAST_S)
        except subprocess.TimeoutExpired:  # it hangs in a driver, or says what nobody understands
            self.process.kill()
            self.process.wait()
        code = self.process.returncode
        self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, self.log.tell() - 4096))
        lines = [line.strip() for line in self.log.read().decode(errors="replace").splitlines() if line.strip()]
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return how + (f": {lines[-1][:200]}" if lines else "")

    def close(self, *, patience_s: float = 0.0) -> None:
        """End the process, which may have some time to finish a wave and keep what it has compiled."""
        self.commands.close()
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.answers.close()
        self.log.close()
