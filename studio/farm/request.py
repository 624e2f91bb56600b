"""Asking a farm for pictures, as the command line and the window both do it.

A scene is sent as it stands, its job is put into the store or found there, an engine gets it, and this machine notes
where the pictures go. Each step can be done again: what is there is there, and the same request is the same job.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from studio.errors import UsageError
from studio.farm import session
from studio.farm.bundles.snapshot import laid_out
from studio.farm.engines.engine import Capabilities, Engine, Ref, engines, open_engine
from studio.farm.jobs import RenderJob
from studio.farm.movie import Movie, note_movie
from studio.farm.results import Notes, read_notes, save_notes
from studio.farm.store import Store, open_store
from studio.farm.submission import Sent, Submission, plan_job, send_scene, submit_job
from studio.farm.trust.artist import own_key
from studio.render.finish import Look
from studio.render.kept_frames import kept_look, kept_pattern
from studio.render.output import replacing
from studio.scene.project import SCENE
from studio.scene.scene import Scene

Progress = Callable[[int, int], None]
LEFT = ("cancelled", "paused", "failed", "capped")  # states in which a job goes on only when it is asked to


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A job in its store. `fresh`: it was not there before; else `before` is how it stood."""

    job: RenderJob
    sent: Sent
    fresh: bool
    before: session.Standing | None = None


def store_at(place: str) -> Store:
    """The store at a folder or URL that somebody typed. Raises UsageError for none and for a relative folder."""
    text = place.strip()
    if not text or "\0" in text:
        raise UsageError("say where the store is: a folder, or a URL such as s3://bucket/farm")
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        raise UsageError(f"{text[:80]!r} is no address; write it like s3://bucket/farm") from None
    if len(scheme) < 2:
        folder = Path(os.path.expanduser(text))  # "~nobody" stays as it is, and is no whole path
        if not folder.is_absolute():
            raise UsageError(f"the store {text[:80]!r} is no whole path; begin it at the root, or write a URL")
        return open_store(folder)
    return open_store(text)


def hand_in(
    store: Store,
    scene: Scene,
    request: Submission,
    *,
    project: Path | None = None,
    progress: Progress = lambda done, total: None,
    go_on: bool = False,
    by: str = "",
) -> HandedIn:
    """Send a scene and put its job into the store; one that is there already goes on.

    `project` is the project that the scene belongs to. Where the artist has a key, scene and job are signed. A job that
    was paused, cancelled, capped or that failed goes on only with `go_on`: UsageError says so otherwise. What
    `progress` raises ends the sending, which goes on from there the next time.
    """
    with laid_out(scene, project) as folder:
        journal = session.farm_folder() / "journal.sqlite"
        sent = send_scene(store, folder, scene, progress=progress, journal=journal)
    job, fresh = submit_job(store, plan_job(request, sent, scene_name=scene.name), key=own_key())
    if fresh:
        return HandedIn(job, sent, fresh)
    id_ = job.spec.id
    before = session.standing(store, job)
    if before.state in LEFT:
        if not go_on:
            raise UsageError(f"the job {id_} is there and is {before.state}; go on with it by --resume")
        session.order(store, id_, "resume", by=by)
    if request.priority != before.priority:
        session.order(store, id_, "priority", value=request.priority, by=by)
    if request.cap_micros != job.spec.cap_micros:
        session.order(store, id_, "cap", value=request.cap_micros, by=by)
    return HandedIn(job, sent, fresh, before)


def remember(
    store: Store, job: RenderJob, output: Path, look: Look, *, keep: bool = False, movie: Movie | None = None
) -> None:
    """Note where the pictures of a job go on this machine, or the movie that they become, beside which they wait. With
    `keep` a note that says the same stays, and with it what is known of pictures that are there."""
    home = session.job_folder(store, job.spec.id)
    if movie is not None:
        note_movie(home, movie, keep=keep)  # first: frames alone would be taken for what is wanted
        output, look = kept_pattern(movie.path), kept_look(look)
    before = read_notes(home)
    notes = Notes(output=str(output.absolute()), look=look)
    if not (keep and before is not None and (before.output, before.look) == (notes.output, notes.look)):
        save_notes(home, notes)


# --- engines ---------------------------------------------------------------------------------------------------------
def drafted(request: Submission, *, scene_name: str = "") -> RenderJob:
    """The job of a request before anything of it is sent, for engines to look at. Raises UsageError."""
    return plan_job(request, Sent("0" * 64, SCENE, 0, 0), scene_name=scene_name)


class _Noted(Ref, frozen=True):
    """A job at an engine, and where the engine itself is."""

    at: str = ""


def hand_over(
    store: Store,
    place: str,
    engine: Engine,
    job: RenderJob,
    *,
    address: str,
    go_on: bool = False,
    tell: Callable[[str], object] = lambda sentence: None,
) -> Ref:
    """Give a job of the store at `place` to an engine, and note what it is called there. Raises UsageError for one that
    the engine cannot render; `tell` hears every reason."""
    problems = engine.check(job)
    for sentence in problems:
        tell(sentence)
    if problems:
        raise UsageError(f"{engine.name} cannot render the job: {problems[0].rstrip('.')}")
    before = engine_of(store, job.spec.id)
    if go_on and before is not None and isinstance(before[1], _Noted):
        same = (before[1].engine, before[1].at) == (engine.name, address)
        if same and engine.status(before[1]).state in ("waiting", "running", "done"):
            return before[1]  # it has the job, or what it had is in the store by now
    generation = before[1].generation + 1 if before is not None and go_on else 1
    ref = engine.submit(job, place, job.spec.id, generation=generation)
    note_engine(store, msgspec.structs.replace(ref, address=ref.address or address), address)
    return ref


def note_engine(store: Store, ref: Ref, address: str = "") -> None:
    """Remember on this machine who has a job."""
    with replacing(session.job_folder(store, ref.job) / "engine.json") as temporary:
        temporary.write_bytes(msgspec.json.encode(_Noted(**msgspec.structs.asdict(ref), at=address)))


def engine_of(store: Store, id_: str) -> tuple[Engine, Ref] | None:
    """The engine that this machine gave a job to; None when there is none but coordinators of the store."""
    try:
        ref = msgspec.json.decode((session.job_folder(store, id_) / "engine.json").read_bytes(), type=_Noted)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return (open_engine(ref.engine, ref.at or ref.address), ref) if ref.engine in engines() else None


def stands(store: Store, job: RenderJob, *, working: bool | None = None) -> session.Standing:
    """How a job stands. The engine that this machine gave it to is asked first: some bring what is rendered only then.

    Where no coordinator works at the store the engine's word counts for what is not done. Raises what the engine does.
    """
    found = engine_of(store, job.spec.id)
    said = found[0].status(found[1]) if found is not None else None
    now = session.standing(store, job, working=working)
    if said is None or now.works or now.state not in ("waiting", "running"):
        return now
    return msgspec.structs.replace(now, state=said.state, why=said.text)


def give_again(store: Store, place: str, job: RenderJob) -> Ref | None:
    """Give a job that is to go on to the engine that had it, where that has it no more; None where it need not be."""
    found = engine_of(store, job.spec.id)
    if found is None:
        return None
    engine, ref = found
    if engine.status(ref).state not in ("lost", "cancelled", "failed"):
        return None
    address = ref.at if isinstance(ref, _Noted) else ref.address
    return hand_over(store, place, engine, job, address=address, go_on=True)


def forget_engine(store: Store, id_: str) -> None:
    """The job is this machine's own, or its store's, from now on."""
    with contextlib.suppress(FileNotFoundError):
        (session.job_folder(store, id_) / "engine.json").unlink()


def capabilities_of(name: str) -> Capabilities:
    """What the engines of a name can do, without an address; every engine answers by its kind alone."""
    kind = engines().get(name)
    if kind is None:
        raise UsageError(f"there is no engine {name[:40]!r}; choose from {', '.join(sorted(engines()))}")
    return kind.capabilities(kind.__new__(kind))
