"""A real Ray cluster on loopback: kills of processes, actors and machines, a machine that hangs, a node that is slow,
and the same bits as one process."""

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
from studio.farm.engines.ray_jobs import DriverOrder, RayJobs
from studio.farm.jobs import RenderJob
from studio.farm.orders import wished_of
from studio.farm.policy import Policy
from studio.farm.session import log_of
from studio.farm.store import open_store
from tests.farm.engine_jobs import alone, in_store, job_in, project_in
from tests.farm.ray_cluster import RayCluster, command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # on a machine that does other things too
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed (farm extra)"),
    pytest.mark.skipif(sys.platform != "linux", reason="the cluster of the tests finds its processes in /proc"),
]
POLICY = Policy(longest_s=2.0, tail_s=0.3, first_s=0.5, report_s=0.3, lease_s=8.0, steal_s=0.5)
SAMPLES = 600
SLOWDOWN = 20.0  # nodes rest most of the time, so that no job is over before it has been struck, on any machine


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster() as made:
        made.add()
        made.add()
        yield made


@pytest.fixture
def engine(cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RayJobs:
    monkeypatch.setenv("RAY_AUTH_TOKEN", cluster.token)
    return engine_at(cluster, tmp_path, slowdown=SLOWDOWN)


def engine_at(cluster: RayCluster, folder: Path, *, slowdown: float) -> RayJobs:
    order = DriverOrder(
        store="",
        job="",
        device="cpu",
        checkpoint_s=0.05,
        cache=str(folder / "cache"),
        policy=POLICY,
        slowdown=slowdown,
    )
    made = RayJobs(cluster.url, python=sys.executable, order=order)
    wait_until(lambda: not any("answer" in fault for fault in made.check(_any_job())), engine=None)
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_in(tmp_path_factory.mktemp("ray"))


@pytest.fixture
def job(tmp_path: Path, project: Path) -> RenderJob:
    return job_in(tmp_path / "store", project, samples=SAMPLES)


@pytest.fixture(scope="module")
def bits(project: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What one process makes of the job."""
    return alone(project, job_in(tmp_path_factory.mktemp("alone"), project, samples=SAMPLES))


def _any_job() -> RenderJob:
    from tests.farm.engine_jobs import job_of

    return job_of("0" * 64)


def wait_until(what: Callable[[], object], *, engine: tuple[RayJobs, Ref] | None, seconds: float = 400.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            said = engine[0].logs(engine[1]).text if engine is not None else ""
            pytest.fail(f"it takes too long: {said}")
        time.sleep(0.1)


def kill_one(cluster: RayCluster, word: str, at: tuple[RayJobs, Ref]) -> None:
    """Kill the first process with a word in its command, once there is one."""
    wait_until(lambda: cluster.pids(word), engine=at)
    os.kill(cluster.pids(word)[0], signal.SIGKILL)


def test_kills_of_processes_actors_and_machines_change_no_bit(
    cluster: RayCluster, engine: RayJobs, job: RenderJob, bits: list[str], tmp_path: Path
) -> None:
    place = tmp_path / "store"
    ref = engine.submit(job, str(place), "room-1")
    assert engine.submit(job, str(place), "room-1") == ref
    store, at = open_store(place), (engine, ref)

    def goes_on() -> None:
        before = progress(store, "room-1")[0]
        wait_until(lambda: progress(store, "room-1")[0] > before, engine=at)

    goes_on()
    kill_one(cluster, "studio.farm.work", at)
    kill_one(cluster, "ray::NodeKeeper", at)
    goes_on()
    kill_one(cluster, "ray::Coordinator", at)
    goes_on()
    assert progress(store, "room-1")[0] < SAMPLES, "it was over before the last blow"
    cluster.kill(0)
    cluster.add()
    wait_until(lambda: engine.status(ref).state in ("done", "failed", "cancelled"), engine=at)
    assert engine.status(ref).state == "done", engine.logs(ref).text
    assert in_store(place, "room-1") == bits
    wait_until(lambda: not cluster.pids("studio.farm.work"), engine=at)
    assert cluster.token not in engine.logs(ref).text


def test_a_cancelled_job_goes_on_from_what_it_has(
    cluster: RayCluster, engine: RayJobs, job: RenderJob, bits: list[str], tmp_path: Path
) -> None:
    place = tmp_path / "store"
    ref = engine.submit(job, str(place), "room-2")
    store = open_store(place)
    wait_until(lambda: progress(store, "room-1")[0] > 0, engine=(engine, ref))
    assert cluster.pids("studio.farm.work")
    engine.cancel(ref, by="ada")
    wait_until(lambda: engine.status(ref).state == "cancelled", engine=(engine, ref))
    wait_until(lambda: not cluster.pids("studio.farm.work"), engine=(engine, ref))
    before = progress(store, "room-1")[0]
    assert 0 < before < SAMPLES and wished_of(store, "room-1")["cancel"].by == "ada"
    second = again(engine_at(cluster, tmp_path, slowdown=1.0), ref)
    wait_until(lambda: engine.status(second).state == "done", engine=(engine, second))
    assert in_store(place, "room-1") == bits


def test_machines_that_hang_or_are_slow_cost_nothing_but_time(
    cluster: RayCluster, engine: RayJobs, job: RenderJob, bits: list[str], tmp_path: Path
) -> None:
    place = tmp_path / "store"
    hung = cluster.add()
    ref = engine.submit(job, str(place), "room-4")
    store, at = open_store(place), (engine, ref)
    node = f"ray-1-{cluster.name(hung)[:12]}-0"

    def did(kind: str) -> bool:
        return any(event.kind == kind and event.node == node for event in log_of(store, "room-1"))

    wait_until(lambda: did("delivered"), engine=at)
    assert any("studio.farm.work" in command(pid) for pid in cluster.on(hung))
    cluster.freeze(hung)
    with slowed(cluster.pids("studio.farm.work")[:1]):
        wait_until(lambda: engine.status(ref).state == "done", engine=at)
    assert did("expired") or did("lost") or did("left"), "nobody has noticed"
    assert in_store(place, "room-1") == bits


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


def test_nobody_is_let_in_without_the_token(
    engine: RayJobs, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(UsageError, match="is wrong or has expired"):
        engine.submit(msgspec.structs.replace(job), str(tmp_path / "store"), "room-3")
