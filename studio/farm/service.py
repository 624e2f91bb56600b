"""The coordinator at work: with a store in which everything that counts is written down, and behind one lock.

A delivery is read back from the store and checked before it counts: its digest, that it is a partial of this job, of
this piece and of these samples, from one class of device, and sane. Then its range is claimed, then the coordinator is
told. So the store alone says what is done, and a coordinator that is killed is continued from it by `recover`.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.farm.check_pace import CheckPace
from studio.farm.coordinator import Coordinator, Price, Status
from studio.farm.desk import Forbidden, Stranger
from studio.farm.event_log import EventLog
from studio.farm.jobs import (
    LIVE,
    RenderJob,
    claim_on,
    holder,
    is_same,
    job_ids,
    part_key,
    read_job,
    withdraw,
    write_job,
)
from studio.farm.live.desk import LiveDesk
from studio.farm.model import (
    ENDS,
    REFUSED,
    Event,
    JobId,
    JobSpec,
    Lease,
    NodeId,
    NodeInfo,
    NodeRows,
    Order,
    Piece,
    Report,
    Result,
    Round,
    Usage,
    maker_of,
)
from studio.farm.orders import beat, carry_out, end_beat, orders_after, wished
from studio.farm.policy import Policy
from studio.farm.rounds_at_work import Rounds, in_thread
from studio.farm.session import log_of
from studio.farm.store import Store
from studio.farm.trust.inspector import Check
from studio.farm.trust.likeness import Forged
from studio.farm.trust.walls import plain
from studio.farm.verify import check_partial, digest_of, largest_part, needs_of
from studio.render.film import Film
from studio.render.partial import Header

ORDERS_S = 2.0  # between two looks for what people want
BEAT_S = 15.0  # between two signs of life
MOST_TAKEN_BACK = 50  # results at one tick
MOST_CORES, FASTEST, LONGEST_TEXT = 4096, 1e4, 200  # that a node can say it has
MOST_DEVICES, MOST_KNOWN = 256, 20_000  # nodes of one machine, and nodes that are remembered
_encoder = msgspec.json.Encoder(order="deterministic")

Inspect = Callable[[RenderJob, Lease, Result, Film, Header], None]
Look = Callable[[str, int, Callable[[], None]], None]  # has a check made that goes by a name, of an attempt


class Service:
    """A farm's coordinator with its store. Any thread may call it.

    `inspect` looks at partials beyond what every one goes through and raises `Forged` for what must not count
    (`studio.farm.trust.inspector`); `look` runs such checks where they do not hold up others
    (`studio.farm.trust.inspection`). `admit` hears of every job with its results and whether any are missing, before it
    is taken, and raises UsageError for one that is not; `spent` says what a job was billed so far, and `welcome` of a
    node what it is known as, or raises Forbidden (`studio.farm.house`). `probe` names what a node that asks is to
    render though it is done, for its answer is known. `aside` does what takes seconds, which `tick` must not: a thread
    of its own where nothing is said. `clock` is `steady` where none is given.
    """

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy | None = None,
        price: Price | None = None,
        listener: Callable[[Event], None] | None = None,
        inspect: Inspect | None = None,
        look: Look | None = None,
        admit: Callable[[JobSpec, Mapping[int, list[Result]], bool], None] | None = None,
        spent: Callable[[JobId], int] | None = None,
        welcome: Callable[[NodeInfo], NodeInfo] | None = None,
        probe: Callable[[NodeId], tuple[JobId, int, Result] | None] | None = None,
        aside: Callable[[Callable[[], None]], None] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.store = store
        self.generation = self._next_generation()
        self._lock = threading.RLock()
        self._listener = listener or (lambda event: None)
        self._inspect = inspect or (lambda job, lease, result, film, header: None)
        self._look = look or (lambda name, attempt, check: check())
        self._admit = admit or (lambda spec, results, missing: None)
        self._welcome = welcome or (lambda info: info)
        self._probe = probe or (lambda node: None)
        self._spent = spent or (lambda id_: 0)
        self._rounds = Rounds(self, aside or in_thread)
        self._checks = CheckPace()
        self._clock = clock = clock or steady(store)
        self._jobs: dict[JobId, RenderJob] = {}
        self._log = EventLog(store, self.generation)
        self._refused: dict[JobId, int] = {}  # and the number of the order after which they are tried again
        self._doubtful: deque[tuple[JobId, int, Result]] = deque()  # what is to be taken back
        self._infos: dict[NodeId, NodeInfo] = {}  # of all that ever joined
        self._seen: dict[JobId, int] = {}  # orders up to here are carried out
        self._looked = self._beat = -BEAT_S
        self.live = LiveDesk(self)
        self.coordinator = Coordinator(
            clock, policy=policy, generation=self.generation, price=price, listener=self._heard
        )

    # --- jobs --------------------------------------------------------------------------------------------------------
    def submit(self, job: RenderJob, *, by: str = "") -> None:
        """Take a job, or go on with it: what the store has of it is not rendered again.

        Raises UsageError for one that has nothing to render, or that is refused, which its log says too.
        """
        write_job(self.store, job)
        kept = read_job(self.store, job.spec.id)  # as it was submitted first
        id_ = kept.spec.id
        orders = orders_after(self.store, id_, 0)
        following = max((number for number, _ in orders), default=-1) + 1
        wishes = wished(order for _, order in orders)
        if "cap" in wishes:
            kept = msgspec.structs.replace(
                kept, spec=msgspec.structs.replace(kept.spec, cap_micros=wishes["cap"].value)
            )
        known = self.job(id_) is not None  # of which this coordinator knows more than lists do
        rounds, results = self._rounds.asked(kept) if not known else ({}, {})
        results = self._made(kept, results)
        needs = needs_of(self.store, kept, (result for found in results.values() for result in found))
        with self._lock:
            if known and id_ not in self._jobs:  # it was forgotten meanwhile
                return self.submit(job, by=by)
            known = id_ in self._jobs
            self._jobs[id_] = kept
            try:
                if not known:
                    self._admit(kept.spec, results, _missing(kept, results, rounds))
                spec = msgspec.structs.replace(kept.spec, needs=needs)
                self.coordinator.submit(spec, results=results, rounds=rounds, spent=self._spent(id_), by=by)
            except UsageError as fault:  # it is nobody's
                del self._jobs[id_]
                self._refused[id_] = following
                self.coordinator.refuse(id_, str(fault))
                raise
            self._refused.pop(id_, None)
            for row, found in results.items():
                self._doubtful.extend((id_, row, r) for r in found if not self.coordinator.trusts(r.node))
            if not known:  # whoever takes over a paused job leaves it paused
                self._seen[id_] = following
                for order in wishes.values():
                    carry_out(self.coordinator, id_, order)

    def _made(self, job: RenderJob, results: dict[int, list[Result]]) -> dict[int, list[Result]]:
        """Results with the names of who made them; of claims that do not say so, as the job's log has it."""
        if all(result.node for found in results.values() for result in found):
            return results
        makers = {e.text: e.node for e in log_of(self.store, job.spec.id) if e.kind == "delivered"}
        return {
            row: [r if r.node else msgspec.structs.replace(r, node=makers.get(r.key, "")) for r in found]
            for row, found in results.items()
        }

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

    def forget(self, id_: JobId) -> None:
        """End a job and know nothing of it any more; what it has in the store is its owner's to remove."""
        with self._lock:
            self.coordinator.forget(id_)
            self._jobs.pop(id_, None)
            self._seen.pop(id_, None)
            self._refused.pop(id_, None)

    def hands(self, ids: Iterable[JobId]) -> tuple[int, int, int, float]:
        """How many nodes work at jobs, how many may, and how many there are."""
        with self._lock:
            return self.coordinator.hands(ids)

    def job(self, id_: JobId) -> RenderJob | None:
        """A job as it was submitted; None for one that is not here."""
        with self._lock:
            return self._jobs.get(id_)

    def jobs_at_work(self) -> list[RenderJob]:
        """The jobs that are not over."""
        with self._lock:
            return [job for id_, job in self._jobs.items() if not self.coordinator.over(id_)]

    def status(self, id_: JobId) -> Status:
        """See `Coordinator.status`."""
        with self._lock:
            return self.coordinator.status(id_)

    def alone(self) -> contextlib.AbstractContextManager[object]:
        """While it is entered nothing happens but by this thread: for whoever holds locks of its own, of which this one
        is always the first."""
        return self._lock

    def lease_of(self, attempt: int) -> Lease | None:
        """The lease of an attempt that is at work; None when it is not."""
        with self._lock:
            return self.coordinator.attempt(attempt)

    def node_info(self, node: NodeId) -> NodeInfo | None:
        """What a node said of itself when it joined last, also when it has left; None of one that never came."""
        with self._lock:
            return self.coordinator.node_info(node) or self._infos.get(node)

    # --- what nodes call ---------------------------------------------------------------------------------------------
    def join(self, info: NodeInfo) -> None:
        """See `Coordinator.join`. Raises Forbidden for a node that cannot be as it says."""
        texts = (info.id, info.name, info.backend, info.device, info.build, info.price)
        if not (
            0.0 < info.score <= FASTEST
            and 0 < info.cores <= MOST_CORES
            and min(info.memory_bytes, info.trust) >= 0
            and all(len(text) <= LONGEST_TEXT and text.isprintable() for text in texts)
        ):
            raise Forbidden(f'the node "{plain(info.id, 80)}" says of itself what no machine is; update it')
        info = self._welcome(info)
        with self._lock:
            self._infos.pop(info.id, None)
            self._infos[info.id] = info  # the last
            if len(self._infos) > MOST_KNOWN:
                del self._infos[next(iter(self._infos))]
            others = [id_ for id_ in self.coordinator.nodes_of(info.id) if id_ != info.id]
            for id_ in others[: max(len(others) + 1 - MOST_DEVICES, 0)]:  # which died and said nothing, or never were
                self.coordinator.leave(id_)
            self.coordinator.join(info)

    def leave(self, node: str) -> None:
        """See `Coordinator.leave`."""
        with self._lock:
            self.coordinator.leave(node)

    def ask(self, node: str) -> Lease | None:
        """See `Coordinator.ask`."""
        with self._lock:
            self._known(self.coordinator.knows(node))
            known = self._probe(node)
            lease = self.coordinator.probe(node, *known) if known is not None else None
            lease = lease or self.coordinator.ask(node)
            every_s = self._checks.every_s(self.coordinator.nodes)
            return msgspec.structs.replace(lease, checkpoint_s=every_s) if lease is not None and every_s else lease

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
        lease = self.lease_of(attempt)
        if lease is not None and ENDS.get(code) == REFUSED:  # which ends the job
            self._rounds.missed(lease)
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
        own = self.lease_of(lease.attempt)
        if own is not None and (own.job, own.piece, own.node) != (lease.job, lease.piece, lease.node):
            return "wrong"
        lease = own or lease
        result = msgspec.structs.replace(result, node=lease.node, blocks=lease.blocks)
        verdict = self._delivered(lease, result, job)
        if verdict not in ("taken", "bad"):
            claim = claim_on(self.store, lease.job, job.spec.pieces[lease.piece], result.range, result.blocks)
            if claim is not None and is_same(claim, result):
                # Claimed when no answer came, and late since: its node must not take it away, for the store says it
                # counts.
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
        with self._lock:
            if self.coordinator.judge(lease.attempt, result) != "taken":  # nobody need look at it
                return self.coordinator.deliver(lease.attempt, result)
        piece = job.spec.pieces[lease.piece]
        try:
            # by all that is looked at, or what was found sound would vouch for what was only called like it
            name = digest_of(_encoder.encode((lease.job, lease.piece, lease.attempt, result)))
            self._look(name, lease.attempt, lambda: self._check(job, lease, piece, result))
        except CannotWrite:
            raise
        except Forged as fault:  # which says nothing of the unit: others render it
            self.distrust(lease.node, str(fault))
            return "bad"
        except StudioError as fault:
            self.fail(lease.attempt, 15, str(fault))
            return "bad"
        with self._lock:
            if self._has(lease, result):  # delivered twice at once
                return "taken"
            probe = self.coordinator.is_probe(lease.attempt)
            if not probe and self.coordinator.judge(lease.attempt, result) == "taken":
                result = holder(self.store, lease.job, piece, self._believed(lease, result))
            verdict = self.coordinator.deliver(lease.attempt, result)
        if probe:
            self.store.delete(result.key)
        return verdict

    def _check(self, job: RenderJob, lease: Lease, piece: Piece, result: Result) -> None:
        """Raises StudioError for a partial that must not count, CannotWrite where that cannot be said now."""
        if result.key != part_key(job.spec.id, piece, result.range, lease.attempt):
            raise BadAsset("the partial does not lie where that of its unit belongs")
        try:
            with self._checks.timed(), tempfile.TemporaryDirectory(prefix="myriad-farm-") as folder:
                path = Path(folder) / "unit.part"
                self.store.copy_to(path, result.key, most=largest_part(job, piece))
                pixels = self._rounds.choices.pixels(job, piece, result.range, result.blocks)
                film, header = check_partial(path, job, piece, result, pixels)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"a partial cannot be looked at: {reason}; make room for temporary files") from fault
        self._inspect(job, lease, result, film, header)

    def _believed(self, lease: Lease, result: Result) -> Result:
        """A result that took no longer than the clock allows."""
        most = max(self._clock() - lease.begun, 0.0)
        usage, cores = result.usage, getattr(self.node_info(lease.node), "cores", 1)
        taken = Usage(
            core_s=_within(usage.core_s, most * cores),
            device_s=_within(usage.device_s, most),
            load_s=_within(usage.load_s, most),
            render_s=_within(usage.render_s, most),
        )
        return msgspec.structs.replace(result, usage=taken)

    def _has(self, lease: Lease, result: Result) -> bool:
        with self._lock:
            if not self.coordinator.has(lease.job, lease.piece, result.range):
                return False  # as of nearly all; the rest is a search through what may be thousands
            return any(is_same(result, other) for other in self.coordinator.results(lease.job, lease.piece))

    # --- what is taken back ------------------------------------------------------------------------------------------
    def retract(self, id_: JobId, piece: int, result: Result) -> None:
        """Take a delivered result back: its claim and partial go, and its samples are rendered again. `tick` does it,
        and tries again while the store does not answer."""
        with self._lock:
            self._doubtful.append((id_, piece, result))

    def distrust(self, node: NodeId, why: str) -> None:
        """Take nothing of a node any more, nor of others of its machine, and take back all that they have delivered."""
        with self._lock:
            self.coordinator.distrust(node, why)
            for id_, job in self._jobs.items():
                for piece in range(len(job.spec.pieces)):
                    made = (r for r in self.coordinator.delivered(id_, piece) if maker_of(r.node) == maker_of(node))
                    self._doubtful.extend((id_, piece, result) for result in made)

    def checked(self, check: Check) -> None:
        """Say in the job's log that a delivery was looked at."""
        with self._lock:
            why = "" if check.sound else check.text or "it is not sound"
            self.coordinator.checked(check.job, check.node, check.piece, check.range, check.attempt, why)

    def _take_back(self) -> None:
        for _ in range(MOST_TAKEN_BACK):
            with self._lock:
                if not self._doubtful:
                    return
                id_, piece, result = self._doubtful.popleft()
                job = self._jobs.get(id_)
            if job is None:
                continue
            try:  # first the claim, or whoever renders the samples again would find them taken
                withdraw(self.store, id_, job.spec.pieces[piece], result)
            except CannotWrite:
                self.retract(id_, piece, result)
                raise
            try:
                with self._lock:
                    if id_ in self._jobs:
                        self._rounds.undo(job, piece, result)
                        self.coordinator.retract(id_, piece, result)
            except CannotWrite:
                self.retract(id_, piece, result)
                raise

    def tick(self) -> None:
        """See `Coordinator.tick`; do what people have ordered, and write down what has happened."""
        with self._lock:
            self.coordinator.tick()
        with contextlib.suppress(CannotWrite):  # a store that does not answer now is asked the next time
            self._obey()
            self.live.look()
        with contextlib.suppress(CannotWrite):  # what cannot be removed keeps nobody from being heard
            self._take_back()
        self._rounds.look()
        self.flush()

    def _obey(self) -> None:
        """Carry out the orders in the store, every now and then; and give a sign of life."""
        now = time.monotonic()
        if now - self._beat >= BEAT_S:
            self._beat = now
            beat(self.store, self.generation)
            self._show_nodes()
        if now - self._looked < ORDERS_S:
            return
        self._looked = now
        for id_ in list(self._jobs):
            for number, order in orders_after(self.store, id_, self._seen.get(id_, 0)):
                with self._lock:
                    self._seen[id_] = number + 1
                    carry_out(self.coordinator, id_, order)

        for id_, following in list(self._refused.items()):
            if any(order.kind == "resume" for _, order in orders_after(self.store, id_, following)):
                with contextlib.suppress(BadAsset, UsageError):  # which its log says
                    self.submit(read_job(self.store, id_), by="resume")

    def _show_nodes(self) -> None:
        """Write down how the nodes stand, for whoever watches the store."""
        with self._lock:
            rows = self.coordinator.rows()
        shown = NodeRows(generation=self.generation, at=self.store.clock(), rows=rows)
        self.store.put(f"nodes/{self.generation}.json", _encoder.encode(shown))

    def retire(self) -> None:
        """Write down the rest and give no more signs of life."""
        self.flush()
        with contextlib.suppress(CannotWrite):  # they grow old by themselves
            end_beat(self.store, self.generation)
            self.store.delete(f"nodes/{self.generation}.json")

    # --- the log -----------------------------------------------------------------------------------------------------
    def _heard(self, event: Event) -> None:
        if event.job and not event.job.startswith(LIVE):  # such last for seconds
            self._log.add(event)
        self._listener(event)

    def flush(self) -> None:
        """Write down what has happened since the last time."""
        self._log.flush()

    def _next_generation(self) -> int:
        """One more than any coordinator of this store before; two that start at once get two."""
        names = [key.rsplit("/", 1)[-1] for key, _ in self.store.list("generations")]
        number = 1 + max((int(name) for name in names if name.isdecimal() and len(name) < 10), default=0)
        mine = secrets.token_hex(8).encode()  # after a try that broke it tells who won
        while not self.store.put(f"generations/{number}", mine, once=True):
            number += 1
        return number


def steady(store: Store) -> Callable[[], float]:
    """A clock that begins as the store's and that nobody sets: where a machine's own clock jumps, no lease runs out and
    none lasts for ever."""
    ahead = store.clock() - time.monotonic()
    return lambda: time.monotonic() + ahead


def _missing(job: RenderJob, results: dict[int, list[Result]], rounds: Mapping[int, Round]) -> bool:
    """Whether there is anything left to render, or to decide."""
    have = {row: sum(last - first for first, last in (r.range for r in found)) for row, found in results.items()}
    asked = [rounds[row].samples - p.first if row in rounds else p.count for row, p in enumerate(job.spec.pieces)]
    return any(round.more for round in rounds.values()) or any(have.get(row, 0) < n for row, n in enumerate(asked))


def _within(seconds: float, most: float) -> float:
    return min(max(seconds, 0.0), most)
