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
from studio.command_line.farm_addresses import hosts_for_others, url_at
from studio.command_line.interrupts import Interrupts
from studio.errors import BadAsset, CannotWrite, DeviceFault, UsageError
from studio.farm.house import House, open_house
from studio.farm.jobs import job_ids, read_job
from studio.farm.local import LocalFarm
from studio.farm.missing import is_same_store
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
    known_artists = places.artists_of(args.artists)
    if known_artists is not None and not nodes:
        raise UsageError("--artists says for whom nodes of this machine work; add --nodes, or leave it out")
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
            artists=known_artists,
        ) as farm,
        Server(farm.service, house.members, host=args.host, port=port, tls=tls, gate=Gate(farm.service)) as server,
    ):
        _tell(console, server, hosts_for_others(args.host, args.certificate), store=store.name, nodes=nodes)
        ended = _work(args, console, house, farm, interrupts)
        if not ended:
            console.say("Stopping: nodes of this machine hand in what they have; once more to stop at once.")
    _warn(console, house.notes())  # what was met at the end
    if ended:
        return 0
    console.event("stopped", code=interrupts.exit_code)
    return interrupts.exit_code


def _work(args: argparse.Namespace, console: Console, house: House, farm: LocalFarm, interrupts: Interrupts) -> bool:
    """Serve until somebody stops it; whether it has ended before, as all jobs are over."""
    known: dict[str, str] = {}
    while not interrupts.reason():
        _take(farm.service, console, known)
        _warn(console, house.tick())
        if args.until_done and all(state in _OVER for state in known.values()):
            return True
        if farm.pids and not farm.works:
            raise DeviceFault("the nodes of this machine end again and again; look at studio doctor")
        _sleep(interrupts, _LOOK_S)
    return False


def _tell(console: Console, server: Server, hosts: list[str], *, store: str, nodes: int) -> None:
    """Say where nodes join: by an address that they can use, where others can."""
    urls = [url_at(host, server.url) for host in hosts] or [server.url]
    console.result(urls[0])
    console.event("serving", url=urls[0], urls=urls, store=store, nodes=nodes, alone=not hosts)
    join = f"studio farm worker --coordinator {urls[0]}"
    if not hosts:
        console.say(f"Nodes of this machine join by {join}")
        console.say("No other machine can reach it; --host, --certificate and --key let others in.")
        return
    console.say(f"Nodes join by {join}, faster with --store {store} where they reach it")
    if urls[1:]:
        console.say(f"Or by {' or '.join(urls[1:])}, where the certificate is for that too.")


def _warn(console: Console, notes: list[str]) -> None:
    for note in notes:
        console.say(note)
        console.event("warning", message=note)


def _take(service: Service, console: Console, known: dict[str, str]) -> None:
    """Take jobs that are new in the store, forget those that were removed, and tell how the others stand. `known` is
    what was told."""
    with contextlib.suppress(CannotWrite):  # a store that does not answer now is asked again
        there = list(job_ids(service.store))
        gone = [id_ for id_ in known.keys() - set(there) if known[id_] in _OVER]
        if gone and is_same_store(service.store, service.generation):
            for id_ in gone:
                service.forget(id_)
                del known[id_]
        for id_ in there:
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
