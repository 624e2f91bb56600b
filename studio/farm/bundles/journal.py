"""What an artist's machine remembers of what it sent: hashes of files, their chunks, and what is in packs.

A file is known by its path, size, time of change (nanoseconds) and inode; while those hold, it is not read again. A
file that changed within the last seconds may change once more within one tick of the disk's clock and is not
remembered yet. What is remembered is written down as it is learned, so whoever is killed in the middle of a large
project goes on where they were; what lies in a store is not remembered, the store is asked.

It is a cache: a journal that is damaged or cannot be written is begun anew, in memory if need be, and costs time only.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from studio.farm.bundles.cas import is_hash

_SETTLED_NS = 2_000_000_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL, inode INTEGER NOT NULL,
    hash TEXT NOT NULL, chunks BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packs (pack TEXT PRIMARY KEY, entries BLOB NOT NULL) WITHOUT ROWID;
"""
_VERSION = 1
Cuts = tuple[tuple[str, int], ...]


class Journal:
    """Hashes that were computed before. Use it in a `with`, or close it; without a file it is in memory."""

    def __init__(self, file: Path | None) -> None:
        self._lock = threading.Lock()
        self._db = _opened(file)

    def known(self, path: Path) -> tuple[str, Cuts] | None:
        """The hash and chunks of a file that has not changed; None for any other."""
        found = path.stat()
        with self._lock, contextlib.suppress(sqlite3.Error):  # what cannot be remembered is computed again
            row = self._db.execute(
                "SELECT hash, chunks FROM files WHERE path = ? AND size = ? AND changed = ? AND inode = ?",
                (str(path), found.st_size, found.st_mtime_ns, _inode(found.st_ino)),
            ).fetchone()
            if row is not None and is_hash(row[0]):
                with contextlib.suppress(msgspec.DecodeError):
                    return row[0], msgspec.json.decode(row[1], type=Cuts)
        return None

    def learn(self, path: Path, before: tuple[int, int, int], hash_: str, cuts: Cuts) -> None:
        """Remember the hash of a file that was (size, time of change, inode) `before` it was read."""
        if time.time_ns() - before[1] < _SETTLED_NS:
            return
        row = (str(path), before[0], before[1], _inode(before[2]), hash_, msgspec.json.encode(cuts))
        with self._lock, contextlib.suppress(sqlite3.Error), self._db:
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", row)

    def forget(self, hashes: Iterable[str]) -> None:
        """Forget files of these hashes: a node says that what was sent under one is not it."""
        with self._lock, contextlib.suppress(sqlite3.Error), self._db:
            self._db.executemany("DELETE FROM files WHERE hash = ?", [(hash_,) for hash_ in hashes])

    def packs(self) -> dict[str, dict[str, tuple[int, int]]]:
        """What is in the packs that were met."""
        out = {}
        with self._lock, contextlib.suppress(sqlite3.Error, msgspec.DecodeError):
            for pack, entries in self._db.execute("SELECT pack, entries FROM packs"):
                out[pack] = msgspec.json.decode(entries, type=dict[str, tuple[int, int]])
        return out

    def learn_pack(self, pack: str, entries: dict[str, tuple[int, int]]) -> None:
        """Remember what is in a pack."""
        with self._lock, contextlib.suppress(sqlite3.Error), self._db:
            self._db.execute("INSERT OR REPLACE INTO packs VALUES (?, ?)", (pack, msgspec.json.encode(entries)))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


def _inode(number: int) -> int:
    """As SQLite holds it: 64 bits with a sign."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _opened(file: Path | None) -> sqlite3.Connection:
    if file is None:
        return _begun(":memory:")
    for _ in range(2):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            return _begun(str(file))
        except sqlite3.OperationalError:  # no right to write, a full disk, or somebody is at it for long
            break
        except sqlite3.DatabaseError:
            for tail in ("", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    file.with_name(file.name + tail).unlink(missing_ok=True)
        except OSError:
            break
    return _begun(":memory:")


def _begun(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, timeout=20.0, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("PRAGMA user_version").fetchone()[0] not in (0, _VERSION):
            raise sqlite3.DatabaseError("of another version")
        if name != ":memory:" and db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        db.close()
        raise
    return db
