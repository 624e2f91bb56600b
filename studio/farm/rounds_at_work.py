"""The rounds of a coordinator's adaptive jobs: decided when they are whole, and again when they were not after all.

A round is decided out of everybody's way, for its parts are fetched and added up, which may take seconds. What is
decided is written into the store first, under the service's lock, and only where nothing has changed meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Container
from functools import partial
from typing import Protocol

import msgspec

from studio.errors import CannotWrite
from studio.farm import rounds
from studio.farm.chain import Chain, decision
from studio.farm.coordinator import Coordinator
from studio.farm.jobs import RenderJob, chains, claimed, claimed_in, is_adaptive
from studio.farm.model import JobId, Lease, Piece, Result, Round
from studio.farm.ranges import Ranges
from studio.farm.store import Store
from studio.render.adaptive import round_end, round_start

AGAIN_S = 5.0  # after a store did not answer
MOST_AT_ONCE = 2  # each holds two films of its piece, and keeps a core busy
_Place = tuple[JobId, int]  # a job and one of its pieces


class Serving(Protocol):
    """What is asked of the coordinator's service (`studio.farm.service.Service`)."""

    store: Store
    coordinator: Coordinator

    def job(self, id_: JobId) -> RenderJob | None:
        """A job; None for one that is not here."""

    def alone(self) -> contextlib.AbstractContextManager[object]:
        """While it is entered nothing happens but by this thread."""

    def retract(self, id_: JobId, piece: int, result: Result) -> None:
        """Take a delivered result back."""


def in_thread(work: Callable[[], None]) -> None:
    """Do something in a thread of its own, which keeps no process from ending."""
    threading.Thread(target=work, name="studio-farm-round", daemon=True).start()


class Rounds:
    """What is asked of adaptive jobs. `look` is called now and then; `aside` does what takes seconds."""

    def __init__(self, service: Serving, aside: Callable[[Callable[[], None]], None]) -> None:
        self._service, self._aside = service, aside
        self.choices, self._sums = rounds.Choices(service.store), rounds.Sums()
        self._at_work: set[_Place] = set()
        self._later: dict[_Place, float] = {}

    def asked(self, job: RenderJob) -> tuple[dict[int, Round], dict[int, list[Result]]]:
        """What is asked of a job's pieces by now, and the results of that, as the store has it. What was decided on
        samples that are not there, for they were taken back by whoever was killed then, is decided anew. Not for a job
        that is at work here. Raises CannotWrite, BadAsset."""
        store, pieces = self._service.store, job.spec.pieces
        chained = chains(store, job)  # first: who decides something has claimed before what it was decided by
        results = claimed(store, job, chained)
        if not is_adaptive(job):
            return {}, results
        out = {}
        for row, chain in enumerate(chained):
            have = Ranges(result.range for result in results.get(row, ()))
            ends = [end for end in chain.ends if end < chain.target or (chain.final and end < pieces[row].samples)]
            hollow = [end for end in ends if not have.covers((pieces[row].first, end))]
            if hollow:
                rounds.undecide(store, job, pieces[row], hollow[0])
                chain = chain.cut(hollow[0])
            out[row] = self._last(job, pieces[row], chain)
        kept = {row: [r for r in found if r.range[1] <= out[row].samples] for row, found in results.items()}
        return out, {row: found for row, found in kept.items() if found}

    def _last(self, job: RenderJob, piece: Piece, chain: Chain) -> Round:
        """What the last round of a chain asks for; of one that cannot be read the round before, to be decided anew."""
        while True:
            try:
                asked = self.choices.round(job, piece, chain.target, chain.blocks[-1])
                return msgspec.structs.replace(asked, more=not chain.final)
            except rounds.Lost as fault:
                rounds.undecide(self._service.store, job, piece, fault.end)
                chain = chain.cut(fault.end)

    def look(self) -> None:
        """Begin to decide what is due."""
        with self._service.alone():
            found = (self._next(()) for _ in range(MOST_AT_ONCE - len(self._at_work)))
            due = [place for place in found if place is not None]
        for place in due:
            self._aside(partial(self._decide_all, place))

    def _next(self, tried: Container[_Place]) -> _Place | None:
        """A piece whose round is to be decided now, at which nobody else is from here on. The lock is held."""
        now = time.monotonic()
        for place in self._service.coordinator.due():
            if place not in tried and place not in self._at_work and self._later.get(place, now) <= now:
                self._at_work.add(place)
                return place
        return None

    def _decide_all(self, place: _Place | None) -> None:
        """Decide about a piece, and then about all that is due and nobody is at."""
        tried: set[_Place] = set()
        while place is not None:
            tried.add(place)
            try:
                self._decide(place)
            finally:
                with self._service.alone():
                    self._at_work.discard(place)
            with self._service.alone():
                place = self._next(tried)

    def _decide(self, place: _Place) -> None:
        try:
            self._decided(*place)
            self._later.pop(place, None)
        except rounds.Unsound as fault:  # which is rendered again, and then decided
            for result in fault.results:
                self._service.retract(*place, result)
        except rounds.Lost as fault:
            with contextlib.suppress(CannotWrite):  # it is due as before, and found out again
                self._decide_again(*place, fault.end)
        except CannotWrite:  # the store does not answer
            self._later[place] = time.monotonic() + AGAIN_S

    def _decided(self, id_: JobId, row: int) -> None:
        """Decide what comes after the round of a piece."""
        service, store = self._service, self._service.store
        with service.alone():
            job = service.job(id_)
            if job is None or (id_, row) not in service.coordinator.due():
                return
            asked, results = service.coordinator.round_of(id_, row), service.coordinator.results(id_, row)
        assert asked is not None  # or nothing were due
        piece = job.spec.pieces[row]
        film = rounds.film_of(store, job, piece, results, self.choices, self._sums)
        start = round_start(asked.samples - 1)
        before = self.choices.blocks(job, piece, start, asked.blocks) if asked.blocks else None
        blocks = rounds.next_blocks(job, piece, film, asked, before)
        if blocks is not None:
            self._sums.keep(job, piece, results, film)
        with service.alone():
            if service.job(id_) is None or (id_, row) not in service.coordinator.due():
                return
            if service.coordinator.results(id_, row) != results:
                return  # some were taken back, and rendered again, meanwhile
            name = rounds.write_blocks(store, job, piece, asked.samples, blocks)
            if blocks is None:
                service.coordinator.suffice(id_, row)
                return
            self.choices.keep(job, piece, name, blocks)  # or it were read again while everybody waits
            after = self.choices.round(job, piece, round_end(asked.samples, piece.samples), name)
            service.coordinator.extend(id_, row, after, cost=piece.cost, results=self._there(job, row, after))

    def _there(self, job: RenderJob, row: int, asked: Round) -> list[Result]:
        """The results of a round that are in the store, as of one that was decided anew and came out the same. Those of
        nodes that have lost trust since are taken back."""
        samples = round_start(asked.samples - 1), asked.samples
        out = []
        for result in claimed_in(self._service.store, job, row, samples, asked.blocks):
            if not result.node or self._service.coordinator.trusts(result.node):
                out.append(result)
            else:
                self._service.retract(job.spec.id, row, result)
        return out

    def _decide_again(self, id_: JobId, row: int, end: int) -> None:
        """Go back to the round that ends at a sample, for what was decided after it cannot be read any more."""
        with self._service.alone():
            job = self._service.job(id_)
            asked = self._service.coordinator.round_of(id_, row) if job is not None else None
            if job is not None and asked is not None and end < asked.samples:
                self._rewind(job, row, end)

    def missed(self, lease: Lease) -> None:
        """Hear of a unit for which something could not be read. Where that is what it is of, that is decided anew, and
        the unit is over. Raises CannotWrite where that cannot be said now."""
        job = self._service.job(lease.job)
        if job is None or not lease.blocks:
            return
        start = round_start(lease.range[0])
        try:
            rounds.read_blocks(self._service.store, job, job.spec.pieces[lease.piece], start, lease.blocks)
        except rounds.Lost:
            self._decide_again(lease.job, lease.piece, start)

    def undo(self, job: RenderJob, row: int, result: Result) -> None:
        """Take back what was decided with a result that comes to be taken back. The service's lock is held. Raises
        CannotWrite, and is then called again."""
        coordinator, id_ = self._service.coordinator, job.spec.id
        asked = coordinator.round_of(id_, row)
        counted = ((r.range, r.key) for r in coordinator.results(id_, row))
        if asked is None or (result.range, result.key) not in counted:
            return
        most = job.spec.pieces[row].samples
        end = round_end(round_start(result.range[0]), most)
        if end == asked.samples and asked.more == (end < most):
            return  # nothing was decided with it
        self._rewind(job, row, end)

    def _rewind(self, job: RenderJob, row: int, end: int) -> None:
        """Go back to the round that ends at a sample, or to one before where its blocks cannot be read any more."""
        coordinator, piece, id_ = self._service.coordinator, job.spec.pieces[row], job.spec.id
        chosen = {round_start(r.range[0]): r.blocks for r in coordinator.results(id_, row)}
        now = coordinator.round_of(id_, row)
        assert now is not None  # as whoever calls has seen
        chosen[round_start(now.samples - 1)] = now.blocks
        known = [decision(start, blocks) for start, blocks in chosen.items() if start] + [decision(now.samples, "")]
        while True:
            try:
                back = self.choices.round(job, piece, end, chosen[round_start(end - 1)])
                break
            except rounds.Lost as fault:
                end = fault.end
        rounds.undecide(self._service.store, job, piece, end, known=known)
        coordinator.rewind(id_, row, back, cost=piece.cost)
