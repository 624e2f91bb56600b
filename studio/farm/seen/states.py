"""What is seen of a farm at a moment: stores, jobs, frames, nodes, as immutable records, and how each is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from studio.farm.engines.engine import Ref
from studio.farm.jobs import RenderJob
from studio.farm.model import Event, JobId, NodeId, NodeRow, Piece
from studio.farm.money.bill import Bill
from studio.farm.seen.course import Course
from studio.farm.session import Standing, made_of
from studio.farm.store import Store
from studio.farm.wish import LOCAL, STORE
from studio.render.frames import frame_path

if TYPE_CHECKING:
    from studio.farm.results import Notes

_COORDINATED = ("", LOCAL, STORE)  # engines whose jobs are dealt out by a coordinator of their store
OVER = ("done", "failed", "cancelled")
_SHOWN = (".png", ".jpg", ".jpeg")  # pictures that are their own preview

Mark = Literal["waiting", "working", "done", "here", "missing"]
MovieMark = Literal["", "waiting", "making", "here", "missing"]


@dataclass(frozen=True, slots=True)
class FrameState:
    """A frame of a job. "done": all of it is rendered; "here": its picture is in the artist's folder, or the movie that
    it is in; "missing": it was written there and is not there any more. `stamp` changes with the preview."""

    frame: float
    done: int
    samples: int
    mark: Mark
    path: Path | None = None
    preview: Path | None = None
    stamp: int = 0
    nodes: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node: what its coordinator says of it now (`row`, None when it says nothing), and what it did at a job. `unit`
    is the piece and range of the job that it works at, or the id alone of another job."""

    id: NodeId
    row: NodeRow | None = None
    unit: str = ""
    units: int = 0
    samples: int = 0
    faults: int = 0
    last_fault: str = ""
    busy_s: float = 0.0
    heard: float = 0.0


@dataclass(frozen=True, slots=True)
class JobState:
    """A job of a store. Money is in millionths; `spent_micros` None where nobody here keeps books. `output` is "" when
    this machine does not know where the pictures go; `fault` says why they do not come. `movie` is how the movie stands
    that they become ("": none; "waiting": for frames), `encoded` how many frames of it are, `lack` what it was made
    without."""

    place: str
    standing: Standing
    engine: str = ""
    owner: str = ""
    output: str = ""
    left_s: float | None = None
    cap_micros: int = 0
    spent_micros: int | None = None
    currency: str = ""
    written: int = 0
    fault: str = ""
    movie: MovieMark = ""
    encoded: int = 0
    lack: str = ""

    @property
    def id(self) -> JobId:
        """The job's id."""
        return self.standing.id

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.standing.state in OVER

    @property
    def alone(self) -> bool:
        """Whether it wants nodes of a coordinator and has none."""
        wants = self.standing.state in ("waiting", "running") and self.engine in _COORDINATED
        return wants and not self.standing.works

    @property
    def share(self) -> float:
        """How much of it is rendered, 0 to 1."""
        return self.standing.done / self.standing.total if self.standing.total else 0.0


@dataclass(frozen=True, slots=True)
class Detail:
    """More of the one job that is followed. `events` are those since the last time, or all when `afresh`."""

    id: JobId
    pieces: tuple[str, ...]
    frames: tuple[FrameState, ...]
    nodes: tuple[NodeState, ...]
    events: tuple[Event, ...]
    afresh: bool
    bill: Bill | None


@dataclass(frozen=True, slots=True)
class News:
    """Something that is told once: how a job ended, that nobody works at it ("alone"), or that it is rendered and its
    movie cannot be made ("unmade"), by what fault. `lack` is what a movie was made without."""

    place: str
    job: Standing
    what: str
    output: str = ""
    fault: str = ""
    lack: str = ""


@dataclass(frozen=True, slots=True)
class StoreState:
    """A store at a moment. `fault` says why it cannot be read; what is shown then is what was there before."""

    place: str
    name: str = ""
    works: bool = False
    fault: str = ""
    jobs: tuple[JobState, ...] = ()
    unreadable: tuple[str, ...] = ()
    nodes: tuple[NodeRow, ...] = ()
    detail: Detail | None = None
    news: tuple[News, ...] = ()


def engine_of(home: Path) -> str:
    """The engine that this machine gave a job to, by what it noted; "" when there is none but the store's own."""
    try:
        return msgspec.json.decode((home / "engine.json").read_bytes(), type=Ref).engine
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ""


def left_s(job: RenderJob, course: Course, stands: Standing, rows: tuple[NodeRow, ...], now: float) -> float | None:
    """How long a job will take yet, by what its nodes do now, or else by what came in the last minutes."""
    if stands.state != "running" or not stands.works:
        return None
    left = stands.total - stands.done
    now_s = sum(row.samples_s for row in rows if row.unit.split(" ")[0] == stands.id)
    cost = sum(p.count * p.cost for p in job.spec.pieces) / max(stands.total, 1)  # of a sample
    rate = max(now_s, course.work_s(now) / cost if cost > 0 else 0.0)  # a unit that has just begun says nothing yet
    return left / rate if rate > 0.0 else None


def frames_of(
    store: Store, job: RenderJob, home: Path, course: Course, rows: tuple[NodeRow, ...], working: bool
) -> Iterable[FrameState]:
    """The frames of a job in their order."""
    from studio.farm.movie import read_movie
    from studio.farm.results import read_notes

    made = made_of(store, job)
    notes = read_notes(home)
    movie = read_movie(home, notes)
    movie = movie if movie is not None and movie.made is not None else None  # until then its frames are pictures
    there = movie is not None and movie.is_here
    pieces = job.spec.pieces
    of_frame: dict[float, list[int]] = {}
    for row, piece in enumerate(pieces):
        of_frame.setdefault(piece.frame, []).append(row)
    at_work: dict[float, set[NodeId]] = {}
    for node, piece_row in _at_work(job, course, rows) if working else ():
        at_work.setdefault(pieces[piece_row].frame, set()).add(node)
    for frame, chosen in sorted(of_frame.items()):
        samples = sum(made[row].all for row in chosen)
        have = sum(made[row].done for row in chosen)
        nodes = tuple(sorted(at_work.get(frame, ())))
        name = Piece(frame=frame, samples=1).name
        mark: Mark = "done" if all(made[row].whole for row in chosen) else "working" if nodes else "waiting"
        path = movie.path if movie is not None else _picture(notes, name, frame)
        if mark == "done" and notes is not None and name in notes.frames:
            mark = "here" if there or (movie is None and path is not None and path.is_file()) else "missing"
        preview: Path | None = home / "previews" / f"{name}.jpg"
        stamp = _stamp(preview)
        if not stamp:
            preview = path if mark == "here" and path is not None and path.suffix.lower() in _SHOWN else None
            stamp = _stamp(preview)
        yield FrameState(frame, have, samples, mark, path, preview if stamp else None, stamp, nodes)


def _at_work(job: RenderJob, course: Course, rows: tuple[NodeRow, ...]) -> list[tuple[NodeId, int]]:
    """Nodes that work at a job, each with its piece: as their coordinator says, or else as the log does."""
    if not rows:
        attempts = course.at_work.values()
        return [(each.node, each.piece) for each in attempts if 0 <= each.piece < len(job.spec.pieces)]
    index = {f"{job.spec.id} {piece.name}": i for i, piece in enumerate(job.spec.pieces)}
    units = ((row.id, row.unit.rpartition(" ")[0]) for row in rows)
    return [(node, index[unit]) for node, unit in units if unit in index]


def _picture(notes: Notes | None, name: str, frame: float) -> Path | None:
    if notes is None:
        return None
    made = notes.frames.get(name)
    return Path(made.path) if made is not None else frame_path(Path(notes.output), round(frame))


def _stamp(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path is not None else 0
    except OSError:
        return 0


def nodes_at(job: RenderJob, course: Course, rows: tuple[NodeRow, ...]) -> Iterable[NodeState]:
    """The nodes that are there now, and those that did something of the job."""
    now = {row.id: row for row in rows}
    for id_ in sorted({*now, *course.nodes}):
        work, row = course.nodes.get(id_), now.get(id_)
        unit = row.unit if row is not None else ""
        if unit.split(" ")[0] != job.spec.id:
            unit = unit.split(" ")[0]  # another job's: its frames are not to pass for this one's
        if not rows:
            held = next((each for each in course.at_work.values() if each.node == id_), None)
            unit = f"{job.spec.id} {job.spec.pieces[held.piece].name} {held.first}-{held.last}" if held else ""
        if work is None:
            yield NodeState(id_, row, unit)
        else:
            yield NodeState(
                id_, row, unit, work.units, work.samples, work.faults, work.last_fault, work.busy_s, work.heard
            )
