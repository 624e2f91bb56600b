"""Nodes and coordinator over real HTTP on loopback: verbs, tokens, hostile requests."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
import pytest

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm.model import Lease, NodeInfo, Order, Report, Result
from studio.farm.wire import LARGEST_BODY, Remote, Server

TOKEN = "a token of sixteen characters"
LEASE = Lease(job="j", piece=0, range=(0, 8), attempt=7, node="a", begun=1.0, expires=2.0)


class Clerk:
    """A desk that notes what it is asked."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def join(self, info: NodeInfo) -> None:
        self.heard.append(("join", info))

    def leave(self, node: str) -> None:
        self.heard.append(("leave", node))

    def ask(self, node: str) -> Lease | None:
        return LEASE if node == "a" else None

    def report(self, attempt: int, report: Report) -> Order:
        return ("stop", report.done + attempt)

    def adopt(self, lease: Lease, report: Report) -> Order:
        return ("go", 0)

    def deliver(self, lease: Lease, result: Result) -> str:
        if result.key == "boom":
            raise BadAsset("two farms work at it")
        return "taken"

    def fail(self, attempt: int, code: int, text: str) -> None:
        self.heard.append(("fail", attempt, code, text))


@pytest.fixture
def clerk() -> Clerk:
    return Clerk()


@pytest.fixture
def remote(server: Server) -> Iterator[Remote]:
    with Remote(server.url, TOKEN) as remote:
        yield remote


@pytest.fixture
def server(clerk: Clerk) -> Iterator[Server]:
    with Server(clerk, TOKEN) as server:
        yield server


def raw(server: Server, method: str, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(server.url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    link.putrequest(method, path)
    for name, value in headers.items():
        link.putheader(name.replace("_", "-"), value)
    link.endheaders()
    if body:
        link.send(body)
    answer = link.getresponse()
    out = answer.status, answer.read()
    link.close()
    return out


def test_every_verb_goes_there_and_back(remote: Remote, clerk: Clerk) -> None:
    info = NodeInfo(id="a", name="Rechner ü", score=2.0)
    remote.join(info)
    assert remote.ask("a") == LEASE and remote.ask("b") is None
    assert remote.report(7, Report(done=3, phase="load")) == ("stop", 10)
    assert remote.adopt(LEASE, Report()) == ("go", 0)
    assert remote.deliver(LEASE, Result(range=(0, 8), key="k", digest="d")) == "taken"
    remote.fail(7, 12, "driver")
    remote.leave("a")
    assert clerk.heard == [("join", info), ("fail", 7, 12, "driver"), ("leave", "a")]


def test_a_fault_of_the_desk_comes_as_its_sentence(remote: Remote) -> None:
    with pytest.raises(CannotWrite, match="two farms work at it"):
        remote.deliver(LEASE, Result(range=(0, 8), key="boom", digest="d"))


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1]])
def test_without_the_token_nothing_is_heard(server: Server, clerk: Clerk, token: str) -> None:
    with Remote(server.url, token) as remote, pytest.raises(UsageError, match="token is missing or wrong"):
        remote.join(NodeInfo(id="a"))
    assert clerk.heard == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/join", b"[]", 400),
        ("/v1/join", b"{", 400),
        ("/v1/join", b"[" * 100_000, 400),
        ("/v1/join", b'[{"id": 7}]', 400),
        ("/v1/report", b'["x", {}]', 400),
        ("/v1/__class__", b"[]", 404),
        ("/v2/join", b"[]", 404),
        ("/../../etc/passwd", b"[]", 404),
    ],
)
def test_hostile_requests_get_a_status_and_change_nothing(
    server: Server, remote: Remote, clerk: Clerk, path: str, body: bytes, status: int
) -> None:
    token = {"Authorization": f"Bearer {TOKEN}", "Content_Length": str(len(body))}
    assert raw(server, "POST", path, body, **token)[0] == status
    assert clerk.heard == []
    remote.join(NodeInfo(id="still there"))


def test_too_much_is_refused_before_it_is_read(server: Server) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert raw(server, "POST", "/v1/join", b"", **token, Content_Length=str(LARGEST_BODY + 1))[0] == 413
    assert raw(server, "POST", "/v1/join", b"", **token, Content_Length="-5")[0] == 413
    assert raw(server, "POST", "/v1/join", b"", **token)[0] == 413
    assert raw(server, "GET", "/v1/join", b"", **token)[0] == 501


def test_a_node_that_dies_in_the_middle_of_a_word_is_passed_over(
    server: Server, remote: Remote, clerk: Clerk, capfd: pytest.CaptureFixture[str]
) -> None:
    body = msgspec.json.encode([NodeInfo(id="half")])
    for sent in (body[:-4], body):
        link = socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=10)
        head = f"POST /v1/join HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # hang up hard
        link.sendall(head.encode() + sent)
        if sent == body:
            link.recv(1)
        else:
            link.shutdown(socket.SHUT_WR)
            assert link.recv(1) == b"", "no answer to half a word"
        link.close()
    remote.join(NodeInfo(id="still there"))
    assert [info.id for _, info in clerk.heard] == ["half", "still there"]
    assert capfd.readouterr().err == ""


def test_many_nodes_ask_at_once(remote: Remote) -> None:
    answers: list[Lease | None] = []

    def ask() -> None:
        answers.extend(remote.ask("a") for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [LEASE] * 160


def test_a_server_that_is_gone_is_said_and_a_new_one_is_found(clerk: Clerk) -> None:
    server = Server(clerk, TOKEN)
    with Remote(server.url, TOKEN) as remote:
        remote.ask("a")
        port = int(server.url.rsplit(":", 1)[1])
        server.close()
        with pytest.raises(CannotWrite, match="does not answer"):
            remote.ask("a")
        with Server(clerk, TOKEN, port=port):
            assert remote.ask("a") == LEASE


def test_it_listens_to_others_only_with_tls_and_a_real_token(clerk: Clerk) -> None:
    with pytest.raises(UsageError, match="needs TLS"):
        Server(clerk, TOKEN, host="0.0.0.0")
    with pytest.raises(UsageError, match="16 characters"):
        Server(clerk, "short")
    with Server(clerk, TOKEN) as server, pytest.raises(UsageError, match="cannot listen"):
        Server(clerk, TOKEN, port=int(server.url.rsplit(":", 1)[1]))
    with pytest.raises(UsageError, match="no address"):
        Remote("ftp://somewhere", TOKEN)
