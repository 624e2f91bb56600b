"""The log: what the window does not show but whoever helps may ask for. Kept in memory and in the user's log file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from studio.commands.watching import Watched
from studio.errors import StudioError
from studio.resources import data_folder

_KEPT = 2000
_LARGEST = 1 << 20  # bytes of the file, after which it begins anew


def log_file() -> Path:
    """Where the log is written; MYRIAD_DATA names another folder than the user's."""
    return data_folder() / "studio.log"


class Log:
    """Lines with their time. `watch` is told each one."""

    def __init__(self, path: Path | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=_KEPT)
        self.path = path or log_file()
        self._watched = Watched[str]()

    def watch(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback` with each line, until the function that this returns is called."""
        return self._watched.watch(callback)

    def info(self, text: str) -> None:
        """Note something."""
        self._add("info", text)

    def told(self, text: str, kind: str) -> None:
        """Note what was told the artist, or a "command" that was given."""
        self._add(kind, text)

    def error(self, text: str) -> None:
        """Note a fault, and write it to the file."""
        self._add("error", text)
        self._write(text)

    def _add(self, kind: str, text: str) -> None:
        for row in text.rstrip().splitlines():
            line = f"{time.strftime('%H:%M:%S')}  {kind:<7}  {row}"
            self.lines.append(line)
            self._watched.tell(line)

    def _write(self, text: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            mode = "w" if self.path.is_file() and self.path.stat().st_size > _LARGEST else "a"
            with self.path.open(mode, encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{text}\n")
        except OSError as fault:  # a full disk must not turn one fault into two; the line stays in memory
            self._add("warning", f"the log cannot be written to {self.path} ({fault.strerror})")


def sentence(fault: BaseException) -> str:
    """A fault in a sentence."""
    return str(fault) if isinstance(fault, StudioError) else f"{type(fault).__name__}: {fault}"
