"""Textures on the device: every image of a scene in one atlas of 32-bit words, filtered by hand.

Taichi has texture units only on some backends, so images live in one u32 array that behaves the same everywhere:
8-bit images as one RGBA8 word a texel, deeper ones as RGBA16F in two words. sRGB is undone per texel before filtering
(a filter over encoded values darkens edges) through a table of 256 floats that opens the atlas, which is both exact
and cheaper than a power. Half floats reach 65504; an image that goes beyond (a sun in a sky) carries a power of two.
"""

import numpy as np
import taichi as ti
import taichi.math as tm
from numpy.typing import NDArray

from studio.scene.geometry import Image

RGBA8, RGBA16F = 0, 1
DATA, SRGB, LINEAR = 0, 1, 2
REPEAT, MIRROR, CLAMP = 0, 1, 2
NEAREST, BILINEAR = 0, 1

# columns of a row of the image table (i32)
OFFSET, WIDTH, HEIGHT, FORMAT, SPACE, EXPONENT, IMAGE_STRIDE = 0, 1, 2, 3, 4, 5, 6
_SPACES = {"data": DATA, "srgb": SRGB, "linear": LINEAR}
_HALF_MAX = 65504.0
_BRIGHTEST = 1e10  # infinite texels become this
LUMINANCE = np.array((0.2126, 0.7152, 0.0722))  # of linear Rec.709


def srgb_to_linear(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo the sRGB transfer function (IEC 61966-2-1) of values in 0..1."""
    x = np.asarray(x, np.float32)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _four_channels(pixels: NDArray[np.generic], opaque: float) -> NDArray[np.generic]:
    """Grey, grey-alpha and RGB as RGBA."""
    h, w, c = pixels.shape
    out = np.full((h, w, 4), opaque, pixels.dtype)
    if c <= 2:
        out[..., :3] = pixels[..., :1]
        if c == 2:
            out[..., 3] = pixels[..., 1]
    else:
        out[..., :c] = pixels
    return out


def _half_words(image: Image) -> tuple[NDArray[np.uint32], int]:
    """Texels as two words of two halves each (rg, ba), and the power of two that they were divided by."""
    pixels = image.pixels
    if pixels.dtype == np.uint16:
        rgba = _four_channels(pixels, 65535).astype(np.float32) / np.float32(65535.0)
    else:
        rgba = np.nan_to_num(_four_channels(pixels, 1.0).astype(np.float32), nan=0.0, posinf=_BRIGHTEST, neginf=0.0)
        rgba = rgba.clip(-_BRIGHTEST, _BRIGHTEST)
    if image.colour_space == "srgb":
        rgba[..., :3] = srgb_to_linear(np.clip(rgba[..., :3], 0.0, None))
    peak = float(np.abs(rgba).max(initial=0.0))
    exponent = int(np.ceil(np.log2(peak / _HALF_MAX))) if peak > _HALF_MAX else 0
    halves = np.clip(np.ldexp(rgba, -exponent), -_HALF_MAX, _HALF_MAX).astype(np.float16)
    return np.ascontiguousarray(halves).view(np.uint32).ravel(), exponent


def pack_textures(images: tuple[Image, ...]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """The atlas of `images`: words (1D) and one row of IMAGE_STRIDE integers per image (one dead row when empty)."""
    table = np.zeros((max(len(images), 1), IMAGE_STRIDE), np.int32)
    words = [srgb_to_linear(np.arange(256, dtype=np.float32) / 255.0).view(np.uint32)]
    offset = 256
    for row, image in zip(table, images, strict=False):
        h, w = image.pixels.shape[:2]
        exponent = 0
        if image.pixels.dtype == np.uint8:
            rgba = np.ascontiguousarray(_four_channels(image.pixels, 255))
            texels, form = rgba.view(np.uint32).ravel(), RGBA8
        else:
            (texels, exponent), form = _half_words(image), RGBA16F
        row[:] = (offset, w, h, form, _SPACES.get(image.colour_space, DATA), exponent)
        words.append(texels)
        offset += texels.size
    return np.concatenate(words), table


def luminance_of(image: Image) -> NDArray[np.float32]:
    """Linear luminance of every texel, (h, w); negative and broken values are 0."""
    pixels = image.pixels
    values = pixels.astype(np.float32)
    if pixels.dtype != np.float32:
        values /= np.float32(np.iinfo(pixels.dtype).max)
    values = values[..., :3] if values.shape[2] >= 3 else values[..., :1]
    values = np.nan_to_num(values, nan=0.0, posinf=_BRIGHTEST, neginf=0.0).clip(0.0, _BRIGHTEST)
    if image.colour_space == "srgb":
        values = srgb_to_linear(values)
    return (values @ LUMINANCE if values.shape[2] == 3 else values[..., 0]).astype(np.float32)


@ti.func
def half_to_float(h: ti.u32) -> ti.f32:
    """A half in the low 16 bits; written with integers because denormal floats are flushed on some devices."""
    magnitude = h & ti.u32(0x7FFF)
    value = ti.bit_cast((magnitude << ti.u32(13)) + ti.u32(112 << 23), ti.f32)
    if magnitude < ti.u32(0x400):
        value = ti.cast(magnitude, ti.f32) * 5.9604644775390625e-08
    return ti.select((h & ti.u32(0x8000)) != ti.u32(0), -value, value)


@ti.func
def texel(texels: ti.template(), offset: ti.i32, form: ti.i32, space: ti.i32, index: ti.i32) -> tm.vec4:
    """One texel in linear light."""
    value = tm.vec4(0.0)
    if form == RGBA8:
        word = texels[offset + index]
        r, g, b = word & ti.u32(255), (word >> ti.u32(8)) & ti.u32(255), (word >> ti.u32(16)) & ti.u32(255)
        value = tm.vec4(ti.cast(r, ti.f32), ti.cast(g, ti.f32), ti.cast(b, ti.f32), ti.cast(word >> ti.u32(24), ti.f32))
        value /= 255.0
        if space == SRGB:
            value.x = ti.bit_cast(texels[ti.cast(r, ti.i32)], ti.f32)
            value.y = ti.bit_cast(texels[ti.cast(g, ti.i32)], ti.f32)
            value.z = ti.bit_cast(texels[ti.cast(b, ti.i32)], ti.f32)
    else:
        rg, ba = texels[offset + 2 * index], texels[offset + 2 * index + 1]
        value = tm.vec4(
            half_to_float(rg & ti.u32(0xFFFF)),
            half_to_float(rg >> ti.u32(16)),
            half_to_float(ba & ti.u32(0xFFFF)),
            half_to_float(ba >> ti.u32(16)),
        )
    return value


@ti.func
def reduce(x: ti.f32, wrap: ti.i32) -> ti.f32:
    """A texture coordinate brought near 0..1 (0..2 when mirrored); broken ones become 0."""
    y = 0.0
    if ti.abs(x) < 1e6:
        y = x - ti.floor(x)
        if wrap == MIRROR:
            y = x - 2.0 * ti.floor(0.5 * x)
        elif wrap == CLAMP:
            y = tm.clamp(x, 0.0, 1.0)
    return y


@ti.func
def wrapped(i: ti.i32, n: ti.i32, wrap: ti.i32) -> ti.i32:
    """A texel index in -1 .. 2n brought into 0 .. n-1."""
    j = i
    if wrap == REPEAT:
        j = (i + n) % n
    elif wrap == MIRROR:
        j = (i + 2 * n) % (2 * n)
        if j >= n:
            j = 2 * n - 1 - j
    return tm.clamp(j, 0, n - 1)


@ti.func
def fetch(
    texels: ti.template(), images: ti.template(), i: ti.i32, uv: tm.vec2, wrap_u: ti.i32, wrap_v: ti.i32, mode: ti.i32
) -> tm.vec4:
    """Image `i` at `uv` (v runs down, top row first) in linear light; magenta when the image is missing (-1)."""
    value = tm.vec4(1.0, 0.0, 1.0, 1.0)
    if i >= 0:
        w, h = images[i, WIDTH], images[i, HEIGHT]
        offset, form, space = images[i, OFFSET], images[i, FORMAT], images[i, SPACE]
        x, y = reduce(uv.x, wrap_u) * w, reduce(uv.y, wrap_v) * h
        if mode == BILINEAR:
            x -= 0.5
            y -= 0.5
        x0, y0 = ti.floor(x), ti.floor(y)
        fx, fy = (x - x0) * mode, (y - y0) * mode
        value = tm.vec4(0.0)
        for tap in range(4):
            dx, dy = tap & 1, tap >> 1
            weight = (fx if dx == 1 else 1.0 - fx) * (fy if dy == 1 else 1.0 - fy)
            if weight > 0.0:
                column = wrapped(ti.cast(x0, ti.i32) + dx, w, wrap_u)
                line = wrapped(ti.cast(y0, ti.i32) + dy, h, wrap_v)
                value += weight * texel(texels, offset, form, space, line * w + column)
        if images[i, EXPONENT] != 0:
            value *= ti.bit_cast((127 + images[i, EXPONENT]) << 23, ti.f32)
    return value


@ti.func
def component(value: tm.vec4, channel: ti.i32) -> ti.f32:
    """Channel 0 to 3 of a texel, without indexing a local vector (slow on some devices)."""
    scalar = value.x
    if channel == 1:
        scalar = value.y
    elif channel == 2:
        scalar = value.z
    elif channel == 3:
        scalar = value.w
    return scalar


@ti.func
def slot_value(
    texels: ti.template(), images: ti.template(), slots: ti.template(), s: ti.i32, uv0: tm.vec2, uv1: tm.vec2
) -> tm.vec4:
    """Row `s` of FlatScene.slots at a surface point: the texel, its channel selected, times gain plus bias.

    A scalar channel fills all four components. A missing image is magenta where a colour is asked for and 1 (no
    effect) where a number is.
    """
    image, channel = ti.cast(slots[s, 1], ti.i32), ti.cast(slots[s, 3], ti.i32)
    uv = uv1 if slots[s, 2] > 0.5 else uv0
    mapped = tm.vec2(
        slots[s, 10] * uv.x + slots[s, 11] * uv.y + slots[s, 12],
        slots[s, 13] * uv.x + slots[s, 14] * uv.y + slots[s, 15],
    )
    value = fetch(
        texels,
        images,
        image,
        mapped,
        ti.cast(slots[s, 4], ti.i32),
        ti.cast(slots[s, 5], ti.i32),
        ti.cast(slots[s, 6], ti.i32),
    )
    gain, bias = slots[s, 8], slots[s, 9]
    if channel < 4:
        value = tm.vec4(component(value, channel) * gain + bias)
        if image < 0:
            value = tm.vec4(1.0)
    elif image >= 0:
        value = tm.vec4(value.xyz * gain + bias, value.w)
    return value
