"""The farm on a virtual clock: how well frames split over many machines, with slow, dying and frozen ones."""

from __future__ import annotations

import pytest

from studio.farm.coordinator import Coordinator
from studio.farm.model import Order, Report
from studio.farm.policy import Policy
from studio.farm.simulate import Costs, Crowd, Simulation, many_frames, one_frame


@pytest.mark.parametrize(("nodes", "least"), [(64, 0.92), (128, 0.90)])
def test_a_frame_of_160_hours_splits_over_many_machines(nodes: int, least: float) -> None:
    farm = Simulation(Crowd(nodes=nodes, slow=0.01, failures_h=0.01, freezes=0.5), seed=3)
    farm.submit(one_frame(160.0, 65536))
    out = farm.run()
    assert out.efficiency >= least and out.speedup == pytest.approx(out.efficiency * nodes)
    assert farm.coordinator.status("frame").state == "done" and farm.coordinator.complete("frame", 0)


def test_without_stealing_slow_machines_would_hold_the_frame_up() -> None:
    """The simulation notices: with units so long that each node gets one, and nobody helped, it is far worse."""
    crowd, costs = Crowd(nodes=16, slow=0.05), Costs(poll_s=300.0)
    rigid = Policy(longest_s=1e9, tail_s=4500.0, first_s=1e9, steal_s=1e12, copy_ratio=1e9)
    helped = Simulation(crowd, seed=3)
    alone = Simulation(crowd, seed=3, policy=rigid, costs=costs)
    for farm in (helped, alone):
        farm.submit(one_frame(20.0, 16384))
    assert helped.run().efficiency > 1.5 * alone.run().efficiency


def test_a_cell_of_a_film_is_busy() -> None:
    farm = Simulation(Crowd(nodes=250, slow=0.01, failures_h=0.01, freezes=0.3), seed=5)
    farm.submit(many_frames(60, 10.0, 4096))
    out = farm.run(until_s=3600.0)
    assert out.busy >= 0.9


def test_a_cell_with_many_faults_loses_little() -> None:
    costs = Costs(checkpoint_s=60.0)
    farm = Simulation(Crowd(nodes=32, failures_h=1.0), costs=costs, seed=2)
    farm.submit(one_frame(40.0, 16384))
    out = farm.run()
    deaths = sum(machine.epoch - 1 for machine in farm._machines)
    assert deaths > 20
    assert out.lost_s < deaths * (costs.checkpoint_s + 45.0), "of each death what followed the last checkpoint"


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> float:
        farm = Simulation(Crowd(nodes=10, failures_h=0.5), seed=seed)
        farm.submit(one_frame(5.0, 4096))
        return farm.run().makespan_s

    assert run(1) == run(1) != run(2)


def test_nodes_that_come_late_make_it_longer() -> None:
    def run(arrive_s: float) -> float:
        farm = Simulation(Crowd(nodes=4, spread=0.0, arrive_s=arrive_s), seed=1)
        farm.submit(one_frame(0.5, 2048))
        return farm.run().makespan_s

    assert run(1.0) < run(400.0) < run(1.0) + 400.0


def test_a_node_reports_as_often_as_its_unit_asks() -> None:
    """A small farm hears of its units every two seconds, a large one as seldom as the policy says."""
    calls: list[float] = []

    class Heard(Coordinator):
        def report(self, attempt: int, report: Report) -> Order:
            calls.append(self._clock())
            return super().report(attempt, report)

    def reports(policy: Policy) -> int:
        calls.clear()
        farm = Simulation(Crowd(nodes=1, spread=0.0), policy=policy, seed=1)
        farm.coordinator = Heard(lambda: farm.now, policy=policy)
        farm.submit(one_frame(0.2, 720))
        farm.run()
        return len(calls)

    brisk, seldom = reports(Policy(brisk_report_s=2.0)), reports(Policy(brisk_report_s=20.0))
    assert brisk > 5 * seldom > 0


@pytest.mark.parametrize(("hours", "nodes"), [(1.0, 128), (0.25, 16)])
def test_a_short_frame_on_many_nodes_is_not_cut_to_pieces(hours: float, nodes: int) -> None:
    """Of units that are rendered between two reports nobody may think that they stand still: their rests would be taken
    again and again, and what their holders deliver would always be late."""
    farm = Simulation(Crowd(nodes=nodes, slow=0.01, failures_h=0.01, freezes=0.5), seed=3)
    farm.submit(one_frame(hours, 65536))
    out = farm.run(until_s=600.0)
    assert farm.coordinator.status("frame").state == "done"
    assert out.units < 3 * nodes and out.lost_s < 0.2 * out.work_s
