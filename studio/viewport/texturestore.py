"""Images on the graphics card: layers of six texture arrays.

OpenGL 4.1 promises sixteen samplers and has no bindless textures, so a shader that may need any image reads a few
arrays, chosen by size (256, 1024, 2048 texels a side) and by format. Eight-bit images that are not colour-managed stay
8 bits; all others are brought to linear halves, because a filter must not run over encoded values. An image is scaled
to the next larger side, so that texture coordinates mean the same as before; what is larger than 2048 is reduced,
which a preview may do. Halves reach 65504; an image that goes beyond carries a power of two, as in the tracer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from studio.errors import OutOfDeviceMemory
from studio.scene.geometry import Image
from studio.viewport.layouts import PLACE_WORDS

SIDES = (256, 1024, 2048)
FORMATS = ("f1", "f2")
ARRAYS = len(SIDES) * len(FORMATS)
_TEXEL_BYTES = {"f1": 4, "f2": 8}
_HALF_MAX = 65504.0
_BRIGHTEST = 1e10


class TextureStore:
    """The arrays. `places` (n, PLACE_WORDS) says where row i of FlatScene.textures lies."""

    def __init__(self, context: moderngl.Context, most_layers: int) -> None:
        self._context = context
        self._most_layers = most_layers
        self._images: list[Image] = []
        self._layers: list[list[str]] = [[] for _ in range(ARRAYS)]  # keys, "" for a free layer
        self._known: dict[str, tuple[int, int, int, Image]] = {}
        self.arrays: list[moderngl.TextureArray | None] = [None] * ARRAYS
        self.places = np.zeros((0, PLACE_WORDS), np.float32)
        self._empty: moderngl.TextureArray | None = None

    @property
    def bytes(self) -> int:
        """Memory of the arrays, with their mipmaps."""
        return sum(
            a.width * a.height * a.layers * _TEXEL_BYTES[FORMATS[i % 2]] * 4 // 3
            for i, a in enumerate(self.arrays)
            if a is not None
        )

    def sync(self, images: Sequence[Image], record: Callable[[str, int], None]) -> None:
        """Hold these images. Raises OutOfDeviceMemory when there are more than an array has layers."""
        wanted = {image.key for image in images}
        for key in [k for k in self._known if k not in wanted]:
            array, layer = self._known.pop(key)[:2]
            self._layers[array][layer] = ""
        fresh: dict[int, list[tuple[int, Image]]] = {}
        for image in images:
            if image.key not in self._known:
                array = array_of(image)
                layer = self._free_layer(array)
                self._layers[array][layer] = image.key
                self._known[image.key] = (array, layer, 0, image)
                fresh.setdefault(array, []).append((layer, image))
        for array, new in fresh.items():
            self._upload(array, new, record)
        self._images = list(images)
        self.places = np.array([self._place(image) for image in images], np.float32).reshape(-1, PLACE_WORDS)

    def use(self, first_unit: int) -> None:
        """Bind all arrays to units from `first_unit` on."""
        if self._empty is None:
            self._empty = self._context.texture_array((1, 1, 1), 4, b"\xff\x00\xff\xff")
        for i, array in enumerate(self.arrays):
            (array or self._empty).use(first_unit + i)

    def release(self) -> None:
        """Give the arrays back."""
        for array in (*self.arrays, self._empty):
            if array is not None:
                array.release()
        self.arrays = [None] * ARRAYS
        self._empty = None
        self._layers = [[] for _ in range(ARRAYS)]
        self._known.clear()

    def _free_layer(self, array: int) -> int:
        layers = self._layers[array]
        if "" in layers:
            return layers.index("")
        if len(layers) >= self._most_layers:
            raise OutOfDeviceMemory(
                f"the scene has more than {self._most_layers} textures of one size; merge some into fewer images"
            )
        layers.append("")
        return len(layers) - 1

    def _upload(self, index: int, new: list[tuple[int, Image]], record: Callable[[str, int], None]) -> None:
        side, form = SIDES[index // 2], FORMATS[index % 2]
        array, needed = self.arrays[index], len(self._layers[index])
        if array is None or array.layers < needed:
            room = min(max(needed, int((array.layers if array else 0) * 1.5)), self._most_layers)
            if array is not None:
                array.release()
            try:
                array = self._context.texture_array((side, side, room), 4, None, dtype=form)
            except moderngl.Error as fault:
                raise OutOfDeviceMemory("the graphics card has no room for the scene's textures") from fault
            array.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            array.repeat_x = array.repeat_y = True
            self.arrays[index] = array
            new = [(layer, self._known[key][3]) for layer, key in enumerate(self._layers[index]) if key]
        for layer, image in new:
            pixels, exponent = texels(image, side, form)
            array.write(pixels.tobytes(), viewport=(0, 0, layer, side, side, 1))
            self._known[image.key] = (index, layer, exponent, image)
            record("texture", pixels.nbytes)
        array.build_mipmaps()

    def _place(self, image: Image) -> tuple[float, ...]:
        array, layer, exponent, _ = self._known[image.key]
        height, width = image.pixels.shape[:2]
        return (array, layer, exponent, SIDES[array // 2], width, height, 0.0, 0.0)


# --- pixels ----------------------------------------------------------------------------------------------------------
def array_of(image: Image) -> int:
    """Which array an image belongs to."""
    side = max(image.pixels.shape[:2])
    size = next((i for i, s in enumerate(SIDES) if side <= s), len(SIDES) - 1)
    plain = image.pixels.dtype == np.uint8 and image.colour_space != "srgb"
    return size * 2 + (0 if plain else 1)


def linear(image: Image) -> NDArray[np.float32]:
    """An image (h, w, 4) in linear light; 8 and 16 bits become 0..1, grey is spread over the colours."""
    pixels = image.pixels
    if pixels.dtype == np.uint8 and image.colour_space == "srgb":
        values = _decoded(np.arange(256, dtype=np.float32) / np.float32(255.0))[pixels]
        if pixels.shape[2] in (2, 4):
            values[..., -1] = pixels[..., -1] / np.float32(255.0)
        return four(values, 1.0)
    scale = np.float32(1.0 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max)  # type: ignore[type-var]
    values = four(pixels.astype(np.float32) / scale, 1.0)
    values = np.nan_to_num(values, nan=0.0, posinf=_BRIGHTEST, neginf=0.0).clip(-_BRIGHTEST, _BRIGHTEST)
    if image.colour_space == "srgb":
        values[..., :3] = _decoded(np.clip(values[..., :3], 0.0, None))
    return values


def texels(image: Image, side: int, form: str) -> tuple[NDArray[Any], int]:
    """The layer (side, side, 4) of an image in a format, and the power of two that it was divided by."""
    if form == "f1":
        plain = four(image.pixels, 255)
        if plain.shape[:2] == (side, side):
            return np.ascontiguousarray(plain, np.uint8), 0
        return np.rint(resized(plain.astype(np.float32), side)).astype(np.uint8), 0
    values = resized(linear(image), side)
    peak = float(np.abs(values).max(initial=0.0))
    exponent = int(np.ceil(np.log2(peak / _HALF_MAX))) if peak > _HALF_MAX else 0
    return np.clip(np.ldexp(values, -exponent), -_HALF_MAX, _HALF_MAX).astype(np.float16), exponent


def four(pixels: NDArray[Any], opaque: float) -> NDArray[Any]:
    """Grey, grey-alpha and RGB as RGBA."""
    h, w, c = pixels.shape
    if c == 4:
        return pixels
    out = np.full((h, w, 4), opaque, pixels.dtype)
    if c <= 2:
        out[..., :3] = pixels[..., :1]
        if c == 2:
            out[..., 3] = pixels[..., 1]
    else:
        out[..., :3] = pixels
    return out


def resized(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """An image (h, w, 4) with `side` rows and columns: averaged over whole texels when smaller, then linear."""
    for axis in (0, 1):
        factor = pixels.shape[axis] // side
        if factor >= 2:
            keep = pixels.shape[axis] // factor * factor
            pixels = np.take(pixels, np.arange(keep), axis=axis)
            shape = list(pixels.shape)
            shape[axis : axis + 1] = [keep // factor, factor]
            pixels = pixels.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
        size = pixels.shape[axis]
        if size != side:
            at = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(size / side) - np.float32(0.5)
            low = np.floor(at).astype(np.intp)
            weight = (at - low).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
            first = np.take(pixels, np.clip(low, 0, size - 1), axis=axis)
            second = np.take(pixels, np.clip(low + 1, 0, size - 1), axis=axis)
            pixels = first + (second - first) * weight
    return np.ascontiguousarray(pixels, np.float32)


def _decoded(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo the sRGB transfer function (IEC 61966-2-1)."""
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0.0) + 0.055) / 1.055) ** 2.4).astype(np.float32)
