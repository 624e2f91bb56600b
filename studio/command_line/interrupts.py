"""Ctrl-C, SIGTERM and the time limit, as one question that a render asks between samples: is there a reason to stop?"""

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
        """The exit code of a command that was stopped: 130 and 143 for signals, 124 for the time limit."""
        return 128 + self.signal if self.signal else TIME_LIMIT_CODE

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
