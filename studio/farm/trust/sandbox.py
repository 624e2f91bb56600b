"""A sandbox for the process of a node: it sees what it needs to render, and nothing else of the machine it runs on.

A public node renders scenes of people whom the machine's owner does not know, for people who do not know the owner. A
scene is data, but whoever finds a fault in a reader of data has the process that reads it. So that process holds no
secret, has no network and no home: only the system's libraries, Python and the studio, to read; one folder to keep
things in; memory, `/tmp` and numbers of files that end somewhere; and one socket, to its keeper
(`studio.farm.trust.keeper`). Of the kernel it may ask what a renderer needs: bubblewrap is given a filter of system
calls (`studio.farm.trust.syscalls`) and is not started without one; containers bring their own.

Two things on Linux can do that without rights of their own: bubblewrap, and containers (podman or docker). Both are
offered in the form of a command line. Whether one really works here is only known by trying it, as a system may have
it and forbid it: `find_sandbox` runs a probe inside, which looks at the walls from within.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from studio.errors import Unsupported, UsageError
from studio.farm.trust.syscalls import handed, program
from studio.farm.trust.walls import (
    OPEN_FILES,
    PROCESSES,
    SYSTEM,
    Walls,
    environment,
    hidden,
    limited,
    plain,
    shared_bytes,
    shown,
    system_files,
)

KINDS = ("auto", "bubblewrap", "container", "none")
IMAGE = "myriad-nothing"  # an image without a file: everything in a container is bound from outside
_PROBE_S = 60.0

# What a process inside sees: interfaces of the network but its own loop, processes, what it can do with paths, and
# whether it may ask for a place of its memory that can be guessed (ADDR_NO_RANDOMIZE), which every filter refuses.
_PROBE = """
import ctypes, json, os, socket, sys
def can(path, flags):
    try:
        os.close(os.open(path, flags, 0o600))
    except OSError:
        return False
    return True
print(json.dumps({
    "interfaces": [name for _, name in socket.if_nameindex() if name != "lo"],
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "variables": sorted(os.environ),
    "reads": [path for path in sys.argv[2:] if can(path, os.O_RDONLY)],
    "root": can("/.myriad-probe", os.O_WRONLY | os.O_CREAT),
    "cache": can(os.path.join(sys.argv[1], "probe"), os.O_WRONLY | os.O_CREAT),
    "tmp": can("/tmp/probe", os.O_WRONLY | os.O_CREAT),
    "calls": ctypes.CDLL(None).personality(0x0040000) != -1,
}))
"""


class _Seen(msgspec.Struct):
    """What the probe said."""

    interfaces: list[str]
    processes: int
    variables: list[str]
    reads: list[str]
    root: bool
    cache: bool
    tmp: bool
    calls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox that is there. `program` is bwrap, podman or docker; `scope` whether a group of processes of its own
    (cgroup) can be had for what is started, so that memory is limited for all of it together; `user` who one is in a
    container."""

    kind: Literal["bubblewrap", "container"]
    program: str
    scope: bool = False
    user: tuple[str, ...] = ()

    @contextlib.contextmanager
    def ready(
        self, command: Sequence[str], walls: Walls, *, name: str = ""
    ) -> Iterator[tuple[list[str], tuple[int, ...]]]:
        """What starts a command within walls: a command line, and the descriptors that it is started with (`pass_fds`).

        They are good for one start, within the `with`; without them bubblewrap ends at once. `name` is what a container
        is called, to end it by. Raises Unsupported where system calls cannot be filtered.
        """
        if self.kind == "container":
            yield _contained(self.program, list(command), walls, user=self.user, name=name), ()
            return
        with handed(program()) as calls:
            # What bubblewrap itself was started with can be read inside, as the environment of its first process.
            line = [shutil.which("env") or "/usr/bin/env", "-i", self.program, *_bubble(list(command), walls, calls)]
            yield ([*_scope(walls), *line] if self.scope else line), (calls,)

    def end(self, name: str) -> None:
        """End a container whose client was killed; bubblewrap ends by itself."""
        if self.kind == "container" and name:
            _run([self.program, "kill", name])

    def __str__(self) -> str:
        return self.kind if self.kind == "bubblewrap" else Path(self.program).name


# --- bubblewrap ------------------------------------------------------------------------------------------------------
def _bubble(command: list[str], walls: Walls, calls: int) -> list[str]:
    line = ["--seccomp", str(calls), "--unshare-all", "--unshare-user", "--disable-userns", "--uid", "65534"]
    line += ["--gid", "65534", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "node"]
    line += ["--ro-bind", "/usr", "/usr"]
    for name in SYSTEM:
        folder = Path("/", name)
        if folder.is_symlink():
            line += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            line += ["--ro-bind", str(folder), str(folder)]
    for name in system_files(walls):
        line += ["--ro-bind", name, name]
    line += ["--proc", "/proc", "--dev", "/dev"]
    for name in hidden():  # a device that lies where devices do not work cannot even be opened
        line += ["--ro-bind", "/dev/null", name]
    for device in walls.devices:
        line += ["--dev-bind-try", device, device]
    line += ["--size", str(shared_bytes(walls)), "--perms", "1777", "--tmpfs", "/dev/shm"]
    line += ["--size", str(walls.tmp_bytes), "--perms", "1777", "--tmpfs", "/tmp"]
    for path in shown(walls):  # after /tmp, where one of them may lie
        line += ["--ro-bind", str(path), str(path)]
    for kept in walls.writable:
        line += ["--bind", str(kept), str(kept)]
    # The frame that everything hangs in is memory too, without a limit; and in /proc somebody who is root outside
    # could set what the whole system goes by.
    line += ["--remount-ro", "/", "--remount-ro", "/dev", "--remount-ro", "/proc", "--chdir", "/tmp", "--clearenv"]
    for name, value in environment(walls).items():
        line += ["--setenv", name, value]
    return [*line, "--", *limited(command, walls)]


def _scope(walls: Walls) -> list[str]:
    """A group of processes of its own for bubblewrap and what is in it, by the user's systemd."""
    line = ["systemd-run", "--user", "--scope", "--quiet", "--collect", f"--property=TasksMax={PROCESSES}"]
    if walls.memory_bytes:
        line += [f"--property=MemoryMax={walls.memory_bytes}", "--property=MemorySwapMax=0"]
    return [*line, "--"]


# --- containers ------------------------------------------------------------------------------------------------------
def _contained(program: str, command: list[str], walls: Walls, *, user: tuple[str, ...], name: str) -> list[str]:
    line = [program, "run", "--rm", "--interactive", "--init", "--pull", "never", "--network", "none", "--read-only"]
    line += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", *user, "--hostname", "node"]
    line += ["--log-driver", "none"]  # else what is said inside is written to the machine's disk, without end
    line += ["--pids-limit", str(PROCESSES), "--ulimit", "core=0:0", "--ulimit", f"nofile={OPEN_FILES}:{OPEN_FILES}"]
    line += ["--tmpfs", f"/tmp:rw,nosuid,nodev,mode=1777,size={walls.tmp_bytes}"]
    line += ["--shm-size", str(shared_bytes(walls)), "--workdir", "/tmp"]
    if name:
        line += ["--name", name]
    if walls.memory_bytes:
        line += ["--memory", str(walls.memory_bytes), "--memory-swap", str(walls.memory_bytes)]
    system = ["/usr", *(f"/{name}" for name in SYSTEM if Path("/", name).is_dir()), *system_files(walls)]
    for path in (*system, *map(str, shown(walls))):
        line += ["--volume", f"{path}:{path}:ro"]
    for folder in walls.writable:
        line += ["--volume", f"{folder}:{folder}:rw"]
    for device in walls.devices:
        line += ["--device", device]
    for key, value in environment(walls).items():
        line += ["--env", f"{key}={value}"]
    return [*line, IMAGE, *limited(command, walls)]


def _as_user(program: str) -> tuple[str, ...]:
    """The options by which whoever is in a container may write what its owner may, and no more.

    Without rights of its own podman maps the owner to themselves, and docker to the container's root."""
    here = ("--user", f"{os.getuid()}:{os.getgid()}")
    if Path(program).name == "podman":
        return ("--userns", "keep-id", *here) if os.getuid() else here
    told = _run([program, "info", "--format", "{{.SecurityOptions}}"])
    return ("--user", "0:0") if "rootless" in told else here


def _make_image(program: str) -> None:
    """An image of nothing, made here: nothing is fetched from anywhere."""
    if _run([program, "image", "inspect", "--format", "there", IMAGE]).strip() == "there":
        return
    import io
    import tarfile

    nothing = io.BytesIO()
    tarfile.open(fileobj=nothing, mode="w").close()
    _run([program, "import", "-", IMAGE], given=nothing.getvalue())


# --- what is there ---------------------------------------------------------------------------------------------------
def find_sandbox(kind: str = "auto") -> Sandbox:
    """A sandbox that works on this machine, of a kind or the first that does.

    Raises Unsupported, saying how to get one, and UsageError for a kind that there is not.
    """
    if kind not in KINDS or kind == "none":
        raise UsageError(f"there is no sandbox {kind[:40]!r}; choose from {', '.join(KINDS[:-1])}")
    if not sys.platform.startswith("linux"):
        system = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)
        raise Unsupported(
            f"there is no sandbox for nodes on {system}; run the worker on Linux (in a virtual machine or WSL), "
            "or join a farm that trusts this machine"
        )
    tried = []
    for one in _installed(kind):
        why = _why_not(one)
        if not why:
            return replace(one, scope=one.kind == "bubblewrap" and _has_scopes())
        tried.append(f"{one} does not work here: {why}")
    told = "; ".join(tried) or f"{'no sandbox' if kind == 'auto' else kind} is installed"
    raise Unsupported(f"{told}; install bubblewrap 0.8 or newer and allow user namespaces, or install podman")


def _installed(kind: str) -> Iterable[Sandbox]:
    if kind in ("auto", "bubblewrap") and (program := shutil.which("bwrap")):
        yield Sandbox(kind="bubblewrap", program=program)
    if kind in ("auto", "container"):
        for name in ("podman", "docker"):
            if program := shutil.which(name):
                _make_image(program)
                yield Sandbox(kind="container", program=program, user=_as_user(program))


def _why_not(sandbox: Sandbox) -> str:
    """Why a sandbox is none here; "" for one whose walls stand. It is tried with a secret outside."""
    with tempfile.TemporaryDirectory(prefix="myriad-probe-") as folder:
        cache, secret = Path(folder) / "cache", Path(folder) / "secret"
        cache.mkdir()
        secret.write_text("closed")
        walls = Walls(writable=(cache,), memory_bytes=1 << 30, tmp_bytes=1 << 20)
        probe = [sys.executable, "-I", "-S", "-c", _PROBE, str(cache), str(secret), "/etc/passwd"]
        try:
            with sandbox.ready(probe, walls) as (line, handles):
                done = subprocess.run(
                    line,
                    capture_output=True,
                    timeout=_PROBE_S,
                    check=False,
                    env=outer_environment(),
                    stdin=subprocess.DEVNULL,
                    pass_fds=handles,
                )
        except Unsupported as fault:
            return str(fault)
        except (OSError, subprocess.TimeoutExpired) as fault:
            return str(getattr(fault, "strerror", None) or "it does not answer").lower()
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return plain(said[-1] if said else f"exit code {done.returncode}", 200)
    try:
        seen = msgspec.json.decode(done.stdout, type=_Seen)
    except msgspec.DecodeError:
        return "nobody inside answers"
    return _open_wall(seen, walls)


def _open_wall(seen: _Seen, walls: Walls) -> str:
    """What the probe saw or did that it should not, or should and could not; "" when all is as it should be."""
    strange = set(seen.variables) - set(environment(walls)) - {"PWD", "LC_CTYPE", "container", "HOSTNAME", "TERM"}
    faults = {
        "it leaves the network open": bool(seen.interfaces),
        "it shows the machine's processes": seen.processes > 3,
        "it passes on the environment": bool(strange),
        "it shows the machine's files": bool(seen.reads),
        "it can be written to everywhere": seen.root,
        "its cache cannot be written": not seen.cache,
        "it has no temporary files": not seen.tmp,
        "it filters no system calls": seen.calls,
    }
    return next((fault for fault, holds in faults.items() if holds), "")


def _has_scopes() -> bool:
    """Whether the user's systemd makes groups of processes with limits of their own, and hands on what they inherit."""
    if not shutil.which("systemd-run"):
        return False
    with handed(b"there") as handle:
        read = ["/bin/sh", "-c", f"cat </proc/self/fd/{handle}"]
        return _run([*_scope(Walls(memory_bytes=1 << 30)), *read], handles=(handle,)) == "there"


def outer_environment() -> dict[str, str]:
    """What a sandbox's own program needs to know, which is no secret of the studio's: where programs are, and where the
    user's container and session services are."""
    names = ("PATH", "HOME", "USER", "LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST")
    return {name: os.environ[name] for name in names if name in os.environ}


def _run(command: list[str], *, given: bytes = b"", handles: tuple[int, ...] = ()) -> str:
    """What a program says; "" when it fails."""
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=_PROBE_S, check=False, pass_fds=handles
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.decode(errors="replace")
