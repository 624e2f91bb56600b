"""Which unit a node gets: a fresh cut, the rest of a slower node's, or a copy of what takes too long.

The length of a cut is that of guided self-scheduling (C. Polychronopoulos and D. Kuck, 1987): half of the time that is
left for all nodes together, within limits. Rests are taken where they would end last, and cut so that holder and thief
end together (work stealing with known speeds).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence

from studio.farm.model import NodeId, Range
from studio.farm.policy import Attempt, Deferred, Job, Node, Policy

Unit = tuple[int, Range]  # piece, samples


def left_cost(job: Job, attempts: Mapping[int, Attempt]) -> float:
    """Samples times cost of a job that are not rendered yet, at work or not."""
    pieces = job.spec.pieces
    at_work = (attempts[number] for number in job.running)
    running = sum(a.left * pieces[a.lease.piece].cost for a in at_work if not a.lease.copy_of)
    waiting = sum((d.range[1] - d.range[0]) * pieces[d.piece].cost for d in job.deferred)
    return max(job.open_cost, 0.0) + running + waiting


def deferred_unit(job: Job, node: Node, fit: Collection[NodeId], now: float) -> Deferred | None:
    """A unit that failed elsewhere and that this node may try. Where it has failed on all that are `fit` for the job,
    any of them may try again."""
    for deferred in job.deferred:
        shunned = node.info.id in deferred.shunned and not deferred.shunned.issuperset(fit)
        if not shunned and deferred.after <= now and node.memory > deferred.memory:
            return deferred
    return None


def fresh_cut(job: Job, node: Node, workers: Sequence[Node], left_cost: float, policy: Policy) -> Unit | None:
    """The next samples that nobody has, as many as suit the node; None when there are none."""
    while job.cursor < len(job.open) and not job.open[job.cursor]:
        job.cursor += 1
    if job.cursor == len(job.open):
        return None
    piece = job.cursor
    open_, spec = job.open[piece], job.spec.pieces[piece]
    sample_s = job.sample_s() * spec.cost / node.speed(job.spec.id)
    if sample_s <= 0:
        count = policy.first_samples
    else:
        speed = sum(worker.speed(job.spec.id) for worker in workers)
        length = min(max(left_cost * job.sample_s() / speed / 2, policy.tail_s), policy.longest_s)
        untouched = not job.done[piece] and (job.spec.live or open_.size == spec.count)
        if untouched and spec.count * sample_s > policy.longest_s:
            length = min(length, policy.first_s)
        count = max(1, round(length / sample_s))
    found = open_.head(count)
    assert found is not None
    end = next(last for first, last in open_ if first == found[0])
    if end - found[1] < count / 3:  # what would be left is not worth a unit
        found = (found[0], end)
    return piece, found


def left_s(job: Job, attempt: Attempt, holder: Node | None, now: float, policy: Policy) -> float:
    """Seconds until an attempt ends by itself; endless for one that has fallen silent."""
    if holder is None or now - attempt.heard > 2 * policy.report_s:
        return math.inf
    return attempt.left / rate_of(job, attempt, holder) if attempt.left else 0.0


def rate_of(job: Job, attempt: Attempt, holder: Node) -> float:
    """Samples a second of an attempt: as it has shown, else as its node's speed promises; less when it stands still."""
    rate = attempt.rate or _promised(job, attempt.lease.piece, holder)
    still = attempt.heard - attempt.moved  # between two reports nobody knows
    return 1.0 / still if still * rate > 2.0 else rate


def _promised(job: Job, piece: int, node: Node) -> float:
    sample_s = job.sample_s() * job.spec.pieces[piece].cost
    return node.speed(job.spec.id) / sample_s if sample_s > 0 else 1.0


def stolen_rest(
    job: Job, node: Node, running: Sequence[Attempt], nodes: Mapping[str, Node], now: float, policy: Policy
) -> tuple[Attempt, int] | None:
    """The attempt that would end last and the sample at which to cut it; None when nothing is worth it.

    The holder hears of it with its next report, so what it may have rendered until then stays with it.
    """
    candidates = [a for a in running if a.left > 1 and not a.lease.copy_of and a.lease.node != node.info.id]
    if not candidates:
        return None
    worst = max(candidates, key=lambda a: left_s(job, a, nodes.get(a.lease.node), now, policy))
    holder = nodes.get(worst.lease.node)
    ends = left_s(job, worst, holder, now, policy)
    if ends < policy.steal_s or holder is None:
        return None
    mine = _promised(job, worst.lease.piece, node)
    theirs = rate_of(job, worst, holder)
    unheard = now - worst.heard
    kept = math.ceil(theirs * (unheard + 1.25 * policy.report_s)) if math.isfinite(ends) else 0
    free = worst.left - kept
    if free <= 0:
        return None
    share = free if math.isinf(ends) else math.floor(mine * (free + kept) / (mine + theirs))
    share = min(share, free)
    if share < 1 or share / mine < policy.steal_s / 4:
        return None
    return worst, worst.last - share


def late_unit(
    job: Job, node: Node, running: Sequence[Attempt], nodes: Mapping[str, Node], now: float, policy: Policy
) -> Attempt | None:
    """An attempt that takes so long that this node would end its rest sooner from where it was last delivered."""
    if not job.units_s:
        usual = policy.tail_s
    else:
        usual = statistics.median(job.units_s)
    best: Attempt | None = None
    longest = 0.0
    for attempt in running:
        if attempt.copy or attempt.lease.copy_of or attempt.lease.node == node.info.id:
            continue
        if attempt.delivered >= attempt.last:  # it was cut where it stands, and has not heard yet that it is done
            continue
        ends = left_s(job, attempt, nodes.get(attempt.lease.node), now, policy)
        again = (attempt.last - attempt.delivered) / _promised(job, attempt.lease.piece, node)
        overdue = now - attempt.lease.begun > policy.copy_ratio * usual
        if overdue and ends > policy.copy_ratio * again and ends > longest:
            best, longest = attempt, ends
    return best
