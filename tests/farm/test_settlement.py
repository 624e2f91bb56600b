"""Settlement: what the coordinator says becomes money once, within the cap, and only for what was accepted."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import CannotWrite, UsageError
from studio.farm.coordinator import Coordinator
from studio.farm.model import Event, JobSpec, Lease, NodeInfo, Piece, Report, Result, Usage
from studio.farm.money import settlement as settlement_module
from studio.farm.money.accounts import Accounts, moved
from studio.farm.money.ledger import Ledger
from studio.farm.money.prices import MILLION, PriceList, Row
from studio.farm.money.settlement import Settlement, replay
from studio.farm.money.statements import invoice
from studio.farm.policy import Policy
from tests.farm.test_ledger import quick

PRICES = PriceList(version="1", currency="EUR", rows={"": Row(core_hour=3600 * MILLION)}, fee=100_000)  # 1 EUR a second
EUR = MILLION


@dataclass
class Farm:
    """A coordinator, its ledger, and a clock that is turned by hand."""

    file: Path
    prices: PriceList = PRICES
    now: float = 1000.0
    events: list[Event] = field(default_factory=list)
    nodes: dict[str, NodeInfo] = field(default_factory=dict)
    specs: dict[str, JobSpec] = field(default_factory=dict)
    results: dict[tuple[str, int, tuple[int, int]], Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.file, clock=lambda: self.now, connect=quick)
        self.settlement = self.settling(self.ledger)
        policy = Policy(first_samples=10, longest_s=10.0, tail_s=2.0, first_s=5.0)
        self.farm = Coordinator(
            lambda: self.now, policy=policy, price=self.prices.price_of, listener=lambda event: self.heard(event)
        )

    def settling(self, ledger: Ledger) -> Settlement:
        return Settlement(
            ledger,
            self.prices,
            job=self.specs.get,
            node=self.nodes.get,
            result=lambda job, piece, samples: self.results.get((job, piece, samples)),
        )

    def heard(self, event: Event) -> None:
        self.events.append(event)
        self.settlement.heard(event)

    def submit(self, samples: int = 40, *, cap: int = 100 * EUR, name: str = "j") -> JobSpec:
        piece = Piece(frame=1.0, samples=samples)
        spec = JobSpec(id=name, name=name, bundle="b", pieces=(piece,), owner="ann", cap_micros=cap, expected_s=1.0)
        self.specs[name] = spec
        self.settlement.admit(spec)
        self.farm.submit(spec)
        return spec

    def join(self, name: str = "n", *, score: float = 1.0) -> None:
        self.nodes[name] = NodeInfo(id=name, memory_bytes=1 << 30, score=score)
        self.farm.join(self.nodes[name])

    def unit(
        self, node: str, first: int, seconds: float, *, probe: bool = False, load_s: float = 0.0, blocks: str = ""
    ) -> None:
        """Ten samples of a node, which take it so long."""
        samples, attempt = (first, first + 10), 1000 + len(self.events)
        what = {"job": "j", "node": node, "piece": 0, "range": samples, "attempt": attempt}
        self.heard(Event(number=0, at=self.now, kind="leased", **what))  # type: ignore[arg-type]
        self.now += seconds + load_s
        if not probe:
            usage = Usage(render_s=seconds, load_s=load_s)
            key = f"jobs/j/units/f1/{first}-{first + 10}.{attempt}.part"
            self.results["j", 0, samples] = Result(
                range=samples, key=key, digest="d", usage=usage, node=node, blocks=blocks
            )
        kind = "probed" if probe else "delivered"
        self.heard(Event(number=0, at=self.now, kind=kind, **what))  # type: ignore[arg-type]

    def deliver(self, lease: Lease, first: int, last: int, *, load_s: float = 0.0, said: float = 0.0) -> str:
        """Render some samples of a lease, a second each, and deliver them."""
        self.now += (last - first) + load_s
        render_s = said or float(last - first)
        result = Result(
            range=(first, last),
            key=f"jobs/{lease.job}/units/f1/{first}-{last}.{lease.attempt}.part",
            digest="d",
            usage=Usage(render_s=render_s, load_s=load_s),
        )
        if self.farm.judge(lease.attempt, result) == "taken":  # the claim in the store comes before
            self.results[lease.job, lease.piece, (first, last)] = result
        return self.farm.deliver(lease.attempt, result)

    def has(self, owner: str, account: str) -> int:
        return self.ledger.balance(owner, account, currency="EUR")  # type: ignore[arg-type]


@pytest.fixture
def farm(tmp_path: Path):
    made = Farm(tmp_path / "l.sqlite")
    made.settlement.top_up("ann", 200 * EUR, key="bank-1")
    made.join()
    yield made
    made.ledger.verify()
    made.ledger.close()


def render_all(farm: Farm, node: str = "n") -> None:
    while (lease := farm.farm.ask(node)) is not None:
        farm.deliver(lease, *lease.range)


def test_a_job_is_billed_for_what_was_accepted_and_the_rest_of_its_cap_comes_back(farm: Farm):
    farm.submit()
    assert farm.has("ann", "customer_held") == 100 * EUR
    render_all(farm)
    assert farm.farm.status("j").state == "done"
    assert farm.has("ann", "customer_held") == 0
    assert farm.has("ann", "customer_available") == 160 * EUR
    assert farm.has("n", "node_pending") == 36 * EUR
    assert farm.has("platform", "platform_fee") == 4 * EUR


def test_events_that_come_again_change_nothing(farm: Farm):
    farm.submit()
    render_all(farm)
    before, usages = farm.ledger.head(), farm.ledger.usages()
    replay(farm.settlement, farm.events)
    replay(farm.settling(farm.ledger), farm.events)
    assert farm.ledger.head() == before
    assert farm.ledger.usages() == usages


def test_a_ledger_that_was_lost_is_made_again_from_the_log(farm: Farm, tmp_path: Path):
    farm.submit()
    farm.deliver(lease := farm.farm.ask("n"), *lease.range)  # type: ignore[union-attr]
    farm.now += 5
    farm.farm.fail(farm.farm.ask("n").attempt, 12, "device lost")  # type: ignore[union-attr]
    render_all(farm)
    with Ledger(tmp_path / "new.sqlite", clock=lambda: farm.now) as new:
        again = farm.settling(new)
        again.top_up("ann", 200 * EUR, key="bank-1")
        replay(again, farm.events)
        assert new.balances() == farm.ledger.balances()
        assert new.usages() == farm.ledger.usages()


def test_load_time_is_a_line_of_its_own_and_not_billed_unless_the_list_says_so(tmp_path: Path):
    for bills in (False, True):
        farm = Farm(tmp_path / f"{bills}.sqlite", prices=PriceList(**{**_fields(PRICES), "bills_load": bills}))
        farm.settlement.top_up("ann", 200 * EUR, key="bank-1")
        farm.join()
        farm.submit()
        lease = farm.farm.ask("n")
        assert lease is not None
        farm.deliver(lease, *lease.range, load_s=30.0)
        load = [u for u in farm.ledger.usages() if u.reason == "load"]
        assert [u.core_s for u in load] == [30 * MILLION]
        assert load[0].accepted is bills
        samples = lease.range[1] - lease.range[0]
        assert farm.settlement.billed("j") == (samples + 30 * bills) * EUR
        farm.ledger.close()


def _fields(prices: PriceList) -> dict[str, object]:
    return {name: getattr(prices, name) for name in prices.__struct_fields__}


def test_failed_expired_and_beaten_attempts_are_the_farms_cost(farm: Farm):
    farm.join("m")
    farm.submit()
    bad = farm.farm.ask("n")
    assert bad is not None
    farm.now += 5
    farm.farm.fail(bad.attempt, 12, "device lost")
    silent = farm.farm.ask("m")
    assert silent is not None
    farm.now += 500
    farm.farm.tick()
    render_all(farm, "m")
    render_all(farm)
    assert farm.farm.status("j").state == "done"
    assert farm.settlement.billed("j") == 40 * EUR
    reasons = [u.reason for u in farm.ledger.usages() if not u.accepted]
    assert any("device lost" in reason for reason in reasons)
    assert "expired" in reasons


@pytest.mark.parametrize("why", ["paused", "called"])
def test_who_was_asked_to_end_early_did_nothing_twice(tmp_path: Path, why: str):
    """Others go on from where a unit ended, and its node is not paid for the time since."""
    prices = PriceList(version="1", currency="EUR", rows=PRICES.rows, pays_duplicates=True)
    made = Farm(tmp_path / "l.sqlite", prices=prices)
    made.settlement.top_up("ann", 200 * EUR, key="bank-1")
    made.join()
    made.submit()
    lease = made.farm.ask("n")
    assert lease is not None and lease.range[1] - lease.range[0] >= 4
    made.now += 2
    made.farm.report(lease.attempt, Report(done=2))
    if why == "paused":
        made.farm.pause("j")
    else:
        piece = Piece(frame=1.0, samples=4)
        made.specs["v"] = JobSpec(id="v", name="v", bundle="b", pieces=(piece,), live=True, expected_s=1.0)
        made.farm.submit(made.specs["v"])
        assert made.farm.report(lease.attempt, Report(done=2)) == ("stop", 2)
    assert made.deliver(lease, 0, 2) == "taken"
    made.join("m")
    made.now += 1000
    if why == "paused":
        made.farm.resume("j")
    else:
        made.farm.forget("v")
    render_all(made, "m")
    assert made.farm.status("j").state == "done" and made.settlement.billed("j") == 40 * EUR
    assert [u.reason for u in made.ledger.usages() if not u.accepted] == []
    assert made.has("n", "node_payable") == 0
    made.ledger.verify()
    made.ledger.close()


def test_a_node_that_says_more_than_the_clock_is_paid_by_the_clock(farm: Farm):
    farm.submit()
    lease = farm.farm.ask("n")
    assert lease is not None
    farm.deliver(lease, *lease.range, said=5000.0)
    assert farm.settlement.billed("j") == (lease.range[1] - lease.range[0]) * EUR


BY_SCORE = PriceList(version="1", currency="EUR", rows={"": Row(score_hour=3600 * MILLION)}, bills_load=True)


@pytest.fixture
def scored(tmp_path: Path):
    """A job that is paid by score, a machine of score 1 and one of score 4, and one that boasts of 100."""
    made = Farm(tmp_path / "scored.sqlite", prices=BY_SCORE)
    made.settlement.top_up("ann", 9000 * EUR, key="bank-1")
    for name, score in (("slow", 1.0), ("fast", 4.0), ("boaster", 100.0)):
        made.join(name, score=score)
    made.submit(200, cap=8000 * EUR)
    yield made
    made.ledger.verify()
    made.ledger.close()


def test_a_score_is_paid_as_far_as_the_work_bears_it_out(scored: Farm) -> None:
    scored.unit("slow", 0, 10.0)
    scored.unit("fast", 10, 2.5)
    scored.unit("boaster", 20, 10.0)
    assert (scored.has("slow", "node_pending"), scored.has("fast", "node_pending")) == (10 * EUR, 10 * EUR)
    assert scored.has("boaster", "node_pending") == 15 * EUR, "half as much again as the same samples took others"
    assert [u.score_s for u in scored.ledger.usages() if u.node == "boaster"] == [15 * MILLION]
    scored.unit("boaster", 30, 10.0, load_s=2.0)
    assert scored.has("boaster", "node_pending") == 33 * EUR, "loading is paid by the score that counted, 1.5"
    scored.unit("boaster", 0, 10.0, probe=True)
    assert scored.has("boaster", "node_payable") == 15 * EUR, "what the farm pays is no more"
    assert scored.settlement.believed(scored.nodes["boaster"]).score == pytest.approx(1.5)
    assert scored.settlement.believed(scored.nodes["fast"]) == scored.nodes["fast"]


def test_a_score_of_which_nobody_can_tell_is_believed(scored: Farm) -> None:
    scored.specs["j"] = msgspec.structs.replace(scored.specs["j"], expected_s=0.0)
    scored.unit("slow", 0, 10.0)
    scored.unit("boaster", 10, 1.0)
    assert scored.has("boaster", "node_pending") == 100 * EUR


def test_books_that_were_lost_pay_no_more_for_a_score_than_the_first_did(scored: Farm, tmp_path: Path) -> None:
    for first, (node, seconds) in enumerate((("slow", 10.0), ("boaster", 1.0), ("fast", 3.0), ("boaster", 5.0))):
        scored.unit(node, 10 * first, seconds)
    before = scored.ledger.head()
    replay(scored.settlement, scored.events)
    replay(scored.settling(scored.ledger), scored.events)
    assert scored.ledger.head() == before
    with Ledger(tmp_path / "new.sqlite", clock=lambda: scored.now) as new:
        again = scored.settling(new)
        again.top_up("ann", 9000 * EUR, key="bank-1")
        replay(again, scored.events)
        assert new.balances() == scored.ledger.balances() and new.usages() == scored.ledger.usages()


def test_a_coordinator_that_takes_up_a_job_measures_by_what_its_store_has(scored: Farm) -> None:
    scored.unit("slow", 0, 10.0)
    scored.unit("fast", 10, 2.5)
    scored.settlement = scored.settling(scored.ledger)
    scored.settlement.reconcile(scored.specs["j"], {0: list(scored.results.values())})
    scored.unit("boaster", 20, 10.0)
    assert scored.has("boaster", "node_pending") == 15 * EUR


def test_who_forged_bears_witness_of_nobody(scored: Farm) -> None:
    scored.specs["j"] = msgspec.structs.replace(scored.specs["j"], expected_s=0.0)
    scored.unit("slow", 0, 10.0)
    scored.unit("fast", 10, 2.5)
    (delivered,) = (e for e in scored.events if e.kind == "delivered" and e.node == "fast")
    scored.heard(msgspec.structs.replace(delivered, kind="retracted"))
    assert scored.has("fast", "node_pending") == 0
    scored.unit("boaster", 20, 1.0)
    assert scored.has("boaster", "node_pending") == 100 * EUR


def test_what_was_taken_back_and_billed_nothing_takes_nothing_from_who_rendered_it_again(scored: Farm) -> None:
    scored.unit("boaster", 0, 0.0)
    (free,) = (e for e in scored.events if e.kind == "delivered")
    scored.heard(msgspec.structs.replace(free, kind="retracted"))
    scored.unit("slow", 0, 10.0)
    scored.heard(msgspec.structs.replace(free, kind="retracted"))  # of another coordinator of this house, later
    assert scored.has("slow", "node_pending") == 10 * EUR


def test_samples_that_the_store_has_of_another_already_are_not_billed_again(farm: Farm) -> None:
    farm.submit()
    lease = farm.farm.ask("n")
    assert lease is not None
    deliver, samples = farm.farm.deliver, lease.range

    def elsewhere(attempt: int, result: Result) -> str:  # another coordinator was faster with the same range
        farm.results["j", 0, samples] = msgspec.structs.replace(result, key="jobs/j/units/f1/x.7.part", node="m")
        return deliver(attempt, farm.results["j", 0, samples])

    farm.farm.deliver = elsewhere  # type: ignore[method-assign]
    assert farm.deliver(lease, *samples) == "taken"
    assert farm.settlement.billed("j") == 0 and farm.has("n", "node_pending") == 0
    assert [(u.node, u.reason, u.accepted) for u in farm.ledger.usages()] == [("n", "duplicate", False)]


def test_samples_of_other_pixels_are_other_samples_and_given_back_by_themselves(scored: Farm) -> None:
    """A round that is decided anew may be of other blocks of pixels, and has the same numbers of samples."""
    scored.unit("slow", 0, 10.0)
    for blocks in ("a" * 64, "b" * 64):
        scored.unit("slow", 10, 3.0, blocks=blocks)
    units = [e.unit for e in scored.ledger.entries(kind="capture")]
    assert units == ["f1/0-10", f"f1~{'a' * 16}/10-20", f"f1~{'b' * 16}/10-20"]
    assert scored.settlement.billed("j") == 16 * EUR
    of_a = next(e for e in scored.events if e.kind == "delivered" and e.range == (10, 20))
    for _ in range(2):
        scored.heard(msgspec.structs.replace(of_a, kind="retracted"))
        assert scored.settlement.billed("j") == 13 * EUR
    (given_back,) = scored.ledger.entries(kind="reject")
    assert given_back.unit == units[1]
    assert [line.what for line in invoice(scored.ledger, "j", issuer="us").lines] == ["f1", "given back"]


def test_nothing_is_kept_of_jobs_that_are_over_and_little_of_the_rest(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_module, "MOST_KEPT", 3)
    for name in "abcdef":
        farm.submit(40, cap=10 * EUR, name=name)
        farm.farm.raise_cap(name, 12 * EUR)
        render_all(farm)
        assert farm.farm.status(name).state in ("done", "capped")
        if farm.farm.status(name).state == "capped":
            farm.farm.cancel(name)
    kept = farm.settlement
    assert (kept._attempts, kept._open, kept._paces) == ({}, {}, {})
    assert len(kept._leased) == len(kept._caps) == 3


def test_a_job_without_money_or_cap_is_not_admitted(farm: Farm):
    with pytest.raises(UsageError, match=r"lacks 50\.00 EUR"):
        farm.submit(cap=250 * EUR, name="dear")
    with pytest.raises(UsageError, match="no cap"):
        farm.submit(cap=0, name="open")
    assert farm.has("ann", "customer_available") == 200 * EUR


def test_what_goes_beyond_the_cap_the_farm_bears(farm: Farm):
    farm.submit(cap=5 * EUR, samples=10)
    lease = Lease(job="j", piece=0, range=(0, 10), attempt=1, node="n", begun=farm.now, expires=farm.now + 90)
    start = farm.now
    farm.now += 10
    farm.results["j", 0, (0, 10)] = Result(range=(0, 10), key="k", digest="d", usage=Usage(render_s=10.0))
    farm.heard(Event(number=1, at=start, kind="leased", job="j", node="n", piece=0, range=(0, 10), attempt=1))
    farm.heard(Event(number=2, at=farm.now, kind="delivered", job="j", node="n", piece=0, range=(0, 10), attempt=1))
    assert lease.attempt == 1
    assert farm.settlement.billed("j") == 5 * EUR
    assert farm.has("ann", "customer_available") == 195 * EUR
    assert farm.has("n", "node_pending") == 9 * EUR
    assert farm.has("platform", "platform_cost") == -5 * EUR


def test_a_raised_cap_holds_more_and_a_lowered_one_gives_back(farm: Farm):
    farm.submit(cap=50 * EUR)
    farm.farm.raise_cap("j", 80 * EUR)
    assert farm.has("ann", "customer_held") == 80 * EUR
    farm.now += 1
    farm.farm.raise_cap("j", 45 * EUR)
    assert farm.has("ann", "customer_held") == 45 * EUR
    replay(farm.settling(farm.ledger), farm.events)
    assert farm.has("ann", "customer_held") == 45 * EUR


def test_a_cap_that_was_raised_stays_raised_over_a_pause_and_an_end(farm: Farm):
    farm.submit(cap=50 * EUR)
    farm.farm.raise_cap("j", 80 * EUR)
    farm.farm.pause("j")
    farm.now += 1
    farm.farm.resume("j")
    assert farm.has("ann", "customer_held") == 80 * EUR
    farm.farm.fail(farm.farm.ask("n").attempt, 10, "a texture is missing")  # type: ignore[union-attr]
    assert farm.has("ann", "customer_held") == 0
    farm.now += 1
    farm.farm.resume("j")
    assert farm.has("ann", "customer_held") == 80 * EUR


def test_approved_units_are_paid_out_once_though_the_payer_fails(farm: Farm):
    farm.submit()
    render_all(farm)

    class Bank:
        paid: dict[str, int] = {}
        fails = 1

        def pay(self, node: str, micros: int, currency: str, key: str) -> str:
            Bank.paid[key] = micros
            if Bank.fails:
                Bank.fails -= 1
                raise ConnectionError("the line broke after the bank had it")
            return f"ref-{key}"

    assert farm.settlement.approve("j") > 0
    assert farm.settlement.approve("j") == 0
    with pytest.raises(ConnectionError):
        farm.settlement.pay_out("n", Bank())
    assert farm.settlement.pay_out("n", Bank()) == 36 * EUR
    assert farm.settlement.pay_out("n", Bank()) == 0
    assert Bank.paid == {"payout/n/EUR/1": 36 * EUR}
    assert farm.has("n", "node_payable") == 0


def test_what_a_payer_refused_is_paid_in_its_own_currency_later(farm: Farm):
    class Bank:
        up = False
        paid: list[tuple[int, str]] = []

        def pay(self, node: str, micros: int, currency: str, key: str) -> str:
            if not self.up:
                raise CannotWrite("the bank is closed")
            self.paid.append((micros, currency))
            return f"ref {len(self.paid)}"

    bank = Bank()
    for currency, micros in (("USD", 7), ("EUR", 5)):
        postings = moved(("external", "outside", ""), ("node_payable", "n", ""), micros, currency)
        farm.ledger.post("adjust", f"adjust/{currency}", postings)
    with pytest.raises(CannotWrite):
        farm.settlement.pay("n", bank, currency="USD")
    bank.up = True
    assert farm.settlement.pay("n", bank, currency="EUR") == 5
    assert farm.settlement.pay("n", bank, currency="USD") == 7
    assert bank.paid == [(5, "EUR"), (7, "USD")]


def test_work_matures_when_nobody_says_anything(farm: Farm):
    farm.submit()
    render_all(farm)
    assert farm.settlement.mature() == 0
    farm.now += PRICES.approve_after_s + 100
    assert farm.settlement.mature() > 0
    assert farm.has("n", "node_pending") == 0


def test_what_is_settled_is_not_gone_through_again(farm: Farm) -> None:
    """A farm of weeks has hundreds of thousands of entries, and looks at what is due every half minute."""
    for name in ("j", "k"):
        farm.submit(100, cap=100 * EUR, name=name)
        render_all(farm)
    farm.now += PRICES.approve_after_s + 100
    assert farm.settlement.mature() > 4
    asked: list[str] = []
    farm.ledger._db.set_trace_callback(asked.append)
    assert farm.settlement.mature() == 0 and len(asked) == 1
    farm.ledger._db.set_trace_callback(None)


def test_a_complaint_that_comes_as_work_matures_is_heard_and_stops_nothing(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.submit()
    render_all(farm)
    farm.now += PRICES.approve_after_s + 100
    units = [e.unit for e in farm.ledger.entries(kind="capture")]
    write, complained = farm.ledger.write, list[int]()

    def writing():  # by the command line, which is another process
        if not complained:
            complained.append(1)
            with Ledger(farm.file, clock=lambda: farm.now, connect=quick) as other:
                complained.append(Accounts(other).reject("j", units[:1], reason="black"))
        return write()

    monkeypatch.setattr(farm.ledger, "write", writing)
    assert farm.settlement.mature() == len(units) - 1 and complained[1] > 0
    assert farm.has("n", "node_pending") == 0


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize("paid", [False, True])
def test_rejected_units_give_the_customer_everything_back(farm: Farm, approved: bool, paid: bool):
    farm.submit()
    render_all(farm)
    if approved:
        farm.settlement.approve("j")
    if paid:

        class Bank:
            def pay(self, node: str, micros: int, currency: str, key: str) -> str:
                return key

        farm.settlement.pay_out("n", Bank())
    units = [e.unit for e in farm.ledger.entries(kind="capture")]
    assert farm.settlement.reject("j", units, reason="black frames") == 40 * EUR
    assert farm.settlement.reject("j", units, reason="black frames") == 0
    assert farm.has("ann", "customer_available") == 200 * EUR
    assert farm.has("platform", "platform_cost") == (-36 * EUR if approved and paid else 0)
    assert farm.settlement.approve("j") == 0


def test_samples_that_are_rendered_again_after_a_rejection_are_billed_again_and_only_then(farm: Farm):
    farm.submit()
    lease = farm.farm.ask("n")
    assert lease is not None
    farm.deliver(lease, *lease.range)
    again = Event(
        number=9,
        at=farm.now,
        kind="delivered",
        job="j",
        node="n",
        piece=0,
        range=lease.range,
        attempt=lease.attempt + 9,
    )
    billed = farm.settlement.billed("j")
    farm.heard(again)
    assert farm.settlement.billed("j") == billed
    farm.settlement.reject("j", [f"f1/{lease.range[0]}-{lease.range[1]}"], reason="forged")
    assert farm.settlement.billed("j") == 0
    farm.heard(again)
    assert farm.settlement.billed("j") == billed


def test_what_no_event_told_of_is_billed_from_the_store(farm: Farm):
    spec = farm.submit()
    lease = farm.farm.ask("n")
    assert lease is not None
    heard, farm.settlement.heard = farm.settlement.heard, lambda event: None  # type: ignore[method-assign]
    farm.deliver(lease, *lease.range)
    farm.settlement.heard = heard  # type: ignore[method-assign]
    assert farm.settlement.billed("j") == 0
    for _ in range(2):
        farm.settlement.reconcile(spec, {0: [farm.results["j", 0, lease.range]]})
        assert farm.settlement.billed("j") == (lease.range[1] - lease.range[0]) * EUR


def test_a_ledger_that_fails_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A disk that is full at every third write: events wait, the coordinator goes on, and the books end the same."""
    books = []
    for fails in (False, True):
        farm = Farm(tmp_path / f"{fails}.sqlite")
        farm.settlement.top_up("ann", 200 * EUR, key="bank-1")
        farm.join()
        calls = 0

        def full(write=farm.ledger._write, **kw):  # type: ignore[no-untyped-def]
            def attempt(db, entry):  # type: ignore[no-untyped-def]
                nonlocal calls
                calls += 1
                write(db, entry)
                if calls % 3 == 0:
                    raise CannotWrite("the disk is full")

            return attempt

        spec = JobSpec(
            id="j", name="j", bundle="b", pieces=(Piece(frame=1.0, samples=40),), owner="ann", cap_micros=100 * EUR
        )
        farm.specs["j"] = spec
        farm.settlement.admit(spec)
        if fails:
            monkeypatch.setattr(farm.ledger, "_write", full())
        farm.heard = lambda event, farm=farm: (farm.events.append(event), farm.settlement.listen(event))  # type: ignore[assignment,func-returns-value,method-assign]
        farm.farm.submit(spec)
        bad = farm.farm.ask("n")
        assert bad is not None
        farm.now += 2
        farm.farm.fail(bad.attempt, 12, "device lost")
        while (lease := farm.farm.ask("n")) is not None:
            middle = (lease.range[0] + lease.range[1]) // 2
            if middle > lease.range[0]:
                farm.deliver(lease, lease.range[0], middle, load_s=1.0)
            farm.deliver(lease, middle, lease.range[1])
        while farm.settlement.catch_up():
            pass
        assert farm.farm.status("j").state == "done"
        assert not fails or "the disk is full" in farm.settlement.notes
        farm.ledger.verify()
        books.append((farm.ledger.balances(), farm.ledger.usages()))
        farm.ledger.close()
    assert books[0] == books[1]


def test_who_checks_others_is_paid_by_the_farm(farm: Farm):
    spec = farm.submit()
    farm.settlement.checked(spec, "f1/0-8", 99, farm.nodes["n"], seconds=3.0, at=farm.now)
    farm.settlement.checked(spec, "f1/0-8", 99, farm.nodes["n"], seconds=3.0, at=farm.now)
    assert farm.has("n", "node_payable") == 3 * EUR
    assert farm.has("platform", "platform_cost") == -3 * EUR
    assert farm.settlement.billed("j") == 0


@given(seed=st.integers(0, 10**6), cap=st.integers(3, 60))
@settings(max_examples=25, deadline=None)
def test_no_schedule_goes_beyond_the_cap(tmp_path_factory, seed, cap):
    """Nodes ask, deliver parts, fail, fall silent and leave at random; people pause and resume."""
    rng = random.Random(seed)
    farm = Farm(tmp_path_factory.mktemp("farm") / "l.sqlite")
    farm.settlement.top_up("ann", 200 * EUR, key="bank-1")
    farm.submit(60, cap=cap * EUR)
    for name in "nmo":
        farm.join(name)
    leases: dict[str, tuple[Lease, int]] = {}
    for _ in range(60):
        node = rng.choice("nmo")
        what = rng.choice(["ask", "deliver", "deliver", "fail", "silence", "pause"])
        if what == "ask" and node not in leases:
            lease = farm.farm.ask(node)
            if lease is not None:
                leases[node] = lease, lease.range[0]
        elif what == "deliver" and node in leases:
            lease, at = leases[node]
            last = rng.randint(at + 1, lease.range[1])
            if farm.deliver(lease, at, last, load_s=rng.choice([0.0, 2.0])) != "taken" or last == lease.range[1]:
                del leases[node]
            else:
                leases[node] = lease, last
                farm.farm.report(lease.attempt, Report(done=last - lease.range[0]))
        elif what == "fail" and node in leases:
            farm.farm.fail(leases.pop(node)[0].attempt, rng.choice([12, 20, 143]), "x")
        elif what == "silence":
            farm.now += rng.choice([1.0, 100.0])
            farm.farm.tick()
        elif what == "pause":
            farm.farm.pause("j")
            farm.farm.resume("j")
        assert farm.settlement.billed("j") <= cap * EUR
        assert farm.has("ann", "customer_held") + farm.settlement.billed("j") <= cap * EUR
    accepted = sum(r[1] - r[0] for _, _, r in farm.results)
    assert farm.settlement.billed("j") <= min(accepted, cap) * EUR
    replay(farm.settling(farm.ledger), farm.events)
    farm.ledger.verify()
    assert farm.settlement.billed("j") <= min(accepted, cap) * EUR
    farm.ledger.close()
