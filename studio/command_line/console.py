"""Where a command speaks: results to standard output, everything else to standard error.

With `--json` every event is one object on a line of standard output, which scripts and farms read; the sentences for
people stay on standard error. A reader that goes away early (`| head`) ends the command without a fuss.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec

_LINE_S = 5.0  # between lines of progress where there is no terminal to redraw one


class Console:
    """One command's output."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self._drawn = 0
        self._told = 0.0
        self._encoder = msgspec.json.Encoder(enc_hook=str)

    def result(self, line: str) -> None:
        """A line of the command's result; with `--json` only events are results."""
        if not self.json:
            self._clear()
            _write(sys.stdout, line + "\n")

    def event(self, kind: str, **values: Any) -> None:
        """With `--json` one object; else nothing."""
        if self.json:
            _write(sys.stdout, self._encoder.encode({"event": kind, **values}).decode() + "\n")

    def say(self, sentence: str) -> None:
        """A sentence for the person who watches."""
        self._clear()
        _write(sys.stderr, sentence + "\n")

    def progress(self, line: str) -> None:
        """How far the command is: redrawn in place on a terminal, else a line now and then."""
        if sys.stderr.isatty():
            _write(sys.stderr, "\r" + line.ljust(self._drawn))
            self._drawn = len(line)
        elif time.monotonic() - self._told >= _LINE_S:
            self._told = time.monotonic()
            _write(sys.stderr, line + "\n")

    def _clear(self) -> None:
        if self._drawn:
            _write(sys.stderr, "\r" + " " * self._drawn + "\r")
            self._drawn = 0


def _write(stream: Any, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode())
        stream.flush()
