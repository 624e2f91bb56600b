"""What a file of a bundle may be called, on any system, and what no bundle ever holds.

A manifest may come from anybody. Its paths are joined to a folder of the node's disk, so they are taken only when they
lie below it by their letters alone, mean the same file on Linux, Windows and macOS, and none is another's folder or,
where case does not count, another's double. Pure functions of text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

LONGEST_PATH, LONGEST_PART, DEEPEST = 1024, 255, 32  # characters, bytes, folders
_FORBIDDEN = frozenset('<>:"|?*\\')
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"]
)
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", "keyrings"})
_SECRET_NAMES = frozenset(
    {"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", "_netrc", ".pgpass", ".git-credentials", ".npmrc",
     ".pypirc", "credentials", "credentials.json", "secrets.json", "auth_token", "shadow", ".htpasswd"}
)  # fmt: skip
_SECRET_SUFFIXES = frozenset(
    {".pem", ".key", ".p12", ".pfx", ".ppk", ".jks", ".keystore", ".kdbx", ".asc", ".gpg", ".der", ".crt", ".env"}
)


def fault_of(path: str) -> str:
    """Why no file of a bundle may have a path, as the end of a sentence; "" when it may."""
    if not path or len(path) > LONGEST_PATH:
        return "is empty or too long"
    if path.startswith("/") or "\\" in path or path[1:2] == ":":
        return "is not below the bundle's folder"
    if not path.isprintable():
        return "has characters that cannot be shown"
    parts = path.split("/")
    if len(parts) > DEEPEST:
        return "is too deep"
    for part in parts:
        if part in ("", ".", ".."):
            return "is not below the bundle's folder"
        if _FORBIDDEN & set(part) or part.endswith((".", " ")) or len(part.encode()) > LONGEST_PART:
            return "is no name that every system takes"
        if part.split(".")[0].rstrip().casefold() in _RESERVED:
            return "is the name of a device on Windows"
    return "is kept for secrets" if is_secret(path) else ""


def is_secret(path: str) -> bool:
    """Whether a file is of the kind that holds keys or passwords, by its name."""
    parts = [part.casefold() for part in PurePosixPath(path.replace("\\", "/")).parts]
    if not parts:
        return False
    name = parts[-1]
    return (
        not _SECRET_FOLDERS.isdisjoint(parts)
        or name in _SECRET_NAMES
        or name.startswith((".env.", "id_rsa.", "id_ed25519."))
        or name == ".env"
        or PurePosixPath(name).suffix in _SECRET_SUFFIXES
    )


def clash(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two paths that are one file where case and the ways to write an accent do not count, or of which one would be
    the other's folder; None when there are no such two."""
    files: dict[str, str] = {}
    for path in paths:
        key = _folded(path)
        if key in files:
            return files[key], path
        files[key] = path
    folders: dict[str, str] = {}
    for path in files.values():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            head = "/".join(parts[:depth])
            key = _folded(head)
            if key in files:
                return files[key], path
            # one folder written two ways would be two here and one elsewhere
            if folders.setdefault(key, head) != head:
                return folders[key], head
    return None


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
