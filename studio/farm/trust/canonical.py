"""One text for one value: canonical JSON, so that a hash or a signature of a record means the record.

The text is that of RFC 8785 (JSON Canonicalization Scheme): no white space, members sorted by the UTF-16 code units of
their names, strings with the shortest escapes, numbers as ECMAScript writes them. What has no such text is refused:
numbers that are not finite, integers that a double cannot hold, lone surrogates, names that are not strings.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from studio.errors import BadAsset

LARGEST_INT = 1 << 53
DEEPEST = 64


def canonical(value: object) -> bytes:
    """The canonical UTF-8 text of a record, or of what JSON holds. Raises BadAsset for what has none."""
    try:
        return _text(msgspec.to_builtins(value), 0).encode()
    except UnicodeEncodeError as fault:
        raise BadAsset("a text with half a character has no canonical form; write it anew") from fault


def _text(value: Any, depth: int) -> str:
    if depth > DEEPEST:
        raise BadAsset(f"a record of more than {DEEPEST} levels has no canonical form; make it flatter")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) >= LARGEST_INT:
            raise BadAsset(f"the number {value} is too large for a canonical form; write it as text")
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_text(item, depth + 1) for item in value) + "]"
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise BadAsset("a record whose names are not texts has no canonical form; use texts")
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_text(name, depth)}:{_text(value[name], depth + 1)}" for name in names) + "}"
    raise BadAsset(f"a {type(value).__name__} has no canonical form; use texts, numbers, lists and records")


def number_text(value: float) -> str:
    """A double as ECMAScript writes it (ECMA-262, Number::toString), which Python's shortest digits give too."""
    if not math.isfinite(value):
        raise BadAsset(f"the number {value} has no canonical form; use a finite one")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))  # digits before the point
    digits = digits.rstrip("0") or "0"
    n = len(digits)
    if n <= point <= 21:
        return sign + digits + "0" * (point - n)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    e = point - 1
    tail = f".{digits[1:]}" if n > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if e > 0 else '-'}{abs(e)}"
