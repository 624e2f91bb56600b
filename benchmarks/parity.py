"""The viewport against the tracer: a ball of every surface under a light of every kind, one bounce, no shadows.

    python benchmarks/parity.py [--balls matte,glossy] [--size 128] [--samples 256] [--pictures DIR]
                                [--json | --markdown]

For each pair: the ball's mean luminance in the viewport over that in the tracer, and the mean of the FLIP error map
(Andersson et al. 2020) over the ball, with the tracer's mean luminance exposed to 0.18. The viewport draws the view as
it is at rest, SAMPLING times finer and averaged down. Targets: within 2 %, at most 0.05. `--pictures`
keeps tracer, viewport and four times their difference, one above the other, a file for each ball.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand import balls
from benchmarks.stand.measure import Row, machine, options, say, tell
from studio.render.session import RenderSession
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.photometry import LUMINANCE
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.renderer import STILL_SAMPLES, Renderer
from studio.viewport.targets import Target
from studio.viewport.view import Look, Quality

F32 = NDArray[np.float32]

SAMPLING = 2  # a highlight smaller than a pixel must not be missed; each of its samples is jittered besides
RATIO, FLIP = 0.02, 0.05
COLUMNS = {"ball": "ball", "light": "light", "ratio": "viewport / tracer", "flip": "FLIP", "met": "met"}


def viewport_picture(renderer: Renderer, flat: FlatScene, size: int) -> F32:
    """(size, size, 4) nits and coverage, as the viewport draws the scene's camera."""
    renderer.sync(flat)
    fine = Target(renderer.device, size * SAMPLING, size * SAMPLING)
    try:
        for _ in range(STILL_SAMPLES):
            renderer.draw(fine, ViewCamera.of(flat.camera), Look(shadows=False), quality=Quality.STILL)
        sums = np.frombuffer(fine.extra("sum", 4, "f4")[0].read(), np.float32)
        pixels = sums.reshape(fine.height, fine.width, 4)[::-1] / np.float32(STILL_SAMPLES)
    finally:
        fine.release()
    blocks = pixels.reshape(size, SAMPLING, size, SAMPLING, 4)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def tracer_picture(session: RenderSession, flat: FlatScene, size: int, samples: int) -> F32:
    """(size, size, 4) nits and coverage of paths of two segments."""
    settings = RenderSettings(width=size, height=size, samples=samples, depth=2, filter="box")
    return session.render_frame(flat, settings).film.beauty()


def compared(viewport: F32, tracer: F32) -> tuple[float, float]:
    """Ratio of mean luminances and mean FLIP over the pixels that the ball covers in both."""
    import flip_evaluator

    ball = (viewport[..., 3] > 0.999) & (tracer[..., 3] > 0.999)
    mean = float((tracer[..., :3] @ LUMINANCE)[ball].mean())
    ratio = float((viewport[..., :3] @ LUMINANCE)[ball].mean()) / mean
    shown = [np.where(ball[..., None], displayed(p[..., :3] * (0.18 / mean)), 0.0) for p in (tracer, viewport)]
    error, _, _ = flip_evaluator.evaluate(*(s.astype(np.float32) for s in shown), "LDR", applyMagma=False)
    return ratio, float(np.asarray(error)[..., 0][ball].mean())


def displayed(linear: NDArray[np.floating]) -> F32:
    """sRGB of linear colours, cut to 0..1."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def measure(names: Sequence[str], *, size: int, samples: int, pictures: Path | None) -> Iterator[Row]:
    """A row for every ball and light."""
    device = Device.offscreen()
    renderer = Renderer(device)
    state = machine() | {"renderer": device.info.renderer}
    with RenderSession(device="cpu") as session:
        for ball in names:
            strips = []
            for light in balls.stages():
                flat = balls.scene_of(light, ball)
                tracer = tracer_picture(session, flat, size, samples)
                viewport = viewport_picture(renderer, flat, size)
                ratio, flip = compared(viewport, tracer)
                met = abs(ratio - 1.0) <= RATIO and flip <= FLIP
                yield {"ball": ball, "light": light, "ratio": ratio, "flip": flip, "met": met} | state
                scale = 0.18 / max(float((tracer[..., :3] @ LUMINANCE)[tracer[..., 3] > 0.999].mean()), 1e-9)
                pair = [displayed(p[..., :3] * scale) for p in (tracer, viewport)]
                strips.append(np.concatenate([*pair, np.clip(4.0 * np.abs(pair[0] - pair[1]), 0.0, 1.0)]))
            if pictures is not None:
                _keep(pictures / f"{ball.replace(' ', '_')}.png", np.concatenate(strips, axis=1))
    renderer.release()
    device.release()


def _keep(path: Path, picture: F32) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(picture * 255.0).astype(np.uint8)).save(path)
    say(f"Written to {path}")


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--balls", default=",".join(balls.BALLS))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    rows = measure(args.balls.split(","), size=args.size, samples=args.samples, pictures=args.pictures)
    tell(rows, COLUMNS, args)


if __name__ == "__main__":
    main()
