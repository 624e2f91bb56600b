"""Denoising with Intel Open Image Denoise, held still over a sequence.

OIDN scales its input by a level that it measures on each picture, which makes a sequence breathe and shows the seams
of tiles; here `input_scale` is given, one for a whole shot. Albedo and normal are denoised on their own first and then
taken as clean, which keeps textures and edges that a noisy guide would smear, and all colours of a frame (the beauty
and every light group) share them. Filters are made once for a resolution, as making one costs more than running it.
The network darkens and brightens the outermost pixels (a constant picture came back with corners off by a quarter), so
every picture is given a mirrored margin, which is cut off again.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from studio.errors import DeviceFault
from studio.render.film import Film

_GREY = 0.18
_MARGIN = 8


class Denoiser:
    """Denoises pictures of one resolution on the CPU. Close it, or use it in a `with`, to free the filters."""

    def __init__(self, width: int, height: int, *, threads: int = 0) -> None:
        """`threads`: 0 takes all cores. Raises `DeviceFault` when the library or the memory fails."""
        import pyoidn

        shape = (height + 2 * _MARGIN, width + 2 * _MARGIN, 3)
        self._size = (height, width)
        self._color, self._albedo, self._normal, self._clean_albedo, self._clean_normal, self._output = (
            np.zeros(shape, np.float32) for _ in range(6)
        )
        self._device = pyoidn.Device()
        if threads:
            self._device.set_int("numThreads", threads)
        self._device.commit()
        self._check()
        self._albedo_filter = self._filter({"albedo": self._albedo, "output": self._clean_albedo})
        self._normal_filter = self._filter({"normal": self._normal, "output": self._clean_normal})
        images = {"color": self._color, "albedo": self._clean_albedo, "normal": self._clean_normal}
        self._color_filter = self._filter({**images, "output": self._output})
        self._color_filter.set_bool("hdr", True)
        self._color_filter.set_bool("cleanAux", True)
        self._color_filter.commit()
        self._check()

    def _filter(self, images: dict[str, NDArray[np.float32]]) -> Any:
        import pyoidn

        made = pyoidn.Filter(self._device, pyoidn.OIDN_FILTER_TYPE_RT)
        for name, image in images.items():
            made.set_image(name, image, pyoidn.OIDN_FORMAT_FLOAT3)
        made.set_quality(pyoidn.OIDN_QUALITY_HIGH)
        made.commit()
        self._check()
        return made

    def _check(self) -> None:
        if fault := self._device.get_error():
            raise DeviceFault(f"the denoiser failed: {fault}; render without --denoise, or smaller")

    def _framed(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        if image.shape != (*self._size, 3):
            raise ValueError(f"an image of shape {image.shape} for a denoiser of {self._size}")
        finite = np.nan_to_num(image, posinf=0.0, neginf=0.0)
        return np.pad(finite, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="reflect")

    def guide(self, albedo: NDArray[np.float32], normal: NDArray[np.float32]) -> None:
        """Take and clean the guides of a frame, (h, w, 3): albedo in 0..1, normals in -1..1."""
        np.clip(self._framed(albedo), 0.0, 1.0, out=self._albedo)
        np.clip(self._framed(normal), -1.0, 1.0, out=self._normal)
        self._albedo_filter.execute()
        self._normal_filter.execute()
        self._check()

    def clean(self, color: NDArray[np.float32], *, input_scale: float) -> NDArray[np.float32]:
        """`color` (h, w, 3), linear, without its noise, as a new array, by the guides given last.

        `input_scale` brings `color` to where 1 is white; keep it the same over a sequence (see `measured_scale`).
        """
        np.copyto(self._color, self._framed(color))
        self._color_filter.set_float("inputScale", input_scale)
        self._color_filter.commit()
        self._color_filter.execute()
        self._check()
        return self._output[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].copy()

    def denoise(
        self,
        color: NDArray[np.float32],
        albedo: NDArray[np.float32],
        normal: NDArray[np.float32],
        *,
        input_scale: float,
    ) -> NDArray[np.float32]:
        """`guide` and `clean` in one: (h, w, 3) arrays of the denoiser's size in, a new (h, w, 3) float32 out."""
        self.guide(albedo, normal)
        return self.clean(color, input_scale=input_scale)

    def denoise_film(self, film: Film, *, input_scale: float) -> dict[str, NDArray[np.float32]]:
        """Layer prefix -> clean colours, for the beauty ("") and every light group; what `output.picture` takes.

        The film must have summed "albedo" and "normal".
        """
        self.guide(film.rgb("albedo"), film.rgb("N"))
        layers = [layer for layer in film.layers() if not layer or layer.startswith("light_")]
        return {layer: self.clean(film.rgb(layer), input_scale=input_scale) for layer in layers}

    def close(self) -> None:
        """Free the filters and the device; a closed denoiser cannot be used."""
        for made in (self._color_filter, self._albedo_filter, self._normal_filter):
            made.release()
        self._device.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def measured_scale(color: NDArray[np.float32], luminance: tuple[float, float, float]) -> float:
    """The input scale that brings the geometric mean of a picture (h, w, 3) to middle grey; 1 for a black one.

    Measure it once, on one frame, and use it for the whole sequence.
    """
    lit = (np.nan_to_num(color, posinf=0.0, neginf=0.0) @ np.array(luminance, np.float32)).astype(np.float64)
    lit = lit[lit > 1e-8]
    return float(_GREY / np.exp(np.mean(np.log(lit)))) if lit.size else 1.0
