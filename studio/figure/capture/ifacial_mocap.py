"""iFacialMocap: text over UDP, or over TCP with an end mark after each message.

A message holds `name-value` (version 1) or `name&value` (version 2) parted by `|`, values from 0 to 100, names of the
left and right with `_L` and `_R`; then `=head#rx,ry,rz,px,py,pz` and `rightEye#rx,ry,rz`, `leftEye#...` in degrees and
metres. The device sends to whoever sends it the start message first; over TCP it connects to the computer.

Angles are those of the phone's scene, right-handed as here, applied as roll, yaw, pitch.
"""

from __future__ import annotations

import math

import numpy as np

from studio.figure.capture.frames import COUNT, MOST_WEIGHT, FaceFrame, Vec3, frozen
from studio.figure.capture.malformed import Malformed, Silent
from studio.figure.capture.turns import composed, rotation_of, taken_apart, turn_of
from studio.scene.arkit import ARKIT, INDEX

PORT = 49983
TCP_PORT = 49986
END = b"___iFacialMocap"
_WORD = "sahuasouryya9218sauhuiayeta91555dy3719"
_MOST_BYTES = 65536
_MOST_EXTRA = 64
_LONG = {name.lower(): i for name, i in INDEX.items()}


def start_message(*, version: int = 2, tcp: bool = False) -> bytes:
    """What makes a device send."""
    how = "iFacialMocap_UDPTCP_" if tcp else "iFacialMocap_"
    return f"{how}{_WORD}{'|sendDataVersion=v2' if version == 2 else ''}".encode()


def parse(data: bytes, time: float) -> FaceFrame:
    """The frame of a message that was heard at `time`. `Malformed` with its reason; `Silent` for one without shapes."""
    if len(data) > _MOST_BYTES:
        raise Malformed("too long")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("no text") from None
    if _WORD in text:
        raise Malformed("a start message")
    shapes, mark, rest = text.partition("=")
    weights, extra, found = np.zeros(COUNT), dict[str, float](), False
    for entry in shapes.split("|"):
        if entry:
            name, value = _shape(entry)
            index = _LONG.get(name.lower())
            found = found or index is not None
            if index is not None:
                weights[index] = value
            elif len(extra) < _MOST_EXTRA:
                extra[name] = value
    turns = _turns(rest) if mark else {}
    if not found:
        if shapes.strip("| \n") or not mark:
            raise Malformed("no shapes of a face")
        raise Silent
    head = turns.get("head", (0.0,) * 6)
    return FaceFrame(
        time=time,
        weights=frozen(weights),
        extra=extra,
        head_deg=_turn(head),
        head_m=(head[3], head[4], head[5]),
        left_eye_deg=_turn(turns.get("lefteye", (0.0,) * 6)),
        right_eye_deg=_turn(turns.get("righteye", (0.0,) * 6)),
    )


def _shape(entry: str) -> tuple[str, float]:
    """A name as Apple writes it and a weight, of `name&value` or `name-value`."""
    name, mark, value = entry.partition("&")
    if not mark:
        name, mark, value = entry.partition("-")
    number = _number(value)
    name = name.strip()
    if not mark or not name or len(name) > 64 or not name.isprintable():
        raise Malformed("a shape without a name or value")
    for short, long in (("_L", "Left"), ("_R", "Right")):
        if name.endswith(short):
            name = name.removesuffix(short) + long
    return name, number / 100.0


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise Malformed("a value is no number") from None
    if not math.isfinite(value) or abs(value) > 100.0 * MOST_WEIGHT:
        raise Malformed("impossible values")
    return value


def _turns(text: str) -> dict[str, tuple[float, ...]]:
    """Angles and place of what is named, six numbers each."""
    out: dict[str, tuple[float, ...]] = {}
    for entry in text.split("|"):
        name, mark, values = entry.partition("#")
        if not mark or name.strip().lower() not in ("head", "lefteye", "righteye"):
            continue  # newer versions say more
        numbers = [_number(part) for part in values.split(",")]
        if not 3 <= len(numbers) <= 16:
            raise Malformed("wrong number of angles")
        out[name.strip().lower()] = tuple((*numbers, 0.0, 0.0, 0.0)[:6])
    return out


def _turn(row: tuple[float, ...]) -> Vec3:
    return turn_of(composed((row[0], row[1], row[2]), "zyx")) if any(row[:3]) else (0.0, 0.0, 0.0)


def build(frame: FaceFrame, *, version: int = 2) -> bytes:
    """A message as the app sends it. Version 1 holds whole hundredths and no negative weight."""
    parts = []
    for name, weight in zip(ARKIT, frame.weights.tolist(), strict=True):
        short = name.removesuffix("Left") + "_L" if name.endswith("Left") and name not in _MIDDLE else name
        short = name.removesuffix("Right") + "_R" if name.endswith("Right") and name not in _MIDDLE else short
        if version == 1:
            parts.append(f"{short}-{round(min(max(weight, 0.0), 1.0) * 100.0)}|")
        else:
            parts.append(f"{short}&{weight * 100.0:.6g}|")
    turned = (*_apart(frame.head_deg), *frame.head_m)
    parts.append("=head#" + ",".join(f"{v:.7g}" for v in turned) + "|")
    for name, eye in (("rightEye", frame.right_eye_deg), ("leftEye", frame.left_eye_deg)):
        parts.append(f"{name}#" + ",".join(f"{v:.7g}" for v in _apart(eye)) + "|")
    return "".join(parts).encode("utf-8")


_MIDDLE = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")  # their sides are directions


def _apart(turn_deg: Vec3) -> Vec3:
    return taken_apart(rotation_of(turn_deg), "zyx")


class IFacialMocapStream:
    """What one device sends by UDP."""

    def feed(self, data: bytes, time: float) -> list[FaceFrame]:
        """The one frame of a message."""
        return [parse(data, time)]


class Splitter:
    """Messages of a TCP connection: what stands before each end mark."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete. `Malformed` where none ends within what one may hold; what waited is
        dropped."""
        *whole, self._rest = (self._rest + data).split(END)
        if len(self._rest) > _MOST_BYTES:
            self._rest = b""
            raise Malformed("no end of a message")
        return [message for message in whole if message]
