"""Ctrl-C, SIGTERM, a closed terminal and the time limit, as one question: is there a reason to stop?

A render asks it between samples.
"""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType
from typing import Any, Self

from studio.render.session import INTERRUPTED, OUT_OF_TIME

TIME_LIMIT_CODE = 124


class Interrupts:
    """While it is entered, signals are noted instead of ending the program; a second one ends it at once."""

    def __init__(self) -> None:
        self.signal = 0
        self._deadline = 0.0
        self._before: dict[int, Any] = {}

    def limit(self, seconds: float) -> None:
        """Run out of time in so many seconds (0: never)."""
        self._deadline = time.monotonic() + seconds if seconds > 0 else 0.0

    def reason(self) -> str:
        """Why to stop, or nothing."""
        if self.signal:
            return INTERRUPTED
        return OUT_OF_TIME if self._deadline and time.monotonic() >= self._deadline else ""

    @property
    def exit_code(self) -> int:
        """The exit code of a command that was stopped: 130, 143 and 129 for signals, 124 for the time limit."""
        return 128 + self.signal if self.signal else TIME_LIMIT_CODE

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.signal = number

    def __enter__(self) -> Self:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            # who started us with a signal ignored (nohup, a script's background job) wants that
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
