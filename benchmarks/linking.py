"""What light linking costs: seconds per sample of a hall of 300 lamps with links over those without, in one run.

    python benchmarks/linking.py [--lamps 300] [--sets 16] [--left-out 0.1] [--shadows] [--turns 9] [--samples 4]
                                 [--size 320x180] [--json | --markdown]

The hall is the same; with links its objects belong to so many sets in turn, and every set is left out by a tenth of
the lamps, drawn at random. With --shadows those lamps are also not blocked by the set, so every shadow ray asks. The
two take turns in one process, so that noise of the machine meets both; the ratio is the median over the turns. Target:
1.05.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers.ours import clocks, start
from benchmarks.stand import scenes
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.lights import SHADOW_LINKED

RATIO = 1.05
SEED = 3


def linked(flat: FlatScene, *, sets: int, left_out: float, shadows: bool) -> FlatScene:
    """The scene with its objects in `sets` sets of receivers, each left out by a share of the lights."""
    rng = np.random.default_rng(SEED)
    n = len(flat.lights)
    allowed = rng.random((1 + sets, -(-n // 32) * 32)) >= left_out
    allowed[0] = True
    bits = np.packbits(allowed, axis=1, bitorder="little").view("<u4").astype(np.uint32)
    instances, lights = flat.instances.copy(), flat.lights.copy()
    instances["link"] = 1 + np.arange(len(instances)) % sets
    changed = replace(flat, instances=instances, light_links=bits)
    if not shadows:
        return changed
    instances["shadow_link"] = instances["link"]
    lights["flags"][~allowed[:, :n].all(0)] |= SHADOW_LINKED
    return replace(changed, lights=lights, shadow_links=bits)


def measure(
    lamps: int,
    *,
    sets: int,
    left_out: float,
    shadows: bool,
    turns: int,
    samples: int,
    size: tuple[int, int],
    threads: int,
    device: str,
) -> list[Row]:
    """Rows of the ratio, and of the seconds per sample and of learning with and without."""
    first = start(device, threads)
    plain = scenes.flat(f"hall:{lamps}:point")
    flats = {"without": plain, "with": linked(plain, sets=sets, left_out=left_out, shadows=shadows)}
    tracers = {"without": first, "with": type(first)()}

    def settings(count: int, seed: int = 0) -> RenderSettings:
        return RenderSettings(width=size[0], height=size[1], samples=count, filter="box", seed=seed)

    for name, tracer in tracers.items():
        for _ in range(2):  # the first time compiles
            tracer.load(flats[name])
            tracer.prepare(settings(1))
        tracer.mean_image(settings(1))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in tracers}
    for turn in range(turns):
        for name in sorted(tracers, reverse=bool(turn % 2)):  # neither always follows the other
            begun = clocks()
            tracers[name].mean_image(settings(samples, turn))
            end = clocks()
            found[name].append(((end[0] - begun[0]) / samples, (end[1] - begun[1]) / samples))
    rows = []
    for name, times in found.items():
        for k, what in enumerate(("sample", "sample, cpu")):
            middle = statistics.median(pair[k] for pair in times)
            rows.append({"what": f"{name} links: {what}", "unit": "s", "value": middle} | machine())
        rows.append(
            {"what": f"{name} links: learning", "unit": "s", "value": tracers[name].seconds["learn"]} | machine()
        )
    for k, what in enumerate(("wall clock", "processor")):
        ratios = [a[k] / b[k] for a, b in zip(found["with"], found["without"], strict=True)]
        name = f"with over without, {what}"
        rows.append(targets(machine(), what=name, unit="x", value=statistics.median(ratios), target=RATIO))
    return rows


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--lamps", type=int, default=300)
    parser.add_argument("--sets", type=int, default=16)
    parser.add_argument("--left-out", type=float, default=0.1)
    parser.add_argument("--shadows", action="store_true", help="link shadows as well")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    rows = measure(
        args.lamps,
        sets=args.sets,
        left_out=args.left_out,
        shadows=args.shadows,
        turns=args.turns,
        samples=args.samples,
        size=(width, height),
        threads=args.threads,
        device=args.device,
    )
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
