"""This machine as an engine: `LocalFarm` behind the same face as all others, one farm for each job.

The farm lives as long as this object; a program that ends takes it along, and `submit` goes on from the store.
"""

from __future__ import annotations

import threading
from pathlib import Path

from studio.errors import Unsupported, UsageError
from studio.farm.engines.engine import Capabilities, Log, Ref, State, Status, status_of, submission_id
from studio.farm.jobs import RenderJob
from studio.farm.local import LocalFarm
from studio.farm.model import Event
from studio.farm.orders import want
from studio.farm.policy import Policy
from studio.farm.store import open_store

MOST_LINES = 10_000
_STATES: dict[str, State] = {
    "waiting": "waiting",
    "paused": "waiting",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "capped": "cancelled",
}


class LocalEngine:
    """Node processes on this machine. Use it in a `with`, or call `close`."""

    name = "local"

    def __init__(
        self,
        *,
        nodes: int = 1,
        threads: int = 0,
        device: str = "auto",
        policy: Policy | None = None,
        checkpoint_s: float = 60.0,
        cache: Path | None = None,
    ) -> None:
        self._nodes, self._threads, self._device = nodes, threads, device
        self._policy, self._checkpoint_s, self._cache = policy, checkpoint_s, cache
        self._farms: dict[str, LocalFarm] = {}
        self._lines: list[tuple[str, str]] = []  # of a job, what happened
        self._lock = threading.Lock()

    @classmethod
    def at(cls, address: str) -> LocalEngine:
        """This machine, whatever the address."""
        return cls()

    def capabilities(self) -> Capabilities:
        """See `Engine.capabilities`."""
        return Capabilities(coordinated=True, cancels=True, drains=True, pauses=True, logs=True)

    def check(self, job: RenderJob) -> list[str]:
        """See `Engine.check`: this machine can render whatever the studio can."""
        return []

    def submit(self, job: RenderJob, store_url: str, key: str, *, generation: int = 1) -> Ref:
        """See `Engine.submit`. The store is a folder."""
        name = submission_id(key, generation)
        if "://" in store_url:
            raise UsageError(f"this machine's farm keeps its store in a folder, not in {store_url[:80]!r}")
        farm = self._farms.get(store_url)
        if farm is None:
            farm = self._farms[store_url] = LocalFarm(
                Path(store_url),
                nodes=self._nodes,
                threads=self._threads,
                device=self._device,
                policy=self._policy,
                checkpoint_s=self._checkpoint_s,
                cache=self._cache,
                listener=self._hear,
            )
        farm.submit(job)
        return Ref(engine=self.name, id=name, job=job.spec.id, store=store_url, generation=generation)

    def status(self, ref: Ref) -> Status:
        """See `Engine.status`."""
        farm = self._farms.get(ref.store)
        if farm is None or farm.service.job(ref.job) is None:
            return status_of(ref, "lost", "nobody renders it on this machine now; submit it again to go on")
        stands = farm.service.coordinator.status(ref.job)
        return status_of(ref, _STATES.get(stands.state, "running"), stands.why, store=farm.store)

    def cancel(self, ref: Ref, *, drain: bool = False, by: str = "") -> None:
        """See `Engine.cancel`: the farm finds the order in the store."""
        want(open_store(ref.store), ref.job, "drain" if drain else "cancel", by=by)

    def logs(self, ref: Ref, unit: str = "", cursor: int = 0) -> Log:
        """What happened to a job, an event a line."""
        if ref.store not in self._farms:
            raise Unsupported(f"{ref.job} is not rendered by this program; its events are in the store")
        with self._lock:
            lines = [line for id_, line in self._lines if id_ == ref.job]
        return Log(text="".join(f"{line}\n" for line in lines[cursor:] if unit in line), cursor=len(lines))

    def close(self) -> None:
        """End the node processes, which deliver what they have."""
        while self._farms:
            self._farms.popitem()[1].close()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _hear(self, event: Event) -> None:
        place = f" {event.piece}:{event.range[0]}-{event.range[1]}" if event.range is not None else ""
        with self._lock:
            if len(self._lines) < MOST_LINES:
                self._lines.append((event.job, f"{event.kind}{place} {event.node} {event.text}".strip()))


ENGINE = LocalEngine
