"""What a job is to render, as it lies in the store, and where everything of it lies.

    bundles/<hash>                      manifest of what a node fetches (`studio.farm.bundles.bundle`)
    jobs/<id>/job.json                  the job, written once
    jobs/<id>/units/<piece>/<a>-<b>.<attempt>.part    partials, as their nodes wrote them
    jobs/<id>/done/<piece>/<a>-<b>.json the claim on a range: which partial it is; created once, which is what counts
                                        (<a>-<b>.1.json and so on beside one that is damaged)
    jobs/<id>/done/<piece>~<blocks>/    claims on samples of some blocks of pixels (`studio.farm.chain`)
    jobs/<id>/rounds/<piece>/           which those are (`studio.farm.rounds`)
    jobs/<id>/events/<generation>-<n>.json   what happened, in blocks, each with the hash of the one before
    jobs/<id>/preview/<piece>.jpg       the newest look at a piece
    live/<session>/                     what a live view wants, and how it stands (`studio.farm.live.desk`)
    nodes/<generation>.json             how the nodes of a coordinator stand (`NodeRows`), now and then

A job is continued by whoever reads its claims, on whatever engine.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.chain import Chain, chain_of, place_of
from studio.farm.model import JobId, JobSpec, Piece, Range, Record, Result
from studio.farm.store import Store
from studio.render.film import Crop
from studio.render.protocol import CameraRef
from studio.render.settings import RenderSettings
from studio.scene.scene_changes import SceneChanges

T = TypeVar("T")
LONGEST_ID = 80
LIVE = "live_"  # what the ids of live views' jobs begin with, and no other's
LARGEST_JOB, LARGEST_CLAIM = 64 << 20, 64 << 10  # bytes
MOST_DAMAGED = 16  # claims on one range
_CLAIM = re.compile(r"(\d{1,12})-(\d{1,12})(?:\.(\d{1,2}))?\.json")
_encoder = msgspec.json.Encoder(order="deterministic")


class RenderJob(Record, frozen=True):
    """A job with what its nodes need to render it."""

    spec: JobSpec
    settings: RenderSettings
    scene: str = "scene.json"  # in the bundle
    camera: str = ""
    output: str = ""  # what the artist called the picture; no path of a node
    look: dict[str, Any] = msgspec.field(default_factory=dict)  # how the merged picture is finished
    changes: SceneChanges | None = None  # of the bundle's scene, where it was edited since that was sent
    eye: CameraRef | None = None  # in place of what the scene's camera sees


def job_key(id_: JobId, *parts: str) -> str:
    """A key of a job; raises UsageError for an id that is no plain name."""
    if not id_ or len(id_) > LONGEST_ID or not all(c.isalnum() or c in "-_." for c in id_) or id_.startswith("."):
        raise UsageError(f"{id_[:40]!r} is no name of a job; use letters, digits, - and _")
    return "/".join(("jobs", id_, *parts))


def part_key(id_: JobId, piece: Piece, samples: Range, attempt: int) -> str:
    """Where the partial of an attempt goes: no two attempts ever write the same object."""
    return job_key(id_, "units", piece.name, f"{samples[0]}-{samples[1]}.{attempt}.part")


def write_job(store: Store, job: RenderJob) -> bool:
    """Put a job into the store; False when it is there already, which is no fault: submitting twice is once. One that
    is there and cannot be read is written again."""
    key, data = job_key(job.spec.id, "job.json"), _encoder.encode(job)
    if store.put(key, data, once=True):
        return True
    try:
        read_job(store, job.spec.id)
    except BadAsset:
        return store.put(key, data)
    return False


def read_job(store: Store, id_: JobId) -> RenderJob:
    """A job of the store. Raises BadAsset when it is not there or damaged."""
    where = f"{store.name}: the job {id_}"
    job = decoded(store.get(job_key(id_, "job.json"), most=LARGEST_JOB), RenderJob, where)
    if job.spec.id != id_:
        raise BadAsset(f"{where} is damaged (it is the job {job.spec.id[:40]!r}); submit it again")
    return job


def claim(store: Store, id_: JobId, piece: Piece, result: Result) -> bool:
    """Make a partial the one of its range; False when another one is."""
    return holder(store, id_, piece, result) == result


def holder(store: Store, id_: JobId, piece: Piece, result: Result) -> Result:
    """Claim a range for a partial; gives the result that has it now: this one, or one that was earlier.

    A claim that is damaged claims nothing. It is left where it is and the next number is tried, in order, by whoever
    comes, so that of two who find it one wins here too.
    """
    data = _encoder.encode(result)
    for number in range(MOST_DAMAGED + 1):
        key = _claim_key(id_, piece, result.range, result.blocks, number)
        if store.put(key, data, once=True):
            return result
        if store.size(key) is None:
            raise CannotWrite(f"{store.name}: {key} is there and is not; wait until the store has made up its mind")
        found = _claim(store, key, result.range, result.blocks)
        if found is not None:
            return found
    raise BadAsset(f"{store.name}: the claims on {key} are damaged again and again; look after the store")


def claim_on(store: Store, id_: JobId, piece: Piece, samples: Range, blocks: str = "") -> Result | None:
    """The result that has a range, of some blocks or of all; None when nobody has claimed it."""
    for number in range(MOST_DAMAGED + 1):
        key = _claim_key(id_, piece, samples, blocks, number)
        if store.size(key) is None:
            return None
        found = _claim(store, key, samples, blocks)
        if found is not None:
            return found
    return None


def is_same(a: Result, b: Result) -> bool:
    """Whether two results are of one partial, whatever was said about it."""
    return (a.range, a.key, a.digest) == (b.range, b.key, b.digest)


def withdraw(store: Store, id_: JobId, piece: Piece, result: Result) -> bool:
    """Take the claim of a result back, and remove its partial; whether it had the claim. Others may claim its range
    then. Doing it twice is doing it once."""
    had = False
    for number in range(MOST_DAMAGED + 1):
        key = _claim_key(id_, piece, result.range, result.blocks, number)
        if store.size(key) is None:
            break
        found = _claim(store, key, result.range, result.blocks)
        if found is not None and is_same(found, result):
            store.delete(key)
            had = True
    if result.key.startswith(job_key(id_, "units", piece.name) + "/"):  # a claim has no say in what else is removed
        store.delete(result.key)
    return had


def _claim_key(id_: JobId, piece: Piece, samples: Range, blocks: str, number: int) -> str:
    more = f".{number}" if number else ""
    return job_key(id_, "done", place_of(piece, blocks), f"{samples[0]}-{samples[1]}{more}.json")


def _claim(store: Store, key: str, samples: Range, blocks: str) -> Result | None:
    """What a claim says; None when it is damaged, or of other samples or blocks than its name says."""
    try:
        result = decoded(store.get(key, most=LARGEST_CLAIM), Result, f"{store.name}: {key}")
    except BadAsset:
        return None
    fits = (result.range, result.blocks) == (samples, blocks) and samples[0] < samples[1]
    return result if fits else None


def claimed(store: Store, job: RenderJob, chained: Sequence[Chain] | None = None) -> dict[int, list[Result]]:
    """The claims of a job by the index of their piece, in the order of their samples, none over another: those of the
    rounds that there are, which `chained` says where somebody has looked already.

    Claims that are damaged do not count. Where some overlap, as after two coordinators or one that was shown an old
    list, those count that make the most samples together: every one is good, and a sum of any has the same bits.
    """
    chained = chains(store, job) if chained is None else chained
    found: dict[int, list[Named]] = {}
    for named in claims_of(store, job, chained):
        found.setdefault(named.row, []).append(named)
    read = {row: _read(store, listed) for row, listed in sorted(found.items())}
    return {row: apart(results) for row, results in read.items() if results}


def claimed_in(store: Store, job: RenderJob, row: int, samples: Range, blocks: str) -> list[Result]:
    """The claims of a piece on samples of some blocks within a range, as `claimed` has them, by one short list."""
    found = []
    for key, _ in store.list(job_key(job.spec.id, "done", place_of(job.spec.pieces[row], blocks))):
        match = _CLAIM.fullmatch(key.rsplit("/", 1)[-1])
        if match is not None and samples[0] <= int(match[1]) and int(match[2]) <= samples[1]:
            found.append(Named(row, (int(match[1]), int(match[2])), int(match[3] or 0), key, blocks))
    return apart(_read(store, found))


def claimed_of(store: Store, job: RenderJob, row: int) -> tuple[Chain, list[Result]]:
    """What is asked of one piece by now, and the claims on that as `claimed` has them; by short lists, where a job has
    many pieces."""
    piece = job.spec.pieces[row]
    names = None
    if is_adaptive(job):
        names = [key.rsplit("/", 1)[-1] for key, _ in store.list(job_key(job.spec.id, "rounds", piece.name))]
    chain, found, start = chain_of(piece, names), [], piece.first
    for end, blocks in zip(chain.ends, chain.blocks, strict=True):
        found += claimed_in(store, job, row, (start, end), blocks)
        start = end
    return chain, found


def _read(store: Store, found: Iterable[Named]) -> list[Result]:
    """What claims say, of each range the first that is not damaged."""
    out: dict[Range, Result] = {}
    for named in sorted(found, key=lambda each: (each.samples, each.number)):
        result = _claim(store, named.key, named.samples, named.blocks) if named.samples not in out else None
        if result is not None:
            out[named.samples] = result
    return list(out.values())


@dataclass(frozen=True, slots=True)
class Named:
    """A claim by its name: the piece by its index, the samples, the number beside claims that are damaged, and the
    blocks that they are of."""

    row: int
    samples: Range
    number: int
    key: str
    blocks: str = ""


def claims_of(store: Store, job: RenderJob, chained: Sequence[Chain]) -> Iterator[Named]:
    """The claims of a job that count, by their names alone: those on samples of the rounds that there are."""
    index = {piece.name: row for row, piece in enumerate(job.spec.pieces)}
    for key, _ in store.list(job_key(job.spec.id, "done")):
        *_, place, name = key.split("/")
        row, match = index.get(place.partition("~")[0]), _CLAIM.fullmatch(name)
        if row is None or match is None:
            continue
        samples = int(match[1]), int(match[2])
        blocks = chained[row].blocks_of(samples) if is_adaptive(job) else ""
        if blocks is not None and place == place_of(job.spec.pieces[row], blocks):
            yield Named(row, samples, int(match[3] or 0), key, blocks)


def crop_of(job: RenderJob, piece: Piece) -> Crop:
    """The pixels of a piece: x0, y0, x1, y1."""
    return piece.crop or job.settings.crop or (0, 0, job.settings.width, job.settings.height)


def is_adaptive(job: RenderJob) -> bool:
    """Whether rounds decide which pixels of a job get more samples (`studio.farm.rounds`)."""
    return job.settings.error > 0


def chains(store: Store, job: RenderJob) -> list[Chain]:
    """What is asked of each piece of a job by now."""
    if not is_adaptive(job):
        return [chain_of(piece, None) for piece in job.spec.pieces]
    decided: dict[str, list[str]] = {}
    for key, _ in store.list(job_key(job.spec.id, "rounds")):
        *_, piece_name, name = key.split("/")
        decided.setdefault(piece_name, []).append(name)
    return [chain_of(piece, decided.get(piece.name, ())) for piece in job.spec.pieces]


def apart(results: Iterable[Result]) -> list[Result]:
    """Of results whose ranges may overlap, those without overlap that have the most samples, and of such the fewest, in
    order of their samples (weighted interval scheduling, by the end of ranges)."""
    listed = sorted(results, key=lambda result: (result.range[1], result.range[0], result.key))
    ends = [result.range[1] for result in listed]
    best: list[tuple[int, int]] = [(0, 0)]  # samples and minus the number of ranges, of the first i results
    before: list[int] = []
    for i, result in enumerate(listed):
        first, last = result.range
        before.append(bisect.bisect_right(ends, first, hi=i))
        samples, count = best[before[-1]]
        best.append(max(best[-1], (samples + last - first, count - 1)))
    kept = []
    i = len(listed)
    while i > 0:
        if best[i] == best[i - 1]:
            i -= 1
        else:
            kept.append(listed[i - 1])
            i = before[i - 1]
    return kept[::-1]


def job_ids(store: Store) -> Iterator[JobId]:
    """The jobs of a store, but for those of live views (`studio.farm.live`), which come and go with every edit."""
    for key, _ in store.list("jobs"):
        parts = key.split("/")
        if len(parts) == 3 and parts[2] == "job.json" and not parts[1].startswith(LIVE):
            yield parts[1]


def decoded(data: bytes, kind: type[T], where: str) -> T:
    """A record of its JSON; BadAsset, naming where it came from, for anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadAsset(f"{where} is damaged ({fault}); submit it again") from fault
