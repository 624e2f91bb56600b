"""A performance without a phone: a thread that sends an actor made by code to a port of this computer, as packets.

It takes the whole way that a device takes, socket and all, so whoever has no phone at hand sees what one would do. It
goes on until it is closed: scene after scene, each another one, and each begins and ends at rest so that none jumps.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace

import numpy as np

from studio.figure.capture.frames import FaceFrame, Take, frozen
from studio.figure.capture.simulator import BUILDERS, performance
from studio.figure.capture.sources import LIVE_LINK, LOOPBACK

SUBJECT = "Demo"
_SCENE_S = 12.0
_EASE_S = 0.5


class Rehearsal:
    """The sender. `sent` counts its packets; `close` ends it and waits until the thread is gone."""

    def __init__(self, port: int, *, kind: str = LIVE_LINK, host: str = LOOPBACK, seed: int = 0) -> None:
        self._peer = (host, port)
        self._build = BUILDERS[kind]
        self._seed = seed
        self._over = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._run, name="capture rehearsal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send no more. May be called twice."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        part = 0
        take = performance(_SCENE_S, seed=self._seed)
        begun = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not self._over.is_set():
                for row in range(len(take.times)):
                    at = part * _SCENE_S + float(take.times[row])
                    if self._over.wait(max(begun + at - time.monotonic(), 0.0)):
                        return
                    try:
                        out.sendto(self._build(_eased(take, row, at)), self._peer)
                        self.sent += 1
                    except ConnectionError:
                        continue  # nobody listens just now; as little as a phone does this end it
                part += 1
                take = performance(_SCENE_S, seed=self._seed + part)


def _eased(take: Take, row: int, at: float) -> FaceFrame:
    """A frame at a time of its own, nearer to rest at the ends of its take."""
    frame = take.frame(row)
    left = min(float(take.times[row]), take.seconds - float(take.times[row])) / _EASE_S
    share = float(np.clip(left, 0.0, 1.0))
    pitch, yaw, roll = (share * angle for angle in frame.head_deg)
    return replace(
        frame, subject=SUBJECT, source_s=at, number=round(at * take.fps), weights=frozen(frame.weights * share),
        head_deg=(pitch, yaw, roll),
    )  # fmt: skip
