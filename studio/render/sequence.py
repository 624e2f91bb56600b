"""Frames to files: a job renders a still or an image sequence and writes each frame as soon as it is done.

A frame depends on the scene, the settings and its own number, never on the frame before it, so a frame rendered alone
equals the same frame of the sequence. What a frame takes from its neighbours is work that need not be done twice: flat
scenes share sections, and the worker keeps what it has.

Two numbers belong to a whole job instead of a frame, because a sequence would flicker with them: the scale at which
the denoiser works, and the exposure of PNGs whose camera has none. Both come from the camera's exposure where the
artist set one; else they are measured on the first frame that the job renders.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.render.checkpoint import PART, drop_parts, find_part, header_of, keep_part, load_part, part_path, save_part
from studio.render.denoise import Denoiser, measured_scale
from studio.render.film import Crop, Film, Layout
from studio.render.frames import frame_paths
from studio.render.output import EXTENSIONS, Picture, picture, write_image
from studio.render.partial import Header
from studio.render.session import FrameProgress, FrameResult, RenderSession, StopReason, film_aovs, layout_of
from studio.render.settings import RenderSettings
from studio.scene import color
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.scene import Scene

GUIDES = ("albedo", "normal")  # AOVs that the denoiser needs
_GUIDE_LAYERS = {"albedo": "albedo", "normal": "N"}
_MOST_NAMES = 20_000  # of Cryptomatte that a partial carries along


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a film becomes a picture. None: by the camera, or measured (see the module)."""

    view: str = color.DEFAULT_VIEW
    exposure_ev: float | None = None
    half: bool = True
    compression: str = "zip"
    bits: int = 8
    alpha: bool = False
    denoise: bool = False
    denoise_scale: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to render and where to. Several frames need `####` in the pattern of the output."""

    scene: Scene
    output: Path
    frames: Sequence[int]
    settings: RenderSettings
    look: Look = Look()
    camera: str = ""
    partial: bool = False  # leave .part files instead of pictures
    whole_range: tuple[int, int] | None = None  # samples that all partials together are to have
    resume: bool = False
    skip_existing: bool = False


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
    does not fit `--partial`, and `CannotWrite` for a folder that takes no files.
    """
    paths = frame_paths(job.output, list(job.frames))
    suffix = job.output.suffix.lower()
    if suffix not in (*EXTENSIONS, PART) or (suffix == PART and not job.partial):
        raise UsageError(f"cannot write {job.output.name!r}: the extension must be one of {', '.join(EXTENSIONS)}")
    check_folder(job.output.parent)
    try:
        taken = next((path for path in paths if path.is_dir()), None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotWrite(f"cannot write {job.output.name[:40]!r}...: {reason}; choose another name") from error
    if taken is not None:
        raise CannotWrite(f"cannot write {taken}: it is a folder; name a file")
    return paths


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


@dataclass(slots=True)
class Finish:
    """What turns films into files, with the numbers that stay the same for a job."""

    look: Look
    threads: int = 0
    say: Callable[[str], None] = lambda sentence: None
    seconds: dict[str, float] = field(default_factory=dict)
    _denoiser: Denoiser | None = None
    _crop: Crop = (0, 0, 0, 0)
    _measured: float = 0.0

    def write(self, film: Film, path: Path, about: About) -> None:
        """Denoise and write a film. Raises `CannotWrite`, or `UsageError` for a film without guides to denoise by."""
        begun = time.perf_counter()
        shown = self._denoised(film, about) if self.look.denoise else self._picture(film, about, {})
        written = time.perf_counter()
        self.seconds["denoise"] = self.seconds.get("denoise", 0.0) + written - begun
        write_image(
            shown,
            path,
            # a date would make two files of the same picture differ
            metadata={**about.metadata, "DateTime": "", "myriad:samples": int(film.counts.max(initial=0))},
            view=self.look.view,
            exposure_ev=self._exposure(film, path, about.exposure_ev),
            half=self.look.half,
            compression=self.look.compression,
            bits=self.look.bits,
            alpha=self.look.alpha,
            matte_names=about.matte_names,
        )
        self.seconds["write"] = self.seconds.get("write", 0.0) + time.perf_counter() - written

    def _exposure(self, film: Film, path: Path, camera_ev: float) -> float:
        if self.look.exposure_ev is not None:
            return self.look.exposure_ev
        if camera_ev or path.suffix.lower() == ".exr":
            return camera_ev
        first = not self._measured
        exposure = round(math.log2(self._scale(film)), 2)
        if first:
            self.say(
                f"The camera sets no exposure; exposed by {exposure:+.2f} stops, as measured (--exposure sets it)."
            )
        return exposure

    def _scale(self, film: Film) -> float:
        if not self._measured:
            self._measured = measured_scale(film.rgb(""), film.layout.luminance)
        return self._measured

    def _denoised(self, film: Film, about: About) -> Picture:
        if missing := set(_GUIDE_LAYERS.values()) - set(film.layers()):
            raise UsageError(f"cannot denoise without {' and '.join(sorted(missing))}; render the parts with --denoise")
        if self._denoiser is None or self._crop != film.crop:
            self.close()
            x0, y0, x1, y1 = self._crop = film.crop
            self._denoiser = Denoiser(x1 - x0, y1 - y0, threads=self.threads)
        camera_ev = about.exposure_ev
        scale = self.look.denoise_scale or (2.0**camera_ev if camera_ev else self._scale(film))
        return self._picture(film, about, self._denoiser.denoise_film(film, input_scale=scale))

    def _picture(self, film: Film, about: About, clean: dict[str, NDArray[np.float32]]) -> Picture:
        shown = picture(film, aovs=about.aovs, denoised=clean)
        # guides that only the denoiser asked for stay out of the file
        hidden = {layer for aov, layer in _GUIDE_LAYERS.items() if aov not in about.aovs}
        return Picture(shown.width, shown.height, shown.crop, tuple(p for p in shown.parts if p.name not in hidden))

    def close(self) -> None:
        """Free the denoiser."""
        if self._denoiser is not None:
            self._denoiser.close()
            self._denoiser = None


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a picture says of its scene. It travels in partials, so that a merge writes what a whole render writes."""

    metadata: dict[str, str | int | float | list[float]] = {}
    matte_names: dict[str, list[str]] = {}
    exposure_ev: float = 0.0
    aovs: list[str] = []


def describe(flat: FlatScene, header: Header, settings: RenderSettings) -> About:
    """What to say of a frame: its camera, its scene and what rendered it; nothing that differs from run to run."""
    world_to_camera = np.linalg.inv(np.vstack([flat.camera.open.astype(np.float64), [0, 0, 0, 1]]))
    kinds = {"object": flat.object_names, "material": flat.material_names}
    aovs = film_aovs(settings)
    wanted = [kind for kind in kinds if f"crypto_{kind}" in aovs and len(kinds[kind]) <= _MOST_NAMES]
    return About(
        metadata={
            "worldToCamera": [float(v) for v in world_to_camera.T.ravel()],
            "framesPerSecond": flat.fps,
            "myriad:frame": flat.frame,
            "myriad:camera": flat.camera.name,
            "myriad:exposure": flat.camera.exposure_ev,
            "myriad:seed": settings.seed,
            "myriad:scene": header.scene,
            "myriad:build": header.build,
            "myriad:device": f"{header.backend} {header.device}",
        },
        matte_names={kind: list(kinds[kind]) for kind in wanted},
        exposure_ev=flat.camera.exposure_ev,
        aovs=list(aovs),
    )


def about_of(header: Header, path: Path) -> About:
    """What a partial says of its scene; raises `BadAsset` when that makes no sense."""
    try:
        return msgspec.convert(header.state, About)
    except msgspec.ValidationError as error:
        raise BadAsset(f"{path} is damaged: its description cannot be read ({error}); render it again") from error


def with_guides(settings: RenderSettings, *, denoise: bool) -> RenderSettings:
    """Settings with the AOVs that the denoiser needs."""
    missing = tuple(name for name in GUIDES if name not in settings.aovs) if denoise else ()
    return msgspec.structs.replace(settings, aovs=settings.aovs + missing)


@dataclass(frozen=True, slots=True)
class _Made:
    """A frame that was rendered and is not written yet."""

    frame: int
    path: Path
    result: FrameResult
    header: Header
    about: About

    def costs(self, seconds: dict[str, float]) -> dict[str, float]:
        return {**self.result.seconds, **seconds}


def _kept(made: _Made) -> str:
    """Keep the film of a frame whose file cannot be written; what to say of it."""
    try:
        part = keep_part(made.path, made.result.film, made.header)
    except CannotWrite as fault:
        return f"its samples are lost: {fault}"
    return f"its samples are kept in {part}; finish by the same command with --resume, or studio merge {part} -o OUT"


class _Run:
    """A job at work."""

    def __init__(self, session: RenderSession, job: Job, ear: Ear, stop: StopReason) -> None:
        self.session, self.job, self.ear, self.stop = session, job, ear, stop
        self.paths = check_outputs(job)
        self.settings = with_guides(job.settings, denoise=job.look.denoise)
        self.finish = Finish(job.look, say=ear.say)
        self.said: set[str] = set()
        self.flat: FlatScene | None = None

    def run(self) -> bool:
        try:
            for frame, path in zip(self.job.frames, self.paths, strict=True):
                if self._is_there(path):
                    self.ear.frame_done(FrameDone(frame, path, None, {}, skipped=True))
                    continue
                done = self._frame(frame, path)
                self.ear.frame_done(done)
                if done.stopped:
                    return False
            return True
        finally:
            self.finish.close()

    def _is_there(self, path: Path) -> bool:
        """Whether a frame need not be rendered. A partial says itself how far it is, when it is resumed."""
        if self.job.partial:
            return self.job.skip_existing and not self.job.resume and part_path(path).is_file()
        return (self.job.resume or self.job.skip_existing) and path.is_file() and find_part(path) is None

    def _flatten(self, frame: int) -> tuple[FlatScene, FlatScene | None]:
        flat = flatten(self.job.scene, frame, previous=self.flat, camera=self.job.camera)
        self.flat = flat
        for warning in flat.warnings:
            if warning not in self.said:
                self.said.add(warning)
                self.ear.say(warning)
        if "motion" not in self.settings.aovs:
            return flat, None
        return flat, flatten(self.job.scene, frame + 1, previous=flat, camera=self.job.camera)

    def _frame(self, frame: int, path: Path) -> FrameDone:
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
        result = self.session.render_frame(
            flat, settings, following=following, film=film, stop=self.stop, progress=self.ear.progress
        )
        return self._written(_Made(frame, path, result, header, about))

    def _written(self, made: _Made) -> FrameDone:
        """Write a frame, or the part of it that there is. What cannot be written is kept, and the fault says where."""
        film, self.finish.seconds = made.result.film, {}
        begun = time.perf_counter()
        if made.result.stopped:
            kept = keep_part(made.path, film, made.header)
            return FrameDone(made.frame, kept, made.result, made.costs({"write": time.perf_counter() - begun}))
        try:
            if self.job.partial:
                save_part(part_path(made.path), film, made.header)
                self.finish.seconds["write"] = time.perf_counter() - begun
            else:
                self.finish.write(film, made.path, made.about)
        except StudioError as fault:
            raise type(fault)(f"{fault}; {_kept(made)}") from fault
        except Exception:
            self.ear.say(f"Frame {made.frame} could not be written; {_kept(made)}.")
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
