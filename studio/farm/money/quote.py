"""What a job will take before it is sent: core-hours, money and hours of the clock, likely (p50) and at most (p90).

A pilot renders little: a *look* at a few frames spread over the shot, tiny and with two samples, which finds the
dearest frame and how the cost runs over the shot; then *probes* of the first, the middle and the dearest frame at a
quarter of the size, with two numbers of samples each, so that what a frame costs before its first sample does not count
as samples; and one probe at half the size, which shows how the cost of a pixel changes with the size of the picture.

The cost of a frame is that of its samples, pixels times samples times the cost of one, interpolated between frames. Its
logarithm has an error, put together from what was seen (how probes of one frame differ, how well frames between looks
are foretold by their neighbours, how much the size mattered) and what never is (`_MODEL`). The p90 is the 90 % quantile
of Student's t with 4 degrees of freedom at that error: the pilot is small, and knows it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import msgspec

from studio.errors import Cancelled, UsageError
from studio.farm.model import NodeInfo, Record
from studio.farm.money.prices import PriceList, money
from studio.farm.policy import Policy
from studio.farm.simulate import Costs, Crowd, Simulation, many_frames
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.scene import Scene

LOOKS = 7
_T90 = 1.533  # 90 % quantile of Student's t, 4 degrees of freedom
_MODEL = 0.08  # of the logarithm: neither probe nor look sees it
_OTHER_DEVICE = 0.15  # how well a score foretells another kind of machine
_SMALLEST = 16  # pixels


class Probe(Record, frozen=True):
    """A small render: pixels and samples of a frame."""

    frame: float
    width: int
    height: int
    samples: int


class Measured(Record, frozen=True):
    """What a probe took, in seconds: of its samples, and of everything before them."""

    render_s: float
    load_s: float = 0.0


Measure = Callable[[Probe], Measured]


class Request(Record, frozen=True):
    """What is to be rendered. With `adaptive` pixels may end before their samples."""

    frames: tuple[float, ...]
    width: int
    height: int
    samples: int
    adaptive: bool = False
    denoise: bool = False


class Pilot(Record, frozen=True):
    """What a pilot found. `costs` are seconds of this machine by frame; `error` is of the logarithm of their sum."""

    costs: tuple[float, ...]
    dearest: float  # frame
    error: float
    load_s: float
    took_s: float


class Span(Record, frozen=True):
    """A likely value and one that 9 of 10 stay below."""

    p50: float
    p90: float


class Quote(Record, frozen=True):
    """What a job will take on `nodes` nodes of a kind. Money is in millionths."""

    frames: int
    samples: int
    nodes: int
    node_s: Span
    core_hours: Span
    device_hours: Span
    wall_s: Span
    money_p50: int
    money_p90: int
    currency: str
    prices: str
    dearest: float
    pilot_s: float
    left_out: tuple[str, ...]

    @property
    def cap(self) -> int:
        """The cap to propose: what 9 of 10 such jobs stay below, and a tenth more for the last units."""
        return self.money_p90 * 11 // 10


def pilot(request: Request, measure: Measure, *, scale: float = 0.25, samples: int = 8) -> Pilot:
    """Render a little of a job and say what all of it costs on this machine.

    Raises UsageError for a job without frames, pixels or samples, or where nothing could be measured.
    """
    if not request.frames or min(request.width, request.height, request.samples) <= 0:
        raise UsageError("there is nothing to quote; choose frames, a size and samples")
    took = load = 0.0

    def timed(frame: float, size: float, count: int) -> tuple[float, int]:
        """Seconds of the samples of a frame, and pixels times samples."""
        nonlocal took, load
        width, height = (min(side, max(round(side * size), _SMALLEST)) for side in (request.width, request.height))
        found = measure(Probe(frame=frame, width=width, height=height, samples=count))
        took += found.render_s + found.load_s
        load = max(load, found.load_s)
        return found.render_s, width * height * count

    frames = request.frames
    places = sorted({round(i * (len(frames) - 1) / max(LOOKS - 1, 1)) for i in range(LOOKS)})
    looks = {place: timed(frames[place], scale / 2, 2)[0] for place in places}
    dearest = max(places, key=lambda place: looks[place])
    slopes: dict[int, float] = {}
    spreads: list[float] = []
    for place in dict.fromkeys((0, len(frames) // 2, dearest)):
        slopes[place], spread = _slope([timed(frames[place], scale, c) for c in (samples // 2, samples, samples)])
        spreads.append(spread)
    if min(slopes.values()) <= 0:
        raise UsageError("the pilot measured nothing; try it with more samples")
    growth = _growth(timed(frames[dearest], 2 * scale, samples), slopes[dearest], scale)
    by_place = _interpolated(looks, slopes, len(frames))
    pixels = request.width * request.height
    size = (1.0 / (2 * scale)) ** 2  # how many times larger the picture is than the largest probe
    full = math.exp(growth * (math.log(4.0) + 0.5 * math.log(size)))
    error = math.sqrt(
        _MODEL**2
        + (1.5 * math.sqrt(statistics.fmean(s**2 for s in spreads))) ** 2  # the probes', and the growth's
        + (0.5 * growth * math.log(size)) ** 2
        + _between(looks, len(frames)) ** 2
    )
    costs = tuple(cost * full * pixels * request.samples for cost in by_place)
    return Pilot(costs=costs, dearest=frames[dearest], error=error, load_s=load, took_s=took)


def _slope(found: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Seconds of a sample of a pixel, from a short and two long probes, and how much the long ones differ."""
    (short, few), *long = found
    many = long[0][1]
    seconds = min(t for t, _ in long)
    slope = (seconds - short) / (many - few) if many > few and seconds > short else 0.0
    whole = seconds / many
    spread = abs(math.log(max(long[0][0], 1e-9) / max(long[1][0], 1e-9))) / math.sqrt(2.0)
    if slope < 0.25 * whole:  # noise of the clock: what is before the samples is not seen
        return whole, spread + 0.1
    # the difference of two times is a worse measure than a time: meet half way, and say so
    return math.sqrt(slope * whole), spread + 0.25 * math.log(whole / slope) if whole > slope else spread


def _growth(found: tuple[float, int], slope: float, scale: float) -> float:
    """The exponent with which the cost of a pixel's sample grows with the pixels of the picture, within reason."""
    seconds, work = found
    if slope <= 0 or seconds <= 0:
        return 0.0
    return min(max(math.log(seconds / work / slope) / math.log(4.0), -0.2), 0.2)


def _interpolated(looks: dict[int, float], slopes: dict[int, float], count: int) -> list[float]:
    """The cost of every frame: the course of the looks, at the height of the probes."""
    level = math.exp(statistics.fmean(math.log(slopes[p] / max(looks[p], 1e-9)) for p in slopes if p in looks))
    known = {place: slopes.get(place, seconds * level) for place, seconds in looks.items()}
    known |= slopes
    places = sorted(known)
    out = []
    right = 0
    for i in range(count):
        while right < len(places) - 1 and places[right] < i:
            right += 1
        left = max(right - 1, 0) if places[right] > i else right
        a, b = places[left], places[right]
        share = (i - a) / (b - a) if b > a else 0.0
        out.append(known[a] * (1.0 - share) + known[b] * share)
    return out


def _between(looks: dict[int, float], count: int) -> float:
    """The error of the sum that comes from frames between the looks: as well as neighbours foretell a look."""
    places = sorted(looks)
    if len(places) == count:
        return 0.0
    if len(places) < 3:
        return 0.1
    values = [max(looks[p], 1e-9) for p in places]
    misses = [math.log(2 * b / (a + c)) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    # neighbours are half as far from a frame between looks as they are from each other
    return math.sqrt(statistics.fmean(m * m for m in misses)) / 2.0


def quote(
    request: Request,
    found: Pilot,
    prices: PriceList,
    *,
    node: NodeInfo,
    nodes: int,
    here: NodeInfo,
    tier: str = "",
    costs: Costs | None = None,
    policy: Policy | None = None,
) -> Quote:
    """What a job takes on so many nodes like `node`, from a pilot on the machine `here`; scores tell them apart."""
    if nodes < 1 or node.score <= 0 or here.score <= 0:
        raise UsageError("a quote is for one node or more, whose scores are known; run studio bench")
    error = found.error
    if (node.device, node.backend) != (here.device, here.backend):
        error = math.hypot(error, _OTHER_DEVICE)
    likely = sum(found.costs) * here.score / node.score
    node_s = Span(p50=likely, p90=likely * math.exp(_T90 * error))
    hours = Span(p50=node_s.p50 / 3600, p90=node_s.p90 / 3600)
    device = float(node.backend != "cpu")
    times = costs or Costs(load_s=max(found.load_s, 1.0))
    return Quote(
        frames=len(request.frames),
        samples=request.samples,
        nodes=nodes,
        node_s=node_s,
        core_hours=Span(p50=hours.p50 * node.cores, p90=hours.p90 * node.cores),
        device_hours=Span(p50=hours.p50 * device, p90=hours.p90 * device),
        wall_s=Span(
            p50=wall_s(node_s.p50, nodes, costs=times, policy=policy),
            p90=wall_s(node_s.p90, nodes, costs=times, policy=policy, crowd=Crowd(nodes=nodes, failures_h=0.01)),
        ),
        money_p50=prices.price_of(node, node_s.p50, tier=tier),
        money_p90=prices.price_of(node, node_s.p90, tier=tier),
        currency=prices.currency,
        prices=prices.version,
        dearest=found.dearest,
        pilot_s=found.took_s,
        left_out=_left_out(request, prices),
    )


def wall_s(
    work_s: float, nodes: int, *, costs: Costs | None = None, policy: Policy | None = None, crowd: Crowd | None = None
) -> float:
    """Seconds of the clock of so many node-seconds on so many nodes: the formula that `simulated_s` bears out.

    T = fetch + load + W (1 + overheads + losses) / N + tail + collect. Units are as long as `Policy` cuts them, so each
    carries its share of `unit_s`; a node that dies costs half a checkpoint, the time until it is missed, and loading.
    """
    c, p = costs or Costs(), policy or Policy()
    unit = min(max(work_s / nodes / 4, p.tail_s), p.longest_s)
    overhead = c.unit_s / unit + c.deliver_s / c.checkpoint_s
    failures = crowd.failures_h if crowd is not None else 0.0
    waste = failures / 3600.0 * (c.checkpoint_s / 2 + p.lease_s + c.load_s + c.restart_s)
    tail = min(p.tail_s, work_s / nodes) / 2 + p.report_s / 2 if nodes > 1 else 0.0
    return c.fetch_s + c.load_s + work_s * (1.0 + overhead + waste) / nodes + tail + c.collect_s


def simulated_s(
    work_s: float, nodes: int, *, frames: int = 1, samples: int = 1024, costs: Costs | None = None, seed: int = 1
) -> float:
    """The same by the coordinator itself on a virtual clock: slower to ask, and sees what no formula does."""
    crowd = Simulation(Crowd(nodes=nodes), costs=costs, seed=seed)
    crowd.submit(many_frames(frames, work_s / frames / 3600.0, samples))
    return crowd.run().makespan_s


def sentences(of: Quote) -> list[str]:
    """A quote to read."""
    likely, most = money(of.money_p50, of.currency), money(of.money_p90, of.currency)
    return [
        f"{of.frames} frames of {of.samples} samples: {of.core_hours.p50:.2f} core-hours, at most "
        f"{of.core_hours.p90:.2f} in 9 of 10 cases.",
        f"By the price list {of.prices}: {likely}, at most {most}.",
        f"On {of.nodes} nodes: {_duration(of.wall_s.p50)}, at most {_duration(of.wall_s.p90)}.",
        f"The dearest frame of the pilot is {of.dearest:g}; the pilot took {_duration(of.pilot_s)}.",
        f"Not included: {'; '.join(of.left_out)}.",
    ]


def _left_out(request: Request, prices: PriceList) -> tuple[str, ...]:
    out = ["sending the project", "waiting for nodes that others use", "fetching the results"]
    if not prices.bills_load:
        out.append("loading on the nodes, which is not billed")
    if request.denoise:
        out.append("denoising, which is done here after the merge")
    if request.adaptive:
        out.append("samples that the error limit saves")
    return tuple(out)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def session_measure(
    session: RenderSession,
    scene: Scene,
    settings: RenderSettings,
    *,
    camera: str = "",
    stop: Callable[[], str] = lambda: "",
) -> Measure:
    """Probes by a session of this machine. A frame is built once, and its first few samples are not timed. When `stop`
    gives a reason, the probe at work raises Cancelled."""
    session.warm_up()
    built: dict[float, float] = {}
    last: list[FlatScene] = []  # what the worker has, so that probes of one frame send nothing again

    def measure(probe: Probe) -> Measured:
        if not last or last[0].frame != probe.frame:
            last[:] = [flatten(scene, probe.frame, previous=last[0] if last else None, camera=camera)]
        flat = last[0]
        small = msgspec.structs.replace(
            settings, width=probe.width, height=probe.height, samples=probe.samples, crop=None, error=0.0
        )
        load = 0.0
        if probe.frame not in built:
            first = session.render_frame(flat, msgspec.structs.replace(small, samples=1), stop=stop)
            load = built[probe.frame] = first.seconds["build"] + first.seconds["render"]
        result = session.render_frame(flat, small, stop=stop)
        if result.stopped:
            raise Cancelled("the pilot was stopped")
        return Measured(render_s=result.seconds["render"], load_s=load)

    return measure
