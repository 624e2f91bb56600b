"""The ledger: it balances, nothing in it changes, twice is once, and whatever is cut off leaves whole entries."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset, CannotWrite, StudioError, Unsupported, UsageError
from studio.farm.money.ledger import Ledger, Posting, UsageRow

USAGE = UsageRow(key="c1", job="j", unit="f1/0-8", attempt=7, node="n", t0=0, t1=5_000_000, core_s=5_000_000)


def posting(owner: str, account: str, amount: int, job: str = "", currency: str = "EUR") -> Posting:
    return Posting(owner=owner, account=account, amount=amount, currency=currency, job=job)  # type: ignore[arg-type]


def topup(amount: int) -> list[Posting]:
    return [posting("outside", "external", -amount), posting("ann", "customer_available", amount)]


def hold(amount: int, job: str = "j") -> list[Posting]:
    return [posting("ann", "customer_available", -amount), posting("ann", "customer_held", amount, job)]


def capture(amount: int, fee: int, job: str = "j") -> list[Posting]:
    return [
        posting("ann", "customer_held", -amount, job),
        posting("n", "node_pending", amount - fee),
        posting("platform", "platform_fee", fee),
    ]


def story(ledger: Ledger) -> None:
    """A small history, done twice over, as after a crash."""
    for _ in range(2):
        ledger.post("topup", "t1", topup(1000))
        ledger.post("hold", "h1", hold(600), job="j")
        taken = ledger.post("capture", "c1", capture(100, 5), job="j", unit="f1/0-8", attempt=7, usage=USAGE)
        pending = [posting("n", "node_pending", -95), posting("n", "node_payable", 95)]
        ledger.post("approve", "a1", pending, job="j", refers=taken.number)


def balances(ledger: Ledger) -> dict[tuple[str, str], int]:
    return {(p.owner, p.account): p.amount for p in ledger.balances() if p.amount}


WHOLE = {
    ("ann", "customer_available"): 400,
    ("ann", "customer_held"): 500,
    ("n", "node_payable"): 95,
    ("platform", "platform_fee"): 5,
    ("outside", "external"): -1000,
}


def test_a_history_done_twice_is_there_once_and_verifies(tmp_path: Path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        story(ledger)
        assert balances(ledger) == WHOLE
        assert ledger.balance("ann", "customer_held", currency="EUR", job="j") == 500
        assert ledger.verify(head=ledger.head()) == 4
        assert ledger.usages(job="j") == [USAGE]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.verify() == 4
        assert [e.kind for e in ledger.entries()] == ["topup", "hold", "capture", "approve"]


def test_a_key_of_something_else_is_refused(tmp_path: Path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.post("topup", "t1", topup(10))
        with pytest.raises(UsageError, match="belongs to another entry"):
            ledger.post("hold", "t1", hold(10), job="j")


@pytest.mark.parametrize(
    ("postings", "what"),
    [
        ([posting("a", "customer_available", 5)], "add up to 0"),
        ([posting("a", "customer_available", 5), posting("o", "external", -5, currency="USD")], "add up to 0"),
        ([posting("a", "customer_held", 5), posting("o", "external", -5)], "held for a job"),
        ([posting("a", "gold", 5), posting("o", "external", -5)], "cannot be"),
        ([], "add up to 0"),
        (hold(1), "not enough money"),
    ],
)
def test_what_does_not_balance_is_refused_and_leaves_nothing(tmp_path: Path, postings: list[Posting], what: str):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        with pytest.raises(UsageError, match=what):
            ledger.post("adjust", "k", postings)
        assert ledger.verify() == 0
        assert not list(ledger.entries())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE posting SET amount = 3",
        "DELETE FROM posting",
        "REPLACE INTO posting VALUES (1, 1, 0, 1, 7, 7)",
        "UPDATE journal SET text = 'x'",
        "DELETE FROM journal",
        "DELETE FROM seal",
        "UPDATE usage SET accepted = 0",
        "DELETE FROM account",
        "INSERT INTO journal VALUES (9, 0, 'topup', 'x', '', '', 0, NULL, '')",  # without its seal
        "INSERT INTO posting VALUES (99, 1, 9, 1, 5, 1005)",  # of a closed entry
        "INSERT INTO journal VALUES (9, 0, 'gift', 'x', '', '', 0, NULL, '')",
    ],
)
def test_the_database_itself_refuses_what_no_ledger_does(tmp_path: Path, statement: str):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        story(ledger)
        before = list(ledger.entries())
        with pytest.raises(UsageError, match="refuses"), ledger.write() as db:
            db.execute(statement)
        assert list(ledger.entries()) == before
        assert ledger.verify() == 4


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE posting SET amount = amount + 1, balance = balance + 1 WHERE id = 2",
        "UPDATE journal SET text = 'forged' WHERE number = 2",
        "UPDATE journal SET attempt = 9 WHERE number = 3",
        "UPDATE usage SET core_s = 1",
        "UPDATE seal SET hash = 'x' WHERE number = 4",
        "DELETE FROM seal WHERE number = 4",
        "UPDATE account SET owner = 'eve' WHERE owner = 'ann'",
    ],
)
def test_what_was_changed_behind_its_back_shows(tmp_path: Path, statement: str):
    file = tmp_path / "l.sqlite"
    with Ledger(file) as ledger:
        story(ledger)
    db = sqlite3.connect(file)
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    db.execute(statement)
    db.commit()
    db.close()
    with Ledger(file) as ledger, pytest.raises(BadAsset, match="changed or damaged"):
        ledger.verify()


def test_an_end_that_was_cut_off_shows_to_who_remembers_it(tmp_path: Path):
    file, copy = tmp_path / "l.sqlite", tmp_path / "copy.sqlite"
    with Ledger(file) as ledger:
        ledger.post("topup", "t1", topup(10))
    shutil.copy(file, copy)
    with Ledger(file) as ledger:
        ledger.post("topup", "t2", topup(10))
        head = ledger.head()
    with Ledger(copy) as ledger:
        assert ledger.verify() == 1
        with pytest.raises(BadAsset, match="its end is missing"):
            ledger.verify(head=head)


class Quick(sqlite3.Connection):
    """A connection that does not wait for the disk: only a power cut could tell, and none comes here."""

    def execute(self, *args):  # type: ignore[no-untyped-def]
        return super().execute(*(a.replace("synchronous = FULL", "synchronous = OFF") for a in args[:1]), *args[1:])


def quick(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, factory=Quick)


# --- crashes ---------------------------------------------------------------------------------------------------------
class Crash(Exception):
    """The process is gone at this statement."""


class Failing(Quick):
    """A connection that dies at a statement, as a process does: nothing after it is done, no rollback either."""

    left = 1 << 30

    def execute(self, *args):  # type: ignore[no-untyped-def]
        if Failing.left <= 0 and not args[0].startswith("PRAGMA user_version"):
            raise Crash
        Failing.left -= 1
        return super().execute(*args)


def failing(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, factory=Failing)


def test_a_crash_at_any_statement_leaves_whole_entries_and_the_rest_can_follow(tmp_path: Path):
    died = 0
    for statement in range(1 << 20):
        file = tmp_path / f"{statement}.sqlite"
        Failing.left = statement
        try:
            with Ledger(file, connect=failing) as ledger:
                story(ledger)
                survived = True
        except Crash:
            survived, died = False, died + 1
        Failing.left = 1 << 30
        with Ledger(file, connect=quick) as ledger:
            assert ledger.verify() <= 4
            story(ledger)
            assert balances(ledger) == WHOLE
            assert ledger.verify() == 4
        if survived:
            break
    assert died > 60


_KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from studio.farm.money.ledger import Ledger, Posting

left = int(sys.argv[2])

class Killed(sqlite3.Connection):
    def execute(self, *args):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*args)

connect = lambda uri: sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, factory=Killed)
ledger = Ledger(Path(sys.argv[1]), connect=connect)
for i in range(100):
    def p(owner, account, amount):
        return Posting(owner=owner, account=account, amount=amount, currency="EUR")
    ledger.post("topup", f"t{i}", [p("outside", "external", -1), p("ann", "customer_available", 1)])
    print(ledger.head(), flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("statement", [40, 57, 83, 111])
def test_a_killed_process_loses_nothing_that_it_said_was_there(tmp_path: Path, statement: int):
    file = tmp_path / "l.sqlite"
    run = [sys.executable, "-c", _KILLED, str(file), str(statement)]
    ended = subprocess.run(run, capture_output=True, text=True, env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    heads = ended.stdout.split()
    with Ledger(file) as ledger:
        assert ledger.verify(head=heads[-1] if heads else "") in (len(heads), len(heads) + 1)
        assert ledger.balance("ann", "customer_available", currency="EUR") == ledger.verify()


def test_a_journal_cut_mid_write_is_recovered_to_whole_entries(tmp_path: Path):
    file = tmp_path / "l.sqlite"
    ledger = Ledger(file)
    story(ledger)
    kept = {name: (tmp_path / name).read_bytes() for name in ("l.sqlite", "l.sqlite-wal")}
    ledger.close()
    wal = kept["l.sqlite-wal"]
    for number, size in enumerate(range(0, len(wal), max(len(wal) // 40, 1))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "l.sqlite").write_bytes(kept["l.sqlite"])
        (folder / "l.sqlite-wal").write_bytes(wal[:size])
        with Ledger(folder / "l.sqlite", connect=quick) as again:
            assert again.verify() <= 4
            story(again)
            assert balances(again) == WHOLE


def test_a_file_cut_mid_write_is_refused_in_a_sentence_and_left_as_it_is(tmp_path: Path):
    file = tmp_path / "l.sqlite"
    with Ledger(file) as ledger:
        story(ledger)
    data = file.read_bytes()
    for size in range(100, len(data), 4096):
        file.write_bytes(data[:size])
        with pytest.raises(StudioError) as fault:
            Ledger(file)
        assert isinstance(fault.value, BadAsset | CannotWrite)
        assert "\n" not in str(fault.value)
        assert file.read_bytes() == data[:size]
    file.write_bytes(data)
    with Ledger(file) as ledger:
        assert balances(ledger) == WHOLE


def test_what_is_no_ledger_is_refused_and_left_as_it_is(tmp_path: Path):
    file = tmp_path / "l.sqlite"
    file.write_bytes(b"my novel, chapter one. " * 200)
    with pytest.raises(BadAsset, match="damaged"):
        Ledger(file)
    other = tmp_path / "other.sqlite"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE recipes (name)")
    db.commit()
    db.close()
    with pytest.raises(BadAsset, match="something else"):
        Ledger(other)
    newer = tmp_path / "newer.sqlite"
    db = sqlite3.connect(newer)
    db.execute("CREATE TABLE x (y)")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(Unsupported, match="newer"):
        Ledger(newer)


# --- schedules -------------------------------------------------------------------------------------------------------
_step = st.tuples(
    st.sampled_from(["topup", "hold", "capture", "release", "approve", "payout"]),
    st.integers(1, 400),
    st.sampled_from(["j", "k"]),
)


@given(steps=st.lists(_step, max_size=25))
@settings(max_examples=40, deadline=None)
def test_no_schedule_bills_beyond_the_cap_or_makes_money(tmp_path_factory, steps):
    file = tmp_path_factory.mktemp("ledger") / "l.sqlite"
    held, billed = {"j": 0, "k": 0}, {"j": 0, "k": 0}
    with Ledger(file, connect=quick) as ledger:
        for number, (kind, amount, job) in enumerate(steps):
            postings = {
                "topup": topup(amount),
                "hold": hold(amount, job),
                "capture": capture(amount, amount // 20, job) if amount >= 20 else capture(amount, 0, job)[:2],
                "release": [posting(p.owner, p.account, -p.amount, p.job) for p in hold(amount, job)],
                "approve": [posting("n", "node_pending", -amount), posting("n", "node_payable", amount)],
                "payout": [posting("n", "node_payable", -amount), posting("outside", "external", amount)],
            }[kind]
            try:
                ledger.post(kind, str(number), postings, job=job if kind in ("hold", "capture", "release") else "")
            except UsageError:
                continue
            held[job] += {"hold": amount, "release": -amount}.get(kind, 0)
            billed[job] += amount if kind == "capture" else 0
            assert billed[job] <= held[job]
        assert sum(p.amount for p in ledger.balances()) == 0
        assert all(p.amount >= 0 for p in ledger.balances() if p.account not in ("external", "platform_cost"))
        ledger.verify(head=ledger.head())
