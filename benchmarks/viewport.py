"""How fast the viewport is: a frame of a hall of 300 point lights, and taking over an edit of one of them.

    python benchmarks/viewport.py [--size 640x360] [--turns 5] [--device egl] [--scene hall300p] [--json | --markdown]

The frame is what a viewport does while something moves: depth, 300 lights without shadows, the ACES view and the
smoothing of edges, until the last pixel is there. With MYRIAD_BPY_PYTHON naming a Python with Blender's `bpy`, EEVEE
draws the same scene in the same run, at one sample and without shadows, in turns with ours; it needs a display, or
xvfb-run. The time of an edit is that of `Renderer.sync` after one light of 300 moved, without drawing. Times are
medians; processor time divided by the cores stands beside them, for machines that do other things too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.peers import exchange
from benchmarks.stand import scenes
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, say, targets, tell
from studio.errors import StudioError
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Quality

FRAME_S, SYNC_MS = 0.40, 4.0
_PEER_TIMEOUT_S = 1800


def clocks() -> tuple[float, float]:
    """Wall clock and processor time a core."""
    return time.perf_counter(), time.process_time() / (os.cpu_count() or 1)


class Ours:
    """Our viewport with a scene in it."""

    def __init__(self, flat: Any, size: tuple[int, int], device: str) -> None:
        self.flat = flat
        self.device = Device.offscreen(kind=device)
        self.renderer, self.target = Renderer(self.device), Target(self.device, *size)
        begun = time.perf_counter()
        self.renderer.sync(flat)
        self.frame()
        self.first = time.perf_counter() - begun

    def frame(self) -> tuple[float, float]:
        """Wall and processor seconds of one frame."""
        start = clocks()
        look = Look(exposure_ev=self.flat.camera.exposure_ev, background=(0.0, 0.0, 0.0), shadows=False)
        self.renderer.draw(self.target, ViewCamera.of(self.flat.camera), look, quality=Quality.MOVING)
        self.device.flush()
        end = clocks()
        return end[0] - start[0], end[1] - start[1]

    def edits(self, count: int) -> tuple[list[tuple[float, float]], set[str], int]:
        """Seconds of `count` syncs after one light moved, which sections were uploaded, and how many meshes."""
        from dataclasses import replace

        times, sections, meshes = [], set(), 0
        rng = np.random.default_rng(1)
        for _ in range(count):
            lights = self.flat.lights.copy()
            lights["open"][rng.integers(len(lights)), :, 3] += rng.normal(size=3).astype(np.float32) * 0.1
            lights.flags.writeable = False
            self.flat = replace(self.flat, lights=lights)
            start = clocks()
            done = self.renderer.sync(self.flat)
            end = clocks()
            times.append((end[0] - start[0], end[1] - start[1]))
            sections |= done.sections
            meshes += done.meshes
        return times, sections, meshes

    def release(self) -> None:
        """Give the device back."""
        self.target.release()
        self.renderer.release()
        self.device.release()


def eevee(plain: Path, size: tuple[int, int], turns: int, *, shadows: bool = False) -> dict[str, Any]:
    """What EEVEE took; {"left_out": why} where it cannot be asked."""
    python = os.environ.get("MYRIAD_BPY_PYTHON", "")
    if not python:
        return {"left_out": "MYRIAD_BPY_PYTHON names no Python with Blender's bpy"}
    command = [
        python,
        str(Path(__file__).parent / "peers" / "eevee_flat.py"),
        str(plain),
        str(plain.with_suffix(".npy")),
    ]
    command += ["--size", f"{size[0]}x{size[1]}", "--turns", str(turns)]
    if shadows:
        command.append("--shadows")
    if not os.environ.get("DISPLAY"):
        if shutil.which("xvfb-run") is None:
            return {"left_out": "there is no display and no xvfb-run"}
        command = ["xvfb-run", "-a", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PEER_TIMEOUT_S, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        return {"left_out": f"exit code {done.returncode}: {last[:160]}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def measure(args: argparse.Namespace, size: tuple[int, int]) -> list[Row]:
    """The rows of the table."""
    flat = scenes.flat(args.scene)
    rows: list[Row] = []
    what = f"{args.scene} at {args.size}"
    ours = Ours(flat, size, args.device)
    half = max(args.turns // 2, 1)
    frames = [ours.frame() for _ in range(half)]
    peer: dict[str, Any] = {"left_out": "not asked for"}
    if not args.no_peer:
        say("Asking EEVEE ...")
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "scene.npz"
            exchange.write(exchange.plain(flat), plain)
            peer = eevee(plain, size, max(args.turns // 2, 2))
    frames += [ours.frame() for _ in range(args.turns - half)]
    wall, cpu = (statistics.median(frame[k] for frame in frames) for k in (0, 1))
    state = machine() | {"renderer": ours.device.info.renderer}
    rows.append(targets(state, what=f"{what}: a frame", unit="s", value=wall, target=FRAME_S))
    rows.append({"what": f"{what}: a frame, processor / cores", "unit": "s", "value": cpu} | state)
    for name, seconds in ours.renderer.pass_seconds().items():
        rows.append({"what": f"{what}: of that, {name}", "unit": "s", "value": seconds} | state)
    rows.append({"what": f"{what}: the first frame, programs compiled", "unit": "s", "value": ours.first} | state)
    if "left_out" in peer:
        say(f"EEVEE was left out: {peer['left_out']}")
        rows.append({"what": f"{what}: EEVEE", "left_out": peer["left_out"]} | state)
    else:
        theirs = statistics.median(frame["wall"] for frame in peer["frames"])
        busy = statistics.median(frame["cpu"] for frame in peer["frames"]) / (os.cpu_count() or 1)
        rows.append({"what": f"{what}: EEVEE {peer['version']}, a frame", "unit": "s", "value": theirs} | state)
        rows.append({"what": f"{what}: EEVEE, processor / cores", "unit": "s", "value": busy} | state)
        rows.append({"what": f"{what}: EEVEE's time over ours", "unit": "x", "value": theirs / wall} | state)
    rows += sync_rows(ours, state)
    ours.release()
    return rows


def sync_rows(ours: Ours, state: Row) -> list[Row]:
    """What an edit of one light costs to take over."""
    times, sections, meshes = ours.edits(21)
    wall, cpu = (statistics.median(t[k] for t in times) * 1e3 for k in (0, 1))
    what = f"sync after moving one light of {len(ours.flat.lights)}"
    return [
        targets(state, what=what, unit="ms", value=wall, target=SYNC_MS),
        {"what": f"{what}, processor", "unit": "ms", "value": cpu * (os.cpu_count() or 1)} | state,
        targets(state, what=f"{what}: sections uploaded", value=len(sections), target=1),
        targets(state, what=f"{what}: meshes uploaded", value=meshes, target=0),
    ]


def main() -> int:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--scene", default="hall300p")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", default="egl")
    parser.add_argument("--no-peer", action="store_true", help="leave EEVEE out")
    args = parser.parse_args()
    width, height = (int(n) for n in args.size.split("x"))
    try:
        rows = measure(args, (width, height))
    except (StudioError, FileNotFoundError) as fault:
        say(str(fault))
        return 1
    tell(rows, TARGET_COLUMNS, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
