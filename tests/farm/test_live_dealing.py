"""Live jobs at a coordinator: first in turn, in short units, with nodes that are asked over from others and go back."""

from __future__ import annotations

import itertools

from studio.farm.model import JobSpec, Lease, Piece, Report
from studio.farm.policy import Policy
from tests.farm.test_coordinator import Farm


def live(farm: Farm, *, first: int = 0, samples: int = 100, id_: str = "live_a_1", sample_s: float = 0.1) -> JobSpec:
    piece = Piece(frame=1.0, first=first, samples=samples)
    spec = JobSpec(id=id_, name=id_, bundle="b", pieces=(piece,), priority=100, expected_s=sample_s, live=True)
    farm.c.submit(spec)
    return spec


def at_work(count: int, **more: object) -> tuple[Farm, list[Lease]]:
    """A farm with an ordinary job, at which all its nodes work."""
    farm = Farm()
    farm.job(100_000, **more)
    for n in range(count):
        farm.node(f"n{n}")
    leases = [farm.ask(f"n{n}") for n in range(count)]
    farm.now += 5.0
    for lease in leases:
        assert farm.c.report(lease.attempt, Report(done=3))[0] == "go"
    return farm, leases


def test_nodes_come_over_within_one_report_and_hand_in_what_they_have() -> None:
    farm, leases = at_work(3)
    live(farm)
    farm.now += 2.0
    orders = [farm.c.report(lease.attempt, Report(done=4)) for lease in leases]
    assert orders == [("stop", leases[0].range[0] + 4), ("stop", leases[1].range[0] + 4), ("go", 0)], "all but one"
    for lease in leases[:2]:
        assert farm.deliver(lease, lease.range[0] + 4) == "taken"
    assert {farm.ask(f"n{n}").job for n in range(2)} == {"live_a_1"}


def test_every_node_reports_so_often_that_orders_are_heard_soon() -> None:
    farm, leases = at_work(2)
    assert {lease.report_s for lease in leases} == {farm.c.policy.brisk_report_s}
    live(farm)
    farm.c.report(leases[0].attempt, Report(done=4))
    farm.deliver(leases[0], leases[0].range[0] + 4)
    assert farm.ask("n0").report_s == farm.c.policy.live_report_s
    crowd = Farm()
    crowd.job(1000)
    for n in range(1001):
        crowd.node(f"n{n}")
    assert crowd.ask("n0").report_s == 0.0, "a large farm keeps to what it is used to"


def test_after_a_live_job_the_others_go_on_and_no_sample_is_lost_or_done_twice() -> None:
    farm, leases = at_work(2)
    live(farm, samples=40)
    for lease in leases:
        order, at = farm.c.report(lease.attempt, Report(done=4))
        if order == "stop":
            farm.deliver(lease, at)
    lease = farm.ask("n0")
    while lease.job == "live_a_1":
        assert farm.deliver(lease) == "taken"
        lease = farm.ask("n0")
    assert farm.c.status("live_a_1").state == "done" and lease.job == "j"
    farm.deliver(leases[1])
    while True:
        assert farm.deliver(lease) == "taken"
        found = farm.c.ask("n0") or farm.c.ask("n1")
        if found is None:
            break
        lease = found
    spans = [result.range for result in farm.c.results("j", 0)]
    assert spans[0][0] == 0 and spans[-1][1] == 100_000
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))


def test_a_node_with_nothing_to_hand_in_is_dropped_and_comes_over_too() -> None:
    farm = Farm()
    farm.job(100_000)
    farm.node("a")
    farm.node("b")
    lease = farm.ask("a")
    live(farm)
    assert farm.c.report(lease.attempt, Report())[0] == "drop"
    assert farm.ask("a").job == "live_a_1" and farm.ask("b").job == "j"
    assert farm.c.status("j").running == 1


def test_an_owner_may_keep_the_nodes_of_a_job() -> None:
    farm, leases = at_work(3, yields=False)
    live(farm)
    assert {farm.c.report(lease.attempt, Report(done=4))[0] for lease in leases} == {"go"}
    farm.deliver(leases[0])
    assert farm.ask("n0").job == "live_a_1", "the next unit is the live job's all the same"


def test_no_more_nodes_come_than_are_the_share_of_live_jobs() -> None:
    farm = Farm(policy=Policy(live_leaves=2))
    farm.job(100_000)
    live(farm)
    for n in range(4):
        farm.node(f"n{n}")
    jobs = [farm.ask(f"n{n}").job for n in range(4)]
    assert jobs.count("live_a_1") == 2 and jobs.count("j") == 2
    alone = Farm(policy=Policy(live_leaves=2))
    live(alone)
    for n in range(4):
        alone.node(f"n{n}")
    assert [alone.ask(f"n{n}").job for n in range(4)] == ["live_a_1"] * 4, "nobody else waits"


def test_two_live_views_share_the_nodes() -> None:
    farm = Farm()
    live(farm, id_="live_a_1")
    live(farm, id_="live_b_1")
    for n in range(4):
        farm.node(f"n{n}")
    jobs = [farm.ask(f"n{n}").job for n in range(4)]
    assert sorted(jobs) == ["live_a_1", "live_a_1", "live_b_1", "live_b_1"]


def test_units_are_short_the_first_shortest() -> None:
    farm = Farm()
    live(farm, first=10, samples=1000, sample_s=0.05)
    farm.node("a")
    lengths, lease = [], farm.ask("a")
    assert lease.range[0] == 10, "what lies before is somebody else's"
    while lease is not None:
        count = lease.range[1] - lease.range[0]
        lengths.append(count * 0.05)
        farm.now += lengths[-1]
        farm.deliver(lease, seconds=lengths[-1])
        lease = farm.c.ask("a")
    policy = farm.c.policy
    assert lengths[0] <= policy.live_first_s and max(lengths) <= policy.live_longest_s * 4 / 3
    assert farm.c.complete("live_a_1", 0) and farm.c.status("live_a_1").total == 990
    assert sum(lengths[-3:]) <= 3 * policy.live_longest_s, "no long tail"


def test_a_live_job_that_is_given_up_frees_its_nodes_at_their_next_report() -> None:
    farm = Farm()
    live(farm)
    farm.node("a")
    lease = farm.ask("a")
    farm.c.forget("live_a_1")
    live(farm, id_="live_a_2")
    assert farm.c.report(lease.attempt, Report(done=1)) == ("drop", 0)
    assert farm.deliver(lease) == "late"
    assert farm.ask("a").job == "live_a_2"


def test_a_silent_node_keeps_a_live_job_waiting_for_seconds_only() -> None:
    farm = Farm()
    live(farm, samples=12, sample_s=0.1)
    farm.node("frozen")
    farm.node("b")
    stuck = farm.ask("frozen")
    done = 0
    for _ in range(200):
        lease = farm.c.ask("b")
        if lease is not None:
            farm.now += 0.1 * (lease.range[1] - lease.range[0])
            farm.deliver(lease, seconds=0.1 * (lease.range[1] - lease.range[0]))
        farm.now += 0.1
        done = farm.c.status("live_a_1").done
        if done == 12:
            break
    assert done == 12 and farm.now < farm.c.policy.live_lease_s, "its unit was rendered by the other"
    assert farm.c.report(stuck.attempt, Report(done=1))[0] == "drop"
