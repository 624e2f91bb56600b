"""What more lights cost: seconds per sample of one hall with 300 and with 1,000 lamps, and of learning them.

    python benchmarks/lights.py [--lamps 300,1000] [--points] [--turns 7] [--samples 4] [--size 320x180]
                                [--json | --markdown]

The halls differ in their lamps alone and the first lamps are the same. They take turns in one process, so that noise of
the machine meets both; times are medians over the turns. Lamps are balls of 48 triangles, so more of them also fill
the hall; with --points they are points, and what grows is the picking alone. Target: at most 10 % more per sample from
300 to 1,000.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers.ours import clocks, start
from benchmarks.stand import scenes
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell
from studio.render.settings import RenderSettings

GROWTH = 0.10


def measure(
    names: list[str], *, turns: int, samples: int, size: tuple[int, int], threads: int, device: str
) -> list[Row]:
    """Rows of the growth, the seconds per sample and the seconds of learning of halls, by the names of their scenes."""
    first = start(device, threads)
    lamps = [int(name.split(":")[1]) for name in names]
    tracers = [first] + [type(first)() for _ in lamps[1:]]
    build, learn = [], []

    def settings(count: int, seed: int = 0) -> RenderSettings:
        return RenderSettings(width=size[0], height=size[1], samples=count, filter="box", seed=seed)

    for tracer, name in zip(tracers, names, strict=True):
        for _ in range(2):  # the first time compiles
            tracer.load(scenes.flat(name))
            tracer.prepare(settings(1))
        tracer.mean_image(settings(1))
        build.append(tracer.seconds["build"])
        learn.append(tracer.seconds["learn"])
    times: list[list[tuple[float, float]]] = [[] for _ in lamps]
    for turn in range(turns):
        for tracer, found in zip(tracers, times, strict=True):
            wall, cpu = clocks()
            tracer.mean_image(settings(samples, turn))
            end = clocks()
            found.append(((end[0] - wall) / samples, (end[1] - cpu) / samples))
    middle = [tuple(statistics.median(pair[k] for pair in found) for k in (0, 1)) for found in times]
    rows = []
    for count, (wall, cpu), built, learned in zip(lamps, middle, build, learn, strict=True):
        for what, value in {"sample": wall, "sample, cpu": cpu, "building": built, "learning": learned}.items():
            rows.append({"what": f"{count} lamps: {what}", "unit": "s", "value": value} | machine())
    for k, name in ((0, "wall clock"), (1, "processor")):
        growth = middle[-1][k] / middle[0][k] - 1.0
        what = f"growth per sample from {lamps[0]} to {lamps[-1]} lamps, {name}"
        rows.append(targets(machine(), what=what, unit="share", value=growth, target=GROWTH))
    return rows


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--lamps", default="300,1000")
    parser.add_argument("--points", action="store_true", help="lamps are points")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    names = [f"hall:{int(n)}{':point' if args.points else ''}" for n in args.lamps.split(",")]
    rows = measure(
        names, turns=args.turns, samples=args.samples, size=(width, height), threads=args.threads, device=args.device
    )
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
