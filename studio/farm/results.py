"""Results on their way home: partials are fetched as they are claimed, merged frame by frame, and finished.

A frame is merged when every piece of it has all its samples; it is denoised after that, never before, and written
whole or not at all. Partials wait on this machine's disk until then, each seen to be what its claim says, so whoever
is killed, or closes the lid, fetches only the rest tomorrow. What was written is noted beside them: a picture that is
still as it was left is not written again.

Two numbers belong to all frames, the exposure of pictures whose camera has none and the denoiser's scale. `studio
render` measures them on its first frame; so the first frame of the job is waited for here where they are needed, and
both ways end in the same pixels.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.farm.bundles.bundle import NodeCache
from studio.farm.jobs import RenderJob, claimed, claimed_of, is_adaptive
from studio.farm.model import Piece, Record, Result
from studio.farm.orders import works
from studio.farm.previews import preview, write_preview
from studio.farm.rounds import Choices
from studio.farm.session import made_of
from studio.farm.store import Store
from studio.farm.submission import asked_aovs
from studio.farm.trust.credits import Author, Makers, credit_of, sources_of
from studio.farm.trust.provenance import SIDECAR_FORMATS, Source, sidecar_of, sign_picture
from studio.farm.verify import check_partial, digest_of
from studio.render.film import Film
from studio.render.finish import About, Finish, Look, describe
from studio.render.frames import frame_path
from studio.render.output import drop_leftovers, replacing
from studio.render.partial import Header, merge_partials, read_header
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.scene import Scene

_PRESENCE, _PRESENT_S = "fetching", 60.0
_LOG_S, _LOG_LOOK_S = 10.0, 0.25  # that the log may be late, in all; between two looks


class Kept(Record, frozen=True):
    """A picture as it was written: of which partials, and how the file is to be known again. `credits` tells who signed
    it and for whom; "" when nobody did."""

    path: str
    size: int
    changed_ns: int
    parts: str  # digest of the claims it was made of
    credits: str = ""


class Notes(Record, frozen=True):
    """What this machine knows of a job: where its pictures go, how they look, and which were written."""

    output: str
    look: Look
    measured: float = 0.0
    frames: dict[str, Kept] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Collected:
    """A picture that is there. `fresh` ones were written now."""

    frame: float
    path: Path
    samples: int
    fresh: bool


class Collector:
    """Brings the results of a job home. Use it in a `with`; `poll` as often as you like.

    `home` is the user's folder of this job, `output` a picture or a pattern with #### (checked by the caller). With
    `keep` pictures that were written before, and are as they were left, stay. With an `author` pictures get content
    credentials. `parts` is where partials wait for their frame; whoever watches many jobs has a place of its own for
    them, and lets go of a job that somebody else fetches (`fetched_elsewhere`).
    """

    def __init__(
        self,
        store: Store,
        job: RenderJob,
        output: Path,
        look: Look,
        *,
        home: Path,
        cache: Path,
        parts: Path | None = None,
        keep: bool = True,
        threads: int = 0,
        say: Callable[[str], None] = lambda sentence: None,
        author: Author | None = None,
    ) -> None:
        self._author, self._makers = author, Makers(store, job)
        self._sources: tuple[Source, ...] | None = None
        self._patience_s = _LOG_S
        self.store, self.job, self.output, self.look = store, job, output, look
        self._home, self._say = home, say
        self._parts_folder, self._shows = parts if parts is not None else home / "parts", parts is None
        self._cache, self._choices = NodeCache(cache), Choices(store)
        notes = read_notes(home)
        same = notes is not None and keep and (notes.output, notes.look) == (str(output.absolute()), look)
        self._notes = notes if same and notes else Notes(output=str(output.absolute()), look=look)
        self._finish = Finish(look, threads=threads, say=say, measured=self._notes.measured)
        self._scene: Scene | None = None
        self._flat: FlatScene | None = None
        self._seen: dict[float, tuple[str, ...]] = {}  # partials that a preview was made of
        self._written: set[float] = set()
        self._frames: dict[float, list[int]] = {}
        for i, piece in enumerate(job.spec.pieces):
            self._frames.setdefault(piece.frame, []).append(i)
        save_notes(home, self._notes)

    @property
    def done(self) -> bool:
        """Whether every frame's picture is there."""
        return len(self._written) == len(self._frames)

    @property
    def previews(self) -> dict[float, Path]:
        """Where the preview of each frame is, or will be."""
        return {frame: self._home / "previews" / f"{_name(frame)}.jpg" for frame in self._frames}

    def poll(self, *, looks: bool = False, goes_on: Callable[[], bool] = lambda: True) -> list[Collected]:
        """Write the pictures of all frames that are done by now; gives those that were not reported before.

        With `looks`, previews of the others are made anew. `goes_on` is asked before every frame; the rest waits for
        the next poll when it says no. Raises BadAsset for a partial that is damaged in the store,
        CannotWrite when the disk refuses a picture: what was fetched is kept, and the next poll goes on.
        """
        if self._shows:
            show_presence(self._home)
        out = []
        made_of_pieces = made_of(self.store, self.job)
        first = next(iter(self._frames))
        for frame, rows in self._frames.items():
            if frame in self._written:
                continue
            if not goes_on():
                break
            if all(made_of_pieces[row].whole for row in rows):
                if self._needs_first() and frame != first and first not in self._written:
                    continue
                made = self._collect(frame, rows)
                if made is not None:
                    self._written.add(frame)
                    out.append(made)
            elif looks and any(made_of_pieces[row].done for row in rows):
                self._look(frame, rows)
        return out

    def close(self) -> None:
        """Free the denoiser, and the bundle for others to evict."""
        if self._shows:
            (self._home / _PRESENCE).unlink(missing_ok=True)
        self._finish.close()
        self._cache.close()

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    # --- a frame -----------------------------------------------------------------------------------------------------
    def _needs_first(self) -> bool:
        exposed = self.output.suffix.lower() != ".exr" and self.look.exposure_ev is None
        scaled = self.look.denoise and self.look.denoise_scale is None
        return (exposed or scaled) and not self._finish.measured

    def _results(self, rows: list[int]) -> list[tuple[int, Result]]:
        pieces = [self.job.spec.pieces[row] for row in rows]
        spec = msgspec.structs.replace(self.job.spec, pieces=tuple(pieces))
        found = claimed(self.store, msgspec.structs.replace(self.job, spec=spec))
        return [(rows[i], result) for i, results in sorted(found.items()) for result in results]

    def _collect(self, frame: float, rows: list[int]) -> Collected | None:
        """Merge, finish and write a frame; None when its claims do not add up to it after all."""
        found = [claimed_of(self.store, self.job, row) for row in rows]
        if not all(chain.final and _count(of_piece) == chain.count for chain, of_piece in found):
            return None
        results = [(row, r) for row, (_, of_piece) in zip(rows, found, strict=True) for r in of_piece]
        path = frame_path(self.output, round(frame))
        samples = _most_samples(results)
        parts = digest_of("\n".join(f"{row} {r.digest}" for row, r in results).encode())
        kept = self._notes.frames.get(_name(frame))
        if kept is not None and kept.parts == parts and _is_as_left(kept, path) and self._has_credits(kept, path):
            return Collected(frame, path, samples, fresh=False)
        # tiles of an adaptive frame may end at other samples, and only their rounds say that these are all of them
        film, header = merge_partials(self._fetched(results), allow_gaps=is_adaptive(self.job))
        about = self._about(frame, header)
        drop_leftovers(path)
        with contextlib.suppress(NotADirectoryError):  # which is told when the picture is written
            sidecar_of(path).unlink(missing_ok=True)  # of the picture that was there before
        self._finish.write(film, path, about)
        if self._author is not None:
            self._sign(self._author, path, header, results, samples)
        stat = path.stat()
        mark = self._author.mark if self._author is not None else ""
        made = Kept(
            path=str(path.absolute()), size=stat.st_size, changed_ns=stat.st_mtime_ns, parts=parts, credits=mark
        )
        frames = {**self._notes.frames, _name(frame): made}
        self._notes = msgspec.structs.replace(self._notes, frames=frames, measured=self._finish.measured)
        save_notes(self._home, self._notes)
        with contextlib.suppress(StudioError):  # the picture itself is there
            self._write_look(frame, film, about)
        for row in rows:
            shutil.rmtree(self._parts(self.job.spec.pieces[row]), ignore_errors=True)
        return Collected(frame, path, samples, fresh=True)

    def _about(self, frame: float, header: Header) -> About:
        """What to say of a frame, by the artist's own scene: a node's word is not needed for it."""
        if self._scene is None:
            self._scene = self._cache.scene(self.store, self.job.spec.bundle, self.job.scene)
        self._flat = flatten(self._scene, frame, previous=self._flat, camera=self.job.camera)
        if "motion" not in self.job.settings.aovs and self._flat.digest() != header.scene:
            self._say(
                f"Frame {frame:g}: this machine works the scene out to other last digits than the nodes did; "
                "the picture is the nodes'."
            )
        return describe(self._flat, header, msgspec.structs.replace(self.job.settings, aovs=asked_aovs(self.job)))

    # --- credentials -------------------------------------------------------------------------------------------------
    def _has_credits(self, kept: Kept, path: Path) -> bool:
        """Whether a picture that was kept has the credentials that are wanted; where none are, what it has is left."""
        if self._author is None:
            return True
        beside = path.suffix.lower() in SIDECAR_FORMATS
        return kept.credits == self._author.mark and (not beside or sidecar_of(path).is_file())

    def _meet_makers(self, results: list[Result]) -> None:
        """Wait a little where the log does not name the makers of a frame yet: claims come a moment before it."""
        while not self._makers.know(results) and self._patience_s > 0 and works(self.store):
            time.sleep(_LOG_LOOK_S)
            self._patience_s -= _LOG_LOOK_S

    def sign_movie(self, author: Author, path: Path) -> None:
        """Give a movie of all the frames its credentials."""
        results = self._results(list(range(len(self.job.spec.pieces))))
        header = read_header(self._fetched(results[:1])[0])[0]
        shutil.rmtree(self._parts(self.job.spec.pieces[results[0][0]]), ignore_errors=True)
        self._sign(author, path, header, results, _most_samples(results))

    def _sign(
        self, author: Author, path: Path, header: Header, results: list[tuple[int, Result]], samples: int
    ) -> None:
        """Give a picture its credentials."""
        self._meet_makers([result for _, result in results])
        if self._sources is None:
            self._sources = sources_of(self.store, self.job, self._cache.fetch(self.store, self.job.spec.bundle))
        shares = self._makers.shares(((self.job.spec.pieces[row], result) for row, result in results), header.device)
        credit = credit_of(
            self.job,
            author,
            title=path.name,
            build=header.build,
            samples=samples,
            sources=self._sources,
            nodes=shares,
            denoised=self.look.denoise,
        )
        sign_picture(path, credit, author.signature)

    # --- partials ----------------------------------------------------------------------------------------------------
    def _fetched(self, results: list[tuple[int, Result]]) -> list[Path]:
        """The files of partials, fetched where they are not here yet; BadAsset for one that is not what it claims."""
        paths = []
        for row, result in results:
            piece = self.job.spec.pieces[row]
            path = self._parts(piece) / f"{result.digest}.part"
            if not _is(path, result.digest):
                self._fetch(path, piece, result)
            paths.append(path)
        return paths

    def _fetch(self, path: Path, piece: Piece, result: Result) -> None:
        temporary = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.store.copy_to(temporary, result.key)
            pixels = self._choices.pixels(self.job, piece, result.range, result.blocks)
            check_partial(temporary, self.job, piece, result, pixels)
            temporary.replace(path)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"cannot keep a partial in {path.parent}: {reason}; make room and fetch again") from fault
        except BadAsset as fault:
            raise BadAsset(f"{self.store.name}: {result.key}: {fault}; submit the job to another store") from fault
        finally:
            temporary.unlink(missing_ok=True)

    def _parts(self, piece: Piece) -> Path:
        return self._parts_folder / piece.name

    # --- a look ------------------------------------------------------------------------------------------------------
    def _look(self, frame: float, rows: list[int]) -> None:
        """A small picture of what there is of a frame, when there is more than the last time."""
        results = self._results(rows)
        have = tuple(result.digest for _, result in results)
        if not results or self._seen.get(frame) == have:
            return
        self._seen[frame] = have
        film, header = merge_partials(self._fetched(results), allow_gaps=True)
        self._write_look(frame, film, self._about(frame, header))

    def _write_look(self, frame: float, film: Film, about: About) -> None:
        exposure = self.look.exposure_ev if self.look.exposure_ev is not None else about.exposure_ev or None
        write_preview(preview(film, self.look, exposure_ev=exposure), self.previews[frame])


def _count(results: list[Result]) -> int:
    return sum(last - first for first, last in (result.range for result in results))


def _most_samples(results: list[tuple[int, Result]]) -> int:
    """The samples of the pixels that have most."""
    have: dict[int, int] = {}
    for row, result in results:
        have[row] = have.get(row, 0) + result.range[1] - result.range[0]
    return max(have.values())


def _is(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and digest_of(path.read_bytes()) == digest
    except OSError:
        return False


def _is_as_left(kept: Kept, path: Path) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    return (kept.path, kept.size, kept.changed_ns) == (str(path.absolute()), stat.st_size, stat.st_mtime_ns)


def _name(frame: float) -> str:
    return Piece(frame=frame, samples=1).name


# --- who fetches -----------------------------------------------------------------------------------------------------
def show_presence(home: Path) -> None:
    """Say that somebody fetches a job here and now, so that nobody else does it as well."""
    with contextlib.suppress(OSError):  # on a disk that is full both do, and write the same
        home.mkdir(parents=True, exist_ok=True)
        (home / _PRESENCE).touch()


def fetched_elsewhere(home: Path) -> bool:
    """Whether somebody was seen to fetch a job within a minute."""
    try:
        return abs(time.time() - (home / _PRESENCE).stat().st_mtime) < _PRESENT_S
    except OSError:
        return False


# --- notes -----------------------------------------------------------------------------------------------------------
def read_notes(home: Path) -> Notes | None:
    """What this machine knows of a job; None when that is nothing. Damaged notes are nothing: pictures are then written
    once more."""
    try:
        return msgspec.json.decode((home / "notes.json").read_bytes(), type=Notes)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def check_author(job: RenderJob, notes: Notes | None, author: Author | None) -> None:
    """Raise UsageError where writing pictures would take credentials away that others gave them."""
    marks = {picture.credits for picture in notes.frames.values()} if notes is not None else set()
    if marks - {"", author.mark if author is not None else ""}:
        raise UsageError(
            f"pictures of {job.spec.name} have content credentials that are not given now; fetch the others by "
            f"studio farm fetch {job.spec.id} --credentials"
        )


def save_notes(home: Path, notes: Notes) -> None:
    """Remember it, whole or not at all. Raises CannotWrite."""
    with replacing(home / "notes.json") as temporary:
        temporary.write_bytes(msgspec.json.encode(notes))
