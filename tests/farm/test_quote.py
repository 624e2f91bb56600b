"""Quotes: over scenes whose cost is known, p90 covers at least nine of ten and does not frighten anybody away."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest

from studio.errors import UsageError
from studio.farm.model import NodeInfo
from studio.farm.money.estimate import request_of
from studio.farm.money.prices import MILLION, PriceList, Row
from studio.farm.money.quote import Measured, Pilot, Probe, Request, pilot, quote, sentences, simulated_s, wall_s
from studio.farm.simulate import Costs
from studio.farm.submission import Submission
from studio.render.finish import Look
from studio.render.settings import RenderSettings

PRICES = PriceList(version="2026-1", currency="EUR", rows={"": Row(core_hour=20_000)})
HERE = NodeInfo(id="here", cores=2)
REQUEST = Request(frames=tuple(float(f) for f in range(1, 121)), width=1280, height=720, samples=256)


class Synthetic:
    """A scene with a true cost: a course over the frames, a fixed cost, an exponent of size, and a clock with noise."""

    def __init__(self, seed: int, *, noise: float = 0.04) -> None:
        rng = self.rng = random.Random(seed)
        self.noise = noise
        self.second = 10.0 ** rng.uniform(-7.5, -5.5)
        self.growth = rng.uniform(-0.04, 0.06)
        self.fixed = rng.uniform(0.0, 0.15)
        self.course: Callable[[float], float] = {
            0: lambda f: 1.0,
            1: lambda f: 1.0 + f / 60.0,
            2: lambda f: 1.0 + 2.0 * math.exp(-(((f - 70) / 20) ** 2)),
            3: lambda f: 1.5 + math.sin(f / 15.0),
            4: lambda f: 1.0 if f < 50 else 2.2,
        }[seed % 5]

    def render_s(self, frame: float, width: int, height: int, samples: int) -> float:
        pixels = width * height
        return self.course(frame) * self.second * pixels * samples * (pixels / (1280 * 720)) ** self.growth

    def __call__(self, probe: Probe) -> Measured:
        true = self.render_s(probe.frame, probe.width, probe.height, probe.samples)
        before = self.fixed * self.render_s(probe.frame, 160, 90, 8)
        return Measured(render_s=(true + before) * self.rng.lognormvariate(0.0, self.noise), load_s=2.0)

    def true_s(self, request: Request) -> float:
        return sum(self.render_s(f, request.width, request.height, request.samples) for f in request.frames)


def test_p90_covers_at_least_nine_of_ten_scenes_and_stays_near():
    covered, ratios, likely = [], [], []
    for seed in range(60):
        scene = Synthetic(seed)
        found = quote(REQUEST, pilot(REQUEST, scene), PRICES, node=HERE, nodes=8, here=HERE)
        true = scene.true_s(REQUEST)
        covered.append(true <= found.node_s.p90)
        ratios.append(found.node_s.p90 / true)
        likely.append(found.node_s.p50 / true)
    assert statistics.fmean(covered) >= 0.9
    assert statistics.median(ratios) < 1.8
    assert 0.8 < statistics.median(likely) < 1.25


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 8])
def test_few_frames_can_be_quoted(frames: int):
    request = Request(frames=REQUEST.frames[:frames], width=640, height=360, samples=64)
    scene = Synthetic(1, noise=0.0)
    found = pilot(request, scene)
    assert len(found.costs) == frames
    assert abs(math.log(sum(found.costs) / scene.true_s(request))) < 0.35


def test_a_noisy_clock_widens_the_quote():
    quiet = statistics.fmean(pilot(REQUEST, Synthetic(s, noise=0.01)).error for s in range(10))
    loud = statistics.fmean(pilot(REQUEST, Synthetic(s, noise=0.3)).error for s in range(10))
    assert loud > 1.5 * quiet


def test_the_pilot_is_small_and_finds_the_dearest_frame():
    scene = Synthetic(2, noise=0.0)
    found = pilot(REQUEST, scene)
    assert abs(found.dearest - 70) <= 12
    assert found.took_s - 30 * 2.0 < 0.01 * scene.true_s(REQUEST)


def test_money_and_hours_follow_from_the_price_list_and_the_scores():
    found = Pilot(costs=(1800.0, 1800.0), dearest=1.0, error=0.1, load_s=2.0, took_s=5.0)
    request = Request(frames=(1.0, 2.0), width=64, height=64, samples=16)
    slow = quote(request, found, PRICES, node=HERE, nodes=1, here=HERE)
    assert slow.core_hours.p50 == 2.0
    assert slow.money_p50 == 2 * 20_000
    assert slow.money_p90 == PRICES.price_of(HERE, slow.node_s.p90)
    assert slow.cap > slow.money_p90 > slow.money_p50
    fast = NodeInfo(id="fast", cores=16, score=8.0, backend="cuda", device="x")
    other = quote(request, found, PRICES, node=fast, nodes=1, here=HERE)
    assert other.node_s.p50 == 450.0
    assert other.device_hours.p50 == 0.125
    assert other.node_s.p90 / other.node_s.p50 > slow.node_s.p90 / slow.node_s.p50  # another kind of machine


@pytest.mark.parametrize("nodes", [1, 4, 32, 128])
@pytest.mark.parametrize("hours", [2.0, 40.0])
def test_the_formula_of_the_clock_agrees_with_the_simulation(nodes: int, hours: float):
    costs = Costs()
    assert abs(math.log(wall_s(hours * 3600, nodes, costs=costs) / simulated_s(hours * 3600, nodes, costs=costs))) < 0.2


def test_a_quote_says_what_it_leaves_out():
    request = Request(frames=(1.0,), width=64, height=64, samples=16, adaptive=True, denoise=True)
    text = " ".join(sentences(quote(request, pilot(request, Synthetic(0)), PRICES, node=HERE, nodes=3, here=HERE)))
    for what in ("sending the project", "waiting", "not billed", "denoising", "error limit", "3 nodes", "EUR"):
        assert what in text


def test_what_is_asked_for_is_what_is_quoted():
    settings = RenderSettings(width=320, height=180, samples=64, error=0.1)
    asked = request_of(Submission(settings=settings, frames=(1.0, 2.0), look=Look(denoise=True)))
    assert asked == Request(frames=(1.0, 2.0), width=320, height=180, samples=64, adaptive=True, denoise=True)
    settings = RenderSettings(width=320, height=180, samples=64)
    assert not request_of(Submission(settings=settings, frames=(1.0,))).adaptive


def test_what_cannot_be_quoted_is_told():
    with pytest.raises(UsageError, match="nothing to quote"):
        pilot(Request(frames=(), width=64, height=64, samples=16), Synthetic(0))
    with pytest.raises(UsageError, match="measured nothing"):
        pilot(Request(frames=(1.0,), width=64, height=64, samples=16), lambda probe: Measured(render_s=0.0))
    found = Pilot(costs=(1.0,), dearest=1.0, error=0.1, load_s=0.0, took_s=0.0)
    with pytest.raises(UsageError, match="scores are known"):
        quote(REQUEST, found, PRICES, node=HERE, nodes=0, here=HERE)
    assert MILLION == 10**6
