"""What happens at a coordinator, told as events in their order."""

from __future__ import annotations

from collections.abc import Callable

from studio.farm.model import Event, JobId, Lease, NodeId, Range


class Teller:
    """Numbers and dates events for a listener."""

    def __init__(self, clock: Callable[[], float], listener: Callable[[Event], None]) -> None:
        self._clock, self._listener = clock, listener
        self._told = 0

    def tell(
        self,
        kind: str,
        *,
        job: JobId = "",
        node: NodeId = "",
        lease: Lease | None = None,
        piece: int = -1,
        range: Range | None = None,
        attempt: int = 0,
        text: str = "",
        by: str = "",
    ) -> None:
        """Something happened, to a unit where a lease is given."""
        self._told += 1
        if lease is not None:
            job, node, piece, range = lease.job, lease.node, lease.piece, range or lease.range
            attempt = lease.attempt
        event = Event(
            number=self._told,
            at=self._clock(),
            kind=kind,
            job=job,
            node=node,
            piece=piece,
            range=range,
            attempt=attempt,
            text=text,
            by=by,
        )
        self._listener(event)
