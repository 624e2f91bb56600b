"""The coordinator at work: with a store in which everything that counts is written down, and behind one lock.

A delivery is read back from the store and checked before it counts: its digest, that it is a partial of this job, of
this piece and of these samples, from one class of device, and sane. Then its range is claimed, then the coordinator is
told. So the store alone says what is done, and a coordinator that is killed is continued from it by `recover`.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from studio.errors import BadAsset, StudioError
from studio.farm.coordinator import Coordinator, Price
from studio.farm.jobs import RenderJob, claim, claimed, job_ids, job_key, read_job, write_job
from studio.farm.model import Event, JobId, Lease, NodeInfo, Order, Report, Result
from studio.farm.policy import Policy
from studio.farm.store import Store
from studio.farm.verify import check_partial

EVENTS_A_BLOCK = 64
_encoder = msgspec.json.Encoder(order="deterministic")


class Service:
    """A farm's coordinator with its store. Any thread may call it."""

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy | None = None,
        price: Price | None = None,
        listener: Callable[[Event], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.generation = self._next_generation()
        self._lock = threading.RLock()
        self._listener = listener or (lambda event: None)
        self._jobs: dict[JobId, RenderJob] = {}
        self._log: dict[JobId, list[Event]] = {}
        self._blocks: dict[JobId, int] = {}
        self._last_hash: dict[JobId, str] = {}
        self.coordinator = Coordinator(
            clock, policy=policy, generation=self.generation, price=price, listener=self._heard
        )

    # --- jobs --------------------------------------------------------------------------------------------------------
    def submit(self, job: RenderJob, *, by: str = "") -> None:
        """Take a job, or go on with it: what the store has of it is not rendered again."""
        write_job(self.store, job)
        kept = read_job(self.store, job.spec.id)  # as it was submitted first
        results = claimed(self.store, kept)
        with self._lock:
            self._jobs[kept.spec.id] = kept
            self.coordinator.submit(kept.spec, results=results, by=by)

    def recover(self) -> list[JobId]:
        """Go on with every job of the store that is not done; gives their ids."""
        found = []
        for id_ in job_ids(self.store):
            try:
                self.submit(read_job(self.store, id_), by="recovery")
            except BadAsset:
                continue  # a job that nobody can read stops no other
            found.append(id_)
        return found

    def job(self, id_: JobId) -> RenderJob | None:
        """A job as it was submitted; None for one that is not here."""
        with self._lock:
            return self._jobs.get(id_)

    # --- what nodes call ---------------------------------------------------------------------------------------------
    def join(self, info: NodeInfo) -> None:
        """See `Coordinator.join`."""
        with self._lock:
            self.coordinator.join(info)

    def leave(self, node: str) -> None:
        """See `Coordinator.leave`."""
        with self._lock:
            self.coordinator.leave(node)

    def ask(self, node: str) -> Lease | None:
        """See `Coordinator.ask`."""
        with self._lock:
            return self.coordinator.ask(node)

    def report(self, attempt: int, report: Report) -> Order:
        """See `Coordinator.report`."""
        with self._lock:
            return self.coordinator.report(attempt, report)

    def adopt(self, lease: Lease, report: Report) -> Order:
        """See `Coordinator.adopt`."""
        with self._lock:
            return self.coordinator.adopt(lease, report)

    def fail(self, attempt: int, code: int, text: str) -> None:
        """See `Coordinator.fail`."""
        with self._lock:
            self.coordinator.fail(attempt, code, text)

    def deliver(self, lease: Lease, result: Result) -> str:
        """Check a partial, claim its range and count it: "taken", "late", "wrong", or "bad" when the check fails."""
        job = self.job(lease.job)
        if job is None or not 0 <= lease.piece < len(job.spec.pieces):
            return "late"
        piece = job.spec.pieces[lease.piece]
        try:
            with tempfile.TemporaryDirectory(prefix="myriad-farm-") as folder:
                path = Path(folder) / "unit.part"
                path.write_bytes(self.store.get(result.key))
                check_partial(path, job, piece, result)
        except StudioError as fault:
            self.fail(lease.attempt, 15, str(fault))
            return "bad"
        with self._lock:
            taken = self.coordinator.judge(lease.attempt, result) == "taken"
            if taken and not claim(self.store, lease.job, piece, result):
                self.coordinator.fail(lease.attempt, 143, "claimed by another coordinator")
                raise BadAsset(f"{self.store.name}: two farms work at the job {lease.job}; stop one of them")
            return self.coordinator.deliver(lease.attempt, result)

    def tick(self) -> None:
        """See `Coordinator.tick`; and write down what has happened."""
        with self._lock:
            self.coordinator.tick()
        self.flush()

    # --- the log -----------------------------------------------------------------------------------------------------
    def _heard(self, event: Event) -> None:
        if event.job:
            self._log.setdefault(event.job, []).append(event)
        self._listener(event)

    def flush(self) -> None:
        """Write down what has happened since the last time, in blocks that name the hash of the one before."""
        with self._lock:
            pending, self._log = self._log, {}
        for id_, events in pending.items():
            number = self._blocks.get(id_, 0)
            block = {"before": self._last_hash.get(id_, ""), "events": events}
            data = _encoder.encode(block)
            self._last_hash[id_] = hashlib.sha256(data).hexdigest()
            self._blocks[id_] = number + 1
            self.store.put(job_key(id_, "events", f"{self.generation:04d}-{number:06d}.json"), data)

    def _next_generation(self) -> int:
        """One more than any coordinator of this store before; two that start at once get two."""
        number = 1 + max((int(key.rsplit("/", 1)[-1]) for key, _ in self.store.list("generations")), default=0)
        while not self.store.put(f"generations/{number}", b"", once=True):
            number += 1
        return number
