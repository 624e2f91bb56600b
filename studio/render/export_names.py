"""Where an export's files go: its pattern made whole, what its tokens stand for, and every file's path."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from studio.errors import UsageError
from studio.render import naming
from studio.render.export import FORMATS, ExportSettings, exact_rate, format_of, frames_of
from studio.scene.entities import Camera
from studio.scene.flat_camera import active_camera
from studio.scene.project import versions
from studio.scene.scene import Scene

_KNOWN = tuple({suffix for kind in FORMATS.values() for suffix in kind.suffixes})
Names = dict[str, str | int | float]


def find_camera(settings: ExportSettings, scene: Scene, frame: float) -> Camera | None:
    """The camera of a frame: by id or name, of the cut at the frame, or the scene's; None when it has none."""
    wanted = settings.camera or active_camera(scene, frame)
    found = scene.entities.get(wanted)
    if isinstance(found, Camera):
        return found
    named = [e for e in scene.entities.values() if isinstance(e, Camera) and e.name == wanted]
    return named[0] if wanted and named else None


def export_names(
    settings: ExportSettings, scene: Scene, project: Path | str | None = None, *, at: float | None = None
) -> Names:
    """What the tokens of file names stand for, the same for all frames of a job."""
    frames = frames_of(settings, scene)
    folder = Path(project) if project else None
    camera = find_camera(settings, scene, frames[0])
    saved = len(versions(folder)) if folder is not None and folder.is_dir() else 0
    return {
        **naming.moment(time.time() if at is None else at),
        "project": folder.stem if folder is not None else scene.name,
        "scene": scene.name or "scene",
        "camera": (camera.name or camera.id) if camera else "camera",
        "version": settings.version or max(saved, 1),
        "artist": settings.artist or naming.moment(0.0)["user"],
        "width": settings.width,
        "height": settings.height,
        "samples": settings.samples,
        "format": settings.format,
        "view": settings.view,
        "fps": round(float(exact_rate(scene.fps)), 3),
        "first": min(frames),
        "last": max(frames),
        "home": str(folder.absolute()) if folder is not None else "",
    }


def job_pattern(settings: ExportSettings, project: Path | str | None = None) -> str:
    """The absolute pattern of an export, with its format's extension. Raises `UsageError` for an empty one."""
    pattern = settings.output.strip()
    if not pattern or pattern.endswith(("/", os.sep)):
        raise UsageError(f"the output {settings.output[:60]!r} names no file; write one like {{scene}}.####.exr")
    pattern = naming.with_suffix(os.path.expanduser(pattern), format_of(settings).suffixes, _KNOWN)
    if os.path.isabs(pattern):
        return pattern
    home = Path(project) / "renders" if project else Path.cwd()
    # the folder's own braces and signs are no tokens
    return os.path.join(naming.literal(str(home.absolute())), pattern)


def output_files(settings: ExportSettings, pattern: str, names: Names, frames: Sequence[int]) -> list[Path]:
    """The file of every frame (of a movie the one file, for each). Raises `UsageError` for a bad pattern."""
    if format_of(settings).movie:
        return [naming.expand_name(pattern, names, frame=frames[0])] * len(frames)
    files = [naming.expand_name(pattern, names, frame=frame) for frame in frames]
    if len(set(files)) < len(files):
        name = Path(pattern)
        raise UsageError(
            f"{len(files)} frames need a place for the frame number in {settings.output!r};"
            f" write {name.stem}.####{name.suffix}"
        )
    return files


def preview_name(settings: ExportSettings, scene: Scene, project: Path | str | None = None) -> list[str]:
    """The names of the first and the last file as they will be (one for a still or a movie). Raises `UsageError`."""
    frames = frames_of(settings, scene)
    names, pattern = export_names(settings, scene, project), job_pattern(settings, project)
    ends = [frames[0]] if format_of(settings).movie or len(frames) == 1 else [frames[0], frames[-1]]
    return [str(file) for file in dict.fromkeys(output_files(settings, pattern, names, ends))]


def kept_frame(folder: Path, frame: int) -> Path:
    """Where a movie's frame waits for the movie, in the folder of its job."""
    return folder / "frames" / f"{'-' if frame < 0 else ''}{abs(frame):06d}.exr"


def slate_file(settings: ExportSettings, pattern: str, names: Names, frames: Sequence[int]) -> Path | None:
    """The file of an image sequence's slate: the frame before its first. A still and a movie have none of their own."""
    if not settings.slate or len(frames) < 2 or format_of(settings).movie or not format_of(settings).shown:
        return None
    return naming.expand_name(pattern, names, frame=min(frames) - 1)
