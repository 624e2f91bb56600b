"""Bundles on a node's disk: what is fetched once serves every bundle that has it, and every process of the machine.

    blobs/ab/<hash>     files under the hash of their bytes, which nobody may write to
    bundles/<hash>/     a bundle as a folder: links to its blobs, or copies where a disk has no links
    pins/<hash>/..      locks of processes that use a bundle; the system drops them with the process
    making/..           what is being put together; it becomes a bundle by being renamed
    cache.lock          held by whoever fetches or makes room

Several node processes share a cache. One of them fetches a bundle and the others wait for it, unless it makes no
headway: then they go on without it, for nothing depends on that lock but that work is not done twice. Files and bundles
appear by being renamed, so whatever is killed leaves at most something in `making` that the next one removes.

When the cache is full, or the disk nearly, what no bundle uses goes first, the longest unused first, then whole bundles
that nobody has pinned. A node would rather refuse a bundle than fill the disk it lives on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.errors import BadAsset, CannotWrite
from studio.farm.bundles.arrivals import arrive
from studio.farm.bundles.cas import Blobs, is_hash
from studio.farm.bundles.manifest import Layout, Manifest, read_layout, read_manifest
from studio.farm.store import Store
from studio.render.queue_store import Locked, is_locked, locked
from studio.scene.project import load_project
from studio.scene.scene import Scene

LIMIT = 200 << 30
FLOOR = 1 << 30
STALLED_S = 60.0  # without headway of whoever holds the cache
_POLL_S = 0.1
_TRIES = 3  # of building a bundle whose blobs somebody removes meanwhile


class NodeCache:
    """Bundles on a node's disk. Any thread and any number of processes may use a folder at once.

    `limit` is the most bytes of files in it, `floor` what is always left free on its disk. The bundle that was fetched
    last is pinned by this process, others only while `pinned`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limit: int = LIMIT,
        floor: int = FLOOR,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder, self._limit, self._floor, self._free = folder, limit, floor, free
        self._blobs = Blobs(folder)
        self._lock = threading.RLock()
        self._pins: dict[str, tuple[int, contextlib.ExitStack]] = {}
        self._last = ""

    def fetch(self, store: Store, hash_: str) -> Path:
        """The folder of a bundle, whole, and pinned until another is fetched.

        Raises BadAsset for a bundle that is damaged or hostile, CannotWrite when it does not fit or does not come.
        """
        if not is_hash(hash_):
            raise BadAsset(f"{hash_[:40]!r} is no name of a bundle; do not trust the job")
        with self._lock, self._told():
            self._pin(hash_)
            if self._last:
                self._unpin(self._last)
            self._last = hash_
            folder = self._place(hash_)
            if not folder.is_dir():
                with self._alone(folder):
                    self._sweep()
                    if not folder.is_dir():
                        self._fetch(store, hash_, folder)
            os.utime(folder)  # it is the last that goes
        return folder

    def scene(self, store: Store, hash_: str, name: str) -> Scene:
        """The scene of a bundle. What this machine's disk has damaged of it is fetched again."""
        folder = self.fetch(store, hash_)
        wanted = folder if name == "scene.json" else folder / self._named(store, hash_, name)
        try:
            return load_project(wanted)
        except BadAsset:
            if not self.recheck(store, hash_):
                raise
        self.fetch(store, hash_)
        return load_project(wanted)

    def recheck(self, store: Store, hash_: str) -> bool:
        """Read every file of a bundle again; those that are not whole are dropped, with the bundle, to be fetched once
        more. Whether there were any."""
        manifest = read_manifest(store, hash_)
        with self._lock, self._told(), self._alone(self._place(hash_), built=False):
            bad = [blob for blob in manifest.blobs() if not self._blobs.is_whole(blob)]
            for blob in bad:
                self._drop_blob(self._blobs.path(blob))
            lost = [f for f in manifest.files if not (self._place(hash_) / f.path).is_file()]
            if bad or lost:
                self._drop_bundle(self._place(hash_))
        return bool(bad or lost)

    @contextlib.contextmanager
    def pinned(self, hash_: str) -> Iterator[None]:
        """Keep a bundle from being evicted by anybody."""
        with self._lock, self._told():
            self._pin(hash_)
        try:
            yield
        finally:
            with self._lock:
                self._unpin(hash_)

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            for _, held in self._pins.values():
                held.close()
            self._pins.clear()
            self._last = ""

    def size(self) -> int:
        """Bytes of the files in the cache."""
        return sum(found.st_size for _, found in self._blobs)

    # --- building a bundle -------------------------------------------------------------------------------------------
    def _fetch(self, store: Store, hash_: str, folder: Path) -> None:
        manifest = read_manifest(store, hash_)
        for tried in range(_TRIES):
            try:
                with self._making() as made:
                    self._build(store, hash_, manifest, made)
                    folder.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        made.rename(folder)
                    except OSError:
                        if not folder.is_dir():  # else another process was quicker
                            raise
                return
            except FileNotFoundError:  # somebody made room in this very moment
                if tried == _TRIES - 1:
                    raise

    def _build(self, store: Store, hash_: str, manifest: Manifest, made: Path) -> None:
        """Link what is there, so that nobody removes it, then fetch the rest, each linked as it comes."""
        places: dict[str, list[Path]] = {}
        for file in manifest.files:
            places.setdefault(file.hash, []).append(made / file.path)
            (made / file.path).parent.mkdir(parents=True, exist_ok=True)
        missing = {}
        for blob, size in manifest.blobs().items():
            if self._blobs.has(blob, size):
                self._link(blob, places[blob])
            else:
                missing[blob] = size
        self._make_room(sum(missing.values()))
        layout = read_layout(store, hash_, manifest) if missing else Layout()

        def landed(blob: str) -> None:
            self._link(blob, places[blob])
            os.utime(self._folder / "cache.lock")  # whoever waits sees that there is headway

        arrive(store, layout, missing, self._blobs, landed=landed)

    def _link(self, blob: str, places: list[Path]) -> None:
        source = self._blobs.path(blob)
        for place in places:
            try:
                os.link(source, place)
            except FileNotFoundError:
                raise
            except OSError:  # a disk without links, or a file with all the links that it can have
                shutil.copyfile(source, place)

    def _named(self, store: Store, hash_: str, name: str) -> str:
        if name not in {file.path for file in read_manifest(store, hash_).files}:
            raise BadAsset(f"{store.name}: the bundle {hash_[:12]} has no scene {name[:80]!r}; submit the job again")
        return name

    # --- room --------------------------------------------------------------------------------------------------------
    def _make_room(self, need: int) -> None:
        """Remove what may go until `need` more bytes fit; CannotWrite, and nothing is removed, when they never will."""
        if not need:
            return
        found = list(self._blobs)
        used = sum(told.st_size for _, told in found)
        free = self._free(self._folder)
        if need > self._limit or need > free + used - self._floor:
            raise CannotWrite(
                f"the node's cache {self._folder} has no room for {_shown(need)}; give it more, or another disk"
            )
        while (short := max(used + need - self._limit, self._floor + need - free)) > 0:
            loose = sorted((t.st_mtime_ns, path.name, path, t.st_size) for path, t in found if t.st_nlink == 1)
            before = short
            for _, _, path, size in loose:
                if short <= 0:
                    break
                self._drop_blob(path)
                short -= size
            if short > 0 and not self._drop_oldest() and short == before:
                raise CannotWrite(
                    f"the node's cache {self._folder} has no room for {_shown(need)} beside the bundles in use; "
                    "give it more, or another disk"
                )
            found = list(self._blobs)
            used = sum(told.st_size for _, told in found)
            free = self._free(self._folder)

    def _drop_oldest(self) -> bool:
        """Remove the bundle that nobody has used for longest; False when all are in use."""
        folder = self._folder / "bundles"
        bundles = [path for path in folder.iterdir() if is_hash(path.name)] if folder.is_dir() else []
        for path in sorted(bundles, key=lambda path: (path.stat().st_mtime_ns, path.name)):
            if not self._is_pinned(path.name):
                self._drop_bundle(path)
                return True
        return False

    def _drop_bundle(self, folder: Path) -> None:
        aside = self._folder / "making" / f"gone-{uuid.uuid4().hex}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def _drop_blob(self, path: Path) -> None:
        for gone in (path, path.with_suffix(".chunks")):
            gone.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what processes that were killed left half made."""
        making = self._folder / "making"
        for path in list(making.iterdir()) if making.is_dir() else ():
            if path.name.startswith("gone-"):
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == ".lock" and not is_locked(path):
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink(missing_ok=True)
        pins = self._folder / "pins"
        for path in list(pins.iterdir()) if pins.is_dir() else ():
            self._is_pinned(path.name)  # drops those of the dead
        aged = time.time() - 3600.0
        for path in (self._folder / "blobs").glob("??/.*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < aged:
                    path.unlink()

    # --- processes ---------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _making(self) -> Iterator[Path]:
        """A folder to build in, which is gone afterwards unless it was renamed."""
        place = self._folder / "making" / uuid.uuid4().hex
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = place.with_suffix(".lock")
        with contextlib.ExitStack() as held:
            held.callback(lambda: lock.unlink(missing_ok=True))
            held.enter_context(locked(lock, wait=False))
            held.callback(lambda: shutil.rmtree(place, ignore_errors=True))
            place.mkdir()
            yield place

    @contextlib.contextmanager
    def _alone(self, folder: Path, *, built: bool = True) -> Iterator[None]:
        """Hold the cache, or go on when its holder has built the folder or makes no headway."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = self._folder / "cache.lock"
        with contextlib.ExitStack() as held:
            while not (built and folder.is_dir()):
                try:
                    held.enter_context(locked(lock, wait=False))
                    os.utime(lock)
                    break
                except Locked:
                    if time.time() - lock.stat().st_mtime > STALLED_S:
                        break
                    time.sleep(_POLL_S)
            yield

    def _pin(self, hash_: str) -> None:
        count, held = self._pins.get(hash_, (0, contextlib.ExitStack()))
        if not count:
            pin = self._folder / "pins" / hash_ / uuid.uuid4().hex
            pin.parent.mkdir(parents=True, exist_ok=True)
            held.callback(lambda: pin.unlink(missing_ok=True))
            while not pin.exists():  # whoever makes room takes a pin for a dead one until it is locked
                held.enter_context(locked(pin, wait=False))
        self._pins[hash_] = count + 1, held

    def _unpin(self, hash_: str) -> None:
        count, held = self._pins.pop(hash_)
        if count > 1:
            self._pins[hash_] = count - 1, held
        else:
            held.close()

    def _is_pinned(self, hash_: str) -> bool:
        folder = self._folder / "pins" / hash_
        for pin in list(folder.iterdir()) if folder.is_dir() else ():
            if is_locked(pin):
                return True
            pin.unlink(missing_ok=True)
        return False

    def _place(self, hash_: str) -> Path:
        return self._folder / "bundles" / hash_

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What the disk does not let us, as a sentence."""
        try:
            yield
        except OSError as fault:
            why = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"the node's cache {self._folder} takes no more: {why}; free its disk") from fault


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
