"""How soon `studio app` is a window that one can work in.

    python benchmarks/app.py [SCENE.glb] [--turns 5] [--json | --markdown]

Without a scene: from the start of the process until the first viewport has been drawn and the event loop waits for a
hand; median of the turns, a first one that warms the disk's cache left out. Target: 3 s. Beside it the same with a
scene, whose file is read by a thread meanwhile, until it is shown. Needs a display; starts Xvfb where there is none.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand import scenes
from benchmarks.stand.display import on_a_display
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, targets, tell

WINDOW_S = 3.0
_LIMIT_S = 120.0


def start(arguments: list[str]) -> float:
    """Seconds until `studio app` waits for a hand; it is ended then."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        environment = {
            **os.environ,
            "MYRIAD_CONFIG": f"{folder}/config",
            "MYRIAD_DATA": f"{folder}/data",
            "MYRIAD_READY": str(ready),
        }
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "studio", "app", *arguments], env=environment, cwd=scenes.ROOT
        )
        try:
            while not ready.exists():
                if process.poll() is not None or time.perf_counter() - begun > _LIMIT_S:
                    raise RuntimeError(f"studio app was not ready after {time.perf_counter() - begun:.0f} s")
                time.sleep(0.005)
            return time.perf_counter() - begun
        finally:
            process.terminate()
            process.wait()


def measure(scene: Path | None, *, turns: int) -> list[Row]:
    """All rows."""
    start([])
    empty = [start([]) for _ in range(turns)]
    rows: list[Row] = [
        targets(
            {},
            what="start to a window that waits for a hand",
            unit="s",
            value=statistics.median(empty),
            target=WINDOW_S,
        ),
        {"what": "the slowest of them", "unit": "s", "value": max(empty)},
    ]
    if scene is not None:
        full = [start([str(scene)]) for _ in range(turns)]
        rows.append({"what": f"the same, with {scene.name} being read", "unit": "s", "value": statistics.median(full)})
    return [row | machine() for row in rows]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("scene", nargs="?", type=Path, default=scenes.shared() / "hall300p.glb")
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    if not on_a_display():
        return
    rows = measure(args.scene.resolve() if args.scene.is_file() else None, turns=args.turns)
    tell(rows, TARGET_COLUMNS, args)


if __name__ == "__main__":
    main()
