"""The coordinator: who gets what, what becomes of faults, caps, and that every sample is delivered once."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import UsageError
from studio.farm.coordinator import Coordinator
from studio.farm.model import Event, JobSpec, Lease, Needs, NodeInfo, Piece, Range, Report, Result, Round, Usage
from studio.farm.policy import Policy

GIB = 1 << 30


class Farm:
    """A coordinator, a clock in the hand, and its events."""

    def __init__(self, *, policy: Policy | None = None, price: float = 0.0) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        self.c = Coordinator(
            lambda: self.now,
            policy=policy or Policy(),
            price=(lambda node, seconds: round(seconds * price)) if price else None,
            listener=self.events.append,
        )

    def job(self, samples: int = 1000, *, id_: str = "j", frames: int = 1, **more: object) -> JobSpec:
        pieces = tuple(Piece(frame=float(i), samples=samples) for i in range(frames))
        spec = JobSpec(id=id_, name=id_, bundle="b", pieces=pieces, **{"expected_s": 1.0, **more})  # type: ignore[arg-type]
        self.c.submit(spec)
        return spec

    def node(self, id_: str, **more: object) -> None:
        self.c.join(NodeInfo(id=id_, **{"memory_bytes": 8 * GIB, **more}))  # type: ignore[arg-type]

    def ask(self, id_: str) -> Lease:
        lease = self.c.ask(id_)
        assert lease is not None
        return lease

    def deliver(self, lease: Lease, last: int | None = None, *, first: int | None = None, seconds: float = 0.0) -> str:
        span = (lease.range[0] if first is None else first, lease.range[1] if last is None else last)
        usage = Usage(render_s=seconds or float(span[1] - span[0]))
        return self.c.deliver(lease.attempt, Result(range=span, key="k", digest="d", usage=usage))

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def test_a_job_is_rendered_and_done() -> None:
    farm = Farm()
    farm.job(600, expected_s=0.5)
    farm.node("a")
    spans = []
    while (lease := farm.c.ask("a")) is not None:
        spans.append(lease.range)
        assert farm.deliver(lease) == "taken"
    assert spans[0][0] == 0 and spans[-1][1] == 600 and all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert farm.c.status("j").state == "done" and farm.c.complete("j", 0)
    assert [r.range for r in farm.c.results("j", 0)] == spans
    assert [e.number for e in farm.events] == list(range(1, len(farm.events) + 1)), "events count up without gaps"


def test_units_are_long_at_first_and_shrink_towards_the_end() -> None:
    farm = Farm(policy=Policy(longest_s=300.0, tail_s=15.0, first_s=10.0))
    farm.job(10_000)
    for n in range(4):
        farm.node(f"n{n}")
    lengths = []
    turn = 0
    while (lease := farm.c.ask(f"n{turn % 4}")) is not None:
        lengths.append(lease.range[1] - lease.range[0])
        farm.now += lengths[-1] / 4
        farm.deliver(lease)
        turn += 1
    assert lengths[0] == 10, "a first one for the whole noisy picture"
    assert max(lengths) == 300 and lengths[1] == 300
    tail = lengths[-8:]
    assert tail == sorted(tail, reverse=True) and tail[-1] <= 25


def test_a_faster_node_gets_longer_units_once_it_has_shown_it() -> None:
    farm = Farm()
    farm.job(100_000)
    farm.node("quick", score=2.0)
    farm.node("slow")
    for name, pace in (("quick", 0.5), ("slow", 4.0)):
        farm.deliver(farm.ask(name), seconds=10 * pace)
    for _ in range(6):
        for name, pace in (("quick", 0.5), ("slow", 4.0)):
            lease = farm.ask(name)
            farm.deliver(lease, seconds=(lease.range[1] - lease.range[0]) * pace)
    quick, slow = farm.ask("quick"), farm.ask("slow")
    ratio = (quick.range[1] - quick.range[0]) / (slow.range[1] - slow.range[0])
    assert 6.0 < ratio < 10.0, "eight times as fast"


def test_checkpoints_are_done_for_good_and_a_dead_node_loses_what_follows() -> None:
    farm = Farm(policy=Policy(first_s=100.0))
    farm.job(100, expected_s=10.0)
    farm.node("a")
    lease = farm.ask("a")
    first, last = lease.range
    assert last - first > 2
    assert farm.deliver(lease, first + 2) == "taken"
    farm.now += 200.0
    farm.c.tick()
    assert "expired" in farm.kinds()
    farm.node("b")
    again = farm.ask("b")
    assert again.range[0] == first + 2, "what was delivered is not rendered again"
    assert farm.deliver(lease, last, first=first + 2) == "late", "a zombie's delivery does not count"
    assert farm.c.report(lease.attempt, Report(done=1))[0] == "drop"
    assert farm.deliver(again) == "taken"


def test_reports_keep_a_lease_alive() -> None:
    farm = Farm()
    farm.job()
    farm.node("a")
    lease = farm.ask("a")
    for _ in range(20):
        farm.now += 60.0
        assert farm.c.report(lease.attempt, Report(phase="load")) == ("go", 0)
        farm.c.tick()
    assert "expired" not in farm.kinds()


def test_an_idle_node_takes_the_rest_of_the_slowest() -> None:
    farm = Farm(policy=Policy(first_s=300.0))
    farm.job(600)
    farm.node("slow")
    lease = farm.ask("slow")
    assert lease.range == (0, 300)
    farm.node("b")
    other = farm.ask("b")
    farm.now = 20.0
    farm.c.report(lease.attempt, Report(done=5))  # a quarter of a sample a second
    farm.c.report(other.attempt, Report(done=20))
    while (more := farm.c.ask("b")) is not None and "cut" not in farm.kinds():
        farm.deliver(more)
    assert more is not None
    order, stop = farm.c.report(lease.attempt, Report(done=6))
    assert order == "stop" and stop == more.range[0] and more.range[1] == 300
    assert stop > 6 + 5, "what it will have rendered until it hears of it stays with it"
    assert farm.deliver(lease, stop) == "taken" and farm.deliver(more) == "taken"


def test_who_did_not_hear_in_time_may_deliver_more_as_long_as_nobody_else_has_it() -> None:
    farm = Farm(policy=Policy(first_s=100.0))
    farm.job(100, expected_s=10.0)
    farm.node("a")
    lease = farm.ask("a")
    farm.c.report(lease.attempt, Report(done=1))
    farm.c.pause("j", by="me")
    assert farm.c.report(lease.attempt, Report(done=3)) == ("stop", lease.range[0] + 1)
    assert farm.deliver(lease, lease.range[0] + 3) == "taken"
    assert farm.c.status("j").state == "paused" and farm.c.ask("a") is None
    farm.c.resume("j")
    assert farm.ask("a").range[0] == lease.range[0] + 3


def test_what_is_too_short_to_cut_is_rendered_twice_and_the_first_counts() -> None:
    farm = Farm(policy=Policy(steal_s=1e9, tail_s=5.0, first_s=5.0))
    farm.job(40)
    farm.node("frozen")
    farm.node("b")
    stuck = farm.ask("frozen")
    farm.c.report(stuck.attempt, Report(done=1))
    lease = None
    while farm.now < 200.0 and (lease is None or not lease.copy_of):
        if lease is not None:
            farm.deliver(lease)
        farm.now += 8.0
        farm.c.report(stuck.attempt, Report(done=1))
        lease = farm.c.ask("b")
    assert lease is not None and lease.copy_of == stuck.attempt and lease.range == stuck.range
    assert farm.deliver(lease) == "taken"
    assert farm.c.report(stuck.attempt, Report(done=2))[0] == "drop"
    assert farm.deliver(stuck) == "late"
    assert farm.c.status("j").state == "done"


@pytest.mark.parametrize("code", [2, 10, 11, 12, 13, 20])
def test_an_exit_code_says_what_is_to_be_done(code: int) -> None:
    farm = Farm()
    farm.job()
    farm.node("small", memory_bytes=8 * GIB)
    farm.node("big", memory_bytes=64 * GIB)
    lease = farm.ask("small")
    farm.c.fail(lease.attempt, code, "it broke")
    if code in (2, 10):
        assert farm.c.status("j").state == "failed" and "it broke" in farm.c.status("j").why
        return
    again = farm.c.ask("small")
    assert again is None if code == 11 else again is None or again.range != lease.range
    if code == 20:
        assert farm.ask("big").range != lease.range
        farm.now += 61.0
    assert farm.ask("big").range == lease.range


def test_a_unit_that_fails_everywhere_fails_the_job_and_a_bad_node_is_blocked() -> None:
    farm = Farm()
    farm.job(retries=4)
    for n in range(9):
        farm.node(f"n{n}")
    for n in range(5):
        farm.c.fail(farm.ask(f"n{n}").attempt, 12, "driver")
    assert farm.c.status("j").state == "failed" and "5 times" in farm.c.status("j").why
    farm = Farm()
    farm.job(100_000)
    farm.node("bad")
    for _ in range(3):
        farm.c.fail(farm.ask("bad").attempt, 12)
    assert farm.c.ask("bad") is None and "blocked" in farm.kinds()
    farm.c.resume("j")
    assert farm.c.ask("bad") is None, "a job that runs has nothing to forget"


def test_a_stopped_render_costs_no_retry() -> None:
    farm = Farm()
    farm.job(retries=0)
    farm.node("a")
    for _ in range(10):
        farm.c.fail(farm.ask("a").attempt, 143)
    assert farm.c.status("j").state == "waiting"


def test_only_one_class_of_device_and_one_build_work_at_a_job() -> None:
    farm = Farm()
    farm.job()
    farm.node("a", device="one", build="x")
    farm.node("b", device="two", build="x")
    farm.node("c", device="one", build="y")
    farm.node("d", device="one", build="x")
    farm.ask("a")
    assert farm.c.ask("b") is None and farm.c.ask("c") is None
    farm.ask("d")


def test_what_a_job_needs_a_node_must_have() -> None:
    farm = Farm()
    farm.job(needs=Needs(memory_bytes=16 * GIB, backend="cuda", trust=1))
    farm.node("small", backend="cuda")
    farm.node("cpu", memory_bytes=32 * GIB)
    farm.node("stranger", memory_bytes=32 * GIB, backend="cuda", trust=3)
    assert [farm.c.ask(n) for n in ("small", "cpu", "stranger", "nobody")] == [None] * 4
    farm.node("fits", memory_bytes=32 * GIB, backend="cuda", trust=1)
    farm.ask("fits")


def test_priority_first_then_equal_shares_and_waiting_counts() -> None:
    farm = Farm()
    farm.job(10_000, id_="low", priority=10, owner="x")
    farm.job(10_000, id_="high", priority=60, owner="x")
    farm.node("a")
    assert farm.ask("a").job == "high"
    farm = Farm()
    farm.job(100_000, id_="mine", owner="me")
    farm.job(100_000, id_="yours", owner="you", weight=3.0)
    for n in range(16):
        farm.node(f"n{n}")
    jobs = [farm.ask(f"n{n}").job for n in range(16)]
    assert jobs.count("yours") == 12, "three times the share"
    farm = Farm()
    farm.job(100_000, id_="old", priority=50, submitted_at=0.0)
    farm.now = 10_000.0
    farm.job(100_000, id_="new", priority=60, submitted_at=10_000.0)
    farm.node("a")
    assert farm.ask("a").job == "old", "it has waited for 16 points"


def test_a_cap_is_never_exceeded_and_nothing_delivered_is_lost() -> None:
    farm = Farm(price=1_000_000.0)  # a unit of money a second
    farm.job(10_000, cap_micros=1_000_000_000)
    for n in range(3):
        farm.node(f"n{n}")
    leases: dict[str, Lease] = {}
    for step in range(2_000):
        name = f"n{step % 3}"
        if name not in leases:
            found = farm.c.ask(name)
            if found is not None:
                leases[name] = found
            continue
        farm.now += 3.0
        farm.deliver(leases.pop(name))
    status = farm.c.status("j")
    assert status.state == "capped" and 0.75e9 <= status.spent_micros <= 1e9
    assert status.done == status.spent_micros // 1_000_000
    farm.c.raise_cap("j", 0)
    assert farm.ask("n0").range[0] >= status.done


def test_at_the_cap_what_runs_stops_with_what_it_has() -> None:
    farm = Farm(price=1_000_000.0, policy=Policy(first_s=300.0, margin=0.01))
    farm.job(1000, cap_micros=100_000_000)
    farm.node("a")
    lease = farm.ask("a")
    assert lease.range == (0, 300)
    assert farm.c.report(lease.attempt, Report(done=99)) == ("go", 0)
    assert farm.c.report(lease.attempt, Report(done=100)) == ("stop", 100)
    assert farm.deliver(lease, 100) == "taken"
    assert farm.c.status("j").state == "capped" and farm.c.status("j").spent_micros == 100_000_000


def test_another_coordinator_goes_on_with_what_is_done_and_at_work() -> None:
    farm = Farm()
    spec = farm.job(1000)
    farm.node("a")
    first = farm.ask("a")
    farm.deliver(first)
    second = farm.ask("a")
    farm.deliver(second, second.range[0] + 10)
    done = farm.c.results("j", 0)

    new = Coordinator(lambda: farm.now, generation=1)
    new.submit(spec, results={0: done})
    new.join(NodeInfo(id="a", memory_bytes=8 * GIB))
    new.join(NodeInfo(id="b", memory_bytes=8 * GIB))
    assert new.adopt(second, Report(done=12)) == ("go", 0)
    other = new.ask("b")
    assert other is not None and other.range[0] >= second.range[1] and other.attempt > second.attempt
    rest = Result(range=(second.range[0] + 10, second.range[1]), key="k", digest="d")
    assert new.deliver(second.attempt, rest) == "taken"
    stranger = Lease(job="j", piece=0, range=(0, 50), attempt=7, node="a", begun=0, expires=1)
    assert new.adopt(stranger, Report()) == ("drop", 0), "that is done"


def test_more_samples_wake_a_job_that_is_done() -> None:
    farm = Farm()
    farm.job(10)
    farm.node("a")
    farm.deliver(farm.ask("a"))
    assert farm.c.status("j").state == "done"
    farm.c.extend("j", 0, Round(samples=30), cost=1.0)
    assert farm.ask("a").range[0] == 10 and farm.c.status("j").total == 30


def test_what_cannot_be_is_said() -> None:
    farm = Farm()
    with pytest.raises(UsageError, match="nothing to render"):
        farm.job(0)
    with pytest.raises(UsageError, match="no job"):
        farm.c.status("x")
    farm.job()
    farm.node("a")
    lease = farm.ask("a")
    assert farm.deliver(lease, first=lease.range[0] + 1) == "wrong"
    assert farm.deliver(lease, lease.range[1] + 5) == "wrong"
    assert farm.c.ask("nobody") is None


@given(st.integers(0, 10_000))
def test_whatever_happens_every_sample_is_delivered_exactly_once(seed: int) -> None:
    """Nodes that die, freeze, fail, report late, are cut and copied: the results tile every piece."""
    rng = random.Random(seed)
    policy = Policy(
        longest_s=30.0, tail_s=3.0, first_s=3.0, lease_s=20.0, report_s=4.0, steal_s=4.0, blocks_after=10**6
    )
    farm = Farm(policy=policy)
    sizes = [rng.randint(1, 200) for _ in range(rng.randint(1, 3))]
    pieces = tuple(Piece(frame=float(i), samples=n, cost=rng.choice((1.0, 3.0))) for i, n in enumerate(sizes))
    farm.c.submit(JobSpec(id="j", name="j", bundle="b", pieces=pieces, expected_s=1.0, retries=10**6))
    names = [f"n{i}" for i in range(rng.randint(1, 5))]
    speeds = {name: rng.choice((0.2, 1.0, 3.0)) for name in names}
    held: dict[str, tuple[Lease, int, float]] = {}  # lease, delivered, rendered
    zombies: list[tuple[Lease, int]] = []
    for name in names:
        farm.node(name)
    for step in range(30_000):
        if farm.c.over("j"):
            break
        farm.now += rng.uniform(0.1, 2.0)
        farm.c.tick()
        name = rng.choice(names)
        calm = step > 3_000  # in the end nothing goes wrong any more
        if name not in held:
            lease = farm.c.ask(name)
            if lease is not None:
                held[name] = (lease, lease.range[0], float(lease.range[0]))
            continue
        lease, delivered, rendered = held[name]
        rendered = min(rendered + speeds[name] * 3.0, float(lease.range[1]))
        held[name] = (lease, delivered, rendered)
        what = rng.random()
        if not calm and what < 0.03:  # dies in silence and comes back
            zombies.append((held.pop(name)[0], delivered))
            if rng.random() < 0.5:
                farm.node(name)
        elif not calm and what < 0.06:
            farm.c.fail(lease.attempt, rng.choice((12, 12, 143, 20)))
            del held[name]
        elif not calm and what < 0.08 and zombies:
            old, at = rng.choice(zombies)
            farm.deliver(old, rng.randint(at + 1, old.range[1]), first=at) if at < old.range[1] else None
        elif what < 0.4 and int(rendered) > delivered:
            if farm.deliver(lease, int(rendered), first=delivered) != "taken" or int(rendered) == lease.range[1]:
                del held[name]
            else:
                held[name] = (lease, int(rendered), rendered)
        else:
            order, stop = farm.c.report(lease.attempt, Report(done=int(rendered) - lease.range[0]))
            if order == "drop":
                del held[name]
            elif order == "stop" and int(rendered) >= stop:
                if int(rendered) > delivered:
                    farm.deliver(lease, int(rendered), first=delivered)
                else:
                    farm.c.fail(lease.attempt, 143)
                del held[name]
    assert farm.c.status("j").state == "done", farm.c.status("j")
    for index, size in enumerate(sizes):
        at = 0
        for result in farm.c.results("j", index):
            span: Range = result.range
            assert span[0] == at, "neither a gap nor an overlap"
            at = span[1]
        assert at == size
