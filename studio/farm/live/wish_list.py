"""The jobs of a live view in the store: those that it wants, those that count, and those that go.

Every wish of a view is a job of its own. One that is replaced by another of the same film is *kept*: nobody renders at
it any more, but what came of it is in the picture, and only of a job that it knows can a coordinator take results
back. With another film all of them go: they are taken off the list, and swept when their nodes have let go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from studio.farm.jobs import RenderJob
from studio.farm.live.desk import Wish, end_session, sweep, write_wish
from studio.farm.model import Range, Result
from studio.farm.ranges import Ranges
from studio.farm.store import Store

BEAT_S = 10.0
SWEEP_S = 20.0  # until what a job left in the store is removed: its nodes have let go by then


@dataclass(slots=True, eq=False)
class Posted:
    """A job that is in the store, and what was taken of it."""

    job: RenderJob
    range: Range
    results: dict[str, Result] = field(default_factory=dict)  # by the keys of their claims
    again: dict[str, Result] = field(default_factory=dict)  # that were taken, and are to be taken anew
    tries: dict[str, int] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)  # claims that are of no use
    taken: Ranges = field(default_factory=Ranges)

    @property
    def id(self) -> str:
        return self.job.spec.id

    @property
    def left(self) -> bool:
        return self.taken.size < self.range[1] - self.range[0]

    def take(self, key: str, result: Result) -> None:
        """A result is in the picture."""
        self.results[key] = result
        self.taken.add(result.range)
        self.again.pop(key, None)

    def lose(self, ranges: Iterable[Range]) -> None:
        """What is asked for again is not in the picture."""
        asked = Ranges(ranges)
        self.results = {key: result for key, result in self.results.items() if not asked.meets(result.range)}
        self.again = {key: result for key, result in self.again.items() if not asked.meets(result.range)}

    def take_again(self) -> None:
        """Nothing of it is in the picture any more."""
        self.again |= self.results
        self.results, self.tries, self.passed, self.taken = {}, {}, set(), Ranges()


class WishList:
    """See the module."""

    def __init__(self, store: Store, session: str) -> None:
        self._store, self._session = store, session
        self.out: list[Posted] = []  # that are wanted now
        self.kept: list[Posted] = []
        self._old: list[tuple[float, str]] = []  # when they are removed, and their ids
        self._beat = 0
        self._beaten = -BEAT_S

    @property
    def left(self) -> bool:
        """Whether anything that is wanted has not come."""
        return any(job.left for job in self.out)

    def replace(self, jobs: Sequence[Posted], *, fresh: bool) -> None:
        """Want these in the place of what is out; `fresh`: they are of another film."""
        for job in (*self.kept, *self.out):
            job.lose(posted.range for posted in jobs)
        stay = [] if fresh else [job for job in self.out if job.results or job.again]
        self._retire([job for job in self.out if job not in stay])
        if fresh:
            self._retire(self.kept)
            self.kept = []
        self.kept = [*self.kept, *stay]
        self.out = list(jobs)
        self.write()

    def drop(self, job: Posted) -> None:
        """Keep a job no more."""
        self.kept.remove(job)
        self._retire([job])

    def _retire(self, jobs: Sequence[Posted]) -> None:
        due = time.monotonic() + SWEEP_S
        self._old += [(due, job.id) for job in jobs]

    def write(self) -> None:
        """Say in the store what is wanted."""
        self._beat += 1
        self._beaten = -math.inf  # until the store has taken it
        out, kept = (tuple(job.id for job in jobs) for jobs in (self.out, self.kept))
        write_wish(self._store, self._session, Wish(beat=self._beat, jobs=out, kept=kept))
        self._beaten = time.monotonic()

    def keep_up(self) -> None:
        """Give a sign of life, and remove what is not needed any more."""
        now = time.monotonic()
        if now - self._beaten >= BEAT_S:
            self.write()
        while self._old and self._old[0][0] <= now:
            sweep(self._store, self._old.pop(0)[1])

    def end(self, *, until: float) -> None:
        """Want nothing, and remove what the view has in the store, until a moment of the monotonic clock. What is left
        then is removed by the coordinator, which hears no beat any more."""
        self.out = self.kept = []
        self.write()
        end_session(self._store, self._session, until=until)
