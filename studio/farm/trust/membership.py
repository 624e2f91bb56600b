"""A node's own side of belonging to a farm: its name there, its token and its key, kept on its machine.

    memberships/<farm>.json          name, token and where the key is; of mode 0600
    memberships/<name of key>.key    the key, of mode 0600

A node that has enrolled needs nothing more than the coordinator's address to work for it. Key and token never leave the
process that speaks to the coordinator: what renders for it gets neither (`keeper`).
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.jobs import decoded
from studio.farm.model import NodeId, Record
from studio.farm.session import farm_folder
from studio.farm.trust.keys import read_key, write_key
from studio.farm.trust.signing import Key, enrolment, name_of
from studio.farm.wire import authority, enrol_at

_LARGEST = 64 << 10


@dataclass(frozen=True, slots=True)
class Membership:
    """That this machine is a node of a farm. `ca` is a file of certificates that vouch for the coordinator, "" those of
    the system. It does not show its token."""

    url: str
    node: NodeId
    token: str
    key: Key
    trust: int = 3
    ca: str = ""

    def __repr__(self) -> str:
        return f"Membership({self.node!r} at {self.url!r})"


class _Kept(Record, frozen=True):
    url: str
    node: NodeId
    token: str
    key: str  # file beside it
    trust: int = 3
    ca: str = ""


def enrol_here(url: str, code: str, *, ca: str = "", folder: Path | None = None) -> Membership:
    """Enrol this machine as a node of the farm at a URL, by a code that its owner was given; what it was there before
    is forgotten.

    Raises UsageError for a code or an address that is none or is refused, CannotWrite when nobody answers or nothing
    can be kept.
    """
    code = code.strip()
    if not code or len(code) > 200 or not code.isascii():
        raise UsageError("that is no code; it is what studio farm members invite printed")
    place = folder or _folder()
    authority(ca)  # a wrong one is told before anything is made
    key = Key.made()
    name = f"{name_of(key.public)}.key"
    try:
        old = _read(place, url)
    except (BadAsset, UsageError):  # what is damaged or open to others is what enrolling again is for
        old = None
    write_key(place / name, key)
    try:
        welcome = enrol_at(url, enrolment(key, code, at=time.time()), tls=authority(ca))
        kept = _Kept(
            url=_farm(url),
            node=welcome.node,
            token=welcome.token,
            key=name,
            trust=welcome.trust,
            ca=str(Path(ca).absolute()) if ca else "",
        )
        _write(_file(place, url), msgspec.json.format(msgspec.json.encode(kept), indent=1))
    except BaseException:
        (place / name).unlink(missing_ok=True)
        raise
    if old is not None and old.key != name:
        (place / Path(old.key).name).unlink(missing_ok=True)
    return _membership(place, kept)


def kept_membership(url: str, *, folder: Path | None = None) -> Membership | None:
    """What this machine is at the farm at a URL; None where it has not enrolled.

    Raises UsageError for files that others may read, BadAsset for those that are damaged.
    """
    place = folder or _folder()
    kept = _read(place, url)
    return _membership(place, kept) if kept is not None else None


def _membership(place: Path, kept: _Kept) -> Membership:
    key = read_key(_beside(place, kept.key))
    return Membership(url=kept.url, node=kept.node, token=kept.token, key=key, trust=kept.trust, ca=kept.ca)


def _folder() -> Path:
    return farm_folder() / "memberships"


def _farm(url: str) -> str:
    """An address as it is compared: whatever stands behind the port is no part of it."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise UsageError(f"{url[:80]!r} is no address of a coordinator; it begins with https://") from None
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _file(place: Path, url: str) -> Path:
    return place / f"{hashlib.sha256(_farm(url).encode()).hexdigest()[:24]}.json"


def _beside(place: Path, name: str) -> Path:
    if Path(name).name != name or not name.endswith(".key"):
        raise BadAsset(f"a membership in {place} names a key that is not beside it; enrol again")
    return place / name


def _read(place: Path, url: str) -> _Kept | None:
    path = _file(place, url)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
                raise UsageError(f"others may read {path}, in which there is a token; enrol again with a new code")
            data = file.read(_LARGEST)
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise BadAsset(f"{path} cannot be read: {(fault.strerror or str(fault)).lower()}") from fault
    return decoded(data, _Kept, f"the membership {path}")


def _write(path: Path, data: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as fault:
        raise CannotWrite(f"{path} cannot be written: {(fault.strerror or str(fault)).lower()}") from fault
