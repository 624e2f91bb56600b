"""Who owes what to whom: a double-entry ledger in one SQLite file.

Money is integers, millionths of a currency unit. Every entry moves it between accounts with postings that add up to 0
in each currency, and no entry is ever changed or removed: what was wrong is put right by another entry. That is not
left to this code. Triggers refuse updates and deletions; a posting names the balance it leaves, which a trigger checks
against the one before; an entry is closed by its *seal*, which a trigger gives only to postings that balance; and a
transaction with an entry that has no seal cannot be committed. So whatever dies in the middle leaves all of an entry or
nothing of it.

Every entry has a key of its own, so doing something twice is doing it once, and a hash over itself and the hash before
it, so what is changed behind the ledger's back shows (`verify`). Somebody who remembers a hash of it can also tell when
its end was cut off.

    topup     external -> customer_available        hold     customer_available -> customer_held (of a job)
    capture   customer_held -> node_pending, platform_fee    release  customer_held -> customer_available
    approve   node_pending -> node_payable          reject   node_pending, platform_fee -> customer_held
    payout    node_payable -> external              adjust   whatever a person signs for

Accounts that hold somebody's money never go below 0; so a job is never billed beyond what was held for it.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import msgspec

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.model import Record
from studio.farm.money.ledger_file import Connect, broken, opened
from studio.farm.trust.canonical import canonical

Kind = Literal["hold", "capture", "release", "approve", "reject", "payout", "topup", "adjust"]
Account = Literal[
    "customer_available",
    "customer_held",
    "node_pending",
    "node_payable",
    "platform_fee",
    "platform_cost",
    "external",
]
PLATFORM, OUTSIDE = "platform", "outside"
LARGEST = 1 << 52  # of an amount: canonical JSON holds it


class Posting(Record, frozen=True):
    """An amount that an account gets, or gives where it is negative. `job` is set for customer_held alone."""

    owner: str
    account: Account
    amount: int
    currency: str
    job: str = ""


class Entry(Record, frozen=True):
    """An entry of the journal. `at` is microseconds since 1970; `refers` the number of the entry that it follows up."""

    number: int
    at: int
    kind: Kind
    key: str
    postings: tuple[Posting, ...]
    job: str = ""
    unit: str = ""
    attempt: int = 0
    refers: int = 0
    text: str = ""
    before: str = ""
    hash: str = ""

    def amount(self, account: Account, owner: str = "") -> int:
        """What the accounts of a kind got by it."""
        return sum(p.amount for p in self.postings if p.account == account and owner in ("", p.owner))


class UsageRow(Record, frozen=True):
    """What an attempt took, paid for or not. Times are microseconds, quantities millionths of a second."""

    key: str
    job: str
    unit: str
    attempt: int
    node: str
    t0: int
    t1: int
    core_s: int = 0
    device_s: int = 0
    score_s: int = 0
    accepted: bool = False
    reason: str = ""  # of work that was not accepted, and "load" for the time before the first sample


class Ledger:
    """An open ledger, made where there is none. Any thread may use it; one writes at a time, also among processes.

    Raises BadAsset for a file that is damaged, which is left as it is, Unsupported for one of a newer studio,
    CannotWrite where nothing can be written.
    """

    def __init__(
        self,
        file: Path,
        *,
        clock: Callable[[], float] = time.time,
        connect: Connect | None = None,
    ) -> None:
        self.file = file.absolute()
        self._clock = clock
        self._lock = threading.RLock()
        self._db = opened(self.file, connect)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    # --- writing -----------------------------------------------------------------------------------------------------
    def post(
        self,
        kind: Kind,
        key: str,
        postings: Sequence[Posting],
        *,
        job: str = "",
        unit: str = "",
        attempt: int = 0,
        refers: int = 0,
        text: str = "",
        usage: UsageRow | None = None,
    ) -> Entry:
        """Make an entry, with the usage that it pays for; one whose key is there already is given as it is.

        Raises UsageError when the postings do not balance, would take more than an account has, or the key belongs to
        something else. Nothing is written then.
        """
        with self.write() as db:
            found = self.find(key)
            if found is not None:
                if (found.kind, found.job, found.unit, found.refers) != (kind, job, unit, refers):
                    raise UsageError(f"{self.file}: the key {key!r} belongs to another entry; choose a new one")
                return found
            _check(postings, key)
            last = db.execute("SELECT number, hash FROM seal ORDER BY number DESC LIMIT 1").fetchone()
            entry = Entry(
                number=(last["number"] if last else 0) + 1,
                at=self.now(),
                kind=kind,
                key=key,
                postings=tuple(p for p in postings if p.amount),
                job=job,
                unit=unit,
                attempt=attempt,
                refers=refers,
                text=text[:400],
                before=last["hash"] if last else "",
            )
            entry = msgspec.structs.replace(entry, hash=hash_of(entry))
            self._write(db, entry)
            if usage is not None:
                self._write_usage(db, usage)
            return entry

    def record(self, usage: UsageRow) -> None:
        """Write down what an attempt took; what is there already under its key stays."""
        with self.write() as db:
            self._write_usage(db, usage)

    def mark_paid(self, payout: int, reference: str) -> None:
        """Note that a payout has left the house, under the reference of who carried it."""
        with self.write() as db:
            db.execute("INSERT OR IGNORE INTO paid VALUES (?, ?, ?)", (payout, reference[:200], self.now()))

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all that is posted in it is there, or nothing is. Transactions inside are part of it."""
        with self._lock, self._told():
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def now(self) -> int:
        """Microseconds since 1970."""
        return round(self._clock() * 1e6)

    def _write(self, db: sqlite3.Connection, entry: Entry) -> None:
        db.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.number,
                entry.at,
                entry.kind,
                entry.key,
                entry.job,
                entry.unit,
                entry.attempt,
                entry.refers or None,
                entry.text,
            ),
        )
        for place, posting in enumerate(entry.postings):
            account = self._account(db, posting)
            balance = _last_balance(db, account) + posting.amount
            db.execute(
                "INSERT INTO posting (journal, place, account, amount, balance) VALUES (?, ?, ?, ?, ?)",
                (entry.number, place, account, posting.amount, balance),
            )
        db.execute("INSERT INTO seal VALUES (?, ?, ?)", (entry.number, entry.before, entry.hash))

    def _account(self, db: sqlite3.Connection, posting: Posting) -> int:
        what = (posting.owner, posting.account, posting.job, posting.currency)
        db.execute("INSERT OR IGNORE INTO account (owner, kind, job, currency) VALUES (?, ?, ?, ?)", what)
        row = db.execute("SELECT id FROM account WHERE (owner, kind, job, currency) = (?, ?, ?, ?)", what).fetchone()
        return int(row[0])

    def _write_usage(self, db: sqlite3.Connection, usage: UsageRow) -> None:
        if db.execute("SELECT 1 FROM usage WHERE key = ?", (usage.key,)).fetchone():
            return
        last = db.execute("SELECT hash FROM usage ORDER BY number DESC LIMIT 1").fetchone()
        before = last[0] if last else ""
        values = msgspec.structs.astuple(usage)
        db.execute(
            "INSERT INTO usage (key, job, unit, attempt, node, t0, t1, core_s, device_s, score_s, accepted, reason,"
            " before, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, before, _usage_hash(usage, before)),
        )

    # --- reading -----------------------------------------------------------------------------------------------------
    def find(self, key: str) -> Entry | None:
        """The entry of a key."""
        return next(self.entries(key=key), None)

    def entries(
        self, *, job: str | None = None, kind: Kind | None = None, key: str | None = None, since: int = 0
    ) -> Iterator[Entry]:
        """Entries in their order: all, or those of a job, a kind, a key, or after a number."""
        wanted = {"job": job, "kind": kind, "key": key}
        chosen = {name: value for name, value in wanted.items() if value is not None}
        where = "".join(f" AND j.{name} = ?" for name in chosen)
        rows = self.read(
            f"SELECT j.*, s.before, s.hash FROM journal j JOIN seal s USING (number) WHERE j.number > ?{where}"
            " ORDER BY j.number",
            since,
            *chosen.values(),
        )
        for row in rows:
            yield self._entry(row)

    def _entry(self, row: sqlite3.Row) -> Entry:
        postings = self.read(
            "SELECT a.owner, a.kind, p.amount, a.currency, a.job FROM posting p JOIN account a ON a.id = p.account"
            " WHERE p.journal = ? ORDER BY p.place",
            row["number"],
        )
        return Entry(
            number=row["number"],
            at=row["at"],
            kind=row["kind"],
            key=row["key"],
            postings=tuple(Posting(owner=o, account=k, amount=a, currency=c, job=j) for o, k, a, c, j in postings),
            job=row["job"],
            unit=row["unit"],
            attempt=row["attempt"],
            refers=row["refers"] or 0,
            text=row["text"],
            before=row["before"],
            hash=row["hash"],
        )

    def unsettled(self, until: int, *, since: int = 0) -> list[Entry]:
        """What was billed up to a moment, in microseconds since 1970, and is neither approved nor rejected; of the
        entries after a number."""
        keys = self.read(
            "SELECT key FROM journal AS billed WHERE kind = 'capture' AND number > ? AND at <= ? AND NOT EXISTS"
            " (SELECT 1 FROM journal WHERE refers = billed.number AND kind IN ('approve', 'reject')) ORDER BY number",
            since,
            until,
        )
        return [entry for (key,) in keys for entry in self.entries(key=key)]

    def usages(self, *, job: str | None = None) -> list[UsageRow]:
        """What attempts took, in the order in which it was written down."""
        rows = self.read(
            "SELECT key, job, unit, attempt, node, t0, t1, core_s, device_s, score_s, accepted, reason FROM usage"
            " WHERE ?1 IS NULL OR job = ?1 ORDER BY number",
            job,
        )
        return [UsageRow(**{**dict(row), "accepted": bool(row["accepted"])}) for row in rows]

    def balance(self, owner: str, account: Account, *, currency: str, job: str | None = None) -> int:
        """What an owner has in accounts of a kind; of one job, or of all."""
        rows = self.read(
            "SELECT coalesce(sum(balance), 0) FROM standing WHERE owner = ? AND kind = ? AND currency = ?"
            " AND (?4 IS NULL OR job = ?4)",
            owner,
            account,
            currency,
            job,
        )
        return int(rows[0][0])

    def balances(self) -> list[Posting]:
        """Every account with what it has, added up from all postings."""
        rows = self.read("SELECT owner, kind, balance, currency, job FROM balances ORDER BY kind, owner, job, currency")
        return [Posting(owner=o, account=k, amount=b, currency=c, job=j) for o, k, b, c, j in rows]

    def unpaid(self) -> list[Entry]:
        """Payouts that nobody has carried yet."""
        paid = {row[0] for row in self.read("SELECT journal FROM paid")}
        return [entry for entry in self.entries(kind="payout") if entry.number not in paid]

    def head(self) -> str:
        """The hash of the last entry; "" of an empty ledger."""
        rows = self.read("SELECT hash FROM seal ORDER BY number DESC LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def read(self, query: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a query."""
        with self._lock, self._told():
            return self._db.execute(query, values).fetchall()

    # --- checking ----------------------------------------------------------------------------------------------------
    def verify(self, *, head: str = "") -> int:
        """Compute every hash and balance anew; gives how many entries there are.

        `head` is a hash that was seen earlier: it must still be there. Raises BadAsset at the first fault.
        """
        with self._lock:
            count = self._verify_journal(head)
            self._verify_usage()
            differing = self.read(
                "SELECT b.owner FROM balances b JOIN standing s USING (id) WHERE b.balance != s.balance"
            )
            if differing:
                raise self._damaged(f"the balance of {differing[0][0]!r} is not the sum of its postings")
            open_ = self.read("SELECT number FROM journal WHERE number NOT IN (SELECT number FROM seal)")
            if open_:
                raise self._damaged(f"entry {open_[0][0]} was never closed")
            return count

    def _verify_journal(self, head: str) -> int:
        before, seen, number = "", head == "", 0
        totals: dict[tuple[str, str, str, str], int] = {}
        for number, entry in enumerate(self.entries(), 1):
            if entry.number != number:
                raise self._damaged(f"entry {number} is missing")
            if entry.before != before or entry.hash != hash_of(entry):
                raise self._damaged(f"entry {number} is not what was written")
            for posting in entry.postings:
                account = (posting.owner, posting.account, posting.job, posting.currency)
                totals[account] = totals.get(account, 0) + posting.amount
            if _unbalanced(entry.postings):
                raise self._damaged(f"entry {number} does not balance")
            before, seen = entry.hash, seen or entry.hash == head
        if not seen:
            raise self._damaged("its end is missing: an entry that was seen is not there")
        for row in self.balances():
            if totals.get((row.owner, row.account, row.job, row.currency), 0) != row.amount:
                raise self._damaged(f"the balance of {row.owner!r} is not the sum of its postings")
        return number

    def _verify_usage(self) -> None:
        before = ""
        for usage, row in zip(self.usages(), self.read("SELECT before, hash FROM usage ORDER BY number"), strict=True):
            if row["before"] != before or row["hash"] != _usage_hash(usage, before):
                raise self._damaged(f"the usage of attempt {usage.attempt} is not what was written")
            before = row["hash"]

    def _damaged(self, what: str) -> BadAsset:
        return BadAsset(f"the ledger {self.file} was changed or damaged: {what}; put back a copy and settle again")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite meets, as sentences."""
        try:
            yield
        except sqlite3.IntegrityError as fault:
            raise UsageError(f"the ledger {self.file} refuses it: {fault}") from fault
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as fault:
            raise CannotWrite(f"the ledger {self.file} does not answer: {fault}; free the disk, then go on") from fault
        except sqlite3.DatabaseError as fault:
            raise broken(self.file, fault) from fault


def hash_of(entry: Entry) -> str:
    """SHA-256 of an entry with the hash of the one before."""
    plain = {**msgspec.to_builtins(msgspec.structs.replace(entry, hash="")), "before": entry.before}
    return hashlib.sha256(canonical(plain)).hexdigest()


def _usage_hash(usage: UsageRow, before: str) -> str:
    return hashlib.sha256(canonical([before, list(msgspec.structs.astuple(usage))])).hexdigest()


def _check(postings: Sequence[Posting], key: str) -> None:
    for posting in postings:
        if posting.account not in get_args(Account) or not posting.owner or abs(posting.amount) > LARGEST:
            raise UsageError(f"the entry {key!r} has a posting that cannot be; check its account and amount")
        if bool(posting.job) != (posting.account == "customer_held"):
            raise UsageError(f"the entry {key!r}: money is held for a job, and only held money is")
    if _unbalanced(postings):
        raise UsageError(f"the entry {key!r} does not add up to 0; what one account gets another gives")


def _unbalanced(postings: Sequence[Posting]) -> bool:
    currencies = {p.currency for p in postings}
    return any(sum(p.amount for p in postings if p.currency == c) for c in currencies)


def _last_balance(db: sqlite3.Connection, account: int) -> int:
    row = db.execute("SELECT balance FROM posting WHERE account = ? ORDER BY id DESC LIMIT 1", (account,)).fetchone()
    return int(row[0]) if row else 0
