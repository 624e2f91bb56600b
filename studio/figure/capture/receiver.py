"""Hearing a device: a socket on the interface that the artist chose, and a thread that turns packets into frames.

The thread owns the socket and nothing else; frames wait in a bounded queue until somebody takes them. What is wrong
with a packet is counted by its reason and ends there: nobody on a network may stop the studio by what they send. Frames
are counted by the device's own numbers, so that it is known how many were lost, came late or twice; late ones are
handed on, because a recording puts them where they belong.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from studio.errors import Unsupported
from studio.figure.capture import ifacial_mocap
from studio.figure.capture.frames import FaceFrame
from studio.figure.capture.ifacial_mocap import IFacialMocapStream, Splitter
from studio.figure.capture.live_link import LiveLinkStream
from studio.figure.capture.malformed import Malformed, Silent, Stream
from studio.figure.capture.sources import (
    IFACIAL,
    IFACIAL_TCP,
    LIVE_LINK,
    LOOPBACK,
    TITLES,
    VMC,
    Source,
    checked_source,
    peer_address,
)
from studio.figure.capture.vmc import VmcStream

STREAMS: Mapping[str, Callable[[], Stream]] = {
    LIVE_LINK: LiveLinkStream,
    IFACIAL: IFacialMocapStream,
    IFACIAL_TCP: IFacialMocapStream,
    VMC: VmcStream,
}
_QUEUE = 8192  # frames: two minutes of a phone
_MOST_SENDERS = 32
_MOST_SUBJECTS = 64
_MOST_REASONS = 64
_MOST_CONNECTIONS = 4
_DATAGRAM = 65536
_BUFFER = 1 << 20  # bytes that the system keeps meanwhile, as far as it grants them
_ASK_S = 2.0  # a device that is silent is asked to send this often
_RESTART = 600  # frames: a number that is so far off is that of a device that was started anew
_STRIDES = 120


@dataclass(frozen=True, slots=True)
class Counters:
    """What was heard so far. `malformed` counts packets by what was wrong with them, `subjects` frames by whose they
    are; `silent` are packets of a device that sees no face."""

    packets: int = 0
    frames: int = 0
    silent: int = 0
    malformed: Mapping[str, int] = field(default_factory=dict)
    late: int = 0
    twice: int = 0
    lost: int = 0
    dropped: int = 0  # nobody took them in time
    subjects: Mapping[str, int] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """All packets that were malformed."""
        return sum(self.malformed.values())


class _Numbers:
    """The device's count of its frames: what is missing, late or there twice. A device that captures less often than it
    counts leaves out numbers regularly; the least step of late is what it does."""

    __slots__ = ("_last", "_recent", "_seen")

    def __init__(self) -> None:
        self._last: int | None = None
        self._recent: deque[int] = deque(maxlen=_STRIDES)
        self._seen: deque[int] = deque(maxlen=_STRIDES)

    def heard(self, number: int) -> tuple[str, int]:
        """ "new" with how many are missing before it, "late" or "twice"."""
        last = self._last
        if last is None or abs(number - last) > _RESTART:
            self._last = number
            self._recent.clear()
            self._seen.clear()
            self._seen.append(number)
            return "new", 0
        if number in self._seen:
            return "twice", 0
        self._seen.append(number)
        if number < last:
            return "late", 0
        step = number - last
        self._recent.append(step)
        self._last = number
        return "new", max(round(step / min(self._recent)) - 1, 0)


class Ledger:
    """The counters of a receiver while it runs, and the frames that pass them. Not for several threads at once."""

    def __init__(self, kind: str) -> None:
        self._make = STREAMS[kind]
        self._streams: OrderedDict[object, Stream] = OrderedDict()
        self._numbers: dict[str, _Numbers] = {}
        self._count = dict.fromkeys(("packets", "frames", "silent", "late", "twice", "lost", "dropped"), 0)
        self._malformed: dict[str, int] = {}
        self._subjects: dict[str, int] = {}

    def packet(self, data: bytes, sender: object, time_s: float, subject: str = "") -> list[FaceFrame]:
        """Frames of a packet; those that were sent twice are left out."""
        self._count["packets"] += 1
        try:
            frames = self._stream(sender).feed(data, time_s)
        except Malformed as fault:
            self.refuse(fault.reason)
            return []
        except Silent:
            self._count["silent"] += 1
            return []
        return [found for frame in frames if (found := self._passed(frame, subject)) is not None]

    def refuse(self, reason: str) -> None:
        """Count something that is no packet."""
        if reason in self._malformed or len(self._malformed) < _MOST_REASONS:
            self._malformed[reason] = self._malformed.get(reason, 0) + 1

    def drop(self) -> None:
        """Count a frame that nobody took."""
        self._count["dropped"] += 1

    def _stream(self, sender: object) -> Stream:
        found = self._streams.get(sender)
        if found is None:
            found = self._streams[sender] = self._make()
            if len(self._streams) > _MOST_SENDERS:
                self._streams.popitem(last=False)
        self._streams.move_to_end(sender)
        return found

    def _passed(self, frame: FaceFrame, subject: str) -> FaceFrame | None:
        name = frame.subject or subject
        if name not in self._subjects and len(self._subjects) >= _MOST_SUBJECTS:
            self.refuse("too many subjects")
            return None
        self._subjects[name] = self._subjects.get(name, 0) + 1
        if frame.number is not None:
            how, missing = self._numbers.setdefault(name, _Numbers()).heard(frame.number)
            self._count["lost"] += missing
            if how == "twice":
                self._count["twice"] += 1
                return None
            if how == "late":
                self._count["late"] += 1
                self._count["lost"] = max(self._count["lost"] - 1, 0)
        self._count["frames"] += 1
        return frame if frame.subject else replace(frame, subject=name)

    def counters(self) -> Counters:
        """How things stand."""
        return Counters(malformed=dict(self._malformed), subjects=dict(self._subjects), **self._count)


class Receiver:
    """A device that is listened to. `open_receiver` makes one; `close` ends it. Any thread may ask it."""

    def __init__(
        self,
        source: Source,
        *,
        clock: Callable[[], float] = time.monotonic,
        stirred: Callable[[], object] | None = None,
    ) -> None:
        self.source = checked_source(source)
        self._clock = clock
        self._stirred = stirred  # called on the receiver's thread with every packet, whatever it holds
        self._ledger = Ledger(source.kind)
        self._frames: deque[FaceFrame] = deque()
        self._newest: FaceFrame | None = None
        self._ready = threading.Condition()
        self._stream = source.kind == IFACIAL_TCP
        self._socket = _bound(self.source, stream=self._stream)
        self._port = int(self._socket.getsockname()[1])
        self._asking = _asking(self.source)
        self._asked = float("-inf")
        self._heard = float("-inf")
        self._wake, self._woken = socket.socketpair()
        self._splitters: dict[socket.socket, tuple[Splitter, str]] = {}
        self._closing = False
        self.fault: Exception | None = None  # the last one that no parser foresaw
        self._thread = threading.Thread(target=self._listen, name=f"capture {source.kind}", daemon=True)
        self._thread.start()

    # --- for whoever takes frames ------------------------------------------------------------------------------------
    @property
    def address(self) -> tuple[str, int]:
        """The interface and port that it listens on."""
        return self.source.host, self._port

    def latest(self) -> FaceFrame | None:
        """The frame that arrived last, if any did."""
        return self._newest

    def drain(self) -> list[FaceFrame]:
        """All frames that arrived since it was last called, in the order of their arrival."""
        with self._ready:
            out = list(self._frames)
            self._frames.clear()
        return out

    @property
    def waiting(self) -> bool:
        """Whether frames wait to be taken."""
        return bool(self._frames)

    def wait(self, seconds: float, until: Callable[[Counters], bool] | None = None) -> bool:
        """Wait for a frame to be there, or for what `until` says of the counters; False when the time is over first."""
        with self._ready:
            return self._ready.wait_for(
                lambda: bool(self._frames) if until is None else until(self._ledger.counters()), seconds
            )

    @property
    def counters(self) -> Counters:
        """What was heard so far."""
        with self._ready:
            return self._ledger.counters()

    @property
    def closed(self) -> bool:
        """Whether it listens no more."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop listening, and wait until the socket is free again. May be called twice."""
        if not self._closing:
            self._closing = True
            with contextlib.suppress(BrokenPipeError):  # its thread has seen it by itself and is gone
                self._wake.send(b"x")
            self._thread.join()
            self._wake.close()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- on its thread -----------------------------------------------------------------------------------------------
    def _listen(self) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._socket, selectors.EVENT_READ)
            waiting.register(self._woken, selectors.EVENT_READ)
            while not self._closing:
                self._ask()
                for key, _ in waiting.select(_ASK_S if self._asking else None):
                    found = key.fileobj
                    assert isinstance(found, socket.socket)
                    if found is self._woken:
                        continue
                    if found is not self._socket:
                        self._read(found, waiting)
                    elif self._stream:
                        self._accept(waiting)
                    else:
                        self._datagram()
        for connection in self._splitters:
            connection.close()
        self._socket.close()
        self._woken.close()

    def _ask(self) -> None:
        """Ask a device to send, now and then while it does not."""
        if self._asking is None:
            return
        now = self._clock()
        if now - self._asked < _ASK_S or now - self._heard < _ASK_S:
            return
        self._asked = now
        family, peer, message = self._asking
        try:
            if self._stream:
                with socket.socket(family, socket.SOCK_DGRAM) as passing:
                    passing.sendto(message, peer)
            else:
                self._socket.sendto(message, peer)
        except OSError:
            with self._ready:
                self._ledger.refuse("the device cannot be asked to send")

    def _datagram(self) -> None:
        for _ in range(256):  # then see whether it is to close
            try:
                data, sender = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # a system tells here that something it sent before was not wanted
                with self._ready:
                    self._ledger.refuse("the socket")
                return
            self._take(data, sender[:2], str(sender[0]))

    def _accept(self, waiting: selectors.BaseSelector) -> None:
        try:
            connection, sender = self._socket.accept()
        except OSError:
            return  # it went away again
        if len(self._splitters) >= _MOST_CONNECTIONS:
            connection.close()
            with self._ready:
                self._ledger.refuse("too many connections")
            return
        connection.setblocking(False)
        self._splitters[connection] = (Splitter(), str(sender[0]))
        waiting.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket, waiting: selectors.BaseSelector) -> None:
        splitter, sender = self._splitters[connection]
        try:
            data = connection.recv(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        messages: list[bytes] = []
        try:
            messages = splitter.feed(data)
        except Malformed as fault:
            with self._ready:
                self._ledger.refuse(fault.reason)
        for message in messages:
            self._take(message, connection, sender)
        if not data:
            waiting.unregister(connection)
            connection.close()
            del self._splitters[connection]

    def _take(self, data: bytes, sender: object, subject: str) -> None:
        now = self._heard = self._clock()
        with self._ready:
            for frame in self._frames_of(data, sender, now, subject):
                if len(self._frames) >= _QUEUE:
                    self._frames.popleft()
                    self._ledger.drop()
                self._frames.append(frame)
                self._newest = frame
            self._ready.notify_all()
        if self._stirred is not None:
            self._stirred()

    def _frames_of(self, data: bytes, sender: object, now: float, subject: str) -> list[FaceFrame]:
        try:
            return self._ledger.packet(data, sender, now, subject)
        except Exception as fault:  # whatever a packet does to a parser, the next ones are heard
            self.fault = fault
            self._ledger.refuse(f"unforeseen: {type(fault).__name__}")
            return []


def open_receiver(
    kind: str,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    peer: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Receiver:
    """Listen to a device of one of `KINDS` on the interface of the address `host`; the port is the usual one, or
    another (0: any that is free). `peer` is the device's address, where it must be asked to send.

    Raises UsageError for a kind, address or port that cannot be, Unsupported when the port is taken or this computer
    has no such interface, each in a sentence.
    """
    return Receiver(Source(kind=kind, host=host, port=port, peer=peer), clock=clock)


def _bound(source: Source, *, stream: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in source.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    try:
        if stream:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.bind((source.host, source.port))
        if stream:
            made.listen(_MOST_CONNECTIONS)
    except OSError as fault:
        made.close()
        what = f"{TITLES[source.kind]} on {source.host}, port {source.port}"
        if fault.errno == errno.EADDRINUSE:
            raise Unsupported(
                f"Cannot listen to {what}: another program has that port; close it, or choose another port here and in "
                "the app."
            ) from None
        if fault.errno == errno.EADDRNOTAVAIL:
            raise Unsupported(
                f"Cannot listen to {what}: this computer has no such address; choose one of its own."
            ) from None
        raise Unsupported(f"Cannot listen to {what}: {fault.strerror or fault}; choose another port.") from None
    made.setblocking(False)
    return made


def _asking(source: Source) -> tuple[socket.AddressFamily, tuple[str, int], bytes] | None:
    """How and where a device is asked to send; None for one that sends by itself."""
    if not source.peer or source.kind not in (IFACIAL, IFACIAL_TCP):
        return None
    peer = peer_address(source.peer, ifacial_mocap.PORT)
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    return family, peer, ifacial_mocap.start_message(tcp=source.kind == IFACIAL_TCP)
