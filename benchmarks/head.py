"""A head with skin: our tracer against Cycles' random walk on the same triangles, lights and parameters, in one run.

    python benchmarks/head.py [RIG] [--samples 64] [--size 240x240] [--repeats 1] [--reference-samples 2048]
                              [--threads 2] [--json | --markdown]

RIG is one of `benchmarks/stand/heads.py` whose lights are rectangles. The two agree on what a random walk is and not on
every constant of skin (Cycles has one lobe of gloss, and an albedo inversion of its own), so each is measured against a
converged picture of its own: cost is seconds times relMSE at equal settings, and the lead is Cycles' cost over ours.
Cycles needs MYRIAD_BPY_PYTHON, a Python with Blender's `bpy`; the head needs the shared assets.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import exchange
from benchmarks.stand import heads, scenes
from benchmarks.stand.measure import Row, machine, mean_ratio, options, relative_error, say, tell
from studio.scene.flat import FlatScene
from studio.scene.materials import OFFSET

PEERS = Path(__file__).resolve().parent / "peers"
REFERENCE_SEED = 20_000
LIMIT_S = 3600.0
COLUMNS = {
    "scene": "lights",
    "renderer": "renderer",
    "samples": "samples",
    "wall": "s",
    "cpu": "cpu s",
    "rel_mse": "relMSE",
    "worst": "worst 0.1 %",
    "cost": "cost",
    "cost_cpu": "cost by cpu",
    "lead": "lead",
    "lead_cpu": "lead by cpu",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What both renderers are asked for."""

    rig: str
    file: Path
    samples: int
    size: str
    seed: int
    threads: int


def plain(flat: FlatScene) -> exchange.Plain:
    """The head for `peers/cycles_head.py`; ValueError when a light is no rectangle."""
    if any(row["kind"] != scenes.KINDS["rectangle"] for row in flat.lights):
        raise ValueError("only rectangles are translated; take another set-up of lights")
    pieces = list(exchange.pieces(flat))  # one object, for a walk meets the whole of it
    return {
        "materials": [_material(flat, row) for row in range(len(flat.materials))],
        "head": exchange.joined(pieces),
        "worn": np.concatenate([np.full(len(p["f"]), p["material"], np.int32) for p in pieces]),
        "lights": [
            {"matrix": r["open"].tolist(), "emission": r["emission"].tolist(), "size": r["size"].tolist()}
            for r in flat.lights
        ],
        "camera": exchange.camera(flat),
    }


def _material(flat: FlatScene, row: int) -> exchange.Plain:
    def read(field: str, count: int = 1) -> list[float]:
        start = OFFSET[field]
        return [float(x) for x in flat.materials[row, start : start + count]]

    weight = read("subsurface_weight")[0]
    return {
        "name": f"{row} {flat.material_names[row]}",
        "base": read("subsurface_color" if weight > 0 else "base_color", 3),
        "rough": read("specular_roughness")[0],
        "ior": read("specular_ior")[0],
        "subsurface": weight,
        "radius": read("subsurface_radius", 3),
    }


def run(renderer: str, job: Job) -> tuple[np.ndarray, dict[str, float]]:
    """The picture (h, w, 3) of a renderer and its seconds; RuntimeError with its last words when it fails."""
    asked = ["--samples", str(job.samples), "--size", job.size, "--seed", str(job.seed), "--threads", str(job.threads)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npy"
        line = [sys.executable, str(PEERS / "ours.py"), f"head:{job.rig}", str(out), *asked]
        if renderer == "cycles":
            line = [os.environ["MYRIAD_BPY_PYTHON"], str(PEERS / "cycles_head.py"), str(job.file), str(out), *asked]
        done = subprocess.run(line, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode or not out.is_file():
            raise RuntimeError(f"{renderer} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        seconds: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
        return np.load(out), seconds


def compare(job: Job, *, repeats: int, reference_samples: int) -> Iterator[Row]:
    """A row for each renderer."""
    exchange.write(plain(scenes.flat(f"head:{job.rig}")), job.file)
    renderers = ["ours"]
    if "MYRIAD_BPY_PYTHON" in os.environ:
        renderers.append("cycles")
    else:
        say("Cycles is left out: MYRIAD_BPY_PYTHON names no Python with Blender's bpy")
    truth = {}
    for name in renderers:
        say(f"{name}: the reference, {reference_samples} samples")
        truth[name], _ = run(name, dataclasses.replace(job, samples=reference_samples, seed=REFERENCE_SEED))
    found: dict[str, list[Row]] = {name: [] for name in renderers}
    for turn in range(repeats):
        for name in renderers:
            say(f"{name}, turn {turn + 1} of {repeats}")
            picture, seconds = run(name, dataclasses.replace(job, seed=job.seed + turn))
            there = truth[name].max(axis=-1) > 0.0  # not the black behind the head
            error, worst = relative_error(picture[there], truth[name][there])
            found[name].append({**seconds, "rel_mse": error, "worst": worst})
    rows = {name: _summary(found[name], job.threads) for name in renderers}
    for name, row in rows.items():
        row |= {"scene": job.rig, "renderer": name, "samples": job.samples}
        if name != "ours":
            row["lead"] = row["cost"] / rows["ours"]["cost"]
            row["lead_cpu"] = row["cost_cpu"] / rows["ours"]["cost_cpu"]
            row["mean"] = mean_ratio(truth["ours"], truth[name])
        yield row | machine()


def _summary(rows: list[Row], threads: int) -> Row:
    wall, cpu = (float(statistics.median(row[key] for row in rows)) for key in ("wall", "cpu"))
    error = statistics.fmean(row["rel_mse"] for row in rows)
    worst = statistics.fmean(row["worst"] for row in rows)
    costs = {"cost": wall * error, "cost_cpu": cpu / threads * error}
    return {"wall": wall, "cpu": cpu, "rel_mse": error, "worst": worst, **costs}


def main() -> None:
    """Compare and print."""
    parser = options(__doc__)
    parser.add_argument("rig", nargs="?", default="three points", choices=sorted(heads.RIGS))
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--size", default="240x240")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reference-samples", type=int, default=2048)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            rig=args.rig,
            file=Path(folder) / "head.npz",
            samples=args.samples,
            size=args.size,
            seed=args.seed,
            threads=args.threads,
        )
        tell(list(compare(job, repeats=args.repeats, reference_samples=args.reference_samples)), COLUMNS, args)


if __name__ == "__main__":
    main()
