"""What a job has cost so far, by the books of this machine, for whoever watches it.

Books are kept where a farm is run with a price list; elsewhere there are none, and nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from studio.errors import StudioError
from studio.farm.model import JobId, NodeId, Record
from studio.farm.money.ledger import Entry, Ledger, UsageRow
from studio.farm.session import farm_folder

MILLION = 1_000_000


class NodeBill(Record, frozen=True):
    """A node's part of a job. Seconds are of the clock of its cores, devices and of the reference device."""

    node: NodeId
    units: int
    core_s: float
    device_s: float
    amount: int
    unpaid_units: int = 0  # that failed, were done twice or were checks


class Bill(Record, frozen=True):
    """The books of a job, in millionths of the currency. `captured` is what the customer owes by now, `held` what is
    set aside for the rest, `released` and `rejected` what came back."""

    file: str
    currency: str
    held: int
    captured: int
    released: int
    rejected: int
    nodes: tuple[NodeBill, ...]
    entries: int


def ledger_file() -> Path | None:
    """The ledger of this machine; None where there is none."""
    for file in (farm_folder() / "house" / "ledger.sqlite", farm_folder() / "ledger.sqlite"):
        if file.is_file():
            return file
    return None


class Books:
    """The ledger of this machine, opened when it is first there. Belongs to one thread."""

    def __init__(self) -> None:
        self._ledger: Ledger | None = None
        self._head = ""
        self._spent: dict[JobId, tuple[int, str]] = {}
        self.fault = ""

    def close(self) -> None:
        """Close it."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def spent(self, job: JobId) -> tuple[int, str] | None:
        """What a job has cost by now, and in which currency; None where no books say so."""
        books = self._open()
        if books is None:
            return None
        try:
            head = books.head()
            if head != self._head:
                self._head, self._spent = head, {}
            if job not in self._spent:
                entries = list(books.entries(job=job))
                self._spent[job] = (_captured(entries) - _rejected(entries), _currency(entries))
        except StudioError as fault:
            self.fault = str(fault)
            return None
        amount, currency = self._spent[job]
        return (amount, currency) if currency else None

    def bill(self, job: JobId) -> Bill | None:
        """What stands in the books of a job; None where there are none, or they know nothing of it."""
        books = self._open()
        if books is None:
            return None
        try:
            entries, usages = list(books.entries(job=job)), books.usages(job=job)
        except StudioError as fault:
            self.fault = str(fault)
            return None
        currency = _currency(entries)
        if not currency:
            return None
        return Bill(
            file=str(books.file),
            currency=currency,
            held=sum(e.amount("customer_held") for e in entries),
            captured=_captured(entries),
            released=-sum(e.amount("customer_held") for e in entries if e.kind == "release"),
            rejected=_rejected(entries),
            nodes=tuple(_by_node(entries, usages)),
            entries=len(entries),
        )

    def _open(self) -> Ledger | None:
        file = ledger_file()
        if file is None:
            self.close()
        elif self._ledger is None or self._ledger.file != file.absolute():
            self.close()
            try:
                self._ledger = Ledger(file)
                self.fault = ""
            except StudioError as fault:
                self.fault = str(fault)
        return self._ledger


def _captured(entries: Iterable[Entry]) -> int:
    return -sum(e.amount("customer_held") for e in entries if e.kind == "capture")


def _rejected(entries: Iterable[Entry]) -> int:
    return sum(e.amount("customer_held") for e in entries if e.kind == "reject")


def _currency(entries: Iterable[Entry]) -> str:
    return next((posting.currency for entry in entries for posting in entry.postings), "")


def _by_node(entries: Iterable[Entry], usages: Iterable[UsageRow]) -> list[NodeBill]:
    """What each node did, and what of it was billed."""
    amounts = {entry.key: -entry.amount("customer_held") for entry in entries if entry.kind == "capture"}
    found: dict[NodeId, NodeBill] = {}
    for usage in usages:
        before = found.get(usage.node) or NodeBill(node=usage.node, units=0, core_s=0.0, device_s=0.0, amount=0)
        found[usage.node] = NodeBill(
            node=usage.node,
            units=before.units + usage.accepted,
            core_s=before.core_s + usage.core_s / MILLION,
            device_s=before.device_s + usage.device_s / MILLION,
            amount=before.amount + amounts.get(usage.key, 0),
            unpaid_units=before.unpaid_units + (not usage.accepted and usage.reason != "load"),
        )
    return sorted(found.values(), key=lambda row: (-row.amount, row.node))
