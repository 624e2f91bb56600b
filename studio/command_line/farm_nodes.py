"""`studio farm serve` and `studio farm worker`: a coordinator at a store, and machines that work for it.

A coordinator listens to this machine alone unless it is told otherwise, and then only with TLS. Ctrl-C lets nodes hand
in what they have; a second one stops at once, which costs what they rendered since their last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import secrets
import ssl
import subprocess
import time
from pathlib import Path

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.console import Console
from studio.command_line.interrupts import Interrupts
from studio.errors import BadAsset, CannotWrite, DeviceFault, UsageError
from studio.farm.jobs import job_ids, read_job
from studio.farm.local import LocalFarm, start_node
from studio.farm.prices import pricing
from studio.farm.service import Service
from studio.farm.wire import Remote, Server
from studio.farm.work import WorkOrder
from studio.render.device import cache_root

_LOOK_S = 2.0
_DRAIN_S = 60.0
_MOST_RESTARTS = 5
_OVER = ("done", "failed", "cancelled")


def serve(args: argparse.Namespace, console: Console) -> int:
    """Run a coordinator until it is stopped; returns the exit code."""
    nodes = values.whole(args.nodes, "--nodes", 0, 256)
    port = values.whole(args.port, "--port", 0, 65535)
    tls = _tls(args.certificate, args.key)
    prices = places.price_list(args.prices)
    token = places.token_of(args.token_file, make=True)
    store = places.store_of(args.store, make=True)
    with (
        Interrupts() as interrupts,
        LocalFarm(
            places.place_of(args.store),
            nodes=nodes,
            threads=places.cores_each(args.threads, nodes),
            device=args.device,
            cache=cache_root() / "farm",
            price=pricing(prices) if prices is not None else None,
        ) as farm,
        Server(farm.service, token, host=args.host, port=port, tls=tls) as server,
    ):
        console.result(server.url)
        console.event("serving", url=server.url, store=store.name, nodes=nodes)
        console.say(f"Nodes join by studio farm worker --coordinator {server.url} --store {store.name}")
        known: dict[str, str] = {}
        while not interrupts.reason():
            _take(farm.service, console, known)
            if args.until_done and all(state in _OVER for state in known.values()):
                return 0
            if nodes and not farm.works:
                raise DeviceFault("the nodes of this machine end again and again; look at studio doctor")
            _sleep(interrupts, _LOOK_S)
        console.say("Stopping: nodes of this machine hand in what they have; once more to stop at once.")
    console.event("stopped", code=interrupts.exit_code)
    return interrupts.exit_code


def _take(service: Service, console: Console, known: dict[str, str]) -> None:
    """Take jobs that are new in the store, and tell how the others stand. `known` is what was told."""
    with contextlib.suppress(CannotWrite):  # a store that does not answer now is asked again
        for id_ in list(job_ids(service.store)):
            if id_ not in known:
                try:
                    service.submit(read_job(service.store, id_), by="serve")
                except (BadAsset, UsageError) as fault:
                    known[id_] = "failed"
                    console.say(str(fault))
                    console.event("warning", message=str(fault))
                    continue
                known[id_] = ""
    for id_, before in known.items():
        if service.job(id_) is None:
            continue
        stands = service.status(id_)
        if stands.state != before:
            known[id_] = stands.state
            console.event("job", id=id_, state=stands.state, done=stands.done, total=stands.total, why=stands.why)
            console.say(f"{id_}: {stands.state}{': ' if stands.why else ''}{stands.why}")


def _tls(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("TLS needs both --certificate and --key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise UsageError(f"the certificate {certificate} and key {key} cannot be used: {reason}") from fault
    return context


# --- nodes -----------------------------------------------------------------------------------------------------------
def worker(args: argparse.Namespace, console: Console) -> int:
    """Work for a coordinator until stopped; returns the exit code."""
    nodes = values.whole(args.nodes, "--nodes", 1, 256)
    token = places.token_of(args.token_file)
    places.store_of(args.store)  # a wrong one is told before anything is started
    orders = _orders(args, token, places.place_of(args.store), nodes)
    context = _authority(args.ca)
    with Remote(args.coordinator, token, tls=context) as desk:
        desk.leave("a node that asks whether anybody is there")  # a wrong token or address is told at once
    with Interrupts() as interrupts:
        running = [start_node(order) for order in orders]
        console.event("working", coordinator=args.coordinator, nodes=nodes)
        console.say(f"Working for {args.coordinator}; Ctrl-C to stop.")
        try:
            code = _mind(running, orders, interrupts)
        finally:
            _end(running, interrupts)
    return interrupts.exit_code if interrupts.signal else code


def _orders(args: argparse.Namespace, token: str, store: str, nodes: int) -> list[WorkOrder]:
    name = args.name or platform.node() or "a machine"
    mark = secrets.token_hex(3)
    return [
        WorkOrder(
            url=args.coordinator,
            token=token,
            store=store,
            node=f"{name}-{mark}-{index}"[:120],
            name=f"{name}, {index + 1}"[:120],
            cache=str(cache_root() / "farm"),
            device=args.device,
            threads=places.cores_each(args.threads, nodes),
            trust=values.whole(args.trust, "--trust", 0, 3),
            until_idle=args.until_idle,
            ca=str(Path(args.ca).absolute()) if args.ca else "",
        )
        for index in range(nodes)
    ]


def _authority(file: str | None) -> ssl.SSLContext | None:
    if file is None:
        return None
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise UsageError(f"the certificate {file} cannot be read: {reason}") from fault


def _mind(running: list[subprocess.Popen[bytes]], orders: list[WorkOrder], interrupts: Interrupts) -> int:
    """Wait for nodes to end, and start those again that die; the worst exit code of those that were not."""
    restarts, worst = 0, 0
    while not interrupts.reason():
        ended = [(i, process.returncode) for i, process in enumerate(running) if process.poll() is not None]
        for i, code in ended:
            if code < 0 and restarts < _MOST_RESTARTS:  # killed from outside
                restarts += 1
                running[i] = start_node(orders[i])
            else:
                worst = max(worst, code if code > 0 else -code and 12)
        if all(process.poll() is not None for process in running):
            return worst
        _sleep(interrupts, 0.5)
    return worst


def _end(running: list[subprocess.Popen[bytes]], interrupts: Interrupts) -> None:
    """Close the nodes' input, upon which they hand in what they have and end; one that does not is killed."""
    for process in running:
        if process.stdin is not None:
            process.stdin.close()
    until = time.monotonic() + _DRAIN_S
    for process in running:
        try:
            process.wait(max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _sleep(interrupts: Interrupts, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not interrupts.reason() and time.monotonic() < until:
        time.sleep(0.1)
