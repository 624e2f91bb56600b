"""How much memory a file may ask for.

A hostile file of a kilobyte can name a billion vertices, or one buffer ten thousand times. Everything that a reader
allocates because a file says so is spent here first; a file that asks for more than its size justifies is refused.
The limits keep a load, with the copies that decoding needs for a moment, under 20 times the file plus 500 MB.
"""

from __future__ import annotations

from studio.errors import BadAsset

FACTOR = 18
ALLOWANCE = 430_000_000


class Budget:
    """Bytes that a file of `file_bytes` may decode to. `owner` is the file's name, for the sentence."""

    def __init__(self, owner: str, file_bytes: int) -> None:
        self.owner = owner
        self.file_bytes = file_bytes
        self.left = FACTOR * file_bytes + ALLOWANCE

    def grow(self, file_bytes: int) -> None:
        """Another file that belongs to this one was read: its bytes justify more."""
        self.file_bytes += file_bytes
        self.left += FACTOR * file_bytes

    def spend(self, kept: int, place: str, *, transient: int = 0) -> None:
        """Account for `kept` bytes about to be allocated for `place`, and `transient` ones freed again soon.

        Raises BadAsset when there is no such room.
        """
        self.left -= kept
        if self.left < transient:
            raise BadAsset(
                f"{self.owner}: {place} asks for {kept + transient:,} bytes, and the file with it for more than its "
                f"{self.file_bytes:,} bytes justify; export it again or split it."
            )
