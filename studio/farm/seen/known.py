"""What this machine remembers of farms: the stores that it looks at, and what was told of their jobs.

    <user's data>/farm/watched/<digest of the place>.json

A file for each store, so that whoever looks at one disturbs nobody who looks at another. It holds no secret, and
losing it loses nothing but the list: the jobs lie in their stores.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from studio.errors import CannotWrite, UsageError
from studio.farm.model import JobId, Record
from studio.farm.session import farm_folder
from studio.farm.store import SCHEMES
from studio.render.output import replacing

_LARGEST = 8 << 20
_MOST_JOBS = 10_000  # the newest are remembered


class Remembered(Record, frozen=True):
    """A store, and the state of each of its jobs that was told last."""

    place: str
    told: dict[JobId, str] = msgspec.field(default_factory=dict)


def own_store() -> str:
    """The store of this machine, where jobs go that are sent nowhere else."""
    return str((farm_folder() / "store").absolute())


def folder_of(place: str) -> Path | None:
    """The folder of a store that is one; None for a bucket."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(parts.path)
    return Path(place) if len(parts.scheme) < 2 else None


def checked(place: str) -> str:
    """The place of a store as it is remembered: a folder from the root, or a URL. Raises UsageError for neither."""
    place = place.strip()
    if not place or "\0" in place:
        raise UsageError("say where the store is: a folder or a URL")
    try:
        parts = urlsplit(place)
    except ValueError:
        raise UsageError(f"{place[:80]!r} is no address; write it like s3://bucket/farm") from None
    if len(parts.scheme) > 1:
        if parts.scheme not in SCHEMES:
            raise UsageError(
                f"a store cannot be of the kind {parts.scheme!r}; use a folder or one of {', '.join(SCHEMES)}"
            )
        if "@" in parts.netloc or parts.query:
            raise UsageError("leave keys and passwords out of a store's address; set them in the environment")
        return place
    return str(Path(os.path.expanduser(place)).absolute())


def places() -> list[str]:
    """The stores that are looked at: this machine's own where there is one, and those that were remembered."""
    found = [kept.place for kept in _all()]
    own = own_store()
    if own not in found and Path(own).is_dir():
        found.insert(0, own)
    return sorted(found, key=lambda place: (place != own, place))


def remember(place: str) -> None:
    """Look at a store from now on. Raises CannotWrite."""
    if recall(place) is None:
        keep(Remembered(place=place))


def forget(place: str) -> None:
    """Look at a store no more. What lies in it stays. Raises CannotWrite."""
    try:
        _file(place).unlink(missing_ok=True)
    except OSError as fault:
        raise CannotWrite(f"{_file(place)} cannot be removed: {(fault.strerror or str(fault)).lower()}") from fault


def recall(place: str) -> Remembered | None:
    """What is remembered of a store; None for one that is not. A damaged file is nothing."""
    kept = _read(_file(place))
    return kept if kept is not None and kept.place == place else None


def keep(remembered: Remembered) -> None:
    """Remember a store, whole or not at all. Raises CannotWrite."""
    told = dict(list(remembered.told.items())[-_MOST_JOBS:])
    file = _file(remembered.place)
    with replacing(file) as temporary:
        temporary.write_bytes(msgspec.json.encode(msgspec.structs.replace(remembered, told=told)))


def _file(place: str) -> Path:
    return farm_folder() / "watched" / f"{hashlib.blake2b(place.encode(), digest_size=8).hexdigest()}.json"


def _all() -> list[Remembered]:
    found: list[Remembered] = []
    with contextlib.suppress(OSError):  # a folder that is not there yet has none
        for file in sorted((farm_folder() / "watched").glob("*.json")):
            kept = None if file.name.startswith(".") else _read(file)  # those are being written
            if kept is not None:
                found.append(kept)
    return found


def _read(file: Path) -> Remembered | None:
    try:
        if file.stat().st_size > _LARGEST:
            return None
        return msgspec.json.decode(file.read_bytes(), type=Remembered)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
