"""The contribution of every light apart: paths list what each light brings, and a pixel's thread sums it by light.

A path appends to a list of its own whenever it meets emission or a shadow ray arrives: the row of the light and the
colour. When a wave is finished, one thread a pixel walks the samples of it in their order and adds the entries, in the
film's fixed point, to the sums of the pixel's lights. No two threads share a sum, so there are no atomics, and like
the film the sums are the same bits however a render is split. Lights of one emitter share a layer by then, and light
that is of no lamp (an unlit surface) is in no list: it is the beauty less all layers.

A list has room for all that a path may meet (`layer_plan.entries_of`); where paths are so long that this is much, fewer
are in flight. The film clamps a sample to its limit, and drops what is not a number; the entries of such a sample are
scaled alike, so that the layers still add up to it.
"""

import math
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from studio.render.film import Layout
from studio.render.layer_plan import LARGEST_HALF, LayerPlan, entries_of, paths_at_once, shortened
from studio.render.tracer import paths
from studio.render.tracer.sampler import hash_u32, to_unit

vec3 = ti.math.vec3
f32_2d = ti.types.ndarray(dtype=ti.f32, ndim=2)
f32_1d = ti.types.ndarray(dtype=ti.f32, ndim=1)
i32_1d = ti.types.ndarray(dtype=ti.i32, ndim=1)
i64_1d = ti.types.ndarray(dtype=ti.i64, ndim=1)

ENTRY_BYTES = 128 << 20  # of all lists
_DEVELOPED_BYTES = 4 << 20  # of layers that are brought to the host at once
_COIN = 1 << 16  # coins of the film's channels come before


class LightSums:
    """The sums of one tile of the frame after the other. `wave` is how many paths may be in flight."""

    def __init__(self, plan: LayerPlan, depth: int, infinite: int, batch: int, *, below: bool = False) -> None:
        self.plan = plan
        self.wave = paths_at_once(batch, depth, infinite, budget=ENTRY_BYTES, below=below)
        self.entries = ti.ndarray(ti.f32, (4 * entries_of(depth, infinite, below=below), self.wave + paths.SKEW))
        self.layers = ti.ndarray(ti.i32, max(len(plan.layers), 1))
        self.layers.from_numpy(np.asarray(plan.layers or (0,), np.int32))
        tops = np.full(max(plan.count, 1), LARGEST_HALF, np.float32)
        tops[list(plan.floats)] = np.inf
        self.tops = ti.ndarray(ti.f32, len(tops))
        self.tops.from_numpy(tops)
        self.sums: Any = None
        self.out: Any = None

    def begin(self, layout: Layout) -> None:
        """Empty sums for the crop of a layout."""
        x0, y0, x1, y1 = layout.crop
        self.layout, self.width, self.height = layout, x1 - x0, y1 - y0
        size = self.width * self.height
        if self.sums is None or self.counts.shape[0] != size:
            self.sums = None  # let go of the old before there is the new
            self.sums = ti.ndarray(ti.i64, max(size * self.plan.count * 3, 1))
            self.counts = ti.ndarray(ti.i32, size)
        self.sums.fill(0)
        self.counts.fill(0)

    def add(self, state: Any, pixels: Any, samples: int) -> None:
        """Add a finished wave of `samples` samples of `pixels`."""
        x0, y0, _, _ = self.layout.crop
        add_entries(
            state,
            self.entries,
            pixels,
            pixels.shape[0],
            samples,
            self.layout.width,
            x0,
            y0,
            self.width,
            self.layers,
            self.plan.count,
            math.ldexp(1.0, self.layout.exponent),
            self.layout.limit,
            self.sums,
            self.counts,
        )

    def develop(self, halves: NDArray[np.float16], floats: NDArray[np.float32]) -> None:
        """The means of every layer, to arrays as `LayerPlan.carve` lays them out.

        Floats get the eleven digits of a half, so that they are compressed as well as one.
        """
        per = max(1, _DEVELOPED_BYTES // (self.width * self.height * 12))
        if self.out is None or self.out.shape != (per, self.height * 3 * self.width):
            self.out = ti.ndarray(ti.f32, (per, self.height * 3 * self.width))
        rows = {layer: (halves, i) for i, layer in enumerate(self.plan.halves)}
        rows |= {layer: (floats, i) for i, layer in enumerate(self.plan.floats)}
        for first in range(0, self.plan.count, per):
            n = min(per, self.plan.count - first)
            means(
                self.sums,
                self.counts,
                first,
                n,
                self.plan.count,
                self.width,
                self.height,
                math.ldexp(1.0, -self.layout.exponent),
                self.tops,
                self.out,
            )
            pictures = self.out.to_numpy()[:n].reshape(n, self.height, 3, self.width)
            for k in range(n):
                target, row = rows[first + k]
                target[row] = pictures[k] if target is halves else shortened(pictures[k], 11)


@ti.kernel
def add_entries(
    ps: f32_2d,
    entries: f32_2d,
    pixels: i32_1d,
    n_pixels: ti.i32,
    n_samples: ti.i32,
    width: ti.i32,
    crop_x: ti.i32,
    crop_y: ti.i32,
    crop_w: ti.i32,
    layers: i32_1d,
    n_layers: ti.i32,
    scale: ti.f32,
    limit: ti.f32,
    sums: i64_1d,
    counts: i32_1d,
):
    ti.loop_config(block_dim=256)
    for k in range(n_pixels):
        place = (pixels[k] // width - crop_y) * crop_w + pixels[k] % width - crop_x
        for s in range(n_samples):
            i = s * n_pixels + k
            key = hash_u32(ti.bit_cast(ps[paths.SEED, i], ti.u32) ^ ti.bit_cast(ps[paths.INDEX, i], ti.u32))
            kept = vec3(1.0)  # of the sample, by the film
            for c in ti.static(range(3)):
                total = ps[paths.RADIANCE + c, i]
                if not ti.abs(total) <= 3e38:
                    kept[c] = 0.0
                elif total > limit:
                    kept[c] = limit / total
            for e in range(paths.load_bits(ps, paths.ENTRIES, i)):
                row = (place * n_layers + layers[paths.load_bits(entries, 4 * e, i)]) * 3
                for c in ti.static(range(3)):
                    v = entries[4 * e + 1 + c, i] * kept[c]
                    if kept[c] == 0.0:
                        v = 0.0  # of infinity times nothing
                    scaled = v * scale
                    whole = ti.floor(scaled)
                    coin = to_unit(hash_u32(key + ti.cast(_COIN + 3 * e + c, ti.u32)))
                    sums[row + c] += ti.cast(whole, ti.i64) + ti.cast(coin < scaled - whole, ti.i64)
        counts[place] += n_samples


@ti.kernel
def means(
    sums: i64_1d,
    counts: i32_1d,
    first: ti.i32,
    n: ti.i32,
    n_layers: ti.i32,
    width: ti.i32,
    height: ti.i32,
    unit: ti.f32,
    tops: f32_1d,
    out: f32_2d,
):
    """out (layer - first, (y * 3 + channel) * width + x); the channels are blue, green, red. `tops` holds layers."""
    for place in range(height * width):
        x = place % width
        y = place // width
        scale = unit / ti.cast(ti.max(counts[place], 1), ti.f32)
        for k in range(n):
            row = (place * n_layers + first + k) * 3
            for c in ti.static(range(3)):
                value = ti.cast(sums[row + c], ti.f32) * scale
                out[k, (y * 3 + 2 - c) * width + x] = ti.min(value, tops[first + k])
