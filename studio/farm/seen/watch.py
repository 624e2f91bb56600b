"""Watching a farm: how the jobs of a store stand, read from the store again and again, with no coordinator asked.

    watch = FarmWatch(changed)      # `changed` is called on the watch's own threads, with whole immutable states
    watch.add("/mnt/farm"); watch.seen = True; watch.follow("/mnt/farm", "hall-4f2a")

Each store has a thread, so that one that does not answer keeps no other waiting. It is looked at every two seconds
while somebody looks, twice a minute otherwise, and ever more rarely while it does not answer. What jobs have rendered
is brought home on the same thread, for those whose pictures' place this machine knows (`studio.farm.results.Notes`);
once all frames of a movie are here it is made, one at a time of each store (`studio.farm.seen.homeward`). What was told
of a job is remembered, so whoever comes back tomorrow hears once what happened meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from studio.errors import CannotWrite, StudioError, UsageError
from studio.farm.jobs import RenderJob, job_ids, read_job
from studio.farm.model import JobId, NodeRow
from studio.farm.money.bill import Books
from studio.farm.orders import orders_after, wished, works
from studio.farm.seen import known
from studio.farm.seen.course import Course
from studio.farm.seen.homeward import Homeward
from studio.farm.seen.making import Making
from studio.farm.seen.states import OVER, Detail, JobState, News, StoreState, engine_of, frames_of, left_s, nodes_at
from studio.farm.session import job_folder, nodes_of, standing
from studio.farm.store import Patience, Store, open_store

if TYPE_CHECKING:  # it brings the denoiser's and the signatures' libraries along
    from studio.farm.trust.credits import Author

SEEN_S, HIDDEN_S = 2.0, 30.0  # between two looks
LIST_S = 15.0  # between two looks for jobs that are new, or begin again
LONGEST_S = 120.0  # between two tries of a store that does not answer
ALONE_S = 90.0  # that a job may go without anybody who works at it, before that is told
LONGEST_END_S = 10.0  # that is waited for threads at the end; a store that does not answer is left to itself
ENDS = ("done", "unmade", "failed", "lost", "capped", "cancelled", "alone")  # what is told


@dataclass(slots=True)
class _Kept:
    """A job as far as it was read, and what is brought home of it."""

    job: RenderJob
    home: Path
    way: Homeward
    state: JobState | None = None
    course: Course = field(default_factory=Course)
    alone: float = 0.0  # since when nobody works at it
    orders: int = 0  # were read
    cap: int | None = None  # by orders


class JobWatch:
    """One store, looked at by whoever calls `look`. Not thread safe but for `follow`, `fetch` and `hurry`."""

    def __init__(
        self,
        place: str,
        *,
        open: Callable[[str], Store] | None = None,
        clock: Callable[[], float] = time.time,
        collect: bool = True,
        author: Callable[[], Author | None] = lambda: None,
    ) -> None:
        self.place = place
        self.seen = False
        self.state = StoreState(place, name=place)
        self._open, self._clock, self._collects, self._author = open or _opened, clock, collect, author
        self._store: Store | None = None
        self._jobs: dict[JobId, _Kept] = {}
        self._unreadable: dict[JobId, str] = {}
        self._followed: JobId = ""
        self._telling: JobId = ""  # the job whose log is told
        self._wanted: deque[tuple[JobId, Path | None]] = deque()  # others put in what this one takes out
        self._ending: list[Making] = []  # of jobs that are gone
        self.ended: Callable[[], object] = lambda: None  # a movie's making: it is time to look
        self._listed = float("-inf")
        self._failures = 0
        self._books = Books()
        self._remembered = known.recall(place) or known.Remembered(place=place)
        self._closing = threading.Event()

    # --- what others ask ---------------------------------------------------------------------------------------------
    def follow(self, id_: JobId) -> None:
        """Say more of this job from the next look on; "" for none."""
        self._followed = id_

    def hurry(self) -> None:
        """Look for everything at the next look: somebody has just changed something."""
        self._listed = float("-inf")

    def fetch(self, id_: JobId, output: Path | None = None) -> None:
        """Bring the pictures of a job home at the next look, also those that were removed here; to `output` when this
        machine does not know where they go, or another place is wanted."""
        self._wanted.append((id_, output))

    @property
    def pause_s(self) -> float:
        """How long to wait before the next look."""
        every = SEEN_S if self.seen else HIDDEN_S
        return max(every, min(every * 2.0**self._failures, LONGEST_S)) if self._failures else every

    def stop(self) -> None:
        """Have a look that is under way end soon, and a movie's making."""
        self._closing.set()
        for making in [kept.way.making for kept in list(self._jobs.values())]:
            if making is not None:
                making.stop()

    def close(self) -> None:
        """Give back what is held. Nothing looks any more."""
        self._closing.set()
        for kept in self._jobs.values():
            kept.way.end()
        for making in [kept.way.making for kept in self._jobs.values()] + self._ending:
            if making is not None:
                making.join()
        self._books.close()

    # --- looking -----------------------------------------------------------------------------------------------------
    def look(self) -> StoreState:
        """Read the store, and give its state; one that does not answer gives the last one with the fault's sentence."""
        try:
            self._store = self._store or self._open(self.place)
            self._read(self._store)
            self._failures = 0
        except StudioError as fault:
            self.hurry()
            self._failures = min(self._failures + 1, 16)
            self.state = replace(self.state, fault=str(fault), news=(), detail=None)
        return self.state

    def collect(self) -> bool:
        """Bring home what is done, for a moment; whether there is something new to see, or more to bring."""
        if self._store is None or self.state.fault:
            return False
        for id_, output in [self._wanted.popleft() for _ in range(len(self._wanted))]:
            if id_ in self._jobs and not self._jobs[id_].way.fetch(self._store, output):
                self._wanted.append((id_, output))
        changed = False
        for kept in list(self._jobs.values()):
            if self._closing.is_set():
                return False
            changed = self._bring(self._store, kept) or changed
        return changed

    def _bring(self, store: Store, kept: _Kept) -> bool:
        """Bring home what is done of a job; whether something came, or a fault is new."""
        if kept.state is None:
            return False
        changed = kept.way.go_on(
            store,
            kept.state,
            by_itself=self._collects,
            looks=self.seen and kept.job.spec.id == self._followed,
            busy=any(each.way.making is not None for each in self._jobs.values()),
        )
        kept.state = replace(kept.state, fault=kept.way.fault)
        return changed

    def _read(self, store: Store) -> None:
        now = self._clock()
        fresh = now - self._listed >= LIST_S
        if fresh:
            self._listed = now  # before it looks: who hurries it meanwhile is to be heard
            self._find(store)
        working = works(store)
        rows = tuple(nodes_of(store)) if working else ()
        for kept in list(self._jobs.values()):
            if self._closing.is_set():
                return
            followed = kept.job.spec.id == self._followed
            moves = kept.way.came or kept.way.making is not None
            if fresh or followed or moves or kept.state is None or not kept.state.over:
                self._stand(store, kept, working, rows, now)
        jobs = sorted(
            (kept.state for kept in self._jobs.values() if kept.state is not None),
            key=lambda job: (job.standing.submitted_at, job.id),
        )
        news = self._news(jobs, now)
        self.state = StoreState(
            place=self.place,
            name=store.name,
            works=working,
            jobs=tuple(jobs),
            unreadable=tuple(self._unreadable.values()),
            nodes=rows,
            detail=self._detail(store, rows, working),
            news=news,
        )

    def _find(self, store: Store) -> None:
        """Jobs that are new, and those that are gone."""
        there = set(job_ids(store))
        for id_ in set(self._jobs) - there:
            way = self._jobs.pop(id_).way
            way.end()
            self._ending += [way.making] if way.making is not None else []
        self._ending = [making for making in self._ending if not making.over]
        self._unreadable = {id_: told for id_, told in self._unreadable.items() if id_ in there}
        for id_ in sorted(there - set(self._jobs)):
            try:
                job = read_job(store, id_)
                self._unreadable.pop(id_, None)
                if not job.spec.live:  # those are a picture that somebody is lighting, and gone in a moment
                    self._jobs[id_] = self._kept(job, job_folder(store, id_))
            except CannotWrite:
                raise
            except StudioError as fault:
                self._unreadable[id_] = str(fault)

    def _kept(self, job: RenderJob, home: Path) -> _Kept:
        way = Homeward(
            job,
            home,
            clock=self._clock,
            author=self._author,
            closing=self._closing.is_set,
            ended=lambda: self.ended(),
        )
        return _Kept(job, home, way)

    def _stand(self, store: Store, kept: _Kept, working: bool, rows: tuple[NodeRow, ...], now: float) -> None:
        """How a job stands now."""
        from studio.farm.movie import read_movie
        from studio.farm.results import read_notes

        stands = standing(store, kept.job, working=working)
        if stands.state not in OVER or kept.job.spec.id == self._followed:
            kept.course.read(store, kept.job)
        orders = orders_after(store, kept.job.spec.id, kept.orders)
        if orders:
            kept.orders = orders[-1][0] + 1
            cap = wished(order for _, order in orders).get("cap")
            kept.cap = cap.value if cap is not None else kept.cap
        notes = read_notes(kept.home)
        movie = read_movie(kept.home, notes)
        where = movie.output if movie is not None else notes.output if notes is not None else ""
        spent = self._books.spent(kept.job.spec.id)
        kept.way.came = False
        kept.state = JobState(
            place=self.place,
            standing=stands,
            engine=engine_of(kept.home),
            owner=kept.job.spec.owner,
            output=where,
            left_s=left_s(kept.job, kept.course, stands, rows, now),
            cap_micros=kept.cap if kept.cap is not None else kept.job.spec.cap_micros,
            spent_micros=spent[0] if spent is not None else None,
            currency=spent[1] if spent is not None else "",
            written=len(notes.frames) if notes is not None else 0,
            fault=kept.way.fault,
            movie=kept.way.mark(movie),
            encoded=kept.way.making.done if kept.way.making is not None else 0,
            lack=kept.way.lack,
        )

    def _detail(self, store: Store, rows: tuple[NodeRow, ...], working: bool) -> Detail | None:
        kept = self._jobs.get(self._followed)
        if kept is None or kept.state is None:
            self._tell_log("")
            return None
        id_ = kept.job.spec.id
        frames = tuple(frames_of(store, kept.job, kept.home, kept.course, rows, working))
        nodes, bill = tuple(nodes_at(kept.job, kept.course, rows)), self._books.bill(id_)
        afresh = not kept.course.tells
        events = kept.course.told(store, kept.job)  # the last, as what was told is not told again
        self._tell_log(id_)
        return Detail(
            id=id_,
            pieces=tuple(piece.name for piece in kept.job.spec.pieces),
            frames=frames,
            nodes=nodes,
            events=events,
            afresh=afresh,
            bill=bill,
        )

    def _tell_log(self, id_: JobId) -> None:
        """Go on with the log of this job; nobody wants that of another any more."""
        before = self._jobs.get(self._telling) if self._telling != id_ else None
        if before is not None:
            before.course.untold()
        self._telling = id_

    # --- what is told once -------------------------------------------------------------------------------------------
    def _news(self, jobs: Iterable[JobState], now: float) -> tuple[News, ...]:
        """What became of jobs since it was told last, written down where that can be. Of a job that is over when it is
        first seen nobody waits to hear."""
        told = dict(self._remembered.told)
        news: list[News] = []
        for job in jobs:
            state = self._worth_telling(job, now)
            before = told.get(job.id)
            if state == before:
                continue
            told.pop(job.id, None)  # the newest last
            told[job.id] = state
            if state in ENDS and (before is not None or state == "alone"):
                news.append(News(self.place, job.standing, state, job.output, job.fault, job.lack))
        if told != self._remembered.told:
            self._remembered = msgspec.structs.replace(self._remembered, told=told)
            if known.recall(self.place) is not None or self.place == known.own_store():
                with contextlib.suppress(CannotWrite):  # it is then told again after the next start
                    known.keep(self._remembered)
        return tuple(news)

    def _worth_telling(self, job: JobState, now: float) -> str:
        kept, state = self._jobs[job.id], job.standing.state
        before = self._remembered.told.get(job.id, "going on")
        if not job.alone:
            kept.alone = 0.0
            if state == "done" and job.movie in ("waiting", "making") and self._collects:
                return "unmade" if job.fault or before == "unmade" else "going on"  # it is tried again and again
            return state if state in ENDS else "going on"
        kept.alone = kept.alone or now
        return "alone" if now - kept.alone >= ALONE_S else before


def _raised(fault: Exception) -> None:
    raise fault


class FarmWatch:
    """All stores that are looked at, each by a thread of its own. `changed` is called there with every new state, and
    `failed` with what nobody foresaw; the store is looked at again later all the same. `author` gives who signs
    pictures; it may raise StudioError."""

    def __init__(
        self,
        changed: Callable[[StoreState], None],
        *,
        failed: Callable[[Exception], None] = _raised,
        open: Callable[[str], Store] | None = None,
        collect: bool = True,
        author: Callable[[], Author | None] = lambda: None,
    ) -> None:
        self._changed, self._failed = changed, failed
        self._watch = partial(JobWatch, open=open, collect=collect, author=author)
        self._threads: dict[str, _Thread] = {}
        self._leaving: dict[str, _Thread] = {}  # that were told to end, by the store that they looked at last
        self._seen = False

    @property
    def places(self) -> list[str]:
        """The stores that are looked at."""
        return list(self._threads)

    @property
    def seen(self) -> bool:
        """Whether somebody looks now."""
        return self._seen

    @seen.setter
    def seen(self, seen: bool) -> None:
        if seen != self._seen:
            self._seen = seen
            for thread in self._threads.values():
                thread.watch.seen = seen
                if seen:
                    thread.wake()

    def add(self, place: str) -> None:
        """Look at a store from now on; one that is looked at already is looked at now."""
        if place in self._threads:
            self.hurry(place)
            return
        watch = self._watch(place)
        watch.seen = self._seen
        after = self._leaving.pop(place, None)
        self._threads[place] = thread = _Thread(watch, self._changed, self._failed, after=after)
        thread.start()

    def remove(self, place: str) -> None:
        """Look at a store no more. A look that is under way ends by itself; nobody waits for a store that is silent."""
        thread = self._threads.pop(place, None)
        if thread is not None:
            thread.tell_end()
            self._leaving[place] = thread

    def follow(self, place: str, id_: JobId) -> None:
        """Say more of this one job, and of no other."""
        for each, thread in self._threads.items():
            thread.watch.follow(id_ if each == place else "")
            if each == place:
                thread.wake()

    def hurry(self, place: str = "") -> None:
        """Look at a store now, or at all of them."""
        for each, thread in self._threads.items():
            if place in ("", each):
                thread.watch.hurry()
                thread.wake()

    def fetch(self, place: str, id_: JobId, output: Path | None = None) -> None:
        """Bring the pictures of a job home now; see `JobWatch.fetch`."""
        thread = self._threads.get(place)
        if thread is None:
            raise UsageError(f"{place} is not looked at; add it to the farm panel")
        thread.watch.fetch(id_, output)
        thread.wake()

    def close(self) -> None:
        """End all threads; what is under way ends where it is."""
        threads = [*self._threads.values(), *self._leaving.values()]
        self._threads.clear()
        self._leaving.clear()
        for thread in threads:
            thread.tell_end()
        until = time.monotonic() + LONGEST_END_S
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0.0))


class _Thread(threading.Thread):
    """Looks at one store until it is told to end. It begins `after` the one that looked there before."""

    def __init__(
        self,
        watch: JobWatch,
        changed: Callable[[StoreState], None],
        failed: Callable[[Exception], None],
        *,
        after: _Thread | None = None,
    ) -> None:
        super().__init__(name="studio-farm-watch", daemon=True)
        self.watch, self._changed, self._failed, self._after = watch, changed, failed, after
        self._woken, self._ends = threading.Event(), threading.Event()
        watch.ended = self.wake

    def run(self) -> None:
        """Look, tell, bring home, wait."""
        if self._after is not None:
            self._after.join()
            self._after = None
        while not self._ends.is_set():
            self._woken.clear()
            more = False
            try:
                self._tell(self.watch.look())
                more = not self._ends.is_set() and self.watch.collect()
            except Exception as fault:  # told where faults are told; the other stores are not to suffer
                self._failed(fault)
            if not more and not self._ends.is_set():
                self._woken.wait(self.watch.pause_s)
        self.watch.close()

    def _tell(self, state: StoreState) -> None:
        if not self._ends.is_set():
            self._changed(state)

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    def tell_end(self) -> None:
        """End soon."""
        self._ends.set()
        self.watch.stop()
        self._woken.set()


# --- what it opens ---------------------------------------------------------------------------------------------------
def _opened(place: str) -> Store:
    """A store that is there: looking makes no folder, which would hide that a disk is not mounted."""
    folder = known.folder_of(place)
    if folder is not None and not _is_folder(folder):
        raise CannotWrite(f"there is no store at {place} now; see that its disk or share is there")
    return open_store(place, patience=Patience(tries=2, longest_s=1.0))


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        return False
