"""What is let into a sandbox: files to read and write, devices, variables, and how much of everything.

It is the same for every kind of sandbox (`studio.farm.trust.sandbox`): the system's libraries, Python and the studio,
to read; what the node keeps, to write; limits that a process sets for itself before it does anything, and cannot raise.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import studio
from studio.errors import UsageError
from studio.resources import resource

TMP_BYTES = 4 << 30
OPEN_FILES, PROCESSES, NICENESS = 4096, 4096, 10
# of /etc nothing but how libraries and drivers are found, and what the time is
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "vulkan", "glvnd")
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# of /proc what tells of the owner and of the whole machine: how it was started, keys, the pace of its keyboard
_PRIVATE = ("cmdline", "interrupts", "kallsyms", "kcore", "key-users", "keys", "sched_debug", "timer_list")
# and how the kernel's memory is laid out, which it tells to root alone, as whom some start a worker
_LAYOUT = ("allocinfo", "kpagecgroup", "kpagecount", "kpageflags", "pagetypeinfo", "slabinfo", "vmallocinfo")
_STORES = ("/nix/store", "/gnu/store")  # where systems without a full /usr have their libraries
_PASSED = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")

# Limits are set inside, by Python, which is there anyway: shells differ in how they do it. Nobody can raise them again.
_LIMITED = """
import os, resource, sys
for told in sys.argv[1].split():
    name, _, value = told.partition("=")
    if name == "nice":
        os.nice(int(value))
        continue
    kind = getattr(resource, "RLIMIT_" + name)
    most = resource.getrlimit(kind)[1]
    value = int(value) if most == resource.RLIM_INFINITY else min(int(value), most)
    resource.setrlimit(kind, (value, value))
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """What is let into a sandbox and how much it may take.

    Paths are the same inside as outside. `writable` are folders that must be there; the first is the cache. `socket` is
    the one thing inside that leads out; its folder is bound to read. `devices` are nodes of /dev.
    """

    read_only: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    socket: Path | None = None
    memory_bytes: int = 0  # 0: no limit
    tmp_bytes: int = TMP_BYTES
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        paths = [*self.read_only, *self.writable, *([self.socket] if self.socket is not None else ())]
        for path in paths:
            if not path.is_absolute() or ".." in path.parts or path == Path("/"):
                raise UsageError(f"a sandbox takes paths from the root, and not the root itself: {str(path)[:200]!r}")
            if ":" in str(path):  # which a container's command line cannot say
                raise UsageError(f"a sandbox takes no path with a colon: {str(path)[:200]!r}; move it")
        for device in self.devices:
            if not device.startswith("/dev/") or ".." in device:
                raise UsageError(f"{device[:200]!r} is no device")
        if self.memory_bytes < 0 or self.tmp_bytes <= 0:
            raise UsageError("a sandbox needs room: give it memory and temporary files of more than nothing")


def installation() -> tuple[Path, ...]:
    """What a node process reads of this installation: Python, the environment of packages, the studio, its resources.
    Of a checkout nothing else, such as its history or what lies beside it."""
    python = Path(sys.executable)
    found = [Path(sys.base_prefix), Path(sys.prefix), Path(sys.base_exec_prefix), Path(sys.exec_prefix)]
    found += [Path(studio.__file__).parent, resource()]
    for _ in range(8):  # the interpreter's name leads over links, each of which must be there
        if not python.is_symlink():
            break
        python = Path(os.path.normpath(python.parent / python.readlink()))
        found.append(python.parent)
    kept: list[Path] = []
    for folder in sorted({Path(to(path)) for path in found for to in (os.path.normpath, os.path.realpath)}):
        if folder.exists() and not any(folder.is_relative_to(above) for above in (*kept, Path("/usr"))):
            kept.append(folder)
    return tuple(kept)


def gpu_devices() -> tuple[str, ...]:
    """The nodes of /dev by which this machine's graphics cards are spoken to."""
    dev = Path("/dev")
    found = [*dev.glob("nvidia*"), *dev.glob("dri"), *dev.glob("kfd")]
    return tuple(str(path) for path in sorted(found))


def environment(walls: Walls) -> dict[str, str]:
    """All the variables that there are inside."""
    told = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}
    told["PYTHONPATH"] = str(Path(studio.__file__).parent.parent)
    told["PYTHONDONTWRITEBYTECODE"] = "1"
    if walls.writable:
        told["MYRIAD_CACHE"] = str(walls.writable[0])
    return told | {name: os.environ[name] for name in _PASSED if walls.devices and name in os.environ}


def limited(command: list[str], walls: Walls) -> list[str]:
    """A command under limits. Drivers of graphics cards reserve addresses by the terabyte, which is not memory: with a
    card the limit is on what can be written to, else on addresses."""
    limits = ["CORE=0", f"NOFILE={OPEN_FILES}", f"NPROC={PROCESSES}", f"nice={NICENESS}"]
    limits += ["RTPRIO=0", "NICE=0"]  # some users may take the machine's time before all others, as for sound
    if walls.memory_bytes:
        limits.append(f"{'DATA' if walls.devices else 'AS'}={walls.memory_bytes}")
    return [sys.executable, "-I", "-S", "-c", _LIMITED, " ".join(limits), *command]


def shared_bytes(walls: Walls) -> int:
    """Of /dev/shm, over which the renderer hands scenes to its worker."""
    return walls.memory_bytes or walls.tmp_bytes


def shown(walls: Walls) -> tuple[Path, ...]:
    """Folders to read besides those of the system."""
    socket = (walls.socket.parent,) if walls.socket is not None else ()
    return (*installation(), *walls.read_only, *socket)


def system_files(walls: Walls) -> list[str]:
    """Besides the system's folders: where libraries are found, and what drivers ask of their cards."""
    paths = [f"/etc/{name}" for name in _ETC]
    paths += _STORES
    if walls.devices:
        paths += ["/sys/dev/char", "/sys/devices", "/sys/class/drm", "/sys/bus/pci"]
    return [path for path in paths if os.path.exists(path)]


def hidden() -> list[str]:
    """Files of /proc that are closed inside. Containers hide most of them by themselves."""
    return [path for name in (*_PRIVATE, *_LAYOUT) if os.path.exists(path := f"/proc/{name}")]


def plain(text: str, most: int) -> str:
    """A line of somebody else's in letters that do nothing to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)[:most]
