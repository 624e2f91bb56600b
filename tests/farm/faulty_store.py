"""A store that fails as stores do: busy, silent, torn, with lists from a while ago, or without conditional creation."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from studio.farm.store import Bucket, Objects, Patience, Store

BUSY = "Error performing PUT https://store.example/key?X-Signature=hush - status code: 503 Service Unavailable"


@dataclass
class Faults:
    """Shares of the calls that fail, each in its way. A call of at most `calls` fails; later ones work."""

    busy: float = 0.0  # nothing was done
    silent: float = 0.0  # it was done, and no answer came
    torn: float = 0.0  # a beginning was written, and no answer came
    torn_unsaid: float = 0.0  # a beginning was written, and the answer was that all is well
    short: float = 0.0  # a read ends early
    stale: float = 0.0  # a list from a while ago
    create: bool = True  # of two who create one object one wins
    calls: int = 1 << 60


@dataclass
class FaultyBucket:
    """A bucket that fails by a seed."""

    faults: Faults
    seed: int = 0
    inner: Bucket = field(default_factory=lambda: Objects(MemoryStore()))
    calls: dict[str, int] = field(default_factory=dict)
    parts_read: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self._old: dict[str, list[tuple[str, int]]] = {}

    def _fails(self, share: float) -> bool:
        with self._lock:
            return sum(self.calls.values()) <= self.faults.calls and self._random.random() < share

    def _begin(self, verb: str) -> None:
        with self._lock:
            self.calls[verb] = self.calls.get(verb, 0) + 1
        if self._fails(self.faults.busy):
            raise GenericError(BUSY)

    def _end(self) -> None:
        if self._fails(self.faults.silent):
            raise TimeoutError("no answer came")

    def put(self, key: str, data: bytes | Path, *, create: bool) -> None:
        self._begin("put")
        create = create and self.faults.create
        whole = data.read_bytes() if isinstance(data, Path) else bytes(data)
        if self._fails(self.faults.torn):
            self.inner.put(key, whole[: len(whole) // 2], create=create)
            raise ConnectionError("the line broke")
        if self._fails(self.faults.torn_unsaid):
            self.inner.put(key, whole[: len(whole) // 2], create=create)
            return
        self.inner.put(key, whole, create=create)
        self._end()

    def get(self, key: str) -> tuple[int, Iterable[bytes]]:
        self._begin("get")
        size, parts = self.inner.get(key)
        data = b"".join(parts)
        if self._fails(self.faults.short):
            data = data[: len(data) // 2]

        def told() -> Iterable[bytes]:
            for at in range(0, len(data), 1 << 16):
                self.parts_read += 1
                yield data[at : at + (1 << 16)]

        return size, told()

    def get_range(self, key: str, start: int, end: int) -> bytes:
        self._begin("get_range")
        return self.inner.get_range(key, start, end)

    def head(self, key: str) -> int:
        self._begin("head")
        return self.inner.head(key)

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        self._begin("list")
        now = list(self.inner.list(prefix))
        if prefix in self._old and self._fails(self.faults.stale):
            return self._old[prefix]
        self._old[prefix] = now
        return now

    def delete(self, key: str) -> None:
        self._begin("delete")
        self.inner.delete(key)
        self._end()


def hasty(*, tries: int = 5, slept: Callable[[float], None] = lambda seconds: None) -> Patience:
    """Patience that does not wait."""
    return Patience(tries=tries, sleep=slept, draw=lambda: 1.0)


def faulty(seed: int = 0, *, tries: int = 5, **faults: float) -> tuple[Store, FaultyBucket]:
    """A store in memory that fails, and its bucket."""
    bucket = FaultyBucket(Faults(**faults), seed)  # type: ignore[arg-type]
    return Store(bucket, "the store", patience=hasty(tries=tries)), bucket
