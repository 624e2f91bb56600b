"""Frames as timecode, "HH:MM:SS:FF", and back.

At 29.97 and 59.94 frames a second a clock that counts whole frames runs slow against the wall by 3.6 s an hour; drop
frame timecode (SMPTE ST 12-1) leaves out the first two (or four) labels of every minute but each tenth, and is written
with a semicolon. Frame 0 is 00:00:00:00, as an editor's sequence starts; the studio's frame 1 is its label :01.
"""

from __future__ import annotations

import math
import re

from studio.errors import UsageError

_TEXT = re.compile(r"(-?)(?:(?:(\d+)[:;])?(\d+)[:;])?(\d+)[:;.,](\d+)")
_MOST_FRAMES = 10**9


def base_of(fps: float) -> int:
    """How many labels a second of timecode has: 30 at 29.97."""
    return max(1, math.ceil(fps - 1e-6))


def drops(fps: float) -> int:
    """How many labels a minute leaves out: 2 at 29.97, 4 at 59.94, else 0."""
    for base in (30, 60):
        if abs(fps - base * 1000.0 / 1001.0) < 0.005:
            return base // 15
    return 0


def timecode(frame: float, fps: float) -> str:
    """A frame as timecode; part of a frame is left out. Drop frame, with a semicolon, at 29.97 and 59.94."""
    number = min(math.floor(frame + 1e-6), _MOST_FRAMES)
    sign, number = ("-", -number) if number < 0 else ("", number)
    base, drop = base_of(fps), drops(fps)
    if drop:
        tens, rest = divmod(number, 10 * 60 * base - 9 * drop)
        number += 9 * drop * tens
        if rest >= drop:
            number += drop * ((rest - drop) // (60 * base - drop))
    seconds, frames = divmod(number, base)
    width = len(str(base - 1))
    mark = ";" if drop else ":"
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{frames:0{max(width, 2)}}"


def frame_of(text: str, fps: float) -> float:
    """The frame that a timecode or a number means; leading parts may be left out ("12:00" is 12 seconds).

    A label that drop frame leaves out means the next one. `UsageError` for what is neither.
    """
    text = text.strip()
    found = _TEXT.fullmatch(text) if ":" in text or ";" in text else None
    if found is None:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or abs(value) > _MOST_FRAMES:
            raise UsageError(f"{text!r} is no frame; write a number, or timecode like 00:00:12:08")
        return value
    sign, *parts = found.groups()
    hours, minutes, seconds, frames = (int(part or 0) for part in parts)
    base, drop = base_of(fps), drops(fps)
    if frames >= base or (seconds > 59 and found[3]) or (minutes > 59 and found[2]):
        raise UsageError(f"{text!r} is no timecode at {fps:g} frames a second")
    minutes += 60 * hours
    if drop and seconds == 0 and frames < drop and minutes % 10:
        frames = drop
    number = (minutes * 60 + seconds) * base + frames - drop * (minutes - minutes // 10)
    if number > _MOST_FRAMES:
        raise UsageError(f"{text!r} is too far away")
    return float(-number if sign else number)
