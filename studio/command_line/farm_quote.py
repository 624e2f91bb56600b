"""`studio farm quote`: what a job would take, from a pilot that renders a little of it here."""

from __future__ import annotations

import argparse

import msgspec

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.console import Console
from studio.command_line.farm_submit import check_findings, read_farm_request, read_scene, submission_of
from studio.command_line.interrupts import Interrupts
from studio.farm.money import quote as quoting
from studio.farm.money.estimate import estimate
from studio.farm.submission import check_request


def quote(args: argparse.Namespace, console: Console) -> int:
    """Measure and tell; returns the exit code."""
    asked = read_farm_request(args)
    check_request(asked.settings)
    nodes = values.whole(args.nodes, "--nodes", 1, 100_000)
    prices = places.price_list(args.prices)
    threads = places.cores_each(args.threads, 1)
    source, scene = read_scene(args, console)
    submission = submission_of(args, asked, scene)
    args.engine, args.check = "", False
    check_findings(args, console, scene, submission, source, asked)

    def tell(probe: quoting.Probe, done: int, of: int) -> None:
        console.progress(f"Pilot: frame {probe.frame:g}, {probe.width}x{probe.height}, {probe.samples} samples")

    with Interrupts() as interrupts:
        told = estimate(
            scene,
            submission,
            nodes=nodes,
            prices=prices,
            device=args.device,
            threads=threads,
            stop=interrupts.reason,
            progress=tell,
        ).quote
    for sentence in quoting.sentences(told):
        if args.prices is not None or not sentence.startswith("By the price list"):
            console.result(sentence)
    console.event("quote", **msgspec.to_builtins(told), cap=told.cap)
    return 0
