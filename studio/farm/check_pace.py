"""How often nodes hand in what they have, so that a coordinator keeps up with looking at it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

CORE = 0.7  # of a core, that looking at partials may take
OFTEN_S = 10.0  # what is asked for less than this changes nothing


class CheckPace:
    """How long a look at a partial takes, in seconds of a core, and how often a farm can hence have its nodes hand them
    in: a farm of hundreds of nodes with large pictures would else keep more than a core at that."""

    def __init__(self) -> None:
        self._look_s = 0.0  # the last few, the newer the more

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Time one."""
        begun = time.thread_time()
        yield
        took = time.thread_time() - begun
        self._look_s = took if self._look_s == 0.0 else 0.8 * self._look_s + 0.2 * took

    def every_s(self, nodes: int) -> float:
        """What each of so many nodes should render between two; 0 where it is all the same."""
        every = nodes * self._look_s / CORE
        return round(every, 1) if every > OFTEN_S else 0.0
