"""What people do with a farm's books: money in, approval, complaint, payment. No price list is needed for it.

How money leaves the house is a seam, `Payer`: a bank, a service. Where there is none, `dues` are what a person pays by
hand and `confirm` books what was paid, under the key that the due had; nothing is booked that nobody has paid. An
approval or a complaint that comes twice is one, as every entry's key is made of what it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from studio.errors import UsageError
from studio.farm.model import JobId, NodeId, Record
from studio.farm.money.ledger import OUTSIDE, PLATFORM, Account, Entry, Ledger, Posting

Place = tuple[Account, str, str]  # account, owner, job


class Payer(Protocol):
    """Who carries money out of the house: a bank, a service. Paying twice under one key must be paying once."""

    def pay(self, node: NodeId, micros: int, currency: str, key: str) -> str:
        """Pay; gives the payer's own reference."""


class Due(Record, frozen=True):
    """What is to be paid to a node, under a key that it has until it is paid."""

    key: str
    node: NodeId
    micros: int
    currency: str


class Accounts:
    """A ledger as people use it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def currency(self, wanted: str = "") -> str:
        """The currency of the books, or the one that is wanted. Raises UsageError where neither is one."""
        found = {account.currency for account in self.ledger.balances()}
        if not wanted and len(found) == 1:
            return found.pop()
        if not wanted:
            there = f"the books have {', '.join(sorted(found))}" if found else "the books are empty"
            raise UsageError(f"say which currency; {there}")
        if len(wanted) != 3 or not wanted.isalpha() or not wanted.isascii() or not wanted.isupper():
            raise UsageError(f"{wanted[:20]!r} is no currency; write three capital letters, like EUR")
        return wanted

    def credit(self, customer: str, micros: int, *, currency: str, key: str) -> Entry:
        """Money came in, under a key that it came with, such as the bank's reference."""
        if micros <= 0:
            raise UsageError("what is topped up is more than nothing; give an amount")
        if not customer or not key:
            raise UsageError("say whose money it is, and what it came with")
        source: Place = ("external", OUTSIDE, "")
        target: Place = ("customer_available", customer, "")
        return self.ledger.post("topup", f"topup/{key}", moved(source, target, micros, currency))

    # --- what was billed ---------------------------------------------------------------------------------------------
    def captures(self, job: JobId | None = None) -> list[Entry]:
        """What was billed and is neither approved nor rejected."""
        settled = {e.refers for kind in ("approve", "reject") for e in self.ledger.entries(job=job, kind=kind)}
        return [e for e in self.ledger.entries(job=job, kind="capture") if e.number not in settled]

    def approve(self, job: JobId, *, units: Iterable[str] | None = None) -> int:
        """The artist takes units of a job, or all; gives how many entries that was."""
        chosen = None if units is None else set(units)
        entries = [e for e in self.captures(job) if chosen is None or e.unit in chosen]
        for entry in entries:
            self._approve(entry)
        return len(entries)

    def approve_until(self, at: int) -> int:
        """Approve all that was billed up to a moment, in microseconds since 1970."""
        if not self.ledger.unsettled(at):
            return 0
        with self.ledger.write():  # a complaint of somebody else comes before all of it or after
            entries = self.ledger.unsettled(at)
            for entry in entries:
                self._approve(entry)
        return len(entries)

    def _approve(self, entry: Entry) -> None:
        postings = []
        for part in entry.postings:
            if part.account == "node_pending":
                source: Place = ("node_pending", part.owner, "")
                target: Place = ("node_payable", part.owner, "")
                postings += moved(source, target, part.amount, part.currency)
        if postings:
            self.ledger.post(
                "approve", f"approve/{entry.number}", postings, job=entry.job, unit=entry.unit, refers=entry.number
            )

    def reject(self, job: JobId, units: Iterable[str], *, reason: str) -> int:
        """Give back what units were billed, by new entries; gives how much that was.

        What the node has been promised or paid meanwhile and cannot give back, the farm bears.
        """
        total, chosen = 0, set(units)
        gone = {e.refers for e in self.ledger.entries(job=job, kind="reject")}
        with self.ledger.write():
            for entry in list(self.ledger.entries(job=job, kind="capture")):
                if entry.unit in chosen and entry.number not in gone:
                    total += self._reverse(entry, reason)
            if total:
                self._free_if_over(job, total)
        return total

    def _free_if_over(self, job: JobId, micros: int) -> None:
        """What was given back of a job that is over is its customer's again; before, it is held for the job."""
        last = [e for e in self.ledger.entries(job=job) if e.kind in ("hold", "release")][-1:]
        if not last or last[0].kind != "release":
            return
        held = next(p for p in last[0].postings if p.account == "customer_held")
        there = self.ledger.balance(held.owner, "customer_held", currency=held.currency, job=job)
        source: Place = ("customer_held", held.owner, job)
        target: Place = ("customer_available", held.owner, "")
        postings = moved(source, target, min(there, micros), held.currency)
        if there > 0:
            self.ledger.post("release", f"release/{job}/{self.ledger.head()}", postings, job=job)

    def _reverse(self, entry: Entry, reason: str) -> int:
        node = next((x for x in entry.postings if x.account == "node_pending"), None)
        approved = self.ledger.find(f"approve/{entry.number}") is not None
        postings = [
            Posting(owner=x.owner, account=x.account, amount=-x.amount, currency=x.currency, job=x.job)
            for x in entry.postings
            if x is not node
        ]
        if node is not None:
            where: Account = "node_payable" if approved else "node_pending"
            left = self.ledger.balance(node.owner, where, currency=node.currency)
            back = min(left, node.amount)
            postings += [
                Posting(owner=node.owner, account=where, amount=-back, currency=node.currency),
                Posting(owner=PLATFORM, account="platform_cost", amount=back - node.amount, currency=node.currency),
            ]
        self.ledger.post(
            "reject",
            f"reject/{entry.number}",
            postings,
            job=entry.job,
            unit=entry.unit,
            attempt=entry.attempt,
            refers=entry.number,
            text=reason,
        )
        return -entry.amount("customer_held")

    # --- what is paid ------------------------------------------------------------------------------------------------
    def dues(self) -> list[Due]:
        """What is to be paid, by node."""
        owed = (a for a in self.ledger.balances() if a.account == "node_payable" and a.amount > 0)
        return [
            Due(key=self._payout_key(a.owner, a.currency), node=a.owner, micros=a.amount, currency=a.currency)
            for a in owed
        ]

    def _payout_key(self, node: NodeId, currency: str) -> str:
        begin = f"payout/{node}/{currency}/"
        count = sum(1 for e in self.ledger.entries(kind="payout") if e.key.removeprefix(begin).isdecimal())
        return f"{begin}{count + 1}"

    def confirm(self, due: Due, reference: str) -> bool:
        """Book a due that was paid, under the payer's reference; False when that was booked before.

        What was given back since the due was drawn up and is paid all the same, the farm bears.
        """
        if due.micros <= 0 or not reference or not due.key.startswith("payout/"):
            raise UsageError(f"{due.key[:80]!r} is no payment of these books; confirm what studio farm ledger drew up")
        with self.ledger.write():
            found = self.ledger.find(due.key)
            if found is not None:
                if found.amount("external") != due.micros:
                    raise UsageError(f"{due.key[:80]!r} was booked with another amount; look at the books")
                return False
            if due.key != self._payout_key(due.node, due.currency):
                raise UsageError(f"{due.key[:80]!r} is not what is to be paid next; draw up the payments anew")
            owed = self.ledger.balance(due.node, "node_payable", currency=due.currency)
            taken = min(owed, due.micros)
            postings = [
                Posting(owner=due.node, account="node_payable", amount=-taken, currency=due.currency),
                Posting(owner=PLATFORM, account="platform_cost", amount=taken - due.micros, currency=due.currency),
                Posting(owner=OUTSIDE, account="external", amount=due.micros, currency=due.currency),
            ]
            entry = self.ledger.post("payout", due.key, postings)
            self.ledger.mark_paid(entry.number, reference)
        return True

    def pay(self, node: NodeId, payer: Payer, *, currency: str) -> int:
        """Pay a node what is due to it; gives how much went out, with what an earlier try left behind.

        The ledger says so first and the payer is asked then, under the entry's key, as often as it takes.
        """
        with self.ledger.write():
            owed = self.ledger.balance(node, "node_payable", currency=currency)
            if owed > 0:
                source: Place = ("node_payable", node, "")
                target: Place = ("external", OUTSIDE, "")
                self.ledger.post("payout", self._payout_key(node, currency), moved(source, target, owed, currency))
        paid = 0
        for entry in self.ledger.unpaid():
            amount = -entry.amount("node_payable", node)
            if amount > 0 and entry.postings[0].currency == currency:
                self.ledger.mark_paid(entry.number, payer.pay(node, amount, currency, entry.key))
                paid += amount
        return paid


def moved(source: Place, target: Place, micros: int, currency: str) -> list[Posting]:
    """The postings that move an amount from one account to another."""
    return [
        Posting(owner=owner, account=account, amount=amount, currency=currency, job=job)
        for (account, owner, job), amount in ((source, -micros), (target, micros))
    ]
