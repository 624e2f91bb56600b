"""Render a benchmark scene with our own tracer, in a process of its own; prints one JSON object of times.

    python benchmarks/peers/ours.py SCENE OUT.npy [--samples 64] [--size 320x180] [--depth 8] [--seed 0]

The clock runs over building the scene on the device, learning its lights and rendering; reading the file and
compiling the kernels (a render of one sample beforehand) are outside. Multiple-scattering compensation of metals is
off, because the references and the peers have none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.stand import scenes
from studio.render.device import cache_folder
from studio.render.settings import RenderSettings


def start(device: str, threads: int) -> Any:
    """A tracer on a device; its kernels come from the user's cache."""
    from studio.render.tracer import runtime

    cache_folder().mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):  # Taichi greets
        there = runtime.start(device, threads, str(cache_folder()))
    if not there:
        raise SystemExit(f"there is no {device} here")
    from studio.render.tracer.tracer import Tracer

    tracer = Tracer()
    tracer.compensate = 0.0
    return tracer


def clocks() -> tuple[float, float]:
    """Wall clock and processor time of this process, in seconds, once the device is idle."""
    from studio.render.tracer import runtime

    runtime.wait()
    return time.perf_counter(), time.process_time()


def main() -> None:
    """Render one scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene")
    parser.add_argument("out")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    tracer = start(args.device, args.threads)

    def settings(samples: int) -> RenderSettings:
        return RenderSettings(
            width=width, height=height, samples=samples, depth=args.depth, filter="box", seed=args.seed
        )

    warm = time.perf_counter()
    tracer.load(scenes.flat(args.scene))
    tracer.prepare(settings(1))
    tracer.mean_image(settings(1))
    warm = time.perf_counter() - warm
    flat = scenes.flat(args.scene)  # another one, of which nothing is on the device yet
    wall, cpu = clocks()
    tracer.load(flat)
    tracer.prepare(settings(args.samples))
    ready = clocks()
    image = tracer.mean_image(settings(args.samples))
    end = clocks()
    np.save(args.out, image)
    seconds = {"warm_up": warm, "build": tracer.seconds["build"], "learn": tracer.seconds["learn"]}
    seconds |= {"render": end[0] - ready[0], "wall": end[0] - wall, "cpu": end[1] - cpu}
    print(json.dumps({"seconds": seconds, "mean": float(image.mean())}))


if __name__ == "__main__":
    main()
