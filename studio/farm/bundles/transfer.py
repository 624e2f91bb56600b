"""Sending a bundle to a store: only what the store has not, several objects at a time, and seen to have arrived.

One list of the store says what is there. What is not is sent: new packs of small files, new chunks of large ones, the
rest whole. Then the list is asked again, and what is missing or too short in it is sent once more, so an upload that
tore does not stay torn. Last come the indices of new packs, the layout and the manifest: a bundle that can be seen is
whole. Whoever is killed before that sends only the rest the next time, since what is there is there. When the store was
cleaned meanwhile (`studio.farm.sweep`), all of it is done once more, as what was there may have gone.

What is sent is hashed as it is sent, unless it was hashed by this very run: a file that changes meanwhile is told, not
sent under a name that is not its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from studio.errors import BadAsset, CannotWrite
from studio.farm.bundles import chunks, manifest, packs
from studio.farm.bundles.cas import blob_key, digest_of, digest_of_file, is_hash
from studio.farm.bundles.journal import Cuts, Journal
from studio.farm.bundles.manifest import BundleFile, Layout, Manifest, PackIndex
from studio.farm.store import Store
from studio.farm.sweeps import last_sweep

THREADS = 4
_ROUNDS = 3  # of sending what did not arrive
_INDEX_AT_LEAST = 4 << 20  # bytes of small files that are worth asking what others' packs hold
LARGEST_INDEX = 64 << 20
SUSPECTS = "suspects"  # below which nodes name what did not have its hash
_FEW = 16  # objects that are asked for one by one rather than by a list
Progress = Callable[[int, int], None]
_Job = tuple[int, Callable[[], None]]  # bytes, and what sends them


@dataclass(frozen=True, slots=True)
class Upload:
    """What sending a bundle came to. `sent` counts bytes that went to the store, `read` those that were read to know
    what the files are: none of a file that the journal knows."""

    bundle: str
    manifest: Manifest
    sent: int
    objects: int
    read: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of the project and what is known of it."""

    name: str
    path: Path
    stat: tuple[int, int, int]  # size, time of change, inode
    hash: str
    cuts: Cuts
    fresh: bool  # read by this run


@dataclass(slots=True)
class _Sending:
    """What is to be sent, by key, and how: the whole bytes of a job are made only when it is its turn."""

    store: Store
    jobs: dict[str, _Job] = field(default_factory=dict)
    sent: int = 0
    objects: int = 0


def upload(
    folder: Path,
    names: Iterable[str],
    store: Store,
    *,
    journal: Journal,
    progress: Progress = lambda done, total: None,
    threads: int = THREADS,
    instead: Mapping[str, Path] | None = None,
) -> Upload:
    """Send files below a folder as a bundle, some of them as others that are read `instead`. `progress` hears of bytes
    that are there, of all bytes, in this thread.

    Raises BadAsset for a file that cannot be read or changes meanwhile, CannotWrite when the store takes no more.
    """
    swept = last_sweep(store)
    suspects = {name for key, _ in store.list(SUSPECTS) if is_hash(name := key.rsplit("/", 1)[-1])}
    journal.forget(suspects)
    found = [_told((instead or {}).get(name, folder / name), name, journal) for name in names]
    files = (BundleFile(path=f.name, size=f.stat[0], hash=f.hash) for f in found)
    whole = Manifest(files=tuple(sorted(files, key=lambda file: file.path)))
    manifest.check_manifest(whole, str(folder))
    sending = _Sending(store)
    text = manifest.encoded(whole)
    hash_ = digest_of(text)
    for _ in range(_ROUNDS):
        sending.jobs.clear()
        layout, made = _planned(sending, journal, {f.hash: f for f in found}, suspects)
        _send(sending, whole.size, progress, threads)
        for pack in made:
            journal.learn_pack(pack, layout.packs[pack])
            _put(sending, manifest.index_key(pack), manifest.encoded(PackIndex(files=layout.packs[pack])))
        _put(sending, manifest.layout_key(hash_), manifest.encoded(layout))
        _put(sending, manifest.bundle_key(hash_), text)
        before, swept = swept, last_sweep(store)
        if swept == before:
            break
    else:
        raise CannotWrite(f"{store.name} is cleaned again and again; send the scene when that is over")
    resent = suspects & (whole.blobs().keys() | {chunk for cuts in layout.chunks.values() for chunk, _ in cuts})
    store.delete(*(f"{SUSPECTS}/{name}" for name in resent))
    return Upload(hash_, whole, sending.sent, sending.objects, sum(f.stat[0] for f in found if f.fresh))


def _planned(
    sending: _Sending, journal: Journal, files: Mapping[str, _Found], suspects: set[str]
) -> tuple[Layout, list[str]]:
    """Where the files will lie, and which packs are new; what the store has not goes to what is to be sent."""
    there = {key.rsplit("/", 1)[-1]: size for key, size in sending.store.list("blobs")}
    for hash_ in suspects:
        there.pop(hash_, None)
    small = {hash_: file.stat[0] for hash_, file in files.items() if file.stat[0] < packs.SMALL}
    known = _known_packs(sending.store, journal, small, there, suspects)
    plan = packs.plan(small, known)
    old = {pack: {hash_: known[pack][hash_] for hash_ in hashes} for pack, hashes in plan.old.items()}
    # A pack with a file that came damaged may be made again just as it was, and is sent although it is there.
    new = _plan_packs(sending, plan.new, files, {} if suspects & small.keys() else there)
    for hash_, file in files.items():
        if file.cuts:
            _plan_chunks(sending, file, there)
        elif hash_ not in small and there.get(hash_) != file.stat[0]:
            sending.jobs[hash_] = file.stat[0], _whole(sending.store, file)
    cuts = {hash_: file.cuts for hash_, file in files.items() if file.cuts}
    return Layout(packs=old | new, chunks=cuts), list(new)


# --- what the files are ----------------------------------------------------------------------------------------------
def _told(path: Path, name: str, journal: Journal) -> _Found:
    """A file with its hash and chunks: remembered, or read."""
    try:
        before = _stat(path)
        known = journal.known(path)
        wants_cuts = chunks.is_cut(name, before[0])
        if known is not None and bool(known[1]) == wants_cuts:
            return _Found(name, path, before, known[0], known[1], fresh=False)
        hash_, cuts = _read(path, wants_cuts)
        if _stat(path) != before:
            raise BadAsset(f"{path} changed while it was read; send the scene again when nobody writes to it")
    except OSError as fault:
        raise BadAsset(f"{path} cannot be read: {(fault.strerror or str(fault)).lower()}") from None
    journal.learn(path, before, hash_, cuts)
    return _Found(name, path, before, hash_, cuts, fresh=True)


def _read(path: Path, wants_cuts: bool) -> tuple[str, Cuts]:
    from blake3 import blake3

    if not wants_cuts:
        return digest_of_file(path)[0], ()
    whole, cuts = blake3(), []
    for chunk in chunks.cut(path):
        whole.update(chunk)
        cuts.append((digest_of(chunk), len(chunk)))
    return str(whole.hexdigest()), tuple(cuts)


def _stat(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _known_packs(
    store: Store, journal: Journal, small: Mapping[str, int], there: Mapping[str, int], suspects: set[str]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Packs of the store: those that the journal knows and, when much is not in them, those that only the store knows.
    One that a file of is suspected of damage is none."""
    usable = {pack: entries for pack, entries in journal.packs().items() if pack in there}
    have = {hash_ for entries in usable.values() for hash_ in entries}
    if sum(size for hash_, size in small.items() if hash_ not in have) >= _INDEX_AT_LEAST:
        listed = {key.rsplit("/", 1)[-1] for key, _ in store.list("packs")}
        for pack in sorted((listed & there.keys()) - usable.keys()):
            try:
                data = store.get(manifest.index_key(pack), most=LARGEST_INDEX)
                usable[pack] = manifest.decoded_index(data, pack, f"{store.name}: the pack {pack[:12]}")
            except BadAsset:
                continue  # a pack that nobody knows the files of is not used; they are sent again
            journal.learn_pack(pack, usable[pack])
    short = {p for p, e in usable.items() if there[p] < max((at + size for at, size in e.values()), default=0)}
    return {p: e for p, e in usable.items() if p not in short and suspects.isdisjoint(e)}


# --- what is to be sent ----------------------------------------------------------------------------------------------
def _plan_packs(
    sending: _Sending, new: list[list[str]], by_hash: Mapping[str, _Found], there: Mapping[str, int]
) -> dict[str, dict[str, tuple[int, int]]]:
    """The new packs with their entries. Packs are small enough to be read once for their hash and once to be sent."""
    made = {}
    for hashes in new:
        files = [by_hash[hash_] for hash_ in hashes]
        entries = packs.entries_of(hashes, {f.hash: f.stat[0] for f in files})
        data = _packed(files)
        pack = digest_of(data)
        made[pack] = entries
        if there.get(pack) != len(data):
            sending.jobs[pack] = len(data), _lazily(sending.store, pack, partial(_packed, files))
    return made


def _plan_chunks(sending: _Sending, file: _Found, there: Mapping[str, int]) -> None:
    at = 0
    for chunk, size in file.cuts:
        if there.get(chunk) != size:
            sending.jobs[chunk] = size, _lazily(sending.store, chunk, partial(_part, file, at, size))
        at += size


def _lazily(store: Store, hash_: str, made: Callable[[], bytes]) -> Callable[[], None]:
    def send() -> None:
        data = made()
        if digest_of(data) != hash_:
            raise BadAsset("a file of the scene changed while it was sent; send the scene again")
        store.put(blob_key(hash_), data)

    return send


def _whole(store: Store, file: _Found) -> Callable[[], None]:
    def send() -> None:
        try:
            same = file.fresh or digest_of_file(file.path)[0] == file.hash
        except OSError as fault:
            raise BadAsset(f"{file.path} cannot be read: {(fault.strerror or str(fault)).lower()}") from None
        if not same:
            raise _changed(file)
        store.send(blob_key(file.hash), file.path)
        if not _is_as_found(file):
            store.delete(blob_key(file.hash))
            raise _changed(file)

    return send


def _is_as_found(file: _Found) -> bool:
    try:
        return _stat(file.path) == file.stat
    except OSError:
        return False


def _packed(files: list[_Found]) -> bytes:
    out = bytearray()
    for file in files:
        try:
            data = file.path.read_bytes()
        except OSError as fault:
            raise BadAsset(f"{file.path} cannot be read: {(fault.strerror or str(fault)).lower()}") from None
        if len(data) != file.stat[0] or digest_of(data) != file.hash:
            raise _changed(file)
        out += data
    return bytes(out)


def _part(file: _Found, at: int, size: int) -> bytes:
    try:
        with file.path.open("rb") as opened:
            opened.seek(at)
            return opened.read(size)
    except OSError as fault:
        raise BadAsset(f"{file.path} cannot be read: {(fault.strerror or str(fault)).lower()}") from None


def _changed(file: _Found) -> BadAsset:
    return BadAsset(f"{file.path} changed while it was sent; send the scene again when nobody writes to it")


# --- sending ---------------------------------------------------------------------------------------------------------
def _send(sending: _Sending, total: int, progress: Progress, threads: int) -> None:
    """Send all jobs, see what arrived, and send again what did not."""
    jobs = dict(sending.jobs)
    done = total - sum(size for size, _ in jobs.values())
    progress(max(done, 0), total)
    for _ in range(_ROUNDS):
        for size in _sent(jobs, threads):
            done = min(done + size, total)
            sending.sent += size
            sending.objects += 1
            progress(max(done, 0), total)
        jobs = _torn(sending.store, jobs)
        if not jobs:
            return
        done -= sum(size for size, _ in jobs.values())
    raise CannotWrite(f"{sending.store.name}: {len(jobs)} objects do not arrive whole; try again, or use another store")


def _sent(jobs: Mapping[str, _Job], threads: int) -> Iterable[int]:
    """Do jobs in threads; gives the size of each that is done. The first fault ends it, and what has not begun."""
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="studio-farm-send")
    try:
        running: dict[Future[None], int] = {pool.submit(send): size for size, send in jobs.values()}
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                yield running.pop(future)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _torn(store: Store, jobs: dict[str, _Job]) -> dict[str, _Job]:
    """Of what was sent, what is not there whole. A list says so of many at once; what it does not have yet is asked for
    by itself."""
    listed = {key.rsplit("/", 1)[-1]: size for key, size in store.list("blobs")} if len(jobs) > _FEW else {}
    return {
        hash_: job
        for hash_, job in jobs.items()
        if listed.get(hash_) != job[0] and store.size(blob_key(hash_)) != job[0]
    }


def _put(sending: _Sending, key: str, data: bytes) -> None:
    """Write a small object, and see that it is what it should be."""
    for _ in range(_ROUNDS):
        sending.store.put(key, data)
        sending.sent += len(data)
        sending.objects += 1
        if sending.store.size(key) == len(data):
            return
    raise CannotWrite(f"{sending.store.name}: {key} does not arrive whole; try again, or use another store")
