"""The artist's side of a farm: what stands in the store of a job, and what is wanted of it.

Nothing is asked of a coordinator. The store has the job, the claims on its samples, the orders and the log, so whoever
comes back tomorrow, on another machine, sees the same, whether anybody works at it now or not.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from studio.errors import BadAsset, StudioError, UsageError
from studio.farm.engines.engine import end_of
from studio.farm.jobs import RenderJob, chains, claims_of, decoded, job_ids, job_key, read_job
from studio.farm.model import Event, JobId, NodeRow, NodeRows, Record
from studio.farm.orders import ALIVE_S, JobOrder, Kind, give_order, orders_after, wished, works
from studio.farm.ranges import Ranges
from studio.farm.store import Store
from studio.resources import data_folder

_BLOCK = re.compile(r"(\d{1,9})-(\d{1,9})\.json")
_LARGEST_BLOCK = 64 << 20
_LAST_BLOCKS = 4  # of the log, in which the end of a job stands
_STATES = {"failed": "failed", "capped": "capped", "cancelled": "cancelled", "done": "done"}


class Standing(Record, frozen=True):
    """How a job stands by the store. `done` and `total` count samples, `total` at the most of what is sampled
    adaptively; `works` is whether a coordinator was heard
    within a minute."""

    id: JobId
    name: str
    state: str
    done: int
    total: int
    frames_done: int
    frames: int
    priority: int
    works: bool
    submitted_at: float = 0.0
    why: str = ""


def farm_folder() -> Path:
    """The user's folder of the farm: the default store, and what this machine knows of its jobs."""
    return data_folder() / "farm"


def job_folder(store: Store, id_: JobId) -> Path:
    """Where this machine keeps what belongs to a job of a store."""
    import hashlib

    job_key(id_)  # a name that is no plain one names no folder
    return farm_folder() / "jobs" / f"{id_}.{hashlib.blake2b(store.name.encode(), digest_size=4).hexdigest()}"


def find_job(store: Store, wanted: str) -> RenderJob:
    """A job by its id or the beginning of it. Raises UsageError for none or several, BadAsset for a damaged one."""
    ids = sorted(job_ids(store))
    found = [wanted] if wanted in ids else [id_ for id_ in ids if wanted and id_.startswith(wanted)]
    if not found:
        raise UsageError(f"there is no job {wanted[:80]!r} in {store.name}; see them by studio farm status")
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} jobs begin with {wanted[:80]!r}: {', '.join(found[:4])}; write more of the name"
        )
    return read_job(store, found[0])


@dataclass(frozen=True, slots=True)
class Made:
    """What there is of a piece: samples `done` of so many in `all`, which an adaptive piece may do with fewer of, and
    whether nothing is missing."""

    done: int
    all: int
    whole: bool


def made_of(store: Store, job: RenderJob) -> list[Made]:
    """What is claimed of each piece, by the names of the claims alone."""
    chained = chains(store, job)
    done = [Ranges() for _ in chained]
    for claim in claims_of(store, job, chained):
        first, last = claim.samples
        done[claim.row].add((max(first, chained[claim.row].first), min(last, chained[claim.row].target)))
    return [
        Made(have.size, chain.count if chain.final else piece.count, chain.final and have.size >= chain.count)
        for have, chain, piece in zip(done, chained, job.spec.pieces, strict=True)
    ]


def standing(store: Store, job: RenderJob, *, working: bool | None = None) -> Standing:
    """How a job stands."""
    made = made_of(store, job)
    frames: dict[float, bool] = {}
    for piece, of_piece in zip(job.spec.pieces, made, strict=True):
        frames[piece.frame] = frames.get(piece.frame, True) and of_piece.whole
    orders = wished(order for _, order in orders_after(store, job.spec.id, 0))
    working = works(store) if working is None else working
    state, why = _state(store, job, orders, all(frames.values()), working)
    return Standing(
        id=job.spec.id,
        name=job.spec.name,
        state=state,
        done=sum(of_piece.done for of_piece in made),
        total=sum(of_piece.all for of_piece in made),
        frames_done=sum(frames.values()),
        frames=len(frames),
        priority=orders["priority"].value if "priority" in orders else job.spec.priority,
        works=working,
        submitted_at=job.spec.submitted_at,
        why=why,
    )


def _state(
    store: Store, job: RenderJob, orders: dict[Kind, JobOrder], complete: bool, working: bool
) -> tuple[str, str]:
    """The state of a job and why: what is done is done; then what people want; then what the log ends with."""
    if complete:
        return "done", ""
    if "cancel" in orders:
        return "cancelled", ""
    if "pause" in orders or "drain" in orders:
        return "paused", ""
    last = next((e for e in _newest(store, job.spec.id) if not e.attempt and e.kind in (*_STATES, "resumed")), None)
    since = orders["resume"].at if "resume" in orders else 0.0
    if last is not None and last.kind in _STATES and last.at > since:
        return _STATES[last.kind], last.text
    end = end_of(store, job.spec.id)
    if end is not None and end.state in ("failed", "lost") and not working:
        return end.state, end.text
    return ("running" if working else "waiting"), ""


def _newest(store: Store, id_: JobId) -> Iterator[Event]:
    """The last events of the log, the newest first."""
    blocks = _blocks(store, id_)
    for key in reversed(blocks[-_LAST_BLOCKS:]):
        yield from reversed(events_of(store, key))


def log_of(store: Store, id_: JobId) -> Iterator[Event]:
    """All that happened to a job, in the order of coordinators and of each one's events."""
    for key in _blocks(store, id_):
        yield from events_of(store, key)


def _blocks(store: Store, id_: JobId) -> list[str]:
    found = []
    for key, _ in store.list(job_key(id_, "events")):
        match = _BLOCK.fullmatch(key.rsplit("/", 1)[-1])
        if match is not None:
            found.append((int(match[1]), int(match[2]), key))
    return [key for _, _, key in sorted(found)]


def events_of(store: Store, key: str) -> list[Event]:
    """The events of a block; a damaged one has none to tell."""
    try:
        block = decoded(store.get(key, most=_LARGEST_BLOCK), dict[str, Any], key)
        return msgspec.convert(block.get("events", []), list[Event])
    except (BadAsset, msgspec.ValidationError):
        return []


def order(store: Store, id_: JobId, kind: Kind, *, value: int = 0, by: str = "") -> None:
    """Want something of a job, of whatever engine works at it."""
    give_order(store, id_, JobOrder(kind=kind, value=value, by=by, at=store.clock()))


def all_jobs(store: Store) -> Iterator[RenderJob | StudioError]:
    """The jobs of a store, the newest last; the fault of one that cannot be read in its place."""
    found: list[RenderJob | StudioError] = []
    for id_ in sorted(job_ids(store)):
        try:
            found.append(read_job(store, id_))
        except BadAsset as fault:
            found.append(fault)
    yield from sorted(found, key=lambda job: job.spec.submitted_at if isinstance(job, RenderJob) else 0.0)


def nodes_of(store: Store) -> list[NodeRow]:
    """The nodes of the coordinators that were heard within a minute, by their ids. What is damaged tells of none."""
    found: dict[str, NodeRow] = {}
    for key, _ in store.list("nodes"):
        with contextlib.suppress(BadAsset):
            rows = decoded(store.get(key, most=_LARGEST_BLOCK), NodeRows, f"{store.name}: {key}")
            if abs(store.clock() - rows.at) <= ALIVE_S:
                found |= {row.id: row for row in rows.rows}
    return [row for _, row in sorted(found.items())]
