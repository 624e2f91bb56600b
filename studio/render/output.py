"""Pictures on disk: OpenEXR with every layer for the compositor, and PNG, JPEG or TIFF through the view for the eye.

An EXR holds scene-linear values in nits, one part a layer, half floats where half floats do. It is written beside its
place and renamed when it is whole, so a reader never meets half a frame and a full disk leaves the old one untouched.
EXRs are encoded by OpenEXR (`studio.render.exr`), PNG and TIFF by OpenImageIO, whose Python API reports failure by
return values, which are turned into `CannotWrite`. Two of its formats do not report a full disk: its PNG writer says
that all went well, so a PNG is checked afterwards, and its JPEG writer ends the process, so a JPEG is encoded in memory
by Pillow.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from studio.render.exr import Section, Value, write_sections
from studio.render.film import Crop, Film
from studio.scene import color

COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
_LOSSY = ("pxr24", "b44", "b44a", "dwaa", "dwab")
EXTENSIONS = (".exr", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
FAR_M = 1e10  # depth where nothing was hit; compositors reckon with it, infinity turns into NaN in their hands
DWA_LEVEL, JPEG_QUALITY = 45.0, 95
_EXIF_SOFTWARE = 0x0131
_LONGEST_STEM = 40  # of a hidden file

Draw = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # on display values (h, w, 3 or 4) in 0..1


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A layer of a picture. `exact` data (depth, positions, mattes) is always stored as float and without loss."""

    name: str
    channels: tuple[str, ...]
    pixels: NDArray[np.float32]  # (h, w, len(channels))
    exact: bool = False
    floats: tuple[str, ...] | None = None  # of a part of many layers, the channels that are floats whatever the rest is


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
    temporary = path.with_name(f".{hidden_stem(path)}.{uuid.uuid4().hex[:12]}{path.suffix}")
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


def hidden_stem(path: Path) -> str:
    """What hidden files that become `path` are called by: its stem, or the beginning of a long one and a digest of it
    all, so that no other picture's files are taken for its own."""
    stem = path.stem
    if len(stem) <= _LONGEST_STEM:
        return stem
    digest = hashlib.blake2b(stem.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return f"{stem[: _LONGEST_STEM - 9]}~{digest}"


def drop_leftovers(path: Path) -> None:
    """Remove what a writer of `path`, or of its checkpoint, left behind when it was killed in the middle."""
    drop_hidden(path, r"\.[0-9a-f]{12}\.\w+")


def drop_hidden(path: Path, ending: str, *, but: str = "") -> None:
    """Remove hidden files beside `path` that became nothing: those of its own whose name ends as the expression
    `ending` has it, but for the one called `but`."""
    name = re.compile(re.escape(f".{hidden_stem(path)}") + ending)
    try:
        found = [entry for entry in path.parent.iterdir() if name.fullmatch(entry.name) and entry.name != but]
    except OSError:
        return  # no such folder, nothing in it
    for entry in found:
        _remove(entry)


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
    display: str = color.DISPLAY,
    dwa_level: float = DWA_LEVEL,
    multi_part: bool = True,
    quality: int = JPEG_QUALITY,
    draw: Draw | None = None,
) -> Path:
    """Write a picture as its extension says; returns the path. Whole or not at all.

    EXR: every layer, scene-linear; `half`, `compression` (`dwa_level` for DWAA and DWAB) and `metadata` apply, and
    `matte_names` ("object" or "material" -> names) goes into the Cryptomatte manifests. A layer is a part of the file,
    or all are channels of one part where not `multi_part`. Sequences of 16 numbers in `metadata` are stored as
    matrices (`worldToCamera`, row vectors as in OpenEXR). PNG, TIFF (`bits` 8 or 16) and JPEG (`quality` 1 to 100):
    the beauty of the crop, multiplied by 2**exposure_ev, through `view` of `display`, over black or with `alpha`, and
    what `draw` makes of that (burn-ins, which never touch an EXR).

    Raises `UsageError` for an unknown extension, view or compression and `CannotWrite` when the disk refuses.
    """
    path = Path(path)
    shown = picture(film) if isinstance(film, Film) else film
    extension = path.suffix.lower()
    if extension not in EXTENSIONS:
        raise UsageError(f"cannot write {path.name!r}: the extension must be one of {', '.join(EXTENSIONS)}")
    if extension == ".exr":
        _check_compression(compression)
        _write_exr(
            shown if multi_part else _one_part(shown),
            path,
            metadata or {},
            half,
            compression,
            dwa_level,
            color.working_space(space),
            matte_names or {},
        )
    else:
        jpeg = extension in (".jpg", ".jpeg")
        if bits not in (8, 16) or (jpeg and bits != 8):
            raise UsageError(
                f"cannot write {path.name!r} with {bits} bits a channel; use 8" + ("" if jpeg else " or 16")
            )
        beauty = shown.parts[0].pixels
        pixels = view_pixels(
            beauty, view=view, display=display, exposure_ev=exposure_ev, alpha=alpha and not jpeg, space=space
        )
        write_shown(pixels if draw is None else draw(pixels), path, bits=bits, quality=quality, display=display)
    return path


def view_pixels(
    beauty: NDArray[np.float32],
    *,
    view: str,
    display: str = color.DISPLAY,
    exposure_ev: float = 0.0,
    alpha: bool = False,
    space: str = color.REC709,
) -> NDArray[np.float32]:
    """What a screen shows of a beauty (h, w, 4): (h, w, 3) display values over black, or (h, w, 4) with `alpha`, whose
    colours are then not multiplied by it."""
    rgb, coverage = beauty[..., :3], np.clip(beauty[..., 3:4], 0.0, 1.0)
    if alpha:  # formats for the eye keep colour and coverage apart
        rgb = np.where(coverage > 0, rgb / np.maximum(coverage, 1e-6), 0.0).astype(np.float32)
    pixels = color.display_transform(
        rgb, view=color.find_view(view, display), display=display, exposure_ev=exposure_ev, space=space
    )
    return np.concatenate([pixels, coverage], axis=-1) if alpha else pixels


def write_shown(
    pixels: NDArray[np.float32],
    path: Path,
    *,
    bits: int = 8,
    quality: int = JPEG_QUALITY,
    display: str = color.DISPLAY,
) -> None:
    """Write display values (h, w, 3 or 4) as PNG, TIFF or JPEG. Raises `CannotWrite`."""
    import OpenImageIO

    if path.suffix.lower() in (".jpg", ".jpeg"):
        _encode_jpeg(path, pixels, quality)
        return
    spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], "uint16" if bits == 16 else "uint8")
    if display == color.DISPLAY:  # of the other displays these formats know nothing
        spec.attribute("oiio:ColorSpace", "sRGB")
    spec.attribute("oiio:UnassociatedAlpha", 1)
    spec.attribute("Software", software())
    spec.attribute("DateTime", "")  # a date would make two files of the same picture differ
    _encode(path, spec, pixels)


def _encode_jpeg(path: Path, pixels: NDArray[np.float32], quality: int) -> None:
    from PIL import Image

    encoded = BytesIO()
    exif = Image.Exif()
    exif[_EXIF_SOFTWARE] = software()
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    image.save(encoded, "JPEG", quality=quality, subsampling=0, exif=exif)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getvalue())


def software() -> str:
    """What the header of a picture names as its maker."""
    return f"Myriad {studio.__version__}"


def _check_compression(compression: str) -> None:
    if compression not in COMPRESSIONS:
        raise UsageError(f"there is no EXR compression {compression!r}; choose from {', '.join(COMPRESSIONS)}")


def _one_part(shown: Picture) -> Picture:
    """A picture whose layers are channels of one part. Layers that must stay exact make all of it exact where a lossy
    compression would take the red, green and blue of a matte for colours."""
    names = tuple(name for part in shown.parts for name in part.channels)
    pixels = np.concatenate([part.pixels for part in shown.parts], axis=-1)
    exact = tuple(name for part in shown.parts if part.exact for name in part.channels)
    return Picture(shown.width, shown.height, shown.crop, (Part("", names, pixels, exact=bool(exact), floats=exact),))


def _write_exr(
    shown: Picture,
    path: Path,
    metadata: Mapping[str, Value],
    half: bool,
    compression: str,
    dwa_level: float,
    space: str,
    matte_names: Mapping[str, Sequence[str]],
) -> None:
    header: dict[str, Value] = {"Software": software(), "chromaticities": color.CHROMATICITIES[space], **metadata}
    header = {name: value for name, value in header.items() if value != ""}
    mattes: dict[str, Value] = {}
    present = {part.name for part in shown.parts}
    for kind, layer in cryptomatte.TYPE_NAMES.items():
        if layer in present:
            mattes.update(cryptomatte.metadata(kind, matte_names.get(kind, ())))
    sections = []
    for index, part in enumerate(shown.parts):
        # compositors look for the manifests in the first part, the specification beside the channels
        extra = mattes if index == 0 or part.name.startswith("Crypto") else {}
        lossy = part.exact and compression in _LOSSY
        sections.append(
            Section(
                name=part.name or "layers",
                channels=part.channels,
                pixels=part.pixels,
                floats=_floats(part, half),
                compression="zip" if lossy else compression,
                header={**header, **extra},
            )
        )
    with replacing(path) as temporary:
        try:
            write_sections(temporary, sections, crop=shown.crop, size=(shown.width, shown.height), dwa_level=dwa_level)
        except RuntimeError as error:
            fault = " ".join(str(error).replace(str(temporary), str(path)).split()) or "the disk refuses"
            raise CannotWrite(
                f"cannot write {path}: {fault.rstrip('.')}; choose another folder or make room"
            ) from error


def _floats(part: Part, half: bool) -> frozenset[str]:
    """The channels that are floats in any case."""
    if not half or (part.exact and part.floats is None):
        return frozenset(part.channels)
    return frozenset(part.floats or ())


def _encode(path: Path, spec: Any, pixels: NDArray[np.float32]) -> None:
    """Write a PNG or TIFF by OpenImageIO."""
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
            must(out.open(str(temporary), spec))
            must(out.write_image(np.ascontiguousarray(pixels, np.float32)))
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
