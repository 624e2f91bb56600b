"""The process that makes thumbnails: `python -m studio.assets.thumbnail_worker`.

It reads requests from its standard input, one JSON object a line, and answers each by one line. Files from anywhere
are opened here, beside the window and at low priority, so a file that takes a decoder down takes nothing else.

What draws is chosen by measurement (192 px, two cores): models and projects by the viewport's renderer without a
window, a second each after two for the first; materials and rigs by the path tracer, two seconds each after a start
that may compile, because glass, gloss and shadows are what they are chosen by. Where there is no OpenGL without a
window, the tracer draws everything.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.library_kinds import HDRI, IES, IMAGE, MATERIAL, MODEL, PROJECT, RIG
from studio.errors import BadAsset, StudioError, Unsupported
from studio.scene import color
from studio.scene.flatten import flatten
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.render.denoise import Denoiser
    from studio.render.session import RenderSession
    from studio.viewport.device import Device

Pixels = NDArray[np.uint8]
DRAWN_PX = 192  # side of thumbnails that are rendered
PICTURE_PX = 256  # longest side of those of pictures
_TRACED_SAMPLES, _DRAWN_SAMPLES, _DEPTH = 16, 4, 6
_BACKGROUND = (0.135, 0.135, 0.14)  # display-referred, a little above the wells of the window
_BEHIND = np.array(_BACKGROUND, np.float32)
_GREY, _MOST_EV = 0.18, 20.0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A thumbnail to make: of the file `path`, of a library's kind, as the PNG `target`."""

    id: str
    path: str
    kind: str
    target: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How it went: `sentence` is "" or why there is none; `about` what was found out on the way (bounds, pixels)."""

    id: str
    sentence: str = ""
    about: dict[str, Any] = {}


class Maker:
    """Makes thumbnails one after another; what it needs for them is started once."""

    def __init__(self) -> None:
        self._device: Device | None = None
        self._session: RenderSession | None = None
        self._denoiser: Denoiser | None = None
        self._flat_only = False  # there is no OpenGL to draw with

    def make(self, request: Request) -> Answer:
        """Make one; whatever is wrong with a file is a sentence."""
        try:
            pixels, about = self._pixels(Path(request.path), request.kind)
            _write(Path(request.target), pixels)
        except StudioError as fault:
            return Answer(id=request.id, sentence=str(fault))
        return Answer(id=request.id, about=dict(about))

    def _pixels(self, path: Path, kind: str) -> tuple[Pixels, Mapping[str, Any]]:
        if kind in (HDRI, IMAGE):
            return _picture(path)
        if kind == IES:
            from studio.assets.ies_diagram import diagram

            return diagram(path, DRAWN_PX)
        from studio.assets import thumbnail_scenes as stages

        if kind in (MODEL, PROJECT):
            from studio.assets.load import load_scene

            scene, _ = load_scene(path)
            bounds = stages.bounds_of(scene)
            about: dict[str, Any] = {"objects": len(scene.entities)}
            if bounds is not None:
                about["bounds"] = [part.tolist() for part in bounds]
            return self._drawn(stages.model_stage(scene) if kind == MODEL else stages.project_stage(scene)), about
        if kind in (MATERIAL, RIG):
            from studio.assets.library_parts import load_part

            part = load_part(path)
            return self._traced(stages.material_stage(part) if kind == MATERIAL else stages.rig_stage(part)), {}
        raise BadAsset(f"{path.name}: there are no thumbnails of this kind.")

    # --- renderers ---------------------------------------------------------------------------------------------------
    def _drawn(self, scene: Scene) -> Pixels:
        """The scene as the viewport shows it, or traced where there is no OpenGL."""
        if self._device is None and not self._flat_only:
            from studio.viewport.device import Device

            try:
                self._device = Device.offscreen()
            except Unsupported:
                self._flat_only = True
        if self._device is None:
            return self._traced(scene)
        from studio.viewport.camera import ViewCamera
        from studio.viewport.renderer import Renderer
        from studio.viewport.targets import Target
        from studio.viewport.view import Look, Quality

        flat = flatten(scene, scene.frame_start)
        renderer, target = Renderer(self._device), Target(self._device, DRAWN_PX, DRAWN_PX)
        try:
            renderer.sync(flat)
            look = Look(exposure_ev=flat.camera.exposure_ev, background=_BACKGROUND)
            camera = ViewCamera.of(flat.camera)
            if "thumbnail.camera" not in scene.entities and not flat.camera.exposure_ev:  # lit by who knows what
                renderer.draw(target, camera, look, quality=Quality.MOVING, shadow_seconds=60.0)
                look = replace(look, exposure_ev=_exposure(target.read_linear()))
            target.state = None
            for _ in range(_DRAWN_SAMPLES):
                renderer.draw(target, camera, look, quality=Quality.STILL, samples=_DRAWN_SAMPLES, shadow_seconds=60.0)
            return target.read()[..., :3]
        finally:
            target.release()
            renderer.release()

    def _traced(self, scene: Scene) -> Pixels:
        """The scene path traced and denoised."""
        from studio.render.denoise import Denoiser, measured_scale
        from studio.render.finish import with_guides
        from studio.render.session import RenderSession
        from studio.render.settings import RenderSettings

        if self._session is None:
            self._session = RenderSession(device="cpu", threads=1)
        if self._denoiser is None:
            self._denoiser = Denoiser(DRAWN_PX, DRAWN_PX, threads=1)
        asked = RenderSettings(width=DRAWN_PX, height=DRAWN_PX, samples=_TRACED_SAMPLES, depth=_DEPTH)
        flat = flatten(scene, scene.frame_start)
        film = self._session.render_frame(flat, with_guides(asked, denoise=True)).film
        scale = measured_scale(film.rgb(""), film.layout.luminance)
        clean = self._denoiser.denoise_film(film, input_scale=scale)[""]
        own_light = any(
            getattr(e, "light", "") and not id_.startswith("thumbnail.") for id_, e in scene.entities.items()
        )
        exposure = _exposure(clean) if own_light else flat.camera.exposure_ev
        shown = color.display_transform(clean, exposure_ev=exposure)
        alpha = np.clip(film.beauty()[..., 3:4], 0.0, 1.0)
        return _bytes(shown, alpha)

    def close(self) -> None:
        """Give everything back."""
        if self._session is not None:
            self._session.close()
        if self._denoiser is not None:
            self._denoiser.close()
        if self._device is not None:
            self._device.release()


# --- pictures --------------------------------------------------------------------------------------------------------
def _picture(path: Path) -> tuple[Pixels, Mapping[str, Any]]:
    """A picture made small; one in floating point is exposed by what it holds and shown through the default view."""
    from studio.assets.images import read_image

    pixels = read_image(path).pixels
    about = {"pixels": [int(pixels.shape[1]), int(pixels.shape[0])], "channels": int(pixels.shape[2])}
    if pixels.shape[2] == 2:
        pixels = pixels[..., [0, 0, 0, 1]]
    small = _small(pixels)
    alpha = small[..., 3:4] if small.shape[2] == 4 else np.ones((*small.shape[:2], 1), np.float32)
    rgb = np.ascontiguousarray(np.broadcast_to(small[..., :3] if small.shape[2] >= 3 else small, (*small.shape[:2], 3)))
    if pixels.dtype == np.float32:
        rgb = color.display_transform(rgb, exposure_ev=_exposure(rgb))
    return _bytes(rgb, alpha), about


def _small(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """A picture (h, w, c) averaged down to `PICTURE_PX`; whole numbers become 0..1."""
    height, width = pixels.shape[:2]
    step = max(1, -(-max(height, width) // PICTURE_PX))
    rows, columns = max(1, height // step), max(1, width // step)
    step_y, step_x = min(step, height), min(step, width)
    cut = pixels[: rows * step_y, : columns * step_x]
    total = np.zeros((rows, columns, cut.shape[2]), np.float32)
    taken = 0
    for y in range(0, step_y, max(1, step_y // 8)):  # 64 of a block's texels are plenty
        for x in range(0, step_x, max(1, step_x // 8)):
            total += np.nan_to_num(cut[y::step_y, x::step_x].astype(np.float32), nan=0.0, posinf=6e4, neginf=0.0)
            taken += 1
    scale = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
    return np.asarray(total / np.float32(taken * scale), np.float32)


def _exposure(rgb: NDArray[np.float32]) -> float:
    """Stops that bring the geometric mean of a picture to middle grey; 0 for a black one."""
    lit = np.nan_to_num(rgb, posinf=0.0, neginf=0.0).astype(np.float64) @ np.array(color.luminance_weights())
    lit = lit[lit > 1e-8]
    if not lit.size:
        return 0.0
    return float(np.clip(np.log2(_GREY) - np.mean(np.log2(lit)), -_MOST_EV, _MOST_EV))


def _bytes(shown: NDArray[np.float32], alpha: NDArray[np.float32]) -> Pixels:
    """A shown picture over the background of tiles, in 8 bits."""
    over = np.nan_to_num(shown) * alpha + _BEHIND * (1.0 - alpha)
    return np.asarray(np.clip(over * 255.0 + 0.5, 0.0, 255.0), np.uint8)


def _write(target: Path, pixels: Pixels) -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", compress_level=4)
    passing = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        passing.write_bytes(out.getvalue())
        os.replace(passing, target)
    except OSError as fault:
        passing.unlink(missing_ok=True)
        raise BadAsset(f"The thumbnail could not be kept ({fault.strerror or fault}).") from fault


def main() -> int:
    """Answer requests until the input ends."""
    if hasattr(os, "nice"):
        os.nice(15)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    maker = Maker()
    try:
        for line in sys.stdin.buffer:
            answer = maker.make(msgspec.json.decode(line, type=Request))
            answers.write(msgspec.json.encode(answer) + b"\n")
            answers.flush()
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    finally:
        maker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
