"""A coordinator on a store that fails, with nodes that die and coordinators that are killed: nothing that was accepted
is lost, nothing counts twice, and a forged delivery never does."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from studio.errors import BadAsset, CannotWrite, StudioError
from studio.farm import service as service_module
from studio.farm.bundles.cas import digest_of
from studio.farm.jobs import RenderJob, claimed, part_key
from studio.farm.model import JobSpec, Lease, NodeInfo, NodeRows, Piece, Report, Result
from studio.farm.policy import Policy
from studio.farm.service import Service
from studio.farm.session import log_of
from studio.farm.store import Store
from studio.render.settings import RenderSettings
from tests.farm.faulty_store import FaultyBucket, faulty

PIECES = (Piece(frame=1.0, samples=120), Piece(frame=2.0, samples=60))
JOB = RenderJob(
    spec=JobSpec(id="j1", name="hall", bundle="0" * 64, pieces=PIECES, expected_s=1.0, retries=1_000_000),
    settings=RenderSettings(width=16, height=9, samples=120),
)
POLICY = Policy(longest_s=20.0, first_s=5.0, tail_s=3.0, report_s=2.0, lease_s=15.0, blocks_after=1_000_000)


@pytest.fixture(autouse=True)
def only_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partials here are bytes of any kind; their digests are checked, as of films."""

    def check(path: Path, job: RenderJob, piece: Piece, result: Result, pixels: object) -> tuple[None, None]:
        if digest_of(path.read_bytes()) != result.digest:
            raise BadAsset("the partial is damaged")
        return None, None

    monkeypatch.setattr(service_module, "check_partial", check)


@dataclass
class Hand:
    """A node, as `studio.farm.node` behaves: it repeats what got no answer, and deletes what was not taken."""

    name: str
    store: Store
    lease: Lease | None = None
    at: int = 0
    waiting: Result | None = None
    joined: bool = False

    def step(self, service: Service, rng: random.Random, taken: list[Result]) -> None:
        if not self.joined:
            service.join(NodeInfo(id=self.name, memory_bytes=1 << 40))
            self.joined, self.lease, self.waiting = True, None, None
        if self.lease is None:
            self.lease = service.ask(self.name)
            self.at = self.lease.range[0] if self.lease else 0
            return
        if self.waiting is None:
            last = rng.randint(self.at + 1, self.lease.range[1])
            data = f"{self.name} {self.lease.attempt} {self.at}:{last}".encode() * 20
            key = part_key("j1", PIECES[self.lease.piece], (self.at, last), self.lease.attempt)
            self.store.put(key, data)
            self.waiting = Result(range=(self.at, last), key=key, digest=digest_of(data))
        verdict = service.deliver(self.lease, self.waiting)
        if verdict == "taken":
            taken.append(msgspec.structs.replace(self.waiting, node=self.name))
            self.at = self.waiting.range[1]
            order, stop = service.report(self.lease.attempt, Report(done=self.at - self.lease.range[0]))
            done = order == "drop" or self.at >= (stop if order == "stop" else self.lease.range[1])
            self.lease = None if done else self.lease
        else:
            self.store.delete(self.waiting.key)
            self.lease = None
        self.waiting = None


def put(store: Store, lease: Lease, data: bytes) -> Result:
    """A partial of a whole unit in the store, as its node says it is."""
    key = part_key(lease.job, PIECES[lease.piece], lease.range, lease.attempt)
    store.put(key, data)
    return Result(range=lease.range, key=key, digest=digest_of(data))


def begun(store: Store, now: list[float]) -> Service:
    """A coordinator that goes on with the job, as soon as the store lets it."""
    while True:
        try:
            service = Service(store, policy=POLICY, clock=lambda: now[0])
            service.submit(JOB)
        except CannotWrite:
            continue
        return service


def run(
    seed: int, store: Store, *, kills: float = 0.01, also: Callable[[Service], bool] = lambda service: True
) -> tuple[Service, list[Result]]:
    """Work at the job until it is done and `also` is content; what nodes were told was taken."""
    rng, now, taken = random.Random(seed), [0.0], list[Result]()
    service = begun(store, now)
    hands = [Hand(f"n{i}", store) for i in range(4)]
    for _ in range(20_000):
        if also(service) and service.coordinator.over("j1"):
            return service, taken
        now[0] += 0.5
        if rng.random() < kills:  # the coordinator is gone, and another comes
            service = begun(store, now)
            for hand in hands:
                hand.joined = False
        hand = rng.choice(hands)
        if rng.random() < kills:
            hand.joined = False  # the node starts again, without what it had
        try:
            hand.step(service, rng, taken)
            service.tick()
        except StudioError as fault:
            assert isinstance(fault, CannotWrite), fault
    raise AssertionError("the job does not end")


def check(store: Store, bucket: FaultyBucket, service: Service, taken: list[Result]) -> None:
    """Every sample counts once and is there, for this coordinator and for one that would come after it."""
    bucket.faults = type(bucket.faults)()
    assert service.coordinator.status("j1").state == "done"
    found = claimed(store, JOB)
    for row, piece in enumerate(PIECES):
        for results in (found[row], service.coordinator.results("j1", row)):
            assert [r.range[0] for r in results] == [0, *(r.range[1] for r in results[:-1])]
            assert results[-1].range[1] == piece.samples
            assert all(digest_of(store.get(r.key)) == r.digest for r in results)
    assert all(digest_of(store.get(r.key)) == r.digest for r in taken)  # what was accepted is there for good


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_lost_and_nothing_counts_twice_on_a_store_that_fails(seed: int) -> None:
    store, bucket = faulty(seed, busy=0.1, silent=0.1, torn=0.05, short=0.05, tries=3)
    service, taken = run(seed, store)
    check(store, bucket, service, taken)


@pytest.mark.parametrize("seed", range(8))
def test_lists_from_a_while_ago_cost_time_only(seed: int) -> None:
    store, bucket = faulty(seed, stale=0.9, busy=0.05, tries=3)
    service, taken = run(seed, store, kills=0.05)
    check(store, bucket, service, taken)


@pytest.mark.parametrize("seed", range(6))
def test_what_a_node_delivered_is_taken_back_from_a_store_that_fails(seed: int) -> None:
    store, bucket = faulty(seed, busy=0.1, silent=0.1, torn=0.05, stale=0.3, tries=2)
    caught = False

    def find_out(service: Service) -> bool:
        nonlocal caught
        caught = caught or service.coordinator.status("j1").done >= 90
        if caught and service.coordinator.trusts("n1"):  # also who comes after, as a house has it remembered
            service.distrust("n1", "it made things up")
        return caught and not service._doubtful

    service, taken = run(seed, store, kills=0.02, also=find_out)
    check(store, bucket, service, [result for result in taken if result.node != "n1"])
    found = [result for results in claimed(store, JOB).values() for result in results]
    assert found and all(result.node != "n1" for result in found)
    assert "retracted" in {e.kind for e in log_of(store, "j1")}


def test_uploads_that_tear_without_a_word_are_rendered_again() -> None:
    store, bucket = faulty(3, tries=3)
    bucket.faults.torn_unsaid = 0.0
    now = [0.0]
    service = begun(store, now)
    service.join(NodeInfo(id="n0", memory_bytes=1 << 40))
    lease = service.ask("n0")
    assert lease is not None
    bucket.faults.torn_unsaid = 1.0
    result = put(store, lease, b"0123456789")
    bucket.faults.torn_unsaid = 0.0
    assert service.deliver(lease, result) == "bad"
    assert claimed(store, JOB) == {}
    assert service.coordinator.status("j1").done == 0


def test_a_delivery_whose_answer_was_lost_is_taken_once_and_its_partial_stays() -> None:
    store, _ = faulty()
    now = [0.0]
    service = begun(store, now)
    service.join(NodeInfo(id="n0", memory_bytes=1 << 40))
    lease = service.ask("n0")
    assert lease is not None
    result = put(store, lease, b"data")
    assert service.deliver(lease, result) == "taken"
    assert service.deliver(lease, result) == "taken"
    again = begun(store, now)  # and so says the next coordinator
    assert again.deliver(lease, result) == "taken"
    assert again.coordinator.status("j1").done == lease.range[1] - lease.range[0]


def test_a_partial_that_was_claimed_without_an_answer_is_not_taken_away() -> None:
    store, bucket = faulty(tries=1)
    now = [0.0]
    service = begun(store, now)
    service.join(NodeInfo(id="n0", memory_bytes=1 << 40))
    lease = service.ask("n0")
    assert lease is not None
    result = put(store, lease, b"data")
    bucket.faults.silent = 1.0
    with pytest.raises(CannotWrite):
        service.deliver(lease, result)
    bucket.faults.silent = 0.0
    now[0] += 1000.0  # its lease is over
    service.tick()
    assert service.deliver(lease, result) == "taken"
    forged = msgspec.structs.replace(result, key="other", digest=digest_of(b"other"))
    store.put("other", b"other")
    assert service.deliver(lease, forged) == "late"
    for job in ("unknown", "../j1"):
        assert service.deliver(msgspec.structs.replace(lease, job=job), result) == "late"


def test_a_store_that_does_not_answer_spends_no_try_of_a_unit() -> None:
    store, bucket = faulty(tries=2)
    now = [0.0]
    service = begun(store, now)
    service.join(NodeInfo(id="n0", memory_bytes=1 << 40))
    lease = service.ask("n0")
    assert lease is not None
    result = put(store, lease, b"data")
    bucket.faults.busy = 1.0
    with pytest.raises(CannotWrite):
        service.deliver(lease, result)
    bucket.faults.busy = 0.0
    assert service.deliver(lease, result) == "taken"


def test_what_two_coordinators_did_is_put_together() -> None:
    store, _ = faulty()
    now = [0.0]
    one, two = begun(store, now), begun(store, now)
    assert one.generation != two.generation
    leases, results = [], []
    for service, data in ((one, b"one"), (two, b"two")):
        service.join(NodeInfo(id="n0", memory_bytes=1 << 40))
        lease = service.ask("n0")
        assert lease is not None
        leases.append(lease)
        results.append(put(store, lease, data))
        assert service.deliver(lease, results[-1]) == "taken"
    assert leases[0].range == leases[1].range
    assert [(r.key, r.node) for r in two.coordinator.results("j1", 0)] == [(results[0].key, "n0")]


def test_the_log_is_whole_and_chained_though_the_store_failed() -> None:
    store, bucket = faulty(5, busy=0.4, silent=0.2, tries=2)
    service, _ = run(5, store, kills=0.0)
    bucket.faults = type(bucket.faults)()
    service.flush()
    before, numbers = "", []
    for key, _ in sorted(store.list("jobs/j1/events")):
        data = store.get(key)
        block = msgspec.json.decode(data)
        assert block["before"] == before
        before = hashlib.sha256(data).hexdigest()
        numbers += [event["number"] for event in block["events"]]
    assert numbers == sorted(set(numbers)) and "done" in store.get(key).decode()


def test_generations_are_never_given_twice_and_junk_among_them_is_passed_over() -> None:
    store, _ = faulty(7, busy=0.2, silent=0.2, torn=0.2, stale=0.5, tries=4)
    store.put("generations/not-a-number", b"")
    store.put("generations/" + "9" * 400, b"")
    numbers = [begun(store, [0.0]).generation for _ in range(30)]
    assert len(set(numbers)) == 30


def test_a_partial_that_lies_elsewhere_or_is_too_large_is_bad_and_is_not_fetched() -> None:
    store, _ = faulty()
    service = begun(store, [0.0])
    for where, data in (("jobs/j1/job.json", None), ("jobs/j1/units/f9/0-1.1.part", b"data"), (None, bytes(8 << 20))):
        service.join(NodeInfo(id="n0", memory_bytes=1 << 40))
        lease = service.ask("n0")
        assert lease is not None
        result = put(store, lease, data or b"data")
        if where is not None:
            result = msgspec.structs.replace(result, key=where)
            if data:
                store.put(where, data)
        assert service.deliver(lease, result) == "bad"
    assert claimed(store, JOB) == {}


def test_how_the_nodes_stand_lies_in_the_store_until_the_coordinator_goes() -> None:
    store, _ = faulty()
    service = begun(store, [0.0])
    service.join(NodeInfo(id="n0", name="a machine", memory_bytes=1 << 40, score=2.0))
    lease = service.ask("n0")
    assert lease is not None and service.lease_of(lease.attempt) == lease and service.lease_of(7) is None
    service.tick()
    key = f"nodes/{service.generation}.json"
    (row,) = msgspec.json.decode(store.get(key), type=NodeRows).rows
    assert (row.name, row.state, row.score, row.trust) == ("a machine", "working", 2.0, 0)
    assert row.unit == f"j1 f1 0-{lease.range[1]}"
    service.leave("n0")
    info = service.node_info("n0")
    assert info is not None and info.score == 2.0 and service.node_info("n9") is None
    service.retire()
    assert store.size(key) is None
