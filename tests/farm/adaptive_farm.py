"""An adaptive job without a renderer: sessions whose samples are noise, a farm that works in turns, and the render on
one machine that its pictures are held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.farm.jobs import chains, claimed
from studio.farm.merge import merged
from studio.farm.model import Event, Result
from studio.farm.node import FarmNode
from studio.farm.policy import Policy
from studio.farm.rounds import cut_out
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.farm.submission import Submission, plan_job, send_scene
from studio.render.adaptive import BLOCK_PX
from studio.render.device import DeviceInfo
from studio.render.film import Film, in_half
from studio.render.session import FrameProgress, FrameResult, _Frame, layout_of
from studio.render.settings import RenderSettings
from studio.scene.flatten import flatten
from tests.render.stage import stage

MOST = 128
SETTINGS = RenderSettings(width=44, height=28, samples=MOST, error=0.05)
POLICY = Policy(first_s=4.0, longest_s=8.0, tail_s=3.0, blocks_after=1000)


class NoisySession:
    """A render session whose samples are noise that is a function of pixel and number, more of it to the right."""

    def __init__(self, *, calm: bool = False) -> None:
        self.info = DeviceInfo("cpu", "a fake", "fake")
        self.calm = calm  # what it hands in has no noise, though it says nothing of that
        self.samples = 0  # of pixels, that it rendered

    def render_frame(self, flat, settings, *, stop=lambda: "", progress=lambda now: None, only=None, **_):
        film = Film.of(layout_of(flat, settings))
        self.add(film, settings.first_sample, settings.samples, only)
        progress(FrameProgress(flat.frame, settings.samples, settings.samples, 0.0))
        return FrameResult(film, "", {"build": 0.0, "render": 0.01}, 0, 0, self.info)

    def add(self, film: Film, first: int, count: int, only) -> None:
        x0, y0, x1, y1 = film.crop
        y, x = np.mgrid[y0:y1, x0:x1]
        pixels = np.ones(x.shape, bool) if only is None else only
        self.samples += int(pixels.sum()) * count
        spread = 0.0 if self.calm else 0.9 * (x // BLOCK_PX * BLOCK_PX) / film.layout.width
        for sample in range(first, first + count):
            coin = (x * 73856093 ^ y * 19349663 ^ sample * 83492791) % 1009 / 504.0 - 1.0
            value = np.where(pixels, 1.0 + spread * coin, 0.0)
            whole = np.rint(np.ldexp(value, film.exponent)).astype(np.int64)
            film.sums[..., :3] += whole[..., None]
            film.sums[..., 3] += np.where(pixels, 1 << 40, 0)
            film.squares[...] += np.rint(np.ldexp(value**2, film.square_exponent)).astype(np.int64)
            if in_half(sample):
                film.halves[...] += whole[..., None]
                film.half_counts[...] += pixels
        film.counts[...] += np.where(pixels, count, 0)


def one_machine(settings: RenderSettings = SETTINGS) -> Film:
    """The film of a render on one machine: the decisions of a session, without its worker."""
    flat = flatten(stage(), 1.0)
    layout = layout_of(flat, settings)
    frame = _Frame(flat, None, settings, layout, Film.of(layout), lambda: "", lambda now: None, lambda: False)
    while (plan := frame.next_round()) is not None:
        done, count, listed = plan
        only = None
        if listed is not None:
            only = np.zeros((settings.height, settings.width), bool)
            only.reshape(-1)[listed] = True
            only = cut_out(only, (0, 0, settings.width, settings.height), frame.film.crop)
        NoisySession().add(frame.film, done, count, only)
    return frame.film


class Farm:
    """A store with an adaptive job of one frame, and coordinators that follow each other."""

    def __init__(self, folder: Path, **asked: object) -> None:
        self.store = open_store(folder / "store")
        self.events: list[Event] = []
        sent = send_scene(self.store, folder / "stage", stage())
        request = Submission(**{"settings": SETTINGS, "frames": (1.0,), **asked})  # type: ignore[arg-type]
        self.job = plan_job(request, sent, scene_name="stage")
        self.begin()

    def begin(self) -> Service:
        """Another coordinator; the one before is gone without a word."""
        self.service = Service(self.store, policy=POLICY, listener=self.events.append, aside=lambda work: work())
        self.service.submit(self.job)
        return self.service

    def node(self, name: str, session: NoisySession | None = None) -> FarmNode:
        made = session or NoisySession()
        scene = stage()
        return FarmNode(
            self.service,
            self.store,
            made,
            node_id=name,
            fetch=lambda store, job: scene,
            memory_bytes=1 << 30,  # type: ignore[arg-type]
        )

    def work(self, *nodes: FarmNode, rounds: int = 1000) -> None:
        """Have nodes work in turn, a unit each, until the job is over or so many rounds were decided."""
        for node in nodes:
            self.service.join(node.info)
        for _ in range(500):
            for node in nodes:
                lease = self.service.ask(node.info.id)
                if lease is not None:
                    node._work(lease)
            self.service.tick()
            if self.service.coordinator.over(self.job.spec.id) or self.decided >= rounds:
                return
        raise AssertionError("the job does not end")

    @property
    def decided(self) -> int:
        return sum(
            len(chain.ends) - 1 + (chain.final and chain.target < MOST) for chain in chains(self.store, self.job)
        )

    def film(self) -> Film:
        return merged(self.store, self.job, 0, claimed(self.store, self.job)[0])[0]

    def results(self) -> list[Result]:
        return self.service.coordinator.results(self.job.spec.id, 0)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def same(one: Film, other: Film) -> bool:
    return all(np.array_equal(one.buffers()[name], array) for name, array in other.buffers().items())
