"""Pictures on disk: OpenEXR with every layer for the compositor, and PNG, JPEG or TIFF through the view for the eye.

An EXR holds scene-linear values in nits, one part a layer, half floats where half floats do. It is written beside its
place and renamed when it is whole, so a reader never meets half a frame and a full disk leaves the old one untouched.
OpenImageIO does the encoding; its Python API reports failure by return values, which are turned into `CannotWrite`.
Two of its formats do not report a full disk: its PNG writer says that all went well, so a PNG is checked afterwards,
and its JPEG writer ends the process, so a JPEG is encoded in memory by Pillow.
"""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import studio
from studio.errors import CannotWrite, UsageError
from studio.render import cryptomatte
from studio.render.film import Crop, Film
from studio.scene import color

COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
_LOSSY = ("pxr24", "b44", "b44a", "dwaa", "dwab")
EXTENSIONS = (".exr", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
FAR_M = 1e10  # depth where nothing was hit; compositors reckon with it, infinity turns into NaN in their hands
_LARGEST_HALF = 65504.0
_EXIF_SOFTWARE = 0x0131

Value = str | int | float | Sequence[float]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A layer of a picture. `exact` data (depth, positions, mattes) is always stored as float and without loss."""

    name: str
    channels: tuple[str, ...]
    pixels: NDArray[np.float32]  # (h, w, len(channels))
    exact: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Layers of one crop of an image; the first part is the beauty with R, G, B and A."""

    width: int
    height: int
    crop: Crop
    parts: tuple[Part, ...]


def picture(
    film: Film,
    *,
    aovs: Sequence[str] = (),
    denoised: Mapping[str, NDArray[np.float32]] | None = None,
) -> Picture:
    """The layers of a film as they are written: beauty, its other summed layers, depth, and Cryptomatte.

    `aovs` adds "samples" and "variance", which every film has. `denoised` replaces the colours (h, w, 3) of layers by
    prefix, "" for the beauty; the noisy beauty then stays in the file as the layer "noisy".
    """
    clean = dict(denoised or {})
    parts = [_layer(film, prefix, clean) for prefix in film.layers()]
    if "" in clean:
        parts.insert(1, Part("noisy", ("noisy.R", "noisy.G", "noisy.B"), film.rgb("")))
    if "depth" in film.minima_names:
        parts.append(Part("depth", ("Z",), np.minimum(film.value("depth"), np.float32(FAR_M))[..., None], exact=True))
    for name in ("samples", "variance"):
        if name in aovs:
            parts.append(Part(name, (name,), film.value(name)[..., None], exact=True))
    for kind in film.mattes:
        pixels = cryptomatte.ranked(film, kind)
        parts.append(Part(cryptomatte.TYPE_NAMES[kind], cryptomatte.channel_names(kind), pixels, exact=True))
    return Picture(film.width, film.height, film.crop, tuple(parts))


def _layer(film: Film, prefix: str, clean: Mapping[str, NDArray[np.float32]]) -> Part:
    names = film.names(prefix)
    pixels = np.stack([film.value(name) for name in names], axis=-1)
    if prefix in clean:
        pixels[..., :3] = clean[prefix]
    return Part(prefix or "beauty", names, pixels, exact=prefix in ("P", "UV", "motion"))


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A name beside `path` to write to, which becomes `path` when the block ends well and vanishes when it does not.

    Folders are created. `OSError`s of the block become `CannotWrite` with a sentence.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex[:12]}{path.suffix}")
    try:
        if path.is_dir():
            raise CannotWrite(f"cannot write {path}: it is a folder; name a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {_reason(error)}") from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise CannotWrite(f"cannot write {str(path)!r}: the name holds a zero character") from error
    finally:
        if "\0" not in str(temporary):
            _remove(temporary)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        return  # it was renamed, or never came to be


def _reason(error: OSError) -> str:
    return f"{(error.strerror or str(error)).lower()}; choose another folder or make room"


def write_image(
    film: Film | Picture,
    path: str | Path,
    *,
    metadata: Mapping[str, Value] | None = None,
    view: str = color.DEFAULT_VIEW,
    exposure_ev: float = 0.0,
    half: bool = True,
    compression: str = "zip",
    bits: int = 8,
    alpha: bool = False,
    space: str = color.REC709,
    matte_names: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write a picture as its extension says; returns the path. Whole or not at all.

    EXR: every layer, scene-linear; `half`, `compression` and `metadata` apply, and `matte_names` ("object" or
    "material" -> names) goes into the Cryptomatte manifests. Sequences of 16 numbers in `metadata` are stored as
    matrices (`worldToCamera`, row vectors as in OpenEXR). PNG, TIFF (`bits` 8 or 16) and JPEG: the beauty of the
    crop, multiplied by 2**exposure_ev, through `view` of the sRGB display, over black or with `alpha`.

    Raises `UsageError` for an unknown extension, view or compression and `CannotWrite` when the disk refuses.
    """
    path = Path(path)
    shown = picture(film) if isinstance(film, Film) else film
    extension = path.suffix.lower()
    if extension not in EXTENSIONS:
        raise UsageError(f"cannot write {path.name!r}: the extension must be one of {', '.join(EXTENSIONS)}")
    if extension == ".exr":
        _write_exr(shown, path, metadata or {}, half, compression, color.working_space(space), matte_names or {})
    else:
        view = color.find_view(view)
        _write_view(shown.parts[0].pixels, path, view, exposure_ev, bits, alpha, color.working_space(space))
    return path


def _write_view(
    beauty: NDArray[np.float32], path: Path, view: str, exposure_ev: float, bits: int, alpha: bool, space: str
) -> None:
    import OpenImageIO

    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    if bits not in (8, 16) or (jpeg and bits != 8):
        raise UsageError(f"cannot write {path.name!r} with {bits} bits a channel; use 8" + ("" if jpeg else " or 16"))
    rgb, coverage = beauty[..., :3], np.clip(beauty[..., 3:4], 0.0, 1.0)
    alpha = alpha and not jpeg
    if alpha:  # these formats keep colour and coverage apart
        rgb = np.where(coverage > 0, rgb / np.maximum(coverage, 1e-6), 0.0).astype(np.float32)
    pixels = color.display_transform(rgb, view=view, exposure_ev=exposure_ev, space=space)
    if alpha:
        pixels = np.concatenate([pixels, coverage], axis=-1)
    if jpeg:
        _encode_jpeg(path, pixels)
        return
    spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], "uint16" if bits == 16 else "uint8")
    spec.attribute("oiio:ColorSpace", "sRGB")
    spec.attribute("oiio:UnassociatedAlpha", 1)
    spec.attribute("Software", software())
    _encode(path, [spec], [pixels])


def _encode_jpeg(path: Path, pixels: NDArray[np.float32]) -> None:
    from PIL import Image

    encoded = BytesIO()
    exif = Image.Exif()
    exif[_EXIF_SOFTWARE] = software()
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    image.save(encoded, "JPEG", quality=95, subsampling=0, exif=exif)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getvalue())


def software() -> str:
    """What the header of a picture names as its maker."""
    return f"Myriad {studio.__version__}"


def _write_exr(
    shown: Picture,
    path: Path,
    metadata: Mapping[str, Value],
    half: bool,
    compression: str,
    space: str,
    matte_names: Mapping[str, Sequence[str]],
) -> None:
    if compression not in COMPRESSIONS:
        raise UsageError(f"there is no EXR compression {compression!r}; choose from {', '.join(COMPRESSIONS)}")
    header: dict[str, Value] = {"Software": software(), "chromaticities": color.CHROMATICITIES[space], **metadata}
    mattes: dict[str, Value] = {}
    present = {part.name for part in shown.parts}
    for kind, layer in cryptomatte.TYPE_NAMES.items():
        if layer in present:
            mattes.update(cryptomatte.metadata(kind, matte_names.get(kind, ())))
    specs = []
    for index, part in enumerate(shown.parts):
        # compositors look for the manifests in the first part, the specification beside the channels
        extra = mattes if index == 0 or part.name.startswith("Crypto") else {}
        lossy = part.exact and compression in _LOSSY
        spec = _exr_spec(shown, part, half, "zip" if lossy else compression)
        _annotate(spec, {**header, **extra})
        specs.append(spec)
    _encode(path, specs, [part.pixels for part in shown.parts])


def _exr_spec(shown: Picture, part: Part, half: bool, compression: str) -> Any:
    import OpenImageIO

    x0, y0, x1, y1 = shown.crop
    # a lamp seen directly may outshine what a half float holds; such a layer keeps its energy as floats
    fits = half and not part.exact and not np.any(np.abs(part.pixels) > _LARGEST_HALF)
    spec = OpenImageIO.ImageSpec(x1 - x0, y1 - y0, len(part.channels), "half" if fits else "float")
    spec.channelnames = part.channels
    spec.x, spec.y = x0, y0
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, shown.width, shown.height
    spec.attribute("oiio:subimagename", part.name)
    spec.attribute("compression", compression)
    spec.attribute("oiio:ColorSpace", "")
    spec.erase_attribute("oiio:ColorSpace")
    return spec


def _annotate(spec: Any, metadata: Mapping[str, Value]) -> None:
    import OpenImageIO

    for name, value in metadata.items():
        if isinstance(value, str | int | float):
            spec.attribute(name, value)
        elif len(value) == 16:
            spec.attribute(name, OpenImageIO.TypeDesc("matrix"), tuple(float(v) for v in value))
        else:
            spec.attribute(name, OpenImageIO.TypeDesc(f"float[{len(value)}]"), tuple(float(v) for v in value))


def _encode(path: Path, specs: Sequence[Any], images: Sequence[NDArray[np.float32]]) -> None:
    import OpenImageIO

    with replacing(path) as temporary:
        out = OpenImageIO.ImageOutput.create(str(temporary))
        if out is None:
            raise CannotWrite(f"cannot write {path}: {OpenImageIO.geterror()}")

        def must(done: bool) -> None:
            if not done:
                fault = " ".join(out.geterror().replace(str(temporary), str(path)).split()) or "the disk refuses"
                raise CannotWrite(f"cannot write {path}: {fault}; choose another folder or make room")

        try:
            must(out.open(str(temporary), tuple(specs)) if len(specs) > 1 else out.open(str(temporary), specs[0]))
            for index, (spec, image) in enumerate(zip(specs, images, strict=True)):
                if index:
                    must(out.open(str(temporary), spec, "AppendSubimage"))
                must(out.write_image(np.ascontiguousarray(image, np.float32)))
            must(out.close())
        finally:
            out.close()
        if path.suffix.lower() == ".png" and not _is_whole_png(temporary):
            raise CannotWrite(f"cannot write {path}: the disk did not take all of it; make room")


def _is_whole_png(path: Path) -> bool:
    """Whether a file is a PNG to its end, by the lengths and checksums of its chunks."""
    with open(path, "rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            body, check = file.read(length), file.read(4)
            if len(body) < length or check != struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))):
                return False
            if kind == b"IEND":
                return True
    return False
