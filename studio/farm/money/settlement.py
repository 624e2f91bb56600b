"""What happens on the farm, as money: the seam between the coordinator's events and the ledger.

A job's cap is held when it is submitted. Every unit that is accepted is captured from that, at the price of the time
that its samples took, and waits for the artist's approval, or until the list's time for that has passed; then its
node is paid. What is left is released when the job ends. A unit that took more than is left under the cap is billed up
to the cap and the farm bears the rest, as it bears attempts that failed, work done twice and checks: all of that is
written down as usage and none of it is billed. The time before the first sample is a line of its own.

Every entry's key is made of what it stands for, so events may come twice, and a whole log may be gone through again
(`replay`): what the ledger has already stays as it is. That is also how a ledger that was lost is made again.

What a node says it took is believed only up to what the clock says that it can have taken, and its score only as far
as its work bears it out (`pace`).
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from studio.errors import StudioError, UsageError
from studio.farm.chain import place_of
from studio.farm.model import Event, JobId, JobSpec, NodeId, NodeInfo, Range, Result, attempt_of, maker_of
from studio.farm.money import prices as p
from studio.farm.money.accounts import Accounts, Place, moved
from studio.farm.money.accounts import Payer as Payer
from studio.farm.money.ledger import PLATFORM, Entry, Ledger, Posting, UsageRow
from studio.farm.money.pace import Pace
from studio.farm.money.prices import PriceList, Quantities
from studio.farm.ranges import Ranges

K = TypeVar("K")
V = TypeVar("V")
JobOf = Callable[[JobId], JobSpec | None]
NodeOf = Callable[[NodeId], NodeInfo | None]
ResultOf = Callable[[JobId, int, Range], Result | None]
MOST_NOTES = 100
MOST_KEPT = 20_000  # attempts, caps and nodes that are remembered: the last
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

    billed: dict[str, Ranges] = field(default_factory=dict)  # by place: samples are never billed twice


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
        self._paces: dict[JobId, Pace] = {}  # of jobs that are not over
        self._counted: dict[NodeId, float] = {}  # the share of its score that counted for a node's last unit
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
            _keep(self._leased, event.attempt, event.node)
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
            self._taken_back(event, spec)
        elif kind in _UNPAID and event.attempt:
            self._unpaid(event.attempt, event.at, event.text or _UNPAID[kind])
        elif kind == "submitted":
            if not self.prices.free and spec.cap_micros:
                self._hold(spec, spec.cap_micros, f"hold/{spec.id}", partly=True)
        elif kind == "cap":
            _keep(self._caps, event.job, int(event.text))
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
            self._open.pop(event.job, None)
            self._paces.pop(event.job, None)

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
        samples = event.range
        result, node = self._result(spec.id, event.piece, samples), self._node(event.node)
        said = result.usage.render_s + result.usage.load_s if result is not None else 0.0
        since = attempt.since if attempt is not None else event.at - max(said, 0.0)
        if attempt is not None:
            attempt.at, attempt.since = samples[1], event.at
            self._end_rivals(event, attempt)
            if attempt.at >= attempt.last:
                del self._attempts[event.attempt]
        place = place_of(spec.pieces[event.piece], result.blocks if result is not None else "")
        unit = f"{place}/{samples[0]}-{samples[1]}"
        if result is None or node is None:
            self._note(f"{unit} of {spec.id} came from {event.node!r}, of which nothing is known; not billed")
            return
        if result.node not in ("", event.node):  # the store had another's already, which is the one that counts
            seconds = min(max(event.at - since, 0.0), p.LONGEST_S)
            taken = p.quantities_of(self.believed(node), seconds)
            self._bear(spec, unit, event.attempt, node, taken, seconds, event.at, "duplicate", pays=True)
            return
        key = f"capture/{spec.id}/{unit}.{event.attempt}"
        known, billed = self.ledger.find(key) is not None, self._billed(spec.id, place)
        if billed.meets(samples) and not known:
            return
        limit = max(event.at - since, 0.0)
        load_s = min(max(result.usage.load_s, 0.0), limit)
        taken = self._accepted(
            spec, event, p.usage_quantities(node, result.usage, limit_s=limit - load_s), result.blocks
        )
        if known:
            return
        node = self.believed(node)
        t1 = round(event.at * 1e6)
        times = {"t0": min(round((since + load_s) * 1e6), t1), "t1": t1}
        row = self._row(key, spec.id, unit, event.attempt, event.node, taken, times, accepted=True)
        self._capture(spec, unit, event.attempt, node, taken, key, row)
        billed.add(samples)
        if load_s > 0:
            self._load(spec, unit, event, node, load_s, times["t0"])

    def _accepted(self, spec: JobSpec, event: Event, taken: Quantities, blocks: str) -> Quantities:
        """What samples that were accepted count for, of what they are said to have taken, which is learned from."""
        assert event.range is not None
        counted = self._borne_out(spec, event, taken, blocks)
        cost, pace = spec.pieces[event.piece].cost, self._paces.setdefault(spec.id, Pace(spec.expected_s))
        pace.learn((event.piece, blocks), maker_of(event.node), event.range, cost=cost, score_s=taken.score_s)
        if taken.score_s > 0:
            _keep(self._counted, event.node, counted.score_s / taken.score_s)
        return counted

    def _borne_out(self, spec: JobSpec, event: Event, taken: Quantities, blocks: str = "") -> Quantities:
        """What samples took, with no more score-seconds than the work of others bears out."""
        assert event.range is not None
        pace, count = self._paces.get(spec.id), event.range[1] - event.range[0]
        if pace is None:
            return taken
        most = pace.most((event.piece, blocks), maker_of(event.node), count, cost=spec.pieces[event.piece].cost)
        return taken if most is None else msgspec.structs.replace(taken, score_s=min(taken.score_s, most))

    def believed(self, node: NodeInfo) -> NodeInfo:
        """A node with as much of its score as counted for its last unit."""
        share = self._counted.get(node.id, 1.0)
        return node if share >= 1.0 else msgspec.structs.replace(node, score=node.score * share)

    def _taken_back(self, event: Event, spec: JobSpec) -> None:
        """Give back what a delivery was billed. Where that was done before, as by another coordinator of this house, or
        it was billed nothing, what stands billed for these samples by now is of whoever rendered them again."""
        assert event.range is not None
        name, span = spec.pieces[event.piece].name, f"{event.range[0]}-{event.range[1]}"
        gone = {e.refers for e in self.ledger.entries(job=event.job, kind="reject")}
        own = [
            e
            for e in self.ledger.entries(job=event.job, kind="capture")
            if e.attempt == event.attempt and e.unit.endswith(f"/{span}") and _piece_of(e.unit) == name
        ]
        if any(e.number not in gone for e in own):
            self.reject(event.job, {e.unit for e in own}, reason="taken back")
        self._open.pop(event.job, None)
        pace = self._paces.get(event.job)
        if pace is not None:
            pace.forget(maker_of(event.node))

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

    def _billed(self, job: JobId, place: str) -> Ranges:
        """Samples at a place that stand billed, by the ledger."""
        open_ = self._open.setdefault(job, _Open())
        if place not in open_.billed:
            gone = {e.refers for e in self.ledger.entries(job=job, kind="reject")}
            units = (e.unit for e in self.ledger.entries(job=job, kind="capture") if e.number not in gone)
            open_.billed[place] = Ranges(_samples(unit) for unit in units if unit.startswith(f"{place}/"))
        return open_.billed[place]

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
        taken = p.quantities_of(self.believed(node), seconds)
        self._bear(spec, unit, number, node, taken, seconds, at, reason, pays=reason == "duplicate")

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
        taken = p.quantities_of(node, seconds)
        self._bear(spec, unit, attempt, node, taken, seconds, at, "verification", pays=pays)

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
            taken = self._borne_out(spec, event, p.quantities_of(self.believed(node), seconds))
            self._bear(spec, unit, event.attempt, node, taken, seconds, event.at, "verification", pays=True)

    def _bear(
        self,
        spec: JobSpec,
        unit: str,
        attempt: int,
        node: NodeInfo,
        taken: Quantities,
        seconds: float,
        at: float,
        reason: str,
        *,
        pays: bool,
    ) -> None:
        key = f"{'check' if reason == 'verification' else 'usage'}/{spec.id}/{unit}.{attempt}"
        t1 = round(at * 1e6)
        times = {"t0": t1 - p.millionths(seconds), "t1": t1}
        row = self._row(key, spec.id, unit, attempt, node.id, taken, times, reason)
        price = p.charge(self.prices, node.price, taken) if pays else 0  # the house's own machine has no row
        if price and (reason == "verification" or self.prices.pays_duplicates):
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


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    """Remember something as the newest; of too much the oldest is forgotten."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]


def _piece_of(unit: str) -> str:
    return unit.partition("/")[0].partition("~")[0]


def _samples(unit: str) -> Range:
    first, _, last = unit.rpartition("/")[2].partition("-")
    return int(first), int(last)
