"""One frame from Python: `studio.render(scene, size=(1280, 720), samples=64).save("hall.exr")`.

The first render starts a worker that later ones use again, so that a script that renders a hundred pictures compiles
once; it ends with the program.
"""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.render.checkpoint import header_of
from studio.render.film import Crop, Film, check_aovs
from studio.render.finish import About, Finish, Look, describe, with_guides
from studio.render.session import RenderSession, film_aovs
from studio.render.settings import DEEPEST, MOST_SAMPLES, RenderSettings
from studio.scene import color
from studio.scene.flat_camera import active_camera
from studio.scene.flatten import flatten
from studio.scene.scene import Scene

_sessions: dict[tuple[str, int], RenderSession] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """A rendered frame. `film` has every layer, `seconds` what building and rendering took."""

    film: Film
    device: str
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    _about: About
    _denoise: bool
    _threads: int = 0

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The beauty as it was rendered, without denoising: (h, w, 4) float32, R, G, B in nits and alpha."""
        return self.film.beauty()

    def save(
        self,
        path: str | PathLike[str],
        *,
        view: str = color.DEFAULT_VIEW,
        exposure_ev: float | None = None,
        compression: str = "zip",
        half: bool = True,
        bits: int = 8,
        alpha: bool = False,
    ) -> Path:
        """Write an EXR with every layer, or a PNG, JPEG or TIFF through an OCIO view; returns the path.

        `exposure_ev` (stops; None: the camera's, or measured where it has none), `view`, `bits` and `alpha` shape
        PNG and its like, `compression` and `half` EXR. Raises `UsageError` and `CannotWrite`.
        """
        look = Look(
            view=color.find_view(view),
            exposure_ev=exposure_ev,
            half=half,
            compression=compression,
            bits=bits,
            alpha=alpha,
            denoise=self._denoise,
        )
        finish = Finish(look, threads=self._threads)
        try:
            finish.write(self.film, Path(path), self._about)
        finally:
            finish.close()
        return Path(path)


def render(
    scene: Scene,
    *,
    size: tuple[int, int] = (1280, 720),
    samples: int = 256,
    frame: float | None = None,
    camera: str = "",
    crop: Crop | None = None,
    depth: int = 8,
    seed: int = 0,
    error: float = 0.0,
    aovs: Sequence[str] = (),
    denoise: bool = False,
    device: str = "auto",
    threads: int = 0,
) -> Rendering:
    """Render one frame of a scene (default: its first) and wait for it.

    `size` and `crop` (x0, y0, x1, y1, end excluded) are pixels from the top left; `camera` is an id or a name; `depth`
    counts path segments; `error` above 0 stops each block of 8 x 8 pixels at that relative error, `samples` are then
    the most. `aovs` are names of `studio.render.film.AOVS`. `device` is auto, cuda, metal, vulkan or cpu; `threads`
    limits the CPU's (0: all). Raises `StudioError`, one sentence, whatever goes wrong.
    """
    width, height = size
    whole = crop or (0, 0, width, height)
    if not (width > 0 and height > 0 and samples > 0 and depth > 0):
        raise UsageError(f"cannot render {width}x{height} pixels with {samples} samples of depth {depth}")
    if samples > MOST_SAMPLES or depth > DEEPEST or not 0 <= seed < 1 << 31 or not 0 <= error <= 10:
        most = f"{MOST_SAMPLES} samples, depth {DEEPEST}, a seed below 2147483648 and an error from 0 to 10"
        raise UsageError(
            f"cannot render {samples} samples, depth {depth}, seed {seed}, error {error:g}: {most} are the most"
        )
    if not (0 <= whole[0] < whole[2] <= width and 0 <= whole[1] < whole[3] <= height):
        raise UsageError(f"the crop {whole} does not lie in an image of {width}x{height}")
    asked = RenderSettings(
        width=width,
        height=height,
        crop=crop,
        samples=samples,
        depth=depth,
        seed=seed,
        error=error,
        aovs=check_aovs(aovs),
    )
    settings = with_guides(asked, denoise=denoise)
    session = _session(device, threads)
    at = scene.frame_start if frame is None else frame
    flat = flatten(scene, at, camera=camera)
    seen = camera or active_camera(scene, at)  # motion is what one camera sees, also just before a cut
    following = flatten(scene, at + 1, previous=flat, camera=seen) if "motion" in film_aovs(settings) else None
    result = session.render_frame(flat, settings, following=following)
    header = header_of(flat, settings, result.device, following=following)
    about = describe(flat, header, asked)
    return Rendering(result.film, result.device.name, result.seconds, flat.warnings, about, denoise, threads)


def _session(device: str, threads: int) -> RenderSession:
    key = (device, threads)
    if key not in _sessions:
        _sessions[key] = RenderSession(device=device, threads=threads)
        atexit.register(_sessions[key].close)
    return _sessions[key]
