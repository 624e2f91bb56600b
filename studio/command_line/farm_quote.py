"""`studio farm quote`: what a job would take, from a pilot that renders a little of it here."""

from __future__ import annotations

import argparse
import os

import msgspec

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.console import Console
from studio.command_line.farm_submit import check_findings, read_farm_request, read_scene, submission_of
from studio.command_line.interrupts import Interrupts
from studio.errors import Cancelled
from studio.farm import quote as quoting
from studio.farm.model import NodeInfo
from studio.farm.prices import PriceList, Row
from studio.farm.submission import check_request
from studio.render.checkpoint import build_id
from studio.render.device import system_memory
from studio.render.session import RenderSession

FREE = PriceList(version="none", currency="EUR", rows={"": Row()})


def quote(args: argparse.Namespace, console: Console) -> int:
    """Measure and tell; returns the exit code."""
    asked = read_farm_request(args)
    check_request(asked.settings)
    nodes = values.whole(args.nodes, "--nodes", 1, 100_000)
    prices = places.price_list(args.prices) or FREE
    threads = places.cores_each(args.threads, 1)
    source, scene = read_scene(args, console)
    submission = submission_of(args, asked, scene)
    args.engine, args.check = "", False
    check_findings(args, console, scene, submission, source, asked)
    settings = submission.settings
    request = quoting.Request(
        frames=tuple(submission.frames),
        width=settings.width,
        height=settings.height,
        samples=settings.samples,
        denoise=submission.look.denoise,
    )
    with Interrupts() as interrupts, RenderSession(device=args.device, threads=threads) as session:
        probes = quoting.session_measure(session, scene, settings, camera=args.camera)

        def measure(probe: quoting.Probe) -> quoting.Measured:
            if interrupts.reason():
                raise Cancelled("the pilot was stopped")
            console.progress(f"Pilot: frame {probe.frame:g}, {probe.width}x{probe.height}, {probe.samples} samples")
            return probes(probe)

        found = quoting.pilot(request, measure)
        here = NodeInfo(
            id="here",
            backend=session.info.backend,
            device=session.info.device_class,
            build=build_id(),
            cores=threads or os.cpu_count() or 1,
            memory_bytes=system_memory(),
        )
    told = quoting.quote(request, found, prices, node=here, nodes=nodes, here=here)
    for sentence in quoting.sentences(told):
        if args.prices is not None or not sentence.startswith("By the price list"):
            console.result(sentence)
    console.event("quote", **msgspec.to_builtins(told), cap=told.cap)
    return 0
