"""The one opening between the process of a node and its keeper: the wire of the farm over a Unix socket.

Inside there is no token, no key and no TLS; whoever reaches the socket is the node, and the socket lies in a folder of
its owner alone (0700). Where there are no Unix sockets it is loopback, with a token that lives as long as the process.
It is the server and the client of `studio.farm.wire`, so a node hears no difference.
"""

from __future__ import annotations

import http.client
import socket
import socketserver
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from studio.errors import UsageError
from studio.farm.desk import Desk, Doorkeeper, Guest
from studio.farm.trust.gate import GateBucket
from studio.farm.wire import Handler, House, Http, Links, ObjectGate, Remote, Tries

CONNECTIONS = 32
# That a node waits for its keeper, who may have a slow line to a coordinator. One that is gone is heard at once.
ANSWER_S = 900.0
HAS_UNIX = hasattr(socket, "AF_UNIX") and sys.platform != "win32"


class Anybody:
    """The doorkeeper of a socket that nobody else can reach."""

    def admit(self, token: str) -> Guest | None:
        """See `Doorkeeper.admit`."""
        return Guest()


class Hatch:
    """The opening, from outside. Use it in a `with`. `socket` is its path, "" where it is at `url` with a `token`."""

    def __init__(self, desk: Desk, folder: Path, *, gate: ObjectGate | None = None, token: str = "") -> None:
        self.socket = "" if token else str(folder / "desk")
        place = self.socket or ("127.0.0.1", 0)
        try:
            self._http = _Http(place, desk, House(token) if token else Anybody(), gate)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise UsageError(f"cannot listen at {self.socket or 'loopback'}: {reason}; set a shorter TMPDIR") from fault
        self.url = "" if self.socket else f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="studio-farm-hatch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Shut it, and hang up on whoever speaks."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Hatch:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


class _Spoken(Handler):
    """One connection; a socket of this machine has no packets to wait for."""

    disable_nagle_algorithm = False


class _Http(Http):
    """The server, at a path or a port, for so many connections: what is inside may be nobody's node any more."""

    def __init__(self, address: str | tuple[str, int], desk: Desk, keeper: Doorkeeper, gate: ObjectGate | None) -> None:
        if isinstance(address, str):
            self.address_family = socket.AF_UNIX
        self._room = threading.Semaphore(CONNECTIONS)
        # the same threads for all connections, as each has one of its own to the coordinator
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="studio-farm-hatch")
        super().__init__(address, desk, keeper, gate, Tries())  # type: ignore[arg-type]  # AF_UNIX has paths
        self.RequestHandlerClass = _Spoken

    def server_bind(self) -> None:
        """Take the address; a path has no name of a host to look up."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "keeper", 0

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection, with an address as those of a network have them."""
        return super().get_request()[0], ("keeper", 0)

    def process_request(self, request: Any, client_address: Any) -> None:
        """One connection more, if there is room for it."""
        if self._room.acquire(blocking=False):
            self._pool.submit(self.process_request_thread, request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, as long as it is open."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def server_close(self) -> None:
        """Stop listening, and hang up on who is connected."""
        super().server_close()
        self._pool.shutdown(wait=False, cancel_futures=True)


# --- from inside -----------------------------------------------------------------------------------------------------
class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, *, timeout: float = ANSWER_S) -> None:
        super().__init__("keeper", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class UnixLinks(Links):
    """Connections to a keeper, one for each thread that asks."""

    def __init__(self, path: str) -> None:
        super().__init__("http://localhost")
        self._path = path

    def _connect(self) -> http.client.HTTPConnection:
        return UnixConnection(self._path)


class Inside(Remote):
    """The coordinator's desk, as the process of a node reaches it: by its keeper's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("http://localhost", "")
        self._links = UnixLinks(path)


class Handed(GateBucket):
    """Objects, as the process of a node reaches them: by its keeper's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("http://localhost", "")
        self._links = UnixLinks(path)
