"""An object store that speaks as Amazon's S3, on loopback: what obstore asks of one. It checks no signatures."""

from __future__ import annotations

import datetime
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape


def _moment(at: float | None) -> str:
    return datetime.datetime.fromtimestamp(at or time.time(), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class FakeS3:
    """The server, with its objects. Use it in a `with`. `busy` requests are answered with 503 first."""

    def __init__(self, *, busy: int = 0) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: dict[str, float] = {}  # when, in seconds since 1970; else now
        self.parts: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []
        self.busy = busy
        self.lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.store = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def environment(self) -> dict[str, str]:
        """What leads a client here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "hush-hush",
            "AWS_REGION": "us-east-1",
        }

    def __enter__(self) -> FakeS3:
        return self

    def __exit__(self, *fault: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    store: FakeS3


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _asked(self) -> tuple[str, dict[str, str], bytes]:
        """The key, the query and the body of a request."""
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        return key, {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}, body

    def _turn(self) -> None:
        key, query, body = self._asked()
        store = self.server.store
        with store.lock:
            store.requests.append(f"{self.command} {self.path}")
            if store.busy > 0:
                store.busy -= 1
                self._answer(503, b"<Error><Code>SlowDown</Code></Error>")
                return
            getattr(self, f"_{self.command.lower()}")(store, key, query, body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _turn

    def _get(self, store: FakeS3, key: str, query: dict[str, str], body: bytes) -> None:
        if "list-type" in query:
            found = [k for k in sorted(store.objects) if k.startswith(query.get("prefix", ""))]
            rows = "".join(
                f"<Contents><Key>{escape(k)}</Key><LastModified>{_moment(store.written.get(k))}</LastModified>"
                f'<ETag>"x"</ETag><Size>{len(store.objects[k])}</Size></Contents>'
                for k in found
            )
            text = f"<ListBucketResult><KeyCount>{len(found)}</KeyCount><IsTruncated>false</IsTruncated>{rows}"
            self._answer(200, f"{text}</ListBucketResult>".encode())
            return
        data = store.objects.get(key)
        if data is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            first, _, last = wanted[6:].partition("-")
            part = data[int(first) : int(last) + 1]
            self._answer(206, part, {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"})
        else:
            self._answer(200, data)

    def _head(self, store: FakeS3, key: str, query: dict[str, str], body: bytes) -> None:
        data = store.objects.get(key)
        self._answer(404 if data is None else 200, data or b"")

    def _put(self, store: FakeS3, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            store.parts[query["uploadId"]][int(query["partNumber"])] = body
        elif self.headers.get("If-None-Match") == "*" and key in store.objects:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        else:
            store.objects[key] = body
        self._answer(200, b"")

    def _post(self, store: FakeS3, key: str, query: dict[str, str], body: bytes) -> None:
        if "delete" in query:
            keys = [unescape(found) for found in re.findall(r"<Key>(.*?)</Key>", body.decode())]
            for found in keys:
                store.objects.pop(found, None)
            rows = "".join(f"<Deleted><Key>{escape(found)}</Key></Deleted>" for found in keys)
            self._answer(200, f"<DeleteResult>{rows}</DeleteResult>".encode())
        elif "uploads" in query:
            name = uuid.uuid4().hex
            store.parts[name] = {}
            text = f"<Bucket>b</Bucket><Key>{escape(key)}</Key><UploadId>{name}</UploadId>"
            self._answer(200, f"<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>".encode())
        else:
            parts = store.parts.pop(query["uploadId"])
            store.objects[key] = b"".join(parts[number] for number in sorted(parts))
            done = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
            self._answer(200, done.encode())

    def _delete(self, store: FakeS3, key: str, query: dict[str, str], body: bytes) -> None:
        store.objects.pop(key, None)
        self._answer(204, b"")

    def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"ETag": '"x"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
