"""Who works at what: the farm's one state machine. Pure code with a clock that is handed in.

Nodes pull. A node that asks gets a *unit*: a range of samples of a piece that is as long as suits it
(`studio.farm.dealing`). While it works it reports, and what it delivers in between, its checkpoints, is done for good:
partials are sums, so a unit need not come in one piece, and whoever dies loses only what follows its last checkpoint.

Towards the end there is nothing left to hand out, only units at work. Then an idle node is given the rest of the unit
that would end last, whose holder is told to stop at a sample that it has not reached yet. What is too short to cut is
rendered twice and the first delivery counts. So a slow node costs the job little, and a frozen one its lease.

Nothing here knows sockets, stores or processes. Engines call `ask`, `report`, `deliver` and `fail`, carry out what they
are told, and call `tick` now and then; whoever verifies results does so before `deliver`. A job can be continued by
another coordinator: `submit` takes what is done already, `adopt` a node that still works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from studio.errors import UsageError
from studio.farm import dealing
from studio.farm import model as m
from studio.farm.caps import Caps
from studio.farm.caps import Price as Price
from studio.farm.hands import Hands
from studio.farm.model import Event, JobId, JobSpec, JobState, Lease, NodeId, NodeInfo, Order, Range, Report, Result
from studio.farm.policy import Attempt, Deferred, Job, Node, Policy
from studio.farm.ranges import Ranges
from studio.farm.seen.standing import Status as Status
from studio.farm.seen.standing import row_of, status_of
from studio.farm.teller import Teller
from studio.farm.turns import Turns

Clock = Callable[[], float]
Verdict = Literal["taken", "late", "wrong"]
PROBE = -1  # stands for what a unit is a copy of, where that is done and the node does not know


class Coordinator:
    """The jobs and nodes of one farm. Not thread safe: its engine calls it from one place.

    `generation` is greater for every coordinator that continues the same jobs, so that no attempt of an earlier one
    can be taken for one of its own. `price` says what seconds of a node cost, for caps.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        policy: Policy | None = None,
        generation: int = 0,
        price: Price | None = None,
        listener: Callable[[Event], None] | None = None,
    ) -> None:
        self.policy = policy or Policy()
        self._clock = clock
        self._tell = Teller(clock, listener or (lambda event: None)).tell
        self._jobs: dict[JobId, Job] = {}
        self._live: dict[JobId, Job] = {}  # those of them before which somebody waits
        self._nodes: dict[NodeId, Node] = {}
        self._attempts: dict[int, Attempt] = {}
        self._caps = Caps(price, self.policy, self._nodes, self._attempts)
        self._turns = Turns(clock, self.policy, self._jobs, self._live, self._nodes, self._attempts)
        first = (generation << 40) + 1
        self._hands = Hands(clock, self._turns, self._jobs, self._nodes, self._attempts, next=first)
        self._distrusted: set[str] = set()
        self._aside: dict[tuple[JobId, int], dict[str, Result]] = {}  # of rounds that are asked for no more, by key
        self._generation = generation

    # --- jobs --------------------------------------------------------------------------------------------------------
    def submit(
        self,
        spec: JobSpec,
        *,
        results: Mapping[int, Iterable[Result]] | None = None,
        rounds: Mapping[int, m.Round] | None = None,
        spent: int = 0,
        by: str = "",
    ) -> None:
        """Take a job; one that is known is left as it is. `results` are those of each piece that are in the store, for
        which `spent` millionths were billed; `rounds` say what is asked by now of pieces that are sampled adaptively.

        Raises UsageError for a job without pieces or samples.
        """
        if spec.id in self._jobs:
            return
        if not spec.pieces or any(not 0 <= p.first < p.samples or not p.cost > 0 for p in spec.pieces):
            raise UsageError(f'the job "{spec.name}" has nothing to render; choose frames and samples')
        job = Job(
            spec=spec,
            device=spec.needs.device,
            backend=spec.needs.backend,
            build=spec.needs.build,
            open=[Ranges() for _ in spec.pieces],
            done=[Ranges() for _ in spec.pieces],
            results=[[] for _ in spec.pieces],
            spent=spent,
            most=tuple(piece.samples for piece in spec.pieces),
        )
        for index, round in (rounds or {}).items():
            job.ask_for(index, round, spec.pieces[index].cost)
        for index, piece in enumerate(job.spec.pieces):
            job.reopen(index, (piece.first, piece.samples))
            for result in (results or {}).get(index, ()):
                _count_in(job, index, result)
        job.cursor = 0
        self._jobs[spec.id] = job
        if spec.live:
            self._live[spec.id] = job
        self._tell("submitted", job=spec.id, by=by)
        self._settle(job)

    def due(self) -> list[tuple[JobId, int]]:
        """The pieces whose round is whole, so that it can be decided what comes after it."""
        return [
            (id_, piece)
            for id_, job in self._jobs.items()
            if job.rounds and job.state not in ("failed", "cancelled")
            for piece, round in job.rounds.items()
            if round.more and job.whole(piece)
        ]

    def round_of(self, id_: JobId, piece: int) -> m.Round | None:
        """What is asked of a piece by now; None for one that is not sampled adaptively."""
        return self._job(id_).rounds.get(piece)

    def extend(self, id_: JobId, piece: int, round: m.Round, *, cost: float, results: Iterable[Result] = ()) -> None:
        """Ask for the samples of another round of a piece whose round is whole, each of which would cost so much on all
        its pixels. `results` are those of it that are in the store."""
        job = self._job(id_)
        before = job.spec.pieces[piece].samples
        if not job.whole(piece) or round.samples <= before:
            return
        job.ask_for(piece, round, cost)
        job.reopen(piece, (before, round.samples))
        for result in results:
            _count_in(job, piece, result)
            self._aside.get((id_, piece), {}).pop(result.key, None)
        job.state = "waiting" if job.state == "done" else job.state
        share = f"{100 * round.share:.1f} % of the pixels"
        self._tell("extended", job=id_, piece=piece, range=(before, round.samples), text=share)
        self._settle(job)

    def suffice(self, id_: JobId, piece: int) -> None:
        """Ask for no more samples of a piece."""
        job = self._job(id_)
        job.rounds[piece] = msgspec.structs.replace(job.rounds[piece], more=False)
        self._tell("sufficed", job=id_, piece=piece, range=(0, job.spec.pieces[piece].samples))
        self._settle(job)

    def rewind(self, id_: JobId, piece: int, round: m.Round, *, cost: float) -> None:
        """Go back to an earlier round of a piece, whose samples come to be taken back: what was asked for after it is
        not asked for any more, and whoever works at that drops it."""
        job = self._job(id_)
        last = job.spec.pieces[piece].samples
        job.close(piece, (0, last))
        for number in list(job.running):
            found = self._attempts[number]
            lease = found.lease
            if lease.piece == piece and lease.range[0] >= round.samples and lease.copy_of != PROBE:
                self._tell("cut", lease=lease, range=(found.delivered, found.last))
                self._hands.release(found, reopen=False)
        job.deferred = [d for d in job.deferred if d.piece != piece or d.range[0] < round.samples]
        gone = {r.key: r for r in job.results[piece] if r.range[1] > round.samples}
        self._aside.setdefault((id_, piece), {}).update(gone)
        job.results[piece] = [r for r in job.results[piece] if r.key not in gone]
        job.done[piece].discard((round.samples, last))
        job.ask_for(piece, round, cost)
        self._tell("rewound", job=id_, piece=piece, range=(round.samples, last))
        if job.state == "done":
            job.state = "waiting"
            self._tell("resumed", job=id_, text="what was delivered was taken back")
        self._settle(job)

    def refuse(self, id_: JobId, why: str) -> None:
        """Say that a job is not taken, and why."""
        self._tell("failed", job=id_, text=why[:400])

    def retract(self, id_: JobId, piece: int, result: Result) -> bool:
        """Take back what was delivered: its samples are handed out again, and what it taught and cost is forgotten. A
        job that was done by it, or stopped at its cap, goes on. False for what was not delivered here."""
        job = self._job(id_)
        found = next((r for r in job.results[piece] if (r.range, r.key) == (result.range, result.key)), None)
        counted = found is not None
        found = found or self._aside.get((id_, piece), {}).pop(result.key, None)
        if found is None:
            return False
        if counted:
            job.results[piece].remove(found)
            job.done[piece].discard(found.range)
            job.reopen(piece, found.range)
        self._caps.uncount(job, found)
        number = m.attempt_of(found)
        self._tell(
            "retracted", job=id_, node=found.node, piece=piece, range=found.range, attempt=number, text=found.key
        )
        if job.state == "capped" or (counted and job.state == "done"):
            job.state, job.why = "waiting", ""
            self._tell("resumed", job=id_, text="what was delivered was taken back")
        return True

    def checked(self, id_: JobId, node: NodeId, piece: int, samples: Range, attempt: int, why: str = "") -> None:
        """Say that what a node delivered was looked at; `why` it is not sound, "" when it is."""
        self._tell(
            "checked", job=id_, node=node, piece=piece, range=samples, attempt=attempt, text=why[:400] or "sound"
        )

    def pause(self, id_: JobId, *, by: str = "") -> None:
        """Hand out no more of a job; what runs delivers what it has and stops."""
        job = self._job(id_)
        if not job.over:
            self._halt(job, "paused", "", by)

    def drain(self, id_: JobId, *, by: str = "") -> None:
        """Hand out no more of a job; what runs is finished, then it is paused."""
        job = self._job(id_)
        if not job.over:
            job.state = "draining"
            self._tell("draining", job=id_, by=by)
            self._settle(job)

    def resume(self, id_: JobId, *, by: str = "") -> None:
        """Go on with a job that is paused, drained, capped, failed or cancelled; its failures are forgotten."""
        job = self._job(id_)
        if job.state in ("paused", "draining", "capped", "failed", "cancelled"):
            job.state, job.why = "waiting", ""
            for deferred in job.deferred:
                job.reopen(deferred.piece, deferred.range)
            job.deferred.clear()
            for node in self._nodes.values():
                node.blocked.discard(id_)
                node.faults.pop(id_, None)
            self._tell("resumed", job=id_, by=by)
            self._settle(job)

    def cancel(self, id_: JobId, *, by: str = "") -> None:
        """End a job; what runs is given up. What was delivered stays."""
        job = self._job(id_)
        if not job.over:
            self._end(job, "cancelled", "", by)

    def forget(self, id_: JobId) -> None:
        """End a job and know nothing of it any more."""
        if id_ in self._jobs:
            self.cancel(id_)
            for piece in range(len(self._jobs[id_].spec.pieces)):
                self._aside.pop((id_, piece), None)
            del self._jobs[id_]
            self._live.pop(id_, None)
            for node in self._nodes.values():
                node.pace.pop(id_, None)
                node.faults.pop(id_, None)
                node.blocked.discard(id_)

    def raise_cap(self, id_: JobId, micros: int, *, by: str = "") -> None:
        """Set a job's cap (0: none); a job that was stopped by it goes on."""
        job = self._job(id_)
        job.spec = msgspec.structs.replace(job.spec, cap_micros=micros)
        self._tell("cap", job=id_, by=by, text=str(micros))
        if job.state == "capped":
            self.resume(id_, by=by)

    def set_priority(self, id_: JobId, priority: int, *, by: str = "") -> None:
        """Set a job's priority, 0 to 100."""
        job = self._job(id_)
        job.spec = msgspec.structs.replace(job.spec, priority=min(max(priority, 0), 100))
        self._tell("priority", job=id_, by=by, text=str(priority))

    def status(self, id_: JobId) -> Status:
        """How a job stands."""
        return status_of(self._job(id_), self._nodes, self._attempts)

    def results(self, id_: JobId, piece: int) -> list[Result]:
        """What was delivered of a piece, in the order of its samples."""
        return sorted(self._job(id_).results[piece], key=lambda result: result.range)

    def delivered(self, id_: JobId, piece: int) -> list[Result]:
        """What was delivered of a piece, also of rounds that it went back from, whose results may count again."""
        return [*self._job(id_).results[piece], *self._aside.get((id_, piece), {}).values()]

    def has(self, id_: JobId, piece: int, samples: Range) -> bool:
        """Whether any of these samples of a piece were delivered."""
        return self._job(id_).done[piece].meets(samples)

    def over(self, id_: JobId) -> bool:
        """Whether a job is done, failed or cancelled."""
        return self._job(id_).over

    def complete(self, id_: JobId, piece: int) -> bool:
        """Whether all samples of a piece were delivered that are asked for by now."""
        return self._job(id_).whole(piece)

    # --- nodes -------------------------------------------------------------------------------------------------------
    def join(self, info: NodeInfo) -> None:
        """A node offers itself; one that was known under its id has started again and has lost what it had."""
        if info.id in self._nodes:
            self._lose(self._nodes[info.id])
        self._nodes[info.id] = Node(info)
        self._tell("joined", node=info.id)

    def leave(self, id_: NodeId, *, by: str = "") -> None:
        """A node goes; what it had is handed to others."""
        node = self._nodes.get(id_)
        if node is not None:
            self._lose(node)
            del self._nodes[id_]
            self._tell("left", node=id_, by=by)

    def distrust(self, node: NodeId, why: str = "") -> None:
        """Give nothing to a node any more, nor to others of its machine, whatever they join as; what they have at work
        is handed to others."""
        maker = m.maker_of(node)
        if maker in self._distrusted:
            return
        self._distrusted.add(maker)
        self._tell("distrusted", node=node, text=why[:400])
        for id_, found in self._nodes.items():
            if m.maker_of(id_) == maker:
                self._lose(found)

    def trusts(self, node: NodeId) -> bool:
        """Whether a node may have work."""
        return m.maker_of(node) not in self._distrusted

    def drain_node(self, id_: NodeId, *, by: str = "") -> None:
        """A node finishes what it has and gets no more."""
        if id_ in self._nodes:
            self._nodes[id_].draining = True
            self._tell("draining", node=id_, by=by)

    def ask(self, id_: NodeId) -> Lease | None:
        """Work for a node; None when there is none for it now."""
        node = self._nodes.get(id_)
        if node is None or node.draining or not self.trusts(id_):
            return None
        self.tick()
        for job in self._turns.in_turn(node):
            lease = self._unit(job, node)
            if lease is not None:
                return lease
        return None

    def probe(self, node_id: NodeId, id_: JobId, piece: int, result: Result) -> Lease | None:
        """Have a node render what is done again, in a lease like any other; what it delivers does not count. None
        where it could not have work of that job now."""
        node, job = self._nodes.get(node_id), self._jobs.get(id_)
        if node is None or node.draining or not self.trusts(node_id) or job is None or job.spec.live:
            return None
        if not self._turns.may(node, job) or job.open_cost <= 0 or result not in job.results[piece]:
            return None
        lease = self._hands.lease(job, node, (piece, result.range), copy_of=PROBE)
        lease = msgspec.structs.replace(lease, blocks=result.blocks)
        self._hands.hold(job, node, lease, delivered=result.range[0])
        self._tell("leased", lease=lease)
        return msgspec.structs.replace(lease, copy_of=0)  # it must not know

    def is_probe(self, attempt: int) -> bool:
        """Whether what an attempt delivers does not count."""
        found = self._attempts.get(attempt)
        return found is not None and found.lease.copy_of == PROBE

    def report(self, attempt: int, report: Report) -> Order:
        """What a node says of its unit, and what it is told: "stop" asks it to go no further than that sample and to
        deliver what it has, "drop" to give the unit up."""
        found = self._attempts.get(attempt)
        if found is None:
            return "drop", 0
        now = self._clock()
        length = found.lease.range[1] - found.lease.range[0]
        done = min(max(report.done, found.report.done), length)
        if done > found.report.done:
            if now > found.moved:
                rate = (done - found.report.done) / (now - found.moved)
                found.rate = rate if found.rate == 0 else 0.5 * (found.rate + rate)
            found.moved = now
        elif found.report.done == 0:
            found.moved = now  # it has not begun to render
        found.report = msgspec.structs.replace(report, done=done)
        self._hands.renew(found, now)
        job = self._jobs[found.lease.job]
        if self._caps.reached(job):
            self._halt(job, "capped", "the cap is reached", "")
        if self._turns.calls(found, job) and not self._call_over(found, job):
            return "drop", 0
        return ("stop", found.last) if found.last < found.lease.range[1] else ("go", 0)

    def judge(self, attempt: int, result: Result) -> Verdict:
        """What `deliver` would say of a partial."""
        found = self._attempts.get(attempt)
        if found is None:
            return "late"
        lease = found.lease
        job = self._jobs[lease.job]
        first, last = result.range
        if first != found.delivered or not first < last <= lease.range[1]:
            return "wrong"
        if lease.copy_of == PROBE:
            return "taken"
        beyond = (max(found.last, first), last)
        gone = last > found.last and not job.open[lease.piece].covers(beyond)
        return "late" if gone or job.done[lease.piece].meets(result.range) else "taken"

    def deliver(self, attempt: int, result: Result) -> Verdict:
        """Take a verified partial of a unit, the next of its samples.

        "late": the lease has run out or others have done it, and the node drops the unit. "wrong": it is not what
        comes next in the unit.
        """
        verdict = self.judge(attempt, result)
        found = self._attempts.get(attempt)
        if found is None or verdict == "wrong":
            return verdict
        lease = found.lease
        job = self._jobs[lease.job]
        last = result.range[1]
        if verdict == "late":
            self._hands.release(found)
            self._settle(job)
            return verdict
        if lease.copy_of == PROBE:
            return self._probed(found, result)
        beyond = (max(found.last, result.range[0]), last)
        now = self._clock()
        if last > found.last:  # it did not hear in time that it should stop, but nobody has begun with the rest
            job.close(lease.piece, beyond)
            found.last = last
        found.delivered = last
        found.report = msgspec.structs.replace(found.report, done=max(found.report.done, last - lease.range[0]))
        job.done[lease.piece].add(result.range)
        job.results[lease.piece].append(result)
        node = self._nodes.get(lease.node)
        if node is not None:
            self._caps.count(job, node, lease.piece, result)
        self._hands.renew(found, now)
        self._tell("delivered", lease=lease, range=result.range, text=result.key)
        self._hands.drop_rivals(job, found)
        if last >= found.last:
            job.units_s = [*job.units_s[-63:], now - lease.begun]
            self._hands.release(found)
        self._settle(job)
        return "taken"

    def _probed(self, found: Attempt, result: Result) -> Verdict:
        job, last = self._jobs[found.lease.job], result.range[1]
        found.delivered = last
        found.report = msgspec.structs.replace(found.report, done=last - found.lease.range[0])
        self._hands.renew(found, self._clock())
        self._tell("probed", lease=found.lease, range=result.range)
        if last >= found.last:
            self._hands.release(found)
            self._settle(job)
        return "taken"

    def fail(self, attempt: int, code: int, text: str = "") -> None:
        """A unit ended with an exit code of the renderer: by its class it is tried again, or the job fails."""
        found = self._attempts.get(attempt)
        if found is None:
            return
        lease, now = found.lease, self._clock()
        job, node = self._jobs[lease.job], self._nodes.get(lease.node)
        what = m.ENDS.get(code, m.RETRY)
        self._tell("failed", lease=lease, text=f"{code}: {text}"[:400])
        if what == m.REFUSED:
            self._end(job, "failed", (text or f"exit code {code}")[:400], "")
            return
        rest = self._hands.release(found, reopen=what == m.FREE)
        if what == m.OTHER_KIND and node is not None:
            node.blocked.add(job.spec.id)
        if what == m.RETRY and node is not None:
            self._blame(node, job)
        if what != m.FREE and rest is not None:
            unit = found.past or Deferred(lease.piece, rest)
            unit.range = rest
            job.deferred.append(unit)
            if what == m.DELAY:
                unit.after = now + self.policy.delay_s
            else:
                unit.shunned |= {lease.node}
            if what == m.BIGGER and node is not None:
                unit.memory = max(unit.memory, node.memory)
            unit.failures += what == m.RETRY
            if unit.failures > job.spec.retries:
                self._end(job, "failed", f"a unit failed {unit.failures} times; the last time: {text}"[:400], "")
        self._settle(job)

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    @property
    def leases(self) -> int:
        """The number of the next lease."""
        return self._hands.next

    def attempt(self, number: int) -> Lease | None:
        """The lease of an attempt that is at work; None when it is not."""
        found = self._attempts.get(number)
        return found.lease if found is not None else None

    def node_info(self, node: NodeId) -> NodeInfo | None:
        """What a node said of itself when it joined; None of one that is not here."""
        found = self._nodes.get(node)
        return found.info if found is not None else None

    def rows(self) -> tuple[m.NodeRow, ...]:
        """How every node stands, by their ids."""
        found = (row_of(node, self._jobs, self._attempts) for _, node in sorted(self._nodes.items()))
        return tuple(row if self.trusts(row.id) else msgspec.structs.replace(row, state="distrusted") for row in found)

    def hands(self, ids: Iterable[JobId]) -> tuple[int, int, int, float]:
        """How many nodes work at jobs, how many may work at any of them, and how many there are; and the seconds of one
        of their samples on a node of score 1 (0: nobody knows)."""
        jobs = [self._jobs[id_] for id_ in ids if id_ in self._jobs]
        at_work = {self._attempts[number].lease.node for job in jobs for number in job.running}
        fit = sum(any(self._turns.may(node, job) for job in jobs) for node in self._nodes.values())
        return len(at_work), fit, len(self._nodes), max((job.sample_s() for job in jobs), default=0.0)

    def knows(self, node: NodeId) -> bool:
        """Whether a node has joined."""
        return node in self._nodes

    def nodes_of(self, node: NodeId) -> list[NodeId]:
        """The nodes of a node's machine that are here, in the order in which they joined first."""
        maker = m.maker_of(node)
        return [id_ for id_ in self._nodes if m.maker_of(id_) == maker]

    def foreign(self, number: int) -> bool:
        """Whether an attempt is of an earlier coordinator and was not adopted."""
        return number >> 40 != self._generation and number not in self._attempts

    def adopt(self, lease: Lease, report: Report) -> Order:
        """A node works at a unit that an earlier coordinator gave it: it goes on where nobody else has begun."""
        if lease.attempt in self._attempts:
            return self.report(lease.attempt, report)
        job, node = self._jobs.get(lease.job), self._nodes.get(lease.node)
        if job is None or node is None or job.over or not 0 <= lease.piece < len(job.spec.pieces):
            return "drop", 0
        if node.info.trust > job.spec.needs.trust:  # whatever an earlier coordinator is said to have given it
            return "drop", 0
        if not self.trusts(lease.node) or lease.blocks != job.blocks(lease.piece):
            return "drop", 0
        done = next((b for a, b in job.done[lease.piece] if a <= lease.range[0] < b), lease.range[0])
        done = max(done, lease.range[0] + report.kept)  # some of which may have been taken back since
        if done >= lease.range[1] or not job.open[lease.piece].covers((done, lease.range[1])):
            return "drop", 0
        held = msgspec.structs.replace(lease, copy_of=0, begun=self._clock())  # which its holder may say anything of
        self._hands.hold(job, node, held, delivered=done)
        self._tell("adopted", lease=lease)
        return self.report(lease.attempt, report)

    def tick(self) -> None:
        """Take back units whose nodes have fallen silent. Cheap; engines call it every second or so."""
        for found in self._hands.expired():
            job = self._jobs[found.lease.job]
            self._tell("expired", lease=found.lease)
            if found.lease.node in self._nodes:
                self._blame(self._nodes[found.lease.node], job)
            self._hands.release(found)
            self._settle(job)

    # --- handing out -------------------------------------------------------------------------------------------------
    def _call_over(self, attempt: Attempt, job: Job) -> bool:
        """Have a unit end where it is, so that its node comes over to a live job; False when it has nothing to hand in,
        and is given up."""
        attempt.called = True
        self._tell("called", lease=attempt.lease, range=(attempt.done, attempt.last))
        if attempt.done < attempt.last:
            if not attempt.lease.copy_of and not attempt.copy:
                job.reopen(attempt.lease.piece, (attempt.done, attempt.last))
            attempt.last = attempt.done
        if attempt.delivered < attempt.last:
            return True
        self._hands.release(attempt)
        self._settle(job)
        return False

    def _unit(self, job: Job, node: Node) -> Lease | None:
        """A unit of a job for a node, leased to it."""
        now = self._clock()
        fit = [n.info.id for n in self._nodes.values() if self._turns.may(n, job)] if job.deferred else []
        past = dealing.deferred_unit(job, node, fit, now)
        if past is not None:
            return self._leased(job, node, (past.piece, past.range), past=past)
        workers = self._workers(job, node)
        policy = self._turns.policy_of(job)
        cut = dealing.fresh_cut(job, node, workers, dealing.left_cost(job, self._attempts), policy)
        if cut is not None:
            return self._leased(job, node, cut)
        running = [self._attempts[number] for number in job.running]
        theft = dealing.stolen_rest(job, node, running, self._nodes, now, policy)
        if theft is not None and self._affords(job, node, theft[0].lease.piece, theft[0].last - theft[1]):
            found, at = theft
            rest = (at, found.last)
            found.last = at
            job.reopen(found.lease.piece, rest)
            self._tell("cut", lease=found.lease, range=rest)
            return self._leased(job, node, (found.lease.piece, rest))
        late = dealing.late_unit(job, node, running, self._nodes, now, policy)
        if late is not None:
            return self._leased(job, node, (late.lease.piece, (late.delivered, late.last)), copied=late)
        return None

    def _leased(
        self,
        job: Job,
        node: Node,
        unit: dealing.Unit,
        *,
        past: Deferred | None = None,
        copied: Attempt | None = None,
    ) -> Lease | None:
        piece, samples = unit
        if not self._affords(job, node, piece, samples[1] - samples[0]):
            return None
        lease = self._hands.lease(job, node, unit, copy_of=copied.lease.attempt if copied is not None else 0)
        if copied is not None:
            copied.copy = lease.attempt
        if past is not None:
            job.deferred.remove(past)
        # results of another class of device would not add up to the same bits
        job.device, job.backend, job.build = node.info.device, node.info.backend, node.info.build
        self._hands.hold(job, node, lease, delivered=samples[0]).past = past
        self._tell("leased", lease=lease)
        return lease

    def _workers(self, job: Job, *more: Node) -> list[Node]:
        """The nodes that work at a job, and more."""
        ids = {self._attempts[number].lease.node for number in job.running} | {node.info.id for node in more}
        return [self._nodes[id_] for id_ in ids if id_ in self._nodes]

    def _affords(self, job: Job, node: Node, piece: int, samples: int) -> bool:
        """Whether a unit fits under the job's cap; a job with nothing at work stops there."""
        fits = self._caps.affords(job, node, piece, samples)
        if not fits and not job.running:
            self._halt(job, "capped", "what is left would go beyond the cap", "")
        return fits

    # --- what follows ------------------------------------------------------------------------------------------------
    def _lose(self, node: Node) -> None:
        for number in list(node.attempts):
            found = self._attempts[number]
            self._tell("lost", lease=found.lease)
            self._hands.release(found)
            self._settle(self._jobs[found.lease.job])

    def _blame(self, node: Node, job: Job) -> None:
        faults = node.faults[job.spec.id] = node.faults.get(job.spec.id, 0) + 1
        if faults >= self.policy.blocks_after:
            node.blocked.add(job.spec.id)
            self._tell("blocked", job=job.spec.id, node=node.info.id)

    def _halt(self, job: Job, state: JobState, why: str, by: str) -> None:
        """Stop a job at once with what it has: what runs ends where it is."""
        job.state, job.why = state, why
        for number in job.running:
            attempt = self._attempts[number]
            if attempt.done < attempt.last:
                if not attempt.lease.copy_of:
                    job.reopen(attempt.lease.piece, (attempt.done, attempt.last))
                attempt.last = attempt.done
        self._tell(state, job=job.spec.id, by=by, text=why)
        for number in list(job.running):
            if self._attempts[number].delivered >= self._attempts[number].last:
                self._hands.release(self._attempts[number])

    def _end(self, job: Job, state: JobState, why: str, by: str) -> None:
        for number in list(job.running):
            self._hands.release(self._attempts[number])
        job.state, job.why = state, why
        self._tell(state, job=job.spec.id, by=by, text=why)

    def _settle(self, job: Job) -> None:
        """The state that follows from what is done and at work."""
        if job.over:
            return
        if all(map(job.whole, range(len(job.done)))) and not any(round.more for round in job.rounds.values()):
            self._end(job, "done", "", "")
        elif not job.running and job.state == "running":
            job.state = "waiting"
        elif not job.running and job.state == "draining":
            job.state = "paused"
            self._tell("paused", job=job.spec.id)

    def _job(self, id_: JobId) -> Job:
        job = self._jobs.get(id_)
        if job is None:
            raise UsageError(f'there is no job "{id_}" on this farm')
        return job


def _count_in(job: Job, piece: int, result: Result) -> None:
    """Count a result that is in the store, unless its samples are there."""
    if not job.done[piece].meets(result.range):
        job.done[piece].add(result.range)
        job.close(piece, result.range)
        job.results[piece].append(result)
