"""What the window shows of a float picture: exposure, OCIO view and gamma to bytes, in a few milliseconds.

The same transform as PNG export (`studio.scene.color`), for pictures that come several times a second: the threads and
the processors are kept, and rows are handed out in bands, as OCIO and numpy let go of the interpreter while they work.

The ACES 2.0 views take 0.3 microseconds a pixel and core, too much for a picture that is replaced at once. So a view
is baked into a cube of 65 colours a side over a logarithmic scale, ten times as fast: 99 % of values come out within
one of 255, some very bright and saturated ones off by ten. `exact` asks for the view itself, for a picture that stays.
The cube is made on a thread; until it is there, pictures are exact.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.scene import color

_BAND_PIXELS = 1 << 14
_LARGEST = np.float32(65504.0)


_NODES = 65
_TOE, _TOP = 2.0**-7, 2.0**11  # the scale is linear near the first and ends at the second, which every view shows white


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="display")


@cache
def _baking(view: str, display: str, space: str) -> Future[Any]:
    """The cube of a view, on its way."""
    return _pool().submit(_baked, view, display, space)


def _baked(view: str, display: str, space: str) -> Any:
    """A processor that looks a view up in a cube."""
    import PyOpenColorIO

    with np.errstate(invalid="ignore"):  # half floats that are no numbers
        halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    level = np.clip(np.nan_to_num(halves, nan=0.0, posinf=float(_LARGEST), neginf=0.0), 0.0, _TOP)
    reach = np.log2(_TOP / _TOE + 1.0)
    scale = np.log2(level / _TOE + 1.0) / reach
    shaper = PyOpenColorIO.Lut1DTransform(1 << 16, True)
    shaper.setData(np.repeat(scale.astype(np.float32), 3))
    nodes = (_TOE * (np.exp2(np.linspace(0.0, 1.0, _NODES) * reach) - 1.0)).astype(np.float32)
    lattice = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1).reshape(1, -1, 3)
    lattice = np.ascontiguousarray(lattice)
    color.processor(view, display, space).applyRGB(lattice)
    cube = PyOpenColorIO.Lut3DTransform(_NODES)
    cube.setData(np.clip(lattice, 0.0, 1.0).ravel())
    cube.setInterpolation(PyOpenColorIO.Interpolation.INTERP_TETRAHEDRAL)
    both = PyOpenColorIO.GroupTransform()
    both.appendTransform(shaper)
    both.appendTransform(cube)
    return PyOpenColorIO.Config.CreateRaw().getProcessor(both).getDefaultCPUProcessor()


def prepare(view: str = "", display: str = "", space: str = color.REC709) -> Future[Any]:
    """Start to make a view quick; what `to_display` does at need. Raises `UsageError` for unknown names."""
    name = display or color.DISPLAY
    return _baking(color.find_view(view or color.DEFAULT_VIEW, name), name, color.working_space(space))


def to_display(
    picture: NDArray[np.float32],
    *,
    exposure_ev: float = 0.0,
    gamma: float = 1.0,
    view: str = "",
    display: str = "",
    space: str = color.REC709,
    raw: bool = False,
    exact: bool = False,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """RGBX bytes (h, w, 4), top row first, of a layer (h, w, n): for `QImage.Format_RGBX8888`.

    Values are multiplied by 2**exposure_ev, sent through the OCIO `view` of `display` ("" are the defaults), clipped to
    0..1, raised to 1 / gamma and rounded; the fourth byte is 255. Layers of one channel are shown as grey, of two as
    red and green. `raw` leaves out the view: normals, positions, false colours. `out` is filled, if given.
    Unless `exact`, the view is looked up in a cube as soon as that is made. Values that are not numbers become black.
    Raises `UsageError` for unknown names.
    """
    h, w = picture.shape[:2]
    result = np.empty((h, w, 4), np.uint8) if out is None else out
    processor = None
    if not raw:
        name = display or color.DISPLAY
        cube = prepare(view, display, space)
        if exact or not cube.done():
            processor = color.processor(color.find_view(view or color.DEFAULT_VIEW, name), name, space)
        else:
            processor = cube.result()
    gain = np.float32(2.0 ** min(max(exposure_ev, -100.0), 100.0))
    power = np.float32(1.0 / min(max(gamma, 0.01), 100.0))
    rows = max(1, _BAND_PIXELS // max(w, 1))

    def band(top: int) -> None:
        source = picture[top : top + rows]
        buffer = np.zeros((*source.shape[:2], 3), np.float32)
        channels = min(source.shape[2], 3)
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(source[..., :channels], gain, out=buffer[..., :channels])
            if channels == 1:
                buffer[...] = buffer[..., :1]
            np.nan_to_num(buffer, copy=False, nan=0.0, posinf=float(_LARGEST), neginf=0.0)
            np.clip(buffer, -_LARGEST if not raw else 0.0, _LARGEST, out=buffer)
        if processor is not None and buffer.size:
            processor.applyRGB(buffer)
        np.clip(buffer, 0.0, 1.0, out=buffer)
        if power != 1.0:
            np.power(buffer, power, out=buffer)
        buffer *= np.float32(255.0)
        buffer += np.float32(0.5)
        target = result[top : top + rows]
        target[..., :3] = buffer
        target[..., 3] = 255

    list(_pool().map(band, range(0, h, rows)))
    return result
