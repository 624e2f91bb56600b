"""What runs on a Ray cluster: the coordinator, once, and on each machine or device somebody who keeps a node at work.

The coordinator is an actor on the head. A node is the same process as everywhere (`studio.farm.work`), so kernels and
scenes stay warm from unit to unit, and a driver that crashes takes a process with it and no actor. It speaks to a
server on the loopback of its own machine, which hands every verb on to the coordinator through Ray: between machines
there is no port but the cluster's own, with the cluster's own token and TLS. Nothing but bytes crosses, so nobody
unpickles records of ours. Frames never go through Ray; nodes write them to the store.

Both are restarted by Ray without end. A coordinator that begins anew reads the store and has a new generation; a node
that was known to the one before is told to offer itself, and the unit that it has, again.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from studio.errors import CannotWrite, StudioError
from studio.farm.engines.ray_jobs import DriverOrder
from studio.farm.jobs import read_job
from studio.farm.model import Lease, NodeInfo, Order, Report, Result
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.farm.wire import _NODE as VERBS
from studio.farm.wire import Server
from studio.farm.work import WorkOrder

MOST_RESTARTS = 20  # of the process of a node
ANSWER_S = 60.0
COORDINATOR = "coordinator"  # the actor's name, in the namespace of the job
_TICK_S = 0.25
_OK, _REFUSED, _NEW = 200, 409, 410  # what the coordinator answers; _NEW: it does not know the node yet


class Coordinator:
    """The actor with the service of one job."""

    def __init__(self, order: bytes) -> None:
        told = msgspec.json.decode(order, type=DriverOrder)
        self._service = Service(open_store(told.store), policy=told.policy)
        self._job = told.job
        self._service.submit(read_job(self._service.store, told.job), by="ray")
        self._known: set[str] = set()
        threading.Thread(target=self._tick, name="studio-farm-ticks", daemon=True).start()

    def call(self, verb: str, node: str, body: bytes) -> tuple[int, bytes]:
        """A verb of `Desk` for a node: a status, and the JSON of the answer or of a sentence."""
        if verb not in VERBS:
            return _REFUSED, msgspec.json.encode(f"there is no verb {verb[:40]!r}")
        if verb in ("join", "leave"):
            (self._known.add if verb == "join" else self._known.discard)(node)
        elif node not in self._known:
            return _NEW, msgspec.json.encode("the coordinator has begun anew")
        try:
            answer = getattr(self._service, verb)(*msgspec.json.decode(body, type=VERBS[verb][0]))
        except StudioError as fault:
            return _REFUSED, msgspec.json.encode(str(fault))
        return _OK, msgspec.json.encode(answer)

    def state(self) -> tuple[str, int, int, str]:
        """How the job stands: state, samples that are done, all of them, and why nothing happens."""
        status = self._service.coordinator.status(self._job)
        return status.state, status.done, status.total, status.why

    def want(self, what: str, by: str) -> None:
        """What a person wants: go, pause, drain or cancel."""
        coordinator = self._service.coordinator
        act: Callable[..., None] = coordinator.resume if what == "go" else getattr(coordinator, what)
        act(self._job, by=by)

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


class Relay:
    """A `Desk` that hands everything on to the coordinator. `ask` is how: verb, node and body to status and answer;
    what it raises means that nobody answers."""

    def __init__(self, node: str, ask: Callable[[str, str, bytes], tuple[int, bytes]]) -> None:
        self._node, self._ask = node, ask
        self._info: NodeInfo | None = None

    def join(self, info: NodeInfo) -> None:
        """See `Desk.join`."""
        self._info = info
        self._call("join", info)

    def leave(self, node: str) -> None:
        """See `Desk.leave`."""
        self._call("leave", node)

    def ask(self, node: str) -> Lease | None:
        """See `Desk.ask`; a coordinator that has begun anew hears first who asks."""
        try:
            lease: Lease | None = self._call("ask", node)
        except _BegunAnew:
            if self._info is None:
                raise
            self._call("join", self._info)
            lease = self._call("ask", node)
        return lease

    def report(self, attempt: int, report: Report) -> Order:
        """See `Desk.report`."""
        order: Order = self._call("report", attempt, report)
        return order

    def adopt(self, lease: Lease, report: Report) -> Order:
        """See `Desk.adopt`."""
        order: Order = self._call("adopt", lease, report)
        return order

    def deliver(self, lease: Lease, result: Result) -> str:
        """See `Desk.deliver`."""
        verdict: str = self._call("deliver", lease, result)
        return verdict

    def fail(self, attempt: int, code: int, text: str) -> None:
        """See `Desk.fail`."""
        self._call("fail", attempt, code, text)

    def _call(self, verb: str, *arguments: object) -> Any:
        status, data = self._ask(verb, self._node, msgspec.json.encode(arguments))
        if status == _OK:
            answer = VERBS[verb][1]
            return None if answer is None else msgspec.json.decode(data, type=answer)
        sentence = str(msgspec.json.decode(data, type=str))
        raise (_BegunAnew if status == _NEW else CannotWrite)(sentence)


class _BegunAnew(CannotWrite):
    """The coordinator does not know the node; whoever has a unit offers it again."""


def asks(coordinator: Any) -> Callable[[str, str, bytes], tuple[int, bytes]]:
    """How to call a verb of a coordinator's actor."""

    def ask(verb: str, node: str, body: bytes) -> tuple[int, bytes]:
        import ray
        from ray.exceptions import RayError

        try:
            status, data = ray.get(coordinator.call.remote(verb, node, body), timeout=ANSWER_S)
        except RayError as fault:
            raise CannotWrite(f"the coordinator does not answer ({type(fault).__name__})") from fault
        return int(status), bytes(data)

    return ask


class NodeKeeper:
    """The actor of a machine or device: it keeps one node process at work."""

    def __init__(self, order: bytes) -> None:
        import ray

        told = msgspec.json.decode(order, type=WorkOrder)
        # by its name: a handle among the arguments would be an object of the cluster, and lost with it on a restart
        desk = Relay(told.node, asks(ray.get_actor(COORDINATOR)))
        desk.leave(told.node)  # what it had before it was restarted goes to others
        token = secrets.token_urlsafe(32)
        self._server = Server(desk, token)
        self._order = msgspec.structs.replace(told, url=self._server.url, token=token)
        self._restarts = 0
        self._process = self._start()

    def look(self) -> bool:
        """See that the process runs, and start it again when it does not; False once that has happened too often."""
        if self._process.poll() is None:
            return True
        if self._restarts >= MOST_RESTARTS:
            return False
        self._restarts += 1
        self._drop()
        self._process = self._start()
        return True

    def stop(self) -> None:
        """End the process, which delivers what it has."""
        self._drop()
        try:
            self._process.wait(30.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._server.close()

    def pids(self) -> tuple[int, int]:
        """The processes of the actor and of its node."""
        return os.getpid(), self._process.pid

    def _drop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "studio.farm.work"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(self._order) + b"\n")
        process.stdin.flush()
        return process
