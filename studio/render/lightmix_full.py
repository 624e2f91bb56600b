"""A mix at full size: added up from the file part by part, denoised if wanted, and written; a still or a sequence.

Nothing of the view's sums goes into a file. Memory holds the sum and one layer at a time, whatever the number of
lights. Where no light is dimmed below a half, the sum starts from the picture as it was rendered and reads only the
layers that differ; below that, the half floats of the picture would leave their rounding in what remains.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import Cancelled, UsageError
from studio.render.denoise import Denoiser, measured_scale
from studio.render.frames import frame_path, has_frame
from studio.render.light_layers import SUFFIX, open_layers
from studio.render.lightmix import Channel, Layers, Mix, channels_of, factors
from studio.render.lightmix_store import F32
from studio.render.output import EXTENSIONS, Part, Picture, write_image
from studio.scene import color
from studio.scene.scene import Scene

_NUMBERED = re.compile(r"^(.*?)(\d+)$")
_ROUNDING = 2.0**-9  # of a sum of half floats, with room
Progress = Callable[[float], None]
Stop = Callable[[], bool]
Open = Callable[[Path], Layers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """How a mix becomes a picture; of an EXR only `half`, `compression` and `denoise` count. `exposure_ev` None: by
    the middle of the first picture as it was rendered."""

    view: str = color.DEFAULT_VIEW
    display: str = color.DISPLAY
    exposure_ev: float | None = None
    denoise: bool = False
    half: bool = True
    compression: str = "zip"
    bits: int = 8
    quality: int = 95


def open_file(path: Path) -> Layers:
    """The layers of a file. Raises `StudioError`s with a sentence for what is none."""
    return open_layers(path)


def layer(layers: Layers, row: int, size: tuple[int, int] | None = None, *, beauty: F32 | None = None) -> F32:
    """(h, w, 3) nits of a light, numbers only. Of the rest, what is no rounding of the lights' half floats: else that
    of a bright light would stay in the picture when the light is dimmed. `beauty` where it is at hand."""
    found = np.nan_to_num(layers.read(layers.lights[row].index, size), nan=0.0, posinf=0.0, neginf=0.0)
    if layers.lights[row].id:
        return found
    whole = layers.beauty(size) if beauty is None else beauty
    return np.where(np.abs(found) > _ROUNDING * np.abs(whole[..., :3]), found, np.float32(0.0))


def mixed(
    layers: Layers, times: NDArray[np.float32], *, progress: Progress | None = None, stop: Stop | None = None
) -> F32:
    """(h, w, 3) nits at full size of layers times their factors (n, 3). Raises `Cancelled` when `stop` says so."""
    differing = np.flatnonzero((times != 1.0).any(axis=1))
    gentle = bool((times >= 0.5).all()) and len(differing) < len(times)
    rows = differing if gentle else np.flatnonzero(times.any(axis=1))
    width, height = layers.size
    out = layers.beauty()[..., :3].astype(np.float32) if gentle else np.zeros((height, width, 3), np.float32)
    by = times - np.float32(1.0) if gentle else times
    for done, row in enumerate(rows.tolist()):
        if stop is not None and stop():
            raise Cancelled("the mix was cancelled")
        out += layer(layers, row) * by[row]
        if progress is not None:
            progress((done + 1) / len(rows))
    return out


def base_exposure(layers: Layers, size: tuple[int, int] | None = None) -> float:
    """The camera's stops where it has any, else those that bring the middle of the render to middle grey."""
    given = layers.about.get("myriad:exposure", 0.0)
    if isinstance(given, int | float) and math.isfinite(given) and given:
        return float(given)
    scale = measured_scale(layers.beauty(size)[..., :3], color.luminance_weights())
    return round(math.log2(scale), 2)


def cleaned(layers: Layers, pixels: F32, size: tuple[int, int] | None = None, *, scale: float = 0.0) -> F32:
    """A mix (h, w, 3) of `size` without its noise, by the file's albedo and normals where it has them. `scale` as in
    `denoise.measured_scale`, measured on the picture as it was rendered when 0."""
    guides = layers.guides(size)
    height, width = pixels.shape[:2]
    with Denoiser(width, height) as denoiser:
        albedo, normal = guides if guides is not None else (np.ones_like(pixels), np.zeros_like(pixels))
        level = scale or measured_scale(layers.beauty(size)[..., :3], color.luminance_weights())
        return denoiser.denoise(pixels, albedo, normal, input_scale=level)


def save(
    layers: Layers,
    mix: Mix,
    path: Path,
    *,
    channels: Sequence[Channel] = (),
    look: Print | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Path:
    """Write a mix at full size, EXR or a picture through the view; its path. `channels` as of `channels_of`.

    Raises `UsageError` for an unknown extension, `CannotWrite`, `Cancelled`, and what reading the layers raises.
    """
    look = look or Print()
    if path.suffix.lower() not in EXTENSIONS:
        raise UsageError(f"cannot write {path.name!r}: the extension must be one of {', '.join(EXTENSIONS)}")
    times = factors(mix, channels or channels_of(layers.lights))
    pixels = mixed(layers, times, progress=progress, stop=stop)
    if look.denoise:
        pixels = cleaned(layers, pixels)
    width, height = layers.size
    alpha = np.ones((height, width, 1), np.float32)  # the layers know of none
    parts = (Part("beauty", ("R", "G", "B", "A"), np.concatenate([pixels, alpha], axis=-1)),)
    exposure = look.exposure_ev
    if exposure is None and path.suffix.lower() != ".exr":
        exposure = base_exposure(layers)
    return write_image(
        Picture(*layers.frame_size, layers.crop, parts),
        path,
        metadata={**_kept(layers), "myriad:mix": mix.name or "mix"},
        view=look.view,
        display=look.display,
        exposure_ev=exposure or 0.0,
        half=look.half,
        compression=look.compression,
        bits=look.bits,
        quality=look.quality,
    )


def _kept(layers: Layers) -> dict[str, str | int | float]:
    """What the header of the layers says of the frame."""
    return {
        name: value
        for name, value in layers.about.items()
        if name.startswith("myriad:") and name != "myriad:layer" and isinstance(value, str | int | float)
    }


# --- sequences -------------------------------------------------------------------------------------------------------
def sequence_of(path: Path) -> list[tuple[int, Path]]:
    """The frames of the sequence that a file of layers belongs to, in their order: files beside it that are called
    alike but for the frame number, `name.0007.lights.exr`. The file alone, as frame 1, where there is no number."""
    stem = _stem(path)
    match = _NUMBERED.match(stem)
    if match is None:
        return [(1, path)]
    found = []
    for other in path.parent.glob(f"*{SUFFIX}"):
        theirs = _NUMBERED.match(_stem(other))
        if theirs is not None and theirs[1] == match[1] and len(theirs[2]) <= 9:
            found.append((int(theirs[2]), other))
    return sorted(found) or [(int(match[2]), path)]


def _stem(path: Path) -> str:
    name = path.name
    return name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else path.stem


def save_sequence(
    files: Sequence[tuple[int, Path]],
    mix: Mix,
    output: Path,
    *,
    scene: Scene | None = None,
    look: Print | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    opener: Open = open_file,
) -> list[Path]:
    """Write a mix of every frame to `output`, a name with `####`; what was written. `scene` names and groups lights.

    A light that a frame does not have is left out there. Without an exposure in `look`, that of the first frame is
    kept for all, so that the sequence does not flicker. `stop` ends it after the layer at hand: the frames that are
    whole stay, and are returned. Raises what `save` and the opener raise, with the name of the frame's file.
    """
    if not files:
        raise UsageError("there is no frame to mix")
    if len(files) > 1 and not has_frame(output):
        raise UsageError(f"{len(files)} frames need a place for the frame number in {output.name!r}; write ####")
    look, written = look or Print(), []
    for count, (frame, path) in enumerate(files):
        if stop is not None and stop():
            break
        layers = opener(path)
        try:
            if look.exposure_ev is None and output.suffix.lower() != ".exr":
                look = replace(look, exposure_ev=base_exposure(layers))
            target = frame_path(output, frame)
            if target.resolve() == path.resolve():
                raise UsageError(f"cannot write the mix over the layers {path}; choose another name")

            def told(share: float, count: int = count) -> None:
                if progress is not None:
                    progress((count + share) / len(files))

            channels = channels_of(layers.lights, scene)
            written.append(save(layers, mix, target, channels=channels, look=look, progress=told, stop=stop))
            told(1.0)
        except Cancelled:
            return written
        finally:
            layers.close()
    return written
