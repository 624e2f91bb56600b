"""A movie that is being made while somebody watches the farm, on a thread of its own: encoding takes minutes, in which
the store is to be looked at and the other jobs' pictures are to come. What it is told to end it leaves unmade, and its
frames where they are, for the next time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it brings the denoiser's and the signatures' libraries along
    from studio.farm.results import Collector
    from studio.farm.trust.credits import Author


class Making:
    """The making of a job's movie, by the collector that brought its frames, which is closed afterwards. `ended` is
    called on its thread when it is over, well or not."""

    def __init__(
        self,
        collector: Collector,
        home: Path,
        *,
        cache: Path,
        author: Author | None,
        ended: Callable[[], object],
    ) -> None:
        self._collector, self._home, self._cache, self._author = collector, home, cache, author
        self._told_end, self._over, self._ended = threading.Event(), threading.Event(), ended
        self.done = 0  # frames, of
        self.of = 0
        self.lack = ""  # what it was made without
        self.fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="studio-farm-movie", daemon=True)

    @property
    def over(self) -> bool:
        """Whether it has come to an end."""
        return self._over.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the frame at work."""
        self._told_end.set()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _run(self) -> None:
        from studio.farm.movie import make_movie
        from studio.render.video_export import Stopped

        try:
            make_movie(
                self._collector,
                self._home,
                cache=self._cache,
                author=self._author,
                threads=max((os.cpu_count() or 1) // 2, 1),  # the others are the window's
                say=self._say,
                progress=self._hear,
                stop=self._told_end.is_set,
            )
        except Stopped:
            pass
        except Exception as fault:  # looked at where its job is looked at
            self.fault = fault
        finally:
            self._close()
            self._over.set()
            self._ended()

    def _close(self) -> None:
        try:
            self._collector.close()
        except Exception as fault:  # like those of the making
            self.fault = self.fault or fault

    def _say(self, sentence: str) -> None:
        self.lack = sentence

    def _hear(self, done: int, of: int) -> None:
        self.done, self.of = done, of
