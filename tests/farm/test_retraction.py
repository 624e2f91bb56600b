"""What was delivered is taken back: its samples are rendered again by others, and at the end every sample counts once,
by nodes that are sound."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.farm.coordinator import Coordinator
from studio.farm.jobs import claim_on, claimed, holder, job_key, withdraw
from studio.farm.model import Event, JobSpec, Lease, NodeInfo, Piece, Report, Result, Usage
from studio.farm.policy import Policy
from studio.farm.store import open_store
from tests.farm.test_jobs import PIECE, a_job, a_result


class Farm:
    """A coordinator on a clock of its own."""

    def __init__(self, samples: int = 100, *, price: float = 0.0, policy: Policy | None = None, **more: object) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        self.c = Coordinator(
            lambda: self.now,
            policy=policy or Policy(first_s=10.0),
            price=(lambda node, seconds: round(seconds * price)) if price else None,
            listener=self.events.append,
        )
        pieces = (Piece(frame=1.0, samples=samples),)
        self.c.submit(JobSpec(id="j", name="j", bundle="b", pieces=pieces, **{"expected_s": 1.0, **more}))  # type: ignore[arg-type]

    def join(self, *names: str) -> None:
        for name in names:
            self.c.join(NodeInfo(id=name, memory_bytes=1 << 33))

    def deliver(self, lease: Lease, last: int | None = None, *, first: int | None = None, seconds: float = 0.0) -> str:
        span = (lease.range[0] if first is None else first, lease.range[1] if last is None else last)
        usage = Usage(render_s=seconds or float(span[1] - span[0]))
        key = f"{span[0]}-{span[1]}.{lease.attempt}"
        return self.c.deliver(lease.attempt, Result(range=span, key=key, digest="d", usage=usage, node=lease.node))

    def finish(self, *names: str) -> None:
        for _ in range(10_000):
            for name in names:
                self.now += 1.0
                lease = self.c.ask(name)
                if lease is not None:
                    self.deliver(lease)
            if self.c.over("j"):
                return
        raise AssertionError("the job does not end")


def test_a_job_that_was_done_goes_on_when_a_result_is_taken_back() -> None:
    farm = Farm()
    farm.join("a", "b")
    farm.finish("a")
    bad = farm.c.results("j", 0)[1]
    assert farm.c.retract("j", 0, bad) and not farm.c.retract("j", 0, bad)
    assert [e.kind for e in farm.events[-2:]] == ["retracted", "resumed"] and farm.events[-2].text == bad.key
    assert farm.c.status("j").state == "waiting"
    assert farm.c.status("j").done == 100 - (bad.range[1] - bad.range[0])
    farm.c.distrust("a", "it made things up")
    assert farm.c.ask("a") is None
    farm.finish("b")
    again = [r for r in farm.c.results("j", 0) if r.node == "b"]
    assert again[0].range[0] == bad.range[0] and again[-1].range[1] == bad.range[1]


def test_what_a_result_cost_and_taught_is_forgotten_with_it() -> None:
    farm = Farm(price=1e6, cap_micros=10**12)
    farm.join("honest", "boaster")
    lease = farm.c.ask("honest")
    assert lease is not None
    farm.deliver(lease)
    spent = farm.c.status("j").spent_micros
    other = farm.c.ask("boaster")
    assert other is not None
    farm.deliver(other, seconds=1e5)
    assert farm.c.status("j").spent_micros == spent + 10**11
    (bad,) = (r for r in farm.c.results("j", 0) if r.node == "boaster")
    farm.c.distrust("boaster")
    farm.c.retract("j", 0, bad)
    assert farm.c.status("j").spent_micros == spent
    more = farm.c.ask("honest")
    assert more is not None and more.range[1] - more.range[0] > 5, "a sample takes a second, as the honest one said"


def test_a_job_that_a_forger_brought_to_its_cap_goes_on() -> None:
    farm = Farm(price=1e6, cap_micros=150_000_000)
    farm.join("a", "forger")
    lease = farm.c.ask("forger")
    assert lease is not None
    farm.deliver(lease, seconds=140.0)
    assert farm.c.ask("a") is None and farm.c.status("j").state == "capped"
    farm.c.distrust("forger")
    farm.c.retract("j", 0, farm.c.results("j", 0)[0])
    assert farm.c.ask("a") is not None


def test_a_node_that_is_not_trusted_loses_its_units_and_so_do_the_other_devices_of_its_machine() -> None:
    farm = Farm()
    farm.join("m/0", "m/1", "other")
    leases = [farm.c.ask(name) for name in ("m/0", "m/1")]
    farm.c.distrust("m/0", "it made things up")
    for lease in leases:
        assert lease is not None
        assert farm.c.report(lease.attempt, Report(done=1)) == ("drop", 0)
        assert farm.deliver(lease) == "late" and farm.c.adopt(lease, Report()) == ("drop", 0)
    farm.join("m/0", "m/2")
    assert [farm.c.ask(name) for name in ("m/0", "m/1", "m/2")] == [None] * 3
    assert {row.id: row.state for row in farm.c.rows()}["m/2"] == "distrusted"
    farm.finish("other")


def test_a_node_that_is_taken_over_goes_on_where_it_is_though_its_beginning_was_taken_back() -> None:
    farm = Farm(policy=Policy(first_s=100.0))
    farm.join("a")
    lease = farm.c.ask("a")
    assert lease is not None and farm.deliver(lease, 30) == "taken"
    new = Farm()  # another coordinator, which did not find the first samples any more
    new.join("a")
    assert new.c.adopt(lease, Report(done=40, kept=30)) == ("go", 0)
    assert new.deliver(lease, 50, first=30) == "taken"
    assert new.c.status("j").done == 20


def test_what_is_rendered_again_though_it_is_done_counts_for_nothing() -> None:
    farm = Farm(price=1e6, cap_micros=10**12)
    farm.join("own", "stranger", "late")
    lease = farm.c.ask("own")
    assert lease is not None
    farm.deliver(lease)
    (known,) = farm.c.results("j", 0)
    probe = farm.c.probe("stranger", "j", 0, known)
    assert probe is not None and probe.range == known.range and not probe.copy_of, "it looks like any other"
    assert farm.c.is_probe(probe.attempt)
    before = farm.c.status("j")
    assert farm.deliver(probe, 4, first=0) == "taken" and farm.deliver(probe, first=4) == "taken"
    assert farm.c.results("j", 0) == [known]
    after = farm.c.status("j")
    assert (after.done, after.spent_micros) == (before.done, before.spent_micros)
    assert [e.kind for e in farm.events].count("probed") == 2
    other = farm.c.probe("late", "j", 0, known)
    assert other is not None
    farm.now += 1000.0
    farm.c.tick()
    assert farm.deliver(other) == "late" and farm.c.status("j").done == before.done
    farm.finish("own")
    assert farm.c.probe("stranger", "j", 0, known) is None, "nobody is asked when there is nothing else to do"


@given(st.integers(0, 100_000))
def test_whatever_is_taken_back_every_sample_ends_with_one_sound_node(seed: int) -> None:
    """Nodes that die, are cut and copied, render what is done without knowing it, and forgers among them who are found
    out at some moment."""
    rng = random.Random(seed)
    policy = Policy(
        longest_s=30.0, tail_s=3.0, first_s=3.0, lease_s=20.0, report_s=4.0, steal_s=4.0, blocks_after=10**6
    )
    samples = rng.randint(20, 300)
    farm = Farm(samples, policy=policy, price=1e3, cap_micros=10**15, retries=10**6)
    names = [f"n{i}" for i in range(rng.randint(2, 6))]
    farm.join(*names)
    forgers = set(rng.sample(names[1:], rng.randint(1, len(names) - 1)))
    unknown = set(forgers)
    held: dict[str, tuple[Lease, int]] = {}  # lease, delivered
    for step in range(30_000):
        if farm.c.over("j") and not unknown:
            break
        farm.now += rng.uniform(0.1, 2.0)
        farm.c.tick()
        if unknown and (farm.c.over("j") or rng.random() < 0.01 or step > 3_000):
            caught = unknown.pop()
            farm.c.distrust(caught)
            for result in farm.c.results("j", 0):
                if result.node == caught:
                    assert farm.c.retract("j", 0, result)
            continue
        if rng.random() < 0.01:  # a single unit, of anybody, was found to be damaged
            some = farm.c.results("j", 0)
            if some:
                farm.c.retract("j", 0, rng.choice(some))
        name = rng.choice(names)
        if name not in held:
            some = farm.c.results("j", 0)
            probe = farm.c.probe(name, "j", 0, rng.choice(some)) if some and rng.random() < 0.1 else None
            lease = probe or farm.c.ask(name)
            assert lease is None or name not in forgers - unknown
            if lease is not None:
                held[name] = lease, lease.range[0]
            continue
        lease, at = held[name]
        what = rng.random()
        if what < 0.03 and step < 3_000:
            del held[name]
            farm.join(name)
        elif what < 0.6:
            last = rng.randint(at + 1, lease.range[1])
            if farm.deliver(lease, last, first=at) == "taken" and last < lease.range[1]:
                held[name] = lease, last
            else:
                del held[name]
        else:
            order, stop = farm.c.report(lease.attempt, Report(done=at - lease.range[0]))
            if order == "drop":
                del held[name]
            elif order == "stop" and at >= stop:
                farm.c.fail(lease.attempt, 143)
                del held[name]
    status = farm.c.status("j")
    assert status.state == "done" and status.done == samples, status
    at = 0
    for result in farm.c.results("j", 0):
        assert result.range[0] == at and result.node not in forgers
        at = result.range[1]
    assert at == samples
    # a second costs a thousand, and every sample took one
    assert status.spent_micros == 1000 * samples


# --- in the store ----------------------------------------------------------------------------------------------------
def test_a_claim_that_is_withdrawn_is_free_for_another_and_its_partial_is_gone() -> None:
    store = open_store("memory://")
    forged, sound = a_result(0, 8, by=1), a_result(0, 8, by=2)
    store.put(forged.key, b"forged")
    assert holder(store, "j1", PIECE, forged) == forged
    assert withdraw(store, "j1", PIECE, forged) and not withdraw(store, "j1", PIECE, forged)
    assert store.size(forged.key) is None and claim_on(store, "j1", PIECE, (0, 8)) is None
    assert holder(store, "j1", PIECE, sound) == sound
    assert not withdraw(store, "j1", PIECE, forged), "the claim is another's now"
    assert claimed(store, a_job()) == {0: [sound]}


def test_a_claim_beside_a_damaged_one_is_withdrawn_too() -> None:
    store = open_store("memory://")
    store.put("jobs/j1/done/f1/0-8.json", b"{")
    forged, sound = a_result(0, 8, by=1), a_result(0, 8, by=2)
    assert holder(store, "j1", PIECE, forged) == forged
    assert withdraw(store, "j1", PIECE, forged)
    assert holder(store, "j1", PIECE, sound) == sound and claimed(store, a_job()) == {0: [sound]}


@pytest.mark.parametrize("key", ["jobs/j1/job.json", "jobs/j2/units/f1/0-8.1.part", "jobs/j1/units/f10/0-8.1.part"])
def test_a_claim_has_no_say_in_what_else_is_removed(key: str) -> None:
    store = open_store("memory://")
    store.put(key, b"of somebody else")
    forged = Result(range=(0, 8), key=key, digest="d" * 64)
    store.put(job_key("j1", "done", "f1", "0-8.json"), b"{}")
    assert holder(store, "j1", PIECE, forged) == forged
    assert withdraw(store, "j1", PIECE, forged) and store.size(key) is not None
