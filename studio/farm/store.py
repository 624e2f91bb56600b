"""Where the farm's truth lies: a folder, an object store of a cloud, or memory, behind a few verbs.

Keys are paths like "jobs/j1/units/f24/0-64.part". `put(..., once=True)` creates or does nothing, in one step, which is
the farm's only lock: whoever wins it has won. A store that cannot do that refuses to be used (`probe`). Nothing that
counts is ever decided by a list, which may be older than what it lists.

Stores fail now and then: busy, slow, a line that breaks. Every verb is tried again a few times with growing random
pauses, and what an attempt may have done before it broke is looked up, so that trying twice is doing once.

The stores themselves are obstore's, which speaks to local folders, S3 and what is like it, Google's, Azure's and HTTP
(to read from); credentials come from the environment, as those services' own tools take them, never from a URL.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from studio.errors import BadAsset, CannotWrite, StudioError, Unsupported, UsageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")
SCHEMES = ("file", "memory", "s3", "gs", "az", "http", "https")
_STATUS, _NUMBER = re.compile(r"status code: (\d{3})"), re.compile(r"\(os error (\d+)\)")
CLOCK_S = 600.0  # between two looks at how far the clock of a store is before ours
_BUSY = {"408", "425", "429", "500", "502", "503", "504"}


class Bucket(Protocol):
    """What a store is made of. Faults are obstore's exceptions, FileNotFoundError for what is not there, TimeoutError
    and ConnectionError."""

    def put(self, key: str, data: bytes | Path, *, create: bool) -> None:
        """Write an object; with `create` raise AlreadyExistsError where there is one."""

    def get(self, key: str) -> tuple[int, Iterable[bytes]]:
        """The size of an object, and its bytes in parts."""

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Some of the bytes of an object."""

    def head(self, key: str) -> int:
        """The size of an object."""

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """Keys with sizes."""

    def delete(self, key: str) -> None:
        """Remove an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a verb is tried, and how long the pauses are at most: the first, doubled each time, up to the longest.
    Each is drawn at random from nothing to that, so that those who failed together do not come back together."""

    tries: int = 5
    first_s: float = 0.2
    longest_s: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random

    def pause(self, failed: int) -> None:
        """Wait after so many failures."""
        self.sleep(self.draw() * min(self.longest_s, self.first_s * 2 ** (failed - 1)))


class Store:
    """Objects by key. Every fault is one sentence: `BadAsset` for what is not there, `CannotWrite` for what cannot be
    written or reached. Any thread may use it."""

    def __init__(self, inner: Bucket, name: str, *, patience: Patience | None = None) -> None:
        self._inner = inner
        self._patience = patience or Patience()
        self._ahead: tuple[float, float] | None = None  # when it was measured, and seconds before our clock
        self._clocking = threading.Lock()
        self.name = name

    def put(self, key: str, data: bytes, *, once: bool = False) -> bool:
        """Write an object whole; with `once` only where there is none. Whether it was written.

        An attempt that broke may have written all or a beginning of it all the same. What is there then is compared
        with `data`, so callers who race put bytes that differ.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        doubt = False

        def write() -> bool:
            nonlocal doubt
            try:
                self._inner.put(key, data, create=once)
            except (AlreadyExistsError, PreconditionError):
                return doubt and self._settled(key, data)
            except Exception:
                doubt = True
                raise
            return True

        return self._tried(write, f"cannot write {key}")

    def send(self, key: str, path: Path) -> None:
        """Write an object from a file, in several parts at once when it is large."""
        self._tried(lambda: self._inner.put(key, path, create=False), f"cannot write {key}")

    def get(self, key: str, *, most: int | None = None) -> bytes:
        """The bytes of an object; BadAsset for one of more than `most`, of which nothing is read."""

        def read() -> bytes:
            size, parts = self._inner.get(key)
            self._limit(key, size, most)
            data = b"".join(parts)
            if len(data) != size:
                raise ConnectionError(f"{len(data)} of {size} bytes came")
            return data

        return self._tried(read, f"cannot read {key}")

    def copy_to(self, path: Path, key: str, *, most: int | None = None) -> None:
        """Write the bytes of an object to a file. OSError when the disk does not let us."""
        fault: OSError | None = None

        def read() -> None:
            nonlocal fault
            size, parts = self._inner.get(key)
            self._limit(key, size, most)
            came = 0
            with contextlib.ExitStack() as stack:
                try:
                    file = stack.enter_context(path.open("wb", buffering=0))
                except OSError as refused:
                    fault = refused
                    return
                for part in parts:
                    came += len(part)
                    self._limit(key, came, size)
                    try:
                        rest = memoryview(part)
                        while rest:
                            rest = rest[file.write(rest) :]
                    except OSError as full:
                        fault = full
                        return
            if came != size:
                raise ConnectionError(f"{came} of {size} bytes came")

        self._tried(read, f"cannot read {key}")
        if fault is not None:
            raise fault

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Some of the bytes of an object; from a store that gives no part of one, out of the whole."""
        from obstore.exceptions import NotSupportedError

        def read() -> bytes:
            try:
                data = self._inner.get_range(key, start, end)
            except NotSupportedError:
                data = b"".join(self._inner.get(key)[1])[start:end]
            if len(data) != end - start:
                raise ConnectionError(f"{len(data)} of {end - start} bytes came")
            return data

        return self._tried(read, f"cannot read {key}")

    def size(self, key: str) -> int | None:
        """How many bytes an object has; None where there is none."""

        def look() -> int | None:
            try:
                return self._inner.head(key)
            except FileNotFoundError:
                return None

        return self._tried(look, "cannot be reached")

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys below a prefix (whole parts of a path), with their sizes, in no order. What was written a moment ago
        may be missing."""
        yield from self._tried(lambda: list(self._inner.list(prefix)), "cannot be listed")

    def dated(self) -> tuple[tuple[str, int, float], ...]:
        """Every key with its size and its age in seconds, by the clock of the store, which an object that is written
        for it tells. Raises Unsupported for a store that knows no ages."""
        look = getattr(self._inner, "dated", None)
        if look is None:
            raise Unsupported(f"{self.name}: does not say how old objects are; clean it where it lies")
        clock = f"probe/{uuid.uuid4().hex}"
        self.put(clock, b"now", once=True)
        found: tuple[tuple[str, int, float], ...] = self._tried(lambda: tuple(look()), "cannot be listed")
        self.delete(clock)
        now = next((at for key, _, at in found if key == clock), None)
        if now is None:
            raise CannotWrite(f"{self.name}: lists what was a while ago; try again later")
        return tuple((key, size, now - at) for key, size, at in found if key != clock)

    def clock(self) -> float:
        """Seconds since 1970 by the clock of the store, which all who use it share, whatever their own clocks say. An
        object that is written for it tells, every now and then; of a store that knows no times, or takes nothing from
        us, our own clock must do."""
        now = time.monotonic()
        with self._clocking:
            if self._ahead is None or now - self._ahead[0] > CLOCK_S:
                self._ahead = now, self._ahead_s()
            return time.time() + self._ahead[1]

    def _ahead_s(self) -> float:
        """How far the clock of the store is before ours."""
        written = getattr(self._inner, "written", None)
        if written is None:
            return 0.0
        key = f"probe/{uuid.uuid4().hex}"
        try:
            before = time.time()
            self.put(key, b"now")
            after = time.time()
            there: float = self._tried(lambda: float(written(key)), f"cannot read {key}")
            self.delete(key)
        except StudioError:
            return 0.0
        return 0.0 if before - 1.0 <= there <= after + 1.0 else there - 0.5 * (before + after)

    def delete(self, *keys: str) -> None:
        """Remove objects; what is not there is no fault."""
        for key in keys:

            def remove(key: str = key) -> None:
                try:
                    self._inner.delete(key)
                except FileNotFoundError:
                    return

            self._tried(remove, f"cannot remove {key}")

    def probe(self) -> None:
        """See that the store can be written, and that of two who create one object one wins.

        Raises CannotWrite or Unsupported, each in a sentence.
        """
        key = f"probe/{uuid.uuid4().hex}"
        first, second = self.put(key, b"1", once=True), self.put(key, b"2", once=True)
        kept = self.get(key)
        self.delete(key)
        if not first or second or kept != b"1":
            raise Unsupported(
                f"{self.name}: does not create objects conditionally, which a farm needs; use another store"
            )

    # --- trying again ------------------------------------------------------------------------------------------------
    def _tried(self, call: Callable[[], T], what: str) -> T:
        """Do something, again while it fails for what may pass; what does not is told."""
        for failed in range(1, self._patience.tries + 1):
            try:
                return call()
            except StudioError:
                raise
            except FileNotFoundError as fault:
                key = what.removeprefix("cannot read ")
                raise BadAsset(f"{self.name}: there is no {key}; it was removed, or never arrived") from fault
            except NotImplementedError as fault:
                raise Unsupported(f"{self.name}: {what}: such a store can only be read; use another") from fault
            except Exception as fault:
                if failed == self._patience.tries or not _passes(fault):
                    raise CannotWrite(f"{self.name}: {what}: {_told(fault)}") from fault
            self._patience.pause(failed)
        raise AssertionError("the last try returns or raises")

    def _settled(self, key: str, data: bytes) -> bool:
        """Whether what an attempt that broke left at a key is ours; a beginning of it is made whole."""
        size = self._inner.head(key)
        found = b"".join(self._inner.get(key)[1]) if size <= len(data) else None
        if found is None or not data.startswith(found):
            return False
        if len(found) < len(data):
            self._inner.put(key, data, create=False)
        return True

    def _limit(self, key: str, size: int, most: int | None) -> None:
        if most is not None and size > most:
            raise BadAsset(
                f"{self.name}: {key} has {size:,} bytes, more than the {most:,} that it should; do not use it"
            )


def open_store(place: str | Path, *, patience: Patience | None = None) -> Store:
    """The store at a folder or a URL (s3://bucket/prefix, gs://, az://, https://, memory://).

    Raises UsageError for a URL of another kind or with a password, CannotWrite for a folder that cannot be made.
    """
    from obstore.store import LocalStore, MemoryStore, from_url

    text = str(place)
    parts = urlsplit(text)
    if parts.scheme in ("", "file") or len(parts.scheme) == 1:  # one letter is a drive of Windows
        folder = Path(parts.path if parts.scheme == "file" else text)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise CannotWrite(f"cannot make the folder {folder}: {fault.strerror or fault}; choose another") from fault
        return Store(Objects(LocalStore(folder)), str(folder), patience=patience)
    if parts.scheme not in SCHEMES:
        raise UsageError(f"a store cannot be of the kind {parts.scheme!r}; use a folder or one of {', '.join(SCHEMES)}")
    if parts.password or parts.query:
        raise UsageError("leave keys and passwords out of a store's address; set them in the environment")
    if parts.scheme == "memory":
        return Store(Objects(MemoryStore()), "memory", patience=patience)
    # an address says so itself, the environment for a service in the house
    plain = parts.scheme == "http" or os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    options: dict[str, Any] = {
        "client_options": {"timeout": "120s", "connect_timeout": "15s", "allow_http": plain},
        # obstore tries again by itself as well, within one of our tries
        "retry_config": {"max_retries": 3, "retry_timeout": timedelta(seconds=150)},
    }
    try:
        inner = from_url(text, **options)
        return Store(Objects(inner), f"{parts.scheme}://{parts.netloc}{parts.path}", patience=patience)
    except Exception as fault:
        raise UsageError(f"the store {text!r} cannot be opened: {_told(fault)}") from fault


class Objects:
    """A bucket of obstore's."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner

    def put(self, key: str, data: bytes | Path, *, create: bool) -> None:
        """See `Bucket.put`."""
        import obstore

        obstore.put(self._inner, key, data, mode="create" if create else "overwrite")

    def get(self, key: str) -> tuple[int, Iterable[bytes]]:
        """See `Bucket.get`."""
        import obstore

        found = obstore.get(self._inner, key)
        return int(found.meta["size"]), found.stream(min_chunk_size=4 << 20)

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See `Bucket.get_range`."""
        import obstore

        return bytes(obstore.get_range(self._inner, key, start=start, end=end))

    def head(self, key: str) -> int:
        """See `Bucket.head`."""
        import obstore

        return int(obstore.head(self._inner, key)["size"])

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """See `Bucket.list`."""
        import obstore

        for batch in obstore.list(self._inner, prefix or None):
            for found in batch:
                yield found["path"], found["size"]

    def written(self, key: str) -> float:
        """When an object was written, in seconds since 1970 by the clock of the store."""
        import obstore

        return obstore.head(self._inner, key)["last_modified"].timestamp()

    def dated(self) -> Iterable[tuple[str, int, float]]:
        """Every key with its size and when it was written, in seconds since 1970 by the clock of the store."""
        import obstore

        for batch in obstore.list(self._inner):
            for found in batch:
                yield found["path"], found["size"], found["last_modified"].timestamp()

    def delete(self, key: str) -> None:
        """See `Bucket.delete`."""
        import obstore

        obstore.delete(self._inner, key)


def _passes(fault: Exception) -> bool:
    """Whether the same may well work a moment later."""
    from obstore.exceptions import GenericError, JoinError

    if isinstance(fault, (TimeoutError, ConnectionError, JoinError)):
        return True
    if not isinstance(fault, GenericError):
        return False  # not allowed, not supported, no such bucket, a key that is none
    status = _STATUS.search(str(fault))
    if status is not None:
        return status[1] in _BUSY
    return _NUMBER.search(str(fault)) is None  # what the local disk refuses, it refuses again


def _told(fault: BaseException) -> str:
    """The first line of a fault, without what a library adds for itself and without the query of a signed address."""
    lines = str(fault).strip().splitlines()
    return re.sub(r"\?[^\s)]*", "?...", lines[0])[:300] if lines else type(fault).__name__
