"""The filter of system calls in the sandbox: what it answers, by a reading of its program as the kernel reads it, and
what a process in bubblewrap hears and can still do."""

from __future__ import annotations

import json
import os
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import Unsupported
from studio.farm.trust.sandbox import Sandbox, find_sandbox
from studio.farm.trust.syscalls import LAST, NUMBERS, REFUSED, handed, program
from studio.farm.trust.walls import Walls

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="seccomp is Linux's")
MACHINES = ("x86_64", "aarch64")
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT = "allow", "kill", 1, 38, 97, 93
# aarch64's is made of the generic one
HEADERS = {"x86_64": ("x86_64-linux-gnu/asm/unistd_64.h", "asm/unistd_64.h"), "aarch64": ("asm-generic/unistd.h",)}


# --- reading the program ---------------------------------------------------------------------------------------------
def steps_of(machine: str) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("<HBBI", program(machine)))


STEPS = {machine: steps_of(machine) for machine in MACHINES}


def answer(machine: str, call: int, *arguments: int, arch: int | None = None) -> str | int:
    """What the program says to a call: ALLOW, KILL, or the number of an error."""
    filled = (*arguments, *(0,) * (6 - len(arguments)))
    told = struct.pack("<IIQ6Q", call, ARCH[machine] if arch is None else arch, 0, *filled)
    steps, at, loaded = STEPS[machine], 0, 0
    while True:
        code, true, false, value = steps[at]
        at += 1
        if code == 0x20:  # LD | W | ABS
            (loaded,) = struct.unpack_from("<I", told, value)
        elif code == 0x06:  # RET | K
            answers: dict[int, str | int] = {0x7FFF0000: ALLOW, 0x80000000: KILL, 0x00050000: value & 0xFFFF}
            return answers[value & 0xFFFF0000]
        else:  # JMP | K with JEQ, JGT, JSET
            holds = {0x15: loaded == value, 0x25: loaded > value, 0x45: bool(loaded & value)}[code]
            at += true if holds else false


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_one_that_the_kernel_takes(machine: str) -> None:
    """Its own rules: no more than 4096 steps, jumps forward within them, loads of whole words, an answer at the end."""
    steps = STEPS[machine]
    assert len(program(machine)) == 8 * len(steps) and len(steps) <= 4096
    for at, (code, true, false, value) in enumerate(steps):
        assert code in (0x20, 0x06, 0x15, 0x25, 0x45)
        if code == 0x20:
            assert value % 4 == 0 and value < 64
        elif code != 0x06:
            assert at + 1 + max(true, false) < len(steps)
    assert steps[-1][0] == 0x06


def expected(machine: str, call: int, arguments: tuple[int, ...]) -> str | int:
    """What the module says that it does, without a program."""
    low = [value & 0xFFFFFFFF for value in arguments]
    names = {numbers[MACHINES.index(machine)]: name for name, numbers in NUMBERS.items()}
    name = names.get(call, "")
    if call > LAST:
        return ENOSYS
    if name in ("socket", "socketpair"):
        if low[0] == 16:
            return ALLOW if low[2] in (0, 15) else EPROTONOSUPPORT
        return ALLOW if low[0] == 1 else EAFNOSUPPORT
    if name == "ioctl":
        return EPERM if low[1] in (0x5412, 0x541C, 0x5423) else ALLOW
    if name == "clone":
        return EPERM if low[0] & 0x7E020000 else ALLOW
    if name == "personality":
        return ALLOW if low[0] in (0, 0xFFFFFFFF) else EPERM
    return REFUSED.get(name, ALLOW)


WORDS = st.one_of(
    st.sampled_from([0, 1, 2, 10, 15, 16, 17, 38, 40, 0x5412, 0x541C, 0x5423, 0x5401, 0x10000000, 0xFFFFFFFF]),
    st.sampled_from([(1 << 32) + 1, (1 << 32) + 0x5412, (1 << 63) + 0x10000000, 0x3D0F00, 0x01200011]),
    st.integers(0, (1 << 64) - 1),
)
CALLS = st.one_of(
    st.sampled_from([number for numbers in NUMBERS.values() for number in numbers if number is not None]),
    st.integers(0, LAST + 8),
    st.integers(0, (1 << 32) - 1),
)


@given(machine=st.sampled_from(MACHINES), call=CALLS, arguments=st.tuples(WORDS, WORDS, WORDS))
def test_of_any_call_the_program_says_what_the_tables_say(
    machine: str, call: int, arguments: tuple[int, int, int]
) -> None:
    assert answer(machine, call, *arguments) == expected(machine, call, arguments)


@given(call=st.integers(0, (1 << 32) - 1), arch=st.integers(0, (1 << 32) - 1))
def test_calls_of_other_instruction_sets_end_the_process(call: int, arch: int) -> None:
    for machine in MACHINES:
        if arch != ARCH[machine]:
            assert answer(machine, call, arch=arch) == KILL
    assert answer("x86_64", call, arch=0x40000003) == KILL, "of 32 bits, which the same kernel serves"
    assert answer("aarch64", call, arch=0x40000028) == KILL


# --- what is refused, and what is not ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "x86_64", "aarch64", "error"),
    [
        ("mount", 165, 40, EPERM),
        ("pivot_root", 155, 41, EPERM),
        ("unshare", 272, 97, EPERM),
        ("setns", 308, 268, EPERM),
        ("ptrace", 101, 117, EPERM),
        ("process_vm_writev", 311, 271, EPERM),
        ("keyctl", 250, 219, EPERM),
        ("bpf", 321, 280, EPERM),
        ("userfaultfd", 323, 282, EPERM),
        ("perf_event_open", 298, 241, EPERM),
        ("io_uring_setup", 425, 425, EPERM),
        ("kexec_load", 246, 104, EPERM),
        ("finit_module", 313, 273, EPERM),
        ("open_by_handle_at", 304, 265, EPERM),
        ("clone3", 435, 435, ENOSYS),
        ("a call of kernels to come", 470, 470, ENOSYS),
        ("getpid of x32", 0x40000027, 0x40000027, ENOSYS),
        ("ioctl of x32, by its other number", 514, 514, ENOSYS),
        ("no call", 0xFFFFFFFF, 0xFFFFFFFF, ENOSYS),
    ],
)
def test_what_no_renderer_needs_is_refused(name: str, x86_64: int, aarch64: int, error: int) -> None:
    assert answer("x86_64", x86_64) == answer("aarch64", aarch64) == error, name


# What Python, LLVM, numpy and drivers of graphics cards ask for: the call, its numbers on x86_64 and aarch64.
NEEDED = """
read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, openat 257 56, close 3 57, dup 32 23,
dup3 292 24, pipe2 293 59, lseek 8 62, fstat 5 80, statx 332 291, faccessat 269 48, faccessat2 439 439,
getdents64 217 61, readlinkat 267 78, unlinkat 263 35, mkdirat 258 34, renameat2 316 276, ftruncate 77 46,
fallocate 285 47, fsync 74 82, flock 73 32, fcntl 72 25, statfs 137 43, getcwd 79 17, sendfile 40 71,
copy_file_range 326 285, inotify_init1 294 26, mmap 9 222, munmap 11 215, mremap 25 216, mprotect 10 226,
madvise 28 233, brk 12 214, mlock 149 228, mincore 27 232, membarrier 324 283, memfd_create 319 279, mbind 237 235,
get_mempolicy 239 236, set_mempolicy 238 237, pkey_alloc 330 289, execve 59 221, execveat 322 281, exit 60 93,
exit_group 231 94, wait4 61 260, waitid 247 95, futex 202 98, setsid 112 157, set_robust_list 273 99,
set_tid_address 218 96, rseq 334 293, gettid 186 178, getpid 39 172, getppid 110 173, kill 62 129, tgkill 234 131,
prctl 157 167, seccomp 317 277, sched_yield 24 124, sched_getaffinity 204 123, sched_setaffinity 203 122,
getcpu 309 168, setpriority 141 140, prlimit64 302 261, getrusage 98 165, capget 125 90, kcmp 312 272,
pidfd_open 434 434, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, sigaltstack 131 132,
signalfd4 289 74, nanosleep 35 101, clock_gettime 228 113, clock_nanosleep 230 115, timerfd_create 283 85,
setitimer 38 103, epoll_create1 291 20, epoll_ctl 233 21, epoll_pwait 281 22, eventfd2 290 19, ppoll 271 73,
pselect6 270 72, connect 42 203, bind 49 200, listen 50 201, accept4 288 242, sendto 44 206, recvfrom 45 207,
sendmsg 46 211, recvmsg 47 212, setsockopt 54 208, getsockopt 55 209, shutdown 48 210, uname 63 160, sysinfo 99 179,
getrandom 318 278, getuid 102 174, umask 95 166, close_range 436 436, futex_waitv 449 449, open 2 -, stat 4 -,
lstat 6 -, poll 7 -, access 21 -, pipe 22 -, select 23 -, dup2 33 -, fork 57 -, vfork 58 -, getdents 78 -,
rename 82 -, mkdir 83 -, rmdir 84 -, unlink 87 -, readlink 89 -, arch_prctl 158 -, epoll_wait 232 -
"""
CALLS_OF = {
    machine: {name: int(numbers[i]) for name, *numbers in map(str.split, NEEDED.split(",")) if numbers[i] != "-"}
    for i, machine in enumerate(MACHINES)
}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_the_systems_headers(machine: str) -> None:
    found = [path for name in HEADERS[machine] if (path := Path("/usr/include", name)).is_file()]
    if not found:
        pytest.skip(f"no kernel headers of {machine} are installed")
    text = found[0].read_text()
    theirs = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s", text)}
    newest = max(number for name, number in theirs.items() if name not in ("syscalls", "arch_specific_syscall"))
    for name, numbers in NUMBERS.items():
        ours = numbers[MACHINES.index(machine)]
        if ours is None or ours <= newest:
            assert theirs.get(name) == ours, name
    for name, number in CALLS_OF[machine].items():
        if number <= newest:
            assert theirs[name] == number, name


@pytest.mark.parametrize("machine", MACHINES)
def test_what_renders_is_allowed(machine: str) -> None:
    assert [name for name, call in CALLS_OF[machine].items() if answer(machine, call) != ALLOW] == []
    clone, ioctl, socket = ((56, 16, 41), (220, 29, 198))[MACHINES.index(machine)]
    assert answer(machine, clone, 0x3D0F00) == ALLOW, "a thread of libc's"
    assert answer(machine, clone, 0x01200011) == ALLOW, "a fork"
    for request in (0x5401, 0x5413, 0xC0406400, 0xC020462A, 0x30000001, 0x21):
        assert answer(machine, ioctl, 3, request) == ALLOW, "terminals, and cards of every maker"
    assert answer(machine, socket, 1, 0x80001) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_the_half_of_an_argument_that_the_kernel_does_not_read_decides_nothing(machine: str) -> None:
    clone, ioctl, socket = ((56, 16, 41), (220, 29, 198))[MACHINES.index(machine)]
    for above in (0, 1 << 32, 0xFFFFFFFF << 32):
        assert answer(machine, ioctl, 0, above | 0x5412) == EPERM
        assert answer(machine, clone, above | 0x10000011) == EPERM
        assert answer(machine, socket, above | 40, 1) == EAFNOSUPPORT


@pytest.mark.parametrize("machine", ["riscv64", "i686", "arm64", "ppc64le", "", "x86_64\n"])
def test_a_machine_without_a_table_is_told(machine: str) -> None:
    with pytest.raises(Unsupported, match="machines cannot be filtered"):
        program(machine)


def test_a_program_of_32_bits_gets_no_filter_of_its_64_bit_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "maxsize", (1 << 31) - 1)
    with pytest.raises(Unsupported, match="32-bit x86_64"):
        program()


# --- how it is handed on ---------------------------------------------------------------------------------------------
READS = "import os, sys; sys.stdout.buffer.write(os.read(int(sys.argv[1]), 1 << 20))"


@linux
def test_what_is_handed_on_is_read_by_whom_it_is_passed_to_and_by_nobody_else() -> None:
    with handed(b"the filter") as handle:
        line = [sys.executable, "-I", "-S", "-c", READS, str(handle)]
        passed = subprocess.run(line, capture_output=True, check=False, pass_fds=(handle,))
        other = subprocess.run(line, capture_output=True, check=False, close_fds=False)
    assert passed.stdout == b"the filter"
    assert other.returncode and b"Bad file descriptor" in other.stderr
    with pytest.raises(OSError):
        os.fstat(handle)


# --- in bubblewrap ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def bubble() -> Sandbox:
    """Bubblewrap, where it works here; skips where it does not."""
    try:
        return find_sandbox("bubblewrap")
    except Unsupported as fault:
        pytest.skip(str(fault))


def inside(bubble: Sandbox, script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    with bubble.ready([sys.executable, "-c", script, *arguments], Walls()) as (line, handles):
        return subprocess.run(
            line, capture_output=True, timeout=120, check=False, stdin=subprocess.DEVNULL, pass_fds=handles
        )


TRIES = r"""
import ctypes, errno, json, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def tried(call, *arguments):
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(call), *map(ctypes.c_long, arguments)) >= 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]
told = json.loads(sys.argv[1])
seen = {name: tried(*call) for name, call in told["calls"].items()}
seen["mount"] = errno.errorcode[ctypes.get_errno()] if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) else "done"
code = bytes.fromhex(told["foreign"])
if code and not (child := os.fork()):
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    os._exit(0)
seen["foreign"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if code else 0
print(json.dumps(seen))
"""
# A call by its number on x86_64 and aarch64, its arguments, and what is heard.
TRIED: list[tuple[str, tuple[int, int], list[int], str]] = [
    ("unshare, users", (272, 97), [0x10000000], "EPERM"),
    ("unshare, mounts", (272, 97), [0x00020000], "EPERM"),
    ("clone, users", (56, 220), [0x10000011, 0, 0, 0, 0], "EPERM"),
    ("clone3", (435, 435), [0, 0], "ENOSYS"),
    ("ptrace", (101, 117), [0, 0, 0, 0], "EPERM"),
    ("process_vm_readv", (310, 270), [1, 0, 0, 0, 0, 0], "EPERM"),
    ("keyctl", (250, 219), [0, -3, 0], "EPERM"),
    ("add_key", (248, 217), [0, 0, 0, 0, 0], "EPERM"),
    ("bpf", (321, 280), [0, 0, 0], "EPERM"),
    ("userfaultfd", (323, 282), [1], "EPERM"),
    ("io_uring_setup", (425, 425), [1, 0], "EPERM"),
    ("perf_event_open", (298, 241), [0, 0, -1, -1, 0], "EPERM"),
    ("name_to_handle_at", (303, 264), [-100, 0, 0, 0, 0], "EPERM"),
    ("shmget", (29, 194), [0, 4096, 0o1600], "ENOSYS"),
    ("personality, unrandomised", (135, 92), [0x0040000], "EPERM"),
    ("personality, asked", (135, 92), [0xFFFFFFFF], "done"),
    ("TIOCSTI", (16, 29), [0, 0x5412, 0], "EPERM"),
    ("TIOCSTI, written otherwise", (16, 29), [0, (1 << 32) + 0x5412, 0], "EPERM"),
    ("TCGETS of no terminal", (16, 29), [0, 0x5401, 0], "ENOTTY"),
    ("socket of a network", (41, 198), [2, 1, 0], "EAFNOSUPPORT"),
    ("socket of a virtual machine", (41, 198), [40, 1, 0], "EAFNOSUPPORT"),
    ("socket of the kernel's ciphers", (41, 198), [38, 5, 0], "EAFNOSUPPORT"),
    ("socket of the kernel's firewall", (41, 198), [16, 3, 12], "EPROTONOSUPPORT"),
    ("socket of interfaces", (41, 198), [16, 3, 0], "done"),
    ("socket of files", (41, 198), [1, 1, 0], "done"),
    ("a call of kernels to come", (470, 470), [], "ENOSYS"),
    ("getpid", (39, 172), [], "done"),
]
# mov eax, 20; int 0x80; ret: getpid as a program of 32 bits asks for it
FOREIGN = {"x86_64": "b814000000cd80c3", "aarch64": ""}


def test_inside_the_kernel_refuses_what_the_filter_refuses(bubble: Sandbox) -> None:
    machine = platform.machine()
    calls = {name: [numbers[MACHINES.index(machine)], *rest] for name, numbers, rest, _ in TRIED}
    done = inside(bubble, TRIES, json.dumps({"calls": calls, "foreign": FOREIGN[machine]}))
    assert done.returncode == 0, done.stderr.decode()
    seen: dict[str, Any] = json.loads(done.stdout)
    assert {name: seen[name] for name, *_ in TRIED} == {name: heard for name, _, _, heard in TRIED}
    assert seen["mount"] == "EPERM"
    # SIGSYS; or SIGSEGV of kernels that serve no programs of 32 bits
    assert not FOREIGN[machine] or seen["foreign"] in (-31, -11)


WORKS = """
import ctypes, json, mmap, multiprocessing, os, socket, subprocess, tempfile, threading
from multiprocessing.shared_memory import SharedMemory
import numpy
def double(number):
    return 2 * number
def main():
    seen = {}
    kept = []
    ones = numpy.ones((64, 64))
    threads = [threading.Thread(target=lambda: kept.append(ones @ ones)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    seen["threads"] = float(sum(array.sum() for array in kept))
    seen["program"] = subprocess.run(["/bin/sh", "-c", "echo $((6 * 7))"], capture_output=True, text=True).stdout
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seen["processes"] = pool.map(double, [1, 2, 3])
    shared = SharedMemory(create=True, size=4096)
    shared.buf[:5] = b"shown"
    other = SharedMemory(shared.name)
    seen["shared"] = bytes(other.buf[:5]).decode()
    other.close()
    shared.close()
    shared.unlink()
    one, other = socket.socketpair()
    one.sendall(b"over")
    seen["pair"] = other.recv(4).decode()
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(b"x")
    with tempfile.TemporaryFile() as file:
        file.write(b"kept")
        os.posix_fallocate(file.fileno(), 0, 8192)
        seen["file"] = os.fstat(file.fileno()).st_size
    seen["cores"] = len(os.sched_getaffinity(0)) > 0
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    libc = ctypes.CDLL(None)
    numbers = (ctypes.c_int * 3)(3, 1, 2)
    back = compare(lambda a, b: ctypes.c_int.from_address(a).value - ctypes.c_int.from_address(b).value)
    libc.qsort(numbers, 3, 4, back)
    seen["callback"] = list(numbers)
    print(json.dumps(seen))
"""
# kept in a file, as processes that are spawned read it again
KEEPS = (
    "import sys; open('/tmp/works.py', 'w').write(sys.argv[1]); sys.path.insert(0, '/tmp'); import works; works.main()"
)


def test_inside_everything_that_renders_goes_on_working(bubble: Sandbox) -> None:
    """Threads, programs, processes beside, memory between them, sockets, code made at work, files."""
    done = inside(bubble, KEEPS, WORKS)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == {
        "threads": 4 * 64.0**3,
        "program": "42\n",
        "processes": [2, 4, 6],
        "shared": "shown",
        "pair": "over",
        "file": 8192,
        "cores": True,
        "callback": [1, 2, 3],
    }


def test_bubblewrap_without_the_filter_it_is_told_of_does_not_start(bubble: Sandbox) -> None:
    with bubble.ready(["/bin/true"], Walls()) as (line, _):
        forgotten = subprocess.run(line, capture_output=True, check=False)
    assert forgotten.returncode and b"seccomp" in forgotten.stderr
    with bubble.ready(["/bin/true"], Walls()) as (line, handles):
        first = subprocess.run(line, capture_output=True, check=False, pass_fds=handles)
        second = subprocess.run(line, capture_output=True, check=False, pass_fds=handles)
    assert first.returncode == 0, first.stderr.decode()
    assert second.returncode, "what was read is not read again, and nothing is no filter"
