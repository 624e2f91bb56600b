"""A head with skin in the viewport: what a frame takes, and how near the view at rest is to the tracer's random walk.

    python benchmarks/head_view.py [--parts frames,likeness] [--size 640x360] [--turns 5] [--likeness-size 240x240]
                                   [--samples 192] [--rigs "hard,sky"] [--no-peer] [--pictures DIR]
                                   [--json | --markdown]

Frames: the head of `benchmarks/stand/heads.py` under 100 points that all cast shadows; a frame while the view moves
and a sample of the view at rest, until the last pixel is there. With MYRIAD_BPY_PYTHON naming a Python with Blender's
`bpy`, EEVEE draws the same triangles, lights and parameters in the same run, one sample with shadows and subsurface;
it needs a display, or xvfb-run.

Likeness: five set-ups of lights, the tracer's whole paths (depth 8, SAMPLES a pixel, denoised) against the view at
rest, both exposed so that the face's mean luminance is 0.25 in the tracer's picture. Mean and 95th percentile of the
FLIP error map (Andersson et al. 2020) over the pixels of the face; targets 0.10 and 0.30.
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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from benchmarks.head import plain as plain_head
from benchmarks.parity import F32, displayed
from benchmarks.peers import exchange
from benchmarks.stand import heads
from benchmarks.stand.measure import TARGET_COLUMNS, Row, machine, options, say, targets, tell
from benchmarks.viewport import clocks
from studio.errors import StudioError
from studio.render.denoise import Denoiser, measured_scale
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.materials import OFFSET
from studio.scene.photometry import LUMINANCE
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Quality

LIGHTS, FLIP_MEAN, FLIP_P95, EXPOSED = 100, 0.10, 0.30, 0.25
_PLENTY_S = 600.0
_PEER_TIMEOUT_S = 1800
_PEERS = Path(__file__).resolve().parent / "peers"
_NONE = np.zeros(0, np.int32)
Size = tuple[int, int]


class Viewed:
    """One flat scene after another in our viewport."""

    def __init__(self, size: Size, device: str) -> None:
        self.device = Device.offscreen(kind=device)
        self.renderer, self.target = Renderer(self.device), Target(self.device, *size)
        self.flat: FlatScene | None = None

    def take(self, flat: FlatScene) -> None:
        """Take a scene over."""
        self.flat = flat
        self.renderer.sync(flat)

    def draw(self, look: Look, *, quality: Quality = Quality.MOVING) -> float:
        """Seconds of a frame."""
        assert self.flat is not None
        begun, _ = clocks()
        self.renderer.draw(
            self.target, ViewCamera.of(self.flat.camera), look, quality=quality, shadow_seconds=_PLENTY_S
        )
        self.device.flush()
        return clocks()[0] - begun

    def at_rest(self, look: Look) -> F32:
        """The picture when the view has come to rest."""
        self.draw(look, quality=Quality.STILL)
        while not self.renderer.still_done(self.target):
            self.draw(look, quality=Quality.STILL)
        return self.target.read_linear()

    def release(self) -> None:
        """Give the device back."""
        self.target.release()
        self.renderer.release()
        self.device.release()


# --- frames ----------------------------------------------------------------------------------------------------------
def frame_rows(args: argparse.Namespace, size: Size, state: Row) -> Iterator[Row]:
    """What frames take, with EEVEE's between ours."""
    flat = flatten(heads.scene(LIGHTS), 1.0)
    view, look = Viewed(size, args.device), Look(background=(0.0, 0.0, 0.0))
    view.take(flat)
    first = view.draw(look)
    what = f"head under {LIGHTS} lights at {size[0]}x{size[1]}"
    half = max(args.turns // 2, 1)
    moving = [view.draw(look) for _ in range(half)]
    peer: dict[str, Any] = {"left_out": "not asked for"}
    if not args.no_peer:
        say("Asking EEVEE ...")
        peer = eevee(flat, size, half)
    moving += [view.draw(look) for _ in range(args.turns - half)]
    passes = view.renderer.pass_seconds()
    resting = [view.draw(look, quality=Quality.STILL) for _ in range(args.turns)]
    bare = [view.draw(replace(look, shadows=False)) for _ in range(args.turns)][1:] or [0.0]
    frame, sample = statistics.median(moving), statistics.median(resting)
    state = state | {"renderer": view.device.info.renderer}
    yield {"what": f"{what}: a frame while the view moves", "unit": "ms", "value": 1e3 * frame} | state
    for name, seconds in passes.items():
        yield {"what": f"{what}: of that, {name}", "unit": "ms", "value": 1e3 * seconds} | state
    yield {"what": f"{what}: the same without shadows", "unit": "ms", "value": 1e3 * statistics.median(bare)} | state
    yield {"what": f"{what}: a sample of the view at rest", "unit": "ms", "value": 1e3 * sample} | state
    yield {"what": f"{what}: the first frame, all maps drawn", "unit": "s", "value": first} | state
    view.release()
    if "left_out" in peer:
        say(f"EEVEE was left out: {peer['left_out']}")
        yield {"what": f"{what}: EEVEE", "left_out": peer["left_out"]} | state
        return
    theirs = statistics.median(f["wall"] for f in peer["frames"])
    yield {"what": f"{what}: EEVEE {peer['version']}, a sample", "unit": "ms", "value": 1e3 * theirs} | state
    for name, ours in (("a frame", frame), ("a sample at rest", sample)):
        ratio = ours / theirs
        yield targets(state, what=f"{what}: {name} of ours over EEVEE's", unit="x", value=ratio, target=1.0)


def eevee(flat: FlatScene, size: Size, turns: int) -> dict[str, Any]:
    """What EEVEE took; {"left_out": why} where it cannot be asked."""
    python = os.environ.get("MYRIAD_BPY_PYTHON", "")
    if not python:
        return {"left_out": "MYRIAD_BPY_PYTHON names no Python with Blender's bpy"}
    dark = replace(flat, instances=flat.instances[:0], materials=flat.materials[:0], instance_materials=_NONE)
    lights = exchange.plain(dark)["lights"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "head.npz"
        exchange.write({**plain_head(replace(flat, lights=flat.lights[:0])), "lights": lights}, file)
        command = [python, str(_PEERS / "eevee_head.py"), str(file), str(file.with_suffix(".npy"))]
        command += ["--size", f"{size[0]}x{size[1]}", "--turns", str(turns)]
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


# --- likeness --------------------------------------------------------------------------------------------------------
def tracer_picture(session: RenderSession, flat: FlatScene, size: Size, samples: int) -> F32:
    """(h, w, 3) nits of whole paths, without their noise."""
    settings = RenderSettings(
        width=size[0], height=size[1], samples=samples, depth=8, filter="box", aovs=("albedo", "normal")
    )
    film = session.render_frame(flat, settings).film
    r, g, b = LUMINANCE.tolist()
    with Denoiser(*size) as denoiser:
        clean = denoiser.denoise_film(film, input_scale=measured_scale(film.rgb(""), (r, g, b)))
    return np.asarray(clean[""])


def face_of(view: Viewed, flat: FlatScene) -> NDArray[np.bool_]:
    """(h, w) pixels that show the face: it alone shines, in the dark."""
    rows = flat.materials.copy()
    start = OFFSET["emission"]
    rows[:, start : start + 3] = 0.0
    rows[[name == heads.REGION for name in flat.material_names], start : start + 3] = 1.0
    view.take(replace(flat, materials=rows, lights=flat.lights[:0]))
    view.draw(Look(shadows=False, background=(0.0, 0.0, 0.0)))
    return np.asarray(view.target.read_linear()[..., 0] > 0.5)


def flip_map(shown: F32, reference: F32) -> F32:
    """(h, w) of FLIP between two pictures as they are shown."""
    import flip_evaluator

    error, _, _ = flip_evaluator.evaluate(reference, shown, "LDR", applyMagma=False)
    return np.asarray(error, np.float32).reshape(shown.shape[0], shown.shape[1], -1)[..., 0]


def likeness_rows(args: argparse.Namespace, size: Size, state: Row) -> Iterator[Row]:
    """The viewport against the tracer, a set-up of lights after another."""
    view, strips = Viewed(size, args.device), []
    with RenderSession(device="cpu") as session:
        for rig in args.rigs.split(",") if args.rigs else heads.RIGS:
            flat = flatten(heads.scene(rig), 1.0)
            face = face_of(view, flat)
            say(f"Rendering {rig} ...")
            tracer = tracer_picture(session, flat, size, args.samples)
            view.take(flat)
            ours = view.at_rest(Look(background=None))
            means = [float((p @ LUMINANCE)[face].mean()) for p in (tracer, ours)]
            shown = [displayed(p * (EXPOSED / means[0])) for p in (tracer, ours)]
            error = flip_map(shown[1], shown[0])
            mean, high = float(error[face].mean()), float(np.percentile(error[face], 95))
            yield targets(state, what=f"{rig}: FLIP over the face, mean", value=mean, target=FLIP_MEAN)
            yield targets(state, what=f"{rig}: FLIP over the face, 95th percentile", value=high, target=FLIP_P95)
            ratio = means[1] / means[0]
            yield {"what": f"{rig}: mean luminance over the tracer's", "unit": "x", "value": ratio} | state
            heat = np.clip(2.0 * error, 0.0, 1.0) * np.where(face, 1.0, 0.3)
            strips.append(np.concatenate([*shown, np.repeat(heat[..., None], 3, axis=-1).astype(np.float32)]))
    view.release()
    if args.pictures is not None:
        from PIL import Image

        args.pictures.mkdir(parents=True, exist_ok=True)
        picture = np.rint(np.concatenate(strips, axis=1) * 255.0).astype(np.uint8)
        Image.fromarray(picture).save(args.pictures / "head.png")


def main() -> int:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--parts", default="frames,likeness")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--likeness-size", default="240x240")
    parser.add_argument("--samples", type=int, default=192, help="of the tracer, a pixel")
    parser.add_argument("--rigs", default="", help="set-ups of lights, with commas between them")
    parser.add_argument("--device", default="egl")
    parser.add_argument("--no-peer", action="store_true", help="leave EEVEE out")
    parser.add_argument("--pictures", type=Path, help="keep tracer, viewport and their FLIP in this folder")
    args = parser.parse_args()
    rows: list[Row] = []
    try:
        for part, measure, size in (
            ("frames", frame_rows, args.size),
            ("likeness", likeness_rows, args.likeness_size),
        ):
            if part in args.parts.split(","):
                width, height = (int(n) for n in size.split("x"))
                rows += measure(args, (width, height), machine())
    except (StudioError, FileNotFoundError) as fault:
        say(str(fault))
        return 1
    tell(rows, TARGET_COLUMNS, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
