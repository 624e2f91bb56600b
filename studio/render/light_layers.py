"""A layer for every light: `NAME.lights.exr` beside a picture, as a render writes it and the mixer reads it.

The file is a multi-part OpenEXR in nits: "beauty", the guides "albedo" and "normal" for denoising, a part for every
emitter under its name, and "rest". A light's part says whose it is (`myriad:id`, `myriad:name`, `myriad:group`,
`myriad:kind`). Lights are half floats, or floats of as many digits where a lamp outshines those. The rest is the beauty
less all lights as they are stored: what is of no lamp, such as an unlit surface, and what the half floats round away.
With it the layers add up to the beauty to 1e-5; without it a half float would be off by 5e-4.

ZIP by runs, because layers are there to be added up and single lamps are black in most of a picture: 50 layers of a
hall of 300 lamps at 8 samples are 0.19 of their half floats by ZIP, 0.35 by PIZ, and 0.27 by DWAA, whose sum is off by
1.5 % on average.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadAsset, UsageError
from studio.render.layer_exr import PartsReader, is_black
from studio.render.layer_plan import LINES

SUFFIX, JOURNAL = ".lights.exr", ".lights.part"
BEAUTY, ALBEDO, NORMAL, REST = "beauty", "albedo", "normal", "rest"
_SAID = ("id", "name", "group", "kind")  # of a light, by its part
_F16 = NDArray[np.float16]
_F32 = NDArray[np.float32]


def layers_path(picture: Path) -> Path:
    """The file of light layers that belongs to a picture."""
    return picture.with_name(picture.stem + SUFFIX)


def journal_path(picture: Path) -> Path:
    """What says how far the layers of a picture are that was cut short."""
    return picture.with_name(picture.stem + JOURNAL)


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """A light of a file. `id` is the entity's; "" is the rest, which is of no lamp."""

    index: int
    id: str
    name: str
    group: str
    kind: str


def open_layers(path: str | Path) -> LightLayers:
    """A file of light layers. Raises `BadAsset` with a sentence for what is none, or a damaged one."""
    return LightLayers(Path(path))


class LightLayers:
    """An open file. Methods may be called from several threads; they raise `BadAsset` for damage that they meet."""

    def __init__(self, path: Path) -> None:
        self._reader = PartsReader(path)
        heads = [head.attributes for head in self._reader.parts]
        self._special = {str(head.get("myriad:layer", "")): i for i, head in enumerate(heads)}
        numbers = [i for i, head in enumerate(heads) if isinstance(head.get("myriad:layer"), int)]
        self.lights = tuple(
            LayerInfo(index=index, **{what: str(heads[part].get(f"myriad:{what}", "")) for what in _SAID})
            for index, part in enumerate(numbers)
        )
        self._light_parts = tuple(numbers)
        if REST in self._special:
            self.lights += (LayerInfo(len(numbers), "", REST, "", REST),)
            self._light_parts += (self._special[REST],)
        if BEAUTY not in self._special or not self.lights:
            self._reader.close()
            raise BadAsset(f"{path} is an OpenEXR file without light layers; choose a NAME{SUFFIX}")
        x0, y0, x1, y1 = self._reader.crop
        self.size = x1 - x0, y1 - y0
        self.crop, self.frame_size = self._reader.crop, self._reader.size
        self.about = heads[self._special[BEAUTY]]  # what the header says of the frame
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="layers-reader")

    def read(self, index: int, size: tuple[int, int] | None = None) -> _F32:
        """(h, w, 3) nits of a light (or the rest, the last of `lights`), averaged over areas to `size` (w, h)."""
        if not 0 <= index < len(self.lights):
            raise UsageError(f"there is no layer {index} in {self._reader.path}; it has {len(self.lights)}")
        return self._part(self._light_parts[index], size, pool=True)

    def read_all(
        self, size: tuple[int, int] | None = None, progress: Callable[[float], None] = lambda share: None
    ) -> _F16:
        """(n, h, w, 3) of all layers, in the order of `lights`, read by as many threads as there are cores."""
        width, height = size or self.size
        out = np.empty((len(self.lights), height, width, 3), np.float16)

        def one(index: int) -> None:
            found = self._part(self._light_parts[index], size, pool=False)
            out[index] = np.clip(found, -65504.0, 65504.0)

        for done, _ in enumerate(self._pool.map(one, range(len(self.lights))), 1):
            progress(done / len(self.lights))
        return out

    def beauty(self, size: tuple[int, int] | None = None) -> _F32:
        """(h, w, 3) nits of the picture that the layers add up to."""
        return self._part(self._special[BEAUTY], size, pool=True)

    def guides(self, size: tuple[int, int] | None = None) -> tuple[_F32, _F32] | None:
        """Albedo and normals (h, w, 3) for denoising, where the file has them."""
        if not {ALBEDO, NORMAL} <= set(self._special):
            return None
        albedo, normal = (self._part(self._special[name], size, pool=True) for name in (ALBEDO, NORMAL))
        return albedo, normal

    def close(self) -> None:
        """Let go of the file."""
        self._pool.shutdown()
        self._reader.close()

    def __enter__(self) -> LightLayers:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _part(self, part: int, size: tuple[int, int] | None, *, pool: bool) -> _F32:
        width, height = self.size
        wide, high = size or self.size
        if min(wide, high) < 1:
            raise UsageError(f"a layer cannot be read at a size of {wide} x {high}")
        fx, fy = width // wide, height // high
        quick = wide * fx == width and high * fy == height and LINES % fy == 0
        step = fy if quick else 1
        out = np.empty((height // step, width // (fx if quick else 1), 3), np.float32)

        def chunk(index: int) -> None:
            lines = self._reader.chunk(part, index)
            at = index * LINES // step
            target = out[at : at + -(-len(lines) // step)]
            if is_black(lines):
                target[:] = 0.0
                return
            with np.errstate(invalid="ignore", over="ignore"):  # numbers of a damaged file may be none
                found = _averaged(lines.astype(np.float32), fx, fy) if quick else lines
            target[:] = found.transpose(0, 2, 1)[..., ::-1]

        for _ in (self._pool.map if pool else map)(chunk, range(self._reader.offsets.shape[1])):
            pass
        with np.errstate(invalid="ignore", over="ignore"):
            return out if quick else area_averaged(out, (wide, high))


def _averaged(lines: _F32, fx: int, fy: int) -> _F32:
    """Lines (n, 3, width) averaged over fy x fx pixels."""
    total = lines[0::fy]
    for k in range(1, fy):
        total = total + lines[k::fy]
    narrow = total[..., 0::fx]
    for k in range(1, fx):
        narrow = narrow + total[..., k::fx]
    return narrow if fx * fy == 1 else narrow * np.float32(1.0 / (fx * fy))


def area_averaged(pixels: _F32, size: tuple[int, int]) -> _F32:
    """A picture (h, w, 3) at another size (w, h): each pixel the mean of the area that it covers."""
    for axis, wanted in ((0, size[1]), (1, size[0])):
        have = pixels.shape[axis]
        if wanted == have:
            continue
        edges = np.arange(wanted + 1) * (have / wanted)
        first = np.floor(edges[:-1]).astype(np.intp)
        taps = math.ceil(have / wanted) + 1
        total = np.zeros((*pixels.shape[:axis], wanted, *pixels.shape[axis + 1 :]), np.float32)
        shape = [1, 1, 1]
        shape[axis] = wanted
        for tap in range(taps):
            weight = np.clip(np.minimum(edges[1:], first + tap + 1) - np.maximum(edges[:-1], first + tap), 0.0, 1.0)
            share = (weight * (wanted / have)).astype(np.float32).reshape(shape)
            total += share * np.take(pixels, np.minimum(first + tap, have - 1), axis=axis)
        pixels = total
    return pixels
