"""The client of Ray's Jobs API against a server that behaves as Ray does, wrong tokens and forgotten jobs included."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from studio.errors import CannotWrite, UsageError
from studio.farm.engines.engine import End, Ref, again, end_of, engines, open_engine, write_end
from studio.farm.engines.ray_jobs import ORDER, DriverOrder, RayJobs
from studio.farm.engines.tokens import token
from studio.farm.jobs import RenderJob, job_key, write_job
from studio.farm.model import Needs, Result
from studio.farm.orders import orders_after, wished_of
from studio.farm.store import open_store
from tests.farm.engine_jobs import job_of
from tests.farm.stub_http import Asked, Reply, Stub

TOKEN = "t0ken-of-the-tests-0123456789"


class Cluster:
    """Jobs as Ray keeps them (`dashboard/modules/job/job_head.py` of 2.60)."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, object]] = {}
        self.stopped: list[str] = []
        self.logs = ""
        self.broken: Reply | None = None

    def answer(self, asked: Asked) -> Reply:
        given = asked.headers.get("authorization", "")
        if not given:
            return 401, "Unauthorized: Missing authentication token"
        if given != f"Bearer {TOKEN}":
            return 403, "Forbidden: Invalid authentication token"
        if self.broken is not None:
            return self.broken
        if asked.path == "/api/version":
            return 200, {"version": "4", "ray_version": "2.60.0"}
        if asked.path == "/api/jobs/" and asked.method == "POST":
            id_ = asked.body["submission_id"]
            if id_ in self.jobs:
                return (
                    500,
                    f"Traceback ...\nValueError: Job with submission_id {id_} already exists. Please use another.",
                )
            self.jobs[id_] = {"submission_id": id_, "status": "PENDING", "message": "queued"}
            return 200, {"job_id": id_, "submission_id": id_}
        _, _, _, id_, *rest = asked.path.split("/")
        if id_ not in self.jobs:
            return 404, f"Job {id_} does not exist"
        if rest == ["stop"]:
            self.stopped.append(id_)
            return 200, {"stopped": True}
        return 200, {"logs": self.logs} if rest == ["logs"] else self.jobs[id_]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def engine(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[RayJobs]:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    with Stub(cluster.answer) as stub:
        made = RayJobs(stub.url, python="/opt/my studio/python3")
        made.stub = stub  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def job() -> RenderJob:
    return job_of("0" * 64)


def asked(engine: RayJobs) -> list[Asked]:
    return engine.stub.asked  # type: ignore[attr-defined,no-any-return]


def test_a_submission_is_the_drivers_order_and_no_secret(
    engine: RayJobs, job: RenderJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ref = engine.submit(job, str(tmp_path), "room-1")
    request = asked(engine)[-1]
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.body["entrypoint"] == "'/opt/my studio/python3' -P -m studio.farm.engines.ray_driver"
    order = msgspec.json.decode(request.body["runtime_env"]["env_vars"][ORDER], type=DriverOrder)
    assert (order.store, order.job) == (str(tmp_path), "room-1")
    assert "working_dir" not in request.body["runtime_env"]
    assert TOKEN not in str(request.body) + str(ref) + caplog.text
    assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert engine.status(ref).state == "waiting"


def test_submitting_twice_is_once(engine: RayJobs, cluster: Cluster, job: RenderJob, tmp_path: Path) -> None:
    assert engine.submit(job, str(tmp_path), "room-1") == engine.submit(job, str(tmp_path), "room-1")
    assert list(cluster.jobs) == ["room-1"]


@pytest.mark.parametrize(("given", "sentence"), [("", "is missing"), ("wrong", "is wrong or has expired")])
def test_nobody_is_let_in_without_the_token(
    engine: RayJobs, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, sentence: str
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match=sentence):
        engine.submit(job, str(tmp_path / "store"), "room-1")
    assert sentence in engine.check(job)[0]


def test_a_job_that_the_cluster_forgot_goes_on_as_the_next_generation(
    engine: RayJobs, cluster: Cluster, job: RenderJob, tmp_path: Path
) -> None:
    ref = engine.submit(job, str(tmp_path), "room-1")
    cluster.jobs.clear()
    assert engine.status(ref).state == "lost"
    second = again(engine, ref)
    assert (second.id, second.generation) == ("room-1-g2", 2) and "room-1-g2" in cluster.jobs
    third = again(engine, second)
    assert third.id == "room-1-g3"
    order = msgspec.json.decode(asked(engine)[-1].body["runtime_env"]["env_vars"][ORDER], type=DriverOrder)
    assert order.generation == 3


@pytest.mark.parametrize(
    ("said", "state"),
    [("RUNNING", "running"), ("FAILED", "lost"), ("SUCCEEDED", "lost"), ("STOPPED", "lost"), ("NEWER", "lost")],
)
def test_what_the_cluster_says_counts_for_less_than_the_store(
    engine: RayJobs, cluster: Cluster, job: RenderJob, tmp_path: Path, said: str, state: str
) -> None:
    ref = engine.submit(job, str(tmp_path), "room-1")
    cluster.jobs["room-1"]["status"] = said
    assert engine.status(ref).state == state
    store = open_store(tmp_path)
    result = Result(range=(0, 30), key="k", digest="d")
    store.put(job_key("room-1", "done", "f1", "0-30.json"), msgspec.json.encode(result))
    assert engine.status(ref).state == "done"
    cluster.jobs.clear()
    assert engine.status(ref).state == "done"


def test_a_job_that_failed_says_why_until_it_is_submitted_again(
    engine: RayJobs, job: RenderJob, tmp_path: Path
) -> None:
    ref = engine.submit(job, str(tmp_path), "room-1")
    store = open_store(tmp_path)
    write_end(store, "room-1", End(state="failed", text="the scene has no camera"))
    assert (engine.status(ref).state, engine.status(ref).text) == ("failed", "the scene has no camera")
    assert engine.status(again(engine, ref)).state == "waiting"
    store.put(job_key("room-1", "end.json"), b'{"sta')
    assert end_of(store, "room-1") is None


def test_cancelling_stops_the_job_and_draining_lets_it_finish(
    engine: RayJobs, cluster: Cluster, job: RenderJob, tmp_path: Path
) -> None:
    ref = engine.submit(job, str(tmp_path), "room-1")
    store = open_store(tmp_path)
    engine.cancel(ref, drain=True, by="ada")
    assert wished_of(store, "room-1")["drain"].by == "ada"
    assert cluster.stopped == []
    engine.cancel(ref)
    assert cluster.stopped == ["room-1"]
    cluster.jobs["room-1"]["status"] = "STOPPED"
    assert engine.status(ref).state == "cancelled"
    cluster.jobs.clear()
    engine.cancel(ref)  # there is nothing to stop
    again(engine, ref)
    assert [order.kind for _, order in orders_after(store, "room-1", 0)] == ["drain", "cancel", "resume"]


def test_logs_go_on_from_the_cursor(engine: RayJobs, cluster: Cluster, job: RenderJob, tmp_path: Path) -> None:
    ref = engine.submit(job, str(tmp_path), "room-1")
    cluster.logs = "f1: begins\n"
    first = engine.logs(ref)
    cluster.logs += "f2: begins\nf1: done\n"
    assert first.text == "f1: begins\n"
    assert engine.logs(ref, cursor=first.cursor).text == "f2: begins\nf1: done\n"
    assert engine.logs(ref, "f1").text == "f1: begins\nf1: done\n"


@pytest.mark.parametrize("broken", [(200, "<html>"), (200, [1]), (502, "Bad Gateway"), (301, "")])
def test_an_answer_that_is_none_is_one_sentence(
    engine: RayJobs, cluster: Cluster, job: RenderJob, tmp_path: Path, broken: Reply
) -> None:
    cluster.broken = broken
    with pytest.raises(CannotWrite, match=r"127\.0\.0\.1"):
        engine.submit(job, str(tmp_path), "room-1")


def test_nobody_there_is_one_sentence(job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    with Stub(lambda asked: (200, {})) as stub:
        url = stub.url
    with pytest.raises(CannotWrite, match="does not answer"):
        open_engine("ray", url).submit(job, str(tmp_path), "room-1")


def test_a_token_never_crosses_the_network_in_the_open(
    job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    write_job(open_store(tmp_path), job)
    ref = Ref(engine="ray", id="a", job="room-1", store=str(tmp_path))
    with pytest.raises(UsageError, match="in the open") as refused:
        RayJobs("http://head.farm.example:8265").status(ref)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(("seen_by", "level"), [(1, 1), (2, 2), (3, 2)])
def test_a_clusters_machines_count_as_rented_where_such_may_see_the_job(
    engine: RayJobs, tmp_path: Path, seen_by: int, level: int
) -> None:
    engine.submit(job_of("0" * 64, needs=Needs(trust=seen_by)), str(tmp_path), "room-1")
    order = msgspec.json.decode(asked(engine)[-1].body["runtime_env"]["env_vars"][ORDER], type=DriverOrder)
    assert order.trust == level


def test_a_job_for_this_machine_alone_goes_to_no_cluster(engine: RayJobs, job: RenderJob, tmp_path: Path) -> None:
    own = msgspec.structs.replace(job, spec=msgspec.structs.replace(job.spec, needs=Needs()))
    assert "this machine alone" in engine.check(own)[0]
    with pytest.raises(UsageError, match="this machine alone"):
        engine.submit(own, str(tmp_path), "room-1")
    assert open_store(tmp_path).size(job_key("room-1", "job.json")) is None


@pytest.mark.parametrize(
    "url", ["ftp://a", "http://", "http://a:b@c", "head:8265", "http://a:99999999", "http://a/?q=1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        RayJobs(url)


def test_a_store_in_memory_is_refused(engine: RayJobs, job: RenderJob) -> None:
    with pytest.raises(UsageError, match="memory"):
        engine.submit(job, "memory://", "room-1")


def test_tokens_come_from_where_nobody_else_reads(tmp_path: Path) -> None:
    path = tmp_path / "auth_token"
    where = {"variable": "T", "file_variable": "T_PATH"}
    assert token("a", **where, environment={}) == ""  # type: ignore[arg-type]
    path.write_text(TOKEN + "\n")
    if os.name == "posix":
        path.chmod(0o644)
        with pytest.raises(UsageError, match="chmod 600") as refused:
            token("a", **where, environment={"T_PATH": str(path)})  # type: ignore[arg-type]
        assert TOKEN not in str(refused.value)
    path.chmod(0o600)
    assert token("a", **where, environment={"T_PATH": str(path)}) == TOKEN  # type: ignore[arg-type]
    assert token("a", variable="T", file=path, environment={}) == TOKEN
    assert token("a", variable="T", file=path, environment={"T": "first"}) == "first"
    with pytest.raises(UsageError, match="cannot be read"):
        token("a", **where, environment={"T_PATH": str(tmp_path / "none")})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no token has"):
        token("a", variable="T", environment={"T": "a\r\nX-Evil: 1"})


def test_the_client_needs_no_ray() -> None:
    code = "import studio.farm.engines.ray_jobs, sys; print('ray' in sys.modules, 'numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == "False"
    assert engines()["ray"] is RayJobs
