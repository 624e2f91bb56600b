"""A job of the queue at work: its frames through the render session and to their files, as `studio.render.sequence`
does it, with what a queue adds.

- Every few seconds to a minute the film is looked at (a thumbnail) and, now and then, kept as a checkpoint, so that a
  runner that is killed loses little. Films add up exactly, hence none of this shows in the picture. It comes no
  oftener than its cost stays below a hundredth of the rendering between.
- A frame that fails is marked and the next one begins; a disk that takes no more pauses the job with its films kept.
- What belongs to a whole job, the measured exposure, is in the database before the frame that it was measured on is
  done, so a job that was cut short goes on with the same number.

Frames are denoised and written by a thread while the next one renders.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from studio.errors import CannotWrite, DeviceFault, StudioError, UsageError
from studio.render.burnin import slate_card, stamp_of
from studio.render.checkpoint import drop_parts, find_part, header_of, keep_part, load_part
from studio.render.export import ExportSettings, display_of, format_of, look_of, render_settings
from studio.render.export_names import slate_file
from studio.render.film import Film, Layout
from studio.render.finish import About, Finish, describe, with_guides
from studio.render.layer_writer import LayersWriter
from studio.render.light_layers import layers_path
from studio.render.output import drop_leftovers, write_shown
from studio.render.partial import Header
from studio.render.queue import REMOVE, Queue, move_frames, write_log
from studio.render.queue_look import write_thumbnail
from studio.render.queue_states import THERE, FrameEvent, JobEvent, next_frame, next_job, verdict
from studio.render.sequence import check_folder
from studio.render.session import INTERRUPTED, OUT_OF_TIME, FrameProgress, RenderSession, layout_of
from studio.render.settings import RenderSettings
from studio.render.video_export import BadFrame, Reel, Stopped, encode
from studio.scene import color
from studio.scene.flat import FlatScene
from studio.scene.flat_camera import active_camera
from studio.scene.flatten import flatten
from studio.scene.scene import Scene

FIRST_SLICE_S, LONGEST_SLICE_S = 3.0, 60.0
_SHORTEST_SLICE_S = 0.1
CHECKPOINT_S = 30.0
_SHARE = 100  # rendering between two slices or checkpoints, in units of what one costs
_CONTROL_S = 0.25
_TELL_S = 1.0
_MOST_FAILURES = 3  # in a row, then it is not the frame's fault


class _Slices:
    """When a frame's film is looked at and kept: ever less often, and never so often that it costs more than a
    hundredth of the rendering between. `checkpoint_s` 0 asks for a checkpoint with every look, whatever it costs."""

    def __init__(self, costs: dict[str, float], *, checkpoint_s: float) -> None:
        self._costs, self._checkpoint_s = costs, checkpoint_s
        self._share = _SHARE if checkpoint_s > 0 else 0
        self._length = min(FIRST_SLICE_S, max(checkpoint_s, _SHORTEST_SLICE_S))
        self._looked = self._kept = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._looked >= max(self._length, self._share * self._costs["look"])

    def checkpoint_due(self) -> bool:
        return time.monotonic() - self._kept >= max(self._checkpoint_s, self._share * self._costs["checkpoint"])

    @contextmanager
    def looking(self) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._looked = time.monotonic()
        self._costs["look"] = self._looked - begun
        self._length = min(self._length * 2, LONGEST_SLICE_S)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._kept = self._looked = time.monotonic()
        self._costs["checkpoint"] = self._kept - begun


@dataclass(frozen=True, slots=True)
class _Made:
    """A frame that was rendered and is not written yet."""

    frame: int
    path: Path
    film: Film
    header: Header
    about: About
    seconds: float
    message: str
    layers: LayersWriter | None = None


class Work:
    """One job at work. `session` gives the render session for a device and threads; `stop` says why to end."""

    def __init__(
        self,
        queue: Queue,
        job: int,
        *,
        session: Callable[[ExportSettings], RenderSession],
        stop: Callable[[], str],
        progress: Callable[[int, FrameProgress], None] = lambda job, now: None,
        checkpoint_s: float = CHECKPOINT_S,
    ) -> None:
        self.queue, self.job, self.sessions, self.outer_stop = queue, job, session, stop
        self.progress, self.checkpoint_s = progress, checkpoint_s
        self.fault: StudioError | None = None  # of the database or the disk, met where nothing can be raised
        self._asked = self._told = 0.0
        self._halted = ""
        self._said: set[str] = set()
        self._flat: FlatScene | None = None
        self._writing: Future[None] | None = None
        self._failures = 0
        self.costs = {"look": 0.0, "checkpoint": 0.0}

    # --- the job -----------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Render what is left of the job and leave it in the state that this ends in."""
        try:
            self._prepare()
        except StudioError as fault:
            self._leave("fail", str(fault))
            return
        self._event("start")
        try:
            self._write_slate()
            self._frames()
            self._end()
        except Stopped:
            self._release_frames()
            self._leave_stopped()
        except CannotWrite as fault:
            self._release_frames()
            self._leave("pause", f"{_sentence(fault)} The job is paused and nothing is lost; make room and resume it.")
        except StudioError as fault:
            self._release_frames()
            self._leave("fail", _sentence(fault))
        except Exception as fault:  # nobody foresaw it; the next job is worth a try all the same
            self._say(traceback.format_exc())
            self._release_frames()
            self._leave("fail", f"An unforeseen fault: {type(fault).__name__}: {fault}; the log says where.")

    def _prepare(self) -> None:
        queue, job = self.queue, self.job
        row = queue.store.read("SELECT * FROM jobs WHERE id = ?", job)[0]
        self.settings: ExportSettings = queue.settings(job)
        self.names = queue.names(job)
        self.scene: Scene = queue.scene(job)
        self.pattern, self.measured = str(row["pattern"]), float(row["measured"])
        self.movie = format_of(self.settings).movie
        self.asked: RenderSettings = render_settings(self.settings)
        self.wanted = with_guides(self.asked, denoise=self.settings.denoise)
        self.output = Path(row["output"])

    def _frames(self) -> None:
        look = look_of(self.settings, kept=self.movie)
        self.finish = Finish(look, threads=self.settings.threads, say=self._say, measured=self.measured)
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        try:
            self._lost_frames()
            while (row := self._next_row()) is not None:
                self._one(row)
            self._settle()
        finally:
            self.writer.shutdown()
            self._drain()
            self.finish.close()

    def _drain(self) -> None:
        """Wait for the frame that is being written, when something else is already on its way out."""
        if self._writing is not None:
            fault = self._writing.exception()
            self._writing = None
            if isinstance(fault, StudioError):
                self._say(_sentence(fault))

    def _next_row(self) -> Any:
        rows = self.queue.store.read(
            "SELECT * FROM frames WHERE job = ? AND state = 'waiting' ORDER BY place LIMIT 1", self.job
        )
        return rows[0] if rows else None

    def _lost_frames(self) -> None:
        """A movie needs all of its frames: those that are done and gone since are rendered again."""
        if not self.movie or self._is_skipped(self.output, begun=False):
            return
        gone = {r["frame"] for r in self._rows() if r["state"] in THERE and not Path(r["path"]).is_file()}
        if gone:
            with self.queue.store.write() as db:
                move_frames(db, self.job, "again", lambda row: row["frame"] in gone)

    def _rows(self) -> list[Any]:
        return self.queue.store.read("SELECT * FROM frames WHERE job = ? ORDER BY place", self.job)

    def _one(self, row: Any) -> None:
        frame, path = int(row["frame"]), Path(row["path"])
        if self._reason():
            self._stopped()
        if self._is_skipped(self.output if self.movie else path, begun=bool(row["begun"])):
            self._frame_event(frame, "skip")
            return
        try:
            made = self._render(row, frame, path)
        except (Stopped, CannotWrite):
            raise
        except StudioError as fault:
            self._failed(frame, fault)
            return
        self._settle(made)
        self._failures = 0
        self._writing = self.writer.submit(self._written, made)

    def _failed(self, frame: int, fault: StudioError) -> None:
        self._frame_event(frame, "fail", message=str(fault))
        self._say(f"Frame {frame} failed: {fault}.")
        self._failures += 1
        if self._failures >= _MOST_FAILURES and isinstance(fault, DeviceFault):
            raise fault

    def _is_skipped(self, path: Path, *, begun: bool) -> bool:
        whole = path.is_file() and (not self.wanted.light_layers or layers_path(path).is_file())
        return self.settings.overwrite == "skip" and not begun and whole

    def _settle(self, meanwhile: _Made | None = None) -> None:
        """Wait for the frame that is being written, or raise what it met, once `meanwhile` is safe."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        fault = writing.exception()
        if fault is None:
            return
        if meanwhile is not None:
            self._keep(meanwhile.path, meanwhile.film, meanwhile.header, meanwhile.layers, last=True)
        raise fault

    # --- a frame -----------------------------------------------------------------------------------------------------
    def _render(self, row: Any, frame: int, path: Path) -> _Made:
        session = self.sessions(self.settings)
        drop_leftovers(path)
        if not self.movie:
            check_folder(path.parent)
        if row["again"]:
            drop_parts(path)
        self._frame_event(frame, "start", begun=1, again=0, message="")
        flat, following = self._flatten(frame)
        layout = layout_of(flat, self.wanted)
        whole = (0, 0, self.wanted.width, self.wanted.height)
        header = header_of(flat, self.wanted, session.info, following=following, region=whole)
        about = describe(flat, header, self.asked)
        header = msgspec.structs.replace(header, state=msgspec.to_builtins(about))
        film = self._resumed(path, header, layout)
        spent = float(row["seconds"]) if film is not None else 0.0
        layers = None
        if self.wanted.light_layers:
            layers = LayersWriter(
                path, flat, layout, about=about.metadata, settings=self.wanted, resume=film is not None
            )
        try:
            film, seconds, message = self._whole(session, flat, following, film, path, header, spent, layers)
        except BaseException:
            if layers is not None and not layers.closed:
                layers.drop()
            raise
        samples = float(film.counts.mean())
        self._frame_event(frame, "encode", samples=samples, seconds=seconds)
        return _Made(frame, path, film, header, about, seconds, message, layers)

    def _flatten(self, frame: int) -> tuple[FlatScene, FlatScene | None]:
        flat = flatten(self.scene, frame, previous=self._flat, camera=self.settings.camera)
        self._flat = flat
        for warning in flat.warnings:
            if warning not in self._said:
                self._said.add(warning)
                self._say(warning)
        if "motion" not in self.wanted.aovs:
            return flat, None
        # motion is what one camera sees, also where the picture after is another's
        camera = self.settings.camera or active_camera(self.scene, frame)
        return flat, flatten(self.scene, frame + 1, previous=flat, camera=camera)

    def _resumed(self, path: Path, header: Header, layout: Layout) -> Film | None:
        part = find_part(path)
        if part is None:
            return None
        try:
            film = load_part(part, header, layout)
        except StudioError as fault:  # of another build, or damaged: the frame is worth rendering anyway
            self._say(f"The checkpoint cannot be used, the frame begins anew: {fault}.")
            drop_parts(path)
            return None
        if film is not None:
            self._say(f"Going on from {int(film.counts.max(initial=0))} samples in {part}.")
        return film

    def _whole(
        self,
        session: RenderSession,
        flat: FlatScene,
        following: FlatScene | None,
        film: Film | None,
        path: Path,
        header: Header,
        spent: float,
        layers: LayersWriter | None,
    ) -> tuple[Film, float, str]:
        """Render until the film is whole or its time is over; the film, its seconds and what to say of it."""
        begun = time.monotonic()
        limit = self.settings.time_limit_s
        until = begun + max(limit - spent, 0.0) if limit else math.inf
        slices = _Slices(self.costs, checkpoint_s=self.checkpoint_s)

        def look(now: Film) -> None:
            try:
                with slices.looking():
                    self._look(now, flat.camera.exposure_ev, int(flat.frame))
            except CannotWrite as fault:
                self.fault = fault  # raised where the film can be kept first
                return
            if slices.checkpoint_due():
                with slices.keeping():
                    so_far = spent + time.monotonic() - begun
                    self._keep(path, now, header, layers, seconds=so_far, frame=int(flat.frame))

        result = session.render_frame(
            flat,
            self.wanted,
            following=following,
            film=film,
            stop=partial(self._reason, until),
            progress=lambda now: self._progress(now, spent + time.monotonic() - begun),
            due=slices.due,
            look=look,
            layers=layers,
        )
        seconds = spent + time.monotonic() - begun
        if result.stopped == INTERRUPTED:
            self._keep(path, result.film, header, layers, last=True)
            self._stopped()
        return result.film, seconds, "Stopped at its time limit." if result.stopped else ""

    def _keep(
        self,
        path: Path,
        film: Film,
        header: Header,
        layers: LayersWriter | None = None,
        *,
        last: bool = False,
        seconds: float = -1.0,
        frame: int = 0,
    ) -> None:
        """Keep a film's samples, wherever there is room, and how far its light layers are."""
        try:
            keep_part(path, film, header)
            if layers is not None:
                layers.keep()
                if last:
                    layers.close()
        except CannotWrite as fault:
            self._say(f"A checkpoint was lost: {fault}.")
            if layers is not None and last:
                layers.drop()
            return
        if seconds >= 0:
            with self.queue.store.write() as db:
                db.execute("UPDATE frames SET seconds = ? WHERE job = ? AND frame = ?", (seconds, self.job, frame))

    def _look(self, film: Film, camera_ev: float, frame: int) -> None:
        """Show how a frame stands."""
        exposure = self.settings.exposure_ev if self.settings.exposure_ev is not None else camera_ev or None
        path = self.queue.job_folder(self.job) / "thumbnails" / f"{frame}.jpg"
        display = display_of(self.settings)
        view = color.find_view(self.settings.view, display)
        if display != color.DISPLAY:  # a thumbnail is for this screen
            display, view = color.DISPLAY, color.DEFAULT_VIEW
        write_thumbnail(film, path, view=view, display=display, exposure_ev=exposure)
        with self.queue.store.write() as db:
            db.execute("UPDATE frames SET thumbnail = ? WHERE job = ? AND frame = ?", (str(path), self.job, frame))

    def _written(self, made: _Made) -> None:
        """Write a frame; on the writer's thread. What cannot be written is kept, and the fault says where."""
        stamp = None
        if not self.movie:
            stamp = stamp_of(self.scene, self.settings, self.names, made.frame)
        try:
            if self.movie and self.settings.exposure_ev is None and not made.about.exposure_ev:
                self.finish.scale(made.film)
            self.finish.write(made.film, made.path, made.about, draw=stamp.draw if stamp is not None else None)
            if made.layers is not None:
                made.layers.finish()
            self._look(made.film, made.about.exposure_ev, made.frame)
        except CannotWrite as fault:
            self._keep(made.path, made.film, made.header, made.layers, last=True)
            raise CannotWrite(str(fault)) from fault
        drop_parts(made.path)
        with self.queue.store.write() as db:
            db.execute("UPDATE jobs SET measured = ? WHERE id = ?", (self.finish.measured, self.job))
            self._frame_update(db, made.frame, "finish", message=made.message)
            write_log(db, self.job, f"Frame {made.frame}: {made.film.counts.mean():.4g} samples, {made.seconds:.1f} s.")

    # --- the end -----------------------------------------------------------------------------------------------------
    def _write_slate(self) -> None:
        frames = [int(row["frame"]) for row in self._rows()]
        file = slate_file(self.settings, self.pattern, self.names, frames)
        if file is None or self._is_skipped(file, begun=False):
            return
        check_folder(file.parent)
        look = look_of(self.settings)
        card = slate_card(self.scene, self.settings, self.names, min(frames))
        write_shown(card, file, bits=look.bits, quality=look.quality, display=look.display)
        self._say(f"The slate is {file}.")

    def _end(self) -> None:
        rows = self._rows()
        event = verdict(row["state"] for row in rows)
        if event == "fail":
            failed = [row for row in rows if row["state"] == "failed"]
            count = f"{len(failed)} of {len(rows)} frames failed"
            self._leave("fail", f"{count}: {failed[0]['message']}; see the log, then retry them.")
            return
        if self.movie and any(row["state"] == "done" for row in rows):
            self._encode(rows)
        self._leave("finish", "")

    def _encode(self, rows: list[Any]) -> None:
        """The frames as a movie. One that cannot be read goes back to be rendered."""
        measured = float(self.queue.store.read("SELECT measured FROM jobs WHERE id = ?", self.job)[0][0])
        reel = Reel(
            scene=self.scene,
            settings=self.settings,
            names=self.names,
            frames=[(int(row["frame"]), Path(row["path"])) for row in rows],
            output=self.output,
            measured=measured,
            project=str(self.names.get("home", "")),
            threads=self.settings.threads,
        )
        drop_leftovers(self.output)
        check_folder(self.output.parent)
        self._say(f"Encoding {self.output}.")
        try:
            encode(reel, progress=self._encoding, stop=self._reason)
        except BadFrame as fault:
            broken = fault.frame
            with self.queue.store.write() as db:
                move_frames(db, self.job, "again", lambda row: row["frame"] == broken)
            self._say(_sentence(fault))
            raise Stopped from fault
        for row in rows:
            Path(row["path"]).unlink(missing_ok=True)

    def _encoding(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._told >= _TELL_S:
            self._told = now
            with self.queue.store.write() as db:
                self._clock(db)
                message = f"Encoding the movie: {done} of {of} frames."
                db.execute("UPDATE jobs SET message = ? WHERE id = ?", (message, self.job))

    # --- what the database hears -------------------------------------------------------------------------------------
    def _reason(self, until: float = math.inf) -> str:
        """Why to stop, asked many times a second: the runner ends, the artist says so, a frame was not written, or
        the slice is over."""
        if self._writing is not None and self._writing.done() and self._writing.exception() is not None:
            return INTERRUPTED
        if self.fault is not None or self._halted:
            return INTERRUPTED
        now = time.monotonic()
        if now - self._asked >= _CONTROL_S:
            self._asked = now
            rows = self.queue.store.read("SELECT state FROM jobs WHERE id = ?", self.job)
            self._halted = "" if rows and rows[0]["state"] == "rendering" else "artist"
        if self._halted or self.outer_stop():
            return INTERRUPTED
        return OUT_OF_TIME if now >= until else ""

    def _stopped(self) -> NoReturn:
        """Raise why there was a reason to stop: what the writer or the database met, or that somebody asked."""
        if self._writing is not None and self._writing.done():
            self._settle()
        raise self.fault or Stopped

    def _progress(self, now: FrameProgress, seconds: float) -> None:
        self.progress(self.job, now)
        clock = time.monotonic()
        if clock - self._told < _TELL_S:
            return
        self._told = clock
        try:
            with self.queue.store.write() as db:
                self._clock(db)
                db.execute(
                    "UPDATE frames SET samples = ?, seconds = ? WHERE job = ? AND frame = ?",
                    (now.samples, seconds, self.job, int(now.frame)),
                )
        except CannotWrite as fault:
            self.fault = fault  # raised where the film can be kept first

    def _clock(self, db: Any) -> None:
        now = time.time()
        db.execute(
            "UPDATE jobs SET elapsed = elapsed + max(? - coalesce(since, ?), 0), since = ? WHERE id = ?",
            (now, now, now, self.job),
        )

    def _event(self, event: JobEvent, message: str = "") -> bool:
        with self.queue.store.write() as db:
            rows = db.execute("SELECT state FROM jobs WHERE id = ?", (self.job,)).fetchall()
            new = next_job(rows[0]["state"], event) if rows else None
            if new is None:
                return False
            now = time.time()
            if event == "start":
                db.execute(
                    "UPDATE jobs SET started = coalesce(started, ?), since = ?, finished = NULL WHERE id = ?",
                    (now, now, self.job),
                )
            else:
                self._clock(db)
            ended = now if new in ("done", "failed", "cancelled") else None
            db.execute(
                "UPDATE jobs SET state = ?, message = ?, finished = ? WHERE id = ?", (new, message, ended, self.job)
            )
            return True

    def _leave(self, event: JobEvent, message: str) -> None:
        if self._event(event, message):
            self._say(message or "Done.")

    def _leave_stopped(self) -> None:
        """Somebody stopped us: the artist, who has set the state, or the runner's end, which leaves it waiting."""
        if self.fault is not None:
            self._leave("pause", _sentence(self.fault))
        elif not self._event("release"):
            with self.queue.store.write() as db:
                self._clock(db)

    def _release_frames(self) -> None:
        """Frames at work wait again, or are given up with their job."""
        rows = self.queue.store.read("SELECT state FROM jobs WHERE id = ?", self.job)
        cancelled = bool(rows) and rows[0]["state"] == "cancelled"
        with self.queue.store.write() as db:
            move_frames(db, self.job, "cancel" if cancelled else "release")

    def _frame_event(self, frame: int, event: FrameEvent, **values: Any) -> None:
        with self.queue.store.write() as db:
            self._frame_update(db, frame, event, **values)

    def _frame_update(self, db: Any, frame: int, event: FrameEvent, **values: Any) -> None:
        row = db.execute("SELECT state FROM frames WHERE job = ? AND frame = ?", (self.job, frame)).fetchone()
        new = next_frame(row["state"], event) if row is not None else None
        if new is None:
            return
        names = ", ".join(f"{name} = ?" for name in ("state", *values))
        db.execute(f"UPDATE frames SET {names} WHERE job = ? AND frame = ?", (new, *values.values(), self.job, frame))

    def _say(self, sentence: str) -> None:
        try:
            self.queue.say(self.job, sentence)
        except UsageError:
            return  # the job was removed meanwhile


def _sentence(fault: Exception) -> str:
    text = str(fault)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


__all__ = ["CHECKPOINT_S", "REMOVE", "Work"]
