"""`studio capture`: listen to a device, play the part of one, look at performances, and bake them into a project."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from studio.command_line import values
from studio.command_line.console import Console
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.figure.capture.frames import Take
    from studio.figure.capture.receiver import Counters, Receiver

_TOLD_S = 1.0  # between lines of what is heard


def run(args: argparse.Namespace, console: Console) -> int:
    """Carry out one of the four actions; returns the exit code."""
    return {"listen": _listen, "send": _send, "info": _info, "bake": _bake}[args.action](args, console)


def _listen(args: argparse.Namespace, console: Console) -> int:
    from studio.command_line.interrupts import Interrupts
    from studio.figure.capture.receiver import open_receiver

    seconds = values.number(args.seconds, "--seconds", 0, 1e9)
    with Interrupts() as interrupts, open_receiver(
        args.kind, host=args.host, port=_port(args.port), peer=args.peer
    ) as receiver:  # fmt: skip
        interrupts.limit(seconds)
        console.say(f"Listening on {receiver.address[0]}, port {receiver.address[1]}; Ctrl+C ends it.")
        counters = _heard(receiver, interrupts.reason, console)
    console.event("done", **_facts(counters))
    console.say(_sentence(counters))
    return 0


def _heard(receiver: Receiver, stop: Callable[[], str], console: Console) -> Counters:
    """Tell what is heard until there is a reason to stop."""
    began = told = time.monotonic()
    frames = 0
    while not stop():
        receiver.wait(0.1)
        found = receiver.drain()
        frames += len(found)
        now = time.monotonic()
        if now - told >= _TOLD_S:
            latest = receiver.latest()
            subject = latest.subject if latest is not None else ""
            rate = frames / (now - told)
            counters = receiver.counters
            console.result(f"{now - began:6.1f} s  {subject or '-':<16} {rate:5.1f} frames/s  {_sentence(counters)}")
            console.event("heard", subject=subject, rate=round(rate, 2), **_facts(counters))
            told, frames = now, 0
    return receiver.counters


def _facts(counters: Counters) -> dict[str, object]:
    names = ("packets", "frames", "silent", "late", "twice", "lost", "dropped")
    return {name: getattr(counters, name) for name in names} | {
        "malformed": dict(counters.malformed),
        "subjects": dict(counters.subjects),
    }


def _sentence(counters: Counters) -> str:
    parts = [f"{counters.packets} packets, {counters.frames} frames"]
    for count, what in (
        (counters.lost, "lost"),
        (counters.late, "late"),
        (counters.twice, "twice"),
        (counters.silent, "without a face"),
    ):
        if count:
            parts.append(f"{count} {what}")
    parts += [f"{count} refused: {reason}" for reason, count in counters.malformed.items()]
    return ", ".join(parts)


def _port(text: str | None) -> int | None:
    return None if text is None else values.whole(text, "--port", 0, 65535)


def _performance(args: argparse.Namespace) -> Take:
    from studio.figure.capture.recording import load_performance
    from studio.figure.capture.simulator import performance

    if args.demo == bool(args.file):
        raise UsageError("name a take or recording to send, or --demo for one made by code")
    return performance() if args.demo else load_performance(args.file)


def _send(args: argparse.Namespace, console: Console) -> int:
    from studio.figure.capture.simulator import Weather, schedule, send

    speed = values.number(args.speed, "--speed", 1e-3, 1e6)
    weather = Weather(
        jitter_s=values.number(args.jitter, "--jitter", 0, 1e4) / 1e3,
        loss=values.number(args.loss, "--loss", 0, 1),
        reorder=values.number(args.reorder, "--reorder", 0, 1),
        twice=values.number(args.twice, "--twice", 0, 1),
        seed=values.whole(args.seed, "--seed", 0, 2**31),
    )
    port = _port(args.port)
    times = values.whole(args.repeat, "--repeat", 1, 1_000_000)
    take = _performance(args)
    packets = schedule(take, args.to, speed=speed, weather=weather)
    sent = sum(send(packets, args.to, host=args.host, port=port) for _ in range(times))
    console.result(f"{sent} packets of {take.seconds:.2f} s sent to {args.host}")
    console.event("done", packets=sent, seconds=round(take.seconds, 4), protocol=args.to)
    return 0


def _info(args: argparse.Namespace, console: Console) -> int:
    from studio.figure.capture.recording import load_performance

    take = load_performance(args.file)
    first, last = take.inside
    moved = [n for n, size in zip(take.names, abs(take.weights).max(axis=0).tolist(), strict=True) if size > 0.02]
    facts: dict[str, object] = {
        "name": take.name,
        "source": take.source or "unknown",
        "subject": take.subject or "none",
        "timecode": take.start or "none",
        "seconds": round(take.seconds, 4),
        "frames": len(take.times),
        "fps": take.fps,
        "in": round(first, 4),
        "out": round(last, 4),
        "shapes": len(take.names),
        "moving": len(moved),
        "bones": len(take.bones),
        "profile": (take.profile.name or "unnamed") if take.profile is not None else "none",
    }
    for name, value in facts.items():
        console.result(f"{name:<10} {value:g}" if isinstance(value, float) else f"{name:<10} {value}")
    for sentence in take.notes:
        console.result(sentence)
    console.event("info", path=args.file, **facts, moving_shapes=moved, notes=list(take.notes))
    return 0


def _bake(args: argparse.Namespace, console: Console) -> int:
    from studio.figure.capture.recording import TOLERANCE, bake, load_performance
    from studio.figure.capture.retarget import load_profile
    from studio.scene.entities import Figure
    from studio.scene.project import is_project, load_project, save_project

    project = Path(args.project)
    if not is_project(project):
        raise UsageError(f"{args.project!r} is no project; performances are baked into a folder NAME.studio")
    tolerance = TOLERANCE if args.tolerance is None else values.number(args.tolerance, "--tolerance", 0, 1)
    take = load_performance(args.file)
    profile = load_profile(args.profile) if args.profile else None
    scene = load_project(project)
    figures = [e for e in scene.entities.values() if isinstance(e, Figure)]
    wanted = [f for f in figures if args.figure in ("", f.id, f.name)]
    if len(wanted) != 1:
        names = ", ".join(f.name or f.id for f in figures) or "none"
        raise UsageError(f"choose one figure with --figure; the scene has {names}")
    start = scene.frame_start if args.start is None else values.number(args.start, "--start", -1e6, 1e6)
    before = scene.tracks
    scene = bake(scene, wanted[0].id, take, start_frame=start, as_clip=args.clip, tolerance=tolerance, profile=profile)
    keys = sum(len(curve.times) for name, curve in scene.tracks.items() if before.get(name) is not curve)
    save_project(scene, project)
    for sentence in take.notes:
        console.say(sentence)
    console.result(f"{wanted[0].name or wanted[0].id}: {take.seconds:.2f} s from frame {start:g}, {keys} keys")
    console.event("done", path=project, figure=wanted[0].id, seconds=round(take.seconds, 4), keys=keys)
    return 0
