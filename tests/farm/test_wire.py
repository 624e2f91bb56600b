"""Nodes and coordinator over real HTTP on loopback: verbs, tokens, hostile requests."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from studio.errors import BadAsset, CannotWrite, UsageError
from studio.farm import wire
from studio.farm.model import Lease, NodeInfo, Order, Report, Result
from studio.farm.trust.guests import LONGEST_ID
from studio.farm.trust.signing import Key, Statement, Untrusted, enrolment
from studio.farm.wire import (
    LARGEST_BODY,
    LARGEST_ENROLMENT,
    Forbidden,
    Guest,
    Remote,
    Server,
    Stranger,
    Tries,
    Welcome,
    enrol_at,
)

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
        self.heard.append(("report", attempt))
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
    assert clerk.heard == [("join", info), ("report", 7), ("fail", 7, 12, "driver"), ("leave", "a")]


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
    assert raw(server, "GET", "/v1/join", b"", **token)[0] == 404
    assert raw(server, "PATCH", "/v1/join", b"", **token)[0] == 501


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


def test_beyond_so_many_connections_nobody_is_heard_and_one_that_ends_makes_room(
    server: Server, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.farm.wire.MOST_OPEN", 2)
    place = (urlsplit(server.url).hostname, urlsplit(server.url).port)
    idle = [socket.create_connection(place, timeout=10) for _ in range(2)]
    until = time.monotonic() + 30
    while len(server._http._open) < 2:
        assert time.monotonic() < until
    with socket.create_connection(place, timeout=10) as third:
        assert third.recv(1) == b"", "it is hung up on"
    idle.pop().close()
    while len(server._http._open) > 1:
        assert time.monotonic() < until
    with Remote(server.url, TOKEN) as remote:
        remote.join(NodeInfo(id="there is room"))
    idle.pop().close()
    assert [info.id for _, info in clerk.heard] == ["there is room"]


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


def test_it_listens_by_the_sixth_version_too(clerk: Clerk) -> None:
    try:
        with socket.socket(socket.AF_INET6) as free:
            free.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Server(clerk, TOKEN, host="::1") as server, Remote(server.url, TOKEN) as remote:
        assert server.url.startswith("http://[::1]:")
        assert remote.ask("a") == LEASE


def test_who_tries_codes_is_known_by_the_network() -> None:
    assert wire._network("192.0.2.7") == wire._network("::ffff:192.0.2.7") == "192.0.2.7"
    same = {wire._network(text) for text in ("2001:db8::1", "2001:db8::a:b:c:d", "2001:db8:0:0:ffff::", "2001:db8::%1")}
    assert len(same) == 1
    assert wire._network("2001:db8:0:1::1") not in same


def test_who_speaks_no_tls_holds_up_nobody(tmp_path: Path, clerk: Clerk) -> None:
    certificate, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with Server(clerk, TOKEN, tls=tls) as server:
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=10):  # and says nothing
            with Remote(server.url, TOKEN, tls=ssl.create_default_context(cafile=str(certificate))) as remote:
                assert remote.ask("a") == LEASE
            with Remote(server.url, TOKEN) as stranger, pytest.raises(CannotWrite, match="does not answer"):
                stranger.ask("a")


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate, key = folder / "a.pem", folder / "a.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate, key


# --- members ---------------------------------------------------------------------------------------------------------
MEMBER, OTHER = "the token of the member n", "the token of the member m"
GENERATION = 3
OWN = msgspec.structs.replace(LEASE, node="n/0", attempt=(GENERATION << 40) + 1)
ANOTHERS = msgspec.structs.replace(LEASE, node="m", attempt=(GENERATION << 40) + 2)
OLD = msgspec.structs.replace(LEASE, node="n", attempt=((GENERATION - 1) << 40) + 9)
RESULT = Result(range=(0, 8), key="k", digest="d")


class Books(Clerk):
    """A desk that knows whose attempts are."""

    generation = GENERATION

    def lease_of(self, attempt: int) -> Lease | None:
        return next((lease for lease in (OWN, ANOTHERS) if lease.attempt == attempt), None)

    def adopt(self, lease: Lease, report: Report) -> Order:
        self.heard.append(("adopt", lease))
        return ("go", 0)

    def deliver(self, lease: Lease, result: Result) -> str:
        self.heard.append(("deliver", lease))
        return "taken"


class Keeper:
    """A doorkeeper of the house and two members, who enrols those of one name."""

    guests: ClassVar[dict[str, Guest]] = {
        TOKEN: Guest(),
        MEMBER: Guest(node="n", trust=3),
        OTHER: Guest(node="m", trust=1),
    }

    def admit(self, token: str) -> Guest | None:
        if token == "boom":
            raise CannotWrite("the roster cannot be looked at")
        return self.guests.get(token)

    def enrol(self, said: Statement) -> str:
        if said.body["code"] != enrolment(Key.made(), "the code", at=0.0).body["code"]:
            raise Untrusted("nobody gave this node its code")
        return MEMBER


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def door(books: Books) -> Iterator[Server]:
    with Server(books, Keeper(), tries=Tries(each=3, clock=lambda: 0.0)) as server:
        yield server


@pytest.fixture
def member(door: Server) -> Iterator[Remote]:
    with Remote(door.url, MEMBER) as remote:
        yield remote


def test_a_member_is_no_more_trusted_than_it_was_invited(member: Remote, door: Server, books: Books) -> None:
    for id_, claimed in (("n", 0), ("n/gpu 1", 2), ("n", 99)):
        member.join(NodeInfo(id=id_, trust=claimed))
    with Remote(door.url, OTHER) as other, Remote(door.url, TOKEN) as house:
        other.join(NodeInfo(id="m", trust=2))
        house.join(NodeInfo(id="n", trust=0))
    assert [(info.id, info.trust) for _, info in books.heard] == [
        *(("n", 3), ("n/gpu 1", 3), ("n", 3)),
        *(("m", 2), ("n", 0)),
    ]


def test_a_member_speaks_for_its_own_node_alone(member: Remote, books: Books) -> None:
    for id_ in ("m", "n2", "", "N", "n ", "m/n", "n/" + "x" * LONGEST_ID, "n/\x00"):
        for say in (lambda id_=id_: member.join(NodeInfo(id=id_)), lambda id_=id_: member.leave(id_)):
            with pytest.raises(Forbidden):
                say()
        with pytest.raises(Forbidden):
            member.ask(id_)
    with pytest.raises(Forbidden, match='"n" cannot speak as'):
        member.adopt(ANOTHERS, Report())
    assert books.heard == []


def test_a_member_speaks_of_its_own_attempts_alone(member: Remote, books: Books) -> None:
    claimed = msgspec.structs.replace(ANOTHERS, node="n")  # another's attempt under its own name
    for say in (
        lambda: member.report(ANOTHERS.attempt, Report(done=8)),
        lambda: member.fail(ANOTHERS.attempt, 2, "refused"),
        lambda: member.deliver(claimed, RESULT),
        lambda: member.deliver(ANOTHERS, RESULT),
        lambda: member.adopt(claimed, Report()),
        lambda: member.deliver(msgspec.structs.replace(OWN, piece=1), RESULT),
        lambda: member.deliver(msgspec.structs.replace(OWN, job="k"), RESULT),
    ):
        with pytest.raises(Forbidden):
            say()
    assert books.heard == []
    assert member.report(OWN.attempt, Report(done=3))[0] == "stop"
    assert member.deliver(msgspec.structs.replace(OWN, range=(0, 1 << 20)), RESULT) == "taken"
    member.fail(OWN.attempt, 12, "driver")
    assert books.heard == [("report", OWN.attempt), ("deliver", OWN), ("fail", OWN.attempt, 12, "driver")]


def test_what_a_member_says_does_nothing_to_a_terminal(member: Remote, books: Books) -> None:
    member.fail(OWN.attempt, 12, "driver\x1b[2J\n" + "x" * 500)
    ((_, _, _, text),) = books.heard
    assert isinstance(text, str) and text.startswith("driver?[2J?x") and len(text) == 400


def test_a_strangers_word_ends_no_job(member: Remote, door: Server, books: Books) -> None:
    for code in (2, 10, 13, 33, 11, 20, 143):
        member.fail(OWN.attempt, code, "why")
    with Remote(door.url, OTHER) as studios_own:  # of level 1
        studios_own.fail(ANOTHERS.attempt, 10, "the scene is damaged")
    assert [heard[2] for heard in books.heard] == [15, 15, 15, 15, 11, 20, 143, 10]
    assert books.heard[1] == ("fail", OWN.attempt, 15, "10: why")


def test_an_attempt_of_nobody_is_answered_at_the_door(member: Remote, books: Books) -> None:
    soon = (GENERATION << 40) + 3  # the next that will be given away
    assert member.report(soon, Report()) == ("drop", 0)
    member.fail(soon, 2, "refused")
    assert member.adopt(msgspec.structs.replace(OLD, attempt=soon), Report()) == ("drop", 0)
    assert member.adopt(msgspec.structs.replace(OLD, attempt=(GENERATION + 1 << 40) + 1), Report()) == ("drop", 0)
    with pytest.raises(Stranger, match="begun anew"):
        member.report(OLD.attempt, Report())
    assert books.heard == []
    assert member.adopt(OLD, Report()) == ("go", 0), "what an earlier coordinator gave is offered to the next"
    assert books.heard == [("adopt", OLD)]


def test_a_doorkeeper_who_cannot_look_lets_nobody_in_and_says_so(door: Server, books: Books) -> None:
    with Remote(door.url, "boom") as remote, pytest.raises(CannotWrite, match="cannot be looked at"):
        remote.leave("n")
    assert books.heard == []


def test_a_node_enrols_by_a_proof_and_not_more_often_than_may_be(door: Server) -> None:
    said = enrolment(Key.made(), "the code", at=0.0)
    assert enrol_at(door.url, said) == Welcome(node="n", token=MEMBER, trust=3)
    for _ in range(3):
        with pytest.raises(UsageError, match="nobody gave"):
            enrol_at(door.url, enrolment(Key.made(), "a guess", at=0.0))
    with pytest.raises(CannotWrite, match="too many codes"):
        enrol_at(door.url, said)


def test_what_is_no_enrolment_is_told(server: Server, door: Server) -> None:
    body = b'{"what": "enrol"}'
    assert raw(door, "POST", "/v1/enrol", body, Content_Length=str(len(body)))[0] == 403
    assert raw(door, "POST", "/v1/enrol", b"", Content_Length=str(LARGEST_ENROLMENT + 1))[0] == 413
    assert raw(server, "POST", "/v1/enrol", body, Content_Length=str(len(body)))[0] == 404, "a house takes no members"
    with pytest.raises(UsageError, match="in the open"):
        enrol_at("http://farm.example:80", enrolment(Key.made(), "the code", at=0.0))


def test_tries_are_forgotten_after_a_minute_and_forgiven_when_good() -> None:
    now = [0.0]
    tries = Tries(each=2, together=3, clock=lambda: now[0])
    assert [tries.begin("a"), tries.begin("a"), tries.begin("a")] == [True, True, False]
    tries.forgive("a")
    assert [tries.begin("a"), tries.begin("b"), tries.begin("c")] == [True, True, False], "all of them together"
    now[0] = 61.0
    assert tries.begin("c")
