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

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from studio.errors import UsageError
from studio.farm import dealing
from studio.farm import model as m
from studio.farm.model import Event, JobId, JobSpec, JobState, Lease, NodeId, NodeInfo, Order, Range, Report, Result
from studio.farm.policy import Attempt, Deferred, Job, Node, Policy
from studio.farm.ranges import Ranges

Clock = Callable[[], float]
Verdict = Literal["taken", "late", "wrong"]
Price = Callable[[NodeInfo, float], int]  # of so many seconds of a node, in millionths


class Status(m.Record, frozen=True):
    """How a job stands."""

    state: JobState
    done: int  # samples of
    total: int
    running: int  # units
    left_s: float  # by what is known now; 0 when nothing is
    spent_micros: int
    why: str = ""


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
        self._clock, self._price = clock, price
        self._listener = listener or (lambda event: None)
        self._jobs: dict[JobId, Job] = {}
        self._nodes: dict[NodeId, Node] = {}
        self._attempts: dict[int, Attempt] = {}
        self._expiries: list[tuple[float, int]] = []
        self._generation = generation
        self._next = (generation << 40) + 1
        self._events = 0

    # --- jobs --------------------------------------------------------------------------------------------------------
    def submit(self, spec: JobSpec, *, results: Mapping[int, Iterable[Result]] | None = None, by: str = "") -> None:
        """Take a job; one that is known is left as it is. `results` are those of each piece that are in the store.

        Raises UsageError for a job without pieces or samples.
        """
        if spec.id in self._jobs:
            return
        if not spec.pieces or any(p.samples <= 0 or not p.cost > 0 for p in spec.pieces):
            raise UsageError(f'the job "{spec.name}" has nothing to render; choose frames and samples')
        job = Job(
            spec=spec,
            device=spec.needs.device,
            backend=spec.needs.backend,
            build=spec.needs.build,
            open=[Ranges() for _ in spec.pieces],
            done=[Ranges() for _ in spec.pieces],
            results=[[] for _ in spec.pieces],
        )
        for index, piece in enumerate(spec.pieces):
            job.reopen(index, (0, piece.samples))
            for result in (results or {}).get(index, ()):
                if not job.done[index].meets(result.range):
                    job.done[index].add(result.range)
                    job.close(index, result.range)
                    job.results[index].append(result)
        job.cursor = 0
        self._jobs[spec.id] = job
        self._say("submitted", job=spec.id, by=by)
        self._settle(job)

    def extend(self, id_: JobId, piece: int, samples: int) -> None:
        """Ask more samples of a piece: what a round of adaptive sampling decides on the merged picture."""
        job = self._job(id_)
        before = job.spec.pieces[piece]
        if samples > before.samples and job.state not in ("failed", "cancelled"):
            pieces = list(job.spec.pieces)
            pieces[piece] = msgspec.structs.replace(before, samples=samples)
            job.spec = msgspec.structs.replace(job.spec, pieces=tuple(pieces))
            job.reopen(piece, (before.samples, samples))
            job.state = "waiting" if job.state == "done" else job.state
            self._say("extended", job=id_, piece=piece, range=(before.samples, samples))

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
            self._say("draining", job=id_, by=by)
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
            self._say("resumed", job=id_, by=by)
            self._settle(job)

    def cancel(self, id_: JobId, *, by: str = "") -> None:
        """End a job; what runs is given up. What was delivered stays."""
        job = self._job(id_)
        if not job.over:
            self._end(job, "cancelled", "", by)

    def raise_cap(self, id_: JobId, micros: int, *, by: str = "") -> None:
        """Set a job's cap (0: none); a job that was stopped by it goes on."""
        job = self._job(id_)
        job.spec = msgspec.structs.replace(job.spec, cap_micros=micros)
        self._say("cap", job=id_, by=by, text=str(micros))
        if job.state == "capped":
            self.resume(id_, by=by)

    def set_priority(self, id_: JobId, priority: int, *, by: str = "") -> None:
        """Set a job's priority, 0 to 100."""
        job = self._job(id_)
        job.spec = msgspec.structs.replace(job.spec, priority=min(max(priority, 0), 100))
        self._say("priority", job=id_, by=by, text=str(priority))

    def status(self, id_: JobId) -> Status:
        """How a job stands."""
        job = self._job(id_)
        speed = sum(node.speed(id_) for node in self._workers(job))
        return Status(
            state=job.state,
            done=sum(done.size for done in job.done),
            total=sum(piece.samples for piece in job.spec.pieces),
            running=len(job.running),
            left_s=self._left_cost(job) * job.sample_s() / speed if speed > 0 else 0.0,
            spent_micros=job.spent,
            why=job.why or self._held_up(job),
        )

    def _held_up(self, job: Job) -> str:
        """Why nothing happens, where more memory than any node has would help."""
        if job.running or not job.deferred or job.over:
            return ""
        wanted = min(d.memory for d in job.deferred)
        most = max((node.memory for node in self._nodes.values()), default=0)
        return f"no node has more memory than {most / 1e9:.1f} GB, which is too little" if wanted >= most > 0 else ""

    def results(self, id_: JobId, piece: int) -> list[Result]:
        """What was delivered of a piece, in the order of its samples."""
        return sorted(self._job(id_).results[piece], key=lambda result: result.range)

    def over(self, id_: JobId) -> bool:
        """Whether a job is done, failed or cancelled."""
        return self._job(id_).over

    def complete(self, id_: JobId, piece: int) -> bool:
        """Whether all samples of a piece were delivered."""
        job = self._job(id_)
        return job.done[piece].size == job.spec.pieces[piece].samples

    # --- nodes -------------------------------------------------------------------------------------------------------
    def join(self, info: NodeInfo) -> None:
        """A node offers itself; one that was known under its id has started again and has lost what it had."""
        if info.id in self._nodes:
            self._lose(self._nodes[info.id])
        self._nodes[info.id] = Node(info)
        self._say("joined", node=info.id)

    def leave(self, id_: NodeId, *, by: str = "") -> None:
        """A node goes; what it had is handed to others."""
        node = self._nodes.get(id_)
        if node is not None:
            self._lose(node)
            del self._nodes[id_]
            self._say("left", node=id_, by=by)

    def drain_node(self, id_: NodeId, *, by: str = "") -> None:
        """A node finishes what it has and gets no more."""
        if id_ in self._nodes:
            self._nodes[id_].draining = True
            self._say("draining", node=id_, by=by)

    def ask(self, id_: NodeId) -> Lease | None:
        """Work for a node; None when there is none for it now."""
        node = self._nodes.get(id_)
        if node is None or node.draining:
            return None
        self.tick()
        for job in self._in_turn(node):
            lease = self._unit(job, node)
            if lease is not None:
                return lease
        return None

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
        self._renew(found, now)
        job = self._jobs[found.lease.job]
        if self._price is not None and job.spec.cap_micros and self._accrued(job, now) >= job.spec.cap_micros:
            self._halt(job, "capped", "the cap is reached", "")
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
            self._release(found)
            self._settle(job)
            return verdict
        beyond = (max(found.last, result.range[0]), last)
        now = self._clock()
        if last > found.last:  # it did not hear in time that it should stop, but nobody has begun with the rest
            job.close(lease.piece, beyond)
            found.last = last
        found.delivered = last
        found.report = msgspec.structs.replace(found.report, done=max(found.report.done, last - lease.range[0]))
        job.done[lease.piece].add(result.range)
        job.results[lease.piece].append(result)
        self._learn(job, lease, result)
        self._renew(found, now)
        self._say("delivered", lease=lease, range=result.range, text=result.key)
        self._drop_rivals(job, found)
        if last >= found.last:
            job.units_s = [*job.units_s[-63:], now - lease.begun]
            self._release(found)
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
        self._say("failed", lease=lease, text=f"{code}: {text}"[:400])
        if what == m.REFUSED:
            self._end(job, "failed", (text or f"exit code {code}")[:400], "")
            return
        rest = self._release(found, reopen=what == m.FREE)
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

    def attempt(self, number: int) -> Lease | None:
        """The lease of an attempt that is at work; None when it is not."""
        found = self._attempts.get(number)
        return found.lease if found is not None else None

    def knows(self, node: NodeId) -> bool:
        """Whether a node has joined."""
        return node in self._nodes

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
        done = next((b for a, b in job.done[lease.piece] if a <= lease.range[0] < b), lease.range[0])
        if done >= lease.range[1] or not job.open[lease.piece].covers((done, lease.range[1])):
            return "drop", 0
        self._hold(job, node, msgspec.structs.replace(lease, copy_of=0), delivered=done)
        self._say("adopted", lease=lease)
        return self.report(lease.attempt, report)

    def tick(self) -> None:
        """Take back units whose nodes have fallen silent. Cheap; engines call it every second or so."""
        now = self._clock()
        while self._expiries and self._expiries[0][0] <= now:
            _, attempt = heapq.heappop(self._expiries)
            found = self._attempts.get(attempt)
            if found is None:
                continue
            if found.lease.expires > now:
                heapq.heappush(self._expiries, (found.lease.expires, attempt))
                continue
            job = self._jobs[found.lease.job]
            self._say("expired", lease=found.lease)
            if found.lease.node in self._nodes:
                self._blame(self._nodes[found.lease.node], job)
            self._release(found)
            self._settle(job)

    # --- handing out -------------------------------------------------------------------------------------------------
    def _in_turn(self, node: Node) -> list[Job]:
        """Jobs that this node may work at, the next one first: by priority, which grows by waiting, and among equals
        by how much of their share the owners have at work."""
        now = self._clock()
        fitting = [job for job in self._jobs.values() if self._may(node, job)]
        if len(fitting) < 2:
            return fitting
        at_work: dict[str, int] = {}
        for job in self._jobs.values():
            at_work[job.spec.owner] = at_work.get(job.spec.owner, 0) + len(job.running)

        def turn(job: Job) -> tuple[float, float, float]:
            waited = max(now - job.spec.submitted_at, 0.0) / self.policy.aging_s
            share = at_work[job.spec.owner] / max(job.spec.weight, 1e-6)
            return -(job.spec.priority + math.floor(min(waited, 50.0))), share, job.spec.submitted_at

        return sorted(fitting, key=turn)

    def _may(self, node: Node, job: Job) -> bool:
        info, needs = node.info, job.spec.needs
        return (
            job.state in ("waiting", "running")
            and job.spec.id not in node.blocked
            and info.trust <= needs.trust
            and job.backend in ("", info.backend)
            and job.device in ("", info.device)
            and job.build in ("", info.build)
            and info.memory_bytes >= needs.memory_bytes
            and info.device_memory_bytes >= needs.device_memory_bytes
        )

    def _unit(self, job: Job, node: Node) -> Lease | None:
        """A unit of a job for a node, leased to it."""
        now = self._clock()
        fit = [n.info.id for n in self._nodes.values() if self._may(n, job)] if job.deferred else []
        past = dealing.deferred_unit(job, node, fit, now)
        if past is not None:
            return self._leased(job, node, (past.piece, past.range), past=past)
        workers = self._workers(job, node)
        cut = dealing.fresh_cut(job, node, workers, self._left_cost(job), self.policy)
        if cut is not None:
            return self._leased(job, node, cut)
        running = [self._attempts[number] for number in job.running]
        theft = dealing.stolen_rest(job, node, running, self._nodes, now, self.policy)
        if theft is not None and self._affordable(job, node, theft[0].lease.piece, theft[0].last - theft[1]):
            found, at = theft
            rest = (at, found.last)
            found.last = at
            job.reopen(found.lease.piece, rest)
            self._say("cut", lease=found.lease, range=rest)
            return self._leased(job, node, (found.lease.piece, rest))
        late = dealing.late_unit(job, node, running, self._nodes, now, self.policy)
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
        if not self._affordable(job, node, piece, samples[1] - samples[0]):
            return None
        now = self._clock()
        lease = Lease(
            job=job.spec.id,
            piece=piece,
            range=samples,
            attempt=self._next,
            node=node.info.id,
            begun=now,
            expires=now + self.policy.lease_s,
            copy_of=copied.lease.attempt if copied is not None else 0,
        )
        self._next += 1
        if copied is not None:
            copied.copy = lease.attempt
        if past is not None:
            job.deferred.remove(past)
        # results of another class of device would not add up to the same bits
        job.device, job.backend, job.build = node.info.device, node.info.backend, node.info.build
        self._hold(job, node, lease, delivered=samples[0]).past = past
        self._say("leased", lease=lease)
        return lease

    def _hold(self, job: Job, node: Node, lease: Lease, *, delivered: int) -> Attempt:
        now = self._clock()
        attempt = Attempt(lease, lease.range[1], delivered, heard=now, moved=now)
        if not lease.copy_of:
            job.close(lease.piece, (delivered, lease.range[1]))
        self._attempts[lease.attempt] = attempt
        node.attempts.add(lease.attempt)
        job.running.add(lease.attempt)
        job.state = "running" if job.state == "waiting" else job.state
        heapq.heappush(self._expiries, (lease.expires, lease.attempt))
        return attempt

    def _workers(self, job: Job, *more: Node) -> list[Node]:
        """The nodes that work at a job, and more."""
        ids = {self._attempts[number].lease.node for number in job.running} | {node.info.id for node in more}
        return [self._nodes[id_] for id_ in ids if id_ in self._nodes]

    def _left_cost(self, job: Job) -> float:
        """Samples times cost that are not rendered yet, at work or not."""
        running = sum(
            self._attempts[n].left * job.spec.pieces[self._attempts[n].lease.piece].cost
            for n in job.running
            if not self._attempts[n].lease.copy_of
        )
        waiting = sum((d.range[1] - d.range[0]) * job.spec.pieces[d.piece].cost for d in job.deferred)
        return max(job.open_cost, 0.0) + running + waiting

    # --- money -------------------------------------------------------------------------------------------------------
    def _affordable(self, job: Job, node: Node, piece: int, samples: int) -> bool:
        """Whether a unit fits under the job's cap beside what is at work; a job with nothing at work stops there."""
        cap = job.spec.cap_micros
        if not cap or self._price is None:
            return True
        seconds = samples * job.spec.pieces[piece].cost * job.sample_s() / node.speed(job.spec.id)
        unit = self._price(node.info, seconds * self.policy.margin)
        at_work = sum(self._likely(job, self._attempts[n]) for n in job.running)
        if job.spent < cap * self.policy.drain_at and job.spent + at_work + unit <= cap:
            return True
        if not job.running:
            self._halt(job, "capped", "what is left would go beyond the cap", "")
        return False

    def _likely(self, job: Job, attempt: Attempt) -> int:
        """What an attempt may still be billed for, beyond what it has delivered."""
        node = self._nodes.get(attempt.lease.node)
        if node is None or self._price is None:
            return 0
        cost = (attempt.last - attempt.delivered) * job.spec.pieces[attempt.lease.piece].cost
        return self._price(node.info, cost * job.sample_s() / node.speed(job.spec.id) * self.policy.margin)

    def _accrued(self, job: Job, now: float) -> int:
        """What the job would be billed if all that runs were delivered as it stands."""
        assert self._price is not None
        total = job.spent
        for number in job.running:
            attempt = self._attempts[number]
            node = self._nodes.get(attempt.lease.node)
            if node is not None:
                cost = (attempt.done - attempt.delivered) * job.spec.pieces[attempt.lease.piece].cost
                total += self._price(node.info, cost * job.sample_s() / node.speed(job.spec.id))
        return total

    # --- what follows ------------------------------------------------------------------------------------------------
    def _learn(self, job: Job, lease: Lease, result: Result) -> None:
        """How fast the node is at the job, and how long its samples take; and what the result costs."""
        node = self._nodes.get(lease.node)
        seconds = result.usage.render_s
        if node is None:
            return
        if self._price is not None:
            job.spent += self._price(node.info, seconds)
        cost = (result.range[1] - result.range[0]) * job.spec.pieces[lease.piece].cost
        if seconds > 0:
            before = node.pace.get(job.spec.id, 1.0)
            job.work_s += seconds * node.info.score * before
            job.work_cost += cost
            shown = job.sample_s() * cost / (seconds * node.info.score)
            node.pace[job.spec.id] = min(max(0.5 * (before + shown), 1e-3), 1e3)

    def _renew(self, attempt: Attempt, now: float) -> None:
        attempt.heard = now
        attempt.lease = msgspec.structs.replace(attempt.lease, expires=now + self.policy.lease_s)

    def _drop_rivals(self, job: Job, winner: Attempt) -> None:
        """A copy of what was delivered, or what it is a copy of, need not go on."""
        other = self._attempts.get(winner.copy or winner.lease.copy_of)
        if other is not None:
            winner.copy = other.copy = 0
            winner.lease = msgspec.structs.replace(winner.lease, copy_of=0)
            if other.last > winner.last:
                job.reopen(other.lease.piece, (winner.last, other.last))
            self._release(other, reopen=False)

    def _release(self, attempt: Attempt, *, reopen: bool = True) -> Range | None:
        """The attempt is over. What it has not delivered nobody has now, unless its copy goes on with it; that rest is
        given back, None where there is none."""
        lease = attempt.lease
        job = self._jobs[lease.job]
        self._attempts.pop(lease.attempt, None)
        job.running.discard(lease.attempt)
        if lease.node in self._nodes:
            self._nodes[lease.node].attempts.discard(lease.attempt)
        other = self._attempts.get(attempt.copy or lease.copy_of)
        if other is not None:
            other.copy = 0
            other.lease = msgspec.structs.replace(other.lease, copy_of=0)
            return None
        rest = (attempt.delivered, attempt.last)
        if rest[0] >= rest[1] or lease.copy_of:
            return None
        if reopen:
            job.reopen(lease.piece, rest)
        return rest

    def _lose(self, node: Node) -> None:
        for number in list(node.attempts):
            found = self._attempts[number]
            self._say("lost", lease=found.lease)
            self._release(found)
            self._settle(self._jobs[found.lease.job])

    def _blame(self, node: Node, job: Job) -> None:
        faults = node.faults[job.spec.id] = node.faults.get(job.spec.id, 0) + 1
        if faults >= self.policy.blocks_after:
            node.blocked.add(job.spec.id)
            self._say("blocked", job=job.spec.id, node=node.info.id)

    def _halt(self, job: Job, state: JobState, why: str, by: str) -> None:
        """Stop a job at once with what it has: what runs ends where it is."""
        job.state, job.why = state, why
        for number in job.running:
            attempt = self._attempts[number]
            if attempt.done < attempt.last:
                if not attempt.lease.copy_of:
                    job.reopen(attempt.lease.piece, (attempt.done, attempt.last))
                attempt.last = attempt.done
        self._say(state, job=job.spec.id, by=by, text=why)
        for number in list(job.running):
            if self._attempts[number].delivered >= self._attempts[number].last:
                self._release(self._attempts[number])

    def _end(self, job: Job, state: JobState, why: str, by: str) -> None:
        for number in list(job.running):
            self._release(self._attempts[number])
        job.state, job.why = state, why
        self._say(state, job=job.spec.id, by=by, text=why)

    def _settle(self, job: Job) -> None:
        """The state that follows from what is done and at work."""
        if job.over:
            return
        if all(done.size == piece.samples for done, piece in zip(job.done, job.spec.pieces, strict=True)):
            self._end(job, "done", "", "")
        elif not job.running and job.state == "running":
            job.state = "waiting"
        elif not job.running and job.state == "draining":
            job.state = "paused"
            self._say("paused", job=job.spec.id)

    def _job(self, id_: JobId) -> Job:
        job = self._jobs.get(id_)
        if job is None:
            raise UsageError(f'there is no job "{id_}" on this farm')
        return job

    def _say(
        self,
        kind: str,
        *,
        job: JobId = "",
        node: NodeId = "",
        lease: Lease | None = None,
        piece: int = -1,
        range: Range | None = None,
        text: str = "",
        by: str = "",
    ) -> None:
        self._events += 1
        if lease is not None:
            job, node, piece, range = lease.job, lease.node, lease.piece, range or lease.range
        self._listener(
            Event(
                number=self._events,
                at=self._clock(),
                kind=kind,
                job=job,
                node=node,
                piece=piece,
                range=range,
                attempt=lease.attempt if lease is not None else 0,
                text=text,
                by=by,
            )
        )
