"""The one way in which a packet is refused: counted by its reason, never shown as a fault."""

from __future__ import annotations

from typing import Protocol

from studio.figure.capture.frames import FaceFrame


class Malformed(Exception):
    """A packet that is not what its protocol says. The reason is a short text, fit to be a counter's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Silent(Exception):
    """A packet that is whole but holds no face: the device sees none."""


class Stream(Protocol):
    """What one sender says, packet by packet."""

    def feed(self, data: bytes, time: float) -> list[FaceFrame]:
        """Frames that a packet brings. `Malformed` or `Silent` instead."""
