"""Ours against Mitsuba and Cycles on the same scenes in one run: seconds, error and their product.

    python benchmarks/render.py [SCENE...] [--samples 64] [--size 320x180] [--peers mitsuba,cycles] [--repeats 1]
                                [--device cpu|cuda] [--reference-samples 2048] [--json | --markdown]

For every scene each renderer runs in a process of its own, one after the other, with a box filter, paths of at most 8
segments and as many threads. Times count the building of the scene and the learning of its lights but neither
compilation nor imports (what exactly, says each of `benchmarks/peers`). "lead" is the peer's cost over ours. With
`--repeats` the renderers take turns with other seeds, and seconds are medians and errors means.

Scenes: cornell, veach_mis, hall300 and hall300p come with converged references by Mitsuba. rooms, rig, dome and
practicals are our demo's in a neutral form; their references are made here by our tracer with another seed, and kept
with the ratio to the mean of a picture by Mitsuba as a check against a common error. Peers: mitsuba (llvm_ad_rgb, or
cuda_ad_rgb with --device cuda), mitsuba-scalar, cycles (needs MYRIAD_BPY_PYTHON, a Python with Blender's `bpy`),
cycles-no-tree; shared-mitsuba and shared-cycles run the scripts beside the reference scenes as they are.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import exchange
from benchmarks.stand import scenes
from benchmarks.stand.measure import Row, machine, mean_ratio, relative_error, report, say
from studio.render.device import cache_folder

PEERS = Path(__file__).resolve().parent / "peers"
ROOT = PEERS.parents[1]
REFERENCE_SEED = 20_000
CHECK_SAMPLES = 256  # of Mitsuba's picture that a reference of ours is checked against
LIMIT_S = 3600.0
NAMES = ("mitsuba", "mitsuba-scalar", "cycles", "cycles-no-tree", "shared-mitsuba", "shared-cycles")
COLUMNS = {
    "scene": "scene",
    "renderer": "renderer",
    "samples": "samples",
    "wall": "s",
    "cpu": "cpu s",
    "rel_mse": "relMSE",
    "worst": "worst 0.1 %",
    "mean": "mean / reference",
    "cost": "cost",
    "cost_cpu": "cost by cpu",
    "lead": "lead",
    "lead_cpu": "lead by cpu",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every renderer is asked for."""

    scene: str
    plain: Path  # the scene for the peers
    samples: int
    size: tuple[int, int]
    seed: int
    threads: int
    device: str
    depth: int = 8


class Unavailable(Exception):
    """A renderer that cannot run here, with the reason."""


def command(renderer: str, job: Job, out: Path) -> list[str]:
    """The command line of a renderer; Unavailable says what is missing."""
    size = f"{job.size[0]}x{job.size[1]}"
    options = ["--samples", str(job.samples), "--size", size, "--depth", str(job.depth)]
    options += ["--seed", str(job.seed), "--threads", str(job.threads)]
    if renderer == "ours":
        return [sys.executable, str(PEERS / "ours.py"), job.scene, str(out), *options, "--device", job.device]
    if renderer.startswith("shared-"):
        return _shared_command(renderer, job, out)
    if renderer.startswith("mitsuba"):
        sided = [] if job.scene in scenes.REFERENCED else ["--two-sided"]
        variant = {"mitsuba-scalar": "scalar_rgb"}.get(
            renderer, "llvm_ad_rgb" if job.device == "cpu" else "cuda_ad_rgb"
        )
        script = [str(PEERS / "mitsuba_flat.py"), str(job.plain), str(out), *options, *sided, "--variant", variant]
        return [sys.executable, *script]
    if job.device != "cpu":
        raise Unavailable("Cycles is compared on the processor alone")
    tree = ["--no-tree"] if renderer == "cycles-no-tree" else []
    return [_blender(), str(PEERS / "cycles_flat.py"), str(job.plain), str(out), *options, *tree]


def _blender() -> str:
    python = os.environ.get("MYRIAD_BPY_PYTHON", "")
    if not python or not shutil.which(python):
        raise Unavailable("MYRIAD_BPY_PYTHON names no Python with Blender's bpy")
    return python


def _shared_command(renderer: str, job: Job, out: Path) -> list[str]:
    script = scenes.shared() / "peers" / f"{renderer.removeprefix('shared-')}_peer.py"
    if not script.is_file() or job.scene not in scenes.REFERENCED:
        raise Unavailable(f"there is no {script} for this scene")
    start = [sys.executable, str(script), "llvm_ad_rgb"] if renderer == "shared-mitsuba" else [_blender(), str(script)]
    return [*start, job.scene, *map(str, job.size), str(job.samples), str(out), str(job.depth)]


def run(renderer: str, job: Job) -> tuple[np.ndarray, dict[str, float]]:
    """The picture (h, w, 3) of a renderer and its seconds; RuntimeError with its last words when it fails."""
    from benchmarks.peers.mitsuba_flat import find_llvm

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npy"
        line = command(renderer, job, out)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "DRJIT_LIBLLVM_PATH": find_llvm()}
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=ROOT, env=environment
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode or not out.is_file():
            raise RuntimeError(f"{renderer} on {job.scene} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        picture = np.load(out)
        if renderer.startswith("shared-"):
            found = re.findall(r"render ([0-9.]+)s", done.stdout)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime  # imports and loading included
            return picture, {"wall": float(found[-1]), "cpu": cpu}
        seconds: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
    return picture, seconds


# --- references ------------------------------------------------------------------------------------------------------
def reference(job: Job, *, samples: int) -> tuple[np.ndarray, float]:
    """The reference picture of a scene, and the mean of one of our own over that of Mitsuba's picture (else 1)."""
    if job.scene in scenes.REFERENCED and job.size == (320, 180):
        with np.load(scenes.shared() / "references" / f"{job.scene}.npz") as file:
            return file["rgb"], 1.0
    folder = Path(os.environ.get("MYRIAD_REFERENCES", cache_folder().parents[1] / "references"))
    digest = scenes.flat(job.scene).digest()[:12]
    path = folder / f"{job.scene.replace(':', '-')}-{job.size[0]}x{job.size[1]}-{samples}-{digest}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        say(f"making the reference of {job.scene} with {samples} samples; it is kept as {path}")
        rgb, _ = run("ours", dataclasses.replace(job, samples=samples, seed=REFERENCE_SEED))
        check = float("nan")
        try:
            other, _ = run("mitsuba", dataclasses.replace(job, samples=CHECK_SAMPLES, seed=REFERENCE_SEED))
            check = mean_ratio(rgb, other)
        except (RuntimeError, Unavailable) as fault:
            say(f"the reference could not be checked against Mitsuba: {fault}")
        partial = path.with_suffix(".part.npz")
        np.savez(partial, rgb=rgb, samples=samples, check=check)
        partial.rename(path)
    with np.load(path) as file:
        return file["rgb"], float(file["check"])


# --- the comparison --------------------------------------------------------------------------------------------------
def compare(job: Job, renderers: list[str], *, repeats: int, reference_samples: int) -> Iterator[Row]:
    """A row for each renderer on one scene; those that cannot run are named with the reason."""
    try:
        exchange.write(exchange.plain(scenes.flat(job.scene)), job.plain)
    except ValueError as fault:
        say(f"{job.scene}: {fault}")
        renderers = [name for name in renderers if name == "ours"]
    truth, check = reference(job, samples=reference_samples)
    found: dict[str, list[Row]] = {name: [] for name in renderers}
    skipped: dict[str, str] = {}
    for turn in range(repeats):
        for name in renderers:
            if name in skipped:
                continue
            say(f"{job.scene}: {name}, turn {turn + 1} of {repeats}")
            try:
                picture, seconds = run(name, dataclasses.replace(job, seed=job.seed + turn))
            except (Unavailable, RuntimeError) as fault:
                skipped[name] = str(fault)
                say(f"{job.scene}: {name} left out: {fault}")
                continue
            error, worst = relative_error(picture, truth)
            found[name].append({"seconds": seconds, "error": error, "worst": worst, "mean": mean_ratio(picture, truth)})
    state = machine()
    summary = {name: _summary(rows, job.threads) for name, rows in found.items() if rows}
    for name in renderers:
        row = {"scene": job.scene, "renderer": name, "samples": job.samples, **summary.get(name, {})}
        if name in skipped:
            row["left_out"] = skipped[name]
        elif name != "ours" and "ours" in summary:
            row["lead"] = row["cost"] / summary["ours"]["cost"]
            row["lead_cpu"] = row["cost_cpu"] / summary["ours"]["cost_cpu"]
        yield row | {"reference_check": check, "device": job.device} | state


def _summary(rows: list[Row], threads: int) -> Row:
    def middle(key: str) -> float:
        return float(statistics.median(row["seconds"][key] for row in rows))

    wall, cpu = middle("wall"), middle("cpu")
    error = statistics.fmean(row["error"] for row in rows)
    return {
        "wall": wall,
        "cpu": cpu,
        "rel_mse": error,
        "worst": statistics.fmean(row["worst"] for row in rows),
        "mean": statistics.fmean(row["mean"] for row in rows),
        "cost": wall * error,
        "cost_cpu": cpu / threads * error,
        "seconds": {key: middle(key) for key in rows[0]["seconds"]},
    }


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(scenes.REFERENCED + scenes.OWN))
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--peers", default="mitsuba,cycles", help=f"of {', '.join(NAMES)}; empty for ours alone")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--reference-samples", type=int, default=2048)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    args = parser.parse_args(arguments)
    args.peers = [name for name in args.peers.split(",") if name]
    unknown = [name for name in args.peers if name not in NAMES]
    unknown += [name for name in args.scenes if name not in scenes.REFERENCED + scenes.OWN and name[:5] != "hall:"]
    if unknown:
        parser.error(f"there is no {unknown[0]}")
    return args


def measure(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of all scenes asked for."""
    width, height = (int(n) for n in args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        for name in args.scenes or scenes.available():
            job = Job(
                scene=name,
                plain=Path(folder) / f"{name.replace(':', '-')}.npz",
                samples=args.samples,
                size=(width, height),
                seed=args.seed,
                threads=args.threads,
                device=args.device,
            )
            yield from compare(
                job, ["ours", *args.peers], repeats=args.repeats, reference_samples=args.reference_samples
            )


def main() -> None:
    """Compare and print."""
    args = parsed()
    line = " ".join(["python benchmarks/render.py", *sys.argv[1:]])
    rows: list[dict[str, Any]] = []
    for row in measure(args):
        rows.append(row)
        if args.json:
            print(json.dumps(row), flush=True)
    if not args.json:
        report(rows, COLUMNS, as_json=False, markdown=args.markdown, command=line)


if __name__ == "__main__":
    main()
