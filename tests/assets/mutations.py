"""Seeded damage for files: bytes flipped and cut, JSON values swapped for what does not belong there."""

from __future__ import annotations

import copy
import random
from typing import Any

HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2,
    3,
    255,
    65535,
    2**31 - 1,
    2**31,
    2**32,
    2**53,
    2**63,
    10**40,
    -(10**12),
    0.5,
    -0.0,
    1e-300,
    1e30,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../etc/passwd",
    "/etc/passwd",
    "%2e%2e%2fsecret",
    "file:///etc/passwd",
    "data:,",
    "data:;base64,????",
    "\ud800",
    "\0",
    "a" * 5000,
    [],
    [0],
    [[]],
    [1e300] * 16,
    {},
    {"index": 0},
    5120,
    5125,
    5126,
    "SCALAR",
    "MAT4",
    "VEC3",
    "CUBICSPLINE",
    "BLEND",
)


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """A file with a few bytes flipped, a stretch removed, doubled or zeroed, or its end cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not out:
            break
        at = rng.randrange(len(out))
        length = min(rng.choice((1, 2, 4, 8, 64, 400)), len(out) - at)
        kind = rng.randrange(7)
        if kind <= 1:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            out[at] = rng.choice((0, 1, 9, 45, 48, 57, 127, 128, 255))
        elif kind == 3:
            del out[at : at + length]
        elif kind == 4:
            out[at:at] = out[at : at + length]
        elif kind == 5:
            out[at : at + length] = bytes(rng.choice((0, 255, 128)) for _ in range(length))
        else:
            del out[at:]
    return bytes(out)


def damaged_json(document: Any, rng: random.Random) -> Any:
    """A document with a few of its values replaced, removed, doubled or exchanged."""
    out = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        places = list(_places(out))
        if not places:
            break
        holder, key = rng.choice(places)
        kind = rng.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            other, name = rng.choice(places)
            holder[key] = copy.deepcopy(other[name])
        elif kind == 2 and isinstance(holder[key], list):
            holder[key] = holder[key] * rng.choice((2, 3, 20))
        elif kind in (3, 4) and isinstance(holder[key], int) and not isinstance(holder[key], bool):
            holder[key] += rng.choice((-1, 1, 2, 3, 4, 7, 100, 10**6))
        elif kind == 5 and isinstance(holder[key], int):
            holder[key] = rng.randrange(40)
        else:
            holder[key] = rng.choice(HOSTILE)
    return out


def _places(value: Any) -> Any:
    """Every (container, key) of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def damaged_text(text: str, rng: random.Random) -> str:
    """A text of lines with words swapped for hostile ones, and lines doubled, dropped or moved."""
    lines = text.splitlines()
    words = ("nan", "-1", "0", "1e999", "999999999999999999999", "-7/-7/-7", "1//", "//", "f", "v", "../x", "\\", "#")
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(len(lines))
        parts = lines[at].split(" ")
        kind = rng.randrange(5)
        if kind <= 1:
            parts[rng.randrange(len(parts))] = rng.choice(words)
            lines[at] = " ".join(parts)
        elif kind == 2:
            lines[at] = " ".join(parts[: rng.randrange(len(parts) + 1)])
        elif kind == 3:
            lines.insert(rng.randrange(len(lines)), lines[at])
        else:
            lines[at] = " ".join(parts * rng.choice((2, 50)))
    return "\n".join(lines)
