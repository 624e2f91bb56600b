"""Files as bytes, with one sentence for whatever is wrong with them."""

from __future__ import annotations

from pathlib import Path

from studio.errors import BadAsset


def is_file(path: Path) -> bool:
    """Whether a regular file is there; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_file(path: Path, owner: str) -> bytes:
    """The bytes of a regular file, or BadAsset that opens with `owner`."""
    try:
        if not is_file(path):
            raise BadAsset(f"{owner}: there is no file {str(path)!r}; put it there or relink it.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadAsset(f"{owner}: the file {str(path)[-200:]!r} cannot be read ({reason}).") from error
