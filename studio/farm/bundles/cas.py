"""Bytes under the hash of what they are: how the farm names files, and the folder in which a machine keeps them.

The hash is BLAKE3, which one core computes as fast as a disk reads. What lies under a hash never changes, so it may be
taken from anybody, kept by several processes at once and told from damage by computing it again.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

HASH = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20
_SYNCED = 1 << 20  # bytes from which on a file is forced to the disk: what is smaller is told by its size when cut


def digest_of(data: bytes | memoryview) -> str:
    """BLAKE3 of bytes, as the farm names everything."""
    from blake3 import blake3

    return str(blake3(data).hexdigest())


def digest_of_file(path: Path) -> tuple[str, int]:
    """BLAKE3 of a file and the number of its bytes, as they were read. OSError when it cannot be read."""
    from blake3 import blake3

    # Read, not mapped: a mapped file that somebody cuts meanwhile kills the process.
    digest, size, block = blake3(), 0, bytearray(_BLOCK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            digest.update(memoryview(block)[:count])
            size += count
    return str(digest.hexdigest()), size


def is_hash(text: str) -> bool:
    """Whether a text is the hash of something, and so a plain name of a file."""
    return HASH.fullmatch(text) is not None


def blob_key(hash_: str) -> str:
    """Where the bytes of a hash lie, in a store and in a folder."""
    return f"blobs/{hash_[:2]}/{hash_}"


class Blobs:
    """A folder of files under their hashes. Several processes may use it: a file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, hash_: str) -> Path:
        """Where a file is, or would be."""
        return self._folder / blob_key(hash_)

    def has(self, hash_: str, size: int) -> bool:
        """Whether a file is there, as long as it should be."""
        try:
            found = self.path(hash_).stat()
        except FileNotFoundError:
            return False
        return found.st_size == size

    def is_whole(self, hash_: str) -> bool:
        """Whether a file is there and has its bytes; it is read for that."""
        try:
            return digest_of_file(self.path(hash_))[0] == hash_
        except FileNotFoundError:
            return False

    def take(self, hash_: str, write: Callable[[Path], None]) -> bool:
        """Add the file that `write` makes at the path it is given; False, and nothing is added, when it is not of that
        hash. OSError when the disk does not let us."""
        target = self.path(hash_)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{uuid.uuid4().hex}.tmp"
        try:
            write(temporary)
            found, size = digest_of_file(temporary)
            if found != hash_:
                return False
            if size >= _SYNCED:
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
            if os.name != "nt":  # where it would keep even us from removing it
                temporary.chmod(0o444)  # bundles are links to it
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def drop(self, hash_: str) -> None:
        """Remove a file; what is not there is no fault."""
        self.path(hash_).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[tuple[Path, os.stat_result]]:
        """The files with what the disk says of them. Those that vanish meanwhile are passed over."""
        for folder in sorted((self._folder / "blobs").glob("??")):
            for path in sorted(folder.iterdir()):
                if is_hash(path.name):
                    try:
                        yield path, path.stat()
                    except FileNotFoundError:
                        continue
