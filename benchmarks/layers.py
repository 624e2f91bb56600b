"""What a layer for every light costs: the same frame by `studio render` with and without `--light-layers`.

    python benchmarks/layers.py [--json | --markdown] [--size 1920x1080] [--samples 16] [--runs 1] [--read 960x540]

The scene is the hall of 300 point lights (`hall300p`, else one made here). Each render is a process of its own. `wall`
is of building, rendering and writing, as the command reports them, `cpu` the processor time of all its processes, which
on a machine that does other things too says more. Memory is what the command and its worker occupy together at most,
shared pages counted once (PSS, on Linux). The file is read back: the largest relative difference between the sum of its
layers and the beauty, and what it takes to read one layer and the beauty at a view's size.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.stand import scenes
from benchmarks.stand.measure import Row, machine, options, say, targets, tell
from studio.render.light_layers import open_layers

MOST_TIME, MOST_MEMORY, MOST_OFF = 1.5, 1000.0, 1e-4
COLUMNS = {"what": "what", "unit": "unit", "plain": "plain", "layers": "with layers", "value": "measured"}
COLUMNS |= {"target": "at most", "met": "met"}
_LOOK_S = 0.2


def occupied(pid: int) -> float:
    """Megabytes that a process and all below it occupy; 0 where the system does not say."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            own = next((int(line.split()[1]) / 1000 for line in file if line.startswith("Pss:")), 0.0)
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(child) for child in file.read().split()]
    except OSError:
        return 0.0
    return own + sum(occupied(child) for child in children)


def rendered(scene: Path, out: Path, size: str, samples: int, *, layers: bool) -> Row:
    """One render in a process of its own."""
    flags = ["--size", size, "--samples", str(samples), "--device", "cpu", "--json"]
    command = [sys.executable, "-m", "studio.cli", "render", str(scene), "-o", str(out), *flags]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        command + ["--light-layers"] * layers, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    peak = [0.0]

    def watch() -> None:
        while process.poll() is None:
            peak[0] = max(peak[0], occupied(process.pid))
            time.sleep(_LOOK_S)

    watcher = threading.Thread(target=watch)
    watcher.start()
    told = [json.loads(line) for line in process.communicate()[0].splitlines() if line.startswith("{")]
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = next((event for event in told if event.get("event") == "done"), None)
    if process.returncode or done is None:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = done["seconds"]
    return {"wall": seconds["build"] + seconds["render"] + seconds["write"], "cpu": spent, "mb": peak[0]}


def read_back(path: Path, size: tuple[int, int]) -> tuple[float, float, int]:
    """How far the layers are from the beauty at most, milliseconds to read a layer, and how many there are."""
    with open_layers(path) as layers:
        total = np.zeros((layers.size[1], layers.size[0], 3))
        for light in layers.lights:
            total += layers.read(light.index)
        beauty = layers.beauty()
        off = float((np.abs(total - beauty) / np.maximum(beauty, beauty.mean() * 1e-6)).max())
        few = [light.index for light in layers.lights[:: max(1, len(layers.lights) // 20)]]
        begun = time.perf_counter()
        for index in few:
            layers.read(index, size)
        return off, (time.perf_counter() - begun) / len(few) * 1000, len(layers.lights)


def scene_file(folder: Path) -> Path:
    """The hall: the one that everybody measures on where it is there, else one made here."""
    shared = scenes.shared() / "hall300p.glb"
    if shared.is_file():
        return shared
    from studio.scene.project import save_project

    made = folder / "hall.studio"
    save_project(scenes.hall(300, points=True), made)
    return made


def main() -> int:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--read", default="960x540")
    args = parser.parse_args()
    wide, high = (int(n) for n in args.read.split("x"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = scene_file(folder)
        runs = []
        for run in range(args.runs):
            say(f"Run {run + 1} of {args.runs} ...")
            runs.append(
                [
                    rendered(scene, folder / f"{kind}.exr", args.size, args.samples, layers=kind == "layers")
                    for kind in ("plain", "layers")
                ]
            )
        file = folder / "layers.lights.exr"
        off, milliseconds, count = read_back(file, (wide, high))
        size = file.stat().st_size / 1e6
    told: list[Row] = []

    def row(what: str, key: str, unit: str, value: str, target: float) -> None:
        plain, layers = (min(run[i][key] for run in runs) for i in range(2))
        found = round(layers / plain if value == "ratio" else layers - plain, 3)
        both = {"plain": round(plain, 2), "layers": round(layers, 2), "samples": args.samples, "size": args.size}
        told.append(targets(machine() | both, what=what, value=found, target=target, unit=unit))

    row(f"time of a frame with {count - 1} layers, by the processor", "cpu", "times", "ratio", MOST_TIME)
    row("time of a frame, by the wall clock", "wall", "times", "ratio", MOST_TIME)
    row("memory over the plain render's", "mb", "MB", "over", MOST_MEMORY)
    told.append(targets(machine(), what="sum of the layers against the beauty", value=off, target=MOST_OFF, unit=""))
    plain_row = {"what": f"one layer at {args.read}", "value": round(milliseconds, 1), "unit": "ms", "target": None}
    told.append(plain_row | {"met": None} | machine())
    told.append({"what": "size of the file", "value": round(size, 1), "unit": "MB", "target": None} | machine())
    tell(told, COLUMNS, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
