"""A node's side of the gate (`gate`): objects that its coordinator shows to it, as a bucket for `Store`."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from studio.errors import BadAsset, StudioError
from studio.farm import desk
from studio.farm.desk import Stranger
from studio.farm.links import Links, check_private
from studio.farm.wire import EXISTS, OBJECTS, PARTIAL

BLOCK = 1 << 20  # bytes that are read at once
_PROBED = 1 << 20  # bytes from which on a node asks first whether it may send them


class Refused(BadAsset):
    """What the coordinator does not give to this node or take from it; another may fare better."""

    code = 15


class GateBucket:
    """The objects that a coordinator shows to one node: a `store.Bucket`, for any thread. Use it in a `with`.

    Raises UsageError when the token counts no more, `Stranger` for a partial of an attempt that the node does not hold
    any more, and `Refused` for what it has no business with.
    """

    def __init__(self, url: str, token: str, *, tls: ssl.SSLContext | None = None) -> None:
        if token:
            check_private(url)
        self._links, self._token = Links(url, tls=tls), token

    def close(self) -> None:
        """Close its connections."""
        self._links.close()

    def __enter__(self) -> GateBucket:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def put(self, key: str, data: bytes | Path, *, create: bool) -> None:
        """See `Bucket.put`. What is written is written once in any case."""
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        if size > _PROBED:  # rather than to be hung up on in the middle of it
            with contextlib.suppress(FileNotFoundError):
                self.head(key)

        def ask(link: http.client.HTTPConnection) -> tuple[int, bytes]:
            with contextlib.ExitStack() as stack:
                body = stack.enter_context(data.open("rb")) if isinstance(data, Path) else data
                link.request("PUT", _path(key), body, self._headers({"Content-Length": str(size)}))
                answer = link.getresponse()
                return answer.status, answer.read()

        status, said = self._links.use(ask)
        if status == EXISTS:
            from obstore.exceptions import AlreadyExistsError

            raise AlreadyExistsError(f"{key} is there already")
        _check(status, said, key)

    def get(self, key: str) -> tuple[int, Iterable[bytes]]:
        """See `Bucket.get`."""

        def ask(link: http.client.HTTPConnection) -> tuple[int, bytes, http.client.HTTPResponse]:
            link.request("GET", _path(key), headers=self._headers())
            answer = link.getresponse()
            return answer.status, answer.read() if answer.status != desk.OK else b"", answer

        (status, said, answer), link = self._links.take(ask)
        if status != desk.OK:
            self._links.give(link)
        _check(status, said, key)
        return answer.length or 0, _Body(answer, link, self._links)

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See `Bucket.get_range`."""
        if start >= end:
            return b""

        def ask(link: http.client.HTTPConnection) -> tuple[int, bytes]:
            link.request("GET", _path(key), headers=self._headers({"Range": f"bytes={start}-{end - 1}"}))
            answer = link.getresponse()
            return answer.status, answer.read()

        status, data = self._links.use(ask)
        _check(status, data, key)
        return data

    def head(self, key: str) -> int:
        """See `Bucket.head`."""

        def ask(link: http.client.HTTPConnection) -> tuple[int, int]:
            link.request("HEAD", _path(key), headers=self._headers())
            answer = link.getresponse()
            size = answer.getheader("Content-Length") or ""
            answer.read()
            return answer.status, int(size) if size.isdigit() else 0

        status, size = self._links.use(ask)
        _check(status, b"", key)
        return size

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """Nobody lists through a gate."""
        raise NotImplementedError(f"{prefix} cannot be listed")

    def delete(self, key: str) -> None:
        """See `Bucket.delete`. What the coordinator keeps it keeps: it removes by itself what nobody took."""

        def ask(link: http.client.HTTPConnection) -> tuple[int, bytes]:
            link.request("DELETE", _path(key), headers=self._headers())
            answer = link.getresponse()
            return answer.status, answer.read()

        status, said = self._links.use(ask)
        if status not in (desk.NOT_YOURS, desk.ANEW):
            _check(status, said, key)

    def _headers(self, more: dict[str, str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", **(more or {})}


def _path(key: str) -> str:
    return OBJECTS + quote(key, safe="/")


def _check(status: int, said: bytes, key: str) -> None:
    """Raise what a status stands for, as a `Bucket` does or, where trying again is no use, as a sentence."""
    if status in (desk.OK, PARTIAL):
        return
    if status == desk.NOT_THERE:
        raise FileNotFoundError(key)
    fault = desk.fault_of(status, said)
    if status in (desk.NOBODY, desk.ANEW):
        raise fault if said else _plain(status)
    if status >= 500:
        raise ConnectionError(str(fault))
    raise Refused(f"the coordinator refuses {key}: {fault}" if said else f"the coordinator refuses {key} ({status})")


def _plain(status: int) -> StudioError:
    """The fault of an answer without a body."""
    if status == desk.ANEW:
        return Stranger("the coordinator does not know the attempt any more")
    return desk.fault_of(status, b'"the token is missing or wrong, or counts no more"')


class _Body:
    """The bytes of an answer in parts. Its connection goes back when all of them were read, and is closed when whoever
    asked has lost interest."""

    def __init__(self, answer: http.client.HTTPResponse, link: http.client.HTTPConnection, links: Links) -> None:
        self._answer, self._link, self._links = answer, link, links
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = self._answer.read(BLOCK)
        if not part:
            if self._open:
                self._open = False
                self._links.give(self._link)
            raise StopIteration
        return part

    def __del__(self) -> None:
        if self._open:
            self._link.close()
