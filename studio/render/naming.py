"""Names of files and texts on pictures with tokens: `{scene}_{camera}_v{version:03}.####.exr`.

A token stands in braces, with digits after a colon for a number's least length: `{frame:06}`. `####` is the frame with
as many digits as signs, and `%04d` too. `{{`, `}}` and `{#}` are a brace and a number sign themselves. What a token
stands for is made safe before it goes into a file name, so that a scene called `a/b: "final"?` still becomes one file
on every system; what the artist typed is taken as it is and refused, in a sentence, where it is no name on Windows,
because the project that is rendered here is opened there tomorrow.
"""

from __future__ import annotations

import difflib
import getpass
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import UsageError
from studio.render.frames import LONGEST_PADDING

Values = Mapping[str, str | int | float]

FILE_TOKENS = {
    "project": "the project's name",
    "scene": "the scene's name",
    "camera": "the camera's name",
    "version": "the version, as v001",
    "frame": "the frame number, with four digits",
    "date": "the day of submission, as 20250131",
    "time": "the time of submission, as 1745",
    "user": "who is logged in",
    "artist": "the artist of the export",
    "width": "pixels across",
    "height": "pixels down",
    "samples": "samples a pixel",
    "format": "the format, as exr",
    "view": "the view",
    "fps": "frames a second",
    "first": "the first frame",
    "last": "the last frame",
}
TEXT_TOKENS = {
    **FILE_TOKENS,
    "timecode": "hours, minutes, seconds and frames",
    "lens": "focal length and f-stop",
    "focal": "focal length in mm",
    "fstop": "the f-stop",
    "focus": "focus distance in m",
    "frames": "the range of frames",
    "size": "pixels across and down",
    "marker": "the last marker before the frame",
    "notes": "the scene's notes",
}
_FRAME_DIGITS, _VERSION_DIGITS = 4, 3
_PIECE = re.compile(r"(\{\{|\}\}|\{#\}|\{[^{}]*\}|[{}]|#+|%(?:0\d{1,3})?d)")
_TOKEN = re.compile(r"\{\s*([A-Za-z_]*)\s*(?::\s*(\d{1,3})\s*)?\}")
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³])(\..*)?")
_LONGEST = 255  # bytes of a file name that common file systems take


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a pattern: literal text, or a token with its number of digits (0: as usual)."""

    text: str
    token: str = ""
    digits: int = 0


def safe_value(value: str) -> str:
    """What stands for a token in a file name: one part of a path, whatever the value is."""
    clean = _UNSAFE.sub("_", value).strip().rstrip(". ")
    if _RESERVED.fullmatch(clean) or not clean.strip("."):
        clean = f"_{clean}".rstrip(". ")
    return clean[:120].rstrip(". ")


def expand_name(pattern: str, values: Values, *, frame: int | None = None) -> Path:
    """The path of a pattern, for one frame where it has a place for it; None leaves it as signs, `####`.

    Raises `UsageError`, one sentence, for an unknown token, a stray brace, `..`, or a name that no file can have.
    """
    pieces = _parse(pattern, FILE_TOKENS, hashes=True)
    text = "".join(_filled(piece, values, frame, safe=True) for piece in pieces)
    return check_path(text, pattern)


def expand_text(text: str, values: Values, *, frame: int | None = None) -> str:
    """A line of text with its tokens filled in. `#` is itself here. Raises `UsageError`."""
    return "".join(_filled(piece, values, frame, safe=False) for piece in _parse(text, TEXT_TOKENS, hashes=False))


def has_place(pattern: str) -> bool:
    """Whether a pattern has a place for the frame number in its file name."""
    name = _slashes(pattern).rpartition("/")[2]
    return any(piece.token == "frame" for piece in _parse(name, FILE_TOKENS, hashes=True))


def with_suffix(pattern: str, suffixes: Sequence[str], known: Sequence[str]) -> str:
    """A pattern with an extension of its format: its own when it fits, in place of another format's, else added."""
    folders, slash, name = pattern.rpartition("/")
    stem, dot, last = name.rpartition(".")
    suffix = f".{last.lower()}" if dot and stem else ""
    if suffix in suffixes:
        return pattern
    return f"{folders}{slash}{stem if suffix in known else name}{suffixes[0]}"


def preview(pattern: str, values: Values, frames: Sequence[int]) -> list[str]:
    """The names of the first and the last frame as they will be, for an artist who is typing."""
    wanted = [frames[0], frames[-1]] if len(frames) > 1 else list(frames)
    return list(dict.fromkeys(str(expand_name(pattern, values, frame=frame)) for frame in wanted))


def check_path(text: str, pattern: str) -> Path:
    """The path of a text, after making sure that every part that is not there yet may be a file's on any system."""
    if "\0" in text:
        raise UsageError(f"the name {pattern[:60]!r} holds a zero character; take it out")
    path = Path(text)
    if not path.name or text.endswith(("/", os.sep)):
        raise UsageError(f"the name {pattern[:60]!r} is a folder; add a file's name")
    if ".." in path.parts:
        raise UsageError(f"the name {pattern[:60]!r} leaves its folder by '..'; write the folder out instead")
    for index, part in enumerate(path.parts):
        if part == path.anchor or (index < len(path.parts) - 1 and _is_there(Path(*path.parts[: index + 1]))):
            continue
        _check_part(part, pattern)
    return path


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except (OSError, ValueError):
        return False


def _check_part(part: str, pattern: str) -> None:
    where = f"in the name {pattern[:80]!r}"
    if bad := _UNSAFE.search(part):
        raise UsageError(f"{bad[0]!r} {where} cannot be in a file's name on every system; leave it out")
    if _RESERVED.fullmatch(part):
        raise UsageError(f"{part!r} {where} is the name of a device on Windows; choose another")
    if part.endswith((".", " ")):
        raise UsageError(f"{part!r} {where} ends in a dot or a blank, which Windows drops; choose another")
    try:
        length = len(part.encode())
    except UnicodeEncodeError:
        raise UsageError(f"{part!a} {where} is not text; choose another") from None
    if length > _LONGEST:
        raise UsageError(f"{part[:30]!r}... {where} has {length} bytes; a file's name has {_LONGEST} at most")


def _slashes(pattern: str) -> str:
    return pattern.replace("\\", "/") if os.name == "nt" else pattern


def _parse(pattern: str, tokens: Mapping[str, str], *, hashes: bool) -> list[_Piece]:
    pieces = [_piece(part, pattern, tokens) for part in _PIECE.split(pattern) if part]
    if not hashes or any(piece.token == "frame" for piece in pieces):
        return pieces
    name = max((i for i, piece in enumerate(pieces) if not piece.token and "/" in _slashes(piece.text)), default=-1)
    # the last run of signs is the frame's, so "take#2.####.exr" works
    for kind in ("#", "%"):
        for i in range(len(pieces) - 1, name, -1):
            text = pieces[i].text
            if pieces[i] == _Piece(text) and text.startswith(kind) and _PIECE.fullmatch(text):
                digits = len(text) if kind == "#" else int(text[1:-1] or 1)
                if digits > LONGEST_PADDING:
                    raise UsageError(f"{pattern[:60]!r} asks for {digits} digits; {LONGEST_PADDING} are the most")
                pieces[i] = _Piece(text, "frame", digits)
                return pieces
    return pieces


def _piece(part: str, pattern: str, tokens: Mapping[str, str]) -> _Piece:
    if part in ("{{", "}}"):
        return _Piece(part[0])
    if part == "{#}":
        return _Piece("#", digits=-1)  # not a run of signs
    if part in ("{", "}"):
        raise UsageError(f"there is a stray {part!r} in {pattern[:60]!r}; write {part * 2} for a brace itself")
    if not part.startswith("{"):
        return _Piece(part)
    match = _TOKEN.fullmatch(part)
    name = match[1].lower() if match else part.strip("{}").partition(":")[0].strip()
    if name not in tokens:
        near = difflib.get_close_matches(name.lower(), tokens, 1, 0.0)
        raise UsageError(f"there is no token {part[:40]} in names and texts; did you mean {{{near[0]}}}?")
    if match is None:
        raise UsageError(f"cannot read {part[:40]}; digits follow the colon, like {{frame:06}}")
    digits = int(match[2] or 0)
    if digits > LONGEST_PADDING:
        raise UsageError(f"{part} asks for {digits} digits; {LONGEST_PADDING} are the most")
    return _Piece(part, name, digits)


def _filled(piece: _Piece, values: Values, frame: int | None, *, safe: bool) -> str:
    if not piece.token:
        return piece.text
    if piece.token == "frame" and frame is None:
        return "#" * (piece.digits or _FRAME_DIGITS)
    value = frame if piece.token == "frame" and frame is not None else values.get(piece.token, "")
    if piece.token == "version" and isinstance(value, int):
        return (f"{value:0{piece.digits}d}") if piece.digits else f"v{value:0{_VERSION_DIGITS}d}"
    if piece.token == "frame" and isinstance(value, int):
        return ("-" if value < 0 else "") + f"{abs(value):0{piece.digits or _FRAME_DIGITS}d}"
    if isinstance(value, int):
        return f"{value:0{piece.digits}d}" if piece.digits else str(value)
    if piece.digits:
        raise UsageError(f"{piece.text} is no number; leave the digits out")
    text = f"{value:g}" if isinstance(value, float) else value
    return safe_value(text) if safe else text


def literal(text: str) -> str:
    """A folder as it has to stand before a pattern to mean itself; signs in folders mean themselves anyway."""
    return text.replace("{", "{{").replace("}", "}}")


def moment(at: float) -> dict[str, str]:
    """What the tokens of day, time and user stand for at a moment (seconds since 1970)."""
    local = time.localtime(at)
    return {"date": time.strftime("%Y%m%d", local), "time": time.strftime("%H%M", local), "user": _user()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a process of nobody
        return "nobody"
