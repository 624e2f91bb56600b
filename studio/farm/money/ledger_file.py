"""The file of a ledger: opened as it is, made where there is none, and refused untouched when it is anything else.

It is looked at first without the right to write, because opening a SQLite file to write may already change it: a
damaged ledger stays as it was, for whoever can save more of it. Every commit is on the disk before it is said to be
done (`synchronous = FULL`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from studio.errors import BadAsset, CannotWrite, StudioError, Unsupported
from studio.farm.money.ledger_schema import SCHEMA, VERSION

BUSY_S = 20.0
Connect = Callable[[str], sqlite3.Connection]


def _connected(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def opened(file: Path, connect: Connect | None = None) -> sqlite3.Connection:
    """A connection to a ledger. Raises what `Ledger` says."""
    connect = connect or _connected
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"the folder {file.parent} of the ledger cannot be made: {reason}") from None
    try:
        if file.exists() and file.stat().st_size:
            _look(file, connect)
        return _ready(connect(f"{file.as_uri()}?mode=rwc"), file)
    except StudioError:
        raise
    except sqlite3.OperationalError as fault:
        raise CannotWrite(f"the ledger {file} cannot be opened: {fault}; free the disk or its rights") from fault
    except sqlite3.DatabaseError as fault:
        raise broken(file, fault) from fault


def _look(file: Path, connect: Connect) -> None:
    """See that a file is a whole ledger, without the right to change it: one that is not stays as it is."""
    db = connect(f"{file.as_uri()}?mode=ro")
    try:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise Unsupported(f"the ledger {file} is of a newer studio; open it with that one")
        fault = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if fault != "ok":
            raise sqlite3.DatabaseError(fault)
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        if version and not {"account", "journal", "posting", "seal", "usage", "paid", "sealed_once"} <= tables:
            raise sqlite3.DatabaseError("tables are missing")
        if not version and tables:
            raise sqlite3.DatabaseError("it is a database of something else")
    finally:
        db.close()


def _ready(db: sqlite3.Connection, file: Path) -> sqlite3.Connection:
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # an entry that was said to be there is there after a power cut
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA recursive_triggers = ON")  # what REPLACE removes is removed, too
        db.execute("BEGIN IMMEDIATE")
        if not db.execute("PRAGMA user_version").fetchone()[0]:
            for statement in SCHEMA:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def broken(file: Path, fault: Exception) -> BadAsset:
    """The fault of a file that is no whole ledger."""
    return BadAsset(f"the ledger {file} is damaged ({fault}); it was left as it is, put back a copy and settle again")
