"""The local queue: jobs that one runner renders one after another, whether or not the app is open.

Everybody who wants something of the queue, a panel, the command line or the runner itself, goes through `Queue`, which
is a database in the studio's data folder (`studio.render.queue_store`). A job keeps its scene as it was submitted, so
an artist goes on working at once. What a state may become is decided in `studio.render.queue_states` alone.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from studio.errors import CannotWrite, UsageError
from studio.render.checkpoint import find_part
from studio.render.export import ExportSettings, check_values, format_of, frames_of, read_export
from studio.render.export_names import export_names, job_pattern, kept_frame, output_files
from studio.render.naming import expand_name
from studio.render.queue_scenes import drop_scenes, fetch_scene, keep_scene
from studio.render.queue_states import OVER, THERE, FrameEvent, FramePhase, JobEvent, JobPhase, next_frame, next_job
from studio.render.queue_store import Store, is_locked, queue_file
from studio.scene.scene import Scene

_LONGEST_LOG = 2000  # lines of a job that are kept
_MOST_JOBS = 10_000


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands. `done` counts frames whose picture is there, skipped ones too; `eta_s` is None while nothing
    can be said. `frame` is what is being rendered now, `thumbnail` the newest there is."""

    id: int
    name: str
    state: JobPhase
    position: int
    done: int
    failed: int
    skipped: int
    total: int
    progress: float  # 0..1, with what the present frame has
    eta_s: float | None
    elapsed_s: float
    output: str
    format: str
    message: str
    created: float  # seconds since 1970
    started: float | None
    finished: float | None
    frame: int | None = None
    thumbnail: Path | None = None


class FrameState(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of a job. `samples` of `of` are done (fewer where an error target is met), in `seconds` of rendering."""

    frame: int
    state: FramePhase
    samples: float
    of: int
    seconds: float
    path: Path
    thumbnail: Path | None = None
    message: str = ""


class LogLine(msgspec.Struct, frozen=True):
    """What was said of a job, and when (seconds since 1970)."""

    time: float
    text: str


class Queue:
    """The queue of a database file (None: the user's). It may be used in threads, and by many processes at once.

    Raises `CannotWrite` where its folder takes no files, `Unsupported` for the queue of a newer studio; a damaged one
    is set aside, and `notes` says so.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.store = Store(queue_file(path))
        self.folder = self.store.folder

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was found when the queue was opened."""
        return self.store.notes

    def revision(self) -> int:
        """A number that changes whenever anything did; cheap to ask."""
        return self.store.revision()

    def runner_works(self) -> bool:
        """Whether a runner is there."""
        return is_locked(self.folder / "runner.lock")

    # --- what there is -----------------------------------------------------------------------------------------------
    def jobs(self) -> tuple[JobState, ...]:
        """All jobs in their order."""
        rows = self.store.read("SELECT * FROM jobs ORDER BY position, id")
        works = self.runner_works() if any(row["state"] == "rendering" for row in rows) else True
        return tuple(self._job_state(row, place, works) for place, row in enumerate(rows))

    def job(self, id_: int) -> JobState:
        """One job; raises `UsageError` when there is none with this id."""
        for state in self.jobs():
            if state.id == id_:
                return state
        raise UsageError(f"there is no job {id_} in the queue; see them by studio queue list")

    def frames(self, job: int) -> tuple[FrameState, ...]:
        """The frames of a job in the order in which they are rendered."""
        of = self.settings(job).samples
        rows = self.store.read("SELECT * FROM frames WHERE job = ? ORDER BY place", job)
        return tuple(
            FrameState(
                frame=row["frame"],
                state=row["state"],
                samples=row["samples"],
                of=of,
                seconds=row["seconds"],
                path=Path(row["path"]),
                thumbnail=Path(row["thumbnail"]) if row["thumbnail"] else None,
                message=row["message"],
            )
            for row in rows
        )

    def log(self, job: int) -> tuple[LogLine, ...]:
        """What was said of a job, oldest first."""
        self._row(job)
        rows = self.store.read("SELECT time, text FROM log WHERE job = ? ORDER BY id", job)
        return tuple(LogLine(row["time"], row["text"]) for row in rows)

    def settings(self, job: int) -> ExportSettings:
        """What a job was asked for."""
        return read_export(self._row(job)["settings"])

    def scene(self, job: int) -> Scene:
        """The scene of a job as it was submitted. Raises `BadAsset` when its file is damaged."""
        return fetch_scene(self.store, self._row(job)["scene"])

    def names(self, job: int) -> dict[str, Any]:
        """What the tokens of a job's names and texts stand for."""
        return dict(msgspec.json.decode(self._row(job)["names"], type=dict[str, str | int | float]))

    def job_folder(self, job: int) -> Path:
        """Where a job's thumbnails and intermediate frames are."""
        return self.folder / "jobs" / str(job)

    # --- what an artist does -----------------------------------------------------------------------------------------
    def add(self, scene: Scene, settings: ExportSettings, *, name: str = "", project: Path | str | None = None) -> int:
        """Submit a scene as it is now; gives the job's id. Start the runner with `ensure_runner`.

        Raises `UsageError` for settings that cannot be, for an output that is there already while nobody said whether
        to skip or replace it, and `CannotWrite` when the queue's disk is full.
        """
        check_values(settings)
        if len(self.store.read("SELECT id FROM jobs")) >= _MOST_JOBS:
            raise UsageError(f"the queue has {_MOST_JOBS} jobs; remove some that are done")
        created = time.time()
        frames = frames_of(settings, scene)
        names = export_names(settings, scene, project, at=created)
        pattern = job_pattern(settings, project)
        files = output_files(settings, pattern, names, frames)
        self._refuse_taken(settings, files)
        several = len(frames) > 1 and not format_of(settings).movie
        output = str(expand_name(pattern, names) if several else files[0])
        version, digest = keep_scene(self.store, scene)
        shown = name.strip() or f"{names['scene']} {names['camera']}".strip()
        with self.store.write() as db:
            last = db.execute("SELECT coalesce(max(position), 0) FROM jobs").fetchone()[0]
            values = (shown[:200], last + 1, version, digest, _json(settings), _json(names), pattern, output, created)
            id_ = int(
                db.execute(
                    "INSERT INTO jobs (name, position, scene, digest, settings, names, pattern, output, created)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    values,
                ).lastrowid
                or 0
            )
            movie = format_of(settings).movie
            db.executemany(
                "INSERT INTO frames (job, place, frame, path) VALUES (?, ?, ?, ?)",
                [
                    (id_, place, frame, str(kept_frame(self.job_folder(id_), frame) if movie else files[place]))
                    for place, frame in enumerate(frames)
                ],
            )
        self.say(id_, f"Submitted: {len(frames)} frame{'s'[: len(frames) != 1]} to {output}.")
        return id_

    def _refuse_taken(self, settings: ExportSettings, files: Sequence[Path]) -> None:
        taken = [file for file in dict.fromkeys(files) if file.exists()]
        if settings.overwrite == "ask" and taken:
            how_many = f"{len(taken)} of {len(set(files))} files are" if len(taken) > 1 else f"{taken[0]} is"
            raise UsageError(f"{how_many} there already; choose whether to skip or to replace what is there")
        if folder := next((file for file in taken if file.is_dir()), None):
            raise CannotWrite(f"cannot write {folder}: it is a folder; name a file")

    def pause(self, ids: Iterable[int]) -> None:
        """Pause jobs; the frame at work is kept as a checkpoint."""
        self._each(ids, "pause")

    def resume(self, ids: Iterable[int]) -> None:
        """Go on with jobs that were paused, cancelled or failed."""
        ids = tuple(ids)
        self._each(ids, "resume", frames="retry")

    def cancel(self, ids: Iterable[int]) -> None:
        """Give jobs up. What is rendered stays; so do checkpoints, until the job is removed."""
        self._each(ids, "cancel", frames="cancel")

    def retry(self, ids: Iterable[int], frames: Iterable[int] | None = None) -> None:
        """Render what failed once more, or these frames whether or not they are done."""
        wanted = None if frames is None else set(frames)
        for id_ in ids:
            with self.store.write() as db:
                row = self._row(id_)
                changed = 0
                for frame in db.execute("SELECT frame, state FROM frames WHERE job = ?", (id_,)).fetchall():
                    if wanted is not None and frame["frame"] not in wanted:
                        continue
                    new = next_frame(frame["state"], "retry" if wanted is None else "again")
                    if new is not None:
                        db.execute(
                            "UPDATE frames SET state = ?, message = '', begun = 1, again = ?, samples = 0, seconds = 0"
                            " WHERE job = ? AND frame = ?",
                            (new, int(wanted is not None), id_, frame["frame"]),
                        )
                        changed += 1
                new_job = next_job(row["state"], "retry")
                if new_job is not None and (changed or row["state"] != "done"):
                    self._enter(db, id_, new_job, "")

    def remove(self, ids: Iterable[int]) -> None:
        """Take jobs out of the queue with their checkpoints; pictures that are done stay. One that is rendered is
        cancelled first, and removed by the runner when it has let go of it."""
        removed = False
        for id_ in ids:
            row = self._row(id_)
            if row["state"] == "rendering" and self.runner_works():
                with self.store.write() as db:
                    self._enter(db, id_, "cancelled", REMOVE)
                continue
            self.forget(id_)
            removed = True
        if removed:
            drop_scenes(self.store)

    def move(self, ids: Sequence[int], position: int) -> None:
        """Put jobs at a place of the list (0 is first), in the order given."""
        with self.store.write() as db:
            order = [int(row["id"]) for row in db.execute("SELECT id FROM jobs ORDER BY position, id")]
            moved = [id_ for id_ in dict.fromkeys(ids) if id_ in order]
            rest = [id_ for id_ in order if id_ not in moved]
            at = min(max(position, 0), len(rest))
            for place, id_ in enumerate([*rest[:at], *moved, *rest[at:]]):
                db.execute("UPDATE jobs SET position = ? WHERE id = ?", (place + 1, id_))

    def say(self, job: int, text: str) -> None:
        """Add a line to a job's log."""
        with self.store.write() as db:
            write_log(db, job, text)

    # --- within ------------------------------------------------------------------------------------------------------
    def _row(self, id_: int) -> Any:
        rows = self.store.read("SELECT * FROM jobs WHERE id = ?", id_)
        if not rows:
            raise UsageError(f"there is no job {id_} in the queue; see them by studio queue list")
        return rows[0]

    def _each(self, ids: Iterable[int], event: JobEvent, frames: FrameEvent | None = None) -> None:
        for id_ in ids:
            with self.store.write() as db:
                new = next_job(self._row(id_)["state"], event)
                if new is None:
                    continue
                self._enter(db, id_, new, "")
                if frames is not None:
                    move_frames(db, id_, frames)
                write_log(db, id_, {"pause": "Paused.", "resume": "Resumed.", "cancel": "Cancelled."}.get(event, event))

    def _enter(self, db: Any, id_: int, state: JobPhase, message: str) -> None:
        finished = time.time() if state in OVER else None
        db.execute("UPDATE jobs SET state = ?, message = ?, finished = ? WHERE id = ?", (state, message, finished, id_))

    def forget(self, id_: int) -> None:
        """Delete a job that nobody renders, with its checkpoints and its folder."""
        parts = [find_part(frame.path) for frame in self.frames(id_) if frame.state not in THERE]
        with self.store.write() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (id_,))
        for part in parts:
            if part is not None:
                part.unlink(missing_ok=True)
        shutil.rmtree(self.job_folder(id_), ignore_errors=True)

    def _job_state(self, row: Any, place: int, works: bool) -> JobState:
        frames = self.store.read(
            "SELECT frame, state, samples, seconds, thumbnail FROM frames WHERE job = ? ORDER BY place", row["id"]
        )
        by = {
            state: sum(1 for frame in frames if frame["state"] == state)
            for state in ("done", "skipped", "failed", "cancelled")
        }
        of = read_export(row["settings"]).samples
        now = next((frame for frame in frames if frame["state"] == "rendering"), None)
        part = min(now["samples"] / of, 1.0) if now else 0.0
        state: JobPhase = row["state"] if works or row["state"] != "rendering" else "waiting"
        over = by["done"] + by["skipped"] + by["failed"]
        pictures = [frame["thumbnail"] for frame in frames if frame["thumbnail"]]
        left = len(frames) - over - by["cancelled"]
        running = row["state"] == "rendering" and works and row["since"] is not None
        return JobState(
            id=row["id"],
            name=row["name"],
            state=state,
            position=place,
            done=by["done"] + by["skipped"],
            failed=by["failed"],
            skipped=by["skipped"],
            total=len(frames),
            progress=min((over + part) / max(len(frames), 1), 1.0),
            eta_s=_eta([f["seconds"] for f in frames if f["state"] == "done" and f["seconds"]], left, now, part),
            elapsed_s=row["elapsed"] + (max(time.time() - row["since"], 0.0) if running else 0.0),
            output=row["output"],
            format=read_export(row["settings"]).format,
            message=row["message"] if row["message"] != REMOVE else "",
            created=row["created"],
            started=row["started"],
            finished=row["finished"],
            frame=now["frame"] if now else None,
            thumbnail=Path(pictures[-1]) if pictures else None,
        )


REMOVE = "to be removed"


def _eta(seconds: Sequence[float], left: int, now: Any, part: float) -> float | None:
    """Seconds to go, by the median frame; the first one, which compiled and loaded, counts only while it is alone."""
    usual = seconds[1:] or seconds
    if not left:
        return None
    if usual:
        return statistics.median(usual) * max(left - part, 0.0)
    if now is not None and part > 0.02 and now["seconds"] > 0:
        return float(now["seconds"]) / part * (left - part)
    return None


def move_frames(db: Any, job: int, event: FrameEvent, where: Callable[[Any], bool] = lambda row: True) -> int:
    """Send an event to a job's frames; how many it meant something to."""
    changed = 0
    for row in db.execute("SELECT frame, state FROM frames WHERE job = ?", (job,)).fetchall():
        new = next_frame(row["state"], event)
        if new is not None and where(row):
            db.execute("UPDATE frames SET state = ? WHERE job = ? AND frame = ?", (new, job, row["frame"]))
            changed += 1
    return changed


def write_log(db: Any, job: int, text: str) -> None:
    """A line of a job's log, whose oldest lines are dropped."""
    db.execute("INSERT INTO log (job, time, text) VALUES (?, ?, ?)", (job, time.time(), text[:4000]))
    db.execute(
        "DELETE FROM log WHERE job = ? AND id <= (SELECT max(id) FROM log WHERE job = ?) - ?",
        (job, job, _LONGEST_LOG * 4),
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def ensure_runner(path: Path | None = None) -> None:
    """See that a runner works, starting one that outlives us when none does (`studio.render.queue_run`)."""
    from studio.render.queue_run import ensure_runner as start

    start(path)


__all__ = ["REMOVE", "FrameState", "JobState", "LogLine", "Queue", "ensure_runner", "move_frames", "write_log"]
