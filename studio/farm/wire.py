"""How nodes speak to a coordinator: a few verbs over HTTP, with a token.

`POST /v1/<verb>` with a JSON array of the verb's arguments and `Authorization: Bearer <token>`; the answer is the JSON
of what the verb gives, or a sentence with a status of 4xx. The token says who asks: a machine of the house, or a member
who may speak for its own units alone (`guests`). `/v1/objects/<key>` are objects of the store for nodes that cannot
reach it (`gate`), and `POST /v1/enrol` takes the proof of a code instead of a token (`members`).

The server binds to loopback unless it is told otherwise, and speaks TLS when it is given a certificate. It takes no
more than a megabyte from anybody but a part of an attempt, and unpacks nothing but these records, so a hostile node can
do no more than lie about its own units; what it delivers is checked elsewhere.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import socket
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast, runtime_checkable
from urllib.parse import unquote

import msgspec

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.farm.desk import ANEW as ANEW
from studio.farm.desk import NOBODY, NOT_THERE, NOT_YOURS, OK, TOO_LARGE, WRONG, answered
from studio.farm.desk import REFUSED as REFUSED
from studio.farm.desk import VERBS as VERBS
from studio.farm.desk import Desk as Desk
from studio.farm.desk import Doorkeeper as Doorkeeper
from studio.farm.desk import Forbidden as Forbidden
from studio.farm.desk import Guest as Guest
from studio.farm.desk import Stranger as Stranger
from studio.farm.desk import owns as owns
from studio.farm.links import TIMEOUT_S, Welcome
from studio.farm.links import Links as Links
from studio.farm.links import Remote as Remote
from studio.farm.links import authority as authority
from studio.farm.links import enrol_at as enrol_at
from studio.farm.trust.guests import GuestDesk, KnowingDesk
from studio.farm.trust.signing import Statement, read_statement

LARGEST_BODY = 1 << 20
MOST_OPEN = 2048  # connections at once; a node has two or three
LARGEST_ENROLMENT = 16 << 10
LARGEST_DRAIN = 1 << 30  # of a guest's, who is told why it is not wanted
OBJECTS = "/v1/objects/"
PARTIAL, EXISTS, BEYOND, TOO_OFTEN, LATER = 206, 412, 416, 429, 503  # more statuses
_TRIES_EACH, _TRIES_ALL, _TRIES_S = 10, 120, 60.0  # failed enrolments of one address and of all, in so many seconds


class TooLarge(BadAsset):
    """More bytes than there can be."""

    code = 15


@runtime_checkable
class Registrar(Protocol):
    """A doorkeeper who takes new members."""

    def admit(self, token: str) -> Guest | None:
        """See `Doorkeeper.admit`."""

    def enrol(self, said: Statement) -> str:
        """The token of a node that proves a code. Raises Untrusted."""


class ObjectGate(Protocol):
    """Objects of the store for guests (`gate.Gate`). Raises `Forbidden` for what a guest has no business with,
    FileNotFoundError for what is not there, CannotWrite when the store does not answer."""

    def size(self, guest: Guest, key: str) -> int:
        """How many bytes an object has that a guest may read."""

    def read(self, guest: Guest, key: str, start: int, end: int) -> Iterator[bytes]:
        """Some of its bytes, in parts."""

    def take(self, guest: Guest, key: str, length: int, read: Callable[[int], bytes]) -> None:
        """Write a part of an attempt that the guest holds. Raises `Stranger` for an attempt that nobody holds,
        `TooLarge`, FileExistsError when another lies there, and ConnectionError when it breaks off."""

    def drop(self, guest: Guest, key: str) -> None:
        """Remove a part of the guest's that was not taken."""


class House:
    """The doorkeeper of one token, the house's own."""

    def __init__(self, token: str) -> None:
        if len(token) < 16:
            raise UsageError("a farm's token must have 16 characters at the least; let the studio make one")
        self._token = token.encode()

    def admit(self, token: str) -> Guest | None:
        """See `Doorkeeper.admit`."""
        return Guest() if hmac.compare_digest(token.encode(), self._token) else None


class Tries:
    """How often a code may be tried in vain: so many times from one address, and so many from all together."""

    def __init__(
        self,
        *,
        each: int = _TRIES_EACH,
        together: int = _TRIES_ALL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each, self._together, self._clock = each, together, clock
        self._failed: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def begin(self, address: str) -> bool:
        """Whether one may try now; it counts as in vain until it is `forgiven`."""
        with self._lock:
            now = self._clock()
            while self._failed and self._failed[0][0] <= now - _TRIES_S:
                self._failed.popleft()
            if len(self._failed) >= self._together or sum(a == address for _, a in self._failed) >= self._each:
                return False
            self._failed.append((now, address))
            return True

    def forgive(self, address: str) -> None:
        """A try was good."""
        with self._lock:
            for i in range(len(self._failed) - 1, -1, -1):
                if self._failed[i][1] == address:
                    del self._failed[i]
                    return


class Server:
    """A desk on the network. Use it in a `with`; `url` is where it is.

    `token` is the house's, which all its machines have, or somebody who knows the tokens; then the desk is a
    `KnowingDesk`, as a coordinator's own is. With a `gate`, nodes read and write objects here.
    """

    def __init__(
        self,
        desk: Desk,
        token: str | Doorkeeper,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        gate: ObjectGate | None = None,
        tries: Tries | None = None,
    ) -> None:
        keeper = House(token) if isinstance(token, str) else token
        if tls is None and host not in ("127.0.0.1", "::1", "localhost"):
            raise UsageError(f"a coordinator that others reach at {host} needs TLS; give it a certificate and a key")
        try:
            self._http = Http((host, port), desk, keeper, gate, tries or Tries())
        except OSError as fault:
            reason = fault.strerror or str(fault)
            raise UsageError(f"cannot listen at {host}:{port}: {reason}; choose another port") from fault
        if tls is not None:  # hands are shaken in the thread of each connection, so who never does holds up nobody
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https" if tls is not None else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._http.server_address[1]}"
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


class Http(ThreadingHTTPServer):
    """The listening socket of a `Server`, or of a keeper's hatch, and whoever is connected."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], desk: Desk, keeper: Doorkeeper, gate: ObjectGate | None, tries: Tries
    ) -> None:
        self.desk, self.keeper, self.gate, self.tries = desk, keeper, gate, tries
        self._open: set[socket.socket] = set()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for a connection; each has a thread, and anybody may open one."""
        return len(self._open) < MOST_OPEN

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, as long as it is open."""
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A node that dies in the middle of a word, or speaks no TLS, is no fault of the server; what else is raised is
        said."""
        if not isinstance(sys.exception(), (ConnectionError, ssl.SSLError, TimeoutError)):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Stop listening, and hang up on who is connected."""
        super().server_close()
        for request in list(self._open):
            with contextlib.suppress(OSError):  # it has just hung up itself
                request.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_S
    disable_nagle_algorithm = True  # else an answer's body waits for its head to be acknowledged, 40 ms
    server: Http

    def do_POST(self) -> None:
        """One verb."""
        enrols = self.path == "/v1/enrol"
        length = self._length(LARGEST_ENROLMENT if enrols else LARGEST_BODY)
        if length is None:
            return
        body = self.rfile.read(length)
        if len(body) < length:  # who asked has hung up
            self.close_connection = True
            return
        if enrols:
            self._enrol(body)
            return
        guest = self._guest()
        if guest is None:
            return
        verb = self.path.removeprefix("/v1/")
        if not self.path.startswith("/v1/") or verb not in VERBS:
            self._answer(NOT_THERE, f"there is no verb {verb[:40]!r}")
            return
        desk = self.server.desk
        if guest.node:
            desk = GuestDesk(cast(KnowingDesk, desk), guest)
        self._send(*answered(desk, verb, body))

    def _enrol(self, body: bytes) -> None:
        keeper, tries, address = self.server.keeper, self.server.tries, _network(self.client_address[0])
        if not isinstance(keeper, Registrar):
            self._answer(NOT_THERE, "this coordinator takes no members; its machines have the house's token")
            return
        if not tries.begin(address):
            self._answer(TOO_OFTEN, "too many codes were tried in vain; wait a minute", close=True)
            return
        try:
            token = keeper.enrol(read_statement(body, "the request"))
            guest = keeper.admit(token) or Guest()
        except CannotWrite as fault:
            self._answer(LATER, str(fault))
            return
        except StudioError as fault:
            self._answer(NOT_YOURS, str(fault))
            return
        tries.forgive(address)
        self._send(OK, msgspec.json.encode(Welcome(node=guest.node, token=token, trust=guest.trust)))

    # --- objects -----------------------------------------------------------------------------------------------------
    def do_GET(self) -> None:
        """An object, or a range of it."""
        self._give(body=True)

    def do_HEAD(self) -> None:
        """The size of an object."""
        self._give(body=False)

    def _give(self, *, body: bool) -> None:
        found = self._object()
        if found is None:
            return
        gate, guest, key = found
        with self._told():
            size = gate.size(guest, key)
            span = _span(self.headers.get("Range"), size)
            if span is None:
                self.send_response(BEYOND)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, end = span
            parts = gate.read(guest, key, start, end)
            first = next(parts, b"") if body else b""  # what cannot be read is told before anything is promised
            self.send_response(PARTIAL if "Range" in self.headers else OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(end - start))
            if "Range" in self.headers:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.end_headers()
            if body:
                self._stream(first, parts)

    def _stream(self, first: bytes, parts: Iterator[bytes]) -> None:
        """The bytes themselves. When the store fails now, all that can be done is to break off."""
        try:
            self.wfile.write(first)
            for part in parts:
                self.wfile.write(part)
        except (StudioError, FileNotFoundError):
            self.close_connection = True

    def do_PUT(self) -> None:
        """A part of an attempt."""
        length = self.headers.get("Content-Length", "")
        self.close_connection = True  # unless all that was sent was read
        if not _is_number(length):
            self._answer(TOO_LARGE, "the request has no length")
            return
        found = self._object()
        if found is None:
            self._drain(min(int(length), LARGEST_BODY))
            return
        gate, guest, key = found
        left = int(length)

        def read(count: int) -> bytes:
            nonlocal left
            data = self.rfile.read(min(count, left))
            left -= len(data)
            return data

        with self._told():
            gate.take(guest, key, int(length), read)
            self.close_connection = False
            self._answer(OK, "taken")
        self._drain(left)

    def do_DELETE(self) -> None:
        """A part that was not taken."""
        found = self._object()
        if found is not None:
            gate, guest, key = found
            with self._told():
                gate.drop(guest, key)
                self._answer(OK, "gone")

    def _object(self) -> tuple[ObjectGate, Guest, str] | None:
        """Who asks for which object; None when that was answered already."""
        if self.command != "PUT" and self.headers.get("Content-Length", "0") != "0":
            self.close_connection = True  # what nobody reads is not the next request
        guest = self._guest()
        if guest is None:
            return None
        if not self.path.startswith(OBJECTS) or self.server.gate is None:
            self._answer(NOT_THERE, "there are no objects here")
            return None
        try:
            return self.server.gate, guest, unquote(self.path.removeprefix(OBJECTS), errors="strict")
        except UnicodeDecodeError:
            self._answer(WRONG, "the name of the object is no text")
            return None

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What a gate raises, as an answer."""
        try:
            yield
        except Stranger as fault:
            self._answer(ANEW, str(fault))
        except Forbidden as fault:
            self._answer(NOT_YOURS, str(fault))
        except TooLarge as fault:
            self._answer(TOO_LARGE, str(fault))
        except CannotWrite as fault:
            self._answer(LATER, str(fault))
        except StudioError as fault:
            self._answer(REFUSED, str(fault))
        except FileNotFoundError:
            self._answer(NOT_THERE, "there is no such object")
        except FileExistsError:
            self._answer(EXISTS, "another object lies there; a part is written once")

    def _drain(self, length: int) -> None:
        """Read what nobody wants, or its sender would not hear why."""
        length = min(length, LARGEST_DRAIN)
        while length > 0 and (data := self.rfile.read(min(length, 1 << 16))):
            length -= len(data)

    # --- all of it ---------------------------------------------------------------------------------------------------
    def _guest(self) -> Guest | None:
        """Who asks; None when nobody does, who was told."""
        try:
            guest = self.server.keeper.admit(self.headers.get("Authorization", "").removeprefix("Bearer "))
        except StudioError as fault:
            self._answer(LATER, str(fault))
            return None
        if guest is None:
            self._answer(NOBODY, "the token is missing or wrong, or counts no more", close=True)
        return guest

    def _length(self, most: int) -> int | None:
        """How much was sent; None when it is too much, which was told."""
        length = self.headers.get("Content-Length", "")
        if not _is_number(length) or int(length) > most:
            self._answer(TOO_LARGE, "the request is too large or has no length", close=True)
            return None
        return int(length)

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
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: who asks and how often is in the coordinator's own log."""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _network(address: str) -> str:
    """Where somebody is: the address, or of IPv6 the network (/64), of which one person has all addresses."""
    if ":" not in address:
        return address
    whole = ipaddress.IPv6Address(address)
    return str(whole.ipv4_mapped or ipaddress.IPv6Network((int(whole) >> 64 << 64, 64)))


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """The part [start, end) that `Range` asks for (RFC 9110, 14.1.2: one of bytes); all without one, None for none."""
    if header is None:
        return 0, size
    unit, _, wanted = header.partition("=")
    first, dash, last = wanted.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not all(_is_number(text) for text in (first, last) if text):
        return None
    if first:
        start, end = int(first), min(int(last) + 1 if last else size, size)
    else:
        start, end = max(size - int(last), 0) if last else size, size
    return (start, end) if start < end else None
