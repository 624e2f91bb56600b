"""What a render with a layer for every light keeps apart, and in how much memory.

A layer is an emitter: a light entity, or an object whose parts emit, however many rows of the flat scene it has. The
sums of 300 layers for every pixel of a 1080p frame would be 15 GB, so the frame is made strip by strip: all samples of
one, then of the next. A strip is as high as the sums of its pixels fit `SUM_BYTES`, in steps of the 16 lines that
OpenEXR compresses together; where not even 16 whole lines fit, it is cut into cells, and their layers wait for the
rest of the strip. The light table is learned once a frame, and the samples are the same as without layers, so the
beauty keeps its bits. (Adaptive sampling decides for blocks of 8 x 8 pixels of the image: in a crop whose corner is no
multiple of 8, blocks at the edge of two strips are decided in two halves.)
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.render.film import Array, Crop
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.lights import KINDS

SUM_BYTES = 256 << 20  # of a strip's sums
LINES = 16  # a strip is a multiple of these
STEP_PX = 8  # and a cell of these
_PIXEL_BYTES = 3 * 8  # of a layer: three int64
LARGEST_HALF = 65504.0


class LayerPlan(msgspec.Struct, frozen=True, array_like=True):
    """`layers` has the layer of every row of `FlatScene.lights`; those in `floats` may outshine a half float."""

    layers: tuple[int, ...]
    count: int
    floats: tuple[int, ...] = ()

    @property
    def halves(self) -> tuple[int, ...]:
        """The layers that half floats hold."""
        bright = set(self.floats)
        return tuple(i for i in range(self.count) if i not in bright)

    def nbytes(self, width: int, height: int) -> int:
        """Size of a block for the finished layers of so many pixels."""
        return width * height * 3 * (2 * len(self.halves) + 4 * len(self.floats))

    def carve(self, block: memoryview, width: int, height: int) -> tuple[Array, Array]:
        """Two arrays over a block, (layers, height, 3, width): float16 of `halves` and float32 of `floats`. The three
        are blue, green, red, as a line of an OpenEXR file has them."""
        bright = np.ndarray((len(self.floats), height, 3, width), np.float32, block)
        return np.ndarray((len(self.halves), height, 3, width), np.float16, block, bright.nbytes), bright


def plan_layers(flat: FlatScene) -> tuple[LayerPlan, tuple[int, ...]]:
    """The layers of a scene, and of each the place in `FlatScene.light_ids` of whose it is, in that order."""
    entities, layers = np.unique(flat.lights["entity"], return_inverse=True)
    bright = np.zeros(len(entities), np.bool_)
    np.logical_or.at(bright, layers, _peaks(flat) > LARGEST_HALF / 2)
    plan = LayerPlan(tuple(int(i) for i in layers), len(entities), tuple(int(i) for i in np.flatnonzero(bright)))
    return plan, tuple(int(i) for i in entities)


def _peaks(flat: FlatScene) -> NDArray[np.float64]:
    """About the most that a pixel may show of every light, in nits: itself, or what a point makes of a white surface
    5 cm away. What is brighter all the same is held at the largest half float, and the layer of the rest has the
    difference."""
    lights = flat.lights
    peak: NDArray[np.float64] = lights["emission"].astype(np.float64).max(1, initial=0.0)
    peak[lights["kind"] <= 1] *= 128.0
    for row in np.flatnonzero(lights["image"] >= 0):
        pixels = flat.textures[lights["image"][row]].pixels
        if pixels.dtype == np.float32:
            peak[row] *= max(float(np.nan_to_num(pixels[..., :3], nan=0.0, posinf=0.0).max(initial=0.0)), 1.0)
    sun = lights["kind"] == KINDS["distant"]
    half = np.sin(np.clip(lights["size"][sun, 0].astype(np.float64) / 2, 0.0, np.pi / 2))
    peak[sun] /= np.maximum(np.pi * half**2, 1e-9)
    return peak


def strip_lines(width: int, count: int, *, budget: int | None = None) -> int:
    """Lines of a strip of so many pixels and layers: at least `LINES`, whatever the budget."""
    budget = SUM_BYTES if budget is None else budget
    return max(budget // (max(width * count, 1) * _PIXEL_BYTES) // LINES, 1) * LINES


def cell_width(width: int, count: int, *, budget: int | None = None) -> int:
    """Pixels of a strip's width whose sums fit the budget, all of them as a rule; at least `STEP_PX`."""
    budget = SUM_BYTES if budget is None else budget
    fits = budget // (LINES * max(count, 1) * _PIXEL_BYTES)
    return width if fits >= width else max(fits // STEP_PX, 1) * STEP_PX


def strips(crop: Crop, count: int, *, budget: int | None = None) -> Iterator[tuple[Crop, tuple[Crop, ...]]]:
    """The strips of a crop from top to bottom, each with its cells from left to right."""
    x0, y0, x1, y1 = crop
    lines, wide = strip_lines(x1 - x0, count, budget=budget), cell_width(x1 - x0, count, budget=budget)
    for y in range(y0, y1, lines):
        end = min(y + lines, y1)
        yield (x0, y, x1, end), tuple((x, y, min(x + wide, x1), end) for x in range(x0, x1, wide))


def sum_bytes(crop: Crop, count: int, *, budget: int | None = None) -> int:
    """Memory of the largest cell's sums."""
    x0, y0, x1, y1 = crop
    lines = min(strip_lines(x1 - x0, count, budget=budget), y1 - y0)
    return lines * min(cell_width(x1 - x0, count, budget=budget), x1 - x0) * count * _PIXEL_BYTES


def check_settings(settings: RenderSettings, *, partial: bool = False) -> None:
    """UsageError for what cannot go with layers."""
    if settings.light_layers and partial:
        raise UsageError(
            "partial renders have no light layers, as these cannot be merged; render whole frames, or leave them out"
        )
    if settings.light_layers and settings.time_limit_s > 0:
        raise UsageError(
            "light layers and a time limit do not go together, as the picture is finished strip by strip; "
            "leave one of them out, or limit the samples"
        )


def shortened(values: NDArray[np.float32], digits: int) -> NDArray[np.float32]:
    """Floats rounded to so many binary digits, to nearest: a picture of them packs as one of shorter numbers would."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    off = 24 - digits
    up = (bits >> np.uint32(off)) & np.uint32(1)
    return ((bits + np.uint32((1 << (off - 1)) - 1) + up) & np.uint32(0xFFFFFFFF << off & 0xFFFFFFFF)).view(np.float32)


def entry_bytes(depth: int, infinite: int, *, below: bool = False) -> int:
    """Memory of a path's list of contributions, see `studio.render.tracer.light_sums`."""
    return entries_of(depth, infinite, below=below) * 4 * 4


def entries_of(depth: int, infinite: int, *, below: bool = False) -> int:
    """The most contributions of a path: at every vertex a lamp that it went through, the emission that it met and a
    shadow ray, and with `below` another one where it comes out that went below the surface; where it leaves the scene,
    every light that is infinitely far."""
    return (4 if below else 3) * depth + infinite


def paths_at_once(batch: int, depth: int, infinite: int, *, budget: int, below: bool = False) -> int:
    """Paths in flight whose lists fit the budget."""
    return max(1, min(batch, budget // entry_bytes(depth, infinite, below=below)))
