"""`studio merge`: partial renders to a picture, or to a larger partial."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from studio.command_line.console import Console
from studio.command_line.looks import read_look
from studio.errors import BadAsset, UsageError
from studio.render.checkpoint import PART
from studio.render.film import Film
from studio.render.finish import Finish, about_of
from studio.render.frames import frame_path, has_frame
from studio.render.output import EXTENSIONS
from studio.render.partial import Header, merge_partials, read_header, write_partial
from studio.render.sequence import check_folder

_LAYERED = ("matte_ids", "matte_counts")


def run(args: argparse.Namespace, console: Console) -> int:
    """Merge and write; returns the exit code."""
    paths, output = _named(args.parts), Path(args.output)
    if output.suffix.lower() not in (*EXTENSIONS, PART):
        raise UsageError(
            f"cannot write {output.name!r}: the extension must be {PART} or one of {', '.join(EXTENSIONS)}"
        )
    look = read_look(args, output)
    check_folder(output.parent)
    film, header = merge_partials(paths, allow_gaps=args.allow_gaps)
    # partials of one render of one scene say the same of it
    described = read_header(paths[0])[0]
    if has_frame(output) and not output.exists():
        output = frame_path(output, round(header.frame))
    about = about_of(described, paths[0])
    finish = Finish(look, say=console.say)
    try:
        if output.suffix.lower() == PART:
            _write_partial(output, film, msgspec.structs.replace(header, state=described.state), paths)
        else:
            finish.write(film, output, about)
    finally:
        finish.close()
    console.result(str(output))
    console.event(
        "done", path=output, parts=len(paths), samples=int(film.counts.max(initial=0)), seconds=finish.seconds
    )
    return 0


def _named(parts: Sequence[str]) -> list[Path]:
    """The files of names and patterns: farms and Windows start us without a shell that would read a `*`."""
    paths: list[Path] = []
    for part in parts:
        path = Path(part)
        found = [path] if "*" not in path.name or path.exists() else sorted(path.parent.glob(path.name))
        if not found:
            raise BadAsset(f"there is no part {part[:200]!r}; check the folder and whether all slices are rendered")
        paths += found
    return paths


def _write_partial(output: Path, film: Film, header: Header, paths: list[Path]) -> None:
    """Write the merged film cut to what the parts enclose, so that it can be merged on with the rest of the image."""
    crops = [read_header(path)[1].crop for path in paths]
    x0, y0 = (min(crop[axis] for crop in crops) for axis in (0, 1))
    x1, y1 = (max(crop[axis] for crop in crops) for axis in (2, 3))
    left, top = film.crop[:2]
    rows, columns = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    arrays = {
        # matte slots have their layer before the rows
        name: np.ascontiguousarray(array[:, rows, columns] if name in _LAYERED else array[rows, columns])
        for name, array in film.buffers().items()
    }
    cut = Film.over(arrays, msgspec.structs.replace(film.layout, crop=(x0, y0, x1, y1)))
    promised = sum(b - a for a, b in header.ranges)
    whole = header.complete or (not header.adaptive and bool((cut.counts == promised).all()))
    write_partial(output, cut, msgspec.structs.replace(header, complete=whole))
