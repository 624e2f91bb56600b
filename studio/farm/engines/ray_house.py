"""The coordinator of a job on a Ray cluster and, where the machines are rented, what its deliveries go through.

    secret              what decides which units are checked; readable by its owner alone
    reputations.json    what is known of each machine that was ever checked

A job that only the studio's machines may see (level 1) has a plain coordinator. One that contracted machines may see
gets the checks of a house (`studio.farm.trust.inspection`): parts of units are rendered again on the head, with a
quarter of its cores, and who forges loses all it has delivered. Nobody signs there: whoever holds the cluster's token
may run anything on it, the coordinator's own machine included, so a signature would prove nothing. What is found are
machines that render wrongly or not at all.

The files lie on the head (`farm/ray/` in the user's data folder) and not in the store, to which the nodes write. They
outlive the coordinator, which Ray restarts, so that a new one knows whom the one before has caught. Nodes of the head
itself are what others are measured by, so where it renders too there are units whose answer is known (canaries).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from studio.errors import CannotWrite, StudioError
from studio.farm.engines.ray_jobs import CONTRACTED, DriverOrder
from studio.farm.jobs import read_job
from studio.farm.model import JobId, NodeId, NodeInfo, Result, maker_of
from studio.farm.service import Service
from studio.farm.session import farm_folder
from studio.farm.store import Store, open_store
from studio.farm.trust.inspection import Darkroom, Inspection
from studio.farm.trust.inspector import Check, Rerender, TrustPolicy
from studio.render.device import cache_root
from studio.render.film import Film
from studio.render.partial import Header

WAIT_S = 2.0  # that a node is let wait for a check: meanwhile it holds one of the actor's threads
TIDY_S = 30.0  # between two looks at what was learned and what can be forgotten


def node_name(machine: str, number: int) -> NodeId:
    """The node of a device of a machine, by Ray's name for the machine: what one device forges counts against all."""
    return f"ray-{machine[:12]}/{number}"


class ClusterHouse:
    """A job's coordinator, on the machine that Ray calls `here`. Call `tick` every second or so, `close` at the end.

    `folder` is where it keeps what it learns of machines. Raises BadAsset and UsageError for a job that cannot be taken
    and for what is wrong in that folder, CannotWrite when the store does not answer.
    """

    def __init__(
        self,
        order: DriverOrder,
        *,
        here: str = "",
        folder: Path | None = None,
        rerender: Rerender | None = None,
        trust: TrustPolicy | None = None,
        wait_s: float = WAIT_S,
        clock: Callable[[], float] | None = None,
    ) -> None:
        store = open_store(order.store)
        job = read_job(store, order.job)
        self._job, self._level = order.job, order.trust
        self._here = maker_of(node_name(here, 0)) if here else ""
        self._ticking, self._closed = threading.Lock(), False
        self._tidied = time.monotonic()
        self._unchecked = self._unsaved = ""  # why deliveries wait, and what became of what was learned
        self._darkroom: Darkroom | None = None
        self.inspection: Inspection | None = None
        checks: dict[str, Any] = {}
        if order.trust >= CONTRACTED:
            self._rerender = rerender or self._head(store, order)
            self.inspection = Inspection(
                folder or farm_folder() / "ray",
                self._rendered,
                node=self._node,
                signed=False,
                policy=trust,
                told=self._checked,
                caught=lambda maker: self.service.distrust(maker, "another job's coordinator has caught it"),
                wait_s=wait_s,
                clock=clock or time.time,
            )
            checks = {"inspect": self.inspection.inspect, "look": self.inspection.look, "probe": self._probe}
        self.service = Service(store, policy=order.policy, welcome=self._welcome, clock=clock, **checks)
        for maker, reputation in (self.inspection.reputations if self.inspection is not None else {}).items():
            if reputation.blocked:
                self.service.distrust(maker, "it has forged a partial before")
        self.service.submit(job, by="ray")

    def _head(self, store: Store, order: DriverOrder) -> Rerender:
        """The processor of this machine, as Ray hides graphics cards from who did not ask for one; and a quarter of it,
        as nodes may be at work here."""
        cache = Path(order.cache) if order.cache else cache_root() / "farm"
        self._darkroom = Darkroom(store, cache, device="cpu", threads=max((os.cpu_count() or 1) // 4, 1))
        return self._darkroom

    # --- how it stands -----------------------------------------------------------------------------------------------
    def state(self) -> tuple[str, int, int, str]:
        """How the job stands: state, samples that are done, all of them, and why nothing happens."""
        self.tick()  # what is to be taken back is not done
        status = self.service.status(self._job)
        waits = self._unchecked or self._unsaved if status.state in ("waiting", "running") else ""
        return status.state, status.done, status.total, status.why or waits

    def tick(self) -> None:
        """See `Service.tick`; end what idles, and write down what was learned. Any thread may call it."""
        with self._ticking:
            if self._closed:
                return  # a sign of life would outlive it
            self.service.tick()
            if self.inspection is None or time.monotonic() - self._tidied < TIDY_S:
                return
            self._tidied = time.monotonic()
            if self._darkroom is not None:
                self._darkroom.rest()
            try:
                self.inspection.tick(job.spec.id for job in self.service.jobs_at_work())
            except CannotWrite as fault:  # it is tried again, and whoever runs the cluster may make room meanwhile
                self._unsaved = str(fault)
            else:
                self._unsaved = " ".join(self.inspection.notes())

    def close(self) -> None:
        """End the checks, and write down what has happened. Raises CannotWrite for what could not be written down; the
        rest is closed all the same."""
        with self._ticking:
            self._closed = True
        with contextlib.ExitStack() as last:  # from the last to the first
            last.callback(self.service.retire)
            if self.inspection is not None:
                last.callback(self.inspection.close)
            if self._darkroom is not None:
                last.callback(self._darkroom.close)

    # --- what the checks ask -----------------------------------------------------------------------------------------
    def _welcome(self, info: NodeInfo) -> NodeInfo:
        """No node is trusted more than its cluster, whatever it says."""
        return msgspec.structs.replace(info, trust=max(info.trust, self._level))

    def _node(self, id_: NodeId) -> NodeInfo | None:
        """A node as the checks take it: those of this machine are the measure of all others."""
        info = self.service.node_info(id_)
        if info is None or maker_of(id_) != self._here:
            return info
        return msgspec.structs.replace(info, trust=0)

    def _probe(self, node: NodeId) -> tuple[JobId, int, Result] | None:
        assert self.inspection is not None
        return self.inspection.probe(node, str(self.service.coordinator.leases))

    def _rendered(self, *asked: Any) -> tuple[Film, Header]:
        """The `Rerender` of the checks; where it fails, whoever runs the cluster is told what deliveries wait for."""
        try:
            made = self._rerender(*asked)
        except StudioError as fault:
            self._unchecked = f"deliveries cannot be checked: {fault}"
            raise
        self._unchecked = ""
        return made

    def _checked(self, check: Check) -> None:
        self.service.checked(check)
        if not check.sound:  # whether or not it ever comes to hear what became of its delivery
            self.service.distrust(check.node, check.text)
