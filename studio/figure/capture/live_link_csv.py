"""Recordings of Live Link Face as it writes them: CSV with a timecode, the 52 shapes and nine angles a row.

Columns go by their names alone. The app writes JawRight before JawLeft and MouthRight before MouthLeft, the other way
round than in its packets; spreadsheets move and drop columns, and versions of the app spell the count differently.
What a file lacks is said in the take's `notes`; only a file with no shape or no row at all is refused.

The timecode `HH:MM:SS:FF.fff` counts at the app's rate, which no column names: it is the least usual rate that has a
label for every frame of the file, 60 for one that is too short to tell. Angles as in `live_link`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studio.errors import BadAsset
from studio.figure.capture.frames import COUNT, F64, MOST_WEIGHT, Take, make_take
from studio.figure.capture.live_link import from_unreal, to_unreal
from studio.figure.capture.retarget import write_whole
from studio.scene.arkit import ARKIT, INDEX

_MOST_BYTES = 512 << 20
_MOST_COLUMNS = 1024
_MOST_ANGLE = 100.0
_RATES = (24.0, 25.0, 30.0, 50.0, 60.0, 100.0, 120.0)
_TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})[:;](\d{1,3}(?:\.\d{1,6})?)", re.ASCII)
ANGLES = tuple(f"{part}{axis}" for part in ("Head", "LeftEye", "RightEye") for axis in ("Yaw", "Pitch", "Roll"))


def _column_names() -> tuple[str, ...]:
    names = [name[0].upper() + name[1:] for name in ARKIT]
    for one, other in (("JawLeft", "JawRight"), ("MouthLeft", "MouthRight")):
        a, b = names.index(one), names.index(other)
        names[a], names[b] = names[b], names[a]
    return tuple(names)


COLUMNS = _column_names()
HEADER = ("Timecode", "BlendShapeCount", *COLUMNS, *ANGLES)
_SHAPES = {name.lower(): i for name, i in INDEX.items()}
_TURNS = {name.lower(): i for i, name in enumerate(ANGLES)}


def read_csv(path: Path | str) -> Take:
    """A take of a recording; BadAsset in a sentence for a file that is none."""
    file = Path(path)
    try:
        if not file.is_file():
            raise BadAsset(f"There is no recording {str(file)[-200:]!r}; check the path.")
        if file.stat().st_size > _MOST_BYTES:
            raise BadAsset(f"{file} is larger than a recording may be (512 MiB); cut it into several.")
        data = file.read_bytes()
    except (OSError, ValueError) as fault:
        raise BadAsset(f"{str(file)[-200:]!r} cannot be read ({getattr(fault, 'strerror', None) or fault}).") from None
    return parse_csv(data, name=file.stem, where=str(file))


def parse_csv(data: bytes, *, name: str, where: str) -> Take:
    """A take of a recording's bytes; BadAsset that opens with `where`."""
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadAsset(f"{where} is no text; choose a CSV file as Live Link Face writes it.") from None
    lines = [line for line in lines if line.strip(" ,;\t")]
    if not lines:
        raise BadAsset(f"{where} is empty; export the recording again.")
    mark = max(",;\t", key=lines[0].count)
    notes: list[str] = []
    columns, timecode = _columns(lines[0].split(mark), where, notes)
    values, codes = _rows(lines[1:], mark, columns, timecode, notes)
    if not len(values):
        raise BadAsset(f"{where} has no whole row; export the recording again.")
    times, fps, start = _times(codes, notes)
    turns = [[v for part in range(3) for v in from_unreal(*row[3 * part : 3 * part + 3])]
             for row in values[:, COUNT:].tolist()]  # fmt: skip
    turned = np.array(turns)
    head = np.concatenate([turned[:, :3], np.zeros((len(turned), 3))], axis=1)
    return make_take(
        name, times, values[:, :COUNT], head=head, eyes=turned[:, 3:], fps=fps, start=start, source="live_link_csv",
        notes=notes,
    )  # fmt: skip


def _columns(header: Sequence[str], where: str, notes: list[str]) -> tuple[dict[int, int], int]:
    """Places of the shapes and angles among the columns, place -> row of numbers, and that of the timecode (-1)."""
    if len(header) > _MOST_COLUMNS:
        raise BadAsset(f"{where} has {len(header)} columns; a recording has {len(HEADER)}.")
    found: dict[int, int] = {}
    timecode, twice = -1, []
    for place, column in enumerate(header):
        name = column.strip().strip('"').lower()
        index = _SHAPES.get(name, COUNT + _TURNS[name] if name in _TURNS else -1)
        if name == "timecode" and timecode < 0:
            timecode = place
        elif index in found.values():
            twice.append(column.strip()[:40])
        elif index >= 0:
            found[place] = index
    missing = [n for n in COLUMNS if INDEX[n[0].lower() + n[1:]] not in found.values()]
    if len(missing) == COUNT:
        raise BadAsset(f"{where} names none of the 52 shapes in its first line; choose a recording of Live Link Face.")
    if missing:
        notes.append(f"{len(missing)} shapes are missing and stay at rest: {', '.join(missing[:8])}.")
    if twice:
        notes.append(f"Columns that stand twice count once: {', '.join(twice[:8])}.")
    return found, timecode


def _rows(
    lines: Sequence[str], mark: str, columns: dict[int, int], timecode: int, notes: list[str]
) -> tuple[F64, list[str]]:
    """Numbers (k, 61) and timecodes of the whole rows. What is no usable number holds the one before."""
    last = max((*columns, timecode))
    places = list(columns.items())
    row = [0.0] * (COUNT + len(ANGLES))
    out: list[list[float]] = []
    codes: list[str] = []
    short = held = 0
    for line in lines:
        cells = line.split(mark)
        if len(cells) <= last:
            short += 1
            continue
        for place, index in places:
            try:
                value = float(cells[place])
            except ValueError:
                value = math.nan
            if abs(value) <= (MOST_WEIGHT if index < COUNT else _MOST_ANGLE):
                row[index] = value
            else:
                held += 1
        out.append(row.copy())
        codes.append(cells[timecode] if timecode >= 0 else "")
    if short:
        notes.append(f"{short} rows are cut short and were left out.")
    if held:
        notes.append(f"{held} values are no numbers; the ones before them stay.")
    return np.array(out), codes


def _times(codes: Sequence[str], notes: list[str]) -> tuple[F64, float, str]:
    """Seconds of rows, the rate of their timecodes, and the first of those."""
    found = [_TIMECODE.fullmatch(code.strip().strip('"')) for code in codes]
    plain = np.arange(len(codes)) / 60.0
    if not all(found):
        notes.append("Rows without a timecode are taken as 60 a second.")
        return plain, 60.0, ""
    parts = np.array([[float(part) for part in match.groups()] for match in found if match is not None])
    seconds, frames = parts[:, :3] @ (3600.0, 60.0, 1.0), parts[:, 3]
    most = math.floor(frames.max())
    whole = float(np.ptp(seconds)) >= 2.0
    fps = next((rate for rate in _RATES if rate > most), 1000.0) if whole or most >= 60 else 60.0
    times = seconds + frames / fps
    times += 86400.0 * np.cumsum(np.append(0, np.diff(times) < -43200.0))  # past midnight
    times -= times[0]
    if (np.diff(times) < 0.0).any():
        notes.append("The timecode runs backwards; the rows are taken as 60 a second.")
        return plain, 60.0, codes[0].strip()
    return times, fps, codes[0].strip().strip('"')


def csv_bytes(take: Take) -> bytes:
    """A take as Live Link Face would have written it: Apple's shapes, head and eyes, at its rate."""
    lines = [",".join(HEADER)]
    order = [INDEX[name[0].lower() + name[1:]] for name in COLUMNS]
    rate = take.fps
    first = _TIMECODE.fullmatch(take.start)
    begin = 0.0
    if first is not None:
        h, m, s, f = map(float, first.groups())
        begin = 3600.0 * h + 60.0 * m + s + f / rate
    base = max(1, math.ceil(rate - 1e-6))
    for row, time in enumerate(take.times.tolist()):
        seconds, frame = divmod(round((begin + time) * rate * 1000.0) / 1000.0, base)
        whole = int(seconds)
        code = f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}:{frame:06.3f}"
        head, eyes = take.head[row].tolist(), take.eyes[row].tolist()
        angles = [v for turn in (head[:3], eyes[:3], eyes[3:]) for v in to_unreal((turn[0], turn[1], turn[2]))]
        numbers = [*take.weights[row, order].tolist(), *angles]
        lines.append(f"{code},{len(numbers)}," + ",".join(f"{v:.9g}" for v in numbers))
    return ("\n".join(lines) + "\n").encode("ascii")


def write_csv(take: Take, path: Path | str) -> None:
    """Write a take as such a recording, whole or not at all; CannotWrite in a sentence where it cannot be."""
    write_whole(Path(path), csv_bytes(take))
