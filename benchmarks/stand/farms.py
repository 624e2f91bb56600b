"""What the farm's benchmarks stand on: jobs in a folder, a session that only sleeps, and processor time of processes.

A node whose samples sleep is a true node in all but the light: it asks, reports, writes partials, delivers and is told
to stop. So a farm of four of them runs on two cores as it would on four machines.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.farm.bundles.bundle import make_bundle
from studio.farm.jobs import RenderJob
from studio.farm.model import JobSpec, Piece
from studio.farm.store import Store
from studio.render.device import DeviceInfo
from studio.render.film import Film, Layout
from studio.render.session import FrameProgress, FrameResult, StopReason, layout_of
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene

NOTHING = DeviceInfo("cpu", "nothing", "sleeper")
_TICK_S = 0.005


def job_of(
    store: Store, project: Path, settings: RenderSettings, *, name: str, expected_s: float = 0.0, frames: int = 1
) -> RenderJob:
    """A job of frames of a project, whose bundle is then in the store."""
    bundle, _ = make_bundle(project, store)
    pieces = tuple(Piece(frame=float(n + 1), samples=settings.samples) for n in range(frames))
    spec = JobSpec(id=name, name=name, bundle=bundle, pieces=pieces, expected_s=expected_s)
    return RenderJob(spec=spec, settings=settings, output="picture.####.exr")


@dataclass(slots=True)
class Sleeper:
    """A session whose samples take `sample_s` seconds each and whose first one of a scene `load_s` more.

    Its films have the samples that were asked for, and are black. All frames have one size and no crop.
    """

    sample_s: float
    load_s: float = 0.0
    info: DeviceInfo = NOTHING
    _loaded: FlatScene | None = None
    _layout: Layout | None = None
    _idle: threading.Event = field(default_factory=threading.Event)

    def render_frame(
        self,
        flat: FlatScene,
        settings: RenderSettings,
        *,
        following: FlatScene | None = None,
        stop: StopReason = lambda: "",
        progress: Callable[[FrameProgress], None] = lambda progress: None,
        only: NDArray[np.bool_] | None = None,
    ) -> FrameResult:
        """See `studio.render.session.RenderSession.render_frame`; all pixels have all samples."""
        build_s = 0.0
        if flat is not self._loaded:
            self._idle.wait(self.load_s)
            self._loaded, build_s, self._layout = flat, self.load_s, layout_of(flat, settings)
        assert self._layout is not None
        film = Film.of(self._layout)
        begun, done = time.perf_counter(), 0
        while done < settings.samples and not (done and stop()):
            ahead = begun + (done + 1) * self.sample_s - time.perf_counter()
            if ahead > 0:
                self._idle.wait(min(ahead, _TICK_S))
                continue
            now = time.perf_counter() - begun
            done = min(int(now / self.sample_s), settings.samples) if self.sample_s else settings.samples
            progress(FrameProgress(flat.frame, done, settings.samples, now))
        film.counts[...] = done
        seconds = {"build": build_s, "render": done * self.sample_s}
        return FrameResult(film, "", seconds, rays=0, peak_bytes=0, device=self.info)


def processor_s(*pids: int) -> float:
    """Processor time that processes and their children have used, with that of children that have ended (Linux)."""
    stats: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            stats[int(entry.name)] = int(fields[1]), sum(int(field) for field in fields[11:15])
    found = list(pids)
    for pid in found:
        found += [child for child, (parent, _) in stats.items() if parent == pid]
    return sum(stats[pid][1] for pid in found if pid in stats) / os.sysconf("SC_CLK_TCK")


def stages(events: list[Any], job: str) -> dict[str, int]:
    """How often each kind of event came of a job."""
    out: dict[str, int] = {}
    for event in events:
        if event.job == job:
            out[event.kind] = out.get(event.kind, 0) + 1
    return out
