"""From an edit to borrowed samples: what an edit of one light sends, and how soon nodes' samples are in the picture.

    python benchmarks/borrow.py [DEMO] [--size 320x180] [--nodes 2] [--turns 5] [--alone] [--json | --markdown]

A live render and nodes of this machine, one thread each, share the samples of a demo scene through a store in a folder.
Every turn dims one lamp. Times run from `show` to a picture of the edited scene: the first of this machine's own coarse
samples, and the first with samples of nodes. Medians of the turns; the first picture, before which nodes compile, is
not among them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.measure import Row, machine, options, say, tell
from studio.assets.demo import build
from studio.farm.live.borrower import FAREWELL_S, Borrower
from studio.farm.live.loan import Wanted
from studio.farm.local import LocalFarm
from studio.render.interactive import InteractiveRender
from studio.render.live_share import Offer
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from studio.scene.scene import Scene

PATIENCE_S = 600.0
REST_S = 1.0  # between two turns
COLUMNS = {
    "scene": "scene",
    "lights": "lights",
    "nodes": "nodes",
    "whole_bytes": "scene, bytes",
    "whole_ms": "scene, ms",
    "edit_bytes": "edit, bytes",
    "edit_ms": "edit, ms",
    "own_s": "own picture, s",
    "borrowed_s": "nodes' samples, s",
}


class Lit:
    """A live render that borrows nodes of a farm."""

    def __init__(self, farm: LocalFarm, *, share: float, alone: bool) -> None:
        self.shown: list[tuple[FlatScene, Scene]] = []
        self.render = InteractiveRender(device="cpu", threads=1)
        self.loan = Borrower(
            farm.store,
            deliver=lambda film, samples, number, header: self.render.add(film, samples, number, device=header.device),
            renew=self.render.renew,
        )
        self.render.lend("all" if alone else "share", share=share, offered=self._offered)

    def _offered(self, offer: Offer | None) -> None:
        if offer is None:
            self.loan.want(None)
            return
        scene = next(scene for flat, scene in self.shown if flat is offer.flat)
        self.loan.want(Wanted.of(offer, scene))

    def show(self, scene: Scene, settings: RenderSettings) -> tuple[float, float]:
        """Seconds until a picture of the scene is there, and until it has samples of nodes."""
        flat = flatten(scene, scene.frame_start, previous=self.shown[-1][0] if self.shown else None)
        self.shown.append((flat, scene))
        begun = time.monotonic()
        self.render.show(flat, settings)
        own = 0.0
        while time.monotonic() - begun < PATIENCE_S:
            frame = self.render.latest()
            if frame is not None and frame.flat is flat:
                own = own or time.monotonic() - begun
                if frame.borrowed:
                    return own, time.monotonic() - begun
            time.sleep(0.005)
        raise SystemExit(
            f"no node has helped within {PATIENCE_S:.0f} s: {self.loan.loan.sentence or 'nobody says why'}"
        )

    def close(self) -> None:
        """Give the nodes back."""
        self.loan.close()
        self.render.close()
        self.loan.wait(FAREWELL_S)


def measured(name: str, settings: RenderSettings, args: argparse.Namespace) -> Row:
    """A row for a scene."""
    scene = build(name)
    lamp = next(id_ for id_, entity in scene.entities.items() if isinstance(entity, Light))
    with tempfile.TemporaryDirectory() as place:
        store, cache = Path(place) / "store", Path(place) / "cache"
        with LocalFarm(store, nodes=args.nodes, threads=1, device="cpu", cache=cache) as farm:
            lit = Lit(farm, share=1 / (1 + args.nodes), alone=args.alone)
            try:
                lit.show(scene, settings)
                whole = lit.loan.loan
                own, borrowed, sent, took = [], [], [], []
                for turn in range(args.turns):
                    time.sleep(REST_S)
                    times = lit.show(scene.replace(lamp, exposure=0.1 * (turn + 1)), settings)
                    say(f"{name}, turn {turn + 1}: {times[0]:.2f} s, {times[1]:.2f} s")
                    own.append(times[0])
                    borrowed.append(times[1])
                    sent.append(lit.loan.loan.bytes)
                    took.append(1000 * lit.loan.loan.seconds)
            finally:
                lit.close()
    return {
        "scene": name,
        "lights": len(lit.shown[-1][0].lights),
        "nodes": args.nodes,
        "whole_bytes": whole.bytes,
        "whole_ms": 1000 * whole.seconds,
        "edit_bytes": round(statistics.median(sent)),
        "edit_ms": statistics.median(took),
        "own_s": statistics.median(own),
        "borrowed_s": statistics.median(borrowed),
    } | machine()


def main() -> int:
    """Measure, and say it."""
    parser = options(__doc__)
    parser.add_argument("demo", nargs="?", default="hall")
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="nodes do all of it")
    args = parser.parse_args()
    width, height = (int(part) for part in args.size.split("x"))
    tell([measured(args.demo, RenderSettings(width=width, height=height, samples=4096), args)], COLUMNS, args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
