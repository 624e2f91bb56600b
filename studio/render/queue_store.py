"""The queue on disk: one folder with the database, the scenes of its jobs and what belongs to each of them.

    queue.sqlite    jobs, frames, what was said, who runs it
    scenes.studio/  the scenes as they were submitted: versions of one project, so that what they share is there once
    jobs/<id>/      thumbnails, the frames of a movie that is not whole yet, its sound
    runner.lock     held by the one runner that works

SQLite in WAL mode lets the app read while the runner writes; each writer's transaction counts `revision` up, which is
all that somebody who watches has to ask for. A lock is one of the operating system's: it is gone with the process that
held it, however that ended, so nothing is ever left locked by the dead and no process id has to be guessed at.

A database that is damaged is set aside under another name and a new one begun: it says what was rendered, and the
pictures themselves are where they are.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from studio.errors import CannotWrite, Unsupported, UsageError
from studio.resources import data_folder

VERSION = 1
BUSY_S = 20.0
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    position REAL NOT NULL,
    scene TEXT NOT NULL,              -- a version in scenes.studio
    digest TEXT NOT NULL,             -- of its text
    settings TEXT NOT NULL,           -- JSON of ExportSettings
    names TEXT NOT NULL,              -- JSON of what its name tokens stand for
    pattern TEXT NOT NULL,            -- absolute, with its tokens
    output TEXT NOT NULL,             -- with #### for the frame
    created REAL NOT NULL,
    started REAL,
    since REAL,                       -- up to where `elapsed` reaches while it is rendered
    finished REAL,
    elapsed REAL NOT NULL DEFAULT 0,  -- seconds that runners worked at it
    measured REAL NOT NULL DEFAULT 0, -- exposure of its first frame, for all of them
    message TEXT NOT NULL DEFAULT ''
);
CREATE TABLE frames (
    job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    begun INTEGER NOT NULL DEFAULT 0, -- whether this job has written at its file
    again INTEGER NOT NULL DEFAULT 0, -- whether its checkpoint must not be used
    samples REAL NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    path TEXT NOT NULL,
    thumbnail TEXT,
    message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job, frame)
) WITHOUT ROWID;
CREATE TABLE log (
    id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    time REAL NOT NULL, text TEXT NOT NULL
);
CREATE INDEX log_of_job ON log (job, id);
INSERT INTO meta VALUES ('revision', '1');
"""


def queue_file(path: Path | None = None) -> Path:
    """The database of a queue: of this path, or the user's."""
    return (path if path is not None else data_folder() / "queue" / "queue.sqlite").absolute()


class Store:
    """A connection to a queue's database, safe in threads. Raises `CannotWrite` where its folder takes no files and
    `Unsupported` for the queue of a newer studio. `notes` are sentences about a damaged database that was set aside."""

    def __init__(self, file: Path) -> None:
        self.file, self.folder = file, file.parent
        self.notes: tuple[str, ...] = ()
        self._lock = threading.RLock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise CannotWrite(f"the queue's folder {self.folder} cannot be made: {_reason(fault)}") from None
        with locked(self.folder / "open.lock"):
            self._db = self._opened()

    def _opened(self) -> sqlite3.Connection:
        try:
            return _open(self.file)
        except sqlite3.OperationalError as fault:
            raise CannotWrite(f"the queue {self.file} cannot be opened: {fault}; free the disk or its rights") from None
        except sqlite3.DatabaseError as fault:
            aside = _set_aside(self.file)
            self.notes = (f"The queue was damaged ({fault}); it was set aside as {aside} and a new one begun.",)
            return _open(self.file)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that is seen whole or not at all, and counts the revision up."""
        with self._lock, _told(self.file):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'revision'")
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def read(self, query: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a query."""
        with self._lock, _told(self.file):
            return self._db.execute(query, values).fetchall()

    def revision(self) -> int:
        """A number that grows whenever anything changed."""
        return int(self.read("SELECT value FROM meta WHERE key = 'revision'")[0][0])

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()


def _open(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise Unsupported(f"the queue {file} is of a newer studio; open it with that one")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        if version == 0:
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise sqlite3.DatabaseError("it is a database of something else")
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        fault = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise sqlite3.DatabaseError(fault)
        for table in ("jobs", "frames", "log", "meta"):
            db.execute(f"SELECT * FROM {table} LIMIT 1")
    except sqlite3.OperationalError as fault:
        db.close()
        if "no such" in str(fault):  # tables that should be there
            raise sqlite3.DatabaseError(str(fault)) from None
        raise
    except BaseException:
        db.close()
        raise
    return db


def _set_aside(file: Path) -> Path:
    """Rename a database with what belongs to it; its new path."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = file.with_name(f"{file.stem}.damaged-{stamp}{file.suffix}")
    number = 2
    while aside.exists():
        aside, number = file.with_name(f"{file.stem}.damaged-{stamp}-{number}{file.suffix}"), number + 1
    try:
        file.replace(aside)
        for tail in ("-wal", "-shm"):
            beside = file.with_name(file.name + tail)
            if beside.exists():
                beside.replace(aside.with_name(aside.name + tail))
    except OSError as fault:
        raise CannotWrite(f"the damaged queue {file} cannot be set aside: {_reason(fault)}; move it away") from None
    return aside


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """What SQLite meets, as sentences."""
    try:
        yield
    except sqlite3.Error as fault:
        raise CannotWrite(f"the queue {file} does not answer: {fault}; free the disk, then start it again") from fault


# --- locks of the operating system -----------------------------------------------------------------------------------
class Locked(UsageError):
    """Somebody else holds a lock."""


@contextmanager
def locked(file: Path, *, wait: bool = True) -> Iterator[IO[bytes]]:
    """Hold a lock file. Without `wait`, raises `Locked` at once when somebody else does."""
    handle = _open_lock(file)
    try:
        if not _grab(handle, wait=wait):
            raise Locked(f"somebody else holds {file}")
        yield handle
    finally:
        _release(handle)
        handle.close()


def is_locked(file: Path) -> bool:
    """Whether somebody holds a lock file."""
    if not file.exists():
        return False
    handle = _open_lock(file)
    try:
        held = not _grab(handle, wait=False, shared=True)
        if not held:
            _release(handle)
        return held
    finally:
        handle.close()


def _open_lock(file: Path) -> IO[bytes]:
    try:
        return open(file, "a+b")
    except OSError as fault:
        raise CannotWrite(f"the lock {file} cannot be opened: {_reason(fault)}") from None


if sys.platform == "win32":
    import msvcrt

    def _grab(handle: IO[bytes], *, wait: bool, shared: bool = False) -> bool:
        while True:
            handle.seek(0)
            try:
                msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
                time.sleep(0.05)
            else:
                return True

    def _release(handle: IO[bytes]) -> None:
        handle.seek(0)
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)
        except OSError:
            return  # it was not ours

else:
    import fcntl

    def _grab(handle: IO[bytes], *, wait: bool, shared: bool = False) -> bool:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(handle, how if wait else how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(handle: IO[bytes]) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)


def _reason(fault: OSError) -> str:
    return (fault.strerror or str(fault)).lower()
