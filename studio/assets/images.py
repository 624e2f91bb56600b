"""Images: pixels of textures and environments, from files and from memory.

Pillow decodes PNG, JPEG and WebP in memory. What it would cut down or cannot read goes through OpenImageIO: 16-bit
PNG, EXR, HDR, TIFF. imageio is never asked: it clips EXR to 8 bits without a word. Sizes are taken from the header
and held against the file before a pixel is decoded, so a small file cannot ask for gigabytes.
"""

from __future__ import annotations

import importlib
import io
import os
import struct
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.assets.budget import Budget
from studio.assets.files import read_file
from studio.errors import BadAsset, Unsupported
from studio.scene.geometry import Image, make_image

Pixels = NDArray[Any]

# what the first bytes of a file say it is, whatever its name or media type say
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8", "jpeg"),
    (b"\xabKTX 20\xbb\r\n\x1a\n", "ktx2"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"#?", "hdr"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
# longest side of an image in pixels
LONGEST = 32_768
_SUFFIX = {"exr": ".exr", "hdr": ".hdr", "tiff": ".tif", "png": ".png"}


def read_image(path: str | os.PathLike[str]) -> Image:
    """The image in a file. BadAsset when it is missing, broken or larger than its bytes justify."""
    path = Path(path)
    data = read_file(path, path.name)
    kind = kind_of(data)
    if kind in _SUFFIX and (kind != "png" or _deep_png(data)):
        pixels = _read_oiio(path, Budget(path.name, len(data)), path.name)
    else:
        pixels = _decode(data, kind, Budget(path.name, len(data)), path.name)
    return make_image(pixels, colour_space=_natural_space(pixels), name=path.stem, path=str(path), where=path.name)


def decode_image(data: bytes, mime: str = "", *, name: str = "image", budget: Budget | None = None) -> Image:
    """The image in memory. The bytes decide what it is; `mime` is used only for the sentence of a fault."""
    budget = budget or Budget(name, len(data))
    kind = kind_of(data)
    if not kind:
        said = f" ({mime[:40]})" if mime else ""
        raise BadAsset(f"{name}: the image{said} is of no known kind; use PNG, JPEG, WebP, KTX2, EXR, HDR or TIFF.")
    if kind in _SUFFIX and (kind != "png" or _deep_png(data)):
        with tempfile.TemporaryDirectory(prefix="studio-image-") as folder:
            file = Path(folder) / f"image{_SUFFIX[kind]}"
            file.write_bytes(data)
            pixels = _read_oiio(file, budget, name)
    else:
        pixels = _decode(data, kind, budget, name)
    return make_image(pixels, colour_space=_natural_space(pixels), name=name, where=name)


def _natural_space(pixels: Pixels) -> str:
    """Integers are taken as sRGB, floats as linear."""
    return "linear" if pixels.dtype == np.float32 else "srgb"


def with_colour_space(image: Image, colour_space: str) -> Image:
    """The same pixels read as another colour space; floating point colour stays linear."""
    if colour_space == "srgb" and image.pixels.dtype == np.float32:
        colour_space = "linear"
    if image.colour_space == colour_space:
        return image
    return make_image(image.pixels, colour_space=colour_space, name=image.name, path=image.path)


def kind_of(data: bytes) -> str:
    """ "png", "jpeg", "webp", "ktx2", "exr", "hdr", "tiff", or "" when the bytes are none of these."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def _deep_png(data: bytes) -> bool:
    return len(data) > 25 and data[24] == 16


def _check_size(size: tuple[int, int], name: str, *, kept: int, transient: int, budget: Budget) -> None:
    """Hold an image's size against the limits; `kept` and `transient` are bytes per pixel of its decoding."""
    width, height = size
    if width < 1 or height < 1:
        raise BadAsset(f"{name}: the image is {width} x {height} pixels; it is broken.")
    if width > LONGEST or height > LONGEST:
        raise BadAsset(f"{name}: the image is {width:,} x {height:,} pixels; the limit is {LONGEST:,} a side.")
    pixels = width * height
    place = f"the image {name} of {width:,} x {height:,} pixels"
    budget.spend(pixels * kept, place, transient=pixels * transient)


def _guarded(what: Callable[[], Any], name: str) -> Any:
    """Run a foreign decoder: whatever it raises means a broken image, whatever it warns of is not for the artist."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return what()
    except BadAsset:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadAsset(f"{name}: the image cannot be decoded ({text}); export it again.") from error


def _decode(data: bytes, kind: str, budget: Budget, name: str) -> Pixels:
    if kind == "ktx2":
        return _decode_ktx2(data, budget, name)
    if kind not in ("png", "jpeg", "webp"):
        raise BadAsset(f"{name}: the image is of no known kind; use PNG, JPEG, WebP, KTX2, EXR, HDR or TIFF.")
    if kind == "webp":
        # Pillow allocates a WebP's canvas when it opens the file, so its size is looked at first
        _check_size(_webp_size(data, name), name, kept=4, transient=12, budget=budget)
    out: Pixels = _guarded(lambda: _decode_pillow(data, kind, budget, name), name)
    return out


def _decode_pillow(data: bytes, kind: str, budget: Budget, name: str) -> Pixels:
    import PIL.Image

    PIL.Image.MAX_IMAGE_PIXELS = None  # the size is held against the file below, more tightly than Pillow does
    with PIL.Image.open(io.BytesIO(data), formats=[kind.upper()]) as picture:
        if kind != "webp":
            # Pillow holds colour in four bytes a pixel; palettes and other modes are converted, which is one copy more
            kept, held = {"1": (1, 2), "L": (1, 1), "RGB": (3, 4), "RGBA": (4, 4)}.get(picture.mode, (4, 8))
            _check_size(picture.size, name, kept=kept, transient=held, budget=budget)
        mode = picture.mode
        if mode == "P":
            mode = "RGBA" if "transparency" in picture.info else "RGB"
        elif mode == "1":
            mode = "L"
        elif mode not in ("L", "LA", "RGB", "RGBA"):
            mode = "RGB"
        if mode in ("L", "RGB") and "transparency" in picture.info:
            mode = "LA" if mode == "L" else "RGBA"
        if mode != picture.mode:
            return _bands(picture.convert(mode))
        picture.load()
        return _bands(picture)


def _bands(picture: Any) -> NDArray[np.uint8]:
    """Pixels of a Pillow image, copied in bands so that only one full copy is ever made."""
    width, height = picture.size
    out = np.empty((height, width, len(picture.getbands())), np.uint8)
    rows = max(1, (8 << 20) // (width * out.shape[2]))
    for top in range(0, height, rows):
        end = min(top + rows, height)
        out[top:end] = np.asarray(picture.crop((0, top, width, end))).reshape(end - top, width, -1)
    return out


def _webp_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height from a WebP header. Source: WebP container specification (RIFF)."""
    kind = data[12:16]
    if len(data) >= 30 and kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if len(data) >= 30 and kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if len(data) >= 25 and kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise BadAsset(f"{name}: the WebP image is truncated; export it again.")


def _decode_ktx2(data: bytes, budget: Budget, name: str) -> NDArray[np.uint8]:
    if len(data) < 80:
        raise BadAsset(f"{name}: the KTX2 image is truncated; export it again.")
    width, height = struct.unpack_from("<II", data, 20)
    _check_size((width, height), name, kept=4, transient=8, budget=budget)
    try:
        basisu = importlib.import_module("opengl_basisu")
    except ImportError as error:
        raise Unsupported(
            f"{name}: is a KTX2 image; install the extra myriad-studio[codecs], or use PNG or JPEG."
        ) from error

    def transcode() -> NDArray[np.uint8]:
        texture = basisu.open(data)
        if (texture.width, texture.height) != (width, height):
            raise ValueError("its sizes disagree")
        channels = 4 if texture.has_alpha else 3
        pixels = np.asarray(texture.transcode("rgba8").data, np.uint8).reshape(height, width, 4)
        return np.ascontiguousarray(pixels[:, :, :channels])

    out: NDArray[np.uint8] = _guarded(transcode, name)
    return out


def _read_oiio(path: Path, budget: Budget, name: str) -> Pixels:
    """Pixels of a file through OpenImageIO, straight alpha, channels in the order R, G, B, A."""
    out: Pixels = _guarded(lambda: _read_oiio_unguarded(path, budget, name), name)
    return out


def _read_oiio_unguarded(path: Path, budget: Budget, name: str) -> Pixels:
    import OpenImageIO

    config = OpenImageIO.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)
    source = OpenImageIO.ImageInput.open(str(path), config)
    if source is None:
        raise ValueError(OpenImageIO.geterror() or "unknown format")
    try:
        spec = source.spec()
        # the display window of an EXR may be smaller than its data: the data is what gets decoded
        if spec.depth > 1 or spec.nchannels > 64:
            raise ValueError("it is no plain picture")
        kind = {OpenImageIO.UINT8: "uint8", OpenImageIO.UINT16: "uint16"}.get(spec.format.basetype, "float")
        width = {"uint8": 1, "uint16": 2, "float": 4}[kind]
        stored = width * spec.nchannels
        _check_size(
            (spec.width, spec.height), name, kept=width * min(4, spec.nchannels), transient=stored, budget=budget
        )
        channels = _channels(list(spec.channelnames))
        data = source.read_image(0, 0, 0, spec.nchannels, kind)
        if data is None:
            raise ValueError(source.geterror() or "its pixels cannot be read")
    finally:
        source.close()
    decoded = np.asarray(data).reshape(spec.height, spec.width, -1)
    whole = channels == list(range(decoded.shape[2]))
    return decoded if whole else np.ascontiguousarray(decoded[:, :, channels])


def _channels(names: list[str]) -> list[int]:
    """Which channels make the picture: R, G, B (and A) by name, else the first ones as they come."""
    by_name = {name.rpartition(".")[2].upper(): at for at, name in reversed(list(enumerate(names)))}
    if {"R", "G", "B"} <= by_name.keys():
        return [by_name[c] for c in "RGBA" if c in by_name]
    if "Y" in by_name:
        return [by_name[c] for c in "YA" if c in by_name]
    return list(range(min(len(names), 4)))


def encode_image(image: Image) -> tuple[bytes, str]:
    """The image as bytes and their media type: PNG of 8 or 16 bits, EXR for floating point."""
    pixels = image.pixels
    if pixels.dtype == np.uint8:
        import PIL.Image

        out = io.BytesIO()
        plain = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        PIL.Image.fromarray(np.ascontiguousarray(plain)).save(out, "PNG", compress_level=3)
        return out.getvalue(), "image/png"
    suffix, mime = (".png", "image/png") if pixels.dtype == np.uint16 else (".exr", "image/x-exr")
    return _encode_oiio(image, suffix), mime


def _encode_oiio(image: Image, suffix: str) -> bytes:
    import OpenImageIO

    height, width, channels = image.pixels.shape
    kind = OpenImageIO.UINT16 if suffix == ".png" else OpenImageIO.FLOAT
    spec = OpenImageIO.ImageSpec(width, height, channels, kind)
    spec.channelnames = {1: ("Y",), 2: ("Y", "A")}.get(channels, tuple("RGBA"[:channels]))
    spec.attribute("oiio:UnassociatedAlpha", 1)
    spec.attribute("compression", "zip")
    with tempfile.TemporaryDirectory(prefix="studio-image-") as folder:
        file = Path(folder) / f"image{suffix}"
        output = OpenImageIO.ImageOutput.create(str(file))
        if output is None or not output.open(str(file), spec) or not output.write_image(image.pixels):
            raise BadAsset(f"{image.name or 'image'}: cannot be encoded ({OpenImageIO.geterror()[:200]}).")
        output.close()
        return file.read_bytes()
