"""`studio farm`: jobs for many machines, or for this one as if it were many. The artist's side of it.

Everything that counts lies in a store, a folder or a bucket, and every action here starts from that: a terminal may be
closed at any moment, and another one, tomorrow or elsewhere, goes on from what is there.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.console import Console
from studio.command_line.interrupts import Interrupts
from studio.command_line.looks import read_look
from studio.errors import StudioError, UsageError
from studio.farm import session
from studio.farm.jobs import RenderJob
from studio.farm.orders import Kind, works
from studio.farm.session import Standing
from studio.farm.store import Store
from studio.render.sequence import Job, check_outputs
from studio.scene.scene import Scene

POLL_S = 1.0
OVER = ("done", "failed", "cancelled")
_LOOK_FLAGS = (
    *("denoise", "denoise_scale", "view", "exposure", "bits", "alpha", "compression", "float"),
)  # those of `_add_look`


def run(args: argparse.Namespace, console: Console) -> int:
    """Do what the action says; returns the exit code."""
    match args.action:
        case "submit":
            from studio.command_line.farm_submit import submit

            return submit(args, console)
        case "quote":
            from studio.command_line.farm_quote import quote

            return quote(args, console)
        case "serve":
            from studio.command_line.farm_nodes import serve

            return serve(args, console)
        case "worker":
            from studio.command_line.farm_nodes import worker

            return worker(args, console)
        case "ledger":
            from studio.command_line.farm_books import ledger

            return ledger(args, console)
        case "status":
            return _status(args, console)
        case "fetch":
            return _fetch(args, console)
        case "log":
            return _log(args, console)
        case "change":
            return _change(args, console)
        case _:
            return _order(args, console)


# --- how jobs stand --------------------------------------------------------------------------------------------------
def _status(args: argparse.Namespace, console: Console) -> int:
    store = places.store_of(args.store)
    wanted = [session.find_job(store, text).spec.id for text in args.jobs]
    with Interrupts() as interrupts:
        while True:
            shown, faults = _standings(store, wanted)
            over = all(job.state in OVER for job in shown)
            if not args.watch or over or interrupts.reason():
                break
            console.progress("; ".join(line_of(job) for job in shown if job.state not in OVER)[:200])
            for job in shown if console.json else ():
                console.event("job", **msgspec.to_builtins(job))
            time.sleep(POLL_S)
        for job in shown:
            tell_job(console, job)
        for sentence in faults:
            console.say(sentence)
            console.event("warning", message=sentence)
        working = works(store)
        console.event("store", place=store.name, jobs=len(shown), works=working)
        if not shown and not faults:
            console.say("There are no jobs in this store.")
        elif not over and not working:
            console.say("Nobody works at this store now; start by studio farm serve --nodes 1.")
        if interrupts.signal:
            return interrupts.exit_code
    return 1 if args.jobs and any(job.state == "failed" for job in shown) else 0


def _standings(store: Store, wanted: Sequence[str]) -> tuple[list[Standing], list[str]]:
    """How jobs stand, and the sentences of those that cannot be read. Raises the fault of one that was asked for."""
    working = works(store)
    if wanted:
        return [session.standing(store, session.find_job(store, id_), working=working) for id_ in wanted], []
    shown, faults = [], []
    for job in session.all_jobs(store):
        if isinstance(job, StudioError):
            faults.append(str(job))
        else:
            shown.append(session.standing(store, job, working=working))
    return shown, faults


def line_of(job: Standing) -> str:
    """A job as a line."""
    share = job.done / job.total if job.total else 0.0
    return f"{job.id}  {job.state:9}  {job.frames_done}/{job.frames} frames  {share:6.1%}  {job.name}"


def tell_job(console: Console, job: Standing) -> None:
    """Say how a job stands."""
    console.result(line_of(job))
    if job.why:
        console.result(f"    {job.why}")
    console.event("job", **msgspec.to_builtins(job))


def _log(args: argparse.Namespace, console: Console) -> int:
    store = places.store_of(args.store)
    job = session.find_job(store, args.job)
    events = list(session.log_of(store, job.spec.id))
    if args.last is not None:
        events = events[-values.whole(args.last, "--last", 1, 1 << 30) :]
    for event in events:
        moment = datetime.datetime.fromtimestamp(event.at).strftime("%Y-%m-%d %H:%M:%S")
        piece = job.spec.pieces[event.piece].name if 0 <= event.piece < len(job.spec.pieces) else ""
        samples = f"{event.range[0]}-{event.range[1]}" if event.range else ""
        words = (moment, event.kind, event.node, piece, samples, event.text, f"by {event.by}" if event.by else "")
        console.result("  ".join(word for word in words if word))
        console.event("log", **{("what" if k == "kind" else k): v for k, v in msgspec.to_builtins(event).items()})
    if not events:
        console.say("Nothing has happened to this job yet.")
    return 0


# --- what is wanted of them ------------------------------------------------------------------------------------------
def _order(args: argparse.Namespace, console: Console) -> int:
    """Pause, resume or cancel."""
    store = places.store_of(args.store)
    jobs = [session.find_job(store, text) for text in args.jobs]
    kind: Kind = "drain" if args.action == "pause" and args.drain else args.action
    for job in jobs:
        before = session.standing(store, job)
        if before.state == "done" or (before.state == "cancelled" and args.action == "pause"):
            raise UsageError(f"the job {job.spec.id} is {before.state}; there is nothing to {args.action}")
        session.order(store, job.spec.id, kind)
        _tell_engine(store, job, args)
    for job in jobs:
        tell_job(console, session.standing(store, job))
    if args.action == "resume" and not works(store):
        console.say("Nobody works at this store now; start by studio farm serve --nodes 1.")
    return 0


def _tell_engine(store: Store, job: RenderJob, args: argparse.Namespace) -> None:
    """An engine that has the job hears of it as well."""
    from studio.command_line.farm_submit import engine_of

    found = engine_of(store, job.spec.id)
    if found is not None and args.action == "cancel":
        engine, ref = found
        engine.cancel(ref, drain=args.drain)


def _change(args: argparse.Namespace, console: Console) -> int:
    store = places.store_of(args.store)
    job = session.find_job(store, args.job)
    if args.priority is None and args.cap is None:
        raise UsageError("say what to change: --priority or --cap")
    priority = values.whole(args.priority, "--priority", 0, 100) if args.priority is not None else None
    cap = places.amount(args.cap, "--cap") if args.cap is not None else None
    if priority is not None:
        session.order(store, job.spec.id, "priority", value=priority)
    if cap is not None:
        session.order(store, job.spec.id, "cap", value=cap)
    tell_job(console, session.standing(store, job))
    return 0


# --- pictures --------------------------------------------------------------------------------------------------------
def _fetch(args: argparse.Namespace, console: Console) -> int:
    from studio.command_line.farm_pictures import Pictures
    from studio.farm.results import read_notes
    from studio.farm.submission import look_of

    store = places.store_of(args.store)
    job = session.find_job(store, args.job)
    notes = read_notes(session.job_folder(store, job.spec.id))
    if args.output is not None:
        output = Path(args.output)
    elif notes is not None:
        output = Path(notes.output)
    else:  # a name alone: what lies in a store has no say in where files go on this machine
        output = Path(Path(job.output).name or "frame.####.exr")
    look = notes.look if notes is not None else look_of(job)
    if any(getattr(args, name) not in (None, False) for name in _LOOK_FLAGS):
        look = read_look(args, output)
    check_output(output, job)
    with Interrupts() as interrupts, Pictures(store, job, output, look, console, keep=not args.again) as pictures:
        while True:
            pictures.poll(looks=args.previews)
            stands = session.standing(store, job)
            if pictures.done or not args.watch or interrupts.reason() or stands.state in ("failed", "cancelled"):
                break
            console.progress(line_of(stands))
            time.sleep(POLL_S)
        if args.strip is not None:
            pictures.strip(Path(args.strip))
        pictures.tell(stands.state)
        if interrupts.signal:
            return interrupts.exit_code
    if not pictures.done and stands.state in ("failed", "cancelled"):
        tell_job(console, stands)
        return 1
    return 0


def check_output(output: Path, job: RenderJob) -> None:
    """See that the pictures of a job can be written, before anything else. Raises UsageError or CannotWrite."""
    frames = sorted({round(piece.frame) for piece in job.spec.pieces})
    check_outputs(Job(scene=Scene(), output=output, frames=frames, settings=job.settings))
