"""Frames that wait for their movie: where they lie, how they are written, and the movie that is made of them.

They are linear EXRs in a folder `out.frames` beside `out.mp4`, whatever the movie looks like. So whoever is stopped
goes on with those that are done, a movie that could not be encoded costs no rendering, and it may be encoded by another
process than the one that rendered them. They go when the movie is whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from studio.errors import CannotWrite, Unsupported, UsageError
from studio.render.export import FORMATS, ExportSettings
from studio.render.export_names import Names
from studio.render.finish import Look
from studio.render.frames import frame_path, has_frame, said_frames
from studio.render.output import drop_leftovers
from studio.render.queue_look import scale_of_picture
from studio.render.sequence import check_folder
from studio.render.settings import RenderSettings
from studio.render.video import check_movie
from studio.render.video_export import Reel, encode
from studio.render.video_tags import video_missing
from studio.scene.scene import Scene

_LONGEST_SAID = 20_000  # letters of an export's frames; longer ones are told by the scene's range


def check_file(output: Path, format: str, size: tuple[int, int]) -> None:
    """Refuse a movie that cannot be: `UsageError`, or `Unsupported` without the libraries for it."""
    kind = FORMATS[format]
    check_movie(output, kind, size)
    if has_frame(output):
        raise UsageError(f"a movie is one file; take the place for the frame number out of {output.name!r}")
    if missing := video_missing(kind.codec):
        raise Unsupported(missing[:1].lower() + missing[1:].rstrip("."))


def check_place(output: Path) -> None:
    """See that a movie can be written. Raises `CannotWrite`."""
    check_folder(output.parent)
    try:
        folder = output.is_dir()
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise CannotWrite(f"cannot write {output}: {reason}; choose another name") from fault
    if folder:
        raise CannotWrite(f"cannot write {output}: it is a folder; name a file")


def kept_pattern(output: Path) -> Path:
    """Where the frames of a movie wait for it."""
    return output.with_suffix(".frames") / "######.exr"


def kept_look(look: Look) -> Look:
    """How they are written: linear, whatever the movie looks like."""
    return replace(look, half=True, compression="zip", multi_part=True)


def asked(
    output: Path, frames: Sequence[int], settings: RenderSettings, look: Look, *, format: str, camera: str = ""
) -> ExportSettings:
    """A movie of frames that were rendered with some settings and are to look so, as an export."""
    said = said_frames(frames)
    return ExportSettings(
        output=str(output),
        width=settings.width,
        height=settings.height,
        samples=settings.samples,
        camera=camera,
        frames=said if len(said) <= _LONGEST_SAID else "",
        view=look.view,
        display=look.display,
        exposure_ev=look.exposure_ev,
        denoise=look.denoise,
        format=format,
        alpha=look.alpha and FORMATS[format].alpha,
    )


def encode_kept(
    output: Path,
    frames: Sequence[int],
    *,
    scene: Scene,
    settings: ExportSettings,
    names: Names,
    project: str = "",
    threads: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
    stop: Callable[[], object] = bool,
) -> None:
    """Make a movie of frames that are there, in their order. `project` is where sound with a relative path lies.

    Raises what `video_export.encode` raises; the frames stay in any case.
    """
    pattern = kept_pattern(output)
    files = [(frame, frame_path(pattern, frame)) for frame in frames]
    reel = Reel(
        scene=scene,
        settings=settings,
        names=names,
        frames=files,
        output=output,
        measured=scale_of_picture(files[0][1]),
        project=project,
        threads=threads,
    )
    drop_leftovers(output)
    encode(reel, progress=progress, stop=stop)


def drop_kept(output: Path, frames: Sequence[int]) -> None:
    """Remove the frames of a movie that is whole, and their folder where nothing else lies in it. What cannot be
    removed stays: the movie is there."""
    pattern = kept_pattern(output)
    for frame in frames:
        with contextlib.suppress(OSError):  # one that somebody has open keeps no other
            frame_path(pattern, frame).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        pattern.parent.rmdir()
