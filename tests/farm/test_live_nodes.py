"""A live view with real nodes of this machine: edits, a node that is killed, and the bits at rest."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from studio.farm.live.borrower import Borrower
from studio.farm.live.loan import Wanted
from studio.farm.local import LocalFarm
from studio.render.film import Film
from studio.render.interactive import InteractiveRender
from studio.render.live_frame import LiveFrame
from studio.render.live_share import Offer
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.scene import Scene
from tests.render.stage import settings, stage

pytestmark = pytest.mark.slow
SETTINGS = settings(width=64, height=48, samples=64, aovs=("albedo", "normal"))
PATIENCE_S = 240.0


def sha(film: Film) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in film.buffers().values())).hexdigest()


class Lit:
    """A live render whose samples nodes of a store render too, with every frame that it showed."""

    def __init__(self, farm: LocalFarm) -> None:
        self.condition = threading.Condition()
        self.frames: list[LiveFrame] = []
        self.scenes: list[tuple[FlatScene, Scene]] = []
        self.render = InteractiveRender(device="cpu", threads=1, notify=self._hear)
        self.borrower = Borrower(
            farm.store,
            deliver=lambda film, span, generation, header: self.render.add(
                film, span, generation, device=header.device
            ),
            renew=self.render.renew,
        )

    def _hear(self) -> None:
        frame = self.render.latest()
        with self.condition:
            if frame is not None:
                self.frames.append(frame)
            self.condition.notify_all()

    def offered(self, offer: Offer | None) -> None:
        if offer is None:
            self.borrower.want(None)
            return
        scene = next(scene for flat, scene in self.scenes if flat is offer.flat)
        self.borrower.want(Wanted.of(offer, scene))

    def show(self, scene: Scene) -> FlatScene:
        flat = flatten(scene, 1.0, previous=self.scenes[-1][0] if self.scenes else None)
        self.scenes.append((flat, scene))
        self.render.show(flat, SETTINGS)
        return flat

    def until(self, what: Callable[[LiveFrame], bool], *, since: int = 0) -> LiveFrame:
        with self.condition:
            found = lambda: next((f for f in self.frames[since:] if what(f)), None)  # noqa: E731
            assert self.condition.wait_for(lambda: found() is not None, PATIENCE_S), (
                self.frames[-1:],
                self.borrower.loan,
            )
            return found()

    def film(self) -> Film:
        done, got = threading.Event(), []
        self.render.take_film(lambda film, frame: (got.append(film), done.set()))
        assert done.wait(PATIENCE_S)
        return got[0]

    def close(self) -> None:
        self.borrower.close()
        self.render.close()


def test_edits_and_a_dead_node_end_in_the_bits_of_a_final_render(tmp_path: Path) -> None:
    scene = stage()
    last = scene.replace("key", intensity=7.0, translation=(0.5, 2.0, 1.0))
    with LocalFarm(tmp_path / "store", nodes=2, threads=1, device="cpu", cache=tmp_path / "cache") as farm:
        lit = Lit(farm)
        try:
            lit.render.lend("share", share=0.2, offered=lit.offered)
            lit.show(scene)
            lit.until(lambda f: f.borrowed > 0)
            lit.show(scene.replace("key", intensity=50.0))
            flat = lit.show(last)
            edited = len(lit.frames)
            lit.until(lambda f: f.flat is flat and f.borrowed > 0, since=edited)
            os.kill(farm.pids[0], signal.SIGKILL)
            at_rest = lit.until(lambda f: f.flat is flat and f.complete and f.exact and f.state == "done")
            assert at_rest.samples == 64 and 0 < at_rest.borrowed < 64
            shared = lit.film()
            # what came of an earlier scene is in no picture of a later one
            first = next(i for i, f in enumerate(lit.frames) if f.flat is flat)
            assert all(f.flat is flat for f in lit.frames[first:])

            begun = len(lit.frames)
            lit.render.lend("all")
            alone = lit.until(lambda f: f.complete and f.exact and f.borrowed == 64, since=begun)
            nodes_only = lit.film()
            final = lit.until(lambda f: f.number > alone.number, since=begun)

            lit.borrower.close()
            assert lit.borrower.wait(PATIENCE_S)
            lit.render.lend("")
            again = flatten(last, 1.0)
            lit.render.show(again, SETTINGS)  # this machine alone, which ends in the bits of a final render
            lit.until(lambda f: f.flat is again and f.complete and f.exact and not f.borrowed)
            whole = lit.film()
        finally:
            lit.close()
    assert sha(shared) == sha(nodes_only) == sha(whole)
    assert np.array_equal(final.layers["beauty"], whole.beauty()), "the pixels too"
    assert not list(farm.store.list("live")) and not list(farm.store.list("jobs"))
