"""Open Sound Control 1.0: messages and bundles as bytes, and back.

M. Wright, "The Open Sound Control 1.0 Specification", 2002. Everything is padded to four bytes and big-endian. Only
what a datagram can hold is read; one that is not whole is refused as such.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from studio.figure.capture.malformed import Malformed

_BUNDLE = b"#bundle\0"
_NOW = struct.pack(">Q", 1)
_DEEPEST = 8
_MOST_MESSAGES = 4096
_SIZES = {"i": (">i", 4), "f": (">f", 4), "h": (">q", 8), "d": (">d", 8), "t": (">Q", 8), "c": (">i", 4),
          "r": (">I", 4), "m": (">I", 4)}  # fmt: skip
_WORDS = {"T": True, "F": False, "N": None, "I": True}
Argument = int | float | str | bytes | bool | None


class Message(NamedTuple):
    """An address like "/VMC/Ext/OK" and what it is told."""

    address: str
    arguments: tuple[Argument, ...]


def parse(data: bytes) -> list[Message]:
    """The messages of a datagram, those of bundles within bundles too, in their order. `Malformed` with a reason."""
    out: list[Message] = []
    for message in _messages(data, 0):
        out.append(message)
        if len(out) > _MOST_MESSAGES:
            raise Malformed("too many messages")
    return out


def _messages(data: bytes, depth: int) -> Iterator[Message]:
    if not data.startswith(_BUNDLE):
        yield _message(data)
        return
    if depth >= _DEEPEST:
        raise Malformed("bundles too deep")
    at = 16
    if len(data) < at:
        raise Malformed("cut short")
    while at < len(data):
        if at + 4 > len(data):
            raise Malformed("cut short")
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size <= 0 or at + size > len(data):
            raise Malformed("impossible size of a part")
        yield from _messages(data[at : at + size], depth + 1)
        at += size


def _message(data: bytes) -> Message:
    address, at = _string(data, 0)
    if not address.startswith("/"):
        raise Malformed("no address")
    if at >= len(data):
        return Message(address, ())
    kinds, at = _string(data, at)
    if not kinds.startswith(","):
        raise Malformed("no kinds of arguments")
    arguments: list[Argument] = []
    for kind in kinds[1:]:
        if kind in _SIZES:
            layout, size = _SIZES[kind]
            if at + size > len(data):
                raise Malformed("cut short")
            arguments.append(struct.unpack_from(layout, data, at)[0])
            at += size
        elif kind in "sS":
            text, at = _string(data, at)
            arguments.append(text)
        elif kind == "b":
            if at + 4 > len(data):
                raise Malformed("cut short")
            (size,) = struct.unpack_from(">i", data, at)
            if size < 0 or at + 4 + size > len(data):
                raise Malformed("cut short")
            arguments.append(data[at + 4 : at + 4 + size])
            at += 4 + _padded(size)
        elif kind in _WORDS:
            arguments.append(_WORDS[kind])
        else:
            raise Malformed("unknown kind of argument")
    return Message(address, tuple(arguments))


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise Malformed("cut short")
    try:
        return data[at:end].decode("utf-8"), at + _padded(end - at + 1)
    except UnicodeDecodeError:
        raise Malformed("no text") from None


def _padded(size: int) -> int:
    return (size + 3) & ~3


def build(address: str, *arguments: Argument) -> bytes:
    """A message: whole numbers as i, others as f, texts as s, bytes as b."""
    kinds, body = ",", b""
    for value in arguments:
        if isinstance(value, bool) or value is None:
            kinds += {True: "T", False: "F", None: "N"}[value]
        elif isinstance(value, int):
            kinds, body = kinds + "i", body + struct.pack(">i", value)
        elif isinstance(value, float):
            kinds, body = kinds + "f", body + struct.pack(">f", value)
        elif isinstance(value, str):
            kinds, body = kinds + "s", body + _text(value)
        else:
            kinds, body = kinds + "b", body + struct.pack(">i", len(value)) + value.ljust(_padded(len(value)), b"\0")
    return _text(address) + _text(kinds) + body


def _text(text: str) -> bytes:
    raw = text.encode("utf-8").replace(b"\0", b"")
    return raw.ljust(_padded(len(raw) + 1), b"\0")


def bundle(parts: Sequence[bytes]) -> bytes:
    """Messages or bundles as one bundle that is to be acted on at once."""
    return _BUNDLE + _NOW + b"".join(struct.pack(">i", len(part)) + part for part in parts)
