"""`studio render`: a scene to a still or an image sequence.

The worker is started first of all, so that it imports and compiles while the scene is read; but only after everything
that can be refused without it has been looked at.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studio.command_line import movies, values
from studio.command_line.authors import author_of, signs_frames, signs_movie
from studio.command_line.console import Console
from studio.command_line.interrupts import Interrupts
from studio.command_line.looks import read_look
from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.render.adaptive import BLOCK_PX
from studio.render.checkpoint import PART, part_path
from studio.render.film import check_aovs
from studio.render.finish import Look
from studio.render.frames import has_frame, parse_frames
from studio.render.layer_plan import check_settings
from studio.render.output import EXTENSIONS
from studio.render.protocol import Compiling, Event, Ready
from studio.render.sequence import Ear, FrameDone, Job, check_outputs, render_job
from studio.render.session import INTERRUPTED, FrameProgress, RenderSession
from studio.render.settings import DEEPEST, MOST_SAMPLES, RenderSettings
from studio.scene.scene import Scene

FILTERS = ("blackman-harris", "box")
_PROGRESS_S = 0.1
_MOST_SEQUENCE = 100_000


@dataclass(frozen=True, slots=True)
class Request:
    """What the flags ask for, all of it checked."""

    output: Path
    frames: Sequence[int] | None  # None: by the scene
    settings: RenderSettings
    look: Look
    whole_range: tuple[int, int] | None
    movie: Path | None = None  # then `output` is where its frames wait for it


def run(args: argparse.Namespace, console: Console) -> int:
    """Render; returns the exit code."""
    if args.report not in (None, "openjd"):
        raise UsageError(f"there is no report {args.report[:40]!r}; openjd is the only one")
    try:
        return _run(args, console)
    except StudioError as fault:
        if args.report is not None:
            console.result(f"openjd_fail: {' '.join(str(fault).split())}")
        raise


def _run(args: argparse.Namespace, console: Console) -> int:
    scene_path = Path(args.scene)
    request = read_request(args)
    author = author_of(args) if not args.partial else None
    if not args.scene or not _exists(scene_path):
        raise BadAsset(f"there is no scene {args.scene!r}; check the path")
    if request.movie is not None:
        movies.check_place(request.movie)
    elif request.frames is not None:
        check_outputs(_job(args, request, Scene(), request.frames))
    report = _Report(console, to_manager=args.report is not None)
    if author is not None and request.movie is None:
        report.sign = signs_frames(author, scene_path, denoised=request.look.denoise)
    with (
        Interrupts() as interrupts,
        RenderSession(device=args.device, threads=_threads(args), listener=report.hear) as session,
    ):
        from studio.assets.load import load_scene

        begun = time.perf_counter()
        scene, notes = load_scene(scene_path, variant=args.variant, strict=args.strict)
        for sentence in (*notes.dropped, *notes.warnings):
            console.say(sentence)
            console.event("warning", message=sentence)
        job = _job(args, request, scene, request.frames or frames_of(scene, request.output))
        check_outputs(job)
        report.seconds["load"] = time.perf_counter() - begun
        report.of = len(job.frames)
        interrupts.limit(request.settings.time_limit_s)
        ear = Ear(say=report.warn, progress=report.progress, frame_done=report.frame_done)
        console.patient = True
        finished = render_job(
            session, job, ear=ear, stop=lambda: INTERRUPTED if console.fault is not None else interrupts.reason()
        )
        report.seconds["compile"] = session.compile_seconds
    if finished and request.movie is not None:
        movies.encode_kept(args, console, request.movie, scene, job.frames, request.settings, request.look)
        if author is not None:
            samples, device = request.settings.samples, report.device
            signs_movie(author, request.movie, scene_path, samples, device, denoised=request.look.denoise)
    if console.fault is not None and not interrupts.signal:
        kept = "" if finished else f"; {report.kept()}"
        if isinstance(console.fault, BrokenPipeError):
            console.say(f"Nobody reads standard output any more{kept}.")
            raise console.fault
        reason = (console.fault.strerror or str(console.fault)).lower()
        raise CannotWrite(f"cannot write to standard output: {reason}{kept}") from console.fault
    if finished:
        report.done()
        return 0
    report.stopped("time limit" if not interrupts.signal else "interrupted", interrupts.exit_code)
    return interrupts.exit_code


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # a name that no file can have


def _threads(args: argparse.Namespace) -> int:
    return values.whole(args.threads, "--threads", 1, 1024) if args.threads is not None else 0


def frames_of(scene: Scene, output: Path) -> list[int]:
    """The scene's frames for a pattern, its first for a single picture."""
    first, last = int(scene.frame_start), int(scene.frame_end)
    if not has_frame(output) or not first < last:
        return [first]
    if last - first >= _MOST_SEQUENCE:
        raise UsageError(f"the scene has {last - first + 1} frames; say which to render with --frames")
    return list(range(first, last + 1))


def read_request(args: argparse.Namespace) -> Request:
    """Check every flag that can be checked without the scene. Raises `UsageError`."""
    output = Path(args.output)
    if args.output.endswith(("/", os.sep)):
        raise UsageError(f"{args.output} is a folder; name a file in it, like {output / 'frame.####.exr'}")
    if args.partial and output.suffix != PART:
        # "tile.1" and "tile.2" are two parts
        output = part_path(output) if output.suffix.lower() in EXTENSIONS else Path(f"{output}{PART}")
    look = read_look(args, output)
    width, height = values.size(args.size)
    movie = output if movies.is_movie(output) and not args.partial else None
    if movie is not None:
        movies.check_flags(args, movie, (width, height))
    elif args.codec is not None:
        raise UsageError(f"--codec shapes movies, not {output.name}; leave it out or write .mp4 or .mov")
    crop = values.crop(args.crop, width, height) if args.crop is not None else None
    first, samples, whole = _samples(args)
    error = values.number(args.error, "--error", 0, 10) if args.error is not None else 0.0
    if error and args.sample_range is not None:
        raise UsageError("--error decides how many samples a pixel gets; it cannot be combined with --sample-range")
    if error and args.partial and crop and not _aligned(crop, width, height):
        raise UsageError(f"--error decides by blocks of {BLOCK_PX} pixels; give --crop edges that are multiples of it")
    aovs = check_aovs(name for given in args.aov for name in given.split(","))
    layered = aovs or args.light_groups or args.light_layers or args.cryptomatte
    if layered and output.suffix.lower() not in (".exr", PART):
        raise UsageError(f"{output.name} has no room for AOVs or light layers; write .exr, or leave them out")
    if args.filter not in FILTERS:
        raise UsageError(f"there is no filter {args.filter!r}; choose from {', '.join(FILTERS)}")
    if args.filter_width is not None and args.filter == "box":
        raise UsageError("the box filter is one pixel wide; leave --filter-width out")
    limit = values.number(args.time_limit, "--time-limit", 0, 1e9) if args.time_limit is not None else 0.0
    settings = RenderSettings(
        width=width,
        height=height,
        crop=crop,
        samples=samples,
        first_sample=first,
        depth=values.whole(args.depth, "--depth", 1, DEEPEST),
        seed=values.whole(args.seed, "--seed", 0, (1 << 31) - 1),
        filter=args.filter,
        filter_width_px=values.number(
            "3" if args.filter_width is None else args.filter_width, "--filter-width", 0.1, 16
        ),
        error=error,
        time_limit_s=limit,
        aovs=aovs,
        light_groups=args.light_groups,
        light_layers=args.light_layers,
        cryptomatte=args.cryptomatte,
        clamp_indirect=values.number(
            "0" if args.clamp_indirect is None else args.clamp_indirect, "--clamp-indirect", 0, 1e12
        ),
    )
    check_settings(settings, partial=args.partial)
    frames = parse_frames(args.frames) if args.frames is not None else None
    output = output if movie is None else movies.kept_pattern(movie)
    return Request(output, frames, settings, look, whole, movie)


def _samples(args: argparse.Namespace) -> tuple[int, int, tuple[int, int] | None]:
    """First sample, how many, and the range that all partials together are to have."""
    given = values.whole(args.samples, "--samples", 1, MOST_SAMPLES) if args.samples is not None else None
    if args.sample_range is None:
        samples = given if given is not None else RenderSettings().samples
        return 0, samples, (0, samples)
    first, end = values.sample_range(args.sample_range, given)
    if given is not None and end > given:
        raise UsageError(f"the sample range {args.sample_range} goes beyond --samples {given}")
    return first, end - first, (0, given) if given is not None else None


def _aligned(crop: tuple[int, int, int, int], width: int, height: int) -> bool:
    edges = ((crop[0], width), (crop[2], width), (crop[1], height), (crop[3], height))
    return all(edge % BLOCK_PX == 0 or edge == end for edge, end in edges)


def _job(args: argparse.Namespace, request: Request, scene: Scene, frames: Sequence[int]) -> Job:
    return Job(
        scene=scene,
        output=request.output,
        frames=frames,
        settings=request.settings,
        look=request.look if request.movie is None else movies.kept_look(request.look),
        camera=args.camera,
        partial=args.partial,
        whole_range=request.whole_range,
        resume=args.resume,
        skip_existing=args.skip_existing,
        threads=_threads(args),
    )


@dataclass(slots=True)
class _Report:
    """Tells a job's story on the console and adds up what it cost."""

    console: Console
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("load", "compile", "build", "render", "denoise", "write"), 0.0)
    )
    frames: list[FrameDone] = field(default_factory=list)
    rays: int = 0
    peak_bytes: int = 0
    device: str = ""
    told: float = 0.0
    rendered: FrameDone | None = None
    said: set[str] = field(default_factory=set)
    to_manager: bool = False  # in the words of Open Job Description ("How jobs are run", stdout/stderr messages)
    of: int = 1  # frames
    percent: int = -1
    sign: Callable[[FrameDone], None] = lambda done: None  # gives a picture its credentials

    def hear(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.device = f"{event.backend} ({event.device})"
            if "device" not in self.said:
                self.said.add("device")
                self.console.say(f"Rendering on {self.device}.")
            self.console.event("device", backend=event.backend, name=event.device, device_class=event.device_class)
        elif isinstance(event, Compiling):
            self.console.progress(f"Preparing kernels, {event.step + 1} of {event.steps}: {event.what}")
            self.console.event("compile", step=event.step, steps=event.steps, what=event.what)

    def warn(self, sentence: str) -> None:
        self.console.say(sentence)
        self.console.event("warning", message=sentence)

    def progress(self, now: FrameProgress) -> None:
        clock = time.monotonic()
        if clock - self.told < _PROGRESS_S and now.samples < now.of:
            return
        self.told = clock
        self.console.progress(f"Frame {now.frame:g}: {now.samples:.1f} of {now.of} samples, {now.seconds:.1f} s")
        self.console.event(
            "progress", frame=now.frame, samples=round(now.samples, 3), of=now.of, seconds=round(now.seconds, 3)
        )
        self._tell_manager(now.samples / max(now.of, 1))

    def _tell_manager(self, share: float) -> None:
        """The percentage of all frames, when it has changed; `share` is of the frame at work."""
        percent = int(100 * min(len(self.frames) + share, self.of) / self.of)
        if self.to_manager and percent != self.percent:
            self.percent = percent
            self.console.result(f"openjd_progress: {percent}")

    def frame_done(self, done: FrameDone) -> None:
        self.frames.append(done)
        if done.result is not None:
            self.rendered = done
            self.rays += done.result.rays
            self.peak_bytes = max(self.peak_bytes, done.result.peak_bytes)
            for name, seconds in done.seconds.items():
                self.seconds[name] += seconds
        if done.stopped:
            return
        self._tell_manager(0.0)
        self.sign(done)
        if done.path is not None:
            self.console.result(str(done.path))
        self.console.event("frame", frame=done.frame, path=done.path, skipped=done.skipped)
        if done.skipped:
            self.console.say(f"Frame {done.frame} is there already: {done.path}")

    def _summary(self) -> dict[str, object]:
        film = self.rendered.result.film if self.rendered and self.rendered.result else None
        return {
            "frame": self.frames[-1].frame if self.frames else None,
            "frames": len(self.frames),
            "samples": int(film.counts.max(initial=0)) if film else 0,
            "samples_mean": round(float(film.counts.mean()), 3) if film else 0.0,
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
            "rays": self.rays,
            "device": self.device,
            "peak_bytes": self.peak_bytes,
        }

    def done(self) -> None:
        self.console.event("done", **self._summary())
        total = sum(self.seconds[name] for name in ("build", "render", "denoise", "write"))
        self.console.say(f"Done: {len(self.frames)} frame{'s'[: len(self.frames) != 1]} in {total:.1f} s.")

    def stopped(self, why: str, code: int) -> None:
        checkpoint = self.frames[-1].path if self.frames else None
        self.console.event("stopped", reason=why, code=code, checkpoint=checkpoint, **self._summary())
        self.console.say(f"Stopped ({why}): {self.kept()}.")

    def kept(self) -> str:
        """What became of the frame that was stopped."""
        checkpoint = self.frames[-1].path if self.frames else None
        return (
            f"what there is was kept in {checkpoint}; go on with --resume" if checkpoint else "nothing was rendered yet"
        )
