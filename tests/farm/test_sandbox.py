"""The sandbox of public nodes: its command lines, how one is found, and what a program inside can reach. The last runs
for real where a sandbox works, and a program in it tries everything."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import studio
from studio.errors import Unsupported, UsageError
from studio.farm.local import walls_of
from studio.farm.trust import sandbox as sandboxes
from studio.farm.trust.sandbox import Sandbox, find_sandbox
from studio.farm.trust.syscalls import program
from studio.farm.trust.walls import Walls, environment, installation, limited, plain
from studio.farm.work import WorkOrder

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sandboxes are Linux's")
SECRET = "a token that nobody inside may read"
MEMORY, TMP = 512 << 20, 1 << 20


BUBBLE = Sandbox(kind="bubblewrap", program="/usr/bin/bwrap")


def line_of(sandbox: Sandbox, command: list[str], walls: Walls, *, name: str = "") -> list[str]:
    """The command line alone, without what it is started with."""
    with sandbox.ready(command, walls, name=name) as (line, _):
        return line


def values_of(line: list[str], flag: str) -> list[str]:
    return [line[i + 1] for i, word in enumerate(line) if word == flag]


# --- command lines ---------------------------------------------------------------------------------------------------
@linux
def test_bubblewrap_unshares_everything_and_binds_only_what_it_is_told(tmp_path: Path) -> None:
    cache, door = tmp_path / "cache", tmp_path / "door" / "desk"
    devices = ("/dev/nvidia0",)
    walls = Walls(writable=(cache,), socket=door, memory_bytes=MEMORY, tmp_bytes=TMP, devices=devices)
    line = line_of(BUBBLE, ["render", "me"], walls)
    assert line[1] == "-i" and Path(line[2]).name == "bwrap" and line[-2:] == ["render", "me"]
    for flag in ("--unshare-all", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv"):
        assert flag in line
    assert "--share-net" not in line and values_of(line, "--cap-drop") == ["ALL"]
    assert values_of(line, "--bind") == [str(cache)] and values_of(line, "--dev-bind-try") == ["/dev/nvidia0"]
    shown = values_of(line, "--ro-bind")
    assert str(door.parent) in shown and {str(path) for path in installation()} <= set(shown)
    assert not {"/", "/home", "/root", "/etc", "/var", "/run", "/tmp", str(Path.home())} & set(shown)
    assert values_of(line, "--remount-ro") == ["/", "/dev", "/proc"]
    sizes = dict(zip(values_of(line, "--tmpfs"), values_of(line, "--size"), strict=True))
    assert sizes == {"/tmp": str(TMP), "/dev/shm": str(MEMORY)}
    assert line.index("/tmp") < line.index(str(cache)), "what lies in /tmp is bound after it"


@linux
def test_a_container_has_no_network_no_rights_and_nothing_of_an_image(tmp_path: Path) -> None:
    cache, door = tmp_path / "cache", tmp_path / "door" / "desk"
    walls = Walls(writable=(cache,), socket=door, memory_bytes=MEMORY, tmp_bytes=TMP, devices=("/dev/dri",))
    podman = Sandbox(kind="container", program="/usr/bin/podman", user=("--userns", "keep-id"))
    line = line_of(podman, ["render", "me"], walls, name="node-7")
    assert line[:3] == ["/usr/bin/podman", "run", "--rm"] and line[-2:] == ["render", "me"]
    assert values_of(line, "--network") == ["none"] and values_of(line, "--cap-drop") == ["ALL"]
    assert "--read-only" in line and "--privileged" not in line
    assert values_of(line, "--security-opt") == ["no-new-privileges"] and values_of(line, "--userns") == ["keep-id"]
    assert values_of(line, "--memory") == values_of(line, "--memory-swap") == [str(MEMORY)]
    assert values_of(line, "--log-driver") == ["none"], "what is said inside does not fill the machine's disk"
    assert values_of(line, "--name") == ["node-7"] and values_of(line, "--device") == ["/dev/dri"]
    assert f"size={TMP}" in values_of(line, "--tmpfs")[0] and values_of(line, "--pull") == ["never"]
    volumes = values_of(line, "--volume")
    assert [v for v in volumes if not v.endswith(":ro")] == [f"{cache}:{cache}:rw"]
    assert f"{door.parent}:{door.parent}:ro" in volumes and str(podman) == "podman"


def test_cards_limit_what_is_written_to_and_processors_what_is_addressed() -> None:
    with_card = limited(["x"], Walls(memory_bytes=MEMORY, devices=("/dev/nvidia0",)))
    without = limited(["x"], Walls(memory_bytes=MEMORY))
    assert f"DATA={MEMORY}" in with_card[-2] and "AS=" not in with_card[-2]
    assert f"AS={MEMORY}" in without[-2] and {"CORE=0", "RTPRIO=0", "NICE=0"} <= set(without[-2].split())


@linux
def test_bubblewrap_is_started_with_a_filter_that_is_gone_afterwards() -> None:
    with BUBBLE.ready(["x"], Walls()) as (line, (handle,)):
        assert values_of(line, "--seccomp") == [str(handle)] and not os.get_inheritable(handle)
        assert os.read(handle, 1 << 20) == program()
    with pytest.raises(OSError):
        os.fstat(handle)


@linux
def test_a_group_of_processes_of_its_own_is_limited_as_a_whole() -> None:
    line = line_of(Sandbox(kind="bubblewrap", program="bwrap", scope=True), ["x"], Walls(memory_bytes=MEMORY))
    assert line[:3] == ["systemd-run", "--user", "--scope"] and f"--property=MemoryMax={MEMORY}" in line
    assert line[line.index("--") + 2 :][:2] == ["-i", "bwrap"]


def test_nothing_of_the_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MYRIAD_FARM_TOKEN", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    walls = Walls(writable=(tmp_path,))
    assert SECRET not in json.dumps([environment(walls), sandboxes.outer_environment()])
    assert "CUDA_VISIBLE_DEVICES" not in environment(walls)
    with_card = environment(Walls(devices=("/dev/nvidia0",)))
    assert with_card["CUDA_VISIBLE_DEVICES"] == "1" and with_card["HOME"] == "/tmp"


def test_only_the_studio_of_a_checkout_is_shown() -> None:
    package = Path(studio.__file__).parent
    shown = installation()
    assert any(package.is_relative_to(path) for path in shown)
    assert not any((package.parent / "tests").is_relative_to(path) for path in shown)
    assert Path.home() not in shown and Path("/") not in shown


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"writable": (Path("/"),)}, "not the root"),
        ({"writable": (Path("cache"),)}, "from the root"),
        ({"read_only": (Path("/a/../etc"),)}, "from the root"),
        ({"writable": (Path("/a:b"),)}, "colon"),
        ({"devices": ("/etc/shadow",)}, "no device"),
        ({"devices": ("/dev/../etc",)}, "no device"),
        ({"tmp_bytes": 0}, "more than nothing"),
        ({"memory_bytes": -1}, "more than nothing"),
    ],
)
def test_walls_with_a_hole_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Walls(**more)


def test_a_node_sees_its_cache_and_its_socket_and_a_card_only_where_it_uses_one(tmp_path: Path) -> None:
    order = WorkOrder(url="", token="", store="", node="n", cache=str(tmp_path / "cache"), socket="/run/n/desk")
    walls = walls_of(order)
    assert walls.writable == (tmp_path / "cache",) and walls.socket == Path("/run/n/desk")
    assert walls_of(WorkOrder(url="", token="", store="", node="n", cache=str(tmp_path), device="cpu")).devices == ()


def test_what_others_say_does_nothing_to_a_terminal() -> None:
    assert plain("\x1b]0;owned\x07 gone\r\n", 12) == "?]0;owned? g"


# --- which one is there ----------------------------------------------------------------------------------------------
def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@linux
def test_without_a_sandbox_it_is_said_how_to_get_one(programs: Path) -> None:
    with pytest.raises(Unsupported, match=r"no sandbox is installed; install bubblewrap 0\.8"):
        find_sandbox()
    with pytest.raises(Unsupported, match="container is installed"):
        find_sandbox("container")


@linux
def test_one_that_is_installed_and_forbidden_is_none(programs: Path) -> None:
    fake(programs, "bwrap", "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")
    with pytest.raises(Unsupported, match="bubblewrap does not work here: bwrap: setting up uid map"):
        find_sandbox()


@linux
@pytest.mark.parametrize("name", ["bwrap", "podman"])
def test_one_whose_walls_do_not_stand_is_none(programs: Path, name: str) -> None:
    """A program that runs what it is given, and closes nothing."""
    fake(programs, name, f'while [ "$1" != "{sys.executable}" ]; do shift; [ $# -gt 0 ] || exit 0; done; exec "$@"')
    with pytest.raises(Unsupported, match=r"does not work here: it (leaves|shows|passes|can)"):
        find_sandbox("bubblewrap" if name == "bwrap" else "container")


@linux
def test_one_that_says_nothing_is_none(programs: Path) -> None:
    fake(programs, "docker", "exit 0")
    with pytest.raises(Unsupported, match="docker does not work here: nobody inside answers"):
        find_sandbox()


@linux
def test_a_machine_whose_system_calls_cannot_be_filtered_has_no_bubblewrap(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(programs, "bwrap", "echo 'started' >&2; exit 1")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(Unsupported, match="here: system calls of riscv64 machines cannot be filtered; install"):
        find_sandbox()


SCOPED = """
import os, sys
if "closes" in sys.argv[0]:
    os.closerange(3, 256)
command = sys.argv[sys.argv.index("--") + 1 :]
os.execv(command[0], command)
"""


@linux
@pytest.mark.parametrize("hands_on", [True, False])
def test_a_group_of_processes_is_used_where_it_hands_on_what_it_inherits(programs: Path, hands_on: bool) -> None:
    script = programs / ("passes.py" if hands_on else "closes.py")
    script.write_text(SCOPED)
    fake(programs, "systemd-run", f'exec "{sys.executable}" -I -S {script} "$@"')
    (programs / "cat").symlink_to("/bin/cat")
    assert sandboxes._has_scopes() == hands_on


@pytest.mark.parametrize(("system", "name"), [("darwin", "macOS"), ("win32", "Windows")])
def test_other_systems_are_told_that_they_have_none(monkeypatch: pytest.MonkeyPatch, system: str, name: str) -> None:
    monkeypatch.setattr(sandboxes.sys, "platform", system)
    with pytest.raises(Unsupported, match=f"no sandbox for nodes on {name}; run the worker on Linux"):
        find_sandbox()


def test_a_kind_that_there_is_not_is_refused() -> None:
    for kind in ("none", "chroot"):
        with pytest.raises(UsageError, match="no sandbox"):
            find_sandbox(kind)


# --- from within -----------------------------------------------------------------------------------------------------
INSIDE = r"""
import ctypes, errno, json, mmap, os, resource, socket, sys
told = json.loads(sys.argv[1])
seen = {}
def tried(name, act):
    try:
        seen[name] = act()
    except MemoryError:
        seen[name] = "MemoryError"
    except OSError as fault:
        seen[name] = errno.errorcode.get(fault.errno, type(fault).__name__)
    except ValueError as fault:
        seen[name] = "ValueError"
def read(path):
    with open(path, "rb") as file:
        return "read " + repr(file.read(20))
def write(path):
    with open(path, "wb") as file:
        file.write(b"x")
    return "written"
def reach(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as link:
        link.settimeout(3)
        link.connect(address)
    return "reached"
def fill(path, most):
    with open(path, "wb", buffering=0) as file:
        for _ in range(most // 65536):
            file.write(bytes(65536))
    return "filled"
def raised(kind):
    resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "raised"
def files():
    kept = []
    try:
        for _ in range(5000):
            kept.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        for handle in kept:
            os.close(handle)
    return "opened"
for path in told["closed"] + told["hidden"]:
    tried("read " + path, lambda: read(path))
for path in told["held"]:
    tried("write " + path, lambda: write(path))
tried("vain", lambda: write(told["vain"]))
tried("home", lambda: sorted(os.listdir(told["home"])))
seen["environment"] = dict(os.environ)
for process in (name for name in os.listdir("/proc") if name.isdigit()):
    tried("environment of " + process, lambda: open("/proc/%s/environ" % process, "rb").read().decode(errors="replace"))
    tried("command of " + process, lambda: open("/proc/%s/cmdline" % process, "rb").read().decode(errors="replace"))
seen["processes"] = sum(name.isdigit() for name in os.listdir("/proc"))
seen["interfaces"] = [name for _, name in socket.if_nameindex()]
tried("loopback", lambda: reach(socket.AF_INET, ("127.0.0.1", told["port"])))
tried("public", lambda: reach(socket.AF_INET, ("192.0.2.1", 443)))
tried("public, six", lambda: reach(socket.AF_INET6, ("2001:db8::1", 443)))
tried("abstract", lambda: reach(socket.AF_UNIX, "\0" + told["abstract"]))
tried("socket", lambda: reach(socket.AF_UNIX, told["socket"]))
tried("cache", lambda: write(told["cache"] + "/kept"))
tried("tmp", lambda: write("/tmp/kept"))
tried("fill tmp", lambda: fill("/tmp/full", told["tmp"] * 2))
tried("fill shared", lambda: fill("/dev/shm/full", told["memory"] * 2))
tried("heap", lambda: len(bytearray(told["memory"] * 2)))
tried("shared map", lambda: len(mmap.mmap(-1, told["memory"] * 2)))
tried("files", files)
tried("raise memory", lambda: raised(resource.RLIMIT_AS))
tried("raise core", lambda: raised(resource.RLIMIT_CORE))
libc = ctypes.CDLL(None, use_errno=True)
seen["user namespace"] = libc.unshare(0x10000000)
seen["mount"] = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
status = dict(line.split(":\t") for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
seen["capabilities"] = int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapBnd"], 16)
seen["no new privileges"] = status["NoNewPrivs"].strip()
seen["niceness"] = os.nice(0)
seen["ranks"] = [resource.getrlimit(kind) for kind in (resource.RLIMIT_RTPRIO, resource.RLIMIT_NICE)]
seen["handles"] = sorted(os.listdir("/proc/self/fd"))
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def works() -> Sandbox:
    """A sandbox of this machine; skips where none works."""
    try:
        return find_sandbox()
    except Unsupported as fault:
        pytest.skip(str(fault))


def test_bubblewrap_whose_filter_does_not_stand_is_none(works: Sandbox, programs: Path) -> None:
    if works.kind != "bubblewrap":
        pytest.skip("bubblewrap does not work here")
    asks = "import ctypes, sys; sys.exit(ctypes.CDLL(None).personality(0x0040000) == -1)"
    if subprocess.run([sys.executable, "-I", "-S", "-c", asks], check=False).returncode:
        pytest.skip("a filter around this machine refuses the call by which one is told from none")
    fake(programs, "bwrap", f'[ "$1" = --seccomp ] || exit 2; shift 2; exec {works.program} "$@"')
    with pytest.raises(Unsupported, match="bubblewrap does not work here: it filters no system calls"):
        find_sandbox("bubblewrap")


@pytest.fixture(scope="module")
def escape(works: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a program inside found when it tried everything."""
    place = tmp_path_factory.mktemp("escape")
    cache, token = place / "cache", place / "token"
    cache.mkdir()
    token.write_text(SECRET)
    package = Path(studio.__file__).parent
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as door,
    ):
        name = f"myriad-test-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract.listen()
        (place / "door").mkdir()
        door.bind(str(place / "door" / "desk"))
        door.listen()
        told = {
            "closed": ["/etc/shadow", "/etc/passwd", str(token), "/proc/1/root" + str(token), str(Path(__file__))],
            "hidden": ["/proc/cmdline", "/proc/interrupts", "/proc/kallsyms", "/proc/slabinfo", "/proc/vmallocinfo"],
            "held": [
                "/escaped",
                "/usr/escaped",
                "/dev/escaped",
                "/etc/escaped",
                str(place / "door" / "escaped"),
                str(package / "escaped"),
                str(Path(sys.prefix) / "escaped"),
                "/proc/sys/kernel/core_pattern",
                "/proc/sysrq-trigger",
            ],
            "vain": str(place / "escaped"),  # below /tmp, which inside is another
            "home": str(Path.home()),
            "port": listener.getsockname()[1],
            "abstract": name,
            "socket": str(place / "door" / "desk"),
            "cache": str(cache),
            "tmp": TMP,
            "memory": MEMORY,
        }
        walls = Walls(writable=(cache,), socket=place / "door" / "desk", memory_bytes=MEMORY, tmp_bytes=TMP)
        command = [sys.executable, "-I", "-S", "-c", INSIDE, json.dumps(told)]
        with works.ready(command, walls) as (line, handles):
            done = subprocess.run(
                line,
                capture_output=True,
                timeout=120,
                env={**os.environ, "MYRIAD_FARM_TOKEN": SECRET},
                check=False,
                pass_fds=handles,
            )
        assert done.returncode == 0, done.stderr.decode()
        assert (cache / "kept").is_file() and not (place / "escaped").exists()
        yield json.loads(done.stdout) | {"told": told}


def test_inside_no_secret_of_the_machine_can_be_read(escape: dict[str, Any]) -> None:
    for path in escape["told"]["closed"]:
        assert escape[f"read {path}"] in ("ENOENT", "EACCES", "ENOTDIR"), path
    inside = {path.relative_to(Path.home()).parts[0] for path in installation() if path.is_relative_to(Path.home())}
    assert escape["home"] == "ENOENT" or set(escape["home"]) <= inside
    assert "MYRIAD_FARM_TOKEN" not in escape["environment"] and escape["environment"]["HOME"] == "/tmp"
    assert SECRET not in json.dumps({name: value for name, value in escape.items() if name != "told"})


def test_inside_what_the_kernel_tells_of_its_machine_is_closed(works: Sandbox, escape: dict[str, Any]) -> None:
    if works.kind != "bubblewrap":
        pytest.skip("a container hides what its own makers chose")
    for path in escape["told"]["hidden"]:
        assert escape[f"read {path}"] in ("EACCES", "ENOENT"), path


def test_inside_nothing_but_the_keeper_can_be_reached(escape: dict[str, Any]) -> None:
    assert escape["interfaces"] == ["lo"] and escape["socket"] == "reached"
    for place in ("loopback", "public", "public, six", "abstract"):
        assert escape[place] in ("ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"), place


def test_inside_only_the_cache_and_tmp_can_be_written(escape: dict[str, Any]) -> None:
    assert escape["cache"] == escape["tmp"] == "written"
    for path in escape["told"]["held"]:
        assert escape[f"write {path}"] in ("EROFS", "EACCES", "ENOENT", "EPERM"), path


def test_inside_other_processes_are_not_there(escape: dict[str, Any]) -> None:
    assert escape["processes"] <= 3
    ours = Path("/proc/self/cmdline").read_text()
    assert ours not in [value for name, value in escape.items() if name.startswith("command of")]


def test_inside_room_ends_where_it_should(escape: dict[str, Any]) -> None:
    assert escape["fill tmp"] == escape["fill shared"] == "ENOSPC"
    assert escape["heap"] == "MemoryError" and escape["shared map"] == "ENOMEM"
    assert escape["files"] == "EMFILE" and escape["niceness"] >= 10
    assert escape["raise memory"] == escape["raise core"] == "ValueError"
    assert escape["ranks"] == [[0, 0], [0, 0]], "nobody inside comes before the machine's own work"


def test_inside_nothing_is_open_that_was_opened_outside(escape: dict[str, Any]) -> None:
    assert escape["handles"] == ["0", "1", "2", "3"], "the last is the folder that is looked at"


def test_inside_there_are_no_rights_and_no_way_to_new_ones(escape: dict[str, Any]) -> None:
    assert escape["capabilities"] == 0 and escape["no new privileges"] == "1"
    assert escape["user namespace"] == -1 and escape["mount"] == -1


ORPHAN = """
import subprocess, sys, time
from pathlib import Path
from studio.farm.trust.sandbox import Walls, find_sandbox
walls = Walls(writable=(Path(sys.argv[1]),))
inside = [sys.executable, "-I", "-S", "-c", "import time; print('up', flush=True); time.sleep(600)"]
with find_sandbox().ready(inside, walls) as (line, handles):
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=handles)
process.stdout.readline()
print(process.pid, flush=True)
time.sleep(600)
"""


def test_a_sandbox_ends_with_who_started_it(works: Sandbox, tmp_path: Path) -> None:
    if works.kind != "bubblewrap":
        pytest.skip("a container ends when its input does")
    with subprocess.Popen([sys.executable, "-c", ORPHAN, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        parent.wait()
    for _ in range(200):
        if not alive(pid):
            return
        subprocess.run(["sleep", "0.05"], check=True)
    os.kill(pid, 9)
    pytest.fail("the sandbox lives on without its keeper")


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
