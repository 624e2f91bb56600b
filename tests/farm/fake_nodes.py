"""Nodes without a renderer, in threads: what they hand in are films whose sums say which samples they are."""

from __future__ import annotations

import threading
import time

import numpy as np

from studio.farm.node import FarmNode
from studio.farm.service import Service
from studio.render.device import DeviceInfo
from studio.render.film import Film
from studio.render.session import INTERRUPTED, FrameProgress, FrameResult, layout_of
from studio.scene.scene import Scene


def film_of(flat, settings) -> Film:
    """The film of a range of samples: every sum is that of the numbers of its samples, plus what the lights give."""
    film = Film.of(layout_of(flat, settings))
    last = settings.first_sample + settings.samples
    light = int(float(flat.lights["emission"].sum()) * 1000) % 9973
    film.sums[...] = sum(range(settings.first_sample, last)) + light * settings.samples
    film.counts[...] = settings.samples
    return film


class FakeSession:
    """A render session that takes `sample_s` for a sample."""

    def __init__(self, *, sample_s: float = 0.0, device: str = "fake") -> None:
        self.info = DeviceInfo("cpu", "a fake", device)
        self.sample_s = sample_s
        self.begun = 0

    def render_frame(self, flat, settings, *, following=None, stop=lambda: "", progress=lambda now: None, **_):
        self.begun += 1
        done, begun, stopped = 0, time.perf_counter(), ""
        while done < settings.samples:
            stopped = stop()
            if stopped == INTERRUPTED or (stopped and done):
                break
            time.sleep(self.sample_s)
            done += 1
            progress(FrameProgress(flat.frame, done, settings.samples, 0.0))
        import msgspec

        film = film_of(flat, msgspec.structs.replace(settings, samples=done))
        seconds = {"build": 0.0, "render": max(time.perf_counter() - begun, 1e-6)}
        return FrameResult(film, stopped if done < settings.samples else "", seconds, 0, 0, self.info)


class Crew:
    """A service whose clock ticks, and nodes that work for it. Use it in a `with`."""

    def __init__(self, service: Service, scenes: dict[str, Scene], *, nodes: int = 1, sample_s: float = 0.0) -> None:
        self.service = service
        self.sessions = [FakeSession(sample_s=sample_s) for _ in range(nodes)]
        self.nodes = [
            FarmNode(service, service.store, session, node_id=f"n{i}", fetch=lambda store, job: scenes[job.spec.bundle])
            for i, session in enumerate(self.sessions)
        ]
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=node.run, daemon=True) for node in self.nodes]
        self._threads.append(threading.Thread(target=self._tick, daemon=True))
        for thread in self._threads:
            thread.start()

    def _tick(self) -> None:
        while not self._closing.wait(0.02):
            self.service.tick()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *fault: object) -> None:
        for node in self.nodes:
            node.stop()
        self._closing.set()
        for thread in self._threads:
            thread.join(20.0)


def same_sums(one: Film, other: Film) -> bool:
    return np.array_equal(one.sums, other.sums) and np.array_equal(one.counts, other.counts)
