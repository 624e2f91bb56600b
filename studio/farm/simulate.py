"""The farm without a farm: the real coordinator on a virtual clock, with nodes that only take time.

A simulated node fetches and loads once for a job, renders at its own speed, reports, delivers checkpoints, is slow,
freezes or dies. What it is told it does, as an engine's node would. So what is measured here, how long a frame takes on
how many machines, is the coordinator's own behaviour, with the constants of `Costs`, and those are measured on real
runs (`benchmarks/farm.py`).
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from studio.farm.coordinator import Coordinator
from studio.farm.model import JobSpec, Lease, NodeInfo, Piece, Report, Result, Usage
from studio.farm.policy import Policy

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What things take, in seconds. The defaults are for a scene of 5 GB on nodes with 10 Gbit/s."""

    fetch_s: float = 26.0  # of the bundle, once a node
    load_s: float = 34.0  # compile, load and build, once a node and job
    unit_s: float = 1.0  # of a unit beside rendering: aim, learn, write and send its partial
    checkpoint_s: float = 60.0  # between two deliveries
    deliver_s: float = 0.3  # of the node's time for one
    poll_s: float = 5.0  # between two questions of a node that got nothing
    restart_s: float = 120.0  # until a node that died is back
    collect_s: float = 30.0  # the last merge and the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The machines."""

    nodes: int
    spread: float = 0.15  # standard deviation of their speeds, of the mean
    slow: float = 0.0  # share of nodes
    slowness: float = 4.0  # how many times slower those are
    failures_h: float = 0.0  # of a node in an hour
    freezes: float = 0.0  # share of the failures in which a node falls silent instead of dying
    arrive_s: float = 1.0  # in which they come at first, one after the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run. `efficiency` is the time that perfect nodes of the mean speed would have taken, all busy,
    over what it took; `busy` the share of the nodes' time that went into samples that counted."""

    makespan_s: float
    work_s: float
    nodes: int
    efficiency: float
    busy: float
    speedup: float
    units: int
    steals: int
    copies: int
    lost_s: float  # node seconds of samples that did not count
    coordinator_s: float  # of this processor
    node_s: float  # from joining to the end, of all nodes


@dataclass(slots=True)
class _Machine:
    info: NodeInfo
    speed: float
    loaded: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)
    lease: Lease | None = None
    begun: float = 0.0  # rendering of this unit
    delivered: int = 0
    stop: int = 0
    epoch: int = 0  # of its life; events of an earlier one mean nothing
    frozen: bool = False
    used: float = 0.0
    useful: float = 0.0


class Simulation:
    """A virtual farm. Submit jobs, then `run`. The same seed gives the same run."""

    def __init__(
        self, crowd: Crowd, *, costs: Costs | None = None, policy: Policy | None = None, seed: int = 0
    ) -> None:
        self.costs = costs or Costs()
        self.policy = policy or Policy()
        self.now = 0.0
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._counts: dict[str, int] = {}
        self.coordinator = Coordinator(lambda: self.now, policy=self.policy, listener=self._heard)
        self._specs: dict[str, JobSpec] = {}
        self._coordinator_s = 0.0
        self._crowd = crowd
        self._machines = self._made()
        for machine in self._machines:
            self._at(self._random.uniform(0.0, crowd.arrive_s), lambda machine=machine: self._start(machine))  # type: ignore[misc]

    def submit(self, spec: JobSpec) -> None:
        """Add a job."""
        self._specs[spec.id] = spec
        self._ask_coordinator(lambda: self.coordinator.submit(spec))

    def run(self, *, until_s: float = math.inf) -> Outcome:
        """Run until every job is over, or to a time."""
        while self._events and not self._all_over() and self._events[0][0] <= until_s:
            self.now, _, call = heapq.heappop(self._events)
            call()
        over = self._all_over()
        makespan = (self.now if over else until_s) + (self.costs.collect_s if over else 0.0)
        work = sum(p.count * p.cost * s.expected_s for s in self._specs.values() for p in s.pieces)
        n = len(self._machines)
        useful = sum(m.useful for m in self._machines)
        return Outcome(
            makespan_s=makespan,
            work_s=work,
            nodes=n,
            efficiency=work / (n * makespan),
            busy=useful / (n * makespan),
            speedup=work / makespan,
            units=self._counts.get("leased", 0),
            steals=self._counts.get("cut", 0),
            copies=self._counts.get("copied", 0),
            lost_s=sum(m.used for m in self._machines) - useful,
            coordinator_s=self._coordinator_s,
            node_s=n * makespan,
        )

    # --- machines ----------------------------------------------------------------------------------------------------
    def _made(self) -> list[_Machine]:
        """Machines whose sound ones have speeds of mean 1, and as many slow ones as the crowd says, at the least."""
        n = self._crowd.nodes
        speeds = [max(self._random.gauss(1.0, self._crowd.spread), 0.3) for _ in range(n)]
        mean = sum(speeds) / n
        slow = set(self._random.sample(range(n), math.ceil(self._crowd.slow * n)))
        return [
            _Machine(
                NodeInfo(id=f"n{i}", memory_bytes=1 << 40),
                speed / mean / (self._crowd.slowness if i in slow else 1.0),
            )
            for i, speed in enumerate(speeds)
        ]

    def _start(self, machine: _Machine) -> None:
        machine.epoch += 1
        machine.loaded.clear()
        machine.lease, machine.frozen = None, False
        self._ask_coordinator(lambda: self.coordinator.join(machine.info))
        if self._crowd.failures_h > 0:
            life = self._random.expovariate(self._crowd.failures_h / 3600.0)
            self._soon(machine, life, lambda: self._die(machine))
        self._seek(machine)

    def _die(self, machine: _Machine) -> None:
        """The node is gone with what it had; nobody says so. Or it goes on, but is heard no more."""
        if machine.lease is not None:
            machine.used += max(self.now - machine.begun, 0.0)
        machine.epoch += 1
        machine.lease = None
        frozen = self._random.random() < self._crowd.freezes
        self._at(self.now + self.costs.restart_s * (3.0 if frozen else 1.0), lambda: self._start(machine))

    def _seek(self, machine: _Machine) -> None:
        lease = self._ask_coordinator(lambda: self.coordinator.ask(machine.info.id))
        if lease is None:
            self._soon(machine, self.costs.poll_s, lambda: self._seek(machine))
            return
        spec = self._specs[lease.job]
        wait = self.costs.unit_s
        if spec.bundle not in machine.fetched:
            wait += self.costs.fetch_s
            machine.fetched.add(spec.bundle)
        if lease.job not in machine.loaded:
            wait += self.costs.load_s
            machine.loaded.add(lease.job)
        machine.lease, machine.delivered, machine.stop = lease, lease.range[0], lease.range[1]
        machine.begun = self.now + wait
        attempt = lease.attempt
        every = self._report_s(lease)
        early = every
        while early < wait:  # it says that it is loading
            self._soon(machine, early, lambda: self._loading(machine, attempt))
            early += every
        self._soon(machine, wait, lambda: self._step(machine, attempt, self.now + self.costs.checkpoint_s))

    def _loading(self, machine: _Machine, attempt: int) -> None:
        if machine.lease is not None and machine.lease.attempt == attempt:
            self._ask_coordinator(lambda: self.coordinator.report(attempt, Report(phase="load")))

    def _step(self, machine: _Machine, attempt: int, checkpoint: float) -> None:
        """Render until the next report, checkpoint or end, whichever comes first."""
        lease = machine.lease
        if lease is None or lease.attempt != attempt:
            return
        rate = self._rate(machine, lease)
        ends = machine.begun + (machine.stop - lease.range[0]) / rate
        nearest = min(ends, self.now + self._report_s(lease), checkpoint)
        self._soon(machine, max(nearest - self.now, 0.0), lambda: self._stepped(machine, attempt, checkpoint))

    def _stepped(self, machine: _Machine, attempt: int, checkpoint: float) -> None:
        lease = machine.lease
        if lease is None or lease.attempt != attempt:
            return
        rendered = math.floor((self.now - machine.begun) * self._rate(machine, lease) + 1e-6)
        done = min(max(rendered, 0), machine.stop - lease.range[0])
        at = lease.range[0] + done
        if at >= machine.stop:
            self._deliver(machine, lease, machine.stop)
            return
        if self.now >= checkpoint:
            checkpoint = self.now + self.costs.checkpoint_s
            if at > machine.delivered:
                machine.begun += self.costs.deliver_s
                if not self._deliver(machine, lease, at):
                    return
        order, stop = self._ask_coordinator(lambda: self.coordinator.report(attempt, Report(done=done)))
        if order == "drop":
            self._gone(machine, at)
            return
        if order == "stop":
            machine.stop = max(stop, at)
            if at >= machine.stop:
                self._deliver(machine, lease, at)
                return
        self._step(machine, attempt, checkpoint)

    def _deliver(self, machine: _Machine, lease: Lease, last: int) -> bool:
        """Deliver what is there up to a sample; whether the unit goes on."""
        first = machine.delivered
        if last > first:
            seconds = (last - first) / self._rate(machine, lease)
            result = Result(range=(first, last), key="", digest="", usage=Usage(render_s=seconds))
            answer = self._ask_coordinator(lambda: self.coordinator.deliver(lease.attempt, result))
            machine.used += seconds
            if answer == "taken":
                machine.useful += seconds
                machine.delivered = last
            else:
                machine.lease = None
                self._soon(machine, 0.0, lambda: self._seek(machine))
                return False
        if last >= machine.stop:
            machine.lease = None
            self._soon(machine, 0.0, lambda: self._seek(machine))
            return False
        return True

    def _gone(self, machine: _Machine, at: int) -> None:
        """The unit was given up."""
        assert machine.lease is not None
        machine.used += (at - machine.delivered) / self._rate(machine, machine.lease)
        machine.lease = None
        self._soon(machine, 0.0, lambda: self._seek(machine))

    def _report_s(self, lease: Lease) -> float:
        """Seconds between two reports of a unit, as its node keeps them."""
        return min(lease.report_s or self.policy.report_s, self.policy.report_s)

    def _rate(self, machine: _Machine, lease: Lease) -> float:
        """Samples a second."""
        spec = self._specs[lease.job]
        return machine.speed / (spec.expected_s * spec.pieces[lease.piece].cost)

    # --- time --------------------------------------------------------------------------------------------------------
    def _at(self, when: float, call: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (when, self._order, call))

    def _soon(self, machine: _Machine, after: float, call: Callable[[], None]) -> None:
        """Later in this life of a machine."""
        epoch = machine.epoch

        def alive() -> None:
            if machine.epoch == epoch:
                call()

        self._at(self.now + after, alive)

    def _ask_coordinator(self, call: Callable[[], T]) -> T:
        begun = time.process_time()
        out = call()
        self._coordinator_s += time.process_time() - begun
        return out

    def _heard(self, event: object) -> None:
        kind = getattr(event, "kind", "")
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def _all_over(self) -> bool:
        return all(self.coordinator.over(id_) for id_ in self._specs)


def one_frame(hours: float, samples: int, *, pieces: int = 1, name: str = "frame") -> JobSpec:
    """A job of a frame that takes so many hours on one node of the mean speed, perhaps as several crops."""
    expected = hours * 3600.0 / samples / pieces
    parts = tuple(Piece(frame=float(i), samples=samples) for i in range(pieces))
    return JobSpec(id=name, name=name, bundle=name, pieces=parts, expected_s=expected)


def many_frames(frames: int, hours_each: float, samples: int, *, name: str = "film", spread: float = 0.3) -> JobSpec:
    """A job of frames that take about so many hours each on one node."""
    rng = random.Random(frames)
    costs = [max(rng.gauss(1.0, spread), 0.2) for _ in range(frames)]
    mean = sum(costs) / frames
    parts = tuple(Piece(frame=float(i), samples=samples, cost=c / mean) for i, c in enumerate(costs))
    return JobSpec(id=name, name=name, bundle=name, pieces=parts, expected_s=hours_each * 3600.0 / samples)
