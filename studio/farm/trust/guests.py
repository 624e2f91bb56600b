"""A coordinator's desk as one guest sees it: with its own name, its own units, and no more trust than it has.

A token says who somebody is, and everything else that comes over the line is what they say. So a member may join as
itself alone, as trusted as its invitation says at the most; it speaks of attempts that the desk gave to it, and of such
an attempt the desk's own lease counts, whatever the lease says that came along. What is about nobody's attempt is
answered here, so that no verb that was meant for an attempt of nobody finds one that was given away a moment later.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from studio.farm.desk import Desk, Forbidden, Guest, Stranger, owns
from studio.farm.model import BIGGER, ENDS, REFUSED, Lease, NodeId, NodeInfo, Order, Report, Result
from studio.farm.trust.walls import plain

LONGEST_ID = 120
STRANGERS = 2  # the level from which on machines are others'
ELSEWHERE = 15  # an exit code after which another node tries


class KnowingDesk(Desk, Protocol):
    """A desk that can say whose an attempt is, as a coordinator's own can. `generation` is the coordinator's, which
    every number of an attempt begins with."""

    @property
    def generation(self) -> int:
        """Greater than that of any coordinator before."""

    def lease_of(self, attempt: int) -> Lease | None:
        """The lease of an attempt that is at work."""


class GuestDesk:
    """A desk for one member. Each verb raises `Forbidden` for what is another's."""

    def __init__(self, desk: KnowingDesk, guest: Guest) -> None:
        self._desk, self._guest = desk, guest

    def join(self, info: NodeInfo) -> None:
        """See `Desk.join`."""
        self._own(info.id)
        trust = min(max(info.trust, self._guest.trust), 3)
        self._desk.join(msgspec.structs.replace(info, trust=trust, name=info.name[:LONGEST_ID]))

    def leave(self, node: NodeId) -> None:
        """See `Desk.leave`."""
        self._own(node)
        self._desk.leave(node)

    def ask(self, node: NodeId) -> Lease | None:
        """See `Desk.ask`."""
        self._own(node)
        return self._desk.ask(node)

    def report(self, attempt: int, report: Report) -> Order:
        """See `Desk.report`."""
        if self._lease(attempt) is None:
            return self._nobodys(attempt)
        return self._desk.report(attempt, report)

    def adopt(self, lease: Lease, report: Report) -> Order:
        """See `Desk.adopt`. Only what an earlier coordinator gave can be offered to a later one."""
        self._own(lease.node)
        if self._lease(lease.attempt) is not None:
            return self._desk.report(lease.attempt, report)
        if not 0 < lease.attempt >> 40 < self._desk.generation:
            return "drop", 0
        return self._desk.adopt(lease, report)

    def deliver(self, lease: Lease, result: Result) -> str:
        """See `Desk.deliver`."""
        self._own(lease.node)
        known = self._lease(lease.attempt)
        if known is not None and (known.job, known.piece) != (lease.job, lease.piece):
            raise Forbidden(f"the attempt {lease.attempt} is of another piece than the node says")
        return self._desk.deliver(known or lease, result)

    def fail(self, attempt: int, code: int, text: str) -> None:
        """See `Desk.fail`. A stranger's word that a job is at fault, or needs more memory than there is, ends no job:
        others try."""
        if self._lease(attempt) is None:
            return
        if self._guest.trust >= STRANGERS and ENDS.get(code) in (REFUSED, BIGGER):
            code, text = ELSEWHERE, f"{code}: {text}"
        self._desk.fail(attempt, code, plain(text, 400))

    def _own(self, node: NodeId) -> None:
        if not owns(self._guest.node, node):
            raise Forbidden(f'the node "{self._guest.node}" cannot speak as {node[:LONGEST_ID]!r}')
        if len(node) > LONGEST_ID or not node.isprintable():
            raise Forbidden(f'the node "{self._guest.node}" has an id that is too long or cannot be shown')

    def _lease(self, attempt: int) -> Lease | None:
        """The lease of an attempt of this guest's; None of one that nobody has."""
        lease = self._desk.lease_of(attempt)
        if lease is not None and not owns(self._guest.node, lease.node):
            raise Forbidden(f'the node "{self._guest.node}" does not hold the attempt {attempt}')
        return lease

    def _nobodys(self, attempt: int) -> Order:
        if attempt >> 40 != self._desk.generation:
            raise Stranger("the coordinator has begun anew: join it, and offer it the unit")
        return "drop", 0
