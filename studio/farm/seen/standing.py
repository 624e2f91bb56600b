"""How jobs and nodes stand, for whoever watches a coordinator."""

from __future__ import annotations

from collections.abc import Mapping

from studio.farm import dealing
from studio.farm.model import JobId, JobState, NodeId, NodeRow, Record
from studio.farm.policy import Attempt, Job, Node


class Status(Record, frozen=True):
    """How a job stands."""

    state: JobState
    done: int  # samples of
    total: int
    running: int  # units
    left_s: float  # by what is known now; 0 when nothing is
    spent_micros: int
    why: str = ""


def status_of(job: Job, nodes: Mapping[NodeId, Node], attempts: Mapping[int, Attempt]) -> Status:
    """How a job stands."""
    workers = {attempts[number].lease.node for number in job.running}
    speed = sum(nodes[id_].speed(job.spec.id) for id_ in workers if id_ in nodes)
    return Status(
        state=job.state,
        done=sum(done.size for done in job.done),
        total=job.total(),
        running=len(job.running),
        left_s=dealing.left_cost(job, attempts) * job.sample_s() / speed if speed > 0 else 0.0,
        spent_micros=job.spent,
        why=job.why or _held_up(job, nodes),
    )


def _held_up(job: Job, nodes: Mapping[NodeId, Node]) -> str:
    """Why nothing happens, where another kind of node than there is would help, or more memory than any has."""
    if job.running or job.over:
        return ""
    if nodes and any(job.results) and not any(_is_of_kind(node, job) for node in nodes.values()):
        made = f"{job.backend} {job.device}, build {job.build}"
        return f"what is done comes from another kind of node than there is ({made}); only such can go on with it"
    if not job.deferred:
        return ""
    wanted = min(d.memory for d in job.deferred)
    most = max((node.memory for node in nodes.values()), default=0)
    return f"no node has more memory than {most / 1e9:.1f} GB, which is too little" if wanted >= most > 0 else ""


def _is_of_kind(node: Node, job: Job) -> bool:
    pairs = ((job.backend, node.info.backend), (job.device, node.info.device), (job.build, node.info.build))
    return all(wanted in ("", has) for wanted, has in pairs)


def row_of(node: Node, jobs: Mapping[JobId, Job], attempts: Mapping[int, Attempt]) -> NodeRow:
    """How a node stands."""
    info = node.info
    attempt = next((attempts[number] for number in sorted(node.attempts)), None)
    unit, done, pace = "", 0.0, next(reversed(node.pace.values()), 1.0)
    if attempt is not None:
        lease = attempt.lease
        first, last = lease.range
        unit = f"{lease.job} {jobs[lease.job].spec.pieces[lease.piece].name} {first}-{last}"
        done, pace = (attempt.done - first) / (last - first), node.pace.get(lease.job, 1.0)
    return NodeRow(
        id=info.id,
        name=info.name,
        backend=info.backend,
        device=info.device,
        cores=info.cores,
        score=info.score,
        speed=info.score * pace,
        unit=unit,
        done=done,
        samples_s=sum(attempts[number].rate for number in node.attempts),
        state="draining" if node.draining else "working" if attempt is not None else "idle",
        trust=info.trust,
    )
