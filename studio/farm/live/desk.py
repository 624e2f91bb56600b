"""Live views at a farm: what each wants, in the store, and the coordinator's side of it.

    live/<session>/wish.json    the jobs that a view wants rendered now, and a beat that counts up while it is open
    live/<session>/stand.json   how many nodes work for it, written by the coordinator when that changes

A view never speaks to a coordinator. It writes down which jobs it wants, each of them for one scene as it was at a
moment, and takes the others off the list; the coordinator looks a few times a second while there are such views, hands
out what is new and gives up what is gone. A view that was not heard for a minute, as one on a laptop that was shut, is
ended, and what it left in the store is removed. Clocks need not agree: it is the beat that is watched, not a date.
"""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING

import msgspec

from studio.errors import BadAsset, UsageError
from studio.farm.jobs import LIVE, decoded, read_job
from studio.farm.model import JobId, Record
from studio.farm.store import Store

if TYPE_CHECKING:
    from studio.farm.service import Service

SILENT_S = 60.0  # until a view that says nothing is ended
LOOK_S, IDLE_S = 0.2, 2.0  # between two looks, while there are views and while there are none
LARGEST = 64 << 10
MOST_JOBS = 64  # of one view, and as many that are kept
_SESSION = re.compile(r"[0-9a-f]{8,32}")
_encoder = msgspec.json.Encoder(order="deterministic")


class Wish(Record, frozen=True):
    """What a view wants now; of jobs that are kept nothing more is wanted."""

    beat: int = 0
    jobs: tuple[JobId, ...] = ()
    kept: tuple[JobId, ...] = ()


class Stand(Record, frozen=True):
    """How a view stands: nodes at work for it, nodes that could be, and all of the farm; the seconds of one sample on a
    node of score 1 (0: nobody knows). `generation` is the coordinator's."""

    generation: int = 0
    at_work: int = 0
    fit: int = 0
    nodes: int = 0
    sample_s: float = 0.0


def job_name(session: str, number: int) -> JobId:
    """The id of a view's job."""
    return f"{LIVE}{session}_{number}"


def write_wish(store: Store, session: str, wish: Wish) -> None:
    """Say what a view wants."""
    store.put(f"live/{session}/wish.json", _encoder.encode(wish))


def read_stand(store: Store, session: str) -> Stand | None:
    """How a view stands; None when no coordinator has said so."""
    key = f"live/{session}/stand.json"
    try:
        return decoded(store.get(key, most=LARGEST), Stand, f"{store.name}: {key}")
    except BadAsset:
        return None


def sweep(store: Store, id_: JobId) -> None:
    """Remove what a view's job has in the store."""
    if id_.startswith(LIVE):
        store.delete(*(key for key, _ in store.list(f"jobs/{id_}")))


def end_session(store: Store, session: str, *, until: float = math.inf) -> None:
    """Remove what a view has in the store, its jobs first; no more of it after a moment of the monotonic clock."""
    mine = f"jobs/{job_name(session, 0)[:-1]}"
    keys = [key for key, _ in store.list("jobs") if key.startswith(mine)]
    for key in (*keys, *(key for key, _ in store.list(f"live/{session}"))):
        if time.monotonic() > until:
            return
        store.delete(key)


class _View:
    """A view as the coordinator knows it."""

    def __init__(self, now: float) -> None:
        self.heard = now
        self.beat = -1
        self.jobs: set[JobId] = set()
        self.refused: set[JobId] = set()
        self.told: Stand | None = None


class LiveDesk:
    """The live views of a service's store. `look` is called from its tick."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._views: dict[str, _View] = {}
        self._looked = self._listed = -SILENT_S

    def look(self) -> None:
        """See what views want, every now and then. CannotWrite when the store does not answer."""
        now = time.monotonic()
        if now - self._looked < (LOOK_S if self._views else IDLE_S):
            return
        self._looked = now
        store = self._service.store
        if now - self._listed >= IDLE_S:
            self._listed = now
            names = {parts[1] for key, _ in store.list("live") if len(parts := key.split("/")) == 3}
            for name in names:
                if _SESSION.fullmatch(name) and name not in self._views:
                    self._views[name] = _View(now)
        for name, view in list(self._views.items()):
            self._mind(name, view, now)

    def _mind(self, name: str, view: _View, now: float) -> None:
        """Bring a view's jobs to what it wants; end it where it is silent or gone."""
        store = self._service.store
        wish = self._wish(name)
        if wish is not None and wish.beat != view.beat:
            view.beat, view.heard = wish.beat, now
        if wish is None or now - view.heard > SILENT_S:
            for id_ in view.jobs:
                self._service.forget(id_)
            del self._views[name]
            end_session(store, name)
            return
        wanted, kept = set(wish.jobs[-MOST_JOBS:]), set(wish.kept[-MOST_JOBS:])
        known = wanted | kept
        for id_ in view.jobs - known:
            self._service.forget(id_)
        view.jobs &= known
        for id_ in sorted(known - view.jobs - view.refused):
            self._take(name, view, id_)
        for id_ in view.jobs & (kept - wanted):
            self._halt(id_)
        view.refused &= known
        self._tell(name, view)

    def _take(self, name: str, view: _View, id_: JobId) -> None:
        try:
            job = read_job(self._service.store, id_)
            if not (job.spec.live and id_.startswith(job_name(name, 0)[:-1])):
                raise UsageError(f"the job {id_} is none of this view")
            self._service.submit(job, by="live view")
        except (BadAsset, UsageError):  # nobody can render it, and the view sees that nobody does
            view.refused.add(id_)
        else:
            view.jobs.add(id_)

    def _halt(self, id_: JobId) -> None:
        """Have nobody work at a job, and remember it."""
        with self._service.alone():
            self._service.coordinator.cancel(id_)

    def _wish(self, name: str) -> Wish | None:
        key = f"live/{name}/wish.json"
        if self._service.store.size(key) is None:
            return None
        try:
            return decoded(self._service.store.get(key, most=LARGEST), Wish, f"{self._service.store.name}: {key}")
        except BadAsset:
            return None

    def _tell(self, name: str, view: _View) -> None:
        at_work, fit, nodes, sample_s = self._service.hands(view.jobs)
        stand = Stand(
            generation=self._service.generation,
            at_work=at_work,
            fit=fit,
            nodes=nodes,
            sample_s=float(f"{sample_s:.2g}"),
        )
        if stand != view.told:
            self._service.store.put(f"live/{name}/stand.json", _encoder.encode(stand))
            view.told = stand
