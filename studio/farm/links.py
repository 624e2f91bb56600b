"""A node's end of the wire: connections to a coordinator, its desk over them, and coming onto its roster."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from studio.errors import CannotWrite, UsageError
from studio.farm.desk import OK, FarDesk, T, fault_of
from studio.farm.model import NodeId, Record
from studio.farm.trust.signing import Statement

TIMEOUT_S = 30.0
MOST_IDLE = 8  # connections that nobody uses


class Welcome(Record, frozen=True):
    """What a node is told when it has come onto the roster."""

    node: NodeId
    token: str
    trust: int = 3


class Links:
    """Connections to a coordinator: as many as are in use at once, kept for the next who asks. Close it."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        try:
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:  # of its port
            fits = False
        if not fits:
            raise UsageError(f"{url[:80]!r} is no address of a coordinator; it begins with https://")
        self._parts, self._tls = parts, tls
        self._idle: list[http.client.HTTPConnection] = []
        self._closed = False

    def close(self) -> None:
        """Close those that nobody uses, and the others when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def use(self, ask: Callable[[http.client.HTTPConnection], T]) -> T:
        """Ask over a connection; when it was closed meanwhile, over a new one. Raises ConnectionError."""
        answer, link = self.take(ask)
        self.give(link)
        return answer

    def take(self, ask: Callable[[http.client.HTTPConnection], T]) -> tuple[T, http.client.HTTPConnection]:
        """The same, with the connection, for who has not read all of the answer yet: it comes back by `give`."""
        for fresh in (False, True):
            try:
                link = self._connect() if fresh else self._idle.pop()
            except IndexError:
                link = self._connect()
            try:
                return ask(link), link
            except (OSError, http.client.HTTPException) as fault:
                link.close()
                if fresh:
                    place = f"{self._parts.hostname}:{self._parts.port}"
                    raise ConnectionError(f"the coordinator at {place} does not answer ({fault})") from fault
        raise AssertionError("a second use returns or raises")

    def give(self, link: http.client.HTTPConnection) -> None:
        """Keep a connection for the next."""
        if self._closed or len(self._idle) >= MOST_IDLE:
            link.close()
        else:
            self._idle.append(link)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)


class Remote(FarDesk):
    """A desk at a URL, for any thread. Use it in a `with`.

    Raises CannotWrite when nobody answers, and UsageError when the token is refused.
    """

    def __init__(self, url: str, token: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._links, self._token = Links(url, tls=tls), token

    def close(self) -> None:
        """Close its connections."""
        self._links.close()

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _carry(self, verb: str, body: bytes) -> tuple[int, bytes]:
        return _posted(self._links, verb, body, {"Authorization": f"Bearer {self._token}"})


def enrol_at(url: str, said: Statement, *, tls: ssl.SSLContext | None = None) -> Welcome:
    """Come onto the roster of a coordinator. Raises UsageError when it refuses, CannotWrite when it does not answer."""
    check_private(url)
    links = Links(url, tls=tls)
    try:
        status, data = _posted(links, "enrol", msgspec.json.encode(said), {})
    finally:
        links.close()
    if status == OK:
        try:
            return msgspec.json.decode(data, type=Welcome)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise CannotWrite("the coordinator's answer cannot be read; ask for a new code") from fault
    raise fault_of(status, data)


def authority(ca: str) -> ssl.SSLContext | None:
    """Whom to believe that a coordinator is who it says: a file of certificates, or None for those of the system.

    Raises UsageError for a file that holds none.
    """
    if not ca:
        return None
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise UsageError(f"the certificate {ca} cannot be read: {reason}") from fault


def check_private(url: str) -> None:
    """Raise UsageError for an address to which a secret would go in the open."""
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise UsageError(f"{url[:80]!r} would carry a secret in the open; the address begins with https://")


def _posted(links: Links, verb: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    sent = {"Content-Type": "application/json", **headers}

    def ask(link: http.client.HTTPConnection) -> tuple[int, bytes]:
        link.request("POST", f"/v1/{verb}", body, sent)
        answer = link.getresponse()
        return answer.status, answer.read()

    try:
        return links.use(ask)
    except ConnectionError as fault:
        raise CannotWrite(str(fault)) from fault
