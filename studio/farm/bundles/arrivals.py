"""Fetching files of a bundle from a store into a machine's folder of blobs, each seen to be what it should be.

What a layout leads to is taken only under the hash of its bytes: a part that is not it is fetched again, and when the
store itself has it wrong, that is noted there for whoever sent it, who sends it again. Large files that are cut are put
together out of chunks that older files of this machine have already, and only the others are fetched.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from studio.errors import BadAsset, StudioError
from studio.farm.bundles import packs
from studio.farm.bundles.cas import Blobs, blob_key, digest_of, is_hash
from studio.farm.bundles.journal import Cuts
from studio.farm.bundles.manifest import Layout
from studio.farm.bundles.transfer import SUSPECTS
from studio.farm.store import Store

THREADS = 4
_TRIES = 3  # of fetching what came damaged
_CUTS = ".chunks"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a chunk lies on this machine: in a file, from a byte on."""

    path: Path
    at: int


def arrive(
    store: Store,
    layout: Layout,
    wanted: Mapping[str, int],
    blobs: Blobs,
    *,
    landed: Callable[[str], None] = lambda hash_: None,
    threads: int = THREADS,
) -> None:
    """Fetch files of these hashes and sizes. `landed` hears, in this thread, of each that is there.

    Raises BadAsset for what is damaged in the store or missing there, CannotWrite when the store does not answer,
    OSError when the disk takes no more.
    """
    jobs: list[Callable[[], list[str]]] = []
    packed: set[str] = set()
    for pack, entries in layout.packs.items():
        here = {hash_: entries[hash_] for hash_ in sorted(entries) if hash_ in wanted and hash_ not in packed}
        packed |= here.keys()
        for first, last in packs.runs(entries, here.keys()) if here else ():
            inside = {h: (at - first, size) for h, (at, size) in here.items() if first <= at and at + size <= last}
            jobs.append(partial(_from_pack, store, pack, (first, last), inside, blobs))
    cut = [hash_ for hash_ in sorted(wanted) if hash_ in layout.chunks and hash_ not in packed]
    have = _sources(blobs) if cut else {}
    for hash_ in sorted(wanted.keys() - packed):
        if hash_ in layout.chunks:
            jobs.append(partial(_from_chunks, store, hash_, layout.chunks[hash_], have, blobs))
        else:
            jobs.append(partial(_whole, store, hash_, wanted[hash_], blobs))
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="studio-farm-fetch")
    try:
        running: set[Future[list[str]]] = {pool.submit(job) for job in jobs}
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                for hash_ in future.result():
                    landed(hash_)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _whole(store: Store, hash_: str, size: int, blobs: Blobs) -> list[str]:
    for _ in range(_TRIES):
        if blobs.take(hash_, lambda path: store.copy_to(path, blob_key(hash_), most=size)):
            return [hash_]
    raise damaged(store, hash_)


def _from_pack(store: Store, pack: str, run: tuple[int, int], files: packs.Entries, blobs: Blobs) -> list[str]:
    """The files of a stretch of a pack; all that are whole are kept, whatever the others are."""
    left = dict(files)
    for _ in range(_TRIES):
        data = memoryview(store.get_range(blob_key(pack), *run) if run[1] > run[0] else b"")
        for hash_, (at, size) in list(left.items()):
            part = data[at : at + size]
            if digest_of(part) == hash_ and blobs.take(hash_, partial(_write, data=part)):
                del left[hash_]
        if not left:
            return list(files)
    raise damaged(store, next(iter(left)))


def _from_chunks(store: Store, hash_: str, cuts: Cuts, have: Mapping[str, _Source], blobs: Blobs) -> list[str]:
    """A file out of its chunks, in order; it remembers them beside itself, for the next that shares some."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            for chunk, size in cuts:
                file.write(_chunk(store, chunk, size, have.get(chunk)))

    if not blobs.take(hash_, write):
        raise damaged(store, hash_)
    beside = blobs.path(hash_).with_suffix(_CUTS)
    temporary = beside.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(msgspec.json.encode(cuts))
        temporary.replace(beside)
    finally:
        temporary.unlink(missing_ok=True)
    return [hash_]


def _chunk(store: Store, chunk: str, size: int, source: _Source | None) -> bytes:
    if source is not None:
        with contextlib.suppress(OSError), source.path.open("rb") as file:  # evicted meanwhile: fetched instead
            file.seek(source.at)
            data = file.read(size)
            if digest_of(data) == chunk:
                return data
    for _ in range(_TRIES):
        data = store.get(blob_key(chunk), most=size)
        if digest_of(data) == chunk:
            return data
    raise damaged(store, chunk)


def _sources(blobs: Blobs) -> dict[str, _Source]:
    """Chunks that files of this machine hold."""
    out: dict[str, _Source] = {}
    for path, _ in blobs:
        beside = path.with_suffix(_CUTS)
        try:
            cuts = msgspec.json.decode(beside.read_bytes(), type=Cuts) if beside.is_file() else ()
        except (OSError, msgspec.DecodeError):  # cut short: what it would have saved is fetched
            continue
        at = 0
        for chunk, size in cuts:
            if is_hash(chunk) and size >= 0:
                out.setdefault(chunk, _Source(path, at))
                at += size
    return out


def _write(path: Path, *, data: memoryview) -> None:
    path.write_bytes(data)


def damaged(store: Store, hash_: str) -> BadAsset:
    """The fault of an object that is not what its name says, noted in the store where that can be written."""
    with contextlib.suppress(StudioError):  # a node may have no right to write there
        store.put(f"{SUSPECTS}/{hash_}", b"")
    return BadAsset(f"{store.name}: {hash_[:12]} is damaged in the store; submit the job again, which sends it again")
