"""The pictures of one job on their way home, as they are done, and then the movie that they become.

They are asked to go on whenever their job was looked at, by the thread that looks; a movie is made on a thread of its
own (`studio.farm.seen.making`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import StudioError, UsageError
from studio.farm.jobs import RenderJob
from studio.farm.seen.making import Making
from studio.farm.seen.states import JobState, MovieMark
from studio.farm.store import Store
from studio.render.device import cache_root
from studio.render.queue_store import Locked

if TYPE_CHECKING:  # it brings the denoiser's and the signatures' libraries along
    from studio.farm.movie import Going, Movie
    from studio.farm.results import Collector
    from studio.farm.trust.credits import Author

AGAIN_S = 60.0  # before what cannot be brought home is tried again
COLLECT_S = 2.0  # of bringing a job's results home, between two looks


class Homeward:
    """See the module. `clock` tells seconds, `author` who signs pictures (it may raise StudioError), `closing` whether
    to end where it is; `ended` is called on the thread of a movie's making when that is over.

    `fault` says why nothing comes, `lack` what the movie was made without, `came` whether something came since the job
    was looked at last.
    """

    def __init__(
        self,
        job: RenderJob,
        home: Path,
        *,
        clock: Callable[[], float],
        author: Callable[[], Author | None],
        closing: Callable[[], bool],
        ended: Callable[[], object],
    ) -> None:
        self.making: Making | None = None
        self.fault = self.lack = ""
        self.came = False
        self._job, self._home = job, home
        self._clock, self._author, self._closing, self._ended = clock, author, closing, ended
        self._collector: Collector | None = None
        self._where: Going | None = None  # it brings them
        self._before: JobState | None = None
        self._collected = -1  # samples that were done when all that was done had been brought home
        self._previewed = -1  # and when previews of the rest had been made
        self._next = 0.0  # when to try after a fault

    def mark(self, movie: Movie | None) -> MovieMark:
        """How the movie of the job stands; "" for one that makes pictures."""
        if movie is None:
            return ""
        if self.making is not None:
            return "making"
        return "here" if movie.is_here else "missing" if movie.made is not None else "waiting"

    def fetch(self, store: Store, output: Path | None) -> bool:
        """Bring the pictures home, also those that were removed here: to where they went before, or to `output`. False
        while a movie is made of them, which is waited for."""
        from studio.farm.movie import going, movie_is_here

        if self.making is not None:
            return False
        try:
            author = self._author()
            where = going(self._job, self._home, output)
            if where is None:
                raise UsageError(f"say where the pictures of {self._job.spec.name} go")
            if where.movie is not None and movie_is_here(self._home, where.movie, author):
                return True
            self.end()
            self._collector = self._collector_to(store, where, author)
            self._collected = self._previewed = -1
            self._next = 0.0
        except StudioError as fault:
            self.fault = str(fault)
        return True

    def go_on(self, store: Store, state: JobState, *, by_itself: bool, looks: bool, busy: bool) -> bool:
        """Bring home for a moment what is done, of a job that stands so; whether something came, there is more to
        bring, or a fault is new. Nothing but what was asked for by `fetch` comes unless `by_itself`; with `looks`
        previews of the rest are made, and while the machine is `busy` with another movie none is begun."""
        from studio.farm.results import fetched_elsewhere

        if self.making is not None:
            return self._made(self.making)
        self._heed(state)
        done = state.standing.done
        if self._clock() < self._next or (self._previewed if looks else self._collected) == done:
            return False
        if self._collector is None and not (by_itself and state.output and not _is_complete(state)):
            return False
        if fetched_elsewhere(self._home):  # in a terminal, or by another window: one is enough
            self.end()
            return False
        try:
            return self._bring(store, done, looks=looks, busy=busy)
        except StudioError as fault:
            self._again(fault)
            return True

    def _heed(self, state: JobState) -> None:
        """Begin anew where something else is wanted than before: at another place, or to look otherwise."""
        before, self._before = self._before, state
        if before is None:
            return
        if _is_complete(state) and not _is_complete(before):
            self.fault = ""  # others brought what did not come
        if state.movie in ("waiting", "missing"):
            self.lack = ""  # it was that of another movie
        moved = state.output != before.output
        if moved or state.written < before.written:
            self._collected = self._previewed = -1
            self._next = 0.0 if moved else self._next

    def _is_wanted(self) -> bool:
        """Whether pictures still go where they are being brought. Somebody may have sent the job again."""
        from studio.farm.results import read_notes

        notes, where = read_notes(self._home), self._where
        if notes is None or where is None:
            return False
        return (notes.output, notes.look) == (str(where.output.absolute()), where.look)

    def _bring(self, store: Store, done: int, *, looks: bool, busy: bool) -> bool:
        from studio.farm.movie import going

        if self._collector is not None and not self._is_wanted():
            self.end()
        if self._collector is None:
            where = going(self._job, self._home)
            if where is None:
                return False
            self._collector = self._collector_to(store, where, self._author())
        until, late = self._clock() + COLLECT_S, [False]

        def goes_on() -> bool:
            late[0] = self._closing() or self._clock() >= until or not self._is_wanted()
            return not late[0]

        made = self._collector.poll(looks=looks, goes_on=goes_on)
        if not late[0]:
            self._collected = done
            self._previewed = done if looks else self._previewed
        self.came = bool(made)
        self.fault = ""
        if self._collector.done and not self._make(self._collector, busy=busy):
            self._collected = self._previewed = -1
            return bool(made)
        return bool(made) or looks or late[0]

    def _collector_to(self, store: Store, where: Going, author: Author | None) -> Collector:
        """What brings the pictures home; those that wait for a movie are not signed. Raises UsageError where that would
        take credentials away that others gave them."""
        from studio.farm.movie import check_credits, note_movie
        from studio.farm.results import Collector, check_author, read_notes

        check_author(self._job, read_notes(self._home), author)
        if where.movie is not None:
            check_credits(self._job, where.movie, author)
            note_movie(self._home, where.movie, keep=True)
        self._where = where
        return Collector(
            store,
            self._job,
            where.output,
            where.look,
            home=self._home,
            cache=cache_root() / "farm",
            parts=self._home / "parts-watched",
            author=author if where.movie is None else None,
        )

    def _make(self, collector: Collector, *, busy: bool) -> bool:
        """All pictures are here: they are what is wanted, or their movie is begun. Whether one of these is so; a movie
        waits while the machine is `busy`, and of one that others made meanwhile the frames go."""
        from studio.farm.movie import movie_frames, movie_is_here, read_movie
        from studio.farm.results import read_notes
        from studio.render.kept_frames import drop_kept

        movie = read_movie(self._home, read_notes(self._home))
        if movie is None:
            self.end()
            return True
        author = self._author()
        if movie_is_here(self._home, movie, author):
            self.end()
            drop_kept(movie.path, movie_frames(self._job))
            self.came = True
            return False
        if not busy:
            self._collector, self.came = None, True
            self.making = Making(collector, self._home, cache=cache_root() / "farm", author=author, ended=self._ended)
            self.making.start()
        return not busy

    def _made(self, making: Making) -> bool:
        """Whether the making of the movie has come to its end, and how."""
        if not making.over:
            return False
        making.join()
        self.making, self.came, fault, self.lack = None, True, making.fault, making.lack
        self._collected = self._previewed = -1  # something else may be wanted by now
        if isinstance(fault, StudioError):
            self._again(fault)
        elif fault is not None:
            self._next = self._clock() + AGAIN_S
            raise fault
        return True

    def _again(self, fault: StudioError) -> None:
        """Try again after a while, and say why; that another program makes the movie is no fault."""
        self._collected = self._previewed = -1
        self._next = self._clock() + AGAIN_S
        if not isinstance(fault, Locked):
            self.fault = str(fault)

    def end(self) -> None:
        """Let go of what is held, and have a movie's making end soon."""
        if self.making is not None:
            self.making.stop()
        if self._collector is not None:
            with contextlib.suppress(StudioError):
                self._collector.close()
            self._collector = None


def _is_complete(state: JobState) -> bool:
    """Whether all that is wanted of a job on this machine was made here once."""
    if state.movie in ("waiting", "making"):
        return False
    return state.written >= state.standing.frames and (state.over or bool(state.movie))
