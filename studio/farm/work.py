"""The process of a node: `python -P -m studio.farm.work`, told what to do by one line of JSON on its standard input.

The token comes that way, not by an argument or a file, which others could read. On SIGTERM, or when its standard input
is closed, it delivers what it has and ends.
"""

from __future__ import annotations

import os
import signal
import ssl
import sys
import threading
from pathlib import Path

import msgspec

from studio.errors import StudioError
from studio.farm.bundles.bundle import NodeCache
from studio.farm.model import Record
from studio.farm.node import FarmNode
from studio.farm.policy import Policy
from studio.farm.store import Store, open_store
from studio.farm.trust.artist import guard
from studio.farm.trust.gate import GateBucket
from studio.farm.trust.hatch import Handed, Inside
from studio.farm.trust.signing import Roster
from studio.farm.wire import Remote
from studio.render.device import system_memory
from studio.render.session import RenderSession


class WorkOrder(Record, frozen=True):
    """What a node process is started with. Without a `store` its objects come by its keeper."""

    url: str
    token: str
    store: str
    node: str
    cache: str
    name: str = ""
    device: str = "auto"
    threads: int = 0
    report_s: float = 20.0
    checkpoint_s: float = 60.0
    score: float = 1.0
    trust: int = 0
    until_idle: bool = False
    slowdown: float = 1.0
    ca: str = ""  # a file of certificates that vouch for the coordinator; "": those of the system
    artists: Roster | None = None  # for whom alone it works; None: for everybody
    socket: str = ""  # of its keeper, by which it reaches the coordinator; "": it does so itself, at `url`
    memory_bytes: int = 0  # that it may take; 0: the machine's
    gpu: str = ""  # of several that there are (`device.cuda_device_of`); "": the first


def main() -> int:
    """Work until told to stop; the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=WorkOrder)
    if order.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = order.gpu  # before anything asks the driver; its renderer inherits it
    try:
        return _work(order)
    except StudioError as fault:
        print(fault, file=sys.stderr)  # noqa: T201  the edge of this process
        return fault.code


def _work(order: WorkOrder) -> int:
    store = _store(order)
    cache = NodeCache(Path(order.cache))
    with (
        _desk(order) as desk,
        RenderSession(device=order.device, threads=order.threads) as session,
    ):
        node = FarmNode(
            desk,
            store,
            session,
            node_id=order.node,
            name=order.name,
            fetch=lambda where, job: cache.scene(where, job.spec.bundle, job.scene),
            policy=Policy(report_s=order.report_s),
            checkpoint_s=order.checkpoint_s,
            cores=order.threads or os.cpu_count() or 1,
            memory_bytes=min(system_memory(), order.memory_bytes or system_memory()),
            score=order.score,
            trust=order.trust,
            slowdown=order.slowdown,
            allow=lambda job: guard(store, job, order.artists) if order.artists is not None else None,
        )
        signal.signal(signal.SIGTERM, lambda *_: node.stop())
        threading.Thread(target=_watch_input, args=(node,), name="studio-farm-input", daemon=True).start()
        node.run(until_idle=order.until_idle)
    return 0


def _desk(order: WorkOrder) -> Remote:
    """The coordinator, by the keeper's socket where there is one."""
    if order.socket:
        return Inside(order.socket)
    return Remote(order.url, order.token, tls=ssl.create_default_context(cafile=order.ca) if order.ca else None)


def _store(order: WorkOrder) -> Store:
    """The farm's store, or what the keeper hands out of it."""
    if order.store:
        return open_store(order.store)
    return Store(Handed(order.socket) if order.socket else GateBucket(order.url, order.token), "the farm")


def _watch_input(node: FarmNode) -> None:
    """Whoever started the node holds its input open; when it is closed, nobody wants it any more."""
    while os.read(0, 4096):
        pass
    node.stop()


if __name__ == "__main__":
    sys.exit(main())
