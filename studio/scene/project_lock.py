"""Who has a project open: a small file in it that says so, `.lock`.

It warns; it does not forbid. It names the process, the machine and the person, and is touched while they work. A
lock is stale, and simply taken over, when its process is gone from this machine (a number that another process got
meanwhile is told by when that one started), or when another machine has not touched it for ten minutes. What keeps
two studios from overwriting each other's work even so is the comparison of contents before every save.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
import time
import uuid
from pathlib import Path

import msgspec

LOCK = ".lock"
BEAT_S = 60.0  # between touches
STALE_S = 600.0  # without one, on another machine


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who has a project open: process id and when it started (0: unknown), machine, person, since when (seconds since
    the epoch); `token` tells locks of one process apart."""

    pid: int
    host: str
    user: str
    since: float
    token: str
    started: int = 0


class ProjectLock:
    """A lock that is ours until `release`."""

    def __init__(self, file: Path, holder: Holder) -> None:
        self.file, self.holder = file, holder

    @property
    def held(self) -> bool:
        """Whether it is still ours; another studio may have been told to take it over."""
        found = _read(self.file)
        return found is not None and found.token == self.holder.token

    def beat(self) -> None:
        """Touch the lock, so that other machines see that somebody works."""
        if self.held:
            with contextlib.suppress(OSError):  # the folder is gone for a moment, as network folders are
                os.utime(self.file)

    def release(self) -> None:
        """Take the lock away, if it is still ours."""
        if self.held:
            with contextlib.suppress(OSError):
                self.file.unlink()


def holder(project: Path) -> Holder | None:
    """Who else has the project at `project` (its folder) open now; None for nobody."""
    file = project / LOCK
    found = _read(file)
    return found if found is not None and _lives(found, file) else None


def take(project: Path, *, force: bool = False) -> ProjectLock | None:
    """Lock a project; None when somebody else has it (unless `force` takes it over) or nothing can be written there."""
    file = project.absolute() / LOCK
    mine = Holder(
        pid=os.getpid(),
        host=socket.gethostname(),
        user=_user(),
        since=time.time(),
        token=uuid.uuid4().hex,
        started=_started(os.getpid()),
    )
    text = msgspec.json.encode(mine)
    try:
        try:
            handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            if not force and holder(project) is not None:
                return None
            passing = file.with_name(f"{LOCK}.{mine.token[:12]}.tmp")
            passing.write_bytes(text)
            passing.replace(file)
        else:
            with os.fdopen(handle, "wb") as out:
                out.write(text)
    except OSError:
        return None
    lock = ProjectLock(file, mine)
    return lock if lock.held else None  # two may take over a stale lock at once; the last one has it


def _read(file: Path) -> Holder | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Holder) if file.stat().st_size < 4096 else None
    except (OSError, ValueError):
        return None


def _lives(found: Holder, file: Path) -> bool:
    """Whether the process of a lock is still there."""
    if found.host == socket.gethostname():
        return _runs(found.pid) and (not found.started or found.started == _started(found.pid))
    try:
        return time.time() - file.stat().st_mtime < STALE_S
    except OSError:
        return False


def _runs(pid: int) -> bool:
    if pid <= 0:
        return False
    if sys.platform == "win32":  # signal 0 would end the process there
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's process
        return True
    return not _is_zombie(pid)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (proc(5)); empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _is_zombie(pid: int) -> bool:
    return _stat(pid)[:1] == ["Z"]


def _started(pid: int) -> int:
    """When a process started, in clock ticks since the machine did; 0 where the system does not tell."""
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 and fields[19].isdigit() else 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without an entry for its user
        return ""
