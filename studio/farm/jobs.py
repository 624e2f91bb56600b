"""What a job is to render, as it lies in the store, and where everything of it lies.

    bundles/<hash>                      manifest of what a node fetches (`studio.farm.bundle`)
    jobs/<id>/job.json                  the job, written once
    jobs/<id>/units/<piece>/<a>-<b>.<attempt>.part    partials, as their nodes wrote them
    jobs/<id>/done/<piece>/<a>-<b>.json the claim on a range: which partial it is; created once, which is what counts
    jobs/<id>/events/<generation>-<n>.json   what happened, in blocks, each with the hash of the one before
    jobs/<id>/preview/<piece>.jpg       the newest look at a piece

A job is continued by whoever reads its claims, on whatever engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from studio.errors import BadAsset, UsageError
from studio.farm.model import JobId, JobSpec, Piece, Range, Record, Result
from studio.farm.store import Store
from studio.render.settings import RenderSettings

T = TypeVar("T")
LONGEST_ID = 80
_encoder = msgspec.json.Encoder(order="deterministic")


class RenderJob(Record, frozen=True):
    """A job with what its nodes need to render it."""

    spec: JobSpec
    settings: RenderSettings
    scene: str = "scene.json"  # in the bundle
    camera: str = ""
    output: str = ""  # what the artist called the picture; no path of a node
    look: dict[str, Any] = msgspec.field(default_factory=dict)  # how the merged picture is finished


def job_key(id_: JobId, *parts: str) -> str:
    """A key of a job; raises UsageError for an id that is no plain name."""
    if not id_ or len(id_) > LONGEST_ID or not all(c.isalnum() or c in "-_." for c in id_) or id_.startswith("."):
        raise UsageError(f"{id_[:40]!r} is no name of a job; use letters, digits, - and _")
    return "/".join(("jobs", id_, *parts))


def part_key(id_: JobId, piece: Piece, samples: Range, attempt: int) -> str:
    """Where the partial of an attempt goes: no two attempts ever write the same object."""
    return job_key(id_, "units", piece.name, f"{samples[0]}-{samples[1]}.{attempt}.part")


def write_job(store: Store, job: RenderJob) -> bool:
    """Put a job into the store; False when it is there already, which is no fault: submitting twice is once."""
    return store.put(job_key(job.spec.id, "job.json"), _encoder.encode(job), once=True)


def read_job(store: Store, id_: JobId) -> RenderJob:
    """A job of the store. Raises BadAsset when it is not there or damaged."""
    return decoded(store.get(job_key(id_, "job.json")), RenderJob, f"{store.name}: the job {id_}")


def claim(store: Store, id_: JobId, piece: Piece, result: Result) -> bool:
    """Make a partial the one of its range; False when another one is."""
    first, last = result.range
    return store.put(job_key(id_, "done", piece.name, f"{first}-{last}.json"), _encoder.encode(result), once=True)


def claimed(store: Store, job: RenderJob) -> dict[int, list[Result]]:
    """The claims of a job by the index of their piece, in the order of their samples. Claims that overlap an earlier
    one do not count."""
    index = {piece.name: i for i, piece in enumerate(job.spec.pieces)}
    out: dict[int, list[Result]] = {}
    for key, _ in sorted(store.list(job_key(job.spec.id, "done"))):
        piece = key.split("/")[-2]
        if piece in index:
            result = decoded(store.get(key), Result, f"{store.name}: {key}")
            out.setdefault(index[piece], []).append(result)
    for results in out.values():
        results.sort(key=lambda result: result.range)
    return out


def job_ids(store: Store) -> Iterator[JobId]:
    """The jobs of a store."""
    for key, _ in store.list("jobs"):
        parts = key.split("/")
        if len(parts) == 3 and parts[2] == "job.json":
            yield parts[1]


def decoded(data: bytes, kind: type[T], where: str) -> T:
    """A record of its JSON; BadAsset, naming where it came from, for anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadAsset(f"{where} is damaged ({fault}); submit it again") from fault
