"""What is sent to Flamenco, against a stub of its manager, and its job type, run as its manager runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.errors import CannotWrite, Unsupported, UsageError
from studio.farm.engines.engine import open_engine
from studio.farm.engines.flamenco import JOB_TYPE, JOB_TYPE_SCRIPT, Flamenco, request, write_job_type
from studio.farm.engines.manager_plan import plan
from studio.farm.jobs import RenderJob
from tests.farm.engine_jobs import golden, job_in, job_of, project_in
from tests.farm.stub_http import Asked, Reply, Stub

# What the manager gives a job type: tasks, commands and the chunker, as little as a compilation needs.
MANAGER = """
const author = {
    Task: (name, type) => ({ name, type, commands: [], on: [],
        addCommand(c) { this.commands.push(c); }, addDependency(t) { this.on.push(t.name); } }),
    Command: (name, parameters) => ({ name, parameters }),
};
const frameChunker = (frames, size) => %s;
const job = { settings: %s, tasks: [], addTask(t) { this.tasks.push(t); } };
%s
compileJob(job);
console.log(JSON.stringify(job.tasks.map(t => [t.name, t.on, t.commands[0].parameters])));
"""


class Manager:
    def __init__(self) -> None:
        self.status = "queued"
        self.job_type = True
        self.broken: Reply | None = None

    def answer(self, asked: Asked) -> Reply:
        if self.broken is not None:
            return self.broken
        if asked.path == f"/api/v3/jobs/type/{JOB_TYPE}":
            return (200, {"name": JOB_TYPE}) if self.job_type else (404, {"code": 404, "message": "no such type"})
        if asked.path == "/api/v3/jobs" and asked.method == "POST":
            return 200, {"id": "4ad-51", **asked.body, "status": "queued"}
        if asked.path == "/api/v3/jobs/4ad-51":
            return 200, {"id": "4ad-51", "status": self.status, "activity": "as it is"}
        return (204, "") if asked.path == "/api/v3/jobs/4ad-51/setstatus" else (404, {"code": 404})


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def stub(manager: Manager) -> Iterator[Stub]:
    with Stub(manager.answer) as made:
        yield made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_in(tmp_path_factory.mktemp("flamenco"))


@pytest.fixture
def job(tmp_path: Path, project: Path) -> RenderJob:
    return job_in(tmp_path / "store", project, frames=2)


def test_a_request_and_the_job_type_are_what_they_were(tmp_path: Path) -> None:
    body = request(plan(job_of("0" * 64, frames=3, samples=256), 3), Path("/shared/room-1"))
    golden("flamenco-job.json", json.dumps(body, indent=2) + "\n")
    golden("flamenco-myriad-slices.js", JOB_TYPE_SCRIPT)
    assert write_job_type(tmp_path).read_text() == JOB_TYPE_SCRIPT


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to run the job type with")
def test_the_job_type_makes_slices_and_merges_after_them() -> None:
    body = request(plan(job_of("0" * 64, frames=3), 2), Path("/shared/room-1"))
    code = MANAGER % (json.dumps(["1-2", "3"]), json.dumps(body["settings"]), JOB_TYPE_SCRIPT)
    said = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True, timeout=60).stdout
    tasks = {name: (on, command) for name, on, command in json.loads(said)}
    assert list(tasks) == [
        "render-1-2-s0",
        "render-1-2-s15",
        "merge-1",
        "merge-2",
        "render-3-s0",
        "render-3-s15",
        "merge-3",
    ]
    assert tasks["merge-2"][0] == ["render-1-2-s0", "render-1-2-s15"]
    words = tasks["render-1-2-s15"][1]["args"]
    assert tasks["render-1-2-s15"][1]["exe"] == "studio" and words[0] == "render"
    assert "--frames=1-2" in words and words[words.index("--sample-range") + 1] == "15+15"
    assert "/shared/room-1/output/parts/f#.s15.part" in words
    assert "/shared/room-1/output/parts/f2.s*.part" in tasks["merge-2"][1]["args"]


def test_a_submission_is_posted_once(stub: Stub, manager: Manager, job: RenderJob, tmp_path: Path) -> None:
    engine = open_engine("flamenco", f"{stub.url} {tmp_path / 'shared'}")
    assert engine.check(job) == []
    ref = engine.submit(job, str(tmp_path / "store"), "room-1")
    assert engine.submit(job, str(tmp_path / "store"), "room-1") == ref and ref.id == "4ad-51"
    posts = [asked for asked in stub.asked if asked.method == "POST"]
    assert len(posts) == 1 and posts[0].body["type"] == JOB_TYPE
    assert (Path(ref.address) / "scene.studio" / "scene.json").exists()
    for said, state in (("queued", "waiting"), ("active", "running"), ("completed", "lost"), ("failed", "failed")):
        manager.status = said
        assert engine.status(ref).state == state
    engine.cancel(ref, by="ada")
    assert stub.asked[-1].body == {"status": "cancel-requested", "reason": "cancelled by ada"}
    for refused in (lambda: engine.cancel(ref, drain=True), lambda: engine.logs(ref)):
        with pytest.raises(Unsupported):
            refused()


def test_a_manager_that_cannot_is_one_sentence(stub: Stub, manager: Manager, job: RenderJob, tmp_path: Path) -> None:
    engine = Flamenco(stub.url, tmp_path / "shared")
    manager.job_type = False
    assert "scripts folder" in engine.check(job)[0]
    for manager.broken in ((500, "no"), (200, "<html>"), (200, [])):
        with pytest.raises(CannotWrite):
            engine.submit(job, str(tmp_path / "store"), "room-1")
    with pytest.raises(UsageError):
        open_engine("flamenco", stub.url)
