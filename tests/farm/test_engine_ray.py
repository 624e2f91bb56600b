"""A real Ray cluster on loopback: kills of processes, actors and machines, a machine that hangs, a node that is slow,
and the same bits as one process.

A cluster and a node take seconds to begin, and nothing else is worth waiting for, so one job goes through all of it: it
is struck while the cluster is small, cancelled, and goes on to its end with what is left.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from studio.errors import UsageError
from studio.farm.engines.engine import Ref, again, progress
from studio.farm.engines.ray_house import node_name
from studio.farm.engines.ray_jobs import DriverOrder, RayJobs
from studio.farm.jobs import RenderJob, claimed
from studio.farm.model import Needs
from studio.farm.orders import wished_of
from studio.farm.policy import Policy
from studio.farm.session import log_of
from studio.farm.store import open_store
from tests.farm.engine_jobs import alone, in_store, job_in, job_of, project_in
from tests.farm.ray_cluster import RayCluster, command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # on a machine that does other things too
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed (farm extra)"),
    pytest.mark.skipif(sys.platform != "linux", reason="the cluster of the tests finds its processes in /proc"),
]
POLICY = Policy(longest_s=2.0, tail_s=0.3, first_s=0.5, report_s=0.3, lease_s=5.0, steal_s=0.5)
SAMPLES = 3000
SLOWDOWN = 100.0  # nodes rest most of the time, so that no job is over before it has been struck, on any machine
WORK, KEEPER, COORDINATOR = "studio.farm.work", "ray::NodeKeeper", "ray::Coordinator"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster(machines=2) as made:
        yield made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_in(tmp_path_factory.mktemp("ray"))


@pytest.fixture(scope="module")
def bits(cluster: RayCluster, project: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What one process makes of the job, while the cluster begins."""
    return alone(project, job_in(tmp_path_factory.mktemp("alone"), project, samples=SAMPLES))


@pytest.fixture
def job(tmp_path: Path, project: Path) -> RenderJob:
    """A job that rented machines may see, so that the coordinator checks what they deliver."""
    made = job_in(tmp_path / "store", project, samples=SAMPLES)
    return msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, needs=Needs(trust=2)))


def engine_at(cluster: RayCluster, folder: Path, *, slowdown: float) -> RayJobs:
    order = DriverOrder(
        store="",
        job="",
        device="cpu",
        checkpoint_s=0.01,
        cache=str(folder / "cache"),
        policy=POLICY,
        slowdown=slowdown,
    )
    made = RayJobs(cluster.url, python=sys.executable, order=order)
    wait_until(lambda: not any("answer" in fault for fault in made.check(job_of("0" * 64))))
    return made


def wait_until(what: Callable[[], object], told: Callable[[], str] = str, *, seconds: float = 400.0) -> None:
    """Wait for something; `told` says what was seen of it when it does not come."""
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            pytest.fail(f"it takes too long: {told()}")
        time.sleep(0.1)


class Run:
    """A job at work on a cluster."""

    def __init__(self, engine: RayJobs, ref: Ref) -> None:
        self.engine, self.ref, self.store = engine, ref, open_store(ref.store)

    def until(self, what: Callable[[], object]) -> None:
        wait_until(what, lambda: self.engine.logs(self.ref).text)

    def ends(self, state: str) -> None:
        self.until(lambda: self.engine.status(self.ref).state in ("done", "failed", "cancelled"))
        assert self.engine.status(self.ref).state == state, self.engine.logs(self.ref).text

    @property
    def done(self) -> int:
        return progress(self.store, self.ref.job)[0]

    def meanwhile(self, what: Callable[[], object]) -> None:
        """Wait for something that must come before the job is over."""

        def comes() -> bool:
            come = bool(what())
            assert self.done < SAMPLES, f"it was over before the last blow: {self.engine.logs(self.ref).text}"
            return come

        self.until(comes)

    def goes_on(self) -> None:
        before = self.done
        self.meanwhile(lambda: self.done > before)

    def counts(self, job: RenderJob, node: str) -> int:
        """How many parts of a node count."""
        return sum(result.node == node for result in claimed(self.store, job).get(0, []))

    def delivers(self, job: RenderJob, *nodes: str) -> None:
        """Wait until each of the nodes has delivered something more."""
        before = {node: self.counts(job, node) for node in nodes}
        self.meanwhile(lambda: all(self.counts(job, node) > count for node, count in before.items()))

    def did(self, node: str, *kinds: str) -> bool:
        return any(event.node == node and event.kind in kinds for event in log_of(self.store, self.ref.job))


def test_whatever_is_killed_hangs_or_is_slow_costs_nothing_but_time(
    cluster: RayCluster, bits: list[str], job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", cluster.token)
    engine, place = engine_at(cluster, tmp_path, slowdown=SLOWDOWN), tmp_path / "store"
    ref = engine.submit(job, str(place), "room-1")
    assert engine.submit(job, str(place), "room-1") == ref
    run = Run(engine, ref)
    hung, struck = (node_name(cluster.name(machine), 0) for machine in (0, 1))
    run.delivers(job, hung, struck)

    kill_one(cluster, 1, WORK)
    run.goes_on()
    kill_one(cluster, 1, KEEPER)
    run.goes_on()
    os.kill(cluster.pids(COORDINATOR)[0], signal.SIGKILL)
    late = cluster.add(devices=2)
    run.delivers(job, struck)

    frozen = cluster.freeze(0)
    cluster.kill(1)
    run.delivers(job, *(node_name(cluster.name(late), number) for number in (0, 1)))
    run.meanwhile(lambda: run.did(hung, "expired", "lost", "left"))

    engine.cancel(ref, by="ada")
    run.ends("cancelled")
    run.until(lambda: not working(cluster, frozen))
    assert 0 < run.done < SAMPLES and wished_of(run.store, "room-1")["cancel"].by == "ada"
    assert cluster.token not in engine.logs(ref).text

    engine = engine_at(cluster, tmp_path, slowdown=2.0)
    run = Run(engine, again(engine, ref))
    run.goes_on()
    assert run.done < SAMPLES, "it was over before a node was slow"
    with slowed(working(cluster, frozen)[:1]):
        run.ends("done")
    assert in_store(place, "room-1") == bits
    assert {event.text for event in log_of(run.store, "room-1") if event.kind == "checked"} == {"sound"}


def working(cluster: RayCluster, frozen: set[int]) -> list[int]:
    """The processes of nodes, but for those that hang."""
    return [pid for pid in cluster.pids(WORK) if pid not in frozen]


def kill_one(cluster: RayCluster, machine: int, word: str) -> None:
    """Kill the first process of a machine with a word in its command, once there is one."""

    def found() -> list[int]:
        return [pid for pid in cluster.on(machine) if word in command(pid)]

    wait_until(found)
    os.kill(found()[0], signal.SIGKILL)


@contextlib.contextmanager
def slowed(pids: list[int]) -> Iterator[None]:
    """Processes that are stopped nine tenths of the time."""
    over = threading.Event()

    def strike() -> None:
        while not over.is_set():
            for signal_, seconds in ((signal.SIGSTOP, 0.45), (signal.SIGCONT, 0.05)):
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal_)
                over.wait(seconds)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(("given", "sentence"), [("", "is missing"), ("wrong", "is wrong or has expired")])
def test_nobody_is_let_in_without_the_token(
    cluster: RayCluster, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, sentence: str
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match=sentence):
        RayJobs(cluster.url).submit(msgspec.structs.replace(job), str(tmp_path / "store"), "room-3")
