"""How nodes speak to a coordinator: a few verbs over HTTP, with a token.

`POST /v1/<verb>` with a JSON array of the verb's arguments and `Authorization: Bearer <token>`; the answer is the JSON
of what the verb gives, or a sentence with a status of 4xx. The server binds to loopback unless it is told otherwise,
and speaks TLS when it is given a certificate. It takes no more than a megabyte from anybody and unpacks nothing but
these records, so a hostile node can do no more than lie about its own units; what it delivers is checked elsewhere.
"""

from __future__ import annotations

import contextlib
import hmac
import http.client
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from studio.errors import CannotWrite, StudioError, UsageError
from studio.farm.model import Lease, NodeInfo, Order, Report, Result

LARGEST_BODY = 1 << 20
TIMEOUT_S = 30.0
T = TypeVar("T")


class Desk(Protocol):
    """What a node may ask of a coordinator, near or far. One that does not know the node, or its unit, any more raises
    `Stranger`."""

    def join(self, info: NodeInfo) -> None:
        """Offer to work."""

    def leave(self, node: str) -> None:
        """Go."""

    def ask(self, node: str) -> Lease | None:
        """A unit, or None when there is none now."""

    def report(self, attempt: int, report: Report) -> Order:
        """Say how far a unit is; what to do."""

    def adopt(self, lease: Lease, report: Report) -> Order:
        """The same to a coordinator that has just started."""

    def deliver(self, lease: Lease, result: Result) -> str:
        """Hand in a partial that lies in the store: "taken", "late", "wrong" or "bad"."""

    def fail(self, attempt: int, code: int, text: str) -> None:
        """A unit ended with an exit code."""


# Arguments and answer of each verb.
VERBS: Mapping[str, tuple[Any, Any]] = {
    "join": (tuple[NodeInfo], None),
    "leave": (tuple[str], None),
    "ask": (tuple[str], Lease | None),
    "report": (tuple[int, Report], Order),
    "adopt": (tuple[Lease, Report], Order),
    "deliver": (tuple[Lease, Result], str),
    "fail": (tuple[int, int, str], None),
}


OK, REFUSED, ANEW = 200, 409, 410  # statuses of answers; ANEW is a `Stranger`


class Stranger(CannotWrite):
    """The coordinator knows neither node nor unit, as one that has begun anew: a node joins it and offers its unit."""


def answered(desk: Desk, verb: str, body: bytes) -> tuple[int, bytes]:
    """A status and the JSON of what a desk says to one of `VERBS`, or of the sentence of its fault."""
    try:
        arguments = msgspec.json.decode(body, type=VERBS[verb][0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return 400, msgspec.json.encode(f"the arguments of {verb} are not what they should be ({fault})")
    try:
        return OK, msgspec.json.encode(getattr(desk, verb)(*arguments))
    except Stranger as fault:
        return ANEW, msgspec.json.encode(str(fault))
    except StudioError as fault:
        return REFUSED, msgspec.json.encode(str(fault))


class Server:
    """A desk on the network. Use it in a `with`; `url` is where it is."""

    def __init__(
        self, desk: Desk, token: str, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        if len(token) < 16:
            raise UsageError("a farm's token must have 16 characters at the least; let the studio make one")
        if tls is None and host not in ("127.0.0.1", "::1", "localhost"):
            raise UsageError(f"a coordinator that others reach at {host} needs TLS; give it a certificate and a key")
        try:
            self._http = _Http((host, port), desk, token)
        except OSError as fault:
            reason = fault.strerror or str(fault)
            raise UsageError(f"cannot listen at {host}:{port}: {reason}; choose another port") from fault
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        scheme = "https" if tls is not None else "http"
        self.url = f"{scheme}://{host}:{self._http.server_address[1]}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="studio-farm-server", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], desk: Desk, token: str) -> None:
        self.desk, self.token = desk, token.encode()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, as long as it is open."""
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A node that dies in the middle of a word is no fault of the server; what else is raised is said."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Stop listening, and hang up on who is connected."""
        super().server_close()
        for request in list(self._open):
            with contextlib.suppress(OSError):  # it has just hung up itself
                request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_S
    server: _Http

    def do_POST(self) -> None:
        """One verb."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            self._answer(413, "the request is too large or has no length", close=True)
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # who asked has hung up
            self.close_connection = True
            return
        if not hmac.compare_digest(given, self.server.token):
            self._answer(401, "the token is missing or wrong", close=True)
            return
        verb = self.path.removeprefix("/v1/")
        if not self.path.startswith("/v1/") or verb not in VERBS:
            self._answer(404, f"there is no verb {verb[:40]!r}")
            return
        self._send(*answered(self.server.desk, verb, body))

    def _answer(self, status: int, sentence: str, *, close: bool = False) -> None:
        self.close_connection = self.close_connection or close
        self._send(status, msgspec.json.encode(sentence))

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: who asks and how often is in the coordinator's own log."""


class FarDesk:
    """A desk behind something that carries bytes: `_carry` takes a verb and the JSON of its arguments and gives a
    status, as HTTP has them, and the JSON of the answer or of a sentence."""

    def join(self, info: NodeInfo) -> None:
        """See `Desk.join`."""
        self._call("join", info)

    def leave(self, node: str) -> None:
        """See `Desk.leave`."""
        self._call("leave", node)

    def ask(self, node: str) -> Lease | None:
        """See `Desk.ask`."""
        lease: Lease | None = self._call("ask", node)
        return lease

    def report(self, attempt: int, report: Report) -> Order:
        """See `Desk.report`."""
        order: Order = self._call("report", attempt, report)
        return order

    def adopt(self, lease: Lease, report: Report) -> Order:
        """See `Desk.adopt`."""
        order: Order = self._call("adopt", lease, report)
        return order

    def deliver(self, lease: Lease, result: Result) -> str:
        """See `Desk.deliver`."""
        verdict: str = self._call("deliver", lease, result)
        return verdict

    def fail(self, attempt: int, code: int, text: str) -> None:
        """See `Desk.fail`."""
        self._call("fail", attempt, code, text)

    def _call(self, verb: str, *arguments: object) -> Any:
        status, data = self._carry(verb, msgspec.json.encode(arguments))
        if status == OK:
            answer = VERBS[verb][1]
            return None if answer is None else msgspec.json.decode(data, type=answer)
        sentence = _sentence(data)
        if status == ANEW:
            raise Stranger(sentence)
        raise UsageError(sentence) if status in (400, 401, 404, 413) else CannotWrite(sentence)

    def _carry(self, verb: str, body: bytes) -> tuple[int, bytes]:
        raise NotImplementedError


class Remote(FarDesk):
    """A desk at a URL. Safe for several threads: each has a connection of its own. Use it in a `with`.

    Raises CannotWrite when nobody answers, and UsageError when the token is refused.
    """

    def __init__(self, url: str, token: str, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url[:80]!r} is no address of a coordinator; it begins with https://")
        self._parts, self._tls, self._token = parts, tls, token
        self._local = threading.local()
        self._links: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._links:
            self._links.pop().close()

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _carry(self, verb: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return self._again(lambda link: _exchange(link, verb, body, headers))

    def _again(self, use: Callable[[http.client.HTTPConnection], T]) -> T:
        """Use this thread's connection; when it was closed meanwhile, a new one."""
        for fresh in (False, True):
            link = getattr(self._local, "link", None)
            if link is None or fresh:
                link = self._local.link = self._connect()
                self._links.append(link)
            try:
                return use(link)
            except (OSError, http.client.HTTPException) as fault:
                link.close()
                self._links.remove(link)
                self._local.link = None
                if fresh:
                    place = f"{self._parts.hostname}:{self._parts.port}"
                    raise CannotWrite(f"the coordinator at {place} does not answer ({fault})") from fault
        raise AssertionError("a second use returns or raises")

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)


def _exchange(
    link: http.client.HTTPConnection, verb: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    link.request("POST", f"/v1/{verb}", body, dict(headers))
    answer = link.getresponse()
    return answer.status, answer.read()


def _sentence(data: bytes) -> str:
    try:
        return str(msgspec.json.decode(data, type=str))[:400]
    except msgspec.DecodeError:
        return "the coordinator's answer cannot be read"
