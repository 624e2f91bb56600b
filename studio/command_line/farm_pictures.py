"""Pictures of a farm's job as they come in, and the movie of them, told on the console. `fetch` and `submit --wait`
share it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from studio.command_line import movies
from studio.command_line.console import Console
from studio.farm.jobs import RenderJob
from studio.farm.movie import Going, Movie, check_credits, make_movie, movie_frames, movie_is_here, note_movie
from studio.farm.previews import strip
from studio.farm.results import Collected, Collector, show_presence
from studio.farm.session import job_folder
from studio.farm.store import Store
from studio.farm.trust.credits import Author
from studio.render.device import cache_root
from studio.render.queue_store import Locked
from studio.render.video_export import Stopped

_LOCKED_S = 0.5  # between two looks whether another program is still at it


class Pictures:
    """The pictures of a job, written as frames are done, or the movie that they become. Use it in a `with`."""

    def __init__(
        self,
        store: Store,
        job: RenderJob,
        going: Going,
        console: Console,
        *,
        keep: bool = True,
        threads: int = 0,
        author: Author | None = None,
    ) -> None:
        self._console, self._job, self._movie, self._author = console, job, going.movie, author
        self._threads = threads
        self.home = job_folder(store, job.spec.id)
        self._here = False  # the movie, so there is nothing to do
        if going.movie is not None:
            self._here = keep and movie_is_here(self.home, going.movie, author)
            if keep and not self._here:
                check_credits(job, going.movie, author)
            note_movie(self.home, going.movie, keep=keep)
        self._collector = Collector(
            store,
            job,
            going.output,
            going.look,
            home=self.home,
            cache=cache_root() / "farm",
            keep=keep,
            threads=threads,
            say=self._say,
            author=author if going.movie is None else None,  # the movie is signed, not what it is made of
        )
        self.made: list[Collected] = []

    @property
    def done(self) -> bool:
        """Whether all of them are there."""
        return self._here or self._collector.done

    def poll(self, *, looks: bool = False) -> None:
        """Write and tell those that are done by now."""
        for picture in self._collector.poll(looks=looks) if not self._here else ():
            self.made.append(picture)
            self._console.result(str(picture.path))
            self._console.event(
                "frame", frame=picture.frame, path=picture.path, samples=picture.samples, skipped=not picture.fresh
            )
            if not picture.fresh:
                self._console.say(f"Frame {picture.frame:g} is there already: {picture.path}")

    def make_movie(self, path: Path, stop: Callable[[], object]) -> bool:
        """Make the movie of all pictures, where one is wanted, and tell it as `path`; whether that was not stopped."""
        if self._movie is None:
            return True
        if self._here:
            _tell_movie(self._console, path, self._movie, len(movie_frames(self._job)), fresh=False)
            return True
        encoding = movies.tells(self._console, path)

        def progress(done: int, of: int) -> None:
            show_presence(self.home)  # it is still us who fetch
            encoding(done, of)

        while not stop():
            try:
                made = make_movie(
                    self._collector,
                    self.home,
                    cache=cache_root() / "farm",
                    author=self._author,
                    threads=self._threads,
                    say=self._say,
                    progress=progress,
                    stop=stop,
                )
            except Locked:
                self._console.progress(f"{path.name} is being made by another program on this machine")
                time.sleep(_LOCKED_S)
            except Stopped:
                break
            else:
                _tell_movie(self._console, path, made, len(movie_frames(self._job)))
                return True
        self._console.say(f"Stopped: the frames of {path.name} wait beside it.")
        return False

    def strip(self, path: Path) -> None:
        """Write all frames beside one another."""
        there = [path for _, path in sorted(self._collector.previews.items())]
        strip(there, path)
        self._console.event("strip", path=path)
        self._console.say(f"The strip of {len(there)} frames is {path}.")

    def tell(self, state: str) -> None:
        """Say what there is at the end."""
        frames = len({piece.frame for piece in self._job.spec.pieces})
        self._console.event(
            "done" if self.done else "stopped", job=self._job.spec.id, state=state, frames=len(self.made), of=frames
        )
        if self.done:
            self._console.say(f"Done: {frames} frame{'s'[: frames != 1]}.")
        else:
            self._console.say(f"{len(self.made)} of {frames} frames are there; fetch the others when they are done.")

    def _say(self, sentence: str) -> None:
        self._console.say(sentence)
        self._console.event("warning", message=sentence)

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *fault: object) -> None:
        self._collector.close()


def _tell_movie(console: Console, path: Path, movie: Movie, frames: int, *, fresh: bool = True) -> None:
    """Say that a movie is there; `fresh`: it was made now."""
    console.result(str(path))
    console.event("movie", path=path, frames=frames, format=movie.export.format, skipped=not fresh)
    if not fresh:
        console.say(f"The movie is there already: {path}")
