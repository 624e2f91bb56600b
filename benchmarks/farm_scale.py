"""Frames and a film on more machines than there are here: the real coordinator on a virtual clock.

    python benchmarks/farm_scale.py [frame tiles cost film] [--json | --markdown] [--hours 160] [--cells 4]
                                    [--pictures DIR]

**frame**: a frame of 160 hours on 1 to 1,000 nodes, of which 1 % (from 64 on) are four times slow and 1 % fail in an
hour, half of them by falling silent. **tiles**: the same frame cut into tiles that no two nodes share, 128 and 1,024 of
them, of uneven cost, beside units of samples. **cost**: what its nodes are paid for, from the first second to the last,
against the time that it takes. **film**: cells of 250 nodes with 100 frames of about 20 hours each; 120 of them are
30,000 machines and 12,000 frames, and share nothing, so a few stand for all (`--cells 120` runs all of them).

Constants are those of `studio.farm.simulate.Costs`: a scene of 5 GB at 10 Gbit/s and a minute from the first byte to
the first sample; `benchmarks/farm.py simulator` says how well the simulator foretells real runs. With `--pictures` the
curves are drawn into a folder (`docs/pictures`).
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.measure import Row, machine, options, say, tell
from benchmarks.stand.plot import Axis, Curve, drawing
from studio.farm.model import JobSpec, Piece
from studio.farm.simulate import Costs, Crowd, Outcome, Simulation, many_frames, one_frame

PARTS = ("frame", "tiles", "cost", "film")
NODES = (1, 4, 16, 64, 128, 256, 512, 1000)
TARGETS = {64: 92.0, 128: 90.0, 1000: 75.0}  # % of what so many nodes can do
TILES = (128, 1024)
FEWEST = 64  # nodes of which one in a hundred can be slow
CELL, FRAMES, FRAME_H = 250, 100, 20.0
BUSY = 90.0
COLUMNS = {
    "what": "what",
    "nodes": "nodes",
    "wall_h": "hours",
    "speedup": "times as fast",
    "percent": "% of the best",
    "target": "at least",
    "met": "met",
    "paid_h": "node hours paid",
    "units": "units",
    "coordinator_s": "coordinator, s",
    "coordinator_core": "of a core",
}


def crowd(nodes: int) -> Crowd:
    """Machines as they are: some slow, some fail, some fall silent."""
    return Crowd(nodes=nodes, slow=0.01 if nodes >= FEWEST else 0.0, failures_h=0.01, freezes=0.5)


def tiles(hours: float, count: int) -> JobSpec:
    """A frame cut into tiles that are rendered whole, some of them many times as dear as others."""
    draw = random.Random(count)
    costs = [draw.lognormvariate(0.0, 0.6) for _ in range(count)]
    mean = sum(costs) / count
    pieces = tuple(Piece(frame=float(number), samples=1, cost=cost / mean) for number, cost in enumerate(costs))
    whole = one_frame(hours, count)
    return msgspec.structs.replace(whole, pieces=pieces)


def run(spec: JobSpec, nodes: int, *, poll_s: float = 5.0) -> Outcome:
    """A job on so many machines; `poll_s` is how often one asks again that has got nothing."""
    farm = Simulation(crowd(nodes), costs=Costs(poll_s=poll_s), seed=3)
    farm.submit(spec)
    return farm.run()


def row_of(what: str, out: Outcome) -> Row:
    """What came of a run."""
    return {
        "what": what,
        "nodes": out.nodes,
        "wall_h": out.makespan_s / 3600.0,
        "speedup": out.speedup,
        "percent": 100.0 * out.efficiency,
        "paid_h": out.node_s / 3600.0,
        "units": out.units,
        "coordinator_s": out.coordinator_s,
        "coordinator_core": out.coordinator_s / out.makespan_s,
    }


class Curves:
    """Runs that several curves share."""

    def __init__(self, hours: float) -> None:
        self.hours = hours
        self._frame: list[Outcome] = []
        self._tiled: dict[int, list[Outcome]] = {}

    def frame(self) -> list[Outcome]:
        """The frame on each number of nodes."""
        while len(self._frame) < len(NODES):
            nodes = NODES[len(self._frame)]
            say(f"The frame on {nodes:,} nodes ...")
            self._frame.append(run(one_frame(self.hours, 65536), nodes))
        return self._frame

    def tiled(self, count: int) -> list[Outcome]:
        """The frame in tiles."""
        if count not in self._tiled:
            say(f"The frame in {count:,} tiles ...")
            self._tiled[count] = [run(tiles(self.hours, count), nodes, poll_s=300.0) for nodes in NODES]
        return self._tiled[count]


def frame_rows(curves: Curves) -> list[Row]:
    """The table of the frame."""
    rows = [row_of(f"a frame of {curves.hours:g} hours", out) for out in curves.frame()]
    for row in rows:
        target = TARGETS.get(row["nodes"])
        row |= {"target": target, "met": row["percent"] >= target if target else None}
    return rows


def tile_rows(curves: Curves) -> list[Row]:
    """The table of tiles."""
    return [row_of(f"in {count:,} tiles", out) for count in TILES for out in curves.tiled(count)]


def cost_rows(curves: Curves) -> list[Row]:
    """What a frame costs in node hours, against those of one node."""
    alone, *others = curves.frame()
    rows = [row_of("dearer than on one node", out) for out in others]
    for row in rows:
        row["percent"] = None
        row["dearer"] = 100.0 * (row["paid_h"] * 3600.0 / alone.node_s - 1.0)
        row["what"] += f" by {row['dearer']:.1f} %"
    return rows


def film_rows(cells: int) -> list[Row]:
    """The table of a film's cells, one after the other, each with its own seed."""
    busy, hours, cores, seconds = [], [], [], []
    for seed in range(cells):
        say(f"Cell {seed + 1} of {cells} ...")
        begun = time.perf_counter()
        farm = Simulation(crowd(CELL), seed=100 + seed)
        farm.submit(many_frames(FRAMES, FRAME_H, 4096))
        out = farm.run()
        busy.append(100.0 * out.busy)
        hours.append(out.makespan_s / 3600.0)
        cores.append(out.coordinator_s / out.makespan_s)
        seconds.append(out.coordinator_s)
        say(f"busy {busy[-1]:.1f} %, in {time.perf_counter() - begun:.0f} s")
    return [
        {
            "what": f"{cells} of 120 cells, {FRAMES} frames each: busy, the least",
            "nodes": CELL,
            "wall_h": max(hours),
            "percent": min(busy),
            "mean": statistics.fmean(busy),
            "target": BUSY,
            "met": min(busy) >= BUSY,
            "coordinator_s": max(seconds),
            "coordinator_core": max(cores),
        }
    ]


def draw(curves: Curves, folder: Path) -> None:
    """Write the pictures of the documentation."""
    folder.mkdir(parents=True, exist_ok=True)
    outs = curves.frame()
    across = Axis("nodes", 1, 1000, NODES, log=True)
    powers = (1, 10, 100, 1000)
    ideal = Curve("as many times as nodes", [(1, 1), (1000, 1000)], dashed=True)
    (folder / "farm_speedup.svg").write_text(
        drawing(
            f"A frame of {curves.hours:g} hours: how many times as fast",
            across,
            Axis("times as fast", 1, 1000, powers, log=True),
            [Curve("units of samples", [(o.nodes, max(o.speedup, 1.0)) for o in outs]), ideal],
        )
    )
    percent = Axis("% of what the nodes can do", 0, 100, range(0, 101, 20))
    lines = [("units of samples", outs)] + [(f"{count:,} tiles", curves.tiled(count)) for count in TILES]
    (folder / "farm_tiles.svg").write_text(
        drawing(
            "Units of samples beside tiles",
            across,
            Axis("% of what the nodes can do", 0, 130, percent.marks),
            [Curve(name, [(o.nodes, 100.0 * o.efficiency) for o in many]) for name, many in lines],
        )
    )
    hours = (0.1, 0.3, 1, 3, 10, 30, 100)
    dearest = max(o.node_s for o in outs) / 3600.0
    (folder / "farm_cost.svg").write_text(
        drawing(
            "What the frame costs against the time that it takes",
            Axis("hours until the picture is there", 0.1, 200, hours, log=True),
            Axis("node hours paid", 0, 50.0 * (dearest // 50 + 2), [50.0 * n for n in range(int(dearest // 50) + 3)]),
            [
                Curve("1,000 nodes to 1", [(o.makespan_s / 3600.0, o.node_s / 3600.0) for o in outs]),
                Curve("the work itself", [(0.1, curves.hours), (200, curves.hours)], dashed=True),
            ],
        )
    )
    say(f"The pictures are in {folder}")


def main() -> int:
    """Simulate and print; the exit code is 1 when a target is not met."""
    parser = options(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--hours", type=float, default=160.0)
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--pictures", type=Path, default=None, help="a folder for the curves")
    args = parser.parse_args()
    curves, rows = Curves(args.hours), list[Row]()
    for part in args.parts or PARTS:
        if part == "frame":
            rows += frame_rows(curves)
        elif part == "tiles":
            rows += tile_rows(curves)
        elif part == "cost":
            rows += cost_rows(curves)
        elif part == "film":
            rows += film_rows(args.cells)
        else:
            parser.error(f"there is no {part}")
    if args.pictures is not None:
        draw(curves, args.pictures)
    tell([row | machine() for row in rows], COLUMNS, args)
    return int(any(row.get("met") is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
