"""What happened to jobs, in their stores, in blocks that name the hash of the one before.

Events wait here until they are written, so a store that does not answer delays the log and loses nothing of it while
the coordinator lives. The first block of a coordinator names the last one that a coordinator before it has written, so
the chain goes over all of them. `studio.farm.trust.signing.check_log` goes through it.
"""

from __future__ import annotations

import hashlib
import threading

import msgspec

from studio.errors import BadAsset, CannotWrite
from studio.farm.jobs import job_key
from studio.farm.model import Event, JobId
from studio.farm.store import Store

_encoder = msgspec.json.Encoder(order="deterministic")


class EventLog:
    """The logs of all jobs of a coordinator. Any thread may use it."""

    def __init__(self, store: Store, generation: int) -> None:
        self._store, self._generation = store, generation
        self._lock, self._flushing = threading.Lock(), threading.Lock()
        self._pending: dict[JobId, list[Event]] = {}
        self._blocks: dict[JobId, int] = {}
        self._last_hash: dict[JobId, str] = {}

    def add(self, event: Event) -> None:
        """Something happened; what is of no job is in no log."""
        if event.job:
            with self._lock:
                self._pending.setdefault(event.job, []).append(event)

    def flush(self) -> None:
        """Write down what has happened since the last time. What the store does not take now is written the next
        time."""
        with self._flushing:
            with self._lock:
                pending, self._pending = self._pending, {}
            for id_, events in pending.items():
                number = self._blocks.get(id_, 0)
                try:
                    before = self._last_hash[id_] if number else self._head_before(id_)
                    data = _encoder.encode({"before": before, "events": events})
                    self._store.put(job_key(id_, "events", f"{self._generation:04d}-{number:06d}.json"), data)
                except CannotWrite:
                    with self._lock:
                        self._pending[id_] = [*events, *self._pending.get(id_, ())]
                    continue
                self._last_hash[id_] = hashlib.sha256(data).hexdigest()
                self._blocks[id_] = number + 1

    def _head_before(self, id_: JobId) -> str:
        """The hash of the last block of the last coordinator before this one; "" where there was none."""
        found = []
        for key, _ in self._store.list(job_key(id_, "events")):
            generation, _, number = key.rsplit("/", 1)[-1].removesuffix(".json").partition("-")
            if _is_number(generation) and _is_number(number) and int(generation) < self._generation:
                found.append((int(generation), int(number), key))
        try:
            return hashlib.sha256(self._store.get(max(found)[2])).hexdigest() if found else ""
        except BadAsset as fault:  # it was listed, so it comes or has just been removed
            raise CannotWrite(f"the log of {id_} cannot go on: {fault}") from fault


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 12
