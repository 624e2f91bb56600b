"""`studio render -o out.mp4`: frames that wait beside the movie until all of them are there, and then the movie.

The frames are linear EXRs in a folder `out.frames`, so `--resume` goes on with those that are done and a movie that
could not be encoded costs no rendering. The folder goes when the movie is whole.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from studio.command_line.console import Console
from studio.errors import CannotWrite, Unsupported, UsageError
from studio.render.export import FORMATS, ExportSettings
from studio.render.export_names import export_names
from studio.render.finish import Look
from studio.render.frames import frame_path, has_frame
from studio.render.queue_look import scale_of_picture
from studio.render.sequence import check_folder
from studio.render.settings import RenderSettings
from studio.render.video import check_movie, movie_format
from studio.render.video_export import Reel, encode
from studio.render.video_tags import video_missing
from studio.scene.scene import Scene

SUFFIXES = (".mp4", ".mov")


def is_movie(path: Path) -> bool:
    """Whether a file name asks for a movie."""
    return path.suffix.lower() in SUFFIXES


def check_flags(args: argparse.Namespace, output: Path, size: tuple[int, int]) -> str:
    """The format of the movie that the flags ask for. Raises `UsageError` or `Unsupported`."""
    name = movie_format(output, args.codec or "")
    kind = FORMATS[name]
    check_movie(output, kind, size)
    if has_frame(output):
        raise UsageError(f"a movie is one file; take the place for the frame number out of {output.name!r}")
    if args.alpha and not kind.alpha:
        raise UsageError(f"{kind.label} keeps no transparency; leave --alpha out, or add --codec prores-4444")
    for flag, given in (("--bits", args.bits), ("--crop", args.crop), ("--sample-range", args.sample_range)):
        if given is not None:
            raise UsageError(f"{flag} is not for movies; leave it out, or write pictures")
    if missing := video_missing(kind.codec):
        raise Unsupported(missing[:1].lower() + missing[1:].rstrip("."))
    return name


def check_place(output: Path) -> None:
    """See that the movie can be written, before anything is rendered."""
    check_folder(output.parent)
    if output.is_dir():
        raise CannotWrite(f"cannot write {output}: it is a folder; name a file")


def kept_pattern(output: Path) -> Path:
    """Where the frames of a movie wait for it."""
    return output.with_suffix(".frames") / "######.exr"


def kept_look(look: Look) -> Look:
    """How they are written: linear, whatever the movie looks like."""
    return replace(look, half=True, compression="zip")


def encode_kept(
    args: argparse.Namespace,
    console: Console,
    output: Path,
    scene: Scene,
    frames: Sequence[int],
    settings: RenderSettings,
    look: Look,
) -> None:
    """Make the movie of frames that are there, and remove them. Raises `CannotWrite`."""
    pattern = kept_pattern(output)
    files = [(frame, frame_path(pattern, frame)) for frame in frames]
    export = ExportSettings(
        output=str(output),
        width=settings.width,
        height=settings.height,
        samples=settings.samples,
        camera=args.camera,
        frames=",".join(str(frame) for frame in frames) if len(frames) < 2000 else "",
        view=look.view,
        exposure_ev=look.exposure_ev,
        format=movie_format(output, args.codec or ""),
        alpha=args.alpha,
    )
    home = Path(args.scene)
    reel = Reel(
        scene=scene,
        settings=export,
        names=export_names(export, scene),
        frames=files,
        output=output,
        measured=scale_of_picture(files[0][1]),
        project=str(home if home.is_dir() else home.parent),
    )

    def progress(done: int, of: int) -> None:
        console.progress(f"Encoding {output.name}: {done} of {of} frames")

    encode(reel, progress=progress)
    shutil.rmtree(pattern.parent, ignore_errors=True)
    console.result(str(output))
    console.event("movie", path=output, frames=len(frames), format=export.format)
