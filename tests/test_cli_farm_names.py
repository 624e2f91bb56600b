"""`studio farm key`, `clean`, `status --nodes` and `log --verify`: names under jobs, and stores kept in order."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import msgspec
import pytest

from studio.assets.gltf.writer import save_gltf
from studio.cli import main
from studio.errors import Unsupported
from studio.farm.jobs import job_key
from studio.farm.model import NodeInfo
from studio.farm.service import Service
from studio.farm.store import Store, open_store
from studio.farm.trust import artist
from studio.farm.trust.keys import read_roster
from tests.farm.results_of import deliver_all, job_in
from tests.render.stage import stage
from tests.said import of, refused, told

SMALL = ("--size", "64x40", "--samples", "16", "--depth", "4", "--device", "cpu", "--frames", "1-2")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    def none(name: str, key: object = None) -> None:
        raise Unsupported("there is no keyring here")

    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(artist, "kept_key", none)
    monkeypatch.setattr(artist, "keep_key", none)
    return tmp_path / "data"


@pytest.fixture
def store(tmp_path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def submit(tmp_path):
    save_gltf(stage(), tmp_path / "stage.glb")
    flags = ("-o", tmp_path / "f.####.exr", *SMALL, "--store", tmp_path / "store")
    return ("farm", "submit", tmp_path / "stage.glb", *flags)


def age(place: Path, days: float) -> None:
    for path in place.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - days * 86400,) * 2)


# --- names -----------------------------------------------------------------------------------------------------------
def test_with_a_key_jobs_are_signed_and_everybody_who_looks_is_told_whose_they_are(capsys, tmp_path, data, submit):
    place = ("--store", tmp_path / "store")
    unsigned = of(told(capsys, *submit, "--seed", "1"), "submitted")[0]["job"]
    assert not of(told(capsys, "farm", "status", unsigned, *place), "signature")
    key = of(told(capsys, "farm", "key", "make", "--name", "Ada"), "key")[0]
    if os.name == "posix":
        assert stat.S_IMODE((data / "farm" / "artist.key").stat().st_mode) == 0o600
    shown = told(capsys, "farm", "key", "show")
    assert of(shown, "key") == [key] and of(shown, "artist")[0]["name"] == "Ada"
    job = of(told(capsys, *submit), "submitted")[0]["job"]
    for looks in (("status", job), ("fetch", job, "-o", tmp_path / "f.####.exr"), ("log", job, "--verify")):
        signature = of(told(capsys, "farm", *looks, *place), "signature")[0]
        assert (signature["by"], signature["holds"], signature["key"]) == ("Ada", True, key["short"])
    assert (
        "nobody signed" in (main(["farm", "log", unsigned, "--verify", *map(str, place)]), capsys.readouterr().out)[1]
    )
    # on a machine that knows nobody, the name is worth nothing; once somebody has compared the key it is
    (data / "farm" / "artists.json").unlink()
    (data / "farm" / "artist.key").unlink()
    signature = of(told(capsys, "farm", "log", job, "--verify", *place, code=10), "signature")[0]
    assert not signature["holds"] and key["short"] in signature["why"]
    told(capsys, "farm", "key", "trust", key["key"], "--name", "Ada of the attic")
    assert of(told(capsys, "farm", "status", job, *place), "signature")[0]["by"] == "Ada of the attic"
    told(capsys, "farm", "key", "revoke", key["short"])
    assert not of(told(capsys, "farm", "status", job, *place), "signature")[0]["holds"]


def test_a_job_that_was_changed_in_the_store_is_told_by_its_signature(capsys, tmp_path, store, submit):
    told(capsys, "farm", "key", "make", "--name", "Ada")
    job = of(told(capsys, *submit), "submitted")[0]["job"]
    place = job_key(job, "job.json")
    store.put(place, store.get(place).replace(b'"priority":50', b'"priority":99').replace(b'"depth":4', b'"depth":2'))
    out = (main(["farm", "status", job, "--store", str(tmp_path / "store")]), capsys.readouterr().out)[1]
    assert "the signature does not hold" in out and "was changed" in out


def test_keys_that_cannot_be_are_told(capsys, tmp_path):
    assert "--name" in refused(capsys, "farm", "key", "make", code=2)
    told(capsys, "farm", "key", "make", "--name", "Ada")
    assert "already" in refused(capsys, "farm", "key", "make", "--name", "Eve", code=2)
    assert "no public key" in refused(capsys, "farm", "key", "trust", "abc", "--name", "Eve", code=2)
    assert "no keys" in refused(capsys, "farm", "key", "revoke", "Eve", code=2)
    assert "no list" in refused(capsys, "farm", "key", "show", "--artists", tmp_path / "none", code=10)


def test_a_worker_takes_a_list_of_artists_and_refuses_one_without_any(capsys, tmp_path, store, monkeypatch):
    from studio.command_line.farm_places import artists_of
    from studio.farm.work import WorkOrder

    key = of(told(capsys, "farm", "key", "make", "--name", "Ada"), "key")[0]["key"]
    file = tmp_path / "studio.json"
    told(capsys, "farm", "key", "trust", key, "--name", "Ada", "--artists", file)
    roster = artists_of(str(file))
    order = WorkOrder(url="", token="", store="", node="", cache="", artists=roster)
    assert msgspec.json.decode(msgspec.json.encode(order), type=WorkOrder).artists == read_roster(file)
    told(capsys, "farm", "key", "revoke", "Ada", "--artists", file)
    monkeypatch.setenv("MYRIAD_FARM_TOKEN", "a-token-of-this-farm-for-tests")
    work = ("farm", "worker", "--coordinator", "http://127.0.0.1:1", "--store", tmp_path / "store", "--artists", file)
    assert "no artist" in refused(capsys, *work, code=2)


# --- nodes and the log -----------------------------------------------------------------------------------------------
def test_the_machines_at_work_are_shown(capsys, tmp_path, store, monkeypatch):
    place = ("--store", tmp_path / "store")
    assert not of(told(capsys, "farm", "status", "--nodes", *place), "node")
    service = Service(store)
    service.join(NodeInfo(id="n1", name="the attic", score=2.5))
    service.tick()
    row = of(told(capsys, "farm", "status", "--nodes", *place), "node")[0]
    assert (row["name"], row["score"]) == ("the attic", 2.5)
    assert "leave jobs" in refused(capsys, "farm", "status", "--nodes", "--watch", *place, code=2)


def test_a_log_that_was_changed_is_told(capsys, tmp_path, store):
    job = job_in(store, tmp_path)
    for _ in range(2):
        service = Service(store)
        service.submit(job)
        service.flush()
    verify = ("farm", "log", job.spec.id, "--verify", "--store", tmp_path / "store")
    assert of(told(capsys, *verify), "verified")[0]["blocks"] == 2
    first = sorted(key for key, _ in store.list(job_key(job.spec.id, "events")))[0]
    store.put(first, store.get(first).replace(b"submitted", b"submitteD"))
    assert "the log was changed" in refused(capsys, *verify, code=10)


# --- cleaning --------------------------------------------------------------------------------------------------------
def test_a_store_is_cleaned_of_what_no_job_needs(capsys, tmp_path, store):
    job = job_in(store, tmp_path)
    other = job_in(store, tmp_path, frames=(1.0,))
    deliver_all(store, job, tmp_path)
    clean = ("farm", "clean", "--store", tmp_path / "store")
    assert of(told(capsys, *clean), "cleaned")[0]["objects"] == 0
    assert "hours ago" in refused(capsys, *clean, job.spec.id, code=2)
    age(tmp_path / "store", 3)
    assert "is waiting" in refused(capsys, *clean, other.spec.id, code=2)
    assert of(told(capsys, *clean, job.spec.id, "--older-than", 2, "--dry-run"), "swept")[0]["objects"] > 8
    fetch = ("farm", "fetch", job.spec.id, "--store", tmp_path / "store", "-o", tmp_path / "f.####.exr")
    assert of(told(capsys, *fetch), "done")
    assert "hours ago" in refused(capsys, *clean, job.spec.id, "--older-than", 30, code=2)
    told(capsys, *clean, job.spec.id)
    assert [e["id"] for e in of(told(capsys, "farm", "status", "--store", tmp_path / "store"), "job")] == [
        other.spec.id
    ]
    assert "--older-than" in refused(capsys, *clean, "--older-than", 0, code=2)
    told(capsys, "farm", "cancel", other.spec.id, "--store", tmp_path / "store")
    age(tmp_path / "store", 3)
    told(capsys, *clean, other.spec.id)
    assert not [key for key, _ in store.list() if key.partition("/")[0] in ("jobs", "bundles", "blobs", "layouts")]
