"""`studio farm`: the same pixels as `studio render`, jobs that are left and taken up again, and one sentence with the
right exit code for whatever is wrong."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.assets.gltf.writer import save_gltf
from studio.cli import main
from studio.farm.jobs import job_key
from studio.farm.orders import orders_after
from studio.farm.service import Service
from studio.farm.store import Store, open_store
from studio.farm.wire import Server
from tests.farm.results_of import deliver, deliver_all, job_in
from tests.render.stage import stage
from tests.said import of, refused, told

ROOT = Path(__file__).resolve().parents[1]
SMALL = ("--size", "64x40", "--samples", "16", "--depth", "4", "--device", "cpu", "--frames", "1-2")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MYRIAD_FARM_TOKEN", raising=False)
    return tmp_path / "data"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "stage.glb"
    save_gltf(stage(), path)
    return str(path)


@pytest.fixture
def store(tmp_path) -> Store:
    return open_store(tmp_path / "store")


# --- for real --------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_job_on_local_nodes_is_the_render_bit_for_bit(capsys, scene, tmp_path):
    layers = ("--aov", "depth,motion,samples", "--denoise", "--samples", "40", "--error", "0.02")
    events = told(
        capsys,
        *("farm", "submit", scene, "-o", tmp_path / "farm.####.exr", *SMALL, *layers),
        *("--store", tmp_path / "store", "--engine", "local", "--nodes", 2, "--tiles", "2x1", "--wait", "--previews"),
    )
    assert of(events, "submitted")[0]["new"] and len(of(events, "frame")) == 2
    assert of(events, "done")[0]["state"] == "done"
    assert main(["render", scene, "-o", str(tmp_path / "plain.####.exr"), *SMALL, *layers]) == 0
    for frame in ("0001", "0002"):
        assert (tmp_path / f"farm.{frame}.exr").read_bytes() == (tmp_path / f"plain.{frame}.exr").read_bytes()
    capsys.readouterr()
    # the same again renders nothing, and needs no node
    again = told(
        capsys,
        *("farm", "submit", scene, "-o", tmp_path / "farm.####.exr", *SMALL, *layers),
        *("--store", tmp_path / "store", "--tiles", "2x1", "--wait", "--resume"),
    )
    assert not of(again, "submitted")[0]["new"] and [e["skipped"] for e in of(again, "frame")] == [True, True]
    job = of(again, "submitted")[0]["job"]
    kinds = [e["what"] for e in told(capsys, "farm", "log", job, "--store", tmp_path / "store")]
    assert kinds[0] == "submitted" and kinds[-1] == "done" and {"delivered", "extended"} <= set(kinds)


@pytest.mark.slow
def test_a_terminal_that_is_closed_costs_nothing_that_was_handed_in(capsys, scene, tmp_path):
    flags = [scene, "-o", str(tmp_path / "f.exr"), "--size", "64x40", "--samples", "4000", "--depth", "4"]
    flags += ["--device", "cpu", "--frames", "1", "--store", str(tmp_path / "store"), "--wait"]
    held = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background may ignore it
    try:
        first = subprocess.Popen([sys.executable, "-m", "studio", "farm", "submit", *flags], cwd=ROOT)
    finally:
        signal.signal(signal.SIGINT, held)
    until = time.monotonic() + 120
    while not list((tmp_path / "store").glob("jobs/*/done/*/*.json")):
        assert time.monotonic() < until and first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    assert first.wait(90) == 130
    there = of(told(capsys, "farm", "status", "--store", tmp_path / "store"), "job")[0]
    assert there["done"] > 0 and not (tmp_path / "f.exr").exists()
    told(capsys, "farm", "submit", *flags, "--resume")
    assert main(["render", *flags[:1], "-o", str(tmp_path / "plain.exr"), *flags[3:13]]) == 0
    assert (tmp_path / "f.exr").read_bytes() == (tmp_path / "plain.exr").read_bytes()


# --- left and taken up again -----------------------------------------------------------------------------------------
def test_a_job_waits_in_the_store_until_somebody_works_at_it(capsys, scene, tmp_path):
    place = ("--store", tmp_path / "store")
    events = told(capsys, "farm", "submit", scene, "-o", tmp_path / "f.####.exr", *SMALL, *place)
    job = of(events, "submitted")[0]["job"]
    assert of(told(capsys, "farm", "status", *place), "job")[0]["state"] == "waiting"
    assert main(["farm", "status", job[:6], "--store", str(tmp_path / "store")]) == 0
    out, err = capsys.readouterr()
    assert job in out and "studio farm serve" in err
    again = told(capsys, "farm", "submit", scene, "-o", tmp_path / "f.####.exr", *SMALL, *place)
    assert of(again, "submitted")[0]["job"] == job and not of(again, "submitted")[0]["new"]


def test_pictures_are_fetched_as_they_are_done_and_a_strip_of_them(capsys, tmp_path, store):
    job = job_in(store, tmp_path)
    place = ("--store", tmp_path / "store")
    deliver(store, job, tmp_path, 1, (0, 16))
    deliver(store, job, tmp_path, 0, (0, 8))
    fetch = ("farm", "fetch", job.spec.id, *place, "-o", tmp_path / "out" / "f.####.exr")
    first = told(capsys, *fetch, "--previews", "--strip", tmp_path / "strip.jpg")
    assert [e["frame"] for e in of(first, "frame")] == [2.0] and of(first, "stopped")[0]["of"] == 2
    assert (tmp_path / "strip.jpg").is_file()
    deliver(store, job, tmp_path, 0, (8, 16))
    second = told(capsys, "farm", "fetch", job.spec.id, *place)  # to where it was fetched to before
    assert [(e["frame"], e["skipped"]) for e in of(second, "frame")] == [(1.0, False), (2.0, True)]
    assert of(second, "done") and (tmp_path / "out" / "f.0001.exr").is_file()
    png = told(capsys, *fetch[:-1], tmp_path / "g.####.png", "--exposure", "2", "--bits", "16")
    assert [Path(e["path"]).name for e in of(png, "frame")] == ["g.0001.png", "g.0002.png"]


def test_a_job_of_another_machine_is_fetched_under_its_name_alone(capsys, tmp_path, store, monkeypatch):
    job = job_in(store, tmp_path, output="/etc/../home/ada/f.####.exr")
    deliver_all(store, job, tmp_path)
    assert "/" not in job.output
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    told(capsys, "farm", "fetch", job.spec.id, "--store", tmp_path / "store")
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["f.0001.exr", "f.0002.exr"]


def test_orders_reach_a_coordinator_of_another_process_through_the_store(capsys, tmp_path, store, monkeypatch):
    monkeypatch.setattr("studio.farm.service.ORDERS_S", 0.0)
    job = job_in(store, tmp_path)
    service = Service(store)
    service.submit(job)
    place = ("--store", tmp_path / "store")

    def state() -> str:
        service.tick()
        seen = of(told(capsys, "farm", "status", job.spec.id, *place), "job")[0]["state"]
        now = service.status(job.spec.id).state
        assert seen == now or (seen, now) == ("running", "waiting")
        return now

    assert state() == "waiting"
    told(capsys, "farm", "pause", job.spec.id, *place)
    assert state() == "paused"
    later = Service(store)  # the first was killed
    assert later.recover() == [job.spec.id] and later.status(job.spec.id).state == "paused"
    told(capsys, "farm", "resume", job.spec.id, *place)
    assert state() == "waiting"
    told(capsys, "farm", "cancel", job.spec.id, *place)
    assert state() == "cancelled"
    told(capsys, "farm", "resume", job.spec.id, *place)
    assert state() == "waiting"
    told(capsys, "farm", "change", job.spec.id, *place, "--priority", 80, "--cap", "2.5")
    service.tick()
    assert of(told(capsys, "farm", "status", job.spec.id, *place), "job")[0]["priority"] == 80
    assert [order.kind for _, order in orders_after(store, job.spec.id, 0)][-2:] == ["priority", "cap"]
    assert orders_after(store, job.spec.id, 0)[-1][1].value == 2_500_000


def test_a_cancelled_job_goes_on_only_when_that_is_said(capsys, scene, tmp_path):
    place = ("--store", tmp_path / "store")
    submit = ("farm", "submit", scene, "-o", tmp_path / "f.####.exr", *SMALL, *place)
    job = of(told(capsys, *submit), "submitted")[0]["job"]
    told(capsys, "farm", "cancel", job, *place)
    assert "--resume" in refused(capsys, *submit, code=2)
    told(capsys, *submit, "--resume")
    assert of(told(capsys, "farm", "status", job, *place), "job")[0]["state"] == "waiting"


def test_a_done_job_takes_no_more_orders(capsys, tmp_path, store):
    job = job_in(store, tmp_path)
    deliver_all(store, job, tmp_path)
    assert of(told(capsys, "farm", "status", "--store", tmp_path / "store"), "job")[0]["state"] == "done"
    assert "is done" in refused(capsys, "farm", "pause", job.spec.id, "--store", tmp_path / "store", code=2)


# --- what is wrong ---------------------------------------------------------------------------------------------------
def test_stores_that_are_none_are_refused(capsys, tmp_path, scene):
    for place, words in (
        (tmp_path / "nowhere", "no store"),
        ("ftp://host/x", "kind 'ftp'"),
        ("s3://key:secret@bucket", "environment"),
    ):
        assert words in refused(capsys, "farm", "status", "--store", place, code=2)
    (tmp_path / "file").write_text("x")
    submit = ("farm", "submit", scene, "-o", tmp_path / "f.####.exr", *SMALL)
    assert "cannot make" in refused(capsys, *submit, "--store", tmp_path / "file" / "x", code=14)


def test_jobs_that_are_not_there_or_damaged_are_told(capsys, tmp_path, store):
    place = ("--store", tmp_path / "store")
    for action in ("fetch", "log", "pause", "resume", "cancel"):
        assert "no job 'none'" in refused(capsys, "farm", action, "none", *place, code=2)
    job = job_in(store, tmp_path)
    other = job_in(store, tmp_path, frames=(1.0,))
    assert "2 jobs begin" in refused(capsys, "farm", "log", "stage", *place, code=2)
    store.put(job_key(job.spec.id, "job.json"), store.get(job_key(job.spec.id, "job.json"))[:-30])
    assert "damaged" in refused(capsys, "farm", "fetch", job.spec.id, *place, code=10)
    store.put(job_key(job.spec.id, "job.json"), b"[" * 100_000)
    assert "damaged" in refused(capsys, "farm", "status", job.spec.id, *place, code=10)
    events = told(capsys, "farm", "status", *place)  # it stops no other
    assert [e["id"] for e in of(events, "job")] == [other.spec.id] and "damaged" in of(events, "warning")[0]["message"]


def test_a_full_disk_ends_in_a_sentence_and_nothing_half_written(capsys, tmp_path, store, monkeypatch):
    job = job_in(store, tmp_path)
    deliver_all(store, job, tmp_path)

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.render.output.os.replace", full)
    fetch = ("farm", "fetch", job.spec.id, "--store", tmp_path / "store", "-o", tmp_path / "out" / "f.####.exr")
    assert "no space" in refused(capsys, *fetch, code=14).lower()
    assert not list((tmp_path / "out").glob("*")) and not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--error", "0.1", "--tiles", "9x1"), "blocks of 8 pixels"),
        (("--light-layers",), "ight layers cannot be merged"),
        (("--partial",), "--partial"),
        (("--sample-range", "0:4"), "--sample-range"),
        (("--tiles", "2"), "columns x rows"),
        (("--engine", "magic"), "no engine 'magic'"),
        (("--address", "x"), "--address"),
        (("--nodes", "0"), "--nodes"),
        (("--cap", "-1"), "--cap"),
    ],
)
def test_requests_that_cannot_be_are_refused_before_anything_is_sent(capsys, scene, tmp_path, flags, words):
    submit = ("farm", "submit", scene, "-o", tmp_path / "f.####.exr", *SMALL, "--store", tmp_path / "store", *flags)
    assert words in refused(capsys, *submit, code=2)
    assert not (tmp_path / "store").exists()


def test_a_scene_that_is_not_there_or_broken_is_a_bad_scene(capsys, scene, tmp_path):
    submit = ("-o", tmp_path / "f.####.exr", *SMALL, "--store", tmp_path / "store")
    assert "no scene" in refused(capsys, "farm", "submit", tmp_path / "none.glb", *submit, code=10)
    assert '"nobody"' in refused(capsys, "farm", "submit", scene, *submit, "--camera", "nobody", code=10)
    (tmp_path / "bad.glb").write_bytes(b"glTF\x02\0\0\0")
    refused(capsys, "farm", "submit", tmp_path / "bad.glb", *submit, code=10)


def test_preflight_alone_sends_nothing(capsys, scene, tmp_path):
    check = ("farm", "submit", scene, "-o", tmp_path / "f.####.exr", *SMALL, "--store", tmp_path / "store", "--check")
    found = of(told(capsys, *check), "finding")
    assert any("memory" in finding["message"] for finding in found) and not (tmp_path / "store").exists()


# --- nodes and tokens ------------------------------------------------------------------------------------------------
def test_a_worker_with_a_wrong_token_or_address_is_told_at_once(capsys, tmp_path, store, monkeypatch):
    with Server(Service(store), "the right token of this farm") as server:
        work = ("farm", "worker", "--coordinator", server.url, "--store", tmp_path / "store")
        assert "no token" in refused(capsys, *work, code=2)
        monkeypatch.setenv("MYRIAD_FARM_TOKEN", "short")
        assert "16 letters" in refused(capsys, *work, code=2)
        monkeypatch.setenv("MYRIAD_FARM_TOKEN", "a wrong token of this farm".replace(" ", "-"))
        assert "token is missing or wrong" in refused(capsys, *work, code=2)
        address = server.url
    assert "does not answer" in refused(capsys, *work[:3], address, "--store", tmp_path / "store", code=14)
    assert "no address" in refused(capsys, *work[:3], "ftp://x", "--store", tmp_path / "store", code=2)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_coordinator_makes_a_token_for_its_owner_alone_and_refuses_one_that_others_read(capsys, tmp_path, data):
    serve = ("farm", "serve", "--store", tmp_path / "store", "--until-done")
    events = told(capsys, *serve)
    assert of(events, "serving")[0]["url"].startswith("http://127.0.0.1:")
    token = data / "farm" / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600 and len(token.read_text().strip()) >= 32
    token.chmod(0o644)
    assert "chmod 600" in refused(capsys, *serve, code=2)


def test_a_job_that_nobody_can_render_stops_no_other(capsys, tmp_path, store):
    job = job_in(store, tmp_path)
    empty = {"spec": {"id": "empty", "name": "e", "bundle": "0", "pieces": []}, "settings": {}}
    store.put(job_key("empty", "job.json"), json.dumps(empty).encode())
    store.put(job_key("broken", "job.json"), b"{")
    deliver_all(store, job, tmp_path)
    events = told(capsys, "farm", "serve", "--store", tmp_path / "store", "--until-done")
    assert len(of(events, "warning")) == 2 and [e["id"] for e in of(events, "job")] == [job.spec.id]
    assert Service(store).recover() == [job.spec.id]


def test_nobody_else_can_reach_a_coordinator_without_tls(capsys, tmp_path):
    serve = ("farm", "serve", "--store", tmp_path / "store", "--host", "0.0.0.0")
    assert "TLS" in refused(capsys, *serve, code=2)
    assert "--key" in refused(capsys, *serve, "--certificate", tmp_path / "a.pem", code=2)
    assert "cannot be used" in refused(capsys, *serve, "--certificate", tmp_path / "a.pem", "--key", "b", code=2)


# --- books -----------------------------------------------------------------------------------------------------------
def test_the_books_are_shown_and_verified(capsys, tmp_path):
    from studio.farm.money.ledger import Ledger, Posting

    assert "no books" in refused(capsys, "farm", "ledger", "--ledger", tmp_path / "none", code=2)
    with Ledger(tmp_path / "books") as books:
        books.post(
            "topup",
            "first",
            (
                Posting(owner="outside", account="external", amount=-5_000_000, currency="EUR"),
                Posting(owner="ada", account="customer_available", amount=5_000_000, currency="EUR"),
            ),
        )
    show = ("farm", "ledger", "--ledger", tmp_path / "books")
    assert [e["amount"] for e in of(told(capsys, *show), "account") if e["owner"] == "ada"] == [5_000_000]
    assert len(of(told(capsys, *show, "--entries"), "entry")) == 1
    assert of(told(capsys, *show, "--verify"), "verified")[0]["entries"] == 1
