"""What happens on the farm, as money: the seam between the coordinator's events and the ledger.

A job's cap is held when it is submitted. Every unit that is accepted is captured from that, at the price of the time
that its samples took, and waits for the artist's approval, or until the list's time for that has passed; then its
node is paid. What is left is released when the job ends. A unit that took more than is left under the cap is billed up
to the cap and the farm bears the rest, as it bears attempts that failed, work done twice and checks: all of that is
written down as usage and none of it is billed. The time before the first sample is a line of its own.

Every entry's key is made of what it stands for, so events may come twice, and a whole log may be gone through again
(`replay`): what the ledger has already stays as it is. That is also how a ledger that was lost is made again.

What a node says it took is believed only up to what the clock says that it can have taken.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from studio.errors import StudioError, UsageError
from studio.farm.model import Event, JobId, JobSpec, NodeId, NodeInfo, Range, Result, attempt_of, maker_of
from studio.farm.money import prices as p
from studio.farm.money.accounts import Accounts, Place, moved
from studio.farm.money.accounts import Payer as Payer
from studio.farm.money.ledger import PLATFORM, Entry, Ledger, Posting, UsageRow
from studio.farm.money.prices import PriceList, Quantities
from studio.farm.ranges import Ranges

JobOf = Callable[[JobId], JobSpec | None]
NodeOf = Callable[[NodeId], NodeInfo | None]
ResultOf = Callable[[JobId, int, Range], Result | None]
MOST_NOTES = 100
_OVER = ("done", "failed", "cancelled")
_UNPAID = {"failed": "failed", "expired": "expired", "lost": "lost"}


@dataclass(slots=True)
class _Attempt:
    """An attempt as far as events tell of it."""

    job: JobId
    piece: int
    node: NodeId
    last: int  # where it is to end
    at: int  # samples before this are delivered
    since: float  # what it delivered last, or its beginning
    loaded: bool = False


@dataclass(slots=True)
class _Open:
    """A job that is being settled."""

    billed: dict[int, Ranges] = field(default_factory=dict)  # by piece: samples are never billed twice


class Settlement(Accounts):
    """Keeps a ledger of what a farm does. Call `heard` with every event of the coordinator, in order.

    `job`, `node` and `result` look up what events only name. `customer` is whose money it is when a job names no owner.
    """

    def __init__(
        self,
        ledger: Ledger,
        prices: PriceList,
        *,
        job: JobOf,
        node: NodeOf,
        result: ResultOf,
        tier: Callable[[JobId], str] = lambda job: "",
        customer: str = "customer",
    ) -> None:
        super().__init__(ledger)
        self.prices = prices
        self._job, self._node, self._result, self._tier, self._customer = job, node, result, tier, customer
        self._attempts: dict[int, _Attempt] = {}
        self._leased: dict[int, NodeId] = {}
        self._caps: dict[JobId, int] = {}  # as people set them since
        self._open: dict[JobId, _Open] = {}
        self._ended: list[tuple[int, _Attempt]] = []
        self._waiting: deque[Event] = deque()
        self._lock = threading.RLock()
        self.notes: list[str] = []  # sentences for whoever runs the farm

    # --- a job -------------------------------------------------------------------------------------------------------
    def admit(self, spec: JobSpec) -> None:
        """Hold a job's cap, before it is submitted. Raises UsageError when it has none or there is not enough money."""
        if self.prices.free:
            return
        if spec.cap_micros <= 0:
            raise UsageError(f'the job "{spec.name}" has no cap; say what it may cost at the most')
        self._hold(spec, spec.cap_micros, f"hold/{spec.id}")

    def heard(self, event: Event) -> None:
        """Settle an event. Twice is once."""
        spec = self._job(event.job) if event.job else None
        if spec is None:
            return
        own = self._attempts.get(event.attempt)
        before, self._ended = copy.copy(own), []
        try:
            with self.ledger.write():
                self._settle(event, spec)
        except BaseException:  # as if it had not been heard, so that it can be heard again
            self._attempts.update(self._ended)
            if before is not None:
                self._attempts[event.attempt] = before
            self._open.pop(event.job, None)
            raise

    def listen(self, event: Event) -> None:
        """`heard` for a coordinator's listener, which must not fail: while the ledger takes nothing, events wait."""
        self._waiting.append(event)
        self.catch_up()

    def catch_up(self) -> int:
        """Settle what waits; gives how much still does. Call it now and then, as `Service.tick`."""
        with self._lock:
            while self._waiting:
                try:
                    self.heard(self._waiting[0])
                except UsageError as fault:  # no later try would do better, and others have to be paid
                    self._note(str(fault))
                except StudioError as fault:
                    self._note(str(fault))
                    break
                self._waiting.popleft()
            return len(self._waiting)

    def _note(self, sentence: str) -> None:
        self.notes[:] = [*(note for note in self.notes[-MOST_NOTES:] if note != sentence), sentence]

    def _settle(self, event: Event, spec: JobSpec) -> None:
        kind, found = event.kind, self._attempts.get(event.attempt)
        if kind in ("leased", "adopted") and event.range is not None:
            first, last = event.range
            self._leased[event.attempt] = event.node
            self._attempts.setdefault(
                event.attempt,
                _Attempt(event.job, event.piece, event.node, last, first, event.at, loaded=kind == "adopted"),
            )
        elif kind in ("cut", "called") and found is not None and event.range is not None:
            found.last = event.range[0]
            if found.at >= found.last:
                del self._attempts[event.attempt]
        elif kind == "delivered" and event.range is not None:
            self._delivered(event, spec, found)
        elif kind == "probed" and found is not None and event.range is not None:
            self._probed(event, spec, found)
        elif kind == "retracted" and event.range is not None:
            first, last = event.range
            self.reject(event.job, [f"{spec.pieces[event.piece].name}/{first}-{last}"], reason="taken back")
        elif kind in _UNPAID and event.attempt:
            self._unpaid(event.attempt, event.at, event.text or _UNPAID[kind])
        elif kind == "submitted":
            if not self.prices.free and spec.cap_micros:
                self._hold(spec, spec.cap_micros, f"hold/{spec.id}", partly=True)
        elif kind == "cap":
            self._caps[event.job] = int(event.text)
            self._recap(event, spec, int(event.text))
        elif kind in ("resumed", "extended"):  # what was released at an end is held again
            self._recap(event, spec, max(self._caps.get(event.job, spec.cap_micros), self.cap(spec)))
        elif kind in ("paused", "capped"):  # what runs ends where it is; others who go on from there are no rivals
            for attempt in self._attempts.values():
                if attempt.job == event.job:
                    attempt.last = attempt.at
        elif kind in _OVER:
            for number in [n for n, a in self._attempts.items() if a.job == event.job]:
                if self._attempts[number].at < self._attempts[number].last:
                    self._unpaid(number, event.at, "given up")
                else:
                    self._ended.append((number, self._attempts.pop(number)))
            self._release(event, spec)

    def _owner(self, spec: JobSpec) -> str:
        return spec.owner or self._customer

    def cap(self, spec: JobSpec) -> int:
        """What a job can be billed in all: what it was and what is held."""
        owner, job = self._owner(spec), spec.id
        held = self.ledger.balance(owner, "customer_held", currency=self.prices.currency, job=job)
        return held + self.billed(job)

    def billed(self, job: JobId) -> int:
        """What a job was billed, less what was given back."""
        entries = (e for kind in ("capture", "reject") for e in self.ledger.entries(job=job, kind=kind))
        return -sum(e.amount("customer_held") + e.amount("customer_available") for e in entries)

    def _hold(self, spec: JobSpec, micros: int, key: str, *, partly: bool = False) -> None:
        if self.ledger.find(key) is not None:
            return
        owner, currency = self._owner(spec), self.prices.currency
        there = self.ledger.balance(owner, "customer_available", currency=currency)
        if micros > there:
            short = p.money(micros - there, currency)
            text = f'{owner} lacks {short} for the cap of "{spec.name}"; top up or lower the cap'
            if not partly:
                raise UsageError(text)
            self._note(text)
            micros = there
        if micros > 0:
            postings = self._move(("customer_available", owner, ""), ("customer_held", owner, spec.id), micros)
            self.ledger.post("hold", key, postings, job=spec.id)

    def _recap(self, event: Event, spec: JobSpec, cap: int) -> None:
        """Hold more, or less, so that billed and held make the cap."""
        key = f"{event.kind}/{spec.id}/{round(event.at * 1e6)}"
        if self.prices.free or not cap or self.ledger.find(key) is not None:
            return
        more = cap - self.cap(spec)
        if more > 0:
            self._hold(spec, more, key, partly=True)
        elif more < 0:
            self._free(spec, -more, key)

    def _release(self, event: Event, spec: JobSpec) -> None:
        key = f"release/{spec.id}/{round(event.at * 1e6)}"
        if self.ledger.find(key) is None:
            self._free(spec, None, key)

    def _free(self, spec: JobSpec, micros: int | None, key: str) -> None:
        owner = self._owner(spec)
        held = self.ledger.balance(owner, "customer_held", currency=self.prices.currency, job=spec.id)
        amount = held if micros is None else min(held, micros)
        if amount > 0:
            postings = self._move(("customer_held", owner, spec.id), ("customer_available", owner, ""), amount)
            self.ledger.post("release", key, postings, job=spec.id)

    # --- units -------------------------------------------------------------------------------------------------------
    def _delivered(self, event: Event, spec: JobSpec, attempt: _Attempt | None) -> None:
        """Bill samples that were accepted, once whatever happens."""
        assert event.range is not None
        piece, samples = spec.pieces[event.piece], event.range
        unit = f"{piece.name}/{samples[0]}-{samples[1]}"
        key = f"capture/{spec.id}/{unit}.{event.attempt}"
        result, node = self._result(spec.id, event.piece, samples), self._node(event.node)
        said = result.usage.render_s + result.usage.load_s if result is not None else 0.0
        since = attempt.since if attempt is not None else event.at - max(said, 0.0)
        if attempt is not None:
            attempt.at, attempt.since = samples[1], event.at
            self._end_rivals(event, attempt)
            if attempt.at >= attempt.last:
                del self._attempts[event.attempt]
        if result is None or node is None:
            self._note(f"{unit} of {spec.id} came from {event.node!r}, of which nothing is known; not billed")
            return
        if self.ledger.find(key) is not None:
            return
        billed = self._billed(spec.id, event.piece, piece.name)
        if billed.meets(samples):
            return
        limit = max(event.at - since, 0.0)
        load_s = min(max(result.usage.load_s, 0.0), limit)
        taken = p.usage_quantities(node, result.usage, limit_s=limit - load_s)
        t1 = round(event.at * 1e6)
        times = {"t0": min(round((since + load_s) * 1e6), t1), "t1": t1}
        row = self._row(key, spec.id, unit, event.attempt, event.node, taken, times, accepted=True)
        self._capture(spec, unit, event.attempt, node, taken, key, row)
        billed.add(samples)
        if load_s > 0:
            self._load(spec, unit, event, node, load_s, times["t0"])

    def reconcile(self, spec: JobSpec, results: Mapping[int, Iterable[Result]]) -> None:
        """Bill what the store has of a job and no event told of, because whoever was to hear of it died. Its node is
        the one that its claim names, else that of the lease in the log, so replay that first."""
        for piece, found in results.items():
            for result in found:
                number = attempt_of(result)
                event = Event(
                    number=0,
                    at=self.ledger.now() / p.MILLION,
                    kind="delivered",
                    job=spec.id,
                    node=result.node or self._leased.get(number, ""),
                    piece=piece,
                    range=result.range,
                    attempt=number,
                )
                self.heard(event)

    def _load(self, spec: JobSpec, unit: str, event: Event, node: NodeInfo, load_s: float, until: int) -> None:
        """The line for the time before the first sample; billed where the price list says so."""
        taken = p.quantities_of(node, load_s)
        key = f"load/{spec.id}/{unit}.{event.attempt}"
        times = {"t0": until - p.millionths(load_s), "t1": until}
        row = self._row(key, spec.id, unit, event.attempt, event.node, taken, times, "load", self.prices.bills_load)
        if self.prices.bills_load:
            self._capture(spec, unit, event.attempt, node, taken, key, row)
        else:
            self.ledger.record(row)

    def _capture(
        self, spec: JobSpec, unit: str, attempt: int, node: NodeInfo, taken: Quantities, key: str, usage: UsageRow
    ) -> None:
        """Bill work: from what is held as far as that reaches, the rest from the farm."""
        price = p.charge(self.prices, node.price, taken, tier=self._tier(spec.id))
        owner, currency = self._owner(spec), self.prices.currency
        held = self.ledger.balance(owner, "customer_held", currency=currency, job=spec.id)
        billed = min(price, held)
        fee = p.fee_of(self.prices, price)
        postings = [
            Posting(owner=owner, account="customer_held", amount=-billed, currency=currency, job=spec.id),
            Posting(owner=PLATFORM, account="platform_cost", amount=billed - price, currency=currency),
            Posting(owner=maker_of(node.id), account="node_pending", amount=price - fee, currency=currency),
            Posting(owner=PLATFORM, account="platform_fee", amount=fee, currency=currency),
        ]
        if price:
            self.ledger.post("capture", key, postings, job=spec.id, unit=unit, attempt=attempt, usage=usage)
        else:
            self.ledger.record(usage)

    def _billed(self, job: JobId, piece: int, name: str) -> Ranges:
        """Samples of a piece that stand billed, by the ledger."""
        open_ = self._open.setdefault(job, _Open())
        if piece not in open_.billed:
            gone = {e.refers for e in self.ledger.entries(job=job, kind="reject")}
            units = (e.unit for e in self.ledger.entries(job=job, kind="capture") if e.number not in gone)
            open_.billed[piece] = Ranges(_samples(unit) for unit in units if unit.startswith(f"{name}/"))
        return open_.billed[piece]

    def _end_rivals(self, event: Event, winner: _Attempt) -> None:
        """Whoever works at the same samples was beaten to them."""
        assert event.range is not None
        for number, other in list(self._attempts.items()):
            same = (other.job, other.piece) == (winner.job, winner.piece) and other is not winner
            if same and other.at < event.range[1] and event.range[0] < other.last:
                self._unpaid(number, event.at, "duplicate")

    def _unpaid(self, number: int, at: float, reason: str) -> None:
        """Write down work that nobody is billed for."""
        attempt = self._attempts.pop(number, None)
        if attempt is not None:
            self._ended.append((number, attempt))
        node = self._node(attempt.node) if attempt is not None else None
        if attempt is None or node is None:
            return
        spec = self._job(attempt.job)
        if spec is None:
            return
        unit = f"{spec.pieces[attempt.piece].name}/{attempt.at}-{attempt.last}"
        seconds = min(max(at - attempt.since, 0.0), p.LONGEST_S)
        self._bear(spec, unit, number, node, seconds, at, reason, pays=reason == "duplicate")

    def checked(
        self,
        spec: JobSpec,
        unit: str,
        attempt: int,
        node: NodeInfo,
        *,
        seconds: float,
        at: float,
        pays: bool = True,
    ) -> None:
        """A node rendered something again to check another: it is paid, unless it is the house's own, and the farm
        bears it."""
        self._bear(spec, unit, attempt, node, seconds, at, "verification", pays=pays)

    def _probed(self, event: Event, spec: JobSpec, attempt: _Attempt) -> None:
        """A node rendered what was known, without knowing that: it is paid as for anything else, by the farm."""
        assert event.range is not None
        first, last = event.range
        node, seconds = self._node(event.node), min(max(event.at - attempt.since, 0.0), p.LONGEST_S)
        attempt.at, attempt.since = last, event.at
        if last >= attempt.last:
            del self._attempts[event.attempt]
        if node is not None:
            unit = f"{spec.pieces[event.piece].name}/{first}-{last}"
            self.checked(spec, unit, event.attempt, node, seconds=seconds, at=event.at)

    def _bear(
        self,
        spec: JobSpec,
        unit: str,
        attempt: int,
        node: NodeInfo,
        seconds: float,
        at: float,
        reason: str,
        *,
        pays: bool,
    ) -> None:
        key = f"{'check' if reason == 'verification' else 'usage'}/{spec.id}/{unit}.{attempt}"
        taken = p.quantities_of(node, seconds)
        t1 = round(at * 1e6)
        times = {"t0": t1 - p.millionths(seconds), "t1": t1}
        row = self._row(key, spec.id, unit, attempt, node.id, taken, times, reason)
        price = p.charge(self.prices, node.price, taken)
        if pays and price and (reason == "verification" or self.prices.pays_duplicates):
            postings = self._move(("platform_cost", PLATFORM, ""), ("node_payable", maker_of(node.id), ""), price)
            self.ledger.post(
                "adjust", key, postings, job=spec.id, unit=unit, attempt=attempt, text=reason[:100], usage=row
            )
        else:
            self.ledger.record(row)

    def _row(
        self,
        key: str,
        job: JobId,
        unit: str,
        attempt: int,
        node: NodeId,
        taken: Quantities,
        times: dict[str, int],
        reason: str = "",
        accepted: bool = False,
    ) -> UsageRow:
        return UsageRow(
            key=key,
            job=job,
            unit=unit,
            attempt=attempt,
            node=node,
            t0=times["t0"],
            t1=times["t1"],
            core_s=taken.core_s,
            device_s=taken.device_s,
            score_s=taken.score_s,
            accepted=accepted,
            reason=reason[:100],
        )

    # --- afterwards --------------------------------------------------------------------------------------------------
    def mature(self) -> int:
        """Approve what nobody has said anything about for as long as the price list says."""
        return self.approve_until(self.ledger.now() - self.prices.approve_after_s * p.MILLION)

    def reject(self, job: JobId, units: Iterable[str], *, reason: str) -> int:
        """See `Accounts.reject`; what is rendered of it again is billed again."""
        given_back = super().reject(job, units, reason=reason)
        self._open.pop(job, None)
        return given_back

    def pay_out(self, node: NodeId, payer: Payer) -> int:
        """See `Accounts.pay`: in the currency of the price list."""
        return self.pay(node, payer, currency=self.prices.currency)

    def top_up(self, customer: str, micros: int, *, key: str) -> Entry:
        """See `Accounts.credit`: in the currency of the price list."""
        return self.credit(customer, micros, currency=self.prices.currency, key=key)

    def _move(self, source: Place, target: Place, micros: int) -> list[Posting]:
        return moved(source, target, micros, self.prices.currency)


def replay(settlement: Settlement, events: Iterable[Event]) -> None:
    """Settle a log again from its beginning: what is in the ledger stays, what is missing comes."""
    for event in events:
        settlement.heard(event)


def _samples(unit: str) -> Range:
    first, _, last = unit.rpartition("/")[2].partition("-")
    return int(first), int(last)
