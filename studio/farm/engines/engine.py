"""What every engine can be asked, so that whoever sends a job need not know which it is.

An engine starts work and stops it. It never says what is done: that stands in the store, in claims, and is read from
there (`progress`), so an engine may lose a job, lie about it or be replaced by another, and nothing is lost. What an
engine cannot do it says in its `Capabilities` and refuses with a sentence.

What a person wants of a running job goes through the store as well (`studio.farm.orders`): a coordinator looks there
now and then, wherever it runs and whoever is connected to it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Literal, Protocol

import msgspec

from studio.errors import BadAsset, UsageError
from studio.farm.jobs import RenderJob, chains, claimed, decoded, job_key, read_job
from studio.farm.model import JobId, Record
from studio.farm.orders import want
from studio.farm.store import Store, open_store

State = Literal["waiting", "running", "done", "failed", "cancelled", "lost"]


class Capabilities(Record, frozen=True):
    """What an engine can do."""

    coordinated: bool = False  # our coordinator cuts units, helps stragglers and goes on from checkpoints
    cancels: bool = False
    drains: bool = False  # lets what is at work be finished
    pauses: bool = False
    logs: bool = False
    starts: bool = True  # False: it writes what somebody else submits
    shared_folder: bool = False  # every machine must see one folder
    trust: int = 0  # the least trusted kind of node it may have: 0 own machine, 1 studio, 2 contracted, 3 public


class Ref(Record, frozen=True):
    """A job at an engine: all that is needed to find it again. Holds no secret."""

    engine: str
    id: str  # what the engine calls it
    job: JobId
    store: str
    address: str = ""
    generation: int = 1  # how often it was given to an engine


class Status(Record, frozen=True):
    """How a job stands. `done` and `total` count samples, by the store. "lost": the engine does not have it any more,
    and it is not done; submit it again, with the next generation."""

    state: State
    done: int
    total: int
    text: str = ""


class Log(Record, frozen=True):
    """Some of what was said, and where to go on."""

    text: str
    cursor: int


class End(Record, frozen=True):
    """How a coordinator left a job. What is done stands in claims; this says why the rest is not."""

    state: State
    text: str = ""
    generation: int = 1


class Engine(Protocol):
    """What brings jobs to machines. It raises Unsupported for what it cannot do, CannotWrite when it does not answer,
    UsageError when it refuses."""

    name: str

    @classmethod
    def at(cls, address: str) -> Engine:
        """The engine at an address: a folder or a URL."""

    def capabilities(self) -> Capabilities:
        """What it can do."""

    def check(self, job: RenderJob) -> list[str]:
        """Why it cannot render a job, a sentence each; empty when it can."""

    def submit(self, job: RenderJob, store_url: str, key: str, *, generation: int = 1) -> Ref:
        """Begin, or go on with, a job that lies in the store. The same key and generation twice is once."""

    def status(self, ref: Ref) -> Status:
        """How it stands, by the store first."""

    def cancel(self, ref: Ref, *, drain: bool = False, by: str = "") -> None:
        """Give a job up; with `drain` what is at work is finished. What is rendered stays."""

    def logs(self, ref: Ref, unit: str = "", cursor: int = 0) -> Log:
        """What was said since the cursor, of one unit or of all."""


def engines() -> dict[str, type[Engine]]:
    """The engines there are, by name."""
    import studio.farm.engines as package

    found: dict[str, type[Engine]] = {}
    for each in pkgutil.iter_modules(package.__path__):
        kind = getattr(importlib.import_module(f"{package.__name__}.{each.name}"), "ENGINE", None)
        if kind is not None:
            found[kind.name] = kind
    return found


def open_engine(name: str, address: str) -> Engine:
    """An engine at its address. Raises UsageError for a name that there is not."""
    known = engines()
    if name not in known:
        raise UsageError(f"there is no engine {name[:40]!r}; choose from {', '.join(sorted(known))}")
    return known[name].at(address)


def trust_fault(job: RenderJob, trust: int) -> list[str]:
    """Whether machines of a kind may not see a job, as a sentence."""
    if job.spec.needs.trust >= trust:
        return []
    who = ("this machine", "the studio's machines", "contracted machines", "public machines")
    return [f"{job.spec.name or job.spec.id} may be seen by {who[job.spec.needs.trust]} alone; allow {who[trust]} too"]


def progress(store: Store, id_: JobId) -> tuple[int, int]:
    """Samples of a job that are done, and all of them, by the claims of the store."""
    job = read_job(store, id_)
    done = sum(b - a for results in claimed(store, job).values() for a, b in (r.range for r in results))
    chained = zip(job.spec.pieces, chains(store, job), strict=True)
    return done, sum(chain.count if chain.final else piece.count for piece, chain in chained)


def status_of(ref: Ref, state: State, text: str = "", *, store: Store | None = None) -> Status:
    """What an engine says, put right by the store: what is done there is done."""
    done, total = progress(store or open_store(ref.store), ref.job)
    if done >= total:
        return Status(state="done", done=done, total=total)
    if state == "done":
        state, text = "lost", "the engine ended before everything was rendered; submit it again to go on"
    return Status(state=state, done=done, total=total, text=text)


def write_end(store: Store, id_: JobId, end: End) -> None:
    """Say how a job was left."""
    store.put(job_key(id_, "end.json"), msgspec.json.encode(end))


def end_of(store: Store, id_: JobId) -> End | None:
    """How a job was left; None while nobody has left it, or nobody knows."""
    key = job_key(id_, "end.json")
    if store.size(key) is None:
        return None
    try:
        return decoded(store.get(key, most=1 << 16), End, f"{store.name}: {key}")
    except BadAsset:
        return None


def again(engine: Engine, ref: Ref, *, by: str = "") -> Ref:
    """Submit a job that an engine lost, or that was cancelled: it goes on from the store."""
    store = open_store(ref.store)
    want(store, ref.job, "resume", by=by)
    key = ref.id.removesuffix(f"-g{ref.generation}") if ref.generation > 1 else ref.id
    return engine.submit(read_job(store, ref.job), ref.store, key, generation=ref.generation + 1)


def submission_id(key: str, generation: int) -> str:
    """The name of a submission at an engine. Raises UsageError for a key that is no plain name."""
    job_key(key)
    return key if generation == 1 else f"{key}-g{generation}"
