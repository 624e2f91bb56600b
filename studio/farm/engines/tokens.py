"""Tokens of other people's services, taken where they are kept at the moment they are used, and kept nowhere.

First the environment, then a file that nobody else can read, then the system's keyring where the `keyring` package is
installed. A token never becomes an argument, a line of a log or a part of a bundle.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from studio.errors import UsageError

LONGEST = 16 << 10
SERVICE = "myriad-farm"  # in the keyring


def token(
    address: str,
    *,
    variable: str,
    file_variable: str = "",
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The token for an address; "" when there is none.

    Raises UsageError for a file that others can read, or that cannot be read.
    """
    known = os.environ if environment is None else environment
    given = known.get(variable, "").strip()
    if given:
        return _plain(given, variable)
    named = known.get(file_variable, "") if file_variable else ""
    path = Path(named).expanduser() if named else file
    if path is not None and (named or path.exists()):
        return _plain(_read(path), str(path))
    return _plain(_from_keyring(address), "the keyring")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise UsageError(f"others can read the token in {path}; run chmod 600 on it, then make a new token")
            return file.read(LONGEST).decode().strip()
    except (OSError, UnicodeDecodeError) as fault:
        reason = (getattr(fault, "strerror", None) or "it is no text").lower()
        raise UsageError(f"the token in {path} cannot be read: {reason}") from None


def _from_keyring(address: str) -> str:
    if importlib.util.find_spec("keyring") is None:
        return ""
    keyring = importlib.import_module("keyring")
    return str(keyring.get_password(SERVICE, address) or "").strip()


def _plain(text: str, where: str) -> str:
    """A token without what would end its line in a request."""
    if not all(33 <= ord(c) < 127 for c in text):
        raise UsageError(f"the token in {where} has characters that no token has; copy it again")
    return text
