"""The keeper of a node: it starts the process that renders, speaks for it, and starts it again when it dies.

The token, the key and the connection to the coordinator are the keeper's; the process has a socket, over which it says
what it wants (`studio.farm.trust.hatch`), and gets no more than a node may (`studio.farm.trust.envoy`). It is the same
for every farm: `desk` is a coordinator over HTTPS, through Ray or in this process; the node is in a sandbox, or plain.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from studio.errors import CannotWrite, DeviceFault, StudioError, Unsupported, UsageError
from studio.farm.desk import Desk
from studio.farm.local import start_node
from studio.farm.store import Bucket
from studio.farm.trust.envoy import Deeds, Envoy, Sign
from studio.farm.trust.hatch import HAS_UNIX, Hatch
from studio.farm.trust.sandbox import Sandbox
from studio.farm.trust.walls import plain
from studio.farm.work import WorkOrder

RESTARTS, WITHIN_S = 5, 3600.0
DRAIN_S = 60.0
FINAL = (UsageError.code, Unsupported.code)  # exit codes after which another process would end the same way
LEAST_FREE = 256 << 20  # of the disk that a node in a sandbox writes to; one that minds its cache leaves more
_LOOK_S, _DISK_S, _LONGEST_PAUSE_S = 0.1, 1.0, 30.0


class Keeper:
    """A node's keeper. Use it in a `with`; `close` ends the node, which delivers what it has first.

    `objects` is where the objects of the farm are; a node whose order names no store gets them from here. `sign` puts a
    signature on what it delivers, for which jobs are read there. A node that dies is started again, so often within an
    hour. `told` hears why one ended badly, a line at a time.
    """

    def __init__(
        self,
        order: WorkOrder,
        desk: Desk,
        *,
        objects: Bucket | None = None,
        sandbox: Sandbox | None = None,
        sign: Sign | None = None,
        restarts: int = RESTARTS,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        if sandbox is not None and order.store:
            raise UsageError("a node in a sandbox reaches no store; its objects come by its keeper")
        self.code: int | None = None  # how it ended; None while it has not
        self.restarts = 0
        self._sandbox, self._told, self._most = sandbox, told, restarts
        self._folder = Path(tempfile.mkdtemp(prefix="myriad-node-"))  # 0700
        token = "" if HAS_UNIX else secrets.token_urlsafe(32)
        self._envoy = Envoy(order, desk, objects, sign=sign)
        try:
            self._hatch = Hatch(self._envoy, self._folder, gate=None if order.store else self._envoy, token=token)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._order = msgspec.structs.replace(order, url=self._hatch.url, token=token, socket=self._hatch.socket, ca="")
        self._ends: deque[float] = deque(maxlen=restarts + 1)
        self._drain_s = DRAIN_S
        self._closing = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._name = ""  # of its container
        # One thread starts every process and outlives it: Linux ends what is to die with its parent with the thread.
        self._thread = threading.Thread(target=self._mind, name="studio-farm-minder", daemon=True)
        self._thread.start()

    @property
    def deeds(self) -> Deeds:
        """What the node does and has done."""
        return self._envoy.deeds

    @property
    def works(self) -> bool:
        """Whether the node is at work or will be started again."""
        return self.code is None

    @property
    def pid(self) -> int:
        """The process of the node, or of the sandbox around it; 0 between two."""
        process = self._process
        return process.pid if process is not None else 0

    def wait(self, timeout_s: float = float("inf")) -> int | None:
        """Wait until the node has ended for good; its exit code, or None after that time."""
        self._thread.join(min(timeout_s, threading.TIMEOUT_MAX))
        return self.code

    def stop(self, drain_s: float = DRAIN_S) -> None:
        """Ask the node to deliver what it has and end within that time, and do not wait for it."""
        self._drain_s = drain_s
        self._closing.set()

    def close(self, drain_s: float = DRAIN_S) -> int:
        """End the node, which delivers what it has, within that time; then it is killed. Gives its exit code."""
        if not self._closing.is_set():
            self.stop(drain_s)
        try:
            self._thread.join()
        except BaseException:  # somebody who will not wait
            self._kill()
            raise
        finally:
            self._hatch.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        return self.code or 0

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, kind: type[BaseException] | None, *fault: object) -> None:
        if kind is not None and not issubclass(kind, Exception):  # Ctrl-C once more
            self._closing.set()
            self._kill()
        self.close()

    # --- the process -------------------------------------------------------------------------------------------------
    def _mind(self) -> None:
        """Keep a process at work until it is closed, ends as it should, or dies too often."""
        code = 1
        try:
            while True:
                code = self._one()
                if self._closing.is_set() or code in FINAL or (code == 0 and self._order.until_idle):
                    break
                self._envoy.forget()
                self._ends.append(time.monotonic())
                if len(self._ends) > self._most and self._ends[-1] - self._ends[0] < WITHIN_S:
                    self._told(f"the node ended {self._most + 1} times within an hour; it is left alone")
                    code = code or 1
                    break
                self.restarts += 1
                if self._closing.wait(min(0.25 * 2 ** len(self._ends), _LONGEST_PAUSE_S)):
                    break
        finally:
            self.code = code

    def _one(self) -> int:
        """One process from its start to its end; its exit code, with 128 and more for signals."""
        self._name = f"myriad-{secrets.token_hex(8)}"
        try:
            process = start_node(self._order, self._sandbox, name=self._name, stderr=subprocess.PIPE)
        except StudioError as fault:
            self._told(str(fault))
            return fault.code
        except OSError as fault:
            self._told(f"the node cannot be started: {(fault.strerror or str(fault)).lower()}")
            return DeviceFault.code
        self._process = process
        assert process.stdin is not None and process.stderr is not None
        last: deque[str] = deque(maxlen=5)
        reader = threading.Thread(target=_listen, args=(process.stderr, last), daemon=True)
        reader.start()
        why = self._until(process)
        with contextlib.suppress(OSError):  # it has just died
            process.stdin.close()
        if why is not None and why.code != UsageError.code:
            self._kill()
        try:
            code = process.wait(self._drain_s)
        except subprocess.TimeoutExpired:
            self._kill()
            code = process.wait()
        self._process = None
        reader.join(5.0)  # longer only where something that it started lives on for a while
        if why is not None:
            self._told(str(why))
            return why.code
        for line in last if code else ():
            self._told(line)
        return code if code >= 0 else 128 - code

    def _until(self, process: subprocess.Popen[bytes]) -> StudioError | None:
        """Wait until a process has ended, is to end (None), or must not go on."""
        looked = 0.0
        while process.poll() is None and not self._closing.wait(_LOOK_S):
            if self._envoy.refusal:
                return UsageError(self._envoy.refusal)
            if self._sandbox is not None and time.monotonic() - looked > _DISK_S:
                looked = time.monotonic()
                try:
                    free = shutil.disk_usage(self._order.cache).free
                except OSError as fault:
                    reason = (fault.strerror or str(fault)).lower()
                    return CannotWrite(f"the node's cache {self._order.cache} is gone ({reason}), and it is stopped")
                if free < LEAST_FREE:
                    return CannotWrite(f"the disk of {self._order.cache} is full, and the node is stopped; make room")
        return UsageError(self._envoy.refusal) if self._envoy.refusal else None

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
        if self._sandbox is not None:
            self._sandbox.end(self._name)


def _listen(stream: IO[bytes], last: deque[str]) -> None:
    """Take in what a process says, of which the last lines are kept, in letters that do nothing to a terminal."""
    with stream:
        while line := stream.readline(4096):
            text = plain(line.decode(errors="replace").strip(), 300)
            if text:
                last.append(text)
