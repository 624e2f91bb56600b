"""Clocks that differ or jump: who works at a store is told by the store's clock, and no lease by one that is set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from studio.farm.model import NodeInfo
from studio.farm.orders import beat, works
from studio.farm.policy import Policy
from studio.farm.service import Service, steady
from studio.farm.session import nodes_of, order, standing
from studio.farm.store import Objects, Store, open_store
from tests.farm.results_of import job_in

HOUR = 3600.0


@contextmanager
def machine_ahead(seconds: float) -> Iterator[None]:
    """On a machine whose clock is set wrong; that of the disk goes on as it is."""
    right = time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: right() + seconds)
        yield


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.mark.parametrize("ahead", [-HOUR, 90.0, 48 * HOUR])
def test_the_clock_of_a_store_is_one_for_all(place: Path, ahead: float) -> None:
    with machine_ahead(ahead):
        assert abs(open_store(place).clock() - (time.time() - ahead)) < 2.0
    assert abs(open_store(place).clock() - time.time()) < 2.0


def test_a_clock_that_is_right_is_left_as_it_is(place: Path) -> None:
    store = open_store(place)
    store.clock()
    assert store._ahead is not None and store._ahead[1] == 0.0 and list(store.list()) == []


def test_a_store_that_knows_no_times_or_takes_nothing_has_our_clock(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Timeless:
        pass

    assert abs(Store(Timeless(), "a store").clock() - time.time()) < 1.0  # type: ignore[arg-type]
    store = open_store(place)

    def refuse(self: Objects, key: str, data: object, *, create: bool) -> None:
        raise PermissionError("read only (os error 13)")

    monkeypatch.setattr(Objects, "put", refuse)
    assert abs(store.clock() - time.time()) < 1.0


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_coordinator_whose_clock_is_wrong_is_heard(place: Path, tmp_path: Path, ahead: float) -> None:
    with machine_ahead(ahead):
        service = Service(open_store(place))
        service.join(NodeInfo(id="n", memory_bytes=1 << 30))
        service.tick()
    mine = open_store(place)
    assert works(mine) and [row.id for row in nodes_of(mine)] == ["n"]


def test_one_that_was_not_heard_for_long_is_not_there_whatever_our_clock_says(place: Path) -> None:
    with machine_ahead(0.0):
        store = open_store(place)
        store._ahead = (time.monotonic(), -120.0)  # it was written two minutes ago
        beat(store, 1)
    with machine_ahead(-120.0):
        assert not works(open_store(place))


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_clock_that_is_set_ends_no_lease_and_keeps_none_for_ever(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    gone = [0.0]
    monotonic = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + gone[0])
    service = Service(open_store(place), policy=Policy(lease_s=30.0))
    job = job_in(service.store, tmp_path)
    service.submit(job)
    service.join(NodeInfo(id="a", memory_bytes=1 << 30))
    lease = service.ask("a")
    assert lease is not None
    with machine_ahead(jump):
        service.tick()
        assert service.lease_of(lease.attempt) is not None, "an hour that a clock jumped is none that has passed"
        gone[0] = 31.0
        service.tick()
        assert service.lease_of(lease.attempt) is None


def test_an_order_from_a_machine_that_is_behind_comes_after_what_had_happened(place: Path, tmp_path: Path) -> None:
    service = Service(open_store(place))
    job = job_in(service.store, tmp_path)
    service.submit(job)
    service.coordinator.cancel(job.spec.id)
    service.tick()
    assert standing(service.store, job).state == "cancelled"
    with machine_ahead(-HOUR):
        order(open_store(place), job.spec.id, "resume")
    assert standing(service.store, job).state in ("running", "waiting")


def test_a_steady_clock_begins_as_the_store_s(place: Path) -> None:
    with machine_ahead(HOUR):
        assert abs(steady(open_store(place))() - (time.time() - HOUR)) < 2.0
