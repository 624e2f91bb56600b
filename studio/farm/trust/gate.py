"""Objects of the store for nodes that cannot reach it: they go by the coordinator, which looks at each.

A node of somebody else has no credentials of the store, so it asks at `/v1/objects/<key>` (`wire`). What it may read is
what a job that it may see needs: the job, its bundle and the files of that, nothing of other jobs and nothing of how
the farm works. Small files lie in packs, which bundles share; of a pack a guest sees the bytes of its own files and
zeros between them, which is all that it needs, as every file is taken by its hash. What a guest may write is the
partial of an attempt that it holds now: once, under the one key that it has, and no larger than the film of its piece.

`Gate` is the coordinator's side, `GateBucket` the node's: a bucket for `Store`, so that nothing else there knows.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from studio.errors import BadAsset, CannotWrite
from studio.farm.bundles.cas import is_hash
from studio.farm.bundles.manifest import read_layout, read_manifest
from studio.farm.desk import Forbidden, Guest, Stranger, owns
from studio.farm.jobs import RenderJob, claim_on, part_key
from studio.farm.model import JobId, Lease, NodeId, Range
from studio.farm.store import Store
from studio.farm.trust.gate_bucket import BLOCK as BLOCK
from studio.farm.trust.gate_bucket import GateBucket as GateBucket
from studio.farm.trust.gate_bucket import Refused as Refused
from studio.farm.verify import largest_part
from studio.farm.wire import TooLarge

_PART = re.compile(r"([0-9]{1,12})-([0-9]{1,12})\.([0-9]{1,20})\.part")
Span = tuple[int, int]


class Counter(Protocol):
    """What a gate asks its coordinator (`Service`)."""

    store: Store

    def jobs_at_work(self) -> list[RenderJob]:
        """The jobs that are not over."""

    def job(self, id_: JobId) -> RenderJob | None:
        """A job; None for one that is not here."""

    def lease_of(self, attempt: int) -> Lease | None:
        """The lease of an attempt that is at work."""


@dataclass(slots=True)
class _Contents:
    """What a bundle is made of in the store: objects that are its own, and of packs the parts that are."""

    whole: frozenset[str]
    packs: dict[str, list[Span]]


@dataclass(slots=True)
class _Part:
    """A partial that was written here and not seen to be claimed yet."""

    key: str
    job: RenderJob
    piece: int
    samples: Range
    node: NodeId
    blocks: str


@dataclass(slots=True)
class _Writing:
    """Partials by attempt: those that lie in the store, and the attempts whose next is on its way."""

    lying: dict[int, _Part] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)


class Gate:
    """The coordinator's side. Any thread may use it."""

    def __init__(self, counter: Counter) -> None:
        self._counter, self._store = counter, counter.store
        self._contents: dict[str, _Contents] = {}
        self._reading = threading.Lock()
        self._writing = _Writing()
        self._lock = threading.Lock()

    # --- reading -----------------------------------------------------------------------------------------------------
    def size(self, guest: Guest, key: str) -> int:
        """See `wire.ObjectGate.size`."""
        self._seen(guest, key)
        size = self._store.size(key)
        if size is None:
            raise FileNotFoundError(key)
        return size

    def read(self, guest: Guest, key: str, start: int, end: int) -> Iterator[bytes]:
        """See `wire.ObjectGate.read`."""
        shown = self._seen(guest, key)
        for at in range(start, end, BLOCK):
            data = self._store.get_range(key, at, min(at + BLOCK, end))
            yield data if shown is None else _only(data, at, shown)

    def _seen(self, guest: Guest, key: str) -> list[Span] | None:
        """The parts of an object that a guest may see; None for all of it. Raises Forbidden."""
        parts = key.split("/")
        match parts:
            case ["jobs", id_, "job.json" | "job.sig"] | ["jobs", id_, "rounds", _, _]:
                if any(job.spec.id == id_ for job in self._jobs(guest)):
                    return None
            case ["jobs", *_]:
                self._part(guest, key)
                return None
            case ["bundles" | "layouts", name]:
                hash_ = name.removesuffix(".sig") if parts[0] == "bundles" else name
                if any(job.spec.bundle == hash_ for job in self._jobs(guest)):
                    return None
            case ["blobs", head, hash_] if is_hash(hash_) and head == hash_[:2]:
                spans: list[Span] = []
                for bundle in sorted({job.spec.bundle for job in self._jobs(guest)}):
                    contents = self._of(bundle)
                    if hash_ in contents.whole:
                        return None
                    spans += contents.packs.get(hash_, ())
                if spans:
                    return spans
        raise Forbidden(f"{key[:120]!r} is nothing that a node like this one needs")

    def _jobs(self, guest: Guest) -> list[RenderJob]:
        return [job for job in self._counter.jobs_at_work() if job.spec.needs.trust >= guest.trust]

    def _of(self, bundle: str) -> _Contents:
        """What a bundle is made of; nothing where that cannot be read, which its nodes are told by the manifest."""
        with self._reading:
            found = self._contents.get(bundle)
            if found is not None:
                return found
            at_work = {job.spec.bundle for job in self._counter.jobs_at_work()}
            for gone in self._contents.keys() - at_work:
                del self._contents[gone]
            try:
                found = _contents_of(self._store, bundle)
            except BadAsset:
                return _Contents(frozenset(), {})
            self._contents[bundle] = found
            return found

    # --- writing -----------------------------------------------------------------------------------------------------
    def take(self, guest: Guest, key: str, length: int, read: Callable[[int], bytes]) -> None:
        """See `wire.ObjectGate.take`."""
        part, attempt = self._part(guest, key)
        most = largest_part(part.job, part.job.spec.pieces[part.piece])
        if length > most:
            raise TooLarge(f"a partial of this piece has {most:,} bytes at the most, not {length:,}")
        self._sweep()
        with self._alone(attempt, key), _folder() as folder:
            path = folder / "unit.part"
            digest = _received(path, length, read)
            self._part(guest, key)  # it may have lost the attempt meanwhile
            there = self._store.size(key)
            if there is None:
                self._store.send(key, path)
            elif there != length or self._digest(key, there) != digest:
                raise FileExistsError(key)
            with self._lock:
                self._writing.lying[attempt] = part

    def drop(self, guest: Guest, key: str) -> None:
        """See `wire.ObjectGate.drop`: of this guest's own, of an attempt that is over, when no claim names it.

        While an attempt is held the coordinator may be looking at what lies there, which stays what it is.
        """
        with self._lock:
            found = next(((n, part) for n, part in self._writing.lying.items() if part.key == key), None)
        if found is None:
            raise FileNotFoundError(key)
        attempt, part = found
        if guest.node and not owns(guest.node, part.node):
            raise Forbidden(f"{key[:120]!r} is another node's")
        if self._counter.lease_of(attempt) is not None or self._is_claimed(part):
            raise Forbidden(f"{key[:120]!r} is the job's now")
        self._store.delete(key)
        with self._lock:
            self._writing.lying.pop(attempt, None)

    def _part(self, guest: Guest, key: str) -> tuple[_Part, int]:
        """The partial that a key is of, and its attempt. Raises Forbidden for what is no such key, or another's, and
        Stranger for an attempt that nobody holds."""
        parts = key.split("/")
        found = _PART.fullmatch(parts[-1]) if len(parts) == 5 and parts[0] == "jobs" and parts[2] == "units" else None
        if found is None:
            raise Forbidden(f"{key[:120]!r} is no place for a node to write")
        samples, attempt = (int(found[1]), int(found[2])), int(found[3])
        lease = self._counter.lease_of(attempt)
        if lease is None:
            raise Stranger("nobody holds this attempt any more: offer the unit, or drop it")
        job = self._counter.job(lease.job)
        if guest.node and not owns(guest.node, lease.node):
            raise Forbidden(f'the node "{guest.node}" does not hold the attempt {attempt}')
        first, last = lease.range
        if job is None or not first <= samples[0] < samples[1] <= last:
            raise Forbidden(f"the attempt {attempt} has no such samples")
        if key != part_key(lease.job, job.spec.pieces[lease.piece], samples, attempt):
            raise Forbidden(f"{key[:120]!r} is not where the attempt {attempt} puts its samples")
        return _Part(key, job, lease.piece, samples, lease.node, lease.blocks), attempt

    @contextlib.contextmanager
    def _alone(self, attempt: int, key: str) -> Iterator[None]:
        """Write for an attempt, whose partial before was claimed, and which writes nothing else now."""
        with self._lock:
            before = self._writing.lying.get(attempt)
            if attempt in self._writing.busy:
                raise CannotWrite("another partial of this attempt is on its way; wait for it")
            self._writing.busy.add(attempt)
        try:
            if before is not None and before.key != key and self._is_waiting(before):
                raise Forbidden("a partial of this attempt is there and not handed in yet; hand it in first")
            yield
        finally:
            with self._lock:
                self._writing.busy.discard(attempt)

    def _is_waiting(self, part: _Part) -> bool:
        """Whether a partial lies there and was not taken. Of what was known before nothing stays when it is handed in
        (`Service.deliver`)."""
        return not self._is_claimed(part) and self._store.size(part.key) is not None

    def _is_claimed(self, part: _Part) -> bool:
        piece = part.job.spec.pieces[part.piece]
        claim = claim_on(self._store, part.job.spec.id, piece, part.samples, part.blocks)
        return claim is not None and claim.key == part.key

    def _sweep(self) -> None:
        """Forget the partials of attempts that are over, and remove those that nobody took."""
        with self._lock:
            idle = self._writing.lying.keys() - self._writing.busy
        over = [n for n in idle if self._counter.lease_of(n) is None]
        with self._lock:
            gone = [self._writing.lying.pop(n, None) for n in over]
        for part in gone:
            if part is not None and not self._is_claimed(part):
                self._store.delete(part.key)

    def _digest(self, key: str, size: int) -> str:
        digest = hashlib.sha256()
        for at in range(0, size, BLOCK):
            digest.update(self._store.get_range(key, at, min(at + BLOCK, size)))
        return digest.hexdigest()


def _contents_of(store: Store, bundle: str) -> _Contents:
    manifest = read_manifest(store, bundle)
    layout = read_layout(store, bundle, manifest)
    files = manifest.blobs()
    chunks = {chunk for cuts in layout.chunks.values() for chunk, _ in cuts}
    own = {
        pack: [(at, at + size) for hash_, (at, size) in entries.items() if hash_ in files]
        for pack, entries in layout.packs.items()
    }
    return _Contents(whole=frozenset(files.keys() | chunks), packs=own)


def _only(data: bytes, at: int, shown: list[Span]) -> bytes:
    """Of bytes that begin at a place, those in some spans; zeros elsewhere."""
    out = bytearray(len(data))
    for first, last in shown:
        a, b = max(first - at, 0), min(last - at, len(data))
        if a < b:
            out[a:b] = data[a:b]
    return bytes(out)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder for what comes, for a while. Raises CannotWrite where none can be made."""
    try:
        made = tempfile.TemporaryDirectory(prefix="myriad-farm-", ignore_cleanup_errors=True)
    except OSError as fault:
        raise CannotWrite(f"a partial cannot be kept: {(fault.strerror or str(fault)).lower()}") from fault
    with made as folder:
        yield Path(folder)


def _received(path: Path, length: int, read: Callable[[int], bytes]) -> str:
    """Write what comes to a file; its digest. Raises ConnectionError when it breaks off, CannotWrite for the disk."""
    digest, left = hashlib.sha256(), length
    try:
        file = path.open("wb")
    except OSError as fault:
        raise CannotWrite(f"a partial cannot be kept: {(fault.strerror or str(fault)).lower()}") from fault
    with file:
        while left:
            data = read(min(left, BLOCK))
            if not data:
                raise ConnectionError(f"{length - left} of {length} bytes came")
            digest.update(data)
            left -= len(data)
            try:
                file.write(data)
            except OSError as fault:
                raise CannotWrite(f"a partial cannot be kept: {(fault.strerror or str(fault)).lower()}") from fault
    return digest.hexdigest()
