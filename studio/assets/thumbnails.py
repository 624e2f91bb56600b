"""Thumbnails: which are there, and the queue of those that are still to be made.

They are kept on disk under the content of their asset and the version of what draws them, so a file that is moved,
renamed or copied needs no new one. What is on the screen is made first: whoever shows the library says again and
again what is wanted, in order, and what nobody wants any more is forgotten. One process makes them (see
`studio.assets.thumbnail_worker`); it is started when there is something to do and ends when there was nothing for a
while. A file at which it dies or hangs is noted as broken, with the reason in a sentence.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

import studio
from studio.assets.library_index import Asset
from studio.assets.thumbnail_worker import Answer, Request
from studio.resources import data_folder

STAGE = 1  # of the stages and renderers' settings; another one makes every thumbnail anew
IDLE_S = 20.0  # without work, after which the process ends
PATIENCE_S = 120.0  # with one file; the first one may compile for long
_NOTED = ".txt"  # beside where a thumbnail would be: why there is none


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail on disk, or why there is none."""

    path: Path
    sentence: str = ""


def cache_folder() -> Path:
    """Where thumbnails of this version are kept."""
    return data_folder() / "thumbnails" / f"{studio.__version__}-{STAGE}"


class Thumbnails:
    """Finds thumbnails and has those made that are wanted. `made` gets (asset id, thumbnail, what was found out) from
    the queue's own thread. Close it."""

    def __init__(
        self,
        made: Callable[[int, Thumbnail, dict[str, object]], object],
        *,
        folder: Path | None = None,
        idle_s: float = IDLE_S,
        patience_s: float = PATIENCE_S,
        command: Iterable[str] = (),
    ) -> None:
        self._made, self._folder = made, folder or cache_folder()
        self._idle_s, self._patience_s = idle_s, patience_s
        self._command = list(command) or [sys.executable, "-P", "-m", "studio.assets.thumbnail_worker"]
        self._wanted: dict[int, Asset] = {}
        self._working: Asset | None = None
        self._guard = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._worker: _Worker | None = None
        self.started = 0  # processes so far

    # --- looking -----------------------------------------------------------------------------------------------------
    def place(self, asset: Asset) -> Path:
        """Where the thumbnail of an asset lies or will lie."""
        return self._folder / asset.hash[:2] / f"{asset.hash}-{asset.kind}.png"

    def find(self, asset: Asset) -> Thumbnail | None:
        """The thumbnail of an asset, None when it was not made yet. Looks at the disk."""
        place = self.place(asset)
        if place.is_file():
            return Thumbnail(place)
        try:
            return Thumbnail(place, place.with_suffix(_NOTED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def forget(self, asset: Asset) -> None:
        """Have the thumbnail of an asset made anew when it is wanted next."""
        for path in (self.place(asset), self.place(asset).with_suffix(_NOTED)):
            path.unlink(missing_ok=True)

    # --- making ------------------------------------------------------------------------------------------------------
    def want(self, assets: Iterable[Asset]) -> None:
        """Make these, in this order, and no others that were wanted before."""
        with self._guard:
            if self._closed:
                return
            self._wanted = {asset.id: asset for asset in assets if asset.hash and not self._at_work(asset)}
            if self._wanted and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="thumbnails", daemon=True)
                self._thread.start()
            self._guard.notify()

    def _at_work(self, asset: Asset) -> bool:
        return self._working is not None and (self._working.id, self._working.hash) == (asset.id, asset.hash)

    @property
    def busy(self) -> bool:
        """Whether something is being made or waits for it."""
        with self._guard:
            return bool(self._wanted or self._working)

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._worker is not None

    def _work(self) -> None:
        while True:
            with self._guard:
                if not self._wanted and not self._closed:
                    self._guard.wait(self._idle_s)
                if self._closed or not self._wanted:
                    self._thread = None
                    self._stop()
                    return
                asset = self._wanted.pop(next(iter(self._wanted)))
                self._working = asset
            thumbnail, about = self._one(asset)
            with self._guard:
                self._working = None
                closed = self._closed
            if not closed:
                self._made(asset.id, thumbnail, about)

    def _one(self, asset: Asset) -> tuple[Thumbnail, dict[str, object]]:
        found = self.find(asset)
        if found is not None:
            return found, {}
        place = self.place(asset)
        if self._worker is None:
            self._worker = _Worker(self._command)
            self.started += 1
        answer = self._worker.ask(
            Request(id=str(asset.id), path=asset.path, kind=asset.kind, target=str(place)), self._patience_s
        )
        if answer is None and not self._closed:
            self._stop()
            words = f"{Path(asset.path).name} could not be drawn: whoever drew it ended or took too long over it."
            answer = Answer(id=str(asset.id), sentence=words)
        if answer is None:
            return Thumbnail(place), {}
        if answer.sentence:
            self._note(place, answer.sentence)
        return Thumbnail(place, answer.sentence), answer.about

    def _note(self, place: Path, sentence: str) -> None:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.with_suffix(_NOTED).write_text(sentence, encoding="utf-8")
        except OSError:  # a full disk; it is tried again next time
            return

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def close(self) -> None:
        """Make nothing any more; the process ends."""
        with self._guard:
            self._closed = True
            self._wanted = {}
            worker, thread = self._worker, self._thread
            self._guard.notify()
        if worker is not None:
            worker.kill()
        if thread is not None:
            thread.join()


class _Worker:
    """The process, and a thread that reads its answers."""

    def __init__(self, command: list[str]) -> None:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": path},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="thumbnail-answers", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(b"")

    def ask(self, request: Request, patience_s: float) -> Answer | None:
        """The answer to a request; None when the process ended or took too long."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
            return msgspec.json.decode(self._answers.get(timeout=patience_s), type=Answer)
        except (OSError, ValueError, queue.Empty, msgspec.DecodeError):
            return None

    def kill(self) -> None:
        """End the process whatever it does; whoever waits for an answer gets none."""
        if self._process.poll() is None:
            self._process.kill()

    def end(self) -> None:
        """Let the process end by itself, and give it up if it does not."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):  # it ended before
            self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._log.close()
