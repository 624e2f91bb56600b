"""`studio farm worker`: this machine works for a coordinator.

The process that renders has neither token nor key: its keeper, this process, speaks for it
(`studio.farm.trust.keeper`). On a public farm, whose scenes come from anybody, it runs in a sandbox, or not at all.
Ctrl-C lets nodes hand in what they have; a second one stops at once, which costs what they rendered since their last
checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import secrets
import ssl
import time
from dataclasses import dataclass

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.console import Console
from studio.command_line.interrupts import Interrupts
from studio.errors import UsageError
from studio.farm.model import NodeId
from studio.farm.score import score_of
from studio.farm.trust.envoy import Sign
from studio.farm.trust.gate import GateBucket
from studio.farm.trust.keeper import Keeper
from studio.farm.trust.membership import kept_membership
from studio.farm.trust.sandbox import KINDS, Sandbox, find_sandbox
from studio.farm.trust.signing import Key, signed
from studio.farm.wire import Remote, authority
from studio.farm.work import WorkOrder
from studio.render.checkpoint import build_id
from studio.render.device import cache_root, cuda_device_of, system_memory

PUBLIC = 3  # the level of trust at which a node knows nobody
LEAST_GIB = 4  # of a node: kernels are compiled within addresses of two
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class _Belonging:
    """As whom this machine comes to a farm. It does not show its token."""

    token: str
    node: NodeId
    trust: int
    tls: ssl.SSLContext | None
    key: Key | None = None

    def __repr__(self) -> str:
        return f"_Belonging({self.node!r})"

    @property
    def sign(self) -> Sign | None:
        """What puts a member's signature on results; None for a machine of the house."""
        key = self.key
        if key is None:
            return None
        return lambda result, lease, job: signed(result, lease, job, key, build=build_id())


def worker(args: argparse.Namespace, console: Console) -> int:
    """Work for a coordinator until stopped; returns the exit code."""
    nodes = places.nodes_of(args.nodes, args.device)
    we = _belonging(args)
    sandbox = _sandbox(args, we.trust)
    orders = _orders(args, console, we, nodes, sandbox)
    with contextlib.ExitStack() as stack:
        desk = stack.enter_context(Remote(args.coordinator, we.token, tls=we.tls))
        objects = stack.enter_context(contextlib.closing(GateBucket(args.coordinator, we.token, tls=we.tls)))
        desk.leave(orders[0].node)  # a wrong token or address is told at once
        interrupts = stack.enter_context(Interrupts())
        keepers = [
            stack.enter_context(Keeper(order, desk, objects=objects, sandbox=sandbox, sign=we.sign, told=console.say))
            for order in orders
        ]
        walls = f"in a sandbox ({sandbox})" if sandbox is not None else "without a sandbox"
        console.event("working", coordinator=args.coordinator, nodes=nodes, trust=we.trust, sandbox=str(sandbox or ""))
        console.say(f"Working for {args.coordinator} {walls}; Ctrl-C to stop.")
        if sandbox is not None and os.geteuid() == 0:  # there are no sandboxes where there is no such number
            console.say("This is root; a user of its own, without rights and secrets, is safer.")
        _watch(keepers, interrupts, console)
        for keeper in keepers:
            keeper.stop()
        codes = [keeper.close() for keeper in keepers]
    for keeper, order in zip(keepers, orders, strict=True):
        deeds = keeper.deeds
        console.event(
            "worked", node=order.node, delivered=deeds.delivered, samples=deeds.samples, refused=deeds.refused
        )
    console.say(f"Stopped: {_line(keepers)}.")
    return interrupts.exit_code if interrupts.signal else max(codes)


def _watch(keepers: list[Keeper], interrupts: Interrupts, console: Console) -> None:
    """Show in one line what the nodes do, until they have ended or somebody stops them."""
    shown = ""
    while any(keeper.works for keeper in keepers) and not interrupts.reason():
        line = _line(keepers)
        if line != shown:
            console.progress(line)
            shown = line
        time.sleep(_LOOK_S)


def _line(keepers: list[Keeper]) -> str:
    return " | ".join(str(keeper.deeds) for keeper in keepers)


# --- who this machine is ---------------------------------------------------------------------------------------------
def _belonging(args: argparse.Namespace) -> _Belonging:
    """A member where this machine has enrolled with the farm, unless a token was named; else one of its house."""
    trust = values.whole(args.trust, "--trust", 0, 3)
    member = kept_membership(args.coordinator) if args.token_file is None else None
    if member is not None:
        tls = authority(args.ca or member.ca)
        return _Belonging(member.token, member.node, max(trust, member.trust), tls, member.key)
    node = args.name or platform.node() or "a machine"
    return _Belonging(places.token_of(args.token_file), node, trust, authority(args.ca or ""))


def _sandbox(args: argparse.Namespace, trust: int) -> Sandbox | None:
    """The sandbox of the nodes. Raises UsageError and Unsupported where there must be one and is none."""
    wanted = args.sandbox
    if wanted is not None and wanted not in KINDS:
        raise UsageError(f"--sandbox cannot be {wanted[:40]!r}; choose from {', '.join(KINDS)}")
    if trust < PUBLIC and wanted in (None, "none"):
        if args.memory is not None:
            raise UsageError("--memory is the room of a sandbox; add --sandbox auto")
        return None
    if wanted == "none":
        raise UsageError("a public node renders scenes of people whom nobody knows; leave out --sandbox none")
    if args.store is not None:
        raise UsageError("nodes in a sandbox get scenes from the coordinator and reach no store; leave out --store")
    return find_sandbox(wanted or "auto")


def _orders(
    args: argparse.Namespace, console: Console, we: _Belonging, nodes: int, sandbox: Sandbox | None
) -> list[WorkOrder]:
    if args.store is not None:
        places.store_of(args.store)  # a wrong one is told before anything is started
    mark, split = secrets.token_hex(3), "/" if we.key is not None else "-"
    known = places.artists_of(args.artists)
    name = args.name or we.node
    threads = places.cores_each(args.threads, nodes)
    score = score_of(args.device, threads=threads)
    if score.sentence:
        console.say(score.sentence)
    return [
        WorkOrder(
            url="",
            token="",
            store=places.place_of(args.store) if args.store is not None else "",
            node=f"{we.node[:100]}{split}{mark}-{index}",
            name=f"{name[:100]}, {index + 1}",
            # what a scene leaves behind in a sandbox, such as compiled kernels, is never run outside of it
            cache=str(cache_root() / ("sandbox" if sandbox is not None else "farm")),
            device=args.device,
            threads=threads,
            score=score.value,
            trust=we.trust,
            until_idle=args.until_idle,
            artists=known,
            memory_bytes=_memory(args, nodes) if sandbox is not None else 0,
            gpu=cuda_device_of(args.device, index),
        )
        for index in range(nodes)
    ]


def _memory(args: argparse.Namespace, nodes: int) -> int:
    """Bytes of each node: as said, or its share of three quarters of the machine's; no less than it takes to start."""
    if args.memory is not None:
        return round(values.number(args.memory, "--memory", LEAST_GIB * nodes, 1 << 20) * (1 << 30)) // nodes
    return max(system_memory() * 3 // 4 // nodes, LEAST_GIB << 30)
