"""The engine that is always there: this machine. A coordinator in this process, and node processes beside it.

Nothing is installed and nothing listens but loopback. The same store, service and nodes serve every other engine, so
what holds here holds there. Nodes that die are started again; the ids of processes are those that were started here.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from studio.errors import CannotWrite, DeviceFault
from studio.farm.coordinator import Price
from studio.farm.jobs import RenderJob
from studio.farm.model import Event
from studio.farm.policy import Policy
from studio.farm.score import score_of
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.farm.trust.sandbox import Sandbox, outer_environment
from studio.farm.trust.signing import Roster
from studio.farm.trust.walls import Walls, gpu_devices
from studio.farm.wire import Server
from studio.farm.work import WorkOrder
from studio.render.device import cache_root, cuda_device_of

MOST_RESTARTS = 20
_TICK_S = 0.25


class LocalFarm:
    """Node processes on this machine, and their coordinator. Use it in a `with`.

    `place` is the folder of the store, `cache` that of what nodes have fetched. `nodes` processes share the machine's
    cores (`threads` each; 0: all), and each takes a GPU of its own as far as there are so many. A `service` that is
    given, of the store at `place`, is used as it is, with its own prices and listener. With `artists` the nodes work
    for those alone.
    """

    def __init__(
        self,
        place: Path | str,
        *,
        nodes: int = 1,
        threads: int = 0,
        device: str = "auto",
        policy: Policy | None = None,
        checkpoint_s: float = 60.0,
        cache: Path | None = None,
        price: Price | None = None,
        listener: Callable[[Event], None] | None = None,
        service: Service | None = None,
        artists: Roster | None = None,
    ) -> None:
        self.store = service.store if service is not None else open_store(place)
        self.store.probe()
        self.policy = policy or Policy()
        self.service = service or Service(self.store, policy=self.policy, price=price, listener=listener)
        token = secrets.token_urlsafe(32)
        self._server = Server(self.service, token)
        score = score_of(device, threads=threads).value if nodes else 1.0
        self._orders = [
            WorkOrder(
                url=self._server.url,
                token=token,
                store=str(place),
                node=f"local-{self.service.generation}-{index}",
                name=f"this machine, {index + 1}",
                cache=str(cache or cache_root() / "farm"),
                device=device,
                threads=threads,
                score=score,
                report_s=self.policy.report_s,
                checkpoint_s=checkpoint_s,
                artists=artists,
                gpu=cuda_device_of(device, index),
            )
            for index in range(nodes)
        ]
        self._nodes: list[subprocess.Popen[bytes]] = []
        try:
            for order in self._orders:
                self._nodes.append(start_node(order))
        except OSError as fault:
            self._end_nodes()
            self._server.close()
            reason = (fault.strerror or str(fault)).lower()
            raise DeviceFault(f"a node of this machine cannot be started: {reason}") from fault
        self._restarts = 0
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="studio-farm-local", daemon=True)
        self._watcher.start()

    @property
    def pids(self) -> list[int]:
        """The process ids of the nodes."""
        return [process.pid for process in self._nodes]

    @property
    def works(self) -> bool:
        """Whether a node is alive, or will be started again."""
        return self._restarts < MOST_RESTARTS or any(process.poll() is None for process in self._nodes)

    def submit(self, job: RenderJob) -> None:
        """Take a job, or go on with it."""
        self.service.submit(job)

    def wait(self, id_: str, *, timeout_s: float = float("inf")) -> bool:
        """Wait until a job is over; whether it is."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.service.coordinator.over(id_):
                return True
            time.sleep(_TICK_S / 5)
        return False

    def close(self) -> None:
        """End the nodes, which deliver what they have, and the coordinator."""
        self._closing.set()
        self._watcher.join()
        self._end_nodes()
        self._server.close()
        self.service.retire()

    def _end_nodes(self) -> None:
        for process in self._nodes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._nodes:
            try:
                process.wait(30.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _watch(self) -> None:
        while not self._closing.wait(_TICK_S):
            self.service.tick()
            for i, process in enumerate(self._nodes):
                if process.poll() is not None and self._restarts < MOST_RESTARTS:
                    self._restarts += 1
                    self.service.leave(self._orders[i].node)
                    if process.stdin is not None:
                        process.stdin.close()
                    with contextlib.suppress(OSError):  # it is tried again at the next look, and counted
                        self._nodes[i] = start_node(self._orders[i])

    def __enter__(self) -> LocalFarm:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


def start_node(
    order: WorkOrder, sandbox: Sandbox | None = None, *, name: str = "", stderr: int | None = None
) -> subprocess.Popen[bytes]:
    """A process of a node, in a sandbox or plain. Ctrl-C in a terminal goes to whoever started it, who lets it deliver
    what it has. Of a sandbox the thread that starts it must live as long; `name` is what a container is called.

    Raises OSError when it cannot be started, CannotWrite when its cache cannot be made, Unsupported where the system
    calls of a sandbox cannot be filtered.
    """
    command = [sys.executable, "-P", "-m", "studio.farm.work"]
    handles: tuple[int, ...] = ()
    environment: dict[str, str] | None = None
    with contextlib.ExitStack() as starting:
        if sandbox is not None:
            command, handles = starting.enter_context(sandbox.ready(command, walls_of(order), name=name))
            environment = outer_environment()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
            start_new_session=True,
            pass_fds=handles,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
    except BrokenPipeError:  # it ended at once, which whoever waits for it sees
        with contextlib.suppress(BrokenPipeError):  # or the same would meet whoever closes it
            process.stdin.close()
    return process


def walls_of(order: WorkOrder) -> Walls:
    """What a node may see of its machine: its cache, its socket, and its graphics card where it uses one."""
    cache = Path(order.cache).absolute()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"the node's cache {cache} cannot be made: {reason}; choose another folder") from fault
    return Walls(
        writable=(cache,),
        socket=Path(order.socket) if order.socket else None,
        memory_bytes=order.memory_bytes,
        devices=gpu_devices() if order.device != "cpu" else (),
    )
