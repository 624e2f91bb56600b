"""Jobs and claims in a store: the first claim counts, and what is damaged stops nothing but itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadAsset, StudioError, UsageError
from studio.farm import jobs
from studio.farm.jobs import RenderJob, apart, claim, claimed, holder, job_ids, job_key, read_job, write_job
from studio.farm.model import JobSpec, Piece, Result
from studio.farm.store import open_store
from studio.render.settings import RenderSettings
from tests.farm.faulty_store import faulty

PIECE = Piece(frame=1.0, samples=64)


def a_job(name: str = "j1") -> RenderJob:
    spec = JobSpec(id=name, name="hall", bundle="0" * 64, pieces=(PIECE, Piece(frame=2.0, samples=64)))
    return RenderJob(spec=spec, settings=RenderSettings(width=16, height=9, samples=64))


def a_result(first: int, last: int, by: int = 1) -> Result:
    return Result(range=(first, last), key=f"jobs/j1/units/f1/{first}-{last}.{by}.part", digest=f"{by:064x}")


DONE = "jobs/j1/done/f1"


def test_a_job_is_written_once_and_read_as_it_was() -> None:
    store = open_store("memory://")
    assert write_job(store, a_job())
    assert not write_job(store, msgspec.structs.replace(a_job(), camera="other"))
    assert read_job(store, "j1") == a_job()
    assert list(job_ids(store)) == ["j1"]


def test_a_job_that_is_damaged_is_said_and_can_be_submitted_again() -> None:
    store = open_store("memory://")
    store.put(job_key("j1", "job.json"), b'{"spec": {"id": "j1"')
    with pytest.raises(BadAsset, match="the job j1 is damaged"):
        read_job(store, "j1")
    assert write_job(store, a_job()) and read_job(store, "j1") == a_job()


def test_a_job_under_the_name_of_another_is_damaged() -> None:
    store = open_store("memory://")
    store.put(job_key("j2", "job.json"), msgspec.json.encode(a_job("j1")))
    with pytest.raises(BadAsset, match="damaged"):
        read_job(store, "j2")


@pytest.mark.parametrize("name", ["", "../j1", "a/b", ".hidden", "x" * 81, "a b", "a\0b"])
def test_names_that_lead_elsewhere_are_no_names_of_jobs(name: str) -> None:
    with pytest.raises(UsageError, match="no name of a job"):
        job_key(name)


def test_the_first_claim_on_a_range_counts_and_claiming_again_is_no_fault() -> None:
    store = open_store("memory://")
    assert claim(store, "j1", PIECE, a_result(0, 8, by=1))
    assert claim(store, "j1", PIECE, a_result(0, 8, by=1))
    assert not claim(store, "j1", PIECE, a_result(0, 8, by=2))
    assert holder(store, "j1", PIECE, a_result(0, 8, by=2)) == a_result(0, 8, by=1)
    assert claimed(store, a_job()) == {0: [a_result(0, 8, by=1)]}


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'{"range": [0, 9], "key": "k", "digest": "d"}', b"\xff" * 9])
def test_a_damaged_claim_claims_nothing_and_one_wins_beside_it(damage: bytes) -> None:
    store = open_store("memory://")
    store.put(f"{DONE}/0-8.json", damage)
    assert claimed(store, a_job()) == {}
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda by: holder(store, "j1", PIECE, a_result(0, 8, by)), range(1, 17)))
    assert len(set(held)) == 1
    assert claimed(store, a_job()) == {0: [held[0]]}


def test_claims_that_are_damaged_without_end_are_said() -> None:
    store = open_store("memory://")
    store.put(f"{DONE}/0-8.json", b"")
    for number in range(1, jobs.MOST_DAMAGED + 1):
        store.put(f"{DONE}/0-8.{number}.json", b"")
    with pytest.raises(BadAsset, match="again and again"):
        holder(store, "j1", PIECE, a_result(0, 8))


def test_claims_that_overlap_and_keys_that_are_none_do_not_count() -> None:
    store = open_store("memory://")
    for first, last in ((0, 8), (4, 12), (8, 16), (40, 30), (20, 20)):
        store.put(f"{DONE}/{first}-{last}.json", msgspec.json.encode(a_result(first, last)))
    for name in ("x.json", "0-.json", "16-24.json.tmp", "99999999999999-9.json"):
        store.put(f"{DONE}/{name}", msgspec.json.encode(a_result(16, 24)))
    store.put("jobs/j1/done/f9/0-8.json", msgspec.json.encode(a_result(0, 8)))
    assert claimed(store, a_job()) == {0: [a_result(0, 8), a_result(8, 16)]}


def test_a_claim_holds_whatever_a_stale_list_says() -> None:
    store, _ = faulty(stale=1.0)
    assert claimed(store, a_job()) == {}
    assert claim(store, "j1", PIECE, a_result(0, 8, by=1))
    assert claimed(store, a_job()) == {}  # the list does not have it yet
    assert not claim(store, "j1", PIECE, a_result(0, 8, by=2))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), max_size=9))
def test_of_claims_that_overlap_those_count_that_make_the_most_samples(listed: list[tuple[int, int]]) -> None:
    results = [a_result(first, first + count, by) for by, (first, count) in enumerate(listed, 1)]
    kept = apart(results)
    assert all(a.range[1] <= b.range[0] for a, b in pairwise(kept)) and set(kept) <= set(results)
    most = 0
    for chosen in product((False, True), repeat=len(results)):
        picked = sorted(r.range for r, taken in zip(results, chosen, strict=True) if taken)
        if all(a[1] <= b[0] for a, b in pairwise(picked)):
            most = max(most, sum(b - a for a, b in picked))
    assert sum(r.range[1] - r.range[0] for r in kept) == most
    assert apart(reversed(results)) == kept


@given(seed=st.integers(0, 1 << 30), torn=st.floats(0, 0.4), silent=st.floats(0, 0.4))
def test_whatever_fails_one_result_holds_a_range(seed: int, torn: float, silent: float) -> None:
    store, bucket = faulty(seed, torn=torn, silent=silent, busy=0.1, short=0.1, tries=6)
    held = set()
    for by in range(1, 5):
        try:
            held.add(holder(store, "j1", PIECE, a_result(0, 8, by)))
        except StudioError:
            continue
    bucket.faults.busy = bucket.faults.torn = bucket.faults.silent = bucket.faults.short = 0.0
    assert len(held) <= 1
    if held:
        assert claimed(store, a_job()) == {0: list(held)}


@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(msgspec.json.encode)
)
def test_any_bytes_in_place_of_a_job_or_claim_are_a_sentence(data: bytes) -> None:
    store = open_store("memory://")
    store.put(job_key("j1", "job.json"), data)
    store.put(f"{DONE}/0-8.json", data)
    with pytest.raises(BadAsset):
        read_job(store, "j1")
    assert claimed(store, a_job()) == {}
