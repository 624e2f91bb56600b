"""Every benchmark in one run: `python benchmarks [--out DIR] [NAME...]`.

Each runs in a process of its own, one after the other. What they measured is written to `benchmarks.json`, a list of
all rows with the name of their benchmark, and `benchmarks.md`, a table each; `docs/benchmarks.md` says what they mean.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.borrow import COLUMNS as BORROW_COLUMNS
from benchmarks.capture import COLUMNS as CAPTURE_COLUMNS
from benchmarks.exr import COLUMNS as EXR_COLUMNS
from benchmarks.farm import COLUMNS as FARM_COLUMNS
from benchmarks.farm_scale import COLUMNS as SCALE_COLUMNS
from benchmarks.head import COLUMNS as HEAD_COLUMNS
from benchmarks.jobs import COLUMNS as JOB_COLUMNS
from benchmarks.layers import COLUMNS as LAYER_COLUMNS
from benchmarks.materials import COLUMNS as MATERIAL_COLUMNS
from benchmarks.mixer import COLUMNS as MIXER_COLUMNS
from benchmarks.parity import COLUMNS as PARITY_COLUMNS
from benchmarks.render import COLUMNS
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, say, table
from benchmarks.table import COLUMNS as LIGHT_TABLE_COLUMNS
from benchmarks.upload import COLUMNS as UPLOAD_COLUMNS
from benchmarks.video import COLUMNS as VIDEO_COLUMNS

FOLDER = Path(__file__).resolve().parent
NAMES = (
    "start", "app", "window", "library", "bvh", "lights", "linking", "scene", "scrub",
    "curves", "figure", "capture", "table", "mixer", "viewport", "shadows", "parity", "materials", "head_view",
    "interactive", "exr", "layers", "video", "jobs", "upload", "borrow", "farm", "farm_scale", "head", "render"
)  # fmt: skip
SCENE_COLUMNS = {"what": "what", "wall_ms": "ms", "cpu_ms": "cpu ms", "target_ms": "at most"}


def run(name: str) -> list[Row]:
    """The rows of one benchmark; its words go to stderr. RuntimeError when it fails."""
    say(f"Measuring {name} ...")
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with exit code {done.returncode}")
    return [{"benchmark": name, **json.loads(line)} for line in done.stdout.splitlines() if line.startswith("{")]


def columns(name: str) -> dict[str, str]:
    """The columns of a benchmark's table."""
    own = {
        "borrow": BORROW_COLUMNS,
        "capture": CAPTURE_COLUMNS,
        "exr": EXR_COLUMNS,
        "farm": FARM_COLUMNS,
        "farm_scale": SCALE_COLUMNS,
        "head": HEAD_COLUMNS,
        "jobs": JOB_COLUMNS,
        "layers": LAYER_COLUMNS,
        "materials": MATERIAL_COLUMNS,
        "mixer": MIXER_COLUMNS,
        "parity": PARITY_COLUMNS,
        "render": COLUMNS,
        "scene": SCENE_COLUMNS,
        "table": LIGHT_TABLE_COLUMNS,
        "upload": UPLOAD_COLUMNS,
        "video": VIDEO_COLUMNS,
    }
    return own.get(name, TARGET_COLUMNS)


def main() -> int:
    """Run, write and print; the exit code is 1 when a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*NAMES, []], help=", ".join(NAMES))
    parser.add_argument("--out", type=Path, default=Path("out"))
    args = parser.parse_args()
    rows: list[Row] = []
    text = [f"# Benchmarks\n\n{time.strftime('%Y-%m-%d')}, {machine()['processor']}, {machine()['cores']} cores."]
    failed = False
    for name in args.names or NAMES:
        try:
            found = run(name)
        except RuntimeError as fault:
            say(str(fault))
            failed = True
            continue
        loads = [row["load_average"][0] for row in found if "load_average" in row]
        load = f" Load average {min(loads)} to {max(loads)}." if loads else ""
        text.append(
            f"\n## {name}\n\n`python benchmarks/{name}.py`.{load}\n\n{table(found, columns(name), markdown=True)}"
        )
        rows += found
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "benchmarks.json").write_text(json.dumps(rows, indent=1) + "\n")
    (args.out / "benchmarks.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))
    say(f"Written to {args.out}/benchmarks.json and {args.out}/benchmarks.md")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
