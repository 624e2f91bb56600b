"""Frames to files: a job renders a still or an image sequence and writes each frame as soon as it is done.

A frame depends on the scene, the settings and its own number, never on the frame before it, so a frame rendered alone
equals the same frame of the sequence. What a frame takes from its neighbours is work that need not be done twice: flat
scenes share sections, and the worker keeps what it has.

A frame is denoised and written by a thread while the next one renders in the worker, which would otherwise wait. The
thread has one frame at a time, so frames are reported in their order and no more than two films are in memory; a
frame that cannot be written stops the one that renders, as the next one would meet the same disk.
"""

from __future__ import annotations

import os
import queue
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from studio.errors import CannotWrite, StudioError, UsageError
from studio.render.checkpoint import PART, drop_parts, find_part, header_of, keep_part, load_part, part_path, save_part
from studio.render.film import Film, Layout
from studio.render.finish import About, Finish, Look, describe, with_guides
from studio.render.frames import frame_paths
from studio.render.layer_plan import check_settings
from studio.render.layer_writer import LayersWriter
from studio.render.light_layers import layers_path
from studio.render.output import EXTENSIONS
from studio.render.partial import Header
from studio.render.session import INTERRUPTED, FrameProgress, FrameResult, RenderSession, StopReason, layout_of
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flat_camera import active_camera
from studio.scene.flatten import flatten
from studio.scene.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to render and where to. Several frames need `####` in the pattern of the output."""

    scene: Scene
    output: Path
    frames: Sequence[int]
    settings: RenderSettings
    look: Look = field(default_factory=Look)
    camera: str = ""
    partial: bool = False  # leave .part files instead of pictures
    whole_range: tuple[int, int] | None = None  # samples that all partials together are to have
    resume: bool = False
    skip_existing: bool = False
    threads: int = 0  # of the denoiser; 0: all


@dataclass(frozen=True, slots=True)
class FrameDone:
    """A frame of a job. `path` is the picture, the partial, or the checkpoint of a frame that was stopped (None: it
    had no sample yet). `skipped` frames were there already."""

    frame: int
    path: Path | None
    result: FrameResult | None
    seconds: dict[str, float]
    skipped: bool = False

    @property
    def stopped(self) -> str:
        return self.result.stopped if self.result else ""


@dataclass(slots=True)
class Ear:
    """Who hears of a job's progress."""

    say: Callable[[str], None] = lambda sentence: None  # what the artist should know
    progress: Callable[[FrameProgress], None] = lambda progress: None
    frame_done: Callable[[FrameDone], None] = lambda done: None


def check_outputs(job: Job) -> list[Path]:
    """The files of a job, after making sure that they can be written: before anything is rendered.

    Raises `UsageError` for a pattern without `####` for several frames, an extension that is not written or one that
    does not fit `--partial`, for light layers of what cannot have them, and `CannotWrite` for a folder that takes no
    files.
    """
    check_settings(job.settings, partial=job.partial)
    paths = frame_paths(job.output, list(job.frames))
    suffix = job.output.suffix.lower()
    if suffix not in (*EXTENSIONS, PART) or (suffix == PART and not job.partial):
        raise UsageError(f"cannot write {job.output.name!r}: the extension must be one of {', '.join(EXTENSIONS)}")
    if not _is_text(job.output):
        raise CannotWrite(f"cannot write {str(job.output)!a}: the name is not UTF-8; choose another name")
    check_folder(job.output.parent)
    try:
        taken = next((path for path in paths if path.is_dir()), None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotWrite(f"cannot write {job.output.name[:40]!r}...: {reason}; choose another name") from error
    if taken is not None:
        raise CannotWrite(f"cannot write {taken}: it is a folder; name a file")
    return paths


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:  # bytes of another encoding, which OpenImageIO does not take
        return False
    return True


def check_folder(folder: Path) -> None:
    """Make a folder and see that it takes a file; raises `CannotWrite`."""
    probe = folder / f".{uuid.uuid4().hex}.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotWrite(f"cannot write to the folder {folder}: {reason}; choose another folder") from error
    except ValueError as error:
        raise CannotWrite(f"cannot write to the folder {str(folder)!r}: the name holds a zero character") from error
    os.unlink(probe)


def render_job(session: RenderSession, job: Job, *, ear: Ear | None = None, stop: StopReason = lambda: "") -> bool:
    """Render and write every frame; False when `stop` cut it short, after a checkpoint was written."""
    return _Run(session, job, ear or Ear(), stop).run()


@dataclass(frozen=True, slots=True)
class _Made:
    """A frame that was rendered and is not written yet."""

    frame: int
    path: Path
    result: FrameResult
    header: Header
    about: About
    layers: LayersWriter | None = None

    def costs(self, seconds: dict[str, float]) -> dict[str, float]:
        return {**self.result.seconds, **seconds}


def _kept(made: _Made) -> str:
    """Keep the film of a frame whose file cannot be written; what to say of it."""
    try:
        part = keep_part(made.path, made.result.film, made.header)
        if made.layers is not None:
            made.layers.keep()
            made.layers.close()
            return f"its samples are kept in {part}; finish by the same command with --resume"
    except CannotWrite as fault:
        if made.layers is not None:
            made.layers.drop()
        return f"its samples are lost: {fault}"
    return f"its samples are kept in {part}; finish by the same command with --resume, or studio merge {part} -o OUT"


class _Run:
    """A job at work."""

    def __init__(self, session: RenderSession, job: Job, ear: Ear, stop: StopReason) -> None:
        self.session, self.job, self.ear, self.stop = session, job, ear, stop
        self.paths = check_outputs(job)
        self.settings = with_guides(job.settings, denoise=job.look.denoise)
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self.writing: Future[FrameDone] | None = None
        self.sentences: queue.SimpleQueue[str] = queue.SimpleQueue()  # of the writer, for the ear on this thread
        self.finish = Finish(job.look, threads=job.threads, say=self.sentences.put)
        self.said: set[str] = set()
        self.flat: FlatScene | None = None

    def run(self) -> bool:
        try:
            return self._frames()
        except Exception:
            self._settle()  # the frame before the one that failed is a frame all the same
            raise
        finally:
            self.writer.shutdown()
            self.finish.close()

    def _frames(self) -> bool:
        for frame, path in zip(self.job.frames, self.paths, strict=True):
            if self._is_there(path):
                self._settle()
                self.ear.frame_done(FrameDone(frame, path, None, {}, skipped=True))
                continue
            made = self._frame(frame, path)
            self._settle(made)
            if made.result.stopped:
                self.ear.frame_done(self._written(made))
                return False
            self.writing = self.writer.submit(self._written, made)
        self._settle()
        return True

    def _settle(self, meanwhile: _Made | None = None) -> None:
        """Wait for the frame that is being written and report it, or raise what it met, once `meanwhile` is safe."""
        writing, self.writing = self.writing, None
        if writing is None:
            return
        fault = writing.exception()
        while not self.sentences.empty():
            self.ear.say(self.sentences.get())
        if fault is None:
            self.ear.frame_done(writing.result())
            return
        if meanwhile is not None and meanwhile.result.film.counts.any():
            self.ear.say(f"Frame {meanwhile.frame} was stopped for that; {_kept(meanwhile)}.")
        elif meanwhile is not None and meanwhile.layers is not None:
            meanwhile.layers.drop()
        raise fault

    def _reason(self) -> str:
        """Why to stop rendering, asked many times a second: as the caller says, or because a frame was not written."""
        if self.writing is not None and self.writing.done():
            if self.writing.exception() is not None:
                return INTERRUPTED
            self._settle()
        return self.stop()

    def _is_there(self, path: Path) -> bool:
        """Whether a frame need not be rendered. A partial says itself how far it is, when it is resumed."""
        if self.job.partial:
            return self.job.skip_existing and not self.job.resume and part_path(path).is_file()
        whole = path.is_file() and (not self.settings.light_layers or layers_path(path).is_file())
        return (self.job.resume or self.job.skip_existing) and whole and find_part(path) is None

    def _flatten(self, frame: int) -> tuple[FlatScene, FlatScene | None]:
        flat = flatten(self.job.scene, frame, previous=self.flat, camera=self.job.camera)
        self.flat = flat
        for warning in flat.warnings:
            if warning not in self.said:
                self.said.add(warning)
                self.ear.say(warning)
        if "motion" not in self.settings.aovs:
            return flat, None
        # motion is what one camera sees, also where the picture after is another's
        camera = self.job.camera or active_camera(self.job.scene, frame)
        return flat, flatten(self.job.scene, frame + 1, previous=flat, camera=camera)

    def _frame(self, frame: int, path: Path) -> _Made:
        job, settings = self.job, self.settings
        flat, following = self._flatten(frame)
        layout = layout_of(flat, settings)
        whole = (0, 0, settings.width, settings.height) if job.partial else settings.crop
        header = header_of(
            flat,
            settings,
            self.session.info,
            following=following,
            region=whole,
            total=job.whole_range,
        )
        about = describe(flat, header, job.settings)
        header = msgspec.structs.replace(header, state=msgspec.to_builtins(about))
        film = self._resumed(path, header, layout)
        if settings.light_layers:
            return self._layered(frame, path, flat, following, film or Film.of(layout), header, about)
        result = self.session.render_frame(
            flat, settings, following=following, film=film, stop=self._reason, progress=self.ear.progress
        )
        return _Made(frame, path, result, header, about)

    def _layered(
        self,
        frame: int,
        path: Path,
        flat: FlatScene,
        following: FlatScene | None,
        film: Film,
        header: Header,
        about: About,
    ) -> _Made:
        """A frame whose lights are kept apart. What it has is kept when it cannot go on."""
        layers = LayersWriter(
            path, flat, film.layout, about=about.metadata, settings=self.settings, resume=self.job.resume
        )
        try:
            result = self.session.render_frame(
                flat,
                self.settings,
                following=following,
                film=film,
                stop=self._reason,
                progress=self.ear.progress,
                layers=layers,
            )
        except CannotWrite as fault:
            made = _Made(
                frame, path, FrameResult(film, INTERRUPTED, {}, 0, 0, self.session.info), header, about, layers
            )
            raise CannotWrite(f"{fault}; {_kept(made)}") from fault
        except BaseException:
            layers.drop()
            raise
        return _Made(frame, path, result, header, about, layers)

    def _written(self, made: _Made) -> FrameDone:
        """Write a frame, or the part of it that there is. What cannot be written is kept, and the fault says where."""
        film, self.finish.seconds = made.result.film, {}
        begun = time.perf_counter()
        if made.result.stopped:
            try:
                kept = keep_part(made.path, film, made.header)
                if made.layers is not None:
                    made.layers.keep()
                    made.layers.close()
            except CannotWrite:
                if made.layers is not None:
                    made.layers.drop()
                raise
            return FrameDone(made.frame, kept, made.result, made.costs({"write": time.perf_counter() - begun}))
        try:
            if self.job.partial:
                save_part(part_path(made.path), film, made.header)
                self.finish.seconds["write"] = time.perf_counter() - begun
            else:
                self.finish.write(film, made.path, made.about)
                if made.layers is not None:
                    made.layers.finish()
        except StudioError as fault:
            raise type(fault)(f"{fault}; {_kept(made)}") from fault
        except Exception:
            self.sentences.put(f"Frame {made.frame} could not be written; {_kept(made)}.")
            raise
        if self.job.partial:
            return FrameDone(made.frame, part_path(made.path), made.result, made.costs(self.finish.seconds))
        drop_parts(made.path)
        return FrameDone(made.frame, made.path, made.result, made.costs(self.finish.seconds))

    def _resumed(self, path: Path, header: Header, layout: Layout) -> Film | None:
        part = find_part(path) if self.job.resume else None
        if part is None:
            return None
        film = load_part(part, header, layout)
        if film is not None:
            self.ear.say(f"Going on from {int(film.counts.max(initial=0))} samples in {part}.")
        return film
