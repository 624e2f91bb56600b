"""`studio farm` with engines other than this machine: they get a job, are asked, stopped, and given it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.assets.gltf.writer import save_gltf
from studio.farm.jobs import read_job
from studio.farm.orders import orders_after
from studio.farm.store import Store, open_store
from studio.scene.project import save_project
from tests.farm.results_of import film_of
from tests.farm.stub_http import Stub
from tests.farm.test_engine_ray_jobs import TOKEN, Cluster
from tests.render.stage import stage
from tests.said import of, refused, told

SMALL = ("--size", "64x40", "--samples", "16", "--depth", "4", "--device", "cpu", "--frames", "1-2", "--trust", "2")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    save_project(stage(), tmp_path / "stage.studio")
    save_gltf(stage(), tmp_path / "stage.glb")


@pytest.fixture
def store(tmp_path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def submit(tmp_path):
    flags = ("-o", tmp_path / "out" / "f.####.exr", *SMALL, "--store", tmp_path / "store")
    return ("farm", "submit", tmp_path / "stage.studio", *flags)


def rendered(store: Store, folder: Path, id_: str, parts: Path) -> None:
    """What a manager's machines would leave of a job."""
    job = read_job(store, id_)
    parts.mkdir(parents=True)
    for row, piece in enumerate(job.spec.pieces):
        for first in range(0, piece.samples, 2):
            _, data = film_of(job, folder, row, (first, first + 2))
            (parts / f"f{piece.frame:g}.s{first}.part").write_bytes(data)


def test_what_a_manager_s_machines_left_in_a_folder_is_fetched(capsys, tmp_path, store, submit):
    place = ("--store", tmp_path / "store")
    events = told(capsys, *submit, "--engine", "openjd", "--address", tmp_path / "bundles")
    job = of(events, "submitted")[0]["job"]
    assert (tmp_path / "bundles" / job / "template.json").is_file()
    assert of(told(capsys, "farm", "status", *place), "job")[0]["state"] == "waiting"
    for order in ("pause", "cancel"):
        assert f"cannot {order} it for us" in refused(capsys, "farm", order, job, *place, code=11)
    assert not orders_after(store, job, 0), "nobody would hear it"
    rendered(store, tmp_path, job, tmp_path / "bundles" / job / "output" / "parts")
    assert [e["frame"] for e in of(told(capsys, "farm", "fetch", job, *place), "frame")] == [1.0, 2.0]
    assert of(told(capsys, "farm", "status", *place), "job")[0]["state"] == "done"
    assert (tmp_path / "out" / "f.0002.exr").is_file()


def test_a_job_that_is_waited_for_is_brought_home_from_a_folder(capsys, tmp_path, store, submit, monkeypatch):
    engine = ("--engine", "opencue", "--address", tmp_path / "cue")
    job = of(told(capsys, *submit, *engine), "submitted")[0]["job"]
    assert (tmp_path / "cue" / job / "job.xml").is_file()
    rendered(store, tmp_path, job, tmp_path / "cue" / job / "output" / "parts")
    events = told(capsys, *submit, *engine, "--wait", "--resume")
    assert len(of(events, "frame")) == 2 and of(events, "done")


def test_a_cluster_is_asked_stopped_and_given_the_job_again(capsys, tmp_path, store, submit, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    cluster, place = Cluster(), ("--store", tmp_path / "store")
    with Stub(cluster.answer) as stub:
        job = of(told(capsys, *submit, "--engine", "ray", "--address", stub.url), "submitted")[0]["job"]
        cluster.jobs[job]["status"] = "RUNNING"

        def state() -> str:
            return of(told(capsys, "farm", "status", job, *place), "job")[0]["state"]

        assert state() == "running"
        told(capsys, "farm", "pause", job, *place)
        assert state() == "paused"
        told(capsys, "farm", "resume", job, *place)
        assert state() == "running" and list(cluster.jobs) == [job], "it has the job still"
        told(capsys, "farm", "cancel", job, *place)
        assert state() == "cancelled" and cluster.stopped == [job]
        cluster.jobs[job]["status"] = "STOPPED"
        told(capsys, "farm", "resume", job, *place)
        assert list(cluster.jobs) == [job, f"{job}-g2"], "it gets it again, and goes on from the store"
        assert state() == "waiting"
        assert [order.kind for _, order in orders_after(store, job, 0)] == ["pause", "resume", "cancel", "resume"]
    events = told(capsys, "farm", "status", *place)
    assert "does not answer" in of(events, "warning")[0]["message"] and of(events, "job"), "it stops no other"


def test_movies_are_made_where_somebody_waits_for_their_frames(capsys, tmp_path, submit):
    movie = [*submit]
    movie[movie.index("-o") + 1] = tmp_path / "hall.mp4"
    assert "add --wait" in refused(capsys, *movie, code=2)
    assert "one file" in refused(capsys, *[str(m).replace("hall.mp4", "hall.####.mp4") for m in movie], code=2)
    assert not (tmp_path / "store").exists()
