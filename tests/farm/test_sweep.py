"""Cleaning a store takes what nobody needs and nothing else, whoever is sending or killed meanwhile."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.bundles import transfer
from studio.farm.bundles.bundle import NodeCache
from studio.farm.bundles.cas import digest_of
from studio.farm.jobs import RenderJob, claim, claimed, job_ids, job_key, part_key, read_job, write_job
from studio.farm.model import JobSpec, Piece, Result
from studio.farm.orders import JobOrder, give_order
from studio.farm.store import Store, open_store
from studio.farm.sweep import GUARD_S, sweep
from studio.farm.sweeps import COUNT, RUNNING
from studio.render.settings import RenderSettings
from tests.farm.bundle_files import MIB, content, make_files, noise, send
from tests.farm.fake_s3 import FakeS3
from tests.farm.faulty_store import faulty

OLD_S = GUARD_S + 3600


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def aged(place: Path, *, but: frozenset[str] = frozenset()) -> None:
    """Everything in a store is older than the guard, but keys that begin so."""
    for path in place.rglob("*"):
        key = path.relative_to(place).as_posix()
        if path.is_file() and not any(key.startswith(young) for young in but):
            os.utime(path, (time.time() - OLD_S,) * 2)


def job_of(store: Store, id_: str, bundle: str, *, samples: int = 8) -> RenderJob:
    """A job with nothing rendered."""
    pieces = (Piece(frame=1.0, samples=samples), Piece(frame=2.0, samples=samples))
    spec = JobSpec(id=id_, name=id_, bundle=bundle, pieces=pieces)
    job = RenderJob(spec=spec, settings=RenderSettings(width=8, height=8, samples=samples))
    write_job(store, job)
    return job


def deliver(store: Store, job: RenderJob, row: int, samples: tuple[int, int], attempt: int = 1) -> bytes:
    """A partial and its claim."""
    piece = job.spec.pieces[row]
    key = part_key(job.spec.id, piece, samples, attempt)
    data = noise(400, len(job.spec.bundle) + 100 * row + samples[0])
    store.put(key, data)
    assert claim(store, job.spec.id, piece, Result(range=samples, key=key, digest=digest_of(data)))
    return data


def finish(store: Store, job: RenderJob) -> None:
    """All of a job, and a partial that came too late."""
    for row in (0, 1):
        deliver(store, job, row, (0, 3))
        deliver(store, job, row, (3, 8))
    store.put(part_key(job.spec.id, job.spec.pieces[0], (0, 4), 9), noise(400, 5))


def everything(store: Store, folder: Path) -> dict[str, object]:
    """What a fetch of every job needs, to the byte."""
    out: dict[str, object] = {}
    for id_ in job_ids(store):
        job = read_job(store, id_)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            cache = NodeCache(Path(place), floor=0)
            scene = content(cache.fetch(store, job.spec.bundle))
            cache.close()
        parts = {r.key: store.get(r.key) for results in claimed(store, job).values() for r in results}
        assert all(digest_of(parts[r.key]) == r.digest for results in claimed(store, job).values() for r in results)
        out[id_] = job, scene, parts
    return out


SCENES = [
    {"scene.json": b"{%d}" % number, "assets/shared.npy": noise(900, 1), f"assets/{number}.npy": noise(700, 9 + number)}
    for number in range(3)
]


STATES = ["done", "cancelled", "waiting", "half"]
PLACES = ["bundles", "blobs", "layouts", "packs", "jobs/j0", "jobs/j1", "jobs"]


@settings(max_examples=15, deadline=None)
@given(
    jobs=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(STATES), st.booleans()), max_size=4),
    loose=st.lists(st.integers(0, 2), max_size=2),
    young=st.frozensets(st.sampled_from(PLACES), max_size=3),
)
def test_every_job_that_was_not_named_fetches_the_same_bits_after_any_sweep(
    tmp_path_factory: pytest.TempPathFactory, jobs: list[tuple[int, str, bool]], loose: list[int], young: frozenset[str]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    place = folder / "store"
    store = open_store(place)
    named = []
    for number, (scene, state, asked) in enumerate(jobs):
        sent = send(make_files(folder / f"scene{scene}", SCENES[scene]), store)
        job = job_of(store, f"j{number}", sent.bundle)
        if state == "done":
            finish(store, job)
        elif state == "half":
            deliver(store, job, 1, (0, 5))
        elif state == "cancelled":
            deliver(store, job, 0, (0, 2))
            give_order(store, job.spec.id, JobOrder(kind="cancel"))
        if asked and state in ("done", "cancelled") and not young & {"jobs", f"jobs/j{number}"}:
            named.append(job.spec.id)
    for scene in loose:
        send(make_files(folder / f"scene{scene}", SCENES[scene]), store)
    aged(place, but=young)
    before = everything(store, folder)
    would = sweep(store, named=named, dry=True)
    assert everything(store, folder) == before, "a dry run removes nothing"
    went = sweep(store, named=named)
    assert {f.key for f in went.all()} == {f.key for f in would.all()}
    assert everything(store, folder) == {id_: what for id_, what in before.items() if id_ not in named}
    there = {key for key, _ in store.list()}
    assert not there & {found.key for found in went.all()}
    if not young:
        assert not sweep(store, named=()).all(), "the first sweep leaves nothing to a second"
    shutil.rmtree(folder)


def test_what_no_job_names_goes_with_its_bytes_told_and_shared_files_stay(tmp_path: Path, store: Store) -> None:
    large = {"scene.json": b"{0}", "assets/mesh.npz": noise(9 * MIB, 3), "assets/a.npy": noise(2 * MIB, 4)}
    kept = send(make_files(tmp_path / "a", large), store)
    job = job_of(store, "kept", kept.bundle)
    gone = send(make_files(tmp_path / "b", {**large, "scene.json": b"{1}", "assets/b.npy": noise(2 * MIB, 5)}), store)
    finish(store, job)
    aged(tmp_path / "store")
    before = everything(store, tmp_path)
    swept = sweep(store)
    assert {found.key for found in swept.bundles} >= {f"bundles/{gone.bundle}", f"layouts/{gone.bundle}"}
    assert 2 * MIB <= sum(found.size for found in swept.blobs) < 3 * MIB, "what both have stays"
    assert [found.key for found in swept.parts] == [part_key("kept", job.spec.pieces[0], (0, 4), 9)]
    assert everything(store, tmp_path) == before


def test_the_scene_of_a_live_view_stays_however_long_ago_it_was_sent(tmp_path: Path, store: Store) -> None:
    sent = send(make_files(tmp_path / "a", SCENES[0]), store)
    job_of(store, "live_0badc0de_7", sent.bundle)
    aged(tmp_path / "store", but=frozenset({"jobs/live_"}))
    sweep(store)
    cache = NodeCache(tmp_path / "cache", floor=0)
    assert content(cache.fetch(store, sent.bundle)) == SCENES[0]
    cache.close()


def test_an_upload_that_relies_on_what_a_sweep_takes_sends_it_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = send(make_files(tmp_path / "a", SCENES[0]), store)
    aged(tmp_path / "store")  # no job names it, so a sweep takes it
    plan = transfer._planned
    swept = []

    def late(*arguments: object) -> object:
        planned = plan(*arguments)  # type: ignore[arg-type]
        if not swept:
            swept.append(sweep(store))
        return planned

    monkeypatch.setattr(transfer, "_planned", late)
    again = send(tmp_path / "a", store)
    assert again.bundle == first.bundle and swept[0].blobs
    job_of(store, "j", again.bundle)
    assert everything(store, tmp_path)["j"]


def test_an_upload_waits_for_a_sweep_that_runs(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.farm.sweeps._LOOK_S", 0.02)
    store.put(RUNNING, b"somebody")
    made = make_files(tmp_path / "a", SCENES[0])
    sending = threading.Thread(target=send, args=(made, store))
    sending.start()
    time.sleep(0.1)
    assert sending.is_alive() and not list(store.list("bundles"))
    store.put(COUNT, b"somebody")
    store.delete(RUNNING)
    sending.join(20)
    assert list(store.list("bundles"))
    store.put(RUNNING, b"somebody who was killed")
    os.utime(tmp_path / "store" / RUNNING, (time.time() - 3600,) * 2)
    send(made, store)
    sweep(store)
    assert store.size(RUNNING) is None


def test_a_job_that_is_named_goes_whole_and_one_that_is_not_over_or_young_is_refused(
    tmp_path: Path, store: Store
) -> None:
    sent = send(make_files(tmp_path / "a", SCENES[0]), store)
    done, waiting = job_of(store, "done", sent.bundle), job_of(store, "waiting", sent.bundle)
    finish(store, done)
    with pytest.raises(UsageError, match="hours ago"):
        sweep(store, named=["done"])
    aged(tmp_path / "store")
    with pytest.raises(UsageError, match="is waiting; cancel it"):
        sweep(store, named=["waiting"])
    with pytest.raises(UsageError, match="no job"):
        sweep(store, named=["none"])
    order = [found.key for found in sweep(store, named=["done"]).jobs]
    assert order[0] == job_key("done", "job.json") and "/done/" in order[1]
    assert all("/units/" not in key for key in order[: 1 + 4]), "claims go before what they name"
    assert not list(store.list("jobs/done")) and everything(store, tmp_path).keys() == {waiting.spec.id}


def test_a_removal_that_broke_off_is_ended_by_the_next_sweep(tmp_path: Path, store: Store) -> None:
    sent = send(make_files(tmp_path / "a", SCENES[0]), store)
    finish(store, job_of(store, "done", sent.bundle))
    store.delete(job_key("done", "job.json"))
    assert not sweep(store).all()
    aged(tmp_path / "store")
    assert len(sweep(store).remains) == 9
    assert not [key for key, _ in store.list() if not key.startswith("sweep/")]


def test_a_job_or_bundle_that_cannot_be_read_stops_the_sweep_until_it_is_named(tmp_path: Path, store: Store) -> None:
    sent = send(make_files(tmp_path / "a", SCENES[0]), store)
    job_of(store, "whole", sent.bundle)
    store.put(job_key("broken", "job.json"), b"{")
    aged(tmp_path / "store")
    count = len(list(store.list()))
    with pytest.raises(BadAsset, match="broken"):
        sweep(store)
    assert len([key for key, _ in store.list() if not key.startswith("sweep/")]) == count
    sweep(store, named=["broken"])
    store.put(f"layouts/{sent.bundle}", b"[")
    with pytest.raises(BadAsset, match="layout"):
        sweep(store)
    assert store.size(RUNNING) is None, "a sweep that is refused holds nobody up"


def test_two_do_not_clean_at_once_and_nothing_young_is_ever_asked_for(tmp_path: Path, store: Store) -> None:
    store.put(RUNNING, b"somebody")
    with pytest.raises(CannotWrite, match="somebody else"):
        sweep(store)
    with pytest.raises(UsageError, match="an hour"):
        sweep(store, guard_s=60.0)


def test_a_bucket_says_how_old_its_objects_are_and_is_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeS3() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        store = open_store("s3://bucket/farm")
        sent = send(make_files(tmp_path / "a", SCENES[0]), store)
        job_of(store, "j", sent.bundle)
        send(make_files(tmp_path / "b", SCENES[1]), store)
        assert not sweep(store).all()
        server.written = dict.fromkeys(server.objects, time.time() - OLD_S)
        assert sweep(store).blobs
        assert everything(store, tmp_path).keys() == {"j"}


def test_a_store_that_knows_no_ages_is_not_cleaned() -> None:
    from studio.errors import Unsupported

    with pytest.raises(Unsupported, match="how old"):
        sweep(faulty()[0], dry=True)
