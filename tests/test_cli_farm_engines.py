"""`studio farm` with engines other than this machine: they get a job, are asked, stopped, and given it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.assets.gltf.writer import save_gltf
from studio.farm.jobs import read_job
from studio.farm.orders import orders_after
from studio.farm.store import Store, open_store
from studio.scene.project import save_project
from tests.farm.results_of import deliver_all, film_of, job_in
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


def test_a_movie_is_made_by_whoever_fetches_its_frames(capsys, tmp_path, store, submit):
    pytest.importorskip("av", reason="movies need PyAV")
    place, movie = ("--store", tmp_path / "store"), [*submit]
    movie[movie.index("-o") + 1] = tmp_path / "out" / "hall.mp4"
    job = read_job(store, of(told(capsys, *movie), "submitted")[0]["job"])
    assert job.output == "hall.mp4", "elsewhere it is fetched under this name"
    first = told(capsys, "farm", "fetch", job.spec.id, *place)
    assert not of(first, "movie") and of(first, "stopped") and not (tmp_path / "out" / "hall.mp4").exists()
    deliver_all(store, job, tmp_path)
    events = told(capsys, "farm", "fetch", job.spec.id, *place)
    (made,) = of(events, "movie")
    assert (made["path"], made["frames"], made["format"]) == (str(tmp_path / "out" / "hall.mp4"), 2, "h264")
    assert len(of(events, "frame")) == 2 and of(events, "done") and not made["skipped"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["hall.mp4"]
    (tmp_path / "out" / "hall.mp4").unlink()
    events = told(capsys, *movie, "--wait")
    assert not of(events, "movie")[0]["skipped"] and len(of(events, "frame")) == 2, "of what lies in the store"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["hall.mp4"]
    before = (tmp_path / "out" / "hall.mp4").stat().st_mtime_ns
    waited = told(capsys, *movie, "--wait", "--resume")
    for events in (told(capsys, "farm", "fetch", job.spec.id, *place), waited):
        assert of(events, "movie")[0]["skipped"] and not of(events, "frame") and of(events, "done")
    assert (tmp_path / "out" / "hall.mp4").stat().st_mtime_ns == before
    again = told(capsys, "farm", "fetch", job.spec.id, *place, "--again")
    assert not of(again, "movie")[0]["skipped"] and (tmp_path / "out" / "hall.mp4").stat().st_mtime_ns > before


def test_any_job_can_be_fetched_as_a_movie(capsys, tmp_path, store, monkeypatch):
    pytest.importorskip("av", reason="movies need PyAV")
    job = job_in(store, tmp_path, output="/home/ada/shot.mp4")
    deliver_all(store, job, tmp_path)
    fetch = ("farm", "fetch", job.spec.id, "--store", tmp_path / "store")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    told(capsys, *fetch)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["shot.mp4"], "as whoever sent it called it"
    told(capsys, *fetch, "-o", tmp_path / "f.####.png", "--exposure", "0")
    events = told(capsys, *fetch, "-o", tmp_path / "f.mov", "--codec", "h265-10", "--exposure", "1")
    assert of(events, "movie")[0]["format"] == "h265-10" and (tmp_path / "f.mov").is_file()
    assert not (tmp_path / "f.frames").exists() and (tmp_path / "f.0001.png").is_file()
    assert "--bits is not for movies" in refused(capsys, *fetch, "-o", tmp_path / "g.mp4", "--bits", "16", code=2)
    assert "--codec shapes movies" in refused(capsys, *fetch, "-o", tmp_path / "g.png", "--codec", "h264", code=2)
    assert "one file" in refused(capsys, *fetch, "-o", tmp_path / "g.##.mp4", code=2)
    (tmp_path / "h.mp4").mkdir()
    assert "it is a folder" in refused(capsys, *fetch, "-o", tmp_path / "h.mp4", code=14)
    assert not (tmp_path / "g.frames").exists() and not (tmp_path / "h.frames").exists()


def test_what_cannot_be_a_movie_is_told_before_anything_is_sent(capsys, tmp_path, submit):
    movie = [*submit]
    movie[movie.index("-o") + 1] = tmp_path / "hall.mp4"
    assert "one file" in refused(capsys, *[str(m).replace("hall.mp4", "hall.####.mp4") for m in movie], code=2)
    assert not (tmp_path / "store").exists()
