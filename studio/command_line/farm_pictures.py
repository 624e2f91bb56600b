"""Pictures of a farm's job as they come in, told on the console. `fetch` and `submit --wait` share it."""

from __future__ import annotations

from pathlib import Path

from studio.command_line.console import Console
from studio.farm.jobs import RenderJob
from studio.farm.previews import strip
from studio.farm.results import Collected, Collector
from studio.farm.session import job_folder
from studio.farm.store import Store
from studio.farm.trust.credits import Author
from studio.render.device import cache_root
from studio.render.finish import Look


class Pictures:
    """The pictures of a job, written as frames are done. Use it in a `with`."""

    def __init__(
        self,
        store: Store,
        job: RenderJob,
        output: Path,
        look: Look,
        console: Console,
        *,
        keep: bool = True,
        threads: int = 0,
        author: Author | None = None,
    ) -> None:
        self._console, self._job = console, job
        self.home = job_folder(store, job.spec.id)
        self._collector = Collector(
            store,
            job,
            output,
            look,
            home=self.home,
            cache=cache_root() / "farm",
            keep=keep,
            threads=threads,
            say=self._say,
            author=author,
        )
        self.made: list[Collected] = []

    @property
    def done(self) -> bool:
        """Whether all of them are there."""
        return self._collector.done

    def poll(self, *, looks: bool = False) -> None:
        """Write and tell those that are done by now."""
        for picture in self._collector.poll(looks=looks):
            self.made.append(picture)
            self._console.result(str(picture.path))
            self._console.event(
                "frame", frame=picture.frame, path=picture.path, samples=picture.samples, skipped=not picture.fresh
            )
            if not picture.fresh:
                self._console.say(f"Frame {picture.frame:g} is there already: {picture.path}")

    def sign(self, author: Author, movie: Path) -> None:
        """Give a movie of all frames its credentials."""
        self._collector.sign_movie(author, movie)

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
