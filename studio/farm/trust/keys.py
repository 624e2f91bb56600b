"""Where private keys are kept: in the keyring of the operating system, or in a file that nobody else may read.

A key is never an argument of a process, a line of a log, or a file of a bundle. What is kept is its 32 bytes in base64.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import importlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from studio.errors import BadAsset, CannotWrite, Unsupported, UsageError
from studio.farm.jobs import decoded
from studio.farm.trust.signing import Key, Roster

SERVICE = "myriad-farm"
LARGEST = 64 << 20


def read_key(path: Path) -> Key:
    """The key of a file. Raises BadAsset for what is none, UsageError when others may read the file."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
                raise UsageError(f"others may read the key {path}; make it yours alone (chmod 600) and make a new key")
            text = file.read(100)
    except OSError as fault:
        raise BadAsset(f"the key {path} cannot be read: {_reason(fault)}") from None
    return _key(text, str(path))


def write_key(path: Path, key: Key) -> None:
    """Keep a key in a new file of mode 0600. Raises CannotWrite, also where there is a file already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:
            file.write(base64.b64encode(key.seed()) + b"\n")
    except FileExistsError:
        raise CannotWrite(f"there is a key {path} already; choose another name, or remove it by hand") from None
    except OSError as fault:
        raise CannotWrite(f"the key {path} cannot be written: {_reason(fault)}") from None


def kept_key(name: str) -> Key | None:
    """The key of a name in the keyring of the operating system; None when it has none of it.

    Raises Unsupported where there is no keyring.
    """
    ring = _keyring()
    with _ring_faults():
        text = ring.get_password(SERVICE, name)
    return None if text is None else _key(text.encode(), f"the key {name!r} of the keyring")


def keep_key(name: str, key: Key) -> None:
    """Keep a key in the keyring of the operating system. Raises Unsupported where there is none."""
    ring = _keyring()
    with _ring_faults():
        ring.set_password(SERVICE, name, base64.b64encode(key.seed()).decode())


def read_roster(path: Path) -> Roster:
    """A roster of its file; an empty one where there is none. Raises BadAsset for one that is damaged."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadAsset(f"{path} is too large for a roster of keys; put back a copy")
        return decoded(path.read_bytes(), Roster, f"the roster of keys {path}")
    except FileNotFoundError:
        return Roster()
    except OSError as fault:
        raise BadAsset(f"the roster of keys {path} cannot be read: {_reason(fault)}") from None


def write_roster(path: Path, roster: Roster) -> None:
    """Write a roster whole or not at all. Raises CannotWrite."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(roster, order="deterministic"), indent=1))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as fault:
        raise CannotWrite(f"the roster of keys {path} cannot be written: {_reason(fault)}") from None


def _key(text: bytes, where: str) -> Key:
    try:
        return Key.of(base64.b64decode(text.strip(), validate=True))
    except (ValueError, binascii.Error, UsageError):
        raise BadAsset(f"{where} is no signing key; make a new one") from None


def _keyring() -> Any:
    try:
        return importlib.import_module("keyring")
    except ImportError:
        raise Unsupported("there is no keyring here; keep the key in a file, or install the keyring package") from None


@contextlib.contextmanager
def _ring_faults() -> Iterator[None]:
    faults: type[Exception] = importlib.import_module("keyring.errors").KeyringError
    try:
        yield
    except faults as fault:
        raise Unsupported(f"the keyring does not open ({type(fault).__name__}); keep the key in a file") from None


def _reason(fault: OSError) -> str:
    return (fault.strerror or str(fault)).lower()
