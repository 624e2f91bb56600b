"""The worker as a bare process. Only the standard library is imported here, so that a worker can be on its way while
whoever asked for it still imports: half of a second of each start is imports, and they go on side by side.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process with pipes to its standard input and output, and the file that its complaints go to."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream is not None:
                stream.close()


_ahead: list[Spawned] = []


def spawn() -> Spawned:
    """Start a worker."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
    process = subprocess.Popen(
        # -P: a file beside the scene that is named like a library must not be imported
        [sys.executable, "-P", "-m", "studio.render.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONPATH": path},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    return Spawned(process, log)


def spawn_ahead() -> None:
    """Start a worker for whoever takes the next one; if nobody does, it ends with this process."""
    if not _ahead:
        _ahead.append(spawn())
        atexit.register(discard)


def take() -> Spawned:
    """The worker that was started ahead, or a new one."""
    return _ahead.pop() if _ahead else spawn()


def discard() -> None:
    """End a worker that nobody took."""
    while _ahead:
        _ahead.pop().kill()
