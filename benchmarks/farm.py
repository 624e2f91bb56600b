"""What the farm's path costs: beside one process, for units without work, and the simulator against real runs.

    python benchmarks/farm.py [overhead dispatch simulator] [--json | --markdown] [--size 320x180] [--samples 448]
                              [--units 32] [--calls 1000] [--alone] [--work 40]

**overhead**: `hall300` in 32 units through the local engine, one node with all cores, against one process with the same
samples. Both end with the same EXR, the farm's out of the partials that were fetched and merged; the bits are compared.
Start-up is outside on both sides and in the same way: each has rendered one sample of the scene before its clock runs,
so that processes are there, kernels compiled and the scene on the device. Learning the lights is inside on both. The
process is measured before and after the farm and the mean counts, as a machine drifts. Processor time of all processes
stands beside the wall clock. The farm's parts that the renderer waits for are named.

**dispatch**: 1,000 units of one sample that take no time, with the true node, over HTTP, to a store in a folder: asked
for, written, delivered, read back, checked, claimed, and merged at the end. Beside it calls of an actor of Ray, one
after the other, and of a plain function.

**simulator**: constants are measured in a short run of one node, then runs with 1 to 4 nodes are foretold by
`studio.farm.simulate` and made. Nodes sleep instead of rendering, so that four are as fast on two cores as on four; and
again with true workers of one thread each, whose speed beside others is measured with as many at once.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand import farms, scenes
from benchmarks.stand.measure import Row, machine, options, say, tell
from studio.assets.load import load_scene
from studio.farm.bundles.bundle import NodeCache
from studio.farm.jobs import RenderJob, claimed
from studio.farm.local import LocalFarm
from studio.farm.merge import merged
from studio.farm.model import Event
from studio.farm.node import FarmNode
from studio.farm.policy import Policy
from studio.farm.results import Collector
from studio.farm.service import Service
from studio.farm.simulate import Costs, Crowd, Simulation
from studio.farm.store import open_store
from studio.farm.wire import Remote, Server
from studio.render.checkpoint import header_of
from studio.render.finish import Finish, Look, describe
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.project import load_project, save_project

PARTS = ("overhead", "dispatch", "simulator")
COLUMNS = {
    "what": "what",
    "value": "measured",
    "unit": "unit",
    "peer": "beside",
    "peer_value": "takes",
    "ratio": "ratio",
    "target": "at most",
    "met": "met",
}
OVERHEAD, DISPATCH_MS = 6.0, 3.0


# --- overhead --------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Spent:
    """What a way to a picture took."""

    wall_s: float
    cpu_s: float
    picture: bytes
    events: list[Event] = field(default_factory=list)


class Alone:
    """One process, which has rendered a sample of the scene."""

    def __init__(self, project: Path, settings: RenderSettings) -> None:
        self._session, self._settings = RenderSession(device="cpu"), settings
        self._scene = load_project(project)
        self._flat: FlatScene | None = None

    def render(self, path: Path, samples: int) -> Spent:
        """A picture of the scene."""
        settings = replace_samples(self._settings, samples)
        wall, cpu = time.perf_counter(), farms.processor_s(os.getpid())
        self._flat = flat = flatten(self._scene, 1.0, previous=self._flat)
        result = self._session.render_frame(flat, settings)
        header = header_of(flat, settings, self._session.info)
        Finish(Look()).write(result.film, path, describe(flat, header, settings))
        return Spent(time.perf_counter() - wall, farms.processor_s(os.getpid()) - cpu, path.read_bytes())

    def close(self) -> None:
        """End the worker."""
        self._session.close()


def replace_samples(settings: RenderSettings, samples: int) -> RenderSettings:
    """Settings with another number of samples."""
    return msgspec.structs.replace(settings, samples=samples)


def by_farm(project: Path, settings: RenderSettings, units: int, alone_s: float, work: Path) -> Spent:
    """The same picture by the local engine; the first job of one sample brings its node up."""
    length = alone_s / units
    policy = Policy(longest_s=length, first_s=length, tail_s=length)
    events: list[Event] = []
    farm = LocalFarm(work / "store", nodes=1, device="cpu", policy=policy, cache=work / "cache", listener=events.append)
    with contextlib.closing(farm):
        one = farms.job_of(farm.store, project, replace_samples(settings, 1), name="first")
        farm.submit(one)
        if not farm.wait("first", timeout_s=300.0):
            raise SystemExit("the farm's node does not come up")
        job = farms.job_of(farm.store, project, settings, name="hall", expected_s=alone_s / settings.samples)
        wall, cpu = time.perf_counter(), farms.processor_s(os.getpid())
        farm.submit(job)
        farm.wait("hall")
        path = work / "farm.exr"
        with Collector(farm.store, job, path, Look(), home=work / "home", cache=work / "cache") as collector:
            while not collector.done:
                collector.poll()
        spent = Spent(time.perf_counter() - wall, farms.processor_s(os.getpid()) - cpu, b"")
        spent.picture = path.read_bytes()
    spent.events = [event for event in events if event.job == "hall"]
    return spent


def overhead(size: tuple[int, int], samples: int, units: int) -> list[Row]:
    """The row of the overhead."""
    source = scenes.shared() / "hall300.glb"
    if not source.is_file():
        say(f"there is no {source}; the overhead is left out")
        return []
    settings = RenderSettings(width=size[0], height=size[1], samples=samples)
    with tempfile.TemporaryDirectory(prefix="myriad-farm-") as name:
        work = Path(name)
        project = work / "hall.studio"
        save_project(load_scene(source)[0], project)
        alone = Alone(project, settings)
        with contextlib.closing(alone):
            alone.render(work / "one.exr", 1)
            say("One process ...")
            before = alone.render(work / "before.exr", samples)
            say(f"{before.wall_s:.1f} s; the farm ...")
            farm = by_farm(project, settings, units, before.wall_s, work)
            say(f"{farm.wall_s:.1f} s; one process ...")
            after = alone.render(work / "after.exr", samples)
    wall, cpu = ((getattr(before, of) + getattr(after, of)) / 2 for of in ("wall_s", "cpu_s"))
    counts = farms.stages(farm.events, "hall")
    row: Row = {
        "what": f"{size[0]}x{size[1]}, {samples} samples in {counts['leased']} units: longer",
        "value": 100.0 * (farm.wall_s / wall - 1.0),
        "unit": "%",
        "peer": f"one process ({before.wall_s:.1f} and {after.wall_s:.1f} s)",
        "peer_value": f"{wall:.1f} s",
        "ratio": farm.wall_s / wall,
        "target": OVERHEAD,
        "same_bits": farm.picture == before.picture == after.picture,
    }
    row["met"] = bool(row["value"] <= OVERHEAD and row["same_bits"])
    more = {
        "what": "by the processor: more",
        "value": 100.0 * (farm.cpu_s / cpu - 1.0),
        "unit": "%",
        "peer": "one process",
        "peer_value": f"{cpu:.1f} s",
        "ratio": farm.cpu_s / cpu,
    }
    if not row["same_bits"]:
        say("the farm's picture is another one")
    return [row, more]


# --- units without work ----------------------------------------------------------------------------------------------
RAY = """
import sys, time
import ray
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
@ray.remote
class Actor:
    def unit(self, number):
        return number
actor = Actor.remote()
for number in range(100):
    ray.get(actor.unit.remote(number))
calls = int(sys.argv[1])
begun = time.perf_counter()
for number in range(calls):
    ray.get(actor.unit.remote(number))
print("seconds", time.perf_counter() - begun)
ray.shutdown()
"""


@contextlib.contextmanager
def at_work(store_at: Path, policy: Policy, events: list[Event] | None = None) -> Iterator[tuple[Service, Server, str]]:
    """A coordinator with its ticks behind HTTP, as `studio farm serve` has it."""
    service = Service(open_store(store_at), policy=policy, listener=(events if events is not None else []).append)
    token, over = secrets.token_urlsafe(32), threading.Event()

    def tick() -> None:
        while not over.wait(0.25):
            service.tick()

    ticks = threading.Thread(target=tick)
    with Server(service, token) as server:
        ticks.start()
        try:
            yield service, server, token
        finally:
            over.set()
            ticks.join()
            service.retire()


def node_of(
    server: Server, token: str, store_at: Path, cache: NodeCache, sleeper: farms.Sleeper, **more: object
) -> tuple[FarmNode, Remote]:
    """A node whose session sleeps."""
    desk = Remote(server.url, token)
    node = FarmNode(
        desk,
        open_store(store_at),
        sleeper,  # type: ignore[arg-type]
        fetch=lambda where, job: cache.scene(where, job.spec.bundle, job.scene),
        memory_bytes=1 << 34,
        **more,  # type: ignore[arg-type]
    )
    return node, desk


def tiny(work: Path) -> Path:
    """A project that is next to nothing."""
    project = work / "tiny.studio"
    save_project(scenes.hall(1, points=True), project)
    return project


def ray_call_s(calls: int) -> float | None:
    """Seconds of a call of a Ray actor; None where Ray is missing."""
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", RAY, str(calls)], capture_output=True, text=True, check=False, env=environment
    )
    found = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("seconds ")]
    if not found:
        say(f"no Ray to compare with: {(done.stderr.strip().splitlines() or ['it says nothing'])[-1][:200]}")
        return None
    return float(found[0]) / calls


def plain_call_s(calls: int) -> float:
    """Seconds of a call of a function."""

    def unit(number: int) -> int:
        return number

    begun = time.perf_counter()
    for number in range(calls):
        unit(number)
    return (time.perf_counter() - begun) / calls


def dispatch(calls: int, *, ray: bool = True) -> list[Row]:
    """The rows of units without work."""
    with tempfile.TemporaryDirectory(prefix="myriad-farm-") as name:
        work = Path(name)
        store_at, settings = work / "store", RenderSettings(width=8, height=8, samples=calls)
        with at_work(store_at, Policy(first_samples=1)) as (service, server, token):
            job = farms.job_of(service.store, tiny(work), settings, name="units")
            cache = NodeCache(work / "cache")
            node, desk = node_of(server, token, store_at, cache, farms.Sleeper(0.0), node_id="n1")
            service.submit(job)
            with contextlib.closing(cache), desk:
                cache.scene(service.store, job.spec.bundle, job.scene)
                begun, cpu = time.perf_counter(), time.process_time()
                units = node.run(until_idle=True)
                handed = time.perf_counter() - begun
            begun = time.perf_counter()
            film, _ = merged(service.store, job, 0, claimed(service.store, job)[0])
            merging = time.perf_counter() - begun
            cpu = time.process_time() - cpu
    if units != calls or not (film.counts == calls).all():
        raise SystemExit(f"{units} units of {calls} were done")
    ray_s = ray_call_s(calls) if ray else None
    total_ms = 1e3 * (handed + merging) / calls
    row: Row = {
        "what": f"{calls} units without work, each",
        "value": total_ms,
        "unit": "ms",
        "peer": "a call of a Ray actor",
        "peer_value": f"{1e3 * ray_s:.2f} ms" if ray_s else "-",
        "ratio": total_ms / (1e3 * ray_s) if ray_s else None,
        "target": DISPATCH_MS,
        "met": total_ms <= DISPATCH_MS,
    }
    call_s = plain_call_s(calls)
    parts = [
        {"what": "of that: asked for, written, delivered, checked, claimed", "value": 1e3 * handed / calls},
        {"what": "of that: read and merged", "value": 1e3 * merging / calls},
        {"what": "by the processor", "value": 1e3 * cpu / calls},
    ]
    beside = {"peer": "a call of a function", "peer_value": f"{1e9 * call_s:.0f} ns"}
    return [row] + [{"unit": "ms"} | part | (beside if part is parts[0] else {}) for part in parts]


# --- the simulator ---------------------------------------------------------------------------------------------------
SHORT = Policy(
    longest_s=4.0, tail_s=0.5, first_s=0.5, report_s=0.5, brisk_report_s=0.5, lease_s=6.0, steal_s=0.6, first_samples=2
)
CHECKPOINT_S, POLL_S = 2.0, 0.5  # of the nodes here; how often an idle one asks
ERROR = 10.0  # % that the simulator may be off
FEW = 4  # workers


@dataclass(frozen=True, slots=True)
class Constants:
    """What a short run shows of its nodes."""

    sample_s: float
    load_s: float  # of the first unit, beside rendering
    unit_s: float  # of every other one


def constants(events: list[Event], service: Service, job: RenderJob) -> Constants:
    """The constants of a run whose nodes were there when it began."""
    results = {result.key: result for result in service.coordinator.results(job.spec.id, 0)}
    begun: dict[int, float] = {}
    first: set[str] = set()
    loads, others = [], []
    for event in events:
        if event.kind == "leased":
            begun[event.attempt] = event.at
        elif event.kind == "delivered":
            took = event.at - begun[event.attempt] - results[event.text].usage.render_s
            (others if event.node in first else loads).append(took)
            first.add(event.node)
            begun[event.attempt] = event.at
    rendered = sum(result.usage.render_s for result in results.values())
    return Constants(rendered / job.spec.pieces[0].count, statistics.fmean(loads), statistics.fmean(others))


def foretold(job: RenderJob, nodes: int, known: Constants, *, crowding: float) -> float:
    """The seconds that the simulator gives a job; `crowding` is how many nodes share a core where there are fewer."""
    costs = Costs(
        fetch_s=0.0,
        load_s=max(known.load_s - known.unit_s, 0.0) * crowding,
        unit_s=known.unit_s,
        checkpoint_s=CHECKPOINT_S,
        deliver_s=known.unit_s,
        poll_s=POLL_S,
        collect_s=0.0,
    )
    found = []
    for seed in range(5):
        farm = Simulation(Crowd(nodes=nodes, spread=0.0, arrive_s=POLL_S), costs=costs, policy=SHORT, seed=seed)
        farm.submit(replace_spec(job, known.sample_s * crowding))
        found.append(farm.run().makespan_s)
    return statistics.median(found)


def replace_spec(job: RenderJob, sample_s: float) -> Any:
    """The job as the simulator takes it."""
    return msgspec.structs.replace(job.spec, expected_s=sample_s)


def compared(what: str, took: float, told: float) -> Row:
    """The row of a run and of what the simulator made of it."""
    off = 100.0 * abs(told / took - 1.0)
    return {
        "what": f"{what}: the simulator is off by",
        "value": off,
        "unit": "%",
        "peer": f"{took:.1f} s; foretold",
        "peer_value": f"{told:.1f} s",
        "ratio": told / took,
        "target": ERROR,
        "met": off <= ERROR,
    }


def sleeping(work: Path, project: Path, nodes: int, samples: int, name: str) -> tuple[float, list[Event], Any]:
    """The seconds of a job of nodes that sleep, what happened, and its constants."""
    events: list[Event] = []
    store_at, settings = work / name, RenderSettings(width=16, height=16, samples=samples)
    with at_work(store_at, SHORT, events) as (service, server, token), contextlib.ExitStack() as stack:
        job = farms.job_of(service.store, project, settings, name="sleep", expected_s=SLEEP_S)
        running = []
        for number in range(nodes):
            cache = stack.enter_context(contextlib.closing(NodeCache(work / f"cache {number}")))
            cache.scene(service.store, job.spec.bundle, job.scene)
            node, desk = node_of(
                server,
                token,
                store_at,
                cache,
                farms.Sleeper(SLEEP_S, load_s=SLEEP_LOAD_S),
                node_id=f"n{number}",
                policy=SHORT,
                checkpoint_s=CHECKPOINT_S,
            )
            stack.enter_context(desk)
            thread = threading.Thread(target=node.run)
            thread.start()
            running.append((node, thread))
        while sum(event.kind == "joined" for event in events) < nodes:
            time.sleep(0.01)
        begun = time.perf_counter()
        service.submit(job)
        while not service.coordinator.over("sleep"):
            time.sleep(0.01)
        took = time.perf_counter() - begun
        for node, _ in running:
            node.stop()
        for _, thread in running:
            thread.join()
        known = constants(events, service, job)
    return took, events, (job, known)


SLEEP_S, SLEEP_LOAD_S = 0.02, 1.5


def rendering(work: Path, project: Path, nodes: int, samples: int, name: str) -> tuple[float, list[Event], Any]:
    """The seconds of a job of true workers of one thread, what happened, and its constants."""
    events: list[Event] = []
    settings = RenderSettings(width=160, height=90, samples=samples)
    farm = LocalFarm(
        work / name,
        nodes=nodes,
        threads=1,
        device="cpu",
        policy=SHORT,
        checkpoint_s=CHECKPOINT_S,
        cache=work / "cache",
        listener=events.append,
    )
    with contextlib.closing(farm):
        job = farms.job_of(farm.store, project, settings, name="hall")
        while sum(event.kind == "joined" for event in events) < nodes:
            time.sleep(0.05)
        time.sleep(WARM_S * max(1.0, nodes / (os.cpu_count() or 1)))  # their workers compile
        begun = time.perf_counter()
        farm.submit(job)
        farm.wait("hall")
        took = time.perf_counter() - begun
        known = constants(events, farm.service, job)
    return took, events, (job, known)


WARM_S = 6.0


def simulator(work_s: float) -> list[Row]:
    """The rows of runs with 1 to 4 nodes."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="myriad-farm-") as name:
        work = Path(name)
        samples = round(work_s / SLEEP_S)
        _, _, (_, known) = sleeping(work, tiny(work), 1, samples // 8, "short")
        say(f"a sample {known.sample_s * 1e3:.1f} ms, loading {known.load_s:.2f} s, a unit {known.unit_s * 1e3:.0f} ms")
        for nodes in range(1, FEW + 1):
            took, _, (job, _) = sleeping(work, work / "tiny.studio", nodes, samples, f"sleep {nodes}")
            rows.append(compared(f"{nodes} sleeping", took, foretold(job, nodes, known, crowding=1.0)))
            say(f"{nodes} sleeping: {took:.1f} s")
        source = scenes.shared() / "hall300.glb"
        if not source.is_file():
            say(f"there is no {source}; true workers are left out")
            return rows
        project, cores = work / "hall.studio", os.cpu_count() or 1
        save_project(load_scene(source)[0], project)
        few = max(round(work_s / 8 / 0.1), 8)
        known_of = [rendering(work, project, many, few * many, f"short {many}")[2][1] for many in (1, cores)]
        say("a sample alone {:.0f} ms, with all cores at work {:.0f} ms".format(*(1e3 * k.sample_s for k in known_of)))
        samples = round(work_s / known_of[0].sample_s)
        for nodes in range(1, FEW + 1):
            took, _, (job, _) = rendering(work, project, nodes, samples, f"render {nodes}")
            known = known_of[nodes > 1]
            rows.append(
                compared(f"{nodes} rendering", took, foretold(job, nodes, known, crowding=max(1.0, nodes / cores)))
            )
            say(f"{nodes} rendering: {took:.1f} s")
    return rows


def main() -> int:
    """Measure and print; the exit code is 1 when a target is not met."""
    parser = options(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--samples", type=int, default=448)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--alone", action="store_true", help="leave Ray out")
    parser.add_argument("--work", type=float, default=40.0, help="of one node, in seconds, for the simulator's runs")
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    rows: list[Row] = []
    for part in args.parts or PARTS:
        if part == "overhead":
            rows += overhead((width, height), args.samples, args.units)
        elif part == "dispatch":
            rows += dispatch(args.calls, ray=not args.alone)
        elif part == "simulator":
            rows += simulator(args.work)
        else:
            parser.error(f"there is no {part}")
    tell([row | machine() for row in rows], COLUMNS, args)
    return int(any(row.get("met") is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
