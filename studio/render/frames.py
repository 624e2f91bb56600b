"""Frame ranges and the names of a sequence's files, as the command line writes them: `1-24,30-40x2` and `####`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from studio.errors import UsageError

MOST_FRAMES = 100_000  # over an hour at 24 frames a second; more is a slip of the keyboard
FARTHEST_FRAME = 10_000_000
LONGEST_PADDING = 12

_SPAN = re.compile(r"([+-]?\d{1,9})(?:-([+-]?\d{1,9}))?(?:(?(2)[x:]|x)(\d{1,9}))?", re.ASCII)
_PRINTF = re.compile(r"%(?:0(\d{1,3}))?d", re.ASCII)
_HASHES = re.compile("#+")


def parse_frames(text: str) -> list[int]:
    """Frames of a range such as "1-24,30-40x2,7", each once, in the order written.

    Frames may be negative ("-5--1"). `a-bxn` takes every n-th frame from a; farm managers write it `a-b:n`. Raises
    `UsageError` naming the part that cannot be read, a range that runs backwards, a step of 0, or more than
    `MOST_FRAMES` frames.
    """
    frames: dict[int, None] = {}
    for part in text.split(","):
        span = _parse_span(part.strip(), text)
        if len(frames) + len(span) > MOST_FRAMES:
            raise UsageError(f"the frame range {_short(text)} has more than {MOST_FRAMES} frames; render it in parts")
        frames.update(dict.fromkeys(span))
    return list(frames)


def said_frames(frames: Sequence[int]) -> str:
    """Frames as `parse_frames` reads them, those that follow one another as a span: "1-24,30"."""
    spans: list[list[int]] = []
    for frame in frames:
        if spans and frame == spans[-1][1] + 1:
            spans[-1][1] = frame
        else:
            spans.append([frame, frame])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)


def _parse_span(part: str, text: str) -> range:
    match = _SPAN.fullmatch(part)
    if match is None:
        raise UsageError(f"cannot read {_short(part)} in the frame range {_short(text)}; write it like 1-24,30-40x2,7")
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
    if max(abs(first), abs(last)) > FARTHEST_FRAME:
        raise UsageError(f"frame {max(first, last, key=abs)} in {_short(text)} is beyond frame {FARTHEST_FRAME}")
    if last < first:
        raise UsageError(f"the frame range {_short(part)} runs backwards; write {last}-{first}")
    if step == 0:
        raise UsageError(f"the frame range {_short(part)} has a step of 0; use 1 or more")
    return range(first, last + 1, step)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def has_frame(pattern: str | Path) -> bool:
    """Whether the file name of a pattern (not its folder) has a place for the frame number."""
    name = Path(pattern).name
    return bool(_HASHES.search(name) or _PRINTF.search(name))


def frame_path(pattern: str | Path, frame: int) -> Path:
    """The file of a frame: `####` (as many digits as signs) or `%04d` in the name replaced by the frame number.

    The last run of `#` is the frame's, so "take#2.####.exr" works; a name without a place is returned as it is.
    """
    path = Path(pattern)
    hashes = list(_HASHES.finditer(path.name))
    match = hashes[-1] if hashes else _PRINTF.search(path.name)
    if match is None:
        return path
    digits = len(match[0]) if hashes else int(match[1] or 1)
    if digits > LONGEST_PADDING:
        raise UsageError(f"the pattern {path.name[:60]!r} asks for {digits} digits; {LONGEST_PADDING} are the most")
    number = ("-" if frame < 0 else "") + f"{abs(frame):0{digits}d}"
    return path.with_name(path.name[: match.start()] + number + path.name[match.end() :])


def frame_paths(pattern: str | Path, frames: list[int]) -> list[Path]:
    """The files of several frames; refuses a pattern that would write them all over one another."""
    if len(frames) > 1 and not has_frame(pattern):
        path = Path(pattern)
        hint = path.with_name(f"{path.stem}.####{path.suffix}") if path.name else Path("frame.####.exr")
        raise UsageError(f"{len(frames)} frames need a place for the frame number in {str(pattern)!r}; write {hint}")
    return [frame_path(pattern, frame) for frame in frames]
