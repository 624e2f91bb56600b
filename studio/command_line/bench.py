"""`studio bench`: the measurements in `benchmarks/`, or, in an installation without them, a demo scene rendered."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from studio.command_line.console import Console
from studio.errors import DeviceFault, UsageError
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings

_FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
_DEMO = "demo"


def run(args: argparse.Namespace, console: Console) -> int:
    """Run one benchmark, or all; returns the exit code."""
    there = {path.stem: path for path in sorted(_FOLDER.glob("*.py")) if not path.name.startswith("_")}
    names = [args.name] if args.name else list(there) or [_DEMO]
    for name in names:
        if name == _DEMO:
            _demo(console)
        elif name in there:
            _script(there[name], console)
        else:
            raise UsageError(f"there is no benchmark {name!r}; choose from {', '.join([_DEMO, *there])}")
    return 0


def _script(path: Path, console: Console) -> None:
    console.say(f"Measuring {path.stem} ...")
    command = [sys.executable, str(path), *(["--json"] if console.json else [])]
    code = subprocess.run(command, check=False).returncode
    if code:
        raise DeviceFault(f"the benchmark {path.stem} failed with exit code {code}")


def _demo(console: Console) -> None:
    """The hall of 300 lamps: seconds, and rays a second, of 16 samples."""
    from studio.farm.score import keep_score

    with RenderSession() as session:
        from studio.assets.demo import build
        from studio.scene.flatten import flatten

        flat = flatten(build("hall"), 1.0)
        session.warm_up()
        begun = time.perf_counter()
        result = session.render_frame(flat, RenderSettings(width=320, height=180, samples=16))
        total = time.perf_counter() - begun
    render = result.seconds["render"]
    rate = result.rays / render
    score = keep_score(result.device.backend, result.device.name, rate)
    console.result(f"hall, 320x180, 16 samples on {result.device.name}: {total:.2f} s, {rate / 1e6:.2f} Mrays/s")
    console.say(f"The score of this machine is {score:.2f}; its nodes say so when they join a farm from now on.")
    console.event(
        "benchmark",
        name=_DEMO,
        device=result.device.name,
        seconds=round(total, 3),
        rays_per_second=round(rate),
        score=round(score, 4),
    )
