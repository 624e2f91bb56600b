"""Which system calls a process in bubblewrap may make: a filter for the kernel's seccomp, written here.

Walls around files and networks are the kernel's own work, and whoever finds a fault in the kernel walks through them.
So a node does not get to ask the kernel for what a renderer never needs: the filter refuses what administers a machine,
what reaches into other processes or around the walls, and doors to large parts of the kernel that were broken again and
again (keys, bpf, io_uring, namespaces, odd kinds of sockets).

It is a list of what is refused and not of what is allowed. The calls of a renderer are those of LLVM, of libraries and
of drivers of graphics cards, which change with each of their versions; a list that forgets one ends nodes in ways that
nobody can tell from faults of theirs, and is then switched off. Three things close such a list where it is known to be
open: calls that came with kernels after `KERNEL` are answered as a kernel before them does, sockets are a list of what
is allowed, and the numbers of other instruction sets, which the same kernel serves, never pass.

A refused call fails with EPERM, as without rights. ENOSYS ("no such call") stands where a libc or a library knows
another way: of `clone3` the filter could not read the flags, which lie in memory, and without it libc takes `clone`.

The program is classic BPF as in linux/filter.h, over `struct seccomp_data` as in linux/seccomp.h: the number of the
call, the instruction set (AUDIT_ARCH_* of linux/audit.h), six arguments. Numbers are those of Linux 6.18:
arch/x86/entry/syscalls/syscall_64.tbl, and scripts/syscall.tbl for aarch64 (asm-generic/unistd.h is made of it). Both
machines are little-endian, so of an argument the half that counts comes first.
"""

from __future__ import annotations

import contextlib
import os
import platform
import struct
import sys
from collections.abc import Iterable, Iterator

from studio.errors import Unsupported

KERNEL, LAST = "6.18", 469  # the kernel whose calls were looked at, and the last of them (file_setattr)
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64

ALLOW, KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000  # SECCOMP_RET_ALLOW, _KILL_PROCESS, _ERRNO
# Linux's numbers, and not those of the system that this may be read on
EPERM, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT = 1, 38, 93, 97

# Numbers on x86_64 and aarch64; None: the machine has no such call.
_Numbers = tuple[int | None, int | None]
_FORBIDDEN: dict[str, _Numbers] = {
    # other files: mounts, other roots, files by handles that no path leads to
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    # other namespaces, in which one would have the rights that one lacks here; `clone` is looked at below
    "unshare": (272, 97),
    "setns": (308, 268),
    # other processes: their memory and what they have open
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # parts of the kernel that were broken often and that no renderer needs
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "vmsplice": (278, 75),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "lookup_dcookie": (212, 18),
    # the machine itself: its kernel, clocks, swap, names, accounts, ports
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
}
_ABSENT: dict[str, _Numbers] = {
    "clone3": (435, 435),
    # System V's memory, queues and semaphores: what they hold counts against no limit of a process
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
}
REFUSED = dict.fromkeys(_FORBIDDEN, EPERM) | dict.fromkeys(_ABSENT, ENOSYS)
NUMBERS: dict[str, _Numbers] = {
    **_FORBIDDEN,
    **_ABSENT,
    # looked at more closely
    "ioctl": (16, 29),
    "clone": (56, 220),
    "personality": (135, 92),
    "socket": (41, 198),
    "socketpair": (53, 199),
}

# Typing into a terminal, the console's own commands, and modules of the kernel that a terminal's line is read by:
# TIOCSTI, TIOCLINUX, TIOCSETD of asm-generic/ioctls.h.
IOCTLS = (0x5412, 0x541C, 0x5423)
# CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET of linux/sched.h; `clone` knows no -TIME
NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
PERSONALITIES = (0, 0xFFFFFFFF)  # Linux's own, and the question which one it is
# To the keeper, and what libc asks of interfaces. There is no network inside, so there are no sockets of one: each
# family that can be named is code to attack, and a virtual machine's own (AF_VSOCK) leads past network namespaces.
AF_UNIX, AF_NETLINK = 1, 16
NETLINKS = (0, 15)  # NETLINK_ROUTE, and NETLINK_KOBJECT_UEVENT, by which drivers hear of devices

_Step = tuple[int, int, int, int]  # struct sock_filter: code, steps to skip if true, if false, value
_LOAD, _EQUAL, _ABOVE, _ANY, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06  # LD|W|ABS; JMP|K with JEQ, JGT, JSET; RET|K
_NR, _ARCH, _ARGS = 0, 4, 16  # places in struct seccomp_data


def program(machine: str | None = None) -> bytes:
    """The filter for a machine, as `uname -m` names it; this one's by default. An array of `struct sock_filter`.

    Raises Unsupported for machines whose numbers are not known here.
    """
    name = machine if machine is not None else _machine()
    if name not in MACHINES:
        raise Unsupported(f"system calls of {name[:40] or 'unknown'} machines cannot be filtered")
    column = list(MACHINES).index(name)
    # Another instruction set has other numbers. x32, which x86_64 also serves, has its own from 2^30 on, above `LAST`.
    steps = [_load(_ARCH), (_EQUAL, 1, 0, MACHINES[name]), _answer(KILL)]
    steps += [_load(_NR), (_ABOVE, 0, 1, LAST), _refusal(ENOSYS)]
    for call, looked in _closer().items():  # first, as drivers of graphics cards live by ioctl
        steps += _when(NUMBERS[call][column], looked)
    for call, number in REFUSED.items():
        steps += _when(NUMBERS[call][column], [_refusal(number)])
    steps.append(_answer(ALLOW))
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


@contextlib.contextmanager
def handed(text: bytes) -> Iterator[int]:
    """A descriptor from which another program, started in the `with`, reads these bytes: once, as it has one place.

    It is inherited by whom it is passed to (`pass_fds`) and by nobody else.
    """
    handle = os.memfd_create("myriad")
    try:
        os.write(handle, text)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


def _machine() -> str:
    """What this process runs on; a program of 32 bits makes other calls than the machine's own."""
    name = platform.machine()
    return name if sys.maxsize > 1 << 32 else f"32-bit {name}"


def _closer() -> dict[str, list[_Step]]:
    """What is asked of the arguments of calls that cannot be refused altogether.

    Of each argument the kernel itself reads the lower half alone, and so does this."""
    family = [*_allowed(0, [AF_UNIX]), (_EQUAL, 1, 0, AF_NETLINK), _refusal(EAFNOSUPPORT)]
    socket = [*family, *_allowed(2, NETLINKS), _refusal(EPROTONOSUPPORT)]
    return {
        "ioctl": [_load_argument(1), *(s for k in IOCTLS for s in _when(k, [_refusal(EPERM)])), _answer(ALLOW)],
        "clone": [_load_argument(0), (_ANY, 0, 1, NAMESPACES), _refusal(EPERM), _answer(ALLOW)],
        "socket": socket,
        "socketpair": socket,
        "personality": [*_allowed(0, PERSONALITIES), _refusal(EPERM)],
    }


def _allowed(argument: int, values: Iterable[int]) -> list[_Step]:
    return [_load_argument(argument), *(step for value in values for step in _when(value, [_answer(ALLOW)]))]


def _when(value: int | None, steps: list[_Step]) -> list[_Step]:
    """Steps that are gone through where what was loaded is this value; nothing for None."""
    return [] if value is None else [(_EQUAL, 0, len(steps), value), *steps]


def _load(place: int) -> _Step:
    return (_LOAD, 0, 0, place)


def _load_argument(index: int) -> _Step:
    return _load(_ARGS + 8 * index)


def _answer(action: int) -> _Step:
    return (_RETURN, 0, 0, action)


def _refusal(number: int) -> _Step:
    return _answer(_ERRNO | number)
