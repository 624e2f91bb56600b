"""What the log of a job comes to: who works at what, how fast it goes, what each node did and what went wrong.

A log is read a block at a time, as its coordinator writes it, and every block once. What it says is for looking at.
What is done stands in claims, and what is paid in the ledger.

Events themselves are not kept: a farm that is watched for weeks has many. Whoever wants to see them has the blocks read
again from the store, once, and from then on hears those that are new.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from studio.farm.jobs import RenderJob, job_key
from studio.farm.model import Event, NodeId
from studio.farm.ranges import Ranges
from studio.farm.session import events_of
from studio.farm.store import Store

WINDOW_S = 600.0  # of deliveries that say how fast it goes
_BLOCK = re.compile(r"(\d{1,9})-(\d{1,9})\.json")
_ENDS = ("failed", "expired", "lost")  # of an attempt
_STOPS = ("paused", "done", "cancelled", "capped", "submitted")  # of a job: nobody works at it then, or nobody yet


@dataclass(slots=True)
class NodeWork:
    """What a node did at a job. `busy_s` is the time of the clock that led to something."""

    id: NodeId
    units: int = 0
    samples: int = 0
    faults: int = 0
    busy_s: float = 0.0
    heard: float = 0.0
    last_fault: str = ""


@dataclass(slots=True)
class AtWork:
    """An attempt that goes on, as far as the log tells."""

    node: NodeId
    piece: int
    first: int
    last: int
    since: float


@dataclass(slots=True)
class Course:
    """The log of a job, read so far. Belongs to one thread."""

    nodes: dict[NodeId, NodeWork] = field(default_factory=dict)
    at_work: dict[int, AtWork] = field(default_factory=dict)
    cap_micros: int | None = None  # as it was set last; None as it was submitted
    _read: dict[int, Ranges] = field(default_factory=dict)  # blocks, by their coordinator
    _fresh: list[Event] | None = None  # that were not told yet; None while nobody wants them
    _pace: deque[tuple[float, float]] = field(default_factory=deque)  # when, and samples times cost

    def read(self, store: Store, job: RenderJob) -> int:
        """Read the blocks that were not read yet, in their order; gives how many events they hold."""
        count = 0
        for generation, number, key in _blocks(store, job):
            if self._has(generation, number):
                continue
            events = events_of(store, key)
            # not before: a store that does not answer is asked for it again
            self._read.setdefault(generation, Ranges()).add((number, number + 1))
            for event in events:
                self.hear(event, job)
            count += len(events)
        return count

    @property
    def tells(self) -> bool:
        """Whether somebody hears the events as they come."""
        return self._fresh is not None

    def told(self, store: Store, job: RenderJob) -> tuple[Event, ...]:
        """The events since this was asked last; the first time, and after `untold`, all that were read so far."""
        events = self._fresh
        if events is None:
            read = (key for generation, number, key in _blocks(store, job) if self._has(generation, number))
            events = [event for key in read for event in events_of(store, key)]
        self._fresh = []
        return tuple(events)

    def untold(self) -> None:
        """Nobody wants the events any more."""
        self._fresh = None

    def _has(self, generation: int, number: int) -> bool:
        return self._read.get(generation, Ranges()).covers((number, number + 1))

    def hear(self, event: Event, job: RenderJob) -> None:
        """Take the next event."""
        if self._fresh is not None:
            self._fresh.append(event)
        if event.kind == "cap" and event.text.isdecimal():
            self.cap_micros = int(event.text[:18])
        if event.attempt:
            self._attempt(event, job)
        elif event.kind in (*_STOPS, "failed"):
            self.at_work.clear()
        if event.kind == "resumed" or (event.kind == "submitted" and not self.at_work):
            self._pace.clear()

    def _attempt(self, event: Event, job: RenderJob) -> None:
        first, last = event.range or (0, 0)
        own = self.at_work.get(event.attempt)
        node = self.nodes.setdefault(event.node, NodeWork(event.node)) if event.node else NodeWork("")
        node.heard = max(node.heard, event.at)
        known = 0 <= event.piece < len(job.spec.pieces)
        if event.kind in ("leased", "adopted") and known:
            for number in [n for n, each in self.at_work.items() if each.node == event.node]:
                del self.at_work[number]  # a node works at one unit; that others were faster is said nowhere
            self.at_work[event.attempt] = AtWork(event.node, event.piece, first, last, event.at)
        elif event.kind == "cut" and own is not None:
            own.last = first
        elif event.kind == "delivered":
            cost = job.spec.pieces[event.piece].cost if known else 1.0
            self._pace.append((event.at, (last - first) * cost))
            self._trim(event.at)
            node.units += 1
            node.samples += last - first
            if own is not None:
                node.busy_s += max(event.at - own.since, 0.0)
                own.since = event.at
                own.first = last
                if last >= own.last:
                    del self.at_work[event.attempt]
        elif event.kind == "probed" and own is not None and last >= own.last:  # it was done before, and is a check
            del self.at_work[event.attempt]
        elif event.kind in _ENDS:
            node.faults += 1
            node.last_fault = event.text or event.kind
            self.at_work.pop(event.attempt, None)

    def work_s(self, now: float) -> float:
        """Samples times cost that are delivered in a second, by the last minutes; 0 while nobody knows. It begins with
        a delivery, so the time that nodes took to start is no part of it."""
        self._trim(now)
        if len(self._pace) < 2:
            return 0.0
        return sum(work for _, work in list(self._pace)[1:]) / max(now - self._pace[0][0], 1.0)

    def _trim(self, now: float) -> None:
        while self._pace and self._pace[0][0] < now - WINDOW_S:
            self._pace.popleft()


def _blocks(store: Store, job: RenderJob) -> list[tuple[int, int, str]]:
    """The blocks of a log in their order: coordinator, number and key."""
    found = []
    for key, _ in store.list(job_key(job.spec.id, "events")):
        match = _BLOCK.fullmatch(key.rsplit("/", 1)[-1])
        if match is not None:
            found.append((int(match[1]), int(match[2]), key))
    return sorted(found)
