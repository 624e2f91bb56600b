"""GPU time of passes, read two frames later so that nobody waits for the graphics card to catch up.

A software rasteriser puts work off until the end of a frame and counts it to nobody, so there each pass is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio.viewport.device import Device

_BEHIND = 3  # sets of queries in flight


class Timers:
    """One timer for each name of a pass; a name may be used several times a frame and adds up."""

    def __init__(self, device: Device) -> None:
        self._context = device.context
        self._software = device.info.software
        self._sets: list[list[tuple[str, Any]]] = [[] for _ in range(_BEHIND)]
        self._at = 0
        self._spare: list[Any] = []
        self.seconds: dict[str, float] = {}

    def begin(self) -> None:
        """A frame begins: read the set that is oldest and use it again."""
        if self._software:
            self.seconds = {}
            return
        self._at = (self._at + 1) % _BEHIND
        self._read(self._at)

    def finish(self) -> dict[str, float]:
        """The seconds of the frame just drawn, waiting for them."""
        if not self._software:
            self._read(self._at)
        return dict(self.seconds)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        if self._software:
            begun = time.perf_counter()
            yield
            self._context.finish()
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun
            return
        query = self._spare.pop() if self._spare else self._context.query(time=True)
        with query:
            yield
        self._sets[self._at].append((name, query))

    def release(self) -> None:
        """Forget all queries."""
        self._sets = [[] for _ in range(_BEHIND)]
        self._spare.clear()

    def _read(self, index: int) -> None:
        pending, self._sets[index] = self._sets[index], []
        if not pending:
            return
        seconds: dict[str, float] = {}
        for name, query in pending:
            seconds[name] = seconds.get(name, 0.0) + query.elapsed * 1e-9
            self._spare.append(query)
        self.seconds = seconds
