"""The farm inside the app: crews that begin with a job, end when they rest, and note what they did not finish."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.errors import CannotWrite, UsageError
from studio.farm import host
from studio.farm.host import REST_S, Crew, FarmHost
from studio.farm.jobs import RenderJob
from studio.farm.model import NodeInfo
from studio.farm.session import order
from studio.farm.store import open_store
from tests.farm.results_of import deliver_all, job_in


class Nodes:
    """A crew that does what it is told to have done."""

    def __init__(self, place: str, crew: Crew, price: Any) -> None:
        self.place, self.crew, self.price = place, crew, price
        self.jobs: dict[str, RenderJob] = {}
        self.states: dict[str, str] = {}
        self.closed = False
        self.store = open_store(place)
        self.service: Any = SimpleNamespace(
            job=self.jobs.get, status=lambda id_: SimpleNamespace(state=self.states[id_])
        )
        self.works = True

    def submit(self, job: RenderJob) -> None:
        self.jobs[job.spec.id] = job
        self.states[job.spec.id] = "running"

    def close(self) -> None:
        self.closed = True


class House:
    """A host with a clock, and the crews that it made."""

    def __init__(self) -> None:
        self.now = 100.0
        self.made: list[Nodes] = []
        self.host = FarmHost(make=self._make, clock=lambda: self.now)

    def _make(self, place: str, crew: Crew, price: Any, listener: Any) -> Any:
        self.made.append(Nodes(place, crew, price))
        return self.made[-1]


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))


@pytest.fixture
def house():
    made = House()
    yield made
    made.host.close()


@pytest.fixture
def place(tmp_path) -> str:
    return str(tmp_path / "store")


def test_one_crew_works_for_each_store(house, place, tmp_path):
    job = job_in(open_store(place), tmp_path)
    assert house.host.send(place, job, Crew(nodes=2)) == Crew(nodes=2)
    house.host.send(place, job, Crew(nodes=2))
    house.host.send(str(tmp_path / "other"), job_in(open_store(tmp_path / "other"), tmp_path), Crew())
    assert [nodes.place for nodes in house.made] == [place, str(tmp_path / "other")]
    assert house.host.works_at(place) == Crew(nodes=2)


def test_a_busy_crew_stays_and_one_that_rests_makes_room_for_another(house, place, tmp_path):
    job = job_in(open_store(place), tmp_path)
    house.host.send(place, job, Crew(nodes=1))
    assert house.host.send(place, job, Crew(nodes=3)) == Crew(nodes=1)
    house.made[0].states[job.spec.id] = "done"
    assert house.host.send(place, job, Crew(nodes=3)) == Crew(nodes=3)
    assert house.made[0].closed and not house.made[1].closed


def test_a_crew_ends_after_a_rest(house, place, tmp_path):
    job = job_in(open_store(place), tmp_path)
    house.host.send(place, job, Crew())
    house.host.look()
    house.now += 10 * REST_S
    house.host.look()
    assert not house.made[0].closed, "it has something to do"
    house.made[0].states[job.spec.id] = "paused"
    house.host.look()
    house.now += REST_S - 1
    house.host.look()
    assert not house.made[0].closed
    house.now += 1
    house.host.look()
    assert house.made[0].closed and house.host.works_at(place) is None


def test_a_crew_whose_nodes_died_for_good_ends_and_its_job_can_go_on(house, place, tmp_path):
    job = job_in(open_store(place), tmp_path)
    house.host.send(place, job, Crew())
    house.made[0].works = False
    house.host.look()
    assert house.made[0].closed and house.host.works_at(place) is None, "else it would run for ever on no node"
    assert [left.jobs for left, _ in house.host.left()] == [(job.spec.id,)]
    house.host.resume(place, job.spec.id)
    house.made[1].works = False
    house.host.resume(place, job.spec.id)
    assert house.made[1].closed and not house.made[2].closed


def test_prices_of_the_last_job_count(house, place, tmp_path):
    job = job_in(open_store(place), tmp_path)
    house.host.send(place, job, Crew())
    node = NodeInfo(id="n")
    assert house.made[0].price(node, 60.0) == 0
    house.host.send(place, job, Crew(), price=lambda node, seconds: round(seconds) * 7)
    assert house.made[0].price(node, 60.0) == 420


def silent(store, id_):
    raise CannotWrite("the store does not answer")


def test_what_was_left_is_known_at_the_next_start_and_goes_on(house, place, tmp_path, monkeypatch):
    job = job_in(open_store(place), tmp_path)
    house.host.send(place, job, Crew(nodes=2))
    house.host.close()
    assert house.made[0].closed
    with pytest.raises(UsageError, match="closing"):
        house.host.send(place, job, Crew())
    next_day = House()
    (left, stands), *others = next_day.host.left()
    with monkeypatch.context() as patch:
        patch.setattr(host, "read_job", silent)
        with pytest.raises(CannotWrite):
            next_day.host.go_on(left)
    assert len(next_day.host.left()) == 1, "a store that does not answer now loses nothing"
    assert not others and left.place == place and [each.id for each in stands] == [job.spec.id]
    assert next_day.host.go_on(left, price=lambda node, seconds: 7) == [job.spec.id]
    assert next_day.made[0].price(NodeInfo(id="n"), 60.0) == 7, "a cap counts on the next day as well"
    assert next_day.made[0].crew == Crew(nodes=2) and next_day.host.left() == []
    next_day.host.close()


def test_nothing_is_offered_of_what_is_done_or_was_paused(house, place, tmp_path):
    store = open_store(place)
    job = job_in(store, tmp_path)
    house.host.send(place, job, Crew())
    house.host.close()
    order(store, job.spec.id, "pause")
    assert FarmHost().left() == []
    order(store, job.spec.id, "resume")
    (left, _), *_ = FarmHost().left()
    deliver_all(store, job, tmp_path)
    assert FarmHost().left() == []
    other = House()
    assert other.host.go_on(left) == [] and other.made == []


def test_what_an_earlier_day_left_is_still_offered_while_a_crew_does_something_else(house, place, tmp_path):
    store = open_store(place)
    old, gone = job_in(store, tmp_path, name="old"), job_in(store, tmp_path, name="gone")
    for job in (old, gone):
        house.host.send(place, job, Crew())
    house.host.close()
    for key, _ in list(store.list(f"jobs/{gone.spec.id}")):
        store.delete(key)
    today = House()
    today.host.send(place, job_in(store, tmp_path, name="new"), Crew())
    (left, stands), *_ = today.host.left()
    assert left.jobs == (old.spec.id,) and [each.name for each in stands] == ["old"], "one that was removed hides none"
    assert today.host.go_on(left) == [old.spec.id] and today.host.left() == []
    assert len(today.made) == 1
    today.host.close()


def test_a_disk_that_is_not_there_is_not_made_by_asking_what_was_left(house, place, tmp_path):
    house.host.send(place, job_in(open_store(place), tmp_path), Crew())
    house.host.close()
    shutil.move(place, tmp_path / "away")
    assert FarmHost().left() == [] and not Path(place).exists()
    shutil.move(tmp_path / "away", place)
    assert len(FarmHost().left()) == 1


def test_damaged_notes_are_no_notes(house, place, tmp_path):
    house.host.send(place, job_in(open_store(place), tmp_path), Crew())
    house.host.close()
    file = tmp_path / "data" / "farm" / "host.json"
    assert file.is_file()
    file.write_text("{]")
    assert FarmHost().left() == [] and FarmHost().crew_of(place) == Crew()


def test_a_job_is_resumed_with_the_crew_that_it_had(house, place, tmp_path):
    store = open_store(place)
    job = job_in(store, tmp_path)
    house.host.send(place, job, Crew(nodes=4))
    house.host.close()
    again = House()
    assert again.host.resume(place, job.spec.id) == Crew(nodes=4)
    assert list(again.made[0].jobs) == [job.spec.id]
    again.host.close()


@pytest.mark.parametrize("nodes", [0, 257, -1])
def test_a_number_of_nodes_that_cannot_be_is_refused(house, place, tmp_path, nodes):
    with pytest.raises(UsageError, match="1 to 256 nodes"):
        house.host.send(place, job_in(open_store(place), tmp_path), Crew(nodes=nodes))
    assert house.made == []
