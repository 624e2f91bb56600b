"""Sending what an artist sees: the scene goes to a store, the job to whoever works at it. It blocks; see `FarmHost`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.errors import UsageError
from studio.farm import session
from studio.farm.asking import Asked, address_of, place_of, prices_of
from studio.farm.coordinator import Price
from studio.farm.engines.engine import Engine, Ref, open_engine
from studio.farm.host import Crew, FarmHost
from studio.farm.money.prices import pricing
from studio.farm.movie import check_credits, going, make_movie, movie_frames, movie_is_here, note_movie
from studio.farm.request import (
    HandedIn,
    Progress,
    engine_of,
    forget_engine,
    hand_in,
    hand_over,
    note_engine,
    remember,
    store_at,
)
from studio.farm.results import Collector, check_author, read_notes
from studio.farm.seen import known
from studio.farm.store import Store
from studio.farm.trust.credits import Author
from studio.farm.wish import LOCAL, STORE, FarmWish
from studio.render.device import cache_root
from studio.render.kept_frames import check_place
from studio.render.sequence import check_folder
from studio.scene.scene import Scene


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job that was sent: where it lies, how it was handed in, and the crew of this machine that works at it."""

    place: str
    handed: HandedIn
    crew: Crew | None = None


def send(
    scene: Scene,
    asked: Asked,
    wish: FarmWish,
    host: FarmHost,
    *,
    project: Path | None = None,
    device: str = "auto",
    by: str = "",
    progress: Progress = lambda done, total: None,
) -> Delivery:
    """Send a scene as it stands and have its job worked at; one that is there already goes on.

    Raises UsageError for what stops it, and whatever StudioError the store or the engine has to tell. What was sent
    stays, so trying again sends the rest.
    """
    if asked.request is None or asked.output is None or asked.error:
        raise UsageError(asked.error or "there is nothing to send")
    place = place_of(wish)
    price = price_of(wish) if wish.where == LOCAL else None
    engine = open_engine(wish.where, address_of(wish)) if wish.where not in (LOCAL, STORE) else None
    check_folder(asked.output.parent)
    store = store_at(place)
    handed = hand_in(store, scene, asked.request, project=project, progress=progress, go_on=True, by=by)
    job = handed.job
    remember(store, job, asked.output, asked.request.look, keep=True, movie=asked.movie)
    known.remember(place)
    if engine is not None:
        _hand_over(store, place, engine, handed, address_of(wish))
        return Delivery(place, handed)
    if wish.where == STORE:
        forget_engine(store, job.spec.id)
        return Delivery(place, handed)
    note_engine(store, Ref(engine=LOCAL, id=job.spec.id, job=job.spec.id, store=place))
    crew = Crew(nodes=wish.nodes, threads=wish.threads, device=device)
    return Delivery(place, handed, host.send(place, job, crew, price=price))


def price_of(wish: FarmWish) -> Price | None:
    """What nodes of this machine cost by the price list of a wish; None when it names none. Raises BadAsset."""
    prices = prices_of(wish)
    return pricing(prices) if prices is not None else None


def _hand_over(store: Store, place: str, engine: Engine, handed: HandedIn, address: str) -> None:
    """Give the job to its engine; one that has it already and works at it keeps it."""
    before = engine_of(store, handed.job.spec.id)
    same = before is not None and before[1].engine == engine.name
    if same and before is not None and before[0].status(before[1]).state in ("waiting", "running", "done"):
        return
    hand_over(store, place, engine, handed.job, address=address, go_on=same)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was brought home of a job: how many pictures, and the movie that they became, with what it lacks."""

    pictures: int
    movie: Path | None = None
    lack: str = ""


def fetch(place: str, wanted: str, output: Path | None = None, *, author: Author | None = None) -> Fetched:
    """Write the pictures of a job that are done, where they were to go or as `output`, with the credentials of an
    author if there is one; and their movie, where one is wanted and all of them are there.

    Raises UsageError where nobody said where they go, and where credentials would be taken away that others gave.
    """
    store = store_at(place)
    job = session.find_job(store, wanted)
    home = session.job_folder(store, job.spec.id)
    go = going(job, home, output)
    if go is None:
        raise UsageError(f"nobody said on this machine where pictures of {job.spec.id} go; name a file")
    if go.movie is not None and movie_is_here(home, go.movie, author):
        return Fetched(len(movie_frames(job)), go.movie.path)
    if go.movie is not None:
        check_place(go.movie.path)
    else:
        check_folder(go.output.parent)
    check_author(job, read_notes(home), author)
    if go.movie is not None:
        check_credits(job, go.movie, author)
        note_movie(home, go.movie, keep=True)
    signs = author if go.movie is None else None  # the movie is signed, not what it is made of
    cache = cache_root() / "farm"
    with Collector(store, job, go.output, go.look, home=home, cache=cache, author=signs) as collector:
        count = len(collector.poll())
        if go.movie is None or not collector.done:
            return Fetched(count)
        said: list[str] = []
        movie = make_movie(collector, home, cache=cache, author=author, say=said.append)
        return Fetched(count, movie.path, " ".join(said))
