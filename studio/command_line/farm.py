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
from typing import TYPE_CHECKING

import msgspec

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.authors import author_of
from studio.command_line.console import Console
from studio.command_line.interrupts import Interrupts
from studio.command_line.looks import read_look
from studio.errors import BadAsset, CannotWrite, StudioError, Unsupported, UsageError
from studio.farm import session
from studio.farm.jobs import RenderJob
from studio.farm.orders import Kind, works
from studio.farm.request import engine_of, give_again, stands
from studio.farm.session import Standing
from studio.farm.store import Store
from studio.farm.trust.artist import Signed, artists, signed_by
from studio.farm.trust.signing import check_log
from studio.render.export import is_movie
from studio.render.kept_frames import check_place
from studio.render.sequence import Job, check_outputs
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.farm.movie import Going

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
            from studio.command_line.farm_worker import worker

            return worker(args, console)
        case "clean":
            from studio.command_line.farm_clean import clean

            return clean(args, console)
        case "key" | "certificate" | "credentials":
            from studio.command_line import farm_names

            return farm_names.run(args, console)
        case "members" | "enrol":
            from studio.command_line import farm_members

            return farm_members.run(args, console)
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
    if args.nodes:
        return _nodes(args, console, store)
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
            tell_signature(console, store, session.find_job(store, job.id))
        for sentence in faults:
            console.say(sentence)
            console.event("warning", message=sentence)
        working = works(store)
        console.event("store", place=store.name, jobs=len(shown), works=working)
        if not shown and not faults:
            console.say("There are no jobs in this store.")
        elif not working and any(job.state not in OVER and engine_of(store, job.id) is None for job in shown):
            console.say("Nobody works at this store now; start by studio farm serve --nodes 1.")
        if interrupts.signal:
            return interrupts.exit_code
    return 1 if args.jobs and any(job.state == "failed" for job in shown) else 0


def _standings(store: Store, wanted: Sequence[str]) -> tuple[list[Standing], list[str]]:
    """How jobs stand, and the sentences of those that cannot be read. Raises the fault of one that was asked for."""
    working = works(store)
    jobs = [session.find_job(store, id_) for id_ in wanted] if wanted else session.all_jobs(store)
    shown, faults = [], []
    for job in jobs:
        if isinstance(job, StudioError):
            faults.append(str(job))
            continue
        try:
            shown.append(stands(store, job, working=working))
        except (CannotWrite, UsageError) as fault:  # of the engine that has it, which does not answer
            faults.append(str(fault))
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


def tell_signature(console: Console, store: Store, job: RenderJob) -> Signed | None:
    """Say whose a job is, where somebody signed it."""
    found = signed_by(store, job, artists())
    if found is not None:
        if found.holds:
            files = f", the files by {found.files}" if found.files not in ("", found.by) else ""
            console.result(f"    signed by {found.by} ({found.key}){files}")
        else:
            console.result(f"    the signature does not hold: {found.why}")
        console.event("signature", job=job.spec.id, **msgspec.to_builtins(found))
    return found


def _nodes(args: argparse.Namespace, console: Console, store: Store) -> int:
    """The machines that work at a store."""
    if args.jobs or args.watch:
        raise UsageError("--nodes shows the machines of a store; leave jobs and --watch out")
    rows = session.nodes_of(store)
    for row in rows:
        speed = f"{row.samples_s:.3g} samples/s" if row.samples_s else ""
        words = (f"{row.name or row.id:24}", f"{row.state:10}", row.backend, f"score {row.score:g}", speed, row.unit)
        console.result("  ".join(word for word in words if word))
        console.event("node", **msgspec.to_builtins(row))
    if not rows:
        console.say("No machine works at this store now.")
    return 0


def _verify(console: Console, store: Store, job: RenderJob) -> int:
    """Check what is signed and the chain of the log; the exit code is that of a bad asset where something is wrong."""
    log = check_log(store, job.spec.id)
    console.result(f"{len(log.events)} events in {log.blocks} blocks, each as the one after it says")
    console.event("verified", job=job.spec.id, blocks=log.blocks, events=len(log.events), heads=log.heads)
    found = tell_signature(console, store, job)
    if found is None:
        console.result("    nobody signed the job")
    return 0 if found is None or found.holds else BadAsset.code


def _log(args: argparse.Namespace, console: Console) -> int:
    store = places.store_of(args.store)
    job = session.find_job(store, args.job)
    if args.verify:
        return _verify(console, store, job)
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
        _check_engine(store, job, kind)
        session.order(store, job.spec.id, kind)
        _tell_engine(store, job, args)
    for job in jobs:
        tell_job(console, session.standing(store, job))
    if args.action == "resume" and not works(store) and any(engine_of(store, job.spec.id) is None for job in jobs):
        console.say("Nobody works at this store now; start by studio farm serve --nodes 1.")
    return 0


def _check_engine(store: Store, job: RenderJob, kind: Kind) -> None:
    """Refuse an order that the engine which has the job cannot follow, where no coordinator would hear it either."""
    found = engine_of(store, job.spec.id)
    if found is None or works(store):
        return
    can = found[0].capabilities()
    able = {"pause": can.pauses, "drain": can.drains, "cancel": can.cancels}.get(kind, True)
    if not able:
        raise Unsupported(f"{found[0].name} has the job {job.spec.id} and cannot {kind} it for us; do that there")


def _tell_engine(store: Store, job: RenderJob, args: argparse.Namespace) -> None:
    """An engine that has the job hears of it as well: it stops, or gets it again when it has it no more."""
    found = engine_of(store, job.spec.id)
    if found is None:
        return
    engine, ref = found
    can = engine.capabilities()
    if args.action == "cancel" and (can.drains if args.drain else can.cancels):
        engine.cancel(ref, drain=args.drain)
    elif args.action == "resume":
        give_again(store, places.place_of(args.store), job)


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

    store = places.store_of(args.store)
    job = session.find_job(store, args.job)
    output, going = _going(args, job, session.job_folder(store, job.spec.id))
    if going.movie is not None:
        check_place(output)
    else:
        check_output(going.output, job)
    author = author_of(args)
    tell_signature(console, store, job)
    with (
        Interrupts() as interrupts,
        Pictures(store, job, going, console, keep=not args.again, author=author) as pictures,
    ):
        while True:
            now = stands(store, job)
            pictures.poll(looks=args.previews)
            if pictures.done or not args.watch or interrupts.reason() or now.state in ("failed", "cancelled"):
                break
            console.progress(line_of(now))
            time.sleep(POLL_S)
        if args.strip is not None:
            pictures.strip(Path(args.strip))
        if pictures.done and not pictures.make_movie(output, interrupts.reason):
            return interrupts.exit_code
        pictures.tell("done" if pictures.done else now.state)
        if interrupts.signal:
            return interrupts.exit_code
    if not pictures.done and now.state in ("failed", "cancelled"):
        tell_job(console, now)
        return 1
    return 0


def _going(args: argparse.Namespace, job: RenderJob, home: Path) -> tuple[Path, Going]:
    """What is to be written, a picture, a pattern or a movie, and where pictures go for it. Raises what flags that
    cannot be, or do not fit, raise."""
    from studio.command_line.movies import check_flags
    from studio.farm.movie import Going, going, read_movie
    from studio.farm.results import read_notes
    from studio.farm.submission import look_of

    notes = read_notes(home)
    movie = read_movie(home, notes)
    if args.output is not None:
        output = Path(args.output)
    elif notes is not None:
        output = movie.path if movie is not None else Path(notes.output)
    else:  # a name alone: what lies in a store has no say in where files go on this machine
        output = Path(Path(job.output).name or "frame.####.exr")
    look = read_look(args, output) if any(getattr(args, name) not in (None, False) for name in _LOOK_FLAGS) else None
    if not is_movie(output):
        if args.codec is not None:
            raise UsageError(f"--codec shapes movies, not {output.name}; leave it out or write .mp4 or .mov")
        return output, Going(output, look or (notes.look if notes is not None else look_of(job)))
    if look is not None or args.codec is not None:
        check_flags(args, output, (job.settings.width, job.settings.height))
    found = going(job, home, output, look=look, format=args.codec or "")
    assert found is not None  # somebody said where
    return output, found


def check_output(output: Path, job: RenderJob) -> None:
    """See that the pictures of a job can be written, before anything else. Raises UsageError or CannotWrite."""
    frames = sorted({round(piece.frame) for piece in job.spec.pieces})
    check_outputs(Job(scene=Scene(), output=output, frames=frames, settings=job.settings))
