"""Linear frames to what an encoder takes: whole numbers through the OCIO view, fast enough for a movie.

The ACES 2.0 views cost a second for a frame of 1080p on two cores. A movie takes them from a table instead: a
logarithmic shaper (OCIO's log-affine transform) and a cube of 65 samples a side, interpolated in tetrahedra, baked from
the exact view once for a movie in a fifth of a second. On random colours of 20 stops it differs from the exact view by
0.03 of 255 on average, by 0.3 at the 99th percentile and by 9 at most, in deep saturated colours; `benchmarks/video.py`
measures it. Pictures, which are kept, are never made so. The other views are cheap and taken as they are.

OCIO lets go of the interpreter lock, so a frame is cut in bands for threads.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene import color

CUBE = 65
STOPS = 8.0  # above diffuse white that the table reaches
_OFFSET = 2.0**-9
_BAND_ROWS = 60
Whole = NDArray[np.uint8] | NDArray[np.uint16]


def is_table(view: str) -> bool:
    """Whether a view is taken from a table."""
    return view.startswith("ACES 2.0")


@cache
def processor(view: str, display: str, bits: int) -> Any:
    """OCIO's processor from the working space, float32, to whole numbers of 8 or 16 bits of a view."""
    import PyOpenColorIO

    exact = color.processor(view, display)
    depth = PyOpenColorIO.BIT_DEPTH_UINT8 if bits == 8 else PyOpenColorIO.BIT_DEPTH_UINT16
    flags = PyOpenColorIO.OPTIMIZATION_DEFAULT
    if is_table(view):
        chain = PyOpenColorIO.Config.CreateRaw().getProcessor(_table(exact))
    else:
        forward = PyOpenColorIO.TransformDirection.TRANSFORM_DIR_FORWARD
        chain = color.config().getProcessor(color.WORKING_SPACES[color.REC709], display, view, forward)
    return chain.getOptimizedCPUProcessor(PyOpenColorIO.BIT_DEPTH_F32, depth, flags)


def _table(exact: Any) -> Any:
    import PyOpenColorIO

    low, high = np.log2(_OFFSET), np.log2(2.0**STOPS + _OFFSET)
    axis = (np.exp2(np.linspace(low, high, CUBE)) - _OFFSET).astype(np.float32)
    red, green, blue = np.meshgrid(axis, axis, axis, indexing="ij")  # OCIO's cubes run fastest in blue
    values = np.stack([red, green, blue], axis=-1).reshape(CUBE, -1, 3)

    def bake(slab: NDArray[np.float32]) -> None:
        exact.applyRGB(slab)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(bake, values))
    cube = PyOpenColorIO.Lut3DTransform(gridSize=CUBE, interpolation=PyOpenColorIO.INTERP_TETRAHEDRAL)
    cube.setData(np.clip(values, 0.0, 1.0).ravel())
    scale = 1.0 / (high - low)
    shaper = PyOpenColorIO.LogAffineTransform(
        logSideSlope=[scale] * 3,
        logSideOffset=[-low * scale] * 3,
        linSideSlope=[1.0] * 3,
        linSideOffset=[float(_OFFSET)] * 3,
    )
    shaper.setBase(2.0)
    return PyOpenColorIO.GroupTransform([shaper, cube])


class View:
    """A view for the frames of one movie. Its threads are its own; close it."""

    def __init__(self, *, view: str, display: str, bits: int, alpha: bool = False, threads: int = 0) -> None:
        self._processor = processor(view, display, bits)
        self._dtype = np.uint8 if bits == 8 else np.uint16
        self._alpha = alpha
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="view")

    def show(self, beauty: NDArray[Any], exposure_ev: float = 0.0) -> Whole:
        """Whole numbers (h, w, 3), or (h, w, 4) with alpha, of a linear beauty (h, w, 3 or 4) in nits.

        Values that are not numbers become black, like everywhere.
        """
        height, width = beauty.shape[:2]
        out = np.empty((height, width, 4 if self._alpha else 3), self._dtype)
        gain = np.float32(2.0 ** min(max(exposure_ev, -100.0), 100.0))

        def band(top: int) -> None:
            self._band(beauty[top : top + _BAND_ROWS], out[top : top + _BAND_ROWS], gain)

        list(self._pool.map(band, range(0, height, _BAND_ROWS)))
        return out

    def _band(self, beauty: NDArray[Any], out: Whole, gain: np.float32) -> None:
        import PyOpenColorIO

        with np.errstate(over="ignore", invalid="ignore"):
            rgb = beauty[..., :3].astype(np.float32)
            rgb *= gain
        if self._alpha:
            cover = np.clip(np.nan_to_num(beauty[..., 3:4].astype(np.float32)), 0.0, 1.0)
            rgb = np.where(cover > 0, rgb / np.maximum(cover, 1e-6), 0.0).astype(np.float32)
        # fmax and fmin take the number where one side is none; a table has nothing for infinity either
        np.fmax(rgb, np.float32(0.0), out=rgb)
        np.fmin(rgb, np.float32(65504.0), out=rgb)
        shown = np.empty(rgb.shape, self._dtype)
        depth = PyOpenColorIO.BIT_DEPTH_UINT8 if self._dtype is np.uint8 else PyOpenColorIO.BIT_DEPTH_UINT16
        height, width = rgb.shape[:2]
        source = PyOpenColorIO.PackedImageDesc(rgb, width, height, 3)
        size = shown.itemsize
        target = PyOpenColorIO.PackedImageDesc(shown, width, height, 3, depth, size, size * 3, size * 3 * width)
        self._processor.apply(source, target)
        out[..., :3] = shown
        if self._alpha:
            full = np.float32(np.iinfo(self._dtype).max)
            out[..., 3:] = np.rint(cover * full).astype(self._dtype)

    def close(self) -> None:
        """End its threads."""
        self._pool.shutdown()
