"""How soon `studio render` shows its first sample, and how long kernels take that were never compiled before.

    python benchmarks/start.py [SCENE.glb] [--turns 3] [--device cpu] [--json | --markdown]

The first figure runs from the start of the process to the first progress event that holds a whole sample of hall300 at
320x180, with kernels compiled before; median of the turns. The second is what the command says of an empty cache: the
seconds until its kernels were ready. Targets: 4 s and 30 s.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand import scenes
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, say, targets, tell

FIRST_SAMPLE_S, COMPILATION_S = 4.0, 30.0
SAMPLES = 8


def render(scene: Path, *, device: str, threads: int, cache: str = "") -> tuple[dict[str, float], dict[str, Any]]:
    """Seconds of the clock at every kind of event of one `studio render` (the first of each kind; "sample" is the
    first progress of a whole sample), and its last event."""
    environment = {**os.environ, **({"MYRIAD_CACHE": cache} if cache else {})}
    at: dict[str, float] = {}
    last: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "studio", "render", str(scene), "-o", f"{folder}/out.exr", "--json"]
        command += ["--size", "320x180", "--samples", str(SAMPLES), "--device", device, "--threads", str(threads)]
        begun = time.perf_counter()
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=scenes.ROOT
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            for line in process.stdout:
                if not line.startswith("{"):
                    continue
                last = json.loads(line)
                now = time.perf_counter() - begun
                at.setdefault(str(last["event"]), now)
                if last["event"] == "progress" and last["samples"] >= 1:
                    at.setdefault("sample", now)
            words = process.stderr.read()
        at["end"] = time.perf_counter() - begun
    if process.returncode or last.get("event") != "done":
        raise RuntimeError(f"studio render ended with {process.returncode}: {words.strip()[-500:]}")
    return at, last


def measure(scene: Path, *, turns: int, device: str, threads: int) -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory() as cache:
        cold, done = render(scene, device=device, threads=threads, cache=cache)
        compile_s = float(done["seconds"]["compile"])
        say(f"first ever: {compile_s:.1f} s of compilation, {cold['end']:.1f} s in all")
        warm = [render(scene, device=device, threads=threads, cache=cache) for _ in range(turns)]
    middle = {k: statistics.median(at[k] for at, _ in warm if k in at) for k in warm[0][0]}
    rows = [
        targets({}, what="first ever compilation of the kernels", unit="s", value=compile_s, target=COMPILATION_S),
        {"what": "first ever render, in all", "unit": "s", "value": cold["end"]},
        targets({}, what="start to first sample", unit="s", value=middle["sample"], target=FIRST_SAMPLE_S),
        {"what": f"start to the end of {SAMPLES} samples", "unit": "s", "value": middle["end"]},
    ]
    for name in warm[0][1]["seconds"]:
        value = statistics.median(float(last["seconds"][name]) for _, last in warm)
        rows.append({"what": f"of which {name}", "unit": "s", "value": value})
    return [row | machine() for row in rows]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("scene", nargs="?", type=Path, default=scenes.shared() / "hall300.glb")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if not args.scene.is_file():
        say(f"there is no {args.scene}, so nothing was measured")
        return
    rows = measure(args.scene.resolve(), turns=args.turns, device=args.device, threads=args.threads)
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
