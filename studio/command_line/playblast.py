"""`studio playblast`: the realtime viewport, offscreen, to pictures or a film."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from studio.command_line import values
from studio.command_line.console import Console
from studio.errors import BadAsset, CannotWrite, UsageError
from studio.render.frames import frame_paths, has_frame, parse_frames
from studio.scene import color
from studio.scene.flat import FlatScene
from studio.scene.scene import Scene
from studio.viewport.view import Look, Mode

_MOST_SEQUENCE = 100_000
_MOST_SAMPLES = 4096
MODES = tuple(mode.value for mode in Mode)


def run(args: argparse.Namespace, console: Console) -> int:
    """Draw; returns the exit code."""
    from studio.viewport.device import KINDS
    from studio.viewport.playblast import check_output

    output = Path(args.output)
    if args.output.endswith(("/", os.sep)):
        raise UsageError(f"{args.output} is a folder; name a file in it, like {output / 'frame.####.png'}")
    size = values.size(args.size)
    samples = values.whole(args.samples, "--samples", 1, _MOST_SAMPLES)
    frames = parse_frames(args.frames) if args.frames is not None else None
    if args.device not in KINDS:
        raise UsageError(f"there is no device {args.device!r} to draw with; choose from {', '.join(KINDS)}")
    check_output(output, size)
    change = _look(args)
    if not _exists(Path(args.scene)):
        raise BadAsset(f"there is no scene {args.scene!r}; check the path")
    return _draw(args, console, output, size, samples, frames, change)


def _look(args: argparse.Namespace) -> dict[str, object]:
    """What the flags change of the default look."""
    if args.mode not in MODES:
        raise UsageError(f"there is no mode {args.mode!r}; choose from {', '.join(MODES)}")
    change: dict[str, object] = {
        "mode": Mode(args.mode),
        "ambient_occlusion": args.ambient_occlusion,
        "bloom": args.bloom,
    }
    if args.view is not None:
        change["view"] = color.find_view(args.view)
    if args.exposure is not None:
        change["exposure_ev"] = values.number(args.exposure, "--exposure", -100, 100)
    return change


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # a name that no file can have


def _draw(
    args: argparse.Namespace,
    console: Console,
    output: Path,
    size: tuple[int, int],
    samples: int,
    frames: list[int] | None,
    change: dict[str, object],
) -> int:
    from studio.assets.load import load_scene
    from studio.scene.flatten import flatten
    from studio.viewport.device import Device
    from studio.viewport.playblast import default_look, is_film, playblast

    device = Device.offscreen(kind=args.device)
    try:
        begun = time.perf_counter()
        scene, notes = load_scene(args.scene, variant=args.variant, strict=args.strict)
        for sentence in (*notes.dropped, *notes.warnings):
            _warn(console, sentence)
        listed = frames or _frames_of(scene, output)
        flat: FlatScene = flatten(scene, listed[0], camera=args.camera)
        for sentence in flat.warnings:
            _warn(console, sentence)
        paths = [output] if is_film(output) else frame_paths(output, listed)
        _check_paths(paths)

        def look(flat: FlatScene) -> Look:
            return replace(default_look(flat), **change)  # type: ignore[arg-type]

        load = time.perf_counter() - begun

        def progress(frame: int, done: int, ms: float) -> None:
            console.progress(f"Frame {frame}: {done} of {len(listed)}, {ms:.0f} ms")
            if not is_film(output):
                console.result(str(paths[done - 1]))
            console.event("frame", frame=frame, path=paths[0] if is_film(output) else paths[done - 1], ms=round(ms, 3))

        result = playblast(
            scene,
            paths,
            listed,
            size=size,
            device=device,
            look=look,
            camera=args.camera,
            samples=samples,
            progress=progress,
        )
    finally:
        device.release()
    if is_film(output):
        console.result(str(output))
    console.event(
        "done",
        frames=len(listed),
        ms_per_frame={"median": round(result.median_ms, 3), "p95": round(result.p95_ms, 3)},
        lights=result.lights,
        shadowed_lights=result.shadowed,
        renderer=result.renderer,
        triangles=result.triangles,
        seconds={"load": round(load, 4), "first_frame": round(result.first_ms / 1e3, 4)},
        passes={name: round(seconds * 1e3, 3) for name, seconds in result.passes.items()},
    )
    plural = "s"[: len(listed) != 1]
    console.say(f"Done: {len(listed)} frame{plural}, {result.median_ms:.0f} ms each, on {result.renderer}.")
    return 0


def _warn(console: Console, sentence: str) -> None:
    console.say(sentence)
    console.event("warning", message=sentence)


def _frames_of(scene: Scene, output: Path) -> list[int]:
    """The scene's frames for a pattern or a film, its first for a picture."""
    from studio.viewport.playblast import is_film

    first, last = int(scene.frame_start), int(scene.frame_end)
    if not (has_frame(output) or is_film(output)) or not first < last:
        return [first]
    if last - first >= _MOST_SEQUENCE:
        raise UsageError(f"the scene has {last - first + 1} frames; say which to draw with --frames")
    return list(range(first, last + 1))


def _check_paths(paths: Sequence[Path]) -> None:
    """See that files can be written where they shall be, before anything is drawn."""
    from studio.render.sequence import check_folder

    check_folder(paths[0].parent)
    for path in paths:
        try:
            taken = path.is_dir()
        except (OSError, ValueError) as error:
            raise CannotWrite(f"cannot write {str(path)[:60]!r}; choose another name") from error
        if taken:
            raise CannotWrite(f"cannot write {path}: it is a folder; name a file")
