"""The coordinator at work: with a store in which everything that counts is written down, and behind one lock.

A delivery is read back from the store and checked before it counts: its digest, that it is a partial of this job, of
this piece and of these samples, from one class of device, and sane. Then its range is claimed, then the coordinator is
told. So the store alone says what is done, and a coordinator that is killed is continued from it by `recover`.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.farm.coordinator import Coordinator, Price, Status
from studio.farm.jobs import RenderJob, claim_on, claimed, holder, job_ids, job_key, read_job, write_job
from studio.farm.model import Event, JobId, Lease, NodeInfo, Order, Report, Result
from studio.farm.orders import beat, carry_out, end_beat, orders_after, wished
from studio.farm.policy import Policy
from studio.farm.store import Store
from studio.farm.verify import check_partial
from studio.farm.wire import Stranger
from studio.render.film import Film
from studio.render.partial import Header

EVENTS_A_BLOCK = 64
ORDERS_S = 2.0  # between two looks for what people want
BEAT_S = 15.0  # between two signs of life
_encoder = msgspec.json.Encoder(order="deterministic")

Inspect = Callable[[RenderJob, Lease, Result, Film, Header], None]


class Service:
    """A farm's coordinator with its store. Any thread may call it."""

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy | None = None,
        price: Price | None = None,
        listener: Callable[[Event], None] | None = None,
        inspect: Inspect | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.generation = self._next_generation()
        self._lock = threading.RLock()
        self._flushing = threading.Lock()
        self._listener = listener or (lambda event: None)
        self._inspect = inspect or (lambda job, lease, result, film, header: None)  # `studio.farm.trust`
        self._jobs: dict[JobId, RenderJob] = {}
        self._log: dict[JobId, list[Event]] = {}
        self._blocks: dict[JobId, int] = {}
        self._last_hash: dict[JobId, str] = {}
        self._seen: dict[JobId, int] = {}  # orders up to here are carried out
        self._looked = self._beat = -BEAT_S
        self.coordinator = Coordinator(
            clock, policy=policy, generation=self.generation, price=price, listener=self._heard
        )

    # --- jobs --------------------------------------------------------------------------------------------------------
    def submit(self, job: RenderJob, *, by: str = "") -> None:
        """Take a job, or go on with it: what the store has of it is not rendered again."""
        write_job(self.store, job)
        kept = read_job(self.store, job.spec.id)  # as it was submitted first
        results = claimed(self.store, kept)
        orders = orders_after(self.store, kept.spec.id, 0)
        with self._lock:
            known = kept.spec.id in self._jobs
            self._jobs[kept.spec.id] = kept
            try:
                self.coordinator.submit(kept.spec, results=results, by=by)
            except UsageError:  # one that has nothing to render is nobody's
                del self._jobs[kept.spec.id]
                raise
            if not known:  # whoever takes over a paused job leaves it paused
                self._seen[kept.spec.id] = max((number for number, _ in orders), default=-1) + 1
                for order in wished(order for _, order in orders).values():
                    carry_out(self.coordinator, kept.spec.id, order)

    def recover(self) -> list[JobId]:
        """Go on with every job of the store that is not done; gives their ids."""
        found = []
        for id_ in job_ids(self.store):
            try:
                self.submit(read_job(self.store, id_), by="recovery")
            except (BadAsset, UsageError):
                continue  # a job that nobody can read or render stops no other
            found.append(id_)
        return found

    def job(self, id_: JobId) -> RenderJob | None:
        """A job as it was submitted; None for one that is not here."""
        with self._lock:
            return self._jobs.get(id_)

    def status(self, id_: JobId) -> Status:
        """See `Coordinator.status`."""
        with self._lock:
            return self.coordinator.status(id_)

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
            self._known(self.coordinator.knows(node))
            return self.coordinator.ask(node)

    def report(self, attempt: int, report: Report) -> Order:
        """See `Coordinator.report`."""
        with self._lock:
            self._known(not self.coordinator.foreign(attempt))
            return self.coordinator.report(attempt, report)

    def adopt(self, lease: Lease, report: Report) -> Order:
        """See `Coordinator.adopt`."""
        with self._lock:
            self._known(self.coordinator.knows(lease.node))
            return self.coordinator.adopt(lease, report)

    def fail(self, attempt: int, code: int, text: str) -> None:
        """See `Coordinator.fail`."""
        with self._lock:
            self.coordinator.fail(attempt, code, text)

    def deliver(self, lease: Lease, result: Result) -> str:
        """Check a partial, claim its range and count it: "taken", "late", "wrong", or "bad" when the check fails.

        Delivering twice, because no answer came, is delivering once. Where the store has a claim that this coordinator
        did not know, as after a stale list or beside another coordinator, the earlier partial is the one that counts.
        Raises CannotWrite when the store does not answer, which says nothing of the partial: it is delivered again.
        """
        try:
            job = self.job(lease.job) or read_job(self.store, lease.job)
        except (BadAsset, UsageError):
            return "late"
        if not 0 <= lease.piece < len(job.spec.pieces):
            return "late"
        verdict = self._delivered(lease, result, job)
        if verdict != "taken" and claim_on(self.store, lease.job, job.spec.pieces[lease.piece], result.range) == result:
            # Claimed when no answer came, and late since: its node must not take it away, for the store says it counts.
            return "taken"
        with self._lock:
            self._known(verdict != "late" or self.job(lease.job) is None or not self.coordinator.foreign(lease.attempt))
        return verdict

    def _known(self, known: bool) -> None:
        if not known:
            raise Stranger("the coordinator has begun anew: join it, and offer it the unit")

    def _delivered(self, lease: Lease, result: Result, job: RenderJob) -> str:
        if self.job(lease.job) is None:
            return "late"
        if self._has(lease, result):
            return "taken"
        piece = job.spec.pieces[lease.piece]
        try:
            with tempfile.TemporaryDirectory(prefix="myriad-farm-") as folder:
                path = Path(folder) / "unit.part"
                path.write_bytes(self.store.get(result.key))
                film, header = check_partial(path, job, piece, result)
                self._inspect(job, lease, result, film, header)
        except CannotWrite:
            raise
        except StudioError as fault:
            self.fail(lease.attempt, 15, str(fault))
            return "bad"
        with self._lock:
            if self._has(lease, result):  # delivered twice at once
                return "taken"
            if self.coordinator.judge(lease.attempt, result) == "taken":
                result = holder(self.store, lease.job, piece, result)
            return self.coordinator.deliver(lease.attempt, result)

    def _has(self, lease: Lease, result: Result) -> bool:
        with self._lock:
            return result in self.coordinator.results(lease.job, lease.piece)

    def tick(self) -> None:
        """See `Coordinator.tick`; do what people have ordered, and write down what has happened."""
        with self._lock:
            self.coordinator.tick()
        with contextlib.suppress(CannotWrite):  # a store that does not answer now is asked the next time
            self._obey()
        self.flush()

    def _obey(self) -> None:
        """Carry out the orders in the store, every now and then; and give a sign of life."""
        now = time.monotonic()
        if now - self._beat >= BEAT_S:
            self._beat = now
            beat(self.store, self.generation)
        if now - self._looked < ORDERS_S:
            return
        self._looked = now
        for id_ in list(self._jobs):
            for number, order in orders_after(self.store, id_, self._seen.get(id_, 0)):
                with self._lock:
                    self._seen[id_] = number + 1
                    carry_out(self.coordinator, id_, order)

    def retire(self) -> None:
        """Write down the rest and give no more signs of life."""
        self.flush()
        with contextlib.suppress(CannotWrite):  # they grow old by themselves
            end_beat(self.store, self.generation)

    # --- the log -----------------------------------------------------------------------------------------------------
    def _heard(self, event: Event) -> None:
        if event.job:
            self._log.setdefault(event.job, []).append(event)
        self._listener(event)

    def flush(self) -> None:
        """Write down what has happened since the last time, in blocks that name the hash of the one before. What the
        store does not take now is written the next time."""
        with self._flushing:
            with self._lock:
                pending, self._log = self._log, {}
            for id_, events in pending.items():
                number = self._blocks.get(id_, 0)
                data = _encoder.encode({"before": self._last_hash.get(id_, ""), "events": events})
                try:
                    self.store.put(job_key(id_, "events", f"{self.generation:04d}-{number:06d}.json"), data)
                except CannotWrite:
                    with self._lock:
                        self._log[id_] = [*events, *self._log.get(id_, ())]
                    continue
                self._last_hash[id_] = hashlib.sha256(data).hexdigest()
                self._blocks[id_] = number + 1

    def _next_generation(self) -> int:
        """One more than any coordinator of this store before; two that start at once get two."""
        names = [key.rsplit("/", 1)[-1] for key, _ in self.store.list("generations")]
        number = 1 + max((int(name) for name in names if name.isdecimal() and len(name) < 10), default=0)
        mine = secrets.token_hex(8).encode()  # after a try that broke it tells who won
        while not self.store.put(f"generations/{number}", mine, once=True):
            number += 1
        return number
