"""Where a farm is, as the command line knows it: stores, tokens, cores.

A token is never an argument, which every process of the machine could read: it comes from the environment or from a
file that its owner alone can read.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from urllib.parse import urlsplit

from studio.command_line import values
from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.money.prices import MILLION, PriceList, read_prices
from studio.farm.session import farm_folder
from studio.farm.store import Store, open_store
from studio.farm.trust.artist import artists
from studio.farm.trust.signing import Roster
from studio.render.device import cuda_devices

TOKEN = "MYRIAD_FARM_TOKEN"
MOST_NODES = 256
_LARGEST_TOKEN = 4096


def place_of(given: str | None) -> str:
    """The folder, from the root, or the URL of the store."""
    if given is None:
        return str((farm_folder() / "store").absolute())
    parts = urlsplit(given)
    return given if not given or len(parts.scheme) > 1 else str(Path(given).absolute())


def store_of(given: str | None, *, make: bool = False) -> Store:
    """The store; without `make` it has to be there. Raises UsageError."""
    place = place_of(given)
    if not place or "\0" in place:
        raise UsageError("say where the store is: a folder or a URL")
    parts = urlsplit(place)
    local = parts.scheme in ("", "file") or len(parts.scheme) == 1
    folder = Path(parts.path if parts.scheme == "file" else place)
    if local and not make and given is None:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
    if local and not make and not _is_folder(folder):
        raise UsageError(f"there is no store at {place}; check --store, or submit a job to make one")
    return open_store(place)


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        return False


# --- tokens ----------------------------------------------------------------------------------------------------------
def token_of(file: str | None, *, make: bool = False) -> str:
    """The farm's token: of the file that was named, of the environment, or of the user's own file. With `make` a file
    that is not there is made, for its owner alone.

    Raises UsageError for a file that others can read or that holds no token.
    """
    if file is None and os.environ.get(TOKEN):
        return _checked(os.environ[TOKEN], TOKEN)
    path = Path(file) if file is not None else farm_folder() / "token"
    try:
        if make and not path.exists():
            return _made(path)
        mode = path.stat().st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise UsageError(f"the token {path} can be read by others; close it with chmod 600 {path}")
        if path.stat().st_size > _LARGEST_TOKEN:
            raise UsageError(f"{path} is too large for a token; name another file")
        return _checked(path.read_text("ascii"), str(path))
    except (OSError, ValueError) as fault:
        if isinstance(fault, FileNotFoundError):
            hint = f"set {TOKEN}, or copy the coordinator's there with chmod 600"
            raise UsageError(f"there is no token at {path}; {hint}") from None
        reason = (fault.strerror or str(fault)).lower() if isinstance(fault, OSError) else "it is no text"
        raise UsageError(f"the token {str(path)!r} cannot be read: {reason}") from None


def _made(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as fault:
        raise CannotWrite(f"cannot make the token {path}: {(fault.strerror or str(fault)).lower()}") from fault
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if not 16 <= len(token) <= 1024 or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{where} holds no token, which has 16 letters at the least and no blanks; make one anew")
    return token


# --- artists ---------------------------------------------------------------------------------------------------------
def artists_of(file: str | None) -> Roster | None:
    """For whom alone a node works; None where that was not said. Raises UsageError for a list without anybody."""
    if file is None:
        return None
    roster = artists(Path(file))
    if not any(member.role == "artist" for member in roster.members.values()):
        raise UsageError(f"there is no artist in {file}; add one by studio farm key trust KEY --name --artists {file}")
    return roster


def house_of(given: str | None) -> Path | None:
    """The folder of what a coordinator keeps for itself; None is the user's own."""
    if given is not None and (not given or "\0" in given):
        raise UsageError("say which folder the coordinator keeps its things in, by --house")
    return Path(given).absolute() if given is not None else None


# --- numbers ---------------------------------------------------------------------------------------------------------
def nodes_of(nodes: str | None, device: str | None) -> int:
    """Nodes of this machine: as said, or one for each GPU, or one."""
    if nodes is not None:
        return values.whole(nodes, "--nodes", 1, MOST_NODES)
    return max(len(cuda_devices()), 1) if device in (None, "auto", "cuda") else 1


def cores_each(threads: str | None, nodes: int) -> int:
    """Cores of a node: as said, or its share of the machine's; 0 for all of them."""
    if threads is not None:
        return values.whole(threads, "--threads", 1, 1024)
    return 0 if nodes <= 1 else max((os.cpu_count() or 1) // nodes, 1)


def amount(text: str, flag: str) -> int:
    """An amount of money in millionths."""
    return round(values.number(text, flag, 0, 1e9) * MILLION)


def price_list(file: str | None) -> PriceList | None:
    """The price list of a file."""
    if file is None:
        return None
    if not Path(file).is_file():
        raise BadAsset(f"there is no price list {file[:200]!r}; check the path")
    return read_prices(Path(file))
