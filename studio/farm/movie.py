"""The movie of a job: what is wanted of it on this machine, and its making once all of its frames are here.

Frames come home as linear EXRs beside the movie, like any pictures, and go when it is whole
(`studio.render.kept_frames`). What the movie is to be like, its codec, view, texts and sound, is no part of the job and
is noted on this machine alone, beside what is known of the frames. So whoever comes first makes it, a terminal, the
window, or the window of tomorrow; a lock of the operating system keeps two from doing it at once, and vanishes with its
process, however that ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from studio.errors import BadAsset, UsageError
from studio.farm.bundles.bundle import NodeCache
from studio.farm.jobs import RenderJob
from studio.farm.model import Record
from studio.farm.results import Collector, Notes, read_notes
from studio.farm.submission import look_of
from studio.farm.trust.credits import Author
from studio.farm.verify import digest_of
from studio.render.export import FORMATS, ExportSettings, check_values, is_movie
from studio.render.export_names import export_names
from studio.render.finish import Look
from studio.render.frames import frame_path
from studio.render.kept_frames import (
    asked,
    check_file,
    drop_kept,
    encode_kept,
    kept_look,
    kept_pattern,
)
from studio.render.output import replacing
from studio.render.queue_store import Locked, locked
from studio.render.video import movie_format
from studio.render.video_audio import audio_file
from studio.render.video_export import BadFrame
from studio.scene.scene import Scene


class Made(Record, frozen=True):
    """A movie as it was written: how the file is to be known again, of which frames, and who signed it."""

    size: int
    changed_ns: int
    frames: str  # digest of what they were made of
    credits: str = ""


class Movie(Record, frozen=True):
    """What the frames of a job become on this machine. `names` is what tokens of its texts stand for, `sound` the file
    that is heard; both are "" or empty where they are to be read from the scene that lies in the store."""

    output: str
    export: ExportSettings
    names: dict[str, str | int | float] = msgspec.field(default_factory=dict)
    notes: str = ""
    sound: str = ""
    made: Made | None = None

    @property
    def path(self) -> Path:
        """Its file."""
        return Path(self.output)

    @property
    def is_here(self) -> bool:
        """Whether it was made, and is as it was left."""
        try:
            stat = self.path.stat()
        except OSError:
            return False
        return self.made is not None and (self.made.size, self.made.changed_ns) == (stat.st_size, stat.st_mtime_ns)


# --- what is wanted --------------------------------------------------------------------------------------------------
def movie_of(scene: Scene, export: ExportSettings, output: Path, *, project: Path | str | None = None) -> Movie:
    """The movie of an export of the scene that is here, with the sound of its timeline. Raises UsageError."""
    audio = scene.timeline.audio
    heard = export.audio and audio is not None and bool(audio.path) and not audio.muted
    return Movie(
        output=str(output.absolute()),
        export=export,
        names=export_names(export, scene, project),
        notes=scene.notes,
        sound=str(audio_file(audio, project).absolute()) if heard and audio is not None else "",
    )


def movie_of_job(
    job: RenderJob, output: Path, look: Look, *, format: str = "", before: Movie | None = None, anew: bool = False
) -> Movie:
    """The movie of a job, by the format that is named or that its name asks for. What was wanted of one `before` on
    this machine, its texts and sound, is wanted of this one too, and how it looked unless that is asked for `anew`.

    Raises UsageError for what cannot be a movie, Unsupported without the `video` extra.
    """
    if job.settings.crop is not None:
        raise UsageError(f"the job {job.spec.id} renders a part of its pictures, so it makes no movie; name pictures")
    if not format and before is not None and output.suffix.lower() in FORMATS[before.export.format].suffixes:
        format = before.export.format
    format = format or movie_format(output)
    check_file(output, format, (job.settings.width, job.settings.height))
    said = asked(output, movie_frames(job), job.settings, look, format=format, camera=job.camera)
    if before is None:
        return Movie(output=str(output.absolute()), export=said)
    names = ("format", "view", "display", "exposure_ev", "denoise", "alpha") if anew else ("format",)
    export = msgspec.structs.replace(before.export, **{name: getattr(said, name) for name in names})
    return msgspec.structs.replace(before, output=str(output.absolute()), export=export, made=None)


def movie_frames(job: RenderJob) -> list[int]:
    """The frames of a job in the order in which a movie shows them."""
    return sorted({round(piece.frame) for piece in job.spec.pieces})


@dataclass(frozen=True, slots=True)
class Going:
    """Where the pictures of a job go on this machine, or the frames that wait for its movie."""

    output: Path
    look: Look
    movie: Movie | None = None


def going(
    job: RenderJob, home: Path, output: Path | None = None, *, look: Look | None = None, format: str = ""
) -> Going | None:
    """Where pictures are to go: where they went before, or to another `output`. None when nobody said where.

    Nothing is noted yet; whoever brings them home does so, a movie by `note_movie`. Raises what `movie_of_job` raises.
    """
    notes = read_notes(home)
    if output is None:
        return Going(Path(notes.output), look or notes.look, read_movie(home, notes)) if notes is not None else None
    known = look or (notes.look if notes is not None else look_of(job))
    if not is_movie(output):
        return Going(output, known)
    before = last_movie(home)
    wanted = movie_of_job(job, output, known, format=format, before=before, anew=look is not None)
    return Going(kept_pattern(output), kept_look(known), _as_known(wanted, before))


# --- what is noted ---------------------------------------------------------------------------------------------------
def read_movie(home: Path, notes: Notes | None) -> Movie | None:
    """The movie of a job in whose folder `home` these notes lie; None where its pictures go elsewhere by now."""
    movie = last_movie(home)
    return movie if movie is not None and notes is not None and Path(notes.output) == kept_pattern(movie.path) else None


def last_movie(home: Path) -> Movie | None:
    """The movie that was wanted of a job last, whatever became of it. A damaged note is none."""
    try:
        movie = msgspec.json.decode((home / "movie.json").read_bytes(), type=Movie)
        check_values(movie.export)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, UsageError):
        return None
    return movie if is_movie(movie.path) and "\0" not in movie.output else None


def note_movie(home: Path, movie: Movie, *, keep: bool = False) -> Movie:
    """Note what is wanted; with `keep` a movie that is to be the same stays known as made. Its frames have to be noted
    next, as pictures that go to `kept_pattern`. Raises CannotWrite."""
    before, movie = last_movie(home), msgspec.structs.replace(movie, made=None)
    known = _as_known(movie, before) if keep else movie
    if known != before:
        _save(home, known)
    return known


def _as_known(movie: Movie, before: Movie | None) -> Movie:
    """A movie as it was noted before, if it is the same; names differ by the time of day."""
    if before is None:
        return movie
    same = msgspec.structs.replace(before, names=movie.names, made=None) == msgspec.structs.replace(movie, made=None)
    return before if same else movie


def _save(home: Path, movie: Movie) -> None:
    with replacing(home / "movie.json") as temporary:
        temporary.write_bytes(msgspec.json.encode(movie))


def movie_is_here(home: Path, movie: Movie, author: Author | None = None) -> bool:
    """Whether a movie is here as it was left, of the frames of the job that are known, with the credentials of an
    author if there is one; credentials that nobody asks for are left."""
    notes = read_notes(home)
    if notes is None or Path(notes.output) != kept_pattern(movie.path) or movie.made is None or not movie.is_here:
        return False
    return movie.made.frames == _digest(notes) and (author is None or movie.made.credits == author.mark)


def _digest(notes: Notes) -> str:
    return digest_of("\n".join(f"{name} {kept.parts}" for name, kept in sorted(notes.frames.items())).encode())


def check_credits(job: RenderJob, movie: Movie, author: Author | None) -> None:
    """Raise UsageError where making a movie anew would take credentials away that somebody gave it."""
    given = movie.made.credits if movie.made is not None else ""
    if given not in ("", author.mark if author is not None else ""):
        raise UsageError(
            f"{movie.path.name} has content credentials that are not given now; fetch it by "
            f"studio farm fetch {job.spec.id} --credentials"
        )


# --- making it -------------------------------------------------------------------------------------------------------
def make_movie(
    collector: Collector,
    home: Path,
    *,
    cache: Path,
    author: Author | None = None,
    threads: int = 0,
    say: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[int, int], None] = lambda done, of: None,
    stop: Callable[[], object] = bool,
) -> Movie:
    """Make the movie of a job whose frames a collector has brought home, sign it, and remove the frames. One that is
    there as it was left stays.

    Raises `Locked` while somebody else makes it, `video_export.Stopped` when `stop` says so, BadAsset for the sound or
    a frame, also one that is not as it was brought, CannotWrite, and UsageError where credentials would be lost. The
    frames stay, and the next try goes on.
    """
    job = collector.job
    with _alone(home, job):
        notes = read_notes(home)
        movie = read_movie(home, notes)
        if movie is None or notes is None:
            raise UsageError(f"the frames of {job.spec.id} become no movie any more; fetch it again")
        frames = movie_frames(job)
        if not movie_is_here(home, movie, author):
            check_credits(job, movie, author)
            _check_frames(notes, movie)
            scene, export = _heard(_scene_of(collector, cache), movie, job, say)
            try:
                encode_kept(
                    movie.path,
                    frames,
                    scene=replace(scene, notes=movie.notes),
                    settings=export,
                    names=movie.names or export_names(export, scene),
                    threads=threads,
                    progress=progress,
                    stop=stop,
                )
            except BadFrame as fault:  # it is merged again, of partials that lie in the store
                frame_path(kept_pattern(movie.path), fault.frame).unlink(missing_ok=True)
                raise
            _check_frames(notes, movie)  # none was replaced before it was read
            if author is not None:
                collector.sign_movie(author, movie.path)
            stat = movie.path.stat()
            made = Made(
                size=stat.st_size,
                changed_ns=stat.st_mtime_ns,
                frames=_digest(notes),
                credits=author.mark if author is not None else "",
            )
            wanted, movie = last_movie(home), msgspec.structs.replace(movie, made=made)
            if wanted is not None and msgspec.structs.replace(wanted, made=made) != movie:
                return wanted  # something else by now, of the same frames
            _save(home, movie)
        drop_kept(movie.path, frames)
        return movie


@contextlib.contextmanager
def _alone(home: Path, job: RenderJob) -> Iterator[None]:
    """Keep others from making the movie of a job meanwhile; raises `Locked` while somebody does."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(home / "movie.lock", wait=False))
        except Locked:
            raise Locked(f"the movie of {job.spec.name} is being made already; wait for it") from None
        yield


def _check_frames(notes: Notes, movie: Movie) -> None:
    """Raise BadAsset for a frame that is not as it was brought home: whoever brings those of another job to the same
    place would have them in this movie."""
    for kept in notes.frames.values():
        path = Path(kept.path)
        try:
            stat = path.stat()
            same = (stat.st_size, stat.st_mtime_ns) == (kept.size, kept.changed_ns)
        except OSError:
            same = False
        if not same:
            raise BadAsset(
                f"the frame {path} was changed or removed before it was in {movie.path.name}; fetch it again, "
                "and under another name where another job's frames wait there too"
            )


def _scene_of(collector: Collector, cache: Path) -> Scene:
    """The scene as it was sent."""
    bundles, job = NodeCache(cache), collector.job
    try:
        return bundles.scene(collector.store, job.spec.bundle, job.scene)
    finally:
        bundles.close()


def _heard(scene: Scene, movie: Movie, job: RenderJob, say: Callable[[str], None]) -> tuple[Scene, ExportSettings]:
    """The scene with the sound where it lies on this machine. What is sent says what it is called and no more, so of a
    job that was sent from elsewhere it is looked for beside the movie, and left out in so many words."""
    audio, export = scene.timeline.audio, movie.export
    if not export.audio or audio is None or not audio.path or audio.muted:
        return scene, export
    file = Path(movie.sound) if movie.sound else movie.path.parent / Path(audio.path.replace("\\", "/")).name
    if not movie.sound and not file.is_file():
        again = f"put it beside it, and make it anew by studio farm fetch {job.spec.id} --again"
        say(f"The sound {file.name} is not here, so {movie.path.name} has none; {again}.")
        return scene, msgspec.structs.replace(export, audio=False)
    timeline = msgspec.structs.replace(scene.timeline, audio=msgspec.structs.replace(audio, path=str(file)))
    return replace(scene, timeline=timeline), export
