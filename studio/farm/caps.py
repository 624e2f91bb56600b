"""What work costs while it runs, so that no job is billed beyond its cap.

A unit is handed out only where its likely price, with a margin, fits under the cap beside all that is at work. What is
delivered counts by what it took. Without a price nothing costs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from studio.farm.model import NodeId, NodeInfo, Result
from studio.farm.policy import Attempt, Job, Learned, Node, Policy

Price = Callable[[NodeInfo, float], int]  # of so many seconds of a node, in millionths


class Caps:
    """Reckons for a coordinator, whose nodes and attempts it looks at."""

    def __init__(
        self, price: Price | None, policy: Policy, nodes: Mapping[NodeId, Node], attempts: Mapping[int, Attempt]
    ) -> None:
        self._price, self._policy, self._nodes, self._attempts = price, policy, nodes, attempts

    def affords(self, job: Job, node: Node, piece: int, samples: int) -> bool:
        """Whether a unit fits under the job's cap beside what is at work."""
        cap = job.spec.cap_micros
        if not cap or self._price is None:
            return True
        unit = self._price(node.info, self._seconds(job, node, piece, samples) * self._policy.margin)
        at_work = sum(self._likely(job, self._attempts[number]) for number in job.running)
        return job.spent < cap * self._policy.drain_at and job.spent + at_work + unit <= cap

    def reached(self, job: Job) -> bool:
        """Whether the job would be billed its cap if all that runs were delivered as it stands."""
        cap = job.spec.cap_micros
        if not cap or self._price is None:
            return False
        total = job.spent
        for number in job.running:
            attempt = self._attempts[number]
            node = self._nodes.get(attempt.lease.node)
            if node is not None and attempt.lease.copy_of >= 0:
                done = attempt.done - attempt.delivered
                total += self._price(node.info, self._seconds(job, node, attempt.lease.piece, done))
        return total >= cap

    def count(self, job: Job, node: Node, piece: int, result: Result) -> None:
        """How fast a node is at a job, how long its samples take, and what a result costs."""
        seconds, spent = result.usage.render_s, 0
        if self._price is not None:
            spent = self._price(node.info, seconds)
        work_s = work_cost = 0.0
        if seconds > 0:
            cost = (result.range[1] - result.range[0]) * job.spec.pieces[piece].cost
            before = node.pace.get(job.spec.id, 1.0)
            work_s, work_cost = seconds * node.info.score * before, cost
            job.learn(result.key, Learned(work_s, work_cost, spent))
            shown = job.sample_s() * cost / (seconds * node.info.score)
            node.pace[job.spec.id] = min(max(0.5 * (before + shown), 1e-3), 1e3)
        else:
            job.learn(result.key, Learned(0.0, 0.0, spent))

    def uncount(self, job: Job, result: Result) -> None:
        """Forget what a result taught, and what it cost; of one from before this coordinator, what it says it took."""
        node = self._nodes.get(result.node)
        spent = self._price(node.info, result.usage.render_s) if self._price is not None and node is not None else 0
        job.unlearn(result.key, Learned(0.0, 0.0, spent))

    def _likely(self, job: Job, attempt: Attempt) -> int:
        """What an attempt may still be billed for, beyond what it has delivered."""
        node = self._nodes.get(attempt.lease.node)
        if node is None or self._price is None or attempt.lease.copy_of < 0:  # the farm pays for probes
            return 0
        left = self._seconds(job, node, attempt.lease.piece, attempt.last - attempt.delivered)
        return self._price(node.info, left * self._policy.margin)

    def _seconds(self, job: Job, node: Node, piece: int, samples: int) -> float:
        return samples * job.spec.pieces[piece].cost * job.sample_s() / node.speed(job.spec.id)
