"""Asking a service over HTTP: one request, one answer, no redirects, and no token where others could read it."""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from studio.errors import CannotWrite, UsageError

TIMEOUT_S = 30.0
LARGEST_ANSWER = 32 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    data: bytes

    def json(self, where: str) -> Any:
        """The JSON of it; CannotWrite for what is none."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as fault:
            raise CannotWrite(
                f"{where} gave an answer that cannot be read; is something else listening there?"
            ) from fault

    @property
    def sentence(self) -> str:
        """The first line of a refusal."""
        lines = self.data[:4096].decode(errors="replace").strip().splitlines()
        return "".join(c for c in lines[-1] if c.isprintable())[:200] if lines else f"status {self.status}"


class Link:
    """A service at a URL. `token` is asked anew for every request; "" for none."""

    def __init__(self, url: str, token: Callable[[], str] = lambda: "", *, tls: ssl.SSLContext | None = None) -> None:
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError:
            raise UsageError(f"{url[:80]!r} is no address; write it like https://farm.example") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(f"{url[:80]!r} is no address; write it like https://farm.example")
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                "leave names and passwords out of an address; tokens come from the environment or the keyring"
            )
        self._host, self._secure, self._base = parts.hostname, parts.scheme == "https", parts.path.rstrip("/")
        self._token, self._tls = token, tls
        self.name = f"{parts.hostname}:{self._port}" if self._port else parts.hostname

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask once. Raises CannotWrite when nobody answers, UsageError when the token is refused or would be seen."""
        headers = {"Accept": "application/json"}
        given = self._token()
        if given:
            if not self._secure and not _is_here(self._host):
                raise UsageError(
                    f"the token for {self.name} would cross the network in the open; use https://, or an SSH tunnel to "
                    "127.0.0.1"
                )
            headers["Authorization"] = f"Bearer {given}"
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        answer = self._exchange(method, self._base + path, data, headers)
        if answer.status in (401, 403):
            what = "is wrong or has expired" if given else "is missing"
            raise UsageError(f"{self.name} refuses us: the token {what}; get a new one from whoever runs it")
        return answer

    def _exchange(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        link = self._connect()
        try:
            link.request(method, path, data, headers)
            reply = link.getresponse()
            came = reply.read(LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as fault:
            reason = getattr(fault, "strerror", None) or type(fault).__name__
            raise CannotWrite(f"{self.name} does not answer ({str(reason).lower()}); is it running?") from fault
        finally:
            link.close()
        if len(came) > LARGEST_ANSWER:
            raise CannotWrite(f"{self.name} gave an answer of more than {LARGEST_ANSWER >> 20} MB; ask for less")
        return Answer(reply.status, came)

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
