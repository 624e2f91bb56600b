"""What a node's process may say and fetch through its keeper, and no more.

The process may be one that a scene has taken over. So it joins as the node that its keeper says it is, no more trusted
and no faster; it speaks of the units that it was given; it reads what has its hash for a name, and of a job of its
units what says what the job is; and it writes partials of units that it has, under their names, no larger than they can
be. What it delivers is signed here, with a key that it never sees. The coordinator looks at all of that once more and
closer (`studio.farm.trust.guests`, `studio.farm.trust.gate`), for it cannot know who keeps a node.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from studio.errors import CannotWrite, StudioError, UsageError
from studio.farm.desk import Desk, Forbidden, Guest
from studio.farm.jobs import RenderJob, part_key, read_job
from studio.farm.model import ENDS, FREE, JobId, Lease, NodeId, NodeInfo, Order, Range, Report, Result
from studio.farm.store import Bucket, Store
from studio.farm.trust.walls import plain
from studio.farm.verify import largest_part
from studio.farm.wire import TooLarge
from studio.farm.work import WorkOrder

Sign = Callable[[Result, Lease, RenderJob], Result]
MOST_LEASES = 64  # that are remembered
_BLOCK = 4 << 20
_PARTIAL = re.compile(r"jobs/([^/]+)/units/[^/]+/(\d{1,12})-(\d{1,12})\.(\d{1,18})\.part")
_HASHED = re.compile(r"bundles/[0-9a-f]{64}(\.sig)?|layouts/[0-9a-f]{64}|blobs/[0-9a-f]{2}/[0-9a-f]{64}")
_OF_A_JOB = re.compile(r"jobs/([^/]+)/(job\.(json|sig)|rounds/[^/]+/\d{1,12}\.[0-9a-f]{64}\.blocks)")


@dataclass(slots=True)
class Deeds:
    """What a node does and has done, for its machine's owner."""

    unit: Lease | None = None
    report: Report = field(default_factory=Report)
    delivered: int = 0
    samples: int = 0
    refused: int = 0
    failed: int = 0

    def add(self, lease: Lease, result: Result, *, taken: bool) -> None:
        """A partial was delivered."""
        self.delivered += taken
        self.refused += not taken
        self.samples += (result.range[1] - result.range[0]) * taken
        if result.range[1] >= lease.range[1]:
            self.unit = None

    def __str__(self) -> str:
        if self.unit is None:
            now = "waits for work"
        else:
            first, last = self.unit.range
            doing = {"fetch": "fetches", "load": "loads", "render": "renders", "write": "sends"}[self.report.phase]
            now = f"{doing} {self.unit.job}, samples {first} to {last}, {self.report.done} done"
        counts = [f"{self.delivered} part{'s' * (self.delivered != 1)} delivered ({self.samples:,} samples)"]
        counts += [f"{self.refused} refused"] if self.refused else []
        counts += [f"{self.failed} unit{'s' * (self.failed != 1)} failed"] if self.failed else []
        return f"{now}; {', '.join(counts)}"


class Envoy:
    """A desk and a gate for one node, in front of the coordinator's `desk` and of the `objects` of the store.

    `refusal` is what the coordinator said when it wants nothing of the node at all, such as with a token that counts no
    more. Any thread may use it.
    """

    def __init__(
        self, order: WorkOrder, desk: Desk, objects: Bucket | None = None, *, sign: Sign | None = None
    ) -> None:
        self.deeds = Deeds()
        self.refusal = ""
        self._order, self._desk, self._objects, self._sign = order, desk, objects, sign
        self._store = Store(objects, "the store") if objects is not None else None
        self._jobs: dict[JobId, RenderJob] = {}
        self._leases: dict[int, Lease] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """The process has died: what it had goes to others."""
        with self._lock:
            self._leases.clear()
            self.deeds.unit = None
        with contextlib.suppress(StudioError):  # a coordinator that does not answer notices by itself
            self._desk.leave(self._order.node)

    # --- what it says, as a desk -------------------------------------------------------------------------------------
    def join(self, info: NodeInfo) -> None:
        """See `Desk.join`."""
        order = self._order
        info = msgspec.structs.replace(
            info,
            id=order.node,
            name=order.name or order.node,
            memory_bytes=min(info.memory_bytes, order.memory_bytes or info.memory_bytes),
            score=order.score,
            trust=order.trust,
            price="",
        )
        with self._heard():
            self._desk.join(info)

    def leave(self, node: NodeId) -> None:
        """See `Desk.leave`."""
        self._own(node)
        with self._heard():
            self._desk.leave(node)

    def ask(self, node: NodeId) -> Lease | None:
        """See `Desk.ask`."""
        self._own(node)
        with self._heard():
            lease = self._desk.ask(node)
        with self._lock:
            self.deeds.unit, self.deeds.report = lease, Report(phase="fetch")
            if lease is not None:
                self._leases[lease.attempt] = lease
                while len(self._leases) > MOST_LEASES:
                    del self._leases[next(iter(self._leases))]
        return lease

    def report(self, attempt: int, report: Report) -> Order:
        """See `Desk.report`."""
        self._held(attempt)
        with self._heard():
            order = self._desk.report(attempt, report)
        self.deeds.report = report
        return order

    def adopt(self, lease: Lease, report: Report) -> Order:
        """See `Desk.adopt`."""
        held = self._held(lease.attempt)
        with self._heard():
            return self._desk.adopt(held, report)

    def deliver(self, lease: Lease, result: Result) -> str:
        """See `Desk.deliver`."""
        held = self._held(lease.attempt)
        part = _PARTIAL.fullmatch(result.key)
        if part is None or _range_of(part) != result.range or self._lease_of(part) != held:
            raise Forbidden("a node delivers partials of its own units alone")
        if self._sign is not None:
            result = self._sign(result, held, self._job(held.job))
        with self._heard():
            verdict = self._desk.deliver(held, result)
        with self._lock:
            self.deeds.add(held, result, taken=verdict == "taken")
        return verdict

    def fail(self, attempt: int, code: int, text: str) -> None:
        """See `Desk.fail`."""
        self._held(attempt)
        with self._heard():
            self._desk.fail(attempt, code, plain(text, 400))
        with self._lock:
            self.deeds.unit = None
            self.deeds.failed += ENDS.get(code) != FREE

    @contextlib.contextmanager
    def _heard(self) -> Iterator[None]:
        """What the coordinator says against the node and not against one of its units is remembered."""
        try:
            yield
        except Forbidden:
            raise
        except UsageError as fault:
            self.refusal = str(fault)
            raise

    def _own(self, node: NodeId) -> None:
        if node != self._order.node:
            raise Forbidden("a node speaks for itself alone")

    def _held(self, attempt: int) -> Lease:
        with self._lock:
            lease = self._leases.get(attempt)
        if lease is None:
            raise Forbidden("a node speaks of its own units alone")
        return lease

    def _job(self, id_: JobId) -> RenderJob:
        if self._store is None:
            raise CannotWrite("the keeper of the node cannot read the job; give it the store")
        with self._lock:
            job = self._jobs.get(id_)
        if job is None:
            job = read_job(self._store, id_)
            with self._lock:
                self._jobs = {id_: job}
        return job

    # --- what it reads and writes, as a gate -------------------------------------------------------------------------
    def size(self, guest: Guest, key: str) -> int:
        """See `ObjectGate.size`."""
        with _told():
            return self._readable(key).head(key)

    def read(self, guest: Guest, key: str, start: int, end: int) -> Iterator[bytes]:
        """See `ObjectGate.read`."""
        with _told():
            bucket = self._readable(key)
            if start == 0 and end > _BLOCK:
                size, parts = bucket.get(key)
                if size == end:
                    for part in parts:
                        yield bytes(part)
                    return
            for at in range(start, end, _BLOCK):
                yield bucket.get_range(key, at, min(at + _BLOCK, end))

    def take(self, guest: Guest, key: str, length: int, read: Callable[[int], bytes]) -> None:
        """See `ObjectGate.take`."""
        with _told():
            bucket, lease = self._writable(key)
            job = self._job(lease.job)
            piece = job.spec.pieces[lease.piece] if 0 <= lease.piece < len(job.spec.pieces) else None
            part = _PARTIAL.fullmatch(key)
            if piece is None or part is None or key != part_key(lease.job, piece, _range_of(part), lease.attempt):
                raise Forbidden(f"{key[:200]!r} is nothing that this node has to do with")
            if length > largest_part(job, piece):
                raise TooLarge(f"{length:,} bytes are more than a partial of {lease.job} has")
            with tempfile.NamedTemporaryFile(prefix="myriad-farm-") as file:
                left = length
                while left:
                    data = read(min(left, _BLOCK))
                    if not data:
                        raise ConnectionResetError("the node has hung up")
                    file.write(data)
                    left -= len(data)
                file.flush()
                bucket.put(key, Path(file.name), create=False)

    def drop(self, guest: Guest, key: str) -> None:
        """See `ObjectGate.drop`."""
        with _told():
            self._writable(key)[0].delete(key)

    def _readable(self, key: str) -> Bucket:
        of, part = _OF_A_JOB.fullmatch(key), _PARTIAL.fullmatch(key)
        with self._lock:
            jobs = {lease.job for lease in self._leases.values()}
        own = (of is not None and of[1] in jobs) or (part is not None and self._lease_of(part) is not None)
        if self._objects is None or not (own or _HASHED.fullmatch(key)):
            raise Forbidden(f"{key[:200]!r} is nothing that this node has to do with")
        return self._objects

    def _writable(self, key: str) -> tuple[Bucket, Lease]:
        part = _PARTIAL.fullmatch(key)
        lease = self._lease_of(part) if part is not None else None
        if self._objects is None or lease is None:
            raise Forbidden(f"{key[:200]!r} is nothing that this node has to do with")
        return self._objects, lease

    def _lease_of(self, part: re.Match[str]) -> Lease | None:
        """The unit that a partial is of; None when the node does not have it."""
        with self._lock:
            lease = self._leases.get(int(part[4]))
        first, last = _range_of(part)
        fits = lease is not None and lease.job == part[1] and lease.range[0] <= first < last <= lease.range[1]
        return lease if fits else None


def _range_of(part: re.Match[str]) -> Range:
    return int(part[2]), int(part[3])


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a store raises, as a gate does. The node's own hanging up stays what it is."""
    from obstore.exceptions import AlreadyExistsError

    try:
        yield
    except (StudioError, FileNotFoundError, BrokenPipeError, ConnectionResetError):
        raise
    except AlreadyExistsError as fault:
        raise FileExistsError(str(fault)) from fault
    except Exception as fault:  # whatever the library of a store has
        raise CannotWrite(f"the store does not answer ({type(fault).__name__})") from fault
