"""Shadows of every light in the viewport: what a frame takes with all of 300, and how near they are to the tracer's.

    python benchmarks/shadows.py [--scene hall300p] [--size 640x360] [--turns 5] [--samples 256] [--device egl]
                                 [--no-peer] [--pictures DIR] [--json | --markdown]

A static frame finds all shadow maps drawn; with one light moving, every frame moves one of the lights and draws its
maps anew. The two and a frame without shadows are taken in turns, until the last pixel is there. Then the view rests
until it is done and is compared with the tracer's direct light of the same camera (paths of two segments, SAMPLES a
pixel) by the mean of the FLIP error map (Andersson et al. 2020), both exposed so that the tracer's mean is 0.18.
With MYRIAD_BPY_PYTHON naming a Python with Blender's `bpy`, EEVEE draws the scene with its shadows in the same run; it
needs a display, or xvfb-run. Times are medians; processor time divided by the cores stands beside them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.parity import F32, displayed
from benchmarks.peers import exchange
from benchmarks.stand import scenes
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, say, targets, tell
from benchmarks.viewport import Ours, clocks, eevee
from studio.errors import StudioError
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.photometry import LUMINANCE
from studio.viewport.camera import ViewCamera
from studio.viewport.view import Look, Quality, Statistics

STATIC_S, MOVING_RATIO, FLIP = 1.0, 1.15, 0.06
_PLENTY_S = 600.0


class Shadowed(Ours):
    """Our viewport with all shadows of a scene drawn."""

    said = Statistics()

    def draw(self, *, shadows: bool = True, quality: Quality = Quality.MOVING, seconds: float | None = None) -> None:
        """One frame."""
        look = Look(exposure_ev=self.flat.camera.exposure_ev, background=(0.0, 0.0, 0.0), shadows=shadows)
        camera = ViewCamera.of(self.flat.camera)
        self.said = self.renderer.draw(self.target, camera, look, quality=quality, shadow_seconds=seconds)
        self.device.flush()

    def move(self, rng: np.random.Generator) -> None:
        """Move a light by a hand's breadth."""
        lights = self.flat.lights.copy()
        lights["open"][rng.integers(len(lights)), :, 3] += rng.normal(size=3).astype(np.float32) * 0.1
        lights.flags.writeable = False
        self.flat = replace(self.flat, lights=lights)
        self.renderer.sync(self.flat)
        self.draw()


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and processor seconds."""
    start = clocks()
    work()
    end = clocks()
    return end[0] - start[0], end[1] - start[1]


def tracer_picture(flat: FlatScene, size: tuple[int, int], samples: int) -> F32:
    """(h, w, 3) nits of direct light."""
    settings = RenderSettings(width=size[0], height=size[1], samples=samples, depth=2, filter="box")
    with RenderSession(device="cpu") as session:
        return np.asarray(session.render_frame(flat, settings).film.beauty()[..., :3])


def flip_of(ours: F32, theirs: F32) -> tuple[float, list[F32]]:
    """Mean FLIP of two pictures in nits, and the two as they are shown."""
    import flip_evaluator

    scale = 0.18 / float((theirs @ LUMINANCE).mean())
    shown = [displayed(p * scale) for p in (theirs, ours)]
    error, _, _ = flip_evaluator.evaluate(*shown, "LDR", applyMagma=False)
    return float(np.asarray(error).mean()), shown


def frame_rows(ours: Shadowed, args: argparse.Namespace, what: str, state: Row) -> tuple[list[Row], float]:
    """Rows of what frames take; and the seconds of a static one."""
    rng = np.random.default_rng(1)
    ours.draw(shadows=False)
    first, _ = timed(lambda: ours.draw(seconds=_PLENTY_S))
    plain, static, moving = [], [], []
    for _ in range(args.turns):
        plain.append(timed(lambda: ours.draw(shadows=False)))
        static.append(timed(ours.draw))
        moving.append(timed(lambda: ours.move(rng)))
    medians = [[statistics.median(t[k] for t in times) for k in (0, 1)] for times in (plain, static, moving)]
    shadowed, of = ours.said.shadowed
    rows = [
        {"what": f"{what}: a frame without shadows", "unit": "s", "value": medians[0][0]} | state,
        targets(state, what=f"{what}: a frame, all shadows, static", unit="s", value=medians[1][0], target=STATIC_S),
        {"what": f"{what}: of that, processor / cores", "unit": "s", "value": medians[1][1]} | state,
        {"what": f"{what}: a frame with one light moving", "unit": "s", "value": medians[2][0]} | state,
        targets(
            state, what=f"{what}: moving over static, wall", unit="x", value=medians[2][0] / medians[1][0],
            target=MOVING_RATIO,
        ),
        {"what": f"{what}: moving over static, processor", "unit": "x", "value": medians[2][1] / medians[1][1]} | state,
        {"what": f"{what}: lights shadowed of {of}", "value": shadowed} | state,
        {"what": f"{what}: halvings because memory is short", "value": ours.said.shadows_coarser} | state,
        {"what": f"{what}: shadow maps and tables", "unit": "MB", "value": ours.renderer.shadows.bytes / 1e6} | state,
        {"what": f"{what}: the first frame, all maps drawn", "unit": "s", "value": first} | state,
    ]  # fmt: skip
    return rows, medians[1][0]


def rest_rows(ours: Shadowed, args: argparse.Namespace, size: tuple[int, int], what: str, state: Row) -> list[Row]:
    """Rows of the picture at rest against the tracer."""
    seconds, _ = timed(lambda: ours.draw(quality=Quality.STILL, seconds=_PLENTY_S))
    while not ours.renderer.still_done(ours.target):
        seconds += timed(lambda: ours.draw(quality=Quality.STILL))[0]
    say("Rendering the tracer's direct light ...")
    value, shown = flip_of(ours.target.read_linear(), tracer_picture(ours.flat, size, args.samples))
    if args.pictures is not None:
        from PIL import Image

        args.pictures.mkdir(parents=True, exist_ok=True)
        strip = np.concatenate([*shown, np.clip(4.0 * np.abs(shown[0] - shown[1]), 0.0, 1.0)])
        Image.fromarray(np.rint(strip * 255.0).astype(np.uint8)).save(args.pictures / f"{args.scene}.png")
    return [
        targets(state, what=f"{what}: at rest against the tracer's direct light, FLIP", value=value, target=FLIP),
        {"what": f"{what}: until the view has come to rest", "unit": "s", "value": seconds} | state,
    ]


def peer_rows(
    args: argparse.Namespace, flat: FlatScene, size: tuple[int, int], what: str, ours: float, state: Row
) -> list[Row]:
    """Rows of EEVEE with its shadows."""
    if args.no_peer:
        return [{"what": f"{what}: EEVEE", "left_out": "not asked for"} | state]
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "scene.npz"
        exchange.write(exchange.plain(flat), plain)
        peer = eevee(plain, size, 2, shadows=True)
    if "left_out" in peer:
        say(f"EEVEE was left out: {peer['left_out']}")
        return [{"what": f"{what}: EEVEE", "left_out": peer["left_out"]} | state]
    theirs = statistics.median(frame["wall"] for frame in peer["frames"])
    return [
        {"what": f"{what}: EEVEE {peer['version']} with shadows, a frame", "unit": "s", "value": theirs} | state,
        {"what": f"{what}: EEVEE's time over ours", "unit": "x", "value": theirs / ours} | state,
    ]


def measure(args: argparse.Namespace, size: tuple[int, int]) -> list[Row]:
    """The rows of the table."""
    flat = scenes.flat(args.scene)
    what = f"{args.scene} at {args.size}"
    ours = Shadowed(flat, size, args.device)
    state = machine() | {"renderer": ours.device.info.renderer}
    rows, static = frame_rows(ours, args, what, state)
    rows += rest_rows(ours, args, size, what, state)
    ours.release()
    return rows + peer_rows(args, flat, size, what, static, state)


def main() -> int:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--scene", default="hall300p")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--samples", type=int, default=256, help="of the tracer, a pixel")
    parser.add_argument("--device", default="egl")
    parser.add_argument("--no-peer", action="store_true", help="leave EEVEE out")
    parser.add_argument("--pictures", type=Path, help="keep tracer, viewport and their difference in this folder")
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
