"""The render's thread between a worker and those who help: what is lent, and whose samples a film is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from studio.render.film import Film
from studio.render.live_frame import LiveFrame
from studio.render.live_hand import Hand
from studio.render.live_share import Anew, Came, Offer
from studio.render.live_wish import Desk, Wish
from studio.render.live_worker import picture_in
from studio.render.protocol import Pictured, Steer, Take, Taken, Watch
from studio.render.transfer import Block, film_buffers
from studio.scene.flatten import flatten
from tests.render.stage import settings, stage

SAMPLES = 99


class Worker:
    """A worker that does what the test says it does."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def send(self, command: Any) -> None:
        self.told.append(command)

    def close(self, *, patience_s: float) -> None:
        """It has no process."""

    def last(self, kind: type) -> Any:
        return next(command for command in reversed(self.told) if isinstance(command, kind))


class Bench:
    """A hand with its worker, and what it offers."""

    def __init__(self) -> None:
        flat = flatten(stage(), 1.0)
        asked = settings(width=16, height=8, samples=SAMPLES)
        self.wish = Wish(device="cpu", threads=1, generation=1, flat=flat, settings=asked, lending="share")
        self.desk = Desk(self.wish, lambda: None)
        self.offers: list[Offer | None] = []
        self.desk.offered = self.offers.append
        self.hand, self.worker = Hand(self.desk), Worker()
        self.hand._worker, self.hand._warm, self.hand._device_asked = self.worker, True, "cpu"  # type: ignore[assignment]
        self.number = 0
        self.lend("share")

    def lend(self, mode: str) -> None:
        self.wish = Wish(**{name: getattr(self.wish, name) for name in Wish.__struct_fields__} | {"lending": mode})
        self.hand._act(self.wish)
        self.hand._offer(self.wish)

    def picture(self, counts: int, *, of: int, claim: int) -> None:
        """The worker has so many samples of every pixel."""
        watch = self.worker.last(Watch)
        picture, count = picture_in(self.hand._memory.block, watch.layout.shapes()["counts"][1], watch.channels)
        picture[...], count[...] = 1.0, counts
        self.number += 1
        event = Pictured(
            generation=1,
            number=self.number,
            step=1,
            samples=float(counts),
            of=of,
            seconds=1.0,
            rays=1,
            complete=counts >= of,
            exact=True,
            channels=watch.channels,
            claim=claim,
        )
        self.hand._hear(event)
        self.hand._offer(self.wish)

    def came(self, first: int, last: int) -> None:
        """Nodes have rendered samples."""
        self.hand._came(Came(ones(self.worker.last(Watch), last - first), (first, last), 1, ""))
        self.hand._offer(self.wish)

    def renew(self, begun: bool) -> None:
        """What came counts no more, or has come again."""
        self.hand._renew(Anew(1, begun))
        self.hand._act(self.wish)
        self.hand._offer(self.wish)

    @property
    def frame(self) -> LiveFrame:
        return self.desk.frame

    @property
    def offered(self) -> tuple[tuple[int, int], ...]:
        return self.offers[-1].ranges if self.offers and self.offers[-1] is not None else ()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.hand._drop()


def test_what_was_taken_back_is_lent_again_only_when_the_worker_says_how_far_it_went(bench: Bench) -> None:
    """A picture that was under way meanwhile says nothing of that, however much it looks like it."""
    assert bench.worker.last(Watch).own == ((0, 50),) and bench.offered == ((50, 99),)
    bench.picture(1, of=50, claim=0)
    bench.lend("")
    assert bench.worker.last(Steer).own == ((0, 99),) and bench.offered == ()
    bench.lend("share")
    assert bench.worker.last(Steer).own == ((0, 50),) and bench.worker.last(Steer).claim == 1
    bench.picture(2, of=50, claim=0)
    assert bench.offered == (), "the worker may have gone beyond its first fifty before it heard"
    bench.picture(60, of=50, claim=1)
    assert bench.worker.last(Steer).own == ((0, 50), (50, 60)) and bench.offered == ()
    bench.picture(60, of=60, claim=2)
    assert bench.offered == ((60, 99),)


def test_a_film_that_is_taken_has_what_came_for_it_and_not_for_one_that_was_begun_since(bench: Bench) -> None:
    bench.picture(50, of=50, claim=0)
    watch = bench.worker.last(Watch)
    bench.hand._came(Came(ones(watch, 10), (50, 60), 1, "cpu"))
    taken: list[Film | None] = []
    bench.hand._take(lambda film, frame: taken.append(film))
    bench.lend("all")
    assert bench.worker.last(Watch).look, "nodes do all of it from now on"
    bench.hand._came(Came(ones(watch, 30), (0, 30), 1, "cpu"))
    take = bench.worker.last(Take)
    film_buffers(Block.attach(take.block), watch.layout)["counts"][...] = 50
    bench.hand._hear(Taken(take.number, 1, watch.layout))
    assert taken[0] is not None and np.unique(taken[0].counts).tolist() == [60]


def ones(watch: Watch, count: int) -> Film:
    film = Film.of(watch.layout)
    film.counts[...] = count
    return film


def test_what_came_before_the_worker_died_is_kept_and_the_rest_is_offered_again(bench: Bench) -> None:
    watch = bench.worker.last(Watch)
    bench.hand._came(Came(ones(watch, 10), (60, 70), 1, "cpu"))
    bench.hand._drop()
    bench.hand._offer(bench.wish)
    assert bench.offered == ()
    bench.hand._worker, bench.hand._warm, bench.hand._device_asked = bench.worker, True, "cpu"  # type: ignore[assignment]
    bench.lend("share")
    assert bench.offered == ((50, 60), (70, 99)) and bench.worker.last(Watch).own == ((0, 50),)
    bench.picture(50, of=50, claim=0)
    frame: LiveFrame = bench.desk.frame
    assert frame.borrowed == 10 and frame.samples == 60 and not frame.complete


def test_what_was_taken_back_is_missing_and_the_picture_of_before_stands_until_the_rest_has_come_again(
    bench: Bench,
) -> None:
    bench.picture(50, of=50, claim=0)
    bench.came(50, 60)
    bench.came(60, 99)
    assert bench.frame.complete and bench.frame.state == "done" and bench.worker.told[-1].__class__ is Take
    asked = len(bench.worker.told)
    number, offers = bench.frame.number, len(bench.offers)
    bench.renew(begun=True)
    bench.came(60, 99)
    assert not bench.frame.complete and bench.frame.state == "rendering" and bench.frame.number == number
    bench.renew(begun=False)
    assert bench.frame.number > number and bench.frame.borrowed == 39 and not bench.frame.complete
    assert len(bench.offers) == offers and bench.offered == ((50, 99),), "the same job goes on"
    bench.came(50, 60)
    assert bench.frame.complete and len(bench.worker.told) == asked + 1, "the whole film is asked for again"


def test_what_was_taken_back_when_nothing_is_lent_any_more_is_rendered_here(bench: Bench) -> None:
    bench.picture(50, of=50, claim=0)
    bench.came(50, 60)
    bench.came(60, 80)
    bench.lend("")
    assert bench.worker.last(Steer).own == ((0, 50), (80, 99))
    bench.picture(69, of=69, claim=0)
    assert bench.frame.complete
    bench.renew(begun=True)
    bench.came(60, 80)
    bench.renew(begun=False)
    assert bench.worker.last(Steer).own == ((0, 50), (80, 99), (50, 60)) and bench.offered == ()
    assert not bench.frame.complete, "the worker has not rendered what became its own"
    bench.picture(79, of=79, claim=0)
    assert bench.frame.complete and bench.frame.borrowed == 20 and bench.frame.samples == 99


def test_what_was_taken_back_of_an_earlier_offer_is_offered_when_the_one_of_now_is_done(bench: Bench) -> None:
    bench.picture(50, of=50, claim=0)
    bench.came(50, 70)
    bench.wish = msgspec.structs.replace(bench.wish, paused=True)
    bench.hand._offer(bench.wish)
    bench.wish = msgspec.structs.replace(bench.wish, paused=False)
    bench.hand._offer(bench.wish)
    assert bench.offered == ((70, 99),)
    bench.renew(begun=True)
    bench.came(50, 60)
    bench.renew(begun=False)
    assert bench.offered == ((70, 99),)
    bench.came(70, 99)
    assert bench.offered == ((60, 70),) and not bench.frame.complete
    bench.came(60, 70)
    assert bench.frame.complete


def test_what_comes_again_for_an_earlier_film_is_not_listened_to(bench: Bench) -> None:
    bench.picture(50, of=50, claim=0)
    bench.came(50, 99)
    bench.hand._renew(Anew(7, True))
    assert bench.frame.complete and bench.frame.borrowed == 49
