"""A node at work: asks for units, renders them with the studio's own session, and delivers what it has in parts.

It renders on until it has rendered for as long as a checkpoint is worth, hands that in, and goes on with the same
lights learned, so that nobody ever loses more than that. A thread of its own reports meanwhile and hears what the
coordinator wants: to stop at a sample, or to give up. When the coordinator is gone, the node keeps rendering, tries
again, and offers its unit to the next one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import CannotWrite, StudioError, UsageError
from studio.farm.jobs import RenderJob, is_adaptive, part_key, read_job
from studio.farm.live.job import edited, seen
from studio.farm.model import JobId, Lease, NodeInfo, Report, Result, Usage
from studio.farm.policy import Policy
from studio.farm.rounds import Choices
from studio.farm.store import Store
from studio.farm.verify import digest_of, header_blocks
from studio.farm.wire import Desk, Stranger
from studio.render.checkpoint import build_id, header_of, part_bytes
from studio.render.session import INTERRUPTED, OUT_OF_TIME, FrameProgress, FrameResult, RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flat_camera import active_camera
from studio.scene.flatten import flatten
from studio.scene.scene import Scene

T = TypeVar("T")
Fetch = Callable[[Store, RenderJob], Scene]
_POLL_S = 0.5
_TICK_S = 0.1  # how exactly reports keep their time
_MOST_LIVE = 16  # live jobs that a node remembers


@dataclass(slots=True)
class _Unit:
    """The unit at work, between the two threads."""

    lease: Lease
    at: int  # samples before this are delivered
    last: int
    done: int = 0  # samples rendered, from the first of the lease
    pixels: NDArray[np.bool_] | None = None  # that it is of; None: all
    phase: str = "fetch"
    dropped: bool = False

    def report(self) -> Report:
        return Report(done=self.done, kept=self.at - self.lease.range[0], phase=self.phase)  # type: ignore[arg-type]

    def obey(self, order: str, at: int) -> None:
        """Do what the coordinator says."""
        if order == "drop":
            self.dropped = True
        elif order == "stop":
            self.last = max(min(self.last, at), self.at)


class FarmNode:
    """One device of a machine that works for a farm."""

    def __init__(
        self,
        desk: Desk,
        store: Store,
        session: RenderSession,
        *,
        node_id: str,
        name: str = "",
        fetch: Fetch,
        policy: Policy | None = None,
        checkpoint_s: float = 60.0,
        cores: int = 1,
        memory_bytes: int = 0,
        score: float = 1.0,
        trust: int = 0,
        slowdown: float = 1.0,
        allow: Callable[[RenderJob], None] = lambda job: None,
    ) -> None:
        self._desk, self._store, self._session, self._fetch = desk, store, session, fetch
        self._policy = policy or Policy()
        self._checkpoint_s = checkpoint_s
        self._slowdown = slowdown
        self._allow = allow  # raises for a job that this node has nothing to do with
        device = session.info
        self.info = NodeInfo(
            id=node_id,
            name=name or node_id,
            backend=device.backend,
            device=device.device_class,
            build=build_id(),
            cores=cores,
            memory_bytes=memory_bytes,
            score=score,
            trust=trust,
        )
        self._stop = threading.Event()
        self._refused: UsageError | None = None
        self._unit: _Unit | None = None
        self._offering = threading.Lock()
        self._choices = Choices(store)
        self._jobs: dict[JobId, RenderJob] = {}
        self._scene: tuple[str, Scene] | None = None
        self._flat: tuple[tuple[JobId, float], FlatScene] | None = None
        self._after: tuple[tuple[JobId, float], FlatScene] | None = None
        self._edited: tuple[JobId, Scene] | None = None

    def stop(self) -> None:
        """End after what can be delivered now. Any thread may call it."""
        self._stop.set()

    def run(self, *, until_idle: bool = False) -> int:
        """Work until stopped (or until there is nothing to do); the number of units that were finished."""
        finished = 0
        reporter = threading.Thread(target=self._report, name="studio-farm-reporter", daemon=True)
        self._patiently(lambda: self._desk.join(self.info))
        reporter.start()
        try:
            while not self._stop.is_set():
                lease = self._patiently(lambda: self._desk.ask(self.info.id))
                if lease is not None:
                    finished += self._work(lease)
                elif until_idle:
                    break
                else:
                    self._stop.wait(_POLL_S)
        finally:
            self._stop.set()
            reporter.join()
            with contextlib.suppress(StudioError):  # who does not answer notices by itself
                self._desk.leave(self.info.id)
        if self._refused is not None:
            raise self._refused
        return finished

    # --- a unit ------------------------------------------------------------------------------------------------------
    def _work(self, lease: Lease) -> bool:
        """Render and deliver a unit; whether it was finished."""
        unit = self._unit = _Unit(lease, at=lease.range[0], last=lease.range[1])
        begun = time.perf_counter()
        try:
            job, flat = self._prepare(unit)
            load_s = time.perf_counter() - begun
            while unit.at < unit.last and not unit.dropped:
                result = self._render(unit, job, flat)
                counts = result.film.counts if unit.pixels is None else result.film.counts[unit.pixels]
                count = int(counts.min(initial=1 << 30))
                if not count or unit.dropped:
                    break
                usage = Usage(
                    core_s=result.seconds["render"] * self.info.cores,
                    device_s=result.seconds["render"] if self.info.backend != "cpu" else 0.0,
                    load_s=load_s,
                    render_s=result.seconds["render"],
                )
                load_s = 0.0
                if not self._deliver(unit, job, flat, result, count, usage) or self._stop.is_set():
                    break
        except StudioError as fault:
            code, text = fault.code, str(fault)
            self._patiently(lambda: self._desk.fail(lease.attempt, code, text))
        finally:
            self._unit = None
        if self._stop.is_set() and unit.at < unit.last:
            self._patiently(lambda: self._desk.fail(lease.attempt, 143, "stopped"))
        return unit.at >= unit.last

    def _prepare(self, unit: _Unit) -> tuple[RenderJob, FlatScene]:
        lease = unit.lease
        job = self._jobs.get(lease.job)
        if job is None:
            job = read_job(self._store, lease.job)
            self._allow(job)
            self._remember(job)
        if self._scene is None or self._scene[0] != job.spec.bundle:
            self._scene = job.spec.bundle, self._fetch(self._store, job)
        unit.pixels = self._choices.pixels(job, job.spec.pieces[lease.piece], lease.range, lease.blocks)
        unit.phase = "load"
        key = lease.job, job.spec.pieces[lease.piece].frame
        if self._flat is None or self._flat[0] != key:
            before = self._flat[1] if self._flat is not None else None
            self._flat = key, seen(self._scene_of(job), job, key[1], previous=before)
        return job, self._flat[1]

    def _scene_of(self, job: RenderJob) -> Scene:
        """The scene of a job: its bundle's, with the job's own changes."""
        assert self._scene is not None
        if self._edited is None or self._edited[0] != job.spec.id:
            self._edited = job.spec.id, edited(self._scene[1], job)
        return self._edited[1]

    def _remember(self, job: RenderJob) -> None:
        """Keep a job for its next unit; of live ones, which come with every edit, only the last few."""
        self._jobs[job.spec.id] = job
        live = [id_ for id_, known in self._jobs.items() if known.spec.live]
        for id_ in live[:-_MOST_LIVE]:
            del self._jobs[id_]

    def _render(self, unit: _Unit, job: RenderJob, flat: FlatScene) -> FrameResult:
        """Samples from where the unit stands: to its end, or for as long as until a checkpoint."""
        settings = self._settings(unit, job, unit.last - unit.at)
        until = time.monotonic() + max(self._checkpoint_s, unit.lease.checkpoint_s)
        first = unit.lease.range[0]
        wanted = unit.last

        def reason() -> str:
            if unit.dropped and job.spec.live and unit.phase != "render":
                return ""  # ending a worker that learns its lights would cost the next scene more than this one
            if unit.dropped:
                return INTERRUPTED
            return OUT_OF_TIME if self._stop.is_set() or unit.last < wanted or time.monotonic() > until else ""

        def progress(now: FrameProgress) -> None:
            unit.phase = "render"
            unit.done = max(unit.done, unit.at - first + int(now.samples))

        following = self._following(job, flat)
        result = self._session.render_frame(
            flat, settings, following=following, stop=reason, progress=progress, only=unit.pixels
        )
        if self._slowdown > 1.0:  # a slow machine, for tests
            self._stop.wait(result.seconds["render"] * (self._slowdown - 1.0))
        return result

    def _deliver(
        self, unit: _Unit, job: RenderJob, flat: FlatScene, result: FrameResult, count: int, usage: Usage
    ) -> bool:
        """Write a partial to the store and hand it in; whether the unit goes on."""
        unit.phase = "write"
        lease = unit.lease
        piece = job.spec.pieces[lease.piece]
        samples = unit.at, unit.at + count
        settings = self._settings(unit, job, count)
        frame = job.settings.crop or (0, 0, settings.width, settings.height)
        header = header_of(
            flat,
            settings,
            self._session.info,
            following=self._following(job, flat),
            region=frame if piece.crop else settings.crop,
            total=None if is_adaptive(job) else (piece.first, piece.samples),
            blocks=header_blocks(job, lease.blocks),
        )
        data = part_bytes(result.film, header)
        key = part_key(lease.job, piece, samples, lease.attempt)
        made = Result(range=samples, key=key, digest=digest_of(data), usage=usage)
        self._patiently(lambda: self._store.put(key, data))
        try:
            verdict = self._patiently(lambda: self._desk.deliver(lease, made))
        except Stranger:  # the coordinator of now has given it to somebody else
            verdict = "late"
        if verdict != "taken":
            self._store.delete(key)
            return False
        unit.at = samples[1]
        unit.done = max(unit.done, unit.at - lease.range[0])
        return True

    def _following(self, job: RenderJob, flat: FlatScene) -> FlatScene | None:
        """The next frame, where motion is asked for; it is what one camera sees, whoever takes that picture."""
        if "motion" not in job.settings.aovs or job.spec.live or self._scene is None:
            return None
        key = job.spec.id, flat.frame
        if self._after is None or self._after[0] != key:
            camera = job.camera or active_camera(self._scene[1], flat.frame)
            self._after = key, flatten(self._scene[1], flat.frame + 1, previous=flat, camera=camera)
        return self._after[1]

    def _settings(self, unit: _Unit, job: RenderJob, count: int) -> RenderSettings:
        piece = job.spec.pieces[unit.lease.piece]
        crop = piece.crop or job.settings.crop
        return msgspec.structs.replace(job.settings, crop=crop, first_sample=unit.at, samples=count)

    # --- the other thread --------------------------------------------------------------------------------------------
    def _report(self) -> None:
        """Say how far the unit is, every while, and take orders. Who does not answer is asked again the next time."""
        told = time.monotonic()
        while not self._stop.wait(min(_TICK_S, self._policy.report_s)):
            unit = self._unit
            every = self._policy.report_s if unit is None else unit.lease.report_s or self._policy.report_s
            if unit is None or time.monotonic() - told < min(every, self._policy.report_s):
                continue
            told = time.monotonic()
            try:
                self._tell(unit)
            except CannotWrite:
                continue
            except UsageError as fault:  # its token counts no more: whatever it renders, nobody takes it
                self._refused = fault
                unit.dropped = True
                self._stop.set()

    def _tell(self, unit: _Unit) -> None:
        try:
            unit.obey(*self._desk.report(unit.lease.attempt, unit.report()))
        except Stranger:
            self._offer()

    def _offer(self) -> None:
        """Offer the unit at work, and the node, to a coordinator that does not know them. Both threads may find out."""
        with self._offering:
            unit = self._unit
            if unit is None:
                self._desk.join(self.info)
                return
            try:
                order = self._desk.adopt(unit.lease, unit.report())
            except Stranger:
                self._desk.join(self.info)
                order = self._desk.adopt(unit.lease, unit.report())
            unit.obey(*order)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Do something that needs the coordinator or the store, again and again while they do not answer."""
        wait = 0.2
        while True:
            try:
                return call()
            except Stranger:
                self._offer()
                if self._unit is not None and self._unit.dropped:
                    raise
            except CannotWrite:
                if self._stop.wait(wait):
                    raise
                wait = min(wait * 2, 30.0)
