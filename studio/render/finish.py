"""A film finished: denoised, and written as the look says, with what the file is to say of its scene.

Two numbers belong to a whole job instead of a frame, because a sequence would flicker with them: the scale at which
the denoiser works, and the exposure of PNGs whose camera has none. Both come from the camera's exposure where the
artist set one; else they are measured on the first frame that the job renders.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, UsageError
from studio.render.denoise import Denoiser, measured_scale
from studio.render.film import Crop, Film
from studio.render.output import DWA_LEVEL, JPEG_QUALITY, Draw, Picture, picture, write_image
from studio.render.partial import Header
from studio.render.session import film_aovs
from studio.render.settings import RenderSettings
from studio.scene import color
from studio.scene.flat import FlatScene

GUIDES = ("albedo", "normal")  # AOVs that the denoiser needs
_GUIDE_LAYERS = {"albedo": "albedo", "normal": "N"}
_MOST_NAMES = 20_000  # of Cryptomatte that a partial carries along


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a film becomes a picture. None: by the camera, or measured (see the module)."""

    view: str = color.DEFAULT_VIEW
    exposure_ev: float | None = None
    half: bool = True
    compression: str = "zip"
    bits: int = 8
    alpha: bool = False
    denoise: bool = False
    denoise_scale: float | None = None
    display: str = color.DISPLAY
    dwa_level: float = DWA_LEVEL
    multi_part: bool = True
    quality: int = JPEG_QUALITY


@dataclass(slots=True)
class Finish:
    """What turns films into files, with the numbers that stay the same for a job."""

    look: Look
    threads: int = 0
    say: Callable[[str], None] = lambda sentence: None
    seconds: dict[str, float] = field(default_factory=dict)
    measured: float = 0.0  # what the first frame was measured to; whoever goes on with a job gives it back
    _denoiser: Denoiser | None = None
    _crop: Crop = (0, 0, 0, 0)

    def write(self, film: Film, path: Path, about: About, *, draw: Draw | None = None) -> None:
        """Denoise and write a film, with what `draw` adds to a shown picture.

        Raises `CannotWrite`, or `UsageError` for a film without guides to denoise by.
        """
        begun = time.perf_counter()
        shown = self._denoised(film, about) if self.look.denoise else self._picture(film, about, {})
        written = time.perf_counter()
        self.seconds["denoise"] = self.seconds.get("denoise", 0.0) + written - begun
        write_image(
            shown,
            path,
            # a date would make two files of the same picture differ
            metadata={**about.metadata, "DateTime": "", "myriad:samples": int(film.counts.max(initial=0))},
            view=self.look.view,
            exposure_ev=self._exposure(film, path, about.exposure_ev),
            half=self.look.half,
            compression=self.look.compression,
            bits=self.look.bits,
            alpha=self.look.alpha,
            matte_names=about.matte_names,
            display=self.look.display,
            dwa_level=self.look.dwa_level,
            multi_part=self.look.multi_part,
            quality=self.look.quality,
            draw=draw,
        )
        self.seconds["write"] = self.seconds.get("write", 0.0) + time.perf_counter() - written

    def _exposure(self, film: Film, path: Path, camera_ev: float) -> float:
        if self.look.exposure_ev is not None:
            return self.look.exposure_ev
        if camera_ev or path.suffix.lower() == ".exr":
            return camera_ev
        first = not self.measured
        exposure = round(math.log2(self.scale(film)), 2)
        if first:
            self.say(
                f"The camera sets no exposure; exposed by {exposure:+.2f} stops, as measured (--exposure sets it)."
            )
        return exposure

    def scale(self, film: Film) -> float:
        """What brings the job's pictures to 1, measured on the first of its films."""
        if not self.measured:
            self.measured = measured_scale(film.rgb(""), film.layout.luminance)
        return self.measured

    def _denoised(self, film: Film, about: About) -> Picture:
        if missing := set(_GUIDE_LAYERS.values()) - set(film.layers()):
            raise UsageError(f"cannot denoise without {' and '.join(sorted(missing))}; render the parts with --denoise")
        if self._denoiser is None or self._crop != film.crop:
            self.close()
            x0, y0, x1, y1 = self._crop = film.crop
            self._denoiser = Denoiser(x1 - x0, y1 - y0, threads=self.threads)
        camera_ev = about.exposure_ev
        scale = self.look.denoise_scale or (2.0**camera_ev if camera_ev else self.scale(film))
        return self._picture(film, about, self._denoiser.denoise_film(film, input_scale=scale))

    def _picture(self, film: Film, about: About, clean: dict[str, NDArray[np.float32]]) -> Picture:
        shown = picture(film, aovs=about.aovs, denoised=clean)
        # guides that only the denoiser asked for stay out of the file
        hidden = {layer for aov, layer in _GUIDE_LAYERS.items() if aov not in about.aovs}
        return Picture(shown.width, shown.height, shown.crop, tuple(p for p in shown.parts if p.name not in hidden))

    def close(self) -> None:
        """Free the denoiser."""
        if self._denoiser is not None:
            self._denoiser.close()
            self._denoiser = None


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a picture says of its scene. It travels in partials, so that a merge writes what a whole render writes."""

    metadata: dict[str, str | int | float | list[float]] = {}
    matte_names: dict[str, list[str]] = {}
    exposure_ev: float = 0.0
    aovs: list[str] = []


def describe(flat: FlatScene, header: Header, settings: RenderSettings) -> About:
    """What to say of a frame: its camera, its scene and what rendered it; nothing that differs from run to run."""
    world_to_camera = np.linalg.inv(np.vstack([flat.camera.open.astype(np.float64), [0, 0, 0, 1]]))
    kinds = {"object": flat.object_names, "material": flat.material_names}
    aovs = film_aovs(settings)
    wanted = [kind for kind in kinds if f"crypto_{kind}" in aovs and len(kinds[kind]) <= _MOST_NAMES]
    return About(
        metadata={
            "worldToCamera": [float(v) for v in world_to_camera.T.ravel()],
            "framesPerSecond": flat.fps,
            "myriad:frame": flat.frame,
            "myriad:camera": flat.camera.name,
            "myriad:exposure": flat.camera.exposure_ev,
            "myriad:seed": settings.seed,
            "myriad:scene": header.scene,
            "myriad:build": header.build,
            "myriad:device": f"{header.backend} {header.device}",
        },
        matte_names={kind: list(kinds[kind]) for kind in wanted},
        exposure_ev=flat.camera.exposure_ev,
        aovs=list(aovs),
    )


def about_of(header: Header, path: Path) -> About:
    """What a partial says of its scene; raises `BadAsset` when that makes no sense."""
    try:
        return msgspec.convert(header.state, About)
    except msgspec.ValidationError as error:
        raise BadAsset(f"{path} is damaged: its description cannot be read ({error}); render it again") from error


def with_guides(settings: RenderSettings, *, denoise: bool) -> RenderSettings:
    """Settings with the AOVs that the denoiser needs, of this picture or of a mix of its light layers."""
    wanted = GUIDES if denoise or settings.light_layers else ()
    missing = tuple(name for name in wanted if name not in settings.aovs)
    return msgspec.structs.replace(settings, aovs=settings.aovs + missing)
