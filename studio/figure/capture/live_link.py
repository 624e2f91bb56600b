"""Live Link Face over UDP (its ARKit mode), packet version 6.

Big-endian: u8 version | i32 length, UTF-8 device id | i32 length, UTF-8 subject | i32 frame | f32 part of a frame |
i32, i32 frames a second as a fraction | u8 count | count times f32: the 52 shapes in the order of ARKIT, then yaw,
pitch and roll of head, left and right eye. A packet of a device that sees no face ends before the count. Other versions
lay out the time otherwise and are refused by number.

Angles are radians as Unreal's rotators count them: pitch down as here, yaw to its right and roll to its left shoulder.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from studio.figure.capture.frames import COUNT, MOST_WEIGHT, FaceFrame, Vec3, frozen
from studio.figure.capture.malformed import Malformed, Silent

PORT = 11111
VERSION = 6
VALUES = COUNT + 9
_MOST_TEXT = 256
_MOST_VALUES = 128
_MOST_FPS = 1000.0


def parse(data: bytes, time: float) -> FaceFrame:
    """The frame of a packet that was heard at `time`. `Malformed` with its reason, `Silent` for one without a face."""
    if not data:
        raise Malformed("empty packet")
    if data[0] != VERSION:
        raise Malformed(f"version {data[0]} instead of {VERSION}" if data[0] < 16 else "no Live Link Face packet")
    _, at = _text(data, 1)
    subject, at = _text(data, at)
    if at + 16 > len(data):
        raise Malformed("cut short")
    number, part, numerator, denominator = struct.unpack_from(">ifii", data, at)
    at += 16
    fps = numerator / denominator if denominator > 0 else 0.0
    if not 0.0 < fps <= _MOST_FPS or not (math.isfinite(part) and abs(part) < 1e6):
        raise Malformed("impossible time")
    if at == len(data):
        raise Silent
    count = data[at]
    if not COUNT <= count <= _MOST_VALUES:
        raise Malformed("wrong number of values")
    if len(data) - at - 1 < 4 * count:
        raise Malformed("cut short")
    values = np.array(struct.unpack_from(f">{count}f", data, at + 1))
    if not np.isfinite(values).all() or np.abs(values).max() > MOST_WEIGHT:
        raise Malformed("impossible values")
    turns = [0.0] * 9
    turns[: count - COUNT] = values[COUNT:VALUES].tolist()
    return FaceFrame(
        time=time,
        weights=frozen(values[:COUNT]),
        subject=subject,
        timecode=_timecode(number, part, fps),
        number=number,
        source_s=(number + part) / fps,
        fps=fps,
        head_deg=from_unreal(turns[0], turns[1], turns[2]),
        left_eye_deg=from_unreal(turns[3], turns[4], turns[5]),
        right_eye_deg=from_unreal(turns[6], turns[7], turns[8]),
    )


def _text(data: bytes, at: int) -> tuple[str, int]:
    if at + 4 > len(data):
        raise Malformed("cut short")
    (length,) = struct.unpack_from(">i", data, at)
    if not 0 <= length <= _MOST_TEXT:
        raise Malformed("impossible length of a name")
    end = at + 4 + length
    if end > len(data):
        raise Malformed("cut short")
    try:
        return data[at + 4 : end].decode("utf-8"), end
    except UnicodeDecodeError:
        raise Malformed("a name is no text") from None


def _timecode(number: int, part: float, fps: float) -> str:
    base = max(1, math.ceil(fps - 1e-6))
    seconds, frame = divmod(max(number, 0), base)
    part = min(max(part, 0.0), 0.999)
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frame + part:06.3f}"


def from_unreal(yaw: float, pitch: float, roll: float) -> Vec3:
    """A turn here, in degrees, of Unreal's radians."""
    return math.degrees(pitch), -math.degrees(yaw), -math.degrees(roll)


def to_unreal(turn_deg: Vec3) -> Vec3:
    """Yaw, pitch and roll in radians of a turn here."""
    pitch, yaw, roll = turn_deg
    return -math.radians(yaw), math.radians(pitch), -math.radians(roll)


def build(frame: FaceFrame, *, device: str = "MYRIAD-0000", fps: tuple[int, int] = (60, 1), face: bool = True) -> bytes:
    """A packet as the app sends it; without a `face`, one of a device that sees none."""
    out = [bytes([VERSION])]
    for text in (device, frame.subject):
        raw = text.encode("utf-8")[:_MOST_TEXT]
        out.append(struct.pack(">i", len(raw)) + raw)
    frames = (frame.source_s if frame.source_s is not None else frame.time) * fps[0] / fps[1]
    number = math.floor(frames + 1e-6)
    part = min(max(frames - number, 0.0), 1.0)
    out.append(struct.pack(">ifii", number, part, *fps))
    if face:
        turns = [v for turn in (frame.head_deg, frame.left_eye_deg, frame.right_eye_deg) for v in to_unreal(turn)]
        values = np.concatenate([frame.weights, turns]).astype(">f4")
        out.append(bytes([VALUES]) + values.tobytes())
    return b"".join(out)


class LiveLinkStream:
    """What one device sends."""

    def feed(self, data: bytes, time: float) -> list[FaceFrame]:
        """The one frame of a packet."""
        return [parse(data, time)]
