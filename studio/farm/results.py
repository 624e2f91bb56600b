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
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from studio.errors import BadAsset, CannotWrite, StudioError
from studio.farm.bundle import NodeCache
from studio.farm.jobs import RenderJob, claimed
from studio.farm.model import Piece, Record, Result
from studio.farm.previews import preview, write_preview
from studio.farm.session import done_ranges
from studio.farm.store import Store
from studio.farm.submission import asked_aovs
from studio.farm.verify import check_partial, digest_of
from studio.render.film import Film
from studio.render.finish import About, Finish, Look, describe
from studio.render.frames import frame_path
from studio.render.output import drop_leftovers, replacing
from studio.render.partial import Header, merge_partials
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.scene import Scene


class Kept(Record, frozen=True):
    """A picture as it was written: of which partials, and how the file is to be known again."""

    path: str
    size: int
    changed_ns: int
    parts: str  # digest of the claims it was made of


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
    `keep` pictures that were written before, and are as they were left, stay.
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
        keep: bool = True,
        threads: int = 0,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.store, self.job, self.output, self.look = store, job, output, look
        self._home, self._say = home, say
        self._cache = NodeCache(cache)
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

    def poll(self, *, looks: bool = False) -> list[Collected]:
        """Write the pictures of all frames that are done by now; gives those that were not reported before.

        With `looks`, previews of the others are made anew. Raises BadAsset for a partial that is damaged in the store,
        CannotWrite when the disk refuses a picture: what was fetched is kept, and the next poll goes on.
        """
        out = []
        whole = done_ranges(self.store, self.job)
        first = next(iter(self._frames))
        for frame, rows in self._frames.items():
            if frame in self._written:
                continue
            if all(whole[row].size >= self.job.spec.pieces[row].samples for row in rows):
                if self._needs_first() and frame != first and first not in self._written:
                    continue
                made = self._collect(frame, rows)
                if made is not None:
                    self._written.add(frame)
                    out.append(made)
            elif looks and any(whole[row] for row in rows):
                self._look(frame, rows)
        return out

    def close(self) -> None:
        """Free the denoiser, and the bundle for others to evict."""
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
        results = self._results(rows)
        if not _complete(self.job, rows, results):
            return None
        path = frame_path(self.output, round(frame))
        samples = max(self.job.spec.pieces[row].samples for row in rows)
        parts = digest_of("\n".join(f"{row} {r.digest}" for row, r in results).encode())
        kept = self._notes.frames.get(_name(frame))
        if kept is not None and kept.parts == parts and _is_as_left(kept, path):
            return Collected(frame, path, samples, fresh=False)
        film, header = merge_partials(self._fetched(results))
        about = self._about(frame, header)
        drop_leftovers(path)
        self._finish.write(film, path, about)
        stat = path.stat()
        made = Kept(path=str(path.absolute()), size=stat.st_size, changed_ns=stat.st_mtime_ns, parts=parts)
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
            check_partial(temporary, self.job, piece, result)
            temporary.replace(path)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"cannot keep a partial in {path.parent}: {reason}; make room and fetch again") from fault
        except BadAsset as fault:
            raise BadAsset(f"{self.store.name}: {result.key}: {fault}; submit the job to another store") from fault
        finally:
            temporary.unlink(missing_ok=True)

    def _parts(self, piece: Piece) -> Path:
        return self._home / "parts" / piece.name

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


def _complete(job: RenderJob, rows: list[int], results: list[tuple[int, Result]]) -> bool:
    have = dict.fromkeys(rows, 0)
    for row, result in results:
        have[row] += result.range[1] - result.range[0]
    return all(have[row] == job.spec.pieces[row].samples for row in rows)


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


# --- notes -----------------------------------------------------------------------------------------------------------
def read_notes(home: Path) -> Notes | None:
    """What this machine knows of a job; None when that is nothing. Damaged notes are nothing: pictures are then written
    once more."""
    try:
        return msgspec.json.decode((home / "notes.json").read_bytes(), type=Notes)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def save_notes(home: Path, notes: Notes) -> None:
    """Remember it, whole or not at all. Raises CannotWrite."""
    with replacing(home / "notes.json") as temporary:
        temporary.write_bytes(msgspec.json.encode(notes))
