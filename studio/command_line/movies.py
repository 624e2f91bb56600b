"""`studio render -o out.mp4`: flags of movies, and the movie of frames that waited (`studio.render.kept_frames`)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from studio.command_line.console import Console
from studio.errors import UsageError
from studio.render import kept_frames
from studio.render.export import FORMATS, ExportSettings, is_movie
from studio.render.export_names import export_names
from studio.render.finish import Look
from studio.render.kept_frames import check_place, kept_look, kept_pattern
from studio.render.settings import RenderSettings
from studio.render.video import movie_format
from studio.scene.scene import Scene

__all__ = ("check_flags", "check_place", "encode_kept", "is_movie", "kept_look", "kept_pattern", "settings_of", "tells")
_OF_PICTURES = ("bits", "crop", "sample_range")  # flags, where a command has them


def check_flags(args: argparse.Namespace, output: Path, size: tuple[int, int]) -> str:
    """The format of the movie that the flags ask for. Raises `UsageError` or `Unsupported`."""
    name = movie_format(output, args.codec or "")
    kind = FORMATS[name]
    kept_frames.check_file(output, name, size)
    if args.alpha and not kind.alpha:
        raise UsageError(f"{kind.label} keeps no transparency; leave --alpha out, or add --codec prores-4444")
    for flag in _OF_PICTURES:
        if getattr(args, flag, None) is not None:
            raise UsageError(f"--{flag.replace('_', '-')} is not for movies; leave it out, or write pictures")
    return name


def settings_of(
    args: argparse.Namespace, output: Path, frames: Sequence[int], settings: RenderSettings, look: Look
) -> ExportSettings:
    """The movie that the flags ask for, as an export."""
    return kept_frames.asked(
        output, frames, settings, look, format=movie_format(output, args.codec or ""), camera=args.camera
    )


def tells(console: Console, output: Path) -> Callable[[int, int], None]:
    """What says how far a movie is."""
    return lambda done, of: console.progress(f"Encoding {output.name}: {done} of {of} frames")


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
    export = settings_of(args, output, frames, settings, look)
    home = Path(args.scene)
    kept_frames.encode_kept(
        output,
        frames,
        scene=scene,
        settings=export,
        names=export_names(export, scene),
        project=str(home if home.is_dir() else home.parent),
        progress=tells(console, output),
    )
    kept_frames.drop_kept(output, frames)
    console.result(str(output))
    console.event("movie", path=output, frames=len(frames), format=export.format)
