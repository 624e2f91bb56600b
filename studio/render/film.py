"""The film: sums of samples as integers, so that any split of a render adds up to the same bits.

Every quantity of a sample is rounded once to fixed point (`round(value * 2**exponent)`) and added to an int64. Integer
sums are associative: tiles, sample ranges, workers, orders and resumes all end in the same film (docs/architecture.md,
"Exact splitting"). Depth merges by minimum, and the Cryptomatte slots keep the 16 *smallest* ids of a pixel, the one
rule of eviction that does not depend on the order in which the ids arrive.

The arrays of a film are plain numpy arrays described by a `Layout`, so that they can live in a shared-memory block
(`Layout.nbytes`, `Layout.carve`) which the render worker fills and the session reads.

What the tracer has to keep to, besides adding up:
- a radiance sample is clamped to `Layout.limit` before it is rounded (2**19 samples then fit in an int64), and rounded
  up or down by a coin of its own, so that pixels far darker than the brightest emitter keep their mean;
- `squares` gets `round(luminance**2 * 2**square_exponent)`, luminance by `Layout.luminance`;
- `halves` gets the beauty of the samples for which `in_half(sample)` holds;
- matte ids are never 0; a full pixel that meets a smaller id gives up its largest, whose count goes to `matte_lost`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import UsageError
from studio.scene.flat import FlatScene
from studio.scene.lights import KINDS

Crop = tuple[int, int, int, int]
Array = NDArray[Any]

SAMPLE_BITS = 44  # a clamped sample uses at most this many bits, which leaves 19 for the number of samples
HEADROOM_BITS = 6  # a sample may be this many stops brighter than the brightest emitter before it is clamped
MOST_GLARE = 20  # stops; a millionth of the emission is then still told apart
SQUARE_BITS = 48  # its squared luminance: 2**15 samples at the clamp fit, far more of any real picture
UNIT_EXPONENT = 40  # alpha, albedo, normals
METRE_EXPONENT = 32  # positions, texture coordinates, motion in pixels: +-8192 at 2**18 samples
MATTE_SLOTS = 16
REC709_LUMINANCE = (0.2126, 0.7152, 0.0722)

RADIANCE_LAYERS = (
    "direct_diffuse",
    "indirect_diffuse",
    "direct_specular",
    "indirect_specular",
    "direct_transmission",
    "indirect_transmission",
    "emission",
)
_DATA_LAYERS: dict[str, tuple[tuple[str, ...], int]] = {
    "position": (("P.X", "P.Y", "P.Z"), METRE_EXPONENT),
    "normal": (("N.X", "N.Y", "N.Z"), UNIT_EXPONENT),
    "albedo": (("albedo.R", "albedo.G", "albedo.B"), UNIT_EXPONENT),
    "uv": (("UV.U", "UV.V"), METRE_EXPONENT),
    "motion": (("motion.X", "motion.Y"), METRE_EXPONENT),
}
# every name that --aov knows; alpha, samples and variance come with any film and need no sums of their own
AOVS = (
    "alpha",
    "depth",
    *_DATA_LAYERS,
    *RADIANCE_LAYERS,
    "samples",
    "variance",
    "lights",
    "crypto_object",
    "crypto_material",
)


class Channel(msgspec.Struct, frozen=True):
    """One summed quantity: value = sum / count * 2**-exponent. Names follow the EXR convention, "albedo.R"."""

    name: str
    exponent: int


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What a film holds, without the sums. `crop` is x0, y0, x1, y1 from the top left, end excluded."""

    width: int
    height: int
    crop: Crop
    channels: tuple[Channel, ...]
    exponent: int  # of beauty-like channels
    glare: int = 0  # of its stops of room, those for suns and bright spots of pictures, see `scene_glare`
    minima: tuple[str, ...] = ()
    mattes: tuple[str, ...] = ()
    luminance: tuple[float, float, float] = REC709_LUMINANCE

    @property
    def square_exponent(self) -> int:
        """Fixed-point exponent of `squares`."""
        return 2 * self.exponent - (2 * SAMPLE_BITS - SQUARE_BITS)

    @property
    def limit(self) -> float:
        """The largest radiance of one sample, in nits; samples are clamped to it."""
        return math.ldexp(1.0, SAMPLE_BITS - self.exponent)

    def shapes(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Name -> dtype and shape of every array, in the order of `Film.buffers`."""
        h, w = self.crop[3] - self.crop[1], self.crop[2] - self.crop[0]
        slots = (len(self.mattes), h, w, MATTE_SLOTS)
        return {
            "sums": (np.dtype(np.int64), (h, w, len(self.channels))),
            "squares": (np.dtype(np.int64), (h, w)),
            "halves": (np.dtype(np.int64), (h, w, 3)),
            "half_counts": (np.dtype(np.int32), (h, w)),
            "counts": (np.dtype(np.int32), (h, w)),
            "minima": (np.dtype(np.float32), (h, w, len(self.minima))),
            "matte_ids": (np.dtype(np.uint32), slots),
            "matte_counts": (np.dtype(np.uint32), slots),
            "matte_lost": (np.dtype(np.int32), (h, w)),
        }

    @property
    def nbytes(self) -> int:
        """Size of one block that holds every array, each aligned to 64 bytes."""
        return sum(_aligned(dtype.itemsize * math.prod(shape)) for dtype, shape in self.shapes().values())

    def carve(self, block: memoryview) -> dict[str, Array]:
        """Arrays laid over a writable block of at least `nbytes` bytes, such as `SharedMemory.buf`; not cleared."""
        arrays, offset = {}, 0
        for name, (dtype, shape) in self.shapes().items():
            arrays[name] = np.ndarray(shape, dtype, block, offset)
            offset += _aligned(dtype.itemsize * math.prod(shape))
        return arrays


def _aligned(size: int) -> int:
    return (size + 63) // 64 * 64


def scene_exponent(lights: NDArray[Any]) -> int:
    """The beauty's fixed-point exponent for a scene: room above its brightest emitter, digits for its darkest corner.

    `lights` is `FlatScene.lights`. Point sources count as what they make of a white surface 5 cm away.
    """
    if not len(lights):
        return SAMPLE_BITS - HEADROOM_BITS - 14
    peak = lights["emission"].astype(np.float64).max(1)
    peak = np.where(lights["kind"] <= 1, peak * 128.0, peak)
    brightest = float(peak.max())
    if not (math.isfinite(brightest) and brightest > 0):
        return SAMPLE_BITS - HEADROOM_BITS - 14
    return SAMPLE_BITS - HEADROOM_BITS - math.ceil(math.log2(brightest))


def scene_glare(flat: FlatScene) -> int:
    """Stops of room that a scene needs above its brightest emission, for what shines brighter than that says: the sun
    of a dome's picture, and the disk of a distant light, whose emission is what it makes of a surface."""
    lights = flat.lights
    if not len(lights):
        return 0
    peak = lights["emission"].astype(np.float64).max(1)
    brightest = peak.copy()
    for row in np.flatnonzero(lights["image"] >= 0):
        pixels = flat.textures[lights["image"][row]].pixels
        if pixels.dtype == np.float32:
            brightest[row] *= max(float(np.nan_to_num(pixels[..., :3], nan=0.0, posinf=0.0).max(initial=0.0)), 1.0)
    sun = lights["kind"] == KINDS["distant"]
    half = np.sin(np.clip(lights["size"][sun, 0].astype(np.float64) / 2, 0.0, np.pi / 2))
    brightest[sun] /= np.maximum(np.pi * half**2, 1e-9)
    brightest[sun & (lights["size"][:, 0] <= 0)] = 0.0  # a point in the sky has no disk to see
    top, plain = float(brightest.max()), float(peak.max())
    if not (math.isfinite(top) and top > plain > 0):
        return 0
    return min(math.ceil(math.log2(top / plain)), MOST_GLARE)


def in_half(sample: int) -> bool:
    """Whether a global sample index belongs to the half buffer.

    The even-odd split by the parity of every second bit keeps both halves stratified under an Owen-scrambled Sobol
    sequence, where "every second sample" would give each half one side of the first dimension.
    """
    return (sample & 0xAAAAAAAA).bit_count() & 1 == 1


def light_layers(groups: Sequence[str]) -> tuple[str, ...]:
    """Layer names of light groups, one a group, in order; the group "" holds the lights that are in none."""
    taken: set[str] = set()
    layers = []
    for group in groups:
        # a dot would nest the layer and a blank breaks the channel lists of several readers
        name = "light_" + ("".join(c if c.isalnum() or c in "_-" else "_" for c in group) or "ungrouped")
        layer, n = name, 2
        while layer in taken:
            layer, n = f"{name}_{n}", n + 1
        taken.add(layer)
        layers.append(layer)
    return tuple(layers)


def check_aovs(aovs: Iterable[str]) -> tuple[str, ...]:
    """The AOVs in film order, each once; raises `UsageError` for a name that does not exist."""
    wanted = set(aovs)
    unknown = sorted(wanted - set(AOVS))
    if unknown:
        raise UsageError(f"there is no AOV named {unknown[0]!r}; choose from {', '.join(AOVS)}")
    return tuple(name for name in AOVS if name in wanted)


def plan_channels(aovs: Iterable[str], light_groups: Sequence[str], exponent: int) -> tuple[Channel, ...]:
    """The summed channels of a render, the same for the same request in whatever order it was written.

    `exponent` is that of the beauty. `light_groups` are `FlatScene.light_groups`; they are summed when "lights" is
    among the AOVs. Depth, Cryptomatte, the sample count and the variance are kept apart and give no channel here.
    """
    channels = [Channel(name, exponent) for name in "RGB"] + [Channel("A", UNIT_EXPONENT)]
    for aov in check_aovs(aovs):
        if aov in _DATA_LAYERS:
            names, own = _DATA_LAYERS[aov]
            channels += [Channel(name, own) for name in names]
        elif aov in RADIANCE_LAYERS:
            channels += [Channel(f"{aov}.{c}", exponent) for c in "RGB"]
        elif aov == "lights":
            channels += [Channel(f"{layer}.{c}", exponent) for layer in light_layers(light_groups) for c in "RGB"]
    return tuple(channels)


def plan_layout(
    width: int,
    height: int,
    *,
    aovs: Iterable[str],
    light_groups: Sequence[str] = (),
    exponent: int,
    glare: int = 0,
    crop: Crop | None = None,
    luminance: tuple[float, float, float] = REC709_LUMINANCE,
) -> Layout:
    """The whole layout of a render in pixels: channels, depth and the Cryptomatte layers that its AOVs ask for.

    `exponent` is `scene_exponent` less `glare`.
    """
    names = check_aovs(aovs)
    return Layout(
        width=width,
        height=height,
        crop=crop or (0, 0, width, height),
        channels=plan_channels(names, light_groups, exponent),
        exponent=exponent,
        glare=glare,
        minima=("depth",) if "depth" in names else (),
        mattes=tuple(kind for kind in ("object", "material") if f"crypto_{kind}" in names),
        luminance=luminance,
    )


@dataclass(slots=True, eq=False)
class Film:
    """The sums of a crop of an image; h, w below are the crop's. See the module for how a tracer fills it."""

    layout: Layout
    sums: NDArray[np.int64]  # (h, w, C)
    squares: NDArray[np.int64]  # (h, w), sum of luminance**2
    halves: NDArray[np.int64]  # (h, w, 3), beauty of the samples with `in_half`
    half_counts: NDArray[np.int32]  # (h, w)
    counts: NDArray[np.int32]  # (h, w), samples taken
    minima: NDArray[np.float32]  # (h, w, M), +inf where nothing was hit
    matte_ids: NDArray[np.uint32]  # (K, h, w, 16), ascending, 0 in empty slots, which come last
    matte_counts: NDArray[np.uint32]  # (K, h, w, 16)
    matte_lost: NDArray[np.int32]  # (h, w), samples whose id found no slot, over all layers

    @classmethod
    def empty(
        cls,
        width: int,
        height: int,
        *,
        channels: tuple[Channel, ...],
        exponent: int,
        crop: Crop | None = None,
        minima: tuple[str, ...] = (),
        mattes: tuple[str, ...] = (),
        luminance: tuple[float, float, float] = REC709_LUMINANCE,
    ) -> Film:
        """A film without samples for a crop (default: all) of an image of `width` x `height` pixels."""
        layout = Layout(
            width=width,
            height=height,
            crop=crop or (0, 0, width, height),
            channels=channels,
            exponent=exponent,
            minima=minima,
            mattes=mattes,
            luminance=luminance,
        )
        return cls.of(layout)

    @classmethod
    def of(cls, layout: Layout) -> Film:
        """A film without samples."""
        film = cls.over({name: np.zeros(s, d) for name, (d, s) in layout.shapes().items()}, layout)
        film.minima.fill(np.inf)
        return film

    @classmethod
    def over(cls, buffers: dict[str, Array], layout: Layout) -> Film:
        """A film over arrays that exist, such as `Layout.carve` of shared memory; nothing is copied or cleared."""
        for name, (dtype, shape) in layout.shapes().items():
            if buffers[name].dtype != dtype or buffers[name].shape != shape:
                raise ValueError(f"{name} is {buffers[name].dtype} {buffers[name].shape}, not {dtype} {shape}")
        return cls(layout, **{name: buffers[name] for name in layout.shapes()})

    def buffers(self) -> dict[str, Array]:
        """Every array by name, always in the same order; not copies."""
        return {name: getattr(self, name) for name in self.layout.shapes()}

    def clear(self) -> None:
        """Forget all samples."""
        for array in self.buffers().values():
            array.fill(0)
        self.minima.fill(np.inf)

    @property
    def width(self) -> int:
        return self.layout.width

    @property
    def height(self) -> int:
        return self.layout.height

    @property
    def crop(self) -> Crop:
        return self.layout.crop

    @property
    def channels(self) -> tuple[Channel, ...]:
        return self.layout.channels

    @property
    def exponent(self) -> int:
        return self.layout.exponent

    @property
    def square_exponent(self) -> int:
        return self.layout.square_exponent

    @property
    def minima_names(self) -> tuple[str, ...]:
        return self.layout.minima

    @property
    def mattes(self) -> tuple[str, ...]:
        return self.layout.mattes

    def names(self, prefix: str) -> tuple[str, ...]:
        """Channel names of a layer; the beauty's is ""."""
        if not prefix:
            return tuple(c.name for c in self.channels if "." not in c.name)
        return tuple(c.name for c in self.channels if c.name.rpartition(".")[0] == prefix)

    def layers(self) -> tuple[str, ...]:
        """Layer prefixes of the summed channels in film order, the beauty's "" first."""
        return tuple(dict.fromkeys(c.name.rpartition(".")[0] for c in self.channels))

    def value(self, name: str) -> NDArray[np.float32]:
        """Mean of a channel, (h, w) float32; also a minimum such as "depth", "samples" or "variance"."""
        if name in self.minima_names:
            return self.minima[..., self.minima_names.index(name)].copy()
        if name == "samples":
            return self.counts.astype(np.float32)
        if name == "variance":
            return self.variance()
        return self._mean(name).astype(np.float32)

    def _mean(self, name: str) -> NDArray[np.float64]:
        index = next((i for i, c in enumerate(self.channels) if c.name == name), -1)
        if index < 0:
            raise UsageError(f"the film has no channel {name!r}; it has {', '.join(c.name for c in self.channels)}")
        return _mean(self.sums[..., index], self.counts, self.channels[index].exponent)

    def rgb(self, prefix: str) -> NDArray[np.float32]:
        """The first three channels of a layer, (h, w, 3) float32, so "N" gives X, Y, Z; "" is the beauty."""
        names = self.names(prefix)[:3]
        if len(names) < 3:
            raise UsageError(f"the film has no layer {prefix!r} of three channels")
        return np.stack([self.value(name) for name in names], axis=-1)

    def beauty(self) -> NDArray[np.float32]:
        """R, G, B in nits and A, (h, w, 4) float32, premultiplied."""
        return np.stack([self.value(name) for name in "RGBA"], axis=-1)

    def half(self, which: int) -> NDArray[np.float32]:
        """Beauty of the samples outside (0) or inside (1) the half buffer, (h, w, 3) float32: two renders in one."""
        sums, counts = self.halves, self.half_counts
        if which == 0:
            sums, counts = self.sums[..., :3] - sums, self.counts - counts
        return _mean(sums, counts[..., None], self.exponent).astype(np.float32)

    def luminance(self) -> NDArray[np.float64]:
        """Mean luminance in nits, (h, w)."""
        r, g, b = (self._mean(name) for name in "RGB")
        kr, kg, kb = self.layout.luminance
        return kr * r + kg * g + kb * b

    def variance(self) -> NDArray[np.float32]:
        """Estimated variance of the mean luminance of every pixel, (h, w) float32; 0 below two samples."""
        square = _mean(self.squares, self.counts, self.square_exponent)
        spread = np.maximum(square - self.luminance() ** 2, 0.0)
        return np.where(self.counts > 1, spread / np.maximum(self.counts - 1, 1), 0.0).astype(np.float32)

    def error(self, block: int = 8) -> NDArray[np.float32]:
        """Relative error of every block that the crop touches, (rows, columns) float32; inf below two samples.

        Blocks are `block` pixels wide and aligned to the whole image, so a tile decides like the whole image as long
        as its edges are multiples of `block`. The error is sqrt(mean variance) / (mean luminance + floor), where the
        floor, a hundredth of the level that the exponent was chosen for (glare apart), keeps black from asking for
        samples for ever.
        """
        x0, y0, x1, y1 = self.crop
        left, top = x0 % block, y0 % block
        rows, columns = -(-(y1 - y0 + top) // block), -(-(x1 - x0 + left) // block)
        weak = self.counts < 2
        planes = (np.ones(weak.shape), weak.astype(np.float64), self.variance().astype(np.float64), self.luminance())
        totals = np.zeros((4, rows, columns))
        for total, plane in zip(totals, planes, strict=True):
            padded = np.zeros((rows * block, columns * block))
            padded[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
            # one addition after the other: numpy's own reductions choose their order by the array's shape
            for dy in range(block):
                for dx in range(block):
                    total += padded[dy::block, dx::block]
        area, starved, variance, luminance = totals
        floor = 0.01 * math.ldexp(1.0, SAMPLE_BITS - 13 - self.exponent - self.layout.glare)
        error = np.sqrt(variance / area) / (np.maximum(luminance / area, 0.0) + floor)
        return np.where(starved > 0, np.inf, error).astype(np.float32)

    def merge_into(self, other: Film) -> None:
        """Add these samples to `other`, whose crop must contain this one. Exact: order and grouping do not matter."""
        self._check_mergeable(other)
        x0, y0, x1, y1 = self.crop
        ox, oy = other.crop[:2]
        part = (slice(y0 - oy, y1 - oy), slice(x0 - ox, x1 - ox))
        for name in ("sums", "squares", "halves", "half_counts", "counts", "matte_lost"):
            getattr(other, name)[part] += getattr(self, name)
        np.minimum(other.minima[part], self.minima, out=other.minima[part])
        lost = other.matte_lost[part]
        for k in range(len(self.mattes)):
            ids, counts = other.matte_ids[k][part], other.matte_counts[k][part]
            mine, yours = _used_slots(self.matte_ids[k]), _used_slots(ids)
            ids[...], counts[...], overflow = _merge_slots(
                np.concatenate([ids[..., yours], self.matte_ids[k][..., mine]], axis=-1),
                np.concatenate([counts[..., yours], self.matte_counts[k][..., mine]], axis=-1),
            )
            lost += overflow

    def cut(self, crop: Crop) -> Film:
        """A copy of a part of the film."""
        ox, oy = self.crop[:2]
        rows, columns = slice(crop[1] - oy, crop[3] - oy), slice(crop[0] - ox, crop[2] - ox)
        part = {
            name: np.ascontiguousarray(
                a[:, rows, columns] if name in ("matte_ids", "matte_counts") else a[rows, columns]
            )
            for name, a in self.buffers().items()
        }
        return Film.over(part, msgspec.structs.replace(self.layout, crop=crop))

    def only(self, pixels: NDArray[np.bool_]) -> Film:
        """A copy without the samples of other pixels than these, (height, width)."""
        out = Film.of(self.layout)
        for name, array in self.buffers().items():
            where = (slice(None), pixels) if name in ("matte_ids", "matte_counts") else pixels
            getattr(out, name)[where] = array[where]
        return out

    def put(self, part: Film) -> None:
        """Replace the samples of a part's crop by its own."""
        ox, oy = self.crop[:2]
        x0, y0, x1, y1 = part.crop
        rows, columns = slice(y0 - oy, y1 - oy), slice(x0 - ox, x1 - ox)
        for name, a in self.buffers().items():
            target = a[:, rows, columns] if name in ("matte_ids", "matte_counts") else a[rows, columns]
            target[...] = getattr(part, name)

    def settle(self) -> None:
        """Sort the matte slots by id, empty ones last: the one order that files and merges use."""
        for ids, counts in zip(self.matte_ids, self.matte_counts, strict=True):
            keys = ids - np.uint32(1)  # an empty slot wraps to the largest key
            if not np.all(keys[..., 1:] >= keys[..., :-1]):
                ids[...], counts[...], _ = _merge_slots(ids, counts)

    def _check_mergeable(self, other: Film) -> None:
        ours, theirs = self.layout, other.layout
        for field in Layout.__struct_fields__:
            if field != "crop" and getattr(ours, field) != getattr(theirs, field):
                raise UsageError(f"films of a different {field} cannot be merged")
        (x0, y0, x1, y1), (ox0, oy0, ox1, oy1) = ours.crop, theirs.crop
        if x0 < ox0 or y0 < oy0 or x1 > ox1 or y1 > oy1:
            raise UsageError(f"a film of crop {ours.crop} does not fit into one of crop {theirs.crop}")


def _mean(sums: NDArray[np.int64], counts: NDArray[np.int32], exponent: int) -> NDArray[np.float64]:
    return sums.astype(np.float64) * math.ldexp(1.0, -exponent) / np.maximum(counts, 1)


def _used_slots(ids: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Slots that any pixel uses: few as a rule, and sorting 32 of them would be most of a merge."""
    return np.flatnonzero([ids[..., slot].any() for slot in range(MATTE_SLOTS)])


def _merge_slots(
    ids: NDArray[np.uint32], counts: NDArray[np.uint32]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int32]]:
    """Slots (h, w, n) -> the 16 smallest ids with their counts (h, w, 16), and how many samples fell out (h, w).

    An id among the 16 smallest of a union is among the 16 smallest of every part that has it, so no part can have
    dropped any of its samples: the result is exact for whatever is kept, in any order of merging.
    """
    keys = ids - np.uint32(1)
    order = np.argsort(keys, axis=-1, kind="stable")
    keys = np.take_along_axis(keys, order, axis=-1)
    counts = np.take_along_axis(counts, order, axis=-1)
    empty = np.uint32(0xFFFFFFFF)
    total = counts.astype(np.int64)
    for slot in range(1, keys.shape[-1]):
        same = (keys[..., slot] == keys[..., slot - 1]) & (keys[..., slot] != empty)
        total[..., slot] += np.where(same, total[..., slot - 1], 0)
        total[..., slot - 1] = np.where(same, 0, total[..., slot - 1])
        keys[..., slot - 1] = np.where(same, empty, keys[..., slot - 1])
    order = np.argsort(keys, axis=-1, kind="stable")
    keys = np.take_along_axis(keys, order, axis=-1)
    total = np.take_along_axis(total, order, axis=-1)
    kept_ids = np.zeros((*keys.shape[:-1], MATTE_SLOTS), np.uint32)
    kept_counts = np.zeros_like(kept_ids)
    slots = min(MATTE_SLOTS, keys.shape[-1])
    kept_ids[..., :slots] = keys[..., :slots] + np.uint32(1)
    kept_counts[..., :slots] = total[..., :slots]
    return kept_ids, kept_counts, total[..., MATTE_SLOTS:].sum(axis=-1).astype(np.int32)
