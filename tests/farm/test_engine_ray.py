"""A real Ray cluster on loopback: kills of processes, actors and machines, and the same bits as one process."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from studio.errors import UsageError
from studio.farm.engines.engine import Ref, again, progress, wish_of
from studio.farm.engines.ray_jobs import DriverOrder, RayJobs
from studio.farm.jobs import RenderJob
from studio.farm.policy import Policy
from studio.farm.store import open_store
from tests.farm.engine_jobs import alone, in_store, job_in, project_in
from tests.farm.ray_cluster import RayCluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed (farm extra)"),
    pytest.mark.skipif(sys.platform != "linux", reason="the cluster of the tests finds its processes in /proc"),
]
POLICY = Policy(longest_s=2.0, tail_s=0.3, first_s=0.5, report_s=0.3, lease_s=8.0, steal_s=0.5)
SAMPLES = 3000


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster() as made:
        made.add()
        made.add()
        yield made


@pytest.fixture
def engine(cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RayJobs:
    monkeypatch.setenv("RAY_AUTH_TOKEN", cluster.token)
    order = DriverOrder(store="", job="", device="cpu", checkpoint_s=1.0, cache=str(tmp_path / "cache"), policy=POLICY)
    made = RayJobs(cluster.url, python=sys.executable, order=order)
    wait_until(lambda: not any("answer" in fault for fault in made.check(_any_job())), engine=None)
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_in(tmp_path_factory.mktemp("ray"))


@pytest.fixture
def job(tmp_path: Path, project: Path) -> RenderJob:
    return job_in(tmp_path / "store", project, samples=SAMPLES)


def _any_job() -> RenderJob:
    from tests.farm.engine_jobs import job_of

    return job_of("0" * 64)


def wait_until(what: Callable[[], bool], *, engine: tuple[RayJobs, Ref] | None, seconds: float = 240.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            said = engine[0].logs(engine[1]).text if engine is not None else ""
            pytest.fail(f"it takes too long: {said}")
        time.sleep(0.1)


def kill_one(cluster: RayCluster, word: str) -> None:
    os.kill(cluster.pids(word)[0], signal.SIGKILL)


def test_kills_of_processes_actors_and_machines_change_no_bit(
    cluster: RayCluster, engine: RayJobs, job: RenderJob, project: Path, tmp_path: Path
) -> None:
    place = tmp_path / "store"
    ref = engine.submit(job, str(place), "room-1")
    assert engine.submit(job, str(place), "room-1") == ref
    store, at = open_store(place), (engine, ref)

    def more(than: int) -> Callable[[], bool]:
        return lambda: progress(store, "room-1")[0] > than

    wait_until(more(0), engine=at)
    kill_one(cluster, "studio.farm.work")
    kill_one(cluster, "ray::NodeKeeper")
    wait_until(more(progress(store, "room-1")[0]), engine=at)
    kill_one(cluster, "ray::Coordinator")
    wait_until(more(progress(store, "room-1")[0]), engine=at)
    cluster.kill(0)
    cluster.add()
    wait_until(lambda: engine.status(ref).state in ("done", "failed", "cancelled"), engine=at)
    assert engine.status(ref).state == "done", engine.logs(ref).text
    assert in_store(place, "room-1") == alone(project, job)
    wait_until(lambda: not cluster.pids("studio.farm.work"), engine=at)
    assert cluster.token not in engine.logs(ref).text


def test_a_cancelled_job_goes_on_from_what_it_has(
    cluster: RayCluster, engine: RayJobs, job: RenderJob, project: Path, tmp_path: Path
) -> None:
    place = tmp_path / "store"
    ref = engine.submit(job, str(place), "room-2")
    store = open_store(place)
    wait_until(lambda: progress(store, "room-1")[0] > 0, engine=(engine, ref))
    engine.cancel(ref, by="ada")
    wait_until(lambda: engine.status(ref).state == "cancelled", engine=(engine, ref))
    wait_until(lambda: not cluster.pids("studio.farm.work"), engine=(engine, ref))
    before = progress(store, "room-1")[0]
    assert 0 < before < SAMPLES and wish_of(store, "room-1").by == "ada"
    second = again(engine, ref)
    wait_until(lambda: engine.status(second).state == "done", engine=(engine, second))
    assert in_store(place, "room-1") == alone(project, job)


def test_a_machine_that_freezes_costs_nothing_but_time(
    cluster: RayCluster, engine: RayJobs, job: RenderJob, project: Path, tmp_path: Path
) -> None:
    place = tmp_path / "store"
    frozen = cluster.add()
    ref = engine.submit(job, str(place), "room-4")
    store = open_store(place)
    wait_until(lambda: progress(store, "room-1")[0] > 0, engine=(engine, ref))
    cluster.freeze(frozen)
    wait_until(lambda: engine.status(ref).state == "done", engine=(engine, ref))
    assert in_store(place, "room-1") == alone(project, job)


def test_nobody_is_let_in_without_the_token(
    engine: RayJobs, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(UsageError, match="is wrong or has expired"):
        engine.submit(msgspec.structs.replace(job), str(tmp_path / "store"), "room-3")
