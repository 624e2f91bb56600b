"""What is in whose hands: the attempts at work of a coordinator, from the lease of a unit to its release."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping

import msgspec

from studio.farm import dealing
from studio.farm.model import JobId, Lease, NodeId, Range
from studio.farm.policy import Attempt, Job, Node
from studio.farm.turns import Turns


class Hands:
    """Holds a coordinator's attempts, whose jobs and nodes it marks. Attempts are numbered from `next` on."""

    def __init__(
        self,
        clock: Callable[[], float],
        turns: Turns,
        jobs: Mapping[JobId, Job],
        nodes: Mapping[NodeId, Node],
        attempts: dict[int, Attempt],
        *,
        next: int,
    ) -> None:
        self._clock, self._turns = clock, turns
        self._jobs, self._nodes, self._attempts = jobs, nodes, attempts
        self.next = next
        self._expiries: list[tuple[float, int]] = []

    def lease(self, job: Job, node: Node, unit: dealing.Unit, *, copy_of: int) -> Lease:
        """The lease of a unit, which nobody holds yet."""
        now = self._clock()
        lease = Lease(
            job=job.spec.id,
            piece=unit[0],
            range=unit[1],
            attempt=self.next,
            node=node.info.id,
            begun=now,
            expires=now + self._turns.policy_of(job).lease_s,
            report_s=self._turns.reports(job),
            copy_of=copy_of,
            blocks=job.blocks(unit[0]),
        )
        self.next += 1
        return lease

    def hold(self, job: Job, node: Node, lease: Lease, *, delivered: int) -> Attempt:
        """A node works at a unit, of which samples up to `delivered` are done."""
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

    def renew(self, attempt: Attempt, now: float) -> None:
        """Its node was heard."""
        attempt.heard = now
        policy = self._turns.policy_of(self._jobs[attempt.lease.job])
        attempt.lease = msgspec.structs.replace(attempt.lease, expires=now + policy.lease_s)

    def drop_rivals(self, job: Job, winner: Attempt) -> None:
        """A copy of what was delivered, or what it is a copy of, need not go on."""
        other = self._attempts.get(winner.copy or winner.lease.copy_of)
        if other is not None:
            winner.copy = other.copy = 0
            winner.lease = msgspec.structs.replace(winner.lease, copy_of=0)
            if other.last > winner.last:
                job.reopen(other.lease.piece, (winner.last, other.last))
            self.release(other, reopen=False)

    def release(self, attempt: Attempt, *, reopen: bool = True) -> Range | None:
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

    def expired(self) -> Iterator[Attempt]:
        """The attempts whose lease has run out, one after the other; each is to be released before the next."""
        now = self._clock()
        while self._expiries and self._expiries[0][0] <= now:
            _, number = heapq.heappop(self._expiries)
            found = self._attempts.get(number)
            if found is None:
                continue
            if found.lease.expires > now:
                heapq.heappush(self._expiries, (found.lease.expires, number))
                continue
            yield found
