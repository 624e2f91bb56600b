"""`studio farm worker`: as whom it comes, when it must have a sandbox, and what its owner is told."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studio.cli import main
from studio.command_line import farm_worker
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.farm.trust import keeper as keepers
from studio.farm.trust.gate import Gate
from studio.farm.trust.hatch import HAS_UNIX
from studio.farm.trust.members import Members
from studio.farm.trust.membership import enrol_here
from studio.farm.trust.sandbox import Sandbox
from studio.farm.wire import Server
from studio.farm.work import WorkOrder

pytestmark = pytest.mark.skipif(not HAS_UNIX, reason="the stub of a node speaks over a Unix socket")
TOKEN = "the-token-of-this-house"
STUB = """
import http.client, json, socket, sys
order = json.loads(sys.stdin.readline())
link = http.client.HTTPConnection("keeper")
link.sock = socket.socket(socket.AF_UNIX)
link.sock.connect(order["socket"])
for verb, told in (("join", {"id": order["node"]}), ("ask", order["node"]), ("leave", order["node"])):
    link.request("POST", "/v1/" + verb, json.dumps([told]))
    answer = link.getresponse()
    answer.read()
    if answer.status != 200:
        sys.exit(15)
"""


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MYRIAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MYRIAD_FARM_TOKEN", TOKEN)
    return tmp_path / "data"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[WorkOrder, Sandbox | None]]:
    """What processes of nodes were started with; each joins, asks once and ends."""
    seen: list[tuple[WorkOrder, Sandbox | None]] = []

    def start(
        order: WorkOrder, sandbox: Sandbox | None = None, *, name: str = "", stderr: int | None = None
    ) -> subprocess.Popen[bytes]:
        seen.append((order, sandbox))
        Path(order.cache).mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", STUB], stdin=subprocess.PIPE, stderr=stderr, start_new_session=True
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
        return process

    monkeypatch.setattr(keepers, "start_node", start)
    return seen


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of sandbox that were looked for, each of which is there."""
    kinds: list[str] = []

    def find(kind: str = "auto") -> Sandbox:
        kinds.append(kind)
        return Sandbox(kind="bubblewrap", program="bwrap")

    monkeypatch.setattr(farm_worker, "find_sandbox", find)
    return kinds


@pytest.fixture
def farm(tmp_path: Path) -> Any:
    """A coordinator with members, and what it knows."""
    service = Service(open_store(tmp_path / "store"))
    members = Members(tmp_path / "house", house=TOKEN)
    with Server(service, members, gate=Gate(service)) as server:
        yield server, service, members


def work(capsys: pytest.CaptureFixture[str], *flags: object, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """The events of the command, and what it said."""
    assert main(["farm", "worker", *map(str, flags), "--until-idle", "--device", "cpu", "--json"]) == code
    out, err = capsys.readouterr()
    assert TOKEN not in out + err
    return [json.loads(line) for line in out.splitlines()], err


def test_a_machine_of_the_house_gets_scenes_from_the_coordinator(
    capsys: pytest.CaptureFixture[str], farm: Any, started: list[tuple[WorkOrder, Sandbox | None]], tmp_path: Path
) -> None:
    server, service, _ = farm
    events, said = work(capsys, "--coordinator", server.url, "--name", "north", "--nodes", 2)
    assert [event["event"] for event in events] == ["working", "worked", "worked"] and events[0]["sandbox"] == ""
    assert "without a sandbox" in said and "waits for work" in said
    assert len(started) == 2
    for order, sandbox in started:
        assert (order.store, order.token, order.url, order.trust, sandbox) == ("", "", "", 0, None)
        assert order.socket and order.node.startswith("north-") and order.cache == str(tmp_path / "cache" / "farm")
        assert service.node_info(order.node) is not None
    assert started[0][0].node != started[1][0].node


def test_a_store_that_is_named_is_the_nodes_own(
    capsys: pytest.CaptureFixture[str], farm: Any, started: list[tuple[WorkOrder, Sandbox | None]], tmp_path: Path
) -> None:
    work(capsys, "--coordinator", farm[0].url, "--store", tmp_path / "store")
    assert started[0][0].store == str(tmp_path / "store")
    _, said = work(capsys, "--coordinator", farm[0].url, "--store", tmp_path / "none", code=2)
    assert "there is no store" in said and len(started) == 1


def test_a_public_node_is_in_a_sandbox_without_being_asked(
    capsys: pytest.CaptureFixture[str],
    farm: Any,
    started: list[tuple[WorkOrder, Sandbox | None]],
    found: list[str],
    tmp_path: Path,
) -> None:
    events, said = work(capsys, "--coordinator", farm[0].url, "--trust", 3, "--memory", 8)
    ((order, sandbox),) = started
    assert found == ["auto"] and sandbox is not None and order.trust == 3 and order.memory_bytes == 8 << 30
    assert order.cache == str(tmp_path / "cache" / "sandbox"), "nothing that is run outside lies there"
    assert events[0]["sandbox"] == "bubblewrap" and "in a sandbox (bubblewrap)" in said
    work(capsys, "--coordinator", farm[0].url, "--sandbox", "container")
    assert found == ["auto", "container"] and started[1][0].trust == 0 and started[1][0].memory_bytes > 0


def test_a_member_comes_by_its_name_and_as_it_was_invited(
    capsys: pytest.CaptureFixture[str],
    farm: Any,
    started: list[tuple[WorkOrder, Sandbox | None]],
    found: list[str],
) -> None:
    server, service, members = farm
    enrol_here(server.url, members.invite("Ada", 3))
    work(capsys, "--coordinator", server.url, "--trust", 0)
    ((order, sandbox),) = started
    assert sandbox is not None and found == ["auto"] and order.trust == 3 and order.node.startswith("Ada/")
    info = service.node_info(order.node)
    assert info is not None and info.trust == 3 and info.name == "Ada, 1"
    members.revoke("Ada")
    _, said = work(capsys, "--coordinator", server.url, code=2)
    assert "counts no more" in said and len(started) == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--trust", "3", "--sandbox", "none"), "leave out --sandbox none"),
        (("--trust", "3", "--store", "x"), "leave out --store"),
        (("--sandbox", "bubblewrap", "--store", "x"), "leave out --store"),
        (("--sandbox", "chroot"), "choose from auto, bubblewrap, container, none"),
        (("--memory", "4"), "add --sandbox auto"),
        (("--trust", "3", "--memory", "8", "--nodes", "3"), "--memory"),
    ],
)
def test_what_would_open_the_sandbox_is_refused(
    capsys: pytest.CaptureFixture[str], found: list[str], flags: tuple[str, ...], words: str
) -> None:
    _, said = work(capsys, "--coordinator", "http://127.0.0.1:9", *flags, code=2)
    assert words in said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is none for another reason")
def test_without_a_sandbox_a_public_node_does_not_work(
    capsys: pytest.CaptureFixture[str], farm: Any, started: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    _, said = work(capsys, "--coordinator", farm[0].url, "--trust", 3, code=11)
    assert "install bubblewrap" in said and started == []


def test_a_coordinator_that_wants_the_nodes_no_more_ends_them(
    capsys: pytest.CaptureFixture[str], farm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, members = farm
    begun = threading.Event()

    def start(
        order: WorkOrder, sandbox: Sandbox | None = None, *, name: str = "", stderr: int | None = None
    ) -> subprocess.Popen[bytes]:
        begun.set()
        members._house = None  # the house changes its token
        script = STUB.replace("sys.exit(15)", "pass") + "sys.stdin.read()\n"
        process = subprocess.Popen([sys.executable, "-I", "-S", "-c", script], stdin=subprocess.PIPE, stderr=stderr)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            process.stdin.flush()
        return process

    monkeypatch.setattr(keepers, "start_node", start)
    _, said = work(capsys, "--coordinator", server.url, code=2)
    assert begun.is_set() and "counts no more" in said
