"""What nodes have delivered to a live view: each claim becomes a film once, and one that is withdrawn is taken out.

A coordinator that finds a forger takes back all that it delivered: claim and partial are gone from the store. Their
samples may be in the view's picture by then. Sums could be subtracted, but the nearest of depths and the mattes of a
pixel cannot, so the film is made anew: the view forgets what came, and gets again what still counts. A list may be
older than the store is, so what it lacks is looked up before it is believed.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.errors import BadAsset, CannotWrite
from studio.farm.jobs import claim_on, is_same, job_key
from studio.farm.live.loan import Deliver, Renew, Wanted
from studio.farm.live.wish_list import Posted, WishList
from studio.farm.model import Result
from studio.farm.store import Store
from studio.farm.verify import check_partial, largest_part

MOST_TRIES = 10  # of taking what cannot be read
MOST_KEPT = 32  # jobs of which nothing more is wanted; what came of older ones is rendered again
WATCH_S = 2.0  # between two looks whether anything of what is done was taken back
_CLAIM = re.compile(r"(\d{1,12})-(\d{1,12})(?:\.\d{1,2})?\.json")


class AnotherScene(BadAsset):
    """A partial is of another scene than what was asked for."""


class Collector:
    """See the module. `stale` says whether nobody looks at a film any more, also in the middle of a look."""

    def __init__(self, store: Store, deliver: Deliver, renew: Renew, stale: Callable[[Wanted], bool]) -> None:
        self._store, self._deliver, self._renew, self._stale = store, deliver, renew, stale
        self._digest: tuple[int, str] = (0, "")  # of the scene of a generation
        self._watched = -WATCH_S
        self._anew = 0  # the generation of which results come again
        self.samples = 0  # that came of the film

    def begin(self) -> None:
        """Another film."""
        self.samples = self._anew = 0

    def end(self) -> None:
        """Nothing comes again any more."""
        if self._anew:
            generation, self._anew = self._anew, 0
            self._renew(generation, False)

    def collect(self, film: Wanted, jobs: WishList) -> Iterator[int]:
        """Fetch and check what was delivered of a film since the last look; gives numbers of samples that are new.

        Raises AnotherScene, BadAsset for what cannot be read again and again, and CannotWrite.
        """
        if self._taken_back(film, jobs):
            self._renew(film.generation, True)
            self._anew, self.samples = film.generation, 0
            for job in (*jobs.kept, *jobs.out):
                job.take_again()
        for job in (*jobs.kept, *jobs.out):
            for key, result in list(job.again.items()):
                if not self._stands(job, result) or self._try(film, job, result, key):
                    job.again.pop(key, None)
                if self._stale(film):
                    return
        if self._anew == film.generation and not any(job.again for job in (*jobs.kept, *jobs.out)):
            self.end()
        for job in jobs.out:
            if job.left:
                yield from self._claims(film, job)
                if self._stale(film):
                    return

    def _claims(self, film: Wanted, job: Posted) -> Iterator[int]:
        """Take the claims of a job that is out."""
        for key, _ in self._store.list(job_key(job.id, "done")):
            if key in job.results or key in job.again or key in job.passed:
                continue
            match = _CLAIM.fullmatch(key.rsplit("/", 1)[-1])
            samples = (int(match[1]), int(match[2])) if match is not None else (0, 0)
            if match is None or job.taken.meets(samples):
                job.passed.add(key)
                continue
            result = claim_on(self._store, job.id, job.job.spec.pieces[0], samples)
            if result is not None and self._try(film, job, result, key):
                yield samples[1] - samples[0]
                if self._stale(film):
                    return
            # else it was withdrawn a moment ago: somebody else may have the range by the next look

    def _try(self, film: Wanted, job: Posted, result: Result, key: str) -> bool:
        """Take a result; False for one that cannot be read, as when its claim was withdrawn a moment ago."""
        try:
            self._take(film, job, result, key)
        except AnotherScene:
            raise
        except BadAsset:
            job.tries[key] = job.tries.get(key, 0) + 1
            if job.tries[key] >= MOST_TRIES:
                raise
            return False
        return True

    def _take(self, film: Wanted, job: Posted, result: Result, key: str) -> None:
        piece = job.job.spec.pieces[0]
        try:
            with tempfile.TemporaryDirectory(prefix="myriad-live-") as folder:
                path = Path(folder) / "unit.part"
                self._store.copy_to(path, result.key, most=largest_part(job.job, piece))
                made, header = check_partial(path, job.job, piece, result)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"what nodes deliver cannot be kept: {reason}; make room on the disk") from fault
        if self._digest[0] != film.generation or not self._digest[1]:
            self._digest = film.generation, film.flat.digest()
        if header.scene != self._digest[1]:
            raise AnotherScene(
                "The nodes see another scene than this view, so their samples are not used; save the scene, open it "
                "again and look at the import report."
            )
        job.take(key, result)
        if self._deliver(made, result.range, film.generation, header):
            self.samples += result.range[1] - result.range[0]

    # --- what is taken back ------------------------------------------------------------------------------------------
    def _taken_back(self, film: Wanted, jobs: WishList) -> bool:
        """Whether any of what was delivered counts no more; looked at every now and then."""
        if self._anew == film.generation or time.monotonic() - self._watched < WATCH_S:
            return False
        self._watched = time.monotonic()
        found = [self._withdrawn(job) for job in (*jobs.kept, *jobs.out) if job.results]
        while len(jobs.kept) > MOST_KEPT:
            jobs.drop(jobs.kept[0])
            found.append(True)
        return any(found)

    def _withdrawn(self, job: Posted) -> bool:
        """Whether results of a job were taken back, which are forgotten."""
        there = {key for key, _ in self._store.list(job_key(job.id))}
        lost = [
            key
            for key, result in job.results.items()
            if not {key, result.key} <= there and not self._stands(job, result)
        ]
        for key in lost:
            del job.results[key]
        return bool(lost)

    def _stands(self, job: Posted, result: Result) -> bool:
        """Whether a result has its claim."""
        found = claim_on(self._store, job.id, job.job.spec.pieces[0], result.range)
        return found is not None and is_same(found, result)
