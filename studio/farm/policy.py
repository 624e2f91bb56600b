"""The farm's numbers, in one place, and what is known of jobs, nodes and attempts while they run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from studio.farm.model import JobId, JobSpec, JobState, Lease, NodeId, NodeInfo, Range, Report, Result, Round
from studio.farm.ranges import Ranges

LEAST_SHARE = 1e-3  # of a frame's cost that a sample of a few of its pixels has


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How units are cut and when patience ends. Times are seconds."""

    longest_s: float = 300.0  # of a unit
    tail_s: float = 15.0  # the shortest, towards the end
    first_s: float = 10.0  # of the first units of a long piece, so that the whole noisy picture is there soon
    first_samples: int = 4  # of a first unit, when nobody knows how long a sample takes
    lease_s: float = 90.0  # without a report
    report_s: float = 20.0  # between two reports
    steal_s: float = 12.0  # of what is left of a unit, for it to be worth cutting
    copy_ratio: float = 1.5  # of the usual time of a unit, after which its rest is rendered twice
    blocks_after: int = 3  # faults of a node at one job
    delay_s: float = 60.0  # after a fault that asks to wait
    aging_s: float = 600.0  # of waiting that is worth a point of priority
    drain_at: float = 0.9  # of the cap: no more units are handed out
    margin: float = 1.3  # from the likely cost of a unit to what it may well cost
    brisk_report_s: float = 2.0  # between two reports on a small farm, so that orders are heard soon
    reports_per_s: float = 50.0  # that a coordinator wants to hear at most, which says what a small farm is
    live_first_s: float = 0.4  # of the first units of a live job
    live_unit_s: float = 1.0  # of a live job's units, which grow to
    live_longest_s: float = 3.0  # this one while nothing new is wanted
    live_report_s: float = 0.5  # between two reports of a unit of a live job
    live_lease_s: float = 15.0
    live_leaves: int = 1  # nodes that live jobs leave to others that wait

    def live(self) -> Policy:
        """How units of live jobs are cut."""
        return replace(
            self,
            longest_s=self.live_longest_s,
            tail_s=self.live_unit_s,
            first_s=self.live_first_s,
            first_samples=1,
            lease_s=min(self.lease_s, self.live_lease_s),
            report_s=min(self.report_s, self.live_report_s),
            steal_s=min(self.steal_s, self.live_unit_s),
        )


@dataclass(slots=True)
class Deferred:
    """A unit that failed: who may not have it, and from when on it may be had."""

    piece: int
    range: Range
    failures: int = 0
    shunned: frozenset[NodeId] = frozenset()
    memory: int = 0  # it takes a node with more than this
    after: float = 0.0


@dataclass(slots=True)
class Attempt:
    """A unit at work."""

    lease: Lease
    last: int  # where it is to end; less than the lease says once it is cut
    delivered: int  # samples up to here are done
    heard: float  # when it reported last
    moved: float  # when its samples grew last
    report: Report = field(default_factory=Report)
    rate: float = 0.0  # samples a second; 0 while nobody knows
    past: Deferred | None = None  # what it failed at before
    copy: int = 0  # the attempt that does the same
    called: bool = False  # its node was asked over to a live job

    @property
    def done(self) -> int:
        """The sample up to which it has rendered, as far as it has said."""
        return max(self.delivered, self.lease.range[0] + self.report.done)

    @property
    def left(self) -> int:
        """Samples that it still has to render."""
        return max(self.last - self.done, 0)


@dataclass(slots=True)
class Node:
    """A machine that works for the farm."""

    info: NodeInfo
    attempts: set[int] = field(default_factory=set)
    draining: bool = False
    pace: dict[JobId, float] = field(default_factory=dict)  # speed at a job, against what its score promises
    faults: dict[JobId, int] = field(default_factory=dict)
    blocked: set[JobId] = field(default_factory=set)

    @property
    def memory(self) -> int:
        """Bytes that a render can have on it."""
        return self.info.device_memory_bytes or self.info.memory_bytes

    def speed(self, job: JobId) -> float:
        """Work of a job that it does in a second, in seconds of a node of score 1."""
        return max(self.info.score, 1e-9) * self.pace.get(job, 1.0)


@dataclass(frozen=True, slots=True)
class Learned:
    """What a result taught of its job: seconds of a node of score 1, for so many samples times their cost, and what it
    cost."""

    work_s: float
    work_cost: float
    spent: int


@dataclass(slots=True)
class Job:
    """A job and all that is known of it."""

    spec: JobSpec
    open: list[Ranges]  # samples that nobody has, by piece
    done: list[Ranges]
    results: list[list[Result]]
    state: JobState = "waiting"
    why: str = ""
    device: str = ""  # what its results come from, from the first unit on
    backend: str = ""
    build: str = ""
    running: set[int] = field(default_factory=set)
    deferred: list[Deferred] = field(default_factory=list)
    cursor: int = 0  # no piece before this one has open samples
    open_cost: float = 0.0  # samples that nobody has, times their cost
    work_s: float = 0.0  # seconds of a node of score 1 that were measured, for
    work_cost: float = 0.0  # so many samples times their cost
    spent: int = 0  # millionths
    units_s: list[float] = field(default_factory=list)  # how long the last units took
    learned: dict[str, Learned] = field(default_factory=dict)  # by the key of the result
    rounds: dict[int, Round] = field(default_factory=dict)  # of pieces that are sampled adaptively
    most: tuple[int, ...] = ()  # samples of each piece, however many rounds it goes through

    def ask_for(self, piece: int, round: Round, cost: float) -> None:
        """Ask for the samples of a round of a piece, each of which costs so much on all its pixels; none of it may be
        open."""
        self.rounds[piece] = round
        pieces = list(self.spec.pieces)
        pieces[piece] = msgspec.structs.replace(
            pieces[piece], samples=round.samples, cost=cost * max(round.share, LEAST_SHARE)
        )
        self.spec = msgspec.structs.replace(self.spec, pieces=tuple(pieces))

    def total(self) -> int:
        """How many samples it has, at the most."""
        open_ended = {piece for piece, round in self.rounds.items() if round.more}
        return sum(
            self.most[row] - piece.first if row in open_ended else piece.count
            for row, piece in enumerate(self.spec.pieces)
        )

    def blocks(self, piece: int) -> str:
        """The blocks of pixels that the last round of a piece is of; "": all."""
        return self.rounds[piece].blocks if piece in self.rounds else ""

    def whole(self, piece: int) -> bool:
        """Whether all samples of a piece that are asked for by now were delivered."""
        return self.done[piece].size == self.spec.pieces[piece].count

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in ("done", "failed", "cancelled")

    def sample_s(self) -> float:
        """Seconds of a sample of cost 1 on a node of score 1; 0 while nobody knows."""
        return self.work_s / self.work_cost if self.work_cost > 0 else self.spec.expected_s

    def learn(self, key: str, what: Learned) -> None:
        """Count what a result taught."""
        self.learned[key] = what
        self.work_s += what.work_s
        self.work_cost += what.work_cost
        self.spent += what.spent

    def unlearn(self, key: str, otherwise: Learned) -> None:
        """Forget it; `otherwise` stands for what was never counted here."""
        what = self.learned.pop(key, otherwise)
        self.work_s = max(self.work_s - what.work_s, 0.0)
        self.work_cost = self.work_cost - what.work_cost if self.learned else 0.0
        self.spent = max(self.spent - what.spent, 0)

    def reopen(self, piece: int, samples: Range) -> None:
        """Samples that nobody has any more."""
        before = self.open[piece].size
        self.open[piece].add(samples)
        self.open_cost += (self.open[piece].size - before) * self.spec.pieces[piece].cost
        self.cursor = min(self.cursor, piece)

    def close(self, piece: int, samples: Range) -> None:
        """Samples that somebody has now."""
        before = self.open[piece].size
        self.open[piece].discard(samples)
        self.open_cost -= (before - self.open[piece].size) * self.spec.pieces[piece].cost
