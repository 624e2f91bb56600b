"""`studio farm submit`: a scene becomes a job in a store, and with `--wait` its pictures here.

The flags are those of `studio render`, and so are the pixels. What would go wrong is said before anything is sent.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from studio.command_line import farm_places as places
from studio.command_line import movies, values
from studio.command_line.authors import author_of
from studio.command_line.console import Console
from studio.command_line.farm_pictures import Pictures
from studio.command_line.interrupts import Interrupts
from studio.command_line.render import Request, frames_of, read_request
from studio.errors import (
    BadAsset,
    Cancelled,
    CannotWrite,
    DeviceFault,
    OutOfDeviceMemory,
    StudioError,
    Unsupported,
    UsageError,
)
from studio.farm.engines.engine import Engine, engines, open_engine
from studio.farm.jobs import RenderJob
from studio.farm.model import Event, Needs
from studio.farm.money.prices import PriceList
from studio.farm.movie import Going, last_movie, movie_frames, movie_of
from studio.farm.orders import works
from studio.farm.preflight import preflight, worst
from studio.farm.request import engine_of as engine_of
from studio.farm.request import hand_in, hand_over, remember
from studio.farm.session import job_folder
from studio.farm.store import Store
from studio.farm.submission import Submission
from studio.farm.trust.credits import Author
from studio.render.device import cache_root, system_memory
from studio.render.sequence import check_folder
from studio.scene.project import is_project
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.farm.house import House
    from studio.farm.local import LocalFarm

LOCAL = "local"
_ASKED = ("frames", "settings", "output")  # fields of a request; others are of the scene
_POLL_S = 0.5
_FAULTS: dict[int, type[StudioError]] = {
    kind.code: kind for kind in (UsageError, BadAsset, Unsupported, DeviceFault, OutOfDeviceMemory, CannotWrite)
}


def submit(args: argparse.Namespace, console: Console) -> int:
    """Send a job, and wait for it where that is asked for; returns the exit code."""
    request = read_farm_request(args)
    nodes = places.nodes_of(args.nodes, args.device)
    author = author_of(args) if args.wait else None
    if not args.wait and args.credentials:
        raise UsageError("credentials come with the pictures: submit with --wait, or fetch with --credentials")
    if args.house is not None and not (args.wait and args.prices):
        raise UsageError("--house is for --wait with --prices; where studio farm serve runs, it has its own")
    engine = _engine(args)
    prices = places.price_list(args.prices)
    source, scene = read_scene(args, console)
    submission = submission_of(args, request, scene)
    check_findings(args, console, scene, submission, source, request)
    if args.check:
        return 0
    if request.movie is not None:
        movies.check_place(request.movie)
    check_folder(request.output.parent)
    store = places.store_of(args.store, make=True)
    job = _sent(args, console, store, source, scene, submission)
    if engine is not None:
        _hand_over(args, console, store, engine, job)
    going = _noted(args, store, job, scene, request)
    if not args.wait:
        console.result(job.spec.id)
        if engine is None and not works(store):
            console.say("Nobody works at this store now; start by studio farm serve --nodes 1, or submit with --wait.")
        return 0
    return _wait(args, console, store, job, going, engine, nodes, prices, author)


def _noted(args: argparse.Namespace, store: Store, job: RenderJob, scene: Scene, request: Request) -> Going:
    """Where the pictures go on this machine, or the movie that they become; it is noted."""
    keep = args.resume or (args.wait and args.skip_existing)
    if request.movie is None:
        remember(store, job, request.output, request.look, keep=keep)
        return Going(request.output, request.look)
    export = movies.settings_of(args, request.movie, movie_frames(job), request.settings, request.look)
    movie = movie_of(scene, export, request.movie, project=_project(Path(args.scene)))
    remember(store, job, request.movie, request.look, keep=keep, movie=movie)
    return Going(request.output, movies.kept_look(request.look), last_movie(job_folder(store, job.spec.id)))


def _wait(
    args: argparse.Namespace,
    console: Console,
    store: Store,
    job: RenderJob,
    going: Going,
    engine: Engine | None,
    nodes: int,
    prices: PriceList | None,
    author: Author | None,
) -> int:
    """Stay until the pictures are there; the exit code."""
    from studio.farm.house import open_house
    from studio.farm.local import LocalFarm

    console.patient = True
    keep, cores = args.resume or args.skip_existing, places.cores_each(args.threads, 1)
    with (
        Interrupts() as interrupts,
        Pictures(store, job, going, console, keep=keep, threads=cores, author=author) as pictures,
    ):
        pictures.poll()
        if not pictures.done and engine is not None:
            code = _watch(args, console, store, engine, job, pictures, interrupts)
        elif not pictures.done:
            waiting = _Waiting(args, console, job, pictures, interrupts)
            threads, cache = places.cores_each(args.threads, nodes), cache_root() / "farm"
            with (
                open_house(
                    places.house_of(args.house),
                    store=store,
                    prices=prices,
                    settles=args.house is not None,
                    device=args.device,
                    threads=threads,
                    cache=cache,
                    listener=waiting.hear,
                ) as house,
                LocalFarm(
                    places.place_of(args.store),
                    nodes=nodes,
                    threads=threads,
                    device=args.device,
                    cache=cache,
                    service=house.service,
                ) as farm,
            ):
                code = waiting.run(farm, house)
        else:
            code = 0
        if not code:
            if not pictures.make_movie(Path(args.output), interrupts.reason):
                return interrupts.exit_code
            pictures.tell("done")
        return code


# --- the request -----------------------------------------------------------------------------------------------------
def read_farm_request(args: argparse.Namespace) -> Request:
    """The flags of a render, without those that a farm has no use for. Raises UsageError."""
    refused = {
        "partial": "--partial: the store has the partials",
        "sample_range": "--sample-range: a farm chooses ranges itself",
        "report": "--report: the farm's log says how far it is (studio farm log)",
    }
    for name, sentence in refused.items():
        if getattr(args, name) not in (None, False):
            raise UsageError(f"a farm's job has no {sentence}; leave it out")
    return read_request(args)


def read_scene(args: argparse.Namespace, console: Console) -> tuple[Path, Scene]:
    """The scene and where it was read from; what the reader noticed is said."""
    from studio.assets.load import load_scene

    source = Path(args.scene)
    try:
        there = bool(args.scene) and source.exists()
    except (OSError, ValueError):
        there = False  # a name that no file can have
    if not there:
        raise BadAsset(f"there is no scene {args.scene[:200]!r}; check the path")
    scene, notes = load_scene(source, variant=args.variant, strict=args.strict)
    for sentence in (*notes.dropped, *notes.warnings):
        console.say(sentence)
        console.event("warning", message=sentence)
    return source, scene


def submission_of(args: argparse.Namespace, request: Request, scene: Scene) -> Submission:
    """What is to be rendered, of the flags and the scene."""
    frames = request.frames
    if frames is None:
        frames = frames_of(scene, request.output)
    return Submission(
        settings=request.settings,
        frames=tuple(float(frame) for frame in frames),
        camera=args.camera,
        name=args.name if "name" in args else "",
        output=str(request.movie or request.output),
        look=request.look,
        tiles=_tiles(args.tiles) if "tiles" in args and args.tiles is not None else (1, 1),
        needs=Needs(trust=values.whole(args.trust, "--trust", 0, 3) if "trust" in args else 0),
        priority=values.whole(args.priority, "--priority", 0, 100) if "priority" in args else 50,
        owner=args.owner if "owner" in args else "",
        cap_micros=places.amount(args.cap, "--cap") if "cap" in args else 0,
        yields=not ("keep_nodes" in args and args.keep_nodes),
    )


def _tiles(text: str) -> tuple[int, int]:
    columns, cross, rows = text.partition("x")
    if not cross:
        raise UsageError(f"cannot read the tiles {text[:40]!r}; write columns x rows, like 4x2")
    return values.whole(columns, "--tiles", 1, 64), values.whole(rows, "--tiles", 1, 64)


def check_findings(
    args: argparse.Namespace,
    console: Console,
    scene: Scene,
    submission: Submission,
    source: Path,
    request: Request,
) -> None:
    """Say what would go wrong. Raises BadAsset for what would stop a node; of several the first, the rest is said."""
    memory = system_memory() if args.engine == LOCAL else 0
    findings = preflight(scene, submission, source=source, output=request.output, memory_bytes=memory)
    for finding in findings:
        console.event("finding", severity=finding.severity, message=finding.sentence, field=finding.field)
        if args.check or finding.severity != "info":
            say = console.result if args.check else console.say
            say(f"{finding.severity}: {finding.sentence}")
    if worst(findings) == "error":
        fault = UsageError if findings[0].field in _ASKED else BadAsset
        raise fault(findings[0].sentence.rstrip("."))


def _sent(
    args: argparse.Namespace, console: Console, store: Store, source: Path, scene: Scene, submission: Submission
) -> RenderJob:
    """The job in the store; one that is there already goes on."""

    def progress(done: int, total: int) -> None:
        console.progress(f"Sending the scene: {done / 1e6:.1f} of {total / 1e6:.1f} MB")

    sent = hand_in(store, scene, submission, project=_project(source), progress=progress, go_on=args.resume)
    job, stands = sent.job, sent.before
    id_ = job.spec.id
    console.event(
        "submitted",
        job=id_,
        new=sent.fresh,
        bundle=sent.sent.bundle,
        bytes=sent.sent.size,
        sent=sent.sent.sent,
        pieces=len(job.spec.pieces),
    )
    console.say(f"Job {id_}: {sent.sent.sent / 1e6:.1f} of {sent.sent.size / 1e6:.1f} MB sent to {store.name}.")
    if stands is not None:
        console.say(f"It was submitted before and goes on: {stands.done} of {stands.total} samples are there.")
    return job


def _project(source: Path) -> Path | None:
    """The project's folder, of which the scene may be a version or a backup; None for any other file."""
    if not is_project(source):
        return None
    folder = source.parent if source.is_file() else source
    return folder.parent if folder.name in ("versions", "backups") else folder


# --- on this machine -------------------------------------------------------------------------------------------------
class _Waiting:
    """Waits for a job of the local engine."""

    def __init__(
        self, args: argparse.Namespace, console: Console, job: RenderJob, pictures: Pictures, interrupts: Interrupts
    ) -> None:
        self._args, self._console, self._job = args, console, job
        self._pictures, self._interrupts = pictures, interrupts
        self._code = 1  # of the unit that failed last
        self._told = ""

    def hear(self, event: Event) -> None:
        """An event of the coordinator."""
        if event.kind == "failed" and event.attempt:
            code = event.text.partition(":")[0]
            self._code = int(code) if code.isdecimal() else 1

    def run(self, farm: LocalFarm, house: House) -> int:
        """Until the pictures are there; the exit code."""
        id_ = self._job.spec.id
        farm.submit(self._job)
        while True:
            farm.wait(id_, timeout_s=_POLL_S)
            for note in house.tick():
                self._console.say(note)
                self._console.event("warning", message=note)
            stands = farm.service.status(id_)
            self._pictures.poll(looks=self._args.previews)
            if self._pictures.done:
                return 0
            if stands.state == "failed":
                raise _FAULTS.get(self._code, StudioError)(f"the job {id_} failed: {stands.why or 'see its log'}")
            if stands.state == "cancelled":
                raise Cancelled(f"the job {id_} was cancelled; what is rendered stays in the store")
            if not farm.works:
                raise DeviceFault("the nodes of this machine end again and again; look at studio doctor")
            self._tell(stands.state, stands.why, stands.done / max(stands.total, 1), stands.running, stands.left_s)
            if self._console.fault is not None:
                _unheard(self._console)
            if self._interrupts.reason():
                return self._stopped(farm)

    def _tell(self, state: str, why: str, share: float, running: int, left_s: float) -> None:
        left = f", about {left_s:.0f} s left" if left_s > 0 else ""
        self._console.progress(f"{share:.1%} of the samples, {running} units at work{left}")
        self._console.event("progress", share=round(share, 4), running=running, left_s=round(left_s, 1), state=state)
        said = f"The job is {state}{': ' if why else ''}{why}."
        if (state in ("paused", "capped", "draining") or why) and said != self._told:
            self._told = said
            self._console.say(said)

    def _stopped(self, farm: LocalFarm) -> int:
        self._console.say("Stopping: nodes hand in what they have; once more to stop at once.")
        farm.close()
        self._pictures.poll()
        code = self._interrupts.exit_code
        self._console.event("stopped", reason="interrupted", code=code, job=self._job.spec.id)
        self._console.say("Stopped: what is rendered is kept in the store; go on by the same command with --resume.")
        return code


def _unheard(console: Console) -> NoReturn:
    assert console.fault is not None
    if isinstance(console.fault, BrokenPipeError):
        raise console.fault
    reason = (console.fault.strerror or str(console.fault)).lower()
    raise CannotWrite(f"cannot write to standard output: {reason}; the job goes on with --resume") from console.fault


# --- elsewhere -------------------------------------------------------------------------------------------------------
def _engine(args: argparse.Namespace) -> Engine | None:
    """The engine that was asked for; None is this machine."""
    if args.engine == LOCAL:
        if args.address:
            raise UsageError("--address is of another engine; leave it out, or name that with --engine")
        return None
    if args.engine not in engines():
        raise UsageError(
            f"there is no engine {args.engine[:40]!r}; choose from {', '.join([LOCAL, *sorted(engines())])}"
        )
    if not args.address:
        raise UsageError(f"say where {args.engine} is, by --address")
    return open_engine(args.engine, args.address)


def _hand_over(args: argparse.Namespace, console: Console, store: Store, engine: Engine, job: RenderJob) -> None:
    """Give a job in the store to an engine, and remember what it is called there."""

    def tell(sentence: str) -> None:
        console.say(sentence)
        console.event("finding", severity="error", message=sentence)

    place = places.place_of(args.store)
    ref = hand_over(store, place, engine, job, address=args.address, go_on=args.resume, tell=tell)
    console.event("handed over", engine=engine.name, job=job.spec.id, id=ref.id)
    console.say(f"{engine.name} has it as {ref.id}.")


def _watch(
    args: argparse.Namespace,
    console: Console,
    store: Store,
    engine: Engine,
    job: RenderJob,
    pictures: Pictures,
    interrupts: Interrupts,
) -> int:
    """Wait for a job that another engine renders."""
    found = engine_of(store, job.spec.id)
    if found is None:
        raise UsageError(f"{engine.name} does not know the job {job.spec.id}; submit it again")
    while not pictures.done:
        time.sleep(_POLL_S)
        pictures.poll(looks=args.previews)
        stands = engine.status(found[1])
        if stands.state in ("failed", "cancelled", "lost") and not pictures.done:
            raise StudioError(f"the job {job.spec.id} is {stands.state}: {stands.text or 'see its log'}")
        console.progress(f"{stands.done / max(stands.total, 1):.1%} of the samples, {stands.state}")
        if interrupts.reason():
            console.say(f"{engine.name} goes on; come back by studio farm fetch {job.spec.id}.")
            return interrupts.exit_code
    return 0
