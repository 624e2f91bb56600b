"""The keeper of a node: what passes between a node and its coordinator, processes that die, hang and are refused, and
at the end a real one in a real sandbox, killed on the way, whose picture has the bits of one process."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

import studio
from studio.errors import BadAsset, CannotWrite, StudioError, Unsupported, UsageError
from studio.farm.bundles.bundle import NodeCache
from studio.farm.desk import Forbidden, Stranger
from studio.farm.jobs import RenderJob, part_key
from studio.farm.model import JobSpec, Lease, NodeInfo, Order, Piece, Report, Result, Usage
from studio.farm.node import FarmNode
from studio.farm.service import Service
from studio.farm.store import Patience, Store, open_store
from studio.farm.trust import hatch as hatches
from studio.farm.trust import keeper as keepers
from studio.farm.trust.envoy import Envoy
from studio.farm.trust.gate import Gate, GateBucket
from studio.farm.trust.hatch import HAS_UNIX, Handed, Hatch, Inside, UnixConnection
from studio.farm.trust.keeper import Keeper
from studio.farm.trust.sandbox import Sandbox, find_sandbox
from studio.farm.trust.signing import Key, Member, check_signature, signed
from studio.farm.verify import largest_part
from studio.farm.wire import Guest, Remote, Server
from studio.farm.work import WorkOrder
from studio.render.device import cache_folder
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flatten import flatten
from studio.scene.project import load_project
from tests.farm.test_local import POLICY, film_of, job_in, project, sha, wait_until

__all__ = ["project"]
PIECE = Piece(frame=1.0, samples=64)
JOB = RenderJob(
    spec=JobSpec(id="j", name="j", bundle="0" * 64, pieces=(PIECE,)), settings=RenderSettings(width=8, height=8)
)
LEASE = Lease(job="j", piece=0, range=(0, 8), attempt=7, node="n", begun=1.0, expires=2.0)
KEY = part_key("j", PIECE, (0, 8), 7)
RESULT = Result(range=(0, 8), key=KEY, digest="d", usage=Usage(render_s=2.0))
ONCE = Patience(tries=1)
unix = pytest.mark.skipif(not HAS_UNIX, reason="there are no Unix sockets here")


def order(**more: object) -> WorkOrder:
    told: dict[str, object] = {"url": "", "token": "", "store": "", "node": "n", "cache": "/tmp", "trust": 3}
    return WorkOrder(**{**told, **more})  # type: ignore[arg-type]


class Clerk:
    """A coordinator's desk that notes what it hears, gives one unit, and may have had enough."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.leases = [LEASE]
        self.verdict = "taken"
        self.fault: Exception | None = None

    def join(self, info: NodeInfo) -> None:
        self._say("join", info)

    def leave(self, node: str) -> None:
        self._say("leave", node)

    def ask(self, node: str) -> Lease | None:
        self._say("ask", node)
        return self.leases.pop() if self.leases else None

    def report(self, attempt: int, report: Report) -> Order:
        self._say("report", attempt, report)
        return "stop", 4

    def adopt(self, lease: Lease, report: Report) -> Order:
        self._say("adopt", lease, report)
        return "go", 0

    def deliver(self, lease: Lease, result: Result) -> str:
        self._say("deliver", lease, result)
        return self.verdict

    def fail(self, attempt: int, code: int, text: str) -> None:
        self._say("fail", attempt, code, text)

    def _say(self, *words: object) -> None:
        self.heard.append(words)
        if self.fault is not None:
            raise self.fault

    def of(self, verb: str) -> list[tuple[object, ...]]:
        return [words for words in self.heard if words[0] == verb]


class Shelf:
    """A bucket in memory that fails when it is told to."""

    def __init__(self) -> None:
        self.objects = {"jobs/j/job.json": msgspec.json.encode(JOB)}
        self.fault: Exception | None = None

    def put(self, key: str, data: bytes | Path, *, create: bool) -> None:
        self._try()
        self.objects[key] = data.read_bytes() if isinstance(data, Path) else data

    def get(self, key: str) -> tuple[int, Iterable[bytes]]:
        return self.head(key), iter([self.objects[key]])

    def get_range(self, key: str, start: int, end: int) -> bytes:
        self.head(key)
        return self.objects[key][start:end]

    def head(self, key: str) -> int:
        self._try()
        if key not in self.objects:
            raise FileNotFoundError(key)
        return len(self.objects[key])

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        raise AssertionError("a node looks for nothing")

    def delete(self, key: str) -> None:
        self._try()
        del self.objects[key]

    def _try(self) -> None:
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def clerk() -> Clerk:
    return Clerk()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def envoy(clerk: Clerk, shelf: Shelf) -> Envoy:
    return Envoy(order(), clerk, shelf)


# --- what a node may say ---------------------------------------------------------------------------------------------
def test_a_node_is_who_its_keeper_says_it_is(clerk: Clerk) -> None:
    envoy = Envoy(order(name="Ada's machine", score=2.0, memory_bytes=1 << 30), clerk)
    envoy.join(NodeInfo(id="somebody", name="else", trust=0, score=900.0, price="gold", memory_bytes=1 << 40, cores=4))
    told = NodeInfo(id="n", name="Ada's machine", trust=3, score=2.0, memory_bytes=1 << 30, cores=4)
    assert clerk.heard == [("join", told)]


def test_a_node_speaks_for_itself_and_of_units_that_it_was_given(envoy: Envoy, clerk: Clerk) -> None:
    for act in (
        lambda: envoy.leave("m"),
        lambda: envoy.ask("m"),
        lambda: envoy.report(7, Report()),
        lambda: envoy.fail(7, 12, "x"),
        lambda: envoy.adopt(LEASE, Report()),
        lambda: envoy.deliver(LEASE, RESULT),
    ):
        with pytest.raises(Forbidden):
            act()
    assert clerk.heard == []
    assert envoy.ask("n") == LEASE and envoy.ask("n") is None
    assert envoy.report(7, Report(done=3)) == ("stop", 4)
    forged = msgspec.structs.replace(LEASE, piece=5, node="m", range=(0, 900))
    assert envoy.adopt(forged, Report()) == ("go", 0) and clerk.of("adopt") == [("adopt", LEASE, Report())]
    assert envoy.deliver(forged, RESULT) == "taken" and clerk.of("deliver") == [("deliver", LEASE, RESULT)]
    envoy.fail(7, 12, "a\x1b[2Jb")
    assert clerk.of("fail") == [("fail", 7, 12, "a?[2Jb")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "jobs/j/done/f1/0-8.json"},
        {"key": part_key("j", PIECE, (0, 8), 8)},
        {"key": KEY.replace("jobs/j/", "jobs/k/")},
        {"range": (0, 9)},
        {"range": (0, 64), "key": part_key("j", PIECE, (0, 64), 7)},
    ],
)
def test_a_node_delivers_nothing_but_partials_of_its_units(
    envoy: Envoy, clerk: Clerk, wrong: dict[str, object]
) -> None:
    envoy.ask("n")
    with pytest.raises(Forbidden, match="its own units"):
        envoy.deliver(LEASE, msgspec.structs.replace(RESULT, **wrong))
    assert clerk.of("deliver") == []


def test_what_a_member_delivers_is_signed_with_a_key_that_it_never_has(clerk: Clerk, shelf: Shelf) -> None:
    key = Key.made()
    envoy = Envoy(order(), clerk, shelf, sign=lambda result, lease, job: signed(result, lease, job, key, build="b"))
    envoy.ask("n")
    assert envoy.deliver(LEASE, RESULT) == "taken"
    ((_, _, result),) = clerk.of("deliver")
    assert isinstance(result, Result)
    member = Member(name="n", role="node", since=0.0, key=key.public)
    assert check_signature(result, LEASE, JOB, member, at=2.0).body["digest"] == "d"


def test_the_owner_sees_in_one_line_what_the_node_does(envoy: Envoy, clerk: Clerk) -> None:
    assert str(envoy.deeds) == "waits for work; 0 parts delivered (0 samples)"
    envoy.ask("n")
    envoy.report(7, Report(done=5, phase="render"))
    assert str(envoy.deeds) == "renders j, samples 0 to 8, 5 done; 0 parts delivered (0 samples)"
    envoy.deliver(LEASE, RESULT)
    clerk.verdict = "bad"
    envoy.deliver(LEASE, RESULT)
    envoy.fail(7, 12, "driver")
    assert str(envoy.deeds) == "waits for work; 1 part delivered (8 samples), 1 refused, 1 unit failed"


# --- what a node may read and write ----------------------------------------------------------------------------------
HASH = "ab" * 32


@pytest.fixture
def near(envoy: Envoy, tmp_path: Path) -> Iterator[Store]:
    """The objects as the node has them, over a socket."""
    with Hatch(envoy, tmp_path, gate=envoy) as hatch, contextlib.closing(Handed(hatch.socket)) as bucket:
        yield Store(bucket, "the farm", patience=ONCE)


@unix
def test_a_node_reads_what_its_units_need(envoy: Envoy, shelf: Shelf, near: Store) -> None:
    large = os.urandom(9 << 20)
    shelf.objects |= {f"blobs/ab/{HASH}": large, f"bundles/{HASH}": b"manifest"}
    envoy.ask("n")
    assert near.get(f"blobs/ab/{HASH}") == large and near.get(f"bundles/{HASH}") == b"manifest"
    assert near.get_range(f"blobs/ab/{HASH}", 5 << 20, 6 << 20) == large[5 << 20 : 6 << 20]
    assert near.get_range(f"blobs/ab/{HASH}", 0, 10) == large[:10]
    assert near.size(f"bundles/{HASH}") == 8
    assert msgspec.json.decode(near.get("jobs/j/job.json"), type=RenderJob) == JOB
    with pytest.raises(BadAsset, match="there is no"):
        near.get(f"layouts/{HASH}")


@unix
@pytest.mark.parametrize(
    "key",
    [
        "jobs/k/job.json",
        "jobs/j/done/f1/0-8.json",
        "jobs/j/events/0001-000000.json",
        "nodes/1.json",
        "roster.json",
        f"blobs/ab/../../{HASH}",
        f"blobs/ab/{HASH}/..",
        "bundles/",
        part_key("j", PIECE, (0, 8), 8),
    ],
)
def test_a_node_reads_and_writes_nothing_else(envoy: Envoy, shelf: Shelf, near: Store, key: str) -> None:
    shelf.objects[key] = b"of others"
    envoy.ask("n")
    for act in (near.get, near.size, lambda key: near.put(key, b"x")):
        with pytest.raises(StudioError):
            act(key)
    near.delete(key)  # a node is not told what others have
    assert shelf.objects[key] == b"of others"


@unix
def test_a_node_writes_partials_of_its_units_and_no_larger_than_they_are(
    envoy: Envoy, shelf: Shelf, near: Store
) -> None:
    with pytest.raises(StudioError):
        near.put(KEY, b"before it has the unit")
    envoy.ask("n")
    near.put(KEY, b"partial")
    assert shelf.objects[KEY] == b"partial" and near.size(KEY) == 7
    near.delete(KEY)
    assert KEY not in shelf.objects
    with pytest.raises(StudioError, match="more than a partial"):
        near.put(KEY, bytes(largest_part(JOB, PIECE) + 1))
    with pytest.raises(StudioError):
        near.put(part_key("j", msgspec.structs.replace(PIECE, frame=2.0), (0, 8), 7), b"of another piece")
    assert KEY not in shelf.objects


@unix
def test_a_store_that_does_not_answer_is_asked_again_later(envoy: Envoy, shelf: Shelf, near: Store) -> None:
    envoy.ask("n")
    shelf.fault = ConnectionError("gone")
    with pytest.raises(CannotWrite, match="gone"):
        near.put(KEY, b"partial")
    shelf.fault = None
    near.put(KEY, b"partial")
    shelf.fault = OSError("disk")
    with pytest.raises(CannotWrite):
        near.get(f"bundles/{HASH}")


# --- the hatch -------------------------------------------------------------------------------------------------------
@unix
def test_every_word_of_the_coordinator_comes_through(envoy: Envoy, clerk: Clerk, tmp_path: Path) -> None:
    with Hatch(envoy, tmp_path) as hatch, Inside(hatch.socket) as desk:
        desk.join(NodeInfo(id="n"))
        assert desk.ask("n") == LEASE
        assert desk.deliver(LEASE, RESULT) == "taken"
        clerk.fault = Stranger("begun anew")
        with pytest.raises(Stranger, match="begun anew"):
            desk.report(7, Report())
        clerk.fault = CannotWrite("no answer")
        with pytest.raises(CannotWrite, match="no answer"):
            desk.ask("n")
        with pytest.raises(Forbidden):
            desk.ask("m")
        assert envoy.refusal == ""
        clerk.fault = UsageError("the token counts no more")
        with pytest.raises(CannotWrite):
            desk.ask("n")
        assert envoy.refusal == "the token counts no more"


@unix
def test_a_hatch_takes_so_many_connections_and_so_much_and_outlives_nonsense(envoy: Envoy, tmp_path: Path) -> None:
    with Hatch(envoy, tmp_path) as hatch:
        many = [UnixConnection(hatch.socket, timeout=5) for _ in range(hatches.CONNECTIONS + 8)]
        for link in many:
            link.connect()
        answers = []
        for link in many:
            with contextlib.suppress(OSError, http.client.HTTPException):
                link.request("POST", "/v1/leave", b'["m"]')
                answers.append(link.getresponse().status)
        assert 0 < len(answers) <= hatches.CONNECTIONS and set(answers) == {403}
        for link in many:
            link.close()
        for method, path, body, status in (
            ("POST", "/v1/enrol", b"{}", 404),
            ("POST", "/v1/close", b"[]", 404),
            ("POST", "/v1/ask", b"{", 400),
            ("POST", "/v1/ask", b"x" * ((1 << 20) + 1), 413),
            ("GET", "/v1/objects/jobs/j/job.json", b"", 404),  # it was given no objects
            ("PATCH", "/", b"", 501),
        ):
            wait_until(lambda: asked(hatch.socket, method, path, body) == status, seconds=10)  # noqa: B023


def asked(path: str, method: str, target: str, body: bytes) -> int:
    link = UnixConnection(path, timeout=5)
    try:
        with contextlib.suppress(ConnectionError):
            link.request(method, target, body)
        return link.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0  # there is no room yet
    finally:
        link.close()


def test_without_unix_sockets_there_is_a_token(envoy: Envoy, tmp_path: Path) -> None:
    token = secrets.token_urlsafe(32)
    with Hatch(envoy, tmp_path, token=token) as hatch:
        assert hatch.socket == "" and hatch.url.startswith("http://127.0.0.1:")
        with Remote(hatch.url, token) as desk:
            assert desk.ask("n") == LEASE
        with Remote(hatch.url, "x" * 40) as stranger, pytest.raises(UsageError, match="token"):
            stranger.ask("n")


# --- processes -------------------------------------------------------------------------------------------------------
STUB = """
import http.client, json, os, socket, sys, time
order = json.loads(sys.stdin.readline())
link = http.client.HTTPConnection("keeper")
link.sock = socket.socket(socket.AF_UNIX)
link.sock.connect(order["socket"])
def say(verb, *arguments):
    link.request("POST", "/v1/" + verb, json.dumps(arguments))
    answer = link.getresponse()
    return answer.status, json.loads(answer.read())
"""
POLITE = STUB + "say('ask', 'n')\nsys.stdin.read()\nsay('leave', 'n')\n"


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what the process of a node is: a few lines of Python."""

    def become(script: str) -> None:
        def start(
            order: WorkOrder, sandbox: Sandbox | None = None, *, name: str = "", stderr: int | None = None
        ) -> subprocess.Popen[bytes]:
            started = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", script], stdin=subprocess.PIPE, stderr=stderr, start_new_session=True
            )
            assert started.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                started.stdin.write(msgspec.json.encode(order) + b"\n")
                started.stdin.flush()
            return started

        monkeypatch.setattr(keepers, "start_node", start)

    return become


@unix
def test_a_process_gets_a_socket_and_no_secret(clerk: Clerk, process: Callable[[str], None]) -> None:
    process(STUB + "print(json.dumps(order), file=sys.stderr)\nsys.exit(2)\n")
    said: list[str] = []
    told = order(url="https://farm:8700", token="a token of the farm", ca="/ca.pem")
    with Keeper(told, clerk, told=said.append) as keeper:
        assert keeper.wait(30) == 2
    given = msgspec.json.decode(said[-1], type=WorkOrder)
    assert given.socket and (given.url, given.token, given.ca) == ("", "", "")
    assert not Path(given.socket).parent.exists(), "it is gone with the keeper"


def test_elsewhere_a_process_gets_a_token_of_its_own(
    clerk: Clerk, process: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "HAS_UNIX", False)
    process(
        """
import http.client, json, sys
order = json.loads(sys.stdin.readline())
link = http.client.HTTPConnection(order["url"].removeprefix("http://"))
link.request("POST", "/v1/ask", '["n"]', {"Authorization": "Bearer " + order["token"]})
sys.exit(link.getresponse().status // 100)
"""
    )
    with Keeper(order(token="a token of the farm"), clerk) as keeper:
        assert keeper.wait(30) == 2 and clerk.of("ask")


def test_a_sandbox_with_a_way_to_the_store_is_refused(clerk: Clerk, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reaches no store"):
        Keeper(order(store=str(tmp_path)), clerk, sandbox=Sandbox(kind="bubblewrap", program="bwrap"))


@unix
def test_the_folder_of_the_socket_is_its_owners_alone(clerk: Clerk, process: Callable[[str], None]) -> None:
    process(POLITE)
    with Keeper(order(), clerk) as keeper:
        wait_until(lambda: clerk.of("ask"), seconds=30)
        assert stat.S_IMODE(keeper._folder.stat().st_mode) == 0o700
    assert keeper.code == 0


@unix
def test_a_node_that_is_closed_says_its_last_word(clerk: Clerk, process: Callable[[str], None]) -> None:
    process(POLITE)
    keeper = Keeper(order(), clerk)
    wait_until(lambda: clerk.of("ask"), seconds=30)
    assert keeper.works and keeper.pid and keeper.close() == 0
    assert clerk.heard[-1] == ("leave", "n") and keeper.restarts == 0 and not keeper.works


@unix
def test_a_node_that_dies_is_started_again_and_its_unit_goes_to_others(
    clerk: Clerk, process: Callable[[str], None]
) -> None:
    process(POLITE)
    with Keeper(order(), clerk) as keeper:
        wait_until(lambda: clerk.of("ask"), seconds=30)
        os.kill(keeper.pid, signal.SIGKILL)
        wait_until(lambda: len(clerk.of("ask")) == 2, seconds=30)
        assert keeper.restarts == 1 and clerk.heard[1] == ("leave", "n")


@unix
def test_a_node_that_dies_again_and_again_is_left_alone(
    clerk: Clerk, process: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "_LONGEST_PAUSE_S", 0.01)
    process(STUB + "print('a\\x1b[31m driver is missing', file=sys.stderr)\nos.kill(os.getpid(), 9)\n")
    said: list[str] = []
    with Keeper(order(), clerk, restarts=2, told=said.append) as keeper:
        assert keeper.wait(30) == 137 and keeper.restarts == 2 and not keeper.works
    assert said.count("a?[31m driver is missing") == 3 and "3 times within an hour" in said[-1]


@unix
@pytest.mark.parametrize("code", [2, 11])
def test_what_would_end_the_same_way_is_not_tried_again(
    clerk: Clerk, process: Callable[[str], None], code: int
) -> None:
    process(STUB + f"sys.exit({code})\n")
    with Keeper(order(), clerk) as keeper:
        assert keeper.wait(30) == code and keeper.restarts == 0


@unix
def test_a_node_that_only_works_until_it_is_idle_is_not_started_again(
    clerk: Clerk, process: Callable[[str], None]
) -> None:
    process(STUB)
    with Keeper(order(until_idle=True), clerk) as keeper:
        assert keeper.wait(30) == 0 and keeper.restarts == 0


@unix
def test_a_node_that_the_coordinator_wants_no_more_ends_with_its_sentence(
    clerk: Clerk, process: Callable[[str], None]
) -> None:
    clerk.fault = UsageError("the token is missing or wrong, or counts no more")
    process(STUB + "say('ask', 'n')\nsys.stdin.read()\n")
    said: list[str] = []
    with Keeper(order(), clerk, told=said.append) as keeper:
        assert keeper.wait(30) == 2 and keeper.restarts == 0
    assert said == ["the token is missing or wrong, or counts no more"]


@unix
def test_a_node_that_does_not_end_within_its_time_is_killed(clerk: Clerk, process: Callable[[str], None]) -> None:
    process(STUB + "say('ask', 'n')\ntime.sleep(600)\n")
    keeper = Keeper(order(), clerk)
    wait_until(lambda: clerk.of("ask"), seconds=30)
    pid = keeper.pid
    assert keeper.close(0.2) == 137
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@unix
def test_ctrl_c_once_more_waits_for_nobody(clerk: Clerk, process: Callable[[str], None]) -> None:
    process(STUB + "say('ask', 'n')\ntime.sleep(600)\n")
    with pytest.raises(KeyboardInterrupt), Keeper(order(), clerk) as keeper:
        wait_until(lambda: clerk.of("ask"), seconds=30)
        raise KeyboardInterrupt
    assert keeper.code == 137


@unix
def test_a_node_in_a_sandbox_does_not_fill_its_machines_disk(
    clerk: Clerk, process: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    process(STUB + "say('ask', 'n')\ntime.sleep(600)\n")
    usage = shutil.disk_usage(tmp_path)._replace(free=keepers.LEAST_FREE - 1)
    monkeypatch.setattr(keepers.shutil, "disk_usage", lambda folder: usage)
    said: list[str] = []
    sandbox = Sandbox(kind="bubblewrap", program="bwrap")
    told = order(cache=str(tmp_path))
    with Keeper(told, clerk, sandbox=sandbox, restarts=0, told=said.append) as keeper:
        assert keeper.wait(30) == 14
    assert "is full" in said[0] and str(tmp_path) in said[0]


@unix
def test_a_node_in_a_sandbox_whose_cache_is_gone_is_ended(
    clerk: Clerk, process: Callable[[str], None], tmp_path: Path
) -> None:
    process(STUB + "say('ask', 'n')\ntime.sleep(600)\n")
    said: list[str] = []
    sandbox = Sandbox(kind="bubblewrap", program="bwrap")
    with Keeper(order(cache=str(tmp_path / "none")), clerk, sandbox=sandbox, restarts=0, told=said.append) as keeper:
        assert keeper.wait(30) == 14
        assert keeper.pid == 0, "and its process with it"
    assert "is gone" in said[0] and str(tmp_path) in said[0]


@unix
def test_an_object_that_vanishes_while_it_is_read_breaks_the_answer_off(
    envoy: Envoy, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"blobs/{HASH[:2]}/{HASH}"
    shelf.objects[key] = bytes(100)

    def torn(guest: Guest, key: str, start: int, end: int) -> Iterator[bytes]:
        yield bytes(10)
        raise FileNotFoundError(key)

    monkeypatch.setattr(envoy, "read", torn)
    with Hatch(envoy, tmp_path, gate=envoy) as hatch, contextlib.closing(Handed(hatch.socket)) as objects:
        size, parts = objects.get(key)
        assert (size, b"".join(parts)) == (100, bytes(10)), "and nothing of a second answer"


# --- for real --------------------------------------------------------------------------------------------------------
@pytest.fixture
def sandbox() -> Sandbox:
    """A sandbox of this machine; skips where none works."""
    try:
        return find_sandbox()
    except Unsupported as fault:
        pytest.skip(str(fault))


@pytest.mark.slow
def test_a_node_in_a_sandbox_that_is_killed_and_closed_renders_the_bits_of_one_process(
    sandbox: Sandbox, project: Path, tmp_path: Path
) -> None:
    store, token, key = open_store(tmp_path / "store"), secrets.token_urlsafe(32), Key.made()
    service = Service(store, policy=POLICY)
    job = job_in(store, project)
    service.submit(job)
    cache = tmp_path / "cache"
    if cache_folder().is_dir():  # kernels that were compiled before
        shutil.copytree(cache_folder(), cache / studio.__version__ / "kernels")
    told = order(
        store="",
        cache=str(cache),
        device="cpu",
        threads=1,
        report_s=0.2,
        checkpoint_s=0.3,
        trust=0,
        memory_bytes=8 << 30,
    )
    with (
        RenderSession(device="cpu") as session,
        Server(service, token, gate=Gate(service)) as server,
        Remote(server.url, token) as desk,
        contextlib.closing(GateBucket(server.url, token)) as objects,
    ):
        alone = sha(session.render_frame(flatten(load_project(project), 1.0), job.settings).film)
        keeper = Keeper(
            told,
            desk,
            objects=objects,
            sandbox=sandbox,
            sign=lambda result, lease, job: signed(result, lease, job, key, build="b"),
        )
        with keeper:
            wait_until(lambda: keeper.pid)
            os.kill(keeper.pid, signal.SIGKILL)
            wait_until(lambda: keeper.restarts == 1)
            wait_until(lambda: keeper.deeds.delivered and keeper.deeds.unit is not None, seconds=400)
            before = keeper.deeds.delivered
            assert keeper.close() == 0, "it ended by itself, in time"
        assert keeper.deeds.delivered > before or service.status("j").state == "done"
        assert not list((tmp_path / "cache").rglob("*.part")) and service.status("j").done > 0
        results = service.coordinator.results("j", 0)
        assert results and all(result.signature for result in results)
        last = FarmNode(
            service,
            store,
            session,
            node_id="last",
            fetch=lambda where, job: NodeCache(tmp_path / "other").scene(where, job.spec.bundle, job.scene),
            policy=POLICY,
        )
        last.run(until_idle=True)
    assert service.status("j").state == "done" and sha(film_of(store)) == alone
