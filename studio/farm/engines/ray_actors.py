"""What runs on a Ray cluster: the coordinator, once, and on each machine or device somebody who keeps a node at work.

The coordinator is an actor on the head. A node is the same process as everywhere (`studio.farm.work`), so kernels and
scenes stay warm from unit to unit, and a driver that crashes takes a process with it and no actor. It speaks to its
keeper (`studio.farm.trust.keeper`) over a socket of its own machine, who hands every verb on to the coordinator through
Ray: between machines there is no port but the cluster's own, with the cluster's own token and TLS. Nothing but bytes
crosses, so nobody unpickles records of ours. Frames never go through Ray; nodes write them to the store.

Both are restarted by Ray without end. A coordinator that begins anew reads the store and has a new generation; a node
that was known to the one before is told to offer itself, and the unit that it has, again.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import msgspec

from studio.errors import CannotWrite
from studio.farm.desk import FarDesk, answered
from studio.farm.engines.ray_jobs import DriverOrder
from studio.farm.jobs import read_job
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.farm.trust.keeper import Keeper
from studio.farm.work import WorkOrder

MOST_RESTARTS = 20  # of the process of a node, within an hour
ANSWER_S = 60.0
COORDINATOR = "coordinator"  # the actor's name, in the namespace of the job
_TICK_S = 0.25


class Coordinator:
    """The actor with the service of one job."""

    def __init__(self, order: bytes) -> None:
        told = msgspec.json.decode(order, type=DriverOrder)
        self._service = Service(open_store(told.store), policy=told.policy)
        self._job = told.job
        self._service.submit(read_job(self._service.store, told.job), by="ray")
        threading.Thread(target=self._tick, name="studio-farm-ticks", daemon=True).start()

    def call(self, verb: str, body: bytes) -> tuple[int, bytes]:
        """A verb of `Desk` for a node: a status, and the JSON of the answer or of a sentence."""
        return answered(self._service, verb, body)

    def state(self) -> tuple[str, int, int, str]:
        """How the job stands: state, samples that are done, all of them, and why nothing happens."""
        status = self._service.coordinator.status(self._job)
        return status.state, status.done, status.total, status.why

    def flush(self) -> None:
        """Write down what has happened."""
        self._service.flush()

    def pid(self) -> int:
        """The process of the coordinator."""
        return os.getpid()

    def _tick(self) -> None:
        while True:
            threading.Event().wait(_TICK_S)
            self._service.tick()


class Relay(FarDesk):
    """A desk that hands everything on to the coordinator's actor."""

    def __init__(self, coordinator: Any) -> None:
        self._coordinator = coordinator

    def _carry(self, verb: str, body: bytes) -> tuple[int, bytes]:
        import ray
        from ray.exceptions import RayError

        try:
            status, data = ray.get(self._coordinator.call.remote(verb, body), timeout=ANSWER_S)
        except RayError as fault:
            raise CannotWrite(f"the coordinator does not answer ({type(fault).__name__})") from fault
        return int(status), bytes(data)


class NodeKeeper:
    """The actor of a machine or device: it keeps one node process at work."""

    def __init__(self, order: bytes) -> None:
        import ray

        told = msgspec.json.decode(order, type=WorkOrder)
        # by its name: a handle among the arguments would be an object of the cluster, and lost with it on a restart
        desk = Relay(ray.get_actor(COORDINATOR))
        desk.leave(told.node)  # what it had before it was restarted goes to others
        self._keeper = Keeper(told, desk, restarts=MOST_RESTARTS)

    def look(self) -> bool:
        """Whether the process runs or will be started again; False once it has died too often."""
        return self._keeper.works

    def stop(self) -> None:
        """End the process, which delivers what it has."""
        self._keeper.close(30.0)

    def pids(self) -> tuple[int, int]:
        """The processes of the actor and of its node."""
        return os.getpid(), self._keeper.pid
