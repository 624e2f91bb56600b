"""A live view borrows the nodes of a farm: what it wants goes to a store, and what nodes deliver comes back as films.

The scene is sent once, as a bundle. After that an edit is a line of text in the next job
(`studio.scene.scene_changes`). Every wish of the view is a job of its own, the one before is taken off the list and
given up by its nodes at their next report, and what is delivered late for it is not looked at. So a picture never mixes
two scenes; the digest of the scene in every partial, which has to be the view's own, is the proof. Where the artist has
a key every job is signed, so that nodes that work for known artists alone lend themselves too.

While edits follow one another faster than nodes can answer, the newest waits until the one at work has brought
something or the hand has rested for a moment. A thread of its own does all this; nothing here makes its caller wait,
the end of a loan neither: the thread takes its leave of the store when the view has gone. A program that ends gives
that a short while, and what is left in the store then is removed by the coordinator.

| part | file |
|---|---|
| what is asked, and how it stands | `loan` |
| the scene in the store | `sent_scene` |
| the jobs in the store | `wish_list` |
| what comes, and what is taken back | `collecting` |
| the coordinator's side | `desk` |
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import secrets
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from studio.errors import Cancelled, CannotWrite, StudioError
from studio.farm.jobs import RenderJob, job_key, write_job
from studio.farm.live.collecting import AnotherScene, Collector
from studio.farm.live.desk import Stand, job_name, read_stand
from studio.farm.live.job import live_job
from studio.farm.live.loan import NO_COORDINATOR, NO_NODES, NONE_FIT, Deliver, Loan, Renew, Wanted
from studio.farm.live.sent_scene import SentScene
from studio.farm.live.wish_list import Posted, WishList
from studio.farm.model import Needs
from studio.farm.orders import works
from studio.farm.store import Store
from studio.farm.trust.artist import sign, sign_job
from studio.farm.trust.signing import Key
from studio.render.checkpoint import build_id

CALM_S = 0.2  # without a newer wish, before one that has brought nothing is given up for the next
POLL_S = 0.2
FAR_POLL_S = 1.0  # where every look costs a request to a bucket
FAREWELL_S = 10.0  # that a loan that has ended removes what it has in the store
EXIT_S = 2.0  # of that, that a program which ends waits for all loans together
RATE_S = 6.0  # over which samples a second are measured
AGAIN_S = 2.0  # after a store that does not answer
LOOK_S = 5.0  # between two looks whether a coordinator is there
SETTLE_S = 5.0  # that a coordinator has to look at a wish, or to begin, before what it does not do is told


class Borrower:
    """A view's side of borrowing. Use it in a `with`, or close it.

    `deliver` gets films, `renew` hears when they are to be summed anew (`studio.farm.live.loan`), and `told` how it
    stands, all from the thread here. `want` may be called from any thread. Nodes that are less trusted than `trust`
    never see the scene; `device` keeps to one class of device. `poll_s` is how often the store is looked at, 0 as suits
    its kind. With `key`, the artist's, what is wanted is signed.
    """

    def __init__(
        self,
        store: Store,
        *,
        deliver: Deliver,
        renew: Renew,
        told: Callable[[Loan], None] = lambda loan: None,
        poll_s: float = 0.0,
        device: str = "",
        trust: int = 1,
        key: Key | None = None,
        folder: Path | None = None,
    ) -> None:
        self.store = store
        self.session = secrets.token_hex(6)
        self.loan = Loan(sentence="Asking for nodes.")
        self._told = told
        self._poll_s = poll_s or (FAR_POLL_S if "://" in store.name else POLL_S)
        self._needs = Needs(build=build_id(), device=device, trust=trust)
        self._key = key
        self._signed = ""  # the bundle that was
        self._condition = threading.Condition()
        self._wanted: Wanted | None = None
        self._wanted_at = 0.0
        self._closed = False
        self._scene = SentScene(store, folder)
        self._jobs = WishList(store, self.session)
        self._collector = Collector(store, deliver, renew, self._stale)
        self._out_for: Wanted | None = None
        self._film: Wanted | None = None  # what was wanted last: what came of it may be in the picture still
        self._number = 0
        self._looked = -LOOK_S
        self._works = self._answers = False
        self._refused = ""  # why what is wanted now cannot be had
        self._started = self._wished = time.monotonic()  # when something else was wanted last
        self._came: collections.deque[tuple[float, int]] = collections.deque()
        self._sample_s = 0.0
        self._thread = threading.Thread(target=self._work, name="borrowed nodes", daemon=True)
        _loans.add(self)
        self._thread.start()

    def want(self, wanted: Wanted | None) -> None:
        """Have this rendered from now on, and nothing else; None: nothing."""
        with self._condition:
            self._wanted, self._wanted_at = wanted, time.monotonic()
            self._condition.notify()

    def close(self) -> None:
        """Give the nodes back, and remove from the store what is the view's: the thread does, and is not waited for."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def wait(self, seconds: float) -> bool:
        """Wait until a loan that was closed has left the store, so long at the most; whether it has."""
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Leave what is in the store to the coordinator, as the store does not answer; nothing stays on this disk."""
        self._scene.remove()

    def __enter__(self) -> Borrower:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()
        self.wait(FAREWELL_S)

    # --- the thread --------------------------------------------------------------------------------------------------
    def _work(self) -> None:
        try:
            self._serve()
        finally:
            self._collector.end()
            self._scene.remove()
            with contextlib.suppress(StudioError):  # what is left there grows silent, and the coordinator removes it
                self._jobs.end(until=time.monotonic() + FAREWELL_S)

    def _serve(self) -> None:
        """Until the view is closed."""
        pause, wanted = 0.0, self._wanted
        while True:
            with self._condition:
                if not self._closed and self._wanted is wanted:  # not what came while the store was asked
                    self._condition.wait(pause)
                if self._closed:
                    return
                wanted, since = self._wanted, self._wanted_at
            pause = self._poll_s
            try:
                self._follow(wanted, since)
                self._jobs.keep_up()
                self._collect()
                self._say(**self._standing())
            except CannotWrite as fault:
                self._say(sentence=str(fault), fault=True, passes=True)
                pause = AGAIN_S
            except AnotherScene as fault:
                self._another_scene(str(fault))
            except StudioError as fault:
                self._refuse(str(fault))
            except Exception as fault:  # of ours: said to the artist with what we need to mend it
                where = traceback.extract_tb(fault.__traceback__)[-1]
                place = f"{type(fault).__name__} in {where.name}, line {where.lineno}: {fault}"
                self._refuse(f"Borrowing nodes failed ({place}); give them back and borrow again, and report this.")
            if wanted is not self._out_for:
                pause = min(pause, CALM_S / 2)

    def _refuse(self, sentence: str) -> None:
        """Something about the scene of now cannot be sent, or what came for it is wrong: the next is tried again."""
        with contextlib.suppress(CannotWrite):  # said with the next beat
            self._give_up()
        self._refused = sentence
        self._say(at_work=0, samples_s=0.0, sentence=sentence, fault=True, passes=False)

    def _another_scene(self, sentence: str) -> None:
        """The nodes see another scene than the view: once it is sent anew, then that is the artist's to know."""
        if all(job.job.changes is None for job in self._jobs.out):
            self._refuse(sentence)
            return
        self._scene.doubt()
        self._out_for = None  # it is sent again
        with contextlib.suppress(CannotWrite):
            self._give_up()
        self._say(at_work=0, samples_s=0.0, sentence="The nodes see another scene than this view; it is sent anew.")

    # --- what is wanted ----------------------------------------------------------------------------------------------
    def _follow(self, wanted: Wanted | None, since: float) -> None:
        """Send what is wanted, when that is due."""
        if wanted is self._out_for:
            return
        if wanted is None:
            self._out_for, self._refused = None, ""
            self._give_up()
            self._say(samples=0)
            return
        waits = any(not job.taken for job in self._jobs.out) and not _same_film(self._out_for, wanted)
        if waits and time.monotonic() - since < CALM_S:
            return
        before, self._out_for, self._refused = self._out_for, wanted, ""
        try:
            self._submit(wanted)
        except CannotWrite:
            self._out_for = before  # it is sent again
            raise

    def _submit(self, wanted: Wanted) -> None:
        """Put what is wanted into the store, in the place of what is out."""
        begun = time.perf_counter()
        fresh = not _same_film(self._film, wanted)
        base, told, sent = self._scene.bring(wanted.scene, self._sending)
        if told is None:
            self._signed = ""  # also where the same files were cleaned away, and their signature with them
        jobs = []
        for samples in wanted.ranges:
            self._number += 1
            job = live_job(
                job_name(self.session, self._number),
                base,
                told,
                wanted.flat.camera,
                samples,
                frame=wanted.flat.frame,
                settings=wanted.settings,
                needs=self._needs,
                owner=self.session,  # each view has a share of its own
                expected_s=self._sample_s,
            )
            self._sign(job)
            write_job(self.store, job)
            sent += self.store.size(job_key(job.spec.id, "job.json")) or 0
            jobs.append(Posted(job, samples))
        self._film, self._wished = wanted, time.monotonic()
        if fresh:
            self._came.clear()
            self._collector.begin()
            self._say(samples=0)
        self._jobs.replace(jobs, fresh=fresh)
        seconds = time.perf_counter() - begun
        self._say(bytes=sent, seconds=seconds, whole=told is None)

    def _sign(self, job: RenderJob) -> None:
        """Put the artist's name under a job, and once under its bundle."""
        if self._key is None:
            return
        if self._signed != job.spec.bundle:
            sign(self.store, job, self._key)
            self._signed = job.spec.bundle
        else:
            sign_job(self.store, job, self._key)

    def _sending(self, done: int, total: int) -> None:
        if self._closed:
            raise Cancelled("the nodes were given back while the scene was sent")
        self._jobs.keep_up()
        self._say(sending=(done, total) if done < total else (0, 0))

    def _give_up(self) -> None:
        """Want nothing any more; what came stays in the picture, and what is taken back of it is looked for."""
        if self._jobs.out:
            self._jobs.replace((), fresh=False)

    def _stale(self, film: Wanted) -> bool:
        """Whether what comes of a film is of a scene that nobody looks at any more."""
        return self._closed or (self._wanted is not None and not _same_film(self._wanted, film))

    def _collect(self) -> None:
        """Fetch what nodes have delivered since the last look."""
        if self._film is None:
            return
        for count in self._collector.collect(self._film, self._jobs):
            self._came.append((time.monotonic(), count))
            self._say(samples=self._collector.samples)

    # --- how it stands -----------------------------------------------------------------------------------------------
    def _standing(self) -> dict[str, object]:
        now = time.monotonic()
        if now - self._looked >= (LOOK_S if self._works else self._poll_s):
            self._looked = now
            self._works = works(self.store)
        found = read_stand(self.store, self.session) if self._works else None
        self._answers, stand = found is not None, found or Stand()
        self._sample_s = stand.sample_s or self._sample_s
        while self._came and now - self._came[0][0] > RATE_S:
            self._came.popleft()
        first = self._came[0][0] if self._came else now
        count = sum(count for _, count in self._came)
        rate = count / max(now - first, self._poll_s, 1.0) if self._jobs.left else 0.0
        sentence = self._sentence(stand)
        return {
            "at_work": stand.at_work,
            "fit": stand.fit,
            "nodes": stand.nodes,
            "samples_s": rate,
            "sentence": sentence,
            "fault": bool(sentence),
            "passes": sentence in (NO_COORDINATOR, NO_NODES),
        }

    def _sentence(self, stand: Stand) -> str:
        if self._refused:
            return self._refused
        if not self._works:
            return NO_COORDINATOR if time.monotonic() - self._started >= SETTLE_S else ""
        if self._answers and not stand.nodes:
            return NO_NODES
        if stand.nodes and not stand.fit and self._jobs.left and self._patience():
            return NONE_FIT
        return ""

    def _patience(self) -> bool:
        """Whether a coordinator has had the time to look at what is wanted."""
        return time.monotonic() - self._wished >= SETTLE_S

    def _say(self, **now: object) -> None:
        loan = replace(self.loan, **now)  # type: ignore[arg-type]
        if loan != self.loan:
            self.loan = loan
            self._told(loan)


def _same_film(one: Wanted | None, other: Wanted | None) -> bool:
    return one is not None and other is not None and one.generation == other.generation


# --- the end of the program ------------------------------------------------------------------------------------------
_loans: weakref.WeakSet[Borrower] = weakref.WeakSet()  # a running thread holds its own


@atexit.register
def _leave() -> None:
    """Have every loan take its leave, and wait a short while for all of them."""
    until = time.monotonic() + EXIT_S
    loans = list(_loans)
    for loan in loans:
        loan.close()
    for loan in loans:
        if not loan.wait(max(until - time.monotonic(), 0.0)):
            loan.abandon()
