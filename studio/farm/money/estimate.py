"""What a request will take, by a pilot on this machine: how `quote` is asked with the renderer at hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.errors import Cancelled
from studio.farm.model import NodeInfo
from studio.farm.money import quote as quoting
from studio.farm.money.prices import PriceList, Row
from studio.farm.money.quote import Measure, Pilot, Probe, Quote, Request, Span
from studio.farm.score import score_of
from studio.farm.simulate import Costs, Crowd
from studio.farm.submission import Submission
from studio.render.checkpoint import build_id
from studio.render.device import system_memory
from studio.render.session import RenderSession
from studio.scene.scene import Scene

FREE = PriceList(version="none", currency="EUR", rows={"": Row()})
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # nodes of a curve
PROBES = 1 + 3 * 3  # of a pilot beside its looks, at most


@dataclass(frozen=True, slots=True)
class Estimate:
    """A quote, and what it was made of: asked again for other machines or prices, nothing is rendered again."""

    request: Request
    pilot: Pilot
    here: NodeInfo
    prices: PriceList
    quote: Quote

    def at(self, nodes: int, prices: PriceList | None = None) -> Estimate:
        """The same on another number of nodes, or by other prices."""
        paid = prices or self.prices
        told = quoting.quote(self.request, self.pilot, paid, node=self.here, nodes=nodes, here=self.here)
        return Estimate(self.request, self.pilot, self.here, paid, told)


def request_of(submission: Submission) -> Request:
    """What is rendered, for the quote."""
    settings = submission.settings
    return Request(
        frames=tuple(submission.frames),
        width=settings.width,
        height=settings.height,
        samples=settings.samples,
        adaptive=settings.error > 0,
        denoise=submission.look.denoise,
    )


def estimate(
    scene: Scene,
    submission: Submission,
    *,
    nodes: int = 1,
    prices: PriceList | None = None,
    device: str = "auto",
    threads: int = 0,
    stop: Callable[[], str] = lambda: "",
    progress: Callable[[Probe, int, int], None] = lambda probe, done, of: None,
) -> Estimate:
    """Render a pilot and say what the request will take. `progress` hears of each probe before it is rendered, how many
    were, and how many there will be at most. Raises Cancelled when `stop` gives a reason."""
    request, of = request_of(submission), probes_of(submission)
    with RenderSession(device=device, threads=threads) as session:
        probes = quoting.session_measure(session, scene, submission.settings, camera=submission.camera, stop=stop)
        found = pilot(request, probes, stop=stop, progress=lambda probe, done: progress(probe, done, of))
        here = NodeInfo(
            id="here",
            backend=session.info.backend,
            device=session.info.device_class,
            build=build_id(),
            cores=threads or os.cpu_count() or 1,
            memory_bytes=system_memory(),
            score=score_of(session.info.backend, threads=threads).value,
        )
    paid = prices or FREE
    told = quoting.quote(request, found, paid, node=here, nodes=nodes, here=here)
    return Estimate(request, found, here, paid, told)


def pilot(
    request: Request,
    probes: Measure,
    *,
    stop: Callable[[], str] = lambda: "",
    progress: Callable[[Probe, int], None] = lambda probe, done: None,
) -> Pilot:
    """`quote.pilot`, told about and stopped between two probes."""
    done = 0

    def measure(probe: Probe) -> quoting.Measured:
        nonlocal done
        if stop():
            raise Cancelled("the pilot was stopped")
        progress(probe, done)
        done += 1
        return probes(probe)

    return quoting.pilot(request, measure)


def probes_of(submission: Submission) -> int:
    """How many probes a pilot of a request has at most."""
    return min(len(submission.frames), quoting.LOOKS) + PROBES


def curve(of: Estimate, counts: Sequence[int] = COUNTS) -> list[tuple[int, Span]]:
    """Seconds of the clock by the number of nodes, likely and in nine of ten cases."""
    told, times = of.quote, Costs(load_s=max(of.pilot.load_s, 1.0))
    return [
        (
            nodes,
            Span(
                p50=quoting.wall_s(told.node_s.p50, nodes, costs=times),
                p90=quoting.wall_s(told.node_s.p90, nodes, costs=times, crowd=Crowd(nodes=nodes, failures_h=0.01)),
            ),
        )
        for nodes in counts
    ]
