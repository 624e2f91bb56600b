"""What a coordinator takes back leaves the picture of a live view too, and is rendered again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.farm.live import collecting
from studio.farm.live import desk as live_desk
from studio.farm.live.borrower import Borrower
from studio.farm.live.loan import Loan, Wanted
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.render.live_deal import Deal
from studio.render.live_share import Came, Offer
from studio.render.live_wish import Desk, Wish
from studio.render.session import layout_of
from studio.scene.flatten import flatten
from tests.farm.fake_nodes import Crew, FakeSession, film_of, same_sums
from tests.render.stage import settings, stage

SAMPLES = 48


class Forger(FakeSession):
    """A session whose sums are made up."""

    def render_frame(self, flat, settings, **more):
        result = super().render_frame(flat, settings, **more)
        result.film.sums[...] += 1
        return result


class View:
    """A live view that has nodes do all of it, as the render's thread deals with them."""

    def __init__(self, place: Path) -> None:
        self.condition = threading.Condition()
        flat = flatten(stage(), 1.0)
        asked = settings(width=16, height=8, samples=SAMPLES)
        self.wish = Wish(device="cpu", threads=1, generation=1, flat=flat, settings=asked, lending="all")
        self.settings = self.wish.film_settings()
        self.layout = layout_of(flat, self.settings)
        self.desk, self.deal = Desk(self.wish, lambda: None), Deal()
        self.desk.offered = self._offered
        self.deal.begin(self.wish)
        self.loan = Loan()
        self.renewed = 0
        self.idle = False
        self.borrower = Borrower(
            open_store(place), deliver=self._deliver, renew=self._renew, told=self._told, poll_s=0.03
        )

    def offer(self, *, idle: bool = False) -> None:
        with self.condition:
            self.idle = idle
            self.deal.offer(self.wish, self.desk, idle=idle)

    def _offered(self, offer: Offer | None) -> None:
        self.borrower.want(None if offer is None else Wanted.of(offer, stage()))

    def _deliver(self, film, samples, generation: int, header) -> bool:
        with self.condition:
            assert self.deal.share.take(Came(film, samples, generation, "fake"), self.layout)
            self.deal.offer(self.wish, self.desk, idle=self.idle)
            self.condition.notify_all()
            return True

    def _renew(self, generation: int, begun: bool) -> None:
        with self.condition:
            assert self.deal.is_of(generation)
            if begun:
                self.deal.share.forget()
                self.renewed += 1
            else:
                self.deal.share.came_again()
                self.deal.offer(self.wish, self.desk, idle=self.idle)
            self.condition.notify_all()

    def _told(self, loan: Loan) -> None:
        with self.condition:
            self.loan = loan
            self.condition.notify_all()

    def until(self, what) -> None:
        with self.condition:
            assert self.condition.wait_for(what, 30.0), (self.deal.share.missing, self.loan)

    @property
    def makers(self) -> set[str]:
        """The nodes whose samples are in the film."""
        jobs = (*self.borrower._jobs.kept, *self.borrower._jobs.out)
        return {result.node for job in jobs for result in list(job.results.values())}

    @property
    def true(self) -> bool:
        """Whether the film is whole, and that of a final render."""
        share = self.deal.share
        whole = not share.missing and not share.anew
        return whole and same_sums(share.film, film_of(self.wish.flat, self.settings))


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    """Two nodes, the second of which makes up what it delivers."""
    monkeypatch.setattr(live_desk, "LOOK_S", 0.02)
    monkeypatch.setattr(live_desk, "IDLE_S", 0.05)
    monkeypatch.setattr(collecting, "WATCH_S", 0.05)

    class Scenes(dict):
        def __missing__(self, bundle: str):
            return stage()

    with Crew(Service(open_store(tmp_path / "store")), Scenes(), nodes=2, sample_s=0.03) as made:
        made.nodes[1]._session = Forger(sample_s=0.03)
        yield made


@pytest.fixture
def view(crew: Crew, tmp_path: Path) -> Iterator[View]:
    made = View(tmp_path / "store")
    yield made
    made.borrower.close()
    assert made.borrower.wait(20.0)


def test_samples_of_a_forger_are_taken_out_of_a_film_that_was_whole(crew: Crew, view: View) -> None:
    view.offer()
    view.until(lambda: view.deal.share.count == SAMPLES)
    assert view.makers == {"n0", "n1"} and not view.true
    crew.service.distrust("n1", "it made up what it delivered")
    view.until(lambda: view.renewed == 1 and view.true)
    assert view.makers == {"n0"} and view.borrower.loan.samples == SAMPLES


def test_also_those_of_before_a_pause_when_nothing_was_wanted(crew: Crew, view: View) -> None:
    view.offer()
    view.until(lambda: view.makers == {"n0", "n1"} and view.deal.share.count >= 8)
    view.offer(idle=True)
    view.until(lambda: view.loan.at_work == 0 and view.loan.samples == 0)
    before = view.deal.share.count
    crew.nodes[1]._session = crew.sessions[1]  # from now on it renders
    view.offer()
    view.until(lambda: view.deal.share.count == SAMPLES)
    assert before < SAMPLES and len(view.borrower._jobs.kept) == 1 and not view.true
    crew.service.distrust("n1", "it made up what it delivered")
    view.until(lambda: view.true)


def test_what_came_of_the_oldest_jobs_is_rendered_again_where_there_are_too_many(
    crew: Crew, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "MOST_KEPT", 0)
    crew.nodes[1]._session = crew.sessions[1]
    view.offer()
    view.until(lambda: view.deal.share.count >= 8)
    view.offer(idle=True)
    view.until(lambda: view.renewed == 1 and not view.deal.share.anew)
    assert view.deal.share.count == 0 and view.borrower._jobs.kept == []
    view.offer()
    view.until(lambda: view.true)


def test_a_list_that_is_older_than_the_store_takes_nothing_back(
    crew: Crew, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew.nodes[1]._session = crew.sessions[1]
    view.offer()
    view.until(lambda: view.true)
    looked = threading.Event()
    lists = view.borrower.store.list

    def old(prefix: str = ""):
        if prefix.startswith("jobs/live_"):
            looked.set()
            return iter(())
        return lists(prefix)

    monkeypatch.setattr(view.borrower.store, "list", old)
    assert looked.wait(20.0)
    looked.clear()
    assert looked.wait(20.0) and view.renewed == 0
    monkeypatch.undo()
