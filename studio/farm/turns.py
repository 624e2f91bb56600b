"""Whose turn it is: which jobs a node may work at, and which of them is next.

Jobs come by priority, which grows by waiting, and among equals by how much of their share their owners have at work.
Live jobs, before which somebody waits, come first while they have fewer nodes than their part of the farm; a node that
works at something else may be asked over to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from studio.farm.model import JobId, NodeId
from studio.farm.policy import Attempt, Job, Node, Policy


class Turns:
    """Chooses for a coordinator, whose jobs, the `live` ones of them, nodes and attempts it looks at."""

    def __init__(
        self,
        clock: Callable[[], float],
        policy: Policy,
        jobs: Mapping[JobId, Job],
        live: Mapping[JobId, Job],
        nodes: Mapping[NodeId, Node],
        attempts: Mapping[int, Attempt],
    ) -> None:
        self._clock, self._policy, self._live_policy = clock, policy, policy.live()
        self._jobs, self._live, self._nodes, self._attempts = jobs, live, nodes, attempts

    def in_turn(self, node: Node) -> list[Job]:
        """Jobs that this node may work at, the next one first: by priority, which grows by waiting, and among equals
        by how much of their share the owners have at work."""
        now = self._clock()
        fitting = [job for job in self._jobs.values() if self.may(node, job)]
        if len(fitting) < 2:
            return fitting
        at_work: dict[str, int] = {}
        for job in self._jobs.values():
            at_work[job.spec.owner] = at_work.get(job.spec.owner, 0) + len(job.running)

        may_live = bool(self._live) and self.room_for_live() > 0

        def turn(job: Job) -> tuple[int, float, float, float]:
            waited = max(now - job.spec.submitted_at, 0.0) / self._policy.aging_s
            share = at_work[job.spec.owner] / max(job.spec.weight, 1e-6)
            if job.spec.live:  # whoever waits before a picture is first, and last where such have their share
                return -1 if may_live else 1, len(job.running), share, job.spec.submitted_at
            return 0, -(job.spec.priority + math.floor(min(waited, 50.0))), share, job.spec.submitted_at

        return sorted(fitting, key=turn)

    def room_for_live(self) -> int:
        """How many more nodes may work at live jobs while others wait, those counted that were asked over."""
        most = max(len(self._nodes) - self._policy.live_leaves, 1)
        coming = {a.lease.node for a in self._attempts.values() if a.called or self._jobs[a.lease.job].spec.live}
        return max(most - len(coming), 0)

    def calls(self, attempt: Attempt, job: Job) -> bool:
        """Whether the node of an attempt should come over to a live job that has samples which nobody has."""
        node = self._nodes.get(attempt.lease.node)
        if job.spec.live or not job.spec.yields or attempt.called or node is None:
            return False
        waiting = (live for live in self._live.values() if live.open_cost > 0.0 or live.deferred)
        return any(self.may(node, live) for live in waiting) and self.room_for_live() > 0

    def policy_of(self, job: Job) -> Policy:
        """How units of a job are cut."""
        return self._live_policy if job.spec.live else self._policy

    def reports(self, job: Job) -> float:
        """How often a node is to report: more often than it is used to where a live job or a small farm wants it."""
        least = len(self._nodes) / self._policy.reports_per_s
        often = max(self._live_policy.report_s if job.spec.live else self._policy.brisk_report_s, least)
        return often if often < self._policy.report_s else 0.0

    def may(self, node: Node, job: Job) -> bool:
        """Whether a node may work at a job."""
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
