"""What runs on a Ray cluster: the coordinator, once, and on each machine or device somebody who keeps a node at work.

The coordinator is an actor on the head. A node is the same process as everywhere (`studio.farm.work`), so kernels and
scenes stay warm from unit to unit, and a driver that crashes takes a process with it and no actor. It speaks to its
keeper (`studio.farm.trust.keeper`) over a socket of its own machine, who hands every verb on to the coordinator through
Ray: between machines there is no port but the cluster's own, with the cluster's own token and TLS. Nothing but bytes
crosses, so nobody unpickles records of ours. Frames never go through Ray; nodes write them to the store.

Both are restarted by Ray without end. A coordinator that begins anew reads the store and has a new generation; a node
that was known to the one before is told to offer itself, and the unit that it has, again. What the coordinator is
besides an actor stands in `ray_house`.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import msgspec

from studio.errors import CannotWrite, StudioError
from studio.farm.desk import REFUSED, FarDesk, answered
from studio.farm.engines.ray_house import ClusterHouse
from studio.farm.engines.ray_jobs import DriverOrder
from studio.farm.trust.keeper import Keeper
from studio.farm.work import WorkOrder

MOST_RESTARTS = 20  # of the process of a node, within an hour
ANSWER_S = 60.0
COORDINATOR = "coordinator"  # the actor's name, in the namespace of the job
_TICK_S = 0.25


class Coordinator:
    """The actor with the coordinator of one job. It is begun when it is first asked for something, and again while it
    cannot be, as when the store does not answer: an actor that fails to begin would never be restarted."""

    def __init__(self, order: bytes, here: str) -> None:
        self._order, self._here = msgspec.json.decode(order, type=DriverOrder), here
        self._house: ClusterHouse | None = None
        self._beginning = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._tick, name="studio-farm-ticks", daemon=True).start()

    def call(self, verb: str, body: bytes) -> tuple[int, bytes]:
        """A verb of `Desk` for a node: a status, and the JSON of the answer or of a sentence."""
        try:
            house = self._at_work()
        except StudioError as fault:
            return REFUSED, msgspec.json.encode(str(fault))
        return answered(house.service, verb, body)

    def state(self) -> tuple[str, int, int, str]:
        """How the job stands: state, samples that are done, all of them, and why nothing happens. Raises StudioError
        for a job that cannot be taken."""
        return self._at_work().state()

    def close(self) -> None:
        """End the checks, and write down what has happened."""
        self._closed.set()
        if self._house is not None:
            self._house.close()

    def pid(self) -> int:
        """The process of the coordinator."""
        return os.getpid()

    def _at_work(self) -> ClusterHouse:
        with self._beginning:
            if self._house is None:
                self._house = ClusterHouse(self._order, here=self._here)
            return self._house

    def _tick(self) -> None:
        while not self._closed.wait(_TICK_S):
            if self._house is not None:
                self._house.tick()


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
