"""The library's memory: an SQLite file of what lies in the watched folders and what artists said of it.

All of it is held in memory too, as frozen records, so that looking never waits for a disk; every change is written
first and then taken over. Several studios may work on one file at once (write-ahead log, short transactions): what
another one wrote is seen by `PRAGMA data_version` and read anew. What a person said of a file (tags, favourite,
rating, note) outlives the file: its record stays, out of sight, and a file of the same path or content takes it up.

A file that is damaged is set aside, never deleted, and a new one begun: folders are scanned again, and one sentence
says so.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.assets.library_kinds import Found, name_of
from studio.assets.library_search import KIND_WORDS, haystack, sort_key, words_of
from studio.errors import CannotWrite
from studio.resources import data_folder

VERSION = 1  # of the tables; an other one is another file, so studios of two versions do not disturb each other
_BUSY_S = 10.0
# faults of the disk or of somebody who holds the file, which say nothing of what is in it
_NO_PLACE = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN),
    }
)
_TABLES = """
CREATE TABLE IF NOT EXISTS folders (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, polling INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS assets (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, folder INTEGER NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash TEXT NOT NULL,
    missing INTEGER NOT NULL DEFAULT 0, favourite INTEGER NOT NULL DEFAULT 0, rating INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '', used REAL NOT NULL DEFAULT 0, added REAL NOT NULL DEFAULT 0,
    names TEXT NOT NULL DEFAULT '', others TEXT NOT NULL DEFAULT '', sort TEXT NOT NULL DEFAULT '',
    about TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS assets_hash ON assets (hash);
CREATE TABLE IF NOT EXISTS tags (asset INTEGER NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (asset, tag)) WITHOUT ROWID;
"""
_COLUMNS = (
    *("id", "path", "folder", "kind", "name", "size", "mtime_ns", "hash", "missing", "favourite", "rating"),
    *("note", "used", "added", "names", "others", "sort", "about"),
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A watched folder. `polling`: it is looked at in turns, because its file system tells nothing (NFS, SMB)."""

    id: int
    path: str
    polling: bool


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset. `used` and `added` are seconds since the epoch, `about` what its thumbnail's maker found out
    (bounds, size), `names`, `others` and `sort` what it is searched and ordered by."""

    id: int
    path: str
    folder: int
    kind: str
    name: str
    size: int
    mtime_ns: int
    hash: str
    missing: bool = False
    favourite: bool = False
    rating: int = 0
    note: str = ""
    used: float = 0.0
    added: float = 0.0
    names: str = ""
    others: str = ""
    sort: str = ""
    about: str = "{}"
    tags: tuple[str, ...] = ()

    @property
    def said(self) -> bool:
        """Whether a person said anything of it that must not be lost."""
        return bool(self.tags or self.favourite or self.rating or self.note)

    @property
    def facts(self) -> Mapping[str, Any]:
        """`about` as it was told."""
        found = json.loads(self.about)
        return found if isinstance(found, dict) else {}


def default_path() -> Path:
    """The file of the library among the user's data."""
    return data_folder() / f"library-{VERSION}.sqlite"


def filed(asset: Asset) -> Asset:
    """The asset with the words that it is found by."""
    above = os.path.basename(os.path.dirname(asset.path))
    others = [word for tag in asset.tags for word in words_of(tag)]
    others += [word for kind in KIND_WORDS.get(asset.kind, ()) for word in words_of(kind)]
    others += [*words_of(above), *words_of(asset.note), os.path.splitext(asset.path)[1].lower().lstrip(".")]
    return replace(
        asset, names=haystack(words_of(asset.name)), others=haystack(filter(None, others)), sort=sort_key(asset.name)
    )


class _Unsound(sqlite3.DatabaseError):
    """SQLite opened the file and found it damaged."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class Index:
    """The file and what it holds. From any thread. `warning` is the sentence about a file that was set aside."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises CannotWrite when there is no place for the file."""
        self.path = path or default_path()
        self.warning = ""
        self._guard = threading.RLock()
        self._assets: dict[int, Asset] = {}
        self._by_path: dict[str, int] = {}
        self._folders: tuple[Folder, ...] = ()
        self._seen = -1
        self.revision = 0  # grows with every change that was seen
        self._link = self._opened()
        self.refresh()

    # --- the file ----------------------------------------------------------------------------------------------------
    def _opened(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._connected()
        except sqlite3.DatabaseError as fault:
            if fault.sqlite_errorcode & 0xFF in _NO_PLACE:
                raise self._refused(fault) from fault
            aside = self._set_aside()
            self.warning = (
                f"The library's file was damaged ({fault}); it was kept as {aside.name}, and the folders are scanned "
                "again: tags and favourites given since then are in that file only."
            )
            return self._connected()
        except OSError as fault:
            raise self._refused(fault) from fault

    def _refused(self, fault: Exception) -> CannotWrite:
        return CannotWrite(f"The library {self.path} cannot be written ({fault}); make room, or set MYRIAD_DATA.")

    def _connected(self) -> sqlite3.Connection:
        link = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            link.execute("PRAGMA journal_mode=WAL")
            link.execute("PRAGMA synchronous=NORMAL")
            sound = link.execute("PRAGMA quick_check(1)").fetchone()[0]
            if sound != "ok":
                raise _Unsound(str(sound).splitlines()[0])
            link.executescript(_TABLES)
            link.execute(f"SELECT {', '.join(_COLUMNS)} FROM assets LIMIT 1").fetchone()
        except BaseException:
            link.close()
            raise
        return link

    def _set_aside(self) -> Path:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        os.replace(self.path, aside)
        for tail in ("-wal", "-shm"):
            beside = self.path.with_name(self.path.name + tail)
            if beside.exists():
                os.replace(beside, aside.with_name(aside.name + tail))
        return aside

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._link.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; what is written is read by other studios once it ends."""
        with self._guard:
            try:
                self._link.execute("BEGIN IMMEDIATE")
                self.refresh()  # nobody writes from here on, so what is changed is what is there
                yield self._link
                self._link.execute("COMMIT")
            except BaseException as fault:
                if self._link.in_transaction:
                    self._link.execute("ROLLBACK")
                self._seen = -1  # memory may be ahead of the file
                self.refresh()
                if isinstance(fault, sqlite3.Error):
                    raise self._refused(fault) from fault
                raise
            self.revision += 1

    # --- reading: from memory, without waiting for anybody who writes -------------------------------------------------
    def refresh(self) -> bool:
        """Read what other studios wrote since; whether there was anything."""
        with self._guard:
            version = int(self._link.execute("PRAGMA data_version").fetchone()[0])
            if version == self._seen:
                return False
            self._seen = version
            tags: dict[int, list[str]] = {}
            for asset, tag in self._link.execute("SELECT asset, tag FROM tags ORDER BY tag"):
                tags.setdefault(asset, []).append(tag)
            rows = self._link.execute(f"SELECT {', '.join(_COLUMNS)} FROM assets")
            assets = [_asset(row, tuple(tags.get(row[0], ()))) for row in rows]
            folders = self._link.execute("SELECT id, path, polling FROM folders ORDER BY path")
            self._folders = tuple(Folder(id_, path, bool(polling)) for id_, path, polling in folders)
            self._assets = {asset.id: asset for asset in assets}
            self._by_path = {asset.path: asset.id for asset in assets}
            self.revision += 1
            return True

    @property
    def assets(self) -> list[Asset]:
        """Every asset whose file is there."""
        return [asset for asset in list(self._assets.values()) if not asset.missing]

    @property
    def folders(self) -> tuple[Folder, ...]:
        """The watched folders, by path."""
        return self._folders

    def get(self, id_: int) -> Asset | None:
        """The asset of an id."""
        return self._assets.get(id_)

    def at(self, path: str) -> Asset | None:
        """The asset of a path, missing ones included."""
        return self._assets.get(self._by_path.get(path, -1))

    def below(self, path: str) -> list[Asset]:
        """Assets at a path and below it, missing ones included."""
        start = path.rstrip(os.sep) + os.sep
        return [a for a in list(self._assets.values()) if a.path == path or a.path.startswith(start)]

    def with_hash(self, digest: str) -> list[Asset]:
        """Assets of a content, missing ones included."""
        return [asset for asset in list(self._assets.values()) if digest and asset.hash == digest]

    # --- folders -----------------------------------------------------------------------------------------------------
    def add_folder(self, path: str, *, polling: bool) -> Folder:
        """Note a watched folder; one that is known takes the new way of watching."""
        with self._writing() as link:
            link.execute(
                "INSERT INTO folders (path, polling) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET polling = ?",
                (path, int(polling), int(polling)),
            )
            id_ = int(link.execute("SELECT id FROM folders WHERE path = ?", (path,)).fetchone()[0])
            made = Folder(id_, path, polling)
            kept = [folder for folder in self._folders if folder.path != path]
            self._folders = tuple(sorted((*kept, made), key=lambda folder: folder.path))
        return made

    def remove_folder(self, id_: int) -> None:
        """Forget a folder. What was said of its assets is kept for when it comes back."""
        with self._guard:
            with self._writing() as link:
                link.execute("DELETE FROM folders WHERE id = ?", (id_,))
                self._folders = tuple(folder for folder in self._folders if folder.id != id_)
            self.lose([asset.id for asset in self._assets.values() if asset.folder == id_])

    # --- assets ------------------------------------------------------------------------------------------------------
    def put(self, found: Found, folder: int, digest: str, *, was: int = 0) -> Asset:
        """File an asset as it was found: anew, or in the place of `was`, which keeps what was said of it."""
        return self.put_all([(found, folder, digest, was)])[0]

    def put_all(self, many: Sequence[tuple[Found, int, str, int]]) -> list[Asset]:
        """File several in one transaction, see `put`."""
        out = []
        with self._writing() as link:
            for found, folder, digest, was in many:
                old = self._assets.get(was) or self.at(found.path)
                base = old or Asset(0, "", 0, "", "", 0, 0, "", added=time.time())
                new = replace(
                    base,
                    path=found.path,
                    folder=folder,
                    kind=found.kind,
                    name=name_of(found.path),
                    size=found.size,
                    mtime_ns=found.mtime_ns,
                    hash=digest,
                    missing=False,
                    about=base.about if base.hash == digest else "{}",
                )
                out.append(self._written(link, filed(new)))
        return out

    def _written(self, link: sqlite3.Connection, asset: Asset) -> Asset:
        """Write a record, and take it into memory. A record that its path had before gives way."""
        beside = self._by_path.get(asset.path)
        if beside is not None and beside != asset.id:
            self._erase(link, beside)
        old = self._assets.get(asset.id)
        values = [getattr(asset, name) for name in _COLUMNS]
        if not asset.id:
            marks = ", ".join("?" * (len(_COLUMNS) - 1))
            # another studio may have filed the same path a moment ago: its record is taken
            taken = link.execute("SELECT id FROM assets WHERE path = ?", (asset.path,)).fetchone()
            if taken is None:
                made = link.execute(f"INSERT INTO assets ({', '.join(_COLUMNS[1:])}) VALUES ({marks})", values[1:])
                asset = replace(asset, id=int(made.lastrowid or 0))
            else:
                asset = replace(asset, id=int(taken[0]))
        else:
            link.execute("DELETE FROM assets WHERE path = ? AND id != ?", (asset.path, asset.id))
            marks = ", ".join("?" * len(_COLUMNS))
            link.execute(f"INSERT OR REPLACE INTO assets ({', '.join(_COLUMNS)}) VALUES ({marks})", values)
        if old is None or old.tags != asset.tags:
            link.execute("DELETE FROM tags WHERE asset = ?", (asset.id,))
            link.executemany("INSERT INTO tags VALUES (?, ?)", [(asset.id, tag) for tag in asset.tags])
        if old is not None and old.path != asset.path:
            self._by_path.pop(old.path, None)
        self._assets[asset.id] = asset
        self._by_path[asset.path] = asset.id
        return asset

    def _erase(self, link: sqlite3.Connection, id_: int) -> None:
        link.execute("DELETE FROM assets WHERE id = ?", (id_,))
        link.execute("DELETE FROM tags WHERE asset = ?", (id_,))
        old = self._assets.pop(id_, None)
        if old is not None and self._by_path.get(old.path) == id_:
            del self._by_path[old.path]

    def lose(self, ids: Iterable[int]) -> None:
        """The files of these assets are gone. Those of which something was said are kept out of sight."""
        gone = [id_ for id_ in ids if (asset := self._assets.get(id_)) is not None and not asset.missing]
        if not gone:
            return
        with self._writing() as link:
            for asset in [self._assets[id_] for id_ in gone if id_ in self._assets]:
                if asset.said:
                    self._written(link, replace(asset, missing=True))
                else:
                    self._erase(link, asset.id)

    def change(self, ids: Iterable[int], **values: Any) -> None:
        """Set what a person says of assets: `favourite`, `rating`, `note`, `tags`, and `used`, `about`."""
        self.update(ids, lambda asset: replace(asset, **values))

    def update(self, ids: Iterable[int], change: Callable[[Asset], Asset]) -> None:
        """Put what a function makes of assets in their places; it sees them as they are on disk at that moment."""
        with self._writing() as link:
            for id_ in ids:
                old = self._assets.get(id_)
                new = change(old) if old is not None else None
                if old is None or new is None or new == old:
                    continue
                self._written(link, filed(new) if (new.note, new.tags) != (old.note, old.tags) else new)


def _asset(row: Sequence[Any], tags: tuple[str, ...]) -> Asset:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["missing"], values["favourite"] = bool(values["missing"]), bool(values["favourite"])
    return Asset(tags=tags, **values)
