"""Where a command speaks: results to standard output, everything else to standard error.

With `--json` every event is one object on a line of standard output, which scripts and farms read; the sentences for
people stay on standard error. A reader that goes away early (`| head`) ends the command without a fuss.

A stream that takes no more (its reader gone, its disk full) must not cost a render its samples: while the console is
`patient` it only notes what standard output said in `fault`, so that the render can stop with a checkpoint. What
standard error does not take is nobody's loss.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import msgspec

_LINE_S = 5.0  # between lines of progress where there is no terminal to redraw one


class Console:
    """One command's output."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self._drawn = 0
        self._told = 0.0
        self.patient = False
        self.fault: OSError | None = None  # of standard output
        self._encoder = msgspec.json.Encoder()

    def result(self, line: str) -> None:
        """A line of the command's result; with `--json` only events are results."""
        if not self.json:
            self._clear()
            self._put(line + "\n")

    def event(self, kind: str, **values: Any) -> None:
        """With `--json` one object; else nothing."""
        if self.json:
            self._put(self._encoder.encode({"event": kind, **_plain(values)}).decode() + "\n")

    def _put(self, text: str) -> None:
        if self.fault is not None:
            return
        try:
            _write(sys.stdout, text)
        except OSError as fault:
            if not self.patient:
                raise
            self.fault = fault

    def say(self, sentence: str) -> None:
        """A sentence for the person who watches."""
        self._clear()
        _murmur(sentence + "\n")

    def progress(self, line: str) -> None:
        """How far the command is: redrawn in place on a terminal, else a line now and then."""
        if sys.stderr is None:
            return
        if sys.stderr.isatty():
            _murmur("\r" + line.ljust(self._drawn))
            self._drawn = len(line)
        elif time.monotonic() - self._told >= _LINE_S:
            self._told = time.monotonic()
            _murmur(line + "\n")

    def _clear(self) -> None:
        if self._drawn:
            _murmur("\r" + " " * self._drawn + "\r")
            self._drawn = 0


def _murmur(text: str) -> None:
    try:
        _write(sys.stderr, text)
    except OSError:
        return  # nobody listens


def _write(stream: Any, text: str) -> None:
    if stream is None:  # the program was started without it
        return
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode())
        stream.flush()


def _plain(value: Any) -> Any:
    """A value with what JSON does not know, paths and file names that are no text, as text."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, str | Path):
        return str(value).encode("utf-8", "backslashreplace").decode()
    return value if value is None or isinstance(value, bool | int | float) else str(value)
