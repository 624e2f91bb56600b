"""`studio queue`: the local queue from the command line, the same one that the app shows."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from studio.command_line import values
from studio.command_line.console import Console
from studio.command_line.interrupts import Interrupts
from studio.errors import BadAsset, UsageError
from studio.render.export import CORNERS, FORMATS, ExportSettings, read_export
from studio.render.frames import parse_frames
from studio.render.protocol import Compiling, Event, Ready
from studio.render.queue import FrameState, JobState, Queue, ensure_runner
from studio.render.queue_check import check_export
from studio.render.session import FrameProgress
from studio.render.video import movie_format

_STATES = {  # jobs that an action is for when all are meant
    "pause": ("waiting", "rendering"),
    "resume": ("paused",),
    "cancel": ("waiting", "rendering", "paused"),
    "retry": ("failed", "cancelled"),
    "remove": ("done", "failed", "cancelled"),
}
_LARGEST_SETTINGS = 1 << 20


def run(args: argparse.Namespace, console: Console) -> int:
    """Do what the action says; returns the exit code."""
    path = Path(args.queue) if args.queue else None
    if args.action == "run":
        return _run(args, console, path)
    queue = Queue(path)
    try:
        _notes(queue, console)
        match args.action:
            case "list":
                _list(args, console, queue)
            case "add":
                _add(args, console, queue, path)
            case "move":
                queue.move([_number(args.job)], values.whole(args.position, "the place", 1, 100_000) - 1)
            case "log":
                for line in queue.log(_number(args.job)):
                    console.result(f"{_moment(line.time)}  {line.text}")
                    console.event("log", time=line.time, text=line.text)
            case _:
                _change(args, console, queue)
    finally:
        queue.store.close()
    return 0


def _notes(queue: Queue, console: Console) -> None:
    for sentence in queue.notes:
        console.say(sentence)
        console.event("warning", message=sentence)


def _number(text: str) -> int:
    return values.whole(text, "the number of a job", 1, 1 << 40)


# --- what there is ---------------------------------------------------------------------------------------------------
def _list(args: argparse.Namespace, console: Console, queue: Queue) -> None:
    if args.jobs:
        for id_ in dict.fromkeys(_number(text) for text in args.jobs):
            _tell_job(console, queue.job(id_))
            for frame in queue.frames(id_):
                _tell_frame(console, id_, frame)
        return
    jobs = queue.jobs()
    for job in jobs:
        _tell_job(console, job)
    console.event("queue", jobs=len(jobs), runner=queue.runner_works(), revision=queue.revision())
    if not jobs:
        console.say("The queue is empty.")


def _tell_job(console: Console, job: JobState) -> None:
    left = f", {_duration(job.eta_s)} left" if job.eta_s is not None and job.state in ("waiting", "rendering") else ""
    failed = f", {job.failed} failed" if job.failed else ""
    console.result(f"{job.id:4}  {job.state:9}  {job.done}/{job.total}{failed}{left}  {job.name}  {job.output}")
    if job.message:
        console.result(f"      {job.message}")
    console.event("job", **msgspec.to_builtins(job, enc_hook=str))


def _tell_frame(console: Console, job: int, frame: FrameState) -> None:
    said = f"  {frame.message}" if frame.message else ""
    samples = f"{frame.samples:.4g} of {frame.of}"
    console.result(f"        {frame.frame:6}  {frame.state:9}  {samples}, {frame.seconds:.1f} s  {frame.path}{said}")
    console.event("frame", job=job, **msgspec.to_builtins(frame, enc_hook=str))


def _moment(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


# --- changing it -----------------------------------------------------------------------------------------------------
def _change(args: argparse.Namespace, console: Console, queue: Queue) -> None:
    """Pause, resume, cancel, retry or remove jobs."""
    if bool(args.jobs) == args.all:
        raise UsageError(f"say which jobs to {args.action}, or --all; see them by studio queue list")
    states = {job.id: job.state for job in queue.jobs()}
    ids = [_number(text) for text in args.jobs] or [i for i, state in states.items() if state in _STATES[args.action]]
    if unknown := [id_ for id_ in ids if id_ not in states]:
        raise UsageError(f"there is no job {unknown[0]} in the queue; see them by studio queue list")
    if args.action == "retry":
        queue.retry(ids, parse_frames(args.frames) if args.frames is not None else None)
    else:
        {"pause": queue.pause, "resume": queue.resume, "cancel": queue.cancel, "remove": queue.remove}[args.action](ids)
    there = {job.id: job for job in queue.jobs()}
    for id_ in ids:
        if id_ in there:
            _tell_job(console, there[id_])
        else:
            console.result(f"{id_:4}  removed")
            console.event("removed", id=id_)
    if args.action in ("resume", "retry") and ids and not queue.runner_works():
        console.say("Nobody renders now; start by studio queue run.")


def _add(args: argparse.Namespace, console: Console, queue: Queue, path: Path | None) -> None:
    settings = read_settings(args)
    scene_path = Path(args.scene)
    from studio.assets.load import load_scene
    from studio.scene.project import is_project

    if not args.scene or "\0" in args.scene or not scene_path.exists():
        raise BadAsset(f"there is no scene {args.scene!r}; check the path")
    scene, notes = load_scene(scene_path, variant=args.variant, strict=args.strict)
    project = (scene_path.parent if scene_path.is_file() else scene_path) if is_project(scene_path) else None
    for sentence in (*notes.dropped, *notes.warnings):
        console.say(sentence)
        console.event("warning", message=sentence)
    for finding in check_export(scene, settings, project, queue=queue.store.file):
        if finding.severity == "error":
            raise UsageError(finding.sentence.rstrip("."))
        if finding.kind != "exists":
            console.say(finding.sentence)
            console.event(finding.severity, message=finding.sentence)
    id_ = queue.add(scene, settings, name=args.name, project=project)
    _tell_job(console, queue.job(id_))
    if args.run:
        ensure_runner(path)
    elif not queue.runner_works():
        console.say("Nobody renders now; start by studio queue run.")


def read_settings(args: argparse.Namespace) -> ExportSettings:
    """The settings of the flags over those of a file. Raises `UsageError`."""
    found = _settings_file(args.settings) if args.settings is not None else ExportSettings(overwrite="ask")
    given: dict[str, Any] = {}
    if args.size is not None:
        given["width"], given["height"] = values.size(args.size)
    for name in ("output", "frames", "camera", "view", "display", "compression", "overwrite", "device", "artist"):
        if getattr(args, name) is not None:
            given[name] = getattr(args, name)
    for name in ("samples", "depth", "seed", "quality", "threads"):
        if getattr(args, name) is not None:
            given[name] = values.whole(getattr(args, name), f"--{name}", 0, 1 << 40)
    numbers = {
        "error": "error",
        "time_limit": "time_limit_s",
        "exposure": "exposure_ev",
        "dwa_level": "dwa_level",
        "bitrate": "bitrate_mbps",
    }
    for flag, name in numbers.items():
        if getattr(args, flag) is not None:
            given[name] = values.number(getattr(args, flag), f"--{flag.replace('_', '-')}", -1e12, 1e12)
    given |= {name: True for name in _ON if getattr(args, name)}
    given |= {name: False for flag, name in _OFF.items() if getattr(args, flag)}
    if args.aov:
        given["aovs"] = [name for text in args.aov for name in text.split(",")]
    if args.burn_in:
        given["burn_ins"] = _burn_ins(args.burn_in)
    if args.slate_text:
        given["slate_texts"] = args.slate_text
    given["format"] = _format(args, found)
    return read_export(msgspec.json.encode({**msgspec.to_builtins(found), **given}))


_ON = ("light_groups", "light_layers", "cryptomatte", "denoise", "alpha", "slate")
_OFF = {"float": "half", "one_part": "multi_part", "no_audio": "audio"}


def _settings_file(text: str) -> ExportSettings:
    file = Path(text)
    try:
        if file.stat().st_size > _LARGEST_SETTINGS:
            raise BadAsset(f"{file} is too large for the settings of an export; choose another file")
        return read_export(file.read_bytes())
    except (OSError, ValueError) as fault:
        reason = (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
        raise BadAsset(f"{text[:80]!r} cannot be read: {reason.lower()}; check the path") from None


def _format(args: argparse.Namespace, found: ExportSettings) -> str:
    """The format: as said, or by the extension of the output, or as the settings have it."""
    if args.format is not None:
        return str(args.format)
    suffix = Path(args.output or "").suffix.lower()
    if args.output is None or suffix in FORMATS.get(found.format, FORMATS["exr"]).suffixes:
        return found.format
    if suffix in (".mp4", ".mov"):
        return movie_format(Path(args.output))
    plain = {".exr": "exr", ".png": "png8", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff8", ".tiff": "tiff8"}
    return plain.get(suffix, found.format)


def _burn_ins(given: Sequence[str]) -> list[str]:
    texts = [""] * len(CORNERS)
    for text in given:
        place, equals, words = text.partition("=")
        name = " ".join(place.replace("-", " ").lower().split())
        if not equals or name not in CORNERS:
            raise UsageError(f"cannot read the burn-in {text[:40]!r}; write PLACE=TEXT with {', '.join(CORNERS)}")
        texts[CORNERS.index(name)] = words
    return texts


# --- rendering -------------------------------------------------------------------------------------------------------
def _run(args: argparse.Namespace, console: Console, path: Path | None) -> int:
    from studio.render.queue_run import Runner, yield_processor

    linger = values.number(args.linger, "--linger", 0, 1e7)
    checkpoint = values.number(args.checkpoint, "--checkpoint", 0, 1e7)
    yield_processor()
    queue = Queue(path)
    _notes(queue, console)
    console.patient = True

    def hear(event: Event) -> None:
        if isinstance(event, Ready):
            console.say(f"Rendering on {event.device}.")
            console.event("device", backend=event.backend, name=event.device, device_class=event.device_class)
        elif isinstance(event, Compiling):
            console.progress(f"Preparing kernels, {event.step + 1} of {event.steps}: {event.what}")

    def progress(job: int, now: FrameProgress) -> None:
        console.progress(f"Job {job}, frame {now.frame:g}: {now.samples:.1f} of {now.of} samples, {now.seconds:.1f} s")

    with Interrupts() as interrupts:
        runner = Runner(
            queue,
            stop=interrupts.reason,
            say=console.say,
            hear=hear,
            progress=progress,
            checkpoint_s=checkpoint,
            linger_s=linger,
        )
        if not runner.run():
            raise UsageError("another runner works at this queue; there is one at a time")
    worked = [job for job in queue.jobs() if job.id in runner.worked]
    for job in worked:
        _tell_job(console, job)
    queue.store.close()
    if interrupts.signal:
        return interrupts.exit_code
    return 0 if all(job.state != "failed" and not (job.state == "paused" and job.message) for job in worked) else 1
