"""Cleaning a store: what no job needs any more goes, and jobs that are over when somebody names them.

A sweep looks at every job, at the bundles that they name, and at the files, packs and chunks of those. What is left is
nobody's: bundles without a job, blobs without a bundle, partials of jobs that are over without a claim, what a removal
that broke off has left. It goes when it is older than a guard, by the clock of the store itself, in an order in which
whoever is killed in the middle leaves nothing that points at what is gone.

Sending a bundle does not send what the store has already, however old that is. So a sweep says that it deletes
(`sweep/running`) and marks that it has (`sweep/count`); whoever sends looks at both once its manifest is there, waits
for a sweep that runs, and sends again what one has taken away meanwhile (`studio.farm.bundles.transfer`). A sweep that
begins later finds the manifest. Neither loses anything, whoever is faster.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.bundles.cas import is_hash
from studio.farm.bundles.manifest import read_layout, read_manifest
from studio.farm.jobs import LARGEST_CLAIM, LIVE, RenderJob, decoded, job_ids, job_key, read_job
from studio.farm.model import Result
from studio.farm.session import standing
from studio.farm.store import Store
from studio.farm.sweeps import COUNT, RUNNING, STALE_S, age_of_running

LEAST_S = 3600.0  # that anything must be old
GUARD_S = 24 * 3600.0
OVER = ("done", "cancelled")
_ALIVE_S = 30.0  # between two signs that the sweep goes on
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """An object of a store."""

    key: str
    size: int
    age_s: float


@dataclass(slots=True)
class Swept:
    """What goes, by why it goes, in the order in which it goes."""

    jobs: list[Found] = field(default_factory=list)  # of jobs that were named
    remains: list[Found] = field(default_factory=list)  # of jobs that were removed halfway
    parts: list[Found] = field(default_factory=list)  # partials that no claim names
    bundles: list[Found] = field(default_factory=list)  # manifests and what goes with them
    blobs: list[Found] = field(default_factory=list)
    notes: list[Found] = field(default_factory=list)  # signs of life of those who are long gone

    def all(self) -> list[Found]:
        """Every object, the first to go first."""
        return [*self.jobs, *self.remains, *self.parts, *self.bundles, *self.blobs, *self.notes]

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return sum(found.size for found in self.all())


def sweep(
    store: Store,
    *,
    named: Collection[str] = (),
    guard_s: float = GUARD_S,
    dry: bool = False,
    progress: Progress = lambda done, total: None,
) -> Swept:
    """Remove what nobody needs and is older than the guard, and the jobs that are `named`; with `dry` nothing goes.

    Raises UsageError for a named job that is not over or too young, BadAsset when a job or bundle cannot be read, for
    then nobody knows what it needs, and CannotWrite while another sweep runs. Then nothing is removed.
    """
    if guard_s < LEAST_S:
        raise UsageError("what is younger than an hour may be on its way; leave it that long")
    if dry:
        return _plan(store, named, guard_s)
    with _alone(store) as go_on:
        found = _plan(store, named, guard_s)
        going = found.all()
        for number, each in enumerate(going):
            go_on()
            store.delete(each.key)
            progress(number + 1, len(going))
    return found


@contextlib.contextmanager
def _alone(store: Store) -> Iterator[Callable[[], None]]:
    """While this sweep runs no other does, and whoever sends a bundle waits; what is given says that it still runs."""
    mine = secrets.token_hex(8).encode()
    if not store.put(RUNNING, mine, once=True):
        age = age_of_running(store)
        if age is not None and age < STALE_S:
            raise CannotWrite(f"{store.name} is being cleaned by somebody else; wait until they are done")
        store.put(RUNNING, mine)
    told = time.monotonic()

    def go_on() -> None:
        nonlocal told
        if time.monotonic() - told > _ALIVE_S:
            told = time.monotonic()
            store.put(RUNNING, mine)

    try:
        yield go_on
    finally:
        store.put(COUNT, mine)  # first: whoever finds that nobody deletes finds that somebody has
        store.delete(RUNNING)


# --- what goes -------------------------------------------------------------------------------------------------------
Objects = dict[str, list[Found]]  # by the folder at the top; those of jobs by "jobs/<id>"


def _objects(store: Store) -> Objects:
    out: Objects = {}
    for key, size, age in store.dated():
        top, _, rest = key.partition("/")
        place = f"jobs/{rest.partition('/')[0]}" if top == "jobs" else top
        out.setdefault(place, []).append(Found(key, size, age))
    return out


def _plan(store: Store, named: Collection[str], guard_s: float) -> Swept:
    objects = _objects(store)
    out = Swept()
    jobs = _jobs(store, named)
    for id_ in named:
        out.jobs += _named(store, id_, jobs.pop(id_, None), objects.pop(f"jobs/{id_}", []), guard_s)
    _of_jobs(store, jobs, objects, guard_s, out)
    wanted = {job.spec.bundle for job in jobs.values()} | _shown(store, objects)
    _of_bundles(store, wanted, objects, guard_s, out)
    for folder in ("probe", "nodes", "beats"):
        out.notes += _old(objects, folder, guard_s)
    return out


def _old(objects: Objects, place: str, guard_s: float) -> list[Found]:
    return [found for found in objects.get(place, ()) if found.age_s > guard_s]


def _jobs(store: Store, named: Collection[str]) -> dict[str, RenderJob]:
    """Every job; one that is damaged stops the sweep unless it was named."""
    found = {}
    for id_ in job_ids(store):
        try:
            found[id_] = read_job(store, id_)
        except BadAsset:
            if id_ not in named:
                raise
    return found


def _named(store: Store, id_: str, job: RenderJob | None, mine: list[Found], guard_s: float) -> list[Found]:
    """All of a job, in an order in which nothing is left that points at what is gone: the job, claims, the rest."""
    if not mine:
        raise UsageError(f"there is no job {id_[:80]!r} in {store.name}; see them by studio farm status")
    if job is not None:
        state = standing(store, job).state
        if state not in OVER:
            raise UsageError(f"the job {id_} is {state}; cancel it before it is removed")
    young = min(found.age_s for found in mine)
    if young < guard_s:
        raise UsageError(f"something happened to the job {id_} {young / 3600:.1f} hours ago; see --older-than")
    first, claims = job_key(id_, "job.json"), f"{job_key(id_, 'done')}/"
    return sorted(mine, key=lambda found: (found.key != first, not found.key.startswith(claims), found.key))


def _of_jobs(store: Store, jobs: dict[str, RenderJob], objects: Objects, guard_s: float, out: Swept) -> None:
    """Partials without a claim of jobs that are over, and what is left of jobs that are gone."""
    for place in sorted(place for place in objects if place.startswith("jobs/")):
        job = jobs.get(place.removeprefix("jobs/"))
        if job is None:
            if min(found.age_s for found in objects[place]) > guard_s:
                claims = f"{place}/done/"
                out.remains += sorted(objects[place], key=lambda found: (not found.key.startswith(claims), found.key))
            continue
        parts = [found for found in _old(objects, place, guard_s) if found.key.startswith(f"{place}/units/")]
        if parts and standing(store, job).state in OVER:
            kept = _claimed_keys(store, job)
            out.parts += [found for found in parts if found.key not in kept]


def _claimed_keys(store: Store, job: RenderJob) -> set[str]:
    """The partials that any claim names, also one beside another."""
    found = set()
    for key, _ in store.list(job_key(job.spec.id, "done")):
        with contextlib.suppress(BadAsset):  # a damaged claim names nothing
            found.add(decoded(store.get(key, most=LARGEST_CLAIM), Result, key).key)
    return found


def _shown(store: Store, objects: Objects) -> set[str]:
    """The bundles of what live views have rendered, which are sent once and may be older than any of their jobs."""
    found = set()
    for place in objects:
        if place.startswith(f"jobs/{LIVE}"):
            with contextlib.suppress(BadAsset, UsageError):  # what is left of one names nothing
                found.add(read_job(store, place.removeprefix("jobs/")).spec.bundle)
    return found


def _of_bundles(store: Store, wanted: set[str], objects: Objects, guard_s: float, out: Swept) -> None:
    """Bundles that no job names, and blobs of no bundle. One that has just been sent waits for its job."""
    there = {_name(found): found.age_s for found in objects.get("bundles", ()) if is_hash(_last(found))}
    kept = {name for name, age in there.items() if name in wanted or age <= guard_s}
    needed: set[str] = set()
    for bundle in sorted(kept):
        needed |= blobs_of(store, bundle)
    for folder, spared in (("bundles", kept), ("layouts", kept), ("packs", needed)):
        out.bundles += [found for found in _old(objects, folder, guard_s) if _name(found) not in spared]
    out.blobs = [found for found in _old(objects, "blobs", guard_s) if _last(found) not in needed]


def blobs_of(store: Store, bundle: str) -> set[str]:
    """The hashes under which everything of a bundle lies: packs, chunks and whole files."""
    manifest = read_manifest(store, bundle)
    layout = read_layout(store, bundle, manifest)
    cut = {chunk for cuts in layout.chunks.values() for chunk, _ in cuts}
    packed = {hash_ for entries in layout.packs.values() for hash_ in entries}
    return layout.packs.keys() | cut | (manifest.blobs().keys() - packed - layout.chunks.keys())


def _last(found: Found) -> str:
    return found.key.rsplit("/", 1)[-1]


def _name(found: Found) -> str:
    """The bundle or pack that an object is of, or goes with."""
    return _last(found).removesuffix(".sig")
