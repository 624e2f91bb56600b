"""`studio farm serve`: a coordinator at a store, which machines join (`farm_worker`).

A coordinator listens to this machine alone unless it is told otherwise, and then only with TLS. Ctrl-C lets nodes hand
in what they have; a second one stops at once, which costs what they rendered since their last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import ssl
import time

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.console import Console
from studio.command_line.interrupts import Interrupts
from studio.errors import BadAsset, CannotWrite, DeviceFault, UsageError
from studio.farm.house import open_house
from studio.farm.jobs import job_ids, read_job
from studio.farm.local import LocalFarm
from studio.farm.score import score_of
from studio.farm.service import Service
from studio.farm.trust.gate import Gate
from studio.farm.wire import Server
from studio.render.device import cache_root

_LOOK_S = 2.0
_OVER = ("done", "failed", "cancelled")


def serve(args: argparse.Namespace, console: Console) -> int:
    """Run a coordinator until it is stopped; returns the exit code."""
    nodes = values.whole(args.nodes, "--nodes", 0, 256)
    port = values.whole(args.port, "--port", 0, 65535)
    tls = _tls(args.certificate, args.key)
    prices = places.price_list(args.prices)
    token = places.token_of(args.token_file, make=True)
    store = places.store_of(args.store, make=True)
    threads, cache = places.cores_each(args.threads, nodes), cache_root() / "farm"
    score = score_of(args.device, threads=threads)
    if nodes and score.sentence:
        console.say(score.sentence)
    with (
        Interrupts() as interrupts,
        open_house(
            places.house_of(args.house),
            store=store,
            token=token,
            prices=prices,
            device=args.device,
            threads=threads,
            cache=cache,
        ) as house,
        LocalFarm(
            places.place_of(args.store),
            nodes=nodes,
            threads=threads,
            device=args.device,
            cache=cache,
            service=house.service,
        ) as farm,
        Server(farm.service, house.members, host=args.host, port=port, tls=tls, gate=Gate(farm.service)) as server,
    ):
        console.result(server.url)
        console.event("serving", url=server.url, store=store.name, nodes=nodes)
        join = f"studio farm worker --coordinator {server.url}"
        console.say(f"Nodes join by {join}, faster with --store {store.name} where they reach it")
        known: dict[str, str] = {}
        while not interrupts.reason():
            _take(farm.service, console, known)
            for note in house.tick():
                console.say(note)
                console.event("warning", message=note)
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


def _sleep(interrupts: Interrupts, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not interrupts.reason() and time.monotonic() < until:
        time.sleep(0.1)
