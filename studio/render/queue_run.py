"""The runner of the queue: a process of its own that renders one job after another, and ends when nothing waits.

The app starts it and does not need to stay: it has its own session, its words go to `runner.log`, and it yields the
processor to whoever works at the machine (a lower priority, and one core less while the studio is open on a machine
with more than two). The lock that makes it the only one is the operating system's, so a runner that was killed leaves
none behind; what it left are frames marked as being rendered, which the next one finds and takes up from their
checkpoints.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.render.export import ExportSettings
from studio.render.protocol import Event
from studio.render.queue import REMOVE, Queue, move_frames, write_log
from studio.render.queue_scenes import drop_scenes
from studio.render.queue_states import next_job
from studio.render.queue_store import Locked, is_locked, locked, queue_file
from studio.render.queue_work import CHECKPOINT_S, Work
from studio.render.session import FrameProgress, RenderSession

LOCK, HERE = "runner.lock", "artist.lock"
NICE = 10
_TRIES, _TRY_S = 20, 0.1
_LINGER_S = 10.0
_IDLE_S = 0.2
_SETTLED_S = 120.0  # between two changes of the worker's threads, each of which starts it anew
_LONGEST_LOG = 4 << 20
_started: list[subprocess.Popen[bytes]] = []


class Runner:
    """Renders the jobs of a queue. `stop` says why to end (a signal); `hear` listens to the render worker, `progress`
    to its frames. `worked` are the jobs that it was at."""

    def __init__(
        self,
        queue: Queue,
        *,
        stop: Callable[[], str] = lambda: "",
        say: Callable[[str], None] = lambda sentence: None,
        hear: Callable[[Event], None] = lambda event: None,
        progress: Callable[[int, FrameProgress], None] = lambda job, now: None,
        checkpoint_s: float = CHECKPOINT_S,
        linger_s: float = 0.0,
    ) -> None:
        self.queue, self.stop, self.say, self.hear, self.progress = queue, stop, say, hear, progress
        self.checkpoint_s, self.linger_s = checkpoint_s, linger_s
        self._session: RenderSession | None = None
        self._of: tuple[str, int] = ("", 0)
        self._since = 0.0
        self.worked: set[int] = set()

    def run(self) -> bool:
        """Work until nothing waits or `stop` has a reason; False when another runner is at it."""
        with contextlib.ExitStack() as stack:
            if not self._only(stack):
                return False
            self._meta("leaving", "")
            self._meta("runner", str(os.getpid()))
            try:
                self._recover()
                self._work()
            finally:
                if self._session is not None:
                    self._session.close()
        return True

    def _only(self, stack: contextlib.ExitStack) -> bool:
        """Take the lock. Who only looks whether it is held may hold it for a moment, so it is tried again."""
        for _ in range(_TRIES):
            try:
                stack.enter_context(locked(self.queue.folder / LOCK, wait=False))
            except Locked:
                time.sleep(_TRY_S)
            else:
                return True
        return False

    def _work(self) -> None:
        idle = time.monotonic()
        while not self.stop():
            job = self._next()
            if job is None:
                if time.monotonic() - idle >= self.linger_s and self._leave():
                    return
                time.sleep(_IDLE_S)
                continue
            self.say(f"Job {job}: {self.queue.job(job).name}")
            Work(
                self.queue,
                job,
                session=self._fitting,
                stop=self.stop,
                progress=self.progress,
                checkpoint_s=self.checkpoint_s,
            ).run()
            self.worked.add(job)
            self._removed()
            idle = time.monotonic()

    def _next(self) -> int | None:
        rows = self.queue.store.read("SELECT id FROM jobs WHERE state = 'waiting' ORDER BY position, id LIMIT 1")
        return int(rows[0]["id"]) if rows else None

    def _leave(self) -> bool:
        """Say that we go, unless a job came in between: whoever adds one sees this and starts the next runner."""
        with self.queue.store.write() as db:
            if db.execute("SELECT 1 FROM jobs WHERE state = 'waiting'").fetchone() is not None:
                return False
            db.execute("INSERT OR REPLACE INTO meta VALUES ('leaving', '1')")
            return True

    def _recover(self) -> None:
        """Take up what a runner that was killed left behind."""
        with self.queue.store.write() as db:
            for row in db.execute("SELECT id, state FROM jobs").fetchall():
                cut = move_frames(db, row["id"], "cancel" if row["state"] == "cancelled" else "release")
                new = next_job(row["state"], "release")
                if new is not None:
                    db.execute("UPDATE jobs SET state = ?, since = NULL WHERE id = ?", (new, row["id"]))
                if cut and new is not None:
                    write_log(db, row["id"], "The runner ended in the middle of a frame; going on from what was kept.")
        self._removed()
        drop_scenes(self.queue.store)

    def _removed(self) -> None:
        """Forget the jobs that were removed while they were rendered."""
        rows = self.queue.store.read("SELECT id FROM jobs WHERE state = 'cancelled' AND message = ?", REMOVE)
        for row in rows:
            self.queue.forget(int(row["id"]))
        if rows:
            drop_scenes(self.queue.store)

    def _meta(self, key: str, value: str) -> None:
        with self.queue.store.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _fitting(self, settings: ExportSettings) -> RenderSession:
        """The session for a job's device and as many threads as it may have now; one worker is kept over jobs."""
        wanted = (settings.device, settings.threads or usual_threads(self.queue.folder))
        now = time.monotonic()
        unsettled = wanted[0] == self._of[0] and not settings.threads and now - self._since < _SETTLED_S
        if self._session is not None and unsettled:
            return self._session
        if self._session is None or wanted != self._of:
            if self._session is not None:
                self._session.close()
                self._session = None
            self._session = RenderSession(device=wanted[0], threads=wanted[1], listener=self.hear)
            self._of, self._since = wanted, now
        return self._session


def usual_threads(folder: Path) -> int:
    """Threads of the renderer where a job does not say: all (0), or one less while an artist works here."""
    cores = os.cpu_count() or 1
    return cores - 1 if cores > 2 and is_locked(folder / HERE) else 0


@contextlib.contextmanager
def at_work(queue: Queue) -> Iterator[None]:
    """While it is entered, the runner knows that an artist works at this machine."""
    try:
        with locked(queue.folder / HERE, wait=False):
            yield
    except Locked:  # another window says it already
        yield


def ensure_runner(path: Path | None = None) -> None:
    """See that a runner works at the queue of a database (None: the user's): start one, detached, when none does.

    Raises `StudioError` when it cannot be started.
    """
    folder = queue_file(path).parent
    queue = Queue(path)
    try:
        deadline = time.monotonic() + _TRIES * _TRY_S * 5
        while is_locked(folder / LOCK):
            leaving = queue.store.read("SELECT value FROM meta WHERE key = 'leaving'")
            if not (leaving and leaving[0]["value"]) or time.monotonic() > deadline:
                return
            time.sleep(_TRY_S / 2)
    finally:
        queue.store.close()
    _started[:] = [process for process in _started if process.poll() is None]
    _started.append(_spawn(path, folder))


def _spawn(path: Path | None, folder: Path) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    command = [sys.executable, "-P", "-m", "studio", "queue", "run", "--linger", f"{_LINGER_S:g}"]
    if path is not None:
        command += ["--queue", str(queue_file(path))]
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        detached = {"creationflags": flags}
    log = folder / "runner.log"
    try:
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            log.replace(log.with_suffix(".old.log"))
        with open(log, "ab") as words:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": paths},
                **detached,
            )
    except OSError as fault:
        raise StudioError(f"the queue's runner cannot be started: {fault}; run studio queue run") from None


def yield_processor() -> None:
    """Give this process, and those that it starts, a lower priority."""
    if sys.platform == "win32":
        import ctypes

        below_normal = 0x00004000
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), below_normal)
    else:
        os.nice(NICE)
