"""The farm inside the app: node processes that work while its window is open, one crew for each store.

A crew is started when a job is sent or resumed, and ends when nothing is left for it to do, so that an idle machine
holds no memory. The app takes its crews along when it is left: nodes hand in what they have, what is done lies in the
store, and what was not finished is noted on this machine, so that the next start can offer to go on. Everything here
blocks; a window calls it from a thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.farm import session
from studio.farm.coordinator import Price
from studio.farm.jobs import RenderJob, read_job
from studio.farm.local import LocalFarm
from studio.farm.model import Event, JobId, NodeInfo, Record
from studio.farm.seen import known
from studio.farm.service import Service
from studio.farm.session import Standing, farm_folder
from studio.farm.store import Store, open_store
from studio.render.device import cache_root
from studio.render.output import replacing

MOST_NODES = 256
REST_S = 30.0  # without anything to do, after which a crew ends
_LOOK_S = 1.0
_OVER = ("done", "cancelled", "failed")
_RESTS = (*_OVER, "paused", "capped")


class Crew(Record, frozen=True):
    """How many node processes work, with how many cores each (0: an equal share) and on what."""

    nodes: int = 1
    threads: int = 0
    device: str = "auto"


class Farm(Protocol):
    """What a host asks of a farm; `LocalFarm` is one."""

    store: Store
    service: Service

    @property
    def works(self) -> bool:
        """Whether a node is alive, or will be started again."""

    def submit(self, job: RenderJob) -> None:
        """Take a job, or go on with it."""

    def close(self) -> None:
        """End it."""


Make = Callable[[str, Crew, Price, Callable[[Event], None]], Farm]


class Left(Record, frozen=True):
    """Jobs of a store that this machine worked at and did not finish."""

    place: str
    crew: Crew
    jobs: tuple[JobId, ...]


@dataclass(slots=True)
class _Running:
    """A crew at work."""

    farm: Farm
    crew: Crew
    price: list[Price | None]
    jobs: set[JobId] = field(default_factory=set)
    idle_since: float = 0.0
    holders: int = 0  # live views that borrow its nodes


def local_farm(place: str, crew: Crew, price: Price, listener: Callable[[Event], None]) -> Farm:
    """A crew of this machine; its nodes share the cores."""
    import os

    cores = crew.threads or (0 if crew.nodes <= 1 else max((os.cpu_count() or 1) // crew.nodes, 1))
    return LocalFarm(
        place,
        nodes=crew.nodes,
        threads=cores,
        device=crew.device,
        cache=cache_root() / "farm",
        price=price,
        listener=listener,
    )


class FarmHost:
    """The crews of an app. Any thread may call it; `listener` hears what happens to jobs, on threads of its own."""

    def __init__(
        self,
        *,
        make: Make = local_farm,
        listener: Callable[[Event], None] = lambda event: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._listener, self._clock = make, listener, clock
        self._running: dict[str, _Running] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._minder: threading.Thread | None = None

    # --- working -----------------------------------------------------------------------------------------------------
    def send(self, place: str, job: RenderJob, crew: Crew, *, price: Price | None = None) -> Crew:
        """Work at a job of the store at `place`; gives the crew that does. One that is busy stays as it is."""
        with self._lock:
            running = self._start(place, crew)
            if price is not None:
                running.price[0] = price
            running.farm.submit(job)
            running.jobs.add(job.spec.id)
            running.idle_since = 0.0
            self._note(place, running)
            return running.crew

    def resume(self, place: str, id_: JobId, crew: Crew | None = None, *, price: Price | None = None) -> Crew:
        """Go on with a job of the store, with the crew that it had here unless another is given. Without a price it
        costs nothing more, whatever its cap."""
        job = read_job(open_store(place), id_)
        return self.send(place, job, crew or self.crew_of(place), price=price)

    def hold(self, place: str, crew: Crew) -> Crew:
        """Have a crew at work for a store for as long as a live view borrows it, until `release`; gives the crew."""
        with self._lock:
            running = self._start(place, crew)
            running.holders += 1
            return running.crew

    def release(self, place: str) -> None:
        """A live view needs a store's crew no more."""
        with self._lock:
            if place in self._running:
                self._running[place].holders = max(self._running[place].holders - 1, 0)

    def go_on(self, left: Left, *, price: Price | None = None) -> list[JobId]:
        """Go on with what was left unfinished in a store; gives the jobs that are worked at now."""
        begun = []
        store = open_store(left.place)
        for id_ in left.jobs:
            try:
                job = read_job(store, id_)
            except (BadAsset, UsageError):
                continue  # it was removed meanwhile
            if session.standing(store, job).state not in _RESTS:
                self.send(left.place, job, left.crew, price=price)
                begun.append(id_)
        if not begun:
            with self._lock:
                _forget(left.place, set(left.jobs))
        return begun

    def _start(self, place: str, crew: Crew) -> _Running:
        if self._closing.is_set():
            raise UsageError("the farm of this machine is closing; start the studio again to go on")
        if not 1 <= crew.nodes <= MOST_NODES:
            raise UsageError(f"this machine can have 1 to {MOST_NODES} nodes, not {crew.nodes}")
        running = self._running.get(place)
        if running is not None and (_fell(running) or (running.crew != crew and self._rests(running))):
            self._end(place)
            running = None
        if running is None:
            price: list[Price | None] = [None]

            def priced(node: NodeInfo, seconds: float) -> int:
                return price[0](node, seconds) if price[0] is not None else 0

            running = self._running[place] = _Running(
                self._make(place, crew, priced, self._listener), crew, price, idle_since=self._clock()
            )
            if self._minder is None:
                self._minder = threading.Thread(target=self._mind, name="studio-farm-host", daemon=True)
                self._minder.start()
        return running

    # --- how it stands -----------------------------------------------------------------------------------------------
    def works_at(self, place: str) -> Crew | None:
        """The crew that works for a store; None when none does."""
        with self._lock:
            running = self._running.get(place)
            return running.crew if running is not None else None

    def crew_of(self, place: str) -> Crew:
        """The crew that works for a store, or did when it was left, or the usual one."""
        found = self.works_at(place)
        if found is not None:
            return found
        left = _read().get(place)
        return left.crew if left is not None else Crew()

    def left(self) -> list[tuple[Left, list[Standing]]]:
        """What was left unfinished on this machine and nobody works at now, with how it stands."""
        found = []
        for place, left in _read().items():
            with self._lock:
                running = self._running.get(place)
                here = set(running.jobs) if running is not None else set()
            folder = known.folder_of(place)
            if folder is not None and not folder.is_dir():
                continue  # its disk is not there now, and nothing is made in its place
            try:
                store = open_store(place)
                stands = [each for id_ in left.jobs if id_ not in here for each in _stands(store, id_)]
            except StudioError:
                continue  # the store does not answer now; it is asked the next time
            with self._lock, contextlib.suppress(CannotWrite):
                _forget(place, set(left.jobs) - here - {each.id for each in stands if each.state not in _OVER})
            # a coordinator that gives signs of life there may be this crew's, which knows nothing of the others
            idle = [each for each in stands if each.state not in _RESTS and (running is not None or not each.works)]
            if idle:
                found.append((msgspec.structs.replace(left, jobs=tuple(each.id for each in idle)), idle))
        return found

    # --- minding -----------------------------------------------------------------------------------------------------
    def _mind(self) -> None:
        while not self._closing.wait(_LOOK_S):
            self.look()

    def look(self) -> None:
        """End crews that have had nothing to do for a while, and those whose nodes died again and again."""
        with self._lock:
            for place, running in list(self._running.items()):
                if _fell(running):
                    self._end(place)
                elif not self._rests(running):
                    running.idle_since = 0.0
                elif not running.idle_since:
                    running.idle_since = self._clock()
                    self._note(place, running)
                elif self._clock() - running.idle_since >= REST_S:
                    self._end(place)

    def _rests(self, running: _Running) -> bool:
        if running.holders:
            return False
        service = running.farm.service
        return all(service.job(id_) is None or service.status(id_).state in _RESTS for id_ in running.jobs)

    def _note(self, place: str, running: _Running) -> None:
        """Write down what is not finished, also of an earlier day; a disk that refuses costs the offer to go on, and
        nothing else."""
        service = running.farm.service
        before = _read().get(place)
        earlier = set(before.jobs) - running.jobs if before is not None else set()
        going = tuple(
            sorted(
                {id_ for id_ in running.jobs if service.job(id_) is None or service.status(id_).state not in _OVER}
                | earlier
            )
        )
        with contextlib.suppress(CannotWrite):
            _write(place, Left(place=place, crew=running.crew, jobs=going) if going else None)

    def _end(self, place: str) -> None:
        running = self._running.pop(place)
        self._note(place, running)
        running.farm.close()

    def close(self) -> None:
        """End every crew: nodes deliver what they have, all at once."""
        self._closing.set()
        if self._minder is not None:
            self._minder.join()
        with self._lock:
            ending = []
            for place, running in list(self._running.items()):
                self._note(place, running)
                ending.append(threading.Thread(target=running.farm.close, name="studio-farm-end"))
                ending[-1].start()
            self._running.clear()
            for thread in ending:
                thread.join()


def _fell(running: _Running) -> bool:
    """Whether no node of a crew lives, or will be started again; one that a live view holds is left to it."""
    return not running.farm.works and not running.holders


# --- notes -----------------------------------------------------------------------------------------------------------
def _file() -> Path:
    return farm_folder() / "host.json"


def _read() -> dict[str, Left]:
    """What was left, by store. Damaged notes are none."""
    try:
        return {left.place: left for left in msgspec.json.decode(_file().read_bytes(), type=list[Left])}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _stands(store: Store, id_: JobId) -> list[Standing]:
    """How a job stands; nothing of one that was removed, or that cannot be read."""
    try:
        job = read_job(store, id_)
    except (BadAsset, UsageError):
        return []
    return [session.standing(store, job)]


def _forget(place: str, jobs: set[JobId]) -> None:
    """Offer these jobs of a store no more."""
    left = _read().get(place)
    if left is not None and jobs & set(left.jobs):
        rest = tuple(id_ for id_ in left.jobs if id_ not in jobs)
        _write(place, msgspec.structs.replace(left, jobs=rest) if rest else None)


def _write(place: str, left: Left | None) -> None:
    kept = _read()
    if kept.pop(place, None) == left and left is None:
        return
    if left is not None:
        kept[place] = left
    with replacing(_file()) as temporary:
        temporary.write_bytes(msgspec.json.encode(list(kept.values())))
